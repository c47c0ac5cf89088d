//! What the cache's lock guards: the map, the resources, and the list of what is idle. Every step is O(1) and whole; values and
//! keys that go are handed out, to be dropped when the lock is not held.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;
use std::vec::Vec;

use foldhash::fast::RandomState;

use super::Unloading;
use super::flight::Flight;
use super::pinned::Slot;

/// Figures of a [`ResourceCache`](super::ResourceCache). Counts are since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ResourceCacheStats {
    /// Asked for and there.
    pub hits: u64,
    /// Asked for and not there, or still being loaded.
    pub misses: u64,
    /// Loaded by a loader that was asked to.
    pub loads: u64,
    /// Loaders that failed, panicked, or found no room.
    pub failures: u64,
    /// Times that a thread waited for another one's load.
    pub waits: u64,
    /// Unloaded because another one needed the room.
    pub evictions: u64,
    /// Claims that did not fit.
    pub refusals: u64,
    /// Resources that are loaded.
    pub count: usize,
    /// What they claimed, in bytes.
    pub bytes: usize,
    /// Bytes of those that nobody pins.
    pub idle_bytes: usize,
    /// The most bytes that were loaded at once.
    pub peak_bytes: usize,
}

/// No node.
const NONE: usize = usize::MAX;

enum Place {
    Loading(Arc<Flight>),
    /// The node's index.
    Ready(usize),
}

/// A loaded resource; or, without a slot, a vacant place whose `next` is the next vacant one.
struct Node<K, R> {
    /// With a key of its own, by which the map's is found when this one goes.
    held: Option<(K, Arc<Slot<K, R>>)>,
    /// Neighbours in the list of what is idle; without meaning while it is not.
    newer: usize,
    older: usize,
    idle: bool,
}

pub(super) struct State<K, R> {
    places: HashMap<K, Place, RandomState>,
    nodes: Vec<Node<K, R>>,
    /// The first vacant node.
    vacant: usize,
    newest: usize,
    oldest: usize,
    /// A flight that nobody has any more, for the next load.
    spare: Option<Arc<Flight>>,
    pub(super) stats: ResourceCacheStats,
}

pub(super) enum Found<K, R> {
    /// With a pin that is counted already.
    Ready(Arc<Slot<K, R>>),
    Loading(Arc<Flight>),
    Absent,
}

/// The allocator refused the table more room.
#[derive(Debug)]
pub(super) struct Full;

/// What was taken out of the cache.
pub(super) struct Gone<K, R> {
    pub(super) keys: (K, Option<K>),
    pub(super) slot: Arc<Slot<K, R>>,
}

impl<K, R> State<K, R> {
    pub(super) fn new() -> Self {
        Self {
            places: HashMap::with_hasher(RandomState::default()),
            nodes: Vec::new(),
            vacant: NONE,
            newest: NONE,
            oldest: NONE,
            spare: None,
            stats: ResourceCacheStats::default(),
        }
    }

    /// A slot has lost its last pin: it is idle, and used last. Nothing to do if it was pinned again, or left the cache.
    pub(super) fn rest(&mut self, slot: &Arc<Slot<K, R>>) {
        let index = slot.node();
        let Some(node) = self.nodes.get(index) else { return };
        let here = node.held.as_ref().is_some_and(|(_, held)| Arc::ptr_eq(held, slot));
        if here && !node.idle && slot.is_free() {
            self.stats.idle_bytes += slot.bytes();
            let older = std::mem::replace(&mut self.newest, index);
            let node = &mut self.nodes[index];
            (node.idle, node.newer, node.older) = (true, NONE, older);
            match older {
                NONE => self.oldest = index,
                older => self.nodes[older].newer = index,
            }
        }
    }

    /// Takes a node out of the list, if it is in it.
    fn wake(&mut self, index: usize) {
        let node = &mut self.nodes[index];
        if !std::mem::take(&mut node.idle) {
            return;
        }
        let (newer, older) = (node.newer, node.older);
        let bytes = node.held.as_ref().map_or(0, |(_, slot)| slot.bytes());
        self.stats.idle_bytes -= bytes;
        match newer {
            NONE => self.newest = older,
            newer => self.nodes[newer].older = older,
        }
        match older {
            NONE => self.oldest = newer,
            older => self.nodes[older].newer = newer,
        }
    }

    /// The node that the next slot is put into.
    fn next(&self) -> usize {
        if self.vacant == NONE { self.nodes.len() } else { self.vacant }
    }

    /// Puts a slot, which is pinned, into the next node.
    fn settle(&mut self, key: K, slot: Arc<Slot<K, R>>) {
        let index = self.next();
        slot.set_node(index);
        self.stats.count += 1;
        self.stats.bytes += slot.bytes();
        self.stats.peak_bytes = self.stats.peak_bytes.max(self.stats.bytes);
        let node = Node { held: Some((key, slot)), newer: NONE, older: NONE, idle: false };
        match self.nodes.get_mut(index) {
            Some(vacant) => self.vacant = std::mem::replace(vacant, node).older,
            None => self.nodes.push(node),
        }
    }

    /// Empties a node.
    fn vacate(&mut self, index: usize) -> Option<(K, Arc<Slot<K, R>>)> {
        self.wake(index);
        let node = &mut self.nodes[index];
        let held = node.held.take()?;
        node.older = std::mem::replace(&mut self.vacant, index);
        self.stats.count -= 1;
        self.stats.bytes -= held.1.bytes();
        Some(held)
    }

