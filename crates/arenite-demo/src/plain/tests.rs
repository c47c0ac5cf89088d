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
