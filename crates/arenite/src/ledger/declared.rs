//! Tags that a program declares once, at the top of a file.

use core::fmt;
use core::ops::Deref;

use super::name::NAME_MAX;
use super::{Ledger, Tag};
use crate::base::sync::{Once, spin_loop};

/// A tag of the process's ledger that registers itself when it is first used; made by [`tags!`](crate::tags).
/// Dereferences to [`Tag`].
///
/// The first use takes the ledger's lock, each further one is a load. Thread-safe.
///
/// # Panics
/// The first use panics if the ledger is full or the path is not allowed (see [`Ledger::register`]).
pub struct StaticTag {
    path: &'static str,
    tag: Once<Tag>,
}

impl StaticTag {
    /// A tag at this path. A path that is empty or too long does not compile, in a static.
    ///
    /// # Panics
    /// The path is empty or longer than [`NAME_MAX`] bytes.
    #[must_use]
    pub const fn new(path: &'static str) -> Self {
        assert!(!path.is_empty(), "a tag needs a name");
        assert!(path.len() <= NAME_MAX, "a tag's path is too long");
        Self { path, tag: Once::new() }
    }

    /// The tag.
    ///
    /// # Panics
    /// As said for the type.
    #[inline]
    #[must_use]
    pub fn tag(&self) -> Tag {
        **self
    }

    #[cold]
    fn register(&self) -> &Tag {
        let tag = match Ledger::process().register(self.path) {
            Ok(tag) => tag,
            Err(error) => panic!("tag `{}`: {error}", self.path),
        };
        loop {
            if let Some(tag) = self.tag.get() {
                return tag;
            }
            // Refused while another thread writes the same tag, which takes it a moment.
            if let Ok(tag) = self.tag.set(tag) {
                return tag;
            }
            spin_loop();
        }
    }
}

impl Deref for StaticTag {
    type Target = Tag;

    #[inline]
    fn deref(&self) -> &Tag {
        self.tag.get().unwrap_or_else(|| self.register())
    }
}

impl fmt::Debug for StaticTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StaticTag({})", self.path)
    }
}

impl fmt::Display for StaticTag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.path)
    }
}

/// Declares tags of the process's ledger as statics: [`StaticTag`], which dereferences to [`Tag`].
///
/// ```
/// arenite::tags! {
///     /// What agents think with.
///     pub AI = "game/ai";
///     PATHS = "game/ai/paths";
/// }
///
/// assert_eq!(PATHS.parent(), Some(*AI));
/// AI.set_budget(arenite::Budget::hard(8 << 20).warn_at(0.8));
/// ```
#[macro_export]
macro_rules! tags {
    ($($(#[$meta:meta])* $vis:vis $name:ident = $path:expr;)*) => {
        $(
            $(#[$meta])*
            $vis static $name: $crate::StaticTag = $crate::StaticTag::new($path);
        )*
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    crate::tags! {
        OUTER = "declared/outer";
        INNER = "declared/outer/inner";
    }

    #[test]
    fn a_declared_tag_is_the_registered_one_whoever_asks_first() {
        let all = std::thread::scope(|threads| {
            let asks = [(); 4].map(|()| threads.spawn(|| (*INNER, OUTER.tag())));
            asks.map(|ask| ask.join().unwrap())
        });
        for (inner, outer) in all {
            assert_eq!(inner.parent(), Some(outer));
            assert_eq!(inner, Tag::register("declared/outer/inner").unwrap());
        }
    }

    #[test]
    #[should_panic(expected = "tag `a//b`")]
    fn a_path_that_is_not_allowed_is_named() {
        static WRONG: StaticTag = StaticTag::new("a//b");
        let _ = WRONG.tag();
    }
}
