//! Call stacks, by their numbers.

use std::ops::Deref;

use arenite::record::format::events::Frames;
use hashbrown::HashMap;

/// The most call stacks that are kept.
pub(crate) const MOST_STACKS: usize = 1 << 21;
/// The most return addresses that are kept.
const MOST_ADDRESSES: usize = 1 << 25;

/// A call stack: its return addresses, from the innermost call outwards, none if it is not known; and when it was told, which says
/// by which modules they are to be read. Before a module was loaded where another one had been, the same addresses were others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallStack<'a> {
    /// Return addresses.
    pub addresses: &'a [u64],
    /// A time in units of the capture.
    pub told: u64,
}

impl<'a> From<&'a [u64]> for CallStack<'a> {
    /// Told when the recording began.
    fn from(addresses: &'a [u64]) -> Self {
        Self { addresses, told: 0 }
    }
}

impl Deref for CallStack<'_> {
    type Target = [u64];

    fn deref(&self) -> &[u64] {
        self.addresses
    }
}

/// Where the addresses of one are.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: u32,
    len: u32,
    told: u64,
}

/// All call stacks of a capture.
#[derive(Clone, Debug, Default)]
pub(crate) struct Stacks {
    places: HashMap<u32, Place>,
    addresses: Vec<u64>,
}

impl Stacks {
    pub(crate) fn get(&self, number: u32) -> CallStack<'_> {
        self.places.get(&number).map_or_else(CallStack::default, |place| {
            let (at, len) = (place.at as usize, place.len as usize);
            CallStack { addresses: &self.addresses[at..at + len], told: place.told }
        })
    }

    /// False if there is no room.
    pub(crate) fn keep(&mut self, number: u32, told: u64, frames: &Frames<'_>) -> bool {
        if self.places.contains_key(&number) {
            return true;
        }
        let at = self.addresses.len();
        if self.places.len() >= MOST_STACKS || at + frames.len() > MOST_ADDRESSES {
            return false;
        }
        self.addresses.extend(frames.iter());
        let len = (self.addresses.len() - at) as u32;
        self.places.insert(number, Place { at: at as u32, len, told });
        true
    }
}
