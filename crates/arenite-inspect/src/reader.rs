//! The file, and its events in the order of time.
//!
//! Opening looks at the header of each chunk, and no further. Events of a thread are in order in the file; those of several threads
//! are merged by time: of each thread one chunk is open at a time, from the moment at which its segment begins.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use arenite::record::format::events::{Event, What};
use arenite::record::format::{ChunkKind, FILE_HEADER, FileHeader, FormatError};

use crate::chunks::{Cursor, Found, Look, Place, look_at, next_magic, read_at};
use crate::maps::{ModuleMap, Texts};

/// The most chunks that a capture may have: some 256 GiB of events. A list of so many takes 200 MB.
pub(crate) const MOST_CHUNKS: usize = 1 << 22;
/// The most threads that a capture may tell of.
const MOST_THREADS: usize = 1 << 20;
/// The most threads whose events are merged at the same time; chunks of more are left out. A real program has fewer that live at
/// once; what is told of more is no capture that a recorder wrote.
pub(crate) const MOST_OPEN: usize = 1 << 12;

/// The thread under whose number the recorder itself tells of tags.
pub(crate) const RECORDER: u32 = u32::MAX;
/// The most tags whose names are kept.
const MOST_TAGS: usize = 1 << 16;

/// Why a capture can not be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReadError {
    /// The system can not open or read it.
    File(io::Error),
    /// Its beginning is not that of a capture.
    Format(FormatError),
    /// It has more chunks than are read, four million, or more threads, a million.
    TooManyChunks,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(error) => write!(f, "the capture can not be read: {error}"),
            Self::Format(error) => error.fmt(f),
            Self::TooManyChunks => {
                write!(f, "the capture has more than {MOST_CHUNKS} chunks, or {MOST_THREADS} threads")
            }
        }
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::File(error) => Some(error),
            Self::Format(error) => Some(error),
            Self::TooManyChunks => None,
        }
    }
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::File(error)
    }
}

impl From<FormatError> for ReadError {
    fn from(error: FormatError) -> Self {
        Self::Format(error)
    }
}

/// How a capture was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ReadSummary {
    /// Events that were shown.
    pub events: u64,
    /// Chunks that could not be read: their bytes are not those that were written, or what was before them in their segment is
    /// missing.
    pub damaged: u64,
}

/// A file that a recorder wrote.
#[derive(Debug)]
pub struct Capture<F = File> {
    file: F,
    header: FileHeader,
    /// Chunks of events of each thread, in order.
    threads: BTreeMap<u32, Vec<Place>>,
    modules: Vec<Place>,
    chunks: usize,
    /// Bytes that belong to no chunk.
    skipped: u64,
    ended: bool,
}

impl Capture<File> {
    /// Opens a capture. O(chunks).
    ///
    /// # Errors
    /// [`ReadError`]. A capture that is cut off or damaged behind its header is none: what is whole of it is read.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::read(File::open(path)?)
    }
}

impl<F: Read + Seek> Capture<F> {
    /// As [`open`](Capture::open), of anything that can be read at any place.
    ///
    /// # Errors
    /// As `open`.
    pub fn read(mut file: F) -> Result<Self, ReadError> {
        let mut bytes = [0; FILE_HEADER];
        let len = read_at(&mut file, 0, &mut bytes)?;
        let header = FileHeader::parse(&bytes[..len])?;
        let mut capture = Self {
            file,
            header,
            threads: BTreeMap::new(),
            modules: Vec::new(),
            chunks: 0,
            skipped: 0,
            ended: false,
        };
        capture.find_chunks()?;
        Ok(capture)
    }

    /// What the capture says of itself.
    #[must_use]
    pub fn header(&self) -> &FileHeader {
        &self.header
    }

