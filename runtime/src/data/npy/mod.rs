//! Arrays of NumPy: inputs in one `.npy` file and targets in another, or both in an archive, `.npz`.
//!
//! The first axis counts the samples, the others are the shape of the model's input. Numbers are taken as they are,
//! times a scale: `f4`, `f8`, whole numbers of 8 to 64 bits and booleans, in either byte order, and in C or Fortran
//! order.

mod array;
mod zip;

use std::path::Path;

pub use array::Array;

use super::labels::{Labels, chosen, is_class};
use super::unpack::{open, read_all};
use super::{DataSet, Targets};
use crate::error::{Error, closest, count, listed};
use crate::model::{ModelInfo, TargetInfo};

/// How to read arrays.
#[derive(Debug, Clone, PartialEq)]
pub struct NpyOptions {
    /// What each number of the inputs is multiplied by.
    pub scale: f32,
    /// The labels that are used, which become the classes 0, 1, … in this order; empty is all, each its own class.
    pub classes: Vec<String>,
}

impl Default for NpyOptions {
    /// Numbers as they are, all classes.
    fn default() -> Self {
        Self { scale: 1.0, classes: Vec::new() }
    }
}

/// Reads inputs and targets. A model that is compared with its own values needs no targets.
///
/// Targets are `[samples]` of class indices or values, or `[samples, n]` where a sample has n of them.
///
/// # Errors
/// E0414 when a file cannot be read, E0415 when one is damaged or they differ in samples, E0501 for elements that are
/// no numbers, E0416 when they do not fit the model, E0411 when a number is not finite, E0409 when no row has one of
/// the `classes`.
pub fn read(
    inputs: &Path,
    targets: Option<&Path>,
    options: &NpyOptions,
    info: &ModelInfo,
) -> Result<DataSet, Error> {
    let x = Array::read(inputs)?;
    let y = targets.map(|path| Array::read(path).map(|y| (path, y))).transpose()?;
    of_arrays((inputs, &x), y.as_ref().map(|(path, y)| (*path, y)), options, info)
}

/// Reads inputs and targets by their names in an archive: `["x", "y"]`, or `["x"]` for inputs alone.
///
/// # Errors
/// As [`read`], and E0406 for a name that the archive does not have.
pub fn read_npz(
    path: &Path,
    names: &[String],
    options: &NpyOptions,
    info: &ModelInfo,
) -> Result<DataSet, Error> {
    let bytes = read_all(path, open(path)?)?;
    let entries = zip::entries(path, &bytes)?;
    let mut arrays = Vec::with_capacity(names.len());
    for name in names {
        let place = path.join(name);
        let Some(entry) = entries.iter().find(|entry| array_name(&entry.name) == name) else {
            let found: Vec<&str> = entries.iter().map(|entry| array_name(&entry.name)).collect();
            let message = format!("`{}` has no array `{name}`", path.display());
            let error = Error::new("E0406", message).at(path).note(format!("it has {}", listed(&found)));
            return Err(match closest(name, found.iter().copied()) {
                Some(known) => error.help(format!("did you mean `{known}`?")),
                None => error.help("name inputs and targets with `arrays [x, y]`"),
            });
        };
        arrays.push((Array::from_bytes(&place, &zip::unpack(path, &bytes, entry)?)?, place));
    }
    let mut arrays = arrays.iter().map(|(array, place)| (place.as_path(), array));
    let Some(x) = arrays.next() else {
        return Err(Error::new("E0406", format!("no array of `{}` is named", path.display())).at(path));
    };
    of_arrays(x, arrays.next(), options, info)
}

/// Reads inputs alone, to predict from: a `.npy` file, or the array `name` of an archive.
///
/// # Errors
/// As [`read`] and [`read_npz`] have them.
pub fn read_inputs(
    path: &Path,
    name: &str,
    options: &NpyOptions,
    info: &ModelInfo,
) -> Result<DataSet, Error> {
    if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("npz")) {
        let bytes = read_all(path, open(path)?)?;
        let entries = zip::entries(path, &bytes)?;
        let only = if let [only] = entries.as_slice() { Some(only) } else { None };
        let named = entries.iter().find(|entry| array_name(&entry.name) == name).or(only);
        let Some(entry) = named else {
            let found: Vec<&str> = entries.iter().map(|entry| array_name(&entry.name)).collect();
            let message = format!("`{}` has no array `{name}`", path.display());
            return Err(Error::new("E0406", message).at(path).note(format!("it has {}", listed(&found))));
        };
        let x = Array::from_bytes(path, &zip::unpack(path, &bytes, entry)?)?;
        return inputs(path, &x, options, info);
    }
    inputs(path, &Array::read(path)?, options, info)
}

/// What an array of an archive is called, without `.npy`.
fn array_name(file: &str) -> &str {
    file.strip_suffix(".npy").unwrap_or(file)
}

