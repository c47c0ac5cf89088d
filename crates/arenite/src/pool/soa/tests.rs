//! Columns from safe code: names, order, memory; what panics is in [`panics`], what the derive makes in [`derive`].

mod derive;
mod panics;

use std::boxed::Box;
use std::string::{String, ToString};
use std::vec::Vec;

use super::*;
use crate::Soa;
use crate::ledger::{Budget, Ledger};
use crate::os::{Call, fake};

fn fresh_tag() -> Tag {
    let ledger: &'static Ledger = Box::leak(Box::new(Ledger::new()));
    ledger.register("test/columns").expect("a fresh ledger has room")
}

#[derive(Soa, Debug, PartialEq, Clone)]
#[soa(crate = "crate", derive(Debug, PartialEq))]
struct Item {
    key: u32,
    text: String,
    flag: bool,
}

fn item(key: u32) -> Item {
    Item { key, text: key.to_string(), flag: key.is_multiple_of(3) }
}

fn columns(capacity: usize) -> Columns<Item> {
    Columns::try_new(fresh_tag(), capacity).expect("address space")
}

/// Every row is whole and the handles name what they should.
fn agrees(columns: &Columns<Item>, model: &[(Handle<Item>, u32)]) {
    columns.check();
    assert_eq!(columns.len(), model.len());
    for (handle, key) in model {
        let row = columns.get(*handle).expect("still there");
        let text = key.to_string();
        assert_eq!(row, ItemRef { key, text: &text, flag: &key.is_multiple_of(3) });
        let index = columns.index_of(*handle).unwrap();
        assert_eq!(columns.handle_at(index), Some(*handle));
        assert_eq!(columns.get_at(index), Some(row));
    }
    let slices = columns.columns();
    assert_eq!(
        (slices.key.len(), slices.text.len(), slices.flag.len()),
        (model.len(), model.len(), model.len())
    );
    assert!(slices.key.iter().zip(slices.text).all(|(key, text)| key.to_string() == *text));
    assert!(columns.handles().enumerate().all(|(index, handle)| columns.index_of(handle) == Some(index)));
}

fn random(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*seed >> 33) as usize
}

#[test]
fn rows_come_and_go_and_handles_stay_right() {
    let mut columns = columns(500);
    let (mut model, mut stale, mut seed) = (Vec::new(), Vec::new(), 7);
    for step in 0..20_000u32 {
        match random(&mut seed) % 16 {
            0..9 => match columns.try_push(item(step)) {
                Ok(handle) => model.push((handle, step)),
                Err(refused) => {
                    assert_eq!(model.len(), 500);
                    assert!(matches!(refused.error, AllocError::Full { capacity: 500, .. }));
                    assert_eq!(refused.into_value(), item(step));
                }
            },
            9..14 if !model.is_empty() => {
                let (handle, key) = model.swap_remove(random(&mut seed) % model.len());
                assert_eq!(columns.remove(handle), Some(item(key)));
                stale.push(handle);
            }
            14 if step % 50 == 0 => {
                columns.sort_by_key(|row| (*row.flag, u32::MAX - *row.key));
                assert!(columns.columns().flag.is_sorted());
            }
            15 if step % 20 == 0 => {
                columns.retain(|row| row.key.is_multiple_of(2) || *row.flag);
                let keep = |key: u32| key.is_multiple_of(2) || key.is_multiple_of(3);
                stale.extend(model.iter().filter(|(_, key)| !keep(*key)).map(|(handle, _)| *handle));
                model.retain(|(_, key)| keep(*key));
            }
            _ => {}
        }
        if step % 100 == 0 {
            agrees(&columns, &model);
            assert!(stale.iter().all(|handle| !columns.contains(*handle)));
        }
    }
    agrees(&columns, &model);
    assert!(stale.len() > 3000);
}

#[test]
fn a_slot_goes_through_all_of_its_generations_and_no_stale_handle_ever_resolves() {
    let mut columns = columns(3);
    columns.set_generations(5);
    let mut issued = Vec::new();
    // Three slots of five generations each, whatever is kept live beside them.
    for round in 0..15 {
        let handle = columns.push(item(round));
        assert!(issued.iter().all(|old| *old != handle), "a handle came twice");
        assert!(issued.iter().all(|old| !columns.contains(*old)), "a stale handle resolves");
        issued.push(handle);
        assert!(columns.remove(handle).is_some());
        columns.check();
    }
    assert_eq!((columns.stats().retired, columns.stats().capacity), (3, 0));
    let refused = columns.try_push(item(0)).unwrap_err();
    assert!(matches!(refused.error, AllocError::Full { .. }));
    assert!(columns.try_trim(0).is_ok());
    assert_eq!(columns.recycle(), 3);
    columns.check();
    let again = columns.push(item(1));
    assert!(issued.contains(&again), "from here on handles come again");
}

