//! Upload rings against a list of what the device may still read.

use arenite::{RingBlock, RingError, UploadRing};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    Allocate { size: u8, align: u8 },
    Submit { later: u8 },
    Retire { which: u8 },
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, _]: [u8; 4]) -> Self {
        match kind % 8 {
            0..=4 => Self::Allocate { size: a, align: b },
            5 | 6 => Self::Submit { later: a },
            _ => Self::Retire { which: a },
        }
    }
}

/// Runs a program on rings of several sizes.
pub(crate) fn run(ops: &[Op]) {
    for capacity in [0, 1, 1000, 4096, 300_007] {
        run_with(ops, capacity);
    }
}

fn run_with(ops: &[Op], capacity: u64) {
    let mut ring = UploadRing::new(capacity);
    // What is in use, with the fence that it waits for; not submitted: the largest.
    let mut live: Vec<(RingBlock, u64)> = Vec::new();
    let (mut fence, mut completed) = (0, 0);
    for op in ops {
        match *op {
            Op::Allocate { size, align } => {
                let (size, align) = (super::size(size) as u64, 1 << (align % 12));
                match ring.try_allocate(size, align) {
                    Ok(block) => {
                        assert_eq!((block.size, block.offset % align), (size, 0));
                        assert!(block.offset + size <= capacity);
                        for (other, _) in live.iter().filter(|(other, _)| other.size > 0 && size > 0) {
                            let apart = block.offset + size <= other.offset
                                || other.offset + other.size <= block.offset;
                            assert!(apart, "{block:?} overlaps {other:?}");
                        }
                        live.push((block, u64::MAX));
                    }
                    Err(error) => believe(error, &ring, size, align, fence),
                }
            }
            Op::Submit { later } => {
                fence += u64::from(later % 4);
                ring.submit(fence);
                for (_, waits) in &mut live {
                    *waits = fence.min(*waits);
                }
            }
            Op::Retire { which } => {
                completed = (completed + u64::from(which % 8)).min(fence);
                let before = ring.used();
                let gone = ring.retire(completed);
                assert_eq!(ring.used(), before - gone);
                // More than 32 submissions go together, so that some may stay longer than they must.
                live.retain(|(_, waits)| *waits > completed);
            }
        }
        let sum: u64 = live.iter().map(|(block, _)| block.size).sum();
        assert!(sum <= ring.used() && ring.used() <= capacity);
        assert!(ring.oldest_fence().is_none_or(|oldest| oldest <= fence));
    }
    ring.submit(fence);
    ring.retire(fence);
    assert_eq!((ring.used(), ring.oldest_fence()), (0, None));
    if capacity > 0 {
        assert_eq!(ring.try_allocate(capacity, 4096), Ok(RingBlock { offset: 0, size: capacity }));
    }
}

fn believe(error: RingError, ring: &UploadRing, size: u64, align: u64, last: u64) {
    let after = |fence: u64| {
        let mut ring = ring.clone();
        ring.retire(fence);
        ring.try_allocate(size, align)
    };
    match error {
        RingError::TooLarge { capacity } => assert!(size > capacity),
        RingError::NotSubmitted => assert_eq!(after(last), Err(error)),
        RingError::FullUntil { fence } => {
            assert!(after(fence).is_ok(), "fence {fence} is not enough");
            assert!(fence == 0 || after(fence - 1) == Err(error), "fence {fence} is more than enough");
        }
        other => panic!("nothing did that: {other}"),
    }
}
