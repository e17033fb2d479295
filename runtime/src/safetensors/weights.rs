//! Models in safetensors files: what is saved with the weights, and what is checked before any is replaced.

use std::path::Path;

use super::fit::{Misfits, Part, describe, other_hash};
use super::{Metadata, SafeTensors, Tensor, write};
use crate::error::{Error, listed};
use crate::model::{Model, ModelInfo};

/// How strictly weights are compared with the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LoadOptions {
    /// Take weights of a model with another specification, as long as all names and shapes fit.
    pub ignore_hash: bool,
}

/// Tensors of a model, one after the other, in the shapes they are saved in.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tensors {
    /// Their values.
    pub values: Vec<f32>,
    part: Part,
}

impl Tensors {
    /// Room for tensors of a model, all 0.
    pub fn new(info: &ModelInfo, part: Part) -> Self {
        Self { values: vec![0.0; part.of(info).map(|(_, tensor)| tensor.len()).sum()], part }
    }

    /// Fills each tensor by its number.
    pub fn fill(&mut self, info: &ModelInfo, mut read: impl FnMut(usize, &mut [f32])) {
        let mut rest = self.values.as_mut_slice();
        for (idx, tensor) in self.part.of(info) {
            let (values, after) = rest.split_at_mut(tensor.len().min(rest.len()));
            read(idx, values);
            rest = after;
        }
    }

    /// Each tensor's number and values.
    pub fn each<'a>(&'a self, info: &ModelInfo) -> impl Iterator<Item = (usize, &'a [f32])> {
        let mut rest = self.values.as_slice();
        self.part.of(info).map(move |(idx, tensor)| {
            let (values, after) = rest.split_at(tensor.len().min(rest.len()));
            rest = after;
            (idx, values)
        })
    }

    /// The number of the first tensor that holds a value that is not finite.
    pub fn first_non_finite(&self, info: &ModelInfo) -> Option<usize> {
        let is_bad = |values: &[f32]| values.iter().any(|value| !value.is_finite());
        self.each(info).find(|(_, values)| is_bad(values)).map(|(idx, _)| idx)
    }

    /// Appends them to the tensors of a file, each name after `prefix`.
    pub fn push_to<'a>(&'a self, info: &ModelInfo, prefix: &str, file: &mut Vec<Tensor<'a>>) {
        for ((_, tensor), (_, values)) in self.part.of(info).zip(self.each(info)) {
            file.push(Tensor { name: format!("{prefix}{}", tensor.name), shape: tensor.shape, values });
        }
    }

    /// Reads them from a file that was found to fit.
    pub fn from_file(info: &ModelInfo, part: Part, prefix: &str, file: &SafeTensors) -> Result<Self, Error> {
        let mut values = Vec::new();
        for (_, tensor) in part.of(info) {
            let entry = file.entry(&format!("{prefix}{}", tensor.name));
            values.extend(entry.map(|entry| file.values(entry)).transpose()?.unwrap_or_default());
        }
        Ok(Self { values, part })
    }
}

/// Saves a model's parameters and buffers. With them go `format`, `version`, `model` and `spec_hash`, and what
/// `metadata` adds, such as the names of [`Schema::to_metadata`](crate::data::Schema::to_metadata).
///
/// # Errors
/// E0417; the file is written whole or not at all.
pub fn save<M>(model: &M, path: impl AsRef<Path>, metadata: &Metadata) -> Result<(), Error>
where
    M: Model<Elem = f32> + ?Sized,
{
    let path = path.as_ref();
    let info = model.info();
    let mut tensors = Tensors::new(info, Part::All);
    tensors.fill(info, |idx, values| model.read_tensor(idx, values));
    let mut file = Vec::with_capacity(info.tensors.len());
    tensors.push_to(info, "", &mut file);
    write(path, &describe(info, metadata), &file)
}

