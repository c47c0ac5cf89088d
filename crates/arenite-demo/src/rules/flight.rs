//! Projectiles and particles, and what holds them.

use super::math::{Point, UNIT};

/// How far a projectile flies in a frame. Less than the narrowest cell, so that none skips a wall.
pub const PROJECTILE_SPEED: i32 = 24 * UNIT;

/// Something that was shot and has not hit yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Projectile {
    /// Where it is.
    pub at: Point,
    /// How far it flies in a frame.
    pub velocity: Point,
    /// Who shot it.
    pub owner: u32,
    /// Tells it from every other one of its scene, modulo 2³².
    pub serial: u32,
    /// Hit points that it takes.
    pub damage: i16,
    /// Frames until it ends by itself.
    pub life: u8,
    /// Team of who shot it.
    pub team: u8,
}

/// A spark or a drop, only there to be seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Particle {
    /// Where it is.
    pub at: Point,
    /// How far it flies in the next frame; it slows down.
    pub velocity: Point,
    /// Tells it from every other one of its scene, modulo 2³².
    pub serial: u32,
    /// Frames until it is gone.
    pub life: u8,
    /// What it came from.
    pub hue: u8,
}

/// A collection that keeps its order and never holds more than it was made for. Each world has its own.
pub trait Crowd<T> {
    /// Takes one more, behind all others; returns `false` and leaves it when full.
    fn add(&mut self, item: T) -> bool;
    /// Visits all in their order and removes those for which `keep` says no; the others stay in order.
    fn retain(&mut self, keep: impl FnMut(&mut T) -> bool);
    /// All in their order.
    fn iter<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a;
    /// How many there are.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
