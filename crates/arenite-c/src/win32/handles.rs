//! `GlobalAlloc`, `LocalAlloc` and their families: blocks of the process's heap, fixed ones by their address, moveable ones by a
//! handle.
//!
//! A handle is the place of an entry and a serial, which the entry changes when its handle is freed; entries wait for their next
//! use in a queue. Handles end with 8, which no block does, and so they are told apart without a look at any memory.
#![expect(unsafe_code, reason = "exports functions")]

use core::ffi::c_void;

use super::answer;
use super::error::{
    self, Code, DISCARDED, INVALID_HANDLE, INVALID_PARAMETER, NO_ERROR, NOT_ENOUGH_MEMORY, NOT_LOCKED,
};
use super::heap::{Heap, Held, Live};

const MOVEABLE: u32 = 2;
const ZEROINIT: u32 = 0x40;
const MODIFY: u32 = 0x80;
/// `LMEM_DISCARDABLE`; `GMEM_DISCARDABLE` is one of its bits.
const DISCARDABLE: u32 = 0xf00;
const GLOBAL_DISCARDABLE: u32 = 0x100;
const DDESHARE: u32 = 0x2000;
const IS_DISCARDED: u32 = 0x4000;
const IS_INVALID: u32 = 0x8000;

/// As many handles as Windows has.
const MOST: usize = 0xffff;

/// Handles are no addresses of any system: bit 55 is set.
const HANDLE: u64 = 1 << 55 | 8;
const INDEX_BITS: u32 = 16;
const SERIALS: u64 = 1 << 34;

/// Where a moveable block is.
#[derive(Clone, Copy, Default)]
struct Entry {
    serial: u64,
    is_used: bool,
    /// 0: discarded.
    address: usize,
    locks: u8,
    is_discardable: bool,
    is_shared: bool,
    /// Of a free one: the next in the queue.
    next: u32,
}

const NOBODY: u32 = u32::MAX;

/// The entries of all handles.
pub(super) struct Handles {
    entries: Vec<Entry>,
    first_free: u32,
    last_free: u32,
}

impl Handles {
    pub(super) const fn new() -> Self {
        Self { entries: Vec::new(), first_free: NOBODY, last_free: NOBODY }
    }

    pub(super) fn with_room(entries: usize) -> Option<Self> {
        let mut handles = Self::new();
        handles.entries.try_reserve_exact(entries).ok()?;
        Some(handles)
    }

    /// How many entries a larger one should have room for; `None` if one more fits here.
    pub(super) fn wants(&self) -> Option<usize> {
        let len = self.entries.len();
        let fits = self.first_free != NOBODY || len == MOST || len < self.entries.capacity();
        (!fits).then(|| (len * 2).clamp(64, MOST))
    }

    /// Moves to `larger`, which is empty, if it is larger; what is left over is dropped by the caller, without a lock.
    pub(super) fn move_to(&mut self, mut larger: Self) -> Self {
        if larger.entries.capacity() > self.entries.capacity() {
            larger.entries.append(&mut self.entries);
            std::mem::swap(&mut self.entries, &mut larger.entries);
        }
        larger
    }

    /// A handle for a block, or for none. Answers its place plus one.
    fn add(&mut self, address: usize, flags: u32) -> Result<u32, Code> {
        let place = if self.first_free != NOBODY {
            let place = self.first_free;
            self.first_free = self.entries[place as usize].next;
            if self.first_free == NOBODY {
                self.last_free = NOBODY;
            }
            place
        } else if self.entries.len() < MOST {
            self.entries.push(Entry { serial: 1, ..Entry::default() });
            self.entries.len() as u32 - 1
        } else {
            return Err(NOT_ENOUGH_MEMORY);
        };
        let entry = &mut self.entries[place as usize];
        *entry = Entry {
            serial: entry.serial,
            is_used: true,
            address,
            locks: 0,
            is_discardable: flags & DISCARDABLE != 0,
            is_shared: flags & DDESHARE != 0,
            next: NOBODY,
        };
        Ok(place + 1)
    }

    /// Ends a handle.
    fn remove(&mut self, handle: u32) {
        let place = handle - 1;
        let entry = &mut self.entries[place as usize];
        entry.is_used = false;
        entry.serial += 1;
        if entry.serial == SERIALS {
            // Never used again: a handle of its would come back.
            return;
        }
        entry.next = NOBODY;
        match self.last_free {
            NOBODY => self.first_free = place,
            last => self.entries[last as usize].next = place,
        }
        self.last_free = place;
    }

