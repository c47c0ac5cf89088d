//! `HeapAlloc` and its family: each heap is a bucket heap of its own, and a table of the blocks that it handed out.
//!
//! ```text
//!   HeapAlloc ─► under the heap's lock: is it this heap? room in the table, and below its maximum
//!                with no lock: the bucket heap gives a block (which may charge, and run program code)
//!                under the lock: the block is noted
//!   HeapFree ──► under the lock: the block is taken out of the table, or it never was one ─► with no lock: given back
//! ```
//!
//! A handle is the place of a slot, which is never given back, and a serial that no later heap of that slot has; so any number may be
//! handed in. Who works on a heap's memory holds it by a count: a heap that is destroyed meanwhile goes with the last of them.
#![expect(unsafe_code, reason = "hands out raw memory, and exports functions")]

use core::alloc::Layout;
use core::ffi::c_void;
use std::mem::ManuallyDrop;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};

use arenite::Tag;
use arenite::heap::bucket::BucketHeap;

use super::book::lock;
use super::error::{Code, INVALID_HANDLE, INVALID_PARAMETER, NO_MORE_ITEMS, NOT_ENOUGH_MEMORY, NOT_OWNER};
use super::handles::Handles;
use super::table::{Block, Table};
use super::{answer, tag, thread_number};

const HEAP_ZERO_MEMORY: u32 = 8;
const HEAP_REALLOC_IN_PLACE_ONLY: u32 = 0x10;

const PROCESS_HEAP_ENTRY_BUSY: u16 = 4;

/// Alignment of every block, in bytes.
const ALIGN: usize = 16;
/// Blocks of a heap with a maximum size must be smaller.
const LARGEST_OF_FIXED: usize = 0xf_f000;

/// What a heap's memory is; gone with the last who holds it.
struct Memory(ManuallyDrop<BucketHeap>);

impl Memory {
    fn try_new() -> Result<Arc<Self>, Code> {
        static TAG: OnceLock<Tag> = OnceLock::new();
        let tag = *TAG.get_or_init(|| tag("win32/heap"));
        let heap = BucketHeap::try_new(tag).map_err(|_| NOT_ENOUGH_MEMORY)?;
        Ok(Arc::new(Self(ManuallyDrop::new(heap))))
    }
}

impl Deref for Memory {
    type Target = BucketHeap;

    fn deref(&self) -> &BucketHeap {
        &self.0
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: never used again.
        let heap = unsafe { ManuallyDrop::take(&mut self.0) };
        // SAFETY: the heap was destroyed, which ends the life of its blocks, and nobody else holds its memory.
        unsafe { heap.force_discard() };
    }
}

/// A heap that was made and not destroyed.
pub(super) struct Live {
    memory: Arc<Memory>,
    pub(super) blocks: Table,
    /// Those of the process's heap; elsewhere empty.
    pub(super) handles: Handles,
    /// Bytes that all blocks together may have, with what each costs besides.
    limit: usize,
    used: usize,
    /// The thread that has it by `HeapLock`, or 0; and how often.
    holder: u64,
    depth: u32,
    /// The addresses of a walk, sorted.
    walk: Vec<usize>,
}

/// What a block counts for in a heap with a maximum size.
const fn cost(asked: usize) -> usize {
    asked.saturating_add(2 * ALIGN - 1) & !(ALIGN - 1)
}

struct State {
    serial: u64,
    live: Option<Live>,
}

struct Slot {
    state: Mutex<State>,
    let_go: Condvar,
}

const CHUNK: usize = 64;
const CHUNKS: usize = 1024;

/// The places of heaps; the first is that of the process's heap.
static SLOTS: [OnceLock<Box<[Slot]>>; CHUNKS] = [const { OnceLock::new() }; CHUNKS];

fn slot(index: usize) -> Option<&'static Slot> {
    SLOTS.get(index / CHUNK)?.get()?.get(index % CHUNK)
}

fn slot_or_new(index: usize) -> Option<&'static Slot> {
    let chunk = SLOTS.get(index / CHUNK)?;
    if chunk.get().is_none() {
        let new =
            || Slot { state: Mutex::new(State { serial: FIRST_SERIAL, live: None }), let_go: Condvar::new() };
        // Made before it is offered, because making may run program code. Another thread may have been faster.
        let fresh: Box<[Slot]> = (0..CHUNK).map(|_| new()).collect();
        let _ = chunk.set(fresh);
    }
    slot(index)
}

/// A heap as a handle names it; perhaps gone since.
#[derive(Clone, Copy)]
pub(super) struct Heap {
    slot: &'static Slot,
    index: usize,
    serial: u64,
}

