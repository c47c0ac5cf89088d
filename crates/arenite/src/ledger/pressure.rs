//! Pressure: telling the program that a tag nears or breaks its budget, so that it can free something.
//!
//! The state of an account's alarm changes under the ledger's lock; callbacks run after it is released. Who finds a
//! crossing *claims* the account (`calling`), and until it has delivered nobody else calls that account's callbacks: so
//! they never run twice at once, nor inside each other.

use core::error::Error;
use core::fmt;

use super::account::Claims;
use super::{Budget, BudgetStatus, Tag};
use crate::base::bytes::Bytes;

/// A pressure callback. `'static`, so that keeping it allocates nothing.
pub type PressureCallback = &'static (dyn Fn(&Pressure) + Sync);

/// How many callbacks one tag can have.
pub const CALLBACKS_MAX: usize = 4;

/// How often a callback's own doing (it commits or frees under the tag it was called for) is looked at again before
/// the call that started it returns. More than the two marks there are, and an end to a callback that goes up and down.
const ROUNDS: usize = 4;

/// What a pressure callback is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pressure {
    /// The tag whose budget is concerned; what was charged may be any tag under it.
    pub tag: Tag,
    /// What happened.
    pub level: PressureLevel,
    /// Bytes committed under the tag, just before this call.
    pub in_use: usize,
    /// The tag's budget.
    pub budget: Budget,
    /// Bytes that were refused; 0 when nothing was.
    pub wanted: usize,
}

/// Which mark was crossed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum PressureLevel {
    /// The warning mark was reached.
    Warning,
    /// More is in use than the limit allows.
    Over,
    /// A commit is about to be refused; it is tried again after the callbacks, which may free something. Told of each
    /// commit that is refused, however often.
    Refused,
}

impl fmt::Display for Pressure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (tag, in_use, budget) = (self.tag, Bytes(self.in_use), self.budget);
        match self.level {
            PressureLevel::Warning => write!(f, "tag `{tag}` nears its budget: {in_use} in use, {budget}"),
            PressureLevel::Over => write!(f, "tag `{tag}` is over its budget: {in_use} in use, {budget}"),
            PressureLevel::Refused => {
                write!(f, "tag `{tag}` has no room for {}: {in_use} in use, {budget}", Bytes(self.wanted))
            }
        }
    }
}

/// A tag has [`CALLBACKS_MAX`] pressure callbacks already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallbacksFull {
    /// The tag.
    pub tag: Tag,
}

impl fmt::Display for CallbacksFull {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "tag `{}` has {CALLBACKS_MAX} pressure callbacks already; let one of them call the others",
            self.tag
        )
    }
}

impl Error for CallbacksFull {}

/// The callbacks of one account and what they have been told.
pub(super) struct Alarm {
    callbacks: [Option<PressureCallback>; CALLBACKS_MAX],
    /// The warning mark was crossed and told; set back by [`Alarm::rearm`].
    told_warning: bool,
    /// The limit was crossed and told; set back by [`Alarm::rearm`]. Refusals are told each time and leave it alone.
    told_limit: bool,
    /// A thread is delivering to the callbacks, or about to: nobody else may.
    calling: bool,
}

impl Alarm {
    pub(super) const SILENT: Self =
        Self { callbacks: [None; CALLBACKS_MAX], told_warning: false, told_limit: false, calling: false };

    /// Keeps a callback; false when there is no room.
    pub(super) fn keep(&mut self, callback: PressureCallback) -> bool {
        let Some(slot) = self.callbacks.iter_mut().find(|slot| slot.is_none()) else { return false };
        *slot = Some(callback);
        true
    }

    /// What there is to tell at this status and has not been told.
    fn news(&self, status: BudgetStatus) -> Option<PressureLevel> {
        match status {
            BudgetStatus::Over(_) if !self.told_limit => Some(PressureLevel::Over),
            BudgetStatus::Warning if !self.told_warning => Some(PressureLevel::Warning),
            _ => None,
        }
    }

    fn can_call(&self) -> bool {
        !self.calling && self.callbacks[0].is_some()
    }

    /// Claims the account if there is something to tell and no one is telling. The claimer must [`deliver`].
    pub(super) fn claim(&mut self, status: BudgetStatus) -> bool {
        let claimed = self.can_call() && self.news(status).is_some();
        self.calling |= claimed;
        claimed
    }

    /// As [`Alarm::claim`], for a charge that is about to be refused. Whatever was told before: the program's last chance
    /// to free something comes with each such charge. (Told once per crossing, a callback that freed a little, and so
    /// left the figure near the limit, was not asked when that was used up.)
    pub(super) fn claim_refusal(&mut self) -> bool {
        let claimed = self.can_call();
        self.calling |= claimed;
        claimed
    }

