//! The steps of a frame that change the world, one after the other in a fixed order.

use std::fmt;

use super::agent::{self, Agent, Route, WIDEST};
use super::assets::Assets;
use super::buckets::Buckets;
use super::checksum::Checksum;
use super::crew::{Crew, Name};
use super::draw::{Delta, DrawItem};
use super::flight::{Crowd, Fallen, PROJECTILE_SPEED, Particle, Projectile, Sparks};
use super::grid::Cell;
use super::level::Level;
use super::math::{Point, UNIT};
use super::rng::{self, Rng};
use super::think::{Frozen, Intent};
use super::totals::Totals;
use crate::wad::{LumpName, Map};

/// Sounds that can be heard at once.
pub const VOICES: usize = 8;
/// Samples that are mixed in a frame: 11025 a second.
pub const MIXED: usize = 315;

/// Frames between two shots.
const RELOAD: u8 = 14;
/// Frames that a projectile flies at most.
const SHOT_LIFE: u8 = 48;
/// Frames that the dead stay dead.
const DEAD_FOR: u16 = 70;
/// How much wider an agent is for a projectile than for the draw list.
const SHOT_RADIUS: i32 = 4 * UNIT;
/// How far away one hears, in map units.
const HEARING: i64 = 1200;

const HUE_WALL: u8 = 0;
const HUE_HIT: u8 = 1;
const HUE_DEATH: u8 = 2;

/// A sound that is being played.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Voice {
    sound: u32,
    /// The next sample to play; `usize::MAX` when silent.
    at: usize,
    /// How loud, of 256.
    gain: i32,
}

/// The state of a scene that is neither agent, projectile nor particle. Holds no memory of its own.
#[derive(Clone, Debug)]
pub struct Tick {
    seed: u64,
    frame: u32,
    rng: Rng,
    serial: u32,
    sum: Checksum,
    voices: [Voice; VOICES],
    next_voice: usize,
    /// Whom the camera follows; names nobody while it is dead.
    hero: Name,
    /// Where it was last.
    ears: Point,
    totals: Totals,
}

impl Tick {
    /// The start of scene number `scene` of a run with this seed, on the map of this name.
    pub fn start(seed: u64, scene: u32, map: &[u8]) -> Self {
        let seed = rng::mix(seed ^ rng::mix(u64::from(scene) + 1));
        let mut sum = Checksum::new();
        sum.add(seed);
        sum.add_bytes(map);
        let silent = Voice { sound: 0, at: usize::MAX, gain: 0 };
        Self {
            seed,
            frame: 0,
            rng: Rng::new(seed),
            serial: 0,
            sum,
            voices: [silent; VOICES],
            next_voice: 0,
            hero: Name::NOBODY,
            ears: Point::default(),
            totals: Totals::default(),
        }
    }

    /// Fills an empty crew with `count` agents, by [`agent::populate`]; the camera follows the player.
    ///
    /// # Errors
    /// The crew has no room for all of them.
    pub fn populate<C: Crew>(
        &mut self,
        map: &Map<'_>,
        level: &Level<'_>,
        sprites: &[LumpName],
        count: usize,
        crew: &mut C,
    ) -> Result<(), C::Refused> {
        let player = agent::populate(map, level, sprites, &mut self.rng, count, crew)?;
        self.follow(player);
        Ok(())
    }

    /// The camera follows this agent from now on, and whom it comes back as.
    pub fn follow(&mut self, hero: Name) {
        self.hero = hero;
    }

    /// Where the camera is: at the hero, or where it died.
    pub fn eye(&self, crew: &impl Crew) -> Point {
        crew.find(self.hero).map_or(self.ears, |hero| hero.at)
    }

    /// The number of the running frame, from 0.
    pub fn frame(&self) -> u32 {
        self.frame
    }

    /// What happened so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// The checksum so far.
    pub fn checksum(&self) -> Checksum {
        self.sum
    }

