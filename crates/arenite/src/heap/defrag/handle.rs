//! Names of blocks that move, and what is refused about them.

use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::num::NonZeroU64;

use crate::heap::fit::FitError;

/// Names a block of a [`DefragSpace`](super::DefragSpace) wherever it lies: good until the block is freed, and never again; another space
/// may have a block of the same name. 8 bytes, and so is an `Option` of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct SpaceHandle(NonZeroU64);

impl SpaceHandle {
    #[inline]
    pub(super) fn new(slot: u32, generation: u32) -> Self {
        // Generations begin at 1.
        Self(NonZeroU64::new(u64::from(generation) << 32 | u64::from(slot)).unwrap_or(NonZeroU64::MAX))
    }

    #[inline]
    pub(super) fn parts(self) -> (u32, u32) {
        (self.0.get() as u32, (self.0.get() >> 32) as u32)
    }

    /// As a number, for C, or to be kept with what the block is for.
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        self.0.get()
    }

    /// From a number that [`to_bits`](Self::to_bits) gave. Any other one names nothing, or whatever happens to be named by it.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match NonZeroU64::new(bits) {
            Some(bits) => Some(Self(bits)),
            None => None,
        }
    }
}

impl fmt::Debug for SpaceHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (slot, generation) = self.parts();
        write!(f, "SpaceHandle({slot}v{generation})")
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for SpaceHandle {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.to_bits())
    }
}

#[cfg(feature = "serde")]
impl<'de> serde::Deserialize<'de> for SpaceHandle {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bits = u64::deserialize(deserializer)?;
        Self::from_bits(bits).ok_or_else(|| serde::de::Error::custom("no handle is 0"))
    }
}

/// Names a value, a slice, or plain bytes in a [`DefragHeap`](super::DefragHeap), wherever it lies: good until it is freed, and
/// never again; in another heap it names nothing. `Copy`, 16 bytes, and so is an `Option` of it; `Send` and `Sync` whatever `T` is.
pub struct DefragHandle<T: ?Sized = [u8]> {
    /// Which heap of all that this process ever had.
    stamp: u64,
    name: SpaceHandle,
    /// Only a name: it neither owns nor borrows the value. Of exactly this type: what is written under a handle of a narrower type
    /// (of functions that take references, say) would be read under one of a wider.
    of: PhantomData<fn(*const T) -> *const T>,
}

impl<T: ?Sized> DefragHandle<T> {
    #[inline]
    pub(super) fn new(stamp: u64, name: SpaceHandle) -> Self {
        Self { stamp, name, of: PhantomData }
    }

    #[inline]
    pub(super) fn stamp(self) -> u64 {
        self.stamp
    }

    /// Its name among the blocks of its heap, as [maps](super::MapPiece) tell it.
    #[inline]
    #[must_use]
    pub const fn name(self) -> SpaceHandle {
        self.name
    }
}

impl<T: ?Sized> Clone for DefragHandle<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for DefragHandle<T> {}

impl<T: ?Sized> PartialEq for DefragHandle<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.stamp, self.name) == (other.stamp, other.name)
    }
}

impl<T: ?Sized> Eq for DefragHandle<T> {}

impl<T: ?Sized> Hash for DefragHandle<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.stamp, self.name).hash(state);
    }
}

impl<T: ?Sized> fmt::Debug for DefragHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (slot, generation) = self.name.parts();
        write!(f, "DefragHandle({slot}v{generation}@{})", self.stamp)
    }
}

/// Something that was asked of a [`DefragHeap`](super::DefragHeap) under a handle was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DefragError {
    /// What it named has been freed.
    Stale,
    /// It is a handle of another heap.
    Foreign,
    /// What it names is pinned: somebody reads it, perhaps on another thread. Drop the pins first.
    Pinned,
    /// There is no room and no memory.
    Fit(FitError),
}

impl fmt::Display for DefragError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stale => "what this handle named has been freed",
            Self::Foreign => "this is a handle of another heap",
            Self::Pinned => "it is pinned: drop the pins first",
            Self::Fit(error) => return error.fmt(f),
        })
    }
}

impl From<FitError> for DefragError {
    fn from(error: FitError) -> Self {
        Self::Fit(error)
    }
}

impl core::error::Error for DefragError {}
