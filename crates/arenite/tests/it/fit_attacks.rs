//! What a program can do to the fit heaps without `unsafe`: sizes and alignments at their ends, memory that is refused at any point, states
//! that lie, callbacks that reach back or panic.

use std::alloc::Layout;
use std::mem::MaybeUninit;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::NonNull;

use arenite::heap::fit::{Apart, BlockState, Fit, Locked, RawHeap, Storage, Untouched};
use arenite::os::{Call, fake};
use arenite::region::{AllocError, RegionOptions};
use arenite::{BestFit, FirstFit, FitError, FitHeap, Fixed, Growing, NextFit, Tlsf, WorstFit};
use arenite::{BlockId, Budget, Ledger, OffsetAllocator, OffsetAllocatorState, OffsetOptions, Tag};

fn tag(name: &str) -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register(name).unwrap()
}

fn layout(size: usize, align: usize) -> Layout {
    Layout::from_size_align(size, align).unwrap()
}

struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

/// Whatever was done to it: pieces follow each other, no two free ones touch, and figures are what the pieces say.
fn check<F: Fit>(range: &OffsetAllocator<F>) {
    let stats = range.stats();
    let (mut used, mut free, mut aside, mut blocks, mut holes) = (0, 0, 0, 0, 0);
    let mut largest = 0;
    for id in range.segments() {
        let (begin, size) = range.segment(id).unwrap();
        let mut at = begin;
        let mut was_free = false;
        for piece in range.walk().filter(|piece| (begin..begin + size).contains(&piece.offset)) {
            assert_eq!(piece.offset, at);
            assert!(piece.size > 0 && piece.size.is_multiple_of(range.granularity()));
            at += piece.size;
            match piece.state {
                BlockState::Used(id) => {
                    let found = range.get(id).unwrap();
                    assert_eq!((found.offset, found.size), (piece.offset, piece.size));
                    (used, blocks) = (used + piece.size, blocks + 1);
                }
                BlockState::Free => {
                    (free, holes, largest) = (free + piece.size, holes + 1, largest.max(piece.size));
                }
                BlockState::Aside => aside += piece.size,
            }
            let is_free = !matches!(piece.state, BlockState::Used(_));
            assert!(!(was_free && is_free), "two free pieces touch");
            was_free = is_free;
        }
        assert_eq!(at, begin + size);
    }
    assert_eq!((used, free, aside), (stats.used, stats.free, stats.aside));
    assert_eq!((blocks, holes, largest), (stats.used_blocks, stats.free_blocks, stats.largest_free));
    assert_eq!(used + free + aside, stats.capacity);
}

#[test]
fn a_range_never_goes_on_beyond_64_bits() {
    for shift in [33, 40, 62, 63] {
        let step = 1u64 << shift;
        let options = OffsetOptions::new(tag("range")).granularity(step);
        let mut range: OffsetAllocator = options.try_build().unwrap();
        let mut ends = Vec::new();
        for _ in 0..5 {
            match range.try_append(step.max(1 << 62)) {
                Ok(id) => {
                    let (begin, size) = range.segment(id).unwrap();
                    ends.push((begin, begin.checked_add(size).expect("an end")));
                }
                Err(error) => assert!(matches!(error, AllocError::TooLarge { .. })),
            }
        }
        assert!(ends.windows(2).all(|pair| pair[0].1 <= pair[1].0), "segments overlap: {ends:x?}");
        assert!(ends.len() == if shift == 63 { 1 } else { 3 }, "{ends:x?}");
        let mut offsets = Vec::new();
        while let Ok(block) = range.try_allocate(step, 1) {
            offsets.push(block.offset);
            if offsets.len() == 1000 {
                break;
            }
        }
        let blocks = offsets.len();
        offsets.sort_unstable();
        offsets.dedup();
        assert_eq!(offsets.len(), blocks, "two blocks at one offset");
        check(&range);
    }
    // Nor does one that was loaded.
    let saved = format!(
        r#"{{"granularity":{},"generations":[1,1,1,1],"vacant":[],
            "segments":[{{"row":1,"offset":0,"draining":false,"pieces":[[2,1,7],[3,1,7],[4,1,7]]}}]}}"#,
        1u64 << 63
    );
    let state: OffsetAllocatorState = serde_json::from_str(&saved).unwrap();
    assert!(state.try_into_allocator::<Tlsf>(OffsetOptions::new(tag("loaded"))).is_err());
}

