//! The word of thread-local storage that every `malloc` reads: the thread's place. At first it is the place of a thread that has
//! nothing yet, so that nobody asks whether there is one.

use arenite::heap::bucket::{Local, NOTHING};

crate::word::word!(
    "arenite_place", *const Local, ".tdata.arenite_place,\"awT\",@progbits",
    ".quad {nothing}",
    nothing = sym NOTHING,
);
