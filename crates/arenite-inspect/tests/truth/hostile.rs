//! Captures that no recorder wrote: whole files of senseless events, and of few.

use std::io::Cursor;

use arenite::record::format::events::{Memory, ROOM_FOR_STACK, ROOM_FOR_TEXT, What};
use arenite::record::format::{ChunkHeader, ChunkKind, Codec, FILE_HEADER, FileHeader, SEGMENT, VERSION};
use arenite_inspect::{Capture, Detail, DetailOptions, Summary, SummaryOptions};

use super::programs::Numbers;
use super::turn;

const NAMES: [&str; 9] = ["a", "a/b", "a/b/c", "", "/", "a//b", "untagged", "untagged", "\u{1b}[31m/ä"];

/// Some number, small or large.
fn number(numbers: &mut Numbers) -> u64 {
    let bits = numbers.below(50);
    numbers.below(1 << bits.min(30)) << (bits / 2)
}

fn event<'a>(numbers: &mut Numbers) -> What<'a> {
    let text = NAMES[numbers.below(9) as usize];
    let tag = match numbers.below(3) {
        0 => number(numbers) as u32,
        1 => u32::MAX - numbers.below(3) as u32,
        _ => numbers.below(12) as u32,
    };
    let address = 16 * numbers.below(40);
    let stack = if numbers.below(9) == 0 { number(numbers) as u32 } else { numbers.below(20) as u32 };
    match numbers.below(27) {
        0..6 => What::Alloc { address, size: number(numbers), stack },
        6..11 => What::Free { address },
        11..14 => What::Realloc { before: 16 * numbers.below(40), address, size: number(numbers), stack },
        14 => What::Frame { number: number(numbers) },
        15 => What::Mark { text },
        16 => What::Note { text },
        17 => What::Tag { tag },
        18 => What::TagNamed { tag, name: text },
        19 => What::ThreadNamed { name: text },
        20 => What::Committed { tag, bytes: number(numbers) as i64 * [1, -1][numbers.below(2) as usize] },
        21 => What::Lost { events: number(numbers) },
        22 | 23 => What::Moving { address },
        24 => What::Moved { before: 16 * numbers.below(40), address },
        25 => [What::Paused, What::Resumed][numbers.below(2) as usize],
        _ => What::Before { tag, blocks: number(numbers), bytes: number(numbers) },
    }
}

/// A chunk with all events of a thread.
fn append(file: &mut Vec<u8>, thread: u32, start: u64, taken: u64, raw: &[u8]) {
    append_segment(file, thread, 0, start, taken, raw);
}

/// A chunk with all events of a segment.
pub(super) fn append_segment(
    file: &mut Vec<u8>,
    thread: u32,
    segment: u64,
    start: u64,
    taken: u64,
    raw: &[u8],
) {
    assert!(raw.len() <= SEGMENT);
    let chunk = ChunkHeader {
        kind: ChunkKind::Events,
        codec: Codec::Raw,
        thread,
        raw_len: raw.len() as u32,
        stored_len: raw.len() as u32,
        offset: 0,
        segment,
        start,
        taken,
    };
    file.extend_from_slice(&chunk.to_bytes(raw));
    file.extend_from_slice(raw);
    file.resize(file.len().next_multiple_of(8), 0);
}

/// The beginning of a file, with so many units of time in a second.
pub(super) fn header(units_per_second: u64) -> [u8; FILE_HEADER] {
    header_of(units_per_second, 1)
}

/// The same, of this process.
pub(super) fn header_of(units_per_second: u64, process: u32) -> [u8; FILE_HEADER] {
    let header = FileHeader {
        version: VERSION,
        pointer_bits: 64,
        page_shift: 12,
        process,
        sample_bytes: 0,
        wall_ns: 0,
        units_per_second,
    };
    header.to_bytes()
}

pub(super) fn capture(numbers: &mut Numbers) -> Vec<u8> {
    let mut file = header([1, 1 << 30, u64::MAX][numbers.below(3) as usize]).to_vec();
    for thread in [0, 1, 7, u32::MAX] {
        let start = number(numbers);
        let (mut memory, mut time, mut raw) = (Memory::new(start), start, Vec::new());
        for _ in 0..numbers.below(400) {
            time += numbers.below(1000) * numbers.below(2);
            if numbers.below(10) == 0 {
                let mut bytes = [0; ROOM_FOR_STACK];
                let frames: Vec<u64> = (0..numbers.below(20)).map(|_| number(numbers)).collect();
                let len =
                    memory.write_stack(&mut bytes, time, 1 + numbers.below(20) as u32, frames.into_iter());
                raw.extend_from_slice(&bytes[..len]);
            } else {
                let mut bytes = [0; ROOM_FOR_TEXT];
                let what = event(numbers);
                let len = memory.write(&mut bytes, time, &what);
                raw.extend_from_slice(&bytes[..len]);
            }
        }
        append(&mut file, thread, start, time, &raw);
    }
    file
}

