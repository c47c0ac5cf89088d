//! The library from outside, room by room, through its public face only.

mod attacks;
mod defrag_attacks;
mod external_attacks;
mod fit_attacks;
mod manager;
mod pool_attacks;
mod quiet;
