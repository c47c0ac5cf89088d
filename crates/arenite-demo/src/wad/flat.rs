//! Flats (the pictures of floors and ceilings), sprites, and the palette that all pictures use.
//!
//! Flats and sprites are the lumps between two markers: `F_START` and `F_END`, `S_START` and `S_END`. In a PWAD the
//! markers may have their first letter doubled (`FF_START`). Markers of groups inside (`F1_START`) are empty lumps.

use super::bytes::array_at;
use super::{Lump, LumpName, Wad, WadError};

/// Bytes of a colour palette: red, green and blue of 256 colours.
const PALETTE: usize = 768;

/// The picture of a floor or ceiling: 64 × 64 pixels, no transparent places.
#[derive(Clone, Copy, Debug)]
pub struct Flat<'a> {
    name: LumpName,
    bytes: &'a [u8],
}

impl<'a> Flat<'a> {
    /// Pixels from left to right and from top to bottom.
    pub const SIDE: usize = 64;
    /// Bytes of its pixels.
    pub const LEN: usize = Self::SIDE * Self::SIDE;

    /// What sectors call it.
    pub fn name(&self) -> LumpName {
        self.name
    }

    /// Its pixels row by row, as palette indices. Flats of other games that are longer are cut to this size.
    ///
    /// # Errors
    /// [`WadError::Flat`] when there are fewer than [`LEN`](Self::LEN).
    pub fn pixels(&self) -> Result<&'a [u8; 4096], WadError> {
        self.bytes.first_chunk().ok_or(WadError::Flat { lump: self.name, size: self.bytes.len() as u32 })
    }

    /// Copies its pixels into the first [`LEN`](Self::LEN) bytes of `out`.
    ///
    /// # Errors
    /// [`WadError::Buffer`] when `out` is too small, [`WadError::Flat`] when the flat is.
    pub fn decode_into(&self, out: &mut [u8]) -> Result<(), WadError> {
        let given = out.len();
        let out = out.get_mut(..Self::LEN);
        out.ok_or(WadError::Buffer { name: self.name, needed: Self::LEN, given })?
            .copy_from_slice(self.pixels()?);
        Ok(())
    }
}

/// What the bytes of pictures mean: 256 colours.
#[derive(Clone, Copy, Debug)]
pub struct Palette<'a>(&'a [u8; PALETTE]);

impl<'a> Palette<'a> {
    pub(super) fn parse(lump: Lump<'a>) -> Result<Self, WadError> {
        let first = lump.bytes.first_chunk();
        first.map(Self).ok_or(WadError::Palette { size: lump.bytes.len() as u32 })
    }

    /// Red, green and blue of a colour.
    pub fn color(&self, index: u8) -> [u8; 3] {
        array_at(self.0, 3 * usize::from(index)).unwrap_or_default()
    }
}

/// What lies between two kinds of markers.
#[derive(Clone, Copy)]
struct Section {
    starts: [LumpName; 2],
    ends: [LumpName; 2],
}

const FLATS: Section = Section {
    starts: [LumpName::literal("F_START"), LumpName::literal("FF_START")],
    ends: [LumpName::literal("F_END"), LumpName::literal("FF_END")],
};

const SPRITES: Section = Section {
    starts: [LumpName::literal("S_START"), LumpName::literal("SS_START")],
    ends: [LumpName::literal("S_END"), LumpName::literal("SS_END")],
};

impl Section {
    /// The lumps with content between the markers. PWADs mix both kinds of markers, so any start opens, any end closes.
    fn lumps<'a>(self, wad: &Wad<'a>) -> impl Iterator<Item = Lump<'a>> + Clone + use<'a> {
        let mut inside = false;
        wad.lumps().filter(move |lump| {
            if self.starts.contains(&lump.name) {
                inside = true;
            } else if self.ends.contains(&lump.name) {
                inside = false;
            } else {
                return inside && !lump.bytes.is_empty();
            }
            false
        })
    }
}

impl<'a> Wad<'a> {
    /// All flats in the file's order.
    pub fn flats(&self) -> impl Iterator<Item = Flat<'a>> + Clone + use<'a> {
        FLATS.lumps(self).map(|Lump { name, bytes, .. }| Flat { name, bytes })
    }

    /// The flat of this name; of several the last. Linear in the number of lumps.
    pub fn flat(&self, name: impl AsRef<[u8]>) -> Option<Flat<'a>> {
        let name = LumpName::new(name.as_ref())?;
        self.flats().filter(|flat| flat.name == name).last()
    }

    /// All sprites in the file's order; each is a [`Picture`](super::Picture).
    pub fn sprites(&self) -> impl Iterator<Item = Lump<'a>> + Clone + use<'a> {
        SPRITES.lumps(self)
    }

    /// The sprite of this name; of several the last. Linear in the number of lumps.
    pub fn sprite(&self, name: impl AsRef<[u8]>) -> Option<Lump<'a>> {
        let name = LumpName::new(name.as_ref())?;
        self.sprites().filter(|lump| lump.name == name).last()
    }

    /// The palette that all pictures use; `None` when the file has none of its own, as most PWADs.
    ///
    /// # Errors
    /// [`WadError::Palette`] when it is too short.
    pub fn palette(&self) -> Result<Option<Palette<'a>>, WadError> {
        self.find("PLAYPAL").map(Palette::parse).transpose()
    }
}
