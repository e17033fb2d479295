//! The times of kernels beside what bounds them.

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use crate::machine;

/// What is measured.
pub struct Case {
    /// Module and function of the benchmark.
    pub name: &'static str,
    /// The network that has it, and its sizes.
    pub sizes: &'static str,
    /// Of a call.
    pub operations: f64,
    /// Of all arrays.
    pub bytes: usize,
}

/// What has been measured: the quietest call of each case.
static MEASURED: Mutex<Vec<(Case, Duration)>> = Mutex::new(Vec::new());

/// GFLOP/s before the first case, and what they were reached with.
static ARITHMETIC: OnceLock<(f64, &str)> = OnceLock::new();

impl Case {
    /// Times many calls. divan hands out no times, so that each call is timed here too; the quietest one counts, as for
    /// the machine's own figures: whatever else the machine does only adds to a time.
    pub fn measure(self, bencher: divan::Bencher, mut call: impl FnMut()) {
        let mut quietest = Duration::MAX;
        bencher.bench_local(|| {
            let started = Instant::now();
            call();
            quietest = quietest.min(started.elapsed());
        });
        MEASURED.lock().unwrap_or_else(PoisonError::into_inner).push((self, quietest));
    }
}

/// Whether the program was started to measure, rather than to list or to try.
fn is_measuring() -> bool {
    let is_given = |word: &str| std::env::args().any(|argument| argument == word);
    is_given("--bench") && !is_given("--list") && !is_given("--test")
}

/// Measures what the machine does at most.
pub fn before() {
    if is_measuring() {
        ARITHMETIC.get_or_init(machine::arithmetic);
    }
}

/// What looking at the clock takes, twice as a call has it: the quietest of many.
fn look() -> Duration {
    let looks = (0..10_000).map(|_| {
        let started = Instant::now();
        started.elapsed()
    });
    looks.min().unwrap_or_default()
}

/// Prints all cases that were measured.
pub fn print() {
    let measured = std::mem::take(&mut *MEASURED.lock().unwrap_or_else(PoisonError::into_inner));
    let Some(&(before, set)) = ARITHMETIC.get() else { return };
    if measured.is_empty() {
        return;
    }
    let (peak, look) = (before.max(machine::arithmetic().0), look());
    // GB/s of memory as large, in powers of two.
    let mut bandwidths = BTreeMap::new();
    println!(
        "\nThe quietest call of each kernel; {peak:.1} GFLOP/s ({set}) are the most that the core does.\n"
    );
    println!(
        "{:<37} {:<47} {:>9} {:>7} {:>6} {:>9}  bound by",
        "kernel", "sizes", "us", "GFLOP/s", "GB/s", "% of peak"
    );
    for (case, time) in measured {
        let seconds = time.saturating_sub(look).as_secs_f64();
        let (gflops, rate) = (case.operations / seconds / 1e9, case.bytes as f64 / seconds / 1e9);
        let size = case.bytes.next_power_of_two();
        let bandwidth = *bandwidths.entry(size).or_insert_with(|| machine::bandwidth(size));
        let (arithmetic, memory) = (gflops / peak, rate / bandwidth);
        let (share, bound) = if arithmetic > memory {
            (arithmetic, "arithmetic".to_owned())
        } else {
            (memory, format!("memory ({bandwidth:.0} GB/s)"))
        };
        println!(
            "{:<37} {:<47} {:>9.2} {gflops:>7.2} {rate:>6.1} {:>9.0}  {bound}",
            case.name.trim_start_matches("kernels::"),
            case.sizes,
            seconds * 1e6,
            share * 100.0,
        );
    }
}
