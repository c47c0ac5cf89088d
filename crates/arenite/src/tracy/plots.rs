//! What no thread tells: a thread of its own looks at it, and shows it to Tracy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, Builder, JoinHandle};
use std::time::Duration;

use super::names::{self, RESIDENT};
use super::wire::Live;
use crate::ledger::Ledger;
use crate::os;
use crate::record::leave_out_this_thread;

/// How long it waits between two looks.
const EVERY: Duration = Duration::from_millis(80);

/// What was shown last; none of it yet.
struct Figures {
    committed: [Option<usize>; Ledger::CAPACITY],
    resident: Option<usize>,
    /// A profiler was connected. One that comes later has seen nothing of what was shown before.
    connected: bool,
}

/// Starts the thread. It goes on until `ends` is set and it is woken.
pub(super) fn show(live: &'static Live, ends: Arc<AtomicBool>) -> std::io::Result<JoinHandle<()>> {
    Builder::new().name("arenite tracy".into()).spawn(move || {
        leave_out_this_thread();
        live.configure(&RESIDENT);
        let mut figures = Figures::NONE;
        let mut tags = 0;
        loop {
            figures.look(live, &mut tags);
            if ends.load(Ordering::Acquire) {
                return;
            }
            thread::park_timeout(EVERY);
        }
    })
}

impl Figures {
    const NONE: Self = Self { committed: [None; Ledger::CAPACITY], resident: None, connected: false };

    /// Shows what has changed. `configured`: tags whose plots Tracy knows.
    fn look(&mut self, live: &Live, configured: &mut usize) {
        let connected = live.is_connected();
        if connected && !self.connected {
            *self = Self::NONE;
        }
        self.connected = connected;
        for (place, tag) in Ledger::process().tags().enumerate() {
            let plot = &names::of(tag).plot;
            if place >= *configured {
                live.configure(plot);
                *configured = place + 1;
            }
            let committed = tag.account().own.committed;
            if self.committed[place].replace(committed) != Some(committed) {
                live.plot(plot, committed);
            }
        }
        let resident = os::process_memory().resident;
        if self.resident.replace(resident) != Some(resident) {
            live.plot(&RESIDENT, resident);
        }
    }
}
