//! What becomes of a kernel's arguments when its work is divided: the type decides.
//!
//! Slices are divided, a unit of work for each element. What stands behind a reference and is no slice is shared: arrays
//! and structs. There is no way to divide a `&mut` to something that is no slice, so that such an argument is found when
//! the program is compiled.

use core::mem::take;
use core::ops::{Index, IndexMut, Range};

use crate::lanes::Row;

/// Arguments, or a whole kernel, of which two parts can be made.
pub trait Divide: Sized {
    /// The first `at` units, and those after them. Where there are no more than `at`, the second part has none.
    fn divide(self, at: usize) -> (Self, Self);
}

impl<T> Divide for &[T] {
    #[inline(always)]
    fn divide(self, at: usize) -> (Self, Self) {
        self.split_at(at.min(self.len()))
    }
}

impl<T> Divide for &mut [T] {
    #[inline(always)]
    fn divide(self, at: usize) -> (Self, Self) {
        let at = at.min(self.len());
        self.split_at_mut(at)
    }
}

/// Shared: both parts read all of it.
impl<T> Divide for &T {
    #[inline(always)]
    fn divide(self, _: usize) -> (Self, Self) {
        (self, self)
    }
}

impl<D: Divide> Divide for Option<D> {
    #[inline(always)]
    fn divide(self, at: usize) -> (Self, Self) {
        match self {
            Some(whole) => {
                let (first, second) = whole.divide(at);
                (Some(first), Some(second))
            }
            None => (None, None),
        }
    }
}

/// The number of the first unit that a part has, counted in the whole work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct First(pub usize);

impl Divide for First {
    #[inline(always)]
    fn divide(self, at: usize) -> (Self, Self) {
        (self, Self(self.0 + at))
    }
}

/// Numbers of units, of which a part has some.
pub type Units = Range<usize>;

impl Divide for Units {
    #[inline(always)]
    fn divide(self, at: usize) -> (Self, Self) {
        let middle = self.start.saturating_add(at).min(self.end);
        (self.start..middle, middle..self.end)
    }
}

/// Values of groups of samples, `[[Row; positions * F]]`, as those of their positions one after the other: `F` rows are a
/// unit.
#[inline(always)]
pub fn positions<E, const N: usize, const F: usize>(groups: &[[Row<E>; N]]) -> &[[Row<E>; F]] {
    const { assert!(N.is_multiple_of(F), "a group holds whole positions") };
    groups.as_flattened().as_chunks().0
}

/// The same, to write to.
#[inline(always)]
pub fn positions_mut<E, const N: usize, const F: usize>(groups: &mut [[Row<E>; N]]) -> &mut [[Row<E>; F]] {
    const { assert!(N.is_multiple_of(F), "a group holds whole positions") };
    groups.as_flattened_mut().as_chunks_mut().0
}

/// The weight of a convolution, `[[Row; K]; P]`, in parts along `K`: `UNIT` rows of each panel, a row of the kernel, are
/// a unit. `taps[panel][i]` is row `i` of a panel, counted in the whole weight.
#[derive(Debug)]
pub struct Taps<'a, E, const P: usize, const UNIT: usize> {
    panels: [Rows<'a, Row<E>>; P],
}

/// Some rows of a panel of a weight, or of a value, by their numbers in the whole of it.
///
/// # Panics
/// On being asked for a row that another part has, or that there is not.
#[derive(Debug)]
pub struct Rows<'a, R> {
    rows: &'a mut [R],
    /// The number of the first row that is here.
    first: usize,
}

impl<'a, E, const P: usize, const UNIT: usize> Taps<'a, E, P, UNIT> {
    /// All of a weight.
    #[inline(always)]
    pub fn new<const K: usize>(weight: &'a mut [[Row<E>; K]; P]) -> Self {
        Self { panels: weight.each_mut().map(|panel| Rows { rows: panel.as_mut_slice(), first: 0 }) }
    }
}

impl<'a, E, const P: usize, const UNIT: usize> Index<usize> for Taps<'a, E, P, UNIT> {
    type Output = Rows<'a, Row<E>>;

    #[inline(always)]
    fn index(&self, panel: usize) -> &Self::Output {
        &self.panels[panel]
    }
}

impl<E, const P: usize, const UNIT: usize> IndexMut<usize> for Taps<'_, E, P, UNIT> {
    #[inline(always)]
    fn index_mut(&mut self, panel: usize) -> &mut Self::Output {
        &mut self.panels[panel]
    }
}

impl<R> Index<usize> for Rows<'_, R> {
    type Output = R;

    #[inline(always)]
    fn index(&self, i: usize) -> &R {
        &self.rows[i - self.first]
    }
}

impl<R> IndexMut<usize> for Rows<'_, R> {
    #[inline(always)]
    fn index_mut(&mut self, i: usize) -> &mut R {
        &mut self.rows[i - self.first]
    }
}

impl<R> Rows<'_, R> {
    /// Takes the first `n` of them away.
    #[inline(always)]
    fn take_first(&mut self, n: usize) -> Self {
        let n = n.min(self.rows.len());
        let (before, after) = take(&mut self.rows).split_at_mut(n);
        let first = self.first;
        (self.rows, self.first) = (after, first + n);
        Self { rows: before, first }
    }
}

impl<E, const P: usize, const UNIT: usize> Divide for Taps<'_, E, P, UNIT> {
    #[inline(always)]
    fn divide(mut self, at: usize) -> (Self, Self) {
        let panels = self.panels.each_mut().map(|panel| panel.take_first(at.saturating_mul(UNIT)));
        (Self { panels }, self)
    }
}

