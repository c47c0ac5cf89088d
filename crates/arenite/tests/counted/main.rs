//! A program whose allocator is a `TrackingAllocator` over the system's: exact figures, before `main`, while threads come and go,
//! and after their destructors. Not under the usual harness, whose own threads allocate when they like.
#![expect(unsafe_code, reason = "calls allocators as a program's containers do, and code before main")]

mod quiet;
mod threads;

use std::alloc::{GlobalAlloc, Layout, System};

use arenite::{AllocationStats, TrackingAllocator};

#[global_allocator]
static GLOBAL: TrackingAllocator<System> = TrackingAllocator::new(System);

fn stats() -> AllocationStats {
    GLOBAL.allocation_stats()
}

/// What runs before `main`.
#[cfg(target_os = "linux")]
mod early {
    use std::sync::Mutex;

    pub(crate) static MADE: Mutex<Vec<String>> = Mutex::new(Vec::new());

    extern "C" fn make() {
        MADE.lock().unwrap().push(String::from("made before main"));
    }

    #[used]
    // SAFETY: the C library calls what stands in this section, with arguments that a function may ignore.
    #[unsafe(link_section = ".init_array")]
    static MAKE: extern "C" fn() = make;
}

#[cfg(target_os = "linux")]
fn what_was_made_before_main_is_counted() {
    let before = stats();
    let made = std::mem::take(&mut *early::MADE.lock().unwrap());
    assert_eq!(made, ["made before main"]);
    assert!(before.blocks >= 2 && before.bytes >= 16, "{before}");
    drop(made);
    assert_eq!(stats().since(&before).blocks, -2);
}

fn figures_are_exact() {
    let before = stats();
    let level = vec![7u8; 1 << 20];
    let now = stats();
    let more = now.since(&before);
    assert_eq!((more.bytes, more.blocks, more.allocations, more.deallocations), (1 << 20, 1, 1, 0));
    assert!(now.peak_bytes >= now.bytes);
    let megabytes = |stats: &AllocationStats| {
        stats.size_classes().find(|class| class.from == 1 << 20).map_or(0, |class| class.blocks)
    };
    assert_eq!(megabytes(&now) - megabytes(&before), 1);
    drop(level);
    let after = stats();
    assert_eq!((after.bytes, after.blocks), (before.bytes, before.blocks));
    assert!(after.peak_bytes >= now.bytes);
    assert!(format!("{now}").contains("peak"));
}

/// An allocator that notes how it was called, and refuses on demand.
struct Noting(std::sync::Mutex<Vec<&'static str>>);

impl Noting {
    fn note(&self, what: &'static str, layout: Layout) -> bool {
        self.0.lock().unwrap().push(what);
        layout.size() < 1 << 30
    }
}

// SAFETY: the system's blocks; a refusal is null.
unsafe impl GlobalAlloc for Noting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !self.note("alloc", layout) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        self.note("dealloc", layout);
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(block, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !self.note("alloc_zeroed", layout) {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if !self.note("realloc", layout) || size >= 1 << 30 {
            return std::ptr::null_mut();
        }
        // SAFETY: the caller's promise.
        unsafe { System.realloc(block, layout, size) }
    }
}

fn each_call_is_passed_on_as_what_it_is() {
    static OTHER: TrackingAllocator<Noting> =
        TrackingAllocator::new(Noting(std::sync::Mutex::new(Vec::new())));
    let layout = Layout::from_size_align(100, 8).unwrap();
    let huge = Layout::from_size_align(1 << 30, 8).unwrap();
    // SAFETY: layouts are not empty, blocks are freed once with theirs.
    unsafe {
        let one = OTHER.alloc(layout);
        let zeroed = OTHER.alloc_zeroed(layout);
        assert!((0..100).all(|at| *zeroed.add(at) == 0));
        one.write_bytes(9, 100);
        let longer = OTHER.realloc(one, layout, 5000);
        assert!((0..100).all(|at| *longer.add(at) == 9));
        assert!(OTHER.alloc(huge).is_null() && OTHER.alloc_zeroed(huge).is_null());
        let long = Layout::from_size_align(5000, 8).unwrap();
        assert!(OTHER.realloc(longer, long, 1 << 30).is_null(), "and the block stays");
        let now = OTHER.allocation_stats();
        assert_eq!((now.bytes, now.blocks, now.peak_bytes), (5100, 2, 5100));
        assert_eq!((now.allocations, now.deallocations, now.reallocations, now.failures), (2, 0, 1, 3));
        assert_eq!((now.bytes_allocated, now.bytes_deallocated), (5200, 100));
        OTHER.dealloc(longer, long);
        OTHER.dealloc(zeroed, layout);
    }
    let end = OTHER.allocation_stats();
    assert_eq!((end.bytes, end.blocks, end.peak_bytes, end.deallocations), (0, 0, 5100, 2));
    let calls = OTHER.inner().0.lock().unwrap();
    let expected =
        ["alloc", "alloc_zeroed", "realloc", "alloc", "alloc_zeroed", "realloc", "dealloc", "dealloc"];
    assert_eq!(*calls, expected);
}

fn main() {
    let tests: &[(&str, fn())] = &[
        #[cfg(target_os = "linux")]
        ("what_was_made_before_main_is_counted", what_was_made_before_main_is_counted),
        ("figures_are_exact", figures_are_exact),
        ("each_call_is_passed_on_as_what_it_is", each_call_is_passed_on_as_what_it_is),
        ("threads_that_end_leave_exact_figures", threads::that_end_leave_exact_figures),
        ("destructors_of_threads_may_allocate", threads::destructors_may_allocate),
        ("more_threads_than_slots", threads::more_than_slots),
        ("looks_never_underflow", threads::looks_never_underflow),
        ("no_alloc", quiet::no_alloc_finds_each_way_to_allocate),
        ("no_alloc_is_of_its_thread", quiet::only_the_own_thread_counts),
        ("watches_nest", quiet::watches_nest),
        ("max_alloc", quiet::max_alloc_bounds_both),
        ("frame_policy", quiet::a_frame_is_judged),
        ("looking_for_pressure_is_quiet", quiet::looking_for_pressure_is_quiet),
    ];
    for (name, test) in tests {
        test();
        println!("test {name} ... ok");
    }
}
