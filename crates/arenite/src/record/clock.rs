//! Time for events: the processor's own counter where it is steady, which takes some twenty cycles to read, or else the system's.
#![cfg_attr(
    any(target_arch = "x86_64", target_arch = "aarch64"),
    expect(unsafe_code, reason = "reads the processor's counter")
)]

use core::sync::atomic::{AtomicBool, Ordering};

use crate::os;

/// Units of the counter are so many bits of it left out: some five to eight nanoseconds, so that the time from one event to the
/// next is mostly told in one byte.
const COARSE: u32 = if cfg!(target_arch = "x86_64") { 4 } else { 0 };
/// The same for nanoseconds.
const COARSE_NS: u32 = 3;

/// The processor's counter counts time.
static STEADY: AtomicBool = AtomicBool::new(false);

#[cfg(target_arch = "x86_64")]
fn is_steady() -> bool {
    // SAFETY: every processor of this kind has the instruction.
    #[allow(unused_unsafe, reason = "newer versions of the language know that it is safe")]
    let (most, power) = unsafe {
        let most = core::arch::x86_64::__cpuid(0x8000_0000).eax;
        (most, if most >= 0x8000_0007 { core::arch::x86_64::__cpuid(0x8000_0007).edx } else { 0 })
    };
    // It neither stops nor changes its pace.
    most >= 0x8000_0007 && power & (1 << 8) != 0
}

#[cfg(not(target_arch = "x86_64"))]
fn is_steady() -> bool {
    cfg!(target_arch = "aarch64")
}

#[inline(always)]
fn counter() -> u64 {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of this kind has the instruction; systems that forbid it to programs are none of ours.
    unsafe {
        core::arch::x86_64::_rdtsc() >> COARSE
    }
    #[cfg(target_arch = "aarch64")]
    {
        let count: u64;
        // SAFETY: reads a register that programs may read.
        unsafe { core::arch::asm!("mrs {}, cntvct_el0", out(reg) count, options(nomem, nostack)) };
        count >> COARSE
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        os::monotonic_ns() >> COARSE_NS
    }
}

/// Chooses the clock: before a recording.
pub(super) fn choose() {
    STEADY.store(is_steady(), Ordering::Relaxed);
}

/// Units since some fixed moment. May be read a little before what the thread did last has happened.
#[inline(always)]
pub(super) fn now() -> u64 {
    if STEADY.load(Ordering::Relaxed) { counter() } else { os::monotonic_ns() >> COARSE_NS }
}

/// A moment by both clocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    units: u64,
    ns: u64,
}

impl Moment {
    pub(super) fn now() -> Self {
        Self { units: now(), ns: os::monotonic_ns() }
    }

    /// Units in a second, as far as the time since this moment tells; waits until it tells something.
    pub(super) fn units_per_second(self) -> u64 {
        if !STEADY.load(Ordering::Relaxed) {
            return 1_000_000_000 >> COARSE_NS;
        }
        loop {
            let now = Self::now();
            let (units, ns) = (now.units.wrapping_sub(self.units), now.ns.saturating_sub(self.ns));
            if ns >= 2_000_000 {
                return ((u128::from(units) * 1_000_000_000) / u128::from(ns)).max(1) as u64;
            }
            core::hint::spin_loop();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_never_goes_back_and_has_a_pace() {
        choose();
        let start = Moment::now();
        let mut last = now();
        for _ in 0..10_000 {
            let next = now();
            assert!(next >= last);
            last = next;
        }
        // How fast it goes is the machine's affair; but a unit is less than a microsecond, and more than a picosecond.
        let pace = start.units_per_second();
        assert!((1_000_000..1_000_000_000_000).contains(&pace), "{pace} units a second");
        assert!(now() > start.units, "it went on meanwhile");
    }
}
