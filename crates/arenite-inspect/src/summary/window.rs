//! Two moments of a recording: what lived at each, and what was made between them and stayed.

use std::collections::BTreeMap;

use super::frames::FrameRow;
use crate::{Block, Live};

/// Blocks, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// How many.
    pub blocks: u64,
    /// Bytes that were asked for.
    pub bytes: u64,
}

impl Held {
    pub(super) fn add(&mut self, size: u64) {
        self.blocks += 1;
        self.bytes = self.bytes.saturating_add(size);
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
#[derive(Clone, Debug, Default, PartialEq, Eq)]
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
    pub(super) fn of(live: &Live, moment: Moment, owners: impl Fn(&Block) -> (u32, u32)) -> Self {
        let mut snapshot = Self { moment, ..Self::default() };
        for (_, block) in live.iter() {
            snapshot.total.add(block.size);
            let (tag, stack) = owners(block);
            snapshot.tags.entry(tag).or_default().add(block.size);
            snapshot.sites.entry(stack).or_default().add(block.size);
        }
        snapshot
    }
}

/// From one moment to another: the whole recording, or what two marks enclose.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Window {
    /// What lived when it began.
    pub from: Snapshot,
    /// What lived when it ended.
    pub to: Snapshot,
    /// What was made, or last resized, in between and lived at its end, by tag and call stack.
    pub stayed: BTreeMap<(u32, u32), Held>,
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
    pub(super) fn close(&mut self, live: &Live, to: Snapshot, owners: impl Fn(&Block) -> (u32, u32)) {
        let began = self.window.from.moment.time;
        for (_, block) in live.iter().filter(|(_, block)| block.time >= began) {
            self.window.stayed.entry(owners(block)).or_default().add(block.size);
        }
        self.window.to = to;
        self.state = State::Past;
    }

    pub(super) fn end(self) -> Window {
        self.window
    }
}
