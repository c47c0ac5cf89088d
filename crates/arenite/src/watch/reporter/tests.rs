use std::boxed::Box;
use std::format;
use std::string::{String, ToString};
use std::sync::{Arc, Mutex};
use std::vec::Vec;

use super::*;
use crate::ledger::{Budget, Ledger};
use crate::watch::{Direction, Figure, Kind, MemoryMonitor, Unit};

fn ledger() -> &'static Ledger {
    Box::leak(Box::new(Ledger::new()))
}

fn figures(monitor: &dyn ResourceMonitor) -> Vec<Figure> {
    let mut figures = Vec::new();
    monitor.figures(&mut |figure| figures.push(figure));
    figures
}

/// Panics when it looks, when it is told of, or never.
struct Fragile(&'static str, u32);

impl ResourceMonitor for Fragile {
    fn name(&self) -> &'static str {
        self.0
    }
    fn sample(&mut self, frames: u32, _: u64) {
        self.1 += frames;
        assert_ne!(self.0, "looks");
    }
    fn figures(&self, _: &mut dyn FnMut(Figure)) {}
}

impl fmt::Display for Fragile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} frames", self.1)
    }
}

#[test]
fn who_panics_costs_one_look_and_the_reporter_goes_on() {
    for fragile in ["looks", "is told"] {
        let told = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&told);
        let mut reporter =
            Reporter::every(2).watch(Fragile("steady", 0)).watch(Fragile(fragile, 0)).tell(move |monitor| {
                assert_ne!(monitor.name(), "is told");
                writer.lock().unwrap().push(monitor.to_string());
            });
        for look in 1..=3 {
            reporter.end_frame();
            let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| reporter.end_frame()));
            assert!(caught.is_err(), "{fragile}: it is the program's panic, and the program hears of it");
            assert_eq!(reporter.looks(), look);
        }
        assert_eq!(*told.lock().unwrap(), ["2 frames", "4 frames", "6 frames"], "{fragile}");
    }
}

#[test]
fn figures_are_those_of_the_ledger_and_add_up() {
    let ledger = ledger();
    let (a, b) = (ledger.register("a").unwrap(), ledger.register("a/b").unwrap());
    ledger.register("never/used").unwrap();
    a.set_budget(Budget::soft(6000));
    a.try_charge_committed(4096).unwrap();
    b.try_charge_committed(8192).unwrap();
    b.move_live(0, 100);
    b.credit_committed(4096);
    let mut monitor = MemoryMonitor::new(ledger);
    assert_eq!((monitor.to_string().as_str(), figures(&monitor).len()), ("not looked at yet", 3));
    monitor.sample(1, 0);
    let find = |name: &str, tag| {
        let figures = figures(&monitor);
        figures.iter().find(|figure| (figure.name, figure.tag) == (name, tag)).map(|figure| figure.value)
    };
    assert_eq!(find("arenite_committed_bytes", Some("a")), Some(4096), "without what is below");
    assert_eq!(find("arenite_committed_bytes", Some("a/b")), Some(4096));
    assert_eq!(find("arenite_live_bytes", Some("a/b")), Some(100));
    assert_eq!(find("arenite_peak_committed_bytes", Some("a")), Some(12_288), "with it");
    assert_eq!(find("arenite_budget_bytes", Some("a")), Some(6000));
    assert_eq!(find("arenite_over_budget_bytes", Some("a")), Some(2192));
    assert_eq!(find("arenite_commits_total", Some("a/b")), Some(1));
    assert_eq!(find("arenite_decommits_total", Some("a/b")), Some(1));
    assert_eq!(find("arenite_committed_bytes", Some("never/used")), None);
    assert_eq!((monitor.committed(), monitor.accounts().len()), (8192, 4));
    assert_eq!(find("arenite_resident_bytes", None), Some(monitor.process().resident as u64));
    assert!(monitor.is_alarming());
    let line = monitor.to_string();
    assert!(
        line.ends_with(
            "resident, 8.0 KiB committed (most by `a/b`: 4.0 KiB); `a` is 2.1 KiB over its soft budget of 5.9 KiB"
        ),
        "{line}"
    );
    b.credit_committed(4096);
    monitor.sample(1, 1);
    assert!(!monitor.is_alarming());
    for figure in figures(&monitor) {
        assert_eq!(figure.name.ends_with("_total"), figure.kind == Kind::Counter, "{figure:?}");
        assert_eq!(figure.name.ends_with("_bytes"), figure.unit == Unit::Bytes, "{figure:?}");
    }
}

#[test]
fn it_looks_every_so_many_frames_and_tells_all() {
    let ledger = ledger();
    let tag = ledger.register("grows").unwrap();
    let log = Arc::new(Mutex::new(Vec::<String>::new()));
    let (one, other) = (Arc::clone(&log), Arc::clone(&log));
    let mut reporter = Reporter::every(10)
        .watch(MemoryMonitor::new(ledger))
        .tell(move |monitor| one.lock().unwrap().push(format!("1 {}", monitor.name())))
        .tell(move |monitor| other.lock().unwrap().push(format!("2 {monitor}")));
    (0..29).for_each(|_| reporter.end_frame());
    assert_eq!((reporter.looks(), log.lock().unwrap().len()), (2, 4));
    assert_eq!(log.lock().unwrap()[2], "1 memory");
    // Memory that grows through the whole window is told, at the caller's own pace.
    for look in 0..80 {
        tag.try_charge_committed(4096).unwrap();
        (0..9).for_each(|_| reporter.frames += 1);
        reporter.look(look * 1_000_000_000);
    }
    assert!(log.lock().unwrap().last().unwrap().contains("increasing, 4.0 KiB per second, confident"));
    assert!(reporter.monitors().all(ResourceMonitor::is_alarming));
    assert_eq!(format!("{reporter:?}"), "Reporter { every: 10, looks: 82, monitors: [\"memory\"], .. }");
    tag.credit_committed(80 * 4096);
}

#[test]
fn the_trend_of_a_monitor_knows_how_many_frames_went_by() {
    let ledger = ledger();
    let tag = ledger.register("grows").unwrap();
    let mut monitor = MemoryMonitor::new(ledger);
    for look in 0..80 {
        tag.try_charge_committed(6000).unwrap();
        monitor.sample(60, look * 1_000_000_000);
    }
    let trend = monitor.trend();
    assert_eq!(trend.direction, Direction::Increasing);
    assert!((trend.bytes_per_frame - 100.0).abs() < 0.01 && (trend.bytes_per_second - 6000.0).abs() < 0.1);
}
