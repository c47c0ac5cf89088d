//! Asks monitors every so many frames and passes on what they say.

use std::boxed::Box;
use std::fmt;
use std::vec::Vec;

use super::ResourceMonitor;
#[cfg(feature = "metrics")]
use super::{Figure, Kind, Unit};
use crate::os;

/// Who is told.
type Sink = Box<dyn FnMut(&dyn ResourceMonitor) + Send>;

/// Looks at [`ResourceMonitor`]s every so many frames and tells the log, tracing, metrics, or a function of the program.
/// Between two looks a frame costs a count; a look is for the end of a frame, not for the middle.
///
/// ```
/// use arenite::Ledger;
/// use arenite::watch::{MemoryMonitor, Reporter};
///
/// let mut reporter = Reporter::every(60)
///     .watch(MemoryMonitor::new(Ledger::process()))
///     .tell(|monitor| println!("{}: {monitor}", monitor.name())); // or .log(), .tracing(), .metrics()
/// for _frame in 0..120 {
///     // …
///     reporter.end_frame(); // prints twice
/// }
/// assert_eq!(reporter.looks(), 2);
/// ```
#[must_use]
pub struct Reporter {
    every: u32,
    frames: u32,
    looks: u64,
    monitors: Vec<Box<dyn ResourceMonitor>>,
    sinks: Vec<Sink>,
}

impl Reporter {
    /// Looks every so many frames; 0 counts as 1.
    pub fn every(frames: u32) -> Self {
        Self { every: frames.max(1), frames: 0, looks: 0, monitors: Vec::new(), sinks: Vec::new() }
    }

    /// Watches one thing more.
    pub fn watch(mut self, monitor: impl ResourceMonitor + 'static) -> Self {
        self.monitors.push(Box::new(monitor));
        self
    }

    /// Tells a function, once for each monitor and look.
    pub fn tell(mut self, sink: impl FnMut(&dyn ResourceMonitor) + Send + 'static) -> Self {
        self.sinks.push(Box::new(sink));
        self
    }

    /// Writes a line to the logger of the crate `log`, with the target `arenite`: at level `info`, or `warn` if there is
    /// [reason to worry](ResourceMonitor::is_alarming).
    #[cfg(feature = "log")]
    pub fn log(self) -> Self {
        self.tell(|monitor| {
            let level = if monitor.is_alarming() { log::Level::Warn } else { log::Level::Info };
            log::log!(target: "arenite", level, "{}: {monitor}", monitor.name());
        })
    }

    /// Sends an event to the subscriber of the crate `tracing`, with the target `arenite` and a field `monitor`: at level
    /// `INFO`, or `WARN` if there is [reason to worry](ResourceMonitor::is_alarming).
    #[cfg(feature = "tracing")]
    pub fn tracing(self) -> Self {
        self.tell(|monitor| {
            if monitor.is_alarming() {
                tracing::warn!(target: "arenite", monitor = monitor.name(), "{monitor}");
            } else {
                tracing::info!(target: "arenite", monitor = monitor.name(), "{monitor}");
            }
        })
    }

    /// Sets gauges and counters of the recorder of the crate `metrics`, with a label `tag` where they belong to one. What
    /// recorders do with them (keep, send, allocate) is their affair.
    #[cfg(feature = "metrics")]
    pub fn metrics(self) -> Self {
        let mut described = Vec::new();
        self.tell(move |monitor| {
            monitor.figures(&mut |figure| {
                if !described.contains(&figure.name) {
                    described.push(figure.name);
                    describe(&figure);
                }
                record(&figure);
            });
        })
    }

    /// Counts a frame, and looks if it is time to. At the time of the monotonic clock.
    #[inline]
    pub fn end_frame(&mut self) {
        self.frames += 1;
        if self.frames >= self.every {
            self.look(os::monotonic_ns());
        }
    }

    /// Looks now, at `now_ns` nanoseconds on a clock of the caller.
    #[cold]
    pub fn look(&mut self, now_ns: u64) {
        let frames = std::mem::take(&mut self.frames);
        self.looks += 1;
        for monitor in &mut self.monitors {
            monitor.sample(frames, now_ns);
            for sink in &mut self.sinks {
                sink(&**monitor);
            }
        }
    }

    /// How often it has looked.
    #[must_use]
    pub const fn looks(&self) -> u64 {
        self.looks
    }

    /// What it watches.
    pub fn monitors(&self) -> impl Iterator<Item = &dyn ResourceMonitor> {
        self.monitors.iter().map(|monitor| &**monitor)
    }
}

impl fmt::Debug for Reporter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.monitors.iter().map(|monitor| monitor.name()).collect();
        f.debug_struct("Reporter")
            .field("every", &self.every)
            .field("looks", &self.looks)
            .field("monitors", &names)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "metrics")]
fn describe(figure: &Figure) {
    let unit = match figure.unit {
        Unit::Bytes => metrics::Unit::Bytes,
        Unit::Count => metrics::Unit::Count,
    };
    match figure.kind {
        Kind::Gauge => metrics::describe_gauge!(figure.name, unit, figure.about),
        Kind::Counter => metrics::describe_counter!(figure.name, unit, figure.about),
    }
}

#[cfg(feature = "metrics")]
fn record(figure: &Figure) {
    match (figure.kind, figure.tag) {
        (Kind::Gauge, Some(tag)) => metrics::gauge!(figure.name, "tag" => tag).set(figure.value as f64),
        (Kind::Gauge, None) => metrics::gauge!(figure.name).set(figure.value as f64),
        (Kind::Counter, Some(tag)) => metrics::counter!(figure.name, "tag" => tag).absolute(figure.value),
        (Kind::Counter, None) => metrics::counter!(figure.name).absolute(figure.value),
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
