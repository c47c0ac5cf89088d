//! The headers of a capture and of its chunks.

use core::fmt;

use twox_hash::XxHash3_64;

use super::{CHUNK_HEADER, CHUNK_MAGIC, FILE_HEADER, LARGEST_PAYLOAD, MAGIC, VERSION};

/// Why bytes are no capture, or no chunk of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FormatError {
    /// The file does not begin as a capture does.
    NotACapture,
    /// A newer version wrote it.
    TooNew {
        /// The file's version.
        version: u32,
    },
    /// It ends in the middle of something.
    CutOff,
    /// A chunk whose bytes are not those that were written.
    Damaged,
    /// A chunk says that it has more bytes than any has.
    TooLarge,
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotACapture => f.write_str("this is not a capture of Arenite's recorder"),
            Self::TooNew { version } => write!(
                f,
                "the capture is of version {version}, and this program reads those up to {VERSION}: use a newer one"
            ),
            Self::CutOff => f.write_str("the capture ends in the middle of a chunk"),
            Self::Damaged => f.write_str("a chunk of the capture is damaged"),
            Self::TooLarge => f.write_str("a chunk of the capture claims to be larger than any is"),
        }
    }
}

impl core::error::Error for FormatError {}

/// What a capture says of itself and of the process that was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FileHeader {
    /// The version that wrote it.
    pub version: u32,
    /// Bits of a pointer of the program: 32 or 64.
    pub pointer_bits: u8,
    /// Bytes of a page are two to this power.
    pub page_shift: u8,
    /// Number of the process.
    pub process: u32,
    /// 0 if every block was recorded; otherwise one is recorded for so many bytes, on average.
    pub sample_bytes: u64,
    /// Wall clock at time 0, in nanoseconds since 1970.
    pub wall_ns: u64,
    /// Units of time in a second.
    pub units_per_second: u64,
}

impl FileHeader {
    /// The bytes in the file.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; FILE_HEADER] {
        let mut bytes = [0; FILE_HEADER];
        let mut at = 0;
        let mut put = |part: &[u8]| {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        };
        put(&MAGIC);
        put(&self.version.to_le_bytes());
        put(&(FILE_HEADER as u32).to_le_bytes());
        put(&[self.pointer_bits, self.page_shift, 0, 0]);
        put(&self.process.to_le_bytes());
        put(&self.sample_bytes.to_le_bytes());
        put(&self.wall_ns.to_le_bytes());
        put(&self.units_per_second.to_le_bytes());
        let sum = XxHash3_64::oneshot(&bytes[..FILE_HEADER - 8]);
        bytes[FILE_HEADER - 8..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads the first [`FILE_HEADER`] bytes of a file.
    ///
    /// # Errors
    /// [`FormatError::NotACapture`], [`FormatError::TooNew`], or [`FormatError::CutOff`] for fewer bytes.
    /// [`FormatError::Damaged`] if a figure in it can not be.
    pub fn parse(bytes: &[u8]) -> Result<Self, FormatError> {
        let seen = bytes.len().min(MAGIC.len());
        if bytes[..seen] != MAGIC[..seen] {
            return Err(FormatError::NotACapture);
        }
        let bytes: &[u8; FILE_HEADER] = bytes.first_chunk().ok_or(FormatError::CutOff)?;
        let version = u32_at(bytes, 16);
        if version > VERSION {
            return Err(FormatError::TooNew { version });
        }
        let header = Self {
            version,
            pointer_bits: bytes[24],
            page_shift: bytes[25],
            process: u32_at(bytes, 28),
            sample_bytes: u64_at(bytes, 32),
            wall_ns: u64_at(bytes, 40),
            units_per_second: u64_at(bytes, 48),
        };
        let whole = u64_at(bytes, FILE_HEADER - 8) == XxHash3_64::oneshot(&bytes[..FILE_HEADER - 8]);
        let fits = matches!(header.pointer_bits, 32 | 64)
            && (9..=30).contains(&header.page_shift)
            && header.units_per_second != 0;
        if whole && fits { Ok(header) } else { Err(FormatError::Damaged) }
    }
}

/// What is in a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum ChunkKind {
    /// Events of one thread.
    Events = 1,
    /// Modules that the process has loaded: lines of text.
    Modules = 2,
    /// Where the other chunks are.
    Index = 3,
    /// The recording was stopped: nothing is missing behind it.
    End = 4,
    /// What this version does not know, and passes over.
    Unknown = 0,
}

