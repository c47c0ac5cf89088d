//! The header, the directory, and looking lumps up by name.

use super::bytes::{array_at, u32_at};
use super::error::{MapSample, Quoted};
use super::map::{self, Map};
use super::{LumpName, WadError};

const HEADER: usize = 12;
const ENTRY: usize = 16;

/// No real WAD has this many lumps; a header that announces more is rubbish, not the header of a file cut short.
const PLAUSIBLE: u32 = 1 << 20;

/// What a WAD is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WadKind {
    /// A whole game.
    Iwad,
    /// A patch: adds to or replaces parts of a whole game.
    Pwad,
}

/// A WAD file whose directory has been checked: every lump lies inside the file.
///
/// A view of two slices; copying it is free. It is `Send + Sync`.
#[derive(Clone, Copy, Debug)]
pub struct Wad<'a> {
    kind: WadKind,
    file: &'a [u8],
    /// Exactly `len` entries of 16 bytes; each names bytes inside `file`.
    directory: &'a [u8],
}

/// A named run of bytes in a WAD.
#[derive(Clone, Copy, Debug)]
pub struct Lump<'a> {
    /// Its name; several lumps may have the same.
    pub name: LumpName,
    /// Its position in the directory.
    pub index: usize,
    /// What it holds; empty for a marker.
    pub bytes: &'a [u8],
}

impl<'a> Wad<'a> {
    /// Checks header and directory of a whole file.
    ///
    /// # Errors
    /// [`WadError::Truncated`], [`WadError::NotWad`], [`WadError::AbsurdCount`], [`WadError::DirectoryOutside`] and
    /// [`WadError::LumpOutside`], each for what its name says. Linear in the number of lumps.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, WadError> {
        let length = bytes.len();
        let mut found = [0; 4];
        for (to, from) in found.iter_mut().zip(bytes) {
            *to = *from;
        }
        let known = length.min(4);
        let kind = if found[..known] == b"IWAD"[..known] {
            WadKind::Iwad
        } else if found[..known] == b"PWAD"[..known] {
            WadKind::Pwad
        } else {
            return Err(WadError::NotWad { found });
        };
        let (Some(count), Some(offset)) = (u32_at(bytes, 4), u32_at(bytes, 8)) else {
            return Err(WadError::Truncated { length });
        };
        let fits = ((length - HEADER) / ENTRY).try_into().unwrap_or(u32::MAX);
        if count > fits {
            // A file that was cut short announces lumps it once had; tell the two apart by where the directory is.
            return Err(if count < PLAUSIBLE && offset as usize > length {
                WadError::DirectoryOutside { offset, count, length }
            } else {
                WadError::AbsurdCount { count, fits }
            });
        }
        // Neither sum nor product overflows: `count` entries are known to fit into the file.
        let directory = bytes
            .get(offset as usize..)
            .and_then(|rest| rest.get(..count as usize * ENTRY))
            .ok_or(WadError::DirectoryOutside { offset, count, length })?;
        let wad = Self { kind, file: bytes, directory };
        for index in 0..wad.len() {
            if let Some((lump, offset, size)) = wad.entry(index)
                && size != 0
                && u64::from(offset) + u64::from(size) > length as u64
            {
                return Err(WadError::LumpOutside { index: index as u32, lump, offset, size, length });
            }
        }
        Ok(wad)
    }

    /// Whether it is a whole game or a patch.
    pub fn kind(&self) -> WadKind {
        self.kind
    }

    /// How many lumps there are.
    pub fn len(&self) -> usize {
        self.directory.len() / ENTRY
    }

    /// Whether there are no lumps at all.
    pub fn is_empty(&self) -> bool {
        self.directory.is_empty()
    }

    fn entry(&self, index: usize) -> Option<(LumpName, u32, u32)> {
        let entry = array_at::<ENTRY>(self.directory, index.checked_mul(ENTRY)?)?;
        let name = LumpName::from_field(array_at(&entry, 8)?);
        Some((name, u32_at(&entry, 0)?, u32_at(&entry, 4)?))
    }

    pub(super) fn name_at(&self, index: usize) -> Option<LumpName> {
        self.entry(index).map(|(name, ..)| name)
    }

    /// The lump at a position of the directory; `None` past its end.
    pub fn lump(&self, index: usize) -> Option<Lump<'a>> {
        let (name, offset, size) = self.entry(index)?;
        // A marker's offset may be anything; an empty lump is inside the file wherever it is.
        let start = if size == 0 { 0 } else { offset as usize };
        Some(Lump { name, index, bytes: self.file.get(start..start + size as usize)? })
    }

    /// All lumps in the order of the directory.
    pub fn lumps(&self) -> impl DoubleEndedIterator<Item = Lump<'a>> + ExactSizeIterator + Clone + use<'a> {
        let wad = *self;
        // `parse` has checked every entry, so the fallback is never seen.
        (0..self.len()).map(move |index| {
            wad.lump(index).unwrap_or(Lump { name: LumpName::default(), index, bytes: &[] })
        })
    }

    /// The lump of this name; of several the last, as the original engines do it. Linear in the number of lumps.
    pub fn find(&self, name: impl AsRef<[u8]>) -> Option<Lump<'a>> {
        let name = LumpName::new(name.as_ref())?;
        let index = (0..self.len()).rev().find(|&i| self.name_at(i) == Some(name))?;
        self.lump(index)
    }

    /// Names of the maps in the file's order. A map that is there twice is listed once, where the last one stands.
    ///
    /// A map is any lump that is followed by the lumps of a map, and any lump that is called `ExMy` or `MAPxx`. Going
    /// through all of them takes time in proportion to the number of maps times the number of lumps.
    pub fn maps(&self) -> impl Iterator<Item = LumpName> + Clone + use<'a> {
        let wad = *self;
        (0..self.len()).filter_map(move |index| {
            let name = map::marker(&wad, index)?;
            (wad.map_index(name) == Some(index)).then_some(name)
        })
    }

    fn map_index(&self, name: LumpName) -> Option<usize> {
        (0..self.len()).rev().find(|&i| self.name_at(i) == Some(name) && map::marker(self, i).is_some())
    }

    /// Reads a map and checks all of it; of several with the same name the last.
    ///
    /// # Errors
    /// [`WadError::UnknownMap`], [`WadError::EmptyMap`], [`WadError::Unsupported`], [`WadError::RecordSize`] and
    /// [`WadError::BadReference`], each for what its name says. Linear in the size of the map.
    pub fn map(&self, name: impl AsRef<[u8]>) -> Result<Map<'a>, WadError> {
        let wanted = name.as_ref();
        let index = LumpName::new(wanted).and_then(|name| self.map_index(name));
        match index {
            Some(index) => Map::load(self, index),
            None => {
                Err(WadError::UnknownMap { wanted: Quoted::new(wanted), known: MapSample::of(self.maps()) })
            }
        }
    }
}
