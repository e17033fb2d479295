//! Windows over images: the largest number of each, and the mean.
//!
//! A value is `[channels, height, width]`, row-major, of rows over sixteen samples. A window takes some places of each
//! axis; [`Axis`] says which. Places of a window are visited in row-major order, so that sums have one order and equal
//! largest numbers one winner, the first. Windows are constants where emitted code calls, and fold away.

use core::ops::Range;

use crate::element::Element;
use crate::lanes::{Lanes, Row};

/// Which places of an axis each window takes.
#[derive(Debug, Clone, Copy)]
pub enum Axis {
    /// Window `o` begins at `o * stride - padding` and is `kernel` long, without what lies outside of the axis.
    Strided {
        /// Places of the axis.
        size: usize,
        /// Windows.
        windows: usize,
        /// Places of a window.
        kernel: usize,
        /// Places from one window to the next.
        stride: usize,
        /// Places in front of the axis that windows may reach.
        padding: usize,
    },
    /// Window `o` goes from `o * size / windows`, rounded down, to `(o + 1) * size / windows`, rounded up.
    Adaptive {
        /// Places of the axis.
        size: usize,
        /// Windows.
        windows: usize,
    },
}

impl Axis {
    /// Places.
    #[inline(always)]
    pub const fn size(self) -> usize {
        match self {
            Self::Strided { size, .. } | Self::Adaptive { size, .. } => size,
        }
    }

    /// Windows.
    #[inline(always)]
    pub const fn windows(self) -> usize {
        match self {
            Self::Strided { windows, .. } | Self::Adaptive { windows, .. } => windows,
        }
    }

    /// The places of window `o`.
    #[inline(always)]
    pub fn window(self, o: usize) -> Range<usize> {
        match self {
            // The length is a constant, so that the loop over it is unrolled.
            Self::Strided { kernel, stride, padding: 0, .. } => o * stride..o * stride + kernel,
            Self::Strided { size, kernel, stride, padding, .. } => {
                let start = o * stride;
                start.saturating_sub(padding)..(start + kernel - padding).min(size)
            }
            Self::Adaptive { size, windows } => o * size / windows..((o + 1) * size).div_ceil(windows),
        }
    }

    /// The windows that take this place.
    #[inline(always)]
    pub fn covering(self, place: usize) -> Range<usize> {
        match self {
            Self::Strided { windows, kernel, stride, padding, .. } => {
                let behind = place + padding + 1;
                behind.saturating_sub(kernel).div_ceil(stride)..((behind - 1) / stride + 1).min(windows)
            }
            Self::Adaptive { size, windows } => {
                place * windows / size..((place + 1) * windows).div_ceil(size)
            }
        }
    }

    /// Whether no two windows share a place.
    #[inline(always)]
    const fn is_apart(self) -> bool {
        match self {
            Self::Strided { windows, kernel, stride, .. } => windows == 1 || stride >= kernel,
            Self::Adaptive { size, windows } => size.is_multiple_of(windows),
        }
    }

    /// Whether there are places that no window takes.
    #[inline(always)]
    fn has_gaps(self) -> bool {
        match self {
            Self::Strided { size, windows, kernel, stride, padding } => {
                stride > kernel || (windows - 1) * stride + kernel < size + padding
            }
            Self::Adaptive { .. } => false,
        }
    }
}

/// Windows over images.
#[derive(Debug, Clone, Copy)]
pub struct Windows {
    /// Images of a sample.
    pub channels: usize,
    /// Rows.
    pub height: Axis,
    /// Columns.
    pub width: Axis,
}

impl Windows {
    /// Where a channel's places begin.
    #[inline(always)]
    fn plane(self, channel: usize) -> usize {
        channel * self.height.size() * self.width.size()
    }

    /// The number of a window.
    #[inline(always)]
    fn number(self, channel: usize, row: usize, column: usize) -> usize {
        (channel * self.height.windows() + row) * self.width.windows() + column
    }

