//! The external heap: shared blocks of large chunks.
//!
//! ```text
//! try_allocate: a chunk with room ─► OffsetAllocator::try_allocate        under the lock of the chunks
//!   none: charge the tag; Provider::allocate ─► a chunk more               under the lock of the provider
//! last handle dropped: its ticket joins those that wait ─► settle
//! settle: the lock of the chunks is free ─► OffsetAllocator::free for each ticket ─► too many empty chunks leave
//!         the lock of the provider is free ─► Provider::release for each that leaves
//! ```
//!
//! So dropping a block waits for nobody, and may be done by a provider and by a pressure callback. Whoever has one of the locks looks
//! again for what waits when he has let go of it.

use core::any::Any;
use core::fmt;
use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::vec::Vec;

use crate::base::sync::plain::{AtomicUsize, Ordering};
use crate::base::thread::token;
use crate::heap::fit::{BlockId, Fit, FitError, OffsetAllocator, OffsetOptions, Tlsf};
use crate::ledger::Tag;
use crate::region::AllocError;

/// Who has the memory: a driver, a file, a console's special pool.
pub trait Provider {
    /// A chunk: a handle of the driver, a buffer, a mapping.
    type Memory: Send + Sync;
    /// Why there is none.
    type Error;

    /// Hands out a chunk of `size` bytes, whose offset 0 is at a multiple of `align`.
    ///
    /// # Errors
    /// It can not.
    fn allocate(&mut self, size: u64, align: u64) -> Result<Self::Memory, Self::Error>;

    /// Takes a chunk back; no block of it is left. (If it panics, that is how the call ends that gave back the last block, unless
    /// its thread is unwinding already.)
    fn release(&mut self, memory: Self::Memory, size: u64);
}

/// How an [`ExternalHeap`] divides what it gets.
#[derive(Clone, Copy, Debug)]
#[must_use]
pub struct ExternalOptions {
    tag: Tag,
    chunk: u64,
    granularity: u64,
    align: u64,
    spare: usize,
}

impl ExternalOptions {
    /// Chunks of 64 MiB in steps of 256 bytes, aligned to 64 KiB, one of which is kept when it is empty; charged to `tag`, as is the
    /// book-keeping.
    pub const fn new(tag: Tag) -> Self {
        Self { tag, chunk: 64 << 20, granularity: 256, align: 64 << 10, spare: 1 }
    }

    /// How large a chunk is. Blocks of more than half of that have a chunk of their own.
    pub const fn chunk(mut self, bytes: u64) -> Self {
        self.chunk = bytes;
        self
    }

    /// What sizes and offsets are rounded up to, a power of two.
    ///
    /// # Panics
    /// `bytes` is not a power of two.
    pub const fn granularity(mut self, bytes: u64) -> Self {
        assert!(bytes.is_power_of_two(), "a granularity is a power of two");
        self.granularity = bytes;
        self
    }

    /// What a provider is to align chunks to, a power of two. A block with a larger alignment has a chunk of its own.
    ///
    /// # Panics
    /// `bytes` is not a power of two.
    pub const fn align(mut self, bytes: u64) -> Self {
        assert!(bytes.is_power_of_two(), "an alignment is a power of two");
        self.align = bytes;
        self
    }

    /// How many empty chunks are kept, so that a block that comes and goes does not make a chunk come and go.
    pub const fn spare(mut self, chunks: usize) -> Self {
        self.spare = chunks;
        self
    }

    /// A heap over this provider, its blocks picked by `F`.
    pub fn build<P: Provider, F: Fit>(self, provider: P) -> ExternalHeap<P, F> {
        let state = State { chunks: Vec::new(), next: 0, leaving: Vec::new(), published: 0 };
        ExternalHeap(Arc::new(Shared {
            options: self,
            state: Mutex::new(state),
            holders: [AtomicUsize::new(0), AtomicUsize::new(0)],
            provider: Mutex::new(provider),
            freed: Mutex::new(None),
        }))
    }
}

