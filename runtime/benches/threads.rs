//! What it costs to run a kernel in parts: `cargo bench -p nnc-runtime --features threads --bench threads`.
#![allow(clippy::print_stdout)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use nnc_runtime::__private::{Lanes, Row, Simd, Threads, entries};

/// Empty, but for a number that each unit counts up.
#[inline(always)]
fn nothing<L: Lanes<Elem = f32>>(units: &mut [Row<f32>]) {
    for unit in units {
        unit[0] += 1.0;
    }
}

/// Some tens of nanoseconds a unit.
#[inline(always)]
fn tanh<L: Lanes<Elem = f32>>(x: &[Row<f32>], y: &mut [Row<f32>]) {
    for (x, y) in x.iter().zip(y) {
        L::load(x).tanh().store(y);
    }
}

entries! {
    f32;
    Nothing<'a> = each nothing(units: &'a mut [Row<f32>]);
    Tanh<'a> = each tanh(x: &'a [Row<f32>], y: &'a mut [Row<f32>]);
}

/// The least, the median and the slowest tenth, in microseconds.
fn times(runs: usize, mut before: impl FnMut(), mut run: impl FnMut()) -> String {
    let mut all: Vec<Duration> = (0..runs)
        .map(|_| {
            before();
            let started = Instant::now();
            run();
            started.elapsed()
        })
        .collect();
    all.sort_unstable();
    let micros = |at: usize| all[at].as_nanos() as f64 / 1000.0;
    format!("{:8.2} {:8.2} {:8.2}", micros(0), micros(runs / 2), micros(runs * 9 / 10))
}

fn main() {
    let simd = Simd::detect();
    println!("{:<44}{:>8} {:>8} {:>8}", "microseconds", "least", "median", "9 of 10");
    let mut units = [[0.0; 16]; 8];
    for count in [1, 2, 3, 8] {
        let threads = Threads::up_to(count);
        let time = times(100_000, || {}, || threads.run(simd, 8, Nothing(black_box(&mut units))));
        println!("{:<44}{time}", format!("{count} threads, one run after the other"));
    }
    let threads = Threads::up_to(2);
    for pause in [5, 20, 40, 100, 1000] {
        let pause = Duration::from_micros(pause);
        let wait = || {
            let started = Instant::now();
            while started.elapsed() < pause {
                std::hint::spin_loop();
            }
        };
        let time = times(2_000, wait, || threads.run(simd, 8, Nothing(black_box(&mut units))));
        println!("{:<44}{time}", format!("2 threads, {pause:?} between runs"));
    }
    let x = vec![[0.3; 16]; 4096];
    let mut y = x.clone();
    for rows in [16, 64, 256, 1024, 4096] {
        for count in [1, 2] {
            let threads = Threads::up_to(count);
            let kernel = |y| Tanh(black_box(&x[..rows]), y);
            let time = times(5_000, || {}, || threads.run(simd, rows, kernel(black_box(&mut y[..rows]))));
            println!("{:<44}{time}", format!("tanh of {rows} rows, {count} threads"));
        }
    }
}
