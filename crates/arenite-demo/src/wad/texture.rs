//! Wall textures: named rectangles that are composed of patches when they are decoded.
//!
//! `PNAMES` lists names of patches. `TEXTURE1` and `TEXTURE2` list textures, each with the patches it is made of:
//! their numbers in `PNAMES` and where their upper left corners go. Later patches cover earlier ones.

use super::bytes::{array_at, i16_at, u16_at, u32_at};
use super::error::TextureFault;
use super::picture::{Canvas, LARGEST_SIDE, Picture};
use super::{Lump, LumpName, Wad, WadError};

const PNAMES: LumpName = LumpName::literal("PNAMES");
const LISTS: [LumpName; 2] = [LumpName::literal("TEXTURE1"), LumpName::literal("TEXTURE2")];
/// Bytes of a texture before its patches.
const HEADER: usize = 22;
/// Bytes of a patch in a texture: x, y, its number, and two numbers without a use.
const PLACE: usize = 10;
/// Real textures have less than a hundred; it bounds what one broken lump can make a program do.
const MOST_PATCHES: usize = 1024;

/// All textures of a WAD. Every one has been checked to lie inside its list.
#[derive(Clone, Copy, Debug)]
pub struct Textures<'a> {
    /// The names in `PNAMES`, eight bytes each.
    patches: &'a [u8],
    /// `TEXTURE1` and `TEXTURE2`.
    lists: [List<'a>; 2],
}

/// One lump of textures: a count, as many offsets, the textures.
#[derive(Clone, Copy, Debug, Default)]
struct List<'a> {
    bytes: &'a [u8],
    /// That many offsets lie inside `bytes`, and what they lead to does too.
    count: usize,
}

/// A wall texture.
#[derive(Clone, Copy, Debug)]
pub struct Texture<'a> {
    /// What sides call it.
    pub name: LumpName,
    /// Pixels from left to right, 1 to 4096.
    pub width: u16,
    /// Pixels from top to bottom, 1 to 4096.
    pub height: u16,
    /// A whole number of places.
    places: &'a [u8],
    patches: &'a [u8],
}

/// A patch in a texture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PatchPlace {
    /// Name of the patch; `None` when `PNAMES` is too short for its number.
    pub name: Option<LumpName>,
    /// Where its left edge goes.
    pub x: i16,
    /// Where its upper edge goes, growing downwards.
    pub y: i16,
}

/// How composing a texture went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Composed {
    /// Patches that were drawn.
    pub drawn: u32,
    /// Patches that the WAD does not have; they were skipped.
    pub missing: u32,
}

impl<'a> Wad<'a> {
    /// All wall textures. A file without textures of its own (no `PNAMES`, no `TEXTURE1`) simply yields none.
    ///
    /// # Errors
    /// [`WadError::PatchNames`] and [`WadError::Textures`] when a list is broken. Linear in the number of textures.
    pub fn textures(&self) -> Result<Textures<'a>, WadError> {
        Textures::of(self)
    }
}

impl<'a> Textures<'a> {
    fn of(wad: &Wad<'a>) -> Result<Self, WadError> {
        let mut textures = Self { patches: &[], lists: [List::default(); 2] };
        // Without names of patches no texture can be composed: such a file is a patch that leaves them as they are.
        let Some(names) = wad.find(PNAMES) else { return Ok(textures) };
        let count = u32_at(names.bytes, 0).unwrap_or(0);
        let all = names.bytes.get(4..).and_then(|rest| rest.get(..(count as usize).checked_mul(8)?));
        textures.patches = all.ok_or(WadError::PatchNames { size: names.bytes.len() as u32, count })?;
        for (list, name) in textures.lists.iter_mut().zip(LISTS) {
            if let Some(lump) = wad.find(name).filter(|lump| !lump.bytes.is_empty()) {
                *list = List::check(lump)?;
            }
        }
        Ok(textures)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lists.iter().map(|list| list.count).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All of them: those of `TEXTURE1`, then those of `TEXTURE2`.
    pub fn iter(&self) -> impl Iterator<Item = Texture<'a>> + Clone + use<'a> {
        let Self { patches, lists } = *self;
        lists.into_iter().flat_map(move |list| (0..list.count).filter_map(move |i| list.texture(i, patches)))
    }

    /// The texture of this name; of several the first, as the original engines do it. Linear in their number.
    pub fn find(&self, name: impl AsRef<[u8]>) -> Option<Texture<'a>> {
        let name = LumpName::new(name.as_ref())?;
        self.iter().find(|texture| texture.name == name)
    }
}

