//! What the process had loaded, as the capture tells it.

use std::io::{self, Read, Seek};

use crate::chunks::{Place, payload};

/// The most bytes that are kept of the lines that tell of modules.
const MOST_BYTES: usize = 16 << 20;

/// What the process had loaded from some time on: lines as in `/proc/PID/maps`, and a line for each module with what it is known by
/// (docs/capture-format.md).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleMap {
    /// A time in units of the capture.
    pub since: u64,
    /// The lines.
    pub text: String,
}

/// Texts that are put together from chunks.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    texts: Vec<Text>,
    bytes: usize,
}

#[derive(Debug)]
struct Text {
    segment: u64,
    since: u64,
    bytes: Vec<u8>,
}

impl Texts {
    /// What a chunk has, if there is room.
    pub(crate) fn add<F: Read + Seek>(&mut self, file: &mut F, place: &Place) -> io::Result<()> {
        if self.bytes >= MOST_BYTES {
            return Ok(());
        }
        let Some(part) = payload(file, place)?.filter(|part| !part.is_empty()) else { return Ok(()) };
        self.bytes += part.len();
        match self.texts.last_mut() {
            Some(text) if text.segment == place.segment && text.bytes.len() == place.offset as usize => {
                text.bytes.extend(part);
            }
            _ => self.texts.push(Text { segment: place.segment, since: place.start, bytes: part }),
        }
        Ok(())
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn maps(&self) -> Vec<ModuleMap> {
        let map = |text: &Text| ModuleMap {
            since: text.since,
            text: String::from_utf8_lossy(&text.bytes).into_owned(),
        };
        self.texts.iter().map(map).collect()
    }
}

#[cfg(test)]
mod tests {
    use arenite::record::format::{ChunkHeader, ChunkKind, Codec, LARGEST_PAYLOAD};

    use super::*;

    fn header(len: usize) -> ChunkHeader {
        let len = len as u32;
        ChunkHeader {
            kind: ChunkKind::Modules,
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
    fn they_have_a_bound() {
        let text = vec![b'm'; LARGEST_PAYLOAD];
        let (whole, nothing) = (header(text.len()), header(0));
        let mut file = whole.to_bytes(&text).to_vec();
        file.extend(text);
        let (place, empty) = (Place::new(0, &whole), Place::new(file.len() as u64, &nothing));
        file.extend(nothing.to_bytes(b""));
        let (mut file, mut texts) = (io::Cursor::new(file), Texts::default());
        for _ in 0..3 {
            texts.add(&mut file, &empty).expect("read");
        }
        assert!(texts.maps().is_empty());
        for segment in 0..100 {
            texts.add(&mut file, &Place { segment, ..place }).expect("read");
        }
        assert_eq!((texts.bytes(), texts.maps().len()), (MOST_BYTES, MOST_BYTES / LARGEST_PAYLOAD));
    }
}
