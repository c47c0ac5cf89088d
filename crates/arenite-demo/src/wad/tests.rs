//! Every decoder on built data, and every kind of malformed input with its exact error.

use super::builder::{Image, MapData, TextureData, WadBuilder};
use super::*;

const A: LumpName = LumpName::literal("A");

fn lump<'a>(name: &str, bytes: &'a [u8]) -> Lump<'a> {
    Lump { name: LumpName::literal(name), index: 0, bytes }
}

fn side(sector: u16) -> Side {
    let wall = LumpName::literal("WALL");
    Side {
        x_offset: 1,
        y_offset: -2,
        upper: LumpName::literal("-"),
        lower: LumpName::default(),
        middle: wall,
        sector,
    }
}

/// A triangular room with a line through it.
fn small_map() -> MapData {
    let line = |from, to, front, back| Line { from, to, flags: 0, special: 3, tag: 4, front, back };
    let flat = LumpName::literal("FLOOR");
    let (floor_flat, ceiling_flat) = (flat, LumpName::literal("F_SKY1"));
    MapData {
        things: vec![
            Thing { x: 10, y: -20, angle: -90, kind: 1, flags: 7 },
            Thing { x: 30, y: 5, angle: 450, kind: 3001, flags: 0 },
        ],
        lines: vec![line(0, 1, 0, None), line(1, 2, 1, None), line(2, 0, 2, None), line(0, 2, 1, Some(2))],
        sides: vec![side(0), side(1), side(1)],
        vertices: vec![Vertex { x: -100, y: -50 }, Vertex { x: 0, y: 150 }, Vertex { x: 200, y: -50 }],
        sectors: vec![
            Sector { floor: 0, ceiling: 128, floor_flat, ceiling_flat, light: 160, special: 9, tag: 1 },
            Sector { floor: -8, ceiling: 96, floor_flat, ceiling_flat, light: 80, special: 0, tag: 0 },
        ],
    }
}

fn wad_with(name: &str, map: &MapData) -> Vec<u8> {
    WadBuilder::new(WadKind::Pwad).map(name, map).finish()
}