/// Handles are no addresses of any system: bit 54 is set, and they are multiples of 16.
const HANDLE: u64 = 1 << 54;
const INDEX_BITS: u32 = 16;
const SERIALS: u64 = 1 << 34;
const FIRST_SERIAL: u64 = 1;

/// A heap, locked.
pub(super) struct Held(MutexGuard<'static, State>);

impl Deref for Held {
    type Target = Live;

    fn deref(&self) -> &Live {
        self.0.live.as_ref().expect("only a living heap is held")
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Live {
        self.0.live.as_mut().expect("only a living heap is held")
    }
}

impl Heap {
    fn of(handle: *mut c_void) -> Option<Self> {
        let rest = (handle.addr() as u64).checked_sub(HANDLE)?;
        if rest & 0xf != 0 || rest >> 4 >> INDEX_BITS >= SERIALS {
            return None;
        }
        let index = (rest >> 4) as usize & ((1 << INDEX_BITS) - 1);
        Some(Self { slot: slot(index)?, index, serial: rest >> 4 >> INDEX_BITS })
    }

    fn handle(self) -> *mut c_void {
        let number = HANDLE | (self.serial << INDEX_BITS | self.index as u64) << 4;
        std::ptr::without_provenance_mut(number as usize)
    }

    /// The process's heap, which is made when it is first needed.
    pub(super) fn process() -> Result<Self, Code> {
        static IS_THERE: AtomicBool = AtomicBool::new(false);
        let slot = slot_or_new(0).ok_or(NOT_ENOUGH_MEMORY)?;
        // It is never destroyed, so its serial stays the first.
        let heap = Self { slot, index: 0, serial: FIRST_SERIAL };
        if IS_THERE.load(Ordering::Acquire) {
            return Ok(heap);
        }
        let mut fresh = Some(Live::new(Memory::try_new()?, usize::MAX));
        let mut state = lock(&slot.state);
        if state.live.is_none() {
            state.live = fresh.take();
        }
        drop(state);
        drop(fresh);
        IS_THERE.store(true, Ordering::Release);
        Ok(heap)
    }

    fn create(limit: usize) -> Result<Self, Code> {
        let mut fresh = Some(Live::new(Memory::try_new()?, limit));
        for index in 1.. {
            let slot = slot_or_new(index).ok_or(NOT_ENOUGH_MEMORY)?;
            let mut state = lock(&slot.state);
            if state.live.is_none() && state.serial < SERIALS {
                state.live = fresh.take();
                return Ok(Self { slot, index, serial: state.serial });
            }
        }
        Err(NOT_ENOUGH_MEMORY)
    }

    /// Waits while another thread has it by `HeapLock`.
    pub(super) fn hold(self) -> Result<Held, Code> {
        let mut state = lock(&self.slot.state);
        loop {
            let live = state.live.as_ref().filter(|_| state.serial == self.serial).ok_or(INVALID_HANDLE)?;
            if live.holder == 0 || live.holder == thread_number() {
                return Ok(Held(state));
            }
            state = self.slot.let_go.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn destroy(self) -> Result<(), Code> {
        if self.index == 0 {
            return Err(INVALID_HANDLE);
        }
        let mut held = self.hold()?;
        held.0.serial += 1;
        let live = held.0.live.take();
        drop(held.0);
        self.slot.let_go.notify_all();
        drop(live);
        Ok(())
    }

    /// Holds it when there is room for a block, or for a moveable handle.
    pub(super) fn hold_with_room(self, block: bool, handle: bool) -> Result<Held, Code> {
        loop {
            let held = self.hold()?;
            if let Some(blocks) = held.blocks.wants().filter(|_| block) {
                drop(held);
                let larger = Table::with_room(blocks).ok_or(NOT_ENOUGH_MEMORY)?;
                let mut held = self.hold()?;
                let left = held.blocks.move_to(larger);
                drop(held);
                drop(left);
            } else if let Some(handles) = held.handles.wants().filter(|_| handle) {
                drop(held);
                let larger = Handles::with_room(handles).ok_or(NOT_ENOUGH_MEMORY)?;
                let mut held = self.hold()?;
                let left = held.handles.move_to(larger);
                drop(held);
                drop(left);
            } else {
                return Ok(held);
            }
        }
    }

    /// A new block, noted by `note` when there is a place for it; of a moveable handle if so said.
    pub(super) fn alloc_as<R>(
        self,
        size: usize,
        zero: bool,
        handle: bool,
        note: impl FnOnce(&mut Live, Block) -> Result<R, Code>,
    ) -> Result<R, Code> {
        let asked = size.max(1);
        let layout = Layout::from_size_align(asked, ALIGN).map_err(|_| NOT_ENOUGH_MEMORY)?;
        let mut held = self.hold_with_room(true, false)?;
        held.spend(0, asked)?;
        held.blocks.promise();
        let memory = Arc::clone(&held.memory);
        drop(held);
        let made = if zero { memory.try_alloc_zeroed(layout) } else { memory.try_alloc(layout) };
        let made = made.map_err(|_| NOT_ENOUGH_MEMORY);
        let held = self.hold_with_room(false, handle && made.is_ok());
        let noted = match (held, made) {
            (Ok(mut held), Ok(block)) => {
                let address = block.as_ptr().expose_provenance();
                note(&mut held, Block { address, size, asked, handle: 0 })
            }
            (Err(code), _) | (_, Err(code)) => Err(code),
        };
        if noted.is_err() {
            if let Ok(mut held) = self.hold() {
                held.used -= cost(asked);
                held.blocks.forgo();
            }
            if let Ok(block) = made {
                // SAFETY: a block of this memory that nobody knows of.
                unsafe { memory.free(block) };
            }
        }
        noted
    }

    /// A new block.
    pub(super) fn alloc(self, size: usize, zero: bool) -> Result<usize, Code> {
        self.alloc_as(size, zero, false, |live, block| {
            live.blocks.add(block);
            Ok(block.address)
        })
    }

    /// Takes a block back. A moveable handle that it belongs to is a discarded one then.
    pub(super) fn free(self, address: usize) -> Result<(), Code> {
        let mut held = self.hold().map_err(|_| INVALID_PARAMETER)?;
        let block = held.take(address).ok_or(INVALID_PARAMETER)?;
        if block.handle != 0 {
            held.handles.discard(block.handle, address);
        }
        let memory = Arc::clone(&held.memory);
        drop(held);
        give_back(&memory, address);
        Ok(())
    }

    /// Makes a block so large; a moveable handle follows it.
    pub(super) fn realloc(
        self,
        address: usize,
        size: usize,
        in_place: bool,
        zero: bool,
    ) -> Result<usize, Code> {
        let mut held = self.hold()?;
        let old = *held.blocks.get(address).ok_or(INVALID_PARAMETER)?;
        let asked = size.max(1);
        let layout = Layout::from_size_align(asked, ALIGN).map_err(|_| NOT_ENOUGH_MEMORY)?;
        // SAFETY: a block of this heap that was not freed; nobody frees it while the heap is held.
        let usable = unsafe { held.memory.usable_size(pointer(address)) };
        if size <= usable && (in_place || size >= usable / 2) {
            held.spend(old.asked, old.asked.max(asked))?;
            let block = held.blocks.get_mut(address).ok_or(INVALID_PARAMETER)?;
            (block.size, block.asked) = (size, old.asked.max(asked));
            if zero && size > old.size {
                // SAFETY: within what may be used of the block.
                unsafe { pointer(address + old.size).write_bytes(0, size - old.size) };
            }
            return Ok(address);
        }
        if in_place {
            return Err(NOT_ENOUGH_MEMORY);
        }
        held.spend(old.asked, asked)?;
        held.blocks.take(address);
        let serial = held.handles.serial(old.handle);
        let memory = Arc::clone(&held.memory);
        drop(held);

        let layout_before = Layout::from_size_align(old.asked, ALIGN).map_err(|_| NOT_ENOUGH_MEMORY)?;
        // SAFETY: a block of this memory that was asked for with this layout, or may be used so far; out of the table, it is ours
        // alone.
        let moved = unsafe { memory.try_realloc(pointer(address), layout_before, layout.size()) };
        let block = match moved {
            Ok(block) => {
                Block { address: block.as_ptr().expose_provenance(), size, asked, handle: old.handle }
            }
            Err(_) => old,
        };
        if zero && moved.is_ok() && size > old.size {
            // SAFETY: within the block, which is ours alone.
            unsafe { pointer(block.address + old.size).write_bytes(0, size - old.size) };
        }
        // Destroyed meanwhile: the block goes with the memory.
        let mut held = self.hold()?;
        if block.handle != 0 && !held.handles.follow(block.handle, serial, address, block.address) {
            // The handle was freed meanwhile, and the block with it.
            held.blocks.forgo();
            held.used -= cost(asked);
            drop(held);
            give_back(&memory, block.address);
            return Err(INVALID_HANDLE);
        }
        held.blocks.add(block);
        if moved.is_err() {
            held.used = held.used - cost(asked) + cost(old.asked);
            return Err(NOT_ENOUGH_MEMORY);
        }
        Ok(block.address)
    }

    /// What is noted of a block.
    pub(super) fn block(self, address: usize) -> Option<Block> {
        self.hold().ok()?.blocks.get(address).copied()
    }
}

fn pointer(address: usize) -> NonNull<u8> {
    NonNull::new(std::ptr::with_exposed_provenance_mut(address)).expect("blocks are not at null")
}

/// Gives a block back that was taken out of the table.
fn give_back(memory: &Memory, address: usize) {
    // SAFETY: a block of this memory, which only one thread ever takes out of the table.
    unsafe { memory.free(pointer(address)) };
}

impl Live {
    fn new(memory: Arc<Memory>, limit: usize) -> Self {
        let (blocks, handles, walk) = (Table::new(), Handles::new(), Vec::new());
        Self { memory, blocks, handles, limit, used: 0, holder: 0, depth: 0, walk }
    }

    /// Counts a block of one size instead of another; 0: none.
    fn spend(&mut self, before: usize, asked: usize) -> Result<(), Code> {
        let before = if before == 0 { 0 } else { cost(before) };
        let used = (self.used - before).saturating_add(cost(asked));
        let is_fixed = self.limit != usize::MAX;
        if used > self.limit && used > self.used || is_fixed && asked >= LARGEST_OF_FIXED {
            return Err(NOT_ENOUGH_MEMORY);
        }
        self.used = used;
        Ok(())
    }

    /// Takes a block out of the table, for good.
    pub(super) fn take(&mut self, address: usize) -> Option<Block> {
        let block = self.blocks.take(address)?;
        self.blocks.forgo();
        self.used -= cost(block.asked);
        Some(block)
    }

    /// Gives the memory of a block back that was taken. May only be called when nothing can fail: it is under the lock.
    pub(super) fn memory_of(&self) -> impl Fn(usize) + use<> {
        let memory = Arc::clone(&self.memory);
        move |address| give_back(&memory, address)
    }
}

/// `GetProcessHeap`; see the header.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_GetProcessHeap() -> *mut c_void {
    answer(std::ptr::null_mut(), || Heap::process().map(Heap::handle))
}

/// `HeapCreate`; see the header.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_HeapCreate(_flags: u32, initial: usize, maximum: usize) -> *mut c_void {
    answer(std::ptr::null_mut(), || {
        if initial > super::virt::ADDRESSES.end {
            return Err(NOT_ENOUGH_MEMORY);
        }
        let page = arenite::os::page_size();
        let limit = if maximum == 0 { usize::MAX } else { maximum.max(initial) };
        Heap::create(limit.checked_next_multiple_of(page).unwrap_or(usize::MAX)).map(Heap::handle)
    })
}

/// `HeapDestroy`; see the header.
///
/// # Safety
/// Nobody uses a block of it any more. Any handle is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_HeapDestroy(heap: *mut c_void) -> i32 {
    answer(0, || Heap::of(heap).ok_or(INVALID_HANDLE)?.destroy().map(|()| 1))
}

/// `HeapAlloc`; see the header.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_HeapAlloc(heap: *mut c_void, flags: u32, size: usize) -> *mut c_void {
    let made = answer(0, || Heap::of(heap).ok_or(INVALID_HANDLE)?.alloc(size, flags & HEAP_ZERO_MEMORY != 0));
    std::ptr::with_exposed_provenance_mut(made)
}

