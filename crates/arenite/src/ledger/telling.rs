//! What the recorder is told by those who stand below it. It is told nothing unless there was a recording, and sorts out itself
//! what is of one. Without the feature `record` nobody listens, and nothing is left of this.

#[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
mod told {
    use std::sync::OnceLock;

    use crate::base::recording::Resizing;
    use crate::ledger::Tag;

    /// Who listens. Called with no lock of the caller's held, but [`freed`](Self::freed), and but that of a fit heap that its owner locks.
    #[derive(Debug)]
    pub(crate) struct Recorder {
        /// Memory was committed under a tag, or given back: so many bytes more.
        pub(crate) committed: fn(Tag, i64),
        /// A heap with a tag of its own has handed out a block: where, how large.
        pub(crate) allocated: fn(Tag, usize, usize),
        /// Such a heap is about to take a block back. Its locks may be held.
        pub(crate) freed: fn(usize),
        /// The general heap is about to take one of those blocks back that it was to tell of.
        pub(crate) apart_freed: fn(usize),
        /// Such a heap is about to give a block another size, and perhaps another place.
        pub(crate) resizing: fn(usize) -> Resizing,
        /// Its block, which was at the first address, is at the second one now, and so large.
        pub(crate) resized: fn(Resizing, Tag, usize, usize, usize),
        /// It could not: the block is as it was.
        pub(crate) stays: fn(Resizing, usize),
        /// Such a heap has put a block elsewhere: from where, to where. It is the same block.
        pub(crate) moved: fn(usize, usize),
    }

    static RECORDER: OnceLock<Recorder> = OnceLock::new();

    /// From now on the recorder is told.
    pub(crate) fn set_recorder(recorder: Recorder) {
        // There is one.
        let _ = RECORDER.set(recorder);
    }

    pub(crate) fn committed(tag: Tag, bytes: i64) {
        if let Some(recorder) = RECORDER.get() {
            (recorder.committed)(tag, bytes);
        }
    }

    pub(crate) fn allocated(tag: Tag, address: usize, size: usize) {
        if let Some(recorder) = RECORDER.get() {
            (recorder.allocated)(tag, address, size);
        }
    }

    pub(crate) fn freed(address: usize) {
        if let Some(recorder) = RECORDER.get() {
            (recorder.freed)(address);
        }
    }

    pub(crate) fn apart_freed(address: usize) {
        if let Some(recorder) = RECORDER.get() {
            (recorder.apart_freed)(address);
        }
    }

    pub(crate) fn resizing(address: usize) -> Resizing {
        RECORDER.get().map_or_else(Resizing::default, |recorder| (recorder.resizing)(address))
    }

    pub(crate) fn resized(resizing: Resizing, tag: Tag, before: usize, address: usize, size: usize) {
        if let Some(recorder) = RECORDER.get() {
            (recorder.resized)(resizing, tag, before, address, size);
        }
    }

    pub(crate) fn moved(before: usize, address: usize) {
        if let Some(recorder) = RECORDER.get() {
            (recorder.moved)(before, address);
        }
    }

    pub(crate) fn stays(resizing: Resizing, address: usize) {
        if let Some(recorder) = RECORDER.get() {
            (recorder.stays)(resizing, address);
        }
    }
}

#[cfg(not(all(feature = "record", not(loom), target_pointer_width = "64")))]
mod told {
    use crate::base::recording::Resizing;
    use crate::ledger::Tag;

    #[inline(always)]
    pub(crate) fn committed(_tag: Tag, _bytes: i64) {}
    #[inline(always)]
    pub(crate) fn allocated(_tag: Tag, _address: usize, _size: usize) {}
    #[inline(always)]
    pub(crate) fn freed(_address: usize) {}
    #[inline(always)]
    pub(crate) fn resizing(_address: usize) -> Resizing {
        Resizing
    }
    #[inline(always)]
    pub(crate) fn resized(_resizing: Resizing, _tag: Tag, _before: usize, _address: usize, _size: usize) {}
    #[inline(always)]
    pub(crate) fn moved(_before: usize, _address: usize) {}
    #[inline(always)]
    pub(crate) fn stays(_resizing: Resizing, _address: usize) {}
}

pub(crate) use told::*;
