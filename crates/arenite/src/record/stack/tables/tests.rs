//! The same frames as the unwinding library's, each time: on stacks of all sorts, that change a little from one time to the next.

use core::cell::Cell;
use core::ffi::{c_int, c_void};
use core::hint::black_box;
use std::boxed::Box;
use std::vec::Vec;

use super::*;
use crate::base::sync::{AtomicUsize, Ordering};
use crate::record::desk::stack_around;
use crate::record::stack::Stack;

/// Tables of their own for a test.
fn tables() -> &'static Tables {
    let tag = Tag::register("tests/tables").expect("a tag");
    Box::leak(Box::new(Tables::try_new(tag).expect("memory")))
}

/// A thread that looks at its stack now and then.
struct Looks {
    tables: &'static Tables,
    row: usize,
    high: usize,
    state: u64,
    /// Stacks that were the same, and those among them that were left to the unwinding library.
    same: usize,
    left: usize,
    longest: usize,
}

impl Looks {
    fn new(row: usize) -> Self {
        let high = stack_around(Caller::here().place()).1;
        Self {
            tables: tables(),
            row,
            high,
            state: 88_172_645_463_325_252 + row as u64,
            same: 0,
            left: 0,
            longest: 0,
        }
    }

    fn random(&mut self, below: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % below
    }

    #[inline(never)]
    fn look(&mut self) {
        let caller = Caller::here();
        let depth = [1, 2, 5, 20, 64, DEEPEST_STACK][self.random(6) as usize];
        // SAFETY: this thread's stack, and a row that is only this thread's.
        let ours = unsafe { self.tables.walk(self.row, caller, self.high, depth, 7) };
        let known = Stack::unwind(caller, depth, 7);
        self.same += 1;
        self.longest = self.longest.max(known.frames().len());
        let Some(ours) = ours else {
            self.left += 1;
            return;
        };
        assert!(ours.frames().eq(known.frames().iter().copied()), "of {depth}: {ours:x?} is not {known:x?}");
        assert_eq!(ours.hash(), known.hash());
    }
}

type Call = fn(&mut Looks, u64) -> u64;

const CALLS: [Call; 9] = [twice, large, aligned, inlined, boxed, sorted, through_c, many, deeper];

/// Goes on somewhere, or looks.
fn go_on(looks: &mut Looks, left: u64) -> u64 {
    looks.look();
    if left == 0 {
        return 1;
    }
    let next = CALLS[looks.random(CALLS.len() as u64) as usize];
    next(looks, left - 1)
}

#[inline(never)]
fn twice(looks: &mut Looks, left: u64) -> u64 {
    let first = go_on(looks, left / 2);
    looks.look();
    go_on(looks, left / 2) + first
}

/// A frame of some size.
#[inline(never)]
fn large(looks: &mut Looks, left: u64) -> u64 {
    let mut room = [left; 700];
    black_box(&mut room);
    go_on(looks, left) + room[3]
}

#[repr(align(128))]
struct Aligned([u64; 16]);

/// A frame that is told from the frame pointer.
#[inline(never)]
fn aligned(looks: &mut Looks, left: u64) -> u64 {
    let mut room = Aligned([left; 16]);
    black_box(&mut room);
    go_on(looks, left) + room.0[3]
}

#[inline(always)]
fn within(looks: &mut Looks, left: u64) -> u64 {
    looks.look();
    go_on(looks, left) + 1
}

#[inline(never)]
fn inlined(looks: &mut Looks, left: u64) -> u64 {
    within(looks, left) ^ black_box(5)
}

#[inline(never)]
fn boxed(looks: &mut Looks, left: u64) -> u64 {
    let call: Box<dyn Fn(&mut Looks) -> u64> = Box::new(move |looks| go_on(looks, left) + left);
    black_box(call)(looks) + 1
}

std::thread_local! {
    static SORTS: Cell<Option<(*mut Looks, u64)>> = const { Cell::new(None) };
}

/// Through a function of the C library, which calls back.
#[inline(never)]
fn through_c(looks: &mut Looks, left: u64) -> u64 {
    unsafe extern "C" fn compare(one: *const c_void, two: *const c_void) -> c_int {
        if let Some((looks, left)) = SORTS.take() {
            // SAFETY: it waits for this call.
            black_box(go_on(unsafe { &mut *looks }, left));
        }
        // SAFETY: elements of the array below.
        unsafe { *one.cast::<c_int>() - *two.cast::<c_int>() }
    }
    let mut numbers = [5, 4, 3, 2, 1];
    SORTS.set(Some((looks, left)));
    // SAFETY: five numbers.
    unsafe { libc::qsort(numbers.as_mut_ptr().cast(), 5, size_of::<c_int>(), Some(compare)) };
    numbers[0] as u64
}

