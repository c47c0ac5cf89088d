//! What valgrind's `dh_view.html` reads: JSON of version 2, as DHAT writes it.

use std::io::{Read, Seek, Write};

use serde_json::json;

use super::flow::nanoseconds;
use super::names::{Grain, Names, Table};
use super::sums::sum;
use super::{ExportError, ExportOptions, Exported, whole};
use crate::{Block, Capture, Summary};

/// The viewer calls blocks short-lived that live so many microseconds on average.
const SHORT: u64 = 1000;

pub(super) fn write<F: Read + Seek>(
    capture: &mut Capture<F>,
    summary: &Summary,
    options: &ExportOptions,
    names: &mut dyn Names,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let process = capture.header().process;
    let mut table = Table::new(names, summary, Grain::Lines);
    // By what is shown, from the start: the most that two call stacks had is not the sum of what each of them had, and the viewer
    // refuses two that look the same. A key of 0 is a call stack, too: the first one, which is that of none.
    table.stack(0, None);
    let sums =
        sum(capture, summary, |block: &Block| table.stack(block.stack, options.tags.then_some(block.tag)))?;
    let microseconds = |time| nanoseconds(summary, time) / 1000;
    let mut command = table.program(process);
    if summary.sample_bytes > 0 {
        let bytes = summary.sample_bytes;
        command.push_str(&format!(" (estimates, from a sample of one block for {bytes} bytes)"));
    }
    if !summary.is_whole() {
        command.push_str(" (not the whole recording)");
    }
    writeln!(out, r#"{{"dhatFileVersion":2,"mode":"arenite","verb":"Allocated","bklt":true,"bkacc":false,"#)?;
    writeln!(out, r#""tu":"µs","Mtu":"s","tuth":{SHORT},"cmd":{},"pid":{process},"#, json!(command))?;
    let (peak, end) = (microseconds(sums.peak_time), microseconds(summary.end));
    writeln!(out, r#""tg":{peak},"te":{end},"pps":["#)?;
    let mut separator = "";
    for (stack, sum) in &sums.sums {
        let figures = json!({
            "tb": whole(sum.made.bytes), "tbk": whole(sum.made.blocks), "tl": whole(sum.lifetimes / 1000.0),
            "mb": whole(sum.most.bytes), "mbk": whole(sum.most.blocks),
            "gb": whole(sum.at_peak.bytes), "gbk": whole(sum.at_peak.blocks),
            "eb": whole(sum.live.bytes), "ebk": whole(sum.live.blocks),
            // The first one of the table is the root.
            "fs": table.stack_places(*stack).iter().map(|place| place + 1).collect::<Vec<_>>(),
        });
        write!(out, "{separator}{figures}")?;
        separator = ",\n";
    }
    write!(out, "],\n\"ftbl\":[\"[root]\"")?;
    for place in 0..table.places().len() as u32 {
        write!(out, ",\n{}", json!(table.line(place)))?;
    }
    writeln!(out, "]}}")?;
    Ok(Exported { stacks_left_out: table.left_out(), blocks_left_out: sums.left_out })
}
