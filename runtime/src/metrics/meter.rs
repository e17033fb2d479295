//! Metrics in the making: predictions and targets go in a batch at a time, figures come out at the end.

use super::{ConfusionMatrix, Metric};
use crate::error::Error;
use crate::model::info::class_of;
use crate::model::{Compared, ModelInfo, Target, TargetInfo, TargetLimits};
use crate::outputs::argmax;

/// Metrics of every output that a loss compares. [`evaluate`](crate::fit::evaluate) uses it for a model and a data set.
#[derive(Debug, Clone)]
pub struct Meter {
    parts: Vec<Part>,
    /// Values in a row of outputs, and numbers in a row of targets.
    width: usize,
    target_width: usize,
    rows: u64,
    loss: f64,
}

/// The metrics of one output.
#[derive(Debug, Clone)]
struct Part {
    compared: Compared,
    /// What its figures are called after; empty for the only output.
    name: &'static str,
    metrics: Vec<Metric>,
    /// Between the two values of a target of yes and no.
    middle: f32,
    rows: u64,
    values: u64,
    correct: u64,
    in_top: u64,
    absolute: f64,
    squared: f64,
    columns: Vec<Column>,
    confusion: Option<ConfusionMatrix>,
}

/// Mean and spread of one target value (Welford), and the squared error of its prediction.
#[derive(Debug, Clone, Copy, Default)]
struct Column {
    mean: f64,
    spread: f64,
    squared: f64,
}

/// Above this many classes no confusion matrix is counted: nobody reads it, and it grows with the square.
const MAX_CONFUSION: usize = 1000;

impl Meter {
    /// Metrics for a model. Of a model with several outputs each is measured by the metrics that fit it.
    ///
    /// # Errors
    /// E0214 when a metric does not fit what any output is compared with.
    pub fn new(metrics: &[Metric], info: &ModelInfo) -> Result<Self, Error> {
        let compared: Vec<Compared> = info.compared().collect();
        if compared.len() > 1 && metrics.contains(&Metric::Perplexity) {
            let message =
                format!("metric `perplexity` needs one loss, model `{}` has several outputs", info.name);
            return Err(Error::new("E0214", message).help("leave it out: the loss is always reported"));
        }
        for &metric in metrics {
            let mut faults = compared.iter().map(|part| fit(metric, part, info));
            let first = faults.next();
            if let Some(Err(error)) = first
                && faults.all(|fault| fault.is_err())
            {
                return Err(error);
            }
        }
        let several = compared.len() > 1;
        // Whether numbers are on one side of 0.5 is of interest where nothing else is classified.
        let has_classes = compared.iter().any(|part| part.target.classes().is_some());
        let target_width = compared.iter().map(|part| part.target.width()).sum();
        let parts = compared
            .into_iter()
            .map(|compared| {
                let is_value = matches!(compared.target, TargetInfo::Values { .. });
                let fitting = metrics.iter().copied().filter(|metric| {
                    let is_of_others = *metric == Metric::Accuracy && is_value && has_classes;
                    !is_of_others && fit(*metric, &compared, info).is_ok()
                });
                Part::new(compared, several, fitting.collect())
            })
            .collect();
        Ok(Self { parts, width: info.output_len(), target_width, rows: 0, loss: f64::NAN })
    }

    /// Whether nothing needs predictions: then there is no need to make them.
    pub fn is_idle(&self) -> bool {
        let of_loss = |metric: &Metric| *metric == Metric::Perplexity;
        self.parts.iter().all(|part| part.metrics.iter().all(of_loss) && part.confusion.is_none())
    }

    /// Takes in the loss of all samples, for metrics that are made of it.
    pub fn set_loss(&mut self, loss: f64) {
        self.loss = loss;
    }

    /// Leaves out the confusion matrix.
    pub fn without_confusion(mut self) -> Self {
        self.parts.iter_mut().for_each(|part| part.confusion = None);
        self
    }

    /// Forgets what was counted.
    pub fn reset(&mut self) {
        (self.rows, self.loss) = (0, f64::NAN);
        self.parts.iter_mut().for_each(Part::reset);
    }

