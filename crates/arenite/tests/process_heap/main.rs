//! What only a process that runs on `GlobalHeap` and does nothing else can show: memory that goes back, and how long figures
//! take. One test at a time: resident memory is the whole process's.
#![cfg(all(target_os = "linux", target_pointer_width = "64"))]

mod crowd;
mod figures;
mod full;
mod leaks;
mod returns;

use std::sync::{Mutex, MutexGuard, PoisonError};

#[global_allocator]
static HEAP: arenite::GlobalHeap = arenite::GlobalHeap;

static TURN: Mutex<()> = Mutex::new(());

/// Until it is dropped, the other tests wait.
fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}
