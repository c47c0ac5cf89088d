//! A heap for many threads.
#![expect(
    unsafe_code,
    reason = "is a heap, and keeps blocks that can not be freed yet in a list through them"
)]

use core::alloc::Layout;
use core::fmt;
use core::ptr::{self, NonNull};

use super::{RawHeap, ReadableHeap};
use crate::base::FreeError;
use crate::base::sync::{AtomicPtr, AtomicUsize, Guard, Lock, Ordering};
use crate::base::thread::token;
use crate::heap::fit::FitError;

/// A heap behind a lock, through `&self`: for many threads, and for containers, which borrow it.
///
/// Freeing and resizing are `unsafe` here, for a container may have the block. Through `&mut self` they are as safe as those of the heap,
/// for then nobody has borrowed it.
///
/// With the feature `allocator-api2`, `&Locked<H>` is an allocator, so that any container with an `allocator_api2` parameter lives in it and
/// can not outlive it. Growing containers grow where they lie if there is room. A container that is forgotten leaves its block behind.
///
/// ```
/// use arenite::heap::fit::{FitHeap, Growing, Locked};
/// use arenite::Tag;
///
/// let heap: FitHeap<Growing> = FitHeap::try_new(Growing::new(Tag::register("net/packets")?, 1 << 30))?;
/// let heap = Locked::new(heap);
/// std::thread::scope(|scope| {
///     for _ in 0..2 {
///         scope.spawn(|| {
/// #           #[cfg(feature = "allocator-api2")] {
///             let mut packet = allocator_api2::vec::Vec::new_in(&heap);
///             packet.extend_from_slice(&[1, 2, 3]);
/// #           }
///         });
///     }
/// });
/// assert_eq!(heap.with(|heap| heap.stats().used_blocks), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// **Pressure callbacks** of the heap's tag run while it grows, with the lock held. One that reaches into the same heap from there is
/// told so ([`Busy`](FitError::Busy)) instead of waiting for itself; a container that it drops gives its block back as soon as the heap has
/// grown. (Without the feature `std` threads can not be told apart, and such a callback waits forever.)
pub struct Locked<H> {
    heap: Lock<H>,
    /// The thread that has the lock, 0: nobody, or a thread without a name.
    holder: AtomicUsize,
    /// Blocks that their owner's thread could not free because it had the lock: each begins with the address of the next.
    waiting: AtomicPtr<u8>,
}

/// The right to use the heap.
struct Held<'a, H> {
    guard: Guard<'a, H>,
    lock: &'a Locked<H>,
}

impl<H> Drop for Held<'_, H> {
    fn drop(&mut self) {
        self.lock.holder.store(0, Ordering::Relaxed);
    }
}

impl<H: RawHeap> Locked<H> {
    /// A lock around `heap`.
    pub fn new(heap: H) -> Self {
        Self { heap: Lock::new(heap), holder: AtomicUsize::new(0), waiting: AtomicPtr::new(ptr::null_mut()) }
    }

