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

use arenite::record::format::events::{Event, Memory, What};
use arenite::record::format::{
    CHUNK_HEADER, CHUNK_MAGIC, ChunkHeader, ChunkKind, Codec, FILE_HEADER, FileHeader, FormatError,
    LARGEST_PAYLOAD, SEGMENT,
};
use lz4_flex::block::decompress_into;

/// The most chunks that a capture may have: some 256 GiB of events. A list of so many takes 200 MB.
const MOST_CHUNKS: usize = 1 << 22;
/// The most threads that a capture may tell of.
const MOST_THREADS: usize = 1 << 20;
/// The most threads whose events are merged at the same time; chunks of more are left out. A real program has fewer that live at
/// once; what is told of more is no capture that a recorder wrote.
const MOST_OPEN: usize = 1 << 12;
/// Bytes that are read at a time when the next chunk is looked for.
const STRIDE: usize = 64 << 10;

/// The thread under whose number the recorder itself tells of tags.
const RECORDER: u32 = u32::MAX;
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

/// Where a chunk is.
#[derive(Clone, Copy, Debug)]
struct Place {
    at: u64,
    segment: u64,
    start: u64,
    stored_len: u32,
    offset: u32,
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
        let mut payload = Vec::new();
        while at < end {
            let Some(header) = self.look_at(at, end, &mut payload)? else {
                let next = self.next_magic(at + 1)?.unwrap_or(end);
                self.skipped += next - at;
                at = next;
                continue;
            };
            let ChunkHeader { kind, thread, segment, start, stored_len, offset, .. } = header;
            if self.chunks == MOST_CHUNKS || self.threads.len() == MOST_THREADS {
                return Err(ReadError::TooManyChunks);
            }
            self.chunks += 1;
            let place = Place { at, segment, start, stored_len, offset };
            match kind {
                ChunkKind::Events => self.threads.entry(thread).or_default().push(place),
                ChunkKind::Modules => self.modules.push(place),
                ChunkKind::End => self.ended = true,
                _ => {}
            }
            at += header.span() as u64;
        }
        Ok(())
    }

    /// The header of the chunk here, if it is one, and whole.
    fn look_at(
        &mut self,
        at: u64,
        end: u64,
        payload: &mut Vec<u8>,
    ) -> Result<Option<ChunkHeader>, ReadError> {
        let mut bytes = [0; CHUNK_HEADER];
        let len = read_at(&mut self.file, at, &mut bytes)?;
        let Ok((header, sum)) = ChunkHeader::parse(&bytes[..len]) else { return Ok(None) };
        if at + header.span() as u64 > end {
            return Ok(None);
        }
        payload.resize(header.stored_len as usize, 0);
        let fits = header.kind != ChunkKind::Events
            || u64::from(header.offset) + u64::from(header.raw_len) <= SEGMENT as u64;
        let whole = fits
            && read_at(&mut self.file, at + CHUNK_HEADER as u64, payload)? == payload.len()
            && ChunkHeader::check(&bytes, payload, sum).is_ok();
        Ok(whole.then_some(header))
    }

    /// Where the next chunk may begin.
    fn next_magic(&mut self, from: u64) -> Result<Option<u64>, ReadError> {
        let magic = CHUNK_MAGIC.to_le_bytes();
        let mut bytes = vec![0; STRIDE];
        let mut at = from;
        loop {
            let len = read_at(&mut self.file, at, &mut bytes)?;
            if let Some(found) = bytes[..len].windows(magic.len()).position(|four| four == magic) {
                return Ok(Some(at + found as u64));
            }
            if len < bytes.len() {
                return Ok(None);
            }
            at += (len - magic.len() + 1) as u64;
        }
    }

    /// The payload of a chunk.
    fn payload(&mut self, place: &Place) -> Result<Option<Vec<u8>>, ReadError> {
        let mut bytes = [0; CHUNK_HEADER];
        let len = read_at(&mut self.file, place.at, &mut bytes)?;
        let Ok((header, sum)) = ChunkHeader::parse(&bytes[..len]) else { return Ok(None) };
        let mut stored = vec![0; place.stored_len as usize];
        let len = read_at(&mut self.file, place.at + CHUNK_HEADER as u64, &mut stored)?;
        if len < stored.len() || ChunkHeader::check(&bytes, &stored, sum).is_err() {
            return Ok(None);
        }
        match header.codec {
            Codec::Raw => Ok(Some(stored)),
            Codec::Lz4 => {
                debug_assert!(header.raw_len as usize <= LARGEST_PAYLOAD);
                let mut raw = vec![0; header.raw_len as usize];
                let len = decompress_into(&stored, &mut raw);
                Ok(len.is_ok_and(|len| len == raw.len()).then_some(raw))
            }
            _ => Ok(None),
        }
    }

    /// The lines that tell which modules the process had loaded: at the start of the recording, and at its end.
    ///
    /// # Errors
    /// [`ReadError::File`].
    pub fn modules(&mut self) -> Result<Vec<String>, ReadError> {
        let mut texts: Vec<(u64, Vec<u8>)> = Vec::new();
        for place in self.modules.clone() {
            let Some(part) = self.payload(&place)? else { continue };
            match texts.last_mut() {
                Some((segment, text)) if *segment == place.segment && text.len() == place.offset as usize => {
                    text.extend(part);
                }
                _ => texts.push((place.segment, part)),
            }
        }
        Ok(texts.into_iter().map(|(_, text)| String::from_utf8_lossy(&text).into_owned()).collect())
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
        let mut cursors: Vec<Cursor> = threads.iter().map(|_| Cursor::default()).collect();
        // When the next event of a thread is, or may be.
        let mut next: BinaryHeap<Reverse<(u64, usize)>> = threads
            .iter()
            .enumerate()
            .map(|(number, (_, places))| Reverse((places[0].start, number)))
            .collect();
        while let Some(Reverse((_, number))) = next.pop() {
            let (thread, places) = &threads[number];
            let cursor = &mut cursors[number];
            // Until another thread's turn comes.
            let until = next.peek().map_or(u64::MAX, |Reverse((time, _))| *time);
            loop {
                if cursor.left() == 0 {
                    let Some(place) = places.get(cursor.chunk) else {
                        open -= usize::from(cursor.memory.is_some());
                        *cursor = Cursor { chunk: cursor.chunk, ..Cursor::default() };
                        break;
                    };
                    if !cursor.goes_on(place) && place.start > until {
                        next.push(Reverse((place.start, number)));
                        break;
                    }
                    open -= usize::from(cursor.memory.is_some());
                    if open == MOST_OPEN {
                        cursor.chunk += 1;
                        cursor.spoil();
                        summary.damaged += 1;
                        continue;
                    }
                    if !self.advance(cursor, place)? {
                        summary.damaged += 1;
                    }
                    open += usize::from(cursor.memory.is_some());
                    continue;
                }
                match cursor.peek() {
                    Some(time) if time > until => {
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
                        open -= usize::from(cursor.memory.is_some());
                        cursor.spoil();
                    }
                }
            }
        }
        Ok(summary)
    }

    /// Opens the next chunk of a thread. False if it can not be read.
    fn advance(&mut self, cursor: &mut Cursor, place: &Place) -> Result<bool, ReadError> {
        cursor.chunk += 1;
        if !cursor.goes_on(place) {
            if place.offset != 0 {
                // What was before it in its segment is missing.
                cursor.spoil();
                return Ok(false);
            }
            cursor.memory = Some(Box::new(Memory::new(place.start)));
            (cursor.segment, cursor.offset) = (place.segment, 0);
        }
        let Some(raw) = self.payload(place)? else {
            cursor.spoil();
            return Ok(false);
        };
        cursor.offset += raw.len() as u64;
        (cursor.raw, cursor.at) = (raw, 0);
        Ok(true)
    }
}

