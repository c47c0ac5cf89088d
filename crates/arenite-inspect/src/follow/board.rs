//! What a recording has come to so far.

use std::cmp::Reverse;
use std::collections::VecDeque;

use arenite::record::format::events::{Event, What};
use hashbrown::HashMap;

use super::recent::{History, Rate, Recent, STEPS, Tick};
use super::tags::{TagRow, Tags};
use crate::estimate::{Sampling, Share, Spread};
use crate::stacks::{MOST_STACKS, Stacks};
use crate::{
    Block, BudgetFigures, CallStack, Change, Estimate, FrameRow, Live, MarkFigures, ProcessFigures, SizeClass,
};

/// The most threads that figures are kept of; what others do is told of number 0.
const MOST_THREADS: usize = 1 << 16;
/// Frames that are kept.
const FRAMES: usize = 512;
/// Marks that are kept.
const MARKS: usize = 256;

/// What was done by one call site, under one tag, or at all. A reallocation counts as one, and its new size as bytes asked for;
/// what it leaves behind is no free. Of a sample all figures are estimates of the whole.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Activity {
    /// Blocks that were handed out.
    pub allocs: u64,
    /// Blocks that got another size.
    pub reallocs: u64,
    /// Of these blocks, those that were given back. Whoever made the block has it here, not who gave it back.
    pub frees: u64,
    /// Bytes that were asked for.
    pub bytes: u64,
    /// Blocks that live.
    pub live_blocks: u64,
    /// Bytes that live.
    pub live_bytes: u64,
    /// The most bytes that lived.
    pub peak_bytes: u64,
    /// Blocks that were given back in the frame in which they were made, or last resized.
    pub temporaries: u64,
    /// What was done in the last second that is over.
    pub rate: Rate,
    /// How far what lives may be from the truth.
    pub live_spread: Spread,
    /// How far what was asked for may be.
    pub asked_spread: Spread,
}

impl Activity {
    /// What lives, with its interval.
    #[must_use]
    pub fn live(&self) -> Estimate {
        self.live_spread.estimate(self.live_blocks as f64, self.live_bytes as f64)
    }

    /// Calls that asked for memory, and their bytes, each with its interval.
    #[must_use]
    pub fn asked(&self) -> Estimate {
        self.asked_spread.estimate(self.calls() as f64, self.bytes as f64)
    }

    /// Calls that asked for memory: allocations and reallocations.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.allocs.saturating_add(self.reallocs)
    }

    /// Both together. Of two peaks the larger one, or what lives together.
    pub(super) fn and(&self, other: &Self) -> Self {
        let live_bytes = self.live_bytes.saturating_add(other.live_bytes);
        Self {
            allocs: self.allocs.saturating_add(other.allocs),
            reallocs: self.reallocs.saturating_add(other.reallocs),
            frees: self.frees.saturating_add(other.frees),
            bytes: self.bytes.saturating_add(other.bytes),
            live_blocks: self.live_blocks.saturating_add(other.live_blocks),
            live_bytes,
            peak_bytes: self.peak_bytes.max(other.peak_bytes).max(live_bytes),
            temporaries: self.temporaries.saturating_add(other.temporaries),
            rate: self.rate.and(&other.rate),
            live_spread: self.live_spread.and(&other.live_spread),
            asked_spread: self.asked_spread.and(&other.asked_spread),
        }
    }
}

/// A thread, and what it did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ThreadRow {
    /// Its number, in this file.
    pub number: u32,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Blocks that it was handed.
    pub allocs: u64,
    /// Blocks that it resized.
    pub reallocs: u64,
    /// Blocks that it gave back, whoever made them.
    pub frees: u64,
    /// Bytes that it asked for.
    pub bytes: u64,
    /// What it did in the last second that is over.
    pub rate: Rate,
}

/// How a block came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    New,
    Resized,
}

/// How a block went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    Freed {
        temporary: bool,
    },
    Resized,
    /// Nobody told how.
    Unseen,
}

/// [`Activity`] while events pass.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tally {
    activity: Activity,
    recent: Recent,
}

