//! Which tag a thread is under: what allocators on the floors above read, and the scopes of `global` set.

use core::cell::Cell;
use core::panic::Location;
use std::sync::OnceLock;

use super::Tag;
use crate::base::thread::look_closer;

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

/// From now on the calling thread stands there. Its next block tells where that is.
pub(crate) fn set_here(here: Here) {
    look_closer();
    HERE.set(here);
}

/// Runs something with the calling thread under no tag, which stands where it stood afterwards.
pub(crate) type Aside = fn(&mut dyn FnMut());

static ASIDE: OnceLock<Aside> = OnceLock::new();

/// From now on [`aside`] is done in this way: by the floor that knows what else must step aside. Before anybody says it, no thread
/// is under a tag.
#[inline]
pub(crate) fn set_aside(how: Aside) {
    if ASIDE.get().is_none() {
        // Whoever comes first says the same.
        let _ = ASIDE.set(how);
    }
}

/// Runs program code that the ledger calls, whatever tag its thread is under: that tag may be the full one. `run` does not unwind.
pub(super) fn aside(run: &mut dyn FnMut()) {
    match ASIDE.get() {
        Some(how) => how(run),
        None => run(),
    }
}
