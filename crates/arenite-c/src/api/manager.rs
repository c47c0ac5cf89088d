//! The manager: frames, scenes, and what is left in the end.
//!
//! An open frame borrows the manager, which C can not say. So it lives beside it in the object, and while there is one the manager is
//! asked through it only.
#![expect(
    unsafe_code,
    reason = "exports functions under C's names; keeps a frame beside what it borrows from"
)]

use std::alloc::Layout;
use std::cell::{Cell, RefCell};
use std::ffi::{c_char, c_void};
use std::ptr::{NonNull, null, null_mut};

use arenite::{Frame, FrameArena, MemoryManager, Scene, SceneReport};

use super::frame::{RESERVE as FRAME_RESERVE, arenite_kept, from_arena, keep, kept};
use super::object::{self, Object, kind};
use super::resources::{self, Names, Wanted, arenite_destructor, arenite_resource};
use super::tags::{arenite_tag, tag_of};
use super::texts::{put, put_text};
use super::{ALIGN, layout};
use crate::error::arenite_error::{self, *};
use crate::error::{Refusal, answer, guard};

/// The memory of an engine: a frame arena and the resources of a scene, each charged to a tag of its own (`frame`, `scene` and the like), in
/// order. Of one thread: the one that made it.
pub struct arenite_manager {
    _object: Object<Manager>,
}

kind!(arenite_manager, Manager, 0x4D41_4E52u32, shared: false);

/// The resources of one level: filled on any thread, then made current by `arenite_manager_change_scene`.
pub struct arenite_scene {
    _object: Object<Loading>,
}

kind!(arenite_scene, Loading, 0x5343_454Eu32, shared: true);

/// How a manager is made. Zero is each member's default.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_manager_options {
    /// A tag that the manager's own tags are below; `ARENITE_UNTAGGED`: none.
    pub root: arenite_tag,
    /// 1: scenes and the end of the manager tell what has grown outside of the manager since.
    pub report_leaks: i32,
    /// Bytes of address space for each frame buffer. Default: 1 GiB.
    pub frame_reserve: usize,
    /// Bytes to commit for each frame buffer from the start. Default: none.
    pub frame_presize: usize,
    /// Bytes of address space for the resources of a scene. Default: 8 GiB.
    pub scene_reserve: usize,
    /// Bytes of an ended scene's memory that stay committed for the next one. Default: none.
    pub scene_keep: usize,
}

/// What one frame did. Sizes are bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_frame_report {
    /// Number of the frame; the first one is 1.
    pub frame: u64,
    /// Allocated in it.
    pub used: usize,
    /// The most that any frame so far allocated.
    pub high_water: usize,
    /// Calls about memory that this library made to the operating system during the frame, on all threads.
    pub memory_calls: u64,
}

/// What a scene came to when it ended. Sizes are bytes.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct arenite_scene_report {
    /// Resources that were dropped.
    pub dropped: usize,
    /// What they took.
    pub freed: usize,
    /// Still in use on the scene's account; 0 unless something is broken, or shares the account.
    pub live_after: usize,
    /// Still committed on the scene's account: at most `scene_keep`.
    pub committed_after: usize,
}

impl From<&SceneReport> for arenite_scene_report {
    fn from(report: &SceneReport) -> Self {
        Self {
            // Two values of the arena are one resource.
            dropped: report.dropped / 2,
            freed: report.freed,
            live_after: report.live_after,
            committed_after: report.committed_after,
        }
    }
}

pub(crate) struct Loading {
    scene: Scene,
    names: Names,
}

const fn any_thread<T: Send + Sync>() {}
const _: () = any_thread::<Loading>();

pub(crate) struct Manager {
    /// The open frame's arena, or null. Changes when a frame begins and ends, which nobody does while something grows.
    arena: Cell<*const FrameArena>,
    frame: RefCell<Option<Frame<'static>>>,
    names: Names,
    /// Boxed: the frame points to it. Freed by `drop`, after it, or taken out by `arenite_manager_shutdown`.
    memory: Option<NonNull<MemoryManager>>,
}

impl Manager {
    fn new(memory: MemoryManager) -> Self {
        let memory = NonNull::from(Box::leak(Box::new(memory)));
        Self {
            arena: Cell::new(null()),
            frame: RefCell::new(None),
            names: Names::new(),
            memory: Some(memory),
        }
    }

    /// The manager while no frame is open.
    fn between(&mut self) -> Result<&mut MemoryManager, Refusal> {
        if self.frame.get_mut().is_some() {
            return Err(Refusal::new(ARENITE_BUSY, "a frame is open: end it first"));
        }
        let mut memory = self.memory.ok_or(ARENITE_INVALID_OBJECT)?;
        // SAFETY: boxed by `new`, and there until it is taken out; no frame borrows it, and `self` is borrowed mutably as long as the
        // answer is used.
        Ok(unsafe { memory.as_mut() })
    }

