//! A recorded trace under each fit and storage, a storm of reallocations, and full heaps.
#![expect(unsafe_code, reason = "writes to the blocks that it was handed, and reads them back")]

use std::alloc::Layout;
use std::mem::MaybeUninit;
use std::ptr::NonNull;

use arenite::heap::fit::{Readable, Storage};
use arenite::{
    Apart, BestFit, External, FirstFit, Fit, FitError, FitHeap, Fixed, Growing, NextFit, Region,
    RegionOptions, Tag, Tlsf, WorstFit,
};

/// What a program did: `None` frees the place.
struct Call {
    place: usize,
    layout: Option<Layout>,
}

fn random(state: &mut u64) -> u64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

/// As a game loads and drops: mostly small, some large, ages very different.
fn trace(calls: usize) -> Vec<Call> {
    let (mut state, mut live, mut trace) = (7, vec![false; 600], Vec::new());
    for _ in 0..calls {
        // The higher ones live long.
        let place = (random(&mut state) % 600).min(random(&mut state) % 600) as usize;
        let size = match random(&mut state) % 32 {
            0 => random(&mut state) % 20_000,
            1..=8 => random(&mut state) % 2000,
            _ => random(&mut state) % 200,
        };
        let align = 1 << (random(&mut state) % 13).min(random(&mut state) % 8);
        let keep = !live[place] || random(&mut state).is_multiple_of(3);
        let layout = keep.then(|| Layout::from_size_align(size as usize, align).expect("small"));
        live[place] = layout.is_some();
        trace.push(Call { place, layout });
    }
    trace
}

fn sign(block: NonNull<u8>, len: usize, seed: usize) {
    for at in 0..len {
        // SAFETY: a block of the test's, of so many bytes.
        unsafe { block.add(at).write((at ^ seed) as u8) };
    }
}

fn verify(block: NonNull<u8>, len: usize, seed: usize) {
    for at in 0..len {
        // SAFETY: as above, written by `sign`.
        assert_eq!(unsafe { block.add(at).read() }, (at ^ seed) as u8, "byte {at} of {len}");
    }
}

/// Replays the trace; `head` is what a block takes beside what was asked for.
fn replay<S: Readable, F: Fit>(storage: S, head: usize) {
    let mut heap: FitHeap<S, F> = FitHeap::try_new(storage).expect("the system is calm");
    let mut places: Vec<Option<(NonNull<u8>, usize)>> = vec![None; 600];
    // The oracle: what each block takes.
    let taken = |size: usize| (size + head).max(1).next_multiple_of(16) as u64;
    let mut used = 0;
    for Call { place, layout } in trace(20_000) {
        match (places[place], layout) {
            (None, Some(layout)) => {
                let block = heap.try_alloc(layout).expect("there is room");
                assert!(heap.usable_size(block).expect("used") >= layout.size());
                sign(block, layout.size(), place);
                places[place] = Some((block, layout.size()));
                used += taken(layout.size());
            }
            (Some((block, size)), Some(layout)) => {
                verify(block, size, place);
                let moved = heap.try_realloc(block, layout).expect("there is room");
                verify(moved, size.min(layout.size()), place);
                sign(moved, layout.size(), place);
                places[place] = Some((moved, layout.size()));
                used = used + taken(layout.size()) - taken(size);
            }
            (Some((block, size)), None) => {
                verify(block, size, place);
                heap.free(block).expect("used");
                places[place] = None;
                used -= taken(size);
            }
            (None, None) => unreachable!("the trace frees what is there"),
        }
        assert_eq!(heap.stats().used, used);
    }
    for (place, (block, size)) in places.into_iter().enumerate().filter_map(|(at, block)| Some((at, block?)))
    {
        verify(block, size, place);
        heap.free(block).expect("used");
    }
    let stats = heap.stats();
    assert_eq!((stats.used, stats.free_blocks, stats.largest_free), (0, 1, stats.capacity));
}

