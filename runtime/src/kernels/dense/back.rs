//! The gradient of the input.

use core::borrow::Borrow;

use crate::bf16::Stored;
use crate::element::Element;
use crate::kernels::ahead::fetch_after;
use crate::kernels::tile::{NARROW, WIDE, each};
use crate::lanes::{Aligned, LANES, Lanes, Row};

/// d_x = Wᵀ d_y. `finish` is given group, input and sixteen samples. Groups may be references to where each of them lies.
#[inline(always)]
pub fn input_gradient<L: Lanes, const I: usize, const O: usize, const P: usize>(
    d_y: &[impl Borrow<[Row<L::Elem>; O]>],
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
        d_y.as_flattened().as_chunks::<O>().0,
        weight,
        #[inline(always)]
        |g, i, sum| finish(g / positions, g % positions * I + i, sum),
    );
}

/// All inputs of all groups.
#[inline(always)]
fn gradient_all<L: Lanes, const I: usize, const O: usize, const P: usize>(
    d_y: &[impl Borrow<[Row<L::Elem>; O]>],
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
    d_y: &[impl Borrow<[Row<L::Elem>; O]>],
    weight: &[[Row<L::Elem>; I]; P],
    g: usize,
    finish: &mut impl FnMut(usize, usize, L),
) {
    let d_y: [&[Row<L::Elem>; O]; C] = core::array::from_fn(|c| d_y[g + c].borrow());
    // One group alone: half as many sums would wait for each other.
    let alone = if L::IS_WIDE && C == 1 { I / LANES * LANES } else { 0 };
    for i in (0..alone).step_by(LANES) {
        let sums = back::<L, I, O, P, LANES, C, false>(d_y, weight, [[L::zero(); C]; LANES], i, (0, P));
        each(&sums, |r, c, sum| finish(g + c, i + r, sum));
    }
    cover!(L, I - alone, |i, R| {
        let i = alone + i;
        let sums = back::<L, I, O, P, R, C, false>(d_y, weight, [[L::zero(); C]; R], i, (0, P));
        each(&sums, |r, c, sum| {
            if i + r < I {
                finish(g + c, i + r, sum);
            }
        });
    });
}

/// Adds the products of `R` inputs, from input `i`, with the outputs of some panels. Where the matrix is far away, what
/// the next tile uses of a panel is fetched meanwhile.
#[inline(always)]
fn back<
    L: Lanes,
    const I: usize,
    const O: usize,
    const P: usize,
    const R: usize,
    const C: usize,
    const IS_FAR: bool,
>(
    d_y: [&[Row<L::Elem>; O]; C],
    weight: &[[impl Stored<L::Elem>; I]; P],
    mut sums: [[L; C]; R],
    i: usize,
    (from, to): (usize, usize),
) -> [[L; C]; R] {
    let Aligned(room) = &mut Aligned([[L::Elem::ZERO; LANES]; R]);
    for p in from..to {
        // Behind the last input the last is repeated; nobody asks for those sums.
        let widened = Stored::widened::<L>(&weight[p][i..(i + R).min(I)], room);
        let rows: [&Row<L::Elem>; R] =
            core::array::from_fn(|r| &widened[if i + r < I { r } else { I - 1 - i }]);
        if IS_FAR {
            for r in R..2 * R {
                fetch_after(&weight[p][i], r);
            }
        }
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

/// As [`input_gradient`], over blocks of `PB` panels. `partial` holds the sums between blocks, in the first `I` of its rows. Weights of sixteen
/// bits are widened a tile at a time.
#[inline(always)]
pub fn input_gradient_blocked<
    L: Lanes,
    const I: usize,
    const O: usize,
    const P: usize,
    const PB: usize,
    const S: usize,
>(
    d_y: &[impl Borrow<[Row<L::Elem>; O]>],
    weight: &[[impl Stored<L::Elem>; I]; P],
    partial: &mut [[Row<L::Elem>; S]],
    finish: impl FnMut(usize, usize, L),
) {
    gradient_blocks::<L, I, O, P, PB, S>(d_y, weight, partial, finish);
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
    const S: usize,
>(
    d_y: &[[Row<L::Elem>; TO]],
    weight: &[[impl Stored<L::Elem>; I]; P],
    partial: &mut [[Row<L::Elem>; S]],
    mut finish: impl FnMut(usize, usize, L),
) {
    assert!(S >= TI);
    let positions = TO / O;
    // So many for each position, wherever they lie.
    let partial = &mut partial.as_flattened_mut().as_chunks_mut().0[..d_y.len() * positions];
    gradient_blocks::<L, I, O, P, PB, I>(
        d_y.as_flattened().as_chunks::<O>().0,
        weight,
        partial,
        #[inline(always)]
        |g, i, sum| finish(g / positions, g % positions * I + i, sum),
    );
}

/// All inputs of all groups, a block of panels at a time.
#[inline(always)]
fn gradient_blocks<
    L: Lanes,
    const I: usize,
    const O: usize,
    const P: usize,
    const PB: usize,
    const S: usize,
>(
    d_y: &[impl Borrow<[Row<L::Elem>; O]>],
    weight: &[[impl Stored<L::Elem>; I]; P],
    partial: &mut [[Row<L::Elem>; S]],
    mut finish: impl FnMut(usize, usize, L),
) {
    assert!(partial.len() == d_y.len() && S >= I);
    let mut from = 0;
    while from < P {
        let to = (from + PB).min(P);
        let mut g = 0;
        while L::IS_WIDE && g + 2 <= d_y.len() {
            gradient_block::<L, I, O, P, S, 2>(d_y, weight, partial, (from, to), g, &mut finish);
            g += 2;
        }
        while g < d_y.len() {
            gradient_block::<L, I, O, P, S, 1>(d_y, weight, partial, (from, to), g, &mut finish);
            g += 1;
        }
        from = to;
    }
}

/// All inputs of `C` groups over one block of panels.
#[inline(always)]
fn gradient_block<
    L: Lanes,
    const I: usize,
    const O: usize,
    const P: usize,
    const S: usize,
    const C: usize,
>(
    d_y: &[impl Borrow<[Row<L::Elem>; O]>],
    weight: &[[impl Stored<L::Elem>; I]; P],
    partial: &mut [[Row<L::Elem>; S]],
    (from, to): (usize, usize),
    g: usize,
    finish: &mut impl FnMut(usize, usize, L),
) {
    let d_y: [&[Row<L::Elem>; O]; C] = core::array::from_fn(|c| d_y[g + c].borrow());
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
        let sums = back::<L, I, O, P, R, C, true>(d_y, weight, start, i, (from, to));
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
