//! Floor 5: a cache of resources that are loaded on demand and unloaded under pressure. Imports floors 0 to 2; needs `std`.
//!
//! ```text
//!            get_or_load(key)                      Pinned ── dropped ──┐
//!   absent ─► loading ─► pinned ◄───────── get ─────────┐              ▼
//!                │ failed, panicked            idle: used last ─ … ─ used longest ago ─► unloaded
//!                ▼                                                                       when a load needs the room
//!             absent
//! ```
//!
//! One lock guards the map, the slots and the list of what is idle; each step on them is O(1). No code of the program runs
//! under it but the hashing, comparing and cloning of keys: loaders, destructors and hooks may call the cache.

mod flight;
mod options;
mod pinned;
mod room;
mod state;

pub use options::{CacheEvent, ResourceCacheOptions, Unloading};
pub use pinned::Pinned;
pub use room::{InsertError, InsertRefused, LoadError, NoRoom, PinError, Room};
pub use state::ResourceCacheStats;

use std::fmt;
use std::hash::Hash;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::base::sync::{Backoff, Guard, Lock};
use crate::ledger::Tag;
use flight::Flight;
use options::Hook;
use pinned::Slot;
use state::{Found, Gone, State};

/// What the cache and its pins share.
pub(crate) struct Shared<K, R> {
    /// Held for a few loads and stores, and while the table grows. (That of `std` takes one exchange more each time, and a hit
    /// takes two locks.) A key's `Hash` or `Eq` may panic under it: every step of the state is whole before and after it calls them.
    state: Lock<State<K, R>>,
    tag: Tag,
    /// Whether the cache charges what is claimed.
    charges: bool,
    hook: Option<Hook<K>>,
}

impl<K, R> Shared<K, R> {
    #[inline]
    fn lock(&self) -> Guard<'_, State<K, R>> {
        self.state.lock()
    }

    fn tell(&self, event: CacheEvent<'_, K>) {
        if let Some(hook) = &self.hook {
            hook(event);
        }
    }
}

impl<K: Eq + Hash, R> Shared<K, R> {
    /// Unloads what was used longest ago. False when nothing is idle. No lock may be held.
    fn unload_oldest(&self, why: Unloading) -> bool {
        let gone = self.lock().take_oldest(why);
        let found = gone.is_some();
        if let Some(gone) = gone {
            self.bury(gone, why);
        }
        found
    }

    /// Drops what was taken out, and tells it. No lock may be held: destructors may call the cache.
    fn bury(&self, gone: Gone<K, R>, why: Unloading) {
        let Gone { keys: (key, _other), slot } = gone;
        let bytes = slot.bytes();
        if why != Unloading::Replaced {
            // Nobody pins it and nobody finds it; but a thread that has just dropped a pin may still be on its way out. It is
            // waited for, so that the memory is back when this returns.
            let mut backoff = Backoff::new();
            while Arc::strong_count(&slot) > 1 {
                backoff.wait();
            }
        }
        drop(slot);
        self.tell(CacheEvent::Unloaded { key: &key, bytes, why });
    }
}

/// Resources by key: loaded on demand, pinned while they are used, unloaded least recently used first when their tag nears
/// its budget. `Send` and `Sync`; every method takes `&self`. For textures and sounds that stream, where the resources of a
/// whole scene do not fit.
///
/// A [`Pinned`] keeps its resource loaded and derefs to it without a lock. What nobody pins is *idle*: still loaded, still
/// charged, and the first to go. The limit is the budget of the cache's tag (and of the tags above it): before a load takes
/// its bytes, idle resources are unloaded until the tag stays below its warning mark with them (its limit, if it has none), or
/// nothing is idle. A load that would not fit in the hard limit even then is refused first, with [`NoRoom`], and unloads
/// nothing.
///
/// Bytes are what a loader [claims](Room::claim) before it loads; they are charged to the tag, as committed and live, until
/// the resource is dropped: right for memory that the ledger does not see otherwise (the graphics card's, the system
/// heap's). If resources are charged by themselves, see [`charged_elsewhere`](ResourceCacheOptions::charged_elsewhere).
/// The cache's own table is on the general heap and not counted.
///
/// ```
/// use arenite::{Budget, ResourceCache, Tag};
///
/// let tag = Tag::register("docs/streamed")?;
/// tag.set_budget(Budget::hard(4 << 20));
/// let textures: ResourceCache<u32, Vec<u8>> = ResourceCache::new(tag);
/// let load = |number: u32, bytes: usize| {
///     textures.get_or_load(&number, |room| {
///         room.claim(bytes)?; // before anything is read
///         Ok::<_, arenite::cache::NoRoom>(vec![7; bytes])
///     })
/// };
/// let wall = load(0, 1 << 20)?; // pinned
/// for number in 1..10 {
///     load(number, 1 << 20)?; // pinned for a moment, then idle
/// }
/// assert!(load(99, 8 << 20).is_err()); // larger than the budget: an error, and the rest is still there
/// assert_eq!((wall.len(), textures.len()), (1 << 20, 4));
/// assert!(textures.get(&9).is_some() && textures.get(&1).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # One load at a time
///
/// When two threads ask for one key, one loads and the others wait for it. If its loader fails or panics, the one that loads
/// gets the error (or the panic), and one of those that wait goes on with its own loader. A loader may load other keys,
/// from this cache or another. What would wait for itself is told so and does not hang: a loader that asks for its own key, and
/// threads whose loaders wait for each other in a ring, get [`LoadError::Cycle`]. This is seen by thread: a loader that waits for
/// *another thread* by other means, which in turn asks for the loader's key, is not seen.
pub struct ResourceCache<K: Eq + Hash, R> {
    shared: Arc<Shared<K, R>>,
}

