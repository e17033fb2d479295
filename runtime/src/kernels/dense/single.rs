//! One sample, with lanes over outputs.

use core::ops::Range;

use crate::bf16::Stored;
use crate::element::Element;
use crate::kernels::pack::store_at;
use crate::kernels::tile::{NARROW, WIDE};
use crate::lanes::{LANES, Lanes, Row};

/// y = W x + b for one sample, with lanes over outputs, of some panels. `finish` is given panel and sixteen outputs.
#[inline(always)]
pub fn single<L: Lanes, const I: usize, const XP: usize, const P: usize>(
    x: &[Row<L::Elem>; XP],
    weight: &[[impl Stored<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    of: Range<usize>,
    mut finish: impl FnMut(usize, L),
) {
    let streams =
        if L::IS_WIDE && STREAMED.contains(&size_of_val(&weight[of.clone()])) { of.len() / 4 } else { 0 };
    // Neighbours of long panels; of short ones, which end before anything is read ahead, those from which it goes on.
    let (next, step) =
        if weight.first().is_some_and(|panel| size_of_val(panel) > SHORT) { (4, 1) } else { (1, streams) };
    for tile in 0..streams {
        panels_at_once::<L, I, XP, P, 4>(
            x,
            weight,
            bias,
            (of.start + tile * next, step),
            of.end,
            &mut finish,
        );
    }
    let first = of.start + 4 * streams;
    cover!(L, of.end - first, |p, R| {
        panels_at_once::<L, I, XP, P, R>(x, weight, bias, (first + p, 1), of.end, &mut finish);
    });
}

/// Bytes of weights that stream in from the second cache. A processor reads ahead there for a few streams better than for
/// many, and four panels are computed as fast as they come in. Nearer weights want more sums at a time, and farther ones
/// more rows on their way.
const STREAMED: Range<usize> = 128 << 10..1 << 20;

/// Bytes of a panel that is short for that: some pages.
const SHORT: usize = 16 << 10;

/// `R` panels of outputs, each `step` behind the one before, from panel `p` on. Behind the last before `end` it is repeated.
#[inline(always)]
fn panels_at_once<L: Lanes, const I: usize, const XP: usize, const P: usize, const R: usize>(
    x: &[Row<L::Elem>; XP],
    weight: &[[impl Stored<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    (p, step): (usize, usize),
    end: usize,
    finish: &mut impl FnMut(usize, L),
) {
    let place: [usize; R] = core::array::from_fn(|r| p + r * step);
    let panels: [&[_; I]; R] = core::array::from_fn(|r| &weight[place[r].min(end - 1)]);
    let mut sums: [L; R] = core::array::from_fn(|r| match bias {
        Some(bias) => L::load(&bias[place[r].min(end - 1)]),
        None => L::zero(),
    });
    for (i, value) in x.as_flattened().iter().enumerate().take(I) {
        for r in 0..R {
            sums[r] = sums[r].add_mul(*value, panels[r][i].load::<L>());
        }
    }
    for (p, sum) in place.into_iter().zip(sums) {
        if p < end {
            finish(p, sum);
        }
    }
}

/// [`single`] at some positions of one sample, `I` features each, one after the other. `finish` is given a row of the `O`
/// outputs of all positions, one after the other. Where these are not whole rows it is given all positions.
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
    weight: &[[impl Stored<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    positions: Range<usize>,
    mut finish: impl FnMut(usize, L),
) {
    let (x, _) = x.as_flattened().as_chunks::<I>();
    let x = &x[..positions.end];
    if O.is_multiple_of(LANES) {
        // Each sum is a whole row of the outputs.
        all_positions::<L, I, P>(
            x,
            weight,
            bias,
            positions.start,
            #[inline(always)]
            |t, p, sum| finish(t * P + p, sum),
        );
        return;
    }
    assert!(positions.start == 0, "a row belongs to one position");
    let mut y = [[L::Elem::ZERO; LANES]; YP];
    all_positions::<L, I, P>(
        x,
        weight,
        bias,
        0,
        #[inline(always)]
        |t, p, sum| store_at(sum, &mut y, t * O + p * LANES, O - p * LANES),
    );
    for (p, row) in y.iter().enumerate() {
        finish(p, L::load(row));
    }
}

/// The positions from `first` on. `finish` is given position, panel and sixteen outputs.
#[inline(always)]
fn all_positions<L: Lanes, const I: usize, const P: usize>(
    x: &[[L::Elem; I]],
    weight: &[[impl Stored<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    first: usize,
    mut finish: impl FnMut(usize, usize, L),
) {
    let mut p = 0;
    while L::IS_WIDE && p + 2 <= P {
        positions_at_once::<L, I, P, 8, 2>(x, weight, bias, first, p, &mut finish);
        p += 2;
    }
    while p < P {
        if L::IS_WIDE {
            positions_at_once::<L, I, P, 8, 1>(x, weight, bias, first, p, &mut finish);
        } else {
            positions_at_once::<L, I, P, 4, 1>(x, weight, bias, first, p, &mut finish);
        }
        p += 1;
    }
}

/// All positions from `first` on of `C` panels, `T` at a time, which share a load of the weights.
#[inline(always)]
fn positions_at_once<L: Lanes, const I: usize, const P: usize, const T: usize, const C: usize>(
    x: &[[L::Elem; I]],
    weight: &[[impl Stored<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    first: usize,
    p: usize,
    finish: &mut impl FnMut(usize, usize, L),
) {
    let panels: [&[_; I]; C] = core::array::from_fn(|c| &weight[p + c]);
    let start: [L; C] = core::array::from_fn(|c| bias.map_or(L::zero(), |bias| L::load(&bias[p + c])));
    for from in (first..x.len()).step_by(T) {
        // Behind the last position the last is repeated; nobody asks for those sums.
        let at_once: [&[L::Elem; I]; T] = core::array::from_fn(|t| &x[(from + t).min(x.len() - 1)]);
        let mut sums = [start; T];
        for i in 0..I {
            let rows: [L; C] = core::array::from_fn(|c| panels[c][i].load::<L>());
            for t in 0..T {
                let factor = at_once[t][i];
                for c in 0..C {
                    sums[t][c] = sums[t][c].add_mul(factor, rows[c]);
                }
            }
        }
        for (t, sums) in sums.into_iter().enumerate().take(x.len() - from) {
            for (c, sum) in sums.into_iter().enumerate() {
                finish(from + t, p + c, sum);
            }
        }
    }
}
