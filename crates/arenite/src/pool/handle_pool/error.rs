//! Why a handle pool refuses.

use core::fmt;

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
