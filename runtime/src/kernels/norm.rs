//! Means and variances: of a batch, channel by channel, and of blocks of each sample.
//!
//! Values are `[groups][features]` rows over sixteen samples: what is of a batch is given all of its groups, what treats
//! each sample by itself may be given a part of them. A channel is `features / channels` neighbouring features.
//! Sums over a batch run over the groups, then over the channel's features, then over lanes; a sample whose scale is 0
//! is padding and does not count.

use crate::element::Element;
use crate::lanes::{LANES, Lanes, Row};

/// 1 for samples, 0 for padding.
#[inline(always)]
fn mask<L: Lanes>(scale: &Row<L::Elem>) -> L {
    let one = L::splat(L::Elem::from_f64(1.0));
    L::select(L::load(scale).ne(L::zero()), one, L::zero())
}

/// Values of a channel that count in a batch.
#[inline(always)]
fn count<L: Lanes>(scale: &[[Row<L::Elem>; 1]], inner: usize) -> L {
    let mut samples = L::zero();
    for group in scale {
        samples = samples + mask::<L>(&group[0]);
    }
    L::splat(samples.sum()) * L::splat(L::Elem::from_f64(inner as f64))
}

/// The mean of each of `C` channels over a batch: `mean[c]`, the same in all lanes.
#[inline(always)]
pub fn batch_mean<L: Lanes, const F: usize, const C: usize>(
    x: &[[Row<L::Elem>; F]],
    scale: &[[Row<L::Elem>; 1]],
    mean: &mut [[Row<L::Elem>; C]; 1],
) {
    assert!(scale.len() == x.len());
    let inner = F / C;
    let n = count::<L>(scale, inner);
    for (c, mean) in mean[0].iter_mut().enumerate() {
        let mut sum = L::zero();
        for (x, scale) in x.iter().zip(scale) {
            let mask = mask::<L>(&scale[0]);
            for row in &x[c * inner..(c + 1) * inner] {
                sum = L::load(row).mul_add(mask, sum);
            }
        }
        (L::splat(sum.sum()) / n).store(mean);
    }
}

/// The variance of each of `C` channels over a batch, divided by the number of values: `variance[c]`, the same in all
/// lanes.
#[inline(always)]
pub fn batch_variance<L: Lanes, const F: usize, const C: usize>(
    x: &[[Row<L::Elem>; F]],
    mean: &[[Row<L::Elem>; C]; 1],
    scale: &[[Row<L::Elem>; 1]],
    variance: &mut [[Row<L::Elem>; C]; 1],
) {
    assert!(scale.len() == x.len());
    let inner = F / C;
    let n = count::<L>(scale, inner);
    for (c, variance) in variance[0].iter_mut().enumerate() {
        let mean = L::load(&mean[0][c]);
        let mut sum = L::zero();
        for (x, scale) in x.iter().zip(scale) {
            let mask = mask::<L>(&scale[0]);
            for row in &x[c * inner..(c + 1) * inner] {
                let off = (L::load(row) - mean) * mask;
                sum = off.mul_add(off, sum);
            }
        }
        (L::splat(sum.sum()) / n).store(variance);
    }
}

/// The variance as an estimate of that of all data: times n / (n - 1), and as it is for one value.
#[inline(always)]
pub fn unbiased<L: Lanes, const C: usize>(
    variance: &[[Row<L::Elem>; C]; 1],
    scale: &[[Row<L::Elem>; 1]],
    inner: usize,
    estimate: &mut [[Row<L::Elem>; C]; 1],
) {
    let n = count::<L>(scale, inner);
    let one = L::splat(L::Elem::from_f64(1.0));
    let factor = L::select(n.gt(one), n / (n - one), one);
    for (variance, estimate) in variance[0].iter().zip(&mut estimate[0]) {
        (L::load(variance) * factor).store(estimate);
    }
}

/// Number `c` of a vector, in all lanes; `default` without one.
#[inline(always)]
fn of_channel<L: Lanes>(vector: Option<&[Row<L::Elem>]>, c: usize, default: L) -> L {
    vector.map_or(default, |rows| L::splat(rows[c / LANES][c % LANES]))
}

