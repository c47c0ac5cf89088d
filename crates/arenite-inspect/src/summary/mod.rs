//! What a recording comes to: one pass over its events, in the memory of what lives, of stacks, tags and a bounded number of frames.
//!
//! ```text
//!   Summary::read ─ names of tags ─ pass (every event) ─► tally   sums of a site, a tag, of all; what each had at the peak
//!                                       ├─ frames   a row for each frame, merged when there are too many
//!                                       └─ window   what lived at two moments, and what was made between them and stayed
//! ```

mod frames;
mod pass;
mod tally;
mod window;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{Read, Seek};

pub use frames::{FrameRow, Frames};
pub use tally::Figures;
pub use window::{Held, Moment, Snapshot, Window};

use crate::estimate::{Share, Spread};
use crate::stacks::Stacks;
use crate::{CallStack, Capture, Estimate, ReadError, ReadSummary};

/// What of a summary can be chosen.
#[derive(Clone, Debug)]
#[must_use]
pub struct SummaryOptions {
    frames: usize,
    from: Option<String>,
    to: Option<String>,
    warm_up: u64,
}

impl Default for SummaryOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl SummaryOptions {
    /// Up to 16384 rows of frames; the window is the whole recording.
    pub const fn new() -> Self {
        Self { frames: 1 << 14, from: None, to: None, warm_up: 0 }
    }

    /// Keeps at most so many rows of frames, two at the least. When there are more, each row is of two frames, then of four.
    pub const fn frames(mut self, rows: usize) -> Self {
        self.frames = rows;
        self
    }

    /// The [window](Window) begins at the first mark of this text.
    pub fn from(mut self, mark: impl Into<String>) -> Self {
        self.from = Some(mark.into());
        self
    }

    /// The [window](Window) ends at the first mark of this text behind its beginning.
    pub fn to(mut self, mark: impl Into<String>) -> Self {
        self.to = Some(mark.into());
        self
    }

    /// So many frames of the window, from its beginning on, are not among its worst.
    pub const fn warm_up(mut self, frames: u64) -> Self {
        self.warm_up = frames;
        self
    }
}

/// Why there is no summary.
#[derive(Debug)]
#[non_exhaustive]
pub enum SummaryError {
    /// The capture can not be read.
    Read(ReadError),
    /// No mark has this text, or none behind the one at which the window begins.
    NoMark {
        /// The text.
        text: String,
    },
}

impl fmt::Display for SummaryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::NoMark { text } => {
                write!(
                    f,
                    "the capture has no mark \"{text}\", or none behind the one that it is compared with"
                )
            }
        }
    }
}

impl std::error::Error for SummaryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            Self::NoMark { .. } => None,
        }
    }
}

impl From<ReadError> for SummaryError {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// A tag, and what was done under it.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct TagFigures {
    /// Its path, `scene/textures`; `(tag 7)` if its name is not told, `(no tag)` for what is under none, if the program has no tag
    /// `untagged` for that.
    pub name: String,
    /// What was done under it, tags below it not included.
    pub own: Figures,
    /// Bytes that live at the end, those of tags below it included.
    pub live_bytes: u64,
    /// The most bytes that lived, those of tags below it included; of a sample the highest estimate, so that it is above the truth
    /// more often than below.
    pub peak_bytes: u64,
    /// How far what lives may be from the truth, that of tags below it included.
    pub live_spread: Spread,
    /// How far [`peak_bytes`](Self::peak_bytes) may be from what lived then.
    pub peak_spread: Spread,
    /// When that was, in units of time.
    pub peak_time: u64,
    /// In which frame that was.
    pub peak_frame: Option<u64>,
    /// Blocks it had before the recording, of which nothing else is known.
    pub before_blocks: u64,
    /// Bytes of those.
    pub before_bytes: u64,
    /// Bytes of memory that its arenas, pools and heaps have at the end, those of tags below it included, as far as that was
    /// recorded.
    pub committed: i64,
    /// The most that they had.
    pub peak_committed: i64,
    /// What it, with all below it, may have of memory, as it was last; `None` if no budget was ever told.
    pub budget: Option<BudgetFigures>,
    /// The most that its arenas handed out in one frame; 0 if none said so.
    pub most_used: u64,
    /// The most that was in use at once of the memory of its arenas, pools and heaps, those of tags below it not included, as they
    /// published it while there were frames: when they grew, were cleared, or were told to.
    pub peak_used: u64,
}

