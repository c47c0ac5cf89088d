//! Making room for a load, and why there is none.

use std::error::Error;
use std::fmt;
use std::hash::Hash;

use super::pinned::Charge;
use super::{Shared, Unloading};
use crate::base::Bytes;
use crate::ledger::{BudgetExceeded, Tag};

/// What a loader gets to claim its bytes with. Dropping it without a resource gives them back.
pub struct Room<'a> {
    cache: &'a dyn Unload,
    tag: Tag,
    /// Claimed so far.
    bytes: usize,
    charges: bool,
    refusal: Option<NoRoom>,
}

/// A cache, as far as making room goes: without the types of what it holds, which loaders would have to name.
pub(super) trait Unload {
    fn tag(&self) -> Tag;
    /// Bytes of what is idle.
    fn idle(&self) -> usize;
    /// Bytes of what is pinned.
    fn pinned(&self) -> usize;
    /// Unloads what was used longest ago; false when nothing is idle.
    fn unload_one(&self) -> bool;
    fn count_refusal(&self);
}

impl<K: Eq + Hash, R> Unload for Shared<K, R> {
    fn tag(&self) -> Tag {
        self.tag
    }

    fn idle(&self) -> usize {
        self.lock().stats.idle_bytes
    }

    fn pinned(&self) -> usize {
        let stats = self.lock().stats;
        stats.bytes - stats.idle_bytes
    }

    fn unload_one(&self) -> bool {
        self.unload_oldest(Unloading::Pressure)
    }

    fn count_refusal(&self) {
        self.lock().stats.refusals += 1;
    }
}

impl<'a> Room<'a> {
    pub(super) fn new(cache: &'a dyn Unload, charges: bool) -> Self {
        Self { cache, tag: cache.tag(), bytes: 0, charges, refusal: None }
    }

    /// Claims `bytes` more for the resource that is being loaded: unloads what is idle as needed, and charges them. Before
    /// the memory is taken, as a rule; as often as wished. No lock may be held that a destructor of a resource takes.
    ///
    /// # Errors
    /// The budget would be broken with everything idle unloaded; nothing has been unloaded then, unless other threads took
    /// the room meanwhile. If the loader fails after that, the caller gets this error.
    pub fn claim(&mut self, bytes: usize) -> Result<(), NoRoom> {
        match self.make_room(bytes) {
            Ok(()) => {
                self.bytes += bytes;
                self.refusal = None;
                Ok(())
            }
            Err(refused) => {
                let no_room = NoRoom { refused, pinned: self.cache.pinned() };
                self.cache.count_refusal();
                self.refusal = Some(no_room);
                Err(no_room)
            }
        }
    }

    /// Gives back what was claimed and is not needed after all; all of it at the most.
    pub fn give_back(&mut self, bytes: usize) {
        let bytes = bytes.min(self.bytes);
        self.bytes -= bytes;
        if self.charges {
            self.tag.credit_committed(bytes);
        }
    }

    /// Bytes claimed so far.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    fn make_room(&self, bytes: usize) -> Result<(), BudgetExceeded> {
        if bytes == 0 {
            return Ok(());
        }
        loop {
            // There is room enough and to spare, or there may be.
            if self.take_quietly(bytes) {
                return Ok(());
            }
            let possible = self.tag.refusal(bytes, self.cache.idle()).is_none();
            if possible {
                // It will fit: so go on until nobody has to be told of it.
                while self.cache.unload_one() {
                    if self.take_quietly(bytes) {
                        return Ok(());
                    }
                }
            }
            // Asked in vain, too: the tag's pressure callbacks may have something to give.
            match self.take(bytes) {
                Ok(()) => return Ok(()),
                // Another thread was quicker, or what was unloaded did not give its memory back.
                Err(_) if possible && self.cache.unload_one() => {}
                Err(refused) => return Err(refused),
            }
        }
    }

    /// As [`take`](Self::take), if no mark is reached by it.
    fn take_quietly(&self, bytes: usize) -> bool {
        if self.charges { self.tag.try_charge_quietly(bytes) } else { self.tag.quiet_room() >= bytes }
    }

    /// Charges; or looks, if the resources do that by themselves.
    fn take(&self, bytes: usize) -> Result<(), BudgetExceeded> {
        if self.charges {
            return self.tag.try_charge_committed(bytes);
        }
        self.tag.refusal(bytes, 0).map_or(Ok(()), Err)
    }

    /// The refusal after which nothing was claimed any more.
    pub(super) fn refusal(&self) -> Option<NoRoom> {
        self.refusal
    }

    /// All that was claimed, for the resource.
    pub(super) fn into_charge(mut self) -> Charge {
        Charge::settle(self.tag, std::mem::take(&mut self.bytes), self.charges)
    }
}

