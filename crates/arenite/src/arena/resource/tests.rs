//! Attacks on the resource arena from safe code: handles, destructors, re-entry, threads, faults.

use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::{String, ToString};
use std::sync::atomic::{AtomicUsize, Ordering as Atomic};
use std::sync::{Arc, Mutex, OnceLock};
use std::vec::Vec;
use std::{format, mem, thread};

use super::*;
use crate::ledger::{Budget, Ledger};
use crate::os::fake;

fn fresh_tag() -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register("test/scene").expect("a fresh ledger has room")
}

fn small(tag: Tag) -> ResourceArenaOptions {
    ResourceArenaOptions::new(tag).reserve(16 << 20).capacity(10_000)
}

fn arena() -> ResourceArena {
    ResourceArena::try_with(small(fresh_tag())).unwrap()
}

fn nothing_is_charged(tag: Tag) -> bool {
    let account = tag.account().subtree;
    (account.reserved, account.committed, account.live) == (0, 0, 0)
}

type Log = Arc<Mutex<Vec<u32>>>;

/// Notes its number when it is dropped, and then panics if it is told to.
struct Noisy {
    log: Log,
    number: u32,
    panics: bool,
}

impl Noisy {
    fn new(log: &Log, number: u32) -> Self {
        Self { log: Arc::clone(log), number, panics: false }
    }

    fn bomb(log: &Log, number: u32) -> Self {
        Self { log: Arc::clone(log), number, panics: true }
    }
}

impl Drop for Noisy {
    fn drop(&mut self) {
        self.log.lock().unwrap().push(self.number);
        if self.panics {
            // The payload is a value with a destructor that would panic, too.
            std::panic::panic_any(self.number);
        }
    }
}

fn drops(log: &Log) -> Vec<u32> {
    mem::take(&mut *log.lock().unwrap())
}

#[test]
fn values_of_every_shape_are_found_again() {
    let mut arena = arena();
    let text = arena.insert(String::from("owned"));
    let words = arena.insert_slice_copy(&[1u64, 2, 3]);
    let name = arena.insert_str("wall");
    let unit = arena.insert(());
    let empty = arena.insert_slice_copy::<u32>(&[]);
    let zeroes = arena.insert_slice_with(5, |slice: &mut [u16]| slice[4] = 9);
    assert_eq!(arena.get(text).unwrap(), "owned");
    assert_eq!(arena.get(words), Some(&[1, 2, 3][..]));
    assert_eq!(
        (arena.get(name), arena.get(unit), arena.get(empty)),
        (Some("wall"), Some(&()), Some(&[][..]))
    );
    assert_eq!(arena.get(zeroes), Some(&[0, 0, 0, 0, 9][..]));
    assert_eq!((arena.len(), arena.stats().count), (6, 6));
    arena.clear();
    assert!(arena.is_empty() && arena.get(text).is_none() && arena.get(words).is_none());
    assert!(arena.get(name).is_none() && arena.get(unit).is_none());
}

