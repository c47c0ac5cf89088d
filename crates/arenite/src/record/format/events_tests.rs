//! Events come back as they were written, however they follow each other.

use std::string::String;
use std::vec;
use std::vec::Vec;

use proptest::prelude::*;

use super::*;

/// An event that owns what it has.
#[derive(Clone, Debug)]
enum Told {
    Plain(What<'static>),
    Text(u8, String),
    TagNamed(u32, String),
    Stack(u32, Vec<u64>),
}

fn address() -> impl Strategy<Value = u64> {
    prop_oneof![
        8 => (0u64..200).prop_map(|block| 0x7F00_0000_0000 + block * 48),
        3 => (0u64..1 << 22).prop_map(|offset| 0x5500_0000_0000 + offset),
        1 => any::<u64>(),
    ]
}

fn size() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0u64..5, 3 => 0u64..10_000, 1 => any::<u64>()]
}

fn stack() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0u32..20, 1 => any::<u32>()]
}

fn told() -> impl Strategy<Value = Told> {
    let plain = prop_oneof![
        8 => (address(), size(), stack()).prop_map(|(address, size, stack)| What::Alloc { address, size, stack }),
        8 => address().prop_map(|address| What::Free { address }),
        3 => address().prop_map(|address| What::Moving { address }),
        3 => (address(), address()).prop_map(|(before, address)| What::Moved { before, address }),
        4 => (address(), address(), any::<bool>(), size(), stack()).prop_map(|(before, moved, moves, size, stack)| {
            What::Realloc { before, address: if moves { moved } else { before }, size, stack }
        }),
        1 => any::<u64>().prop_map(|number| What::Frame { number }),
        1 => any::<u32>().prop_map(|tag| What::Tag { tag }),
        1 => (any::<u32>(), any::<i64>()).prop_map(|(tag, bytes)| What::Committed { tag, bytes }),
        1 => any::<u64>().prop_map(|events| What::Lost { events }),
        1 => any::<bool>().prop_map(|pauses| if pauses { What::Paused } else { What::Resumed }),
        1 => (any::<u32>(), any::<u64>(), any::<u64>())
            .prop_map(|(tag, blocks, bytes)| What::Before { tag, blocks, bytes }),
        1 => (any::<u32>(), any::<Option<u64>>(), any::<bool>(), any::<Option<u64>>())
            .prop_map(|(tag, limit, hard, warning)| What::Budget { tag, limit, hard, warning }),
        1 => any::<u64>().prop_map(|bytes| What::Resident { bytes }),
        1 => (any::<u32>(), any::<u64>()).prop_map(|(tag, bytes)| What::Used { tag, bytes }),
        1 => (any::<u32>(), any::<u64>()).prop_map(|(tag, bytes)| What::HighWater { tag, bytes }),
    ];
    prop_oneof![
        20 => plain.prop_map(Told::Plain),
        1 => (0u8..3, ".{0,300}").prop_map(|(kind, text)| Told::Text(kind, text)),
        1 => (any::<u32>(), ".{0,40}").prop_map(|(tag, name)| Told::TagNamed(tag, name)),
        1 => (1..=u32::MAX, proptest::collection::vec(any::<u64>(), 0..140))
            .prop_map(|(stack, frames)| Told::Stack(stack, frames)),
    ]
}

fn cut(text: &str) -> &str {
    let len = (0..=text.len().min(LONGEST_TEXT)).rev().find(|len| text.is_char_boundary(*len));
    &text[..len.expect("0 is one")]
}

fn write(memory: &mut Memory, time: u64, told: &Told, bytes: &mut Vec<u8>) {
    let mut room = [0xEE; ROOM_FOR_STACK];
    let text: &mut [u8; ROOM_FOR_TEXT] = &mut [0xEE; ROOM_FOR_TEXT];
    let len = match told {
        Told::Plain(what) => memory.write(text, time, what),
        Told::Text(0, words) => memory.write(text, time, &What::Mark { text: words }),
        Told::Text(1, words) => memory.write(text, time, &What::Note { text: words }),
        Told::Text(_, words) => memory.write(text, time, &What::ThreadNamed { name: words }),
        Told::TagNamed(tag, name) => memory.write(text, time, &What::TagNamed { tag: *tag, name }),
        Told::Stack(stack, frames) => {
            let len = memory.write_stack(&mut room, time, *stack, frames.iter().copied());
            bytes.extend_from_slice(&room[..len]);
            return;
        }
    };
    let hot = matches!(
        told,
        Told::Plain(
            What::Alloc { .. }
                | What::Free { .. }
                | What::Moving { .. }
                | What::Moved { .. }
                | What::Realloc { .. }
        )
    );
    assert!(len <= if hot { ROOM - 10 } else { ROOM_FOR_TEXT - 100 }, "{len} bytes of {told:?}");
    bytes.extend_from_slice(&text[..len]);
}

