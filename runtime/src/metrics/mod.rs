//! What is measured of predictions: accuracy, errors, and the confusion matrix, a batch at a time.

mod confusion;

pub use confusion::ConfusionMatrix;

use crate::error::{Error, closest, listed};
use crate::model::{ModelInfo, Target, TargetInfo};

/// A figure of merit over a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Share of samples whose greatest output is their class; in 0 to 1. For values with class names or `0`/`1`
    /// targets: share of samples whose outputs fall on the target's side of 0.5, or whose greatest output is where
    /// the target is greatest.
    Accuracy,
    /// Share of samples whose class is among the five greatest outputs; in 0 to 1.
    Top5,
    /// Mean absolute error, in the target's unit.
    Mae,
    /// Root of the mean squared error, in the target's unit.
    Rmse,
    /// Share of the targets' variance that is explained: 1 is perfect, 0 is as good as their mean. Of several values
    /// a sample, the mean of their figures, as scikit-learn's `r2_score` has it.
    R2,
}

/// Names of all metrics, as the language writes them.
pub fn metric_names() -> &'static [&'static str] {
    &["accuracy", "top_5", "mae", "rmse", "r2"]
}

impl Metric {
    /// The metric of this name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "accuracy" => Some(Self::Accuracy),
            "top_5" => Some(Self::Top5),
            "mae" => Some(Self::Mae),
            "rmse" => Some(Self::Rmse),
            "r2" => Some(Self::R2),
            _ => None,
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Top5 => "top_5",
            Self::Mae => "mae",
            Self::Rmse => "rmse",
            Self::R2 => "r2",
        }
    }

    /// Whether more is better.
    pub fn is_higher_better(self) -> bool {
        matches!(self, Self::Accuracy | Self::Top5 | Self::R2)
    }
}

/// The metrics of these names.
///
/// # Errors
/// E0214 for an unknown name.
pub fn parse_metrics<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<Vec<Metric>, Error> {
    names.into_iter().map(parse_metric).collect()
}

fn parse_metric(name: &str) -> Result<Metric, Error> {
    Metric::parse(name).ok_or_else(|| {
        let error = Error::new("E0214", format!("unknown metric `{name}`"));
        match closest(name, metric_names().iter().copied()) {
            Some(known) => error.help(format!("did you mean `{known}`?")),
            None => error.help(format!("the metrics are {}", listed(metric_names()))),
        }
    })
}

/// Metrics in the making: predictions and targets go in a batch at a time, figures come out at the end.
/// [`evaluate`](crate::fit::evaluate) uses it for a model and a data set.
#[derive(Debug, Clone)]
pub struct Meter {
    metrics: Vec<Metric>,
    outputs: usize,
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
    /// Metrics for a model.
    ///
    /// # Errors
    /// E0214 when a metric does not fit what the model's outputs are compared with.
    pub fn new(metrics: &[Metric], info: &ModelInfo) -> Result<Self, Error> {
        let outputs = info.output_len();
        let classes = match info.target {
            Some(TargetInfo::Class { classes }) => Some(classes),
            _ => None,
        };
        if let (Some(TargetInfo::Values { len }), Some(metric)) = (info.target, metrics.first())
            && len != outputs
        {
            let message = format!(
                "metric `{}` compares outputs with targets, model `{}` has {outputs} outputs and {len} targets",
                metric.name(),
                info.name
            );
            return Err(Error::new("E0214", message).help("leave it out: the loss is always reported"));
        }
        for &metric in metrics {
            let needs_values = matches!(metric, Metric::Mae | Metric::Rmse | Metric::R2);
            if needs_values && classes.is_some() {
                let message =
                    format!("metric `{}` needs values, model `{}` has classes", metric.name(), info.name);
                return Err(Error::new("E0214", message).help("use `accuracy`"));
            }
            if metric == Metric::Top5 && classes.is_none() {
                let message = format!("metric `top_5` needs classes, model `{}` has values", info.name);
                return Err(Error::new("E0214", message).help("use `rmse` or `mae`"));
            }
        }
        Ok(Self {
            metrics: metrics.to_vec(),
            outputs,
            rows: 0,
            values: 0,
            correct: 0,
            in_top: 0,
            absolute: 0.0,
            squared: 0.0,
            columns: vec![Column::default(); if classes.is_none() { outputs } else { 0 }],
            confusion: classes.filter(|&n| n <= MAX_CONFUSION).map(ConfusionMatrix::new),
        })
    }

