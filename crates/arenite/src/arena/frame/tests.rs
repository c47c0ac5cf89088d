//! Attacks on the frame arena from safe code, its figures, its faults, and frames in flight.

use std::boxed::Box;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::string::String;
use std::vec::Vec;
use std::{format, mem, thread};

use super::*;
use crate::ledger::{Budget, Ledger};
use crate::os::{self, Call, fake};

fn fresh_tag() -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register("test/frame").expect("a fresh ledger has room")
}

fn small(tag: Tag) -> FrameArenaOptions {
    FrameArenaOptions::new(tag).reserve(8 << 20)
}

fn arena() -> FrameArena {
    FrameArena::try_with(small(fresh_tag())).unwrap()
}

fn nothing_is_charged(tag: Tag) -> bool {
    let account = tag.account().subtree;
    (account.reserved, account.committed, account.live) == (0, 0, 0)
}

#[test]
fn many_values_live_at_once_and_never_overlap() {
    let mut arena = arena();
    for round in 0..4u64 {
        arena.begin_frame();
        let mut numbers = Vec::new();
        let mut slices = Vec::new();
        for i in 0..500u64 {
            numbers.push(arena.alloc(round << 32 | i));
            slices.push(arena.alloc_slice_fill_with(i as usize % 67, |k| (i as u8).wrapping_add(k as u8)));
        }
        for number in &mut numbers {
            **number += 1;
        }
        let mut ranges = Vec::new();
        for (i, (number, slice)) in numbers.iter().zip(&slices).enumerate() {
            assert_eq!(**number, (round << 32 | i as u64) + 1);
            assert!(slice.iter().enumerate().all(|(k, byte)| *byte == (i as u8).wrapping_add(k as u8)));
            ranges.push((core::ptr::from_ref::<u64>(number).addr(), 8));
            ranges.push((slice.as_ptr().addr(), slice.len()));
        }
        ranges.retain(|range| range.1 > 0);
        ranges.sort_unstable();
        assert!(ranges.windows(2).all(|pair| pair[0].0 + pair[0].1 <= pair[1].0));
    }
}

#[test]
fn every_alignment_is_honoured() {
    macro_rules! check {
        ($arena:expr, $($align:literal),*) => {$({
            #[derive(Clone, Copy)]
            #[repr(align($align))]
            struct Empty;
            #[derive(Clone, Copy)]
            #[repr(align($align))]
            struct Full(u8);
            $arena.alloc(1u8);
            let empty = core::ptr::from_ref($arena.alloc(Empty)).addr();
            let one = $arena.alloc(Full(7));
            let many = $arena.alloc_slice_copy(&[Full(9); 2]);
            for address in [empty, core::ptr::from_ref(one).addr(), many.as_ptr().addr()] {
                assert_eq!(address % $align, 0, "alignment {}", $align);
            }
            assert_eq!((one.0, many[0].0, many[1].0), (7, 9, 9));
        })*};
    }
    let options = FrameArenaOptions::new(fresh_tag()).reserve(64 << 20);
    let mut arena = FrameArena::try_with(options).unwrap();
    arena.begin_frame();
    // The large ones are static work for the stack too, so they run on a thread that has one.
    thread::Builder::new()
        .stack_size(64 << 20)
        .spawn(move || {
            check!(arena, 2, 4, 8, 16, 64, 4096, 8192, 65536, 131072, 1048576);
        })
        .unwrap()
        .join()
        .unwrap();
}

