//! Captures, event by event, and names that were made to break readers.

use std::sync::Arc;

use arenite::record::format::events::{Memory, ROOM_FOR_STACK, ROOM_FOR_TEXT, What};
use arenite::record::format::{ChunkHeader, ChunkKind, Codec, FileHeader, SEGMENT, VERSION};
use arenite_inspect::export::Names;
use arenite_inspect::{CallStack, Frame, Mapped};

/// A small generator: the same numbers each time.
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Functions whose names are not what readers expect. The address is in each; every fourth one is inlined into another.
pub(crate) struct NastyNames;

const FUNCTIONS: [&str; 10] = [
    "plain",
    "a;b",
    "quo\"te\\",
    "new\nline 3",
    "\u{1b}[31mred\u{0}",
    "# comment",
    "ends with 12",
    "<T as U>::f",
    "ä\u{2028}ö",
    "",
];

impl Names for NastyNames {
    fn all(&mut self, address: u64, _told: u64) -> Arc<[Frame]> {
        let name = FUNCTIONS[(address as usize >> 4) % FUNCTIONS.len()];
        let frame = |prefix: &str, line| Frame {
            function: format!("{prefix}{address:#x} {name}"),
            file: Some(format!("/src/{name}.rs")),
            line: Some(line),
        };
        if address % 64 < 16 { [frame("in ", 1), frame("", u32::MAX)].into() } else { [frame("", 3)].into() }
    }

    fn shown(&mut self, stack: CallStack<'_>) -> Vec<Frame> {
        stack.iter().flat_map(|address| self.all(*address, stack.told).to_vec()).collect()
    }

    fn mapping(&self, address: u64, _told: u64) -> Option<u32> {
        (address < 1 << 40).then_some(3)
    }

    fn mapped(&self, mapping: u32) -> Option<Mapped<'_>> {
        let (path, build_id) = ("/bin/ga\nme", "abcd12".to_owned());
        (mapping == 3).then_some(Mapped { path, build_id, start: 0, end: 1 << 40, offset: 7 })
    }

    fn program(&self) -> Option<&str> {
        Some("/bin/ga\nme")
    }
}

/// A capture of one thread and of the recorder.
pub(crate) struct Made {
    file: Vec<u8>,
    threads: Vec<(u32, u64, Memory, Vec<u8>)>,
    time: u64,
    thread: usize,
    stacks: Vec<u32>,
}

impl Made {
    pub(crate) fn new(sample_bytes: u64) -> Self {
        Self::with_units(sample_bytes, 1_000_000)
    }

    pub(crate) fn with_units(sample_bytes: u64, units_per_second: u64) -> Self {
        let header = FileHeader {
            version: VERSION,
            pointer_bits: 64,
            page_shift: 12,
            process: 1,
            sample_bytes,
            wall_ns: 5,
            units_per_second,
        };
        let threads = [1, 2, u32::MAX].map(|thread| (thread, 0, Memory::new(0), Vec::new()));
        Self {
            file: header.to_bytes().to_vec(),
            threads: threads.into(),
            time: 0,
            thread: 0,
            stacks: Vec::new(),
        }
    }

    pub(crate) fn at(&mut self, time: u64) -> &mut Self {
        self.time = time;
        self
    }

    pub(crate) fn on(&mut self, thread: usize) -> &mut Self {
        self.thread = thread;
        self
    }

    pub(crate) fn tell(&mut self, what: What<'_>) -> &mut Self {
        let (_, last, memory, raw) = &mut self.threads[self.thread];
        let mut bytes = [0; ROOM_FOR_TEXT];
        let len = memory.write(&mut bytes, self.time, &what);
        raw.extend_from_slice(&bytes[..len]);
        *last = self.time;
        self
    }

    pub(crate) fn stack(&mut self, stack: u32, addresses: &[u64]) -> &mut Self {
        let (_, last, memory, raw) = &mut self.threads[self.thread];
        let mut bytes = [0; ROOM_FOR_STACK];
        let len = memory.write_stack(&mut bytes, self.time, stack, addresses.iter().copied());
        raw.extend_from_slice(&bytes[..len]);
        *last = self.time;
        self
    }

    /// An allocation by a call stack that is told before it is used.
    pub(crate) fn alloc(&mut self, address: u64, size: u64, stack: u32) {
        if !self.stacks.contains(&stack) {
            self.stacks.push(stack);
            self.stack(stack, &[0x1000 * u64::from(stack), 0x77777]);
        }
        self.time += 1;
        self.tell(What::Alloc { address, size, stack });
    }

    pub(crate) fn free(&mut self, address: u64) {
        self.time += 1;
        self.tell(What::Free { address });
    }

