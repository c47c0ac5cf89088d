//! The external heap: shared blocks of chunks that the program hands out.
#![expect(unsafe_code, reason = "exports functions under C's names, which follow C's pointers")]

use std::ffi::c_void;
use std::sync::atomic::{AtomicUsize, Ordering};

use arenite::{ExternalBlock, ExternalError, ExternalHeap, ExternalOptions, Provider};

use super::fits::step;
use super::object::{self, Object, kind};
use super::tags::{arenite_tag, tag_of};
use super::texts::{get, put, wanted};
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, guard};

/// Hands out parts of large chunks, which it gets of a provider: functions of the program that ask a driver, a file, a console's special pool.
/// Nothing in them is read or written. Blocks are shared: they are counted, and whoever lets go of one last gives it back. Any thread
/// may use it; it is destroyed when no other one does.
pub struct arenite_external {
    _object: Object<Heap>,
}

kind!(arenite_external, Heap, 0x4558_5448u32, shared: true);

/// A block of an external heap, with a count of those who have it. Any thread may use it, and let go of it. It may outlive the heap.
pub struct arenite_external_block {
    _object: Object<Block>,
}

kind!(arenite_external_block, Block, 0x4558_5442u32, shared: true);

/// A function that hands out a chunk of `size` bytes whose offset 0 is at a multiple of `align`: writes what it is called (an address, a
/// driver's handle; the library does not follow it) to `memory`, and answers 0; any other number: there is none. It is called without
/// other locks than the provider's own, on the thread that wants a block, and never twice at a time. A call of the same heap from here is
/// refused (`ARENITE_BUSY`), but blocks may be let go of. It must return, not jump out or throw.
pub type arenite_chunk_allocate = Option<
    unsafe extern "C-unwind" fn(user: *mut c_void, size: u64, align: u64, memory: *mut *mut c_void) -> i32,
>;

/// A function that takes a chunk back, of which no block is left: on whatever thread lets go of a block, or trims, and as
/// `arenite_chunk_allocate` is called. It must return, not jump out or throw.
pub type arenite_chunk_release =
    Option<unsafe extern "C-unwind" fn(user: *mut c_void, memory: *mut c_void, size: u64)>;

/// A function that is called once, when nothing of an external heap is left: neither itself nor a block. It must return, not jump out or throw.
pub type arenite_provider_end = Option<unsafe extern "C-unwind" fn(user: *mut c_void)>;

/// How an external heap is made. Zero is each member's default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_external_options {
    /// Whom chunks are charged to, and the books.
    pub tag: arenite_tag,
    /// How many empty chunks are kept, so that a block that comes and goes does not make a chunk come and go. 0 is 1, -1 is none.
    pub spare: i32,
    /// How large a chunk is. Blocks of more than half of that have a chunk of their own. Default: 64 MiB.
    pub chunk: u64,
    /// What sizes and offsets are rounded up to, a power of two, at most 2^32. Default: 256. A chunk has less than 2^32 times that.
    pub granularity: u64,
    /// What chunks are aligned to, a power of two. A block with a larger alignment has a chunk of its own. Default: 64 KiB.
    pub align: u64,
    /// Hands out a chunk; must be there.
    pub allocate: arenite_chunk_allocate,
    /// Takes it back; may be null.
    pub release: arenite_chunk_release,
    /// Called when neither of these will be any more; may be null.
    pub end: arenite_provider_end,
    /// Handed to all of them.
    pub user: *mut c_void,
}

/// Where a block of an external heap is.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_external_place {
    /// Its chunk, as the provider called it.
    pub memory: *mut c_void,
    /// Where in its chunk it begins.
    pub offset: u64,
    /// How large it is: what was asked for, rounded up to the granularity.
    pub size: u64,
    /// How many have it.
    pub holders: usize,
    /// 1: it has a chunk of its own.
    pub dedicated: i32,
}

/// Figures of an external heap.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_external_stats {
    /// Chunks that the provider has handed out and not got back.
    pub chunks: u64,
    /// Bytes of them.
    pub capacity: u64,
    /// Bytes of blocks.
    pub used: u64,
    /// Blocks.
    pub blocks: u64,
    /// Chunks for one block each.
    pub dedicated: u64,
    /// Bytes of memory that the book-keeping has committed.
    pub bookkeeping: u64,
}

/// A chunk, as C calls it.
struct Memory(*mut c_void);