#[test]
fn absurd_sizes_are_refused_and_change_nothing() {
    let mut arena = arena();
    arena.begin_frame();
    let value = arena.alloc(41u32);
    let used = arena.stats().used;
    let half = isize::MAX as usize;
    for len in [half, half - 7, half - 4096, usize::MAX, usize::MAX / 2 + 1, 9 << 20] {
        assert!(arena.try_alloc_slice_uninit::<u8>(len).is_err(), "{len}");
        assert!(arena.try_alloc_slice_uninit::<u64>(len).is_err(), "{len}");
        let called = Cell::new(false);
        assert!(arena.try_alloc_slice_fill_with(len, |_| called.replace(true)).is_err());
        assert!(!called.get());
    }
    assert_eq!(arena.try_alloc_slice_uninit::<()>(usize::MAX).unwrap().len(), usize::MAX);
    assert_eq!(arena.stats().used, used);
    *value += 1;
    assert_eq!(*value, 42);
}

#[test]
fn an_iterator_that_lies_about_its_length() {
    struct Liar(u32, usize);
    impl Iterator for Liar {
        type Item = u32;
        fn next(&mut self) -> Option<u32> {
            self.0 = self.0.checked_sub(1)?;
            Some(self.0)
        }
        fn size_hint(&self) -> (usize, Option<usize>) {
            (self.1, Some(self.1))
        }
    }
    let mut arena = arena();
    arena.begin_frame();
    for claim in [0, 1, 3, 1000, 1 << 40, usize::MAX] {
        assert_eq!(arena.alloc_slice_from_iter(Liar(3, claim)), [2, 1, 0], "claims {claim}");
    }
    assert!(arena.stats().used <= 6 * 16, "what was not used goes back");
}

#[test]
fn a_ticket_is_good_for_one_arena_and_one_frame() {
    let (mut one, mut other) = (arena(), arena());
    one.begin_frame();
    other.begin_frame();
    let (_, kept) = one.keep(7u64);
    let (_, text) = one.keep_str("kept");
    let (_, foreign) = other.keep(8u64);
    // In its own frame it can not be read: its maker may still write.
    assert_eq!((one.get(kept), other.get(kept)), (None, None));
    one.begin_frame();
    other.begin_frame();
    assert_eq!(one.frame(), other.frame());
    assert_eq!((one.get(kept), one.get(text)), (Some(&7), Some("kept")));
    assert_eq!((one.get(foreign), other.get(kept)), (None, None), "the other arena at the same frame number");
    // Swapping the arenas takes the tickets along.
    mem::swap(&mut one, &mut other);
    assert_eq!((other.get(kept), one.get(kept), one.get(foreign)), (Some(&7), None, Some(&8)));
    for _ in 0..6 {
        other.begin_frame();
        assert_eq!((other.get(kept), other.get(text)), (None, None));
    }
}

#[test]
fn kept_values_of_every_shape() {
    let mut arena = arena();
    arena.begin_frame();
    let (unit, unit_kept) = arena.keep(());
    assert_eq!(*unit, ());
    let (_, none) = arena.keep_slice_copy::<u64>(&[]);
    let (squares, squares_kept) = arena.keep_slice_fill_with(5, |i| i * i);
    squares[0] = 100;
    let (_, odd) = arena.keep_slice_from_iter((0..9u8).filter(|i| i % 2 == 1));
    let (cell, shared) = arena.keep(Cell::new(1));
    cell.set(2);
    arena.begin_frame();
    arena.alloc_slice_fill_with(1000, |i| i);
    assert_eq!(arena.get(unit_kept), Some(&()));
    assert_eq!(arena.get(none), Some(&[][..]));
    assert_eq!(arena.get(squares_kept), Some(&[100, 1, 4, 9, 16][..]));
    assert_eq!(arena.get(odd), Some(&[1, 3, 5, 7][..]));
    // Two borrows of one ticket are shared borrows.
    let (first, second) = (arena.get(shared).unwrap(), arena.get(shared).unwrap());
    first.set(5);
    assert_eq!(second.get(), 5);
}

