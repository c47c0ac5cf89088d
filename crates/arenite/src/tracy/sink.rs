//! What Tracy is told of blocks, and in which order.
//!
//! Tracy takes events of memory under a lock, in the order in which they come. A free is told before the block can be another thread's
//! and an allocation after it was handed out, so of each address Tracy hears in turn; and a resize is a free before, an allocation after.
//! What Tracy was not told of, because it began before, it is not told the end of.

use super::names::{self, Name};
use super::shown::{Put, Table};
use crate::base::recording::Shown;
use crate::ledger::{Ledger, Tag, here};

/// Who is told: Tracy's client, or a test.
pub(super) trait Wire {
    /// A block was handed out.
    fn alloc(&self, address: usize, size: usize, pool: &'static Name);
    /// A block is about to go, which was handed out from this pool.
    fn free(&self, address: usize, pool: &'static Name);
}

/// Tells what is to be told.
#[derive(Debug)]
pub(super) struct Sink<W> {
    pub(super) wire: W,
    pub(super) table: Table,
    /// Of blocks for which there is no other.
    untagged: Tag,
}

impl<W: Wire> Sink<W> {
    pub(super) fn new(wire: W, table: Table) -> Self {
        Self { wire, table, untagged: Tag::untagged() }
    }

    /// The pool of blocks of this tag, or of the one that the thread is under. Tags of other ledgers have none of their own.
    #[inline(always)]
    fn pool_of(&self, tag: Option<Tag>) -> (u16, &'static Name) {
        let tag = tag.or_else(|| here().tag).filter(|tag| core::ptr::eq(tag.ledger(), Ledger::process()));
        let tag = tag.unwrap_or(self.untagged);
        (tag.place() as u16, &names::of(tag).pool)
    }

    /// A block was handed out.
    #[inline(always)]
    pub(super) fn allocated(&self, address: usize, size: usize, tag: Option<Tag>) {
        let (pool, name) = self.pool_of(tag);
        self.show(address, Shown { pool, size: size as u64 }, name);
    }

    #[inline(always)]
    fn show(&self, address: usize, shown: Shown, name: &'static Name) {
        match self.table.put(address, shown) {
            Put::New => {}
            // Its end was not told: it came while nobody listened, or from within what is left out.
            Put::Instead(before) => self.wire.free(address, &names::at(before.pool).pool),
            Put::LeftOut => return,
        }
        self.wire.alloc(address, shown.size as usize, name);
    }

    /// A block is about to be given back.
    #[inline(always)]
    pub(super) fn freed(&self, address: usize) {
        let _ = self.resizing(address);
    }

    /// A block is about to get another size: where it is another thread's may be before this one knows. Answers what was told of it.
    #[inline(always)]
    pub(super) fn resizing(&self, address: usize) -> Option<Shown> {
        let shown = self.table.take(address)?;
        self.wire.free(address, &names::at(shown.pool).pool);
        Some(shown)
    }

    /// A block has got another size. It stays in its pool.
    pub(super) fn resized(&self, before: Option<Shown>, address: usize, size: usize, tag: Option<Tag>) {
        match before {
            Some(Shown { pool, .. }) => {
                self.show(address, Shown { pool, size: size as u64 }, &names::at(pool).pool);
            }
            None => self.allocated(address, size, tag),
        }
    }

    /// A block has not got another size: it is as it was.
    pub(super) fn stays(&self, before: Option<Shown>, address: usize) {
        if let Some(shown) = before {
            self.show(address, shown, &names::at(shown.pool).pool);
        }
    }
}