/// (x - mean) / sqrt(variance + eps), times weight plus bias, channel by channel. `finish` is given group, feature and
/// the value.
#[inline(always)]
pub fn normalize<L: Lanes, const F: usize, const C: usize>(
    x: &[[Row<L::Elem>; F]],
    mean: &[[Row<L::Elem>; C]; 1],
    variance: &[[Row<L::Elem>; C]; 1],
    eps: L::Elem,
    weight: Option<&[Row<L::Elem>]>,
    bias: Option<&[Row<L::Elem>]>,
    mut finish: impl FnMut(usize, usize, L),
) {
    let inner = F / C;
    let one = L::splat(L::Elem::ONE);
    for c in 0..C {
        let mean = L::load(&mean[0][c]);
        let share = of_channel(weight, c, one) / (L::load(&variance[0][c]) + L::splat(eps)).sqrt();
        let bias = of_channel(bias, c, L::zero());
        for (g, x) in x.iter().enumerate() {
            for (f, row) in x.iter().enumerate().skip(c * inner).take(inner) {
                finish(g, f, (L::load(row) - mean).mul_add(share, bias));
            }
        }
    }
}

/// Of each channel the sum of d_y, `sums[c]`, and that of d_y times the normalised value, `sums[C + c]`, and then of how
/// many numbers they are, `sums[2 C]`; the same in all lanes. `S` is 2 `C` + 1.
#[inline(always)]
pub fn channel_sums<L: Lanes, const F: usize, const C: usize, const S: usize>(
    x: &[[Row<L::Elem>; F]],
    mean: &[[Row<L::Elem>; C]; 1],
    variance: &[[Row<L::Elem>; C]; 1],
    scale: &[[Row<L::Elem>; 1]],
    d_y: &[[Row<L::Elem>; F]],
    eps: L::Elem,
    sums: &mut [[Row<L::Elem>; S]; 1],
) {
    assert!(scale.len() == x.len() && d_y.len() == x.len());
    let inner = F / C;
    for c in 0..C {
        let mean = L::load(&mean[0][c]);
        let (mut sum, mut product) = (L::zero(), L::zero());
        for g in 0..x.len() {
            let mask = mask::<L>(&scale[g][0]);
            let place = c * inner..(c + 1) * inner;
            for (x, d) in x[g][place.clone()].iter().zip(&d_y[g][place]) {
                let d = L::load(d) * mask;
                sum = sum + d;
                product = d.mul_add(L::load(x) - mean, product);
            }
        }
        let share = L::splat(L::Elem::ONE) / (L::load(&variance[0][c]) + L::splat(eps)).sqrt();
        L::splat(sum.sum()).store(&mut sums[0][c]);
        (L::splat(product.sum()) * share).store(&mut sums[0][C + c]);
    }
    count::<L>(scale, inner).store(&mut sums[0][2 * C]);
}

/// The gradient by x of [`normalize`] with mean and variance of the batch:
/// weight (d - mean(d) - y mean(d y)) / sqrt(variance + eps), with y the normalised value and the sums of
/// [`channel_sums`] over the whole batch, of which this may be some groups. `finish` is given group, feature and the
/// gradient, which is 0 for padding.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub fn normalize_gradient<L: Lanes, const F: usize, const C: usize, const S: usize>(
    x: &[[Row<L::Elem>; F]],
    mean: &[[Row<L::Elem>; C]; 1],
    variance: &[[Row<L::Elem>; C]; 1],
    scale: &[[Row<L::Elem>; 1]],
    d_y: &[[Row<L::Elem>; F]],
    sums: &[[Row<L::Elem>; S]; 1],
    weight: Option<&[Row<L::Elem>]>,
    eps: L::Elem,
    mut finish: impl FnMut(usize, usize, L),
) {
    assert!(scale.len() == x.len() && d_y.len() == x.len());
    let inner = F / C;
    let n = L::load(&sums[0][2 * C]);
    let one = L::splat(L::Elem::ONE);
    for c in 0..C {
        let mean = L::load(&mean[0][c]);
        let share = one / (L::load(&variance[0][c]) + L::splat(eps)).sqrt();
        let mean_d = L::load(&sums[0][c]) / n;
        // y mean(d y), as what x - mean is multiplied by.
        let slope = L::load(&sums[0][C + c]) / n * share;
        let share = share * of_channel(weight, c, one);
        for g in 0..x.len() {
            let factor = mask::<L>(&scale[g][0]) * share;
            for f in c * inner..(c + 1) * inner {
                let d = L::load(&d_y[g][f]) - mean_d;
                let off = L::load(&x[g][f]) - mean;
                finish(g, f, (-off).mul_add(slope, d) * factor);
            }
        }
    }
}

