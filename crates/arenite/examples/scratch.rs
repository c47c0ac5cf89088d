//! The scratch stack: nested scopes, a box with a destructor, vectors and strings that grow in place.
//!
//! `cargo run --release -p arenite --example scratch`

use std::error::Error;
use std::fmt::Write;

use arenite::{ScratchStack, Tag};

fn main() -> Result<(), Box<dyn Error>> {
    let mut scratch = ScratchStack::try_new(Tag::register("ai/scratch")?, 64 << 20)?;
    let mut guard = scratch.guard();
    let mut scope = guard.scope();
    let distances = scope.alloc_slice_fill_with(64 * 64, |_| u32::MAX);
    distances[0] = 0;

    // What the inner scope allocates is gone at its end; `distances` stays.
    let longest = scope.scoped(|inner| {
        let mut open = inner.vec();
        open.extend([0usize]);
        while let Some(cell) = open.pop() {
            for next in [cell + 1, cell + 64] {
                if next < distances.len() && distances[next] > distances[cell] + 1 {
                    distances[next] = distances[cell] + 1;
                    open.push(next);
                }
            }
        }
        distances.iter().copied().max()
    });

    let mut line = scope.string();
    write!(line, "farthest cell: {longest:?} steps")?;
    println!("{line}");
    drop(line);

    // Values with destructors go into a box.
    let names = scope.alloc_box(vec![String::from("imp"), String::from("baron")]);
    println!("{} names, {} bytes of scratch in use", names.len(), scope.used());
    drop(names);
    drop(guard);
    println!("afterwards: {} bytes in use, {} committed", scratch.used(), scratch.committed());
    Ok(())
}
