//! The numbers that models compute with.

use crate::simd::{Kernel, Simd};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A number of a model: `f32`, or `f64` for checks.
pub trait Element:
    Copy + PartialOrd + Default + core::fmt::Debug + Send + Sync + sealed::Sealed + 'static
{
    /// 0.
    const ZERO: Self;
    /// 1.
    const ONE: Self;
    /// What safetensors calls the type: `F32` or `F64`.
    const DTYPE: &'static str;

    /// The nearest number of this type.
    fn from_f64(value: f64) -> Self;

    /// The same number in f64.
    fn to_f64(self) -> f64;

    /// Neither infinite nor NaN.
    fn is_finite(self) -> bool;

    /// Runs a kernel with the lanes that `simd` has for this type.
    #[doc(hidden)]
    fn dispatch<K: Kernel<Self>>(simd: Simd, kernel: K) -> K::Output;
}

impl Element for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const DTYPE: &'static str = "F32";

    #[inline]
    fn from_f64(value: f64) -> Self {
        value as Self
    }

    #[inline]
    fn to_f64(self) -> f64 {
        f64::from(self)
    }

    #[inline]
    fn is_finite(self) -> bool {
        self.is_finite()
    }

    #[inline(always)]
    fn dispatch<K: Kernel<Self>>(simd: Simd, kernel: K) -> K::Output {
        simd.dispatch_f32(kernel)
    }
}

impl Element for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
    const DTYPE: &'static str = "F64";

    #[inline]
    fn from_f64(value: f64) -> Self {
        value
    }

    #[inline]
    fn to_f64(self) -> f64 {
        self
    }

    #[inline]
    fn is_finite(self) -> bool {
        self.is_finite()
    }

    /// One set of lanes for every machine: f64 models are for checks, where the same bits matter more than speed.
    #[inline(always)]
    fn dispatch<K: Kernel<Self>>(_: Simd, kernel: K) -> K::Output {
        crate::simd::run_plain(kernel)
    }
}
