// attack: buffer_written_under_its_heap E0499
// attack: heap_outlives_its_buffer E0505
// attack: freed_through_a_lock_without_unsafe E0133
// attack: resized_through_a_lock_without_unsafe E0133
// attack: changed_while_it_is_borrowed E0502
// attack: lender_without_unsafe E0200
// attack: fit_of_ones_own E0277
// attack: storage_of_ones_own E0277
// attack: untouched_memory_is_filled E0599
// attack: lender_of_one_thread_is_shared E0277
// attack: provider_of_one_thread_is_sent E0277
// attack: block_of_one_thread_is_sent E0277
// attack: memory_outlives_its_block E0505
// attack: changed_while_it_is_walked E0502
// attack: moves_begun_while_moves_begin E0499
//! Memory stays as long as its heap; what would free under a container is `unsafe`; fits and storages are ours; what is of one thread stays there.

use std::alloc::Layout;
use std::cell::Cell;
use std::mem::MaybeUninit;
use std::ptr::NonNull;
use std::rc::Rc;

use arenite::heap::fit::{Apart, External, Fit, Lend, Locked, Storage, Untouched};
use arenite::{DefragSpace, ExternalBlock, ExternalHeap, ExternalOptions, FitHeap, Fixed};
use arenite::{OffsetAllocator, OffsetOptions, Provider, Tag, Tlsf};

#[derive(Debug)]
struct Page(NonNull<[u8]>, Rc<Cell<u8>>);

// SAFETY: a buffer that is never freed.
#[cfg(not(lender_without_unsafe))]
unsafe impl Lend for Page {
    fn lent(&self) -> NonNull<[u8]> {
        self.0
    }
}
#[cfg(lender_without_unsafe)]
impl Lend for Page {
    fn lent(&self) -> NonNull<[u8]> {
        self.0
    }
}

#[cfg(fit_of_ones_own)]
#[derive(Debug)]
struct Mine;
#[cfg(fit_of_ones_own)]
impl Fit for Mine {
    const NAME: &'static str = "mine";
}

struct Device(Rc<Cell<u8>>);
impl Provider for Device {
    type Memory = u32;
    type Error = ();
    fn allocate(&mut self, _: u64, _: u64) -> Result<u32, ()> {
        self.0.set(1);
        Ok(1)
    }
    fn release(&mut self, _: u32, _: u64) {}
}

fn sent<T: Send>(_: &T) {}
fn shared<T: Sync>(_: &T) {}
fn stored<S: Storage>() {}
fn named<F: Fit>() -> &'static str {
    F::NAME
}

fn main() {
    let tag = Tag::untagged();
    let layout = Layout::new::<u64>();
    let mut buffer = vec![MaybeUninit::uninit(); 4096];
    let mut heap: FitHeap<Fixed> = FitHeap::try_new(Fixed::new(tag, &mut buffer)).unwrap();
    #[cfg(buffer_written_under_its_heap)]
    {
        buffer[0] = MaybeUninit::new(1);
    }
    #[cfg(heap_outlives_its_buffer)]
    drop(buffer);
    let block = heap.try_alloc(layout).unwrap();
    #[cfg(changed_while_it_is_walked)]
    for piece in heap.walk() {
        heap.free(piece.start).unwrap();
    }
    heap.free(block).unwrap();
    sent(&heap);
    shared(&heap);

    let mut locked = Locked::new(heap);
    let borrowed = &locked;
    let block = borrowed.try_alloc(layout).unwrap();
    #[cfg(changed_while_it_is_borrowed)]
    locked.with_mut(|heap| heap.free(block)).unwrap();
    #[cfg(freed_through_a_lock_without_unsafe)]
    borrowed.free(block).unwrap();
    #[cfg(resized_through_a_lock_without_unsafe)]
    borrowed.try_resize(block, layout).unwrap();
    assert_eq!(borrowed.with(|heap| heap.stats().used_blocks), 1);
    locked.with_mut(|heap| heap.free(block)).unwrap();

    let page = Page(NonNull::from(Box::leak(Box::new([0u8; 4096]))), Rc::default());
    let lent: FitHeap<External<Page>> = FitHeap::try_new(External::new(tag, page)).unwrap();
    let lent = Locked::new(lent);
    #[cfg(lender_of_one_thread_is_shared)]
    shared(&lent);
    assert_eq!(lent.with(|heap| heap.stats().used_blocks), 0);

    let range = NonNull::from(&mut [0u8; 64]);
    let mut addresses: FitHeap<Apart<Untouched>> =
        FitHeap::try_new(Apart::new(Untouched::new(tag, range))).unwrap();
    addresses.try_alloc(layout).unwrap();
    #[cfg(untouched_memory_is_filled)]
    addresses.try_alloc_zeroed(layout).unwrap();
    #[cfg(storage_of_ones_own)]
    stored::<Page>();
    stored::<Apart<Untouched>>();
    named::<Tlsf>();
    #[cfg(fit_of_ones_own)]
    named::<Mine>();

    let external: ExternalHeap<Device> = ExternalOptions::new(tag).build(Device(Rc::default()));
    let block: ExternalBlock<Device> = external.try_allocate(100, 4).unwrap();
    #[cfg(provider_of_one_thread_is_sent)]
    sent(&external);
    #[cfg(block_of_one_thread_is_sent)]
    sent(&block);
    let memory: &u32 = block.memory();
    #[cfg(memory_outlives_its_block)]
    drop(block);
    assert_eq!(*memory, 1);

    let mut space: DefragSpace = DefragSpace::try_new(OffsetOptions::new(tag).capacity(1000)).unwrap();
    space.begin_moves(100, |_| {
        #[cfg(moves_begun_while_moves_begin)]
        space.begin_moves(100, |_| {});
    });
    sent(&space);
    shared(&space);
    let range: OffsetAllocator = OffsetOptions::new(tag).try_build().unwrap();
    sent(&range);
    shared(&range);
}
