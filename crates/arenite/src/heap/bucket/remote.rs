//! Blocks of a page that other threads freed: one word, so that whoever frees and whoever owns meet in one exchange.
//!
//! ```text
//!   word:  first block (in units of 16 bytes from the start of the span) | how many | FULL | MAIL
//!
//!   others:  push ── FULL was set? clear it, set MAIL, and post the page to its owner
//!   owner:   take all;   full: nothing came meanwhile? set FULL;   delivered: clear MAIL
//! ```
//!
//! A page with nothing left is out of its owner's sight. `FULL` makes the first thread that frees one of its blocks say so;
//! `MAIL` holds from then until the owner has been told, and the page must stay what it is meanwhile.
//! Links between the blocks are pointers in the blocks themselves and never read by anybody but who takes all.

use crate::base::sync::{AtomicU64, Ordering};

const FIRST_BITS: u32 = 32;
const COUNT: u64 = 1 << FIRST_BITS;
const FULL: u64 = 1 << 62;
const MAIL: u64 = 1 << 63;
const FLAGS: u64 = FULL | MAIL;

/// The word. All zero: nothing came.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(super) struct Remote(AtomicU64);

/// What others gave back: the first block, in units from the start of the span, and how many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) first: u32,
    pub(super) count: u32,
}

impl Remote {
    /// A page begins or ends: nothing came. By its owner, whom nobody else knows yet or any more.
    pub(super) fn reset(&self) {
        self.0.store(0, Ordering::Relaxed);
    }

    /// Puts a chain of blocks on top. `link` writes what was the first block (units, or `None`) into the chain's last one; it
    /// may be called more than once. Answers whether the caller must post the page to its owner.
    #[inline]
    pub(super) fn push(&self, chain: Chain, mut link: impl FnMut(Option<u32>)) -> bool {
        let mut was = self.0.load(Ordering::Relaxed);
        loop {
            let count = (was & !FLAGS) >> FIRST_BITS;
            link((count > 0).then_some(was as u32));
            let full = was & FULL != 0;
            let flags = if full { MAIL } else { was & MAIL };
            let now = u64::from(chain.first) | ((count + u64::from(chain.count)) << FIRST_BITS) | flags;
            // Release: the links, and all that was done with the blocks, come with it.
            match self.0.compare_exchange_weak(was, now, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return full,
                Err(seen) => was = seen,
            }
        }
    }

    /// Takes all that came. By the owner.
    pub(super) fn take(&self) -> Option<Chain> {
        let mut was = self.0.load(Ordering::Relaxed);
        loop {
            let count = ((was & !FLAGS) >> FIRST_BITS) as u32;
            if count == 0 {
                return None;
            }
            // Acquire: the links. All changes are read-modify-writes, so those of earlier pushes come too.
            match self.0.compare_exchange_weak(was, was & FLAGS, Ordering::Acquire, Ordering::Relaxed) {
                Ok(_) => return Some(Chain { first: was as u32, count }),
                Err(seen) => was = seen,
            }
        }
    }

    /// Asks to be told of the next block that comes. `false` if some came already: take them. Of a page in the mail the owner
    /// is told anyhow: to ask again would have it posted twice. By the owner.
    pub(super) fn set_full(&self) -> bool {
        let was = self.0.load(Ordering::Relaxed);
        // Nobody but the owner takes `MAIL` away.
        was & !FLAGS == 0
            && (was & MAIL != 0
                || self.0.compare_exchange(was, was | FULL, Ordering::Relaxed, Ordering::Relaxed).is_ok())
    }

    /// Needs not be told any more. By the owner.
    pub(super) fn clear_full(&self) {
        self.0.fetch_and(!FULL, Ordering::Relaxed);
    }

    /// Has been told. By the owner, of a page out of its mail.
    pub(super) fn delivered(&self) {
        // Acquire: whoever posted it does not touch the page any more.
        self.0.fetch_and(!MAIL, Ordering::Acquire);
    }

    /// Whether the page is, or is about to be, in its owner's mail.
    pub(super) fn in_mail(&self) -> bool {
        self.0.load(Ordering::Relaxed) & MAIL != 0
    }

    /// What came and was not taken. Of this moment.
    #[cfg(not(loom))]
    pub(super) fn peek(&self) -> Option<Chain> {
        let word = self.0.load(Ordering::Relaxed);
        let count = ((word & !FLAGS) >> FIRST_BITS) as u32;
        (count > 0).then_some(Chain { first: word as u32, count })
    }

    /// How many came that were not taken. Of this moment.
    pub(super) fn count(&self) -> u32 {
        ((self.0.load(Ordering::Relaxed) & !FLAGS) / COUNT) as u32
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn chains_pile_up_and_flags_stay() {
        let remote = Remote::default();
        assert_eq!((remote.take(), remote.count(), remote.in_mail()), (None, 0, false));
        assert!(remote.set_full());
        let mut below = std::vec::Vec::new();
        assert!(remote.push(Chain { first: 7, count: 2 }, |first| below.push(first)), "it was full");
        assert!(!remote.push(Chain { first: 0, count: 1 }, |first| below.push(first)));
        assert_eq!((below, remote.count(), remote.in_mail()), (std::vec![None, Some(7)], 3, true));
        assert!(!remote.set_full(), "some came");
        assert_eq!(remote.take(), Some(Chain { first: 0, count: 3 }));
        assert!(remote.in_mail() && remote.set_full());
        assert!(!remote.push(Chain { first: 5, count: 1 }, |_| ()), "it is in the mail already");
        assert_eq!(remote.take(), Some(Chain { first: 5, count: 1 }));
        remote.clear_full();
        remote.delivered();
        assert_eq!((remote.take(), remote.in_mail()), (None, false));
    }
}
