//! One account per tag: the figures, and the locked books that hold them all.

use super::budget::{Budget, BudgetExceeded, BudgetStatus};
use super::pressure::Alarm;
use super::{CAPACITY, Tag};

/// What has been charged to a tag. Bytes unless said otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Figures {
    /// Address space held.
    pub reserved: usize,
    /// Memory the system has been asked to stand behind.
    pub committed: usize,
    /// Bytes in use by what lives in that memory, as the structures published them last.
    pub live: usize,
    /// How many times address space was reserved, since the start.
    pub reservations: u64,
    /// How many times memory was committed, since the start.
    pub commits: u64,
    /// How many times memory was given back, since the start.
    pub decommits: u64,
}

impl Figures {
    pub(super) const ZERO: Self =
        Self { reserved: 0, committed: 0, live: 0, reservations: 0, commits: 0, decommits: 0 };
}

/// One account as it stood at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct AccountSnapshot {
    /// The tag's full path.
    pub name: &'static str,
    /// The full path of the tag above it.
    pub parent: Option<&'static str>,
    /// Charged to the tag itself.
    pub own: Figures,
    /// Charged to the tag itself and to all tags under it.
    pub subtree: Figures,
    /// The most bytes the subtree ever had committed at one moment.
    pub peak_committed: usize,
    /// The most live bytes the subtree ever had at one moment.
    pub peak_live: usize,
    /// The limit on `subtree.committed`.
    pub budget: Budget,
    /// How `subtree.committed` stands against it.
    pub status: BudgetStatus,
}

/// Which of the byte figures a charge moves.
#[derive(Clone, Copy)]
pub(super) enum Kind {
    Reserved,
    Committed,
    Live,
}

/// The figures of one account. All zero and all `None` at the start, so that a static ledger takes no room in the file.
pub(super) struct Entry {
    own: Figures,
    /// Always the sum of `own` over this account and all below it.
    pub(super) subtree: Figures,
    peak_committed: usize,
    peak_live: usize,
    /// The most live bytes the tag itself had since somebody asked.
    recent_live: usize,
    pub(super) budget: Budget,
    pub(super) alarm: Alarm,
}

impl Entry {
    const EMPTY: Self = Self {
        own: Figures::ZERO,
        subtree: Figures::ZERO,
        peak_committed: 0,
        peak_live: 0,
        recent_live: 0,
        budget: Budget::NONE,
        alarm: Alarm::SILENT,
    };
}

/// All accounts of a ledger, indexed by tag; what the ledger's one lock guards.
pub(super) struct Books {
    entries: [Entry; CAPACITY],
    /// Committed bytes of all accounts together, and the most that there ever were at once.
    committed: usize,
    peak_committed: usize,
}

/// Which accounts of a chain have something to tell: bit `i` is the tag itself (0) or its `i`-th parent.
pub(super) type Claims = u32;

/// Which tags of a chain were asked to make room for one charge: bit `i` is the tag of depth `i`. So each is asked once.
pub(super) type Asked = u32;

/// What came of a charge.
pub(super) enum Charge {
    /// Made; these accounts have crossed a mark.
    Made(Claims),
    /// Not made, and no figure has changed. Whether the refusing account's callbacks are to be asked to make room.
    Refused(BudgetExceeded, bool),
}

impl Books {
    pub(super) const fn new() -> Self {
        Self { entries: [const { Entry::EMPTY }; CAPACITY], committed: 0, peak_committed: 0 }
    }

    pub(super) fn entry(&mut self, tag: Tag) -> &mut Entry {
        &mut self.entries[tag.index()]
    }

    /// The most live bytes each account itself had since this was last asked.
    #[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
    pub(super) fn take_recent_live(&mut self) -> [usize; CAPACITY] {
        core::array::from_fn(|place| {
            let entry = &mut self.entries[place];
            core::mem::replace(&mut entry.recent_live, entry.own.live)
        })
    }

    /// The most that all accounts together ever had committed.
    pub(super) fn peak_committed(&self) -> usize {
        self.peak_committed
    }

    pub(super) fn snapshot(&self, tag: Tag) -> AccountSnapshot {
        let entry = &self.entries[tag.index()];
        AccountSnapshot {
            name: tag.name(),
            parent: tag.parent().map(Tag::name),
            own: entry.own,
            subtree: entry.subtree,
            peak_committed: entry.peak_committed,
            peak_live: entry.peak_live,
            budget: entry.budget,
            status: entry.budget.status(entry.subtree.committed),
        }
    }

