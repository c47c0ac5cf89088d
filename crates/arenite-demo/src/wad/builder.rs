//! Writes WADs: for our own small one and for tests. The one file of this room that allocates.

use super::{Line, LumpName, Sector, Side, Thing, Vertex, WadKind};

/// Assembles a WAD lump by lump; the lumps stand in the file in the order of the calls.
///
/// Everything here panics when a name has more than eight bytes or a number does not fit its field: what is written is
/// made by the program itself, so that this is a mistake in the program.
#[derive(Clone, Debug)]
pub struct WadBuilder {
    kind: WadKind,
    lumps: Vec<(LumpName, Vec<u8>)>,
}

/// The records of a map.
#[derive(Clone, Debug, Default)]
pub struct MapData {
    /// What stands in it.
    pub things: Vec<Thing>,
    /// Its lines.
    pub lines: Vec<Line>,
    /// The sides of its lines.
    pub sides: Vec<Side>,
    /// The ends of its lines.
    pub vertices: Vec<Vertex>,
    /// Its sectors.
    pub sectors: Vec<Sector>,
}

/// A picture with transparent places, ready to become a patch or a sprite.
#[derive(Clone, Debug)]
pub struct Image {
    width: usize,
    /// What a sprite's anchor is; see [`Picture::left`](super::Picture::left) and `top`.
    anchor: (i16, i16),
    /// Row by row; `None` is transparent.
    pixels: Vec<Option<u8>>,
}

/// A wall texture and the patches it is composed of.
#[derive(Clone, Debug)]
pub struct TextureData {
    /// What sides call it.
    pub name: LumpName,
    /// Pixels from left to right.
    pub width: u16,
    /// Pixels from top to bottom.
    pub height: u16,
    /// Name of each patch, and where its upper left corner goes.
    pub patches: Vec<(LumpName, i16, i16)>,
}

impl Image {
    /// A picture whose pixel at (column, row) is what `pixel` says; `None` is transparent.
    pub fn draw(width: usize, height: usize, mut pixel: impl FnMut(usize, usize) -> Option<u8>) -> Self {
        let pixels =
            (0..height).flat_map(|y| (0..width).map(move |x| (x, y))).map(|(x, y)| pixel(x, y)).collect();
        Self { width, anchor: (0, 0), pixels }
    }

    /// The same picture, anchored as a sprite that stands on the ground: at the middle of its lower edge.
    #[must_use]
    pub fn standing(mut self) -> Self {
        self.anchor = (field(self.width / 2), field(self.height()));
        self
    }

    /// Pixels from top to bottom.
    pub fn height(&self) -> usize {
        self.pixels.len() / self.width
    }

    /// The picture in the column format, taller ones with the extension for tall patches.
    pub fn encode(&self) -> Vec<u8> {
        let mut lump = Vec::new();
        put(&mut lump, [field::<u16>(self.width), field(self.height())]);
        put(&mut lump, [self.anchor.0, self.anchor.1]);
        let table = lump.len();
        lump.resize(table + 4 * self.width, 0);
        for x in 0..self.width {
            let start: u32 = field(lump.len());
            lump[table + 4 * x..][..4].copy_from_slice(&start.to_le_bytes());
            let column: Vec<Option<u8>> = self.pixels.iter().skip(x).step_by(self.width).copied().collect();
            encode_column(&mut lump, &column);
        }
        lump
    }
}

fn encode_column(lump: &mut Vec<u8>, column: &[Option<u8>]) {
    /// The largest top that a byte can say, and the longest run that is written.
    const FARTHEST: usize = 254;
    let mut last_top = None;
    let mut y = 0;
    while y < column.len() {
        let run: Vec<u8> = column[y..].iter().map_while(|&pixel| pixel).take(FARTHEST).collect();
        if run.is_empty() {
            y += 1;
            continue;
        }
        // Behind row 254 a run says how far it is below the one before; empty runs bridge what is farther.
        let mut post = |top: usize, pixels: &[u8]| {
            lump.extend([top as u8, pixels.len() as u8, 0]);
            lump.extend(pixels);
            lump.push(0);
        };
        while y > FARTHEST && last_top.is_none_or(|last| last < FARTHEST || y - last > FARTHEST) {
            post(FARTHEST, &[]);
            last_top = Some(last_top.filter(|&last| last >= FARTHEST).unwrap_or(0) + FARTHEST);
        }
        post(if y > FARTHEST { y - last_top.unwrap_or(0) } else { y }, &run);
        last_top = Some(y);
        y += run.len();
    }
    lump.push(255);
}

impl WadBuilder {
    /// A WAD without lumps.
    pub fn new(kind: WadKind) -> Self {
        Self { kind, lumps: Vec::new() }
    }

    /// Adds a lump.
    pub fn lump(&mut self, name: &str, bytes: impl Into<Vec<u8>>) -> &mut Self {
        self.lumps.push((LumpName::literal(name), bytes.into()));
        self
    }

    /// Adds an empty lump.
    pub fn marker(&mut self, name: &str) -> &mut Self {
        self.lump(name, [])
    }

    /// Adds `PLAYPAL` with one palette.
    pub fn palette(&mut self, colors: &[[u8; 3]; 256]) -> &mut Self {
        self.lump("PLAYPAL", colors.as_flattened())
    }

