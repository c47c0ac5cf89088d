use std::vec::Vec;

use super::*;
use crate::Ledger;

fn tag(name: &'static str) -> Tag {
    let ledger: &'static Ledger = std::boxed::Box::leak(std::boxed::Box::new(Ledger::new()));
    ledger.register(name).unwrap()
}

fn thousand<F: Fit>() -> OffsetAllocator<F> {
    OffsetOptions::new(tag("fit")).granularity(1).capacity(1000).try_build().unwrap()
}

#[test]
fn a_number_is_not_reused_when_its_generations_are_over() {
    let mut numbers = thousand::<Tlsf>();
    let first = numbers.try_allocate(10, 1).unwrap();
    let block = first.id.to_bits() as u32;
    numbers.blocks.nodes.wear_out(block);
    let worn = BlockId::from_bits(u64::from(block) | (u64::from(u32::MAX) - 1) << 32).unwrap();
    assert!(numbers.free(first.id).is_err());
    numbers.free(worn).unwrap();
    let mut seen = Vec::new();
    for _ in 0..10 {
        let next = numbers.try_allocate(10, 1).unwrap();
        assert_ne!(next.id.to_bits() as u32, block);
        seen.push(next.id);
    }
    assert_eq!(numbers.get(worn), None);
    for id in seen {
        numbers.free(id).unwrap();
    }
    assert_eq!((numbers.stats().largest_free, numbers.stats().free_blocks), (1000, 1));
}

#[test]
fn a_drained_segment_hands_out_nothing_and_goes_when_it_is_empty() {
    let mut numbers = thousand::<Tlsf>();
    let second = numbers.try_append(500).unwrap();
    let a = numbers.try_allocate(900, 1).unwrap();
    let b = numbers.try_allocate(300, 1).unwrap();
    assert!(b.offset >= 1000);
    numbers.try_drain(second, true).unwrap();
    assert_eq!(numbers.try_allocate(200, 1), Err(FitError::OutOfMemory { wanted: 200, free: 100 }));
    assert_eq!(numbers.try_remove(second), Err(SegmentError::InUse));
    numbers.free(b.id).unwrap();
    assert_eq!((numbers.stats().aside, numbers.stats().free), (500, 100));
    assert_eq!(numbers.try_remove(second), Ok(500));
    assert_eq!(numbers.try_remove(second), Err(SegmentError::Stale));
    numbers.free(a.id).unwrap();
    assert_eq!(numbers.stats().capacity, 1000);
    assert_eq!(numbers.stats().largest_free, 1000);
}

#[cfg(feature = "serde")]
mod states;