/// `HeapReAlloc`; see the header.
///
/// # Safety
/// If it is a block of this heap, nobody else uses it meanwhile. Any address and any handle are allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_HeapReAlloc(
    heap: *mut c_void,
    flags: u32,
    block: *mut c_void,
    size: usize,
) -> *mut c_void {
    let made = answer(0, || {
        let heap = Heap::of(heap).ok_or(INVALID_HANDLE)?;
        let (in_place, zero) = (flags & HEAP_REALLOC_IN_PLACE_ONLY != 0, flags & HEAP_ZERO_MEMORY != 0);
        heap.realloc(block.addr(), size, in_place, zero)
    });
    std::ptr::with_exposed_provenance_mut(made)
}

/// `HeapFree`; see the header.
///
/// # Safety
/// If it is a block of this heap, nobody uses it any more. Any address and any handle are allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_HeapFree(heap: *mut c_void, _flags: u32, block: *mut c_void) -> i32 {
    answer(0, || {
        if block.is_null() {
            return Ok(1);
        }
        Heap::of(heap).ok_or(INVALID_PARAMETER)?.free(block.addr()).map(|()| 1)
    })
}

/// `HeapSize`; see the header. Any address and any handle are allowed.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_HeapSize(heap: *mut c_void, _flags: u32, block: *const c_void) -> usize {
    answer(usize::MAX, || {
        let block = Heap::of(heap).and_then(|heap| heap.block(block.addr()));
        block.map(|block| block.size).ok_or(INVALID_PARAMETER)
    })
}

