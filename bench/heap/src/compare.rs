//! Medians, ratios and means of what the rounds gave.
//!
//! Every ratio is "theirs / the baseline's": above 1 the baseline is faster or smaller. Ratios of time are taken round by
//! round, of two processes that ran one after the other, and have an interval; those of memory are ratios of medians.

use heap_workloads::work::Workload;
use serde::Serialize;

use crate::options::Clock;
use crate::peers::Peer;
use crate::rounds::Run;
use crate::stats::{Estimate, median};

/// A ratio with the interval that holds it in 95 of 100 repetitions.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Ratio {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Ratio {
    /// Of each round of one and the same round of the other.
    fn of(theirs: &[f64], ours: &[f64]) -> Self {
        let ratios: Vec<f64> = theirs.iter().zip(ours).map(|(theirs, ours)| theirs / ours).collect();
        let Estimate { median, low, high } = Estimate::of(&ratios);
        Self { median, low, high }
    }

    /// Whether the rounds can not tell the two apart.
    fn is_tie(self) -> bool {
        let Self { median, low, high } = self;
        Estimate { median, low, high }.is_tie()
    }
}

/// One allocator in one workload.
#[derive(Serialize)]
pub(crate) struct Entry {
    pub(crate) allocator: String,
    /// Median by the clock that was chosen.
    pub(crate) seconds: f64,
    /// Time / the baseline's.
    pub(crate) time: Ratio,
    /// Time / that of the fastest.
    pub(crate) behind: Ratio,
    /// Processor time / time that passed: how many threads really ran at the same time.
    pub(crate) parallel: f64,
    /// Medians, in bytes.
    pub(crate) peak: Option<f64>,
    pub(crate) resident: Option<f64>,
    pub(crate) anonymous: Option<f64>,
    pub(crate) settled: Option<f64>,
    pub(crate) runs: Vec<Run>,
}

/// One workload with one number of threads.
#[derive(Serialize)]
pub(crate) struct Contest {
    pub(crate) workload: &'static str,
    pub(crate) about: &'static str,
    pub(crate) threads: usize,
    pub(crate) timed: bool,
    /// In the order of the peers.
    pub(crate) entries: Vec<Entry>,
}

impl Contest {
    /// From the runs of each peer.
    pub(crate) fn of(
        workload: &Workload,
        threads: usize,
        peers: &[Peer],
        baseline: usize,
        runs: Vec<Vec<Run>>,
        clock: Clock,
    ) -> Self {
        let time = |run: &Run| if clock == Clock::Wall { run.seconds } else { run.cpu };
        let times: Vec<Vec<f64>> = runs.iter().map(|runs| runs.iter().map(time).collect()).collect();
        let medians: Vec<f64> = times.iter().map(|times| median(times)).collect();
        let fastest = place_of_least(&medians);
        let entries = runs
            .into_iter()
            .enumerate()
            .map(|(index, runs)| Entry {
                allocator: peers[index].name.clone(),
                seconds: medians[index],
                time: Ratio::of(&times[index], &times[baseline]),
                behind: Ratio::of(&times[index], &times[fastest]),
                parallel: median(&runs.iter().map(|run| run.cpu / run.seconds).collect::<Vec<f64>>()),
                peak: middle(&runs, |run| run.peak),
                resident: middle(&runs, |run| run.resident),
                anonymous: middle(&runs, |run| run.anonymous),
                settled: middle(&runs, |run| run.settled),
                runs,
            })
            .collect();
        Self { workload: workload.name, about: workload.about, threads, timed: workload.timed, entries }
    }

    /// The fastest, and all that can not be told from it.
    pub(crate) fn fastest(&self) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .filter(|entry| entry.behind.is_tie() || entry.behind.median <= 1.0)
            .map(|entry| entry.allocator.as_str())
    }

    /// The one with the smallest peak, and all within one per cent.
    pub(crate) fn smallest(&self) -> impl Iterator<Item = &str> {
        let least = self.least_peak();
        self.entries
            .iter()
            .filter(move |entry| entry.peak.zip(least).is_some_and(|(peak, least)| peak <= least * 1.01))
            .map(|entry| entry.allocator.as_str())
    }

    fn least_peak(&self) -> Option<f64> {
        self.entries.iter().filter_map(|entry| entry.peak).min_by(f64::total_cmp)
    }
}

/// One allocator over all workloads with one number of threads, or with any.
#[derive(Debug, Serialize)]
pub(crate) struct Standing {
    /// `None`: all contests.
    pub(crate) threads: Option<usize>,
    pub(crate) allocator: String,
    /// Workloads with a time.
    pub(crate) timed: usize,
    /// Geometric mean of time / the baseline's.
    pub(crate) time: Option<f64>,
    /// Workloads in which it is the fastest or can not be told from it.
    pub(crate) wins: usize,
    /// Where it is behind the fastest by most, and how many times its time it takes.
    pub(crate) worst: Option<(f64, String)>,
    /// Geometric means of memory / the baseline's, all workloads.
    pub(crate) peak: Option<f64>,
    pub(crate) resident: Option<f64>,
    pub(crate) settled: Option<f64>,
    /// Where its peak is above the smallest by most.
    pub(crate) largest: Option<(f64, String)>,
}

/// For each number of threads, and for all together if there are several, all peers in their order.
pub(crate) fn standings(contests: &[Contest], peers: &[Peer], baseline: usize) -> Vec<Standing> {
    let mut groups: Vec<Option<usize>> = Vec::new();
    for contest in contests {
        if !groups.contains(&Some(contest.threads)) {
            groups.push(Some(contest.threads));
        }
    }
    if groups.len() > 1 {
        groups.push(None);
    }
    let mut standings = Vec::new();
    for threads in groups {
        let chosen: Vec<&Contest> = contests
            .iter()
            .filter(|contest| threads.is_none_or(|threads| contest.threads == threads))
            .collect();
        standings.extend((0..peers.len()).map(|index| standing(&chosen, threads, index, baseline)));
    }
    standings
}