    /// Takes in the outputs of some samples and what they should have been.
    pub fn update(&mut self, outputs: &[f32], target: Target<'_, f32>) {
        let outputs = outputs.chunks_exact(self.width.max(1));
        match target {
            Target::Classes(classes) => {
                for (output, classes) in outputs.zip(classes.chunks_exact(self.target_width.max(1))) {
                    self.rows += 1;
                    self.parts.iter_mut().for_each(|part| part.update_classes(part.of(output), classes));
                }
            }
            Target::Values(values) => {
                for (output, row) in outputs.zip(values.chunks_exact(self.target_width.max(1))) {
                    self.rows += 1;
                    self.parts.iter_mut().for_each(|part| part.update_row(output, row));
                }
            }
        }
    }

    /// Samples seen, or positions of them that have a class each. Those of a class that the loss leaves out do not count.
    pub fn rows(&self) -> u64 {
        match self.parts.as_slice() {
            [only] => only.rows,
            _ => self.rows,
        }
    }

    /// The figures, in the order the metrics were asked for; of several outputs one output after the other, by names
    /// such as `kind.accuracy`. Without samples they are NaN.
    pub fn figures(&self) -> Vec<(String, f64)> {
        self.parts.iter().flat_map(|part| part.figures(self.loss)).collect()
    }

    /// Which classes were taken for which; `None` for values, and where several outputs have classes.
    pub fn confusion(&self) -> Option<&ConfusionMatrix> {
        let mut all = self.parts.iter().filter_map(|part| part.confusion.as_ref());
        all.next().filter(|_| all.next().is_none())
    }
}

/// Whether a metric fits what an output is compared with.
fn fit(metric: Metric, compared: &Compared, info: &ModelInfo) -> Result<(), Error> {
    let (outputs, name) = (compared.output.len(), metric.name());
    let is_class = match compared.target {
        TargetInfo::Class { .. } | TargetInfo::Positions { .. } => true,
        TargetInfo::Values { len } if len != outputs => {
            let message = format!(
                "metric `{name}` compares outputs with targets, model `{}` has {outputs} outputs and {len} targets",
                info.name
            );
            return Err(Error::new("E0214", message).help("leave it out: the loss is always reported"));
        }
        TargetInfo::Values { .. } => false,
    };
    if is_class && matches!(metric, Metric::Mae | Metric::Rmse | Metric::R2) {
        let message = format!("metric `{name}` needs values, model `{}` has classes", info.name);
        return Err(Error::new("E0214", message).help("use `accuracy`"));
    }
    if matches!(metric, Metric::Top5 | Metric::Perplexity) && !is_class {
        let message = format!("metric `{name}` needs classes, model `{}` has values", info.name);
        return Err(Error::new("E0214", message).help("use `rmse` or `mae`"));
    }
    Ok(())
}

/// Whether the class that was found, [`argmax`], is the right one: an output that is not a number never is, whichever
/// `argmax` falls back to.
fn is_class(output: &[f32], found: usize, class: usize) -> bool {
    found == class && output.get(class).is_some_and(|output| !output.is_nan())
}

fn middle(limits: TargetLimits) -> f32 {
    ((limits.low + limits.high) / 2.0) as f32
}

impl Part {
    fn new(compared: Compared, several: bool, metrics: Vec<Metric>) -> Self {
        let classes = compared.target.classes();
        Self {
            compared,
            name: if several { compared.output.name } else { "" },
            metrics,
            middle: if compared.output.limits.only_ends { middle(compared.output.limits) } else { 0.5 },
            rows: 0,
            values: 0,
            correct: 0,
            in_top: 0,
            absolute: 0.0,
            squared: 0.0,
            columns: vec![Column::default(); if classes.is_none() { compared.output.len() } else { 0 }],
            confusion: classes.filter(|&n| n <= MAX_CONFUSION).map(ConfusionMatrix::new),
        }
    }

    fn reset(&mut self) {
        (self.rows, self.values, self.correct, self.in_top) = (0, 0, 0, 0);
        (self.absolute, self.squared) = (0.0, 0.0);
        self.columns.fill(Column::default());
        if let Some(confusion) = &mut self.confusion {
            confusion.reset();
        }
    }

