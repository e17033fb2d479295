//! Weights in memory: those that are part of the program, and those that it hands on.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::fit::{Misfits, Part, describe, other_hash};
use super::header::{Header, Metadata, parse};
use crate::model::Model;

/// Why weights are not those of a model, which is unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightsError {
    /// They are not the whole content of a safetensors file: what is wrong.
    Damaged(String),
    /// A tensor of the model is not there: its name.
    Missing(&'static str),
    /// A tensor of another shape.
    Shape {
        /// Its name.
        tensor: &'static str,
        /// The shape that the model has.
        expected: &'static [usize],
        /// That of the weights.
        found: Vec<usize>,
    },
    /// A tensor that the model does not have: its name.
    Unexpected(String),
    /// A tensor that is stored as something else than floating-point numbers.
    Dtype {
        /// Its name.
        tensor: &'static str,
        /// What it is stored as.
        found: String,
    },
    /// They were trained with another specification of the model: names and shapes fit, but a layer, an activation or the
    /// normalisation differs.
    Specification {
        /// The hash of the model's.
        expected: &'static str,
        /// That of the weights.
        found: String,
    },
    /// A weight is not finite: the name of its tensor.
    NotFinite(&'static str),
}

impl WeightsError {
    /// The code, as of `nnc explain`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Damaged(_) => "E0415",
            Self::NotFinite(_) => "E0411",
            _ => "E0413",
        }
    }
}

impl core::fmt::Display for WeightsError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Damaged(reason) => write!(f, "the weights are not a whole safetensors file: {reason}"),
            Self::Missing(tensor) => write!(f, "expected tensor `{tensor}`, not found"),
            Self::Shape { tensor, expected, found } => {
                write!(f, "`{tensor}` has shape {found:?}, expected {expected:?}")
            }
            Self::Unexpected(tensor) => write!(f, "the model has no tensor `{tensor}`"),
            Self::Dtype { tensor, found } => {
                write!(f, "tensor `{tensor}` is stored as {found}, expected numbers as F32")
            }
            Self::Specification { expected, found } => write!(
                f,
                "the weights were trained with another specification of the model: expected {expected}, found {found}"
            ),
            Self::NotFinite(tensor) => write!(f, "`{tensor}` holds a value that is not finite"),
        }
    }
}

impl core::error::Error for WeightsError {}

#[cfg(feature = "std")]
impl From<WeightsError> for crate::Error {
    fn from(error: WeightsError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

/// Loads a model's parameters and buffers from the content of a safetensors file or a checkpoint, as `include_bytes!` has
/// it. It needs no files and no `std`, and memory for one tensor at a time. Weights without a specification hash, as PyTorch
/// writes them, fit when their names and shapes do.
///
/// # Errors
/// When the weights are those of another model, not finite, or damaged. The model is then unchanged.
pub fn load_bytes<M>(model: &mut M, bytes: &[u8]) -> Result<(), WeightsError>
where
    M: Model<Elem = f32> + ?Sized,
{
    let (header, data) = parse(bytes).map_err(WeightsError::Damaged)?;
    let info = *model.info();
    let misfits = Misfits::of(&info, Part::All, "", &header);
    if let Some((tensor, entry)) = misfits.misshapen.first() {
        let (tensor, expected, found) = (tensor.name, tensor.shape, entry.shape.clone());
        return Err(WeightsError::Shape { tensor, expected, found });
    }
    if let Some(tensor) = misfits.missing.first() {
        return Err(WeightsError::Missing(tensor));
    }
    if let Some(tensor) = misfits.unexpected.first() {
        return Err(WeightsError::Unexpected((*tensor).to_owned()));
    }
    if let Some(found) = other_hash(&info, &header) {
        return Err(WeightsError::Specification { expected: info.spec_hash, found: found.clone() });
    }
    // All of them are looked at before the first is written: a fault leaves the model as it was.
    let mut values: Vec<f32> = Vec::new();
    for is_checked in [false, true] {
        for (idx, tensor) in info.tensors.iter().enumerate() {
            let Some(entry) = header.entries.iter().find(|entry| entry.name == tensor.name) else { continue };
            let bytes = data.get(entry.range.0..entry.range.1).unwrap_or_default();
            let Some(mut numbers) = entry.dtype.numbers(bytes) else {
                return Err(WeightsError::Dtype {
                    tensor: tensor.name,
                    found: entry.dtype.name().to_owned(),
                });
            };
            if is_checked {
                // As many as there are: a vector that grows would take twice the memory.
                values.clear();
                values.reserve_exact(tensor.len());
                values.extend(numbers);
                model.write_tensor(idx, &values);
            } else if !numbers.all(f32::is_finite) {
                return Err(WeightsError::NotFinite(tensor.name));
            }
        }
    }
    Ok(())
}

/// A model's parameters and buffers as the content of a safetensors file, byte for byte what `save` writes: for a program
/// without files, or one that sends them elsewhere. [`load_bytes`] reads it. It needs no `std`.
pub fn to_bytes<M>(model: &M, metadata: &Metadata) -> Vec<u8>
where
    M: Model<Elem = f32> + ?Sized,
{
    let info = model.info();
    let tensors = || Part::All.of(info);
    let described = tensors().map(|(_, tensor)| (tensor.name.to_owned(), tensor.shape));
    let mut bytes = Header::of(describe(info, metadata), described).to_bytes();
    bytes.reserve_exact(tensors().map(|(_, tensor)| 4 * tensor.len()).sum());
    let mut values: Vec<f32> = Vec::new();
    for (idx, tensor) in tensors() {
        values.clear();
        values.resize(tensor.len(), 0.0);
        model.read_tensor(idx, &mut values);
        bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    }
    bytes
}