    /// Calls `finish` with every channel, and row and column of windows.
    #[inline(always)]
    fn each(self, mut f: impl FnMut(usize, usize, usize)) {
        for channel in 0..self.channels {
            for row in 0..self.height.windows() {
                for column in 0..self.width.windows() {
                    f(channel, row, column);
                }
            }
        }
    }

    /// Calls `f` with every place of a window, in row-major order.
    #[inline(always)]
    fn places(self, (channel, row, column): (usize, usize, usize), mut f: impl FnMut(usize)) {
        let plane = self.plane(channel);
        for h in self.height.window(row) {
            for w in self.width.window(column) {
                f(plane + h * self.width.size() + w);
            }
        }
    }

    /// Calls `f` with every feature of an image, and its channel, row and column.
    #[inline(always)]
    fn features(self, mut f: impl FnMut(usize, usize, usize, usize)) {
        for channel in 0..self.channels {
            let plane = self.plane(channel);
            for h in 0..self.height.size() {
                for w in 0..self.width.size() {
                    f(plane + h * self.width.size() + w, channel, h, w);
                }
            }
        }
    }

    /// Calls `f` with every feature that no window takes.
    #[inline(always)]
    fn uncovered(self, mut f: impl FnMut(usize)) {
        if !self.height.has_gaps() && !self.width.has_gaps() {
            return;
        }
        self.features(
            #[inline(always)]
            |feature, _, h, w| {
                if self.height.covering(h).is_empty() || self.width.covering(w).is_empty() {
                    f(feature);
                }
            },
        );
    }
}

/// The largest number of every window; NaN where it has one. `finish` is given group, window and the number.
#[inline(always)]
pub fn max<L: Lanes, const X: usize>(
    x: &[[Row<L::Elem>; X]],
    windows: Windows,
    mut finish: impl FnMut(usize, usize, L),
) {
    for (g, x) in x.iter().enumerate() {
        windows.each(
            #[inline(always)]
            |channel, row, column| {
                let mut largest: Option<L> = None;
                windows.places(
                    (channel, row, column),
                    #[inline(always)]
                    |f| {
                        let value = L::load(&x[f]);
                        largest = Some(match largest {
                            Some(largest) => larger(value, largest),
                            None => value,
                        });
                    },
                );
                finish(g, windows.number(channel, row, column), largest.unwrap_or(L::zero()));
            },
        );
    }
}

/// The larger of the two; of equal ones the one that came before. A NaN takes the other's place, and nothing its.
#[inline(always)]
pub(super) fn larger<L: Lanes>(value: L, largest: L) -> L {
    L::select(value.ne(value), value, value.max(largest))
}

/// Whether a value takes the place of the largest before it: a later NaN does, and nothing that comes after one.
#[inline(always)]
fn is_larger<L: Lanes>(value: L, largest: L) -> L::Mask {
    value.gt(largest) | value.ne(value)
}

/// The gradient by x of [`max`], for windows that share no place: each gives its own to the first of its largest
/// numbers. `finish` is given group, feature and the gradient, which is 0 where no window reaches.
#[inline(always)]
pub fn max_gradient<L: Lanes, const X: usize, const Y: usize>(
    x: &[[Row<L::Elem>; X]],
    y: &[[Row<L::Elem>; Y]],
    d_y: &[[Row<L::Elem>; Y]],
    windows: Windows,
    mut finish: impl FnMut(usize, usize, L),
) {
    assert!(y.len() == x.len() && d_y.len() == x.len());
    for g in 0..x.len() {
        windows.uncovered(
            #[inline(always)]
            |f| finish(g, f, L::zero()),
        );
        windows.each(
            #[inline(always)]
            |channel, row, column| {
                let o = windows.number(channel, row, column);
                let (largest, d) = (L::load(&y[g][o]), L::load(&d_y[g][o]));
                let mut left = d;
                windows.places(
                    (channel, row, column),
                    #[inline(always)]
                    |f| {
                        let wins = L::load(&x[g][f]).eq(largest);
                        finish(g, f, L::select(wins, left, L::zero()));
                        left = L::select(wins, L::zero(), left);
                    },
                );
            },
        );
    }
}

