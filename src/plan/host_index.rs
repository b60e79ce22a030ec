//! Hosts by their places in a schedule. A place is no count, no wave, and no place in another list.

use std::ops::{Bound, Deref, DerefMut, Index, IndexMut, Range, RangeBounds};

use serde::{Deserialize, Serialize};

/// A host's place in the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct HostIndex(usize);

impl HostIndex {
    /// The host that has so many before it.
    pub fn new(before: usize) -> Self {
        Self(before)
    }

    /// The host's entry in a list that has one for each host of the schedule, in their order.
    pub fn of<T>(self, all: &[T]) -> &T {
        &all[self.0]
    }
}

/// Hosts that follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct HostRange {
    /// The first.
    pub start: HostIndex,
    /// Behind the last.
    pub end: HostIndex,
}

impl HostRange {
    /// How many.
    pub fn len(&self) -> usize {
        self.end.0.saturating_sub(self.start.0)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Each of them.
    pub fn iter(&self) -> HostIndices {
        (self.start.0..self.end.0).map(HostIndex)
    }
}

impl From<Range<usize>> for HostRange {
    fn from(Range { start, end }: Range<usize>) -> Self {
        Self { start: HostIndex(start), end: HostIndex(end) }
    }
}

impl RangeBounds<HostIndex> for HostRange {
    fn start_bound(&self) -> Bound<&HostIndex> {
        Bound::Included(&self.start)
    }

    fn end_bound(&self) -> Bound<&HostIndex> {
        Bound::Excluded(&self.end)
    }
}

/// The hosts of a range, one after the other.
pub type HostIndices = std::iter::Map<Range<usize>, fn(usize) -> HostIndex>;

impl IntoIterator for HostRange {
    type Item = HostIndex;
    type IntoIter = HostIndices;

    fn into_iter(self) -> HostIndices {
        self.iter()
    }
}

impl IntoIterator for &HostRange {
    type Item = HostIndex;
    type IntoIter = HostIndices;

    fn into_iter(self) -> HostIndices {
        self.iter()
    }
}

/// One entry for each host of the schedule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PerHost<T>(Vec<T>);

impl<T> PerHost<T> {
    /// Every host.
    pub fn range(&self) -> HostRange {
        (0..self.0.len()).into()
    }

    /// Every entry with its host.
    pub fn indexed(&self) -> impl DoubleEndedIterator<Item = (HostIndex, &T)> {
        self.range().into_iter().zip(&self.0)
    }
}

impl<T> From<Vec<T>> for PerHost<T> {
    fn from(all: Vec<T>) -> Self {
        Self(all)
    }
}

impl<T> FromIterator<T> for PerHost<T> {
    fn from_iter<I: IntoIterator<Item = T>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

impl<T> Deref for PerHost<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

impl<T> DerefMut for PerHost<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.0
    }
}

impl<'a, T> IntoIterator for &'a PerHost<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

impl<T> Index<HostIndex> for PerHost<T> {
    type Output = T;

    fn index(&self, HostIndex(host): HostIndex) -> &T {
        &self.0[host]
    }
}

impl<T> IndexMut<HostIndex> for PerHost<T> {
    fn index_mut(&mut self, HostIndex(host): HostIndex) -> &mut T {
        &mut self.0[host]
    }
}

impl<T> Index<HostRange> for PerHost<T> {
    type Output = [T];

    fn index(&self, HostRange { start, end }: HostRange) -> &[T] {
        &self.0[start.0..end.0]
    }
}
