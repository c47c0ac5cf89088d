//! What Tracy knows pools and plots by: the address of a text that ends with a zero and stays. Tracy asks for the text later.

use core::ffi::c_char;

use crate::base::sync::{Once, spin_loop};
use crate::ledger::{Ledger, NAME_MAX, Tag};

/// What the name of a tag's plot has at its end.
const COMMITTED: &str = ": committed";

/// A text that ends with a zero.
#[derive(Debug)]
pub(super) struct Name([u8; NAME_MAX + COMMITTED.len() + 1]);

impl Name {
    const fn new(text: &str, end: &str) -> Self {
        let (text, end) = (text.as_bytes(), end.as_bytes());
        let mut name = [0; NAME_MAX + COMMITTED.len() + 1];
        let mut len = 0;
        // One is left, which stays zero.
        while len < text.len() + end.len() {
            name[len] = if len < text.len() { text[len] } else { end[len - text.len()] };
            len += 1;
        }
        Self(name)
    }

    /// For Tracy.
    #[cfg_attr(
        all(windows, target_env = "gnu", not(test)),
        expect(dead_code, reason = "there is no Tracy there")
    )]
    pub(super) const fn as_ptr(&'static self) -> *const c_char {
        (&raw const self.0).cast()
    }

    /// For people.
    #[cfg(test)]
    pub(super) fn to_str(&self) -> &str {
        core::ffi::CStr::from_bytes_until_nul(&self.0).expect("it ends").to_str().expect("it was a text")
    }
}

/// Of the plot of what the process has in memory.
pub(super) static RESIDENT: Name = Name::new("resident memory", "");

/// The names that a tag has in Tracy.
#[derive(Debug)]
pub(super) struct Names {
    /// Of its blocks.
    pub(super) pool: Name,
    /// Of its committed bytes.
    pub(super) plot: Name,
}

static NAMES: [Once<Names>; Ledger::CAPACITY] = [const { Once::new() }; Ledger::CAPACITY];

/// Those of a tag of the process's ledger.
pub(super) fn of(tag: Tag) -> &'static Names {
    let names = &NAMES[tag.place()];
    loop {
        if let Some(names) = names.get() {
            return names;
        }
        // It fails if another thread is at it, which will have done it soon.
        let _ = names.set(Names { pool: Name::new(tag.name(), ""), plot: Name::new(tag.name(), COMMITTED) });
        spin_loop();
    }
}

/// Those of the tag at this place of the process's ledger, which must be there.
pub(super) fn at(place: u16) -> &'static Names {
    let names = &NAMES[usize::from(place)];
    names.get().unwrap_or_else(|| of(Ledger::process().at(usize::from(place)).expect("it was told of")))
}
