//! A recording that is followed, from which pictures are taken.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::{Child, ExitCode};
use std::thread;
use std::time::{Duration, Instant};

use arenite::record::format::FormatError;
use arenite_demo::report::units::{count, counted};
use arenite_inspect::{Follow, FollowState, ReadError};
use tempfile::TempDir;

use super::draw::site_figure;
use super::find::{Source, is_written};
use super::names::Names;
use super::picture::{MOST_ROWS, Picture, SiteRow, Status};
use super::state::{State, View};
use crate::fault::Fault;
use crate::run::code_of;

/// A file that is not there, or has no header yet, is waited for so long if this program has started the one that writes it.
const PATIENCE: Duration = Duration::from_secs(10);
/// The same for a file that was named, and is there.
const FOR_HEADER: Duration = Duration::from_secs(1);
/// So often it is looked whether a file that does not grow is still being written.
const LOOK: Duration = Duration::from_secs(1);

/// A recording that is followed.
pub(super) struct Watched {
    follow: Follow,
    names: Names,
    name: String,
    process: u32,
    child: Option<Child>,
    /// Where the recording of that program is.
    _folder: Option<TempDir>,
    budgets: Vec<(String, u64)>,
    status: Status,
    /// The file's length, and when it changed or was looked at for the last time.
    seen: (u64, Instant),
}

impl Watched {
    /// # Errors
    /// It is no recording.
    pub(super) fn new(mut source: Source, budgets: Vec<(String, u64)>) -> Result<Self, Fault> {
        let follow = open(&mut source)?;
        let beside = follow.path().map_or_else(PathBuf::new, |path| super::super::folder(path).to_owned());
        let Source { name, process, child, folder, .. } = source;
        let process = process.unwrap_or(follow.header().process);
        Ok(Self {
            follow,
            names: Names::new(beside)?,
            name,
            process,
            child,
            _folder: folder,
            budgets,
            status: Status::Reading,
            seen: (0, Instant::now()),
        })
    }

    /// How the recording goes on.
    pub(super) fn status(&self) -> &Status {
        &self.status
    }

    /// Reads what was added, up to some megabytes of it.
    pub(super) fn poll(&mut self) -> &Status {
        if matches!(self.status, Status::Failed(_)) {
            return &self.status;
        }
        let now = Instant::now();
        let state = self.follow.poll(now);
        let grew = self.follow.len() != self.seen.0;
        self.status = match state {
            Ok(FollowState::Ended) => Status::Ended,
            Ok(FollowState::Behind) => Status::Reading,
            Ok(_) if self.status == Status::Left && !grew => Status::Left,
            Ok(_) if !grew && now.saturating_duration_since(self.seen.1) >= LOOK && self.is_left() => {
                self.last(now)
            }
            Ok(_) if self.follow.board().is_paused() => Status::Paused,
            Ok(_) => Status::Live,
            Err(error) => Status::Failed(error.to_string()),
        };
        if grew || now.saturating_duration_since(self.seen.1) >= LOOK {
            self.seen = (self.follow.len(), now);
        }
        &self.status
    }

    /// As [`poll`](Self::poll), for those who will not come again: a file that nobody writes is told from one that is only not written
    /// at this moment.
    pub(super) fn poll_once(&mut self) -> &Status {
        while *self.poll() == Status::Reading {}
        if matches!(self.status, Status::Live | Status::Paused) && self.is_left() {
            self.status = self.last(Instant::now());
        }
        &self.status
    }

    /// What there is when nobody writes any more: the end may have been written a moment before. What is not written will never be, so
    /// the rest is final, too.
    fn last(&mut self, now: Instant) -> Status {
        match self.follow.poll(now + Follow::<std::fs::File>::MARGIN) {
            Ok(FollowState::Ended) => Status::Ended,
            Ok(FollowState::Behind) => Status::Reading,
            Ok(_) => Status::Left,
            Err(error) => Status::Failed(error.to_string()),
        }
    }

    /// Whether nobody writes the file any more.
    fn is_left(&self) -> bool {
        self.follow.path().is_some_and(|path| is_written(self.process, path) == Some(false))
    }

