//! Pressure on the whole process: what the operating system says about how near it is to running out.
//!
//! ```text
//!   size   the process's control groups (Linux, version 2): the one nearest to its limit
//!          resident memory, if the program has set a limit
//!          neither: the machine's memory
//!   stall  how much of the time tasks wait for memory (Linux, PSI): of the own group, else of the machine
//! ```
//!
//! The worse of the two is the level. The machine's size counts only where nobody tells of stalls: a machine that is full
//! and still runs without waiting is well used.

use std::fmt;
use std::path::Path;

use super::control_group::{Groups, Text, number};
use crate::base::Bytes;
use crate::os;

/// How near the process is to running out of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum SystemPressureLevel {
    /// There is enough.
    #[default]
    Calm,
    /// It gets tight: give up what is only convenient, caches for example.
    Tight,
    /// The system is about to slow the process down much, or to end it: give up whatever can be given up.
    Critical,
}

/// Who said so.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
#[non_exhaustive]
pub enum SystemPressureSource {
    /// Nobody: the system tells nothing.
    #[default]
    Nobody,
    /// The memory of a control group against its limit.
    Cgroup,
    /// The time that tasks wait for memory.
    Psi,
    /// Resident memory against the limit that the program set.
    Resident,
    /// The machine's memory.
    Machine,
}

/// How much of the last ten seconds tasks waited for memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Stall {
    /// Some task waited; hundredths of a percent.
    pub some: u32,
    /// All tasks waited at once; hundredths of a percent.
    pub full: u32,
    /// Microseconds that some task waited, ever.
    pub some_total: u64,
    /// Microseconds that all waited at once, ever.
    pub full_total: u64,
}

/// What [`SystemPressure::poll`] saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct SystemPressureReading {
    /// The worst of what is known.
    pub level: SystemPressureLevel,
    /// Who said so: whichever is worst, and of equals the one that measures memory.
    pub source: SystemPressureSource,
    /// Bytes in use, of whatever is nearest to its limit. For a control group without what the kernel would drop first.
    pub used: u64,
    /// The limit of that in bytes; `None` if there is none that is known.
    pub limit: Option<u64>,
    /// Waiting for memory; `None` where the system does not tell.
    pub stall: Option<Stall>,
}

impl fmt::Display for SystemPressureReading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = |bytes: u64| Bytes(usize::try_from(bytes).unwrap_or(usize::MAX));
        f.write_str(match self.level {
            SystemPressureLevel::Calm => "calm",
            SystemPressureLevel::Tight => "tight",
            SystemPressureLevel::Critical => "critical",
        })?;
        f.write_str(match self.source {
            SystemPressureSource::Nobody => "",
            SystemPressureSource::Cgroup => " (control group)",
            SystemPressureSource::Psi => " (waiting for memory)",
            SystemPressureSource::Resident => " (resident memory)",
            SystemPressureSource::Machine => " (machine)",
        })?;
        if let Some(limit) = self.limit {
            write!(f, ", {} of {} in use", bytes(self.used), bytes(limit))?;
        }
        if let Some(Stall { some, full, .. }) = self.stall {
            let part = |value: u32| (value / 100, value % 100);
            let ((some, some_part), (full, full_part)) = (part(some), part(full));
            write!(f, ", waiting {some}.{some_part:02} % (all: {full}.{full_part:02} %)")?;
        }
        Ok(())
    }
}

/// Two marks of a figure and how far below a mark is clear of it, so that a figure that trembles is told once.
#[derive(Clone, Copy, Debug)]
struct Marks {
    tight: u64,
    critical: u64,
    /// A level that was reached holds down to so many percent of its mark.
    hold: u64,
}

impl Marks {
    fn judge(&self, value: u64, was: SystemPressureLevel) -> SystemPressureLevel {
        let reached = |mark: u64, level| {
            value >= if was >= level { mark.saturating_mul(self.hold) / 100 } else { mark }
        };
        if reached(self.critical, SystemPressureLevel::Critical) {
            SystemPressureLevel::Critical
        } else if reached(self.tight, SystemPressureLevel::Tight) {
            SystemPressureLevel::Tight
        } else {
            SystemPressureLevel::Calm
        }
    }
}

