//! Images with other sizes: every place of an axis is one of another, or lies between two.
//!
//! A value is `[channels, height, width]`, row-major, of rows over sixteen samples. [`Map`] says what the places of an
//! axis are made of; both are constants where emitted code calls, and fold away. Sums run over rows, then columns.

use core::ops::Range;

use crate::element::Element;
use crate::lanes::{Lanes, Row};

/// What the places of one axis are made of.
#[derive(Debug, Clone, Copy)]
pub enum Map {
    /// Every place `scale` times.
    Nearest {
        /// Places that there are.
        size: usize,
        /// How often each comes.
        scale: usize,
    },
    /// On straight lines between the middles of places, `scale` times as many; outside of the outermost middles as
    /// there.
    Linear {
        /// Places that there are.
        size: usize,
        /// How many times as many are made.
        scale: usize,
    },
    /// More places, which go back from the edges without repeating them.
    Reflect {
        /// Places that there are.
        size: usize,
        /// Places before them, fewer than `size`.
        before: usize,
        /// Places behind them, fewer than `size`.
        after: usize,
    },
    /// More places, which repeat the edges.
    Replicate {
        /// Places that there are.
        size: usize,
        /// Places before them.
        before: usize,
        /// Places behind them.
        after: usize,
    },
}

impl Map {
    /// Places that there are.
    #[inline(always)]
    pub const fn size(self) -> usize {
        match self {
            Self::Nearest { size, .. }
            | Self::Linear { size, .. }
            | Self::Reflect { size, .. }
            | Self::Replicate { size, .. } => size,
        }
    }

    /// Places that are made.
    #[inline(always)]
    pub const fn places(self) -> usize {
        match self {
            Self::Nearest { size, scale } | Self::Linear { size, scale } => size * scale,
            Self::Reflect { size, before, after } | Self::Replicate { size, before, after } => {
                before + size + after
            }
        }
    }

    /// The place that `o` is, or the lower of the two that it lies between, and the share of the one behind it.
    #[inline(always)]
    fn tap(self, o: usize) -> (usize, f64) {
        match self {
            Self::Nearest { scale, .. } => (o / scale, 0.0),
            Self::Linear { size, scale } => {
                // (o + 1/2) / scale - 1/2 in halves of 1 / scale.
                let halves = (2 * o + 1).saturating_sub(scale);
                let (lower, rest) = (halves / (2 * scale), halves % (2 * scale));
                if lower + 1 < size { (lower, rest as f64 / (2 * scale) as f64) } else { (size - 1, 0.0) }
            }
            Self::Reflect { size, before, .. } => {
                if o < before {
                    (before - o, 0.0)
                } else if o < before + size {
                    (o - before, 0.0)
                } else {
                    (2 * (size - 1) + before - o, 0.0)
                }
            }
            Self::Replicate { size, before, .. } => (o.saturating_sub(before).min(size - 1), 0.0),
        }
    }

    /// The share of place `i` in `o`.
    #[inline(always)]
    fn share(self, o: usize, i: usize) -> f64 {
        let (lower, share) = self.tap(o);
        match self {
            _ if i == lower => 1.0 - share,
            Self::Linear { .. } if i == lower + 1 => share,
            _ => 0.0,
        }
    }

    /// Where the places lie that `i` may have a share in.
    #[inline(always)]
    fn shown(self, i: usize) -> [Range<usize>; 3] {
        match self {
            Self::Nearest { scale, .. } => [i * scale..(i + 1) * scale, 0..0, 0..0],
            Self::Linear { size, scale } => {
                // Less than one place away from the middle of `i`.
                let start = if i == 0 { 0 } else { (i - 1) * scale + scale.div_ceil(2) };
                let end = if i + 1 == size { size * scale } else { (i + 1) * scale + scale / 2 };
                [start..end, 0..0, 0..0]
            }
            Self::Reflect { size, before, after } => {
                let behind = size - 1 - i;
                let left = if i > 0 && i <= before { before - i..before - i + 1 } else { 0..0 };
                let end = before + size - 1 + behind;
                let right = if behind > 0 && behind <= after { end..end + 1 } else { 0..0 };
                [left, before + i..before + i + 1, right]
            }
            Self::Replicate { size, before, after } => {
                let start = if i == 0 { 0 } else { before + i };
                let end = if i + 1 == size { before + size + after } else { before + i + 1 };
                [start..end, 0..0, 0..0]
            }
        }
    }

