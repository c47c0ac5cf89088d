//! Whole runs on Arenite against the same runs on the standard library.

use std::sync::{Mutex, PoisonError};

use super::*;
use crate::config::Silent;
use crate::outcome::Outcome;
use crate::plain;

/// Runs share the process's accounts, so they take turns.
static TURN: Mutex<()> = Mutex::new(());

fn config() -> Config {
    Config { scenes: 2, frames: 120, agents: 96, seed: 7, threads: 1, ..Config::default() }
}

fn run(config: &Config) -> Result<Record, DemoError> {
    run_observed(config, &mut Silent)
}

/// A run, when it is its turn.
pub(super) fn run_observed(config: &Config, observer: &mut dyn Observer) -> Result<Record, DemoError> {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    super::run(config, observer)
}

#[test]
fn both_worlds_and_any_number_of_threads_play_the_same_game() {
    let plain = plain::run(&config(), &mut Silent).expect("sound").outcome;
    for threads in [1, 2, 4] {
        let ours = run(&Config { threads, ..config() }).expect("sound").outcome;
        assert_eq!(ours.checksum, plain.checksum, "{threads} threads");
        for (ours, plain) in ours.scenes.iter().zip(&plain.scenes) {
            assert_eq!((&ours.map, &ours.checksum, ours.agents), (&plain.map, &plain.checksum, plain.agents));
            assert_eq!(
                (ours.resources_loaded, ours.resource_bytes),
                (plain.resources_loaded, plain.resource_bytes)
            );
        }
    }
    let other = run(&Config { seed: 8, ..config() }).expect("sound").outcome;
    assert_ne!(other.checksum, plain.checksum);
}

#[test]
fn as_many_threads_as_the_program_allows_fit_the_usual_budgets() {
    let short = Config { scenes: 1, frames: 5, ..config() };
    let one = run(&short).expect("sound").outcome;
    let many = run(&Config { threads: 256, ..short }).expect("fits").outcome;
    assert_eq!(many.checksum, one.checksum);
}

#[test]
fn what_streams_is_the_same_game_within_its_budget() {
    let whole = run(&config()).expect("sound");
    assert!(whole.outcome.caches.is_empty() && whole.sampled_tags.len() == 6);
    let evicted = |budget: u64| {
        let budgets = vec![("textures".into(), budget)];
        let record = run(&Config { budgets, frames: 400, threads: 2, ..config() }).expect("fits");
        let Outcome { checksum, caches, tags, .. } = record.outcome;
        let tag = tags.iter().find(|tag| tag.name == "textures").expect("a tag of its own");
        assert!(tag.peak <= budget && tag.committed == caches[0].bytes, "{tag:?} {caches:?}");
        assert_eq!(record.sampled_tags.len(), 8);
        assert!(
            record.timeline.iter().all(|sample| sample.committed[6] > 0),
            "in every frame something is loaded"
        );
        (checksum, caches[0].evictions)
    };
    let (roomy, none) = evicted(4 << 20);
    let (tight, some) = evicted(240 << 10);
    assert_eq!(roomy, tight);
    assert!(none == 0 && some > 0, "{some} evictions");
    let usual = run(&Config { frames: 400, ..config() }).expect("sound");
    assert_eq!(roomy, usual.outcome.checksum);
    assert_eq!(tag("textures").account().subtree.committed, 0, "the caches went with their run");
}

#[test]
fn a_leak_is_somebodys_and_a_run_without_one_says_so() {
    let steady = run(&config()).expect("sound").outcome;
    assert!(steady.leaks.is_empty() && steady.trends.iter().all(|trend| !trend.is_increasing()));
    let leaky = run(&Config { leak: 64, ..config() }).expect("sound").outcome;
    assert_eq!(leaky.checksum, steady.checksum);
    assert_eq!((leaky.leaks[0].blocks, leaky.leaks[0].bytes), (240, 240 * 64));
    let marks = leaky.trends.last().expect("one for the marks");
    assert!(marks.name == "marks" && marks.is_increasing(), "{marks:?}");
}

fn tag(name: &str) -> arenite::Tag {
    arenite::Ledger::process().find(name).expect("a tag of the game")
}

#[test]
fn every_scene_leaves_nothing_behind() {
    let record = run(&Config { scenes: 4, ..config() }).expect("sound");
    assert_eq!((record.outcome.scenes.len(), record.timeline.len(), record.pictures.len()), (4, 480, 4));
    for scene in &record.outcome.scenes {
        assert!(scene.resources_loaded > 20 && scene.resource_bytes > 100_000, "{scene:?}");
        assert_eq!(scene.resources_dropped, scene.resources_loaded);
        assert_eq!(scene.live_bytes_after, 0);
    }
    let tag =
        |name: &str| record.outcome.tags.iter().find(|tag| tag.name == name).expect("a tag of the game");
    assert!(tag("scene").peak as usize > 100_000 && tag("scene").live == 0);
    assert!(tag("frame").committed > 0 && tag("frame").budget == Some(64 << 20));
    assert!(tag("game").peak > 0 && record.outcome.tags.iter().any(|tag| tag.name.ends_with("/textures")));
    assert!(record.timeline.iter().all(|sample| sample.arena_used > 0 && sample.drawn > 0));
    assert!(
        record.outcome.frame_arena_high_water >= record.timeline.iter().map(|s| s.arena_used).max().unwrap()
    );
}

#[test]
fn a_budget_that_is_too_small_is_one_line_wherever_it_is_noticed() {
    for (name, bytes) in
        [("frame", 100_000), ("jobs", 1), ("scratch", 1), ("scene", 50_000), ("game", 70_000)]
    {
        let config = Config { budgets: vec![(name.into(), bytes)], ..config() };
        let error = run(&config).expect_err("too small");
        let text = error.to_string();
        assert!(matches!(error, DemoError::Memory(_)), "{name}: {text}");
        assert!(
            text.contains(&format!("`{name}`")) && text.contains("budget") && !text.contains('\n'),
            "{text}"
        );
    }
    let unknown = Config { budgets: vec![("sene".into(), 1 << 20)], ..config() };
    let text = run(&unknown).expect_err("no such tag").to_string();
    assert!(text.contains("sene") && text.contains("scene"), "{text}");
    assert!(run(&config()).is_ok(), "the next run has the usual budgets again");
}
