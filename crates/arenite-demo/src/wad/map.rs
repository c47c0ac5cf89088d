//! Maps: checked views of things, lines, sides, vertices and sectors.

use std::iter::FusedIterator;
use std::marker::PhantomData;

use super::bytes::{array_at, i16_at, u16_at};
use super::error::{MapFormat, MapPart};
use super::kinds::ThingKind;
use super::{LumpName, Wad, WadError};

/// A record of fixed size in a lump.
pub trait Record: Sized + sealed::Sealed {
    /// Bytes in the file.
    const SIZE: usize;
    /// Reads one from [`SIZE`](Self::SIZE) bytes; `None` for fewer.
    #[doc(hidden)]
    fn read(bytes: &[u8]) -> Option<Self>;
}

mod sealed {
    pub trait Sealed {}
}

/// A run of records in a file: known length, random access, nothing decoded until it is asked for.
#[derive(Debug)]
pub struct Records<'a, T> {
    /// A whole number of records of `T::SIZE` bytes.
    bytes: &'a [u8],
    of: PhantomData<fn() -> T>,
}

impl<T> Clone for Records<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Records<'_, T> {}

impl<'a, T: Record> Records<'a, T> {
    /// The whole records in `bytes`; `None` when something is left over.
    pub(super) fn new(bytes: &'a [u8]) -> Option<Self> {
        bytes.len().is_multiple_of(T::SIZE).then_some(Self { bytes, of: PhantomData })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.bytes.len() / T::SIZE
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The record with this number; `None` past the end.
    pub fn get(&self, index: usize) -> Option<T> {
        T::read(self.bytes.get(index.checked_mul(T::SIZE)?..)?)
    }

    /// The record with this number.
    ///
    /// # Panics
    /// Past the end. The numbers that stand in records of a [`Map`] are never past the end of that map's records.
    pub fn at(&self, index: impl Into<usize>) -> T {
        let index = index.into();
        match self.get(index) {
            Some(record) => record,
            None => panic!("record {index} of {}", self.len()),
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> RecordsIter<'a, T> {
        RecordsIter { records: *self }
    }
}

impl<'a, T: Record> IntoIterator for Records<'a, T> {
    type Item = T;
    type IntoIter = RecordsIter<'a, T>;

    fn into_iter(self) -> RecordsIter<'a, T> {
        self.iter()
    }
}

/// Goes through [`Records`] from either end.
#[derive(Clone, Debug)]
pub struct RecordsIter<'a, T> {
    records: Records<'a, T>,
}

impl<T: Record> Iterator for RecordsIter<'_, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let record = T::read(self.records.bytes)?;
        self.records.bytes = self.records.bytes.get(T::SIZE..).unwrap_or_default();
        Some(record)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.records.len(), Some(self.records.len()))
    }
}

impl<T: Record> DoubleEndedIterator for RecordsIter<'_, T> {
    fn next_back(&mut self) -> Option<T> {
        let start = self.records.bytes.len().checked_sub(T::SIZE)?;
        let record = T::read(self.records.bytes.get(start..)?)?;
        self.records.bytes = &self.records.bytes[..start];
        Some(record)
    }
}

impl<T: Record> ExactSizeIterator for RecordsIter<'_, T> {}
impl<T: Record> FusedIterator for RecordsIter<'_, T> {}

/// Something that stands in a map: a player's start, a monster, an item, a decoration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thing {
    /// Map units, growing to the east.
    pub x: i16,
    /// Map units, growing to the north.
    pub y: i16,
    /// Where it looks: degrees, 0 is east, 90 north. Files hold any value here; see [`Thing::facing`].
    pub angle: i16,
    /// What it is; see [`Thing::class`].
    pub kind: u16,
    /// [`Thing::EASY`] and so on.
    pub flags: u16,
}

impl Thing {
    /// Flag: it is there when the game is easy.
    pub const EASY: u16 = 1;
    /// Flag: it is there at medium difficulty.
    pub const MEDIUM: u16 = 2;
    /// Flag: it is there when the game is hard.
    pub const HARD: u16 = 4;
    /// Flag: it does not react to sounds.
    pub const AMBUSH: u16 = 8;
    /// Flag: it is there only when several people play.
    pub const MULTIPLAYER: u16 = 16;