/// How far a thread was read.
#[derive(Debug, Default)]
struct Cursor {
    /// The next chunk.
    chunk: usize,
    raw: Vec<u8>,
    at: usize,
    /// None if the segment can not be read on.
    memory: Option<Box<Memory>>,
    segment: u64,
    /// Bytes of the segment that were opened.
    offset: u64,
}

impl Cursor {
    fn left(&self) -> usize {
        self.raw.len() - self.at
    }

    /// Whether a chunk is the next piece of the segment that is open.
    fn goes_on(&self, place: &Place) -> bool {
        self.memory.is_some()
            && place.offset != 0
            && (self.segment, self.offset) == (place.segment, place.offset.into())
    }

    /// The time of the next event; None if it can not be read.
    fn peek(&self) -> Option<u64> {
        self.memory.as_ref()?.peek_time(&self.raw[self.at..])
    }

    /// Whether there was an event; if not, nothing more of the segment can be read.
    fn show(&mut self, show: impl FnOnce(Event<'_>)) -> bool {
        let mut left = &self.raw[self.at..];
        match self.memory.as_mut().map(|memory| memory.read(&mut left)) {
            Some(Ok(Some(event))) => {
                show(event);
                self.at = self.raw.len() - left.len();
                true
            }
            _ => {
                self.spoil();
                false
            }
        }
    }

    /// Nothing more of this segment can be read.
    fn spoil(&mut self) {
        self.memory = None;
        (self.raw, self.at) = (Vec::new(), 0);
    }
}

/// Reads from a place on, as far as there is something; answers how much.
fn read_at<F: Read + Seek>(file: &mut F, at: u64, bytes: &mut [u8]) -> io::Result<usize> {
    file.seek(SeekFrom::Start(at))?;
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(got) => filled += got,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}
