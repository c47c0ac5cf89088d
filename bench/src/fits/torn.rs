//! Fragmentation on purpose: a short-lived block of 1 KiB and a kept one of 4 KiB in turns until everything is full; then the
//! short-lived ones go. How much of the capacity can be had in blocks of 4 KiB, those that are kept included?

use arenite::{BestFit, FirstFit, Fit, NextFit, Tlsf, WorstFit};

use super::{Parts, Ranges, Theirs, ours};
use crate::stats::Random;

const CAPACITY: u64 = 16 << 20;
const SHORT: u64 = 1 << 10;
const KEPT: u64 = 4 << 10;

/// Bytes that can be had in blocks of 4 KiB.
fn worst_case<P: Parts>(mut parts: P) -> u64 {
    let mut short = Vec::new();
    let mut kept = 0;
    while let Some((_, held)) = parts.take(SHORT) {
        short.push(held);
        if parts.take(KEPT).is_none() {
            break;
        }
        kept += KEPT;
    }
    short.into_iter().for_each(|held| parts.give(held));
    while parts.take(KEPT).is_some() {
        kept += KEPT;
    }
    kept
}

/// The same after a long churn: blocks of both kinds in random order, of which four in five short-lived ones and one in five kept ones go.
fn after_churn<P: Parts>(mut parts: P) -> u64 {
    let mut random = Random(0x70_47);
    let mut live: Vec<(P::Held, u64)> = Vec::new();
    for _ in 0..200_000 {
        let size = if random.below(2) == 0 { SHORT } else { KEPT };
        let full = live.iter().len() as u64 * (SHORT + KEPT) / 2 > CAPACITY * 7 / 8;
        if full || !live.is_empty() && random.below(3) == 0 {
            let (held, _) = live.swap_remove(random.below(live.len()));
            parts.give(held);
        } else if let Some((_, held)) = parts.take(size) {
            live.push((held, size));
        }
    }
    let mut kept = 0;
    for (held, size) in live {
        if random.below(5) < if size == SHORT { 4 } else { 1 } {
            parts.give(held);
        } else {
            kept += size;
        }
    }
    while parts.take(KEPT).is_some() {
        kept += KEPT;
    }
    kept
}

pub(super) fn retained() {
    println!("## torn: share of the capacity that can be had in blocks of 4 KiB, or is in use");
    println!("  {:<34} {:>12} {:>12}", "", "in turns", "after churn");
    fn line(name: &str, (turns, churn): (u64, u64)) {
        let share = |bytes: u64| bytes as f64 * 100.0 / CAPACITY as f64;
        println!("  {name:<34} {:>10.1} % {:>10.1} %", share(turns), share(churn));
    }
    fn mine<F: Fit>() {
        line(F::NAME, (worst_case(ours::<F>(CAPACITY, 256)), after_churn(ours::<F>(CAPACITY, 256))));
    }
    mine::<Tlsf>();
    mine::<FirstFit>();
    mine::<NextFit>();
    mine::<BestFit>();
    mine::<WorstFit>();
    let theirs = || Theirs::new(CAPACITY, 256, 1 << 16);
    line("offset-allocator", (worst_case(theirs()), after_churn(theirs())));
    let ranges = || Ranges::new(CAPACITY, 256);
    line("range-alloc", (worst_case(ranges()), after_churn(ranges())));
    println!();
}
