//! Projectiles in a pool, particles in columns, and the fallen in a stack of their own: what there can be as much of in every map, so
//! that its room is the game's and goes from scene to scene.

use arenite::{AllocError, ArenaVec, Columns, Pool, PoolBox, PoolOptions, Scope, Soa, Tag};
use rayon::prelude::*;

use crate::rules::flight::{Crowd, Fallen, Particle, Projectile, Sparks};
use crate::rules::math::Point;
use crate::rules::{PARTICLES, PROJECTILES};

/// Where a projectile is, once it is made, it stays: the pool never moves it. Their order is that of the boxes.
#[derive(Debug)]
pub(super) struct Projectiles<'g> {
    pool: &'g Pool<Projectile>,
    boxes: ArenaVec<'g, PoolBox<'g, Projectile>>,
}

/// The pool of all projectiles there can be, all of it committed.
pub(super) fn projectile_pool(tag: Tag) -> Result<Pool<Projectile>, AllocError> {
    Pool::try_with(PoolOptions::new(tag, PROJECTILES).bounded())
}

impl Crowd<Projectile> for Projectiles<'_> {
    fn add(&mut self, item: Projectile) -> bool {
        self.pool.try_insert(item).is_ok_and(|item| self.boxes.try_push(item).is_ok())
    }

    fn retain(&mut self, mut keep: impl FnMut(&mut Projectile) -> bool) {
        self.boxes.retain(|item| keep(item));
    }

    fn iter<'a>(&'a self) -> impl Iterator<Item = &'a Projectile>
    where
        Projectile: 'a,
    {
        self.boxes.iter().map(|item| &**item)
    }

    fn len(&self) -> usize {
        self.boxes.len()
    }
}

/// A particle, taken apart: each field is a column.
#[derive(Clone, Copy, Debug, Default, Soa)]
struct Spark {
    at: Point,
    velocity: Point,
    serial: u32,
    life: u8,
    hue: u8,
}

/// Particles in columns.
#[derive(Debug)]
pub(super) struct Particles {
    columns: Columns<Spark>,
}

/// Particles that one job moves.
const BATCH: usize = 1024;

impl Sparks for Particles {
    fn add(&mut self, particle: Particle) -> bool {
        let Particle { at, velocity, serial, life, hue } = particle;
        self.columns.try_push(Spark { at, velocity, serial, life, hue }).is_ok()
    }

    fn advance(&mut self, step: impl Fn(&mut Point, &mut Point, &mut u8) + Sync) {
        let columns = self.columns.columns_mut();
        let batches = columns.at.par_chunks_mut(BATCH).zip(columns.velocity.par_chunks_mut(BATCH));
        batches.zip(columns.life.par_chunks_mut(BATCH)).for_each(|((at, velocity), life)| {
            for ((at, velocity), life) in at.iter_mut().zip(velocity).zip(life) {
                step(at, velocity, life);
            }
        });
    }

    fn sweep(&mut self) {
        self.columns.retain(|spark| *spark.life > 0);
    }

    fn places(&self) -> impl Iterator<Item = (Point, u32)> {
        let columns = self.columns.columns();
        columns.at.iter().copied().zip(columns.serial.iter().copied())
    }

    fn len(&self) -> usize {
        self.columns.len()
    }
}

/// A vector in a stack of its own that does not grow in a frame.
#[derive(Debug)]
pub(super) struct Limited<'g, T> {
    items: ArenaVec<'g, T>,
    /// As many have room.
    most: usize,
}

impl<'g, T> Limited<'g, T> {
    /// Room for nothing.
    fn new(stack: &'g Scope<'_>) -> Self {
        Self { items: stack.vec(), most: 0 }
    }

    /// Empties it and makes room for `most`, in place because it is alone in its stack.
    fn start(&mut self, most: usize) -> Result<(), AllocError> {
        self.items.clear();
        self.items.try_reserve(most)?;
        self.most = most;
        Ok(())
    }
}

impl<T> Crowd<T> for Limited<'_, T> {
    fn add(&mut self, item: T) -> bool {
        self.items.len() < self.most && self.items.try_push(item).is_ok()
    }

    fn retain(&mut self, keep: impl FnMut(&mut T) -> bool) {
        self.items.retain(keep);
    }

    fn iter<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a,
    {
        self.items.iter()
    }

    fn len(&self) -> usize {
        self.items.len()
    }
}

