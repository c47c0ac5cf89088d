//! What was done of late: rates of the last second, and a history in steps.

use std::collections::VecDeque;

use crate::estimate::Share;

/// Steps of the history in a second.
pub(super) const STEPS: u64 = 4;
/// Steps that are kept: somewhat more than two minutes.
const KEPT: usize = 512;

/// What was done in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rate {
    /// Calls that asked for memory: allocations and reallocations.
    pub calls: u64,
    /// Blocks that were given back.
    pub frees: u64,
    /// Bytes that were asked for.
    pub bytes: u64,
}

impl Rate {
    pub(super) fn made(&mut self, share: &Share) {
        self.calls = self.calls.saturating_add(share.blocks);
        self.bytes = self.bytes.saturating_add(share.bytes);
    }

    pub(super) fn freed(&mut self, blocks: u64) {
        self.frees = self.frees.saturating_add(blocks);
    }

    pub(super) fn and(&self, other: &Self) -> Self {
        Self {
            calls: self.calls.saturating_add(other.calls),
            frees: self.frees.saturating_add(other.frees),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }
}

/// What was done in this second and in the one before.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Recent {
    second: u64,
    now: Rate,
    last: Rate,
}

impl Recent {
    /// What is done in this second, which is none before the last one that was asked for.
    pub(super) fn at(&mut self, second: u64) -> &mut Rate {
        if second > self.second {
            self.last = if second - self.second == 1 { self.now } else { Rate::default() };
            self.now = Rate::default();
            self.second = second;
        }
        &mut self.now
    }

    /// What was done in the second before this one.
    pub(super) fn before(&self, second: u64) -> Rate {
        match second.saturating_sub(self.second) {
            0 => self.last,
            1 => self.now,
            _ => Rate::default(),
        }
    }
}

/// A step of the history: a quarter of a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Tick {
    /// Calls that asked for memory.
    pub calls: u64,
    /// Blocks that were given back.
    pub frees: u64,
    /// Bytes that were asked for.
    pub bytes: u64,
    /// The most bytes that lived meanwhile.
    pub peak_bytes: u64,
}

impl Tick {
    /// A block was made, and so many bytes live with it.
    pub(super) fn made(&mut self, share: &Share, live: u64) {
        self.calls = self.calls.saturating_add(share.blocks);
        self.bytes = self.bytes.saturating_add(share.bytes);
        self.peak_bytes = self.peak_bytes.max(live);
    }
}

/// Steps up to the one that goes on.
#[derive(Debug, Default)]
pub(super) struct History {
    /// Those that are over.
    steps: VecDeque<Tick>,
    now: Tick,
    step: u64,
}

impl History {
    /// Begins where the first event is.
    pub(super) fn begin(&mut self, step: u64) {
        self.step = step;
    }

    /// What is done now.
    pub(super) fn now(&mut self) -> &mut Tick {
        &mut self.now
    }

    /// Time passes up to this step, while so many bytes live.
    pub(super) fn passes(&mut self, step: u64, live_bytes: u64) {
        let passed = step.saturating_sub(self.step);
        for _ in 0..passed.min(KEPT as u64 + 1) {
            if self.steps.len() == KEPT {
                self.steps.pop_front();
            }
            self.steps.push_back(self.now);
            self.now = Tick { peak_bytes: live_bytes, ..Tick::default() };
        }
        self.step = self.step.max(step);
    }

    /// Those that are over, the latest one last.
    pub(super) fn over(&self) -> &VecDeque<Tick> {
        &self.steps
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_second_before() {
        let mut recent = Recent::default();
        recent.at(7).calls += 5;
        assert_eq!(recent.before(7).calls, 0, "this second goes on");
        assert_eq!((recent.before(8).calls, recent.before(9).calls), (5, 0));
        recent.at(8).calls += 2;
        assert_eq!((recent.before(8).calls, recent.before(9).calls), (5, 2));
        recent.at(11).calls += 1;
        assert_eq!((recent.before(11).calls, recent.before(12).calls), (0, 1));
        recent.at(3).calls += 1;
        assert_eq!(recent.before(12).calls, 2, "what comes late is of now");
        assert_eq!(recent.before(u64::MAX), Rate::default());
    }

    #[test]
    fn a_history_has_a_bound_and_gaps_are_filled() {
        let mut history = History::default();
        history.begin(100);
        history.now().calls = 3;
        history.passes(100, 9);
        assert!(history.over().is_empty());
        history.passes(103, 9);
        let calls: Vec<(u64, u64)> =
            history.over().iter().map(|tick| (tick.calls, tick.peak_bytes)).collect();
        assert_eq!(calls, [(3, 0), (0, 9), (0, 9)]);
        history.passes(50, 9);
        assert_eq!(history.over().len(), 3, "time does not go back");
        history.passes(u64::MAX, 1);
        assert_eq!(history.over().len(), KEPT);
    }
}
