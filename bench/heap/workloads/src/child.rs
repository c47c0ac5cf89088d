//! The program around the workloads: runs one, once, and prints one line for the driver.
//!
//! ```text
//! PROGRAM list                                the workloads, one on each line
//! PROGRAM run WORKLOAD THREADS WORK SETTLE    WORK in percent of the usual; SETTLE in milliseconds, 0 for none
//! PROGRAM count CASE ROUNDS                   for a debugger that counts instructions; stops itself twice
//! ```

use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};
use rustix::time::{ClockId, clock_gettime};

use crate::memory::Memory;
use crate::work::{Load, Outcome, WORKLOADS, Workload};
use crate::{block::Block, pins};

/// The first word of the line that a run prints.
pub const LINE: &str = "heap-bench";

/// The program of one allocator.
pub fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match words[..] {
        ["list"] => {
            WORKLOADS.iter().for_each(|workload| println!("{}", workload.name));
            Some(())
        }
        ["run", name, threads, work, settle] => run(name, threads, work, settle),
        ["count", case, rounds] => rounds.parse().ok().and_then(|rounds| count(case, rounds)),
        _ => None,
    };
    if done.is_none() {
        eprintln!("usage: list | run WORKLOAD THREADS WORK SETTLE | count CASE ROUNDS");
        return ExitCode::from(2);
    }
    ExitCode::SUCCESS
}

/// Runs one workload and prints its line; `None` if the words make no sense.
fn run(name: &str, threads: &str, work: &str, settle: &str) -> Option<()> {
    let workload = WORKLOADS.iter().find(|workload| workload.name == name)?;
    let load = Load { threads: threads.parse().ok()?, work: work.parse().ok()? };
    let settle: u64 = settle.parse().ok()?;
    if load.threads < workload.least_threads || load.work == 0 {
        return None;
    }
    let measured = measure(workload, load);
    let settled = (settle > 0).then(|| self::settle(Duration::from_millis(settle)));
    println!(
        "{LINE} workload={name} threads={} work={} seconds={:.6} cpu={:.6} checksum={:016x} peak={} resident={} \
         anonymous={} settled={}",
        load.threads,
        load.work,
        measured.wall.as_secs_f64(),
        measured.cpu.as_secs_f64(),
        measured.outcome.checksum,
        number(measured.memory.peak),
        number(measured.memory.resident),
        number(measured.memory.anonymous),
        number(settled.and_then(|memory| memory.resident)),
    );
    Some(())
}

/// Says where the functions are, stops, calls them, and stops again.
///
/// # Panics
/// The process can not stop itself.
fn count(case: &str, rounds: usize) -> Option<()> {
    let (alloc, free) = pins::addresses(case)?;
    println!("{LINE} alloc={alloc} free={free}");
    let stop = || kill_process(getpid(), Signal::STOP).expect("a process may stop itself");
    stop();
    pins::run(case, rounds)?;
    stop();
    Some(())
}

struct Measured {
    wall: Duration,
    cpu: Duration,
    outcome: Outcome,
    memory: Memory,
}

fn measure(workload: &Workload, load: Load) -> Measured {
    let (cpu, start) = (cpu_time(), Instant::now());
    let outcome = (workload.run)(load);
    let (wall, cpu) = (start.elapsed(), cpu_time() - cpu);
    let memory = outcome.memory.unwrap_or_else(Memory::now);
    Measured { wall, cpu, outcome, memory }
}

/// Processor time of all threads, those that have ended included.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Waits, with now and then a few ordinary allocations and frees, which is all that an allocator without a thread of its
/// own has to give memory back on.
fn settle(time: Duration) -> Memory {
    let end = Instant::now() + time;
    while Instant::now() < end {
        std::thread::sleep(Duration::from_millis(10));
        let blocks: Vec<Block> = (0..200).map(|i| Block::new(16 + 40 * i, i as u64)).collect();
        assert!(blocks.iter().enumerate().all(|(i, block)| block.stamp() == i as u64));
    }
    Memory::now()
}

fn number(value: Option<u64>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}
