//! Programs for columns: names, order, destructors, memory that goes and comes back.

use std::cmp::Ordering;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};

use arenite::{AllocError, Columns, Handle, PoolOptions, Soa};

use super::block::{Line, Mark};
use super::world::{Weather, World};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Op {
    /// A row; its first or second tracked field may panic when it is dropped, or when it is cloned.
    Push {
        drops: u8,
        clones: bool,
    },
    /// Several rows from an iterator that may panic half-way.
    Extend {
        count: u8,
        panics: bool,
    },
    Remove(u8),
    RemoveAt(u8),
    /// Rows whose number is a multiple of it go; `stop` rows are looked at before it panics.
    Retain {
        divisor: u8,
        stop: Option<u8>,
    },
    /// By number modulo something; panics after so many comparisons.
    Sort {
        divisor: u8,
        stop: Option<u8>,
    },
    /// Takes so many rows from each end, drops the rest.
    Drain(u8),
    Truncate(u8),
    /// Pushes copies of its own rows, in columns of their own.
    Copy,
    Trim(u8),
    Presize(u8),
    Recycle,
    Check,
    Weather(Weather),
}

impl From<[u8; 4]> for Op {
    fn from([kind, a, b, _]: [u8; 4]) -> Self {
        let stop = (b < 64).then_some(b / 2);
        match kind % 20 {
            0..=5 => Self::Push { drops: if a < 24 { a % 3 } else { 0 }, clones: b < 8 },
            6 => Self::Extend { count: a, panics: b < 64 },
            7 | 8 => Self::Remove(a),
            9 => Self::RemoveAt(a),
            10 => Self::Retain { divisor: a % 8 + 1, stop },
            11 => Self::Sort { divisor: a % 16 + 1, stop },
            12 => Self::Drain(a),
            13 => Self::Truncate(a),
            14 => Self::Copy,
            15 => Self::Trim(a),
            16 if a < 200 => Self::Presize(a),
            16 => Self::Recycle,
            17 | 18 => Self::Check,
            _ => Self::Weather(Weather::of(a, b)),
        }
    }
}

type Log = Arc<Mutex<Vec<u32>>>;

/// Writes its number down when it is dropped.
#[derive(Debug)]
struct Tracked {
    number: u32,
    log: Log,
    drop_panics: bool,
    clone_panics: bool,
}

impl Clone for Tracked {
    fn clone(&self) -> Self {
        if self.clone_panics {
            resume_unwind(Box::new(self.number));
        }
        Self {
            number: self.number | COPY,
            log: Arc::clone(&self.log),
            drop_panics: false,
            clone_panics: false,
        }
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        self.log.lock().expect("nobody panics with it").push(self.number);
        if self.drop_panics {
            resume_unwind(Box::new(self.number));
        }
    }
}

/// Marks the number of a copy, and of the second field.
const COPY: u32 = 1 << 31;
const SECOND: u32 = 1 << 30;

#[derive(Debug, Soa)]
struct Row {
    first: Tracked,
    number: u32,
    #[soa(nested)]
    inner: Inner,
    nothing: (),
}

#[derive(Debug, Soa)]
struct Inner {
    line: Line,
    second: Tracked,
}

#[derive(Clone, Copy)]
struct Known {
    handle: Handle<Row>,
    number: u32,
}

struct Model {
    log: Log,
    next: u32,
    /// In the order of the rows.
    rows: Vec<Known>,
    stale: Vec<Handle<Row>>,
}

impl Model {
    fn row(&mut self, drops: u8, clones: bool) -> Row {
        self.next += 1;
        let number = self.next;
        let tracked = |number, drop_panics, clone_panics| Tracked {
            number,
            log: Arc::clone(&self.log),
            drop_panics,
            clone_panics,
        };
        Row {
            first: tracked(number, drops == 1, false),
            number,
            inner: Inner {
                line: Line::mark(3, number as usize),
                second: tracked(number | SECOND, drops == 2, clones),
            },
            nothing: (),
        }
    }

