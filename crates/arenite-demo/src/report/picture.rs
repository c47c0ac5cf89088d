//! A scene's last frame seen from above.

use std::fmt::{self, Write};

use super::Escaped;
use super::svg::{At, legend, to_f64};
use super::units::count;
use crate::outcome::{Dot, Picture};

/// Width of a picture; a tall map is narrowed so that no picture is higher than this.
const SIDE: f64 = 1000.0;
/// Space around the map.
const MARGIN: f64 = 16.0;
/// The most things of one kind that are drawn; more would be a blot, and a page of megabytes. The caption says so.
const MOST: usize = 20_000;

/// Where map units lie in the drawing.
struct Frame {
    left: f64,
    top: f64,
    scale: f64,
    width: f64,
    height: f64,
}

impl Frame {
    /// Fits lines, agents and camera, however far out they are.
    fn around(picture: &Picture) -> Self {
        let [left, bottom, right, top] = picture.camera;
        // A camera without a surface saw nothing and is not drawn.
        let camera = (left != right && bottom != top).then_some([[left, bottom], [right, top]]);
        let points = picture.lines.iter().flat_map(|line| [line.from, line.to]);
        let points =
            points.chain(picture.agents.iter().map(|agent| agent.at)).chain(camera.into_iter().flatten());
        let (mut low, mut high) = ([f64::INFINITY; 2], [f64::NEG_INFINITY; 2]);
        for point in points {
            for side in 0..2 {
                low[side] = low[side].min(f64::from(point[side]));
                high[side] = high[side].max(f64::from(point[side]));
            }
        }
        if low[0] > high[0] {
            (low, high) = ([0.0; 2], [0.0; 2]);
        }
        let (across, up) = ((high[0] - low[0]).max(1.0), (high[1] - low[1]).max(1.0));
        let scale = (SIDE - 2.0 * MARGIN) / across.max(up);
        // Always the full width: pictures stand in a grid, and a narrow one is centred.
        let spare = (SIDE - 2.0 * MARGIN - across * scale) / 2.0;
        Self {
            left: low[0] - (MARGIN + spare) / scale,
            top: high[1] + MARGIN / scale,
            scale,
            width: SIDE,
            height: (up * scale + 2.0 * MARGIN).max(SIDE * 0.12),
        }
    }

    fn at(&self, [x, y]: [i32; 2]) -> (f64, f64) {
        ((f64::from(x) - self.left) * self.scale, (self.top - f64::from(y)) * self.scale)
    }
}

/// Draws the legend that all pictures share.
pub(super) fn draw_legend(out: &mut dyn Write) -> fmt::Result {
    let entries = [
        ("solid", "wall"),
        ("open", "line one can cross"),
        ("red", "team 0"),
        ("blue", "team 1"),
        ("dead", "dead"),
        ("shot", "projectile"),
        ("spark", "particle"),
        ("camera", "what the camera saw"),
    ];
    legend(out, &entries.map(|(class, name)| (class.to_owned(), name.to_owned())))
}

/// Draws one scene.
pub(super) fn draw(out: &mut dyn Write, picture: &Picture, scene: usize) -> fmt::Result {
    let frame = Frame::around(picture);
    let alive = |team: u8| {
        let standing = picture.agents.iter().filter(|agent| agent.alive && (agent.team == 0) == (team == 0));
        count(standing.count() as u64)
    };
    let dead = picture.agents.iter().filter(|agent| !agent.alive).count();
    let what = format!(
        "{} and {} agents alive, {} dead, {} projectiles, {} particles, {} lines",
        alive(0),
        alive(1),
        count(dead as u64),
        count(picture.projectiles.len() as u64),
        count(picture.particles.len() as u64),
        count(picture.lines.len() as u64)
    );
    let name = Escaped(&picture.map);
    write!(
        out,
        "<figure class=\"picture\"><svg data-chart=\"picture\" viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"Map {name} from above: {what}\">",
        At(frame.width),
        At(frame.height)
    )?;
    lines(out, picture, &frame, false)?;
    lines(out, picture, &frame, true)?;
    let [left, bottom, right, top] = picture.camera;
    if left != right && bottom != top {
        let ((x0, y0), (x1, y1)) = (frame.at([left, top]), frame.at([right, bottom]));
        write!(
            out,
            "<rect class=\"camera mark\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"3\"/>",
            At(x0.min(x1)),
            At(y0.min(y1)),
            At((x1 - x0).abs().max(2.0)),
            At((y1 - y0).abs().max(2.0))
        )?;
    }
    // Few agents may be large, many must be small; never smaller than a person is on the map.
    let radius = (70.0 / to_f64(picture.agents.len()).max(1.0).sqrt())
        .clamp(2.5, 7.0)
        .max(16.0 * frame.scale)
        .min(12.0);
    let of = |wanted: fn(&Dot) -> bool| {
        picture.agents.iter().filter(move |agent| wanted(agent)).map(|agent| agent.at)
    };
    shapes(
        out,
        &frame,
        "dead mark",
        of(|agent| !agent.alive),
        |r| format!("m{r} {r}l-{d} -{d}m0 {d}l{d} -{d}", r = At(r), d = At(2.0 * r)),
        radius * 0.7,
    )?;
    shapes(
        out,
        &frame,
        "spark mark",
        picture.particles.iter().copied(),
        |r| format!("m-{r} -{r}h{d}v{d}h-{d}z", r = At(r), d = At(2.0 * r)),
        1.3,
    )?;
    shapes(out, &frame, "blue mark", of(|agent| agent.alive && agent.team != 0), diamond, radius * 1.25)?;
    shapes(out, &frame, "red mark", of(|agent| agent.alive && agent.team == 0), disc, radius)?;
    shapes(out, &frame, "shot mark", picture.projectiles.iter().copied(), disc, (radius * 0.6).max(2.4))?;
    write!(out, "</svg><figcaption><b>Scene {}: {name}</b><br>{what}", scene + 1)?;
    let drawn = [picture.projectiles.len(), picture.particles.len(), picture.agents.len()];
    if drawn.into_iter().any(|things| things > MOST) {
        write!(out, "; of each kind at most {} are drawn", count(MOST as u64))?;
    }
    write!(out, "</figcaption></figure>")
}

