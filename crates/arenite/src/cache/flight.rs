//! One load that others may wait for, and the graph of who waits for whom.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};
use std::vec::Vec;

use crate::base::sync::{AtomicBool, Ordering};

/// A load under way.
pub(super) struct Flight {
    /// The thread that loads.
    owner: ThreadId,
    /// Set once, under `gate`, before anybody else can get what this flight brought.
    over: AtomicBool,
    /// How many wait: waking nobody is a system call, too.
    gate: Mutex<usize>,
    landed: Condvar,
}

/// Waiting would never end.
#[derive(Debug)]
pub(super) struct WaitsForItself;

/// Who waits for which flight: of all caches of the process, so that rings through several of them are seen. A thread waits
/// for one flight at most.
static WAITING: Mutex<Vec<(ThreadId, Arc<Flight>)>> = Mutex::new(Vec::new());

/// Nothing that holds one of these locks calls code of the program, so none is ever poisoned half-way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

std::thread_local! {
    // Asking for the thread itself counts its handle up and down each time.
    static ME: ThreadId = thread::current().id();
}

fn me() -> ThreadId {
    ME.with(|id| *id)
}

impl Flight {
    /// Of the calling thread; in the place of one that nobody else has, if there is one.
    pub(super) fn start(spare: Option<Arc<Self>>) -> Arc<Self> {
        if let Some(mut flight) = spare
            && let Some(again) = Arc::get_mut(&mut flight)
        {
            again.owner = me();
            again.over = AtomicBool::new(false);
            return flight;
        }
        Arc::new(Self {
            owner: me(),
            over: AtomicBool::new(false),
            gate: Mutex::new(0),
            landed: Condvar::new(),
        })
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Wakes all that wait.
    pub(super) fn end(&self) {
        let gate = lock(&self.gate);
        self.over.store(true, Ordering::Release);
        let waiting = *gate;
        drop(gate);
        // Who comes later sees that it is over.
        if waiting != 0 {
            self.landed.notify_all();
        }
    }

    /// Waits for the end, or says that it would wait for itself.
    pub(super) fn wait(self: &Arc<Self>) -> Result<(), WaitsForItself> {
        let me = me();
        let mut waiting = lock(&WAITING);
        if self.comes_back_to(me, &waiting) {
            return Err(WaitsForItself);
        }
        waiting.push((me, Arc::clone(self)));
        drop(waiting);

        let mut gate = lock(&self.gate);
        *gate += 1;
        while !self.is_over() {
            gate = self.landed.wait(gate).unwrap_or_else(PoisonError::into_inner);
        }
        drop(gate);
        lock(&WAITING).retain(|(thread, _)| *thread != me);
        Ok(())
    }

    /// Whether this flight is flown by `me`, or by a thread that waits for one that is, and so on.
    ///
    /// A thread that waits for a flight which is over is about to go on: it is not in the way. One that waits for a flight
    /// which is not over can not end the flights it flies itself. So what is found here is a ring in truth, and whoever closes a
    /// ring finds it, because it looks and enters itself under the one lock.
    fn comes_back_to(&self, me: ThreadId, waiting: &[(ThreadId, Arc<Self>)]) -> bool {
        let mut flight = self;
        // Each thread is met once at the most, as all that are entered got there without closing a ring.
        for _ in 0..=waiting.len() {
            if flight.is_over() {
                return false;
            }
            if flight.owner == me {
                return true;
            }
            match waiting.iter().find(|(thread, _)| *thread == flight.owner) {
                Some((_, next)) => flight = next,
                None => return false,
            }
        }
        false
    }
}
