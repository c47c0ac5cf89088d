//! Trace events as JSON: what Perfetto and Chromium's trace viewer read.
//!
//! Frames, marks and their figures are the summary's. Bytes of tags over time are gone through once more: of each some thousand
//! moments, and between two of them the highest point.

use std::io::{self, Read, Seek, Write};

use arenite::record::format::events::What;
use hashbrown::HashMap;
use serde_json::{Value, json};

use super::flow::{Step, flow, nanoseconds, untagged};
use super::names::{Grain, Names, Table, clean};
use super::{ExportError, Exported, signed};
use crate::estimate::Sampling;
use crate::{Capture, Figures, FrameRow, Summary};

/// Between so many moments at the most changes of a tag are told.
const MOMENTS: u64 = 4096;
/// The most notes that are told.
const MOST_NOTES: u64 = 1 << 16;

/// The events, with what separates them. The first fault is kept.
struct Events<'o> {
    out: &'o mut dyn Write,
    process: u32,
    separator: &'static str,
    written: io::Result<()>,
}

impl Events<'_> {
    fn put(&mut self, event: &Value) {
        if self.written.is_ok() {
            self.written = write!(self.out, "{}{event}", self.separator);
            self.separator = ",\n";
        }
    }

    fn counter(&mut self, name: &str, nanoseconds: u64, values: &Value) {
        let event = json!({ "ph": "C", "name": name, "pid": self.process, "ts": microseconds(nanoseconds), "args": values });
        self.put(&event);
    }

    fn instant(&mut self, name: &str, kind: &str, nanoseconds: u64) {
        let event = json!({
            "ph": "i", "s": "g", "name": name, "cat": kind, "pid": self.process, "tid": 0, "ts": microseconds(nanoseconds),
        });
        self.put(&event);
    }
}

/// The unit of the format.
fn microseconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e3
}

pub(super) fn write<F: Read + Seek>(
    capture: &mut Capture<F>,
    summary: &Summary,
    names: &mut dyn Names,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let process = capture.header().process;
    let table = Table::new(names, summary, Grain::Functions);
    let program = table.program(process);
    writeln!(
        out,
        "{{\"displayTimeUnit\":\"ns\",\"otherData\":{},\"traceEvents\":[",
        about(summary, &program)
    )?;
    let mut events = Events { out, process, separator: "", written: Ok(()) };
    let named = |what: &str, name: &str| json!({ "ph": "M", "name": what, "pid": process, "tid": 0, "args": { "name": name } });
    events.put(&named("process_name", &program));
    events.put(&named("thread_name", "frames"));
    frames(&mut events, summary);
    for mark in &summary.marks {
        events.instant(&clean(&mark.text), "mark", nanoseconds(summary, mark.time));
    }
    counters(capture, summary, &mut events)?;
    let Events { out, written, .. } = events;
    written?;
    writeln!(out, "\n]}}")?;
    Ok(Exported::default())
}

/// The figures of the whole recording, as those of the viewer's page that tells about a trace.
fn about(summary: &Summary, program: &str) -> Value {
    let Figures { allocs, reallocs, frees, bytes, live_blocks, live_bytes, peak_bytes, .. } = summary.total;
    json!({
        "program": program, "sample_bytes": summary.sample_bytes, "whole": summary.is_whole(), "allocations": allocs,
        "reallocations": reallocs, "frees": frees, "bytes": bytes, "live_blocks": live_blocks, "live_bytes": live_bytes,
        "peak_bytes": peak_bytes,
    })
}

/// A slice for each frame, or for several if there are very many; what each did, as counters.
fn frames(events: &mut Events<'_>, summary: &Summary) {
    for row in summary.frames.rows.iter().chain(&summary.frames.last) {
        let FrameRow { number, frames, allocs, reallocs, frees, bytes, temporaries, .. } = *row;
        let name = match frames {
            0 | 1 => format!("frame {number}"),
            _ => format!("frames {number} to {}", number.saturating_add(frames - 1)),
        };
        let [start, end] = [row.start, row.end].map(|time| nanoseconds(summary, time));
        events.put(&json!({
            "ph": "X", "name": name, "cat": "frame", "pid": events.process, "tid": 0, "ts": microseconds(start),
            "dur": microseconds(end.saturating_sub(start)),
            "args": {
                "frames": frames, "allocations": allocs, "reallocations": reallocs, "frees": frees, "bytes": bytes,
                "freed in the same frame": temporaries, "live_bytes": row.live_bytes, "peak_bytes": row.peak_bytes,
            },
        }));
        let each = |figure: u64| figure as f64 / frames.max(1) as f64;
        for (name, figure) in [
            ("calls a frame", each(row.calls())),
            ("frees a frame", each(frees)),
            ("bytes a frame", each(bytes)),
        ] {
            events.counter(name, start, &json!({ "value": figure }));
        }
    }
}