    /// Its part of a row of outputs.
    fn of<'a>(&self, row: &'a [f32]) -> &'a [f32] {
        let from = self.compared.from;
        row.get(from..from + self.compared.output.len()).unwrap_or_default()
    }

    fn update_row(&mut self, outputs: &[f32], targets: &[f32]) {
        let from = self.compared.target_from;
        let target = targets.get(from..from + self.compared.target.width()).unwrap_or_default();
        let output = self.of(outputs);
        match (self.compared.target, target) {
            (TargetInfo::Class { .. } | TargetInfo::Positions { .. }, target) => {
                let outputs = output.chunks_exact((output.len() / target.len().max(1)).max(1));
                for (output, class) in outputs.zip(target) {
                    self.update_class(output, class_of(f64::from(*class)));
                }
            }
            (TargetInfo::Values { .. }, target) => self.update_values(output, target),
        }
    }

    /// One class, or one for each position: every position counts as a sample of its own.
    fn update_classes(&mut self, output: &[f32], classes: &[u32]) {
        let outputs = output.chunks_exact((output.len() / classes.len().max(1)).max(1));
        for (output, &class) in outputs.zip(classes) {
            self.update_class(output, class);
        }
    }

    fn update_class(&mut self, output: &[f32], class: u32) {
        // What the loss leaves out: a class without an output, or one that it says.
        if class as usize >= output.len() || self.compared.output.limits.ignored == Some(class) {
            return;
        }
        let found = argmax(output);
        self.rows += 1;
        self.correct += u64::from(is_class(output, found, class as usize));
        if let Some(&of_class) = output.get(class as usize).filter(|value| !value.is_nan()) {
            // Of equals the first come first, as in `argmax`.
            let is_before =
                |(at, &value): (usize, &f32)| value > of_class || value == of_class && at < class as usize;
            let before = output.iter().enumerate().filter(|place| is_before(*place)).count();
            self.in_top += u64::from(before < 5);
        }
        if let Some(confusion) = &mut self.confusion {
            confusion.add(class as usize, found);
        }
    }

    fn update_values(&mut self, output: &[f32], target: &[f32]) {
        self.rows += 1;
        let scale = self.compared.output.limits.scale;
        let is_right = match (output, target) {
            ([output], [target]) => {
                let output = scale.of_target(*output);
                !output.is_nan() && (output > self.middle) == (*target > self.middle)
            }
            _ => is_class(output, argmax(output), argmax(target)),
        };
        self.correct += u64::from(is_right);
        for ((column, &output), &target) in self.columns.iter_mut().zip(output).zip(target) {
            let error = f64::from(scale.of_target(output)) - f64::from(target);
            self.values += 1;
            self.absolute += error.abs();
            self.squared += error * error;
            column.squared += error * error;
            let off = f64::from(target) - column.mean;
            column.mean += off / self.rows as f64;
            column.spread += off * (f64::from(target) - column.mean);
        }
    }

    fn figures(&self, loss: f64) -> impl Iterator<Item = (String, f64)> {
        self.metrics.iter().map(move |&metric| {
            let name = match self.name {
                "" => metric.name().to_owned(),
                output => format!("{output}.{}", metric.name()),
            };
            (name, if metric == Metric::Perplexity { loss.exp() } else { self.figure(metric) })
        })
    }

    fn figure(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Accuracy => self.correct as f64 / self.rows as f64,
            Metric::Top5 => self.in_top as f64 / self.rows as f64,
            // Made of the loss of all.
            Metric::Perplexity => f64::NAN,
            Metric::Mae => self.absolute / self.values as f64,
            Metric::Rmse => (self.squared / self.values as f64).sqrt(),
            Metric::R2 if self.rows == 0 => f64::NAN,
            Metric::R2 => {
                let figures = self.columns.iter().map(Column::r2);
                figures.sum::<f64>() / self.columns.len() as f64
            }
        }
    }
}

impl Column {
    /// 1 - squared error / spread. A target that never varies gives 1 if it was met exactly, else 0: scikit-learn's
    /// convention.
    fn r2(&self) -> f64 {
        match (self.spread == 0.0, self.squared == 0.0) {
            (true, true) => 1.0,
            (true, false) => 0.0,
            (false, _) => 1.0 - self.squared / self.spread,
        }
    }
}
