//! How much of a process's memory its accounts explain.

use std::fmt;

use super::Snapshot;
use crate::base::Bytes;

/// What the accounts know of the process's memory, and what they do not; made by [`Snapshot::coverage`]. Bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Coverage {
    /// Committed, all tags together.
    pub accounted: usize,
    /// Of that, by nobody in particular: the tag `untagged`.
    pub untagged: usize,
    /// What the system says that the process has in memory.
    pub resident: usize,
    /// Resident memory that no account explains: the program itself, its stacks, other allocators; negative if more is committed
    /// than has been touched. It is a difference of two figures of different nature, and so at least that much: what is
    /// committed and was never touched hides as much again.
    pub untracked: isize,
}

impl Snapshot {
    /// How much of the process's memory the accounts explain.
    #[must_use]
    pub fn coverage(&self) -> Coverage {
        // Figures of a tag have those below it in them.
        let outermost = self.tags.iter().filter(|tag| !tag.name.contains('/'));
        let accounted = outermost.map(|tag| tag.committed).fold(0, usize::saturating_add);
        let untagged = self.tags.iter().find(|tag| tag.name == "untagged").map_or(0, |tag| tag.committed);
        let resident = self.process.resident;
        let untracked = (resident as i128 - accounted as i128).clamp(isize::MIN as i128, isize::MAX as i128);
        Coverage { accounted, untagged, resident, untracked: untracked as isize }
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (accounted, untagged) = (Bytes(self.accounted), Bytes(self.untagged));
        write!(f, "accounted {accounted}, of it untagged {untagged}; untracked ")?;
        if self.untracked < 0 {
            f.write_str("-")?;
        }
        write!(f, "{} (resident minus accounted)", Bytes(self.untracked.unsigned_abs()))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::watch::TagSnapshot;

    fn tag(name: &str, committed: usize) -> TagSnapshot {
        TagSnapshot { name: name.into(), committed, ..TagSnapshot::default() }
    }

    #[test]
    fn what_nobody_accounts_for_is_told() {
        let mut snapshot = Snapshot {
            tags: [tag("game", 5000), tag("game/ai", 3000), tag("untagged", 700)].into(),
            ..Snapshot::default()
        };
        snapshot.process.resident = 10_000;
        let told = snapshot.coverage();
        assert_eq!((told.accounted, told.untagged, told.untracked), (5700, 700, 4300));
        snapshot.process.resident = 1604;
        let told = snapshot.coverage();
        assert_eq!(told.untracked, -4096);
        assert!(std::format!("{told}").ends_with("untracked -4.0 KiB (resident minus accounted)"), "{told}");
        assert!(std::format!("{snapshot}").contains("untagged 700 B"));
    }

    #[test]
    fn absurd_figures_are_no_panic() {
        let tags = [tag("one", usize::MAX), tag("other", usize::MAX), tag("untagged", 5)];
        let snapshot = Snapshot { tags: tags.into(), ..Snapshot::default() };
        let told = snapshot.coverage();
        assert_eq!((told.accounted, told.untagged, told.untracked), (usize::MAX, 5, isize::MIN));
        assert!(!std::format!("{snapshot} {told}").is_empty());
    }
}