/// A figure over time.
#[derive(Debug, Default)]
struct Track {
    name: String,
    now: f64,
    /// Since the last moment: the most, and when that was.
    most: (f64, u64),
    /// When it last changed.
    changed: u64,
    is_told: bool,
    is_waiting: bool,
}

/// The tracks of a tag.
#[derive(Clone, Copy, Debug)]
struct Node {
    live: usize,
    memory: usize,
}

/// All tracks, and those that changed since the last moment.
struct Tracks {
    tracks: Vec<Track>,
    waiting: Vec<usize>,
    /// Nanoseconds between two moments, and when the next one is.
    step: u64,
    next: u64,
}

impl Tracks {
    fn add(&mut self, name: String) -> usize {
        self.tracks.push(Track { name, ..Track::default() });
        self.tracks.len() - 1
    }

    fn change(&mut self, events: &mut Events<'_>, place: usize, by: f64, time: u64) {
        if time >= self.next {
            self.tell(events);
            self.next = (time - time % self.step).saturating_add(self.step);
        }
        let track = &mut self.tracks[place];
        if !track.is_waiting {
            (track.is_waiting, track.most) = (true, (track.now, time));
            self.waiting.push(place);
        }
        track.now += by;
        track.changed = time;
        if track.now > track.most.0 {
            track.most = (track.now, time);
        }
    }

    fn tell(&mut self, events: &mut Events<'_>) {
        for place in self.waiting.drain(..) {
            let Track { name, now, most, changed, is_told, is_waiting } = &mut self.tracks[place];
            // It goes on from what it was.
            if !*is_told {
                events.counter(name, 0, &json!({ "bytes": 0 }));
            }
            if most.0 > *now {
                events.counter(name, most.1, &json!({ "bytes": signed(most.0) }));
            }
            events.counter(name, *changed, &json!({ "bytes": signed(*now) }));
            (*is_told, *is_waiting) = (true, false);
        }
    }
}

/// Bytes of each tag with those below it, and memory of arenas, pools and heaps.
fn counters<F: Read + Seek>(
    capture: &mut Capture<F>,
    summary: &Summary,
    events: &mut Events<'_>,
) -> Result<(), ExportError> {
    let sampling = Sampling::new(summary.sample_bytes);
    let length = nanoseconds(summary, summary.end);
    let mut tracks = Tracks { tracks: Vec::new(), waiting: Vec::new(), step: length / MOMENTS + 1, next: 0 };
    let of = if summary.sample_bytes == 0 { "live" } else { "live (estimated)" };
    let all = tracks.add(of.to_owned());
    // By name: that of a tag is told more than once if the file was made up.
    let mut by_name: HashMap<String, Node> = HashMap::new();
    for tag in summary.tags.values() {
        let name = clean(&tag.name);
        by_name.entry(name).or_insert_with_key(|name| Node {
            live: tracks.add(format!("{of}: {name}")),
            memory: tracks.add(format!("memory: {name}")),
        });
    }
    // Of a tag its own, and those above it.
    let mut nodes: HashMap<u32, Vec<Node>> = HashMap::new();
    for (number, tag) in &summary.tags {
        let name = clean(&tag.name);
        let above = name.match_indices('/').filter_map(|(at, _)| by_name.get(&name[..at]));
        nodes.insert(*number, above.chain(by_name.get(&name)).copied().collect());
    }
    let untagged = untagged(summary);
    let nodes = |tag: u32| {
        let number = if tag == 0 { untagged } else { tag };
        nodes.get(&number).or_else(|| nodes.get(&0)).map_or(&[][..], Vec::as_slice)
    };
    let mut notes = 0;
    flow(capture, |step| {
        let (block, time, sign) = match step {
            Step::Made(block) => (block, nanoseconds(summary, block.time), 1.0),
            Step::Gone(block, time) => (block, nanoseconds(summary, time), -1.0),
            Step::Told(time, what) => {
                let time = nanoseconds(summary, time);
                match *what {
                    What::Committed { tag, bytes } => {
                        for node in nodes(tag) {
                            tracks.change(events, node.memory, bytes as f64, time);
                        }
                    }
                    What::Note { text } if notes < MOST_NOTES => {
                        notes += 1;
                        events.instant(&clean(text), "note", time);
                    }
                    What::Paused => events.instant("recording paused", "recorder", time),
                    What::Resumed => events.instant("recording resumed", "recorder", time),
                    What::Lost { events: lost } => {
                        events.instant(&format!("{lost} events dropped"), "recorder", time);
                    }
                    _ => {}
                }
                return;
            }
        };
        let bytes = sign * sampling.share(&block).bytes as f64;
        tracks.change(events, all, bytes, time);
        for node in nodes(block.tag) {
            tracks.change(events, node.live, bytes, time);
        }
    })?;
    tracks.tell(events);
    Ok(())
}
