//! Programs for the resource cache: which resources are there, in which order they go, what is charged, what is told.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use arenite::cache::{LoadError, NoRoom};
use arenite::{Budget, Pinned, ResourceCache};

use super::world::World;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// Asks for a key; the pin is kept, or dropped at once.
    Load {
        key: u8,
        bytes: usize,
        keep: bool,
        end: End,
    },
    /// The loader of one key loads another one, and asks for its own.
    Nested {
        key: u8,
        inner: u8,
        bytes: usize,
    },
    Get {
        key: u8,
        keep: bool,
    },
    Insert {
        key: u8,
        bytes: usize,
        keep: bool,
    },
    /// Clones a pin that is kept.
    Clone(u8),
    /// Drops a pin that is kept.
    Drop(u8),
    Unload(u8),
    Trim(usize),
    Budget {
        limit: usize,
        warn: u8,
    },
    NoBudget,
}

/// How a loader ends.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum End {
    Well,
    Fails,
    Panics,
    /// Claims in two parts, and gives some back.
    Parts,
}

impl From<[u8; 4]> for Op {
    fn from([kind, key, size, how]: [u8; 4]) -> Self {
        let (key, bytes, keep) = (key % 12, usize::from(size) << 4, how % 4 == 0);
        match kind % 16 {
            0..=4 => {
                let end = match how >> 4 {
                    0 => End::Fails,
                    1 => End::Panics,
                    2 | 3 => End::Parts,
                    _ => End::Well,
                };
                Self::Load { key, bytes, keep, end }
            }
            5 => Self::Nested { key, inner: how % 12, bytes },
            6 | 7 => Self::Get { key, keep },
            8 => Self::Insert { key, bytes, keep },
            9 => Self::Clone(size),
            10 | 11 => Self::Drop(size),
            12 => Self::Unload(key),
            13 => Self::Trim(bytes << 2),
            14 => Self::Budget { limit: bytes << 2, warn: how },
            _ => Self::NoBudget,
        }
    }
}

type Log = Arc<Mutex<Vec<u32>>>;

/// Writes its number down when it is dropped.
struct Tracked(u32, Log);

impl Drop for Tracked {
    fn drop(&mut self) {
        self.1.lock().expect("nobody panics with it").push(self.0);
    }
}

/// A resource as the model knows it.
#[derive(Debug)]
struct Known {
    key: u8,
    bytes: usize,
    number: u32,
    pins: usize,
    /// Still found by its key.
    there: bool,
}

#[derive(Default)]
struct Model {
    known: Vec<Known>,
    /// Numbers of what is idle, oldest first.
    idle: Vec<u32>,
    /// What must have been dropped since it was looked at last, in order.
    dropped: Vec<u32>,
    next: u32,
    limit: Option<usize>,
    warning: Option<usize>,
    /// Bytes of a loader that has not ended.
    claimed: usize,
    evictions: u64,
}

impl Model {
    fn of(&mut self, number: u32) -> &mut Known {
        self.known.iter_mut().find(|known| known.number == number).expect("known")
    }

    fn find(&self, key: u8) -> Option<u32> {
        self.known.iter().find(|known| known.key == key && known.there).map(|known| known.number)
    }

    fn committed(&self) -> usize {
        self.claimed + self.known.iter().map(|known| known.bytes).sum::<usize>()
    }

    fn idle_bytes(&self) -> usize {
        self.known.iter().filter(|known| self.idle.contains(&known.number)).map(|known| known.bytes).sum()
    }

    fn bytes(&self) -> usize {
        self.known.iter().filter(|known| known.there).map(|known| known.bytes).sum()
    }

    fn pin(&mut self, number: u32) {
        self.idle.retain(|idle| *idle != number);
        self.of(number).pins += 1;
    }

    fn unpin(&mut self, number: u32) {
        let known = self.of(number);
        known.pins -= 1;
        let (free, there) = (known.pins == 0, known.there);
        if free && there {
            self.idle.push(number);
        } else if free {
            self.forget(number);
        }
    }

    /// A resource goes.
    fn forget(&mut self, number: u32) {
        self.idle.retain(|idle| *idle != number);
        self.known.retain(|known| known.number != number);
        self.dropped.push(number);
    }

    fn evict(&mut self) -> bool {
        let oldest = self.idle.first().copied();
        if let Some(number) = oldest {
            self.forget(number);
            self.evictions += 1;
        }
        oldest.is_some()
    }

    /// What a claim comes to.
    fn claim(&mut self, bytes: usize) -> bool {
        let fits = |model: &Self, given: usize| {
            model.limit.is_none_or(|limit| model.committed() - given + bytes <= limit)
        };
        let mark = self.warning.map(|warning| warning.saturating_sub(1)).or(self.limit);
        if bytes == 0 {
            return true;
        }
        if !fits(self, self.idle_bytes()) {
            return false;
        }
        while mark.is_some_and(|mark| mark.saturating_sub(self.committed()) < bytes) && self.evict() {}
        assert!(fits(self, 0));
        self.claimed += bytes;
        true
    }

