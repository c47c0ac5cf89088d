//! Plays every map of whole published games.
//!
//! `ARENITE_WAD_DIR=/usr/share/games/doom cargo test --release -p arenite-demo --test real_games` plays every `.wad` in that
//! directory; Debian's package `freedoom` puts two games there. Without the variable there is nothing to play.

use std::ffi::OsStr;

use arenite_demo::config::{Config, Silent};
use arenite_demo::plain;
use arenite_demo::wad::{Wad, WadKind};

#[test]
fn every_map_can_be_played() {
    let Some(directory) = std::env::var_os("ARENITE_WAD_DIR") else {
        println!("skipped: ARENITE_WAD_DIR is not set");
        return;
    };
    for entry in std::fs::read_dir(&directory).expect("ARENITE_WAD_DIR is a directory that can be read") {
        let path = entry.expect("a directory entry").path();
        if path.extension() != Some(OsStr::new("wad")) {
            continue;
        }
        let file = std::fs::read(&path).expect("the file can be read");
        let wad = Wad::parse(&file).expect("a published game is a sound WAD");
        if wad.kind() == WadKind::Pwad {
            continue;
        }
        let scenes = wad.maps().count() as u32;
        let config = Config { wad: Some(path.clone()), scenes, frames: 60, agents: 128, ..Config::default() };
        let one = plain::run(&Config { threads: 1, ..config.clone() }, &mut Silent).expect("playable");
        let three = plain::run(&Config { threads: 3, ..config }, &mut Silent).expect("playable");
        assert_eq!(one.outcome.checksum, three.outcome.checksum, "{}", path.display());
        assert_eq!(one.outcome.scenes.len(), scenes as usize);
        for (scene, picture) in one.outcome.scenes.iter().zip(&one.pictures) {
            assert!(
                scene.resources_loaded > 0 && scene.resources_loaded == scene.resources_dropped,
                "{scene:?}"
            );
            assert_eq!(picture.agents.len(), scene.agents as usize);
        }
        println!("{}: {scenes} maps, {:?}", path.display(), one.outcome.frame_ms);
    }
}
