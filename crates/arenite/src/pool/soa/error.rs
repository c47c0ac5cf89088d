//! Why a row could not be added.

use core::fmt;

use crate::region::AllocError;

/// A row was refused; it is in here, and nothing has changed.
#[non_exhaustive]
pub struct PushError<T> {
    /// What was to be added.
    pub value: T,
    /// Why it was not.
    pub error: AllocError,
}

impl<T> PushError<T> {
    /// Gives the row back.
    #[must_use]
    pub fn into_value(self) -> T {
        self.value
    }
}

impl<T> fmt::Debug for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PushError").field("error", &self.error).finish_non_exhaustive()
    }
}

impl<T> fmt::Display for PushError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl<T> core::error::Error for PushError<T> {}

impl<T> From<PushError<T>> for AllocError {
    fn from(refused: PushError<T>) -> Self {
        refused.error
    }
}
