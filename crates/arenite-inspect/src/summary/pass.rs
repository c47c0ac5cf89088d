//! The pass over the events.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

use arenite::record::format::events::{Event, What};
use hashbrown::HashMap;

use super::frames::FrameTable;
use super::tally::{Gone, Made, Tally};
use super::window::{Moment, Snapshot, Watch};
use super::{
    BudgetFigures, MarkFigures, ProcessFigures, SizeClass, Summary, SummaryError, SummaryOptions, TagFigures,
    ThreadFigures,
};
use crate::stacks::{MOST_STACKS, Stacks};
use crate::{Block, Capture, Change, Live};

/// The most tags and threads that figures are kept of; what others do is told of number 0.
const MOST_OWNERS: usize = 1 << 16;
/// The most marks that are kept.
const MOST_MARKS: usize = 4096;

/// The ledger's name for what is under no tag.
const UNTAGGED: &str = "untagged";

/// A tag or a path above tags, with what is below it.
#[derive(Debug, Default)]
struct Node {
    live: u64,
    peak: u64,
    moment: Moment,
    committed: i64,
    peak_committed: i64,
}

/// A tag while events pass.
#[derive(Debug, Default)]
struct Tag {
    own: Tally,
    /// Its node, and those above it.
    nodes: Vec<usize>,
    figures: TagFigures,
}

struct Pass<'a> {
    options: &'a SummaryOptions,
    live: Live,
    total: Tally,
    /// The number of the peak, and its bytes.
    peak: u64,
    peak_bytes: u64,
    peak_moment: Moment,
    tags: HashMap<u32, Tag>,
    nodes: Vec<Node>,
    /// The tag of what is under none, if the program has one for that; or else 0.
    untagged: u32,
    sites: HashMap<u32, Tally>,
    threads: HashMap<u32, ThreadFigures>,
    frames: FrameTable,
    window: Watch,
    marks: Vec<MarkFigures>,
    marks_left_out: u64,
    /// The most bytes, and the calls, since the last mark.
    since_mark: (u64, u64),
    sizes: [SizeClass; 65],
    lifetimes: [u64; 65],
    process: ProcessFigures,
    units_per_second: u64,
    times: Option<(u64, u64)>,
    stacks: Stacks,
    stacks_left_out: u64,
    passed_by: u64,
    lost: u64,
    pauses: u64,
}

pub(super) fn read<F: Read + Seek>(
    capture: &mut Capture<F>,
    options: &SummaryOptions,
) -> Result<Summary, SummaryError> {
    let names = capture.tags()?;
    let header = *capture.header();
    let mut pass = Pass::new(options, header.units_per_second, &names);
    let read = capture.events(|thread, event| pass.take(thread, &event))?;
    pass.end_window()?;
    let mut summary = pass.end();
    summary.read = read;
    summary.sample_bytes = header.sample_bytes;
    (summary.skipped, summary.complete) = (capture.skipped(), capture.is_complete());
    Ok(summary)
}

impl<'a> Pass<'a> {
    fn new(options: &'a SummaryOptions, units_per_second: u64, names: &BTreeMap<u32, String>) -> Self {
        let mut pass = Self {
            options,
            live: Live::new(),
            total: Tally::default(),
            peak: 0,
            peak_bytes: 0,
            peak_moment: Moment::default(),
            tags: HashMap::new(),
            nodes: Vec::new(),
            untagged: 0,
            sites: HashMap::new(),
            threads: HashMap::new(),
            frames: FrameTable::new(options.frames),
            window: Watch::new(options.warm_up),
            marks: Vec::new(),
            marks_left_out: 0,
            since_mark: (0, 0),
            sizes: [SizeClass::default(); 65],
            lifetimes: [0; 65],
            process: ProcessFigures::default(),
            units_per_second,
            times: None,
            stacks: Stacks::default(),
            stacks_left_out: 0,
            passed_by: 0,
            lost: 0,
            pauses: 0,
        };
        pass.name(names);
        if options.from.is_none() {
            pass.window.open(Snapshot::default());
        }
        pass
    }

