//! What was recorded, replayed, is what the allocator itself says: at every mark, by tag, to the block and the byte.
#![cfg(target_pointer_width = "64")]

mod apart;
mod cut;
mod detail;
mod fits;
mod follow;
mod heaps;
mod hostile;
#[path = "../made_up/mod.rs"]
mod made_up;
mod memory;
#[cfg(target_os = "linux")]
mod modules;
#[cfg(unix)]
mod no_file;
mod programs;
mod samples;
mod summary;

use std::sync::{Mutex, MutexGuard, PoisonError};

#[global_allocator]
static HEAP: arenite::GlobalHeap = arenite::GlobalHeap;

/// One recording is made at a time; and no other test is at the heap while its figures are compared.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
