//! Whether anybody listens to what allocators do: the one byte that those of every floor ask. The recorder stands above them, and so does
//! what shows it to Tracy.
#![cfg_attr(
    all(feature = "record", target_arch = "x86_64"),
    expect(unsafe_code, reason = "asks in two instructions")
)]

#[cfg(feature = "record")]
use super::sync::plain::{AtomicBool, AtomicU8, Ordering};

/// The byte, in which each who listens has a bit. Not zero: what allocators do is told.
#[cfg(feature = "record")]
pub static STATE: AtomicU8 = AtomicU8::new(0);

/// The same byte for whoever gives a block of the general heap back. The recorder's bit is set in it only as long as it asks for that.
#[cfg(feature = "record")]
static FREES: AtomicU8 = AtomicU8::new(0);
#[cfg(feature = "record")]
static ASKS_FOR_FREES: AtomicBool = AtomicBool::new(true);

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

/// Whether a byte is not zero, asked in two instructions.
#[cfg(feature = "record")]
macro_rules! is_set {
    ($byte:ident) => {{
        // Written out, because a compiler does not make an atomic load and a compare one instruction: every allocation has both.
        #[cfg(target_arch = "x86_64")]
        {
            // SAFETY: reads a byte that is always there, and jumps to the block given.
            unsafe {
                core::arch::asm!(
                    "cmp byte ptr [rip + {byte}], 0",
                    "jne {on}",
                    byte = sym $byte,
                    on = label { return true },
                    options(nostack, readonly),
                );
            }
            false
        }
        #[cfg(not(target_arch = "x86_64"))]
        {
            $byte.load(Ordering::Relaxed) != 0
        }
    }};
}

/// Whether anybody listens at this moment. Two instructions; none without the feature `record`.
#[inline(always)]
pub(crate) fn is_on() -> bool {
    #[cfg(feature = "record")]
    {
        is_set!(STATE)
    }
    #[cfg(not(feature = "record"))]
    {
        false
    }
}

/// As [`is_on`], for whoever gives a block of the general heap back: whether somebody wants to be told of it by everybody. Those of a
/// sample the heap itself tells of.
#[cfg(feature = "record")]
#[inline(always)]
pub(crate) fn frees_are_told() -> bool {
    is_set!(FREES)
}

/// Whoever gives a block of the general heap back shall tell the recorder: there are recorded ones that the heap does not tell of.
#[cfg(feature = "record")]
#[cold]
pub(crate) fn tell_frees() {
    ASKS_FOR_FREES.store(true, Ordering::Relaxed);
    if listens(Listener::Recorder) {
        FREES.fetch_or(Listener::Recorder as u8, Ordering::AcqRel);
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

/// As it was said by [`ask_for_frees`] or [`tell_frees`]. If not, a recorded block must be one that the heap tells of.
#[cfg(feature = "record")]
pub(crate) fn asks_for_frees() -> bool {
    ASKS_FOR_FREES.load(Ordering::Relaxed)
}

/// Whether the recorder, while it listens, is told of each block of the general heap that is given back by whoever does that.
#[cfg(feature = "record")]
pub(crate) fn ask_for_frees(asks: bool) {
    ASKS_FOR_FREES.store(asks, Ordering::Relaxed);
}

/// From now on this one listens, or not. Whether it did. What the caller did before, those see who find it on and look closer.
#[cfg(feature = "record")]
pub(crate) fn switch(who: Listener, on: bool) -> bool {
    let bit = who as u8;
    let before = if on {
        if !matches!(who, Listener::Recorder) || ASKS_FOR_FREES.load(Ordering::Relaxed) {
            FREES.fetch_or(bit, Ordering::AcqRel);
        }
        STATE.fetch_or(bit, Ordering::AcqRel)
    } else {
        FREES.fetch_and(!bit, Ordering::AcqRel);
        STATE.fetch_and(!bit, Ordering::AcqRel)
    };
    before & bit != 0
}
