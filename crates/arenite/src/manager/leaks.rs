//! What scenes leave behind elsewhere: a mark when a scene is loaded, a look when it has ended.

use core::cell::RefCell;
use std::vec::Vec;

use super::SceneReport;
use crate::ledger::Tag;
use crate::watch::{LeakMark, LeakReport};

/// Marks that are kept for scenes to come, so that making one allocates nothing and is in no report.
const MARKS: usize = 4;

/// Looks for what has grown, if the program [asked](super::MemoryManagerBuilder::report_leaks).
#[derive(Debug)]
pub(super) struct Leaks {
    /// The manager's own tags: what they hold is told by the reports themselves.
    own: [Tag; 4],
    /// When the manager was built.
    built: LeakMark,
    marks: RefCell<Vec<LeakMark>>,
}

impl Leaks {
    /// To be called when everything else of the manager is there.
    pub(super) fn new(own: [Tag; 4]) -> Self {
        let mut built = LeakMark::new(own[0].ledger());
        let mut marks = Vec::with_capacity(MARKS);
        marks.resize_with(MARKS, || LeakMark::new(own[0].ledger()));
        built.set();
        Self { own, built, marks: RefCell::new(marks) }
    }

    /// A scene begins.
    pub(super) fn mark(&self) -> LeakMark {
        let kept = self.marks.borrow_mut().pop();
        kept.map_or_else(
            || LeakMark::new(self.own[0].ledger()),
            |mut mark| {
                mark.set();
                mark
            },
        )
    }

    /// A scene that began at `mark` has ended: adds what has grown.
    pub(super) fn scene(&self, mark: Option<LeakMark>, report: SceneReport) -> SceneReport {
        // A scene of a manager on another ledger brought a mark of that one, which says nothing about this one.
        let mark = mark.filter(|mark| core::ptr::eq(mark.ledger(), self.own[0].ledger()));
        let leaks = mark.map(|mark| {
            let leaks = mark.report_at(&mark.look(), |tag| self.is_own(tag));
            self.keep(mark);
            leaks
        });
        SceneReport { leaks, ..report }
    }

    /// The last scene and the manager have ended: what has grown since each began.
    pub(super) fn shutdown(&self, mark: Option<LeakMark>, report: SceneReport) -> (SceneReport, LeakReport) {
        // One look for both: the first report must not be in the second.
        let now = self.built.look();
        let others = |tag| self.is_own(tag);
        let mark = mark.filter(|mark| core::ptr::eq(mark.ledger(), self.own[0].ledger()));
        let leaks = mark.map(|mark| mark.report_at(&now, others));
        (SceneReport { leaks, ..report }, self.built.report_at(&now, others))
    }

    fn keep(&self, mark: LeakMark) {
        let mut marks = self.marks.borrow_mut();
        if marks.len() < MARKS {
            marks.push(mark);
        }
    }

    fn is_own(&self, tag: Tag) -> bool {
        core::iter::successors(Some(tag), |tag| tag.parent()).any(|tag| self.own.contains(&tag))
    }
}
