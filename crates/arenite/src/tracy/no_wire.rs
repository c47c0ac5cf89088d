//! In place of Tracy's client, where it is not built.

use super::names::Name;
use super::sink::Wire;

/// A client that can not be started.
#[derive(Debug)]
pub(super) enum Live {}

impl Live {
    pub(super) const IS_THERE: bool = false;

    pub(super) fn start() -> Self {
        unreachable!("nobody starts what is not there")
    }

    pub(super) fn set_depth(&self, _frames: u32) {
        match *self {}
    }

    pub(super) fn is_connected(&self) -> bool {
        match *self {}
    }

    pub(super) fn frame(&self) {
        match *self {}
    }

    pub(super) fn mark(&self, _text: &str) {
        match *self {}
    }

    pub(super) fn note(&self, _text: &str) {
        match *self {}
    }

    pub(super) fn plot(&self, _name: &'static Name, _bytes: usize) {
        match *self {}
    }

    pub(super) fn configure(&self, _name: &'static Name) {
        match *self {}
    }
}

impl Wire for Live {
    fn alloc(&self, _address: usize, _size: usize, _pool: &'static Name) {
        match *self {}
    }

    fn free(&self, _address: usize, _pool: &'static Name) {
        match *self {}
    }
}
