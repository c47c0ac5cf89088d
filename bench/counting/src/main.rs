//! Runs published programs with and without `TrackingAllocator<System>` and compares how many instructions they take.
//!
//! ```text
//! cargo build --release --manifest-path bench/counting/Cargo.toml
//! cargo run --release --manifest-path bench/counting/Cargo.toml              all programs, some ten seconds
//! cargo run --release --manifest-path bench/counting/Cargo.toml -- ripgrep   one of them
//! ```
//!
//! Build first: `cargo run` builds only what runs the others, which are `plain` and `counted`, and two of the same for the game. Needs `valgrind`. Instructions are counted by callgrind, from the moment a program has its input in hand until it has its answer
//! (of the game, from its process's first to its last),
//! all that the C library's `malloc` and `free` take included. Both binaries are the same but for the allocator, and must give
//! the same answer. `pairs` and `pairs-two` are no programs: they say what a call costs, and that it costs the same when another
//! thread allocates, too. Two more columns explain a ratio: how many allocator calls a million instructions make, and what counting
//! adds to each call.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use counting_bench::inputs;

/// What went wrong, in words for the user.
type Failure = String;

/// The programs, and what each does here. `programs.rs` has the same names.
const PROGRAMS: &[(&str, &str)] = &[
    ("ripgrep", "searches a tree of 200 files for a regular expression"),
    ("oxipng", "makes a PNG of 96 x 96 pixels smaller, preset 2"),
    ("resvg", "parses and renders an SVG of 400 shapes"),
    ("comrak", "turns a Markdown text of 200 KiB into HTML"),
    ("prettyplease", "parses a Rust file with syn and prints it again"),
    (
        "game",
        "the demo's plain game: 3 scenes of 100 frames, one thread, the embedded WAD; the whole process",
    ),
    ("pairs", "no program: 50 000 pairs of calls, no more"),
    ("pairs-two", "the same on two threads at once"),
];

fn main() -> ExitCode {
    match run(std::env::args().nth(1).as_deref()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("counting-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// One run of one program.
struct Run {
    instructions: u64,
    /// What the program printed: its answer and, if it was counted, its calls of the allocator.
    answer: String,
    calls: Option<u64>,
}

fn run(only: Option<&str>) -> Result<(), Failure> {
    let chosen: Vec<_> = PROGRAMS.iter().filter(|(name, _)| only.is_none_or(|only| only == *name)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = PROGRAMS.iter().map(|(name, _)| *name).collect();
        return Err(format!("no such program; there are {}", names.join(", ")));
    }
    let here = std::env::current_exe().map_err(|error| error.to_string())?;
    let binaries = ["plain", "counted", "game_plain", "game_counted"].map(|name| here.with_file_name(name));
    if let Some(missing) = binaries.iter().find(|binary| !binary.exists()) {
        return Err(format!("{} is not there: `cargo build --release` first", missing.display()));
    }
    let folder = Scratch::new()?;
    inputs::write_tree(&folder.0)?;
    println!(
        "{:<14} {:>15} {:>15} {:>8} {:>12} {:>10}",
        "program", "System", "counted", "more", "calls/1M", "more/call"
    );
    for (name, what) in chosen {
        let [plain, counted, game_plain, game_counted] = &binaries;
        let (plain, counted) = if *name == "game" { (game_plain, game_counted) } else { (plain, counted) };
        let bare = measure(plain, name, &folder.0)?;
        let ours = measure(counted, name, &folder.0)?;
        if bare.answer != ours.answer {
            return Err(format!("{name}: the answers differ: {} and {}", bare.answer, ours.answer));
        }
        let (plain_count, counted_count) = (bare.instructions as f64, ours.instructions as f64);
        let calls = ours.calls.ok_or_else(|| format!("{name}: no count of calls"))? as f64;
        println!(
            "{name:<14} {:>15} {:>15} {:>7.2}% {:>12.0} {:>10.1}   {what}",
            bare.instructions,
            ours.instructions,
            100.0 * (counted_count / plain_count - 1.0),
            calls / plain_count * 1e6,
            (counted_count - plain_count) / calls,
        );
    }
    Ok(())
}

/// Runs a binary under callgrind and reads what it collected inside `measured`; of the game all of it, because it plays on a
/// thread of its own making, where nothing of ours is around it.
fn measure(binary: &Path, program: &str, folder: &Path) -> Result<Run, Failure> {
    let counts = folder.with_extension("callgrind");
    let inside = (program != "game").then_some("--toggle-collect=*programs*measured*");
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .args(inside)
        .arg(format!("--callgrind-out-file={}", counts.display()))
        .arg(binary)
        .arg(program)
        .arg(folder)
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        return Err(format!("{program}: {said}{}", String::from_utf8_lossy(&output.stderr)));
    }
    let text = std::fs::read_to_string(&counts).map_err(|error| format!("{}: {error}", counts.display()))?;
    std::fs::remove_file(&counts).map_err(|error| error.to_string())?;
    let total =
        text.lines().find_map(|line| line.strip_prefix("summary: ").or(line.strip_prefix("totals: ")));
    let instructions = total
        .and_then(|total| total.trim().parse().ok())
        .filter(|&count| count != 0)
        .ok_or_else(|| format!("{program}: callgrind collected nothing"))?;
    let mut lines = said.lines();
    let answer = lines.next().unwrap_or_default().to_owned();
    let calls = lines.next().and_then(|line| line.strip_prefix("calls ")?.parse().ok());
    Ok(Run { instructions, answer, calls })
}

/// A folder of this run's own, which goes when it ends.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Failure> {
        // Always as long: paths are copied, and a longer one takes more instructions.
        let path = std::env::temp_dir().join(format!("counting-bench-{:010}", std::process::id()));
        std::fs::create_dir(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind in the system's folder for such things does no harm.
        drop(std::fs::remove_dir_all(&self.0));
    }
}
