//! Saved and loaded books of heaps, also those that somebody changed in between.

use std::string::ToString;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::heap::fit::{BestFit, Either, FirstFit, FitHeapState, FitStateError, NextFit, WorstFit};

type Buffer = Vec<MaybeUninit<u8>>;

/// From a multiple of 64 on.
fn buffer(len: usize) -> Buffer {
    vec![MaybeUninit::new(0); len + 64]
}

fn in_buffer<F: Fit>(buffer: &mut Buffer, len: usize) -> FitHeap<Apart<Fixed<'_>>, F> {
    let start = buffer.as_ptr().addr().wrapping_neg() % 64;
    FitHeap::try_new(Apart::new(Fixed::new(tag("saved"), &mut buffer[start..start + len]))).unwrap()
}

fn load<'b, F: Fit>(
    saved: &Value,
    buffer: &'b mut Buffer,
    len: usize,
) -> Result<FitHeap<Apart<Fixed<'b>>, F>, FitStateError> {
    let state: FitHeapState = serde_json::from_value(saved.clone()).expect("well formed");
    let start = buffer.as_ptr().addr().wrapping_neg() % 64;
    state.try_into_heap(Apart::new(Fixed::new(tag("loaded"), &mut buffer[start..start + len])))
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// Used blocks, and nothing of how much memory there is.
fn blocks_of(state: &FitHeapState) -> Value {
    serde_json::to_value(state).unwrap()["used"].take()
}

const LEN: usize = 64 << 10;

fn pieces<S: Storage, F: Fit>(heap: &FitHeap<S, F>) -> Vec<(usize, usize, bool)> {
    let base = heap.base().addr().get();
    heap.walk().map(|piece| (piece.start.addr().get() - base, piece.size, piece.used)).collect()
}

/// Writes to all of a block, by its offset.
fn sign<S: Storage, F: Fit>(heap: &FitHeap<S, F>, offset: usize) {
    let block = heap.block_at(offset).unwrap();
    // SAFETY: a block of the test's.
    unsafe { block.write_bytes(offset as u8 | 1, heap.usable_size(block).unwrap()) };
}

fn is_signed<S: Storage, F: Fit>(heap: &FitHeap<S, F>, offset: usize) -> bool {
    let block = heap.block_at(offset).unwrap();
    // SAFETY: written by `sign`, and copied.
    let bytes = unsafe { core::slice::from_raw_parts(block.as_ptr(), heap.usable_size(block).unwrap()) };
    bytes.iter().all(|byte| *byte == offset as u8 | 1)
}

/// The same random calls for both, which answer the same as long as the fits have the same habits.
fn step<S: Storage, T: Storage, F: Fit>(
    numbers: &mut Numbers,
    one: &mut FitHeap<S, F>,
    other: &mut FitHeap<T, F>,
    offsets: &mut Vec<usize>,
) {
    let wanted = layout(numbers.below(1500), 1 << numbers.below(7));
    match numbers.below(5) {
        0..2 => {
            let (first, second) = (one.try_alloc(wanted), other.try_alloc(wanted));
            assert_eq!(first.is_ok(), second.is_ok());
            if let (Ok(first), Ok(second)) = (first, second) {
                let offset = one.offset_of(first).unwrap();
                assert_eq!(Ok(offset), other.offset_of(second));
                offsets.push(offset);
                sign(one, offset);
                sign(other, offset);
            }
        }
        kind if !offsets.is_empty() => {
            let at = numbers.below(offsets.len());
            let (first, second) = (one.block_at(offsets[at]).unwrap(), other.block_at(offsets[at]).unwrap());
            if kind == 4 {
                let done = one.try_resize(first, wanted).is_ok();
                assert_eq!(done, other.try_resize(second, wanted).is_ok());
                if done {
                    sign(one, offsets[at]);
                    sign(other, offsets[at]);
                }
            } else {
                offsets.swap_remove(at);
                assert_eq!((one.free(first), other.free(second)), (Ok(()), Ok(())));
            }
        }
        _ => {}
    }
}

fn busy<S: Storage, F: Fit>(heap: &mut FitHeap<S, F>, seed: u64) -> Vec<usize> {
    let (mut numbers, mut offsets) = (Numbers(seed), Vec::new());
    for _ in 0..400 {
        if numbers.below(5) < 3 {
            let wanted = layout(numbers.below(600), 1 << numbers.below(7));
            if let Ok(block) = heap.try_alloc(wanted) {
                offsets.push(heap.offset_of(block).unwrap());
                sign(heap, offsets[offsets.len() - 1]);
            }
        } else if !offsets.is_empty() {
            let offset = offsets.swap_remove(numbers.below(offsets.len()));
            heap.free(heap.block_at(offset).unwrap()).unwrap();
        }
    }
    offsets
}

