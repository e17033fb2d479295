//! Attention: for each head and query the mean of the values, weighted by the softmax of query and key.
//!
//! Values are `[groups][T * row]` rows over sixteen samples: each sample has scores of its own, so that all products are
//! of lanes with lanes. Queries, keys and values may lie side by side in one array: [`Sizes`] says where. `R` queries are
//! taken at once, whose scores are all that is kept; the backward pass computes them again. Sums over features, keys and
//! queries each run from the first to the last, whatever `R` is.
//!
//! A mask has one number a key and sample: keys where it is 0 have weight 0. Where that is so of all keys that a query
//! sees, all of its weights are 0, and what it gives is 0.

// Several arrays are indexed with one counter; iterators over them would hide the tile.
#![allow(clippy::needless_range_loop)]

use core::ops::Range;

use super::pack::{load_at, store_at};
use crate::element::Element;
use crate::lanes::{Aligned, LANES, Lanes, Row};

/// Shapes of an attention, all known when a model is compiled.
#[derive(Debug, Clone, Copy)]
pub struct Sizes {
    /// Positions that ask.
    pub queries: usize,
    /// Positions that are asked.
    pub keys: usize,
    /// Heads.
    pub heads: usize,
    /// Features of a head.
    pub head: usize,
    /// Features of a position where the queries lie, and the first of them.
    pub query: (usize, usize),
    /// Features of a position where keys and values lie, the first of the keys, and the first of the values.
    pub memory: (usize, usize, usize),
    /// Whether a query looks at no key behind its own position.
    pub is_causal: bool,
    /// The probability with which a weight is dropped, where draws are given.
    pub dropped: f64,
}

impl Sizes {
    /// Keys that query `i` looks at.
    #[inline(always)]
    fn seen(self, i: usize) -> usize {
        if self.is_causal { self.keys.min(i + 1) } else { self.keys }
    }

    /// Draws of a sample: one for each head, query and key.
    #[inline(always)]
    fn draws(self) -> usize {
        self.heads * self.queries * self.keys
    }

    /// What scores are multiplied by: 1 / sqrt(features of a head).
    #[inline(always)]
    fn scale<L: Lanes>(self) -> L {
        L::splat(L::Elem::from_f64(1.0 / crate::math64::sqrt(self.head as f64)))
    }
}

/// Keys, or features, that share a load of the queries.
const TILE: usize = 4;

/// Rows of one position.
#[derive(Clone, Copy)]
struct Part<'a, E> {
    rows: &'a [Row<E>],
    /// Features of a position, and the first of those that are meant.
    row: usize,
    from: usize,
}

impl<'a, E> Part<'a, E> {
    #[inline(always)]
    fn at(self, position: usize, len: usize) -> &'a [Row<E>] {
        let from = position * self.row + self.from;
        &self.rows[from..from + len]
    }
}

/// Products of `R` positions of `left` from `i` on with those of `right` before `limit`, over `head` features, times
/// `scale`.
#[inline(always)]
fn products<L: Lanes, const R: usize, const S: usize>(
    left: Part<'_, L::Elem>,
    right: Part<'_, L::Elem>,
    (i, last): (usize, usize),
    limit: usize,
    head: usize,
    scale: L,
    out: &mut [[Row<L::Elem>; S]; R],
) {
    // Behind the last position it is repeated; nobody asks for those sums.
    let left: [&[Row<L::Elem>]; R] = core::array::from_fn(|r| left.at((i + r).min(last), head));
    for j in (0..limit).step_by(TILE) {
        let right: [&[Row<L::Elem>]; TILE] = core::array::from_fn(|c| right.at((j + c).min(S - 1), head));
        let mut sums = [[L::zero(); TILE]; R];
        for d in 0..head {
            let lanes: [L; TILE] = core::array::from_fn(|c| L::load(&right[c][d]));
            for r in 0..R {
                let factor = L::load(&left[r][d]);
                for c in 0..TILE {
                    sums[r][c] = factor.mul_add(lanes[c], sums[r][c]);
                }
            }
        }
        for r in 0..R {
            for c in 0..TILE.min(S - j) {
                (sums[r][c] * scale).store(&mut out[r][j + c]);
            }
        }
    }
}

