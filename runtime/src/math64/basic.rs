//! Functions that are exact, or rounded once.

/// Without the sign.
#[inline]
pub fn abs(x: f64) -> f64 {
    x.abs()
}

/// -1, 0 or 1; 0 for NaN.
#[inline]
pub fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else {
        0.0
    }
}

/// `a` where it is less, otherwise `b`.
#[inline]
pub fn min(a: f64, b: f64) -> f64 {
    if a < b { a } else { b }
}

/// `a` where it is greater, otherwise `b`.
#[inline]
pub fn max(a: f64, b: f64) -> f64 {
    if a > b { a } else { b }
}

/// Numbers from here on are whole: 2⁵².
const WHOLE: f64 = 4_503_599_627_370_496.0;

/// To the nearest whole number, halves to the even one.
#[inline]
pub fn round(x: f64) -> f64 {
    // Adding 2⁵² leaves no digit after the point, and the sum is rounded as wanted.
    let magic = WHOLE.copysign(x);
    let round = (x + magic) - magic;
    if x.abs() < WHOLE { round.copysign(x) } else { x }
}

/// Down to a whole number.
#[inline]
pub fn floor(x: f64) -> f64 {
    let round = round(x);
    if round > x { (round - 1.0).copysign(x) } else { round }
}

/// The square root, correctly rounded; NaN below 0.
#[inline]
pub fn sqrt(x: f64) -> f64 {
    #[cfg(target_arch = "x86_64")]
    {
        use core::arch::x86_64::{_mm_cvtsd_f64, _mm_set_sd, _mm_sqrt_sd};
        // SAFETY: SSE2 is part of every x86-64.
        #[allow(unsafe_code)]
        unsafe {
            let x = _mm_set_sd(x);
            _mm_cvtsd_f64(_mm_sqrt_sd(x, x))
        }
    }
    #[cfg(target_arch = "aarch64")]
    {
        use core::arch::aarch64::{vdup_n_f64, vget_lane_f64, vsqrt_f64};
        // SAFETY: NEON is part of every aarch64.
        #[allow(unsafe_code)]
        unsafe {
            vget_lane_f64::<0>(vsqrt_f64(vdup_n_f64(x)))
        }
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    {
        sqrt_of_digits(x)
    }
}

/// The square root where no instruction computes it: that of the digits, as a whole number.
#[cfg(any(test, not(any(target_arch = "x86_64", target_arch = "aarch64"))))]
fn sqrt_of_digits(x: f64) -> f64 {
    use super::double::power_of_two;
    if x == 0.0 || x.is_nan() || x == f64::INFINITY {
        return x;
    }
    if x < 0.0 {
        return f64::NAN;
    }
    // Subnormal numbers are made normal, by an even power of two.
    let (bits, shift) =
        if x < f64::MIN_POSITIVE { ((x * power_of_two(108)).to_bits(), -54) } else { (x.to_bits(), 0) };
    let digits = u128::from(bits & (u64::MAX >> 12) | 1 << 52);
    let exponent = (bits >> 52) as i32 - 1075;
    let odd = exponent & 1;
    let square = digits << (58 + odd);
    let root = square.isqrt();
    // A digit below those that are kept says that the root goes on: then it is rounded as the whole of it would be.
    let root = root | u128::from(root * root != square);
    root as f64 * power_of_two((exponent - odd) / 2 - 29 + shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_root_of_digits_is_the_root_of_the_machine() {
        for i in 0..200_000_u64 {
            let x = f64::from_bits(i.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 1);
            let (got, expected) = (sqrt_of_digits(x), x.sqrt());
            assert!(
                got.to_bits() == expected.to_bits() || (x.is_nan() && got.is_nan()),
                "{x:e}: {got:e}, {expected:e}"
            );
        }
        for x in [0.0, -0.0, f64::INFINITY, 5e-324, 2e-310, f64::MAX, 4.0, 2.0] {
            assert_eq!(sqrt_of_digits(x).to_bits(), x.sqrt().to_bits());
        }
        assert!(sqrt_of_digits(-1.0).is_nan());
    }
}
