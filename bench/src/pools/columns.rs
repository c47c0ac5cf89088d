//! Columns of particles against `Vec`s of the field and of the struct, `soa-rs` (columns in one vector, no names), `hecs`
//! (columns of an archetype, entities as names), and `soa-rs` with names of rows from `slotmap`.

use std::hint::black_box;

use arenite::{Columns, Handle, PoolOptions, Tag};

use slotmap::{DefaultKey, SlotMap};

use crate::harness::Contest;
use crate::opaque::hidden;
use crate::stats::Random;

/// What a frame's update goes over: 28 MiB in all, 4 MiB a number.
const MANY: usize = 1 << 20;
/// What comes and goes in a frame.
const SOME: usize = 100_000;
const STEP: f32 = 1.0 / 64.0;

#[derive(Clone, Copy, arenite::Soa)]
struct Particle {
    pos: [f32; 3],
    vel: [f32; 3],
    life: f32,
}

/// The same once more, for the other derive.
mod theirs {
    use soa_rs::Soars;

    #[derive(Clone, Copy, Soars)]
    pub(super) struct Particle {
        pub(super) pos: [f32; 3],
        pub(super) vel: [f32; 3],
        pub(super) life: f32,
    }
}

/// The same as components.
struct Pos([f32; 3]);
struct Vel([f32; 3]);
struct Life(f32);

fn particle(number: usize) -> Particle {
    let n = (number % 4096) as f32;
    Particle { pos: [n, n + 1.0, n + 2.0], vel: [1.0, 0.5, n / 64.0], life: n / 16.0 }
}

fn their_particle(number: usize) -> theirs::Particle {
    let Particle { pos, vel, life } = particle(number);
    theirs::Particle { pos, vel, life }
}

fn bundle(number: usize) -> (Pos, Vel, Life) {
    let Particle { pos, vel, life } = particle(number);
    (Pos(pos), Vel(vel), Life(life))
}

/// What somebody writes who wants both: columns of `soa-rs`, and names of rows.
struct Named {
    rows: soa_rs::Soa<theirs::Particle>,
    places: SlotMap<DefaultKey, u32>,
    /// By row.
    keys: Vec<DefaultKey>,
}

impl Named {
    fn new(rows: impl Iterator<Item = theirs::Particle>) -> Self {
        let mut named = Self { rows: soa_rs::Soa::new(), places: SlotMap::new(), keys: Vec::new() };
        rows.for_each(|row| _ = named.push(row));
        named
    }

    #[inline]
    fn push(&mut self, row: theirs::Particle) -> DefaultKey {
        let key = self.places.insert(self.keys.len() as u32);
        self.keys.push(key);
        self.rows.push(row);
        key
    }

    #[inline]
    fn remove(&mut self, key: DefaultKey) -> Option<theirs::Particle> {
        let row = self.places.remove(key)? as usize;
        self.keys.swap_remove(row);
        if let Some(moved) = self.keys.get(row) {
            self.places[*moved] = row as u32;
        }
        Some(self.rows.swap_remove(row))
    }

    fn clear(&mut self) {
        self.rows.clear();
        self.places.clear();
        self.keys.clear();
    }
}

fn columns(count: usize) -> Columns<Particle> {
    let mut columns = Columns::try_with(PoolOptions::new(Tag::untagged(), count).bounded().prefault(true))
        .expect("room for all");
    columns.extend((0..count).map(particle));
    columns
}

fn world(count: usize) -> (hecs::World, Vec<hecs::Entity>) {
    let mut world = hecs::World::new();
    let entities = (0..count).map(|number| world.spawn(bundle(number))).collect();
    (world, entities)
}

/// Of rows in any order: those of the peers that remove end up in the same one, but need not.
fn digest<'p>(rows: impl Iterator<Item = (&'p [f32; 3], &'p [f32; 3], &'p f32)>) -> u64 {
    rows.map(|(pos, vel, life)| {
        let numbers = [pos[0], pos[1], pos[2], vel[0], vel[1], vel[2], *life];
        let row = numbers.iter().fold(7_u64, |sum, number| {
            (sum ^ u64::from(number.to_bits())).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29)
        });
        row.wrapping_add(1)
    })
    .fold(0, u64::wrapping_add)
}

fn of_columns(columns: &Columns<Particle>) -> u64 {
    digest(columns.iter().map(|row| (row.pos, row.vel, row.life)))
}

fn of_vec(rows: &[Particle]) -> u64 {
    digest(rows.iter().map(|row| (&row.pos, &row.vel, &row.life)))
}