impl Tally {
    pub(super) fn made(&mut self, share: &Share, how: Made, second: u64) {
        let activity = &mut self.activity;
        let calls = match how {
            Made::New => &mut activity.allocs,
            Made::Resized => &mut activity.reallocs,
        };
        // Sizes of a file that was made up may be anything.
        *calls = calls.saturating_add(share.blocks);
        activity.bytes = activity.bytes.saturating_add(share.bytes);
        activity.asked_spread.add(&share.spread);
        activity.live_blocks = activity.live_blocks.saturating_add(share.blocks);
        activity.live_bytes = activity.live_bytes.saturating_add(share.bytes);
        activity.live_spread.add(&share.spread);
        activity.peak_bytes = activity.peak_bytes.max(activity.live_bytes);
        self.recent.at(second).made(share);
    }

    pub(super) fn gone(&mut self, share: &Share, how: Gone, second: u64) {
        let activity = &mut self.activity;
        activity.live_blocks = activity.live_blocks.saturating_sub(share.blocks);
        activity.live_bytes = activity.live_bytes.saturating_sub(share.bytes);
        activity.live_spread.remove(&share.spread);
        if let Gone::Freed { temporary } = how {
            activity.frees = activity.frees.saturating_add(share.blocks);
            if temporary {
                activity.temporaries = activity.temporaries.saturating_add(share.blocks);
            }
            self.recent.at(second).freed(share.blocks);
        }
    }

    /// What another one did was done by this one.
    pub(super) fn add(&mut self, other: &Self) {
        self.activity = self.activity.and(&other.activity);
    }

    /// Without its rate.
    pub(super) fn now(&self) -> &Activity {
        &self.activity
    }

    pub(super) fn at(&self, second: u64) -> Activity {
        Activity { rate: self.recent.before(second), ..self.activity }
    }
}

/// What a recording has come to so far. Times are in units of the capture, of which there are
/// [`units_per_second`](Self::units_per_second).
#[derive(Debug)]
pub struct Board {
    units_per_second: u64,
    sample_bytes: u64,
    live: Live,
    total: Tally,
    tags: Tags,
    sites: HashMap<u32, Tally>,
    stacks: Stacks,
    threads: HashMap<u32, (ThreadRow, Recent)>,
    frames: VecDeque<FrameRow>,
    frame_count: u64,
    /// The one that goes on, or, if none began, what was done before the first one.
    frame: FrameRow,
    began: bool,
    /// The frame with most calls.
    worst: Option<FrameRow>,
    marks: VecDeque<MarkFigures>,
    mark_count: u64,
    /// The most bytes, and the calls, since the last mark.
    since_mark: (u64, u64),
    sizes: [SizeClass; 65],
    history: History,
    process: ProcessFigures,
    start: Option<u64>,
    clock: u64,
    events: u64,
    late: u64,
    lost: u64,
    pauses: u64,
    paused: bool,
}

impl Board {
    pub(super) fn new(units_per_second: u64, sample_bytes: u64) -> Self {
        Self {
            units_per_second,
            sample_bytes,
            live: Live::new(),
            total: Tally::default(),
            tags: Tags::default(),
            sites: HashMap::new(),
            stacks: Stacks::default(),
            threads: HashMap::new(),
            frames: VecDeque::new(),
            frame_count: 0,
            frame: FrameRow::default(),
            began: false,
            worst: None,
            marks: VecDeque::new(),
            mark_count: 0,
            since_mark: (0, 0),
            sizes: [SizeClass::default(); 65],
            history: History::default(),
            process: ProcessFigures::default(),
            start: None,
            clock: 0,
            events: 0,
            late: 0,
            lost: 0,
            pauses: 0,
            paused: false,
        }
    }

    /// All together.
    #[must_use]
    pub fn total(&self) -> Activity {
        self.total.at(self.second())
    }

    /// Tags, and paths above them, by name. O(tags · log tags).
    #[must_use]
    pub fn tags(&self) -> Vec<TagRow> {
        self.tags.rows(self.second())
    }

