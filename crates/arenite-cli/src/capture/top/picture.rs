//! All figures of one moment: what is drawn.

use arenite_inspect::{Activity, FrameRow, MarkFigures, ProcessFigures, SizeClass, TagRow, ThreadRow, Tick};

/// Rows of a list that are shown at the most.
pub(super) const MOST_ROWS: usize = 1000;

/// How the recording goes on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Status {
    /// It is being made.
    #[default]
    Live,
    /// What is in the file already is being read.
    Reading,
    /// The program has paused it.
    Paused,
    /// It came to its end.
    Ended,
    /// Nobody writes it any more, and it did not come to its end.
    Left,
    /// It can not be followed any further.
    Failed(String),
}

impl Status {
    /// Whether nothing more is to come.
    pub(super) fn is_final(&self) -> bool {
        matches!(self, Self::Ended | Self::Left | Self::Failed(_))
    }
}

/// A call site.
#[derive(Clone, Debug, Default)]
pub(super) struct SiteRow {
    pub(super) stack: u32,
    pub(super) activity: Activity,
    /// Its innermost function; none as long as it is being looked up.
    pub(super) name: Option<String>,
}

/// All figures of one moment.
#[derive(Clone, Debug, Default)]
pub(super) struct Picture {
    pub(super) file: String,
    pub(super) process: u32,
    pub(super) status: Status,
    /// Since the first event.
    pub(super) seconds: f64,
    pub(super) units_per_second: u64,
    /// One block is recorded for so many bytes, and figures are estimates; 0: every one.
    pub(super) sample_bytes: u64,
    pub(super) total: Activity,
    pub(super) history: Vec<Tick>,
    /// By name.
    pub(super) tags: Vec<TagRow>,
    /// What is allowed of live bytes, by name of the tag: as whoever looks says. What the program says is in the tags.
    pub(super) budgets: Vec<(String, u64)>,
    /// As they were asked for: see [`State::sort`](super::state::State).
    pub(super) sites: Vec<SiteRow>,
    pub(super) site_count: usize,
    /// The last ones, in order.
    pub(super) frames: Vec<FrameRow>,
    pub(super) frame_count: u64,
    pub(super) worst_frame: Option<FrameRow>,
    pub(super) threads: Vec<ThreadRow>,
    /// The last ones, in order, with their seconds.
    pub(super) marks: Vec<(f64, MarkFigures)>,
    pub(super) sizes: Vec<SizeClass>,
    pub(super) memory: ProcessFigures,
    /// What a reader of the figures must know: a line each.
    pub(super) warnings: Vec<String>,
}

impl Picture {
    /// A time as milliseconds.
    pub(super) fn millis(&self, units: u64) -> f64 {
        units as f64 * 1e3 / self.units_per_second.max(1) as f64
    }

    /// What a tag has of what it is allowed, and what that is: of live bytes if whoever looks has said so, or else of memory, as the
    /// program has.
    pub(super) fn budget(&self, tag: &TagRow) -> Option<(u64, u64)> {
        let said = self.budgets.iter().find(|(name, _)| *name == tag.name);
        let own = || Some((u64::try_from(tag.committed).unwrap_or(0), tag.budget?.limit));
        said.map(|(_, bytes)| (tag.live_bytes, *bytes)).or_else(own)
    }
}
