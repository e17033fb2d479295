//! Parts of a data set: what is trained on, what is validated on after each epoch, and what is kept for the end.

use std::collections::BTreeMap;

use super::{DataSet, Targets};
use crate::error::Error;
use crate::model::ModelInfo;
use crate::random::Rng;

/// Random numbers of this stream choose the parts. Parameters are drawn from streams counted from 0, which never come
/// this far.
const STREAM: u64 = 0x7370_6c69_0000_0000;

/// A data set in parts.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Split {
    /// What is trained on.
    pub train: DataSet,
    /// What is validated on after each epoch.
    pub validation: Option<DataSet>,
    /// What is kept for the end.
    pub test: Option<DataSet>,
}

/// How to cut a data set.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SplitOptions {
    /// Share of the rows to train on, above 0 and at most 1; the others are the test part.
    pub train: f64,
    /// Share of the training part that is taken out of it to validate on; at least 0 and below 1.
    pub validation: f64,
    /// Where the choice of rows comes from.
    pub seed: u64,
    /// Whether each part gets the same share of each class. A class of one row then stays in the training part.
    pub stratify: bool,
    /// How many rows to train on, of those that are there to train on; `None` is all. Of classes each gives as many,
    /// as far as it has them.
    pub rows: Option<usize>,
}

impl Default for SplitOptions {
    /// Four fifths to train on, the rest to test, each class in the same shares.
    fn default() -> Self {
        Self { train: 0.8, validation: 0.0, seed: 0, stratify: true, rows: None }
    }
}

impl From<DataSet> for Split {
    /// All of it to train on.
    fn from(train: DataSet) -> Self {
        Self { train, validation: None, test: None }
    }
}

impl Split {
    /// Whether a model can be trained and tested on all parts.
    ///
    /// # Errors
    /// E0416 and E0411 as [`DataSet::check`] has them, for the first part that does not fit.
    pub fn check(&self, info: &ModelInfo) -> Result<(), Error> {
        let parts = [Some(&self.train), self.validation.as_ref(), self.test.as_ref()];
        parts.into_iter().flatten().try_for_each(|part| part.check(info))
    }
}

/// Cuts a data set after a shuffle. The same seed makes the same parts.
///
/// # Errors
/// E0205 when a share is out of range, E0410 when there are too few rows for the parts or for `rows`, E0409 when a class is in the
/// test part or the validation part but not in the training part, which can only be without `stratify`.
///
/// ```
/// use nnc_runtime::data::{DataSet, SplitOptions, Targets, split};
///
/// let targets = Targets::Classes((0..100).map(|row| row % 2).collect());
/// let data = DataSet::from_rows(vec![0.0; 300], 3, targets)?;
/// let parts = split(&data, &SplitOptions { train: 0.8, ..SplitOptions::default() })?;
/// assert_eq!(parts.train.rows, 80);
/// assert_eq!(parts.test.map(|test| test.rows), Some(20));
/// # Ok::<(), nnc_runtime::Error>(())
/// ```
pub fn split(data: &DataSet, options: &SplitOptions) -> Result<Split, Error> {
    let (train, test) = cut(data, order(data, options)?, 1.0 - options.train, options.stratify);
    let (train, validation) = cut(data, train, options.validation, options.stratify);
    let train = few(data, train, options.rows)?;
    parts(data, &train, &validation, (!test.is_empty()).then(|| data.select(&test)))
}

/// Takes a validation part out of `train`, and keeps `test` as it is: data that came in two files.
///
/// # Errors
/// As [`split`] has them, and E0409 for a class of `test` that is not in `train`.
pub fn with_test(train: &DataSet, test: DataSet, options: &SplitOptions) -> Result<Split, Error> {
    let (rows, validation) = cut(train, order(train, options)?, options.validation, options.stratify);
    let rows = few(train, rows, options.rows)?;
    parts(train, &rows, &validation, Some(test))
}

fn order(data: &DataSet, options: &SplitOptions) -> Result<Vec<u32>, Error> {
    let out_of_range = |what: &str, range: &str, found: f64| {
        Err(Error::new("E0205", format!("the {what} share must be {range}, found {found}")))
    };
    if !(options.train > 0.0 && options.train <= 1.0) {
        return out_of_range("training", "above 0 and at most 1", options.train);
    }
    if !(options.validation >= 0.0 && options.validation < 1.0) {
        return out_of_range("validation", "at least 0 and below 1", options.validation);
    }
    let Ok(rows) = u32::try_from(data.rows) else {
        return Err(Error::new("E0502", format!("{} rows are more than can be shuffled", data.rows)));
    };
    let mut order: Vec<u32> = (0..rows).collect();
    Rng::new(options.seed, STREAM).permutation(&mut order);
    Ok(order)
}