    /// Whether nothing needs predictions: then there is no need to make them.
    pub fn is_idle(&self) -> bool {
        self.metrics.is_empty() && self.confusion.is_none()
    }

    /// Leaves out the confusion matrix.
    pub fn without_confusion(mut self) -> Self {
        self.confusion = None;
        self
    }

    /// Forgets what was counted.
    pub fn reset(&mut self) {
        (self.rows, self.values, self.correct, self.in_top) = (0, 0, 0, 0);
        (self.absolute, self.squared) = (0.0, 0.0);
        self.columns.fill(Column::default());
        if let Some(confusion) = &mut self.confusion {
            confusion.reset();
        }
    }

    /// Takes in the outputs of some samples and what they should have been.
    pub fn update(&mut self, outputs: &[f32], target: Target<'_, f32>) {
        let width = self.outputs.max(1);
        match target {
            Target::Classes(classes) => {
                for (output, &class) in outputs.chunks_exact(width).zip(classes) {
                    self.update_class(output, class);
                }
            }
            Target::Values(values) => {
                for (output, value) in outputs.chunks_exact(width).zip(values.chunks_exact(width)) {
                    self.update_values(output, value);
                }
            }
        }
    }

    fn update_class(&mut self, output: &[f32], class: u32) {
        // A class without an output is one that the loss leaves out.
        if class as usize >= output.len() {
            return;
        }
        let found = argmax(output);
        self.rows += 1;
        // An output that is NaN is never right, whichever class `argmax` falls back to.
        if let Some(&of_class) = output.get(class as usize).filter(|value| !value.is_nan()) {
            let greater = output.iter().filter(|&&value| value > of_class).count();
            self.correct += u64::from(found == class as usize);
            self.in_top += u64::from(greater < 5);
        }
        if let Some(confusion) = &mut self.confusion {
            confusion.add(class as usize, found);
        }
    }

    fn update_values(&mut self, output: &[f32], target: &[f32]) {
        self.rows += 1;
        let is_right = match (output, target) {
            ([output], [target]) => !output.is_nan() && (*output > 0.5) == (*target > 0.5),
            _ => argmax(output) == argmax(target),
        };
        self.correct += u64::from(is_right);
        for ((column, &output), &target) in self.columns.iter_mut().zip(output).zip(target) {
            let error = f64::from(output) - f64::from(target);
            self.values += 1;
            self.absolute += error.abs();
            self.squared += error * error;
            column.squared += error * error;
            let off = f64::from(target) - column.mean;
            column.mean += off / self.rows as f64;
            column.spread += off * (f64::from(target) - column.mean);
        }
    }

    /// Samples seen.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The figures, in the order the metrics were asked for. Without samples they are NaN.
    pub fn figures(&self) -> Vec<(&'static str, f64)> {
        self.metrics.iter().map(|&metric| (metric.name(), self.figure(metric))).collect()
    }

    fn figure(&self, metric: Metric) -> f64 {
        match metric {
            Metric::Accuracy => self.correct as f64 / self.rows as f64,
            Metric::Top5 => self.in_top as f64 / self.rows as f64,
            Metric::Mae => self.absolute / self.values as f64,
            Metric::Rmse => (self.squared / self.values as f64).sqrt(),
            Metric::R2 if self.rows == 0 => f64::NAN,
            Metric::R2 => {
                let figures = self.columns.iter().map(Column::r2);
                figures.sum::<f64>() / self.columns.len() as f64
            }
        }
    }

    /// Which classes were taken for which; `None` for values.
    pub fn confusion(&self) -> Option<&ConfusionMatrix> {
        self.confusion.as_ref()
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

/// The place of the greatest value; the first of equals, as in PyTorch. NaN is never the greatest.
pub fn argmax(values: &[f32]) -> usize {
    let mut best = 0;
    let mut greatest = f32::NEG_INFINITY;
    for (at, &value) in values.iter().enumerate() {
        if value > greatest {
            (best, greatest) = (at, value);
        }
    }
    best
}
