//! What Tracy would be told, with something in its place that ends as Tracy does: when a block goes that it does not know, or comes twice.

use std::boxed::Box;
use std::collections::{BTreeMap, HashMap};
use std::string::{String, ToString};
use std::sync::Mutex;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::names::Name;
use super::shown::{Place, Put, Table};
use super::sink::{Sink, Wire};
use super::*;
use crate::ledger::{Ledger, NAME_MAX};

fn table(blocks: usize) -> Table {
    Table::new(Box::leak(vec![Place::default(); Table::places(blocks)].into_boxed_slice()))
}

/// In place of Tracy: the blocks it knows, each with its pool and its size.
#[derive(Debug, Default)]
struct Tracy {
    live: Mutex<BTreeMap<usize, (&'static str, usize)>>,
    events: AtomicU32,
}

impl Wire for Tracy {
    fn alloc(&self, address: usize, size: usize, pool: &'static Name) {
        let before = self.live.lock().unwrap().insert(address, (pool.to_str(), size));
        assert_eq!(before, None, "a block comes twice at {address:#x}");
        self.events.fetch_add(1, Ordering::Relaxed);
    }

    fn free(&self, address: usize, pool: &'static Name) {
        let known = self.live.lock().unwrap().remove(&address);
        let known = known.unwrap_or_else(|| panic!("a block goes that is not known: {address:#x}"));
        assert_eq!(known.0, pool.to_str(), "it goes from the pool that it is of");
        self.events.fetch_add(1, Ordering::Relaxed);
    }
}

impl Sink<Tracy> {
    fn of(blocks: usize) -> Self {
        Self::new(Tracy::default(), table(blocks))
    }

