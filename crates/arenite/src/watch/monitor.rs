//! Monitors: what is looked at now and then, and told to whoever wants to know.

use std::boxed::Box;
use std::fmt;
use std::vec;

use super::{Direction, Trend, TrendReading};
use crate::base::Bytes;
use crate::ledger::{AccountSnapshot, BudgetStatus, Ledger};
use crate::os::{self, ProcessMemory};

/// Something whose use can be measured: memory ([`MemoryMonitor`]), or what a program has of its own: file handles, voices,
/// descriptors. A [`Reporter`](super::Reporter) asks it every so many frames. `Display` prints one line.
///
/// ```
/// use arenite::watch::{Figure, Kind, ResourceMonitor, Unit};
/// use std::fmt;
///
/// struct Voices { playing: u64 }
///
/// impl ResourceMonitor for Voices {
///     fn name(&self) -> &'static str { "voices" }
///     fn sample(&mut self, _frames: u32, _now_ns: u64) { self.playing = 7 } // asks the mixer
///     fn figures(&self, tell: &mut dyn FnMut(Figure)) {
///         let (name, about) = ("game_voices", "Voices that play");
///         tell(Figure { name, about, tag: None, kind: Kind::Gauge, unit: Unit::Count, value: self.playing });
///     }
/// }
///
/// impl fmt::Display for Voices {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result { write!(f, "{} playing", self.playing) }
/// }
/// ```
pub trait ResourceMonitor: fmt::Display + Send {
    /// A word for what it watches: `memory`.
    fn name(&self) -> &'static str;

    /// Looks: `frames` after it did last, at `now_ns` on the monotonic clock.
    fn sample(&mut self, frames: u32, now_ns: u64);

    /// Tells every figure of the last look.
    fn figures(&self, tell: &mut dyn FnMut(Figure));

    /// Whether the last look gives reason to worry: then the line is written as a warning.
    fn is_alarming(&self) -> bool {
        false
    }
}

/// One figure of a [`ResourceMonitor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Figure {
    /// As in Prometheus: lower case and underscores, with the unit at the end, `_total` for counters.
    pub name: &'static str,
    /// What it is, in a few words.
    pub about: &'static str,
    /// The tag it belongs to.
    pub tag: Option<&'static str>,
    /// How it moves.
    pub kind: Kind,
    /// What it counts.
    pub unit: Unit,
    /// The figure.
    pub value: u64,
}

/// How a [`Figure`] moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Up and down.
    Gauge,
    /// Only up, from the start of the process.
    Counter,
}

/// What a [`Figure`] counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Bytes.
    Bytes,
    /// Pieces or times.
    Count,
}

/// Watches memory: every account of a ledger, what the process has resident, and where that is going. Allocates when it is
/// made and not again; a look takes the ledger's lock for a moment and reads the system's figures.
///
/// ```
/// use arenite::watch::{MemoryMonitor, ResourceMonitor};
/// use arenite::{Ledger, Tag, os};
///
/// Tag::register("docs/monitored")?.try_charge_committed(1 << 20)?;
/// let mut memory = MemoryMonitor::new(Ledger::process());
/// memory.sample(1, os::monotonic_ns());
/// assert!(memory.to_string().contains("committed"));
/// let mut found = false;
/// memory.figures(&mut |figure| {
///     found |= (figure.name, figure.tag, figure.value)
///         == ("arenite_committed_bytes", Some("docs/monitored"), 1 << 20);
/// });
/// assert!(found);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct MemoryMonitor {
    ledger: &'static Ledger,
    /// Room for all accounts that there can be.
    accounts: Box<[AccountSnapshot]>,
    /// How many were there.
    count: usize,
    process: ProcessMemory,
    committed: Trend,
    /// Frames between two samples of the trend, at least.
    looks: u64,
}

impl MemoryMonitor {
    /// Watches this ledger: [`Ledger::process`], as a rule. Its trend covers 64 looks.
    #[must_use]
    pub fn new(ledger: &'static Ledger) -> Self {
        Self::with_trend(ledger, Trend::with_window(64))
    }

    /// With a trend of another window; it gets what is committed, at each look.
    #[must_use]
    pub fn with_trend(ledger: &'static Ledger, trend: Trend) -> Self {
        Self {
            ledger,
            accounts: vec![AccountSnapshot::default(); Ledger::CAPACITY].into_boxed_slice(),
            count: 0,
            process: ProcessMemory::default(),
            committed: trend,
            looks: 0,
        }
    }

    /// The accounts as they were at the last look, parents before their children.
    #[must_use]
    pub fn accounts(&self) -> &[AccountSnapshot] {
        &self.accounts[..self.count]
    }

