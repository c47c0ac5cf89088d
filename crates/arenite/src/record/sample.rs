//! Which blocks are recorded when not all are: as if a bell rang at random, once in so many bytes on average, and whoever asks for
//! memory when it rings is written down.
//!
//! So a block of `s` bytes is recorded with a chance of 1 − e^(−s/mean), whatever was asked for before, and counting it as
//! 1 / (1 − e^(−s/mean)) blocks gives sums that are right on average. Until the bell rings, an allocation costs a subtraction and
//! a compare. Blocks of the general heap that are recorded lie [apart](crate::heap::bucket::alloc_apart), so that giving back any other one costs
//! nothing. Whether another allocator's block was recorded says a byte in a small table, which nearly always says no; if not, a list
//! under a lock.
#![expect(
    unsafe_code,
    reason = "reaches a table by index, without a bounds check, and compares in one instruction"
)]

use core::cell::Cell;
use core::ptr::NonNull;

use core::sync::atomic::{self, AtomicU8};

use crate::base::sync::{AtomicArray, AtomicU64, Lock, Ordering};

/// Kinds of addresses that are told apart before the list is looked at.
const KINDS: usize = 1 << 14;
/// Places of the list: a power of two. A quarter of them is used at the most.
const PLACES: usize = 1 << 18;
/// Places where one is looked for first: a power of two. As few as most lists have blocks, so that they lie in few pages: the first
/// write to each costs a fault, and if it was read before also an interrupt on every processor.
const NEAR: usize = 1 << 12;
/// Near places that a block may have: those of one line of the cache.
const LINE: usize = 8;
/// A removed one, which those behind it are found across.
const GONE: u64 = 1;
/// This many are of a kind, or more; it never becomes less.
const MANY: u8 = u8::MAX;

/// Of each kind of addresses how many are in the list.
pub(super) type Kinds = [AtomicU8; KINDS];

/// Those of the recorder's list: at a fixed place, because every block that is given back asks. While every block is recorded there are
/// many of each.
pub(super) static KINDS_OF_ALL: Kinds = [const { AtomicU8::new(0) }; KINDS];

/// What [`LEFT`] is above while the bell does not ring: a number that is greater for each recording of a sample than for those before,
/// so that what threads have left of an earlier one is below it. While every block is recorded nothing is above it.
static FLOOR: atomic::AtomicU64 = atomic::AtomicU64::new(u64::MAX);
/// Bits of [`LEFT`] that count bytes.
const BYTE_BITS: u32 = 44;
/// Blocks are smaller, so that nothing becomes negative; and what threads begin with.
const LOWEST: u64 = 1 << 63;

std::thread_local! {
    /// The floor of a recording, and bytes until the bell rings; as much as the lowest floor before it was wound up.
    static LEFT: Cell<u64> = const { Cell::new(LOWEST) };
    /// What random numbers are made of; 0 before there was one.
    static RANDOM: Cell<u64> = const { Cell::new(0) };
}

/// Recorded blocks that live.
#[derive(Debug)]
pub(super) struct Chosen {
    kinds: &'static Kinds,
    /// Those that found room there.
    near: AtomicArray<AtomicU64>,
    /// The others.
    places: AtomicArray<AtomicU64>,
    used: Lock<Used>,
}

/// How many blocks are in the list.
#[derive(Clone, Copy, Debug, Default)]
struct Used {
    near: usize,
    far: usize,
    /// Places of far ones that were removed.
    gone: usize,
}