    /// Tags, and the paths above them that no tag has.
    fn name(&mut self, names: &BTreeMap<u32, String>) {
        let mut all: BTreeMap<u32, &str> =
            names.iter().take(MOST_OWNERS - 1).map(|(number, name)| (*number, name.as_str())).collect();
        let own: BTreeSet<&str> = all.values().copied().collect();
        let mut above = BTreeSet::new();
        for name in &own {
            above.extend(
                name.match_indices('/').map(|(at, _)| &name[..at]).filter(|path| !own.contains(path)),
            );
        }
        let free = (Summary::UNNUMBERED..).filter(|number| !names.contains_key(number));
        all.extend(free.zip(above.into_iter().take(MOST_OWNERS)));
        let nodes: HashMap<&str, usize> = all.values().copied().zip(0..).collect();
        self.nodes.resize_with(all.len(), Node::default);
        for (number, name) in all {
            let above = name.match_indices('/').filter_map(|(at, _)| nodes.get(&name[..at]));
            let own = nodes.get(name);
            if name == UNTAGGED && number < Summary::UNNUMBERED {
                self.untagged = number;
            }
            let nodes = own.into_iter().chain(above).copied().collect();
            let figures = TagFigures { name: name.to_owned(), ..TagFigures::default() };
            self.tags.insert(number, Tag { own: Tally::default(), nodes, figures });
        }
    }

    /// The number under which a tag's figures are.
    fn tag_number(untagged: u32, tag: u32) -> u32 {
        if tag == 0 { untagged } else { tag }
    }

    /// The tag of this number, or, if there is no room for it, none.
    fn tag(&mut self, number: u32) -> &mut Tag {
        let number = Self::tag_number(self.untagged, number);
        let known = self.tags.contains_key(&number) || self.tags.len() < 2 * MOST_OWNERS;
        let number = if known { number } else { 0 };
        self.tags.entry(number).or_insert_with(|| {
            self.nodes.push(Node::default());
            let name = if number == 0 { "(no tag)".to_owned() } else { format!("(tag {number})") };
            let figures = TagFigures { name, ..TagFigures::default() };
            Tag { own: Tally::default(), nodes: vec![self.nodes.len() - 1], figures }
        })
    }

    /// The number under which a call stack's figures are.
    fn site(sites: &HashMap<u32, Tally>, stack: u32) -> u32 {
        if sites.contains_key(&stack) || sites.len() < MOST_STACKS { stack } else { 0 }
    }

    fn thread(&mut self, number: u32) -> &mut ThreadFigures {
        let known = self.threads.contains_key(&number) || self.threads.len() < MOST_OWNERS;
        self.threads.entry(if known { number } else { 0 }).or_default()
    }

    fn moment(&self, time: u64) -> Moment {
        Moment { time, frame: self.frames.current().map(|(number, _)| number) }
    }

    fn take(&mut self, thread: u32, event: &Event<'_>) {
        let time = event.time;
        let times = self.times.get_or_insert((time, time));
        *times = (times.0.min(time), times.1.max(time));
        match self.live.take(thread, event) {
            Change::Made { block, lives } => {
                self.made(&block, Made::New, lives);
                self.thread(thread).allocs += 1;
                self.frames.row().allocs += 1;
            }
            Change::Gone(block) => {
                self.thread(thread).frees += 1;
                self.frames.row().frees += 1;
                if let Some(block) = block {
                    self.thread(thread).frees_of_others += u64::from(block.thread != thread);
                    self.freed(&block, time);
                }
            }
            Change::Resized { before, block, lives } => {
                if let Some(before) = before {
                    self.gone(&before, Gone::Resized);
                }
                self.made(&block, Made::Resized, lives);
                self.thread(thread).reallocs += 1;
                self.frames.row().reallocs += 1;
            }
            Change::None => self.tell(thread, time, &event.what),
        }
    }

