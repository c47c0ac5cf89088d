//! `tracy-client` 0.19, as far as Arenite uses it, over the client of Tracy 0.11.0.

/// Tracy's client, which runs from before `main` on.
pub struct Client(());

impl Client {
    pub fn start() -> Self {
        Self(())
    }

    pub fn is_connected() -> bool {
        // SAFETY: the client runs.
        unsafe { older::___tracy_connected() != 0 }
    }

    pub fn frame_mark(&self) {
        // SAFETY: the client runs; without a name.
        unsafe { older::___tracy_emit_frame_mark(std::ptr::null()) }
    }

    pub fn message(&self, text: &str, depth: u16) {
        // SAFETY: the client runs; so many bytes are there.
        unsafe { older::___tracy_emit_message(text.as_ptr().cast(), text.len(), depth.into()) }
    }

    pub fn color_message(&self, text: &str, rgba: u32, depth: u16) {
        // SAFETY: as above.
        unsafe { older::___tracy_emit_messageC(text.as_ptr().cast(), text.len(), rgba >> 8, depth.into()) }
    }
}

/// Functions that took one argument more: whether to look first if the client runs.
#[expect(clippy::missing_safety_doc, reason = "as those that they stand for")]
pub mod sys {
    use std::ffi::{c_char, c_void};

    pub use older::{
        ___tracy_emit_plot_config, ___tracy_emit_plot_int, TracyPlotFormatEnum_TracyPlotFormatMemory,
    };

    pub unsafe fn ___tracy_emit_memory_alloc_named(block: *const c_void, size: usize, name: *const c_char) {
        // SAFETY: the caller's promise.
        unsafe { older::___tracy_emit_memory_alloc_named(block, size, 0, name) }
    }

    pub unsafe fn ___tracy_emit_memory_alloc_callstack_named(
        block: *const c_void,
        size: usize,
        depth: i32,
        name: *const c_char,
    ) {
        // SAFETY: the caller's promise.
        unsafe { older::___tracy_emit_memory_alloc_callstack_named(block, size, depth, 0, name) }
    }

    pub unsafe fn ___tracy_emit_memory_free_named(block: *const c_void, name: *const c_char) {
        // SAFETY: the caller's promise.
        unsafe { older::___tracy_emit_memory_free_named(block, 0, name) }
    }
}
