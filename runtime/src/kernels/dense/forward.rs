//! The forward product.

use core::borrow::Borrow;

use crate::bf16::Stored;
use crate::element::Element;
use crate::kernels::ahead::fetch;
use crate::kernels::tile::{NARROW, WIDE, each};
use crate::lanes::{Aligned, LANES, Lanes, Row};

/// y = W x + b. `finish` is given group, output and sixteen samples. Groups may be references to where each of them lies.
#[inline(always)]
pub fn forward<L: Lanes, const I: usize, const O: usize, const P: usize>(
    x: &[impl Borrow<[Row<L::Elem>; I]>],
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
        x.as_flattened().as_chunks::<I>().0,
        weight,
        bias,
        #[inline(always)]
        |g, o, sum| finish(g / positions, g % positions * O + o, sum),
    );
}

/// All outputs of all groups.
#[inline(always)]
fn forward_all<L: Lanes, const I: usize, const O: usize, const P: usize>(
    x: &[impl Borrow<[Row<L::Elem>; I]>],
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
    x: &[impl Borrow<[Row<L::Elem>; I]>],
    weight: &[[Row<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    g: usize,
    finish: &mut impl FnMut(usize, usize, L),
) {
    let x: [&[Row<L::Elem>]; C] = core::array::from_fn(|c| x[g + c].borrow().as_slice());
    for p in 0..O / LANES {
        let start = bias.map(|bias| &bias[p]);
        if L::IS_WIDE && C == 1 {
            // One group alone: half as many sums would wait for each other.
            let start = start_at::<L, LANES, C>(start, 0);
            let sums = products::<L, LANES, C>(&x, &weight[p], start, 0, no_fetch);
            each(&sums, |r, c, sum| finish(g + c, p * LANES + r, sum));
            continue;
        }
        cover!(L, LANES, |o, R| {
            let sums = products::<L, R, C>(&x, &weight[p], start_at::<L, R, C>(start, o), o, no_fetch);
            each(&sums, |r, c, sum| finish(g + c, p * LANES + o + r, sum));
        });
    }
    if !O.is_multiple_of(LANES) {
        let p = O / LANES;
        let start = bias.map(|bias| &bias[p]);
        cover!(L, O % LANES, |o, R| {
            let sums = products::<L, R, C>(&x, &weight[p], start_at::<L, R, C>(start, o), o, no_fetch);
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

/// Nothing is far away.
#[inline(always)]
fn no_fetch(_: usize) {}

/// Adds the products of `R` outputs, from output `o` of a panel, with `C` groups of samples. `ahead` is told each input,
/// and may begin to fetch what is used later.
#[inline(always)]
fn products<L: Lanes, const R: usize, const C: usize>(
    x: &[&[Row<L::Elem>]; C],
    weight: &[Row<L::Elem>],
    mut sums: [[L; C]; R],
    o: usize,
    ahead: impl Fn(usize),
) -> [[L; C]; R] {
    // What the loop relies on, said once: no check is left in it.
    assert!(o + R <= LANES);
    let n = weight.len();
    let x: [&[Row<L::Elem>]; C] = core::array::from_fn(|c| &x[c][..n]);
    for i in 0..n {
        ahead(i);
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

/// As [`forward`], over blocks of `KB` inputs: the part of the matrix that is in use stays in the cache while all groups
/// go by. `partial` holds the sums between blocks, in the first `O` of its rows. Weights of sixteen bits are widened a panel of a block at a time.
#[inline(always)]
pub fn forward_blocked<
    L: Lanes,
    const I: usize,
    const O: usize,
    const P: usize,
    const KB: usize,
    const S: usize,
>(
    x: &[impl Borrow<[Row<L::Elem>; I]>],
    weight: &[[impl Stored<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    partial: &mut [[Row<L::Elem>; S]],
    finish: impl FnMut(usize, usize, L),
) {
    forward_blocks::<L, I, O, P, KB, S>(x, weight, bias, partial, finish);
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
    const S: usize,
>(
    x: &[[Row<L::Elem>; TI]],
    weight: &[[impl Stored<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    partial: &mut [[Row<L::Elem>; S]],
    mut finish: impl FnMut(usize, usize, L),
) {
    assert!(S >= TO);
    let positions = TI / I;
    // So many for each position, wherever they lie.
    let partial = &mut partial.as_flattened_mut().as_chunks_mut().0[..x.len() * positions];
    forward_blocks::<L, I, O, P, KB, O>(
        x.as_flattened().as_chunks::<I>().0,
        weight,
        bias,
        partial,
        #[inline(always)]
        |g, o, sum| finish(g / positions, g % positions * O + o, sum),
    );
}

/// All outputs of all groups, a block of inputs at a time.
#[inline(always)]
fn forward_blocks<
    L: Lanes,
    const I: usize,
    const O: usize,
    const P: usize,
    const KB: usize,
    const S: usize,
>(
    x: &[impl Borrow<[Row<L::Elem>; I]>],
    weight: &[[impl Stored<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    partial: &mut [[Row<L::Elem>; S]],
    mut finish: impl FnMut(usize, usize, L),
) {
    assert!(partial.len() == x.len() && S >= O);
    let Aligned(room) = &mut Aligned([[L::Elem::ZERO; LANES]; KB]);
    let mut from = 0;
    while from < I {
        let to = (from + KB).min(I);
        let mut g = 0;
        while L::IS_WIDE && g + 2 <= x.len() {
            block_groups::<L, I, O, P, S, 2>(x, weight, bias, partial, (from, to), g, room, &mut finish);
            g += 2;
        }
        while g < x.len() {
            block_groups::<L, I, O, P, S, 1>(x, weight, bias, partial, (from, to), g, room, &mut finish);
            g += 1;
        }
        from = to;
    }
}

/// All outputs of `C` groups over one block of inputs.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
fn block_groups<L: Lanes, const I: usize, const O: usize, const P: usize, const S: usize, const C: usize>(
    x: &[impl Borrow<[Row<L::Elem>; I]>],
    weight: &[[impl Stored<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    partial: &mut [[Row<L::Elem>; S]],
    (from, to): (usize, usize),
    g: usize,
    room: &mut [Row<L::Elem>],
    finish: &mut impl FnMut(usize, usize, L),
) {
    let x: [&[Row<L::Elem>]; C] = core::array::from_fn(|c| &x[g + c].borrow()[from..to]);
    for p in 0..P {
        let bias = bias.map(|bias| &bias[p]);
        // What is used next comes from afar while this is used: all of the block in the first pass, and what of it fell out
        // of the cache in those behind.
        let next = &weight[(p + 1) % P][from..to];
        let weight = Stored::widened::<L>(&weight[p][from..to], room);
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
            let sums = products::<L, R, C>(
                &x,
                weight,
                start,
                o,
                #[inline(always)]
                |i| {
                    if o == 0 {
                        fetch(&next[i]);
                    }
                },
            );
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
