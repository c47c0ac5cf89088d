//! What both binaries of the bench run. See `main.rs`.

pub mod game;
pub mod inputs;
pub mod programs;
pub mod sampled;
