//! The product back: the gradient of the input, and a transposed convolution.
#![allow(unsafe_code, clippy::needless_range_loop)]

use super::{Walk, Window, inside, moved_back, product, seen_by};
use crate::lanes::{LANES, Lanes, Row};

/// d_x: what each place of x gets back from the places of y that saw it. Also the forward part of a transposed
/// convolution, with a bias for each channel of x. `finish` is given group, place in x and sixteen samples; some places
/// more than once, with the same samples.
///
/// `R` channels and `C` places are a tile; `R` is at most the channels of a part.
#[inline(always)]
pub fn input_gradient<
    L: Lanes,
    const Y: usize,
    const K: usize,
    const P: usize,
    const R: usize,
    const C: usize,
>(
    window: &Window,
    d_y: &[[Row<L::Elem>; Y]],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>]>,
    finish: impl FnMut(usize, usize, L),
) {
    assert!(product(&window.input).is_some_and(|x| window.fits(x, K, P)));
    assert!(product(&window.output) == Some(Y) && R <= window.channels());
    if L::IS_WIDE {
        back_tiles::<L, Y, K, P, R, C>(window, d_y, weight, bias, finish);
    } else if R == 1 {
        back_tiles::<L, Y, K, P, 1, 4>(window, d_y, weight, bias, finish);
    } else {
        back_tiles::<L, Y, K, P, 2, 2>(window, d_y, weight, bias, finish);
    }
}

#[inline(always)]
fn back_tiles<L: Lanes, const Y: usize, const K: usize, const P: usize, const R: usize, const C: usize>(
    window: &Window,
    d_y: &[[Row<L::Elem>; Y]],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>]>,
    mut finish: impl FnMut(usize, usize, L),
) {
    let [_, height, width] = window.input;
    let (channels, stride) = (window.channels(), window.stride[1]);
    for (g, d_y) in d_y.iter().enumerate() {
        for part in 0..window.groups {
            let mut channel = 0;
            while channel < channels {
                let first = moved_back(channel, R, channels);
                let start: [[L; C]; R] = core::array::from_fn(|r| {
                    let of = part * channels + first + r;
                    [bias.map_or(L::zero(), |bias| L::splat(bias[of / LANES][of % LANES])); C]
                });
                for row in 0..height {
                    // Places of one phase see the same columns of the kernel.
                    for phase in 0..stride.min(width) {
                        let steps = (width - phase).div_ceil(stride);
                        let mut step = 0;
                        while step < steps {
                            let at = moved_back(step, C, steps);
                            let column = phase + at * stride;
                            let place = (row, column, steps - at);
                            let sums = back_tile(window, d_y, weight, (part, first), place, start);
                            for r in 0..R {
                                for c in 0..C {
                                    if at + c < steps {
                                        let of = part * channels + first + r;
                                        let place = (of * height + row) * width + column + c * stride;
                                        finish(g, place, sums[r][c]);
                                    }
                                }
                            }
                            step += C;
                        }
                    }
                }
                channel += R;
            }
        }
    }
}

/// A tile of d_x: `R` channels of a part, `C` places of a row, `stride` columns apart, of which `left` are there.
#[inline(always)]
fn back_tile<L: Lanes, const K: usize, const P: usize, const R: usize, const C: usize>(
    window: &Window,
    d_y: &[Row<L::Elem>],
    weight: &[[Row<L::Elem>; K]; P],
    (part, channel): (usize, usize),
    (row, column, left): (usize, usize, usize),
    mut sums: [[L; C]; R],
) -> [[L; C]; R] {
    let [_, height, width] = window.output;
    let (taps, places) = (window.taps(), window.output_places());
    let outputs = part * window.outputs()..(part + 1) * window.outputs();
    for ky in 0..window.kernel[0] {
        let Some(y) = seen_by(row + window.padding[0], ky * window.dilation[0], window.stride[0]) else {
            continue;
        };
        if y < 0 || y >= height as isize {
            continue;
        }
        for kx in 0..window.kernel[1] {
            let seen = seen_by(column + window.padding[1], kx * window.dilation[1], window.stride[1]);
            let Some(x) = seen else { continue };
            let whole = x >= 0 && x + C as isize <= width as isize && C <= left;
            let range = inside(x, 1, width, C.min(left));
            let tap = ky * window.kernel[1] + kx;
            let mut output = outputs.start;
            while output < outputs.end {
                let (panel, lane) = (output / LANES, output % LANES);
                let len = (LANES - lane).min(outputs.end - output);
                let from = (output * places) as isize + y * width as isize + x;
                let walk = Walk {
                    x: d_y.as_ptr().wrapping_offset(from),
                    across: 1,
                    x_step: places,
                    weight: weight[panel][channel * taps + tap..]
                        .as_ptr()
                        .cast::<L::Elem>()
                        .wrapping_add(lane),
                    channel: taps * LANES,
                    weight_step: 1,
                    len,
                };
                // SAFETY: y is a row of the output and the places that count are columns of it, `len` channels follow
                // `output`; `channel + r` is a channel of the part, and `lane + k < 16`.
                unsafe {
                    if whole {
                        walk.add(&mut sums, 0..C);
                    } else {
                        walk.add(&mut sums, range.clone());
                    }
                }
                output += len;
            }
        }
    }
    sums
}