/// Shared blocks of large chunks that a [`Provider`] hands out: of video memory, of a mapped file. Nothing in it is read or written.
///
/// A block is a handle that can be cloned and sent anywhere; the last clone gives it back, also after the heap itself is gone. Cloning
/// the heap makes another handle of the same heap.
///
/// See `examples/gpu_memory.rs` and `examples/mapped_file.rs`.
///
/// ```
/// use arenite::{ExternalHeap, ExternalOptions, Provider, Tag};
///
/// /// Hands out numbers of buffers, as a graphics library would.
/// struct Device(u32);
/// impl Provider for Device {
///     type Memory = u32;
///     type Error = std::convert::Infallible;
///     fn allocate(&mut self, _size: u64, _align: u64) -> Result<u32, Self::Error> {
///         self.0 += 1;
///         Ok(self.0)
///     }
///     fn release(&mut self, _memory: u32, _size: u64) {}
/// }
///
/// let tag = Tag::register("gpu/textures")?;
/// let heap: ExternalHeap<Device> = ExternalOptions::new(tag).chunk(16 << 20).build(Device(0));
/// let albedo = heap.try_allocate(1 << 20, 4096)?;
/// let shared = albedo.clone();
/// drop(albedo);
/// assert_eq!((*shared.memory(), shared.offset() % 4096), (1, 0));
/// assert_eq!(tag.account().own.committed, (16 << 20) + heap.stats().bookkeeping as usize);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ExternalHeap<P: Provider, F: Fit = Tlsf>(Arc<Shared<P, F>>);

/// What all handles of a heap share.
struct Shared<P: Provider, F: Fit> {
    options: ExternalOptions,
    state: Mutex<State<P, F>>,
    /// The [`token`] of the threads that have the locks of the state and of the provider: a pressure callback or the provider may run
    /// there, and reach back.
    holders: [AtomicUsize; 2],
    provider: Mutex<P>,
    /// Blocks that are to be freed. Locked for a moment, and nothing else is done meanwhile.
    freed: Mutex<Option<Box<Ticket>>>,
}

/// What is needed to free a block. Made with the block, so that freeing asks for no memory.
struct Ticket {
    chunk: u64,
    /// Of a chunk for one block: nothing.
    id: Option<BlockId>,
    next: Option<Box<Self>>,
}

struct State<P: Provider, F: Fit> {
    chunks: Vec<Chunk<P, F>>,
    /// The name of the next chunk.
    next: u64,
    /// Chunks that the provider is to take back.
    leaving: Vec<(P::Memory, u64)>,
    /// Live bytes, as they were published last.
    published: u64,
}

/// A chunk's name, and its memory.
type Part<M> = (u64, Arc<M>);

struct Chunk<P: Provider, F: Fit> {
    name: u64,
    memory: Arc<P::Memory>,
    size: u64,
    /// Of a chunk for one block: nothing.
    blocks: Option<OffsetAllocator<F>>,
}

impl<P: Provider, F: Fit> Chunk<P, F> {
    fn used(&self) -> u64 {
        self.blocks.as_ref().map_or(self.size, OffsetAllocator::used)
    }
}

/// A block of an [`ExternalHeap`], shared by its clones.
pub struct ExternalBlock<P: Provider, F: Fit = Tlsf>(Arc<Owned<P, F>>);

struct Owned<P: Provider, F: Fit> {
    /// Until it is dropped.
    memory: Option<Arc<P::Memory>>,
    /// As long.
    ticket: Option<Box<Ticket>>,
    offset: u64,
    size: u64,
    heap: Arc<Shared<P, F>>,
}

/// There is no such block. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExternalError<E> {
    /// No chunk has room, and the provider has no other one.
    Provider(E),
    /// No chunk has room, and a budget does not allow another one; or the book-keeping can not grow.
    Refused(AllocError),
    /// It fits no chunk that there could be.
    TooLarge,
    /// The provider, or a pressure callback of the heap's tag, asked for a block of the heap that has just called it: do it later.
    Busy,
}

