//! The workload under dhat-rs.

#[global_allocator]
static HEAP: dhat::Alloc = dhat::Alloc;

fn main() {
    let (frames, threads, mode) = recording_bench::arguments();
    let _profiler = (mode.as_deref() == Some("on")).then(|| {
        let file = std::env::temp_dir().join("recording-bench-dhat.json");
        dhat::Profiler::builder().file_name(file).build()
    });
    println!("{}", recording_bench::run(frames, threads));
}
