//! Programs for the resource arena.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};

use arenite::{AllocError, Resource, ResourceArena, ResourceArenaOptions};

use super::block::{Mark, marks};
use super::size;
use super::world::{Weather, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// A value with a destructor; it may panic when it is dropped.
    Insert {
        bomb: bool,
    },
    /// A value whose constructor inserts another one.
    Nested,
    /// A constructor that panics, after it has inserted another value or not.
    Panic {
        nested: bool,
    },
    Bytes(u8, u8),
    /// Bytes from a decoder that fails half-way.
    Fail(u8),
    Text(u8, u8),
    Nothing,
    Check,
    Clear,
    Weather(Weather),
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, _]: [u8; 4]) -> Self {
        match kind % 16 {
            0..=2 => Self::Insert { bomb: a < 16 },
            3 => Self::Nested,
            4 => Self::Panic { nested: a < 128 },
            5..=7 => Self::Bytes(a, b),
            8 => Self::Fail(a),
            9 | 10 => Self::Text(a, b),
            11 => Self::Nothing,
            12 | 13 => Self::Check,
            14 => Self::Clear,
            _ => Self::Weather(Weather::of(a, b)),
        }
    }
}

type Log = Arc<Mutex<Vec<u32>>>;

/// Writes its number down when it is dropped.
struct Tracked {
    number: u32,
    log: Log,
    bomb: bool,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.log.lock().expect("nobody panics with it").push(self.number);
        if self.bomb {
            resume_unwind(Box::new(self.number));
        }
    }
}

enum Held {
    Tracked(Resource<Tracked>, u32, bool),
    Bytes(Resource<[u8]>, u8, usize),
    Text(Resource<str>, String),
    Nothing(Resource<()>),
}

struct Model {
    log: Log,
    next: u32,
    /// In the order of insertion.
    held: Vec<Held>,
    stale: Vec<Held>,
}

impl Model {
    fn tracked(&mut self, bomb: bool) -> Tracked {
        self.next += 1;
        Tracked { number: self.next, log: Arc::clone(&self.log), bomb }
    }

    fn dropped(&self) -> Vec<u32> {
        std::mem::take(&mut self.log.lock().expect("nobody panics with it"))
    }

    fn check(&self, arena: &ResourceArena, world: &World) {
        for held in &self.held {
            match held {
                Held::Tracked(resource, number, _) => {
                    assert_eq!(arena.get(*resource).map(|value| value.number), Some(*number));
                }
                Held::Bytes(resource, seed, len) => {
                    let bytes = arena.get(*resource).expect("still there");
                    assert!(bytes.iter().copied().eq(marks::<u8>(*seed, *len)));
                }
                Held::Text(resource, text) => assert_eq!(arena.get(*resource), Some(text.as_str())),
                Held::Nothing(resource) => assert_eq!(arena.get(*resource), Some(&())),
            }
        }
        assert!(self.stale.iter().all(|held| match held {
            Held::Tracked(resource, ..) => arena.get(*resource).is_none(),
            Held::Bytes(resource, ..) => arena.get(*resource).is_none(),
            Held::Text(resource, _) => arena.get(*resource).is_none(),
            Held::Nothing(resource) => arena.get(*resource).is_none(),
        }));
        let ranges = self.held.iter().filter_map(|held| match held {
            Held::Tracked(resource, ..) => arena.get(*resource).map(range),
            Held::Bytes(resource, ..) => arena.get(*resource).map(range),
            Held::Text(resource, _) => arena.get(*resource).map(range),
            Held::Nothing(_) => None,
        });
        let mut ranges: Vec<(usize, usize)> = ranges.filter(|(start, end)| start < end).collect();
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0), "values overlap");

        arena.publish();
        let (stats, own) = (arena.stats(), world.own());
        assert_eq!((stats.count, arena.len()), (self.held.len(), self.held.len()));
        assert_eq!((stats.committed, stats.used), (own.committed, own.live));
        assert!(own.reserved >= stats.reserved);
        assert!(stats.used >= ranges.iter().map(|(start, end)| end - start).sum());
    }

    /// After a clear: the last one first, each once, whoever panicked.
    fn check_dropped(&self, held: &[Held], panic: Option<u32>) {
        let order = held.iter().rev().filter_map(|held| match held {
            Held::Tracked(_, number, bomb) => Some((*number, *bomb)),
            _ => None,
        });
        let order: Vec<(u32, bool)> = order.collect();
        assert!(self.dropped().into_iter().eq(order.iter().map(|(number, _)| *number)));
        assert_eq!(panic, order.iter().find(|(_, bomb)| *bomb).map(|(number, _)| *number));
    }
}

fn range<T: ?Sized>(value: &T) -> (usize, usize) {
    let start = std::ptr::from_ref(value).addr();
    assert!(start.is_multiple_of(align_of_val(value)));
    (start, start + size_of_val(value))
}

const RESERVE: usize = 1 << 20;
const CAPACITY: usize = 100;

