//! What the process has loaded, and what each module is known by: so that a reader does not take another file for it.
//!
//! ```text
//!   Changes    was something loaded or unloaded since?      ─┐
//!   Book       all modules that there were, and their ids    ├─ each system's own way of asking: linux, windows, macos
//!   maps       lines of the system's own, if it has such    ─┘
//! ```
//!
//! Only the writer asks. Nothing is allocated, and what is not there to be read is no fault: modules come and go meanwhile.

use core::fmt;

use crate::os;

#[cfg(any(target_os = "macos", windows))]
mod by_sum;
#[cfg(target_os = "linux")]
#[path = "modules/linux.rs"]
mod system;
#[cfg(windows)]
#[path = "modules/windows.rs"]
mod system;
#[cfg(target_os = "macos")]
#[path = "modules/macos.rs"]
mod system;
#[cfg(not(any(target_os = "linux", target_os = "macos", windows)))]
#[path = "modules/none.rs"]
mod system;

#[cfg(any(target_os = "macos", windows))]
pub(super) use by_sum::{ASKING, Changes};
pub(super) use system::maps;
#[cfg(not(any(target_os = "macos", windows)))]
pub(super) use system::{ASKING, Changes};

/// The most modules that are told apart.
const MOST: usize = 2048;

/// What a module's file is known by: as its kind of file has it, or nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Id {
    bytes: [u8; Self::MOST],
    len: u8,
}

impl Id {
    const MOST: usize = 32;

    /// What is longer is cut off.
    fn new(bytes: &[u8]) -> Self {
        let len = bytes.len().min(Self::MOST);
        let mut id = Self { bytes: [0; Self::MOST], len: len as u8 };
        id.bytes[..len].copy_from_slice(&bytes[..len]);
        id
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.len == 0 {
            return f.write_str("-");
        }
        self.bytes[..usize::from(self.len)].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A module that is loaded. Shown as its line in a capture, without its file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Module {
    start: usize,
    end: usize,
    /// What is to be taken from an address to get the one that is in the file.
    bias: usize,
    id: Id,
    /// Of its name: two modules may lack an id.
    name: u64,
}

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { start, end, bias, id, .. } = self;
        write!(f, "{} {start:x}-{end:x} {bias:x} {id}", system::KIND)
    }
}

impl Module {
    /// Its line is shorter: a word, three addresses, an id.
    pub(super) const LONGEST_LINE: usize = 8 + 3 * 17 + 2 * Id::MOST + 2;

    /// Of whole pages.
    fn new(start: usize, end: usize, bias: usize, id: Id, name: u64) -> Self {
        let page = os::page_size();
        Self { start: start & !(page - 1), end: end.next_multiple_of(page), bias, id, name }
    }

    fn overlaps(&self, other: &Self) -> bool {
        self.start < other.end && other.start < self.end
    }
}

/// A module, and when it was last seen.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    module: Module,
    look: u32,
}

/// The modules that were there since addresses were last used anew. All zeros: none.
#[derive(Debug)]
pub(super) struct Book {
    known: [Known; MOST],
    len: usize,
    looks: u32,
}

impl Book {
    /// Forgets all, for another recording.
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    /// Looks at what is loaded. Whether a module is where another one was.
    pub(super) fn look(&mut self) -> bool {
        let (mut reused, full) = self.pass();
        if full || reused {
            self.keep_seen();
        }
        if full {
            self.pass();
            reused = true;
        }
        reused
    }

    /// The modules that were there when this was last looked at.
    pub(super) fn modules(&self) -> impl Iterator<Item = &Module> {
        let all = &self.known[..self.len];
        all.iter().filter(|known| known.look == self.looks).map(|known| &known.module)
    }

    /// Whether a module is where another one was, and whether there was no room for one.
    fn pass(&mut self) -> (bool, bool) {
        self.looks = self.looks.wrapping_add(1);
        let (mut reused, mut full) = (false, false);
        system::each(|module| {
            let known = &mut self.known[..self.len];
            if let Some(same) = known.iter_mut().find(|known| known.module == *module) {
                same.look = self.looks;
                return;
            }
            reused |= known.iter().any(|known| known.module.overlaps(module));
            full |= self.len == MOST;
            if !full {
                self.known[self.len] = Known { module: *module, look: self.looks };
                self.len += 1;
            }
        });
        (reused, full)
    }

    /// What is gone is forgotten.
    fn keep_seen(&mut self) {
        let mut kept = 0;
        for place in 0..self.len {
            if self.known[place].look == self.looks {
                self.known[kept] = self.known[place];
                kept += 1;
            }
        }
        self.len = kept;
    }
}

#[cfg(all(test, target_os = "linux"))]
impl Book {
    /// An empty one.
    const fn new() -> Self {
        const NONE: Known = Known {
            module: Module { start: 0, end: 0, bias: 0, id: Id { bytes: [0; Id::MOST], len: 0 }, name: 0 },
            look: 0,
        };
        Self { known: [NONE; MOST], len: 0, looks: 0 }
    }
}
