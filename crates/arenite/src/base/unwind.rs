//! Panic-proof loops.
