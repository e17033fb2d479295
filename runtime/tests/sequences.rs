//! Kernels of sequences against loops that anybody can read, in every set: products at each position, rows of tables, and
//! attention.

#![allow(clippy::needless_range_loop)]

mod numbers;

use std::ops::Range;

use nnc_runtime::__private::attention::{OfMemory, OfQuery, Packed, Sizes};
use nnc_runtime::__private::{attention, dense, embedding, entries};
use nnc_runtime::lanes::{Lanes, Row};
use nnc_runtime::{Set, Simd};
use numbers::Numbers;

type R = Row<f32>;

/// Products of `$inputs` with `$outputs` at `$positions` positions.
macro_rules! positions {
    ($name:ident: $inputs:literal to $outputs:literal at $positions:literal, groups $groups:literal, batch $batch:literal) => {
        mod $name {
            use super::*;

            const T: usize = $positions;
            const I: usize = $inputs;
            const O: usize = $outputs;
            const P: usize = O.div_ceil(16);
            const G: usize = $groups;
            const N: usize = $batch;
            const XP: usize = (T * I).div_ceil(16);
            const YP: usize = (T * O).div_ceil(16);

            #[inline(always)]
            fn forward<L: Lanes<Elem = f32>>(x: &[[R; T * I]], weight: &[[R; I]; P], bias: &[R; P], y: &mut [[R; T * O]]) {
                dense::forward_positions::<L, { T * I }, I, O, P>(x, weight, Some(bias), #[inline(always)] |g, o, z: L| z.store(&mut y[g][o]));
            }

            #[inline(always)]
            fn blocked<L: Lanes<Elem = f32>>(x: &[[R; T * I]], weight: &[[R; I]; P], bias: &[R; P], partial: &mut [[R; T * O]], y: &mut [[R; T * O]]) {
                dense::forward_blocked_positions::<L, { T * I }, { T * O }, I, O, P, 4, _>(x, weight, Some(bias), partial, #[inline(always)] |g, o, z: L| z.store(&mut y[g][o]));
            }

            #[inline(always)]
            fn back<L: Lanes<Elem = f32>>(d_y: &[[R; T * O]], weight: &[[R; I]; P], d_x: &mut [[R; T * I]]) {
                dense::input_gradient_positions::<L, { T * O }, I, O, P>(d_y, weight, #[inline(always)] |g, i, z: L| z.store(&mut d_x[g][i]));
            }

            #[inline(always)]
            fn back_blocked<L: Lanes<Elem = f32>>(d_y: &[[R; T * O]], weight: &[[R; I]; P], partial: &mut [[R; T * I]], d_x: &mut [[R; T * I]]) {
                dense::input_gradient_blocked_positions::<L, { T * I }, { T * O }, I, O, P, 1, _>(d_y, weight, partial, #[inline(always)] |g, i, z: L| z.store(&mut d_x[g][i]));
            }

            #[inline(always)]
            fn weights<L: Lanes<Elem = f32>>(panels: Range<usize>, x: &[[R; T * I]], d_y: &[[R; T * O]], d_weight: &mut [[R; I]], d_bias: &mut [R], on_the_way: &mut [R]) {
                dense::far_weight_gradient::<L, { T * I }, I, { T * O }, O, N>(x, d_y, panels.clone(), on_the_way, #[inline(always)] |p, i, z: L| z.store(&mut d_weight[p][i]));
                dense::far_bias_gradient::<L, { T * O }, O>(d_y, panels, #[inline(always)] |p, z: L| z.store(&mut d_bias[p]));
            }

            #[inline(always)]
            fn single<L: Lanes<Elem = f32>>(of: Range<usize>, x: &[R; XP], weight: &[[R; I]; P], bias: &[R; P], y: &mut [R; YP]) {
                dense::single_positions::<L, I, O, XP, P, YP>(x, weight, Some(bias), of, #[inline(always)] |p, z: L| z.store(&mut y[p]));
            }

            entries! {
                f32;
                Forward<'a> = forward(x: &'a [[R; T * I]], weight: &'a [[R; I]; P], bias: &'a [R; P], y: &'a mut [[R; T * O]]);
                Blocked<'a> = blocked(x: &'a [[R; T * I]], weight: &'a [[R; I]; P], bias: &'a [R; P], partial: &'a mut [[R; T * O]], y: &'a mut [[R; T * O]]);
                Back<'a> = back(d_y: &'a [[R; T * O]], weight: &'a [[R; I]; P], d_x: &'a mut [[R; T * I]]);
                BackBlocked<'a> = back_blocked(d_y: &'a [[R; T * O]], weight: &'a [[R; I]; P], partial: &'a mut [[R; T * I]], d_x: &'a mut [[R; T * I]]);
                Weights<'a> = weights(panels: Range<usize>, x: &'a [[R; T * I]], d_y: &'a [[R; T * O]], d_weight: &'a mut [[R; I]], d_bias: &'a mut [R], on_the_way: &'a mut [R]);
                Single<'a> = single(of: Range<usize>, x: &'a [R; XP], weight: &'a [[R; I]; P], bias: &'a [R; P], y: &'a mut [R; YP]);
            }

            #[test]
            fn products_at_positions() {
                let mut numbers = Numbers(11);
                let (x, mut d_y) = (numbers.rows::<{ T * I }, G>(), numbers.rows::<{ T * O }, G>());
                let (weight, bias) = (numbers.rows::<I, P>(), numbers.rows::<P, 1>());
                // Padding has no gradient.
                for g in 0..G {
                    for row in &mut d_y[g] {
                        for lane in 0..16 {
                            if 16 * g + lane >= N {
                                row[lane] = 0.0;
                            }
                        }
                    }
                }
                let w = |o: usize, i: usize| weight[o / 16][i][o % 16];
                for simd in Set::ALL.map(Simd::up_to) {
                    let (mut y, mut again) = (numbers.rows::<{ T * O }, G>(), numbers.rows::<{ T * O }, G>());
                    let mut partial = numbers.rows::<{ T * O }, G>();
                    simd.run(Forward(&*x, &weight, &bias[0], &mut *y));
                    let mut part = numbers.rows::<{ T * O }, G>();
                    for g in 0..G {
                        simd.run(Forward(&x[g..=g], &weight, &bias[0], &mut part[g..=g]));
                    }
                    assert!(part == y, "{simd:?}: group by group");
                    for g in 0..G {
                        simd.run(Blocked(&x[g..=g], &weight, &bias[0], &mut partial[g..=g], &mut part[g..=g]));
                    }
                    simd.run(Blocked(&*x, &weight, &bias[0], &mut *partial, &mut *again));
                    assert!(part == again, "{simd:?}: group by group");
                    let mut d_x = numbers.rows::<{ T * I }, G>();
                    let (mut d_again, mut partial) = (numbers.rows::<{ T * I }, G>(), numbers.rows::<{ T * I }, G>());
                    simd.run(Back(&*d_y, &weight, &mut *d_x));
                    let mut part = numbers.rows::<{ T * I }, G>();
                    for g in 0..G {
                        simd.run(Back(&d_y[g..=g], &weight, &mut part[g..=g]));
                    }
                    assert!(part == d_x, "{simd:?}: group by group");
                    for g in 0..G {
                        simd.run(BackBlocked(&d_y[g..=g], &weight, &mut partial[g..=g], &mut part[g..=g]));
                    }
                    simd.run(BackBlocked(&*d_y, &weight, &mut *partial, &mut *d_again));
                    assert!(part == d_again, "{simd:?}: group by group");
                    let (mut d_weight, mut d_bias) = (numbers.rows::<I, P>(), [[1.0; 16]; P]);
                    let mut on_the_way = [[3.0; 16]; P];
                    simd.run(Weights(0..P, &*x, &*d_y, &mut *d_weight, &mut d_bias, &mut on_the_way));
                    assert!(on_the_way == d_bias, "{simd:?}: with the weight's gradient");
                    for part in 0..=P {
                        let (mut again, mut bias_again) = (numbers.rows::<I, P>(), [[2.0; 16]; P]);
                        for panels in [0..part, part..P] {
                            let (bias, part) = (&mut bias_again[panels.clone()], &mut on_the_way[panels.clone()]);
                            part.fill([4.0; 16]);
                            simd.run(Weights(panels.clone(), &*x, &*d_y, &mut again[panels], bias, part));
                        }
                        let is_same = again == d_weight && bias_again == d_bias && on_the_way == d_bias;
                        assert!(is_same, "{simd:?}: {part} panels and the rest");
                        simd.run(Weights(0..P, &*x, &*d_y, &mut *again, &mut bias_again, &mut []));
                        assert!(again == d_weight, "{simd:?}: without the bias");
                    }
                    for g in 0..G {
                        for t in 0..T {
                            for lane in 0..16 {
                                for o in 0..O {
                                    let sum = (0..I).fold(bias[0][o / 16][o % 16], |sum, i| w(o, i).mul_add(x[g][t * I + i][lane], sum));
                                    assert_eq!(y[g][t * O + o][lane].to_bits(), sum.to_bits(), "{simd:?} y[{g}][{t}][{o}]");
                                    assert_eq!(again[g][t * O + o][lane].to_bits(), sum.to_bits(), "{simd:?} blocked y[{g}][{t}][{o}]");
                                }
                                for i in 0..I {
                                    let sum = (0..O).fold(0.0f32, |sum, o| w(o, i).mul_add(d_y[g][t * O + o][lane], sum));
                                    assert_eq!(d_x[g][t * I + i][lane].to_bits(), sum.to_bits(), "{simd:?} d_x[{g}][{t}][{i}]");
                                    assert_eq!(d_again[g][t * I + i][lane].to_bits(), sum.to_bits(), "{simd:?} blocked d_x[{g}][{t}][{i}]");
                                }
                            }
                        }
                    }
                    for o in 0..O {
                        // Over groups and positions first, then over samples.
                        let of_output = |lane: usize| d_y.iter().flat_map(move |group| (0..T).map(move |t| group[t * O + o][lane]));
                        let sum = |lane| of_output(lane).fold(0.0f32, |sum, d| sum + d);
                        let sum = (1..16).fold(sum(0), |all, lane| all + sum(lane));
                        assert_eq!(d_bias[o / 16][o % 16].to_bits(), sum.to_bits(), "{simd:?} d_bias[{o}]");
                        for i in 0..I {
                            let mut sum = 0.0f32;
                            for g in 0..G {
                                for t in 0..T {
                                    for lane in 0..16.min(N - 16 * g) {
                                        sum = x[g][t * I + i][lane].mul_add(d_y[g][t * O + o][lane], sum);
                                    }
                                }
                            }
                            assert_eq!(d_weight[o / 16][i][o % 16].to_bits(), sum.to_bits(), "{simd:?} d_weight[{o}][{i}]");
                        }
                    }
                    let (x, mut y) = (numbers.rows::<XP, 1>(), numbers.rows::<YP, 1>());
                    simd.run(Single(0..T, &x[0], &weight, &bias[0], &mut y[0]));
                    // Where a position is whole rows.
                    for part in (0..=T).filter(|_| O % 16 == 0) {
                        let mut parts = [[1.0; 16]; YP];
                        simd.run(Single(0..part, &x[0], &weight, &bias[0], &mut parts));
                        simd.run(Single(part..T, &x[0], &weight, &bias[0], &mut parts));
                        assert!(parts == y[0], "{simd:?}: {part} positions and the rest");
                    }
                    let (x, y) = (x[0].as_flattened(), y[0].as_flattened());
                    for t in 0..T {
                        for o in 0..O {
                            let sum = (0..I).fold(bias[0][o / 16][o % 16], |sum, i| x[t * I + i].mul_add(w(o, i), sum));
                            assert_eq!(y[t * O + o].to_bits(), sum.to_bits(), "{simd:?} single y[{t}][{o}]");
                        }
                    }
                }
            }
        }
    };
}

positions!(odd: 5 to 19 at 3, groups 3, batch 40);
positions!(one_position: 6 to 3 at 1, groups 2, batch 17);
positions!(panels: 9 to 32 at 11, groups 1, batch 16);
// More positions than are turned round at a time, and more inputs than sums of the weights' gradient are kept of.
positions!(turned: 261 to 17 at 9, groups 2, batch 20);
positions!(kept: 530 to 35 at 9, groups 1, batch 12);

mod table {
    use super::*;

    const T: usize = 3;
    const V: usize = 5;
    const D: usize = 19;
    const W: usize = (V * D).div_ceil(16);
    const P: usize = D.div_ceil(16);
    const G: usize = 2;
    const S: usize = 16 * G * T;
    const N: usize = 21;

    #[inline(always)]
    fn forward<L: Lanes<Elem = f32>>(tokens: &[[R; T]; G], table: &[R; W], y: &mut [[R; T * D]; G]) {
        embedding::forward::<L, T, V, D, W>(
            tokens,
            table,
            #[inline(always)]
            |g, o, z: L| z.store(&mut y[g][o]),
        );
    }

    #[inline(always)]
    fn gradient<L: Lanes<Elem = f32>>(tokens: &[[R; T]; G], d_y: &[[R; T * D]; G], sums: &mut [R; W]) {
        let mut rows = [[[0.0; 16]; S]; P];
        dense::transpose_gradient_positions::<L, { T * D }, D, S>(d_y, 0, &mut rows);
        embedding::table_gradient::<L, T, V, D, P, S, N, W>(tokens, &rows, sums);
    }

    entries! {
        f32;
        Forward<'a> = forward(tokens: &'a [[R; T]; G], table: &'a [R; W], y: &'a mut [[R; T * D]; G]);
        TableGradient<'a> = gradient(tokens: &'a [[R; T]; G], d_y: &'a [[R; T * D]; G], sums: &'a mut [R; W]);
    }

    #[test]
    fn rows_are_found_and_their_gradients_added() {
        let mut numbers = Numbers(5);
        let (table, d_y) = (numbers.rows::<W, 1>(), numbers.rows::<{ T * D }, G>());
        let mut tokens = numbers.rows::<T, G>();
        tokens.as_flattened_mut().as_flattened_mut().iter_mut().for_each(|token| {
            *token = ((*token + 1.0) * 2.5).floor();
        });
        // What is no token is brought to the nearest.
        (tokens[0][0][0], tokens[0][0][1], tokens[0][0][2]) = (f32::NAN, -3.0, 1e9);
        let token = |g: usize, t: usize, lane: usize| (tokens[g][t][lane] as usize).min(V - 1);
        for simd in Set::ALL.map(Simd::up_to) {
            let (mut y, mut sums) = (numbers.rows::<{ T * D }, G>(), numbers.rows::<W, 1>());
            simd.run(Forward(&tokens, &table[0], &mut y));
            simd.run(TableGradient(&tokens, &d_y, &mut sums[0]));
            let mut expected = [0.0f32; V * D];
            for g in 0..G {
                for t in 0..T {
                    for lane in 0..16 {
                        for d in 0..D {
                            let from = token(g, t, lane) * D + d;
                            assert_eq!(y[g][t * D + d][lane], table[0].as_flattened()[from], "{simd:?}");
                            if 16 * g + lane < N {
                                expected[from] += d_y[g][t * D + d][lane];
                            }
                        }
                    }
                }
            }
            assert_eq!(sums[0].as_flattened()[..V * D], expected, "{simd:?}");
        }
    }
}

/// Attention of `$queries` positions to `$keys`, with `$heads` heads of `$head` features; `$at_once` queries at once.
macro_rules! attention {
    ($name:ident: $queries:literal to $keys:literal, $heads:literal heads of $head:literal, $at_once:literal at once, causal $causal:literal, dropped $dropped:literal, masked $masked:literal) => {
        mod $name {
            use super::*;

            const T: usize = $queries;
            const S: usize = $keys;
            const H: usize = $heads;
            const N: usize = $head;
            const D: usize = H * N;
            const G: usize = 2;
            const Q: usize = T * D;
            const M: usize = S * 2 * D;
            const Y: usize = Q.div_ceil(16);
            const SIZES: Sizes = Sizes {
                queries: T,
                keys: S,
                heads: H,
                head: N,
                query: (D, 0),
                memory: (2 * D, 0, D),
                is_causal: $causal,
                dropped: $dropped,
            };

            #[inline(always)]
            fn forward<L: Lanes<Elem = f32>>(query: &[[R; Q]], memory: &[[R; M]], mask: Option<&[[R; S]]>, draws: Option<&[R]>, y: &mut [[R; Q]]) {
                attention::forward::<L, Q, M, S, $at_once>(query, memory, mask, draws, SIZES, #[inline(always)] |g, o, z: L| z.store(&mut y[g][o]));
            }

            #[inline(always)]
            fn backward<L: Lanes<Elem = f32>>(query: &[[R; Q]], memory: &[[R; M]], d_y: &[[R; Q]], mask: Option<&[[R; S]]>, draws: Option<&[R]>, d_query: &mut [[R; Q]], d_memory: &mut [[R; M]]) {
                attention::backward::<L, Q, M, Q, S, $at_once, 0>(query, memory, d_y, mask, draws, SIZES, &mut [], OfQuery(d_query));
                attention::backward::<L, Q, M, Q, S, $at_once, 0>(query, memory, d_y, mask, draws, SIZES, &mut [], OfMemory(d_memory));
            }

            /// The same, keys and values of a head together.
            #[allow(clippy::too_many_arguments)]
            #[inline(always)]
            fn together<L: Lanes<Elem = f32>>(query: &[[R; Q]], memory: &[[R; M]], d_y: &[[R; Q]], mask: Option<&[[R; S]]>, draws: Option<&[R]>, sources: &mut [[R; 2 * S * N]], near: &mut [[R; 4 * S * N]], d_query: &mut [[R; Q]], d_memory: &mut [[R; M]]) {
                attention::backward::<L, Q, M, Q, S, $at_once, { 2 * S * N }>(query, memory, d_y, mask, draws, SIZES, sources, OfQuery(d_query));
                attention::backward::<L, Q, M, Q, S, $at_once, { 4 * S * N }>(query, memory, d_y, mask, draws, SIZES, near, OfMemory(d_memory));
            }

            #[inline(always)]
            fn single<L: Lanes<Elem = f32>>(of: Range<usize>, query: &[R], memory: &[R], mask: Option<&[R]>, y: &mut [R]) {
                attention::single::<L, { S.div_ceil(16) }>(query, memory, mask, SIZES, of, y);
            }

            entries! {
                f32;
                Forward<'a> = forward(query: &'a [[R; Q]], memory: &'a [[R; M]], mask: Option<&'a [[R; S]]>, draws: Option<&'a [R]>, y: &'a mut [[R; Q]]);
                Backward<'a> = backward(query: &'a [[R; Q]], memory: &'a [[R; M]], d_y: &'a [[R; Q]], mask: Option<&'a [[R; S]]>, draws: Option<&'a [R]>, d_query: &'a mut [[R; Q]], d_memory: &'a mut [[R; M]]);
                Together<'a> = together(query: &'a [[R; Q]], memory: &'a [[R; M]], d_y: &'a [[R; Q]], mask: Option<&'a [[R; S]]>, draws: Option<&'a [R]>, sources: &'a mut [[R; 2 * S * N]], near: &'a mut [[R; 4 * S * N]], d_query: &'a mut [[R; Q]], d_memory: &'a mut [[R; M]]);
                Single<'a> = single(of: Range<usize>, query: &'a [R], memory: &'a [R], mask: Option<&'a [R]>, y: &'a mut [R]);
            }

            /// The sum of y times d_y of one sample and head, in f64; and y.
            fn plain(counts: &dyn Fn(usize) -> bool, q: &dyn Fn(usize, usize) -> f64, k: &dyn Fn(usize, usize) -> f64, v: &dyn Fn(usize, usize) -> f64, kept: &dyn Fn(usize, usize) -> f64) -> Vec<f64> {
                let mut y = vec![0.0; T * N];
                for i in 0..T {
                    let seen = if $causal { S.min(i + 1) } else { S };
                    let score = |j: usize| (0..N).map(|d| q(i, d) * k(j, d)).sum::<f64>() / (N as f64).sqrt();
                    let exp: Vec<f64> = (0..seen).map(|j| if counts(j) { score(j).exp() } else { 0.0 }).collect();
                    let sum: f64 = exp.iter().sum();
                    for d in 0..N {
                        let mixed: f64 = (0..seen).map(|j| exp[j] * kept(i, j) * v(j, d)).sum();
                        y[i * N + d] = if sum == 0.0 { 0.0 } else { mixed / sum };
                    }
                }
                y
            }

            #[test]
            fn means_and_gradients() {
                let mut numbers = Numbers(3);
                let (query, memory) = (numbers.rows::<Q, G>(), numbers.rows::<M, G>());
                let d_y = numbers.rows::<Q, G>();
                let mut draws = numbers.rows::<{ H * T * S }, G>();
                draws.as_flattened_mut().as_flattened_mut().iter_mut().for_each(|draw| *draw = draw.abs());
                // Every third key of a sample counts for nothing, and all of those of one sample.
                let mut masks = numbers.rows::<S, G>();
                // A single position would be a remainder by 1.
                let keys = S;
                for (g, j, lane) in (0..G * keys * 16).map(|n| (n / 16 / keys, n / 16 % keys, n % 16)) {
                    let counts = (j + lane) % 3 != 0 && (g, lane) != (0, 7);
                    masks[g][j][lane] = if counts { 1.0 + j as f32 } else { 0.0 };
                }
                let mask: Option<&[[R; S]]> = $masked.then_some(&*masks);
                let given = ($dropped > 0.0).then(|| draws.as_flattened());
                let mut first: Option<(Box<[[R; Q]; G]>, Box<[[R; Q]; G]>, Box<[[R; M]; G]>)> = None;
                for simd in Set::ALL.map(Simd::up_to) {
                    let (mut y, mut d_query) = (numbers.rows::<Q, G>(), numbers.rows::<Q, G>());
                    let mut d_memory = numbers.rows::<M, G>();
                    simd.run(Forward(&*query, &*memory, mask, given, &mut *y));
                    simd.run(Backward(&*query, &*memory, &*d_y, mask, given, &mut *d_query, &mut *d_memory));
                    let all = (y, d_query, d_memory);
                    let (mut y, mut d_query) = (numbers.rows::<Q, G>(), numbers.rows::<Q, G>());
                    let mut d_memory = numbers.rows::<M, G>();
                    for g in 0..G {
                        let (query, memory, d_y) = (&query[g..=g], &memory[g..=g], &d_y[g..=g]);
                        let mask = mask.map(|mask| &mask[g..=g]);
                        let given = given.map(|draws| &draws[g * H * T * S..(g + 1) * H * T * S]);
                        simd.run(Forward(query, memory, mask, given, &mut y[g..=g]));
                        let (d_query, d_memory) = (&mut d_query[g..=g], &mut d_memory[g..=g]);
                        simd.run(Backward(query, memory, d_y, mask, given, d_query, d_memory));
                    }
                    assert!((y, d_query, d_memory) == all, "{simd:?}: group by group");
                    let (mut d_query, mut d_memory) = (numbers.rows::<Q, G>(), numbers.rows::<M, G>());
                    let (mut sources, mut near) = (numbers.rows::<{ 2 * S * N }, G>(), numbers.rows::<{ 4 * S * N }, G>());
                    simd.run(Together(&*query, &*memory, &*d_y, mask, given, &mut *sources, &mut *near, &mut *d_query, &mut *d_memory));
                    assert!(d_query == all.1 && d_memory == all.2, "{simd:?}: keys and values together");
                    match &first {
                        Some(first) => assert!(*first == all, "{simd:?} gives other bits"),
                        None => first = Some(all),
                    }
                }
                let (y, d_query, d_memory) = first.expect("there is a set");
                for (g, lane, h) in [(0, 0, 0), (1, 15, H - 1), (0, 7, H / 2)] {
                    let at = |x: &[R], row: usize, from: usize| {
                        (0..x.len() / row * N).map(|n| f64::from(x[n / N * row + from + n % N][lane])).collect::<Vec<f64>>()
                    };
                    let parts = [
                        at(&query[g], D, h * N),
                        at(&memory[g], 2 * D, h * N),
                        at(&memory[g], 2 * D, D + h * N),
                    ];
                    let kept = |i: usize, j: usize| {
                        let draw = f64::from(draws[g][(h * T + i) * S + j][lane]);
                        if $dropped == 0.0 { 1.0 } else if draw < $dropped { 0.0 } else { 1.0 / (1.0 - $dropped) }
                    };
                    let counts = |j: usize| mask.is_none_or(|mask| mask[g][j][lane] != 0.0);
                    let value = |parts: &[Vec<f64>; 3]| {
                        plain(&counts, &|i, d| parts[0][i * N + d], &|j, d| parts[1][j * N + d], &|j, d| parts[2][j * N + d], &kept)
                    };
                    let close = |what: &str, found: f64, expected: f64| {
                        assert!((found - expected).abs() < 2e-5, "{what}: {found}, expected {expected}");
                    };
                    let (found, expected) = (at(&y[g], D, h * N), value(&parts));
                    found.iter().zip(&expected).for_each(|(found, expected)| close("y", *found, *expected));
                    let d = at(&d_y[g], D, h * N);
                    let found = [
                        at(&d_query[g], D, h * N),
                        at(&d_memory[g], 2 * D, h * N),
                        at(&d_memory[g], 2 * D, D + h * N),
                    ];
                    for part in 0..3 {
                        for n in 0..parts[part].len() {
                            let moved = |by: f64| {
                                let mut parts = parts.clone();
                                parts[part][n] += by;
                                value(&parts).iter().zip(&d).map(|(y, d)| y * d).sum::<f64>()
                            };
                            close("gradient", found[part][n], (moved(1e-5) - moved(-1e-5)) / 2e-5);
                        }
                    }
                }
                if $dropped == 0.0 {
                    let flat = |x: &[R]| {
                        let mut rows = vec![[0.0; 16]; x.len().div_ceil(16)];
                        x.iter().enumerate().for_each(|(n, row)| rows[n / 16][n % 16] = row[5]);
                        rows
                    };
                    for simd in Set::ALL.map(Simd::up_to) {
                        let mut one = [[0.0; 16]; Y];
                        let mask = mask.map(|mask| flat(&mask[1]));
                        let (query, memory) = (flat(&query[1]), flat(&memory[1]));
                        simd.run(Single(0..T, &query, &memory, mask.as_deref(), &mut one));
                        for part in 0..=T {
                            let mut parts = [[[f32::NAN; 16]; Y]; 2];
                            simd.run(Single(0..part, &query, &memory, mask.as_deref(), &mut parts[0]));
                            simd.run(Single(part..T, &query, &memory, mask.as_deref(), &mut parts[1]));
                            // Each begins with its own first query, and writes nothing behind its last.
                            let of_first = Q / T * part;
                            let joined = parts[0].as_flattened()[..of_first].iter().chain(&parts[1].as_flattened()[..Q - of_first]);
                            let rest = parts[0].as_flattened()[of_first..].iter().chain(&parts[1].as_flattened()[Q - of_first..]);
                            let is_same = joined.eq(&one.as_flattened()[..Q]) && rest.clone().all(|y| y.is_nan());
                            assert!(is_same, "{simd:?}: {part} queries and the rest");
                        }
                        for n in 0..Q {
                            let (found, expected) = (one.as_flattened()[n], y[1][n][5]);
                            assert!((found - expected).abs() < 2e-6, "{simd:?}: {found}, expected {expected}");
                        }
                    }
                }
            }
        }
    };
}

