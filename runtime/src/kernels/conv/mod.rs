//! Convolutions, and what their gradients are made of.
//!
//! | | shape | |
//! |---|---|---|
//! | x, d_x | `[groups][C * H * W]` rows | group of sixteen samples, place in the image; lanes are samples |
//! | y, d_y | `[groups][O * OH * OW]` rows | as x |
//! | weight | `[P][K]` rows | panel of sixteen output channels, `K = C / groups * KH * KW`; lanes are channels |
//! | bias | `[P]` rows | lanes are output channels |
//!
//! Every sum, but for those of [`winograd()`], runs over the rows of the kernel, then its columns, then channels. What lies in the padding left or right of
//! the image counts as 0, rows above and below it are left out. A tile holds several channels and several neighbouring
//! places of one row of the image; its last one is moved back so that it ends with the row, and computes some places
//! twice, to the same bits.

// The innermost loops read rows and weights by pointer: their bounds follow from the sizes of the window, which are
// compared with the arrays once, and a check for each of them would cost as much as the product.
#![allow(unsafe_code)]
// Several arrays are indexed with one counter; iterators over them would hide the tile.
#![allow(clippy::needless_range_loop)]

mod back;
mod forward;
mod single;
mod weight;
mod winograd;

use core::ops::Range;

use crate::element::Element;
use crate::lanes::{LANES, Lanes, Row};

pub use back::input_gradient;
pub use forward::{forward, forward_halved};
pub use single::{pad, single, single_back};
pub use weight::weight_gradient;
pub use winograd::{winograd, winograd_back, winograd_halved};

/// Sizes of a convolution. Pairs are rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Channels, height and width of x.
    pub input: [usize; 3],
    /// Channels, height and width of y.
    pub output: [usize; 3],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Steps from one place of y to the next, in places of x.
    pub stride: [usize; 2],
    /// Places before the first row and column of x.
    pub padding: [usize; 2],
    /// Steps from one element of the kernel to the next, in places of x.
    pub dilation: [usize; 2],
    /// Parts that the channels are divided into; each part of y sees its part of x.
    pub groups: usize,
}

impl Window {
    /// Channels of x that an output channel sees.
    #[inline(always)]
    fn channels(&self) -> usize {
        self.input[0] / self.groups
    }

    /// Output channels of a part.
    #[inline(always)]
    fn outputs(&self) -> usize {
        self.output[0] / self.groups
    }

    /// Elements of the kernel for one channel.
    #[inline(always)]
    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Places of a channel of x.
    #[inline(always)]
    fn places(&self) -> usize {
        self.input[1] * self.input[2]
    }

    /// Places of a channel of y.
    #[inline(always)]
    fn output_places(&self) -> usize {
        self.output[1] * self.output[2]
    }

    /// The part of `0..output` whose places, seen through element `k` of the kernel, are on the image.
    #[inline(always)]
    fn seen(&self, axis: usize, k: usize) -> Range<usize> {
        let (stride, size, shift) = (self.stride[axis], self.input[axis + 1], k * self.dilation[axis]);
        let from = self.padding[axis].saturating_sub(shift).div_ceil(stride);
        let to = (size + self.padding[axis]).saturating_sub(shift).div_ceil(stride);
        from..to.min(self.output[axis + 1]).max(from)
    }

    /// Rows of the kernel that are on the image for row `y` of the output.
    #[inline(always)]
    fn kernel_rows(&self, y: usize) -> Range<usize> {
        let (top, dilation) = (y * self.stride[0], self.dilation[0]);
        let from = self.padding[0].saturating_sub(top).div_ceil(dilation);
        let to = (self.input[1] + self.padding[0]).saturating_sub(top).div_ceil(dilation);
        from..to.min(self.kernel[0]).max(from)
    }

    /// The sizes for an image that has its padding already, and what the kernel needs behind its last row and column.
    #[inline(always)]
    pub fn padded(&self) -> Self {
        let along = |axis: usize| {
            let reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1;
            let needed = (self.output[axis + 1] - 1) * self.stride[axis] + reach;
            needed.max(self.input[axis + 1] + self.padding[axis])
        };
        Self { input: [self.input[0], along(0), along(1)], padding: [0, 0], ..*self }
    }