    /// Empties the whole cache: of slots and of keys.
    pub(super) fn take_all(&mut self) -> Vec<Gone<K, R>> {
        let places = std::mem::replace(&mut self.places, HashMap::with_hasher(RandomState::default()));
        let nodes = std::mem::take(&mut self.nodes);
        (self.vacant, self.newest, self.oldest) = (NONE, NONE, NONE);
        self.stats = ResourceCacheStats { count: 0, bytes: 0, idle_bytes: 0, ..self.stats };
        let mut keys = places.into_keys();
        let held = nodes.into_iter().filter_map(|node| node.held);
        held.map(|(key, slot)| Gone { keys: (key, keys.next()), slot }).collect()
    }
}

impl<K: Eq + Hash, R> State<K, R> {
    pub(super) fn is_ready(&self, key: &K) -> bool {
        matches!(self.places.get(key), Some(Place::Ready(_)))
    }

    /// Looks a key up and pins what is there.
    pub(super) fn find(&mut self, key: &K) -> Found<K, R> {
        match self.places.get(key) {
            None => Found::Absent,
            // A key's `Hash` or `Eq` panicked before the place was taken out.
            Some(Place::Loading(flight)) if flight.is_over() => Found::Absent,
            Some(Place::Loading(flight)) => Found::Loading(Arc::clone(flight)),
            Some(&Place::Ready(index)) => {
                let was_idle = self.nodes[index].idle;
                self.wake(index);
                match &self.nodes[index].held {
                    Some((_, slot)) => {
                        if was_idle {
                            slot.pin_idle();
                        } else {
                            slot.pin();
                        }
                        Found::Ready(Arc::clone(slot))
                    }
                    None => Found::Absent,
                }
            }
        }
    }

    /// Takes out what was used longest ago.
    pub(super) fn take_oldest(&mut self, why: Unloading) -> Option<Gone<K, R>> {
        let index = self.oldest;
        let (key, _) = self.nodes.get(index)?.held.as_ref()?;
        // The program's code first, so that nothing is half-done if it panics.
        let other = self.places.remove_entry(key).map(|(key, _)| key);
        let (key, slot) = self.vacate(index)?;
        self.stats.evictions += u64::from(why == Unloading::Pressure);
        Some(Gone { keys: (key, other), slot })
    }

    /// Takes out a resource that is idle.
    pub(super) fn take(&mut self, key: &K) -> Option<Gone<K, R>> {
        let Some(&Place::Ready(index)) = self.places.get(key) else { return None };
        if !self.nodes[index].idle {
            return None;
        }
        // The program's code first, as above.
        let other = self.places.remove_entry(key).map(|(key, _)| key);
        let (key, slot) = self.vacate(index)?;
        Some(Gone { keys: (key, other), slot })
    }

    /// A load that ended without a resource, or whose place another one has: those who wait look again. Gives the key out.
    pub(super) fn abandon(&mut self, key: &K, flight: &Arc<Flight>) -> Option<K> {
        let ours = matches!(self.places.get(key), Some(Place::Loading(other)) if Arc::ptr_eq(other, flight));
        if !ours {
            return None;
        }
        self.stats.failures += 1;
        self.places.remove_entry(key).map(|(key, _)| key)
    }
}

impl<K: Eq + Hash + Clone, R> State<K, R> {
    /// Makes room in the table for one more key, and for a node of each key: so that what was begun can also land. May hash.
    fn grow(&mut self) -> Result<(), Full> {
        self.places.try_reserve(1).map_err(|_| Full)?;
        // One more than keys: what replaces another one has a node before that one's is vacant.
        let keys = self.places.len() + 2;
        self.nodes.try_reserve(keys.saturating_sub(self.nodes.len())).map_err(|_| Full)
    }

    /// Notes that a load of an absent key begins.
    pub(super) fn begin(&mut self, key: &K) -> Result<Arc<Flight>, Full> {
        self.grow()?;
        let flight = Flight::start(self.spare.take());
        self.places.insert(key.clone(), Place::Loading(Arc::clone(&flight)));
        Ok(flight)
    }

    /// Puts a resource in, which is pinned; what was under the key comes out, pinned or not.
    pub(super) fn put(&mut self, key: &K, slot: &Arc<Slot<K, R>>) -> Result<Option<Gone<K, R>>, Full> {
        // The program's code first, so that nothing is half-done if it panics.
        let (own, index) = (key.clone(), self.next());
        let before = match self.places.get_mut(key) {
            Some(place) => Some(std::mem::replace(place, Place::Ready(index))),
            None => {
                self.grow()?;
                self.places.insert(key.clone(), Place::Ready(index))
            }
        };
        self.settle(own, Arc::clone(slot));
        let Some(Place::Ready(old)) = before else { return Ok(None) };
        Ok(self.vacate(old).map(|(key, slot)| Gone { keys: (key, None), slot }))
    }

    /// Puts in what a load brought. If something was inserted under the key meanwhile that wins: it comes back, pinned. Keeps the
    /// flight for the next load if nobody else has it: then nobody waits for its end, and nobody can any more.
    pub(super) fn land(
        &mut self,
        key: &K,
        slot: &Arc<Slot<K, R>>,
        flight: &mut Option<Arc<Flight>>,
    ) -> Result<Option<Arc<Slot<K, R>>>, Full> {
        let (own, index) = (key.clone(), self.next());
        match self.places.get_mut(key) {
            Some(Place::Ready(_)) => match self.find(key) {
                Found::Ready(inserted) => return Ok(Some(inserted)),
                // It is ready.
                Found::Loading(_) | Found::Absent => return Ok(None),
            },
            Some(place) => *place = Place::Ready(index),
            // What was inserted meanwhile was unloaded, too.
            None => {
                self.grow()?;
                self.places.insert(key.clone(), Place::Ready(index));
            }
        }
        self.settle(own, Arc::clone(slot));
        self.stats.loads += 1;
        if let Some(own) = flight
            && Arc::get_mut(own).is_some()
        {
            self.spare = flight.take();
        }
        Ok(None)
    }
}