    #[inline(always)]
    const fn is_linear(self) -> bool {
        matches!(self, Self::Linear { .. })
    }
}

/// Maps of images.
#[derive(Debug, Clone, Copy)]
pub struct Maps {
    /// Images of a sample.
    pub channels: usize,
    /// Rows.
    pub height: Map,
    /// Columns.
    pub width: Map,
}

impl Maps {
    /// Calls `f` with every feature of the result, and the taps of its row and column.
    #[inline(always)]
    fn each(self, mut f: impl FnMut(usize, usize, (usize, f64), (usize, f64))) {
        for channel in 0..self.channels {
            for row in 0..self.height.places() {
                let tap = self.height.tap(row);
                for column in 0..self.width.places() {
                    let o = (channel * self.height.places() + row) * self.width.places() + column;
                    f(o, channel * self.height.size(), tap, self.width.tap(column));
                }
            }
        }
    }

    /// The number at a place, or between up to four: rows first, then columns. `between` is given two numbers and the
    /// share of the second.
    #[inline(always)]
    fn value<V: Copy>(
        self,
        at: impl Fn(usize, usize) -> V,
        (row, below): (usize, f64),
        column: (usize, f64),
        between: impl Fn(V, V, f64) -> V,
    ) -> V {
        let upper = self.in_row(&at, row, column, &between);
        if self.height.is_linear() && below > 0.0 {
            between(upper, self.in_row(&at, row + 1, column, &between), below)
        } else {
            upper
        }
    }

    /// The number at a place of a row, or between two. (A closure for it would lose the instruction set.)
    #[inline(always)]
    fn in_row<V: Copy>(
        self,
        at: &impl Fn(usize, usize) -> V,
        row: usize,
        (column, right): (usize, f64),
        between: &impl Fn(V, V, f64) -> V,
    ) -> V {
        if self.width.is_linear() && right > 0.0 {
            between(at(row, column), at(row, column + 1), right)
        } else {
            at(row, column)
        }
    }
}

/// The result. `finish` is given group, feature and the number.
#[inline(always)]
pub fn forward<L: Lanes, const X: usize>(
    x: &[[Row<L::Elem>; X]],
    maps: Maps,
    mut finish: impl FnMut(usize, usize, L),
) {
    for (g, x) in x.iter().enumerate() {
        maps.each(
            #[inline(always)]
            |o, rows, row, column| {
                let z = maps.value(
                    #[inline(always)]
                    |h, w| L::load(&x[(rows + h) * maps.width.size() + w]),
                    row,
                    column,
                    #[inline(always)]
                    |a: L, b: L, share| {
                        let share = L::Elem::from_f64(share);
                        let rest = L::Elem::from_f64(1.0 - share.to_f64());
                        L::splat(share).mul_add(b, L::splat(rest) * a)
                    },
                );
                finish(g, o, z);
            },
        );
    }
}

/// The gradient by x. `finish` is given group, feature and the gradient.
#[inline(always)]
pub fn gradient<L: Lanes, const Y: usize>(
    d_y: &[[Row<L::Elem>; Y]],
    maps: Maps,
    mut finish: impl FnMut(usize, usize, L),
) {
    let (height, width) = (maps.height, maps.width);
    for (g, d_y) in d_y.iter().enumerate() {
        for channel in 0..maps.channels {
            for h in 0..height.size() {
                for w in 0..width.size() {
                    let mut sum = L::zero();
                    for row in height.shown(h).into_iter().flatten() {
                        let of_row = height.share(row, h);
                        for column in width.shown(w).into_iter().flatten() {
                            let share = L::splat(L::Elem::from_f64(of_row * width.share(column, w)));
                            let o = (channel * height.places() + row) * width.places() + column;
                            sum = L::load(&d_y[o]).mul_add(share, sum);
                        }
                    }
                    finish(g, (channel * height.size() + h) * width.size() + w, sum);
                }
            }
        }
    }
}

/// [`forward`] of one sample in rows of sixteen features.
#[inline(always)]
pub fn one<E: Element>(x: &[Row<E>], maps: Maps, y: &mut [Row<E>]) {
    let (x, y) = (x.as_flattened(), y.as_flattened_mut());
    maps.each(|o, rows, row, column| {
        let at = |h: usize, w: usize| x[(rows + h) * maps.width.size() + w].to_f64();
        let between = |a: f64, b: f64, share: f64| a + (b - a) * share;
        y[o] = E::from_f64(maps.value(at, row, column, between));
    });
}
