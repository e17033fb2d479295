//! One sample, with lanes over channels or over places.
#![allow(unsafe_code, clippy::needless_range_loop)]

use core::ops::Range;

use super::{Window, product, seen_by};
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
/// the channels `of` is written to `y`, which begins with the first of them. They begin and end with whole eights where
/// lanes are over places, and begin with a panel where lanes are over channels.
#[inline(always)]
pub fn single<L: Lanes, const K: usize, const P: usize>(
    window: &Window,
    x: &[Row<L::Elem>],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    of: Range<usize>,
    y: &mut [Row<L::Elem>],
) {
    assert!(
        of.end <= window.output[0]
            && window.padding == [0, 0]
            && product(&window.input)
                .is_some_and(|len| window.fits(len, K, P) && len <= x.as_flattened().len())
    );
    let reach = |axis: usize| window.last(axis).is_some_and(|last| last < window.input[axis + 1]);
    let (x, y) = (x.as_flattened(), y.as_flattened_mut());
    assert!(reach(0) && reach(1));
    if window.groups == 1 && rows_fit(window, P) {
        // Sums that a tile keeps have to fit the registers, beside two rows and a weight.
        let (at_once, is_whole) = (outputs_at_once(window.output[0]), window.output[0].is_multiple_of(8));
        assert!(!is_whole || of.start.is_multiple_of(8) && of.end.is_multiple_of(8));
        match (L::IS_WIDE, at_once) {
            (true, 8) if is_whole => single_rows::<L, K, P, 8, 2, true>(window, x, weight, bias, of, y),
            (true, 8) => single_rows::<L, K, P, 8, 2, false>(window, x, weight, bias, of, y),
            (true, 6) => single_rows::<L, K, P, 6, 2, false>(window, x, weight, bias, of, y),
            (true, _) => single_rows::<L, K, P, 4, 2, false>(window, x, weight, bias, of, y),
            (false, 6) => single_rows::<L, K, P, 6, 1, false>(window, x, weight, bias, of, y),
            (false, _) if is_whole => single_rows::<L, K, P, 4, 1, true>(window, x, weight, bias, of, y),
            (false, _) => single_rows::<L, K, P, 4, 1, false>(window, x, weight, bias, of, y),
        }
    } else if window.groups == 1 {
        if L::IS_WIDE {
            single_runs::<L, K, P>(window, x, weight, bias, of, y);
        } else {
            single_outputs::<L, K, P>(window, x, weight, bias, of, y);
        }
    } else {
        single_places::<L, K, P>(window, x, weight, bias, of, y);
    }
}

/// Output channels that share a load of the image, of so many.
#[inline(always)]
const fn outputs_at_once(outputs: usize) -> usize {
    match outputs {
        _ if outputs.is_multiple_of(8) => 8,
        _ if outputs.is_multiple_of(6) => 6,
        0..=4 => 4,
        _ => 8,
    }
}

/// Whether rows are long enough for lanes over their places, and that takes no more products than lanes over outputs.
#[inline(always)]
fn rows_fit(window: &Window, panels: usize) -> bool {
    let [outputs, height, width] = window.output;
    let computed = outputs.next_multiple_of(outputs_at_once(outputs));
    window.stride[1] == 1
        && width >= LANES
        && height * width.div_ceil(LANES) * computed <= panels * window.output_places()
}

/// Lanes over sixteen places of a row: `B` times sixteen and `O` output channels at a time. Where the channels are whole
/// tiles, those of one lie in one panel.
#[inline(always)]
fn single_rows<
    L: Lanes,
    const K: usize,
    const P: usize,
    const O: usize,
    const B: usize,
    const IS_WHOLE: bool,