fn extremes_of<F: Fit>() {
    let sizes = [0, 1, 15, 16, 17, u64::from(u32::MAX), 1 << 36, (1 << 36) - 16, u64::MAX - 15, u64::MAX];
    for granularity in [1, 16, 1 << 20, 1 << 32] {
        let options = OffsetOptions::new(tag("extremes")).granularity(granularity).blocks(100);
        let mut range: OffsetAllocator<F> = options.capacity(granularity * 10_000).try_build().unwrap();
        assert!(options.capacity(u64::MAX).try_build::<F>().is_err() || granularity == 1 << 32);
        for size in sizes {
            for align in (0..64).map(|shift| 1u64 << shift) {
                if let Ok(block) = range.try_allocate(size, align) {
                    assert!(block.offset.is_multiple_of(align) && block.size >= size.max(1));
                    for other in sizes {
                        let _ = range.try_grow(block.id, other);
                        let _ = range.try_shrink(block.id, other);
                    }
                    range.free(block.id).unwrap();
                    assert!(range.free(block.id).is_err() && range.get(block.id).is_none());
                }
            }
        }
        for bits in [0, 1, 2, 3, 99, 100, u64::from(u32::MAX), 1 << 32, u64::MAX, u64::MAX << 32] {
            let Some(id) = BlockId::from_bits(bits) else { continue };
            assert!(range.get(id).is_none() && range.free(id).is_err() && range.set_word(id, 1).is_err());
            assert!(matches!(range.try_grow(id, 1), Err(FitError::Stale(_))));
            assert!(matches!(range.try_shrink(id, 1), Err(FitError::Stale(_))));
        }
        check(&range);
        assert_eq!(range.stats().used_blocks, 0);
        // More blocks than there is room for in the books.
        let mut all = Vec::new();
        while let Ok(block) = range.try_allocate(1, 1) {
            all.push(block.id);
        }
        for id in all.iter().skip(1).step_by(2).chain(all.iter().step_by(2)) {
            range.free(*id).unwrap();
        }
        check(&range);
        assert_eq!(range.stats().free_blocks, 1);
    }
    for blocks in [0, 1, usize::MAX] {
        let options = OffsetOptions::new(tag("blocks")).capacity(1 << 20).blocks(blocks);
        let Ok(mut range) = options.try_build::<F>() else { continue };
        if let Ok(block) = range.try_allocate(100, 4096) {
            range.free(block.id).unwrap();
        }
        check(&range);
    }
}

#[test]
fn sizes_and_alignments_at_their_ends_are_served_or_refused() {
    extremes_of::<Tlsf>();
    extremes_of::<FirstFit>();
    extremes_of::<NextFit>();
    extremes_of::<BestFit>();
    extremes_of::<WorstFit>();
}

#[test]
fn addresses_that_would_go_on_behind_the_last_one_are_no_range() {
    let page = 4096usize;
    let at = |address: usize, len: usize| {
        let start = NonNull::new(std::ptr::without_provenance_mut::<u8>(address)).unwrap();
        Apart::new(Untouched::new(tag("addresses"), NonNull::slice_from_raw_parts(start, len)))
    };
    for (address, len) in
        [(usize::MAX - 3 * page + 1, 100 * page), (16, usize::MAX), (usize::MAX, 2), (1, usize::MAX)]
    {
        let Ok(mut heap) = FitHeap::<_, FirstFit>::try_new(at(address, len)) else { continue };
        // Each block is behind the one before, so none is at address 0.
        let mut last = 0;
        let size = page.max(len >> 40);
        while let Ok(block) = heap.try_alloc(layout(size, 1)) {
            assert!(block.addr().get() > last && block.addr().get().checked_add(size).is_some());
            last = block.addr().get();
            if last > 1 << 40 && last < usize::MAX - (1 << 40) {
                break;
            }
        }
    }
    // Up to the last but one there may be something.
    let mut heap: FitHeap<_> = FitHeap::try_new(at(usize::MAX - 3 * page + 1, 3 * page)).unwrap();
    assert!(heap.try_alloc(layout(2 * page, page)).is_ok());
}

