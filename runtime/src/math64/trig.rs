//! Sine and cosine.

use core::f64::consts::{FRAC_PI_2, FRAC_PI_4};

use super::double::{polynomial, power_of_two, two_product};

/// What the f64 π/2 lacks.
const FRAC_PI_2_LOW: f64 = 6.123_233_995_736_766e-17;

/// The digits of 2/π in base 2⁶⁴, after a zero.
const TWO_OVER_PI: [u64; 21] = [
    0,
    0xa2f9_836e_4e44_1529,
    0xfc27_57d1_f534_ddc0,
    0xdb62_9599_3c43_9041,
    0xfe51_63ab_debb_c561,
    0xb724_6e3a_424d_d2e0,
    0x0649_2eea_09d1_921c,
    0xfe1d_eb1c_b129_a73e,
    0xe882_35f5_2ebb_4484,
    0xe99c_7026_b45f_7e41,
    0x3991_d639_8353_39f4,
    0x9c84_5f8b_bdf9_283b,
    0x1ff8_97ff_de05_980f,
    0xef2f_118b_5a0a_6d1f,
    0x6d36_7ecf_27cb_09b7,
    0x4f46_3f66_9e5f_ea2d,
    0x7527_bac7_ebe5_f17b,
    0x3d07_39f7_8a52_92ea,
    0x6bfb_5fb1_1f8d_5d08,
    0x5603_3046_fc7b_6bab,
    0xf0cf_bc20_9af4_361d,
];

/// -1/3!, 1/5!, … 1/17!: the rest of the sine is below 2⁻⁶³ up to π/4.
const SINE: [f64; 8] = [
    -1.0 / 6.0,
    1.0 / 120.0,
    -1.0 / 5_040.0,
    1.0 / 362_880.0,
    -1.0 / 39_916_800.0,
    1.0 / 6_227_020_800.0,
    -1.0 / 1_307_674_368_000.0,
    1.0 / 355_687_428_096_000.0,
];

/// 1/4!, -1/6!, … -1/18!: the rest of the cosine is below 2⁻⁶⁵ up to π/4.
const COSINE: [f64; 8] = [
    1.0 / 24.0,
    -1.0 / 720.0,
    1.0 / 40_320.0,
    -1.0 / 3_628_800.0,
    1.0 / 479_001_600.0,
    -1.0 / 87_178_291_200.0,
    1.0 / 20_922_789_888_000.0,
    -1.0 / 6_402_373_705_728_000.0,
];

/// The sine, of every finite number; NaN at infinity. Error: 0.8.
pub fn sin(x: f64) -> f64 {
    if x.abs() < power_of_two(-27) {
        return x;
    }
    quarter(x, 0)
}

/// The cosine, of every finite number; NaN at infinity. Error: 0.8.
pub fn cos(x: f64) -> f64 {
    quarter(x, 1)
}

/// sin(x + quarters π/2)
fn quarter(x: f64, quarters: u32) -> f64 {
    if !x.is_finite() {
        return f64::NAN;
    }
    let (n, r, r_low) = reduce(x);
    let quadrant = n.wrapping_add(quarters);
    let value = if quadrant & 1 == 0 { small_sin(r, r_low) } else { small_cos(r, r_low) };
    if quadrant & 2 == 0 { value } else { -value }
}

/// sin(r + low), for |r| ≤ π/4.
fn small_sin(r: f64, low: f64) -> f64 {
    let z = r * r;
    r + (low * (1.0 - 0.5 * z) + r * z * polynomial(z, &SINE))
}

/// cos(r + low), for |r| ≤ π/4.
fn small_cos(r: f64, low: f64) -> f64 {
    let z = r * r;
    let half = 0.5 * z;
    let rest = 1.0 - half;
    rest + (((1.0 - rest) - half) + (z * z * polynomial(z, &COSINE) - r * low))
}

/// `(n, r, low)` with x = n π/2 + r + low up to whole turns, and |r| ≤ π/4.
///
/// x is a whole number of 53 digits times 2^e. It is multiplied with those 192 digits of 2/π that are left when whole
/// turns have been taken away: 128 digits of the product are right, of which cancellation takes 62 at most, and 53 are
/// needed (Payne and Hanek, "Radian reduction for trigonometric functions", 1983).
fn reduce(x: f64) -> (u32, f64, f64) {
    if x.abs() <= FRAC_PI_4 {
        return (0, x, 0.0);
    }
    let bits = x.to_bits();
    let digits = u128::from(bits & (u64::MAX >> 12) | 1 << 52);
    let exponent = (bits >> 52 & 0x7ff) as usize;
    // The digit with the weight 2¹ comes first. Exponents here are from 1022, of numbers above 1/2.
    let first = exponent + 62 - 1075;
    let window = |i: usize| digits_from(first + 64 * i);
    let low = digits * u128::from(window(2));
    let middle = digits * u128::from(window(1)) + (low >> 64);
    let high = (digits * u128::from(window(0))).wrapping_add(middle >> 64);
    let product = high << 64 | middle & u128::from(u64::MAX);
    // Two digits are quarters of a turn, to the nearest; the rest is a part of one, with its sign.
    let quarters = (product.wrapping_add(1 << 125) >> 126) as u32;
    let part = product.wrapping_sub(u128::from(quarters) << 126) as i128;
    let turned = part as f64;
    let turned_low = (part - turned as i128) as f64;
    let unit = power_of_two(-126);
    let (turned, turned_low) = (turned * unit, turned_low * unit);
    let (r, error) = two_product(turned, FRAC_PI_2);
    let low = error + (turned * FRAC_PI_2_LOW + turned_low * FRAC_PI_2);
    if x < 0.0 { (quarters.wrapping_neg(), -r, -low) } else { (quarters, r, low) }
}

/// 64 digits of 2/π, from the one at `position`, where 64 is that of the first.
fn digits_from(position: usize) -> u64 {
    let word = |i: usize| TWO_OVER_PI.get(i).copied().unwrap_or(0);
    let (index, shift) = (position / 64, position % 64);
    let pair = u128::from(word(index)) << 64 | u128::from(word(index + 1));
    (pair << shift >> 64) as u64
}
