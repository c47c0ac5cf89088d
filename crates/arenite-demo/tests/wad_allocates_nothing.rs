//! Reading a WAD allocates nothing: whoever reads decides where everything goes.
#![expect(unsafe_code, reason = "a global allocator that counts has to be one")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::fmt::Write;

use arenite_demo::wad::{EMBEDDED, Survey, Wad};

thread_local! {
    /// Heap calls of this thread; the test harness has threads of its own.
    static CALLS: Cell<u64> = const { Cell::new(0) };
}

/// The system allocator, counted per thread.
struct Counting;

// SAFETY: every call is passed on unchanged to the system allocator, which keeps the contract; counting touches only a
// thread-local that needs no allocation and has no destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: the caller keeps `alloc`'s contract, which is the same here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        CALLS.set(CALLS.get() + 1);
        // SAFETY: `block` came from `alloc` above, hence from `System`, with this layout.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static HEAP: Counting = Counting;

/// Text of a fixed length, so that showing an error needs no heap.
struct Line([u8; 256], usize);

impl Write for Line {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        let end = self.1 + text.len();
        self.0.get_mut(self.1..end).ok_or(std::fmt::Error)?.copy_from_slice(text.as_bytes());
        self.1 = end;
        Ok(())
    }
}

#[test]
fn reading_and_failing_allocate_nothing() {
    let (mut bytes, mut samples) = (vec![0; 1 << 17], vec![0; 1 << 14]);
    let mut line = Line([0; 256], 0);
    let before = CALLS.get();

    let wad = Wad::parse(EMBEDDED);
    let survey = wad.map(|wad| Survey::take(&wad, &mut bytes, &mut samples));
    let unknown = wad.and_then(|wad| wad.map("MAP99").map(|_| ()));
    let cut = Wad::parse(&EMBEDDED[..EMBEDDED.len() / 2]).map(|_| ());
    let shown = [unknown, cut].map(|result| result.is_err_and(|error| write!(line, "{error}; ").is_ok()));

    assert_eq!(CALLS.get() - before, 0);
    let survey = survey.expect("our own WAD is sound");
    assert_eq!((survey.maps.found, survey.first_error, shown), (3, None, [true, true]));
    assert!(before > 0, "the counter counts");
}
