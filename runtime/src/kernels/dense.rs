//! Products with the matrix of a dense layer.
//!
//! | | shape | |
//! |---|---|---|
//! | x, d_x | `[G][I]` rows | group of sixteen samples, input; lanes are samples |
//! | y, d_y | `[G][O]` rows | group of sixteen samples, output; lanes are samples |
//! | weight | `[P][I]` rows | panel, input; lanes are the sixteen outputs of the panel; `P = ceil(O / 16)` |
//! | bias | `[P]` rows | lanes are outputs |
//! | d_y rows | `[P][S]` rows | panel, sample; lanes are outputs |
//!
//! Every kernel keeps a tile of sums in registers and hands each finished sum to `finish`, which applies what follows in
//! the network and stores it, so that a value is written once. A tile is 8 x 2 registers of AVX-512, 4 x 1 pairs of
//! AVX2. Each sum is made in one order, from the first product to the last, whatever the tile or the block.

// Several arrays are indexed with one counter; iterators over them would hide the tile.
#![allow(clippy::needless_range_loop)]

use crate::lanes::{LANES, Lanes, Row};

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
pub fn forward<L: Lanes, const G: usize, const I: usize, const O: usize, const P: usize>(
    x: &[[Row<L::Elem>; I]; G],
    weight: &[[Row<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    mut finish: impl FnMut(usize, usize, L),
) {
    let mut g = 0;
    while L::IS_WIDE && g + 2 <= G {
        forward_groups::<L, G, I, O, P, 2>(x, weight, bias, g, &mut finish);
        g += 2;
    }
    while g < G {
        forward_groups::<L, G, I, O, P, 1>(x, weight, bias, g, &mut finish);
        g += 1;
    }
}

/// All outputs of `C` groups.
#[inline(always)]
fn forward_groups<
    L: Lanes,
    const G: usize,
    const I: usize,
    const O: usize,
    const P: usize,
    const C: usize,
>(
    x: &[[Row<L::Elem>; I]; G],
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
pub fn forward_blocked<
    L: Lanes,
    const G: usize,
    const I: usize,
    const O: usize,
    const P: usize,
    const KB: usize,
>(
    x: &[[Row<L::Elem>; I]; G],
    weight: &[[Row<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    partial: &mut [[Row<L::Elem>; O]; G],
    mut finish: impl FnMut(usize, usize, L),
) {
    let mut from = 0;
    while from < I {
        let to = (from + KB).min(I);
        let mut g = 0;
        while L::IS_WIDE && g + 2 <= G {
            block_groups::<L, G, I, O, P, 2>(x, weight, bias, partial, (from, to), g, &mut finish);
            g += 2;
        }
        while g < G {
            block_groups::<L, G, I, O, P, 1>(x, weight, bias, partial, (from, to), g, &mut finish);
            g += 1;
        }
        from = to;
    }
}

/// All outputs of `C` groups over one block of inputs.
#[inline(always)]
fn block_groups<L: Lanes, const G: usize, const I: usize, const O: usize, const P: usize, const C: usize>(
    x: &[[Row<L::Elem>; I]; G],
    weight: &[[Row<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    partial: &mut [[Row<L::Elem>; O]; G],
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
pub fn input_gradient<L: Lanes, const G: usize, const I: usize, const O: usize, const P: usize>(
    d_y: &[[Row<L::Elem>; O]; G],
    weight: &[[Row<L::Elem>; I]; P],
    mut finish: impl FnMut(usize, usize, L),
) {
    let mut g = 0;
    while L::IS_WIDE && g + 2 <= G {
        gradient_groups::<L, G, I, O, P, 2>(d_y, weight, g, &mut finish);
        g += 2;
    }
    while g < G {
        gradient_groups::<L, G, I, O, P, 1>(d_y, weight, g, &mut finish);
        g += 1;
    }
}

/// All inputs of `C` groups.
#[inline(always)]
fn gradient_groups<
    L: Lanes,
    const G: usize,
    const I: usize,
    const O: usize,
    const P: usize,
    const C: usize,
>(
    d_y: &[[Row<L::Elem>; O]; G],
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
pub fn input_gradient_blocked<
    L: Lanes,
    const G: usize,
    const I: usize,
    const O: usize,
    const P: usize,
    const PB: usize,
>(
    d_y: &[[Row<L::Elem>; O]; G],
    weight: &[[Row<L::Elem>; I]; P],
    partial: &mut [[Row<L::Elem>; I]; G],
    mut finish: impl FnMut(usize, usize, L),
) {
    let mut from = 0;
    while from < P {
        let to = (from + PB).min(P);
        let mut g = 0;
        while L::IS_WIDE && g + 2 <= G {
            gradient_block::<L, G, I, O, P, 2>(d_y, weight, partial, (from, to), g, &mut finish);
            g += 2;
        }
        while g < G {
            gradient_block::<L, G, I, O, P, 1>(d_y, weight, partial, (from, to), g, &mut finish);
            g += 1;
        }
        from = to;
    }
}

/// All inputs of `C` groups over one block of panels.
#[inline(always)]
fn gradient_block<
    L: Lanes,
    const G: usize,
    const I: usize,
    const O: usize,
    const P: usize,
    const C: usize,
>(
    d_y: &[[Row<L::Elem>; O]; G],
    weight: &[[Row<L::Elem>; I]; P],
    partial: &mut [[Row<L::Elem>; I]; G],
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

/// Turns d_y round, so that lanes are outputs: `rows[p][s][l]` is output `16 p + l` of sample `s`; padding is zero.
#[inline(always)]
pub fn transpose_gradient<L: Lanes, const G: usize, const O: usize, const P: usize, const S: usize>(
    d_y: &[[Row<L::Elem>; O]; G],
    rows: &mut [[Row<L::Elem>; S]; P],
) {
    for (p, panel) in rows.iter_mut().enumerate() {
        let outputs = LANES.min(O - p * LANES);
        for (group, samples) in d_y.iter().zip(panel.chunks_mut(LANES)) {
            let mut square = [L::zero(); LANES];
            for (lanes, row) in square.iter_mut().zip(&group[p * LANES..p * LANES + outputs]) {
                *lanes = L::load(row);
            }
            L::transpose(&mut square);
            for (sample, lanes) in samples.iter_mut().zip(square) {
                lanes.store(sample);
            }
        }
    }
}

/// d_W = sum over the first `N` samples of d_y xᵀ. `finish` is given panel, input and sixteen outputs.
#[inline(always)]
pub fn weight_gradient<
    L: Lanes,
    const G: usize,
    const I: usize,
    const P: usize,
    const S: usize,
    const N: usize,
>(
    x: &[[Row<L::Elem>; I]; G],
    rows: &[[Row<L::Elem>; S]; P],
    mut finish: impl FnMut(usize, usize, L),
) {
    let mut p = 0;
    while L::IS_WIDE && p + 2 <= P {
        weight_panels::<L, G, I, P, S, N, 2>(x, rows, p, &mut finish);
        p += 2;
    }
    while p < P {
        weight_panels::<L, G, I, P, S, N, 1>(x, rows, p, &mut finish);
        p += 1;
    }
}

/// All inputs of `C` panels.
#[inline(always)]
fn weight_panels<
    L: Lanes,
    const G: usize,
    const I: usize,
    const P: usize,
    const S: usize,
    const N: usize,
    const C: usize,
>(
    x: &[[Row<L::Elem>; I]; G],
    rows: &[[Row<L::Elem>; S]; P],
    p: usize,
    finish: &mut impl FnMut(usize, usize, L),
) {
    let d_y: [&[Row<L::Elem>; S]; C] = core::array::from_fn(|c| &rows[p + c]);
    cover!(L, I, |i, R| {
        let mut sums = [[L::zero(); C]; R];
        for g in 0..N.div_ceil(LANES) {
            let inputs: [&Row<L::Elem>; R] =
                core::array::from_fn(|r| &x[g][if i + r < I { i + r } else { I - 1 }]);
            for lane in 0..LANES.min(N - g * LANES) {
                let lanes: [L; C] = core::array::from_fn(|c| L::load(&d_y[c][g * LANES + lane]));
                for r in 0..R {
                    for c in 0..C {
                        sums[r][c] = sums[r][c].add_mul(inputs[r][lane], lanes[c]);
                    }
                }
            }
        }
        each(&sums, |r, c, sum| {
            if i + r < I {
                finish(p + c, i + r, sum);
            }
        });
    });
}

/// d_b = sum over the first `N` samples of d_y. `finish` is given panel and sixteen outputs.
#[inline(always)]
pub fn bias_gradient<L: Lanes, const P: usize, const S: usize, const N: usize>(
    rows: &[[Row<L::Elem>; S]; P],
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
