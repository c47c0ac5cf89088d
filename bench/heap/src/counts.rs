//! Instructions of malloc and free.
//!
//! The programs run one instruction at a time (see [`crate::step`]), so what is counted is what the processor executes, by
//! any allocator. Callgrind would be the usual tool; snmalloc can not start under it, because it reserves more address
//! space than valgrind has. Of each program's calls the first half is left out: nothing of the start is counted, while
//! what an allocator does now and then (fetching a page, looking at other threads' frees) is, as often as it happens.

use heap_workloads::pins::{BATCH, Case};
use serde::Serialize;

use crate::Failure;
use crate::peers::Peer;
use crate::stats::median;
use crate::step;

/// Rounds of 64 blocks. Those of the first half bring an allocator to where it stays.
const ROUNDS: usize = 16;

/// What the calls of one function take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Instructions {
    pub(crate) mean: f64,
    pub(crate) median: f64,
    pub(crate) most: f64,
}

impl Instructions {
    /// Of the second half of the calls.
    fn of(calls: &[u32]) -> Self {
        let calls: Vec<f64> = calls[calls.len() / 2..].iter().map(|count| f64::from(*count)).collect();
        Self {
            mean: calls.iter().sum::<f64>() / calls.len() as f64,
            median: median(&calls),
            most: calls.iter().copied().fold(0.0, f64::max),
        }
    }
}

/// One case of one allocator.
#[derive(Debug, Serialize)]
pub(crate) struct Count {
    pub(crate) allocator: String,
    pub(crate) case: &'static str,
    pub(crate) malloc: Instructions,
    pub(crate) free: Instructions,
}

impl Count {
    /// What a malloc and its free take together, on the average.
    pub(crate) fn sum(&self) -> f64 {
        self.malloc.mean + self.free.mean
    }
}

/// Some cases of every peer.
pub(crate) fn count(peers: &[Peer], cases: &[&'static Case]) -> Result<Vec<Count>, Failure> {
    let mut counts = Vec::new();
    for peer in peers {
        eprintln!("stepping through {}", peer.name);
        for case in cases {
            let fail = |failure: String| format!("{} {}: {failure}", peer.name, case.name);
            let steps = step::through(&peer.program(), case.name, ROUNDS).map_err(fail)?;
            for (function, calls) in [("malloc", &steps.alloc), ("free", &steps.free)] {
                if calls.len() != ROUNDS * BATCH {
                    return Err(fail(format!("{} calls of {function} were seen", calls.len())));
                }
            }
            counts.push(Count {
                allocator: peer.name.clone(),
                case: case.name,
                malloc: Instructions::of(&steps.alloc),
                free: Instructions::of(&steps.free),
            });
        }
    }
    Ok(counts)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_half_does_not_count() {
        let expected = Instructions { mean: 4.0, median: 3.0, most: 6.0 };
        assert_eq!(Instructions::of(&[900, 80, 70, 3, 3, 6]), expected);
    }
}