/// Which place of every window, counted in row-major order, holds the number that [`max`] finds. `finish` is given
/// group, window and the place.
#[inline(always)]
pub fn max_place<L: Lanes, const X: usize>(
    x: &[[Row<L::Elem>; X]],
    windows: Windows,
    mut finish: impl FnMut(usize, usize, L),
) {
    for (g, x) in x.iter().enumerate() {
        windows.each(
            #[inline(always)]
            |channel, row, column| {
                let (mut largest, mut place) = (None, L::zero());
                let mut n = 0u32;
                windows.places(
                    (channel, row, column),
                    #[inline(always)]
                    |f| {
                        let value = L::load(&x[f]);
                        largest = Some(match largest {
                            Some(largest) => {
                                let wins = is_larger(value, largest);
                                place = L::select(wins, L::splat(L::Elem::from_f64(f64::from(n))), place);
                                L::select(wins, value, largest)
                            }
                            None => value,
                        });
                        n += 1;
                    },
                );
                finish(g, windows.number(channel, row, column), place);
            },
        );
    }
}

/// The gradient by x of [`max`], whatever windows share, from the places of [`max_place`]. Windows that take a feature
/// are added in row-major order. `finish` is given group, feature and the gradient.
#[inline(always)]
pub fn max_gradient_at<L: Lanes, const Y: usize>(
    place: &[[Row<L::Elem>; Y]],
    d_y: &[[Row<L::Elem>; Y]],
    windows: Windows,
    mut finish: impl FnMut(usize, usize, L),
) {
    assert!(place.len() == d_y.len());
    for (g, (place, d_y)) in place.iter().zip(d_y).enumerate() {
        windows.features(
            #[inline(always)]
            |f, channel, h, w| {
                let mut sum = L::zero();
                for row in windows.height.covering(h) {
                    let rows = windows.height.window(row);
                    for column in windows.width.covering(w) {
                        let columns = windows.width.window(column);
                        let n = (h - rows.start) * columns.len() + (w - columns.start);
                        let o = windows.number(channel, row, column);
                        let here = L::load(&place[o]).eq(L::splat(L::Elem::from_f64(n as f64)));
                        sum = sum + L::select(here, L::load(&d_y[o]), L::zero());
                    }
                }
                finish(g, f, sum);
            },
        );
    }
}

/// One over how many numbers a window is the mean of: `count`, or as many as it has.
#[inline(always)]
fn share<E: Element>(windows: Windows, count: Option<usize>, row: usize, column: usize) -> E {
    let own = || windows.height.window(row).len() * windows.width.window(column).len();
    E::from_f64(1.0 / count.unwrap_or_else(own) as f64)
}

/// The sum of every window, over `count` or, without that, over how many numbers it has. `finish` is given group, window
/// and the mean.
#[inline(always)]
pub fn mean<L: Lanes, const X: usize>(
    x: &[[Row<L::Elem>; X]],
    windows: Windows,
    count: Option<usize>,
    mut finish: impl FnMut(usize, usize, L),
) {
    for (g, x) in x.iter().enumerate() {
        windows.each(
            #[inline(always)]
            |channel, row, column| {
                let mut sum = L::zero();
                windows.places(
                    (channel, row, column),
                    #[inline(always)]
                    |f| sum = sum + L::load(&x[f]),
                );
                let share = L::splat(share(windows, count, row, column));
                finish(g, windows.number(channel, row, column), sum * share);
            },
        );
    }
}

/// The gradient by x of [`mean`]. Windows that take a feature are added in row-major order. `finish` is given group,
/// feature and the gradient.
#[inline(always)]
pub fn mean_gradient<L: Lanes, const Y: usize>(
    d_y: &[[Row<L::Elem>; Y]],
    windows: Windows,
    count: Option<usize>,
    mut finish: impl FnMut(usize, usize, L),
) {
    if windows.height.is_apart() && windows.width.is_apart() {
        return mean_gradient_apart::<L, Y>(d_y, windows, count, finish);
    }
    for (g, d_y) in d_y.iter().enumerate() {
        windows.features(
            #[inline(always)]
            |f, channel, h, w| {
                let mut sum = L::zero();
                for row in windows.height.covering(h) {
                    for column in windows.width.covering(w) {
                        let d = L::load(&d_y[windows.number(channel, row, column)]);
                        sum = d.mul_add(L::splat(share(windows, count, row, column)), sum);
                    }
                }
                finish(g, f, sum);
            },
        );
    }
}