#[test]
fn handles_of_other_arenas_times_and_types_resolve_to_nothing() {
    let (mut one, mut other) = (arena(), arena());
    let (mine, theirs) = (one.insert(1u32), other.insert(2u32));
    assert_eq!((one.get(theirs), other.get(mine)), (None, None), "same index, same type, other arena");
    // The same slot after a clear.
    one.clear();
    let fresh = one.insert(3u32);
    assert_eq!((one.get(mine), one.get(fresh)), (None, Some(&3)));
    // No safe code can turn one handle type into another; this is what memory corruption would do.
    fn cast<T: ?Sized, U: ?Sized>(handle: Resource<T>) -> Resource<U> {
        Resource { stamp: handle.stamp, index: handle.index, of: PhantomData }
    }
    let long = one.insert(4u64);
    assert!(one.get(cast::<_, i32>(fresh)).is_none() && one.get(cast::<_, [u32]>(fresh)).is_none());
    assert!(one.get(cast::<_, str>(fresh)).is_none() && one.get(cast::<_, u32>(long)).is_none());
    assert_eq!(one.get(cast::<_, u64>(long)), Some(&4));
    let beyond = Resource::<u32> { stamp: one.stamp, index: 2, of: PhantomData };
    assert_eq!(one.get(beyond), None);
    // A subtype is a different type where lifetimes are part of it.
    let general: Resource<for<'a> fn(&'a u8) -> &'a u8> = one.insert::<for<'a> fn(&'a u8) -> &'a u8>(|x| x);
    let special: Resource<fn(&'static u8) -> &'static u8> = general;
    assert!(one.get(general).is_some() && one.get(special).is_none());
    // Swapped arenas take their handles along.
    mem::swap(&mut one, &mut other);
    assert_eq!((other.get(fresh), one.get(fresh), one.get(theirs)), (Some(&3), None, Some(&2)));
}

#[test]
fn destructors_run_in_reverse_order_once() {
    let log = Log::default();
    let tag = fresh_tag();
    let mut arena = ResourceArena::try_with(small(tag)).unwrap();
    for round in 0..3 {
        for number in 0..50 {
            arena.insert(Noisy::new(&log, number));
            arena.insert_slice_copy(&[0u8; 100]);
        }
        assert!(drops(&log).is_empty());
        if round < 2 {
            arena.clear();
            let account = tag.account().subtree;
            assert_eq!((account.committed, account.live), (0, 0));
        } else {
            drop(mem::replace(&mut arena, ResourceArena::try_with(small(tag)).unwrap()));
        }
        assert_eq!(drops(&log), (0..50).rev().collect::<Vec<_>>());
    }
    drop(arena);
    assert!(nothing_is_charged(tag));
}

#[test]
fn destructors_that_panic_do_not_stop_the_others() {
    for by_drop in [false, true] {
        let log = Log::default();
        let tag = fresh_tag();
        let mut arena = ResourceArena::try_with(small(tag)).unwrap();
        for number in 0..10 {
            let bomb = number == 3 || number == 7 || number == 8;
            arena.insert(if bomb { Noisy::bomb(&log, number) } else { Noisy::new(&log, number) });
        }
        let panic = if by_drop {
            catch_unwind(AssertUnwindSafe(|| drop(arena))).unwrap_err()
        } else {
            let panic = catch_unwind(AssertUnwindSafe(|| arena.clear())).unwrap_err();
            assert!(arena.is_empty() && tag.account().subtree.committed == 0);
            let again = arena.insert(5u8);
            assert_eq!(arena.get(again), Some(&5));
            arena.clear();
            drop(arena);
            panic
        };
        assert_eq!(panic.downcast_ref(), Some(&8u32), "the first one goes on");
        assert_eq!(drops(&log), (0..10).rev().collect::<Vec<_>>());
        assert!(nothing_is_charged(tag));
    }
}

#[test]
fn two_arenas_that_panic_while_they_are_dropped_do_not_end_the_process() {
    let log = Log::default();
    let (one, other) = (arena(), arena());
    one.insert(Noisy::bomb(&log, 1));
    other.insert(Noisy::bomb(&log, 2));
    other.insert(Noisy::new(&log, 3));
    let panic = catch_unwind(AssertUnwindSafe(|| drop((one, other)))).unwrap_err();
    assert_eq!((panic.downcast_ref(), drops(&log)), (Some(&1u32), std::vec![1, 3, 2]));
}

#[test]
fn a_resource_that_owns_the_arena_of_others() {
    let log = Log::default();
    let outer = arena();
    let inner = arena();
    inner.insert(Noisy::new(&log, 1));
    outer.insert(Noisy::new(&log, 0));
    let handle = outer.insert(inner);
    let nested = outer.get(handle).unwrap().insert(Noisy::new(&log, 2));
    assert_eq!(outer.get(handle).unwrap().get(nested).unwrap().number, 2);
    drop(outer);
    assert_eq!(drops(&log), [2, 1, 0]);
}

#[test]
fn constructors_that_insert_and_constructors_that_panic() {
    let log = Log::default();
    let mut arena = arena();
    let inner = Mutex::new(None);
    let outer = arena.insert_with(|| {
        *inner.lock().unwrap() = Some(arena.insert(Noisy::new(&log, 1)));
        Noisy::new(&log, 2)
    });
    assert_eq!(arena.get(outer).unwrap().number, 2);
    assert_eq!(arena.get(inner.lock().unwrap().unwrap()).unwrap().number, 1);
    let used = arena.stats().used;
    for _ in 0..3 {
        let answer =
            catch_unwind(AssertUnwindSafe(|| arena.insert_with(|| -> [u64; 100] { panic!("init") })));
        assert!(answer.is_err());
        let answer = catch_unwind(AssertUnwindSafe(|| {
            arena.insert_slice_with(1000, |slice: &mut [u64]| slice[1000] = 1)
        }));
        assert!(answer.is_err());
        let refused = arena.try_insert_slice_with(1000, |_: &mut [u64]| Err(Refused));
        assert_eq!(refused, Err(Refused));
        assert_eq!(arena.stats().used, used, "the room goes back");
    }
    // A panic after something was inserted above: that stays.
    let survivor = Mutex::new(None);
    let answer = catch_unwind(AssertUnwindSafe(|| {
        arena.insert_with(|| -> [u64; 100] {
            *survivor.lock().unwrap() = Some(arena.insert_slice_copy(&[7u8; 500]));
            panic!("after inserting")
        })
    }));
    assert!(answer.is_err());
    for _ in 0..100 {
        arena.insert([0xEEu8; 64]);
    }
    assert_eq!(arena.get(survivor.lock().unwrap().unwrap()), Some(&[7u8; 500][..]));
    arena.clear();
    assert_eq!(drops(&log), [2, 1]);
}

#[derive(Debug, PartialEq)]
struct Refused;

impl From<AllocError> for Refused {
    fn from(_: AllocError) -> Self {
        Self
    }
}

#[test]
fn a_full_arena_drops_what_it_refuses() {
    let log = Log::default();
    let mut arena = ResourceArena::try_with(small(fresh_tag()).capacity(3)).unwrap();
    let handles = [0, 1, 2].map(|number| arena.insert(Noisy::new(&log, number)));
    let used = arena.stats().used;
    for number in 10..13 {
        let refused = arena.try_insert(Noisy::new(&log, number)).unwrap_err();
        assert!(matches!(refused, AllocError::Full { capacity: 3, .. }));
        assert_eq!(drops(&log), [number]);
    }
    let panic = catch_unwind(AssertUnwindSafe(|| arena.try_insert(Noisy::bomb(&log, 20)))).unwrap_err();
    assert_eq!((panic.downcast_ref(), drops(&log)), (Some(&20u32), std::vec![20]));
    assert_eq!((arena.stats().used, arena.len()), (used, 3));
    assert_eq!(handles.map(|handle| arena.get(handle).unwrap().number), [0, 1, 2]);
    arena.clear();
    assert_eq!(drops(&log), [2, 1, 0]);
    assert!(ResourceArena::try_with(small(fresh_tag()).capacity(0)).unwrap().try_insert(1u8).is_err());
    assert!(arena.try_insert_slice_copy(&[(); 1 << 20]).is_ok());
    assert!(arena.try_insert_slice_with(usize::MAX, |_: &mut [u64]| Ok::<_, AllocError>(())).is_err());
}

#[test]
fn a_refused_budget_changes_nothing() {
    let log = Log::default();
    let tag = fresh_tag();
    let arena = ResourceArena::try_with(small(tag)).unwrap();
    let kept = arena.insert(Noisy::new(&log, 1));
    tag.set_budget(Budget::hard(tag.account().subtree.committed));
    let before = (arena.stats(), tag.account().subtree.committed);
    let refused = arena.try_insert_slice_with(1 << 20, |_: &mut [u8]| Ok::<_, AllocError>(())).unwrap_err();
    assert!(matches!(refused, AllocError::Budget(exceeded) if exceeded.tag == tag));
    let panic = catch_unwind(AssertUnwindSafe(|| arena.insert_slice_copy(&[0u8; 1 << 20]))).unwrap_err();
    assert!(panic.downcast_ref::<String>().unwrap().contains(&refused.tag().to_string()));
    assert_eq!((arena.stats(), tag.account().subtree.committed), before);
    assert_eq!(arena.get(kept).unwrap().number, 1);
}

static SHARED: OnceLock<ResourceArena> = OnceLock::new();
static INTRUSIONS: AtomicUsize = AtomicUsize::new(0);

fn intrude(_: &crate::ledger::Pressure) {
    let arena = SHARED.get().expect("set by the test");
    assert!(arena.stats().reserved > 0 && arena.tag().name().contains("scene"));
    let mine = arena.insert_slice_copy(&[0x51u8; 200_000]);
    assert!(arena.get(mine).unwrap().iter().all(|byte| *byte == 0x51));
    arena.publish();
    INTRUSIONS.fetch_add(1, Atomic::Relaxed);
}

/// It used to wait for a lock that its own thread held.
#[test]
fn a_pressure_callback_looks_into_the_arena_that_grows() {
    let tag = fresh_tag();
    let arena = SHARED.get_or_init(|| ResourceArena::try_with(small(tag)).unwrap());
    tag.set_budget(Budget::soft(1 << 30).warn_at(f64::from(300 << 10) / f64::from(1 << 30)));
    tag.on_pressure(&intrude).unwrap();
    let handles: Vec<_> = (0..9000u32)
        .map(|number| (number, arena.insert(number), arena.insert_slice_copy(&[number as u8; 100])))
        .take(4500)
        .collect();
    assert_eq!(INTRUSIONS.load(Atomic::Relaxed), 1);
    for (number, own, bytes) in handles {
        assert_eq!(arena.get(own), Some(&number));
        assert_eq!(arena.get(bytes), Some(&[number as u8; 100][..]));
    }
    assert_eq!(tag.account().subtree.committed, arena.stats().committed);
}

#[test]
fn many_threads_insert_and_read() {
    let tag = fresh_tag();
    let log = Log::default();
    let mut arena = ResourceArena::try_with(small(tag)).unwrap();
    let (sender, receiver) = std::sync::mpsc::channel::<(Resource<[u32]>, u32)>();
    thread::scope(|scope| {
        for worker in 0..4u32 {
            let (arena, sender, log) = (&arena, sender.clone(), &log);
            scope.spawn(move || {
                for i in 0..400 {
                    let value = worker * 1000 + i;
                    let handle = arena.insert_slice_copy(&[value; 20]);
                    arena.insert(Noisy::new(log, value));
                    if i % 50 == 0 {
                        let fails = AssertUnwindSafe(|| arena.insert_with(|| -> [u64; 9] { panic!("init") }));
                        assert!(catch_unwind(fails).is_err());
                    }
                    sender.send((handle, value)).unwrap();
                }
            });
        }
        let arena = &arena;
        scope.spawn(move || {
            for (handle, value) in receiver.iter().take(1600) {
                assert_eq!(arena.get(handle), Some(&[value; 20][..]));
            }
        });
    });
    assert_eq!(arena.len(), 3200);
    arena.clear();
    let mut all = drops(&log);
    all.sort_unstable();
    assert_eq!(all, (0..4).flat_map(|worker| worker * 1000..worker * 1000 + 400).collect::<Vec<_>>());
    drop(arena);
    assert!(nothing_is_charged(tag));
}

#[test]
fn large_alignments_and_handles_as_values() {
    #[repr(align(4096))]
    struct Page(u8);
    let arena = arena();
    let handles: Vec<_> = (0..20u8)
        .map(|number| {
            arena.insert(number);
            arena.insert(Page(number))
        })
        .collect();
    for (number, handle) in handles.iter().enumerate() {
        let page = arena.get(*handle).unwrap();
        assert_eq!((page.0 as usize, core::ptr::from_ref(page).addr() % 4096), (number, 0));
    }
    assert_eq!(
        (size_of::<Resource<Page>>(), handles[0] == handles[0], handles[0] == handles[1]),
        (16, true, false)
    );
    assert!(format!("{:?}", handles[3]).starts_with("Resource("));
}

#[test]
fn every_refused_call_is_survived() {
    for allowed in 0..40 {
        let tag = fresh_tag();
        let log = Log::default();
        let plan = fake::fail_once_after(allowed);
        let mut inserted = 0;
        let mut made = ResourceArena::try_with(small(tag).prefault(allowed % 2 == 0));
        if let Ok(arena) = &mut made {
            for round in 0..3 {
                let mut handles = Vec::new();
                for number in 0..1500 {
                    if let Ok(handle) = arena.try_insert(Noisy::new(&log, number)) {
                        handles.push((number, handle));
                    }
                    let _ = arena.try_insert_slice_copy(&[0u8; 600]);
                    inserted += 1;
                }
                assert!(handles.iter().all(|(number, handle)| arena.get(*handle).unwrap().number == *number));
                assert_eq!(tag.account().subtree.committed, arena.stats().committed, "round {round}");
                arena.clear();
                assert_eq!(
                    tag.account().subtree.committed,
                    arena.stats().committed,
                    "cleared, round {round}"
                );
            }
        }
        // A refused release would rightly stay charged, so the plan ends first.
        drop(plan);
        drop(made);
        assert_eq!(drops(&log).len(), inserted, "each value is dropped once, refused or not");
        assert!(nothing_is_charged(tag), "after {allowed} calls");
    }
}

#[test]
fn a_number_finds_the_handle_that_is_there_now() {
    let mut arena = arena();
    let (first, text) = (arena.insert(7u64), arena.insert_str("seven"));
    assert_eq!((first.index(), text.index()), (0, 1));
    assert_eq!(arena.at::<u64>(0), Some(first));
    assert!(arena.at::<u64>(1).is_none() && arena.at::<str>(2).is_none());
    arena.clear();
    assert!(arena.at::<u64>(0).is_none());
    let other = arena.insert(8u64);
    assert_eq!(arena.at::<u64>(0), Some(other));
    assert_ne!(first, other);
}