    /// What neither makes a block nor ends one.
    fn tell(&mut self, thread: u32, time: u64, what: &What<'_>) {
        match *what {
            What::Frame { number } => {
                if let Some(row) = self.frames.begin(number, time, self.live.bytes()) {
                    self.window.frame(&row);
                }
            }
            What::Mark { text } => self.mark(text, time),
            What::ThreadNamed { name } => self.thread(thread).name = Some(name.to_owned()),
            What::Stack { stack, ref frames } if !self.stacks.keep(stack, time, frames) => {
                self.stacks_left_out += 1;
            }
            What::Lost { events } => self.lost = self.lost.saturating_add(events),
            What::Paused => self.pauses += 1,
            What::Before { tag, blocks, bytes } => {
                let figures = &mut self.tag(tag).figures;
                figures.before_blocks = figures.before_blocks.saturating_add(blocks);
                figures.before_bytes = figures.before_bytes.saturating_add(bytes);
            }
            What::Budget { tag, limit, hard, warning } => {
                self.tag(tag).figures.budget = BudgetFigures::told(limit, hard, warning);
            }
            What::Resident { bytes } => self.process.resident(bytes),
            What::Used { tag, bytes } => {
                let most = &mut self.tag(tag).figures.most_used;
                *most = bytes.max(*most);
                let row = self.frames.row();
                row.used_bytes = row.used_bytes.saturating_add(bytes);
            }
            What::Committed { tag, bytes } => {
                self.process.commits(bytes);
                self.tag(tag);
                self.change_nodes(tag, |node| {
                    node.committed = node.committed.saturating_add(bytes);
                    node.peak_committed = node.peak_committed.max(node.committed);
                });
            }
            _ => {}
        }
    }

    /// A block that lives now; or, if not, whose free was told before, or for which there is no room.
    fn made(&mut self, block: &Block, how: Made, lives: bool) {
        let (peak, size, time) = (self.peak, block.size, block.time);
        self.total.made(peak, size, how);
        let site = Self::site(&self.sites, block.stack);
        self.sites.entry(site).or_default().made(peak, size, how);
        self.tag(block.tag).own.made(peak, size, how);
        let moment = self.moment(time);
        self.change_nodes(block.tag, |node| {
            node.live = node.live.saturating_add(size);
            if node.live > node.peak {
                (node.peak, node.moment) = (node.live, moment);
            }
        });
        let class = &mut self.sizes[class_of(size)];
        class.blocks += 1;
        class.bytes = class.bytes.saturating_add(size);
        class.live_blocks += 1;
        let thread = self.thread(block.thread);
        thread.bytes = thread.bytes.saturating_add(size);
        let live = self.total.now().live_bytes;
        let row = self.frames.row();
        row.bytes = row.bytes.saturating_add(size);
        row.peak_bytes = row.peak_bytes.max(live);
        self.since_mark = (self.since_mark.0.max(live), self.since_mark.1 + 1);
        if live > self.peak_bytes {
            self.peak += 1;
            (self.peak_bytes, self.peak_moment) = (live, moment);
        }
        if !lives {
            self.passed_by += 1;
            self.freed(block, time);
        }
    }

    fn freed(&mut self, block: &Block, time: u64) {
        self.lifetimes[class_of(self.nanoseconds(time.saturating_sub(block.time)))] += 1;
        let temporary = self.frames.current().is_some_and(|(_, start)| block.time >= start);
        self.frames.row().temporaries += u64::from(temporary);
        self.gone(block, Gone::Freed { temporary });
    }

    fn gone(&mut self, block: &Block, how: Gone) {
        let (peak, size) = (self.peak, block.size);
        self.total.gone(peak, size, how);
        let site = Self::site(&self.sites, block.stack);
        self.sites.entry(site).or_default().gone(peak, size, how);
        self.tag(block.tag).own.gone(peak, size, how);
        self.change_nodes(block.tag, |node| node.live = node.live.saturating_sub(size));
        let class = &mut self.sizes[class_of(size)].live_blocks;
        *class = class.saturating_sub(1);
    }

    fn change_nodes(&mut self, tag: u32, change: impl Fn(&mut Node)) {
        let Some(tag) = self.tags.get(&Self::tag_number(self.untagged, tag)) else { return };
        for place in &tag.nodes {
            change(&mut self.nodes[*place]);
        }
    }

