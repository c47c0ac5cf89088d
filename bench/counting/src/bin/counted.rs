//! The same on `TrackingAllocator<System>`.

use std::alloc::System;
use std::process::ExitCode;

use arenite::TrackingAllocator;
use counting_bench::programs;

#[global_allocator]
static GLOBAL: TrackingAllocator<System> = TrackingAllocator::new(System);

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let (Some(name), Some(folder)) = (arguments.next(), arguments.next()) else { return ExitCode::FAILURE };
    let before = GLOBAL.allocation_stats();
    let Some(answer) = programs::run(&name.to_string_lossy(), folder.as_ref()) else {
        return ExitCode::FAILURE;
    };
    // Of the making of the input, too, which is little beside the work.
    let made = GLOBAL.allocation_stats().since(&before);
    println!("{answer:016x}\ncalls {}", made.allocations + made.deallocations + made.reallocations);
    ExitCode::SUCCESS
}