#[test]
fn closures_that_allocate_while_they_initialise() {
    let mut arena = arena();
    arena.begin_frame();
    let inner = Cell::new(None);
    let outer = arena.alloc_with(|| {
        inner.set(Some(arena.alloc(1u64)));
        let deep = arena.alloc_slice_fill_with(3, |i| *arena.alloc(i) + *arena.alloc(10));
        deep.iter().sum::<usize>()
    });
    let inner = inner.take().unwrap();
    *inner = 77;
    assert_eq!((*outer, *inner), (33, 77));
    let words =
        arena.alloc_slice_from_iter((0..100usize).map(|i| arena.alloc_slice_fill_with(i, |_| i).len()));
    assert!(words.iter().enumerate().all(|(i, len)| i == *len));

    struct Nested<'a>(&'a FrameArena, u32);
    impl fmt::Display for Nested<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let part = if self.1 == 0 {
                "."
            } else {
                self.0.alloc_fmt(format_args!("<{}>", Nested(self.0, self.1 - 1)))
            };
            f.write_str(part)
        }
    }
    assert_eq!(arena.alloc_fmt(format_args!("a{}b", Nested(&arena, 3))), "a<<<.>>>b");
}

#[test]
fn a_closure_that_panics_gives_its_room_back_but_nobody_elses() {
    let mut arena = arena();
    arena.begin_frame();
    arena.alloc(0u8);
    let used = arena.stats().used;
    for _ in 0..3 {
        assert!(catch_unwind(AssertUnwindSafe(|| arena.alloc_with(|| -> u128 { panic!("init") }))).is_err());
        assert!(
            catch_unwind(AssertUnwindSafe(|| arena.alloc_slice_fill_with(9, |i| assert!(i < 5)))).is_err()
        );
        let cut = |i: u64| if i < 40 { i } else { panic!("iterator") };
        assert!(catch_unwind(AssertUnwindSafe(|| arena.alloc_slice_from_iter((0..).map(cut)))).is_err());
        assert_eq!(arena.stats().used, used);
    }
    // Something that was allocated after the reserved room, and is still in use.
    let survivor = Cell::new(None);
    let answer = catch_unwind(AssertUnwindSafe(|| {
        arena.alloc_with(|| -> [u64; 8] {
            survivor.set(Some(arena.alloc_slice_copy(&[5u64; 16])));
            panic!("after allocating")
        })
    }));
    assert!(answer.is_err());
    let survivor = survivor.take().unwrap();
    let noise = arena.alloc_slice_fill_with(100, |_| 9u64);
    assert_eq!((&*survivor, noise[99]), (&[5u64; 16][..], 9));
}

#[test]
fn a_display_that_fails_panics_and_leaves_the_arena_usable() {
    struct Broken;
    impl fmt::Display for Broken {
        fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
            Err(fmt::Error)
        }
    }
    let mut arena = arena();
    arena.begin_frame();
    assert!(catch_unwind(AssertUnwindSafe(|| arena.alloc_fmt(format_args!("{Broken}")).len())).is_err());
    assert_eq!(arena.alloc_fmt(format_args!("{}", 1)), "1");
}

std::thread_local! {
    static VICTIM: RefCell<Option<&'static FrameArena>> = const { RefCell::new(None) };
    static STOLEN: RefCell<Vec<&'static mut [u64]>> = const { RefCell::new(Vec::new()) };
}

/// What a pressure callback can do on the thread whose allocation it interrupts, all of it safe: allocate in the very
/// arena that is growing.
fn intrude(_: &crate::ledger::Pressure) {
    let arena = VICTIM.with(|victim| victim.borrow().expect("set by the test"));
    assert!(arena.stats().committed > 0);
    STOLEN.with(|stolen| {
        let mut stolen = stolen.borrow_mut();
        for fill in 0..4 {
            stolen.push(arena.alloc_slice_fill_with(1 << fill, |_| 0x5151));
        }
        // Large enough to grow the arena from inside its own growth.
        stolen.push(arena.alloc_slice_fill_with(30_000, |_| 0x5151));
    });
}

