//! `arenite export`, with a recording of a short run of the built program. What needs other tools is left out of plain
//! `cargo test`; `ci/exports` installs them and runs it.

mod figures;
#[cfg(unix)]
mod pages;
#[cfg(unix)]
mod tools;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// Bytes that the recorded run leaks, and in how many blocks.
const LEAKED: (u64, u64) = (120 << 10, 120);

fn arenite(arguments: &[&str]) -> Output {
    let program = env!("CARGO_BIN_EXE_arenite");
    Command::new(program).args(arguments).stdin(Stdio::null()).output().expect("the program starts")
}

/// What the program prints; panics unless it succeeds and has nothing to complain about.
fn printed(arguments: &[&str]) -> Vec<u8> {
    let done = arenite(arguments);
    let complaint = String::from_utf8_lossy(&done.stderr);
    assert!(done.status.success() && complaint.is_empty(), "{arguments:?}: {complaint}");
    done.stdout
}

/// The one line that the program refuses these arguments with.
fn refusal(arguments: &[&str]) -> String {
    let done = arenite(arguments);
    let said = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2), "{arguments:?}: {said}");
    assert!(done.stdout.is_empty(), "{arguments:?} printed {}", String::from_utf8_lossy(&done.stdout));
    let line = said.strip_suffix('\n').unwrap_or_else(|| panic!("{arguments:?}: {said:?} is no line"));
    assert!(!line.contains('\n') && line.starts_with("arenite: ") && !line.contains("panicked"), "{said}");
    line.to_owned()
}

fn folder() -> &'static Path {
    static MADE: OnceLock<PathBuf> = OnceLock::new();
    MADE.get_or_init(|| {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("exports-{}", std::process::id()));
        fs::create_dir_all(&path).expect("a folder");
        path
    })
}

fn path(name: &str) -> String {
    folder().join(name).display().to_string()
}

/// A recording of a run that leaks, and its report.
fn recorded() -> &'static (String, Value) {
    static MADE: OnceLock<(String, Value)> = OnceLock::new();
    MADE.get_or_init(|| {
        let file = path("game.arec");
        let run =
            ["--frames", "60", "--scenes", "2", "--agents", "48", "--threads", "2", "--leak", "1KiB", "-q"];
        printed(&[&run[..], &["--record", &file]].concat());
        let report = printed(&["report", &file, "--json", "--top", "100000"]);
        let report: Value = serde_json::from_slice(&report).expect("JSON");
        (file, report)
    })
}

/// The figures that every format has to tell: of all together.
#[derive(Debug, PartialEq, Eq)]
struct Totals {
    calls: u64,
    bytes: u64,
    live_blocks: u64,
    live_bytes: u64,
    blocks_at_peak: u64,
    peak_bytes: u64,
}

fn totals() -> Totals {
    let total = &recorded().1["total"];
    let figure = |name: &str| total[name].as_u64().expect("a figure");
    let totals = Totals {
        calls: figure("allocs") + figure("reallocs"),
        bytes: figure("bytes"),
        live_blocks: figure("live_blocks"),
        live_bytes: figure("live_bytes"),
        blocks_at_peak: figure("blocks_at_peak"),
        peak_bytes: figure("peak_bytes"),
    };
    assert!(totals.live_bytes >= LEAKED.0 && totals.peak_bytes > totals.live_bytes);
    totals
}

/// A figure of call sites, by the innermost function; `kind` is how the report has sorted them.
fn by_function(kind: &str, figure: impl Fn(&Value) -> u64) -> BTreeMap<String, u64> {
    let mut sums = BTreeMap::new();
    for site in recorded().1["sites"][kind].as_array().expect("sites") {
        let function = site["frames"][0]["function"].as_str().unwrap_or("(no call stack)");
        *sums.entry(function.to_owned()).or_default() += figure(&site["figures"]);
    }
    sums.retain(|_, sum| *sum > 0);
    assert!(sums.len() > 3);
    sums
}

/// Bytes that live at the end, by the innermost function.
fn live_by_function() -> BTreeMap<String, u64> {
    by_function("live", |site| site["live_bytes"].as_u64().expect("a figure"))
}

/// Exports the recording, and answers where to.
fn exported(format: &str, name: &str, more: &[&str]) -> String {
    let (file, _) = recorded();
    let out = path(name);
    printed(&[&["export", file, "--format", format, "--output", &out], more].concat());
    out
}
