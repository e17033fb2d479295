//! Lanes as an array: for every machine, and the only ones of `f64`.

use core::array::from_fn;
use core::ops::{Add, BitAnd, BitOr, Div, Mul, Neg, Not, Sub};

use super::parts::HALF_SQRT_BITS;
use super::{LANES, Lanes, Lanes32, Row};
use crate::element::Element;
use crate::simd::{Kernel, run_plain};
use crate::{math, math64};

/// Sixteen numbers in an array.
#[derive(Debug, Clone, Copy)]
pub struct Plain<E>(Row<E>);

/// A yes or no for each lane.
#[derive(Debug, Clone, Copy)]
pub struct PlainMask([bool; LANES]);

impl<E: Element> Plain<E> {
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn map(self, f: impl Fn(E) -> E) -> Self {
        Self(from_fn(|lane| f(self.0[lane])))
    }

    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn zip(self, other: Self, f: impl Fn(E, E) -> E) -> Self {
        Self(from_fn(|lane| f(self.0[lane], other.0[lane])))
    }

    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn compare(self, other: Self, f: impl Fn(&E, &E) -> bool) -> PlainMask {
        PlainMask(from_fn(|lane| f(&self.0[lane], &other.0[lane])))
    }
}

impl BitAnd for PlainMask {
    type Output = Self;
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn bitand(self, other: Self) -> Self {
        Self(from_fn(|lane| self.0[lane] & other.0[lane]))
    }
}

impl BitOr for PlainMask {
    type Output = Self;
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn bitor(self, other: Self) -> Self {
        Self(from_fn(|lane| self.0[lane] | other.0[lane]))
    }
}

impl Not for PlainMask {
    type Output = Self;
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn not(self) -> Self {
        Self(self.0.map(|yes| !yes))
    }
}

/// Functions of `f32` rows that are compiled once, in this crate.
///
/// Written out at each place where they are used, they would be most of the code of a model, and most of the time that
/// it takes to compile, for machines that hardly anybody has.
macro_rules! once {
    ($($name:ident($($argument:ident),*) $body:expr;)*) => {
        mod once {
            use super::*;
            $(
                #[inline(never)]
                pub fn $name($($argument: &Plain<f32>),*) -> Plain<f32> {
                    $body
                }
            )*
        }

        macro_rules! f32_methods {
            () => {
                $(f32_methods!(@method $name $($argument)*);)*
            };
            (@method $method:ident $x:ident) => {
                #[cfg_attr(debug_assertions, inline)]
                #[cfg_attr(not(debug_assertions), inline(always))]
                fn $method(self) -> Self {
                    once::$method(&self)
                }
            };
            (@method $method:ident $x:ident $y:ident) => {
                #[cfg_attr(debug_assertions, inline)]
                #[cfg_attr(not(debug_assertions), inline(always))]
                fn $method(self, $y: Self) -> Self {
                    once::$method(&self, &$y)
                }
            };
            (@method $method:ident $x:ident $y:ident $z:ident) => {
                #[cfg_attr(debug_assertions, inline)]
                #[cfg_attr(not(debug_assertions), inline(always))]
                fn $method(self, $y: Self, $z: Self) -> Self {
                    once::$method(&self, &$y, &$z)
                }
            };
        }
    };
}

once! {
    mul_add(x, factor, term) Plain(from_fn(|lane| fused(x.0[lane], factor.0[lane], term.0[lane])));
    sqrt(x) x.map(sqrt32);
    floor(x) x.map(floor32);
    round(x) x.map(round32);
    exp(x) math::exp(*x);
    expm1(x) math::expm1(*x);
    log(x) math::log(*x);
    log1p(x) math::log1p(*x);
    tanh(x) math::tanh(*x);
    sigmoid(x) math::sigmoid(*x);
    softplus(x) math::softplus(*x);
    erf(x) math::erf(*x);
    sin(x) math::sin(*x);
    cos(x) math::cos(*x);
    pow(x, exponent) math::pow(*x, *exponent);
}