>(
    window: &Window,
    x: &[L::Elem],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    of: Range<usize>,
    y: &mut [L::Elem],
) {
    let [_, height, width] = window.output;
    let in_row = width.div_ceil(LANES);
    for block in (0..height * in_row).step_by(B) {
        // The last of a row overlaps the one before it where the row is no multiple of sixteen; behind the last of all it
        // is repeated.
        let corner: [(usize, usize); B] = core::array::from_fn(|b| {
            let block = (block + b).min(height * in_row - 1);
            (block / in_row, (block % in_row * LANES).min(width - LANES))
        });
        let from = corner.map(|(row, column)| row * window.stride[0] * window.input[2] + column);
        for first in of.clone().step_by(O) {
            // Behind the last output it is repeated.
            let place: [(usize, usize); O] = core::array::from_fn(|o| {
                let output = (first + o).min(of.end - 1);
                (output / LANES, output % LANES)
            });
            let mut sums: [[L; B]; O] = core::array::from_fn(|o| {
                let (p, lane) = place[o];
                [bias.map_or(L::zero(), |bias| L::splat(bias[p][lane])); B]
            });
            for ky in 0..window.kernel[0] {
                for kx in 0..window.kernel[1] {
                    let shift = ky * window.dilation[0] * window.input[2] + kx * window.dilation[1];
                    for channel in 0..window.input[0] {
                        let tap = channel * window.taps() + ky * window.kernel[1] + kx;
                        let values: [L; B] = core::array::from_fn(|b| {
                            let at = channel * window.places() + shift + from[b];
                            // SAFETY: `single` asserts that every place reaches no further than the image, and the
                            // sixteen lie in one row of places.
                            L::load(unsafe { &*x.as_ptr().add(at).cast::<Row<L::Elem>>() })
                        });
                        for o in 0..O {
                            let factor = if IS_WHOLE {
                                weight[place[0].0][tap].as_chunks::<O>().0[first / O % (LANES / O)][o]
                            } else {
                                weight[place[o].0][tap][place[o].1]
                            };
                            for b in 0..B {
                                sums[o][b] = sums[o][b].add_mul(factor, values[b]);
                            }
                        }
                    }
                }
            }
            for o in 0..O {
                let (p, lane) = place[o];
                for b in 0..B {
                    let (row, column) = corner[b];
                    let at = ((p * LANES + lane - of.start) * height + row) * width + column;
                    let mut values = [L::Elem::ZERO; LANES];
                    sums[o][b].store(&mut values);
                    y[at..at + LANES].copy_from_slice(&values);
                }
            }
        }
    }
}

/// Places of a row that are computed at a time where lanes are over output channels: as many as divide it best.
#[inline(always)]
fn run_of(width: usize) -> usize {
    let mut best = width.min(8);
    for run in [7, 6, 5, 4] {
        if run < width && width.next_multiple_of(run) < width.next_multiple_of(best) {
            best = run;
        }
    }
    best
}

/// Lanes over output channels, at runs of up to eight places of a row: where each is, is known ahead.
#[inline(always)]
fn single_runs<L: Lanes, const K: usize, const P: usize>(
    window: &Window,
    x: &[L::Elem],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    of: Range<usize>,
    y: &mut [L::Elem],
) {
    assert!(of.start.is_multiple_of(LANES));
    let (mut p, end) = (of.start / LANES, of.end.div_ceil(LANES));
    // A constant, so that nothing is made of what a size does not need.
    if const { P >= 2 } {
        // Two panels share what is read of the image.
        let n_rows = if run_of(window.output[2]) <= 5 { 2 } else { 1 };
        while p + 2 <= end {
            panels_in_runs::<L, K, P, 2>(window, x, weight, bias, &of, p, n_rows, y);
            p += 2;
        }
    }
    if p < end {
        panels_in_runs::<L, K, P, 1>(window, x, weight, bias, &of, p, 2, y);
    }
}