    /// Whether the sizes belong to arrays of these lengths: what the kernels rely on.
    #[inline(always)]
    fn fits(&self, x: usize, weight: usize, panels: usize) -> bool {
        product(&self.input) == Some(x)
            && product(&[self.channels(), self.kernel[0], self.kernel[1]]) == Some(weight)
            && self.output[0].div_ceil(LANES) == panels
            && product(&self.output).is_some()
            && self.channels() * self.groups == self.input[0]
            && self.outputs() * self.groups == self.output[0]
            && self.is_countable()
    }

    /// Whether no place of an image with its padding is beyond what can be counted.
    #[inline(always)]
    fn is_countable(&self) -> bool {
        let ends = |axis: usize| self.last(axis)?.checked_add(self.padding[axis]);
        ends(0).is_some() && ends(1).is_some()
    }

    /// The last place of an image with its padding that the kernel sees along an axis; `None` beyond what can be counted.
    #[inline(always)]
    fn last(&self, axis: usize) -> Option<usize> {
        let first = self.output[axis + 1].saturating_sub(1).checked_mul(self.stride[axis])?;
        first.checked_add(self.kernel[axis].saturating_sub(1).checked_mul(self.dilation[axis])?)
    }
}

/// The product of sizes; `None` where it cannot be counted.
#[inline(always)]
fn product(sizes: &[usize]) -> Option<usize> {
    sizes.iter().try_fold(1_usize, |product, &size| product.checked_mul(size))
}

/// One step of a sum for each place of a tile: where its operands lie.
#[derive(Clone, Copy)]
struct Walk<E> {
    /// The row of the first place, and the rows from one place to the next.
    x: *const Row<E>,
    across: usize,
    /// Rows from one term of the sum to the next.
    x_step: usize,
    /// The weight of the first channel, and the numbers from one channel to the next.
    weight: *const E,
    channel: usize,
    /// Numbers from one term of the sum to the next.
    weight_step: usize,
    /// Terms.
    len: usize,
}

impl<E: Element> Walk<E> {
    /// Adds all terms to a tile; places outside `places` have the value 0.
    ///
    /// # Safety
    /// All rows of places within `places`, and all weights, must be there.
    #[inline(always)]
    unsafe fn add<L: Lanes<Elem = E>, const R: usize, const C: usize>(
        self,
        sums: &mut [[L; C]; R],
        places: Range<usize>,
    ) {
        let is_whole = places.start == 0 && places.end == C;
        for k in 0..self.len {
            // SAFETY: the caller says that rows and weights of these places are there.
            let lanes: [L; C] = core::array::from_fn(|c| {
                if is_whole || places.contains(&c) {
                    L::load(unsafe { &*self.x.add(k * self.x_step + c * self.across) })
                } else {
                    L::zero()
                }
            });
            for r in 0..R {
                // SAFETY: as above.
                let factor = unsafe { *self.weight.add(k * self.weight_step + r * self.channel) };
                for c in 0..C {
                    sums[r][c] = sums[r][c].add_mul(factor, lanes[c]);
                }
            }
        }
    }
}

/// The places `c` of `0..C` for which `first + c * step` is in `0..size`.
#[inline(always)]
fn inside(first: isize, step: usize, size: usize, n: usize) -> Range<usize> {
    let from = if first < 0 { first.unsigned_abs().div_ceil(step) } else { 0 };
    let to = if first >= size as isize { 0 } else { ((size as isize - first) as usize).div_ceil(step) };
    from.min(n)..to.min(n)
}

/// The tile that begins at or before `start` and, if it can, ends within `len`.
#[inline(always)]
fn moved_back(start: usize, tile: usize, len: usize) -> usize {
    if start + tile > len { len.saturating_sub(tile) } else { start }
}

/// The place of y that sees place `at` (counted with the padding) through an element `shift` places into the kernel, if
/// there is one; it may lie outside of y.
#[inline(always)]
fn seen_by(at: usize, shift: usize, stride: usize) -> Option<isize> {
    let distance = at as isize - shift as isize;
    (distance.rem_euclid(stride as isize) == 0).then(|| distance.div_euclid(stride as isize))
}