#[test]
fn many_rows_that_go_at_once_spend_their_generations_as_single_ones_do() {
    for at_once in [false, true] {
        let mut columns = columns(3000);
        columns.set_generations(3);
        let mut stale: Vec<Handle<Item>> = Vec::new();
        let mut seed = 5;
        for round in 0..4 {
            let wanted = 2000 - 500 * round;
            let pushed = columns.try_extend((0..wanted).map(item));
            // Beside those that are kept from an earlier round.
            if pushed.is_err() {
                assert_eq!(columns.len(), columns.stats().capacity);
            }
            for _ in 0..50 {
                stale.push(columns.handle_at(random(&mut seed) % columns.len()).unwrap());
                assert!(columns.remove(stale[stale.len() - 1]).is_some());
            }
            let keep = columns.len() / 4;
            stale.extend(columns.handles().skip(keep));
            if at_once {
                columns.truncate(keep);
            } else {
                (keep..columns.len()).for_each(|_| drop(columns.pop()));
            }
            columns.check();
            assert!(stale.iter().all(|handle| !columns.contains(*handle)), "round {round}");
        }
        columns.clear();
        columns.check();
        assert!(columns.stats().retired > 0);
    }
}

#[test]
fn the_very_last_generation_does_not_wrap() {
    let mut columns = columns(2);
    let first = columns.push(item(0));
    // As if it had been removed so often.
    columns.rows.pretend(first.index(), (1 << 31) - 2);
    let last = columns.handle_at(0).unwrap();
    assert_eq!(last.generation(), u32::MAX - 2);
    assert!(columns.contains(last) && !columns.contains(first));
    assert_eq!(columns.remove(last), Some(item(0)));
    columns.check();
    assert_eq!(columns.stats().retired, 1);
    let other = columns.push(item(1));
    assert_ne!(other.index(), last.index());
    assert!(!columns.contains(last) && !columns.contains(first));
}

#[test]
fn retired_slots_make_way_while_the_columns_grow() {
    let mut columns = columns(100_000);
    columns.set_generations(2);
    let mut model = Vec::new();
    let mut seed = 3;
    for key in 0..60_000 {
        model.push((columns.push(item(key)), key));
        if key % 3 != 0 {
            let (handle, key) = model.swap_remove(random(&mut seed) % model.len());
            assert_eq!(columns.remove(handle).map(|row| row.key), Some(key));
        }
    }
    agrees(&columns, &model);
    let stats = columns.stats();
    assert!(stats.retired > 10_000 && stats.capacity == 100_000 - stats.retired);
    assert_eq!(columns.recycle(), stats.retired);
    agrees(&columns, &model);
}

#[test]
fn forged_handles_resolve_to_a_live_row_or_to_nothing() {
    let mut columns = columns(100);
    let handles: Vec<_> = (0..50).map(|key| columns.push(item(key))).collect();
    for handle in &handles[..25] {
        columns.remove(*handle);
    }
    for index in (0..200).chain([u32::MAX, u32::MAX - 1, 1 << 31]) {
        for generation in [1, 3, 5, u32::MAX - 2, u32::MAX] {
            let forged = Handle::from_bits(u64::from(generation) << 32 | u64::from(index)).unwrap();
            let live = columns.handles().any(|handle| handle == forged);
            assert_eq!(columns.get(forged).is_some(), live);
            assert_eq!(columns.index_of(forged).is_some(), live);
        }
    }
}

#[test]
fn memory_given_back_keeps_stale_handles_stale() {
    let mut columns = columns(200_000);
    let handles: Vec<_> = (0..100_000).map(|key| columns.push(item(key))).collect();
    let full = columns.committed();
    for round in 0..3 {
        let kept = [handles[10], handles[700]];
        columns.retain(|row| *row.key == 10 || *row.key == 700);
        columns.try_trim(0).unwrap();
        columns.check();
        assert!(columns.committed() < full / 10, "{} of {full}", columns.committed());
        assert_eq!(columns.tag().account().subtree.committed, columns.committed());
        let back: Vec<_> = (0..100_000).map(|key| columns.push(item(key + 1_000_000))).collect();
        columns.check();
        for (key, handle) in handles.iter().enumerate() {
            assert_eq!(columns.contains(*handle), kept.contains(handle), "key {key}, round {round}");
        }
        columns.retain(|row| *row.key < 1_000_000);
        assert!(back.iter().all(|handle| !columns.contains(*handle)));
        // Before anything is pushed: as well.
        columns.try_trim(0).unwrap();
        assert!(back.iter().all(|handle| !columns.contains(*handle)));
        columns.try_presize(100_000).unwrap();
        assert!(back.iter().all(|handle| !columns.contains(*handle)));
        columns.check();
    }
}

