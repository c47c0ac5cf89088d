//! Tables for people. Machines read `--json`.

use heap_workloads::pins::Case;

use crate::compare::{Contest, Entry, Standing};
use crate::counts::Count;
use crate::peers::Peer;

/// Below this many threads at a time, what a workload of several threads measures is not what it is meant to.
const PARALLEL: f64 = 1.3;

/// How far above the smallest a peak may be, and behind the fastest a time.
const MARGIN: f64 = 1.10;

/// One workload: times, peaks, what is left.
pub(crate) fn contest(contest: &Contest, peers: &[Peer], baseline: usize) {
    let Contest { workload, about, threads, timed, entries } = contest;
    let ours = &entries[baseline];
    println!("## {workload}, {}: {about}", of_threads(*threads));
    let base = format!("x {}", peers[baseline].name);
    if *timed {
        println!(
            "  {:<12} {:>9}  {base:<22} {:>9} {:>6} {:>9} {:>6}",
            "", "seconds", "peak MiB", "x", "left MiB", "x"
        );
    } else {
        println!("  {:<12} {:>12} {base:<12} {:>13}", "", "resident MiB", "anonymous MiB");
    }
    for entry in entries {
        let name = &entry.allocator;
        if *timed {
            let ratio = format!("{:.3} [{:.3}, {:.3}]", entry.time.median, entry.time.low, entry.time.high);
            println!(
                "  {name:<12} {:>9.4}  {ratio:<22} {:>9} {:>6} {:>9} {:>6}{}",
                entry.seconds,
                mebibytes(entry.peak),
                times(entry.peak, ours.peak),
                mebibytes(entry.resident),
                times(entry.resident, ours.resident),
                settled(entry, ours),
            );
        } else {
            let ratio = times(entry.resident, ours.resident);
            println!(
                "  {name:<12} {:>12} {ratio:<12} {:>13}",
                mebibytes(entry.resident),
                mebibytes(entry.anonymous)
            );
        }
    }
    let smallest: Vec<&str> = contest.smallest().collect();
    if *timed {
        let fastest: Vec<&str> = contest.fastest().collect();
        println!("  fastest: {}; smallest peak: {}", fastest.join(" = "), smallest.join(" = "));
        let parallel = entries.iter().map(|entry| entry.parallel).fold(f64::MAX, f64::min);
        if *threads > 1 && parallel < PARALLEL {
            println!(
                "  CAUTION: only {parallel:.1} threads ran at a time; threads that do not meet show no contention"
            );
        }
    } else {
        println!("  smallest: {}", smallest.join(" = "));
    }
    println!();
}

/// What is left after the time of `--settle`, if that was asked for.
fn settled(entry: &Entry, ours: &Entry) -> String {
    entry.settled.map_or_else(String::new, |_| {
        format!("  settled {} MiB, x {}", mebibytes(entry.settled), times(entry.settled, ours.settled).trim())
    })
}

/// Means over all workloads, and whether the baseline reaches what the general heap is meant to.
pub(crate) fn standings(standings: &[Standing], peers: &[Peer], baseline: usize) {
    for group in standings.chunks(peers.len()) {
        let threads = group[0].threads.map_or_else(|| "all contests".to_owned(), of_threads);
        println!("## Geometric means, {threads}, x {}", peers[baseline].name);
        println!(
            "  {:<12} {:>6} {:>8}  {:<26} {:>6} {:>6}  {:<26}",
            "", "time", "fastest", "most behind the fastest", "peak", "left", "largest peak / smallest"
        );
        for standing in group {
            let wins = format!("{} of {}", standing.wins, standing.timed);
            let settled =
                standing.settled.map_or_else(String::new, |settled| format!("  settled {settled:.3}"));
            println!(
                "  {:<12} {:>6} {wins:>8}  {:<26} {:>6} {:>6}  {:<26}{settled}",
                standing.allocator,
                ratio(standing.time),
                extreme(standing.worst.as_ref()),
                ratio(standing.peak),
                ratio(standing.resident),
                extreme(standing.largest.as_ref()),
            );
        }
        bars(group, baseline);
        println!();
    }
}

/// The bars that the general heap has to reach, for whoever is the baseline.
fn bars(group: &[Standing], baseline: usize) {
    let ours = &group[baseline];
    let others = || group.iter().enumerate().filter(|(index, _)| *index != baseline).map(|(_, other)| other);
    let named = |is_better: &dyn Fn(&Standing) -> bool| {
        others()
            .filter(|other| is_better(other))
            .map(|other| other.allocator.as_str())
            .collect::<Vec<_>>()
            .join(", ")
    };
    if ours.time.is_some() && others().next().is_some() {
        let ahead = named(&|other| other.time.is_some_and(|time| time <= 1.0));
        verdict(ahead.is_empty(), "time ahead of every peer", &ahead);
        if let Some((worst, workload)) = &ours.worst {
            verdict(
                *worst <= MARGIN,
                "no workload more than 10 % behind the fastest",
                &format!("{workload}: {worst:.3}"),
            );
        }
    }
    if ours.peak.is_some() {
        let smaller = named(&|other| other.peak.is_some_and(|peak| peak * MARGIN < 1.0));
        verdict(smaller.is_empty(), "peak within 10 % of the smallest", &smaller);
    }
}

fn verdict(met: bool, bar: &str, who: &str) {
    if met {
        println!("  bar: {bar}: met");
    } else {
        println!("  bar: {bar}: NOT MET ({who})");
    }
}

/// Instructions of malloc and free: a row for each allocator, a column for each case.
pub(crate) fn instructions(peers: &[Peer], cases: &[&Case], counts: &[Count]) {
    println!("## Instructions of malloc / free (mean)");
    print!("  {:<12}", "");
    cases.iter().for_each(|case| print!(" {:>15}", case.name));
    println!();
    for peer in peers {
        print!("  {:<12}", peer.name);
        for case in cases {
            let count = counts.iter().find(|count| count.allocator == peer.name && count.case == case.name);
            let cell = count
                .map_or_else(String::new, |count| format!("{:.1}/{:.1}", count.malloc.mean, count.free.mean));
            print!(" {cell:>15}");
        }
        println!();
    }
    print!("  {:<12}", "fewest");
    for case in cases {
        let least = counts
            .iter()
            .filter(|count| count.case == case.name)
            .min_by(|one, other| one.sum().total_cmp(&other.sum()));
        print!(" {:>15}", least.map_or("", |count| &count.allocator));
    }
    println!();
}

fn of_threads(threads: usize) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}

fn mebibytes(bytes: Option<f64>) -> String {
    bytes.map_or_else(|| "?".to_owned(), |bytes| format!("{:.1}", bytes / f64::from(1 << 20)))
}

fn times(theirs: Option<f64>, ours: Option<f64>) -> String {
    ratio(theirs.zip(ours).map(|(theirs, ours)| theirs / ours))
}

fn ratio(value: Option<f64>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| format!("{value:.3}"))
}

fn extreme(value: Option<&(f64, String)>) -> String {
    value.map_or_else(|| "?".to_owned(), |(ratio, workload)| format!("{ratio:.2} ({workload})"))
}
