//! The capture file: what a recorder writes and a reader reads. One file for both, without `std`, allocations or `unsafe`.
//!
//! ```text
//!   header │ chunk │ chunk │ … │ index │ end
//!   chunk  = chunk header (magic, kind, thread, lengths, times, checksum) ─ payload, perhaps compressed, padded to 8 bytes
//!   payload of events = event ─ event ─ …      one thread's, in order; see `events`
//! ```
//!
//! All numbers are little endian. A chunk is found again by its magic after damage, and believed by its checksum. Events of one
//! thread are written in *segments*; what the codec remembers of earlier events begins anew with each, so that losing a chunk
//! loses what is behind it in its segment, and nothing else. A segment may be in several chunks, which say where in it they begin.

pub mod events;
mod header;
mod varint;

pub use header::{ChunkHeader, ChunkKind, Codec, FileHeader, FormatError, IndexEntry};

/// The first bytes of every capture.
pub const MAGIC: [u8; 16] = *b"ARENITE-CAPTURE\0";
/// What a reader must know to read the file. A reader refuses a larger one.
pub const VERSION: u32 = 1;
/// Bytes of the file's header.
pub const FILE_HEADER: usize = 64;
/// Bytes of a chunk's header.
pub const CHUNK_HEADER: usize = 56;
/// The first word of every chunk.
pub const CHUNK_MAGIC: u32 = u32::from_le_bytes(*b"ArCk");
/// The most bytes that a payload has, before compression and as it is stored.
pub const LARGEST_PAYLOAD: usize = 1 << 20;
/// Bytes that events of one thread take before the codec begins anew.
pub const SEGMENT: usize = 64 << 10;
/// The most frames of a call stack that are told.
pub const DEEPEST_STACK: usize = 128;
/// The most bytes of a text: a mark, a name. Longer ones are cut.
pub const LONGEST_TEXT: usize = 255;