    /// Commits `wanted` bytes to the tag, or nothing when an account of its chain refuses. A refusing account that has
    /// callbacks and was not asked for this charge yet is claimed for a call.
    pub(super) fn charge(&mut self, tag: Tag, wanted: usize, asked: Asked) -> Charge {
        for holder in tag.chain() {
            let entry = self.entry(holder);
            let in_use = entry.subtree.committed;
            if let Some(limit) = entry.budget.refuses(in_use, wanted) {
                let ask = asked & bit(holder) == 0 && entry.alarm.claim_refusal();
                return Charge::Refused(BudgetExceeded { tag: holder, limit, in_use, wanted }, ask);
            }
        }
        self.add(tag, Kind::Committed, wanted);
        let mut claims: Claims = 0;
        for (bit, holder) in tag.chain().enumerate() {
            let entry = self.entry(holder);
            if entry.alarm.claim(entry.budget.status(entry.subtree.committed)) {
                claims |= 1 << bit;
            }
        }
        Charge::Made(claims)
    }

    /// What the hard budgets of the chain still allow.
    pub(super) fn headroom(&mut self, tag: Tag) -> usize {
        let room = |holder| {
            let entry = self.entry(holder);
            let limit = entry.budget.limit().filter(|_| entry.budget.is_hard());
            limit.map_or(usize::MAX, |limit| limit.saturating_sub(entry.subtree.committed))
        };
        tag.chain().map(room).min().unwrap_or(usize::MAX)
    }

    /// What can be committed before a mark of the chain is crossed that is not crossed yet, and within its hard
    /// budgets.
    pub(super) fn calm_room(&mut self, tag: Tag) -> usize {
        let room = |holder| {
            let entry = self.entry(holder);
            let in_use = entry.subtree.committed;
            // A warning is told when its mark is reached, a limit when it is passed.
            let warning = entry.budget.warning().map(|mark| mark.saturating_sub(1));
            let marks = [warning, entry.budget.limit()];
            let ahead = marks.into_iter().flatten().filter(|&mark| mark >= in_use).min();
            ahead.map_or(usize::MAX, |mark| mark - in_use)
        };
        tag.chain().map(room).min().unwrap_or(usize::MAX).min(self.headroom(tag))
    }

    /// What can be committed before an account of the chain reaches its warning mark, or goes over its limit if it has no such
    /// mark; 0 when it has already. For whoever makes room by giving up something of his own.
    #[cfg(all(feature = "std", not(loom)))]
    pub(super) fn quiet_room(&mut self, tag: Tag) -> usize {
        let room = |holder| {
            let entry = self.entry(holder);
            let mark = entry.budget.warning().map(|mark| mark.saturating_sub(1)).or(entry.budget.limit());
            mark.map_or(usize::MAX, |mark| mark.saturating_sub(entry.subtree.committed))
        };
        tag.chain().map(room).min().unwrap_or(usize::MAX)
    }

    /// The nearest hard budget of the chain that would refuse `wanted` bytes more after `given` were given back.
    #[cfg(all(feature = "std", not(loom)))]
    pub(super) fn refusal(&mut self, tag: Tag, wanted: usize, given: usize) -> Option<BudgetExceeded> {
        tag.chain().find_map(|holder| {
            let entry = self.entry(holder);
            let limit = entry.budget.limit().filter(|_| entry.budget.is_hard())?;
            let in_use = entry.subtree.committed;
            let fits = in_use.saturating_sub(given).checked_add(wanted).is_some_and(|sum| sum <= limit);
            (!fits).then_some(BudgetExceeded { tag: holder, limit, in_use, wanted })
        })
    }

    /// Adds `bytes` to a figure of the tag and of all above it. False when a sum would not fit: then it is cut to what
    /// does, so that the sums of the tree still agree.
    pub(super) fn add(&mut self, tag: Tag, kind: Kind, bytes: usize) -> bool {
        // A parent's sum is at least its child's, so the outermost account has the least room.
        let room = tag.chain().map(|holder| usize::MAX - *field(&mut self.entry(holder).subtree, kind)).min();
        let fit = bytes.min(room.unwrap_or(0));
        let own = &mut self.entry(tag).own;
        *field(own, kind) += fit;
        count_up(own, kind);
        let live = own.live;
        let entry = self.entry(tag);
        entry.recent_live = entry.recent_live.max(live);
        for holder in tag.chain() {
            let entry = self.entry(holder);
            *field(&mut entry.subtree, kind) += fit;
            count_up(&mut entry.subtree, kind);
            entry.peak_committed = entry.peak_committed.max(entry.subtree.committed);
            entry.peak_live = entry.peak_live.max(entry.subtree.live);
        }
        if let Kind::Committed = kind {
            // Accounts without a parent may be as large as the address space each.
            self.committed = self.committed.saturating_add(fit);
            self.peak_committed = self.peak_committed.max(self.committed);
        }
        fit == bytes
    }

