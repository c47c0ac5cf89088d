//! What frames did: a row each, or one for several when there are too many, and the worst ones exactly.

use crate::estimate::{Share, Spread};

/// The worst frames that are kept, by calls and by bytes.
const WORST: usize = 16;

/// What one frame did, or several that follow each other.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct FrameRow {
    /// The number of the first of them.
    pub number: u64,
    /// How many there are.
    pub frames: u64,
    /// When the first one began, in units of time.
    pub start: u64,
    /// When the last one ended.
    pub end: u64,
    /// Blocks that were handed out, on any thread.
    pub allocs: u64,
    /// Blocks that got another size.
    pub reallocs: u64,
    /// Blocks that were given back.
    pub frees: u64,
    /// Bytes that were asked for.
    pub bytes: u64,
    /// Blocks that were given back in the frame in which they were made or last resized.
    pub temporaries: u64,
    /// Bytes that lived at the end.
    pub live_bytes: u64,
    /// The most bytes that lived meanwhile.
    pub peak_bytes: u64,
    /// Bytes that the manager's arenas handed out in it; of several, the most.
    pub used_bytes: u64,
    /// Of a sample: how far [`calls`](Self::calls) and [`bytes`](Self::bytes) may be from the truth.
    pub spread: Spread,
}

impl FrameRow {
    /// Calls that asked for memory: allocations and reallocations.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.allocs.saturating_add(self.reallocs)
    }

    /// This row and the next one, as one.
    pub(crate) fn and(&self, next: &Self) -> Self {
        Self {
            number: self.number,
            frames: self.frames + next.frames,
            start: self.start,
            end: next.end,
            allocs: self.allocs.saturating_add(next.allocs),
            reallocs: self.reallocs.saturating_add(next.reallocs),
            frees: self.frees.saturating_add(next.frees),
            bytes: self.bytes.saturating_add(next.bytes),
            temporaries: self.temporaries.saturating_add(next.temporaries),
            live_bytes: next.live_bytes,
            peak_bytes: self.peak_bytes.max(next.peak_bytes),
            used_bytes: self.used_bytes.max(next.used_bytes),
            spread: self.spread.and(&next.spread),
        }
    }

    /// A block was made in it, by an allocation or not.
    pub(crate) fn made(&mut self, share: &Share, new: bool) {
        let calls = if new { &mut self.allocs } else { &mut self.reallocs };
        *calls = calls.saturating_add(share.blocks);
        self.bytes = self.bytes.saturating_add(share.bytes);
        self.spread.add(&share.spread);
    }

    /// So many were given back in it.
    pub(crate) fn freed(&mut self, blocks: u64) {
        self.frees = self.frees.saturating_add(blocks);
    }

    /// Of these, so many had been made in it.
    pub(crate) fn temporary(&mut self, blocks: u64) {
        self.temporaries = self.temporaries.saturating_add(blocks);
    }
}

/// All frames of a recording.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Frames {
    /// Frames that ended, in order: a row for each, or, if there are more than were asked for, one for as many as
    /// [`per_row`](Self::per_row) says.
    pub rows: Vec<FrameRow>,
    /// Frames in a row; 1 if there is one for each.
    pub per_row: u64,
    /// How many frames ended.
    pub count: u64,
    /// The frames that asked for memory most often, the worst first; at most 16, none that did not ask at all.
    pub most_calls: Vec<FrameRow>,
    /// The frames that asked for most bytes, the worst first; at most 16.
    pub most_bytes: Vec<FrameRow>,
    /// What was done before the first frame.
    pub before: FrameRow,
    /// What was done after the last one began: nothing says when it ended.
    pub last: Option<FrameRow>,
}

/// Frames while events pass.
#[derive(Debug)]
pub(super) struct FrameTable {
    frames: Frames,
    limit: usize,
    /// What is done now.
    row: FrameRow,
    began: bool,
}

impl FrameTable {
    /// Keeps at most so many rows, two at the least.
    pub(super) fn new(limit: usize) -> Self {
        let frames = Frames { per_row: 1, ..Frames::default() };
        Self { frames, limit: limit.max(2), row: FrameRow::default(), began: false }
    }