/// `HeapValidate`; see the header. Any address and any handle are allowed.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_HeapValidate(heap: *mut c_void, _flags: u32, block: *const c_void) -> i32 {
    answer(0, || {
        let Some(heap) = Heap::of(heap) else { return Ok(0) };
        let valid = if block.is_null() { heap.hold().is_ok() } else { heap.block(block.addr()).is_some() };
        Ok(i32::from(valid))
    })
}

/// `HeapCompact`; see the header.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_HeapCompact(heap: *mut c_void, _flags: u32) -> usize {
    answer(0, || {
        if let Some(held) = Heap::of(heap).and_then(|heap| heap.hold().ok()) {
            let memory = Arc::clone(&held.memory);
            drop(held);
            memory.trim();
        }
        Ok(0)
    })
}

/// `HeapLock`; see the header.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_HeapLock(heap: *mut c_void) -> i32 {
    answer(0, || {
        let Some(mut held) = Heap::of(heap).and_then(|heap| heap.hold().ok()) else { return Ok(0) };
        held.holder = thread_number();
        held.depth += 1;
        Ok(1)
    })
}

/// `HeapUnlock`; see the header.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_HeapUnlock(heap: *mut c_void) -> i32 {
    answer(0, || {
        let Some(heap) = Heap::of(heap) else { return Ok(0) };
        // Not by `hold`, which would wait for the thread that has it.
        let mut state = lock(&heap.slot.state);
        if state.serial != heap.serial {
            return Ok(0);
        }
        let Some(live) = &mut state.live else { return Ok(0) };
        if live.holder != thread_number() {
            return Err(NOT_OWNER);
        }
        live.depth -= 1;
        if live.depth == 0 {
            live.holder = 0;
            drop(state);
            heap.slot.let_go.notify_all();
        }
        Ok(1)
    })
}

