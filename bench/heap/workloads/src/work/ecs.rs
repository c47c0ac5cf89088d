//! A game's world in hecs: columns that grow with the world, and components that own memory of their own.

use hecs::{Entity, World};

use super::{Load, Outcome};
use crate::random::{Random, mix};

const LEVELS: usize = 30;

const FRAMES: usize = 60;

/// Entities of a level when it begins.
const ENTITIES: usize = 20_000;

/// Entities that come in each frame, that go, and that change what they are made of.
const CHANGES: usize = 700;

struct Position([f32; 3]);

struct Velocity([f32; 3]);

struct Name(String);

struct Inventory(Vec<u32>);

/// A plan that its owner gets and drops: this moves the entity from one table to another.
struct Plan(Box<[u64; 12]>);

pub(super) fn run(load: Load) -> Outcome {
    let levels = load.times(LEVELS);
    load.in_threads(|thread| {
        let mut random = Random::new("ecs", thread);
        (0..levels).fold(0, |sum, _| mix(sum, level(&mut random)))
    })
}

fn level(random: &mut Random) -> u64 {
    let mut world = World::new();
    let mut entities: Vec<Entity> = (0..ENTITIES).map(|_| spawn(&mut world, random)).collect();
    let mut sum = 0;
    for frame in 0..FRAMES {
        for _ in 0..CHANGES {
            let gone = entities.swap_remove(random.below(entities.len()));
            world.despawn(gone).expect("it lives");
        }
        for _ in 0..CHANGES {
            entities.push(spawn(&mut world, random));
        }
        for _ in 0..CHANGES {
            let entity = entities[random.below(entities.len())];
            if let Ok(plan) = world.remove_one::<Plan>(entity) {
                sum = mix(sum, plan.0[frame % 12]);
            } else {
                world.insert_one(entity, Plan(Box::new([random.next(); 12]))).expect("it lives");
            }
        }
        for (position, velocity) in &mut world.query::<(&mut Position, &Velocity)>() {
            for axis in 0..3 {
                position.0[axis] += velocity.0[axis] / 60.0;
            }
        }
        for inventory in &mut world.query::<&mut Inventory>() {
            inventory.0.push(frame as u32);
            if inventory.0.len() > 40 {
                inventory.0.truncate(4);
                inventory.0.shrink_to_fit();
            }
        }
    }
    // The order of the entities is the world's business, but it is the same each time.
    for (position, name) in &mut world.query::<(&Position, Option<&Name>)>() {
        let name = name.map_or(0, |name| name.0.len());
        sum = mix(sum, u64::from(position.0[0].to_bits()) ^ (name as u64) << 32);
    }
    sum
}

/// One of four kinds.
fn spawn(world: &mut World, random: &mut Random) -> Entity {
    let at = Position([random.below(1000) as f32, random.below(1000) as f32, 0.0]);
    let towards = Velocity([random.below(10) as f32, 1.0, 0.0]);
    match random.below(4) {
        0 => world.spawn((at, Name(format!("prop {:x}", random.next())))),
        1 => world.spawn((at, towards)),
        2 => world.spawn((at, towards, Name(format!("guard {}", random.below(100))), Inventory(Vec::new()))),
        _ => world.spawn((at, towards, Inventory((0..random.size(1, 24) as u32).collect()))),
    }
}
