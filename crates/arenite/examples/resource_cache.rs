//! Textures under pressure: more than fits goes through a cache of 8 MiB. What was used longest ago goes, what is pinned
//! stays, and a texture larger than the budget is an error that costs nothing.
//!
//! `cargo run --release -p arenite --example resource_cache`

use std::error::Error;

use arenite::cache::{CacheEvent, LoadError, NoRoom};
use arenite::{Budget, Bytes, Pinned, ResourceCache, ResourceCacheOptions, Tag};

const MIB: usize = 1 << 20;

/// A picture, in memory that the ledger would not see by itself: the graphics card's, say.
struct Texture {
    pixels: Vec<u8>,
}

type Textures = ResourceCache<&'static str, Texture>;

fn load(
    textures: &Textures,
    name: &'static str,
    bytes: usize,
) -> Result<Pinned<&'static str, Texture>, LoadError<NoRoom>> {
    textures.get_or_load(&name, |room| {
        room.claim(bytes)?; // as the file's header says: unloads, or refuses, before anything is read
        Ok(Texture { pixels: vec![name.len() as u8; bytes] })
    })
}

fn main() -> Result<(), Box<dyn Error>> {
    let tag = Tag::register("render/textures")?;
    tag.set_budget(Budget::hard(8 * MIB));
    let options = ResourceCacheOptions::new(tag).on_event(|event| {
        if let CacheEvent::Unloaded { key, bytes, why } = event {
            println!("  {key} went, {} ({why:?})", Bytes(bytes));
        }
    });
    let textures = Textures::with(options);

    let sky = load(&textures, "sky", 2 * MIB)?; // pinned as long as `sky` lives
    for name in ["brick", "grass", "water", "lava", "moss", "sand"] {
        println!("loading {name}");
        load(&textures, name, 2 * MIB)?; // pinned while it is drawn: not at all
    }
    assert!(textures.contains(&"sky") && textures.contains(&"sand") && !textures.contains(&"brick"));

    match load(&textures, "cathedral", 9 * MIB) {
        Err(refused) => println!("cathedral: {refused}"),
        Ok(_) => panic!("9 MiB do not fit in 8"),
    }
    assert_eq!(textures.len(), 4, "and the rest is still there");
    assert_eq!(sky.pixels.len(), 2 * MIB);
    println!("{:?}", textures.stats());
    drop((sky, textures));
    println!("afterwards: {} charged", Bytes(tag.account().own.committed));
    Ok(())
}
