//! Who called, by the tables that compilers leave behind for exceptions, remembered: for programs without frame pointers. Some
//! nanoseconds a frame, some microseconds for a call that was never met.
//!
//! ```text
//!   Tables::walk   from frame to frame: was the thread there in its last stack? ─ yes: its caller's frame is where it was then
//!                    └ no: the rule for its return address (rule) ─ not known: read it (modules, which asks the linker)
//! ```
//!
//! What is remembered of the last stack is where things are, not what they are: which follows from a return address, a stack pointer and
//! perhaps a frame pointer alone. So the answer is the same as without.
#![expect(unsafe_code, reason = "reads the stack, and memory of its own")]

use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use super::{Caller, finish, mix, word};
use crate::base::sync::UnsafeCell;
use crate::base::thread::ROWS;
use crate::ledger::Tag;
use crate::record::format::DEEPEST_STACK;
use crate::region::{AllocError, Region, RegionOptions};

mod modules;
mod rule;
#[cfg(test)]
mod tests;

use rule::{Base, Rule, Rules, Up};

const WORD: usize = size_of::<usize>();
/// What the rule of a frame asks for beside its stack pointer, in the last bits of a place, which is a multiple of a word: its frame
/// pointer,
const FRAME: usize = Base::FRAME.bits();
/// and what that points to.
const MORE: usize = Base::AT_FRAME.bits() & !FRAME;
const ASKS: usize = FRAME | MORE;

/// A call on the stack.
#[derive(Clone, Copy, Debug, Default)]
struct Frame {
    /// The address it returns to, and where that was read.
    code: usize,
    code_at: usize,
    /// The stack pointer behind the return.
    stack: usize,
    /// The frame pointer behind the return, and where that was read (0: it is as it is further in); and [`ASKS`].
    frame: usize,
    frame_at: usize,
}

/// What is known of a thread's last stack. All zeros: nothing yet.
#[derive(Debug)]
struct Last {
    /// The end of the stack.
    high: usize,
    /// It was read by rules of this generation.
    generation: u32,
    /// Which half it is in. The other one is for the next stack.
    half: u32,
    len: usize,
    /// From the innermost call outwards.
    frames: [[Frame; DEEPEST_STACK]; 2],
}

/// A stack that was walked.
#[derive(Debug)]
pub(in super::super) struct Walked<'a> {
    frames: &'a [Frame],
    hash: u64,
}

impl Walked<'_> {
    /// As [`Stack::hash`](super::Stack::hash).
    #[inline(always)]
    pub(in super::super) fn hash(&self) -> u64 {
        self.hash
    }

    /// From the innermost call outwards.
    pub(in super::super) fn frames(&self) -> impl ExactSizeIterator<Item = u64> {
        self.frames.iter().map(|frame| frame.code as u64)
    }
}

/// What is remembered for all threads. Made once; it stays.
#[derive(Debug)]
pub(in super::super) struct Tables {
    rules: Rules,
    rows: NonNull<UnsafeCell<Last>>,
    _region: ManuallyDrop<Region>,
}

// SAFETY: atomics, and rows each of which is one thread's.
unsafe impl Send for Tables {}
// SAFETY: as above.
unsafe impl Sync for Tables {}

impl Tables {
    /// Memory for it, charged to the tag.
    pub(in super::super) fn try_new(tag: Tag) -> Result<Self, AllocError> {
        let rows = Rules::BYTES.next_multiple_of(4096);
        let end = rows + ROWS * size_of::<UnsafeCell<Last>>();
        let mut region = Region::try_reserve(RegionOptions::new(tag, end).at_least(end))?;
        region.try_grow(end)?;
        modules::prepare();
        let base = region.base();
        // SAFETY: both within the region, which has memory up to `end`, zero at first and never given back; pages are aligned for either.
        unsafe {
            Ok(Self {
                rules: Rules::new(base),
                rows: base.add(rows).cast(),
                _region: ManuallyDrop::new(region),
            })
        }
    }

