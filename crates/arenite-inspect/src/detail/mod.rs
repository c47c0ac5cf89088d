//! What a page shows of a recording beyond its sums: a second pass over the events, for which the [`Summary`] is known.
//!
//! ```text
//!   Summary ─► which call stacks and tags have a place, which frames make a row, when the peak was
//!      │
//!      └─ pass (every event) ─┬─ rows      what each frame, or slice of time, did, and which call stacks did most of it
//!                             ├─ moments   what each call stack had at up to so many moments
//!                             └─ map       where live blocks are, at the peak and at the end
//! ```
//!
//! Nothing but a sample is estimated: because the first pass tells where rows begin and when the peak is, each figure is exact (of a sample: the summary's), and only its
//! owner may be "all others". The memory is that of what lives, and of tables whose size [`DetailOptions`] bounds.

mod map;
mod moments;
mod pass;
mod rows;

use std::io::{Read, Seek};

pub use map::{HeapMap, MapCell};
pub use moments::{DetailMoment, MomentKind};
pub use rows::{DetailRow, RowKind, SiteUse};

use crate::summary::{Figures, Held, Summary};
use crate::{Capture, ReadError};

/// How large the tables of a [`Detail`] may be.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct DetailOptions {
    sites: usize,
    tags: usize,
    slices: usize,
    per_row: usize,
    moments: usize,
    cells: usize,
}

impl Default for DetailOptions {
    fn default() -> Self {
        Self::new()
    }
}

impl DetailOptions {
    /// 3000 call stacks, 250 tags, 512 slices of time, 12 call stacks of each kind in a row, 48 moments, 16384 cells of a map.
    pub const fn new() -> Self {
        Self { sites: 3000, tags: 250, slices: 512, per_row: 12, moments: 48, cells: 1 << 14 }
    }

    /// So many call stacks have figures of their own; the others share place 0.
    pub const fn sites(mut self, most: usize) -> Self {
        self.sites = most;
        self
    }

    /// So many tags have figures of their own, 250 at the most; the others share place 0.
    pub const fn tags(mut self, most: usize) -> Self {
        self.tags = if most > map::MOST_TAGS { map::MOST_TAGS } else { most };
        self
    }

    /// A program without frames is shown in so many slices of time, one at the least. How many rows frames have, the summary's
    /// [`frames`](crate::SummaryOptions::frames) decides.
    pub const fn slices(mut self, most: usize) -> Self {
        self.slices = if most == 0 { 1 } else { most };
        self
    }

    /// Of each row so many call stacks are kept by bytes, as many by calls, and as many by what they made that went in its frame.
    pub const fn per_row(mut self, most: usize) -> Self {
        self.per_row = most;
        self
    }

    /// So many moments, besides the beginning, the peak and the end: marks first, in between what is evenly spaced.
    pub const fn moments(mut self, most: usize) -> Self {
        self.moments = most;
        self
    }

    /// A map has at most so many cells, 16 at the least; they grow until it is so.
    pub const fn cells(mut self, most: usize) -> Self {
        self.cells = if most < 16 { 16 } else { most };
        self
    }
}

/// A call stack with a place in the tables.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DetailSite {
    /// Its number, for [`Summary::stack`]; none at place 0, which is all that have no place of their own.
    pub stack: Option<u32>,
    /// How many call stacks are added up here: 1, but for place 0.
    pub stacks: u64,
    /// What the summary says of it. At place 0 `peak_bytes` is not told.
    pub figures: Figures,
    /// Bytes that it asked for under each tag, by places in [`Detail::tags`], in order; tags under which it made no block are left out.
    pub tags: Vec<(u32, u64)>,
}

/// What a page shows of a recording beyond its sums. Tags and call stacks are told by their places in [`tags`](Self::tags) and
/// [`sites`](Self::sites); place 0 of both is everything that has no place of its own.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Detail {
    /// Call stacks.
    pub sites: Vec<DetailSite>,
    /// Numbers of tags in the summary; none at place 0.
    pub tags: Vec<Option<u32>>,
    /// What was before the first frame, then frames (as many in a row as the summary says), then what the last one did; or, of a
    /// program that tells no frames, slices of time.
    pub rows: Vec<DetailRow>,
    /// The worst frames, of which the summary has a row each, in order of time.
    pub worst: Vec<DetailRow>,
    /// Moments in order of time: the first is the beginning, the last the end.
    pub moments: Vec<DetailMoment>,
    /// Where blocks were when most bytes lived; none if no block was made.
    pub peak: Option<HeapMap>,
    /// Where the blocks are that live at the end.
    pub end: HeapMap,
}

impl Detail {
    /// Reads a capture once more, in O(events).
    ///
    /// The summary must be of the same capture. If it is of another one, figures are those of neither, but nothing worse happens.
    ///
    /// # Errors
    /// [`ReadError::File`]. What is damaged is left out, as in the summary.
    pub fn read<F: Read + Seek>(
        capture: &mut Capture<F>,
        summary: &Summary,
        options: &DetailOptions,
    ) -> Result<Self, ReadError> {
        pass::read(capture, summary, options)
    }

    /// What all moments that are kept say of this call stack, in order.
    #[must_use]
    pub fn held_at_moments(&self, site: u32) -> Vec<Held> {
        self.moments.iter().map(|moment| moment.site(site)).collect()
    }
}
