//! The WAD that is played when no other is given.

/// "First Light": a small IWAD of our own making with three maps (`MAP01` to `MAP03`), their textures, flats, sprites
/// and sounds. `examples/make_wad.rs` draws and writes it; nothing in it comes from anybody's game.
pub const EMBEDDED: &[u8] = include_bytes!("../../data/first_light.wad");
