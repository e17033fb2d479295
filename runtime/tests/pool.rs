//! Kernels of windows against loops over a padded image that anybody can read, in every set, bit by bit.

#![allow(clippy::needless_range_loop)]

use nnc_runtime::__private::entries;
use nnc_runtime::__private::pool::{self, Axis, Windows};
use nnc_runtime::lanes::{Lanes, Row};
use nnc_runtime::{Set, Simd};

type R = Row<f32>;

/// Whole numbers from -3 to 3: equal ones are frequent, and their sums exact.
struct Numbers(u32);

impl Numbers {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((self.0 >> 16) % 7) as f32 - 3.0
    }

    fn rows<const F: usize, const G: usize>(&mut self) -> Box<[[R; F]; G]> {
        let mut rows = Box::new([[[0.0; 16]; F]; G]);
        rows.as_flattened_mut().as_flattened_mut().fill_with(|| self.next());
        rows
    }
}

/// The places of a window, from its definition alone.
fn places(axis: Axis, o: usize) -> Vec<usize> {
    (0..axis.size())
        .filter(|place| match axis {
            Axis::Strided { kernel, stride, padding, .. } => {
                let from_start = (*place + padding) as isize - (o * stride) as isize;
                (0..kernel as isize).contains(&from_start)
            }
            Axis::Adaptive { size, windows } => {
                let (size, windows, o) = (size as f64, windows as f64, o as f64);
                let (start, end) = ((o * size / windows).floor(), ((o + 1.0) * size / windows).ceil());
                (start..end).contains(&(*place as f64))
            }
        })
        .collect()
}

/// The features of every window, in order.
fn features(windows: Windows) -> Vec<Vec<usize>> {
    let (height, width) = (windows.height, windows.width);
    let mut all = Vec::new();
    for channel in 0..windows.channels {
        for row in 0..height.windows() {
            for column in 0..width.windows() {
                let mut window = Vec::new();
                for h in places(height, row) {
                    for w in places(width, column) {
                        window.push((channel * height.size() + h) * width.size() + w);
                    }
                }
                all.push(window);
            }
        }
    }
    all
}

/// Numbers that are none are equal if they have the same bits.
fn bits(row: R) -> [u32; 16] {
    row.map(f32::to_bits)
}

