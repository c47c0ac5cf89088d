//! Everything that is published is shown once, in order, whoever comes between; by threads, and by loom's models.

use std::vec::Vec;

use super::*;

#[cfg(loom)]
use loom::{sync::Arc, thread};
#[cfg(not(loom))]
use std::{sync::Arc, thread};

fn chains(count: u32) -> Chains {
    let heads = Vec::leak((0..count).map(|_| Head::default()).collect::<Vec<_>>());
    // SAFETY: leaked default heads, of which nobody else knows.
    unsafe { Chains::new(NonNull::from(&mut heads[0]).cast(), count) }
}

fn purpose(thread: u32, number: u64) -> Purpose {
    Purpose { session: 1, thread, number, start: 10 + number }
}

/// Writes `lengths`, a segment for each, byte by byte; answers how much it could not.
fn write(chains: &Chains, log: &Reading, thread: u32, lengths: &[u32]) -> usize {
    let (mut last, mut lost) = (0, 0);
    for (number, len) in lengths.iter().enumerate() {
        let Some(name) = chains.append(log, last, purpose(thread, number as u64)) else {
            lost += 1;
            continue;
        };
        last = name;
        (1..=*len).for_each(|len| chains.publish(name, len));
    }
    lost
}

/// Puts what is shown together: the bytes of each segment, none shown twice or left out.
#[derive(Default)]
struct Shown(Vec<(u64, u32)>);

impl Shown {
    fn take(&mut self, purpose: Purpose, from: u32, to: u32) {
        assert_eq!((purpose.session, purpose.start), (1, 10 + purpose.number));
        match self.0.last_mut() {
            Some((number, len)) if *number == purpose.number => {
                assert_eq!(*len, from);
                *len = to;
            }
            _ => {
                assert_eq!(from, 0);
                assert!(self.0.last().is_none_or(|(number, _)| *number < purpose.number));
                self.0.push((purpose.number, to));
            }
        }
    }
}

#[cfg(not(loom))]
#[test]
fn threads_write_and_everything_is_shown_once() {
    const LOGS: usize = 3;
    let chains = Arc::new(chains(5));
    let logs: Arc<Vec<Reading>> = Arc::new((0..LOGS).map(|_| Reading::default()).collect());
    let lengths: Vec<u32> = (0..3000).map(|number| 1 + number % 9).collect();
    let threads: Vec<_> = (0..LOGS)
        .map(|thread| {
            let (chains, logs, lengths) = (chains.clone(), logs.clone(), lengths.clone());
            thread::spawn(move || write(&chains, &logs[thread], thread as u32, &lengths))
        })
        .collect();
    let mut shown: Vec<Shown> = (0..LOGS).map(|_| Shown::default()).collect();
    let mut round = 0;
    loop {
        let ended = threads.iter().all(|thread| thread.is_finished());
        for (number, (log, shown)) in logs.iter().zip(&mut shown).enumerate() {
            chains.drain(log, ended || round % 3 == 0, |_, purpose, from, to| {
                assert_eq!(purpose.thread, number as u32);
                shown.take(purpose, from, to);
            });
        }
        if ended {
            break;
        }
        round += 1;
    }
    for (thread, shown) in threads.into_iter().zip(&shown) {
        let lost = thread.join().expect("no panic");
        assert_eq!(shown.0.len() + lost, lengths.len());
        for (number, len) in &shown.0 {
            assert_eq!(*len, lengths[*number as usize]);
        }
    }
}

#[cfg(loom)]
#[test]
fn what_is_published_is_shown_once() {
    loom::model(|| {
        let (chains, log) = (Arc::new(chains(2)), Arc::new(Reading::default()));
        let writes = {
            let (chains, log) = (chains.clone(), log.clone());
            thread::spawn(move || write(&chains, &log, 7, &[1, 2, 1]))
        };
        let mut shown = Shown::default();
        chains.drain(&log, true, |_, purpose, from, to| shown.take(purpose, from, to));
        chains.drain(&log, false, |_, purpose, from, to| shown.take(purpose, from, to));
        let lost = writes.join().expect("no panic");
        chains.drain(&log, true, |_, purpose, from, to| shown.take(purpose, from, to));
        assert_eq!(shown.0.len() + lost, 3);
        assert!(shown.0.iter().all(|(number, len)| *len == [1, 2, 1][*number as usize]));
    });
}

#[cfg(loom)]
#[test]
fn two_threads_share_the_free_ones() {
    loom::model(|| {
        let chains = Arc::new(chains(2));
        let logs = Arc::new([Reading::default(), Reading::default()]);
        let other = {
            let (chains, logs) = (chains.clone(), logs.clone());
            thread::spawn(move || write(&chains, &logs[1], 1, &[1]))
        };
        let lost = write(&chains, &logs[0], 0, &[1]) + other.join().expect("no panic");
        assert_eq!(lost, 0, "there is one for each");
    });
}