impl<K: Eq + Hash + Clone, R> ResourceCache<K, R> {
    /// An empty cache whose resources are charged to `tag`.
    pub fn new(tag: Tag) -> Self {
        Self::with(ResourceCacheOptions::new(tag))
    }

    /// An empty cache made as the options say.
    pub fn with(options: ResourceCacheOptions<K>) -> Self {
        let ResourceCacheOptions { tag, charges, hook } = options;
        Self { shared: Arc::new(Shared { state: Lock::new(State::new()), tag, charges, hook }) }
    }

    /// The tag that resources are charged to, and whose budget limits them.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.shared.tag
    }

    /// Pins a resource if it is loaded. O(1), a short lock.
    #[must_use]
    pub fn get(&self, key: &K) -> Option<Pinned<K, R>> {
        self.try_pin(key).ok()
    }

    /// As [`get`](Self::get), and says whether what is not there is being loaded. Never waits for a load.
    ///
    /// # Errors
    /// The resource is not loaded.
    pub fn try_pin(&self, key: &K) -> Result<Pinned<K, R>, PinError> {
        let mut state = self.shared.lock();
        match state.find(key) {
            Found::Ready(slot) => {
                state.stats.hits += 1;
                Ok(Pinned::new(slot))
            }
            Found::Loading(_) => {
                state.stats.misses += 1;
                Err(PinError::Loading)
            }
            Found::Absent => {
                state.stats.misses += 1;
                Err(PinError::Absent)
            }
        }
    }

    /// Whether a resource is loaded. Counts neither as a use nor in the statistics.
    #[must_use]
    pub fn contains(&self, key: &K) -> bool {
        self.shared.lock().is_ready(key)
    }

    /// Pins a resource; loads it first if it is not there, or waits for the thread that is loading it.
    ///
    /// `load` runs without a lock. It should [claim](Room::claim) the bytes before it takes the memory: that makes room, or
    /// refuses while nothing has happened yet. What it does not claim is not charged. If it fails or panics, what it claimed is
    /// given back and the cache is as if it had never been asked (but for what was unloaded to make room).
    ///
    /// # Errors
    /// There is no room, `load` fails, the load waits for itself, or the table can not grow; see [`LoadError`].
    pub fn get_or_load<E>(
        &self,
        key: &K,
        load: impl FnOnce(&mut Room<'_>) -> Result<R, E>,
    ) -> Result<Pinned<K, R>, LoadError<E>> {
        let mut waited = false;
        let flight = loop {
            let mut state = self.shared.lock();
            let flight = match state.find(key) {
                Found::Ready(slot) => {
                    // Who waited for it has been counted as a miss.
                    state.stats.hits += u64::from(!waited);
                    return Ok(Pinned::new(slot));
                }
                Found::Loading(flight) => flight,
                Found::Absent => {
                    state.stats.misses += u64::from(!waited);
                    break state.begin(key).map_err(|state::Full| LoadError::OutOfMemory)?;
                }
            };
            state.stats.misses += u64::from(!waited);
            state.stats.waits += 1;
            drop(state);
            waited = true;
            flight.wait().map_err(|_| LoadError::Cycle)?;
        };
        // Ends the flight, whatever happens.
        let mut landing = Landing { shared: &self.shared, key, flight: Some(flight), landed: false };
        let mut room = Room::new(&*self.shared, self.shared.charges);
        let value = match load(&mut room) {
            Ok(value) => value,
            Err(error) => {
                // The room refused, and the loader went by that: so it is told, whatever it made of it.
                return Err(room.refusal().map_or(LoadError::Failed(error), LoadError::NoRoom));
            }
        };
        let slot = Slot::pinned(value, room.into_charge(), Arc::clone(&self.shared));
        // From here on, whatever panics, it is unpinned.
        let pinned = Pinned::new(slot);
        let bytes = pinned.bytes();
        let landed = self.shared.lock().land(key, pinned.slot(), &mut landing.flight);
        // The key has no place in the table any more that is this load's.
        landing.landed = landed.is_ok();
        drop(landing);
        match landed {
            Ok(None) => {}
            Ok(Some(inserted)) => return Ok(Pinned::new(inserted)),
            Err(state::Full) => return Err(LoadError::OutOfMemory),
        }
        self.shared.tell(CacheEvent::Loaded { key, bytes });
        Ok(pinned)
    }

    /// Puts in a resource that was loaded elsewhere, of so many bytes; what was there under this key is unloaded, or lives on
    /// with its pins. Of a load of the same key that runs meanwhile the result is dropped, and this one given out.
    ///
    /// # Errors
    /// There is no room, or the table can not grow: the value comes back, and what was under this key is still there.
    pub fn insert(&self, key: &K, bytes: usize, value: R) -> Result<Pinned<K, R>, InsertRefused<R>> {
        let mut room = Room::new(&*self.shared, self.shared.charges);
        if let Err(reason) = room.claim(bytes) {
            return Err(InsertRefused { value, reason: InsertError::NoRoom(reason) });
        }
        let slot = Slot::pinned(value, room.into_charge(), Arc::clone(&self.shared));
        let put = self.shared.lock().put(key, &slot);
        let Ok(replaced) = put else { return Err(out_of_memory(slot)) };
        // From here on, whatever panics, it is unpinned.
        let pinned = Pinned::new(slot);
        if let Some(gone) = replaced {
            self.shared.bury(gone, Unloading::Replaced);
        }
        self.shared.tell(CacheEvent::Loaded { key, bytes });
        Ok(pinned)
    }

    /// Unloads a resource. False if it is not loaded, or pinned: then it stays. O(1).
    pub fn unload(&self, key: &K) -> bool {
        let gone = self.shared.lock().take(key);
        let found = gone.is_some();
        if let Some(gone) = gone {
            self.shared.bury(gone, Unloading::Asked);
        }
        found
    }

    /// Unloads everything that is idle and says how many bytes that was. What is pinned stays.
    ///
    /// # Panics
    /// A destructor or the hook panics: everything else is unloaded first.
    pub fn clear(&self) -> usize {
        self.trim_to(0)
    }

    /// Unloads what is idle, least recently used first, until the cache holds at most so many bytes; says how many bytes were
    /// unloaded. What is pinned stays. From a pressure callback, for example.
    ///
    /// # Panics
    /// A destructor or the hook panics: as many others are unloaded first as there would have been.
    pub fn trim_to(&self, bytes: usize) -> usize {
        let (mut unloaded, mut panicked) = (0, None);
        loop {
            let mut state = self.shared.lock();
            // Resources of no bytes go with the last.
            let gone = if state.stats.bytes > bytes || bytes == 0 {
                state.take_oldest(Unloading::Asked)
            } else {
                None
            };
            drop(state);
            let Some(gone) = gone else { break };
            unloaded += gone.slot.bytes();
            let outcome = catch_unwind(AssertUnwindSafe(|| self.shared.bury(gone, Unloading::Asked)));
            panicked = panicked.or(outcome.err());
        }
        if let Some(panic) = panicked {
            resume_unwind(panic);
        }
        unloaded
    }

    /// How many resources are loaded.
    #[must_use]
    pub fn len(&self) -> usize {
        self.shared.lock().stats.count
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The figures at this moment. O(1), a short lock.
    #[must_use]
    pub fn stats(&self) -> ResourceCacheStats {
        self.shared.lock().stats
    }
}

impl<K: Eq + Hash, R> Drop for ResourceCache<K, R> {
    /// Unloads everything. What is pinned lives on, and stays charged, until its last pin is dropped.
    fn drop(&mut self) {
        let all = self.shared.lock().take_all();
        // Each on its own, so that one destructor that panics does not keep the others from running.
        let mut panicked = None;
        for gone in all {
            panicked = panicked.or(catch_unwind(AssertUnwindSafe(|| drop(gone))).err());
        }
        if let Some(panic) = panicked
            && !std::thread::panicking()
        {
            resume_unwind(panic);
        }
    }
}

impl<K: Eq + Hash, R> fmt::Debug for ResourceCache<K, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stats = self.shared.lock().stats;
        f.debug_struct("ResourceCache")
            .field("tag", &self.shared.tag)
            .field("stats", &stats)
            .finish_non_exhaustive()
    }
}

