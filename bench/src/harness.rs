//! Checks that all competitors give the same answer, then times them in turns.

use std::time::Instant;

use crate::stats::{Estimate, median};

/// Rounds of each competitor, so pairs of each ratio.
const ROUNDS: usize = 101;

/// Rounds that are run and forgotten, until caches, pages and the branch predictor know the work.
const WARM_UP: usize = 3;

/// Runs the workloads whose name contains `filter`.
pub(crate) fn run(workloads: &[(&str, fn())], filter: &str) {
    let chosen: Vec<_> = workloads.iter().filter(|(name, _)| name.contains(filter)).collect();
    if chosen.is_empty() {
        let names: Vec<_> = workloads.iter().map(|(name, _)| *name).collect();
        eprintln!("no workload has {filter:?} in its name; there are: {}", names.join(", "));
        return;
    }
    crate::facts::print();
    for (_, workload) in chosen {
        workload();
    }
}

/// One program that does the work.
pub(crate) struct Competitor<'w> {
    name: &'static str,
    ours: bool,
    /// What it computed when it was checked.
    answer: u64,
    /// Runs before each round and is not timed.
    prepare: Box<dyn FnMut() + 'w>,
    /// One round of [`Contest::operations`] operations.
    round: Box<dyn FnMut() + 'w>,
}

/// A bar that a change must not fall behind: `ours` needs at most `times` the time of `peer`.
struct Bar {
    ours: &'static str,
    peer: &'static str,
    times: f64,
}

/// A workload and all that compete in it.
pub(crate) struct Contest<'w> {
    name: &'static str,
    /// What one operation is.
    unit: &'static str,
    /// Operations in a round.
    operations: usize,
    competitors: Vec<Competitor<'w>>,
    bars: Vec<Bar>,
}

impl<'w> Contest<'w> {
    pub(crate) fn new(name: &'static str, unit: &'static str, operations: usize) -> Self {
        Self { name, unit, operations, competitors: Vec::new(), bars: Vec::new() }
    }

    /// Adds one of ours.
    pub(crate) fn ours(self, name: &'static str, answer: u64, round: impl FnMut() + 'w) -> Self {
        self.with(name, true, answer, round)
    }

    /// Adds one of theirs.
    pub(crate) fn peer(self, name: &'static str, answer: u64, round: impl FnMut() + 'w) -> Self {
        self.with(name, false, answer, round)
    }

    fn with(mut self, name: &'static str, ours: bool, answer: u64, round: impl FnMut() + 'w) -> Self {
        let (prepare, round) = (Box::new(|| ()), Box::new(round));
        self.competitors.push(Competitor { name, ours, answer, prepare, round });
        self
    }

    /// What the competitor that was added last does before each round, untimed.
    pub(crate) fn prepare(mut self, prepare: impl FnMut() + 'w) -> Self {
        let last = self.competitors.last_mut().expect("a competitor that prepares");
        last.prepare = Box::new(prepare);
        self
    }

    /// `ours` should need at most `times` the time of `peer`.
    pub(crate) fn bar(mut self, ours: &'static str, peer: &'static str, times: f64) -> Self {
        self.bars.push(Bar { ours, peer, times });
        self
    }

    /// Checks, times and prints.
    ///
    /// # Panics
    /// Two competitors do not give the same answer, or a bar names nobody.
    pub(crate) fn run(mut self) {
        println!("## {} (per {})", self.name, self.unit);
        self.check();
        let times = self.time();
        let per_operation: Vec<f64> =
            times.iter().map(|rounds| median(rounds) / self.operations as f64).collect();
        for (competitor, nanoseconds) in self.competitors.iter().zip(&per_operation) {
            let who = if competitor.ours { "ours" } else { "peer" };
            println!("  {who}  {:<34} {nanoseconds:>10.2} ns", competitor.name);
        }
        for (one, ours) in self.competitors.iter().enumerate().filter(|(_, it)| it.ours) {
            for (other, peer) in self.competitors.iter().enumerate().filter(|(_, it)| !it.ours) {
                let ratio = ratio(&times[one], &times[other]);
                let tie = if ratio.is_tie() { "  tie" } else { "" };
                println!(
                    "  {} / {}: {:.3} [{:.3}, {:.3}]{tie}",
                    ours.name, peer.name, ratio.median, ratio.low, ratio.high
                );
            }
        }
        for bar in &self.bars {
            let ratio = ratio(&times[self.index(bar.ours)], &times[self.index(bar.peer)]);
            println!("  bar: {} <= {} x {}: {}", bar.ours, bar.times, bar.peer, verdict(ratio, bar.times));
        }
        println!();
    }

    fn check(&self) {
        let expected = self.competitors[0].answer;
        for competitor in &self.competitors {
            assert_eq!(
                competitor.answer, expected,
                "{}: {} disagrees with {}",
                self.name, competitor.name, self.competitors[0].name
            );
        }
    }

    /// Nanoseconds of each round of each competitor. Every other time the order is turned round, so that nobody
    /// always follows the same neighbour.
    fn time(&mut self) -> Vec<Vec<f64>> {
        let mut times = vec![Vec::with_capacity(ROUNDS); self.competitors.len()];
        for round in 0..WARM_UP + ROUNDS {
            for turn in 0..self.competitors.len() {
                let index = if round % 2 == 0 { turn } else { self.competitors.len() - 1 - turn };
                (self.competitors[index].prepare)();
                let start = Instant::now();
                (self.competitors[index].round)();
                let spent = start.elapsed();
                if round >= WARM_UP {
                    times[index].push(spent.as_nanos() as f64);
                }
            }
        }
        times
    }

    fn index(&self, name: &str) -> usize {
        let found = self.competitors.iter().position(|competitor| competitor.name == name);
        found.unwrap_or_else(|| panic!("{}: a bar names {name}, who does not compete", self.name))
    }
}

/// The ratio of each pair of rounds that ran side by side.
fn ratio(ours: &[f64], peer: &[f64]) -> Estimate {
    let ratios: Vec<f64> = ours.iter().zip(peer).map(|(ours, peer)| ours / peer).collect();
    Estimate::of(&ratios)
}

/// A bar of 1.0 means "never slower": a tie meets it. Any other bar must be reached by the whole interval.
fn verdict(ratio: Estimate, bar: f64) -> &'static str {
    let decisive = if bar == 1.0 { ratio.low } else { ratio.high };
    if decisive <= bar {
        "met"
    } else if ratio.low > bar {
        "LOST"
    } else {
        "undecided"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tie_meets_never_slower_and_half_an_interval_meets_nothing() {
        let around_one = Estimate { median: 1.01, low: 0.98, high: 1.03 };
        assert_eq!(verdict(around_one, 1.0), "met");
        assert_eq!(verdict(around_one, 1.02), "undecided");
        assert_eq!(verdict(around_one, 0.9), "LOST");
        assert_eq!(verdict(around_one, 1.1), "met");
    }

    #[test]
    fn everybody_gets_all_rounds() {
        let (mut one, mut other) = (0, 0);
        let mut contest =
            Contest::new("test", "call", 1).ours("one", 7, || one += 1).peer("other", 7, || other += 1);
        contest.check();
        let times = contest.time();
        assert!(times.iter().all(|rounds| rounds.len() == ROUNDS));
        drop(contest);
        assert_eq!((one, other), (WARM_UP + ROUNDS, WARM_UP + ROUNDS));
    }

    #[test]
    #[should_panic(expected = "disagrees")]
    fn a_wrong_answer_is_not_timed() {
        Contest::new("test", "call", 1).ours("one", 7, || ()).peer("other", 8, || panic!("timed")).run();
    }
}
