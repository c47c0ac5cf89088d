//! Summaries, against what the program itself knows and against a naive second reading that keeps every event.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;

use arenite::Tag;
use arenite::record::format::events::What;
use arenite::record::{self, RecordOptions};
use arenite_inspect::{Capture, Figures, FrameRow, Held, Summary, SummaryError, SummaryOptions};

use super::programs::Numbers;
use super::turn;

const NAMES: [&str; 4] = ["sum/a", "sum/a/b", "sum/above/below", "sum/c"];
const FRAMES: u64 = 40;

/// What the program knows of a tag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Known {
    allocs: u64,
    reallocs: u64,
    frees: u64,
    bytes: u64,
    live_blocks: u64,
    live: u64,
    peak: u64,
}

/// The blocks of a program and what it knows of them; allocates nothing while it is recorded but the blocks.
struct Program {
    tags: [Tag; 4],
    blocks: Vec<(usize, Vec<u8>)>,
    known: [Known; 4],
    /// Of `sum/a` with what is below it.
    both_peak: u64,
}

impl Program {
    fn new() -> Self {
        let tags = NAMES.map(|name| Tag::register(name).expect("a tag"));
        Self { tags, blocks: Vec::with_capacity(10_000), known: Default::default(), both_peak: 0 }
    }

    fn step(&mut self, numbers: &mut Numbers) {
        let tag = numbers.below(4) as usize;
        let most = if numbers.below(20) == 0 { 200_000 } else { 900 };
        let size = 1 + numbers.below(most) as usize;
        let known = &mut self.known[tag];
        let mut block: Vec<u8> = self.tags[tag].in_scope(|| black_box(Vec::with_capacity(size)));
        (known.allocs, known.bytes) = (known.allocs + 1, known.bytes + size as u64);
        (known.live_blocks, known.live) = (known.live_blocks + 1, known.live + size as u64);
        known.peak = known.peak.max(known.live);
        self.both_peak = self.both_peak.max(self.known[0].live + self.known[1].live);
        let known = &mut self.known[tag];
        if numbers.below(4) == 0 {
            // It keeps its tag wherever it is resized.
            block.reserve_exact(size * 2);
            let now = block.capacity() as u64;
            (known.reallocs, known.bytes, known.live) =
                (known.reallocs + 1, known.bytes + now, known.live + now - size as u64);
            known.peak = known.peak.max(known.live);
            self.both_peak = self.both_peak.max(self.known[0].live + self.known[1].live);
        }
        self.blocks.push((tag, block));
        while !self.blocks.is_empty() && numbers.below(5) < 2 {
            let place = numbers.below(self.blocks.len() as u64) as usize;
            let (tag, block) = self.blocks.swap_remove(place);
            let known = &mut self.known[tag];
            (known.frees, known.live_blocks) = (known.frees + 1, known.live_blocks - 1);
            known.live -= block.capacity() as u64;
        }
    }
}

/// An event that stays.
enum Kept {
    Alloc(u64, u64, u32),
    Free(u64),
    Realloc(u64, u64, u64, u32),
    Frame(u64),
}

/// A naive reading.
#[derive(Default)]
struct Naive {
    total: Figures,
    at_peak: BTreeMap<u32, u64>,
    live: BTreeMap<u32, (u64, u64)>,
    rows: Vec<FrameRow>,
    sizes: BTreeMap<usize, u64>,
    lifetimes: u64,
}

