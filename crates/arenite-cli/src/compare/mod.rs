//! `--compare`: the same game on Arenite and on plain `Vec`, `Box` and `Rc`, each run a process of its own, in turns.

mod plain;
mod stats;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use arenite_demo::config::Config;
use arenite_demo::outcome::Outcome;
use arenite_demo::report::units::{bytes, count, counted, millis};
use arenite_demo::world;
use serde_json::json;

use crate::args::DemoArgs;
use crate::demo::{Targets, configure, tell};
use crate::fault::Fault;
use crate::progress::Progress;
use crate::table::Table;
use stats::{Estimate, FEWEST_PAIRS, Verdict, median, ratio};

/// From so many pairs on the bootstrap's interval is about as wide as it says.
const MANY_PAIRS: usize = 30;

/// Runs both games in turns and prints them side by side.
pub(crate) fn run(args: &DemoArgs) -> Result<(), Fault> {
    let targets = Targets::check(args)?;
    // The plain game loads whole scenes: beside one that streams it would do other work.
    if let Some((tag, _)) = args.budgets.iter().find(|(tag, _)| world::STREAMED.contains(&tag.as_str())) {
        return Err(Fault::new(format_args!(
            "--compare can not have a budget for `{tag}`: the plain game does not stream"
        )));
    }
    // Bad numbers are found here and not in the first child.
    let config = configure(args)?;
    let own = env::current_exe()
        .map_err(|error| Fault::new(format_args!("cannot find my own program: {error}")))?;
    let plain = plain::find()?;
    let folder = Scratch::new()?;
    let rounds = args.rounds.unwrap_or(7);
    let mut pairs = Vec::new();
    {
        let progress = Progress::steps(u64::from(rounds) * 2, args.quiet);
        for round in 0..rounds {
            let step = u64::from(round) * 2;
            progress.show("Arenite".to_owned(), step);
            let mut ours = Command::new(&own);
            ours.arg("demo").arg("--quiet").args(game_options(args, &config, true));
            if let (Some(page), true) = (&args.report, round + 1 == rounds) {
                // Written after everything is measured.
                ours.arg("--report").arg(page);
            }
            let ours = outcome_of(ours, &folder.0.join("arenite.json"))?;
            progress.show("plain".to_owned(), step + 1);
            let mut theirs = Command::new(&plain);
            theirs.args(game_options(args, &config, false));
            let theirs = outcome_of(theirs, &folder.0.join("plain.json"))?;
            same_game(&ours, &theirs)?;
            pairs.push(Pair { arenite: ours, plain: theirs });
        }
    }
    let figures = figures(&pairs);
    if let Some(target) = &targets.json {
        let text = serde_json::to_string_pretty(&as_json(&pairs, &figures)).map_err(Fault::new)?;
        target.write((text + "\n").as_bytes())?;
    }
    tell(args, targets.json.as_ref(), &side_by_side(&pairs, &figures))
}

/// What both games are told.
fn game_options(args: &DemoArgs, config: &Config, budgets: bool) -> Vec<OsString> {
    let mut options: Vec<OsString> = Vec::new();
    let mut add = |name: &str, value: OsString| options.extend([name.into(), value]);
    if let Some(wad) = &args.wad {
        add("--wad", wad.clone().into());
    }
    for map in &args.maps {
        add("--map", map.into());
    }
    add("--scenes", config.scenes.to_string().into());
    add("--frames", config.frames.to_string().into());
    add("--agents", config.agents.to_string().into());
    add("--seed", config.seed.to_string().into());
    add("--threads", config.threads.to_string().into());
    // Plain memory knows no budgets.
    for (tag, size) in config.budgets.iter().filter(|_| budgets) {
        add("--budget", format!("{tag}={size}").into());
    }
    options
}

/// A folder for the children's figures that goes away with its value.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self, Fault> {
        let path = env::temp_dir().join(format!("arenite-compare-{}", std::process::id()));
        // Not `create_dir_all`: a folder that somebody else put there is not ours to use or to remove.
        fs::create_dir(&path)
            .map_err(|error| Fault::new(format_args!("cannot make {}: {error}", path.display())))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // A folder that stays behind in the temporary folder harms nobody.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs one child to its end and reads its figures.
fn outcome_of(mut command: Command, json: &Path) -> Result<Outcome, Fault> {
    let name = command.get_program().to_string_lossy().into_owned();
    command.arg("--json").arg(json).stdin(Stdio::null()).stdout(Stdio::null());
    let done = command.output().map_err(|error| Fault::new(format_args!("cannot run {name}: {error}")))?;
    if !done.status.success() {
        let complaint = String::from_utf8_lossy(&done.stderr);
        let why = complaint.lines().next_back().unwrap_or("it gave no reason");
        // Our own child's line already is what a person should read.
        let why = why.strip_prefix("arenite: ").map_or_else(
            || {
                let why = why.strip_prefix("arenite-demo-plain: ").unwrap_or(why);
                format!("{name} failed ({}): {why}", done.status)
            },
            str::to_owned,
        );
        return Err(Fault::new(why));
    }
    let text = fs::read_to_string(json)
        .map_err(|error| Fault::new(format_args!("{name} left no figures: {error}")))?;
    serde_json::from_str(&text)
        .map_err(|error| Fault::new(format_args!("{name} left figures that cannot be read: {error}")))
}

