//! Predictions on arrays.

pub use ndarray::{self, Array2, ArrayView2};

use crate::element::Element;
use crate::model::{Model, ShapeError};

/// The outputs of a model for each row of `x`.
///
/// Shapes: `[samples, input values]` to `[samples, output values]`; the array may lie in memory in any order.
///
/// # Errors
/// When the rows are not as long as the model's input.
pub fn predict_batch<E, M>(model: &M, x: ArrayView2<'_, E>) -> Result<Array2<E>, ShapeError>
where
    E: Element,
    M: Model<Elem = E> + ?Sized,
{
    let info = model.info();
    let (samples, found) = x.dim();
    if found != info.input_len() {
        return Err(ShapeError { what: "input", expected: info.input_len(), is_of_sample: false, found });
    }
    let mut out = Array2::from_elem((samples, info.output_len()), E::ZERO);
    if let Some(room) = out.as_slice_mut() {
        match x.as_slice() {
            Some(rows) => model.predict_rows(rows, room)?,
            None => model.predict_rows(&x.iter().copied().collect::<Vec<E>>(), room)?,
        }
    }
    Ok(out)
}
