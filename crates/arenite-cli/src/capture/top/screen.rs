//! The terminal: keys in, cells out. However the program ends (q, an error, a signal, a panic), the terminal is as it was.

use std::io;
use std::time::{Duration, Instant};

use ratatui::DefaultTerminal;
use ratatui::crossterm::event::{self, Event};
use ratatui::layout::Rect;

use super::Pace;
use super::draw::{draw, extent};
use super::picture::{Picture, Status};
use super::state::{Action, State};
use super::watch::Watched;
use crate::fault::Fault;

/// Between two redraws there is at least so much time; and so long a key is waited for before it is looked whether the file has
/// grown, or a signal came.
const REDRAW: Duration = Duration::from_millis(100);

/// The terminal, which is given back when this is dropped. A panic gives it back before it says what happened.
struct Screen(DefaultTerminal);

impl Screen {
    fn new() -> Result<Self, Fault> {
        ratatui::try_init().map(Self).map_err(|error| {
            ratatui::restore();
            terminal_fault(&error)
        })
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        // Should it be gone, there is nothing to give back.
        let _ = self.0.show_cursor();
        ratatui::restore();
    }
}

fn terminal_fault(error: &io::Error) -> Fault {
    Fault::new(format_args!("the terminal can not be used: {error}"))
}

/// Shows the dashboard until somebody leaves it.
///
/// # Errors
/// The terminal refuses, or has gone.
pub(super) fn run(watched: &mut Watched, pace: &Pace) -> Result<(), Fault> {
    let signals = Signals::new()?;
    let shown = {
        let mut screen = Screen::new()?;
        show(watched, pace, &mut screen.0, &signals).map_err(|error| terminal_fault(&error))
    };
    // With the terminal as it was, the program ends as the signal would have ended it.
    signals.obey();
    shown
}

fn show(
    watched: &mut Watched,
    pace: &Pace,
    terminal: &mut DefaultTerminal,
    signals: &Signals,
) -> io::Result<()> {
    let mut state = State::default();
    watched.poll();
    let mut picture = Picture::default();
    // What is drawn is not what is to be seen any more; and it needs another picture.
    let (mut stale, mut old) = (true, true);
    let (mut drawn, mut taken): (Option<Instant>, _) = (None, Instant::now());
    while !pace.is_over() && !signals.came() {
        let now = Instant::now();
        old |= !state.paused && now.saturating_duration_since(taken) >= pace.interval;
        let is_due = drawn.is_none_or(|drawn| now.saturating_duration_since(drawn) >= REDRAW);
        if (stale || old) && is_due {
            if old {
                (picture, taken) = (watched.picture(&state), now);
            }
            terminal.draw(|frame| draw(&picture, &state, frame.area(), frame.buffer_mut()))?;
            (drawn, stale, old) = (Some(now), false, false);
        }
        let is_behind = *watched.poll() == Status::Reading;
        if !event::poll(if is_behind { Duration::ZERO } else { REDRAW })? {
            continue;
        }
        match event::read()? {
            Event::Key(key) => {
                let size = terminal.size()?;
                let seen = extent(&picture, &state, Rect::new(0, 0, size.width, size.height));
                match state.key(&key, seen) {
                    Action::Nothing => {}
                    Action::Quit => return Ok(()),
                    Action::Redraw => {
                        // Another choice may show other figures, unless the display is paused.
                        (stale, old) = (true, !state.paused);
                    }
                }
            }
            Event::Resize(..) => stale = true,
            _ => {}
        }
    }
    Ok(())
}

/// Signals that end a program.
#[cfg(unix)]
struct Signals(Vec<(i32, std::sync::Arc<std::sync::atomic::AtomicBool>)>);

#[cfg(unix)]
impl Signals {
    fn new() -> Result<Self, Fault> {
        use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
        let noted = [SIGHUP, SIGINT, SIGQUIT, SIGTERM].map(|signal| {
            let flag = std::sync::Arc::default();
            signal_hook::flag::register(signal, std::sync::Arc::clone(&flag)).map(|_| (signal, flag))
        });
        let noted: Result<Vec<_>, io::Error> = noted.into_iter().collect();
        noted.map(Self).map_err(|error| Fault::new(format_args!("signals can not be noted: {error}")))
    }

    fn first(&self) -> Option<i32> {
        let came = self.0.iter().find(|(_, flag)| flag.load(std::sync::atomic::Ordering::Relaxed));
        came.map(|(signal, _)| *signal)
    }

    fn came(&self) -> bool {
        self.first().is_some()
    }

    fn obey(&self) {
        if let Some(signal) = self.first() {
            // Does not come back, unless the signal can not be raised.
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> Result<Self, Fault> {
        Ok(Self)
    }

    fn came(&self) -> bool {
        false
    }

    fn obey(&self) {}
}