    fn nanoseconds(&self, units: u64) -> u64 {
        let time = u128::from(units) * 1_000_000_000 / u128::from(self.units_per_second);
        u64::try_from(time).unwrap_or(u64::MAX)
    }

    fn snapshot(&self, time: u64) -> Snapshot {
        Snapshot::of(&self.live, self.moment(time), |block| self.owners(block))
    }

    /// The numbers of the tag and the call stack under which a block's figures are.
    fn owners(&self, block: &Block) -> (u32, u32) {
        (Self::tag_number(self.untagged, block.tag), Self::site(&self.sites, block.stack))
    }

    fn mark(&mut self, text: &str, time: u64) {
        let (from, to) = (self.options.from.as_deref(), self.options.to.as_deref());
        if self.window.is_ahead() && from == Some(text) {
            let snapshot = self.snapshot(time);
            self.window.open(snapshot);
        } else if self.window.is_open() && to == Some(text) {
            self.close_window(time);
        }
        let (peak_bytes, calls) = core::mem::replace(&mut self.since_mark, (self.live.bytes(), 0));
        if self.marks.len() == MOST_MARKS {
            self.marks_left_out += 1;
            return;
        }
        let Moment { frame, .. } = self.moment(time);
        let (live_blocks, live_bytes) = (self.live.blocks(), self.live.bytes());
        self.marks.push(MarkFigures {
            text: text.to_owned(),
            time,
            frame,
            live_blocks,
            live_bytes,
            peak_bytes,
            calls,
        });
    }

    fn close_window(&mut self, time: u64) {
        let to = self.snapshot(time);
        let mut window = std::mem::take(&mut self.window);
        window.close(&self.live, to, |block| self.owners(block));
        self.window = window;
    }

    /// The window, which may go on to the end.
    fn end_window(&mut self) -> Result<(), SummaryError> {
        let missing = if self.window.is_ahead() {
            self.options.from.clone()
        } else if self.window.is_open() {
            self.options.to.clone()
        } else {
            None
        };
        if let Some(text) = missing {
            return Err(SummaryError::NoMark { text });
        }
        if self.window.is_open() {
            self.close_window(self.times.unwrap_or_default().1);
        }
        Ok(())
    }

    fn end(self) -> Summary {
        let (start, end) = self.times.unwrap_or_default();
        let (peak, nodes) = (self.peak, &self.nodes);
        let tags = self.tags.into_iter().map(|(number, tag)| {
            let Node { live, peak: most, moment, committed, peak_committed } = &nodes[tag.nodes[0]];
            let mut figures = tag.figures;
            figures.own = tag.own.end(peak);
            (figures.live_bytes, figures.peak_bytes) = (*live, *most);
            (figures.committed, figures.peak_committed) = (*committed, *peak_committed);
            (figures.peak_time, figures.peak_frame) = (moment.time, moment.frame);
            (number, figures)
        });
        let mut total = self.total.end(peak);
        total.peak_bytes = self.peak_bytes;
        Summary {
            units_per_second: self.units_per_second,
            start,
            end,
            sample_bytes: 0,
            total,
            peak_time: self.peak_moment.time,
            peak_frame: self.peak_moment.frame,
            tags: tags.collect(),
            sites: self.sites.into_iter().map(|(stack, tally)| (stack, tally.end(peak))).collect(),
            threads: self.threads.into_iter().collect(),
            frames: self.frames.end(end, self.live.bytes()),
            marks: self.marks,
            marks_left_out: self.marks_left_out,
            sizes: self.sizes,
            lifetimes: self.lifetimes,
            process: self.process,
            window: self.window.end(),
            lost: self.lost,
            unknown_frees: self.live.unknown_frees(),
            pauses: self.pauses,
            stacks_left_out: self.stacks_left_out,
            passed_by: self.passed_by,
            read: Default::default(),
            skipped: 0,
            complete: false,
            stacks: self.stacks,
        }
    }
}

/// Which power of two is the first above a figure.
fn class_of(figure: u64) -> usize {
    (u64::BITS - figure.leading_zeros()) as usize
}
