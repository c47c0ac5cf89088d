//! The workload on Arenite's heap, shown to Tracy: `plain`, or with `stacks`.

use arenite::tracy::{self, TracyOptions};

#[global_allocator]
static HEAP: arenite::GlobalHeap = arenite::GlobalHeap;

fn main() {
    let (frames, threads, mode) = recording_bench::arguments();
    recording_bench_tracy::wait();
    let depth = if mode.as_deref() == Some("stacks") { recording_bench_tracy::DEEPEST } else { 0 };
    let options = TracyOptions::new().stack_depth(depth.into());
    let profiling = tracy::start(options).expect("nobody else shows anything");
    println!("{}", recording_bench::run(frames, threads));
    assert_eq!(profiling.left_out(), 0);
}
