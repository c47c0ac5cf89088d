//! The `arenite` program.
fn main() {}
