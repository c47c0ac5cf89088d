//! The workload on Arenite's heap: `off`, `full`, or `sample`. Prints nanoseconds a pair, and bytes an event in the file. Or `turns-full` and
//! `turns-sample`: a thousand times by turns while the recording goes on and while it is paused, so that both meet the same machine and
//! the same memory; prints nanoseconds a pair while it is paused, and the median of how many more it is when it goes on, with the
//! quartiles.

use arenite::record::{self, RecordOptions, Recording};
use arenite_inspect::Capture;

#[global_allocator]
static HEAP: arenite::GlobalHeap = arenite::GlobalHeap;

/// Bytes that one block is recorded for.
const SAMPLE: u64 = 512 << 10;
const TURNS: usize = 1000;

fn by_turns(recording: Recording, frames: usize, threads: usize) {
    let (mut paused, mut more) = (Vec::new(), Vec::new());
    for turn in 0..TURNS {
        let mut times = [0.0; 2];
        // Each is the first one in every other turn.
        for on in [turn % 2, 1 - turn % 2] {
            if on == 1 {
                recording.resume();
            } else {
                recording.pause();
            }
            times[on] = recording_bench::run(frames, threads);
        }
        paused.push(times[0]);
        more.push(times[1] - times[0]);
    }
    assert!(recording.stop().expect("written").stacks > 0, "it was recorded");
    for times in [&mut paused, &mut more] {
        times.sort_by(f64::total_cmp);
    }
    let [low, middle, high] = [1, 2, 3].map(|quarter| more[quarter * TURNS / 4]);
    println!("{} {middle} [{low}, {high}]", paused[TURNS / 2]);
}

fn main() {
    let (frames, threads, mode) = recording_bench::arguments();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bench.arec");
    let options = RecordOptions::new(&file);
    if let Some(kind) = mode.as_deref().and_then(|mode| mode.strip_prefix("turns-")) {
        let options = if kind == "sample" { options.sample(SAMPLE) } else { options };
        return by_turns(record::start(options).expect("a recording"), frames, threads);
    }
    let recording = match mode.as_deref() {
        Some("full") => Some(record::start(options)),
        Some("sample") => Some(record::start(options.sample(SAMPLE))),
        _ => None,
    };
    let time = recording_bench::run(frames, threads);
    let Some(recording) = recording else {
        println!("{time}");
        return;
    };
    let summary = recording.expect("a recording").stop().expect("written");
    let mut events = 0u64;
    Capture::open(&file).expect("a capture").events(|_, _| events += 1).expect("read");
    // Nothing is timed that was not done.
    if mode.as_deref() == Some("full") {
        let expected = 2.0 * recording_bench::pairs(frames, threads);
        let told = (events + summary.lost) as f64;
        assert!((expected..1.05 * expected).contains(&told), "{told} events of {expected}");
        assert!(summary.stacks >= recording_bench::PATHS as u32, "{summary}");
    }
    let bytes = summary.file_bytes as f64 / events.max(1) as f64;
    println!(
        "{time} {bytes} {} {}",
        summary.lost as f64 / (events + summary.lost).max(1) as f64,
        summary.stacks
    );
}
