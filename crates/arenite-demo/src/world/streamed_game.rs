//! Plays every map of a whole published game with a budget for a third of its textures, and asks the system after each frame
//! how much of them is in memory.
//!
//! `ARENITE_WAD_DIR=/usr/share/games/doom cargo test --release -p arenite-demo --lib streamed_game` plays `freedoom2.wad` of that
//! directory; Debian's package `freedoom` puts it there. Without the variable the embedded game is played, whose maps share their
//! few textures.

use std::path::Path;

use super::resident::resident;
use super::tests::run_observed;
use crate::config::{Config, Observer, Silent};
use crate::wad::{EMBEDDED, Wad};

/// The most of the textures that was resident after any frame.
#[derive(Default)]
struct Watch {
    most: u64,
    looks: u32,
    budget: u64,
}

impl Observer for Watch {
    fn scene_started(&mut self, map: &str, _: u32, _: u32) {
        self.look(map);
    }

    fn frame_done(&mut self, frame: u32) {
        self.look(frame);
    }
}

impl Watch {
    fn look(&mut self, at: impl std::fmt::Display) {
        let (there, all) = resident("textures");
        // Every byte of a texture is written when it is decoded; nobody swaps a page out while we look.
        assert_eq!(there, all, "{at}: the table of pages does not say what it should");
        assert!(
            there <= self.budget,
            "{at}: {there} bytes of textures are in memory, {} may be",
            self.budget
        );
        self.most = self.most.max(there);
        self.looks += 1;
    }
}

#[test]
fn what_is_resident_of_the_textures_stays_within_their_budget() {
    let path = std::env::var_os("ARENITE_WAD_DIR").map(|folder| Path::new(&folder).join("freedoom2.wad"));
    let file = path.as_ref().map(|path| std::fs::read(path).expect("the game can be read"));
    let wad = Wad::parse(file.as_deref().unwrap_or(EMBEDDED)).expect("a published game is a sound WAD");
    let textures = wad.textures().expect("sound");
    let all: u64 = textures.iter().map(|texture| texture.decoded_len() as u64).sum();
    // What one camera shows of the embedded game's few textures is more than a third of them.
    let budget = if path.is_some() { all / 3 } else { 240 << 10 };
    let scenes = wad.maps().count() as u32;
    let config = Config { wad: path, scenes, frames: 90, agents: 64, threads: 2, ..Config::default() };

    let whole = run_observed(&config, &mut Silent).expect("playable").outcome;
    let config = Config { budgets: vec![("textures".to_owned(), budget)], ..config };
    let mut watch = Watch { budget, ..Watch::default() };
    let record = run_observed(&config, &mut watch).expect("fits");
    let run = record.outcome;
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
    assert!(tag.committed <= tag.peak && tag.peak <= budget, "{tag:?}");
    let cache = &run.caches[0];
    assert!(cache.hits > 0, "{cache:?}");
    assert!(cache.evictions > 0 || config.wad.is_none(), "all maps together use more than fits: {cache:?}");
    assert!(run.trends.iter().all(|trend| !trend.is_increasing()), "{:?}", run.trends);

    // The system's figure leaves out a page for each texture's table: so it is near the ledger's, and never above.
    assert_eq!(watch.looks, scenes * 91);
    assert!(watch.most <= tag.peak && watch.most * 10 >= tag.peak * 6, "{} of {}", watch.most, tag.peak);
    assert_eq!(resident("textures"), (0, 0), "the caches went with their run");
    let streamed = record.timeline.iter().map(|sample| sample.streamed);
    let [mut loads, mut evictions, mut cuts] = [0; 3];
    for streamed in streamed {
        loads += u64::from(streamed.loads);
        evictions += u64::from(streamed.evictions);
        cuts += u64::from(streamed.cuts);
    }
    let sum = |of: fn(&crate::outcome::CacheOutcome) -> u64| run.caches.iter().map(of).sum::<u64>();
    assert_eq!((loads, evictions), (sum(|cache| cache.loads), sum(|cache| cache.evictions)));
    assert_eq!(Some(cuts), run.streaming.map(|streaming| streaming.cuts));
    println!(
        "{scenes} maps, textures of {all} bytes, budget {budget}, at most {} resident: {cache:?}, {:?}",
        watch.most, run.streaming
    );
}
