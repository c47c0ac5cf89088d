//! A save game as JSON, with the real serde_json: text to values, changes, and back to text.

use std::collections::VecDeque;
use std::fmt::Write;

use serde_json::{Value, json};

use super::{Load, Outcome};
use crate::random::{Random, digest, mix};

const SAVES: usize = 750;

const ENTITIES: usize = 300;

/// Values that are kept, as for undo.
const KEPT: usize = 8;

pub(super) fn run(load: Load) -> Outcome {
    let saves = load.times(SAVES);
    load.in_threads(|thread| {
        let mut random = Random::new("json", thread);
        let text = text(&mut random);
        let mut kept = VecDeque::new();
        let mut sum = 0;
        for save in 0..saves {
            let mut value: Value = serde_json::from_str(&text).expect("it is JSON");
            change(&mut value, save, &mut random);
            sum = mix(sum, digest(value.to_string().as_bytes()));
            kept.push_back(value);
            if kept.len() > KEPT {
                kept.pop_front();
            }
        }
        kept.iter().fold(sum, |sum, value| mix(sum, value["entities"].as_array().map_or(0, Vec::len) as u64))
    })
}

/// About 60 KiB.
fn text(random: &mut Random) -> String {
    let mut text = String::from(r#"{"version":3,"entities":["#);
    for number in 0..ENTITIES {
        let comma = if number == 0 { "" } else { "," };
        let (x, y) = (random.below(100_000) as f64 / 8.0, random.below(100_000) as f64 / 8.0);
        write!(
            text,
            r#"{comma}{{"id":{number},"name":"entity \"{:x}\"","position":[{x},{y}],"alive":{},"tags":["a{}","b{}"],
            "inventory":[{{"item":"sword","count":{}}},{{"item":"potion of \u00fc","count":2}}],"target":null}}"#,
            random.next(),
            random.below(2) == 0,
            random.below(10),
            random.below(1000),
            random.below(5),
        )
        .expect("a string takes all");
    }
    text.push_str("]}");
    text
}

/// Some entities go, some come, many change.
fn change(value: &mut Value, save: usize, random: &mut Random) {
    let entities = value["entities"].as_array_mut().expect("a list of entities");
    for _ in 0..ENTITIES / 10 {
        entities.swap_remove(random.below(entities.len()));
    }
    for entity in entities.iter_mut().step_by(3) {
        entity["name"] = Value::String(format!("renamed in {save}"));
        entity["tags"].as_array_mut().expect("a list of tags").push(json!({ "save": save, "score": 0.5 }));
    }
    for number in 0..ENTITIES / 10 {
        entities.push(
            json!({ "id": ENTITIES + number, "name": format!("new {number}"), "position": [1.5, 2.5] }),
        );
    }
}
