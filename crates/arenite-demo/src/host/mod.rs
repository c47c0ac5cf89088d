//! What both worlds need of the outside: the input file, the choice of maps, figures, pictures.
//!
//! None of this runs inside a frame, and all of it allocates as it pleases. The room knows `wad`, `rules` and the crate's plain
//! data (`config`, `error`, `outcome`), and neither world.

mod figures;
mod input;
mod picture;
mod run;

pub use figures::{Clock, Resident, frame_ms, hex, minor_faults, run_checksum};
pub use input::{check, maps, no_start, read, warmup};
pub use picture::picture;
pub use run::{Counts, Left, Run, mark, on_pool};
