//! The second pass over the events.

use std::collections::BTreeSet;
use std::io::{Read, Seek};

use arenite::record::format::events::{Event, What};
use hashbrown::HashMap;

use super::map::HeapMap;
use super::moments::{DetailMoment, MomentKind, Plan};
use super::rows::{DetailRow, RowKind, Uses};
use super::{Detail, DetailOptions, DetailSite};
use crate::estimate::{Sampling, Share};
use crate::summary::{Figures, FrameRow, Held, Moment, Summary};
use crate::{Block, Capture, Change, Live, ReadError};

pub(super) fn read<F: Read + Seek>(
    capture: &mut Capture<F>,
    summary: &Summary,
    options: &DetailOptions,
) -> Result<Detail, ReadError> {
    let mut pass = Pass::new(summary, options);
    capture.events(|thread, event| pass.take(thread, &event))?;
    Ok(pass.end())
}

struct Pass<'a> {
    summary: &'a Summary,
    options: &'a DetailOptions,
    sampling: Sampling,
    live: Live,
    /// Places of call stacks, and of tags; who is not among them is at place 0.
    places: HashMap<u32, u32>,
    tag_places: HashMap<u32, u32>,
    sites: Vec<DetailSite>,
    tags: Vec<Option<u32>>,
    untagged: u32,
    /// Bytes that each call stack made under each tag, if it made any block, a row for each of the former.
    made_under: Vec<Option<u64>>,
    /// What lives, by place.
    held: Vec<Held>,
    held_by_tag: Vec<Held>,
    total: Held,
    /// The row that goes on: of a frame, and of those before it that belong to the same row.
    frame: FrameRow,
    frame_uses: Uses,
    row: Option<FrameRow>,
    row_uses: Uses,
    /// Frames that began.
    began: u64,
    worst_starts: BTreeSet<(u64, u64)>,
    rows: Vec<DetailRow>,
    worst: Vec<DetailRow>,
    plan: Plan,
    marks: u64,
    moments: Vec<DetailMoment>,
    peak: Option<HeapMap>,
}

impl<'a> Pass<'a> {
    fn new(summary: &'a Summary, options: &'a DetailOptions) -> Self {
        let sites = chosen_sites(summary, options.sites);
        let places = sites.iter().zip(0..).filter_map(|(site, place)| Some((site.stack?, place))).collect();
        let tags = chosen_tags(summary, options.tags);
        let tag_places = tags.iter().zip(0..).filter_map(|(tag, place)| Some(((*tag)?, place))).collect();
        let frames = &summary.frames;
        let worst = frames.most_calls.iter().chain(&frames.most_bytes);
        Self {
            summary,
            options,
            sampling: Sampling::new(summary.sample_bytes),
            live: Live::new(),
            places,
            tag_places,
            untagged: untagged(summary),
            made_under: vec![None; sites.len() * tags.len()],
            held: vec![Held::default(); sites.len()],
            held_by_tag: vec![Held::default(); tags.len()],
            total: Held::default(),
            frame: FrameRow::default(),
            frame_uses: Uses::new(sites.len()),
            row: None,
            row_uses: Uses::new(sites.len()),
            began: 0,
            worst_starts: worst.map(|row| (row.number, row.start)).collect(),
            rows: Vec::new(),
            worst: Vec::new(),
            plan: Plan::new(summary, options.moments),
            marks: 0,
            moments: vec![DetailMoment {
                moment: Moment { time: summary.start, frame: None },
                ..DetailMoment::default()
            }],
            peak: None,
            sites,
            tags,
        }
    }

    /// Whether the program tells frames.
    fn has_frames(&self) -> bool {
        self.summary.frames.last.is_some()
    }

    fn site(&self, stack: u32) -> u32 {
        self.places.get(&stack).copied().unwrap_or(0)
    }

    fn tag(&self, tag: u32) -> u32 {
        let number = if tag == 0 { self.untagged } else { tag };
        self.tag_places.get(&number).copied().unwrap_or(0)
    }

    fn take(&mut self, thread: u32, event: &Event<'_>) {
        let time = event.time;
        while self.plan.reaches(time).is_some() {
            self.keep_moment(MomentKind::Time, time);
        }
        if !self.has_frames() {
            self.slice(time);
        }
        while let Some(block) = self.live.missed(time) {
            self.gone(&block, &self.sampling.share(&block));
        }
        match self.live.take(thread, event) {
            Change::Made { block, lives } => self.made(&block, true, lives),
            Change::Gone(Some(block)) => {
                let share = self.sampling.share(&block);
                self.frame.freed(share.blocks);
                self.freed(&block, &share);
            }
            Change::Gone(None) => self.frame.freed(1),
            Change::Resized { before, block, lives } => {
                if let Some(before) = before {
                    self.gone(&before, &self.sampling.share(&before));
                }
                self.made(&block, false, lives);
            }
            Change::Moved(_) | Change::None => self.tell(time, &event.what),
        }
    }

