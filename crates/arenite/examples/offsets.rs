//! Buffers of a graphics card by offset: nothing of the card's memory is touched. The range grows by a segment when it is full, the old
//! segment is drained and given back, and what lies where is saved and loaded again.
//!
//! `cargo run --release -p arenite --example offsets`

use std::error::Error;

use arenite::{
    BestFit, BlockState, FitError, OffsetAllocator, OffsetAllocatorState, OffsetBlock, OffsetOptions,
    SegmentError, Tag,
};
use serde::{Deserialize, Serialize};

/// What an engine knows of a buffer: `block` says where it lies, and is saved with it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Buffer {
    name: String,
    block: OffsetBlock,
}

/// What is saved and what is loaded.
#[derive(Serialize)]
struct Saved<'a> {
    memory: &'a OffsetAllocator<BestFit>,
    buffers: &'a [Buffer],
}

#[derive(Deserialize)]
struct Loaded {
    memory: OffsetAllocatorState,
    buffers: Vec<Buffer>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let tag = Tag::register("gpu/buffers")?;
    // 1 MiB in steps of 256 bytes; of the free pieces the smallest that suffices.
    let mut memory: OffsetAllocator<BestFit> =
        OffsetOptions::new(tag).granularity(256).capacity(1 << 20).try_build()?;

    // More buffers than it has room for: then it gets a segment of 4 MiB, behind the first one.
    let mut buffers = Vec::new();
    for number in 0..24_u64 {
        let size = 20_000 * (number % 5 + 1);
        let block = match memory.try_allocate(size, 4096) {
            Err(error @ (FitError::OutOfMemory { .. } | FitError::OutOfContiguous { .. })) => {
                println!("{error}");
                memory.try_append(4 << 20)?;
                memory.try_allocate(size, 4096)?
            }
            answer => answer?,
        };
        buffers.push(Buffer { name: format!("mesh {number}"), block });
    }
    println!("grown:   {}", memory.stats());

    // The first segment is to go: nothing is handed out of it any more, and each buffer in it gets a place elsewhere.
    let first = memory.segments().next().ok_or("a segment")?;
    memory.try_drain(first, true)?;
    assert_eq!(memory.try_remove(first), Err(SegmentError::InUse));
    let (start, size) = memory.segment(first).ok_or("it is there")?;
    for buffer in buffers.iter_mut().filter(|buffer| (start..start + size).contains(&buffer.block.offset)) {
        let target = memory.try_allocate(buffer.block.size, 4096)?;
        // A real program lets the card copy from `buffer.block.offset` to `target.offset` here.
        memory.free(buffer.block.id)?;
        buffer.block = target;
    }
    println!("drained: {}", memory.stats());
    memory.try_remove(first)?;
    println!("removed: {}", memory.stats());

    // Saved and loaded, ids name what they named.
    let text = serde_json::to_string(&Saved { memory: &memory, buffers: &buffers })?;
    let loaded: Loaded = serde_json::from_str(&text)?;
    assert_eq!(loaded.buffers, buffers);
    let mut memory: OffsetAllocator<BestFit> = loaded.memory.try_into_allocator(OffsetOptions::new(tag))?;
    println!("loaded:  {} (from {} bytes)", memory.stats(), text.len());
    let used = memory.walk().filter(|piece| matches!(piece.state, BlockState::Used(_))).count();
    assert_eq!(used, buffers.len());
    for buffer in &loaded.buffers {
        assert_eq!(memory.get(buffer.block.id), Some(buffer.block));
        memory.free(buffer.block.id)?;
    }
    assert_eq!((memory.stats().used, memory.stats().free_blocks), (0, 1));
    Ok(())
}
