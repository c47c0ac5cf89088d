//! The contract, held against whichever system runs the tests.

use super::*;

struct Reservation {
    base: NonNull<u8>,
    size: usize,
}

impl Reservation {
    fn new(size: usize, align: usize) -> Self {
        Self { base: reserve(size, align).expect("a small reservation"), size }
    }

    fn page(&self, index: usize) -> NonNull<u8> {
        assert!((index + 1) * page_size() <= self.size);
        // SAFETY: inside the reservation by the check above.
        unsafe { self.base.add(index * page_size()) }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        // SAFETY: exactly what `reserve` gave, used by nobody else.
        unsafe { release(self.base, self.size) }.expect("a reservation can be released");
    }
}

fn fill(start: NonNull<u8>, size: usize, value: u8) {
    // SAFETY: the tests call this on pages they committed.
    unsafe { core::ptr::write_bytes(start.as_ptr(), value, size) }
}

fn sum(start: NonNull<u8>, size: usize) -> u64 {
    // SAFETY: the tests call this on pages they committed, which are zeroed or filled.
    unsafe { core::slice::from_raw_parts(start.as_ptr(), size) }.iter().map(|&byte| u64::from(byte)).sum()
}

#[test]
fn page_sizes_are_powers_of_two_in_order() {
    assert!(page_size().is_power_of_two() && page_size() >= 4096);
    assert!(granularity().is_power_of_two() && granularity() >= page_size());
    if let Some(huge) = huge_page_size() {
        assert!(huge.is_power_of_two() && huge > page_size());
    }
}

#[test]
fn reservations_are_aligned_as_asked() {
    for shift in 12..=24 {
        let align = 1usize << shift;
        let range = Reservation::new(granularity() * 4, align);
        assert_eq!(range.base.as_ptr().addr() % align, 0, "alignment {align}");
    }
}

#[test]
fn committed_pages_are_zero_keep_content_and_come_back_zero_after_decommit() {
    let page = page_size();
    let range = Reservation::new(granularity() * 16, page);
    // SAFETY: whole pages of the reservation above; nothing in them is in use when they are decommitted.
    unsafe {
        commit(range.page(0), 2 * page).unwrap();
        assert_eq!(sum(range.page(0), 2 * page), 0);
        fill(range.page(0), 2 * page, 7);
        commit(range.page(0), 2 * page).unwrap();
        assert_eq!(sum(range.page(0), 2 * page), 7 * 2 * page as u64, "committing again keeps content");
        decommit(range.page(0), page).unwrap();
        assert_eq!(sum(range.page(1), page), 7 * page as u64, "the neighbour keeps its content");
        commit(range.page(0), page).unwrap();
        assert_eq!(sum(range.page(0), page), 0, "a decommitted page comes back empty");
    }
}

#[test]
fn query_follows_a_page_through_its_life() {
    let page = page_size();
    let range = Reservation::new(granularity() * 4, page);
    let at = range.page(1);
    let state = || query(at.as_ptr());
    if state() == Err(OsError { call: Call::Query, size: 0, code: 45 }) {
        return; // macOS does not tell.
    }
    assert_eq!(state(), Ok(PageState::Reserved));
    // SAFETY: whole pages of the reservation above, accessed only while that is allowed.
    unsafe {
        commit(at, page).unwrap();
        assert_eq!(state(), Ok(PageState::Committed { writable: true }));
        fill(at, page, 3);
        protect(at, page, Access::Read).unwrap();
        assert_eq!(state(), Ok(PageState::Committed { writable: false }));
        assert_eq!(sum(at, page), 3 * page as u64, "protection keeps content");
        protect(at, page, Access::ReadWrite).unwrap();
        fill(at, page, 4);
        decommit(at, page).unwrap();
    }
    assert_eq!(state(), Ok(PageState::Reserved));
    let gone = range.base;
    drop(range);
    // Another thread's mapping may land there in between, but never as a page of ours.
    assert_ne!(query(gone.as_ptr()), Ok(PageState::Committed { writable: false }));
}

