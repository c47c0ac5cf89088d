//! Everything the memory system knows at one moment, as one value.

use std::string::String;
use std::vec::Vec;
use std::{fmt, vec};

use crate::arena::{FrameArenaStats, JobStats, ResourceStats};
use crate::base::Bytes;
use crate::ledger::{AccountSnapshot, Ledger};
use crate::os::{MachineMemory, ProcessMemory};

/// One account of the ledger. Sizes are bytes and count the tags below it, too.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct TagSnapshot {
    /// Full path, for example `scene/textures`.
    pub name: String,
    /// Address space held.
    pub reserved: usize,
    /// Memory that the system stands behind.
    pub committed: usize,
    /// In use, as the structures published it last: at each commit, reset and end of a frame.
    pub live: usize,
    /// The most that ever was committed at once.
    pub peak_committed: usize,
    /// The most that ever was in use at once.
    pub peak_live: usize,
    /// The hard limit on `committed`, if there is one.
    pub budget: Option<usize>,
}

impl From<&AccountSnapshot> for TagSnapshot {
    fn from(account: &AccountSnapshot) -> Self {
        Self {
            name: account.name.into(),
            reserved: account.subtree.reserved,
            committed: account.subtree.committed,
            live: account.subtree.live,
            peak_committed: account.peak_committed,
            peak_live: account.peak_live,
            budget: account.budget.is_hard().then(|| account.budget.limit()).flatten(),
        }
    }
}

impl TagSnapshot {
    /// Every account of a ledger, taken under one lock, so that sums agree. In order of name, so that parents come
    /// before children. Allocates; O(accounts).
    #[must_use]
    pub fn all(ledger: &'static Ledger) -> Vec<Self> {
        let mut accounts = vec![AccountSnapshot::default(); Ledger::CAPACITY];
        let count = ledger.snapshot_into(&mut accounts);
        let mut tags: Vec<_> = accounts[..count].iter().map(Self::from).collect();
        tags.sort_by(|a, b| a.name.split('/').cmp(b.name.split('/')));
        tags
    }
}

/// What one tag has of the [general heap](crate::GlobalHeap) of the process.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct HeapTagSnapshot {
    /// Full path of the tag. Figures are its own, without those of the tags below it.
    pub name: String,
    /// Blocks that were ever handed out.
    pub allocs: u64,
    /// Blocks that are with the program.
    pub live_blocks: u64,
    /// Bytes of those, rounding included.
    pub live_bytes: u64,
    /// Bytes of memory that stand behind them, free blocks of the same pages included.
    pub committed: u64,
}

impl HeapTagSnapshot {
    /// Every tag that ever had a block of the process's heap, in order of name; none if nobody uses that heap. Exact while
    /// no thread is at it. O(pages of the heap): below a millisecond for 1 GiB in small blocks.
    #[must_use]
    pub fn all() -> Vec<Self> {
        #[cfg(all(not(loom), target_pointer_width = "64"))]
        let mut tags: Vec<_> = crate::heap::bucket::by_tag()
            .map(|(tag, figures)| Self {
                name: tag.name().into(),
                allocs: figures.allocs,
                live_blocks: figures.live,
                live_bytes: figures.live_bytes,
                committed: figures.committed,
            })
            .collect();
        #[cfg(any(loom, not(target_pointer_width = "64")))]
        let mut tags: Vec<Self> = Vec::new();
        tags.sort_by(|a, b| a.name.split('/').cmp(b.name.split('/')));
        tags
    }
}

/// Every account, arena and figure of a [`MemoryManager`](crate::MemoryManager) at one moment. With the feature
/// `serde` it can be written and read. `Display` prints the table of tags.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Snapshot {
    /// Nanoseconds on the monotonic clock.
    pub time_ns: u64,
    /// The frame arena.
    pub frame: FrameArenaStats,
    /// The job arenas, as they were when the last frame ended.
    pub jobs: JobStats,
    /// The resources of the present scene.
    pub scene: ResourceStats,
    /// All accounts of the ledger, parents before children.
    pub tags: Vec<TagSnapshot>,
    /// The general heap by tag, in order of name; empty if nobody uses it.
    pub heap: Vec<HeapTagSnapshot>,
    /// Memory of the process.
    pub process: ProcessMemory,
    /// Memory of the machine.
    pub machine: MachineMemory,
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_table(f, &self.tags)?;
        write_heap(f, &self.heap)?;
        write!(f, "resident {}, peak {}", Bytes(self.process.resident), Bytes(self.process.resident_peak))?;
        write!(f, "; {}", self.coverage())
    }
}

