//! A file as memory: records of any size in pieces of a mapped file, found by their offsets when it is opened again.
//!
//! `cargo run --release -p arenite --example mapped_file`
#![expect(unsafe_code, reason = "writes to memory that the system has mapped")]

use std::error::Error;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use arenite::{Bytes, ExternalBlock, ExternalHeap, ExternalOptions, Provider, Tag};
use memmap2::{MmapOptions, MmapRaw};

/// A file that grows by chunks, each of which is mapped.
struct Mapped {
    file: File,
    length: u64,
    /// Parts of the file that were given back, and their sizes.
    free: Vec<(u64, u64)>,
}

/// A part of the file, in memory.
struct Part {
    map: MmapRaw,
    /// Where in the file it begins.
    start: u64,
}

impl Provider for Mapped {
    type Memory = Part;
    type Error = io::Error;

    fn allocate(&mut self, size: u64, align: u64) -> io::Result<Part> {
        // Mappings begin at pages, wherever that is in the file.
        assert!(align <= 4096, "a mapping is aligned to pages");
        let start = match self.free.iter().position(|(_, free)| *free == size) {
            Some(at) => self.free.swap_remove(at).0,
            None => {
                self.file.set_len(self.length + size)?;
                self.length += size;
                self.length - size
            }
        };
        let length = usize::try_from(size).map_err(io::Error::other)?;
        let map = MmapOptions::new().offset(start).len(length).map_raw(&self.file)?;
        Ok(Part { map, start })
    }

    fn release(&mut self, part: Part, size: u64) {
        self.free.push((part.start, size));
    }
}

/// Writes a record, and says where in the file it begins.
fn write(record: &ExternalBlock<Mapped>, bytes: &[u8]) -> u64 {
    assert!(bytes.len() as u64 <= record.size());
    let part = record.memory();
    // SAFETY: the heap gave this part of the mapping to this record only, and it is at least as large.
    unsafe {
        let place = part.map.as_mut_ptr().add(record.offset() as usize);
        place.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
    }
    part.start + record.offset()
}

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join(format!("arenite-mapped-{}", std::process::id()));
    let file = File::options().read(true).write(true).create(true).truncate(true).open(&path)?;
    let tag = Tag::register("save/records")?;
    let options = ExternalOptions::new(tag).chunk(1 << 20).granularity(64).align(4096);
    let heap: ExternalHeap<Mapped> = options.build(Mapped { file, length: 0, free: Vec::new() });

    let mut index = Vec::new();
    let mut records = Vec::new();
    for number in 0..1000_usize {
        let text = format!("record {number}: {}", "level ".repeat(number % 300));
        let record = heap.try_allocate(text.len() as u64, 64)?;
        let place = write(&record, text.as_bytes());
        // Every third one is not kept, and its place serves others.
        if number % 3 != 0 {
            index.push((place, text));
            records.push(record);
        }
    }
    let stats = heap.stats();
    println!(
        "{} records, {} of {} in {} parts of the file",
        stats.blocks,
        Bytes(stats.used as usize),
        Bytes(stats.capacity as usize),
        stats.chunks
    );
    for record in &records {
        record.memory().map.flush_range(record.offset() as usize, record.size() as usize)?;
    }
    drop((records, heap));
    assert_eq!(tag.account().own.committed, 0);

    // Another program, later.
    let mut file = File::open(&path)?;
    for (place, text) in &index {
        let mut found = vec![0; text.len()];
        file.seek(SeekFrom::Start(*place))?;
        file.read_exact(&mut found)?;
        assert_eq!(found, text.as_bytes());
    }
    println!("{} records read back from {}", index.len(), Bytes(file.metadata()?.len() as usize));
    std::fs::remove_file(&path)?;
    Ok(())
}
