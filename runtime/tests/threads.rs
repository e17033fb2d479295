//! Kernels in parts: every unit once, the same bits for any number of threads, and nothing left behind.
//!
//! Without the feature `threads` the same holds of one thread.
#![allow(clippy::extra_unused_type_parameters, reason = "every function of an entry has lanes")]

use std::sync::Mutex;

use nnc_runtime::__private::{Divide, First, Kernel, Lanes, Row, Taps, Threads, entries};
use nnc_runtime::{Set, Simd};

#[cfg(feature = "threads")]
#[path = "threads/pool.rs"]
mod pool;

const COUNTS: [usize; 4] = [1, 2, 3, 8];
const UNITS: [usize; 8] = [0, 1, 2, 3, 7, 8, 9, 64];

/// Tests of one process share the pool: each has it for itself.
static ALONE: Mutex<()> = Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// First unit and length of each part that was run.
type Parts = Mutex<Vec<(usize, usize)>>;

#[inline(always)]
fn count<L: Lanes<Elem = f32>>(first: First, units: &mut [usize], parts: &Parts) {
    parts.lock().expect("nobody panics").push((first.0, units.len()));
    for (i, unit) in units.iter_mut().enumerate() {
        *unit += first.0 + i + 1;
    }
}

#[inline(always)]
fn scale<L: Lanes<Elem = f32>, const G: usize>(
    x: &[[Row<f32>; G]],
    factor: &Row<f32>,
    y: &mut [[Row<f32>; G]],
    at: Option<&mut [f32]>,
) {
    for (x, y) in x.iter().zip(y) {
        for (x, y) in x.iter().zip(y) {
            L::load(x).mul_add(L::load(factor), L::splat(1.0)).tanh().store(y);
        }
    }
    for (at, x) in at.into_iter().flatten().zip(x) {
        *at = x.iter().map(|x| L::load(x).sum()).sum();
    }
}

#[inline(always)]
fn taps<L: Lanes<Elem = f64>>(first: First, d: &[[f64; 3]], mut weight: Taps<'_, f64, 2, 3>) {
    for (unit, d) in d.iter().enumerate() {
        for (k, d) in d.iter().enumerate() {
            for panel in 0..2 {
                let row = &mut weight[panel][3 * (first.0 + unit) + k];
                (L::load(row) + L::splat(d * (panel + 1) as f64)).store(row);
            }
        }
    }
}

#[inline(always)]
fn total<L: Lanes<Elem = f32>>(x: &[Row<f32>; 2], sum: &mut f32) -> f32 {
    *sum = x.iter().map(|x| L::load(x).sum()).sum();
    *sum
}

// An argument may be called as a variable of the macro, or a function as its keyword.
#[inline(always)]
fn each<L: Lanes<Elem = f32>>(x: &mut f32) {
    *x += 1.0;
}

entries! {
    f32;
    Count<'a> = each count(first: First, units: &'a mut [usize], parts: &'a Parts);
    Scale<'a, G> = each scale(
        x: &'a [[Row<f32>; G]],
        factor: &'a Row<f32>,
        y: &'a mut [[Row<f32>; G]],
        at: Option<&'a mut [f32]>,
    );
    Total<'a> = total(x: &'a [Row<f32>; 2], sum: &'a mut f32) -> f32;
    Each<'a> = each(x: &'a mut f32);
}

mod of_f64 {
    use super::{First, Taps, entries, taps};

    entries! {
        f64;
        Weights<'a> = each taps(first: First, d: &'a [[f64; 3]], weight: Taps<'a, f64, 2, 3>);
    }

    pub fn run(threads: super::Threads, d: &[[f64; 3]], weight: &mut [[[f64; 16]; 21]; 2]) {
        threads.run(super::Simd::detect(), d.len(), Weights(First(0), d, Taps::new(weight)));
    }
}

/// The lengths of the parts of `units` units.
fn lengths(count: usize, units: usize) -> Vec<usize> {
    let parts = count.min(units).max(1);
    (0..parts).map(|part| units / parts + usize::from(part < units % parts)).collect()
}

