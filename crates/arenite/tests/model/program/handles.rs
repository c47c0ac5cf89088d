//! Programs for handle pools and their secondaries, beside a map from handles to values.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;

use arenite::{BorrowError, DisjointError, Handle, HandlePool, PoolOptions, Secondary, SecondaryError};

use super::world::{Weather, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// The first one that a program has chooses its pool: bounded or not, few generations, stamped.
    Start(u8),
    Insert {
        bomb: bool,
    },
    /// A constructor that panics, or that is told its handle.
    Make {
        panics: bool,
    },
    Fill(u8),
    Remove(u8),
    Detach(u8),
    Reattach(u8),
    Abandon(u8),
    Reserve(u8),
    /// Refuses one in so many; may panic at one.
    Flush {
        refuse: u8,
        panic: u8,
    },
    /// Keeps what has a bit of the mask in its number; may panic.
    Retain(u8, u8),
    Extract(u8, u8),
    /// Takes so many, then drops or forgets the drain.
    Drain(u8, bool),
    Borrow(u8, bool),
    Disjoint(u8, u8),
    /// An entry for a handle, perhaps a stale one.
    Note(u8),
    Unnote(u8),
    RetainNotes,
    Clear,
    Trim,
    Presize(u8),
    Recycle,
    Check,
    Weather(Weather),
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, c]: [u8; 4]) -> Self {
        match kind % 40 {
            0..=5 => Self::Insert { bomb: a < 16 },
            6 => Self::Make { panics: a < 128 },
            7 | 8 => Self::Fill(a),
            9..=13 => Self::Remove(a),
            14 => Self::Detach(a),
            15 => Self::Reattach(a),
            16 => Self::Abandon(a),
            17..=19 => Self::Reserve(a),
            20 | 21 => Self::Flush { refuse: a % 8, panic: b },
            22 => Self::Retain(a, b),
            23 => Self::Extract(a, b),
            24 => Self::Drain(a, b < 64),
            25 => Self::Borrow(a, b < 64),
            26 => Self::Disjoint(a, b),
            27 | 28 => Self::Note(a),
            29 => Self::Unnote(a),
            30 => Self::RetainNotes,
            31 => Self::Clear,
            32 => Self::Trim,
            33 => Self::Presize(a),
            34 => Self::Recycle,
            35 => Self::Start(a),
            36 | 37 => Self::Check,
            _ => Self::Weather(Weather::of(b, c)),
        }
    }
}

const CAPACITY: usize = 300;

/// Writes its number down when it is dropped, and may panic then. A quarter of a page, so that pools grow.
struct Tracked {
    number: u32,
    filling: [u32; 250],
    bomb: bool,
    log: Rc<RefCell<Vec<u32>>>,
}

impl Drop for Tracked {
    fn drop(&mut self) {
        assert!(self.filling.iter().all(|word| *word == self.number), "somebody wrote into a value");
        self.log.borrow_mut().push(self.number);
        if self.bomb {
            resume_unwind(Box::new(self.number));
        }
    }
}

/// Drops a value without letting it go off.
fn defuse(mut value: Tracked) {
    value.bomb = false;
    drop(value);
}

type Name = Handle<Tracked>;

struct Model {
    next: u32,
    log: Rc<RefCell<Vec<u32>>>,
    /// Number and whether it is a bomb.
    live: BTreeMap<Name, (u32, bool)>,
    detached: Vec<(Name, Tracked)>,
    reserved: Vec<Name>,
    /// Names that resolve to nothing, since the last recycling.
    stale: Vec<Name>,
    notes: BTreeMap<u32, (Name, u32)>,
    recycled: bool,
}

impl Model {
    fn value(&mut self, bomb: bool) -> Tracked {
        self.next += 1;
        let number = self.next;
        Tracked { number, filling: [number; 250], bomb, log: Rc::clone(&self.log) }
    }

    fn dropped(&self) -> Vec<u32> {
        std::mem::take(&mut self.log.borrow_mut())
    }

    fn pick(&self, index: u8) -> Option<Name> {
        let count = self.live.len();
        self.live.keys().nth(usize::from(index) % count.max(1)).copied()
    }

    /// Any name that was ever given out.
    fn any(&self, index: u8) -> Option<Name> {
        let all: Vec<Name> = self.live.keys().chain(&self.stale).chain(&self.reserved).copied().collect();
        all.get(usize::from(index) % all.len().max(1)).copied()
    }