fn of_soa(rows: &soa_rs::Soa<theirs::Particle>) -> u64 {
    digest(rows.iter().map(|row| (row.pos, row.vel, row.life)))
}

fn of_world(world: &mut hecs::World) -> u64 {
    digest(
        world
            .query_mut::<(&Pos, &Vel, &Life)>()
            .into_iter()
            .map(|(pos, vel, life)| (&pos.0, &vel.0, &life.0)),
    )
}

/// So often is a short work done in one round: what the one before left in the cache then counts little.
const TIMES: usize = 10;

fn again(mut run: impl FnMut()) -> impl FnMut() {
    move || (0..TIMES).for_each(|_| run())
}

fn age(life: &mut [f32]) {
    for life in life {
        *life -= STEP;
    }
}

/// One column of a million rows as a slice.
pub(super) fn update() {
    let mut ours = columns(MANY);
    let mut field: Vec<f32> = (0..MANY).map(|number| particle(number).life).collect();
    let mut rows: Vec<Particle> = (0..MANY).map(particle).collect();
    let mut soa: soa_rs::Soa<_> = (0..MANY).map(their_particle).collect();
    let (mut entities, _) = world(MANY);

    let sum = |life: &mut dyn Iterator<Item = f32>| {
        life.fold(0_u64, |sum, life| sum.wrapping_mul(31).wrapping_add(life.to_bits().into()))
    };
    age(ours.columns_mut().life);
    age(&mut field);
    rows.iter_mut().for_each(|row| row.life -= STEP);
    age(soa.slices_mut().life);
    entities.query_mut::<&mut Life>().into_iter().for_each(|life| life.0 -= STEP);
    let answers = [
        sum(&mut ours.columns().life.iter().copied()),
        sum(&mut field.iter().copied()),
        sum(&mut rows.iter().map(|row| row.life)),
        sum(&mut soa.slices().life.iter().copied()),
        sum(&mut entities.query_mut::<&Life>().into_iter().map(|life| life.0)),
    ];
    Contest::new("columns: one f32 of a million rows", "row", MANY)
        .ours("Columns", answers[0], || age(hidden(&mut ours).columns_mut().life))
        .peer("Vec<f32>", answers[1], || age(&mut hidden(&mut field)[..]))
        .peer("Vec<Particle>", answers[2], || {
            for row in hidden(&mut rows).iter_mut() {
                row.life -= STEP;
            }
        })
        .peer("soa-rs", answers[3], || age(hidden(&mut soa).slices_mut().life))
        .peer("hecs query", answers[4], || {
            for life in hidden(&mut entities).query_mut::<&mut Life>() {
                life.0 -= STEP;
            }
        })
        .bar("Columns", "Vec<f32>", 1.0)
        .bar("Columns", "Vec<Particle>", 0.8)
        .bar("Columns", "soa-rs", 1.0)
        .bar("Columns", "hecs query", 1.0)
        .run();
}

#[inline(always)]
fn fly(pos: &mut [f32; 3], vel: &[f32; 3]) {
    for (pos, vel) in pos.iter_mut().zip(vel) {
        *pos += vel * STEP;
    }
}

/// Row views, two fields of three.
pub(super) fn iterate() {
    let mut ours = columns(SOME);
    let mut rows: Vec<Particle> = (0..SOME).map(particle).collect();
    let mut soa: soa_rs::Soa<_> = (0..SOME).map(their_particle).collect();
    let (mut entities, _) = world(SOME);

    fn in_columns(columns: &mut Columns<Particle>) {
        for row in columns {
            fly(row.pos, row.vel);
        }
    }
    fn in_vec(rows: &mut [Particle]) {
        for row in rows {
            fly(&mut row.pos, &row.vel);
        }
    }
    fn in_soa(rows: &mut soa_rs::Soa<theirs::Particle>) {
        for row in rows {
            fly(row.pos, row.vel);
        }
    }
    fn in_world(world: &mut hecs::World) {
        for (pos, vel) in world.query_mut::<(&mut Pos, &Vel)>() {
            fly(&mut pos.0, &vel.0);
        }
    }
    in_columns(&mut ours);
    in_vec(&mut rows);
    in_soa(&mut soa);
    in_world(&mut entities);
    let answers = [of_columns(&ours), of_vec(&rows), of_soa(&soa), of_world(&mut entities)];
    Contest::new("columns: iterate 100000 rows, pos += vel", "row", SOME * TIMES)
        .ours("Columns", answers[0], again(|| in_columns(hidden(&mut ours))))
        .peer("Vec<Particle>", answers[1], again(|| in_vec(&mut hidden(&mut rows)[..])))
        .peer("soa-rs", answers[2], again(|| in_soa(hidden(&mut soa))))
        .peer("hecs query", answers[3], again(|| in_world(hidden(&mut entities))))
        .bar("Columns", "Vec<Particle>", 1.0)
        .bar("Columns", "soa-rs", 1.0)
        .bar("Columns", "hecs query", 1.0)
        .run();
}

