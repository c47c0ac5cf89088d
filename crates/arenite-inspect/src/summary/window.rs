//! Two moments of a recording: what lived at each, and what was made between them and stayed.

use std::collections::BTreeMap;

use super::frames::FrameRow;
use crate::estimate::{Sampling, Share, Spread};
use crate::{Block, Estimate, Live};

/// Blocks, and their bytes; of a sample, estimates.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Held {
    /// How many.
    pub blocks: u64,
    /// Bytes that were asked for.
    pub bytes: u64,
    /// How far both may be from the truth.
    pub spread: Spread,
}

impl Held {
    /// Both, with their intervals.
    #[must_use]
    pub fn estimate(&self) -> Estimate {
        self.spread.estimate(self.blocks as f64, self.bytes as f64)
    }

    /// Nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.blocks == 0 && self.bytes == 0
    }

    /// Both together.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        Self {
            blocks: self.blocks.saturating_add(other.blocks),
            bytes: self.bytes.saturating_add(other.bytes),
            spread: self.spread.and(&other.spread),
        }
    }

    pub(crate) fn add(&mut self, share: &Share) {
        self.blocks = self.blocks.saturating_add(share.blocks);
        self.bytes = self.bytes.saturating_add(share.bytes);
        self.spread.add(&share.spread);
    }

    pub(crate) fn remove(&mut self, share: &Share) {
        self.blocks = self.blocks.saturating_sub(share.blocks);
        self.bytes = self.bytes.saturating_sub(share.bytes);
        self.spread.remove(&share.spread);
    }
}

/// A moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// In units of time.
    pub time: u64,
    /// In which frame.
    pub frame: Option<u64>,
}

/// What lived at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// When.
    pub moment: Moment,
    /// All.
    pub total: Held,
    /// By tag, tags below it not included.
    pub tags: BTreeMap<u32, Held>,
    /// By call stack.
    pub sites: BTreeMap<u32, Held>,
}

impl Snapshot {
    /// O(blocks that live).
    pub(super) fn of(
        live: &Live,
        moment: Moment,
        sampling: Sampling,
        owners: impl Fn(&Block) -> (u32, u32),
    ) -> Self {
        let mut snapshot = Self { moment, ..Self::default() };
        for (_, block) in live.iter() {
            let share = sampling.share(block);
            snapshot.total.add(&share);
            let (tag, stack) = owners(block);
            snapshot.tags.entry(tag).or_default().add(&share);
            snapshot.sites.entry(stack).or_default().add(&share);
        }
        snapshot
    }
}

/// From one moment to another: the whole recording, or what two marks enclose.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Window {
    /// What lived when it began.
    pub from: Snapshot,
    /// What lived when it ended.
    pub to: Snapshot,
    /// What was made, or last resized, in between and lived at its end, by tag and call stack.
    pub stayed: BTreeMap<(u32, u32), Held>,
    /// What lived at both moments, by tag and call stack: in a sample it is in both or in none, so that it does not put off a difference.
    pub kept: BTreeMap<(u32, u32), Held>,
    /// Frames that began and ended in between, but for those of the warm-up.
    pub frames: u64,
    /// Of these the one that asked for memory most often.
    pub most_calls: Option<FrameRow>,
}

/// A window while events pass.
#[derive(Debug, Default)]
pub(super) struct Watch {
    window: Window,
    state: State,
    warm_up: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ahead,
    Open,
    Past,
}

impl Watch {
    pub(super) fn new(warm_up: u64) -> Self {
        Self { warm_up, ..Self::default() }
    }

    pub(super) fn is_ahead(&self) -> bool {
        self.state == State::Ahead
    }

    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// The window begins.
    pub(super) fn open(&mut self, from: Snapshot) {
        self.window.from = from;
        self.state = State::Open;
    }

    /// A frame has ended.
    pub(super) fn frame(&mut self, row: &FrameRow) {
        if self.state != State::Open || row.start < self.window.from.moment.time {
            return;
        }
        if self.warm_up > 0 {
            self.warm_up -= 1;
            return;
        }
        self.window.frames += 1;
        let worst = &mut self.window.most_calls;
        if worst.is_none_or(|worst| worst.calls() < row.calls()) {
            *worst = Some(*row);
        }
    }

    /// The window ends.
    pub(super) fn close(
        &mut self,
        live: &Live,
        to: Snapshot,
        sampling: Sampling,
        owners: impl Fn(&Block) -> (u32, u32),
    ) {
        let began = self.window.from.moment.time;
        let Window { stayed, kept, .. } = &mut self.window;
        for (_, block) in live.iter() {
            let held = if block.time >= began { &mut *stayed } else { &mut *kept };
            held.entry(owners(block)).or_default().add(&sampling.share(block));
        }
        self.window.to = to;
        self.state = State::Past;
    }

    pub(super) fn end(self) -> Window {
        self.window
    }
}