fn of_arrays(
    (x_path, x): (&Path, &Array),
    y: Option<(&Path, &Array)>,
    options: &NpyOptions,
    info: &ModelInfo,
) -> Result<DataSet, Error> {
    let mut data = inputs(x_path, x, options, info)?;
    let is_own = matches!(info.target(), Some(TargetInfo::Values { len: 0 }));
    let Some((path, y)) = y else {
        if is_own {
            return Ok(data);
        }
        let message = format!("model `{}` is compared with targets, and there are none", info.name);
        return Err(Error::new("E0416", message).at(x_path).help("name them beside the inputs"));
    };
    let (rows, axes) = y.shape.split_first().map_or((0, &[][..]), |(rows, axes)| (*rows, axes));
    if rows != data.rows || y.shape.is_empty() {
        let message = format!(
            "{} in `{}`, but targets of shape {:?}",
            count(data.rows, "sample"),
            x_path.display(),
            y.shape
        );
        return Err(Error::new("E0415", message).at(path).help("take the targets that belong to the inputs"));
    }
    let width: usize = axes.iter().product();
    let values: Vec<f64> = y.values().collect();
    data.target_source = path.display().to_string();
    data = match info.target() {
        Some(TargetInfo::Positions { classes, positions }) => {
            if width != positions {
                return Err(wrong_targets(
                    path,
                    y,
                    &format!("classes at {}", count(positions, "position")),
                    info,
                ));
            }
            let limits = info.limits();
            let fits = |value: f64| is_class(value, classes, limits);
            if let Some((at, value)) = values.iter().enumerate().find(|(_, value)| !fits(**value)) {
                let message = format!(
                    "class {value} at position {} of sample {} is outside the {classes} classes of model `{}`",
                    at % positions + 1,
                    at / positions + 1,
                    info.name
                );
                let help = super::more_classes(classes, *value as u32);
                return Err(Error::new("E0416", message).at(path).help(help));
            }
            data.targets = Targets::Positions(values.iter().map(|value| *value as u32).collect(), positions);
            data
        }
        Some(TargetInfo::Values { len }) if len > 0 && width == len && !(len == 1 && axes.is_empty()) => {
            data.targets = Targets::Values(values.iter().map(|value| *value as f32).collect(), len);
            data
        }
        _ if is_own => data,
        Some(target) if width != 1 => {
            let expected = match target {
                TargetInfo::Values { len } => count(len, "value"),
                _ => "one class".to_owned(),
            };
            return Err(wrong_targets(path, y, &expected, info));
        }
        _ => chosen(data, &Labels { path, values: &values, noun: "sample" }, &options.classes, info)?,
    };
    data.check(info)?;
    Ok(data)
}

fn wrong_targets(path: &Path, y: &Array, expected: &str, info: &ModelInfo) -> Error {
    let message = format!(
        "model `{}` is compared with {expected} a sample, found targets of shape {:?}",
        info.name, y.shape
    );
    Error::new("E0416", message).at(path).note("the first axis counts the samples")
}

/// The inputs of a model, whose shape the array has behind its first axis, up to axes of 1, or flat.
fn inputs(path: &Path, x: &Array, options: &NpyOptions, info: &ModelInfo) -> Result<DataSet, Error> {
    let Some((&rows, shape)) = x.shape.split_first() else {
        let message = format!("`{}` is one number, expected an array of samples", path.display());
        return Err(Error::new("E0416", message).at(path));
    };
    let without_ones = |shape: &[usize]| shape.iter().copied().filter(|axis| *axis != 1).collect::<Vec<_>>();
    let is_flat = shape.len() <= 1 && shape.iter().product::<usize>() == info.input_len();
    if without_ones(shape) != without_ones(info.input) && !is_flat {
        let message = format!(
            "model `{}` takes {:?} a sample, found {} of {shape:?}",
            info.name,
            info.input,
            count(rows, "sample")
        );
        let error = Error::new("E0416", message).at(path);
        return Err(match (shape, info.input) {
            ([height, width, channels], first) if [*channels, *height, *width] == *first => {
                error.help("channels come first: `numpy.moveaxis(x, -1, 1)`")
            }
            _ => error.help(format!("declare `input {shape:?}`")),
        });
    }
    let features = info.input_len();
    let mut inputs: Vec<f32> = Vec::new();
    if inputs.try_reserve_exact(rows.saturating_mul(features)).is_err() {
        return Err(Error::new("E0414", format!("`{}` does not fit in memory", path.display())).at(path));
    }
    let scale = f64::from(options.scale);
    inputs.extend(x.values().map(|value| (value * scale) as f32));
    let targets = Targets::Values(Vec::new(), 0);
    let source = path.display().to_string();
    let data = DataSet { source, rows, features, inputs, targets, ..DataSet::default() };
    data.check_inputs(info)?;
    Ok(data)
}
