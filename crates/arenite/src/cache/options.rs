//! How a cache is made, and what it tells.

use std::boxed::Box;
use std::fmt;

use crate::ledger::Tag;

/// What is called for each event.
pub(super) type Hook<K> = Box<dyn Fn(CacheEvent<'_, K>) + Send + Sync>;

/// How a [`ResourceCache`](super::ResourceCache) is made.
#[must_use]
pub struct ResourceCacheOptions<K> {
    pub(super) tag: Tag,
    pub(super) charges: bool,
    pub(super) hook: Option<Hook<K>>,
}

impl<K> ResourceCacheOptions<K> {
    /// Charged to `tag`, and limited by its budget.
    pub const fn new(tag: Tag) -> Self {
        Self { tag, charges: true, hook: None }
    }

    /// For resources whose memory is charged to the tag (or one below it) by itself, because it lives in arenas, pools or
    /// heaps of this library: what loaders claim makes room in the budget and counts in the cache's figures, and is not
    /// charged a second time. Their destructors must give the memory back, or unloading makes no room.
    pub const fn charged_elsewhere(mut self) -> Self {
        self.charges = false;
        self
    }

    /// Calls `hook` after each resource that was loaded or unloaded: to show the next smaller mip, to write a log, to ask for
    /// it again. It runs with no lock held, on the thread that loaded or unloaded, and may call the cache. A panic in it
    /// goes on to the caller of that thread; the cache is whole.
    pub fn on_event(mut self, hook: impl Fn(CacheEvent<'_, K>) + Send + Sync + 'static) -> Self {
        self.hook = Some(Box::new(hook));
        self
    }
}

impl<K> fmt::Debug for ResourceCacheOptions<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tag, charges, hook } = self;
        f.debug_struct("ResourceCacheOptions")
            .field("tag", tag)
            .field("charges", charges)
            .field("hook", &hook.is_some())
            .finish()
    }
}

/// Something happened in a cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheEvent<'a, K> {
    /// A resource is there, by a load or an insertion.
    Loaded {
        /// Its key.
        key: &'a K,
        /// What it claimed.
        bytes: usize,
    },
    /// A resource is gone; its destructor has run, unless it was replaced while it was pinned. Not told when the whole
    /// cache is dropped.
    Unloaded {
        /// Its key.
        key: &'a K,
        /// What it had claimed.
        bytes: usize,
        /// Why it went.
        why: Unloading,
    },
}

/// Why a resource was unloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unloading {
    /// Another one needed the room.
    Pressure,
    /// By `unload`, `trim_to` or `clear`.
    Asked,
    /// Another one was inserted under its key.
    Replaced,
}
