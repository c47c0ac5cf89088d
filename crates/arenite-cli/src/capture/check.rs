//! `arenite check`: rules that a recording must keep, for machines that build.

use std::io;
use std::process::ExitCode;

use arenite_demo::report::units::{bytes, count, counted};
use arenite_inspect::{Held, Summary, SummaryOptions, TagFigures};

use super::args::CheckArgs;
use super::interval::{Told, whole};
use super::{Opened, seconds};
use crate::fault::Fault;
use crate::output::print;

/// Tags that are told when another one is asked for.
const MOST_NAMES: usize = 20;

/// What came of a rule.
struct Verdict {
    holds: bool,
    line: String,
}

/// Judges a recording. 0 if every rule holds, 1 if one does not.
///
/// # Errors
/// What can not be judged: no capture, one that is not whole, a tag or a mark that it does not know, no frames.
pub(crate) fn check(args: &CheckArgs) -> Result<ExitCode, Fault> {
    if args.max_live.is_empty()
        && args.max_total.is_none()
        && args.max_per_frame.is_none()
        && args.no_leaks.is_empty()
    {
        return Err(Fault::new(
            "say what is to hold: --max-live, --max-total, --max-per-frame or --no-leaks",
        ));
    }
    let mut options = SummaryOptions::new().warm_up(args.warm_up);
    if let Some(mark) = &args.from {
        options = options.from(mark);
    }
    if let Some(mark) = &args.to {
        options = options.to(mark);
    }
    let mut opened = Opened::read(&args.file, &options)?;
    if !args.incomplete
        && !opened.summary.is_whole()
        && let Some(why) = opened.warnings().first()
    {
        let path = opened.path.display();
        return Err(Fault::new(format_args!("{path}: {why} (--incomplete judges it all the same)")));
    }
    let told = Told::of(&opened.summary);
    let mut verdicts = Vec::new();
    for (tag, most) in &args.max_live {
        verdicts.push(max_live(&opened.summary, tag, *most)?);
    }
    if let Some(most) = args.max_total {
        verdicts.push(max_total(&opened.summary, most));
    }
    if let Some(most) = args.max_per_frame {
        if told.is_sampled() && !args.incomplete {
            let path = opened.path.display();
            return Err(Fault::new(format_args!(
                "{path}: a sample has too few blocks of a frame for --max-per-frame (--incomplete judges it all the same)"
            )));
        }
        verdicts.push(max_per_frame(&opened.summary, most)?);
    }
    for tag in &args.no_leaks {
        verdicts.push(no_leaks(&mut opened, tag)?);
    }
    let line =
        |verdict: &Verdict| format!("{} {}\n", if verdict.holds { "ok  " } else { "FAIL" }, verdict.line);
    let text: String = verdicts.iter().map(line).collect();
    print(&mut io::stdout().lock(), text.as_bytes())?;
    Ok(ExitCode::from(u8::from(verdicts.iter().any(|verdict| !verdict.holds))))
}

/// The tag, or what there is instead.
fn known<'a>(summary: &'a Summary, tag: &str) -> Result<&'a TagFigures, Fault> {
    if let Some((_, figures)) = summary.tag(tag) {
        return Ok(figures);
    }
    // Those that are of interest first.
    let mut tags: Vec<&TagFigures> = summary.tags.values().collect();
    tags.sort_by(|a, b| b.peak_bytes.cmp(&a.peak_bytes).then_with(|| a.name.cmp(&b.name)));
    let names: Vec<&str> = tags.iter().map(|tag| tag.name.as_str()).take(MOST_NAMES).collect();
    let more = if tags.len() > MOST_NAMES { ", …" } else { "" };
    Err(Fault::new(format_args!("the capture has no tag `{tag}`; it has {}{more}", names.join(", "))))
}

fn max_live(summary: &Summary, tag: &str, most: u64) -> Result<Verdict, Fault> {
    let figures = known(summary, tag)?;
    let within = summary.tags.values().filter(|other| {
        other.name.strip_prefix(tag).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    });
    let before = within.map(|tag| tag.before_bytes).fold(0, u64::saturating_add);
    let when = moment(summary, figures.peak_time, figures.peak_frame);
    let within = figures.peak_spread.bytes_within(figures.peak_bytes);
    let peak = Peak { bytes: figures.peak_bytes, within, before };
    Ok(most_bytes(summary, &format!("max-live {tag}"), &peak, &when, most))
}