impl ChunkKind {
    fn of(byte: u8) -> Self {
        match byte {
            1 => Self::Events,
            2 => Self::Modules,
            3 => Self::Index,
            4 => Self::End,
            _ => Self::Unknown,
        }
    }
}

/// How a payload is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Codec {
    /// As it is.
    Raw = 0,
    /// One LZ4 block.
    Lz4 = 1,
}

/// The header of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkHeader {
    /// What is in it.
    pub kind: ChunkKind,
    /// How it is stored.
    pub codec: Codec,
    /// The thread whose events it has.
    pub thread: u32,
    /// Bytes of the payload.
    pub raw_len: u32,
    /// Bytes of the payload in the file, without padding.
    pub stored_len: u32,
    /// Where in its segment the payload begins.
    pub offset: u32,
    /// Which of the thread's segments it is of. A number that is left out is a segment that was lost.
    pub segment: u64,
    /// The time that the segment's first event is told from.
    pub start: u64,
    /// A time that is not before any of its events.
    pub taken: u64,
}

/// A chunk, as the index tells of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexEntry {
    /// Where in the file its header is.
    pub place: u64,
    /// The time that its segment is told from.
    pub start: u64,
    /// Its thread.
    pub thread: u32,
    /// What is in it.
    pub kind: ChunkKind,
}

impl IndexEntry {
    /// Bytes of an entry in an index.
    pub const BYTES: usize = 24;

    /// The bytes in the file.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.place.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.start.to_le_bytes());
        bytes[16..20].copy_from_slice(&self.thread.to_le_bytes());
        bytes[20] = self.kind as u8;
        bytes
    }

    /// Reads one.
    #[must_use]
    pub fn parse(bytes: &[u8; Self::BYTES]) -> Self {
        Self {
            place: u64_at(bytes, 0),
            start: u64_at(bytes, 8),
            thread: u32_at(bytes, 16),
            kind: ChunkKind::of(bytes[20]),
        }
    }
}

impl ChunkHeader {
    /// Bytes from this header to the next one.
    #[must_use]
    pub const fn span(&self) -> usize {
        CHUNK_HEADER + (self.stored_len as usize).next_multiple_of(8)
    }