    /// Whether the recording came to its end. If not, the program crashed, or the file was cut off.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.ended
    }

    /// Bytes of the file that could not be read as chunks.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// How many chunks were found.
    #[must_use]
    pub fn chunks(&self) -> usize {
        self.chunks
    }

    fn find_chunks(&mut self) -> Result<(), ReadError> {
        let end = self.file.seek(SeekFrom::End(0))?;
        let mut at = FILE_HEADER as u64;
        let mut look = Look::default();
        while at < end {
            let Found::Whole(header) = look_at(&mut self.file, at, end, &mut look)? else {
                let next = next_magic(&mut self.file, at + 1)?.unwrap_or(end);
                self.skipped += next - at;
                at = next;
                continue;
            };
            if self.chunks == MOST_CHUNKS || self.threads.len() == MOST_THREADS {
                return Err(ReadError::TooManyChunks);
            }
            self.chunks += 1;
            let place = Place::new(at, &header);
            match header.kind {
                ChunkKind::Events => self.threads.entry(header.thread).or_default().push(place),
                ChunkKind::Modules => self.modules.push(place),
                ChunkKind::End => self.ended = true,
                _ => {}
            }
            at += header.span() as u64;
        }
        Ok(())
    }

    /// Which modules the process had loaded: at the start of the recording, whenever that changed, and at its end. What is more than
    /// 16 MiB is left out.
    ///
    /// # Errors
    /// [`ReadError::File`].
    pub fn modules(&mut self) -> Result<Vec<ModuleMap>, ReadError> {
        let mut texts = Texts::default();
        for place in &self.modules {
            texts.add(&mut self.file, place)?;
        }
        Ok(texts.maps())
    }

    /// The names of tags, by their numbers: as the recorder's own thread tells them, at the first need and at the end. O(names).
    ///
    /// # Errors
    /// [`ReadError::File`].
    pub fn tags(&mut self) -> Result<BTreeMap<u32, String>, ReadError> {
        let all = std::mem::take(&mut self.threads);
        self.threads.extend(all.get(&RECORDER).map(|places| (RECORDER, places.clone())));
        let mut tags = BTreeMap::new();
        let read = self.events(|_, event| {
            if let What::TagNamed { tag, name } = event.what
                && (tags.len() < MOST_TAGS || tags.contains_key(&tag))
            {
                tags.insert(tag, name.to_owned());
            }
        });
        self.threads = all;
        read.map(|_| tags)
    }

    /// Shows all events in the order of time, with their threads. Events of one thread are in the order in which they happened;
    /// of two threads, those that are only some hundred nanoseconds apart may be told the wrong way round.
    ///
    /// # Errors
    /// [`ReadError::File`]. What is damaged is left out, and counted.
    pub fn events(&mut self, mut show: impl FnMut(u32, Event<'_>)) -> Result<ReadSummary, ReadError> {
        // Lent for the time being: reading borrows the rest.
        let lent = std::mem::take(&mut self.threads);
        let read = self.merge(&lent, &mut show);
        self.threads = lent;
        read
    }

    fn merge(
        &mut self,
        threads: &BTreeMap<u32, Vec<Place>>,
        show: &mut impl FnMut(u32, Event<'_>),
    ) -> Result<ReadSummary, ReadError> {
        let threads: Vec<(u32, &[Place])> =
            threads.iter().map(|(thread, places)| (*thread, &places[..])).collect();
        let (mut open, mut summary) = (0, ReadSummary::default());
        // The next chunk of each thread, and how far the one before was read.
        let mut cursors: Vec<(usize, Cursor)> = threads.iter().map(|_| Default::default()).collect();
        // When the next event of a thread is, or may be. Of events at the same time, those of the thread of the lower number are first.
        let mut next: BinaryHeap<Reverse<(u64, usize)>> = threads
            .iter()
            .enumerate()
            .map(|(number, (_, places))| Reverse((places[0].start, number)))
            .collect();
        while let Some(Reverse((_, number))) = next.pop() {
            let (thread, places) = &threads[number];
            let (chunk, cursor) = &mut cursors[number];
            // Until another thread's turn comes.
            let until = next.peek().map_or((u64::MAX, usize::MAX), |Reverse(turn)| *turn);
            loop {
                if cursor.left() == 0 {
                    let Some(place) = places.get(*chunk) else {
                        open -= usize::from(cursor.is_open());
                        cursor.spoil();
                        break;
                    };
                    let starts = cursor.starts(place);
                    if (starts, number) > until {
                        next.push(Reverse((starts, number)));
                        break;
                    }
                    open -= usize::from(cursor.is_open());
                    *chunk += 1;
                    let opened = open < MOST_OPEN && cursor.open(&mut self.file, place)?;
                    if !opened {
                        cursor.spoil();
                        summary.damaged += 1;
                    }
                    open += usize::from(cursor.is_open());
                    continue;
                }
                match cursor.peek() {
                    Some(time) if (time, number) > until => {
                        next.push(Reverse((time, number)));
                        break;
                    }
                    Some(_) => {
                        if cursor.show(|event| show(*thread, event)) {
                            summary.events += 1;
                        } else {
                            summary.damaged += 1;
                            open -= 1;
                        }
                    }
                    None => {
                        summary.damaged += 1;
                        open -= usize::from(cursor.is_open());
                        cursor.spoil();
                    }
                }
            }
        }
        Ok(summary)
    }
}
