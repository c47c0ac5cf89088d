//! What both programs wait for.

use std::time::{Duration, Instant};

/// Call stacks as deep as Tracy has them, in the mode `stacks`.
pub const DEEPEST: u16 = 62;

/// Waits until Tracy's tool is connected: before that, events are only queued.
///
/// # Panics
/// If it does not come.
pub fn wait() {
    let since = Instant::now();
    // SAFETY: the client runs from before `main` on.
    while unsafe { tracy_client_sys::___tracy_connected() } == 0 {
        assert!(since.elapsed() < Duration::from_secs(20), "nobody has connected");
        std::thread::sleep(Duration::from_millis(20));
    }
}