fn check(event: &Event<'_>, told: &Told) {
    match (told, event.what) {
        (Told::Plain(what), read) => assert_eq!(*what, read),
        (Told::Text(0, words), What::Mark { text }) | (Told::Text(1, words), What::Note { text }) => {
            assert_eq!(cut(words), text);
        }
        (Told::Text(_, words), What::ThreadNamed { name }) => assert_eq!(cut(words), name),
        (Told::TagNamed(number, words), What::TagNamed { tag, name }) => {
            assert_eq!((*number, cut(words)), (tag, name));
        }
        (Told::Stack(number, addresses), What::Stack { stack, frames }) => {
            let kept = &addresses[..addresses.len().min(DEEPEST_STACK)];
            assert_eq!((*number, kept.len()), (stack, frames.len()));
            assert_eq!(frames.is_empty(), kept.is_empty());
            assert!(frames.iter().eq(kept.iter().copied()));
        }
        (told, read) => panic!("{told:?} was read as {read:?}"),
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        all in proptest::collection::vec((told(), prop_oneof![9 => 0u64..300, 1 => 0..1u64 << 40]), 1..400),
        start in 0u64..1 << 50,
    ) {
        let mut writer = Memory::new(start);
        let (mut bytes, mut time, mut ends) = (Vec::new(), start, Vec::new());
        for (told, passed) in &all {
            time += passed;
            write(&mut writer, time, told, &mut bytes);
            ends.push((time, bytes.len()));
        }
        let mut reader = Memory::new(start);
        let mut left = &bytes[..];
        for ((told, _), (time, end)) in all.iter().zip(ends) {
            let event = reader.read(&mut left).expect("whole").expect("one more");
            prop_assert_eq!((event.time, bytes.len() - left.len()), (time, end));
            check(&event, told);
        }
        prop_assert_eq!(reader.read(&mut left), Ok(None));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let mut reader = Memory::new(0);
        let mut left = &bytes[..];
        let mut last = 0;
        while let Ok(Some(event)) = reader.read(&mut left) {
            assert!(event.time >= last);
            last = event.time;
            if let What::Stack { frames, .. } = event.what {
                assert_eq!(frames.iter().count(), frames.len());
            }
        }
    }
}

/// Short-lived blocks of few sizes and places, as in a frame: what makes the file small.
#[test]
fn an_event_of_a_frame_takes_few_bytes() {
    let mut memory = Memory::new(0);
    let mut room = [0; ROOM];
    let (mut time, mut bytes, mut events) = (0, 0, 0);
    for frame in 0..100u64 {
        for block in 0..50u64 {
            time += 15;
            let (address, stack) = (0x7F12_3456_0000 + block * 208, (block % 23) as u32 + 1);
            bytes += memory.write_alloc(&mut room, time, address, 16 + (block % 23) * 24, stack);
            events += 1;
        }
        for block in 0..50u64 {
            time += 9;
            bytes += memory.write_free(&mut room, time, 0x7F12_3456_0000 + (49 - block) * 208);
            events += 1;
        }
        assert!(frame > 0 || bytes < events * 8);
    }
    assert!(bytes < events * 9 / 2, "{bytes} bytes of {events} events");
}

#[test]
fn a_clock_that_goes_back_stands_still() {
    let mut memory = Memory::new(1000);
    let mut room = [0; ROOM];
    memory.write_free(&mut room, 900, 16);
    assert_eq!(memory.time(), 1000);
    memory.restart(5);
    assert_eq!(memory.time(), 5);
}