/// [`mean_gradient`] for windows that share no place: one after the other, with the same bits.
#[inline(always)]
fn mean_gradient_apart<L: Lanes, const Y: usize>(
    d_y: &[[Row<L::Elem>; Y]],
    windows: Windows,
    count: Option<usize>,
    mut finish: impl FnMut(usize, usize, L),
) {
    for (g, d_y) in d_y.iter().enumerate() {
        windows.uncovered(
            #[inline(always)]
            |f| finish(g, f, L::zero()),
        );
        windows.each(
            #[inline(always)]
            |channel, row, column| {
                let d = L::load(&d_y[windows.number(channel, row, column)]);
                let d = d * L::splat(share(windows, count, row, column));
                windows.places(
                    (channel, row, column),
                    #[inline(always)]
                    |f| finish(g, f, d),
                );
            },
        );
    }
}

/// Joins the places of every window of one sample, in row-major order.
#[inline(always)]
fn join_one<E: Element>(
    x: &[E],
    windows: Windows,
    y: &mut [E],
    start: impl Fn(E) -> E,
    join: impl Fn(E, E) -> E,
) {
    let (
        Axis::Strided { kernel: rows, stride: down, padding: 0, .. },
        Axis::Strided { kernel: columns, stride: along, padding: 0, windows: width, size },
    ) = (windows.height, windows.width)
    else {
        windows.each(|channel, row, column| {
            let mut joined = None;
            windows.places((channel, row, column), |f| {
                joined = Some(joined.map_or_else(|| start(x[f]), |joined| join(joined, x[f])));
            });
            y[windows.number(channel, row, column)] = joined.unwrap_or(E::ZERO);
        });
        return;
    };
    // All windows of a row at once, place by place: loops that become vectors.
    for channel in 0..windows.channels {
        for row in 0..windows.height.windows() {
            let y = &mut y[windows.number(channel, row, 0)..][..width];
            for ky in 0..rows {
                for kx in 0..columns {
                    let from = windows.plane(channel) + (row * down + ky) * size + kx;
                    let x = &x[from..=from + (width - 1) * along];
                    for (column, y) in y.iter_mut().enumerate() {
                        let value = x[column * along];
                        *y = if ky == 0 && kx == 0 { start(value) } else { join(*y, value) };
                    }
                }
            }
        }
    }
}

/// [`max`] of one sample in rows of sixteen features.
#[inline(always)]
pub fn max_one<E: Element>(x: &[Row<E>], windows: Windows, y: &mut [Row<E>]) {
    // As in `max`: a later NaN takes the place of the largest, and nothing that comes after one.
    let largest = |largest, value: E| if value > largest || is_nan(value) { value } else { largest };
    join_one(x.as_flattened(), windows, y.as_flattened_mut(), |value| value, largest);
}

#[inline(always)]
#[allow(clippy::eq_op)]
fn is_nan<E: Element>(value: E) -> bool {
    value != value
}

/// [`mean`] of one sample in rows of sixteen features, with the same bits.
#[inline(always)]
pub fn mean_one<E: Element>(x: &[Row<E>], windows: Windows, count: Option<usize>, y: &mut [Row<E>]) {
    // A sum or product of two f32 in f64, rounded, is that of f32.
    let sum = |sum: E, value: E| E::from_f64(sum.to_f64() + value.to_f64());
    join_one(x.as_flattened(), windows, y.as_flattened_mut(), |value| sum(E::ZERO, value), sum);
    windows.each(|channel, row, column| {
        let share: E = share(windows, count, row, column);
        let y = &mut y.as_flattened_mut()[windows.number(channel, row, column)];
        *y = E::from_f64(y.to_f64() * share.to_f64());
    });
}
