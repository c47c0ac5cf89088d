//! Real, short runs of the built program: what it prints and writes, and that it plays the same game every time.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use arenite_demo::outcome::Outcome;
use serde_json::Value;

const SHORT: [&str; 6] = ["--frames", "60", "--scenes", "2", "--agents", "48"];

fn arenite(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_arenite");
    // As a person starts it: `cargo run` has the plain game built anew, which is here already.
    let mut program = Command::new(program);
    program.env_remove("CARGO").args(arguments).stdin(Stdio::null()).output().expect("the program starts")
}

/// What the program prints; panics unless it succeeds and has nothing to complain about.
fn printed(arguments: &[&str]) -> String {
    let done = arenite(arguments);
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && complaint.is_empty(), "{arguments:?}: {complaint}");
    String::from_utf8(done.stdout).expect("UTF-8")
}

fn outcome(arguments: &[&str]) -> Outcome {
    let text = printed(&[&SHORT[..], &["--quiet", "--json", "-"], arguments].concat());
    serde_json::from_str(&text).expect("the figures and nothing else")
}

fn folder(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("run-{name}-{}", std::process::id()));
    fs::create_dir_all(&path).expect("a folder");
    path
}

#[test]
fn the_tables_show_where_the_bytes_went() {
    let text = printed(&SHORT);
    for part in [
        "120 frames in 2 scenes",
        "tag ",
        "reserved",
        "general-heap calls",
        "frame arena high water",
        "p99.9",
        "Checksum",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{line}");
    }
    assert_eq!(printed(&[&SHORT[..], &["--quiet"]].concat()), "");
    assert!(printed(&[&["demo"], &SHORT[..]].concat()).contains("120 frames in 2 scenes"));
}

#[test]
fn the_same_seed_is_the_same_world_with_any_number_of_threads() {
    let one = outcome(&["--seed", "5", "--threads", "1"]);
    let four = outcome(&["--seed", "5", "--threads", "4"]);
    assert_eq!((one.threads, four.threads), (1, 4));
    assert_eq!(one.checksum, four.checksum);
    assert_eq!(one.checksum.len(), 16);
    assert_ne!(one.checksum, outcome(&["--seed", "6", "--threads", "1"]).checksum);
}

#[test]
fn the_figures_keep_their_promises() {
    let run = outcome(&["--budget", "scene=256MiB"]);
    assert_eq!((run.frames, run.scenes.len(), run.memory.as_str()), (120, 2, "arenite"));
    assert_eq!(run.frame_heap_calls, Some(0));
    // Debug builds open one frame buffer and close another each frame, so that stale pointers fault; see ARCHITECTURE.md.
    let most = if cfg!(debug_assertions) { 2 * run.frames } else { 0 };
    assert!(run.frame_memory_syscalls <= most, "{}", run.frame_memory_syscalls);
    assert!(run.frame_arena_high_water > 0);
    for scene in &run.scenes {
        assert_eq!(scene.live_bytes_after, 0, "{}", scene.map);
        assert!(
            scene.resources_loaded > 0 && scene.resources_dropped == scene.resources_loaded,
            "{}",
            scene.map
        );
    }
    let scene = run.tags.iter().find(|tag| tag.name == "scene").expect("the tag of the scene");
    assert_eq!(scene.budget, Some(256 << 20));
    let heap = |name: &str| run.general_heap.iter().find(|tag| tag.name == name).expect("a tag of the heap");
    for part in ["heap/program", "heap/threads", "heap/game", "heap/scenes", "heap/record"] {
        let tag = heap(part);
        assert!(
            tag.allocs > 0 && tag.live_blocks <= tag.allocs && tag.live_bytes <= tag.committed,
            "{tag:?}"
        );
    }
    assert!(heap("heap/record").live_bytes > 100 * 32, "a sample of each frame is kept");
    assert_eq!(heap("heap/scenes").live_blocks, 0, "scenes leave nothing behind");
    let live = run.tags.iter().find(|tag| tag.name == "heap/record").expect("the tag").live;
    assert!(live > 100 * 32, "the ledger knows it, too");
    let times = run.frame_ms;
    assert!(times.p50 > 0.0 && times.p50 <= times.p99 && times.p99 <= times.p999 && times.p999 <= times.max);
}

