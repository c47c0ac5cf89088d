//! A library that takes nothing but safe code, and has each public item documented: `#[derive(Soa)]` must not stand out.
#![no_std]
#![forbid(unsafe_code)]

use arenite::{Columns, Handle, Soa};

/// A row with all that a row can have.
#[derive(Debug, Clone, Copy, PartialEq, Soa)]
#[soa(derive(Debug, PartialEq))]
pub struct Row<N: Copy + core::fmt::Debug + PartialEq, const K: usize>
where
    [N; K]: Sized,
{
    /// Documented here.
    pub documented: N,
    /// Somewhere.
    #[soa(nested)]
    pub place: Place,
    private: u8,
    pub(crate) other: Option<Handle<Self>>,
    /// A list.
    pub r#list: [N; K],
}

/// A tuple.
#[derive(Debug, Clone, Copy, PartialEq, Soa)]
#[soa(derive(Debug, PartialEq))]
pub struct Place(pub f32, pub(crate) f32);

/// Of which nothing is used but its place in columns.
#[derive(Debug, Soa)]
struct Inner {
    once: u8,
}

mod renamed {
    pub(crate) mod engine {
        pub(crate) use ::arenite as memory;
    }

    /// Finds the library elsewhere, in a place where no name is what it seems.
    #[derive(Debug, super::Soa)]
    #[soa(crate = "crate::renamed::engine::memory")]
    pub(crate) struct Hidden {
        pub(crate) core: u8,
        pub(crate) arenite: u8,
    }

    #[expect(dead_code, non_upper_case_globals, reason = "must not be mistaken for a field")]
    const core: u8 = 0;
    #[expect(dead_code, non_upper_case_globals, reason = "must not be mistaken for a parameter")]
    const fields: u8 = 0;
}

/// Uses them.
#[must_use]
pub fn len<N: Copy + core::fmt::Debug + PartialEq + 'static, const K: usize>(rows: &Columns<Row<N, K>>) -> usize {
    let private = rows.columns().private.len();
    let mut inner = Columns::try_new(rows.tag(), 1).ok();
    let hidden: Option<Columns<renamed::Hidden>> = Columns::try_new(rows.tag(), 1).ok();
    if let Some(inner) = &mut inner {
        let handle = inner.push(Inner { once: 1 });
        debug_assert_eq!(inner.remove(handle).map(|inner| inner.once), Some(1));
    }
    let hidden = hidden.map_or(0, |hidden| hidden.columns().core.len() + hidden.columns().arenite.len());
    private.min(rows.columns().other.len()) + rows.columns().place.1.len() * hidden
}