/// How often as many rows are added before the columns are cleared: seldom enough that the median round is one that
/// only adds.
const BATCHES: usize = 16;

fn push_into_columns(columns: &mut Columns<Particle>, room: usize) {
    if columns.len() + SOME > room {
        columns.clear();
    }
    for number in 0..SOME {
        columns.push(particle(number));
    }
}

fn push_into_vec(rows: &mut Vec<Particle>, room: usize) {
    if rows.len() + SOME > room {
        rows.clear();
    }
    for number in 0..SOME {
        rows.push(particle(number));
    }
}

fn push_into_soa(rows: &mut soa_rs::Soa<theirs::Particle>, room: usize) {
    if rows.len() + SOME > room {
        rows.clear();
    }
    for number in 0..SOME {
        rows.push(their_particle(number));
    }
}

fn push_into_world(world: &mut hecs::World, room: usize) {
    if world.len() as usize + SOME > room {
        world.clear();
    }
    for number in 0..SOME {
        world.spawn(bundle(number));
    }
}

fn push_into_named(rows: &mut Named, room: usize) {
    if rows.keys.len() + SOME > room {
        rows.clear();
    }
    for number in 0..SOME {
        rows.push(their_particle(number));
    }
}

/// Adds rows in memory that is warm.
pub(super) fn push() {
    pushes("columns: push 100000 rows", BATCHES);
}

/// The same, in memory that stays in the cache, and clears it each time. Names cost us here: each has to become stale.
pub(super) fn fill() {
    pushes("columns: clear, push 100000 rows", 1);
}

fn pushes(name: &'static str, batches: usize) {
    let room = SOME * batches;
    let mut ours = columns(room);
    let mut rows: Vec<Particle> = (0..room).map(particle).collect();
    let mut soa: soa_rs::Soa<_> = (0..room).map(their_particle).collect();
    let (mut entities, _) = world(room);
    push_into_columns(&mut ours, room);
    push_into_vec(&mut rows, room);
    push_into_soa(&mut soa, room);
    push_into_world(&mut entities, room);
    let mut named = Named::new((0..room).map(their_particle));
    push_into_named(&mut named, room);
    let answers =
        [of_columns(&ours), of_vec(&rows), of_soa(&soa), of_world(&mut entities), of_soa(&named.rows)];
    Contest::new(name, "row", SOME)
        .ours("Columns", answers[0], || push_into_columns(hidden(&mut ours), room))
        .peer("Vec<Particle>", answers[1], || push_into_vec(hidden(&mut rows), room))
        .peer("soa-rs", answers[2], || push_into_soa(hidden(&mut soa), room))
        .peer("hecs spawn", answers[3], || push_into_world(hidden(&mut entities), room))
        .peer("soa-rs and slotmap", answers[4], || push_into_named(hidden(&mut named), room))
        .bar("Columns", "soa-rs and slotmap", 1.0)
        .bar("Columns", "Vec<Particle>", 1.0)
        .bar("Columns", "soa-rs", 1.0)
        .bar("Columns", "hecs spawn", 1.0)
        .run();
}

/// Which row goes next: each row has its turn. The rows are numbers of births for those who have names.
fn turns() -> Vec<u32> {
    let mut random = Random(0x1234_5678_9ABC_DEF1);
    let mut turns: Vec<u32> = (0..SOME as u32).collect();
    for place in (1..turns.len()).rev() {
        turns.swap(place, random.below(place + 1));
    }
    turns
}

