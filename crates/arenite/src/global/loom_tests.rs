//! Every interleaving of two threads at one book, whose batches are small.

use loom::sync::Arc;
use loom::thread;

use super::book::{BATCH, Book, Sums};
use crate::base::sync::{AtomicUsize, Ordering};

/// What must be true of each look, whatever happens meanwhile.
fn check(sums: &Sums) {
    assert!(sums.allocated >= sums.freed, "{sums:?}");
    for (allocs, frees) in sums.allocs.iter().zip(&sums.frees) {
        assert!(allocs >= frees, "{sums:?}");
    }
    assert!(sums.peak >= sums.allocated - sums.freed, "{sums:?}");
    assert!(sums.reallocs <= sums.frees.iter().sum(), "{sums:?}");
}

/// One thread frees what the other has allocated, while that one looks: it never sees a block come back that it does not
/// know of.
#[test]
fn loom_a_look_never_underflows() {
    loom::model(|| {
        let book = Arc::new(Book::<3>::new());
        let handed = Arc::new(AtomicUsize::new(0));
        let other = thread::spawn({
            let (book, handed) = (Arc::clone(&book), Arc::clone(&handed));
            move || {
                // Acquire: as a block changes hands in a program.
                if handed.load(Ordering::Acquire) == 1 {
                    book.free(2, 3);
                    return 3;
                }
                0
            }
        });
        let looker = thread::spawn({
            let book = Arc::clone(&book);
            move || check(&book.sums())
        });
        book.alloc(1, 3);
        handed.store(1, Ordering::Release);
        let freed = other.join().unwrap();
        looker.join().unwrap();
        let sums = book.sums();
        check(&sums);
        assert_eq!((sums.allocated, sums.freed), (3, freed));
    });
}

/// A thread ends and another one goes on with its slot: nothing is lost.
#[test]
fn loom_a_slot_is_inherited() {
    loom::model(|| {
        let book = Arc::new(Book::<3>::new());
        // Who has the slot, as `base::thread` keeps it.
        let living = Arc::new(AtomicUsize::new(1));
        let heir = thread::spawn({
            let (book, living) = (Arc::clone(&book), Arc::clone(&living));
            move || {
                if living.compare_exchange(0, 2, Ordering::Acquire, Ordering::Relaxed).is_ok() {
                    book.alloc(1, 4);
                    book.realloc(1, 4, 5);
                    book.free(1, 2);
                } else {
                    book.alloc(0, 4);
                    book.realloc(0, 4, 5);
                    book.free(0, 2);
                }
                book.fail();
            }
        });
        book.alloc(1, 2);
        living.store(0, Ordering::Release);
        heir.join().unwrap();
        let sums = book.sums();
        check(&sums);
        assert_eq!((sums.allocated, sums.freed, sums.failures), (11, 6, 1));
        assert_eq!((sums.allocs.iter().sum::<u64>(), sums.frees.iter().sum::<u64>()), (3, 2));
        assert_eq!(sums.reallocs, 1);
    });
}

/// The peak of two threads is off by no more than what its documentation says.
#[test]
fn loom_a_peak_stays_within_its_bound() {
    loom::model(|| {
        let book = Arc::new(Book::<3>::new());
        let other = thread::spawn({
            let book = Arc::clone(&book);
            move || {
                book.alloc(2, 6);
                book.free(2, 6);
            }
        });
        book.alloc(1, 3);
        book.free(1, 3);
        book.alloc(1, 5);
        other.join().unwrap();
        let peak = book.sums().peak as i64;
        // It was 6 at the least, and 11 at the most; two threads, and one batch more.
        assert!((6 - 2 * BATCH..=11 + 3 * BATCH).contains(&peak) && peak >= 5, "{peak}");
    });
}