fn with_intruder(attack: impl FnOnce(&'static FrameArena)) {
    let tag = fresh_tag();
    let mut arena = Box::new(FrameArena::try_with(small(tag)).unwrap());
    arena.begin_frame();
    arena.alloc_slice_fill_with(100, |_| 0u64);
    let in_use = tag.account().subtree.committed;
    // The next growth crosses the mark.
    tag.set_budget(Budget::soft(1 << 30).warn_at((in_use + 1) as f64 / f64::from(1 << 30)));
    tag.on_pressure(&intrude).unwrap();
    let arena: &'static FrameArena = Box::leak(arena);
    VICTIM.with(|victim| victim.replace(Some(arena)));
    attack(arena);
    let stolen = STOLEN.take();
    assert_eq!(stolen.len(), 5, "the callback ran, once");
    for block in stolen {
        assert!(block.iter().all(|word| *word == 0x5151), "a block of {} was overwritten", block.len());
    }
    let committed = tag.account().subtree.committed;
    assert_eq!(committed, arena.stats().committed + os::page_size(), "the ledger and the arena agree");
}

#[test]
fn a_pressure_callback_allocates_in_the_arena_that_grows() {
    with_intruder(|arena| {
        let block = arena.alloc_slice_fill_with(20_000, |_| 0xAAAAu64);
        let next = arena.alloc_slice_fill_with(1000, |_| 0xBBBBu64);
        assert!(block.iter().all(|word| *word == 0xAAAA) && next.iter().all(|word| *word == 0xBBBB));
    });
}

#[test]
fn a_pressure_callback_allocates_behind_a_vector_that_grows_in_place() {
    with_intruder(|arena| {
        let mut vector = arena.vec::<u64>();
        for i in 0..50_000 {
            vector.push(i);
        }
        assert!(vector.iter().enumerate().all(|(i, word)| i as u64 == *word));
    });
}

#[test]
fn a_pressure_callback_allocates_before_a_closure_that_panics() {
    with_intruder(|arena| {
        #[repr(align(64))]
        struct Wide([u64; 20_000]);
        let answer = catch_unwind(AssertUnwindSafe(|| arena.alloc_with(|| -> Wide { panic!("init") }).0[0]));
        assert!(answer.is_err());
        // Whatever was given back is used again here; the callback's blocks must not be in it.
        arena.alloc_slice_fill_with(40_000, |_| 0xCCCCu64);
    });
}

#[test]
fn the_ledger_knows_at_each_flip_what_is_live() {
    for in_flight in 2..=4 {
        let tag = fresh_tag();
        let mut arena =
            FrameArena::try_with(small(tag).presize(64 << 10).frames_in_flight(in_flight)).unwrap();
        let mut used = Vec::new();
        for frame in 0..30usize {
            arena.begin_frame();
            // What stale buffers hold counts until they are used again; builds that check more empty them at once.
            let buffers = if crate::base::HARDENED { 1 } else { in_flight - 1 };
            let live: usize = used.iter().rev().take(buffers).sum();
            assert_eq!(tag.account().subtree.live, live, "frame {frame}, {in_flight} in flight");
            // Mostly the same each time, so that there is mostly nothing to tell.
            let size = if frame % 7 == 6 { 3000 } else { 800 };
            arena.alloc_slice_fill_with(size, |_| 1u8);
            used.push(arena.stats().used);
        }
        drop(arena);
        assert!(nothing_is_charged(tag));
    }
}

#[test]
fn figures_follow_the_frames() {
    let tag = fresh_tag();
    let mut arena = FrameArena::try_with(small(tag).presize(300 << 10)).unwrap();
    assert!(arena.stats().committed >= 2 * (300 << 10));
    let plan = fake::fail_after(Call::Commit, u64::MAX);
    for frame in 1..=20usize {
        arena.begin_frame();
        assert_eq!(arena.stats().used, 0);
        arena.alloc_slice_fill_with(frame * 1000, |_| 1u8);
        let stats = arena.stats();
        assert_eq!((stats.frame, stats.used, stats.high_water), (frame as u64, frame * 1000, frame * 1000));
        arena.publish();
        assert!(tag.account().subtree.live >= frame * 1000);
    }
    assert_eq!(plan.seen(), 0, "what was committed ahead was enough");
    arena.begin_frame();
    assert_eq!((arena.stats().used, arena.stats().high_water), (0, 20_000));
    drop((arena, plan));
    assert!(nothing_is_charged(tag));
}

#[test]
fn a_burst_is_given_back_and_steady_use_calls_nobody() {
    let tag = fresh_tag();
    let mut arena = FrameArena::try_with(small(tag)).unwrap();
    for _ in 0..10 {
        arena.begin_frame();
        arena.alloc_slice_fill_with(6 << 20, |_| 1u8);
    }
    let burst = tag.account().subtree.committed;
    assert!(burst >= 2 * (6 << 20));
    let frame = |arena: &mut FrameArena| {
        arena.begin_frame();
        let (_, kept) = arena.keep_slice_copy(&[3u8; 40 << 10]);
        kept
    };
    for _ in 0..600 {
        frame(&mut arena);
    }
    let calm = tag.account().subtree.committed;
    assert!(calm <= 4 * (1 << 20), "{calm} of {burst} bytes still committed");
    assert_eq!(calm, arena.stats().committed + os::page_size());
    let quiet = [Call::Commit, Call::Decommit, Call::Reserve, Call::Release];
    for call in quiet {
        let plan = fake::fail_after(call, u64::MAX);
        let mut last = frame(&mut arena);
        for _ in 0..300 {
            let kept = frame(&mut arena);
            assert_eq!(arena.get(last).map(|bytes| bytes[100]), Some(3));
            last = kept;
        }
        assert_eq!(plan.seen(), 0, "{call:?} in a steady frame");
    }
    if !HARDENED {
        let plan = fake::fail_all_after(0);
        for _ in 0..300 {
            frame(&mut arena);
        }
        assert_eq!(plan.seen(), 0);
    }
}

#[test]
fn a_refused_budget_leaves_the_frame_as_it_was() {
    let tag = fresh_tag();
    let mut arena = FrameArena::try_with(small(tag)).unwrap();
    arena.begin_frame();
    let (_, kept) = arena.keep_slice_copy(&[1u32; 100]);
    arena.begin_frame();
    let value = arena.alloc(6u64);
    tag.set_budget(Budget::hard(tag.account().subtree.committed));
    let before = (arena.stats(), tag.account().subtree);
    let refused = arena.try_alloc_slice_uninit::<u8>(5 << 20).unwrap_err();
    let text = format!("{refused}");
    assert!(matches!(refused, AllocError::Budget(exceeded) if exceeded.tag == tag), "{refused:?}");
    assert!(text.contains("test/frame"), "{text}");
    let panic = catch_unwind(AssertUnwindSafe(|| arena.alloc_slice_uninit::<u8>(5 << 20).len())).unwrap_err();
    assert!(panic.downcast_ref::<String>().is_some_and(|panic| panic.contains(&text)));
    assert_eq!((arena.stats(), tag.account().subtree.committed), (before.0, before.1.committed));
    *value += 1;
    assert_eq!((*value, *arena.alloc(2u64), arena.get(kept)), (7, 2, Some(&[1u32; 100][..])));
    tag.set_budget(Budget::NONE);
    assert_eq!(arena.alloc_slice_fill_with(5 << 20, |_| 3u8)[(5 << 20) - 1], 3);
}

#[test]
fn every_refused_call_of_a_constructor_is_survived() {
    for presize in [0, 200 << 10] {
        for prefault in [false, true] {
            for allowed in 0.. {
                let tag = fresh_tag();
                let plan = fake::fail_once_after(allowed);
                let made = FrameArena::try_with(small(tag).presize(presize).prefault(prefault));
                let refused = plan.refused();
                drop(plan);
                if let Ok(mut arena) = made {
                    for _ in 0..5 {
                        arena.begin_frame();
                        assert_eq!(*arena.alloc(allowed), allowed);
                    }
                }
                assert!(nothing_is_charged(tag), "after {allowed} calls");
                if refused == 0 {
                    assert!(allowed > 2, "a constructor makes calls");
                    break;
                }
            }
        }
    }
}

#[test]
fn every_refused_call_in_a_frame_is_survived() {
    for allowed in 0..80 {
        let tag = fresh_tag();
        let mut arena = FrameArena::try_with(small(tag)).unwrap();
        let plan = fake::fail_once_after(allowed);
        let mut last: Option<(usize, FrameRef<[usize]>)> = None;
        for frame in 0..12usize {
            let began = arena.try_begin_frame();
            if let Some((value, kept)) = last.take() {
                match began {
                    Ok(()) => assert!(arena.get(kept).unwrap().iter().all(|word| *word == value)),
                    Err(_) => assert_eq!(arena.get(kept), None, "the frame that kept it goes on"),
                }
            }
            let count = frame * 10_000;
            if let Ok(words) = arena.try_alloc_slice_fill_with(count, |_| frame) {
                assert!(words.iter().all(|word| *word == frame));
            }
            if let Ok((_, kept)) = arena.try_keep_slice_from_iter((0..100).map(|_| frame)) {
                last = Some((frame, kept));
            }
        }
        assert_eq!(tag.account().subtree.committed, arena.stats().committed + os::page_size());
        drop(plan);
        drop(arena);
        assert!(nothing_is_charged(tag), "after {allowed} calls");
    }
}

#[test]
fn a_frozen_frame_allocates_nothing_more() {
    let mut arena = FrameArena::try_with(small(fresh_tag()).frames_in_flight(3)).unwrap();
    arena.begin_frame();
    let (_, kept) = arena.keep_slice_copy(&[4u16; 30]);
    let packet = arena.freeze().expect("the first time");
    assert!(arena.freeze().is_none(), "the second time");
    assert!(matches!(arena.try_alloc(1u8), Err(AllocError::Sealed { .. })));
    assert!(matches!(arena.try_alloc_slice_uninit::<u64>(1 << 20), Err(AllocError::Sealed { .. })));
    assert!(arena.try_keep(1u64).is_err() && arena.vec().try_push(1u8).is_err());
    assert!(arena.try_alloc_str("no").is_err() && arena.string().try_push_str("no").is_err());
    assert_eq!((packet.get(kept), arena.get(kept)), (Some(&[4u16; 30][..]), None));
    assert_eq!((packet.used(), packet.frame(), arena.stats().lent), (64, 1, 1));
    arena.begin_frame();
    arena.alloc(1u8);
    assert_eq!((packet.get(kept), arena.get(kept)), (Some(&[4u16; 30][..]), Some(&[4u16; 30][..])));
    arena.begin_frame();
    assert_eq!((packet.get(kept), arena.get(kept)), (Some(&[4u16; 30][..]), None));
    drop(packet);
    assert_eq!(arena.stats().lent, 0);
    let packet = arena.freeze().unwrap();
    drop(packet);
    assert_eq!(arena.stats().lent, 0, "given back before the flip");
    assert!(arena.try_alloc(1u8).is_err(), "still frozen");
    arena.begin_frame();
    arena.alloc(1u8);
}

#[test]
fn as_many_frames_in_flight_as_were_asked_for() {
    for frames in 2..=4 {
        let tag = fresh_tag();
        let mut arena = FrameArena::try_with(small(tag).frames_in_flight(frames)).unwrap();
        let mut packets = std::collections::VecDeque::new();
        let most = frames + usize::from(HARDENED);
        for number in 0..most {
            arena.try_begin_frame().unwrap();
            let (_, kept) = arena.keep(number);
            packets.push_back((number, kept, arena.freeze().unwrap()));
        }
        assert_eq!(arena.try_begin_frame(), Err(FrameError::AllInFlight));
        assert!(catch_unwind(AssertUnwindSafe(|| arena.begin_frame())).is_err());
        for number in most..most + 50 {
            // The oldest packet goes, or the one before the newest; any buffer but the newest frame's will do.
            drop(packets.remove(if number % 3 == 0 { packets.len() - 2 } else { 0 }));
            arena.try_begin_frame().unwrap();
            let (_, kept) = arena.keep(number);
            arena.alloc_slice_fill_with(10_000, |_| u64::MAX);
            packets.push_back((number, kept, arena.freeze().unwrap()));
            for (number, kept, packet) in &packets {
                assert_eq!(packet.get(*kept), Some(number));
            }
            assert_eq!(arena.stats().lent, packets.len());
        }
        // The arena goes first; each packet reads on, and the last one settles the account.
        drop(arena);
        while let Some((number, kept, packet)) = packets.pop_front() {
            assert!(!nothing_is_charged(tag));
            assert_eq!(packet.get(kept), Some(&number));
        }
        assert!(nothing_is_charged(tag));
    }
}

#[test]
fn packets_die_on_other_threads_while_the_arena_runs_and_dies() {
    for round in 0..60 {
        let tag = fresh_tag();
        let mut arena = FrameArena::try_with(small(tag).frames_in_flight(3)).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel::<(FrameRef<[u64]>, u64, FramePacket)>();
        let render = thread::spawn(move || {
            let mut seen = 0;
            for (kept, frame, packet) in receiver {
                assert!(packet.get(kept).unwrap().iter().all(|word| *word == frame));
                seen += 1;
            }
            seen
        });
        let mut sent = 0;
        for _ in 0..40 {
            while arena.try_begin_frame() == Err(FrameError::AllInFlight) {
                thread::yield_now();
            }
            let frame = arena.frame();
            let (_, kept) = arena.keep_slice_fill_with(500, |_| frame);
            sender.send((kept, frame, arena.freeze().unwrap())).unwrap();
            sent += 1;
        }
        drop(sender);
        if round % 2 == 0 {
            drop(arena);
            assert_eq!(render.join().unwrap(), sent);
        } else {
            assert_eq!(render.join().unwrap(), sent);
            drop(arena);
        }
        assert!(nothing_is_charged(tag));
    }
}

#[test]
fn forgotten_things_do_no_harm() {
    let tag = fresh_tag();
    let mut arena = FrameArena::try_with(small(tag).frames_in_flight(3)).unwrap();
    for frame in 0..10u64 {
        arena.begin_frame();
        let mut vector = arena.vec();
        vector.push(frame);
        mem::forget(vector);
        mem::forget(arena.string());
        let (value, _) = arena.keep(frame);
        assert_eq!(*value, frame);
    }
    // A forgotten packet keeps its buffer for ever; the arena goes on with the others.
    arena.begin_frame();
    mem::forget(arena.freeze());
    for frame in 0..10u64 {
        arena.begin_frame();
        assert_eq!(*arena.alloc(frame), frame);
    }
    assert_eq!(arena.stats().lent, 1);
    drop(arena);
    assert!(!nothing_is_charged(tag), "the forgotten packet's buffer is still charged");
}

#[test]
#[cfg(any(debug_assertions, feature = "hardened"))]
fn a_stale_frame_is_closed_and_the_last_one_is_not() {
    let mut arena = arena();
    arena.begin_frame();
    let stale = core::ptr::from_mut(arena.alloc(1u64)).cast_const().cast::<u8>();
    assert_eq!(os::query(stale), Ok(os::PageState::Committed { writable: true }));
    arena.begin_frame();
    assert_eq!(os::query(stale), Ok(os::PageState::Committed { writable: true }));
    arena.begin_frame();
    assert_eq!(os::query(stale), Ok(os::PageState::Reserved));
}

/// Reads a pointer of the frame before the last one (or of the last one) in a process of its own.
#[test]
#[cfg(all(unix, any(debug_assertions, feature = "hardened")))]
fn a_stale_access_faults_at_once() {
    use std::os::unix::process::ExitStatusExt;

    const ROLE: &str = "ARENITE_TEST_STALE_FLIPS";
    if let Ok(flips) = std::env::var(ROLE) {
        let mut arena = arena();
        arena.begin_frame();
        let pointer = core::ptr::from_mut(arena.alloc(0x1234_5678u64));
        for _ in 0..flips.parse::<u32>().unwrap() {
            arena.begin_frame();
        }
        // SAFETY: none: with two flips this is the access that has to fault; with one the buffer is still readable.
        let value = unsafe { pointer.read_volatile() };
        assert_eq!(value, 0x1234_5678);
        return;
    }
    let run = |flips: &str| {
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "arena::frame::tests::a_stale_access_faults_at_once", "--test-threads=1"])
            .env(ROLE, flips)
            .output()
            .unwrap()
    };
    let live = run("1");
    assert!(live.status.success(), "{live:?}");
    assert!(String::from_utf8_lossy(&live.stdout).contains("1 passed"), "{live:?}");
    let stale = run("2");
    let died_of = stale.status.signal();
    // A sanitizer catches the signal, says so, and exits.
    let caught = String::from_utf8_lossy(&stale.stderr).contains("SEGV");
    assert!(died_of == Some(11) || died_of == Some(10) || caught, "{stale:?}");
}

