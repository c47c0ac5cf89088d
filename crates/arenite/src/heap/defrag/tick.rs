//! What one call of the defragmenter does: which moves fit its budget, how they are made, and what goes back to the system.
#![expect(
    unsafe_code,
    reason = "copies blocks within the heap's memory, and gives back what is free at its end"
)]

use core::mem::MaybeUninit;

use super::budget::{Meter, TELLING};
use super::heap::{Body, SHIFT};
use super::policy::{Look, Plan};
use super::{DefragBudget, MoveClock, MoveReport};
use crate::heap::fit::nodes::{Nodes, State};
use crate::heap::fit::{Fit, SegmentId};

/// How much goes back to the system in a call whose time is bounded.
const RETURNED: u64 = 256 << 10;
/// After so many looks the clock is asked.
const LOOKS: u32 = 32;

impl<F: Fit> Body<F> {
    pub(super) fn defragment(&mut self, clock: &impl MoveClock, budget: DefragBudget) -> MoveReport {
        let start = clock.now_ns();
        let timed = budget.is_timed();
        let mut report = MoveReport::default();
        let never = |meter: &Meter, size: u64| {
            size > budget.bytes || timed && meter.foresee(size) > budget.nanoseconds
        };
        if let Some(size) = self.core.pass.left() {
            let slow = timed && size <= budget.bytes && never(&self.meter, size);
            if slow {
                self.meter.relax();
            }
            // It may be known by now, or be found out in this call, that it is not too large.
            let tells = slow && !self.meter.learned && self.meter.affordable(budget.nanoseconds) >= TELLING;
            if tells || !never(&self.meter, size) {
                self.core.pass.restart();
            }
        }
        report.returned_bytes = self.give_back(timed);
        let (mut now, mut looks, mut tried) = (start, 0u32, false);
        let elapsed = |now: u64| now.saturating_sub(start);
        while looks < budget.looks {
            looks += 1;
            if timed && looks.is_multiple_of(LOOKS) {
                now = clock.now_ns();
                if elapsed(now) >= budget.nanoseconds {
                    break;
                }
            }
            let plan = match self.core.look(true) {
                Look::End => break,
                Look::Passed => continue,
                Look::Pinned => {
                    report.skipped_pinned += 1;
                    continue;
                }
                Look::Found(plan) => plan,
            };
            let size = self.core.slots.at(plan.slot()).size;
            if never(&self.meter, size) {
                if timed && !tried && size <= budget.bytes {
                    tried = true;
                    now = clock.now_ns();
                    let left = budget.nanoseconds.saturating_sub(elapsed(now));
                    if self.try_out(clock, plan, left) {
                        continue;
                    }
                }
                report.too_large += 1;
                self.core.pass.leave(size);
                self.core.pass_by();
                continue;
            }
            if size > budget.bytes - report.moved_bytes {
                break;
            }
            if timed {
                now = clock.now_ns();
                if elapsed(now).saturating_add(self.meter.foresee(size)) > budget.nanoseconds {
                    break;
                }
            }
            if self.core.try_ready().is_err() {
                break;
            }
            self.carry_out(plan, size as usize);
            clock.copied(size);
            if timed {
                let after = clock.now_ns();
                self.meter.learn(size, after.saturating_sub(now));
                now = after;
            }
            report.moved_blocks += 1;
            report.moved_bytes += size;
        }
        report.done = self.core.pass.is_over();
        if let Some(segment) = self.core.evacuated() {
            // There may be another one to be evacuated.
            report.done &= self.remove(segment).is_none();
            if !timed {
                report.returned_bytes += self.give_back(false);
            }
        }
        report.nanoseconds = clock.now_ns().saturating_sub(start);
        report
    }

    fn carry_out(&mut self, plan: Plan, size: usize) {
        let base = self.memory.base();
        match plan {
            Plan::Slide { slot, skip } => {
                let from = self.core.slide(slot, skip) as usize;
                let to = self.core.offset(slot) as usize;
                // SAFETY: both lie within what is committed: where the block was, and where it is from now on, which was free.
                // Nobody has a reference to a block that is not pinned (`&mut self`). They may overlap.
                unsafe { base.add(from).copy_to(base.add(to), size) };
                self.moved(from, slot);
            }
            Plan::Fill { slot, hole, skip } => {
                let from = self.core.offset(slot) as usize;
                let (to, _) = self.core.begin(slot, hole, skip);
                // SAFETY: as above; the target was free, so it is apart from the block.
                unsafe { base.add(from).copy_to_nonoverlapping(base.add(to as usize), size) };
                self.core.end(slot, true);
                self.moved(from, slot);
            }
        }
    }

