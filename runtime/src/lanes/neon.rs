//! Four registers of NEON.
#![allow(unsafe_code)]

use super::parts::{lanes_of_parts, operations};
use core::arch::aarch64::{float32x4_t, uint32x4_t};

lanes_of_parts! {
    /// Sixteen `f32` in four registers.
    Neon, MaskNeon, ops, float32x4_t, uint32x4_t, 4 x 4, [0, 1, 2, 3], wide: false, features: "neon", {}
}

mod ops {
    use super::operations;
    use crate::lanes::parts::HALF_SQRT_BITS;
    use core::arch::aarch64::*;

    type V = float32x4_t;
    type M = uint32x4_t;

    operations! {
        fn splat(value: f32) -> V { vdupq_n_f32(value) }
        fn load(row: &[f32; 4]) -> V { vld1q_f32(row.as_ptr()) }
        fn store(v: V, row: &mut [f32; 4]) -> () { vst1q_f32(row.as_mut_ptr(), v) }
        fn add(a: V, b: V) -> V { vaddq_f32(a, b) }
        fn sub(a: V, b: V) -> V { vsubq_f32(a, b) }
        fn mul(a: V, b: V) -> V { vmulq_f32(a, b) }
        fn div(a: V, b: V) -> V { vdivq_f32(a, b) }
        fn neg(a: V) -> V { vnegq_f32(a) }
        fn mul_add(a: V, b: V, c: V) -> V { vfmaq_f32(c, a, b) }
        /// The instruction for it returns NaN where either is NaN; other sets return the second.
        fn min(a: V, b: V) -> V { vbslq_f32(vcltq_f32(a, b), a, b) }
        /// As for `min`.
        fn max(a: V, b: V) -> V { vbslq_f32(vcgtq_f32(a, b), a, b) }
        fn abs(a: V) -> V { vabsq_f32(a) }
        fn sqrt(a: V) -> V { vsqrtq_f32(a) }
        fn floor(a: V) -> V { vrndmq_f32(a) }
        fn round(a: V) -> V { vrndnq_f32(a) }
        fn lt(a: V, b: V) -> M { vcltq_f32(a, b) }
        fn le(a: V, b: V) -> M { vcleq_f32(a, b) }
        fn eq(a: V, b: V) -> M { vceqq_f32(a, b) }
        fn bitand(a: M, b: M) -> M { vandq_u32(a, b) }
        fn bitor(a: M, b: M) -> M { vorrq_u32(a, b) }
        fn not(a: M) -> M { vmvnq_u32(a) }
        fn select(mask: M, yes: V, no: V) -> V { vbslq_f32(mask, yes, no) }
        fn scale_exponent(a: V, n: V) -> V {
            vmulq_f32(a, vreinterpretq_f32_s32(vshlq_n_s32::<23>(vaddq_s32(vcvtnq_s32_f32(n), vdupq_n_s32(127)))))
        }
        fn split_exponent(a: V) -> (V, V) {
            {
                let bits = vreinterpretq_s32_f32(a);
                let n = vshrq_n_s32::<23>(vsubq_s32(bits, vdupq_n_s32(HALF_SQRT_BITS)));
                (vreinterpretq_f32_s32(vsubq_s32(bits, vshlq_n_s32::<23>(n))), vcvtq_f32_s32(n))
            }
        }
    }
}
