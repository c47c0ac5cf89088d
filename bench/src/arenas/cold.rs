//! 16 MiB in blocks of 64 bytes into memory that nobody has touched yet: what a level load or a first frame costs.
//! Making the arena and giving it back is part of it.
#![cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "a setting of the system's malloc")
)]

use arenite::{RegionOptions, ScratchStack, Tag};

use super::used;
use crate::harness::Contest;

const BYTES: usize = 16 << 20;

type Block = [u64; 8];

const BLOCKS: usize = BYTES / size_of::<Block>();

/// Fills an arena that was made for it, and reads it again if `check` says so.
macro_rules! fill {
    ($check:expr, |$block:ident| $alloc:expr) => {{
        let mut sum = 0u64;
        for i in 0..BLOCKS as u64 {
            let $block: Block = [i; 8];
            let block: &Block = $alloc;
            used(block);
            if $check {
                sum = sum.wrapping_mul(31).wrapping_add(block[7]);
            }
        }
        sum
    }};
}

fn ours(options: RegionOptions, check: bool) -> u64 {
    let mut stack = ScratchStack::try_with(options).expect("a stack");
    stack.scoped(|scope| fill!(check, |block| scope.alloc(block)))
}

fn bumpalo(check: bool) -> u64 {
    let bump = bumpalo::Bump::new();
    fill!(check, |block| bump.alloc(block))
}

fn bumpalo_presized(check: bool) -> u64 {
    let bump = bumpalo::Bump::with_capacity(BYTES);
    fill!(check, |block| bump.alloc(block))
}

fn bump_scope(check: bool) -> u64 {
    let bump: bump_scope::Bump = bump_scope::Bump::new();
    fill!(check, |block| bump.alloc(block).into_ref())
}

fn blink(check: bool) -> u64 {
    let blink = blink_alloc::Blink::new();
    fill!(check, |block| blink.put_no_drop(block))
}

/// glibc keeps large blocks that were freed once, and gives them out again warm. Its first block of a size is cold,
/// and this setting (its own initial value) makes all of them like the first.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
fn forbid_reuse() {
    // SAFETY: sets a number under malloc's own lock.
    let done = unsafe { libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10) };
    assert_eq!(done, 1, "malloc would hand out warm memory");
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn forbid_reuse() {
    println!("  caveat: this system's malloc may hand out warm memory to the peers");
}

pub(super) fn run() {
    forbid_reuse();
    let plain = || RegionOptions::new(Tag::untagged(), 64 << 20);
    let huge = move || plain().huge_pages(true);
    let both = move || huge().prefault(true);
    let pre = move || plain().prefault(true);
    Contest::new("cold: 16 MiB of 64 B into a fresh arena", "allocation", BLOCKS)
        .ours("plain", ours(plain(), true), move || _ = ours(plain(), false))
        .ours("prefault", ours(pre(), true), move || _ = ours(pre(), false))
        .ours("huge pages", ours(huge(), true), move || _ = ours(huge(), false))
        .ours("huge pages, prefault", ours(both(), true), move || _ = ours(both(), false))
        .peer("bumpalo", bumpalo(true), || _ = bumpalo(false))
        .peer("bumpalo, with_capacity", bumpalo_presized(true), || _ = bumpalo_presized(false))
        .peer("bump-scope", bump_scope(true), || _ = bump_scope(false))
        .peer("blink-alloc", blink(true), || _ = blink(false))
        .bar("huge pages", "bumpalo", 0.6)
        .bar("plain", "bumpalo", 1.0)
        .run();
}