    /// The world as it is now, to think about.
    pub fn freeze<'a, C>(&self, level: Level<'a>, crew: &'a C, buckets: Buckets<'a>) -> Frozen<'a, C> {
        Frozen { level, crew, buckets, seed: self.seed, frame: self.frame }
    }

    /// Does what the agents want, in the order of their slots: `intents` yields one for each slot.
    pub fn apply<P: AsRef<[Cell]>>(
        &mut self,
        level: &Level<'_>,
        crew: &mut impl Crew,
        intents: impl Iterator<Item = Intent<P>>,
        projectiles: &mut impl Crowd<Projectile>,
    ) {
        self.ears = self.eye(crew);
        for (slot, intent) in (0..).zip(intents) {
            let name = crew.name(slot);
            let Some(agent) = crew.find_mut(name) else { continue };
            agent.reloads = agent.reloads.saturating_sub(1);
            self.totals.stale += u64::from(intent.stale);
            agent.target = intent.target.unwrap_or(agent.target);
            if let Some(path) = intent.path {
                agent.route = Route::start(path.as_ref());
                self.totals.paths += 1;
            }
            if intent.step != Point::default() {
                agent.facing = intent.step;
                walk(level, agent, intent.step);
            }
            if agent.route.next().is_some_and(|cell| level.grid.shape.center(cell) == agent.at) {
                agent.route.advance();
            }
            if let Some(aim) = intent.shot {
                agent.facing = aim;
                agent.reloads = RELOAD;
                self.shoot(name, agent, aim, projectiles);
            }
        }
    }

    fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    fn shoot(&mut self, owner: Name, agent: &Agent, aim: Point, projectiles: &mut impl Crowd<Projectile>) {
        let projectile = Projectile {
            at: agent.at,
            velocity: aim.with_length(PROJECTILE_SPEED),
            owner,
            serial: self.next_serial(),
            damage: 8 + self.rng.below(18) as i16,
            life: SHOT_LIFE,
            team: agent.team,
        };
        if projectiles.add(projectile) {
            self.totals.shots += 1;
            self.sound(owner.slot() % 3, agent.at);
        } else {
            self.totals.refused += 1;
        }
    }

    /// Moves the projectiles, oldest first, and lets them hit walls and agents of the other team.
    ///
    /// `buckets` are those of the frame's start; agents have walked since, at most as far as one step. Those who die leave
    /// the crew for `fallen`.
    pub fn fly(
        &mut self,
        level: &Level<'_>,
        crew: &mut impl Crew,
        buckets: &Buckets<'_>,
        projectiles: &mut impl Crowd<Projectile>,
        particles: &mut impl Sparks,
        fallen: &mut impl Crowd<Fallen>,
    ) {
        projectiles.retain(|projectile| {
            projectile.life = projectile.life.saturating_sub(1);
            let to = projectile.at + projectile.velocity;
            let (column, row) = level.grid.shape.place(to);
            if projectile.life == 0 || projectile.velocity == Point::default() {
                return false;
            }
            if !level.grid.is_open(column, row) {
                self.burst(projectile.at, 4, HUE_WALL, particles);
                return false;
            }
            projectile.at = to;
            let mut hit: Option<(i64, u32)> = None;
            buckets.around(to, WIDEST + SHOT_RADIUS + 16 * UNIT, |slot| {
                let Some(agent) = crew.at(slot) else { return };
                let (distance2, radius) = (agent.at.distance2(to), i64::from(agent.radius + SHOT_RADIUS));
                if agent.team != projectile.team && distance2 <= radius * radius {
                    hit = Some(hit.map_or((distance2, slot), |other| other.min((distance2, slot))));
                }
            });
            let Some((_, slot)) = hit else { return true };
            self.hit(crew.name(slot), projectile, crew, particles, fallen);
            false
        });
    }

    fn hit(
        &mut self,
        name: Name,
        projectile: &Projectile,
        crew: &mut impl Crew,
        particles: &mut impl Sparks,
        fallen: &mut impl Crowd<Fallen>,
    ) {
        let Some(agent) = crew.find_mut(name) else { return };
        self.totals.hits += 1;
        agent.health -= i32::from(projectile.damage);
        let at = agent.at;
        if agent.lives() {
            self.sound(3 + name.slot() % 2, at);
            self.burst(projectile.at, 6, HUE_HIT, particles);
            return;
        }
        let hero = name == self.hero;
        if hero {
            self.ears = at;
        }
        if let Some(agent) = crew.leave(name) {
            // There is room: nobody is in both, and there is room for everybody.
            fallen.add(Fallen { agent, waits: DEAD_FOR, hero });
        }
        self.totals.deaths += 1;
        self.sound(5 + name.slot() % 3, at);
        self.burst(at, 24, HUE_DEATH, particles);
        match crew.find_mut(projectile.owner) {
            Some(killer) => killer.kills += 1,
            None => self.totals.stale += 1,
        }
    }

    /// Makes particles that fly apart.
    fn burst(&mut self, at: Point, count: u32, hue: u8, particles: &mut impl Sparks) {
        for _ in 0..count {
            let velocity = Point { x: self.rng.around(6 * UNIT), y: self.rng.around(6 * UNIT) };
            let life = 12 + self.rng.below(28) as u8;
            let particle = Particle { at, velocity, serial: self.next_serial(), life, hue };
            self.totals.refused += u64::from(!particles.add(particle));
        }
    }

    /// Moves the particles and removes those whose time is over. Walls stop them.
    pub fn drift(&mut self, level: &Level<'_>, particles: &mut impl Sparks) {
        let grid = level.grid;
        particles.advance(|at, velocity, life| {
            *life = life.saturating_sub(1);
            let to = *at + *velocity;
            let (column, row) = grid.shape.place(to);
            if grid.is_open(column, row) {
                *at = to;
                // A sixteenth less each frame; dividing rounds towards zero, so that it comes to rest at the same pace
                // in every direction.
                let slower = |v: i32| v - v / 16;
                *velocity = Point { x: slower(velocity.x), y: slower(velocity.y) };
            } else {
                *velocity = Point::default();
            }
        });
        particles.sweep();
    }

    /// Brings those back to life who have been dead for long enough, at random places: as somebody new, whom nobody hunts
    /// yet, and who has killed nobody.
    pub fn respawn(&mut self, level: &Level<'_>, crew: &mut impl Crew, fallen: &mut impl Crowd<Fallen>) {
        fallen.retain(|Fallen { agent, waits, hero }| {
            *waits = waits.saturating_sub(1);
            if *waits > 0 {
                return true;
            }
            let reborn = Agent {
                at: agent::random_place(level, &mut self.rng),
                health: agent.full_health,
                target: Name::NOBODY,
                kills: 0,
                reloads: RELOAD,
                route: Route::default(),
                ..*agent
            };
            // Whoever is refused tries again in the next frame.
            let Ok(name) = crew.join(reborn) else { return true };
            if *hero {
                self.hero = name;
            }
            self.totals.respawns += 1;
            false
        });
    }

    /// Starts to play a sound in place of the one that has played longest, if the first agent hears it.
    fn sound(&mut self, sound: u32, at: Point) {
        let limit = HEARING * i64::from(UNIT);
        let left = limit - (at.distance2(self.ears) as u64).isqrt() as i64;
        if left > 0 {
            self.voices[self.next_voice] = Voice { sound, at: 0, gain: (left * 256 / limit) as i32 };
            self.next_voice = (self.next_voice + 1) % VOICES;
        }
    }

    /// Mixes what is heard in this frame into `out`, which is overwritten, and takes it into the checksum.
    pub fn mix(&mut self, assets: &impl Assets, out: &mut [i32]) {
        out.fill(0);
        let count = assets.sounds();
        for voice in self.voices.iter_mut().filter(|voice| voice.at != usize::MAX && count > 0) {
            let samples = assets.sound(voice.sound as usize % count);
            let rest = samples.get(voice.at..).unwrap_or_default();
            for (to, &sample) in out.iter_mut().zip(rest) {
                *to += i32::from(sample) * voice.gain / 256;
            }
            voice.at = if rest.len() > out.len() { voice.at + out.len() } else { usize::MAX };
        }
        for pair in out.chunks(2) {
            self.sum.add_pair(pair[0], pair.get(1).copied().unwrap_or(0));
        }
    }

    /// Takes a sorted draw list and what changed in it into the checksum: what a renderer would get.
    pub fn submit(&mut self, items: &[DrawItem], delta: Delta) {
        for item in items {
            self.sum.add(item.key());
            self.sum.add_pair(item.x, item.y);
            self.sum.add(u64::from(item.shade));
        }
        self.sum.add_pair(items.len() as i32, delta.fresh as i32);
        self.sum.add_pair(delta.gone as i32, delta.moved as i32);
    }

    /// Takes a label into the checksum.
    pub fn label(&mut self, text: &str) {
        self.sum.add_bytes(text.as_bytes());
    }

    /// Ends the frame: takes everybody and everything into the checksum.
    pub fn finish(
        &mut self,
        crew: &impl Crew,
        projectiles: &impl Crowd<Projectile>,
        particles: &impl Sparks,
    ) {
        for (_, agent) in crew.each() {
            self.sum.add_pair(agent.at.x, agent.at.y);
            let target = crew.find(agent.target).map_or(-1, |_| agent.target.slot().cast_signed());
            self.sum.add_pair(agent.health, target);
        }
        for projectile in projectiles.iter() {
            self.sum.add_pair(projectile.at.x, projectile.at.y);
        }
        // A sum, because particles have no order.
        let place = |(at, serial): (Point, u32)| {
            let at = u64::from(at.x.cast_unsigned()) << 32 | u64::from(at.y.cast_unsigned());
            rng::mix(at ^ rng::mix(u64::from(serial)))
        };
        self.sum.add(particles.places().map(place).fold(0, u64::wrapping_add));
        self.sum.add(self.totals.stale);
        self.sum.add_pair(projectiles.len() as i32, particles.len() as i32);
        self.frame += 1;
    }
}

/// Moves an agent; along the wall where it would run into one.
fn walk(level: &Level<'_>, agent: &mut Agent, step: Point) {
    let ways = [step, Point { x: step.x, y: 0 }, Point { x: 0, y: step.y }];
    if let Some(way) = ways.iter().find(|&&way| level.grid.stands(agent.at + way)) {
        agent.at = agent.at + *way;
    }
}

/// What is written next to an agent on the screen, for example `agent 12: 83 hp`.
#[derive(Clone, Copy, Debug)]
pub struct Label<'a> {
    /// The slot of the agent.
    pub slot: u32,
    /// The agent.
    pub agent: &'a Agent,
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "agent {}: {} hp", self.slot, self.agent.health.max(0))?;
        if self.agent.kills > 0 {
            write!(f, ", {} kills", self.agent.kills)?;
        }
        Ok(())
    }
}