// SAFETY: a name, which nobody here follows.
unsafe impl Send for Memory {}
// SAFETY: as above.
unsafe impl Sync for Memory {}

/// Functions of C's.
struct Given {
    allocate: unsafe extern "C-unwind" fn(*mut c_void, u64, u64, *mut *mut c_void) -> i32,
    release: arenite_chunk_release,
    end: arenite_provider_end,
    user: *mut c_void,
}

// SAFETY: C was told that they are called on any thread, one at a time.
unsafe impl Send for Given {}

impl Provider for Given {
    type Memory = Memory;
    type Error = i32;

    fn allocate(&mut self, size: u64, align: u64) -> Result<Memory, i32> {
        let mut memory = std::ptr::null_mut();
        // SAFETY: the program's function, as it wants to be called.
        match unsafe { (self.allocate)(self.user, size, align, &raw mut memory) } {
            0 => Ok(Memory(memory)),
            refused => Err(refused),
        }
    }

    fn release(&mut self, memory: Memory, size: u64) {
        if let Some(release) = self.release {
            // SAFETY: as above.
            unsafe { release(self.user, memory.0, size) };
        }
    }
}

impl Drop for Given {
    fn drop(&mut self) {
        if let Some(end) = self.end {
            // SAFETY: as above, and the last call.
            unsafe { end(self.user) };
        }
    }
}

pub(crate) struct Heap(ExternalHeap<Given>);

pub(crate) struct Block {
    block: ExternalBlock<Given>,
    /// How many have it; none: it is on its way out.
    holders: AtomicUsize,
}

const fn any_thread<T: Send + Sync>() {}
const _: () = any_thread::<Heap>();
const _: () = any_thread::<Block>();

impl From<ExternalError<i32>> for Refusal {
    #[cold]
    fn from(error: ExternalError<i32>) -> Self {
        let code = match error {
            ExternalError::Provider(_) => ARENITE_CALLBACK,
            ExternalError::Refused(error) => return error.into(),
            ExternalError::TooLarge => ARENITE_TOO_LARGE,
            ExternalError::Busy => ARENITE_BUSY,
            _ => ARENITE_INTERNAL,
        };
        Self::new(code, error)
    }
}

fn invalid(what: std::fmt::Arguments<'_>) -> Refusal {
    Refusal::new(ARENITE_INVALID_ARGUMENT, what)
}

impl arenite_external_options {
    fn build(&self) -> Result<Heap, Refusal> {
        let allocate = self.allocate.ok_or(ARENITE_NULL_ARGUMENT)?;
        let or = |asked, default| if asked == 0 { default } else { asked };
        let (chunk, granularity) = (or(self.chunk, 64 << 20), or(self.granularity, 256));
        let align = step(or(self.align, 64 << 10))?;
        if !granularity.is_power_of_two() || granularity > 1 << 32 {
            return Err(invalid(format_args!(
                "a granularity of {granularity}: it must be a power of two, at most 2^32"
            )));
        }
        if chunk / granularity >= 1 << 32 || chunk > isize::MAX as u64 {
            return Err(invalid(format_args!("chunks of {chunk}: less than 2^32 granules of {granularity}")));
        }
        let spare = match self.spare {
            0 => 1,
            asked => usize::try_from(asked).unwrap_or(0),
        };
        let options = ExternalOptions::new(tag_of(self.tag)?).chunk(chunk).granularity(granularity);
        let Self { release, user, .. } = *self;
        Ok(Heap(options.align(align).spare(spare).build(Given { allocate, release, end: None, user })))
    }
}

/// Makes an external heap and writes it to `heap`. Nothing is asked of the provider yet. The caller owns it, until
/// `arenite_external_destroy`; the functions and `user` must stay good until `end` is called; if this is refused, it never is.
/// Thread-safe.
///
/// Errors: `ARENITE_NULL_ARGUMENT` (also: no options, no `allocate`), `ARENITE_INVALID_ARGUMENT` (the chunk, the granularity, the
/// alignment), `ARENITE_BAD_TAG`, `ARENITE_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_external_create(
    options: *const arenite_external_options,
    heap: *mut *mut arenite_external,
) -> arenite_error {
    // SAFETY: the caller's pointers and functions.
    guard(|| unsafe {
        wanted(heap)?;
        let options = get(options)?;
        object::make(options.build()?, heap)?;
        // From here on there is something to be ended.
        object::held(*heap, |this| {
            this.0.with_provider(|provider| provider.end = options.end);
            Ok(())
        })
    })
}

