//! Buckets against looking at everybody, and what agents make of it.

use super::{Plan, Sample, Unsorted, crew, few};
use crate::plain::Slots;
use crate::rules::agent::{Agent, REMEMBERED, Route};
use crate::rules::buckets::Buckets;
use crate::rules::crew::{Crew, Name};
use crate::rules::flight::{Crowd, Particle};
use crate::rules::grid::{Cell, Grid};
use crate::rules::math::Point;
use crate::rules::path::{self, Node};
use crate::rules::think::{Intent, PathMemory, think};
use crate::rules::tick::{MIXED, Tick};
use proptest::prelude::*;

struct InVectors;

impl PathMemory for InVectors {
    type Path = Vec<Cell>;

    fn find_path(&mut self, grid: &Grid<'_>, from: Cell, to: Cell) -> Option<Vec<Cell>> {
        let mut nodes = vec![Node::default(); path::NODES];
        let found = path::search(grid, from, to, &mut nodes, &mut Unsorted::default())?;
        let mut way = vec![0; found.steps];
        found.write(grid, &nodes, &mut way);
        Some(way)
    }
}

fn everybody() -> impl Strategy<Value = Vec<(i32, i32, bool)>> {
    proptest::collection::vec((0..30, 0..23, any::<bool>()), 0..60)
}

proptest! {
    #[test]
    fn rings_are_all_the_living_once(people in everybody(), at in (0..30, 0..23)) {
        let plan = Plan::new(30, 23, |_, _| false);
        let agents: Vec<Agent> = people.iter().map(|&(x, y, _)| plan.agent(x, y, 0)).collect();
        let mut crew = crew(&agents);
        for (slot, _) in (0..).zip(&people).filter(|(_, (_, _, lives))| !lives) {
            crew.leave(crew.name(slot)).expect("it lived");
        }
        let (mut starts, mut slots) = (vec![7; Buckets::starts_len(plan.shape)], vec![7; agents.len()]);
        let buckets = Buckets::build(plan.shape, &crew, &mut starts, &mut slots);
        let living: Vec<u32> = crew.each().map(|(slot, _)| slot).collect();

        let from = plan.shape.center(plan.cell(at.0, at.1));
        let mut met = Vec::new();
        for ring in 0..9 {
            buckets.ring(from, ring, |id| met.push(id));
        }
        met.sort_unstable();
        prop_assert_eq!(&met, &living);

        let reach = 50 * 256;
        let mut near = Vec::new();
        buckets.around(from, reach, |id| near.push(id));
        for id in living {
            let offset = agents[id as usize].at - from;
            if offset.x.abs() <= reach && offset.y.abs() <= reach {
                prop_assert_eq!(near.iter().filter(|&&other| other == id).count(), 1);
            }
        }
    }
}

/// One thought of agent 0 in an otherwise empty world.
fn first_thought(plan: &Plan, agents: &[Agent]) -> Intent<Vec<Cell>> {
    thought(plan, &crew(agents))
}

/// One thought of whoever is in slot 0.
fn thought(plan: &Plan, crew: &Slots) -> Intent<Vec<Cell>> {
    let (mut starts, mut slots) = (vec![0; Buckets::starts_len(plan.shape)], vec![0; crew.len()]);
    let buckets = Buckets::build(plan.shape, crew, &mut starts, &mut slots);
    let frozen = Tick::start(1, 0, b"TEST").freeze(plan.level(), crew, buckets);
    think(&frozen, 0, &mut InVectors)
}

#[test]
fn the_nearest_enemy_in_sight_is_hunted() {
    let plan = Plan::draw(
        "
        .........
        .........
        ..####...
        .........",
    );
    let me = plan.agent(3, 0, 0);
    // A friend is near, an enemy is nearer but behind the wall, another one is in sight.
    let others = [plan.agent(2, 0, 0), plan.agent(3, 2, 1), plan.agent(8, 0, 1)];
    let intent = first_thought(&plan, &[me, others[0], others[1], others[2]]);
    assert_eq!(intent.target.map(Name::slot), Some(3));
    let aim = intent.shot.expect("it is in sight and near enough");
    assert!(aim.x > 0 && aim.x.abs() > 4 * aim.y.abs(), "{aim:?}");
    // Without the one in sight it goes for the one behind the wall, and does not shoot at walls.
    let intent = first_thought(&plan, &[me, others[0], others[1]]);
    assert_eq!((intent.target.map(Name::slot), intent.shot), (Some(2), None));
    let way = intent.path.expect("there is a way round");
    assert_eq!(way.last(), Some(&plan.cell(3, 2)));
    assert!(intent.step != Point::default());
}

#[test]
fn the_dead_and_the_lonely() {
    let plan = Plan::draw("........");
    let mut both = crew(&[plan.agent(3, 0, 0), plan.agent(4, 0, 1)]);
    let target = thought(&plan, &both).target.expect("somebody is near");
    assert_eq!(target, both.name(1));
    // It goes on hunting by name. The name of the dead finds nobody, also when another has taken the slot.
    both.find_mut(both.name(0)).expect("it lives").target = target;
    both.leave(target).expect("it lived");
    let alone = thought(&plan, &both);
    assert_eq!((alone.target, alone.shot, alone.stale), (Some(Name::NOBODY), None, true));
    let Ok(other) = both.join(plan.agent(4, 0, 1));
    assert_eq!(other.slot(), target.slot());
    let again = thought(&plan, &both);
    assert_eq!((again.target, again.stale), (Some(other), true));

    both.leave(both.name(0)).expect("it lived");
    let nothing = Intent { step: Point::default(), target: None, stale: false, shot: None, path: None };
    assert_eq!(thought(&plan, &both), nothing);
    assert_eq!(first_thought(&plan, &[plan.agent(3, 0, 0)]), Intent { stale: false, ..alone });
}

