//! Attacks on job arenas from safe code: nested checkouts, forgotten arenas, work stealing, faults.

use std::boxed::Box;
use std::collections::BTreeSet;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::vec::Vec;

use rayon::prelude::*;

use super::*;
use crate::ledger::{Budget, Ledger};
use crate::os::{self, Call, fake};

fn fresh_tag() -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register("test/jobs").expect("a fresh ledger has room")
}

fn small(tag: Tag) -> JobArenasOptions {
    JobArenasOptions::new(tag).arenas(16).reserve(4 << 20).scratch(2 << 20)
}

fn jobs() -> JobArenas {
    JobArenas::try_with(small(fresh_tag())).unwrap()
}

fn nothing_is_charged(tag: Tag) -> bool {
    let account = tag.account().subtree;
    (account.reserved, account.committed, account.live) == (0, 0, 0)
}

fn place<T: ?Sized>(value: &T) -> usize {
    core::ptr::from_ref(value).cast::<u8>().addr()
}

#[test]
fn a_nested_checkout_takes_another_arena() {
    let mut jobs = jobs();
    let outer = jobs.checkout();
    let one = outer.alloc(1u64);
    let nested = jobs.checkout();
    assert!(!core::ptr::eq(outer.slot, nested.slot));
    let two = nested.alloc(2u64);
    assert!(place(one).abs_diff(place(two)) >= 4 << 20);
    drop(outer);
    // What was allocated outlives the checkout, and the next one here allocates behind it.
    let again = jobs.checkout();
    let three = again.alloc_slice_fill_with(1000, |_| 3u64);
    drop((nested, again));
    assert_eq!((*one, *two, three[999]), (1, 2, 3));
    jobs.reset();
    assert_eq!(jobs.stats().used, 0);
}

#[test]
fn a_thread_gets_its_last_arena_back() {
    let jobs = jobs();
    let first = core::ptr::from_ref(jobs.checkout().slot);
    for _ in 0..100 {
        assert!(core::ptr::eq(first, jobs.checkout().slot));
    }
}

#[test]
fn when_all_are_taken_the_next_one_is_refused() {
    let mut jobs = JobArenas::try_with(small(fresh_tag()).arenas(3)).unwrap();
    let held: Vec<_> = (0..3).map(|_| jobs.checkout()).collect();
    assert_eq!(jobs.try_checkout().unwrap_err(), JobError { arenas: 3 });
    assert!(catch_unwind(AssertUnwindSafe(|| drop(jobs.checkout()))).is_err());
    drop(held);
    (0..3).for_each(|_| mem::forget(jobs.try_checkout().unwrap()));
    assert!(jobs.try_checkout().is_err(), "forgotten ones stay taken");
    jobs.reset();
    let held: Vec<_> = (0..3).map(|_| jobs.try_checkout().expect("until the reset")).collect();
    assert_eq!(held.len(), 3);
}

#[test]
fn forgotten_arenas_and_forgotten_scratch() {
    let mut jobs = jobs();
    for _ in 0..20 {
        let job = jobs.checkout();
        job.alloc_slice_fill_with(100, |i| i);
        let mut guard = job.scratch();
        guard.scope().alloc_slice_fill_with(1000, |i| i);
        mem::forget(guard);
        assert_eq!(job.try_scratch().unwrap_err(), ScratchBusy);
        drop(job);
        // The same arena again: its scratch stack was closed and emptied.
        let job = jobs.checkout();
        let mut guard = job.try_scratch().expect("closed with the job");
        assert_eq!(guard.scope().used(), 0);
        mem::forget(guard);
        mem::forget(job);
        jobs.reset();
        assert_eq!(jobs.stats().used, 0);
    }
    let leaked = Box::leak(Box::new(jobs.checkout()));
    assert_eq!(*leaked.alloc(4u8), 4);
    jobs.reset();
    assert_eq!(*jobs.checkout().alloc(5u8), 5);
}

