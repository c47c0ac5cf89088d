//! Which tag a thread is under: what allocators on the floors above read, and the scopes of `global` set.

use core::cell::Cell;
use core::panic::Location;

use super::Tag;

/// Where a thread stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Here {
    /// The tag of the innermost open scope. None: nobody has said anything, which is `untagged`.
    pub(crate) tag: Option<Tag>,
    /// Where that scope was opened.
    pub(crate) site: Option<&'static Location<'static>>,
}

std::thread_local! {
    // Without a destructor, so that allocators may read it until the thread is gone.
    static HERE: Cell<Here> = const { Cell::new(Here { tag: None, site: None }) };
}

/// Where the calling thread stands.
#[inline(always)]
pub(crate) fn here() -> Here {
    HERE.get()
}

/// From now on the calling thread stands there.
pub(crate) fn set_here(here: Here) {
    HERE.set(here);
}