/// In a random order: a row goes, a new one comes. Those without names take any row; those with names a certain one.
pub(super) fn churn() {
    let turns = turns();
    let mut ours = columns(SOME);
    let mut handles: Vec<Handle<Particle>> = ours.handles().collect();
    let mut rows: Vec<Particle> = (0..SOME).map(particle).collect();
    let mut soa: soa_rs::Soa<_> = (0..SOME).map(their_particle).collect();
    let (mut entities, mut names) = world(SOME);

    fn in_columns(columns: &mut Columns<Particle>, handles: &mut [Handle<Particle>], turns: &[u32]) {
        for &turn in turns {
            let name = &mut handles[turn as usize];
            columns.remove(*name);
            *name = columns.push(particle(turn as usize));
        }
    }
    fn by_place(columns: &mut Columns<Particle>, turns: &[u32]) {
        for &turn in turns {
            columns.remove_at(turn as usize);
            columns.push(particle(turn as usize));
        }
    }
    fn in_vec(rows: &mut Vec<Particle>, turns: &[u32]) {
        for &turn in turns {
            rows.swap_remove(turn as usize);
            rows.push(particle(turn as usize));
        }
    }
    fn in_soa(rows: &mut soa_rs::Soa<theirs::Particle>, turns: &[u32]) {
        for &turn in turns {
            rows.swap_remove(turn as usize);
            rows.push(their_particle(turn as usize));
        }
    }
    fn in_world(world: &mut hecs::World, names: &mut [hecs::Entity], turns: &[u32]) {
        for &turn in turns {
            let name = &mut names[turn as usize];
            world.despawn(*name).expect("it lives");
            *name = world.spawn(bundle(turn as usize));
        }
    }
    fn in_named(rows: &mut Named, keys: &mut [DefaultKey], turns: &[u32]) {
        for &turn in turns {
            let key = &mut keys[turn as usize];
            rows.remove(*key);
            *key = rows.push(their_particle(turn as usize));
        }
    }
    // Which rows are left is the same only for those who say which one goes.
    in_columns(&mut ours, &mut handles, &turns);
    in_world(&mut entities, &mut names, &turns);
    let mut both = Named::new((0..SOME).map(their_particle));
    let mut keys = both.keys.clone();
    in_named(&mut both, &mut keys, &turns);
    let named = [of_columns(&ours), of_world(&mut entities), of_soa(&both.rows)];
    let mut placed = columns(SOME);
    by_place(&mut placed, &turns);
    in_vec(&mut rows, &turns);
    in_soa(&mut soa, &turns);
    let unnamed = [of_columns(&placed), of_vec(&rows), of_soa(&soa)];

    Contest::new("columns: a named row goes, another comes", "pair", SOME * TIMES)
        .ours("Columns", named[0], again(|| in_columns(hidden(&mut ours), &mut handles, &turns)))
        .peer("hecs", named[1], again(|| in_world(hidden(&mut entities), &mut names, &turns)))
        .peer("soa-rs and slotmap", named[2], again(|| in_named(hidden(&mut both), &mut keys, &turns)))
        .bar("Columns", "hecs", 1.0)
        .bar("Columns", "soa-rs and slotmap", 1.0)
        .run();
    Contest::new("columns: any row goes, another comes", "pair", SOME * TIMES)
        .ours("Columns, by place", unnamed[0], again(|| by_place(hidden(&mut placed), &turns)))
        .peer("Vec<Particle> swap_remove", unnamed[1], again(|| in_vec(hidden(&mut rows), &turns)))
        .peer("soa-rs swap_remove", unnamed[2], again(|| in_soa(hidden(&mut soa), &turns)))
        .bar("Columns, by place", "Vec<Particle> swap_remove", 1.0)
        .bar("Columns, by place", "soa-rs swap_remove", 1.0)
        .run();
}

/// A row that lives for 1 to 19 rounds, as its number says.
fn born(number: usize) -> Particle {
    let rounds = (number as u32).wrapping_mul(2_654_435_761) >> 16;
    Particle { life: (rounds % 19 + 1) as f32, ..particle(number) }
}

fn born_there(number: usize) -> theirs::Particle {
    let Particle { pos, vel, life } = born(number);
    theirs::Particle { pos, vel, life }
}

fn born_as_bundle(number: usize) -> (Pos, Vel, Life) {
    let Particle { pos, vel, life } = born(number);
    (Pos(pos), Vel(vel), Life(life))
}

