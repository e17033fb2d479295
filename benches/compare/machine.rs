//! What one core can do: fused multiply-adds on registers alone, with the widest instructions that it has; and how fast
//! it reads memory again and again. The comparison with other frameworks and the benchmark of kernels measure by it.
#![allow(unsafe_code)]

use std::hint::black_box;
use std::time::{Duration, Instant};

/// Sums that do not wait for one another: more than a core has in flight.
const SUMS: usize = 24;
const ROUNDS: usize = 100_000;

/// GFLOP/s of fused multiply-adds on registers alone, the best of many short tries, and the name of the instructions.
pub fn arithmetic() -> (f64, &'static str) {
    let (name, lanes, kernel) = widest();
    let mut best = 0.0f64;
    for _ in 0..200 {
        let started = Instant::now();
        black_box(kernel(black_box(0.999)));
        let flops = (2 * lanes * SUMS * ROUNDS) as f64;
        best = best.max(flops / started.elapsed().as_secs_f64() / 1e9);
    }
    (best, name)
}

/// GB/s of reading so many bytes over and over, the best of many short tries.
pub fn bandwidth(bytes: usize) -> f64 {
    // Less would measure the loop around it.
    let memory = vec![1.0f32; bytes.max(16 << 10).div_ceil(4 * READ) * READ];
    let read = reader();
    let mut best = 0.0f64;
    for _ in 0..60 {
        let (started, mut times) = (Instant::now(), 0);
        while started.elapsed() < Duration::from_millis(3) {
            black_box(read(black_box(&memory)));
            times += 1;
        }
        best = best.max((4 * memory.len() * times) as f64 / started.elapsed().as_secs_f64() / 1e9);
    }
    best
}

/// Numbers that are read in a round of the loop.
const READ: usize = 64;

#[inline(always)]
fn sum(memory: &[f32]) -> f32 {
    let mut sums = [0.0f32; READ];
    for chunk in memory.as_chunks::<READ>().0 {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += x;
        }
    }
    sums.iter().sum()
}

/// `sum` with the widest instructions.
fn reader() -> fn(&[f32]) -> f32 {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx512f")]
        fn avx512(memory: &[f32]) -> f32 {
            sum(memory)
        }

        #[target_feature(enable = "avx2")]
        fn avx2(memory: &[f32]) -> f32 {
            sum(memory)
        }

        // SAFETY: each is called where the processor has its instructions.
        if is_x86_feature_detected!("avx512f") {
            return |memory| unsafe { avx512(memory) };
        } else if is_x86_feature_detected!("avx2") {
            return |memory| unsafe { avx2(memory) };
        }
    }
    sum
}

#[cfg(target_arch = "x86_64")]
fn widest() -> (&'static str, usize, fn(f32) -> f32) {
    use std::arch::x86_64::*;

    #[target_feature(enable = "avx512f")]
    fn avx512(factor: f32) -> f32 {
        let factor = _mm512_set1_ps(factor);
        let mut sums = [_mm512_set1_ps(1.0); SUMS];
        for _ in 0..ROUNDS {
            for sum in &mut sums {
                *sum = _mm512_fmadd_ps(*sum, factor, factor);
            }
        }
        let all = sums.into_iter().fold(_mm512_setzero_ps(), |a, b| _mm512_add_ps(a, b));
        _mm512_reduce_add_ps(all)
    }

    #[target_feature(enable = "avx2,fma")]
    fn avx2(factor: f32) -> f32 {
        let factor = _mm256_set1_ps(factor);
        // Sixteen registers: twelve sums twice.
        let mut all = _mm256_setzero_ps();
        for _ in 0..2 {
            let mut sums = [_mm256_set1_ps(1.0); SUMS / 2];
            for _ in 0..ROUNDS {
                for sum in &mut sums {
                    *sum = _mm256_fmadd_ps(*sum, factor, factor);
                }
            }
            all = sums.into_iter().fold(all, |a, b| _mm256_add_ps(a, b));
        }
        _mm_cvtss_f32(_mm256_castps256_ps128(all))
    }

    // SAFETY: each is called where the processor has its instructions.
    if is_x86_feature_detected!("avx512f") {
        ("avx512", 16, |factor| unsafe { avx512(factor) })
    } else if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
        ("avx2", 8, |factor| unsafe { avx2(factor) })
    } else {
        ("plain", 4, plain)
    }
}

#[cfg(not(target_arch = "x86_64"))]
fn widest() -> (&'static str, usize, fn(f32) -> f32) {
    ("plain", 4, plain)
}

/// Four at once, which the compiler puts into registers of 128 bits.
fn plain(factor: f32) -> f32 {
    let mut sums = [[1.0f32; 4]; SUMS];
    for _ in 0..ROUNDS {
        for lane in sums.iter_mut().flatten() {
            // On x86 without FMA a fused one is a call: two operations count the same.
            *lane = if cfg!(target_arch = "aarch64") {
                lane.mul_add(factor, factor)
            } else {
                *lane * factor + factor
            };
        }
    }
    sums.iter().flatten().sum()
}
