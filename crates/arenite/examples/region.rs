//! The ground floor: reserve address space, commit by steps, give back. For those who build a structure of their own.
//!
//! `cargo run --release -p arenite --example region`

use std::error::Error;

use arenite::{Bytes, Region, RegionOptions, Tag, os};

fn main() -> Result<(), Box<dyn Error>> {
    let tag = Tag::register("streaming")?;
    println!("pages of {}, huge pages: {:?}", Bytes(os::page_size()), os::huge_page_size().map(Bytes));
    let mut region = Region::try_reserve(RegionOptions::new(tag, 4 << 30).at_least(64 << 20))?;
    println!("reserved {}, committed {}", Bytes(region.reserved()), Bytes(region.committed()));
    let mut steps = 0;
    for wanted in (0..64 << 20).step_by(100_000) {
        let before = region.committed();
        region.try_grow(wanted)?;
        steps += usize::from(region.committed() != before);
    }
    println!("64 MiB in {steps} steps; the account says {}", Bytes(tag.account().subtree.committed));
    println!("the first page is {:?}", os::query(region.base().as_ptr())?);
    println!("more than there is: {}", region.try_grow(region.reserved() + 1).unwrap_err());
    drop(region);
    println!("afterwards the account says {}", Bytes(tag.account().subtree.reserved));
    Ok(())
}