impl Drop for Room<'_> {
    fn drop(&mut self) {
        self.give_back(self.bytes);
    }
}

impl fmt::Debug for Room<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("tag", &self.tag).field("bytes", &self.bytes).finish_non_exhaustive()
    }
}

/// A claim does not fit in the budget, whatever is unloaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NoRoom {
    /// The budget that refuses, and by how much.
    pub refused: BudgetExceeded,
    /// Bytes of this cache that are pinned, and so could not be unloaded.
    pub pinned: usize,
}

impl fmt::Display for NoRoom {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BudgetExceeded { tag, limit, in_use, wanted, .. } = self.refused;
        let (limit, in_use, wanted) = (Bytes(limit), Bytes(in_use), Bytes(wanted));
        write!(f, "no room for {wanted} under tag `{tag}`: budget of {limit}, {in_use} in use")?;
        match self.pinned {
            0 => f.write_str(", none of it pinned in this cache"),
            pinned => write!(f, ", {} of it pinned in this cache", Bytes(pinned)),
        }?;
        f.write_str("; raise the budget, load something smaller, or let go of pins")
    }
}

impl Error for NoRoom {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.refused)
    }
}

/// Why a load brought nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError<E> {
    /// What the loader claimed does not fit, and it gave up.
    NoRoom(NoRoom),
    /// The loader failed.
    Failed(E),
    /// The load would wait for itself: a loader asks for its own key, or loaders of several threads wait for each other.
    Cycle,
    /// The cache's own table would have had to grow, and the program's allocator refused.
    OutOfMemory,
}

const TABLE_FULL: &str =
    "the allocator refused room for the cache's table; unload something, or give it more memory";

impl<E: fmt::Display> fmt::Display for LoadError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom(no_room) => no_room.fmt(f),
            Self::Failed(error) => error.fmt(f),
            Self::Cycle => f.write_str(
                "the load waits for itself: loaders ask for each other's keys; break the ring by loading one of them first",
            ),
            Self::OutOfMemory => f.write_str(TABLE_FULL),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> Error for LoadError<E> {}

/// Why a resource can not be pinned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PinError {
    /// It is not loaded.
    Absent,
    /// A thread is loading it now.
    Loading,
}

impl fmt::Display for PinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "the resource is not loaded",
            Self::Loading => "the resource is still being loaded",
        })
    }
}

impl Error for PinError {}

/// Why a value was not inserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InsertError {
    /// It does not fit.
    NoRoom(NoRoom),
    /// The cache's own table would have had to grow, and the program's allocator refused.
    OutOfMemory,
}

impl fmt::Display for InsertError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRoom(no_room) => no_room.fmt(f),
            Self::OutOfMemory => f.write_str(TABLE_FULL),
        }
    }
}

impl Error for InsertError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoRoom(no_room) => Some(no_room),
            Self::OutOfMemory => None,
        }
    }
}

/// A value that did not fit, and why.
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct InsertRefused<R> {
    /// What was to be inserted.
    pub value: R,
    /// Why it was not.
    pub reason: InsertError,
}

impl<R> fmt::Debug for InsertRefused<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InsertRefused").field("reason", &self.reason).finish_non_exhaustive()
    }
}

impl<R> fmt::Display for InsertRefused<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.reason.fmt(f)
    }
}

impl<R> Error for InsertRefused<R> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.reason)
    }
}
