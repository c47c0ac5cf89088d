//! Budgets: a warning from 80 % on, a refusal at 100 % that names tag, limit, use and wish; nothing is lost by it.
//! What counts is committed memory.
//!
//! `cargo run --release -p arenite --example budget`

use std::error::Error;

use arenite::ledger::Pressure;
use arenite::{Budget, Bytes, ResourceArena, Tag};

/// A plain function is `'static`; what it is to change would live in a `static`.
fn report(pressure: &Pressure) {
    println!(
        "{:?}: {} has {} committed, {}",
        pressure.level,
        pressure.tag,
        Bytes(pressure.in_use),
        pressure.budget
    );
}

fn main() -> Result<(), Box<dyn Error>> {
    let textures = Tag::register("render/textures")?;
    textures.set_budget(Budget::hard(8 << 20).warn_at(0.8));
    textures.on_pressure(&report)?;

    let arena = ResourceArena::try_new(textures)?;
    let mut loaded = Vec::new();
    let refused = loop {
        match arena.try_insert_slice_copy(&[7u8; 1 << 20]) {
            Ok(texture) => loaded.push(texture),
            Err(error) => break error,
        }
    };
    println!("{} textures of 1 MiB loaded, then: {refused}", loaded.len());
    assert!(loaded.iter().all(|texture| arena.get(*texture).is_some()), "what was loaded is still there");

    let account = Tag::register("render")?.account();
    println!(
        "{}: {} committed, peak {}",
        account.name,
        Bytes(account.subtree.committed),
        Bytes(account.peak_committed)
    );
    drop(arena);
    println!("afterwards: {} committed", Bytes(textures.account().subtree.committed));
    Ok(())
}