    /// What was claimed becomes a resource with one pin.
    fn land(&mut self, key: u8, number: u32) {
        let bytes = std::mem::take(&mut self.claimed);
        if let Some(old) = self.find(key) {
            self.of(old).there = false;
            self.idle.retain(|idle| *idle != old);
            if self.of(old).pins == 0 {
                self.forget(old);
            }
        }
        self.known.push(Known { key, bytes, number, pins: 1, there: true });
    }
}

struct Game {
    cache: ResourceCache<u8, Tracked>,
    model: Rc<RefCell<Model>>,
    log: Log,
    kept: Vec<Pinned<u8, Tracked>>,
}

impl Game {
    fn value(&self) -> Tracked {
        let mut model = self.model.borrow_mut();
        model.next += 1;
        Tracked(model.next, Arc::clone(&self.log))
    }

    /// A pin that the cache gave, and the model has counted.
    fn hold(&mut self, pin: Pinned<u8, Tracked>, keep: bool) {
        if keep {
            self.kept.push(pin);
        } else {
            let number = pin.0;
            drop(pin);
            self.model.borrow_mut().unpin(number);
        }
    }

    fn claim(&self, room: &mut arenite::cache::Room<'_>, bytes: usize) -> Result<(), NoRoom> {
        let (before, outcome) = (self.cache.len(), room.claim(bytes));
        assert_eq!(outcome.is_ok(), self.model.borrow_mut().claim(bytes));
        if let Err(refused) = outcome {
            assert_eq!(self.cache.len(), before, "a refusal unloads nothing");
            assert_eq!(refused.refused.wanted, bytes);
            assert!(refused.refused.in_use + bytes > refused.refused.limit);
        }
        outcome
    }