    /// Waits for the lock; `None`: this thread has it.
    #[inline]
    fn enter(&self) -> Option<Held<'_, H>> {
        let me = token();
        // Only this thread writes its own name.
        if me != 0 && self.holder.load(Ordering::Relaxed) == me {
            return None;
        }
        let guard = self.heap.lock();
        self.holder.store(me, Ordering::Relaxed);
        Some(Held { guard, lock: self })
    }

    /// Frees what could not be freed before.
    #[inline]
    fn settle(held: &mut Held<'_, H>) {
        // What waits was put there by this thread, while it had the lock.
        if !held.lock.waiting.load(Ordering::Relaxed).is_null() {
            Self::settle_slow(held);
        }
    }

    #[cold]
    fn settle_slow(held: &mut Held<'_, H>) {
        let mut next = held.lock.waiting.swap(ptr::null_mut(), Ordering::Relaxed);
        while let Some(block) = NonNull::new(next) {
            // SAFETY: written by `free_later`; nobody else uses the block.
            next = unsafe { block.cast::<*mut u8>().read_unaligned() };
            let freed = held.guard.free(block);
            debug_assert!(freed.is_ok(), "it was a used block when it was to be freed");
        }
    }

    /// This thread has the lock, further up.
    ///
    /// # Safety
    /// A used block of the heap, which is readable, that nobody uses any more.
    #[cold]
    #[cfg_attr(not(feature = "allocator-api2"), expect(dead_code, reason = "for containers"))]
    pub(super) unsafe fn free_later(&self, block: NonNull<u8>) {
        let next = self.waiting.load(Ordering::Relaxed);
        // SAFETY: a block of a readable heap has room for a pointer.
        unsafe { block.cast::<*mut u8>().write_unaligned(next) };
        self.waiting.store(block.as_ptr(), Ordering::Relaxed);
    }

    /// As of the heap.
    ///
    /// # Errors
    /// As of the heap, and [`FitError::Busy`].
    #[inline]
    pub fn try_alloc(&self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        let mut held = self.enter().ok_or(FitError::Busy)?;
        let answer = held.guard.try_alloc(layout);
        Self::settle(&mut held);
        answer
    }

    /// As of the heap.
    ///
    /// # Errors
    /// As of the heap, and [`FreeError::Busy`].
    ///
    /// # Safety
    /// No container and no other safe code relies on the block.
    #[inline]
    pub unsafe fn free(&self, block: NonNull<u8>) -> Result<(), FreeError> {
        self.enter().ok_or(FreeError::Busy)?.guard.free(block)
    }

    /// As of the heap.
    ///
    /// # Errors
    /// As of the heap, and [`FitError::Busy`].
    ///
    /// # Safety
    /// No container and no other safe code relies on the block.
    #[inline]
    pub unsafe fn try_resize(&self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        let mut held = self.enter().ok_or(FitError::Busy)?;
        let answer = held.guard.try_resize(block, layout);
        Self::settle(&mut held);
        answer
    }

    /// As of the heap.
    ///
    /// # Errors
    /// As of the heap, and [`FreeError::Busy`].
    pub fn usable_size(&self, block: NonNull<u8>) -> Result<usize, FreeError> {
        self.enter().ok_or(FreeError::Busy)?.guard.usable_size(block)
    }

    /// Looks at the heap, with the lock held.
    ///
    /// # Panics
    /// This thread has the lock: `look` calls it again, or it is called by a pressure callback while the heap grows.
    pub fn with<R>(&self, look: impl FnOnce(&H) -> R) -> R {
        let Some(mut held) = self.enter() else { panic!("the heap is in use on this thread already") };
        let answer = look(&held.guard);
        // A container that was dropped meanwhile.
        Self::settle(&mut held);
        answer
    }

    /// Does something with the heap, with the lock held; `None`: this thread has the lock, and nothing was done.
    ///
    /// # Safety
    /// `change` neither frees nor resizes a block that a container or other safe code relies on, and leaves the heap where it is.
    pub unsafe fn try_with_mut<R>(&self, change: impl FnOnce(&mut H) -> R) -> Option<R> {
        let mut held = self.enter()?;
        let answer = change(&mut held.guard);
        Self::settle(&mut held);
        Some(answer)
    }

    /// The heap, of which no block is borrowed by a container.
    pub fn with_mut<R>(&mut self, change: impl FnOnce(&mut H) -> R) -> R {
        let mut guard = self.heap.lock();
        change(&mut guard)
    }
}

impl<H: ReadableHeap> Locked<H> {
    /// As of the heap.
    ///
    /// # Errors
    /// As of the heap, and [`FitError::Busy`].
    pub fn try_alloc_zeroed(&self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        let block = self.try_alloc(layout)?;
        // SAFETY: so many bytes that nobody else has yet.
        unsafe { block.write_bytes(0, layout.size()) };
        Ok(block)
    }

    /// As of the heap.
    ///
    /// # Errors
    /// As of the heap, and [`FitError::Busy`].
    ///
    /// # Safety
    /// No container and no other safe code relies on the block.
    pub unsafe fn try_realloc(&self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        let mut held = self.enter().ok_or(FitError::Busy)?;
        let answer = held.guard.try_realloc(block, layout);
        Self::settle(&mut held);
        answer
    }
}

// SAFETY: that of the heap.
unsafe impl<H: RawHeap> RawHeap for Locked<H> {
    fn try_alloc(&mut self, layout: Layout) -> Result<NonNull<u8>, FitError> {
        self.with_mut(|heap| heap.try_alloc(layout))
    }

    fn free(&mut self, block: NonNull<u8>) -> Result<(), FreeError> {
        self.with_mut(|heap| heap.free(block))
    }

    fn find(&self, block: NonNull<u8>) -> Result<NonNull<[u8]>, FreeError> {
        self.enter().ok_or(FreeError::Busy)?.guard.find(block)
    }

    fn try_resize(&mut self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        self.with_mut(|heap| heap.try_resize(block, layout))
    }

    fn owns(&self, address: *const u8) -> bool {
        self.with(|heap| heap.owns(address))
    }
}

// SAFETY: that of the heap.
unsafe impl<H: ReadableHeap> ReadableHeap for Locked<H> {
    fn try_realloc(&mut self, block: NonNull<u8>, layout: Layout) -> Result<NonNull<u8>, FitError> {
        self.with_mut(|heap| heap.try_realloc(block, layout))
    }
}

impl<H> fmt::Debug for Locked<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Locked").finish_non_exhaustive()
    }
}
