//! The game on `TrackingAllocator<System>`.

use std::alloc::System;
use std::process::ExitCode;

use arenite::TrackingAllocator;
use counting_bench::game;

#[global_allocator]
static GLOBAL: TrackingAllocator<System> = TrackingAllocator::new(System);

fn main() -> ExitCode {
    let before = GLOBAL.allocation_stats();
    let Some(answer) = game::play() else { return ExitCode::FAILURE };
    let made = GLOBAL.allocation_stats().since(&before);
    println!("{answer:016x}\ncalls {}", made.allocations + made.deallocations + made.reallocations);
    ExitCode::SUCCESS
}
