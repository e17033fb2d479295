//! Data sets from CSV files: a header, fields that may be quoted, columns of numbers or of text.
//!
//! A [`Table`] is a file as text. [`infer`] finds out from the training data what its columns mean, as a
//! [`Schema`]; [`encode`] makes numbers of a table by a schema, so that a test file, or one to predict from, is read as
//! the training data were.
//!
//! A column is text when more than half of its values are not numbers; each of its categories, sorted, becomes an input
//! that is 1 or 0. In a column of numbers, text is an error. A field that is empty, or is `NA`, `N/A`, `NaN`, `null` or
//! `?`, is a missing value: an error in every column that is used.

mod encode;
mod infer;
mod table;

use std::path::Path;

pub use encode::{encode, encode_inputs};
pub use infer::{infer, infer_features};
pub use table::Table;

use super::{DataSet, Schema};
use crate::error::{Error, closest, listed};
use crate::model::ModelInfo;

/// Which columns of a CSV file mean what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    /// What stands between fields.
    pub delimiter: u8,
    /// The columns that make the target.
    pub target: Vec<String>,
    /// The columns that make the inputs, in this order; empty is all that are neither target nor ignored.
    pub features: Vec<String>,
    /// Columns that are left out.
    pub ignore: Vec<String>,
    /// The classes that are used, in the order of their indices; empty is all of them, sorted.
    pub classes: Vec<String>,
}

impl Default for CsvOptions {
    /// Commas, all columns, and no target yet.
    fn default() -> Self {
        Self {
            delimiter: b',',
            target: Vec::new(),
            features: Vec::new(),
            ignore: Vec::new(),
            classes: Vec::new(),
        }
    }
}

/// Reads a file to train a model on.
///
/// # Errors
/// - E0414 when it cannot be read, E0415 when it is no CSV file, E0410 when it has no rows;
/// - E0406 for a column that is not there, E0407 for text among numbers, E0408 for a missing value, E0411 for one that
///   is not finite;
/// - E0416 when features or classes differ in number from what the model takes, E0401 for a model without a loss.
pub fn read(path: impl AsRef<Path>, options: &CsvOptions, info: &ModelInfo) -> Result<DataSet, Error> {
    let path = path.as_ref();
    let mut table = Table::read(path, options.delimiter)?;
    keep_classes(&mut table, options)?;
    let mut schema = infer(&table, options, info)?;
    if !options.classes.is_empty() {
        for target in &mut schema.targets {
            target.classes.sort_by_key(|name| super::class_at(&options.classes, name));
        }
    }
    encode(&table, &schema, info)
}

/// Leaves the rows of other classes aside, where `options` lists some.
///
/// # Errors
/// E0406 when the target column is not there, E0416 when it is not one column, E0409 for a class that no row has.
fn keep_classes(table: &mut Table, options: &CsvOptions) -> Result<(), Error> {
    if options.classes.is_empty() {
        return Ok(());
    }
    let [target] = options.target.as_slice() else {
        let found = crate::error::count(options.target.len(), "column");
        let error = Error::new("E0416", format!("`classes` are those of one target column, found {found}"));
        return Err(error.at(table.source()));
    };
    let column = find(table, target, "target column")?;
    let found: Vec<_> = table.column(column).map(|field| super::class_at(&options.classes, field)).collect();
    super::check_classes(&options.classes, &found, table.source())?;
    table.keep(&found.iter().map(Option::is_some).collect::<Vec<_>>());
    Ok(())
}

/// Reads a file by the schema of another: a test file by that of the training data.
///
/// # Errors
/// As [`read`] has them; E0409 for a class that the schema does not have, E0416 for a category it does not have.
pub fn read_like(
    path: &Path,
    options: &CsvOptions,
    schema: &Schema,
    info: &ModelInfo,
) -> Result<DataSet, Error> {
    let mut table = Table::read(path, options.delimiter)?;
    keep_classes(&mut table, options)?;
    encode(&table, schema, info)
}

/// The number of a column.
fn find(table: &Table, name: &str, what: &str) -> Result<usize, Error> {
    if let Some(at) = table.header().iter().position(|column| column == name) {
        return Ok(at);
    }
    let message = format!("{what} `{name}` is not in the header of `{}`", table.source());
    let mut error = Error::new("E0406", message).at(table.source()).line(table.header_line());
    if let Some(known) = closest(name, table.header().iter().map(String::as_str)) {
        error = error.help(format!("did you mean `{known}`?"));
    }
    let is_number = |name: &String| name.parse::<f64>().is_ok();
    if table.header().iter().all(is_number) {
        error = error.help("the first line holds numbers: put a line with the names of the columns above it");
    }
    if let Some(delimiter) = table.likely_delimiter() {
        error = error.help(format!("set `delimiter \"{}\"`", delimiter.escape_default()));
    }
    Err(error.note(format!("the columns are {}", listed(table.header()))))
}

/// Whether a field says that there is no value.
fn is_missing(field: &str) -> bool {
    matches!(field, "" | "?" | "NA" | "N/A")
        || field.eq_ignore_ascii_case("nan")
        || field.eq_ignore_ascii_case("null")
}

/// The number in a field. `inf` is a number here: that it is not finite is told later, and better.
fn number(field: &str) -> Option<f32> {
    field.parse().ok()
}

/// A fault at a field.
fn fault(table: &Table, row: usize, column: usize, code: &'static str, message: String) -> Error {
    let error = Error::new(code, message).at(table.source()).line(table.line(row));
    match table.header().get(column) {
        Some(name) => error.column(name),
        None => error,
    }
}
