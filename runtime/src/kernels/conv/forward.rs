//! The forward product.
#![allow(unsafe_code, clippy::needless_range_loop)]

use super::{Walk, Window, inside, moved_back};
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
    let [_, height, width] = window.output;
    for (g, x) in x.iter().enumerate() {
        for p in 0..P {
            let outputs = LANES.min(window.output[0] - p * LANES);
            let mut o = 0;
            while o < outputs {
                let tile_o = moved_back(o, R, LANES);
                let part = (p * LANES + tile_o) / window.outputs();
                let channels = &x[part * window.channels() * window.places()..];
                let start: [[L; C]; R] = core::array::from_fn(|r| match bias {
                    Some(bias) => [L::splat(bias[p][tile_o + r]); C],
                    None => [L::zero(); C],
                });
                for row in 0..height {
                    let mut column = 0;
                    while column < width {
                        let at = moved_back(column, C, width);
                        let sums = forward_tile(window, channels, &weight[p], tile_o, (row, at), start);
                        for r in 0..R {
                            for c in 0..C {
                                if tile_o + r < outputs && at + c < width {
                                    let channel = p * LANES + tile_o + r;
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

/// A tile of y: `R` channels from lane `o` of a panel on, `C` places from column `column` of `row` on.
#[inline(always)]
fn forward_tile<L: Lanes, const R: usize, const C: usize>(
    window: &Window,
    x: &[Row<L::Elem>],
    weight: &[Row<L::Elem>],
    o: usize,
    (row, column): (usize, usize),
    mut sums: [[L; C]; R],
) -> [[L; C]; R] {
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
                x: x.as_ptr().wrapping_offset((y * width) as isize + first),
                across: stride,
                x_step: window.places(),
                weight: weight
                    .as_ptr()
                    .cast::<L::Elem>()
                    .wrapping_add((ky * window.kernel[1] + kx) * LANES + o),
                channel: 1,
                weight_step: taps * LANES,
                len: window.channels(),
            };
            // SAFETY: `fits` holds for window and arrays; y is a row of the image, the places that count are columns
            // of it, and `channels()` channels begin at `x`. Weights: lane `o + r < 16` of a row of the panel.
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
