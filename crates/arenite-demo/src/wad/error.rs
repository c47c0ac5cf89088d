//! What can be wrong with a WAD. Everything here is `Copy`: an error never allocates.

use std::fmt;

use super::LumpName;

/// What is wrong with a WAD file, and where. `Display` is one line.
///
/// Offsets are bytes from the start of the file for the directory, and from the start of the lump inside a lump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WadError {
    /// The file ends inside the header.
    Truncated {
        /// Bytes in the file.
        length: usize,
    },
    /// The file does not start with `IWAD` or `PWAD`.
    NotWad {
        /// The first bytes, zero where the file is shorter.
        found: [u8; 4],
    },
    /// The header announces more lumps than a file of this length can have.
    AbsurdCount {
        /// The announced number of lumps.
        count: u32,
        /// How many directory entries would fit.
        fits: u32,
    },
    /// The directory does not lie inside the file.
    DirectoryOutside {
        /// Where the header puts it.
        offset: u32,
        /// The announced number of lumps, 16 bytes each.
        count: u32,
        /// Bytes in the file.
        length: usize,
    },
    /// A lump does not lie inside the file.
    LumpOutside {
        /// Position in the directory.
        index: u32,
        /// The lump.
        lump: LumpName,
        /// Where the directory puts it.
        offset: u32,
        /// Bytes that the directory gives it.
        size: u32,
        /// Bytes in the file.
        length: usize,
    },
    /// There is no map of this name.
    UnknownMap {
        /// The name that was asked for.
        wanted: Quoted,
        /// Some of the maps there are.
        known: MapSample,
    },
    /// A map lacks something without which it is none.
    EmptyMap {
        /// The map.
        map: LumpName,
        /// What is missing or empty.
        what: MapPart,
    },
    /// The map is in a format of a later game.
    Unsupported {
        /// The map.
        map: LumpName,
        /// Which format it is in.
        format: MapFormat,
    },
    /// A lump of a map is no whole number of records.
    RecordSize {
        /// The map.
        map: LumpName,
        /// Which lump.
        part: MapPart,
        /// Bytes in the lump.
        size: u32,
        /// Bytes in a record.
        record: u32,
    },
    /// A record of a map refers to one that does not exist.
    BadReference {
        /// The map.
        map: LumpName,
        /// The kind of record that refers.
        from: MapPart,
        /// Its number.
        index: u32,
        /// The kind of record that is referred to.
        to: MapPart,
        /// The number referred to.
        wanted: u32,
        /// How many there are.
        count: u32,
    },
    /// A patch or sprite is broken.
    Picture {
        /// The lump.
        lump: LumpName,
        /// Where in the lump.
        offset: u32,
        /// What is wrong.
        fault: PictureFault,
    },
    /// A list of textures is broken.
    Textures {
        /// `TEXTURE1` or `TEXTURE2`.
        lump: LumpName,
        /// Where in the lump.
        offset: u32,
        /// What is wrong.
        fault: TextureFault,
    },
    /// The list of patch names is shorter than it says.
    PatchNames {
        /// Bytes in the lump `PNAMES`.
        size: u32,
        /// The announced number of names, eight bytes each.
        count: u32,
    },
    /// `PLAYPAL` holds no whole palette.
    Palette {
        /// Bytes in the lump.
        size: u32,
    },
    /// A flat is smaller than 64 × 64 bytes.
    Flat {
        /// The lump.
        lump: LumpName,
        /// Bytes in the lump.
        size: u32,
    },
    /// A sound is broken.
    Sound {
        /// The lump.
        lump: LumpName,
        /// What is wrong.
        fault: SoundFault,
    },
    /// The memory given to `decode_into` is too small.
    Buffer {
        /// What was to be decoded.
        name: LumpName,
        /// Elements that are needed.
        needed: usize,
        /// Elements that were given.
        given: usize,
    },
}

/// One of the five lumps of a map that this reader uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapPart {
    /// `THINGS`.
    Things,
    /// `LINEDEFS`.
    Lines,
    /// `SIDEDEFS`.
    Sides,
    /// `VERTEXES`.
    Vertices,
    /// `SECTORS`.
    Sectors,
}

