//! Memory that was freed is back with the system before long, with nothing but a program's ordinary frees and allocations to
//! drive it.

use std::hint::black_box;
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use arenite::os::process_memory;

use super::turn;

const FREED: usize = 64 << 20;
const IN_TIME: Duration = Duration::from_secs(2);

/// What a program does that has little to do: every ten milliseconds some blocks of mixed sizes come and go.
fn ordinary() {
    thread::sleep(Duration::from_millis(10));
    let blocks: Vec<Vec<u8>> = (0..200).map(|number| vec![1; 16 + 40 * number]).collect();
    black_box(&blocks);
}

/// 64 MiB in blocks of these sizes, all of them written.
fn blocks(sizes: &[usize]) -> Vec<Vec<u8>> {
    let mut blocks = Vec::with_capacity(FREED / sizes.iter().min().expect("a size") + 1);
    let mut total = 0;
    for &size in sizes.iter().cycle() {
        if total >= FREED {
            break;
        }
        blocks.push(vec![0xA5; size]);
        total += size;
    }
    blocks
}

/// Runs `work`, which makes 64 MiB resident, answers how much was when all of it was there, and frees it; then ordinary work
/// until nine tenths of that are gone.
fn goes_back(what: &str, work: impl FnOnce() -> usize) {
    // What was free from before has gone, and figures of the last test's threads have been read.
    arenite::GlobalHeap::trim();
    for _ in 0..10 {
        ordinary();
    }
    let before = process_memory().resident;
    let peak = work();
    let start = Instant::now();
    assert!(peak >= before + FREED, "{what}: {before} then {peak} bytes resident: not all of it was there");
    let most = before + (peak - before) / 10;
    loop {
        let (resident, taken) = (process_memory().resident, start.elapsed());
        let back = format!(
            "{what}: {} of {} bytes are back after {taken:?}",
            peak.saturating_sub(resident),
            peak - before
        );
        if resident <= most {
            break println!("{back}");
        }
        assert!(taken < IN_TIME, "{back}");
        ordinary();
    }
}

fn resident() -> usize {
    process_memory().resident
}

const SMALL: [usize; 1] = [64];
const MIXED: [usize; 7] = [16, 48, 100, 240, 700, 1024, 3000];

#[test]
fn what_a_thread_frees_itself() {
    let _turn = turn();
    for sizes in [&SMALL[..], &MIXED[..]] {
        goes_back("own", || {
            let blocks = blocks(sizes);
            let peak = resident();
            drop(blocks);
            peak
        });
    }
}

#[test]
fn what_another_thread_frees() {
    let _turn = turn();
    for sizes in [&SMALL[..], &MIXED[..]] {
        let (send, receive) = channel::<Vec<Vec<u8>>>();
        let (done, wait) = channel();
        let other = thread::spawn(move || {
            for blocks in receive {
                drop(blocks);
                done.send(()).expect("somebody waits");
            }
        });
        goes_back("freed by another", || {
            let blocks = blocks(sizes);
            let peak = resident();
            send.send(blocks).expect("the other one is there");
            wait.recv().expect("it is done");
            peak
        });
        drop(send);
        other.join().expect("no panic");
    }
}

#[test]
fn what_another_thread_frees_that_ends() {
    let _turn = turn();
    for sizes in [&SMALL[..], &MIXED[..]] {
        goes_back("freed by one that ended", || {
            let blocks = blocks(sizes);
            let peak = resident();
            thread::spawn(move || drop(blocks)).join().expect("no panic");
            peak
        });
    }
}

#[test]
fn what_a_thread_had_that_ended() {
    let _turn = turn();
    for sizes in [&SMALL[..], &MIXED[..]] {
        goes_back("taken and freed by one that ended", || {
            let ended = thread::spawn(move || {
                let blocks = blocks(sizes);
                let peak = resident();
                drop(blocks);
                peak
            });
            ended.join().expect("no panic")
        });
    }
}

#[test]
fn what_is_freed_after_its_thread_has_ended() {
    let _turn = turn();
    for sizes in [&SMALL[..], &MIXED[..]] {
        goes_back("taken by one that ended, freed by another", || {
            let blocks = thread::spawn(move || blocks(sizes)).join().expect("no panic");
            let peak = resident();
            drop(blocks);
            peak
        });
    }
}