    /// Forgets everything: modules were loaded or unloaded, and others may be at their addresses.
    pub(in super::super) fn forget(&self) {
        self.rules.forget();
    }

    /// The callers of the function that `caller` was asked in, at most `depth` of them. None: it takes the unwinding library.
    ///
    /// # Safety
    /// Everything from the caller's place to `high` is readable now, and stays so meanwhile: the stack of this thread. The `row`, one of
    /// [`ROWS`], is this thread's, or whose lock it has, and what was walked for it before is not in use.
    #[inline(always)]
    pub(in super::super) unsafe fn walk(
        &self,
        row: usize,
        caller: Caller,
        high: usize,
        depth: usize,
        seed: u64,
    ) -> Option<Walked<'_>> {
        assert!(row < ROWS, "no such row");
        // SAFETY: within the region, zero at first, of which all fields have a value; nobody else has it, by the caller's promise.
        let last = unsafe { &mut *self.rows.add(row).as_ref().with_mut(|last| last) };
        let walk = Walk { rules: &self.rules, generation: self.rules.generation(), high };
        // SAFETY: the caller's promise.
        unsafe { walk.all(last, caller, depth, seed) }
    }
}

/// A stack that ends at `high`, by rules of a generation.
struct Walk<'a> {
    rules: &'a Rules,
    generation: u32,
    high: usize,
}

/// Where a step has led.
#[derive(PartialEq, Eq)]
enum Way {
    /// To the caller.
    On,
    /// There is none.
    End,
    /// Nobody here knows.
    Lost,
}

