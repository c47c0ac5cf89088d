//! The game itself: what happens, but not where it is kept.
//!
//! Everything here works on slices, small traits and closures, and **allocates nothing**, so that the game on Arenite and the
//! game on the standard library run the very same rules and come to the very same checksum. The rules are the same on every
//! machine and with any number of threads: positions are fixed-point integers, random numbers come from the room's own
//! generator, nothing depends on addresses, hash order or time.
//!
//! One frame, in order:
//!
//! ```text
//! buckets::Buckets::build     where everybody stands, frozen for the frame
//! think::think                every agent, on any thread: reads the frozen frame, returns an Intent
//! Tick::apply                 intents in the agents' order: walk, turn, shoot
//! Tick::fly, drift, respawn   projectiles, particles, the dead
//! draw::collect, sort, compare  what the camera sees, compared with the last frame's list
//! Tick::submit, label, mix, finish  all of it into the checksum
//! ```
//!
//! | file | what lives there |
//! |---|---|
//! | `math` | [`Point`](math::Point): fixed-point positions |
//! | `rng` | [`Rng`](rng::Rng): random numbers |
//! | `checksum` | [`Checksum`](checksum::Checksum) |
//! | `grid` | cells, walls as cells, what can be reached, lines of sight |
//! | `level` | a map as the game sees it: [`Level`](level::Level), and how to make one of a WAD's map |
//! | `path` | A* |
//! | `agent` | agents and how a map is filled with them |
//! | `crew` | [`Crew`](crew::Crew): who lives, by slot and by name |
//! | `buckets` | who is near whom |
//! | `think` | what an agent wants |
//! | `tick` | [`Tick`](tick::Tick): the state that is neither agent nor projectile, and the steps of a frame |
//! | `totals` | [`Totals`](totals::Totals): what happened in a scene so far |
//! | `flight` | projectiles, particles, and what holds them: [`Crowd`](flight::Crowd), [`Sparks`](flight::Sparks) |
//! | `draw` | the draw list |
//! | `assets` | which resources a map uses, and how the game reads them |
//!
//! This room imports `wad` and nothing else of the crate.

pub mod agent;
pub mod assets;
pub mod buckets;
pub mod checksum;
pub mod crew;
pub mod draw;
pub mod flight;
pub mod grid;
pub mod level;
pub mod math;
pub mod path;
pub mod rng;
pub mod think;
pub mod tick;
pub mod totals;

#[cfg(test)]
mod tests;

/// The most projectiles that fly at once in a scene; a shot beyond them is not fired.
pub const PROJECTILES: usize = 4096;
/// The most particles that there are at once in a scene; those beyond them are not made.
pub const PARTICLES: usize = 16384;
/// The most agents a scene can be asked to have.
pub const AGENTS: u32 = 65536;
/// Frames in a second of the game.
pub const FRAMES_PER_SECOND: i32 = 35;
