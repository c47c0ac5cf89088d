//! How much a call may move, and what it has moved.

use core::fmt;

use crate::base::Bytes;
use crate::os;

/// How much one call of a defragmenter may do: hard bounds, each of which holds.
///
/// What does not fit the rest of a budget is not begun. Besides, a call looks at a bounded number of blocks, so that it costs little
/// when there is nothing to move.
///
/// ```
/// use arenite::DefragBudget;
/// let budget = DefragBudget::micros(50).and_bytes(1 << 20);
/// # let _ = budget;
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct DefragBudget {
    pub(super) bytes: u64,
    pub(super) nanoseconds: u64,
    pub(super) looks: u32,
}

/// Blocks that a call looks at, if nothing else is said.
const LOOKS: u32 = 1024;

impl DefragBudget {
    /// Everything, now. For loading screens and tests.
    pub const UNLIMITED: Self = Self { bytes: u64::MAX, nanoseconds: u64::MAX, looks: u32::MAX };

    /// So many bytes are copied at most.
    pub const fn bytes(bytes: u64) -> Self {
        Self { bytes, nanoseconds: u64::MAX, looks: LOOKS }
    }

    /// It takes so many microseconds at most, as far as copying can be foreseen: see
    /// [`DefragHeap::defragment`](super::DefragHeap::defragment).
    pub const fn micros(micros: u64) -> Self {
        Self { bytes: u64::MAX, nanoseconds: micros.saturating_mul(1000), looks: LOOKS }
    }

    /// And so many bytes at most.
    pub const fn and_bytes(mut self, bytes: u64) -> Self {
        self.bytes = bytes;
        self
    }

    /// And so many microseconds at most.
    pub const fn and_micros(mut self, micros: u64) -> Self {
        self.nanoseconds = micros.saturating_mul(1000);
        self
    }

    /// And so many blocks are looked at, used or free (1,024 by default), of which most are passed over.
    pub const fn and_looks(mut self, looks: u32) -> Self {
        self.looks = looks;
        self
    }

    pub(super) const fn is_timed(&self) -> bool {
        self.nanoseconds != u64::MAX
    }
}

/// What a call of a defragmenter did.
///
/// Printed, it is a line for a log, with sizes as bytes: `37 blocks of 3.1 MiB moved in 138 µs; passed over: 1 pinned,
/// 0 too large for the budget`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MoveReport {
    /// Blocks that were moved, or whose move has begun if somebody else copies.
    pub moved_blocks: u64,
    /// Their bytes.
    pub moved_bytes: u64,
    /// Blocks that could have been moved but are pinned.
    pub skipped_pinned: u64,
    /// Blocks that could have been moved but are larger than the whole budget.
    pub too_large: u64,
    /// Bytes that went back to the operating system.
    pub returned_bytes: u64,
    /// How long it took, in nanoseconds of the clock that was used; 0 where none was asked.
    pub nanoseconds: u64,
    /// Nothing is left to be moved, but for what was passed over, as long as nothing is freed, resized or unpinned.
    pub done: bool,
}

impl MoveReport {
    /// Adds what a further call did.
    pub fn add(&mut self, other: &Self) {
        self.moved_blocks += other.moved_blocks;
        self.moved_bytes += other.moved_bytes;
        self.skipped_pinned += other.skipped_pinned;
        self.too_large += other.too_large;
        self.returned_bytes += other.returned_bytes;
        // A clock may jump.
        self.nanoseconds = self.nanoseconds.saturating_add(other.nanoseconds);
        self.done = other.done;
    }
}

impl fmt::Display for MoveReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |size: u64| Bytes(usize::try_from(size).unwrap_or(usize::MAX));
        let plural = if self.moved_blocks == 1 { "" } else { "s" };
        write!(f, "{} block{plural} of {} moved", self.moved_blocks, bytes(self.moved_bytes))?;
        match self.nanoseconds {
            0 => {}
            short @ 1..10_000_000 => write!(f, " in {} µs", short.div_ceil(1000))?,
            long => write!(f, " in {} ms", long / 1_000_000)?,
        }
        if self.returned_bytes != 0 {
            write!(f, "; {} given back", bytes(self.returned_bytes))?;
        }
        if self.skipped_pinned != 0 || self.too_large != 0 {
            write!(
                f,
                "; passed over: {} pinned, {} too large for the budget",
                self.skipped_pinned, self.too_large
            )?;
        }
        Ok(())
    }
}

/// The clock that a time budget is kept by. Every `Fn() -> u64` is one.
pub trait MoveClock {
    /// Nanoseconds since some moment.
    fn now_ns(&self) -> u64;

    /// So many bytes have just been copied. A simulated clock goes forward here; others need not know.
    fn copied(&self, _bytes: u64) {}
}

