//! What the columns of a table mean, found out from its content.

use std::collections::BTreeSet;

use super::{CsvOptions, Table, fault, find, is_missing, number};
use crate::data::{Feature, Schema, TargetSchema, in_order, no_loss};
use crate::error::{Error, count, listed};
use crate::model::{Compared, ModelInfo, TargetInfo};

/// Finds out what the columns of the training data mean, and whether they fit the model.
///
/// A target of classes is sorted by name, or by number where all names are numbers. Values may be named too: two names
/// for a model with one output become 0 and 1, and as many names as there are outputs become a 1 among zeros.
///
/// # Errors
/// E0406 for a column that is not there, E0408 for a missing value in the target, E0416 when features or classes
/// differ in number from what the model takes, E0401 for a model without a loss.
pub fn infer(table: &Table, options: &CsvOptions, info: &ModelInfo) -> Result<Schema, Error> {
    if info.target().is_none() {
        return Err(no_loss(info));
    }
    if info.target() == Some(TargetInfo::Values { len: 0 }) {
        return infer_features(table, options);
    }
    if options.target.is_empty() {
        let error = Error::new("E0406", format!("no column of `{}` is named as the target", table.source()));
        let names = listed(table.header());
        return Err(error
            .at(table.source())
            .note(format!("the columns are {names}"))
            .help("name it in the data section: `target NAME`"));
    }
    let mut target = Vec::new();
    for name in &options.target {
        target.push(find(table, name, "target column")?);
    }
    let schema = infer_features(table, options)?;
    let compared: Vec<Compared> = info.compared().collect();
    let widths: usize = compared.iter().map(|compared| compared.target.width()).sum();
    if compared.len() > 1 && target.len() != widths {
        let parts: Vec<String> = compared
            .iter()
            .map(|Compared { output, target, .. }| match target {
                TargetInfo::Class { .. } => format!("a column of classes for `{}`", output.name),
                TargetInfo::Positions { positions, .. } => {
                    format!("{} of classes for `{}`", count(*positions, "column"), output.name)
                }
                TargetInfo::Values { len } => format!("{} for `{}`", count(*len, "column"), output.name),
            })
            .collect();
        let message = format!(
            "the outputs of model `{}` are compared with {}, the target is {}",
            info.name,
            count(widths, "column"),
            count(target.len(), "column")
        );
        return Err(Error::new("E0416", message)
            .at(table.source())
            .note(format!("in this order: {}", parts.join(", "))));
    }
    let mut targets = Vec::with_capacity(compared.len());
    for part in &compared {
        let range = match compared.len() {
            1 => 0..target.len(),
            _ => part.target_from..part.target_from + part.target.width(),
        };
        let classes = classes(table, target.get(range.clone()).unwrap_or_default(), part, info)?;
        let columns = options.target.get(range).unwrap_or_default().to_vec();
        targets.push(TargetSchema { columns, classes });
    }
    Ok(Schema { targets, ..schema })
}

/// The classes in the columns that an output is compared with; none for numbers.
fn classes(
    table: &Table,
    target: &[usize],
    compared: &Compared,
    info: &ModelInfo,
) -> Result<Vec<String>, Error> {
    Ok(match (compared.target, target) {
        (TargetInfo::Class { classes }, &[column]) => class_names(table, column, classes, compared, info)?,
        (TargetInfo::Class { .. }, _) => {
            let message =
                format!("model `{}` has classes, which one column names, found {}", info.name, target.len());
            return Err(Error::new("E0416", message).at(table.source()));
        }
        // Indices of classes: the columns of the positions have no names for them in common.
        (TargetInfo::Positions { positions, .. }, columns) if columns.len() == positions => Vec::new(),
        (TargetInfo::Positions { positions, .. }, columns) => {
            let message = format!(
                "model `{}` is compared with classes at {}, the target is {}",
                info.name,
                count(positions, "position"),
                count(columns.len(), "column")
            );
            return Err(Error::new("E0416", message).at(table.source()));
        }
        (TargetInfo::Values { len: 1 }, &[column]) if is_text(table, column) => {
            class_names(table, column, 2, compared, info)?
        }
        (TargetInfo::Values { len }, &[column]) if len > 1 => {
            class_names(table, column, len, compared, info)?
        }
        (TargetInfo::Values { len }, columns) if columns.len() == len => Vec::new(),
        (TargetInfo::Values { len }, columns) => {
            let found = count(columns.len(), "column");
            let message = format!(
                "model `{}` is compared with {}, the target is {found}",
                info.name,
                count(len, "value")
            );
            return Err(Error::new("E0416", message).at(table.source()));
        }
    })
}