/// Every row gets a round older, the dead ones go (about a tenth, here and there), and as many come.
pub(super) fn sieve() {
    let mut ours =
        Columns::try_with(PoolOptions::new(Tag::untagged(), SOME).bounded()).expect("room for all");
    ours.extend((0..SOME).map(born));
    let mut rows: Vec<Particle> = (0..SOME).map(born).collect();
    let mut soa: soa_rs::Soa<_> = (0..SOME).map(born_there).collect();
    let mut entities = hecs::World::new();
    (0..SOME).for_each(|number| _ = entities.spawn(born_as_bundle(number)));

    fn in_columns(columns: &mut Columns<Particle>, next: &mut usize) {
        columns.columns_mut().life.iter_mut().for_each(|life| *life -= 1.0);
        columns.retain(|row| *row.life > 0.0);
        let come = SOME - columns.len();
        columns.extend((*next..*next + come).map(born));
        *next += come;
    }
    fn in_vec(rows: &mut Vec<Particle>, next: &mut usize) {
        rows.iter_mut().for_each(|row| row.life -= 1.0);
        rows.retain(|row| row.life > 0.0);
        let come = SOME - rows.len();
        rows.extend((*next..*next + come).map(born));
        *next += come;
    }
    fn in_soa(rows: &mut soa_rs::Soa<theirs::Particle>, next: &mut usize) {
        rows.slices_mut().life.iter_mut().for_each(|life| *life -= 1.0);
        for row in (0..rows.len()).rev() {
            if *rows.idx(row).life <= 0.0 {
                rows.swap_remove(row);
            }
        }
        let come = SOME - rows.len();
        rows.extend((*next..*next + come).map(born_there));
        *next += come;
    }
    fn in_world(world: &mut hecs::World, dead: &mut Vec<hecs::Entity>, next: &mut usize) {
        dead.clear();
        for (entity, life) in world.query_mut::<(hecs::Entity, &mut Life)>() {
            life.0 -= 1.0;
            if life.0 <= 0.0 {
                dead.push(entity);
            }
        }
        for entity in dead.iter() {
            world.despawn(*entity).expect("it lives");
        }
        for number in *next..*next + dead.len() {
            world.spawn(born_as_bundle(number));
        }
        *next += dead.len();
    }
    fn in_named(rows: &mut Named, next: &mut usize) {
        rows.rows.slices_mut().life.iter_mut().for_each(|life| *life -= 1.0);
        for row in (0..rows.keys.len()).rev() {
            if *rows.rows.idx(row).life <= 0.0 {
                rows.remove(rows.keys[row]);
            }
        }
        let come = SOME - rows.keys.len();
        (*next..*next + come).for_each(|number| _ = rows.push(born_there(number)));
        *next += come;
    }
    let mut named = Named::new((0..SOME).map(born_there));
    let (mut dead, mut nexts) = (Vec::new(), [SOME; 5]);
    for _ in 0..30 {
        in_columns(&mut ours, &mut nexts[0]);
        in_vec(&mut rows, &mut nexts[1]);
        in_soa(&mut soa, &mut nexts[2]);
        in_world(&mut entities, &mut dead, &mut nexts[3]);
        in_named(&mut named, &mut nexts[4]);
    }
    assert!(
        nexts.iter().all(|next| *next == nexts[0] && *next > 3 * SOME),
        "as many died everywhere: {nexts:?}"
    );
    let answers =
        [of_columns(&ours), of_vec(&rows), of_soa(&soa), of_world(&mut entities), of_soa(&named.rows)];
    let [one, two, three, four, five] = &mut nexts;
    Contest::new("columns: all age, the dead go, as many come", "row looked at", SOME)
        .ours("Columns retain", answers[0], || in_columns(hidden(&mut ours), one))
        .peer("Vec<Particle> retain", answers[1], || in_vec(hidden(&mut rows), two))
        .peer("soa-rs swap_remove", answers[2], || in_soa(hidden(&mut soa), three))
        .peer("hecs despawn", answers[3], || in_world(hidden(&mut entities), &mut dead, four))
        .peer("soa-rs and slotmap", answers[4], || in_named(hidden(&mut named), five))
        .bar("Columns retain", "soa-rs and slotmap", 1.0)
        .bar("Columns retain", "Vec<Particle> retain", 1.0)
        .bar("Columns retain", "soa-rs swap_remove", 1.0)
        .bar("Columns retain", "hecs despawn", 1.0)
        .run();
}

/// One field by name, in a random order.
pub(super) fn get() {
    let turns = turns();
    let ours = columns(SOME);
    let handles: Vec<Handle<Particle>> = ours.handles().collect();
    let (entities, names) = world(SOME);

    let in_columns = || {
        turns
            .iter()
            .fold(0.0, |sum, turn| sum + ours.get(handles[*turn as usize]).map_or(0.0, |row| *row.life))
    };
    let in_world = || {
        let view = entities.view::<&Life>();
        turns.iter().fold(0.0, |sum, turn| sum + view.get(names[*turn as usize]).map_or(0.0, |life| life.0))
    };
    let (here, there): (f32, f32) = (in_columns(), in_world());
    Contest::new("columns: one field by name", "row", SOME)
        .ours("Columns::get", here.to_bits().into(), || _ = black_box(in_columns()))
        .peer("hecs view", there.to_bits().into(), || _ = black_box(in_world()))
        .bar("Columns::get", "hecs view", 1.0)
        .run();
}
