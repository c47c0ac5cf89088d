//! The demo game on the standard library's memory and the system's heap.
//!
//! `arenite demo --compare` runs it beside the game on Arenite. It is a program of its own so that the comparison stays honest:
//! of Arenite nothing but the reading of figures (resident memory, page faults) runs in its process.

use std::alloc::System;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use arenite_demo::config::{Config, Silent};
use arenite_demo::heap_count::{self, CountingAllocator};
use arenite_demo::plain;
use clap::Parser;

#[global_allocator]
static HEAP: CountingAllocator<System> = CountingAllocator::new(System);

/// Plays the demo game on plain Rust memory and writes its figures as JSON.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// The WAD file to play instead of the embedded one.
    #[arg(long, value_name = "FILE")]
    wad: Option<PathBuf>,
    /// A map to play, for example MAP01; may be given several times.
    #[arg(long, value_name = "NAME")]
    map: Vec<String>,
    /// Scenes to play.
    #[arg(long, value_name = "N")]
    scenes: Option<u32>,
    /// Frames in each scene.
    #[arg(long, value_name = "N")]
    frames: Option<u32>,
    /// Agents in each scene, at the least.
    #[arg(long, value_name = "N")]
    agents: Option<u32>,
    /// Seed of everything random.
    #[arg(long, value_name = "S")]
    seed: Option<u64>,
    /// Threads that think for the agents.
    #[arg(long, value_name = "N")]
    threads: Option<usize>,
    /// Frames at the start of each scene that are not measured.
    #[arg(long, value_name = "N")]
    warmup: Option<u32>,
    /// Where the figures go instead of the standard output.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

impl Arguments {
    fn config(&self) -> Config {
        let usual = Config::default();
        Config {
            wad: self.wad.clone(),
            maps: self.map.clone(),
            scenes: self.scenes.unwrap_or(usual.scenes),
            frames: self.frames.unwrap_or(usual.frames),
            agents: self.agents.unwrap_or(usual.agents),
            seed: self.seed.unwrap_or(usual.seed),
            threads: self.threads.unwrap_or(usual.threads),
            warmup: self.warmup.unwrap_or(usual.warmup),
            heap_calls: Some(heap_count::calls),
            ..usual
        }
    }
}

fn play(arguments: &Arguments) -> Result<(), String> {
    let record = plain::run(&arguments.config(), &mut Silent).map_err(|error| error.to_string())?;
    let mut json = serde_json::to_string_pretty(&record.outcome).map_err(|error| error.to_string())?;
    json.push('\n');
    match &arguments.json {
        Some(path) => {
            std::fs::write(path, json).map_err(|error| format!("cannot write {}: {error}", path.display()))
        }
        None => std::io::stdout()
            .write_all(json.as_bytes())
            .map_err(|error| format!("cannot write to the standard output: {error}")),
    }
}

/// Says in one line what is wrong. That nobody listens is no reason to panic.
fn complain(why: &str) -> ExitCode {
    let line = why.lines().next().unwrap_or_default();
    let _ = writeln!(std::io::stderr(), "arenite-demo-plain: {line}");
    ExitCode::from(2)
}

fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) if error.use_stderr() => {
            let text = error.to_string();
            return complain(text.strip_prefix("error: ").unwrap_or(&text));
        }
        // `--help` and `--version`.
        Err(error) => {
            return if error.print().is_ok() { ExitCode::SUCCESS } else { ExitCode::from(2) };
        }
    };
    match play(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => complain(&why),
    }
}
