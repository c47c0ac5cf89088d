//! A node of the tree: entries in ascending order, 512 bytes.

/// Entries of a node. Keys and links of so many, and how many there are, make 512 bytes: eight lines of the cache.
pub(super) const CAPACITY: usize = 42;

/// Entries that every node has, but for the root.
pub(super) const LEAST: usize = CAPACITY / 2;

/// An entry is a key and a link. In a leaf the link is what the key stands for; above, it is another node, and the key says what
/// is in that (see [`Tree`](super::tree::Tree)).
#[derive(Debug)]
#[repr(C, align(64))]
pub(super) struct TreeNode {
    /// Ascending and all different.
    keys: [u64; CAPACITY],
    links: [u32; CAPACITY],
    count: u32,
    spare: u32,
}

const _: () = assert!(size_of::<TreeNode>() == 512);

impl TreeNode {
    #[inline(always)]
    pub(super) fn len(&self) -> usize {
        // Never more; the compiler is told so.
        (self.count as usize).min(CAPACITY)
    }

    #[inline(always)]
    pub(super) fn keys(&self) -> &[u64] {
        &self.keys[..self.len()]
    }

    #[inline(always)]
    pub(super) fn key(&self, at: usize) -> u64 {
        self.keys()[at]
    }

    #[inline(always)]
    pub(super) fn set_key(&mut self, at: usize, key: u64) {
        let len = self.len();
        self.keys[..len][at] = key;
    }

    #[inline(always)]
    pub(super) fn link(&self, at: usize) -> u32 {
        self.links[..self.len()][at]
    }

    /// The greatest key. There is one.
    #[inline(always)]
    pub(super) fn last_key(&self) -> u64 {
        self.keys[self.len() - 1]
    }

    /// The greatest of the keys' low halves; 0 if there is no key.
    #[inline]
    pub(super) fn most(&self) -> u32 {
        self.keys().iter().fold(0, |most, key| most.max(*key as u32))
    }

    /// How many keys are less than this one.
    #[inline(always)]
    pub(super) fn rank(&self, key: u64) -> usize {
        self.keys().partition_point(|other| *other < key)
    }

    /// The first entry from this place on whose key's low half is at least `least`.
    #[inline(always)]
    pub(super) fn first_of(&self, from: usize, least: u32) -> Option<usize> {
        let rest = self.keys().get(from..)?;
        Some(from + rest.iter().position(|key| *key as u32 >= least)?)
    }

    /// Forgets all entries.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    /// There is room for one more.
    #[inline]
    pub(super) fn insert(&mut self, at: usize, key: u64, link: u32) {
        let len = self.len();
        self.keys[..=len].copy_within(at..len, at + 1);
        self.links[..=len].copy_within(at..len, at + 1);
        (self.keys[at], self.links[at]) = (key, link);
        self.count = len as u32 + 1;
    }

    #[inline]
    pub(super) fn remove(&mut self, at: usize) {
        let len = self.len();
        self.keys[..len].copy_within(at + 1.., at);
        self.links[..len].copy_within(at + 1.., at);
        self.count = len as u32 - 1;
    }

    /// The entries from this place on go to the front of the node behind, which has room for them.
    pub(super) fn move_back(&mut self, from: usize, behind: &mut Self) {
        let (len, had) = (self.len(), behind.len());
        let moved = len - from;
        behind.keys[..had + moved].copy_within(..had, moved);
        behind.links[..had + moved].copy_within(..had, moved);
        behind.keys[..moved].copy_from_slice(&self.keys[from..len]);
        behind.links[..moved].copy_from_slice(&self.links[from..len]);
        (self.count, behind.count) = (from as u32, (had + moved) as u32);
    }

    /// The first `moved` entries of the node behind come to the end of this one, which has room for them.
    pub(super) fn move_front(&mut self, behind: &mut Self, moved: usize) {
        let (len, had) = (self.len(), behind.len());
        self.keys[len..len + moved].copy_from_slice(&behind.keys[..moved]);
        self.links[len..len + moved].copy_from_slice(&behind.links[..moved]);
        behind.keys[..had].copy_within(moved.., 0);
        behind.links[..had].copy_within(moved.., 0);
        (self.count, behind.count) = ((len + moved) as u32, (had - moved) as u32);
    }
}