impl<'a> List<'a> {
    fn check(lump: Lump<'a>) -> Result<Self, WadError> {
        let broken = |at: usize, fault| WadError::Textures { lump: lump.name, offset: at as u32, fault };
        let count = u32_at(lump.bytes, 0).unwrap_or(u32::MAX) as usize;
        if count > (lump.bytes.len() / 4).saturating_sub(1) {
            return Err(broken(0, TextureFault::Count));
        }
        let list = Self { bytes: lump.bytes, count };
        for index in 0..count {
            let at = list.offset(index).unwrap_or(usize::MAX);
            let texture = list.texture(index, &[]).ok_or_else(|| broken(at, TextureFault::Outside))?;
            if [texture.width, texture.height].iter().any(|side| !(1..=LARGEST_SIDE).contains(side)) {
                return Err(broken(at, TextureFault::Size));
            }
            if texture.places.len() > MOST_PATCHES * PLACE {
                return Err(broken(at, TextureFault::Patches));
            }
        }
        Ok(list)
    }

    fn offset(&self, index: usize) -> Option<usize> {
        u32_at(self.bytes, 4 + 4 * index).map(|at| at as usize)
    }

    fn texture(&self, index: usize, patches: &'a [u8]) -> Option<Texture<'a>> {
        let bytes = self.bytes.get(self.offset(index)?..)?;
        let places = usize::from(u16_at(bytes, 20)?);
        Some(Texture {
            name: LumpName::from_field(array_at(bytes, 0)?),
            width: u16_at(bytes, 12)?,
            height: u16_at(bytes, 14)?,
            places: bytes.get(HEADER..HEADER + places * PLACE)?,
            patches,
        })
    }
}

impl<'a> Texture<'a> {
    /// The patches that it is composed of, in the order in which they are drawn.
    pub fn patches(&self) -> impl Iterator<Item = PatchPlace> + Clone + use<'a> {
        let names = self.patches;
        self.places.chunks_exact(PLACE).filter_map(move |place| {
            let name = array_at(names, usize::from(u16_at(place, 4)?) * 8).map(LumpName::from_field);
            Some(PatchPlace { name, x: i16_at(place, 0)?, y: i16_at(place, 2)? })
        })
    }

    /// Bytes that [`decode_into`](Self::decode_into) writes: twice the number of pixels.
    pub fn decoded_len(&self) -> usize {
        2 * usize::from(self.width) * usize::from(self.height)
    }

    /// Composes it from the patches in `wad` into two planes, laid out as [`Picture::decode_into`] does it.
    ///
    /// A patch that `wad` does not have is skipped and counted, as the original engines do it. Walls are meant to be
    /// opaque; where no patch lies the mask says so, and the original engines show index 0.
    ///
    /// # Errors
    /// [`WadError::Buffer`] when `out` is too small, before anything is written; [`WadError::Picture`] when a patch
    /// is broken, which leaves `out` with a part of the texture.
    pub fn decode_into(&self, wad: &Wad<'_>, out: &mut [u8]) -> Result<Composed, WadError> {
        let mut canvas = Canvas::new(self.name, self.width, self.height, out)?;
        let mut composed = Composed { drawn: 0, missing: 0 };
        for place in self.patches() {
            let lump = place.name.and_then(|name| wad.find(name)).filter(|lump| !lump.bytes.is_empty());
            let Some(lump) = lump else {
                composed.missing += 1;
                continue;
            };
            Picture::parse(lump)?.draw(&mut canvas, i32::from(place.x), i32::from(place.y))?;
            composed.drawn += 1;
        }
        Ok(composed)
    }
}
