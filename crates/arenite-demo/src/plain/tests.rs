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