    /// Nothing so large can be begun, as far as is known. If nothing was measured yet, copies as much of it as may be begun to where
    /// nobody looks, and answers that it is to be looked at again.
    #[cold]
    fn try_out(&mut self, clock: &impl MoveClock, plan: Plan, nanoseconds: u64) -> bool {
        let slot = plan.slot();
        let piece = self.meter.affordable(nanoseconds).min(self.core.slots.at(slot).size).min(64 << 10);
        if self.meter.learned || piece < TELLING {
            self.meter.relax();
            return false;
        }
        let from = self.address(slot);
        let nodes = &self.core.range.blocks.nodes;
        let (hole, skip) = match plan {
            Plan::Slide { slot, skip } => (nodes.before(self.core.slots.at(slot).block), skip),
            Plan::Fill { hole, skip, .. } => (hole, skip),
        };
        let room = u64::from(nodes.size(hole) - skip) << SHIFT;
        let before = clock.now_ns();
        let copied = if room >= TELLING {
            let (to, piece) = (u64::from(nodes.offset(hole) + skip) << SHIFT, piece.min(room));
            // SAFETY: the beginning of the block, and a hole, within what is committed and apart from each other.
            unsafe { from.copy_to_nonoverlapping(self.memory.base().add(to as usize), piece as usize) };
            piece
        } else {
            let mut aside = [MaybeUninit::<u8>::uninit(); TELLING as usize];
            let mut done = 0;
            while done + TELLING <= piece {
                // SAFETY: within the block; the array is as large, and its bytes may be anything.
                unsafe {
                    let part = from.as_ptr().add(done as usize).cast::<MaybeUninit<u8>>();
                    part.copy_to_nonoverlapping(aside.as_mut_ptr(), aside.len());
                }
                core::hint::black_box(&mut aside);
                done += TELLING;
            }
            done
        };
        clock.copied(copied);
        self.meter.learn(copied, clock.now_ns().saturating_sub(before));
        true
    }

    /// The last segment goes if nothing in it is used.
    fn remove(&mut self, segment: SegmentId) -> Option<u64> {
        let size = self.core.try_remove(segment).ok()?;
        self.returning = true;
        Some(size)
    }

    /// Gives free memory at the end back, beyond what is to be kept; answers how many bytes.
    pub(super) fn give_back(&mut self, timed: bool) -> u64 {
        let before = self.memory.committed();
        let page = self.page_size;
        let most = self.keep.saturating_mul(2).saturating_add(page);
        let tail = |body: &Self| match body.core.range.segments {
            0 => 0,
            _ => u64::from(body.core.range.tail()) << SHIFT,
        };
        let range = &self.core.range;
        if range.segments > 1 && tail(self) > most {
            let nodes = &range.blocks.nodes;
            let border = nodes.last_border();
            if nodes.state(nodes.before(range.last())) == State::Border {
                self.remove(SegmentId::new(border, nodes.border_generation(border)));
            }
        }
        let free = tail(self);
        if free > most {
            let less = ((free - self.keep) >> SHIFT) as u32;
            self.core.range.shorten(less.min(self.core.range.tail() - 1));
            self.returning = true;
        }
        if self.returning {
            let end = u64::from(self.core.range.end()) << SHIFT;
            let least = if timed { (before as u64).saturating_sub(RETURNED.max(page)) } else { 0 };
            // Refused: it stays committed and charged, and is used when the heap grows, or asked for again.
            // SAFETY: all blocks end before the end of the last segment.
            let gone = unsafe { self.memory.try_shrink(end.max(least) as usize) };
            self.returning = gone.is_ok() && self.memory.committed() as u64 >= end + page;
        }
        (before - self.memory.committed()) as u64
    }
}