    /// The call sites, by the numbers of their stacks, that have most of something, the first ones first; none that has nothing of it.
    /// O(sites).
    #[must_use]
    pub fn sites(&self, top: usize, figure: impl Fn(&Activity) -> u64) -> Vec<(u32, Activity)> {
        let second = self.second();
        let sites = self.sites.iter().map(|(stack, tally)| (Reverse(figure(&tally.at(second))), *stack));
        let mut sites: Vec<(Reverse<u64>, u32)> = sites.filter(|(figure, _)| figure.0 > 0).collect();
        if sites.len() > top {
            sites.select_nth_unstable(top);
            sites.truncate(top);
        }
        sites.sort_unstable();
        let found = sites.into_iter().filter_map(|(_, stack)| self.sites.get_key_value(&stack));
        found.map(|(stack, tally)| (*stack, tally.at(second))).collect()
    }

    /// How many call sites asked for memory.
    #[must_use]
    pub fn site_count(&self) -> usize {
        self.sites.len()
    }

    /// A call stack, by its number.
    #[must_use]
    pub fn stack(&self, number: u32) -> CallStack<'_> {
        self.stacks.get(number)
    }

    /// Threads that did something, by number. O(threads · log threads).
    #[must_use]
    pub fn threads(&self) -> Vec<ThreadRow> {
        let second = self.second();
        let rows = self.threads.values().map(|(row, recent)| {
            let rate = recent.before(second);
            ThreadRow { rate, ..row.clone() }
        });
        let mut rows: Vec<ThreadRow> = rows.filter(|row| row.allocs + row.reallocs + row.frees > 0).collect();
        rows.sort_by_key(|row| row.number);
        rows
    }

    /// The last frames that ended, up to 512 of them, the latest one last.
    #[must_use]
    pub fn frames(&self) -> &VecDeque<FrameRow> {
        &self.frames
    }

    /// How many frames ended.
    #[must_use]
    pub fn frame_count(&self) -> u64 {
        self.frame_count
    }

    /// The frame that goes on.
    #[must_use]
    pub fn frame(&self) -> Option<&FrameRow> {
        self.began.then_some(&self.frame)
    }

    /// The frame that asked for memory most often, if any did.
    #[must_use]
    pub fn worst_frame(&self) -> Option<&FrameRow> {
        self.worst.as_ref()
    }

    /// The last marks, up to 256 of them, the latest one last.
    #[must_use]
    pub fn marks(&self) -> &VecDeque<MarkFigures> {
        &self.marks
    }

    /// How many marks there were.
    #[must_use]
    pub fn mark_count(&self) -> u64 {
        self.mark_count
    }

    /// Blocks by size: at place `n` those of less than 2ⁿ bytes, and not of less than half.
    #[must_use]
    pub fn sizes(&self) -> &[SizeClass; 65] {
        &self.sizes
    }

    /// What was done in the last two minutes, a quarter of a second each, the latest one last.
    #[must_use]
    pub fn history(&self) -> &VecDeque<Tick> {
        self.history.over()
    }

    /// The process's memory; 0 in the machine's memory as long as nothing is told.
    #[must_use]
    pub fn process(&self) -> ProcessFigures {
        self.process
    }

    /// Units of time in a second.
    #[must_use]
    pub fn units_per_second(&self) -> u64 {
        self.units_per_second
    }

    /// A time as seconds since the first event.
    #[must_use]
    pub fn seconds(&self, time: u64) -> f64 {
        let start = self.start.unwrap_or(time);
        time.saturating_sub(start) as f64 / self.units_per_second as f64
    }

    /// The time up to which all was shown.
    #[must_use]
    pub fn clock(&self) -> u64 {
        self.clock
    }

    /// Events that were shown.
    #[must_use]
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Of these, those that came so late that younger ones had been shown: what is said to live may be wrong by them.
    #[must_use]
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Events that the recorder dropped, because they were not written in time.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Frees of blocks that were made before the recording, or while it was paused, or whose making was lost.
    #[must_use]
    pub fn unknown_frees(&self) -> u64 {
        self.live.unknown_frees()
    }

    /// How often the recording was paused.
    #[must_use]
    pub fn pauses(&self) -> u64 {
        self.pauses
    }

    /// Whether it is paused.
    #[must_use]
    pub fn is_paused(&self) -> bool {
        self.paused
    }

    /// 0 if every block is recorded; otherwise one is for so many bytes, on average, and all figures of blocks are estimates of the whole.
    #[must_use]
    pub fn sample_bytes(&self) -> u64 {
        self.sample_bytes
    }

    fn share(&self, block: &Block) -> Share {
        Sampling::new(self.sample_bytes).share(block)
    }

    fn second(&self) -> u64 {
        self.clock / self.units_per_second
    }

    fn step(&self) -> u64 {
        let steps = u128::from(self.clock) * u128::from(STEPS) / u128::from(self.units_per_second);
        u64::try_from(steps).unwrap_or(u64::MAX)
    }

    pub(super) fn name_tag(&mut self, tag: u32, name: &str) {
        self.tags.name(tag, name);
    }

    /// Time was measured once more.
    pub(super) fn pace(&mut self, units_per_second: u64) {
        self.units_per_second = units_per_second;
    }

    /// It is so late now.
    pub(super) fn passes(&mut self, clock: u64) {
        // Before anything was done there is no time to pass.
        if self.start.is_some() && clock > self.clock {
            self.clock = clock;
            self.history.passes(self.step(), self.total.now().live_bytes);
        }
    }

    pub(super) fn take(&mut self, thread: u32, event: &Event<'_>, late: bool) {
        let time = event.time;
        if self.start.is_none() {
            (self.start, self.clock) = (Some(time), time);
            self.history.begin(self.step());
        }
        self.passes(time);
        self.events += 1;
        self.late += u64::from(late);
        while let Some(block) = self.live.missed(time) {
            self.gone(&block, &self.share(&block), Gone::Unseen);
        }
        match self.live.take(thread, event) {
            Change::Made { block, lives } => self.made(&block, Made::New, lives),
            Change::Gone(block) => {
                // Of what size one was that is not known, nobody knows.
                let share = block.map(|block| self.share(&block));
                let (second, blocks) = (self.second(), share.map_or(1, |share| share.blocks));
                let (row, recent) = self.thread(thread);
                row.frees = row.frees.saturating_add(blocks);
                recent.at(second).freed(blocks);
                self.frame.freed(blocks);
                let tick = self.history.now();
                tick.frees = tick.frees.saturating_add(blocks);
                if let Some((block, share)) = block.zip(share) {
                    self.freed(&block, &share);
                }
            }
            Change::Resized { before, block, lives } => {
                if let Some(before) = before {
                    self.gone(&before, &self.share(&before), Gone::Resized);
                }
                self.made(&block, Made::Resized, lives);
            }
            Change::Moved(_) | Change::None => self.tell(thread, time, &event.what),
        }
    }

    /// What neither makes a block nor ends one.
    fn tell(&mut self, thread: u32, time: u64, what: &What<'_>) {
        match *what {
            What::Frame { number } => self.begin_frame(number, time),
            What::Mark { text } => self.mark(text, time),
            What::ThreadNamed { name } => self.thread(thread).0.name = Some(name.to_owned()),
            What::Stack { stack, ref frames } => {
                self.stacks.keep(stack, time, frames);
            }
            What::Lost { events } => self.lost = self.lost.saturating_add(events),
            What::Paused => (self.pauses, self.paused) = (self.pauses + 1, true),
            What::Resumed => self.paused = false,
            What::Before { tag, blocks, bytes } => self.tags.before(tag, blocks, bytes),
            What::Committed { tag, bytes } => {
                self.process.commits(bytes);
                self.tags.committed(tag, bytes);
            }
            What::Budget { tag, limit, hard, warning } => {
                self.tags.budget(tag, BudgetFigures::told(limit, hard, warning));
            }
            What::Resident { bytes } => self.process.resident(bytes),
            What::Used { bytes, .. } => {
                self.frame.used_bytes = self.frame.used_bytes.saturating_add(bytes);
            }
            _ => {}
        }
    }

    fn thread(&mut self, number: u32) -> (&mut ThreadRow, &mut Recent) {
        let known = self.threads.contains_key(&number) || self.threads.len() < MOST_THREADS;
        let number = if known { number } else { 0 };
        let (row, recent) = self.threads.entry(number).or_default();
        row.number = number;
        (row, recent)
    }

    fn site(&mut self, stack: u32) -> &mut Tally {
        let known = self.sites.contains_key(&stack) || self.sites.len() < MOST_STACKS;
        self.sites.entry(if known { stack } else { 0 }).or_default()
    }

    /// A block that lives now; or, if not, whose free was told before, or for which there is no room.
    fn made(&mut self, block: &Block, how: Made, lives: bool) {
        let (share, second) = (self.share(block), self.second());
        self.total.made(&share, how, second);
        self.site(block.stack).made(&share, how, second);
        self.tags.made(block.tag, &share, how, second);
        let class = &mut self.sizes[class_of(block.size)];
        class.blocks = class.blocks.saturating_add(share.blocks);
        class.bytes = class.bytes.saturating_add(share.bytes);
        class.live_blocks = class.live_blocks.saturating_add(share.blocks);
        let (row, recent) = self.thread(block.thread);
        let calls = match how {
            Made::New => &mut row.allocs,
            Made::Resized => &mut row.reallocs,
        };
        *calls = calls.saturating_add(share.blocks);
        row.bytes = row.bytes.saturating_add(share.bytes);
        recent.at(second).made(&share);
        let live = self.total.now().live_bytes;
        self.frame.made(&share, how == Made::New);
        self.frame.peak_bytes = self.frame.peak_bytes.max(live);
        self.history.now().made(&share, live);
        let since = &mut self.since_mark;
        *since = (since.0.max(live), since.1.saturating_add(share.blocks));
        if !lives {
            self.freed(block, &share);
        }
    }

    fn freed(&mut self, block: &Block, share: &Share) {
        let temporary = self.began && block.time >= self.frame.start;
        if temporary {
            self.frame.temporary(share.blocks);
        }
        self.gone(block, share, Gone::Freed { temporary });
    }

    fn gone(&mut self, block: &Block, share: &Share, how: Gone) {
        let second = self.second();
        self.total.gone(share, how, second);
        self.site(block.stack).gone(share, how, second);
        self.tags.gone(block.tag, share, how, second);
        let class = &mut self.sizes[class_of(block.size)].live_blocks;
        *class = class.saturating_sub(share.blocks);
    }

    fn begin_frame(&mut self, number: u64, time: u64) {
        let live_bytes = self.total.now().live_bytes;
        let next = FrameRow {
            number,
            frames: 1,
            start: time,
            end: time,
            live_bytes,
            peak_bytes: live_bytes,
            ..FrameRow::default()
        };
        let mut ended = std::mem::replace(&mut self.frame, next);
        (ended.end, ended.live_bytes) = (time, live_bytes);
        if !std::mem::replace(&mut self.began, true) {
            return;
        }
        self.frame_count += 1;
        if ended.calls() > self.worst.map_or(0, |worst| worst.calls()) {
            self.worst = Some(ended);
        }
        if self.frames.len() == FRAMES {
            self.frames.pop_front();
        }
        self.frames.push_back(ended);
    }

    fn mark(&mut self, text: &str, time: u64) {
        let Activity { live_blocks, live_bytes, live_spread, .. } = *self.total.now();
        let (peak_bytes, calls) = std::mem::replace(&mut self.since_mark, (live_bytes, 0));
        if self.marks.len() == MARKS {
            self.marks.pop_front();
        }
        self.mark_count += 1;
        self.marks.push_back(MarkFigures {
            text: text.to_owned(),
            time,
            frame: self.began.then_some(self.frame.number),
            live_blocks,
            live_bytes,
            peak_bytes,
            calls,
            live_spread,
            ..MarkFigures::default()
        });
    }
}

/// Which power of two is the first above a figure.
fn class_of(figure: u64) -> usize {
    (u64::BITS - figure.leading_zeros()) as usize
}
