//! Sixteen numbers at once, whatever the machine: one AVX-512 register, two of AVX2, four of NEON, or an array.
//!
//! Every set computes the same bits. Each operation is the one that IEEE 754 defines, correctly rounded; sums over
//! lanes have one order; and [`crate::math`] is written once, over these operations.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) mod avx512;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
mod parts;
mod plain;

use core::ops::{Add, BitAnd, BitOr, Deref, DerefMut, Div, Mul, Neg, Not, Sub};

pub use plain::Plain;

use crate::element::Element;
use crate::simd::Kernel;

/// Numbers in a row.
pub const LANES: usize = 16;

/// Sixteen numbers in memory.
pub type Row<E> = [E; LANES];

/// Rows on the stack as those of a model lie: a row of `f32` is a line of the cache. A load that crossed two would take
/// twice as long.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub struct Aligned<T>(pub T);

impl<T> Deref for Aligned<T> {
    type Target = T;

    #[inline(always)]
    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Aligned<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

/// Sixteen numbers in registers.
pub trait Lanes:
    Copy
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
    + Neg<Output = Self>
    + 'static
{
    /// A number.
    type Elem: Element;
    /// A yes or no for each lane.
    type Mask: Copy + BitAnd<Output = Self::Mask> + BitOr<Output = Self::Mask> + Not<Output = Self::Mask>;
    /// Whether there are registers for sixteen of these at once beside operands: kernels choose their tile by it.
    const IS_WIDE: bool;

    /// The same number in each lane.
    fn splat(value: Self::Elem) -> Self;
    /// Reads a row.
    fn load(row: &Row<Self::Elem>) -> Self;
    /// Writes a row.
    fn store(self, row: &mut Row<Self::Elem>);
    /// `self * factor + term`, rounded once in f32.
    fn mul_add(self, factor: Self, term: Self) -> Self;
    /// `self` where it is less, otherwise `other`: NaN where `other` is.
    fn min(self, other: Self) -> Self;
    /// `self` where it is greater, otherwise `other`: NaN where `other` is.
    fn max(self, other: Self) -> Self;
    /// Without the sign.
    fn abs(self) -> Self;
    /// The square root.
    fn sqrt(self) -> Self;
    /// Down to a whole number.
    fn floor(self) -> Self;
    /// To the nearest whole number, halves to the even one.
    fn round(self) -> Self;
    /// `self < other`
    fn lt(self, other: Self) -> Self::Mask;
    /// `self <= other`
    fn le(self, other: Self) -> Self::Mask;
    /// `self == other`
    fn eq(self, other: Self) -> Self::Mask;
    /// `yes` where the mask says so, `no` elsewhere.
    fn select(mask: Self::Mask, yes: Self, no: Self) -> Self;
    /// The first `n` lanes.
    fn first(n: usize) -> Self::Mask;

    /// eˣ
    fn exp(self) -> Self;
    /// eˣ - 1, exact near 0.
    fn expm1(self) -> Self;
    /// The natural logarithm.
    fn log(self) -> Self;
    /// log(1 + x), exact near 0.
    fn log1p(self) -> Self;
    /// The hyperbolic tangent.
    fn tanh(self) -> Self;
    /// 1 / (1 + e⁻ˣ)
    fn sigmoid(self) -> Self;
    /// log(1 + eˣ)
    fn softplus(self) -> Self;
    /// The error function.
    fn erf(self) -> Self;
    /// The sine.
    fn sin(self) -> Self;
    /// The cosine.
    fn cos(self) -> Self;
    /// `self` to the power of `exponent`.
    fn pow(self, exponent: Self) -> Self;

    /// Runs a part of a kernel as a function of its own, which others that need it call too: what is the same for all
    /// sizes is compiled once.
    #[doc(hidden)]
    fn apart<K: Kernel<Self::Elem>>(kernel: K) -> K::Output;

    /// 0 in each lane.
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn zero() -> Self {
        Self::splat(Self::Elem::ZERO)
    }

    /// `self + factor * x`: a step of a product with a matrix.
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn add_mul(self, factor: Self::Elem, x: Self) -> Self {
        Self::splat(factor).mul_add(x, self)
    }

    /// `self > other`
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn gt(self, other: Self) -> Self::Mask {
        other.lt(self)
    }

    /// `self >= other`
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn ge(self, other: Self) -> Self::Mask {
        other.le(self)
    }

    /// `self != other`, and where either is NaN.
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn ne(self, other: Self) -> Self::Mask {
        !self.eq(other)
    }

    /// -1, 0 or 1; 0 for NaN.
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn sign(self) -> Self {
        let one = Self::splat(Self::Elem::ONE);
        let negative = Self::select(self.lt(Self::zero()), -one, Self::zero());
        Self::select(self.gt(Self::zero()), one, negative)
    }

    /// `self` to a whole power, by squaring.
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn powi(self, exponent: i32) -> Self {
        let mut left = exponent.unsigned_abs();
        let mut power = self;
        let mut product = Self::splat(Self::Elem::ONE);
        while left > 0 {
            if left & 1 == 1 {
                product = product * power;
            }
            left >>= 1;
            if left > 0 {
                power = power * power;
            }
        }
        if exponent < 0 { Self::splat(Self::Elem::ONE) / product } else { product }
    }

    /// 0 where the magnitude is below `limit`: numbers that decay would otherwise become denormal, which is slow.
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn flush(self, limit: Self::Elem) -> Self {
        Self::select(self.abs().lt(Self::splat(limit)), Self::zero(), self)
    }

    /// 0, 1, …, 15.
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn index() -> Self {
        let mut row = [Self::Elem::ZERO; LANES];
        for (lane, value) in row.iter_mut().enumerate() {
            *value = Self::Elem::from_f64(lane as f64);
        }
        Self::load(&row)
    }

    /// The sum of all lanes: halves are added to halves, so that the order is the same for every set.
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn sum(self) -> Self::Elem {
        self.fold(|a, b| a + b)
    }

    /// The greatest lane.
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn max_lane(self) -> Self::Elem {
        self.fold(|a, b| a.max(b))
    }

    /// The less of both; NaN where one of them is.
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn minimum(self, other: Self) -> Self {
        Self::select(self.eq(self), self.min(other), self)
    }

    /// The greater of both; NaN where one of them is.
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn maximum(self, other: Self) -> Self {
        Self::select(self.eq(self), self.max(other), self)
    }

    /// Lanes folded in halves: lane i with lane i + 8, then i + 4, i + 2, i + 1.
    #[doc(hidden)]
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn fold(self, join: impl Fn(Self, Self) -> Self) -> Self::Elem {
        let half = join(self, self.turned::<8>());
        let quarter = join(half, half.turned::<4>());
        let pair = join(quarter, quarter.turned::<2>());
        let mut row = [Self::Elem::ZERO; LANES];
        join(pair, pair.turned::<1>()).store(&mut row);
        row[0]
    }

    /// Lane i is what lane i + N was, and the first N follow the last. A shuffle, as its places are constants.
    #[doc(hidden)]
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn turned<const N: usize>(self) -> Self {
        let mut row = [Self::Elem::ZERO; LANES];
        self.store(&mut row);
        Self::load(&core::array::from_fn(|lane| row[(lane + N) % LANES]))
    }

    /// Rows become columns.
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn transpose(rows: &mut [Self; LANES]) {
        let mut from = [[Self::Elem::ZERO; LANES]; LANES];
        for (row, lanes) in from.iter_mut().zip(rows.iter()) {
            lanes.store(row);
        }
        for (column, lanes) in rows.iter_mut().enumerate() {
            let mut row = [Self::Elem::ZERO; LANES];
            for (value, from) in row.iter_mut().zip(&from) {
                *value = from[column];
            }
            *lanes = Self::load(&row);
        }
    }
}

/// Lanes of `f32`: what [`crate::math`] needs beyond [`Lanes`].
pub trait Lanes32: Lanes<Elem = f32> {
    /// `self * 2^n`, for whole `n` from -126 to 127.
    fn scale_exponent(self, n: Self) -> Self;

    /// `(m, n)` with `self = m * 2^n` and m from sqrt(1/2) to sqrt(2), for a positive normal number.
    fn split_exponent(self) -> (Self, Self);
}