/// The rows to train on, or as many of them as are wanted, in the order given: first one of each class, then a second
/// of each, and so on.
fn few(data: &DataSet, mut order: Vec<u32>, wanted: Option<usize>) -> Result<Vec<u32>, Error> {
    let Some(wanted) = wanted else { return Ok(order) };
    if wanted > order.len() {
        let message = format!("{wanted} rows are wanted to train on, and there are {}", order.len());
        let error = Error::new("E0410", message).help(format!("set `rows` to {} at most", order.len()));
        return Err(if data.source.is_empty() { error } else { error.at(&data.source) });
    }
    let Targets::Classes(classes) = &data.targets else {
        order.truncate(wanted);
        return Ok(order);
    };
    let mut seen = BTreeMap::<u32, usize>::new();
    let mut turns: Vec<(usize, usize)> = Vec::with_capacity(order.len());
    for (place, &row) in order.iter().enumerate() {
        let turn = seen.entry(classes.get(row as usize).copied().unwrap_or(0)).or_default();
        turns.push((*turn, place));
        *turn += 1;
    }
    turns.sort_unstable();
    turns.truncate(wanted);
    let mut places: Vec<usize> = turns.into_iter().map(|(_, place)| place).collect();
    places.sort_unstable();
    Ok(places.into_iter().filter_map(|place| order.get(place).copied()).collect())
}

fn parts(data: &DataSet, train: &[u32], validation: &[u32], test: Option<DataSet>) -> Result<Split, Error> {
    let train = data.select(train);
    if train.rows == 0 {
        let error = Error::new("E0410", format!("of {} rows none is left to train on", data.rows));
        return Err(if data.source.is_empty() { error } else { error.at(&data.source) });
    }
    let validation = (!validation.is_empty()).then(|| data.select(validation));
    for (part, name) in [(&validation, "validation"), (&test, "test")] {
        if let Some(part) = part {
            find_unseen(&train, part, name)?;
        }
    }
    Ok(Split { train, validation, test })
}

/// Cuts `share` of the rows off: those that stay and those that are cut off, both in the order given.
fn cut(data: &DataSet, rows: Vec<u32>, share: f64, stratify: bool) -> (Vec<u32>, Vec<u32>) {
    let wanted = (rows.len() as f64 * share).round() as usize;
    // At least one row on each side, if a part was asked for and there are two.
    let wanted = if share > 0.0 { wanted.clamp(1, (rows.len().max(2)) - 1) } else { 0 };
    if wanted == 0 || rows.len() < 2 {
        return (rows, Vec::new());
    }
    let two = if stratify { two_values(&data.targets) } else { None };
    let class = |row: u32| match &data.targets {
        Targets::Classes(classes) if stratify => classes.get(row as usize).copied().unwrap_or(0),
        Targets::Values(values, _) => {
            u32::from(two.is_some_and(|[_, high]| values.get(row as usize) == Some(&high)))
        }
        _ => 0,
    };
    let is_by_class = two.is_some() || stratify && matches!(data.targets, Targets::Classes(_));
    let mut quotas = if is_by_class { quotas(&rows, class, wanted) } else { BTreeMap::from([(0, wanted)]) };
    rows.into_iter().partition(|&row| match quotas.get_mut(&class(row)) {
        Some(quota) if *quota > 0 => {
            *quota -= 1;
            false
        }
        _ => true,
    })
}

/// The values of a target that is one of two numbers, which are classes then: 0 and 1, or -1 and 1.
fn two_values(targets: &Targets) -> Option<[f32; 2]> {
    let Targets::Values(values, 1) = targets else { return None };
    let low = values.iter().copied().reduce(f32::min)?;
    let high = values.iter().copied().reduce(f32::max)?;
    (low < high && values.iter().all(|value| *value == low || *value == high)).then_some([low, high])
}

/// How many rows of each class are cut off: their share rounded down, and one more where the rest is largest. One row
/// of each class always stays.
fn quotas(rows: &[u32], class: impl Fn(u32) -> u32, wanted: usize) -> BTreeMap<u32, usize> {
    let mut counts = BTreeMap::<u32, usize>::new();
    for &row in rows {
        *counts.entry(class(row)).or_default() += 1;
    }
    // In whole numbers, so that no rounding decides: a class gets wanted * count / rows.
    let exact = |count: usize| (wanted as u128 * count as u128, rows.len() as u128);
    let mut quotas = counts.clone();
    for quota in quotas.values_mut() {
        let (share, all) = exact(*quota);
        *quota = ((share / all) as usize).min(quota.saturating_sub(1));
    }
    let mut missing = wanted.saturating_sub(quotas.values().sum());
    let mut by_rest: Vec<(u32, usize)> = counts.into_iter().collect();
    by_rest.sort_by_key(|&(class, count)| {
        let (share, all) = exact(count);
        (std::cmp::Reverse(share % all), class)
    });
    for (class, count) in by_rest {
        if let Some(quota) = quotas.get_mut(&class)
            && missing > 0
            && *quota + 1 < count
        {
            *quota += 1;
            missing -= 1;
        }
    }
    quotas
}

