//! Data sets: rows of numbers in memory, what they are compared with, and what the columns mean.
//!
//! [`csv`], [`idx`] and [`npy`] read files (feature `data`), `images` folders of pictures (feature `images`), [`split`] and
//! [`with_test`] make the parts to train and test on, an [`Augmenter`] changes samples as they are trained on, and [`fit_normalize`] puts what `normalize` and its kin keep of the
//! training part into a model.

mod augment;
mod normalize;
mod schema;
mod split;

#[cfg(feature = "data")]
pub mod csv;
#[cfg(feature = "data")]
pub mod idx;
#[cfg(feature = "images")]
pub mod images;
#[cfg(feature = "data")]
mod labels;
#[cfg(feature = "data")]
pub mod npy;
#[cfg(feature = "data")]
pub mod text;
#[cfg(feature = "data")]
mod unpack;

pub(crate) use augment::listed as listed_augmentations;
pub use augment::{Augmentation, Augmenter, Fill};
pub use normalize::{fit_fresh, fit_normalize};
pub use schema::{Feature, Schema, TargetSchema};
pub use split::{Split, SplitOptions, split, with_test};

use crate::error::{Error, count, listed};
use crate::model::info::class_of;
use crate::model::{Compared, ModelInfo, Target, TargetInfo, TargetLimits};

/// Samples and their targets, ready to train on.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct DataSet {
    /// Where it came from, for messages: `iris.csv`. Empty for data made in memory.
    pub source: String,
    /// Where its targets came from, if that is another file: `labels.npy`. Otherwise empty.
    pub target_source: String,
    /// Number of samples.
    pub rows: usize,
    /// Values in one sample.
    pub features: usize,
    /// `[rows][features]`, sample after sample.
    pub inputs: Vec<f32>,
    /// What the outputs are compared with.
    pub targets: Targets,
    /// What the columns and classes are called.
    pub schema: Schema,
    /// The line of each sample in its file; empty if it has none.
    pub lines: Vec<u64>,
}

/// The targets of a data set.
#[derive(Debug, Clone, PartialEq)]
pub enum Targets {
    /// One class index a sample.
    Classes(Vec<u32>),
    /// A class index for each position of every sample, sample after sample, and the number of positions.
    Positions(Vec<u32>, usize),
    /// Rows of values, sample after sample, and the number of values in each row.
    Values(Vec<f32>, usize),
}

impl Default for Targets {
    fn default() -> Self {
        Self::Classes(Vec::new())
    }
}

impl Targets {
    /// The targets of samples `from..to`; nothing where the range is out of bounds.
    pub fn range(&self, from: usize, to: usize) -> Target<'_, f32> {
        match self {
            Self::Classes(classes) => Target::Classes(classes.get(from..to).unwrap_or_default()),
            Self::Positions(classes, width) => {
                let range = from.saturating_mul(*width)..to.saturating_mul(*width);
                Target::Classes(classes.get(range).unwrap_or_default())
            }
            Self::Values(values, width) => {
                let range = from.saturating_mul(*width)..to.saturating_mul(*width);
                Target::Values(values.get(range).unwrap_or_default())
            }
        }
    }

    /// Number of samples.
    pub fn rows(&self) -> usize {
        match self {
            Self::Classes(classes) => classes.len(),
            Self::Values(_, 0) | Self::Positions(_, 0) => 0,
            Self::Positions(classes, width) => classes.len() / width,
            Self::Values(values, width) => values.len() / width,
        }
    }
}