/// Scores become weights: their softmax over the keys that each query sees, and 0 for those behind them.
#[inline(always)]
fn softmax<L: Lanes, const R: usize, const S: usize>(
    sizes: Sizes,
    i: usize,
    limit: usize,
    mask: Option<&[Row<L::Elem>; S]>,
    scores: &mut [[Row<L::Elem>; S]; R],
) {
    for (r, scores) in scores.iter_mut().enumerate() {
        let (seen, hidden) = scores[..limit].split_at_mut(sizes.seen(i + r).min(limit));
        for row in hidden {
            L::zero().store(row);
        }
        if let Some(mask) = mask {
            masked_softmax::<L>(seen, mask);
            continue;
        }
        let mut largest = L::load(&seen[0]);
        for row in &*seen {
            largest = largest.max(L::load(row));
        }
        let mut sum = L::zero();
        for row in &mut *seen {
            let exp = (L::load(row) - largest).exp();
            sum = sum + exp;
            exp.store(row);
        }
        let share = L::splat(L::Elem::ONE) / sum;
        for row in seen {
            (L::load(row) * share).store(row);
        }
    }
}

/// Scores of the keys that a query sees become weights: 0 where the mask is 0.
#[inline(always)]
fn masked_softmax<L: Lanes>(seen: &mut [Row<L::Elem>], mask: &[Row<L::Elem>]) {
    let zero = L::zero();
    // The largest among keys that count: below one that does not, all exponentials could be 0.
    let least = L::splat(L::Elem::from_f64(LEAST));
    let mut largest = least;
    for (row, mask) in seen.iter().zip(mask) {
        largest = largest.max(L::select(L::load(mask).ne(zero), L::load(row), least));
    }
    let mut sum = zero;
    for (row, mask) in seen.iter_mut().zip(mask) {
        let exp = L::select(L::load(mask).ne(zero), (L::load(row) - largest).exp(), zero);
        sum = sum + exp;
        exp.store(row);
    }
    // The largest of those that count is 1 in the sum: it is 0 where there are none.
    let share = L::select(sum.gt(zero), L::splat(L::Elem::ONE) / sum, zero);
    for row in seen {
        (L::load(row) * share).store(row);
    }
}

/// Below every score.
const LEAST: f64 = -1e30;

/// What a weight, or its gradient, is multiplied by: 0 where it is dropped. One draw for each head, query and key.
#[inline(always)]
fn kept<L: Lanes>(draws: Option<&[Row<L::Elem>]>, at: usize, dropped: f64) -> L {
    let Some(draws) = draws else { return L::splat(L::Elem::ONE) };
    let limit = L::splat(L::Elem::from_f64(dropped));
    let factor = L::splat(L::Elem::from_f64(1.0 / (1.0 - dropped)));
    L::select(L::load(&draws[at]).lt(limit), L::zero(), factor)
}

/// y = softmax(q kᵀ / sqrt(head)) v, head by head. `finish` is given group, feature and sixteen samples; `mask` has a
/// number for each key of each group, 0 where the key does not count, and `draws` one from 0 to 1 for each head, query
/// and key.
#[inline(always)]
pub fn forward<L: Lanes, const Q: usize, const M: usize, const S: usize, const R: usize>(
    query: &[[Row<L::Elem>; Q]],
    memory: &[[Row<L::Elem>; M]],
    mask: Option<&[[Row<L::Elem>; S]]>,
    draws: Option<&[Row<L::Elem>]>,
    sizes: Sizes,
    mut finish: impl FnMut(usize, usize, L),
) {
    let (head, width) = (sizes.head, sizes.head * sizes.heads);
    let Aligned(weights) = &mut Aligned([[[L::Elem::ZERO; LANES]; S]; R]);
    assert!(memory.len() == query.len() && mask.is_none_or(|mask| mask.len() == query.len()));
    for g in 0..query.len() {
        let draws = draws.map(|draws| &draws[g * sizes.draws()..][..sizes.draws()]);
        for h in 0..sizes.heads {
            let [q, k, v] = parts(&query[g], &memory[g], sizes, h);
            for i in (0..sizes.queries).step_by(R) {
                let limit = sizes.seen((i + R - 1).min(sizes.queries - 1));
                let last = sizes.queries - 1;
                products::<L, R, S>(q, k, (i, last), limit, head, sizes.scale(), weights);
                softmax::<L, R, S>(sizes, i, limit, mask.map(|mask| &mask[g]), weights);
                if draws.is_some() {
                    for r in 0..R.min(sizes.queries - i) {
                        for j in 0..limit {
                            let at = (h * sizes.queries + i + r) * S + j;
                            let weight = L::load(&weights[r][j]) * kept::<L>(draws, at, sizes.dropped);
                            weight.store(&mut weights[r][j]);
                        }
                    }
                }
                for d in (0..head).step_by(TILE) {
                    let sums = mixed::<L, R, S>(weights, v, d, head, limit);
                    for r in 0..R.min(sizes.queries - i) {
                        for c in 0..TILE.min(head - d) {
                            finish(g, (i + r) * width + h * head + d + c, sums[r][c]);
                        }
                    }
                }
            }
        }
    }
}

