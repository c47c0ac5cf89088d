//! The ledger: who holds how much memory, and how much they may. Floor 2; imports floor 0 only.
//!
//! Every page that enters the system is charged to a [`Tag`], and tags form a tree:
//!
//! ```text
//!   scene               own 0      subtree 12 MiB   budget: hard 64 MiB
//!   ├─ scene/textures   own 8 MiB  subtree  8 MiB
//!   └─ scene/agents     own 4 MiB  subtree  4 MiB
//! ```
//!
//! A [`Ledger`] is a value with a fixed number of accounts, guarded by one lock: it allocates nothing, so it can serve the
//! general heap itself. It is exact in every build profile. Charges are made when a watermark moves, beside a system
//! call, so one simple lock is cheap enough and gives consistent sums that clever atomics would not.
//!
//! ```
//! use arenite::ledger::{Budget, Tag};
//!
//! let scene = Tag::register("docs/scene")?;
//! let textures = scene.child("textures")?;
//! scene.set_budget(Budget::hard(64 << 20).warn_at(0.8));
//!
//! textures.try_charge_committed(8 << 20)?; // what a region does when it grows
//! assert_eq!(scene.account().subtree.committed, 8 << 20);
//! assert_eq!(scene.account().own.committed, 0);
//!
//! let refused = textures.try_charge_committed(60 << 20).unwrap_err();
//! assert_eq!(refused.tag, scene);
//! textures.credit_committed(8 << 20);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod account;
mod budget;
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
mod current;
#[cfg(not(loom))]
mod declared;
mod name;
mod pressure;
mod tag;
pub(crate) mod telling;

#[cfg(all(test, loom))]
mod loom_tests;
#[cfg(all(test, not(loom)))]
mod model;
#[cfg(all(test, not(loom)))]
mod pressure_tests;
#[cfg(all(test, not(loom)))]
mod tests;

use core::fmt;

pub use account::{AccountSnapshot, Figures};
pub use budget::{Budget, BudgetExceeded, BudgetStatus};
#[cfg(all(feature = "std", not(loom), target_pointer_width = "64"))]
pub(crate) use current::{Here, here, set_aside, set_here};
#[cfg(not(loom))]
pub use declared::StaticTag;
pub use name::{NAME_MAX, NameFault, TagError};
pub use pressure::{CALLBACKS_MAX, CallbacksFull, Pressure, PressureCallback, PressureLevel};
pub use tag::Tag;

use account::Books;
use name::Name;
use tag::Account;

use crate::base::sync::{AtomicUsize, Lock, Once, Ordering};

/// Few under loom, so that the ledger is full within a model that can be searched.
const CAPACITY: usize = if cfg!(loom) { 4 } else { 256 };

const UNTAGGED: &str = "untagged";

/// A book of accounts: the process has one ([`Ledger::process`]), tests make their own.
///
/// Tags refer to their ledger for ever, so registering needs a `&'static Ledger`: a static, or a leaked box.
pub struct Ledger {
    /// Filled in order and never emptied; the first `len` are written.
    accounts: [Once<Account>; CAPACITY],
    /// Raised under the lock of `books`, after the account is written; may be read without it.
    len: AtomicUsize,
    /// The figures. Also the lock under which accounts are added.
    books: Lock<Books>,
    callback_panics: AtomicUsize,
}

impl Ledger {
    /// Waits until nobody changes a figure, and keeps it so until [`let_go`](Self::let_go): across a fork.
    pub(crate) fn hold(&self) {
        self.books.hold();
    }

    /// Ends what [`hold`](Self::hold) began.
    pub(crate) fn let_go(&self) {
        self.books.let_go();
    }

    /// The most that all tags together ever had committed at once, in bytes.
    #[must_use]
    pub fn peak_committed(&self) -> usize {
        self.books.lock().peak_committed()
    }

    /// The most live bytes that were published of each tag itself since this was last asked, by place.
    #[cfg(all(feature = "record", not(loom), target_pointer_width = "64"))]
    pub(crate) fn take_recent_live(&self) -> [usize; CAPACITY] {
        self.books.lock().take_recent_live()
    }

    /// How many tags fit, parents included. The last place is kept for `untagged`.
    pub const CAPACITY: usize = CAPACITY;

    /// An empty ledger. All zero bytes, so that a static one takes no room in the program's file.
    #[cfg(not(loom))]
    pub const fn new() -> Self {
        Self {
            accounts: [const { Once::new() }; CAPACITY],
            len: AtomicUsize::new(0),
            books: Lock::new(Books::new()),
            callback_panics: AtomicUsize::new(0),
        }
    }

    /// An empty ledger.
    #[cfg(loom)]
    pub fn new() -> Self {
        Self {
            accounts: core::array::from_fn(|_| Once::new()),
            len: AtomicUsize::new(0),
            books: Lock::new(Books::new()),
            callback_panics: AtomicUsize::new(0),
        }
    }