#[inline(always)]
const fn spread(address: u64) -> u64 {
    (address >> 4).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

/// The place of an address's kind. (Its four lowest bits are 0 and need not be cut off; of 32 bits, because their factor is part of the
/// instruction.)
#[inline(always)]
const fn kind_of(address: u64) -> usize {
    const BITS: u32 = KINDS.trailing_zeros();
    ((address as u32).wrapping_mul(0x9E37_79B9) >> (u32::BITS - BITS)) as usize
}

/// The floor of a recording with this number, which after half a million recordings is an old one again: some threads' first bell then rings
/// late.
const fn floor_of(session: u32) -> u64 {
    LOWEST | (session as u64) << BYTE_BITS
}

/// A recording begins: a sample, with this number, or one of every block.
pub(super) fn begin(session: Option<u32>) {
    FLOOR.store(session.map_or(u64::MAX, floor_of), Ordering::Relaxed);
}

/// Whether the bell does certainly not ring while so many bytes are asked for, at most `isize::MAX`. If not, nothing was decided:
/// [`rings_now`] does that.
#[inline(always)]
pub(super) fn passes(size: u64) -> bool {
    let left = LEFT.get().wrapping_sub(size);
    if !is_above_floor(left) {
        return false;
    }
    LEFT.set(left);
    true
}

#[inline(always)]
fn is_above_floor(left: u64) -> bool {
    // Written out, because a compiler does not make an atomic load and a compare one instruction: every allocation has both.
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: reads a word that is always there, and jumps to the block given.
        unsafe {
            core::arch::asm!(
                "cmp {left}, qword ptr [rip + {floor}]",
                "jbe {not}",
                left = in(reg) left,
                floor = sym FLOOR,
                not = label { return false },
                options(nostack, readonly),
            );
        }
        true
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        left > FLOOR.load(Ordering::Relaxed)
    }
}

/// Whether a block is certainly not in the list.
#[inline(always)]
pub(super) fn passes_free(address: u64) -> bool {
    KINDS_OF_ALL[kind_of(address)].load(Ordering::Relaxed) == 0
}

/// Whether the bell rings while so many bytes are asked for, in this recording, with this mean, if [`passes`] could not tell.
#[cold]
#[inline(never)]
pub(super) fn rings_now(size: u64, mean: u64, session: u32) -> bool {
    let floor = floor_of(session);
    if LEFT.get() < floor {
        // Of each thread, and of each recording, another one.
        let thread = (&raw const floor).addr() as u64;
        RANDOM.set((super::desk::seed(session) ^ thread.wrapping_mul(0x9E37_79B9_7F4A_7C15)).max(1));
        let left = draw(mean);
        if size < left {
            LEFT.set(floor + left - size);
            return false;
        }
    }
    LEFT.set(floor + draw(mean));
    true
}

/// How many bytes until the bell rings next: exponential, at least 1, and at most what there are bits for.
fn draw(mean: u64) -> u64 {
    let mut random = RANDOM.get();
    random ^= random << 13;
    random ^= random >> 7;
    random ^= random << 17;
    RANDOM.set(random);
    // Above 0, at most 1.
    let uniform = ((random >> 11) + 1) as f64 / (1u64 << 53) as f64;
    let bytes = (-uniform.ln() * mean as f64).ceil() as u64;
    bytes.clamp(1, (1 << BYTE_BITS) - 1)
}

impl Chosen {
    /// Bytes that it needs.
    pub(super) const BYTES: usize = (NEAR + PLACES) * size_of::<AtomicU64>();

    /// # Safety
    /// As [`AtomicArray::new`], for [`BYTES`](Self::BYTES) bytes at a multiple of 64.
    pub(super) unsafe fn new(start: NonNull<u8>, kinds: &'static Kinds) -> Self {
        // SAFETY: the caller's promise; both are within.
        let (near, places) = unsafe {
            let far = start.add(NEAR * size_of::<AtomicU64>());
            (AtomicArray::new(start, NEAR), AtomicArray::new(far, PLACES))
        };
        Self { kinds, near, places, used: Lock::new(Used { near: 0, far: 0, gone: 0 }) }
    }

    fn kind(&self, address: u64) -> &AtomicU8 {
        &self.kinds[kind_of(address)]
    }