/// E0409 when a part has a class that is not in the training part.
fn find_unseen(train: &DataSet, part: &DataSet, name: &str) -> Result<(), Error> {
    let (Targets::Classes(seen), Targets::Classes(found)) = (&train.targets, &part.targets) else {
        return Ok(());
    };
    let mut seen = seen.clone();
    seen.sort_unstable();
    seen.dedup();
    let Some(row) = found.iter().position(|class| seen.binary_search(class).is_err()) else {
        return Ok(());
    };
    let class = found.get(row).copied().unwrap_or_default();
    let label = part.class_names().get(class as usize).cloned().unwrap_or_else(|| class.to_string());
    let message = format!("class `{label}` is in the {name} part, but not in the training part");
    let error = part.place_target(
        Error::new("E0409", message),
        row,
        part.schema.target_columns().next().map(str::to_owned),
    );
    Err(error.help("add rows of this class to the training data, or take it out of the other part"))
}

#[cfg(test)]
mod tests {
    use super::super::TargetSchema;
    use super::*;

    fn of_classes(classes: &[u32]) -> DataSet {
        let inputs = (0..classes.len()).map(|row| row as f32).collect();
        DataSet::from_rows(inputs, 1, Targets::Classes(classes.to_vec())).unwrap()
    }

    #[test]
    fn each_class_is_cut_in_the_same_share() {
        let classes: Vec<u32> = (0..150).map(|row| row / 50).collect();
        let parts = split(&of_classes(&classes), &SplitOptions::default()).unwrap();
        let test = parts.test.unwrap();
        for class in 0..3 {
            let Targets::Classes(found) = &test.targets else { unreachable!() };
            assert_eq!(found.iter().filter(|&&found| found == class).count(), 10);
        }
    }

    #[test]
    fn parts_together_are_the_whole_and_share_no_row() {
        let options = SplitOptions { train: 0.7, validation: 0.2, ..SplitOptions::default() };
        let parts = split(&of_classes(&[0; 101]), &options).unwrap();
        let mut rows: Vec<f32> = [Some(parts.train), parts.validation, parts.test]
            .into_iter()
            .flatten()
            .flat_map(|part| part.inputs)
            .collect();
        rows.sort_by(f32::total_cmp);
        assert_eq!(rows, (0..101).map(|row| row as f32).collect::<Vec<_>>());
    }

    #[test]
    fn the_seed_decides_the_parts() {
        let data = of_classes(&[0; 60]);
        let of = |seed| split(&data, &SplitOptions { seed, ..SplitOptions::default() }).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }

    #[test]
    fn a_class_of_one_row_stays_in_training() {
        let mut classes = vec![0; 20];
        classes.push(1);
        for seed in 0..50 {
            let parts =
                split(&of_classes(&classes), &SplitOptions { seed, train: 0.5, ..SplitOptions::default() });
            let Targets::Classes(train) = parts.unwrap().train.targets else { unreachable!() };
            assert!(train.contains(&1));
        }
    }

    #[test]
    fn a_few_rows_are_of_each_class_as_many() {
        let classes: Vec<u32> = (0..100).map(|row| u32::from(row >= 10) + u32::from(row >= 13)).collect();
        let of = |rows| {
            let options = SplitOptions { train: 1.0, rows: Some(rows), ..SplitOptions::default() };
            split(&of_classes(&classes), &options)
        };
        let train = of(17).unwrap().train;
        let Targets::Classes(found) = &train.targets else { unreachable!() };
        let count = |class| found.iter().filter(|&&found| found == class).count();
        assert_eq!((count(0), count(1), count(2)), (7, 3, 7));
        assert_eq!(of(17), of(17));
        assert_eq!(of(100).unwrap().train.rows, 100);
        assert_eq!(of(101).unwrap_err().code, "E0410");
    }

    #[test]
    fn an_unseen_class_is_named() {
        let mut test = of_classes(&[0, 2]);
        let classes = vec!["a".into(), "b".into(), "c".into()];
        test.schema.targets = vec![TargetSchema { columns: Vec::new(), classes }];
        let error = with_test(&of_classes(&[0, 1]), test, &SplitOptions::default()).unwrap_err();
        assert_eq!(error.code, "E0409");
        assert!(error.message.contains("`c`"), "{error}");
    }

    #[test]
    fn shares_out_of_range_are_errors() {
        for (train, validation) in [(0.0, 0.0), (1.1, 0.0), (f64::NAN, 0.0), (0.8, 1.0), (0.8, -0.1)] {
            let options = SplitOptions { train, validation, ..SplitOptions::default() };
            assert_eq!(split(&of_classes(&[0; 9]), &options).unwrap_err().code, "E0205");
        }
    }

    #[test]
    fn tiny_sets_do_not_panic() {
        for rows in 0..6 {
            let data = of_classes(&(0..rows).collect::<Vec<_>>());
            let options = SplitOptions { validation: 0.5, ..SplitOptions::default() };
            let parts = split(&data, &options);
            assert_eq!(parts.is_err(), rows == 0, "{rows}");
        }
    }
}