    /// All figures of this moment; of long lists what is seen by this choice.
    pub(super) fn picture(&mut self, state: &State) -> Picture {
        let (board, header) = (self.follow.board(), self.follow.header());
        self.names.modules(self.follow.module_bytes(), || self.follow.modules());
        let figure = site_figure(state.order_of(View::Sites));
        let sites = board.sites(MOST_ROWS, figure).into_iter().map(|(stack, activity)| {
            let name = self.names.get(stack, board.stack(stack)).map(str::to_owned);
            SiteRow { stack, activity, name }
        });
        Picture {
            file: self.name.clone(),
            process: self.process,
            status: self.status.clone(),
            seconds: board.seconds(board.clock()),
            units_per_second: header.units_per_second,
            sample_bytes: header.sample_bytes,
            total: board.total(),
            history: board.history().iter().copied().collect(),
            tags: board.tags(),
            budgets: self.budgets.clone(),
            sites: sites.collect(),
            site_count: board.site_count(),
            frames: board.frames().iter().copied().collect(),
            frame_count: board.frame_count(),
            worst_frame: board.worst_frame().copied(),
            threads: board.threads(),
            marks: board.marks().iter().map(|mark| (board.seconds(mark.time), mark.clone())).collect(),
            sizes: board.sizes().to_vec(),
            memory: board.process(),
            warnings: self.warnings(),
        }
    }

    /// What a reader of the figures must know: a line each.
    fn warnings(&self) -> Vec<String> {
        let (follow, board) = (&self.follow, self.follow.board());
        let mut lines = Vec::new();
        let mut warn = |is: bool, line: String| {
            if is {
                lines.push(line);
            }
        };
        if let Status::Failed(error) = &self.status {
            warn(true, error.clone());
        }
        warn(self.status == Status::Left, "nobody writes it any more, and it did not come to its end".into());
        warn(
            board.lost() > 0,
            format!("{} were dropped by the recorder", counted(board.lost(), "event", "events")),
        );
        warn(
            board.late() > 0,
            format!(
                "{} came late: what lives may be wrong by them",
                counted(board.late(), "event", "events")
            ),
        );
        warn(
            follow.damaged() > 0 || follow.skipped() > 0,
            format!(
                "{} and {} more of the file are damaged",
                counted(follow.damaged(), "chunk", "chunks"),
                counted(follow.skipped(), "byte", "bytes")
            ),
        );
        let mean = follow.header().sample_bytes;
        warn(
            mean > 0,
            format!(
                "a sample, of one block for {} bytes: figures are estimates of the whole, ± what has the truth 95 times in 100",
                count(mean)
            ),
        );
        warn(
            board.pauses() > 0,
            format!(
                "paused {}: what was freed meanwhile seems to live",
                counted(board.pauses(), "time", "times")
            ),
        );
        lines
    }

    /// Waits for names of call sites that were asked for, but not longer than until then.
    pub(super) fn wait_for_names(&mut self, until: Instant) {
        self.names.wait(until);
    }

    /// Waits for the program, if this one has started it. What it ended with.
    ///
    /// # Errors
    /// It can not be waited for.
    pub(super) fn wait(&mut self) -> Result<ExitCode, Fault> {
        let Some(mut child) = self.child.take() else { return Ok(ExitCode::SUCCESS) };
        if matches!(child.try_wait(), Ok(None)) {
            // Nothing is left to do when standard error is closed.
            let _ = writeln!(io::stderr(), "the program goes on, and is waited for; ctrl-C ends it");
        }
        let status = child
            .wait()
            .map_err(|error| Fault::new(format!("the program can not be waited for: {error}")))?;
        Ok(code_of(status))
    }
}

/// Opens the file, which may be one that is only just being made.
fn open(source: &mut Source) -> Result<Follow, Fault> {
    let began = Instant::now();
    loop {
        let error = match Follow::open(&source.path) {
            Ok(follow) => return Ok(follow),
            Err(error) => error,
        };
        let patience = match (&error, &mut source.child) {
            (ReadError::Format(FormatError::CutOff), None) => FOR_HEADER,
            (ReadError::Format(FormatError::CutOff) | ReadError::File(_), Some(child)) => {
                if let Ok(Some(status)) = child.try_wait() {
                    return Err(Fault::new(format_args!(
                        "the program has ended ({status}), and nothing was recorded: a program that is linked statically, or runs with another \
                         user's rights, does not load the library"
                    )));
                }
                PATIENCE
            }
            _ => Duration::ZERO,
        };
        if began.elapsed() >= patience {
            return Err(Fault::new(format_args!("{}: {error}", source.name)));
        }
        thread::sleep(Duration::from_millis(10));
    }
}
