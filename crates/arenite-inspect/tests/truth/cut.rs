//! Captures that are cut off or damaged.

use std::io::Cursor;

use arenite::record::{self, RecordOptions};
use arenite_inspect::{Capture, Live};

use super::turn;

/// A capture of some hundred chunks.
fn capture() -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("cut.arec");
    let recording = record::start(RecordOptions::new(&path)).expect("a recording");
    for round in 0..20_000usize {
        std::hint::black_box(vec![1u8; 16 + round * 7919 % 5000]);
    }
    recording.stop().expect("written");
    std::fs::read(&path).expect("a file")
}

/// Events, chunks, and whether it came to its end.
fn read(bytes: &[u8]) -> (u64, usize, bool) {
    let mut capture = Capture::read(Cursor::new(bytes)).expect("its header is whole");
    let mut live = Live::new();
    let read = capture.events(|thread, event| live.take(thread, &event)).expect("read");
    (read.events, capture.chunks(), capture.is_complete())
}

#[test]
fn a_capture_that_is_cut_anywhere_yields_all_whole_chunks() {
    let _turn = turn();
    let bytes = capture();
    let (events, chunks, complete) = read(&bytes);
    assert!(complete && events >= 40_000, "{events}");
    // The ends of chunks, by what becomes readable there.
    let mut last = (0, 0);
    let step = if bytes.len() > 200_000 { 997 } else { 101 };
    for cut in (64..bytes.len()).step_by(step) {
        let (events, chunks, complete) = read(&bytes[..cut]);
        assert!(!complete && (events, chunks) >= last, "cut at {cut}");
        last = (events, chunks);
    }
    assert!(last.1 < chunks);
    for cut in 0..64 {
        assert!(Capture::read(Cursor::new(&bytes[..cut])).is_err());
    }
}

#[test]
fn damage_costs_what_is_damaged() {
    let _turn = turn();
    let bytes = capture();
    let (events, chunks, _) = read(&bytes);
    for at in (64..bytes.len()).step_by(bytes.len() / 97) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x55;
        let (left, found, _) = read(&damaged);
        assert!(left <= events && found + 1 >= chunks, "byte {at}: {found} of {chunks} chunks");
    }
}
