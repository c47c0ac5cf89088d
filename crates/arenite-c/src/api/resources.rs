//! The resource arena: textures, meshes, sounds, until the level ends.
//!
//! A resource of C's is two values of the arena: its bytes, and behind them an entry with its destructor. So entries are dropped before
//! their bytes are, the last one first.
#![expect(unsafe_code, reason = "exports functions under C's names, which follow C's pointers")]

use std::ffi::c_void;
use std::ptr::{NonNull, null_mut};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arenite::{AllocError, ResourceArena, ResourceArenaOptions, ResourceStats};

use super::layout;
use super::object::{self, Object, kind};
use super::tags::{arenite_tag, tag_of};
use super::texts::put;
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, answer, guard};

/// An arena for what lives until the level ends; all of it goes at once. Any thread may insert and get; it is cleared and destroyed
/// when no other one does.
pub struct arenite_resources {
    _object: Object<Resources>,
}

kind!(arenite_resources, Resources, 0x5245_5352u32, shared: true);

/// The name of a resource. 0 is none, ever; so is one of a time before the arena was cleared.
pub type arenite_resource = u64;

/// A function that ends a resource: what it holds outside of its bytes. It may call every function of this library but those of the arena,
/// which answer `ARENITE_BUSY`. It must return, not jump out or throw.
pub type arenite_destructor =
    Option<unsafe extern "C-unwind" fn(user: *mut c_void, data: *mut c_void, size: usize)>;

/// How a resource arena is made. Zero is each member's default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_resources_options {
    /// Whom it is charged to.
    pub tag: arenite_tag,
    /// 1: asks the system for huge pages.
    pub huge_pages: i32,
    /// Bytes of address space: the most that all resources together can take. Default: 8 GiB.
    pub reserve: usize,
    /// The most resources there can be. Default: half a million.
    pub capacity: usize,
}

/// Figures of a resource arena. Sizes are bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_resources_stats {
    /// Resources there are.
    pub count: usize,
    /// Taken by them, padding and entries included.
    pub used: usize,
    /// Committed.
    pub committed: usize,
    /// Reserved.
    pub reserved: usize,
}

impl arenite_resources_stats {
    pub(crate) fn of(stats: &ResourceStats) -> Self {
        Self {
            count: stats.count / 2,
            used: stats.used,
            committed: stats.committed,
            reserved: stats.reserved,
        }
    }
}

/// What names of one arena between two clears have in common. Drawn from one counter for the process, so that no other arena's names
/// are good here; it comes round after 2^32 - 1 clears.
fn next_generation() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    loop {
        match NEXT.fetch_add(1, Ordering::Relaxed) {
            0 => {}
            generation => return generation,
        }
    }
}

/// Bytes of a resource.
#[derive(Clone, Copy, Default)]
#[repr(align(16))]
struct Unit(#[expect(dead_code, reason = "only room")] [u8; 16]);

/// A resource, without its bytes.
struct Entry {
    data: NonNull<u8>,
    size: usize,
    destructor: arenite_destructor,
    user: *mut c_void,
    /// Whether the program knows of it: what it was refused is not destroyed.
    known: AtomicBool,
}

// SAFETY: addresses that are handed on to the program, which knows its threads: by the contract of `arenite_resources` it may get a resource
// on any thread, and its destructor runs on the one that clears.
unsafe impl Send for Entry {}
// SAFETY: as above.
unsafe impl Sync for Entry {}

impl Drop for Entry {
    fn drop(&mut self) {
        if let (Some(destructor), true) = (self.destructor, *self.known.get_mut()) {
            // SAFETY: the program's function with what it was registered with; the bytes are still there.
            unsafe { destructor(self.user, self.data.as_ptr().cast(), self.size) };
        }
    }
}

/// What is to be inserted.
pub(crate) struct Wanted {
    pub(crate) data: *const c_void,
    pub(crate) size: usize,
    pub(crate) align: usize,
    pub(crate) destructor: arenite_destructor,
    pub(crate) user: *mut c_void,
}

/// Names of one arena since it was cleared.
pub(crate) struct Names(u32);

impl Names {
    pub(crate) fn new() -> Self {
        Self(next_generation())
    }

    /// # Safety
    /// `wanted.data` is null, or `wanted.size` bytes of it can be read.
    pub(crate) unsafe fn insert(
        &self,
        arena: &ResourceArena,
        wanted: &Wanted,
    ) -> Result<(arenite_resource, NonNull<u8>), Refusal> {
        let layout = layout(wanted.size, wanted.align)?;
        // Room for the alignment, if it is larger than a unit's.
        let room = layout.size().checked_add(layout.align().saturating_sub(align_of::<Unit>()));
        let units = room.ok_or(ARENITE_TOO_LARGE)?.div_ceil(size_of::<Unit>());
        let mut start = NonNull::<u8>::dangling();
        arena.try_insert_slice_with::<Unit, AllocError>(units, |bytes| {
            start = NonNull::from(&mut *bytes).cast();
            Ok(())
        })?;
        let ahead = start.align_offset(layout.align());
        // SAFETY: inside the slice, or one behind it if it is empty; it was zeroed, nobody knows of it, and `data` is the caller's.
        let data = unsafe {
            let data = start.add(ahead);
            if !wanted.data.is_null() {
                data.copy_from_nonoverlapping(
                    NonNull::new_unchecked(wanted.data.cast_mut().cast()),
                    wanted.size,
                );
            }
            data
        };
        let (destructor, user) = (wanted.destructor, wanted.user);
        let known = AtomicBool::new(false);
        let inserted = arena.try_insert(Entry { data, size: wanted.size, destructor, user, known })?;
        if let Some(entry) = arena.get(inserted) {
            entry.known.store(true, Ordering::Relaxed);
        }
        let index = inserted.index();
        Ok((u64::from(self.0) << 32 | u64::from(index), data))
    }

    pub(crate) fn find<'a>(
        &self,
        arena: &'a ResourceArena,
        name: arenite_resource,
    ) -> Result<(*mut c_void, usize), Refusal> {
        let stale = || Refusal::new(ARENITE_STALE, "no resource of this arena, or one that was cleared");
        if (name >> 32) as u32 != self.0 {
            return Err(stale());
        }
        let entry: &'a Entry =
            arena.at::<Entry>(name as u32).and_then(|entry| arena.get(entry)).ok_or_else(stale)?;
        Ok((entry.data.as_ptr().cast(), entry.size))
    }
}

