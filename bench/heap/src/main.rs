//! Runs the same programs on every allocator, in turn, and compares time and memory.
//!
//! ```text
//! cargo run --release --manifest-path bench/heap/Cargo.toml --                        everything, with one thread and with two
//! … -- --only churn,tree --threads 1 --rounds 3 --allocators system,mimalloc3        some of it
//! … -- --instructions                                                                lengths of malloc and free
//! … -- --help
//! ```
//!
//! The allocators are the packages under `peers/`, one program each; whatever is there takes part. The workloads are in
//! the library `heap-workloads`, which all of them link.
//!
//! | module | what it does |
//! |---|---|
//! | [`options`] | what was asked for |
//! | [`peers`] | finds the allocators' programs and builds them |
//! | [`rounds`] | runs them in turn and checks their answers |
//! | [`compare`] | medians, ratios, means |
//! | [`report`] | tables |
//! | [`counts`], [`step`] | instructions of malloc and free |
//! | [`machine`] | what a reader has to know about the machine |

mod compare;
mod counts;
mod machine;
mod options;
mod peers;
mod report;
mod rounds;
mod step;
// Medians with intervals: the other benches' own, so that an interval means the same everywhere.
#[path = "../../src/stats.rs"]
mod stats;

use std::process::ExitCode;

use clap::Parser;
use serde::Serialize;

use compare::{Contest, Standing};
use counts::Count;
use machine::Machine;
use options::Options;
use peers::Peer;

/// What went wrong, in words for the user.
type Failure = String;

/// All that a run has found, for `--json`.
#[derive(Serialize)]
struct Findings {
    machine: Machine,
    /// The allocator that ratios are relative to.
    baseline: String,
    rounds: usize,
    /// Percent of the usual work.
    work: usize,
    clock: &'static str,
    allocators: Vec<Peer>,
    contests: Vec<Contest>,
    standings: Vec<Standing>,
    instructions: Vec<Count>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("heap-bench: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<(), Failure> {
    let (workloads, cases) = if options.instructions {
        (Vec::new(), options.cases()?)
    } else {
        (options.workloads()?, Vec::new())
    };
    let peers = peers::find(&options.allocators)?;
    let baseline = options.baseline(&peers)?;
    if !options.no_build {
        peers::build(&peers, options.jobs)?;
    }
    let mut findings = Findings {
        machine: Machine::look(),
        baseline: peers[baseline].name.clone(),
        rounds: options.rounds,
        work: options.work,
        clock: options.clock.name(),
        allocators: peers.clone(),
        contests: Vec::new(),
        standings: Vec::new(),
        instructions: Vec::new(),
    };
    findings.machine.print();
    if options.instructions {
        findings.instructions = counts::count(&peers, &cases)?;
        report::instructions(&peers, &cases, &findings.instructions);
    } else {
        for &threads in &options.threads {
            for workload in workloads.iter().filter(|workload| threads >= workload.least_threads) {
                let runs = rounds::run(&peers, workload, threads, options)?;
                let contest = Contest::of(workload, threads, &peers, baseline, runs, options.clock);
                report::contest(&contest, &peers, baseline);
                findings.contests.push(contest);
            }
        }
        findings.standings = compare::standings(&findings.contests, &peers, baseline);
        report::standings(&findings.standings, &peers, baseline);
    }
    if let Some(path) = &options.json {
        let text = serde_json::to_string_pretty(&findings).map_err(|error| error.to_string())?;
        std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}
