//! Programs for the scratch stack.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::slice::Iter;

use arenite::{Scope, ScopeBox, ScratchStack};

use super::block::{Alloc, Blocks, Book, Place};
use super::size;
use super::world::{Weather, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Alloc(Alloc, u8),
    /// A value with a destructor.
    Boxed,
    /// Drops one of them, or takes it out.
    Unbox(u8),
    Open(Exit),
    Close,
    Check,
    Presize(u8),
    Trim(u8),
    Weather(Weather),
}

/// How an inner scope ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Exit {
    Return,
    Panic,
    /// Its guard is forgotten: that frees what it held as well.
    Forget,
    /// Its guard opens a second scope, in which the first one's memory is free.
    Twice,
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, c]: [u8; 4]) -> Self {
        match kind % 16 {
            0..=5 => Self::Alloc(Alloc::of([a, b, c]), kind),
            6 => Self::Boxed,
            7 => Self::Unbox(a),
            8 | 9 => Self::Open(match a % 8 {
                0 => Exit::Panic,
                1 => Exit::Forget,
                2 => Exit::Twice,
                _ => Exit::Return,
            }),
            10 | 11 => Self::Close,
            12 => Self::Check,
            13 => Self::Presize(a),
            14 => Self::Trim(a),
            _ => Self::Weather(Weather::of(a, b)),
        }
    }
}

const RESERVE: usize = 1 << 20;

/// Unwinds when the real structure has a bug, but not past this: a model's own failure goes on.
const ON_PURPOSE: &str = "on purpose";

pub(crate) fn run(ops: &[Op]) {
    let mut world = World::new("scratch");
    let mut stack = ScratchStack::try_new(world.tag, RESERVE).expect("the system is calm");
    let witness = Rc::new(());
    let mut ops = ops.iter();
    while let Some(&op) = ops.next() {
        match op {
            Op::Open(Exit::Forget) => {
                let mut guard = stack.guard();
                let mut book = Book::new(RESERVE);
                inside(&mut guard.scope(), &mut ops, &mut world, &mut book, &witness);
                std::mem::forget(guard);
                assert_eq!(stack.used(), 0);
            }
            Op::Open(_) => {
                let mut book = Book::new(RESERVE);
                stack.scoped(|scope| inside(scope, &mut ops, &mut world, &mut book, &witness));
                assert_eq!(stack.used(), 0);
            }
            Op::Presize(bytes) => match stack.try_presize(size(bytes)) {
                Ok(()) => assert!(stack.committed() >= size(bytes).min(stack.reserved())),
                Err(error) => world.believe(error, false),
            },
            Op::Trim(keep) => {
                let before = stack.committed();
                match stack.try_trim(size(keep)) {
                    Ok(()) => assert!(stack.committed() <= before.max(size(keep))),
                    Err(error) => {
                        world.believe(error, false);
                        assert_eq!(stack.committed(), before);
                    }
                }
                stack.publish();
                assert_eq!((stack.used(), world.own().live), (0, 0));
            }
            Op::Weather(weather) => world.set(weather),
            Op::Alloc(..) | Op::Boxed | Op::Unbox(_) | Op::Close | Op::Check => {}
        }
        let own = world.own();
        assert_eq!(own.committed, stack.committed());
        assert!(own.reserved >= stack.reserved());
        assert_eq!(Rc::strong_count(&witness), 1, "every box dropped its value");
    }
    world.end(stack);
}

/// Runs one scope.
fn inside(
    scope: &mut Scope<'_>,
    ops: &mut Iter<'_, Op>,
    world: &mut World,
    book: &mut Book,
    witness: &Rc<()>,
) {
    let mut blocks = Blocks::new();
    let mut boxes: Vec<ScopeBox<'_, (Rc<()>, [u64; 3])>> = Vec::new();
    while let Some(&op) = ops.next() {
        match op {
            Op::Alloc(alloc, seed) => blocks.alloc(&*scope, book, world, alloc, seed),
            Op::Boxed => {
                let before = scope.used();
                match scope.try_alloc_box((Rc::clone(witness), [7; 3])) {
                    Ok(boxed) => {
                        let block = std::slice::from_ref(&*boxed);
                        book.insert(block, Place::First, before, scope.used());
                        boxes.push(boxed);
                    }
                    Err(error) => world.believe(error, before + (256 << 10) > RESERVE),
                }
            }
            Op::Unbox(index) => {
                if !boxes.is_empty() {
                    let boxed = boxes.swap_remove(usize::from(index) % boxes.len());
                    assert_eq!(boxed.1, [7; 3]);
                    if index % 2 == 0 {
                        assert_eq!(ScopeBox::into_inner(boxed).1, [7; 3]);
                    }
                }
            }
            Op::Open(exit) => nest(scope, exit, ops, world, book, witness),
            Op::Close => break,
            Op::Check => blocks.check(),
            Op::Weather(weather) => world.set(weather),
            Op::Presize(_) | Op::Trim(_) => {}
        }
    }
    blocks.check();
    assert!(boxes.iter().all(|boxed| boxed.1 == [7; 3]));
}

fn nest(
    scope: &mut Scope<'_>,
    exit: Exit,
    ops: &mut Iter<'_, Op>,
    world: &mut World,
    book: &mut Book,
    witness: &Rc<()>,
) {
    let used = scope.used();
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
        }
        Exit::Twice => {
            let mut guard = scope.guard();
            inside(&mut guard.scope(), ops, world, book, witness);
            book.rewind(used);
            inside(&mut guard.scope(), ops, world, book, witness);
        }
    }
    assert_eq!(scope.used(), used, "the inner scope gave everything back");
    book.rewind(used);
}
