//! Many threads at once: blocks of all sizes cross threads, threads end with chains of others' blocks and with pages of their
//! own, and somebody trims and asks for figures all the while.

use core::alloc::Layout;
use core::sync::atomic::{AtomicBool, AtomicUsize};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::vec::Vec;

use super::*;
use crate::ledger::Ledger;

type T = StdThreads;

/// Blocks that a test under a sanitizer can do in a few seconds.
const BLOCKS: usize = 20_000;

struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    fn size(&mut self) -> usize {
        match self.below(200) {
            0 => self.below(3 << 20),
            1..5 => self.below(200 << 10),
            5..30 => self.below(20 << 10),
            30..60 => 64,
            _ => self.below(600),
        }
    }
}

/// A block on its way between threads, with its number in its first and last bytes.
struct Sent {
    block: NonNull<u8>,
    size: usize,
    seed: u8,
}

// SAFETY: a block is nobody's but whose handle this is.
unsafe impl Send for Sent {}

impl Sent {
    fn new(block: NonNull<u8>, size: usize, seed: u8) -> Self {
        // SAFETY: so many bytes of a live block.
        unsafe {
            block.write_bytes(seed, size.min(200));
            if size > 0 {
                block.add(size - 1).write(seed);
            }
        }
        Self { block, size, seed }
    }

    fn free(self) {
        // SAFETY: a live block, and its only handle.
        unsafe {
            assert!(
                (0..self.size.min(200)).all(|at| self.block.add(at).read() == self.seed),
                "{:p}",
                self.block
            );
            assert!(self.size == 0 || self.block.add(self.size - 1).read() == self.seed);
            free::<T>(self.block);
        }
    }
}

fn take(heap: Option<&BucketHeap>, random: &mut Random) -> Sent {
    let size = random.size();
    let block = match heap {
        Some(heap) => heap.try_alloc(Layout::from_size_align(size, 8).unwrap()).unwrap(),
        // As a sampled recording does now and then.
        #[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
        None if random.below(4) == 0 => alloc_apart::<T>(size, 16 << random.below(4), false).unwrap(),
        None => alloc::<T>(size).unwrap(),
    };
    Sent::new(block, size, random.below(256) as u8)
}

/// Three threads make blocks and send each to any of three others, which free most of them in any order and send some on.
fn producers_and_consumers(heap: Option<&BucketHeap>, tag: Option<Tag>, meanwhile: impl Fn() + Sync) {
    let ended = AtomicUsize::new(0);
    let enter_tag = || tag.map(|tag| enter::<T>(tag).unwrap());
    thread::scope(|scope| {
        let (senders, receivers): (Vec<Sender<Sent>>, Vec<Receiver<Sent>>) =
            (0..3).map(|_| channel()).unzip();
        for producer in 0..3 {
            let (senders, ended) = (senders.clone(), &ended);
            scope.spawn(move || {
                enter_tag();
                let mut random = Random(producer + 1);
                let mut own = Vec::new();
                for _ in 0..BLOCKS {
                    let sent = take(heap, &mut random);
                    match random.below(3) {
                        0 => own.push(sent),
                        _ => senders[random.below(3)].send(sent).unwrap(),
                    }
                    if own.len() > 100 {
                        own.swap_remove(random.below(own.len())).free();
                    }
                }
                own.into_iter().for_each(Sent::free);
                ended.fetch_add(1, Ordering::Relaxed);
            });
        }
        drop(senders);
        for (consumer, receiver) in receivers.into_iter().enumerate() {
            let ended = &ended;
            scope.spawn(move || {
                enter_tag();
                let mut random = Random(consumer as u64 + 77);
                let mut held = Vec::new();
                for sent in receiver {
                    held.push(sent);
                    if random.below(8) == 0 {
                        held.push(take(heap, &mut random));
                    }
                    if held.len() > 300 {
                        held.swap_remove(random.below(held.len())).free();
                    }
                }
                // Another thread frees the rest, and ends with chains of it.
                thread::spawn(|| held.into_iter().for_each(Sent::free)).join().unwrap();
                ended.fetch_add(1, Ordering::Relaxed);
            });
        }
        scope.spawn(|| {
            while ended.load(Ordering::Relaxed) < 6 {
                meanwhile();
                thread::yield_now();
            }
        });
    });
}