pub(crate) struct Resources {
    arena: ResourceArena,
    names: Names,
}

const fn any_thread<T: Send + Sync>() {}
const _: () = any_thread::<Resources>();

/// Makes a resource arena and writes it to `resources`. `options` may be null: all defaults. The caller owns it, until
/// `arenite_resources_destroy`.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (a capacity above 2^31 - 1), `ARENITE_BAD_TAG`, `ARENITE_SYSTEM`,
/// `ARENITE_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_resources_create(
    options: *const arenite_resources_options,
    resources: *mut *mut arenite_resources,
) -> arenite_error {
    // SAFETY: the caller's pointers.
    guard(|| unsafe {
        let asked = options.as_ref().copied();
        let mut made = ResourceArenaOptions::new(tag_of(asked.map_or(0, |options| options.tag))?);
        if let Some(asked) = asked {
            if asked.reserve != 0 {
                made = made.reserve(asked.reserve);
            }
            if asked.capacity > i32::MAX as usize {
                return Err(Refusal::new(ARENITE_INVALID_ARGUMENT, "a capacity above 2^31 - 1"));
            }
            if asked.capacity != 0 {
                made = made.capacity(asked.capacity * 2);
            }
            made = made.huge_pages(asked.huge_pages != 0);
        }
        object::make(Resources { arena: ResourceArena::try_with(made)?, names: Names::new() }, resources)
    })
}

/// Clears an arena and gives all of its memory back. Null is allowed.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY` (called by a destructor of its own).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_resources_destroy(resources: *mut arenite_resources) -> arenite_error {
    if resources.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object.
    guard(|| unsafe { object::end(resources, drop) })
}

/// Puts a resource of `size` bytes in, at a multiple of `align` (a power of two, at most 1 MiB; 0 is 16), and writes its name to `resource`.
/// `data` is copied; null: all bytes zero. `destructor`, unless it is null, is called with `user` when the resource goes. Answers where the
/// bytes are: they stay there, and may be filled until others are told the name. Null if there is no room: `arenite_last_error` says
/// why, and the destructor is not called (bytes that were taken already may stay until the arena is cleared). Thread-safe.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (the alignment), `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`, `ARENITE_FULL`,
/// `ARENITE_OVER_BUDGET`, `ARENITE_EXHAUSTED`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_resources_insert(
    resources: *mut arenite_resources,
    data: *const c_void,
    size: usize,
    align: usize,
    destructor: arenite_destructor,
    user: *mut c_void,
    resource: *mut arenite_resource,
) -> *mut c_void {
    // SAFETY: the caller's object and pointers.
    answer(|| unsafe {
        let this = object::shared(resources)?;
        insert(&this.names, &this.arena, &Wanted { data, size, align, destructor, user }, resource)
    })
    .unwrap_or(null_mut())
}

/// # Safety
/// As [`Names::insert`]; `resource` is null or can be written.
pub(crate) unsafe fn insert(
    names: &Names,
    arena: &ResourceArena,
    wanted: &Wanted,
    resource: *mut arenite_resource,
) -> Result<*mut c_void, Refusal> {
    if resource.is_null() {
        return Err(ARENITE_NULL_ARGUMENT.into());
    }
    // SAFETY: the caller's promise.
    unsafe {
        let (name, bytes) = names.insert(arena, wanted)?;
        put(resource, name)?;
        Ok(bytes.as_ptr().cast())
    }
}

/// # Safety
/// `size` is null or can be written.
pub(crate) unsafe fn find(
    names: &Names,
    arena: &ResourceArena,
    resource: arenite_resource,
    size: *mut usize,
) -> Result<*mut c_void, Refusal> {
    let (bytes, length) = names.find(arena, resource)?;
    if !size.is_null() {
        // SAFETY: the caller's promise.
        unsafe { size.write(length) };
    }
    Ok(bytes)
}

/// The bytes of a resource, until the arena is cleared; how many they are is written to `size`, unless that is null. Null if it is gone,
/// or was never of this arena. Thread-safe, without a lock. O(1).
///
/// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_resources_get(
    resources: *const arenite_resources,
    resource: arenite_resource,
    size: *mut usize,
) -> *mut c_void {
    // SAFETY: the caller's object and pointer.
    answer(|| unsafe {
        let this = object::shared(resources)?;
        find(&this.names, &this.arena, resource, size)
    })
    .unwrap_or(null_mut())
}

/// Calls all destructors, the last resource's first, and gives the memory back to the system; the arena can be filled again. No other thread may
/// use it meanwhile, nor what it handed out.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY` (called by a destructor of its own).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_resources_clear(resources: *mut arenite_resources) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe {
        object::exclusive(resources, |this| {
            this.names = Names::new();
            this.arena.clear();
            Ok(())
        })
    })
}

/// Writes the figures of a resource arena to `stats`. Thread-safe.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_resources_figures(
    resources: *const arenite_resources,
    stats: *mut arenite_resources_stats,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe { put(stats, arenite_resources_stats::of(&object::shared(resources)?.arena.stats())) })
}
