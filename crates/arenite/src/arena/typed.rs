//! The typed half of every arena face, written once: functions over the raw core with a lifetime that the face
//! chooses, and the macro that gives a face its methods.
#![expect(
    unsafe_code,
    reason = "turns raw blocks into references whose lifetime the calling face vouches for"
)]

use core::alloc::Layout;
use core::cell::Cell;
use core::fmt;
use core::mem::MaybeUninit;
use core::ptr::NonNull;

use super::bump::{Cursor, Mark, Store};
use super::string::ArenaString;
use super::vec::ArenaVec;
use crate::region::AllocError;

/// Refuses, after monomorphisation, types whose destructor would be forgotten.
pub(crate) struct NoDrop<T>(core::marker::PhantomData<T>);

impl<T> NoDrop<T> {
    pub(crate) const CHECK: () = assert!(
        !core::mem::needs_drop::<T>(),
        "this arena never runs destructors: the type must have no drop glue (keep such values in a resource arena, a \
         scratch box, or an ArenaVec)"
    );
}

/// Rewinds a block that was reserved for a closure when the closure panics, unless something was allocated after it.
struct Reserved<'b, const LOCAL: bool> {
    cursor: Cursor<'b, LOCAL>,
    start: NonNull<u8>,
    size: usize,
    before: Mark,
}

impl<'b, const LOCAL: bool> Reserved<'b, LOCAL> {
    #[inline(always)]
    fn try_new(cursor: Cursor<'b, LOCAL>, layout: Layout) -> Result<Self, AllocError> {
        let (before, start) = cursor.try_alloc_marked(layout)?;
        Ok(Self { cursor, start, size: layout.size(), before })
    }

    #[inline(always)]
    #[track_caller]
    fn new(cursor: Cursor<'b, LOCAL>, layout: Layout) -> Self {
        let (before, start) = cursor.alloc_marked(layout);
        Self { cursor, start, size: layout.size(), before }
    }

    /// The block is initialised and stays.
    #[inline(always)]
    fn keep(self) {
        core::mem::forget(self);
    }
}

impl<const LOCAL: bool> Drop for Reserved<'_, LOCAL> {
    // A call would show a scope's pointer to the function that is called.
    #[inline(always)]
    fn drop(&mut self) {
        // SAFETY: the block is ours and nobody has seen it; when it is the last one, the padding before it is free
        // with it.
        unsafe {
            if self.cursor.shrink_in_place(self.start, self.size, 0) {
                self.cursor.rewind(self.before);
            }
        }
    }
}

#[inline(always)]
fn array<T>(store: &Store, len: usize) -> Result<Layout, AllocError> {
    Layout::array::<T>(len).map_err(|_| AllocError::TooLarge { tag: store.tag() })
}

