//! Saved and loaded allocators, also those that somebody changed in between.

use std::string::ToString;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn load<F: Fit>(saved: &Value, blocks: usize) -> Result<OffsetAllocator<F>, FitStateError> {
    let state: OffsetAllocatorState = serde_json::from_value(saved.clone()).expect("well formed");
    state.try_into_allocator(OffsetOptions::new(tag("loaded")).blocks(blocks))
}

/// Numbers that look random and are the same each time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end
    }
}

/// A range with pieces of every kind, and all ids that there have been.
fn busy<F: Fit>(seed: u64) -> (OffsetAllocator<F>, Vec<BlockId>) {
    let mut range: OffsetAllocator<F> =
        OffsetOptions::new(tag("saved")).granularity(4).capacity(4000).try_build().unwrap();
    let mut numbers = Numbers(seed);
    let middle = range.try_append(1000).unwrap();
    let drained = range.try_append(1000).unwrap();
    range.try_append(1000).unwrap();
    let mut ids = Vec::new();
    for n in 0..200 {
        if let Ok(block) = range.try_allocate(1 + numbers.below(100) as u64, 4 << numbers.below(3)) {
            range.set_word(block.id, n).unwrap();
            ids.push(block.id);
        }
        if n % 3 != 0 {
            let _ = range.free(ids[numbers.below(ids.len())]);
        }
        if n == 150 {
            range.try_drain(drained, true).unwrap();
        }
        if n == 100 {
            // A row whose generations are over; what names it is stale.
            let block = ids[0].to_bits() as u32;
            if range.get(ids[0]).is_some() {
                range.blocks.nodes.wear_out(block);
                let worn = BlockId::from_bits(u64::from(block) | (u64::from(u32::MAX) - 1) << 32).unwrap();
                range.free(worn).unwrap();
                ids.push(worn);
            }
        }
    }
    for block in range.walk().filter(|piece| (4000..5000).contains(&piece.offset)).collect::<Vec<_>>() {
        if let BlockState::Used(id) = block.state {
            range.free(id).unwrap();
        }
    }
    if seed.is_multiple_of(2) {
        range.try_remove(middle).unwrap();
    }
    (range, ids)
}

fn same<F: Fit, G: Fit>(one: &OffsetAllocator<F>, other: &OffsetAllocator<G>, ids: &[BlockId]) {
    assert!(one.walk().eq(other.walk()));
    assert!(one.segments().eq(other.segments()));
    for id in ids {
        assert_eq!((one.get(*id), one.word(*id)), (other.get(*id), other.word(*id)));
    }
    let (one, other) = (one.stats(), other.stats());
    assert_eq!(FitStats { bookkeeping: 0, ..one }, FitStats { bookkeeping: 0, ..other });
}

fn round_trip<F: Fit>(seed: u64) {
    let (mut range, mut ids) = busy::<F>(seed);
    let saved = serde_json::to_value(&range).unwrap();
    let mut loaded = load::<F>(&saved, 1000).unwrap();
    same(&range, &loaded, &ids);
    assert_eq!(serde_json::to_value(&loaded).unwrap(), saved);
    same(&range, &load::<Tlsf>(&saved, 1000).unwrap(), &ids);
    // From here on both do the same: places, ids, errors, and what a segment is called that comes.
    let mut numbers = Numbers(!seed);
    for n in 0..500 {
        let id = ids[numbers.below(ids.len())];
        let size = 1 + numbers.below(200) as u64;
        match numbers.below(10) {
            0..4 => {
                let (one, other) = (range.try_allocate(size, 8), loaded.try_allocate(size, 8));
                assert_eq!(one, other);
                ids.extend(one.map(|block| block.id));
            }
            4..8 => assert_eq!(range.free(id), loaded.free(id)),
            8 => assert_eq!(range.try_grow(id, size), loaded.try_grow(id, size)),
            _ if n % 50 == 0 => assert_eq!(range.try_append(size), loaded.try_append(size)),
            _ => {
                let last = range.segments().last().unwrap();
                assert_eq!(range.try_drain(last, n % 2 == 0), loaded.try_drain(last, n % 2 == 0));
            }
        }
    }
    same(&range, &loaded, &ids);
}

