//! The self-contained HTML page over one run: charts as inline SVG, tables, and each scene seen from above.
//!
//! The page needs no network and carries no script: charts are drawn here, tooltips are `<title>` elements, and light
//! or dark follows the reader's system. May import [`crate::outcome`] only.

mod arena;
mod budgets;
mod escaped;
mod heap;
mod memory;
mod picture;
mod scale;
mod streaming;
mod svg;
mod tables;
mod thin;
mod times;
pub mod units;

use std::fmt::{self, Write};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

pub use escaped::Escaped;

use crate::outcome::Record;

/// The part of the style that every page of this project has: colours in light and dark, cards, tables, legends.
pub const BASE_STYLE: &str = include_str!("base.css");

/// Writes the page over `record` as HTML text.
///
/// Linear in the frames, lines and agents of the record; a long timeline is thinned, with every spike kept, so that the
/// page's size depends on the scenes and not on the frames.
///
/// # Errors
/// Only what `out` returns.
pub fn render(record: &Record, out: &mut dyn Write) -> fmt::Result {
    let outcome = &record.outcome;
    writeln!(
        out,
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <meta name=\"color-scheme\" content=\"light dark\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; img-src data:\">\
         <link rel=\"icon\" href=\"data:,\"><title>Arenite · {} of {}</title><style>{}{}</style></head><body>",
        units::counted(outcome.frames, "frame", "frames"),
        Escaped(outcome.scenes.first().map_or("no map", |scene| scene.map.as_str())),
        BASE_STYLE,
        include_str!("style.css")
    )?;
    writeln!(
        out,
        "<header><p class=\"brand\">Arenite</p><h1>Where every byte went</h1><p>{} in {}, {}, seed {}, on {}. Checksum <code>{}</code>.</p></header><main>",
        units::counted(outcome.frames, "frame", "frames"),
        units::counted(outcome.scenes.len() as u64, "scene", "scenes"),
        units::counted(outcome.threads as u64, "thread", "threads"),
        outcome.seed,
        if outcome.memory == "plain" { "plain Vec, Box and Rc" } else { "Arenite’s memory" },
        Escaped(&outcome.checksum)
    )?;
    tables::cards(out, record)?;
    memory::draw(out, record)?;
    streaming::draw(out, record)?;
    heap::draw(out, record)?;
    arena::draw(out, record)?;
    times::draw_line(out, record)?;
    times::draw_histogram(out, record)?;
    budgets::draw(out, record)?;
    if !record.pictures.is_empty() {
        write!(out, "<section class=\"card\"><h2>The last frame of each scene</h2>")?;
        picture::draw_legend(out)?;
        write!(out, "<div class=\"pictures\">")?;
        for (scene, picture) in record.pictures.iter().enumerate() {
            picture::draw(out, picture, scene)?;
        }
        write!(out, "</div></section>")?;
    }
    tables::caches(out, outcome)?;
    tables::leaks(out, outcome)?;
    tables::trends(out, outcome)?;
    tables::scenes(out, outcome)?;
    tables::tags(out, outcome)?;
    tables::general_heap(out, outcome)?;
    writeln!(
        out,
        "</main><footer>Sizes are binary: 1 KiB is 1024 bytes. Times and percentiles leave out the first {} frames of each scene; the timelines show every frame. A tag’s figures include its children’s, but for those of the general heap.</footer></body></html>",
        outcome.warmup_frames
    )
}

/// Writes the page over `record` to the file `path`.
///
/// The page is written beside `path` first and then takes its name, so that a reader never sees half a page and an
/// existing file stays as it was when something fails.
///
/// # Errors
/// What the file system says; the unfinished file is removed.
pub fn write_page(path: &Path, record: &Record) -> io::Result<()> {
    let mut page = String::new();
    render(record, &mut page).map_err(io::Error::other)?;
    write_whole(path, page.as_bytes())
}

/// Writes `bytes` to the file `path`, all of them or none: into a file beside it, which then takes its name and the
/// permissions of the file that had it.
///
/// # Errors
/// What the file system says; the unfinished file is removed and an existing file is as it was.
pub fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let unfinished = unfinished_path(path)?;
    let written = create_unfinished(&unfinished).and_then(|mut file| {
        // Whoever may not read the old file may not read the new one; a file that is not there has no say.
        if let Ok(old) = fs::metadata(path) {
            file.set_permissions(old.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&unfinished, path)
    });
    if written.is_err() {
        // The first error is the one to tell; a file that was never made cannot be removed.
        let _ = fs::remove_file(&unfinished);
    }
    written
}

/// Makes the file at an [`unfinished_path`]. In a folder where others may write, a link that waits under this name must
/// not lead elsewhere: whatever is there is removed, never followed.
///
/// # Errors
/// What the file system says.
pub fn create_unfinished(unfinished: &Path) -> io::Result<File> {
    match fs::remove_file(unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => File::create_new(unfinished),
    }
}

/// Where [`write_whole`] writes before the file takes its name: hidden, in the same folder, of this process alone.
///
/// # Errors
/// `InvalidInput` when `path` does not end in a file name.
pub fn unfinished_path(path: &Path) -> io::Result<PathBuf> {
    let name = path
        .file_name()
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "the path does not end in a file name"))?;
    let mut unfinished = std::ffi::OsString::from(".");
    unfinished.push(name);
    unfinished.push(format!(".{}.tmp", std::process::id()));
    Ok(path.with_file_name(unfinished))
}
