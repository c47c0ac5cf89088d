//! A scene: the resources of one level, with an account of its own.

use core::cell::RefCell;
use core::ops::Deref;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::vec::Vec;

use crate::arena::{ResourceArena, ResourceArenaOptions, ResourceStats};
use crate::base::next_stamp;
use crate::ledger::{Tag, TagError};
use crate::region::AllocError;
use crate::watch::{LeakMark, LeakReport};

/// The scene's own arena and its sections.
pub(super) const MAX_SECTIONS: usize = 8;

/// Scenes that can exist at once with an account of their own: the one that runs, the one that loads, two to spare.
const SLOTS: usize = 4;

/// How scenes are made, and the accounts they take turns at.
#[derive(Debug)]
pub(super) struct Plan {
    /// For each slot: the scene's own tag, then one per section.
    slots: Vec<Vec<Tag>>,
    names: Arc<[&'static str]>,
    reserve: usize,
    huge: bool,
    /// Bytes that may stay committed for the next scene.
    keep: usize,
    /// What its scenes carry: one of another manager, with other sections perhaps, is not for the next one here.
    stamp: u64,
    /// A scene that is over: its address space, and up to `keep` bytes of its memory, are for the next one.
    pub(super) spare: RefCell<Option<Scene>>,
}

impl Plan {
    pub(super) fn new(
        tag: Tag,
        reserve: usize,
        sections: &[&'static str],
        huge: bool,
        keep: usize,
    ) -> Result<Self, TagError> {
        let slot = |number: usize| -> Result<Vec<Tag>, TagError> {
            let digits = [b'0' + number as u8];
            let own = tag.child(core::str::from_utf8(&digits).unwrap_or("0"))?;
            core::iter::once(Ok(own)).chain(sections.iter().map(|name| own.child(name))).collect()
        };
        let slots = (0..SLOTS).map(slot).collect::<Result<_, _>>()?;
        let (names, reserve) = (Arc::from(sections), reserve / (sections.len() + 1));
        Ok(Self { slots, names, reserve, huge, keep, stamp: next_stamp(), spare: RefCell::new(None) })
    }

    /// The scene that ended last, else a new one.
    pub(super) fn scene(&self) -> Result<Scene, AllocError> {
        match self.spare.take() {
            Some(spare) => Ok(spare),
            None => self.fresh(),
        }
    }

    /// Clears a scene and sets it aside for the next one; when one is set aside already, it goes.
    ///
    /// # Panics
    /// As [`Scene::clear`].
    pub(super) fn retire(&self, mut old: Scene) -> SceneReport {
        if old.plan != self.stamp || self.spare.borrow().is_some() {
            return old.close();
        }
        let report = old.clear(self.keep);
        self.spare.replace(Some(old));
        report
    }

    /// Clears the present scene. What is kept of it is for the next one, so the two change places if they can: else
    /// the next one would begin without, and what is kept here be of no use.
    ///
    /// # Panics
    /// As [`Scene::clear`].
    pub(super) fn clear(&self, present: &mut Scene) -> SceneReport {
        let keep = if present.plan == self.stamp { self.keep } else { 0 };
        let report = present.clear(keep);
        if keep != 0
            && let Some(spare) = &mut *self.spare.borrow_mut()
        {
            core::mem::swap(spare, present);
            // A refusal leaves it committed and charged, for the scene after the next one.
            let _ = present.try_trim();
        }
        report
    }

    /// Gives up the scene that is set aside.
    pub(super) fn forget_spare(&self) {
        drop(self.spare.take());
    }

    fn fresh(&self) -> Result<Scene, AllocError> {
        // An account that nobody uses, so that each scene's figures are its own; with more scenes at once than there
        // are accounts the last one is shared.
        let free = self.slots.iter().find(|tags| tags[0].account().subtree.reserved == 0);
        let tags = free.unwrap_or(&self.slots[SLOTS - 1]);
        let arena = |tag: &Tag| {
            let options = ResourceArenaOptions::new(*tag).reserve(self.reserve).huge_pages(self.huge);
            ResourceArena::try_with(options)
        };
        let mut arenas = tags.iter().map(arena);
        let own = arenas.next().transpose()?.ok_or(AllocError::TooLarge { tag: tags[0] })?;
        let mut sections = [const { None }; MAX_SECTIONS - 1];
        for (slot, arena) in sections.iter_mut().zip(arenas) {
            *slot = Some(arena?);
        }
        let names = Arc::clone(&self.names);
        Ok(Scene { plan: self.stamp, tag: tags[0], own, sections, names, mark: None })
    }
}

/// The resources of one level: made by [`MemoryManager::load_scene`](super::MemoryManager::load_scene), filled on any
/// thread, made current by [`change_scene`](super::MemoryManager::change_scene). Dereferences to its own
/// [`ResourceArena`]. `Send` and `Sync`.
///
/// Each [section](Self::section) is an arena of its own: a handle resolves only in the one that gave it out, so
/// `scene.get(handle)` answers `None` for what `scene.section("textures")` holds.
#[derive(Debug)]
pub struct Scene {
    /// Which manager made it.
    plan: u64,
    tag: Tag,
    own: ResourceArena,
    /// In here and not in a vector, so that a scene that is made or goes is in no report of leaks.
    sections: [Option<ResourceArena>; MAX_SECTIONS - 1],
    names: Arc<[&'static str]>,
    /// What there was when it was loaded, if leaks are looked for.
    pub(super) mark: Option<LeakMark>,
}

/// What a scene came to when it ended. Sizes are bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SceneReport {
    /// Resources that were dropped, of all sections; slices and strings count, too.
    pub dropped: usize,
    /// What they took, without what was committed ahead.
    pub freed: usize,
    /// Still live on the scene's account; 0 unless something is broken, or shares the account.
    pub live_after: usize,
    /// Still committed on the scene's account: at most what
    /// [`scene_keep`](super::MemoryManagerBuilder::scene_keep) allows, unless the system refused to take it back.
    pub committed_after: usize,
    /// What has grown outside the manager's own tags since the scene was loaded, if
    /// [`report_leaks`](super::MemoryManagerBuilder::report_leaks) is on; `None` also for the empty scene that a manager begins
    /// with, or has after [`clear_scene`](super::MemoryManager::clear_scene).
    pub leaks: Option<LeakReport>,
}

impl Deref for Scene {
    type Target = ResourceArena;