attention!(causal: 9 to 9, 2 heads of 6, 4 at once, causal true, dropped 0.0, masked false);
attention!(cross: 5 to 7, 3 heads of 3, 4 at once, causal false, dropped 0.0, masked false);
attention!(one_at_once: 6 to 3, 1 heads of 17, 1 at once, causal false, dropped 0.0, masked false);
attention!(single_position: 1 to 1, 2 heads of 2, 4 at once, causal true, dropped 0.0, masked false);
attention!(with_dropout: 5 to 5, 2 heads of 4, 4 at once, causal true, dropped 0.3, masked false);
attention!(more_than_a_row: 21 to 21, 2 heads of 16, 4 at once, causal true, dropped 0.0, masked false);

attention!(masked_rows: 10 to 35, 1 heads of 17, 4 at once, causal false, dropped 0.0, masked true);
attention!(masked: 9 to 9, 2 heads of 6, 4 at once, causal true, dropped 0.0, masked true);
attention!(masked_cross: 5 to 7, 3 heads of 3, 1 at once, causal false, dropped 0.2, masked true);

/// Queries, keys and values side by side have the gradients that they have apart.
mod packed {
    use super::*;

    const T: usize = 6;
    const D: usize = 8;
    const SIZES: Sizes = Sizes {
        queries: T,
        keys: T,
        heads: 2,
        head: 4,
        query: (3 * D, 0),
        memory: (3 * D, D, 2 * D),
        is_causal: true,
        dropped: 0.0,
    };
    type All = [[R; 3 * T * D]; 1];

