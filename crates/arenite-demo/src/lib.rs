//! The demo game: a headless top-down shooter over the data format of a real game.
//!
//! | room | what lives there |
//! |---|---|
//! | [`wad`] | reads DOOM-format WAD files without allocating, and writes the small one that is embedded |
//! | [`rules`] | the game itself: grid, path-finding, agents, projectiles, draw list, checksum; allocates nothing |
//! | [`world`] | the game's memory on Arenite |
//! | [`plain`] | the same game's memory on `Vec`, `Box` and `Rc`, for comparison |
//! | [`host`] | what both need of the outside: input file, choice of maps, figures, pictures |
//! | [`outcome`] | what a run leaves behind: the figures of `--json` and of the report |
//! | [`heap_count`] | an allocator that counts the calls of the general heap |
//! | [`report`] | the self-contained HTML page |
//!
//! `rules` and `wad` import neither world; the two worlds never import each other.

pub mod config;
pub mod error;
pub mod heap_count;
pub mod host;
pub mod outcome;
pub mod plain;
pub mod report;
pub mod rules;
pub mod wad;
pub mod world;
