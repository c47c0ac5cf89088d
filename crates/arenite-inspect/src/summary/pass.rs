//! The pass over the events.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Seek};

use arenite::record::format::FileHeader;
use arenite::record::format::events::{Event, What};
use hashbrown::HashMap;

use super::frames::FrameTable;
use super::tally::{Gone, Made, Tally};
use super::window::{Moment, Snapshot, Watch};
use super::{
    BudgetFigures, MarkFigures, ProcessFigures, SizeClass, Summary, SummaryError, SummaryOptions, TagFigures,
    ThreadFigures,
};
use crate::estimate::{Sampling, Share, Spread};
use crate::stacks::{MOST_STACKS, Stacks};
use crate::{Block, Capture, Change, Held, Live};

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
    live_spread: Spread,
    peak: u64,
    peak_spread: Spread,
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

/// The most bytes that lived since the last mark, and what was asked for.
#[derive(Clone, Copy, Debug, Default)]
struct SinceMark {
    peak: u64,
    peak_spread: Spread,
    calls: u64,
    calls_spread: Spread,
}

struct Pass<'a> {
    options: &'a SummaryOptions,
    sampling: Sampling,
    live: Live,
    /// Blocks as they are in the file, and their bytes.
    recorded: Held,
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
    since_mark: SinceMark,
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
    let mut pass = Pass::new(options, &header, &names);
    let read = capture.events(|thread, event| pass.take(thread, &event))?;
    pass.end_window()?;
    let mut summary = pass.end();
    summary.read = read;
    summary.sample_bytes = header.sample_bytes;
    (summary.skipped, summary.complete) = (capture.skipped(), capture.is_complete());
    Ok(summary)
}

