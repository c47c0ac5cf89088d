//! Heaps in hardened mode: that they serve what others serve, and that each mistake is named. Mistakes end the process, so
//! each is made in a process of its own: this test program, started again.
#![expect(unsafe_code, reason = "a heap's blocks are raw, and mistakes are made with them")]

use core::alloc::{GlobalAlloc, Layout};
use std::format;
use std::string::String;
use std::vec::Vec;

use super::super::*;
use super::*;
use crate::GlobalHeap;
use crate::ledger::{Budget, Ledger};
use crate::os::{Call, fake};

fn heap_with(options: impl Fn(BucketHeapOptions) -> BucketHeapOptions) -> BucketHeap {
    let ledger: &'static Ledger = std::boxed::Box::leak(std::boxed::Box::new(Ledger::new()));
    let tag = ledger.register("level").unwrap();
    BucketHeap::try_with(options(BucketHeapOptions::new(tag).hardened(true))).unwrap()
}

fn heap() -> BucketHeap {
    heap_with(|options| options)
}

fn layout(size: usize) -> Layout {
    Layout::from_size_align(size, 16).unwrap()
}

fn is_charged_nothing(tag: Tag) -> bool {
    let own = tag.account().own;
    (own.reserved, own.committed) == (0, 0)
}

#[test]
fn a_block_is_what_was_asked_for_at_every_size_and_alignment() {
    let heap = heap();
    let tag = heap.tag();
    let sizes =
        (0..70).chain([100, 1000, 1016, 1017, 4088, 32_760, 32_761, 65_520, 100_000, 1 << 20, 3 << 20]);
    let mut held = Vec::new();
    for size in sizes {
        for bit in [0, 3, 4, 5, 7, 12, 13, 14, 16, 17, 21, 22, 23] {
            let layout = Layout::from_size_align(size, 1 << bit).unwrap();
            let block = heap.try_alloc(layout).unwrap();
            assert!(block.addr().get().is_multiple_of(layout.align()), "{layout:?}");
            // SAFETY: a block of this test's, of so many bytes.
            unsafe {
                assert_eq!(heap.usable_size(block), size);
                block.write_bytes(held.len() as u8, size);
            }
            held.push((block, size));
        }
    }
    assert_eq!(heap.stats().live(), held.len() as u64);
    for (number, (block, size)) in held.into_iter().enumerate() {
        // SAFETY: as above; freed once.
        unsafe {
            let whole = core::slice::from_raw_parts(block.as_ptr(), size);
            assert!(whole.iter().all(|byte| *byte == number as u8));
            heap.free(block);
        }
    }
    assert_eq!((heap.stats().live(), heap.stats().live_bytes()), (0, 0));
    heap.trim();
    assert!(tag.account().own.committed < 128 << 10, "{:?}", tag.account().own);
    drop(heap);
    assert!(is_charged_nothing(tag), "{:?}", tag.account().own);
}

#[test]
fn what_is_freed_waits_and_what_comes_next_is_not_foreseen() {
    let heap = heap();
    let blocks: Vec<NonNull<u8>> = (0..200).map(|_| heap.try_alloc(layout(100)).unwrap()).collect();
    let steps: Vec<isize> =
        blocks.windows(2).map(|pair| pair[1].addr().get() as isize - pair[0].addr().get() as isize).collect();
    assert!(
        steps.windows(2).filter(|pair| pair[0] == pair[1]).count() < 60,
        "one behind the other: {steps:?}"
    );
    // SAFETY: a live block.
    unsafe { heap.free(blocks[7]) };
    let more: Vec<NonNull<u8>> = (0..500).map(|_| heap.try_alloc(layout(100)).unwrap()).collect();
    assert!(!more.contains(&blocks[7]), "it waits");
    heap.trim();
    let after: Vec<NonNull<u8>> = (0..2000).map(|_| heap.try_alloc(layout(100)).unwrap()).collect();
    assert!(after.contains(&blocks[7]), "it does not wait for ever");
    // SAFETY: nobody uses any of it.
    unsafe { heap.force_discard() };
}

