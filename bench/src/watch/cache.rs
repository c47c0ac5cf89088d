//! Asking a cache for what is there, and for what is not, on one thread. What is there is pinned while it is looked at: ours by a
//! pin, theirs by a clone of an `Arc`, without which it could go meanwhile. Peers that order what is used after the hit (in
//! batches, or by chance) save what ours spends on an exact order.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex};

use arenite::cache::NoRoom;
use arenite::{Budget, ResourceCache, Tag};
use lru::LruCache;
use quick_cache::sync::Cache as QuickCache;

use crate::harness::Contest;
use crate::stats::Random;

/// Resources that fit.
const FIT: usize = 1000;
/// Questions of a round.
const ASKED: usize = 20_000;
const BYTES: usize = 4096;

type Value = [u64; 8];

fn value(key: u64) -> Value {
    [key; 8]
}

/// Keys below `count`, the same in each run.
fn keys(count: usize) -> Vec<u64> {
    let mut random = Random(0x5EED_CAFE);
    (0..ASKED).map(|_| random.below(count) as u64).collect()
}

/// What all of them can do.
trait Cache {
    fn new(name: &str) -> Self;
    /// A word of the resource, which is loaded if it is not there.
    fn ask(&self, key: u64) -> u64;
}

struct Ours(ResourceCache<u64, Value>);

impl Cache for Ours {
    fn new(name: &str) -> Self {
        let tag = Tag::register(name).expect("a tag");
        tag.set_budget(Budget::hard(FIT * BYTES));
        Self(ResourceCache::new(tag))
    }

    #[inline(always)]
    fn ask(&self, key: u64) -> u64 {
        let loaded = self.0.get_or_load(&key, |room| {
            room.claim(BYTES)?;
            Ok::<_, NoRoom>(value(key))
        });
        loaded.expect("it fits")[0]
    }
}

struct Lru(Mutex<LruCache<u64, Arc<Value>>>);

impl Cache for Lru {
    fn new(_: &str) -> Self {
        Self(Mutex::new(LruCache::new(NonZeroUsize::new(FIT).expect("more than none"))))
    }

    #[inline(always)]
    fn ask(&self, key: u64) -> u64 {
        let mut cache = self.0.lock().expect("nobody panics with it");
        let found = Arc::clone(cache.get_or_insert(key, || Arc::new(value(key))));
        drop(cache);
        found[0]
    }
}

struct Quick(QuickCache<u64, Arc<Value>>);

impl Cache for Quick {
    fn new(_: &str) -> Self {
        Self(QuickCache::new(FIT))
    }

    #[inline(always)]
    fn ask(&self, key: u64) -> u64 {
        let loaded = self.0.get_or_insert_with(&key, || Ok::<_, NoRoom>(Arc::new(value(key))));
        loaded.expect("nothing refuses")[0]
    }
}

fn round(cache: &impl Cache, keys: &[u64]) -> u64 {
    keys.iter().fold(0, |sum: u64, key| sum.wrapping_add(cache.ask(*key)))
}

fn contest(name: &'static str, count: usize) {
    let keys = keys(count);
    let (ours, lru, quick) = (Ours::new(&format!("bench/{name}")), Lru::new(name), Quick::new(name));
    // Twice: the second time everything is there that fits.
    let answers = [(); 2].map(|()| (round(&ours, &keys), round(&lru, &keys), round(&quick, &keys)))[1];
    Contest::new(name, "question", ASKED)
        .ours("ResourceCache", answers.0, || {
            round(&ours, &keys);
        })
        .peer("a mutex around lru", answers.1, || {
            round(&lru, &keys);
        })
        .peer("quick_cache", answers.2, || {
            round(&quick, &keys);
        })
        .run();
}

/// All are there.
pub(super) fn hit() {
    // Fewer than fit: peers that split their room into shards keep all of them, too.
    contest("cache-hit", FIT / 2);
}

/// A tenth of what is asked for fits: most are loaded, and another one goes.
pub(super) fn miss() {
    contest("cache-miss", FIT * 10);
}
