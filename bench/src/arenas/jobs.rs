//! A job gets memory, puts 8 × 64 bytes in, and is done; what it made lives until the frame ends.
#![expect(
    unsafe_code,
    reason = "the fastest thread-local arena has no borrow flag, and a shared one hands out raw blocks"
)]

use std::cell::{RefCell, UnsafeCell};
use std::hint::black_box;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use arenite::{JobArenas, JobArenasOptions, Tag};
use bumpalo::Bump;
use bumpalo_herd::Herd;
use rayon::prelude::*;

use super::{digest, used};
use crate::harness::Contest;

/// Jobs of a frame. 256 KiB of results.
const JOBS: usize = 512;
const FRAMES: usize = 16;
const BLOCKS: u64 = 8;

type Block = [u64; 8];

const ROOM: usize = JOBS * BLOCKS as usize * size_of::<Block>() + 4096;

thread_local! {
    static BARE: UnsafeCell<Bump> = UnsafeCell::new(Bump::with_capacity(ROOM));
    /// The frame that the arena was last used in: the first job of a thread in a new frame empties it.
    static FRAMED: UnsafeCell<(u64, Bump)> = UnsafeCell::new((0, Bump::with_capacity(ROOM)));
    static CHECKED: RefCell<Bump> = RefCell::new(Bump::with_capacity(ROOM));
}

/// What one job allocates: each block is shown to the compiler, all of them go to `look`.
macro_rules! job {
    ($seed:expr, |$block:ident| $alloc:expr) => {
        for i in 0..BLOCKS {
            let $block: Block = [$seed + i; 8];
            used($alloc);
        }
    };
}

/// One arena for all, moved on by an atomic add.
struct Shared {
    memory: Vec<UnsafeCell<Block>>,
    next: AtomicUsize,
}

// SAFETY: each block is handed out once between two resets, which need `&mut self`.
unsafe impl Sync for Shared {}

impl Shared {
    fn new() -> Self {
        let memory = (0..JOBS * BLOCKS as usize).map(|_| UnsafeCell::new([0; 8])).collect();
        Self { memory, next: AtomicUsize::new(0) }
    }

    #[expect(clippy::mut_from_ref, reason = "an arena: no block is handed out twice")]
    #[inline(always)]
    fn alloc(&self, block: Block) -> &mut Block {
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        let place = self.memory[index].get();
        // SAFETY: the counter gave this index to this call only.
        unsafe {
            place.write(block);
            &mut *place
        }
    }
}

/// What the blocks of one job add up to, for each competitor.
fn answer<'a>(mut alloc: impl FnMut(Block) -> &'a mut Block) -> u64 {
    let blocks: Vec<&Block> = (0..BLOCKS).map(|i| &*alloc([3 + i; 8])).collect();
    digest(blocks, |block| block[7])
}

struct Answers {
    ours: u64,
    bumpalo: u64,
    herd: u64,
    boxes: u64,
    shared: u64,
}

fn answers(jobs: &JobArenas, herd: &Herd, shared: &Shared) -> Answers {
    let job = jobs.checkout();
    let ours = answer(|block| job.alloc(block));
    let bump = Bump::new();
    let member = herd.get();
    let boxes: Vec<Box<Block>> = (0..BLOCKS).map(|i| Box::new([3 + i; 8])).collect();
    Answers {
        ours,
        bumpalo: answer(|block| bump.alloc(block)),
        herd: answer(|block| member.alloc(block)),
        boxes: digest(boxes.iter().map(|one| &**one), |block| block[7]),
        shared: answer(|block| shared.alloc(block)),
    }
}

fn jobs() -> JobArenas {
    let options = JobArenasOptions::new(Tag::untagged()).arenas(16);
    let mut jobs = JobArenas::try_with(options).expect("job arenas");
    jobs.try_presize(16, ROOM).expect("warm job arenas");
    jobs
}

#[inline(always)]
fn our_job(jobs: &JobArenas, seed: u64) {
    let arena = jobs.checkout();
    job!(seed, |block| arena.alloc(block));
}

#[inline(always)]
fn bare_job(seed: u64) {
    BARE.with(|bump| {
        // SAFETY: nothing else uses this thread's arena while the job runs.
        let bump = unsafe { &*bump.get() };
        job!(seed, |block| bump.alloc(block));
    });
}

/// How a thread-local arena is emptied when no thread can reach another one's.
#[inline(always)]
fn framed_job(frame: &AtomicU64, seed: u64) {
    FRAMED.with(|local| {
        // SAFETY: nothing else uses this thread's arena while the job runs, and what the last frame's jobs made is
        // not used any more.
        let (last, bump) = unsafe { &mut *local.get() };
        let frame = frame.load(Ordering::Acquire);
        if *last != frame {
            *last = frame;
            bump.reset();
        }
        let bump = &*bump;
        job!(seed, |block| bump.alloc(block));
    });
}