impl<C: Fn() -> u64> MoveClock for C {
    fn now_ns(&self) -> u64 {
        self()
    }
}

/// The system's monotonic clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl MoveClock for SystemClock {
    fn now_ns(&self) -> u64 {
        os::monotonic_ns()
    }
}

/// Foresees how long copying takes: from the slowest copies of late, and, as long as none was made, from a rate that is slow for any
/// machine.
#[derive(Clone, Copy, Debug)]
pub(super) struct Meter {
    /// The slowest of this window and of the one before, in 1024ths of a nanosecond a byte.
    rates: [u64; 2],
    /// What a small copy took besides, in the same windows, in nanoseconds.
    extras: [u64; 2],
    samples: u32,
    /// Whether a rate was measured.
    pub(super) learned: bool,
}

/// 4 ns a byte: 250 MB a second.
const SLOW: u64 = 4 << 10;
/// What a move costs whatever its size, in nanoseconds.
const EXTRA: u64 = 1000;
/// Copies in a window: a moment in which the thread was not scheduled is forgotten after two of them.
const WINDOW: u32 = 64;
/// Bytes from which a copy tells a rate, rather than what a move costs whatever its size.
pub(super) const TELLING: u64 = 4 << 10;

impl Meter {
    pub(super) const fn new() -> Self {
        Self { rates: [0; 2], extras: [0; 2], samples: 0, learned: false }
    }

    fn rate(&self) -> u64 {
        if self.learned { self.rates[0].max(self.rates[1]) } else { SLOW }
    }

    /// Nanoseconds that a copy of so many bytes takes at most.
    pub(super) fn foresee(&self, bytes: u64) -> u64 {
        let extra = self.extras[0].max(self.extras[1]).max(EXTRA);
        let copying = (u128::from(bytes) * u128::from(self.rate())).div_ceil(1024);
        u64::try_from(copying).unwrap_or(u64::MAX).saturating_add(extra)
    }

    /// How many bytes can be copied within so many nanoseconds.
    pub(super) fn affordable(&self, nanoseconds: u64) -> u64 {
        let extra = self.foresee(0);
        nanoseconds.saturating_sub(extra).saturating_mul(1024) / self.rate().max(1)
    }

    pub(super) fn learn(&mut self, bytes: u64, nanoseconds: u64) {
        self.turn();
        if bytes < TELLING {
            let copying = bytes * self.rate() / 1024;
            self.extras[0] = self.extras[0].max(nanoseconds.saturating_sub(copying));
            return;
        }
        let rate = nanoseconds.saturating_mul(1024).div_ceil(bytes).max(1);
        self.rates[0] = self.rates[0].max(rate);
        self.learned = true;
    }

    /// One sample more; at the end of a window what was before it is forgotten.
    fn turn(&mut self) {
        self.samples += 1;
        if self.samples < WINDOW {
            return;
        }
        self.samples = 0;
        // A window in which only small blocks were moved tells no rate.
        if self.rates[0] != 0 {
            self.rates = [0, self.rates[0]];
        }
        self.extras = [0, self.extras[0]];
    }

    /// Nothing can be begun because copying was that slow: it may have been for another reason. Never below what is assumed of an
    /// unknown machine.
    pub(super) fn relax(&mut self) {
        for rate in &mut self.rates {
            if *rate > SLOW {
                *rate = (*rate - *rate / 8).max(SLOW);
            }
        }
        for extra in &mut self.extras {
            if *extra > EXTRA {
                *extra = (*extra - *extra / 8).max(EXTRA);
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn what_is_foreseen_is_never_less_than_a_constant_rate_takes() {
        for rate in [1u64, 100, 1024, 4096] {
            let mut meter = Meter::new();
            for step in 0..1000u64 {
                let bytes = step * 977 % 100_000;
                let takes = (bytes * rate).div_ceil(1024);
                assert!(meter.foresee(bytes) >= takes);
                assert!(meter.foresee(meter.affordable(50_000)) <= 50_000);
                meter.learn(bytes, takes);
                if step % 7 == 0 {
                    meter.relax();
                }
            }
            // And it is not far from it.
            assert!(meter.foresee(1 << 20) <= ((1 << 20) * (rate + 1)).div_ceil(1024) + 2 * EXTRA);
        }
    }

    #[test]
    fn a_moment_without_the_processor_is_forgotten() {
        let mut meter = Meter::new();
        meter.learn(10_000, 10_000_000);
        assert!(meter.foresee(10_000) >= 10_000_000);
        for _ in 0..2 * WINDOW {
            meter.learn(10_000, 1000);
        }
        assert!(meter.foresee(10_000) < 3000);
        // Also when nothing can be begun any more.
        meter.learn(10_000, 10_000_000);
        for _ in 0..100 {
            meter.relax();
        }
        assert!(meter.foresee(10_000) <= 41_000);
    }
}
