//! `--leak`: marks on walls that nobody takes away, to see a leak found, named and located.
//!
//! The marks live in a named heap that keeps where its blocks were made. When the game ends, so does the heap, and what it
//! refuses to go for is the report: nothing here knows that it leaks.
//! A recording has them, too, under their tag: `arenite report` finds the leak by what was recorded alone.

use std::alloc::Layout;

use arenite::{AllocError, Heap, HeapOptions, StillLive};

use super::memory::tag;
use crate::error::DemoError;
use crate::outcome::LeakOutcome;

/// The tag of the marks.
pub(super) const TAG: &str = "marks";

/// The part of the game that leaks.
#[derive(Debug)]
pub(super) struct Marks {
    heap: Heap,
    /// What each frame makes.
    layout: Layout,
}

impl Marks {
    /// One that makes so many bytes a frame; `None` for none at all.
    pub(super) fn start(bytes: usize) -> Result<Option<Self>, DemoError> {
        if bytes == 0 {
            return Ok(None);
        }
        let layout = Layout::array::<u8>(bytes)
            .map_err(|_| DemoError::Config(format!("a frame can not leak {bytes} bytes")))?;
        Ok(Some(Self { heap: Heap::try_with(HeapOptions::new(tag(TAG)?).track_blocks())?, layout }))
    }

    /// Makes a mark, and forgets it.
    pub(super) fn frame(&self) -> Result<(), AllocError> {
        let _site = self.heap.site("a mark on a wall");
        let _forgotten = self.heap.try_alloc(self.layout)?;
        Ok(())
    }

    /// Bytes of all marks there are, with what it takes to know where they were made.
    pub(super) fn live(&self) -> u64 {
        self.heap.stats().live_bytes()
    }

    /// Ends this part of the game: what still lives, by place.
    pub(super) fn end(self) -> Vec<LeakOutcome> {
        self.heap.try_discard().map_or_else(|refused| leaks(&refused), |()| Vec::new())
    }
}

/// One entry for each place among the blocks that the report names: the largest.
fn leaks(refused: &StillLive) -> Vec<LeakOutcome> {
    let mut leaks: Vec<LeakOutcome> = Vec::new();
    for survivor in refused.report().survivors() {
        let place = format!("{}:{}", survivor.place.file(), survivor.place.line());
        match leaks.iter_mut().find(|leak| leak.place == place) {
            Some(leak) => leak.age_frames = leak.age_frames.max(survivor.frames),
            None => leaks.push(LeakOutcome {
                tag: refused.tag().name().to_owned(),
                blocks: refused.blocks(),
                bytes: refused.bytes(),
                what: survivor.label.unwrap_or_default().to_owned(),
                place,
                age_frames: survivor.frames,
            }),
        }
    }
    leaks
}