    fn dropped(&self) -> Vec<u32> {
        let mut seen = std::mem::take(&mut *self.log.lock().expect("nobody panics with it"));
        seen.sort_unstable();
        seen
    }

    /// These rows went, by whatever way: each field was dropped once.
    fn gone(&mut self, rows: impl IntoIterator<Item = Known>) {
        let mut expected = Vec::new();
        for row in rows {
            expected.extend([row.number, row.number | SECOND]);
            self.stale.push(row.handle);
        }
        expected.sort_unstable();
        assert_eq!(self.dropped(), expected);
    }

    /// What `swap_remove` does here.
    fn take(&mut self, index: usize) -> Known {
        self.rows.swap_remove(index)
    }

    fn check(&self, columns: &mut Columns<Row>, world: &World) {
        columns.check();
        assert_eq!(columns.len(), self.rows.len());
        for (index, known) in self.rows.iter().enumerate() {
            assert_eq!(columns.index_of(known.handle), Some(index));
            assert_eq!(columns.handle_at(index), Some(known.handle));
            let row = columns.get(known.handle).expect("still there");
            assert_eq!((*row.number, row.first.number), (known.number, known.number));
            assert_eq!(row.inner.second.number, known.number | SECOND);
            assert_eq!(*row.inner.line, Line::mark(3, known.number as usize));
        }
        assert!(self.stale.iter().all(|handle| !columns.contains(*handle)), "a stale handle resolves");
        let slices = columns.columns();
        let lengths =
            [slices.first.len(), slices.number.len(), slices.inner.line.len(), slices.inner.second.len()];
        assert_eq!((lengths, slices.nothing.len()), ([self.rows.len(); 4], self.rows.len()));
        assert!(slices.number.as_ptr().addr().is_multiple_of(64));
        columns.publish();
        let (stats, own) = (columns.stats(), world.own());
        assert_eq!((stats.rows, stats.used, stats.committed), (self.rows.len(), own.live, own.committed));
        assert_eq!(stats.reserved, own.reserved);
        assert!(stats.used <= stats.committed && stats.capacity + stats.retired == CAPACITY);
    }
}

const CAPACITY: usize = 600;

/// So few that slots retire.
const GENERATIONS: u32 = 4;

pub(crate) fn run(ops: &[Op]) {
    let mut world = World::new("columns");
    let options = PoolOptions::new(world.tag, CAPACITY).at_least(CAPACITY).commit_steps(1, 8 << 10);
    let mut columns: Columns<Row> = Columns::try_with(options).expect("the system is calm");
    columns.set_generations(GENERATIONS);
    let mut model = Model { log: Log::default(), next: 0, rows: Vec::new(), stale: Vec::new() };
    for &op in ops {
        step(&mut columns, &mut model, &mut world, op);
        assert_eq!(columns.len(), model.rows.len(), "after {op:?}");
    }
    model.check(&mut columns, &world);
    // Dropping the columns drops what they hold, also if something panics: then the rest follows.
    let rows = std::mem::take(&mut model.rows);
    world.wind_down();
    let caught = panic_of(|| drop(columns));
    assert!(caught.is_none_or(|number| rows.iter().any(|row| row.number == number & !SECOND)));
    model.gone(rows);
    world.end(());
}

/// The number that a planned panic carries; any other one goes on.
fn panic_of(run: impl FnOnce()) -> Option<u32> {
    let payload = catch_unwind(AssertUnwindSafe(run)).err()?;
    match payload.downcast::<u32>() {
        Ok(number) => Some(*number),
        Err(other) => resume_unwind(other),
    }
}

fn believe(world: &World, columns: &Columns<Row>, error: AllocError) {
    if let AllocError::Full { tag, capacity } = error {
        assert_eq!((tag, capacity), (world.tag, CAPACITY));
        assert_eq!(columns.len(), columns.stats().capacity);
    } else {
        world.believe(error, false);
    }
}

