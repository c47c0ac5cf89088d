//! A capture of any length is read in the memory of what lives: resident memory of this process, while it reads captures that differ
//! in nothing but their length. A process of its own, because what it measures is all of a process.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

use std::fs::{self, File};
use std::io::{self, BufWriter, Write as _};
use std::path::Path;
use std::time::Instant;

use arenite::record::format::events::{Memory, ROOM, ROOM_FOR_STACK, ROOM_FOR_TEXT, What};
use arenite::record::format::{ChunkHeader, ChunkKind, Codec, FileHeader, SEGMENT, VERSION};
use arenite_inspect::{Capture, Follow, FollowState, Summary, SummaryOptions};

const MIB: u64 = 1 << 20;
const THREADS: u64 = 4;
const STACKS: u32 = 2000;
/// Units of time that each segment takes, and in a second.
const SEGMENT_TIME: u64 = 1 << 20;
const SECOND: u64 = 1 << 27;

/// Blocks that live in a segment at the most, and room that their frees take at its end, with one more event.
const LIVE: usize = 60;
const ROOM_FOR_END: usize = LIVE * ROOM + ROOM_FOR_TEXT;

/// A small generator: the same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// A segment of what a game does: most blocks go again, each thread has blocks of its own, and something of every other kind is told.
fn segment(thread: u64, turn: u64) -> Vec<u8> {
    let (mut numbers, mut memory, mut raw) = (Numbers(thread * 1000 + turn), Memory::new(0), Vec::new());
    let (mut time, mut live) = (0, Vec::new());
    let mut tell = |time: u64, what: What<'_>| {
        let mut bytes = [0; ROOM_FOR_TEXT];
        let len = memory.write(&mut bytes, time, &what);
        raw.extend_from_slice(&bytes[..len]);
        raw.len() + ROOM_FOR_END < SEGMENT
    };
    let tag = 1 + numbers.below(20) as u32;
    for what in [
        What::Frame { number: turn },
        What::ThreadNamed { name: "worker" },
        What::Mark { text: "a mark in every segment" },
        What::Note { text: "and a note" },
        What::Tag { tag },
        What::Committed { tag, bytes: [4096, -4096][numbers.below(2) as usize] },
        What::Before { tag, blocks: 1, bytes: 10 },
    ] {
        tell(time, what);
    }
    loop {
        time = (time + numbers.below(400)).min(SEGMENT_TIME - 1);
        let free = live.len() == LIVE || (live.len() > LIVE / 2 && numbers.below(2) == 0);
        let more = if free {
            let address = live.swap_remove(numbers.below(live.len() as u64) as usize);
            tell(time, What::Free { address })
        } else {
            // Addresses of every segment are the same ones, so that what lives does not grow with the file.
            let address = (1 + thread) << 40 | numbers.below(1 << 20) << 4;
            if live.contains(&address) {
                continue;
            }
            live.push(address);
            let (size, stack) = (1 + numbers.below(1 << 20), 1 + numbers.below(STACKS.into()) as u32);
            tell(time, What::Alloc { address, size, stack })
        };
        if !more {
            break;
        }
    }
    raw
}

/// Frees whatever a segment leaves, so that the next one begins with nothing.
fn with_end(raw: &[u8]) -> Vec<u8> {
    let (mut memory, mut left) = (Memory::new(0), raw);
    let mut live = std::collections::BTreeSet::new();
    while let Ok(Some(event)) = memory.read(&mut left) {
        match event.what {
            What::Alloc { address, .. } => drop(live.insert(address)),
            What::Free { address } => drop(live.remove(&address)),
            _ => {}
        }
    }
    let mut raw = raw.to_vec();
    for address in live {
        let mut bytes = [0; ROOM_FOR_TEXT];
        let len = memory.write(&mut bytes, SEGMENT_TIME - 1, &What::Free { address });
        raw.extend_from_slice(&bytes[..len]);
    }
    assert!(raw.len() <= SEGMENT);
    raw
}

fn write_chunk(out: &mut impl io::Write, thread: u64, segment: u64, start: u64, raw: &[u8], kind: ChunkKind) {
    let header = ChunkHeader {
        kind,
        codec: Codec::Raw,
        thread: thread as u32,
        raw_len: raw.len() as u32,
        stored_len: raw.len() as u32,
        offset: 0,
        segment,
        start,
        taken: start + SEGMENT_TIME,
    };
    out.write_all(&header.to_bytes(raw)).expect("written");
    out.write_all(raw).expect("written");
    let padding = raw.len().next_multiple_of(8) - raw.len();
    out.write_all(&[0; 8][..padding]).expect("written");
}

