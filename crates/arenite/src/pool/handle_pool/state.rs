//! Saving and loading a handle pool so that handles stay valid: those that are kept find their values again, stale ones
//! stay stale, and the next ones are those that the saved pool would have given.
#![expect(unsafe_code, reason = "fills the slots of a pool")]

use core::fmt;
use core::marker::PhantomData;
use std::vec::Vec;

use serde::de::DeserializeSeed;
use serde::ser::{SerializeSeq, SerializeStruct};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::marks::Mark;
use super::{HandlePool, LAST, RETIRED};
use crate::base::sync::Ordering;
use crate::pool::PoolOptions;
use crate::region::AllocError;

/// What a [`HandlePool`] is when it is saved, as a plain value: `Deserialize` it and make a pool of it with
/// [`try_into_pool`](Self::try_into_pool), which is where the tag and the capacity come in. [`HandlePool::seed`] does
/// both at once.
///
/// A pool itself is `Serialize`, in the same form:
///
/// | field | what |
/// |---|---|
/// | `first`, `fresh`, `last` | generations: of a new pool, of slots to be opened, before a slot retires |
/// | `generations` | of each slot: odd where a value is, even where none is |
/// | `free` | free slots, the next one last |
/// | `taken`, `beyond` | how many of `free`, from the first, and of the slots that are to be opened are reserved |
/// | `detached`, `reserved` | further slots that wait for a value |
/// | `values` | slot and value, in ascending order |
///
/// A handle is saved as its bits. Values that are detached while the pool is saved are not saved with it.
///
/// ```
/// use arenite::{Handle, HandlePool, HandlePoolState, PoolOptions, Tag};
/// let tag = Tag::register("example/save")?;
/// let mut pool = HandlePool::try_new(tag, 100)?;
/// let name = pool.insert(String::from("Grishnak"));
/// let saved = serde_json::to_string(&(&pool, name))?;
///
/// let (state, name): (HandlePoolState<String>, Handle<String>) = serde_json::from_str(&saved)?;
/// let mut loaded = state.try_into_pool(PoolOptions::new(tag, 100))?;
/// assert_eq!(loaded[name], "Grishnak");
/// assert_eq!(loaded.insert(String::new()), pool.insert(String::new()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Deserialize)]
pub struct HandlePoolState<T> {
    first: u32,
    fresh: u32,
    last: u32,
    generations: Vec<u32>,
    free: Vec<u32>,
    taken: u32,
    beyond: u32,
    detached: Vec<u32>,
    reserved: Vec<u32>,
    values: Vec<(u32, T)>,
}

/// A saved pool makes no sense, or there is no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateError {
    /// It has more slots than the new pool.
    TooMany {
        /// Slots that were saved.
        slots: usize,
        /// Slots that the new pool can have.
        capacity: usize,
    },
    /// A slot is named that is not among the saved ones.
    NoSuchSlot {
        /// Which one.
        slot: u32,
    },
    /// A slot is named twice: by two values, as free and live, twice as free, …
    NamedTwice {
        /// Which one.
        slot: u32,
    },
    /// A slot's generation is not one that a slot in its state can have.
    Generation {
        /// Which slot.
        slot: u32,
        /// The generation.
        generation: u32,
    },
    /// The generations of new slots and of the last use of a slot are not in order.
    Limits,
    /// More slots are reserved than there are.
    Reservations,
    /// There is no memory.
    Alloc(AllocError),
}

