//! Fit heaps and the heap whose blocks move: what is recorded is what lies in them, block by block, at its address.
#![expect(unsafe_code, reason = "blocks of heaps are raw, and lie in the heap's own memory")]

use std::alloc::Layout;
use std::mem::MaybeUninit;
use std::path::Path;
use std::ptr::NonNull;
use std::thread;

use arenite::heap::fit::Either;
use arenite::record::format::events::What;
use arenite::record::{self, RecordOptions, Stacks};
use arenite::{
    Apart, DefragBudget, DefragHandle, DefragHeap, DefragHeapOptions, DefragPolicy, FitError, FitHeap, Fixed,
    Growing, Inspected, Locked, ReadableHeap, Tag,
};
use arenite_inspect::{Capture, Change, Live, Summary, SummaryOptions};

use super::programs::Numbers;
use super::turn;

/// Where a block is, how large, and whose.
type Found = (u64, u64, &'static str);

const NAMES: [&str; 6] =
    ["fits/heads", "fits/apart", "fits/either", "fits/locked", "fits/buffer", "fits/moving"];

fn named(name: &'static str) -> Tag {
    Tag::register(name).expect("a tag")
}

#[derive(Clone, Copy)]
struct Kept {
    block: NonNull<u8>,
    size: usize,
}

// SAFETY: a block of a heap behind a lock, which any thread may free.
unsafe impl Send for Kept {}

impl Kept {
    fn found(self, name: &'static str) -> Found {
        (self.block.addr().get() as u64, self.size as u64, name)
    }
}

fn layout(numbers: &mut Numbers) -> Layout {
    let size = if numbers.below(30) == 0 { 60_000 } else { 64 + numbers.below(1500) as usize };
    Layout::from_size_align(size, 1 << numbers.below(8)).expect("a layout")
}

/// Takes, resizes and frees by all functions of a heap, and tries what is refused; keeps some.
fn storm(heap: &mut impl ReadableHeap, rounds: usize, numbers: &mut Numbers) -> Vec<Kept> {
    let mut kept = Vec::<Kept>::new();
    for round in 0..rounds {
        let asked = layout(numbers);
        let block = match numbers.below(2) {
            0 => heap.try_alloc(asked),
            _ => heap.try_alloc_zeroed(asked),
        };
        kept.push(Kept { block: block.expect("memory"), size: asked.size() });
        let index = numbers.below(kept.len() as u64) as usize;
        let held = &mut kept[index];
        let asked = layout(numbers);
        match numbers.below(8) {
            0 => held.block = heap.try_realloc(held.block, asked).expect("memory"),
            1 => match heap.try_resize(held.block, asked) {
                Ok(same) => held.block = same,
                Err(_) => continue,
            },
            2 => {
                // Refused, and told to nobody.
                let huge = Layout::from_size_align(1 << 40, 1).expect("a layout");
                assert!(heap.try_realloc(held.block, huge).is_err() && heap.try_alloc(huge).is_err());
                let inside = held.block.map_addr(|block| block.saturating_add(16));
                assert!(heap.free(inside).is_err() && heap.try_realloc(inside, asked).is_err());
                continue;
            }
            _ => {
                if round % 4 != 0 {
                    heap.free(kept.swap_remove(index).block).expect("a block");
                }
                continue;
            }
        }
        held.size = asked.size();
    }
    kept
}

/// The face of C programs: the fast half first.
fn storm_fast<S: arenite::heap::fit::Readable>(
    heap: &mut FitHeap<S>,
    rounds: usize,
    numbers: &mut Numbers,
) -> Vec<Kept> {
    let mut kept = Vec::new();
    for _ in 0..rounds {
        let asked = Layout::from_size_align(64 + numbers.below(900) as usize, 16).expect("a layout");
        let block = heap.alloc_fast(asked.size()).map_or_else(|| heap.try_alloc(asked), Ok);
        kept.push(Kept { block: block.expect("memory"), size: asked.size() });
        if numbers.below(3) != 0 {
            let index = numbers.below(kept.len() as u64) as usize;
            let block = kept.swap_remove(index).block;
            assert!(heap.free_fast(block.as_ptr()) || heap.free(block).is_ok());
            assert!(!heap.free_fast(block.as_ptr()) && !heap.free_fast(std::ptr::null_mut()));
        }
    }
    kept
}

/// A mark, and what is in all heaps at it.
fn mark(expected: &mut Vec<Vec<Found>>, found: impl IntoIterator<Item = Found>) {
    record::mark("here");
    let mut all: Vec<_> = found.into_iter().collect();
    all.sort_unstable();
    expected.push(all);
}

fn fits(expected: &mut Vec<Vec<Found>>) {
    let numbers = &mut Numbers(11);
    let other = named("fits/thread");
    let _scope = other.try_scope().expect("a scope");
    let mut heads: FitHeap<Growing> =
        FitHeap::try_new(Growing::new(named("fits/heads"), 1 << 26)).expect("a heap");
    let mut apart: FitHeap<Apart<Growing>> =
        FitHeap::try_new(Apart::new(Growing::new(named("fits/apart"), 1 << 26))).expect("a heap");
    let mut either: FitHeap<Either<Growing, Fixed<'_>>> =
        FitHeap::try_new(Either::First(Growing::new(named("fits/either"), 1 << 26))).expect("a heap");
    // A block of the general heap, as which it is recorded: what is in it is not told.
    let mut buffer = vec![MaybeUninit::uninit(); 1 << 20];
    let mut fixed: FitHeap<Fixed<'_>> =
        FitHeap::try_new(Fixed::new(named("fits/buffer"), &mut buffer)).expect("a heap");
    drop(storm(&mut fixed, 200, numbers));

    let mut kept = Vec::new();
    let mut keep = |name, blocks: Vec<Kept>| kept.extend(blocks.into_iter().map(|kept| kept.found(name)));
    keep("fits/heads", storm(&mut heads, 400, numbers));
    keep("fits/heads", storm_fast(&mut heads, 300, numbers));
    keep("fits/apart", storm(&mut Inspected::new(&mut apart), 400, numbers));
    keep("fits/either", storm(&mut either, 400, numbers));
    mark(expected, kept.iter().copied());

    // Half of them go, and the memory behind them.
    let mut index = 0;
    kept.retain(|(address, _, name)| {
        index += 1;
        if index % 2 == 0 {
            return true;
        }
        let block = NonNull::new(std::ptr::with_exposed_provenance_mut(*address as usize)).expect("a block");
        let freed = match *name {
            "fits/heads" => heads.free(block),
            "fits/apart" => apart.free(block),
            _ => either.free(block),
        };
        freed.expect("a block");
        false
    });
    heads.try_trim(0).expect("trimmed");
    mark(expected, kept.iter().copied());

    // Books that are loaded are blocks that are there; a heap that ends takes its own along.
    let state = apart.state();
    drop(apart);
    kept.retain(|(.., name)| *name != "fits/apart");
    mark(expected, kept.iter().copied());
    let loaded: FitHeap<Apart<Growing>> =
        state.try_into_heap(Apart::new(Growing::new(named("fits/apart"), 1 << 26))).expect("a heap");
    let there: Vec<Found> = loaded
        .walk()
        .filter(|block| block.used)
        .map(|block| (block.start.addr().get() as u64, block.size as u64, "fits/apart"))
        .collect();
    assert!(there.len() > 10);
    mark(expected, kept.iter().chain(&there).copied());
    drop((loaded, heads));
    kept.retain(|(.., name)| *name == "fits/either");
    mark(expected, kept.iter().copied());

    // Many threads; each frees what another one took.
    let locked: FitHeap<Growing> =
        FitHeap::try_new(Growing::new(named("fits/locked"), 1 << 26)).expect("a heap");
    let locked = Locked::new(locked);
    let mut shared = Vec::<Kept>::new();
    for round in 0..4u64 {
        let gone = shared.split_off(shared.len() / 2);
        let mut handed = gone.chunks(gone.len().div_ceil(3).max(1)).map(<[Kept]>::to_vec);
        let made: Vec<Vec<Kept>> = thread::scope(|threads| {
            let all: Vec<_> = (0..3)
                .map(|member| {
                    let (locked, gone) = (&locked, handed.next().unwrap_or_default());
                    threads.spawn(move || {
                        let mut numbers = Numbers(100 * round + member);
                        let mut kept = Vec::new();
                        for held in gone {
                            // SAFETY: a block of this heap that nobody else has.
                            unsafe { locked.free(held.block).expect("a block") };
                            let asked = layout(&mut numbers);
                            let block = locked.try_alloc(asked).expect("memory");
                            kept.push(Kept { block, size: asked.size() });
                        }
                        // SAFETY: as above.
                        let more = unsafe { locked.try_with_mut(|heap| storm(heap, 100, &mut numbers)) };
                        kept.extend(more.expect("free"));
                        kept
                    })
                })
                .collect();
            all.into_iter().map(|thread| thread.join().expect("no panic")).collect()
        });
        shared.extend(made.into_iter().flatten());
        let found = shared.iter().map(|held| held.found("fits/locked"));
        mark(expected, kept.iter().copied().chain(found));
    }
    drop((locked, either));
    mark(expected, []);
}

/// What lies in a heap, by the handles that its program has.
fn lies(heap: &DefragHeap, handles: &[DefragHandle<[u64]>]) -> Vec<Found> {
    let value = |handle: &DefragHandle<[u64]>| heap.get(*handle).expect("it lives");
    handles
        .iter()
        .map(|handle| (value(handle).as_ptr().addr() as u64, 8 * value(handle).len() as u64, "fits/moving"))
        .collect()
}

/// Answers how many blocks were moved, and their bytes.
fn moving(expected: &mut Vec<Vec<Found>>, policy: DefragPolicy) -> (u64, u64) {
    let numbers = &mut Numbers(5);
    let options = DefragHeapOptions::new(named("fits/moving")).reserve(1 << 26).segment(1 << 18).keep(0);
    let mut heap: DefragHeap = DefragHeap::try_with(options.policy(policy)).expect("a heap");
    let (mut handles, mut moved, mut carried) = (Vec::new(), 0, (0, 0));
    for round in 0..6 {
        for value in 0..300 {
            let len = 8 + numbers.below(400) as usize;
            handles.push(heap.insert_slice_copy(&vec![value; len]));
            let index = numbers.below(handles.len() as u64) as usize;
            match numbers.below(5) {
                0 => heap.try_resize(handles[index], 8 + numbers.below(600) as usize, 7).expect("memory"),
                1 | 2 => heap.free(handles.swap_remove(index)).expect("it lives"),
                _ => {}
            }
        }
        // Refused, and told to nobody.
        assert!(heap.try_resize(handles[0], 1 << 40, 7).is_err());
        let _: Result<_, FitError> =
            heap.try_alloc(Layout::new::<[u64; 1 << 24]>()).map(|_| panic!("it fits"));
        // A value that moves out, one whose making fails, one with a destructor.
        let text = heap.insert(format!("{round}").repeat(40));
        assert_eq!(heap.remove(text).expect("it lives").len(), 40);
        let failed = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            heap.insert_slice_with::<u64>(100, |_| std::panic::resume_unwind(Box::new(())))
        }));
        assert!(failed.is_err());
        let boxed = heap.insert([0; 20].map(|n: usize| vec![n]));
        heap.free(boxed).expect("it lives");
        let before = lies(&heap, &handles);
        let pin = heap.pin(handles[1]).expect("it lives");
        loop {
            let report = heap.defragment(DefragBudget::bytes(64 << 10));
            carried = (carried.0 + report.moved_blocks, carried.1 + report.moved_bytes);
            if report.done {
                break;
            }
        }
        let after = lies(&heap, &handles);
        moved += before.iter().zip(&after).filter(|(before, after)| before != after).count();
        assert_eq!(before[1], after[1], "pinned");
        drop(pin);
        mark(expected, after);
    }
    assert!(moved > 10, "{moved} moved by {policy:?}");
    // What is pinned outlives the heap.
    let pin = heap.pin(handles[3]).expect("it lives");
    let last = lies(&heap, &handles)[3];
    drop(heap);
    mark(expected, [last]);
    drop(pin);
    mark(expected, []);
    carried
}