fn heap_extremes<S: Storage, F: Fit>(storage: S) {
    let mut heap: FitHeap<S, F> = match FitHeap::try_new(storage) {
        Ok(heap) => heap,
        Err(error) => panic!("{error}"),
    };
    let sizes = [0, 1, 8, 9, 24, 25, 4096, 1 << 30, 1 << 34, (1 << 34) - 40, isize::MAX as usize / 2];
    for size in sizes {
        for align in (0..62).map(|shift| 1usize << shift) {
            let Ok(wanted) = Layout::from_size_align(size, align) else { continue };
            let Ok(block) = heap.try_alloc(wanted) else { continue };
            assert!(block.addr().get().is_multiple_of(align));
            assert!(heap.usable_size(block).unwrap() >= size);
            for other in sizes {
                let _ = heap.try_resize(block, layout(other, 1));
            }
            assert!(heap.free(block).is_ok() && heap.free(block).is_err());
        }
    }
    let stats = heap.stats();
    assert_eq!((stats.used_blocks, stats.used), (0, 0));
    assert!(stats.free_blocks == 1 && stats.free == stats.capacity);
    let _ = heap.try_trim(usize::MAX);
    let _ = heap.try_trim(0);
    assert_eq!(heap.stats().free, heap.stats().capacity);
}

#[test]
fn heaps_serve_or_refuse_every_layout() {
    let mut buffer = vec![MaybeUninit::uninit(); 100_000];
    heap_extremes::<_, Tlsf>(Fixed::new(tag("fixed"), &mut buffer[3..]));
    heap_extremes::<_, BestFit>(Fixed::new(tag("fixed"), &mut buffer[..5000]));
    heap_extremes::<_, FirstFit>(Apart::new(Fixed::new(tag("fixed"), &mut buffer[1..])));
    for reserve in [0, 1, 1 << 20] {
        heap_extremes::<_, Tlsf>(Growing::new(tag("growing"), reserve));
        heap_extremes::<_, NextFit>(Apart::new(Growing::new(tag("growing"), reserve)));
        let options = RegionOptions::new(tag("growing"), 0).huge_pages(true).prefault(true);
        heap_extremes::<_, BestFit>(Growing::with(options, reserve));
        heap_extremes::<_, WorstFit>(Apart::new(Growing::with(options, reserve)));
    }
}

/// A program that takes, frees, resizes, at random; what is refused is refused.
fn churn<F: Fit>(range: &mut OffsetAllocator<F>, seed: u64, steps: u32) {
    let mut random = Random(seed);
    let mut live: Vec<BlockId> = Vec::new();
    for _ in 0..steps {
        let place = (!live.is_empty()).then(|| random.below(live.len() as u64) as usize);
        let size = 1 + random.below(2000);
        match (random.below(8), place) {
            (0..4, _) => {
                if let Ok(block) = range.try_allocate(size, 1 << random.below(9)) {
                    live.push(block.id);
                }
            }
            (4, Some(place)) => drop(range.try_grow(live[place], size)),
            (5, Some(place)) => drop(range.try_shrink(live[place], size)),
            (6, _) if random.below(30) == 0 => drop(range.try_append(1 << 16)),
            (_, Some(place)) => range.free(live.swap_remove(place)).expect("freeing never fails"),
            _ => {}
        }
    }
    check(range);
    for id in live {
        range.free(id).expect("freeing never fails");
    }
    check(range);
    assert_eq!((range.stats().used, range.stats().free_blocks), (0, range.stats().segments));
}