    /// The bytes in the file, with the checksum of the header and of the payload as it is `stored`.
    #[must_use]
    pub fn to_bytes(&self, stored: &[u8]) -> [u8; CHUNK_HEADER] {
        let mut bytes = [0; CHUNK_HEADER];
        let mut at = 0;
        let mut put = |part: &[u8]| {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        };
        put(&CHUNK_MAGIC.to_le_bytes());
        put(&[self.kind as u8, self.codec as u8, 0, 0]);
        put(&self.thread.to_le_bytes());
        put(&self.raw_len.to_le_bytes());
        put(&self.stored_len.to_le_bytes());
        put(&self.offset.to_le_bytes());
        put(&self.segment.to_le_bytes());
        put(&self.start.to_le_bytes());
        put(&self.taken.to_le_bytes());
        let sum = sum(&bytes, stored);
        bytes[CHUNK_HEADER - 8..].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// Reads a header, and the checksum that the payload must have (see [`check`](Self::check)). Beyond its magic nothing of it is
    /// known to be true yet.
    ///
    /// # Errors
    /// [`FormatError::CutOff`], [`FormatError::Damaged`] if this is no header, [`FormatError::TooLarge`].
    pub fn parse(bytes: &[u8]) -> Result<(Self, u64), FormatError> {
        let bytes: &[u8; CHUNK_HEADER] = bytes.first_chunk().ok_or(FormatError::CutOff)?;
        if u32_at(bytes, 0) != CHUNK_MAGIC {
            return Err(FormatError::Damaged);
        }
        let codec = match bytes[5] {
            0 => Codec::Raw,
            1 => Codec::Lz4,
            _ => return Err(FormatError::Damaged),
        };
        let header = Self {
            kind: ChunkKind::of(bytes[4]),
            codec,
            thread: u32_at(bytes, 8),
            raw_len: u32_at(bytes, 12),
            stored_len: u32_at(bytes, 16),
            offset: u32_at(bytes, 20),
            segment: u64_at(bytes, 24),
            start: u64_at(bytes, 32),
            taken: u64_at(bytes, 40),
        };
        let most = LARGEST_PAYLOAD as u32;
        if header.raw_len > most || header.stored_len > most {
            return Err(FormatError::TooLarge);
        }
        if codec == Codec::Raw && header.raw_len != header.stored_len {
            return Err(FormatError::Damaged);
        }
        Ok((header, u64_at(bytes, CHUNK_HEADER - 8)))
    }

    /// Whether header and payload are those that were written: `bytes` are those of the header.
    ///
    /// # Errors
    /// [`FormatError::Damaged`].
    pub fn check(bytes: &[u8; CHUNK_HEADER], stored: &[u8], expected: u64) -> Result<(), FormatError> {
        if sum(bytes, stored) == expected { Ok(()) } else { Err(FormatError::Damaged) }
    }
}

/// The checksum of the payload, begun with that of the header.
fn sum(header: &[u8; CHUNK_HEADER], stored: &[u8]) -> u64 {
    XxHash3_64::oneshot_with_seed(XxHash3_64::oneshot(&header[..CHUNK_HEADER - 8]), stored)
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(*bytes[at..].first_chunk().expect("within the header"))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(*bytes[at..].first_chunk().expect("within the header"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> ChunkHeader {
        ChunkHeader {
            kind: ChunkKind::Events,
            codec: Codec::Raw,
            thread: 3,
            raw_len: 5,
            stored_len: 5,
            offset: 77,
            segment: 1 << 40,
            start: 123_456_789_000,
            taken: 123_456_790_000,
        }
    }

    #[test]
    fn a_file_header_comes_back_and_no_bit_of_it_can_change() {
        let header = FileHeader {
            version: VERSION,
            pointer_bits: 64,
            page_shift: 12,
            process: 4711,
            sample_bytes: 512 << 10,
            wall_ns: 1 << 60,
            units_per_second: 1_000_000_000,
        };
        let bytes = header.to_bytes();
        assert_eq!(FileHeader::parse(&bytes), Ok(header));
        for bit in 0..8 * FILE_HEADER {
            let mut other = bytes;
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(FileHeader::parse(&other).is_err(), "bit {bit}");
        }
        for cut in 0..FILE_HEADER {
            assert_eq!(FileHeader::parse(&bytes[..cut]), Err(FormatError::CutOff));
        }
        let newer = FileHeader { version: VERSION + 1, ..header }.to_bytes();
        assert_eq!(FileHeader::parse(&newer), Err(FormatError::TooNew { version: VERSION + 1 }));
        assert_eq!(FileHeader::parse(b"MZ"), Err(FormatError::NotACapture));
    }

    #[test]
    fn a_chunk_header_comes_back_and_no_bit_of_it_can_change() {
        let payload = b"abcde";
        let bytes = header().to_bytes(payload);
        let (read, expected) = ChunkHeader::parse(&bytes).expect("a header");
        assert_eq!((read, read.span()), (header(), CHUNK_HEADER + 8));
        assert_eq!(ChunkHeader::check(&bytes, payload, expected), Ok(()));
        assert_eq!(ChunkHeader::check(&bytes, b"abcdf", expected), Err(FormatError::Damaged));
        for bit in 0..8 * CHUNK_HEADER {
            let mut other = bytes;
            other[bit / 8] ^= 1 << (bit % 8);
            let known = ChunkHeader::parse(&other)
                .and_then(|(_, expected)| ChunkHeader::check(&other, payload, expected));
            assert!(known.is_err(), "bit {bit}");
        }
    }

    #[test]
    fn an_index_entry_comes_back() {
        let entry = IndexEntry { place: 1 << 41, start: 99, thread: 7, kind: ChunkKind::Modules };
        assert_eq!(IndexEntry::parse(&entry.to_bytes()), entry);
    }
}