#[test]
fn routes_remember_their_beginning() {
    let way: Vec<Cell> = (10..40).collect();
    let mut route = Route::start(&way);
    for cell in &way[..REMEMBERED] {
        assert_eq!(route.next(), Some(*cell));
        route.advance();
    }
    assert_eq!(route.next(), None);
    route.advance();
    assert_eq!(route.next(), None);
    assert_eq!(Route::start(&[]).next(), None);
}

#[test]
fn full_means_refused() {
    let plan = Plan::new(12, 12, |_, _| false);
    let mut crew = crew(&(0..10).map(|x| plan.agent(x, 5, 0)).collect::<Vec<_>>());
    let mut tick = Tick::start(3, 0, b"TEST");
    let (mut projectiles, mut particles) = (few([], 3), few::<Particle>([], 5));
    let shot = Intent::<Vec<Cell>> { shot: Some(Point { x: 0, y: 900 }), ..Intent::default() };
    tick.apply(&plan.level(), &mut crew, vec![shot; 10].into_iter(), &mut projectiles);
    assert_eq!((projectiles.len(), tick.totals().shots, tick.totals().refused), (3, 3, 7));
    // The first in order are the ones who shot.
    assert_eq!(projectiles.iter().map(|projectile| projectile.owner.slot()).collect::<Vec<_>>(), [0, 1, 2]);

    let (mut starts, mut slots) = (vec![0; Buckets::starts_len(plan.shape)], vec![0; crew.len()]);
    for _ in 0..12 {
        let buckets = Buckets::build(plan.shape, &crew, &mut starts, &mut slots);
        tick.fly(&plan.level(), &mut crew, &buckets, &mut projectiles, &mut particles, &mut few([], 0));
        assert!(Crowd::len(&particles) <= 5);
    }
    // All three have hit the northern rim and burst into four sparks each, of which five had room.
    assert_eq!((projectiles.len(), Crowd::len(&particles), tick.totals().refused), (0, 5, 7 + 7));
    for _ in 0..40 {
        tick.drift(&plan.level(), &mut particles);
    }
    assert!(Crowd::is_empty(&particles));
}

#[test]
fn hits_kill_and_the_dead_return() {
    let plan = Plan::new(12, 12, |_, _| false);
    let victim = Agent { health: 1, kills: 7, ..plan.agent(4, 5, 1) };
    let mut crew = crew(&[plan.agent(2, 5, 0), victim, plan.agent(3, 5, 0)]);
    let name = crew.name(1);
    let mut tick = Tick::start(3, 0, b"TEST");
    let (mut projectiles, mut particles, mut fallen) = (few([], 3), few::<Particle>([], 99), few([], 3));
    let idle = Intent::<Vec<Cell>>::default();
    let shot = Intent { shot: Some(Point { x: 900, y: 0 }), ..idle.clone() };
    tick.apply(&plan.level(), &mut crew, [shot, idle.clone(), idle].into_iter(), &mut projectiles);
    let (mut starts, mut slots) = (vec![0; Buckets::starts_len(plan.shape)], vec![0; crew.len()]);
    for _ in 0..3 {
        let buckets = Buckets::build(plan.shape, &crew, &mut starts, &mut slots);
        tick.fly(&plan.level(), &mut crew, &buckets, &mut projectiles, &mut particles, &mut fallen);
    }
    // It flew through the friend in between.
    assert!(crew.at(2).is_some() && crew.at(1).is_none() && projectiles.is_empty());
    assert_eq!((crew.find(name), fallen.len(), Crowd::len(&particles)), (None, 1, 24));
    assert_eq!(
        (crew.at(0).map(|agent| agent.kills), tick.totals().hits, tick.totals().deaths),
        (Some(1), 1, 1)
    );
    for _ in 0..200 {
        tick.respawn(&plan.level(), &mut crew, &mut fallen);
    }
    let reborn = crew.at(1).expect("its slot was the only free one");
    assert!(reborn.health == 50 && reborn.kills == 0 && plan.grid().stands(reborn.at));
    assert!(crew.find(name).is_none() && fallen.is_empty() && tick.totals().respawns == 1);
}

#[test]
fn what_is_heard_is_in_the_checksum() {
    let plan = Plan::new(12, 12, |_, _| false);
    let mixed = |shoots: bool| {
        let mut crew = crew(&[plan.agent(2, 5, 0)]);
        let mut tick = Tick::start(3, 0, b"TEST");
        tick.follow(crew.name(0));
        let shot = shoots.then_some(Point { x: 1, y: 0 });
        let intent = Intent::<Vec<Cell>> { shot, ..Intent::default() };
        tick.apply(&plan.level(), &mut crew, std::iter::once(intent), &mut few([], 1));
        let mut out = [7; MIXED];
        tick.mix(&Sample, &mut out);
        let heard = (out[..4].to_vec(), tick.checksum());
        tick.mix(&Sample, &mut out);
        assert!(out.iter().all(|&sample| sample == 0), "it was over after three samples");
        heard
    };
    let (silence, noise) = (mixed(false), mixed(true));
    assert_eq!((silence.0, noise.0), (vec![0; 4], vec![1000, -1000, 500, 0]));
    assert_ne!(silence.1, noise.1);
}
