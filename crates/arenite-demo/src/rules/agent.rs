//! Agents: two teams that hunt each other, and how a map is filled with them.

use super::assets::{Look, Sheet};
use super::crew::{Crew, Name};
use super::grid::Cell;
use super::level::Level;
use super::math::{Point, UNIT};
use super::rng::Rng;
use super::{AGENTS, FRAMES_PER_SECOND};
use crate::wad::{LumpName, Map, Monster, Thing, ThingKind};

/// What the game calls the player's sprite.
pub const PLAYER_SPRITE: [u8; 4] = *b"PLAY";
/// The monsters that fill a map up to the number of agents that was asked for, in turn.
pub const FILL: [u16; 5] = [3004, 9, 3001, 3002, 65];
/// No agent is wider, whatever the map's monster is like: half of this and a wall are what two neighbouring cells hold.
pub const WIDEST: i32 = 48 * UNIT;
/// Waypoints that an agent remembers.
pub const REMEMBERED: usize = 16;

const PLAYER_HEALTH: i32 = 100;
/// Map units per second.
const PLAYER_SPEED: i32 = 280;
const PLAYER_RADIUS: i32 = 16;

/// The next cells on an agent's way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Route {
    cells: [Cell; REMEMBERED],
    /// How many of `cells` are on the way.
    length: u8,
    /// How many of those have been reached.
    reached: u8,
}

impl Route {
    /// The first cells of a way; those beyond [`REMEMBERED`] are forgotten.
    pub fn start(way: &[Cell]) -> Self {
        let mut route = Self::default();
        for (to, from) in route.cells.iter_mut().zip(way) {
            *to = *from;
            route.length += 1;
        }
        route
    }

    /// The cell to go to now; `None` at the end of the way.
    pub fn next(&self) -> Option<Cell> {
        self.cells[..usize::from(self.length)].get(usize::from(self.reached)).copied()
    }

    /// The cell to go to now has been reached.
    pub fn advance(&mut self) {
        self.reached = self.length.min(self.reached + 1);
    }
}

/// Somebody who walks, shoots and dies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Where it stands.
    pub at: Point,
    /// Where it looks; any length.
    pub facing: Point,
    /// Hit points left; dead at 0 and below.
    pub health: i32,
    /// Hit points that its kind begins with.
    pub full_health: i32,
    /// The length of its step in a frame, in units of [`Point`].
    pub speed: i32,
    /// Half its width, in units of [`Point`]. At most [`WIDEST`].
    pub radius: i32,
    /// The agent that it hunts. May have died since, and then resolves to nobody.
    pub target: Name,
    /// How many it has killed.
    pub kills: u32,
    /// Frames until it may shoot again.
    pub reloads: u8,
    /// 0 or 1.
    pub team: u8,
    /// What it looks like.
    pub look: Look,
    /// Where it is going.
    pub route: Route,
}

/// Nobody in particular, and dead.
impl Default for Agent {
    fn default() -> Self {
        Self {
            at: Point::default(),
            facing: Point { x: UNIT, y: 0 },
            health: 0,
            full_health: 0,
            speed: 0,
            radius: 0,
            target: Name::NOBODY,
            kills: 0,
            reloads: 0,
            team: 0,
            look: Look::NONE,
            route: Route::default(),
        }
    }
}

impl Agent {
    /// Whether it lives.
    #[inline]
    pub fn lives(&self) -> bool {
        self.health > 0
    }

    fn player(at: Point, sprites: &[LumpName]) -> Self {
        Self {
            at,
            health: PLAYER_HEALTH,
            full_health: PLAYER_HEALTH,
            speed: PLAYER_SPEED * UNIT / FRAMES_PER_SECOND,
            radius: PLAYER_RADIUS * UNIT,
            look: sprite(sprites, PLAYER_SPRITE),
            ..Self::default()
        }
    }

    fn monster(at: Point, monster: &Monster, sprites: &[LumpName]) -> Self {
        Self {
            at,
            health: i32::from(monster.health),
            full_health: i32::from(monster.health),
            speed: i32::from(monster.speed) * UNIT / FRAMES_PER_SECOND,
            radius: (i32::from(monster.figure.radius) * UNIT).min(WIDEST),
            look: sprite(sprites, monster.figure.sprite),
            ..Self::default()
        }
    }
}

fn sprite(sprites: &[LumpName], letters: [u8; 4]) -> Look {
    LumpName::new(&letters).map_or(Look::NONE, |name| Look::find(Sheet::Sprite, sprites, name))
}

/// The monsters of a map and where they stand, in the map's order.
fn monsters<'a>(map: &Map<'a>) -> impl Iterator<Item = (Thing, Monster)> + use<'a> {
    let single = map.things().iter().filter(|thing| thing.flags & Thing::MULTIPLAYER == 0);
    single.filter_map(|thing| match thing.class() {
        ThingKind::Monster(monster) => Some((thing, monster)),
        _ => None,
    })
}

/// How many agents a scene has when `wanted` were asked for: the player, the map's monsters, and more if those are fewer.
/// Never more than [`AGENTS`].
pub fn count(map: &Map<'_>, wanted: u32) -> usize {
    (1 + monsters(map).count()).max(wanted as usize).min(AGENTS as usize)
}

/// Fills an empty crew with `count` agents (as many as [`count`] said): the player at the start, then the map's monsters
/// where they stand, then others at random places. Monsters whose place cannot be reached get a random one. `sprites` are
/// the scene's, sorted. Answers the player's name.
///
/// Nothing is asked of the heap; linear in the number of agents and things.
///
/// # Errors
/// The crew has no room for all of them.
pub fn populate<C: Crew>(
    map: &Map<'_>,
    level: &Level<'_>,
    sprites: &[LumpName],
    rng: &mut Rng,
    count: usize,
    crew: &mut C,
) -> Result<Name, C::Refused> {
    let mut own = monsters(map);
    let mut player = Name::NOBODY;
    for id in 0..count {
        let mut agent = if id == 0 {
            // The cells that can be reached start with the one where the game does.
            Agent::player(
                level.open.first().map_or(Point::default(), |&cell| level.grid.shape.center(cell)),
                sprites,
            )
        } else if let Some((thing, monster)) = own.next() {
            let at = Point::of_map(thing.x, thing.y);
            let at = if level.grid.stands(at) { at } else { random_place(level, rng) };
            Agent::monster(at, &monster, sprites)
        } else if let ThingKind::Monster(monster) = ThingKind::of(FILL[id % FILL.len()]) {
            Agent::monster(random_place(level, rng), &monster, sprites)
        } else {
            Agent::player(random_place(level, rng), sprites)
        };
        agent.team = (id % 2) as u8;
        let name = crew.join(agent)?;
        if id == 0 {
            player = name;
        }
    }
    Ok(player)
}

/// The middle of a random cell that can be reached.
pub fn random_place(level: &Level<'_>, rng: &mut Rng) -> Point {
    let at = rng.below(level.open.len() as u32) as usize;
    level.open.get(at).map_or(Point::default(), |&cell| level.grid.shape.center(cell))
}
