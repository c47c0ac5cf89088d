//! The game on `GlobalHeap`, with the words of `recorded`.

use std::process::ExitCode;

use arenite::GlobalHeap;
use counting_bench::{game, sampled};

#[global_allocator]
static GLOBAL: GlobalHeap = GlobalHeap;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(2);
    let Some(folder) = arguments.next() else { return ExitCode::FAILURE };
    sampled::main(folder.as_ref(), arguments, game::play)
}
