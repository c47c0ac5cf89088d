//! A million particles: one column updated as a slice on all cores, dead rows removed, handles to the others still right.
//! Run it with `cargo run --release --example columns`.
#![forbid(unsafe_code)]

use arenite::{Bytes, Columns, Soa, Tag};
use rayon::prelude::*;

#[derive(Soa)]
struct Particle {
    pos: [f32; 3],
    vel: [f32; 3],
    life: f32,
}

const COUNT: usize = 1_000_000;
const STEP: f32 = 1.0 / 60.0;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut particles = Columns::try_new(Tag::register("particles")?, COUNT)?;
    let handles: Vec<_> = (0..COUNT)
        .map(|number| {
            let life = (number % 100) as f32 * 0.02;
            particles.push(Particle { pos: [0.0; 3], vel: [number as f32, 1.0, 0.0], life })
        })
        .collect();

    // Sixty frames, a second. Each column is one slice; different ones may be borrowed at the same time.
    for _ in 0..60 {
        let columns = particles.columns_mut();
        columns.life.par_iter_mut().for_each(|life| *life -= STEP);
        columns.pos.par_iter_mut().zip(&*columns.vel).for_each(|(pos, vel)| {
            for (pos, vel) in pos.iter_mut().zip(vel) {
                *pos += vel * STEP;
            }
        });
    }

    // The last row moves into the place of a dead one, and its handle follows.
    particles.retain(|particle| *particle.life > 0.0);
    println!("{} of {COUNT} particles live, in {}", particles.len(), Bytes(particles.committed()));

    let mut gone = 0;
    for (number, handle) in handles.iter().enumerate() {
        match particles.get(*handle) {
            Some(particle) => {
                assert_eq!(particle.vel[0], number as f32, "the same particle as ever");
                assert!(*particle.life > 0.0 && particle.pos[1] > 0.9);
            }
            None => gone += 1,
        }
    }
    println!("{gone} handles name nothing any more");
    assert_eq!(gone + particles.len(), COUNT);

    // Sorted for drawing; the first handle that is still good names the same row as before.
    particles.sort_by(|one, other| one.pos[0].total_cmp(&other.pos[0]));
    assert!(particles.columns().pos.is_sorted_by_key(|pos| pos[0]));
    let survivor =
        handles.iter().find(|handle| particles.contains(**handle)).copied().ok_or("nobody lives")?;
    assert_eq!(particles.index_of(survivor), Some(0), "the slowest of them");
    Ok(())
}
