use std::boxed::Box as StdBox;
use std::rc::Rc;
use std::string::{String, ToString};

use allocator_api2::alloc::{Allocator, Layout};
use allocator_api2::boxed::Box;
use allocator_api2::vec::Vec;
use core::hash::BuildHasherDefault;
use core::ptr::NonNull;
use hashbrown::HashMap;
use std::hash::DefaultHasher;

use crate::{FrameArena, FrameArenaOptions, JobArenas, JobArenasOptions, ScratchStack, Tag};

/// The same order in each run.
type Hasher = BuildHasherDefault<DefaultHasher>;

fn tag() -> Tag {
    Tag::register("test/allocator").expect("a tag")
}

fn arena() -> FrameArena {
    FrameArena::try_with(FrameArenaOptions::new(tag()).reserve(1 << 20)).expect("address space")
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).expect("a layout")
}

/// Writes a pattern through the raw face and gives it back to be compared.
#[expect(unsafe_code, reason = "the face under test hands out raw blocks")]
fn fill(block: NonNull<[u8]>) -> std::vec::Vec<u8> {
    // SAFETY: a fresh block of that many bytes, which nobody else uses.
    let bytes = unsafe {
        block.cast::<u8>().write_bytes(0, block.len());
        &mut *block.as_ptr()
    };
    for (index, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::try_from(index % 251).expect("below 251");
    }
    bytes.to_vec()
}

#[expect(unsafe_code, reason = "the face under test hands out raw blocks")]
fn bytes<'a>(block: NonNull<[u8]>) -> &'a [u8] {
    // SAFETY: only called on initialised blocks that are still allocated, while nobody writes to them.
    unsafe { block.as_ref() }
}

/// Inserts and removes strings, so that the map grows, moves and drops, and compares with `std`.
fn churn<A: Allocator + Clone>(map: &mut HashMap<u32, Rc<String>, Hasher, A>) -> Rc<String> {
    let witness = Rc::new("witness".to_string());
    let mut model = std::collections::HashMap::new();
    for round in 0..2000_u32 {
        let key = round.wrapping_mul(2_654_435_761) % 700;
        if round % 3 == 0 {
            assert_eq!(map.remove(&key).is_some(), model.remove(&key).is_some());
        } else {
            assert_eq!(map.insert(key, Rc::clone(&witness)).is_some(), model.insert(key, ()).is_some());
        }
    }
    assert_eq!(map.len(), model.len());
    assert!(model.keys().all(|key| map[key].as_str() == "witness"));
    assert_eq!(Rc::strong_count(&witness), 1 + model.len());
    witness
}

#[test]
fn a_map_with_destructors_lives_in_a_frame() {
    let mut arena = arena();
    for _ in 0..3 {
        arena.begin_frame();
        let mut map = HashMap::with_hasher_in(Hasher::default(), &arena);
        let witness = churn(&mut map);
        assert!(arena.stats().used > 0, "the table is in the arena");
        drop(map);
        assert_eq!(Rc::strong_count(&witness), 1, "every value was dropped");
    }
}

#[test]
fn a_map_with_destructors_lives_in_a_scope_and_in_a_nested_one() {
    let mut stack = ScratchStack::try_new(tag(), 4 << 20).expect("address space");
    stack.scoped(|scope| {
        let mut map = HashMap::with_hasher_in(Hasher::default(), &*scope);
        let outer = churn(&mut map);
        drop(map);
        let before = scope.used();
        let inner = scope.scoped(|inner| {
            let mut map = HashMap::with_hasher_in(Hasher::default(), &*inner);
            churn(&mut map)
        });
        assert_eq!(scope.used(), before);
        assert_eq!((Rc::strong_count(&outer), Rc::strong_count(&inner)), (1, 1));
    });
    assert_eq!(stack.used(), 0);
}

#[test]
fn jobs_keep_containers_of_their_own() {
    let options = JobArenasOptions::new(tag()).arenas(2).reserve(1 << 20).scratch(1 << 16);
    let jobs = JobArenas::try_with(options).expect("address space");
    std::thread::scope(|threads| {
        for _ in 0..2 {
            threads.spawn(|| {
                let job = jobs.checkout();
                let mut map = HashMap::with_hasher_in(Hasher::default(), &job);
                let witness = churn(&mut map);
                drop(map);
                assert_eq!(Rc::strong_count(&witness), 1);
            });
        }
    });
}

#[test]
fn the_last_vector_grows_where_it_stands_and_gives_its_room_back() {
    let arena = arena();
    let before = arena.stats().used;
    let mut last = Vec::new_in(&arena);
    last.push(0_u32);
    let address = last.as_ptr();
    last.extend(1..5000);
    assert_eq!(last.as_ptr(), address, "nothing was allocated above it");
    assert!(last.iter().copied().eq(0..5000));
    last.truncate(10);
    last.shrink_to_fit();
    assert_eq!((last.as_ptr(), arena.stats().used - before), (address, 40));

    let above = Box::new_in(7_u64, &arena);
    last.extend(10..100);
    assert_ne!(last.as_ptr(), address, "it had to move");
    assert!(last.iter().copied().eq(0..100));
    assert_eq!(*above, 7);
    let used = arena.stats().used;
    drop(above);
    assert_eq!(arena.stats().used, used, "not the last one: it waits for the frame to end");
    drop(last);
    assert_eq!(arena.stats().used - before, 48, "the moved vector was the last one");
}

