//! What every box of a pool can do that the one of the standard library can, written once.

/// Implements it for a box of `T`; `$value` is where it keeps the value, a `NonNull<T>`. The box owns that value: it is
/// initialised, nobody else's, and stays where it is as long as the box lives.
macro_rules! box_face {
    ($face:ty, |$this:ident| $value:expr) => {
        impl<T> core::ops::Deref for $face {
            type Target = T;

            #[inline]
            fn deref(&self) -> &T {
                let $this = self;
                // SAFETY: initialised, and stays where it is as long as the box lives.
                unsafe { $value.as_ref() }
            }
        }

        impl<T> core::ops::DerefMut for $face {
            #[inline]
            fn deref_mut(&mut self) -> &mut T {
                let $this = self;
                // SAFETY: as in `deref`, and the box is borrowed exclusively.
                unsafe { &mut *$value.as_ptr() }
            }
        }

        impl<T> AsRef<T> for $face {
            #[inline]
            fn as_ref(&self) -> &T {
                self
            }
        }

        impl<T> AsMut<T> for $face {
            #[inline]
            fn as_mut(&mut self) -> &mut T {
                self
            }
        }

        impl<T> core::borrow::Borrow<T> for $face {
            #[inline]
            fn borrow(&self) -> &T {
                self
            }
        }

        impl<T: core::fmt::Debug> core::fmt::Debug for $face {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<T: core::fmt::Display> core::fmt::Display for $face {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                (**self).fmt(f)
            }
        }

        impl<T: PartialEq> PartialEq for $face {
            #[inline]
            fn eq(&self, other: &Self) -> bool {
                **self == **other
            }
        }

        impl<T: Eq> Eq for $face {}

        impl<T: PartialOrd> PartialOrd for $face {
            #[inline]
            fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
                (**self).partial_cmp(&**other)
            }
        }

        impl<T: Ord> Ord for $face {
            #[inline]
            fn cmp(&self, other: &Self) -> core::cmp::Ordering {
                (**self).cmp(&**other)
            }
        }

        impl<T: core::hash::Hash> core::hash::Hash for $face {
            #[inline]
            fn hash<H: core::hash::Hasher>(&self, state: &mut H) {
                (**self).hash(state);
            }
        }
    };
}

pub(super) use box_face;
