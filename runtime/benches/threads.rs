//! What it costs to run a kernel in parts: `cargo bench -p nnc-runtime --features threads --bench threads`.
#![allow(clippy::print_stdout)]
#![allow(clippy::extra_unused_type_parameters, reason = "every function of an entry has lanes")]

use std::hint::black_box;
use std::sync::atomic::{AtomicUsize, Ordering};
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

/// Ends when all parts have begun: each has one unit. Looks for as long as the others need to get a core.
#[inline(always)]
fn meet<L: Lanes<Elem = f32>>(units: &mut [u8], here: &AtomicUsize, expected: &usize) {
    here.fetch_add(units.len(), Ordering::AcqRel);
    while here.load(Ordering::Acquire) < *expected {
        std::hint::spin_loop();
    }
}

entries! {
    f32;
    Meet<'a> = each meet(units: &'a mut [u8], here: &'a AtomicUsize, expected: &'a usize);
    Nothing<'a> = each nothing(units: &'a mut [Row<f32>]);
    Tanh<'a> = each tanh(x: &'a [Row<f32>], y: &'a mut [Row<f32>]);
}

/// The least, a tenth, the median and nine tenths, in microseconds. On a machine that others use, the first ones are
/// what a run takes when the threads have cores.
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
    format!(
        "{:8.2} {:8.2} {:8.2} {:8.2}",
        micros(0),
        micros(runs / 10),
        micros(runs / 2),
        micros(runs * 9 / 10)
    )
}

fn main() {
    let simd = Simd::detect();
    println!("{:<44}{:>8} {:>8} {:>8} {:>8}", "microseconds", "least", "1 of 10", "median", "9 of 10");
    let mut units = [[0.0; 16]; 8];
    for count in [1, 2, 3, 8] {
        let threads = Threads::up_to(count);
        let time = times(100_000, || {}, || threads.run(simd, 8, Nothing(black_box(&mut units))));
        println!("{:<44}{time}", format!("{count} threads, one run after the other"));
    }
    let threads = Threads::up_to(2);
    for pause in [0, 5, 20, 40, 100, 1000] {
        let pause = Duration::from_micros(pause);
        let wait = || {
            let started = Instant::now();
            while started.elapsed() < pause {
                std::hint::spin_loop();
            }
        };
        let time = times(2_000, wait, || threads.run(simd, 8, Nothing(black_box(&mut units))));
        println!("{:<44}{time}", format!("2 threads, {pause:?} between runs"));
        let meet = || threads.run(simd, 2, Meet(&mut [0; 2], &AtomicUsize::new(0), &2));
        println!("{:<44}{}", "  until both have begun", times(1_000, wait, meet));
    }
    let x = vec![[0.3; 16]; 4096];
    let mut y = x.clone();
    for rows in [16, 64, 256, 1024, 4096] {
        for count in [1, 2] {
            let threads = Threads::up_to(count);
            let mut run = || threads.run(simd, rows, Tanh(black_box(&x[..rows]), black_box(&mut y[..rows])));
            let time = times(5_000, || {}, &mut run);
            println!("{:<44}{time}", format!("tanh of {rows} rows, {count} threads"));
        }
    }
}
