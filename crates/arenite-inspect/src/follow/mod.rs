//! A capture that is still being written: what it has come to so far, for a display that is looked at meanwhile.
//!
//! ```text
//!   Follow::poll ─ tail    chunks that were added; a last one that is not whole yet is waited for
//!                ─ merge   events of all threads, in the order of time, as far as nothing older can come
//!                ─ Board   what lives and what was asked for: by tag, call site, thread, frame, size; and of late
//!                            ├─ tags     the tree of tags, the names of which may come at any time
//!                            └─ recent   rates of the last second, and a history in quarters of a second
//! ```
//!
//! Of a capture that came to its end, a board says what a [`Summary`](crate::Summary) says.
//!
//! **When an event is shown.** A recorder tells what happened within 80 milliseconds, and a thread that does nothing tells nothing: so
//! silence of a thread is no reason to wait for it. An event is shown when the recorder has written something that is half a
//! second younger ([`MARGIN`](Follow::MARGIN)), or when the file has not grown for so long, or has come to its end. What comes later than
//! that, because the recorder could not write for a while, is shown as soon as it is there, and counted
//! ([`Board::late`]): a block may then seem to live on whose free was shown before it.

mod board;
mod merge;
mod recent;
mod tags;
mod tail;

use std::fmt;
use std::fs::{self, File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use arenite::record::format::events::What;
use arenite::record::format::{ChunkHeader, ChunkKind, FILE_HEADER, FileHeader};

pub use board::{Activity, Board, ThreadRow};
use merge::Merge;
pub use recent::{Rate, Tick};
pub use tags::TagRow;
use tail::Tail;

use crate::ReadError;
use crate::chunks::{Cursor, Place, read_at};
use crate::maps::{ModuleMap, Texts};
use crate::reader::RECORDER;

/// Bytes of a file that one poll reads at the most, so that whoever polls can do something else in between.
const AT_ONCE: u64 = 8 << 20;

/// How far a capture was followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FollowState {
    /// More is there already: poll again.
    Behind,
    /// What is there was read; more may come.
    Waiting,
    /// The recording came to its end, and all of it was read.
    Ended,
}

/// Why a capture can not be followed any further. What was read before stays.
#[derive(Debug)]
#[non_exhaustive]
pub enum FollowError {
    /// It can not be read.
    Read(ReadError),
    /// It has become shorter.
    Shrunk,
    /// Another file, or another recording, is in its place.
    Replaced,
}

impl fmt::Display for FollowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(error) => error.fmt(f),
            Self::Shrunk => f.write_str("the file has become shorter: what is shown is what it was before"),
            Self::Replaced => {
                f.write_str("another recording is in its place: what is shown is of the one before")
            }
        }
    }
}

impl std::error::Error for FollowError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            Self::Shrunk | Self::Replaced => None,
        }
    }
}

impl<E: Into<ReadError>> From<E> for FollowError {
    fn from(error: E) -> Self {
        Self::Read(error.into())
    }
}

/// Reads a capture while it grows.
///
/// Needs memory for what lives, as [`Live`](crate::Live), for tags, call stacks and threads, and for a list of the chunks that were
/// written within [`MARGIN`](Self::MARGIN); not for events, and not for the length of the file.
#[derive(Debug)]
pub struct Follow<F = File> {
    file: F,
    /// Where it was opened, and which file that was.
    origin: Option<(PathBuf, Option<FileId>)>,
    header: FileHeader,
    margin: Duration,
    tail: Tail,
    merge: Merge,
    board: Board,
    modules: Texts,
    /// Bytes that the file had.
    len: u64,
    /// When it had more for the last time.
    grew: Option<Instant>,
    /// The latest time at which a chunk was written.
    taken: u64,
    chunks: u64,
    ended: bool,
}

impl Follow<File> {
    /// Opens a capture, which may have no more than its header yet. Nothing of it is read until the first [`poll`](Self::poll).
    ///
    /// # Errors
    /// As [`Capture::open`](crate::Capture::open).
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, ReadError> {
        let path = path.into();
        let file = File::open(&path)?;
        let id = file_id(&file.metadata()?);
        let mut follow = Self::read(file)?;
        follow.origin = Some((path, id));
        Ok(follow)
    }
}

impl<F: Read + Seek> Follow<F> {
    /// So much older than what the recorder wrote last is an event of which no older one can come: five times what the recorder says
    /// that it takes, and time for what a slow disk takes.
    pub const MARGIN: Duration = Duration::from_millis(500);

    /// As [`open`](Follow::open), of anything that can be read at any place.
    ///
    /// # Errors
    /// As `open`.
    pub fn read(mut file: F) -> Result<Self, ReadError> {
        let mut bytes = [0; FILE_HEADER];
        let len = read_at(&mut file, 0, &mut bytes)?;
        let header = FileHeader::parse(&bytes[..len])?;
        Ok(Self {
            file,
            origin: None,
            header,
            margin: Self::MARGIN,
            tail: Tail::new(FILE_HEADER as u64),
            merge: Merge::default(),
            board: Board::new(header.units_per_second, header.sample_bytes),
            modules: Texts::default(),
            len: 0,
            grew: None,
            taken: 0,
            chunks: 0,
            ended: false,
        })
    }

    /// Waits so much longer for older events instead of [`MARGIN`](Self::MARGIN).
    #[must_use]
    pub fn margin(mut self, margin: Duration) -> Self {
        self.margin = margin;
        self
    }

    /// What the capture says of itself.
    #[must_use]
    pub fn header(&self) -> &FileHeader {
        &self.header
    }

