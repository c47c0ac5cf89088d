//! Projectiles, particles and the fallen, and what holds them.

use super::agent::Agent;
use super::crew::Name;
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
    /// Who shot it; may have died since.
    pub owner: Name,
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

/// Somebody who died and will come back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fallen {
    /// As it was when it died.
    pub agent: Agent,
    /// Frames until it comes back.
    pub waits: u16,
    /// Whether the camera follows it.
    pub hero: bool,
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

/// The particles of a scene: like a crowd without an order, each property by itself, so that a world may keep them in
/// columns.
pub trait Sparks {
    /// Takes one more; returns `false` and leaves it when full.
    fn add(&mut self, particle: Particle) -> bool;
    /// Calls `step` with place, velocity and life of each, in any order and on any thread.
    fn advance(&mut self, step: impl Fn(&mut Point, &mut Point, &mut u8) + Sync);
    /// Removes those whose life is over; the others may change places.
    fn sweep(&mut self);
    /// Place and serial of each, in any order.
    fn places(&self) -> impl Iterator<Item = (Point, u32)>;
    /// How many there are.
    fn len(&self) -> usize;
    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<C: Crowd<Particle>> Sparks for C {
    fn add(&mut self, particle: Particle) -> bool {
        Crowd::add(self, particle)
    }

    fn advance(&mut self, step: impl Fn(&mut Point, &mut Point, &mut u8) + Sync) {
        self.retain(|Particle { at, velocity, life, .. }| {
            step(at, velocity, life);
            true
        });
    }

    fn sweep(&mut self) {
        self.retain(|particle| particle.life > 0);
    }

    fn places(&self) -> impl Iterator<Item = (Point, u32)> {
        self.iter().map(|particle| (particle.at, particle.serial))
    }

    fn len(&self) -> usize {
        Crowd::len(self)
    }
}
