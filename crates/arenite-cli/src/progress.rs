//! A progress bar on a terminal, and nothing anywhere else.

use std::io::{self, IsTerminal};

use arenite_demo::config::Observer;
use indicatif::{ProgressBar, ProgressStyle};

/// Shows how far a run is. Draws only when it is told something, which is between frames: a thread that ticks would
/// disturb the frames that are measured.
pub(crate) struct Progress {
    bar: Option<ProgressBar>,
    frames: u32,
    done: u64,
}

impl Progress {
    /// A bar for scenes of `frames` frames; none if standard error is no terminal or `quiet` is set.
    pub(crate) fn new(frames: u32, quiet: bool) -> Self {
        let shown = !quiet && io::stderr().is_terminal();
        Self { bar: shown.then(|| ProgressBar::new(0).with_style(style())), frames, done: 0 }
    }

    /// A bar that counts `steps` of a comparison.
    pub(crate) fn steps(steps: u64, quiet: bool) -> Self {
        let progress = Self::new(1, quiet);
        if let Some(bar) = &progress.bar {
            bar.set_length(steps);
        }
        progress
    }

    /// Says what is being done, `done` steps into it.
    pub(crate) fn show(&self, message: String, done: u64) {
        if let Some(bar) = &self.bar {
            bar.set_message(message);
            bar.set_position(done);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn style() -> ProgressStyle {
    ProgressStyle::with_template("{msg:24} {bar:40} {pos}/{len} · {eta} left")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Observer for Progress {
    fn scene_started(&mut self, map: &str, scene: u32, scenes: u32) {
        self.done = u64::from(scene) * u64::from(self.frames);
        if let Some(bar) = &self.bar {
            bar.set_length(u64::from(scenes) * u64::from(self.frames));
            self.show(format!("{map} ({} of {scenes})", scene + 1), self.done);
        }
    }

    fn frame_done(&mut self, frames: u32) {
        if let Some(bar) = &self.bar {
            bar.set_position(self.done + u64::from(frames));
        }
    }
}