#[test]
fn a_loaded_allocator_is_the_saved_one() {
    for seed in 0..20 {
        round_trip::<BestFit>(seed);
        round_trip::<FirstFit>(seed);
        round_trip::<WorstFit>(seed);
    }
    let (range, ids) = busy::<Tlsf>(7);
    same(&range, &load::<NextFit>(&serde_json::to_value(&range).unwrap(), 1000).unwrap(), &ids);
}

#[test]
fn what_makes_no_sense_is_refused_in_words() {
    let mut range: OffsetAllocator =
        OffsetOptions::new(tag("saved")).granularity(1).capacity(100).try_build().unwrap();
    // Row 1 is the border, 2 to 4 the pieces; a fourth one was joined with what is behind it.
    range.try_allocate(10, 1).unwrap();
    let gone = range.try_allocate(20, 1).unwrap();
    range.try_allocate(30, 1).unwrap();
    range.free(gone.id).unwrap();
    let last = range.try_allocate(40, 1).unwrap();
    range.try_shrink(last.id, 5).unwrap();
    let good = serde_json::to_value(&range).unwrap();
    let pieces = &good["segments"][0]["pieces"];
    assert_eq!(pieces, &json!([[2, 10, 0], [3, 20, null], [4, 30, 0], [5, 5, 0], [6, 35, null]]));
    assert_eq!(good["vacant"], json!([]));
    load::<Tlsf>(&good, 6).unwrap();

    let refused = |path: &str, value: Value| {
        let mut bad = good.clone();
        *bad.pointer_mut(path).expect("a field") = value;
        load::<Tlsf>(&bad, 6).err()
    };
    use FitStateError as Error;
    assert_eq!(refused("/granularity", json!(24)), Some(Error::Granularity { granularity: 24 }));
    assert_eq!(refused("/granularity", json!(0)), Some(Error::Granularity { granularity: 0 }));
    assert_eq!(
        refused("/generations", json!(std::vec![0; 2000])),
        Some(Error::TooMany { rows: 2000, capacity: 6 })
    );
    assert_eq!(refused("/generations", json!([0, 0, 1])), Some(Error::NoSuchRow { row: 4 }));
    assert_eq!(
        refused("/generations/1", json!(u32::MAX)),
        Some(Error::Generation { row: 2, generation: u32::MAX })
    );
    assert_eq!(
        refused("/generations/0", json!(u32::MAX)),
        Some(Error::Generation { row: 1, generation: u32::MAX })
    );
    assert_eq!(refused("/generations/2", json!(u32::MAX)), None, "a free one gets another number");
    assert_eq!(
        refused("/generations", json!([0, 0, 1, 0, 0, 0, 8])),
        Some(Error::TooMany { rows: 7, capacity: 6 })
    );
    assert_eq!(refused("/vacant", json!([0])), Some(Error::NoSuchRow { row: 0 }));
    assert_eq!(refused("/vacant", json!([7])), Some(Error::NoSuchRow { row: 7 }));
    assert_eq!(refused("/vacant", json!([u32::MAX])), Some(Error::NoSuchRow { row: u32::MAX }));
    assert_eq!(refused("/vacant", json!([3])), Some(Error::NamedTwice { row: 3 }));
    assert_eq!(refused("/segments/0/row", json!(6)), Some(Error::NamedTwice { row: 6 }));
    assert_eq!(refused("/segments/0/pieces/1/0", json!(2)), Some(Error::NamedTwice { row: 2 }));
    assert_eq!(refused("/segments/0/pieces/1/0", json!(0)), Some(Error::NoSuchRow { row: 0 }));
    assert_eq!(refused("/segments/0/pieces/1/1", json!(0)), Some(Error::Size { row: 3 }));
    assert_eq!(refused("/segments/0/pieces/1/1", json!(u32::MAX)), Some(Error::Size { row: 3 }));
    assert_eq!(refused("/segments/0/offset", json!(u32::MAX - 99)), Some(Error::Size { row: 6 }));
    assert_eq!(refused("/segments/0/offset", json!(u32::MAX - 100)), None, "up to the last granule");
    assert_eq!(refused("/segments/0/pieces/2/2", json!(null)), Some(Error::Torn { row: 4 }));
    assert_eq!(refused("/segments/0/pieces", json!([])), Some(Error::Segment { row: 1 }));
    assert_eq!(refused("/segments", json!([])), Some(Error::Generation { row: 1, generation: 0 }));
    let other = json!({ "row": 1, "offset": 0, "draining": false, "pieces": [[2, 1, 0]] });
    let more = json!({ "row": 3, "offset": 0, "draining": true, "pieces": [[4, 1, null], [5, 1, null]] });
    assert_eq!(refused("/segments", json!([other, more])), Some(Error::Segment { row: 3 }));
    let mut more = more;
    more["offset"] = json!(1);
    assert_eq!(refused("/segments", json!([other, more])), Some(Error::Torn { row: 5 }));
    for error in [Error::Torn { row: 4 }, Error::TooMany { rows: 7, capacity: 6 }] {
        assert!(error.to_string().contains("row"));
    }
}