#[test]
fn every_unit_is_in_one_part() {
    let _alone = alone();
    for threads in COUNTS.map(Threads::up_to) {
        for n in UNITS {
            for _ in 0..500 {
                let (mut units, parts) = (vec![0; n], Parts::default());
                threads.run(Simd::detect(), n, Count(First(0), &mut units, &parts));
                assert_eq!(units, (1..=n).collect::<Vec<_>>());
                let mut parts = parts.into_inner().expect("nobody panics");
                parts.sort_unstable();
                let expected = lengths(threads.count(), n);
                assert_eq!(parts.iter().map(|part| part.1).collect::<Vec<_>>(), expected);
                let firsts = expected.iter().scan(0, |next, len| {
                    *next += len;
                    Some(*next - len)
                });
                assert_eq!(parts.iter().map(|part| part.0).collect::<Vec<_>>(), firsts.collect::<Vec<_>>());
            }
        }
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let _alone = alone();
    let x: [[Row<f32>; 3]; 37] = std::array::from_fn(|g| {
        [0, 1, 2].map(|f| std::array::from_fn(|s| (g * 48 + f * 16 + s) as f32 * 0.01 - 7.0))
    });
    let factor = std::array::from_fn(|s| 0.3 + s as f32 * 0.05);
    for simd in Set::ALL.map(Simd::up_to) {
        let mut whole = ([[[0.0; 16]; 3]; 37], [0.0; 37]);
        simd.run(Scale(&x, &factor, &mut whole.0, Some(&mut whole.1)));
        for threads in COUNTS.map(Threads::up_to) {
            let mut y = ([[[0.0; 16]; 3]; 37], [0.0; 37]);
            threads.run(simd, 37, Scale(&x, &factor, &mut y.0, Some(&mut y.1)));
            assert_eq!(y.0.as_flattened().as_flattened(), whole.0.as_flattened().as_flattened());
            assert_eq!(y.1, whole.1);
        }
    }
}

#[test]
fn a_weight_is_divided_by_rows_of_its_kernel() {
    let _alone = alone();
    let d: [[f64; 3]; 7] = std::array::from_fn(|unit| std::array::from_fn(|k| (3 * unit + k) as f64));
    for threads in COUNTS.map(Threads::up_to) {
        let mut weight = [[[0.5; 16]; 21]; 2];
        of_f64::run(threads, &d, &mut weight);
        for (panel, rows) in weight.iter().enumerate() {
            for (i, row) in rows.iter().enumerate() {
                assert_eq!(row, &[0.5 + (i * (panel + 1)) as f64; 16]);
            }
        }
    }
}

#[test]
fn entries_that_are_not_divided_are_as_ever() {
    let (x, mut sum) = ([[1.0; 16], [2.0; 16]], 0.0);
    assert_eq!(Simd::detect().run(Total(&x, &mut sum)), 48.0);
    assert_eq!(sum, 48.0);
    Simd::detect().run(Each(&mut sum));
    assert_eq!(sum, 49.0);
}

/// A kernel that is divided without end: it holds a place of its own in `dropped`.
struct Counted<'a> {
    dropped: &'a Mutex<usize>,
}

impl Divide for Counted<'_> {
    fn divide(self, _: usize) -> (Self, Self) {
        let second = Self { dropped: self.dropped };
        (self, second)
    }
}

impl Kernel<f32> for Counted<'_> {
    type Output = ();

    fn run<L: Lanes<Elem = f32>>(self) {}
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        *self.dropped.lock().expect("nobody panics") += 1;
    }
}

#[test]
fn every_part_is_dropped_once() {
    let _alone = alone();
    for threads in COUNTS.map(Threads::up_to) {
        for n in UNITS {
            let dropped = Mutex::new(0);
            threads.run(Simd::detect(), n, Counted { dropped: &dropped });
            assert_eq!(dropped.into_inner().expect("nobody panics"), threads.count().min(n).max(1));
        }
    }
}

#[test]
fn there_are_as_many_as_asked_for_and_one_without_the_feature() {
    if cfg!(not(feature = "threads")) {
        assert_eq!(Threads::detect().count(), 1);
        assert_eq!(Threads::up_to(8).count(), 1);
        assert_eq!(size_of::<Threads>(), 0);
    } else {
        assert_eq!(COUNTS.map(|count| Threads::up_to(count).count()), COUNTS);
        assert_eq!(Threads::up_to(0).count(), 1);
    }
}
