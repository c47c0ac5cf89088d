//! Heaps over memory of the program's choice: a small buffer first, a region of address space when that is full, behind a lock, with counters;
//! vectors and maps of several threads live in them.
//!
//! `cargo run --release -p arenite --features allocator-api2 --example fit_heaps`

use std::alloc::Layout;
use std::error::Error;
use std::hash::BuildHasherDefault;
use std::mem::MaybeUninit;
use std::thread;

use allocator_api2::vec::Vec as VecIn;
use arenite::{BestFit, Budget, Bytes, FitHeap, Fixed, Growing, Inspected, Locked, Tag, WithFallback};

type Map<'a, H> = hashbrown::HashMap<
    &'static str,
    u32,
    BuildHasherDefault<std::collections::hash_map::DefaultHasher>,
    &'a Locked<H>,
>;

fn main() -> Result<(), Box<dyn Error>> {
    let tag = Tag::register("ai/paths")?;
    tag.set_budget(Budget::hard(4 << 20));

    // A buffer that is there already: nothing is asked of the system. (Of initialised bytes: `Fixed::of_bytes`.)
    let mut buffer = [MaybeUninit::uninit(); 16 << 10];
    let small: FitHeap<Fixed> = FitHeap::try_new(Fixed::new(tag, &mut buffer))?;
    // Address space of 1 GiB; memory is committed as it is needed, within the budget.
    let large: FitHeap<Growing, BestFit> = FitHeap::try_new(Growing::new(tag, 1 << 30))?;
    let mut heap = Locked::new(Inspected::new(WithFallback::new(small, large)));

    let mut path = VecIn::new_in(&heap);
    path.extend(0..1000_u32);
    let inside = heap.with(|heap| heap.inner().first().owns(path.as_ptr().cast()));
    println!("1000 steps are in the buffer: {inside}");
    // It outgrows the buffer, and moves.
    path.extend(1000..100_000);
    let outside = heap.with(|heap| heap.inner().second().owns(path.as_ptr().cast()));
    println!("100000 steps are in the region: {outside}");
    assert!(inside && outside && path.iter().copied().eq(0..100_000));

    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut costs: Map<'_, _> = Map::with_hasher_in(Default::default(), &heap);
                costs.extend([("door", 3), ("stairs", 5)]);
                assert_eq!(costs["stairs"], 5);
            });
        }
    });

    // More than the budget allows: the vector says that there is no memory, the heap why.
    assert!(path.try_reserve(4 << 20).is_err());
    if let Err(error) = heap.try_alloc(Layout::new::<[u8; 16 << 20]>()) {
        println!("{error}");
    }
    drop(path);

    let calls = heap.with(|heap| *heap.calls());
    println!(
        "{} blocks handed out, {} resized in place, {} refused; at most {} at once",
        calls.allocs,
        calls.resizes,
        calls.failures,
        Bytes(calls.peak_bytes as usize)
    );
    assert_eq!((calls.live_blocks, calls.mistakes), (0, 0));
    let given = heap.with_mut(|heap| heap.inner_mut().second_mut().try_trim(0))?;
    println!(
        "{} given back; in the region: {}",
        Bytes(given),
        heap.with(|heap| heap.inner().second().stats())
    );
    Ok(())
}