    fn entry(&mut self, handle: u32) -> Option<&mut Entry> {
        self.entries.get_mut(handle.checked_sub(1)? as usize).filter(|entry| entry.is_used)
    }

    /// The serial of the handle that a block belongs to; 0 without one.
    pub(super) fn serial(&mut self, handle: u32) -> u64 {
        self.entry(handle).map_or(0, |entry| entry.serial)
    }

    /// The block was freed by its address.
    pub(super) fn discard(&mut self, handle: u32, address: usize) {
        if let Some(entry) = self.entry(handle).filter(|entry| entry.address == address) {
            entry.address = 0;
            entry.locks = 0;
        }
    }

    /// The block was moved. `false` if the handle is not its own any more.
    pub(super) fn follow(&mut self, handle: u32, serial: u64, from: usize, to: usize) -> bool {
        let entry = self.entry(handle).filter(|entry| entry.serial == serial && entry.address == from);
        entry.map(|entry| entry.address = to).is_some()
    }

    fn name(&self, handle: u32) -> *mut c_void {
        let place = handle - 1;
        let serial = self.entries[place as usize].serial;
        let number = HANDLE | (serial << INDEX_BITS | u64::from(place)) << 4;
        std::ptr::without_provenance_mut(number as usize)
    }

    /// The entry's number, if a program's handle names one.
    fn named(&mut self, name: usize) -> Result<u32, Code> {
        let rest = (name as u64).checked_sub(HANDLE).ok_or(INVALID_HANDLE)? >> 4;
        let handle = (rest as u32 & ((1 << INDEX_BITS) - 1)) + 1;
        match self.entry(handle) {
            Some(entry) if entry.serial == rest >> INDEX_BITS => Ok(handle),
            _ => Err(INVALID_HANDLE),
        }
    }
}

/// What a program handed in.
enum Given {
    Null,
    /// It looks like a moveable handle.
    Handle(usize),
    /// It looks like the address of a block.
    Pointer(usize),
}

impl Given {
    fn new(given: *mut c_void) -> Self {
        match given.addr() {
            0 => Self::Null,
            number if number & 0xf == 8 => Self::Handle(number),
            number => Self::Pointer(number),
        }
    }
}

/// Works on the entry of a moveable handle.
fn with_entry<R>(
    name: usize,
    work: impl FnOnce(&mut Held, u32, Entry) -> Result<R, Code>,
) -> Result<R, Code> {
    let mut held = Heap::process()?.hold()?;
    let handle = held.handles.named(name)?;
    let entry = *held.handles.entry(handle).ok_or(INVALID_HANDLE)?;
    work(&mut held, handle, entry)
}

/// Notes a block and the handle that it belongs to.
fn note(live: &mut Live, mut block: super::table::Block, flags: u32) -> Result<*mut c_void, Code> {
    block.handle = live.handles.add(block.address, flags)?;
    live.blocks.add(block);
    Ok(live.handles.name(block.handle))
}

fn alloc(flags: u32, size: usize) -> Result<*mut c_void, Code> {
    let heap = Heap::process()?;
    let zero = flags & ZEROINIT != 0;
    if flags & MOVEABLE == 0 {
        return heap.alloc(size, zero).map(std::ptr::with_exposed_provenance_mut);
    }
    if size == 0 {
        let mut held = heap.hold_with_room(false, true)?;
        let handle = held.handles.add(0, flags)?;
        return Ok(held.handles.name(handle));
    }
    heap.alloc_as(size, zero, true, |live, block| note(live, block, flags))
}

