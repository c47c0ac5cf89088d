//! A crowd in a vector.

use crate::rules::flight::Crowd;

/// A vector that does not grow beyond what it was made for.
#[derive(Debug)]
pub struct Limited<T> {
    items: Vec<T>,
    most: usize,
}

impl<T> Limited<T> {
    /// Nothing, and allowed to grow to `most`.
    pub fn new(most: usize) -> Self {
        Self { items: Vec::new(), most }
    }

    /// Nothing, and room for `most` without another call of the heap.
    pub fn with_capacity(most: usize) -> Self {
        Self { items: Vec::with_capacity(most), most }
    }
}

impl<T> Crowd<T> for Limited<T> {
    fn add(&mut self, item: T) -> bool {
        let fits = self.items.len() < self.most;
        if fits {
            self.items.push(item);
        }
        fits
    }

    fn retain(&mut self, keep: impl FnMut(&mut T) -> bool) {
        self.items.retain_mut(keep);
    }

    fn iter<'a>(&'a self) -> impl Iterator<Item = &'a T>
    where
        T: 'a,
    {
        self.items.iter()
    }

    fn len(&self) -> usize {
        self.items.len()
    }
}