pub(crate) fn run(ops: &[Op]) {
    let mut world = World::new("resource");
    let options = ResourceArenaOptions::new(world.tag).reserve(RESERVE).capacity(CAPACITY);
    let mut arena = ResourceArena::try_with(options).expect("the system is calm");
    let mut model = Model { log: Log::default(), next: 0, held: Vec::new(), stale: Vec::new() };
    for &op in ops {
        match op {
            Op::Clear => {
                let held = std::mem::take(&mut model.held);
                let panic = catch_unwind(AssertUnwindSafe(|| arena.clear())).err().map(number);
                model.check_dropped(&held, panic);
                model.stale.extend(held);
                assert_eq!(arena.stats().used, 0);
            }
            Op::Weather(weather) => world.set(weather),
            Op::Check => model.check(&arena, &world),
            _ => insert(&arena, &world, &mut model, op),
        }
    }
    model.check(&arena, &world);
    let held = std::mem::take(&mut model.held);
    if held.iter().any(|held| matches!(held, Held::Tracked(_, _, true))) {
        let panic = catch_unwind(AssertUnwindSafe(|| arena.clear())).err().map(number);
        model.check_dropped(&held, panic);
        world.end(arena);
    } else {
        // Dropping the arena drops what it holds.
        world.end(arena);
        model.check_dropped(&held, None);
    }
}

/// Which destructor panicked; any other panic goes on.
fn number(panic: Box<dyn std::any::Any + Send>) -> u32 {
    match panic.downcast::<u32>() {
        Ok(number) => *number,
        Err(other) => resume_unwind(other),
    }
}

fn insert(arena: &ResourceArena, world: &World, model: &mut Model, op: Op) {
    let before = arena.stats();
    let refused = |error: AllocError, dropped: &[u32], seen: Vec<u32>| {
        match error {
            AllocError::Full { tag, capacity } => {
                assert_eq!((tag, capacity, arena.len()), (arena.tag(), CAPACITY, CAPACITY));
            }
            error => world.believe(error, before.used + (512 << 10) > RESERVE),
        }
        assert_eq!(seen, dropped, "a refused value is dropped once");
    };
    match op {
        Op::Insert { bomb } => {
            let value = model.tracked(bomb);
            let number = value.number;
            match catch_unwind(AssertUnwindSafe(|| arena.try_insert(value))) {
                Ok(Ok(resource)) => model.held.push(Held::Tracked(resource, number, bomb)),
                Ok(Err(error)) => refused(error, &[number], model.dropped()),
                Err(panic) => {
                    assert!(bomb, "a refused bomb goes off at once");
                    assert_eq!((self::number(panic), model.dropped()), (number, vec![number]));
                }
            }
        }
        Op::Nested => {
            let (inner, outer) = (model.tracked(false), model.tracked(false));
            let (first, second) = (inner.number, outer.number);
            let mut stored = None;
            let answer = arena.try_insert_with(|| {
                stored = arena.try_insert(inner).ok();
                outer
            });
            // What came first is dropped last.
            model.held.extend(stored.map(|resource| Held::Tracked(resource, first, false)));
            match answer {
                Ok(resource) => {
                    let lost = if stored.is_none() { vec![first] } else { Vec::new() };
                    assert_eq!(model.dropped(), lost);
                    model.held.push(Held::Tracked(resource, second, false));
                }
                // Of two that were never stored, either may be dropped first.
                Err(error) => {
                    let mut seen = model.dropped();
                    seen.sort_unstable();
                    let lost = if stored.is_some() { vec![second] } else { vec![first, second] };
                    refused(error, &lost, seen);
                }
            }
        }
        Op::Panic { nested } => {
            let inner = model.tracked(false);
            let first = inner.number;
            let mut inner = Some(inner);
            let mut stored = None;
            let caught = catch_unwind(AssertUnwindSafe(|| {
                arena.try_insert_with(|| -> [u64; 5] {
                    if nested && let Some(inner) = inner.take() {
                        stored = arena.try_insert(inner).ok();
                    }
                    resume_unwind(Box::new(0_u32))
                })
            }));
            drop(inner);
            match caught {
                Ok(answer) => refused(answer.expect_err("never made"), &[first], model.dropped()),
                Err(panic) => {
                    assert_eq!(number(panic), 0);
                    let lost = if stored.is_some() { Vec::new() } else { vec![first] };
                    assert_eq!(model.dropped(), lost);
                }
            }
            if stored.is_none() {
                assert_eq!(arena.stats().used, before.used, "its room went back");
            }
            model.held.extend(stored.map(|resource| Held::Tracked(resource, first, false)));
        }
        Op::Bytes(len, seed) => {
            let len = size(len);
            let fill = |bytes: &mut [u8]| {
                bytes.iter_mut().enumerate().for_each(|(index, byte)| *byte = u8::mark(seed, index));
                Ok(())
            };
            match arena.try_insert_slice_with::<u8, AllocError>(len, fill) {
                Ok(resource) => model.held.push(Held::Bytes(resource, seed, len)),
                Err(error) => refused(error, &[], model.dropped()),
            }
        }
        Op::Fail(len) => {
            #[derive(Debug)]
            struct Failed(Option<AllocError>);
            impl From<AllocError> for Failed {
                fn from(error: AllocError) -> Self {
                    Self(Some(error))
                }
            }
            let answer = arena.try_insert_slice_with::<u64, Failed>(size(len) / 8, |_| Err(Failed(None)));
            if let Failed(Some(error)) = answer.expect_err("it always fails") {
                refused(error, &[], model.dropped());
            }
            assert_eq!(arena.stats().used, before.used, "its room went back");
        }
        Op::Text(len, seed) => {
            let text: String = marks::<u8>(seed, size(len)).map(char::from).collect();
            match arena.try_insert_str(&text) {
                Ok(resource) => model.held.push(Held::Text(resource, text)),
                Err(error) => refused(error, &[], model.dropped()),
            }
        }
        _ => match arena.try_insert(()) {
            Ok(resource) => model.held.push(Held::Nothing(resource)),
            Err(error) => refused(error, &[], model.dropped()),
        },
    }
}
