//! The workload: a frame loop that allocates from 771 call stacks, eighteen frames deep, as an engine does; most blocks are gone
//! at the end of the frame, some live for a thousand frames.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Blocks that a frame makes and drops.
const BLOCKS: usize = 50;
/// Frames before the clock starts.
const WARM: usize = 1000;
/// Paths through the calls: each is a stack of its own.
pub const PATHS: u64 = 771;
/// Pairs of an allocation and a free for each frame.
pub const PAIRS: usize = BLOCKS + 1;

/// Where blocks go.
type Kept = Vec<Vec<u8>>;

/// Two functions of a level, which differ: each calls one of the two of the next level, by a bit of the path.
macro_rules! level {
    ($left:ident $right:ident $number:literal: $next_left:ident $next_right:ident) => {
        #[inline(never)]
        fn $left(path: u64, kept: &mut Kept, size: usize) {
            if path & 1 == 0 {
                $next_left(path >> 1, kept, size);
            } else {
                $next_right(path >> 1, kept, size);
            }
            black_box($number * 2);
        }
        #[inline(never)]
        fn $right(path: u64, kept: &mut Kept, size: usize) {
            if path & 1 == 0 {
                $next_left(path >> 1, kept, size);
            } else {
                $next_right(path >> 1, kept, size);
            }
            black_box($number * 2 + 1);
        }
    };
}

level!(a0 b0 0: a1 b1);
level!(a1 b1 1: a2 b2);
level!(a2 b2 2: a3 b3);
level!(a3 b3 3: a4 b4);
level!(a4 b4 4: a5 b5);
level!(a5 b5 5: a6 b6);
level!(a6 b6 6: a7 b7);
level!(a7 b7 7: a8 b8);
level!(a8 b8 8: a9 b9);
level!(a9 b9 9: a10 b10);

#[inline(never)]
fn a10(_path: u64, kept: &mut Kept, size: usize) {
    kept.push(Vec::with_capacity(size));
    black_box(20);
}

#[inline(never)]
fn b10(_path: u64, kept: &mut Kept, size: usize) {
    kept.push(Vec::with_capacity(size));
    black_box(21);
}

/// The same numbers each time.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

#[inline(never)]
fn frame(numbers: &mut Numbers, short: &mut Kept, long: &mut Kept) {
    for _ in 0..BLOCKS {
        let path = numbers.next() % PATHS;
        // A stack asks for few different sizes.
        a0(path, short, 16 + (path as usize * 37) % 480);
    }
    if long.len() > 1000 {
        long.swap_remove(numbers.next() as usize % 1000);
    }
    let path = numbers.next() % PATHS;
    b0(path, long, 100 + (numbers.next() % 4000) as usize);
    short.clear();
}

/// How long something took.
enum Clock {
    Wall(Instant),
    /// What the thread had of a processor: where others are at work. What it waited for locks is not in it.
    Processor(Duration),
}

impl Clock {
    fn processor() -> Duration {
        let time = clock_gettime(ClockId::ThreadCPUTime);
        Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
    }

    /// The processor's if `RECORDING_CLOCK` is `processor`.
    fn start() -> Self {
        match std::env::var("RECORDING_CLOCK").as_deref() {
            Ok("processor") => Self::Processor(Self::processor()),
            _ => Self::Wall(Instant::now()),
        }
    }

    fn elapsed(&self) -> Duration {
        match self {
            Self::Wall(start) => start.elapsed(),
            Self::Processor(start) => Self::processor() - *start,
        }
    }
}

fn one(frames: usize, seed: u64) -> f64 {
    let (mut numbers, mut short, mut long) =
        (Numbers(seed | 1), Kept::with_capacity(BLOCKS), Kept::with_capacity(2 * WARM));
    (0..WARM).for_each(|_| frame(&mut numbers, &mut short, &mut long));
    let start = Clock::start();
    (0..frames).for_each(|_| frame(&mut numbers, &mut short, &mut long));
    let nanoseconds = start.elapsed().as_nanos() as f64;
    assert!(short.is_empty() && long.len() > 1000, "it did what it says");
    nanoseconds / (frames * PAIRS) as f64
}

/// Nanoseconds a pair, on so many threads at a time.
#[must_use]
pub fn run(frames: usize, threads: usize) -> f64 {
    let threads: Vec<_> = (0..threads as u64)
        .map(|thread| std::thread::spawn(move || one(frames, 77 + 1000 * thread)))
        .collect();
    let count = threads.len() as f64;
    threads.into_iter().map(|thread| thread.join().expect("it does not panic")).sum::<f64>() / count
}

/// Pairs that [`run`] makes, all in all.
#[must_use]
pub fn pairs(frames: usize, threads: usize) -> f64 {
    ((frames + WARM) * PAIRS * threads) as f64
}

/// Frames and threads, from the program's arguments.
#[must_use]
pub fn arguments() -> (usize, usize, Option<String>) {
    let mut arguments = std::env::args().skip(1);
    let mut number = |otherwise| arguments.next().map_or(otherwise, |text| text.parse().expect("a number"));
    let (frames, threads) = (number(20_000), number(1));
    (frames, threads, arguments.next())
}
