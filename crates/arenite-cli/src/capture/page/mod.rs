//! `arenite report --html`: a recording as one page with pictures, for a browser, without network.
//!
//! ```text
//!   stacks    call stacks as a tree of readable functions
//!   data      all figures as JSON
//!   js/, page.css     what the browser draws from it: our own, put into the page as it is
//! ```
//!
//! A capture may name its tags, marks and threads as it likes. Its texts are in the page in one place only, a block of JSON that is no
//! script and has no `<`; the script puts them into text nodes, never into markup. Scripts run by a number that is drawn anew for
//! each page, so that a text that were taken for markup all the same would not run.

mod data;
mod stacks;

use std::fs;
use std::hash::{BuildHasher, RandomState};
use std::path::Path;

use arenite_demo::report::units::bytes;
use arenite_demo::report::{BASE_STYLE, Escaped};
use arenite_inspect::{Detail, DetailOptions, SummaryOptions};

use super::{Opened, open};
use crate::fault::Fault;
use crate::output::Target;

/// Rows of frames on a page: more than its timeline has points.
const ROWS: usize = 1024;

/// The script, in the order in which its parts need each other.
const SCRIPT: &str = concat!(
    "(() => {\n'use strict';\n",
    include_str!("js/base.js"),
    include_str!("js/tables.js"),
    include_str!("js/timeline.js"),
    include_str!("js/overview.js"),
    include_str!("js/tags.js"),
    include_str!("js/frames.js"),
    include_str!("js/flame.js"),
    include_str!("js/moments.js"),
    include_str!("js/heap.js"),
    include_str!("js/sites.js"),
    include_str!("js/sizes.js"),
    include_str!("js/main.js"),
    "})();\n"
);

/// Writes the page of a recording, and answers the line that says so.
///
/// # Errors
/// What is no capture, and a page that can not be written.
pub(super) fn page(file: &Path, out: &Path) -> Result<String, Fault> {
    let same = fs::canonicalize(file).ok().zip(fs::canonicalize(out).ok()).is_some_and(|(a, b)| a == b);
    if same {
        return Err(Fault::new(format_args!("--html names the recording itself, {}", file.display())));
    }
    // Reading may take long: what can not be written is told before.
    let mut capture = open(file)?;
    let target = Target::check(out)?;
    let mut opened = Opened::of(file, &mut capture, &SummaryOptions::new().frames(ROWS))?;
    let detail = Detail::read(&mut capture, &opened.summary, &DetailOptions::new())
        .map_err(|error| Fault::new(format_args!("{}: {error}", file.display())))?;
    let data = data::data(&mut opened, &detail).to_string();
    let page = html(&opened.path, &data);
    target.write(page.as_bytes())?;
    Ok(format!("{}: {}, to be opened in a browser\n", out.display(), bytes(page.len() as u64)))
}

fn html(file: &Path, data: &str) -> String {
    let name = file.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let nonce = format!("{:016x}{:016x}", random(), random());
    let title = Escaped(&name);
    // Nothing in JSON but its texts has this sign.
    let data = data.replace('<', "\\u003c");
    let style = include_str!("page.css");
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'nonce-{nonce}'; script-src 'nonce-{nonce}'; img-src data:\">\
         <link rel=\"icon\" href=\"data:,\"><title>Arenite · {title}</title>\
         <style nonce=\"{nonce}\">{BASE_STYLE}{style}</style></head><body>\
         <header><p class=\"brand\">Arenite</p><h1>{title}</h1><p id=\"subtitle\"></p><div id=\"warnings\"></div></header>\
         <nav id=\"views\" aria-label=\"Views\"></nav>\
         <main id=\"main\"><noscript><p class=\"card\">This page draws its figures with a script of its own, and scripts are \
         switched off. <code>arenite report</code> prints the same in a terminal.</p></noscript></main>\
         <footer>Sizes are binary: 1 KiB is 1024 bytes. Made by <code>arenite report --html</code>.</footer>\
         <script type=\"application/json\" id=\"data\">{data}</script>\n<script nonce=\"{nonce}\">{SCRIPT}</script></body></html>\n"
    )
}

/// What nobody who wrote the capture could know: the standard library asks the system for it.
fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_never_makes_markup_of_a_text() {
        for dangerous in [
            "innerHTML",
            "outerHTML",
            "insertAdjacent",
            "document.write",
            "eval(",
            "Function(",
            "http",
            "import(",
        ] {
            // Names of namespaces are no addresses to ask.
            let script = SCRIPT.replace("http://www.w3.org/2000/svg", "");
            assert!(!script.contains(dangerous), "{dangerous}");
        }
        assert!(!SCRIPT.contains("</script"));
    }

    #[test]
    fn texts_stay_texts() {
        let data = serde_json::json!({ "name": "</script><script>alert(1)</script><!--" }).to_string();
        let page = html(Path::new("/x/<b>&.arec"), &data);
        assert_eq!(page.matches("<script").count(), 2);
        assert_eq!(page.matches("</script>").count(), 2);
        assert!(page.contains("<title>Arenite · &lt;b&gt;&amp;.arec</title>") && !page.contains("<!--"));
        let (_, block) = page.split_once("id=\"data\">").expect("the data");
        let (block, _) = block.split_once("</script>").expect("its end");
        assert_eq!(block.parse::<serde_json::Value>().expect("JSON").to_string(), data);
        assert_ne!(html(Path::new("a"), ""), html(Path::new("a"), ""), "each page has a number of its own");
    }
}
