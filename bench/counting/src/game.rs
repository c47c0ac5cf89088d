//! The demo's plain game. In binaries of its own: what the compiler inlines in the other programs must not depend on it.

use arenite_demo::config::{Config, Silent};
use arenite_demo::plain;

use crate::programs::digest;

/// As `arenite-demo-plain --scenes 3 --frames 100 --threads 1`, but for the file with its figures. None: it can not be played.
#[must_use]
pub fn play() -> Option<u64> {
    let config = Config { scenes: 3, frames: 100, threads: 1, ..Config::default() };
    let record = plain::run(&config, &mut Silent).ok()?;
    // What was played, and nothing that was timed.
    Some(digest(record.outcome.checksum.as_bytes()))
}
