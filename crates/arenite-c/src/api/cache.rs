//! The resource cache: more than fits, loaded on demand.
#![expect(unsafe_code, reason = "exports functions under C's names, which follow C's pointers")]

use std::cell::Cell;
use std::ffi::c_void;
use std::hash::{Hash, Hasher};
use std::ptr::{NonNull, null_mut};

use arenite::cache::{LoadError, PinError, Room};
use arenite::{Pinned, ResourceCache, ResourceCacheOptions};

use super::object::{self, Object, kind};
use super::tags::{arenite_tag, tag_of};
use super::texts::put;
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, answer, guard};

/// A cache of resources that are loaded when they are asked for, and unloaded, the least recently used first, when the tag's budget
/// has no room for another. Any thread may use it; it is destroyed when no other one does.
pub struct arenite_cache {
    _object: Object<Cache>,
}

kind!(arenite_cache, Cache, 0x4341_4348u32, shared: true);

/// A pinned resource: it stays as long as there is a pin. Any thread may let go of it.
pub struct arenite_pin {
    _object: Object<Pin>,
}

kind!(arenite_pin, Pin, 0x5049_4E20u32, shared: true);

/// What a loader claims its bytes with; good until it returns, on its thread.
pub struct arenite_room {
    _object: Object<Lent>,
}

kind!(arenite_room, Lent, 0x524F_4F4Eu32, shared: false);

/// The room of a load; nothing while it is being used.
pub(crate) struct Lent(Cell<Option<NonNull<Room<'static>>>>);

/// A function that loads what a key names. It claims the bytes first (`arenite_cache_claim`), loads, and writes where the resource is to
/// `value`: any address, which the cache hands out and does not follow. It runs without a lock, and may pin other resources. Its answer:
/// `ARENITE_OK`, or any other number, and then what it claimed is given back. It must return, not jump out or throw.
pub type arenite_loader = Option<
    unsafe extern "C-unwind" fn(
        user: *mut c_void,
        key: *const c_void,
        key_size: usize,
        room: *mut arenite_room,
        value: *mut *mut c_void,
    ) -> i32,
>;

/// A function that unloads what a loader loaded, on whatever thread. It must return, not jump out or throw.
pub type arenite_unloader = Option<unsafe extern "C-unwind" fn(user: *mut c_void, value: *mut c_void)>;

/// How a cache is made. Zero is each member's default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_cache_options {
    /// Whom resources are charged to. Its budget is the limit.
    pub tag: arenite_tag,
    /// 1: what loaders load charges itself (to this tag, or below it, in an arena or a heap); the cache only counts.
    pub charged_elsewhere: i32,
    /// Loads what is not there.
    pub load: arenite_loader,
    /// Unloads it; may be null.
    pub unload: arenite_unloader,
    /// Handed to both.
    pub user: *mut c_void,
}

/// Figures of a cache. Counts are since it was made, sizes in bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_cache_stats {
    /// Asked for and there.
    pub hits: u64,
    /// Asked for and not there, or still being loaded.
    pub misses: u64,
    /// Loaded.
    pub loads: u64,
    /// Loaders that failed, or found no room.
    pub failures: u64,
    /// Unloaded because another one needed the room.
    pub evictions: u64,
    /// Claims that did not fit.
    pub refusals: u64,
    /// Resources that are loaded.
    pub count: usize,
    /// What they claimed.
    pub bytes: usize,
    /// Bytes of those that nobody pins.
    pub idle_bytes: usize,
    /// The most bytes that were loaded at once.
    pub peak_bytes: usize,
}

/// A key: bytes of the cache's own, or, while it is looked for, of C's.
struct Key {
    bytes: NonNull<u8>,
    size: usize,
    owned: bool,
}

// SAFETY: bytes that nobody changes: its own, or C's as long as the call lasts, in which it stays.
unsafe impl Send for Key {}
// SAFETY: as above.
unsafe impl Sync for Key {}

impl Key {
    /// # Safety
    /// `size` bytes can be read as long as this lives.
    unsafe fn borrowed(bytes: *const c_void, size: usize) -> Result<Self, Refusal> {
        if size > isize::MAX as usize {
            return Err(ARENITE_TOO_LARGE.into());
        }
        match NonNull::new(bytes.cast_mut().cast()) {
            Some(bytes) => Ok(Self { bytes, size, owned: false }),
            None if size == 0 => Ok(Self { bytes: NonNull::dangling(), size, owned: false }),
            None => Err(ARENITE_NULL_ARGUMENT.into()),
        }
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: its own, or readable by promise.
        unsafe { std::slice::from_raw_parts(self.bytes.as_ptr(), self.size) }
    }
}

