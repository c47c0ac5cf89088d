//! The allocator face: foreign containers that live in an arena (feature `allocator-api2`).
//!
//! `&FrameArena`, `&Scope`, `&JobArena`, `&HeapArena` and `&HeapScope` are allocators, so that any container with an `allocator_api2` parameter
//! (`hashbrown` maps, its own `Vec` and `Box`) can live there. Choose [`ArenaVec`](crate::ArenaVec) when a vector is all
//! you need: it wants no feature.
//!
//! ```
//! use allocator_api2::vec::Vec;
//! use arenite::{FrameArena, Tag};
//! use hashbrown::HashMap;
//! use std::hash::RandomState;
//!
//! let mut arena = FrameArena::try_new(Tag::register("example/allocator")?)?;
//! arena.begin_frame();
//! let mut names = HashMap::with_hasher_in(RandomState::new(), &arena);
//! names.insert(7u32, "door".to_owned());
//! let mut path = Vec::new_in(&arena);
//! path.extend_from_slice(&[1u16, 2, 3]);
//! assert_eq!((names[&7].as_str(), path.len()), ("door", 3));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Inside the manager's [`Frame`](crate::Frame), which dereferences to its frame arena, that is `&*frame`:
//!
//! ```
//! use arenite::MemoryManager;
//! use hashbrown::HashMap;
//! use std::hash::RandomState;
//!
//! let mut memory = MemoryManager::builder().build()?;
//! let frame = memory.begin_frame();
//! let mut in_frame = HashMap::with_hasher_in(RandomState::new(), &*frame);
//! in_frame.insert("doors", 3);
//! let mut guard = frame.scratch();
//! let scope = guard.scope();
//! let mut in_scope = HashMap::with_hasher_in(RandomState::new(), &scope);
//! in_scope.insert("seen", 1);
//! assert_eq!((in_frame["doors"], in_scope["seen"]), (3, 1));
//! # Ok::<(), arenite::BuildError>(())
//! ```
//!
//! A block grows and shrinks in place while it is the last one of its arena, and goes back to the arena when it is
//! freed as the last one; otherwise growing copies, and what is freed waits for the arena's own moment. Destructors of
//! the elements run with the container, as always; a container that is forgotten is only memory that is freed later.
//!
//! [`allocator_api2::alloc::AllocError`] can not carry a reason. Where the reason matters (which tag, which budget), use
//! the arena's own `try_` functions.
#![expect(unsafe_code, reason = "answers an unsafe trait about raw blocks of a bump")]

use core::alloc::Layout;
use core::ptr::NonNull;

use allocator_api2::alloc::{AllocError, Allocator};

use super::bump::Cursor;
use super::frame::FrameArena;
use super::job::JobArena;
use super::scratch::Scope;

#[inline]
fn allocate(cursor: Cursor<'_>, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
    let block = cursor.try_alloc(layout).map_err(|_| AllocError)?;
    Ok(NonNull::slice_from_raw_parts(block, layout.size()))
}

#[inline]
fn allocate_zeroed(cursor: Cursor<'_>, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
    let block = allocate(cursor, layout)?;
    // Memory that was used before is not zero, and what was not can not be told apart.
    // SAFETY: the block is `size` bytes of ours alone.
    unsafe { block.cast::<u8>().write_bytes(0, layout.size()) };
    Ok(block)
}

/// # Safety
/// As [`Allocator::grow`], for a block of this bump.
#[inline]
unsafe fn grow(
    cursor: Cursor<'_>,
    block: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    if block.addr().get().is_multiple_of(new.align()) && cursor.grow_in_place(block, old.size(), new.size()) {
        // The container may have narrowed its pointer to the old size; the cursor's own reaches the new one.
        // SAFETY: the address is that of a block.
        let block = unsafe { NonNull::new_unchecked(cursor.ptr().get().with_addr(block.addr().get())) };
        return Ok(NonNull::slice_from_raw_parts(block, new.size()));
    }
    let moved = allocate(cursor, new)?;
    // SAFETY: the old block holds `old.size()` bytes by the caller's promise, the new one no fewer; the old one is
    // still allocated, so they do not overlap.
    unsafe { moved.cast::<u8>().copy_from_nonoverlapping(block, old.size()) };
    Ok(moved)
}