macro_rules! plain {
    ($elem:ty, { $($math:tt)* }) => {
        plain!(@binary $elem, Add add, Sub sub, Mul mul, Div div);

        impl Neg for Plain<$elem> {
            type Output = Self;
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn neg(self) -> Self {
                self.map(|x| -x)
            }
        }

        impl Lanes for Plain<$elem> {
            type Elem = $elem;
            type Mask = PlainMask;
            const IS_WIDE: bool = false;

            fn apart<K: Kernel<$elem>>(kernel: K) -> K::Output {
                run_plain(kernel)
            }

            #[cfg_attr(debug_assertions, inline)]

            #[cfg_attr(not(debug_assertions), inline(always))]
            fn splat(value: $elem) -> Self {
                Self([value; LANES])
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn load(row: &Row<$elem>) -> Self {
                Self(*row)
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn store(self, row: &mut Row<$elem>) {
                *row = self.0;
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn min(self, other: Self) -> Self {
                self.zip(other, |a, b| if a < b { a } else { b })
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn max(self, other: Self) -> Self {
                self.zip(other, |a, b| if a > b { a } else { b })
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn abs(self) -> Self {
                self.map(|x| x.abs())
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn lt(self, other: Self) -> PlainMask {
                self.compare(other, |a, b| a < b)
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn le(self, other: Self) -> PlainMask {
                self.compare(other, |a, b| a <= b)
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn eq(self, other: Self) -> PlainMask {
                self.compare(other, |a, b| a == b)
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn select(mask: PlainMask, yes: Self, no: Self) -> Self {
                Self(from_fn(|lane| if mask.0[lane] { yes.0[lane] } else { no.0[lane] }))
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn first(n: usize) -> PlainMask {
                PlainMask(from_fn(|lane| lane < n))
            }
            $($math)*
        }
    };
    (@binary $elem:ty, $($trait:ident $function:ident),*) => {
        $(
            impl $trait for Plain<$elem> {
                type Output = Self;
                #[cfg_attr(debug_assertions, inline)]
                #[cfg_attr(not(debug_assertions), inline(always))]
                fn $function(self, other: Self) -> Self {
                    self.zip(other, |a, b| <$elem as $trait>::$function(a, b))
                }
            }
        )*
    };
}

plain!(f32, {
    f32_methods!();
});

/// Methods that are one function of a number.
macro_rules! each {
    ($($name:ident),*) => {
        $(
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn $name(self) -> Self {
                self.map(math64::$name)
            }
        )*
    };
}

plain!(f64, {
    each!(sqrt, floor, round, exp, expm1, log, log1p, tanh, sigmoid, softplus, erf, sin, cos);

    /// Rounded twice: f64 has digits to spare, and no machine without the instruction could do it as fast.
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn mul_add(self, factor: Self, term: Self) -> Self {
        self * factor + term
    }

    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn pow(self, exponent: Self) -> Self {
        self.zip(exponent, math64::pow)
    }
});

impl Lanes32 for Plain<f32> {
    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn scale_exponent(self, n: Self) -> Self {
        self.zip(n, |x, n| x * f32::from_bits(((n as i32).wrapping_add(127) as u32) << 23))
    }

    #[cfg_attr(debug_assertions, inline)]
    #[cfg_attr(not(debug_assertions), inline(always))]
    fn split_exponent(self) -> (Self, Self) {
        let exponent = self.map(|x| ((x.to_bits() as i32).wrapping_sub(HALF_SQRT_BITS) >> 23) as f32);
        let mantissa = self
            .zip(exponent, |x, n| f32::from_bits((x.to_bits() as i32).wrapping_sub((n as i32) << 23) as u32));
        (mantissa, exponent)
    }
}

/// `a * b + c`, rounded once, without an instruction for it.
///
/// The product of two f32 is exact in f64. Their sum with `c` is rounded to odd there, which keeps what the second
/// rounding to f32 has to know (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn fused(a: f32, b: f32, c: f32) -> f32 {
    let product = f64::from(a) * f64::from(b);
    let c = f64::from(c);
    let sum = product + c;
    let from_c = sum - product;
    let error = (product - (sum - from_c)) + (c - from_c);
    let bits = sum.to_bits();
    // Towards the error by one place; away from zero when it has the sign of the sum.
    let step = if (error > 0.0) == (sum > 0.0) { 1 } else { u64::MAX };
    let is_even = bits & 1 == 0;
    let is_inexact = error != 0.0 && sum.is_finite();
    let odd = if is_inexact & is_even { bits.wrapping_add(step) } else { bits };
    f64::from_bits(odd) as f32
}

#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn sqrt32(x: f32) -> f32 {
    // Rounded to f64 and then to f32 is rounded once: f64 has more than twice the digits.
    math64::sqrt(f64::from(x)) as f32
}

/// Numbers from here on are whole.
const WHOLE: f32 = 8_388_608.0;

#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn floor32(x: f32) -> f32 {
    let whole = (x as i32) as f32;
    let floor = if whole > x { whole - 1.0 } else { whole };
    if x.abs() < WHOLE { floor.copysign(x) } else { x }
}

#[cfg_attr(debug_assertions, inline)]
#[cfg_attr(not(debug_assertions), inline(always))]
fn round32(x: f32) -> f32 {
    let magic = WHOLE.copysign(x);
    let round = (x + magic) - magic;
    if x.abs() < WHOLE { round.copysign(x) } else { x }
}
