//! Figures of positions against loops that anybody can read, in every set: sines and cosines, and pairs of features that
//! are turned by an angle. A batch and one sample have the same bits.

#![allow(clippy::needless_range_loop)]

mod numbers;

use nnc_runtime::__private::embedding::Turn;
use nnc_runtime::__private::{embedding, entries};
use nnc_runtime::lanes::{Lanes, Row};
use nnc_runtime::{Set, Simd};
use numbers::Numbers;

type R = Row<f32>;

/// What stands for 10000 in the angles does not matter to the kernels: these are far from each other, and large ones are
/// among them.
fn frequencies(n: usize) -> Vec<f64> {
    (0..n).map(|i| 3.0 * 0.61f64.powi(i as i32)).collect()
}

/// Sines and cosines of `$features` features at `$positions` positions.
macro_rules! waves {
    ($name:ident: $positions:literal x $features:literal) => {
        mod $name {
            use super::*;

            const T: usize = $positions;
            const D: usize = $features;
            const P: usize = (T * D).div_ceil(16);

            #[inline(always)]
            fn batch<L: Lanes<Elem = f32>>(frequencies: &[f64], y: &mut [R; T * D]) {
                embedding::sinusoidal::<L, T, D>(
                    frequencies,
                    #[inline(always)]
                    |at, z: L| z.store(&mut y[at]),
                );
            }

            #[inline(always)]
            fn one<L: Lanes<Elem = f32>>(frequencies: &[f64], y: &mut [R; P]) {
                embedding::sinusoidal_one::<L, T, D, P>(frequencies, y);
            }

            entries! {
                f32;
                Batch<'a> = batch(frequencies: &'a [f64], y: &'a mut [R; T * D]);
                One<'a> = one(frequencies: &'a [f64], y: &'a mut [R; P]);
            }

            #[test]
            fn each_feature_is_the_wave_of_its_position() {
                let frequencies = frequencies(D.div_ceil(2));
                for simd in Set::ALL.map(Simd::up_to) {
                    let (mut y, mut single) = ([[9.0; 16]; T * D], [[9.0; 16]; P]);
                    simd.run(Batch(&frequencies, &mut y));
                    simd.run(One(&frequencies, &mut single));
                    for t in 0..T {
                        for d in 0..D {
                            // The angle is rounded once, and only then is its wave taken.
                            let angle = f64::from((t as f64 * frequencies[d / 2]) as f32);
                            let wanted = if d % 2 == 0 { angle.sin() } else { angle.cos() };
                            let row = y[t * D + d];
                            assert!(
                                (f64::from(row[0]) - wanted).abs() < 2e-7,
                                "{simd:?}: {t} {d}: {}",
                                row[0]
                            );
                            assert_eq!(row, [row[0]; 16], "{simd:?}: {t} {d}");
                            assert_eq!(
                                single.as_flattened()[t * D + d],
                                row[0],
                                "{simd:?}: {t} {d}, one sample"
                            );
                        }
                    }
                    assert!(single.as_flattened()[T * D..].iter().all(|padding| *padding == 9.0), "{simd:?}");
                }
            }
        }
    };
}

/// Heads of `$head` features in the first `$turned` of `$row` at `$positions` positions.
macro_rules! turns {
    ($name:ident: $positions:literal x $row:literal, heads of $head:literal in $turned:literal, groups $groups:literal) => {
        mod $name {
            use super::*;

            const T: usize = $positions;
            const ROW: usize = $row;
            const F: usize = T * ROW;
            const G: usize = $groups;
            const P: usize = F.div_ceil(16);

            #[inline(always)]
            fn batch<L: Lanes<Elem = f32>>(x: &[[R; F]], turn: Turn, frequencies: &[f64], y: &mut [[R; F]]) {
                embedding::rotate::<L, F>(
                    x,
                    turn,
                    frequencies,
                    #[inline(always)]
                    |g, f, z: L| z.store(&mut y[g][f]),
                );
            }

            #[inline(always)]
            fn one<L: Lanes<Elem = f32>>(x: &[R; P], turn: Turn, frequencies: &[f64], y: &mut [R; P]) {
                embedding::rotate_one::<L, P>(x, F, turn, frequencies, y);
            }

            entries! {
                f32;
                Batch<'a> = batch(x: &'a [[R; F]], turn: Turn, frequencies: &'a [f64], y: &'a mut [[R; F]]);
                One<'a> = one(x: &'a [R; P], turn: Turn, frequencies: &'a [f64], y: &'a mut [R; P]);
            }

            fn plain(x: &[f32], turn: Turn, frequencies: &[f64]) -> Vec<f64> {
                let mut y: Vec<f64> = x.iter().map(|x| f64::from(*x)).collect();
                for t in 0..T {
                    for start in (t * ROW..t * ROW + turn.len).step_by(turn.head) {
                        for (i, frequency) in frequencies.iter().enumerate() {
                            let angle = f64::from((t as f64 * frequency) as f32);
                            let angle = if turn.is_back { -angle } else { angle };
                            let (low, high) = (start + i, start + i + turn.head / 2);
                            let (a, b) = (f64::from(x[low]), f64::from(x[high]));
                            y[low] = a * angle.cos() - b * angle.sin();
                            y[high] = b * angle.cos() + a * angle.sin();
                        }
                    }
                }
                y
            }

            #[test]
            fn pairs_of_each_head_are_turned_and_the_rest_is_handed_on() {
                let frequencies = frequencies($head / 2);
                let x = Numbers(7).rows::<F, G>();
                for (simd, is_back) in
                    Set::ALL.map(Simd::up_to).into_iter().flat_map(|s| [(s, false), (s, true)])
                {
                    let turn = Turn { row: ROW, len: $turned, head: $head, is_back };
                    let mut y = [[[9.0; 16]; F]; G];
                    simd.run(Batch(x.as_slice(), turn, &frequencies, &mut y));
                    for (sample, lane) in (0..G).flat_map(|g| (0..16).map(move |lane| (g, lane))) {
                        let of_sample: Vec<f32> = x[sample].iter().map(|row| row[lane]).collect();
                        let (mut packed, mut single) = ([[0.0; 16]; P], [[9.0; 16]; P]);
                        packed.as_flattened_mut()[..F].copy_from_slice(&of_sample);
                        simd.run(One(&packed, turn, &frequencies, &mut single));
                        let wanted = plain(&of_sample, turn, &frequencies);
                        for f in 0..F {
                            let z = y[sample][f][lane];
                            assert!(
                                (f64::from(z) - wanted[f]).abs() < 1e-6,
                                "{simd:?}: {f}: {z}, not {}",
                                wanted[f]
                            );
                            assert_eq!(single.as_flattened()[f], z, "{simd:?}: {f}, one sample");
                        }
                    }
                }
            }
        }
    };
}

waves!(one_number: 1 x 1);
waves!(one_pair: 3 x 2);
waves!(odd: 5 x 7);
waves!(whole_rows: 9 x 32);
waves!(a_row_and_one: 4 x 33);
waves!(several_rows: 50 x 70);

turns!(a_pair: 2 x 2, heads of 2 in 2, groups 1);
turns!(pairs_and_a_rest: 3 x 9, heads of 4 in 8, groups 2);
turns!(odd_halves: 5 x 21, heads of 14 in 14, groups 1);
turns!(whole_rows_of_pairs: 4 x 96, heads of 32 in 64, groups 2);
turns!(more_pairs_than_lanes: 3 x 76, heads of 38 in 76, groups 1);