fn standing(contests: &[&Contest], threads: Option<usize>, index: usize, baseline: usize) -> Standing {
    let timed: Vec<&&Contest> = contests.iter().filter(|contest| contest.timed).collect();
    let memory = |value: fn(&Entry) -> Option<f64>| {
        let ratios: Option<Vec<f64>> = contests
            .iter()
            .map(|contest| Some(value(&contest.entries[index])? / value(&contest.entries[baseline])?))
            .collect();
        ratios.and_then(|ratios| geometric_mean(&ratios))
    };
    let name = |contest: &Contest| match threads {
        Some(_) => contest.workload.to_owned(),
        None => format!("{} with {}", contest.workload, contest.threads),
    };
    let most = |ratios: Vec<(f64, String)>| ratios.into_iter().max_by(|one, other| one.0.total_cmp(&other.0));
    let behind = timed.iter().map(|contest| (contest.entries[index].behind.median, name(contest))).collect();
    let above = contests
        .iter()
        .filter_map(|contest| Some((contest.entries[index].peak? / contest.least_peak()?, name(contest))))
        .collect();
    let allocator = contests[0].entries[index].allocator.clone();
    Standing {
        threads,
        timed: timed.len(),
        time: geometric_mean(
            &timed.iter().map(|contest| contest.entries[index].time.median).collect::<Vec<f64>>(),
        ),
        wins: timed.iter().filter(|contest| contest.fastest().any(|name| name == allocator)).count(),
        worst: most(behind),
        peak: memory(|entry| entry.peak),
        resident: memory(|entry| entry.resident),
        settled: memory(|entry| entry.settled),
        largest: most(above),
        allocator,
    }
}

/// `None` of nothing.
fn geometric_mean(values: &[f64]) -> Option<f64> {
    let logarithms: f64 = values.iter().map(|value| value.ln()).sum();
    (!values.is_empty()).then(|| (logarithms / values.len() as f64).exp())
}

/// The median of a figure that every run has.
fn middle(runs: &[Run], value: fn(&Run) -> Option<u64>) -> Option<f64> {
    let values: Option<Vec<f64>> = runs.iter().map(|run| value(run).map(|bytes| bytes as f64)).collect();
    values.map(|values| median(&values))
}

fn place_of_least(values: &[f64]) -> usize {
    (0..values.len()).min_by(|one, other| values[*one].total_cmp(&values[*other])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use heap_workloads::work::WORKLOADS;

    use super::*;

    fn runs(seconds: &[f64], peak: Option<u64>) -> Vec<Run> {
        seconds
            .iter()
            .map(|seconds| Run {
                seconds: *seconds,
                cpu: seconds * 1.5,
                checksum: String::new(),
                peak,
                resident: peak,
                anonymous: None,
                settled: None,
            })
            .collect()
    }

    /// Three allocators: the baseline, one that takes half its time and twice its memory, one that ties with that.
    fn contest(workload: usize, threads: usize) -> (Contest, Vec<Peer>) {
        let peers: Vec<Peer> = ["base", "fast", "tied"]
            .map(|name| Peer { name: name.to_owned(), dependency: String::new() })
            .to_vec();
        let all = vec![
            runs(&[2.0, 2.2, 1.8], Some(100)),
            runs(&[1.0, 1.1, 0.9], Some(200)),
            runs(&[1.1, 1.0, 0.95], Some(100)),
        ];
        (Contest::of(&WORKLOADS[workload], threads, &peers, 0, all, Clock::Wall), peers)
    }

    #[test]
    fn ratios_are_theirs_by_the_baselines() {
        let (contest, _) = contest(0, 1);
        assert_eq!(contest.entries[0].time.median, 1.0);
        assert!((contest.entries[1].time.median - 0.5).abs() < 1e-9);
        assert!((contest.entries[0].behind.median - 2.0).abs() < 1e-9);
        assert!((contest.entries[0].parallel - 1.5).abs() < 1e-9);
        assert_eq!(contest.fastest().collect::<Vec<_>>(), ["fast", "tied"]);
        assert_eq!(contest.smallest().collect::<Vec<_>>(), ["base", "tied"]);
    }

    #[test]
    fn standings_are_by_threads_and_together() {
        let (one, peers) = contest(0, 1);
        let (two, _) = contest(1, 2);
        let standings = standings(&[one, two], &peers, 0);
        let groups: Vec<Option<usize>> = standings.iter().map(|standing| standing.threads).collect();
        assert_eq!(groups, [[Some(1); 3], [Some(2); 3], [None; 3]].concat());
        let fast = &standings[7];
        assert_eq!((fast.allocator.as_str(), fast.timed, fast.wins), ("fast", 2, 2));
        assert!((fast.time.expect("two times") - 0.5).abs() < 1e-9);
        assert!((fast.peak.expect("two peaks") - 2.0).abs() < 1e-9);
        assert_eq!(fast.settled, None, "nobody waited");
        assert_eq!(fast.largest.as_ref().map(|(ratio, _)| *ratio), Some(2.0));
        assert_eq!(standings[6].wins, 0);
    }

    #[test]
    fn the_mean_of_a_half_and_its_double_is_one() {
        assert!((geometric_mean(&[0.5, 2.0]).expect("two") - 1.0).abs() < 1e-12);
        assert_eq!(geometric_mean(&[]), None);
    }
}
