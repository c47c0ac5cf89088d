//! Profiles of pprof: `profile.proto`.
//!
//! Message by message, in any order, as protocol buffers allow: a message that is told in parts is the parts together.

use std::io::{Read, Seek, Write};

use arenite::record::format::FileHeader;
use hashbrown::HashMap;
use prost::Message;

use super::flow::{lasted, nanoseconds};
use super::names::{Grain, Names, Table};
use super::sums::{Sum, sum};
use super::{ExportError, Exported, signed};
use crate::{Block, Capture, Summary};

/// The numbers of fields are those of `profile.proto`.
#[derive(Clone, PartialEq, Message)]
struct Profile {
    #[prost(message, repeated, tag = "1")]
    sample_type: Vec<ValueType>,
    #[prost(message, repeated, tag = "2")]
    sample: Vec<Sample>,
    #[prost(message, repeated, tag = "3")]
    mapping: Vec<Mapping>,
    #[prost(message, repeated, tag = "4")]
    location: Vec<Location>,
    #[prost(message, repeated, tag = "5")]
    function: Vec<Function>,
    #[prost(string, repeated, tag = "6")]
    string_table: Vec<String>,
    #[prost(int64, tag = "9")]
    time_nanos: i64,
    #[prost(int64, tag = "10")]
    duration_nanos: i64,
    #[prost(message, optional, tag = "11")]
    period_type: Option<ValueType>,
    #[prost(int64, tag = "12")]
    period: i64,
    #[prost(int64, repeated, tag = "13")]
    comment: Vec<i64>,
    #[prost(int64, tag = "14")]
    default_sample_type: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct ValueType {
    #[prost(int64, tag = "1")]
    kind: i64,
    #[prost(int64, tag = "2")]
    unit: i64,
}

#[derive(Clone, PartialEq, Message)]
struct Sample {
    #[prost(uint64, repeated, tag = "1")]
    location_id: Vec<u64>,
    #[prost(int64, repeated, tag = "2")]
    value: Vec<i64>,
    #[prost(message, repeated, tag = "3")]
    label: Vec<Label>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Label {
    #[prost(int64, tag = "1")]
    key: i64,
    #[prost(int64, tag = "2")]
    str: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Mapping {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    memory_start: u64,
    #[prost(uint64, tag = "3")]
    memory_limit: u64,
    #[prost(uint64, tag = "4")]
    file_offset: u64,
    #[prost(int64, tag = "5")]
    filename: i64,
    #[prost(int64, tag = "6")]
    build_id: i64,
    #[prost(bool, tag = "7")]
    has_functions: bool,
    #[prost(bool, tag = "8")]
    has_filenames: bool,
    #[prost(bool, tag = "9")]
    has_line_numbers: bool,
    #[prost(bool, tag = "10")]
    has_inline_frames: bool,
}

#[derive(Clone, PartialEq, Message)]
struct Location {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(uint64, tag = "2")]
    mapping_id: u64,
    #[prost(uint64, tag = "3")]
    address: u64,
    #[prost(message, repeated, tag = "4")]
    line: Vec<Line>,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Line {
    #[prost(uint64, tag = "1")]
    function_id: u64,
    #[prost(int64, tag = "2")]
    line: i64,
}

#[derive(Clone, Copy, PartialEq, Message)]
struct Function {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(int64, tag = "2")]
    name: i64,
    #[prost(int64, tag = "3")]
    system_name: i64,
    #[prost(int64, tag = "4")]
    filename: i64,
}

/// Texts by their places in the profile's table, whose first one is empty.
#[derive(Debug)]
struct Strings {
    numbers: HashMap<String, i64>,
    texts: Vec<String>,
}

impl Strings {
    fn new() -> Self {
        let mut strings = Self { numbers: HashMap::new(), texts: Vec::new() };
        strings.of("");
        strings
    }

