//! The definitions that come after ours: glibc's, or those of whatever heap the program was given.
#![expect(clippy::fn_to_numeric_cast_any, reason = "functions are kept as numbers, which assembly jumps to")]

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// The functions that hand out blocks and take them back, in the order of [`REAL`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Function {
    Malloc,
    Calloc,
    Realloc,
    Reallocarray,
    Free,
    Cfree,
    AlignedAlloc,
    PosixMemalign,
    Memalign,
    Valloc,
    Pvalloc,
    FreeSized,
    FreeAlignedSized,
}

/// How many there are.
pub(crate) const COUNT: usize = 13;

const NAMES: [(Function, &CStr); COUNT] = [
    (Function::Malloc, c"malloc"),
    (Function::Calloc, c"calloc"),
    (Function::Realloc, c"realloc"),
    (Function::Reallocarray, c"reallocarray"),
    (Function::Free, c"free"),
    (Function::Cfree, c"cfree"),
    (Function::AlignedAlloc, c"aligned_alloc"),
    (Function::PosixMemalign, c"posix_memalign"),
    (Function::Memalign, c"memalign"),
    (Function::Valloc, c"valloc"),
    (Function::Pvalloc, c"pvalloc"),
    (Function::FreeSized, c"free_sized"),
    (Function::FreeAlignedSized, c"free_aligned_sized"),
];

/// The next definitions; until they are known, functions of the arena. Assembly jumps there.
pub(crate) static REAL: [AtomicUsize; COUNT] = [const { AtomicUsize::new(0) }; COUNT];

type Any = unsafe extern "C" fn(usize, usize, usize) -> usize;

impl Function {
    /// Calls the next definition. What it does not take is not looked at; what it answers is in the lower half, if it is an `int`.
    ///
    /// # Safety
    /// What the function of this name asks for.
    #[inline(always)]
    pub(crate) unsafe fn call(self, one: usize, two: usize, three: usize) -> usize {
        let real = REAL[self as usize].load(Ordering::Relaxed);
        // SAFETY: `REAL` has the addresses of functions of at most three integers or pointers, which the ABIs of both processors pass
        // in registers, whether they are looked at or not; the caller's promise for the rest.
        unsafe {
            core::mem::transmute::<*const (), Any>(core::ptr::with_exposed_provenance(real))(one, two, three)
        }
    }
}

fn definition(name: &CStr) -> Option<usize> {
    // SAFETY: a text that ends with a zero.
    let found = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr()) };
    (!found.is_null()).then(|| found.expose_provenance())
}

/// Looks for the next definitions. What it asks for meanwhile comes from the arena.
pub(crate) fn find() {
    use Function::*;
    for (function, _) in NAMES {
        let arena: Any = match function {
            Malloc | Valloc | Pvalloc => arena_malloc,
            Calloc => arena_calloc,
            Realloc => arena_realloc,
            AlignedAlloc | Memalign => arena_memalign,
            Reallocarray => refuse,
            PosixMemalign => refuse_with_error,
            Free | Cfree | FreeSized | FreeAlignedSized => keep,
        };
        put(function, arena as usize);
    }
    let mut found = NAMES.map(|(_, name)| definition(name));
    for (function, instead) in [
        (Cfree, Free),
        (FreeSized, Free),
        (FreeAlignedSized, Free),
        (AlignedAlloc, Memalign),
        (Valloc, Malloc),
        (Pvalloc, Malloc),
    ] {
        // It takes what the other one does, and more. (Every C library that this is for has all but the first three.)
        found[function as usize] = found[function as usize].or(found[instead as usize]);
    }
    if ARENA.used.load(Ordering::Relaxed) > 0 {
        for (function, behind, careful) in [
            (Free, &FREE, careful_free as Any),
            (Cfree, &FREE, careful_free),
            (FreeSized, &FREE, careful_free),
            (FreeAlignedSized, &FREE, careful_free),
            (Realloc, &REALLOC, careful_realloc),
        ] {
            if let Some(real) = found[function as usize].replace(careful as usize) {
                behind.store(real, Ordering::Relaxed);
            }
        }
        FREE.store(definition(c"free").unwrap_or(keep as Any as usize), Ordering::Relaxed);
    }
    for ((function, _), real) in NAMES.into_iter().zip(found) {
        put(function, real.unwrap_or(refuse as Any as usize));
    }
}

fn put(function: Function, real: usize) {
    REAL[function as usize].store(real, Ordering::Relaxed);
}