/// All further calls of a kind are refused, or one of any kind.
fn faults(refused: Option<Call>, allowed: u64) -> fake::Faults {
    match refused {
        Some(call) => fake::fail_after(call, allowed),
        None => fake::fail_once_after(allowed),
    }
}

/// Nothing is charged any more. (What the system would not take back stays so.)
fn settled(tag: Tag, refused: Option<Call>) -> bool {
    refused.is_none() || (tag.account().own.committed, tag.account().own.live) == (0, 0)
}

fn refused_at_any_point<F: Fit>() {
    for allowed in 0..40 {
        for refused in [Some(Call::Commit), Some(Call::Decommit), None] {
            let tag = tag("refused");
            let faults = faults(refused, allowed);
            let options = OffsetOptions::new(tag).capacity(1 << 20);
            if let Ok(mut range) = options.try_build::<F>() {
                churn(&mut range, allowed, 3000);
                drop(faults);
                churn(&mut range, allowed, 3000);
                let stats = range.stats();
                assert!(refused.is_none() || tag.account().own.committed as u64 == stats.bookkeeping);
            } else {
                drop(faults);
            }
            assert!(settled(tag, refused));
        }
    }
}

#[test]
fn books_that_can_not_grow_lose_nothing() {
    refused_at_any_point::<Tlsf>();
    refused_at_any_point::<FirstFit>();
    refused_at_any_point::<BestFit>();
}

fn heap_churn<H: RawHeap>(heap: &mut H, seed: u64, steps: u32) {
    let mut random = Random(seed);
    let mut live: Vec<NonNull<u8>> = Vec::new();
    for _ in 0..steps {
        let place = (!live.is_empty()).then(|| random.below(live.len() as u64) as usize);
        let wanted = layout(random.below(3000) as usize, 1 << random.below(9));
        match (random.below(6), place) {
            (0..4, _) => live.extend(heap.try_alloc(wanted)),
            (4, Some(place)) => {
                let _ = heap.try_resize(live[place], wanted);
            }
            (_, Some(place)) => heap.free(live.swap_remove(place)).expect("freeing never fails"),
            _ => {}
        }
    }
    for block in live {
        heap.free(block).expect("freeing never fails");
        assert!(heap.free(block).is_err());
    }
}

fn heap_refused_at_any_point<S: Storage, F: Fit>(storage: impl Fn(Tag) -> S) {
    for allowed in (0..16).chain((16..60).step_by(5)) {
        for refused in [Some(Call::Commit), Some(Call::Decommit), None] {
            let tag = tag("refused");
            let faults = faults(refused, allowed);
            if let Ok(mut heap) = FitHeap::<S, F>::try_new(storage(tag)) {
                heap_churn(&mut heap, allowed, 2000);
                let _ = heap.try_trim(0);
                heap_churn(&mut heap, allowed, 100);
                drop(faults);
                heap_churn(&mut heap, allowed, 500);
                let stats = heap.stats();
                assert_eq!((stats.used_blocks, stats.free), (0, stats.capacity));
                assert_eq!(heap.walk().count(), stats.free_blocks as usize);
                heap.try_trim(0).unwrap();
                heap_churn(&mut heap, allowed, 500);
            } else {
                drop(faults);
            }
            assert!(settled(tag, refused));
        }
    }
}

#[test]
fn heaps_whose_memory_is_refused_lose_nothing() {
    heap_refused_at_any_point::<_, Tlsf>(|tag| Growing::new(tag, 4 << 20));
    heap_refused_at_any_point::<_, BestFit>(|tag| Growing::new(tag, 4 << 20));
    heap_refused_at_any_point::<_, Tlsf>(|tag| Apart::new(Growing::new(tag, 4 << 20)));
    heap_refused_at_any_point::<_, FirstFit>(|tag| Apart::new(Growing::new(tag, 4 << 20)));
}

