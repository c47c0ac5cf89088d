//! "First Light": three maps with everything they show and sound like, all made by the program in this directory.
//!
//! Only whole numbers are used, so that every machine makes the same bytes.

mod art;
mod level;
mod plans;
mod sounds;

use arenite_demo::wad::{WadBuilder, WadKind};

/// The whole file.
pub(crate) fn build() -> Vec<u8> {
    let mut wad = WadBuilder::new(WadKind::Iwad);
    wad.palette(&art::palette());
    for (name, plan) in [("MAP01", plans::OUTPOST), ("MAP02", plans::CISTERN), ("MAP03", plans::TERRACES)] {
        wad.map(name, &level::build(plan));
    }
    let patches = art::patches();
    wad.textures(&art::textures());
    for (name, samples) in sounds::all() {
        wad.sound(name, sounds::RATE, &samples);
    }
    wad.patches(patches.iter().map(|(name, image)| (*name, image)));
    let sprites = art::sprites();
    wad.sprites(sprites.iter().map(|(name, image)| (*name, image)));
    let flats = art::flats();
    wad.flats(flats.iter().map(|(name, pixels)| (*name, pixels)));
    wad.finish()
}
