//! A memory system for game engines: reserve address space once, commit pages as needed, charge every page to a tag.
#![no_std]
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod arena;
pub mod base;
pub mod ledger;
pub mod os;
pub mod region;

pub use arena::*;
pub use ledger::{Budget, BudgetExceeded, BudgetStatus, Ledger, Tag, TagError};
pub use region::{AllocError, Region, RegionOptions};