fn naive(events: &[(u64, Kept)]) -> Naive {
    let (mut found, mut blocks, mut start) = (Naive::default(), HashMap::new(), None);
    let mut row = FrameRow::default();
    let mut lives = 0u64;
    for (time, event) in events {
        let (mut gone, mut made) = (None, None);
        match *event {
            Kept::Alloc(address, size, stack) => {
                found.total.allocs += 1;
                row.allocs += 1;
                made = Some((address, size, stack));
            }
            Kept::Free(address) => {
                row.frees += 1;
                gone = blocks.remove(&address).map(|block: (u64, u32, u64)| (block, true));
            }
            Kept::Realloc(before, address, size, stack) => {
                found.total.reallocs += 1;
                row.reallocs += 1;
                gone = blocks.remove(&before).map(|block| (block, false));
                made = Some((address, size, stack));
            }
            Kept::Frame(number) => {
                if start.is_some() {
                    row.end = *time;
                    row.live_bytes = lives;
                    found.rows.push(row);
                }
                start = Some(*time);
                row = FrameRow::default();
                (row.number, row.frames, row.start, row.peak_bytes) = (number, 1, *time, lives);
            }
        }
        if let Some(((size, _, born), freed)) = gone {
            lives -= size;
            if freed {
                found.total.frees += 1;
                found.lifetimes += 1;
                if start.is_some_and(|start| born >= start) {
                    found.total.temporaries += 1;
                    found.total.temporary_bytes += size;
                    row.temporaries += 1;
                }
            }
        }
        if let Some((address, size, stack)) = made {
            blocks.insert(address, (size, stack, *time));
            lives += size;
            found.total.bytes += size;
            row.bytes += size;
            row.peak_bytes = row.peak_bytes.max(lives);
            *found.sizes.entry((u64::BITS - size.leading_zeros()) as usize).or_default() += 1;
            if lives > found.total.peak_bytes {
                found.total.peak_bytes = lives;
                found.total.blocks_at_peak = blocks.len() as u64;
                found.at_peak.clear();
                for (size, stack, _) in blocks.values() {
                    *found.at_peak.entry(*stack).or_default() += size;
                }
            }
        }
    }
    for (size, stack, _) in blocks.values() {
        let sum = found.live.entry(*stack).or_default();
        *sum = (sum.0 + 1, sum.1 + size);
    }
    (found.total.live_blocks, found.total.live_bytes) = (blocks.len() as u64, lives);
    found.total.bytes_at_peak = found.total.peak_bytes;
    found
}

#[test]
fn a_summary_is_what_the_program_and_a_naive_reading_say() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("summary.arec");
    let (mut program, mut numbers) = (Program::new(), Numbers(77));
    let recording = record::start(RecordOptions::new(&path)).expect("a recording");
    let mut at_marks = [0; 2];
    for frame in 0..FRAMES {
        if frame == 10 || frame == 30 {
            at_marks[usize::from(frame == 30)] = program.known.iter().map(|known| known.live).sum::<u64>();
            record::mark(if frame == 10 { "ten" } else { "thirty" });
        }
        record::frame(frame);
        for _ in 0..50 {
            program.step(&mut numbers);
        }
        if frame == 20 {
            // Stays until the end, and is the only block of its size.
            program.blocks.push((3, program.tags[3].in_scope(|| Vec::with_capacity(777_777))));
            let known = &mut program.known[3];
            (known.allocs, known.bytes, known.live_blocks) =
                (known.allocs + 1, known.bytes + 777_777, known.live_blocks + 1);
            known.live += 777_777;
            known.peak = known.peak.max(known.live);
            let last = program.blocks.len() - 1;
            program.blocks.swap(0, last);
            std::mem::forget(program.blocks.swap_remove(0));
        }
    }
    let told = recording.stop().expect("written");
    assert_eq!(told.lost, 0);

    let mut capture = Capture::open(&path).expect("a capture");
    let mut events = Vec::new();
    let read = capture.events(|_, event| {
        events.push((
            event.time,
            match event.what {
                What::Alloc { address, size, stack } => Kept::Alloc(address, size, stack),
                What::Free { address } => Kept::Free(address),
                What::Realloc { before, address, size, stack } => Kept::Realloc(before, address, size, stack),
                What::Frame { number } => Kept::Frame(number),
                _ => return,
            },
        ));
    });
    read.expect("read");
    let summary = Summary::read(&mut capture, &SummaryOptions::new()).expect("a summary");
    assert!(summary.is_whole());

    // What is under no tag is of the tag that the heap has for it.
    assert!(summary.tag("untagged").is_some() && !summary.tags.contains_key(&0));
    // What the program knows, by tag.
    for (name, known) in NAMES.iter().zip(&program.known) {
        let own = &summary.tag(name).expect("a tag").1.own;
        let found = Known {
            allocs: own.allocs,
            reallocs: own.reallocs,
            frees: own.frees,
            bytes: own.bytes,
            live_blocks: own.live_blocks,
            live: own.live_bytes,
            peak: own.peak_bytes,
        };
        assert_eq!(found, *known, "{name}");
    }
    let (_, both) = summary.tag("sum/a").expect("a tag");
    assert_eq!(both.live_bytes, program.known[0].live + program.known[1].live);
    assert_eq!(both.peak_bytes, program.both_peak);
    let all: u64 = program.known.iter().map(|known| known.live).sum();
    let (number, above) = summary.tag("sum").expect("a path above tags");
    assert_eq!(above.live_bytes, all);
    assert!(summary.is_within(number, "sum") && !summary.is_within(number, "sum/a"));
    assert!(!summary.is_within(summary.tag("sum/above").expect("a path").0, "sum/a"));

    // A naive reading, figure by figure.
    let naive = naive(&events);
    assert_eq!(summary.total.peak_bytes, naive.total.peak_bytes);
    assert_eq!(format!("{:?}", summary.total), format!("{:?}", naive.total));
    let sites = |figure: fn(&Figures) -> u64| -> BTreeMap<u32, u64> {
        let sites = summary.sites.iter().map(|(stack, figures)| (*stack, figure(figures)));
        sites.filter(|(_, figure)| *figure > 0).collect()
    };
    assert_eq!(sites(|site| site.bytes_at_peak), naive.at_peak);
    assert_eq!(
        sites(|site| site.live_bytes),
        naive.live.iter().map(|(stack, sum)| (*stack, sum.1)).collect()
    );
    assert_eq!(
        sites(|site| site.live_blocks),
        naive.live.iter().map(|(stack, sum)| (*stack, sum.0)).collect()
    );
    assert_eq!(summary.sites.values().map(|site| site.bytes).sum::<u64>(), naive.total.bytes);
    assert!(summary.sites.keys().all(|stack| *stack == 0 || !summary.stack(*stack).is_empty()));
    assert_eq!(summary.frames.rows, naive.rows);
    assert_eq!(summary.frames.count, FRAMES - 1);
    assert_eq!(summary.frames.last.map(|row| row.number), Some(FRAMES - 1));
    let most = naive.rows.iter().map(FrameRow::calls).max();
    assert_eq!(summary.frames.most_calls.first().map(FrameRow::calls), most);
    for (place, class) in summary.sizes.iter().enumerate() {
        assert_eq!(class.blocks, naive.sizes.get(&place).copied().unwrap_or(0), "sizes below 2^{place}");
    }
    assert_eq!(summary.sizes.iter().map(|class| class.live_blocks).sum::<u64>(), naive.total.live_blocks);
    assert_eq!(summary.lifetimes.iter().sum::<u64>(), naive.lifetimes);
    let threads: u64 = summary.threads.values().map(|thread| thread.allocs).sum();
    assert_eq!(threads, naive.total.allocs);
    assert_eq!(summary.window.from.total, Held::default());
    assert_eq!(
        summary.window.to.total,
        Held { blocks: naive.total.live_blocks, bytes: naive.total.live_bytes, ..Held::default() }
    );
    assert_eq!(summary.window.stayed.values().map(|held| held.bytes).sum::<u64>(), naive.total.live_bytes);

    marks_and_windows(&mut capture, &summary, at_marks);
}

