//! Fault injection: makes calls to the operating system fail on the calling thread, so that every failure path of the
//! floors above is reached by a test.
//!
//! ```
//! # use arenite::os::{self, fake, Call};
//! let plan = fake::fail_after(Call::Commit, 2); // two commits work, then none
//! # let _ = plan.refused();
//! drop(plan); // back to the real system
//! ```

use core::cell::Cell;
use core::marker::PhantomData;

use super::Call;

#[derive(Clone, Copy)]
struct Plan {
    /// `None` means calls of every kind.
    call: Option<Call>,
    allowed: u64,
    seen: u64,
    refused: u64,
    /// How many refusals before calls work again.
    fails: u64,
}

std::thread_local! {
    static PLAN: Cell<Option<Plan>> = const { Cell::new(None) };
}

/// While it lives, calls fail as planned on the thread that made it. Dropping it ends the plan.
#[derive(Debug)]
#[must_use = "the plan ends when this is dropped"]
pub struct Faults {
    not_send: PhantomData<*mut ()>,
}

/// Lets `allowed` calls of this kind through, then refuses all that follow.
pub fn fail_after(call: Call, allowed: u64) -> Faults {
    start(Some(call), allowed, u64::MAX)
}

/// Lets `allowed` calls of any kind through, then refuses all that follow.
pub fn fail_all_after(allowed: u64) -> Faults {
    start(None, allowed, u64::MAX)
}

/// Lets `allowed` calls of any kind through, refuses one, and lets the rest through.
pub fn fail_once_after(allowed: u64) -> Faults {
    start(None, allowed, 1)
}

fn start(call: Option<Call>, allowed: u64, fails: u64) -> Faults {
    PLAN.with(|plan| {
        assert!(plan.get().is_none(), "a fault plan runs on this thread already");
        plan.set(Some(Plan { call, allowed, seen: 0, refused: 0, fails }));
    });
    Faults { not_send: PhantomData }
}

impl Faults {
    /// How many calls were refused so far.
    #[must_use]
    pub fn refused(&self) -> u64 {
        PLAN.with(|plan| plan.get().map_or(0, |plan| plan.refused))
    }

    /// How many calls of the planned kind were made so far, refused or not.
    #[must_use]
    pub fn seen(&self) -> u64 {
        PLAN.with(|plan| plan.get().map_or(0, |plan| plan.seen))
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        PLAN.with(|plan| plan.set(None));
    }
}

pub(super) fn refuses(call: Call) -> bool {
    // A thread that is being torn down has no plan any more.
    PLAN.try_with(|cell| {
        let Some(mut plan) = cell.get() else { return false };
        if plan.call.is_some_and(|planned| planned != call) {
            return false;
        }
        let refuse = plan.seen >= plan.allowed && plan.refused < plan.fails;
        plan.seen += 1;
        plan.refused += u64::from(refuse);
        cell.set(Some(plan));
        refuse
    })
    .unwrap_or(false)
}