#[test]
fn a_panicking_job_gives_its_arena_back() {
    let jobs = JobArenas::try_with(small(fresh_tag()).arenas(1)).unwrap();
    for _ in 0..10 {
        let answer = catch_unwind(AssertUnwindSafe(|| {
            let job = jobs.checkout();
            let mut guard = job.scratch();
            let scope = guard.scope();
            scope.alloc(1u8);
            job.alloc_with(|| -> u64 { panic!("in a job") });
        }));
        assert!(answer.is_err());
        assert_eq!(jobs.checkout().scratch().scope().used(), 0);
    }
    assert_eq!(jobs.checkout().used(), 0);
}

#[test]
fn scratch_and_results_are_apart() {
    let jobs = jobs();
    let job = jobs.checkout();
    let result = {
        let mut guard = job.scratch();
        let scope = guard.scope();
        let queue = scope.alloc_slice_fill_with(1000, |i| i as u64);
        let result = job.alloc_slice_fill_with(10, |i| queue[i * 100]);
        scope.alloc_slice_fill_with(1000, |_| u64::MAX);
        result
    };
    job.scratch().scope().alloc_slice_fill_with(4000, |_| u64::MAX);
    assert_eq!(result, [0, 100, 200, 300, 400, 500, 600, 700, 800, 900]);
}

/// A job that splits itself while it holds its arena: each half checks out one of its own, on whichever thread.
fn tree(jobs: &JobArenas, from: u64, to: u64) -> (&[u64], usize) {
    let job = jobs.checkout();
    let mine = job.alloc_slice_fill_with((to - from) as usize, |i| from + i as u64);
    let mut guard = job.scratch();
    let scope = guard.scope();
    let copy = scope.alloc_slice_copy(mine);
    if to - from <= 2 {
        return (mine, 1);
    }
    let middle = from.midpoint(to);
    let (left, right) = rayon::join(|| tree(jobs, from, middle), || tree(jobs, middle, to));
    // While the halves ran, this thread may have run other jobs; nothing of this one may have changed.
    assert!(copy.iter().zip(mine.iter()).enumerate().all(|(i, (a, b))| a == b && *a == from + i as u64));
    assert!(left.0.iter().chain(right.0).zip(mine.iter()).all(|(part, whole)| part == whole));
    (mine, 1 + left.1 + right.1)
}

#[test]
fn ten_thousand_jobs_of_a_thread_pool_with_nested_joins() {
    let tag = fresh_tag();
    let mut jobs = JobArenas::try_with(JobArenasOptions::new(tag).reserve(8 << 20).scratch(4 << 20)).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(4).build().unwrap();
    let mut ran = 0;
    for frame in 0..5u64 {
        let results: Vec<(u64, &mut [u64])> = pool.install(|| {
            (0..1000u64)
                .into_par_iter()
                .map(|number| {
                    let job = jobs.checkout();
                    (number, job.alloc_slice_fill_with(number as usize % 50, |i| number * frame + i as u64))
                })
                .collect()
        });
        let (whole, nested) = pool.install(|| tree(&jobs, 0, 1500));
        assert!(whole.iter().enumerate().all(|(i, value)| i as u64 == *value));
        ran += results.len() + nested;
        let mut ranges = BTreeSet::new();
        for (number, values) in results {
            assert!(values.iter().enumerate().all(|(i, value)| *value == number * frame + i as u64));
            if !values.is_empty() {
                assert!(ranges.insert((place(values), values.len() * 8)), "two jobs in one place");
            }
        }
        let ranges: Vec<_> = ranges.into_iter().collect();
        assert!(ranges.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0), "no overlap");
        assert!(jobs.stats().used > 0);
        jobs.reset();
        assert_eq!(jobs.stats().used, 0);
    }
    assert!(ran >= 10_000, "{ran} jobs");
    assert!(jobs.stats().high_water > 0);
    drop(jobs);
    assert!(nothing_is_charged(tag));
}

