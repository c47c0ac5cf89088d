//! Budgets: how much a tag and all below it may commit, and what is said when it does not fit.

use core::error::Error;
use core::fmt;

use super::Tag;
use crate::base::bytes::Bytes;

/// A limit on the bytes committed by a tag and everything under it.
///
/// ```
/// use arenite::ledger::Budget;
/// let budget = Budget::hard(64 << 20).warn_at(0.8);
/// assert_eq!(budget.limit(), Some(64 << 20));
/// assert!(budget.is_hard());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Budget {
    limit: Limit,
    /// In bytes, never above the limit. `None`: no warning.
    warning: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Limit {
    #[default]
    None,
    Soft(usize),
    Hard(usize),
}

impl Budget {
    /// No limit and no warning.
    pub const NONE: Self = Self { limit: Limit::None, warning: None };

    /// At most `bytes` are ever committed: what would go beyond is refused with [`BudgetExceeded`].
    pub const fn hard(bytes: usize) -> Self {
        Self { limit: Limit::Hard(bytes), warning: None }
    }

    /// More than `bytes` may be committed, but is reported as [`BudgetStatus::Over`].
    pub const fn soft(bytes: usize) -> Self {
        Self { limit: Limit::Soft(bytes), warning: None }
    }

    /// Adds a warning from this fraction of the limit on: `0.8` warns when four fifths are in use.
    ///
    /// What counts is committed memory, which runs ahead of what is allocated by up to one commit step: as much as the
    /// region has committed already, at most 4 MiB. So with a budget of 8 MiB the warning may come when half of it is
    /// allocated and all of it is committed; with large budgets the step hardly matters.
    ///
    /// Below 0 counts as 0, above 1 (and NaN) as 1. Without a limit there is nothing to warn of and this does nothing.
    #[must_use]
    pub const fn warn_at(mut self, fraction: f64) -> Self {
        if let Some(limit) = self.limit() {
            self.warning = Some(if fraction < 1.0 {
                // A float to integer cast saturates: what is below 0 becomes 0.
                (limit as f64 * fraction) as usize
            } else {
                limit
            });
        }
        self
    }

    /// The limit in bytes, hard or soft.
    pub const fn limit(&self) -> Option<usize> {
        match self.limit {
            Limit::None => None,
            Limit::Soft(bytes) | Limit::Hard(bytes) => Some(bytes),
        }
    }

    /// From how many bytes on the status is [`BudgetStatus::Warning`].
    pub const fn warning(&self) -> Option<usize> {
        self.warning
    }

    /// Whether what goes beyond the limit is refused.
    pub const fn is_hard(&self) -> bool {
        matches!(self.limit, Limit::Hard(_))
    }

    /// How `in_use` committed bytes stand against this budget.
    pub const fn status(&self, in_use: usize) -> BudgetStatus {
        if let Some(limit) = self.limit()
            && in_use > limit
        {
            return BudgetStatus::Over(in_use - limit);
        }
        if let Some(warning) = self.warning
            && in_use >= warning
        {
            return BudgetStatus::Warning;
        }
        BudgetStatus::Ok
    }

    /// The limit that refuses, if there is one and `wanted` bytes on top of `in_use` do not fit in it.
    pub(super) fn refuses(&self, in_use: usize, wanted: usize) -> Option<usize> {
        let limit = if let Limit::Hard(bytes) = self.limit { bytes } else { usize::MAX };
        in_use.checked_add(wanted).is_none_or(|total| total > limit).then_some(limit)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            Limit::None => return f.write_str("no budget"),
            Limit::Soft(bytes) => write!(f, "soft budget of {}", Bytes(bytes))?,
            Limit::Hard(bytes) => write!(f, "hard budget of {}", Bytes(bytes))?,
        }
        match self.warning {
            Some(bytes) => write!(f, ", warning from {}", Bytes(bytes)),
            None => Ok(()),
        }
    }
}

/// How the bytes in use stand against a budget. Exact at each moment, without the hysteresis of the callbacks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "lowercase"))]
pub enum BudgetStatus {
    /// Below the warning mark, or no budget.
    #[default]
    Ok,
    /// At or above the warning mark, within the limit.
    Warning,
    /// This many bytes above the limit.
    Over(usize),
}

impl fmt::Display for BudgetStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ok => f.pad("ok"),
            Self::Warning => f.pad("warning"),
            Self::Over(by) => write!(f, "over by {}", Bytes(*by)),
        }
    }
}

/// A commit was refused because the hard budget of a tag, or of one of its parents, would have been broken. No figure
/// has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BudgetExceeded {
    /// The tag whose budget refuses: the one charged, or the nearest parent that refuses.
    pub tag: Tag,
    /// Its hard limit in bytes.
    pub limit: usize,
    /// Bytes committed under that tag.
    pub in_use: usize,
    /// Bytes of further memory that would have to be committed. Less than the allocation when a part of it still fits in
    /// what is committed: a refused 1 MiB may want 4 KiB.
    pub wanted: usize,
}

impl fmt::Display for BudgetExceeded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "tag `{}`: budget of {} would be broken: {} in use, {} wanted; raise the budget or free something under \
             this tag",
            self.tag,
            Bytes(self.limit),
            Bytes(self.in_use),
            Bytes(self.wanted)
        )
    }
}

impl Error for BudgetExceeded {}

#[cfg(feature = "serde")]
impl serde::Serialize for Budget {
    /// `{"kind": "none" | "soft" | "hard", "limit": bytes or null, "warning": bytes or null}`
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let kind = match self.limit {
            Limit::None => "none",
            Limit::Soft(_) => "soft",
            Limit::Hard(_) => "hard",
        };
        let mut fields = serializer.serialize_struct("Budget", 3)?;
        fields.serialize_field("kind", kind)?;
        fields.serialize_field("limit", &self.limit())?;
        fields.serialize_field("warning", &self.warning)?;
        fields.end()
    }
}
