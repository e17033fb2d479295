//! Two registers of AVX2, with FMA.
#![allow(unsafe_code)]

use super::LANES;
use super::parts::{lanes_of_parts, operations};
use core::arch::x86_64::__m256;

lanes_of_parts! {
    /// Sixteen `f32` in two registers.
    Avx2, Mask256, ops, __m256, __m256, 8 x 2, [0, 1], wide: false, features: "avx2,fma",
    {
        #[cfg_attr(debug_assertions, inline)]
        #[cfg_attr(not(debug_assertions), inline(always))]
        fn transpose(rows: &mut [Self; LANES]) {
            // Four squares of 8 x 8; those off the diagonal change places.
            for half in 0..2 {
                let mut left = [rows[0].0[half]; 8];
                let mut right = left;
                for i in 0..8 {
                    left[i] = rows[i].0[half];
                    right[i] = rows[8 + i].0[half];
                }
                let (left, right) = (ops::transpose(left), ops::transpose(right));
                for i in 0..8 {
                    // Held where the same columns of the other half lie, until that half has been read too.
                    rows[i].0[half] = left[i];
                    rows[8 + i].0[half] = right[i];
                }
            }
            for i in 0..8 {
                let kept = rows[i].0[1];
                rows[i].0[1] = rows[8 + i].0[0];
                rows[8 + i].0[0] = kept;
            }
        }
    }
}

mod ops {
    use super::operations;
    use crate::lanes::parts::HALF_SQRT_BITS;
    use core::arch::x86_64::*;

    type V = __m256;

    operations! {
        fn splat(value: f32) -> V { _mm256_set1_ps(value) }
        fn load(row: &[f32; 8]) -> V { _mm256_loadu_ps(row.as_ptr()) }
        fn store(v: V, row: &mut [f32; 8]) -> () { _mm256_storeu_ps(row.as_mut_ptr(), v) }
        fn add(a: V, b: V) -> V { _mm256_add_ps(a, b) }
        fn sub(a: V, b: V) -> V { _mm256_sub_ps(a, b) }
        fn mul(a: V, b: V) -> V { _mm256_mul_ps(a, b) }
        fn div(a: V, b: V) -> V { _mm256_div_ps(a, b) }
        fn neg(a: V) -> V { _mm256_xor_ps(a, _mm256_set1_ps(-0.0)) }
        fn mul_add(a: V, b: V, c: V) -> V { _mm256_fmadd_ps(a, b, c) }
        fn min(a: V, b: V) -> V { _mm256_min_ps(a, b) }
        fn max(a: V, b: V) -> V { _mm256_max_ps(a, b) }
        fn abs(a: V) -> V { _mm256_andnot_ps(_mm256_set1_ps(-0.0), a) }
        fn sqrt(a: V) -> V { _mm256_sqrt_ps(a) }
        fn floor(a: V) -> V { _mm256_floor_ps(a) }
        fn round(a: V) -> V { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
        fn lt(a: V, b: V) -> V { _mm256_cmp_ps::<_CMP_LT_OQ>(a, b) }
        fn le(a: V, b: V) -> V { _mm256_cmp_ps::<_CMP_LE_OQ>(a, b) }
        fn eq(a: V, b: V) -> V { _mm256_cmp_ps::<_CMP_EQ_OQ>(a, b) }
        fn bitand(a: V, b: V) -> V { _mm256_and_ps(a, b) }
        fn bitor(a: V, b: V) -> V { _mm256_or_ps(a, b) }
        fn not(a: V) -> V { _mm256_xor_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(-1))) }
        fn select(mask: V, yes: V, no: V) -> V { _mm256_blendv_ps(no, yes, mask) }
        fn scale_exponent(a: V, n: V) -> V {
            {
                let bits = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
                _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(bits)))
            }
        }
        fn split_exponent(a: V) -> (V, V) {
            {
                let bits = _mm256_castps_si256(a);
                let n = _mm256_srai_epi32::<23>(_mm256_sub_epi32(bits, _mm256_set1_epi32(HALF_SQRT_BITS)));
                let mantissa = _mm256_castsi256_ps(_mm256_sub_epi32(bits, _mm256_slli_epi32::<23>(n)));
                (mantissa, _mm256_cvtepi32_ps(n))
            }
        }
        fn transpose(r: [V; 8]) -> [V; 8] {
            {
                let mut t = r;
                for i in 0..4 {
                    t[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                    t[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
                }
                let mut q = t;
                for i in 0..2 {
                    q[4 * i] = _mm256_shuffle_ps::<0x44>(t[4 * i], t[4 * i + 2]);
                    q[4 * i + 1] = _mm256_shuffle_ps::<0xee>(t[4 * i], t[4 * i + 2]);
                    q[4 * i + 2] = _mm256_shuffle_ps::<0x44>(t[4 * i + 1], t[4 * i + 3]);
                    q[4 * i + 3] = _mm256_shuffle_ps::<0xee>(t[4 * i + 1], t[4 * i + 3]);
                }
                let mut out = q;
                for j in 0..4 {
                    out[j] = _mm256_permute2f128_ps::<0x20>(q[j], q[4 + j]);
                    out[4 + j] = _mm256_permute2f128_ps::<0x31>(q[j], q[4 + j]);
                }
                out
            }
        }
    }
}
