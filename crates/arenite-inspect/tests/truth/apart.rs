//! Blocks of a sample lie in pages of their own, and the heap itself tells when they come back: none is missed, whoever gives it back
//! and however, and nothing is told of any other.

use std::collections::BTreeMap;
use std::sync::mpsc::channel;
use std::thread;

use arenite::record::format::events::What;
use arenite::record::{self, RecordOptions};
use arenite_inspect::Capture;

use super::made_up::Random;
use super::turn;

/// Blocks of so many bytes and more are in a sample of one for each byte but for one time in e^64.
const SURELY: usize = 64;

/// A block of so many bytes, the first and last of which are its number.
struct Block(Vec<u8>);

impl Block {
    fn new(random: &mut Random) -> Self {
        let size = match random.below(60) {
            0 => 40_000 + random.below(400_000) as usize,
            1 => (1 << 20) + random.below(2 << 20) as usize,
            2..10 => 1000 + random.below(20_000) as usize,
            _ => SURELY + random.below(500) as usize,
        };
        // Zeroed by the heap, or not.
        let bytes = if random.below(4) == 0 { vec![0; size] } else { Vec::with_capacity(size) };
        let mut block = Self(bytes);
        block.sign(random.below(256) as u8);
        block
    }

    fn sign(&mut self, number: u8) {
        let end = self.0.capacity();
        self.0.resize(end, number);
        (self.0[0], self.0[end - 1]) = (number, number);
    }

    fn resize(&mut self, random: &mut Random) {
        let number = self.0[0];
        let size = match random.below(10) {
            0 => 30_000 + random.below(100_000) as usize,
            1 => self.0.len() * 3,
            _ => SURELY + random.below(600) as usize,
        };
        self.0.truncate(size);
        if size > self.0.len() {
            self.0.reserve_exact(size - self.0.len());
        } else {
            self.0.shrink_to_fit();
        }
        assert!(self.0.capacity() == size && self.0[0] == number, "it was moved with what is in it");
        self.sign(number);
    }

    fn free(self) {
        assert_eq!(self.0.first(), self.0.last());
    }
}

/// What lives at the end of a capture, by address; its events.
fn living(path: &std::path::Path) -> (BTreeMap<u64, u64>, u64) {
    let (mut live, mut events, mut odd) = (BTreeMap::new(), 0, 0);
    let mut capture = Capture::open(path).expect("a capture");
    let read = capture.events(|_, event| {
        events += 1;
        match event.what {
            What::Alloc { address, size, .. } => odd += u32::from(live.insert(address, size).is_some()),
            What::Free { address } => odd += u32::from(live.remove(&address).is_none()),
            _ => events -= 1,
        }
    });
    read.expect("read");
    // A processor may read its clock a moment early.
    assert!(odd < 4, "{odd} blocks were where another one lived, or came back twice");
    (live, events)
}

#[test]
fn each_end_of_a_sampled_block_is_told_whoever_brings_it_about() {
    const STEPS: usize = 4000;
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("apart.arec");
    // What threads, channels and lists need is smaller, or there before.
    let mut kept: Vec<Block> = Vec::with_capacity(3 * STEPS);
    let mut before: Vec<Block> = (0..200).map(|seed| Block::new(&mut Random(seed * 77 + 1))).collect();
    let recording = record::start(RecordOptions::new(&path).sample(1).stack_depth(0)).expect("a recording");
    let (sender, receiver) = channel::<Block>();
    thread::scope(|scope| {
        for seed in 1..4u64 {
            let sender = sender.clone();
            scope.spawn(move || {
                let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                let mut own: Vec<Block> = Vec::with_capacity(2 * STEPS);
                for _ in 0..STEPS {
                    let place = random.below(own.len() as u64 + 1) as usize;
                    match random.below(8) {
                        0..4 => own.push(Block::new(&mut random)),
                        4 if place < own.len() => own[place].resize(&mut random),
                        5 if place < own.len() => sender.send(own.swap_remove(place)).expect("received"),
                        _ if place < own.len() => own.swap_remove(place).free(),
                        _ => {}
                    }
                }
                // The thread ends; some of its blocks stay.
                own.drain(..own.len() / 2).for_each(Block::free);
                own.into_iter().for_each(|block| sender.send(block).expect("received"));
            });
        }
        drop(sender);
        before.drain(..).for_each(Block::free);
        let mut random = Random(99);
        for mut block in receiver {
            match random.below(4) {
                0 => kept.push(block),
                1 => {
                    block.resize(&mut random);
                    kept.push(block);
                }
                _ => block.free(),
            }
        }
    });
    let written = recording.stop().expect("written");
    let (live, events) = living(&path);
    assert_eq!(written.lost, 0);
    assert!(events > 15_000, "{events}");
    let large = |live: &BTreeMap<u64, u64>| {
        live.iter()
            .filter(|(_, size)| **size >= SURELY as u64)
            .map(|(a, s)| (*a, *s))
            .collect::<BTreeMap<_, _>>()
    };
    let known: BTreeMap<u64, u64> =
        kept.iter().map(|block| (block.0.as_ptr().addr() as u64, block.0.len() as u64)).collect();
    let told = large(&live);
    // What the threads themselves have is no block of this test: names, results.
    let others = told.keys().filter(|address| !known.contains_key(address)).count();
    assert!(known.iter().all(|(address, size)| told.get(address) == Some(size)), "each that lives is told");
    assert!(others < 30, "{others} that do not live");
    // What comes back after the end, and while another recording is made, is told to nobody.
    let second = folder.path().join("second.arec");
    let recording = record::start(RecordOptions::new(&second).sample(1).stack_depth(0)).expect("a recording");
    kept.drain(..kept.len() / 2).for_each(Block::free);
    recording.stop().expect("written");
    let (live, _) = living(&second);
    assert!(large(&live).len() < 30);
    let third = folder.path().join("third.arec");
    let recording = record::start(RecordOptions::new(&third).stack_depth(0)).expect("a recording");
    let ends = kept.len() as u64;
    kept.drain(..).for_each(Block::free);
    recording.stop().expect("written");
    let mut frees = 0;
    let mut capture = Capture::open(&third).expect("a capture");
    capture.events(|_, event| frees += u64::from(matches!(event.what, What::Free { .. }))).expect("read");
    // Each once: by whoever gave it back, and not by the heap as well.
    assert!((ends..ends + 30).contains(&frees), "{frees} of {ends}");
}

#[test]
fn blocks_that_come_back_in_a_pause_leave_room_in_the_list() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("pauses.arec");
    let mut kept: Vec<Box<[u8; SURELY]>> = Vec::with_capacity(20_000);
    let recording = record::start(RecordOptions::new(&path).sample(1).stack_depth(0)).expect("a recording");
    // More than there is room for, but not at a time.
    for _ in 0..5 {
        kept.extend((0..20_000).map(|_| Box::new([1; SURELY])));
        recording.pause();
        kept.clear();
        recording.resume();
    }
    let written = recording.stop().expect("written");
    assert_eq!(written.lost, 0);
}
