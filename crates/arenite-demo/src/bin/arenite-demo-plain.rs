//! The plain game.
fn main() {}
