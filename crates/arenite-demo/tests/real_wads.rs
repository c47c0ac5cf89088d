//! Reads whole published games from end to end.
//!
//! `ARENITE_WAD_DIR=/usr/share/games/doom cargo test -p arenite-demo --test real_wads` reads every `.wad` in that
//! directory; Debian's package `freedoom` puts two games there. Without the variable there is nothing to read.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;

use arenite_demo::wad::{Survey, ThingKind, Wad, WadKind};

/// Paths and contents of the games; empty when the variable is not set.
fn games() -> Vec<(PathBuf, Vec<u8>)> {
    let Some(directory) = std::env::var_os("ARENITE_WAD_DIR") else {
        println!("skipped: ARENITE_WAD_DIR is not set");
        return Vec::new();
    };
    let entries = std::fs::read_dir(&directory).expect("ARENITE_WAD_DIR is a directory that can be read");
    let paths: BTreeSet<PathBuf> = entries
        .map(|entry| entry.expect("a directory entry").path())
        .filter(|path| path.extension() == Some(OsStr::new("wad")))
        .collect();
    assert!(!paths.is_empty(), "no .wad file in ARENITE_WAD_DIR");
    paths
        .into_iter()
        .map(|path| (path.clone(), std::fs::read(&path).expect("the file can be read")))
        .collect()
}

#[test]
fn everything_in_real_games_can_be_used() {
    let mut bytes = vec![0; 2 * 4096 * 4096];
    let mut samples = vec![0; 1 << 22];
    for (path, file) in games() {
        let wad = Wad::parse(&file).expect("a published game is a sound WAD");
        let survey = Survey::take(&wad, &mut bytes, &mut samples);
        println!("{}: {survey:?}", path.display());
        assert_eq!(survey.first_error, None, "{}", path.display());
        for tally in [survey.maps, survey.textures, survey.flats, survey.sprites, survey.sounds] {
            assert_eq!((tally.broken, tally.skipped), (0, 0), "{}", path.display());
        }
        if wad.kind() == WadKind::Iwad {
            assert!(survey.maps.found >= 9 && survey.textures.found >= 100 && survey.flats.found >= 50);
            assert!(survey.sprites.found >= 100 && survey.sounds.found >= 20);
            assert_eq!(survey.missing_patches, 0, "a whole game has all of its patches");
            assert!(wad.palette().expect("a sound palette").is_some());
        }
    }
}

#[test]
fn real_maps_have_a_start_monsters_and_their_pictures() {
    for (path, file) in games() {
        let wad = Wad::parse(&file).expect("a published game is a sound WAD");
        if wad.kind() == WadKind::Pwad {
            continue;
        }
        let textures = wad.textures().expect("sound textures");
        for name in wad.maps() {
            let map = wad.map(name).expect("a sound map");
            let at = format!("{} {name}", path.display());
            let classes: Vec<_> = map.things().iter().map(|thing| thing.class()).collect();
            assert!(classes.contains(&ThingKind::PlayerStart(1)), "{at}: no start");
            assert!(classes.iter().any(|class| matches!(class, ThingKind::Monster(_))), "{at}: no monster");
            let bounds = map.bounds();
            assert!(bounds.width() > 500 && bounds.height() > 500, "{at}: {bounds:?}");
            assert!(map.lines().iter().any(|line| line.is_solid()), "{at}: no wall");
            for texture in map.texture_names().collect::<BTreeSet<_>>() {
                assert!(textures.find(texture).is_some(), "{at}: no texture {texture}");
            }
            for flat in map.flat_names().collect::<BTreeSet<_>>() {
                assert!(wad.flat(flat).is_some(), "{at}: no flat {flat}");
            }
        }
    }
}
