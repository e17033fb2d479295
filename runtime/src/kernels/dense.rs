//! Products with the matrix of a dense layer.
//!
//! | | shape | |
//! |---|---|---|
//! | x, d_x | `[groups][I]` rows | group of sixteen samples, input; lanes are samples |
//! | y, d_y | `[groups][O]` rows | group of sixteen samples, output; lanes are samples |
//! | weight | `[P][I]` rows | panel, input; lanes are the sixteen outputs of the panel; `P = ceil(O / 16)` |
//! | bias | `[P]` rows | lanes are outputs |
//! | d_y rows | `[P][S]` rows | panel, sample; lanes are outputs |
//!
//! Of values with positions, `[groups][T * I]` rows, each position is a group of its own, `[groups * T][I]`: the kernels that end in
//! `positions` see them so, and number what they finish as the value lies.
//!
//! What goes from samples to samples, of [`forward`] and [`input_gradient`], may be given a part of the groups. What sums
//! over samples is given all of them, and may be given a part of the panels.
//!
//! Every kernel keeps a tile of sums in registers and hands each finished sum to `finish`, which applies what follows in
//! the network and stores it, so that a value is written once. A tile is 8 x 2 registers of AVX-512, 4 x 1 pairs of
//! AVX2. Each sum is made in one order, from the first product to the last, whatever the tile or the block.

// Several arrays are indexed with one counter; iterators over them would hide the tile.
#![allow(clippy::needless_range_loop)]

use core::ops::Range;

use super::pack::store_at;
use crate::element::Element;
use crate::lanes::{Aligned, LANES, Lanes, Row};

/// Rows of a tile, for a set with wide registers.
const WIDE: usize = 8;
/// Rows of a tile, for the others.
const NARROW: usize = 4;

/// Calls `$tile::<…, R, …>($start)` for tiles that cover `0..$len`; the last is as small as the rest allows.
///
/// `$len` is a constant wherever this is used, so that the compiler keeps the arms that are taken.
macro_rules! cover {
    ($L:ident, $len:expr, |$start:ident, $R:ident| $tile:expr) => {{
        let len: usize = $len;
        let mut $start = 0;
        if $L::IS_WIDE {
            const $R: usize = WIDE;
            while $start + WIDE <= len {
                $tile;
                $start += WIDE;
            }
        } else {
            const $R: usize = NARROW;
            while $start + NARROW <= len {
                $tile;
                $start += NARROW;
            }
        }
        let rest = len - $start;
        if rest > 4 {
            const $R: usize = WIDE;
            $tile;
        } else if rest > 2 {
            const $R: usize = 4;
            $tile;
        } else if rest == 2 {
            const $R: usize = 2;
            $tile;
        } else if rest == 1 {
            const $R: usize = 1;
            $tile;
        }
    }};
}

