//! Whole runs: the same seed gives the same game, whatever the threads.

use super::*;
use crate::config::Silent;

fn config() -> Config {
    Config { scenes: 2, frames: 120, agents: 96, seed: 7, threads: 1, ..Config::default() }
}

fn checksum(config: &Config) -> String {
    run(config, &mut Silent).expect("the embedded WAD is sound").outcome.checksum
}

#[test]
fn threads_do_not_matter_and_seeds_do() {
    let one = checksum(&config());
    for threads in [2, 4] {
        assert_eq!(checksum(&Config { threads, ..config() }), one, "{threads} threads");
    }
    assert_ne!(checksum(&Config { seed: 8, ..config() }), one);
    assert_ne!(checksum(&Config { agents: 97, ..config() }), one);
}

/// Every machine and every build comes to this number. Whoever changes the rules or the embedded WAD on purpose changes it.
#[test]
fn the_checksum_is_the_same_everywhere() {
    assert_eq!(
        checksum(&Config { scenes: 3, frames: 100, agents: 64, seed: 1, ..config() }),
        "3e2d621b0d8631eb"
    );
}

#[test]
fn broken_input_is_an_error() {
    let error = |config: &Config| run(config, &mut Silent).expect_err("it must not play").to_string();
    assert!(error(&Config { wad: Some("no/such.wad".into()), ..config() }).contains("no/such.wad"));
    assert!(error(&Config { maps: vec!["E9M9".into()], ..config() }).contains("E9M9"));
    assert!(error(&Config { frames: 0, ..config() }).contains("frame"));
}

/// Counts what it is told.
#[derive(Default)]
struct Notes(Vec<(String, u32, u32)>, u32);

impl Observer for Notes {
    fn scene_started(&mut self, map: &str, scene: u32, scenes: u32) {
        self.0.push((map.into(), scene, scenes));
    }

    fn frame_done(&mut self, _: u32) {
        self.1 += 1;
    }
}

#[test]
fn records_are_complete() {
    let mut notes = Notes::default();
    let record = run(&config(), &mut notes).expect("sound");
    let expected: Vec<_> =
        record.outcome.scenes.iter().zip(0..).map(|(scene, n)| (scene.map.clone(), n, 2)).collect();
    assert_eq!((notes.0, notes.1), (expected, 240));
    assert_eq!((record.timeline.len(), record.pictures.len()), (240, 2));
    assert!(record.timeline.iter().all(|sample| sample.ms > 0.0 && sample.drawn >= sample.fresh));
    assert_eq!(record.timeline[0].drawn, record.timeline[0].fresh, "everything is new in the first frame");
    assert_eq!(record.outcome.frame_heap_calls, None, "nobody counted");
    for (picture, scene) in record.pictures.iter().zip(&record.outcome.scenes) {
        assert_eq!((&picture.map, picture.agents.len()), (&scene.map, scene.agents as usize));
        assert!(picture.lines.iter().any(|line| line.solid) && !picture.projectiles.is_empty());
        let [left, bottom, right, top] = picture.camera;
        assert_eq!((right - left, top - bottom), (1600, 1200));
    }
}

#[test]
fn the_game_is_lively() {
    let config = Config { frames: 600, agents: 256, ..config() };
    let wad = Wad::parse(crate::wad::EMBEDDED).expect("sound");
    for name in wad.maps() {
        let map = wad.map(name).expect("sound");
        let mut scene = Scene::load(&wad, &map, 0, &config).expect("playable");
        let mut most = [0; 3];
        for _ in 0..config.frames {
            let drawn = scene.frame();
            let (projectiles, particles) = scene.flying();
            most = [most[0].max(drawn.items as usize), most[1].max(projectiles), most[2].max(particles)];
        }
        let totals = scene.totals();
        println!("{name} {totals:?} drawn, projectiles, particles: {most:?}");
        assert!(totals.shots > 1000 && totals.hits > 200 && totals.deaths > 50, "{totals:?}");
        assert!(totals.respawns > 0 && totals.respawns <= totals.deaths, "{totals:?}");
        assert!(totals.paths > 1000 && most[0] > 20 && most[1] > 10 && most[2] > 50, "{totals:?} {most:?}");
    }
}
