//! Whether anybody listens to what allocators do: the one byte that those of every floor ask. The recorder stands above them, and so does
//! what shows it to Tracy.
#![cfg_attr(
    all(feature = "record", target_arch = "x86_64"),
    expect(unsafe_code, reason = "asks in two instructions")
)]

#[cfg(feature = "record")]
use super::sync::plain::{AtomicU8, Ordering};

/// The byte, in which each who listens has a bit. Not zero: what allocators do is told.
#[cfg(feature = "record")]
pub static STATE: AtomicU8 = AtomicU8::new(0);

/// Who listens.
#[cfg(feature = "record")]
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Listener {
    /// The recorder, which writes a file.
    Recorder = 1,
    /// What shows events to Tracy.
    #[cfg(feature = "tracy")]
    Tracy = 2,
}

/// Whether anybody listens at this moment. Two instructions; none without the feature `record`.
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
    /// Tracy was told of it, and that it goes.
    #[cfg(feature = "tracy")]
    pub(crate) shown: Option<Shown>,
}

/// A block as Tracy was told of it.
#[cfg(feature = "tracy")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// The place of its tag, which its pool is named after.
    pub(crate) pool: u16,
    /// Bytes, below 2^48.
    pub(crate) size: u64,
}

/// As with the feature `record`, of which this knows nothing.
#[cfg(not(feature = "record"))]
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Resizing;

/// Whether this one listens at this moment.
#[cfg(feature = "record")]
#[inline(always)]
pub(crate) fn listens(who: Listener) -> bool {
    STATE.load(Ordering::Relaxed) & who as u8 != 0
}

/// From now on this one listens, or not. Whether it did. What the caller did before, those see who find it on and look closer.
#[cfg(feature = "record")]
pub(crate) fn switch(who: Listener, on: bool) -> bool {
    let before = if on {
        STATE.fetch_or(who as u8, Ordering::AcqRel)
    } else {
        STATE.fetch_and(!(who as u8), Ordering::AcqRel)
    };
    before & who as u8 != 0
}