/// # Safety
/// For all of these: `'d` does not outlast the time when the bump is rewound below the block or reset.
impl<const LOCAL: bool> Cursor<'_, LOCAL> {
    #[inline(always)]
    #[track_caller]
    pub(crate) unsafe fn put<'d, T>(self, value: T) -> &'d mut T {
        const { NoDrop::<T>::CHECK };
        let Some(block) = self.fast(Layout::new::<T>()) else {
            // A value of one word goes to the slow path in a register and the whole call is a jump: otherwise the fast
            // path would save a register for the value's sake. A larger one may be passed by address, and the fast
            // path would write it to the stack first (measured 20 % slower for `[u64; 2]`).
            if size_of::<T>() <= size_of::<usize>() && !LOCAL {
                // SAFETY: the caller vouches for `'d`.
                return unsafe { put_slow(self.ptr(), value, self.store()) };
            }
            let block = self.grow(Layout::new::<T>());
            // SAFETY: as below.
            return unsafe { place(block.cast(), value) };
        };
        // SAFETY: the block has the layout of `T` and is ours alone; the caller vouches for `'d`.
        unsafe { place(block.cast(), value) }
    }

    #[inline(always)]
    pub(crate) unsafe fn try_put<'d, T>(self, value: T) -> Result<&'d mut T, AllocError> {
        const { NoDrop::<T>::CHECK };
        let block = self.try_alloc(Layout::new::<T>())?;
        // SAFETY: the block has the layout of `T` and is ours alone; the caller vouches for `'d`.
        Ok(unsafe { place(block.cast(), value) })
    }

    #[inline(always)]
    #[track_caller]
    pub(crate) unsafe fn put_with<'d, T>(self, init: impl FnOnce() -> T) -> &'d mut T {
        const { NoDrop::<T>::CHECK };
        // SAFETY: the caller vouches for `'d`.
        unsafe { init_one(Reserved::new(self, Layout::new::<T>()), init) }
    }

    #[inline(always)]
    pub(crate) unsafe fn try_put_with<'d, T>(
        self,
        init: impl FnOnce() -> T,
    ) -> Result<&'d mut T, AllocError> {
        const { NoDrop::<T>::CHECK };
        // SAFETY: the caller vouches for `'d`.
        Ok(unsafe { init_one(Reserved::try_new(self, Layout::new::<T>())?, init) })
    }

    #[inline(always)]
    pub(crate) unsafe fn try_put_slice_copy<'d, T: Copy>(
        self,
        values: &[T],
    ) -> Result<&'d mut [T], AllocError> {
        let block = self.try_alloc(Layout::for_value(values))?;
        // SAFETY: the block has the layout of the slice and is ours alone; the caller vouches for `'d`.
        Ok(unsafe { copy_in(block.cast(), values) })
    }

    #[inline(always)]
    #[track_caller]
    pub(crate) unsafe fn put_slice_copy<'d, T: Copy>(self, values: &[T]) -> &'d mut [T] {
        let block = self.alloc(Layout::for_value(values));
        // SAFETY: as above.
        unsafe { copy_in(block.cast(), values) }
    }

    #[inline]
    pub(crate) unsafe fn try_put_slice_uninit<'d, T>(
        self,
        len: usize,
    ) -> Result<&'d mut [MaybeUninit<T>], AllocError> {
        const { NoDrop::<T>::CHECK };
        let block = self.try_alloc(array::<T>(self.store(), len)?)?.cast::<MaybeUninit<T>>();
        // SAFETY: the block has room for `len` of them, and uninitialised is what they may be.
        Ok(unsafe { core::slice::from_raw_parts_mut(block.as_ptr(), len) })
    }

    #[inline(always)]
    pub(crate) unsafe fn try_put_layout<'d>(
        self,
        layout: Layout,
    ) -> Result<&'d mut [MaybeUninit<u8>], AllocError> {
        let block = self.try_alloc(layout)?.cast::<MaybeUninit<u8>>();
        // SAFETY: the block has room for so many, and uninitialised is what they may be.
        Ok(unsafe { core::slice::from_raw_parts_mut(block.as_ptr(), layout.size()) })
    }

    #[inline(always)]
    pub(crate) unsafe fn put_committed<'d>(self, layout: Layout) -> Option<&'d mut [MaybeUninit<u8>]> {
        let block = self.fast(layout)?.cast::<MaybeUninit<u8>>();
        // SAFETY: as in `try_put_layout`.
        Some(unsafe { core::slice::from_raw_parts_mut(block.as_ptr(), layout.size()) })
    }

    #[inline]
    pub(crate) unsafe fn try_put_slice_fill_with<'d, T>(
        self,
        len: usize,
        mut init: impl FnMut(usize) -> T,
    ) -> Result<&'d mut [T], AllocError> {
        const { NoDrop::<T>::CHECK };
        let reserved = Reserved::try_new(self, array::<T>(self.store(), len)?)?;
        let block = reserved.start.cast::<T>();
        for index in 0..len {
            let value = init(index);
            // SAFETY: the block has room for `len` of them, and is ours alone even while `init` allocates.
            unsafe { block.add(index).write(value) };
        }
        reserved.keep();
        // SAFETY: all `len` are written; the caller vouches for `'d`.
        Ok(unsafe { core::slice::from_raw_parts_mut(block.as_ptr(), len) })
    }

    #[inline]
    pub(crate) unsafe fn try_put_slice_from_iter<'d, T>(
        self,
        values: impl IntoIterator<Item = T>,
    ) -> Result<&'d mut [T], AllocError> {
        const { NoDrop::<T>::CHECK };
        let mut all = ArenaVec::new_in(self.shared());
        all.try_extend(values)?;
        let slice: *mut [T] = all.into_slice();
        // SAFETY: the vector has given up its block; the caller vouches for `'d`.
        Ok(unsafe { &mut *slice })
    }

    #[inline]
    pub(crate) unsafe fn try_put_str<'d>(self, text: &str) -> Result<&'d mut str, AllocError> {
        // SAFETY: the bytes are those of a `str`; the caller vouches for `'d`.
        unsafe { Ok(core::str::from_utf8_unchecked_mut(self.try_put_slice_copy(text.as_bytes())?)) }
    }

    #[inline(always)]
    #[track_caller]
    pub(crate) unsafe fn put_str<'d>(self, text: &str) -> &'d mut str {
        // SAFETY: as above.
        unsafe { core::str::from_utf8_unchecked_mut(self.put_slice_copy(text.as_bytes())) }
    }

    #[inline]
    pub(crate) unsafe fn try_put_fmt<'d>(self, text: fmt::Arguments<'_>) -> Result<&'d mut str, AllocError> {
        let mut all = ArenaString::for_short_in(self.shared());
        all.try_push_fmt(text)?;
        let text: *mut str = all.into_str();
        // SAFETY: the string has given up its block; the caller vouches for `'d`.
        Ok(unsafe { &mut *text })
    }
}