/// Queries, keys and values of a head.
#[inline(always)]
fn parts<'a, E>(query: &'a [Row<E>], memory: &'a [Row<E>], sizes: Sizes, h: usize) -> [Part<'a, E>; 3] {
    let from = h * sizes.head;
    let (row, keys, values) = sizes.memory;
    [
        Part { rows: query, row: sizes.query.0, from: sizes.query.1 + from },
        Part { rows: memory, row, from: keys + from },
        Part { rows: memory, row, from: values + from },
    ]
}

/// Sums over keys of weight times value, for `TILE` features from `d` on.
#[inline(always)]
fn mixed<L: Lanes, const R: usize, const S: usize>(
    weights: &[[Row<L::Elem>; S]; R],
    values: Part<'_, L::Elem>,
    d: usize,
    head: usize,
    limit: usize,
) -> [[L; TILE]; R] {
    let mut sums = [[L::zero(); TILE]; R];
    for j in 0..limit {
        let value = values.at(j, head);
        let lanes: [L; TILE] = core::array::from_fn(|c| L::load(&value[(d + c).min(head - 1)]));
        for r in 0..R {
            let weight = L::load(&weights[r][j]);
            for c in 0..TILE {
                sums[r][c] = weight.mul_add(lanes[c], sums[r][c]);
            }
        }
    }
    sums
}

/// Where gradients go: those of the queries, of keys and values, or of both.
pub trait Gradients<E> {
    /// The rows of the queries' gradient.
    fn query(&mut self, group: usize) -> Option<&mut [Row<E>]>;
    /// The rows of the gradient of keys and values.
    fn memory(&mut self, group: usize) -> Option<&mut [Row<E>]>;
}

/// Queries, keys and values lie in one array.
#[derive(Debug)]
pub struct Packed<'a, E, const F: usize>(pub &'a mut [[Row<E>; F]]);

/// The gradient of the queries alone.
#[derive(Debug)]
pub struct OfQuery<'a, E, const F: usize>(pub &'a mut [[Row<E>; F]]);

/// The gradient of keys and values alone.
#[derive(Debug)]
pub struct OfMemory<'a, E, const F: usize>(pub &'a mut [[Row<E>; F]]);

impl<E, const F: usize> Gradients<E> for Packed<'_, E, F> {
    #[inline(always)]
    fn query(&mut self, group: usize) -> Option<&mut [Row<E>]> {
        Some(&mut self.0[group])
    }

    #[inline(always)]
    fn memory(&mut self, group: usize) -> Option<&mut [Row<E>]> {
        Some(&mut self.0[group])
    }
}

impl<E, const F: usize> Gradients<E> for OfQuery<'_, E, F> {
    #[inline(always)]
    fn query(&mut self, group: usize) -> Option<&mut [Row<E>]> {
        Some(&mut self.0[group])
    }

    #[inline(always)]
    fn memory(&mut self, _: usize) -> Option<&mut [Row<E>]> {
        None
    }
}

impl<E, const F: usize> Gradients<E> for OfMemory<'_, E, F> {
    #[inline(always)]
    fn query(&mut self, _: usize) -> Option<&mut [Row<E>]> {
        None
    }

    #[inline(always)]
    fn memory(&mut self, group: usize) -> Option<&mut [Row<E>]> {
        Some(&mut self.0[group])
    }
}

/// The gradients of [`forward`]. With weights p, their gradient before the softmax is p (d_p - sum(p d_p)).
///
/// Keys and values are read for every few queries, and their gradients added to. In `near` those of a head lie together,
/// if it has rows for a group: twice those of the keys, and as many again where their gradients are wanted. Where
/// positions are far apart they would drive each other out of the cache.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
pub fn backward<
    L: Lanes,
    const Q: usize,
    const M: usize,
    const O: usize,
    const S: usize,
    const R: usize,
    const N: usize,
