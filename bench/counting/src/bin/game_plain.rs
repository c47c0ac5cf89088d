//! The game on the system's allocator.

use std::process::ExitCode;

use counting_bench::game;

fn main() -> ExitCode {
    let Some(answer) = game::play() else { return ExitCode::FAILURE };
    println!("{answer:016x}");
    ExitCode::SUCCESS
}