fn realloc(given: *mut c_void, size: usize, flags: u32, local: bool) -> Result<*mut c_void, Code> {
    let heap = Heap::process()?;
    let (moveable, zero) = (flags & MOVEABLE != 0, flags & ZEROINIT != 0);
    // It can not become discardable by the way; told only of what there is.
    let is_wrong = flags & DISCARDABLE != 0 && flags & MODIFY == 0;
    let name = match Given::new(given) {
        Given::Null => return Err(INVALID_HANDLE),
        Given::Pointer(address) => {
            if is_wrong {
                return Err(heap.block(address).map_or(INVALID_HANDLE, |_| INVALID_PARAMETER));
            }
            if flags & MODIFY == 0 {
                let moved = heap.realloc(address, size, !moveable, zero);
                let moved =
                    moved.map_err(|code| if code == INVALID_PARAMETER { INVALID_HANDLE } else { code });
                return moved.map(std::ptr::with_exposed_provenance_mut);
            }
            let mut held = heap.hold_with_room(false, true)?;
            let block = *held.blocks.get(address).ok_or(INVALID_HANDLE)?;
            if local || !moveable || block.handle != 0 {
                return Ok(given);
            }
            // The block stays where it is and has a handle from now on.
            let handle = held.handles.add(address, flags & !DDESHARE)?;
            if let Some(block) = held.blocks.get_mut(address) {
                block.handle = handle;
            }
            return Ok(held.handles.name(handle));
        }
        Given::Handle(name) => name,
    };
    /// What is left to do when the entry was looked at.
    enum Next {
        Done,
        Refused,
        Fill,
        Resize(usize, bool),
        GiveBack(usize),
    }
    let next = with_entry(name, |held, handle, entry| {
        if is_wrong {
            return Err(INVALID_PARAMETER);
        }
        if flags & MODIFY != 0 {
            if let Some(entry) = held.handles.entry(handle).filter(|_| flags & DISCARDABLE != 0) {
                entry.is_discardable = true;
            }
            return Ok(Next::Done);
        }
        if size > 0 {
            let in_place = entry.locks > 0 && !moveable;
            return Ok(if entry.address == 0 { Next::Fill } else { Next::Resize(entry.address, in_place) });
        }
        if entry.locks > 0 && !local {
            return Ok(Next::Refused);
        }
        if !moveable || entry.locks > 0 {
            return Err(INVALID_PARAMETER);
        }
        held.handles.discard(handle, entry.address);
        let block = held.take(entry.address);
        Ok(block.map_or(Next::Done, |block| Next::GiveBack(block.address)))
    })?;
    match next {
        Next::Done => {}
        Next::Refused => return Ok(std::ptr::null_mut()),
        Next::GiveBack(address) => heap.hold()?.memory_of()(address),
        Next::Resize(address, in_place) => {
            heap.realloc(address, size, in_place, zero)?;
        }
        Next::Fill => heap.alloc_as(size, zero, false, |live, mut block| {
            block.handle = live.handles.named(name)?;
            let serial = live.handles.serial(block.handle);
            // Filled by another thread meanwhile, it stays so.
            if !live.handles.follow(block.handle, serial, 0, block.address) {
                return Err(INVALID_HANDLE);
            }
            live.blocks.add(block);
            Ok(())
        })?,
    }
    Ok(given)
}

fn free(given: *mut c_void) -> Result<(), Code> {
    let heap = Heap::process()?;
    let mut held = heap.hold()?;
    let address = match Given::new(given) {
        Given::Null => return Ok(()),
        Given::Handle(name) => {
            let handle = held.handles.named(name)?;
            let address = held.handles.entry(handle).map_or(0, |entry| entry.address);
            held.handles.remove(handle);
            // A thread that moves the block right now finds the handle gone, and frees it.
            held.take(address).map_or(0, |block| block.address)
        }
        Given::Pointer(address) => {
            let block = held.take(address).ok_or(INVALID_HANDLE)?;
            if held.handles.entry(block.handle).is_some_and(|entry| entry.address == address) {
                held.handles.remove(block.handle);
            }
            address
        }
    };
    let give_back = held.memory_of();
    drop(held);
    if address != 0 {
        give_back(address);
    }
    Ok(())
}

fn size(given: *mut c_void) -> Result<usize, Code> {
    let held = || Heap::process()?.hold();
    match Given::new(given) {
        Given::Null => Err(INVALID_HANDLE),
        Given::Pointer(address) => held()?.blocks.get(address).map(|block| block.size).ok_or(INVALID_HANDLE),
        Given::Handle(name) => with_entry(name, |held, _, entry| {
            Ok(held.blocks.get(entry.address).map_or(0, |block| block.size))
        }),
    }
}

fn flags(given: *mut c_void, local: bool) -> Result<u32, Code> {
    match Given::new(given) {
        Given::Null => Err(INVALID_HANDLE),
        Given::Pointer(_) => Ok(0),
        Given::Handle(name) => with_entry(name, |_, _, entry| {
            let mut flags = u32::from(entry.locks);
            if entry.is_discardable {
                flags |= if local { DISCARDABLE } else { GLOBAL_DISCARDABLE };
            }
            if entry.is_shared {
                flags |= DDESHARE;
            }
            if entry.address == 0 {
                flags |= IS_DISCARDED;
            }
            Ok(flags)
        }),
    }
}