    /// What is done now is done by this frame, or outside of any.
    pub(super) fn row(&mut self) -> &mut FrameRow {
        &mut self.row
    }

    /// The number of the frame that goes on, and when it began.
    pub(super) fn current(&self) -> Option<(u64, u64)> {
        self.began.then_some((self.row.number, self.row.start))
    }

    /// A frame begins, and the one before, which is answered, ends.
    pub(super) fn begin(&mut self, number: u64, time: u64, live_bytes: u64) -> Option<FrameRow> {
        let next = FrameRow {
            number,
            frames: 1,
            start: time,
            end: time,
            live_bytes,
            peak_bytes: live_bytes,
            ..FrameRow::default()
        };
        let mut ended = core::mem::replace(&mut self.row, next);
        (ended.end, ended.live_bytes) = (time, live_bytes);
        if !core::mem::replace(&mut self.began, true) {
            self.frames.before = ended;
            return None;
        }
        worst(&mut self.frames.most_calls, ended, FrameRow::calls);
        worst(&mut self.frames.most_bytes, ended, |row| row.bytes);
        self.push(ended);
        Some(ended)
    }

    fn push(&mut self, row: FrameRow) {
        let Frames { rows, per_row, count, .. } = &mut self.frames;
        *count += 1;
        match rows.last_mut() {
            Some(last) if last.frames < *per_row => *last = last.and(&row),
            _ => rows.push(row),
        }
        if rows.len() > self.limit {
            let halved = rows.chunks(2).map(|pair| pair[1..].iter().fold(pair[0], |sum, row| sum.and(row)));
            *rows = halved.collect();
            *per_row = per_row.saturating_mul(2);
        }
    }

    pub(super) fn end(mut self, time: u64, live_bytes: u64) -> Frames {
        (self.row.end, self.row.live_bytes) = (time, live_bytes);
        if self.began {
            self.frames.last = Some(self.row);
        } else {
            self.frames.before = self.row;
        }
        self.frames
    }
}

/// Keeps a row among the worst ones, if it is one of them. Of equal ones the earlier one is kept.
fn worst(rows: &mut Vec<FrameRow>, row: FrameRow, figure: impl Fn(&FrameRow) -> u64) {
    let own = figure(&row);
    if own == 0 || (rows.len() == WORST && rows.last().is_some_and(|last| figure(last) >= own)) {
        return;
    }
    let place = rows.partition_point(|other| figure(other) >= own);
    rows.insert(place, row);
    rows.truncate(WORST);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_merged_and_lose_nothing() {
        for frames in [0u64, 1, 7, 8, 9, 33, 1000] {
            let mut table = FrameTable::new(8);
            table.row().allocs = 5;
            for number in 0..=frames {
                table.begin(number, number * 10, number);
                table.row().allocs = number % 13;
                table.row().bytes = number;
            }
            let table = table.end(frames * 10 + 3, 77);
            assert_eq!((table.count, table.before.allocs), (frames, 5));
            assert!(table.rows.len() <= 8 && table.rows.len() as u64 >= frames.min(4), "{frames}");
            assert_eq!(table.rows.iter().map(|row| row.frames).sum::<u64>(), frames);
            assert_eq!(table.rows.iter().map(|row| row.bytes).sum::<u64>(), (0..frames).sum::<u64>());
            assert!(table.rows.windows(2).all(|two| two[0].end == two[1].start));
            assert_eq!(table.last.map(|row| (row.number, row.live_bytes)), Some((frames, 77)));
            assert_eq!(table.most_bytes.first().map_or(0, |row| row.number), frames.saturating_sub(1));
            if frames == 1000 {
                let calls: Vec<(u64, u64)> =
                    table.most_calls.iter().map(|row| (row.calls(), row.number)).collect();
                let expected: Vec<(u64, u64)> = (0..16).map(|turn| (12, 12 + 13 * turn)).collect();
                assert_eq!(calls, expected, "the first ones of the worst");
            }
        }
    }
}
