//! Pressure as made-up files of the system tell it.

use std::fs;
use std::path::PathBuf;
use std::string::{String, ToString};
use std::sync::atomic::{AtomicU32, Ordering};
use std::vec::Vec;
use std::{env, format, process};

use super::*;
use SystemPressureLevel::{Calm, Critical, Tight};

const MIB: u64 = 1 << 20;

/// A folder with files of a system, which goes when it is dropped.
struct System(PathBuf);

impl System {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = env::temp_dir().join(format!("arenite-pressure-{}-{number}", process::id()));
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    /// With a process in a group.
    fn of(group: &str) -> Self {
        let system = Self::new();
        system.write("proc/self/cgroup", &format!("4:memory:/v1\n0::{group}\n"));
        system
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn group(&self, name: &str, current: u64, max: &str, high: &str) {
        let file = |file: &str| format!("sys/fs/cgroup/{name}/memory.{file}");
        self.write(&file("current"), &format!("{current}\n"));
        self.write(&file("max"), &format!("{max}\n"));
        self.write(&file("high"), &format!("{high}\n"));
    }

    fn stalls(&self, some: &str, full: &str) {
        self.write("proc/pressure/memory", &stalls(some, full));
    }

    fn pressure(&self) -> SystemPressure {
        SystemPressure::under(&self.0)
    }
}

impl Drop for System {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn stalls(some: &str, full: &str) -> String {
    format!(
        "some avg10={some} avg60=0.00 avg300=0.00 total=77\nfull avg10={full} avg60=9.00 avg300=0.00 total=5\n"
    )
}

#[test]
fn the_group_nearest_to_its_limit_counts_and_files_are_read_anew() {
    let system = System::of("/game.slice/run.scope");
    let limit = (100 * MIB).to_string();
    system.group("game.slice/run.scope", 10 * MIB, "max", "max");
    system.group("game.slice", 50 * MIB, &limit, "max");
    let mut pressure = system.pressure();
    let reading = pressure.poll();
    assert_eq!((reading.level, reading.source), (Calm, SystemPressureSource::Cgroup));
    assert_eq!((reading.used, reading.limit, reading.stall), (50 * MIB, Some(100 * MIB), None));

    // The inner one gets a soft limit that it nears; files that were not used lately do not count.
    system.group("game.slice/run.scope", 17 * MIB, "max", &(20 * MIB).to_string());
    let reading = pressure.poll();
    assert_eq!((reading.level, reading.used, reading.limit), (Tight, 17 * MIB, Some(20 * MIB)));
    system.write("sys/fs/cgroup/game.slice/run.scope/memory.stat", "anon 1\ninactive_file 5242880\nx 2\n");
    // It was not there when the groups were looked for.
    assert_eq!(pressure.poll().used, 17 * MIB);
    let reading = system.pressure().poll();
    assert_eq!((reading.level, reading.used), (Calm, 12 * MIB));
    // A limit below what is in use, and one of nothing.
    system.group("game.slice", 50 * MIB, "0", "max");
    assert_eq!(pressure.poll().level, Critical);
}

#[test]
fn a_crossing_is_told_once() {
    let system = System::of("/");
    system.group("", 0, "1000", "max");
    let mut pressure = system.pressure();
    let mut told = Vec::new();
    for used in [100, 799, 800, 790, 805, 761, 759, 800, 949, 951, 940, 910, 902, 700] {
        system.group("", used, "1000", "max");
        pressure.poll_and_tell(|now| told.push((now.used, now.level)));
        // Looking in between takes nothing away.
        let _ = pressure.poll();
    }
    // 760 is 95 % of 800, and 902.5 of 950.
    assert_eq!(told, [(800, Tight), (759, Calm), (800, Tight), (951, Critical), (902, Tight), (700, Calm)]);
}

#[test]
fn waiting_for_memory_counts_with_or_without_groups() {
    let system = System::new();
    system.stalls("0.00", "0.00");
    let mut pressure = system.pressure();
    let reading = pressure.poll();
    assert_eq!((reading.level, reading.source), (Calm, SystemPressureSource::Psi));
    assert_eq!(reading.stall, Some(Stall { some: 0, full: 0, some_total: 77, full_total: 5 }));
    for (some, full, level) in [
        ("9.99", "0.00", Calm),
        ("10.00", "0.00", Tight),
        ("5.00", "0.00", Tight),
        ("4.99", "0.00", Calm),
        ("99.00", "9.99", Tight),
        ("99.00", "10.00", Critical),
        ("99.00", "5.00", Critical),
        ("99.00", "4.99", Tight),
        ("100.00", "100.00", Critical),
    ] {
        system.stalls(some, full);
        assert_eq!(pressure.poll().level, level, "{some} {full}");
    }
    // The group's own figures go before the machine's, and its size is told beside them.
    let system = System::of("/a");
    system.stalls("0.00", "0.00");
    system.group("a", 100, "1000", "max");
    system.write("sys/fs/cgroup/a/memory.pressure", &stalls("12.34", "0.50"));
    let reading = system.pressure().poll();
    assert_eq!((reading.level, reading.source), (Tight, SystemPressureSource::Psi));
    assert_eq!((reading.used, reading.limit), (100, Some(1000)));
    let text = format!("{reading}");
    assert_eq!(text, "tight (waiting for memory), 100 B of 1000 B in use, waiting 12.34 % (all: 0.50 %)");
}

#[test]
fn a_limit_of_the_program_is_watched_beside_the_systems() {
    let system = System::new();
    let reading = system.pressure().resident_limit(1).poll();
    assert_eq!(
        (reading.level, reading.source, reading.limit),
        (Critical, SystemPressureSource::Resident, Some(1))
    );
    assert!(reading.used > 4096);
    let reading = system.pressure().resident_limit(u64::MAX).poll();
    assert_eq!((reading.level, reading.source), (Calm, SystemPressureSource::Resident));
    let used = reading.used;
    let reading = system.pressure().resident_limit(used + used / 3).marks(0.01, 1.0).poll();
    assert_eq!(reading.level, Tight);

    let system = System::of("/a");
    system.group("a", 500, "1000", "max");
    let reading = system.pressure().resident_limit(u64::MAX).poll();
    assert_eq!((reading.source, reading.limit), (SystemPressureSource::Cgroup, Some(1000)));
    let reading = system.pressure().resident_limit(1).poll();
    assert_eq!((reading.source, reading.limit), (SystemPressureSource::Resident, Some(1)));
}

#[test]
fn without_anything_else_the_machine_is_looked_at() {
    let reading = System::new().pressure().poll();
    assert_eq!(reading.source, SystemPressureSource::Machine);
    assert_eq!(reading.limit, Some(os::machine_memory().total));
    assert!(reading.used > 0 && reading.stall.is_none());
    // And this machine itself, whatever it has.
    let reading = SystemPressure::new().poll();
    assert_ne!(reading.source, SystemPressureSource::Nobody, "{reading}");
    assert!(reading.limit.is_some_and(|limit| limit > MIB), "{reading}");
}

#[test]
fn nonsense_counts_as_nothing() {
    let long = "9".repeat(100_000);
    for nonsense in ["", "\n", "max", "-5", "12 34", "0x10", "99999999999999999999999", "\u{fffd}", &long] {
        // As the size, as a limit, as waiting.
        let system = System::of("/a");
        system.group("a", 999, "1000", "max");
        system.write("sys/fs/cgroup/a/memory.current", nonsense);
        assert_eq!(system.pressure().poll().source, SystemPressureSource::Machine, "{nonsense:.9}");
        system.group("a", 999, nonsense, "1000");
        assert_eq!(system.pressure().poll().level, Critical, "{nonsense:.9}");
        system.group("a", 1, nonsense, nonsense);
        system.write("sys/fs/cgroup/a/memory.stat", nonsense);
        assert_eq!(system.pressure().poll().source, SystemPressureSource::Machine, "{nonsense:.9}");
        system.write("proc/pressure/memory", nonsense);
        assert_eq!(system.pressure().poll().stall, None, "{nonsense:.9}");
        system.stalls(nonsense, "50.00");
        // What is whole counts: the second line, and of two words the first.
        let some = if nonsense == "12 34" { 1200 } else { 0 };
        let told = system.pressure().poll().stall.map(|stall| (stall.some, stall.full));
        assert_eq!(told, (nonsense.len() < 100).then_some((some, 5000)), "{nonsense:.9}");
        system.write("proc/self/cgroup", nonsense);
        assert_eq!(system.pressure().poll().limit, Some(os::machine_memory().total), "{nonsense:.9}");
    }
    // Truncated in the middle of a line; more than all of the time.
    let system = System::new();
    system.write("proc/pressure/memory", "some avg10=999999999999.5 avg60=0.00 total=1\nfull avg10=3");
    let stall = Stall { some: 10_000, full: 0, some_total: 1, full_total: 0 };
    assert_eq!(system.pressure().poll().stall, Some(stall));
    // A folder where a file should be, and a name that leads out of the namespace.
    let system = System::of("/../../other");
    fs::create_dir_all(system.0.join("proc/pressure/memory")).unwrap();
    system.group("", 999, "1000", "max");
    system.group("../other", 1, "2", "max");
    let reading = system.pressure().poll();
    assert_eq!((reading.limit, reading.stall), (Some(1000), None));
}

#[test]
fn a_deep_nest_of_groups_is_looked_at_from_within() {
    let deep: Vec<_> = (0..40).map(|depth| format!("g{depth}")).collect();
    let system = System::of(&format!("/{}", deep.join("/")));
    system.group(&deep.join("/"), 1, "4", "max");
    system.group(&deep[..30].join("/"), 3, "4", "max");
    system.group(&deep[..2].join("/"), 4, "4", "max");
    assert_eq!(system.pressure().poll().used, 3);
}