/// One line per tag of the general heap.
fn write_heap(f: &mut fmt::Formatter<'_>, tags: &[HeapTagSnapshot]) -> fmt::Result {
    if tags.is_empty() {
        return Ok(());
    }
    let head = "general heap";
    let width = tags.iter().map(|tag| tag.name.chars().count()).max().unwrap_or(0).max(head.len());
    writeln!(
        f,
        "{head:<width$}  {:>14}  {:>12}  {:>10}  {:>10}",
        "handed out", "live blocks", "live", "committed"
    )?;
    for tag in tags {
        write!(f, "{:<width$}  {:>14}  {:>12}", tag.name, tag.allocs, tag.live_blocks)?;
        for size in [tag.live_bytes, tag.committed] {
            write!(f, "  {:>10}", std::format!("{}", Bytes(size as usize)))?;
        }
        writeln!(f)?;
    }
    Ok(())
}

/// One line per tag that ever had anything.
pub(crate) fn write_table(f: &mut fmt::Formatter<'_>, tags: &[TagSnapshot]) -> fmt::Result {
    let width = tags.iter().map(|tag| tag.name.chars().count()).max().unwrap_or(0).max(3);
    let heads = ["reserved", "committed", "live", "peak", "budget"];
    write!(f, "{:<width$}", "tag")?;
    for head in heads {
        write!(f, "  {head:>10}")?;
    }
    writeln!(f)?;
    for tag in tags.iter().filter(|tag| tag.peak_committed != 0 || tag.reserved != 0 || tag.budget.is_some())
    {
        write!(f, "{:<width$}", tag.name)?;
        for size in [tag.reserved, tag.committed, tag.live, tag.peak_committed] {
            write!(f, "  {:>10}", std::format!("{}", Bytes(size)))?;
        }
        match tag.budget {
            Some(limit) => writeln!(f, "  {:>10}", std::format!("{}", Bytes(limit)))?,
            None => writeln!(f, "  {:>10}", "none")?,
        }
    }
    Ok(())
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::ledger::Budget;
    use std::boxed::Box;

    #[test]
    fn tags_come_in_order_with_their_figures() {
        let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
        for name in ["b/x", "a", "a/z", "a-b"] {
            ledger.register(name).unwrap();
        }
        let z = ledger.find("a/z").unwrap();
        z.set_budget(Budget::hard(1 << 20));
        z.try_charge_committed(4096).unwrap();
        let tags = TagSnapshot::all(ledger);
        let names: Vec<_> =
            tags.iter().map(|tag| tag.name.as_str()).filter(|name| *name != "untagged").collect();
        assert_eq!(names, ["a", "a/z", "a-b", "b", "b/x"]);
        let a = tags.iter().find(|tag| tag.name == "a").unwrap();
        assert_eq!((a.committed, a.peak_committed, a.budget), (4096, 4096, None));
        let text = std::format!("{}", Snapshot { tags, ..Snapshot::default() });
        assert!(text.contains("a/z") && text.contains("1.0 MiB") && text.contains("4.0 KiB"), "{text}");
        assert!(!text.contains("general heap"), "nobody uses it");
        let level = HeapTagSnapshot {
            name: "level".into(),
            allocs: 123_456,
            live_blocks: 789,
            live_bytes: 3 << 20,
            committed: 5 << 20,
        };
        let text = std::format!("{}", Snapshot { heap: std::vec![level], ..Snapshot::default() });
        let words: Vec<_> = text.split_whitespace().collect();
        assert!(words.windows(4).any(|words| words == ["level", "123456", "789", "3.0"]), "{text}");
    }
}
