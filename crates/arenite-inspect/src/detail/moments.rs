//! Moments whose figures are kept: the beginning, marks, what is evenly spaced between them, the peak, the end.

use std::collections::BTreeSet;

use crate::summary::{Held, Moment, Summary};

/// What makes a moment one to look at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum MomentKind {
    /// Nothing was recorded yet.
    #[default]
    Beginning,
    /// The program marked it, with this text.
    Mark(String),
    /// A frame began.
    Frame,
    /// So much time had passed, in a program without frames.
    Time,
    /// Most bytes lived.
    Peak,
    /// The last event was over.
    End,
}

/// What lived at a moment.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DetailMoment {
    /// Why it is kept.
    pub kind: MomentKind,
    /// When it was.
    pub moment: Moment,
    /// All.
    pub total: Held,
    /// By the place of the call stack, in order; those that have nothing are left out.
    pub sites: Vec<(u32, Held)>,
    /// The same by the place of the tag, tags below it not included.
    pub tags: Vec<(u32, Held)>,
}

impl DetailMoment {
    /// What a call stack had, by its place.
    #[must_use]
    pub fn site(&self, site: u32) -> Held {
        let place = self.sites.binary_search_by_key(&site, |(place, _)| *place);
        place.map_or_else(|_| Held::default(), |place| self.sites[place].1)
    }
}

/// Which moments are kept, as a pass meets them.
#[derive(Debug)]
pub(super) struct Plan {
    /// Marks, counted from 0.
    marks: BTreeSet<u64>,
    /// Frames, counted from 0, at whose beginning a moment is kept.
    frames: BTreeSet<u64>,
    /// Times.
    times: BTreeSet<u64>,
}

impl Plan {
    /// At most so many, half of them marks if there are as many; the rest of a program's frames, or of its time if it tells none.
    pub(super) fn new(summary: &Summary, most: usize) -> Self {
        let marks = summary.marks.len() as u64;
        let of_marks = if marks as usize <= most { marks } else { most.div_ceil(2) as u64 };
        let others = (most as u64 - of_marks).min(16.max(most as u64 / 2));
        let mut plan =
            Self { marks: spread(marks, of_marks), frames: BTreeSet::new(), times: BTreeSet::new() };
        let last = summary.frames.last.map_or(0, |_| summary.frames.count + 1);
        if last > 0 {
            // Beginnings of frames; the first one is often the end of loading.
            plan.frames = spread(last, others.min(last));
        } else {
            let length = summary.end.saturating_sub(summary.start);
            let at = |part: u64| (u128::from(length) * u128::from(part) / u128::from(others + 1)) as u64;
            plan.times =
                (1..=others).map(|part| summary.start + at(part)).filter(|_| length > others).collect();
        }
        plan
    }

    /// Whether this mark is one of them.
    pub(super) fn has_mark(&self, number: u64) -> bool {
        self.marks.contains(&number)
    }

    /// Whether the beginning of this frame is one of them.
    pub(super) fn has_frame(&self, number: u64) -> bool {
        self.frames.contains(&number)
    }

    /// The next time that is reached now, if one is.
    pub(super) fn reaches(&mut self, time: u64) -> Option<u64> {
        self.times.first().copied().filter(|next| *next <= time).inspect(|next| {
            self.times.remove(next);
        })
    }
}

/// So many of these numbers, the first and the last among them.
fn spread(numbers: u64, wanted: u64) -> BTreeSet<u64> {
    match wanted {
        0 => BTreeSet::new(),
        1 => BTreeSet::from([0]),
        _ => (0..wanted)
            .map(|part| (u128::from(numbers - 1) * u128::from(part) / u128::from(wanted - 1)) as u64)
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_spread_from_the_first_to_the_last() {
        for numbers in [1u64, 2, 3, 10, 1000, u64::MAX] {
            for wanted in [0u64, 1, 2, 3, 10] {
                let wanted = wanted.min(numbers);
                let found = spread(numbers, wanted);
                assert_eq!(found.len() as u64, wanted, "{wanted} of {numbers}");
                assert!(wanted < 1 || found.first() == Some(&0));
                assert!(wanted < 2 || found.last() == Some(&(numbers - 1)));
            }
        }
    }
}
