//! The picture of a scene for the report.

use crate::outcome::{Dot, Line, Picture};
use crate::rules::agent::Agent;
use crate::rules::draw::Camera;
use crate::rules::flight::{Crowd, Particle, Projectile};
use crate::wad::Map;

/// A scene seen from above.
pub fn picture(
    map: &Map<'_>,
    agents: &[Agent],
    projectiles: &impl Crowd<Projectile>,
    particles: &impl Crowd<Particle>,
) -> Picture {
    let lines = map.lines().iter().map(|line| {
        let [from, to] = map.ends(&line).map(|end| [i32::from(end.x), i32::from(end.y)]);
        Line { from, to, solid: line.is_solid() }
    });
    let dot = |agent: &Agent| Dot { at: agent.at.to_map(), team: agent.team, alive: agent.lives() };
    Picture {
        map: map.name().to_string(),
        lines: lines.collect(),
        agents: agents.iter().map(dot).collect(),
        projectiles: projectiles.iter().map(|projectile| projectile.at.to_map()).collect(),
        particles: particles.iter().map(|particle| particle.at.to_map()).collect(),
        camera: Camera::follow(agents).map_rectangle(),
    }
}
