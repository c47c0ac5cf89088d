//! `arenite top`: a dashboard of a recording that is being made.
//!
//! ```text
//!   find      which file: the one that was named, the one that a process writes, or that of a program which it starts (crate::record)
//!   watch     Watched: follows it (arenite_inspect::Follow), names call sites (names, a thread), takes pictures
//!   picture   all figures of one moment, and nothing else
//!   state     what the person has chosen: view, order, filter, page; a pure function of keys
//!   draw      picture and state ─► cells; a pure function
//!   screen    the terminal: keys in, cells out, given back however the program ends
//!   plain     the same cells as lines of text, where there is no terminal
//! ```

mod draw;
mod find;
mod names;
mod picture;
mod plain;
#[cfg(test)]
mod samples;
mod screen;
mod state;
mod watch;

use std::io::{self, IsTerminal};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use super::args::TopArgs;
use crate::fault::Fault;
use watch::Watched;

/// How a dashboard is shown.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// Time from one picture to the next.
    interval: Duration,
    /// When it ends by itself.
    ends: Option<Instant>,
}

impl Pace {
    fn is_over(&self) -> bool {
        self.ends.is_some_and(|ends| Instant::now() >= ends)
    }
}

/// Shows a recording while it is being made.
///
/// # Errors
/// There is no such process or file, the process writes no recording, the file is none; the terminal refuses.
pub(crate) fn top(args: &TopArgs) -> Result<ExitCode, Fault> {
    let source = find::source(&args.how, &args.target)?;
    let budgets = args.budgets.clone();
    show(Watched::new(source, budgets)?, args)
}

/// Shows what is watched. A program that was started for it is waited for when the dashboard has ended, and what it ended with is answered.
fn show(mut watched: Watched, args: &TopArgs) -> Result<ExitCode, Fault> {
    let ends = args.during.map(|during| Instant::now() + Duration::from_nanos(during));
    let pace = Pace { interval: Duration::from_nanos(args.interval), ends };
    if args.once {
        plain::once(&mut watched)?;
    } else if io::stdout().is_terminal() {
        screen::run(&mut watched, &pace)?;
    } else {
        plain::run(&mut watched, &pace)?;
    }
    watched.wait()
}
