//! Names of call sites. Looking them up may take a second, when the debug information of a large program is read for the first time:
//! a thread does it, so that keys are answered meanwhile.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Instant;

use arenite_inspect::{CallStack, ModuleMap};

use crate::capture::sites::Sites;
use crate::fault::Fault;

/// The most names that are kept; after so many they are forgotten, and looked up again.
const MOST_KEPT: usize = 1 << 16;

enum Ask {
    /// What the process has loaded, as the capture tells it now: how much of it, and what.
    Modules(usize, Vec<ModuleMap>),
    /// The name of a stack with these return addresses, which was told then.
    Stack(u32, Vec<u64>, u64),
}

/// Names of call sites, by the numbers of their stacks.
pub(super) struct Names {
    ask: Sender<Ask>,
    /// How much was known of modules, the stack, its name.
    told: Receiver<(usize, u32, String)>,
    /// None: it was asked for.
    known: HashMap<u32, Option<String>>,
    /// So many of these have no answer yet.
    asked: usize,
    /// So much was known of modules when these were asked for.
    modules: usize,
}

impl Names {
    /// Of a capture in this folder.
    pub(super) fn new(folder: PathBuf) -> Result<Self, Fault> {
        let (ask, asked) = channel();
        let (tell, told) = channel();
        let answer = move || {
            let (mut sites, mut known) = (Sites::new(&[], &folder), 0);
            for question in asked {
                match question {
                    Ask::Modules(bytes, modules) => {
                        (sites, known) = (Sites::new(&modules, &folder), bytes);
                    }
                    Ask::Stack(stack, addresses, told) => {
                        let line = sites.line(CallStack { addresses: &addresses, told });
                        if tell.send((known, stack, line)).is_err() {
                            return;
                        }
                    }
                }
            }
        };
        thread::Builder::new()
            .name("symbols".into())
            .spawn(answer)
            .map_err(|error| Fault::new(format_args!("a thread can not be started: {error}")))?;
        Ok(Self { ask, told, known: HashMap::new(), asked: 0, modules: 0 })
    }

    /// What the process has loaded is known to so many bytes of text now. Names that were found with less are looked up again.
    pub(super) fn modules(&mut self, bytes: usize, maps: impl FnOnce() -> Vec<ModuleMap>) {
        if bytes != self.modules {
            self.modules = bytes;
            self.known.clear();
            let _ = self.ask.send(Ask::Modules(bytes, maps()));
        }
    }

    /// The name of a call site, if it is known by now; if not, it is asked for.
    pub(super) fn get(&mut self, stack: u32, call: CallStack<'_>) -> Option<&str> {
        self.take(None);
        if self.known.len() >= MOST_KEPT && self.asked == 0 {
            self.known.clear();
        }
        let known = self.known.entry(stack).or_insert_with(|| {
            self.asked +=
                usize::from(self.ask.send(Ask::Stack(stack, call.addresses.to_vec(), call.told)).is_ok());
            None
        });
        known.as_deref()
    }

    /// Waits for all names that were asked for, but not longer than until then.
    pub(super) fn wait(&mut self, until: Instant) {
        self.take(Some(until));
    }

    fn take(&mut self, until: Option<Instant>) {
        while self.asked > 0 && self.take_one(until) {}
    }

    fn take_one(&mut self, until: Option<Instant>) -> bool {
        let told = match until {
            None => self.told.try_recv().ok(),
            Some(until) => self.told.recv_timeout(until.saturating_duration_since(Instant::now())).ok(),
        };
        let Some((modules, stack, name)) = told else { return false };
        self.asked -= 1;
        // An answer that was under way when more became known is of before.
        if modules == self.modules {
            self.known.insert(stack, Some(name));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_name_is_asked_for_once_and_again_when_more_modules_are_known() {
        let mut names = Names::new(PathBuf::new()).expect("a thread");
        let stack = CallStack::from(&[0x1011_u64][..]);
        let until = Instant::now() + Duration::from_secs(600);
        assert_eq!(names.get(7, stack), None);
        names.wait(until);
        assert_eq!(names.get(7, stack), Some("0x1010"));
        names.modules(1, || {
            vec![ModuleMap {
                since: 0,
                text: "1000-3000 r-xp 00000500 08:01 1311 /no/such/libgame.so".to_owned(),
            }]
        });
        assert_eq!(names.get(7, stack), None);
        names.wait(until);
        assert_eq!(names.get(7, stack), Some("libgame.so+0x510"));
        names.modules(1, || panic!("nothing new"));
        assert_eq!(names.get(7, stack), Some("libgame.so+0x510"));
        assert_eq!(names.asked, 0);
    }
}
