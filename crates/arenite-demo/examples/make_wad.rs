//! Writes the small WAD that the demo plays when it is given none.
//!
//! `cargo run -p arenite-demo --example make_wad` writes `crates/arenite-demo/data/first_light.wad` anew; the result
//! is the same on every machine, and a test compares it with the committed file.

mod first_light;

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("data/first_light.wad");
    let wad = first_light::build();
    match std::fs::write(&path, &wad) {
        Ok(()) => {
            println!("{} bytes in {}", wad.len(), path.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot write {}: {error}", path.display());
            ExitCode::FAILURE
        }
    }
}
