//! Every kernel against loops that anybody can read, for sizes on both sides of each tile, in every set.
//!
//! The plain loops add in the order that the kernels promise, rounding once a product, so that bits can be compared.

#![allow(clippy::needless_range_loop)]

mod numbers;

use std::ops::Range;

use nnc_runtime::__private::{Bf16, Finite, Noise, Stored, dense, entries, pack};
use nnc_runtime::lanes::{Lanes, Row};
use nnc_runtime::{Set, Simd};
use numbers::Numbers;

type R = Row<f32>;
/// Sixteen weights in sixteen bits.
type H = Row<Bf16>;

/// A module for one size: `$inputs` to `$outputs`, `$groups` groups of samples of which `$batch` are real, blocks of
/// `$block` inputs and `$panels` panels.
macro_rules! size {
    ($name:ident: $inputs:literal to $outputs:literal, groups $groups:literal, batch $batch:literal, block $block:literal, panels $panels:literal) => {
        mod $name {
            use super::*;

            const I: usize = $inputs;
            const O: usize = $outputs;
            const P: usize = O.div_ceil(16);
            const XP: usize = I.div_ceil(16);
            const G: usize = $groups;
            const S: usize = 16 * G;
            const N: usize = $batch;
            /// Positions of one sample, and rows of what it has at all of them.
            const T: usize = 3;
            const XT: usize = (T * I).div_ceil(16);
            const YT: usize = (T * O).div_ceil(16);

            #[inline(always)]
            fn forward<L: Lanes<Elem = f32>>(x: &[[R; I]], weight: &[[R; I]; P], bias: Option<&[R; P]>, y: &mut [[R; O]]) {
                dense::forward::<L, I, O, P>(x, weight, bias, #[inline(always)] |g, o, z: L| z.store(&mut y[g][o]));
            }

            #[inline(always)]
            fn forward_blocked<L: Lanes<Elem = f32>>(x: &[[R; I]], weight: &[[R; I]; P], bias: Option<&[R; P]>, partial: &mut [[R; O]], y: &mut [[R; O]]) {
                dense::forward_blocked::<L, I, O, P, $block, _>(x, weight, bias, partial, #[inline(always)] |g, o, z: L| z.store(&mut y[g][o]));
            }

            #[inline(always)]
            fn input_gradient<L: Lanes<Elem = f32>>(d_y: &[[R; O]], weight: &[[R; I]; P], d_x: &mut [[R; I]]) {
                dense::input_gradient::<L, I, O, P>(d_y, weight, #[inline(always)] |g, i, z: L| z.store(&mut d_x[g][i]));
            }

            #[inline(always)]
            fn input_gradient_blocked<L: Lanes<Elem = f32>>(d_y: &[[R; O]], weight: &[[R; I]; P], partial: &mut [[R; I]], d_x: &mut [[R; I]]) {
                dense::input_gradient_blocked::<L, I, O, P, $panels, _>(d_y, weight, partial, #[inline(always)] |g, i, z: L| z.store(&mut d_x[g][i]));
            }

            #[inline(always)]
            fn transpose<L: Lanes<Elem = f32>>(d_y: &[[R; O]], first: usize, rows: &mut [[R; S]]) {
                dense::transpose_gradient::<L, O, S>(d_y, first, rows);
            }

            #[inline(always)]
            fn weight_gradient<L: Lanes<Elem = f32>>(x: &[[R; I]], rows: &[[R; S]], d_weight: &mut [[R; I]]) {
                dense::weight_gradient::<L, I, S, N>(x, rows, #[inline(always)] |p, i, z: L| z.store(&mut d_weight[p][i]));
            }

            #[inline(always)]
            fn far_weight_gradient<L: Lanes<Elem = f32>>(panels: Range<usize>, x: &[[R; I]], d_y: &[[R; O]], d_weight: &mut [[R; I]]) {
                dense::far_weight_gradient::<L, I, I, O, O, N>(x, d_y, panels, &mut [], #[inline(always)] |p, i, z: L| z.store(&mut d_weight[p][i]));
            }

            #[inline(always)]
            fn bias_gradient<L: Lanes<Elem = f32>>(rows: &[[R; S]], d_bias: &mut [R]) {
                dense::bias_gradient::<L, S, N>(rows, #[inline(always)] |p, z: L| z.store(&mut d_bias[p]));
            }

            #[inline(always)]
            fn single<L: Lanes<Elem = f32>>(of: Range<usize>, x: &[R; XP], weight: &[[R; I]; P], bias: Option<&[R; P]>, y: &mut [R; P]) {
                dense::single::<L, I, XP, P>(x, weight, bias, of, #[inline(always)] |p, z: L| z.store(&mut y[p]));
            }

            #[inline(always)]
            fn half_forward<L: Lanes<Elem = f32>>(x: &[[R; I]], weight: &[[H; I]; P], bias: Option<&[R; P]>, partial: &mut [[R; O]], y: &mut [[R; O]]) {
                dense::forward_blocked::<L, I, O, P, $block, _>(x, weight, bias, partial, #[inline(always)] |g, o, z: L| z.store(&mut y[g][o]));
            }

            #[inline(always)]
            fn half_input_gradient<L: Lanes<Elem = f32>>(d_y: &[[R; O]], weight: &[[H; I]; P], partial: &mut [[R; I]], d_x: &mut [[R; I]]) {
                dense::input_gradient_blocked::<L, I, O, P, $panels, _>(d_y, weight, partial, #[inline(always)] |g, i, z: L| z.store(&mut d_x[g][i]));
            }

            #[inline(always)]
            fn half_single<L: Lanes<Elem = f32>>(x: &[R; XP], weight: &[[H; I]; P], bias: Option<&[R; P]>, y: &mut [R; P]) {
                dense::single::<L, I, XP, P>(x, weight, bias, 0..P, #[inline(always)] |p, z: L| z.store(&mut y[p]));
            }

            #[inline(always)]
            fn half_single_positions<L: Lanes<Elem = f32>>(x: &[R; XT], weight: &[[H; I]; P], bias: Option<&[R; P]>, y: &mut [R; YT]) {
                dense::single_positions::<L, I, O, XT, P, YT>(x, weight, bias, 0..T, #[inline(always)] |p, z: L| z.store(&mut y[p]));
            }

            #[inline(always)]
            fn load<L: Lanes<Elem = f32>>(samples: &[f32], first: usize, lanes: &mut [[R; I]]) {
                pack::rows::<L, I>(samples, samples.len() / I, first, lanes);
            }

            #[inline(always)]
            fn unload<L: Lanes<Elem = f32>>(lanes: &[[R; I]], samples: &mut [f32]) {
                pack::unpack::<L, I>(lanes, samples.len() / I, samples);
            }

            entries! {
                f32;
                Forward<'a> = forward(x: &'a [[R; I]], weight: &'a [[R; I]; P], bias: Option<&'a [R; P]>, y: &'a mut [[R; O]]);
                ForwardBlocked<'a> = forward_blocked(x: &'a [[R; I]], weight: &'a [[R; I]; P], bias: Option<&'a [R; P]>, partial: &'a mut [[R; O]], y: &'a mut [[R; O]]);
                InputGradient<'a> = input_gradient(d_y: &'a [[R; O]], weight: &'a [[R; I]; P], d_x: &'a mut [[R; I]]);
                InputGradientBlocked<'a> = input_gradient_blocked(d_y: &'a [[R; O]], weight: &'a [[R; I]; P], partial: &'a mut [[R; I]], d_x: &'a mut [[R; I]]);
                Transpose<'a> = transpose(d_y: &'a [[R; O]], first: usize, rows: &'a mut [[R; S]]);
                WeightGradient<'a> = weight_gradient(x: &'a [[R; I]], rows: &'a [[R; S]], d_weight: &'a mut [[R; I]]);
                FarWeightGradient<'a> = far_weight_gradient(panels: Range<usize>, x: &'a [[R; I]], d_y: &'a [[R; O]], d_weight: &'a mut [[R; I]]);
                BiasGradient<'a> = bias_gradient(rows: &'a [[R; S]], d_bias: &'a mut [R]);
                Single<'a> = single(of: Range<usize>, x: &'a [R; XP], weight: &'a [[R; I]; P], bias: Option<&'a [R; P]>, y: &'a mut [R; P]);
                HalfForward<'a> = half_forward(x: &'a [[R; I]], weight: &'a [[H; I]; P], bias: Option<&'a [R; P]>, partial: &'a mut [[R; O]], y: &'a mut [[R; O]]);
                HalfInputGradient<'a> = half_input_gradient(d_y: &'a [[R; O]], weight: &'a [[H; I]; P], partial: &'a mut [[R; I]], d_x: &'a mut [[R; I]]);
                HalfSingle<'a> = half_single(x: &'a [R; XP], weight: &'a [[H; I]; P], bias: Option<&'a [R; P]>, y: &'a mut [R; P]);
                HalfSinglePositions<'a> = half_single_positions(x: &'a [R; XT], weight: &'a [[H; I]; P], bias: Option<&'a [R; P]>, y: &'a mut [R; YT]);
                Load<'a> = load(samples: &'a [f32], first: usize, lanes: &'a mut [[R; I]]);
                Unload<'a> = unload(lanes: &'a [[R; I]], samples: &'a mut [f32]);
            }

            /// Where the groups are divided: nowhere, behind the first, and before the last.
            fn parts() -> [usize; 3] {
                [0, 1, G - 1]
            }

            /// One sample, some panels and then the rest.
            fn is_same_in_parts(simd: Simd, one: &[R; XP], weight: &[[R; I]; P], bias: Option<&[R; P]>, out: &[R; P]) {
                for part in 0..=P {
                    let mut parts = [[1.0; 16]; P];
                    simd.run(Single(0..part, one, weight, bias, &mut parts));
                    simd.run(Single(part..P, one, weight, bias, &mut parts));
                    assert!(parts == *out, "{simd:?}: {part} panels and the rest");
                }
            }

            /// Weights and bias, with zeros in the padding.
            fn parameters(numbers: &mut Numbers) -> (Box<[[R; I]; P]>, Box<[R; P]>) {
                let (mut weight, mut bias) = (numbers.rows::<I, P>(), Box::new([[0.0; 16]; P]));
                for o in 0..16 * P {
                    bias[o / 16][o % 16] = if o < O { numbers.next() } else { 0.0 };
                    for i in 0..I {
                        if o >= O {
                            weight[o / 16][i][o % 16] = 0.0;
                        }
                    }
                }
                (weight, bias)
            }

            #[test]
            fn products() {
                let mut numbers = Numbers(7);
                let (x, d_y) = (numbers.rows::<I, G>(), numbers.rows::<O, G>());
                let (weight, bias) = parameters(&mut numbers);
                for simd in Set::ALL.map(Simd::up_to) {
                    for bias in [None, Some(&*bias)] {
                        let (mut y, mut blocked) = (numbers.rows::<O, G>(), numbers.rows::<O, G>());
                        let mut partial = numbers.rows::<O, G>();
                        simd.run(Forward(&*x, &weight, bias, &mut *y));
                        simd.run(ForwardBlocked(&*x, &weight, bias, &mut *partial, &mut *blocked));
                        for part in parts() {
                            let mut again = [numbers.rows::<O, G>(), numbers.rows::<O, G>()];
                            let [y_again, blocked_again] = &mut again;
                            for groups in [0..part, part..G] {
                                let (x, partial) = (&x[groups.clone()], &mut partial[groups.clone()]);
                                simd.run(Forward(x, &weight, bias, &mut y_again[groups.clone()]));
                                simd.run(ForwardBlocked(x, &weight, bias, partial, &mut blocked_again[groups]));
                            }
                            assert!(again == [y.clone(), blocked.clone()], "{simd:?}: parts of {part} groups and the rest");
                        }
                        for g in 0..G {
                            for o in 0..O {
                                for lane in 0..16 {
                                    let start = bias.map_or(0.0, |bias| bias[o / 16][o % 16]);
                                    let sum = (0..I).fold(start, |sum, i| weight[o / 16][i][o % 16].mul_add(x[g][i][lane], sum));
                                    assert_eq!(y[g][o][lane].to_bits(), sum.to_bits(), "{simd:?} y[{g}][{o}][{lane}]");
                                    assert_eq!(blocked[g][o][lane].to_bits(), sum.to_bits(), "{simd:?} blocked y[{g}][{o}][{lane}]");
                                }
                            }
                        }
                        let mut one = [[0.0; 16]; XP];
                        for i in 0..I {
                            one[i / 16][i % 16] = x[0][i][3];
                        }
                        let mut out = [[1.0; 16]; P];
                        simd.run(Single(0..P, &one, &weight, bias, &mut out));
                        is_same_in_parts(simd, &one, &weight, bias, &out);
                        for o in 0..O {
                            assert_eq!(out[o / 16][o % 16].to_bits(), y[0][o][3].to_bits(), "{simd:?} single {o}");
                        }
                    }
                    let (mut d_x, mut blocked) = (numbers.rows::<I, G>(), numbers.rows::<I, G>());
                    let mut partial = numbers.rows::<I, G>();
                    simd.run(InputGradient(&*d_y, &weight, &mut *d_x));
                    simd.run(InputGradientBlocked(&*d_y, &weight, &mut *partial, &mut *blocked));
                    for part in parts() {
                        let mut again = [numbers.rows::<I, G>(), numbers.rows::<I, G>()];
                        let [d_x_again, blocked_again] = &mut again;
                        for groups in [0..part, part..G] {
                            let (d_y, partial) = (&d_y[groups.clone()], &mut partial[groups.clone()]);
                            simd.run(InputGradient(d_y, &weight, &mut d_x_again[groups.clone()]));
                            simd.run(InputGradientBlocked(d_y, &weight, partial, &mut blocked_again[groups]));
                        }
                        assert!(again == [d_x.clone(), blocked.clone()], "{simd:?}: parts of {part} groups and the rest");
                    }
                    for g in 0..G {
                        for i in 0..I {
                            for lane in 0..16 {
                                let sum = (0..O).fold(0.0, |sum, o: usize| weight[o / 16][i][o % 16].mul_add(d_y[g][o][lane], sum));
                                assert_eq!(d_x[g][i][lane].to_bits(), sum.to_bits(), "{simd:?} d_x[{g}][{i}][{lane}]");
                                assert_eq!(blocked[g][i][lane].to_bits(), sum.to_bits(), "{simd:?} blocked d_x[{g}][{i}][{lane}]");
                            }
                        }
                    }
                }
            }

            /// With weights in sixteen bits all is as with the same weights in thirty-two.
            #[test]
            fn products_with_halves() {
                let mut numbers = Numbers(17);
                let (x, d_y) = (numbers.rows::<I, G>(), numbers.rows::<O, G>());
                let (mut weight, bias) = parameters(&mut numbers);
                let mut halves = Box::new([[[Bf16::default(); 16]; I]; P]);
                let all = weight.as_flattened_mut().as_flattened_mut().iter_mut();
                for (half, weight) in halves.as_flattened_mut().as_flattened_mut().iter_mut().zip(all) {
                    *half = Bf16::nearest(*weight);
                    *weight = half.to_f32();
                }
                for simd in Set::ALL.map(Simd::up_to) {
                    for bias in [None, Some(&*bias)] {
                        let (mut y, mut half) = (numbers.rows::<O, G>(), numbers.rows::<O, G>());
                        let mut partial = numbers.rows::<O, G>();
                        simd.run(Forward(&*x, &weight, bias, &mut *y));
                        simd.run(HalfForward(&*x, &halves, bias, &mut *partial, &mut *half));
                        assert!(y == half, "{simd:?}");
                        let mut one = [[0.0; 16]; XP];
                        for i in 0..I {
                            one[i / 16][i % 16] = x[0][i][3];
                        }
                        let (mut out, mut half) = ([[1.0; 16]; P], [[2.0; 16]; P]);
                        simd.run(Single(0..P, &one, &weight, bias, &mut out));
                        is_same_in_parts(simd, &one, &weight, bias, &out);
                        simd.run(HalfSingle(&one, &halves, bias, &mut half));
                        assert_eq!(out, half, "{simd:?}");
                        let mut positions = [[0.0; 16]; XT];
                        for t in 0..T {
                            for i in 0..I {
                                positions[(t * I + i) / 16][(t * I + i) % 16] = x[0][i][t];
                            }
                        }
                        let mut out = [[2.0; 16]; YT];
                        simd.run(HalfSinglePositions(&positions, &halves, bias, &mut out));
                        for t in 0..T {
                            for o in 0..O {
                                let found = out[(t * O + o) / 16][(t * O + o) % 16];
                                assert_eq!(found.to_bits(), y[0][o][t].to_bits(), "{simd:?} position {t}, output {o}");
                            }
                        }
                    }
                    let (mut d_x, mut half) = (numbers.rows::<I, G>(), numbers.rows::<I, G>());
                    let mut partial = numbers.rows::<I, G>();
                    simd.run(InputGradient(&*d_y, &weight, &mut *d_x));
                    simd.run(HalfInputGradient(&*d_y, &halves, &mut *partial, &mut *half));
                    assert!(d_x == half, "{simd:?}");
                }
            }

            #[test]
            fn gradients_of_parameters() {
                let mut numbers = Numbers(11);
                let (x, d_y) = (numbers.rows::<I, G>(), numbers.rows::<O, G>());
                for simd in Set::ALL.map(Simd::up_to) {
                    let mut rows = numbers.rows::<S, P>();
                    simd.run(Transpose(&*d_y, 0, &mut *rows));
                    for o in 0..16 * P {
                        for sample in 0..S {
                            let expected = if o < O { d_y[sample / 16][o][sample % 16] } else { 0.0 };
                            assert_eq!(rows[o / 16][sample][o % 16], expected, "{simd:?} rows of output {o}");
                        }
                    }
                    let (mut d_weight, mut d_bias) = (numbers.rows::<I, P>(), [[1.0; 16]; P]);
                    simd.run(WeightGradient(&*x, &*rows, &mut *d_weight));
                    simd.run(BiasGradient(&*rows, &mut d_bias));
                    for part in 0..=P {
                        let (mut rows_again, mut again) = (numbers.rows::<S, P>(), numbers.rows::<I, P>());
                        let mut bias_again = [[2.0; 16]; P];
                        for panels in [0..part, part..P] {
                            let rows = &mut rows_again[panels.clone()];
                            simd.run(Transpose(&*d_y, panels.start, rows));
                            simd.run(WeightGradient(&*x, rows, &mut again[panels.clone()]));
                            simd.run(BiasGradient(rows, &mut bias_again[panels.clone()]));
                            let mut far = numbers.rows::<I, P>();
                            simd.run(FarWeightGradient(panels.clone(), &*x, &*d_y, &mut far[panels.clone()]));
                            assert!(far[panels.clone()] == d_weight[panels.clone()], "{simd:?}: panels {panels:?} from afar");
                        }
                        let is_same = rows_again == rows && again == d_weight && bias_again == d_bias;
                        assert!(is_same, "{simd:?}: {part} panels and the rest");
                    }
                    for o in 0..O {
                        for i in 0..I {
                            let sum = (0..N).fold(0.0, |sum, s: usize| x[s / 16][i][s % 16].mul_add(d_y[s / 16][o][s % 16], sum));
                            assert_eq!(d_weight[o / 16][i][o % 16].to_bits(), sum.to_bits(), "{simd:?} d_weight[{o}][{i}]");
                        }
                        let sum = (0..N).fold(0.0, |sum, s: usize| sum + d_y[s / 16][o][s % 16]);
                        assert_eq!(d_bias[o / 16][o % 16].to_bits(), f32::to_bits(sum), "{simd:?} d_bias[{o}]");
                    }
                }
            }

            #[test]
            fn borders() {
                let mut numbers = Numbers(13);
                for simd in Set::ALL.map(Simd::up_to) {
                    for n in [1, 15, 16, N, S] {
                        let n = n.min(S);
                        let samples: Vec<f32> = (0..n * I).map(|_| numbers.next()).collect();
                        let mut lanes = numbers.rows::<I, G>();
                        simd.run(Load(&samples, 0, &mut *lanes));
                        let mut again = numbers.rows::<I, G>();
                        for g in 0..G {
                            simd.run(Load(&samples, g, &mut again[g..=g]));
                        }
                        assert!(again == lanes, "{simd:?} {n}: group by group");
                        for sample in 0..S {
                            let from = if sample < n { sample } else { 0 };
                            for i in 0..I {
                                assert_eq!(lanes[sample / 16][i][sample % 16], samples[from * I + i], "{simd:?} {n} {sample} {i}");
                            }
                        }
                        let mut back = vec![0.0; n * I];
                        simd.run(Unload(&*lanes, &mut back));
                        assert_eq!(back, samples, "{simd:?} {n}");
                    }
                }
            }
        }
    };
}

size!(one: 1 to 1, groups 1, batch 1, block 1, panels 1);
size!(narrow: 4 to 3, groups 1, batch 10, block 2, panels 1);
size!(tiles: 8 to 16, groups 2, batch 32, block 8, panels 1);
size!(odd: 37 to 21, groups 3, batch 41, block 16, panels 1);
size!(rest_of_two: 18 to 34, groups 2, batch 17, block 5, panels 2);
size!(rest_of_five: 21 to 45, groups 1, batch 16, block 7, panels 1);

/// Weights of one sample that are read four panels at a time, with a panel left over.
#[test]
fn one_sample_of_streamed_weights() {
    const I: usize = 500;
    #[inline(always)]
    fn single<L: Lanes<Elem = f32>>(
        of: Range<usize>,
        x: &[R; 32],
        weight: &[[R; I]; 5],
        bias: &[R; 5],
        y: &mut [R; 5],
    ) {
        dense::single::<L, I, 32, 5>(
            x,
            weight,
            Some(bias),
            of,
            #[inline(always)]
            |p, z: L| z.store(&mut y[p]),
        );
    }
    entries! { f32; Single<'a> = single(of: Range<usize>, x: &'a [R; 32], weight: &'a [[R; I]; 5], bias: &'a [R; 5], y: &'a mut [R; 5]); }
    let mut numbers = Numbers(31);
    let (x, weight, bias) = (numbers.rows::<32, 1>(), numbers.rows::<I, 5>(), numbers.rows::<5, 1>());
    assert!(size_of_val(&*weight) > 128 << 10, "as much as does not stay in the first cache");
    for simd in Set::ALL.map(Simd::up_to) {
        let mut y = [[0.0; 16]; 5];
        simd.run(Single(0..5, &x[0], &weight, &bias[0], &mut y));
        let mut parts = [[1.0; 16]; 5];
        simd.run(Single(0..4, &x[0], &weight, &bias[0], &mut parts));
        simd.run(Single(4..5, &x[0], &weight, &bias[0], &mut parts));
        assert!(parts == y, "{simd:?}: four panels and one");
        for (p, lane) in (0..5).flat_map(|p| (0..16).map(move |lane| (p, lane))) {
            let sum =
                (0..I).fold(bias[0][p][lane], |sum, i| weight[p][i][lane].mul_add(x[0][i / 16][i % 16], sum));
            assert_eq!(y[p][lane].to_bits(), sum.to_bits(), "{simd:?} y[{p}][{lane}]");
        }
    }
}

/// Rows that are stored in sixteen bits, number by number, whatever they hold.
#[test]
fn halves_are_stored_as_number_by_number() {
    #[inline(always)]
    fn store<L: Lanes<Elem = f32>>(rows: &[R], noise: Noise, halves: &mut [H], back: &mut [R]) {
        for ((row, half), back) in rows.iter().zip(halves).zip(back) {
            half.store(L::load(row), noise);
            half.load::<L>().store(back);
        }
    }
    entries! { f32; Store<'a> = store(rows: &'a [R], noise: Noise, halves: &'a mut [H], back: &'a mut [R]); }
    let mut numbers = Numbers(3);
    let mut rows = numbers.rows::<40, 1>()[0];
    rows[0][..6].copy_from_slice(&[0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, f32::MIN_POSITIVE]);
    rows[1][..3].copy_from_slice(&[f32::NAN, -f32::NAN, f32::from_bits(1)]);
    for simd in Set::ALL.map(Simd::up_to) {
        for step in 0..20 {
            let (mut halves, mut back) = ([[Bf16::default(); 16]; 40], [[0.0; 16]; 40]);
            simd.run(Store(&rows, Noise::of_step(step), &mut halves, &mut back));
            for ((row, half), back) in rows.iter().zip(&halves).zip(&back) {
                for ((value, half), back) in row.iter().zip(half).zip(back) {
                    assert_eq!(*half, Bf16::stochastic(*value, Noise::of_step(step)), "{simd:?} {value}");
                    assert_eq!(half.to_f32().to_bits(), back.to_bits(), "{simd:?} {value}");
                }
            }
        }
    }
}

#[test]
fn without_samples_nothing_is_written() {
    #[inline(always)]
    fn load<L: Lanes<Elem = f32>>(samples: &[f32], lanes: &mut [[R; 3]]) {
        pack::rows::<L, 3>(samples, samples.len() / 3, 0, lanes);
    }
    entries! { f32; Load<'a> = load(samples: &'a [f32], lanes: &'a mut [[R; 3]]); }
    let mut lanes = [[[5.0; 16]; 3]; 1];
    Simd::detect().run(Load(&[1.0, 2.0], &mut lanes));
    assert_eq!(lanes, [[[5.0; 16]; 3]; 1]);
}

#[test]
fn classes_and_scales() {
    let mut lanes = [[[9.0f32; 16]; 1]; 2];
    pack::classes(&[2, 0, 1], 3, &mut lanes);
    let expected: Vec<f32> =
        (0..32).map(|sample| [2.0, 0.0, 1.0].get(sample).copied().unwrap_or(2.0)).collect();
    assert_eq!(lanes.as_flattened().as_flattened(), expected);
    pack::scale(3, 0.5, lanes.as_flattened_mut());
    let expected: Vec<f32> = (0..32).map(|sample| if sample < 3 { 0.5 } else { 0.0 }).collect();
    assert_eq!(lanes.as_flattened().as_flattened(), expected);
    assert!(lanes.is_finite());
    lanes[1][0][7] = f32::NAN;
    assert!(!lanes.is_finite());
}

#[test]
fn one_sample() {
    let rows: [R; 2] = pack::vector(&std::array::from_fn::<f32, 18, _>(|n| n as f32));
    assert_eq!((rows[1][1], rows[1][2]), (17.0, 0.0));
    assert_eq!(pack::features::<f32, 18>(&rows), std::array::from_fn::<f32, 18, _>(|n| n as f32));
    let mut joined = [[0.0; 16]; 3];
    pack::copy_features(&rows, 0, &mut joined, 20, 18);
    assert_eq!((joined[1][3], joined[1][5], joined[2][5], joined[2][6]), (0.0, 1.0, 17.0, 0.0));
}
