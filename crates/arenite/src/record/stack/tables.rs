//! Who called, by the tables that compilers leave behind for exceptions, remembered: for programs without frame pointers. One or two
//! nanoseconds a frame that was there the last time, some five for one that is new, some microseconds for a call that was never met.
//!
//! ```text
//!   Tables::walk   from frame to frame: is it one of the thread's last stack? ─ yes: do the frames further out still
//!                    │                                                             say the same? ─► the rest is as it was
//!                    └ no: the rule for its return address (rule) ─ not known: read it (modules, which asks the linker)
//! ```
//!
//! A thread's last stack is used for what it says only after all words that lead from one of its frames to the next were compared with what
//! is there now; so the answer is the same as without.
#![expect(unsafe_code, reason = "reads the stack, and memory of its own")]

use core::mem::ManuallyDrop;
use core::ptr::NonNull;

use super::{Caller, Stack, word};
use crate::base::sync::UnsafeCell;
use crate::base::thread::ROWS;
use crate::ledger::Tag;
use crate::record::format::DEEPEST_STACK;
use crate::region::{AllocError, Region, RegionOptions};

mod modules;
mod rule;
#[cfg(test)]
mod tests;

use modules::ASKING;
use rule::{Base, Rules, Step, Up};

const WORD: usize = size_of::<usize>();
/// Frames that are remembered: more than are recorded, so that those further out are known when a deep stack becomes less deep.
const FRAMES: usize = DEEPEST_STACK + 32;

/// A call on the stack.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// The address it returns to, and where that was read.
    code: usize,
    code_at: usize,
    /// The stack pointer behind the return.
    stack: usize,
    /// The frame pointer behind the return, and where that was read; 0: it is as it is further in.
    frame: usize,
    frame_at: usize,
    /// The caller's stack pointer, or that of one further out, is told from that frame pointer.
    matters: bool,
}

/// What is known of a thread's last stack. All zeros: nothing yet.
#[derive(Debug)]
struct Last {
    /// It was read by rules of this generation.
    generation: u32,
    /// There may be more frames, further out.
    cut: bool,
    /// Frames that are there, in `frames`, from the outermost call inwards.
    len: usize,
    /// The end of the stack.
    high: usize,
    frames: [Frame; FRAMES],
    /// Frames of the stack that is walked now, from the innermost call outwards.
    fresh: [Frame; FRAMES],
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

    /// Forgets everything if modules were loaded or unloaded since this was last called: others may be at their addresses. Called now and
    /// then. Waits for the dynamic linker, so not on a thread that somebody may wait for who holds its lock.
    pub(in super::super) fn look_at_modules(&self) {
        if modules::have_changed() {
            self.rules.forget();
        }
    }

    /// Before a fork.
    pub(in super::super) fn hold() {
        ASKING.hold();
    }

    /// After a fork, in both processes.
    pub(in super::super) fn let_go() {
        ASKING.let_go();
    }

    /// The callers of the function that `caller` was asked in, at most `depth` of them. None: it takes the unwinding library.
    ///
    /// # Safety
    /// Everything from the caller's place to `high` is readable now, and stays so meanwhile: the stack of this thread. The `row`, one of
    /// [`ROWS`], is this thread's, or whose lock it has.
    #[inline(always)]
    pub(in super::super) unsafe fn walk(
        &self,
        row: usize,
        caller: Caller,
        high: usize,
        depth: usize,
        seed: u64,
    ) -> Option<Stack> {
        assert!(row < ROWS, "no such row");
        let mut stack = Stack::new(seed);
        // SAFETY: within the region, zero at first, of which all fields have a value; nobody else has it, by the caller's promise.
        let last = unsafe { &mut *self.rows.add(row).as_ref().with_mut(|last| last) };
        // SAFETY: the caller's promise.
        let done = unsafe { Walk { rules: &self.rules, high }.all(last, caller, depth, &mut stack) };
        if done.is_none() {
            last.len = 0;
        }
        done.map(|()| stack)
    }
}

/// A stack that ends at `high`.
struct Walk<'a> {
    rules: &'a Rules,
    high: usize,
}

