//! What a reporter tells the log, tracing and metrics. A process of its own: the logger is one for all of it.
#![allow(missing_docs, reason = "a test")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use arenite::watch::{MemoryMonitor, Reporter};
use arenite::{Budget, Ledger, Tag};

static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Logger;

impl log::Log for Logger {
    fn enabled(&self, _: &log::Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &log::Record<'_>) {
        LINES.lock().unwrap().push(format!("log {} {}: {}", record.level(), record.target(), record.args()));
    }

    fn flush(&self) {}
}

/// Keeps the message of each event.
struct Subscriber;

impl tracing::Subscriber for Subscriber {
    fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Fields(String);
        impl tracing::field::Visit for Fields {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!(" {}={value:?}", field.name());
            }
        }
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = format!("tracing {} {}:{}", metadata.level(), metadata.target(), fields.0);
        LINES.lock().unwrap().push(line);
    }
}

type Values = Arc<Mutex<BTreeMap<String, f64>>>;

/// Keeps the last value of each figure, and descriptions.
#[derive(Default)]
struct Recorder {
    values: Values,
    described: Mutex<Vec<String>>,
}

struct Value(Values, String);

impl Value {
    fn set(&self, value: f64) {
        self.0.lock().unwrap().insert(self.1.clone(), value);
    }
}

impl metrics::GaugeFn for Value {
    fn increment(&self, _: f64) {
        panic!("gauges are set");
    }

    fn decrement(&self, _: f64) {
        panic!("gauges are set");
    }

    fn set(&self, value: f64) {
        Self::set(self, value);
    }
}

impl metrics::CounterFn for Value {
    fn increment(&self, _: u64) {
        panic!("counters are set to what the ledger counted");
    }

    fn absolute(&self, value: u64) {
        self.set(value as f64);
    }
}

impl Recorder {
    fn value(&self, key: &metrics::Key) -> Arc<Value> {
        let labels: String =
            key.labels().map(|label| format!(" {}={}", label.key(), label.value())).collect();
        Arc::new(Value(Arc::clone(&self.values), format!("{}{labels}", key.name())))
    }

    fn describe(&self, key: &metrics::KeyName, unit: Option<metrics::Unit>, about: &str) {
        assert!(!about.is_empty() && unit.is_some());
        self.described.lock().unwrap().push(key.as_str().to_owned());
    }
}

impl metrics::Recorder for Recorder {
    fn describe_counter(
        &self,
        key: metrics::KeyName,
        unit: Option<metrics::Unit>,
        about: metrics::SharedString,
    ) {
        self.describe(&key, unit, &about);
    }

    fn describe_gauge(
        &self,
        key: metrics::KeyName,
        unit: Option<metrics::Unit>,
        about: metrics::SharedString,
    ) {
        self.describe(&key, unit, &about);
    }

    fn describe_histogram(&self, _: metrics::KeyName, _: Option<metrics::Unit>, _: metrics::SharedString) {}

    fn register_counter(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Counter {
        metrics::Counter::from_arc(self.value(key))
    }

    fn register_gauge(&self, key: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Gauge {
        metrics::Gauge::from_arc(self.value(key))
    }

    fn register_histogram(&self, _: &metrics::Key, _: &metrics::Metadata<'_>) -> metrics::Histogram {
        metrics::Histogram::noop()
    }
}

#[test]
fn log_tracing_and_metrics_are_told() {
    log::set_logger(&Logger).unwrap();
    log::set_max_level(log::LevelFilter::Trace);
    let tag = Tag::register("reports/textures").unwrap();
    tag.try_charge_committed(3 << 20).unwrap();
    let mut reporter =
        Reporter::every(2).watch(MemoryMonitor::new(Ledger::process())).log().tracing().metrics();
    let recorder = Recorder::default();
    tracing::subscriber::with_default(Subscriber, || {
        metrics::with_local_recorder(&recorder, || {
            (0..3).for_each(|_| reporter.end_frame());
            tag.set_budget(Budget::soft(2 << 20));
            tag.try_charge_committed(1 << 20).unwrap();
            reporter.end_frame();
        });
    });
    let lines = LINES.lock().unwrap();
    let starts = [
        "log INFO arenite: memory: ",
        "tracing INFO arenite: message=",
        "log WARN arenite: memory: ",
        "tracing WARN arenite: message=",
    ];
    assert_eq!(lines.len(), starts.len(), "{lines:#?}");
    for (line, start) in lines.iter().zip(starts) {
        assert!(line.starts_with(start) && line.contains("MiB committed"), "{line}");
    }
    assert!(lines[1].contains("monitor=\"memory\"") && lines[2].contains("2.0 MiB over"), "{lines:#?}");

    let values = recorder.values.lock().unwrap();
    let value = |name: &str| values.get(name).copied();
    assert_eq!(value("arenite_committed_bytes tag=reports/textures"), Some(4_194_304.0));
    assert_eq!(value("arenite_committed_bytes tag=reports"), Some(0.0));
    assert_eq!(value("arenite_commits_total tag=reports/textures"), Some(2.0));
    assert_eq!(value("arenite_over_budget_bytes tag=reports/textures"), Some(2_097_152.0));
    assert!(value("arenite_resident_bytes").is_some_and(|bytes| bytes > 0.0));
    let mut described = recorder.described.lock().unwrap().clone();
    let count = described.len();
    described.sort();
    described.dedup();
    assert_eq!(described.len(), count, "each once");
    assert!(values.keys().all(|key| described.iter().any(|name| key.split(' ').next() == Some(name))));
}
