//! Random programs of several threads that take, resize and give each other blocks.

use std::collections::{BTreeSet, HashMap};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use arenite::record::format::events::What;
use arenite::record::{self, RecordError, RecordOptions, Stacks};
use arenite::{GlobalHeap, Tag};
use arenite_inspect::{Capture, Live};

use super::turn;

const THREADS: usize = 4;

/// A small generator: the same numbers each time.
pub(super) struct Numbers(pub(super) u64);

impl Numbers {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Blocks by tag, and the bytes that were asked for.
type Sums = HashMap<&'static str, (u64, u64)>;

struct Sent {
    block: Vec<u8>,
    tag: usize,
}

fn tags() -> [Tag; 3] {
    ["truth/a", "truth/b", "truth/b/c"].map(|name| Tag::register(name).expect("a tag"))
}

#[inline(never)]
fn deep(depth: u64, tag: Tag, size: usize) -> Vec<u8> {
    if depth == 0 {
        return tag.in_scope(|| {
            let mut block = Vec::with_capacity(size);
            block.push(1);
            block
        });
    }
    std::hint::black_box(deep(depth - 1, tag, size))
}

fn member(number: usize, rounds: usize, seed: u64, give: &Sender<Sent>, take: &Receiver<Sent>) -> Vec<Sent> {
    let (tags, mut numbers, mut kept) = (tags(), Numbers(seed + number as u64), Vec::new());
    for _ in 0..rounds {
        let tag = numbers.below(3) as usize;
        let size = match numbers.below(50) {
            0 => 3 << 20,
            1..4 => 100_000,
            _ => numbers.below(2000) as usize + 1,
        };
        let mut sent = Sent { block: deep(numbers.below(20), tags[tag], size), tag };
        if numbers.below(3) == 0 {
            sent.block.reserve_exact(size * 2);
        }
        match numbers.below(10) {
            0 => kept.push(sent),
            1..5 => drop(sent),
            // The neighbour may be gone.
            _ => drop(give.send(sent)),
        }
        while let Ok(mut other) = take.try_recv() {
            if numbers.below(4) == 0 {
                other.block.shrink_to_fit();
            }
        }
        if numbers.below(8) == 0 && !kept.is_empty() {
            kept.swap_remove(numbers.below(kept.len() as u64) as usize);
        }
    }
    kept
}

/// Runs a crowd to its end; what it keeps is told by tag.
fn crowd(rounds: usize, seed: u64) -> Vec<Sent> {
    let (give, take): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| channel()).unzip();
    let members: Vec<_> = take
        .into_iter()
        .enumerate()
        .map(|(number, take)| {
            let give = give[(number + 1) % THREADS].clone();
            thread::spawn(move || member(number, rounds, seed, &give, &take))
        })
        .collect();
    drop(give);
    members.into_iter().flat_map(|member| member.join().expect("no panic")).collect()
}

fn sums(kept: &[Sent]) -> Sums {
    let mut sums = Sums::new();
    for sent in kept {
        let sum = sums.entry(tags()[sent.tag].name()).or_default();
        sum.0 += 1;
        sum.1 += sent.block.capacity() as u64;
    }
    sums
}

#[test]
fn what_was_recorded_is_what_the_heap_says_at_every_mark() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("truth.arec");
    let recording = record::start(RecordOptions::new(&path)).expect("a recording");
    assert!(matches!(record::start(RecordOptions::new(&path)), Err(RecordError::Busy)));

    let (mut kept, mut expected) = (Vec::new(), Vec::new());
    for round in 0..5u64 {
        kept.extend(crowd(2000, round * 77));
        if round % 2 == 1 {
            kept.drain(..kept.len() / 2);
        }
        let of_heap: Vec<(&str, u64)> = GlobalHeap::by_tag()
            .filter(|(tag, figures)| tag.name().starts_with("truth/") && figures.live > 0)
            .map(|(tag, figures)| (tag.name(), figures.live))
            .collect();
        let own = sums(&kept);
        for (name, blocks) in of_heap {
            assert_eq!(
                own.get(name).map(|sum| sum.0),
                Some(blocks),
                "the test knows its own blocks of {name}"
            );
        }
        record::mark(&format!("round {round}"));
        let committed = tags().map(|tag| (tag.name(), tag.account().own.committed as i64));
        expected.push((own, committed));
    }
    let summary = recording.stop().expect("written");
    assert_eq!(summary.lost, 0, "{summary}");
    drop(kept);

    let mut capture = Capture::open(&path).expect("a capture");
    assert!(capture.is_complete());
    assert_eq!(capture.skipped(), 0);
    let mut names = HashMap::new();
    capture
        .events(|_, event| {
            if let What::TagNamed { tag, name } = event.what {
                names.insert(tag, name.to_owned());
            }
        })
        .expect("read");
    let (mut live, mut marks, mut stacks, mut used) = (Live::new(), 0, BTreeSet::new(), BTreeSet::new());
    let mut times: HashMap<u32, u64> = HashMap::new();
    let read = capture
        .events(|thread, event| {
            let last = times.insert(thread, event.time);
            assert!(last.is_none_or(|last| last <= event.time));
            live.take(thread, &event);
            match event.what {
                What::Mark { text } => {
                    assert_eq!(text, format!("round {marks}"));
                    let mut found: HashMap<&str, (u64, u64)> = HashMap::new();
                    for (_, block) in live.iter() {
                        let name = names.get(&block.tag).map_or("", |name| name.as_str());
                        if name.starts_with("truth/") {
                            let sum = found.entry(name).or_default();
                            sum.0 += 1;
                            sum.1 += block.size;
                        }
                    }
                    assert_eq!(found, expected[marks].0, "at {text}");
                    for (name, committed) in expected[marks].1 {
                        let (tag, _) = names.iter().find(|(_, other)| *other == name).expect("a tag");
                        assert_eq!(live.committed(*tag), committed, "{name} at {text}");
                    }
                    marks += 1;
                }
                What::Stack { stack, frames } => {
                    assert!(stacks.insert(stack), "told once");
                    assert!(frames.iter().all(|frame| frame >= 4096));
                }
                What::Alloc { stack, .. } | What::Realloc { stack, .. } if stack != 0 => {
                    used.insert(stack);
                }
                What::Lost { .. } => panic!("nothing was lost"),
                _ => {}
            }
        })
        .expect("read");
    assert_eq!((marks, read.damaged), (5, 0));
    assert!(read.events > 50_000, "{read:?}");
    assert!(used.is_subset(&stacks));
    let bytes = summary.file_bytes as f64 / read.events as f64;
    println!("{} events, {bytes:.2} bytes each in the file, {} stacks", read.events, stacks.len());
}