#[inline(never)]
fn sorted(looks: &mut Looks, left: u64) -> u64 {
    let mut numbers = [3, 1, 2];
    let mut first = true;
    numbers.sort_by(|one, two| {
        if core::mem::take(&mut first) {
            black_box(go_on(looks, left));
        }
        one.cmp(two)
    });
    numbers[0]
}

/// A loop, whose counters may be anywhere.
#[inline(never)]
fn many(looks: &mut Looks, left: u64) -> u64 {
    let mut sum = 0;
    for (turn, other) in (0..3).zip((0..9).rev()) {
        looks.look();
        sum ^= turn * 3 + other;
    }
    sum + go_on(looks, left)
}

#[inline(never)]
fn deeper(looks: &mut Looks, left: u64) -> u64 {
    #[inline(never)]
    fn down(looks: &mut Looks, left: u64, levels: u64) -> u64 {
        looks.look();
        let further = if levels == 0 { go_on(looks, left) } else { down(looks, left, levels - 1) };
        looks.look();
        further + 1
    }
    let levels = if looks.random(8) == 0 { 400 } else { looks.random(9) };
    down(looks, left, levels)
}

fn program(row: usize) {
    let mut looks = Looks::new(row);
    for turn in 0..300 {
        black_box(go_on(&mut looks, turn % 30));
    }
    assert!(looks.same > 10_000, "{} stacks", looks.same);
    assert_eq!(looks.left, 0, "left to the unwinding library");
    assert_eq!(looks.longest, DEEPEST_STACK);
}

#[test]
fn stacks_are_those_of_the_unwinding_library() {
    program(1);
}

