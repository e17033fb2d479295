//! The forward product.
#![allow(unsafe_code, clippy::needless_range_loop)]

use super::{Walk, Window, inside, moved_back};
use crate::kernels::pool::larger;
use crate::lanes::{LANES, Lanes, Row};

/// y = W * x + b, the cross-correlation that networks call convolution. `finish` is given group, place in y and sixteen
/// samples; some places more than once, with the same samples.
///
/// `R` channels and `C` places are a tile. With `groups > 1`, `R` must divide both sixteen and the outputs of a part.
#[inline(always)]
pub fn forward<L: Lanes, const X: usize, const K: usize, const P: usize, const R: usize, const C: usize>(
    window: &Window,
    x: &[[Row<L::Elem>; X]],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    finish: impl FnMut(usize, usize, L),
) {
    assert!(window.fits(X, K, P));
    if L::IS_WIDE {
        forward_tiles::<L, X, K, P, R, C>(window, x, weight, bias, finish);
    } else if R == 1 {
        forward_tiles::<L, X, K, P, 1, 4>(window, x, weight, bias, finish);
    } else {
        forward_tiles::<L, X, K, P, 2, 2>(window, x, weight, bias, finish);
    }
}

#[inline(always)]
fn forward_tiles<L: Lanes, const X: usize, const K: usize, const P: usize, const R: usize, const C: usize>(
    window: &Window,
    x: &[[Row<L::Elem>; X]],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    mut finish: impl FnMut(usize, usize, L),
) {
    const { assert!(0 < R && R <= LANES) };
    let [_, height, width] = window.output;
    for (g, x) in x.iter().enumerate() {
        for p in 0..P {
            let outputs = LANES.min(window.output[0] - p * LANES);
            let mut o = 0;
            while o < outputs {
                let tile = Channels::<L, R, C>::new(window, x, bias.map(<[_; P]>::as_slice), p, o);
                for row in 0..height {
                    let mut column = 0;
                    while column < width {
                        let at = moved_back(column, C, width);
                        let sums = tile.sums(window, &weight[p], row, at);
                        for r in 0..R {
                            for c in 0..C {
                                if tile.first + r < outputs && at + c < width {
                                    let channel = p * LANES + tile.first + r;
                                    finish(g, (channel * height + row) * width + at + c, sums[r][c]);
                                }
                            }
                        }
                        column += C;
                    }
                }
                o += R;
            }
        }
    }
}

/// [`forward`], and of each two times two places of y the largest number, as [`max`](crate::kernels::pool::max) has it.
/// `value` is given group, place in y and sixteen samples, and says what they become before; `finish` group, window and the
/// largest.
///
/// # Panics
/// If height or width of y, or `C`, is odd.
#[inline(always)]
pub fn forward_halved<
    L: Lanes,
    const X: usize,
    const K: usize,
    const P: usize,
    const R: usize,
    const C: usize,
>(
    window: &Window,
    x: &[[Row<L::Elem>; X]],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    value: impl FnMut(usize, usize, L) -> L,
    finish: impl FnMut(usize, usize, L),
) {
    assert!(window.fits(X, K, P));
    if L::IS_WIDE {
        halved_tiles::<L, X, K, P, R, C>(window, x, weight, bias, value, finish);
    } else if R == 1 {
        halved_tiles::<L, X, K, P, 1, 4>(window, x, weight, bias, value, finish);
    } else {
        halved_tiles::<L, X, K, P, 2, 2>(window, x, weight, bias, value, finish);
    }
}