fn lock(given: *mut c_void) -> Result<*mut c_void, Code> {
    match Given::new(given) {
        Given::Null | Given::Pointer(_) => Ok(given),
        Given::Handle(name) => with_entry(name, |held, handle, entry| {
            if entry.address == 0 {
                return Err(DISCARDED);
            }
            if let Some(entry) = held.handles.entry(handle) {
                entry.locks = entry.locks.saturating_add(1);
            }
            Ok(std::ptr::with_exposed_provenance_mut(entry.address))
        }),
    }
}

fn unlock(given: *mut c_void, local: bool) -> Result<i32, Code> {
    match Given::new(given) {
        Given::Null => Err(INVALID_HANDLE),
        Given::Pointer(_) if local => Err(NOT_LOCKED),
        Given::Pointer(_) => Ok(1),
        Given::Handle(name) => with_entry(name, |held, handle, entry| {
            let left = entry.locks.checked_sub(1).ok_or(NOT_LOCKED)?;
            if let Some(entry) = held.handles.entry(handle) {
                entry.locks = left;
            }
            if left == 0 {
                // So that it can be told from a refusal.
                error::set(NO_ERROR);
            }
            Ok(i32::from(left > 0))
        }),
    }
}

fn handle(given: *mut c_void) -> Result<*mut c_void, Code> {
    if given.is_null() {
        return Err(INVALID_PARAMETER);
    }
    let mut held = Heap::process()?.hold()?;
    let block = *held.blocks.get(given.addr()).ok_or(INVALID_HANDLE)?;
    Ok(if held.handles.entry(block.handle).is_some() { held.handles.name(block.handle) } else { given })
}

/// `GlobalAlloc`; see the header.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_GlobalAlloc(flags: u32, size: usize) -> *mut c_void {
    // A fixed block of nothing has a byte, unlike a local one.
    let size = if flags & MOVEABLE == 0 { size.max(1) } else { size };
    answer(std::ptr::null_mut(), || alloc(flags, size))
}

/// `LocalAlloc`; see the header.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_LocalAlloc(flags: u32, size: usize) -> *mut c_void {
    // What is shared is a matter of `GlobalAlloc`.
    answer(std::ptr::null_mut(), || alloc(flags & !DDESHARE, size))
}

/// `GlobalReAlloc`; see the header.
///
/// # Safety
/// If it is a block or a handle, nobody else uses its memory meanwhile. Any number is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_GlobalReAlloc(
    memory: *mut c_void,
    size: usize,
    flags: u32,
) -> *mut c_void {
    answer(std::ptr::null_mut(), || realloc(memory, size, flags, false))
}

/// `LocalReAlloc`; see the header.
///
/// # Safety
/// As [`arenite_win32_GlobalReAlloc`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_LocalReAlloc(
    memory: *mut c_void,
    size: usize,
    flags: u32,
) -> *mut c_void {
    answer(std::ptr::null_mut(), || realloc(memory, size, flags, true))
}

/// `GlobalFree` and `LocalFree`; see the header.
///
/// # Safety
/// If it is a block or a handle, nobody uses its memory any more. Any number is allowed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_win32_GlobalFree(memory: *mut c_void) -> *mut c_void {
    answer(memory, || free(memory).map(|()| std::ptr::null_mut()))
}

/// `GlobalSize` and `LocalSize`; see the header. Any number is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_GlobalSize(memory: *mut c_void) -> usize {
    answer(0, || size(memory))
}

/// `GlobalFlags`; see the header. Any number is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_GlobalFlags(memory: *mut c_void) -> u32 {
    answer(IS_INVALID, || flags(memory, false))
}

/// `LocalFlags`; see the header. Any number is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_LocalFlags(memory: *mut c_void) -> u32 {
    answer(IS_INVALID, || flags(memory, true))
}

/// `GlobalLock` and `LocalLock`; see the header. Any number is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_GlobalLock(memory: *mut c_void) -> *mut c_void {
    answer(std::ptr::null_mut(), || lock(memory))
}

/// `GlobalUnlock`; see the header. Any number is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_GlobalUnlock(memory: *mut c_void) -> i32 {
    answer(0, || unlock(memory, false))
}

/// `LocalUnlock`; see the header. Any number is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_LocalUnlock(memory: *mut c_void) -> i32 {
    answer(0, || unlock(memory, true))
}

/// `GlobalHandle` and `LocalHandle`; see the header. Any number is allowed.
#[unsafe(no_mangle)]
pub extern "C" fn arenite_win32_GlobalHandle(memory: *const c_void) -> *mut c_void {
    answer(std::ptr::null_mut(), || handle(memory.cast_mut()))
}