    /// What neither makes a block nor ends one.
    fn tell(&mut self, time: u64, what: &What<'_>) {
        match *what {
            What::Frame { number } => self.frame(number, time),
            What::Mark { text } => {
                if self.plan.has_mark(self.marks) {
                    self.keep_moment(MomentKind::Mark(text.to_owned()), time);
                }
                self.marks += 1;
            }
            What::Used { bytes, .. } => self.frame.used_bytes = self.frame.used_bytes.saturating_add(bytes),
            _ => {}
        }
    }

    fn made(&mut self, block: &Block, new: bool, lives: bool) {
        let share = self.sampling.share(block);
        let (site, tag) = (self.site(block.stack), self.tag(block.tag));
        let made = &mut self.made_under[site as usize * self.tags.len() + tag as usize];
        *made = Some(made.unwrap_or(0).saturating_add(share.bytes));
        self.frame_uses.of(site).made(&share);
        self.frame.made(&share, new);
        for held in [&mut self.held[site as usize], &mut self.held_by_tag[tag as usize], &mut self.total] {
            held.add(&share);
        }
        self.frame.peak_bytes = self.frame.peak_bytes.max(self.total.bytes);
        if self.peak.is_none() && self.total.bytes == self.summary.total.peak_bytes && self.total.bytes > 0 {
            self.peak = Some(self.map());
            self.keep_moment(MomentKind::Peak, block.time);
        }
        if !lives {
            self.freed(block, &share);
        }
    }

    fn freed(&mut self, block: &Block, share: &Share) {
        if self.began > 0 && block.time >= self.frame.start {
            self.frame.temporary(share.blocks);
            let site = self.site(block.stack);
            self.frame_uses.of(site).temporary(share);
        }
        self.gone(block, share);
    }

    fn gone(&mut self, block: &Block, share: &Share) {
        let (site, tag) = (self.site(block.stack), self.tag(block.tag));
        for held in [&mut self.held[site as usize], &mut self.held_by_tag[tag as usize], &mut self.total] {
            held.remove(share);
        }
    }

    fn map(&self) -> HeapMap {
        let blocks = self.live.iter().map(|(address, block)| (address, block.size, self.tag(block.tag)));
        HeapMap::of(blocks, self.options.cells)
    }

    fn keep_moment(&mut self, kind: MomentKind, time: u64) {
        fn some(held: &[Held]) -> Vec<(u32, Held)> {
            (0..).zip(held.iter().copied()).filter(|(_, held)| !held.is_empty()).collect()
        }
        let frame = (self.began > 0).then_some(self.frame.number);
        self.moments.push(DetailMoment {
            kind,
            moment: Moment { time, frame },
            total: self.total,
            sites: some(&self.held),
            tags: some(&self.held_by_tag),
        });
    }

    /// A frame begins.
    fn frame(&mut self, number: u64, time: u64) {
        let lives = self.total.bytes;
        let next = FrameRow { number, frames: 1, start: time, end: time, ..FrameRow::default() };
        let next = FrameRow { live_bytes: lives, peak_bytes: lives, ..next };
        let mut ended = std::mem::replace(&mut self.frame, next);
        (ended.end, ended.live_bytes) = (time, lives);
        self.began += 1;
        if self.began == 1 {
            self.rows.push(self.frame_uses.row(RowKind::Before, ended, self.options.per_row));
            self.frame_uses.clear();
        } else {
            self.frame_ended(ended);
        }
        if self.plan.has_frame(self.began - 1) {
            self.keep_moment(MomentKind::Frame, time);
        }
    }

    fn frame_ended(&mut self, ended: FrameRow) {
        let most = self.options.per_row;
        if self.worst_starts.contains(&(ended.number, ended.start)) {
            self.worst.push(self.frame_uses.row(RowKind::Frames, ended, most));
        }
        self.frame_uses.pour(&mut self.row_uses);
        let row = self.row.map_or(ended, |row| row.and(&ended));
        if row.frames < self.summary.frames.per_row {
            self.row = Some(row);
        } else {
            self.row_ended(row);
        }
    }

    fn row_ended(&mut self, row: FrameRow) {
        self.row = None;
        self.rows.push(self.row_uses.row(RowKind::Frames, row, self.options.per_row));
        self.row_uses.clear();
    }

