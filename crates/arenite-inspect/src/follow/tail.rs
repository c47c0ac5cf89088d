//! The chunks of a file that grows, in the order in which they were written.

use std::io::{self, Read, Seek};

use arenite::record::format::{CHUNK_MAGIC, ChunkHeader};

use crate::chunks::{Found, Look, look_at, next_magic};

/// How far the file was read.
#[derive(Debug)]
pub(super) struct Tail {
    at: u64,
    /// The end of the file when it was last looked, in vain, for a chunk behind one that is not whole.
    searched: u64,
    skipped: u64,
    look: Look,
}

impl Tail {
    pub(super) fn new(at: u64) -> Self {
        Self { at, searched: 0, skipped: 0, look: Look::default() }
    }

    /// Where the next chunk is, or will be.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// Bytes that were passed over because they are no chunk.
    pub(super) fn skipped(&self) -> u64 {
        self.skipped
    }

    /// The next chunk and its place, if it is whole. One that is not is waited for, unless the file has not grown for a while
    /// (`settled`) and has a whole one behind it: then its header is wrong.
    pub(super) fn next<F: Read + Seek>(
        &mut self,
        file: &mut F,
        end: u64,
        settled: bool,
    ) -> io::Result<Option<(u64, ChunkHeader)>> {
        while self.at < end {
            let next = match look_at(file, self.at, end, &mut self.look)? {
                Found::Whole(header) => {
                    let at = self.at;
                    self.at += header.span() as u64;
                    return Ok(Some((at, header)));
                }
                Found::Part if !settled || self.searched == end => return Ok(None),
                Found::Part => match self.whole_behind(file, end)? {
                    Some(next) => next,
                    None => {
                        self.searched = end;
                        return Ok(None);
                    }
                },
                // The beginning of the next one may be the last that is there.
                Found::Nothing => next_magic(file, self.at + 1)?
                    .unwrap_or_else(|| end.saturating_sub(size_of_val(&CHUNK_MAGIC) as u64 - 1))
                    .clamp(self.at + 1, end),
            };
            self.skipped += next - self.at;
            self.at = next;
        }
        Ok(None)
    }

    fn whole_behind<F: Read + Seek>(&mut self, file: &mut F, end: u64) -> io::Result<Option<u64>> {
        let mut from = self.at + 1;
        while let Some(found) = next_magic(file, from)?.filter(|found| *found < end) {
            if let Found::Whole(_) = look_at(file, found, end, &mut self.look)? {
                return Ok(Some(found));
            }
            from = found + 1;
        }
        Ok(None)
    }
}