/// Of all that was recorded under the test's tags.
fn within(summary: &Summary, held: &BTreeMap<u32, Held>) -> u64 {
    held.iter().filter(|(tag, _)| summary.is_within(**tag, "sum")).map(|(_, held)| held.bytes).sum()
}

fn marks_and_windows(capture: &mut Capture, whole: &Summary, at_marks: [u64; 2]) {
    let marks: Vec<(&str, Option<u64>)> =
        whole.marks.iter().map(|mark| (mark.text.as_str(), mark.frame)).collect();
    assert_eq!(marks, [("ten", Some(9)), ("thirty", Some(29))]);
    let options = SummaryOptions::new().from("ten").to("thirty").warm_up(3).frames(8);
    let part = Summary::read(capture, &options).expect("a summary");
    let window = &part.window;
    assert_eq!([within(&part, &window.from.tags), within(&part, &window.to.tags)], at_marks);
    assert_eq!(window.from.total.bytes, whole.marks[0].live_bytes);
    assert_eq!(window.to.total.blocks, whole.marks[1].live_blocks);
    let c = part.tag("sum/c").expect("a tag").0;
    let large = window.stayed.iter().filter(|((tag, _), held)| *tag == c && held.bytes >= 777_777).count();
    assert_eq!(large, 1, "made between the marks, and stayed");
    // The frame that goes on at a mark is not wholly behind it.
    assert_eq!(window.frames, 20 - 1 - 3);
    let rows = &whole.frames.rows[13..29];
    let most = rows.iter().map(FrameRow::calls).max();
    assert_eq!(window.most_calls.map(|row| row.calls()), most);
    assert!(part.frames.rows.len() <= 8 && part.frames.count == FRAMES - 1);
    assert_eq!(part.total, whole.total);
    let backwards = Summary::read(capture, &SummaryOptions::new().from("thirty").to("ten"));
    assert!(matches!(backwards, Err(SummaryError::NoMark { text }) if text == "ten"));
    let unknown = Summary::read(capture, &SummaryOptions::new().from("eleven"));
    assert!(matches!(unknown, Err(SummaryError::NoMark { text }) if text == "eleven"));
}