impl Walk<'_> {
    /// # Safety
    /// As [`Tables::walk`]; `last` is this thread's.
    #[inline(always)]
    unsafe fn all<'l>(
        &self,
        last: &'l mut Last,
        caller: Caller,
        depth: usize,
        seed: u64,
    ) -> Option<Walked<'l>> {
        if (last.generation, last.high) != (self.generation, self.high) {
            (last.generation, last.high, last.len) = (self.generation, self.high, 0);
        }
        let depth = depth.min(DEEPEST_STACK);
        let [one, two] = &mut last.frames;
        let (known, fresh) = if last.half == 0 { (one, two) } else { (two, one) };
        let known = &mut known[..last.len.min(depth)];
        // SAFETY: the caller's promise.
        let mut here = unsafe { self.first(caller)? };
        let (mut len, mut sum) = (0, seed);
        // SAFETY: the caller's promise.
        let mut way = unsafe { self.in_place(known, &mut here, depth, &mut len, &mut sum) };
        if way == Way::On && len < depth {
            fresh[..len].copy_from_slice(&known[..len]);
            // SAFETY: the caller's promise.
            way = unsafe { self.aside(&known[len..], &mut fresh[..depth], &mut here, &mut len, &mut sum) };
            last.half ^= 1;
        }
        // What is not recorded need not be known.
        let told = way != Way::Lost || len == depth;
        last.len = if told { len } else { 0 };
        let frames = &last.frames[last.half as usize & 1][..len];
        told.then(|| Walked { frames, hash: finish(sum, len) })
    }

    /// Walks as long as frames are where they were in the last stack, in the same number, and makes them those of this one.
    ///
    /// # Safety
    /// As [`Tables::walk`].
    #[inline(always)]
    unsafe fn in_place(
        &self,
        known: &mut [Frame],
        here: &mut Frame,
        depth: usize,
        len: &mut usize,
        sum: &mut u64,
    ) -> Way {
        while *len < depth
            && let [same, ..] = &mut known[*len..]
            && same.stack == here.stack
        {
            *sum = mix(*sum, here.code);
            *len += 1;
            let mut own = *len - 1;
            if same.is(here) {
                *same = Frame { frame_at: here.frame_at | same.frame_at & ASKS, ..*here };
                // SAFETY: the caller's promise; places of this stack.
                *len += unsafe { here.run(&known[*len..], sum) };
                if *len < known.len() {
                    if here.code < 4096 {
                        return Way::End;
                    }
                    continue;
                }
                if *len == depth {
                    break;
                }
                own = *len - 1;
            }
            known[own] = *here;
            // SAFETY: the caller's promise; the frame is on the stack.
            let way = unsafe { self.up(here, &mut known[own].frame_at) };
            if way != Way::On {
                return way;
            }
        }
        Way::On
    }

    /// Walks on, from where frames are not where they were, or not in the same number. `known` are those of the last stack from there on,
    /// `fresh` is for all of this one.
    ///
    /// # Safety
    /// As [`Tables::walk`].
    #[inline(always)]
    unsafe fn aside(
        &self,
        known: &[Frame],
        fresh: &mut [Frame],
        here: &mut Frame,
        len: &mut usize,
        sum: &mut u64,
    ) -> Way {
        let mut known = known.iter();
        for place in &mut fresh[*len..] {
            *sum = mix(*sum, here.code);
            *place = *here;
            *len += 1;
            while known.as_slice().first().is_some_and(|frame| frame.stack < here.stack) {
                known.next();
            }
            if let [same, further, ..] = known.as_slice()
                && same.is(here)
            {
                place.frame_at |= same.frame_at & ASKS;
                // SAFETY: places of this stack, further out than the frame that leads there, as they were then.
                unsafe { here.follow(further) };
                known.next();
                if here.code < 4096 {
                    return Way::End;
                }
                continue;
            }
            // SAFETY: the caller's promise; the frame is on the stack.
            let way = unsafe { self.up(here, &mut place.frame_at) };
            if way != Way::On {
                return way;
            }
        }
        Way::On
    }

    /// The first call that is recorded.
    ///
    /// # Safety
    /// As [`Tables::walk`].
    #[inline(always)]
    unsafe fn first(&self, caller: Caller) -> Option<Frame> {
        let at = caller.frame;
        if caller.code == 0 {
            // SAFETY: the caller's promise.
            let (frame, code) = unsafe { (self.read(at, at)?, self.read(at, at + WORD)?) };
            let (code, code_at, stack) = (plain(code), at + WORD, at + 2 * WORD);
            return (code >= 4096).then_some(Frame { code, code_at, stack, frame, frame_at: at });
        }
        if !caller.place.is_multiple_of(WORD) {
            return None;
        }
        // Addresses of code are looked up as those that are returned to, which are behind the call.
        let mut own =
            Frame { code: caller.code + 1, code_at: 0, stack: caller.place, frame: at, frame_at: 0 };
        // SAFETY: the caller's promise.
        (unsafe { self.up(&mut own, &mut 0) } == Way::On).then_some(own)
    }

    /// A word of the stack. None: it is not there.
    ///
    /// # Safety
    /// The stack is readable from `low` to the end.
    #[inline(always)]
    unsafe fn read(&self, low: usize, address: usize) -> Option<usize> {
        let there = address >= low && address <= self.high - WORD && address.is_multiple_of(WORD);
        // SAFETY: between both, aligned.
        there.then(|| unsafe { word(address) })
    }

    /// One call further out, by the rule for the frame; what that asks for is told to `frame_at`.
    ///
    /// # Safety
    /// The stack is readable from the frame's stack pointer on.
    #[inline(always)]
    unsafe fn up(&self, here: &mut Frame, frame_at: &mut usize) -> Way {
        let rule = match self.rules.find(here.code, self.generation) {
            Some(rule) => rule,
            None => match self.learn(here.code) {
                Some(rule) => rule,
                None => return Way::Lost,
            },
        };
        let Some(up) = rule.up() else { return if rule == Rule::END { Way::End } else { Way::Lost } };
        *frame_at |= up.base.bits();
        // SAFETY: the caller's promise.
        match unsafe { self.go(here, up) } {
            Some(next) if next.code >= 4096 => {
                *here = next;
                Way::On
            }
            Some(_) => Way::End,
            None => Way::Lost,
        }
    }

    /// The frame that a rule leads to. None: it is not on this stack.
    ///
    /// # Safety
    /// As [`up`](Self::up).
    #[inline(always)]
    unsafe fn go(&self, from: &Frame, up: Up) -> Option<Frame> {
        let low = from.stack;
        let base = if up.base.is_frame() { from.frame } else { from.stack };
        let mut stack = base.wrapping_add_signed(up.offset);
        if up.base.is_read() {
            // SAFETY: the caller's promise.
            stack = unsafe { self.read(low, stack)? };
        }
        if stack <= low || stack > self.high || !stack.is_multiple_of(WORD) {
            return None;
        }
        let code_at = stack.wrapping_add_signed(up.address);
        // SAFETY: the caller's promise; the word before the caller's stack pointer, which is aligned, as this one is, and further out.
        let code = plain(unsafe {
            if up.address == -(WORD as isize) { word(code_at) } else { self.read(low, code_at)? }
        });
        let (mut frame, mut frame_at) = (from.frame, 0);
        if let Some(offset) = up.frame {
            let base = if up.base.is_read() { base } else { stack };
            frame_at = base.wrapping_add_signed(offset);
            // SAFETY: the caller's promise.
            frame = unsafe { self.read(low, frame_at)? };
        }
        Some(Frame { code, code_at, stack, frame, frame_at })
    }

    /// The rule for an address that was not met before, or was forgotten.
    #[cold]
    #[inline(never)]
    fn learn(&self, code: usize) -> Option<Rule> {
        // SAFETY: the calling thread will return there, so whatever is loaded there stays.
        let rule = unsafe { modules::rule_at(code - 1)? };
        self.rules.keep(code, self.generation, rule);
        Some(rule)
    }
}

