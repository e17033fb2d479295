//! Numbers of sixteen bits, as weights and optimizer states may be kept: the sign, the eight bits of the exponent and seven
//! of the fraction of an `f32`. Nothing is computed in them: a row is read as `f32`, and rounded when it is stored.
//!
//! A weight that changes by less than half of its last bit would never change if it were rounded to the nearest. What
//! training stores is rounded up as often as it is near the number above, so that its mean is exact (stochastic rounding:
//! Gupta et al., "Deep Learning with Limited Numerical Precision", 2015). What decides is a hash of the number and the step,
//! not where it lies or who computes it, so that all instruction sets and all numbers of threads give the same bits.

use crate::element::Element;
use crate::lanes::{LANES, Lanes, Row};

/// The upper half of an `f32`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(transparent)]
pub struct Bf16(u16);

impl Bf16 {
    /// The number 0.
    pub const ZERO: Self = Self(0);

    /// The nearest to a number, of two as near the even one.
    #[inline(always)]
    pub fn nearest(value: f32) -> Self {
        let bits = value.to_bits();
        // One whose fraction lies in the lower half alone would become infinite.
        let bits = if value.is_nan() { bits | QUIET } else { bits };
        Self::round(bits, 0x7fff + (bits >> 16 & 1))
    }

    /// One of the two beside a number, the upper as often as the number is near it: of a NaN what arithmetic gives for one.
    #[inline(always)]
    pub fn stochastic(value: f32, noise: Noise) -> Self {
        let bits = value.to_bits();
        Self::round(bits, noise.of(bits))
    }

    /// The upper half of the bits of a number with `up`, less than 2^16, added. What is not finite stays as it is.
    #[inline(always)]
    fn round(bits: u32, up: u32) -> Self {
        let is_finite = bits & EXPONENT != EXPONENT;
        let rounded = if is_finite { bits + up } else { bits };
        Self((rounded >> 16) as u16)
    }

    /// The same number.
    #[inline(always)]
    pub fn to_f32(self) -> f32 {
        f32::from_bits(u32::from(self.0) << 16)
    }
}

/// The bits of an `f32` that hold its exponent: all of them are set in what is not finite.
const EXPONENT: u32 = 0x7f80_0000;
/// The first bit of the fraction, which is set in each NaN that arithmetic gives.
const QUIET: u32 = 0x0040_0000;

/// What decides whether numbers are rounded up or down in a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noise(u32);

impl Noise {
    /// That of a step. The finalizer of MurmurHash3: steps have nothing to do with each other.
    pub fn of_step(step: u64) -> Self {
        let x = (step ^ step >> 32) as u32 ^ 0x9e37_79b9;
        let x = (x ^ x >> 16).wrapping_mul(0x85eb_ca6b);
        let x = (x ^ x >> 13).wrapping_mul(0xc2b2_ae35);
        Self(x ^ x >> 16)
    }

    /// Less than 2^16, each as often as the other: of one number over all steps, and over the numbers of one step, whose
    /// last bits the product with the golden ratio spreads evenly.
    #[inline(always)]
    fn of(self, bits: u32) -> u32 {
        (bits ^ self.0).wrapping_mul(0x9e37_79b1) >> 16
    }
}

/// What a tensor's numbers are kept as.
pub trait Number<E>: Copy {
    /// The number that models compute with.
    fn widen(self) -> E;
    /// The nearest to a number that models compute with.
    fn nearest(value: E) -> Self;
}

impl<E: Element> Number<E> for E {
    #[inline]
    fn widen(self) -> E {
        self
    }

    #[inline]
    fn nearest(value: E) -> Self {
        value
    }
}

impl<E: Element> Number<E> for Bf16 {
    #[inline]
    fn widen(self) -> E {
        E::from_f64(f64::from(self.to_f32()))
    }

    #[inline]
    fn nearest(value: E) -> Self {
        Self::nearest(value.to_f64() as f32)
    }
}

/// A row of a tensor in memory.
pub trait Stored<E: Element>: Copy {
    /// Its numbers.
    fn load<L: Lanes<Elem = E>>(&self) -> L;

    /// Keeps these numbers, rounded by `noise` where that is to be done.
    fn store<L: Lanes<Elem = E>>(&mut self, lanes: L, noise: Noise);

    /// Rows as the numbers that models compute with: themselves, or in `room`, which is as long at least.
    fn widened<'a, L: Lanes<Elem = E>>(rows: &'a [Self], room: &'a mut [Row<E>]) -> &'a [Row<E>];
}

impl<E: Element> Stored<E> for Row<E> {
    #[inline(always)]
    fn load<L: Lanes<Elem = E>>(&self) -> L {
        L::load(self)
    }

    #[inline(always)]
    fn store<L: Lanes<Elem = E>>(&mut self, lanes: L, _: Noise) {
        lanes.store(self);
    }