    fn born(&mut self, name: Name, number: u32, bomb: bool) {
        assert!(
            !self.stale.contains(&name) && !self.reserved.contains(&name),
            "{name:?} was given out before"
        );
        let twin = self.live.keys().chain(self.detached.iter().map(|(name, _)| name)).chain(&self.reserved);
        assert!(twin.into_iter().all(|other| other.index() != name.index()), "{name:?} is in use");
        self.live.insert(name, (number, bomb));
    }

    fn died(&mut self, name: Name) -> (u32, bool) {
        self.stale.push(name);
        self.live.remove(&name).expect("it lived")
    }

    fn check(&self, pool: &mut HandlePool<Tracked>, notes: &mut Secondary<Tracked, u32>, world: &World) {
        let stats = pool.stats();
        assert_eq!((pool.len(), pool.is_empty()), (self.live.len(), self.live.is_empty()));
        assert_eq!((stats.detached, stats.reserved), (self.detached.len(), self.reserved.len()));
        assert!(stats.slots <= stats.capacity && stats.capacity == CAPACITY);
        let seen = pool.iter().map(|(name, value)| (name, (value.number, value.bomb)));
        // A map is ordered by slot, too.
        assert!(seen.eq(self.live.iter().map(|(name, value)| (*name, *value))));
        assert_eq!(pool.handles().len(), self.live.len());
        let mut last = 0;
        for value in pool.values() {
            let place = std::ptr::from_ref(value).addr();
            assert!(place >= last + size_of::<Tracked>() && place.is_multiple_of(align_of::<Tracked>()));
            last = place;
        }
        for (name, (number, _)) in &self.live {
            assert_eq!(pool.get(*name).map(|value| value.number), Some(*number));
            assert_eq!(pool.handle_at(name.index()), Some(*name));
        }
        let gone = self.stale.iter().chain(&self.reserved).chain(self.detached.iter().map(|(name, _)| name));
        for name in gone {
            assert!(!pool.contains(*name), "{name:?} came back to life");
        }
        pool.publish();
        notes.publish();
        let own = world.own();
        assert_eq!(own.committed, pool.committed() + notes.committed());
        assert_eq!(own.live, pool.len() * size_of::<Tracked>() + notes.len() * 4);
        assert!(notes.iter().map(|(name, note)| (name, *note)).eq(self.notes.values().copied()));
    }
}

/// Which destructor, or closure, panicked; any other panic goes on.
fn number(panic: Box<dyn std::any::Any + Send>) -> u32 {
    match panic.downcast::<u32>() {
        Ok(number) => *number,
        Err(other) => resume_unwind(other),
    }
}

fn caught<R>(run: impl FnOnce() -> R) -> Result<R, u32> {
    catch_unwind(AssertUnwindSafe(run)).map_err(number)
}

pub(crate) fn run(ops: &[Op]) {
    let mut world = World::new("handles");
    let start = ops.iter().find_map(|op| if let Op::Start(start) = op { Some(*start) } else { None });
    let start = start.unwrap_or(0);
    let mut options = PoolOptions::new(world.tag, CAPACITY).commit_steps(1, 1 << 14);
    if start & 1 != 0 {
        options = options.bounded();
    }
    let mut pool = HandlePool::<Tracked>::try_with(options).expect("the system is calm");
    if start & 2 != 0 {
        pool = pool.stamped();
    }
    if start & 4 != 0 {
        pool = pool.retire_after(u32::from(start >> 3) + 1);
    }
    let mut notes = Secondary::try_new(world.tag, CAPACITY).expect("the system is calm");
    let mut model = Model {
        next: 0,
        log: Rc::default(),
        live: BTreeMap::new(),
        detached: Vec::new(),
        reserved: Vec::new(),
        stale: Vec::new(),
        notes: BTreeMap::new(),
        recycled: false,
    };
    for op in ops {
        match *op {
            Op::Start(_) => {}
            Op::Weather(weather) => world.set(weather),
            Op::Check => model.check(&mut pool, &mut notes, &world),
            Op::Note(_) | Op::Unnote(_) | Op::RetainNotes => {
                annotate(&pool, &mut notes, &mut model, &world, *op);
            }
            Op::Recycle => {
                let (retired, before) = (pool.retired(), model.live.len());
                let back = pool.recycle();
                assert!(back >= retired);
                assert_eq!((pool.retired(), pool.len()), (0, before));
                if back > 0 {
                    // Old handles may resolve from here on.
                    model.stale.clear();
                    model.recycled = true;
                }
            }
            _ => step(&mut pool, &mut model, &world, *op),
        }
    }
    model.check(&mut pool, &mut notes, &world);
    world.wind_down();
    drop(notes);
    let live: Vec<(u32, bool)> = model.live.values().copied().collect();
    // Bombs among what is detached were defused: they go off nowhere near the pool.
    model.detached.drain(..).for_each(|(_, value)| defuse(value));
    model.dropped();
    let panic = caught(|| drop(pool)).err();
    assert!(
        model.dropped().into_iter().eq(live.iter().map(|(number, _)| *number)),
        "each once, in slot order"
    );
    assert_eq!(panic, live.iter().find(|(_, bomb)| *bomb).map(|(number, _)| *number));
    world.end(());
}

