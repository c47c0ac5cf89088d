//! A map of strings to strings: small blocks of two kinds with one large table among them.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use super::{Load, Outcome};
use crate::random::{Random, digest, mix};

const ENTRIES: usize = 60_000;

const ROUNDS: usize = 10;

/// FNV-1a: the standard library's hash is seeded anew in each process and would be most of the time.
#[derive(Default)]
struct Fnv(u64);

impl Hasher for Fnv {
    fn finish(&self) -> u64 {
        // The table takes its highest bits for itself.
        self.0.wrapping_mul(0x9E37_79B9_7F4A_7C15)
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= digest(bytes);
    }
}

type Map = HashMap<String, String, BuildHasherDefault<Fnv>>;

pub(super) fn run(load: Load) -> Outcome {
    let entries = load.times(ENTRIES);
    load.in_threads(|thread| {
        let mut random = Random::new("strings", thread);
        let mut sum = 0;
        for _ in 0..ROUNDS {
            sum = mix(sum, round(&mut random, entries));
        }
        sum
    })
}

fn round(random: &mut Random, entries: usize) -> u64 {
    let mut map = Map::default();
    for number in 0..entries {
        map.insert(key(number), value(random));
    }
    // Half of them are taken out and make room for others.
    let mut sum = 0;
    for number in (0..entries).step_by(2) {
        let gone = map.remove(&key(number)).expect("it was put there");
        sum = mix(sum, gone.len() as u64);
        map.insert(key(entries + number), value(random));
    }
    // Values that grow, as text does that is added to.
    for number in (1..entries).step_by(2) {
        let text = map.get_mut(&key(number)).expect("it was left there");
        text.push_str(" and more");
        sum = mix(sum, digest(text.as_bytes()));
    }
    mix(sum, map.len() as u64)
}

/// 11 to 18 bytes.
fn key(number: usize) -> String {
    format!("entry.{number:05}{}", &".of.map"[..number % 8])
}

/// 8 to 255 bytes, most of them short.
fn value(random: &mut Random) -> String {
    let (length, letter) = (random.size(8, 255), b'a' + random.below(26) as u8);
    std::iter::repeat_n(char::from(letter), length).collect()
}
