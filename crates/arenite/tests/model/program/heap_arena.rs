//! Programs for heap arenas: scopes that end in every way, marks that are gone back to, resets and clears, over a heap with a
//! fixed range, tracked or not, whose system and budget refuse.

use std::iter::Peekable;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::slice::Iter;

use arenite::{Heap, HeapArena, HeapMark, HeapOptions, HeapScope, ScopeBox, StaleMark};

use super::block::{Alloc, Blocks, Book};
use super::scratch::Exit;
use super::world::{Weather, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Alloc(Alloc, u8),
    Boxed,
    Open(Exit),
    Close,
    Check,
    Reset,
    Clear,
    Trim,
    /// Remembers the moment.
    Mark,
    /// Goes back to one of them.
    Release(u8),
    Weather(Weather),
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, c]: [u8; 4]) -> Self {
        match kind % 32 {
            0..=13 => Self::Alloc(Alloc::of([a, b, c]), kind),
            14 => Self::Boxed,
            15..=18 => Self::Open(match a % 8 {
                0 => Exit::Panic,
                1 => Exit::Forget,
                2 => Exit::Twice,
                _ => Exit::Return,
            }),
            19..=21 => Self::Close,
            22 => Self::Check,
            23 => Self::Reset,
            24 => Self::Clear,
            25 => Self::Trim,
            26 => Self::Mark,
            27 | 28 => Self::Release(a),
            _ => Self::Weather(match Weather::of(a, b) {
                Weather::Budget(limit) => Weather::Budget(limit << (c % 4)),
                other => other,
            }),
        }
    }
}

type Ops<'o> = Peekable<Iter<'o, Op>>;

const ON_PURPOSE: &str = "on purpose";

pub(crate) fn run(ops: &[Op]) {
    let mut world = World::new("heap_arena");
    world.begins = true;
    let options = HeapOptions::new(world.tag).fixed(32 << 20).purge_delay([0, 200][ops.len() % 2]);
    let options = if ops.len().is_multiple_of(3) { options.track_blocks() } else { options };
    let heap = Heap::try_with(options).expect("the system is calm");
    let mut arena = HeapArena::try_new(&heap).expect("the system is calm");
    let other = HeapArena::try_new(&heap).expect("the system is calm");
    let witness = Rc::new(());
    let mut marks: Vec<(HeapMark, usize)> = Vec::new();
    // How many of the marks are surely right: nothing went back behind them.
    let mut right = 0;
    let mut high_water = 0;
    let mut ops = ops.iter().peekable();
    while let Some(&&op) = ops.peek() {
        if !matches!(op, Op::Alloc(..) | Op::Boxed) {
            ops.next();
        }
        match op {
            Op::Alloc(..) | Op::Boxed => flat(&arena, &mut ops, &world, &witness),
            Op::Open(exit) => {
                let before = arena.used();
                let mut book = Book::scattered();
                match exit {
                    Exit::Forget => {
                        let mut guard = arena.guard();
                        inside(&mut guard.scope(), &mut ops, &mut world, &mut book, &witness);
                        std::mem::forget(guard);
                    }
                    _ => {
                        arena.scoped(|scope| inside(scope, &mut ops, &mut world, &mut book, &witness));
                        assert_eq!(arena.used(), before);
                    }
                }
            }
            Op::Reset => {
                let committed = arena.stats().committed;
                arena.reset();
                assert_eq!((arena.used(), arena.stats().committed), (0, committed), "pages are kept");
                right = 0;
            }
            Op::Clear => {
                let committed = arena.stats().committed;
                assert_eq!(arena.clear(), committed);
                let stats = arena.stats();
                assert_eq!((stats.used, stats.committed, stats.chunks), (0, 0, 0));
                right = 0;
            }
            Op::Trim => {
                let before = arena.stats();
                let given = arena.trim();
                let after = arena.stats();
                assert_eq!((after.used, after.committed), (before.used, before.committed - given));
            }
            Op::Mark => {
                marks.truncate(right);
                marks.push((arena.mark(), arena.used()));
                right = marks.len();
            }
            Op::Release(index) if !marks.is_empty() => {
                let index = usize::from(index) % marks.len();
                let (mark, used) = marks[index];
                let before = arena.used();
                match arena.try_release(mark) {
                    Ok(()) => {
                        assert_eq!(arena.used(), used, "back where it was");
                        right = right.min(index + 1);
                    }
                    Err(StaleMark) => {
                        assert!(index >= right, "nothing went back behind it");
                        assert_eq!(arena.used(), before);
                    }
                }
                assert_eq!(arena.try_release(other.mark()), Err(StaleMark));
            }
            Op::Weather(weather) => world.set(weather),
            Op::Release(_) | Op::Close | Op::Check => {}
        }
        let (stats, own) = (arena.stats(), world.own());
        assert!(stats.used <= stats.committed && stats.committed <= own.committed, "{stats:?} of {own:?}");
        assert!(stats.high_water >= stats.used && stats.high_water >= high_water);
        assert!(own.reserved <= 32 << 20);
        high_water = stats.high_water;
        assert_eq!(Rc::strong_count(&witness), 1, "every box dropped its value");
    }
    world.wind_down();
    drop(other);
    let still = heap.try_discard().expect_err("the arena has a handle");
    assert_eq!(still.handles(), 1);
    drop(arena);
    still.into_heap().try_discard().expect("the arena gave everything back");
    world.end(());
}