#[test]
fn a_leak_is_found_named_located_and_called() {
    const GAME: [&str; 6] = ["--frames", "300", "--scenes", "1", "--agents", "48"];
    let run = |arguments: &[&str]| -> Outcome {
        let text = printed(&[&GAME[..], &["--quiet", "--json", "-"], arguments].concat());
        serde_json::from_str(&text).expect("the figures and nothing else")
    };
    let clean = run(&[]);
    assert!(clean.leaks.is_empty());
    assert!(clean.trends[0].direction == "stable" || clean.trends[0].direction == "decreasing", "{clean:?}");
    assert!(!clean.trends.iter().any(|trend| trend.is_increasing() || trend.direction == "unknown"));

    let run = run(&["--leak", "1000"]);
    assert_eq!(run.checksum, clean.checksum, "the game is the same");
    let [leak] = &run.leaks[..] else { panic!("one place leaks: {:?}", run.leaks) };
    assert_eq!((leak.tag.as_str(), leak.blocks, leak.bytes), ("marks", 300, 300_000));
    assert!(leak.age_frames >= 290, "the oldest is from the beginning: {leak:?}");
    let (file, line) = leak.place.rsplit_once(':').expect("a file and a line");
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file);
    let source = fs::read_to_string(&source).expect("the source is there");
    let line = source.lines().nth(line.parse::<usize>().expect("a number") - 1).expect("the line is there");
    assert!(line.contains(&leak.what), "{line}");
    for trend in &run.trends {
        let grows = trend.name == "all" || trend.name == "marks";
        assert_eq!(trend.is_increasing(), grows, "{trend:?}");
        // Rounded up to a size class, and a header before it.
        assert!(!grows || (1000.0..1300.0).contains(&trend.bytes_per_frame), "{trend:?}");
        assert!(!grows || trend.line.contains("per second"), "{trend:?}");
    }
    let text = printed(&[&GAME[..], &["--leak", "1000"]].concat());
    for part in ["Trend                     increasing, ", "Leak under tag marks: 300 blocks", "leak.rs:"] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
}

#[test]
fn textures_and_sounds_stream_within_their_budgets() {
    let whole = outcome(&[]);
    assert!(whole.caches.is_empty() && whole.streaming.is_none());
    // Tight: the embedded file's textures do not all fit.
    let run = outcome(&["--budget", "textures=200KiB", "--budget", "sounds=256KiB"]);
    assert_eq!(run.checksum, whole.checksum, "what streams looks and sounds the same");
    assert_eq!(
        run.frame_heap_calls,
        Some(0),
        "streaming is outside of frames, or a cut that is counted apart"
    );
    let moments = run.streaming.expect("it streams");
    assert!(moments.moments >= 4 && moments.heap_calls > 0 && moments.memory_syscalls > 0, "{moments:?}");
    let [textures, sounds] = &run.caches[..] else { panic!("two caches: {:?}", run.caches) };
    for (cache, budget) in [(textures, 200 << 10), (sounds, 256 << 10)] {
        assert!(cache.loads > 0 && cache.misses == cache.loads, "{cache:?}");
        assert!(cache.bytes <= cache.peak_bytes && cache.peak_bytes <= budget, "{cache:?}");
        let tag = run.tags.iter().find(|tag| tag.name == cache.name).expect("a tag of its own");
        assert_eq!(tag.budget, Some(budget));
        assert_eq!(tag.committed, cache.bytes, "the ledger knows each page, and nothing else is charged");
        assert!(tag.peak <= budget, "{tag:?}");
    }
    assert!(sounds.hits > 0, "the second scene finds what the first one left");
    assert!(textures.evictions > 0, "not all of them fit: {textures:?}");
    for scene in &run.scenes {
        assert!(
            scene.live_bytes_after == 0 && scene.resources_loaded == scene.resources_dropped,
            "{}",
            scene.map
        );
    }

    let text = printed(&[&SHORT[..], &["--budget", "textures=1MiB"]].concat());
    for part in ["evictions", "textures  ", "streaming, apart", "Trend  "] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let refused = |arguments: &[&str], why: &str| {
        let done = arenite(&[&SHORT[..], arguments].concat());
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{said}");
        assert!(said.contains(why) && said.matches('\n').count() == 1, "{said}");
    };
    refused(&["--budget", "textures=8KiB"], "`textures`");
    refused(&["--compare", "--budget", "textures=8MiB"], "does not stream");
}