    /// Forgets what was told about a mark once the figure is clearly below it (under 95 %), so that the next crossing
    /// is told again and a figure that trembles around a mark is not told each time.
    pub(super) fn rearm(&mut self, budget: &Budget, in_use: usize) {
        let clear = |mark: Option<usize>| mark.is_none_or(|mark| in_use < mark - mark / 20);
        self.told_warning &= !clear(budget.warning());
        self.told_limit &= !clear(budget.limit());
    }

    /// The budget was changed under a standing figure: what this crosses is to be told whatever was told before, as it
    /// is a mark's movement that crosses and not a figure that trembles.
    pub(super) fn marks_moved(&mut self, before: BudgetStatus, now: BudgetStatus) {
        match (before, now) {
            (BudgetStatus::Ok | BudgetStatus::Warning, BudgetStatus::Over(_)) => self.told_limit = false,
            (BudgetStatus::Ok, BudgetStatus::Warning) => self.told_warning = false,
            // Who was over has passed the warning mark, wherever it is now; to come down to it is no crossing upwards.
            (BudgetStatus::Over(_), BudgetStatus::Warning | BudgetStatus::Over(_)) => {
                self.told_warning = true;
            }
            _ => {}
        }
    }

    fn told(&mut self, level: PressureLevel) {
        match level {
            PressureLevel::Warning => self.told_warning = true,
            // From below the warning mark straight over the limit is one crossing, told once.
            PressureLevel::Over => (self.told_warning, self.told_limit) = (true, true),
            PressureLevel::Refused => {}
        }
    }
}

/// Delivers to every claimed account of the tag's chain, the tag itself first. The ledger's lock must be free.
pub(super) fn deliver_all(tag: Tag, claims: Claims) {
    if claims == 0 {
        return;
    }
    for (bit, holder) in tag.chain().enumerate() {
        if claims & (1 << bit) != 0 {
            deliver(holder, None);
        }
    }
}

/// Calls the callbacks of an account this thread has claimed, and ends the claim. The ledger's lock must be free.
#[cold]
pub(super) fn deliver(tag: Tag, mut refused: Option<usize>) {
    let ledger = tag.ledger();
    for _ in 0..ROUNDS {
        let mut books = ledger.books.lock();
        let entry = books.entry(tag);
        let in_use = entry.subtree.committed;
        let wanted = refused.take();
        // Looked at again here: an earlier callback of this charge may have freed so much that nothing is left to tell.
        let level = match wanted {
            Some(_) => Some(PressureLevel::Refused),
            None => entry.alarm.news(entry.budget.status(in_use)),
        };
        let Some(level) = level else {
            entry.alarm.calling = false;
            return;
        };
        entry.alarm.told(level);
        let pressure = Pressure { tag, level, in_use, budget: entry.budget, wanted: wanted.unwrap_or(0) };
        let callbacks = entry.alarm.callbacks;
        drop(books);
        aside(&mut || callbacks.iter().flatten().for_each(|callback| call(tag, *callback, &pressure)));
    }
    ledger.books.lock().entry(tag).alarm.calling = false;
}

/// What a callback allocates must not be refused because the tag that its thread is under is the full one.
fn aside(run: &mut dyn FnMut()) {
    #[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
    super::current::aside(run);
    #[cfg(not(all(feature = "std", not(loom), target_pointer_width = "64")))]
    run();
}

/// Runs one callback. A panic ends here: unwinding through an allocator would leave its caller half done.
#[cfg(feature = "std")]
fn call(tag: Tag, callback: PressureCallback, pressure: &Pressure) {
    use crate::base::sync::Ordering;
    use std::panic::{AssertUnwindSafe, catch_unwind};

    // Nothing of ours is borrowed by the callback, so nothing of ours can be seen half changed.
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| callback(pressure))) {
        tag.ledger().callback_panics.fetch_add(1, Ordering::Relaxed);
        // What was thrown may panic again when it is dropped; what that throws is kept for ever.
        if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            core::mem::forget(again);
        }
    }
}

/// Runs one callback. Without `std` a panic cannot be caught; a second one while unwinding ends the process, which is
/// better than unwinding through an allocator.
#[cfg(not(feature = "std"))]
fn call(_: Tag, callback: PressureCallback, pressure: &Pressure) {
    struct Stop;
    impl Drop for Stop {
        fn drop(&mut self) {
            panic!("a pressure callback panicked");
        }
    }
    let stop = Stop;
    callback(pressure);
    core::mem::forget(stop);
}
