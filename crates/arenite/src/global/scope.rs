//! Scopes of tags: which tag a thread allocates under, for our own heap and for a tagged [`TrackingAllocator`] alike.
//!
//! [`TrackingAllocator`]: super::TrackingAllocator

use core::cell::Cell;
use core::marker::PhantomData;
use core::panic::Location;

use crate::heap::bucket::{self, StdThreads};
use crate::ledger::{Here, Ledger, Tag, here, set_aside, set_here};
use crate::region::AllocError;

/// Scopes that a thread knows by number. Deeper ones are known by depth only, which is the same unless they are closed out
/// of order.
const KNOWN: usize = 32;

std::thread_local! {
    /// How many scopes are open.
    static DEPTH: Cell<usize> = const { Cell::new(0) };
    /// The number of the last scope that was opened.
    static SERIAL: Cell<u64> = const { Cell::new(0) };
    /// The numbers of the open scopes, by depth.
    static OPEN: [Cell<u64>; KNOWN] = const { [const { Cell::new(0) }; KNOWN] };
}

/// While it lives, the calling thread allocates under a tag; made by [`Tag::scope`]. Stays on its thread.
///
/// Scopes nest. Closing one closes all that were opened inside it and are still there, which then do nothing when they are
/// dropped; so guards that are dropped out of order, or leaked and dropped later, never leave a tag behind. One that is never
/// dropped ends with the scope around it.
#[derive(Debug)]
#[must_use = "the scope ends when this is dropped"]
pub struct TagScope {
    before: Here,
    depth: usize,
    serial: u64,
    /// It changes its own thread's state.
    local: PhantomData<*const ()>,
}

impl Tag {
    /// From now on, until the guard is dropped, the calling thread allocates under this tag: in
    /// [`GlobalHeap`](crate::GlobalHeap) and in a [tagged](crate::Tagged) [`TrackingAllocator`](crate::TrackingAllocator).
    /// A block that is resized keeps its tag, and freeing credits the tag it was allocated under, on whatever thread.
    ///
    /// A few loads and stores, once the thread has allocated under the tag before. Threads and jobs begin `untagged`; to
    /// hand a tag over see [`carry`](Self::carry).
    ///
    /// ```
    /// use arenite::Tag;
    ///
    /// let (game, ai) = (Tag::register("game")?, Tag::register("game/ai")?);
    /// let outer = game.scope();
    /// {
    ///     let _inner = ai.scope();
    ///     assert_eq!(Tag::current(), ai);
    /// }
    /// assert_eq!(Tag::current(), game);
    /// drop(outer);
    /// assert_eq!(Tag::current(), Tag::untagged());
    /// # Ok::<(), arenite::TagError>(())
    /// ```
    ///
    /// # Panics
    /// The tag is of another ledger than the process's; or our heap has no place for it, because a budget would be broken or
    /// the system refused.
    #[track_caller]
    pub fn scope(self) -> TagScope {
        match self.try_scope() {
            Ok(scope) => scope,
            Err(error) => error.raise(),
        }
    }

    /// As [`scope`](Self::scope), with the refusal as a value.
    ///
    /// # Errors
    /// Our heap has no place for the tag: a budget would be broken, or the system refused. Nothing has changed then.
    ///
    /// # Panics
    /// The tag is of another ledger than the process's.
    #[track_caller]
    pub fn try_scope(self) -> Result<TagScope, AllocError> {
        let process = core::ptr::eq(self.ledger(), Ledger::process());
        assert!(
            process,
            "tag `{self}` is not of the process's ledger, which is the one that allocators charge"
        );
        let before = here();
        stand(Here { tag: Some(self), site: Some(Location::caller()) })?;
        let depth = DEPTH.get() + 1;
        let serial = SERIAL.get() + 1;
        DEPTH.set(depth);
        SERIAL.set(serial);
        OPEN.with(|open| open.get(depth).map_or((), |open| open.set(serial)));
        Ok(TagScope { before, depth, serial, local: PhantomData })
    }

    /// Calls `work` inside a [`scope`](Self::scope).
    ///
    /// # Panics
    /// As [`scope`](Self::scope).
    #[track_caller]
    pub fn in_scope<R>(self, work: impl FnOnce() -> R) -> R {
        let _scope = self.scope();
        work()
    }

    /// `work`, to be called on another thread or in a job, where it runs inside a [`scope`](Self::scope) of this tag.
    ///
    /// ```
    /// use arenite::Tag;
    ///
    /// let ai = Tag::register("game/ai")?;
    /// let _scope = ai.scope();
    /// let job = Tag::current().carry(|| Tag::current());
    /// assert_eq!(std::thread::spawn(job).join().unwrap(), ai);
    ///
    /// // In rayon: a closure for `join`, `spawn` and `install`, or a scope in the closure of an iterator.
    /// let (one, other) = rayon::join(ai.carry(|| Tag::current()), || Tag::current());
    /// assert_eq!(one, ai);
    /// # let _ = other;
    /// # Ok::<(), arenite::TagError>(())
    /// ```
    ///
    /// # Panics
    /// The closure does, as [`scope`](Self::scope) does.
    #[track_caller]
    pub fn carry<R>(self, work: impl FnOnce() -> R) -> impl FnOnce() -> R {
        let site = Location::caller();
        move || {
            let _scope = self.scope();
            // Whoever is asked where the scope was opened wants to know who handed it over.
            set_here(Here { site: Some(site), ..here() });
            work()
        }
    }

    /// The tag of the innermost open scope of the calling thread; `untagged` if there is none.
    #[must_use]
    pub fn current() -> Self {
        here().tag.unwrap_or_else(Self::untagged)
    }
}