/// Numbers anywhere in a saved state are changed: it is refused, or it is an allocator like any other.
#[test]
fn a_state_that_lies_is_refused_or_harmless() {
    let mut range: OffsetAllocator =
        OffsetOptions::new(tag("saved")).granularity(4).capacity(4000).try_build().unwrap();
    range.try_append(1000).unwrap();
    let blocks: Vec<_> = (0..12).map(|n| range.try_allocate(40 + n * 8, 4).unwrap()).collect();
    for block in blocks.iter().step_by(3) {
        range.free(block.id).unwrap();
    }
    let last = range.segments().last().unwrap();
    range.try_drain(last, true).unwrap();
    let saved = serde_json::to_string(&range).unwrap();
    let numbers: Vec<(usize, usize)> = {
        let bytes = saved.as_bytes();
        let mut all = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            let end = at + bytes[at..].iter().take_while(|byte| byte.is_ascii_digit()).count();
            if end > at {
                all.push((at, end));
            }
            at = end + 1;
        }
        all
    };
    assert!(numbers.len() > 40);
    let mut random = Random(1);
    let (mut refused, mut loaded) = (0, 0);
    for round in 0..6000 {
        let mut lie = saved.clone();
        for _ in 0..=random.below(3) {
            let (from, to) = numbers[random.below(numbers.len() as u64) as usize];
            let value =
                [0u64, 1, 2, 3, 7, 12, 250, 1000, 4_294_967_294, 4_294_967_295][random.below(10) as usize];
            // (Numbers keep their places: shorter ones get blanks in front.)
            let told = format!("{value:>0$}", to - from);
            if told.len() == to - from {
                lie.replace_range(from..to, &told);
            }
        }
        let Ok(state) = serde_json::from_str::<OffsetAllocatorState>(&lie) else { continue };
        let options = OffsetOptions::new(tag("lie")).blocks(1000);
        let answer = if round % 2 == 0 {
            state.try_into_allocator::<Tlsf>(options).map(|mut range| {
                check(&range);
                use_up(&mut range, round);
            })
        } else {
            state.try_into_allocator::<BestFit>(options).map(|mut range| {
                check(&range);
                use_up(&mut range, round);
            })
        };
        if answer.is_ok() { loaded += 1 } else { refused += 1 }
    }
    assert!(refused > 500 && loaded > 100, "{refused} refused, {loaded} loaded");
}

/// Everything that can be done with a range that came from somewhere else.
fn use_up<F: Fit>(range: &mut OffsetAllocator<F>, seed: u64) {
    let mut random = Random(seed);
    let had: Vec<_> = range.walk().collect();
    let mut live = Vec::new();
    for piece in had {
        match piece.state {
            BlockState::Used(id) if random.below(2) == 0 => range.free(id).unwrap(),
            BlockState::Used(id) => live.push(id),
            _ => {}
        }
    }
    check(range);
    for segment in range.segments().collect::<Vec<_>>() {
        range.try_drain(segment, random.below(2) == 0).unwrap();
    }
    let _ = range.try_append(40 * range.granularity());
    for _ in 0..60 {
        live.extend(range.try_allocate(1 + random.below(60), 1).map(|block| block.id));
    }
    check(range);
    let mut unique = live.clone();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), live.len(), "an id that is another block's, too");
    for id in live {
        range.free(id).unwrap();
    }
    for segment in range.segments().collect::<Vec<_>>() {
        range.try_remove(segment).unwrap();
    }
    assert_eq!((range.stats().capacity, range.stats().segments), (0, 0));
}