>(
    query: &[[Row<L::Elem>; Q]],
    memory: &[[Row<L::Elem>; M]],
    d_y: &[[Row<L::Elem>; O]],
    mask: Option<&[[Row<L::Elem>; S]]>,
    draws: Option<&[Row<L::Elem>]>,
    sizes: Sizes,
    near: &mut [[Row<L::Elem>; N]],
    mut gradients: impl Gradients<L::Elem>,
) {
    let (head, width) = (sizes.head, sizes.head * sizes.heads);
    let Aligned(weights) = &mut Aligned([[[L::Elem::ZERO; LANES]; S]; R]);
    let Aligned(d_scores) = &mut Aligned([[[L::Elem::ZERO; LANES]; S]; R]);
    assert!(memory.len() == query.len() && d_y.len() == query.len());
    assert!(mask.is_none_or(|mask| mask.len() == query.len()));
    assert!(N == 0 || near.len() == query.len());
    for g in 0..query.len() {
        let draws = draws.map(|draws| &draws[g * sizes.draws()..][..sizes.draws()]);
        if let Some(rows) = gradients.memory(g)
            && N == 0
        {
            rows.fill([L::Elem::ZERO; LANES]);
        }
        for h in 0..sizes.heads {
            let [q, far_k, far_v] = parts(&query[g], &memory[g], sizes, h);
            let d = Part { rows: &d_y[g], row: width, from: h * head };
            let near: &mut [Row<L::Elem>] = if N == 0 { &mut [] } else { &mut near[g] };
            let (sources, sums) = near.split_at_mut(near.len().min(2 * S * head));
            let n_sums = if gradients.memory(g).is_some() { sums.len().min(2 * S * head) } else { 0 };
            let sums = &mut sums[..n_sums];
            let [k, v] = if N == 0 { [far_k, far_v] } else { gathered([far_k, far_v], head, sources) };
            sums.fill([L::Elem::ZERO; LANES]);
            for i in (0..sizes.queries).step_by(R) {
                let n = R.min(sizes.queries - i);
                let limit = sizes.seen(i + n - 1);
                let last = sizes.queries - 1;
                products::<L, R, S>(q, k, (i, last), limit, head, sizes.scale(), weights);
                softmax::<L, R, S>(sizes, i, limit, mask.map(|mask| &mask[g]), weights);
                let one = L::splat(L::Elem::ONE);
                products::<L, R, S>(d, v, (i, last), limit, head, one, d_scores);
                for r in 0..n {
                    let at = (h * sizes.queries + i + r) * S;
                    through_softmax::<L>(
                        &mut weights[r][..limit],
                        &mut d_scores[r][..limit],
                        draws.map(|draws| &draws[at..at + S]),
                        sizes,
                    );
                }
                if let Some(rows) = gradients.query(g) {
                    for d in (0..head).step_by(TILE) {
                        let sums = mixed::<L, R, S>(d_scores, k, d, head, limit);
                        for r in 0..n {
                            for c in 0..TILE.min(head - d) {
                                let at = (i + r) * q.row + q.from + d + c;
                                sums[r][c].store(&mut rows[at]);
                            }
                        }
                    }
                }
                if let Some(rows) = gradients.memory(g) {
                    let rows = if N == 0 { rows } else { &mut *sums };
                    add_outer::<L, R, S>(d_scores, q, (i, n), limit, head, rows, (k.row, k.from));
                    add_outer::<L, R, S>(weights, d, (i, n), limit, head, rows, (v.row, v.from));
                }
            }
            if let Some(rows) = gradients.memory(g)
                && N > 0
            {
                for (to, from) in [(far_k, k), (far_v, v)] {
                    for j in 0..S {
                        let sums = Part { rows: sums, ..from }.at(j, head);
                        rows[j * to.row + to.from..][..head].copy_from_slice(sums);
                    }
                }
            }
        }
    }
}