/// The cursor comes in two parts, so that what a bump's fast path has in its registers stays there: the bump, whose
/// pointer comes first, and the value.
///
/// # Safety
/// As above; the pointer and the store are those of one cursor.
#[cold]
#[inline(never)]
#[track_caller]
unsafe fn put_slow<'d, T>(ptr: &Cell<*mut u8>, value: T, store: &Store) -> &'d mut T {
    // SAFETY: the two parts of a cursor, by the caller's promise.
    let cursor = unsafe { Cursor::<false>::new(ptr, store) };
    let block = cursor.grow(Layout::new::<T>());
    // SAFETY: the block has the layout of `T` and is ours alone; the caller vouches for `'d`.
    unsafe { place(block.cast(), value) }
}

/// # Safety
/// `'d` as above; `block` has the layout of `T` and is nobody else's.
#[inline(always)]
unsafe fn place<'d, T>(block: NonNull<T>, value: T) -> &'d mut T {
    // SAFETY: the caller's promise.
    unsafe {
        block.write(value);
        &mut *block.as_ptr()
    }
}

/// # Safety
/// `'d` as above; `block` has the layout of `values` and is nobody else's, so it does not overlap them.
#[inline(always)]
unsafe fn copy_in<'d, T: Copy>(block: NonNull<T>, values: &[T]) -> &'d mut [T] {
    // SAFETY: the caller's promise; `T` is `Copy`.
    unsafe {
        core::ptr::copy_nonoverlapping(values.as_ptr(), block.as_ptr(), values.len());
        core::slice::from_raw_parts_mut(block.as_ptr(), values.len())
    }
}

/// # Safety
/// `'d` as above; `reserved` has the layout of `T`.
#[inline(always)]
unsafe fn init_one<'d, T, const LOCAL: bool>(
    reserved: Reserved<'_, LOCAL>,
    init: impl FnOnce() -> T,
) -> &'d mut T {
    // `init` may allocate: the block is reserved already, so that lands above it.
    let value = init();
    let block = reserved.start.cast::<T>();
    reserved.keep();
    // SAFETY: the block has the layout of `T` and is ours alone; the caller vouches for `'d`.
    unsafe {
        block.write(value);
        &mut *block.as_ptr()
    }
}

