//! Reads and writes the data format of a real game: DOOM-format WAD files, IWAD and PWAD.
//!
//! A WAD is a header, a heap of *lumps* (named runs of bytes) and a directory that says where each lump lies:
//!
//! ```text
//! "IWAD" count offset | lump lump lump … | (offset size name)(offset size name)…
//! ```
//!
//! Reading **allocates nothing**: every type is a view over the bytes of the file or a small `Copy` value, and what has
//! to be decoded is written into memory that the caller provides (`decode_into`). The caller is a memory system that
//! wants to say itself where a texture lies. Nothing in a file is trusted: [`Wad::parse`] checks the directory, and
//! [`Wad::map`] checks every reference inside a map, so that what they hand out can be walked without further errors.
//!
//! | file | what lives there |
//! |---|---|
//! | `directory` | [`Wad`], [`Lump`]: header, directory, looking lumps up |
//! | `map` | [`Map`]: things, lines, sides, vertices, sectors |
//! | `kinds` | what the numbers of things mean: [`ThingKind`] |
//! | `picture` | [`Picture`]: the column format of patches and sprites |
//! | `texture` | [`Textures`], [`Texture`]: wall textures that are composed of patches |
//! | `flat` | [`Flat`], [`Palette`]: floors, ceilings and colours |
//! | `sound` | [`Sound`]: sampled sounds |
//! | `survey` | [`Survey`]: decodes everything that a file holds |
//! | `builder` | [`WadBuilder`]: writes WADs; the one file here that allocates |
//! | `embedded` | [`EMBEDDED`]: a small WAD of our own |
//!
//! This room imports nothing else of the crate.

mod builder;
mod bytes;
mod directory;
mod embedded;
mod error;
mod flat;
mod kinds;
mod map;
mod name;
mod picture;
mod sound;
mod survey;
mod texture;

pub use builder::{Image, MapData, TextureData, WadBuilder};
pub use directory::{Lump, Wad, WadKind};
pub use embedded::EMBEDDED;
pub use error::{MapFormat, MapPart, MapSample, PictureFault, Quoted, SoundFault, TextureFault, WadError};
pub use flat::{Flat, Palette};
pub use kinds::{Figure, Monster, ThingKind};
pub use map::{Bounds, Line, Map, Record, Records, RecordsIter, Sector, Side, Thing, Vertex};
pub use name::LumpName;
pub use picture::Picture;
pub use sound::Sound;
pub use survey::{Survey, Tally};
pub use texture::{Composed, PatchPlace, Texture, Textures};

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
