//! Events as blocks that are made and that go, in the order of time.

use std::io::{Read, Seek};

use arenite::record::format::events::{Event, What};

use crate::{Block, Capture, Change, Live, ReadError, Summary};

/// Something that happened.
pub(super) enum Step<'a> {
    /// A block is there.
    Made(Block),
    /// A block is no longer there: it was given back, or has another size from now on; or nobody told how it went.
    Gone(Block, u64),
    /// Something else, and when.
    Told(u64, &'a What<'a>),
}

/// Shows all of it, and answers what lives at the end. A reallocation is the end of one block and the beginning of another.
///
/// A block whose free was told first, or for which there is no room, comes and goes at once, as in a [`Summary`].
pub(super) fn flow<F: Read + Seek>(
    capture: &mut Capture<F>,
    mut show: impl FnMut(Step<'_>),
) -> Result<Live, ReadError> {
    let mut live = Live::new();
    capture.events(|thread, event| step(&mut live, thread, &event, &mut show))?;
    Ok(live)
}

fn step(live: &mut Live, thread: u32, event: &Event<'_>, show: &mut impl FnMut(Step<'_>)) {
    let time = event.time;
    while let Some(block) = live.missed(time) {
        show(Step::Gone(block, time));
    }
    match live.take(thread, event) {
        Change::Made { block, lives } => made(block, lives, show),
        Change::Gone(Some(block)) => show(Step::Gone(block, time)),
        Change::Gone(None) => {}
        Change::Resized { before, block, lives } => {
            if let Some(before) = before {
                show(Step::Gone(before, time));
            }
            made(block, lives, show);
        }
        Change::Moved(_) | Change::None => show(Step::Told(time, &event.what)),
    }
}

fn made(block: Block, lives: bool, show: &mut impl FnMut(Step<'_>)) {
    show(Step::Made(block));
    if !lives {
        show(Step::Gone(block, block.time));
    }
}

/// The tag of what is under none.
pub(super) fn untagged(summary: &Summary) -> u32 {
    let named = summary.tags.iter().filter(|(_, tag)| tag.name == "untagged");
    named.map(|(number, _)| *number).rfind(|number| *number < Summary::UNNUMBERED).unwrap_or(0)
}

/// A time of the capture as nanoseconds since its first event.
pub(super) fn nanoseconds(summary: &Summary, time: u64) -> u64 {
    lasted(summary, time.saturating_sub(summary.start))
}

/// Units of time as nanoseconds.
pub(super) fn lasted(summary: &Summary, units: u64) -> u64 {
    let time = u128::from(units) * 1_000_000_000 / u128::from(summary.units_per_second.max(1));
    u64::try_from(time).unwrap_or(u64::MAX)
}