    /// Runs `work` with the present scene.
    fn with_scene<R>(&self, work: impl FnOnce(&Scene) -> R) -> Result<R, Refusal> {
        if let Some(frame) = &*self.frame.borrow() {
            return Ok(work(frame.resources()));
        }
        let memory = self.memory.ok_or(ARENITE_INVALID_OBJECT)?;
        // SAFETY: there, as above; no frame has it mutably, and none begins meanwhile: that needs the whole object.
        Ok(work(unsafe { memory.as_ref() }.resources()))
    }

    fn begin(&mut self) -> Result<(), Refusal> {
        self.between()?;
        let mut memory = self.memory.ok_or(ARENITE_INVALID_OBJECT)?;
        // SAFETY: no frame is open, and until this one has ended the manager is asked through it only.
        let frame: Frame<'static> = unsafe { memory.as_mut() }.try_begin_frame()?;
        let frame = self.frame.get_mut().insert(frame);
        self.arena.set(core::ptr::from_ref::<FrameArena>(frame));
        Ok(())
    }

    fn end(&mut self) -> Result<arenite_frame_report, Refusal> {
        self.arena.set(null());
        let frame = self.frame.get_mut().take();
        let frame = frame.ok_or_else(|| Refusal::new(ARENITE_BUSY, "no frame is open: begin one first"))?;
        let stats = frame.end();
        Ok(arenite_frame_report {
            frame: stats.frame,
            used: stats.used,
            high_water: stats.high_water,
            memory_calls: stats.memory_calls,
        })
    }

    fn open(&self) -> Result<&FrameArena, Refusal> {
        // SAFETY: null, or of the frame that is open, in memory that stays.
        let arena = unsafe { self.arena.get().as_ref() };
        arena.ok_or_else(|| Refusal::new(ARENITE_BUSY, "no frame is open: begin one first"))
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        // The frame before what it borrows.
        drop(self.frame.get_mut().take());
        if let Some(memory) = self.memory.take() {
            // SAFETY: boxed by `new`, freed once, and not borrowed any more.
            drop(unsafe { Box::from_raw(memory.as_ptr()) });
        }
    }
}

/// Makes a manager with an empty scene and writes it to `manager`. `options` may be null: all defaults. The caller owns it, until
/// `arenite_manager_shutdown`.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_ARGUMENT` (`frame_presize` is larger than `frame_reserve`), `ARENITE_BAD_TAG`,
/// `ARENITE_OVER_BUDGET`, `ARENITE_SYSTEM`, `ARENITE_TOO_LARGE`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_manager_create(
    options: *const arenite_manager_options,
    manager: *mut *mut arenite_manager,
) -> arenite_error {
    // SAFETY: the caller's pointers.
    guard(|| unsafe {
        let mut made = MemoryManager::builder();
        if let Some(asked) = options.as_ref() {
            if asked.root != 0 {
                made = made.root(tag_of(asked.root)?);
            }
            let reserve = if asked.frame_reserve == 0 { FRAME_RESERVE } else { asked.frame_reserve };
            if asked.frame_presize > reserve {
                return Err(Refusal::new(
                    ARENITE_INVALID_ARGUMENT,
                    "`frame_presize` is larger than `frame_reserve`",
                ));
            }
            made = made.frame_reserve(reserve);
            if asked.scene_reserve != 0 {
                made = made.scene_reserve(asked.scene_reserve);
            }
            made = made
                .frame_presize(asked.frame_presize)
                .scene_keep(asked.scene_keep)
                .report_leaks(asked.report_leaks != 0);
        }
        object::make(Manager::new(made.build()?), manager)
    })
}

/// Ends a manager: its open frame, its scene, whose destructors run, and all of its memory. What it leaves behind is written to `buffer` as a
/// table, with a 0 behind it, cut if it has no room; the whole length, without the 0, to `length`, unless that is null. A null
/// `buffer` is allowed, and a null manager. Scenes that are still loading are to be destroyed first, or afterwards.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY` (in a callback).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_manager_shutdown(
    manager: *mut arenite_manager,
    buffer: *mut c_char,
    size: usize,
    length: *mut usize,
) -> arenite_error {
    if manager.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object and pointers.
    guard(|| unsafe {
        let report = object::end(manager, |mut ended| {
            drop(ended.frame.get_mut().take());
            let memory = ended.memory.take().ok_or(ARENITE_INVALID_OBJECT)?;
            // Boxed by `new`; no frame borrows it any more.
            Ok::<_, Refusal>(Box::from_raw(memory.as_ptr()).shutdown().to_string())
        })??;
        let whole = put_text(&report, buffer, size);
        if !length.is_null() {
            length.write(whole);
        }
        Ok(())
    })
}