    /// The near place of an address that has this content.
    fn near(&self, address: u64, content: u64) -> Option<&AtomicU64> {
        let line = (spread(address) >> 20) as usize % NEAR / LINE * LINE;
        // SAFETY: a line of the near places.
        (line..line + LINE)
            .map(|index| unsafe { self.near.at(index) })
            .find(|place| place.load(Ordering::Relaxed) == content)
    }

    fn place(&self, index: u64) -> &AtomicU64 {
        // SAFETY: masked, so below the number of places.
        unsafe { self.places.at(index as usize & (PLACES - 1)) }
    }

    /// Puts a block into the list; false if there is no room.
    pub(super) fn insert(&self, address: u64) -> bool {
        let mut used = self.used.lock();
        if used.near + used.far >= PLACES / 4 {
            return false;
        }
        if let Some(place) = self.near(address, 0) {
            place.store(address, Ordering::Relaxed);
            used.near += 1;
        } else {
            if used.far + used.gone >= PLACES / 2 {
                self.sweep(&mut used);
            }
            let place = self.free_from(spread(address) >> 20);
            used.gone -= usize::from(place.swap(address, Ordering::Relaxed) == GONE);
            used.far += 1;
        }
        let kind = self.kind(address);
        kind.store(kind.load(Ordering::Relaxed).saturating_add(1), Ordering::Relaxed);
        true
    }

    /// The first place from here on that nobody has.
    fn free_from(&self, mut index: u64) -> &AtomicU64 {
        while self.place(index).load(Ordering::Relaxed) > GONE {
            index += 1;
        }
        self.place(index)
    }

    /// Takes a block out of the list; false if it is not there.
    #[cold]
    #[inline(never)]
    pub(super) fn remove(&self, address: u64) -> bool {
        let mut used = self.used.lock();
        if let Some(place) = self.near(address, address) {
            place.store(0, Ordering::Relaxed);
            used.near -= 1;
        } else if used.far > 0 {
            let mut index = spread(address) >> 20;
            loop {
                match self.place(index).load(Ordering::Relaxed) {
                    0 => return false,
                    found if found == address => break,
                    _ => index += 1,
                }
            }
            self.place(index).store(GONE, Ordering::Relaxed);
            (used.far, used.gone) = (used.far - 1, used.gone + 1);
        } else {
            return false;
        }
        let kind = self.kind(address);
        let count = kind.load(Ordering::Relaxed);
        if count != MANY {
            kind.store(count - 1, Ordering::Relaxed);
        }
        true
    }

    /// Makes what was removed free again: puts the others in anew.
    fn sweep(&self, used: &mut Used) {
        // From a free place on, all that follows without a gap is taken out and put in again.
        let Some(free) = (0..PLACES as u64).find(|index| self.place(*index).load(Ordering::Relaxed) == 0)
        else {
            return;
        };
        for index in free..free + PLACES as u64 {
            let found = self.place(index).swap(0, Ordering::Relaxed);
            if found > GONE {
                self.free_from(spread(found) >> 20).store(found, Ordering::Relaxed);
            }
        }
        used.gone = 0;
    }

    /// The list stays as it is until [`let_go`](Self::let_go): across a fork.
    pub(super) fn hold(&self) {
        self.used.hold();
    }

    /// Ends what [`hold`](Self::hold) began.
    pub(super) fn let_go(&self) {
        self.used.let_go();
    }

