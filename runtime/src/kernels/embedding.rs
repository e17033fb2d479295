//! Rows of a table by the indices of tokens, and figures that depend on the position alone.
//!
//! | | shape | |
//! |---|---|---|
//! | tokens | `[groups][T]` rows | lanes are samples; whole numbers |
//! | table | `[W]` rows | `[V, D]`, row-major, as one vector of `V * D` numbers |
//! | y | `[groups][T * D]` rows | lanes are samples |
//!
//! A number that is not the index of a token is checked where data come in; here it is brought to the nearest one.

// Several arrays are indexed with one counter; iterators over them would hide the tile.
#![allow(clippy::needless_range_loop)]

use super::pack::{load_at, store_at};
use crate::element::Element;
use crate::lanes::{LANES, Lanes, Row};

/// The token that a number names: NaN and what is below 0 are the first, what is too large the last.
#[inline(always)]
fn token<E: Element, const V: usize>(value: E) -> usize {
    (value.to_f64() as usize).min(V - 1)
}

/// y\[t\] = table\[token t\], for `V` tokens of `D` features. `finish` is given group, feature and sixteen samples.
#[inline(always)]
pub fn forward<L: Lanes, const T: usize, const V: usize, const D: usize, const W: usize>(
    tokens: &[[Row<L::Elem>; T]],
    table: &[Row<L::Elem>; W],
    mut finish: impl FnMut(usize, usize, L),
) {
    for (g, group) in tokens.iter().enumerate() {
        for (t, row) in group.iter().enumerate() {
            for start in (0..D).step_by(LANES) {
                let mut square: [L; LANES] = core::array::from_fn(|lane| {
                    load_at(table, token::<_, V>(row[lane]) * D + start, D - start)
                });
                L::transpose(&mut square);
                for (d, value) in square.into_iter().enumerate().take(D - start) {
                    finish(g, t * D + start + d, value);
                }
            }
        }
    }
}

/// [`forward`] of one sample: the `D` features of all positions, one after the other.
#[inline(always)]
pub fn single<E: Element, const T: usize, const V: usize, const D: usize>(
    tokens: &[Row<E>],
    table: &[Row<E>],
    y: &mut [Row<E>],
) {
    let table = table.as_flattened();
    let tokens = tokens.as_flattened();
    for (features, value) in y.as_flattened_mut()[..T * D].chunks_exact_mut(D).zip(tokens) {
        let from = token::<E, V>(*value) * D;
        features.copy_from_slice(&table[from..from + D]);
    }
}

/// The gradient of the table: each row is the sum of the gradients of the positions that named its token, in the order
/// of group, position and sample. `rows` is the gradient turned round, with a row for each position of each sample; only
/// the first `N` samples count.
#[inline(always)]
pub fn table_gradient<
    L: Lanes,
    const T: usize,
    const V: usize,
    const D: usize,
    const P: usize,
    const S: usize,
    const N: usize,
    const W: usize,
>(
    tokens: &[[Row<L::Elem>; T]],
    rows: &[[Row<L::Elem>; S]; P],
    sums: &mut [Row<L::Elem>; W],
) {
    *sums = [[L::Elem::ZERO; LANES]; W];
    for (g, group) in tokens.iter().enumerate() {
        for (t, row) in group.iter().enumerate() {
            for lane in 0..LANES.min(N.saturating_sub(g * LANES)) {
                let from = token::<_, V>(row[lane]) * D;
                for (p, panel) in rows.iter().enumerate() {
                    let (at, count) = (from + p * LANES, D - p * LANES);
                    let gradient = L::load(&panel[(g * T + t) * LANES + lane]);
                    store_at(load_at::<L>(sums, at, count) + gradient, sums, at, count);
                }
            }
        }
    }
}

/// Sines and cosines of the angles t f of up to sixteen frequencies; more are left out.
#[inline(always)]
fn waves<L: Lanes>(t: usize, frequencies: &[f64]) -> (Row<L::Elem>, Row<L::Elem>) {
    let mut angles = [L::Elem::ZERO; LANES];
    for (angle, frequency) in angles.iter_mut().zip(frequencies) {
        *angle = L::Elem::from_f64(t as f64 * frequency);
    }
    let angles = L::load(&angles);
    let (mut sines, mut cosines) = ([L::Elem::ZERO; LANES], [L::Elem::ZERO; LANES]);
    angles.sin().store(&mut sines);
    angles.cos().store(&mut cosines);
    (sines, cosines)
}

