//! Workloads and every competitor in one place.
//!
//! ```text
//! cargo run --release -p arenite-bench -- arenas [filter]    time the arena workloads whose name contains the filter
//! cargo run --release -p arenite-bench -- pools [filter]     the same for the pools
//! cargo run --release -p arenite-bench -- counting [filter]  the same for allocators that count
//! cargo run --release -p arenite-bench -- watch [filter]     the same for trends and the cache of resources
//! cargo run --release -p arenite-bench -- fits [filter]      the same for fit heaps
//! cargo run --release -p arenite-bench -- fits-count …       one competitor of these, for callgrind
//! cargo run --release -p arenite-bench -- pins               call what ci/instructions counts
//! ```

mod arenas;
mod counting;
mod facts;
mod fits;
mod harness;
mod opaque;
mod pins;
mod pools;
mod stats;
mod watch;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words[..] {
        ["arenas"] => arenas::run(""),
        ["arenas", filter] => arenas::run(filter),
        ["pools"] => pools::run(""),
        ["pools", filter] => pools::run(filter),
        ["counting"] => counting::run(""),
        ["counting", filter] => counting::run(filter),
        ["watch"] => watch::run(""),
        ["watch", filter] => watch::run(filter),
        ["fits"] => fits::run(""),
        ["fits", filter] => fits::run(filter),
        ["fits-count", ref rest @ ..] if fits::count(rest) => {}
        ["pins"] => pins::run(),
        _ => {
            eprintln!(
                "usage: arenite-bench arenas [filter] | pools [filter] | counting [filter] | watch [filter] | fits [filter] | pins"
            );
            return ExitCode::from(2);
        }
    }
    ExitCode::SUCCESS
}