    /// The process as it was at the last look.
    #[must_use]
    pub const fn process(&self) -> ProcessMemory {
        self.process
    }

    /// Where what is committed is going.
    #[must_use]
    pub const fn trend(&self) -> TrendReading {
        self.committed.reading()
    }

    /// Committed in all accounts together.
    #[must_use]
    pub fn committed(&self) -> usize {
        self.accounts().iter().map(|account| account.own.committed).fold(0, usize::saturating_add)
    }

    /// Resident memory that no account knows of: the program itself, its stacks, and what other allocators have. At least
    /// that much: committed memory that was never touched is not resident.
    #[must_use]
    pub fn untracked(&self) -> usize {
        self.process.resident.saturating_sub(self.committed())
    }
}

impl ResourceMonitor for MemoryMonitor {
    fn name(&self) -> &'static str {
        "memory"
    }

    fn sample(&mut self, frames: u32, now_ns: u64) {
        self.count = self.ledger.snapshot_into(&mut self.accounts);
        self.process = os::process_memory();
        let committed = self.committed() as u64;
        self.committed.push_after(frames, now_ns, committed);
        self.looks += 1;
    }

    /// Per tag without the tags below it, so that sums over tags are right; peaks and budgets are of the whole subtree. A
    /// tag that never had anything is left out.
    fn figures(&self, tell: &mut dyn FnMut(Figure)) {
        let mut gauge = |name, about, tag, value: usize| {
            tell(Figure { name, about, tag, kind: Kind::Gauge, unit: Unit::Bytes, value: value as u64 });
        };
        gauge(
            "arenite_resident_bytes",
            "Memory of the process that is resident",
            None,
            self.process.resident,
        );
        gauge("arenite_resident_peak_bytes", "The most that was resident", None, self.process.resident_peak);
        gauge(
            "arenite_untracked_bytes",
            "Resident memory that no tag knows of, at least",
            None,
            self.untracked(),
        );
        let used = |account: &&AccountSnapshot| {
            account.subtree.reservations != 0
                || account.subtree.commits != 0
                || account.budget.limit().is_some()
        };
        for account in self.accounts().iter().filter(used) {
            let tag = Some(account.name);
            gauge("arenite_reserved_bytes", "Address space of the tag itself", tag, account.own.reserved);
            gauge(
                "arenite_committed_bytes",
                "Memory committed by the tag itself",
                tag,
                account.own.committed,
            );
            gauge("arenite_live_bytes", "Of that, in use as last published", tag, account.own.live);
            gauge(
                "arenite_peak_committed_bytes",
                "The most the tag and those below it had committed",
                tag,
                account.peak_committed,
            );
            if let Some(limit) = account.budget.limit() {
                let over = match account.status {
                    BudgetStatus::Over(by) => by,
                    _ => 0,
                };
                gauge("arenite_budget_bytes", "Limit on what the tag and those below it commit", tag, limit);
                gauge("arenite_over_budget_bytes", "How far they are above it", tag, over);
            }
        }
        for account in self.accounts().iter().filter(used) {
            let (own, tag) = (&account.own, Some(account.name));
            for (name, about, value) in [
                ("arenite_reservations_total", "Times address space was reserved", own.reservations),
                ("arenite_commits_total", "Times memory was committed", own.commits),
                ("arenite_decommits_total", "Times memory was given back", own.decommits),
            ] {
                tell(Figure { name, about, tag, kind: Kind::Counter, unit: Unit::Count, value });
            }
        }
    }

    /// A budget is over its limit or its warning mark, or memory surely grows.
    fn is_alarming(&self) -> bool {
        let trend = self.trend();
        self.accounts().iter().any(|account| account.status != BudgetStatus::Ok)
            || trend.direction == Direction::Increasing && trend.is_confident()
    }
}

impl fmt::Display for MemoryMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.looks == 0 {
            return f.write_str("not looked at yet");
        }
        let (resident, committed) = (Bytes(self.process.resident), Bytes(self.committed()));
        write!(f, "{resident} resident, {committed} committed")?;
        if let Some(largest) = self.accounts().iter().max_by_key(|account| account.own.committed)
            && largest.own.committed != 0
        {
            write!(f, " (most by `{}`: {})", largest.name, Bytes(largest.own.committed))?;
        }
        if self.trend().direction != Direction::Unknown {
            write!(f, ", {}", self.trend())?;
        }
        for account in self.accounts() {
            match account.status {
                BudgetStatus::Ok => {}
                BudgetStatus::Warning => write!(f, "; `{}` nears its {}", account.name, account.budget)?,
                BudgetStatus::Over(by) => {
                    write!(f, "; `{}` is {} over its {}", account.name, Bytes(by), account.budget)?;
                }
            }
        }
        Ok(())
    }
}
