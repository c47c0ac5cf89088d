//! What a reader has to know about the machine to make sense of a figure.

use std::fs::read_to_string;
use std::process::Command;

/// Prints cores, processor, compiler and the settings that change what is measured.
pub(crate) fn print() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let processor = read_to_string("/proc/cpuinfo")
        .ok()
        .and_then(|text| {
            let line = text.lines().find(|line| line.starts_with("model name"))?;
            Some(line.split_once(':')?.1.trim().to_owned())
        })
        .unwrap_or_else(|| std::env::consts::ARCH.to_owned());
    let compiler = Command::new("rustc")
        .arg("-V")
        .output()
        .ok()
        .and_then(|output| String::from_utf8(output.stdout).ok())
        .map_or_else(|| "rustc unknown".to_owned(), |text| text.trim().to_owned());
    let huge = read_to_string("/sys/kernel/mm/transparent_hugepage/enabled")
        .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned());
    let load = read_to_string("/proc/loadavg")
        .ok()
        .and_then(|text| text.split(' ').next().map(str::to_owned))
        .unwrap_or_else(|| "unknown".to_owned());
    println!("machine: {cores} cores, {processor}, {}", std::env::consts::OS);
    println!("compiler: {compiler}, release, fat LTO, one codegen unit");
    println!("transparent huge pages: {huge}; load when started: {load}");
    println!(
        "caveats: medians of interleaved rounds on a shared machine: ratios travel, nanoseconds do not. Everything \
         is inlined where its author allows it. A ratio is ours / peer, per round, then the median [95 % bootstrap \
         interval]; below 1 we are faster; an interval around 1.0 is a tie."
    );
    if cfg!(debug_assertions) {
        println!("WARNING: not a release build; poisoning is on and these figures mean nothing.");
    }
    println!();
}
