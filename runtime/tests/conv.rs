//! Convolutions against loops that anybody can read, for sizes on both sides of each tile, in every set.
//!
//! The plain loops add in the order that the kernels promise, rounding once a product, so that values can be compared
//! exactly: what lies in the padding counts as 0, and a zero more does not change a sum.

#![allow(clippy::needless_range_loop, clippy::modulo_one)]

mod numbers;

use std::ops::Range;

use nnc_runtime::__private::conv::{self, Window};
use nnc_runtime::__private::entries;
use nnc_runtime::lanes::{Lanes, Row};
use nnc_runtime::{Set, Simd};
use numbers::Numbers;

type R = Row<f32>;

/// The place of x that place `at` of y sees through element `k`, if it is on the image.
fn seen(window: &Window, axis: usize, at: usize, k: usize) -> Option<usize> {
    (at * window.stride[axis] + k * window.dilation[axis])
        .checked_sub(window.padding[axis])
        .filter(|place| *place < window.input[axis + 1])
}

/// Each `(place of y, [(place of x, weight)])`, in the order of the sums; weights are numbered as they are saved.
fn terms(window: &Window) -> Vec<(usize, Vec<(usize, usize)>)> {
    let ([channels, height, width], [outputs, rows, columns]) = (window.input, window.output);
    let (per_part, of_part) = (channels / window.groups, outputs / window.groups);
    let [kernel_height, kernel_width] = window.kernel;
    let mut all = Vec::new();
    for output in 0..outputs {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            let mut list = Vec::new();
            for (ky, kx) in (0..kernel_height).flat_map(|ky| (0..kernel_width).map(move |kx| (ky, kx))) {
                let (Some(y), Some(x)) = (seen(window, 0, row, ky), seen(window, 1, column, kx)) else {
                    continue;
                };
                for channel in 0..per_part {
                    let image = output / of_part * per_part + channel;
                    let weight = ((output * per_part + channel) * kernel_height + ky) * kernel_width + kx;
                    list.push(((image * height + y) * width + x, weight));
                }
            }
            all.push(((output * rows + row) * columns + column, list));
        }
    }
    all
}