/// What a recording says is in the heaps, at each mark; and how many of their blocks have another call stack than at first.
fn recorded(path: &Path) -> (Vec<Vec<Found>>, usize) {
    let mut capture = Capture::open(path).expect("a capture");
    let tags = capture.tags().expect("read");
    let (mut live, mut marks, mut strangers) = (Live::new(), Vec::new(), 0);
    let mut makers = std::collections::HashSet::new();
    // The harness's own thread gives back what it had before.
    let (mut ours, mut unknown) = (std::collections::HashSet::new(), Vec::new());
    capture
        .events(|thread, event| {
            if live.take(thread, &event) == Change::Gone(None) {
                unknown.push(thread);
            }
            match event.what {
                What::Tag { tag } if tags.get(&tag).is_some_and(|tag| NAMES.contains(&tag.as_str())) => {
                    ours.insert(thread);
                }
                What::Alloc { stack, .. } | What::Realloc { stack, .. } => {
                    makers.insert((event.time, stack));
                }
                What::Mark { .. } => {
                    let named = |block: &arenite_inspect::Block| {
                        NAMES.into_iter().find(|name| tags.get(&block.tag).is_some_and(|tag| tag == name))
                    };
                    let mut all: Vec<_> = live
                        .iter()
                        .filter_map(|(address, block)| Some((address, block.size, named(block)?)))
                        .collect();
                    all.sort_unstable();
                    marks.push(all);
                    strangers +=
                        live.iter().filter(|(_, block)| !makers.contains(&(block.time, block.stack))).count();
                }
                _ => {}
            }
        })
        .expect("read");
    assert!(!ours.is_empty());
    assert_eq!(unknown.iter().filter(|thread| ours.contains(thread)).count(), 0);
    (marks, strangers)
}