impl<E: fmt::Display> fmt::Display for ExternalError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Provider(error) => write!(f, "no chunk has room, and the provider has none: {error}"),
            Self::Refused(error) => error.fmt(f),
            Self::TooLarge => f.write_str("the size asked for fits no chunk"),
            Self::Busy => f.write_str("the heap is in the middle of a call of this thread: do it later"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for ExternalError<E> {}

impl<E> From<AllocError> for ExternalError<E> {
    fn from(error: AllocError) -> Self {
        Self::Refused(error)
    }
}

/// How full an [`ExternalHeap`] is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ExternalStats {
    /// Chunks that the provider has handed out and not got back, and their bytes.
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

/// What a panic of the provider leaves behind is right at every point, so a lock that it poisoned still serves.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<P: Provider, F: Fit> ExternalHeap<P, F> {
    /// A block of at least `size` bytes, at a multiple of `align` within its chunk; chunks themselves are aligned to that at least.
    /// O(chunks) with [`Tlsf`].
    ///
    /// # Errors
    /// No chunk has room, and there can not be another one.
    ///
    /// # Panics
    /// `align` is not a power of two.
    pub fn try_allocate(
        &self,
        size: u64,
        align: u64,
    ) -> Result<ExternalBlock<P, F>, ExternalError<P::Error>> {
        assert!(align.is_power_of_two(), "an alignment is a power of two");
        if self.0.is_mine() {
            return Err(ExternalError::Busy);
        }
        let answer = self.0.allocate(size, align);
        self.0.settle(self.0.options.spare);
        answer
    }

    /// Gives back chunks that are empty, also those that are kept to spare.
    pub fn trim(&self) {
        self.0.settle(0);
    }

    /// How full it is. O(chunks).
    ///
    /// # Panics
    /// A provider or a pressure callback asks the heap that has just called it.
    #[must_use]
    pub fn stats(&self) -> ExternalStats {
        let Some(stats) = self.try_stats() else {
            panic!("the heap is in the middle of a call of this thread");
        };
        stats
    }

    /// As [`stats`](Self::stats); `None` if a provider or a pressure callback asks the heap that has just called it.
    #[must_use]
    pub fn try_stats(&self) -> Option<ExternalStats> {
        if self.0.is_mine() {
            return None;
        }
        let answer = self.0.with_state(|state| state.stats());
        self.0.settle(self.0.options.spare);
        Some(answer)
    }

    /// Tells the ledger how much is in use.
    ///
    /// # Panics
    /// As [`stats`](Self::stats).
    pub fn publish(&self) {
        assert!(!self.0.is_mine(), "the heap is in the middle of a call of this thread");
        self.0.with_state(|state| state.publish(self.0.options.tag));
        self.0.settle(self.0.options.spare);
    }

    /// Whom chunks and book-keeping are charged to.
    #[must_use]
    pub fn tag(&self) -> Tag {
        self.0.options.tag
    }

    /// Calls the provider, with its lock held.
    ///
    /// # Panics
    /// As [`stats`](Self::stats).
    pub fn with_provider<R>(&self, call: impl FnOnce(&mut P) -> R) -> R {
        assert!(!self.0.is_mine(), "the heap is in the middle of a call of this thread");
        let answer = self.0.with_provider(call);
        self.0.settle(self.0.options.spare);
        answer
    }
}

impl<P: Provider, F: Fit> State<P, F> {
    fn stats(&self) -> ExternalStats {
        let mut stats = ExternalStats::default();
        for chunk in &self.chunks {
            stats.chunks += 1;
            stats.capacity += chunk.size;
            stats.used += chunk.used();
            match &chunk.blocks {
                Some(blocks) => {
                    stats.blocks += u64::from(blocks.blocks.used);
                    stats.bookkeeping += blocks.bookkeeping();
                }
                None => (stats.blocks, stats.dedicated) = (stats.blocks + 1, stats.dedicated + 1),
            }
        }
        stats
    }

    fn publish(&mut self, tag: Tag) {
        let live = self.chunks.iter().map(Chunk::used).sum();
        let as_size = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        tag.move_live(as_size(self.published), as_size(live));
        self.published = live;
    }
}

