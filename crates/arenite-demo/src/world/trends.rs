//! Where the memory is going: a sample of each tag after each frame.

use arenite::{Tag, Trend, os};

use super::leak::Marks;
use super::memory::tag;
use crate::config::Config;
use crate::error::DemoError;
use crate::outcome::TrendOutcome;

/// What is looked at: the arenas and the general heap by their committed memory, the marks by what lives. (The caches fill up to
/// their budgets and stay there; that is no trend to warn of.)
const WATCHED: [&str; 7] = ["wad", "scene", "game", "frame", "jobs", "scratch", "heap"];

/// A trend for each tag, and one for all of them. Feeding them allocates nothing.
#[derive(Debug)]
pub(super) struct Trends {
    all: Trend,
    tags: Vec<(Tag, Trend)>,
    /// Of the tag of the leak, if there is one.
    marks: Option<Trend>,
}

impl Trends {
    /// For a run of this configuration: short ones get a window that they can fill.
    pub(super) fn start(config: &Config) -> Result<Self, DemoError> {
        let frames = u64::from(config.frames) * u64::from(config.scenes);
        let trend = Trend::with_window((frames * 3 / 4).clamp(64, 480) as u32);
        let mut tags = Vec::with_capacity(WATCHED.len());
        for name in WATCHED {
            tags.push((tag(name)?, trend.clone()));
        }
        Ok(Self { marks: (config.leak > 0).then(|| trend.clone()), all: trend, tags })
    }

    /// Takes the sample of a frame.
    pub(super) fn frame(&mut self, marks: Option<&Marks>) {
        let now = os::monotonic_ns();
        let mut sum = 0;
        for (tag, trend) in &mut self.tags {
            let committed = tag.account().subtree.committed as u64;
            trend.push(now, committed);
            sum += committed;
        }
        if let (Some(trend), Some(marks)) = (&mut self.marks, marks) {
            let live = marks.live();
            trend.push(now, live);
            sum += live;
        }
        self.all.push(now, sum);
    }

    /// What they say.
    pub(super) fn outcome(&self) -> Vec<TrendOutcome> {
        let tags = self.tags.iter().map(|(tag, trend)| (tag.name(), trend));
        let marks = self.marks.iter().map(|trend| (super::leak::TAG, trend));
        let all = std::iter::once(("all", &self.all)).chain(tags).chain(marks);
        all.map(|(name, trend)| outcome(name, trend)).collect()
    }
}

fn outcome(name: &str, trend: &Trend) -> TrendOutcome {
    let reading = trend.reading();
    TrendOutcome {
        name: name.to_owned(),
        direction: reading.direction.to_string(),
        confidence: reading.confidence,
        bytes_per_second: reading.bytes_per_second,
        bytes_per_frame: reading.bytes_per_frame,
        line: reading.to_string(),
    }
}