/// # Safety
/// As [`Allocator::grow_zeroed`], for a block of this bump.
#[inline]
unsafe fn grow_zeroed(
    cursor: Cursor<'_>,
    block: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    // SAFETY: the caller's promise, passed on.
    let grown = unsafe { grow(cursor, block, old, new)? };
    // SAFETY: the grown block has `new.size()` bytes, of which the caller's data are the first `old.size()`.
    unsafe { grown.cast::<u8>().add(old.size()).write_bytes(0, new.size() - old.size()) };
    Ok(grown)
}

/// # Safety
/// As [`Allocator::shrink`], for a block of this bump.
#[inline]
unsafe fn shrink(
    cursor: Cursor<'_>,
    block: NonNull<u8>,
    old: Layout,
    new: Layout,
) -> Result<NonNull<[u8]>, AllocError> {
    if !block.addr().get().is_multiple_of(new.align()) {
        let moved = allocate(cursor, new)?;
        // SAFETY: both have `new.size()` bytes at the least, and the old one is still allocated.
        unsafe { moved.cast::<u8>().copy_from_nonoverlapping(block, new.size()) };
        return Ok(moved);
    }
    // Whether the end went back does not matter to the container.
    // SAFETY: a block of this bump by the caller's promise, whose end the caller no longer uses.
    let _ = unsafe { cursor.shrink_in_place(block, old.size(), new.size()) };
    Ok(NonNull::slice_from_raw_parts(block, new.size()))
}

/// `$what` says why blocks stay valid while a copy of the reference exists.
macro_rules! allocator_face {
    ($face:ty, $what:literal) => {
        #[doc = concat!("Feature `allocator-api2`. ", $what)]
        // SAFETY: a block stays valid until it is freed or its bump is rewound below it or reset. Only the face's
        // owner can do the latter, by `&mut` or by ending the borrow that every copy of this reference extends. Moving
        // or copying a reference moves no memory, and all copies name the same bump.
        unsafe impl Allocator for &$face {
            #[inline]
            fn allocate(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                allocate(self.cursor(), layout)
            }

            #[inline]
            fn allocate_zeroed(&self, layout: Layout) -> Result<NonNull<[u8]>, AllocError> {
                allocate_zeroed(self.cursor(), layout)
            }

            #[inline]
            unsafe fn deallocate(&self, block: NonNull<u8>, layout: Layout) {
                // SAFETY: a block of this bump with this layout, no longer used, by the caller's promise.
                let _ = unsafe { self.cursor().shrink_in_place(block, layout.size(), 0) };
            }

            #[inline]
            unsafe fn grow(
                &self,
                block: NonNull<u8>,
                old: Layout,
                new: Layout,
            ) -> Result<NonNull<[u8]>, AllocError> {
                // SAFETY: the caller's promise, passed on.
                unsafe { grow(self.cursor(), block, old, new) }
            }

            #[inline]
            unsafe fn grow_zeroed(
                &self,
                block: NonNull<u8>,
                old: Layout,
                new: Layout,
            ) -> Result<NonNull<[u8]>, AllocError> {
                // SAFETY: the caller's promise, passed on.
                unsafe { grow_zeroed(self.cursor(), block, old, new) }
            }

            #[inline]
            unsafe fn shrink(
                &self,
                block: NonNull<u8>,
                old: Layout,
                new: Layout,
            ) -> Result<NonNull<[u8]>, AllocError> {
                // SAFETY: the caller's promise, passed on.
                unsafe { shrink(self.cursor(), block, old, new) }
            }
        }
    };
}

allocator_face!(FrameArena, "Containers live until the frame ends: no frame can begin while one exists.");
allocator_face!(
    Scope<'_>,
    "Containers live until the scope ends; no nested scope can open while one exists."
);
allocator_face!(JobArena<'_>, "Containers live until the job checks its arena in.");

#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
allocator_face!(
    super::heap::HeapArena,
    "Containers live until the arena is reset, cleared or dropped, none of which it can be while one exists."
);
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
allocator_face!(
    super::heap::HeapScope<'_>,
    "Containers live until the scope ends; no nested scope can open while one exists."
);

#[cfg(all(test, feature = "std", not(loom)))]
mod tests;