/// `PROCESS_HEAP_ENTRY`, as the header has it; what is behind these stays as it is.
#[repr(C)]
#[derive(Clone, Copy)]
struct Entry {
    data: *mut c_void,
    size: u32,
    overhead: u8,
    region: u8,
    flags: u16,
}

fn next_of_walk(heap: Heap, after: usize) -> Result<Block, Code> {
    let mut held = heap.hold()?;
    let first = if after == 0 {
        while held.walk.capacity() < held.blocks.len() {
            let wish = held.blocks.len() * 2;
            drop(held);
            let mut larger = Vec::new();
            larger.try_reserve_exact(wish).map_err(|_| NOT_ENOUGH_MEMORY)?;
            held = heap.hold()?;
            std::mem::swap(&mut held.walk, &mut larger);
            drop(held);
            drop(larger);
            held = heap.hold()?;
        }
        let live = &mut *held;
        live.walk.clear();
        live.walk.extend(live.blocks.iter().map(|block| block.address));
        live.walk.sort_unstable();
        0
    } else {
        held.walk.binary_search(&after).map_err(|_| INVALID_PARAMETER)? + 1
    };
    // What was freed since the walk began is left out.
    held.walk[first..].iter().find_map(|address| held.blocks.get(*address).copied()).ok_or(NO_MORE_ITEMS)
}

/// `HeapWalk`; see the header.
///
/// # Safety
/// `entry` is null or a `PROCESS_HEAP_ENTRY`. Any handle is allowed, and any address in it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_HeapWalk(heap: *mut c_void, entry: *mut c_void) -> i32 {
    answer(0, || {
        if entry.is_null() {
            return Err(INVALID_PARAMETER);
        }
        let heap = Heap::of(heap).ok_or(INVALID_HANDLE)?;
        let entry = entry.cast::<Entry>();
        // SAFETY: the caller's promise.
        let after = unsafe { (*entry).data }.addr();
        let block = next_of_walk(heap, after)?;
        let found = Entry {
            data: std::ptr::with_exposed_provenance_mut(block.address),
            size: u32::try_from(block.size).unwrap_or(u32::MAX),
            overhead: 0,
            region: 0,
            flags: PROCESS_HEAP_ENTRY_BUSY,
        };
        // SAFETY: as above.
        unsafe { entry.write(found) };
        Ok(1)
    })
}