/// One round: both games, played one right after the other.
struct Pair {
    arenite: Outcome,
    plain: Outcome,
}

fn same_game(arenite: &Outcome, plain: &Outcome) -> Result<(), Fault> {
    if arenite.checksum == plain.checksum {
        return Ok(());
    }
    Err(Fault::new(format_args!(
        "the two games played differently (checksums {} and {}); this is a bug in the demo",
        arenite.checksum, plain.checksum
    )))
}

/// What is compared, and how it is shown.
struct Measure {
    name: &'static str,
    of: fn(&Outcome) -> Option<f64>,
    show: fn(f64) -> String,
}

const MEASURES: [Measure; 10] = [
    Measure { name: "frame time p50", of: |outcome| Some(outcome.frame_ms.p50), show: millis },
    Measure { name: "frame time p99", of: |outcome| Some(outcome.frame_ms.p99), show: millis },
    Measure { name: "frame time p99.9", of: |outcome| Some(outcome.frame_ms.p999), show: millis },
    Measure { name: "frame time max", of: |outcome| Some(outcome.frame_ms.max), show: millis },
    Measure {
        name: "load, all scenes",
        of: |outcome| Some(total(outcome, |scene| scene.load_ms)),
        show: millis,
    },
    Measure {
        name: "unload, all scenes",
        of: |outcome| Some(total(outcome, |scene| scene.unload_ms)),
        show: millis,
    },
    Measure {
        name: "heap calls in frames",
        of: |outcome| outcome.frame_heap_calls.map(to_f64),
        show: show_count,
    },
    Measure {
        name: "page faults in frames",
        of: |outcome| Some(to_f64(outcome.frame_minor_faults)),
        show: show_count,
    },
    Measure {
        name: "resident at the end",
        of: |outcome| Some(to_f64(outcome.resident_end)),
        show: show_bytes,
    },
    Measure {
        name: "resident at the peak",
        of: |outcome| Some(to_f64(outcome.resident_peak)),
        show: show_bytes,
    },
];

fn total(outcome: &Outcome, of: fn(&arenite_demo::outcome::SceneOutcome) -> f64) -> f64 {
    outcome.scenes.iter().map(of).sum()
}

#[expect(clippy::cast_precision_loss, reason = "figures are shown with three digits")]
fn to_f64(figure: u64) -> f64 {
    figure as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "medians of what were u64; `as` saturates"
)]
fn show_count(figure: f64) -> String {
    count(figure.round() as u64)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "medians of what were u64; `as` saturates"
)]
fn show_bytes(figure: f64) -> String {
    bytes(figure.round() as u64)
}

/// One measure over all rounds. `None` where a side did not measure it.
struct Figure {
    measure: &'static Measure,
    arenite: Option<f64>,
    plain: Option<f64>,
    ratio: Option<Estimate>,
}

fn figures(pairs: &[Pair]) -> Vec<Figure> {
    let figure = |measure: &'static Measure| {
        // A round counts only if both sides measured it.
        let both: Vec<(f64, f64)> = pairs
            .iter()
            .filter_map(|pair| (measure.of)(&pair.arenite).zip((measure.of)(&pair.plain)))
            .collect();
        let (arenite, plain): (Vec<f64>, Vec<f64>) = both.iter().copied().unzip();
        let ratios: Vec<f64> = both.iter().map(|&(arenite, plain)| ratio(arenite, plain)).collect();
        Figure {
            measure,
            arenite: median(&arenite),
            plain: median(&plain),
            ratio: Estimate::of_median(&ratios),
        }
    };
    MEASURES.iter().map(figure).collect()
}

/// In words, what the interval allows one to say.
fn verdict(estimate: &Estimate) -> String {
    match estimate.verdict() {
        Verdict::Tie => "tie".to_owned(),
        Verdict::TooFew => "too few rounds".to_owned(),
        Verdict::Lower => "Arenite is lower".to_owned(),
        Verdict::Higher => "plain is lower".to_owned(),
    }
}