/// What is in use and how much may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) used: u64,
    pub(super) limit: u64,
}

impl Size {
    /// Millionths of the limit; a limit of nothing is always reached.
    pub(super) fn fill(self) -> u64 {
        let fill = (u128::from(self.used) * 1_000_000).checked_div(u128::from(self.limit));
        fill.map_or(u64::MAX, |fill| u64::try_from(fill).unwrap_or(u64::MAX))
    }
}

/// Stalls: tight when some task waits for a tenth of the time, critical when all do. The system's averages over ten
/// seconds fall slowly by themselves, so a level ends at half of its mark.
const SOME: Marks = Marks { tight: 1000, critical: u64::MAX, hold: 50 };
const FULL: Marks = Marks { tight: 1000, critical: 1000, hold: 50 };

/// Watches how near the process is to running out of memory: asks the operating system when it is polled, a few
/// microseconds up to some ten (a few reads of small files that stay open). Once a second is often enough. Polling
/// allocates nothing. `Send`.
///
/// It looks at the control groups (version 2) in which the process was when it was made; version 1 is not looked at.
///
/// ```
/// use arenite::watch::{SystemPressure, SystemPressureLevel};
/// use arenite::{ResourceCache, Tag};
///
/// let pictures: ResourceCache<u32, Vec<u8>> = ResourceCache::new(Tag::register("pictures")?);
/// let mut system = SystemPressure::new().resident_limit(2 << 30);
///
/// // Now and then, between frames:
/// system.poll_and_tell(|now| match now.level {
///     SystemPressureLevel::Calm => {}
///     SystemPressureLevel::Tight => drop(pictures.trim_to(64 << 20)),
///     SystemPressureLevel::Critical => drop(pictures.clear()),
/// });
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct SystemPressure {
    groups: Groups,
    stalls: Option<Text>,
    resident_limit: Option<u64>,
    marks: Marks,
    size_was: SystemPressureLevel,
    some_was: SystemPressureLevel,
    full_was: SystemPressureLevel,
    told: SystemPressureLevel,
}

impl SystemPressure {
    /// Finds out who can tell. Allocates; opens a few files on Linux.
    #[must_use]
    pub fn new() -> Self {
        let known = cfg!(any(target_os = "linux", target_os = "android"));
        if known { Self::under(Path::new("/")) } else { Self::with(Groups::NONE, None) }
    }

    /// As [`new`](Self::new), with the system's files below another folder (`proc/self/cgroup`, `proc/pressure/memory` and
    /// `sys/fs/cgroup`): to try on made-up figures what a program does under pressure.
    #[must_use]
    pub fn under(root: &Path) -> Self {
        let groups = Groups::of_this_process(root);
        let machine = || Text::open(&root.join("proc/pressure/memory"));
        let stalls = groups.stalls().or_else(machine);
        Self::with(groups, stalls)
    }

    fn with(groups: Groups, stalls: Option<Text>) -> Self {
        Self {
            groups,
            stalls,
            resident_limit: None,
            marks: Marks { tight: 800_000, critical: 950_000, hold: 95 },
            size_was: SystemPressureLevel::Calm,
            some_was: SystemPressureLevel::Calm,
            full_was: SystemPressureLevel::Calm,
            told: SystemPressureLevel::Calm,
        }
    }

    /// The most bytes that the process ought to have in memory: a limit of the program's own, which is watched beside
    /// those of the system. Default: none.
    #[must_use]
    pub const fn resident_limit(mut self, bytes: u64) -> Self {
        self.resident_limit = Some(bytes);
        self
    }

    /// From which part of a limit on it is tight, and from which it is critical. Default: 0.8 and 0.95.
    ///
    /// # Panics
    /// Unless 0 < `tight` ≤ `critical` ≤ 1.
    #[must_use]
    pub fn marks(mut self, tight: f64, critical: f64) -> Self {
        assert!(0.0 < tight && tight <= critical && critical <= 1.0, "marks: 0 < tight <= critical <= 1");
        let millionths = |part: f64| (part * 1e6) as u64;
        self.marks = Marks { tight: millionths(tight), critical: millionths(critical), ..self.marks };
        self
    }

