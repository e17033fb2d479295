//! The mean and deviation that `normalize` subtracts and divides by, from the training data alone.

use super::DataSet;
use crate::error::Error;
use crate::model::{Model, NormalizeInfo};

/// Puts the mean and the population deviation of the training inputs into the model's `normalize` layers. They are kept
/// with the weights, so that prediction needs nothing else. Does nothing for a model without such a layer.
///
/// Sums run in `f64`, in the order of the rows. A feature that never varies gets deviation 1.
///
/// # Errors
/// E0416 or E0411 when the data do not fit the model's input, E0410 when there are no rows, E0503 when the model's
/// tables contradict each other.
pub fn fit_normalize<M>(model: &mut M, train: &DataSet) -> Result<(), Error>
where
    M: Model<Elem = f32> + ?Sized,
{
    let info = *model.info();
    if info.normalize.is_empty() {
        return Ok(());
    }
    train.check_inputs(&info)?;
    if train.rows == 0 {
        return Err(Error::new("E0410", "there are no rows to take the mean of"));
    }
    for layer in info.normalize {
        let moments = moments(layer, train);
        for (tensor, values) in [(layer.mean, &moments.means), (layer.std, &moments.deviations)] {
            let room = info.tensors.get(tensor).map_or(0, |tensor| tensor.len());
            match values.as_slice() {
                values if values.len() == room => model.write_tensor(tensor, values),
                &[value] => model.write_tensor(tensor, &vec![value; room]),
                values => {
                    let message =
                        format!("`normalize` has {room} values for an input of {} features", values.len());
                    return Err(Error::new("E0503", message));
                }
            }
        }
    }
    Ok(())
}

struct Moments {
    means: Vec<f32>,
    deviations: Vec<f32>,
}

fn moments(layer: &NormalizeInfo, train: &DataSet) -> Moments {
    let width = if layer.over_all { 1 } else { train.features };
    let rows = || train.inputs.chunks_exact(width.max(1));
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
    let deviation = |square: &f64| {
        let deviation = (square / count).sqrt() as f32;
        // One that is not a normal number would send every other value to infinity.
        if deviation.is_normal() { deviation } else { 1.0 }
    };
    Moments {
        means: means.iter().map(|&mean| mean as f32).collect(),
        deviations: squares.iter().map(deviation).collect(),
    }
}