fn step(columns: &mut Columns<Row>, model: &mut Model, world: &mut World, op: Op) {
    match op {
        Op::Push { drops, clones } => {
            let row = model.row(drops, clones);
            let number = row.number;
            match columns.try_push(row) {
                Ok(handle) => model.rows.push(Known { handle, number }),
                Err(refused) => {
                    believe(world, columns, refused.error);
                    assert_eq!((refused.value.number, model.dropped()), (number, vec![]), "it came back");
                    let caught = panic_of(|| drop(refused.into_value()));
                    assert_eq!(caught.is_some(), drops > 0);
                    assert_eq!(model.dropped(), [number, number | SECOND]);
                }
            }
        }
        Op::Extend { count, panics } => {
            let rows: Vec<Row> = (0..count).map(|_| model.row(0, false)).collect();
            let numbers: Vec<u32> = rows.iter().map(|row| row.number).collect();
            let before = columns.len();
            let rows = rows.into_iter().enumerate().map(|(index, row)| {
                if panics && index == usize::from(count / 2) {
                    resume_unwind(Box::new(0_u32));
                }
                row
            });
            let mut refused = None;
            let caught = panic_of(|| refused = columns.try_extend(rows).err().map(|refused| refused.error));
            let pushed = columns.len() - before;
            if let Some(error) = refused {
                believe(world, columns, error);
            } else if panics && count > 0 {
                assert_eq!((caught, pushed), (Some(0), usize::from(count / 2)));
            } else {
                assert_eq!((caught, pushed), (None, numbers.len()));
            }
            // What did not go in is gone.
            let lost = numbers[pushed..].iter().flat_map(|number| [*number, number | SECOND]);
            let mut lost: Vec<u32> = lost.collect();
            lost.sort_unstable();
            assert_eq!(model.dropped(), lost);
            for (index, number) in numbers[..pushed].iter().enumerate() {
                let handle = columns.handle_at(before + index).expect("just added");
                model.rows.push(Known { handle, number: *number });
            }
        }
        Op::Remove(which) | Op::RemoveAt(which) => {
            let Some(index) = usize::from(which).checked_rem(model.rows.len()) else {
                assert!(columns.remove_at(0).is_none());
                return;
            };
            let known = model.take(index);
            let row = match op {
                Op::Remove(_) => columns.remove(known.handle),
                _ => columns.remove_at(index),
            };
            let row = row.expect("a live row");
            assert_eq!((row.number, row.inner.line), (known.number, Line::mark(3, known.number as usize)));
            assert!(columns.remove(known.handle).is_none());
            let _ = panic_of(|| drop(row));
            model.gone([known]);
        }
        Op::Retain { divisor, stop } => retain(columns, model, divisor.into(), stop),
        Op::Sort { divisor, stop } => sort(columns, model, divisor.into(), stop),
        Op::Drain(few) => {
            let rows = std::mem::take(&mut model.rows);
            let few = usize::from(few).min(rows.len());
            let mut taken = Vec::new();
            let _ = panic_of(|| {
                let mut drain = columns.drain();
                for index in 0..few {
                    taken.extend(if index % 2 == 0 { drain.next() } else { drain.next_back() });
                }
                assert_eq!(drain.len(), rows.len() - few);
            });
            let (front, back) = (few.div_ceil(2), few / 2);
            model.gone(rows[front..rows.len() - back].iter().copied());
            assert_eq!(taken.len(), few);
            for row in taken {
                let _ = panic_of(|| drop(row));
            }
            model.gone(rows[..front].iter().chain(&rows[rows.len() - back..]).copied());
        }
        Op::Truncate(len) => {
            let keep = usize::from(len).min(model.rows.len());
            let rows = model.rows.split_off(keep);
            let caught = panic_of(|| columns.truncate(len.into()));
            assert!(caught.is_none_or(|number| rows.iter().any(|row| row.number == number & !SECOND)));
            model.gone(rows);
        }
        Op::Copy => copy(columns, model, world),
        Op::Trim(keep) => {
            let before = columns.committed();
            match columns.try_trim(keep.into()) {
                Ok(()) => assert!(columns.committed() <= before),
                Err(error) => world.believe(error, false),
            }
        }
        Op::Presize(rows) => match columns.try_presize(usize::from(rows) * 2) {
            Ok(()) => assert!(columns.committed() > 0 || rows == 0),
            Err(error) => world.believe(error, false),
        },
        Op::Recycle => {
            let before = columns.stats().retired;
            assert_eq!(columns.recycle(), before);
            assert_eq!(columns.stats().retired, 0);
            if before > 0 {
                // They may name rows again.
                model.stale.clear();
            }
        }
        Op::Check => model.check(columns, world),
        Op::Weather(weather) => world.set(weather),
    }
}