#[test]
fn results_are_written_whole_and_replace_old_ones() {
    let folder = folder("results");
    let (json, page) = (folder.join("run.json"), folder.join("run.html"));
    fs::write(&json, "old").expect("an old file");
    let paths = [json.to_str().expect("UTF-8"), page.to_str().expect("UTF-8")];
    printed(&[&SHORT[..], &["--quiet", "--json", paths[0], "--report", paths[1]][..]].concat());
    let figures: Value = serde_json::from_slice(&fs::read(&json).expect("figures")).expect("JSON");
    for key in [
        "seed",
        "frames",
        "threads",
        "checksum",
        "frame_heap_calls",
        "frame_memory_syscalls",
        "frame_minor_faults",
    ] {
        assert!(!figures[key].is_null(), "{key}");
    }
    let page = fs::read_to_string(&page).expect("the page");
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    assert_eq!(page.matches("data-chart=\"picture\"").count(), 2);
    assert!(page.contains(figures["checksum"].as_str().expect("a checksum")));
    assert_eq!(fs::read_dir(&folder).expect("the folder").count(), 2, "nothing unfinished is left behind");
    fs::remove_dir_all(&folder).expect("the folder goes");
}

#[test]
fn json_on_standard_output_is_alone_there() {
    let done = arenite(&[&SHORT[..], &["--json", "-"][..]].concat());
    assert!(done.status.success());
    serde_json::from_slice::<Outcome>(&done.stdout).expect("the figures and nothing else");
    assert!(String::from_utf8_lossy(&done.stderr).contains("Checksum"), "the tables moved to standard error");
}

#[test]
fn all_scenes_are_every_map_once() {
    let maps =
        arenite_demo::wad::Wad::parse(arenite_demo::wad::EMBEDDED).expect("our own file").maps().count();
    let text = printed(&["--frames", "2", "--scenes", "all", "--quiet", "--json", "-"]);
    let run: Outcome = serde_json::from_str(&text).expect("the figures");
    assert_eq!(run.scenes.len(), maps);
}

#[test]
fn what_the_game_cannot_do_is_one_line() {
    for arguments in [["--map", "NOSUCH"], ["--budget", "nosuchtag=8MiB"], ["--budget", "scene=1"]] {
        let done = arenite(&[&SHORT[..], &arguments[..]].concat());
        let said = String::from_utf8_lossy(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(said.starts_with("arenite: ") && said.matches('\n').count() == 1, "{arguments:?}: {said}");
        assert!(done.stdout.is_empty());
    }
}

#[cfg(unix)]
#[test]
fn a_reader_who_leaves_is_no_fault() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_arenite"))
        .args(SHORT)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let done = child.wait_with_output().expect("the program ends");
    assert!(done.status.success() && done.stderr.is_empty(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn both_games_are_compared() {
    let few = ["--frames", "20", "--scenes", "1", "--agents", "16", "--compare", "--rounds", "2"];
    let text = printed(&few);
    for part in [
        "Arenite/plain",
        "frame time p50",
        "unload, all scenes",
        "resident at the peak",
        "too few rounds",
        "checksum",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    let figures: Value =
        serde_json::from_str(&printed(&[&few[..], &["--quiet", "--json", "-"]].concat())).expect("JSON");
    assert_eq!(figures["rounds"], 2);
    let heaps = |game: &str| figures[game][0]["general_heap"].as_array().expect("a list").len();
    assert!(heaps("arenite") >= 5 && heaps("plain") == 0, "the plain game is on the system's heap");
    assert_eq!(figures["arenite"][0]["checksum"], figures["plain"][1]["checksum"]);
    assert_eq!(
        (&figures["arenite"][1]["memory"], &figures["plain"][1]["memory"]),
        (&"arenite".into(), &"plain".into())
    );
}