    /// What it has come to.
    #[must_use]
    pub fn board(&self) -> &Board {
        &self.board
    }

    /// Whether the recording came to its end.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.ended
    }

    /// Bytes of the file so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Whether the file had nothing when it was polled last.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whole chunks that were found.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        self.chunks
    }

    /// Bytes in the middle of the file that belong to no chunk. What may still become one, at its end, is not among them.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.tail.skipped()
    }

    /// Chunks that could not be read, or whose beginning is missing.
    #[must_use]
    pub fn damaged(&self) -> u64 {
        self.merge.damaged()
    }

    /// Which modules the process had loaded, as far as that was read: as [`Capture::modules`](crate::Capture::modules) answers.
    #[must_use]
    pub fn modules(&self) -> Vec<ModuleMap> {
        self.modules.maps()
    }

    /// How many bytes are known of those; more of them are a reason to look at them again.
    #[must_use]
    pub fn module_bytes(&self) -> usize {
        self.modules.bytes()
    }

    /// Reads what was added, up to some megabytes of it. `now` is the time of the call, by which it is told that the file has not grown
    /// for a while.
    ///
    /// # Errors
    /// [`FollowError`]. What is damaged is none: it is left out, and counted.
    pub fn poll(&mut self, now: Instant) -> Result<FollowState, FollowError> {
        let end = self.look()?;
        if end > self.len || self.grew.is_none() {
            self.len = end;
            self.grew = Some(now);
        }
        let quiet = self.grew.map_or(Duration::ZERO, |grew| now.saturating_duration_since(grew));
        let settled = quiet >= self.margin;
        let stop = self.tail.at().saturating_add(AT_ONCE);
        let mut behind = false;
        while let Some((at, header)) = self.tail.next(&mut self.file, end, settled)? {
            self.chunk(at, &header)?;
            behind = self.tail.at() >= stop;
            if behind {
                break;
            }
        }
        let until = match () {
            () if behind => self.taken.saturating_sub(self.units(self.margin)),
            () if self.ended => u64::MAX,
            () if settled => self.taken,
            () => self.taken.saturating_sub(self.units(self.margin)),
        };
        self.merge.show(&mut self.file, until, &mut self.board)?;
        // Of a program that does nothing, the last second is one in which nothing was done.
        let passed = if settled && !self.ended { self.units(quiet) } else { 0 };
        self.board.passes(until.min(self.taken).saturating_add(passed));
        Ok(match () {
            () if behind => FollowState::Behind,
            () if self.ended => FollowState::Ended,
            () => FollowState::Waiting,
        })
    }

    /// How long the file is, if it is still the same.
    fn look(&mut self) -> Result<u64, FollowError> {
        if let Some((path, id)) = &self.origin
            // A file that was deleted can be followed all the same.
            && let Ok(found) = fs::metadata(path)
            && file_id(&found) != *id
        {
            return Err(FollowError::Replaced);
        }
        let end = self.file.seek(SeekFrom::End(0)).map_err(ReadError::from)?;
        if end < self.len {
            return Err(FollowError::Shrunk);
        }
        let mut bytes = [0; FILE_HEADER];
        let len = read_at(&mut self.file, 0, &mut bytes).map_err(ReadError::from)?;
        // At its end it is written once more, with the pace of time as it was measured by then.
        if let Ok(header) = FileHeader::parse(&bytes[..len]) {
            let same = FileHeader { units_per_second: self.header.units_per_second, ..header } == self.header;
            if !same {
                return Err(FollowError::Replaced);
            }
            self.header = header;
            self.board.pace(header.units_per_second);
        }
        Ok(end)
    }

    fn chunk(&mut self, at: u64, header: &ChunkHeader) -> Result<(), ReadError> {
        self.taken = self.taken.max(header.taken);
        self.chunks += 1;
        let place = Place::new(at, header);
        match header.kind {
            ChunkKind::Events => {
                if header.thread == RECORDER {
                    self.name_tags(&place)?;
                }
                self.merge.add(header.thread, place)?;
            }
            ChunkKind::Modules => self.modules.add(&mut self.file, &place)?,
            ChunkKind::End => self.ended = true,
            _ => {}
        }
        Ok(())
    }

    /// Names are needed before what is done under them is shown, and are of no time.
    fn name_tags(&mut self, place: &Place) -> Result<(), ReadError> {
        let mut cursor = Cursor::default();
        if cursor.open(&mut self.file, place)? {
            let board = &mut self.board;
            while cursor.left() > 0 {
                let shown = cursor.show(|event| {
                    if let What::TagNamed { tag, name } = event.what {
                        board.name_tag(tag, name);
                    }
                });
                if !shown {
                    break;
                }
            }
        }
        Ok(())
    }

    /// A time in units of the capture.
    fn units(&self, time: Duration) -> u64 {
        let units = time.as_nanos().saturating_mul(self.header.units_per_second.into()) / 1_000_000_000;
        u64::try_from(units).unwrap_or(u64::MAX)
    }
}

impl<F> Follow<F> {
    /// Where it was opened, if it was opened by a path.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.origin.as_ref().map(|(path, _)| path.as_path())
    }
}

/// Device and number.
type FileId = (u64, u64);

#[cfg(unix)]
fn file_id(file: &Metadata) -> Option<FileId> {
    use std::os::unix::fs::MetadataExt as _;
    Some((file.dev(), file.ino()))
}

#[cfg(not(unix))]
fn file_id(_: &Metadata) -> Option<FileId> {
    None
}