fn side_by_side(pairs: &[Pair], figures: &[Figure]) -> String {
    let mut table = Table::new(&["median", "Arenite", "plain", "Arenite/plain", "95 % interval", ""]);
    for figure in figures {
        let shown = |value: Option<f64>| value.map_or("not counted".to_owned(), figure.measure.show);
        let (ratio, interval, verdict) = figure.ratio.as_ref().map_or(Default::default(), |estimate| {
            let interval = format!("{} to {}", times(estimate.low), times(estimate.high));
            (times(estimate.median), interval, verdict(estimate))
        });
        table.row(vec![
            figure.measure.name.to_owned(),
            shown(figure.arenite),
            shown(figure.plain),
            ratio,
            interval,
            verdict,
        ]);
    }
    let (checksum, frames) =
        pairs.first().map_or(("", 0), |pair| (pair.arenite.checksum.as_str(), pair.arenite.frames));
    let mut text = format!(
        "\n{} each, Arenite and plain in turns: {} a run, both end with checksum {checksum}\n\n{table}\n",
        counted(pairs.len() as u64, "run", "runs"),
        counted(frames, "frame", "frames"),
    );
    text.push_str("Ratios are medians over the rounds' pairs, intervals by bootstrap; an interval that contains 1 is a tie.\n");
    if pairs.len() < FEWEST_PAIRS {
        text.push_str(&format!("Say --rounds {FEWEST_PAIRS} or more for a verdict.\n"));
    } else if pairs.len() < MANY_PAIRS {
        text.push_str(&format!(
            "With fewer than {MANY_PAIRS} rounds an interval is rough: small samples make it too narrow.\n"
        ));
    }
    if cfg!(debug_assertions) {
        text.push_str("These are unoptimised builds: run with --release before believing a time.\n");
    }
    text
}

/// A ratio with two digits after the point.
fn times(ratio: f64) -> String {
    if ratio.is_finite() { format!("{ratio:.2}") } else { "∞".to_owned() }
}

fn as_json(pairs: &[Pair], figures: &[Figure]) -> serde_json::Value {
    // An infinite ratio becomes null: JSON has no word for it.
    let figures: Vec<_> = figures
        .iter()
        .map(|figure| {
            json!({
                "name": figure.measure.name,
                "arenite": figure.arenite,
                "plain": figure.plain,
                "ratio": figure.ratio.map(|estimate| estimate.median),
                "low": figure.ratio.map(|estimate| estimate.low),
                "high": figure.ratio.map(|estimate| estimate.high),
                "verdict": figure.ratio.as_ref().map(verdict),
            })
        })
        .collect();
    json!({
        "rounds": pairs.len(),
        "figures": figures,
        "arenite": pairs.iter().map(|pair| &pair.arenite).collect::<Vec<_>>(),
        "plain": pairs.iter().map(|pair| &pair.plain).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arenite_demo::outcome::FrameMs;

    fn outcome(p50: f64, heap: Option<u64>) -> Outcome {
        Outcome {
            memory: String::new(),
            seed: 1,
            frames: 600,
            threads: 1,
            checksum: "abc".to_owned(),
            scenes: Vec::new(),
            frame_heap_calls: heap,
            frame_memory_syscalls: 0,
            frame_minor_faults: 0,
            warmup_frames: 30,
            tags: Vec::new(),
            general_heap: Vec::new(),
            frame_ms: FrameMs { p50, p99: 2.0, p999: 3.0, max: 4.0 },
            frame_arena_high_water: 0,
            resident_end: 1 << 20,
            resident_peak: 2 << 20,
            ..Outcome::default()
        }
    }

    fn pairs(rounds: usize) -> Vec<Pair> {
        let pair = |_| Pair { arenite: outcome(0.5, Some(0)), plain: outcome(1.0, Some(9000)) };
        (0..rounds).map(pair).collect()
    }

    #[test]
    fn the_table_names_winners_and_ties() {
        let pairs = pairs(7);
        let text = side_by_side(&pairs, &figures(&pairs));
        let line = |name: &str| text.lines().find(|line| line.starts_with(name)).unwrap_or("").to_owned();
        assert!(line("frame time p50").ends_with("0.50   0.50 to 0.50  Arenite is lower"), "{text}");
        assert!(line("frame time p99 ").ends_with("tie"), "{text}");
        assert!(
            line("heap calls").contains("9,000") && line("heap calls").ends_with("Arenite is lower"),
            "{text}"
        );
        assert!(line("page faults").ends_with("tie"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 105), "{text}");
    }

    #[test]
    fn few_rounds_have_no_verdict_and_what_was_not_counted_no_ratio() {
        let mut pairs = pairs(2);
        pairs[0].plain.frame_heap_calls = None;
        pairs[1].plain.frame_heap_calls = None;
        let figures = figures(&pairs);
        let text = side_by_side(&pairs, &figures);
        assert!(
            !text.contains("is lower") && text.contains("too few rounds") && text.contains("not counted"),
            "{text}"
        );
        let json = as_json(&pairs, &figures);
        assert!(json["figures"][6]["ratio"].is_null() && json["figures"][0]["ratio"] == 0.5);
    }

    #[test]
    fn games_that_differ_are_an_error() {
        let other = Outcome { checksum: "def".to_owned(), ..outcome(1.0, None) };
        same_game(&outcome(1.0, None), &other).expect_err("they differ");
        same_game(&other, &other).expect("they do not");
    }
}
