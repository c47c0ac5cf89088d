//! The library from outside, room by room, through its public face only.

mod attacks;
mod manager;
mod pool_attacks;
mod quiet;