    fn load(&mut self, key: u8, bytes: usize, keep: bool, end: End) {
        let there = self.model.borrow().find(key);
        let mut ran = false;
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            self.cache.get_or_load(&key, |room| {
                ran = true;
                self.claim(room, bytes)?;
                match end {
                    End::Well => {}
                    End::Fails => return Err("it fails".into()),
                    End::Panics => resume_unwind(Box::new(())),
                    End::Parts => {
                        self.claim(room, bytes / 2)?;
                        room.give_back(bytes / 4);
                        self.model.borrow_mut().claimed -= bytes / 4;
                    }
                }
                Ok::<_, Box<dyn std::error::Error>>(self.value())
            })
        }));
        assert_eq!(ran, there.is_none());
        match outcome {
            Ok(Ok(pin)) => {
                let mut model = self.model.borrow_mut();
                match there {
                    Some(number) => {
                        assert_eq!(pin.0, number);
                        model.pin(number);
                    }
                    None => model.land(key, pin.0),
                }
                drop(model);
                self.hold(pin, keep);
            }
            Ok(Err(error)) => {
                assert!(matches!(error, LoadError::NoRoom(_)) || end == End::Fails);
                self.model.borrow_mut().claimed = 0;
            }
            Err(_) => {
                assert_eq!(end, End::Panics);
                self.model.borrow_mut().claimed = 0;
            }
        }
    }

    /// What the outer load claims comes after the inner one is done.
    fn nested(&mut self, key: u8, inner: u8, bytes: usize) {
        let there = self.model.borrow().find(key);
        let number = Rc::new(RefCell::new(None));
        let outcome = self.cache.get_or_load(&key, |room| {
            let own = self.cache.get_or_load(&key, |_| Err::<Tracked, ()>(()));
            assert!(matches!(own, Err(LoadError::Cycle)), "a loader can not wait for itself");
            if inner != key {
                let known = self.model.borrow().find(inner);
                let pin = self.cache.get_or_load(&inner, |room| {
                    self.claim(room, bytes / 2)?;
                    Ok::<_, NoRoom>(self.value())
                });
                let mut model = self.model.borrow_mut();
                match (&pin, known) {
                    (Ok(_), Some(number)) => model.pin(number),
                    (Ok(pin), None) => model.land(inner, pin.0),
                    (Err(_), _) => model.claimed = 0,
                }
                drop(model);
                if let Ok(pin) = pin {
                    *number.borrow_mut() = Some(pin);
                }
            }
            self.claim(room, bytes)?;
            Ok::<_, NoRoom>(self.value())
        });
        match (&outcome, there) {
            (Ok(pin), Some(number)) => {
                assert_eq!(pin.0, number);
                self.model.borrow_mut().pin(number);
            }
            (Ok(pin), None) => self.model.borrow_mut().land(key, pin.0),
            (Err(_), _) => self.model.borrow_mut().claimed = 0,
        }
        if let Ok(pin) = outcome {
            self.hold(pin, false);
        }
        let inner = number.borrow_mut().take();
        if let Some(pin) = inner {
            self.hold(pin, true);
        }
    }

    fn step(&mut self, op: Op) {
        match op {
            Op::Load { key, bytes, keep, end } => self.load(key, bytes, keep, end),
            Op::Nested { key, inner, bytes } => self.nested(key, inner, bytes),
            Op::Get { key, keep } => {
                let there = self.model.borrow().find(key);
                let pin = self.cache.get(&key);
                assert_eq!(pin.as_ref().map(|pin| pin.0), there);
                if let Some(pin) = pin {
                    self.model.borrow_mut().pin(pin.0);
                    self.hold(pin, keep);
                }
            }
            Op::Insert { key, bytes, keep } => {
                let fits = self.model.borrow_mut().claim(bytes);
                let value = self.value();
                let number = value.0;
                match self.cache.insert(&key, bytes, value) {
                    Ok(pin) => {
                        assert!(fits);
                        self.model.borrow_mut().land(key, number);
                        self.hold(pin, keep);
                    }
                    Err(refused) => {
                        assert!(!fits && refused.value.0 == number);
                        drop(refused);
                        self.model.borrow_mut().dropped.push(number);
                    }
                }
            }
            Op::Clone(which) if !self.kept.is_empty() && self.kept.len() < 20 => {
                let pin = self.kept[usize::from(which) % self.kept.len()].clone();
                self.model.borrow_mut().pin(pin.0);
                self.kept.push(pin);
            }
            Op::Drop(which) if !self.kept.is_empty() => {
                let pin = self.kept.swap_remove(usize::from(which) % self.kept.len());
                self.hold(pin, false);
            }
            Op::Clone(_) | Op::Drop(_) => {}
            Op::Unload(key) => {
                let mut model = self.model.borrow_mut();
                let idle = model.find(key).filter(|number| model.idle.contains(number));
                assert_eq!(self.cache.unload(&key), idle.is_some());
                idle.into_iter().for_each(|number| model.forget(number));
            }
            Op::Trim(bytes) => {
                let mut model = self.model.borrow_mut();
                let before = model.bytes();
                while (model.bytes() > bytes || bytes == 0) && !model.idle.is_empty() {
                    let oldest = model.idle[0];
                    model.forget(oldest);
                }
                assert_eq!(self.cache.trim_to(bytes), before - model.bytes());
            }
            Op::Budget { limit, warn } => {
                let budget = Budget::hard(limit);
                let budget = if warn < 128 { budget.warn_at(f64::from(warn) / 128.0) } else { budget };
                self.cache.tag().set_budget(budget);
                let mut model = self.model.borrow_mut();
                (model.limit, model.warning) = (Some(limit), budget.warning());
            }
            Op::NoBudget => {
                self.cache.tag().set_budget(Budget::NONE);
                let mut model = self.model.borrow_mut();
                (model.limit, model.warning) = (None, None);
            }
        }
    }

    fn check(&self, world: &World) {
        let mut model = self.model.borrow_mut();
        assert_eq!(model.claimed, 0);
        let dropped = std::mem::take(&mut model.dropped);
        assert_eq!(*self.log.lock().expect("nobody panics with it"), dropped, "each once, in order");
        self.log.lock().expect("nobody panics with it").clear();
        for key in 0..12 {
            assert_eq!(self.cache.contains(&key), model.find(key).is_some(), "{key}");
        }
        let stats = self.cache.stats();
        let count = model.known.iter().filter(|known| known.there).count();
        assert_eq!((stats.count, stats.bytes, stats.idle_bytes), (count, model.bytes(), model.idle_bytes()));
        assert_eq!(stats.evictions, model.evictions);
        let own = world.own();
        assert_eq!((own.committed, own.live), (model.committed(), model.committed()));
        assert!(self.kept.iter().all(|pin| model.known.iter().any(|known| known.number == pin.0)));
    }
}

pub(crate) fn run(ops: &[Op]) {
    let world = World::new("cache");
    let mut game = Game {
        cache: ResourceCache::new(world.tag),
        model: Rc::default(),
        log: Log::default(),
        kept: Vec::new(),
    };
    for &op in ops {
        game.step(op);
        game.check(&world);
    }
    let Game { cache, model, log, kept } = game;
    drop(cache);
    let pinned: usize =
        model.borrow().known.iter().filter(|known| known.pins > 0).map(|known| known.bytes).sum();
    assert_eq!(world.own().committed, pinned, "pins outlive the cache");
    let left = model.borrow().known.len();
    drop(kept);
    assert_eq!(log.lock().expect("nobody panics with it").len(), left);
    world.end(());
}
