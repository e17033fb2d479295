//! Random numbers by counter: number `index` of a stream can be had without the ones before it.
//!
//! Philox4x32-10 (Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011).

mod orthogonal;

pub use orthogonal::orthogonal;

use crate::math64;

/// A stream of random numbers.
///
/// The same seed, stream and index give the same number on every machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rng {
    key: [u32; 2],
    stream: u64,
}

/// Uniform and normal numbers of the same index have nothing in common.
const NORMAL: u32 = 1 << 31;

/// Draws of a truncated number after the first: number `n` is kept apart from the others by the bits from here to that
/// of `NORMAL`.
const REDRAW: u32 = 24;

impl Rng {
    /// Stream number `stream` of `seed`, below 2^63, and below 2^56 for normal and truncated numbers.
    pub const fn new(seed: u64, stream: u64) -> Self {
        Self { key: [seed as u32, (seed >> 32) as u32], stream }
    }

    /// The stream of a model's tensor of this number.
    pub const fn of_tensor(seed: u64, tensor: usize) -> Self {
        Self::new(seed, tensor as u64)
    }

    /// A number from 0 up to and without 1, in steps of 2^-53.
    pub fn uniform(&self, index: u64) -> f64 {
        let [a, b, ..] = self.block(index, 0);
        unit(a, b)
    }

    /// A number of the standard normal distribution (Box and Muller, 1958).
    pub fn normal(&self, index: u64) -> f64 {
        self.normal_of(index, NORMAL)
    }

    /// A number of the standard normal distribution within [-2, 2]: the first that lies there of [`Rng::normal`] and
    /// further draws of the same index.
    pub fn truncated(&self, index: u64) -> f64 {
        // One draw in 22 lies outside: that all of these do has a probability of 1e-171.
        (0..1 << (31 - REDRAW))
            .map(|redraw| self.normal_of(index, NORMAL | redraw << REDRAW))
            .find(|number| number.abs() <= 2.0)
            .unwrap_or(0.0)
    }

    fn normal_of(&self, index: u64, kind: u32) -> f64 {
        let [a, b, c, d] = self.block(index, kind);
        let radius = math64::sqrt(-2.0 * math64::log(1.0 - unit(a, b)));
        radius * math64::cos(2.0 * core::f64::consts::PI * unit(c, d))
    }

    /// A whole number below `n`, each as likely as the others to within n / 2^64.
    pub fn below(&self, index: u64, n: u64) -> u64 {
        let [a, b, ..] = self.block(index, 0);
        let word = u64::from(a) << 32 | u64::from(b);
        ((u128::from(word) * u128::from(n)) >> 64) as u64
    }

    /// Fills a list with 0, 1, … in random order (Fisher and Yates).
    pub fn permutation(&self, order: &mut [u32]) {
        for (index, place) in order.iter_mut().enumerate() {
            *place = index as u32;
        }
        for last in (1..order.len()).rev() {
            order.swap(last, self.below(last as u64, last as u64 + 1) as usize);
        }
    }

    fn block(&self, index: u64, kind: u32) -> [u32; 4] {
        let stream = [self.stream as u32, (self.stream >> 32) as u32 ^ kind];
        philox([index as u32, (index >> 32) as u32, stream[0], stream[1]], self.key)
    }
}

/// 53 bits as a number from 0 to 1.
fn unit(high: u32, low: u32) -> f64 {
    let bits = (u64::from(high) << 32 | u64::from(low)) >> 11;
    bits as f64 * (1.0 / (1u64 << 53) as f64)
}

/// Ten rounds.
fn philox(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let even = u64::from(counter[0]) * 0xd251_1f53;
        let odd = u64::from(counter[2]) * 0xcd9e_8d57;
        counter = [
            (odd >> 32) as u32 ^ counter[1] ^ key[0],
            odd as u32,
            (even >> 32) as u32 ^ counter[3] ^ key[1],
            even as u32,
        ];
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::{Rng, philox};

    /// Known answers that the authors publish with Random123.
    #[test]
    fn known_answers() {
        assert_eq!(philox([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    #[test]
    fn moments() {
        let rng = Rng::new(1, 2);
        let n = 100_000;
        let mean = |f: &dyn Fn(u64) -> f64| (0..n).map(f).sum::<f64>() / n as f64;
        assert!((mean(&|i| rng.uniform(i)) - 0.5).abs() < 0.005);
        assert!((mean(&|i| rng.uniform(i).powi(2)) - 1.0 / 3.0).abs() < 0.005);
        assert!(mean(&|i| rng.normal(i)).abs() < 0.015);
        assert!((mean(&|i| rng.normal(i).powi(2)) - 1.0).abs() < 0.02);
        assert!((mean(&|i| rng.normal(i).powi(4)) - 3.0).abs() < 0.15);
        assert!((mean(&|i| rng.below(i, 7) as f64) - 3.0).abs() < 0.03);
        assert!((0..n).all(|i| rng.below(i, 7) < 7 && (0.0..1.0).contains(&rng.uniform(i))));
    }

    #[test]
    fn truncated_moments() {
        let rng = Rng::new(1, 2);
        let n = 100_000;
        let mean = |f: &dyn Fn(u64) -> f64| (0..n).map(f).sum::<f64>() / n as f64;
        assert!((0..n).all(|i| rng.truncated(i).abs() <= 2.0));
        assert!(mean(&|i| rng.truncated(i)).abs() < 0.015);
        // 1 - 4 d / p, d being the density at 2 and p the probability of [-2, 2]; the fourth moment is 3 - 28 d / p.
        assert!((mean(&|i| rng.truncated(i).powi(2)) - 0.773_741).abs() < 0.01);
        assert!((mean(&|i| rng.truncated(i).powi(4)) - 1.416_19).abs() < 0.03);
        // What lies within is as it was, and what does not is drawn again evenly.
        let within = (0..n).filter(|i| rng.normal(*i).abs() <= 2.0);
        assert!(within.clone().all(|i| rng.truncated(i) == rng.normal(i)));
        assert!((within.count() as f64 / n as f64 - 0.9545).abs() < 0.003);
        let again: Vec<f64> =
            (0..n).filter(|i| rng.normal(*i).abs() > 2.0).map(|i| rng.truncated(i)).collect();
        let above = again.iter().filter(|number| **number > 1.0).count() as f64 / again.len() as f64;
        assert!((above - 0.1424).abs() < 0.02, "{above}");
    }

    #[test]
    fn permutations() {
        let rng = Rng::new(3, 4);
        let mut order = [9; 100];
        rng.permutation(&mut order);
        let mut again = [0; 100];
        rng.permutation(&mut again);
        assert_eq!(order, again);
        again.sort_unstable();
        assert_eq!(again, core::array::from_fn(|index| index as u32));
        // Each number is first about as often as the others.
        let mut first = [0; 5];
        for stream in 0..5000 {
            let mut order = [0; 5];
            Rng::new(1, stream).permutation(&mut order);
            first[order[0] as usize] += 1;
        }
        assert!(first.iter().all(|count| (900..1100).contains(count)), "{first:?}");
    }

    #[test]
    fn streams_differ() {
        let same = |a: Rng, b: Rng| (0..64).filter(|i| a.uniform(*i) == b.uniform(*i)).count();
        assert_eq!(same(Rng::new(1, 0), Rng::new(1, 1)), 0);
        assert_eq!(same(Rng::new(1, 0), Rng::new(2, 0)), 0);
        assert_eq!(same(Rng::new(1, 0), Rng::new(1, 0)), 64);
    }
}