/// All of it.
#[derive(Debug)]
pub(super) struct Flying<'g> {
    pub(super) projectiles: Projectiles<'g>,
    pub(super) particles: Particles,
    pub(super) fallen: Limited<'g, Fallen>,
    /// Places of each that were written at some time, so that using them does not fault.
    touched: usize,
}

impl<'g> Flying<'g> {
    pub(super) fn try_new(
        stack: &'g Scope<'_>,
        fallen: &'g Scope<'_>,
        pool: &'g Pool<Projectile>,
        particles: Tag,
    ) -> Result<Self, AllocError> {
        let mut boxes = stack.vec();
        boxes.try_reserve(PROJECTILES)?;
        Ok(Self {
            projectiles: Projectiles { pool, boxes },
            particles: Particles {
                columns: Columns::try_with(PoolOptions::new(particles, PARTICLES).bounded())?,
            },
            fallen: Limited::new(fallen),
            touched: 0,
        })
    }

    /// Nothing flies any more. There are at once, for each agent of a busy scene, a little less than what is written here
    /// once, so that the frames do not fault.
    pub(super) fn start(&mut self, agents: usize) -> Result<(), AllocError> {
        self.clear();
        self.fallen.start(agents)?;
        if agents > self.touched {
            for _ in 0..agents * 2 {
                self.projectiles.add(Projectile::default());
            }
            for _ in 0..agents * 16 {
                self.particles.add(Particle::default());
            }
            for _ in 0..agents {
                self.fallen.add(Fallen::default());
            }
            self.touched = agents;
            self.clear();
        }
        Ok(())
    }

    fn clear(&mut self) {
        self.projectiles.boxes.clear();
        self.particles.columns.clear();
        self.fallen.items.clear();
    }

    /// Tells the ledger how much is in use.
    pub(super) fn publish(&mut self) {
        self.projectiles.pool.publish();
        self.particles.columns.publish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arenite::ScratchStack;

    #[test]
    fn crowds_take_as_many_as_they_were_made_for() {
        let mut stack = ScratchStack::try_new(Tag::untagged(), 64 << 20).expect("memory for a test");
        let mut guard = stack.guard();
        let scope = guard.scope();
        let pool = projectile_pool(Tag::untagged()).expect("memory for a test");
        let mut other = ScratchStack::try_new(Tag::untagged(), 64 << 20).expect("memory for a test");
        let mut other = other.guard();
        let other = other.scope();
        let mut flying = Flying::try_new(&scope, &other, &pool, Tag::untagged()).expect("memory for a test");
        let used = scope.used();
        for agents in [0, 3, 100, 100_000, 7] {
            flying.start(agents).expect("memory for a test");
            assert_eq!((0..agents + 5).filter(|_| flying.fallen.add(Fallen::default())).count(), agents);
            flying.fallen.retain(|_| false);
            assert!(flying.projectiles.is_empty() && flying.particles.is_empty() && flying.fallen.is_empty());
            let made = (0..PROJECTILES as u32 + 50)
                .filter(|&serial| flying.projectiles.add(Projectile { serial, ..Projectile::default() }));
            assert_eq!(made.count(), PROJECTILES);
            flying.projectiles.retain(|projectile| projectile.serial % 3 == 0);
            assert!(flying.projectiles.iter().map(|it| it.serial as usize).eq((0..PROJECTILES).step_by(3)));

            let at = Point { x: 1, y: 2 };
            let made = (0..PARTICLES as u32 + 50).filter(|&serial| {
                flying.particles.add(Particle { at, serial, life: (serial % 4) as u8, ..Particle::default() })
            });
            assert_eq!(made.count(), PARTICLES);
            flying.particles.advance(|at, _, life| {
                at.x += i32::from(*life);
                *life = life.saturating_sub(1);
            });
            flying.particles.sweep();
            let mut left: Vec<_> = flying.particles.places().map(|(at, serial)| (serial, at.x)).collect();
            left.sort_unstable();
            let expected =
                (0..PARTICLES as u32).filter(|serial| serial % 4 > 1).map(|it| (it, 1 + (it % 4) as i32));
            assert!(left.into_iter().eq(expected));
            assert_eq!(scope.used(), used, "it never grows");
        }
    }
}