/// A value of one sample, `[Row; N]`, in parts, of which `UNIT` rows are a unit: `part[p]` is row `p`, counted in the whole
/// value.
///
/// # Panics
/// On being asked for a row that another part has, or that there is not.
#[derive(Debug)]
pub struct Part<'a, R, const UNIT: usize>(Rows<'a, R>);

impl<'a, R, const UNIT: usize> Part<'a, R, UNIT> {
    /// All of a value.
    #[inline(always)]
    pub fn new(value: &'a mut [R]) -> Self {
        Self(Rows { rows: value, first: 0 })
    }

    /// The rows of this part, from its first.
    #[inline(always)]
    pub fn rows(&mut self) -> &mut [R] {
        self.0.rows
    }
}

impl<R, const UNIT: usize> Index<usize> for Part<'_, R, UNIT> {
    type Output = R;

    #[inline(always)]
    fn index(&self, row: usize) -> &R {
        &self.0[row]
    }
}

impl<R, const UNIT: usize> IndexMut<usize> for Part<'_, R, UNIT> {
    #[inline(always)]
    fn index_mut(&mut self, row: usize) -> &mut R {
        &mut self.0[row]
    }
}

impl<R, const UNIT: usize> Divide for Part<'_, R, UNIT> {
    #[inline(always)]
    fn divide(mut self, at: usize) -> (Self, Self) {
        let first = self.0.take_first(at.saturating_mul(UNIT));
        (Self(first), self)
    }
}

#[cfg(test)]
mod tests {
    use super::{Divide, First, Part, Taps, positions, positions_mut};
    use crate::lanes::LANES;

    #[test]
    fn slices_are_divided_and_end_where_they_end() {
        let numbers = [1, 2, 3];
        assert_eq!(numbers.as_slice().divide(1), ([1].as_slice(), [2, 3].as_slice()));
        assert_eq!(numbers.as_slice().divide(3), (numbers.as_slice(), [].as_slice()));
        assert_eq!(numbers.as_slice().divide(usize::MAX), (numbers.as_slice(), [].as_slice()));
        let mut numbers = numbers;
        let (first, second) = numbers.as_mut_slice().divide(2);
        first[1] = 20;
        second[0] = 30;
        assert!(second.divide(9).1.is_empty());
        assert_eq!(numbers, [1, 20, 30]);
    }

    #[test]
    fn what_is_no_slice_is_shared() {
        let array = [1, 2, 3];
        let (first, second) = (&array).divide(1);
        assert!(core::ptr::eq(first, &array) && core::ptr::eq(second, &array));
    }

    #[test]
    fn an_option_is_divided_within() {
        let numbers = [1, 2, 3];
        let (first, second) = Some(numbers.as_slice()).divide(1);
        assert_eq!((first, second), (Some([1].as_slice()), Some([2, 3].as_slice())));
        assert_eq!(None::<&[u8]>.divide(1), (None, None));
    }

    #[test]
    fn units_are_counted_in_the_whole() {
        let (first, rest) = First(0).divide(3);
        let (second, third) = rest.divide(2);
        assert_eq!([first, second, third], [First(0), First(3), First(5)]);
    }

    #[test]
    fn positions_are_units_of_their_own() {
        let mut groups: [[[usize; LANES]; 6]; 2] =
            core::array::from_fn(|g| core::array::from_fn(|o| [10 * g + o; LANES]));
        let (first, second) = positions::<_, 6, 2>(&groups).divide(4);
        assert_eq!(first.iter().map(|rows| rows[1][0]).collect::<Vec<_>>(), [1, 3, 5, 11]);
        assert_eq!(second.iter().map(|rows| rows[0][0]).collect::<Vec<_>>(), [12, 14]);
        positions_mut::<_, 6, 3>(&mut groups)[3][0][0] = 99;
        assert_eq!(groups[1][3][0], 99);
    }

    #[test]
    fn taps_are_divided_by_rows_of_the_kernel() {
        let mut weight = [[[0; LANES]; 12]; 2];
        let (mut first, rest) = Taps::<_, 2, 3>::new(&mut weight).divide(1);
        let (mut second, mut third) = rest.divide(2);
        for panel in 0..2 {
            for i in 0..3 {
                first[panel][i][0] += 1000 + i;
            }
            for i in 3..9 {
                second[panel][i][0] += 2000 + i;
            }
            for i in 9..12 {
                third[panel][i][0] += 3000 + i;
            }
        }
        let (_, none) = third.divide(5);
        assert!(none.panels.iter().all(|panel| panel.rows.is_empty()));
        for panel in &weight {
            let parts = [1000, 1000, 1000, 2000, 2000, 2000, 2000, 2000, 2000, 3000, 3000, 3000];
            let expected: [usize; 12] = core::array::from_fn(|i| parts[i] + i);
            assert_eq!(panel.map(|row| row[0]), expected);
        }
    }

    #[test]
    fn rows_of_a_value_keep_their_numbers() {
        let mut value = [[0; LANES]; 8];
        let (mut first, rest) = Part::<_, 2>::new(&mut value).divide(1);
        let (mut second, mut none) = rest.divide(7);
        (first[0][0], first[1][0]) = (10, 11);
        for row in 2..8 {
            second[row][0] = 20 + row;
        }
        assert_eq!(second[7][0], 27);
        let asked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| none[8][0] = 1));
        assert!(
            asked.is_err() && std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| first[2][0])).is_err()
        );
        assert_eq!(value.map(|row| row[0]), [10, 11, 22, 23, 24, 25, 26, 27]);
    }
}
