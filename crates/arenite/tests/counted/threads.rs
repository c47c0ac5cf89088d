//! Threads that allocate, pass blocks on, and end.

use std::cell::RefCell;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Barrier, mpsc};
use std::thread;

use super::stats;

/// Blocks that are grown, shrunk and freed by a neighbour, while threads come and go.
pub(crate) fn that_end_leave_exact_figures() {
    let churn = || {
        for _generation in 0..4 {
            let (give, take): (Vec<_>, Vec<_>) = (0..4).map(|_| mpsc::channel::<Vec<u8>>()).unzip();
            thread::scope(|threads| {
                let mut all = Vec::new();
                for (number, take) in take.into_iter().enumerate() {
                    let give = give[(number + 1) % 4].clone();
                    all.push(threads.spawn(move || {
                        let mut kept = Vec::new();
                        for round in 0..2000usize {
                            let mut block = vec![number as u8; round * 37 % 3000 + 1];
                            block.extend_from_slice(&[1; 100]);
                            block.shrink_to_fit();
                            if round.is_multiple_of(3) {
                                kept.push(block);
                            } else {
                                // The neighbour may be gone.
                                let _ = give.send(block);
                            }
                            while let Ok(other) = take.try_recv() {
                                assert!(other.len() > 100);
                            }
                        }
                        drop(give);
                    }));
                }
                drop(give);
                join(all);
            });
        }
    };
    // What the standard library makes once.
    churn();
    let before = stats();
    churn();
    let more = stats().since(&before);
    assert_eq!((more.bytes, more.blocks), (0, 0), "{more:?}");
    assert!(more.allocations > 30_000 && more.reallocations > 30_000, "{more:?}");
    assert_eq!(more.allocations, more.deallocations);
    assert_eq!(more.bytes_allocated, more.bytes_deallocated);
}

/// Waits until threads are gone, their destructors too; the end of a scope only waits for their work.
fn join(threads: Vec<thread::ScopedJoinHandle<'_, ()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

struct Last(Vec<u8>);

impl Drop for Last {
    fn drop(&mut self) {
        // The thread's number may be gone; what it does now must count all the same.
        let more = black_box(vec![1u8; 777]);
        self.0.extend_from_slice(&more);
        assert_eq!(self.0.len(), 777 + 333);
    }
}

thread_local! {
    static LAST: RefCell<Option<Last>> = const { RefCell::new(None) };
}

pub(crate) fn destructors_may_allocate() {
    let run = || {
        thread::spawn(|| {
            LAST.with_borrow_mut(|last| *last = Some(Last(vec![0; 333])));
        })
        .join()
        .unwrap();
    };
    run();
    let before = stats();
    for _ in 0..20 {
        run();
    }
    let more = stats().since(&before);
    assert_eq!((more.bytes, more.blocks), (0, 0), "{more:?}");
    assert!(more.allocations >= 40, "the destructors' own blocks count: {more:?}");
}

/// Those that get no slot share one.
pub(crate) fn more_than_slots() {
    const THREADS: usize = 300;
    let run = || {
        let barrier = Barrier::new(THREADS);
        let mut seen = 0;
        thread::scope(|threads| {
            let mut all = Vec::new();
            for _ in 0..THREADS {
                let small = thread::Builder::new().stack_size(64 << 10);
                let one = small
                    .spawn_scoped(threads, || {
                        let mut block = black_box(vec![1u8; 10_000]);
                        barrier.wait();
                        block.extend_from_slice(&[2; 100]);
                        barrier.wait();
                    })
                    .unwrap();
                all.push(one);
            }
            while seen < 10_000 * THREADS as u64 && stats().blocks < THREADS as u64 {
                seen = stats().bytes;
                thread::yield_now();
            }
            join(all);
        });
    };
    run();
    let before = stats();
    run();
    let more = stats().since(&before);
    assert_eq!((more.bytes, more.blocks), (0, 0), "{more:?}");
    assert!(more.reallocations >= THREADS as u64 && stats().peak_bytes >= 10_000 * THREADS as u64);
}

pub(crate) fn looks_never_underflow() {
    let stop = AtomicBool::new(false);
    thread::scope(|threads| {
        let (give, take) = mpsc::sync_channel::<Box<[u8; 500]>>(4);
        threads.spawn({
            let stop = &stop;
            move || {
                while !stop.load(Ordering::Relaxed) {
                    give.send(Box::new([1; 500])).unwrap();
                }
            }
        });
        threads.spawn(move || {
            let sum: u64 = take.iter().map(|block| u64::from(block[0])).sum();
            black_box(sum);
        });
        let mut before = stats();
        for _ in 0..2000 {
            let now = stats();
            // Wrapped differences would be immense.
            assert!(now.bytes < 1 << 32 && now.blocks < 1 << 20, "{now}");
            assert_eq!(now.blocks, now.allocations - now.deallocations);
            assert_eq!(now.bytes, now.bytes_allocated - now.bytes_deallocated);
            assert!(now.peak_bytes >= now.bytes && now.peak_bytes >= before.peak_bytes);
            assert!(now.size_classes().map(|class| class.blocks).sum::<u64>() >= now.blocks);
            assert!(now.allocations >= before.allocations && now.deallocations >= before.deallocations);
            before = now;
        }
        stop.store(true, Ordering::Relaxed);
    });
}
