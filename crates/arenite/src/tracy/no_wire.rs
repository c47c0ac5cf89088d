//! In place of Tracy's client, where it is not built.

use super::names::Name;
use super::sink::Wire;

/// A client, which nobody ever has: [`start`](Self::start) makes none.
#[derive(Debug)]
pub(super) struct Live(());

impl Live {
    pub(super) fn start() -> Option<Self> {
        None
    }

    pub(super) fn set_depth(&self, _frames: u32) {}

    pub(super) fn is_connected(&self) -> bool {
        false
    }

    pub(super) fn frame(&self) {}

    pub(super) fn mark(&self, _text: &str) {}

    pub(super) fn note(&self, _text: &str) {}

    pub(super) fn plot(&self, _name: &'static Name, _bytes: usize) {}

    pub(super) fn configure(&self, _name: &'static Name) {}
}

impl Wire for Live {
    fn alloc(&self, _address: usize, _size: usize, _pool: &'static Name) {}

    fn free(&self, _address: usize, _pool: &'static Name) {}
}
