//! Lanes made of several registers of one instruction set.

/// The bits of sqrt(1/2): `split_exponent` counts exponents from here.
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(dead_code))]
pub(super) const HALF_SQRT_BITS: i32 = 0x3f35_04f3;

/// The methods of [`Lanes`](super::Lanes) that [`crate::math`] computes.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! f32_math {
    () => {
        #[cfg_attr(debug_assertions, inline)]
        #[cfg_attr(not(debug_assertions), inline(always))]
        fn exp(self) -> Self {
            crate::math::exp(self)
        }
        #[cfg_attr(debug_assertions, inline)]
        #[cfg_attr(not(debug_assertions), inline(always))]
        fn expm1(self) -> Self {
            crate::math::expm1(self)
        }
        #[cfg_attr(debug_assertions, inline)]
        #[cfg_attr(not(debug_assertions), inline(always))]
        fn log(self) -> Self {
            crate::math::log(self)
        }
        #[cfg_attr(debug_assertions, inline)]
        #[cfg_attr(not(debug_assertions), inline(always))]
        fn log1p(self) -> Self {
            crate::math::log1p(self)
        }
        #[cfg_attr(debug_assertions, inline)]
        #[cfg_attr(not(debug_assertions), inline(always))]
        fn tanh(self) -> Self {
            crate::math::tanh(self)
        }
        #[cfg_attr(debug_assertions, inline)]
        #[cfg_attr(not(debug_assertions), inline(always))]
        fn sigmoid(self) -> Self {
            crate::math::sigmoid(self)
        }
        #[cfg_attr(debug_assertions, inline)]
        #[cfg_attr(not(debug_assertions), inline(always))]
        fn softplus(self) -> Self {
            crate::math::softplus(self)
        }
        #[cfg_attr(debug_assertions, inline)]
        #[cfg_attr(not(debug_assertions), inline(always))]
        fn erf(self) -> Self {
            crate::math::erf(self)
        }
        #[cfg_attr(debug_assertions, inline)]
        #[cfg_attr(not(debug_assertions), inline(always))]
        fn sin(self) -> Self {
            crate::math::sin(self)
        }
        #[cfg_attr(debug_assertions, inline)]
        #[cfg_attr(not(debug_assertions), inline(always))]
        fn cos(self) -> Self {
            crate::math::cos(self)
        }
        #[cfg_attr(debug_assertions, inline)]
        #[cfg_attr(not(debug_assertions), inline(always))]
        fn pow(self, exponent: Self) -> Self {
            crate::math::pow(self, exponent)
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use f32_math;

/// Lanes from `$count` registers, each of `$width` numbers, with the operations of the module `$ops`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! lanes_of_parts {
    (
        $(#[$docs:meta])* $name:ident, $mask:ident, $ops:ident, $part:ty, $part_mask:ty,
        $width:literal x $count:literal, [$($i:literal),*], wide: $wide:literal, features: $features:literal,
        { $($more:item)* }
    ) => {
        $(#[$docs])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name([$part; $count]);

        /// A yes or no for each lane.
        #[derive(Debug, Clone, Copy)]
        pub struct $mask([$part_mask; $count]);

        lanes_of_parts!(@binary $name, $ops, [$($i),*], Add add, Sub sub, Mul mul, Div div);
        lanes_of_parts!(@binary $mask, $ops, [$($i),*], BitAnd bitand, BitOr bitor);
        lanes_of_parts!(@unary $name, $ops, [$($i),*], Neg neg);
        lanes_of_parts!(@unary $mask, $ops, [$($i),*], Not not);

        /// A kernel with these instructions.
        ///
        /// A method of the kernel, which belongs to the module of its type: rustc compiles several modules at a time.
        trait Apart: crate::simd::Kernel<f32> + Sized {
            /// # Safety
            /// The machine must have the instructions.
            #[inline(never)]
            #[target_feature(enable = $features)]
            unsafe fn apart(self) -> Self::Output {
                self.run::<$name>()
            }
        }

        impl<K: crate::simd::Kernel<f32>> Apart for K {}

        impl crate::lanes::Lanes for $name {
            type Elem = f32;
            type Mask = $mask;
            const IS_WIDE: bool = $wide;

            fn apart<K: crate::simd::Kernel<f32>>(kernel: K) -> K::Output {
                // SAFETY: whoever computes with these lanes has found the instructions on this machine.
                unsafe { Apart::apart(kernel) }
            }

            #[cfg_attr(debug_assertions, inline)]

            #[cfg_attr(not(debug_assertions), inline(always))]
            fn splat(value: f32) -> Self {
                Self([$ops::splat(value); $count])
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn load(row: &crate::lanes::Row<f32>) -> Self {
                let (parts, _) = row.as_chunks::<$width>();
                Self([$($ops::load(&parts[$i])),*])
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn store(self, row: &mut crate::lanes::Row<f32>) {
                let (parts, _) = row.as_chunks_mut::<$width>();
                $($ops::store(self.0[$i], &mut parts[$i]);)*
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn mul_add(self, factor: Self, term: Self) -> Self {
                Self([$($ops::mul_add(self.0[$i], factor.0[$i], term.0[$i])),*])
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn min(self, other: Self) -> Self {
                Self([$($ops::min(self.0[$i], other.0[$i])),*])
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn max(self, other: Self) -> Self {
                Self([$($ops::max(self.0[$i], other.0[$i])),*])
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn abs(self) -> Self {
                Self([$($ops::abs(self.0[$i])),*])
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn sqrt(self) -> Self {
                Self([$($ops::sqrt(self.0[$i])),*])
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn floor(self) -> Self {
                Self([$($ops::floor(self.0[$i])),*])
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn round(self) -> Self {
                Self([$($ops::round(self.0[$i])),*])
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn lt(self, other: Self) -> $mask {
                $mask([$($ops::lt(self.0[$i], other.0[$i])),*])
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn le(self, other: Self) -> $mask {
                $mask([$($ops::le(self.0[$i], other.0[$i])),*])
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn eq(self, other: Self) -> $mask {
                $mask([$($ops::eq(self.0[$i], other.0[$i])),*])
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn select(mask: $mask, yes: Self, no: Self) -> Self {
                Self([$($ops::select(mask.0[$i], yes.0[$i], no.0[$i])),*])
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn first(n: usize) -> $mask {
                Self::index().lt(Self::splat(n as f32))
            }
            crate::lanes::parts::f32_math!();
            $($more)*
        }

        impl crate::lanes::Lanes32 for $name {
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn scale_exponent(self, n: Self) -> Self {
                Self([$($ops::scale_exponent(self.0[$i], n.0[$i])),*])
            }
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn split_exponent(self) -> (Self, Self) {
                let parts = [$($ops::split_exponent(self.0[$i])),*];
                (Self([$(parts[$i].0),*]), Self([$(parts[$i].1),*]))
            }
        }
    };
    (@binary $name:ident, $ops:ident, $indices:tt, $($trait:ident $function:ident),*) => {
        $(lanes_of_parts!(@one_binary $name, $ops, $indices, $trait $function);)*
    };
    (@one_binary $name:ident, $ops:ident, [$($i:literal),*], $trait:ident $function:ident) => {
        impl core::ops::$trait for $name {
            type Output = Self;
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn $function(self, other: Self) -> Self {
                Self([$($ops::$function(self.0[$i], other.0[$i])),*])
            }
        }
    };
    (@unary $name:ident, $ops:ident, [$($i:literal),*], $trait:ident $function:ident) => {
        impl core::ops::$trait for $name {
            type Output = Self;
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            fn $function(self) -> Self {
                Self([$($ops::$function(self.0[$i])),*])
            }
        }
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use lanes_of_parts;

/// `fn name(args) -> type { expression }`, for operations that are one intrinsic.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! operations {
    ($($(#[$docs:meta])* fn $name:ident($($argument:ident: $ty:ty),*) -> $out:ty { $body:expr })*) => {
        $(
            $(#[$docs])*
            #[cfg_attr(debug_assertions, inline)]
            #[cfg_attr(not(debug_assertions), inline(always))]
            pub fn $name($($argument: $ty),*) -> $out {
                // SAFETY: lanes of this set are made and used only inside `Simd::run`, which has checked that the
                // machine has its instructions; rows have the length that is read or written.
                unsafe { $body }
            }
        )*
    };
}
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
pub(super) use operations;
