//! What was asked for.

use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use heap_workloads::pins::{CASES, Case};
use heap_workloads::work::{WORKLOADS, Workload};

use crate::Failure;
use crate::peers::Peer;

/// Runs the same programs on every allocator, in turn, and compares time and memory.
#[derive(Parser)]
#[command(name = "heap-bench")]
pub(crate) struct Options {
    /// Numbers of threads, each of which is a table of its own.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 2], value_parser = parse_positive)]
    pub(crate) threads: Vec<usize>,
    /// Rounds that count. One more is run before them: it checks the answers and is not timed.
    #[arg(long, default_value_t = 7, value_parser = parse_positive)]
    pub(crate) rounds: usize,
    /// Workloads, or cases of `--instructions`, by name; all if none is given. An unknown name lists them.
    #[arg(long, value_delimiter = ',', value_name = "WORKLOAD")]
    pub(crate) only: Vec<String>,
    /// Allocators, by the names of their directories in `peers`; all if none is given.
    #[arg(long, value_delimiter = ',', value_name = "NAME")]
    pub(crate) allocators: Vec<String>,
    /// What ratios are relative to: `arenite` if it takes part, else `system`, else the first.
    #[arg(long, value_name = "NAME")]
    pub(crate) baseline: Option<String>,
    /// What is compared: the time that passes or the processor time of all threads, which other programs disturb less.
    #[arg(long, value_enum, default_value_t = Clock::Wall)]
    pub(crate) clock: Clock,
    /// Percent of the usual work. Below about 100, start-up and noise are a good part of what is measured.
    #[arg(long, default_value_t = 100, value_parser = parse_positive)]
    pub(crate) work: usize,
    /// After the work, wait so many milliseconds with a few allocations now and then, and read resident memory again.
    #[arg(long, default_value_t = 0, value_name = "MILLISECONDS")]
    pub(crate) settle: u64,
    /// Count the instructions of malloc and free instead; x86-64 Linux only.
    #[arg(long)]
    pub(crate) instructions: bool,
    /// Write everything that was found to this file.
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Compilers that run at the same time.
    #[arg(long, default_value_t = 2, value_parser = parse_positive)]
    pub(crate) jobs: usize,
    /// Use the programs that are there.
    #[arg(long)]
    pub(crate) no_build: bool,
}

/// A clock to compare by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Clock {
    /// Time that passes.
    Wall,
    /// Processor time of all threads, that of the kernel on their behalf included.
    Cpu,
}

impl Clock {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "cpu",
        }
    }
}

fn parse_positive(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

impl Options {
    /// The workloads that were asked for, in the order of the table.
    pub(crate) fn workloads(&self) -> Result<Vec<&'static Workload>, Failure> {
        if let Some(unknown) =
            self.only.iter().find(|name| WORKLOADS.iter().all(|known| known.name != **name))
        {
            let known: Vec<String> = WORKLOADS
                .iter()
                .map(|workload| format!("  {:<9} {}", workload.name, workload.about))
                .collect();
            return Err(format!("no workload is called {unknown}; there are:\n{}", known.join("\n")));
        }
        let asked = |name: &str| self.only.is_empty() || self.only.iter().any(|only| only == name);
        Ok(WORKLOADS.iter().filter(|workload| asked(workload.name)).collect())
    }

    /// The cases of `--instructions` that were asked for.
    pub(crate) fn cases(&self) -> Result<Vec<&'static Case>, Failure> {
        if let Some(unknown) = self.only.iter().find(|name| CASES.iter().all(|known| known.name != **name)) {
            let known: Vec<&str> = CASES.iter().map(|case| case.name).collect();
            return Err(format!("no case is called {unknown}; there are: {}", known.join(", ")));
        }
        let asked = |name: &str| self.only.is_empty() || self.only.iter().any(|only| only == name);
        Ok(CASES.iter().filter(|case| asked(case.name)).collect())
    }

    /// The place of the allocator that the others are compared with.
    pub(crate) fn baseline(&self, peers: &[Peer]) -> Result<usize, Failure> {
        let place = |name: &str| peers.iter().position(|peer| peer.name == name);
        match &self.baseline {
            Some(name) => place(name).ok_or_else(|| format!("the baseline {name} does not take part")),
            None => Ok(place("arenite").or_else(|| place("system")).unwrap_or(0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peers(names: &[&str]) -> Vec<Peer> {
        names.iter().map(|name| Peer { name: (*name).to_owned(), dependency: String::new() }).collect()
    }

    #[test]
    fn ours_is_the_baseline_when_it_takes_part() {
        let options = Options::parse_from(["heap-bench"]);
        assert_eq!(options.baseline(&peers(&["jemalloc", "arenite", "system"])), Ok(1));
        assert_eq!(options.baseline(&peers(&["jemalloc", "system"])), Ok(1));
        assert_eq!(options.baseline(&peers(&["jemalloc", "rpmalloc"])), Ok(0));
        let options = Options::parse_from(["heap-bench", "--baseline", "rpmalloc"]);
        assert_eq!(options.baseline(&peers(&["jemalloc", "rpmalloc"])), Ok(1));
        assert!(options.baseline(&peers(&["jemalloc"])).is_err());
    }

    #[test]
    fn lists_have_commas_and_unknown_names_are_refused() {
        let options = Options::parse_from(["heap-bench", "--threads", "1,4", "--only", "tree,churn"]);
        assert_eq!(options.threads, [1, 4]);
        let names: Vec<&str> =
            options.workloads().expect("both exist").iter().map(|workload| workload.name).collect();
        assert_eq!(names, ["churn", "tree"]);
        let options = Options::parse_from(["heap-bench", "--only", "tree,bush"]);
        assert!(
            options.workloads().is_err_and(|failure| failure.contains("bush") && failure.contains("tree"))
        );
        assert!(options.cases().is_err_and(|failure| failure.contains("64-pair")), "a tree is no case");
        let options = Options::parse_from(["heap-bench", "--instructions", "--only", "64-pair"]);
        assert_eq!(options.cases().map(|cases| cases.len()), Ok(1));
        assert!(Options::try_parse_from(["heap-bench", "--rounds", "0"]).is_err());
    }
}