impl DataSet {
    /// A data set of rows in memory: `inputs` is `[rows][features]`.
    ///
    /// # Errors
    /// E0416 when `inputs` is not whole rows or differs from `targets` in their number.
    ///
    /// ```
    /// use nnc_runtime::data::{DataSet, Targets};
    ///
    /// let xor = DataSet::from_rows(vec![0., 0., 0., 1., 1., 0., 1., 1.], 2, Targets::Values(vec![0., 1., 1., 0.], 1))?;
    /// assert_eq!(xor.rows, 4);
    /// # Ok::<(), nnc_runtime::Error>(())
    /// ```
    pub fn from_rows(inputs: Vec<f32>, features: usize, targets: Targets) -> Result<Self, Error> {
        let rows = match &targets {
            // Inputs that are compared with what the model makes of them.
            Targets::Values(_, 0) => inputs.len() / features.max(1),
            targets => targets.rows(),
        };
        if rows.checked_mul(features) != Some(inputs.len()) {
            let message = format!(
                "expected {rows} rows of {features} values, one for each target, found {} values",
                inputs.len()
            );
            return Err(Error::new("E0416", message));
        }
        let given = match &targets {
            Targets::Classes(_) => None,
            Targets::Positions(classes, width) => Some((classes.len(), width)),
            Targets::Values(values, width) => Some((values.len(), width)),
        };
        if let Some((found, width)) = given.filter(|(found, width)| rows.checked_mul(**width) != Some(*found))
        {
            let message = format!("expected rows of {width} target values, found {found} values");
            return Err(Error::new("E0416", message));
        }
        Ok(Self { rows, features, inputs, targets, ..Self::default() })
    }

    /// A data set of arrays: `inputs` is `[rows, features]`, in any memory order.
    ///
    /// # Errors
    /// E0416 when inputs and targets differ in number.
    #[cfg(feature = "ndarray")]
    pub fn from_arrays(inputs: ndarray::ArrayView2<'_, f32>, targets: Targets) -> Result<Self, Error> {
        Self::from_rows(inputs.iter().copied().collect(), inputs.ncols(), targets)
    }

    /// Sample number `row`; empty when there is none.
    pub fn row(&self, row: usize) -> &[f32] {
        self.range(row, row.saturating_add(1))
    }

    /// Samples `from..to`; nothing where the range is out of bounds.
    pub fn range(&self, from: usize, to: usize) -> &[f32] {
        let range = from.saturating_mul(self.features)..to.saturating_mul(self.features);
        self.inputs.get(range).unwrap_or_default()
    }

    /// Names of the classes in the order of their indices; empty for values, where they have no names, and where
    /// several outputs have classes.
    pub fn class_names(&self) -> &[String] {
        self.schema.classes()
    }

    /// Names of the values of one sample, `color=red` for a category; empty where they have no names.
    pub fn feature_names(&self) -> Vec<String> {
        self.schema.feature_names()
    }

