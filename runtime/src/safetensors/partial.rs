//! Weights of another model: a part of a model filled by them, with a report of what was taken and what was not.

use std::path::Path;

use super::fit::is_aside;
use super::{Entry, SafeTensors};
use crate::error::{Error, listed};
use crate::model::{Model, ModelInfo, TensorInfo};

/// What became of the tensors of a file, and of those of the model.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartialReport {
    /// Tensors that were loaded, in the order of the model.
    pub loaded: Vec<String>,
    /// Tensors of the file that were not, each with the reason.
    pub skipped: Vec<(String, String)>,
    /// Tensors of the model of which the file has none by that name: they stay as they are.
    pub missing: Vec<String>,
}

/// Loads what fits by name and shape, whatever model it was saved from, and says what did not.
///
/// # Errors
/// E0413 when nothing fits, E0411 when a value is not finite, E0414 and E0415 when the file cannot be read or is
/// damaged. The model is then unchanged.
pub fn load_partial<M>(model: &mut M, path: impl AsRef<Path>) -> Result<PartialReport, Error>
where
    M: Model<Elem = f32> + ?Sized,
{
    let path = path.as_ref();
    let file = SafeTensors::read(path)?;
    let info = *model.info();
    let mut report = PartialReport::default();
    let mut values = Vec::new();
    for (idx, tensor) in info.tensors.iter().enumerate() {
        let Some(entry) = file.entry(tensor.name) else {
            report.missing.push(tensor.name.to_owned());
            continue;
        };
        match misfit(tensor, entry) {
            Some(reason) => report.skipped.push((tensor.name.to_owned(), reason)),
            None => {
                values.push((idx, finite(tensor, &file, entry)?));
                report.loaded.push(tensor.name.to_owned());
            }
        }
    }
    let is_own = |name: &str| info.tensors.iter().any(|tensor| tensor.name == name);
    for entry in file.entries().iter().filter(|entry| !is_own(&entry.name) && !is_aside(&entry.name)) {
        report.skipped.push((entry.name.clone(), "the model has no such tensor".to_owned()));
    }
    if report.loaded.is_empty() {
        let mut error =
            Error::new("E0413", format!("no tensor of the file fits model `{}`", info.name)).at(path);
        for (name, reason) in report.skipped.iter().take(4) {
            error = error.note(format!("`{name}`: {reason}"));
        }
        let names: Vec<&str> = info.tensors.iter().map(|tensor| tensor.name).collect();
        return Err(error.note(format!("the model has {}", listed(&names))));
    }
    for (idx, values) in values {
        model.write_tensor(idx, &values);
    }
    Ok(report)
}

/// Loads the tensors of a model whose names begin with `prefix` from weights of the model that it takes them from: those of
/// `import Base from "base.nn"` are called `Base.…`, and `Base.` is their prefix.
///
/// # Errors
/// E0413 when the file lacks one of them or has it in another shape; all of these are told. E0411, E0414 and E0415 as
/// [`load_partial`]. The model is then unchanged.
pub fn load_prefixed<M>(model: &mut M, path: impl AsRef<Path>, prefix: &str) -> Result<(), Error>
where
    M: Model<Elem = f32> + ?Sized,
{
    let path = path.as_ref();
    for (idx, values) in read_prefixed(model.info(), path, prefix)? {
        model.write_tensor(idx, &values);
    }
    Ok(())
}

/// Values for the tensors of a model whose names begin with `prefix`: in the file they are called without it. What else
/// the file holds is left aside.
///
/// # Errors
/// E0413 when the file lacks one of them or has it in another shape; all of these are told. E0411, E0414 and E0415 as
/// [`load_partial`].
pub fn read_prefixed(info: &ModelInfo, path: &Path, prefix: &str) -> Result<Vec<(usize, Vec<f32>)>, Error> {
    let file = SafeTensors::read(path)?;
    let mut values = Vec::new();
    let mut faults: Vec<String> = Vec::new();
    for (idx, tensor) in info.tensors.iter().enumerate() {
        let Some(name) = tensor.name.strip_prefix(prefix) else { continue };
        match file.entry(name).map(|entry| (misfit(tensor, entry), entry)) {
            None => faults.push(format!("it has no `{name}` for `{}`", tensor.name)),
            Some((Some(reason), _)) => faults.push(format!("`{name}` for `{}`: {reason}", tensor.name)),
            Some((None, entry)) => values.push((idx, finite(tensor, &file, entry)?)),
        }
    }
    let layers = prefix.trim_end_matches('.');
    if values.is_empty() && faults.is_empty() {
        let message = format!("model `{}` has no tensor whose name begins with `{prefix}`", info.name);
        let names: Vec<&str> = info.tensors.iter().map(|tensor| tensor.name).collect();
        return Err(Error::new("E0413", message).note(format!("the model has {}", listed(&names))));
    }
    let Some(first) = faults.first() else { return Ok(values) };
    let mut error =
        Error::new("E0413", format!("weights do not fit the imported `{layers}`: {first}")).at(path);
    for fault in faults.iter().skip(1) {
        error = error.note(fault.clone());
    }
    Err(error)
}

/// Why a tensor of a file cannot be that of the model.
fn misfit(tensor: &TensorInfo, entry: &Entry) -> Option<String> {
    (entry.shape != tensor.shape)
        .then(|| format!("expected shape {:?}, found {:?}", tensor.shape, entry.shape))
}

fn finite(tensor: &TensorInfo, file: &SafeTensors, entry: &Entry) -> Result<Vec<f32>, Error> {
    let values = file.values(entry)?;
    if values.iter().all(|value| value.is_finite()) {
        return Ok(values);
    }
    let message = format!("`{}` of layer `{}` holds a value that is not finite", entry.name, tensor.layer);
    Err(Error::new("E0411", message).at(file.path()))
}