    #[inline(always)]
    fn widened<'a, L: Lanes<Elem = E>>(rows: &'a [Self], _: &'a mut [Row<E>]) -> &'a [Row<E>] {
        rows
    }
}

impl Stored<f32> for Row<Bf16> {
    #[inline(always)]
    fn load<L: Lanes<Elem = f32>>(&self) -> L {
        let mut wide = [0.0; LANES];
        for (wide, number) in wide.iter_mut().zip(self) {
            *wide = number.to_f32();
        }
        L::load(&wide)
    }

    #[inline(always)]
    fn store<L: Lanes<Elem = f32>>(&mut self, lanes: L, noise: Noise) {
        let mut wide = [0.0; LANES];
        lanes.store(&mut wide);
        for (number, wide) in self.iter_mut().zip(wide) {
            *number = Bf16::stochastic(wide, noise);
        }
    }

    #[inline(always)]
    fn widened<'a, L: Lanes<Elem = f32>>(rows: &'a [Self], room: &'a mut [Row<f32>]) -> &'a [Row<f32>] {
        let room = &mut room[..rows.len()];
        for (wide, row) in room.iter_mut().zip(rows) {
            Stored::load::<L>(row).store(wide);
        }
        room
    }
}

#[cfg(test)]
mod tests {
    use super::{Bf16, Noise};

    #[test]
    fn rounds_to_the_nearest() {
        for (value, nearest) in [
            (0.0, 0.0),
            (-0.0, -0.0),
            (1.0, 1.0),
            (-1.5, -1.5),
            // Half of the way from 1 to its neighbour, 1 + 2^-7, and a little more.
            (1.0 + 0.00390625, 1.0),
            (1.0 + 0.0039065, 1.0078125),
            (1.0078125 + 0.00390625, 1.015625),
            (f32::MAX, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
            (f32::from_bits(1), 0.0),
        ] {
            let rounded = Bf16::nearest(value).to_f32();
            assert_eq!(rounded.to_bits(), f32::to_bits(nearest), "{value}: {rounded}");
        }
    }

    #[test]
    fn not_a_number_stays_so() {
        for bits in [0x7f80_0001, 0xff80_0001, 0x7fff_ffff, 0xffff_ffff] {
            assert!(Bf16::nearest(f32::from_bits(bits)).to_f32().is_nan());
        }
        for nan in [f32::NAN, -f32::NAN, f32::INFINITY - f32::INFINITY, f32::from_bits(0x7fff_ffff)] {
            assert!(Bf16::stochastic(nan, Noise::of_step(3)).to_f32().is_nan());
        }
        let infinity = Bf16::stochastic(f32::INFINITY, Noise::of_step(3));
        assert_eq!(infinity.to_f32(), f32::INFINITY);
    }

    #[test]
    fn what_fits_is_kept() {
        for step in 0..100 {
            for value in [0.0, 1.0, -2.5, 1.0078125, 3.0e-38] {
                let value = Bf16::nearest(value).to_f32();
                assert_eq!(Bf16::stochastic(value, Noise::of_step(step)).to_f32(), value);
            }
        }
    }

    /// Over many steps the mean is the number itself, wherever it lies between its neighbours.
    #[test]
    fn rounds_up_as_often_as_it_is_near() {
        const STEPS: u64 = 40_000;
        let gap = 0.0078125_f32;
        for share in [0.01, 0.25, 0.5, 0.9] {
            for sign in [1.0, -1.0] {
                let value = sign * (1.0 + share * gap);
                let ups = (0..STEPS)
                    .filter(|step| Bf16::stochastic(value, Noise::of_step(*step)).to_f32() != sign)
                    .count();
                let found = ups as f32 / STEPS as f32;
                // Four standard deviations of a coin that is thrown so often.
                let off = 4.0 * (share * (1.0 - share) / STEPS as f32).sqrt();
                assert!((found - share).abs() < off, "{value}: up {found} of the time");
            }
        }
    }

    /// Numbers that differ little are rounded independently in one step.
    #[test]
    fn neighbours_are_rounded_independently() {
        const COUNT: u32 = 4_000;
        for share in [0.25, 0.75] {
            // All of them are nearer to one side.
            let middle = (1.0 + share * 0.0078125_f32).to_bits();
            let up = |n: u32| {
                let value = f32::from_bits(middle - COUNT / 2 + n);
                Bf16::stochastic(value, Noise::of_step(7)).to_f32() > value
            };
            let found = (0..COUNT).filter(|n| up(*n)).count() as f32 / COUNT as f32;
            assert!((found - share).abs() < 0.03, "{share}: {found}");
            let changes = (1..COUNT).filter(|n| up(*n) != up(n - 1)).count() as f32 / COUNT as f32;
            assert!(changes > 0.2, "{share}: {changes}");
        }
    }
}