/// Loads a model's parameters and buffers, and returns the metadata that were saved with them. A checkpoint can be
/// loaded too. A file without a specification hash, as PyTorch writes it, fits when its names and shapes do.
///
/// # Errors
/// E0413 when the weights are those of another model: another shape, a missing or an unexpected tensor, or another
/// specification. E0411 when a weight is not finite, E0414 and E0415 when the file cannot be read or is damaged. The
/// model is then unchanged.
pub fn load<M>(model: &mut M, path: impl AsRef<Path>, options: &LoadOptions) -> Result<Metadata, Error>
where
    M: Model<Elem = f32> + ?Sized,
{
    let path = path.as_ref();
    let file = SafeTensors::read(path)?;
    let info = *model.info();
    find_misfits(&info, Part::All, "", &file)?;
    if !options.ignore_hash {
        check_hash(&info, &file)?;
    }
    // Every tensor is read before the first is written: a fault leaves the model as it was.
    let tensors = Tensors::from_file(&info, Part::All, "", &file)?;
    if let Some(idx) = tensors.first_non_finite(&info)
        && let Some(tensor) = info.tensors.get(idx)
    {
        let message =
            format!("`{}` of layer `{}` holds a value that is not finite", tensor.name, tensor.layer);
        return Err(Error::new("E0411", message).at(path));
    }
    for (idx, values) in tensors.each(&info) {
        model.write_tensor(idx, values);
    }
    Ok(file.metadata().clone())
}

/// E0413 unless the file has exactly the model's tensors, in their shapes. All misfits are told, not the first alone.
pub(crate) fn find_misfits(
    info: &ModelInfo,
    part: Part,
    prefix: &str,
    file: &SafeTensors,
) -> Result<(), Error> {
    let Misfits { missing, misshapen, unexpected } = Misfits::of(info, part, prefix, file.header());
    if missing.is_empty() && misshapen.is_empty() && unexpected.is_empty() {
        return Ok(());
    }
    let message = match (misshapen.first(), missing.first()) {
        (Some((tensor, entry)), _) => format!(
            "weights do not fit model `{}`: `{}` of layer `{}` has shape {:?}, expected {:?}",
            info.name, tensor.name, tensor.layer, entry.shape, tensor.shape
        ),
        (None, Some(name)) => {
            format!("weights do not fit model `{}`: expected tensor `{name}`, not found", info.name)
        }
        (None, None) => {
            format!("weights do not fit model `{}`: it has no tensor {}", info.name, listed(&unexpected))
        }
    };
    let mut error = Error::new("E0413", message).at(file.path());
    for (tensor, entry) in misshapen.iter().skip(1) {
        let fact = format!("`{}` has shape {:?}, expected {:?}", tensor.name, entry.shape, tensor.shape);
        error = error.note(fact);
    }
    if !missing.is_empty() {
        error = error.note(format!("missing: {}", listed(&missing)));
    }
    if !unexpected.is_empty() {
        error = error.note(format!("unexpected: {}", listed(&unexpected)));
    }
    Err(of_other_model(error, info, file))
}

/// E0413 when the file names another specification.
pub(crate) fn check_hash(info: &ModelInfo, file: &SafeTensors) -> Result<(), Error> {
    let Some(found) = other_hash(info, file.header()) else { return Ok(()) };
    let message = format!(
        "weights were trained with another specification of model `{}`: expected {}, found {found}",
        info.name, info.spec_hash
    );
    let error = Error::new("E0413", message)
        .at(file.path())
        .note("all names and shapes fit, but a layer, an activation or the normalisation differs");
    Err(of_other_model(error, info, file).help("train again, or load with `ignore_hash` if this is meant"))
}

fn of_other_model(error: Error, info: &ModelInfo, file: &SafeTensors) -> Error {
    match file.metadata().get("model").filter(|name| *name != info.name) {
        Some(name) => error.note(format!("the file holds weights of model `{name}`")),
        None => error,
    }
}