/// Begins a frame. What the last frame allocated stays readable until the next one begins. O(1).
///
/// Errors: `ARENITE_BUSY` (a frame is open), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_manager_begin_frame(manager: *mut arenite_manager) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe { object::exclusive(manager, Manager::begin) })
}

/// Ends the frame, and writes what it did to `report`, unless that is null.
///
/// Errors: `ARENITE_BUSY` (no frame is open), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_manager_end_frame(
    manager: *mut arenite_manager,
    report: *mut arenite_frame_report,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let done = object::exclusive(manager, Manager::end)?;
        if report.is_null() { Ok(()) } else { put(report, done) }
    })
}

#[cold]
#[inline(never)]
unsafe extern "C" fn alloc_slow(manager: *mut arenite_manager, size: usize) -> *mut c_void {
    // SAFETY: the caller's object.
    answer(|| unsafe {
        let manager = object::hot(manager).ok_or_else(|| object::refuse_object(manager))?;
        from_arena(manager.open()?, size)
    })
    .unwrap_or(null_mut())
}

/// `size` bytes at a multiple of 16 in the open frame, with arbitrary content, until the frame after the next begins; nothing is to be freed. Null
/// if it can not be had: `arenite_last_error` says why. For the manager's own thread, which is not checked here. O(1).
///
/// Errors: `ARENITE_BUSY` (no frame is open), and as `arenite_frame_alloc`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_manager_alloc(manager: *mut arenite_manager, size: usize) -> *mut c_void {
    // SAFETY: the caller's object; null, or the arena of the frame that is open.
    unsafe {
        if let Some(this) = object::hot(manager)
            && let Some(arena) = this.arena.get().as_ref()
            && let Ok(layout) = Layout::from_size_align(size, ALIGN)
            && let Some(room) = arena.alloc_committed(layout)
        {
            return room.as_mut_ptr().cast();
        }
        alloc_slow(manager, size)
    }
}

/// As `arenite_manager_alloc`, at a multiple of `align`: a power of two, at most 1 MiB; 0 is 16.
///
/// Errors: as `arenite_manager_alloc`; `ARENITE_INVALID_ARGUMENT`, `ARENITE_WRONG_THREAD`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_manager_alloc_aligned(
    manager: *mut arenite_manager,
    size: usize,
    align: usize,
) -> *mut c_void {
    // SAFETY: the caller's object.
    answer(|| unsafe {
        let arena = object::shared(manager)?.open()?;
        Ok(arena.try_alloc_layout(layout(size, align)?)?.as_mut_ptr().cast())
    })
    .unwrap_or(null_mut())
}

/// As `arenite_frame_keep`, in the open frame.
///
/// Errors: as `arenite_manager_alloc_aligned`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_manager_keep(
    manager: *mut arenite_manager,
    size: usize,
    align: usize,
    ticket: *mut arenite_kept,
) -> *mut c_void {
    // SAFETY: the caller's object and pointer.
    answer(|| unsafe { keep(object::shared(manager)?.open()?, size, align, ticket) }).unwrap_or(null_mut())
}

/// As `arenite_frame_get`, in the open frame: what the last one kept.
///
/// Errors: as `arenite_frame_get`; `ARENITE_BUSY` (no frame is open).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_manager_get_kept(
    manager: *const arenite_manager,
    ticket: *const arenite_kept,
    size: *mut usize,
) -> *const c_void {
    // SAFETY: the caller's object and pointers.
    answer(|| unsafe { kept(object::shared(manager)?.open()?, ticket, size) }).unwrap_or(null())
}

/// Makes an empty scene with an account of its own and writes it to `scene`: to be filled on any thread, while frames run. The caller owns it, until
/// it is made current or destroyed.
///
/// Errors: `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY` (a frame is open), `ARENITE_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_manager_load_scene(
    manager: *mut arenite_manager,
    scene: *mut *mut arenite_scene,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let made = object::exclusive(manager, |manager| Ok(manager.between()?.try_load_scene()?))?;
        object::make(Loading { scene: made, names: Names::new() }, scene)
    })
}