#[test]
fn stacks_of_other_threads_are_too() {
    let threads: Vec<_> = (2..5)
        .map(|row| {
            std::thread::Builder::new().stack_size(1 << 20).spawn(move || program(row)).expect("a thread")
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().expect("the same stacks"));
}

#[test]
fn forgetting_changes_nothing() {
    let mut looks = Looks::new(1);
    for turn in 0..100 {
        black_box(go_on(&mut looks, turn % 20));
        looks.tables.rules.forget();
    }
    assert_eq!(looks.left, 0);
}

/// A handler may run on a stack of its own, and stacks lead through it to what it interrupted.
#[test]
fn stacks_of_signal_handlers_are_left_to_the_unwinding_library() {
    static LOOKS: AtomicUsize = AtomicUsize::new(0);
    extern "C" fn handler(_: c_int) {
        let looks = core::ptr::with_exposed_provenance_mut::<Looks>(LOOKS.load(Ordering::Relaxed));
        // SAFETY: it waits for the handler, and does not use it.
        let looks = unsafe { &mut *looks };
        for _ in 0..3 {
            looks.look();
        }
    }
    let mut looks = Looks::new(1);
    LOOKS.store((&raw mut looks).expose_provenance(), Ordering::Relaxed);
    // SAFETY: a signal that nobody else uses, sent to this thread.
    unsafe {
        libc::signal(libc::SIGURG, handler as extern "C" fn(c_int) as libc::sighandler_t);
        libc::raise(libc::SIGURG);
    }
    assert_eq!(looks.same, 3);
    assert!(looks.left <= 3);
    looks.look();
    assert!(looks.left <= 3, "afterwards it is as before");
}

#[test]
fn a_caller_by_its_frame_is_found() {
    /// Calls `look` with a frame as the library for any `malloc` makes it.
    #[unsafe(naked)]
    unsafe extern "C" fn framed(looks: &mut Looks, look: unsafe extern "C" fn(&mut Looks, usize)) {
        #[cfg(target_arch = "x86_64")]
        core::arch::naked_asm!(
            ".cfi_startproc",
            "push rbp",
            ".cfi_def_cfa_offset 16",
            ".cfi_offset rbp, -16",
            "mov rbp, rsp",
            ".cfi_def_cfa_register rbp",
            "mov rax, rsi",
            "mov rsi, rbp",
            "call rax",
            "pop rbp",
            ".cfi_def_cfa rsp, 8",
            "ret",
            ".cfi_endproc",
        );
        #[cfg(target_arch = "aarch64")]
        core::arch::naked_asm!(
            ".cfi_startproc",
            "stp x29, x30, [sp, #-16]!",
            ".cfi_def_cfa_offset 16",
            ".cfi_offset x29, -16",
            ".cfi_offset x30, -8",
            "mov x29, sp",
            "mov x9, x1",
            "mov x1, x29",
            "blr x9",
            "ldp x29, x30, [sp], #16",
            ".cfi_restore x29",
            ".cfi_restore x30",
            ".cfi_def_cfa_offset 0",
            "ret",
            ".cfi_endproc",
        );
    }
    unsafe extern "C" fn look(looks: &mut Looks, frame: usize) {
        // SAFETY: the frame that this was called in.
        let caller = unsafe { Caller::at(frame) };
        // SAFETY: this thread's stack, and a row that is only this thread's.
        let ours = unsafe { looks.tables.walk(looks.row, caller, looks.high, 64, 0) }.expect("frames");
        assert!(ours.frames().eq(Stack::unwind(caller, 64, 0).frames().iter().copied()), "{ours:x?}");
        looks.same += 1;
    }
    let mut looks = Looks::new(1);
    for _ in 0..3 {
        // SAFETY: as declared.
        unsafe { framed(&mut looks, look) };
        looks.look();
    }
    assert_eq!(looks.same, 6);
}

#[test]
fn rules_are_read_in_place_only_where_a_module_is() {
    tables();
    // SAFETY: no module is there.
    assert_eq!(unsafe { modules::rule_at(4096) }, Some(rule::Rule::HARD));
    let known = program as fn(usize) as usize;
    // SAFETY: this program.
    let rule = unsafe { modules::rule_at(known) }.expect("nobody else asks");
    assert!(rule.up().is_some_and(|up| up.base == Base::STACK), "{rule:?}");
}

/// Builds a library whose function has a frame of its own sort, and calls what it is given.
fn library(name: &str, room: &str) -> std::path::PathBuf {
    let base = std::env::temp_dir().join(std::format!("arenite-tables-{}-{name}", std::process::id()));
    let (source, library) = (base.with_extension("c"), base.with_extension("so"));
    let code = std::format!(
        "void through(void (*look)(void *), void *looks, int n) {{ {room}; __asm__ volatile(\"\" :: \"r\"(room) : \"memory\"); \
         look(looks); __asm__ volatile(\"\" ::: \"memory\"); if (n > 0) through(look, looks, n - 1); look(looks);\
         __asm__ volatile(\"\" ::: \"memory\"); }}\n"
    );
    std::fs::write(&source, code).expect("a file");
    let built = std::process::Command::new("cc")
        .args(["-O1", "-fomit-frame-pointer", "-fasynchronous-unwind-tables", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status()
        .expect("a compiler of C");
    assert!(built.success());
    std::fs::remove_file(source).expect("it was made here");
    library
}

#[test]
fn libraries_that_replace_each_other_are_told_apart() {
    type Through = unsafe extern "C" fn(unsafe extern "C" fn(&mut Looks), &mut Looks, c_int);
    unsafe extern "C" fn look(looks: &mut Looks) {
        looks.look();
        looks.look();
    }
    /// By rules that may be another module's: whatever it answers, it reads nothing but this stack.
    unsafe extern "C" fn stale(looks: &mut Looks) {
        // SAFETY: this thread's stack, and a row that is only this thread's.
        let told = unsafe { looks.tables.walk(looks.row, Caller::here(), looks.high, 64, 7) };
        if let Some(told) = told {
            assert!(told.frames().len() <= 64);
        }
    }
    let libraries = [
        library("small", "char room[24]"),
        library("large", "char room[6000]"),
        library("aligned", "char room[64] __attribute__((aligned(64)))"),
        library("sized", "char room[n * 40 + 8]"),
    ];
    let (mut looks, mut places) = (Looks::new(1), Vec::new());
    for turn in 0..24 {
        let path = &libraries[turn * 7 / 3 % libraries.len()];
        let path = std::ffi::CString::new(path.to_str().expect("UTF-8")).expect("no zero");
        // SAFETY: libraries that do nothing when they are loaded; their function has this type.
        unsafe {
            let library = libc::dlopen(path.as_ptr(), libc::RTLD_NOW);
            assert!(!library.is_null());
            let place = libc::dlsym(library, c"through".as_ptr());
            assert!(!place.is_null());
            places.push(place as usize);
            let through = core::mem::transmute::<*mut c_void, Through>(place);
            through(stale, &mut looks, 3);
            looks.tables.forget();
            for levels in [0, 5, 2] {
                through(look, &mut looks, levels);
            }
            assert_eq!(libc::dlclose(library), 0);
        }
        looks.look();
    }
    assert_eq!(looks.left, 0);
    places.sort_unstable();
    places.dedup();
    std::println!("{} places of 24 libraries", places.len());
    libraries.iter().for_each(|library| std::fs::remove_file(library).expect("it was made here"));
}