fn max_total(summary: &Summary, most: u64) -> Verdict {
    let when = moment(summary, summary.peak_time, summary.peak_frame);
    let total = &summary.total;
    let peak = Peak { bytes: total.peak_bytes, within: total.peak_within(), before: summary.before().bytes };
    most_bytes(summary, "max-total", &peak, &when, most)
}

/// The most bytes that lived; of a sample, what it tells of them.
struct Peak {
    bytes: u64,
    within: u64,
    /// Bytes from before the recording.
    before: u64,
}

/// Of a sample the estimate is judged, wherever the limit is in its interval; the line says so.
fn most_bytes(summary: &Summary, rule: &str, peak: &Peak, when: &str, most: u64) -> Verdict {
    // What was there before may be gone by then, but nothing says so.
    let found = peak.bytes.saturating_add(peak.before);
    let mut line = if summary.sample_bytes == 0 {
        format!("{rule}: {} {when}", exactly(found))
    } else if peak.bytes == 0 {
        // Of so much none is in a sample once in twenty times.
        let unseen = bytes(summary.sample_bytes.saturating_mul(3));
        format!(
            "{rule}: {}, as estimated: none of its blocks is in the sample, so it had less than {unseen}",
            exactly(found)
        )
    } else {
        format!("{rule}: {} {when}, as estimated", Told::of(summary).bytes(found, peak.within))
    };
    if peak.before > 0 {
        line += &format!(", {} of them from before the recording", bytes(peak.before));
    }
    line += &format!("; {} allowed", exactly(most));
    if peak.within > 0 && found.abs_diff(most) <= peak.within {
        line += ", which is within the interval";
    }
    Verdict { holds: found <= most, line }
}

/// A size, to the byte where rounding could hide which of two is larger.
fn exactly(size: u64) -> String {
    if size < 1024 { bytes(size) } else { format!("{} ({})", bytes(size), count(size)) }
}

fn moment(summary: &Summary, time: u64, frame: Option<u64>) -> String {
    let frame = frame.map_or(String::new(), |frame| format!("in frame {frame}, "));
    format!("{frame}after {}", seconds(summary.seconds(time)))
}

fn max_per_frame(summary: &Summary, most: u64) -> Result<Verdict, Fault> {
    let window = &summary.window;
    let Some(worst) = window.most_calls else {
        return Err(Fault::new("no frame began and ended where --max-per-frame looks"));
    };
    let line = format!(
        "max-per-frame: frame {} asked for memory {} ({}); {} allowed; {}",
        worst.number,
        counted(worst.calls(), "time", "times"),
        bytes(worst.bytes),
        count(most),
        counted(window.frames, "frame", "frames")
    );
    Ok(Verdict { holds: worst.calls() <= most, line })
}

fn no_leaks(opened: &mut Opened, tag: &str) -> Result<Verdict, Fault> {
    let Opened { summary, sites, .. } = opened;
    if !tag.is_empty() {
        known(summary, tag)?;
    }
    let stayed = summary.window.stayed.iter();
    let stayed = stayed.filter(|((of, _), _)| tag.is_empty() || summary.is_within(*of, tag));
    let (mut all, mut worst) = (Held::default(), None);
    for ((of, stack), held) in stayed {
        all = all.and(held);
        if worst.is_none_or(|(_, _, most)| most < held.bytes) {
            worst = Some((*of, *stack, held.bytes));
        }
    }
    let rule = if tag.is_empty() { "no-leaks".to_owned() } else { format!("no-leaks {tag}") };
    let Some((of, stack, most)) = worst else {
        let of = if summary.sample_bytes > 0 { "nothing of the sample stayed" } else { "nothing stayed" };
        return Ok(Verdict { holds: true, line: format!("{rule}: {of}") });
    };
    let name = summary.tags.get(&of).map_or("(no tag)", |tag| tag.name.as_str());
    let (told, [within, blocks_within]) = (Told::of(summary), whole(&all.estimate()));
    let line = format!(
        "{rule}: {} of {} stayed, {} of them of tag {name} from {}",
        told.counted(all.blocks, blocks_within, "block", "blocks"),
        told.bytes(all.bytes, within),
        bytes(most),
        sites.line(summary.stack(stack))
    );
    Ok(Verdict { holds: false, line })
}