type Boxes<'d> = Vec<ScopeBox<'d, (Rc<()>, [u64; 3])>>;

/// What is allocated without a scope, until something needs the arena itself.
fn flat(arena: &HeapArena, ops: &mut Ops<'_>, world: &World, witness: &Rc<()>) {
    let mut book = Book::scattered();
    let mut blocks = Blocks::new();
    let mut boxes: Boxes<'_> = Vec::new();
    while let Some(op) = ops.next_if(|op| matches!(op, Op::Alloc(..) | Op::Boxed | Op::Check)) {
        match *op {
            Op::Alloc(alloc, seed) => blocks.alloc(arena, &mut book, world, alloc, seed),
            Op::Boxed => match arena.try_alloc_box((Rc::clone(witness), [7; 3])) {
                Ok(boxed) => boxes.push(boxed),
                Err(error) => world.believe(error, true),
            },
            _ => blocks.check(),
        }
    }
    blocks.check();
    assert!(boxes.iter().all(|boxed| boxed.1 == [7; 3]));
}

/// Runs one scope.
fn inside(
    scope: &mut HeapScope<'_>,
    ops: &mut Ops<'_>,
    world: &mut World,
    book: &mut Book,
    witness: &Rc<()>,
) {
    let mut blocks = Blocks::new();
    let mut boxes: Boxes<'_> = Vec::new();
    while let Some(&op) = ops.next() {
        match op {
            Op::Alloc(alloc, seed) => blocks.alloc(&*scope, book, world, alloc, seed),
            Op::Boxed => match scope.try_alloc_box((Rc::clone(witness), [7; 3])) {
                Ok(boxed) => boxes.push(boxed),
                Err(error) => world.believe(error, true),
            },
            Op::Open(exit) => nest(scope, exit, ops, world, book, witness),
            Op::Close => break,
            Op::Check => blocks.check(),
            Op::Weather(weather) => world.set(weather),
            Op::Reset | Op::Clear | Op::Trim | Op::Mark | Op::Release(_) => {}
        }
    }
    blocks.check();
    assert!(boxes.iter().all(|boxed| boxed.1 == [7; 3]));
}

fn nest(
    scope: &mut HeapScope<'_>,
    exit: Exit,
    ops: &mut Ops<'_>,
    world: &mut World,
    book: &mut Book,
    witness: &Rc<()>,
) {
    let (used, count) = (scope.used(), book.count());
    match exit {
        Exit::Return => scope.scoped(|inner| inside(inner, ops, world, book, witness)),
        Exit::Panic => {
            let caught = catch_unwind(AssertUnwindSafe(|| {
                scope.scoped(|inner| {
                    inside(inner, ops, world, book, witness);
                    resume_unwind(Box::new(ON_PURPOSE));
                });
            }));
            let panic = caught.expect_err("it always panics");
            if panic.downcast_ref::<&str>() != Some(&ON_PURPOSE) {
                resume_unwind(panic);
            }
        }
        Exit::Forget => {
            let mut guard = scope.guard();
            inside(&mut guard.scope(), ops, world, book, witness);
            std::mem::forget(guard);
            // Nothing is freed before the guard around it is.
            assert!(scope.used() >= used);
            return;
        }
        Exit::Twice => {
            let mut guard = scope.guard();
            inside(&mut guard.scope(), ops, world, book, witness);
            book.rewind_scattered(count);
            inside(&mut guard.scope(), ops, world, book, witness);
        }
    }
    assert_eq!(scope.used(), used, "the inner scope gave everything back");
    book.rewind_scattered(count);
}
