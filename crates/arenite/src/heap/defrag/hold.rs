//! Pins that a block's owner holds, and who frees the memory: the heap, or the last pin that outlives it.
//!
//! ```text
//!  DefragHeap ─┐                 ┌─► pins of each slot      DefragPin: a count there, and one here
//!              ├─► Shared: count ┤
//!  DefragPin ──┘                 └─► core, memory           who brings `count` to 0 drops what is left and frees all of it
//! ```
#![expect(unsafe_code, reason = "memory that goes with the last of those who hold it")]

use core::fmt;
use core::ops::Deref;
use core::ptr::NonNull;

use super::values::DefragValue;
use crate::base::sync::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// Stands in front of what a heap owns.
#[derive(Debug)]
pub(super) struct Header {
    /// The heap, and all pins.
    count: AtomicUsize,
    /// The last pin of some block has gone since the heap looked.
    unpinned: AtomicBool,
    /// Frees everything. Called once, by whoever brings `count` to 0.
    release: unsafe fn(NonNull<Header>),
}

impl Header {
    /// For a heap without pins.
    pub(super) fn new(release: unsafe fn(NonNull<Self>)) -> Self {
        Self { count: AtomicUsize::new(1), unpinned: AtomicBool::new(false), release }
    }

    /// Whether the last pin of some block has gone since the last time this was asked.
    pub(super) fn was_unpinned(&self) -> bool {
        // Acquire: what is seen here was written after the count of that block's pins.
        self.unpinned.load(Ordering::Relaxed) && self.unpinned.swap(false, Ordering::Acquire)
    }

    /// One holder less.
    ///
    /// # Safety
    /// The caller holds what is behind the header, and uses none of it any more.
    pub(super) unsafe fn let_go(this: NonNull<Self>) {
        // SAFETY: held by the caller until the count is one less.
        let last = unsafe { this.as_ref() }.count.fetch_sub(1, Ordering::Release) == 1;
        if last {
            // All that the others did with it happened before. (Not by a which ThreadSanitizer does not see.)
            // SAFETY: nobody else holds it any more, so it is there.
            let _ = unsafe { this.as_ref() }.count.load(Ordering::Acquire);
            // SAFETY: nobody holds it any more, so it is there, and only this thread gets here.
            unsafe { (this.as_ref().release)(this) };
        }
    }
}

/// Counts up, unless the counts would come near their ends (of pins that were forgotten).
fn count_up(pins: &AtomicU32, header: &Header) {
    const MOST: u32 = u32::MAX / 4;
    let before = pins.fetch_add(1, Ordering::Relaxed);
    let all = header.count.fetch_add(1, Ordering::Relaxed);
    if before >= MOST || all >= usize::MAX / 4 {
        // Undone, so that whoever catches the panic finds what was there.
        pins.fetch_sub(1, Ordering::Relaxed);
        header.count.fetch_sub(1, Ordering::Relaxed);
        panic!("pinned too often: pins were forgotten");
    }
}

/// Keeps a block of a [`DefragHeap`](super::DefragHeap) where it is, and is how to read it meanwhile, by reference or by an address
/// that is handed to a sound card, say. Owned: it may be kept and sent to other threads, and it may outlive the heap, whose memory
/// then goes with the last pin. Cloning and dropping are O(1), but for that last one.
///
/// While a block is pinned the heap neither moves nor frees it, and hands out no `&mut` to it. A pin that is forgotten pins for
/// ever; so does one that is kept in a value of the same heap, if that value is pinned itself when the heap goes: nobody is left to
/// drop it.
pub struct DefragPin<T: ?Sized> {
    /// Does not move and is not freed while it is counted in `pins`.
    value: NonNull<T>,
    pins: NonNull<AtomicU32>,
    header: NonNull<Header>,
}

// SAFETY: a shared reference that is counted by atomics. The last one drops values of the heap, all of which are `Send`, and the
// heap's own parts, which are, too.
unsafe impl<T: ?Sized + Sync> Send for DefragPin<T> {}
// SAFETY: as above; `&DefragPin` gives `&T`, and further pins.
unsafe impl<T: ?Sized + Sync> Sync for DefragPin<T> {}

impl<T: ?Sized + DefragValue> DefragPin<T> {
    /// Counts a pin.
    ///
    /// # Safety
    /// `value` is a valid value of the heap behind `header`, `pins` the count of its slot's pins, and the caller borrows that heap.
    pub(super) unsafe fn new(value: NonNull<T>, pins: &AtomicU32, header: NonNull<Header>) -> Self {
        // SAFETY: the heap is borrowed.
        count_up(pins, unsafe { header.as_ref() });
        Self { value, pins: NonNull::from(pins), header }
    }
}

impl<T: ?Sized> DefragPin<T> {
    /// Where the block lies, as long as it is pinned.
    #[must_use]
    pub fn as_ptr(&self) -> *const T {
        self.value.as_ptr()
    }
}

impl<T: ?Sized> Deref for DefragPin<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: valid when it was pinned; while it is pinned nobody moves, frees or changes it.
        unsafe { self.value.as_ref() }
    }
}

impl<T: ?Sized> Clone for DefragPin<T> {
    fn clone(&self) -> Self {
        // SAFETY: this pin keeps both.
        unsafe { count_up(self.pins.as_ref(), self.header.as_ref()) };
        Self { value: self.value, pins: self.pins, header: self.header }
    }
}

impl<T: ?Sized> Drop for DefragPin<T> {
    fn drop(&mut self) {
        // SAFETY: this pin keeps both, until it lets go.
        unsafe {
            // Release: what was read through this pin was read before the block is moved, changed or freed.
            if self.pins.as_ref().fetch_sub(1, Ordering::Release) == 1 {
                self.header.as_ref().unpinned.store(true, Ordering::Release);
            }
            Header::let_go(self.header);
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for DefragPin<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
