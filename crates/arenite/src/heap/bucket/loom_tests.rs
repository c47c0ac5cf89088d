//! Where threads meet: a page's word, its owner's mail, and the state of a cache. The words are the heap's own; the page,
//! its blocks and its owner are played, step by step as `local.rs` does it, because loom sees no memory by address.
#![expect(unsafe_code, reason = "reaches the played pages as the heap reaches its own, by pointer")]

use core::ptr::NonNull;
use std::vec::Vec;

use loom::sync::Arc;
use loom::thread;

use self::mail::Mail;
use self::remote::{Chain, Remote};
use self::state::State;
use crate::base::sync::{AtomicBool, AtomicPtr, Ordering, UnsafeCell};

#[path = "mail.rs"]
mod mail;
#[expect(dead_code, reason = "figures and a page's first day are not played")]
#[path = "remote.rs"]
mod remote;
#[path = "state.rs"]
mod state;

const BLOCKS: usize = 4;

/// A page, with what whoever frees a block of it knows.
struct Page {
    remote: Remote,
    link: AtomicPtr<Page>,
    mail: Mail<Page>,
    posted: AtomicBool,
    /// Links of free blocks.
    links: [UnsafeCell<Option<u32>>; BLOCKS],
    /// Written when the page is given back: whoever still looks at it then is caught.
    alive: UnsafeCell<bool>,
}

// SAFETY: its cells are what the models ask about; loom sees every use of them.
unsafe impl Sync for Page {}
// SAFETY: as above.
unsafe impl Send for Page {}

impl Page {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            remote: Remote::default(),
            link: AtomicPtr::new(core::ptr::null_mut()),
            mail: Mail::new(),
            posted: AtomicBool::new(false),
            links: core::array::from_fn(|_| UnsafeCell::new(None)),
            alive: UnsafeCell::new(true),
        })
    }

    /// Another thread frees a chain of blocks, the first one on top.
    fn free(&self, blocks: &[u32]) {
        let link = |block: u32, to: Option<u32>| {
            // SAFETY: the block is the caller's.
            self.links[block as usize].with_mut(|link| unsafe { *link = to });
        };
        for pair in blocks.windows(2) {
            link(pair[0], Some(pair[1]));
        }
        let chain = Chain { first: blocks[0], count: blocks.len() as u32 };
        if self.remote.push(chain, |below| link(blocks[blocks.len() - 1], below)) {
            // SAFETY: the page stays while it is on its way.
            assert!(self.alive.with(|alive| unsafe { *alive }));
            assert!(!self.posted.swap(true, Ordering::Relaxed), "it is in the mail already");
            self.mail.post(NonNull::from(self), &self.link);
        }
    }
}

/// The thread that owns the page. All blocks are with other threads at the start, and nobody has been told to tell it.
struct Owner {
    page: Arc<Page>,
    listed: bool,
    /// In the page's `owner`.
    full: bool,
    back: Vec<u32>,
}

impl Owner {
    fn new() -> Self {
        Self { page: Page::new(), listed: true, full: false, back: Vec::new() }
    }

    fn frees(&self, blocks: &'static [u32]) -> thread::JoinHandle<()> {
        let page = Arc::clone(&self.page);
        thread::spawn(move || page.free(blocks))
    }

    /// As `Local::read_mail`.
    fn read_mail(&mut self) {
        let mut next = self.page.mail.take();
        while let Some(page) = next {
            // SAFETY: a page of ours.
            let page = unsafe { page.as_ref() };
            next = NonNull::new(page.link.load(Ordering::Relaxed));
            assert!(page.posted.swap(false, Ordering::Relaxed), "it was posted once for each time it comes");
            assert!(page.remote.in_mail());
            page.remote.delivered();
            self.listed = true;
            self.full = false;
        }
    }

