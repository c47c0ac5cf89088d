//! A program that has just started: what an allocator takes before anybody has asked it for much.

use std::collections::BTreeMap;
use std::sync::Barrier;

use super::{Load, Outcome};
use crate::block::Block;
use crate::memory::Memory;
use crate::random::{Random, mix};

/// The memory that is reported is that of the moment at which all threads hold their blocks.
pub(super) fn run(load: Load) -> Outcome {
    let settings: BTreeMap<String, String> =
        (0..20).map(|i| (format!("setting {i}"), format!("value {}", i * i))).collect();
    let all_hold = Barrier::new(load.threads);
    let measured = Barrier::new(load.threads);
    let memory = std::sync::Mutex::new(None);
    let outcome = load.in_threads(|thread| {
        let mut random = Random::new("idle", thread);
        let blocks: Vec<Block> = (0..10).map(|_| Block::new(random.size(16, 4096), random.next())).collect();
        all_hold.wait();
        if thread == 0 {
            *memory.lock().expect("nobody else takes it") = Some(Memory::now());
        }
        measured.wait();
        blocks.iter().fold(0, |sum, block| mix(sum, block.stamp()))
    });
    let text = settings.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
    Outcome {
        checksum: mix(outcome.checksum, text as u64),
        memory: memory.into_inner().expect("nobody panicked with it"),
    }
}