#[test]
fn formatted_text_and_copies_are_kept_for_one_frame() {
    let mut arena = FrameArena::try_with(small(fresh_tag())).unwrap();
    arena.begin_frame();
    let (text, label) = arena.keep_fmt(format_args!("{} hp", 83));
    assert_eq!(text, "83 hp");
    let (_, tried) = arena.try_keep_fmt(format_args!("{:>4}", 7)).unwrap();
    let (_, copy) = arena.try_keep_slice_copy(&[1u16, 2, 3]).unwrap();
    assert_eq!((arena.get(label), arena.get(copy)), (None, None));
    arena.begin_frame();
    assert_eq!((arena.get(label), arena.get(tried)), (Some("83 hp"), Some("   7")));
    assert_eq!(arena.get(copy), Some(&[1u16, 2, 3][..]));
    arena.begin_frame();
    assert_eq!((arena.get(label), arena.get(copy)), (None, None));
}

#[test]
fn layouts_of_run_time_are_aligned_and_stamps_tell_frames_apart() {
    let mut arena = arena();
    arena.begin_frame();
    for (size, align) in [(0, 1), (3, 1), (24, 8), (100, 64), (10, 4096), (64, 1 << 17)] {
        let layout = core::alloc::Layout::from_size_align(size, align).unwrap();
        let room = arena.try_alloc_layout(layout).unwrap();
        assert_eq!((room.len(), room.as_ptr().addr() % align), (size, 0));
    }
    let large = core::alloc::Layout::from_size_align(4 << 20, 16).unwrap();
    assert!(arena.alloc_committed(large).is_none(), "more than is committed");
    arena.try_alloc_layout(large).unwrap();
    let before = arena.stats();
    let small = arena.alloc_committed(core::alloc::Layout::new::<[u64; 4]>()).unwrap();
    assert_eq!(small.len(), 32);
    assert_eq!(arena.stats().used, before.used + 32);
    let stamp = arena.stamp();
    assert_ne!(arena.readable_stamp(), stamp);
    arena.begin_frame();
    assert_eq!(arena.readable_stamp(), stamp);
    arena.begin_frame();
    assert!(arena.readable_stamp() != stamp && arena.stamp() != stamp);
}
