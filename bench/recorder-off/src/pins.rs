//! The same functions as those of `arenite-bench`, called by the same name.

#[path = "../../src/pins/heap.rs"]
pub(crate) mod heap;
