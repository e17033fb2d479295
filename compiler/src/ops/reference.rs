//! What operators mean, where several share it: plain f64 on arrays whose first axis is the samples.

use ndarray::{ArrayD, Axis, Zip};

/// log(softmax) over the last axis of the first operand.
pub fn log_softmax(operands: &[&ArrayD<f64>]) -> ArrayD<f64> {
    let Some(x) = operands.first() else { return ArrayD::zeros(vec![0]) };
    let mut y = (*x).clone();
    for mut row in y.lanes_mut(Axis(x.ndim() - 1)) {
        let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = row.iter().map(|x| (x - largest).exp()).sum();
        row.mapv_inplace(|x| x - largest - sum.ln());
    }
    y
}

/// The sum over samples, and over positions where each of those has `features` values.
pub fn batch_sum(operands: &[&ArrayD<f64>], features: usize) -> ArrayD<f64> {
    let Some(x) = operands.first() else { return ArrayD::zeros(vec![0]) };
    rows(x, features).sum_axis(Axis(0)).into_dyn()
}

/// Neighbouring values as rows of a matrix: those of each position of each sample.
pub fn rows(x: &ArrayD<f64>, features: usize) -> ndarray::Array2<f64> {
    let rows = x.len().checked_div(features).unwrap_or(0);
    let values: Vec<f64> = x.iter().copied().collect();
    ndarray::Array2::from_shape_vec((rows, features), values)
        .unwrap_or_else(|_| ndarray::Array2::zeros((0, 0)))
}

/// Rows of samples as a matrix `[samples, features]`.
pub fn matrix(x: &ArrayD<f64>) -> ndarray::Array2<f64> {
    let samples = x.shape().first().copied().unwrap_or(0);
    let features = x.len().checked_div(samples).unwrap_or(0);
    let mut out = ndarray::Array2::zeros((samples, features));
    Zip::from(out.rows_mut()).and(x.axis_iter(Axis(0))).for_each(|mut row, sample| {
        row.iter_mut().zip(sample.iter()).for_each(|(to, from)| *to = *from);
    });
    out
}