fn insert(pool: &mut HandlePool<Tracked>, model: &mut Model, world: &World, bomb: bool) -> bool {
    let value = model.value(bomb);
    let number = value.number;
    match pool.try_insert(value) {
        Ok(name) => {
            model.born(name, number, bomb);
            true
        }
        Err(refused) => {
            assert_eq!(refused.value.number, number, "the value comes back");
            believe(pool, model, world, refused.error);
            defuse(refused.value);
            assert_eq!(model.dropped(), [number]);
            false
        }
    }
}

/// Whether a refusal says the truth.
fn believe(pool: &HandlePool<Tracked>, model: &Model, world: &World, error: arenite::AllocError) {
    if let arenite::AllocError::Full { tag, capacity } = error {
        assert_eq!((tag, capacity), (world.tag, CAPACITY));
        let used = model.live.len() + model.detached.len() + model.reserved.len() + pool.retired();
        // Slots that were closed when all of their generations were used up are not counted as retired.
        assert!(used == CAPACITY || pool.slots() < CAPACITY, "{used} of {CAPACITY}");
    } else {
        world.believe(error, false);
    }
}

fn step(pool: &mut HandlePool<Tracked>, model: &mut Model, world: &World, op: Op) {
    match op {
        Op::Insert { bomb } => drop(insert(pool, model, world, bomb)),
        Op::Fill(count) => drop((0..count / 2).all(|_| insert(pool, model, world, false))),
        Op::Make { panics: true } => {
            let before = pool.len();
            let answer = caught(|| pool.try_insert_with(|| resume_unwind(Box::new(0_u32))));
            assert!(matches!(answer, Err(0) | Ok(Err(_))));
            assert_eq!(pool.len(), before);
        }
        Op::Make { panics: false } => {
            let value = model.value(false);
            let mut told = None;
            let number = value.number;
            let answer = pool.try_insert_with_handle(|name| {
                told = Some(name);
                value
            });
            match answer {
                Ok(name) => {
                    assert_eq!(told, Some(name));
                    model.born(name, number, false);
                }
                Err(error) => {
                    believe(pool, model, world, error);
                    assert_eq!((told, model.dropped()), (None, vec![number]));
                }
            }
        }
        Op::Remove(index) => {
            let Some(name) = model.any(index) else { return };
            match pool.remove(name) {
                Some(value) => {
                    assert_eq!(model.died(name).0, value.number);
                    defuse(value);
                }
                None => assert!(!model.live.contains_key(&name)),
            }
            assert!(!pool.contains(name));
            model.dropped();
        }
        Op::Detach(index) => {
            let Some(name) = model.any(index) else { return };
            match pool.detach(name) {
                Some(value) => {
                    assert_eq!(model.live.remove(&name).expect("it lived").0, value.number);
                    model.detached.push((name, value));
                }
                None => assert!(!model.live.contains_key(&name)),
            }
        }
        Op::Reattach(index) => {
            if let Some(name) = model.any(index) {
                assert!(pool.reattach(name, model.value(false)).is_err(), "it is not detached");
            }
            if !model.detached.is_empty() {
                let (name, value) = model.detached.swap_remove(usize::from(index) % model.detached.len());
                let (number, bomb) = (value.number, value.bomb);
                assert!(pool.reattach(name, value).is_ok());
                model.born(name, number, bomb);
            }
            model.dropped();
        }
        Op::Abandon(index) => {
            if let Some(name) = model.any(index) {
                assert!(!pool.abandon(name), "it is not detached");
            }
            if !model.detached.is_empty() {
                let (name, value) = model.detached.swap_remove(usize::from(index) % model.detached.len());
                assert!(pool.abandon(name) && !pool.abandon(name));
                defuse(value);
                model.stale.push(name);
            }
            model.dropped();
        }
        Op::Reserve(count) => {
            for _ in 0..count / 4 {
                match pool.try_reserve() {
                    Ok(name) => {
                        let used = model.live.keys().chain(model.detached.iter().map(|(name, _)| name));
                        let mut used = used.chain(&model.reserved);
                        assert!(used.all(|other| other.index() != name.index()), "{name:?} is in use");
                        assert!(!model.stale.contains(&name));
                        model.reserved.push(name);
                    }
                    Err(error) => return believe(pool, model, world, error),
                }
            }
        }
        Op::Flush { refuse, panic } => flush(pool, model, world, refuse, panic),
        Op::Borrow(index, forget) => borrow(pool, model, index, forget),
        Op::Disjoint(a, b) => disjoint(pool, model, a, b),
        Op::Clear => {
            let live = std::mem::take(&mut model.live);
            let answer = caught(|| pool.clear());
            let bomb = live.values().find(|(_, bomb)| *bomb).map(|(number, _)| *number);
            assert_eq!(answer.err(), bomb, "the first one goes on");
            assert!(model.dropped().into_iter().eq(live.values().map(|(number, _)| *number)));
            model.stale.extend(live.into_keys());
            model.stale.append(&mut model.reserved);
            for (name, value) in std::mem::take(&mut model.detached) {
                defuse(value);
                model.stale.push(name);
                assert!(!pool.abandon(name));
            }
            model.dropped();
        }
        Op::Trim => {
            let committed = pool.committed();
            if let Err(error) = pool.try_trim() {
                world.believe(error, false);
            }
            assert!(pool.committed() <= committed);
        }
        Op::Presize(slots) => {
            if let Err(error) = pool.try_presize(usize::from(slots) * 2) {
                world.believe(error, false);
            }
        }
        _ => takes(pool, model, op),
    }
}