    /// Whether a model can be trained on it.
    ///
    /// # Errors
    /// E0416 when the samples or targets do not fit the model, E0411 when a value is not finite.
    pub fn check(&self, info: &ModelInfo) -> Result<(), Error> {
        self.check_inputs(info)?;
        let has_targets = !matches!(self.targets, Targets::Values(_, 0));
        if has_targets && self.targets.rows() != self.rows {
            let message =
                format!("expected a target for each of {} rows, found {}", self.rows, self.targets.rows());
            return Err(self.place_target(Error::new("E0416", message), 0, None));
        }
        let Some(target) = info.target() else {
            return Err(no_loss(info));
        };
        match (&self.targets, target) {
            (Targets::Positions(_, width), TargetInfo::Positions { positions, .. })
                if *width != positions =>
            {
                let message = format!(
                    "model `{}` is compared with classes at {}, found {width}",
                    info.name,
                    count(positions, "position")
                );
                return Err(self.place_target(Error::new("E0416", message), 0, None));
            }
            (Targets::Classes(found), TargetInfo::Class { classes })
            | (Targets::Positions(found, _), TargetInfo::Positions { classes, .. }) => {
                let limits = info.limits();
                if let Some(at) = found.iter().position(|&class| !limits.class_fits(class, classes)) {
                    let class = found.get(at).copied().unwrap_or_default();
                    let row = at / target.width();
                    let message = format!(
                        "class {class} in row {} is outside the {classes} classes of model `{}`",
                        row + 1,
                        info.name
                    );
                    let error = Error::new("E0416", message).help(more_classes(classes, class));
                    return Err(self.place_target(error, row, None));
                }
            }
            (Targets::Values(values, width), TargetInfo::Values { len }) => {
                if *width != len {
                    let message = format!(
                        "model `{}` is compared with {}, found {width}",
                        info.name,
                        count(len, "value")
                    );
                    return Err(self.place_target(Error::new("E0416", message), 0, None));
                }
                self.check_finite(values, len, "target")?;
                info.compared().try_for_each(|compared| self.check_target(values, len, compared, info))?;
            }
            (Targets::Classes(_) | Targets::Positions(..), TargetInfo::Values { len }) => {
                let message =
                    format!("model `{}` is compared with {}, found classes", info.name, count(len, "value"));
                return Err(self.place_target(Error::new("E0416", message), 0, None));
            }
            (Targets::Values(..), TargetInfo::Class { classes } | TargetInfo::Positions { classes, .. }) => {
                let message =
                    format!("model `{}` is compared with {classes} classes, found values", info.name);
                return Err(self.place_target(Error::new("E0416", message), 0, None));
            }
            (Targets::Positions(..), TargetInfo::Class { .. }) => {
                let message =
                    format!("model `{}` is compared with one class a sample, found several", info.name);
                return Err(self.place_target(Error::new("E0416", message), 0, None));
            }
            (Targets::Classes(_), TargetInfo::Positions { positions, .. }) => {
                let message = format!(
                    "model `{}` is compared with classes at {}, found one class a sample",
                    info.name,
                    count(positions, "position")
                );
                return Err(self.place_target(Error::new("E0416", message), 0, None));
            }
        }
        Ok(())
    }

    /// Checks the part of the rows of targets that one output is compared with.
    fn check_target(
        &self,
        values: &[f32],
        width: usize,
        compared: Compared,
        info: &ModelInfo,
    ) -> Result<(), Error> {
        let Compared { output, target, target_from, .. } = compared;
        let limits = output.limits;
        for (row, targets) in values.chunks_exact(width.max(1)).enumerate() {
            let targets = targets.iter().skip(target_from).take(target.width());
            for (n, &value) in targets.enumerate() {
                let expected = match target {
                    TargetInfo::Class { classes } | TargetInfo::Positions { classes, .. } => {
                        let fits = limits.class_fits(class_of(f64::from(value)), classes);
                        (!fits).then(|| format!("one of the {classes} classes of `{}`", output.name))
                    }
                    TargetInfo::Values { .. } => {
                        (!limits.value_fits(f64::from(value))).then(|| limits.to_string())
                    }
                };
                if let Some(expected) = expected {
                    let message = format!(
                        "target {value} in row {} is not {expected}, as the loss of model `{}` needs it",
                        row + 1,
                        info.name
                    );
                    let column = self.schema.target_columns().nth(target_from + n).map(str::to_owned);
                    let error = Error::new("E0416", message).help(how_to_fit(target, limits));
                    return Err(self.place_target(error, row, column));
                }
            }
        }
        Ok(())
    }

    /// Whether a model can predict from it: its inputs alone.
    ///
    /// # Errors
    /// E0416 when the samples do not fit the model's input, E0411 when a value is not finite.
    pub fn check_inputs(&self, info: &ModelInfo) -> Result<(), Error> {
        let expected = info.input_len();
        if self.features != expected {
            return Err(self.wrong_features(info));
        }
        // The fields are open to all: that they agree is not certain.
        if self.rows.checked_mul(expected) != Some(self.inputs.len()) {
            let message = format!(
                "expected {} rows of {expected} values, found {} values",
                self.rows,
                self.inputs.len()
            );
            return Err(self.place(Error::new("E0416", message), 0, None));
        }
        self.check_finite(&self.inputs, expected, "input")?;
        self.check_tokens(info)
    }

