//! Plays every map of a whole published game with a budget for a third of its textures.
//!
//! `ARENITE_WAD_DIR=/usr/share/games/doom cargo test --release -p arenite-demo --test streamed_game` plays `freedoom2.wad` of that
//! directory; Debian's package `freedoom` puts it there. Without the variable there is nothing to play.

use std::path::Path;

use arenite_demo::config::{Config, Silent};
use arenite_demo::wad::Wad;
use arenite_demo::world;

#[test]
fn every_map_runs_within_a_third_of_the_textures() {
    let Some(directory) = std::env::var_os("ARENITE_WAD_DIR") else {
        println!("skipped: ARENITE_WAD_DIR is not set");
        return;
    };
    let path = Path::new(&directory).join("freedoom2.wad");
    let file = std::fs::read(&path).expect("the game can be read");
    let wad = Wad::parse(&file).expect("a published game is a sound WAD");
    let textures = wad.textures().expect("sound");
    let all: u64 = textures.iter().map(|texture| texture.decoded_len() as u64).sum();
    let budget = all / 3;
    let scenes = wad.maps().count() as u32;
    let config = Config { wad: Some(path), scenes, frames: 90, agents: 64, threads: 2, ..Config::default() };

    let whole = world::run(&config, &mut Silent).expect("playable").outcome;
    let config = Config { budgets: vec![("textures".to_owned(), budget)], ..config };
    let run = world::run(&config, &mut Silent).expect("fits").outcome;
    assert_eq!(run.checksum, whole.checksum);
    assert_eq!(run.scenes.len(), scenes as usize);
    for scene in &run.scenes {
        assert_eq!(
            (scene.resources_loaded, scene.live_bytes_after),
            (scene.resources_dropped, 0),
            "{scene:?}"
        );
    }
    let tag = run.tags.iter().find(|tag| tag.name == "textures").expect("a tag of its own");
    assert_eq!(tag.budget, Some(budget));
    // What is resident of the textures is committed, and each page of that is charged.
    assert!(tag.committed <= tag.peak && tag.peak <= budget, "{tag:?}");
    let cache = &run.caches[0];
    assert!(cache.evictions > 0 && cache.hits > 0, "all maps together use more than fits: {cache:?}");
    assert!(run.trends.iter().all(|trend| !trend.is_increasing()), "{:?}", run.trends);
    println!("{scenes} maps, textures of {all} bytes, budget {budget}: {cache:?}, {:?}", run.streaming);
}