impl Walk<'_> {
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

    /// # Safety
    /// As [`Tables::walk`]; `last` is this thread's.
    #[inline(always)]
    unsafe fn all(&self, last: &mut Last, caller: Caller, depth: usize, stack: &mut Stack) -> Option<()> {
        let generation = self.rules.generation();
        if last.generation != generation || last.high != self.high {
            (last.generation, last.high, last.len) = (generation, self.high, 0);
        }
        // SAFETY: the caller's promise.
        let mut here = unsafe { self.first(caller, generation)? }?;
        let (mut known, mut fresh) = (last.len, 0);
        let cut = loop {
            while known > 0 && last.frames[known - 1].stack < here.stack {
                known -= 1;
            }
            if known > 0 && last.frames[known - 1].is(&here) {
                let enough = fresh + known <= FRAMES && (!last.cut || fresh + known >= depth);
                // SAFETY: they are further out than this one, and before the same end as when they were read.
                if enough && unsafe { last.is_still_so(known) } {
                    last.take_over(known, fresh, &here);
                    for frame in last.frames[..known].iter().rev() {
                        if !stack.push(frame.code, depth) {
                            break;
                        }
                    }
                    return Some(());
                }
                // Once is enough: from here on it is unwound.
                known = 0;
            }
            stack.push(here.code, depth);
            let rule = self.rules.find(here.code, generation).or_else(|| self.learn(here.code, generation));
            let next = match rule?.step() {
                // SAFETY: the caller's promise; the frame is on the stack.
                Step::Up(up) => unsafe { self.up(&here, up) },
                Step::End => Some(None),
                Step::Hard => None,
            };
            here.matters = matches!(rule?.step(), Step::Up(Up { base: Base::Frame | Base::AtFrame, .. }));
            last.fresh[fresh] = here;
            fresh += 1;
            match next {
                Some(None) => break false,
                Some(Some(next)) if fresh < FRAMES => here = next,
                Some(_) => break true,
                // What is not recorded need not be known.
                None if fresh >= depth => break true,
                None => return None,
            }
        };
        last.replace(fresh, cut);
        Some(())
    }

    /// The first call that is recorded. `Some(None)` is not: a stack with none is left to the unwinding library, too.
    ///
    /// # Safety
    /// As [`Tables::walk`].
    #[inline(always)]
    unsafe fn first(&self, caller: Caller, generation: u32) -> Option<Option<Frame>> {
        if caller.code == 0 {
            let at = caller.frame;
            // SAFETY: the caller's promise.
            let (frame, code) = unsafe { (self.read(at, at)?, self.read(at, at + WORD)?) };
            let code = plain(code);
            let stack = at + 2 * WORD;
            return Some((code >= 4096).then_some(Frame {
                code,
                code_at: at + WORD,
                stack,
                frame,
                frame_at: at,
                matters: false,
            }));
        }
        let own = Frame {
            // Addresses of code are looked up as those that are returned to, which are behind the call.
            code: caller.code + 1,
            code_at: 0,
            stack: caller.stack,
            frame: caller.frame,
            frame_at: 0,
            matters: false,
        };
        let rule = self.rules.find(own.code, generation).or_else(|| self.learn(own.code, generation))?;
        match rule.step() {
            // SAFETY: the caller's promise.
            Step::Up(up) => unsafe { self.up(&own, up) },
            Step::End | Step::Hard => None,
        }
    }

    /// One call further out. `Some(None)`: there is none. None: it is not on this stack.
    ///
    /// # Safety
    /// The stack is readable from the frame's stack pointer on.
    #[inline(always)]
    unsafe fn up(&self, from: &Frame, up: Up) -> Option<Option<Frame>> {
        let low = from.stack;
        let base = match up.base {
            Base::Stack => from.stack,
            Base::Frame | Base::AtFrame => from.frame,
        };
        let mut stack = base.wrapping_add_signed(up.offset as isize);
        if up.base == Base::AtFrame {
            // SAFETY: the caller's promise.
            stack = unsafe { self.read(low, stack)? };
        }
        if stack <= low || stack > self.high {
            return None;
        }
        let code_at = stack.wrapping_add_signed(up.address as isize);
        // SAFETY: the caller's promise.
        let code = plain(unsafe { self.read(low, code_at)? });
        if code < 4096 {
            return Some(None);
        }
        let (mut frame, mut frame_at) = (from.frame, 0);
        if let Some(offset) = up.frame {
            let base = if up.base == Base::AtFrame { base } else { stack };
            frame_at = base.wrapping_add_signed(offset as isize);
            // SAFETY: the caller's promise.
            frame = unsafe { self.read(low, frame_at)? };
        }
        Some(Some(Frame { code, code_at, stack, frame, frame_at, matters: false }))
    }

    /// The rule for an address that was not met before, or was forgotten.
    #[cold]
    #[inline(never)]
    fn learn(&self, code: usize, generation: u32) -> Option<rule::Rule> {
        // SAFETY: the calling thread will return there, so whatever is loaded there stays.
        let rule = unsafe { modules::rule_at(code - 1)? };
        self.rules.keep(code, generation, rule);
        Some(rule)
    }
}

impl Frame {
    /// Whether this one, of the last stack, is that call.
    #[inline(always)]
    fn is(&self, other: &Self) -> bool {
        self.stack == other.stack && self.code == other.code && (!self.matters || self.frame == other.frame)
    }
}

impl Last {
    /// Whether the words that led from the outermost `known` frames but one to the next are what they were.
    ///
    /// # Safety
    /// The stack is readable from the innermost of them to the end, which is the one it had.
    #[inline(always)]
    unsafe fn is_still_so(&self, known: usize) -> bool {
        // SAFETY: read before, between the innermost one and the end.
        self.frames[..known - 1].iter().all(|frame| unsafe {
            plain(word(frame.code_at)) == frame.code
                && (!frame.matters || frame.frame_at == 0 || word(frame.frame_at) == frame.frame)
        })
    }

    /// The stack is now the outermost `known` frames, the innermost of which is `here`, and the `fresh` ones.
    #[inline(always)]
    fn take_over(&mut self, known: usize, fresh: usize, here: &Frame) {
        let met = &mut self.frames[known - 1];
        // It may have been called by another way, which kept its frame pointer elsewhere.
        *met = Frame { matters: met.matters, ..*here };
        self.append(known, fresh);
    }

    /// The stack is now the `fresh` frames.
    fn replace(&mut self, fresh: usize, cut: bool) {
        self.cut = cut;
        self.append(0, fresh);
    }

    #[inline(always)]
    fn append(&mut self, known: usize, fresh: usize) {
        let mut len = known;
        for frame in self.fresh[..fresh].iter().rev() {
            let further = len.checked_sub(1).map(|last| &self.frames[last]);
            let kept = further.is_some_and(|further| further.matters && further.frame_at == 0);
            self.frames[len] = Frame { matters: frame.matters || kept, ..*frame };
            len += 1;
        }
        self.len = len;
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
