//! A node table row by row: for saving, and for making one of what was saved. Nothing here asks for memory but
//! [`try_open`](NodeTable::try_open).

use super::{Id, NONE, NUMBERS, Node, NodeTable, State};
use crate::region::AllocError;

/// Why a row is not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotClaimed {
    /// There is no such row.
    NoSuchRow,
    /// It was claimed before.
    Twice,
}

/// A row that was opened and that nobody has claimed yet.
const OPEN: u16 = 1;

impl NodeTable {
    /// How many rows have been a block: these are 1 to so many.
    pub(crate) fn rows(&self) -> u32 {
        self.fresh - 1
    }

    /// How many rows there can be.
    pub(crate) fn capacity(&self) -> usize {
        self.table.capacity().min(NUMBERS) - 1
    }

    /// The generation of any row, whatever it is. There is such a row.
    pub(crate) fn row_generation(&self, row: Id) -> u32 {
        self.at(row).generation
    }

    /// Rows that wait to be a block again, the next one first.
    pub(crate) fn vacant_rows(&self) -> impl Iterator<Item = Id> {
        core::iter::successors(Some(self.vacant), |row| Some(self.at(*row).after))
            .take_while(|row| *row != NONE)
    }

    /// How many those are.
    pub(crate) fn vacant_count(&self) -> u32 {
        self.vacant_count
    }

    /// Rows 1 to `rows` of a table that has none yet, to be claimed. There is address space for so many.
    pub(crate) fn try_open(&mut self, rows: u32) -> Result<(), AllocError> {
        debug_assert!(self.fresh == 1);
        self.table.try_grow(rows as usize + 1)?;
        self.ready = self.table.rows().min(NUMBERS) as u32;
        self.fresh = rows + 1;
        for row in 1..self.fresh {
            self.at_mut(row).spare = OPEN;
        }
        Ok(())
    }

    /// Makes an opened row somebody's.
    pub(crate) fn claim(&mut self, row: Id) -> Result<(), NotClaimed> {
        if row == NONE || row >= self.fresh {
            return Err(NotClaimed::NoSuchRow);
        }
        match core::mem::take(&mut self.at_mut(row).spare) {
            OPEN => Ok(()),
            _ => Err(NotClaimed::Twice),
        }
    }

    /// A row that is still open has no generation left: nobody is to have its number. `false`: it was claimed.
    pub(crate) fn close(&mut self, row: Id) -> bool {
        let node = self.at_mut(row);
        let open = core::mem::take(&mut node.spare) == OPEN;
        if open {
            node.generation = u32::MAX;
        }
        open
    }

    /// A claimed row waits to be a block again, in front of those that wait already.
    pub(crate) fn put_vacant(&mut self, row: Id, generation: u32) {
        self.at_mut(row).generation = generation;
        self.give_row(row);
    }

    /// A claimed row begins a segment behind all others, which has nothing yet.
    pub(crate) fn put_border(&mut self, row: Id, generation: u32, offset: u32, draining: bool) {
        let last = self.last_border;
        let (state, links) = (State::Border, [last, NONE]);
        *self.at_mut(row) = Node {
            offset,
            size: 0,
            before: row,
            after: row,
            links,
            generation,
            state,
            flag: draining,
            spare: 0,
        };
        if last == NONE {
            self.first_border = row;
        } else {
            self.at_mut(last).links[1] = row;
        }
        self.last_border = row;
        self.drained += u32::from(draining);
    }

    /// A claimed row is the piece behind `before`, a piece or border of the last segment, and makes that so much longer. The
    /// sum was looked at.
    pub(crate) fn put_piece(&mut self, row: Id, generation: u32, before: Id, size: u32, state: State) {
        let border = self.last_border;
        let offset = self.at(border).offset + self.at(border).size;
        self.at_mut(border).size += size;
        let links = [NONE, NONE];
        *self.at_mut(row) =
            Node { offset, size, before, after: border, links, generation, state, flag: false, spare: 0 };
        self.at_mut(before).after = row;
        self.at_mut(border).before = row;
    }
}
