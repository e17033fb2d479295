//! Numbers out of a table, by a schema.

use std::collections::BTreeMap;

use super::{Table, fault, find, is_missing, number};
use crate::data::{DataSet, Feature, Schema, TargetSchema, Targets, one_hot};
use crate::error::{Error, closest, count, listed};
use crate::model::info::class_of;
use crate::model::{ModelInfo, Target, TargetInfo, TargetLimits};

/// Makes a data set of a table, with its targets.
///
/// # Errors
/// E0406 for a column that is not there, E0407 for text among numbers, E0408 for a missing value, E0409 for a class
/// that the schema does not have, E0411 for a value that is not finite, E0416 when the data do not fit the model.
pub fn encode(table: &Table, schema: &Schema, info: &ModelInfo) -> Result<DataSet, Error> {
    let mut data = encode_inputs(table, schema, info)?;
    data.targets = targets(table, schema, info)?;
    data.check(info)?;
    Ok(data)
}

/// Makes a data set of a table without its targets, to predict from: the target columns need not be there.
///
/// # Errors
/// As [`encode`] has them.
pub fn encode_inputs(table: &Table, schema: &Schema, info: &ModelInfo) -> Result<DataSet, Error> {
    let mut data = DataSet {
        source: table.source().to_owned(),
        rows: table.rows(),
        features: schema.input_len(),
        targets: Targets::Values(Vec::new(), 0),
        schema: schema.clone(),
        lines: (0..table.rows()).map(|row| table.line(row)).collect(),
        ..DataSet::default()
    };
    // Before there are inputs: a column of names may make one input for each row.
    if data.features != info.input_len() {
        return Err(data.wrong_features(info));
    }
    let mut columns = Vec::with_capacity(schema.features.len());
    for feature in &schema.features {
        columns.push((find(table, &feature.name, "column")?, feature));
    }
    data.inputs.reserve_exact(table.rows().saturating_mul(data.features));
    for row in 0..table.rows() {
        for &(column, feature) in &columns {
            push_field(&mut data.inputs, table, row, column, feature)
                .map_err(|error| with_count(error, table, &columns))?;
        }
    }
    Ok(data)
}

fn push_field(
    inputs: &mut Vec<f32>,
    table: &Table,
    row: usize,
    column: usize,
    feature: &Feature,
) -> Result<(), Error> {
    if feature.categories.is_empty() {
        inputs.push(finite(table, row, column)?);
        return Ok(());
    }
    let field = present(table, row, column)?;
    let Ok(at) = feature.categories.binary_search_by(|category| category.as_str().cmp(field)) else {
        let message = format!("`{field}` is not among the categories of column `{}`", feature.name);
        let error = fault(table, row, column, "E0416", message);
        return Err(error.note(format!("the categories are {}", listed(&feature.categories))));
    };
    inputs.extend((0..feature.categories.len()).map(|category| if category == at { 1.0 } else { 0.0 }));
    Ok(())
}

/// A field that holds something.
fn present(table: &Table, row: usize, column: usize) -> Result<&str, Error> {
    let field = table.get(row, column);
    if !is_missing(field) {
        return Ok(field);
    }
    let name = table.header().get(column).map_or("", String::as_str);
    let found = if field.is_empty() { String::new() } else { format!(": `{field}`") };
    let message = format!("missing value in column `{name}`{found}");
    let error = fault(table, row, column, "E0408", message);
    Err(error.help(format!("fill it in, leave out the row, or leave out the column with `ignore [{name}]`")))
}

/// A field that holds a finite number.
fn finite(table: &Table, row: usize, column: usize) -> Result<f32, Error> {
    let field = present(table, row, column)?;
    let name = table.header().get(column).map_or("", String::as_str);
    match number(field) {
        Some(value) if value.is_finite() => Ok(value),
        Some(_) => {
            let message = format!("`{field}` in column `{name}` is not a finite 32-bit number");
            Err(fault(table, row, column, "E0411", message))
        }
        None => {
            let message = format!("expected a number in column `{name}`, found `{field}`");
            let error = fault(table, row, column, "E0407", message);
            if number(&field.replace(',', ".")).is_some() {
                return Err(error.help("write decimals with a point"));
            }
            Err(error.help(format!("correct it, or leave out the column with `ignore [{name}]`")))
        }
    }
}