/// `C` panels from panel `p` on, runs of `n_rows` rows at a time.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn panels_in_runs<L: Lanes, const K: usize, const P: usize, const C: usize>(
    window: &Window,
    x: &[L::Elem],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    of: &Range<usize>,
    p: usize,
    n_rows: usize,
    y: &mut [L::Elem],
) {
    let [_, height, width] = window.output;
    let (run, n_rows) = (run_of(width), n_rows.min(height));
    let start: [L; C] = core::array::from_fn(|c| bias.map_or(L::zero(), |bias| L::load(&bias[p + c])));
    let panels: [&[Row<L::Elem>; K]; C] = core::array::from_fn(|c| &weight[p + c]);
    for row in (0..height).step_by(n_rows) {
        // The last of all, and the last of a row, overlap those before them.
        let row = row.min(height - n_rows);
        for column in (0..width).step_by(run) {
            let column = column.min(width - run);
            let corner = row * window.stride[0] * window.input[2] + column * window.stride[1];
            let mut sums = [[start; 8]; 2];
            for ky in 0..window.kernel[0] {
                for kx in 0..window.kernel[1] {
                    let shift = ky * window.dilation[0] * window.input[2] + kx * window.dilation[1];
                    for channel in 0..window.input[0] {
                        let tap = channel * window.taps() + ky * window.kernel[1] + kx;
                        let lanes: [L; C] = core::array::from_fn(|c| L::load(&panels[c][tap]));
                        let from = channel * window.places() + shift + corner;
                        for (r, sums) in sums.iter_mut().enumerate().take(n_rows) {
                            for (place, sums) in sums.iter_mut().enumerate().take(run) {
                                let at =
                                    from + r * window.stride[0] * window.input[2] + place * window.stride[1];
                                // SAFETY: `single` asserts that every place reaches no further than the image.
                                let value = unsafe { *x.get_unchecked(at) };
                                for c in 0..C {
                                    sums[c] = sums[c].add_mul(value, lanes[c]);
                                }
                            }
                        }
                    }
                }
            }
            for (r, sums) in sums.iter().enumerate().take(n_rows) {
                for c in 0..C {
                    let mut square = [L::zero(); LANES];
                    for (row, sums) in square.iter_mut().zip(sums) {
                        *row = sums[c];
                    }
                    L::transpose(&mut square);
                    let first = (p + c) * LANES;
                    for (o, lanes) in square.into_iter().enumerate().take(of.end - first) {
                        let mut values = [L::Elem::ZERO; LANES];
                        lanes.store(&mut values);
                        let at = ((first + o - of.start) * height + row + r) * width + column;
                        y[at..at + run].copy_from_slice(&values[..run]);
                    }
                }
            }
        }
    }
}

/// Lanes over output channels, sixteen places at a time.
#[inline(always)]
fn single_outputs<L: Lanes, const K: usize, const P: usize>(
    window: &Window,
    x: &[L::Elem],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    of: Range<usize>,
    y: &mut [L::Elem],
) {
    let places = window.output_places();
    let [_, _, width] = window.input;
    assert!(of.start.is_multiple_of(LANES));
    for p in of.start / LANES..of.end.div_ceil(LANES) {
        let outputs = LANES.min(of.end - p * LANES);
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
            // As many as fit the registers.
            for (corner, sums) in corner.as_chunks().0.iter().zip(sums.as_chunks_mut().0) {
                add_taps::<L, K>(window, x, &weight[p], corner, sums);
            }
            L::transpose(&mut sums);
            let len = LANES.min(places - place);
            for o in 0..outputs {
                let mut row = [L::Elem::ZERO; LANES];
                sums[o].store(&mut row);
                y[(p * LANES + o - of.start) * places + place..][..len].copy_from_slice(&row[..len]);
            }
            place += LANES;
        }
    }
}

/// Adds the products of all taps at four places to the sums of sixteen outputs.
#[inline(always)]
fn add_taps<L: Lanes, const K: usize>(
    window: &Window,
    x: &[L::Elem],
    weight: &[Row<L::Elem>; K],
    corner: &[usize; 4],
    sums: &mut [L; 4],
) {
    // What is kept in registers.
    let mut kept = *sums;
    for ky in 0..window.kernel[0] {
        for kx in 0..window.kernel[1] {
            let shift = ky * window.dilation[0] * window.input[2] + kx * window.dilation[1];
            for channel in 0..window.input[0] {
                let lanes = L::load(&weight[channel * window.taps() + ky * window.kernel[1] + kx]);
                let from = channel * window.places() + shift;
                for c in 0..4 {
                    // SAFETY: `single` asserts that every place reaches no further than the image.
                    let value = unsafe { *x.get_unchecked(from + corner[c]) };
                    kept[c] = kept[c].add_mul(value, lanes);
                }
            }
        }
    }
    *sums = kept;
}

/// Lanes over sixteen places of a row: for parts with few channels each.
#[inline(always)]
fn single_places<L: Lanes, const K: usize, const P: usize>(
    window: &Window,
    x: &[L::Elem],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    of: Range<usize>,
    y: &mut [L::Elem],
) {
    let [_, height, width] = window.output;
    for output in of.clone() {
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
                y[((output - of.start) * height + row) * width + column..][..len]
                    .copy_from_slice(&values[..len]);
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
