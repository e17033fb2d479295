//! Labels as numbers, one a sample, put beside inputs that are there already.

use std::path::Path;

use super::{DataSet, Schema, TargetSchema, Targets};
use crate::error::Error;
use crate::model::info::class_of;
use crate::model::{ModelInfo, TargetInfo, TargetLimits};

/// Labels of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Labels<'a> {
    /// The file.
    pub path: &'a Path,
    /// One for each sample.
    pub values: &'a [f64],
    /// What a sample is called.
    pub noun: &'static str,
}

/// Puts labels beside inputs; with `names` the samples of other labels are left aside, and the classes are called so.
///
/// # Errors
/// As [`with_labels`], and E0409 when no sample has one of the names.
pub(super) fn chosen(
    data: DataSet,
    labels: &Labels<'_>,
    names: &[String],
    info: &ModelInfo,
) -> Result<DataSet, Error> {
    if names.is_empty() {
        return with_labels(data, labels, info);
    }
    let (rows, classes) = rows_of(names, labels)?;
    let mut data = with_labels(data.select(&rows), &Labels { values: &classes, ..*labels }, info)?;
    let named = data.schema.targets.iter_mut().flat_map(|target| &mut target.classes);
    named.zip(names).for_each(|(class, name)| class.clone_from(name));
    Ok(data)
}

/// The samples whose label is in a list, and the place of each label in it.
fn rows_of(names: &[String], labels: &Labels<'_>) -> Result<(Vec<u32>, Vec<f64>), Error> {
    let values = labels.values.iter();
    let found: Vec<Option<usize>> = values.map(|label| super::class_at(names, &label.to_string())).collect();
    super::check_classes(names, &found, &labels.path.display().to_string())?;
    Ok((0..).zip(found).filter_map(|(row, class)| Some((row, class? as f64))).unzip())
}

/// Whether a number is the index of a class.
pub(super) fn is_class(value: f64, classes: usize, limits: TargetLimits) -> bool {
    limits.class_fits(class_of(value), classes)
}

/// Puts labels beside inputs, as the loss of the model compares them. Classes are called by their number.
///
/// # Errors
/// E0416 when the model is not compared with a label a sample, or a label is outside its classes; E0401 without a loss.
pub(super) fn with_labels(
    mut data: DataSet,
    labels: &Labels<'_>,
    info: &ModelInfo,
) -> Result<DataSet, Error> {
    let Labels { path, values, noun } = *labels;
    data.target_source = path.display().to_string();
    data.targets = match info.target() {
        None => return Err(super::no_loss(info)),
        Some(TargetInfo::Positions { positions, .. }) => {
            let message = format!(
                "model `{}` is compared with classes at {positions} positions, a {noun} has one label",
                info.name
            );
            return Err(Error::new("E0416", message).at(path));
        }
        // The labels are left aside.
        Some(TargetInfo::Values { len: 0 }) => Targets::Values(Vec::new(), 0),
        Some(TargetInfo::Values { len: 1 }) => {
            Targets::Values(values.iter().map(|&value| value as f32).collect(), 1)
        }
        Some(TargetInfo::Class { classes } | TargetInfo::Values { len: classes }) => {
            let fits = |value: f64| is_class(value, classes, info.limits());
            if let Some((row, value)) = values.iter().copied().enumerate().find(|&(_, value)| !fits(value)) {
                let message = format!(
                    "label {value} of {noun} {} is outside the {classes} classes of model `{}`",
                    row + 1,
                    info.name
                );
                let help = super::more_classes(classes, value as u32);
                return Err(Error::new("E0416", message).at(path).help(help));
            }
            let classes_of = (0..classes).map(|class| class.to_string()).collect();
            let target = TargetSchema { columns: Vec::new(), classes: classes_of };
            data.schema = Schema { targets: vec![target], ..Schema::default() };
            if matches!(info.target(), Some(TargetInfo::Class { .. })) {
                Targets::Classes(values.iter().map(|&value| value as u32).collect())
            } else {
                super::one_hot(values.iter().map(|&value| value as usize), classes)
            }
        }
    };
    Ok(data)
}