/// Ops that remove several values.
fn takes(pool: &mut HandlePool<Tracked>, model: &mut Model, op: Op) {
    let mut gone = Vec::new();
    let all: Vec<(Name, u32, bool)> =
        model.live.iter().map(|(name, (number, bomb))| (*name, *number, *bomb)).collect();
    match op {
        Op::Retain(mask, panic) => {
            let answer = caught(|| {
                pool.retain(|name, value| {
                    if value.number % 64 == u32::from(panic) {
                        resume_unwind(Box::new(0_u32));
                    }
                    let keep = value.number & u32::from(mask) != 0;
                    if !keep {
                        gone.push(name);
                    }
                    keep
                });
            });
            // Up to the first that panicked, in the closure or while it was dropped.
            let stop = all.iter().find(|(_, number, bomb)| {
                number % 64 == u32::from(panic) || (*bomb && number & u32::from(mask) == 0)
            });
            let expected =
                stop.map(|(_, number, _)| if number % 64 == u32::from(panic) { 0 } else { *number });
            assert_eq!(answer.err(), expected);
        }
        Op::Extract(mask, stop) => {
            let mut taken: Vec<(Name, Tracked)> = pool
                .extract_if(|_, value| value.number & u32::from(mask) != 0)
                .take(usize::from(stop))
                .collect();
            let expected = all.iter().filter(|(_, number, _)| number & u32::from(mask) != 0);
            assert!(
                taken
                    .iter()
                    .map(|(name, value)| (*name, value.number, value.bomb))
                    .eq(expected.take(stop.into()).copied())
            );
            gone.extend(taken.iter().map(|(name, _)| *name));
            taken.iter_mut().for_each(|(_, value)| value.bomb = false);
        }
        Op::Drain(count, forget) => {
            let taken = usize::from(count).min(all.len());
            let answer = caught(|| {
                let mut drain = pool.drain();
                for (name, number, _) in &all[..taken] {
                    let (found, mut value) = drain.next().expect("still there");
                    assert_eq!((found, value.number), (*name, *number));
                    value.bomb = false;
                }
                assert_eq!(drain.len(), all.len() - taken);
                if forget {
                    std::mem::forget(drain);
                }
            });
            let rest = if forget { &[][..] } else { &all[taken..] };
            assert_eq!(answer.err(), rest.iter().find(|(_, _, bomb)| *bomb).map(|(_, number, _)| *number));
            gone.extend(all[..taken].iter().chain(rest).map(|(name, _, _)| *name));
        }
        other => unreachable!("{other:?} has its own place"),
    }
    let expected: Vec<u32> = gone.into_iter().map(|name| model.died(name).0).collect();
    assert_eq!(model.dropped(), expected, "each once");
}