/// Ends an external heap. Its blocks stay as long as somebody has them; the last one that goes gives what is left back to the provider, and
/// calls its `end`. Null is allowed.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY` (called by its provider, or by a pressure callback).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_external_destroy(heap: *mut arenite_external) -> arenite_error {
    if heap.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object.
    guard(|| unsafe { object::end(heap, drop) })
}

/// Writes a block of at least `size` bytes, at a multiple of `align` (a power of two; 0 is 1) within its chunk, to `block`. The caller has it, until
/// `arenite_external_release`. If no chunk has room, the provider is asked for another one. Thread-safe. O(chunks).
///
/// Errors: `ARENITE_CALLBACK` (the provider has none), `ARENITE_OVER_BUDGET`, `ARENITE_TOO_LARGE`, `ARENITE_INVALID_ARGUMENT` (the
/// alignment), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY` (called by its provider, or by a pressure callback
/// that it caused); and `ARENITE_SYSTEM`, `ARENITE_EXHAUSTED`, `ARENITE_FULL` if the books can not grow.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_external_allocate(
    heap: *mut arenite_external,
    size: u64,
    align: u64,
    block: *mut *mut arenite_external_block,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        wanted(block)?;
        let align = step(align)?;
        let made = object::held(heap, |this| Ok(this.0.try_allocate(size, align)?))?;
        object::make(Block { block: made, holders: AtomicUsize::new(1) }, block)
    })
}

/// One more has the block: each lets go of it by `arenite_external_release`. The caller has it, or somebody who waits. Thread-safe. O(1).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_STALE` (the last one is letting go of it).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_external_retain(block: *mut arenite_external_block) -> arenite_error {
    // SAFETY: the caller's object, which he has.
    guard(|| unsafe { object::shared(block)?.count(|holders| holders.checked_add(1)).map(drop) })
}

/// One less has the block. The last one gives it back; it may be used no more. Waits for nobody, and is allowed in a provider's functions and in pressure
/// callbacks. Null is allowed. Thread-safe. O(1), but for chunks that go.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_STALE` (another one is letting go of it, and nobody else had it).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_external_release(block: *mut arenite_external_block) -> arenite_error {
    if block.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object, which he has, and nobody else when the count is 0.
    guard(|| unsafe {
        match object::shared(block)?.count(|holders| holders.checked_sub(1))? {
            1 => object::end_anytime(block, drop),
            _ => Ok(()),
        }
    })
}

impl Block {
    /// Changes how many have it; answers how many it were. Who has none any more is not to be had.
    fn count(&self, change: impl Fn(usize) -> Option<usize>) -> Result<usize, Refusal> {
        let change = |holders| if holders == 0 { None } else { change(holders) };
        self.holders
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, change)
            .map_err(|_| Refusal::new(ARENITE_STALE, "nobody has the `arenite_external_block` any more"))
    }
}

/// Writes where a block is to `place`. Thread-safe. O(1).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_external_locate(
    block: *const arenite_external_block,
    place: *mut arenite_external_place,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let this = object::shared(block)?;
        put(
            place,
            arenite_external_place {
                memory: this.block.memory().0,
                offset: this.block.offset(),
                size: this.block.size(),
                holders: this.holders.load(Ordering::Relaxed),
                dedicated: this.block.is_dedicated().into(),
            },
        )
    })
}

/// Gives chunks that are empty back to the provider, also those that are kept to spare. Thread-safe.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_external_trim(heap: *mut arenite_external) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe {
        object::held(heap, |this| {
            this.0.trim();
            Ok(())
        })
    })
}

/// Writes the figures of an external heap to `stats`, and tells its tag's account how much is in use. Thread-safe. O(chunks).
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY` (as of `arenite_external_allocate`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_external_figures(
    heap: *const arenite_external,
    stats: *mut arenite_external_stats,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let seen = object::held(heap, |this| {
            let seen = this.0.try_stats().ok_or(ExternalError::<i32>::Busy)?;
            this.0.publish();
            Ok(seen)
        })?;
        put(
            stats,
            arenite_external_stats {
                chunks: seen.chunks,
                capacity: seen.capacity,
                used: seen.used,
                blocks: seen.blocks,
                dedicated: seen.dedicated,
                bookkeeping: seen.bookkeeping,
            },
        )
    })
}