/// What a tag and all below it may have of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetFigures {
    /// Bytes.
    pub limit: u64,
    /// What goes beyond is refused.
    pub hard: bool,
    /// Bytes from which on it warns.
    pub warning: Option<u64>,
}

impl BudgetFigures {
    /// What an event says; `None` if there is no limit.
    pub(crate) fn told(limit: Option<u64>, hard: bool, warning: Option<u64>) -> Option<Self> {
        limit.map(|limit| Self { limit, hard, warning })
    }
}

/// What the process had of the machine's memory, and the ledger's part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcessFigures {
    /// Bytes in the machine's memory, whoever has them: code, libraries and threads' stacks, too.
    pub resident: u64,
    /// The most, as far as it was looked.
    pub peak_resident: u64,
    /// Bytes of memory that tags have, all together.
    pub committed: u64,
    /// The most.
    pub peak_committed: u64,
}

impl ProcessFigures {
    /// Bytes in memory that no tag has: at the least, since memory that tags have may not be in the machine's.
    #[must_use]
    pub fn untracked(&self) -> u64 {
        self.resident.saturating_sub(self.committed)
    }

    pub(crate) fn commits(&mut self, bytes: i64) {
        self.committed = self.committed.saturating_add_signed(bytes);
        self.peak_committed = self.peak_committed.max(self.committed);
    }

    pub(crate) fn resident(&mut self, bytes: u64) {
        (self.resident, self.peak_resident) = (bytes, self.peak_resident.max(bytes));
    }
}

/// A thread, and what it did.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct ThreadFigures {
    /// Its name, if it has one.
    pub name: Option<String>,
    /// Blocks that it was handed.
    pub allocs: u64,
    /// Blocks that it resized.
    pub reallocs: u64,
    /// Blocks that it gave back, whoever made them.
    pub frees: u64,
    /// Of these, those that another thread had made.
    pub frees_of_others: u64,
    /// Bytes that it asked for.
    pub bytes: u64,
    /// How far what it asked for may be from the truth.
    pub spread: Spread,
    freed_spread: Spread,
}

impl ThreadFigures {
    /// Calls that asked for memory, and their bytes, each with its interval.
    #[must_use]
    pub fn asked(&self) -> Estimate {
        self.spread.estimate(self.allocs.saturating_add(self.reallocs) as f64, self.bytes as f64)
    }

    /// How far [`frees`](Self::frees) may be from the truth.
    #[must_use]
    pub fn frees_within(&self) -> u64 {
        self.freed_spread.blocks_within(self.frees)
    }

    fn made(&mut self, share: &Share, new: bool) {
        let calls = if new { &mut self.allocs } else { &mut self.reallocs };
        *calls = calls.saturating_add(share.blocks);
        self.bytes = self.bytes.saturating_add(share.bytes);
        self.spread.add(&share.spread);
    }

    fn freed(&mut self, blocks: u64, spread: &Spread) {
        self.frees = self.frees.saturating_add(blocks);
        self.freed_spread.add(spread);
    }
}

/// A moment that the program marked.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct MarkFigures {
    /// Its name.
    pub text: String,
    /// When, in units of time.
    pub time: u64,
    /// In which frame.
    pub frame: Option<u64>,
    /// Blocks that lived.
    pub live_blocks: u64,
    /// Bytes that lived.
    pub live_bytes: u64,
    /// The most bytes that lived since the mark before this one.
    pub peak_bytes: u64,
    /// Blocks that were handed out or resized since the mark before this one.
    pub calls: u64,
    /// How far what lived may be from the truth.
    pub live_spread: Spread,
    /// How far [`peak_bytes`](Self::peak_bytes) may be from what lived then.
    pub peak_spread: Spread,
    /// How far [`calls`](Self::calls) may be from the truth.
    pub calls_spread: Spread,
}

/// Blocks of a power of two of sizes or times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SizeClass {
    /// Blocks that were made of such a size, by an allocation or a reallocation.
    pub blocks: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Those that live at the end.
    pub live_blocks: u64,
}

