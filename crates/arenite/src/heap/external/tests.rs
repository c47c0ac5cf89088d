use std::collections::BTreeMap;
use std::string::{String, ToString};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::vec::Vec;

use super::*;
use crate::heap::fit::Tlsf;
use crate::{Budget, Ledger, Tag};

fn tag(name: &'static str) -> Tag {
    let ledger: &'static Ledger = std::boxed::Box::leak(std::boxed::Box::new(Ledger::new()));
    ledger.register(name).unwrap()
}

/// Hands out so many chunks at once, and notes which are out.
struct Device {
    left: usize,
    next: u64,
    out: Arc<Mutex<BTreeMap<u64, (u64, u64)>>>,
}

impl Provider for Device {
    type Memory = u64;
    type Error = String;

    fn allocate(&mut self, size: u64, align: u64) -> Result<u64, String> {
        self.left = self.left.checked_sub(1).ok_or("device lost")?;
        self.next += 1;
        self.out.lock().unwrap().insert(self.next, (size, align));
        Ok(self.next)
    }

    fn release(&mut self, memory: u64, size: u64) {
        self.left += 1;
        assert_eq!(self.out.lock().unwrap().remove(&memory).unwrap().0, size);
    }
}

type Out = Arc<Mutex<BTreeMap<u64, (u64, u64)>>>;

fn heap(chunks: usize) -> (ExternalHeap<Device, Tlsf>, Out, Tag) {
    let (tag, out) = (tag("external"), Out::default());
    let device = Device { left: chunks, next: 0, out: Arc::clone(&out) };
    (ExternalOptions::new(tag).chunk(1 << 20).granularity(256).align(1 << 16).build(device), out, tag)
}

#[test]
fn the_last_handle_gives_a_block_back_and_chunks_go_with_hysteresis() {
    let (heap, out, tag) = heap(8);
    let first = heap.try_allocate(400_000, 4096).unwrap();
    let second = heap.try_allocate(500_000, 1 << 16).unwrap();
    let third = heap.try_allocate(300_000, 1).unwrap();
    assert_eq!((*first.memory(), *second.memory(), *third.memory()), (1, 1, 2));
    assert_eq!(second.offset() % (1 << 16), 0);
    assert_eq!(heap.stats().chunks, 2);
    assert_eq!(tag.account().own.committed, (2 << 20) + heap.stats().bookkeeping as usize);

    let clone = third.clone();
    assert!(clone.is_same(&third) && clone.handles() == 2);
    drop(third);
    assert_eq!(heap.stats().blocks, 3);
    drop(clone);
    // One empty chunk is kept, a second one is not.
    assert_eq!((heap.stats().blocks, heap.stats().chunks), (2, 2));
    drop((first, second));
    assert_eq!((heap.stats().chunks, out.lock().unwrap().len()), (1, 1));
    heap.trim();
    assert_eq!((heap.stats().chunks, out.lock().unwrap().len()), (0, 0));
    assert_eq!(tag.account().own.committed, 0);
}

#[test]
fn what_is_large_or_strictly_aligned_has_a_chunk_of_its_own() {
    let (heap, out, tag) = heap(8);
    let large = heap.try_allocate(3_000_001, 256).unwrap();
    let strict = heap.try_allocate(100, 1 << 21).unwrap();
    assert!(large.is_dedicated() && strict.is_dedicated());
    assert_eq!((large.offset(), large.size() % 256), (0, 0));
    assert_eq!(out.lock().unwrap()[strict.memory()], (256, 1 << 21));
    assert_eq!(heap.stats().dedicated, 2);
    drop(large);
    assert_eq!((heap.stats().dedicated, out.lock().unwrap().len()), (1, 1));
    // A block outlives its heap.
    drop(heap);
    assert_eq!(tag.account().own.committed, 256);
    drop(strict);
    assert_eq!((tag.account().own.committed, out.lock().unwrap().len()), (0, 0));
}