    fn deref(&self) -> &ResourceArena {
        &self.own
    }
}

impl Scene {
    /// The scene's account; its sections' accounts are below it.
    #[must_use]
    pub const fn tag(&self) -> Tag {
        self.tag
    }

    /// The section with this name, as the builder named it. O(sections).
    #[must_use]
    pub fn section(&self, name: &str) -> Option<&ResourceArena> {
        self.names
            .iter()
            .zip(&self.sections)
            .find_map(|(own, arena)| (*own == name).then_some(arena.as_ref())?)
    }

    /// Figures of the scene's own arena and all sections together. O(sections).
    #[must_use]
    pub fn stats(&self) -> ResourceStats {
        self.arenas().fold(ResourceStats::default(), |sum, arena| {
            let part = arena.stats();
            ResourceStats {
                count: sum.count + part.count,
                used: sum.used + part.used,
                committed: sum.committed + part.committed,
                reserved: sum.reserved + part.reserved,
            }
        })
    }

    /// Tells the ledger how much is in use now.
    pub fn publish(&self) {
        self.arenas().for_each(ResourceArena::publish);
    }

    fn arenas(&self) -> impl Iterator<Item = &ResourceArena> {
        core::iter::once(&self.own).chain(self.sections.iter().flatten())
    }

    /// Gives back the memory that no resource uses.
    ///
    /// # Errors
    /// The system refused; some of the memory stays committed.
    pub(super) fn try_trim(&mut self) -> Result<(), AllocError> {
        let mut arenas = core::iter::once(&mut self.own).chain(self.sections.iter_mut().flatten());
        arenas.try_for_each(ResourceArena::try_trim)
    }

    /// Drops all resources, sections in reverse order, the scene's own arena last. The scene is empty afterwards and
    /// can be filled again; up to `keep` bytes of all its arenas together stay committed for that.
    ///
    /// # Panics
    /// A destructor panics: every arena is emptied before the first panic goes on.
    pub(super) fn clear(&mut self, mut keep: usize) -> SceneReport {
        let before = self.stats();
        let mut first = None;
        for arena in self.sections.iter_mut().flatten().rev().chain([&mut self.own]) {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| arena.clear_keeping(keep))) {
                match first {
                    None => first = Some(panic),
                    // Dropping the payload could panic again.
                    Some(_) => core::mem::forget(panic),
                }
            }
            keep = keep.saturating_sub(arena.stats().committed);
        }
        if let Some(panic) = first {
            resume_unwind(panic);
        }
        SceneReport { dropped: before.count, freed: before.used, ..SceneReport::default() }.after(self.tag)
    }

    /// Clears the scene and gives its address space back, too.
    ///
    /// # Panics
    /// As [`clear`](Self::clear).
    pub(super) fn close(mut self) -> SceneReport {
        // All of it stays committed until the regions go, which takes one call for each instead of two.
        let (report, tag) = (self.clear(usize::MAX), self.tag);
        // Gone before the account is read: what is charged then is what nobody gives back any more.
        drop(self);
        report.after(tag)
    }
}

impl SceneReport {
    /// With what the account holds now.
    fn after(self, tag: Tag) -> Self {
        let account = tag.account().subtree;
        Self { live_after: account.live, committed_after: account.committed, ..self }
    }
}
