//! A program while a sample of what it allocates is recorded, and while it is not.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

use arenite::record::{self, RecordOptions, RecordSummary};

/// The default of `arenite record --sample`, and what the bar is told for.
const MEAN: u64 = 512 << 10;

/// As the words say: `off`, `sample`, or `time` and how often. Prints the answer, and of `time` the ratio.
pub fn main(
    folder: &Path,
    mut words: impl Iterator<Item = OsString>,
    program: impl Fn() -> Option<u64>,
) -> ExitCode {
    let (mode, times) = (words.next().unwrap_or_default(), words.next());
    let answer = match mode.to_str() {
        Some("off") => program(),
        Some("sample") => recorded(folder, &program).map(|(answer, summary)| {
            assert_eq!(summary.lost, 0);
            answer
        }),
        Some("time") => times
            .and_then(|times| times.to_str()?.parse().ok())
            .and_then(|times| time(folder, times, &program)),
        _ => None,
    };
    let Some(answer) = answer else { return ExitCode::FAILURE };
    println!("{answer:016x}");
    ExitCode::SUCCESS
}

fn recorded<R>(folder: &Path, program: impl FnOnce() -> Option<R>) -> Option<(R, RecordSummary)> {
    let recording = record::start(RecordOptions::new(folder.join("sample.arec")).sample(MEAN)).ok()?;
    let answer = program();
    let summary = recording.stop().ok()?;
    Some((answer?, summary))
}

/// One run, in seconds.
fn timed(program: impl FnOnce() -> Option<u64>) -> Option<(u64, f64)> {
    let start = Instant::now();
    let answer = program()?;
    Some((answer, start.elapsed().as_secs_f64()))
}

/// Pairs of runs that follow each other, each with its ratio; which comes first changes. Nothing is timed that has another answer.
fn time(folder: &Path, times: usize, program: &impl Fn() -> Option<u64>) -> Option<u64> {
    let answer = program()?;
    let (mut ratios, mut plain, mut events) = (Vec::with_capacity(times), Vec::with_capacity(times), 0);
    for turn in 0..times.max(1) {
        let bare = |is: bool| if is { timed(program).map(Some) } else { Some(None) };
        let before = bare(turn % 2 == 0)?;
        let (sampled, summary) = recorded(folder, || timed(program))?;
        let (off, on) = (before.or(bare(turn % 2 == 1)?)?, sampled);
        assert!(off.0 == answer && on.0 == answer && summary.lost == 0, "another answer");
        ratios.push(on.1 / off.1);
        plain.push(off.1);
        events += summary.event_bytes;
    }
    let quarter = |of: &mut Vec<f64>, part: usize| {
        of.sort_by(f64::total_cmp);
        of[(of.len() - 1) * part / 4]
    };
    println!(
        "sample / off: {:.4} [{:.4}, {:.4}], off {:.2} ms, {} bytes of events a run",
        quarter(&mut ratios, 2),
        quarter(&mut ratios, 1),
        quarter(&mut ratios, 3),
        quarter(&mut plain, 2) * 1e3,
        events / times.max(1) as u64,
    );
    Some(answer)
}