fn round_trip<F: Fit>(seed: u64) {
    let (mut here, mut there, mut larger) = (buffer(LEN), buffer(LEN), buffer(2 * LEN));
    let mut heap = in_buffer::<F>(&mut here, LEN);
    let mut offsets = busy(&mut heap, seed);
    let saved = serde_json::to_value(&heap).unwrap();
    assert_eq!(saved, serde_json::to_value(heap.state()).unwrap());
    assert_eq!(heap.state().capacity(), LEN as u64);

    let mut loaded = load::<F>(&saved, &mut there, LEN).unwrap();
    // SAFETY: as much memory in both, of bytes, and nobody uses the second one.
    unsafe { heap.base().copy_to_nonoverlapping(loaded.base(), LEN) };
    assert_eq!(pieces(&loaded), pieces(&heap));
    assert_eq!(serde_json::to_value(&loaded).unwrap(), saved);
    let figures = |stats: FitStats| FitStats { bookkeeping: 0, ..stats };
    assert_eq!(figures(loaded.stats()), figures(heap.stats()));
    assert!(offsets.iter().all(|offset| is_signed(&loaded, *offset)));
    let mut numbers = Numbers(!seed);
    for _ in 0..400 {
        step(&mut numbers, &mut heap, &mut loaded, &mut offsets);
    }
    assert_eq!(pieces(&loaded), pieces(&heap));
    assert!(offsets.iter().all(|offset| is_signed(&loaded, *offset) && is_signed(&heap, *offset)));

    // With another fit, in more memory: what is behind is free.
    let saved = serde_json::to_value(&heap).unwrap();
    let mut wide = load::<WorstFit>(&saved, &mut larger, 2 * LEN).unwrap();
    assert_eq!(wide.stats().capacity, 2 * LEN as u64);
    assert_eq!(wide.stats().used, heap.stats().used);
    for offset in offsets {
        wide.free(wide.block_at(offset).unwrap()).unwrap();
        assert_eq!(wide.block_at(offset), Err(FreeError::DoubleFree));
    }
    assert_eq!(pieces(&wide), [(0, 2 * LEN, false)]);
    // Not in less.
    let (end, limit) = (LEN as u32 / 16, LEN as u32 / 16 - 1);
    let refused = load::<F>(&saved, &mut buffer(LEN), LEN - 16).err();
    assert_eq!(refused, Some(FitStateError::TooLong { end, limit }));
}

#[test]
fn a_loaded_heap_has_its_blocks_at_the_same_offsets_and_goes_on_as_the_saved_one() {
    for seed in 0..10 {
        round_trip::<BestFit>(seed);
        round_trip::<FirstFit>(seed);
        round_trip::<WorstFit>(seed);
    }
}

#[test]
fn a_heap_that_grows_is_loaded_with_as_much_memory_as_it_had() {
    let tag = tag("grows");
    let new = || Apart::new(Growing::new(tag, 1 << 30));
    let mut heap: FitHeap<Apart<Growing>> = FitHeap::try_new(new()).unwrap();
    let first = heap.try_alloc(layout(100, 4096)).unwrap();
    let second = heap.try_alloc(layout(5 << 20, 16)).unwrap();
    let third = heap.try_alloc(layout(10, 1)).unwrap();
    heap.free(second).unwrap();
    let state = heap.state();
    let mut loaded: FitHeap<Apart<Growing>, NextFit> = state.clone().try_into_heap(new()).unwrap();
    assert!(loaded.stats().capacity >= state.capacity() && state.capacity() > 5 << 20);
    assert_eq!(blocks_of(&loaded.state()), blocks_of(&state));
    for block in [first, third] {
        let offset = heap.offset_of(block).unwrap();
        let block = loaded.block_at(offset).unwrap();
        // SAFETY: a block of 10 bytes at least.
        unsafe { block.write_bytes(1, 10) };
    }
    assert!(loaded.try_alloc(layout(64 << 20, 16)).is_ok(), "and it grows on");
    // A budget holds for what a state wants, too.
    let used = tag.account().own.committed;
    tag.set_budget(Budget::hard(used + (1 << 20)));
    assert!(matches!(
        state.clone().try_into_heap::<Apart<Growing>, Tlsf>(new()),
        Err(FitStateError::Alloc(AllocError::Budget(_)))
    ));
    assert_eq!(tag.account().own.committed, used);
    drop((heap, loaded));
    assert_eq!(tag.account().own.committed, 0);
    // Whichever storage it is, as long as the books are apart.
    let either: FitHeap<Either<Apart<Growing>, Apart<Fixed<'_>>>> = state
        .clone()
        .try_into_heap(Either::First(Apart::new(Growing::new(Tag::untagged(), 1 << 30))))
        .unwrap();
    assert_eq!(blocks_of(&either.state()), blocks_of(&state));
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let mut memory = buffer(1600);
    let mut heap = in_buffer::<Tlsf>(&mut memory, 1600);
    let blocks = [10, 20, 30].map(|granules| heap.try_alloc(layout(granules * 16, 16)).unwrap());
    heap.free(blocks[1]).unwrap();
    let good = serde_json::to_value(&heap).unwrap();
    assert_eq!(good, json!({ "granule": 16, "end": 100, "used": [[0, 10], [30, 30]] }));

    let refused = |path: &str, value: Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(path).expect("a field") = value;
        load::<Tlsf>(&bad, &mut buffer(1600), 1600).err()
    };
    use FitStateError as Error;
    assert_eq!(refused("/granule", json!(16)), None);
    for granule in [0, 8, 32] {
        assert_eq!(refused("/granule", json!(granule)), Some(Error::Granule { granule }));
    }
    assert_eq!(refused("/end", json!(101)), Some(Error::TooLong { end: 101, limit: 100 }));
    assert_eq!(refused("/end", json!(u32::MAX)), Some(Error::TooLong { end: u32::MAX, limit: 100 }));
    assert_eq!(refused("/end", json!(59)), Some(Error::Block { place: 1 }));
    assert_eq!(refused("/end", json!(60)), None, "what is behind is free");
    assert_eq!(refused("/end", json!(0)), Some(Error::Block { place: 0 }));
    assert_eq!(refused("/used/0/1", json!(0)), Some(Error::Block { place: 0 }));
    assert_eq!(refused("/used/0/1", json!(31)), Some(Error::Block { place: 1 }));
    assert_eq!(refused("/used/0/1", json!(30)), None, "up to the next one");
    assert_eq!(refused("/used/1/1", json!(71)), Some(Error::Block { place: 1 }));
    assert_eq!(refused("/used/1/1", json!(70)), None, "up to the end");
    assert_eq!(refused("/used/1/1", json!(u32::MAX)), Some(Error::Block { place: 1 }));
    assert_eq!(refused("/used/1/0", json!(u32::MAX)), Some(Error::Block { place: 1 }));
    assert_eq!(refused("/used/1/0", json!(9)), Some(Error::Block { place: 1 }));
    assert_eq!(refused("/used", json!([[30, 30], [0, 10]])), Some(Error::Block { place: 1 }));
    assert_eq!(refused("/used", json!([])), None);
    for error in
        [Error::Block { place: 3 }, Error::TooLong { end: 7, limit: 6 }, Error::Granule { granule: 4 }]
    {
        assert!(error.to_string().contains(['3', '7', '4']));
    }
    assert!(serde_json::from_value::<FitHeapState>(json!({ "granule": 16, "end": -1, "used": [] })).is_err());
}