    /// Adds a map: its marker and its five lumps. Lumps that only help to draw a map are not written.
    pub fn map(&mut self, name: &str, map: &MapData) -> &mut Self {
        self.marker(name);
        self.records("THINGS", &map.things, |out, thing| {
            put(out, [thing.x, thing.y, thing.angle]);
            put(out, [thing.kind, thing.flags]);
        });
        self.records("LINEDEFS", &map.lines, |out, line| {
            put(out, [line.from, line.to, line.flags, line.special, line.tag, line.front]);
            put(out, [line.back.unwrap_or(u16::MAX)]);
        });
        self.records("SIDEDEFS", &map.sides, |out, side| {
            put(out, [side.x_offset, side.y_offset]);
            out.extend([side.upper, side.lower, side.middle].map(LumpName::field).as_flattened());
            put(out, [side.sector]);
        });
        self.records("VERTEXES", &map.vertices, |out, vertex| put(out, [vertex.x, vertex.y]));
        self.records("SECTORS", &map.sectors, |out, sector| {
            put(out, [sector.floor, sector.ceiling]);
            out.extend([sector.floor_flat, sector.ceiling_flat].map(LumpName::field).as_flattened());
            put(out, [sector.light]);
            put(out, [sector.special, sector.tag]);
        })
    }

    fn records<T>(&mut self, name: &str, records: &[T], write: impl Fn(&mut Vec<u8>, &T)) -> &mut Self {
        let mut bytes = Vec::new();
        for record in records {
            write(&mut bytes, record);
        }
        self.lump(name, bytes)
    }

    /// Adds patches between `P_START` and `P_END`.
    pub fn patches<'i>(&mut self, patches: impl IntoIterator<Item = (&'i str, &'i Image)>) -> &mut Self {
        self.images(["P_START", "P_END"], patches)
    }

    /// Adds sprites between `S_START` and `S_END`.
    pub fn sprites<'i>(&mut self, sprites: impl IntoIterator<Item = (&'i str, &'i Image)>) -> &mut Self {
        self.images(["S_START", "S_END"], sprites)
    }

    fn images<'i>(
        &mut self,
        [start, end]: [&str; 2],
        images: impl IntoIterator<Item = (&'i str, &'i Image)>,
    ) -> &mut Self {
        self.marker(start);
        for (name, image) in images {
            self.lump(name, image.encode());
        }
        self.marker(end)
    }

    /// Adds flats between `F_START` and `F_END`.
    pub fn flats<'f>(&mut self, flats: impl IntoIterator<Item = (&'f str, &'f [u8; 4096])>) -> &mut Self {
        self.marker("F_START");
        for (name, pixels) in flats {
            self.lump(name, *pixels);
        }
        self.marker("F_END")
    }

    /// Adds `TEXTURE1` with these textures and `PNAMES` with the patches they name.
    pub fn textures(&mut self, textures: &[TextureData]) -> &mut Self {
        let mut names: Vec<LumpName> = Vec::new();
        let mut bodies = Vec::new();
        let mut list = Vec::new();
        put(&mut list, [field::<u32>(textures.len())]);
        for texture in textures {
            put(&mut list, [field::<u32>(4 + 4 * textures.len() + bodies.len())]);
            bodies.extend(texture.name.field());
            put(&mut bodies, [0, 0, texture.width, texture.height, 0, 0, field(texture.patches.len())]);
            for &(patch, x, y) in &texture.patches {
                let number = names.iter().position(|&name| name == patch).unwrap_or_else(|| {
                    names.push(patch);
                    names.len() - 1
                });
                put(&mut bodies, [x, y]);
                put(&mut bodies, [field(number), 1, 0u16]);
            }
        }
        list.extend(bodies);
        let mut pnames = Vec::new();
        put(&mut pnames, [field::<u32>(names.len())]);
        pnames.extend(names.iter().flat_map(|name| name.field()));
        self.lump("TEXTURE1", list).lump("PNAMES", pnames)
    }

    /// Adds a sampled sound, 128 is silence. At least one sample.
    pub fn sound(&mut self, name: &str, rate: u16, samples: &[u8]) -> &mut Self {
        let (first, last) = (samples[0], samples[samples.len() - 1]);
        let mut bytes = Vec::new();
        put(&mut bytes, [3, rate]);
        put(&mut bytes, [field::<u32>(samples.len() + 32)]);
        bytes.extend([first; 16]);
        bytes.extend(samples);
        bytes.extend([last; 16]);
        self.lump(name, bytes)
    }

    /// The file: header, lumps, directory.
    pub fn finish(&self) -> Vec<u8> {
        let mut file = match self.kind {
            WadKind::Iwad => b"IWAD".to_vec(),
            WadKind::Pwad => b"PWAD".to_vec(),
        };
        let content: usize = self.lumps.iter().map(|(_, bytes)| bytes.len()).sum();
        put(&mut file, [field::<u32>(self.lumps.len()), field(12 + content)]);
        let mut directory = Vec::new();
        for (name, bytes) in &self.lumps {
            put(&mut directory, [field::<u32>(file.len()), field(bytes.len())]);
            directory.extend(name.field());
            file.extend(bytes);
        }
        file.extend(directory);
        file
    }
}

fn field<T: TryFrom<usize>>(value: usize) -> T {
    match T::try_from(value) {
        Ok(value) => value,
        Err(_) => panic!("{value} does not fit its field in the file"),
    }
}

/// A number that can be appended in the file's byte order.
trait Number: Copy {
    fn append(self, out: &mut Vec<u8>);
}

macro_rules! number {
    ($($type:ty)*) => {$(
        impl Number for $type {
            fn append(self, out: &mut Vec<u8>) {
                out.extend(self.to_le_bytes());
            }
        }
    )*};
}

number!(u16 i16 u32);

fn put<T: Number, const N: usize>(out: &mut Vec<u8>, numbers: [T; N]) {
    for number in numbers {
        number.append(out);
    }
}
