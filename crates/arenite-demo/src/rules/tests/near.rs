//! Buckets against looking at everybody, and what agents make of it.

use super::{Few, Plan, Sample, Unsorted};
use crate::rules::agent::{Agent, NOBODY, REMEMBERED, Route};
use crate::rules::buckets::Buckets;
use crate::rules::flight::Crowd;
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
        let mut agents: Vec<Agent> = people.iter().map(|&(x, y, _)| plan.agent(x, y, 0)).collect();
        for (agent, &(_, _, lives)) in agents.iter_mut().zip(&people) {
            agent.health *= i32::from(lives);
        }
        let (mut starts, mut ids) = (vec![7; Buckets::starts_len(plan.shape)], vec![7; agents.len()]);
        let buckets = Buckets::build(plan.shape, &agents, &mut starts, &mut ids);
        let living: Vec<u32> = (0..).zip(&agents).filter(|(_, agent)| agent.lives()).map(|(id, _)| id).collect();

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
    let (mut starts, mut ids) = (vec![0; Buckets::starts_len(plan.shape)], vec![0; agents.len()]);
    let buckets = Buckets::build(plan.shape, agents, &mut starts, &mut ids);
    let frozen = Tick::start(1, 0, b"TEST").freeze(plan.level(), agents, buckets);
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
    assert_eq!(intent.target, Some(3));
    let aim = intent.shot.expect("it is in sight and near enough");
    assert!(aim.x > 0 && aim.x.abs() > 4 * aim.y.abs(), "{aim:?}");
    // Without the one in sight it goes for the one behind the wall, and does not shoot at walls.
    let intent = first_thought(&plan, &[me, others[0], others[1]]);
    assert_eq!((intent.target, intent.shot), (Some(2), None));
    let way = intent.path.expect("there is a way round");
    assert_eq!(way.last(), Some(&plan.cell(3, 2)));
    assert!(intent.step != Point::default());
}

#[test]
fn the_dead_and_the_lonely() {
    let plan = Plan::draw("........");
    let dead = Agent { health: 0, ..plan.agent(3, 0, 0) };
    let nothing = Intent { step: Point::default(), target: None, shot: None, path: None };
    assert_eq!(first_thought(&plan, &[dead, plan.agent(4, 0, 1)]), nothing);
    let alone = first_thought(&plan, &[plan.agent(3, 0, 0)]);
    assert_eq!((alone.target, alone.shot), (Some(NOBODY), None));
    assert_eq!(
        first_thought(&plan, &[plan.agent(3, 0, 0), Agent { health: 0, ..plan.agent(4, 0, 1) }]),
        alone
    );
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
    let mut agents: Vec<Agent> = (0..10).map(|x| plan.agent(x, 5, 0)).collect();
    let mut tick = Tick::start(3, 0, b"TEST");
    let (mut projectiles, mut particles) = (Few { items: vec![], most: 3 }, Few { items: vec![], most: 5 });
    let shot = Intent::<Vec<Cell>> { shot: Some(Point { x: 0, y: 900 }), ..Intent::default() };
    tick.apply(&plan.level(), &mut agents, vec![shot; 10].into_iter(), &mut projectiles);
    assert_eq!((projectiles.len(), tick.totals().shots, tick.totals().refused), (3, 3, 7));
    // The first in order are the ones who shot.
    assert_eq!(projectiles.iter().map(|projectile| projectile.owner).collect::<Vec<_>>(), [0, 1, 2]);

    let (mut starts, mut ids) = (vec![0; Buckets::starts_len(plan.shape)], vec![0; agents.len()]);
    for _ in 0..12 {
        let buckets = Buckets::build(plan.shape, &agents, &mut starts, &mut ids);
        tick.fly(&plan.level(), &mut agents, &buckets, &mut projectiles, &mut particles);
        assert!(particles.len() <= 5);
    }
    // All three have hit the northern rim and burst into four sparks each, of which five had room.
    assert_eq!((projectiles.len(), particles.len(), tick.totals().refused), (0, 5, 7 + 7));
    for _ in 0..40 {
        tick.drift(&plan.level(), &mut particles);
    }
    assert!(particles.is_empty());
}

#[test]
fn hits_kill_and_the_dead_return() {
    let plan = Plan::new(12, 12, |_, _| false);
    let mut agents = vec![plan.agent(2, 5, 0), plan.agent(4, 5, 1), plan.agent(3, 5, 0)];
    agents[1].health = 1;
    let mut tick = Tick::start(3, 0, b"TEST");
    let (mut projectiles, mut particles) = (Few { items: vec![], most: 3 }, Few { items: vec![], most: 99 });
    let idle = Intent::<Vec<Cell>>::default();
    let shot = Intent { shot: Some(Point { x: 900, y: 0 }), ..idle.clone() };
    tick.apply(&plan.level(), &mut agents, [shot, idle.clone(), idle].into_iter(), &mut projectiles);
    let (mut starts, mut ids) = (vec![0; Buckets::starts_len(plan.shape)], vec![0; agents.len()]);
    for _ in 0..3 {
        let buckets = Buckets::build(plan.shape, &agents, &mut starts, &mut ids);
        tick.fly(&plan.level(), &mut agents, &buckets, &mut projectiles, &mut particles);
    }
    // It flew through the friend in between.
    assert!(agents[2].lives() && !agents[1].lives() && projectiles.is_empty() && particles.len() == 24);
    assert_eq!((agents[0].kills, tick.totals().hits, tick.totals().deaths), (1, 1, 1));
    for _ in 0..200 {
        tick.respawn(&plan.level(), &mut agents);
    }
    assert!(agents[1].health == 50 && plan.grid().stands(agents[1].at) && tick.totals().respawns == 1);
}

#[test]
fn what_is_heard_is_in_the_checksum() {
    let plan = Plan::new(12, 12, |_, _| false);
    let mixed = |shoots: bool| {
        let mut agents = vec![plan.agent(2, 5, 0)];
        let mut tick = Tick::start(3, 0, b"TEST");
        let shot = shoots.then_some(Point { x: 1, y: 0 });
        let intent = Intent::<Vec<Cell>> { shot, ..Intent::default() };
        tick.apply(&plan.level(), &mut agents, std::iter::once(intent), &mut Few { items: vec![], most: 1 });
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
