//! Winograd's algorithm for convolutions against the sums that a convolution is, in f64, over images of even and odd sizes
//! with every padding; and the same bits in every set.

#![allow(clippy::needless_range_loop)]

mod numbers;

use nnc_runtime::__private::conv::{self, Window};
use nnc_runtime::__private::entries;
use nnc_runtime::lanes::{Lanes, Row};
use nnc_runtime::{Set, Simd};
use numbers::Numbers;

type R = Row<f32>;

/// Each pair of a place of x and a place of y that meet, with the element of the weight: output channel, and place among
/// those of its kernels.
fn meetings(window: &Window) -> Vec<(usize, usize, (usize, usize))> {
    let ([channels, height, width], [outputs, rows, columns]) = (window.input, window.output);
    let mut all = Vec::new();
    for (output, channel) in (0..outputs).flat_map(|o| (0..channels).map(move |c| (o, c))) {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            for (ky, kx) in (0..window.kernel[0]).flat_map(|ky| (0..window.kernel[1]).map(move |kx| (ky, kx)))
            {
                let y = (row + ky).checked_sub(window.padding[0]).filter(|y| *y < height);
                let x = (column + kx).checked_sub(window.padding[1]).filter(|x| *x < width);
                if let (Some(y), Some(x)) = (y, x) {
                    let from = (channel * height + y) * width + x;
                    let to = (output * rows + row) * columns + column;
                    let tap = (channel * window.kernel[0] + ky) * window.kernel[1] + kx;
                    all.push((from, to, (output, tap)));
                }
            }
        }
    }
    all
}

/// A number and a bound of what rounding may make of it, for each place.
fn close(name: &str, found: &[R], expected: &[[(f64, f64); 16]]) {
    for (at, (found, expected)) in found.iter().zip(expected).enumerate() {
        for (lane, (found, (sum, size))) in found.iter().zip(expected).enumerate() {
            let off = (f64::from(*found) - sum).abs();
            // Elements of tiles are sums of four numbers and more, rounded before they are multiplied.
            assert!(off <= 2e-6 * (1.0 + size), "{name}[{at}][{lane}]: {found}, expected {sum}");
        }
    }
}

