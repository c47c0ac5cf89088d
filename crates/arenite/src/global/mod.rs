//! Floor 6: global allocators. May import every floor below; needs `std` and 64-bit addresses.
//!
//! - [`GlobalHeap`]: our own heap, each block under the tag that its thread was in.
//!
//! ```
//! use arenite::GlobalHeap;
//!
//! #[global_allocator]
//! static HEAP: GlobalHeap = GlobalHeap;
//!
//! let text = String::from("from Arenite's heap");
//! assert!(GlobalHeap::owns(text.as_ptr()));
//! ```

mod heap;

pub use heap::GlobalHeap;