#[test]
fn a_refused_trim_changes_nothing_that_can_be_seen() {
    for allowed in 0..6 {
        let mut columns = columns(200_000);
        let handles: Vec<_> = (0..50_000).map(|key| columns.push(item(key))).collect();
        columns.truncate(3);
        let plan = fake::fail_after(Call::Decommit, allowed);
        let answer = columns.try_trim(0);
        drop(plan);
        assert_eq!(answer.is_ok(), allowed >= 5);
        columns.check();
        assert_eq!(columns.tag().account().subtree.committed, columns.committed());
        let more: Vec<_> = (0..50_000).map(|key| (columns.push(item(key)), key)).collect();
        assert!(handles.iter().enumerate().all(|(index, handle)| columns.contains(*handle) == (index < 3)));
        columns.check();
        assert!(more.iter().all(|(handle, key)| columns.get(*handle).unwrap().key == key));
    }
}

#[test]
fn what_is_refused_comes_back_and_changes_nothing() {
    let tag = fresh_tag();
    let mut columns: Columns<Item> = Columns::try_new(tag, 1 << 20).unwrap();
    tag.set_budget(Budget::hard(1 << 20));
    let mut pushed = 0;
    let refused = loop {
        match columns.try_push(item(pushed)) {
            Ok(_) => pushed += 1,
            Err(refused) => break refused,
        }
    };
    assert!(matches!(refused.error, AllocError::Budget(_)));
    assert_eq!(refused.value, item(pushed));
    assert_eq!((columns.len(), tag.account().subtree.committed), (pushed as usize, columns.committed()));
    tag.set_budget(Budget::NONE);
    let plan = fake::fail_after(Call::Commit, 0);
    assert!(matches!(columns.try_push(item(pushed)).unwrap_err().error, AllocError::Os { .. }));
    drop(plan);
    assert_eq!(columns.try_extend((0..1000).map(item)).unwrap(), 1000);
    columns.check();
    columns.publish();
    assert_eq!(tag.account().subtree.live, columns.stats().used);
    drop(columns);
    let account = tag.account().subtree;
    assert_eq!((account.reserved, account.committed, account.live), (0, 0, 0));
}

#[test]
fn bounded_columns_ask_nobody_for_anything() {
    let options = PoolOptions::new(fresh_tag(), 1000).bounded();
    let mut columns: Columns<Item> = Columns::try_with(options).unwrap();
    let plan = fake::fail_all_after(0);
    assert_eq!(columns.try_extend((0..2000).map(item)).unwrap_err().value, item(1000));
    assert_eq!((plan.refused(), columns.len(), columns.capacity()), (0, 1000, 1000));
}

#[test]
fn sizes_that_do_not_fit_are_refused() {
    let tag = fresh_tag();
    let answer = Columns::<Item>::try_new(tag, u32::MAX as usize + 1);
    assert!(matches!(answer, Err(AllocError::TooLarge { .. })));
    let mut none = Columns::<Item>::try_new(tag, 0).unwrap();
    assert!(matches!(none.try_push(item(0)).unwrap_err().error, AllocError::Full { capacity: 0, .. }));
    assert!(none.columns().text.is_empty() && none.iter().next().is_none() && none.pop().is_none());
}

