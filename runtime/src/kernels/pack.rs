//! Samples become lanes, and lanes samples.

use crate::element::Element;
use crate::lanes::{LANES, Lanes, Row};

/// Turns `n` samples of `F` values, one after the other, into lanes: `lanes[g][f][l]` is value `f` of sample
/// `16 (first + g) + l`, `first` being the first group of `lanes`.
///
/// Lanes behind the last sample repeat the first, so that they hold no value that the data does not. Does nothing
/// without a sample.
#[inline(always)]
pub fn rows<L: Lanes, const F: usize>(
    samples: &[L::Elem],
    n: usize,
    first: usize,
    lanes: &mut [[Row<L::Elem>; F]],
) {
    part::<L, F, F>(samples, 0, n, first, lanes);
}

/// The same of the `F` values from `at` on, of samples that are rows of `W` values.
///
/// # Panics
/// If `at + F` is beyond `W`.
#[inline(always)]
pub fn part<L: Lanes, const W: usize, const F: usize>(
    samples: &[L::Elem],
    at: usize,
    n: usize,
    first: usize,
    lanes: &mut [[Row<L::Elem>; F]],
) {
    let (samples, _) = samples.as_chunks::<W>();
    let Some(repeated) = samples.first() else { return };
    for (g, group) in lanes.iter_mut().enumerate() {
        let sample = |lane: usize| {
            let index = (first + g) * LANES + lane;
            let row = if index < n { samples.get(index).unwrap_or(repeated) } else { repeated };
            &row[at..at + F]
        };
        for start in (0..F / LANES * LANES).step_by(LANES) {
            let mut square = [L::zero(); LANES];
            for (lane, row) in square.iter_mut().enumerate() {
                if let Some(values) = sample(lane)[start..].first_chunk() {
                    *row = L::load(values);
                }
            }
            L::transpose(&mut square);
            for (row, values) in group[start..].iter_mut().zip(square) {
                values.store(row);
            }
        }
        for (f, row) in group.iter_mut().enumerate().skip(F / LANES * LANES) {
            for (lane, value) in row.iter_mut().enumerate() {
                *value = sample(lane)[f];
            }
        }
    }
}

/// Turns lanes into the first `n` samples of `F` values, one after the other.
#[inline(always)]
pub fn unpack<L: Lanes, const F: usize>(lanes: &[[Row<L::Elem>; F]], n: usize, samples: &mut [L::Elem]) {
    let (samples, _) = samples.as_chunks_mut::<F>();
    let n = n.min(samples.len());
    for (group, samples) in lanes.iter().zip(samples[..n].chunks_mut(LANES)) {
        for start in (0..F / LANES * LANES).step_by(LANES) {
            let mut square = [L::zero(); LANES];
            for (lanes, row) in square.iter_mut().zip(&group[start..]) {
                *lanes = L::load(row);
            }
            L::transpose(&mut square);
            for (sample, values) in samples.iter_mut().zip(square) {
                if let Some(row) = sample[start..].first_chunk_mut() {
                    values.store(row);
                }
            }
        }
        for (lane, sample) in samples.iter_mut().enumerate() {
            for f in F / LANES * LANES..F {
                sample[f] = group[f][lane];
            }
        }
    }
}

/// One sample in rows of sixteen features; the last row is padded with zeros.
#[inline(always)]
pub fn vector<E: Element, const ROWS: usize>(sample: &[E]) -> [Row<E>; ROWS] {
    let mut rows = [[E::ZERO; LANES]; ROWS];
    write_vector(sample, &mut rows);
    rows
}

/// The same into rows that are there. What their padding holds stays: nobody reads it.
#[inline(always)]
pub fn write_vector<E: Element>(sample: &[E], rows: &mut [Row<E>]) {
    for (to, from) in rows.as_flattened_mut().iter_mut().zip(sample) {
        *to = *from;
    }
}

/// The sample in rows of sixteen features.
#[inline(always)]
pub fn features<E: Element, const F: usize>(rows: &[Row<E>]) -> [E; F] {
    let mut sample = [E::ZERO; F];
    read_features(rows, &mut sample);
    sample
}

