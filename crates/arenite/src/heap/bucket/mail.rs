//! Full pages that have something again, on their way to the thread that owns them: a stack that anybody puts on and its
//! owner takes whole.

use core::ptr::{NonNull, null_mut};

use crate::base::sync::{AtomicPtr, Ordering};

/// Nothing came when it is null.
#[derive(Debug)]
#[repr(transparent)]
pub(super) struct Mail<P>(AtomicPtr<P>);

impl<P> Mail<P> {
    #[cfg(not(loom))]
    pub(super) const fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    #[cfg(loom)]
    pub(super) fn new() -> Self {
        Self(AtomicPtr::new(null_mut()))
    }

    /// Puts something on top, which is not in any mail and whose link this is.
    pub(super) fn post(&self, item: NonNull<P>, link: &AtomicPtr<P>) {
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            link.store(head, Ordering::Relaxed);
            // Release: the link. Those of others come with it, for all changes are read-modify-writes.
            match self.0.compare_exchange_weak(head, item.as_ptr(), Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Takes all. By the owner.
    #[inline]
    pub(super) fn take(&self) -> Option<NonNull<P>> {
        if self.0.load(Ordering::Relaxed).is_null() {
            return None;
        }
        // Acquire: the links.
        NonNull::new(self.0.swap(null_mut(), Ordering::Acquire))
    }
}
