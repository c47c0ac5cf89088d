//! What the system says is in memory of what streams: the ledger's figures are ours, these are the kernel's.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use arenite::Tag;

/// Where the elements of every loaded resource lie: by their address the tag and the length in bytes.
static BLOCKS: Mutex<BTreeMap<usize, (&str, usize)>> = Mutex::new(BTreeMap::new());

/// Says that a block is there, until it is dropped.
#[derive(Debug)]
pub(super) struct Seen(usize);

impl Seen {
    pub(super) fn new<T>(tag: Tag, elements: &[T]) -> Self {
        if elements.is_empty() {
            // No memory, and an address that says nothing.
            return Self(0);
        }
        let address = elements.as_ptr().addr();
        let entry = (tag.name(), size_of_val(elements));
        let mut blocks = BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
        assert_eq!(blocks.insert(address, entry), None, "two blocks in one place");
        Self(address)
    }
}

impl Drop for Seen {
    fn drop(&mut self) {
        BLOCKS.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.0);
    }
}

/// How many bytes of a tag's blocks are in memory or in swap, by the kernel's own table of the process's pages; and how many there
/// would be if every page of every block was.
#[cfg(target_os = "linux")]
pub(super) fn resident(tag: &str) -> (u64, u64) {
    use std::os::unix::fs::FileExt as _;

    let page = arenite::os::page_size();
    let pages = std::fs::File::open("/proc/self/pagemap").expect("the kernel tells of our own pages");
    let blocks = BLOCKS.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut there, mut all) = (0, 0);
    let mut entries = Vec::new();
    for (&address, &(_, bytes)) in blocks.iter().filter(|(_, (name, _))| *name == tag) {
        let (first, end) = (address / page, (address + bytes).div_ceil(page));
        // One word of 64 bits for each page: the highest says that it is in memory, the next one in swap.
        entries.resize((end - first) * 8, 0_u8);
        pages.read_exact_at(&mut entries, first as u64 * 8).expect("an entry for each page");
        there += entries.chunks_exact(8).filter(|entry| entry[7] & 0b1100_0000 != 0).count();
        all += end - first;
    }
    ((there * page) as u64, (all * page) as u64)
}
