//! One sample, with lanes over outputs.

use crate::bf16::Stored;
use crate::element::Element;
use crate::kernels::pack::store_at;
use crate::kernels::tile::{NARROW, WIDE};
use crate::lanes::{LANES, Lanes, Row};

/// y = W x + b for one sample, with lanes over outputs. `finish` is given panel and sixteen outputs.
#[inline(always)]
pub fn single<L: Lanes, const I: usize, const XP: usize, const P: usize>(
    x: &[Row<L::Elem>; XP],
    weight: &[[impl Stored<L::Elem>; I]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    mut finish: impl FnMut(usize, L),
) {
    cover!(L, P, |p, R| {
        let panels: [&[_; I]; R] = core::array::from_fn(|r| &weight[if p + r < P { p + r } else { P - 1 }]);
        let mut sums: [L; R] = core::array::from_fn(|r| match bias {
            Some(bias) => L::load(&bias[if p + r < P { p + r } else { P - 1 }]),
            None => L::zero(),
        });
        for (i, value) in x.as_flattened().iter().enumerate().take(I) {
            for r in 0..R {
                sums[r] = sums[r].add_mul(*value, panels[r][i].load::<L>());
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
    weight: &[[impl Stored<L::Elem>; I]; P],
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
    weight: &[[impl Stored<L::Elem>; I]; P],
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
                let row = row.load::<L>();
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