#[test]
fn pauses_leave_out_and_a_second_recording_begins_anew() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["first.arec", "second.arec"] {
        let path = folder.path().join(name);
        let recording = record::start(RecordOptions::new(&path).stack_depth(0)).expect("a recording");
        let seen = vec![1u8; 11_111];
        recording.pause();
        assert!(!record::is_on());
        let unseen = vec![1u8; 22_222];
        recording.resume();
        let again = vec![1u8; 33_333];
        drop((seen, unseen, again));
        record::note("a note");
        record::frame(7);
        recording.stop().expect("written");

        let mut capture = Capture::open(&path).expect("a capture");
        let (mut sizes, mut told) = (Vec::new(), Vec::new());
        capture
            .events(|_, event| match event.what {
                What::Alloc { size: size @ (11_111 | 22_222 | 33_333), .. } => sizes.push(size),
                What::Paused => told.push("paused".to_owned()),
                What::Resumed => told.push("resumed".to_owned()),
                What::Note { text } => told.push(text.to_owned()),
                What::Frame { number } => told.push(format!("frame {number}")),
                _ => {}
            })
            .expect("read");
        assert_eq!(sizes, [11_111, 33_333]);
        assert_eq!(told, ["paused", "resumed", "a note", "frame 7"]);
        if cfg!(target_os = "linux") {
            let modules = capture.modules().expect("read");
            // At the start and at the end; libraries may be loaded meanwhile.
            assert!(modules.len() >= 2, "{modules:?}");
            assert!(modules.iter().all(|map| map.text.contains("truth") && map.text.contains("\nelf ")));
            assert!(modules.is_sorted_by_key(|map| map.since));
        }
    }
}

#[test]
fn a_file_that_can_not_be_made_is_an_error_and_nothing_is_recorded() {
    let _turn = turn();
    let error = record::start(RecordOptions::new("/no/such/folder/game.arec")).expect_err("no folder");
    assert!(error.to_string().contains("/no/such/folder/game.arec"), "{error}");
    assert!(!record::is_on());
    let folder = tempfile::tempdir().expect("a folder");
    drop(record::start(RecordOptions::new(folder.path().join("next.arec"))).expect("it can be tried again"));
}

/// Calls itself, so that its return address is so often in the stack.
#[inline(never)]
fn recursive(depth: usize) -> Vec<u8> {
    if depth == 0 {
        return Vec::with_capacity(45_678);
    }
    let mut block = recursive(depth - 1);
    block.push(depth as u8);
    block
}

#[cfg(unix)]
#[test]
fn stacks_are_whole_without_frame_pointers() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    for how in [Stacks::Unwind, Stacks::Automatic, Stacks::FramePointers] {
        let path = folder.path().join("stacks.arec");
        let recording = record::start(RecordOptions::new(&path).stacks(how)).expect("a recording");
        drop(recursive(20));
        recording.stop().expect("written");

        let mut capture = Capture::open(&path).expect("a capture");
        let (mut stacks, mut found) = (HashMap::new(), None);
        capture
            .events(|_, event| match event.what {
                What::Stack { stack, frames } => {
                    stacks.insert(stack, frames.iter().collect::<Vec<_>>());
                }
                What::Alloc { size: 45_678, stack, .. } => found = Some(stack),
                _ => {}
            })
            .expect("read");
        let found = found.expect("it was recorded");
        let frames = stacks.get(&found).cloned().unwrap_or_default();
        assert!(frames.len() <= 64);
        if how != Stacks::FramePointers {
            let most = frames.iter().map(|frame| frames.iter().filter(|other| *other == frame).count()).max();
            assert_eq!(most, Some(20), "{how:?}: {frames:x?}");
        }
    }
}