    /// What the number in `kind` means.
    pub fn class(&self) -> ThingKind {
        ThingKind::of(self.kind)
    }

    /// The angle in degrees, at least 0 and less than 360.
    pub fn facing(&self) -> u16 {
        self.angle.rem_euclid(360) as u16
    }
}

/// A line between two vertices: a wall, a step, or a border between sectors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Number of the vertex it starts at.
    pub from: u16,
    /// Number of the vertex it ends at.
    pub to: u16,
    /// [`Line::BLOCKING`] and so on.
    pub flags: u16,
    /// What happens when it is crossed or used; 0 for nothing.
    pub special: u16,
    /// The sectors that `special` acts on.
    pub tag: u16,
    /// Number of the side on its right, seen from `from` to `to`.
    pub front: u16,
    /// Number of the side on its left; `None` for a wall.
    pub back: Option<u16>,
}

impl Line {
    /// Flag: nobody walks through it.
    pub const BLOCKING: u16 = 1;
    /// Flag: monsters do not walk through it.
    pub const BLOCK_MONSTERS: u16 = 2;
    /// Flag: one can look and shoot through it.
    pub const TWO_SIDED: u16 = 4;

    /// Whether nobody walks through it: it has one side only, or it is flagged as blocking.
    pub fn is_solid(&self) -> bool {
        self.back.is_none() || self.flags & Self::BLOCKING != 0
    }
}

/// One side of a line: its textures and the sector it faces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Side {
    /// How far the textures are shifted along the line.
    pub x_offset: i16,
    /// How far the textures are shifted downwards.
    pub y_offset: i16,
    /// Texture above the opening.
    pub upper: LumpName,
    /// Texture below the opening.
    pub lower: LumpName,
    /// Texture of a wall, or hanging in the opening.
    pub middle: LumpName,
    /// Number of the sector.
    pub sector: u16,
}

/// A corner of a map, in map units.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vertex {
    /// Growing to the east.
    pub x: i16,
    /// Growing to the north.
    pub y: i16,
}

/// An area with one floor and one ceiling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sector {
    /// Height of the floor in map units.
    pub floor: i16,
    /// Height of the ceiling in map units.
    pub ceiling: i16,
    /// Flat on the floor.
    pub floor_flat: LumpName,
    /// Flat on the ceiling.
    pub ceiling_flat: LumpName,
    /// Brightness, 0 to 255.
    pub light: i16,
    /// What happens in it; 0 for nothing.
    pub special: u16,
    /// What lines with the same tag act on.
    pub tag: u16,
}

macro_rules! record {
    ($type:ty, $size:literal, |$bytes:ident| $read:expr) => {
        impl sealed::Sealed for $type {}
        impl Record for $type {
            const SIZE: usize = $size;

            #[inline]
            fn read(bytes: &[u8]) -> Option<Self> {
                let $bytes = bytes.get(..$size)?;
                Some($read)
            }
        }
    };
}

record!(Thing, 10, |b| Thing {
    x: i16_at(b, 0)?,
    y: i16_at(b, 2)?,
    angle: i16_at(b, 4)?,
    kind: u16_at(b, 6)?,
    flags: u16_at(b, 8)?,
});
record!(Line, 14, |b| Line {
    from: u16_at(b, 0)?,
    to: u16_at(b, 2)?,
    flags: u16_at(b, 4)?,
    special: u16_at(b, 6)?,
    tag: u16_at(b, 8)?,
    front: u16_at(b, 10)?,
    back: Some(u16_at(b, 12)?).filter(|&side| side != NO_SIDE),
});
record!(Side, 30, |b| Side {
    x_offset: i16_at(b, 0)?,
    y_offset: i16_at(b, 2)?,
    upper: LumpName::from_field(array_at(b, 4)?),
    lower: LumpName::from_field(array_at(b, 12)?),
    middle: LumpName::from_field(array_at(b, 20)?),
    sector: u16_at(b, 28)?,
});
record!(Vertex, 4, |b| Vertex { x: i16_at(b, 0)?, y: i16_at(b, 2)? });
record!(Sector, 26, |b| Sector {
    floor: i16_at(b, 0)?,
    ceiling: i16_at(b, 2)?,
    floor_flat: LumpName::from_field(array_at(b, 4)?),
    ceiling_flat: LumpName::from_field(array_at(b, 12)?),
    light: i16_at(b, 20)?,
    special: u16_at(b, 22)?,
    tag: u16_at(b, 24)?,
});

