//! Floor 4: pools. Each hands out slots of one size from a table that never moves; they differ in *how a slot is named*.
//!
//! Every pool stands on a [`Table`](crate::region::Table): its slots and its book-keeping are columns of one reservation,
//! committed together as the pool grows, charged to the pool's tag. So an address never changes, a foreign pointer is
//! found by one compare, and a slot's number follows from its address. May import floors 0 to 3.
//!
//! | file | what lives there |
//! |---|---|
//! | `slots` | the raw core of the pools for one thread: which slots are free |
//! | `block`, `typed` | [`BlockPool`], [`Pool`] over it; `away`: blocks that come back from other threads |
//! | `shared` | the raw core for many threads, [`SharedBlockPool`], [`SharedPool`] |
//! | `handle`, `handle_pool` | [`Handle`]; [`HandlePool`], [`Secondary`] |
//! | `soa` | [`Columns`] |
//! | `options`, `stats`, `insert_error`, `boxed` | what they share |
#![doc = ""]
#![doc = include_str!("which.md")]

mod away;
mod block;
mod boxed;
mod handle;
mod handle_pool;
mod insert_error;
mod options;
mod shared;
mod slots;
pub mod soa;
mod stats;
mod typed;

pub use crate::base::FreeError;
pub use block::{Block, BlockPool};
pub use handle::Handle;
pub use handle_pool::{
    BorrowError, BorrowMany, DisjointError, DisjointMut, Drain, ExtractIf, HandlePool, HandlePoolStats,
    Handles, Iter, IterMut, Secondary, SecondaryError, SecondaryIter, SecondaryIterMut, Values, ValuesMut,
};
#[cfg(feature = "serde")]
pub use handle_pool::{HandlePoolSeed, HandlePoolState, StateError};
#[cfg(feature = "rayon")]
pub use handle_pool::{ParIter, ParIterMut};
pub use insert_error::InsertError;
pub use options::PoolOptions;
pub use shared::{
    OwnedBox, SharedBlock, SharedBlockPool, SharedBlockStats, SharedBox, SharedPool, SharedPoolOwner,
};
pub use soa::{Columns, ColumnsStats, Soa};
pub use stats::PoolStats;
pub use typed::{Pool, PoolBox};