/// A vector of numbers that lie in rows of equal lanes. `finish` is given each row of sixteen numbers.
#[inline(always)]
pub fn vector_of<L: Lanes>(figures: &[Row<L::Elem>], mut finish: impl FnMut(usize, L)) {
    for (p, figures) in figures.chunks(LANES).enumerate() {
        let mut row = [L::Elem::ZERO; LANES];
        for (to, from) in row.iter_mut().zip(figures) {
            *to = from[0];
        }
        finish(p, L::load(&row));
    }
}

/// What each channel is multiplied by in prediction: weight / sqrt(variance + eps), the same in all lanes.
#[inline(always)]
pub fn folded_factor<L: Lanes, const C: usize>(
    variance: &[Row<L::Elem>],
    weight: Option<&[Row<L::Elem>]>,
    eps: L::Elem,
    factor: &mut [[Row<L::Elem>; C]; 1],
) {
    let one = L::splat(L::Elem::ONE);
    for (c, factor) in factor[0].iter_mut().enumerate() {
        let deviation = (of_channel(Some(variance), c, one) + L::splat(eps)).sqrt();
        (of_channel(weight, c, one) / deviation).store(factor);
    }
}

/// What each channel is moved by in prediction: bias - mean factor, the same in all lanes.
#[inline(always)]
pub fn folded_shift<L: Lanes, const C: usize>(
    mean: &[Row<L::Elem>],
    factor: &[[Row<L::Elem>; C]; 1],
    bias: Option<&[Row<L::Elem>]>,
    shift: &mut [[Row<L::Elem>; C]; 1],
) {
    for (c, shift) in shift[0].iter_mut().enumerate() {
        let mean = of_channel(Some(mean), c, L::zero());
        (-mean).mul_add(L::load(&factor[0][c]), of_channel(bias, c, L::zero())).store(shift);
    }
}

/// [`folded_factor`] with lanes over channels, as the code for one sample has them.
#[inline(always)]
pub fn folded_factor_one<L: Lanes, const P: usize>(
    variance: &[Row<L::Elem>; P],
    weight: Option<&[Row<L::Elem>; P]>,
    eps: L::Elem,
    factor: &mut [Row<L::Elem>; P],
) {
    for p in 0..P {
        let weight = weight.map_or(L::splat(L::Elem::ONE), |weight| L::load(&weight[p]));
        (weight / (L::load(&variance[p]) + L::splat(eps)).sqrt()).store(&mut factor[p]);
    }
}

/// [`folded_shift`] with lanes over channels, as the code for one sample has them.
#[inline(always)]
pub fn folded_shift_one<L: Lanes, const P: usize>(
    mean: &[Row<L::Elem>; P],
    factor: &[Row<L::Elem>; P],
    bias: Option<&[Row<L::Elem>; P]>,
    shift: &mut [Row<L::Elem>; P],
) {
    for p in 0..P {
        let bias = bias.map_or(L::zero(), |bias| L::load(&bias[p]));
        (-L::load(&mean[p])).mul_add(L::load(&factor[p]), bias).store(&mut shift[p]);
    }
}

/// Mean, or 0 where blocks are not centred, and 1 / sqrt(variance + eps) of the values of one block of a sample.
#[inline(always)]
fn of_block<L: Lanes>(x: &[Row<L::Elem>], centered: bool, eps: L::Elem) -> (L, L) {
    let n = L::splat(L::Elem::from_f64(x.len() as f64));
    let mut mean = L::zero();
    if centered {
        for row in x {
            mean = mean + L::load(row);
        }
        mean = mean / n;
    }
    let mut squares = L::zero();
    for row in x {
        let off = L::load(row) - mean;
        squares = off.mul_add(off, squares);
    }
    let one = L::splat(L::Elem::from_f64(1.0));
    (mean, one / (squares / n + L::splat(eps)).sqrt())
}

