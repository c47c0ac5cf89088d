//! Two moments of a ledger, and what lies between them.

use std::fmt;
use std::vec::Vec;

use super::snapshot::{TagSnapshot, write_table};
use crate::ledger::{AccountSnapshot, Ledger, Tag};

/// All accounts of a ledger at one moment; made by [`Ledger::mark`].
#[derive(Clone, Debug)]
pub struct Mark {
    ledger: &'static Ledger,
    accounts: Vec<AccountSnapshot>,
}

impl Ledger {
    /// Remembers every account, to see later what has become of it: before a level, say, and after it.
    ///
    /// For single blocks of the general heap see [`TrackingAllocator::mark`](crate::TrackingAllocator::mark).
    ///
    /// ```
    /// use arenite::{Ledger, ResourceArena, Tag};
    ///
    /// let rooms = Tag::register("level/rooms")?;
    /// let mark = Ledger::process().mark();
    /// let forgotten = ResourceArena::try_new(rooms)?;
    /// forgotten.insert_slice_copy(&[1u8; 100_000]);
    ///
    /// let left = mark.diff();
    /// let row = left.grown().next().unwrap();
    /// assert_eq!(row.tag, rooms);
    /// assert!(row.committed >= 100_000);
    /// drop(forgotten);
    /// assert_eq!(mark.diff().grown().count(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn mark(&'static self) -> Mark {
        Mark { ledger: self, accounts: self.accounts() }
    }

    fn accounts(&'static self) -> Vec<AccountSnapshot> {
        let mut accounts = std::vec![AccountSnapshot::default(); Self::CAPACITY];
        let count = self.snapshot_into(&mut accounts);
        accounts.truncate(count);
        accounts
    }
}

impl Mark {
    /// What has changed since the mark was made.
    #[must_use]
    pub fn diff(&self) -> MarkDiff {
        let now = self.ledger.accounts();
        let rows = self.ledger.tags().zip(&now).enumerate().filter_map(|(place, (tag, now))| {
            // A tag that was registered since had nothing.
            let then = self.accounts.get(place).map(|then| then.own).unwrap_or_default();
            (now.own != then).then(|| AccountDelta {
                tag,
                reserved: difference(now.own.reserved, then.reserved),
                committed: difference(now.own.committed, then.committed),
                live: difference(now.own.live, then.live),
                commits: now.own.commits - then.commits,
            })
        });
        MarkDiff { rows: rows.collect(), now: now.iter().map(TagSnapshot::from).collect() }
    }
}

/// Cut to what the type holds: more can be charged by hand than there is memory.
fn difference(now: usize, then: usize) -> i64 {
    (now as i128 - then as i128).clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// What has changed for one tag, without those below it. Bytes; negative: it has less than it had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AccountDelta {
    /// The tag.
    pub tag: Tag,
    /// Address space.
    pub reserved: i64,
    /// Committed memory.
    pub committed: i64,
    /// Bytes in use, as the structures published them last.
    pub live: i64,
    /// How many times memory was committed meanwhile.
    pub commits: u64,
}

/// What has changed between a [`Mark`] and a later moment. `Display` writes the accounts, as they are now, of the tags that
/// have more than they had.
#[derive(Clone, Debug)]
pub struct MarkDiff {
    rows: Vec<AccountDelta>,
    now: Vec<TagSnapshot>,
}

impl MarkDiff {
    /// Each tag whose account has changed, in the order in which they were registered.
    pub fn tags(&self) -> impl Iterator<Item = &AccountDelta> {
        self.rows.iter()
    }

    /// Those that have more address space, committed memory or live bytes than they had.
    pub fn grown(&self) -> impl Iterator<Item = &AccountDelta> {
        self.tags().filter(|row| row.reserved > 0 || row.committed > 0 || row.live > 0)
    }
}

impl fmt::Display for MarkDiff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let grown = |tag: &&TagSnapshot| self.grown().any(|row| row.tag.name() == tag.name);
        let tags: Vec<_> = self.now.iter().filter(grown).cloned().collect();
        if tags.is_empty() { f.write_str("nothing has grown") } else { write_table(f, &tags) }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::boxed::Box;

    #[test]
    fn what_grew_and_what_shrank_is_told() {
        let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
        let (a, b) = (ledger.register("a").unwrap(), ledger.register("b").unwrap());
        a.try_charge_committed(8192).unwrap();
        let mark = ledger.mark();
        assert_eq!(mark.diff().tags().count(), 0);
        assert_eq!(std::format!("{}", mark.diff()), "nothing has grown");
        a.credit_committed(4096);
        b.try_charge_committed(100).unwrap();
        b.move_live(0, 60);
        // Registered after the mark; what is below a tag is not in its row.
        let c = a.child("c").unwrap();
        c.try_charge_committed(7).unwrap();
        let diff = mark.diff();
        let rows: Vec<_> = diff.tags().map(|row| (row.tag, row.committed, row.live, row.commits)).collect();
        assert_eq!(rows, [(a, -4096, 0, 0), (b, 100, 60, 1), (c, 7, 0, 1)]);
        assert_eq!(diff.grown().map(|row| row.tag).collect::<Vec<_>>(), [b, c]);
        let text = std::format!("{diff}");
        assert!(text.contains("a/c") && text.contains("100 B") && text.lines().count() == 3, "{text}");
    }

    /// More than a signed number holds can be charged by hand; the difference still has the right sign.
    #[test]
    fn differences_of_absurd_figures_keep_their_sign() {
        let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
        let tag = ledger.register("a").unwrap();
        let before = ledger.mark();
        tag.charge_reserved(usize::MAX);
        tag.move_live(0, usize::MAX / 2 + 2);
        let after = ledger.mark();
        let grown: Vec<_> = before.diff().tags().map(|row| (row.reserved, row.live)).collect();
        assert_eq!(grown, [(i64::MAX, i64::MAX)]);
        tag.move_live(usize::MAX / 2 + 2, 0);
        tag.credit_reserved(usize::MAX);
        let shrunk: Vec<_> = after.diff().tags().map(|row| (row.reserved, row.live)).collect();
        assert_eq!(shrunk, [(i64::MIN, i64::MIN)]);
    }
}