#[test]
fn figures_and_budgets() {
    let tag = fresh_tag();
    let mut jobs = JobArenas::try_with(small(tag)).unwrap();
    assert_eq!(jobs.stats(), JobStats { arenas: 16, ..JobStats::default() });
    jobs.try_presize(2, 100 << 10).unwrap();
    assert_eq!(jobs.stats().touched, 2);
    let plan = fake::fail_after(Call::Commit, u64::MAX);
    jobs.checkout().alloc_slice_fill_with(90 << 10, |_| 1u8);
    assert_eq!(plan.seen(), 0, "what was committed ahead was enough");
    drop(plan);
    assert_eq!((jobs.stats().used, jobs.stats().high_water), (90 << 10, 90 << 10));
    jobs.publish();
    assert_eq!(tag.account().subtree.live, 90 << 10);
    tag.set_budget(Budget::hard(tag.account().subtree.committed));
    {
        let job = jobs.checkout();
        let kept = job.alloc(1u8);
        assert!(matches!(job.try_alloc_slice_uninit::<u8>(1 << 20), Err(AllocError::Budget(_))));
        assert!(matches!(job.try_alloc_slice_uninit::<u8>(5 << 20), Err(AllocError::Exhausted { .. })));
        assert_eq!((*kept, *job.alloc(2u8)), (1, 2));
    }
    let page = os::page_size();
    let table = (16 * size_of::<Slot>()).next_multiple_of(page);
    assert_eq!(tag.account().subtree.committed, jobs.stats().committed + table + 2 * page);
    jobs.try_trim(0).unwrap();
    assert_eq!(jobs.stats().committed, 0);
    drop(jobs);
    assert!(nothing_is_charged(tag));
}

#[test]
fn a_reset_tells_the_ledger_of_what_went_back_before_it() {
    let tag = fresh_tag();
    let mut jobs = JobArenas::try_with(small(tag)).unwrap();
    {
        let job = jobs.checkout();
        let mut list = job.vec();
        list.extend_from_slice(&[1u64; 20_000]);
    }
    assert_eq!(jobs.stats().used, 0, "the vector has given its room back");
    jobs.reset();
    assert_eq!(tag.account().subtree.live, 0);
}

#[test]
fn every_refused_call_is_survived() {
    for allowed in 0.. {
        let tag = fresh_tag();
        let plan = fake::fail_once_after(allowed);
        let mut made = JobArenas::try_with(small(tag).arenas(3).prefault(allowed % 2 == 0));
        if let Ok(jobs) = &mut made {
            for frame in 0..3usize {
                let held: Vec<_> = (0..3).map(|_| jobs.checkout()).collect();
                for job in &held {
                    let _ = job.try_alloc_slice_fill_with(frame * 30_000, |i| i);
                    let mut guard = job.scratch();
                    if let Ok(words) = guard.scope().try_alloc_slice_fill_with(frame * 30_000, |i| i) {
                        assert!(words.iter().enumerate().all(|(i, word)| i == *word));
                    }
                }
                drop(held);
                jobs.reset();
                let _ = jobs.try_trim(0);
            }
        }
        let refused = plan.refused();
        // A refused release would rightly stay charged, so the plan ends first.
        drop(plan);
        drop(made);
        assert!(nothing_is_charged(tag), "after {allowed} calls");
        if refused == 0 {
            assert!(allowed > 10);
            break;
        }
    }
}

#[test]
fn a_burst_of_a_job_goes_back_to_the_system_and_steady_use_calls_nobody() {
    let tag = fresh_tag();
    let mut jobs = JobArenas::try_with(JobArenasOptions::new(tag).arenas(2)).unwrap();
    jobs.checkout().alloc_slice_fill_with(4 << 20, |_| 1u8);
    jobs.reset();
    let burst = tag.account().subtree.committed;
    assert!(burst >= 4 << 20);
    let calls = crate::os::fake::fail_all_after(u64::MAX);
    for _ in 0..1000 {
        jobs.checkout().alloc_slice_fill_with(10_000, |_| 1u8);
        jobs.reset();
    }
    assert!(tag.account().subtree.committed < 1 << 20, "{burst} then {}", tag.account().subtree.committed);
    assert!(calls.seen() <= 2, "{} calls in 1000 resets", calls.seen());
}