#[test]
fn an_allocator_that_is_refused_leaves_nothing_behind() {
    let tag = tag("refused");
    let (range, _) = busy::<Tlsf>(3);
    let mut bad = serde_json::to_value(&range).unwrap();
    bad["segments"][0]["pieces"][0][1] = json!(0);
    let state: OffsetAllocatorState = serde_json::from_value(bad).unwrap();
    assert!(state.try_into_allocator::<BestFit>(OffsetOptions::new(tag)).is_err());
    let account = tag.account().own;
    assert_eq!((account.reserved, account.committed, account.live), (0, 0, 0));
}

/// All numbers of a value, to be changed.
fn numbers_of<'a>(value: &'a mut Value, found: &mut Vec<&'a mut Value>) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|value| numbers_of(value, found)),
        Value::Object(fields) => fields.values_mut().for_each(|value| numbers_of(value, found)),
        Value::Number(_) => found.push(value),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever is changed: refused, or a range whose pieces do not overlap, add up, and can be used up and freed.
    #[test]
    fn a_changed_state_is_refused_or_whole(
        seed in 0u64..8,
        changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u32>(), 0u8..5), 1..4),
    ) {
        let (range, _) = busy::<Tlsf>(seed);
        let mut saved = serde_json::to_value(&range).unwrap();
        for (which, value, kind) in changes {
            let mut numbers = Vec::new();
            numbers_of(&mut saved, &mut numbers);
            let number = &mut **which.get_mut(&mut numbers);
            let old = number.as_u64().unwrap();
            *number = match kind {
                0 => json!(value),
                1 => json!(value % 300),
                2 => json!(u32::MAX - value % 3),
                3 => json!((old + 1).min(u64::from(u32::MAX))),
                _ => json!(old.saturating_sub(1)),
            };
        }
        let Ok(mut loaded) = load::<BestFit>(&saved, 1000) else { return Ok(()) };
        let (mut end, mut used, mut free) = (0, Vec::new(), 0);
        for piece in loaded.walk() {
            assert!(piece.size > 0 && piece.offset >= end);
            end = piece.offset + piece.size;
            match piece.state {
                BlockState::Used(id) => used.push(id),
                BlockState::Free => free += piece.size,
                BlockState::Aside => {}
            }
        }
        let stats = loaded.stats();
        assert_eq!((stats.free, stats.used_blocks), (free, used.len() as u64));
        while let largest @ 1.. = loaded.stats().largest_free {
            used.push(loaded.try_allocate(largest, 1).unwrap().id);
        }
        for id in used {
            loaded.free(id).unwrap();
        }
        for segment in loaded.segments().collect::<Vec<_>>() {
            loaded.try_remove(segment).unwrap();
        }
        assert_eq!(loaded.stats().capacity, 0);
    }
}