fn replay_everywhere<F: Fit>(tag: Tag) {
    let room = || vec![MaybeUninit::uninit(); 4 << 20];
    replay::<_, F>(Growing::new(tag, 64 << 20), 8);
    replay::<_, F>(Apart::new(Growing::new(tag, 64 << 20)), 0);
    replay::<_, F>(Fixed::new(tag, &mut room()), 8);
    replay::<_, F>(Apart::new(Fixed::new(tag, &mut room())), 0);
    let mut region = Region::try_reserve(RegionOptions::new(tag, 4 << 20)).expect("address space");
    region.try_grow(4 << 20).expect("memory");
    replay::<_, F>(External::new(tag, region), 8);
}

#[test]
fn a_recorded_trace_comes_out_right_under_each_fit_and_storage() {
    let tag = Tag::register("model/replay").expect("a tag");
    replay_everywhere::<Tlsf>(tag);
    replay_everywhere::<FirstFit>(tag);
    replay_everywhere::<NextFit>(tag);
    replay_everywhere::<BestFit>(tag);
    replay_everywhere::<WorstFit>(tag);
    let own = tag.account().own;
    assert_eq!((own.reserved, own.committed, own.live), (0, 0, 0));
}

/// 1,000 handles and so many sizes, in memory that is too small for them.
fn storm<S: Storage + Readable, F: Fit>(storage: S, sizes: usize) {
    let mut heap: FitHeap<S, F> = FitHeap::try_new(storage).expect("the system is calm");
    let mut handles: Vec<Option<(NonNull<u8>, usize)>> = vec![None; 1000];
    let (mut state, mut refused, mut served) = (11, 0, 0);
    for _ in 0..sizes {
        let place = random(&mut state) as usize % 1000;
        let size = (random(&mut state) % 1500) as usize;
        let layout = Layout::from_size_align(size, 1 << (random(&mut state) % 6)).expect("small");
        // The ends are enough to find what was moved wrongly.
        let ends = |block: NonNull<u8>, len: usize| {
            if len > 0 {
                verify(block, 1, place);
                // SAFETY: the last byte of the block.
                assert_eq!(unsafe { block.add(len - 1).read() }, ((len - 1) ^ place) as u8);
            }
        };
        let answer = match handles[place] {
            None => heap.try_alloc(layout),
            Some((block, old)) => {
                ends(block, old);
                heap.try_realloc(block, layout)
            }
        };
        match answer {
            Ok(block) => {
                sign(block, size.min(1), place);
                if size > 1 {
                    // SAFETY: the last byte of the block.
                    unsafe { block.add(size - 1).write(((size - 1) ^ place) as u8) };
                }
                handles[place] = Some((block, size));
                served += 1;
            }
            Err(FitError::OutOfMemory { .. } | FitError::OutOfContiguous { .. }) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(refused > sizes / 1000 && served > sizes / 10, "{refused} refused, {served} served");
    for (block, _) in handles.into_iter().flatten() {
        heap.free(block).expect("used");
    }
    let stats = heap.stats();
    assert_eq!((stats.used_blocks, stats.free_blocks, stats.free), (0, 1, stats.capacity));
}

#[test]
fn a_storm_of_reallocations_ends_in_one_piece() {
    let tag = Tag::register("model/storm").expect("a tag");
    let room = || vec![MaybeUninit::uninit(); 600_000];
    storm::<_, Tlsf>(Fixed::new(tag, &mut room()), 1_000_000);
    storm::<_, Tlsf>(Apart::new(Growing::new(tag, 600_000)), 1_000_000);
    storm::<_, FirstFit>(Fixed::new(tag, &mut room()), 100_000);
    storm::<_, NextFit>(Apart::new(Growing::new(tag, 600_000)), 100_000);
    storm::<_, BestFit>(Fixed::new(tag, &mut room()), 100_000);
    storm::<_, WorstFit>(Apart::new(Growing::new(tag, 600_000)), 100_000);
}