/// Each of `B` equal blocks of every sample with its mean taken off, if `centered`, and divided by its deviation:
/// (x - mean) / sqrt(variance + eps). `finish` is given group, feature and the value.
#[inline(always)]
pub fn block_normalize<L: Lanes, const F: usize, const B: usize>(
    x: &[[Row<L::Elem>; F]],
    centered: bool,
    eps: L::Elem,
    mut finish: impl FnMut(usize, usize, L),
) {
    let inner = F / B;
    for (g, x) in x.iter().enumerate() {
        for b in 0..B {
            let place = b * inner..(b + 1) * inner;
            let (mean, share) = of_block::<L>(&x[place.clone()], centered, eps);
            for f in place {
                finish(g, f, (L::load(&x[f]) - mean) * share);
            }
        }
    }
}

/// The gradient by x of [`block_normalize`]: (d - mean(d) - y mean(d y)) / sqrt(variance + eps), without mean(d) where
/// blocks are not centred.
#[inline(always)]
pub fn block_normalize_gradient<L: Lanes, const F: usize, const B: usize>(
    x: &[[Row<L::Elem>; F]],
    d_y: &[[Row<L::Elem>; F]],
    centered: bool,
    eps: L::Elem,
    mut finish: impl FnMut(usize, usize, L),
) {
    assert!(d_y.len() == x.len());
    let inner = F / B;
    let n = L::splat(L::Elem::from_f64(inner as f64));
    for g in 0..x.len() {
        for b in 0..B {
            let place = b * inner..(b + 1) * inner;
            let (mean, share) = of_block::<L>(&x[g][place.clone()], centered, eps);
            let (mut sum, mut product) = (L::zero(), L::zero());
            for f in place.clone() {
                let d = L::load(&d_y[g][f]);
                sum = sum + d;
                product = d.mul_add((L::load(&x[g][f]) - mean) * share, product);
            }
            let mean_d = if centered { sum / n } else { L::zero() };
            let mean_dy = product / n;
            for f in place {
                let y = (L::load(&x[g][f]) - mean) * share;
                finish(g, f, (L::load(&d_y[g][f]) - mean_d - y * mean_dy) * share);
            }
        }
    }
}

/// [`block_normalize`] of one sample in rows of sixteen features. `F` features are in the `P` rows.
#[inline(always)]
pub fn block_normalize_one<L: Lanes, const P: usize, const F: usize, const B: usize>(
    x: &[Row<L::Elem>; P],
    centered: bool,
    eps: L::Elem,
    y: &mut [Row<L::Elem>; P],
) {
    use super::pack::{load_at, store_at};
    let inner = F / B;
    let n = L::splat(L::Elem::from_f64(inner as f64));
    for b in 0..B {
        let parts = (0..inner).step_by(LANES).map(|at| (b * inner + at, inner - at));
        let mut mean = L::zero();
        if centered {
            for (at, count) in parts.clone() {
                mean = mean + load_at(x, at, count);
            }
            mean = L::splat(mean.sum()) / n;
        }
        let mut squares = L::zero();
        for (at, count) in parts.clone() {
            let off = L::select(L::first(count.min(LANES)), load_at::<L>(x, at, count) - mean, L::zero());
            squares = off.mul_add(off, squares);
        }
        let share = L::splat(L::Elem::ONE) / (L::splat(squares.sum()) / n + L::splat(eps)).sqrt();
        for (at, count) in parts {
            store_at((load_at::<L>(x, at, count) - mean) * share, y, at, count);
        }
    }
}

/// One number for several of the `len` features of one sample: feature `f` is number `f / inner % period`.
#[inline(always)]
pub fn spread_one<E: Element>(x: &[Row<E>], inner: usize, period: usize, len: usize, y: &mut [Row<E>]) {
    for (f, y) in y.as_flattened_mut()[..len].iter_mut().enumerate() {
        *y = x.as_flattened()[f / inner % period];
    }
}

/// Brings a running figure nearer to one of the batch: r <- r + momentum (value - r).
pub fn track<E: Element, const C: usize, const P: usize>(
    value: &[[Row<E>; C]; 1],
    momentum: f64,
    running: &mut [Row<E>; P],
) {
    for (value, running) in value[0].iter().zip(running.as_flattened_mut()) {
        let (new, old) = (value[0].to_f64(), running.to_f64());
        *running = E::from_f64(old + momentum * (new - old));
    }
}