impl MapPart {
    /// The lump's name.
    pub const fn lump(self) -> LumpName {
        match self {
            Self::Things => LumpName::literal("THINGS"),
            Self::Lines => LumpName::literal("LINEDEFS"),
            Self::Sides => LumpName::literal("SIDEDEFS"),
            Self::Vertices => LumpName::literal("VERTEXES"),
            Self::Sectors => LumpName::literal("SECTORS"),
        }
    }

    const fn plural(self) -> &'static str {
        match self {
            Self::Things => "things",
            Self::Lines => "lines",
            Self::Sides => "sides",
            Self::Vertices => "vertices",
            Self::Sectors => "sectors",
        }
    }

    const fn singular(self) -> &'static str {
        match self {
            Self::Things => "thing",
            Self::Lines => "line",
            Self::Sides => "side",
            Self::Vertices => "vertex",
            Self::Sectors => "sector",
        }
    }
}

/// Map formats that this reader knows of but does not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapFormat {
    /// The binary format of Hexen: longer records and a `BEHAVIOR` lump.
    Hexen,
    /// The text format UDMF: a `TEXTMAP` lump.
    Udmf,
}

/// What is wrong with a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PictureFault {
    /// The lump ends inside the header or the table of columns.
    Truncated,
    /// Width or height is zero or above 4096.
    Size,
    /// The lump holds a PNG file, which only later engines read.
    Png,
    /// A column starts outside the lump.
    ColumnOutside,
    /// A run of pixels does not end inside the lump.
    PostOutside,
    /// A column has more runs than it can have pixels.
    EndlessColumn,
}

/// What is wrong with a list of textures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextureFault {
    /// The lump is shorter than the number of textures it announces.
    Count,
    /// A texture starts or ends outside the lump.
    Outside,
    /// A texture is composed of more than 1024 patches.
    Patches,
    /// Width or height is zero or above 4096.
    Size,
}

/// What is wrong with a sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoundFault {
    /// The lump ends inside the header.
    Truncated,
    /// The format number is not 3.
    Format,
    /// The sample rate is zero.
    Rate,
    /// The number of samples is less than the 32 bytes of padding it must include.
    Padding,
    /// There are fewer samples than the header announces.
    Samples,
}

/// The start of a text of any length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Quoted {
    bytes: [u8; 15],
    length: u8,
    cut: bool,
}

impl Quoted {
    pub(super) fn new(text: &[u8]) -> Self {
        let mut bytes = [0; 15];
        let length = text.len().min(bytes.len());
        bytes[..length].copy_from_slice(&text[..length]);
        Self { bytes, length: length as u8, cut: length < text.len() }
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\"{}{}\"",
            self.bytes[..usize::from(self.length)].escape_ascii(),
            if self.cut { "…" } else { "" }
        )
    }
}

impl fmt::Debug for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// The first few of the maps in a file, and how many there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MapSample {
    names: [LumpName; 6],
    total: u32,
}

impl MapSample {
    pub(super) fn of(maps: impl Iterator<Item = LumpName>) -> Self {
        let mut sample = Self::default();
        for name in maps {
            if let Some(slot) = sample.names.get_mut(sample.total as usize) {
                *slot = name;
            }
            sample.total += 1;
        }
        sample
    }

    /// How many maps the file has.
    pub fn total(&self) -> u32 {
        self.total
    }

    /// The names that are shown, in the file's order.
    pub fn names(&self) -> &[LumpName] {
        &self.names[..self.names.len().min(self.total as usize)]
    }
}

impl fmt::Display for MapSample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.total == 0 {
            return f.write_str("the file has no maps");
        }
        f.write_str("the file has ")?;
        for (i, name) in self.names().iter().enumerate() {
            write!(f, "{}{name}", if i == 0 { "" } else { ", " })?;
        }
        match self.total as usize - self.names().len() {
            0 => Ok(()),
            more => write!(f, " and {more} more"),
        }
    }
}