    fn check_tokens(&self, info: &ModelInfo) -> Result<(), Error> {
        let Some((at, tokens)) = info.unknown_token(&self.inputs) else { return Ok(()) };
        let (row, position) = (at / self.features.max(1), at % self.features.max(1));
        let token = self.inputs.get(at).copied().unwrap_or_default();
        let mut places = info.places().filter(|_| info.inputs.len() > 1);
        let of = places.find(|(input, from)| (*from..from + input.len()).contains(&position));
        let of = of.map_or_else(String::new, |(input, _)| format!(" at input `{}`", input.name));
        let message = format!(
            "input value {} of row {} is {token}, which is not the index of a token: model `{}` knows {tokens}{of}",
            position + 1,
            row + 1,
            info.name
        );
        let name = self.feature_names().into_iter().nth(position);
        let error = self.place(Error::new("E0416", message), row, name);
        Err(error.help(format!("an index is a whole number from 0 to {}", tokens.saturating_sub(1))))
    }

    fn wrong_features(&self, info: &ModelInfo) -> Error {
        let message = format!(
            "model `{}` takes {} a sample, found {}",
            info.name,
            count(info.input_len(), "value"),
            self.features
        );
        let mut error = Error::new("E0416", message);
        if !self.source.is_empty() {
            error = error.at(&self.source);
        }
        for feature in self.schema.features.iter().filter(|feature| feature.categories.len() > 1) {
            error = error.note(format!(
                "column `{}` is text: {} make that many values",
                feature.name,
                count(feature.categories.len(), "category").replace("categorys", "categories")
            ));
        }
        let names = self.feature_names();
        if !names.is_empty() {
            error = error.note(format!("the features are {}", listed(&names)));
        }
        if self.schema.features.is_empty() {
            return error;
        }
        error.help(format!(
            "declare `input [{}]`, or choose columns with `features [...]` or `ignore [...]`",
            self.features
        ))
    }

    fn check_finite(&self, values: &[f32], width: usize, what: &str) -> Result<(), Error> {
        let Some(at) = values.iter().position(|value| !value.is_finite()) else {
            return Ok(());
        };
        let (row, column) = (at / width.max(1), at % width.max(1));
        let value = values.get(at).copied().unwrap_or_default();
        let message = format!("{what} value {} of row {} is {value}", column + 1, row + 1);
        let error = Error::new("E0411", message);
        Err(match what {
            "input" => self.place(error, row, self.feature_names().into_iter().nth(column)),
            _ => self.place_target(error, row, self.schema.target_columns().nth(column).map(str::to_owned)),
        })
    }

    /// Puts an error at the line of a sample.
    fn place(&self, mut error: Error, row: usize, column: Option<String>) -> Error {
        if self.source.is_empty() {
            return error;
        }
        error = error.at(&self.source);
        if let Some(&line) = self.lines.get(row) {
            error = error.line(line);
        }
        match column {
            Some(column) => error.column(column),
            None => error,
        }
    }

    /// Puts an error at the target of a sample.
    fn place_target(&self, error: Error, row: usize, column: Option<String>) -> Error {
        if self.target_source.is_empty() {
            self.place(error, row, column)
        } else {
            error.at(&self.target_source)
        }
    }

    /// The samples at `indices`, in that order; an index out of bounds is left out.
    pub fn select(&self, indices: &[u32]) -> Self {
        let rows = || indices.iter().map(|&index| index as usize).filter(|&index| index < self.rows);
        let mut inputs = Vec::with_capacity(indices.len().saturating_mul(self.features));
        rows().for_each(|row| inputs.extend_from_slice(self.row(row)));
        let targets = match &self.targets {
            Targets::Classes(classes) => {
                Targets::Classes(rows().filter_map(|row| classes.get(row).copied()).collect())
            }
            Targets::Positions(classes, width) => {
                let mut chosen = Vec::with_capacity(indices.len().saturating_mul(*width));
                rows().for_each(|row| {
                    chosen.extend_from_slice(classes.get(row * width..(row + 1) * width).unwrap_or_default());
                });
                Targets::Positions(chosen, *width)
            }
            Targets::Values(values, width) => {
                let mut chosen = Vec::with_capacity(indices.len().saturating_mul(*width));
                rows().for_each(|row| {
                    chosen.extend_from_slice(values.get(row * width..(row + 1) * width).unwrap_or_default());
                });
                Targets::Values(chosen, *width)
            }
        };
        Self {
            source: self.source.clone(),
            target_source: self.target_source.clone(),
            rows: rows().count(),
            features: self.features,
            inputs,
            targets,
            schema: self.schema.clone(),
            lines: rows().filter_map(|row| self.lines.get(row).copied()).collect(),
        }
    }
}

