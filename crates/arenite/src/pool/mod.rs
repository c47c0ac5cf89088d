//! Floor 4: pools. Each hands out slots of one size from a table that never moves; they differ in *how a slot is named*.
//!
//! Every pool stands on a [`Table`](crate::region::Table): its slots and its book-keeping are columns of one reservation,
//! committed together as the pool grows, charged to the pool's tag. So an address never changes, a foreign pointer is
//! found by one compare, and a slot's number follows from its address. May import floors 0 to 3.

mod handle;
mod handle_pool;
mod options;

pub use handle::Handle;
pub use handle_pool::{
    BorrowError, BorrowMany, DisjointError, DisjointMut, Drain, ExtractIf, HandlePool, HandlePoolStats,
    Handles, InsertError, Iter, IterMut, Secondary, SecondaryError, SecondaryIter, SecondaryIterMut, Values,
    ValuesMut,
};
#[cfg(feature = "serde")]
pub use handle_pool::{HandlePoolSeed, HandlePoolState, StateError};
#[cfg(feature = "rayon")]
pub use handle_pool::{ParIter, ParIterMut};
pub use options::PoolOptions;