/// The next `free` and `realloc`, when blocks of the arena must be told from theirs.
static FREE: AtomicUsize = AtomicUsize::new(0);
static REALLOC: AtomicUsize = AtomicUsize::new(0);

/// # Safety
/// As `free`; the address of the next one is in `FREE`.
unsafe extern "C" fn careful_free(block: usize, _: usize, _: usize) -> usize {
    if ARENA.has(block) {
        return 0;
    }
    let next = core::ptr::with_exposed_provenance(FREE.load(Ordering::Relaxed));
    // SAFETY: the next definition's address; the caller's promise.
    unsafe { core::mem::transmute::<*const (), Any>(next)(block, 0, 0) }
}

/// # Safety
/// As `realloc`; the address of the next one is in `REALLOC`.
unsafe extern "C" fn careful_realloc(block: usize, size: usize, _: usize) -> usize {
    if ARENA.has(block) {
        // SAFETY: any size; then both blocks have so many bytes.
        unsafe {
            let moved = Function::Malloc.call(size, 0, 0);
            if moved != 0 {
                ARENA.copy_out(block, moved, size);
            }
            return moved;
        }
    }
    let next = core::ptr::with_exposed_provenance(REALLOC.load(Ordering::Relaxed));
    // SAFETY: the next definition's address; the caller's promise.
    unsafe { core::mem::transmute::<*const (), Any>(next)(block, size, 0) }
}

/// Bytes of the arena: what the dynamic linker asks for to tell of an error, many times over.
const ROOM: usize = 16 << 10;

/// Blocks for whoever asks while the next definitions are not known. They are never given back. Zero at first.
#[repr(align(4096))]
struct Arena {
    bytes: UnsafeCell<[u8; ROOM]>,
    used: AtomicUsize,
}

// SAFETY: each block is one caller's; how much is used is an atomic.
unsafe impl Sync for Arena {}

static ARENA: Arena = Arena { bytes: UnsafeCell::new([0; ROOM]), used: AtomicUsize::new(0) };

impl Arena {
    fn start(&self) -> usize {
        self.bytes.get().expose_provenance()
    }

    fn has(&self, address: usize) -> bool {
        address.wrapping_sub(self.start()) < ROOM
    }

    /// A block at a multiple of `align`, a power of two of at most a page; 0 if there is no room.
    fn take(&self, size: usize, align: usize) -> usize {
        let mut used = self.used.load(Ordering::Relaxed);
        loop {
            let at = used.next_multiple_of(align.max(16));
            let Some(end) = at.checked_add(size.max(1)).filter(|end| *end <= ROOM) else { return 0 };
            match self.used.compare_exchange_weak(used, end, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return self.start() + at,
                Err(other) => used = other,
            }
        }
    }

    /// Copies a block to where there is room for `size` bytes: as many as there can be of it.
    ///
    /// # Safety
    /// `to` has room for `size` bytes.
    unsafe fn copy_out(&self, block: usize, to: usize, size: usize) {
        let there = (self.start() + ROOM - block).min(size);
        let (from, to) =
            (core::ptr::with_exposed_provenance::<u8>(block), core::ptr::with_exposed_provenance_mut(to));
        // SAFETY: within the arena; the caller's promise. They are different blocks.
        unsafe { core::ptr::copy_nonoverlapping(from, to, there) };
    }
}

extern "C" fn arena_malloc(size: usize, _: usize, _: usize) -> usize {
    ARENA.take(size, 16)
}

extern "C" fn arena_calloc(count: usize, size: usize, _: usize) -> usize {
    // Used once, and zero before.
    count.checked_mul(size).map_or(0, |bytes| ARENA.take(bytes, 16))
}

extern "C" fn arena_memalign(align: usize, size: usize, _: usize) -> usize {
    if align.is_power_of_two() && align <= 4096 { ARENA.take(size, align) } else { 0 }
}

extern "C" fn arena_realloc(block: usize, size: usize, _: usize) -> usize {
    let moved = ARENA.take(size, 16);
    if moved != 0 && ARENA.has(block) {
        // SAFETY: a block of this size.
        unsafe { ARENA.copy_out(block, moved, size) };
    }
    moved
}

/// Nothing is there that could do this: no block.
extern "C" fn refuse(_: usize, _: usize, _: usize) -> usize {
    0
}

extern "C" fn refuse_with_error(_: usize, _: usize, _: usize) -> usize {
    libc::ENOMEM as usize
}

/// Blocks of the arena are never given back.
extern "C" fn keep(_: usize, _: usize, _: usize) -> usize {
    0
}