fn set_u32(file: &mut [u8], at: usize, value: u32) {
    file[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// Offset of the directory.
fn directory(file: &[u8]) -> usize {
    bytes::u32_at(file, 8).unwrap() as usize
}

fn error_of(file: &[u8]) -> WadError {
    Wad::parse(file).map(|_| ()).unwrap_err()
}

#[test]
fn lumps_are_found_and_the_last_one_wins() {
    let file =
        WadBuilder::new(WadKind::Iwad).lump("A", [1]).lump("B", [2, 2]).lump("a", [3]).marker("END").finish();
    let wad = Wad::parse(&file).unwrap();
    assert_eq!((wad.kind(), wad.len(), wad.is_empty()), (WadKind::Iwad, 4, false));
    assert_eq!(wad.find("a").map(|lump| (lump.index, lump.bytes)), Some((2, &[3][..])));
    assert_eq!(wad.lump(1).map(|lump| lump.bytes), Some(&[2, 2][..]));
    assert!(wad.find("C").is_none() && wad.find("NINECHARS").is_none() && wad.lump(4).is_none());
    let names: Vec<String> = wad.lumps().map(|lump| lump.name.to_string()).collect();
    assert_eq!((names.join(" "), wad.lumps().len()), ("A B A END".to_owned(), 4));
}

#[test]
fn broken_headers_and_directories() {
    assert_eq!(error_of(b""), WadError::Truncated { length: 0 });
    assert_eq!(error_of(b"IW"), WadError::Truncated { length: 2 });
    assert_eq!(error_of(b"PWAD\0\0\0\0\0\0\0"), WadError::Truncated { length: 11 });
    assert_eq!(error_of(b"\x7fELF and more bytes"), WadError::NotWad { found: *b"\x7fELF" });
    assert_eq!(error_of(b"hi"), WadError::NotWad { found: *b"hi\0\0" });

    let good = WadBuilder::new(WadKind::Pwad).lump("A", [1, 2, 3]).lump("B", [4]).finish();
    let length = good.len();
    let mut file = good.clone();
    set_u32(&mut file, 4, u32::MAX);
    assert_eq!(error_of(&file), WadError::AbsurdCount { count: u32::MAX, fits: 2 });
    set_u32(&mut file, 4, 3);
    assert_eq!(error_of(&file), WadError::AbsurdCount { count: 3, fits: 2 });
    for offset in [17, length as u32, u32::MAX] {
        let mut file = good.clone();
        set_u32(&mut file, 8, offset);
        assert_eq!(error_of(&file), WadError::DirectoryOutside { offset, count: 2, length });
    }
    // Cut short behind the header: the directory is gone, and with it the room for two lumps.
    let cut = error_of(&good[..13]);
    assert_eq!(cut, WadError::DirectoryOutside { offset: 16, count: 2, length: 13 });

    let entry = directory(&good) + 16;
    let mut file = good.clone();
    set_u32(&mut file, entry + 4, length as u32);
    let (lump, size) = (LumpName::literal("B"), length as u32);
    assert_eq!(error_of(&file), WadError::LumpOutside { index: 1, lump, offset: 15, size, length });
    set_u32(&mut file, entry + 4, 1);
    set_u32(&mut file, entry, u32::MAX);
    assert_eq!(error_of(&file), WadError::LumpOutside { index: 1, lump, offset: u32::MAX, size: 1, length });
    // An empty lump lies nowhere.
    set_u32(&mut file, entry + 4, 0);
    assert_eq!(Wad::parse(&file).unwrap().find("B").unwrap().bytes, b"");
}

#[test]
fn a_map_comes_back_as_it_was_written() {
    let data = small_map();
    let file = wad_with("map07", &data);
    let map = Wad::parse(&file).unwrap().map("MAP07").unwrap();
    assert_eq!(map.name().to_string(), "MAP07");
    assert_eq!(map.things().iter().collect::<Vec<_>>(), data.things);
    assert_eq!(map.lines().iter().collect::<Vec<_>>(), data.lines);
    assert_eq!(map.sides().iter().collect::<Vec<_>>(), data.sides);
    assert_eq!(map.vertices().iter().collect::<Vec<_>>(), data.vertices);
    assert_eq!(map.sectors().iter().collect::<Vec<_>>(), data.sectors);
    assert_eq!(map.bounds(), Bounds { left: -100, bottom: -50, right: 200, top: 150 });
    assert_eq!((map.bounds().width(), map.bounds().height()), (300, 200));
    assert_eq!(map.ends(&data.lines[1]), [data.vertices[1], data.vertices[2]]);
    assert_eq!(map.things().iter().map(|thing| thing.facing()).collect::<Vec<_>>(), [270, 90]);
    assert_eq!(map.lines().iter().map(|line| line.is_solid()).collect::<Vec<_>>(), [true, true, true, false]);
    assert!(Line { flags: Line::BLOCKING, ..data.lines[3] }.is_solid());
    assert_eq!(map.texture_names().map(|name| name.to_string()).collect::<Vec<_>>(), ["WALL"; 3]);
    assert_eq!(map.flat_names().count(), 4);
    let mut backwards: Vec<_> = map.vertices().iter().rev().collect();
    backwards.reverse();
    assert_eq!(backwards, data.vertices);
    assert_eq!((map.lines().len(), map.lines().iter().len(), map.lines().get(4)), (4, 4, None));
}

#[test]
fn maps_are_recognised() {
    let mut builder = WadBuilder::new(WadKind::Iwad);
    let data = small_map();
    builder.map("E1M1", &data).map("ARENA", &data).lump("DEMO1", [1]).map("E1M1", &data).marker("MAP99");
    let file = builder.finish();
    let wad = Wad::parse(&file).unwrap();
    assert_eq!(wad.maps().map(|name| name.to_string()).collect::<Vec<_>>(), ["ARENA", "E1M1", "MAP99"]);
    assert!(wad.map("e1m1").is_ok() && wad.map("arena").is_ok());
    let error = wad.map("THINGS").unwrap_err();
    assert_eq!(error.to_string(), "no map \"THINGS\": the file has ARENA, E1M1, MAP99");
}

#[test]
fn unknown_maps_are_answered_with_known_ones() {
    let mut builder = WadBuilder::new(WadKind::Iwad);
    for number in 1..=8 {
        builder.map(&format!("MAP{number:02}"), &small_map());
    }
    let file = builder.finish();
    let wad = Wad::parse(&file).unwrap();
    let WadError::UnknownMap { known, .. } = wad.map("E1M1").unwrap_err() else {
        panic!("E1M1 is not there")
    };
    assert_eq!((known.total(), known.names().len()), (8, 6));
    assert_eq!(
        wad.map("a name\nthat is far too long").unwrap_err().to_string(),
        "no map \"a name\\nthat is …\": the file has MAP01, MAP02, MAP03, MAP04, MAP05, MAP06 and 2 more"
    );
    let empty = WadBuilder::new(WadKind::Pwad).finish();
    let error = Wad::parse(&empty).unwrap().map("MAP01").unwrap_err();
    assert_eq!(error.to_string(), "no map \"MAP01\": the file has no maps");
}

#[test]
fn maps_that_lack_something() {
    let map = LumpName::literal("MAP01");
    type Case = (MapPart, fn(&mut MapData));
    let cases: [Case; 5] = [
        (MapPart::Things, |data| data.things.clear()),
        (MapPart::Lines, |data| data.lines.clear()),
        (MapPart::Sides, |data| data.sides.clear()),
        (MapPart::Vertices, |data| data.vertices.clear()),
        (MapPart::Sectors, |data| data.sectors.clear()),
    ];
    for (what, spoil) in cases {
        let mut data = small_map();
        spoil(&mut data);
        let file = wad_with("MAP01", &data);
        let error = Wad::parse(&file).unwrap().map("MAP01").unwrap_err();
        assert_eq!(error, WadError::EmptyMap { map, what });
    }
    let file = WadBuilder::new(WadKind::Pwad).marker("MAP01").lump("OTHER", [0]).finish();
    let error = Wad::parse(&file).unwrap().map("MAP01").unwrap_err();
    assert_eq!(error, WadError::EmptyMap { map, what: MapPart::Things });
    assert_eq!(error.to_string(), "map MAP01 has no things: THINGS is missing or empty");
}

#[test]
fn maps_of_later_games_are_named() {
    let map = LumpName::literal("MAP01");
    let mut builder = WadBuilder::new(WadKind::Pwad);
    let file = builder.map("MAP01", &small_map()).lump("BEHAVIOR", *b"ACS\0").finish();
    let error = Wad::parse(&file).unwrap().map("MAP01").unwrap_err();
    assert_eq!(error, WadError::Unsupported { map, format: MapFormat::Hexen });
    let file =
        WadBuilder::new(WadKind::Pwad).marker("MAP01").lump("TEXTMAP", *b"x").marker("ENDMAP").finish();
    let error = Wad::parse(&file).unwrap().map("MAP01").unwrap_err();
    assert_eq!(error, WadError::Unsupported { map, format: MapFormat::Udmf });
}

#[test]
fn references_that_lead_nowhere() {
    use MapPart::{Lines, Sectors, Sides, Vertices};
    type Case = (MapPart, u32, MapPart, u32, u32, fn(&mut MapData));
    let cases: [Case; 5] = [
        (Lines, 2, Vertices, 3, 3, |data| data.lines[2].from = 3),
        (Lines, 0, Vertices, 65535, 3, |data| data.lines[0].to = u16::MAX),
        (Lines, 1, Sides, 65535, 3, |data| data.lines[1].front = u16::MAX),
        (Lines, 3, Sides, 7, 3, |data| data.lines[3].back = Some(7)),
        (Sides, 2, Sectors, 2, 2, |data| data.sides[2].sector = 2),
    ];
    for (from, index, to, wanted, count, spoil) in cases {
        let mut data = small_map();
        spoil(&mut data);
        let file = wad_with("E1M1", &data);
        let error = Wad::parse(&file).unwrap().map("E1M1").unwrap_err();
        let map = LumpName::literal("E1M1");
        assert_eq!(error, WadError::BadReference { map, from, index, to, wanted, count });
    }
}

#[test]
fn lumps_that_are_no_whole_number_of_records() {
    let records = [
        (MapPart::Things, 10),
        (MapPart::Lines, 14),
        (MapPart::Sides, 30),
        (MapPart::Vertices, 4),
        (MapPart::Sectors, 26),
    ];
    for (part, record) in records {
        let mut file = wad_with("E1M1", &small_map());
        let wad = Wad::parse(&file).unwrap();
        let lump = wad.find(part.lump()).unwrap();
        let (index, size) = (lump.index, lump.bytes.len() as u32 - 1);
        let entry = directory(&file) + 16 * index;
        set_u32(&mut file, entry + 4, size);
        let error = Wad::parse(&file).unwrap().map("E1M1").unwrap_err();
        assert_eq!(error, WadError::RecordSize { map: LumpName::literal("E1M1"), part, size, record });
    }
}

#[test]
fn pictures_come_back_as_they_were_drawn() {
    // Heights on both sides of what a byte can say, with holes in all kinds of places.
    for (width, height, every) in
        [(1, 1, 0), (5, 7, 3), (3, 254, 9), (2, 255, 0), (4, 600, 7), (2, 1100, 1050)]
    {
        let pixel = |x: usize, y: usize| (!(x + y).is_multiple_of(every)).then_some((x * 31 + y * 7) as u8);
        let bytes = Image::draw(width, height, pixel).encode();
        let picture = Picture::parse(lump("P", &bytes)).unwrap();
        assert_eq!((usize::from(picture.width()), usize::from(picture.height())), (width, height));
        let mut out = vec![0xAA; picture.decoded_len() + 3];
        picture.decode_into(&mut out).unwrap();
        let (indices, mask) = out.split_at(width * height);
        for (y, x) in (0..height).flat_map(|y| (0..width).map(move |x| (y, x))) {
            let at = y * width + x;
            let expected = pixel(x, y).map_or((0, 0), |pixel| (pixel, 255));
            assert_eq!((indices[at], mask[at]), expected, "{width} x {height} at {x}, {y}");
        }
        assert_eq!(mask[width * height..], [0xAA; 3], "what lies behind is left alone");
    }
}

#[test]
fn a_gap_below_the_reach_of_a_byte_is_bridged() {
    let bytes = Image::draw(1, 1000, |_, y| (y >= 900).then_some(1)).encode();
    let picture = Picture::parse(lump("P", &bytes)).unwrap();
    let mut out = vec![0; 2000];
    picture.decode_into(&mut out).unwrap();
    assert_eq!((out[1899], out[1900], out[1999]), (0, 255, 255));
}

#[test]
fn sprites_say_where_they_stand() {
    let bytes = Image::draw(20, 31, |_, _| Some(1)).standing().encode();
    let picture = Picture::parse(lump("P", &bytes)).unwrap();
    assert_eq!((picture.left(), picture.top()), (10, 31));
}

#[test]
fn broken_pictures() {
    let parse = |bytes: &[u8]| Picture::parse(lump("A", bytes)).map(|_| ()).unwrap_err();
    let decode =
        |bytes: &[u8]| Picture::parse(lump("A", bytes)).unwrap().decode_into(&mut [0; 64]).unwrap_err();
    let broken = |offset, fault| WadError::Picture { lump: A, offset, fault };
    assert_eq!(parse(&[1, 0, 1]), broken(3, PictureFault::Truncated));
    assert_eq!(parse(&[2, 0, 1, 0, 0, 0, 0, 0, 8, 0, 0, 0]), broken(12, PictureFault::Truncated));
    assert_eq!(parse(&[0, 0, 1, 0, 0, 0, 0, 0]), broken(0, PictureFault::Size));
    assert_eq!(parse(&[1, 0, 1, 16, 0, 0, 0, 0]), broken(0, PictureFault::Size));
    assert_eq!(parse(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"), broken(0, PictureFault::Png));
    let with = |column: &[u8]| [&[1, 0, 4, 0, 0, 0, 0, 0, 12, 0, 0, 0][..], column].concat();
    assert_eq!(parse(&with(&[])), broken(8, PictureFault::ColumnOutside));
    assert_eq!(decode(&with(&[0])), broken(12, PictureFault::PostOutside));
    assert_eq!(decode(&with(&[0, 3, 0, 1, 2])), broken(12, PictureFault::PostOutside));
    assert_eq!(
        decode(&with(&[0, 1, 0, 9, 0])),
        broken(17, PictureFault::PostOutside),
        "no end of the column"
    );
    assert_eq!(decode(&with(&[0; 64])), broken(48, PictureFault::EndlessColumn));
    let good = with(&[2, 1, 0, 9, 0, 255]);
    let picture = Picture::parse(lump("A", &good)).unwrap();
    let given = picture.decode_into(&mut [0; 7]).unwrap_err();
    assert_eq!(given, WadError::Buffer { name: A, needed: 8, given: 7 });
    let mut out = [7; 8];
    picture.decode_into(&mut out).unwrap();
    assert_eq!(out, [0, 0, 9, 0, 0, 0, 255, 0]);
}

fn texture(name: &str, width: u16, height: u16, patches: &[(&str, i16, i16)]) -> TextureData {
    let patches = patches.iter().map(|&(name, x, y)| (LumpName::literal(name), x, y)).collect();
    TextureData { name: LumpName::literal(name), width, height, patches }
}

#[test]
fn textures_are_composed_in_order_and_cut_at_their_edges() {
    let (ones, twos) = (Image::draw(2, 2, |_, _| Some(1)), Image::draw(2, 3, |x, _| (x == 0).then_some(2)));
    let file = WadBuilder::new(WadKind::Pwad)
        .textures(&[
            texture("WALL", 4, 3, &[("ONES", -1, 0), ("ONES", 3, 2), ("GONE", 0, 0), ("TWOS", 0, -1)]),
            texture("OTHER", 2, 2, &[("ONES", 0, 0)]),
            texture("WALL", 1, 1, &[]),
        ])
        .patches([("ONES", &ones), ("TWOS", &twos)])
        .finish();
    let wad = Wad::parse(&file).unwrap();
    let textures = wad.textures().unwrap();
    assert_eq!((textures.len(), textures.iter().count(), textures.is_empty()), (3, 3, false));
    let wall = textures.find("wall").unwrap();
    assert_eq!((wall.width, wall.height, wall.patches().count()), (4, 3, 4), "the first of its name");
    let mut out = [9; 24];
    assert_eq!(wall.decode_into(&wad, &mut out), Ok(Composed { drawn: 3, missing: 1 }));
    assert_eq!(out[..12], [2, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(out[12..], [255, 0, 0, 0, 255, 0, 0, 0, 0, 0, 0, 255]);
    let small = wall.decode_into(&wad, &mut [0; 23]).unwrap_err();
    assert_eq!(small, WadError::Buffer { name: LumpName::literal("WALL"), needed: 24, given: 23 });
    assert!(textures.find("NOWHERE").is_none());
}

#[test]
fn a_patch_wad_without_textures_has_none() {
    let list = texture("WALL", 4, 4, &[]);
    let with = WadBuilder::new(WadKind::Pwad).textures(&[list]).finish();
    let lists = Wad::parse(&with).unwrap().find("TEXTURE1").unwrap().bytes.to_vec();
    for file in [
        WadBuilder::new(WadKind::Pwad).finish(),
        WadBuilder::new(WadKind::Pwad).lump("TEXTURE1", lists).finish(),
        WadBuilder::new(WadKind::Pwad).lump("PNAMES", [0; 4]).finish(),
    ] {
        let wad = Wad::parse(&file).unwrap();
        assert!(wad.textures().unwrap().is_empty() && wad.palette().unwrap().is_none());
        assert_eq!(Survey::take(&wad, &mut [], &mut []), Survey::default());
    }
}

#[test]
fn broken_texture_lists() {
    let error = |pnames: &[u8], list: &[u8]| {
        let file = WadBuilder::new(WadKind::Pwad).lump("PNAMES", pnames).lump("TEXTURE2", list).finish();
        Wad::parse(&file).unwrap().textures().map(|_| ()).unwrap_err()
    };
    let broken = |offset, fault| WadError::Textures { lump: LumpName::literal("TEXTURE2"), offset, fault };
    let names = [&[1, 0, 0, 0][..], b"PATCH\0\0\0"].concat();
    assert_eq!(error(&[2, 0, 0, 0, 1], &[]), WadError::PatchNames { size: 5, count: 2 });
    assert_eq!(error(&[255; 6], &[]), WadError::PatchNames { size: 6, count: u32::MAX });
    assert_eq!(error(&[1], &[]), WadError::PatchNames { size: 1, count: 0 });
    assert_eq!(error(&names, &[1, 0]), broken(0, TextureFault::Count));
    assert_eq!(error(&names, &[2, 0, 0, 0, 8, 0, 0, 0]), broken(0, TextureFault::Count));
    assert_eq!(error(&names, &[1, 0, 0, 0, 9, 0, 0, 0]), broken(9, TextureFault::Outside));
    let list = |width: u16, height: u16, patches: u16| {
        let mut list = vec![1, 0, 0, 0, 8, 0, 0, 0];
        list.extend(*b"WALL\0\0\0\0\0\0\0\0");
        list.extend([width, height, 0, 0, patches].map(u16::to_le_bytes).as_flattened());
        list
    };
    assert_eq!(error(&names, &list(64, 64, 1)), broken(8, TextureFault::Outside), "its patch is not there");
    assert_eq!(error(&names, &list(0, 64, 0)), broken(8, TextureFault::Size));
    assert_eq!(error(&names, &list(64, 4097, 0)), broken(8, TextureFault::Size));
    let many = [list(64, 64, 1025), vec![0; 10250]].concat();
    assert_eq!(error(&names, &many), broken(8, TextureFault::Patches));

    // A patch number that PNAMES does not have is a missing patch; a broken patch is an error.
    let numbered = |number: u8| [list(64, 64, 1), vec![0, 0, 0, 0, number, 0, 0, 0, 0, 0]].concat();
    let mut builder = WadBuilder::new(WadKind::Pwad);
    let file =
        builder.lump("PNAMES", names.clone()).lump("TEXTURE1", numbered(1)).lump("PATCH", [9]).finish();
    let wad = Wad::parse(&file).unwrap();
    let texture = wad.textures().unwrap().find("WALL").unwrap();
    assert_eq!(texture.decode_into(&wad, &mut [0; 8192]), Ok(Composed { drawn: 0, missing: 1 }));
    let file = builder.lump("TEXTURE1", numbered(0)).finish();
    let wad = Wad::parse(&file).unwrap();
    let texture = wad.textures().unwrap().find("WALL").unwrap();
    let (patch, fault) = (LumpName::literal("PATCH"), PictureFault::Truncated);
    let error = texture.decode_into(&wad, &mut [0; 8192]).unwrap_err();
    assert_eq!(error, WadError::Picture { lump: patch, offset: 1, fault });
}

#[test]
fn flats_and_sprites_lie_between_their_markers() {
    let (old, new) = ([1; 4096], [2; 4096]);
    let file = WadBuilder::new(WadKind::Pwad)
        .lump("BEFORE", old)
        .flats([("FLOOR", &old)])
        .marker("FF_START")
        .marker("F1_START")
        .lump("FLOOR", new)
        .lump("SHORT", [3; 4095])
        .marker("F1_END")
        .marker("F_END")
        .lump("AFTER", old)
        .marker("SS_START")
        .lump("TROOA0", [4])
        .marker("SS_END")
        .finish();
    let wad = Wad::parse(&file).unwrap();
    let names: Vec<String> = wad.flats().map(|flat| flat.name().to_string()).collect();
    assert_eq!(names, ["FLOOR", "FLOOR", "SHORT"]);
    let floor = wad.flat("FLOOR").unwrap();
    assert_eq!(floor.pixels(), Ok(&new));
    let mut out = [0; 5000];
    floor.decode_into(&mut out).unwrap();
    assert!(out[..4096] == new && out[4096..] == [0; 904]);
    let buffer = floor.decode_into(&mut [0; 9]).unwrap_err();
    assert_eq!(buffer, WadError::Buffer { name: LumpName::literal("FLOOR"), needed: 4096, given: 9 });
    let short = LumpName::literal("SHORT");
    assert_eq!(wad.flat("SHORT").unwrap().pixels(), Err(WadError::Flat { lump: short, size: 4095 }));
    assert!(wad.flat("BEFORE").is_none() && wad.flat("AFTER").is_none() && wad.flat("F1_START").is_none());
    assert_eq!(wad.sprites().count(), 1);
    assert_eq!(wad.sprite("trooa0").unwrap().bytes, [4]);
    assert!(wad.sprite("AFTER").is_none());
}

#[test]
fn palettes() {
    let colors: [[u8; 3]; 256] = std::array::from_fn(|i| [i as u8, 255 - i as u8, 7]);
    let file = WadBuilder::new(WadKind::Iwad).palette(&colors).finish();
    let palette = Wad::parse(&file).unwrap().palette().unwrap().unwrap();
    assert!((0..=255).all(|i| palette.color(i) == colors[usize::from(i)]));
    let file = WadBuilder::new(WadKind::Iwad).lump("PLAYPAL", [0; 767]).finish();
    let error = Wad::parse(&file).unwrap().palette().map(|_| ()).unwrap_err();
    assert_eq!(error, WadError::Palette { size: 767 });
}

#[test]
fn sounds_lose_their_padding() {
    let file = WadBuilder::new(WadKind::Iwad)
        .sound("DSPISTOL", 11025, &[128, 0, 255])
        .lump("DSNONE", [0; 4])
        .lump("DPPISTOL", [0; 9])
        .finish();
    let wad = Wad::parse(&file).unwrap();
    assert_eq!(wad.sounds().map(|lump| lump.name.to_string()).collect::<Vec<_>>(), ["DSPISTOL"]);
    let sound = Sound::parse(wad.find("DSPISTOL").unwrap()).unwrap();
    assert_eq!((sound.rate, sound.samples), (11025, &[128, 0, 255][..]));
    let mut out = [1; 4];
    sound.decode_into(&mut out).unwrap();
    assert_eq!(out, [0, -32768, 32512, 1]);
    let buffer = sound.decode_into(&mut [0; 2]).unwrap_err();
    assert_eq!(buffer, WadError::Buffer { name: LumpName::literal("DSPISTOL"), needed: 3, given: 2 });
}

#[test]
fn broken_sounds() {
    let fault = |bytes: &[u8]| match Sound::parse(lump("A", bytes)).map(|_| ()).unwrap_err() {
        WadError::Sound { lump: A, fault } => fault,
        other => panic!("{other}"),
    };
    assert_eq!(fault(&[3, 0, 1, 0, 0, 0, 0]), SoundFault::Truncated);
    assert_eq!(fault(&[0, 0, 1, 0, 0, 0, 0, 0]), SoundFault::Format);
    assert_eq!(fault(&[3, 0, 0, 0, 0, 0, 0, 0]), SoundFault::Rate);
    assert_eq!(fault(&[3, 0, 1, 0, 1, 0, 0, 0]), SoundFault::Samples);
    assert_eq!(fault(&[3, 0, 1, 0, 255, 255, 255, 255, 0]), SoundFault::Samples);
    let padded = |count: u8| [&[3, 0, 1, 0, count, 0, 0, 0][..], &[128; 40]].concat();
    assert_eq!(fault(&padded(15)), SoundFault::Padding);
    assert_eq!(fault(&padded(31)), SoundFault::Padding);
    assert_eq!(Sound::parse(lump("A", &padded(32))).unwrap().samples, b"");
    assert_eq!(Sound::parse(lump("A", &padded(40))).unwrap().samples, [128; 8]);
}

#[test]
fn a_survey_counts_what_it_could_not_use() {
    let picture = Image::draw(8, 8, |_, _| Some(1));
    let file = WadBuilder::new(WadKind::Pwad)
        .map("MAP01", &small_map())
        .map("MAP02", &MapData::default())
        .sprites([("GOODA0", &picture)])
        .marker("S_START")
        .lump("BADA0", [1])
        .marker("S_END")
        .sound("DSLONG", 8000, &[0; 100])
        .finish();
    let survey = Survey::take(&Wad::parse(&file).unwrap(), &mut [0; 128], &mut [0; 99]);
    assert_eq!(survey.maps, Tally { found: 2, broken: 1, skipped: 0 });
    assert_eq!(survey.sprites, Tally { found: 2, broken: 1, skipped: 0 });
    assert_eq!(survey.sounds, Tally { found: 1, broken: 0, skipped: 1 });
    assert_eq!(survey.decoded, 128);
    let map = LumpName::literal("MAP02");
    assert_eq!(survey.first_error, Some(WadError::EmptyMap { map, what: MapPart::Things }));
}

#[test]
fn every_error_is_one_clear_line() {
    let name = LumpName::from_field(*b"A\nB\x1b\0\0\0\0");
    let errors = [
        WadError::Truncated { length: 3 },
        WadError::NotWad { found: *b"\n\0\xff7" },
        WadError::AbsurdCount { count: 9, fits: 1 },
        WadError::DirectoryOutside { offset: 1, count: 2, length: 3 },
        WadError::LumpOutside { index: 1, lump: name, offset: 2, size: 3, length: 4 },
        WadError::EmptyMap { map: name, what: MapPart::Lines },
        WadError::Unsupported { map: name, format: MapFormat::Udmf },
        WadError::RecordSize { map: name, part: MapPart::Sides, size: 1, record: 30 },
        WadError::Picture { lump: name, offset: 1, fault: PictureFault::PostOutside },
        WadError::Textures { lump: name, offset: 1, fault: TextureFault::Size },
        WadError::Sound { lump: name, fault: SoundFault::Rate },
        WadError::Flat { lump: name, size: 3 },
        WadError::Palette { size: 3 },
        WadError::PatchNames { size: 3, count: 3 },
        WadError::Buffer { name, needed: 3, given: 2 },
    ];
    for error in errors {
        let line = error.to_string();
        assert!(line.len() > 20 && !line.contains(char::is_control) && !line.ends_with('.'), "{line:?}");
    }
    assert!(size_of::<WadError>() <= 96, "an error is passed by value everywhere");
}