#[test]
fn senseless_events_are_summed_up_without_a_panic_and_sums_agree() {
    let _turn = turn();
    let (mut numbers, mut blocks, mut temporary) = (Numbers(2026), 0, 0);
    for round in 0..300 {
        let file = capture(&mut numbers);
        let mut capture = Capture::read(Cursor::new(file)).expect("a capture");
        let options = SummaryOptions::new().frames(numbers.below(20) as usize);
        let summary = Summary::read(&mut capture, &options).expect("a summary");
        assert_eq!((summary.read.damaged, summary.skipped), (0, 0), "round {round}");
        let total = &summary.total;
        let sum = |figure: fn(&arenite_inspect::Figures) -> u64| {
            let sites: u64 = summary.sites.values().map(figure).sum();
            let tags: u64 = summary.tags.values().map(|tag| figure(&tag.own)).sum();
            assert_eq!(sites, tags, "round {round}");
            sites
        };
        assert_eq!(sum(|site| site.live_bytes), total.live_bytes);
        assert_eq!(sum(|site| site.live_blocks), total.live_blocks);
        assert_eq!(sum(|site| site.bytes_at_peak), total.peak_bytes);
        assert_eq!(sum(|site| site.bytes), total.bytes);
        assert_eq!(sum(|site| site.frees), total.frees);
        assert_eq!(sum(|site| site.temporaries), total.temporaries);
        assert_eq!(summary.window.to.total.bytes, total.live_bytes);
        assert_eq!(summary.sizes.iter().map(|class| class.live_blocks).sum::<u64>(), total.live_blocks);
        let stayed: u64 = summary.window.stayed.values().map(|held| held.blocks).sum();
        assert_eq!(stayed, total.live_blocks);
        let options = DetailOptions::new().sites(9).tags(3).slices(7).per_row(2).moments(5).cells(20);
        let detail = Detail::read(&mut capture, &summary, &options).expect("a detail");
        let rows =
            |figure: fn(&arenite_inspect::DetailRow) -> u64| detail.rows.iter().map(figure).sum::<u64>();
        assert_eq!(rows(|row| row.figures.calls()), total.calls(), "round {round}");
        assert_eq!(rows(|row| row.all().calls), total.calls());
        assert_eq!(rows(|row| row.figures.frees), summary.threads.values().map(|one| one.frees).sum::<u64>());
        assert_eq!(rows(|row| row.all().temporaries), total.temporaries);
        assert_eq!(detail.moments.last().expect("the end").total.bytes, total.live_bytes);
        assert_eq!((detail.end.bytes, detail.end.blocks), (total.live_bytes, total.live_blocks));
        assert!(detail.peak.is_some() || total.peak_bytes == 0, "round {round}");
        (blocks, temporary) = (blocks + total.live_blocks, temporary + total.temporaries);
    }
    assert!(blocks > 1000 && temporary > 100, "{blocks} {temporary}: something was there to be summed up");
}

#[test]
fn memory_is_told_with_that_of_tags_below_and_marks_and_names_have_bounds() {
    let _turn = turn();
    let told = |tag, bytes| What::Committed { tag, bytes };
    let events = [
        What::TagNamed { tag: 1, name: "a" },
        What::TagNamed { tag: 2, name: "a/b" },
        told(1, 100),
        told(2, 50),
        told(2, -20),
        told(1, -100),
        told(9, 7),
        What::Before { tag: 2, blocks: 3, bytes: 300 },
    ];
    let mut file = header(1).to_vec();
    let (mut memory, mut raw) = (Memory::new(5), Vec::new());
    for event in events.into_iter().chain([What::Mark { text: "m" }; 5000]) {
        let mut bytes = [0; ROOM_FOR_TEXT];
        let len = memory.write(&mut bytes, 5, &event);
        raw.extend_from_slice(&bytes[..len]);
    }
    append(&mut file, u32::MAX, 5, 5, &raw);
    let mut capture = Capture::read(Cursor::new(file)).expect("a capture");
    let summary = Summary::read(&mut capture, &SummaryOptions::new()).expect("a summary");
    let memory = |name| summary.tag(name).map(|(_, tag)| (tag.committed, tag.peak_committed));
    assert_eq!(memory("a"), Some((30, 150)));
    assert_eq!(memory("a/b"), Some((30, 50)));
    assert_eq!(memory("(tag 9)"), Some((7, 7)));
    assert_eq!((summary.before().blocks, summary.before().bytes), (3, 300));
    assert_eq!((summary.marks.len(), summary.marks_left_out), (4096, 904));
    assert!(!summary.is_whole(), "it has no end");
}