/// `$tile` are channels and places of the tiles forward, `$back` those back, `$weight` outputs and channels of those of
/// the weight.
macro_rules! size {
    ($name:ident: groups $g:literal, tile $tr:literal x $tc:literal, back $br:literal x $bc:literal, weight $wr:literal x $wc:literal, $window:expr) => {
        mod $name {
            use super::*;

            const WINDOW: Window = $window;
            const G: usize = $g;
            const X: usize = WINDOW.input[0] * WINDOW.input[1] * WINDOW.input[2];
            const Y: usize = WINDOW.output[0] * WINDOW.output[1] * WINDOW.output[2];
            const K: usize = WINDOW.input[0] / WINDOW.groups * WINDOW.kernel[0] * WINDOW.kernel[1];
            const P: usize = WINDOW.output[0].div_ceil(16);
            const UNITS: usize = K / WINDOW.kernel[1];
            const XP: usize = X.div_ceil(16);
            const YP: usize = Y.div_ceil(16);
            const BP: usize = WINDOW.input[0].div_ceil(16);

            #[inline(always)]
            fn forward<L: Lanes<Elem = f32>>(x: &[[R; X]], weight: &[[R; K]; P], bias: Option<&[R; P]>, y: &mut [[R; Y]]) {
                conv::forward::<L, X, K, P, $tr, $tc>(&WINDOW, x, weight, bias, #[inline(always)] |g, o, z: L| z.store(&mut y[g][o]));
            }

            #[inline(always)]
            fn halved<L: Lanes<Elem = f32>>(x: &[[R; X]], weight: &[[R; K]; P], bias: Option<&[R; P]>, y: &mut [[R; Y]], least: &mut [[R; Y / 4]]) {
                conv::forward_halved::<L, X, K, P, $tr, $tc>(
                    &WINDOW, x, weight, bias,
                    #[inline(always)] |g, o, z: L| { z.store(&mut y[g][o]); -z },
                    #[inline(always)] |g, o, z: L| (-z).store(&mut least[g][o]),
                );
            }

            #[inline(always)]
            fn back<L: Lanes<Elem = f32>>(d_y: &[[R; Y]], weight: &[[R; K]; P], bias: Option<&[R; BP]>, d_x: &mut [[R; X]]) {
                conv::input_gradient::<L, Y, K, P, $br, $bc>(&WINDOW, d_y, weight, bias.map(|bias| bias.as_slice()), #[inline(always)] |g, o, z: L| z.store(&mut d_x[g][o]));
            }

            #[inline(always)]
            fn weight_gradient<L: Lanes<Elem = f32>>(units: Range<usize>, x: &[[R; X]], d_y: &[[R; Y]], d_weight: &mut [[R; K]; P], times: &mut [[usize; K]; P]) {
                conv::weight_gradient::<L, X, Y, $wr, $wc, { WINDOW.kernel[1] }>(&WINDOW, units, x, d_y, #[inline(always)] |p, i, z: L| {
                    times[p][i] += 1;
                    z.store(&mut d_weight[p][i]);
                });
            }

            #[inline(always)]
            fn single<L: Lanes<Elem = f32>>(of: Range<usize>, x: &[R; XP], weight: &[[R; K]; P], bias: Option<&[R; P]>, y: &mut [R; YP]) {
                let mut padded = vec![[0.0; 16]; WINDOW.padded().input.iter().product::<usize>().div_ceil(16)];
                conv::pad(&WINDOW, x, &mut padded);
                conv::single::<L, K, P>(&WINDOW.padded(), &padded, weight, bias, of, y);
            }

            #[inline(always)]
            fn single_back<L: Lanes<Elem = f32>>(y: &[R; YP], weight: &[[R; K]; P], bias: Option<&[R; BP]>, x: &mut [R; XP]) {
                conv::single_back::<L, K, P>(&WINDOW, y, weight, bias.map(|bias| bias.as_slice()), x);
            }

            entries! {
                f32;
                Forward<'a> = forward(x: &'a [[R; X]], weight: &'a [[R; K]; P], bias: Option<&'a [R; P]>, y: &'a mut [[R; Y]]);
                Halved<'a> = halved(x: &'a [[R; X]], weight: &'a [[R; K]; P], bias: Option<&'a [R; P]>, y: &'a mut [[R; Y]], least: &'a mut [[R; Y / 4]]);
                Back<'a> = back(d_y: &'a [[R; Y]], weight: &'a [[R; K]; P], bias: Option<&'a [R; BP]>, d_x: &'a mut [[R; X]]);
                WeightGradient<'a> = weight_gradient(units: Range<usize>, x: &'a [[R; X]], d_y: &'a [[R; Y]], d_weight: &'a mut [[R; K]; P], times: &'a mut [[usize; K]; P]);
                Single<'a> = single(of: Range<usize>, x: &'a [R; XP], weight: &'a [[R; K]; P], bias: Option<&'a [R; P]>, y: &'a mut [R; YP]);
                SingleBack<'a> = single_back(y: &'a [R; YP], weight: &'a [[R; K]; P], bias: Option<&'a [R; BP]>, x: &'a mut [R; XP]);
            }

            /// Lanes behind the last channel are 0.
            fn clear<const N: usize>(rows: &mut [[R; N]; P]) {
                for o in WINDOW.output[0]..16 * P {
                    rows[o / 16].iter_mut().for_each(|row| row[o % 16] = 0.0);
                }
            }

            fn at(weight: &[[R; K]; P], index: usize) -> f32 {
                let (output, element) = (index / K, index % K);
                weight[output / 16][element][output % 16]
            }

            #[test]
            fn forward_and_one_sample() {
                let mut numbers = Numbers(3);
                let x = numbers.rows::<X, G>();
                let (mut weight, mut bias) = (numbers.rows::<K, P>(), numbers.rows::<1, P>());
                clear(&mut weight);
                clear(&mut bias);
                let bias: [R; P] = std::array::from_fn(|p| bias[p][0]);
                let terms = terms(&WINDOW);
                for simd in Set::ALL.map(Simd::up_to) {
                    for bias in [None, Some(&bias)] {
                        let mut y = numbers.rows::<Y, G>();
                        simd.run(Forward(&*x, &weight, bias, &mut *y));
                        let mut part = numbers.rows::<Y, G>();
                        for g in 0..G {
                            simd.run(Forward(&x[g..=g], &weight, bias, &mut part[g..=g]));
                        }
                        assert!(part == y, "{simd:?}: group by group");
                        for (to, list) in &terms {
                            let output = to / (WINDOW.output[1] * WINDOW.output[2]);
                            let start = bias.map_or(0.0, |bias| bias[output / 16][output % 16]);
                            for (g, lane) in (0..G).flat_map(|g| (0..16).map(move |lane| (g, lane))) {
                                let sum = list.iter().fold(start, |sum, (from, tap)| at(&weight, *tap).mul_add(x[g][*from][lane], sum));
                                assert_eq!(y[g][*to][lane], sum, "{simd:?} y[{g}][{to}][{lane}]");
                            }
                        }
                        let [channels, height, width] = WINDOW.output;
                        if height % 2 + width % 2 + $tc % 2 == 0 {
                            let (mut all, mut least) = (numbers.rows::<Y, G>(), numbers.rows::<{ Y / 4 }, G>());
                            simd.run(Halved(&*x, &weight, bias, &mut *all, &mut *least));
                            assert!(all == y, "{simd:?}: what becomes of each value");
                            for (channel, row, column) in (0..channels).flat_map(|c| (0..height / 2).flat_map(move |h| (0..width / 2).map(move |w| (c, h, w)))) {
                                let corner = (channel * height + 2 * row) * width + 2 * column;
                                let o = (channel * (height / 2) + row) * (width / 2) + column;
                                for (g, lane) in (0..G).flat_map(|g| (0..16).map(move |lane| (g, lane))) {
                                    let places = [corner, corner + 1, corner + width, corner + width + 1];
                                    let expected = places.into_iter().map(|place| y[g][place][lane]).fold(f32::INFINITY, f32::min);
                                    assert_eq!(least[g][o][lane], expected, "{simd:?} least[{g}][{o}][{lane}]");
                                }
                            }
                        }
                        let mut one = [[0.0; 16]; XP];
                        (0..X).for_each(|i| one[i / 16][i % 16] = x[0][i][5]);
                        let mut image = [[9.0; 16]; YP];
                        simd.run(Single(0..channels, &one, &weight, bias, &mut image));
                        // Eight where lanes are over the places of long rows.
                        let is_long = WINDOW.stride[1] == 1 && width >= 16 && width.div_ceil(16) * channels <= P * width;
                        let at_once = if is_long && channels % 8 == 0 || WINDOW.groups > 1 { 8 } else { 16 };
                        for of in (0..channels).step_by(at_once).map(|first| first..channels.min(first + at_once)) {
                            let (mut part, places) = ([[9.0; 16]; YP], height * width);
                            simd.run(Single(of.clone(), &one, &weight, bias, &mut part));
                            let whole = &image.as_flattened()[of.start * places..of.end * places];
                            assert!(part.as_flattened().starts_with(whole), "{simd:?}: channels {of:?}");
                        }
                        for o in 0..Y {
                            assert_eq!(image[o / 16][o % 16], y[0][o][5], "{simd:?} single {o}");
                        }
                    }
                }
            }

            #[test]
            fn back_through_it() {
                let mut numbers = Numbers(5);
                let d_y = numbers.rows::<Y, G>();
                let mut weight = numbers.rows::<K, P>();
                clear(&mut weight);
                let bias: [R; BP] = std::array::from_fn(|_| std::array::from_fn(|_| numbers.next()));
                // Of each place of x: columns of the kernel, then channels of y, as its sum goes.
                let mut back: Vec<Vec<(usize, usize, usize)>> = vec![Vec::new(); X];
                for (to, list) in terms(&WINDOW) {
                    for (from, weight) in list {
                        back[from].push((weight % (WINDOW.kernel[0] * WINDOW.kernel[1]), to, weight));
                    }
                }
                back.iter_mut().for_each(|list| list.sort());
                for simd in Set::ALL.map(Simd::up_to) {
                    for bias in [None, Some(&bias)] {
                        let mut d_x = numbers.rows::<X, G>();
                        simd.run(Back(&*d_y, &weight, bias, &mut *d_x));
                        let mut part = numbers.rows::<X, G>();
                        for g in 0..G {
                            simd.run(Back(&d_y[g..=g], &weight, bias, &mut part[g..=g]));
                        }
                        assert!(part == d_x, "{simd:?}: group by group");
                        for (from, list) in back.iter().enumerate() {
                            let channel = from / (WINDOW.input[1] * WINDOW.input[2]);
                            let start = bias.map_or(0.0, |bias| bias[channel / 16][channel % 16]);
                            for (g, lane) in (0..G).flat_map(|g| (0..16).map(move |lane| (g, lane))) {
                                let sum = list.iter().fold(start, |sum, (_, to, tap)| at(&weight, *tap).mul_add(d_y[g][*to][lane], sum));
                                assert_eq!(d_x[g][from][lane], sum, "{simd:?} d_x[{g}][{from}][{lane}]");
                            }
                        }
                        let mut one = [[0.0; 16]; YP];
                        (0..Y).for_each(|o| one[o / 16][o % 16] = d_y[0][o][7]);
                        let mut image = [[9.0; 16]; XP];
                        simd.run(SingleBack(&one, &weight, bias, &mut image));
                        for i in 0..X {
                            let (found, expected) = (image[i / 16][i % 16], d_x[0][i][7]);
                            // Channels are summed lane by lane: another order.
                            assert!((found - expected).abs() < 1e-5 * (1.0 + K as f32), "{simd:?} single {i}: {found} {expected}");
                        }
                    }
                }
            }

            #[test]
            fn of_the_weight() {
                let mut numbers = Numbers(7);
                let (x, d_y) = (numbers.rows::<X, G>(), numbers.rows::<Y, G>());
                // Places in the order of y, groups first; lanes are summed at the end.
                let mut sums = vec![[0.0f32; 16]; WINDOW.output[0] * K];
                let terms = terms(&WINDOW);
                for g in 0..G {
                    for (to, list) in &terms {
                        for (from, weight) in list {
                            for lane in 0..16 {
                                let sum = &mut sums[*weight][lane];
                                *sum = d_y[g][*to][lane].mul_add(x[g][*from][lane], *sum);
                            }
                        }
                    }
                }
                for simd in Set::ALL.map(Simd::up_to) {
                    let (mut d_weight, mut times) = (numbers.rows::<K, P>(), [[0; K]; P]);
                    simd.run(WeightGradient(0..UNITS, &*x, &*d_y, &mut d_weight, &mut times));
                    for index in 0..WINDOW.output[0] * K {
                        let sum = sums[index].iter().fold(0.0, |sum, lane| sum + lane);
                        assert_eq!(at(&d_weight, index), sum, "{simd:?} d_weight[{index}]");
                    }
                    assert!(times.as_flattened().iter().all(|times| *times == 1), "{simd:?}: each weight once");
                    let padding = WINDOW.output[0]..16 * P;
                    for (output, element) in padding.flat_map(|o| (0..K).map(move |k| (o, k))) {
                        assert_eq!(d_weight[output / 16][element][output % 16], 0.0, "{simd:?} padding {output}");
                    }
                    // In parts that begin and end within a channel, and in tiles.
                    for len in [1, 2, 5, UNITS.div_ceil(2)] {
                        let (mut parts, mut times) = (numbers.rows::<K, P>(), [[0; K]; P]);
                        for from in (0..UNITS).step_by(len) {
                            let units = from..UNITS.min(from + len);
                            simd.run(WeightGradient(units.clone(), &*x, &*d_y, &mut parts, &mut times));
                            let done = 0..units.end * WINDOW.kernel[1];
                            let is_right = |times: &[usize; K]| (0..K).all(|i| times[i] == usize::from(done.contains(&i)));
                            assert!(times.iter().all(is_right), "{simd:?}: {units:?} and no other");
                        }
                        assert!(parts == d_weight, "{simd:?}: {len} units at once");
                    }
                }
            }
        }
    };
}