/// Gives a charge back if there is no memory for it, even if the provider panics.
struct Charge(Tag, usize);

impl Drop for Charge {
    fn drop(&mut self) {
        self.0.credit_committed(self.1);
    }
}

/// Says who has a lock, for as long as it lives.
struct Holding<'a>(&'a AtomicUsize);

impl<'a> Holding<'a> {
    fn new(holder: &'a AtomicUsize) -> Self {
        holder.store(token(), Ordering::Relaxed);
        Self(holder)
    }
}

impl Drop for Holding<'_> {
    fn drop(&mut self) {
        self.0.store(0, Ordering::Relaxed);
    }
}

impl<P: Provider, F: Fit> Shared<P, F> {
    /// Whether this thread has a lock, further up.
    fn is_mine(&self) -> bool {
        // Only this thread writes its own token.
        self.holders.iter().any(|holder| holder.load(Ordering::Relaxed) == token())
    }

    fn with_state<R>(&self, call: impl FnOnce(&mut State<P, F>) -> R) -> R {
        let mut state = lock(&self.state);
        let _holding = Holding::new(&self.holders[0]);
        call(&mut state)
    }

    fn with_provider<R>(&self, call: impl FnOnce(&mut P) -> R) -> R {
        let mut provider = lock(&self.provider);
        let _holding = Holding::new(&self.holders[1]);
        call(&mut provider)
    }

    fn allocate(
        self: &Arc<Self>,
        size: u64,
        align: u64,
    ) -> Result<ExternalBlock<P, F>, ExternalError<P::Error>> {
        let ExternalOptions { tag, chunk, granularity, align: chunk_align, .. } = self.options;
        if size > chunk / 2 || align > chunk_align {
            let size = size.max(1).checked_next_multiple_of(granularity).ok_or(ExternalError::TooLarge)?;
            let charge = self.charge(size)?;
            return self.with_provider(|provider| {
                let chunk = self.another(provider, charge, size, align.max(chunk_align), None)?;
                Ok(self.block(chunk, None, 0, size))
            });
        }
        if let Some(block) = self.from_chunks(size, align)? {
            return Ok(block);
        }
        // The block is taken out of the new chunk before anybody else knows of it.
        let chunk = (chunk & !(granularity - 1)).max(granularity);
        let options = OffsetOptions::new(tag).granularity(granularity).capacity(chunk);
        let blocks = usize::try_from(chunk / granularity).unwrap_or(usize::MAX).clamp(1024, 1 << 20);
        let mut blocks: OffsetAllocator<F> = options.blocks(blocks).try_build()?;
        let block = blocks.try_allocate(size, align).map_err(|_| ExternalError::TooLarge)?;
        let charge = self.charge(chunk)?;
        self.with_provider(|provider| {
            // One thread at a time asks for a chunk; another one may have come while this one waited.
            if let Some(block) = self.from_chunks(size, align)? {
                return Ok(block);
            }
            let chunk = self.another(provider, charge, chunk, chunk_align, Some(blocks))?;
            Ok(self.block(chunk, Some(block.id), block.offset, block.size))
        })
    }

    /// A block of a chunk that there is.
    fn from_chunks(
        self: &Arc<Self>,
        size: u64,
        align: u64,
    ) -> Result<Option<ExternalBlock<P, F>>, ExternalError<P::Error>> {
        let found = self.with_state(|state| {
            // Books that can not grow are no reason not to ask the others.
            let mut refused = None;
            // The oldest first, so that later ones become empty.
            for chunk in &mut state.chunks {
                let Some(blocks) = &mut chunk.blocks else { continue };
                match blocks.try_allocate(size, align) {
                    Ok(block) => return Ok(Some(((chunk.name, Arc::clone(&chunk.memory)), block))),
                    Err(FitError::Refused(error)) => refused = Some(error),
                    Err(_) => {}
                }
            }
            refused.map_or(Ok(None), Err)
        })?;
        Ok(found.map(|(chunk, block)| self.block(chunk, Some(block.id), block.offset, block.size)))
    }

