//! Where nobody asks.

use std::io;

use super::Module;
use crate::base::sync::Lock;

pub(super) const KIND: &str = "none";

/// Nobody takes it.
pub(in super::super) static ASKING: Lock<()> = Lock::new(());

/// Nothing.
#[derive(Debug, Default)]
pub(in super::super) struct Changes;

impl Changes {
    pub(in super::super) fn look(&mut self) -> bool {
        false
    }
}

pub(super) fn each(_each: impl FnMut(&Module)) {}

pub(in super::super) fn maps(_line: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
    Ok(())
}
