//! A recorded program forks while its threads allocate: the recording goes on in the parent; the children record nothing, wait for
//! nobody, and can make recordings of their own.
#![cfg_attr(all(unix, target_pointer_width = "64"), expect(unsafe_code, reason = "forks, which only C has"))]

#[cfg(all(unix, target_pointer_width = "64"))]
#[global_allocator]
static HEAP: arenite::Recorded<std::alloc::System> = arenite::Recorded::new(std::alloc::System);

fn main() {
    #[cfg(all(unix, target_pointer_width = "64"))]
    forks::run();
    println!("forks ok");
}

#[cfg(all(unix, target_pointer_width = "64"))]
mod forks {
    use std::ffi::c_int;
    use std::hint::black_box;
    use std::path::Path;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::{Duration, Instant};

    use arenite::record::{self, RecordError, RecordOptions, Recording};
    use arenite_inspect::{Capture, Summary, SummaryOptions};

    const CHILDREN: usize = 20;
    /// Beyond what the recorder's buffers hold, if somebody filled them.
    const MANY: usize = 200_000;
    const BUFFER: usize = 1 << 20;

    unsafe extern "C" {
        fn fork() -> c_int;
        fn waitpid(process: c_int, status: *mut c_int, options: c_int) -> c_int;
        fn kill(process: c_int, signal: c_int) -> c_int;
        fn _exit(status: c_int) -> !;
    }

    fn ask(blocks: usize) {
        for size in 0..blocks {
            drop(black_box(Vec::<u8>::with_capacity(size % 500 + 1)));
        }
    }

    fn summary(file: &Path) -> Summary {
        let mut capture = Capture::open(file).expect("a capture");
        Summary::read(&mut capture, &SummaryOptions::new()).expect("it can be read")
    }

    fn marks(summary: &Summary) -> Vec<&str> {
        summary.marks.iter().map(|mark| mark.text.as_str()).collect()
    }

    /// What a child does. A number that says what is wrong, or 0.
    fn child(recording: Recording, own: Option<&Path>) -> c_int {
        if record::is_on() {
            return 10;
        }
        record::mark("in the child");
        recording.resume();
        if record::is_on() {
            return 11;
        }
        ask(MANY);
        match own {
            None => drop(recording),
            Some(own) => {
                if !matches!(recording.stop(), Err(RecordError::Forked)) {
                    return 12;
                }
                let Ok(recording) = record::start(RecordOptions::new(own).buffer(BUFFER)) else { return 13 };
                record::mark("of its own");
                ask(1000);
                let others = thread::spawn(|| ask(1000));
                if others.join().is_err() {
                    return 14;
                }
                if recording.stop().is_err() {
                    return 15;
                }
            }
        }
        0
    }

    /// Waits for a child to end well; not for ever.
    fn ends_well(process: c_int) {
        const AT_ONCE: c_int = 1;
        let (since, mut status) = (Instant::now(), 0);
        // SAFETY: a child of ours, and a place for what became of it.
        while unsafe { waitpid(process, &raw mut status, AT_ONCE) } == 0 {
            if since.elapsed() > Duration::from_secs(120) {
                // SAFETY: a child of ours, which has not been waited for.
                unsafe { kill(process, 9) };
                panic!("a child waits for somebody who is not there");
            }
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(status, 0, "a child has ended with {}", status >> 8);
    }

    pub(super) fn run() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("parent.arec");
        let begin = || record::start(RecordOptions::new(&file).buffer(BUFFER)).expect("it starts");
        let mut recording = Some(begin());
        let stop = |recording: &mut Option<Recording>| {
            recording.take().expect("it is there").stop().expect("all is written");
        };
        let ends = &AtomicBool::new(false);
        thread::scope(|threads| {
            for _ in 0..2 {
                threads.spawn(|| {
                    while !ends.load(Ordering::Relaxed) {
                        ask(10);
                        thread::sleep(Duration::from_micros(50));
                    }
                });
            }
            for number in 0..CHILDREN {
                let own = folder.path().join(format!("{number}.arec"));
                let own = (number % 2 == 1).then_some(own.as_path());
                // SAFETY: the child does what it needs and ends without running anything else of the program's. Its allocator and the
                // recorder know of forks.
                let process = unsafe { fork() };
                if process == 0 {
                    let status = recording.take().map_or(9, |recording| child(recording, own));
                    // SAFETY: nothing is required.
                    unsafe { _exit(status) };
                }
                assert!(process > 0, "there is no child");
                record::mark("in the parent");
                ask(100);
                ends_well(process);
                if let Some(own) = own {
                    let summary = summary(own);
                    assert!(summary.complete && summary.lost == 0);
                    assert_eq!(marks(&summary), ["of its own"]);
                    assert!((2000..3000).contains(&summary.total.calls()), "{}", summary.total.calls());
                }
                if number == CHILDREN / 2 {
                    // The next one is forked while another recording is made.
                    stop(&mut recording);
                    check_parent(&summary(&file), CHILDREN / 2 + 1);
                    recording = Some(begin());
                }
            }
            ends.store(true, Ordering::Relaxed);
        });
        stop(&mut recording);
        check_parent(&summary(&file), CHILDREN - CHILDREN / 2 - 1);
    }

    fn check_parent(summary: &Summary, children: usize) {
        assert!(summary.complete);
        assert_eq!(marks(summary), vec!["in the parent"; children]);
        // Those of children would be hundreds of thousands more.
        let calls = summary.total.calls() as usize;
        assert!(calls + summary.lost as usize >= 100 * children, "{calls} calls");
        let by_others: u64 = summary.threads.values().map(|thread| thread.allocs).sum();
        assert_eq!(by_others as usize, summary.total.allocs as usize);
    }
}
