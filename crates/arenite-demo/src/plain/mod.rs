//! The game's memory on the standard library: `Vec`, `BinaryHeap`, `Rc` and `String`, on whatever the process's
//! general heap is. What a competent programmer writes who does not think about allocators.
//!
//! | file | what lives there |
//! |---|---|
//! | `crew` | agents in slots, as one writes it without a pool |
//! | `crowd` | a vector with a limit |
//! | `scene` | a scene and its frame |
//! | `resources` | decoded textures, flats, sprites and sounds |
//! | `think` | paths in `Vec`s |
//!
//! The rules are those of [`rules`](crate::rules); `world`, the same game on Arenite, is not known here.

mod crew;
mod crowd;
mod resources;
mod scene;
mod think;

use crate::config::{Config, Observer};
use crate::error::DemoError;
use crate::host::{self, Clock, Counts, Left, Resident, Run};
use crate::outcome::{FrameSample, Record};
use crate::wad::Wad;
pub use crew::Slots;
pub use crowd::Limited;
use scene::Scene;

/// Plays the whole run.
///
/// # Errors
/// Whatever is wrong with the configuration or the file; see [`DemoError`].
pub fn run(config: &Config, observer: &mut dyn Observer) -> Result<Record, DemoError> {
    host::check(config)?;
    host::on_pool(config, || (), || play(config, observer))
}

fn play(config: &Config, observer: &mut dyn Observer) -> Result<Record, DemoError> {
    let bytes = host::read(config)?;
    let wad = Wad::parse(&bytes)?;
    let maps = host::maps(&wad, config)?;
    let heap_calls = || config.heap_calls.map_or(0, |count| count());

    let mut run = Run::new(config, "plain");
    for (number, &name) in (0..config.scenes).zip(maps.iter().cycle()) {
        let map = wad.map(name)?;
        let before = Resident::read().now;
        let loading = Clock::start();
        let mut scene = Scene::load(&wad, &map, number, config)?;
        let load_ms = loading.ms();
        observer.scene_started(&map.name().to_string(), number, config.scenes);
        run.play(observer, || {
            // Only the frame itself lies between the readings of clock and counters.
            let (calls, faults) = (heap_calls(), host::minor_faults());
            let clock = Clock::start();
            let drawn = scene.frame();
            let ms = clock.ms() as f32;
            let counts =
                Counts { heap: heap_calls() - calls, memory: 0, faults: host::minor_faults() - faults };
            let sample = FrameSample { ms, drawn: drawn.items, fresh: drawn.fresh, ..FrameSample::default() };
            Ok((sample, counts))
        })?;
        let loaded = Resident::read().now;

        let (picture, checksum, drops) = (scene.picture(&map), scene.checksum(), scene.drops());
        let left = Left {
            map: map.name(),
            agents: scene.agents(),
            totals: scene.totals(),
            loaded: scene.resources_loaded(),
            dropped: 0,
            bytes: scene.resource_bytes(),
            live_after: 0,
            resident: [before, loaded, 0],
            load_ms,
            unload_ms: 0.0,
        };
        let leaving = Clock::start();
        drop(scene);
        let unload_ms = leaving.ms();
        let resident = [before, loaded, Resident::read().now];
        run.scene(Left { dropped: drops.get(), resident, unload_ms, ..left }, picture, checksum);
    }
    Ok(run.finish())
}

#[cfg(test)]
mod tests;
