//! The workloads. Each one is deterministic: what it computes depends on its name and on the number of threads alone,
//! never on addresses, so that all allocators must come to the same checksum.
//!
//! Threads work on their own data unless the workload is about handing blocks on. So with two threads there is twice
//! the work, and on two cores the same time. A workload of one thread runs in the program's main thread, with no
//! other thread ever started: allocators may make use of that, as in many programs.

mod churn;
mod ecs;
mod grow;
mod handoff;
mod idle;
mod json;
mod server;
mod strings;
mod threads;
mod tree;

use crate::memory::Memory;

/// How much to do.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Threads at work at the same time.
    pub threads: usize,
    /// Percent of the usual amount.
    pub work: usize,
}

impl Load {
    /// `count` of the usual amount, as many as asked for.
    fn times(self, count: usize) -> usize {
        (count * self.work / 100).max(1)
    }

    /// Runs `work` once for each thread, the first in this one, and puts the results together.
    fn in_threads(self, work: impl Fn(usize) -> u64 + Sync) -> Outcome {
        let work = &work;
        let checksum = std::thread::scope(|scope| {
            let others: Vec<_> = (1..self.threads).map(|thread| scope.spawn(move || work(thread))).collect();
            let first = work(0);
            others.into_iter().fold(first, |sum, thread| {
                sum.wrapping_add(thread.join().expect("a thread of the workload panicked"))
            })
        });
        Outcome { checksum, memory: None }
    }
}

/// What a workload came to.
#[derive(Debug)]
pub struct Outcome {
    /// The same for every allocator.
    pub checksum: u64,
    /// Memory at a moment of the workload's choice; `None` means after it has freed everything.
    pub memory: Option<Memory>,
}

/// One of the workloads.
pub struct Workload {
    /// The name by which it is asked for.
    pub name: &'static str,
    /// What it does, with its sizes, in a line.
    pub about: &'static str,
    /// Whether its time says anything; only its memory does otherwise.
    pub timed: bool,
    /// With fewer threads it would be something else.
    pub least_threads: usize,
    /// Does it.
    pub run: fn(Load) -> Outcome,
}

/// All of them, in the order in which they are reported.
pub const WORKLOADS: &[Workload] = &[
    Workload {
        name: "churn",
        about: "replaces random ones of 20,000 blocks of 16 B to 32 KiB, most of them young, some for long",
        timed: true,
        least_threads: 1,
        run: churn::mixed,
    },
    Workload {
        name: "buffers",
        about: "the same with 2,000 blocks of 1 to 32 KiB",
        timed: true,
        least_threads: 1,
        run: churn::buffers,
    },
    Workload {
        name: "large",
        about: "replaces random ones of 12 blocks of 64 KiB to 4 MiB, each written from end to end",
        timed: true,
        least_threads: 1,
        run: churn::large,
    },
    Workload {
        name: "pipe",
        about: "half of the threads allocate 16 B to 4 KiB, the other half free, by batches of 256",
        timed: true,
        least_threads: 2,
        run: handoff::pipe,
    },
    Workload {
        name: "ring",
        about: "every thread allocates for the next one, which keeps 64 batches of 256 for a while",
        timed: true,
        least_threads: 2,
        run: handoff::ring,
    },
    Workload {
        name: "threads",
        about: "threads that live for 3,000 allocations of 16 B to 2 KiB and leave every eighth to others",
        timed: true,
        least_threads: 1,
        run: threads::run,
    },
    Workload {
        name: "server",
        about: "requests of about 60 strings and lists freed together; one in 8 leaves a session of 4,096",
        timed: true,
        least_threads: 1,
        run: server::run,
    },
    Workload {
        name: "grow",
        about: "32 vectors that grow side by side, from nothing to 64 B to 4 MiB, by pushing",
        timed: true,
        least_threads: 1,
        run: grow::run,
    },
    Workload {
        name: "strings",
        about: "a HashMap<String, String> of 60,000 entries: filled, looked up, half replaced, emptied",
        timed: true,
        least_threads: 1,
        run: strings::run,
    },
    Workload {
        name: "tree",
        about: "binary trees of Box nodes: one of depth 17 that stays, many of depth 4 to 16 that do not",
        timed: true,
        least_threads: 1,
        run: tree::run,
    },
    Workload {
        name: "json",
        about: "serde_json: a text of 300 entities to a Value, changed, and back; eight values are kept",
        timed: true,
        least_threads: 1,
        run: json::run,
    },
    Workload {
        name: "ecs",
        about: "hecs: levels of 20,000 entities with names and inventories that come, change and go each frame",
        timed: true,
        least_threads: 1,
        run: ecs::run,
    },
    Workload {
        name: "idle",
        about: "start-up: some settings and strings, threads that hold ten blocks each; memory only",
        timed: false,
        least_threads: 1,
        run: idle::run,
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_workload_repeats_its_answer() {
        for workload in WORKLOADS {
            let least = workload.least_threads;
            for threads in [least, least + 1] {
                let load = Load { threads, work: 1 };
                let first = (workload.run)(load).checksum;
                assert_eq!(first, (workload.run)(load).checksum, "{} {threads}", workload.name);
                assert_ne!(first, 0, "{}", workload.name);
            }
        }
    }

    #[test]
    fn names_are_words_and_nobody_elses() {
        for (index, workload) in WORKLOADS.iter().enumerate() {
            assert!(workload.name.bytes().all(|byte| byte.is_ascii_lowercase()), "{}", workload.name);
            assert!(WORKLOADS[..index].iter().all(|other| other.name != workload.name));
        }
    }
}