/// Keys and values of a head, one position after the other, copied to `near`.
#[inline(always)]
fn gathered<'a, E: Element>(
    parts: [Part<'_, E>; 2],
    head: usize,
    near: &'a mut [Row<E>],
) -> [Part<'a, E>; 2] {
    let len = near.len() / 2;
    for (part, near) in parts.iter().zip(near.chunks_exact_mut(len)) {
        for (j, rows) in near.chunks_exact_mut(head).enumerate() {
            rows.copy_from_slice(part.at(j, head));
        }
    }
    [0, len].map(|from| Part { rows: near, row: head, from })
}

/// Gradients of the weights of one query become those of its scores; the weights are left as they met the values, some
/// of them dropped.
#[inline(always)]
fn through_softmax<L: Lanes>(
    weights: &mut [Row<L::Elem>],
    d_scores: &mut [Row<L::Elem>],
    draws: Option<&[Row<L::Elem>]>,
    sizes: Sizes,
) {
    let mut sum = L::zero();
    for (j, (weight, d)) in weights.iter_mut().zip(d_scores.iter_mut()).enumerate() {
        if draws.is_some() {
            (L::load(d) * kept::<L>(draws, j, sizes.dropped)).store(d);
        }
        sum = L::load(weight).mul_add(L::load(d), sum);
    }
    let scale = sizes.scale::<L>();
    for (j, (weight, d)) in weights.iter_mut().zip(d_scores.iter_mut()).enumerate() {
        let p = L::load(weight);
        (p * (L::load(d) - sum) * scale).store(d);
        if draws.is_some() {
            (p * kept::<L>(draws, j, sizes.dropped)).store(weight);
        }
    }
}

/// Adds, for each key, the sum over `n` queries of factor times the query's features.
#[inline(always)]
fn add_outer<L: Lanes, const R: usize, const S: usize>(
    factors: &[[Row<L::Elem>; S]; R],
    left: Part<'_, L::Elem>,
    (i, n): (usize, usize),
    limit: usize,
    head: usize,
    out: &mut [Row<L::Elem>],
    (row, from): (usize, usize),
) {
    for d in (0..head).step_by(TILE) {
        for j in (0..limit).step_by(TILE) {
            let place =
                |b: usize, c: usize| (b < limit - j && c < head - d).then_some((j + b) * row + from + d + c);
            let mut sums = [[L::zero(); TILE]; TILE];
            for b in 0..TILE {
                for c in 0..TILE {
                    if let Some(at) = place(b, c) {
                        sums[b][c] = L::load(&out[at]);
                    }
                }
            }
            for r in 0..n {
                let features = left.at(i + r, head);
                let lanes: [L; TILE] = core::array::from_fn(|c| L::load(&features[(d + c).min(head - 1)]));
                for b in 0..TILE {
                    let factor = L::load(&factors[r][(j + b).min(S - 1)]);
                    for c in 0..TILE {
                        sums[b][c] = factor.mul_add(lanes[c], sums[b][c]);
                    }
                }
            }
            for b in 0..TILE {
                for c in 0..TILE {
                    if let Some(at) = place(b, c) {
                        sums[b][c].store(&mut out[at]);
                    }
                }
            }
        }
    }
}

/// [`forward`] of one sample: features of all positions one after the other. `K` rows hold as many numbers as there are
/// keys. What comes of the queries `of` is written to `y`, which begins with the first of them.
#[inline(always)]
pub fn single<L: Lanes, const K: usize>(
    query: &[Row<L::Elem>],
    memory: &[Row<L::Elem>],
    mask: Option<&[Row<L::Elem>]>,
    sizes: Sizes,
    of: Range<usize>,
    y: &mut [Row<L::Elem>],
) {
    assert!(of.end <= sizes.queries);
    if L::IS_WIDE {
        queries_at_once::<L, K, 8>(query, memory, mask, sizes, of, y);
    } else {
        queries_at_once::<L, K, 4>(query, memory, mask, sizes, of, y);
    }
}