#[test]
fn refusals_say_who_refuses_and_change_nothing() {
    let (heap, out, tag) = heap(1);
    let block = heap.try_allocate(500_000, 1).unwrap();
    let more = heap.try_allocate(500_000, 1).unwrap();
    let before = tag.account().own;
    assert_eq!(
        heap.try_allocate(500_000, 1).unwrap_err(),
        ExternalError::Provider("device lost".to_string())
    );
    assert_eq!(tag.account().own.committed, before.committed);
    heap.with_provider(|device| device.left = 5);
    tag.set_budget(Budget::hard(3 << 19));
    assert!(matches!(heap.try_allocate(500_000, 1), Err(ExternalError::Refused(_))));
    assert_eq!(heap.try_allocate(u64::MAX, 1).unwrap_err(), ExternalError::TooLarge);
    assert_eq!((tag.account().own.committed, out.lock().unwrap().len()), (before.committed, 1));
    tag.set_budget(Budget::NONE);
    drop((block, more));
}

/// Drops a block while it is asked for a chunk, and asks for one.
struct Reaching {
    held: Option<ExternalBlock<Self>>,
    heap: Option<ExternalHeap<Self>>,
}

impl Provider for Reaching {
    type Memory = ();
    type Error = std::convert::Infallible;

    fn allocate(&mut self, _: u64, _: u64) -> Result<(), Self::Error> {
        self.held = None;
        if let Some(heap) = self.heap.take() {
            assert_eq!(heap.try_allocate(1, 1).unwrap_err(), ExternalError::Busy);
            assert_eq!(heap.try_stats(), None);
        }
        Ok(())
    }

    fn release(&mut self, (): (), _: u64) {
        self.held = None;
    }
}

#[test]
fn a_provider_may_drop_blocks_and_is_refused_others() {
    let tag = tag("reaching");
    let heap: ExternalHeap<Reaching> =
        ExternalOptions::new(tag).chunk(1 << 16).spare(0).build(Reaching { held: None, heap: None });
    let block = heap.try_allocate(30_000, 1).unwrap();
    heap.with_provider(|provider| (provider.held, provider.heap) = (Some(block), Some(heap.clone())));
    let other = heap.try_allocate(60_000, 1).unwrap();
    assert_eq!((heap.stats().blocks, heap.stats().chunks), (1, 1));
    let inner = heap.try_allocate(1000, 1).unwrap();
    heap.with_provider(|provider| provider.held = Some(inner));
    drop(other);
    assert_eq!((heap.stats().blocks, heap.stats().chunks), (0, 0));
    drop(heap);
    assert_eq!(tag.account().own.committed, 0);
}

#[test]
fn a_pressure_callback_may_drop_blocks() {
    static HELD: Mutex<Vec<ExternalBlock<Plain>>> = Mutex::new(Vec::new());
    struct Plain;
    impl Provider for Plain {
        type Memory = ();
        type Error = std::convert::Infallible;
        fn allocate(&mut self, _: u64, _: u64) -> Result<(), Self::Error> {
            Ok(())
        }
        fn release(&mut self, (): (), _: u64) {}
    }
    fn make_room(_: &crate::ledger::Pressure) {
        HELD.lock().unwrap().clear();
    }
    let tag = tag("pressed");
    tag.on_pressure(&make_room).unwrap();
    let heap: ExternalHeap<Plain> = ExternalOptions::new(tag).chunk(1 << 20).spare(0).build(Plain);
    for _ in 0..4 {
        HELD.lock().unwrap().push(heap.try_allocate(500_000, 1).unwrap());
    }
    tag.set_budget(Budget::hard((2 << 20) + (1 << 19)));
    let block = heap.try_allocate(500_000, 1).unwrap();
    assert_eq!((heap.stats().blocks, heap.stats().chunks), (1, 1));
    drop(block);
}

#[test]
fn many_threads_share_a_heap_and_its_blocks() {
    let (heap, out, tag) = heap(usize::MAX / 2);
    let used = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for thread in 0..3_u64 {
            let (heap, used) = (&heap, &used);
            scope.spawn(move || {
                let mut random = thread + 1;
                let mut held = Vec::new();
                for _ in 0..2000 {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    let size = (random >> 40) % 700_000 + 1;
                    let block = heap.try_allocate(size, 1 << (random >> 60)).unwrap();
                    used.fetch_add(block.size(), Ordering::Relaxed);
                    held.push(block.clone());
                    held.push(block);
                    if held.len() > 40 {
                        held.swap_remove((random >> 33) as usize % 40);
                        held.truncate(30);
                    }
                }
            });
        }
    });
    assert!(used.into_inner() > 0);
    assert_eq!((heap.stats().blocks, heap.stats().used), (0, 0));
    heap.trim();
    assert_eq!((tag.account().own.committed, out.lock().unwrap().len()), (0, 0));
}