macro_rules! size {
    ($name:ident: groups $g:literal, taps $taps:literal, $input:expr => $output:expr, padding $padding:expr) => {
        mod $name {
            use super::*;

            const WINDOW: Window = Window {
                input: $input,
                output: $output,
                kernel: [$taps, $taps],
                stride: [1, 1],
                padding: $padding,
                dilation: [1, 1],
                groups: 1,
            };
            const G: usize = $g;
            const X: usize = WINDOW.input[0] * WINDOW.input[1] * WINDOW.input[2];
            const Y: usize = WINDOW.output[0] * WINDOW.output[1] * WINDOW.output[2];
            const K: usize = WINDOW.input[0] * $taps * $taps;
            const P: usize = WINDOW.output[0].div_ceil(16);
            const BP: usize = WINDOW.input[0].div_ceil(16);
            /// One more than is needed.
            const S: usize = ($taps + 1) * ($taps + 1)
                * (P * WINDOW.input[0] + 2 * (WINDOW.input[0] + 1 + WINDOW.output[0]))
                + 1;

            #[inline(always)]
            fn forward<L: Lanes<Elem = f32>>(x: &[[R; X]], weight: &[[R; K]; P], bias: Option<&[R; P]>, room: &mut [[R; S]], y: &mut [[R; Y]], times: &mut [u32; Y]) {
                conv::winograd::<L, $taps, X, K, P, S>(&WINDOW, x, weight, bias, room, #[inline(always)] |g, o, z: L| {
                    times[o] += 1;
                    z.store(&mut y[g][o]);
                });
            }

            const H: usize = WINDOW.output[0] * (WINDOW.output[1] / 2) * (WINDOW.output[2] / 2);

            #[inline(always)]
            fn halved<L: Lanes<Elem = f32>>(x: &[[R; X]], weight: &[[R; K]; P], room: &mut [[R; S]], y: &mut [[R; H]]) {
                conv::winograd_halved::<L, $taps, X, K, P, S>(
                    &WINDOW,
                    x,
                    weight,
                    None,
                    room,
                    #[inline(always)]
                    |_, place, z: L| z + L::splat(place as f32),
                    #[inline(always)]
                    |g, o, z: L| z.store(&mut y[g][o]),
                );
            }

            #[inline(always)]
            fn back<L: Lanes<Elem = f32>>(d_y: &[[R; Y]], weight: &[[R; K]; P], bias: Option<&[R; BP]>, room: &mut [[R; S]], d_x: &mut [[R; X]], times: &mut [u32; X]) {
                conv::winograd_back::<L, $taps, Y, K, P, S>(&WINDOW, d_y, weight, bias.map(|bias| bias.as_slice()), room, #[inline(always)] |g, o, z: L| {
                    times[o] += 1;
                    z.store(&mut d_x[g][o]);
                });
            }

            entries! {
                f32;
                Forward<'a> = forward(x: &'a [[R; X]], weight: &'a [[R; K]; P], bias: Option<&'a [R; P]>, room: &'a mut [[R; S]], y: &'a mut [[R; Y]], times: &'a mut [u32; Y]);
                Halved<'a> = halved(x: &'a [[R; X]], weight: &'a [[R; K]; P], room: &'a mut [[R; S]], y: &'a mut [[R; H]]);
                Back<'a> = back(d_y: &'a [[R; Y]], weight: &'a [[R; K]; P], bias: Option<&'a [R; BP]>, room: &'a mut [[R; S]], d_x: &'a mut [[R; X]], times: &'a mut [u32; X]);
            }

            fn weight(numbers: &mut Numbers) -> Box<[[R; K]; P]> {
                let mut weight = numbers.rows::<K, P>();
                for o in WINDOW.output[0]..16 * P {
                    weight[o / 16].iter_mut().for_each(|row| row[o % 16] = 0.0);
                }
                weight
            }

            #[test]
            fn forward_is_a_convolution() {
                let mut numbers = Numbers(3);
                let (x, weight) = (numbers.rows::<X, G>(), weight(&mut numbers));
                let bias: [R; P] = std::array::from_fn(|_| std::array::from_fn(|_| numbers.next()));
                let meetings = meetings(&WINDOW);
                for bias in [None, Some(&bias)] {
                    let mut first = None;
                    for simd in Set::ALL.map(Simd::up_to) {
                        // What was in the room before is not read.
                        let (mut y, mut room) = (numbers.rows::<Y, G>(), numbers.rows::<S, G>());
                        let mut times = [0; Y];
                        simd.run(Forward(&*x, &weight, bias, &mut *room, &mut *y, &mut times));
                        assert!(times.iter().all(|times| *times == G as u32), "{simd:?}: each place once");
                        let mut again = numbers.rows::<Y, G>();
                        for g in 0..G {
                            simd.run(Forward(&x[g..=g], &weight, bias, &mut room[g..=g], &mut again[g..=g], &mut times));
                        }
                        assert!(again == y, "{simd:?}: group by group");
                        assert!(*first.get_or_insert(y.clone()) == y, "{simd:?}: the same bits");
                    }
                    let y = first.expect("there is a set");
                    for g in 0..G {
                        let mut expected = vec![[(0.0, 0.0); 16]; Y];
                        for (to, sum) in expected.iter_mut().enumerate() {
                            let output = to / (WINDOW.output[1] * WINDOW.output[2]);
                            let start = bias.map_or(0.0, |bias| f64::from(bias[output / 16][output % 16]));
                            *sum = [(start, start.abs()); 16];
                        }
                        for (from, to, (output, tap)) in &meetings {
                            for lane in 0..16 {
                                let product = f64::from(x[g][*from][lane]) * f64::from(weight[output / 16][*tap][output % 16]);
                                let (sum, size) = &mut expected[*to][lane];
                                (*sum, *size) = (*sum + product, *size + product.abs());
                            }
                        }
                        close("y", &y[g], &expected);
                    }
                }
            }

            /// What a value becomes before depends on its place here, so that each is asked for by its own.
            #[test]
            fn halved_is_the_largest_of_four() {
                let [_, height, width] = WINDOW.output;
                if height % 2 + width % 2 > 0 {
                    return;
                }
                let mut numbers = Numbers(9);
                let (x, weight) = (numbers.rows::<X, G>(), weight(&mut numbers));
                for simd in Set::ALL.map(Simd::up_to) {
                    let (mut y, mut room) = (numbers.rows::<Y, G>(), numbers.rows::<S, G>());
                    simd.run(Forward(&*x, &weight, None, &mut *room, &mut *y, &mut [0; Y]));
                    let mut largest = numbers.rows::<H, G>();
                    simd.run(Halved(&*x, &weight, &mut *room, &mut *largest));
                    for (g, at, lane) in (0..G).flat_map(|g| (0..H).flat_map(move |at| (0..16).map(move |lane| (g, at, lane)))) {
                        let (row, column) = (at / (width / 2), at % (width / 2));
                        let (o, row) = (row / (height / 2), row % (height / 2));
                        let places = [(0, 0), (0, 1), (1, 0), (1, 1)]
                            .map(|(dy, dx)| (o * height + 2 * row + dy) * width + 2 * column + dx);
                        let wanted = places.map(|place| y[g][place][lane] + place as f32).into_iter().fold(f32::MIN, f32::max);
                        assert_eq!(largest[g][at][lane], wanted, "{simd:?}: {at}");
                    }
                }
            }

            #[test]
            fn back_is_its_gradient() {
                let mut numbers = Numbers(5);
                let (d_y, weight) = (numbers.rows::<Y, G>(), weight(&mut numbers));
                let bias: [R; BP] = std::array::from_fn(|_| std::array::from_fn(|_| numbers.next()));
                let meetings = meetings(&WINDOW);
                for bias in [None, Some(&bias)] {
                    let mut first = None;
                    for simd in Set::ALL.map(Simd::up_to) {
                        let (mut d_x, mut room) = (numbers.rows::<X, G>(), numbers.rows::<S, G>());
                        let mut times = [0; X];
                        simd.run(Back(&*d_y, &weight, bias, &mut *room, &mut *d_x, &mut times));
                        assert!(times.iter().all(|times| *times == G as u32), "{simd:?}: each place once");
                        let mut again = numbers.rows::<X, G>();
                        for g in 0..G {
                            simd.run(Back(&d_y[g..=g], &weight, bias, &mut room[g..=g], &mut again[g..=g], &mut times));
                        }
                        assert!(again == d_x, "{simd:?}: group by group");
                        assert!(*first.get_or_insert(d_x.clone()) == d_x, "{simd:?}: the same bits");
                    }
                    let d_x = first.expect("there is a set");
                    for g in 0..G {
                        let mut expected = vec![[(0.0, 0.0); 16]; X];
                        for (to, sum) in expected.iter_mut().enumerate() {
                            let channel = to / (WINDOW.input[1] * WINDOW.input[2]);
                            let start = bias.map_or(0.0, |bias| f64::from(bias[channel / 16][channel % 16]));
                            *sum = [(start, start.abs()); 16];
                        }
                        for (to, from, (output, tap)) in &meetings {
                            for lane in 0..16 {
                                let product = f64::from(d_y[g][*from][lane]) * f64::from(weight[output / 16][*tap][output % 16]);
                                let (sum, size) = &mut expected[*to][lane];
                                (*sum, *size) = (*sum + product, *size + product.abs());
                            }
                        }
                        close("d_x", &d_x[g], &expected);
                    }
                }
            }
        }
    };
}

