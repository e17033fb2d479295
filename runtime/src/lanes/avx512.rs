//! One register of AVX-512.
#![allow(unsafe_code)]

use super::LANES;
use super::parts::{lanes_of_parts, operations};
use core::arch::x86_64::{__m512, __mmask16};

lanes_of_parts! {
    /// Sixteen `f32` in a register.
    Avx512, Mask512, ops, __m512, __mmask16, 16 x 1, [0], wide: true, features: "avx512f,avx2,fma",
    {
        #[cfg_attr(debug_assertions, inline)]
        #[cfg_attr(not(debug_assertions), inline(always))]
        fn transpose(rows: &mut [Self; LANES]) {
            // Loops rather than `map`, which would be a function without the instructions, and go through memory.
            let mut square = [rows[0].0[0]; LANES];
            for i in 0..LANES {
                square[i] = rows[i].0[0];
            }
            let square = ops::transpose(square);
            for i in 0..LANES {
                rows[i].0[0] = square[i];
            }
        }
    }
}

mod ops {
    use super::operations;
    use crate::lanes::parts::HALF_SQRT_BITS;
    use core::arch::x86_64::*;

    type V = __m512;
    type M = __mmask16;

    operations! {
        fn splat(value: f32) -> V { _mm512_set1_ps(value) }
        fn load(row: &[f32; 16]) -> V { _mm512_loadu_ps(row.as_ptr()) }
        fn store(v: V, row: &mut [f32; 16]) -> () { _mm512_storeu_ps(row.as_mut_ptr(), v) }
        fn add(a: V, b: V) -> V { _mm512_add_ps(a, b) }
        fn sub(a: V, b: V) -> V { _mm512_sub_ps(a, b) }
        fn mul(a: V, b: V) -> V { _mm512_mul_ps(a, b) }
        fn div(a: V, b: V) -> V { _mm512_div_ps(a, b) }
        fn neg(a: V) -> V {
            _mm512_castsi512_ps(_mm512_xor_si512(_mm512_castps_si512(a), _mm512_set1_epi32(i32::MIN)))
        }
        fn mul_add(a: V, b: V, c: V) -> V { _mm512_fmadd_ps(a, b, c) }
        fn min(a: V, b: V) -> V { _mm512_min_ps(a, b) }
        fn max(a: V, b: V) -> V { _mm512_max_ps(a, b) }
        fn abs(a: V) -> V { _mm512_abs_ps(a) }
        fn sqrt(a: V) -> V { _mm512_sqrt_ps(a) }
        fn floor(a: V) -> V { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC }>(a) }
        fn round(a: V) -> V { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
        fn lt(a: V, b: V) -> M { _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b) }
        fn le(a: V, b: V) -> M { _mm512_cmp_ps_mask::<_CMP_LE_OQ>(a, b) }
        fn eq(a: V, b: V) -> M { _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(a, b) }
        fn select(mask: M, yes: V, no: V) -> V { _mm512_mask_blend_ps(mask, no, yes) }
        fn scale_exponent(a: V, n: V) -> V {
            {
                let bits = _mm512_add_epi32(_mm512_cvtps_epi32(n), _mm512_set1_epi32(127));
                _mm512_mul_ps(a, _mm512_castsi512_ps(_mm512_slli_epi32::<23>(bits)))
            }
        }
        fn split_exponent(a: V) -> (V, V) {
            {
                let bits = _mm512_castps_si512(a);
                let n = _mm512_srai_epi32::<23>(_mm512_sub_epi32(bits, _mm512_set1_epi32(HALF_SQRT_BITS)));
                let mantissa = _mm512_castsi512_ps(_mm512_sub_epi32(bits, _mm512_slli_epi32::<23>(n)));
                (mantissa, _mm512_cvtepi32_ps(n))
            }
        }
        fn transpose(r: [V; 16]) -> [V; 16] {
            {
                // Pairs of rows, then pairs of pairs, within quarters of a register; then the quarters.
                let mut t = r;
                for i in 0..8 {
                    t[2 * i] = _mm512_unpacklo_ps(r[2 * i], r[2 * i + 1]);
                    t[2 * i + 1] = _mm512_unpackhi_ps(r[2 * i], r[2 * i + 1]);
                }
                let mut q = t;
                for i in 0..4 {
                    let [a, b] = [_mm512_castps_pd(t[4 * i]), _mm512_castps_pd(t[4 * i + 1])];
                    let [c, d] = [_mm512_castps_pd(t[4 * i + 2]), _mm512_castps_pd(t[4 * i + 3])];
                    q[4 * i] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, c));
                    q[4 * i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, c));
                    q[4 * i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(b, d));
                    q[4 * i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(b, d));
                }
                let mut out = q;
                for j in 0..4 {
                    let low = _mm512_shuffle_f32x4::<0x88>(q[j], q[4 + j]);
                    let low_odd = _mm512_shuffle_f32x4::<0xdd>(q[j], q[4 + j]);
                    let high = _mm512_shuffle_f32x4::<0x88>(q[8 + j], q[12 + j]);
                    let high_odd = _mm512_shuffle_f32x4::<0xdd>(q[8 + j], q[12 + j]);
                    out[j] = _mm512_shuffle_f32x4::<0x88>(low, high);
                    out[8 + j] = _mm512_shuffle_f32x4::<0xdd>(low, high);
                    out[4 + j] = _mm512_shuffle_f32x4::<0x88>(low_odd, high_odd);
                    out[12 + j] = _mm512_shuffle_f32x4::<0xdd>(low_odd, high_odd);
                }
                out
            }
        }
    }

    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn bitand(a: M, b: M) -> M {
        a & b
    }

    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn bitor(a: M, b: M) -> M {
        a | b
    }

    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    pub fn not(a: M) -> M {
        !a
    }
}
