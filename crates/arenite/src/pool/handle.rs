//! The name of a slot that notices when the slot was given to another value.

use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::marker::PhantomData;
use core::num::NonZeroU32;

/// Names a value in a pool of `T`: a slot's index and the generation it had when the value went in. Resolves to nothing
/// once the value is gone, also when its slot has been taken again. Choose it over a reference for everything that refers
/// to something else for longer than a function call.
///
/// 8 bytes, as is `Option<Handle<T>>`; `Copy`, and `Send` and `Sync` whatever `T` is, for it is only a number. Ordered by
/// slot. A handle does not know its pool: another pool of the same type takes it for its own.
///
/// ```
/// use arenite::Handle;
/// let handle = Handle::<str>::from_bits(0x7_0000_0003).expect("the generation is odd");
/// assert_eq!((handle.index(), handle.generation()), (3, 7));
/// assert_eq!(Handle::from_bits(handle.to_bits()), Some(handle));
/// assert_eq!(size_of::<Option<Handle<String>>>(), 8);
/// ```
pub struct Handle<T: ?Sized> {
    index: u32,
    /// Odd. Pools rely on it: a slot whose own number is even holds no value, and so fits no handle.
    generation: NonZeroU32,
    names: PhantomData<fn() -> *const T>,
}

impl<T: ?Sized> Handle<T> {
    /// `generation` is odd.
    #[inline]
    pub(crate) const fn new(index: u32, generation: NonZeroU32) -> Self {
        debug_assert!(generation.get() & 1 == 1, "the generation of a handle is odd");
        Self { index, generation, names: PhantomData }
    }

    /// Which slot it names.
    #[inline]
    #[must_use]
    pub const fn index(self) -> u32 {
        self.index
    }

    /// How often the slot had been given out when this handle was made, by the pool's own count; always odd.
    #[inline]
    #[must_use]
    pub const fn generation(self) -> u32 {
        self.generation.get()
    }

    #[inline]
    pub(crate) const fn generation_nonzero(self) -> NonZeroU32 {
        self.generation
    }

    /// As one number, for scripts, C and files: the generation in the upper half, the index in the lower; never 0.
    #[inline]
    #[must_use]
    pub const fn to_bits(self) -> u64 {
        (self.generation.get() as u64) << 32 | self.index as u64
    }

    /// From a number that [`to_bits`](Self::to_bits) gave. Any other number makes a handle that resolves to nothing, or
    /// to whatever happens to be named by it; that is never unsound. `None` when the upper half is even, which no handle's is.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u64) -> Option<Self> {
        match NonZeroU32::new((bits >> 32) as u32) {
            Some(generation) if generation.get() & 1 == 1 => Some(Self::new(bits as u32, generation)),
            _ => None,
        }
    }
}

impl<T: ?Sized> Clone for Handle<T> {
    #[inline]
    fn clone(&self) -> Self {
        *self
    }
}

impl<T: ?Sized> Copy for Handle<T> {}

impl<T: ?Sized> PartialEq for Handle<T> {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.to_bits() == other.to_bits()
    }
}

impl<T: ?Sized> Eq for Handle<T> {}

impl<T: ?Sized> PartialOrd for Handle<T> {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<T: ?Sized> Ord for Handle<T> {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        (self.index, self.generation).cmp(&(other.index, other.generation))
    }
}

impl<T: ?Sized> Hash for Handle<T> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_bits().hash(state);
    }
}

impl<T: ?Sized> fmt::Debug for Handle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}v{}", self.index, self.generation)
    }
}

#[cfg(feature = "serde")]
impl<T: ?Sized> serde::Serialize for Handle<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.to_bits())
    }
}

#[cfg(feature = "serde")]
impl<'de, T: ?Sized> serde::Deserialize<'de> for Handle<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bits = u64::deserialize(deserializer)?;
        Self::from_bits(bits)
            .ok_or_else(|| serde::de::Error::custom("a handle's upper half, its generation, is odd"))
    }
}