/// The value of a slot that the table had no room for.
#[cold]
fn out_of_memory<K, R>(slot: Arc<Slot<K, R>>) -> InsertRefused<R> {
    let slot = Arc::into_inner(slot).expect("what was refused is in no table");
    InsertRefused { value: slot.into_value(), reason: InsertError::OutOfMemory }
}

/// Ends a flight when it is dropped: the loader has landed, failed or panicked. Those that wait look again.
struct Landing<'a, K: Eq + Hash, R> {
    shared: &'a Shared<K, R>,
    key: &'a K,
    /// None: nobody can wait for it.
    flight: Option<Arc<Flight>>,
    /// It has ended in the cache, which has nothing to be tidied up.
    landed: bool,
}

impl<K: Eq + Hash, R> Drop for Landing<'_, K, R> {
    fn drop(&mut self) {
        /// Ends it also if the key's `Hash` panics: nobody may wait for ever.
        struct End<'f>(&'f Flight);
        impl Drop for End<'_> {
            fn drop(&mut self) {
                self.0.end();
            }
        }
        let Some(flight) = &self.flight else { return };
        let _end = End(flight);
        if self.landed {
            return;
        }
        let key = self.shared.lock().abandon(self.key, flight);
        drop(key);
    }
}

#[cfg(test)]
mod tests;