size!(one: groups 1, tile 1 x 8, back 1 x 8, weight 1 x 1, Window {
    input: [1, 1, 1], output: [1, 1, 1], kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1
});
size!(lenet: groups 2, tile 6 x 4, back 1 x 8, weight 3 x 1, Window {
    input: [1, 9, 10], output: [6, 9, 10], kernel: [5, 5], stride: [1, 1], padding: [2, 2], dilation: [1, 1], groups: 1
});
size!(padded: groups 1, tile 4 x 4, back 4 x 4, weight 4 x 2, Window {
    input: [5, 8, 8], output: [18, 8, 8], kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1
});
size!(strided: groups 1, tile 3 x 5, back 3 x 4, weight 4 x 2, Window {
    input: [3, 7, 9], output: [7, 4, 5], kernel: [3, 3], stride: [2, 2], padding: [1, 1], dilation: [1, 1], groups: 1
});
size!(pointwise: groups 1, tile 4 x 6, back 4 x 5, weight 4 x 4, Window {
    input: [17, 2, 6], output: [20, 2, 6], kernel: [1, 1], stride: [1, 1], padding: [0, 0], dilation: [1, 1], groups: 1
});
size!(skipping: groups 1, tile 2 x 8, back 2 x 8, weight 4 x 2, Window {
    input: [2, 5, 7], output: [4, 3, 3], kernel: [1, 1], stride: [2, 3], padding: [0, 0], dilation: [1, 1], groups: 1
});
size!(dilated: groups 1, tile 2 x 4, back 2 x 4, weight 4 x 2, Window {
    input: [2, 9, 8], output: [3, 5, 6], kernel: [3, 2], stride: [1, 1], padding: [0, 1], dilation: [2, 4], groups: 1
});
size!(depthwise: groups 1, tile 1 x 8, back 1 x 8, weight 1 x 1, Window {
    input: [18, 4, 5], output: [18, 4, 5], kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 18
});
size!(grouped: groups 1, tile 2 x 4, back 3 x 4, weight 2 x 1, Window {
    input: [9, 4, 6], output: [30, 2, 3], kernel: [3, 2], stride: [2, 2], padding: [1, 0], dilation: [1, 1], groups: 3
});
size!(signal: groups 1, tile 4 x 4, back 2 x 4, weight 2 x 1, Window {
    input: [2, 1, 21], output: [4, 1, 7], kernel: [1, 7], stride: [1, 3], padding: [0, 3], dilation: [1, 1], groups: 1
});
size!(all_padding_sides: groups 1, tile 2 x 8, back 2 x 4, weight 2 x 1, Window {
    input: [2, 2, 2], output: [2, 6, 6], kernel: [3, 3], stride: [1, 1], padding: [3, 3], dilation: [1, 1], groups: 1
});
size!(rows: groups 1, tile 6 x 4, back 3 x 4, weight 4 x 2, Window {
    input: [3, 3, 18], output: [6, 3, 18], kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1
});
size!(rows_of_whole_panels: groups 2, tile 4 x 4, back 2 x 4, weight 4 x 2, Window {
    input: [2, 4, 33], output: [16, 2, 32], kernel: [3, 2], stride: [2, 1], padding: [1, 0], dilation: [1, 1], groups: 1
});
size!(rows_behind_a_panel: groups 1, tile 3 x 4, back 2 x 4, weight 4 x 2, Window {
    input: [2, 1, 22], output: [21, 1, 16], kernel: [1, 4], stride: [1, 1], padding: [0, 0], dilation: [1, 2], groups: 1
});
// Panels of outputs together and alone, over runs that divide a row and that do not.
size!(runs: groups 1, tile 6 x 4, back 2 x 4, weight 4 x 2, Window {
    input: [2, 4, 13], output: [34, 4, 13], kernel: [2, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1
});
size!(short_runs: groups 1, tile 4 x 4, back 2 x 4, weight 4 x 2, Window {
    input: [3, 9, 9], output: [40, 3, 4], kernel: [3, 2], stride: [3, 2], padding: [0, 0], dilation: [1, 1], groups: 1
});
// Images whose weights' gradient goes band by band.
size!(bands: groups 3, tile 8 x 2, back 8 x 2, weight 4 x 2, Window {
    input: [23, 10, 12], output: [23, 10, 12], kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 1
});
size!(bands_strided: groups 3, tile 4 x 5, back 3 x 4, weight 3 x 2, Window {
    input: [7, 21, 25], output: [8, 11, 25], kernel: [3, 3], stride: [2, 1], padding: [1, 2], dilation: [1, 2], groups: 1
});
size!(bands_grouped: groups 3, tile 2 x 8, back 2 x 8, weight 2 x 2, Window {
    input: [8, 20, 20], output: [8, 20, 20], kernel: [3, 3], stride: [1, 1], padding: [1, 1], dilation: [1, 1], groups: 4
});