/// How a file says that a line has no back.
const NO_SIDE: u16 = u16::MAX;

/// The rectangle that a map's lines fill, in map units, borders included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// West border.
    pub left: i16,
    /// South border.
    pub bottom: i16,
    /// East border.
    pub right: i16,
    /// North border.
    pub top: i16,
}

impl Bounds {
    /// From west to east.
    pub fn width(&self) -> i32 {
        i32::from(self.right) - i32::from(self.left)
    }

    /// From south to north.
    pub fn height(&self) -> i32 {
        i32::from(self.top) - i32::from(self.bottom)
    }
}

/// A map in which every reference has been checked: line to vertices and sides, side to sector.
///
/// A view of a few slices; copying it is cheap. It is `Send + Sync`.
#[derive(Clone, Copy, Debug)]
pub struct Map<'a> {
    name: LumpName,
    things: Records<'a, Thing>,
    /// Every `from` and `to` is below `vertices.len()`, every side below `sides.len()`.
    lines: Records<'a, Line>,
    /// Every `sector` is below `sectors.len()`.
    sides: Records<'a, Side>,
    vertices: Records<'a, Vertex>,
    sectors: Records<'a, Sector>,
    bounds: Bounds,
}

impl<'a> Map<'a> {
    /// Reads the map whose marker is the lump at `index`.
    pub(super) fn load(wad: &Wad<'a>, index: usize) -> Result<Self, WadError> {
        let name = wad.name_at(index).unwrap_or_default();
        let part = |part: MapPart| {
            let lump = group(wad, index).find(|&i| wad.name_at(i) == Some(part.lump()));
            lump.and_then(|i| wad.lump(i)).map_or(&[][..], |lump| lump.bytes)
        };
        for i in group(wad, index) {
            match wad.name_at(i) {
                Some(BEHAVIOR) => return Err(WadError::Unsupported { map: name, format: MapFormat::Hexen }),
                Some(TEXTMAP) => return Err(WadError::Unsupported { map: name, format: MapFormat::Udmf }),
                _ => {}
            }
        }
        let things = records(name, MapPart::Things, part(MapPart::Things))?;
        let lines: Records<'a, Line> = records(name, MapPart::Lines, part(MapPart::Lines))?;
        let vertices: Records<'a, Vertex> = records(name, MapPart::Vertices, part(MapPart::Vertices))?;
        let sides: Records<'a, Side> = records(name, MapPart::Sides, part(MapPart::Sides))?;
        let sectors: Records<'a, Sector> = records(name, MapPart::Sectors, part(MapPart::Sectors))?;

        let refer = |from, index: usize, to, wanted: u16, count: usize| {
            if usize::from(wanted) < count {
                return Ok(());
            }
            let (index, wanted, count) = (index as u32, u32::from(wanted), count as u32);
            Err(WadError::BadReference { map: name, from, index, to, wanted, count })
        };
        for (i, side) in sides.iter().enumerate() {
            refer(MapPart::Sides, i, MapPart::Sectors, side.sector, sectors.len())?;
        }
        let mut bounds = Bounds { left: i16::MAX, bottom: i16::MAX, right: i16::MIN, top: i16::MIN };
        for (i, line) in lines.iter().enumerate() {
            for side in std::iter::once(line.front).chain(line.back) {
                refer(MapPart::Lines, i, MapPart::Sides, side, sides.len())?;
            }
            for end in [line.from, line.to] {
                refer(MapPart::Lines, i, MapPart::Vertices, end, vertices.len())?;
                let Vertex { x, y } = vertices.at(end);
                bounds.left = bounds.left.min(x);
                bounds.right = bounds.right.max(x);
                bounds.bottom = bounds.bottom.min(y);
                bounds.top = bounds.top.max(y);
            }
        }
        Ok(Self { name, things, lines, sides, vertices, sectors, bounds })
    }

    /// Its name, for example `E1M1` or `MAP01`.
    pub fn name(&self) -> LumpName {
        self.name
    }

