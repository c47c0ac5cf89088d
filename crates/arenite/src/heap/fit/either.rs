//! Storage that is chosen while the program runs.
#![expect(unsafe_code, reason = "is memory that is one of two")]

use core::ptr::NonNull;

use super::storage::Readable;
use super::storage::sealed::{Memory, Open};
use crate::ledger::Tag;
use crate::region::AllocError;

/// One storage or another one, with the same kind of book-keeping: so that a heap of one type can be in a buffer, or in a region of its own
/// where there is no buffer. Costs nothing but when the heap grows.
///
/// ```
/// use arenite::heap::fit::{Either, FitHeap, Fixed, Growing};
/// use arenite::Tag;
///
/// fn heap(tag: Tag, buffer: Option<&mut [std::mem::MaybeUninit<u8>]>)
/// -> Result<FitHeap<Either<Growing, Fixed<'_>>>, arenite::region::AllocError> {
///     FitHeap::try_new(match buffer {
///         None => Either::First(Growing::new(tag, 1 << 30)),
///         Some(buffer) => Either::Second(Fixed::new(tag, buffer)),
///     })
/// }
/// let tag = Tag::register("example/either")?;
/// let mut buffer = [std::mem::MaybeUninit::uninit(); 4096];
/// assert!(heap(tag, None)?.stats().capacity > 4096);
/// assert!(heap(tag, Some(&mut buffer))?.stats().capacity < 4096);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use]
pub enum Either<A, B> {
    /// This one.
    First(A),
    /// Or that one.
    Second(B),
}

/// What was opened.
#[derive(Debug)]
pub enum EitherMemory<A, B> {
    First(A),
    Second(B),
}

macro_rules! each {
    ($either:expr, $memory:ident => $work:expr) => {
        match $either {
            EitherMemory::First($memory) => $work,
            EitherMemory::Second($memory) => $work,
        }
    };
}

// SAFETY: that of whichever it is.
unsafe impl<A: Memory, B: Memory> Memory for EitherMemory<A, B> {
    fn origin(&self) -> NonNull<u8> {
        each!(self, memory => memory.origin())
    }

    fn granules(&self) -> u32 {
        each!(self, memory => memory.granules())
    }

    fn limit(&self) -> u32 {
        each!(self, memory => memory.limit())
    }

    fn try_grow(&mut self, granules: u32) -> Result<(), AllocError> {
        each!(self, memory => memory.try_grow(granules))
    }

    unsafe fn try_shrink(&mut self, granules: u32) -> Result<(), AllocError> {
        // SAFETY: the caller's promise.
        each!(self, memory => unsafe { memory.try_shrink(granules) })
    }

    fn tag(&self) -> Tag {
        each!(self, memory => memory.tag())
    }

    fn beside(&self) -> usize {
        each!(self, memory => memory.beside())
    }

    fn publish(&mut self, live: usize) {
        each!(self, memory => memory.publish(live));
    }

    fn is_own(&self) -> bool {
        each!(self, memory => memory.is_own())
    }
}

impl<A: Open, B: Open<Book = A::Book>> Open for Either<A, B> {
    type Memory = EitherMemory<A::Memory, B::Memory>;
    type Book = A::Book;

    fn open(self) -> Result<(Self::Memory, A::Book), AllocError> {
        Ok(match self {
            Self::First(storage) => {
                let (memory, book) = storage.open()?;
                (EitherMemory::First(memory), book)
            }
            Self::Second(storage) => {
                let (memory, book) = storage.open()?;
                (EitherMemory::Second(memory), book)
            }
        })
    }
}

impl<A: Readable, B: Readable + Open<Book = A::Book>> Readable for Either<A, B> {}