#[test]
fn every_refusal_of_the_system_is_survived() {
    for call in [None, Some(Call::Reserve), Some(Call::Commit), Some(Call::Decommit), Some(Call::Protect)] {
        let mut allowed = 0;
        loop {
            let heap = heap_with(|options| options.purge_delay(0));
            let tag = heap.tag();
            let plan = match call {
                None => fake::fail_once_after(allowed),
                Some(call) => fake::fail_after(call, allowed),
            };
            let mut held = Vec::new();
            for round in 0..120usize {
                let size = [10, 500, 5000, 40_000, 300_000, 2 << 20][round % 6];
                if let Ok(block) = heap.try_alloc_zeroed(layout(size)) {
                    // SAFETY: so many bytes of a live block.
                    unsafe {
                        let whole = core::slice::from_raw_parts_mut(block.as_ptr(), size);
                        assert!(whole.iter().all(|byte| *byte == 0), "{size}");
                        whole.fill(7);
                    }
                    held.push(block);
                }
                if held.len() > 20 {
                    // SAFETY: a live block.
                    unsafe { heap.free(held.swap_remove(round * 7 % held.len())) };
                }
                if round % 40 == 39 {
                    heap.trim();
                }
            }
            assert_eq!(heap.stats().live(), held.len() as u64);
            // SAFETY: live blocks.
            held.into_iter().for_each(|block| unsafe { heap.free(block) });
            heap.trim();
            let refused = plan.refused();
            drop(plan);
            heap.trim();
            assert_eq!((heap.stats().live(), heap.stats().live_bytes()), (0, 0));
            drop(heap);
            assert!(is_charged_nothing(tag), "{call:?} after {allowed}: {:?}", tag.account().own);
            if refused == 0 {
                break;
            }
            allowed += 1 + allowed / 4;
        }
    }
}

#[test]
fn a_budget_refuses_and_what_waits_makes_room() {
    let heap = heap();
    let tag = heap.tag();
    for size in [64, 5000, 200_000, 3 << 20] {
        tag.set_budget(Budget::hard(tag.account().own.committed + (4 << 20)));
        let mut held = Vec::new();
        while let Ok(block) = heap.try_alloc(layout(size)) {
            held.push(block);
        }
        let most = held.len();
        assert!(most > 0 && heap.stats().live() == most as u64, "{size}");
        // SAFETY: live blocks.
        held.drain(..).for_each(|block| unsafe { heap.free(block) });
        held.extend((0..most).map_while(|_| heap.try_alloc(layout(size)).ok()));
        assert_eq!(held.len(), most, "{size}: what waits is in nobody's way");
        // SAFETY: live blocks.
        held.drain(..).for_each(|block| unsafe { heap.free(block) });
        tag.set_budget(Budget::NONE);
    }
    drop(heap);
    assert!(is_charged_nothing(tag), "{:?}", tag.account().own);
}

/// The name of the mistake that a process is to make.
const MISTAKE: &str = "ARENITE_TEST_MISTAKE";

/// A mistake, what is said of it, and how it is made: with a heap, one of its blocks, and how large that is.
type Mistake = (&'static str, &'static str, fn(&BucketHeap, NonNull<u8>, usize));

/// Ends the quarantine, so that what waits is looked at.
fn end(heap: &BucketHeap) {
    heap.trim();
}