#[test]
fn blocks_of_fit_heaps_and_of_those_that_move_are_where_they_are_recorded() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("fits.arec");
    // Every block; and a sample of as good as all: of 64 bytes one in 10^27 is left out.
    for sample in [0, 1] {
        let options = RecordOptions::new(&path).sample(sample).stacks(Stacks::FramePointers);
        let recording = record::start(options).expect("a recording");
        let mut expected = Vec::new();
        fits(&mut expected);
        let carried = [DefragPolicy::Slide, DefragPolicy::FillHoles, DefragPolicy::EvacuateLast]
            .map(|policy| moving(&mut expected, policy));
        let summary = recording.stop().expect("written");
        assert_eq!(summary.lost, 0, "{summary}");
        let mut capture = Capture::open(&path).expect("a capture");
        let sums = Summary::read(&mut capture, &SummaryOptions::new()).expect("a summary");
        let (_, tag) = sums.tag("fits/moving").expect("a tag");
        let [moves, bytes] = [0, 1].map(|of| carried.iter().map(|sum| [sum.0, sum.1][of]).sum::<u64>());
        assert_eq!((tag.own.moves, tag.own.moved_bytes), (moves, bytes));
        assert_eq!((sums.total.moves, sums.sites.values().map(|site| site.moves).sum()), (moves, moves));
        let (found, strangers) = recorded(&path);
        assert_eq!(found.len(), expected.len());
        for (mark, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert!(
                found == expected,
                "at mark {mark} of a sample of {sample}: {found:?} and not {expected:?}"
            );
        }
        assert_eq!(strangers, 0, "blocks of a call stack that did not ask for them");
    }
}
