//! Recordings whose file can not be written any more.

use std::fs::File;
use std::hint::black_box;
use std::io::ErrorKind;
use std::process::Command;
use std::time::{Duration, Instant};

use arenite::record::{self, RecordError, RecordOptions};
use arenite_inspect::Capture;

use super::turn;

#[test]
fn what_nobody_writes_down_is_not_recorded_and_not_resumed() {
    let _turn = turn();
    let folder = tempfile::tempdir().expect("a folder");
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("a program").success());
    // Whoever opens one end waits for the other.
    let other_end = std::thread::spawn({
        let pipe = pipe.clone();
        move || File::open(pipe).expect("a pipe")
    });
    let recording = record::start(RecordOptions::new(&pipe)).expect("a recording");
    drop(other_end.join().expect("it ends"));
    let since = Instant::now();
    while record::is_on() {
        black_box(Vec::<u8>::with_capacity(100));
        record::note("somebody will find out");
        assert!(since.elapsed() < Duration::from_secs(300), "the writer goes on");
        std::thread::sleep(Duration::from_millis(1));
    }
    recording.resume();
    assert!(!record::is_on(), "nobody is there");
    recording.pause();
    recording.resume();
    assert!(!record::is_on(), "nobody is there");
    match recording.stop() {
        Err(RecordError::File { path, error }) => {
            assert_eq!((path, error.kind()), (pipe, ErrorKind::BrokenPipe));
        }
        other => panic!("{other:?}"),
    }
    let path = folder.path().join("next.arec");
    record::start(RecordOptions::new(&path)).expect("another recording").stop().expect("written");
    assert!(Capture::open(&path).expect("a capture").is_complete());
}
