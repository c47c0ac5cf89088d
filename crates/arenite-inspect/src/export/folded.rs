//! Folded stacks: `outermost;…;innermost figure`, a line for each.

use std::io::{Read, Seek, Write};

use hashbrown::HashMap;

use super::names::{Grain, Names, Table};
use super::sums::{Sum, sum};
use super::{ExportError, ExportOptions, Exported, Measure, whole};
use crate::{Block, Capture, Summary};

pub(super) fn write<F: Read + Seek>(
    capture: &mut Capture<F>,
    summary: &Summary,
    options: &ExportOptions,
    names: &mut dyn Names,
    out: &mut dyn Write,
) -> Result<Exported, ExportError> {
    let figure = |sum: &Sum| match options.measure {
        Measure::Live => sum.live.bytes,
        Measure::Peak => sum.at_peak.bytes,
        Measure::ChurnBytes => sum.made.bytes,
        Measure::ChurnCalls => sum.made.blocks,
    };
    let sums =
        sum(capture, summary, |block: &Block| (block.stack, if options.tags { block.tag } else { 0 }))?;
    let mut table = Table::new(names, summary, Grain::Functions);
    // Call stacks of the same functions are the same line.
    let mut lines: HashMap<u32, f64> = HashMap::new();
    for ((stack, tag), sum) in &sums.sums {
        *lines.entry(table.stack(*stack, options.tags.then_some(*tag))).or_default() += figure(sum);
    }
    let mut lines: Vec<(u32, u64)> =
        lines.into_iter().map(|(stack, figure)| (stack, whole(figure))).collect();
    lines.sort_unstable();
    for (stack, figure) in lines.into_iter().filter(|(_, figure)| *figure > 0) {
        let places = table.stack_places(stack);
        let mut separator = "";
        for place in places.iter().rev() {
            write!(out, "{separator}{}", escaped(&table.line(*place)))?;
            separator = ";";
        }
        writeln!(out, " {figure}")?;
    }
    Ok(Exported { stacks_left_out: table.left_out(), blocks_left_out: sums.left_out })
}

/// A name that readers take for one: without what separates names, without what seems to be a figure at its end, and without what
/// makes a line a comment at its beginning.
fn escaped(name: &str) -> String {
    let mut text: String = name.trim().replace(';', ":");
    if let Some((_, last)) = text.rsplit_once(' ')
        && last.starts_with(|symbol: char| symbol.is_ascii_digit() || "+-.".contains(symbol))
    {
        let at = text.len() - last.len() - 1;
        text.replace_range(at..=at, "_");
    }
    if text.starts_with('#') {
        text.replace_range(..1, "_");
    }
    if text.is_empty() { "_".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::escaped;

    #[test]
    fn names_stay_one_name() {
        for (name, expected) in [
            ("operator new(unsigned long)", "operator new(unsigned long)"),
            ("a;b", "a:b"),
            ("part 12", "part_12"),
            ("part 1.5", "part_1.5"),
            (" ends ", "ends"),
            ("#x", "_x"),
            ("", "_"),
            ("  ", "_"),
            ("ä;\u{fffd} 7", "ä:\u{fffd}_7"),
        ] {
            assert_eq!(escaped(name), expected);
        }
    }
}