/// What a recording comes to.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Summary {
    /// Units of time in a second.
    pub units_per_second: u64,
    /// When the first event was.
    pub start: u64,
    /// When the last event was.
    pub end: u64,
    /// 0 if every block was recorded; otherwise one was for so many bytes, on average, and all figures of blocks are estimates of the
    /// whole, rounded. Those that are added up have a [`Spread`], which tells their interval.
    pub sample_bytes: u64,
    /// What was recorded: allocations and reallocations, and their bytes, as they are in the file.
    pub recorded: Held,
    /// All together. Its peak is the peak: `peak_bytes` is `bytes_at_peak`.
    pub total: Figures,
    /// When most bytes lived.
    pub peak_time: u64,
    /// In which frame that was.
    pub peak_frame: Option<u64>,
    /// By the number of the tag; 0 is none, if there is no tag `untagged`, to which it belongs otherwise. A tag that only has tags below it, and no number, has one from
    /// [`UNNUMBERED`](Self::UNNUMBERED) on.
    pub tags: BTreeMap<u32, TagFigures>,
    /// By the number of the call stack; 0 if it is not known.
    pub sites: BTreeMap<u32, Figures>,
    /// By the number of the thread, in this file.
    pub threads: BTreeMap<u32, ThreadFigures>,
    /// By frame.
    pub frames: Frames,
    /// The program's marks, up to 4096 of them.
    pub marks: Vec<MarkFigures>,
    /// Marks beyond these.
    pub marks_left_out: u64,
    /// Blocks by size: at place `n` those of less than 2ⁿ bytes, and not of less than half.
    pub sizes: [SizeClass; 65],
    /// Blocks that were given back, by how long they had lived since they were made or last resized: at place `n` those of less than
    /// 2ⁿ nanoseconds, and not of less than half.
    pub lifetimes: [u64; 65],
    /// The process; its resident memory is 0 if it was never told.
    pub process: ProcessFigures,
    /// Two moments, and what was made between them and stayed.
    pub window: Window,
    /// Events that the recorder dropped, because they were not written in time.
    pub lost: u64,
    /// Frees of blocks that were made before the recording, or while it was paused, or whose making was lost.
    pub unknown_frees: u64,
    /// Blocks that went without a word, in a pause or because events were dropped: others had their places later.
    pub missed_frees: u64,
    /// How often the recording was paused.
    pub pauses: u64,
    /// Call stacks that were left out, because there were more than two million, or their frames more than thirty million.
    pub stacks_left_out: u64,
    /// Blocks that were left out, because there were too many at once, and those that were told a moment after their free.
    pub passed_by: u64,
    /// How the file was read.
    pub read: ReadSummary,
    /// Bytes of the file that could not be read at all.
    pub skipped: u64,
    /// Whether the recording came to its end.
    pub complete: bool,
    stacks: Stacks,
}

impl Summary {
    /// Numbers from here on are of tags that the program did not register, and that only have tags below them.
    pub const UNNUMBERED: u32 = 0x8000_0000;

    /// Reads a capture once, in O(events).
    ///
    /// # Errors
    /// [`SummaryError`]. What is damaged is left out, and counted.
    pub fn read<F: Read + Seek>(
        capture: &mut Capture<F>,
        options: &SummaryOptions,
    ) -> Result<Self, SummaryError> {
        pass::read(capture, options)
    }

    /// A call stack, by its number.
    #[must_use]
    pub fn stack(&self, number: u32) -> CallStack<'_> {
        self.stacks.get(number)
    }

    /// A time as seconds since the first event.
    #[must_use]
    pub fn seconds(&self, time: u64) -> f64 {
        time.saturating_sub(self.start) as f64 / self.units_per_second as f64
    }

    /// Whether nothing is missing: the recording came to its end, no event was dropped and no byte of the file is damaged.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        self.complete && self.lost == 0 && self.read.damaged == 0 && self.skipped == 0
    }

    /// Blocks and bytes from before the recording, all tags together.
    #[must_use]
    pub fn before(&self) -> Held {
        let mut held = Held::default();
        for tag in self.tags.values() {
            held.blocks = held.blocks.saturating_add(tag.before_blocks);
            held.bytes = held.bytes.saturating_add(tag.before_bytes);
        }
        held
    }

    /// The tag of this name, with its number.
    #[must_use]
    pub fn tag(&self, name: &str) -> Option<(u32, &TagFigures)> {
        self.tags.iter().find(|(_, tag)| tag.name == name).map(|(number, tag)| (*number, tag))
    }

    /// Whether a tag is the one at this path, or below it.
    #[must_use]
    pub fn is_within(&self, tag: u32, path: &str) -> bool {
        self.tags.get(&tag).is_some_and(|tag| is_below(&tag.name, path))
    }
}

/// Whether a path is this one, or below it.
fn is_below(name: &str, path: &str) -> bool {
    name.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