size!(one_place: groups 1, taps 3, [1, 1, 1] => [1, 1, 1], padding [1, 1]);
size!(one_tile: groups 1, taps 3, [2, 4, 4] => [3, 2, 2], padding [0, 0]);
size!(two_tiles: groups 2, taps 3, [8, 6, 6] => [8, 6, 6], padding [1, 1]);
size!(odd: groups 2, taps 3, [9, 5, 7] => [17, 5, 7], padding [1, 1]);
size!(narrow: groups 1, taps 3, [18, 9, 3] => [5, 9, 3], padding [1, 1]);
size!(without_padding: groups 1, taps 3, [11, 6, 9] => [10, 4, 7], padding [0, 0]);
size!(wide_padding: groups 1, taps 3, [3, 4, 5] => [21, 6, 7], padding [2, 2]);
size!(mixed_padding: groups 1, taps 3, [4, 5, 8] => [33, 3, 10], padding [0, 2]);
size!(whole_panels: groups 3, taps 3, [16, 8, 12] => [32, 8, 12], padding [1, 1]);
size!(of_five_places: groups 1, taps 5, [1, 1, 1] => [1, 1, 1], padding [2, 2]);
size!(of_five_one_tile: groups 1, taps 5, [2, 6, 6] => [3, 2, 2], padding [0, 0]);
size!(of_five_odd: groups 2, taps 5, [9, 5, 7] => [17, 5, 7], padding [2, 2]);
size!(of_five_narrow: groups 1, taps 5, [18, 9, 3] => [5, 9, 3], padding [2, 2]);
size!(of_five_without_padding: groups 1, taps 5, [6, 14, 14] => [16, 10, 10], padding [0, 0]);
size!(of_five_wide_padding: groups 1, taps 5, [3, 4, 5] => [21, 8, 9], padding [4, 4]);
size!(of_five_mixed_padding: groups 1, taps 5, [4, 5, 8] => [33, 3, 12], padding [1, 4]);
