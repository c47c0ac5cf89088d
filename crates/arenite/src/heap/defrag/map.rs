//! What lies where: for pictures, before and after.

use super::SpaceHandle;

/// What a piece of a range is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum PieceState {
    /// It can be handed out.
    Free,
    /// Free, in a segment that is being evacuated.
    Aside,
    /// A block.
    Used,
    /// A block that must stay where it is.
    Pinned,
    /// A block that somebody copies from here.
    Moving,
    /// Where somebody copies a block to.
    Target,
}

/// A piece of a range. Sizes and offsets are bytes, or whatever the range is counted in.
///
/// Its tag is that of its heap. All pieces together are the range, without gaps within a segment.
///
/// A heap as a line of text, a character for each 4 KiB:
///
/// ```
/// use std::alloc::Layout;
///
/// use arenite::{DefragHeap, DefragHeapOptions, PieceState, Tag};
///
/// fn picture(heap: &DefragHeap) -> String {
///     let draw = |state| match state {
///         PieceState::Pinned => "P",
///         PieceState::Free | PieceState::Aside => ".",
///         _ => "#",
///     };
///     heap.map().map(|piece| draw(piece.state).repeat(piece.size.div_ceil(4096) as usize)).collect()
/// }
///
/// let options = DefragHeapOptions::new(Tag::register("stream")?).reserve(1 << 20);
/// let mut heap: DefragHeap = DefragHeap::try_with(options)?;
/// let layout = Layout::from_size_align(8192, 64)?;
/// let blocks: Vec<_> = (0..5).map(|_| heap.alloc(layout)).collect();
/// let pin = heap.pin(blocks[4])?;
/// heap.free(blocks[0])?;
/// heap.free(blocks[2])?;
/// assert!(picture(&heap).starts_with("..##..##PP..."));
/// heap.defragment_fully();
/// assert!(picture(&heap).starts_with("####....PP"));
///
/// // Whose is it? Maps tell the name of a handle.
/// let pinned = heap.map().find(|piece| piece.state == PieceState::Pinned);
/// assert_eq!(pinned.and_then(|piece| piece.name), Some(blocks[4].name()));
/// # drop(pin);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// With the feature `serde` pieces are `Serialize`; the report page of the demo (`--report`) draws them, before and after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct MapPiece {
    /// Where it begins.
    pub offset: u64,
    /// How large it is, rounded up to granules.
    pub size: u64,
    /// What was asked for; 0 if it is free.
    pub asked: u64,
    /// What it is.
    pub state: PieceState,
    /// Whose it is; `None` if it is free, or was freed on its way.
    pub name: Option<SpaceHandle>,
    /// How many frames began since it was made (see [`frames`](crate::base::frames)), modulo 2³²; 0 if it is free.
    pub age: u32,
}
