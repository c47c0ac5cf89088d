//! The same on `GlobalHeap`, `off`: nobody records; `sample`: one block in 512 KiB is recorded; or `time N`: both in turn, so many times.

use std::process::ExitCode;

use arenite::GlobalHeap;
use counting_bench::{programs, sampled};

#[global_allocator]
static GLOBAL: GlobalHeap = GlobalHeap;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(name), Some(folder)) = (arguments.next(), arguments.next()) else { return ExitCode::FAILURE };
    let name = name.to_string_lossy().into_owned();
    sampled::main(folder.as_ref(), arguments, || programs::run(&name, folder.as_ref()))
}
