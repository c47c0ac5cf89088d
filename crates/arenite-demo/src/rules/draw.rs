//! The draw list: what the camera sees, sorted, and compared with the frame before.

use super::assets::{self, Assets, Look};
use super::crew::Crew;
use super::flight::{Crowd, Projectile, Sparks};
use super::level::Level;
use super::math::{Point, UNIT};

/// The most labels that are shown at once.
pub const LABELS: usize = 8;

/// What the camera shows, in map units.
const VIEW: Point = Point { x: 1600 * UNIT, y: 1200 * UNIT };
/// Side of a piece of floor, in cells.
const TILE: i32 = 2;

/// What is drawn over what.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    /// A piece of floor.
    Floor = 0,
    /// A line of the map.
    Wall = 1,
    /// An agent.
    Agent = 2,
    /// A projectile.
    Projectile = 3,
    /// A particle.
    Particle = 4,
}

/// One thing to draw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DrawItem {
    /// Layer, look and number, from the highest bits down: its place in the list and what it is known by.
    key: u64,
    /// Where it is drawn, in units of [`Point`] relative to the camera.
    pub x: i32,
    /// Where it is drawn, in units of [`Point`] relative to the camera.
    pub y: i32,
    /// Its colour, as a palette index.
    pub shade: u32,
}

impl DrawItem {
    /// An item; `id` tells it from the others of its layer.
    pub fn new(layer: Layer, look: Look, id: u32, at: Point, shade: u8) -> Self {
        let key = (layer as u64) << 48 | u64::from(look.bits()) << 32 | u64::from(id);
        Self { key, x: at.x, y: at.y, shade: u32::from(shade) }
    }

    /// Layer, look and number in one: items are sorted by it, and no two in a list have the same.
    #[inline]
    pub fn key(&self) -> u64 {
        self.key
    }

    /// Its number, as given to [`new`](Self::new).
    pub fn id(&self) -> u32 {
        (self.key & 0xFFFF_FFFF) as u32
    }

    /// Whether it is in a layer.
    pub fn is_in(&self, layer: Layer) -> bool {
        self.key >> 48 == layer as u64
    }
}

/// What the camera shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Camera {
    /// Its middle.
    pub at: Point,
    /// Lower left corner.
    low: Point,
    /// Upper right corner.
    high: Point,
}

impl Camera {
    /// The camera over a position.
    pub fn over(at: Point) -> Self {
        let half = Point { x: VIEW.x / 2, y: VIEW.y / 2 };
        Self { at, low: at - half, high: at + half }
    }

    /// One over the same position that shows so much more at each edge.
    pub fn widened(&self, by: i32) -> Self {
        let by = Point { x: by, y: by };
        Self { at: self.at, low: self.low - by, high: self.high + by }
    }

    /// Whether it shows everything that another one shows.
    pub fn holds(&self, other: &Self) -> bool {
        self.low.x <= other.low.x
            && self.low.y <= other.low.y
            && self.high.x >= other.high.x
            && self.high.y >= other.high.y
    }

    /// Left, bottom, right and top in map units.
    pub fn map_rectangle(&self) -> [i32; 4] {
        let ([left, bottom], [right, top]) = (self.low.to_map(), self.high.to_map());
        [left, bottom, right, top]
    }

    /// Whether a position is shown.
    #[inline]
    pub fn shows(&self, at: Point) -> bool {
        (self.low.x..self.high.x).contains(&at.x) && (self.low.y..self.high.y).contains(&at.y)
    }

    /// Whether a part of the rectangle around a line is shown.
    #[inline]
    pub fn shows_line(&self, from: Point, to: Point) -> bool {
        from.x.min(to.x) < self.high.x
            && from.x.max(to.x) >= self.low.x
            && from.y.min(to.y) < self.high.y
            && from.y.max(to.y) >= self.low.y
    }
}

/// Everything that may be in the draw list.
#[derive(Debug)]
pub struct Scenery<'a, C, S, D, A> {
    /// The scene's map.
    pub level: Level<'a>,
    /// Everybody.
    pub crew: &'a C,
    /// Projectiles.
    pub projectiles: &'a S,
    /// Particles.
    pub particles: &'a D,
    /// What it all looks like.
    pub assets: &'a A,
    /// The frame's number; pictures move with it.
    pub frame: u32,
}