    fn of(&mut self, text: &str) -> i64 {
        if let Some(number) = self.numbers.get(text) {
            return *number;
        }
        let number = self.texts.len() as i64;
        self.texts.push(text.to_owned());
        self.numbers.insert(text.to_owned(), number);
        number
    }
}

/// What the values of a sample are, in their order.
const KINDS: [(&str, &str); 6] = [
    ("alloc_objects", "count"),
    ("alloc_space", "bytes"),
    ("inuse_objects", "count"),
    ("inuse_space", "bytes"),
    ("peak_objects", "count"),
    ("peak_space", "bytes"),
];

fn values(sum: &Sum) -> Vec<i64> {
    [sum.made, sum.live, sum.at_peak].iter().flat_map(|held| [held.blocks, held.bytes]).map(signed).collect()
}

pub(super) fn write<F: Read + Seek>(
    capture: &mut Capture<F>,
    summary: &Summary,
    names: &mut dyn Names,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let header = *capture.header();
    let mut table = Table::new(names, summary, Grain::Addresses);
    let untagged = table.tag_number(0);
    let sums = sum(capture, summary, |block: &Block| {
        (block.stack, if block.tag == 0 { untagged } else { block.tag }, block.thread)
    })?;
    let mut strings = Strings::new();
    head(&header, summary, &mut table, &mut strings, out)?;
    let keys = ["tag", "thread"].map(|key| strings.of(key));
    for ((stack, tag, thread), sum) in &sums.sums {
        let stack = table.stack(*stack, None);
        let places = table.stack_places(stack);
        let values_of_labels = [table.tag(*tag), table.thread(*thread)].map(|text| strings.of(&text));
        let label = keys.iter().zip(values_of_labels).map(|(key, str)| Label { key: *key, str });
        let sample = Sample {
            location_id: places.iter().map(|place| u64::from(*place) + 1).collect(),
            value: values(sum),
            label: label.collect(),
        };
        put(out, &Profile { sample: vec![sample], ..Profile::default() })?;
    }
    places(&table, &mut strings, out)?;
    for text in strings.texts {
        put(out, &Profile { string_table: vec![text], ..Profile::default() })?;
    }
    Ok(Exported { stacks_left_out: table.left_out(), blocks_left_out: sums.left_out })
}

fn put(out: &mut dyn Write, part: &Profile) -> Result<(), ExportError> {
    Ok(out.write_all(&part.encode_to_vec())?)
}

fn head(
    header: &FileHeader,
    summary: &Summary,
    table: &mut Table<'_>,
    strings: &mut Strings,
    out: &mut dyn Write,
) -> Result<(), ExportError> {
    let sample_type =
        KINDS.map(|(kind, unit)| ValueType { kind: strings.of(kind), unit: strings.of(unit) }).to_vec();
    let mut comments = vec![table.program(header.process)];
    if summary.sample_bytes > 0 {
        let bytes = summary.sample_bytes;
        comments.push(format!("estimates, from a sample of one block for {bytes} bytes"));
    }
    if !summary.is_whole() {
        comments.push("not the whole recording: parts of it are missing".to_owned());
    }
    let began = lasted(summary, summary.start);
    let profile = Profile {
        sample_type,
        time_nanos: i64::try_from(header.wall_ns.saturating_add(began)).unwrap_or(i64::MAX),
        duration_nanos: i64::try_from(nanoseconds(summary, summary.end)).unwrap_or(i64::MAX),
        period_type: Some(ValueType { kind: strings.of("space"), unit: strings.of("bytes") }),
        // Every byte, if it is no sample.
        period: i64::try_from(summary.sample_bytes.max(1)).unwrap_or(i64::MAX),
        comment: comments.iter().map(|comment| strings.of(comment)).collect(),
        default_sample_type: strings.of("inuse_space"),
        ..Profile::default()
    };
    put(out, &profile)
}

/// Functions, places, and the files that they are in.
fn places(table: &Table<'_>, strings: &mut Strings, out: &mut dyn Write) -> Result<(), ExportError> {
    // Functions are those of a name and a file; the table's have a line as well.
    let mut functions: HashMap<(i64, i64), u64> = HashMap::new();
    let mut mappings: HashMap<u32, Mapping> = HashMap::new();
    for (number, place) in table.places().iter().enumerate() {
        let mut line = Vec::with_capacity(place.frames.len());
        for frame in &place.frames {
            let frame = &table.frames()[*frame as usize];
            let name = strings.of(&frame.function);
            let filename = strings.of(frame.file.as_deref().unwrap_or(""));
            let next = functions.len() as u64 + 1;
            let id = *functions.entry((name, filename)).or_insert(next);
            if id == next {
                let function = Function { id, name, system_name: name, filename };
                put(out, &Profile { function: vec![function], ..Profile::default() })?;
            }
            line.push(Line { function_id: id, line: i64::from(frame.line.unwrap_or(0)) });
        }
        let mut mapping_id = 0;
        if let Some((number, mapped)) = place.mapping.zip(table.mapped(place)) {
            let id = mappings.len() as u64 + 1;
            let mapping = mappings.entry(number).or_insert_with(|| Mapping {
                id,
                memory_start: mapped.start,
                memory_limit: mapped.end,
                file_offset: mapped.offset,
                filename: strings.of(&super::names::clean(mapped.path)),
                build_id: strings.of(&mapped.build_id),
                // What is not known is told by file and offset, and no other tool knows more of it.
                has_functions: true,
                has_filenames: true,
                has_line_numbers: true,
                has_inline_frames: true,
            });
            mapping_id = mapping.id;
        }
        // The call, not the address that it returns to.
        let address = place.address.saturating_sub(1);
        let location = Location { id: number as u64 + 1, mapping_id, address, line };
        put(out, &Profile { location: vec![location], ..Profile::default() })?;
    }
    let mut mappings: Vec<Mapping> = mappings.into_values().collect();
    mappings.sort_unstable_by_key(|mapping| mapping.id);
    // The first one is taken for the program's own.
    let program = table.program(0);
    mappings.sort_by_key(|mapping| strings.texts[mapping.filename as usize] != program);
    put(out, &Profile { mapping: mappings, ..Profile::default() })
}
