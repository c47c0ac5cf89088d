//! `arenite-demo-plain` as the `arenite` program calls it.

use std::path::PathBuf;
use std::process::{Command, Output};

use arenite_demo::outcome::Outcome;

fn run(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_arenite-demo-plain");
    Command::new(program).args(arguments).output().expect("the program starts")
}

/// A file of this test's own in the directory that cargo provides.
fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

const SHORT: [&str; 8] = ["--scenes", "4", "--frames", "40", "--agents", "40", "--seed", "9"];

#[test]
fn figures_are_complete_and_independent_of_threads() {
    let path = file("plain.json");
    let to_file = path.to_str().expect("a path in Unicode");
    let output = run(&[&SHORT[..], &["--threads", "2", "--json", to_file]].concat());
    assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    let json = std::fs::read_to_string(&path).expect("it was written");
    let outcome: Outcome = serde_json::from_str(&json).expect("figures");
    assert_eq!((outcome.memory.as_str(), outcome.seed, outcome.frames), ("plain", 9, 160));
    assert_eq!((outcome.threads, outcome.warmup_frames, outcome.scenes.len()), (2, 30, 4));
    assert!(outcome.frame_heap_calls.is_some_and(|calls| calls > 0));
    assert!(outcome.frame_ms.p50 > 0.0 && outcome.frame_ms.p50 <= outcome.frame_ms.p99);
    assert!(outcome.frame_ms.p99 <= outcome.frame_ms.p999 && outcome.frame_ms.p999 <= outcome.frame_ms.max);
    assert_eq!(outcome.scenes[0].map, outcome.scenes[3].map, "three maps, then the first again");
    for scene in &outcome.scenes {
        assert!(scene.resources_loaded > 10 && scene.resource_bytes > 10_000, "{scene:?}");
        assert_eq!(scene.resources_loaded, scene.resources_dropped);
        assert!(scene.agents >= 40 && scene.checksum.len() == 16);
    }
    assert_ne!(outcome.scenes[0].checksum, outcome.scenes[3].checksum, "the same map, another game");

    let output = run(&[&SHORT[..], &["--threads", "1"]].concat());
    let alone: Outcome = serde_json::from_slice(&output.stdout).expect("figures on the standard output");
    assert_eq!(alone.checksum, outcome.checksum);
}

#[test]
fn maps_can_be_chosen() {
    let output = run(&[&SHORT[..], &["--map", "MAP02", "--map", "map01"]].concat());
    let outcome: Outcome = serde_json::from_slice(&output.stdout).expect("figures");
    let maps: Vec<&str> = outcome.scenes.iter().map(|scene| scene.map.as_str()).collect();
    assert_eq!(maps, ["MAP02", "MAP01", "MAP02", "MAP01"]);
}

#[test]
fn bad_input_is_one_line_and_status_2() {
    let rubbish = file("rubbish.wad");
    std::fs::write(&rubbish, b"this is no WAD").expect("a directory of our own");
    let rubbish = rubbish.to_str().expect("a path in Unicode");
    let cases: [&[&str]; 9] = [
        &["--wad", "no/such/file.wad"],
        &["--wad", rubbish],
        &["--map", "E9M9"],
        &["--frames", "0"],
        &["--threads", "0"],
        &["--agents", "4000000000"],
        &["--agents", "many"],
        &["--no-such-option"],
        &["--scenes", "1", "--frames", "2", "--json", "no/such/directory/x.json"],
    ];
    for arguments in cases {
        let output = run(arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{arguments:?}: {stderr}");
        assert!(stderr.len() > 30 && output.stdout.is_empty(), "{arguments:?}: {stderr}");
    }
}
