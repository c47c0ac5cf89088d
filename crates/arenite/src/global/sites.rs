//! Under which scopes blocks were made, by tag: what names the places where a level leaked.
//!
//! ```text
//!   a scope opens, or one inside it closes ─► the thread looks closer once      (ledger/current.rs, base/thread.rs)
//!   its next block ─► calls::note ─► write_down (cold) ─► Sites::note: the place where the scope was opened, of its tag
//! ```
//!
//! So a scope under which nothing is made is not noted, and the blocks after the first one pay nothing.
#![expect(unsafe_code, reason = "keeps references as addresses, so that they can be atomics")]

use core::panic::Location;
use core::ptr::null_mut;

use crate::base::next_stamp;
use crate::base::sync::{AtomicPtr, AtomicU64, Ordering};
use crate::ledger::Ledger;

/// Places that are known of each tag; the one that was noted longest ago makes room.
pub(super) const KEPT: usize = 4;

/// Places, the latest first.
pub(super) type Places = [Option<&'static Location<'static>>; KEPT];

/// A place, and when a block was made there.
struct Site {
    /// Null, or a static place.
    place: AtomicPtr<Location<'static>>,
    stamp: AtomicU64,
}

struct Sites([[Site; KEPT]; Ledger::CAPACITY]);

static SITES: Sites = Sites(
    [const { [const { Site { place: AtomicPtr::new(null_mut()), stamp: AtomicU64::new(0) } }; KEPT] };
        Ledger::CAPACITY],
);

impl Site {
    fn place(&self) -> Option<&'static Location<'static>> {
        // SAFETY: null, or what `note` was given, which is there for ever.
        unsafe { self.place.load(Ordering::Relaxed).as_ref() }
    }
}

/// A block of the tag with this place in the process's ledger was made under a scope that was opened there. Where two threads note
/// places of one tag at the same moment, one of the two may be lost, or have the other one's time.
pub(super) fn note(tag: usize, place: &'static Location<'static>) {
    let row = &SITES.0[tag % Ledger::CAPACITY];
    let known = row.iter().find(|site| site.place() == Some(place));
    let oldest = || row.iter().min_by_key(|site| site.stamp.load(Ordering::Relaxed));
    if let Some(site) = known.or_else(oldest) {
        site.place.store(core::ptr::from_ref(place).cast_mut(), Ordering::Relaxed);
        site.stamp.store(next_stamp(), Ordering::Relaxed);
    }
}

/// What is noted of a tag since a stamp was drawn; if that is nothing, the one that was noted last.
pub(super) fn since(tag: usize, stamp: u64) -> Places {
    let row = &SITES.0[tag % Ledger::CAPACITY];
    let mut noted = row.each_ref().map(|site| (site.stamp.load(Ordering::Relaxed), site.place()));
    noted.sort_unstable_by_key(|(at, _)| core::cmp::Reverse(*at));
    let mut places = noted.map(|(at, place)| place.filter(|_| at > stamp));
    places[0] = noted[0].1;
    places
}
