//! Figures as a sample tells them: each with how far it may be from the truth.

use arenite_demo::report::units::{bytes, count, counted};
use arenite_inspect::{Estimate, Spread, Summary};

/// How figures of a recording are told: as they are, or, of a sample, with their intervals.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    sampled: bool,
}

impl Told {
    pub(super) fn of(summary: &Summary) -> Self {
        Self::for_sample(summary.sample_bytes)
    }

    /// Of a recording of one block for so many bytes; 0: of every one.
    pub(super) fn for_sample(bytes: u64) -> Self {
        Self { sampled: bytes > 0 }
    }

    pub(super) fn is_sampled(self) -> bool {
        self.sampled
    }

    /// In a sentence: `about 12.4 MiB (± 630 KiB)`.
    pub(super) fn bytes(self, size: u64, within: u64) -> String {
        if self.sampled { format!("about {} (± {})", bytes(size), bytes(within)) } else { bytes(size) }
    }

    /// The same of things that are counted: `about 1,200 (± 80) blocks`.
    pub(super) fn counted(self, number: u64, within: u64, one: &str, many: &str) -> String {
        if self.sampled {
            format!("about {} (± {}) {many}", count(number), count(within))
        } else {
            counted(number, one, many)
        }
    }

    /// Bytes in blocks.
    pub(super) fn held(self, size: u64, blocks: u64, estimate: &Estimate) -> String {
        let [within, blocks_within] = whole(estimate);
        format!("{} in {}", self.bytes(size, within), self.counted(blocks, blocks_within, "block", "blocks"))
    }

    /// In a cell: `12.4 MiB ± 630 KiB`.
    pub(super) fn cell(self, size: u64, within: u64) -> String {
        if self.sampled { format!("{} ± {}", bytes(size), bytes(within)) } else { bytes(size) }
    }

    /// The same of things that are counted.
    pub(super) fn count_cell(self, number: u64, within: u64) -> String {
        if self.sampled { format!("{} ± {}", count(number), count(within)) } else { count(number) }
    }

    /// A cell for bytes whose spread is known.
    pub(super) fn spread_cell(self, size: u64, spread: &Spread) -> String {
        self.cell(size, spread.bytes_within(size))
    }
}

/// Half of each interval, of bytes and of blocks, as whole numbers.
pub(super) fn whole(estimate: &Estimate) -> [u64; 2] {
    [estimate.within, estimate.blocks_within].map(|within| within.ceil() as u64)
}
