//! What the process had loaded, as the capture tells it.

use crate::chunks::Place;

/// What the process had loaded from some time on: lines as in `/proc/PID/maps`, and a line for each module with what it is known by
/// (docs/capture-format.md).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModuleMap {
    /// A time in units of the capture.
    pub since: u64,
    /// The lines.
    pub text: String,
}

/// Texts that are put together from chunks.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    texts: Vec<Text>,
}

#[derive(Debug)]
struct Text {
    segment: u64,
    since: u64,
    bytes: Vec<u8>,
}

impl Texts {
    /// The payload of a chunk more.
    pub(crate) fn add(&mut self, place: &Place, part: Vec<u8>) {
        match self.texts.last_mut() {
            Some(text) if text.segment == place.segment && text.bytes.len() == place.offset as usize => {
                text.bytes.extend(part);
            }
            _ => self.texts.push(Text { segment: place.segment, since: place.start, bytes: part }),
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.texts.iter().map(|text| text.bytes.len()).sum()
    }

    pub(crate) fn maps(&self) -> Vec<ModuleMap> {
        let map = |text: &Text| ModuleMap {
            since: text.since,
            text: String::from_utf8_lossy(&text.bytes).into_owned(),
        };
        self.texts.iter().map(map).collect()
    }
}
