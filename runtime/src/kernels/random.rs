//! Draws for layers that are random while training: dropout and noise.
//!
//! A draw depends on the seed of the model, the number of the step, the layer, the sample in the batch and the feature,
//! and on nothing else: neither the instruction set nor the number of threads changes it. The generator is Philox4x32-10
//! as in `crate::random`; one block of four words serves four features of a sample.

use crate::element::Element;
use crate::lanes::{LANES, Lanes, Row};
use crate::math64;

/// What the draws of a step depend on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draws {
    /// The seed that the model was made with.
    pub seed: u64,
    /// Steps done before this one.
    pub step: u64,
}

/// Marks normal draws, so that they have nothing in common with uniform ones.
const NORMAL: u32 = 1 << 31;

/// Blocks of sixteen samples, word by word.
type Block = [[u32; LANES]; 4];

/// Ten rounds of Philox for sixteen counters that differ in their second word.
#[inline(always)]
fn philox(counter: [u32; 4], samples: [u32; LANES], key: [u32; 2]) -> Block {
    let mut words: Block = [[counter[0]; LANES], samples, [counter[2]; LANES], [counter[3]; LANES]];
    let mut key = key;
    for _ in 0..10 {
        let mut next: Block = [[0; LANES]; 4];
        for lane in 0..LANES {
            let even = u64::from(words[0][lane]) * 0xd251_1f53;
            let odd = u64::from(words[2][lane]) * 0xcd9e_8d57;
            next[0][lane] = (odd >> 32) as u32 ^ words[1][lane] ^ key[0];
            next[1][lane] = odd as u32;
            next[2][lane] = (even >> 32) as u32 ^ words[3][lane] ^ key[1];
            next[3][lane] = even as u32;
        }
        words = next;
        key = [key[0].wrapping_add(0x9e37_79b9), key[1].wrapping_add(0xbb67_ae85)];
    }
    words
}

#[inline(always)]
fn block(draws: Draws, stream: u32, group: usize, number: usize) -> Block {
    let samples = core::array::from_fn(|lane| (group * LANES + lane) as u32);
    let key = [draws.seed as u32, (draws.seed >> 32) as u32 ^ (draws.step >> 32) as u32];
    philox([number as u32, 0, draws.step as u32, stream], samples, key)
}

/// 24 bits of a word as a number from 0 and below 1, which f32 holds exactly.
#[inline(always)]
fn unit(word: u32) -> f64 {
    f64::from(word >> 8) * (1.0 / f64::from(1 << 24))
}

/// Uniform draws from [0, 1) for `F` features of every sample of a batch; `stream` is the layer's number. `finish` is
/// given group, feature and the draws of sixteen samples.
#[inline(always)]
pub fn uniform<L: Lanes, const G: usize, const F: usize>(
    draws: Draws,
    stream: usize,
    mut finish: impl FnMut(usize, usize, L),
) {
    for g in 0..G {
        for number in 0..F.div_ceil(4) {
            let words = block(draws, stream as u32, g, number);
            for (f, words) in (4 * number..F).zip(&words) {
                let row: Row<L::Elem> = core::array::from_fn(|lane| L::Elem::from_f64(unit(words[lane])));
                finish(g, f, L::load(&row));
            }
        }
    }
}

/// Draws from the standard normal distribution (Box and Muller, 1958), as [`uniform`].
#[inline(always)]
pub fn normal<L: Lanes, const G: usize, const F: usize>(
    draws: Draws,
    stream: usize,
    mut finish: impl FnMut(usize, usize, L),
) {
    for g in 0..G {
        for number in 0..F.div_ceil(2) {
            let words = block(draws, stream as u32 | NORMAL, g, number);
            for (f, pair) in (2 * number..F).zip(words.chunks_exact(2)) {
                let row: Row<L::Elem> =
                    core::array::from_fn(|lane| L::Elem::from_f64(bell(pair[0][lane], pair[1][lane])));
                finish(g, f, L::load(&row));
            }
        }
    }
}

/// Two words as a draw from the standard normal distribution.
fn bell(radius: u32, angle: u32) -> f64 {
    // The logarithm of 0 has no value: 1 - u is in (0, 1].
    let radius = math64::sqrt(-2.0 * math64::log(1.0 - unit(radius)));
    radius * math64::cos(2.0 * core::f64::consts::PI * unit(angle))
}

/// One draw: what [`uniform`] or [`normal`] put at feature `feature` of sample `sample`.
pub fn draw(draws: Draws, stream: u32, is_normal: bool, sample: usize, feature: usize) -> f64 {
    let (group, lane) = (sample / LANES, sample % LANES);
    if is_normal {
        let words = block(draws, stream | NORMAL, group, feature / 2);
        let at = 2 * (feature % 2);
        bell(words[at][lane], words[at + 1][lane])
    } else {
        unit(block(draws, stream, group, feature / 4)[feature % 4][lane])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Plain;

    const DRAWS: Draws = Draws { seed: 0x1234_5678_9abc_def0, step: 7 };

    #[test]
    fn the_generator_is_philox() {
        // Known answers that the authors publish with Random123.
        let samples = [0x85a3_08d3; LANES];
        let words = philox([0x243f_6a88, 0, 0x1319_8a2e, 0x0370_7344], samples, [0xa409_3822, 0x299f_31d0]);
        assert_eq!(words.map(|word| word[3]), [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]);
    }

    #[test]
    fn rows_hold_the_single_draws() {
        let mut rows = [[[0.0f64; LANES]; 7]; 2];
        uniform::<Plain<f64>, 2, 7>(DRAWS, 3, |g, f, z| z.store(&mut rows[g][f]));
        let mut bells = [[[0.0f64; LANES]; 7]; 2];
        normal::<Plain<f64>, 2, 7>(DRAWS, 3, |g, f, z| z.store(&mut bells[g][f]));
        for sample in 0..32 {
            for feature in 0..7 {
                let at = |rows: &[[[f64; LANES]; 7]; 2]| rows[sample / LANES][feature][sample % LANES];
                assert_eq!(at(&rows), draw(DRAWS, 3, false, sample, feature));
                assert_eq!(at(&bells), draw(DRAWS, 3, true, sample, feature));
            }
        }
    }

    #[test]
    fn moments_and_streams() {
        let n = 40_000;
        let mean = |f: &dyn Fn(usize) -> f64| (0..n).map(f).sum::<f64>() / n as f64;
        let uniform = |stream: u32, i: usize| draw(DRAWS, stream, false, i % 64, i / 64);
        let normal = |i: usize| draw(DRAWS, 1, true, i % 64, i / 64);
        assert!((mean(&|i| uniform(1, i)) - 0.5).abs() < 0.006);
        assert!((mean(&|i| uniform(1, i).powi(2)) - 1.0 / 3.0).abs() < 0.006);
        assert!(mean(&normal).abs() < 0.02 && (mean(&|i| normal(i).powi(2)) - 1.0).abs() < 0.03);
        assert!((mean(&|i| (uniform(1, i) - 0.5) * (uniform(2, i) - 0.5))).abs() < 0.002);
        let later = Draws { step: 8, ..DRAWS };
        assert!((0..64).all(|i| draw(DRAWS, 1, false, i, 0) != draw(later, 1, false, i, 0)));
    }
}
