//! Programs for job arenas: one thread that holds several of them, as a job does that steals others.

use std::slice::Iter;

use arenite::{JobArena, JobArenas, JobArenasOptions};

use super::block::{Alloc, Blocks, Book};
use super::size;
use super::world::{Weather, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    CheckOut,
    CheckIn(u8),
    /// Never checked in: taken until the reset.
    Forget(u8),
    Alloc(u8, Alloc, u8),
    /// Uses the scratch stack of a job, nested once, and may forget a guard.
    Scratch(u8, u8),
    Check,
    Reset,
    Trim(u8),
    Presize(u8),
    Weather(Weather),
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, c]: [u8; 4]) -> Self {
        match kind % 16 {
            0..=2 => Self::CheckOut,
            3 => Self::CheckIn(a),
            4 if a < 64 => Self::Forget(a),
            4..=8 => Self::Alloc(kind / 16, Alloc::of([a, b, c]), c),
            9 | 10 => Self::Scratch(a, b),
            11 => Self::Check,
            12 => Self::Reset,
            13 => Self::Trim(a),
            14 => Self::Presize(a),
            _ => Self::Weather(Weather::of(a, b)),
        }
    }
}

const ARENAS: usize = 3;
const RESERVE: usize = 512 << 10;

struct Model {
    /// Allocated in all arenas since the last reset.
    used: usize,
    /// Committed for the table and the two reservations.
    fixed: usize,
}

impl Model {
    fn check(&self, jobs: &mut JobArenas, world: &World) {
        let stats = jobs.stats();
        assert_eq!((stats.arenas, stats.used), (ARENAS, self.used));
        assert!(stats.high_water >= stats.used && stats.touched <= ARENAS);
        assert_eq!(world.own().committed, stats.committed + self.fixed);
        jobs.publish();
        assert_eq!(world.own().live, self.used, "no scratch is open");
    }
}

pub(crate) fn run(ops: &[Op]) {
    let mut world = World::new("job");
    let options = JobArenasOptions::new(world.tag).arenas(ARENAS).reserve(RESERVE).scratch(RESERVE);
    let mut jobs = JobArenas::try_with(options).expect("the system is calm");
    let mut model = Model { used: 0, fixed: world.own().committed - jobs.stats().committed };
    let mut ops = ops.iter();
    while let Some(op) = round(&jobs, &mut ops, &mut world, &mut model) {
        model.check(&mut jobs, &world);
        match op {
            Op::Trim(keep) => {
                model.used = 0;
                if let Err(error) = jobs.try_trim(size(keep)) {
                    world.believe(error, false);
                } else {
                    assert!(jobs.stats().committed <= 2 * ARENAS * size(keep).next_multiple_of(64 << 10));
                }
            }
            Op::Presize(bytes) => {
                jobs.reset();
                model.used = 0;
                if let Err(error) = jobs.try_presize(2, size(bytes)) {
                    world.believe(error, false);
                }
            }
            _ => {
                jobs.reset();
                model.used = 0;
            }
        }
        model.check(&mut jobs, &world);
    }
    world.end(jobs);
}

/// From one reset to the next: what was allocated stays, also when its job has checked in.
fn round(jobs: &JobArenas, ops: &mut Iter<'_, Op>, world: &mut World, model: &mut Model) -> Option<Op> {
    let mut blocks = Blocks::new();
    // One book for all arenas: which of them a job gets is theirs to choose, so places are not predicted.
    let mut book = Book::new(RESERVE);
    let mut held: Vec<JobArena<'_>> = Vec::new();
    let mut forgotten = 0;
    let answer = loop {
        let Some(&op) = ops.next() else { break None };
        let pick = |index: u8, held: &Vec<JobArena<'_>>| usize::from(index) % held.len().max(1);
        match op {
            Op::CheckOut => match jobs.try_checkout() {
                Ok(job) => held.push(job),
                Err(error) => assert_eq!((error.arenas, held.len() + forgotten), (ARENAS, ARENAS)),
            },
            Op::CheckIn(index) | Op::Forget(index) if !held.is_empty() => {
                let job = held.swap_remove(pick(index, &held));
                if matches!(op, Op::Forget(_)) {
                    std::mem::forget(job);
                    forgotten += 1;
                }
            }
            Op::Alloc(index, alloc, seed) if !held.is_empty() => {
                let job = &held[pick(index, &held)];
                let before = job.used();
                book.forget_base();
                blocks.alloc(job, &mut book, world, alloc, seed);
                model.used += job.used() - before;
            }
            Op::Scratch(index, bytes) if !held.is_empty() => scratch(&held[pick(index, &held)], bytes, world),
            Op::Check => blocks.check(),
            Op::Weather(weather) => world.set(weather),
            Op::Reset | Op::Trim(_) | Op::Presize(_) => break Some(op),
            Op::CheckIn(_) | Op::Forget(_) | Op::Alloc(..) | Op::Scratch(..) => {}
        }
        assert!(held.len() + forgotten <= ARENAS);
    };
    drop(held);
    blocks.check();
    answer
}

fn scratch(job: &JobArena<'_>, bytes: u8, world: &World) {
    // A guard that was forgotten keeps the stack open until the job checks in.
    let Ok(mut guard) = job.try_scratch() else { return };
    let mut scope = guard.scope();
    assert_eq!(scope.used(), 0, "each job starts with an empty stack");
    let mut book = Book::new(RESERVE);
    let mut blocks = Blocks::new();
    blocks.alloc(&scope, &mut book, world, Alloc::of([3, 0, bytes]), bytes);
    scope.scoped(|inner| {
        let mut blocks = Blocks::new();
        blocks.alloc(&*inner, &mut book, world, Alloc::of([3, 4, bytes]), !bytes);
        assert!(job.try_scratch().is_err(), "open once");
        blocks.check();
    });
    blocks.check();
    drop(blocks);
    if bytes.is_multiple_of(16) {
        std::mem::forget(guard);
    }
}