impl<'a> Pass<'a> {
    fn new(options: &'a SummaryOptions, header: &FileHeader, names: &BTreeMap<u32, String>) -> Self {
        let mut pass = Self {
            options,
            sampling: Sampling::new(header.sample_bytes),
            live: Live::new(),
            recorded: Held::default(),
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
            since_mark: SinceMark::default(),
            sizes: [SizeClass::default(); 65],
            lifetimes: [0; 65],
            process: ProcessFigures::default(),
            units_per_second: header.units_per_second,
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
        while let Some(block) = self.live.missed(time) {
            self.gone(&block, &self.sampling.share(&block), Gone::Unseen);
        }
        match self.live.take(thread, event) {
            Change::Made { block, lives } => self.made(&block, Made::New, lives),
            Change::Gone(Some(block)) => {
                let share = self.sampling.share(&block);
                let row = self.thread(thread);
                row.freed(share.blocks, &share.spread);
                if block.thread != thread {
                    row.frees_of_others = row.frees_of_others.saturating_add(share.blocks);
                }
                self.frames.row().freed(share.blocks);
                self.freed(&block, &share, time);
            }
            // Of what size it was, nobody knows.
            Change::Gone(None) => {
                self.thread(thread).freed(1, &Spread::default());
                self.frames.row().freed(1);
            }
            Change::Moved(block) => self.moved(&block),
            Change::Resized { before, block, lives } => {
                if let Some(before) = before {
                    self.gone(&before, &self.sampling.share(&before), Gone::Resized);
                }
                self.made(&block, Made::Resized, lives);
            }
            Change::None => self.tell(thread, time, &event.what),
        }
    }

    /// What neither makes a block nor ends one.
    fn tell(&mut self, thread: u32, time: u64, what: &What<'_>) {
        match *what {
            What::Frame { number } => {
                if let Some(row) = self.frames.begin(number, time, self.total.now().live_bytes) {
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
            What::HighWater { tag, bytes } => {
                let peak = &mut self.tag(tag).figures.peak_used;
                *peak = bytes.max(*peak);
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
        let (peak, time, share) = (self.peak, block.time, self.sampling.share(block));
        self.recorded.blocks += 1;
        self.recorded.bytes = self.recorded.bytes.saturating_add(block.size);
        self.total.made(peak, &share, how);
        let site = Self::site(&self.sites, block.stack);
        self.sites.entry(site).or_default().made(peak, &share, how);
        self.tag(block.tag).own.made(peak, &share, how);
        let moment = self.moment(time);
        self.change_nodes(block.tag, |node| {
            node.live = node.live.saturating_add(share.bytes);
            node.live_spread.add(&share.spread);
            if node.live > node.peak {
                (node.peak, node.peak_spread, node.moment) = (node.live, node.live_spread, moment);
            }
        });
        let class = &mut self.sizes[class_of(block.size)];
        class.blocks = class.blocks.saturating_add(share.blocks);
        class.bytes = class.bytes.saturating_add(share.bytes);
        class.live_blocks = class.live_blocks.saturating_add(share.blocks);
        self.thread(block.thread).made(&share, how == Made::New);
        let live = *self.total.now();
        let row = self.frames.row();
        row.made(&share, how == Made::New);
        row.peak_bytes = row.peak_bytes.max(live.live_bytes);
        let since = &mut self.since_mark;
        since.calls = since.calls.saturating_add(share.blocks);
        since.calls_spread.add(&share.spread);
        if live.live_bytes > since.peak {
            (since.peak, since.peak_spread) = (live.live_bytes, live.live_spread());
        }
        if live.live_bytes > self.peak_bytes {
            self.peak += 1;
            (self.peak_bytes, self.peak_moment) = (live.live_bytes, moment);
        }
        if !lives {
            self.passed_by += 1;
            self.freed(block, &share, time);
        }
    }

    fn freed(&mut self, block: &Block, share: &Share, time: u64) {
        let class = class_of(self.nanoseconds(time.saturating_sub(block.time)));
        self.lifetimes[class] = self.lifetimes[class].saturating_add(share.blocks);
        let temporary = self.frames.current().is_some_and(|(_, start)| block.time >= start);
        if temporary {
            self.frames.row().temporary(share.blocks);
        }
        self.gone(block, share, Gone::Freed { temporary });
    }

    fn gone(&mut self, block: &Block, share: &Share, how: Gone) {
        let peak = self.peak;
        self.total.gone(peak, share, how);
        let site = Self::site(&self.sites, block.stack);
        self.sites.entry(site).or_default().gone(peak, share, how);
        self.tag(block.tag).own.gone(peak, share, how);
        self.change_nodes(block.tag, |node| {
            node.live = node.live.saturating_sub(share.bytes);
            node.live_spread.remove(&share.spread);
        });
        let class = &mut self.sizes[class_of(block.size)].live_blocks;
        *class = class.saturating_sub(share.blocks);
    }

    /// Where it is matters to nobody; that it had to be copied does.
    fn moved(&mut self, block: &Block) {
        let share = self.sampling.share(block);
        self.total.moved(&share);
        let site = Self::site(&self.sites, block.stack);
        self.sites.entry(site).or_default().moved(&share);
        self.tag(block.tag).own.moved(&share);
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
        Snapshot::of(&self.live, self.moment(time), self.sampling, |block| self.owners(block))
    }

    /// The numbers of the tag and the call stack under which a block's figures are.
    fn owners(&self, block: &Block) -> (u32, u32) {
        let tag = Self::tag_number(self.untagged, block.tag);
        (if self.tags.contains_key(&tag) { tag } else { 0 }, Self::site(&self.sites, block.stack))
    }

    fn mark(&mut self, text: &str, time: u64) {
        let (from, to) = (self.options.from.as_deref(), self.options.to.as_deref());
        if self.window.is_ahead() && from == Some(text) {
            let snapshot = self.snapshot(time);
            self.window.open(snapshot);
        } else if self.window.is_open() && to == Some(text) {
            self.close_window(time);
        }
        let live = *self.total.now();
        let next =
            SinceMark { peak: live.live_bytes, peak_spread: live.live_spread(), ..SinceMark::default() };
        let since = core::mem::replace(&mut self.since_mark, next);
        if self.marks.len() == MOST_MARKS {
            self.marks_left_out += 1;
            return;
        }
        let Moment { frame, .. } = self.moment(time);
        self.marks.push(MarkFigures {
            text: text.to_owned(),
            time,
            frame,
            live_blocks: live.live_blocks,
            live_bytes: live.live_bytes,
            peak_bytes: since.peak,
            calls: since.calls,
            live_spread: live.live_spread(),
            peak_spread: since.peak_spread,
            calls_spread: since.calls_spread,
        });
    }

    fn close_window(&mut self, time: u64) {
        let to = self.snapshot(time);
        let mut window = std::mem::take(&mut self.window);
        window.close(&self.live, to, self.sampling, |block| self.owners(block));
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
            let Node { live, live_spread, peak: most, peak_spread, moment, committed, peak_committed } =
                &nodes[tag.nodes[0]];
            let mut figures = tag.figures;
            figures.own = tag.own.end(peak);
            (figures.live_bytes, figures.peak_bytes) = (*live, *most);
            (figures.live_spread, figures.peak_spread) = (*live_spread, *peak_spread);
            (figures.committed, figures.peak_committed) = (*committed, *peak_committed);
            (figures.peak_time, figures.peak_frame) = (moment.time, moment.frame);
            (number, figures)
        });
        let mut total = self.total.end(peak);
        total.peak_bytes = self.peak_bytes;
        let live = total.live_bytes;
        Summary {
            units_per_second: self.units_per_second,
            start,
            end,
            sample_bytes: 0,
            recorded: self.recorded,
            total,
            peak_time: self.peak_moment.time,
            peak_frame: self.peak_moment.frame,
            tags: tags.collect(),
            sites: self.sites.into_iter().map(|(stack, tally)| (stack, tally.end(peak))).collect(),
            threads: self.threads.into_iter().collect(),
            frames: self.frames.end(end, live),
            marks: self.marks,
            marks_left_out: self.marks_left_out,
            sizes: self.sizes,
            lifetimes: self.lifetimes,
            process: self.process,
            window: self.window.end(),
            lost: self.lost,
            unknown_frees: self.live.unknown_frees(),
            missed_frees: self.live.missed_frees(),
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
