//! What `normalize`, `min_max` and `robust` keep of the training data, and of nothing else.

use super::DataSet;
use crate::error::Error;
use crate::model::{Model, ModelInfo, NormalizeInfo, NormalizeKind};

/// Puts figures of the training inputs into the model's `normalize` (mean and population deviation), `min_max` (least
/// and greatest value) and `robust` layers (median and interquartile range, quantiles interpolated linearly). They are
/// kept with the weights, so that prediction needs nothing else. Does nothing for a model without such a layer.
///
/// Sums run in `f64`, in the order of the rows. A feature that never varies gets a deviation or range of 1.
///
/// # Errors
/// E0416 or E0411 when the data do not fit the model's input, E0410 when there are no rows, E0503 when the model's
/// tables contradict each other.
pub fn fit_normalize<M>(model: &mut M, train: &DataSet) -> Result<(), Error>
where
    M: Model<Elem = f32> + ?Sized,
{
    let info = *model.info();
    fit_layers(model, train, info.normalize.iter().collect())
}

fn fit_layers<M>(model: &mut M, train: &DataSet, layers: Vec<&'static NormalizeInfo>) -> Result<(), Error>
where
    M: Model<Elem = f32> + ?Sized,
{
    let info = *model.info();
    if layers.is_empty() {
        return Ok(());
    }
    train.check_inputs(&info)?;
    if train.rows == 0 {
        return Err(Error::new("E0410", "there are no rows to take the mean of"));
    }
    for layer in layers {
        for (tensor, values) in layer.tensors.into_iter().zip(fitted(layer, train, &info)) {
            let room = info.tensors.get(tensor).map_or(0, |tensor| tensor.len());
            match values.as_slice() {
                values if values.len() == room => model.write_tensor(tensor, values),
                &[value] => model.write_tensor(tensor, &vec![value; room]),
                values => {
                    let (name, features) = (layer.kind.layer(), values.len());
                    let message = format!("`{name}` has {room} values for an input of {features} features");
                    return Err(Error::new("E0503", message));
                }
            }
        }
    }
    Ok(())
}

/// [`fit_normalize`] for the layers that hold no figures yet. Those of a model that was loaded, or was fitted before, stay
/// what its weights were trained with.
///
/// # Errors
/// As [`fit_normalize`].
pub fn fit_fresh<M>(model: &mut M, train: &DataSet) -> Result<(), Error>
where
    M: Model<Elem = f32> + ?Sized,
{
    let info = *model.info();
    fit_layers(model, train, info.normalize.iter().filter(|layer| is_fresh(model, &info, layer)).collect())
}

/// Whether a layer leaves its input as it is, as before it was fitted.
fn is_fresh<M>(model: &M, info: &ModelInfo, layer: &NormalizeInfo) -> bool
where
    M: Model<Elem = f32> + ?Sized,
{
    layer.tensors.into_iter().zip([0.0, 1.0]).all(|(tensor, initial)| {
        let mut values = vec![initial; info.tensors.get(tensor).map_or(0, |tensor| tensor.len())];
        model.read_tensor(tensor, &mut values);
        values.iter().all(|value| *value == initial)
    })
}

/// The two figures of each feature, or of all together.
fn fitted(layer: &NormalizeInfo, train: &DataSet, info: &ModelInfo) -> [Vec<f32>; 2] {
    let place = info.places().nth(layer.input).filter(|_| info.inputs.len() > 1);
    let of_input: Vec<f32>;
    let (inputs, features) = match place {
        Some((input, from)) => {
            let rows = train.inputs.chunks_exact(train.features.max(1));
            of_input = rows.flat_map(|row| row.iter().skip(from).take(input.len())).copied().collect();
            (&of_input, input.len())
        }
        None => (&train.inputs, train.features),
    };
    let width = if layer.over_all { 1 } else { features };
    match layer.kind {
        NormalizeKind::Standard => moments(inputs, width),
        NormalizeKind::MinMax => ranges(inputs, width),
        NormalizeKind::Robust => quartiles(inputs, width),
    }
}

/// What to divide by: a number that is not normal would send every other value to infinity.
fn divisor(found: f64) -> f32 {
    let found = found as f32;
    if found.is_normal() { found } else { 1.0 }
}

fn moments(inputs: &[f32], width: usize) -> [Vec<f32>; 2] {
    let rows = || inputs.chunks_exact(width.max(1));
    let count = rows().len() as f64;
    // Distances from the first row: their sum is exactly 0 for a feature that never varies.
    let origin: Vec<f64> = rows().next().unwrap_or_default().iter().copied().map(f64::from).collect();
    let mut shifts = vec![0.0; width];
    for row in rows() {
        for ((shift, &value), origin) in shifts.iter_mut().zip(row).zip(&origin) {
            *shift += f64::from(value) - origin;
        }
    }
    let means: Vec<f64> = shifts.iter().zip(&origin).map(|(shift, origin)| origin + shift / count).collect();
    let mut squares = vec![0.0; width];
    for row in rows() {
        for ((square, &value), mean) in squares.iter_mut().zip(row).zip(&means) {
            *square += (f64::from(value) - mean) * (f64::from(value) - mean);
        }
    }
    let deviations = squares.iter().map(|square| divisor((square / count).sqrt())).collect();
    [means.iter().map(|&mean| mean as f32).collect(), deviations]
}

fn ranges(inputs: &[f32], width: usize) -> [Vec<f32>; 2] {
    let mut rows = inputs.chunks_exact(width.max(1));
    let mut least = rows.next().unwrap_or_default().to_vec();
    let mut greatest = least.clone();
    for row in rows {
        for ((least, greatest), &value) in least.iter_mut().zip(&mut greatest).zip(row) {
            *least = least.min(value);
            *greatest = greatest.max(value);
        }
    }
    [least, greatest]
}

fn quartiles(inputs: &[f32], width: usize) -> [Vec<f32>; 2] {
    let mut values = Vec::with_capacity(inputs.len() / width.max(1));
    let mut quartiles_of = |feature: usize| {
        values.clear();
        values.extend(inputs.iter().skip(feature).step_by(width.max(1)));
        let [first, median, third] = [1, 2, 3].map(|quarters| quantile(&mut values, quarters));
        (median as f32, divisor(third - first))
    };
    let (medians, ranges) = (0..width).map(&mut quartiles_of).unzip();
    [medians, ranges]
}

/// The value below which `quarters` quarters of them lie, between two of them by the straight line, as NumPy's
/// `quantile` has it. Puts the values into another order.
fn quantile(values: &mut [f32], quarters: usize) -> f64 {
    // In whole numbers, so that a quantile that is one of the values is exactly that one.
    let place = quarters * values.len().saturating_sub(1);
    let (below, part) = (place / 4, (place % 4) as f64 / 4.0);
    if below >= values.len() {
        return 0.0;
    }
    let (_, &mut low, above) = values.select_nth_unstable_by(below, f32::total_cmp);
    let high = above.iter().copied().min_by(f32::total_cmp).unwrap_or(low);
    let (low, high) = (f64::from(low), f64::from(high));
    // `low` itself where the two are equal.
    low + (high - low) * part
}