/// Sines and cosines of each position, `[T, D]`: feature 2 i of position t is sin(t f_i), the one behind it cos(t f_i).
/// `finish` is given the feature among all `T * D`, and the same number in all lanes.
#[inline(always)]
pub fn sinusoidal<L: Lanes, const T: usize, const D: usize>(
    frequencies: &[f64],
    mut finish: impl FnMut(usize, L),
) {
    for t in 0..T {
        for (chunk, frequencies) in frequencies.chunks(LANES).enumerate() {
            let (sines, cosines) = waves::<L>(t, frequencies);
            for i in 0..frequencies.len() {
                let d = 2 * (chunk * LANES + i);
                finish(t * D + d, L::splat(sines[i]));
                if d + 1 < D {
                    finish(t * D + d + 1, L::splat(cosines[i]));
                }
            }
        }
    }
}

/// [`sinusoidal`] of one sample, in rows of features.
#[inline(always)]
pub fn sinusoidal_one<L: Lanes, const T: usize, const D: usize, const Y: usize>(
    frequencies: &[f64],
    y: &mut [Row<L::Elem>; Y],
) {
    for (t, y) in y.as_flattened_mut()[..T * D].chunks_exact_mut(D).enumerate() {
        for (y, frequencies) in y.chunks_mut(2 * LANES).zip(frequencies.chunks(LANES)) {
            let (sines, cosines) = waves::<L>(t, frequencies);
            for (i, pair) in y.chunks_mut(2).enumerate() {
                for (to, wave) in pair.iter_mut().zip([sines[i], cosines[i]]) {
                    *to = wave;
                }
            }
        }
    }
}

/// What is turned of a value with positions: pairs of features, each by an angle that grows with the position.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    /// Features of a position.
    pub row: usize,
    /// How many of them are turned, from the first on.
    pub len: usize,
    /// Features of a head, whose first half pairs with its second.
    pub head: usize,
    /// Whether by the angle, or back by it.
    pub is_back: bool,
}

impl Turn {
    /// Sines and cosines of the angles of position `t`, as of [`waves`].
    #[inline(always)]
    fn waves<L: Lanes>(self, t: usize, frequencies: &[f64]) -> (Row<L::Elem>, Row<L::Elem>) {
        let (mut sines, cosines) = waves::<L>(t, frequencies);
        if self.is_back {
            (-L::load(&sines)).store(&mut sines);
        }
        (sines, cosines)
    }
}

/// Turns the features (a, b) that are half a head apart at position t by t f_i: (a cos - b sin, b cos + a sin). What is not
/// turned is handed on as it is. `finish` is given group, feature and sixteen samples.
#[inline(always)]
pub fn rotate<L: Lanes, const F: usize>(
    x: &[[Row<L::Elem>; F]],
    turn: Turn,
    frequencies: &[f64],
    mut finish: impl FnMut(usize, usize, L),
) {
    for t in 0..F / turn.row {
        let from = t * turn.row;
        for (chunk, frequencies) in frequencies.chunks(LANES).enumerate() {
            let (sines, cosines) = turn.waves::<L>(t, frequencies);
            for i in 0..frequencies.len() {
                let (sin, cos) = (L::splat(sines[i]), L::splat(cosines[i]));
                for (g, x) in x.iter().enumerate() {
                    for start in (from..from + turn.len).step_by(turn.head) {
                        let low = start + chunk * LANES + i;
                        let high = low + turn.head / 2;
                        let (a, b) = (L::load(&x[low]), L::load(&x[high]));
                        finish(g, low, a * cos - b * sin);
                        finish(g, high, b * cos + a * sin);
                    }
                }
            }
        }
        for (g, x) in x.iter().enumerate() {
            for f in from + turn.len..from + turn.row {
                finish(g, f, L::load(&x[f]));
            }
        }
    }
}

/// [`rotate`] of one sample, in rows of features.
#[inline(always)]
pub fn rotate_one<L: Lanes, const Y: usize>(
    x: &[Row<L::Elem>; Y],
    len: usize,
    turn: Turn,
    frequencies: &[f64],
    y: &mut [Row<L::Elem>; Y],
) {
    y.copy_from_slice(x);
    for t in 0..len / turn.row {
        let from = t * turn.row;
        for (chunk, frequencies) in frequencies.chunks(LANES).enumerate() {
            let (sines, cosines) = turn.waves::<L>(t, frequencies);
            let (sin, cos) = (L::load(&sines), L::load(&cosines));
            for start in (from..from + turn.len).step_by(turn.head) {
                let low = start + chunk * LANES;
                let high = low + turn.head / 2;
                let count = frequencies.len();
                let (a, b) = (load_at::<L>(x, low, count), load_at::<L>(x, high, count));
                store_at(a * cos - b * sin, y, low, count);
                store_at(b * cos + a * sin, y, high, count);
            }
        }
    }
}