    /// Forgets all, before a recording: of every block, or a sample.
    pub(super) fn begin(&self, of_every_block: bool) {
        let mut used = self.used.lock();
        for kind in self.kinds {
            kind.store(if of_every_block { MANY } else { 0 }, Ordering::Relaxed);
        }
        if used.near > 0 {
            // SAFETY: below the number of near places.
            (0..NEAR).for_each(|index| unsafe { self.near.at(index) }.store(0, Ordering::Relaxed));
        }
        if used.far + used.gone > 0 {
            (0..PLACES as u64).for_each(|index| self.place(index).store(0, Ordering::Relaxed));
        }
        *used = Used::default();
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::boxed::Box;
    use std::collections::HashSet;
    use std::vec;

    use super::*;

    fn chosen() -> Chosen {
        let memory = Box::leak(vec![0u64; Chosen::BYTES / 8].into_boxed_slice());
        let kinds = Box::leak(Box::new([const { AtomicU8::new(0) }; KINDS]));
        // SAFETY: leaked zeros, of which nobody else knows.
        unsafe { Chosen::new(NonNull::from(&mut memory[0]).cast(), kinds) }
    }

    fn may_have(chosen: &Chosen, address: u64) -> bool {
        chosen.kind(address).load(Ordering::Relaxed) != 0
    }

    #[test]
    fn the_list_has_what_was_put_in() {
        let chosen = chosen();
        let (mut model, mut random) = (HashSet::new(), 7u64);
        for step in 0..700_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let address = (random >> 40) % 30_000 * 16 + 0x7F00_0000_0000;
            if random & 1 << 20 == 0 && model.insert(address) {
                assert!(chosen.insert(address));
            } else {
                let there = model.remove(&address);
                assert!(!there || may_have(&chosen, address));
                assert_eq!(chosen.remove(address), there, "step {step}");
            }
        }
        let used = *chosen.used.lock();
        assert_eq!(used.near + used.far, model.len());
        assert!(used.near > NEAR / 2 && used.far > 1000, "both parts were tried: {used:?}");
        for address in &model {
            assert!(may_have(&chosen, *address) && chosen.remove(*address));
        }
        chosen.begin(false);
        assert!((0..KINDS as u64).all(|address| !may_have(&chosen, address * 16)));
        chosen.begin(true);
        assert!((0..KINDS as u64).all(|address| may_have(&chosen, address * 16)), "each is asked about");
    }

    #[test]
    fn a_full_list_says_so() {
        let chosen = chosen();
        let most = PLACES / 4;
        assert!((0..most as u64).all(|block| chosen.insert((block + 1) * 32)));
        assert!(!chosen.insert(16));
        assert!(!chosen.remove(16) && chosen.remove(32) && chosen.insert(16));
    }

    /// Whoever has it says which recording there is.
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());

    #[test]
    fn the_bell_rings_as_often_as_it_should() {
        let _turn = TURN.lock();
        for (session, size, mean) in
            [(1, 64u64, 4096u64), (2, 1000, 512), (3, 100_000, 4096), (4, 1, 100), ((1 << 19) - 1, 700, 9000)]
        {
            begin(Some(session));
            let rings = || !passes(size) && rings_now(size, mean, session);
            let expected = -(-(size as f64) / mean as f64).exp_m1();
            let tries = 200_000;
            let rung = (0..tries).filter(|_| rings()).count() as f64;
            let deviation = (expected * (1.0 - expected) * f64::from(tries)).sqrt();
            let off = rung - expected * f64::from(tries);
            // Six deviations: once in a billion runs.
            assert!(off.abs() <= 6.0 * deviation + 1.0, "{size} of {mean}: {rung} times");
        }
    }

    #[test]
    fn nothing_passes_while_every_block_is_recorded_and_no_bell_of_an_earlier_recording_rings() {
        let _turn = TURN.lock();
        // All sizes that blocks may have, on a thread that was never asked, and on one that was.
        let none_passes = || {
            for size in [0, 1, 512 << 10, 1 << 44, isize::MAX as u64] {
                assert!(!passes(size), "{size}");
            }
        };
        std::thread::spawn(move || {
            begin(None);
            none_passes();
            begin(Some(7));
            none_passes();
            // Nearly never, and then nearly always.
            assert!(!rings_now(100, 1 << 40, 7) && passes(100) && !passes(1 << 44));
            begin(None);
            none_passes();
            begin(Some(8));
            none_passes();
            assert!(rings_now(1000, 1, 8), "what is left of the other one is forgotten");
        })
        .join()
        .expect("it ends");
    }
}