    #[inline(always)]
    fn packed<L: Lanes<Elem = f32>>(x: &All, d_y: &[[R; T * D]; 1], d_x: &mut All) {
        const NEAR: usize = 4 * T * D / 2;
        attention::backward::<L, { 3 * T * D }, { 3 * T * D }, { T * D }, T, 4, NEAR>(
            x,
            x,
            d_y,
            None,
            None,
            SIZES,
            &mut [[[0.0; 16]; NEAR]],
            Packed(d_x),
        );
    }

    #[inline(always)]
    fn apart<L: Lanes<Elem = f32>>(x: &All, d_y: &[[R; T * D]; 1], d_query: &mut All, d_memory: &mut All) {
        attention::backward::<L, { 3 * T * D }, { 3 * T * D }, { T * D }, T, 4, 0>(
            x,
            x,
            d_y,
            None,
            None,
            SIZES,
            &mut [],
            OfQuery(d_query),
        );
        attention::backward::<L, { 3 * T * D }, { 3 * T * D }, { T * D }, T, 4, 0>(
            x,
            x,
            d_y,
            None,
            None,
            SIZES,
            &mut [],
            OfMemory(d_memory),
        );
    }

    entries! {
        f32;
        PackedGradient<'a> = packed(x: &'a All, d_y: &'a [[R; T * D]; 1], d_x: &'a mut All);
        Apart<'a> = apart(x: &'a All, d_y: &'a [[R; T * D]; 1], d_query: &'a mut All, d_memory: &'a mut All);
    }

    #[test]
    fn is_the_same_as_apart() {
        let mut numbers = Numbers(9);
        let (x, d_y) = (numbers.rows::<{ 3 * T * D }, 1>(), numbers.rows::<{ T * D }, 1>());
        let mut all = [numbers.rows(), numbers.rows(), numbers.rows()];
        let [d_x, d_query, d_memory] = &mut all;
        let simd = Simd::detect();
        simd.run(PackedGradient(&x, &d_y, d_x));
        simd.run(Apart(&x, &d_y, d_query, d_memory));
        for n in 0..3 * T * D {
            let expected = if n % (3 * D) < D { d_query[0][n] } else { d_memory[0][n] };
            assert_eq!(d_x[0][n], expected, "{n}");
        }
    }
}
