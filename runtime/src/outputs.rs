//! What the outputs of a model say.

use crate::math64;

/// The place of the greatest value; the first of equals, as in PyTorch. NaN is never the greatest.
#[must_use]
pub fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    let mut greatest = f32::NEG_INFINITY;
    for (at, &value) in values.iter().enumerate() {
        if value > greatest {
            (best, greatest) = (at, value);
        }
    }
    best
}

/// Scores of classes become their probabilities: exp(x) over the sum of all of these. A model under `cross_entropy` ends in
/// such scores, logits, unless it says `softmax` itself.
///
/// ```
/// let mut outputs = [0.0, 1.0, 1.0];
/// nnc_runtime::outputs::softmax(&mut outputs);
/// assert!((outputs[1] - 0.42232).abs() < 1e-5 && outputs[1] == outputs[2]);
/// ```
pub fn softmax(scores: &mut [f32]) {
    let largest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = math64::exp(f64::from(*score - largest)) as f32);
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
}
