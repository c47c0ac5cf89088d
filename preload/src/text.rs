//! What the process did with its memory, written without allocating.

use core::cell::UnsafeCell;
use core::ffi::CStr;
use core::fmt::{self, Write};

use arenite::heap::bucket::{HeapStats, each_thread, process_stats, process_tag};
use arenite::{Bytes, Ledger, Tag};

use crate::system::{File, print_error, process_number, program_name};

/// Text of a fixed size; what does not fit is cut.
pub(crate) struct Text<const ROOM: usize = 512> {
    bytes: [u8; ROOM],
    len: usize,
}

impl<const ROOM: usize> Text<ROOM> {
    pub(crate) const fn new() -> Self {
        Self { bytes: [0; ROOM], len: 0 }
    }

    fn push(&mut self, text: &[u8]) {
        let taken = text.len().min(ROOM - self.len);
        self.bytes[self.len..self.len + taken].copy_from_slice(&text[..taken]);
        self.len += taken;
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}

impl<const ROOM: usize> Write for Text<ROOM> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text.as_bytes());
        Ok(())
    }
}

/// The figures of the whole process.
struct Figures {
    heap: HeapStats,
    committed: usize,
    peak: usize,
}

impl Figures {
    fn now() -> Self {
        // The heap's memory is under two tags: what nobody claimed, and what the heap keeps for itself.
        let (own, untagged) = (process_tag().account(), Tag::untagged().account());
        let committed = own.own.committed + untagged.own.committed;
        Self { heap: process_stats(None), committed, peak: Ledger::process().peak_committed().max(committed) }
    }
}

/// Prints a summary to standard error.
pub(crate) fn print_stats() {
    let figures = Figures::now();
    let memory = arenite::os::process_memory();
    let mut text = Text::<512>::new();
    let _ = writeln!(
        text,
        "arenite: {} allocations, {} frees, {} blocks live ({}); committed {}, peak {}; resident {}, peak {}",
        figures.heap.allocs(),
        figures.heap.frees(),
        figures.heap.live(),
        Bytes(figures.heap.live_bytes() as usize),
        Bytes(figures.committed),
        Bytes(figures.peak),
        Bytes(memory.resident),
        Bytes(memory.resident_peak),
    );
    print_error(text.bytes());
}

/// The longest name of a folder that reports go to.
const FOLDER: usize = 4096;

/// Where reports go: written before there is a second thread, empty if nowhere.
struct Folder(UnsafeCell<[u8; FOLDER]>);

// SAFETY: written once, when the library starts; afterwards it is only read.
unsafe impl Sync for Folder {}

static REPORTS: Folder = Folder(UnsafeCell::new([0; FOLDER]));

/// From now on reports go to this folder. Called when the library starts, and never again. What is too long is not taken.
pub(crate) fn report_to(folder: &CStr) {
    let bytes = folder.to_bytes_with_nul();
    if bytes.len() <= FOLDER {
        // SAFETY: nobody else is there yet.
        unsafe { (&mut *REPORTS.0.get())[..bytes.len()].copy_from_slice(bytes) };
    }
}

/// Writes a report to a file of this process's in the folder, if there is one. What can not be written is not.
pub(crate) fn report() {
    // SAFETY: nobody writes any more.
    let Ok(folder) = CStr::from_bytes_until_nul(unsafe { &*REPORTS.0.get() }) else { return };
    if folder.is_empty() {
        return;
    }
    // A name that is no text can be a folder's all the same.
    let mut path = Text::<{ FOLDER + 16 }>::new();
    path.push(folder.to_bytes());
    let _ = write!(path, "/{}\0", process_number());
    let Ok(path) = CStr::from_bytes_with_nul(path.bytes()) else { return };
    let Some(mut file) = File::create(path) else { return };
    let figures = Figures::now();
    let memory = arenite::os::process_memory();
    let _ = write!(
        file,
        "arenite-report 1\nname {}\npeak {}\ncommitted {}\nlive_blocks {}\nlive_bytes {}\nallocations {}\nfrees {}\n\
         resident {}\npeak_resident {}\n",
        program_name(),
        figures.peak,
        figures.committed,
        figures.heap.live(),
        figures.heap.live_bytes(),
        figures.heap.allocs(),
        figures.heap.frees(),
        memory.resident,
        memory.resident_peak,
    );
    for class in figures.heap.classes.iter().filter(|class| class.allocs > 0) {
        let _ = writeln!(
            file,
            "class {} {} {}",
            class.size,
            class.allocs,
            class.allocs.saturating_sub(class.live)
        );
    }
    let heap = &figures.heap;
    let _ = writeln!(
        file,
        "class {} {} {}",
        u64::MAX,
        heap.large_allocs,
        heap.large_allocs.saturating_sub(heap.large_live)
    );
    each_thread(|thread| {
        let heap = &thread.heap;
        let _ = writeln!(
            file,
            "thread {} {} {} {} {}",
            thread.number,
            heap.allocs(),
            heap.frees(),
            thread.threads,
            heap.live_bytes()
        );
    });
    let _ = writeln!(file, "end");
}