/// A module for one kind of window; `$apart` says whether no two share a place.
macro_rules! windows {
    ($name:ident: $channels:literal of $height:expr, $width:expr, count $count:expr, apart $apart:literal) => {
        mod $name {
            use super::*;

            const W: Windows = Windows { channels: $channels, height: $height, width: $width };
            const X: usize = W.channels * W.height.size() * W.width.size();
            const Y: usize = W.channels * W.height.windows() * W.width.windows();
            const G: usize = 2;
            const XP: usize = X.div_ceil(16);
            const YP: usize = Y.div_ceil(16);
            const COUNT: Option<usize> = $count;

            #[inline(always)]
            fn max<L: Lanes<Elem = f32>>(x: &[[R; X]], y: &mut [[R; Y]]) {
                pool::max::<L, X>(x, W, #[inline(always)] |g, o, z: L| z.store(&mut y[g][o]));
            }

            #[inline(always)]
            fn max_gradient<L: Lanes<Elem = f32>>(x: &[[R; X]], y: &[[R; Y]], d_y: &[[R; Y]], d_x: &mut [[R; X]]) {
                pool::max_gradient::<L, X, Y>(x, y, d_y, W, #[inline(always)] |g, o, z: L| z.store(&mut d_x[g][o]));
            }

            #[inline(always)]
            fn max_place<L: Lanes<Elem = f32>>(x: &[[R; X]], place: &mut [[R; Y]]) {
                pool::max_place::<L, X>(x, W, #[inline(always)] |g, o, z: L| z.store(&mut place[g][o]));
            }

            #[inline(always)]
            fn max_gradient_at<L: Lanes<Elem = f32>>(place: &[[R; Y]], d_y: &[[R; Y]], d_x: &mut [[R; X]]) {
                pool::max_gradient_at::<L, Y>(place, d_y, W, #[inline(always)] |g, o, z: L| z.store(&mut d_x[g][o]));
            }

            #[inline(always)]
            fn mean<L: Lanes<Elem = f32>>(x: &[[R; X]], y: &mut [[R; Y]]) {
                pool::mean::<L, X>(x, W, COUNT, #[inline(always)] |g, o, z: L| z.store(&mut y[g][o]));
            }

            #[inline(always)]
            fn mean_gradient<L: Lanes<Elem = f32>>(d_y: &[[R; Y]], d_x: &mut [[R; X]]) {
                pool::mean_gradient::<L, Y>(d_y, W, COUNT, #[inline(always)] |g, o, z: L| z.store(&mut d_x[g][o]));
            }

            entries! {
                f32;
                Max<'a> = max(x: &'a [[R; X]], y: &'a mut [[R; Y]]);
                MaxGradient<'a> = max_gradient(x: &'a [[R; X]], y: &'a [[R; Y]], d_y: &'a [[R; Y]], d_x: &'a mut [[R; X]]);
                MaxPlace<'a> = max_place(x: &'a [[R; X]], place: &'a mut [[R; Y]]);
                MaxGradientAt<'a> = max_gradient_at(place: &'a [[R; Y]], d_y: &'a [[R; Y]], d_x: &'a mut [[R; X]]);
                Mean<'a> = mean(x: &'a [[R; X]], y: &'a mut [[R; Y]]);
                MeanGradient<'a> = mean_gradient(d_y: &'a [[R; Y]], d_x: &'a mut [[R; X]]);
            }

            /// One sample of many, in rows of sixteen features.
            fn one(x: &[[R; X]; G], lane: usize) -> [R; XP] {
                let mut one = [[0.0; 16]; XP];
                for f in 0..X {
                    one[f / 16][f % 16] = x[1][f][lane];
                }
                one
            }

            #[test]
            fn largest() {
                let mut numbers = Numbers(7);
                let (mut x, d_y) = (numbers.rows::<X, G>(), numbers.rows::<Y, G>());
                x[0][X / 2][3] = f32::NAN;
                x[0][X / 3][5] = f32::NEG_INFINITY;
                let windows = features(W);
                for simd in Set::ALL.map(Simd::up_to) {
                    let (mut y, mut place) = (numbers.rows::<Y, G>(), numbers.rows::<Y, G>());
                    let mut gradients = vec![numbers.rows::<X, G>(); if $apart { 2 } else { 1 }];
                    simd.run(Max(&*x, &mut *y));
                    simd.run(MaxPlace(&*x, &mut *place));
                    simd.run(MaxGradientAt(&*place, &*d_y, &mut *gradients[0]));
                    if $apart {
                        simd.run(MaxGradient(&*x, &*y, &*d_y, &mut *gradients[1]));
                    }
                    let (mut y_again, mut place_again) = (numbers.rows::<Y, G>(), numbers.rows::<Y, G>());
                    let mut again = gradients.clone();
                    again.iter_mut().for_each(|rows| rows.as_flattened_mut().fill([9.0; 16]));
                    for g in 0..G {
                        let (x, d_y) = (&x[g..=g], &d_y[g..=g]);
                        simd.run(Max(x, &mut y_again[g..=g]));
                        simd.run(MaxPlace(x, &mut place_again[g..=g]));
                        simd.run(MaxGradientAt(&place[g..=g], d_y, &mut again[0][g..=g]));
                        if $apart {
                            simd.run(MaxGradient(x, &y[g..=g], d_y, &mut again[1][g..=g]));
                        }
                    }
                    assert!(y_again.map(|y| y.map(bits)) == y.map(|y| y.map(bits)), "{simd:?}: group by group");
                    assert!(place_again == place && again == gradients, "{simd:?}: group by group");
                    for g in 0..G {
                        for lane in 0..16 {
                            let mut d_x = [0.0f32; X];
                            let mut has_nan = false;
                            for (o, window) in windows.iter().enumerate() {
                                let values: Vec<f32> = window.iter().map(|f| x[g][*f][lane]).collect();
                                let nan = values.iter().rposition(|value| value.is_nan());
                                let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                                let first = values.iter().position(|value| *value == largest);
                                let first = nan.or(first).expect("a window has places");
                                let what = format!("{simd:?} group {g} window {o} lane {lane}");
                                assert_eq!(y[g][o][lane].to_bits(), values[first].to_bits(), "{what}");
                                assert_eq!(place[g][o][lane], first as f32, "{what}");
                                d_x[window[first]] += d_y[g][o][lane];
                                has_nan |= nan.is_some();
                            }
                            for (n, found) in gradients.iter().enumerate() {
                                // Where a number is none, no step is taken: only one of them finds its place.
                                for f in (0..X).filter(|_| n == 0 || !has_nan) {
                                    assert_eq!(found[g][f][lane], d_x[f], "{simd:?} {n} group {g} {f} lane {lane}");
                                }
                            }
                        }
                    }
                    for lane in 0..16 {
                        let mut found = [[f32::NAN; 16]; YP];
                        pool::max_one(&one(&x, lane), W, &mut found);
                        for o in 0..Y {
                            assert_eq!(found[o / 16][o % 16], y[1][o][lane], "one sample, window {o}");
                        }
                    }
                }
            }

            #[test]
            fn means() {
                let mut numbers = Numbers(11);
                let (x, d_y) = (numbers.rows::<X, G>(), numbers.rows::<Y, G>());
                let windows = features(W);
                for simd in Set::ALL.map(Simd::up_to) {
                    let (mut y, mut d_x) = (numbers.rows::<Y, G>(), numbers.rows::<X, G>());
                    simd.run(Mean(&*x, &mut *y));
                    simd.run(MeanGradient(&*d_y, &mut *d_x));
                    let (mut y_again, mut d_x_again) = (numbers.rows::<Y, G>(), numbers.rows::<X, G>());
                    for g in 0..G {
                        simd.run(Mean(&x[g..=g], &mut y_again[g..=g]));
                        simd.run(MeanGradient(&d_y[g..=g], &mut d_x_again[g..=g]));
                    }
                    assert!(y_again == y && d_x_again == d_x, "{simd:?}: group by group");
                    for g in 0..G {
                        for lane in 0..16 {
                            let mut expected = [0.0f32; X];
                            for (o, window) in windows.iter().enumerate() {
                                let share = (1.0 / COUNT.unwrap_or(window.len()) as f64) as f32;
                                let sum = window.iter().fold(0.0, |sum, f: &usize| sum + x[g][*f][lane]);
                                let mean: f32 = sum * share;
                                assert_eq!(y[g][o][lane].to_bits(), mean.to_bits(), "{simd:?} group {g} window {o}");
                                for f in window {
                                    expected[*f] = d_y[g][o][lane].mul_add(share, expected[*f]);
                                }
                            }
                            for f in 0..X {
                                assert_eq!(d_x[g][f][lane], expected[f], "{simd:?} group {g} feature {f}");
                            }
                        }
                    }
                    for lane in 0..16 {
                        let mut found = [[f32::NAN; 16]; YP];
                        pool::mean_one(&one(&x, lane), W, COUNT, &mut found);
                        for o in 0..Y {
                            assert_eq!(found[o / 16][o % 16].to_bits(), y[1][o][lane].to_bits(), "one sample, {o}");
                        }
                    }
                }
            }
        }
    };
}

const fn strided(size: usize, windows: usize, kernel: usize, stride: usize, padding: usize) -> Axis {
    assert!((size + 2 * padding - kernel) / stride + 1 == windows);
    Axis::Strided { size, windows, kernel, stride, padding }
}

const fn adaptive(size: usize, windows: usize) -> Axis {
    Axis::Adaptive { size, windows }
}

windows!(one: 1 of strided(1, 1, 1, 1, 0), strided(1, 1, 1, 1, 0), count Some(1), apart true);
windows!(halves: 3 of strided(4, 2, 2, 2, 0), strided(6, 3, 2, 2, 0), count Some(4), apart true);
windows!(rest: 2 of strided(5, 2, 2, 2, 0), strided(7, 2, 3, 3, 0), count Some(6), apart true);
windows!(gaps: 2 of strided(8, 2, 2, 5, 0), strided(7, 3, 1, 3, 0), count Some(2), apart true);
windows!(padded: 2 of strided(5, 3, 2, 2, 1), strided(7, 3, 3, 3, 1), count Some(6), apart true);
windows!(padded_own: 2 of strided(5, 3, 2, 2, 1), strided(7, 3, 3, 3, 1), count None, apart true);
windows!(overlapping: 2 of strided(6, 4, 3, 1, 0), strided(7, 3, 3, 2, 0), count Some(9), apart false);
windows!(overlapping_padded: 1 of strided(7, 4, 3, 2, 1), strided(5, 5, 5, 1, 2), count Some(15), apart false);
windows!(signal: 5 of strided(1, 1, 1, 1, 0), strided(9, 4, 3, 2, 0), count Some(3), apart false);
windows!(all: 17 of adaptive(3, 1), adaptive(2, 1), count Some(6), apart true);
windows!(divided: 2 of adaptive(6, 3), adaptive(4, 2), count Some(4), apart true);
windows!(uneven: 2 of adaptive(7, 3), adaptive(5, 2), count None, apart false);
windows!(widened: 1 of adaptive(2, 5), adaptive(3, 4), count None, apart false);

/// Windows that nobody chose, in arrays that are larger than their images.
mod random {
    use super::*;

    const N: usize = 600;

    #[inline(always)]
    fn all<L: Lanes<Elem = f32>>(
        windows: Windows,
        count: Option<usize>,
        x: &[[R; N]; 1],
        d_y: &[[R; N]; 1],
        out: &mut [Box<[[R; N]; 1]>; 5],
    ) {
        let [y, place, d_max, mean, d_mean] = out;
        pool::max::<L, N>(x, windows, |g, o, z: L| z.store(&mut y[g][o]));
        pool::max_place::<L, N>(x, windows, |g, o, z: L| z.store(&mut place[g][o]));
        pool::max_gradient_at::<L, N>(&**place, d_y, windows, |g, o, z: L| z.store(&mut d_max[g][o]));
        pool::mean::<L, N>(x, windows, count, |g, o, z: L| z.store(&mut mean[g][o]));
        pool::mean_gradient::<L, N>(d_y, windows, count, |g, o, z: L| z.store(&mut d_mean[g][o]));
    }

    entries! {
        f32;
        All<'a> = all(windows: Windows, count: Option<usize>, x: &'a [[R; N]; 1], d_y: &'a [[R; N]; 1], out: &'a mut [Box<[[R; N]; 1]>; 5]);
    }

    fn axis(from: &mut impl FnMut(usize) -> usize) -> Axis {
        let size = 1 + from(9);
        if from(3) == 0 {
            return adaptive(size, 1 + from(11));
        }
        let kernel = 1 + from(size + 2);
        let padding = from(kernel / 2 + 1);
        let kernel = kernel.min(size + 2 * padding);
        let (padding, stride) = (padding.min(kernel / 2), 1 + from(4));
        let kernel = kernel.min(size + 2 * padding);
        strided(size, (size + 2 * padding - kernel) / stride + 1, kernel, stride, padding)
    }

    #[test]
    fn windows() {
        let mut numbers = Numbers(3);
        let mut state = 5u32;
        let mut from = |n: usize| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 16) as usize % n
        };
        for _ in 0..300 {
            let windows = Windows { channels: 1 + from(3), height: axis(&mut from), width: axis(&mut from) };
            let count = (from(2) == 0).then_some(6);
            let (x, d_y) = (numbers.rows::<N, 1>(), numbers.rows::<N, 1>());
            for simd in Set::ALL.map(Simd::up_to) {
                let mut out = [(); 5].map(|()| Box::new([[[0.0; 16]; N]; 1]));
                simd.run(All(windows, count, &x, &d_y, &mut out));
                let [y, place, d_max, mean, d_mean] = &out;
                for lane in [0, 7, 15] {
                    let (mut of_max, mut of_mean) = ([0.0f32; N], [0.0f32; N]);
                    for (o, window) in features(windows).iter().enumerate() {
                        let values: Vec<f32> = window.iter().map(|f| x[0][*f][lane]).collect();
                        let largest = values.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                        let first = values.iter().position(|value| *value == largest).expect("it is there");
                        let share = (1.0 / count.unwrap_or(window.len()) as f64) as f32;
                        let expected = (largest, first as f32, values.iter().sum::<f32>() * share);
                        let found = (y[0][o][lane], place[0][o][lane], mean[0][o][lane]);
                        assert_eq!(found, expected, "{simd:?} {windows:?} window {o}");
                        of_max[window[first]] += d_y[0][o][lane];
                        for f in window {
                            of_mean[*f] = d_y[0][o][lane].mul_add(share, of_mean[*f]);
                        }
                    }
                    for f in 0..windows.channels * windows.height.size() * windows.width.size() {
                        let found = (d_max[0][f][lane], d_mean[0][f][lane]);
                        assert_eq!(found, (of_max[f], of_mean[f]), "{simd:?} {windows:?} feature {f}");
                    }
                }
            }
        }
    }
}