    fn known(&self) -> BTreeMap<usize, (&'static str, usize)> {
        self.wire.live.lock().unwrap().clone()
    }
}

fn tags() -> [Option<Tag>; 3] {
    let register = |name| Some(Tag::register(name).unwrap());
    [None, register("tracy-tests/one"), register("tracy-tests/two")]
}

#[derive(Clone, Debug)]
enum Step {
    /// A block comes at this address, if there is none.
    Alloc { at: usize, size: usize, tag: usize },
    /// The block there goes.
    Free { at: usize },
    /// The block there gets another size, and the place of the second one, if that is free or its own.
    Resize { at: usize, to: usize, size: usize, tag: usize },
    /// It does not.
    Stays { at: usize },
    /// From now on it is told, or not.
    Switch,
}

fn step() -> impl Strategy<Value = Step> {
    let (at, size, tag) = (0..40usize, 0..5000usize, 0..3usize);
    prop_oneof![
        6 => (at.clone(), size.clone(), tag.clone()).prop_map(|(at, size, tag)| Step::Alloc { at, size, tag }),
        4 => at.clone().prop_map(|at| Step::Free { at }),
        3 => (at.clone(), at.clone(), size, tag)
            .prop_map(|(at, to, size, tag)| Step::Resize { at, to, size, tag }),
        1 => at.prop_map(|at| Step::Stays { at }),
        1 => Just(Step::Switch),
    ]
}

/// The program's blocks: what Tracy should know of each, if it is told of it.
#[derive(Default)]
struct Model {
    live: HashMap<usize, Option<(&'static str, usize)>>,
    /// What Tracy knows of blocks that went while it was not told.
    gone: HashMap<usize, (&'static str, usize)>,
}

fn pool(tag: Option<Tag>) -> &'static str {
    tag.map_or("untagged", Tag::name)
}

proptest! {
    #[test]
    fn tracy_knows_what_the_program_has(steps in prop::collection::vec(step(), 1..400)) {
        let (sink, tags) = (Sink::of(1000), tags());
        let (mut model, mut on) = (Model::default(), true);
        let address = |at: usize| 0x7000_0000_0000 + at * 16;
        for step in steps {
            match step {
                Step::Alloc { at, size, tag } if !model.live.contains_key(&at) => {
                    if on {
                        sink.allocated(address(at), size, tags[tag]);
                        model.gone.remove(&at);
                    }
                    model.live.insert(at, on.then_some((pool(tags[tag]), size)));
                }
                Step::Free { at } if model.live.contains_key(&at) => {
                    if on {
                        sink.freed(address(at));
                        // What went unseen at this place goes now: it is what Tracy knows there.
                        model.gone.remove(&at);
                    }
                    if let (Some(known), false) = (model.live.remove(&at).unwrap(), on) {
                        model.gone.insert(at, known);
                    }
                }
                Step::Resize { at, to, size, tag }
                    if on && model.live.contains_key(&at) && (to == at || !model.live.contains_key(&to)) =>
                {
                    let before = sink.resizing(address(at));
                    sink.resized(before, address(to), size, tags[tag]);
                    let known = model.live.remove(&at).unwrap().or_else(|| model.gone.remove(&at));
                    let pool = known.map_or(pool(tags[tag]), |(pool, _)| pool);
                    model.gone.remove(&to);
                    model.live.insert(to, Some((pool, size)));
                }
                Step::Stays { at } if on && model.live.contains_key(&at) => {
                    let before = sink.resizing(address(at));
                    sink.stays(before, address(at));
                }
                Step::Switch => on = !on,
                _ => {}
            }
            let live = model.live.iter().filter_map(|(at, known)| Some((*at, (*known)?)));
            let gone = model.gone.iter().map(|(at, known)| (*at, *known));
            let known: BTreeMap<_, _> = live.chain(gone).map(|(at, known)| (address(at), known)).collect();
            prop_assert_eq!(sink.known(), known);
        }
        prop_assert_eq!(sink.table.left_out(), 0);
    }

    #[test]
    fn the_table_has_what_was_put_in(seed in any::<u64>(), spacing in 0..16u32) {
        let (table, mut model, mut random) = (table(500), HashMap::new(), seed);
        let mut next = |end: usize| {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (random >> 33) as usize % end
        };
        for _ in 0..3000 {
            let (address, pool, size) = (0x10 + (next(900) << spacing), next(256) as u16, next(1 << 31) as u64);
            if next(3) < 2 {
                let shown = Shown { pool, size };
                match table.put(address, shown) {
                    Put::New => prop_assert_eq!(model.insert(address, shown), None),
                    Put::Instead(before) => prop_assert_eq!(model.insert(address, shown), Some(before)),
                    Put::LeftOut => prop_assert!(!model.contains_key(&address)),
                }
            } else {
                prop_assert_eq!(table.take(address), model.remove(&address));
            }
        }
        for (address, shown) in &model {
            prop_assert_eq!(table.take(*address), Some(*shown));
            prop_assert_eq!(table.take(*address), None);
        }
    }
}

#[test]
fn what_finds_no_room_is_left_out_and_its_end_too() {
    let sink = Sink::of(1);
    (1..=10_000).for_each(|block| sink.allocated(block * 16, block, None));
    let known = sink.known();
    // Each part is half full at the most.
    assert_eq!(known.len(), Table::places(1) / 2);
    assert_eq!(sink.table.left_out(), (10_000 - known.len()) as u64);
    let told = sink.wire.events.load(Ordering::Relaxed);
    assert_eq!(told as usize, known.len());
    for block in 1..=10_000 {
        let before = sink.resizing(block * 16);
        assert_eq!(before.is_some(), known.contains_key(&(block * 16)));
        sink.stays(before, block * 16);
    }
    assert_eq!(sink.known(), known);
    (1..=10_000).for_each(|block| sink.freed(block * 16));
    assert_eq!(sink.known(), BTreeMap::new());
}

#[test]
fn sizes_and_pools_come_back_as_they_went_in() {
    let table = table(100);
    let largest = (1 << 48) - 1;
    for (pool, size) in [(0, 0), (0, largest), (255, 0), (255, largest), (7, 4096)] {
        assert_eq!(table.put(0xFFFF_FFFF_FFFF_FFF8, Shown { pool, size }), Put::New);
        assert_eq!(table.take(0xFFFF_FFFF_FFFF_FFF8), Some(Shown { pool, size }));
    }
    // More than any system has room for.
    assert_eq!(table.put(8, Shown { pool: 1, size: u64::MAX }), Put::New);
    assert_eq!(table.take(8), Some(Shown { pool: 1, size: largest }));
}

#[test]
fn pools_are_tags_of_the_process() {
    let sink = Sink::of(100);
    let tag = Tag::register("tracy-tests/pools").unwrap();
    let other: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    sink.allocated(16, 1, Some(tag));
    sink.allocated(32, 2, Some(other.register("elsewhere").unwrap()));
    sink.allocated(48, 3, None);
    {
        let _scope = tag.scope();
        sink.allocated(64, 4, None);
    }
    let known: Vec<_> = sink.known().into_values().collect();
    assert_eq!(known, [("tracy-tests/pools", 1), ("untagged", 2), ("untagged", 3), ("tracy-tests/pools", 4)]);
}

#[test]
fn names_end_and_stay() {
    let longest: String = core::iter::repeat_n('n', NAME_MAX).collect();
    let tag = Tag::register(&longest).unwrap();
    let names = super::names::of(tag);
    assert_eq!(names.pool.to_str(), longest);
    assert_eq!(names.plot.to_str(), longest.clone() + ": committed");
    assert_eq!(super::names::RESIDENT.to_str(), "resident memory");
    let others: Vec<_> =
        (0..8).map(|_| std::thread::spawn(move || super::names::of(tag).pool.as_ptr().addr())).collect();
    for other in others {
        assert_eq!(other.join().unwrap(), names.pool.as_ptr().addr());
    }
    assert_eq!(super::names::at(tag.place() as u16).plot.as_ptr(), names.plot.as_ptr());
}

/// A heap that gives an address to another thread as soon as it has it back.
#[derive(Default)]
struct Addresses(Mutex<(Vec<usize>, usize)>);

impl Addresses {
    fn take(&self) -> usize {
        let mut free = self.0.lock().unwrap();
        free.0.pop().unwrap_or_else(|| {
            free.1 += 16;
            free.1
        })
    }

