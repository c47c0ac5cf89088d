//! Scenes: textures with destructors in the resource arena, the next level loading on another thread while frames
//! run, and everything of the old level gone at the change.
//!
//! `cargo run --release -p arenite --example scene`

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};

use arenite::{Bytes, MemoryManager, Resource, Scene, os};

static DROPPED: AtomicUsize = AtomicUsize::new(0);

struct Texture {
    width: usize,
    pixels: Resource<[u8]>,
}

impl Drop for Texture {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::Relaxed);
    }
}

/// Fills a scene with 32 textures of 1 MiB, wherever it is called.
fn load(scene: &Scene, level: u8) -> Result<Vec<Resource<Texture>>, arenite::AllocError> {
    (0..32)
        .map(|_| {
            let pixels = scene.try_insert_slice_with(1 << 20, |pixels: &mut [u8]| {
                pixels.fill(level);
                Ok::<(), arenite::AllocError>(())
            })?;
            scene.try_insert(Texture { width: 1024, pixels })
        })
        .collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut memory = MemoryManager::builder().build()?;
    let first = memory.load_scene();
    let mut textures = load(&first, 1)?;
    memory.change_scene(first);

    // The second level loads on another thread; frames go on meanwhile.
    let next = memory.load_scene();
    let loader = std::thread::spawn(move || load(&next, 2).map(|textures| (next, textures)));
    let mut frames = 0;
    while !loader.is_finished() || frames < 10 {
        let frame = memory.begin_frame();
        let texture = frame.resources().get(textures[frames % 32]).ok_or("a texture of this scene")?;
        let pixels = frame.resources().get(texture.pixels).ok_or("its pixels")?;
        assert_eq!((texture.width, pixels[0]), (1024, 1));
        frame.end();
        frames += 1;
    }
    let (next, next_textures) = loader.join().map_err(|_| "the loader panicked")??;

    let before = os::process_memory().resident;
    let old = textures[0];
    let report = memory.change_scene(next);
    textures = next_textures;
    println!(
        "{frames} frames while loading; then {} resources dropped ({} destructors), {} freed, resident {} → {}",
        report.dropped,
        DROPPED.load(Ordering::Relaxed),
        Bytes(report.freed),
        Bytes(before),
        Bytes(os::process_memory().resident),
    );

    let frame = memory.begin_frame();
    assert!(frame.resources().get(old).is_none(), "a handle of the old scene resolves to nothing");
    assert!(frame.resources().get(textures[0]).is_some());
    frame.end();
    println!("{}", memory.shutdown());
    Ok(())
}
