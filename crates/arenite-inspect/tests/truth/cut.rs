//! Captures that are cut off or damaged.

use std::io::Cursor;

use arenite::record::format::FILE_HEADER;
use arenite::record::{self, RecordOptions};
use arenite_inspect::{Capture, Live};

use super::follow::{chunk_ends, recorded};
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
    let read = capture.events(|thread, event| _ = live.take(thread, &event)).expect("read");
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

/// What a reader says of a cut depends on the header, on where the last whole chunk before it ends, and on what is behind that: so each
/// cut of a megabyte is looked at with the one chunk before it, and at the ends of chunks with all of them.
#[test]
#[ignore = "takes a minute: ci/captures"]
fn of_a_megabyte_cut_at_any_byte_all_whole_chunks_are_found() {
    let _turn = turn();
    let mut rounds = 20_000;
    let mut bytes = recorded(rounds);
    while bytes.len() < 1 << 20 {
        rounds *= 2;
        bytes = recorded(rounds);
    }
    let ends = chunk_ends(&bytes);
    let (mut before, mut start, mut events) = (FILE_HEADER, FILE_HEADER, 0);
    for (number, end) in ends.iter().copied().enumerate() {
        let part = [&bytes[..FILE_HEADER], &bytes[before..end]].concat();
        let whole = start - before;
        for cut in start..end {
            let cut = &part[..FILE_HEADER + cut - before];
            let capture = Capture::read(Cursor::new(cut)).expect("its header is whole");
            assert_eq!(capture.chunks(), usize::from(whole > 0), "chunk {number}");
            assert_eq!(capture.skipped() as usize, cut.len() - FILE_HEADER - whole, "chunk {number}");
        }
        if number % 16 == 0 || end == bytes.len() {
            let (found, chunks, complete) = read(&bytes[..end]);
            assert!(found >= events && chunks == number + 1 && complete == (end == bytes.len()));
            // The next one lacks its last byte.
            let next = ends.get(number + 1).map_or(end, |next| next - 1);
            assert_eq!(read(&bytes[..next]), (found, chunks, complete));
            events = found;
        }
        (before, start) = (start, end);
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
