//! Who may reuse, and who must free, a frame buffer that was lent to another thread: three states of one word.
//!
//! ```text
//!            lend                    give_back
//!   HOME ───────────► LENT ──────────────────────► HOME      the arena uses it again
//!                      │  abandon
//!                      └─────────► ORPHAN ── give_back ──►   the borrower frees it
//! ```
//!
//! `lend` and `abandon` are the arena's, `give_back` the borrower's.

use crate::base::sync::{AtomicU32, Ordering};

const HOME: u32 = 0;
const LENT: u32 = 1;
const ORPHAN: u32 = 2;

/// The state of one buffer. Stands at the start of the buffer, where both sides can reach it.
#[derive(Debug)]
pub(super) struct Lease(AtomicU32);

/// Who frees the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The arena that made it.
    Arena,
    /// The packet that borrowed it.
    Borrower,
}

impl Lease {
    pub(super) fn new() -> Self {
        Self(AtomicU32::new(HOME))
    }

    /// The arena lends the buffer out. It was at home.
    pub(super) fn lend(&self) {
        let was = self.0.swap(LENT, Ordering::Relaxed);
        debug_assert_eq!(was, HOME);
    }

    /// Whether the buffer is at home; what the borrower read of it happened before that.
    pub(super) fn is_home(&self) -> bool {
        self.0.load(Ordering::Acquire) == HOME
    }

    /// The borrower is done. Answers who frees the buffer: the arena as long as there is one.
    pub(super) fn give_back(&self) -> Owner {
        // Release: the borrower's reads happen before the arena writes there again. Acquire: everything the arena
        // did to the buffer happens before the borrower frees it.
        match self.0.compare_exchange(LENT, HOME, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Owner::Arena,
            Err(_) => Owner::Borrower,
        }
    }

    /// The arena goes away. Answers who frees the buffer: the borrower if it still has it.
    pub(super) fn abandon(&self) -> Owner {
        match self.0.compare_exchange(LENT, ORPHAN, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => Owner::Borrower,
            Err(_) => Owner::Arena,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_side_frees() {
        let lease = Lease::new();
        assert!(lease.is_home());
        lease.lend();
        assert!(!lease.is_home());
        assert_eq!(lease.give_back(), Owner::Arena);
        assert!(lease.is_home());
        assert_eq!(lease.abandon(), Owner::Arena);

        let lease = Lease::new();
        lease.lend();
        assert_eq!(lease.abandon(), Owner::Borrower);
        assert_eq!(lease.give_back(), Owner::Borrower);
    }
}

#[cfg(all(test, loom))]
mod loom_tests {
    use super::*;
    use loom::cell::UnsafeCell;
    use loom::sync::Arc;

    #[test]
    #[expect(unsafe_code, reason = "loom's cell stands for the buffer's memory")]
    fn loom_reads_of_the_borrower_never_meet_writes_of_the_arena() {
        loom::model(|| {
            let shared = Arc::new((Lease::new(), UnsafeCell::new(1u32)));
            shared.0.lend();
            let borrower = {
                let shared = Arc::clone(&shared);
                loom::thread::spawn(move || {
                    // SAFETY: loom checks that no write happens at the same time.
                    shared.1.with(|value| assert_eq!(unsafe { *value }, 1));
                    shared.0.give_back()
                })
            };
            if shared.0.is_home() {
                // SAFETY: loom checks that no read happens at the same time.
                shared.1.with_mut(|value| unsafe { *value = 2 });
            }
            assert_eq!(borrower.join().unwrap(), Owner::Arena);
        });
    }

    #[test]
    #[expect(unsafe_code, reason = "loom's cell stands for the buffer's memory")]
    fn loom_arena_and_borrower_agree_on_who_frees() {
        loom::model(|| {
            let shared = Arc::new((Lease::new(), UnsafeCell::new(1u32)));
            shared.0.lend();
            let borrower = {
                let shared = Arc::clone(&shared);
                loom::thread::spawn(move || {
                    let owner = shared.0.give_back();
                    if owner == Owner::Borrower {
                        // SAFETY: loom checks that the other side does not free at the same time.
                        shared.1.with_mut(|value| unsafe { *value = 0 });
                    }
                    owner
                })
            };
            let mine = shared.0.abandon();
            if mine == Owner::Arena {
                // SAFETY: loom checks that the other side does not free at the same time.
                shared.1.with_mut(|value| unsafe { *value = 0 });
            }
            assert_eq!(mine, borrower.join().unwrap());
        });
    }
}