#[inline(always)]
fn halved_tiles<L: Lanes, const X: usize, const K: usize, const P: usize, const R: usize, const C: usize>(
    window: &Window,
    x: &[[Row<L::Elem>; X]],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    mut value: impl FnMut(usize, usize, L) -> L,
    mut finish: impl FnMut(usize, usize, L),
) {
    const { assert!(0 < R && R <= LANES) };
    let [_, height, width] = window.output;
    assert!([height, width, C].iter().all(|n| n.is_multiple_of(2)));
    let (rows, columns) = (height / 2, width / 2);
    for (g, x) in x.iter().enumerate() {
        for p in 0..P {
            let outputs = LANES.min(window.output[0] - p * LANES);
            let mut o = 0;
            while o < outputs {
                let tile = Channels::<L, R, C>::new(window, x, bias.map(<[_; P]>::as_slice), p, o);
                for row in 0..rows {
                    let mut column = 0;
                    while column < columns {
                        let at = moved_back(column, C / 2, columns);
                        let mut largest = [[L::zero(); C]; R];
                        for k in 0..2 {
                            let sums = tile.sums(window, &weight[p], 2 * row + k, 2 * at);
                            for r in 0..R {
                                for c in 0..C {
                                    let channel = p * LANES + tile.first + r;
                                    if tile.first + r < outputs && at + c / 2 < columns {
                                        let place = (channel * height + 2 * row + k) * width + 2 * at + c;
                                        let z = value(g, place, sums[r][c]);
                                        let before = largest[r][c / 2];
                                        largest[r][c / 2] =
                                            if k + c % 2 == 0 { z } else { larger(z, before) };
                                    }
                                }
                            }
                        }
                        for r in 0..R {
                            for c in 0..C / 2 {
                                if tile.first + r < outputs && at + c < columns {
                                    let channel = p * LANES + tile.first + r;
                                    finish(g, (channel * rows + row) * columns + at + c, largest[r][c]);
                                }
                            }
                        }
                        column += C / 2;
                    }
                }
                o += R;
            }
        }
    }
}

/// The channels of a tile of y.
struct Channels<'a, L: Lanes, const R: usize, const C: usize> {
    /// The lane of the first, in its panel.
    first: usize,
    /// The channels of x that they see.
    x: &'a [Row<L::Elem>],
    /// What the sums begin with.
    start: [[L; C]; R],
}

impl<'a, L: Lanes, const R: usize, const C: usize> Channels<'a, L, R, C> {
    /// `R` channels from output `o` of a panel on; the last are moved back.
    #[inline(always)]
    fn new(
        window: &Window,
        x: &'a [Row<L::Elem>],
        bias: Option<&[Row<L::Elem>]>,
        p: usize,
        o: usize,
    ) -> Self {
        let first = moved_back(o, R, LANES);
        let part = (p * LANES + first) / window.outputs();
        let start = core::array::from_fn(
            #[inline(always)]
            |r| match bias {
                Some(bias) => [L::splat(bias[p][first + r]); C],
                None => [L::zero(); C],
            },
        );
        Self { first, x: &x[part * window.channels() * window.places()..], start }
    }

    /// The sums at `C` places from column `column` of `row` on.
    #[inline(always)]
    fn sums(&self, window: &Window, weight: &[Row<L::Elem>], row: usize, column: usize) -> [[L; C]; R] {
        let mut sums = self.start;
        let [_, _, width] = window.input;
        let (stride, taps) = (window.stride[1], window.taps());
        let left = (column * stride) as isize - window.padding[1] as isize;
        let right = left + ((C - 1) * stride + (window.kernel[1] - 1) * window.dilation[1]) as isize;
        let is_inner = left >= 0 && right < width as isize;
        for ky in window.kernel_rows(row) {
            let y = row * window.stride[0] + ky * window.dilation[0] - window.padding[0];
            for kx in 0..window.kernel[1] {
                let first = left + (kx * window.dilation[1]) as isize;
                let walk = Walk {
                    x: self.x.as_ptr().wrapping_offset((y * width) as isize + first),
                    across: stride,
                    x_step: window.places(),
                    weight: weight
                        .as_ptr()
                        .cast::<L::Elem>()
                        .wrapping_add((ky * window.kernel[1] + kx) * LANES + self.first),
                    channel: 1,
                    weight_step: taps * LANES,
                    len: window.channels(),
                };
                // SAFETY: `fits` holds for window and arrays; y is a row of the image, the places that count are columns
                // of it, and `channels()` channels begin at `x`. Weights: lane `first + r < 16` of a row of the panel.
                unsafe {
                    if is_inner {
                        walk.add(&mut sums, 0..C);
                    } else {
                        walk.add(&mut sums, inside(first, stride, width, C));
                    }
                }
            }
        }
        sums
    }
}