/// The thread stands there from now on, and so does its place in our heap, if there is a heap.
pub(super) fn stand(there: Here) -> Result<(), AllocError> {
    set_aside(aside);
    if bucket::is_made() {
        // An allocation of its own under another tag may lie between: where the heap stands is asked each time.
        bucket::enter::<StdThreads>(there.tag.unwrap_or_else(Tag::untagged))?;
    }
    set_here(there);
    Ok(())
}

/// Runs something with the calling thread under no tag, in the heap as well. Scopes that it leaves open end with it.
pub(super) fn aside(run: &mut dyn FnMut()) {
    let (before, depth) = (here(), DEPTH.get());
    // Its place in the heap may be another tag's while a block is resized under the tag that it has.
    let place = bucket::is_made().then(|| bucket::enter::<StdThreads>(Tag::untagged()).ok()).flatten();
    set_here(Here { tag: None, site: None });
    run();
    set_here(before);
    DEPTH.set(depth);
    if let Some(place) = place {
        // It has one: the thread was there a moment ago.
        let _ = bucket::enter::<StdThreads>(place);
    } else if bucket::is_made() {
        let _ = bucket::enter::<StdThreads>(before.tag.unwrap_or_else(Tag::untagged));
    }
}

impl Drop for TagScope {
    fn drop(&mut self) {
        let known = OPEN.with(|open| open.get(self.depth).map(Cell::get));
        // Already closed, with one around it.
        if self.depth > DEPTH.get() || known.is_some_and(|serial| serial != self.serial) {
            return;
        }
        DEPTH.set(self.depth - 1);
        // The heap has a place for the tag of before, unless it was made since; then it may be refused one, and the thread
        // stays where it is in the heap.
        if stand(self.before).is_err() {
            set_here(self.before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::mem;

    crate::tags! {
        A = "scope-tests/a";
        B = "scope-tests/b";
        C = "scope-tests/c";
        D = "scope-tests/d";
    }

    #[test]
    fn scopes_nest_and_say_where_they_were_opened() {
        let outer = A.scope();
        {
            let line = line!() + 1;
            let _inner = B.scope();
            assert_eq!((Tag::current(), here().site.unwrap().line()), (*B, line));
        }
        assert_eq!(Tag::current(), *A);
        drop(outer);
        assert_eq!(Tag::current(), Tag::untagged());
        assert_eq!(A.in_scope(Tag::current), *A);
        assert_eq!(DEPTH.get(), 0);
    }

    #[test]
    fn an_outer_scope_that_is_closed_first_closes_the_inner_ones() {
        let (a, b) = (A.scope(), B.scope());
        drop(a);
        assert_eq!(Tag::current(), Tag::untagged());
        let (c, d) = (C.scope(), D.scope());
        drop(b);
        assert_eq!(Tag::current(), *D, "at the same depth as one that is open, and yet another one");
        drop(d);
        assert_eq!(Tag::current(), *C);
        drop(c);
        assert_eq!(Tag::current(), Tag::untagged());
    }

    #[test]
    fn a_forgotten_scope_ends_with_the_one_around_it() {
        let outer = A.scope();
        mem::forget(B.scope());
        assert_eq!(Tag::current(), *B);
        drop(outer);
        assert_eq!((Tag::current(), DEPTH.get()), (Tag::untagged(), 0));
    }

    #[test]
    fn deep_scopes_nest_too() {
        fn down(depth: usize) {
            let tag = if depth.is_multiple_of(2) { *A } else { *B };
            let _scope = tag.scope();
            if depth > 0 {
                down(depth - 1);
            }
            assert_eq!(Tag::current(), tag);
        }
        down(3 * KNOWN);
        assert_eq!((Tag::current(), DEPTH.get()), (Tag::untagged(), 0));
    }

    #[test]
    fn a_panic_ends_the_scope() {
        let _ = std::panic::catch_unwind(|| {
            let _scope = A.scope();
            std::panic::resume_unwind(std::boxed::Box::new(()));
        });
        assert_eq!((Tag::current(), DEPTH.get()), (Tag::untagged(), 0));
    }

    #[test]
    fn a_tag_is_carried_to_another_thread_and_no_further() {
        let line = line!() + 1;
        let job = A.carry(|| (Tag::current(), here().site.unwrap().line()));
        let both = std::thread::spawn(|| (job(), Tag::current())).join().unwrap();
        assert_eq!(both, ((*A, line), Tag::untagged()));
    }

    #[test]
    #[should_panic(expected = "not of the process's ledger")]
    fn a_tag_of_another_ledger_is_refused() {
        let ledger: &'static Ledger = std::boxed::Box::leak(std::boxed::Box::new(Ledger::new()));
        let _ = ledger.register("elsewhere").unwrap().scope();
    }

    #[test]
    fn our_heap_follows() {
        // Makes the process's heap, if no other test has.
        let before = crate::GlobalHeap::enter(*C).unwrap();
        assert_eq!(Tag::current(), *C);
        let scope = D.scope();
        assert_eq!(crate::GlobalHeap::enter(*D).unwrap(), *D, "the scope has entered it");
        drop(scope);
        assert_eq!(crate::GlobalHeap::enter(before).unwrap(), *C);
        // A thread whose first block comes after the scope was opened.
        let tag = std::thread::spawn(|| {
            let _scope = A.scope();
            bucket::enter::<StdThreads>(*B).unwrap()
        });
        assert_eq!(tag.join().unwrap(), *A);
    }
}