/// y = W x + b. `finish` is given group, output and sixteen samples.
#[inline(always)]
pub fn forward<L: Lanes, const I: usize, const O: usize, const P: usize>(
    x: &[[Row<L::Elem>; I]],
    weight: &[[Row<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    finish: impl FnMut(usize, usize, L),
) {
    forward_all::<L, I, O, P>(x, weight, bias, finish);
}

/// [`forward`] at each of `T` positions of `TI = T * I` inputs: `finish` is given the place among `T * O` outputs.
#[inline(always)]
pub fn forward_positions<L: Lanes, const TI: usize, const I: usize, const O: usize, const P: usize>(
    x: &[[Row<L::Elem>; TI]],
    weight: &[[Row<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    mut finish: impl FnMut(usize, usize, L),
) {
    let positions = TI / I;
    forward_all::<L, I, O, P>(
        x.as_flattened().as_chunks().0,
        weight,
        bias,
        #[inline(always)]
        |g, o, sum| finish(g / positions, g % positions * O + o, sum),
    );
}

/// All outputs of all groups.
#[inline(always)]
fn forward_all<L: Lanes, const I: usize, const O: usize, const P: usize>(
    x: &[[Row<L::Elem>; I]],
    weight: &[[Row<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    mut finish: impl FnMut(usize, usize, L),
) {
    let mut g = 0;
    while L::IS_WIDE && g + 2 <= x.len() {
        forward_groups::<L, I, O, P, 2>(x, weight, bias, g, &mut finish);
        g += 2;
    }
    while g < x.len() {
        forward_groups::<L, I, O, P, 1>(x, weight, bias, g, &mut finish);
        g += 1;
    }
}

/// All outputs of `C` groups.
#[inline(always)]
fn forward_groups<L: Lanes, const I: usize, const O: usize, const P: usize, const C: usize>(
    x: &[[Row<L::Elem>; I]],
    weight: &[[Row<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    g: usize,
    finish: &mut impl FnMut(usize, usize, L),
) {
    let x: [&[Row<L::Elem>]; C] = core::array::from_fn(|c| x[g + c].as_slice());
    for p in 0..O / LANES {
        let start = bias.map(|bias| &bias[p]);
        cover!(L, LANES, |o, R| {
            let sums = products::<L, R, C>(&x, &weight[p], start_at::<L, R, C>(start, o), o);
            each(&sums, |r, c, sum| finish(g + c, p * LANES + o + r, sum));
        });
    }
    if !O.is_multiple_of(LANES) {
        let p = O / LANES;
        let start = bias.map(|bias| &bias[p]);
        cover!(L, O % LANES, |o, R| {
            let sums = products::<L, R, C>(&x, &weight[p], start_at::<L, R, C>(start, o), o);
            each(&sums, |r, c, sum| {
                if o + r < O % LANES {
                    finish(g + c, p * LANES + o + r, sum);
                }
            });
        });
    }
}

/// A tile whose sums start from the bias.
#[inline(always)]
fn start_at<L: Lanes, const R: usize, const C: usize>(bias: Option<&Row<L::Elem>>, o: usize) -> [[L; C]; R] {
    match bias {
        Some(bias) => core::array::from_fn(|r| [L::splat(bias[(o + r) % LANES]); C]),
        None => [[L::zero(); C]; R],
    }
}

/// Adds the products of `R` outputs, from output `o` of a panel, with `C` groups of samples.
#[inline(always)]
fn products<L: Lanes, const R: usize, const C: usize>(
    x: &[&[Row<L::Elem>]; C],
    weight: &[Row<L::Elem>],
    mut sums: [[L; C]; R],
    o: usize,
) -> [[L; C]; R] {
    // What the loop relies on, said once: no check is left in it.
    assert!(o + R <= LANES);
    let n = weight.len();
    let x: [&[Row<L::Elem>]; C] = core::array::from_fn(|c| &x[c][..n]);
    for i in 0..n {
        let lanes: [L; C] = core::array::from_fn(|c| L::load(&x[c][i]));
        for r in 0..R {
            let factor = weight[i][o + r];
            for c in 0..C {
                sums[r][c] = sums[r][c].add_mul(factor, lanes[c]);
            }
        }
    }
    sums
}

/// Each sum of a tile.
#[inline(always)]
fn each<L: Lanes, const R: usize, const C: usize>(sums: &[[L; C]; R], mut f: impl FnMut(usize, usize, L)) {
    for r in 0..R {
        for c in 0..C {
            f(r, c, sums[r][c]);
        }
    }
}

/// As [`forward`], over blocks of `KB` inputs: the part of the matrix that is in use stays in the cache while all groups
/// go by. `partial` holds the sums between blocks.
#[inline(always)]
pub fn forward_blocked<L: Lanes, const I: usize, const O: usize, const P: usize, const KB: usize>(
    x: &[[Row<L::Elem>; I]],
    weight: &[[Row<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    partial: &mut [[Row<L::Elem>; O]],
    finish: impl FnMut(usize, usize, L),
) {
    forward_blocks::<L, I, O, P, KB>(x, weight, bias, partial, finish);
}

/// [`forward_blocked`] at each of `TI / I` positions, as [`forward_positions`].
#[inline(always)]
pub fn forward_blocked_positions<
    L: Lanes,
    const TI: usize,
    const TO: usize,
    const I: usize,
    const O: usize,
    const P: usize,
    const KB: usize,
>(
    x: &[[Row<L::Elem>; TI]],
    weight: &[[Row<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    partial: &mut [[Row<L::Elem>; TO]],
    mut finish: impl FnMut(usize, usize, L),
) {
    let positions = TI / I;
    let partial = partial.as_flattened_mut().as_chunks_mut().0;
    forward_blocks::<L, I, O, P, KB>(
        x.as_flattened().as_chunks().0,
        weight,
        bias,
        partial,
        #[inline(always)]
        |g, o, sum| finish(g / positions, g % positions * O + o, sum),
    );
}

/// All outputs of all groups, a block of inputs at a time.
#[inline(always)]
fn forward_blocks<L: Lanes, const I: usize, const O: usize, const P: usize, const KB: usize>(
    x: &[[Row<L::Elem>; I]],
    weight: &[[Row<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    partial: &mut [[Row<L::Elem>; O]],
    mut finish: impl FnMut(usize, usize, L),
) {
    assert!(partial.len() == x.len());
    let mut from = 0;
    while from < I {
        let to = (from + KB).min(I);
        let mut g = 0;
        while L::IS_WIDE && g + 2 <= x.len() {
            block_groups::<L, I, O, P, 2>(x, weight, bias, partial, (from, to), g, &mut finish);
            g += 2;
        }
        while g < x.len() {
            block_groups::<L, I, O, P, 1>(x, weight, bias, partial, (from, to), g, &mut finish);
            g += 1;
        }
        from = to;
    }
}

/// All outputs of `C` groups over one block of inputs.
#[inline(always)]
fn block_groups<L: Lanes, const I: usize, const O: usize, const P: usize, const C: usize>(
    x: &[[Row<L::Elem>; I]],
    weight: &[[Row<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    partial: &mut [[Row<L::Elem>; O]],
    (from, to): (usize, usize),
    g: usize,
    finish: &mut impl FnMut(usize, usize, L),
) {
    let x: [&[Row<L::Elem>]; C] = core::array::from_fn(|c| &x[g + c][from..to]);
    for p in 0..P {
        let bias = bias.map(|bias| &bias[p]);
        let outputs = LANES.min(O - p * LANES);
        cover!(L, outputs, |o, R| {
            let mut start = start_at::<L, R, C>(bias, o);
            if from > 0 {
                for r in 0..R {
                    for c in 0..C {
                        if o + r < outputs {
                            start[r][c] = L::load(&partial[g + c][p * LANES + o + r]);
                        }
                    }
                }
            }
            let sums = products::<L, R, C>(&x, &weight[p][from..to], start, o);
            each(&sums, |r, c, sum| {
                if o + r < outputs {
                    let output = p * LANES + o + r;
                    if to < I {
                        sum.store(&mut partial[g + c][output]);
                    } else {
                        finish(g + c, output, sum);
                    }
                }
            });
        });
    }
}

/// d_x = Wᵀ d_y. `finish` is given group, input and sixteen samples.
#[inline(always)]
pub fn input_gradient<L: Lanes, const I: usize, const O: usize, const P: usize>(
    d_y: &[[Row<L::Elem>; O]],
    weight: &[[Row<L::Elem>; I]; P],
    finish: impl FnMut(usize, usize, L),
) {
    gradient_all::<L, I, O, P>(d_y, weight, finish);
}

/// [`input_gradient`] at each of `TO / O` positions: `finish` is given the place among the inputs of all.
#[inline(always)]
pub fn input_gradient_positions<L: Lanes, const TO: usize, const I: usize, const O: usize, const P: usize>(
    d_y: &[[Row<L::Elem>; TO]],
    weight: &[[Row<L::Elem>; I]; P],
    mut finish: impl FnMut(usize, usize, L),
) {
    let positions = TO / O;
    gradient_all::<L, I, O, P>(
        d_y.as_flattened().as_chunks().0,
        weight,
        #[inline(always)]
        |g, i, sum| finish(g / positions, g % positions * I + i, sum),
    );
}

/// All inputs of all groups.
#[inline(always)]
fn gradient_all<L: Lanes, const I: usize, const O: usize, const P: usize>(
    d_y: &[[Row<L::Elem>; O]],
    weight: &[[Row<L::Elem>; I]; P],
    mut finish: impl FnMut(usize, usize, L),
) {
    let mut g = 0;
    while L::IS_WIDE && g + 2 <= d_y.len() {
        gradient_groups::<L, I, O, P, 2>(d_y, weight, g, &mut finish);
        g += 2;
    }
    while g < d_y.len() {
        gradient_groups::<L, I, O, P, 1>(d_y, weight, g, &mut finish);
        g += 1;
    }
}

/// All inputs of `C` groups.
#[inline(always)]
fn gradient_groups<L: Lanes, const I: usize, const O: usize, const P: usize, const C: usize>(
    d_y: &[[Row<L::Elem>; O]],
    weight: &[[Row<L::Elem>; I]; P],
    g: usize,
    finish: &mut impl FnMut(usize, usize, L),
) {
    let d_y: [&[Row<L::Elem>; O]; C] = core::array::from_fn(|c| &d_y[g + c]);
    cover!(L, I, |i, R| {
        let sums = back::<L, I, O, P, R, C>(d_y, weight, [[L::zero(); C]; R], i, (0, P));
        each(&sums, |r, c, sum| {
            if i + r < I {
                finish(g + c, i + r, sum);
            }
        });
    });
}

/// Adds the products of `R` inputs, from input `i`, with the outputs of some panels.
#[inline(always)]
fn back<L: Lanes, const I: usize, const O: usize, const P: usize, const R: usize, const C: usize>(
    d_y: [&[Row<L::Elem>; O]; C],
    weight: &[[Row<L::Elem>; I]; P],
    mut sums: [[L; C]; R],
    i: usize,
    (from, to): (usize, usize),
) -> [[L; C]; R] {
    for p in from..to {
        // Behind the last input the last is repeated; nobody asks for those sums.
        let rows: [&Row<L::Elem>; R] =
            core::array::from_fn(|r| &weight[p][if i + r < I { i + r } else { I - 1 }]);
        for lane in 0..LANES.min(O - p * LANES) {
            let lanes: [L; C] = core::array::from_fn(|c| L::load(&d_y[c][p * LANES + lane]));
            for r in 0..R {
                for c in 0..C {
                    sums[r][c] = sums[r][c].add_mul(rows[r][lane], lanes[c]);
                }
            }
        }
    }
    sums
}

/// As [`input_gradient`], over blocks of `PB` panels. `partial` holds the sums between blocks.
#[inline(always)]
pub fn input_gradient_blocked<L: Lanes, const I: usize, const O: usize, const P: usize, const PB: usize>(
    d_y: &[[Row<L::Elem>; O]],
    weight: &[[Row<L::Elem>; I]; P],
    partial: &mut [[Row<L::Elem>; I]],
    finish: impl FnMut(usize, usize, L),
) {
    gradient_blocks::<L, I, O, P, PB>(d_y, weight, partial, finish);
}

/// [`input_gradient_blocked`] at each of `TO / O` positions, as [`input_gradient_positions`].
#[inline(always)]
pub fn input_gradient_blocked_positions<
    L: Lanes,
    const TI: usize,
    const TO: usize,
    const I: usize,
    const O: usize,
    const P: usize,
    const PB: usize,
>(
    d_y: &[[Row<L::Elem>; TO]],
    weight: &[[Row<L::Elem>; I]; P],
    partial: &mut [[Row<L::Elem>; TI]],
    mut finish: impl FnMut(usize, usize, L),
) {
    let positions = TO / O;
    let partial = partial.as_flattened_mut().as_chunks_mut().0;
    gradient_blocks::<L, I, O, P, PB>(
        d_y.as_flattened().as_chunks().0,
        weight,
        partial,
        #[inline(always)]
        |g, i, sum| finish(g / positions, g % positions * I + i, sum),
    );
}

/// All inputs of all groups, a block of panels at a time.
#[inline(always)]
fn gradient_blocks<L: Lanes, const I: usize, const O: usize, const P: usize, const PB: usize>(
    d_y: &[[Row<L::Elem>; O]],
    weight: &[[Row<L::Elem>; I]; P],
    partial: &mut [[Row<L::Elem>; I]],
    mut finish: impl FnMut(usize, usize, L),
) {
    assert!(partial.len() == d_y.len());
    let mut from = 0;
    while from < P {
        let to = (from + PB).min(P);
        let mut g = 0;
        while L::IS_WIDE && g + 2 <= d_y.len() {
            gradient_block::<L, I, O, P, 2>(d_y, weight, partial, (from, to), g, &mut finish);
            g += 2;
        }
        while g < d_y.len() {
            gradient_block::<L, I, O, P, 1>(d_y, weight, partial, (from, to), g, &mut finish);
            g += 1;
        }
        from = to;
    }
}

/// All inputs of `C` groups over one block of panels.
#[inline(always)]
fn gradient_block<L: Lanes, const I: usize, const O: usize, const P: usize, const C: usize>(
    d_y: &[[Row<L::Elem>; O]],
    weight: &[[Row<L::Elem>; I]; P],
    partial: &mut [[Row<L::Elem>; I]],
    (from, to): (usize, usize),
    g: usize,
    finish: &mut impl FnMut(usize, usize, L),
) {
    let d_y: [&[Row<L::Elem>; O]; C] = core::array::from_fn(|c| &d_y[g + c]);
    cover!(L, I, |i, R| {
        let mut start = [[L::zero(); C]; R];
        if from > 0 {
            for r in 0..R {
                for c in 0..C {
                    if i + r < I {
                        start[r][c] = L::load(&partial[g + c][i + r]);
                    }
                }
            }
        }
        let sums = back::<L, I, O, P, R, C>(d_y, weight, start, i, (from, to));
        each(&sums, |r, c, sum| {
            if i + r < I {
                if to < P {
                    sum.store(&mut partial[g + c][i + r]);
                } else {
                    finish(g + c, i + r, sum);
                }
            }
        });
    });
}

/// Turns d_y round, so that lanes are outputs: `rows[p][s][l]` is output `16 (first + p) + l` of sample `s`; padding is
/// zero. `first` is the first panel of `rows`.
#[inline(always)]
pub fn transpose_gradient<L: Lanes, const O: usize, const S: usize>(
    d_y: &[[Row<L::Elem>; O]],
    first: usize,
    rows: &mut [[Row<L::Elem>; S]],
) {
    assert!(d_y.len() * LANES == S);
    for (p, panel) in rows.iter_mut().enumerate() {
        for (group, samples) in d_y.iter().zip(panel.as_chunks_mut().0) {
            turn::<L, O>(group, first + p, samples);
        }
    }
}

/// Turns the outputs of a panel round: `rows[s][l]` is output `16 p + l` of sample `s` of the group; padding is zero.
#[inline(always)]
fn turn<L: Lanes, const O: usize>(group: &[Row<L::Elem>; O], p: usize, rows: &mut [Row<L::Elem>; LANES]) {
    let from = p * LANES;
    let mut square = [L::zero(); LANES];
    for (lanes, row) in square.iter_mut().zip(&group[from..from + LANES.min(O - from)]) {
        *lanes = L::load(row);
    }
    L::transpose(&mut square);
    for (row, lanes) in rows.iter_mut().zip(square) {
        lanes.store(row);
    }
}

/// [`transpose_gradient`] of each of `TO / O` positions: `rows[p][16 (T g + t) + l]` is of lane `l` of group `g` at
/// position `t`.
#[inline(always)]
pub fn transpose_gradient_positions<L: Lanes, const TO: usize, const O: usize, const S: usize>(
    d_y: &[[Row<L::Elem>; TO]],
    first: usize,
    rows: &mut [[Row<L::Elem>; S]],
) {
    transpose_gradient::<L, O, S>(d_y.as_flattened().as_chunks().0, first, rows);
}

/// d_W = sum over the first `N` samples of d_y xᵀ. `finish` is given panel, counted from the first of `rows`, input and
/// sixteen outputs.
#[inline(always)]
pub fn weight_gradient<L: Lanes, const I: usize, const S: usize, const N: usize>(
    x: &[[Row<L::Elem>; I]],
    rows: &[[Row<L::Elem>; S]],
    mut finish: impl FnMut(usize, usize, L),
) {
    let mut p = 0;
    while L::IS_WIDE && p + 2 <= rows.len() {
        weight_panels::<L, I, S, N, 2>(x, rows, p, &mut finish);
        p += 2;
    }
    while p < rows.len() {
        weight_panels::<L, I, S, N, 1>(x, rows, p, &mut finish);
        p += 1;
    }
}

/// All inputs of `C` panels.
#[inline(always)]
fn weight_panels<L: Lanes, const I: usize, const S: usize, const N: usize, const C: usize>(
    x: &[[Row<L::Elem>; I]],
    rows: &[[Row<L::Elem>; S]],
    p: usize,
    finish: &mut impl FnMut(usize, usize, L),
) {
    // All groups that hold samples: their number is a constant.
    let x = &x[..N.div_ceil(LANES)];
    let d_y: [&[[Row<L::Elem>; LANES]]; C] = core::array::from_fn(|c| &rows[p + c].as_chunks().0[..x.len()]);
    cover!(L, I, |i, R| {
        let mut sums = [[L::zero(); C]; R];
        for g in 0..N.div_ceil(LANES) {
            let d_y: [&[Row<L::Elem>; LANES]; C] = core::array::from_fn(|c| &d_y[c][g]);
            add_products(&x[g], d_y, LANES.min(N - g * LANES), i, &mut sums);
        }
        each(&sums, |r, c, sum| {
            if i + r < I {
                finish(p + c, i + r, sum);
            }
        });
    });
}

/// Adds the products of `R` inputs, from `i` on, with `C` panels of gradients, over some samples of a group.
#[inline(always)]
fn add_products<L: Lanes, const I: usize, const R: usize, const C: usize>(
    x: &[Row<L::Elem>; I],
    d_y: [&[Row<L::Elem>; LANES]; C],
    samples: usize,
    i: usize,
    sums: &mut [[L; C]; R],
) {
    let inputs: [&Row<L::Elem>; R] = core::array::from_fn(|r| &x[if i + r < I { i + r } else { I - 1 }]);
    for lane in 0..samples {
        let lanes: [L; C] = core::array::from_fn(|c| L::load(&d_y[c][lane]));
        for r in 0..R {
            for c in 0..C {
                sums[r][c] = sums[r][c].add_mul(inputs[r][lane], lanes[c]);
            }
        }
    }
}

/// Groups of samples whose gradients are turned round at a time: they stay in the nearest cache while all inputs go by.
const TURNED: usize = 4;
/// Inputs whose sums are kept between groups, at most.
const KEPT: usize = 128;
/// Panels that are turned round together: those of a group are what lies together in a page of memory.
const TOGETHER: usize = 4;

/// What [`far_weight_gradient`] keeps of the panels that it turns round together.
#[repr(align(64))]
struct Far<E> {
    /// Gradients of a few groups, lanes over outputs.
    turned: [[[Row<E>; LANES]; TURNED]; TOGETHER],
    /// Sums of inputs.
    kept: [[Row<E>; TOGETHER]; KEPT],
}

/// [`weight_gradient`] of d_y as it lies, summed over `TI / I` positions of each of the first `N` samples too, where all
/// of it turned round would be far from the processor. `panels` are those of the weight that are computed, and `finish`
/// counts from the first.
#[inline(always)]
pub fn far_weight_gradient<
    L: Lanes,
    const TI: usize,
    const I: usize,
    const TO: usize,
    const O: usize,
    const N: usize,
>(
    x: &[[Row<L::Elem>; TI]],
    d_y: &[[Row<L::Elem>; TO]],
    panels: Range<usize>,
    mut finish: impl FnMut(usize, usize, L),
) {
    let positions = TI / I;
    // All groups that hold samples: their number is a constant.
    let groups = N.div_ceil(LANES) * positions;
    let x = &x.as_flattened().as_chunks().0[..groups];
    let d_y = &d_y.as_flattened().as_chunks().0[..groups];
    let mut far = Far {
        turned: [[[[L::Elem::ZERO; LANES]; LANES]; TURNED]; TOGETHER],
        kept: [[[L::Elem::ZERO; LANES]; TOGETHER]; KEPT],
    };
    let mut p = panels.start;
    while p + TOGETHER <= panels.end {
        let place = (p, p - panels.start);
        if L::IS_WIDE {
            far_panels::<L, I, O, N, TOGETHER, 2>(x, d_y, positions, place, &mut far, &mut finish);
        } else {
            far_panels::<L, I, O, N, TOGETHER, 1>(x, d_y, positions, place, &mut far, &mut finish);
        }
        p += TOGETHER;
    }
    while p < panels.end {
        let place = (p, p - panels.start);
        far_panels::<L, I, O, N, 1, 1>(x, d_y, positions, place, &mut far, &mut finish);
        p += 1;
    }
}

/// All inputs of `T` panels, `C` at a time: from panel `place.0` on, which `finish` knows as `place.1`.
#[inline(always)]
fn far_panels<L: Lanes, const I: usize, const O: usize, const N: usize, const T: usize, const C: usize>(
    x: &[[Row<L::Elem>; I]],
    d_y: &[[Row<L::Elem>; O]],
    positions: usize,
    place: (usize, usize),
    far: &mut Far<L::Elem>,
    finish: &mut impl FnMut(usize, usize, L),
) {
    for from in (0..I / KEPT * KEPT).step_by(KEPT) {
        far_inputs::<L, I, O, N, T, C>(x, d_y, positions, place, (from, KEPT), far, finish);
    }
    far_inputs::<L, I, O, N, T, C>(x, d_y, positions, place, (I / KEPT * KEPT, I % KEPT), far, finish);
}

/// `len` inputs, from `from` on, of `T` panels, a few groups after the other. Sums are kept between them, so that each has
/// one order.
#[inline(always)]
fn far_inputs<L: Lanes, const I: usize, const O: usize, const N: usize, const T: usize, const C: usize>(
    x: &[[Row<L::Elem>; I]],
    d_y: &[[Row<L::Elem>; O]],
    positions: usize,
    (p, first): (usize, usize),
    (from, len): (usize, usize),
    far: &mut Far<L::Elem>,
    finish: &mut impl FnMut(usize, usize, L),
) {
    let (turned, kept) = (&mut far.turned[..T], &mut far.kept[..len]);
    kept.fill([[L::Elem::ZERO; LANES]; TOGETHER]);
    for (chunk, (x, d_y)) in x.chunks(TURNED).zip(d_y.chunks(TURNED)).enumerate() {
        for (g, d_y) in d_y.iter().enumerate() {
            for (panel, turned) in turned.iter_mut().enumerate() {
                turn::<L, O>(d_y, p + panel, &mut turned[g]);
            }
        }
        for panel in (0..T).step_by(C) {
            cover!(L, len, |i, R| {
                let mut sums = [[L::zero(); C]; R];
                for r in 0..R.min(len - i) {
                    for c in 0..C {
                        sums[r][c] = L::load(&kept[i + r][panel + c]);
                    }
                }
                for (g, x) in x.iter().enumerate() {
                    let d_y: [&[Row<L::Elem>; LANES]; C] = core::array::from_fn(|c| &turned[panel + c][g]);
                    let samples = LANES.min(N - (chunk * TURNED + g) / positions * LANES);
                    add_products(x, d_y, samples, from + i, &mut sums);
                }
                for r in 0..R.min(len - i) {
                    for c in 0..C {
                        sums[r][c].store(&mut kept[i + r][panel + c]);
                    }
                }
            });
        }
    }
    for (i, kept) in kept.iter().enumerate() {
        for (panel, sum) in kept[..T].iter().enumerate() {
            finish(first + panel, from + i, L::load(sum));
        }
    }
}

/// d_b = sum over the first `N` samples of d_y. `finish` is given panel, counted from the first of `rows`, and sixteen
/// outputs.
#[inline(always)]
pub fn bias_gradient<L: Lanes, const S: usize, const N: usize>(
    rows: &[[Row<L::Elem>; S]],
    mut finish: impl FnMut(usize, L),
) {
    for (p, panel) in rows.iter().enumerate() {
        let mut sum = L::zero();
        for row in &panel[..N] {
            sum = sum + L::load(row);
        }
        finish(p, sum);
    }
}

/// [`bias_gradient`] of d_y as it lies, as [`far_weight_gradient`]; where there is no sample d_y must be 0.
#[inline(always)]
pub fn far_bias_gradient<L: Lanes, const TO: usize, const O: usize>(
    d_y: &[[Row<L::Elem>; TO]],
    panels: Range<usize>,
    mut finish: impl FnMut(usize, L),
) {
    for (n, p) in panels.enumerate() {
        let Aligned(turned) = &mut Aligned([[L::Elem::ZERO; LANES]; LANES]);
        let mut sum = L::zero();
        for group in d_y.as_flattened().as_chunks().0 {
            turn::<L, O>(group, p, turned);
            for row in turned.iter() {
                sum = sum + L::load(row);
            }
        }
        finish(n, sum);
    }
}

/// y = W x + b for one sample, with lanes over outputs. `finish` is given panel and sixteen outputs.
#[inline(always)]
pub fn single<L: Lanes, const I: usize, const XP: usize, const P: usize>(
    x: &[Row<L::Elem>; XP],
    weight: &[[Row<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    mut finish: impl FnMut(usize, L),
) {
    cover!(L, P, |p, R| {
        let panels: [&[Row<L::Elem>; I]; R] =
            core::array::from_fn(|r| &weight[if p + r < P { p + r } else { P - 1 }]);
        let mut sums: [L; R] = core::array::from_fn(|r| match bias {
            Some(bias) => L::load(&bias[if p + r < P { p + r } else { P - 1 }]),
            None => L::zero(),
        });
        for (i, value) in x.as_flattened().iter().enumerate().take(I) {
            for r in 0..R {
                sums[r] = sums[r].add_mul(*value, L::load(&panels[r][i]));
            }
        }
        for (r, sum) in sums.into_iter().enumerate() {
            if p + r < P {
                finish(p + r, sum);
            }
        }
    });
}

/// [`single`] at each of the positions of one sample, `I` features each, one after the other. `finish` is given a row of
/// the `O` outputs of all positions, one after the other.
#[inline(always)]
pub fn single_positions<
    L: Lanes,
    const I: usize,
    const O: usize,
    const XP: usize,
    const P: usize,
    const YP: usize,
>(
    x: &[Row<L::Elem>; XP],
    weight: &[[Row<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    positions: usize,
    mut finish: impl FnMut(usize, L),
) {
    let mut y = [[L::Elem::ZERO; LANES]; YP];
    let (x, _) = x.as_flattened().as_chunks::<I>();
    let x = &x[..positions];
    if L::IS_WIDE {
        positions_at_once::<L, I, O, P, 8>(x, weight, bias, &mut y);
    } else {
        positions_at_once::<L, I, O, P, 4>(x, weight, bias, &mut y);
    }
    for (p, row) in y.iter().enumerate() {
        finish(p, L::load(row));
    }
}

/// `T` positions share a load of the weights.
#[inline(always)]
fn positions_at_once<L: Lanes, const I: usize, const O: usize, const P: usize, const T: usize>(
    x: &[[L::Elem; I]],
    weight: &[[Row<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    y: &mut [Row<L::Elem>],
) {
    for t in (0..x.len()).step_by(T) {
        // Behind the last position the last is repeated; nobody asks for those sums.
        let at_once: [&[L::Elem; I]; T] = core::array::from_fn(|c| &x[(t + c).min(x.len() - 1)]);
        for (p, panel) in weight.iter().enumerate() {
            let start = bias.map_or(L::zero(), |bias| L::load(&bias[p]));
            let mut sums = [start; T];
            for (i, row) in panel.iter().enumerate() {
                let row = L::load(row);
                for c in 0..T {
                    sums[c] = sums[c].add_mul(at_once[c][i], row);
                }
            }
            for (c, sum) in sums.into_iter().enumerate().take(x.len() - t) {
                store_at(sum, y, (t + c) * O + p * LANES, O - p * LANES);
            }
        }
    }
}
