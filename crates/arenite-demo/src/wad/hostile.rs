//! Property tests: no file, however it was mangled, makes the reader panic; everything found can be walked to the end.

use proptest::prelude::*;

use super::builder::{Image, MapData, TextureData, WadBuilder};
use super::*;

/// Parses, and if that works reads everything, with little memory so that large pictures are skipped.
fn read(file: &[u8]) -> Option<Survey> {
    let wad = Wad::parse(file).ok()?;
    assert_eq!(wad.lumps().count(), wad.len());
    for lump in wad.lumps() {
        // Whatever a lump is meant to be, it may be taken for a picture or a sound.
        let mut out = [0; 1 << 10];
        let _ = Picture::parse(lump).and_then(|picture| picture.decode_into(&mut out));
        let _ = Sound::parse(lump).map(|sound| sound.samples.len());
        assert!(wad.find(lump.name).is_some_and(|found| found.index >= lump.index));
    }
    if let Err(error) = wad.map("NO SUCH MAP") {
        assert!(error.to_string().starts_with("no map"));
    }
    Some(Survey::take(&wad, &mut vec![0; 1 << 14], &mut [0; 1 << 10]))
}

/// A WAD with a little of everything, small enough that a random flip hits something that matters.
fn base() -> Vec<u8> {
    let name = |text| LumpName::literal(text);
    let line = |from, to, front| Line { from, to, flags: 1, special: 0, tag: 0, front, back: None };
    let (upper, lower, middle) = (name("-"), name("-"), name("WALL"));
    let side = Side { x_offset: 0, y_offset: 0, upper, lower, middle, sector: 0 };
    let (floor_flat, ceiling_flat) = (name("FLOOR"), name("FLOOR"));
    let sector = Sector { floor: 0, ceiling: 128, floor_flat, ceiling_flat, light: 160, special: 0, tag: 0 };
    let map = MapData {
        things: vec![Thing { x: 1, y: 1, angle: 0, kind: 1, flags: 7 }],
        lines: vec![line(0, 1, 0), line(1, 2, 1), line(2, 0, 2)],
        sides: vec![side; 3],
        vertices: vec![Vertex { x: 0, y: 0 }, Vertex { x: 0, y: 64 }, Vertex { x: 64, y: 0 }],
        sectors: vec![sector],
    };
    let patch = Image::draw(8, 300, |x, y| (y % 40 > x).then_some(y as u8));
    let patches = vec![(name("PATCH"), 0, 0), (name("PATCH"), 6, -3), (name("GONE"), 0, 0)];
    WadBuilder::new(WadKind::Iwad)
        .map("MAP01", &map)
        .textures(&[TextureData { name: name("WALL"), width: 16, height: 64, patches }])
        .patches([("PATCH", &patch)])
        .sprites([("TROOA0", &Image::draw(6, 6, |x, y| (x != y).then_some(1)).standing())])
        .flats([("FLOOR", &[5; 4096])])
        .sound("DSPISTOL", 11025, &[128; 40])
        .palette(&[[1, 2, 3]; 256])
        .finish()
}

/// Offset of the directory.
fn directory(file: &[u8]) -> usize {
    bytes::u32_at(file, 8).expect("a header") as usize
}

#[test]
fn the_unspoilt_file_is_sound() {
    let survey = read(&base()).expect("a WAD");
    assert_eq!(survey.first_error, None);
    assert_eq!((survey.missing_patches, survey.maps.found, survey.textures.found), (1, 1, 1));
}

#[test]
fn every_truncation_is_refused() {
    let file = base();
    for length in 0..file.len() {
        assert!(Wad::parse(&file[..length]).is_err(), "{length} of {} bytes", file.len());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes(mut file in prop::collection::vec(any::<u8>(), 0..600), iwad: bool, lumps in 0u32..20) {
        read(&file);
        if file.len() >= 12 {
            file[..4].copy_from_slice(if iwad { b"IWAD" } else { b"PWAD" });
            file[4..8].copy_from_slice(&lumps.to_le_bytes());
            file[8..12].copy_from_slice(&12u32.to_le_bytes());
            read(&file);
        }
    }

    #[test]
    fn flipped_bits(flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..40)) {
        let mut file = base();
        for (at, bit) in flips {
            let at = at.index(file.len());
            file[at] ^= 1 << bit;
        }
        read(&file);
    }

    /// Numbers that matter lie at even places and are often small, huge, or one too large.
    #[test]
    fn replaced_numbers(
        changes in prop::collection::vec((any::<prop::sample::Index>(), prop::sample::select(&[
            0u16, 1, 2, 3, 64, 255, 256, 4095, 4096, 4097, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF,
        ][..])), 1..20),
        in_directory: bool,
    ) {
        let mut file = base();
        let start = if in_directory { directory(&file) } else { 0 };
        for (at, value) in changes {
            let at = start + at.index((file.len() - start) / 2) * 2;
            file[at..at + 2].copy_from_slice(&value.to_le_bytes());
        }
        read(&file);
    }

    /// A piece of the file is put in once more somewhere else.
    #[test]
    fn spliced_files(
        at in any::<prop::sample::Index>(), from in any::<prop::sample::Index>(), take in any::<prop::sample::Index>(),
    ) {
        let file = base();
        let (at, from) = (at.index(file.len()), from.index(file.len()));
        let piece = &file[from..from + take.index(file.len() - from + 1)];
        let mut spliced = [&file[..at], piece, &file[at..]].concat();
        read(&spliced);
        // The same with a header that leads to the directory, so that the lumps are what is spoilt.
        spliced[..8].copy_from_slice(&file[..8]);
        let offset = (directory(&file) + piece.len()) as u32;
        spliced[8..12].copy_from_slice(&offset.to_le_bytes());
        read(&spliced);
    }

    /// Any bytes as the lumps that are decoded.
    #[test]
    fn random_lumps(
        picture in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..200),
        list in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..200),
        names in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..40),
        sound in prop::collection::vec(prop_oneof![0u8..4, any::<u8>()], 0..80),
    ) {
        let mut builder = WadBuilder::new(WadKind::Pwad);
        builder.lump("TEXTURE1", list).lump("PNAMES", names).lump("DSA", sound);
        builder.marker("S_START").lump("A", picture.clone()).marker("S_END");
        for part in ["THINGS", "LINEDEFS", "SIDEDEFS", "VERTEXES", "SECTORS"] {
            builder.lump(part, picture.clone());
        }
        prop_assert!(read(&builder.finish()).is_some());
    }
}
