//! The workload on Arenite's heap: `off`, `full`, or `sample`. Prints nanoseconds a pair, and bytes an event in the file.

use arenite::record::{self, RecordOptions};
use arenite_inspect::Capture;

#[global_allocator]
static HEAP: arenite::GlobalHeap = arenite::GlobalHeap;

fn main() {
    let (frames, threads, mode) = recording_bench::arguments();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("bench.arec");
    let options = RecordOptions::new(&file);
    let recording = match mode.as_deref() {
        Some("full") => Some(record::start(options)),
        Some("sample") => Some(record::start(options.sample(512 << 10))),
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
