//! Memory for game engines.
#![cfg_attr(not(test), no_std)]
#[cfg(feature = "std")]
extern crate std;

pub mod base;
pub mod os;
