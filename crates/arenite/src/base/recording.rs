//! Whether allocations are recorded at this moment: the one byte that allocators of every floor ask. The recorder stands above them.
#![cfg_attr(
    all(feature = "record", target_arch = "x86_64"),
    expect(unsafe_code, reason = "asks in two instructions")
)]

#[cfg(feature = "record")]
use super::sync::plain::{AtomicU8, Ordering};

/// The byte. Not zero: what allocators do is recorded.
#[cfg(feature = "record")]
pub static STATE: AtomicU8 = AtomicU8::new(0);

/// Whether allocations are recorded at this moment. Two instructions; none without the feature `record`.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    // Written out, because a compiler does not make an atomic load and a compare one instruction: every allocation has both.
    #[cfg(all(feature = "record", target_arch = "x86_64"))]
    {
        // SAFETY: reads a byte that is always there, and jumps to the block given.
        unsafe {
            core::arch::asm!(
                "cmp byte ptr [rip + {state}], 0",
                "jne {on}",
                state = sym STATE,
                on = label { return true },
                options(nostack, readonly),
            );
        }
        false
    }
    #[cfg(all(feature = "record", not(target_arch = "x86_64")))]
    {
        STATE.load(Ordering::Relaxed) != 0
    }
    #[cfg(not(feature = "record"))]
    {
        false
    }
}

/// A block that is about to be resized, as the recorder knows it.
#[cfg(feature = "record")]
#[derive(Clone, Copy, Debug, Default)]
pub struct Resizing {
    /// When: before another thread can have got the place.
    pub(crate) time: u64,
    /// It was one of the sample.
    pub(crate) chosen: bool,
}

/// As with the feature `record`, of which this knows nothing.
#[cfg(not(feature = "record"))]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Resizing;

/// Switches recording on or off. Whether it was on. What the caller did before, those see who find it on and look closer.
#[cfg(feature = "record")]
pub(crate) fn switch(on: bool) -> bool {
    STATE.swap(u8::from(on), Ordering::AcqRel) != 0
}