impl Clone for Key {
    /// A copy with bytes of its own: what the cache keeps.
    fn clone(&self) -> Self {
        let bytes = Box::leak(Box::<[u8]>::from(self.bytes()));
        Self { bytes: NonNull::from(&mut *bytes).cast(), size: self.size, owned: true }
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        if self.owned {
            // SAFETY: made by `clone`, of this size, and freed once.
            drop(unsafe {
                Box::from_raw(std::ptr::slice_from_raw_parts_mut(self.bytes.as_ptr(), self.size))
            });
        }
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Key {}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.bytes().hash(state);
    }
}

/// What a loader loaded.
struct Value {
    value: *mut c_void,
    unload: arenite_unloader,
    user: *mut c_void,
}

// SAFETY: an address that is handed to the program, which by the contract of `arenite_cache` may use it on any thread.
unsafe impl Send for Value {}
// SAFETY: as above.
unsafe impl Sync for Value {}

impl Drop for Value {
    fn drop(&mut self) {
        if let Some(unload) = self.unload {
            // SAFETY: the program's function with what its loader wrote.
            unsafe { unload(self.user, self.value) };
        }
    }
}

pub(crate) struct Cache {
    cache: ResourceCache<Key, Value>,
    load: arenite_loader,
    unload: arenite_unloader,
    user: *mut c_void,
}

// SAFETY: `user` is handed to the program's functions, which by contract are called on any thread.
unsafe impl Send for Cache {}
// SAFETY: as above.
unsafe impl Sync for Cache {}

pub(crate) struct Pin(#[expect(dead_code, reason = "held, not looked at")] Pinned<Key, Value>);

const fn any_thread<T: Send + Sync>() {}
const _: () = any_thread::<Cache>();
const _: () = any_thread::<Pin>();

/// Makes an empty cache and writes it to `cache`. The caller owns it, until `arenite_cache_destroy`; `user` must stay good until then, and
/// until the last pin is let go.
///
/// Errors: `ARENITE_NULL_ARGUMENT` (also: no loader), `ARENITE_BAD_TAG`, `ARENITE_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_cache_create(
    options: *const arenite_cache_options,
    cache: *mut *mut arenite_cache,
) -> arenite_error {
    // SAFETY: the caller's pointers.
    guard(|| unsafe {
        let asked = super::texts::get(options)?;
        if asked.load.is_none() {
            return Err(Refusal::new(ARENITE_NULL_ARGUMENT, "a cache needs a loader"));
        }
        let mut made = ResourceCacheOptions::new(tag_of(asked.tag)?);
        if asked.charged_elsewhere != 0 {
            made = made.charged_elsewhere();
        }
        let (load, unload, user) = (asked.load, asked.unload, asked.user);
        object::make(Cache { cache: ResourceCache::with(made), load, unload, user }, cache)
    })
}

/// Unloads everything and ends the cache. What is pinned lives on, and stays charged, until its last pin is let go. Null is allowed.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY` (called by a loader or unloader of its own).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_cache_destroy(cache: *mut arenite_cache) -> arenite_error {
    if cache.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object.
    guard(|| unsafe { object::end(cache, drop) })
}

fn pinned(pin: Pinned<Key, Value>, value: *mut *mut c_void) -> Result<*mut arenite_pin, Refusal> {
    if !value.is_null() {
        // SAFETY: the caller's pointer.
        unsafe { value.write(pin.value) };
    }
    let mut made = null_mut();
    // SAFETY: a place of ours. Refused, the pin goes.
    unsafe { object::make(Pin(pin), &raw mut made)? };
    Ok(made)
}

/// Pins what a key of `key_size` bytes names; loads it first if it is not there, or waits for the thread that is loading it. Where it is is
/// written to `value`, unless that is null. The pin is the caller's, until `arenite_cache_unpin`. Null if it can not be had:
/// `arenite_last_error` says why. Thread-safe.
///
/// Errors: `ARENITE_OVER_BUDGET` (no room, with everything unpinned unloaded), `ARENITE_CALLBACK` (the loader failed; its own code is in
/// `arenite_last_message`), `ARENITE_BUSY` (loaders that wait for each other, in a ring), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
/// `ARENITE_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_cache_pin(
    cache: *mut arenite_cache,
    key: *const c_void,
    key_size: usize,
    value: *mut *mut c_void,
) -> *mut arenite_pin {
    // SAFETY: the caller's object and pointers.
    answer(|| unsafe {
        let key = Key::borrowed(key, key_size)?;
        object::held(cache, |cache| {
            let loaded = cache.cache.get_or_load(&key, |room| {
                let load = cache.load.ok_or(ARENITE_NULL_ARGUMENT as i32)?;
                let mut lent = null_mut();
                // The room's lifetime ends with this closure; so does the object that leads to it.
                object::make(Lent(Cell::new(Some(NonNull::from(&mut *room).cast()))), &raw mut lent)
                    .map_err(|refusal| refusal.code() as i32)?;
                let mut value = null_mut();
                let bytes = key.bytes.as_ptr().cast();
                let told = load(cache.user, bytes, key.size, lent, &raw mut value);
                object::end_anytime::<arenite_room, _>(lent, drop)
                    .map_err(|refusal| refusal.code() as i32)?;
                if told == ARENITE_OK as i32 {
                    Ok(Value { value, unload: cache.unload, user: cache.user })
                } else {
                    Err(told)
                }
            });
            let loaded = loaded.map_err(|error| match error {
                LoadError::NoRoom(no_room) => Refusal::new(ARENITE_OVER_BUDGET, no_room),
                LoadError::Failed(code) => {
                    Refusal::new(ARENITE_CALLBACK, format_args!("the loader failed with code {code}"))
                }
                LoadError::Cycle => {
                    Refusal::new(ARENITE_BUSY, "the load waits for itself: load one of the ring first")
                }
                _ => ARENITE_INTERNAL.into(),
            });
            pinned(loaded?, value)
        })
    })
    .unwrap_or(null_mut())
}