    /// What stands in it; at least one.
    pub fn things(&self) -> Records<'a, Thing> {
        self.things
    }

    /// Its lines; at least one.
    pub fn lines(&self) -> Records<'a, Line> {
        self.lines
    }

    /// The sides of its lines.
    pub fn sides(&self) -> Records<'a, Side> {
        self.sides
    }

    /// Its vertices. Some may belong to no line: tools that prepare a map for drawing add their own.
    pub fn vertices(&self) -> Records<'a, Vertex> {
        self.vertices
    }

    /// Its sectors.
    pub fn sectors(&self) -> Records<'a, Sector> {
        self.sectors
    }

    /// The rectangle that its lines fill.
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }

    /// Where a line of this map starts and ends.
    ///
    /// # Panics
    /// For a line of another map whose vertices this one does not have.
    pub fn ends(&self, line: &Line) -> [Vertex; 2] {
        [self.vertices.at(line.from), self.vertices.at(line.to)]
    }

    /// Names of the wall textures on its sides. They repeat; `-` and empty names are left out.
    pub fn texture_names(&self) -> impl Iterator<Item = LumpName> + Clone + use<'a> {
        let names = self.sides.iter().flat_map(|side| [side.upper, side.lower, side.middle]);
        names.filter(|name| !name.is_blank())
    }

    /// Names of the flats on its floors and ceilings. They repeat; `-` and empty names are left out.
    ///
    /// A name may stand for something that is no flat, for example the sky.
    pub fn flat_names(&self) -> impl Iterator<Item = LumpName> + Clone + use<'a> {
        let names = self.sectors.iter().flat_map(|sector| [sector.floor_flat, sector.ceiling_flat]);
        names.filter(|name| !name.is_blank())
    }
}

fn records<T: Record>(map: LumpName, part: MapPart, bytes: &[u8]) -> Result<Records<'_, T>, WadError> {
    if bytes.is_empty() {
        return Err(WadError::EmptyMap { map, what: part });
    }
    let (size, record) = (bytes.len() as u32, T::SIZE as u32);
    Records::new(bytes).ok_or(WadError::RecordSize { map, part, size, record })
}

const BEHAVIOR: LumpName = LumpName::literal("BEHAVIOR");
const TEXTMAP: LumpName = LumpName::literal("TEXTMAP");

/// The lumps that follow a map's marker, in any order.
const PARTS: [LumpName; 13] = [
    LumpName::literal("THINGS"),
    LumpName::literal("LINEDEFS"),
    LumpName::literal("SIDEDEFS"),
    LumpName::literal("VERTEXES"),
    LumpName::literal("SEGS"),
    LumpName::literal("SSECTORS"),
    LumpName::literal("NODES"),
    LumpName::literal("SECTORS"),
    LumpName::literal("REJECT"),
    LumpName::literal("BLOCKMAP"),
    BEHAVIOR,
    LumpName::literal("SCRIPTS"),
    TEXTMAP,
];

/// The lump at `index`, if it is a map's marker.
pub(super) fn marker(wad: &Wad<'_>, index: usize) -> Option<LumpName> {
    let name = wad.name_at(index).filter(|name| !PARTS.contains(name))?;
    let followed = wad.name_at(index + 1).is_some_and(|next| PARTS.contains(&next));
    (followed || is_map_name(name)).then_some(name)
}

/// Directory positions of the lumps that belong to the marker at `index`.
///
/// Not more than twice as many as there are kinds of them, so that a crafted file can not make this long.
fn group<'w>(wad: &'w Wad<'_>, index: usize) -> impl Iterator<Item = usize> + use<'w> {
    let candidates = index + 1..index + 1 + 2 * PARTS.len();
    candidates.take_while(|&i| wad.name_at(i).is_some_and(|name| PARTS.contains(&name)))
}

/// `ExMy` or `MAPxx`.
fn is_map_name(name: LumpName) -> bool {
    match name.as_bytes() {
        [b'E', e, b'M', m @ ..] => {
            e.is_ascii_digit() && matches!(m.len(), 1 | 2) && m.iter().all(u8::is_ascii_digit)
        }
        [b'M', b'A', b'P', n @ ..] => matches!(n.len(), 2 | 3) && n.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}
