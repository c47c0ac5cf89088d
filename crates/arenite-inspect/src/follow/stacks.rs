//! Return addresses of call stacks, by their numbers.

use arenite::record::format::events::Frames;
use hashbrown::HashMap;

/// The most call stacks that are kept.
pub(super) const MOST_STACKS: usize = 1 << 21;
/// The most return addresses that are kept.
const MOST_ADDRESSES: usize = 1 << 25;

#[derive(Debug, Default)]
pub(super) struct Stacks {
    /// Where each begins, and how many there are.
    places: HashMap<u32, (u32, u32)>,
    addresses: Vec<u64>,
}

impl Stacks {
    /// From the innermost call outwards; none if it is not known.
    pub(super) fn get(&self, number: u32) -> &[u64] {
        self.places.get(&number).map_or(&[], |(at, len)| &self.addresses[*at as usize..][..*len as usize])
    }

    /// False if there is no room.
    pub(super) fn keep(&mut self, number: u32, frames: &Frames<'_>) -> bool {
        if self.places.contains_key(&number) {
            return true;
        }
        let at = self.addresses.len();
        if self.places.len() >= MOST_STACKS || at + frames.len() > MOST_ADDRESSES {
            return false;
        }
        self.addresses.extend(frames.iter());
        self.places.insert(number, (at as u32, (self.addresses.len() - at) as u32));
        true
    }
}