/// `R` queries share what is loaded of keys and values.
#[inline(always)]
fn queries_at_once<L: Lanes, const K: usize, const R: usize>(
    query: &[Row<L::Elem>],
    memory: &[Row<L::Elem>],
    mask: Option<&[Row<L::Elem>]>,
    sizes: Sizes,
    of: Range<usize>,
    y: &mut [Row<L::Elem>],
) {
    let width = sizes.head * sizes.heads;
    for h in 0..sizes.heads {
        for i in of.clone().step_by(R) {
            let limit = sizes.seen((i + R).min(of.end) - 1);
            let mut weights = single_scores::<L, K, R>(query, memory, sizes, (h, i), limit);
            let mut shares = [L::zero(); R];
            for (r, weights) in weights.iter_mut().enumerate().take(of.end - i) {
                shares[r] =
                    single_softmax::<L>(&mut weights[..limit.div_ceil(LANES)], sizes.seen(i + r), mask);
            }
            let values = sizes.memory.2 + h * sizes.head;
            for d in (0..sizes.head).step_by(LANES) {
                let mut sums = [L::zero(); R];
                for j in 0..limit {
                    let value = load_at::<L>(memory, j * sizes.memory.0 + values + d, sizes.head - d);
                    for r in 0..R {
                        sums[r] = sums[r].add_mul(weights[r].as_flattened()[j], value);
                    }
                }
                for r in 0..R.min(of.end - i) {
                    let at = (i + r - of.start) * width + h * sizes.head + d;
                    store_at(sums[r] * shares[r], y, at, sizes.head - d);
                }
            }
        }
    }
}

/// Scores of head `h` and the queries from `i` on, for all keys before `limit` and those that fill their row. Lanes are
/// keys; behind the last query it is repeated.
#[inline(always)]
fn single_scores<L: Lanes, const K: usize, const R: usize>(
    query: &[Row<L::Elem>],
    memory: &[Row<L::Elem>],
    sizes: Sizes,
    (h, i): (usize, usize),
    limit: usize,
) -> [[Row<L::Elem>; K]; R] {
    let (queries, keys) = (sizes.query.1 + h * sizes.head, sizes.memory.1 + h * sizes.head);
    let scale = sizes.scale::<L>();
    let mut scores = [[[L::Elem::ZERO; LANES]; K]; R];
    for p in 0..limit.div_ceil(LANES) {
        let mut sums = [L::zero(); R];
        for d in (0..sizes.head).step_by(LANES) {
            // Loops, as closures would be functions without the instructions.
            let mut features = [L::zero(); LANES];
            for (c, features) in features.iter_mut().enumerate() {
                let key = (p * LANES + c).min(sizes.keys - 1);
                *features = load_at(memory, key * sizes.memory.0 + keys + d, sizes.head - d);
            }
            L::transpose(&mut features);
            // Behind the last feature both are 0.
            let mut asked = [[L::Elem::ZERO; LANES]; R];
            for r in 0..R {
                let at = (i + r).min(sizes.queries - 1) * sizes.query.0 + queries + d;
                load_at::<L>(query, at, sizes.head - d).store(&mut asked[r]);
            }
            for f in 0..LANES {
                for r in 0..R {
                    sums[r] = sums[r].add_mul(asked[r][f], features[f]);
                }
            }
        }
        for r in 0..R {
            (sums[r] * scale).store(&mut scores[r][p]);
        }
    }
    scores
}

/// Scores of one query become exp(score - largest), and 0 for keys that it does not see; what they are multiplied by to be
/// weights.
#[inline(always)]
fn single_softmax<L: Lanes>(scores: &mut [Row<L::Elem>], seen: usize, mask: Option<&[Row<L::Elem>]>) -> L {
    let least = L::splat(L::Elem::from_f64(f64::NEG_INFINITY));
    let mut largest = least;
    for (p, row) in scores.iter().enumerate() {
        largest = largest.max(single_shown::<L>(p, seen, mask, L::load(row), least));
    }
    let largest = L::splat(largest.max_lane());
    let mut sum = L::zero();
    for (p, row) in scores.iter_mut().enumerate() {
        let exp = single_shown::<L>(p, seen, mask, (L::load(row) - largest).exp(), L::zero());
        sum = sum + exp;
        exp.store(row);
    }
    // The largest of those that count is 1 in the sum: it is 0 where there are none.
    let sum = L::splat(sum.sum());
    L::select(sum.eq(L::zero()), L::zero(), L::splat(L::Elem::ONE) / sum)
}

/// The numbers of row `p` whose keys a query sees, and `other` in place of those of the others.
#[inline(always)]
fn single_shown<L: Lanes>(p: usize, seen: usize, mask: Option<&[Row<L::Elem>]>, value: L, other: L) -> L {
    let value = L::select(L::first(LANES.min(seen.saturating_sub(p * LANES))), value, other);
    match mask {
        Some(mask) => L::select(L::load(&mask[p]).ne(L::zero()), value, other),
        None => value,
    }
}