    /// Slices that end before this time.
    fn slice(&mut self, time: u64) {
        while self.rows.len() + 1 < self.options.slices && time >= self.slice_start(self.rows.len() + 1) {
            let end = self.slice_start(self.rows.len() + 1);
            self.slice_ended(end);
        }
    }

    fn slice_ended(&mut self, end: u64) {
        let number = self.rows.len() as u64;
        let lives = self.total.bytes;
        let next = FrameRow { peak_bytes: lives, ..FrameRow::default() };
        let mut row = std::mem::replace(&mut self.frame, next);
        (row.number, row.start, row.end, row.live_bytes) =
            (number, self.slice_start(self.rows.len()), end, lives);
        self.rows.push(self.frame_uses.row(RowKind::Slice, row, self.options.per_row));
        self.frame_uses.clear();
    }

    fn slice_start(&self, slice: usize) -> u64 {
        let Summary { start, end, .. } = *self.summary;
        let length = u128::from(end.saturating_sub(start));
        start + (length * slice as u128 / self.options.slices as u128) as u64
    }

    fn end(mut self) -> Detail {
        let end = self.summary.end;
        if self.has_frames() {
            if let Some(row) = self.row {
                self.row_ended(row);
            }
            let last = FrameRow { end, live_bytes: self.total.bytes, ..self.frame };
            self.rows.push(self.frame_uses.row(RowKind::Last, last, self.options.per_row));
        } else if self.summary.read.events > 0 {
            self.slice_ended(end);
        }
        self.keep_moment(MomentKind::End, end);
        for (site, made) in self.sites.iter_mut().zip(self.made_under.chunks(self.tags.len())) {
            site.tags = (0..).zip(made).filter_map(|(tag, made)| Some((tag, (*made)?))).collect();
        }
        Detail {
            end: self.map(),
            sites: self.sites,
            tags: self.tags,
            rows: self.rows,
            worst: self.worst,
            moments: self.moments,
            peak: self.peak,
        }
    }
}

/// Place 0, and behind it the call stacks that have most of something, in order of their numbers.
fn chosen_sites(summary: &Summary, most: usize) -> Vec<DetailSite> {
    let mut chosen: BTreeSet<u32> = BTreeSet::new();
    let mut stacks: Vec<u32> = summary.sites.keys().copied().collect();
    if stacks.len() > most {
        let measures: [fn(&Figures) -> u64; 6] = [
            |site| site.live_bytes,
            |site| site.bytes_at_peak,
            |site| site.bytes,
            Figures::calls,
            |site| site.temporary_bytes,
            |site| site.peak_bytes,
        ];
        for measure in measures {
            let order = |stack: &u32| (std::cmp::Reverse(measure(&summary.sites[stack])), *stack);
            let share = most / measures.len();
            stacks.select_nth_unstable_by_key(share, order);
            chosen.extend(&stacks[..share]);
        }
        // What is left of the room is for those that ask for most.
        stacks.sort_unstable_by_key(|stack| (std::cmp::Reverse(summary.sites[stack].bytes), *stack));
    }
    for stack in stacks {
        if chosen.len() >= most {
            break;
        }
        chosen.insert(stack);
    }
    let mut sites = vec![DetailSite::default()];
    for (stack, figures) in &summary.sites {
        if chosen.contains(stack) {
            sites.push(DetailSite {
                stack: Some(*stack),
                stacks: 1,
                figures: *figures,
                ..DetailSite::default()
            });
        } else {
            sites[0].stacks += 1;
            sites[0].figures = sites[0].figures.and(figures);
        }
    }
    sites
}

/// The tag to which the summary gives what is under none.
fn untagged(summary: &Summary) -> u32 {
    let registered = summary.tags.range(..Summary::UNNUMBERED).rev();
    let mut named = registered.filter(|(_, tag)| tag.name == "untagged");
    named.next().map_or(0, |(number, _)| *number)
}

/// Place 0, and behind it the tags under which most was done, the first ones first.
fn chosen_tags(summary: &Summary, most: usize) -> Vec<Option<u32>> {
    let done = summary.tags.iter().filter(|(_, tag)| tag.own.calls() > 0);
    let mut tags: Vec<u32> = done.map(|(number, _)| *number).collect();
    tags.sort_by_key(|tag| {
        let own = &summary.tags[tag].own;
        (std::cmp::Reverse((own.peak_bytes, own.bytes)), *tag)
    });
    tags.truncate(most);
    std::iter::once(None).chain(tags.into_iter().map(Some)).collect()
}