fn flush(pool: &mut HandlePool<Tracked>, model: &mut Model, world: &World, refuse: u8, panic: u8) {
    let mut made = Vec::new();
    let mut refused = Vec::new();
    let mut waiting = std::mem::take(&mut model.reserved);
    let before = waiting.len();
    let answer = caught(|| {
        pool.try_flush_with(|name| {
            let place = waiting.iter().position(|other| *other == name).expect("it was reserved");
            if panic < 128 && made.len() + refused.len() == usize::from(panic) {
                resume_unwind(Box::new(0_u32));
            }
            waiting.swap_remove(place);
            if refuse != 0 && name.index() % 8 < refuse.into() {
                refused.push(name);
                return None;
            }
            let value = model.value(false);
            made.push((name, value.number));
            Some(value)
        })
    });
    match answer {
        Ok(Ok(count)) => {
            assert_eq!((count, made.len() + refused.len(), waiting.len()), (made.len(), before, 0));
        }
        Ok(Err(error)) => {
            assert_eq!(waiting.len(), before, "whatever is refused is refused first");
            believe(pool, model, world, error);
        }
        Err(number) => assert_eq!(number, 0),
    }
    for (name, number) in made {
        model.born(name, number, false);
    }
    model.stale.extend(refused);
    model.reserved = waiting;
    assert_eq!(pool.reserved(), model.reserved.len());
}

fn borrow(pool: &mut HandlePool<Tracked>, model: &Model, index: u8, forget: bool) {
    let mut lent: BTreeMap<Name, &mut Tracked> = BTreeMap::new();
    let mut guard = pool.borrow_many();
    for step in 0..index {
        let Some(name) = model.any(step.wrapping_mul(index) ^ step) else { return };
        match guard.get_mut(name) {
            Ok(value) => {
                assert_eq!(model.live[&name].0, value.number);
                assert!(lent.insert(name, value).is_none(), "lent twice");
            }
            Err(BorrowError::Borrowed) => assert!(lent.contains_key(&name)),
            Err(error) => assert!(error == BorrowError::Stale && !model.live.contains_key(&name)),
        }
    }
    assert_eq!(guard.lent(), lent.len());
    if forget {
        std::mem::forget(guard);
    }
    for (name, value) in lent {
        assert_eq!(model.live[&name].0, value.number);
    }
}

fn disjoint(pool: &mut HandlePool<Tracked>, model: &Model, a: u8, b: u8) {
    let Some(first) = model.pick(a) else { return };
    let Some(second) = model.any(b) else { return };
    let expected = if first == second {
        Err(DisjointError::Repeated { position: 1 })
    } else if model.live.contains_key(&second) {
        Ok([first, second].map(|name| model.live[&name].0))
    } else {
        Err(DisjointError::Stale { position: 1 })
    };
    let found = pool.get_disjoint_mut([first, second]).map(|values| values.map(|value| value.number));
    assert_eq!(found, expected);
    let slice = [first, second];
    let found = pool.get_disjoint_slice_mut(&slice).map(|values| values.map(|value| value.number).collect());
    assert_eq!(found, expected.map(Vec::from));
}

fn annotate(
    pool: &HandlePool<Tracked>,
    notes: &mut Secondary<Tracked, u32>,
    model: &mut Model,
    world: &World,
    op: Op,
) {
    match op {
        Op::Note(index) => {
            let Some(name) = model.any(index) else { return };
            let before = model.notes.get(&name.index()).copied();
            let older = before.is_some_and(|(other, _)| other.generation() > name.generation());
            match notes.insert(name, index.into()) {
                Ok(replaced) => {
                    assert!(!older);
                    assert_eq!(replaced, before.map(|(_, note)| note));
                    model.notes.insert(name.index(), (name, index.into()));
                }
                Err(SecondaryError::Stale) => assert!(older),
                Err(SecondaryError::Alloc(error)) => world.believe(error, false),
                Err(other) => panic!("nothing did that: {other}"),
            }
        }
        Op::Unnote(index) => {
            let Some(name) = model.any(index) else { return };
            let there = model.notes.get(&name.index()).is_some_and(|(other, _)| *other == name);
            let expected = if there { model.notes.remove(&name.index()).map(|(_, note)| note) } else { None };
            assert_eq!(notes.get(name).copied(), expected);
            assert_eq!(notes.remove(name), expected);
        }
        _ => {
            notes.retain_in(pool);
            model.notes.retain(|_, (name, _)| model.live.contains_key(name));
            if model.recycled {
                // A note of a name that has come back is as good as new.
                assert!(notes.iter().all(|(name, _)| pool.contains(name)));
            }
        }
    }
}
