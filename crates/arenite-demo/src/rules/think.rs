//! What an agent wants. Reads the frozen world of the frame's start, so that any thread may do it for any agent.

use super::agent::Agent;
use super::buckets::Buckets;
use super::crew::{Crew, Name};
use super::grid::{Cell, Grid};
use super::level::Level;
use super::math::{Point, UNIT};
use super::path;
use super::rng::Rng;

/// The world at the start of a frame.
#[derive(Debug)]
pub struct Frozen<'a, C> {
    /// The scene's map.
    pub level: Level<'a>,
    /// Everybody who lives.
    pub crew: &'a C,
    /// Who is near whom.
    pub buckets: Buckets<'a>,
    /// The scene's seed.
    pub seed: u64,
    /// The frame's number in the scene.
    pub frame: u32,
}

/// Where thinking gets the memory for its paths from.
pub trait PathMemory {
    /// A path in that memory.
    type Path: AsRef<[Cell]>;

    /// The way from one cell to another, by [`path::search`]; `None` when there is none.
    fn find_path(&mut self, grid: &Grid<'_>, from: Cell, to: Cell) -> Option<Self::Path>;
}

/// What an agent wants to do in this frame. `P` is a path in whatever memory it was found in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Intent<P> {
    /// Where it wants to go from where it stands.
    pub step: Point,
    /// The agent that it hunts from now on.
    pub target: Option<Name>,
    /// Whom it hunted is no more: its name resolved to nobody.
    pub stale: bool,
    /// Where it wants to shoot.
    pub shot: Option<Point>,
    /// The way that it wants to take from now on.
    pub path: Option<P>,
}

/// How far an agent looks for somebody to hunt, in buckets.
const RINGS: i32 = 7;
/// How many frames pass between two times that an agent looks for somebody to hunt and for a way there.
const LOOK_EVERY: u32 = 4;
/// How far a shot is worth it, in map units.
const SHOT_RANGE: i64 = 768;
/// Nearer than this an agent circles its target instead of going to it, in map units.
const CIRCLE_RANGE: i64 = 160;
/// No agent has this slot.
const NO_SLOT: u32 = u32::MAX;
/// How many of the nearest are looked at for one that can be seen.
const NEAREST: usize = 4;

const fn squared(map_units: i64) -> i64 {
    map_units * map_units * UNIT as i64 * UNIT as i64
}

impl<C: Crew> Frozen<'_, C> {
    fn cell(&self, agent: &Agent) -> Option<Cell> {
        self.level.grid.shape.cell_at(agent.at)
    }

    fn sees(&self, from: &Agent, to: &Agent) -> bool {
        match (self.cell(from), self.cell(to)) {
            (Some(from), Some(to)) => self.level.grid.sees(from, to),
            _ => false,
        }
    }

    /// Whether somebody is worth hunting: of the other team, and near enough for a way to be found.
    fn can_hunt(&self, agent: &Agent, other: &Agent) -> bool {
        let (a, b) = (self.level.grid.shape.place(agent.at), self.level.grid.shape.place(other.at));
        other.team != agent.team && a.0.abs_diff(b.0).max(a.1.abs_diff(b.1)) <= path::RANGE.unsigned_abs()
    }

    /// The nearest enemy that is seen, among the few nearest; or the nearest of all.
    fn choose_target(&self, agent: &Agent) -> Name {
        let mut nearest = [(i64::MAX, NO_SLOT); NEAREST];
        for ring in 0..=RINGS {
            self.buckets.ring(agent.at, ring, |slot| {
                let Some(other) = self.crew.at(slot).filter(|other| self.can_hunt(agent, other)) else {
                    return;
                };
                let mut new = (agent.at.distance2(other.at), slot);
                for near in &mut nearest {
                    if new < *near {
                        std::mem::swap(near, &mut new);
                    }
                }
            });
            // Whoever is in a further ring is at least this far away, and can be none of the nearest.
            let further = i64::from(ring) * i64::from(self.buckets.side());
            if nearest[NEAREST - 1].0 <= further * further {
                break;
            }
        }
        let seen = nearest
            .iter()
            .map(|&(_, slot)| slot)
            .find(|&slot| self.crew.at(slot).is_some_and(|other| self.sees(agent, other)));
        self.crew.name(seen.unwrap_or(nearest[0].1))
    }
}

