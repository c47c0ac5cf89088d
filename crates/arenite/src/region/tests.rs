//! The region against the ledger and a system that refuses.

use std::boxed::Box;
use std::vec::Vec;

use super::*;
use crate::ledger::{Budget, Ledger};
use crate::os::{Call, fake};

fn fresh_tag() -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register("test/region").expect("a fresh ledger has room")
}

fn committed(tag: Tag) -> usize {
    tag.account().subtree.committed
}

fn touch(region: &Region, bytes: usize) {
    assert!(bytes <= region.committed());
    // SAFETY: committed by the check above; the tests use each region from one thread.
    unsafe { region.base().as_ptr().write_bytes(0xA5, bytes) }
}

#[test]
fn the_ledger_follows_a_region_through_its_life() {
    let tag = fresh_tag();
    let mut region = Region::try_reserve(RegionOptions::new(tag, 64 << 20)).unwrap();
    assert!(region.reserved() >= 64 << 20);
    assert!(tag.account().subtree.reserved >= region.reserved());
    assert_eq!(committed(tag), 0);
    region.try_grow(1).unwrap();
    assert_eq!(region.committed(), 64 << 10, "the first step");
    touch(&region, region.committed());
    region.try_grow((64 << 10) + 1).unwrap();
    assert_eq!(region.committed(), 128 << 10, "steps double");
    assert_eq!(committed(tag), region.committed());
    region.publish_live(1000);
    assert_eq!(tag.account().subtree.live, 1000);
    // SAFETY: nothing in the region is in use.
    unsafe { region.try_shrink(5000) }.unwrap();
    assert_eq!(region.committed(), 8192.max(os::page_size()));
    assert_eq!(committed(tag), region.committed());
    drop(region);
    let account = tag.account().subtree;
    assert_eq!((account.reserved, account.committed, account.live), (0, 0, 0));
    assert_eq!(tag.account().peak_committed, 128 << 10);
}

#[test]
fn a_busy_region_makes_few_calls() {
    let tag = fresh_tag();
    let mut region = Region::try_reserve(RegionOptions::new(tag, 256 << 20)).unwrap();
    let plan = fake::fail_after(Call::Commit, u64::MAX);
    let mut used = 0;
    while used < 128 << 20 {
        used += 4096;
        region.try_grow(used).unwrap();
    }
    assert!(plan.seen() <= 40, "{} commits for 128 MiB", plan.seen());
}

#[test]
fn a_budget_stops_the_step_before_it_stops_the_need() {
    let tag = fresh_tag();
    tag.set_budget(Budget::hard(100 << 10));
    let mut region = Region::try_reserve(RegionOptions::new(tag, 1 << 20)).unwrap();
    region.try_grow(64 << 10).unwrap();
    static TOLD: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    tag.on_pressure(&|_| {
        TOLD.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    })
    .unwrap();
    assert_eq!(tag.headroom(), 36 << 10);
    // A whole step (64 KiB more) would break the budget; what is needed (at most 100 KiB) would not, and nobody is alarmed.
    region.try_grow(92 << 10).unwrap();
    region.try_grow(96 << 10).unwrap();
    assert_eq!(TOLD.load(std::sync::atomic::Ordering::Relaxed), 0);
    assert_eq!(region.committed(), 100 << 10);
    touch(&region, 100 << 10);
    let before = tag.account();
    let Err(AllocError::Budget(exceeded)) = region.try_grow(200 << 10) else { panic!("must be refused") };
    assert_eq!(
        (exceeded.tag, exceeded.limit, exceeded.in_use, exceeded.wanted),
        (tag, 100 << 10, 100 << 10, 100 << 10)
    );
    assert_eq!((tag.account().subtree, region.committed()), (before.subtree, 100 << 10), "nothing changed");
}