/// Puts a resource in a scene that is not current yet; as `arenite_resources_insert`. Its name stays good when the scene is made
/// current. Thread-safe.
///
/// Errors: as `arenite_resources_insert`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_scene_insert(
    scene: *mut arenite_scene,
    data: *const c_void,
    size: usize,
    align: usize,
    destructor: arenite_destructor,
    user: *mut c_void,
    resource: *mut arenite_resource,
) -> *mut c_void {
    // SAFETY: the caller's object and pointers.
    answer(|| unsafe {
        let this = object::shared(scene)?;
        let wanted = Wanted { data, size, align, destructor, user };
        resources::insert(&this.names, &this.scene, &wanted, resource)
    })
    .unwrap_or(null_mut())
}

/// Ends a scene that was never made current: its destructors run. Null is allowed.
///
/// Errors: `ARENITE_INVALID_OBJECT`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_scene_destroy(scene: *mut arenite_scene) -> arenite_error {
    if scene.is_null() {
        return ARENITE_OK;
    }
    // SAFETY: the caller's object.
    guard(|| unsafe { object::end(scene, drop) })
}

/// Makes `scene` the current one and ends the one before: its destructors run, the last resource's first; its memory goes back to the system. The
/// scene is the manager's from here on: `scene` must not be used any more. What the old one came to is written to `report`, unless that is
/// null. No frame may be open.
///
/// Errors: `ARENITE_BUSY` (a frame is open; nothing has happened), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_manager_change_scene(
    manager: *mut arenite_manager,
    scene: *mut arenite_scene,
    report: *mut arenite_scene_report,
) -> arenite_error {
    // SAFETY: the caller's objects and pointer.
    guard(|| unsafe {
        let done = object::exclusive(manager, |manager| {
            manager.between()?;
            let Loading { scene, names } = object::end(scene, |loaded| loaded)?;
            manager.names = names;
            Ok(manager.between()?.change_scene(scene))
        })?;
        if report.is_null() { Ok(()) } else { put(report, (&done).into()) }
    })
}

/// Ends the current scene and leaves an empty one; as `arenite_manager_change_scene`.
///
/// Errors: as `arenite_manager_change_scene`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_manager_clear_scene(
    manager: *mut arenite_manager,
    report: *mut arenite_scene_report,
) -> arenite_error {
    // SAFETY: the caller's object and pointer.
    guard(|| unsafe {
        let done = object::exclusive(manager, |manager| {
            manager.between()?;
            manager.names = Names::new();
            Ok(manager.between()?.clear_scene())
        })?;
        if report.is_null() { Ok(()) } else { put(report, (&done).into()) }
    })
}

/// The bytes of a resource of the current scene, until that ends; how many they are is written to `size`, unless that is null. Null if it is gone.
/// O(1).
///
/// Errors: `ARENITE_STALE`, `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_BUSY`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_manager_get(
    manager: *const arenite_manager,
    resource: arenite_resource,
    size: *mut usize,
) -> *mut c_void {
    // SAFETY: the caller's object and pointer.
    answer(|| unsafe {
        let this = object::shared(manager)?;
        this.with_scene(|scene| resources::find(&this.names, scene, resource, size))?
    })
    .unwrap_or(null_mut())
}

/// Puts a resource in the current scene; as `arenite_resources_insert`, but for the manager's thread.
///
/// Errors: as `arenite_resources_insert`; `ARENITE_WRONG_THREAD`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_manager_insert(
    manager: *mut arenite_manager,
    data: *const c_void,
    size: usize,
    align: usize,
    destructor: arenite_destructor,
    user: *mut c_void,
    resource: *mut arenite_resource,
) -> *mut c_void {
    // SAFETY: the caller's object and pointers.
    answer(|| unsafe {
        let this = object::shared(manager)?;
        let wanted = Wanted { data, size, align, destructor, user };
        this.with_scene(|scene| resources::insert(&this.names, scene, &wanted, resource))?
    })
    .unwrap_or(null_mut())
}

/// Gives memory that the current scene does not use back to the system, and all that was kept for the next one. No frame may be open.
///
/// Errors: `ARENITE_BUSY` (a frame is open), `ARENITE_NULL_ARGUMENT`, `ARENITE_INVALID_OBJECT`, `ARENITE_WRONG_THREAD`, `ARENITE_SYSTEM`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn arenite_manager_trim(manager: *mut arenite_manager) -> arenite_error {
    // SAFETY: the caller's object.
    guard(|| unsafe { object::exclusive(manager, |manager| Ok(manager.between()?.try_trim()?)) })
}

impl Manager {
    /// Everything that is known, with the manager's own figures.
    pub(crate) fn snapshot(&self) -> Result<arenite::Snapshot, Refusal> {
        if let Some(frame) = &*self.frame.borrow() {
            return Ok(frame.snapshot());
        }
        let memory = self.memory.ok_or(ARENITE_INVALID_OBJECT)?;
        // SAFETY: as in `with_scene`.
        Ok(unsafe { memory.as_ref() }.snapshot())
    }
}
