//! Fit heaps against the best of their kind, and what each fit costs and keeps.

mod defrag;
mod offsets;
mod ordered;
mod ram;
mod torn;

use arenite::{BlockId, Fit, OffsetAllocator, OffsetOptions, Tag};
use range_alloc::RangeAllocator;

/// Runs the workloads whose name contains `filter`.
pub(crate) fn run(filter: &str) {
    let workloads: &[(&str, fn())] = &[
        ("defrag-churn", defrag::churn),
        ("defrag-get", defrag::get),
        ("defrag-memory", defrag::memory),
        ("defrag-tick", defrag::tick),
        ("offsets-churn", offsets::churn),
        ("offsets-many", offsets::many),
        ("offsets-bookkeeping", offsets::bookkeeping),
        ("ordered", ordered::grows),
        ("ram-churn", ram::churn),
        ("ram-memory", ram::memory),
        ("torn", torn::retained),
    ];
    crate::harness::run(workloads, filter);
}

/// Runs so many pairs of one fit among so many free blocks, for callgrind to count: see the README of the benches.
pub(crate) fn count(arguments: &[&str]) -> bool {
    let number = |text: &str| text.parse::<u32>().ok();
    match *arguments {
        ["churn", who, pairs] => number(pairs).is_some_and(|pairs| offsets::count(who, pairs as usize)),
        ["ordered", who, free, pairs] => match (number(free), number(pairs)) {
            (Some(free), Some(pairs)) => ordered::count(who, free, pairs),
            _ => false,
        },
        ["ram", who, pairs] => number(pairs).is_some_and(|pairs| ram::count(who, pairs as usize)),
        _ => false,
    }
}

/// Hands out parts of a range of numbers.
trait Parts {
    /// What names a part.
    type Held: Copy;

    /// Where a new part begins, and its name.
    fn take(&mut self, size: u64) -> Option<(u64, Self::Held)>;

    fn give(&mut self, held: Self::Held);
}

impl<F: Fit> Parts for OffsetAllocator<F> {
    type Held = BlockId;

    #[inline(always)]
    fn take(&mut self, size: u64) -> Option<(u64, BlockId)> {
        let block = self.try_allocate(size, 1).ok()?;
        Some((block.offset, block.id))
    }

    #[inline(always)]
    fn give(&mut self, held: BlockId) {
        self.free(held).expect("a block in use");
    }
}

/// One of ours, of so many bytes in granules.
fn ours<F: Fit>(capacity: u64, granularity: u64) -> OffsetAllocator<F> {
    let options = OffsetOptions::new(Tag::untagged()).granularity(granularity).capacity(capacity);
    options.blocks(1 << 22).try_build().expect("a range")
}

/// The crate `offset-allocator`, which counts in 32 bits: so its user counts granules.
struct Theirs {
    inner: offset_allocator::Allocator,
    shift: u32,
}

impl Theirs {
    fn new(capacity: u64, granularity: u64, blocks: u32) -> Self {
        let shift = granularity.trailing_zeros();
        let size = u32::try_from(capacity >> shift).expect("32 bits");
        Self { inner: offset_allocator::Allocator::with_max_allocs(size, blocks), shift }
    }
}

impl Parts for Theirs {
    type Held = offset_allocator::Allocation;

    #[inline(always)]
    fn take(&mut self, size: u64) -> Option<(u64, Self::Held)> {
        let granules = (size + (1 << self.shift) - 1) >> self.shift;
        let part = self.inner.allocate(granules as u32)?;
        Some((u64::from(part.offset) << self.shift, part))
    }

    #[inline(always)]
    fn give(&mut self, held: Self::Held) {
        self.inner.free(held);
    }
}

/// The crate `range-alloc`: best fit, looking at every free range.
struct Ranges {
    inner: RangeAllocator<u64>,
    granularity: u64,
}

impl Ranges {
    fn new(capacity: u64, granularity: u64) -> Self {
        Self { inner: RangeAllocator::new(0..capacity), granularity }
    }
}

impl Parts for Ranges {
    type Held = (u64, u64);

    #[inline(always)]
    fn take(&mut self, size: u64) -> Option<(u64, (u64, u64))> {
        let size = size.next_multiple_of(self.granularity);
        let range = self.inner.allocate_range(size).ok()?;
        Some((range.start, (range.start, range.end)))
    }

    #[inline(always)]
    fn give(&mut self, (start, end): (u64, u64)) {
        self.inner.free_range(start..end);
    }
}
