//! Vectors that grow: `realloc` by doubling, with neighbours that are in the way.

use super::{Load, Outcome};
use crate::random::{Random, mix};

/// Vectors that are finished, by all of their places together.
const VECTORS: usize = 27_000;

/// Vectors that grow side by side.
const PLACES: usize = 32;

/// Words that are added at once.
const STEP: usize = 8;

/// A vector on its way.
struct Growing {
    words: Vec<u64>,
    /// Length at which it is done.
    goal: usize,
}

impl Growing {
    /// 64 B to 4 MiB, each octave as likely as any other, but for the largest four, of which there is one in sixteen.
    fn new(random: &mut Random) -> Self {
        let bytes =
            if random.below(16) == 0 { random.size(256 << 10, 4 << 20) } else { random.size(64, 256 << 10) };
        Self { words: Vec::new(), goal: bytes / size_of::<u64>() }
    }
}

pub(super) fn run(load: Load) -> Outcome {
    let vectors = load.times(VECTORS);
    load.in_threads(|thread| {
        let mut random = Random::new("grow", thread);
        let mut places: Vec<Growing> = (0..PLACES).map(|_| Growing::new(&mut random)).collect();
        let (mut finished, mut turn, mut sum) = (0, 0, 0);
        while finished < vectors {
            turn = (turn + 1) % PLACES;
            let growing = &mut places[turn];
            // Each turn adds about as much as there is, so that long ones do not have all the time for themselves.
            let end = (growing.words.len() * 2).max(STEP).min(growing.goal);
            while growing.words.len() < end {
                let first = growing.words.len() as u64;
                growing.words.extend_from_slice(&std::array::from_fn::<u64, STEP, _>(|i| first + i as u64));
            }
            if growing.words.len() >= growing.goal {
                sum = check(sum, &growing.words);
                *growing = Growing::new(&mut random);
                finished += 1;
            }
        }
        sum
    })
}

/// Every word is where it was put, over all moves.
fn check(sum: u64, words: &[u64]) -> u64 {
    let wrong = words.iter().enumerate().filter(|(index, word)| *index as u64 != **word).count();
    assert_eq!(wrong, 0, "a vector lost words when it grew");
    mix(sum, words.len() as u64)
}
