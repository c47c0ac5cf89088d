//! The smallest program that needs the library.

fn main() {
    println!("{}", arenite::Tag::untagged());
}
