use super::*;

const PAGE: usize = 0x1000;

fn reserved(start: usize, pages: usize) -> Run {
    let end = start + pages * PAGE;
    Run { start, end, base: start, base_protect: 4, state: State::Reserved }
}

fn committed(protect: u32) -> State {
    State::Committed { protect, locked: false }
}

/// With room, as `lock_with_room` sees to it.
fn runs(list: &[Run]) -> Runs {
    let mut runs = Runs(Vec::with_capacity(64));
    list.iter().for_each(|run| runs.add(*run));
    runs
}

#[test]
fn a_change_cuts_runs_and_likes_join_again() {
    let mut book = runs(&[reserved(0x10000, 16)]);
    book.set(&(0x12000..0x14000), |_| committed(4));
    assert_eq!(book.0.len(), 3);
    assert_eq!(book.at(0x13fff).unwrap().state, committed(4));
    assert_eq!(book.at(0x14000).unwrap().state, State::Reserved);
    assert_eq!(book.committed(&(0x10000..0x20000)), 0x2000);
    assert_eq!(book.committed(&(0x13000..0x20000)), 0x1000);
    book.set(&(0x13000..0x15000), |_| committed(2));
    assert_eq!(book.0.len(), 4);
    assert_eq!(book.reservation(0x10000), Some(0x10000..0x20000));
    assert_eq!(book.reservation(0x12000), None);
    book.set(&(0x10000..0x20000), |_| State::Reserved);
    assert_eq!(book.0, [reserved(0x10000, 16)]);
}

#[test]
fn neighbouring_reservations_stay_two() {
    let mut book = runs(&[reserved(0x20000, 1), reserved(0x10000, 16)]);
    assert!(book.is_one(&(0x10000..0x20000)));
    assert!(!book.is_one(&(0x1f000..0x21000)));
    assert_eq!(book.gap(0x5000), 0..0x10000);
    assert_eq!(book.gap(0x21000), 0x21000..usize::MAX);
    book.set(&(0x10000..0x20000), |_| committed(4));
    book.set(&(0x20000..0x21000), |_| committed(4));
    assert_eq!(book.0.len(), 2);
    book.remove(&(0x10000..0x20000));
    assert_eq!((book.0.len(), book.at(0x1f000), book.gap(0x1f000)), (1, None, 0..0x20000));
}

/// Against a list with an entry per page.
#[test]
fn random_changes_agree_with_a_page_by_page_model() {
    const PAGES: usize = 64;
    let mut seed = 1u64;
    let mut random = |below: usize| {
        seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (seed >> 33) as usize % below
    };
    let mut book = runs(&[reserved(0, PAGES / 2), reserved(PAGES / 2 * PAGE, PAGES / 2)]);
    let mut model = [State::Reserved; PAGES];
    for _ in 0..20_000 {
        let half = random(2) * PAGES / 2;
        let first = half + random(PAGES / 2);
        let last = first + random(half + PAGES / 2 - first + 1);
        let state = [State::Reserved, committed(1), committed(2), committed(4)][random(4)];
        book.set(&(first * PAGE..last * PAGE), |_| state);
        model[first..last].fill(state);
        for (page, state) in model.iter().enumerate() {
            assert_eq!(book.at(page * PAGE).unwrap().state, *state);
        }
        for pair in book.0.windows(2) {
            assert_eq!(pair[0].end, pair[1].start);
            assert!(pair[0].state != pair[1].state || pair[0].base != pair[1].base);
        }
    }
}
