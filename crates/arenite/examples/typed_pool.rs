//! Values of one type in a pool: used like a `Box`, and back in the pool when dropped.
//!
//! `cargo run --release -p arenite --example typed_pool`

use std::cell::Cell;
use std::error::Error;

use arenite::{Pool, Tag};

/// Counts how often its destructor runs.
struct Bullet<'c> {
    at: [f32; 2],
    speed: [f32; 2],
    gone: &'c Cell<u32>,
}

impl Drop for Bullet<'_> {
    fn drop(&mut self) {
        self.gone.set(self.gone.get() + 1);
    }
}

/// A type with a cache line to itself.
#[repr(align(64))]
struct Lane([f32; 3]);

/// A type without a byte.
struct Marker;

fn main() -> Result<(), Box<dyn Error>> {
    let gone = Cell::new(0);
    let bullets = Pool::<Bullet<'_>>::try_new(Tag::register("bullets")?, 10_000)?;

    // In it goes, and is used like a `Box`.
    let mut bullet = bullets.insert(Bullet { at: [0.0, 0.0], speed: [3.0, 4.0], gone: &gone });
    for axis in 0..2 {
        bullet.at[axis] += bullet.speed[axis] / 60.0;
    }
    let place = std::ptr::from_ref(&*bullet);
    assert!(bullets.contains(place));
    assert_eq!((bullets.live(), gone.get()), (1, 0));
    drop(bullet);
    // The destructor ran, once, and the place is free: the next bullet gets it.
    assert_eq!((bullets.live(), gone.get()), (0, 1));
    let next = bullets.insert(Bullet { at: [0.0; 2], speed: [0.0; 2], gone: &gone });
    assert_eq!(std::ptr::from_ref(&*next), place);
    drop(next);
    println!("two bullets, {} destructors, {} places for later ones", gone.get(), bullets.capacity());

    // A volley: it goes when the vector does.
    let volley: Vec<_> = (0..100)
        .map(|shot| bullets.insert(Bullet { at: [shot as f32, 0.0], speed: [0.0, 1.0], gone: &gone }))
        .collect();
    assert_eq!(volley.iter().map(|bullet| bullet.at[0]).sum::<f32>(), 4950.0);
    println!("{} bullets fly, {} KiB committed", bullets.live(), bullets.committed() >> 10);
    drop(volley);
    assert_eq!((bullets.live(), gone.get()), (0, 102));

    // Alignment is kept.
    let lanes = Pool::<Lane>::try_new(Tag::register("lanes")?, 100)?;
    let (left, right) = (lanes.insert(Lane([1.0; 3])), lanes.insert(Lane([2.0; 3])));
    for lane in [&left, &right] {
        assert_eq!(std::ptr::from_ref::<Lane>(lane).addr() % 64, 0);
    }
    assert_eq!((left.0[2] + right.0[0], lanes.live()), (3.0, 2));
    drop((left, right));
    assert_eq!(lanes.live(), 0);

    // A value of size zero takes a place all the same, so that a pool of them counts.
    let markers = Pool::<Marker>::try_new(Tag::register("markers")?, 2)?;
    let (one, other) = (markers.insert(Marker), markers.insert(Marker));
    assert!(markers.try_insert(Marker).is_err());
    drop(one);
    assert_eq!(markers.live(), 1);
    drop(other);
    assert_eq!(markers.live(), 0);
    println!("{} lanes and {} markers are left", lanes.live(), markers.live());
    Ok(())
}
