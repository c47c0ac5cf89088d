//! The dashboard as lines of text, where there is no terminal.

use std::io::{self, Write as _};
use std::thread;
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::Pace;
use super::draw::{body, draw};
use super::picture::{Picture, Status};
use super::state::{State, View};
use super::watch::Watched;
use crate::fault::Fault;

/// Cells of a line.
const WIDTH: u16 = 100;
/// Lines of the overview, with the two lines above it, which most of it fits in; and of the lists that follow.
const OVERVIEW: u16 = 26;
const LIST: u16 = 13;
/// From one snapshot to the next there is at least so much time.
const SECOND: Duration = Duration::from_secs(1);
/// Names of call sites are waited for that long.
const FOR_NAMES: Duration = Duration::from_secs(30);
/// From one look at the file to the next.
const NAP: Duration = Duration::from_millis(50);

/// Prints one snapshot of what is there.
///
/// # Errors
/// Standard output refuses.
pub(super) fn once(watched: &mut Watched) -> Result<(), Fault> {
    watched.poll_once();
    print(watched).map(drop)
}

/// Prints a snapshot a second until the recording ends, or nobody reads any more.
///
/// # Errors
/// Standard output refuses.
pub(super) fn run(watched: &mut Watched, pace: &Pace) -> Result<(), Fault> {
    let interval = pace.interval.max(SECOND);
    loop {
        let began = Instant::now();
        while *watched.poll() == Status::Reading && !pace.is_over() {}
        if !print(watched)? || watched.status().is_final() {
            return Ok(());
        }
        while began.elapsed() < interval && !watched.status().is_final() {
            if pace.is_over() {
                return Ok(());
            }
            thread::sleep(NAP);
            watched.poll();
        }
    }
}

/// Prints a snapshot. False if nobody reads it.
fn print(watched: &mut Watched) -> Result<bool, Fault> {
    let state = State::default();
    // Names are asked for with the first picture.
    watched.picture(&state);
    watched.wait_for_names(Instant::now() + FOR_NAMES);
    let text = text(&watched.picture(&state));
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Fault::new(format_args!("cannot write to standard output: {error}"))),
    }
}

/// A picture as text: the overview, then the first rows of tags and call sites.
fn text(picture: &Picture) -> String {
    let mut state = State::default();
    let mut text = lines(WIDTH, OVERVIEW, |area, buffer| draw(picture, &state, area, buffer), true);
    for view in [View::Tags, View::Sites] {
        state.look_at(view);
        text.push('\n');
        text.push_str(&lines(WIDTH, LIST, |area, buffer| body(picture, &state, area, buffer), false));
    }
    text.push('\n');
    text
}

/// What is drawn, as lines without the cells that are empty at the end; of a whole screen without the lines for keys.
fn lines(width: u16, height: u16, draw: impl FnOnce(Rect, &mut Buffer), screen: bool) -> String {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    draw(area, &mut buffer);
    let mut text = String::new();
    let shown = (0..height).filter(|row| !screen || (*row != 1 && *row != height - 1));
    for row in shown {
        let mut line = String::new();
        let mut column = 0;
        while column < width {
            let symbol = buffer[(column, row)].symbol();
            line.push_str(symbol);
            // Behind a wide character there is a cell that belongs to it.
            column += u16::try_from(ratatui::text::Span::raw(symbol).width()).unwrap_or(1).max(1);
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    let end = text.trim_end().len();
    text.truncate(end);
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::super::samples;
    use super::*;

    #[test]
    fn a_snapshot_is_lines_of_text() {
        let text = text(&samples::game());
        assert!(text.starts_with(" live  12.5 s "), "{text}");
        for part in ["game.arec", "per second", "scene/textures", "load_level", "9.54 MiB in 1,234 blocks"] {
            assert!(text.contains(part), "{part} is missing in\n{text}");
        }
        assert!(!text.contains("q quit"), "nobody presses keys\n{text}");
        let hostile = super::text(&samples::hostile());
        for line in text.lines().chain(hostile.lines()) {
            assert!(
                line.chars().count() <= usize::from(WIDTH) && !line.chars().any(char::is_control),
                "{line}"
            );
        }
    }
}
