//! The workload on the system's allocator, for recorders that watch a program from outside.

fn main() {
    let (frames, threads, _) = recording_bench::arguments();
    println!("{}", recording_bench::run(frames, threads));
}