/// Writes a capture of about so many bytes.
fn generate(path: &Path, bytes: u64) {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file"));
    let header = FileHeader {
        version: VERSION,
        pointer_bits: 64,
        page_shift: 12,
        process: 1,
        sample_bytes: 0,
        wall_ns: 0,
        units_per_second: SECOND,
    };
    out.write_all(&header.to_bytes()).expect("written");
    let segments: Vec<Vec<u8>> =
        (0..THREADS).flat_map(|thread| (0..4).map(move |turn| with_end(&segment(thread, turn)))).collect();
    let (mut memory, mut raw, mut named) = (Memory::new(0), Vec::new(), 0);
    for stack in 1..=STACKS {
        let mut bytes = [0; ROOM_FOR_STACK];
        let frames = (0..6).map(|frame| 0x40_0000 + u64::from(stack) * 64 + frame * 7).collect::<Vec<u64>>();
        let len = memory.write_stack(&mut bytes, 0, stack, frames.into_iter());
        raw.extend_from_slice(&bytes[..len]);
        if raw.len() + 2 * ROOM_FOR_STACK > SEGMENT || stack == STACKS {
            write_chunk(&mut out, u32::MAX.into(), named, 0, &raw, ChunkKind::Events);
            (memory, raw, named) = (Memory::new(0), Vec::new(), named + 1);
        }
    }
    let (mut written, mut number) = (0, 0);
    while written < bytes {
        for thread in 0..THREADS {
            let raw = &segments[(thread * 4 + number % 4) as usize];
            write_chunk(&mut out, thread, number, number * SEGMENT_TIME, raw, ChunkKind::Events);
            written += raw.len() as u64;
        }
        number += 1;
    }
    write_chunk(&mut out, u32::MAX.into(), 0, number * SEGMENT_TIME, &[0; 8], ChunkKind::End);
    out.flush().expect("written");
}

/// The most memory that this process had, in bytes.
fn peak() -> u64 {
    let text = fs::read_to_string("/proc/self/status").expect("a status");
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    line.trim().strip_suffix(" kB").expect("kilobytes").parse::<u64>().expect("a number") << 10
}

/// Reads a capture of this length both ways. The most memory that this process had by then.
fn read(folder: &Path, bytes: u64) -> u64 {
    let path = folder.join("large.arec");
    generate(&path, bytes);
    let began = Instant::now();
    let mut capture = Capture::open(&path).expect("a capture");
    let summary = Summary::read(&mut capture, &SummaryOptions::new()).expect("a summary");
    drop(capture);
    assert!(summary.is_whole() && summary.sites.len() == STACKS as usize);
    assert_eq!(summary.total.live_blocks, 0, "what lives does not grow with the file");
    let (events, summed) = (summary.read.events, began.elapsed());
    drop(summary);
    let of_summary = peak();
    let mut follow = Follow::open(&path).expect("a capture");
    while follow.poll(Instant::now()).expect("a poll") != FollowState::Ended {}
    assert_eq!((follow.board().events(), follow.board().late()), (events, 0));
    println!(
        "{} MiB, {events} events: summed up in {summed:?}, {} MiB at the most; followed as well in {:?}, {} MiB",
        bytes / MIB,
        of_summary / MIB,
        began.elapsed(),
        peak() / MIB
    );
    fs::remove_file(&path).expect("removed");
    peak()
}

#[test]
fn memory_does_not_grow_with_the_length_of_a_capture() {
    let folder = tempfile::tempdir().expect("a folder");
    let small = read(folder.path(), 8 * MIB);
    let large = read(folder.path(), 80 * MIB);
    // The list of its chunks is some ten kilobytes longer; a row is kept of each of some hundred more frames.
    assert!(large - small < 4 * MIB, "{small} bytes for a tenth of it, {large} for all");
    assert!(large < 100 * MIB, "{large}");
}

/// Takes some minutes, and five gigabytes of the folder for temporary files.
#[test]
#[ignore = "writes five gigabytes"]
fn five_gigabytes_are_read_in_half_a_gigabyte() {
    let folder = tempfile::tempdir().expect("a folder");
    for gigabytes in [1, 5] {
        let most = read(folder.path(), gigabytes << 30);
        assert!(most < 500 * MIB, "{most} bytes");
    }
}
