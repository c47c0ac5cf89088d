//! A value that did not go in comes back.

use core::fmt;

use crate::region::AllocError;

/// A value was not taken, for want of a place; here it is again. The pool is as it was.
pub struct InsertError<T> {
    /// What was to be inserted.
    pub value: T,
    /// Why there is no place for it.
    pub error: AllocError,
}

impl<T> InsertError<T> {
    /// Gives the value back.
    #[must_use]
    pub fn into_value(self) -> T {
        self.value
    }
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