#[test]
fn a_warning_comes_when_its_mark_is_passed_and_not_a_step_before() {
    use std::sync::atomic::{AtomicUsize, Ordering};
    static TOLD_AT: AtomicUsize = AtomicUsize::new(0);
    let tag = fresh_tag();
    tag.set_budget(Budget::hard(8 << 20).warn_at(0.8));
    tag.on_pressure(&|pressure| {
        TOLD_AT.compare_exchange(0, pressure.in_use, Ordering::Relaxed, Ordering::Relaxed).ok();
    })
    .unwrap();
    let mark = tag.budget().warning().unwrap();
    let mut region = Region::try_reserve(RegionOptions::new(tag, 64 << 20)).unwrap();
    let mut needed = 0;
    while TOLD_AT.load(Ordering::Relaxed) == 0 {
        needed += 10_000;
        region.try_grow(needed).unwrap();
    }
    assert!(needed > mark - os::page_size(), "{needed} were needed, the mark is {mark}");
    assert!(TOLD_AT.load(Ordering::Relaxed) <= mark + 10_000 + os::page_size());
}

#[test]
fn a_range_that_is_used_up_says_so() {
    let tag = fresh_tag();
    let mut region = Region::try_reserve(RegionOptions::new(tag, 1 << 20)).unwrap();
    let all = region.reserved();
    region.try_grow(all).unwrap();
    touch(&region, all);
    assert_eq!(region.try_grow(all + 1), Err(AllocError::Exhausted { tag, reserved: all, needed: all + 1 }));
    assert!(std::format!("{}", region.try_grow(all + 1).unwrap_err()).contains("reserve more"));
}

#[test]
fn a_refused_reservation_is_halved_down_to_what_is_useful() {
    let tag = fresh_tag();
    // Three refusals, then the system agrees.
    let options = RegionOptions::new(tag, 64 << 20).at_least(4 << 20);
    let region = {
        let _plan = fake::fail_once_after(0);
        Region::try_reserve(options).unwrap()
    };
    assert_eq!(region.reserved(), 32 << 20);
    drop(region);
    let plan = fake::fail_after(Call::Reserve, 0);
    let error = Region::try_reserve(options).unwrap_err();
    assert!(matches!(error, AllocError::Os { error, .. } if error.call() == Call::Reserve));
    assert_eq!(plan.refused(), 5, "64, 32, 16, 8 and 4 MiB");
    drop(plan);
    assert_eq!(tag.account().subtree.reserved, 0);
    let impossible = RegionOptions::new(tag, usize::MAX).at_least(usize::MAX - 10);
    assert!(Region::try_reserve(impossible).is_err());
    // Far more than any system gives, but useful from 1 MiB on.
    let eager = Region::try_reserve(RegionOptions::new(tag, usize::MAX / 2).at_least(1 << 20)).unwrap();
    assert!(eager.reserved() >= 1 << 20);
}

#[test]
fn every_refused_call_leaves_the_accounts_true() {
    for allowed in 0..12 {
        let tag = fresh_tag();
        let plan = fake::fail_once_after(allowed);
        let mut regions = Vec::new();
        let options = RegionOptions::new(tag, 1 << 20).prefault(true);
        let _ = Region::try_reserve_array(options, 3, |region| regions.push(region));
        if let Ok(region) = Region::try_reserve(options) {
            regions.push(region);
        }
        for region in &mut regions {
            if region.try_grow(70_000).is_ok() {
                touch(region, 70_000);
            }
            // SAFETY: nothing in the region is in use.
            let _ = unsafe { region.try_shrink(10_000) };
            touch(region, region.committed());
        }
        let of_regions: usize = regions.iter().map(Region::committed).sum();
        let header = if regions.len() >= 3 { os::page_size() } else { 0 };
        assert_eq!(committed(tag), of_regions + header, "after {allowed} calls");
        drop(plan);
        drop(regions);
        let account = tag.account().subtree;
        assert_eq!((account.reserved, account.committed), (0, 0), "after {allowed} calls");
    }
}