    fn block(
        self: &Arc<Self>,
        (chunk, memory): Part<P::Memory>,
        id: Option<BlockId>,
        offset: u64,
        size: u64,
    ) -> ExternalBlock<P, F> {
        let ticket = Some(Box::new(Ticket { chunk, id, next: None }));
        let heap = Arc::clone(self);
        ExternalBlock(Arc::new(Owned { memory: Some(memory), ticket, offset, size, heap }))
    }

    /// Charges a chunk. No lock is held, as pressure callbacks run.
    fn charge(&self, size: u64) -> Result<Charge, ExternalError<P::Error>> {
        let bytes = usize::try_from(size).map_err(|_| ExternalError::TooLarge)?;
        let tag = self.options.tag;
        tag.try_charge_committed(bytes).map_err(|error| ExternalError::Refused(error.into()))?;
        Ok(Charge(tag, bytes))
    }

    /// A chunk more, which has been charged.
    fn another(
        &self,
        provider: &mut P,
        charge: Charge,
        size: u64,
        align: u64,
        blocks: Option<OffsetAllocator<F>>,
    ) -> Result<Part<P::Memory>, ExternalError<P::Error>> {
        let memory = Arc::new(provider.allocate(size, align).map_err(ExternalError::Provider)?);
        core::mem::forget(charge);
        Ok(self.with_state(|state| {
            let name = state.next;
            state.next += 1;
            state.chunks.push(Chunk { name, memory: Arc::clone(&memory), size, blocks });
            state.publish(self.options.tag);
            (name, memory)
        }))
    }

    /// Frees what is to be freed, lets empty chunks go but for so many, and gives the provider what has left; or leaves each of that
    /// to whoever has the lock for it.
    fn settle(&self, spare: usize) {
        loop {
            {
                let Some(mut state) = try_lock(&self.state) else { break };
                let _holding = Holding::new(&self.holders[0]);
                while let Some(ticket) = self.next_freed() {
                    state.free(&ticket);
                }
                state.keep(spare);
            }
            // Something may have come after the last look, and found the lock taken.
            if lock(&self.freed).is_none() {
                break;
            }
        }
        let mut panics = Panics(None);
        loop {
            {
                let Some(mut provider) = try_lock(&self.provider) else { break };
                let _holding = Holding::new(&self.holders[1]);
                while let Some((memory, size)) = self.next_leaving() {
                    panics.release(&mut *provider, self.options.tag, memory, size);
                }
            }
            match try_lock(&self.state) {
                Some(state) if !state.leaving.is_empty() => {}
                _ => break,
            }
        }
        panics.go_on();
    }

    fn next_freed(&self) -> Option<Box<Ticket>> {
        let mut freed = lock(&self.freed);
        let mut ticket = freed.take()?;
        *freed = ticket.next.take();
        Some(ticket)
    }

    fn next_leaving(&self) -> Option<(P::Memory, u64)> {
        // If somebody has the lock, this thread even, he looks after it when he is done.
        try_lock(&self.state)?.leaving.pop()
    }
}