#[test]
fn boxes_drop_their_values_once() {
    let arena = arena();
    let witness = Rc::new(());
    let boxed = Box::new_in(Rc::clone(&witness), &arena);
    let moved = Box::new_in((Rc::clone(&boxed), [0_u8; 100]), &arena);
    assert_eq!(Rc::strong_count(&witness), 3);
    drop(boxed);
    drop(moved);
    assert_eq!(Rc::strong_count(&witness), 1);
}

#[test]
#[expect(unsafe_code, reason = "calls the unsafe face")]
fn nothing_is_a_block_too() {
    let arena = arena();
    let face = &arena;
    for align in [1, 8, 64, 4096, 1 << 17] {
        let nothing = face.allocate(layout(0, align)).expect("room for nothing");
        assert_eq!(nothing.len(), 0);
        assert!(nothing.cast::<u8>().addr().get().is_multiple_of(align));
        let other = face.allocate(layout(3, 1)).expect("room");
        let pattern = fill(other);
        // SAFETY: blocks of this arena with these layouts, each given up once.
        unsafe {
            let grown = face.grow(nothing.cast(), layout(0, align), layout(5, align)).expect("room");
            assert!(grown.cast::<u8>().addr().get().is_multiple_of(align));
            fill(grown);
            let shrunk = face.shrink(grown.cast(), layout(5, align), layout(0, align)).expect("always");
            face.deallocate(shrunk.cast(), layout(0, align));
            assert_eq!(bytes(other), pattern);
            face.deallocate(other.cast(), layout(3, 1));
        }
    }
}

#[test]
#[expect(unsafe_code, reason = "calls the unsafe face")]
fn alignment_may_change_when_a_block_does() {
    let arena = arena();
    let face = &arena;
    // Puts the block at an odd multiple of eight, so that a larger alignment can not be met where it stands.
    let shift = face.allocate(layout(8, 8)).expect("room");
    let mut block = face.allocate(layout(24, 8)).expect("room");
    if block.cast::<u8>().addr().get().is_multiple_of(64) {
        // SAFETY: allocated above, not used since.
        unsafe { face.deallocate(block.cast(), layout(24, 8)) };
        fill(face.allocate(layout(8, 8)).expect("room"));
        block = face.allocate(layout(24, 8)).expect("room");
    }
    assert!(!block.cast::<u8>().addr().get().is_multiple_of(64));
    let pattern = fill(block);
    // SAFETY: blocks of this arena with the layouts they have at that time.
    unsafe {
        let grown = face.grow(block.cast(), layout(24, 8), layout(40, 64)).expect("room");
        assert!(grown.cast::<u8>().addr().get().is_multiple_of(64));
        assert_eq!(bytes(grown)[..24], pattern);
        let pattern = fill(grown);
        let shrunk = face.shrink(grown.cast(), layout(40, 64), layout(16, 4096)).expect("room");
        assert!(shrunk.cast::<u8>().addr().get().is_multiple_of(4096));
        assert_eq!(bytes(shrunk), &pattern[..16]);
        let small = face.shrink(shrunk.cast(), layout(16, 4096), layout(7, 1)).expect("always");
        assert_eq!(small.cast::<u8>(), shrunk.cast::<u8>(), "less alignment is met where it stands");
        face.deallocate(small.cast(), layout(7, 1));
        face.deallocate(shift.cast(), layout(8, 8));
    }
}

#[test]
#[expect(unsafe_code, reason = "calls the unsafe face")]
fn zeroed_memory_is_zero_even_where_something_was() {
    let arena = arena();
    let face = &arena;
    // SAFETY: blocks of this arena with the layouts they have at that time.
    unsafe {
        let dirty = face.allocate(layout(4096, 8)).expect("room");
        fill(dirty);
        face.deallocate(dirty.cast(), layout(4096, 8));
        let zeroed = face.allocate_zeroed(layout(100, 8)).expect("room");
        assert_eq!(zeroed.cast::<u8>(), dirty.cast::<u8>(), "the freed block was used again");
        assert!(bytes(zeroed).iter().all(|&byte| byte == 0));
        let pattern = fill(zeroed);
        let grown = face.grow_zeroed(zeroed.cast(), layout(100, 8), layout(3000, 8)).expect("room");
        assert_eq!(grown.cast::<u8>(), zeroed.cast::<u8>(), "in place");
        assert_eq!(bytes(grown)[..100], pattern);
        assert!(bytes(grown)[100..].iter().all(|&byte| byte == 0));
    }
}

#[test]
fn refusals_become_errors_and_change_nothing() {
    let arena = arena();
    let before = arena.stats().used;
    let face = &arena;
    assert!(face.allocate(layout(2 << 20, 8)).is_err(), "more than the arena reserves");
    assert!(face.allocate(layout(isize::MAX as usize - 7, 1)).is_err());
    let mut vector: Vec<u8, &FrameArena> = Vec::new_in(face);
    vector.extend_from_slice(&[1, 2, 3]);
    assert!(vector.try_reserve(2 << 20).is_err());
    assert_eq!(vector.as_slice(), [1, 2, 3]);
    drop(vector);
    assert_eq!(arena.stats().used, before);
}

#[test]
fn a_forgotten_container_is_only_memory() {
    let mut arena = arena();
    let witness = Rc::new(());
    let boxed = StdBox::new(Rc::clone(&witness));
    core::mem::forget(Box::new_in(boxed, &arena));
    arena.begin_frame();
    arena.begin_frame();
    arena.begin_frame();
    assert_eq!(Rc::strong_count(&witness), 2, "leaked, not dropped twice");
}