/// Tells how many fields have the same fault, if there are more.
fn with_count(error: Error, table: &Table, columns: &[(usize, &Feature)]) -> Error {
    let has_fault = |field: &str, feature: &Feature| match error.code {
        "E0408" => is_missing(field),
        "E0407" => feature.categories.is_empty() && !is_missing(field) && number(field).is_none(),
        _ => false,
    };
    let (mut fields, mut faulty_columns) = (0_usize, 0_usize);
    for &(column, feature) in columns {
        let faults = table.column(column).filter(|field| has_fault(field, feature)).count();
        fields += faults;
        faulty_columns += usize::from(faults > 0);
    }
    if fields < 2 {
        return error;
    }
    error.note(format!("there are {fields} such values, in {}", count(faulty_columns, "column")))
}

fn targets(table: &Table, schema: &Schema, info: &ModelInfo) -> Result<Targets, Error> {
    let parts = info
        .compared()
        .zip(&schema.targets)
        .map(|(part, schema)| target(table, schema, part.target, part.output.limits));
    let mut parts = parts.collect::<Result<Vec<_>, _>>()?;
    if parts.len() == 1 {
        return Ok(parts.remove(0));
    }
    let widths = parts.iter().map(|part| match part {
        Targets::Classes(_) => 1,
        Targets::Positions(_, width) | Targets::Values(_, width) => *width,
    });
    let width = widths.sum();
    let mut values = Vec::with_capacity(table.rows().saturating_mul(width));
    for row in 0..table.rows() {
        for part in &parts {
            match part.range(row, row + 1) {
                Target::Classes(classes) => values.extend(classes.iter().map(|class| *class as f32)),
                Target::Values(part) => values.extend_from_slice(part),
            }
        }
    }
    Ok(Targets::Values(values, width))
}

/// What one output is compared with.
fn target(
    table: &Table,
    schema: &TargetSchema,
    target: TargetInfo,
    limits: TargetLimits,
) -> Result<Targets, Error> {
    let mut columns = Vec::with_capacity(schema.columns.len());
    for name in &schema.columns {
        columns.push(find(table, name, "target column")?);
    }
    if let (&[column], false) = (columns.as_slice(), schema.classes.is_empty()) {
        let by_name: BTreeMap<&str, u32> = schema.classes.iter().map(String::as_str).zip(0..).collect();
        let classes = (0..table.rows()).map(|row| class(table, row, column, &by_name));
        let classes = classes.collect::<Result<Vec<u32>, _>>()?;
        return Ok(match target {
            TargetInfo::Class { .. } | TargetInfo::Positions { .. } => Targets::Classes(classes),
            TargetInfo::Values { len: 1 } => {
                let values = classes.into_iter().map(|class| class as f32);
                Targets::Values(values.map(|value| limits.end(value)).collect(), 1)
            }
            TargetInfo::Values { len } => {
                match one_hot(classes.into_iter().map(|class| class as usize), len) {
                    Targets::Values(values, width) => {
                        Targets::Values(values.into_iter().map(|value| limits.end(value)).collect(), width)
                    }
                    other => other,
                }
            }
        });
    }
    let mut values = Vec::with_capacity(table.rows().saturating_mul(columns.len()));
    for row in 0..table.rows() {
        for &column in &columns {
            values.push(finite(table, row, column)?);
        }
    }
    Ok(match target {
        // What is no class at all is one that no model has: checked with the others, against the model.
        TargetInfo::Positions { .. } => {
            let classes = values.into_iter().map(|value| class_of(f64::from(value)));
            Targets::Positions(classes.collect(), columns.len())
        }
        _ => Targets::Values(values, columns.len()),
    })
}

/// The index of the class that a field names: by its text, or by its number.
fn class(table: &Table, row: usize, column: usize, by_name: &BTreeMap<&str, u32>) -> Result<u32, Error> {
    let field = present(table, row, column)?;
    if let Some(&class) = by_name.get(field) {
        return Ok(class);
    }
    if let Ok(wanted) = field.parse::<f64>()
        && let Some((_, &class)) = by_name.iter().find(|(name, _)| name.parse() == Ok(wanted))
    {
        return Ok(class);
    }
    let message = format!("class `{field}` was never seen in training");
    let names: Vec<&str> = by_name.keys().copied().collect();
    let error =
        fault(table, row, column, "E0409", message).note(format!("the classes are {}", listed(&names)));
    Err(match closest(field, names) {
        Some(known) => error.help(format!("did you mean `{known}`?")),
        None => error,
    })
}