/// The lock, if nobody has it.
fn try_lock<T>(mutex: &Mutex<T>) -> Option<MutexGuard<'_, T>> {
    match mutex.try_lock() {
        Ok(guard) => Some(guard),
        Err(TryLockError::Poisoned(error)) => Some(error.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

impl<P: Provider, F: Fit> State<P, F> {
    /// Takes a block back.
    fn free(&mut self, ticket: &Ticket) {
        let Ok(at) = self.chunks.binary_search_by_key(&ticket.chunk, |chunk| chunk.name) else { return };
        match (&mut self.chunks[at].blocks, ticket.id) {
            (Some(blocks), Some(id)) => {
                let freed = blocks.free(id);
                debug_assert!(freed.is_ok(), "a block is freed by its last handle");
            }
            _ => self.take_out(at),
        }
    }

    /// Lets all empty chunks go but for so many.
    fn keep(&mut self, spare: usize) {
        let (mut kept, mut at) = (0, 0);
        while at < self.chunks.len() {
            let empty = self.chunks[at].used() == 0;
            if empty && kept == spare {
                self.take_out(at);
                continue;
            }
            kept += usize::from(empty);
            at += 1;
        }
    }

    /// A chunk in which nothing is used leaves.
    fn take_out(&mut self, at: usize) {
        let Chunk { memory, size, .. } = self.chunks.remove(at);
        // A block gives up its share before its ticket, so this is the last one.
        if let Some(memory) = Arc::into_inner(memory) {
            self.leaving.push((memory, size));
        }
    }
}

impl<P: Provider, F: Fit> Drop for Shared<P, F> {
    fn drop(&mut self) {
        let tag = self.options.tag;
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Every block has a share of this, so nothing is used.
        while !state.chunks.is_empty() {
            state.take_out(0);
        }
        state.publish(tag);
        let provider = self.provider.get_mut().unwrap_or_else(PoisonError::into_inner);
        let mut panics = Panics(None);
        for (memory, size) in state.leaving.drain(..) {
            panics.release(provider, tag, memory, size);
        }
        panics.go_on();
    }
}

/// The first panic of a provider that gets chunks back: it keeps the provider from no other chunk.
struct Panics(Option<Box<dyn Any + Send>>);

impl Panics {
    fn release<P: Provider>(&mut self, provider: &mut P, tag: Tag, memory: P::Memory, size: u64) {
        let _charge = Charge(tag, usize::try_from(size).unwrap_or(usize::MAX));
        let answer = catch_unwind(AssertUnwindSafe(|| provider.release(memory, size)));
        if let Err(panic) = answer {
            if self.0.is_none() {
                self.0 = Some(panic);
            } else {
                // Dropping what it says could panic as well.
                core::mem::forget(panic);
            }
        }
    }

    /// It goes on, unless one is under way already. No lock is held.
    fn go_on(self) {
        match self.0 {
            Some(panic) if std::thread::panicking() => core::mem::forget(panic),
            Some(panic) => resume_unwind(panic),
            None => {}
        }
    }
}

impl<P: Provider, F: Fit> ExternalBlock<P, F> {
    /// The chunk that it is in.
    #[must_use]
    pub fn memory(&self) -> &P::Memory {
        // Only `drop` takes it.
        self.0.memory.as_ref().unwrap_or_else(|| unreachable!("a living block has its chunk"))
    }

    /// Where in its chunk it begins.
    #[must_use]
    pub fn offset(&self) -> u64 {
        self.0.offset
    }

    /// How large it is: what was asked for, rounded up to the granularity.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.0.size
    }

    /// Whether this and the other one are handles of the same block.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// How many handles of the block there are.
    #[must_use]
    pub fn handles(&self) -> usize {
        Arc::strong_count(&self.0)
    }

    /// Whether it has a chunk of its own.
    #[must_use]
    pub fn is_dedicated(&self) -> bool {
        self.0.ticket.as_ref().is_some_and(|ticket| ticket.id.is_none())
    }
}

impl<P: Provider, F: Fit> Drop for Owned<P, F> {
    fn drop(&mut self) {
        // First the share, so that an empty chunk has no other one.
        drop(self.memory.take());
        if let Some(mut ticket) = self.ticket.take() {
            let mut freed = lock(&self.heap.freed);
            ticket.next = freed.take();
            *freed = Some(ticket);
        }
        self.heap.settle(self.heap.options.spare);
    }
}

impl<P: Provider, F: Fit> Clone for ExternalBlock<P, F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Provider, F: Fit> Clone for ExternalHeap<P, F> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Provider, F: Fit> fmt::Debug for ExternalBlock<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owned { offset, size, .. } = &*self.0;
        write!(f, "ExternalBlock({size} bytes at {offset})")
    }
}

impl<P: Provider, F: Fit> fmt::Debug for ExternalHeap<P, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExternalHeap").field("tag", &self.tag()).field("stats", &self.stats()).finish()
    }
}