/// What the agent in a slot wants; nothing if the slot is empty. The same for the same frozen world, whoever asks and in whatever order.
///
/// Every few frames, at different frames for different agents, it looks for a target and for a way; in the others it goes
/// on with what it has.
pub fn think<C: Crew, M: PathMemory>(frozen: &Frozen<'_, C>, slot: u32, memory: &mut M) -> Intent<M::Path> {
    let nothing = Intent { step: Point::default(), target: None, stale: false, shot: None, path: None };
    let Some(agent) = frozen.crew.at(slot) else { return nothing };
    let Some(cell) = frozen.cell(agent) else { return nothing };
    let mut intent = nothing;
    let mut rng = Rng::keyed(frozen.seed, u64::from(frozen.frame), u64::from(slot));
    let turn = frozen.frame.wrapping_add(slot.wrapping_mul(7));

    let mut target = agent.target;
    let hunted = frozen.crew.find(target);
    intent.stale = target != Name::NOBODY && hunted.is_none();
    let lost = hunted.is_none_or(|other| !frozen.can_hunt(agent, other));
    if turn.is_multiple_of(LOOK_EVERY) {
        target = frozen.choose_target(agent);
        intent.target = Some(target);
    } else if lost && target != Name::NOBODY {
        target = Name::NOBODY;
        intent.target = Some(Name::NOBODY);
    }

    let enemy = frozen.crew.find(target);
    let distance2 = enemy.map_or(i64::MAX, |enemy| agent.at.distance2(enemy.at));
    let seen = enemy.filter(|enemy| distance2 <= squared(SHOT_RANGE) && frozen.sees(agent, enemy));
    if let Some(enemy) = seen.filter(|_| agent.reloads == 0) {
        let aim = enemy.at - agent.at;
        let spread = (aim.x.abs().max(aim.y.abs()) / 16).max(1);
        intent.shot = Some(aim + Point { x: rng.around(spread), y: rng.around(spread) });
    }

    if let Some(enemy) = seen.filter(|_| distance2 <= squared(CIRCLE_RANGE)) {
        let around = (enemy.at - agent.at).left();
        // Round the other way from time to time, all in their own time.
        let other_way = (frozen.frame / 32).wrapping_add(slot).is_multiple_of(2);
        intent.step = if other_way { -around } else { around }.with_length(agent.speed);
        return intent;
    }

    let waypoint = agent.route.next();
    if agent.speed > 0 && turn.is_multiple_of(LOOK_EVERY) {
        let goal = match enemy {
            Some(enemy) => frozen.cell(enemy),
            None => roam(&frozen.level.grid, cell, &mut rng),
        };
        if let Some(goal) = goal.filter(|&goal| goal != cell) {
            intent.path = memory.find_path(&frozen.level.grid, cell, goal);
        }
    }
    let first = intent.path.as_ref().and_then(|path| path.as_ref().first().copied());
    if let Some(next) = first.or(waypoint) {
        let way = frozen.level.grid.shape.center(next) - agent.at;
        let arrives = way.distance2(Point::default()) <= i64::from(agent.speed) * i64::from(agent.speed);
        intent.step = if arrives { way } else { way.with_length(agent.speed) };
    }
    intent
}

/// A cell not too far away that can be reached; `None` when a few tries found none.
fn roam(grid: &Grid<'_>, from: Cell, rng: &mut Rng) -> Option<Cell> {
    let (column, row) = grid.shape.column_row(from);
    let range = path::RANGE / 2;
    (0..4).find_map(|_| {
        let (dx, dy) = (rng.around(range), rng.around(range));
        grid.shape.cell(column + dx, row + dy).filter(|&cell| grid.is_reached(cell))
    })
}