#[test]
fn a_refused_release_stays_charged() {
    let tag = fresh_tag();
    let mut region = Region::try_reserve(RegionOptions::new(tag, 1 << 20)).unwrap();
    region.try_grow(4096).unwrap();
    let (base, before) = (region.base(), tag.account().subtree);
    let plan = fake::fail_after(Call::Release, 0);
    drop(region);
    drop(plan);
    assert_eq!((tag.account().subtree.reserved, committed(tag)), (before.reserved, before.committed));
    // SAFETY: the reservation that was left behind: its base, and its charged size.
    unsafe { os::release(base, before.reserved) }.unwrap();
}

#[test]
fn an_array_shares_one_reservation_and_lives_until_its_last_part() {
    let tag = fresh_tag();
    let before = os::calls(Call::Reserve);
    let mut parts = Vec::new();
    Region::try_reserve_array(RegionOptions::new(tag, 1 << 20).align(1 << 16), 5, |part| parts.push(part))
        .unwrap();
    assert!(os::calls(Call::Reserve) > before);
    for (index, part) in parts.iter_mut().enumerate() {
        assert_eq!(part.base().as_ptr().addr() % (1 << 16), 0);
        part.try_grow(part.reserved()).unwrap();
        touch(part, part.reserved());
        assert!(part.contains(part.base().as_ptr()), "{index}");
    }
    for pair in parts.windows(2) {
        let end = pair[0].base().as_ptr().addr() + pair[0].reserved();
        assert!(pair[1].base().as_ptr().addr() >= end + os::page_size(), "a guard page between parts");
        assert!(!pair[0].contains(pair[1].base().as_ptr()));
    }
    let survivor = parts.remove(2);
    drop(parts);
    assert_eq!(committed(tag), survivor.committed() + os::page_size());
    touch(&survivor, survivor.committed());
    drop(survivor);
    assert_eq!((committed(tag), tag.account().subtree.reserved), (0, 0));
}

#[test]
fn huge_pages_round_up_and_work_without_them() {
    let tag = fresh_tag();
    let mut region = Region::try_reserve(RegionOptions::new(tag, 16 << 20).huge_pages(true)).unwrap();
    region.try_grow(1).unwrap();
    let unit = os::huge_page_size().unwrap_or_else(os::page_size);
    assert_eq!(region.committed() % unit, 0);
    assert_eq!(region.base().as_ptr().addr() % unit, 0);
    touch(&region, region.committed());
}

#[cfg(any(target_os = "linux", windows))]
#[test]
fn the_page_after_the_range_is_a_guard() {
    let tag = fresh_tag();
    let mut region = Region::try_reserve(RegionOptions::new(tag, 1 << 20)).unwrap();
    region.try_grow(region.reserved()).unwrap();
    let after = region.base().as_ptr().wrapping_add(region.reserved());
    assert_eq!(os::query(after), Ok(os::PageState::Reserved));
    assert_eq!(os::query(after.wrapping_sub(1)), Ok(os::PageState::Committed { writable: true }));
}

#[test]
fn commit_steps_have_no_upper_bound_that_panics() {
    let tag = fresh_tag();
    let options = RegionOptions::new(tag, 1 << 20).commit_steps(128 << 10, usize::MAX);
    let mut region = Region::try_reserve(options).unwrap();
    region.try_grow(1).unwrap();
    assert_eq!(region.committed(), 128 << 10);
    let options = RegionOptions::new(tag, 1 << 20).commit_steps(usize::MAX, usize::MAX);
    let mut region = Region::try_reserve(options).unwrap();
    region.try_grow(1).unwrap();
    assert_eq!(region.committed(), region.reserved());
}

#[test]
fn an_array_of_one_is_aligned_too() {
    let tag = fresh_tag();
    for align in [1, 1 << 16, 1 << 21] {
        let mut parts = Vec::new();
        Region::try_reserve_array(RegionOptions::new(tag, 1 << 20).align(align), 1, |part| parts.push(part))
            .unwrap();
        assert_eq!(parts[0].base().as_ptr().addr() % align, 0, "{align}");
        let all = parts[0].reserved();
        parts[0].try_grow(all).unwrap();
        touch(&parts[0], all);
    }
    assert_eq!((committed(tag), tag.account().subtree.reserved), (0, 0));
}