    /// Looks. Allocates nothing.
    ///
    /// A level is entered at its mark and left clearly below it (at 95 % of the mark; for stalls at half of it).
    #[must_use]
    pub fn poll(&mut self) -> SystemPressureReading {
        let stall = self.stalls.as_mut().and_then(read_stall);
        let resident = self.resident_limit.map(|limit| {
            let size = Size { used: os::process_memory().resident as u64, limit };
            (size, SystemPressureSource::Resident)
        });
        let group = self.groups.fullest().map(|size| (size, SystemPressureSource::Cgroup));
        let own = match (group, resident) {
            (Some(group), Some(resident)) if resident.0.fill() > group.0.fill() => Some(resident),
            (group, resident) => group.or(resident),
        };
        let size = own.or_else(|| {
            let os::MachineMemory { total, available, .. } = os::machine_memory();
            let size = Size { used: total.saturating_sub(available), limit: total };
            (total > 0).then_some((size, SystemPressureSource::Machine))
        });

        let judged = size.filter(|(_, source)| *source != SystemPressureSource::Machine || stall.is_none());
        let calm = SystemPressureLevel::Calm;
        self.size_was = judged.map_or(calm, |(size, _)| self.marks.judge(size.fill(), self.size_was));
        self.some_was = stall.map_or(calm, |stall| SOME.judge(stall.some.into(), self.some_was));
        self.full_was = stall.map_or(calm, |stall| FULL.judge(stall.full.into(), self.full_was));
        let waiting = self.some_was.max(self.full_was);
        let source = match (judged, stall) {
            (Some((_, source)), _) if self.size_was >= waiting => source,
            (_, Some(_)) => SystemPressureSource::Psi,
            _ => SystemPressureSource::Nobody,
        };
        SystemPressureReading {
            level: self.size_was.max(waiting),
            source,
            used: size.map_or(0, |(size, _)| size.used),
            limit: size.map(|(size, _)| size.limit),
            stall,
        }
    }

    /// Looks, and calls `tell` if the level is another one than it was told last (at first: [`Calm`](SystemPressureLevel::Calm)),
    /// upwards and downwards. Allocates nothing itself.
    pub fn poll_and_tell(&mut self, tell: impl FnOnce(&SystemPressureReading)) -> SystemPressureReading {
        let reading = self.poll();
        if reading.level != self.told {
            self.told = reading.level;
            tell(&reading);
        }
        reading
    }
}

impl Default for SystemPressure {
    fn default() -> Self {
        Self::new()
    }
}

/// Two lines such as `some avg10=0.12 avg60=0.00 avg300=0.00 total=860557`; nothing if neither is whole. A line that is
/// missing counts as no waiting.
fn read_stall(text: &mut Text) -> Option<Stall> {
    let mut buffer = [0; 512];
    let mut stall = None;
    for line in text.read(&mut buffer)?.split(|&byte| byte == b'\n') {
        let mut words = line.split(|&byte| byte == b' ');
        let kind = words.next().unwrap_or(b"");
        let (mut average, mut total) = (None, None);
        for word in words {
            if let Some(value) = word.strip_prefix(b"avg10=") {
                average = hundredths(value);
            } else if let Some(value) = word.strip_prefix(b"total=") {
                total = number(value);
            }
        }
        let (Some(average), Some(total)) = (average, total) else { continue };
        let whole: &mut Stall = match kind {
            b"some" | b"full" => stall.get_or_insert_default(),
            _ => continue,
        };
        if kind == b"some" {
            (whole.some, whole.some_total) = (average, total);
        } else {
            (whole.full, whole.full_total) = (average, total);
        }
    }
    stall
}

/// A percentage such as `12.34`, in hundredths; more than all of the time is all of it.
fn hundredths(text: &[u8]) -> Option<u32> {
    let mut parts = text.splitn(2, |&byte| byte == b'.');
    let whole = number(parts.next()?)?;
    let part = match parts.next().unwrap_or(b"0") {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9', ..] => u32::from(tens - b'0') * 10 + u32::from(ones - b'0'),
        [tens @ b'0'..=b'9'] => u32::from(tens - b'0') * 10,
        _ => return None,
    };
    Some((u32::try_from(whole).unwrap_or(u32::MAX).saturating_mul(100).saturating_add(part)).min(10_000))
}

#[cfg(all(test, not(loom)))]
mod tests;