    fn take(&mut self) -> bool {
        let Some(chain) = self.page.remote.take() else { return false };
        let mut next = Some(chain.first);
        for _ in 0..chain.count {
            let block = next.expect("so many are linked");
            // SAFETY: it came to us, and its link with it.
            next = self.page.links[block as usize].with(|link| unsafe { *link });
            assert!(!self.back.contains(&block), "{block} came twice");
            self.back.push(block);
        }
        assert_eq!(next, None, "no more are linked than were told of");
        true
    }

    /// As `Local::restock`, until the page has nothing left and is out of sight.
    fn restock(&mut self) {
        self.read_mail();
        while self.listed {
            if !self.take() && self.page.remote.set_full() {
                self.full = true;
                self.listed = false;
            }
        }
    }

    /// As `Local::put`: the owner frees a block of its own.
    fn put(&mut self) {
        if self.full {
            self.full = false;
            self.page.remote.clear_full();
            self.listed = true;
        }
    }

    /// As `Local::retire`, when all blocks are back.
    fn retire(&mut self, blocks: usize) -> bool {
        let goes = self.back.len() == blocks && self.listed && !self.page.remote.in_mail();
        if goes {
            // SAFETY: nobody else looks at it any more: that is what is asked.
            self.page.alive.with_mut(|alive| unsafe { *alive = false });
        }
        goes
    }
}

#[test]
fn loom_bucket_blocks_of_two_threads_come_back_once() {
    loom::model(|| {
        let mut owner = Owner::new();
        let others = [owner.frees(&[0, 1]), owner.frees(&[2])];
        owner.take();
        owner.take();
        others.into_iter().for_each(|other| other.join().unwrap());
        owner.take();
        assert_eq!(owner.back.len(), 3);
    });
}

#[test]
fn loom_bucket_a_full_page_is_posted_once_and_found_again() {
    loom::model(|| {
        let mut owner = Owner::new();
        let others = [owner.frees(&[0]), owner.frees(&[1, 2])];
        owner.restock();
        others.into_iter().for_each(|other| other.join().unwrap());
        owner.restock();
        assert_eq!(owner.back.len(), 3, "whoever freed first has said so");
        owner.put();
        assert!(owner.retire(3));
    });
}

#[test]
fn loom_bucket_a_page_that_is_full_again_is_not_posted_twice() {
    loom::model(|| {
        let mut owner = Owner::new();
        let others = [owner.frees(&[0]), owner.frees(&[1])];
        owner.restock();
        // Listed by a block of its owner's while it may be on its way; and used up again.
        owner.put();
        owner.restock();
        others.into_iter().for_each(|other| other.join().unwrap());
        owner.restock();
        assert_eq!(owner.back.len(), 2);
    });
}

#[test]
fn loom_bucket_a_page_in_the_mail_is_not_given_back() {
    loom::model(|| {
        let mut owner = Owner::new();
        let others = [owner.frees(&[0]), owner.frees(&[1])];
        owner.restock();
        owner.put();
        owner.take();
        // At this moment the last one may have given its block back, and not have posted the page yet.
        let early = owner.retire(2);
        others.into_iter().for_each(|other| other.join().unwrap());
        if !early {
            owner.read_mail();
            owner.take();
            assert!(owner.retire(2));
        }
    });
}

#[test]
fn loom_bucket_a_cache_is_one_threads_at_a_time() {
    loom::model(|| {
        let cache = Arc::new((State::default(), UnsafeCell::new(0u32)));
        cache.0.begin();
        let work = |cache: &(State, UnsafeCell<u32>)| {
            // SAFETY: the calling thread has the cache.
            cache.1.with_mut(|value| unsafe { *value += 1 });
        };
        let others = [(); 2].map(|()| {
            let cache = Arc::clone(&cache);
            thread::spawn(move || {
                let held = cache.0.try_hold();
                if held {
                    work(&cache);
                    cache.0.park();
                }
                u32::from(held)
            })
        });
        work(&cache);
        cache.0.park();
        let held: u32 = others.into_iter().map(|other| other.join().unwrap()).sum();
        assert!(cache.0.try_hold() && !cache.0.try_hold());
        // SAFETY: as above.
        assert_eq!(cache.1.with(|value| unsafe { *value }), 1 + held);
    });
}