#[test]
fn resident_memory_rises_with_use_and_falls_with_decommit() {
    const SIZE: usize = 64 << 20;
    let range = Reservation::new(SIZE, page_size());
    // The other tests of this process use memory, too: one undisturbed round is enough to tell.
    let round = || {
        let before = process_memory().resident;
        // SAFETY: whole pages of the reservation above; nothing in them is in use when they are decommitted.
        unsafe {
            commit(range.base, SIZE).unwrap();
            fill(range.base, SIZE, 1);
            let used = process_memory().resident;
            decommit(range.base, SIZE).unwrap();
            let after = process_memory().resident;
            assert!(process_memory().resident_peak >= SIZE);
            (before, used, after)
        }
    };
    let mut rounds = std::vec::Vec::new();
    let told = (0..50).any(|_| {
        let (before, used, after) = round();
        rounds.push((before, used, after));
        used >= before + SIZE * 3 / 4 && after + SIZE * 3 / 4 <= used
    });
    assert!(told, "before, used, after: {rounds:?}");
}

#[test]
fn prefault_brings_pages_in_and_keeps_content() {
    let page = page_size();
    let range = Reservation::new(granularity() * 64, page);
    // SAFETY: whole committed pages of the reservation above.
    unsafe {
        commit(range.base, range.size).unwrap();
        fill(range.page(3), page, 9);
        prefault(range.base, range.size).unwrap();
        assert_eq!(sum(range.base, range.size), 9 * page as u64);
    }
}

#[test]
fn locking_works_or_is_refused_with_a_reason() {
    let page = page_size();
    let range = Reservation::new(granularity(), page);
    // SAFETY: a whole committed page of the reservation above.
    unsafe {
        commit(range.page(0), page).unwrap();
        match lock(range.page(0), page) {
            Ok(()) => unlock(range.page(0), page).unwrap(),
            Err(error) => assert_eq!(error.call(), Call::Lock),
        }
    }
}

#[test]
fn moved_pages_take_their_content_along_or_nothing_happens() {
    let page = page_size();
    let (old, new) = (Reservation::new(granularity() * 8, page), Reservation::new(granularity() * 8, page));
    // SAFETY: whole committed pages of the reservations above, which do not overlap.
    unsafe {
        commit(old.base, old.size).unwrap();
        commit(new.base, new.size).unwrap();
        fill(old.base, old.size, 3);
        match move_pages(old.base, new.base, old.size) {
            Ok(()) => {
                assert_eq!((sum(old.base, old.size), sum(new.base, new.size)), (0, 3 * old.size as u64));
            }
            Err(error) => {
                // Linux before 5.7, or a sanitizer between us and the system.
                assert!(!cfg!(target_os = "linux") || error.code() == 22, "{error}");
                assert_eq!((error.call(), sum(old.base, old.size)), (Call::Move, 3 * old.size as u64));
            }
        }
        fill(old.base, old.size, 1);
        fill(new.base, new.size, 1);
    }
}

#[test]
fn huge_page_advice_is_a_hint() {
    let Some(huge) = huge_page_size() else { return };
    let range = Reservation::new(huge * 2, huge);
    // SAFETY: whole pages of the reservation above.
    unsafe {
        commit(range.base, range.size).unwrap();
        if let Err(error) = prefer_huge(range.base, range.size) {
            assert_eq!(error.call(), Call::PreferHuge);
        }
        fill(range.base, range.size, 1);
    }
}

#[test]
fn an_impossible_reservation_is_an_error_with_a_size() {
    let size = 1usize << (usize::BITS - 2);
    let error = reserve(size, page_size()).unwrap_err();
    assert_eq!((error.call(), error.size()), (Call::Reserve, size));
    let text = std::format!("{error}");
    assert!(text.contains("reserving address space") && text.contains("was refused"), "{text}");
}

#[test]
fn calls_are_counted_and_can_be_refused() {
    let (reserves, all) = (calls(Call::Reserve), memory_calls());
    drop(Reservation::new(granularity(), page_size()));
    assert!(calls(Call::Reserve) > reserves && memory_calls() >= all + 2);

    let plan = fake::fail_after(Call::Reserve, 1);
    drop(Reservation::new(granularity(), page_size()));
    let error = reserve(granularity(), page_size()).unwrap_err();
    assert_eq!(error.code(), OsError::INJECTED);
    assert!(std::format!("{error}").contains("injected"));
    assert_eq!((plan.seen(), plan.refused()), (2, 1));
    drop(plan);
    drop(Reservation::new(granularity(), page_size()));
}

