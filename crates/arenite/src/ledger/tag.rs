//! Tags: small references to an account, and everything that can be done with one.

use core::fmt;
use core::hash::{Hash, Hasher};

use super::Ledger;
use super::account::{AccountSnapshot, Asked, Charge, Kind, bit};
use super::budget::{Budget, BudgetExceeded};
use super::name::{Name, TagError};
use super::pressure::{self, CallbacksFull, PressureCallback};
use super::telling;

/// Who memory is charged to: `render/textures` is inside `render`, and so are its bytes.
///
/// A `Tag` is a reference to an account of a [`Ledger`]: copying it is free, two are equal when they mean the same
/// account, and it can be used from any thread. Tags are registered once and last for ever.
#[derive(Clone, Copy)]
pub struct Tag(&'static Account);

/// What never changes about a tag. Its figures are in the ledger's books, under the lock.
pub(super) struct Account {
    pub(super) name: Name,
    pub(super) owner: &'static dyn Owner,
    pub(super) parent: Option<Tag>,
    /// The account's place in its ledger; below the ledger's capacity.
    pub(super) index: usize,
    /// How many tags stand above this one; below 32, because 63 bytes hold no more than 32 parts.
    pub(super) depth: u32,
}

/// A ledger, seen by its accounts. A trait object, because tags are keys of maps: a plain reference would make a tag look
/// like a key that changes (clippy's `mutable_key_type`) to everyone who uses one.
pub(super) trait Owner: Sync {
    fn ledger(&'static self) -> &'static Ledger;
}

impl Owner for Ledger {
    fn ledger(&'static self) -> &'static Ledger {
        self
    }
}

impl Tag {
    pub(super) fn of(account: &'static Account) -> Self {
        Self(account)
    }

    pub(super) fn index(self) -> usize {
        self.0.index
    }

    /// Its place among the tags of its ledger, below [`Ledger::CAPACITY`]: a number that names it where a reference can not go.
    pub fn place(self) -> usize {
        self.0.index
    }

    pub(super) fn depth(self) -> u32 {
        self.0.depth
    }

    /// The tag itself and everything above it, from the inside out.
    pub(super) fn chain(self) -> impl Iterator<Item = Self> {
        core::iter::successors(Some(self), |tag| tag.0.parent)
    }

    /// Registers a tag on the process's ledger; see [`Ledger::register`].
    ///
    /// # Errors
    /// As [`Ledger::register`].
    pub fn register(path: &str) -> Result<Self, TagError> {
        Ledger::process().register(path)
    }

    /// The tag of the process's ledger for memory nobody claimed: `untagged`. A place is kept for it, so this never
    /// fails.
    pub fn untagged() -> Self {
        Ledger::process().untagged()
    }

    /// Registers (or finds) the tag at `path` below this one: `render.child("textures")` is `render/textures`.
    ///
    /// # Errors
    /// As [`Ledger::register`].
    pub fn child(self, path: &str) -> Result<Self, TagError> {
        self.0.owner.ledger().register_name(&Name::new(Some(self.name()), path)?)
    }

    /// The tag this one is inside of.
    pub fn parent(self) -> Option<Self> {
        self.0.parent
    }

    /// The full path.
    pub fn name(self) -> &'static str {
        self.0.name.as_str()
    }

    /// The ledger this tag belongs to.
    pub fn ledger(self) -> &'static Ledger {
        self.0.owner.ledger()
    }

    /// The account at this moment, consistent in itself. Takes the ledger's lock for a moment; to compare accounts with
    /// each other use [`Ledger::snapshot_into`].
    pub fn account(self) -> AccountSnapshot {
        self.0.owner.ledger().books.lock().snapshot(self)
    }

    /// The limit on what this tag and everything under it commit.
    pub fn budget(self) -> Budget {
        self.0.owner.ledger().books.lock().entry(self).budget
    }

    /// Sets the budget, at any time. A hard limit below what is in use is allowed: nothing more is committed under this
    /// tag until enough is freed. If a mark of the new budget is crossed by this, callbacks run before this returns.
    pub fn set_budget(self, budget: Budget) {
        let mut books = self.0.owner.ledger().books.lock();
        let entry = books.entry(self);
        let in_use = entry.subtree.committed;
        let before = core::mem::replace(&mut entry.budget, budget);
        entry.alarm.rearm(&budget, in_use);
        entry.alarm.marks_moved(before.status(in_use), budget.status(in_use));
        let claimed = entry.alarm.claim(budget.status(in_use));
        drop(books);
        if claimed {
            pressure::deliver(self, None);
        }
    }

    /// Keeps a callback for when the bytes committed under this tag reach the budget's warning mark, go over its limit,
    /// or would have to.
    ///
    /// - *Crossings* ([`Warning`](super::PressureLevel::Warning), [`Over`](super::PressureLevel::Over)) are told once, and
    ///   again only after the figure was below 95 % of the mark: what hovers around a mark is not told at each page. What
    ///   crosses several marks at once is told once, as the worst.
    /// - *Refusals* ([`Refused`](super::PressureLevel::Refused)) are told each time, once per charge and tag: the callback may
    ///   free something, and the charge is tried again before it fails. One that only writes to a log may want to count.
    ///
    /// It is called on the thread whose charge it is about (also one of a tag under this one), before that charge returns, with
    /// no lock held. It may free, commit and register as it likes: it is never called inside itself, nor by two threads at
    /// once; what it crosses itself is told when it has returned. Meanwhile a charge that is refused, its own or another
    /// thread's, fails without asking: nobody waits for a callback, which may itself wait for somebody. A panic in a
    /// callback is caught and counted ([`Ledger::callback_panics`]); without the `std` feature it ends the process.
    ///
    /// What a callback allocates on the general heap is `untagged` unless it opens a scope, whatever tag its thread is under:
    /// that may be the very one that is full.
    ///
    /// A function or a closure that captures nothing is `'static` behind a plain `&`; what a callback needs to know or
    /// to change lives in a `static`.
    ///
    /// ```
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// use arenite::ledger::{Pressure, PressureLevel};
    /// use arenite::{Budget, Bytes, FrameArena, Tag};
    ///
    /// static DROP_MIPS: AtomicBool = AtomicBool::new(false); // the streamer looks at it once a frame
    ///
    /// fn react(pressure: &Pressure) {
    ///     match pressure.level {
    ///         PressureLevel::Warning => DROP_MIPS.store(true, Ordering::Relaxed),
    ///         _ => eprintln!("{}: {} in use of a {}", pressure.tag, Bytes(pressure.in_use), pressure.budget),
    ///     }
    /// }
    ///
    /// let effects = Tag::register("example/effects")?;
    /// effects.set_budget(Budget::hard(64 << 20).warn_at(0.8));
    /// effects.on_pressure(&react)?;
    /// let mut arena = FrameArena::try_new(effects)?;
    /// arena.begin_frame();
    /// arena.alloc_slice_fill_with(52 << 20, |_| 0u8);
    /// assert!(DROP_MIPS.load(Ordering::Relaxed));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`CallbacksFull`] when the tag has [`CALLBACKS_MAX`](super::CALLBACKS_MAX) already.
    pub fn on_pressure(self, callback: PressureCallback) -> Result<(), CallbacksFull> {
        let kept = self.0.owner.ledger().books.lock().entry(self).alarm.keep(callback);
        if kept { Ok(()) } else { Err(CallbacksFull { tag: self }) }
    }
}

/// # Charging: for those who bring memory in
///
/// The library's regions call these; call them yourself only for memory that comes from elsewhere (a driver, a foreign
/// library) and should show in the same accounts. Each takes the ledger's lock for a moment, so they belong beside a
/// system call, not on an allocation's path. Crediting more than was charged is a bug of the caller: debug builds
/// panic, release builds count down to zero and never touch another tag's bytes.
impl Tag {
    /// Charges address space: one reservation of `bytes`.
    pub fn charge_reserved(self, bytes: usize) {
        let fits = self.0.owner.ledger().books.lock().add(self, Kind::Reserved, bytes);
        debug_assert!(fits, "tag `{self}`: more reserved than there are addresses");
    }

    /// How many bytes the hard budgets of this tag and of everything above it still allow; `usize::MAX` without one.
    /// Another thread may use them up meanwhile.
    #[must_use]
    pub fn headroom(self) -> usize {
        self.0.owner.ledger().books.lock().headroom(self)
    }

    /// How many bytes can be committed without crossing a mark (a warning, a limit) of this tag or of anything above it
    /// that is not crossed yet, and within their hard budgets: what a generous step may take, so that a warning comes
    /// when its mark is reached and not when the next step happens to pass it.
    #[must_use]
    pub fn calm_room(self) -> usize {
        self.0.owner.ledger().books.lock().calm_room(self)
    }

    /// How many bytes can be committed before this tag or one above it reaches its warning mark (its limit, if it has none);
    /// 0 beyond it.
    #[cfg(all(feature = "std", not(loom)))]
    pub(crate) fn quiet_room(self) -> usize {
        self.0.owner.ledger().books.lock().quiet_room(self)
    }

    /// Charges committed bytes if no hard budget refuses and neither this tag nor one above it reaches its warning mark (goes over
    /// its limit, if it has none) by it, or is beyond it. False: nothing has changed, and nobody was asked to make room.
    #[cfg(all(feature = "std", not(loom)))]
    pub(crate) fn try_charge_quietly(self, bytes: usize) -> bool {
        let mut books = self.0.owner.ledger().books.lock();
        if books.quiet_room(self) < bytes || books.refusal(self, bytes, 0).is_some() {
            return false;
        }
        let charge = books.charge(self, bytes, 0);
        drop(books);
        // No mark was crossed; what was crossed before and is told by this charge is told.
        if let Charge::Made(claims) = charge {
            telling::committed(self, bytes as i64);
            pressure::deliver_all(self, claims);
        }
        matches!(charge, Charge::Made(_))
    }

    /// Takes back bytes that were charged as committed and published as live.
    #[cfg(all(feature = "std", not(loom)))]
    pub(crate) fn credit_whole(self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let mut books = self.0.owner.ledger().books.lock();
        let had = books.move_live(self, bytes, 0) & books.take(self, Kind::Committed, bytes);
        drop(books);
        telling::committed(self, (bytes as i64).wrapping_neg());
        debug_assert!(had, "tag `{self}`: {bytes} bytes credited that were never charged or published");
    }

    /// Which hard budget would refuse `wanted` bytes more after `given` were given back. Charges nothing and asks nobody.
    #[cfg(all(feature = "std", not(loom)))]
    pub(crate) fn refusal(self, wanted: usize, given: usize) -> Option<BudgetExceeded> {
        self.0.owner.ledger().books.lock().refusal(self, wanted, given)
    }

    /// Gives address space back.
    pub fn credit_reserved(self, bytes: usize) {
        let had = self.0.owner.ledger().books.lock().take(self, Kind::Reserved, bytes);
        debug_assert!(had, "tag `{self}`: {bytes} bytes of address space credited that were never charged");
    }

    /// Charges `bytes` of memory about to be committed, if the hard budgets of this tag and of everything above it
    /// allow it. All or nothing: a refused charge leaves no trace in any figure. Zero bytes always fit and do not count
    /// as a commit.
    ///
    /// Callbacks of crossed marks run before this returns (see [`Tag::on_pressure`]).
    ///
    /// # Errors
    /// [`BudgetExceeded`] names the nearest tag that refuses.
    pub fn try_charge_committed(self, bytes: usize) -> Result<(), BudgetExceeded> {
        if bytes == 0 {
            return Ok(());
        }
        // Each tag of the chain is asked once to make room: so this comes to an end.
        let mut asked: Asked = 0;
        loop {
            let charge = self.0.owner.ledger().books.lock().charge(self, bytes, asked);
            match charge {
                Charge::Made(claims) => {
                    telling::committed(self, bytes as i64);
                    pressure::deliver_all(self, claims);
                    return Ok(());
                }
                Charge::Refused(error, false) => return Err(error),
                Charge::Refused(error, true) => {
                    asked |= bit(error.tag);
                    pressure::deliver(error.tag, Some(bytes));
                }
            }
        }
    }

    /// Takes back `bytes` of committed memory that were charged. Zero bytes do not count as a decommit.
    pub fn credit_committed(self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let had = self.0.owner.ledger().books.lock().take(self, Kind::Committed, bytes);
        telling::committed(self, (bytes as i64).wrapping_neg());
        debug_assert!(had, "tag `{self}`: {bytes} committed bytes credited that were never charged");
    }

    /// Charges `bytes` of memory that is committed and charged to this tag to `to` instead, if the hard budgets of `to` and
    /// of what is above it, but not above both, allow it: pages that change hands. All or nothing, and never in between:
    /// no figure ever counts them twice or not at all.
    ///
    /// Callbacks run as in [`try_charge_committed`](Self::try_charge_committed).
    ///
    /// # Errors
    /// [`BudgetExceeded`] names the nearest tag that refuses.
    ///
    /// # Panics
    /// The tags belong to different ledgers.
    pub fn try_transfer_committed(self, to: Self, bytes: usize) -> Result<(), BudgetExceeded> {
        if bytes == 0 || self == to {
            return Ok(());
        }
        let mut asked: Asked = 0;
        loop {
            match self.transfer(to, bytes, false, asked) {
                Charge::Made(claims) => {
                    pressure::deliver_all(to, claims);
                    return Ok(());
                }
                Charge::Refused(error, false) => return Err(error),
                Charge::Refused(error, true) => {
                    asked |= bit(error.tag);
                    pressure::deliver(error.tag, Some(bytes));
                }
            }
        }
    }

    /// As [`try_transfer_committed`](Self::try_transfer_committed), but no budget refuses: for memory that goes back to
    /// whom it came from.
    ///
    /// # Panics
    /// The tags belong to different ledgers.
    pub fn transfer_committed(self, to: Self, bytes: usize) {
        if bytes == 0 || self == to {
            return;
        }
        if let Charge::Made(claims) = self.transfer(to, bytes, true, 0) {
            pressure::deliver_all(to, claims);
        }
    }

    fn transfer(self, to: Self, bytes: usize, forced: bool, asked: Asked) -> Charge {
        let ledger = self.0.owner.ledger();
        assert!(
            core::ptr::eq(ledger, to.0.owner.ledger()),
            "tags `{self}` and `{to}` are of different ledgers"
        );
        let charge = ledger.books.lock().transfer(self, to, bytes, forced, asked);
        if matches!(charge, Charge::Made(_)) {
            telling::committed(self, (bytes as i64).wrapping_neg());
            telling::committed(to, bytes as i64);
        }
        charge
    }

    /// Publishes that a structure's live bytes went from `old` (what it published last) to `new`.
    pub fn move_live(self, old: usize, new: usize) {
        let right = self.0.owner.ledger().books.lock().move_live(self, old, new);
        debug_assert!(right, "tag `{self}`: live bytes moved from {old}, which were never published");
    }
}

impl PartialEq for Tag {
    fn eq(&self, other: &Self) -> bool {
        core::ptr::eq(self.0, other.0)
    }
}

impl Eq for Tag {}

impl Hash for Tag {
    fn hash<H: Hasher>(&self, state: &mut H) {
        core::ptr::from_ref(self.0).hash(state);
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Tag({})", self.name())
    }
}