const MISTAKES: &[Mistake] = &[
    (
        "overflow",
        "arenite: overflow: 1 byte written behind the end of the block",
        // SAFETY: none. It is a mistake, made in a process that ends by it.
        |heap, block, size| unsafe {
            block.add(size).write(0);
            heap.free(block);
        },
    ),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("overflow_far", "arenite: overflow: 8 bytes written behind the end", |heap, block, size| unsafe {
        block.add(size).write_bytes(b'x', 8);
        heap.free(block);
    }),
    (
        "underflow",
        "arenite: underflow: something was written before the start of the block",
        // SAFETY: none. It is a mistake, made in a process that ends by it.
        |heap, block, _| unsafe {
            block.sub(1).write(0);
            heap.free(block);
        },
    ),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("double", "arenite: double free: the block", |heap, block, _| unsafe {
        heap.free(block);
        heap.free(block);
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("double_later", "arenite: double free: the block", |heap, block, size| unsafe {
        heap.free(block);
        heap.free(heap.try_alloc(layout(size)).unwrap());
        heap.free(block);
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("middle", "arenite: invalid free: 16 bytes inside the block", |heap, block, _| unsafe {
        heap.free(block.add(16));
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("stack", "is not memory of this heap", |heap, _, _| unsafe {
        let mut local = [0u64; 8];
        heap.free(NonNull::from(&mut local).cast());
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("static", "is not memory of this heap", |heap, _, _| unsafe {
        static BYTES: [u8; 64] = [0; 64];
        heap.free(NonNull::from(&BYTES).cast());
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("another", "is another heap's", |_, block, _| unsafe { self::heap().free(block) }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("nothing", "was freed, but is not in use", |heap, block, _| unsafe {
        heap.free(Segment::start_of(NonNull::new(Segment::of(block)).unwrap(), 0).add(48 << 10));
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("size", "is given back as 1 bytes", |heap, block, _| unsafe {
        let _ = heap.try_realloc(block, layout(1), 100);
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("align", "is given back as aligned to 4194304", |heap, block, size| unsafe {
        let _ = heap.try_realloc(block, Layout::from_size_align(size, 4 << 20).unwrap(), 100);
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("stale_size", "is resized or measured after it was freed", |heap, block, size| unsafe {
        heap.free(block);
        let _ = heap.try_realloc(block, layout(size), 500);
    }),
];

/// Those that only blocks make which are not against a page without access, or not emptied.
const SMALL_MISTAKES: &[Mistake] = &[
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("after", "arenite: use after free: byte 5 of the block", |heap, block, _| unsafe {
        heap.free(block);
        block.add(5).write(0);
        end(heap);
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("after_reuse", "arenite: use after free: byte 7 of the block", |heap, block, size| unsafe {
        heap.free(block);
        end(heap);
        block.add(7).write(0);
        for _ in 0..20_000 {
            let _ = heap.try_alloc(layout(size)).unwrap();
        }
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("after_drop", "arenite: use after free: byte 0 of the block", |_, _, size| unsafe {
        let heap = self::heap();
        let block = heap.try_alloc(layout(size)).unwrap();
        heap.free(block);
        block.write(0);
        drop(heap);
    }),
];

/// Those that fault, and are not named.
const LARGE_FAULTS: &[Mistake] = &[
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("after_write", "", |heap, block, _| unsafe {
        heap.free(block);
        block.write_volatile(0);
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("after_read", "", |heap, block, size| unsafe {
        heap.free(block);
        let _ = block.add(size / 2).read_volatile();
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("guard", "", |_, block, size| unsafe { block.add(size + 16).write_volatile(0) }),
];

fn mistakes() -> impl Iterator<Item = (String, usize, &'static Mistake)> {
    let sizes = [50, 1000, 20_000, 99_990, (3 << 20) + 1];
    sizes.into_iter().flat_map(|size| {
        let more = if size > 32 << 10 { LARGE_FAULTS } else { SMALL_MISTAKES };
        // A block with a segment of its own has all of it.
        let all = MISTAKES.iter().chain(more).filter(move |mistake| size < 1 << 20 || mistake.0 != "nothing");
        all.map(move |mistake| (format!("{}/{size}", mistake.0), size, mistake))
    })
}

/// Made with a block of the process's heap.
type Mistaken = fn(*mut u8, Layout);

/// Of the heap of the process, by its face as a global allocator. The rest are found if the environment asks for it; what needs
/// a look before anything is touched, or the layout, only with the feature.
const PROCESS_MISTAKES: &[(&str, &str, Mistaken)] = &[
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("double", "arenite: double free: the block", |block, layout| unsafe {
        GlobalHeap.dealloc(block, layout);
        GlobalHeap.dealloc(block, layout);
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("overflow", "arenite: overflow: 3 bytes", |block, layout| unsafe {
        block.add(layout.size() + 2).write(0);
        GlobalHeap.dealloc(block, layout);
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("grown", "arenite: overflow: 1 byte", |block, layout| unsafe {
        block.add(layout.size()).write(0);
        GlobalHeap.realloc(block, layout, 5000);
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("stale", "arenite: use after free: the block", |block, layout| unsafe {
        GlobalHeap.dealloc(block, layout);
        GlobalHeap.realloc(block, layout, 5000);
    }),
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("end", "arenite: overflow: 1 byte", |block, layout| unsafe {
        block.add(layout.size()).write(0);
        super::super::audit();
    }),
    #[cfg(feature = "hardened")]
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("size", "is given back as 99 bytes", |block, layout| unsafe {
        GlobalHeap.dealloc(block, Layout::from_size_align(99, layout.align()).unwrap());
    }),
    #[cfg(feature = "hardened")]
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("resized", "is given back as 99 bytes", |block, layout| unsafe {
        GlobalHeap.realloc(block, Layout::from_size_align(99, layout.align()).unwrap(), 200);
    }),
    #[cfg(feature = "hardened")]
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("stack", "is not memory of this heap", |_, layout| unsafe {
        let mut local = [0u64; 8];
        GlobalHeap.dealloc((&raw mut local).cast(), layout);
    }),
    #[cfg(feature = "hardened")]
    // SAFETY: none. It is a mistake, made in a process that ends by it.
    ("another", "tag `level`) is another heap's", |_, layout| unsafe {
        GlobalHeap.dealloc(self::heap().try_alloc(layout).unwrap().as_ptr(), layout);
    }),
];

/// Makes the mistake that it is told, if it is told one.
#[test]
fn a_mistake_is_made() {
    let Ok(wanted) = std::env::var(MISTAKE) else { return };
    if let Some((_, _, make)) = PROCESS_MISTAKES.iter().find(|(name, ..)| wanted == format!("process/{name}"))
    {
        let layout = layout(80);
        // SAFETY: it has a size.
        let block = unsafe { GlobalHeap.alloc(layout) };
        return make(block, layout);
    }
    let (_, size, (_, _, make)) = mistakes().find(|(name, ..)| *name == wanted).unwrap();
    let heap = core::mem::ManuallyDrop::new(heap());
    // Neighbours, so that there is something before the block and behind it.
    for _ in 0..20 {
        heap.try_alloc(layout(size)).unwrap();
    }
    let block = heap.try_alloc(layout(size)).unwrap();
    make(&heap, block, size);
}

/// Has a process make a mistake. Answers the line that it said, if it is the only one, and all of it.
#[cfg(unix)]
fn fate(name: &str) -> (std::process::ExitStatus, String, String) {
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "heap::bucket::hardened::tests::a_mistake_is_made", "--nocapture"])
        .env(MISTAKE, name)
        .env("ARENITE_HARDENED", "1")
        .output()
        .unwrap();
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    let mut lines = error.lines().filter(|line| line.starts_with("arenite: "));
    let line = lines.next().unwrap_or_default().into();
    assert_eq!(lines.next(), None, "{name}: {error}");
    (output.status, line, error)
}

#[cfg(unix)]
#[test]
fn every_mistake_is_found_and_named() {
    use std::os::unix::process::ExitStatusExt;
    for (name, size, (_, said, _)) in mistakes() {
        let (status, line, error) = fate(&name);
        if said.is_empty() {
            // A page without access. Sanitizers say it otherwise than by a signal.
            assert!(!status.success() && !error.contains("panicked"), "{name}: {error}");
            continue;
        }
        assert!(line.contains(said), "{name}: {error}");
        // The mistakes of a block say whose it was.
        let nameless = ["stack", "static", "nothing"].iter().any(|nameless| name.starts_with(nameless));
        assert!(nameless || line.contains(&format!("({size} bytes, tag `level`)")), "{name}: {line}");
        assert_eq!(status.signal(), Some(6), "{name}: {error}");
    }
}

#[cfg(unix)]
#[test]
fn mistakes_with_the_heap_of_the_process_are_found_and_named() {
    use std::os::unix::process::ExitStatusExt;
    for (name, said, _) in PROCESS_MISTAKES {
        let (status, line, error) = fate(&format!("process/{name}"));
        assert!(line.contains(said), "{name}: {error}");
        let nameless = ["stack", "another"].contains(name);
        assert!(nameless || line.contains("(80 bytes, tag `untagged`)"), "{name}: {line}");
        assert_eq!(status.signal(), Some(6), "{name}: {error}");
    }
}