/// The methods that every arena face has. `$own` names the lifetime of `&self`, `$data` the one of what is allocated;
/// `$cursor` is how the face reaches its raw core.
macro_rules! arena_methods {
    ($own:lifetime, $data:lifetime, |$this:ident| $cursor:expr) => {
        /// Moves `value` in. O(1): six instructions for a `u64`.
        ///
        /// `T` must have no drop glue; anything else does not compile. (`cargo build` says so; `cargo check` does not
        /// look that far.)
        ///
        /// # Panics
        /// The memory can not be had; the message names the tag, the sizes and the budget.
        #[inline(always)]
        #[track_caller]
        pub fn alloc<$own, T>(&$own self, value: T) -> &$data mut T {
            let $this = self;
            // SAFETY: the face keeps its bump from being rewound below the block for as long as `$data` lasts.
            unsafe { $cursor.put(value) }
        }

        /// As [`alloc`](Self::alloc), with the refusal as a value.
        ///
        /// # Errors
        /// A budget would be broken, the range is used up, or the system refused. Nothing has changed then.
        #[inline(always)]
        pub fn try_alloc<$own, T>(&$own self, value: T) -> Result<&$data mut T, $crate::AllocError> {
            let $this = self;
            // SAFETY: as in `alloc`.
            unsafe { $cursor.try_put(value) }
        }

        /// Constructs a value in place. `init` may itself allocate here; if it panics its room is given back, unless
        /// something was allocated after it.
        ///
        /// # Panics
        /// As [`alloc`](Self::alloc), and whatever `init` panics with.
        #[inline(always)]
        #[track_caller]
        pub fn alloc_with<$own, T>(&$own self, init: impl FnOnce() -> T) -> &$data mut T {
            let $this = self;
            // SAFETY: as in `alloc`.
            unsafe { $cursor.put_with(init) }
        }

        /// As [`alloc_with`](Self::alloc_with), with the refusal as a value; `init` is not called then.
        ///
        /// # Errors
        /// As [`try_alloc`](Self::try_alloc).
        #[inline(always)]
        pub fn try_alloc_with<$own, T>(
            &$own self,
            init: impl FnOnce() -> T,
        ) -> Result<&$data mut T, $crate::AllocError> {
            let $this = self;
            // SAFETY: as in `alloc`.
            unsafe { $cursor.try_put_with(init) }
        }

        /// Copies a slice in. O(n).
        ///
        /// # Panics
        /// As [`alloc`](Self::alloc).
        #[inline]
        #[track_caller]
        pub fn alloc_slice_copy<$own, T: Copy>(&$own self, values: &[T]) -> &$data mut [T] {
            let $this = self;
            // SAFETY: as in `alloc`.
            unsafe { $cursor.put_slice_copy(values) }
        }

        /// As [`alloc_slice_copy`](Self::alloc_slice_copy), with the refusal as a value.
        ///
        /// # Errors
        /// As [`try_alloc`](Self::try_alloc).
        #[inline]
        pub fn try_alloc_slice_copy<$own, T: Copy>(
            &$own self,
            values: &[T],
        ) -> Result<&$data mut [T], $crate::AllocError> {
            let $this = self;
            // SAFETY: as in `alloc`.
            unsafe { $cursor.try_put_slice_copy(values) }
        }

        /// A slice of `len` values, each made by `init` from its index. O(n).
        ///
        /// # Panics
        /// As [`alloc`](Self::alloc), and whatever `init` panics with.
        #[inline]
        #[track_caller]
        pub fn alloc_slice_fill_with<$own, T>(
            &$own self,
            len: usize,
            init: impl FnMut(usize) -> T,
        ) -> &$data mut [T] {
            $crate::arena::typed::or_raise(self.try_alloc_slice_fill_with(len, init))
        }

        /// As [`alloc_slice_fill_with`](Self::alloc_slice_fill_with), with the refusal as a value.
        ///
        /// # Errors
        /// As [`try_alloc`](Self::try_alloc), also when `len` values do not fit the address space.
        #[inline]
        pub fn try_alloc_slice_fill_with<$own, T>(
            &$own self,
            len: usize,
            init: impl FnMut(usize) -> T,
        ) -> Result<&$data mut [T], $crate::AllocError> {
            let $this = self;
            // SAFETY: as in `alloc`.
            unsafe { $cursor.try_put_slice_fill_with(len, init) }
        }

        /// Room for `len` values that the caller will write. O(1).
        ///
        /// # Panics
        /// As [`alloc`](Self::alloc).
        #[inline]
        #[track_caller]
        pub fn alloc_slice_uninit<$own, T>(&$own self, len: usize) -> &$data mut [core::mem::MaybeUninit<T>] {
            $crate::arena::typed::or_raise(self.try_alloc_slice_uninit(len))
        }

        /// As [`alloc_slice_uninit`](Self::alloc_slice_uninit), with the refusal as a value.
        ///
        /// # Errors
        /// As [`try_alloc`](Self::try_alloc), also when `len` values do not fit the address space.
        #[inline]
        pub fn try_alloc_slice_uninit<$own, T>(
            &$own self,
            len: usize,
        ) -> Result<&$data mut [core::mem::MaybeUninit<T>], $crate::AllocError> {
            let $this = self;
            // SAFETY: as in `alloc`.
            unsafe { $cursor.try_put_slice_uninit(len) }
        }

        /// Room of a layout that is known at run time only, at a multiple of its alignment, with arbitrary content.
        ///
        /// # Errors
        /// As [`try_alloc`](Self::try_alloc).
        #[inline]
        pub fn try_alloc_layout<$own>(
            &$own self,
            layout: core::alloc::Layout,
        ) -> Result<&$data mut [core::mem::MaybeUninit<u8>], $crate::AllocError> {
            let $this = self;
            // SAFETY: as in `alloc`.
            unsafe { $cursor.try_put_layout(layout) }
        }

        /// As [`try_alloc_layout`](Self::try_alloc_layout), of memory that is there already: `None` if more would have to be
        /// committed, for which nobody is asked. The fast half, for those who write the slow one elsewhere.
        #[inline(always)]
        pub fn alloc_committed<$own>(
            &$own self,
            layout: core::alloc::Layout,
        ) -> Option<&$data mut [core::mem::MaybeUninit<u8>]> {
            let $this = self;
            // SAFETY: as in `alloc`.
            unsafe { $cursor.put_committed(layout) }
        }

        /// Collects an iterator of any length into a slice. The length it claims is only a hint. The iterator may
        /// itself allocate here, at the price of copies. O(n).
        ///
        /// # Panics
        /// As [`alloc`](Self::alloc), and whatever the iterator panics with.
        #[inline]
        #[track_caller]
        pub fn alloc_slice_from_iter<$own, T>(
            &$own self,
            values: impl IntoIterator<Item = T>,
        ) -> &$data mut [T] {
            $crate::arena::typed::or_raise(self.try_alloc_slice_from_iter(values))
        }

        /// As [`alloc_slice_from_iter`](Self::alloc_slice_from_iter), with the refusal as a value.
        ///
        /// # Errors
        /// As [`try_alloc`](Self::try_alloc). The values taken from the iterator so far are gone.
        #[inline]
        pub fn try_alloc_slice_from_iter<$own, T>(
            &$own self,
            values: impl IntoIterator<Item = T>,
        ) -> Result<&$data mut [T], $crate::AllocError> {
            let $this = self;
            // SAFETY: as in `alloc`.
            unsafe { $cursor.try_put_slice_from_iter(values) }
        }

        /// Copies a string in. O(n).
        ///
        /// # Panics
        /// As [`alloc`](Self::alloc).
        #[inline]
        #[track_caller]
        pub fn alloc_str<$own>(&$own self, text: &str) -> &$data mut str {
            let $this = self;
            // SAFETY: as in `alloc`.
            unsafe { $cursor.put_str(text) }
        }

        /// As [`alloc_str`](Self::alloc_str), with the refusal as a value.
        ///
        /// # Errors
        /// As [`try_alloc`](Self::try_alloc).
        #[inline]
        pub fn try_alloc_str<$own>(&$own self, text: &str) -> Result<&$data mut str, $crate::AllocError> {
            let $this = self;
            // SAFETY: as in `alloc`.
            unsafe { $cursor.try_put_str(text) }
        }

        /// Formats text in place: `arena.alloc_fmt(format_args!("{hp} hp"))`. O(n).
        ///
        /// # Panics
        /// As [`alloc`](Self::alloc), and when a `Display` reports an error of its own, as `format!` does.
        #[inline]
        #[track_caller]
        pub fn alloc_fmt<$own>(&$own self, text: core::fmt::Arguments<'_>) -> &$data mut str {
            $crate::arena::typed::or_raise(self.try_alloc_fmt(text))
        }

        /// As [`alloc_fmt`](Self::alloc_fmt), with the refusal as a value.
        ///
        /// # Errors
        /// As [`try_alloc`](Self::try_alloc).
        ///
        /// # Panics
        /// When a `Display` reports an error of its own.
        #[inline]
        pub fn try_alloc_fmt<$own>(
            &$own self,
            text: core::fmt::Arguments<'_>,
        ) -> Result<&$data mut str, $crate::AllocError> {
            let $this = self;
            // SAFETY: as in `alloc`.
            unsafe { $cursor.try_put_fmt(text) }
        }

        /// An empty vector that grows in here, in place while it is the last thing allocated. Its elements may have
        /// destructors. It borrows the arena, not just its data.
        #[inline]
        pub fn vec<T>(&self) -> $crate::ArenaVec<'_, T> {
            let $this = self;
            $crate::ArenaVec::new_in($cursor.shared())
        }

        /// An empty string that grows in here; implements [`core::fmt::Write`]. It borrows the arena, not just its data.
        #[inline]
        pub fn string(&self) -> $crate::ArenaString<'_> {
            let $this = self;
            $crate::ArenaString::new_in($cursor.shared())
        }
    };
}
pub(crate) use arena_methods;

#[inline(always)]
#[track_caller]
pub(crate) fn or_raise<R>(answer: Result<R, AllocError>) -> R {
    match answer {
        Ok(value) => value,
        Err(error) => error.raise(),
    }
}