#[test]
fn figures_clock_and_entropy_are_alive() {
    assert!(process_memory().resident > 0 && process_memory().address_space > 0);
    let machine = machine_memory();
    assert!(machine.total >= machine.available && machine.available > 0, "{machine:?}");
    let start = monotonic_ns();
    std::thread::sleep(std::time::Duration::from_millis(2));
    assert!(monotonic_ns() - start >= 1_000_000);
    assert_ne!(entropy(), entropy());
}

#[test]
fn first_use_of_pages_shows_as_page_faults() {
    const PAGES: usize = 1000;
    let range = Reservation::new(granularity() * PAGES, page_size());
    // SAFETY: whole pages of the reservation above.
    unsafe { commit(range.base, PAGES * page_size()) }.unwrap();
    let before = page_faults().minor;
    if cfg!(windows) && before == 0 {
        return; // Wine does not count. A process on real Windows has faulted before it gets here.
    }
    for page in 0..PAGES {
        fill(range.page(page), 1, 1);
    }
    let faults = page_faults().minor - before;
    // Fault-around and transparent huge pages may serve several pages at once.
    assert!(faults >= 1, "{faults}");
}

#[test]
fn a_place_is_had_exactly_or_not_at_all() {
    let size = 2 * granularity();
    let taken = Reservation::new(size, granularity());
    let error = reserve_at(taken.base, granularity()).unwrap_err();
    assert_eq!(error.call(), Call::Reserve);
    // Given back and taken again; only another thread of the tests could come between, so try more than once.
    let again = (0..16).any(|_| {
        let place = reserve(size, granularity()).unwrap();
        // SAFETY: exactly the reservation just made.
        unsafe { release(place, size) }.unwrap();
        if reserve_at(place, size).is_err() {
            return false;
        }
        // SAFETY: exactly the reservation just made.
        unsafe { release(place, size) }.unwrap();
        true
    });
    assert!(again);
}

#[test]
fn an_extent_holds_the_address_and_ends_where_the_pages_differ() {
    let (page, size) = (page_size(), 8 * granularity());
    let range = Reservation::new(size, page);
    let start = range.base.as_ptr().addr();
    // SAFETY: whole pages of the reservation above; nothing is accessed while it may not be.
    unsafe {
        commit(range.page(2), 2 * page).unwrap();
        protect(range.page(3), page, Access::Read).unwrap();
    }
    let at = |offset: usize| extent(range.base.as_ptr().wrapping_add(offset)).unwrap();
    let writable = Extent {
        start: start + 2 * page,
        end: start + 3 * page,
        state: PageState::Committed { writable: true },
    };
    assert_eq!(at(3 * page - 1), writable);
    let read_only = Extent {
        start: start + 3 * page,
        end: start + 4 * page,
        state: PageState::Committed { writable: false },
    };
    assert_eq!(at(3 * page), read_only);
    let rest = at(4 * page + 1);
    assert_eq!((rest.start, rest.state), (start + 4 * page, PageState::Reserved));
    assert!(rest.end >= start + size);
    let low = extent(core::ptr::without_provenance(1)).unwrap();
    assert!(low.start <= 1 && low.end > 1);
    assert_eq!(low.state, PageState::Free);
}

#[test]
fn code_can_be_made_runnable() {
    let range = Reservation::new(granularity(), page_size());
    // SAFETY: whole pages of the reservation above.
    unsafe {
        commit(range.base, page_size()).unwrap();
        fill(range.base, page_size(), 0xc3);
        protect(range.base, page_size(), Access::ReadExecute).unwrap();
    }
    assert_eq!(query(range.base.as_ptr()).unwrap(), PageState::Committed { writable: false });
    #[cfg(target_arch = "x86_64")]
    {
        // SAFETY: the page is full of `ret`, and may be run.
        unsafe { core::mem::transmute::<*mut u8, extern "C" fn()>(range.base.as_ptr())() };
    }
}

#[test]
#[cfg(unix)]
fn an_error_tells_what_the_system_says() {
    let error = |code| OsError { call: Call::Reserve, size: 4096, code };
    let said = std::format!("{}", error(libc::ENOMEM));
    let expected = std::format!("{}", std::io::Error::from_raw_os_error(libc::ENOMEM));
    assert!(said.ends_with(&expected) && said.contains("os error 12"), "{said}");
    assert!(std::format!("{}", error(99_999)).ends_with("(os error 99999)"));
}