/// As `arenite_cache_pin`, only if it is loaded: never loads, never waits.
///
/// Errors: `ARENITE_STALE` (it is not loaded), `ARENITE_BUSY` (it is being loaded), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`,
/// `ARENITE_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_cache_try_pin(
    cache: *mut arenite_cache,
    key: *const c_void,
    key_size: usize,
    value: *mut *mut c_void,
) -> *mut arenite_pin {
    // SAFETY: the caller's object and pointers.
    answer(|| unsafe {
        let key = Key::borrowed(key, key_size)?;
        object::held(cache, |cache| {
            let pin = cache.cache.try_pin(&key).map_err(|error| match error {
                PinError::Loading => Refusal::new(ARENITE_BUSY, error),
                _ => Refusal::new(ARENITE_STALE, error),
            });
            pinned(pin?, value)
        })
    })
    .unwrap_or(null_mut())
}

/// Lets go of a pin; the resource stays until the room is needed. Null is allowed. Thread-safe.
///
/// Errors: `ARENITE_INVALID_OBJECT`: no pin, or one that was let go.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_cache_unpin(pin: *mut arenite_pin) -> arenite_error {
    if pin.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object.
    guard(|| unsafe { object::end_anytime(pin, drop) })
}

/// Claims `bytes` more for the resource that is being loaded: unloads what is idle as needed, and charges them. Before the memory is taken,
/// as a rule; as often as wished. For loaders, with the room that they were given.
///
/// Errors: `ARENITE_OVER_BUDGET` (nothing was unloaded then), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT` (the loader
/// has returned), `ARENITE_WRONG_THREAD`, `ARENITE_BUSY` (called by an unloader).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_cache_claim(room: *mut arenite_room, bytes: usize) -> arenite_error {
    guard(|| {
        // SAFETY: the caller's object.
        let lent = unsafe { object::shared(room)? };
        // Taken out meanwhile: unloaders run in here.
        let taken = lent.0.take();
        let mut held = taken.ok_or_else(|| Refusal::new(ARENITE_BUSY, "the room is making room already"))?;
        // SAFETY: the room is the loader's alone, and is not in use: it was here. The object lasts no longer than it.
        let claimed = unsafe { held.as_mut() }.claim(bytes);
        lent.0.set(taken);
        claimed.map_err(|no_room| Refusal::new(ARENITE_OVER_BUDGET, no_room))
    })
}

/// Unloads what a key names, if it is loaded and nobody pins it. Thread-safe.
///
/// Errors: `ARENITE_STALE` (not loaded, or pinned: then it stays), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_cache_unload(
    cache: *mut arenite_cache,
    key: *const c_void,
    key_size: usize,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let key = Key::borrowed(key, key_size)?;
        object::held(cache, |cache| {
            let gone = cache.cache.unload(&key);
            if gone { Ok(()) } else { Err(Refusal::new(ARENITE_STALE, "not loaded, or pinned")) }
        })
    })
}

/// Unloads what nobody pins, the least recently used first, until the cache holds at most so many bytes; answers how many bytes were unloaded. From a
/// pressure callback, for example. Thread-safe.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, and the answer is 0.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_cache_trim(cache: *mut arenite_cache, bytes: usize) -> usize {
    // SAFETY: the caller's object.
    answer(|| unsafe { object::held(cache, |cache| Ok(cache.cache.trim_to(bytes))) }).unwrap_or(0)
}

/// Writes the figures of a cache to `stats`. Thread-safe.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_cache_figures(
    cache: *const arenite_cache,
    stats: *mut arenite_cache_stats,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let seen = object::shared(cache)?.cache.stats();
        put(
            stats,
            arenite_cache_stats {
                hits: seen.hits,
                misses: seen.misses,
                loads: seen.loads,
                failures: seen.failures,
                evictions: seen.evictions,
                refusals: seen.refusals,
                count: seen.count,
                bytes: seen.bytes,
                idle_bytes: seen.idle_bytes,
                peak_bytes: seen.peak_bytes,
            },
        )
    })
}