    /// The ledger of this process, which [`Tag::register`] uses.
    pub fn process() -> &'static Self {
        #[cfg(not(loom))]
        static PROCESS: Ledger = Ledger::new();
        #[cfg(loom)]
        loom::lazy_static! {
            static ref PROCESS: Ledger = Ledger::new();
        }
        &PROCESS
    }

    /// Registers the tag at `path`, and those of its parents that are missing. The same path gives the same tag,
    /// whoever asks and however often.
    ///
    /// Parts are joined by slashes: `render/textures`. Printable characters only, at most [`NAME_MAX`] bytes in all.
    /// Takes the ledger's lock; compares with every tag there is, so register at start-up or load time and keep the
    /// `Tag`.
    ///
    /// # Errors
    /// [`TagError`] when the path is not allowed or too long, or the ledger is full. Nothing is registered then.
    pub fn register(&'static self, path: &str) -> Result<Tag, TagError> {
        self.register_name(&Name::new(None, path)?)
    }

    fn register_name(&'static self, name: &Name) -> Result<Tag, TagError> {
        if let Some(tag) = self.find(name.as_str()) {
            return Ok(tag);
        }
        // From here on nobody else adds accounts.
        let _adding = self.books.lock();
        let len = self.len.load(Ordering::Relaxed);
        let missing = name.prefixes().filter(|path| self.find(path).is_none()).count();
        let keeps_untagged = self.find(UNTAGGED).is_none() && name.prefixes().next() != Some(UNTAGGED);
        if len + missing + usize::from(keeps_untagged) > CAPACITY {
            return Err(TagError::TagsFull);
        }
        let mut parent: Option<Tag> = None;
        for path in name.prefixes() {
            parent = match self.find(path) {
                Some(tag) => Some(tag),
                None => Some(self.add(Name::new(None, path)?, parent)?),
            };
        }
        parent.ok_or(TagError::TagsFull)
    }

    /// Adds an account at the end. The books' lock is held and there is room.
    fn add(&'static self, name: Name, parent: Option<Tag>) -> Result<Tag, TagError> {
        let index = self.len.load(Ordering::Relaxed);
        let depth = parent.map_or(0, |parent| parent.depth() + 1);
        let slot = self.accounts.get(index).ok_or(TagError::TagsFull)?;
        let account = slot.set(Account { name, owner: self, parent, index, depth });
        let account = account.map_err(|_| TagError::TagsFull)?;
        self.len.store(index + 1, Ordering::Release);
        Ok(Tag::of(account))
    }

    /// The tag at exactly this path, if it is registered. Takes no lock.
    pub fn find(&'static self, path: &str) -> Option<Tag> {
        self.tags().find(|tag| tag.name() == path)
    }

    /// The tag at this [place](Tag::place), if there is one. Takes no lock.
    pub fn at(&'static self, place: usize) -> Option<Tag> {
        self.accounts.get(place)?.get().map(Tag::of)
    }

    /// The tag for memory nobody claimed: `untagged`, registered when it is first asked for. Its place is kept.
    pub fn untagged(&'static self) -> Tag {
        self.register(UNTAGGED).expect("the last place of a ledger is kept for `untagged`")
    }

    /// All tags in the order they were registered, so parents before their children. Takes no lock; tags registered
    /// later are not seen.
    pub fn tags(&'static self) -> Tags {
        Tags { ledger: self, next: 0, end: self.len() }
    }

    /// How many tags there are.
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Acquire)
    }

    /// Whether no tag has been registered.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Writes all accounts as they stand at one moment, in the order of [`Ledger::tags`], and returns how many were
    /// written: fewer than [`Ledger::len`] only when `into` is shorter. Never allocates; [`Ledger::CAPACITY`] is always
    /// enough room.
    pub fn snapshot_into(&'static self, into: &mut [AccountSnapshot]) -> usize {
        let books = self.books.lock();
        // Accounts are added under the same lock, so this is all of them.
        let mut written = 0;
        for (slot, tag) in into.iter_mut().zip(self.tags()) {
            *slot = books.snapshot(tag);
            written += 1;
        }
        written
    }

    /// How many pressure callbacks have panicked. Each was caught and its charge went on as if it had returned.
    pub fn callback_panics(&self) -> usize {
        self.callback_panics.load(Ordering::Relaxed)
    }
}

impl Default for Ledger {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger").field("tags", &self.len()).finish_non_exhaustive()
    }
}

/// The tags of a ledger in the order they were registered; made by [`Ledger::tags`].
#[derive(Clone, Debug)]
pub struct Tags {
    ledger: &'static Ledger,
    next: usize,
    end: usize,
}

impl Iterator for Tags {
    type Item = Tag;

    fn next(&mut self) -> Option<Tag> {
        if self.next == self.end {
            return None;
        }
        let account = self.ledger.accounts.get(self.next)?.get()?;
        self.next += 1;
        Some(Tag::of(account))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.end - self.next;
        (left, Some(left))
    }
}

impl ExactSizeIterator for Tags {}
impl core::iter::FusedIterator for Tags {}
