//! Resources, what they are charged, and pins.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use super::Shared;
use crate::base::sync::{AtomicUsize, Ordering};
use crate::ledger::Tag;

/// Bytes charged to a tag; credited when it is dropped.
pub(super) struct Charge {
    tag: Tag,
    bytes: usize,
    /// Whether they are charged, and not only counted.
    charged: bool,
}

impl Charge {
    /// Of bytes that have been charged, if `charged`, as committed ones.
    pub(super) fn settle(tag: Tag, bytes: usize, charged: bool) -> Self {
        if charged {
            tag.move_live(0, bytes);
        }
        Self { tag, bytes, charged }
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        if self.charged {
            self.tag.credit_whole(self.bytes);
        }
    }
}

/// A loaded resource: of the cache, of its pins, or of both.
pub(super) struct Slot<K, R> {
    /// Dropped before the bytes are credited.
    value: R,
    charge: Charge,
    /// Rises from 0 under the cache's lock only. Who brings it to 0 takes that lock and makes the slot idle.
    pins: AtomicUsize,
    /// Its place in the cache; changed under the lock.
    node: AtomicUsize,
    /// A ring while the cache has the slot; the cache's drop opens it.
    home: Arc<Shared<K, R>>,
}

impl<K, R> Slot<K, R> {
    /// With one pin, for the caller to take over.
    pub(super) fn pinned(value: R, charge: Charge, home: Arc<Shared<K, R>>) -> Arc<Self> {
        Arc::new(Self { value, charge, pins: AtomicUsize::new(1), node: AtomicUsize::new(usize::MAX), home })
    }

    pub(super) fn bytes(&self) -> usize {
        self.charge.bytes
    }

    /// The value, and what it was charged given back.
    pub(super) fn into_value(self) -> R {
        self.value
    }

    /// Where the cache has it; any number if it does not.
    pub(super) fn node(&self) -> usize {
        self.node.load(Ordering::Relaxed)
    }

    /// Under the cache's lock.
    pub(super) fn set_node(&self, node: usize) {
        self.node.store(node, Ordering::Relaxed);
    }

    /// Adds a pin: to others, or under the cache's lock.
    pub(super) fn pin(&self) {
        self.pins.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds a pin to a slot that is idle, under the cache's lock: nobody has one, so nobody else changes their number meanwhile.
    pub(super) fn pin_idle(&self) {
        self.pins.store(1, Ordering::Relaxed);
    }

    /// Takes the last pin away, under the cache's lock. False if it is not the last.
    fn unpin_last(&self) -> bool {
        // Under the lock nobody gets a pin from the cache, and from another pin only if there is one.
        let last = self.pins.load(Ordering::Acquire) == 1;
        if last {
            self.pins.store(0, Ordering::Release);
        }
        last
    }

    /// Whether no pin is left; certain only under the cache's lock.
    pub(super) fn is_free(&self) -> bool {
        self.pins.load(Ordering::Acquire) == 0
    }
}

/// Keeps a resource of a [`ResourceCache`](super::ResourceCache) loaded, and is how to get at it. Owns its share: it may be
/// stored, sent to other threads, and outlive the cache. Cloning it counts up; dropping the last one of a resource takes the
/// cache's lock for a moment and makes it idle, as the one that was used last.
pub struct Pinned<K, R> {
    slot: Arc<Slot<K, R>>,
}

impl<K, R> Pinned<K, R> {
    /// Takes over a pin that has been counted.
    pub(super) fn new(slot: Arc<Slot<K, R>>) -> Self {
        Self { slot }
    }

    pub(super) fn slot(&self) -> &Arc<Slot<K, R>> {
        &self.slot
    }

    /// What the resource claimed.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.slot.bytes()
    }

    /// Whether two pins are of the same resource.
    #[must_use]
    pub fn ptr_eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.slot, &other.slot)
    }
}

impl<K, R> Deref for Pinned<K, R> {
    type Target = R;

    #[inline]
    fn deref(&self) -> &R {
        &self.slot.value
    }
}

impl<K, R> Clone for Pinned<K, R> {
    fn clone(&self) -> Self {
        // There is one, so it can not be 0 meanwhile.
        self.slot.pin();
        Self { slot: Arc::clone(&self.slot) }
    }
}

impl<K, R> Drop for Pinned<K, R> {
    fn drop(&mut self) {
        let pins = &self.slot.pins;
        // Nearly always it is the only one, and still is under the lock, which is to be taken anyway.
        if pins.load(Ordering::Acquire) == 1 {
            let mut state = self.slot.home.lock();
            if self.slot.unpin_last() {
                return state.rest(&self.slot);
            }
        }
        // Release: what was done with the resource comes before its destructor, wherever that runs.
        if pins.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.slot.home.lock().rest(&self.slot);
        }
    }
}

impl<K, R: fmt::Debug> fmt::Debug for Pinned<K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
