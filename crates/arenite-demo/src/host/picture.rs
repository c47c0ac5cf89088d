//! The picture of a scene for the report.

use crate::outcome::{Dot, Line, Picture};
use crate::rules::crew::Crew;
use crate::rules::draw::Camera;
use crate::rules::flight::{Crowd, Fallen, Projectile, Sparks};
use crate::rules::math::Point;
use crate::wad::Map;

/// A scene seen from above.
pub fn picture(
    map: &Map<'_>,
    crew: &impl Crew,
    fallen: &impl Crowd<Fallen>,
    projectiles: &impl Crowd<Projectile>,
    particles: &impl Sparks,
    eye: Point,
) -> Picture {
    let lines = map.lines().iter().map(|line| {
        let [from, to] = map.ends(&line).map(|end| [i32::from(end.x), i32::from(end.y)]);
        Line { from, to, solid: line.is_solid() }
    });
    let living = crew.each().map(|(_, agent)| (agent, true));
    let everybody = living.chain(fallen.iter().map(|fallen| (&fallen.agent, false)));
    Picture {
        map: map.name().to_string(),
        lines: lines.collect(),
        agents: everybody
            .map(|(agent, alive)| Dot { at: agent.at.to_map(), team: agent.team, alive })
            .collect(),
        projectiles: projectiles.iter().map(|projectile| projectile.at.to_map()).collect(),
        particles: particles.places().map(|(at, _)| at.to_map()).collect(),
        camera: Camera::over(eye).map_rectangle(),
    }
}
