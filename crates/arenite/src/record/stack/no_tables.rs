//! Where tables of exceptions are not read by the recorder: the unwinding library does it, if there is one.
#![expect(unsafe_code, reason = "as where they are read")]

use super::Caller;
use crate::ledger::Tag;
use crate::region::AllocError;

/// Nothing.
#[derive(Debug)]
pub(in super::super) struct Tables;

/// A stack that was walked: there is none.
#[derive(Debug)]
pub(in super::super) struct Walked<'a>(core::convert::Infallible, core::marker::PhantomData<&'a ()>);

impl Walked<'_> {
    pub(in super::super) fn hash(&self) -> u64 {
        match self.0 {}
    }

    pub(in super::super) fn frames(&self) -> impl ExactSizeIterator<Item = u64> {
        core::iter::empty()
    }
}

impl Tables {
    #[expect(clippy::unnecessary_wraps, reason = "as where memory is asked for")]
    pub(in super::super) fn try_new(_tag: Tag) -> Result<Self, AllocError> {
        Ok(Self)
    }

    pub(in super::super) fn forget(&self) {}

    /// # Safety
    /// Asks for nothing.
    pub(in super::super) unsafe fn walk(
        &self,
        _row: usize,
        _caller: Caller,
        _high: usize,
        _depth: usize,
        _seed: u64,
    ) -> Option<Walked<'_>> {
        None
    }
}
