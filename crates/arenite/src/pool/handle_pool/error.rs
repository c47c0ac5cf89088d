//! Why a handle pool refuses.

use core::fmt;

use crate::region::AllocError;

/// A value was not inserted: here it is again, and why.
pub struct InsertError<T> {
    /// What was to be inserted.
    pub value: T,
    /// Why there is no slot for it.
    pub error: AllocError,
}

impl<T> fmt::Debug for InsertError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InsertError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for InsertError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> core::error::Error for InsertError<T> {}

impl<T> From<InsertError<T>> for AllocError {
    fn from(refused: InsertError<T>) -> Self {
        refused.error
    }
}

/// Several values can not be borrowed together. Positions count the handles that were given, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DisjointError {
    /// The handle at this position names nothing any more.
    Stale {
        /// Which of the handles.
        position: usize,
    },
    /// The handle at this position names the same slot as one before it.
    Repeated {
        /// Which of the handles.
        position: usize,
    },
}

impl fmt::Display for DisjointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stale { position } => {
                write!(f, "handle {position} names nothing any more; look each up with `get` first")
            }
            Self::Repeated { position } => {
                write!(f, "handle {position} names the same value as one before it; give each only once")
            }
        }
    }
}

impl core::error::Error for DisjointError {}

/// One more value can not be borrowed beside those that are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BorrowError {
    /// The handle names nothing any more.
    Stale,
    /// Its value was borrowed here before.
    Borrowed,
}

impl fmt::Display for BorrowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stale => "the handle names nothing any more",
            Self::Borrowed => "the value is borrowed already; use that borrow, or begin another one after it",
        })
    }
}

impl core::error::Error for BorrowError {}
