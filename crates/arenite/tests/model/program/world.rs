//! What surrounds a program: its account, its budget, and planned failures of the operating system.

use std::sync::atomic::{AtomicUsize, Ordering};

use arenite::ledger::Figures;
use arenite::os::{Call, OsError, fake};
use arenite::{AllocError, Budget, BudgetExceeded, Tag};

use super::block::Place;

/// What any program may do to its surroundings.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Weather {
    /// The system refuses one call after so many more.
    FailOnce(u8),
    /// The system commits nothing more after so many commits.
    FailCommits(u8),
    /// The system is well again.
    Calm,
    /// So many bytes may be committed under the tag.
    Budget(usize),
    /// Anything may be committed.
    NoBudget,
}

impl Weather {
    pub(crate) fn of(kind: u8, value: u8) -> Self {
        match kind % 6 {
            0 => Self::FailOnce(value % 8),
            1 => Self::FailCommits(value % 4),
            2 | 3 => Self::Calm,
            4 => Self::Budget(usize::from(value) << 12),
            _ => Self::NoBudget,
        }
    }
}

/// An account, and what it held before: nothing, unless a program failed under this name while the system refused.
pub(crate) struct World {
    pub(crate) tag: Tag,
    before: Figures,
    plan: Option<fake::Faults>,
    limited: bool,
    /// The frame is frozen.
    pub(crate) sealed: bool,
    /// What is refused may have begun, and is given back after the refusal.
    pub(crate) begins: bool,
}

/// Numbers the threads, so that no two programs use one account at the same time.
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed);
}

impl World {
    pub(crate) fn new(structure: &str) -> Self {
        let thread = THREAD.with(|thread| *thread);
        let tag = Tag::register(&format!("model/{structure}/{thread}")).expect("a tag");
        tag.set_budget(Budget::NONE);
        Self { tag, before: tag.account().own, plan: None, limited: false, sealed: false, begins: false }
    }

    /// What is charged for this program.
    pub(crate) fn own(&self) -> Figures {
        let mut own = self.tag.account().own;
        own.reserved -= self.before.reserved;
        own.committed -= self.before.committed;
        own.live -= self.before.live;
        own
    }

    pub(crate) fn set(&mut self, weather: Weather) {
        match weather {
            Weather::FailOnce(after) => {
                self.plan = None;
                self.plan = Some(fake::fail_once_after(after.into()));
            }
            Weather::FailCommits(after) => {
                self.plan = None;
                self.plan = Some(fake::fail_after(Call::Commit, after.into()));
            }
            Weather::Calm => self.plan = None,
            Weather::Budget(limit) => {
                self.tag.set_budget(Budget::hard(limit));
                self.limited = true;
            }
            Weather::NoBudget => {
                self.tag.set_budget(Budget::NONE);
                self.limited = false;
            }
        }
    }

    /// Whether the system works.
    pub(crate) fn calm(&self) -> bool {
        self.plan.is_none()
    }

    /// Where a block has to be that is made in one piece, or by growing.
    pub(crate) fn place(&self, grows: bool) -> Place {
        if grows && !self.calm() { Place::Above } else { Place::First }
    }

    /// Whether an error says the truth. `exhausts` is whether the range may be used up.
    pub(crate) fn believe(&self, error: AllocError, exhausts: bool) {
        assert_eq!(error.tag(), self.tag);
        match error {
            AllocError::Os { error, .. } => {
                assert_eq!(error.code(), OsError::INJECTED, "{error}");
                assert!(
                    self.plan.as_ref().is_some_and(|plan| plan.refused() > 0),
                    "nothing was refused: {error}"
                );
            }
            AllocError::Budget(refused) if self.begins => self.believe_budget(refused),
            AllocError::Budget(refused) => {
                assert!(self.limited, "no budget is set: {refused}");
                assert!(refused.in_use + refused.wanted > refused.limit);
                assert_eq!(refused.in_use, self.tag.account().own.committed);
            }
            AllocError::Exhausted { reserved, needed, .. } => {
                assert!(exhausts, "the range has room: {error}");
                assert!(needed > reserved);
            }
            AllocError::Sealed { .. } => assert!(self.sealed, "nothing is frozen"),
            other => panic!("nothing did that: {other}"),
        }
    }

    /// Whether a budget's refusal says the truth about something that was begun, and then given back.
    pub(crate) fn believe_budget(&self, refused: BudgetExceeded) {
        assert!(self.limited, "no budget is set: {refused}");
        assert_eq!(refused.tag, self.tag);
        assert!(refused.in_use + refused.wanted > refused.limit);
        assert!(refused.in_use >= self.tag.account().own.committed);
    }

    /// From here on structures only go away. Giving pages back is refused if a plan was running, after as many times
    /// as that plan had seen calls: what is released takes all with it.
    pub(crate) fn wind_down(&mut self) {
        let allowed = self.plan.take().map_or(u64::MAX, |plan| plan.seen());
        self.plan = Some(fake::fail_after(Call::Decommit, allowed));
    }

    /// Everything is given back. `last` owns the last of it.
    pub(crate) fn end<T>(mut self, last: T) {
        self.wind_down();
        drop(last);
        self.plan = None;
        self.tag.set_budget(Budget::NONE);
        self.assert_empty();
    }

    fn assert_empty(&self) {
        let own = self.tag.account().own;
        assert_eq!(
            (own.reserved, own.committed, own.live),
            (0, 0, 0),
            "left in the account of `{}`",
            self.tag
        );
    }
}