    /// The file, which has no end.
    pub(crate) fn file(self) -> Vec<u8> {
        let mut file = self.file;
        for (thread, taken, _, raw) in self.threads {
            assert!(raw.len() <= SEGMENT);
            let chunk = ChunkHeader {
                kind: ChunkKind::Events,
                codec: Codec::Raw,
                thread,
                raw_len: raw.len() as u32,
                stored_len: raw.len() as u32,
                offset: 0,
                segment: 0,
                start: 0,
                taken,
            };
            file.extend_from_slice(&chunk.to_bytes(&raw));
            file.extend_from_slice(&raw);
            file.resize(file.len().next_multiple_of(8), 0);
        }
        file
    }
}

/// A program that is easily worked out by hand. A unit is a microsecond.
pub(crate) fn small(sample_bytes: u64) -> Vec<u8> {
    let mut made = Made::new(sample_bytes);
    made.at(10).on(2);
    made.tell(What::TagNamed { tag: 3, name: "render/tex\ture\u{0}".trim_end_matches('\u{0}') });
    made.tell(What::TagNamed { tag: 3, name: "render/tex\n\"ures;" });
    made.tell(What::Committed { tag: 3, bytes: 4096 * 3 });
    made.on(0).tell(What::ThreadNamed { name: "mai\nn" }).tell(What::Tag { tag: 3 });
    made.stack(1, &[0x1000, 0x2010]).stack(2, &[0x3000, 0x2010]).stack(3, &[0x4000]);
    made.tell(What::Alloc { address: 64, size: 100, stack: 1 });
    made.at(20).tell(What::Alloc { address: 320, size: 50, stack: 1 });
    made.at(21).tell(What::Frame { number: 7 });
    made.at(22).tell(What::Mark { text: "lo\nad\";" }).tell(What::Note { text: "a note" });
    made.at(25).tell(What::Alloc { address: 640, size: 40, stack: 2 });
    made.at(30).tell(What::Free { address: 64 });
    made.at(40).tell(What::Realloc { before: 640, address: 960, size: 60, stack: 3 });
    made.tell(What::Lost { events: 3 });
    // Nothing that another thread does counts; it is under no tag.
    made.on(1).at(50).tell(What::Alloc { address: 1600, size: 0, stack: 0 });
    made.on(0).at(100).tell(What::Frame { number: 8 });
    made.file()
}

const NAMES: [&str; 10] =
    ["a", "a/b", "a/b/c;d", "", "/", "a//\"b", "untagged", "new\nline", "\u{1b}[31m/ä", "ends 12"];

/// Some number, small, or of any size.
fn number(numbers: &mut Numbers, limits: bool) -> u64 {
    let bits = numbers.below(60);
    if !limits {
        return numbers.below(1 << bits.min(20));
    }
    match numbers.below(8) {
        0 => u64::MAX - numbers.below(2),
        1 => 1 << 63,
        _ => numbers.below(1 << bits.min(30)) << (bits / 2),
    }
}

/// A whole file of senseless events.
pub(crate) fn hostile(numbers: &mut Numbers, limits: bool) -> Vec<u8> {
    let mut made = Made::with_units(0, [1, 1 << 30, u64::MAX][numbers.below(3) as usize]);
    for thread in 0..3 {
        made.on(thread).at(0);
        let mut time = 0;
        for _ in 0..numbers.below(300) + 20 {
            time += numbers.below(1000) * numbers.below(2);
            made.at(time);
            let text = NAMES[numbers.below(10) as usize];
            let tag = match numbers.below(6) {
                0 => u32::MAX - numbers.below(3) as u32,
                _ => numbers.below(12) as u32,
            };
            let address = 16 * numbers.below(40);
            let stack =
                if numbers.below(9) == 0 { number(numbers, true) as u32 } else { numbers.below(20) as u32 };
            let what = match numbers.below(25) {
                0..7 => What::Alloc { address, size: number(numbers, limits), stack },
                7..11 => What::Free { address },
                11..14 => What::Realloc {
                    before: 16 * numbers.below(40),
                    address,
                    size: number(numbers, limits),
                    stack,
                },
                14 => What::Frame { number: number(numbers, true) },
                15 => What::Mark { text },
                16 => What::Note { text },
                17 => What::Tag { tag },
                18 => What::TagNamed { tag, name: text },
                19 => What::ThreadNamed { name: text },
                20 => What::Committed { tag, bytes: number(numbers, true) as i64 },
                21 => What::Lost { events: number(numbers, true) },
                22 => [What::Paused, What::Resumed][numbers.below(2) as usize],
                23 => What::Before { tag, blocks: number(numbers, true), bytes: number(numbers, true) },
                _ => {
                    let frames: Vec<u64> = (0..numbers.below(20)).map(|_| number(numbers, true)).collect();
                    made.stack(1 + numbers.below(20) as u32, &frames);
                    continue;
                }
            };
            made.tell(what);
        }
    }
    made.file()
}