/// All lines of one kind as one path: tens of thousands of elements would make the page slow.
fn lines(out: &mut dyn Write, picture: &Picture, frame: &Frame, solid: bool) -> fmt::Result {
    if !picture.lines.iter().any(|line| line.solid == solid) {
        return Ok(());
    }
    write!(out, "<path class=\"{} mark\" d=\"", if solid { "solid" } else { "open" })?;
    for line in picture.lines.iter().filter(|line| line.solid == solid) {
        let ((x0, y0), (x1, y1)) = (frame.at(line.from), frame.at(line.to));
        write!(out, "M{} {}L{} {}", At(x0), At(y0), At(x1), At(y1))?;
    }
    write!(out, "\"/>")
}

/// The same small shape around many points, as one path. `shape` is drawn from the middle.
fn shapes(
    out: &mut dyn Write,
    frame: &Frame,
    class: &str,
    points: impl Iterator<Item = [i32; 2]>,
    shape: impl Fn(f64) -> String,
    radius: f64,
) -> fmt::Result {
    let shape = shape(radius);
    let mut empty = true;
    for point in points.take(MOST) {
        let (x, y) = frame.at(point);
        if empty {
            write!(out, "<path class=\"{class}\" d=\"")?;
            empty = false;
        }
        write!(out, "M{} {}{shape}", At(x), At(y))?;
    }
    if empty { Ok(()) } else { write!(out, "\"/>") }
}

fn disc(r: f64) -> String {
    format!("m-{r} 0a{r} {r} 0 1 0 {d} 0a{r} {r} 0 1 0 -{d} 0", r = At(r), d = At(2.0 * r))
}

fn diamond(r: f64) -> String {
    format!("m-{r} 0l{r} -{r}l{r} {r}l-{r} {r}z", r = At(r))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::outcome::Line;

    fn square(side: i32) -> Picture {
        let line = |from, to| Line { from, to, solid: true };
        Picture {
            map: "M".to_owned(),
            lines: vec![line([-side, -side], [side, -side]), line([side, -side], [side, side])],
            ..Picture::default()
        }
    }

    #[test]
    fn up_on_the_map_is_up_on_the_page_and_everything_is_inside() {
        for side in [1, 4096, i32::MAX] {
            let frame = Frame::around(&square(side));
            let (left, low) = frame.at([-side, -side]);
            let (right, high) = frame.at([side, side]);
            assert!(high < low && left < right);
            assert!(left >= MARGIN - 0.01 && right <= frame.width - MARGIN + 0.01);
            assert!(high >= MARGIN - 0.01 && low <= frame.height - MARGIN + 0.01);
        }
    }

    #[test]
    fn an_empty_picture_is_drawn() {
        let mut page = String::new();
        draw(&mut page, &Picture::default(), 0).expect("a string takes everything");
        assert!(page.contains("<svg") && !page.contains("NaN") && !page.contains("inf"));
    }

    #[test]
    fn kinds_of_lines_are_one_path_each() {
        let mut picture = square(100);
        picture.lines[0].solid = false;
        let mut page = String::new();
        draw(&mut page, &picture, 2).expect("a string takes everything");
        assert_eq!(page.matches("class=\"solid mark\"").count(), 1);
        assert_eq!(page.matches("class=\"open mark\"").count(), 1);
        assert!(page.contains("Scene 3"));
    }
}
