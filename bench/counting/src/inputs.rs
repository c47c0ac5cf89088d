//! What the programs work on: made here, the same each time.

use std::fmt::Write;
use std::path::Path;

/// Xorshift, so that the inputs depend on no crate's version.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The same numbers for the same seed, which is not 0.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) as usize % end
    }
}

const WORDS: &[&str] = &[
    "arena", "block", "budget", "cache", "frame", "handle", "heap", "ledger", "memory", "page", "pool",
    "region", "scene", "texture", "thread", "update", "the", "a", "of", "which", "never", "moves", "until",
    "it", "ends",
];

/// Words of running text.
fn words(random: &mut Random, count: usize) -> String {
    let chosen: Vec<_> = (0..count).map(|_| WORDS[random.below(WORDS.len())]).collect();
    chosen.join(" ")
}

/// Writes a tree of text files under `folder`, with something to find in every tenth line and some files to ignore.
///
/// # Errors
/// A file can not be written.
pub fn write_tree(folder: &Path) -> Result<(), String> {
    let mut random = Random::new(0x5EED_0001);
    let told = |error: std::io::Error| error.to_string();
    std::fs::write(folder.join(".ignore"), "*.log\nbuild/\n").map_err(told)?;
    for number in 0..200 {
        let inner =
            folder.join(format!("{:02}/{}", number % 20, if number % 3 == 0 { "src" } else { "build" }));
        std::fs::create_dir_all(&inner).map_err(told)?;
        let ending = ["rs", "txt", "log"][number % 3];
        let mut text = String::new();
        for line in 0..300 {
            let count = 3 + random.below(12);
            let _ = write!(text, "{}", words(&mut random, count));
            let _ = if line % 10 == 0 { writeln!(text, " fn update_{line}(") } else { writeln!(text) };
        }
        std::fs::write(inner.join(format!("file{number}.{ending}")), text).map_err(told)?;
        std::fs::write(folder.join(format!("{:02}/notes{number}.md", number % 20)), words(&mut random, 2000))
            .map_err(told)?;
    }
    Ok(())
}

/// Pixels of a picture: gradients with some noise, red, green and blue.
#[must_use]
pub fn picture(side: u32) -> Vec<u8> {
    let mut random = Random::new(0x5EED_0002);
    let pixel = |at: u32, random: &mut Random| {
        let (x, y) = (at % side, at / side);
        [(x * 2) as u8, (y * 2) as u8, (x + y) as u8 ^ random.below(4) as u8]
    };
    (0..side * side).flat_map(|at| pixel(at, &mut random)).collect()
}

/// Paths, circles, gradients and groups.
#[must_use]
pub fn drawing(shapes: usize) -> String {
    let mut random = Random::new(0x5EED_0003);
    let mut svg = String::from(
        "<svg xmlns='http://www.w3.org/2000/svg' width='200' height='200'><defs><linearGradient id='g'>\
         <stop offset='0' stop-color='#204060'/><stop offset='1' stop-color='#f0e0a0'/></linearGradient></defs>",
    );
    for number in 0..shapes {
        let mut at = || random.below(200);
        let (a, b, c, d) = (at(), at(), at(), at());
        let _ = match number % 4 {
            0 => write!(
                svg,
                "<circle cx='{a}' cy='{b}' r='{}' fill='#{:06x}' opacity='0.7'/>",
                c / 8,
                d * 4099
            ),
            1 => {
                write!(svg, "<path d='M {a} {b} C {b} {c} {c} {d} {d} {a} Z' fill='url(#g)' stroke='black'/>")
            }
            2 => write!(
                svg,
                "<g transform='rotate({a} {b} {c})'><rect x='{a}' y='{b}' width='30' height='{d}' rx='5'/></g>"
            ),
            _ => write!(
                svg,
                "<polyline points='{a},{b} {c},{d} {b},{c}' stroke='#080' fill='none' stroke-dasharray='4 2'/>"
            ),
        };
    }
    svg + "</svg>"
}

/// Headings, paragraphs with emphasis and links, lists, code and quotes.
#[must_use]
pub fn document(bytes: usize) -> String {
    let mut random = Random::new(0x5EED_0004);
    let mut text = String::new();
    for number in 0.. {
        if text.len() > bytes {
            break;
        }
        let (some, more) = (words(&mut random, 8), words(&mut random, 30));
        let _ = match number % 5 {
            0 => writeln!(
                text,
                "## {some}\n\n{more} *{some}*, **{some}** and [{some}](https://example.org/{number}).\n"
            ),
            1 => writeln!(text, "- {some}\n- `{some}`\n  - {more}\n"),
            2 => writeln!(text, "```rust\nlet a = {number};\n{more}\n```\n"),
            3 => writeln!(text, "> {more}\n> {some}\n"),
            _ => writeln!(text, "{more}\n{more}\n\n1. {some}\n2. {some}\n"),
        };
    }
    text
}

/// A file of Rust.
#[must_use]
pub fn source(functions: usize) -> String {
    let mut random = Random::new(0x5EED_0005);
    let mut text = String::from("use std::collections::HashMap;\n");
    for number in 0..functions {
        let (a, b) = (WORDS[random.below(16)], WORDS[random.below(16)]);
        let _ = writeln!(
            text,
            "/// The {a} of the {b}.\npub fn {a}_{number}<T: Clone>({b}: &mut HashMap<u32, Vec<T>>, by: &[T]) -> Option<usize> {{\n\
             let mut sum = {number}usize; for (key, value) in {b}.iter_mut() {{ if *key as usize % 3 == sum {{ \
             value.extend(by.iter().cloned()); sum += value.len() * 2 + 1; }} else {{ match value.first() {{ Some(_) => \
             sum -= 1, None => return None }} }} }} Some(sum) }}",
        );
    }
    text
}
