//! Job arenas inside rayon: stolen and nested jobs each get an arena of their own, without a lock.
//!
//! `cargo run --release -p arenite --example jobs`

use std::error::Error;

use arenite::{JobArenas, Tag};

/// The primes below `end`, found by halving: each half is a job that may run anywhere.
fn primes(jobs: &JobArenas, start: u32, end: u32) -> u64 {
    if end - start <= 1000 {
        // Checked out for this job alone. Its results live until `reset`; its scratch only as long as the guard.
        let arena = jobs.checkout();
        let mut guard = arena.scratch();
        let scope = guard.scope();
        let candidates = scope.alloc_slice_from_iter((start..end).filter(|n| n % 2 == 1 || *n == 2));
        let found = arena.alloc_slice_from_iter(
            candidates
                .iter()
                .copied()
                .filter(|n| *n > 1 && (2..).take_while(|d| d * d <= *n).all(|d| n % d != 0)),
        );
        return found.len() as u64;
    }
    let middle = start + (end - start) / 2;
    let (low, high) = rayon::join(|| primes(jobs, start, middle), || primes(jobs, middle, end));
    low + high
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut jobs = JobArenas::try_new(Tag::register("jobs")?)?;
    for _ in 0..3 {
        assert_eq!(primes(&jobs, 0, 200_000), 17_984);
        let stats = jobs.stats();
        println!(
            "{} arenas used, {} bytes of results, {} committed",
            stats.touched, stats.used, stats.committed
        );
        jobs.reset();
    }
    Ok(())
}