impl fmt::Display for WadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Truncated { length } => {
                write!(f, "the file is truncated: a WAD header has 12 bytes, the file has {length}")
            }
            Self::NotWad { found } => {
                write!(f, "not a WAD file: it starts with \"{}\", not IWAD or PWAD", found.escape_ascii())
            }
            Self::AbsurdCount { count, fits } => {
                write!(
                    f,
                    "the header announces {count} lumps, but a file of this length has room for {fits} at most"
                )
            }
            Self::DirectoryOutside { offset, count, length } => write!(
                f,
                "the directory lies outside the file: {count} entries at offset {offset}, but the file has {length} bytes; it may be truncated"
            ),
            Self::LumpOutside { index, lump, offset, size, length } => write!(
                f,
                "lump {lump} (number {index}) lies outside the file: {size} bytes at offset {offset}, but the file has {length} bytes"
            ),
            Self::UnknownMap { wanted, known } => write!(f, "no map {wanted}: {known}"),
            Self::EmptyMap { map, what } => {
                write!(f, "map {map} has no {}: {} is missing or empty", what.plural(), what.lump())
            }
            Self::Unsupported { map, format } => match format {
                MapFormat::Hexen => {
                    write!(
                        f,
                        "map {map} is in Hexen format (it has a BEHAVIOR lump); only DOOM format is read"
                    )
                }
                MapFormat::Udmf => {
                    write!(f, "map {map} is in UDMF text format (TEXTMAP); only DOOM format is read")
                }
            },
            Self::RecordSize { map, part, size, record } => write!(
                f,
                "{} of map {map} has {size} bytes, which is no whole number of {record}-byte records",
                part.lump()
            ),
            Self::BadReference { map, from, index, to, wanted, count } => write!(
                f,
                "map {map}: {} {index} refers to {} {wanted}, but there are {count} {}",
                from.singular(),
                to.singular(),
                to.plural()
            ),
            Self::Picture { lump, offset, fault } => {
                let what = match fault {
                    PictureFault::Truncated => "it ends inside its header or column table",
                    PictureFault::Size => "its width or height is zero or above 4096",
                    PictureFault::Png => "it is a PNG file, not a DOOM picture",
                    PictureFault::ColumnOutside => "a column starts outside the lump",
                    PictureFault::PostOutside => "a run of pixels ends outside the lump",
                    PictureFault::EndlessColumn => "a column has more runs than pixels",
                };
                write!(f, "picture {lump} is broken at offset {offset}: {what}")
            }
            Self::Textures { lump, offset, fault } => {
                let what = match fault {
                    TextureFault::Count => "it is shorter than the number of textures it announces",
                    TextureFault::Outside => "a texture lies outside the lump",
                    TextureFault::Patches => "a texture is composed of more than 1024 patches",
                    TextureFault::Size => "a texture's width or height is zero or above 4096",
                };
                write!(f, "texture list {lump} is broken at offset {offset}: {what}")
            }
            Self::PatchNames { size, count } => {
                write!(f, "PNAMES announces {count} names, but has {size} bytes")
            }
            Self::Palette { size } => write!(f, "PLAYPAL has {size} bytes, but one palette takes 768"),
            Self::Flat { lump, size } => write!(f, "flat {lump} has {size} bytes, but 64 x 64 takes 4096"),
            Self::Sound { lump, fault } => {
                let what = match fault {
                    SoundFault::Truncated => "it ends inside its header",
                    SoundFault::Format => "its format is not 3 (sampled sound)",
                    SoundFault::Rate => "its sample rate is zero",
                    SoundFault::Padding => "it announces fewer samples than its padding takes",
                    SoundFault::Samples => "it is shorter than the number of samples it announces",
                };
                write!(f, "sound {lump} is broken: {what}")
            }
            Self::Buffer { name, needed, given } => {
                write!(f, "decoding {name} takes room for {needed} elements, but there is room for {given}")
            }
        }
    }
}

impl std::error::Error for WadError {}