    fn give(&self, address: usize) {
        self.0.lock().unwrap().0.push(address);
    }
}

#[test]
fn threads_tell_in_an_order_that_tracy_takes() {
    let (sink, addresses, passed) = (Sink::of(10_000), Addresses::default(), Mutex::new(Vec::new()));
    let tags = tags();
    let tags = &tags;
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let (sink, addresses, passed) = (&sink, &addresses, &passed);
            scope.spawn(move || {
                let mut random = thread + 1;
                let mut next = |end: usize| {
                    random = random
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    (random >> 33) as usize % end
                };
                for _ in 0..20_000 {
                    let size = next(1000);
                    let some = if next(4) < 3 { passed.lock().unwrap().pop() } else { None };
                    match (next(4), some) {
                        (0 | 1, Some(address)) => {
                            sink.freed(address);
                            addresses.give(address);
                        }
                        (2, Some(address)) => {
                            let before = sink.resizing(address);
                            // As a heap does that moves it: the old place is another thread's before this one tells the new one.
                            let moved = addresses.take();
                            addresses.give(address);
                            sink.resized(before, moved, size, None);
                            passed.lock().unwrap().push(moved);
                        }
                        (_, Some(address)) => {
                            let before = sink.resizing(address);
                            sink.stays(before, address);
                            passed.lock().unwrap().push(address);
                        }
                        (way, None) => {
                            let address = addresses.take();
                            sink.allocated(address, size, tags[way % 3]);
                            passed.lock().unwrap().push(address);
                        }
                    }
                }
            });
        }
    });
    let mut left = passed.into_inner().unwrap();
    left.sort_unstable();
    assert_eq!(sink.table.left_out(), 0);
    assert!(sink.wire.events.load(Ordering::Relaxed) > 40_000);
    assert!(sink.known().into_keys().eq(left), "Tracy knows what lives");
}

#[test]
fn errors_say_what_to_do() {
    let busy = TracyError::Busy.to_string();
    assert!(busy.contains("stop that first"), "{busy}");
    let thread = TracyError::Thread(io::Error::other("no more threads"));
    assert!(thread.to_string().ends_with("no more threads"));
    assert!(std::error::Error::source(&thread).is_some());
    assert_eq!(TracyOptions::new().stack_depth(1000).depth, DEEPEST);
}