/// Gives everything that the camera shows to `sink`, each thing once: floors, walls, the agents that can be seen from
/// where the camera is, projectiles, particles. Each samples its picture. Linear in what the level and the scene hold.
pub fn collect<C: Crew, S: Crowd<Projectile>, D: Sparks, A: Assets>(
    scenery: &Scenery<'_, C, S, D, A>,
    camera: &Camera,
    mut sink: impl FnMut(DrawItem),
) {
    let Scenery { level, crew, projectiles, particles, assets, frame } = scenery;
    let mut draw = |layer, look, id: u32, at: Point| {
        let shade = assets::texel(
            *assets,
            look,
            id.wrapping_add(*frame),
            frame.wrapping_mul(3).wrapping_add(id >> 4),
        );
        sink(DrawItem::new(layer, look, id, at - camera.at, shade));
    };
    let shape = level.grid.shape;
    let (low, high) = (shape.place(camera.low), shape.place(camera.high));
    for row in low.1.div_euclid(TILE)..=high.1.div_euclid(TILE) {
        for column in low.0.div_euclid(TILE)..=high.0.div_euclid(TILE) {
            let Some(cell) = shape.cell(column * TILE + TILE / 2, row * TILE + TILE / 2) else { continue };
            let look = level.floors[cell as usize];
            if look != Look::NONE {
                draw(Layer::Floor, look, cell, shape.center(cell));
            }
        }
    }
    for (id, wall) in level.walls.iter().enumerate() {
        if camera.shows_line(wall.from, wall.to) {
            draw(Layer::Wall, wall.look, id as u32, wall.from);
        }
    }
    let eye = shape.cell_at(camera.at);
    for (slot, agent) in crew.each() {
        let seen = camera.shows(agent.at)
            && eye.zip(shape.cell_at(agent.at)).is_some_and(|(eye, cell)| level.grid.sees(eye, cell));
        if seen {
            draw(Layer::Agent, agent.look, slot, agent.at);
        }
    }
    for projectile in projectiles.iter().filter(|projectile| camera.shows(projectile.at)) {
        draw(Layer::Projectile, Look::NONE, projectile.serial, projectile.at);
    }
    for (at, serial) in particles.places().filter(|&(at, _)| camera.shows(at)) {
        draw(Layer::Particle, Look::NONE, serial, at);
    }
}

/// Sorts a draw list. Keys are unique, so that there is one order only.
pub fn sort(items: &mut [DrawItem]) {
    items.sort_unstable_by_key(DrawItem::key);
}

/// What a frame drew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drawn {
    /// Items in the draw list.
    pub items: u32,
    /// Of those, how many were not in the last frame's list.
    pub fresh: u32,
}

/// What changed from one draw list to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delta {
    /// Items that were not in the list before.
    pub fresh: u32,
    /// Items that were in the list before and are no longer.
    pub gone: u32,
    /// Items in both lists whose place on the screen changed.
    pub moved: u32,
}

/// Compares two sorted draw lists. Linear.
pub fn compare(before: &[DrawItem], now: &[DrawItem]) -> Delta {
    let mut delta = Delta::default();
    let (mut before, mut now) = (before.iter().peekable(), now.iter().peekable());
    while let (Some(old), Some(new)) = (before.peek(), now.peek()) {
        match old.key.cmp(&new.key) {
            std::cmp::Ordering::Less => {
                delta.gone += 1;
                before.next();
            }
            std::cmp::Ordering::Greater => {
                delta.fresh += 1;
                now.next();
            }
            std::cmp::Ordering::Equal => {
                delta.moved += u32::from((old.x, old.y) != (new.x, new.y));
                before.next();
                now.next();
            }
        }
    }
    delta.gone += before.count() as u32;
    delta.fresh += now.count() as u32;
    delta
}

/// The first agents in a sorted draw list: those that get a label.
pub fn labelled(items: &[DrawItem]) -> impl Iterator<Item = u32> + '_ {
    items.iter().filter(|item| item.is_in(Layer::Agent)).map(DrawItem::id).take(LABELS)
}