    /// Takes `bytes` from a figure of the tag and of all above it. False when the tag itself has less than that: then
    /// all it has is taken, so that nothing wraps and no other tag's bytes are touched.
    pub(super) fn take(&mut self, tag: Tag, kind: Kind, bytes: usize) -> bool {
        let own = &mut self.entry(tag).own;
        let fit = bytes.min(*field(own, kind));
        *field(own, kind) -= fit;
        count_down(own, kind);
        for holder in tag.chain() {
            let entry = self.entry(holder);
            *field(&mut entry.subtree, kind) -= fit;
            count_down(&mut entry.subtree, kind);
            // Only a fall of the committed bytes may arm again; the other figures have no marks.
            if let Kind::Committed = kind {
                entry.alarm.rearm(&entry.budget, entry.subtree.committed);
            }
        }
        if let Kind::Committed = kind {
            self.committed = self.committed.saturating_sub(fit);
        }
        fit == bytes
    }

    /// Charges committed bytes of `from`, all that it has at the most, to `to` instead. What is above both does not change,
    /// so it is not asked, nor is anybody if `forced`.
    pub(super) fn transfer(
        &mut self,
        from: Tag,
        to: Tag,
        bytes: usize,
        forced: bool,
        asked: Asked,
    ) -> Charge {
        let gains = |holder: &Tag| from.chain().all(|other| other != *holder);
        for holder in to.chain().take_while(gains) {
            let entry = self.entry(holder);
            let in_use = entry.subtree.committed;
            if let Some(limit) = entry.budget.refuses(in_use, bytes).filter(|_| !forced) {
                let ask = asked & bit(holder) == 0 && entry.alarm.claim_refusal();
                return Charge::Refused(BudgetExceeded { tag: holder, limit, in_use, wanted: bytes }, ask);
            }
        }
        let bytes = bytes.min(self.entry(from).own.committed);
        self.entry(from).own.committed -= bytes;
        for holder in from.chain().take_while(|holder| to.chain().all(|other| other != *holder)) {
            let entry = self.entry(holder);
            entry.subtree.committed -= bytes;
            entry.alarm.rearm(&entry.budget, entry.subtree.committed);
        }
        // Nothing wraps: both are parts of one ledger, whose outermost sums held the bytes before, or hold none of `from`'s.
        self.entry(to).own.committed = self.entry(to).own.committed.saturating_add(bytes);
        let mut claims: Claims = 0;
        for (bit, holder) in to.chain().enumerate().take_while(|(_, holder)| gains(holder)) {
            let entry = self.entry(holder);
            entry.subtree.committed = entry.subtree.committed.saturating_add(bytes);
            entry.peak_committed = entry.peak_committed.max(entry.subtree.committed);
            if entry.alarm.claim(entry.budget.status(entry.subtree.committed)) {
                claims |= 1 << bit;
            }
        }
        Charge::Made(claims)
    }

    /// Moves a tag's live bytes from `old` to `new`. False when the tag has published less than `old`: then what it has
    /// published is replaced by `new`.
    pub(super) fn move_live(&mut self, tag: Tag, old: usize, new: usize) -> bool {
        let published = self.entry(tag).own.live;
        let from = old.min(published);
        let fits = if new >= from {
            self.add(tag, Kind::Live, new - from)
        } else {
            self.take(tag, Kind::Live, from - new)
        };
        fits && old <= published
    }
}

/// The tag's place in [`Asked`].
pub(super) fn bit(tag: Tag) -> Asked {
    1 << tag.depth()
}

fn field(figures: &mut Figures, kind: Kind) -> &mut usize {
    match kind {
        Kind::Reserved => &mut figures.reserved,
        Kind::Committed => &mut figures.committed,
        Kind::Live => &mut figures.live,
    }
}

fn count_up(figures: &mut Figures, kind: Kind) {
    match kind {
        Kind::Reserved => figures.reservations += 1,
        Kind::Committed => figures.commits += 1,
        Kind::Live => {}
    }
}

fn count_down(figures: &mut Figures, kind: Kind) {
    if let Kind::Committed = kind {
        figures.decommits += 1;
    }
}
