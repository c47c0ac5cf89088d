//! Floor 0: what every other floor stands on. Imports nothing from this crate.

pub mod bytes;
pub mod sync;