#[inline(always)]
fn checked_job(seed: u64) {
    CHECKED.with_borrow(|bump| job!(seed, |block| bump.alloc(block)));
}

#[inline(always)]
fn herd_job(herd: &Herd, seed: u64) {
    let member = herd.get();
    job!(seed, |block| member.alloc(block));
}

#[inline(always)]
fn box_job(seed: u64) {
    let boxes: [Box<Block>; BLOCKS as usize] = std::array::from_fn(|i| Box::new([seed + i as u64; 8]));
    used(&boxes);
}

#[inline(always)]
fn shared_job(shared: &Shared, seed: u64) {
    job!(seed, |block| shared.alloc(block));
}

pub(super) fn one_thread() {
    let (mut ours, mut herd, mut shared) = (jobs(), Herd::new(), Shared::new());
    let answer = answers(&ours, &herd, &shared);
    *shared.next.get_mut() = 0;
    let mut frame = AtomicU64::new(1);
    Contest::new("job: get, 8 x 64 B, release", "job", JOBS * FRAMES)
        .ours("JobArenas::checkout", answer.ours, move || {
            for _ in 0..FRAMES {
                for seed in 0..JOBS as u64 {
                    our_job(black_box(&ours), seed);
                }
                ours.reset();
            }
        })
        .peer("thread-local bumpalo", answer.bumpalo, || {
            for _ in 0..FRAMES {
                (0..JOBS as u64).for_each(bare_job);
                // SAFETY: no job runs on this thread now.
                BARE.with(|bump| unsafe { (*bump.get()).reset() });
            }
        })
        .peer("thread-local bumpalo, frame counter", answer.bumpalo, move || {
            for _ in 0..FRAMES {
                for seed in 0..JOBS as u64 {
                    framed_job(black_box(&frame), seed);
                }
                *frame.get_mut() += 1;
            }
        })
        .peer("thread-local RefCell<bumpalo>", answer.bumpalo, || {
            for _ in 0..FRAMES {
                (0..JOBS as u64).for_each(checked_job);
                CHECKED.with_borrow_mut(Bump::reset);
            }
        })
        .peer("bumpalo-herd", answer.herd, move || {
            for _ in 0..FRAMES {
                for seed in 0..JOBS as u64 {
                    herd_job(black_box(&herd), seed);
                }
                herd.reset();
            }
        })
        .peer("8 boxes", answer.boxes, || {
            for _ in 0..FRAMES {
                (0..JOBS as u64).for_each(box_job);
            }
        })
        .peer("one arena, atomic add", answer.shared, move || {
            for _ in 0..FRAMES {
                for seed in 0..JOBS as u64 {
                    shared_job(black_box(&shared), seed);
                }
                *shared.next.get_mut() = 0;
            }
        })
        .bar("JobArenas::checkout", "thread-local bumpalo", 1.1)
        .bar("JobArenas::checkout", "thread-local RefCell<bumpalo>", 1.1)
        .run();
}

pub(super) fn rayon() {
    let (mut ours, mut herd, mut shared) = (jobs(), Herd::new(), Shared::new());
    let answer = answers(&ours, &herd, &shared);
    *shared.next.get_mut() = 0;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(2).build().expect("a pool of two threads");
    let pool = &pool;
    let frame = &AtomicU64::new(1);
    let seeds = || (0..JOBS as u64).into_par_iter();
    Contest::new("job in rayon, 2 threads", "job", JOBS * FRAMES)
        .ours("JobArenas::checkout", answer.ours, move || {
            for _ in 0..FRAMES {
                pool.install(|| seeds().for_each(|seed| our_job(&ours, seed)));
                ours.reset();
            }
        })
        .peer("thread-local bumpalo, frame counter", answer.bumpalo, || {
            for _ in 0..FRAMES {
                frame.fetch_add(1, Ordering::Release);
                pool.install(|| seeds().for_each(|seed| framed_job(frame, seed)));
            }
        })
        .peer("bumpalo-herd", answer.herd, move || {
            for _ in 0..FRAMES {
                pool.install(|| seeds().for_each(|seed| herd_job(&herd, seed)));
                herd.reset();
            }
        })
        .peer("bumpalo-herd, for_each_init", answer.herd, {
            let mut herd = Herd::new();
            move || {
                for _ in 0..FRAMES {
                    pool.install(|| {
                        seeds().for_each_init(
                            || herd.get(),
                            |member, seed| {
                                job!(seed, |block| member.alloc(block));
                            },
                        );
                    });
                    herd.reset();
                }
            }
        })
        .peer("8 boxes", answer.boxes, move || {
            for _ in 0..FRAMES {
                pool.install(|| seeds().for_each(box_job));
            }
        })
        .peer("one arena, atomic add", answer.shared, move || {
            for _ in 0..FRAMES {
                pool.install(|| seeds().for_each(|seed| shared_job(&shared, seed)));
                *shared.next.get_mut() = 0;
            }
        })
        .bar("JobArenas::checkout", "thread-local bumpalo, frame counter", 1.1)
        .run();
}
