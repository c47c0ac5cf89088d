//! What becomes of a recording when the process forks: it goes on in the parent, and the child records nothing.
//!
//! ```text
//!   before      locks are taken, so that none is held in the child by a thread that it does not have
//!   parent      given back
//!   child       recording is off, locks are given back; it may begin a recording of its own
//! ```
//!
//! What other threads were writing stays as it is in the child: their segments are lost to it, as their threads are.

use std::sync::Once;

use super::desk::{NAMELESS, ROOM_OF_ALL};
use super::modules::ASKING;
use super::session::{CHANGES, forget};
use crate::os;

/// From now on forks are told of.
pub(super) fn look_out() {
    static ASKED: Once = Once::new();
    ASKED.call_once(|| {
        // Without memory for that: a child then fills the segments that it has, drops what comes after, and waits for nobody, because
        // a recording knows its process.
        let _ = os::around_fork(before, in_parent, in_child);
    });
}

extern "C" fn before() {
    CHANGES.hold();
    NAMELESS.hold();
    ASKING.hold();
    if let Some(room) = ROOM_OF_ALL.get() {
        room.chosen.hold();
    }
}

fn let_go() {
    if let Some(room) = ROOM_OF_ALL.get() {
        room.chosen.let_go();
    }
    ASKING.let_go();
    NAMELESS.let_go();
    CHANGES.let_go();
}

extern "C" fn in_parent() {
    let_go();
}

extern "C" fn in_child() {
    forget();
    let_go();
}
