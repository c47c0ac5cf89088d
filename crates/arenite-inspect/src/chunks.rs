//! Chunks of a file, one at a time, and the events of one thread: what opening a capture and following one have in common.

use std::io::{self, Read, Seek, SeekFrom};

use arenite::record::format::events::{Event, Memory};
use arenite::record::format::{
    CHUNK_HEADER, CHUNK_MAGIC, ChunkHeader, ChunkKind, Codec, LARGEST_PAYLOAD, SEGMENT,
};
use lz4_flex::block::decompress_into;

/// Bytes that are read at a time when the next chunk is looked for.
const STRIDE: usize = 64 << 10;

/// Where a chunk is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) at: u64,
    pub(crate) segment: u64,
    pub(crate) start: u64,
    pub(crate) stored_len: u32,
    pub(crate) offset: u32,
}

impl Place {
    pub(crate) fn new(at: u64, header: &ChunkHeader) -> Self {
        let ChunkHeader { segment, start, stored_len, offset, .. } = *header;
        Self { at, segment, start, stored_len, offset }
    }
}

/// What is at a place of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// A chunk, all bytes of which are those that were written.
    Whole(ChunkHeader),
    /// What may become a chunk when the file has more bytes.
    Part,
    /// No chunk.
    Nothing,
}

/// What chunks are looked at with.
#[derive(Debug, Default)]
pub(crate) struct Look {
    payload: Vec<u8>,
    /// Bytes that were read of what is no chunk.
    wasted: u64,
}

/// What is here, in a file that ends there.
pub(crate) fn look_at<F: Read + Seek>(
    file: &mut F,
    at: u64,
    end: u64,
    Look { payload, wasted }: &mut Look,
) -> io::Result<Found> {
    let mut bytes = [0; CHUNK_HEADER];
    let len = read_at(file, at, &mut bytes)?;
    if len < CHUNK_HEADER {
        let magic = CHUNK_MAGIC.to_le_bytes();
        let seen = len.min(magic.len());
        return Ok(if bytes[..seen] == magic[..seen] { Found::Part } else { Found::Nothing });
    }
    let Ok((header, sum)) = ChunkHeader::parse(&bytes) else { return Ok(Found::Nothing) };
    let fits = header.kind != ChunkKind::Events
        || u64::from(header.offset) + u64::from(header.raw_len) <= SEGMENT as u64;
    if !fits {
        return Ok(Found::Nothing);
    }
    if at + header.span() as u64 > end {
        return Ok(Found::Part);
    }
    // Damaged chunks lie behind each other. Headers within each other's payloads were made up, and would take a mebibyte each.
    if *wasted > end.saturating_add(LARGEST_PAYLOAD as u64) {
        return Ok(Found::Nothing);
    }
    payload.resize(header.stored_len as usize, 0);
    let whole = read_at(file, at + CHUNK_HEADER as u64, payload)? == payload.len()
        && ChunkHeader::check(&bytes, payload, sum).is_ok();
    if whole {
        return Ok(Found::Whole(header));
    }
    *wasted = wasted.saturating_add(header.stored_len.into());
    Ok(Found::Nothing)
}

/// Where the next chunk may begin.
pub(crate) fn next_magic<F: Read + Seek>(file: &mut F, from: u64) -> io::Result<Option<u64>> {
    let magic = CHUNK_MAGIC.to_le_bytes();
    // Little at first: it may be near.
    let mut bytes = vec![0; STRIDE >> 8];
    let mut at = from;
    loop {
        let len = read_at(file, at, &mut bytes)?;
        if let Some(found) = bytes[..len].windows(magic.len()).position(|four| four == magic) {
            return Ok(Some(at + found as u64));
        }
        if len < bytes.len() {
            return Ok(None);
        }
        at += (len - magic.len() + 1) as u64;
        bytes.resize(STRIDE, 0);
    }
}

/// The payload of a chunk; none if it is damaged.
pub(crate) fn payload<F: Read + Seek>(file: &mut F, place: &Place) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = [0; CHUNK_HEADER];
    let len = read_at(file, place.at, &mut bytes)?;
    let Ok((header, sum)) = ChunkHeader::parse(&bytes[..len]) else { return Ok(None) };
    let mut stored = vec![0; place.stored_len as usize];
    let len = read_at(file, place.at + CHUNK_HEADER as u64, &mut stored)?;
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

