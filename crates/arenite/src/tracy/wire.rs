//! Tracy's client.
#![expect(unsafe_code, reason = "Tracy's client is C++")]

use core::ffi::c_void;
use core::sync::atomic::{AtomicU32, Ordering};

use tracy_client::{Client, sys};

use super::names::Name;
use super::sink::Wire;

/// Bytes of a message that are kept.
const LONGEST: usize = 4096;
/// What values of a plot are: bytes.
const BYTES: i32 = sys::TracyPlotFormatEnum_TracyPlotFormatMemory as i32;
/// The colour of marks, red, green, blue and opaqueness in a byte each.
const OF_MARKS: u32 = 0xFFB0_00FF;

/// Tracy's client, which runs. It is never shut down: any thread may be telling it something.
pub(super) struct Live {
    client: Client,
    /// Frames of the call stack of each allocation.
    depth: AtomicU32,
}

impl core::fmt::Debug for Live {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Live").field("depth", &self.depth).finish_non_exhaustive()
    }
}

impl Live {
    /// Starts the client, unless it runs. None where there is none.
    pub(super) fn start() -> Option<Self> {
        Some(Self { client: Client::start(), depth: AtomicU32::new(0) })
    }

    pub(super) fn set_depth(&self, frames: u32) {
        self.depth.store(frames, Ordering::Relaxed);
    }

    /// A profiler is connected.
    pub(super) fn is_connected(&self) -> bool {
        Client::is_connected()
    }

    pub(super) fn frame(&self) {
        self.client.frame_mark();
    }

    pub(super) fn mark(&self, text: &str) {
        self.client.color_message(cut(text), OF_MARKS, 0);
    }

    pub(super) fn note(&self, text: &str) {
        self.client.message(cut(text), 0);
    }

    /// So many bytes, in the plot of this name.
    pub(super) fn plot(&self, name: &'static Name, bytes: usize) {
        // SAFETY: the client runs; the name ends with a zero and stays.
        unsafe { sys::___tracy_emit_plot_int(name.as_ptr(), bytes as i64) };
    }

    /// The plot of this name is one of bytes, in steps.
    pub(super) fn configure(&self, name: &'static Name) {
        // SAFETY: as above.
        unsafe { sys::___tracy_emit_plot_config(name.as_ptr(), BYTES, 1, 1, 0) };
    }
}

/// The beginning of a text that Tracy takes.
fn cut(text: &str) -> &str {
    let mut end = text.len().min(LONGEST);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

impl Wire for Live {
    #[inline(always)]
    fn alloc(&self, address: usize, size: usize, pool: &'static Name) {
        let (block, depth) =
            (core::ptr::without_provenance::<c_void>(address), self.depth.load(Ordering::Relaxed));
        // SAFETY: the client runs; the name ends with a zero and stays; Tracy does not look at the block.
        unsafe {
            if depth == 0 {
                sys::___tracy_emit_memory_alloc_named(block, size, pool.as_ptr());
            } else {
                sys::___tracy_emit_memory_alloc_callstack_named(block, size, depth as i32, pool.as_ptr());
            }
        }
    }

    #[inline(always)]
    fn free(&self, address: usize, pool: &'static Name) {
        // SAFETY: as above.
        unsafe {
            sys::___tracy_emit_memory_free_named(core::ptr::without_provenance(address), pool.as_ptr());
        };
    }
}