impl fmt::Display for StateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooMany { slots, capacity } => {
                write!(f, "{slots} slots were saved; the pool has {capacity}, make it larger")
            }
            Self::NoSuchSlot { slot } => write!(f, "slot {slot} is named but was not saved"),
            Self::NamedTwice { slot } => write!(f, "slot {slot} is named twice"),
            Self::Generation { slot, generation } => {
                write!(f, "slot {slot} can not have generation {generation} in its state")
            }
            Self::Limits => f.write_str("the limits of generations are not in order"),
            Self::Reservations => f.write_str("more slots are reserved than there are"),
            Self::Alloc(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for StateError {}

impl From<AllocError> for StateError {
    fn from(error: AllocError) -> Self {
        Self::Alloc(error)
    }
}

impl<T> HandlePoolState<T> {
    /// A pool in this state, made as the options say. Everything is checked: a state that was tampered with can give
    /// other handles and values, but nothing worse.
    ///
    /// # Errors
    /// The state makes no sense, or there is no room for it.
    #[track_caller]
    pub fn try_into_pool(self, options: PoolOptions) -> Result<HandlePool<T>, StateError> {
        let mut pool = HandlePool::try_with(options)?;
        let slots = self.generations.len();
        if slots > pool.capacity() {
            return Err(StateError::TooMany { slots, capacity: pool.capacity() });
        }
        // Generations of vacant slots are even, the last one of a handle is odd.
        let even = |generation: u32| generation.is_multiple_of(2) && generation <= RETIRED;
        if !even(self.first)
            || !even(self.fresh)
            || self.last.is_multiple_of(2)
            || self.last > LAST
            || self.first >= self.last
            || self.first > self.fresh
        {
            return Err(StateError::Limits);
        }
        if self.taken as usize > self.free.len()
            || self.beyond as usize > pool.capacity() - slots
            || (self.beyond > 0 && self.fresh >= self.last)
        {
            return Err(StateError::Reservations);
        }
        (pool.first, pool.fresh, pool.last) = (self.first, self.fresh, self.last);
        pool.grow_to(slots)?;
        // All slots begin as if they had retired; whoever names one finds it so, once.
        for _ in 0..slots {
            // SAFETY: its row has memory.
            unsafe {
                pool.open_slot();
                pool.slots.set_generation(pool.opened - 1, RETIRED);
            }
        }
        // As many as the capacity allows, so they fit.
        pool.retired = slots as u32;
        let vacant = |generation: u32| even(generation) && generation < self.last;
        let lists = [
            (&self.free, None),
            (&self.detached, Some(Mark::Detached)),
            (&self.reserved, Some(Mark::Reserved)),
        ];
        for (list, mark) in lists {
            for &slot in list {
                pool.claim_slot(slot, &self.generations, vacant)?;
                // SAFETY: open, just claimed, so it is in no list.
                unsafe {
                    match mark {
                        None => pool.push_free(slot),
                        Some(mark) => pool.marks.set(slot, mark),
                    }
                }
                match mark {
                    Some(Mark::Detached) => pool.detached += 1,
                    Some(_) => pool.reserved += 1,
                    None => {}
                }
            }
        }
        for (slot, value) in self.values {
            pool.claim_slot(slot, &self.generations, |generation| {
                generation % 2 == 1 && generation <= self.last
            })?;
            // SAFETY: open, just claimed, so it holds no value and is in no list; its generation is odd.
            unsafe {
                pool.slots.value(slot).write(value);
                pool.slots.set_live(slot);
            }
        }
        if pool.retired > 0 {
            // What nobody has named has retired, and says so.
            for (slot, &generation) in (0..).zip(&self.generations) {
                // SAFETY: open.
                if unsafe { pool.slots.generation(slot) } == RETIRED && generation != RETIRED {
                    return Err(StateError::Generation { slot, generation });
                }
            }
        }
        pool.taken.store(self.taken, Ordering::Relaxed);
        pool.beyond.store(self.beyond, Ordering::Relaxed);
        pool.publish();
        Ok(pool)
    }
}

impl<T> HandlePool<T> {
    /// Gives a slot that nobody has named its saved generation.
    fn claim_slot(
        &mut self,
        slot: u32,
        generations: &[u32],
        fits: impl Fn(u32) -> bool,
    ) -> Result<(), StateError> {
        let Some(&generation) = generations.get(slot as usize) else {
            return Err(StateError::NoSuchSlot { slot });
        };
        // SAFETY: there are as many generations as open slots.
        unsafe {
            if self.slots.generation(slot) != RETIRED {
                return Err(StateError::NamedTwice { slot });
            }
            if !fits(generation) {
                return Err(StateError::Generation { slot, generation });
            }
            self.slots.set_generation(slot, generation);
        }
        self.retired -= 1;
        Ok(())
    }

    /// Loads a pool that was saved, made as the options say: for `DeserializeSeed`.
    ///
    /// ```
    /// use arenite::{HandlePool, PoolOptions, Tag};
    /// use serde::de::DeserializeSeed;
    /// let tag = Tag::register("example/seed")?;
    /// let mut pool = HandlePool::try_new(tag, 100)?;
    /// let seven = pool.insert(7);
    /// let saved = serde_json::to_vec(&pool)?;
    /// let seed = HandlePool::<i32>::seed(PoolOptions::new(tag, 100));
    /// let loaded = seed.deserialize(&mut serde_json::Deserializer::from_slice(&saved))?;
    /// assert_eq!(loaded[seven], 7);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn seed(options: PoolOptions) -> HandlePoolSeed<T> {
        HandlePoolSeed { options, makes: PhantomData }
    }
}

/// Loads a pool: [`HandlePool::seed`].
#[derive(Clone, Copy, Debug)]
pub struct HandlePoolSeed<T> {
    options: PoolOptions,
    makes: PhantomData<fn() -> T>,
}

impl<'de, T: Deserialize<'de>> DeserializeSeed<'de> for HandlePoolSeed<T> {
    type Value = HandlePool<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<HandlePool<T>, D::Error> {
        let state = HandlePoolState::deserialize(deserializer)?;
        state.try_into_pool(self.options).map_err(serde::de::Error::custom)
    }
}

/// A list of known length that is written from an iterator.
struct List<F>(usize, F);

impl<I: Iterator<Item: Serialize>, F: Fn() -> I> Serialize for List<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.0))?;
        for item in (self.1)() {
            list.serialize_element(&item)?;
        }
        list.end()
    }
}

impl<T: Serialize> Serialize for HandlePool<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // Other threads may reserve meanwhile; this is what there was when it began.
        let taken = self.taken.load(Ordering::Relaxed);
        let marked = |mark| {
            // SAFETY: below `opened`.
            (0..self.opened).filter(move |index| unsafe { self.marks.has(*index, mark) })
        };
        // SAFETY: places below `free_len`.
        let free = || (0..self.free_len).map(|place| unsafe { self.free.add(place as usize).read() });
        // SAFETY: below `opened`.
        let generations = || (0..self.opened).map(|index| unsafe { self.slots.generation(index) });

        let mut pool = serializer.serialize_struct("HandlePoolState", 10)?;
        pool.serialize_field("first", &self.first)?;
        pool.serialize_field("fresh", &self.fresh)?;
        pool.serialize_field("last", &self.last)?;
        pool.serialize_field("generations", &List(self.slots(), generations))?;
        pool.serialize_field("free", &List(self.free_len as usize, free))?;
        pool.serialize_field("taken", &taken)?;
        pool.serialize_field("beyond", &self.reserved_beyond())?;
        pool.serialize_field("detached", &List(self.detached as usize, || marked(Mark::Detached)))?;
        pool.serialize_field("reserved", &List(self.reserved as usize, || marked(Mark::Reserved)))?;
        let values = || self.iter().map(|(handle, value)| (handle.index(), value));
        pool.serialize_field("values", &List(self.len(), values))?;
        pool.end()
    }
}
