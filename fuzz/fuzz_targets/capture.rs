//! Reads any bytes as a capture: a whole file, and as the events of a chunk whose checksum is right. Nothing panics, and memory is
//! bounded by the file's size.
#![no_main]

use std::io::Cursor;

use arenite::record::format::{ChunkHeader, ChunkKind, Codec, FileHeader, SEGMENT, VERSION};
use arenite_inspect::{Capture, Detail, DetailOptions, Live, Summary, SummaryOptions};
use libfuzzer_sys::fuzz_target;

fn read(bytes: &[u8]) {
    let Ok(mut capture) = Capture::read(Cursor::new(bytes)) else { return };
    let (mut live, mut times) = (Live::new(), 0);
    let read = capture.events(|thread, event| {
        times += event.time & 1;
        live.take(thread, &event);
    });
    let read = read.expect("memory can be read");
    assert!(read.events as usize <= 300 * bytes.len());
    assert!(live.blocks() <= read.events && live.iter().count() as u64 == live.blocks());
    assert!(capture.modules().is_ok());
    sum_up(&mut capture);
}

/// What a report and a page are made of: sums of both passes agree.
fn sum_up(capture: &mut Capture<Cursor<&[u8]>>) {
    let summary = Summary::read(capture, &SummaryOptions::new().frames(8)).expect("no mark is asked for");
    let options = DetailOptions::new().sites(8).tags(3).slices(8).per_row(2).moments(4).cells(32);
    let detail = Detail::read(capture, &summary, &options).expect("memory can be read");
    let end = detail.moments.last().expect("the end is one");
    assert_eq!(end.total.blocks, summary.total.live_blocks);
    assert_eq!(detail.end.blocks, summary.total.live_blocks);
    assert_eq!(detail.rows.iter().map(|row| row.all().calls).sum::<u64>(), summary.total.calls());
    assert!(detail.rows.len() <= 11 && detail.end.cells.len() <= 32);
}

/// A capture whose chunks the bytes fill: the first of each piece says how.
fn made_up(bytes: &[u8]) -> Vec<u8> {
    let header = FileHeader {
        version: VERSION,
        pointer_bits: 64,
        page_shift: 12,
        process: 1,
        sample_bytes: 0,
        wall_ns: 0,
        units_per_second: 1,
    };
    let mut file = header.to_bytes().to_vec();
    let mut left = bytes;
    let mut segment = 0;
    while let Some((&[kind, len, more, thread], rest)) = left.split_first_chunk() {
        let len = (usize::from(len) | usize::from(more) << 8).min(rest.len());
        let (payload, behind) = rest.split_at(len);
        left = behind;
        segment += u64::from(kind >> 7);
        let compressed = kind & 0x40 != 0;
        let header = ChunkHeader {
            kind: if kind & 0x20 == 0 { ChunkKind::Events } else { ChunkKind::Modules },
            codec: if compressed { Codec::Lz4 } else { Codec::Raw },
            thread: thread.into(),
            raw_len: if compressed { (len * 3).min(SEGMENT) as u32 } else { len as u32 },
            stored_len: len as u32,
            offset: u32::from(kind & 0x10) * 3,
            segment,
            start: u64::from(thread) * 100,
            taken: 0,
        };
        file.extend(header.to_bytes(payload));
        file.extend(payload);
        file.resize(file.len().next_multiple_of(8), 0);
    }
    file
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    read(&made_up(bytes));
});