fn retain(columns: &mut Columns<Row>, model: &mut Model, divisor: u32, stop: Option<u8>) {
    let mut looked = 0;
    let caught = panic_of(|| {
        columns.retain(|row| {
            if stop == Some(looked) {
                resume_unwind(Box::new(0_u32));
            }
            looked = looked.saturating_add(1);
            !row.number.is_multiple_of(divisor)
        });
    });
    // From behind, the last row into each gap.
    let mut gone = Vec::new();
    let mut left = if caught == Some(0) { stop } else { None };
    for index in (0..model.rows.len()).rev() {
        if left == Some(0) {
            break;
        }
        left = left.map(|left| left - 1);
        if model.rows[index].number.is_multiple_of(divisor) {
            gone.push(model.take(index));
        }
    }
    assert!(caught.is_none_or(|number| number == 0 || gone.iter().any(|row| row.number == number & !SECOND)));
    model.gone(gone);
}

fn sort(columns: &mut Columns<Row>, model: &mut Model, divisor: u32, stop: Option<u8>) {
    let mut compared = 0;
    let caught = panic_of(|| {
        columns.sort_by(|one, other| -> Ordering {
            if stop == Some(compared) {
                resume_unwind(Box::new(0_u32));
            }
            compared = compared.saturating_add(1);
            (*one.number % divisor).cmp(&(*other.number % divisor))
        });
    });
    // All or nothing, and stable.
    if caught.is_none() {
        model.rows.sort_by_key(|row| row.number % divisor);
    }
}

fn copy(columns: &mut Columns<Row>, model: &mut Model, world: &World) {
    let Ok(mut copies) = Columns::<Row>::try_new(arenite::Tag::untagged(), CAPACITY) else {
        assert!(!world.calm(), "the system is calm");
        return;
    };
    let mut answer = Ok(());
    let caught = panic_of(|| answer = copies.try_extend_from(columns));
    let count = copies.len();
    copies.check();
    let slices = copies.columns();
    assert_eq!((slices.first.len(), slices.inner.second.len()), (count, count));
    for (copy, known) in copies.iter().zip(&model.rows) {
        let number = known.number;
        assert_eq!((*copy.number, copy.first.number), (number, number | COPY));
        assert_eq!(copy.inner.second.number, number | SECOND | COPY);
    }
    if let Some(number) = caught {
        // The first field of that row had been cloned.
        assert_eq!(number, model.rows[count].number | SECOND);
        assert_eq!(model.dropped(), [model.rows[count].number | COPY]);
    } else if answer.is_ok() {
        assert_eq!(count, model.rows.len());
    }
    drop(copies);
    let mut expected: Vec<u32> =
        model.rows[..count].iter().flat_map(|row| [row.number | COPY, row.number | SECOND | COPY]).collect();
    expected.sort_unstable();
    assert_eq!(model.dropped(), expected);
}
