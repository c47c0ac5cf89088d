//! A memory system for game engines: reserve address space once, commit pages as needed, charge every page to a tag.
#![no_std]
#[cfg(any(feature = "std", test))]
extern crate std;

pub mod base;
pub mod ledger;
