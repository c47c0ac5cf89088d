//! What the allocators are measured with, and the program around it.
//!
//! Each allocator has a program of its own under `bench/heap/peers`: it installs the allocator as the global one and
//! calls [`main`]. All of them link this library and so do the same work, in the same order, from the same seeds.
//!
//! | module | what it is |
//! |---|---|
//! | [`child`] | the program: runs one workload, once, and prints one line |
//! | [`memory`] | resident memory as the system sees it, read without allocating |
//! | [`pins`] | malloc and free in functions of their own, whose instructions are counted |
//! | `block` | raw blocks of any size that notice when they are damaged |
//! | `random` | the same numbers and sizes in every program |
//! | [`work`] | the workloads |

mod block;
pub mod child;
pub mod memory;
pub mod pins;
mod random;
pub mod work;

pub use child::main;
