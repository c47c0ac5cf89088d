//! The operators `new` and `delete` of C++, by the names that compilers for Linux give them.
//!
//! The C++ library's own would do: they call `malloc`. These save the call, and the sizes that they are told.

use core::ffi::c_void;
use core::ptr::{NonNull, null_mut};

use crate::heap;
use crate::system::{new_handler, throw_bad_alloc};

type Block = *mut c_void;

/// Asks the program's handler for room until it gives up, as the standard wants it.
#[cold]
#[inline(never)]
extern "C-unwind" fn insist(size: usize, align: usize) -> Block {
    loop {
        if let Some(block) = heap::allocate_aligned(size, align) {
            return block.as_ptr().cast();
        }
        match new_handler() {
            // May throw; nothing of ours is on the stack that would mind.
            Some(handler) => handler(),
            None => throw_bad_alloc(),
        }
    }
}

/// As [`insist`], for those that answer null instead of throwing. What the handler throws, the caller's `noexcept` ends.
#[cold]
#[inline(never)]
extern "C-unwind" fn beg(size: usize, align: usize) -> Block {
    loop {
        if let Some(block) = heap::allocate_aligned(size, align) {
            return block.as_ptr().cast();
        }
        match new_handler() {
            Some(handler) => handler(),
            None => return null_mut(),
        }
    }
}

macro_rules! new {
    ($($name:ident: $refused:ident, $doc:literal;)*) => {$(
        #[doc = $doc]
        #[unsafe(no_mangle)]
        pub extern "C-unwind" fn $name(size: usize) -> Block {
            heap::allocate(size).map_or_else(|| $refused(size, 16), |block| block.as_ptr().cast())
        }
    )*};
}

new! {
    _Znwm: insist, "`operator new(size_t)`";
    _Znam: insist, "`operator new[](size_t)`";
}

macro_rules! new_nothrow {
    ($($name:ident, $doc:literal;)*) => {$(
        #[doc = $doc]
        #[unsafe(no_mangle)]
        pub extern "C-unwind" fn $name(size: usize, _nothrow: *const c_void) -> Block {
            heap::allocate(size).map_or_else(|| beg(size, 16), |block| block.as_ptr().cast())
        }
    )*};
}

new_nothrow! {
    _ZnwmRKSt9nothrow_t, "`operator new(size_t, nothrow)`";
    _ZnamRKSt9nothrow_t, "`operator new[](size_t, nothrow)`";
}

macro_rules! new_aligned {
    ($($name:ident ($($nothrow:ident)?): $refused:ident, $doc:literal;)*) => {$(
        #[doc = $doc]
        #[unsafe(no_mangle)]
        pub extern "C-unwind" fn $name(size: usize, align: usize $(, $nothrow: *const c_void)?) -> Block {
            heap::allocate_aligned(size, align)
                .map_or_else(|| $refused(size, align), |block| block.as_ptr().cast())
        }
    )*};
}

new_aligned! {
    _ZnwmSt11align_val_t(): insist, "`operator new(size_t, align_val_t)`";
    _ZnamSt11align_val_t(): insist, "`operator new[](size_t, align_val_t)`";
    _ZnwmSt11align_val_tRKSt9nothrow_t(_nothrow): beg, "`operator new(size_t, align_val_t, nothrow)`";
    _ZnamSt11align_val_tRKSt9nothrow_t(_nothrow): beg, "`operator new[](size_t, align_val_t, nothrow)`";
}

macro_rules! delete {
    ($($name:ident ($($unused:ident: $kind:ty),*), $doc:literal;)*) => {$(
        #[doc = $doc]
        ///
        /// # Safety
        /// Null, or a block of the matching `new` that was not deleted yet.
        #[unsafe(no_mangle)]
        pub unsafe extern "C-unwind" fn $name(block: Block $(, $unused: $kind)*) {
            if let Some(block) = NonNull::new(block.cast()) {
                // SAFETY: the caller's promise.
                unsafe { heap::free(block) };
            }
        }
    )*};
}

delete! {
    _ZdlPv(), "`operator delete(void*)`";
    _ZdaPv(), "`operator delete[](void*)`";
    _ZdlPvm(_size: usize), "`operator delete(void*, size_t)`";
    _ZdaPvm(_size: usize), "`operator delete[](void*, size_t)`";
    _ZdlPvRKSt9nothrow_t(_nothrow: *const c_void), "`operator delete(void*, nothrow)`";
    _ZdaPvRKSt9nothrow_t(_nothrow: *const c_void), "`operator delete[](void*, nothrow)`";
    _ZdlPvSt11align_val_t(_align: usize), "`operator delete(void*, align_val_t)`";
    _ZdaPvSt11align_val_t(_align: usize), "`operator delete[](void*, align_val_t)`";
    _ZdlPvmSt11align_val_t(_size: usize, _align: usize), "`operator delete(void*, size_t, align_val_t)`";
    _ZdaPvmSt11align_val_t(_size: usize, _align: usize), "`operator delete[](void*, size_t, align_val_t)`";
    _ZdlPvSt11align_val_tRKSt9nothrow_t(_align: usize, _nothrow: *const c_void), "`operator delete(void*, align_val_t, nothrow)`";
    _ZdaPvSt11align_val_tRKSt9nothrow_t(_align: usize, _nothrow: *const c_void), "`operator delete[](void*, align_val_t, nothrow)`";
}
