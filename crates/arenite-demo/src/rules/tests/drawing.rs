//! The draw list: sorted in one way only, compared as sets would be.

use std::collections::BTreeMap;

use super::{Plan, Sample, crew, few};
use crate::rules::agent::Agent;
use crate::rules::assets::{Look, Sheet};
use crate::rules::draw::{self, Camera, Delta, DrawItem, Layer, Scenery};
use crate::rules::flight::{Particle, Projectile};
use crate::rules::math::{Point, UNIT};
use crate::rules::tick::Label;
use proptest::prelude::*;

const LAYERS: [Layer; 5] = [Layer::Floor, Layer::Wall, Layer::Agent, Layer::Projectile, Layer::Particle];

/// Draw lists without repetition, in any order.
fn list() -> impl Strategy<Value = Vec<DrawItem>> {
    let item = ((0..5_usize, 0..4_usize, 0..6_u32), (0..3, 0..3));
    proptest::collection::vec(item, 0..60).prop_map(|items| {
        let unique: BTreeMap<_, _> = items.into_iter().collect();
        let item = |((layer, look, id), (x, y))| {
            DrawItem::new(LAYERS[layer], Look::new(Sheet::Wall, look), id, Point { x, y }, 0)
        };
        unique.into_iter().map(item).collect::<Vec<_>>()
    })
}

proptest! {
    #[test]
    fn there_is_one_order_only(items in list().prop_flat_map(|items| (Just(items.clone()), Just(items).prop_shuffle()))) {
        let (mut a, mut b) = items;
        draw::sort(&mut a);
        draw::sort(&mut b);
        prop_assert_eq!(&a, &b);
        prop_assert!(a.windows(2).all(|pair| pair[0].key() < pair[1].key()));
    }

    #[test]
    fn comparing_is_what_sets_would_say(before in list(), now in list()) {
        let (mut before, mut now) = (before, now);
        draw::sort(&mut before);
        draw::sort(&mut now);
        let by_key = |items: &[DrawItem]| items.iter().map(|i| (i.key(), (i.x, i.y))).collect::<BTreeMap<_, _>>();
        let (old, new) = (by_key(&before), by_key(&now));
        let expected = Delta {
            fresh: new.keys().filter(|key| !old.contains_key(key)).count() as u32,
            gone: old.keys().filter(|key| !new.contains_key(key)).count() as u32,
            moved: new.iter().filter(|(key, at)| old.get(key).is_some_and(|other| other != *at)).count() as u32,
        };
        prop_assert_eq!(draw::compare(&before, &now), expected);
    }
}

#[test]
fn the_camera_sees_what_is_near_and_not_hidden() {
    let mut plan = Plan::new(90, 20, |x, y| x == 10 && y > 2);
    let floor = Look::new(Sheet::Flat, 3);
    plan.floors.fill(floor);
    let look = Look::new(Sheet::Sprite, 0);
    let stand = |x, y| Agent { look, ..plan.agent(x, y, 1) };
    // The one who looks, one in sight, one behind the wall, one too far away.
    let crew = crew(&[stand(8, 10), stand(6, 10), stand(12, 10), stand(80, 1)]);
    let at = stand(8, 10).at;
    let projectiles = few([Projectile { at, serial: 9, ..Projectile::default() }], 0);
    let far = Point { x: at.x + 2000 * 256, y: at.y };
    let particles = few([Particle { at: far, serial: 5, ..Particle::default() }], 0);
    let camera = Camera::over(at);
    let scenery = Scenery {
        level: plan.level(),
        crew: &crew,
        projectiles: &projectiles,
        particles: &particles,
        assets: &Sample,
        frame: 0,
    };
    let mut items = Vec::new();
    draw::collect(&scenery, &camera, |item| items.push(item));
    draw::sort(&mut items);
    assert_eq!(draw::labelled(&items).collect::<Vec<_>>(), [0, 1]);
    let count = |layer| items.iter().filter(|item| item.is_in(layer)).count();
    assert_eq!((count(Layer::Projectile), count(Layer::Particle)), (1, 0));
    assert!(count(Layer::Floor) > 50);
    assert!(items.windows(2).all(|pair| pair[0].key() < pair[1].key()), "no two have the same key");
    let shades = items.iter().filter(|item| item.is_in(Layer::Agent)).map(|item| item.shade);
    assert!(shades.into_iter().all(|shade| (1..=4).contains(&shade)), "agents show pixels of their sprite");
}

#[test]
fn labels_say_how_somebody_is() {
    let plan = Plan::draw("..");
    let mut agent = plan.agent(0, 0, 0);
    assert_eq!(Label { slot: 12, agent: &agent }.to_string(), "agent 12: 50 hp");
    (agent.health, agent.kills) = (-3, 2);
    assert_eq!(Label { slot: 0, agent: &agent }.to_string(), "agent 0: 0 hp, 2 kills");
}

#[test]
fn a_wider_camera_holds_what_a_narrower_one_shows() {
    let camera = Camera::over(Point { x: 500 * UNIT, y: -300 * UNIT });
    let wide = camera.widened(64 * UNIT);
    assert!(wide.holds(&camera) && camera.holds(&camera) && !camera.holds(&wide));
    let [left, bottom, right, top] = camera.map_rectangle();
    assert_eq!(wide.map_rectangle(), [left - 64, bottom - 64, right + 64, top + 64]);
    // As far as it was widened, and no unit further.
    for (step, held) in [(64, true), (65, false)] {
        for (x, y) in [(step, 0), (-step, 0), (0, step), (0, -step)] {
            let moved = Camera::over(camera.at + Point { x: x * UNIT, y: y * UNIT });
            assert_eq!(wide.holds(&moved), held, "{x} {y}");
        }
    }
    let at = |x: i32, y: i32| Point { x: x * UNIT, y: y * UNIT };
    let beyond = (at(right + 32, bottom), at(right + 32, top));
    assert!(!camera.shows_line(beyond.0, beyond.1) && wide.shows_line(beyond.0, beyond.1));
}