/// Those who ask for exact figures of the process's heap do so one after the other: a trim reaches the places of all
/// threads that have ended.
static TURN: Mutex<()> = Mutex::new(());

#[test]
fn blocks_cross_threads_while_somebody_trims() {
    let ledger: &'static Ledger = std::boxed::Box::leak(std::boxed::Box::new(Ledger::new()));
    let tag = ledger.register("heap").unwrap();
    for (delay, hardened) in [(200, false), (0, false), (0, true)] {
        let options = BucketHeapOptions::new(tag).purge_delay(delay).hardened(hardened);
        let heap = BucketHeap::try_with(options).unwrap();
        for _ in 0..2 {
            producers_and_consumers(Some(&heap), None, || {
                heap.trim();
                assert!(heap.stats().allocs() <= 12 * BLOCKS as u64);
                assert!(!heap.owns((&raw const heap).cast()));
            });
            let stats = heap.stats();
            assert_eq!((stats.live(), stats.live_bytes(), stats.allocs()), (0, 0, stats.frees()));
        }
        // A place for each thread there was at once, and headers; hardened ones are larger.
        super::tests::trim_to(&heap, if hardened { 600 << 10 } else { 400 << 10 });
        let own = tag.account().own;
        assert!(own.reserved <= 12 << 20, "{own:?}");
        drop(heap);
        let own = tag.account().own;
        assert_eq!((own.reserved, own.committed), (0, 0));
    }
}

#[test]
fn blocks_of_the_process_cross_threads_while_somebody_trims() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let tag = Tag::register("bucket/stress/process").unwrap();
    producers_and_consumers(None, Some(tag), || {
        trim::<T>();
        let _ = process_stats(Some(tag));
        let _ = process_stats(None);
    });
    assert_eq!(live_soon(tag), (0, 0));
}

/// The figures of a tag when nobody is at it: a test beside this one may trim places of its threads, which have ended.
fn live_soon(tag: Tag) -> (u64, u64) {
    let figures = || {
        let stats = process_stats(Some(tag));
        (stats.live(), stats.live_bytes())
    };
    (0..1000).map(|_| figures()).find(|live| *live == (0, 0)).unwrap_or_else(figures)
}

#[test]
fn threads_that_end_pass_their_pages_on() {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let tag = Tag::register("bucket/stress/ends").unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                trim::<T>();
                let _ = process_stats(None);
                thread::yield_now();
            }
        });
        let lanes: Vec<_> = (0..3)
            .map(|lane| {
                scope.spawn(move || {
                    let mut random = Random(lane + 5);
                    let mut passed: Vec<Sent> = Vec::new();
                    for _ in 0..100 {
                        let seed = random.below(1 << 30) as u64 + 1;
                        let given = core::mem::take(&mut passed);
                        passed = thread::spawn(move || {
                            enter::<T>(tag).unwrap();
                            let mut random = Random(seed);
                            let mut held = given;
                            for _ in 0..100 {
                                held.push(take(None, &mut random));
                                if random.below(3) == 0 {
                                    held.swap_remove(random.below(held.len())).free();
                                }
                            }
                            // Fewer than fill a chain, so that they are on their way when the thread ends.
                            let stay = held.len().min(60);
                            held.drain(stay..).for_each(Sent::free);
                            held
                        })
                        .join()
                        .unwrap();
                    }
                    passed
                })
            })
            .collect();
        let passed: Vec<Vec<Sent>> = lanes.into_iter().map(|lane| lane.join().unwrap()).collect();
        stop.store(true, Ordering::Relaxed);
        // On a thread that ends as well: what this one frees waits in its chains.
        scope.spawn(|| passed.into_iter().flatten().for_each(Sent::free));
    });
    assert_eq!(live_soon(tag), (0, 0));
}