/// E0401: the model has nothing to be compared with.
pub(crate) fn no_loss(info: &ModelInfo) -> Error {
    Error::new("E0401", format!("model `{}` has no loss, so that it cannot be trained", info.name))
        .help("add `loss cross_entropy` for classes, or `loss mse` for values")
}

/// What to do about a target that a loss does not take.
fn how_to_fit(target: TargetInfo, limits: TargetLimits) -> String {
    match target {
        TargetInfo::Class { classes } | TargetInfo::Positions { classes, .. } => {
            format!("classes are whole numbers from 0 to {}", classes.saturating_sub(1))
        }
        TargetInfo::Values { .. } if limits.only_ends => {
            format!("write {} for one class and {} for the other", limits.low, limits.high)
        }
        TargetInfo::Values { .. } if limits.high == f64::INFINITY => {
            "a loss for numbers of any sign is `mse`".to_owned()
        }
        TargetInfo::Values { .. } => {
            "scale the targets to that range, or take a loss for any numbers such as `mse`".to_owned()
        }
    }
}

/// What to do about a class that has no output.
pub(crate) fn more_classes(classes: usize, class: u32) -> String {
    format!(
        "classes count from 0 to {}: give the last layer more outputs if there are as many as {}",
        classes.saturating_sub(1),
        u64::from(class) + 1
    )
}

/// The place of a class in a list of names: by its text, or by its number.
#[cfg(feature = "data")]
fn class_at(classes: &[String], field: &str) -> Option<usize> {
    classes.iter().position(|name| name == field).or_else(|| {
        let wanted: f64 = field.parse().ok()?;
        classes.iter().position(|name| name.parse() == Ok(wanted))
    })
}

/// Names of classes in their order: sorted by name, or by number where all are numbers.
#[cfg(feature = "data")]
fn in_order(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    let numbers: Option<Vec<f64>> = names.iter().map(|name| name.parse().ok()).collect();
    let Some(numbers) = numbers else { return names };
    let mut by_number: Vec<(f64, String)> = numbers.into_iter().zip(names).collect();
    by_number.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    // `1` and `1.0` are one class.
    by_number.dedup_by(|(a, _), (b, _)| a == b);
    by_number.into_iter().map(|(_, name)| name).collect()
}

/// Whether each class of a list has a row: `found` are their places in it.
///
/// # Errors
/// E0409 for the first class that has none.
#[cfg(feature = "data")]
fn check_classes(classes: &[String], found: &[Option<usize>], source: &str) -> Result<(), Error> {
    let Some((_, name)) = classes.iter().enumerate().find(|(at, _)| !found.contains(&Some(*at))) else {
        return Ok(());
    };
    let error = Error::new("E0409", format!("`{source}` has no row of class `{name}`")).at(source);
    Err(error.help(format!("leave `{name}` out of `classes`")))
}

/// A row of zeros with a single 1, for each class.
#[cfg(feature = "data")]
fn one_hot(classes: impl Iterator<Item = usize>, width: usize) -> Targets {
    let mut values = Vec::new();
    for class in classes {
        values.extend((0..width).map(|column| if column == class { 1.0 } else { 0.0 }));
    }
    Targets::Values(values, width)
}
