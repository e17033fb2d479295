//! Kernels of resampled images against sums over tables of shares, in every set.

#![allow(clippy::needless_range_loop)]

mod numbers;

use nnc_runtime::__private::entries;
use nnc_runtime::__private::resample::{self, Map, Maps};
use nnc_runtime::lanes::{Lanes, Row};
use nnc_runtime::{Set, Simd};
use numbers::Numbers;

type R = Row<f32>;

/// The share of every place in place `o`, from its definition.
fn shares(map: Map, o: usize) -> Vec<f64> {
    let mut shares = vec![0.0; map.size()];
    let last = map.size() as f64 - 1.0;
    let at = match map {
        Map::Nearest { scale, .. } => (o as f64 / scale as f64).floor(),
        Map::Linear { scale, .. } => ((o as f64 + 0.5) / scale as f64 - 0.5).clamp(0.0, last),
        Map::Reflect { before, .. } => {
            let at = (o as f64 - before as f64).abs();
            if at > last { 2.0 * last - at } else { at }
        }
        Map::Replicate { before, .. } => (o as f64 - before as f64).clamp(0.0, last),
    };
    for (i, share) in shares.iter_mut().enumerate() {
        *share = (1.0 - (at - i as f64).abs()).max(0.0);
    }
    shares
}

macro_rules! maps {
    ($name:ident: $channels:literal of $height:expr, $width:expr) => {
        mod $name {
            use super::*;

            const M: Maps = Maps { channels: $channels, height: $height, width: $width };
            const X: usize = M.channels * M.height.size() * M.width.size();
            const Y: usize = M.channels * M.height.places() * M.width.places();
            const G: usize = 2;
            const XP: usize = X.div_ceil(16);
            const YP: usize = Y.div_ceil(16);

            #[inline(always)]
            fn forward<L: Lanes<Elem = f32>>(x: &[[R; X]], y: &mut [[R; Y]]) {
                resample::forward::<L, X>(
                    x,
                    M,
                    #[inline(always)]
                    |g, o, z: L| z.store(&mut y[g][o]),
                );
            }

            #[inline(always)]
            fn gradient<L: Lanes<Elem = f32>>(d_y: &[[R; Y]], d_x: &mut [[R; X]]) {
                resample::gradient::<L, Y>(
                    d_y,
                    M,
                    #[inline(always)]
                    |g, o, z: L| z.store(&mut d_x[g][o]),
                );
            }

            entries! {
                f32;
                Forward<'a> = forward(x: &'a [[R; X]], y: &'a mut [[R; Y]]);
                Gradient<'a> = gradient(d_y: &'a [[R; Y]], d_x: &'a mut [[R; X]]);
            }

            /// The share of feature `f` in feature `o` of the result.
            fn share(o: usize, f: usize) -> f64 {
                let (rows, columns) = (M.height.places(), M.width.places());
                let (h, w) = (M.height.size(), M.width.size());
                if o / (rows * columns) != f / (h * w) {
                    return 0.0;
                }
                shares(M.height, o / columns % rows)[f / w % h] * shares(M.width, o % columns)[f % w]
            }

            #[test]
            fn both_ways() {
                let mut numbers = Numbers(7);
                let (x, d_y) = (numbers.rows::<X, G>(), numbers.rows::<Y, G>());
                let table: Vec<Vec<f64>> = (0..Y).map(|o| (0..X).map(|f| share(o, f)).collect()).collect();
                let mut bits: Option<(Box<[[R; Y]; G]>, Box<[[R; X]; G]>)> = None;
                for simd in Set::ALL.map(Simd::up_to) {
                    let (mut y, mut d_x) = (numbers.rows::<Y, G>(), numbers.rows::<X, G>());
                    simd.run(Forward(&*x, &mut *y));
                    simd.run(Gradient(&*d_y, &mut *d_x));
                    let (mut y_again, mut d_x_again) = (numbers.rows::<Y, G>(), numbers.rows::<X, G>());
                    for g in 0..G {
                        simd.run(Forward(&x[g..=g], &mut y_again[g..=g]));
                        simd.run(Gradient(&d_y[g..=g], &mut d_x_again[g..=g]));
                    }
                    assert!(y_again == y && d_x_again == d_x, "{simd:?}: group by group");
                    for g in 0..G {
                        for lane in 0..16 {
                            for o in 0..Y {
                                let sum: f64 = (0..X).map(|f| table[o][f] * f64::from(x[g][f][lane])).sum();
                                assert!(
                                    (f64::from(y[g][o][lane]) - sum).abs() < 1e-6,
                                    "{simd:?} y[{g}][{o}][{lane}]"
                                );
                            }
                            for f in 0..X {
                                let sum: f64 = (0..Y).map(|o| table[o][f] * f64::from(d_y[g][o][lane])).sum();
                                let error = (f64::from(d_x[g][f][lane]) - sum).abs();
                                assert!(error < 4e-6, "{simd:?} d_x[{g}][{f}][{lane}]");
                            }
                        }
                    }
                    let first = bits.get_or_insert_with(|| (y.clone(), d_x.clone()));
                    assert!(first.0 == y && first.1 == d_x, "{simd:?} gives other bits");
                    let mut one: [R; XP] = [[0.0; 16]; XP];
                    for f in 0..X {
                        one[f / 16][f % 16] = x[1][f][5];
                    }
                    let mut found = [[f32::NAN; 16]; YP];
                    resample::one(&one, M, &mut found);
                    for o in 0..Y {
                        assert!((found[o / 16][o % 16] - y[1][o][5]).abs() < 1e-6, "one sample, {o}");
                    }
                }
            }
        }
    };
}

const fn nearest(size: usize, scale: usize) -> Map {
    Map::Nearest { size, scale }
}

const fn linear(size: usize, scale: usize) -> Map {
    Map::Linear { size, scale }
}

const fn reflect(size: usize, before: usize, after: usize) -> Map {
    Map::Reflect { size, before, after }
}

const fn replicate(size: usize, before: usize, after: usize) -> Map {
    Map::Replicate { size, before, after }
}

maps!(same: 1 of nearest(1, 1), nearest(1, 1));
maps!(doubled: 3 of nearest(2, 2), nearest(3, 2));
maps!(stretched: 2 of nearest(3, 1), nearest(2, 5));
maps!(smooth: 2 of linear(3, 2), linear(4, 2));
maps!(smooth_by_odd: 1 of linear(4, 3), linear(2, 5));
maps!(smooth_of_one: 2 of linear(1, 4), linear(5, 4));
maps!(smooth_signal: 2 of nearest(1, 1), linear(5, 3));
maps!(mirrored: 2 of reflect(3, 2, 2), reflect(4, 1, 3));
maps!(mirrored_once: 2 of reflect(2, 0, 1), reflect(2, 1, 0));
maps!(edges: 2 of replicate(3, 2, 0), replicate(1, 4, 5));
maps!(mixed: 1 of reflect(3, 1, 0), replicate(2, 1, 1));