/// Finds out what the columns of a table mean as inputs, with no regard to a target.
///
/// # Errors
/// E0406 for a column that is not there, E0416 for one that is both input and target.
pub fn infer_features(table: &Table, options: &CsvOptions) -> Result<Schema, Error> {
    for name in &options.ignore {
        find(table, name, "ignored column")?;
    }
    let columns = if options.features.is_empty() {
        let is_left_out = |name: &String| options.target.contains(name) || options.ignore.contains(name);
        (0..table.header().len()).filter(|&at| !table.header().get(at).is_some_and(is_left_out)).collect()
    } else {
        options
            .features
            .iter()
            .map(|name| find(table, name, "feature column"))
            .collect::<Result<Vec<_>, _>>()?
    };
    let mut features = Vec::with_capacity(columns.len());
    for column in columns {
        let name = table.header().get(column).cloned().unwrap_or_default();
        if options.target.contains(&name) {
            let message = format!("column `{name}` is the target, it cannot be a feature too");
            return Err(Error::new("E0416", message).at(table.source()).column(name));
        }
        let categories = if is_text(table, column) { categories(table, column) } else { Vec::new() };
        features.push(Feature { name, categories });
    }
    Ok(Schema { features, ..Schema::default() })
}

/// Whether more than half of the values are not numbers.
fn is_text(table: &Table, column: usize) -> bool {
    let (mut texts, mut numbers) = (0_usize, 0_usize);
    for field in table.column(column).filter(|field| !is_missing(field)) {
        *(if number(field).is_some() { &mut numbers } else { &mut texts }) += 1;
    }
    texts > numbers
}

fn categories(table: &Table, column: usize) -> Vec<String> {
    let names: BTreeSet<&str> = table.column(column).filter(|field| !is_missing(field)).collect();
    names.into_iter().map(str::to_owned).collect()
}

/// The names of the classes in a column, in order, as many as the model has.
fn class_names(
    table: &Table,
    column: usize,
    expected: usize,
    compared: &Compared,
    info: &ModelInfo,
) -> Result<Vec<String>, Error> {
    if let Some(row) = table.column(column).position(is_missing) {
        let name = table.header().get(column).map_or("", String::as_str);
        let message = format!("missing value in target column `{name}`");
        return Err(fault(table, row, column, "E0408", message).help("leave this row out"));
    }
    let names = in_order(categories(table, column));
    // A class that is left out of the loss stands behind the others.
    let is_ignored = names.len() == expected + 1
        && compared.output.limits.ignored.is_some_and(|ignored| ignored as usize == expected);
    if names.len() == expected || is_ignored {
        return Ok(names);
    }
    let name = table.header().get(column).map_or("", String::as_str);
    let found = names.len();
    let message = match compared.target {
        TargetInfo::Values { len: 1 } => {
            format!("target column `{name}` holds {found} different texts; one output tells only two apart")
        }
        _ => format!("target column `{name}` has {found} classes, model `{}` has {expected}", info.name),
    };
    let error = Error::new("E0416", message).at(table.source()).column(name);
    let error = error.note(format!("the classes are {}", listed(&names)));
    Err(error.help(format!("give the last layer {}: `dense({found})`", count(found, "output"))))
}