#[test]
fn a_heap_that_is_refused_leaves_nothing_behind() {
    let tag = tag("refused");
    let state: FitHeapState =
        serde_json::from_value(json!({ "granule": 16, "end": 1 << 29, "used": [[0, 1]] })).unwrap();
    assert!(state.try_into_heap::<_, BestFit>(Apart::new(Growing::new(tag, 1 << 20))).is_err());
    let account = tag.account().own;
    assert_eq!((account.reserved, account.committed, account.live), (0, 0, 0));
}

/// All numbers of a value, to be changed.
fn numbers_of<'a>(value: &'a mut Value, found: &mut Vec<&'a mut Value>) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| numbers_of(value, found)),
        Value::Object(fields) => fields.values_mut().for_each(|value| numbers_of(value, found)),
        Value::Number(_) => found.push(value),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is done to a heap before: it is the same heap when it is loaded.
    #[test]
    fn what_was_saved_is_loaded(seed in any::<u64>()) {
        round_trip::<BestFit>(seed);
    }

    /// Whatever is changed: refused, or a heap whose blocks do not overlap, add up, and can be used up and freed.
    #[test]
    fn a_changed_state_is_refused_or_whole(
        seed in 0u64..8,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u32>(), 0u8..5), 1..4),
    ) {
        let (mut here, mut there) = (buffer(LEN), buffer(LEN));
        let mut heap = in_buffer::<Tlsf>(&mut here, LEN);
        busy(&mut heap, seed);
        let mut saved = serde_json::to_value(&heap).unwrap();
        for (which, value, kind) in changes {
            let mut numbers = Vec::new();
            numbers_of(&mut saved, &mut numbers);
            let number = &mut **which.get_mut(&mut numbers);
            let old = number.as_u64().unwrap();
            *number = match kind {
                0 => json!(value),
                1 => json!(value % 5000),
                2 => json!(u32::MAX - value % 3),
                3 => json!((old + 1).min(u64::from(u32::MAX))),
                _ => json!(old.saturating_sub(1)),
            };
        }
        let Ok(mut loaded) = load::<BestFit>(&saved, &mut there, LEN) else { return Ok(()) };
        let (mut behind, mut used, mut free) = (0, Vec::new(), 0);
        for (offset, size, is_used) in pieces(&loaded) {
            assert!(size > 0 && offset == behind);
            behind = offset + size;
            if is_used { used.push(offset) } else { free += size as u64 }
        }
        assert_eq!(behind, LEN);
        assert_eq!((loaded.stats().free, loaded.stats().used_blocks), (free, used.len() as u64));
        while let largest @ 1.. = loaded.largest_free() {
            let block = loaded.try_alloc(layout(largest, 1)).unwrap();
            used.push(loaded.offset_of(block).unwrap());
        }
        used.iter().for_each(|offset| sign(&loaded, *offset));
        assert!(used.iter().all(|offset| is_signed(&loaded, *offset)));
        for offset in used {
            loaded.free(loaded.block_at(offset).unwrap()).unwrap();
        }
        assert_eq!(pieces(&loaded), [(0, LEN, false)]);
    }
}