impl Frame {
    /// Whether all that the next frame's place follows from is as it was in this one, of the last stack.
    #[inline(always)]
    fn is(&self, now: &Self) -> bool {
        self.code == now.code
            && self.stack == now.stack
            && (self.frame_at & ASKS == 0 || self.frame_at & MORE == 0 && self.frame == now.frame)
    }

    /// Calls further out, as long as they are the same as in the last stack, and the first that is not, if there is one. Answers how many
    /// are the same.
    ///
    /// # Safety
    /// Their places are readable.
    #[inline(never)]
    unsafe fn run(&mut self, further: &[Self], sum: &mut u64) -> usize {
        let (mut now, mut all) = (*self, *sum);
        let mut same = 0;
        for next in further {
            // SAFETY: the caller's promise.
            unsafe { now.follow(next) };
            if !next.is(&now) {
                break;
            }
            all = mix(all, now.code);
            same += 1;
        }
        (*self, *sum) = (now, all);
        same
    }

    /// One call further out, where that was in the last stack.
    ///
    /// # Safety
    /// Its places are readable.
    #[inline(always)]
    unsafe fn follow(&mut self, further: &Self) {
        let frame_at = further.frame_at & !ASKS;
        // SAFETY: the caller's promise.
        unsafe {
            self.code = plain(word(further.code_at));
            if frame_at != 0 {
                self.frame = word(frame_at);
            }
        }
        (self.code_at, self.stack, self.frame_at) = (further.code_at, further.stack, frame_at);
    }
}

/// A return address without what the processor signed it with.
#[inline(always)]
fn plain(address: usize) -> usize {
    #[cfg(target_arch = "aarch64")]
    {
        let plain: usize;
        // SAFETY: `xpaclri`, which processors without signatures take for nothing; changes one register.
        unsafe {
            core::arch::asm!(
                "mov x30, {address}", "hint #7", "mov {plain}, x30",
                address = in(reg) address, plain = lateout(reg) plain, out("x30") _,
                options(nomem, nostack, preserves_flags)
            );
        }
        plain
    }
    #[cfg(target_arch = "x86_64")]
    address
}
