//! The programs: each one's library does the whole work of its command, with its usual settings and one thread.

use std::path::Path;

use crate::inputs;

/// A number that depends on all of an answer.
pub(crate) fn digest(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |sum, byte| (sum ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01B3))
}

/// What callgrind counts. By name, so it must stay a function of its own.
#[inline(never)]
fn measured<R>(work: impl FnOnce() -> R) -> R {
    work()
}

/// Runs the program of this name and gives a number for its answer. None: there is no such program, or it failed.
#[must_use]
pub fn run(name: &str, folder: &Path) -> Option<u64> {
    let bytes = match name {
        "ripgrep" => measured(|| search(folder)),
        "oxipng" => {
            let side = 96;
            let (color, depth) =
                (oxipng::ColorType::RGB { transparent_color: None }, oxipng::BitDepth::Eight);
            let raw = oxipng::RawImage::new(side, side, color, depth, inputs::picture(side)).ok()?;
            let png = raw.create_optimized_png(&oxipng::Options::from_preset(0)).ok()?;
            let options = oxipng::Options::from_preset(2);
            measured(|| oxipng::optimize_from_memory(&png, &options)).ok()?
        }
        "resvg" => {
            let svg = inputs::drawing(400);
            measured(|| render(&svg))?
        }
        "comrak" => {
            let (text, mut options) = (inputs::document(200 << 10), comrak::Options::default());
            (options.extension.table, options.extension.strikethrough, options.extension.autolink) =
                (true, true, true);
            measured(|| comrak::markdown_to_html(&text, &options)).into_bytes()
        }
        "prettyplease" => {
            let text = inputs::source(200);
            measured(|| Some(prettyplease::unparse(&syn::parse_file(&text).ok()?)))?.into_bytes()
        }
        "pairs" => measured(pairs),
        "pairs-two" => std::thread::scope(|threads| {
            let other = threads.spawn(|| measured(pairs));
            let mut answer = measured(pairs);
            answer.extend(other.join().ok()?);
            Some(answer)
        })?,
        _ => return None,
    };
    (!bytes.is_empty()).then(|| digest(&bytes))
}

/// No program: nothing but blocks of 16 to 511 bytes, of which 64 live, and each step frees one and takes another.
fn pairs() -> Vec<u8> {
    let mut random = inputs::Random::new(0x5EED_0006);
    let mut live = vec![Vec::<u8>::new(); 64];
    for step in 0..50_000 {
        let (place, size) = (random.below(64), 16 + random.below(496));
        live[place] = Vec::with_capacity(size);
        live[place].push(step as u8);
    }
    live.concat()
}

/// As `rg --threads 1 'fn \w+_(10|20)0\(|textures?\s+ledger'`, without colours.
fn search(folder: &Path) -> Vec<u8> {
    use grep::regex::RegexMatcherBuilder;
    use grep::searcher::SearcherBuilder;
    use ignore::WalkBuilder;

    let pattern = r"fn \w+_(10|20)0\(|textures?\s+ledger";
    let matcher =
        RegexMatcherBuilder::new().line_terminator(Some(b'\n')).build(pattern).expect("a good pattern");
    let mut searcher = SearcherBuilder::new().line_number(true).build();
    let mut printer = grep::printer::StandardBuilder::new().heading(false).build_no_color(Vec::new());
    let walk = WalkBuilder::new(folder).sort_by_file_name(std::ffi::OsStr::cmp).build();
    for entry in
        walk.filter_map(Result::ok).filter(|entry| entry.file_type().is_some_and(|kind| kind.is_file()))
    {
        // Printed as from inside the folder, whose name is another one each time.
        let shown = entry.path().strip_prefix(folder).unwrap_or(entry.path()).to_owned();
        let sink = printer.sink_with_path(&matcher, &shown);
        searcher.search_path(&matcher, entry.path(), sink).expect("a readable file");
    }
    printer.into_inner().into_inner()
}

/// As `resvg drawing.svg picture.png`, but for the encoding.
fn render(svg: &str) -> Option<Vec<u8>> {
    use resvg::{tiny_skia, usvg};

    let tree = usvg::Tree::from_str(svg, &usvg::Options::default()).ok()?;
    let size = tree.size().to_int_size();
    let mut pixels = tiny_skia::Pixmap::new(size.width(), size.height())?;
    resvg::render(&tree, tiny_skia::Transform::default(), &mut pixels.as_mut());
    Some(pixels.take())
}
