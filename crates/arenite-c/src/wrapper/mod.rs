//! What 1990s engines called their memory: blocks with flags and an out-of-memory hook, and the pool in a given buffer.
//!
//! ```text
//!   alloc      arenite_Alloc …        include/compat/memory_wrapper.h gives the old names
//!   mem_pool   arenite_Mem_Init …     include/compat/mem_pool.h
//!     pool       the pool itself: safe code over a slice
//! ```
//!
//! Blocks are those of `platform/`: what one face takes the other gives back.

pub mod alloc;
pub mod mem_pool;
mod pool;
#[cfg(test)]
mod pool_program;
#[cfg(test)]
mod pool_tests;