/// How far a thread was read.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    raw: Vec<u8>,
    at: usize,
    /// None if the segment can not be read on.
    memory: Option<Box<Memory>>,
    segment: u64,
    /// Bytes of the segment that were opened.
    offset: u64,
}

impl Cursor {
    /// Bytes of the chunk that is open that were not read yet.
    pub(crate) fn left(&self) -> usize {
        self.raw.len() - self.at
    }

    /// Whether it has memory: that of a segment, four kilobytes, and that of a chunk.
    pub(crate) fn is_open(&self) -> bool {
        self.memory.is_some()
    }

    /// Whether a chunk is the next piece of the segment that is open.
    pub(crate) fn goes_on(&self, place: &Place) -> bool {
        self.memory.is_some()
            && place.offset != 0
            && (self.segment, self.offset) == (place.segment, place.offset.into())
    }

    /// When the first event of a chunk can be at the earliest.
    pub(crate) fn starts(&self, place: &Place) -> u64 {
        match &self.memory {
            Some(memory) if self.goes_on(place) => memory.time(),
            _ => place.start,
        }
    }

    /// The time of the next event; None if it can not be read.
    pub(crate) fn peek(&self) -> Option<u64> {
        self.memory.as_ref()?.peek_time(&self.raw[self.at..])
    }

    /// The time of the last event that was read of a segment.
    pub(crate) fn time(&self) -> Option<u64> {
        self.memory.as_ref().map(|memory| memory.time())
    }

    /// Opens the next chunk. False if it can not be read.
    pub(crate) fn open<F: Read + Seek>(&mut self, file: &mut F, place: &Place) -> io::Result<bool> {
        if !self.goes_on(place) {
            if place.offset != 0 {
                // What was before it in its segment is missing.
                self.spoil();
                return Ok(false);
            }
            self.memory = Some(Box::new(Memory::new(place.start)));
            (self.segment, self.offset) = (place.segment, 0);
        }
        let Some(raw) = payload(file, place)? else {
            self.spoil();
            return Ok(false);
        };
        self.offset += raw.len() as u64;
        (self.raw, self.at) = (raw, 0);
        Ok(true)
    }

    /// Whether there was an event; if not, nothing more of the segment can be read.
    pub(crate) fn show(&mut self, show: impl FnOnce(Event<'_>)) -> bool {
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

    /// Gives the memory of a chunk back that was read to its end.
    pub(crate) fn rest(&mut self) {
        (self.raw, self.at) = (Vec::new(), 0);
    }

    /// Nothing more of this segment can be read.
    pub(crate) fn spoil(&mut self) {
        self.memory = None;
        self.rest();
    }
}

/// Reads from a place on, as far as there is something; answers how much.
pub(crate) fn read_at<F: Read + Seek>(file: &mut F, at: u64, bytes: &mut [u8]) -> io::Result<usize> {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A file, and how many bytes of it were read, places read twice counted twice.
    struct Counted(io::Cursor<Vec<u8>>, usize);

    impl Read for Counted {
        fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
            let got = self.0.read(bytes)?;
            self.1 += got;
            Ok(got)
        }
    }

    impl Seek for Counted {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.0.seek(to)
        }
    }

    fn header(kind: ChunkKind, len: usize) -> ChunkHeader {
        let len = len as u32;
        ChunkHeader {
            kind,
            codec: Codec::Raw,
            thread: 1,
            raw_len: len,
            stored_len: len,
            offset: 0,
            segment: 7,
            start: 0,
            taken: 0,
        }
    }

    #[test]
    fn headers_within_each_others_payloads_do_not_make_a_file_longer() {
        let made_up = header(ChunkKind::Modules, LARGEST_PAYLOAD).to_bytes(b"of something else");
        let mut file = made_up.repeat(20_000);
        file.resize(file.len() + LARGEST_PAYLOAD, 0);
        let end = file.len();
        let mut file = Counted(io::Cursor::new(file), 0);
        let (mut look, mut at, mut chunks) = (Look::default(), 0, 0);
        while let Some(next) = next_magic(&mut file, at).expect("read") {
            assert_eq!(look_at(&mut file, next, end as u64, &mut look).expect("read"), Found::Nothing);
            (at, chunks) = (next + 1, chunks + 1);
        }
        assert_eq!(chunks, 20_000);
        assert!(file.1 < 20 * end, "{} bytes of {end} were read", file.1);
    }
}
