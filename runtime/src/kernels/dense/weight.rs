//! The gradients of weight and bias, and turning d_y round for them.

use core::ops::Range;

use crate::element::Element;
use crate::kernels::ahead::fetch_after;
use crate::kernels::tile::{NARROW, WIDE, each};
use crate::lanes::{Aligned, LANES, Lanes, Row};

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
///
/// Rows come first, in this order, so that each is a line of the cache.
#[repr(C, align(64))]
struct Far<E> {
    /// Gradients of a few groups, lanes over outputs.
    turned: [[[Row<E>; LANES]; TURNED]; TOGETHER],
    /// Sums of inputs.
    kept: [[Row<E>; TOGETHER]; KEPT],
    /// Sums of gradients, lanes over samples.
    summed: [[Row<E>; LANES]; TOGETHER],
    /// Whether anybody asks for them.
    adds_up: bool,
}

/// [`weight_gradient`] of d_y as it lies, summed over `TI / I` positions of each of the first `N` samples too, where all
/// of it turned round would be far from the processor. `panels` are those of the weight that are computed, and `finish`
/// counts from the first.
///
/// `bias` is given the gradients of the bias on the way, a row for each panel, as [`far_bias_gradient`] makes them; it is
/// empty where nobody asks for them.
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
    bias: &mut [Row<L::Elem>],
    mut finish: impl FnMut(usize, usize, L),
) {
    assert!(bias.is_empty() || bias.len() >= panels.len());
    let positions = TI / I;
    // All groups that hold samples: their number is a constant.
    let groups = N.div_ceil(LANES) * positions;
    let x = &x.as_flattened().as_chunks().0[..groups];
    let d_y = &d_y.as_flattened().as_chunks().0[..groups];
    let mut far = Far {
        turned: [[[[L::Elem::ZERO; LANES]; LANES]; TURNED]; TOGETHER],
        kept: [[[L::Elem::ZERO; LANES]; TOGETHER]; KEPT],
        summed: [[[L::Elem::ZERO; LANES]; LANES]; TOGETHER],
        adds_up: !bias.is_empty(),
    };
    let mut p = panels.start;
    while p < panels.end {
        let place = (p, p - panels.start);
        let n = if p + TOGETHER <= panels.end { TOGETHER } else { 1 };
        match (n, L::IS_WIDE) {
            (1, _) => far_panels::<L, I, O, N, 1, 1>(x, d_y, positions, place, &mut far, &mut finish),
            (_, true) => {
                far_panels::<L, I, O, N, TOGETHER, 2>(x, d_y, positions, place, &mut far, &mut finish)
            }
            (_, false) => {
                far_panels::<L, I, O, N, TOGETHER, 1>(x, d_y, positions, place, &mut far, &mut finish)
            }
        }
        for (bias, sums) in bias.iter_mut().skip(place.1).zip(&far.summed[..n]) {
            sum_of_lanes::<L>(sums).store(bias);
        }
        p += n;
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
    if !I.is_multiple_of(KEPT) {
        far_inputs::<L, I, O, N, T, C>(x, d_y, positions, place, (I / KEPT * KEPT, I % KEPT), far, finish);
    }
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
    let (turned, kept, summed) = (&mut far.turned[..T], &mut far.kept[..len], &mut far.summed[..T]);
    kept.fill([[L::Elem::ZERO; LANES]; TOGETHER]);
    // Once for all inputs.
    let adds_up = far.adds_up && from == 0;
    if adds_up {
        summed.fill([[L::Elem::ZERO; LANES]; LANES]);
    }
    let mut chunks = x.chunks(TURNED).zip(d_y.chunks(TURNED)).enumerate().peekable();
    while let Some((chunk, (x, d_y))) = chunks.next() {
        // What comes next is on its way while this is computed.
        let (next_x, next_d_y) = chunks.peek().map_or((&[][..], &[][..]), |(_, next)| *next);
        for (g, d_y) in d_y.iter().enumerate() {
            for (panel, turned) in turned.iter_mut().enumerate() {
                turn::<L, O>(d_y, p + panel, &mut turned[g]);
            }
        }
        if adds_up {
            add_groups::<L, O>(d_y, p, summed.as_flattened_mut());
        }
        for panel in (0..T).step_by(C) {
            cover!(L, len, |i, R| {
                if panel == 0 {
                    for x in next_x {
                        for r in 0..R {
                            fetch_after(&x[from + i], r);
                        }
                    }
                }
                if panel + C == T {
                    // As large a share of their outputs as the tile is of the inputs.
                    for d_y in next_d_y {
                        for output in i * T * LANES / len..(i + R) * T * LANES / len {
                            fetch_after(&d_y[p * LANES], output);
                        }
                    }
                }
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

/// Panels whose sums are made together: what lies together in a page of memory.
const SUMMED: usize = 4;

/// [`bias_gradient`] of d_y as it lies, as [`far_weight_gradient`]; where there is no sample d_y must be 0. It sums the
/// groups first, and what is left of each output over its sixteen samples.
#[inline(always)]
pub fn far_bias_gradient<L: Lanes, const TO: usize, const O: usize>(
    d_y: &[[Row<L::Elem>; TO]],
    panels: Range<usize>,
    mut finish: impl FnMut(usize, L),
) {
    let d_y: &[[Row<L::Elem>; O]] = d_y.as_flattened().as_chunks().0;
    let mut p = panels.start;
    while p < panels.end {
        let n = SUMMED.min(panels.end - p);
        let Aligned(summed) = &mut Aligned([[[L::Elem::ZERO; LANES]; LANES]; SUMMED]);
        for d_y in d_y.chunks(TURNED) {
            add_groups::<L, O>(d_y, p, summed[..n].as_flattened_mut());
        }
        for (panel, sums) in summed[..n].iter().enumerate() {
            finish(p - panels.start + panel, sum_of_lanes::<L>(sums));
        }
        p += n;
    }
}

/// Adds some groups, one after the other, to sums of outputs from panel `p` on.
#[inline(always)]
fn add_groups<L: Lanes, const O: usize>(d_y: &[[Row<L::Elem>; O]], p: usize, sums: &mut [Row<L::Elem>]) {
    for (sum, output) in sums.iter_mut().zip(p * LANES..O) {
        let mut total = L::load(sum);
        for group in d_y {
            total = total + L::load(&group[output]);
        }
        total.store(sum);
    }
}

/// What sixteen sums are together over their lanes.
#[inline(always)]
fn sum_of_lanes<L: Lanes>(sums: &[Row<L::Elem>; LANES]) -> L {
    let Aligned(turned) = &mut Aligned([[L::Elem::ZERO; LANES]; LANES]);
    turn::<L, LANES>(sums, 0, turned);
    let mut sum = L::load(&turned[0]);
    for row in &turned[1..] {
        sum = sum + L::load(row);
    }
    sum
}
