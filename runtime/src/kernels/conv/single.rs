//! One sample, with lanes over channels or over places.
#![allow(unsafe_code, clippy::needless_range_loop)]

use super::{Window, seen_by};
use crate::element::Element;
use crate::lanes::{LANES, Lanes, Row};

/// One sample with zeros around it, as [`Window::padded`] has it: what [`single`] reads when there is padding. `padded`
/// holds zeros before.
#[inline(always)]
pub fn pad<E: Element>(window: &Window, x: &[Row<E>], padded: &mut [Row<E>]) {
    let [channels, height, width] = window.input;
    let [_, padded_height, padded_width] = window.padded().input;
    let (x, padded) = (x.as_flattened(), padded.as_flattened_mut());
    for channel in 0..channels {
        for row in 0..height {
            let from = (channel * height + row) * width;
            let to = (channel * padded_height + row + window.padding[0]) * padded_width + window.padding[1];
            padded[to..to + width].copy_from_slice(&x[from..from + width]);
        }
    }
}

/// y = W * x + b for one sample that has its padding already: `[C, H, W]` numbers, one after the other. Every number of
/// y is written to `y`.
#[inline(always)]
pub fn single<L: Lanes, const K: usize, const P: usize>(
    window: &Window,
    x: &[Row<L::Elem>],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    y: &mut [Row<L::Elem>],
) {
    assert!(window.padding == [0, 0] && window.fits(window.input.iter().product(), K, P));
    let reach = |axis: usize| {
        (window.output[axis + 1] - 1) * window.stride[axis]
            + (window.kernel[axis] - 1) * window.dilation[axis]
            < window.input[axis + 1]
    };
    let (x, y) = (x.as_flattened(), y.as_flattened_mut());
    assert!(reach(0) && reach(1) && window.input.iter().product::<usize>() <= x.len());
    if window.groups == 1 {
        single_outputs::<L, K, P>(window, x, weight, bias, y);
    } else {
        single_places::<L, K, P>(window, x, weight, bias, y);
    }
}

/// Lanes over output channels, sixteen places at a time.
#[inline(always)]
fn single_outputs<L: Lanes, const K: usize, const P: usize>(
    window: &Window,
    x: &[L::Elem],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    y: &mut [L::Elem],
) {
    let places = window.output_places();
    let [_, _, width] = window.input;
    for p in 0..P {
        let outputs = LANES.min(window.output[0] - p * LANES);
        let start = bias.map_or(L::zero(), |bias| L::load(&bias[p]));
        let mut place = 0;
        while place < places {
            // Behind the last place the last is repeated.
            let corner: [usize; LANES] = core::array::from_fn(|c| {
                let at = (place + c).min(places - 1);
                let (row, column) = (at / window.output[2], at % window.output[2]);
                row * window.stride[0] * width + column * window.stride[1]
            });
            let mut sums = [start; LANES];
            for ky in 0..window.kernel[0] {
                for kx in 0..window.kernel[1] {
                    let shift = ky * window.dilation[0] * width + kx * window.dilation[1];
                    for channel in 0..window.input[0] {
                        let row = &weight[p][channel * window.taps() + ky * window.kernel[1] + kx];
                        let lanes = L::load(row);
                        let from = channel * window.places() + shift;
                        for c in 0..LANES {
                            // SAFETY: `single` asserts that every place reaches no further than the image.
                            let value = unsafe { *x.get_unchecked(from + corner[c]) };
                            sums[c] = sums[c].add_mul(value, lanes);
                        }
                    }
                }
            }
            L::transpose(&mut sums);
            let len = LANES.min(places - place);
            for o in 0..outputs {
                let mut row = [L::Elem::ZERO; LANES];
                sums[o].store(&mut row);
                y[(p * LANES + o) * places + place..][..len].copy_from_slice(&row[..len]);
            }
            place += LANES;
        }
    }
}

/// Lanes over sixteen places of a row: for parts with few channels each.
#[inline(always)]
fn single_places<L: Lanes, const K: usize, const P: usize>(
    window: &Window,
    x: &[L::Elem],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    y: &mut [L::Elem],
) {
    let [outputs, height, width] = window.output;
    for output in 0..outputs {
        let (p, lane) = (output / LANES, output % LANES);
        let first = output / window.outputs() * window.channels();
        for row in 0..height {
            let mut column = 0;
            while column < width {
                let len = LANES.min(width - column);
                let mut sum = bias.map_or(L::zero(), |bias| L::splat(bias[p][lane]));
                for ky in 0..window.kernel[0] {
                    for kx in 0..window.kernel[1] {
                        for channel in 0..window.channels() {
                            let tap = channel * window.taps() + ky * window.kernel[1] + kx;
                            let from = (first + channel) * window.places()
                                + (row * window.stride[0] + ky * window.dilation[0]) * window.input[2]
                                + kx * window.dilation[1];
                            let values = core::array::from_fn(|c| {
                                let at = (column + c).min(width - 1);
                                x[from + at * window.stride[1]]
                            });
                            sum = sum.add_mul(weight[p][tap][lane], L::load(&values));
                        }
                    }
                }
                let mut values = [L::Elem::ZERO; LANES];
                sum.store(&mut values);
                y[(output * height + row) * width + column..][..len].copy_from_slice(&values[..len]);
                column += LANES;
            }
        }
    }
}

/// A transposed convolution of one sample: every number of x is written to `x`.
#[inline(always)]
pub fn single_back<L: Lanes, const K: usize, const P: usize>(
    window: &Window,
    y: &[Row<L::Elem>],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>]>,
    x: &mut [Row<L::Elem>],
) {
    let (y, x) = (y.as_flattened(), x.as_flattened_mut());
    let [_, height, width] = window.input;
    let outputs = window.outputs();
    for of in 0..window.input[0] {
        let (part, channel) = (of / window.channels(), of % window.channels());
        let start = bias.map_or(L::Elem::ZERO, |bias| bias[of / LANES][of % LANES]);
        for row in 0..height {
            for column in 0..width {
                // Lanes over the channels of y, summed at the end.
                let mut sum = L::zero();
                for ky in 0..window.kernel[0] {
                    let at = row + window.padding[0];
                    let Some(from_row) = seen_by(at, ky * window.dilation[0], window.stride[0]) else {
                        continue;
                    };
                    if from_row < 0 || from_row >= window.output[1] as isize {
                        continue;
                    }
                    for kx in 0..window.kernel[1] {
                        let at = column + window.padding[1];
                        let seen = seen_by(at, kx * window.dilation[1], window.stride[1]);
                        let Some(from_column) = seen else { continue };
                        if from_column < 0 || from_column >= window.output[2] as isize {
                            continue;
                        }
                        let place = from_row as usize * window.output[2] + from_column as usize;
                        let tap = channel * window.taps() + ky * window.kernel[1] + kx;
                        let range = part * outputs..(part + 1) * outputs;
                        for p in range.start / LANES..range.end.div_ceil(LANES) {
                            let values = core::array::from_fn(|lane| {
                                let output = p * LANES + lane;
                                if range.contains(&output) {
                                    y[output * window.output_places() + place]
                                } else {
                                    L::Elem::ZERO
                                }
                            });
                            sum = L::load(&values).mul_add(L::load(&weight[p][tap]), sum);
                        }
                    }
                }
                let mut whole = [L::Elem::ZERO; LANES];
                (L::splat(start) + L::splat(sum.sum())).store(&mut whole);
                x[(of * height + row) * width + column] = whole[0];
            }
        }
    }
}