#[test]
fn every_column_is_aligned() {
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(16384))]
    struct Far(u8);
    #[derive(Clone, Copy, Debug, PartialEq)]
    #[repr(align(4096))]
    struct Nothing;
    #[derive(Soa, Clone, Copy, Debug, PartialEq)]
    #[soa(crate = "crate")]
    struct Odd {
        byte: u8,
        far: Far,
        nothing: Nothing,
        unit: (),
        wide: [u64; 3],
        flag: bool,
    }
    let mut columns: Columns<Odd> = Columns::try_new(fresh_tag(), 100).unwrap();
    let odd = |byte: u8| Odd {
        byte,
        far: Far(byte),
        nothing: Nothing,
        unit: (),
        wide: [byte.into(); 3],
        flag: byte > 3,
    };
    let handles: Vec<_> = (0..100).map(|byte| columns.push(odd(byte))).collect();
    let slices = columns.columns_mut();
    let starts = [
        slices.byte.as_ptr().addr(),
        slices.unit.as_ptr().addr(),
        slices.wide.as_ptr().addr(),
        slices.flag.as_ptr().addr(),
    ];
    assert!(starts.iter().all(|start| start % COLUMN_ALIGN == 0));
    assert_eq!((slices.far.as_ptr().addr() % 16384, slices.nothing.as_ptr().addr() % 4096), (0, 0));
    assert_eq!((slices.nothing.len(), slices.unit.len()), (100, 100));
    for handle in handles.iter().step_by(2) {
        columns.remove(*handle);
    }
    for (byte, handle) in handles.iter().enumerate() {
        let expected = (byte % 2 == 1).then(|| odd(byte as u8));
        assert_eq!(columns.cloned(*handle), expected);
    }
    // Nothing but columns of size zero.
    #[derive(Soa)]
    #[soa(crate = "crate")]
    struct Marks(());
    let mut marks: Columns<Marks> = Columns::try_new(fresh_tag(), 1 << 20).unwrap();
    let first = marks.push(Marks(()));
    marks.extend((0..100_000).map(|_| Marks(())));
    assert!(marks.remove(first).is_some() && marks.columns().0.len() == 100_000);
}

#[test]
fn sorting_is_stable_and_moves_no_name() {
    let mut columns = columns(1000);
    let mut seed = 11;
    let mut model: Vec<(Handle<Item>, u32)> = Vec::new();
    for key in 0..1000 {
        model.push((columns.push(item(key)), key));
        if key % 4 == 3 {
            let (handle, _) = model.swap_remove(random(&mut seed) % model.len());
            columns.remove(handle);
        }
    }
    let mut expected: Vec<u32> = columns.columns().key.to_vec();
    expected.sort_by_key(|key| key % 7);
    columns.sort_by_key(|row| row.key % 7);
    assert_eq!(columns.columns().key, expected);
    agrees(&columns, &model);
    expected.sort_by(|one, other| other.cmp(one));
    columns.sort_by(|one, other| other.key.cmp(one.key));
    assert_eq!(columns.columns().key, expected);
    agrees(&columns, &model);
}

#[test]
fn a_drain_takes_all_also_when_it_is_forgotten_or_left() {
    let mut columns = columns(100);
    let handles: Vec<_> = (0..10).map(|key| columns.push(item(key))).collect();
    assert_eq!(columns.drain().map(|row| row.key).collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
    assert!(handles.iter().all(|handle| !columns.contains(*handle)));
    columns.extend((0..10).map(item));
    let mut drain = columns.drain();
    assert_eq!((drain.next(), drain.next_back(), drain.len()), (Some(item(0)), Some(item(9)), 8));
    drop(drain);
    assert!(columns.is_empty());
    columns.push(item(1));
    core::mem::forget(columns.drain());
    assert!(columns.is_empty());
    columns.check();
    assert_eq!(columns.handle_at(0), None);
}

#[test]
fn iterators_give_each_row_once_from_both_ends() {
    let mut columns = columns(100);
    columns.extend((0..10).map(item));
    for row in &mut columns {
        *row.key += 1;
    }
    let keys: Vec<u32> = columns.iter().rev().map(|row| *row.key).collect();
    assert_eq!(keys, (1..=10).rev().collect::<Vec<_>>());
    assert_eq!((columns.iter().len(), columns.iter_mut().len()), (10, 10));
    *columns.get_at_mut(3).unwrap().flag = true;
    let handle = columns.handle_at(3).unwrap();
    columns.get_mut(handle).unwrap().text.push('!');
    assert_eq!(columns.get(handle).unwrap().text, "3!");
    assert!(columns.get_at_mut(10).is_none() && columns.remove_at(10).is_none());
}

#[test]
fn columns_go_to_threads_at_the_same_time() {
    let mut columns = columns(1000);
    columns.extend((0..1000).map(item));
    let ItemSlicesMut { key, text, flag } = columns.columns_mut();
    std::thread::scope(|threads| {
        threads.spawn(move || key.iter_mut().for_each(|key| *key += 1));
        threads.spawn(move || text.iter_mut().for_each(|text| text.push('x')));
        threads.spawn(move || flag.fill(true));
    });
    assert!(columns.iter().all(|row| *row.flag && *row.text == std::format!("{}x", row.key - 1)));
    let moved = std::thread::spawn(move || columns.len());
    assert_eq!(moved.join().unwrap(), 1000);
}