/// The same into memory that is there.
#[inline(always)]
pub fn read_features<E: Element>(rows: &[Row<E>], sample: &mut [E]) {
    for (to, from) in sample.iter_mut().zip(rows.as_flattened()) {
        *to = *from;
    }
}

/// Copies `len` features of one sample, from feature `from` of `source` to feature `to` of `target`.
#[inline(always)]
pub fn copy_features<E: Element>(
    source: &[Row<E>],
    from: usize,
    target: &mut [Row<E>],
    to: usize,
    len: usize,
) {
    let source = source.as_flattened().iter().skip(from);
    for (to, from) in target.as_flattened_mut().iter_mut().skip(to).zip(source).take(len) {
        *to = *from;
    }
}

/// Up to sixteen neighbouring features of one sample, from feature `at` on; 0 in the lanes behind `count`.
#[inline(always)]
pub fn load_at<L: Lanes>(rows: &[Row<L::Elem>], at: usize, count: usize) -> L {
    let values = &rows.as_flattened()[at..];
    match values.first_chunk() {
        Some(row) if count >= LANES => L::load(row),
        _ => {
            let mut row = [L::Elem::ZERO; LANES];
            for (to, from) in row.iter_mut().zip(values).take(count) {
                *to = *from;
            }
            L::load(&row)
        }
    }
}

/// One feature of one sample, in all lanes.
#[inline(always)]
pub fn splat<L: Lanes>(rows: &[Row<L::Elem>], at: usize) -> L {
    L::splat(rows.as_flattened()[at])
}

/// Sixteen features of a value that repeats the same `period` numbers, from feature `from` on.
#[inline(always)]
pub fn load_repeated<L: Lanes>(numbers: &[Row<L::Elem>], from: usize, period: usize) -> L {
    let numbers = numbers.as_flattened();
    let row: Row<L::Elem> = core::array::from_fn(|lane| numbers[(from + lane) % period]);
    L::load(&row)
}

/// Stores up to sixteen neighbouring features of one sample, from feature `at` on; lanes behind `count` are left out.
#[inline(always)]
pub fn store_at<L: Lanes>(lanes: L, rows: &mut [Row<L::Elem>], at: usize, count: usize) {
    let values = &mut rows.as_flattened_mut()[at..];
    match values.first_chunk_mut() {
        Some(row) if count >= LANES => lanes.store(row),
        _ => {
            let mut row = [L::Elem::ZERO; LANES];
            lanes.store(&mut row);
            for (to, from) in values.iter_mut().zip(row).take(count) {
                *to = from;
            }
        }
    }
}

/// Classes as lanes, one for each of `T` positions of a sample; behind the last sample the first is repeated.
#[inline(always)]
pub fn classes<E: Element, const T: usize>(classes: &[u32], n: usize, lanes: &mut [[Row<E>; T]]) {
    let (samples, _) = classes.as_chunks::<T>();
    let Some(first) = samples.first() else { return };
    for (g, group) in lanes.iter_mut().enumerate() {
        for (t, row) in group.iter_mut().enumerate() {
            for (lane, value) in row.iter_mut().enumerate() {
                let index = g * LANES + lane;
                let sample = if index < n { samples.get(index).unwrap_or(first) } else { first };
                *value = E::from_f64(f64::from(sample[t]));
            }
        }
    }
}

/// What each sample counts: `value` for the first `n`, 0 for the padding behind them.
#[inline(always)]
pub fn scale<E: Element>(n: usize, value: E, rows: &mut [Row<E>]) {
    for (index, lane) in rows.as_flattened_mut().iter_mut().enumerate() {
        *lane = if index < n { value } else { E::ZERO };
    }
}

/// Values of which one may be asked whether it is a number, whatever their shape.
pub trait Finite {
    /// Whether every value is finite.
    fn is_finite(&self) -> bool;
}

impl<E: Element, const F: usize, const G: usize> Finite for [[Row<E>; F]; G] {
    fn is_finite(&self) -> bool {
        self.as_flattened().as_flattened().iter().all(|value| value.is_finite())
    }
}