#[test]
fn a_container_dropped_while_its_heap_is_looked_at_gives_its_block_back() {
    let heap: FitHeap<Growing> = FitHeap::try_new(Growing::new(tag("locked"), 1 << 20)).unwrap();
    let heap = Locked::new(heap);
    let mut kept = Some(allocator_api2::vec::Vec::<u8, _>::with_capacity_in(1000, &heap));
    let seen = heap.with(|inside| {
        kept = None;
        inside.stats().used_blocks
    });
    assert_eq!((seen, heap.with(|inside| inside.stats().used_blocks)), (1, 0));
    // Nor is the heap locked for ever by a look that panics.
    assert!(catch_unwind(AssertUnwindSafe(|| heap.with(|_| panic!("look")))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| heap.with(|_| heap.with(|_| ())))).is_err());
    assert_eq!(heap.with(|inside| inside.stats().used_blocks), 0);
}

#[test]
fn a_pressure_callback_that_panics_leaves_heaps_in_order() {
    let tag = tag("panics");
    tag.on_pressure(&|_| panic!("no")).unwrap();
    let mut range: OffsetAllocator<BestFit> = OffsetAllocator::try_new(tag, 1 << 30).unwrap();
    let mut heap: FitHeap<Growing> = FitHeap::try_new(Growing::new(tag, 64 << 20)).unwrap();
    let mut beside: FitHeap<Apart<Growing>, FirstFit> =
        FitHeap::try_new(Apart::new(Growing::new(tag, 64 << 20))).unwrap();
    for more in [0, 10_000, 100_000] {
        tag.set_budget(Budget::hard(tag.account().own.committed + more));
        let (mut ids, mut blocks, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for size in (1..3000).step_by(3) {
            ids.extend(catch_unwind(AssertUnwindSafe(|| range.try_allocate(size, 64).ok())).ok().flatten());
            let wanted = layout(size as usize, 8);
            blocks.extend(catch_unwind(AssertUnwindSafe(|| heap.try_alloc(wanted).ok())).ok().flatten());
            others.extend(catch_unwind(AssertUnwindSafe(|| beside.try_alloc(wanted).ok())).ok().flatten());
        }
        check(&range);
        ids.iter().for_each(|block| range.free(block.id).unwrap());
        blocks.iter().for_each(|block| heap.free(*block).unwrap());
        others.iter().for_each(|block| beside.free(*block).unwrap());
        check(&range);
        for stats in [range.stats(), heap.stats(), beside.stats()] {
            assert_eq!((stats.used, stats.free, stats.free_blocks), (0, stats.capacity, 1));
        }
        tag.set_budget(Budget::NONE);
    }
    drop((range, heap, beside));
    assert_eq!((tag.account().own.committed, tag.account().own.live), (0, 0));
}

/// The work of many requests does not grow with what is free, also of those that are refused.
#[test]
fn being_refused_takes_no_walk_over_what_is_free() {
    let holes = 300_000;
    let started = std::time::Instant::now();
    let mut range: OffsetAllocator = OffsetAllocator::try_new(tag("walks"), holes * 4 * 16).unwrap();
    let all: Vec<_> = (0..holes * 2).map(|_| range.try_allocate(32, 1).unwrap()).collect();
    let mut heap: FitHeap<Growing> = FitHeap::try_new(Growing::new(tag("walks"), 20 << 20)).unwrap();
    let blocks: Vec<_> = std::iter::from_fn(|| heap.try_alloc(layout(24, 8)).ok()).collect();
    all.iter().step_by(2).for_each(|block| range.free(block.id).unwrap());
    blocks.iter().step_by(2).for_each(|block| heap.free(*block).unwrap());
    let made = started.elapsed();
    let started = std::time::Instant::now();
    for _ in 0..holes {
        assert!(matches!(range.try_allocate(64, 1), Err(FitError::OutOfContiguous { largest: 32, .. })));
        assert!(matches!(heap.try_alloc(layout(64, 8)), Err(FitError::OutOfContiguous { largest: 32, .. })));
    }
    // A walk each would take hours.
    assert!(started.elapsed() < made * 50 + std::time::Duration::from_secs(10));
}
