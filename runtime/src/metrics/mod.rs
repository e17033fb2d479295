//! What is measured of predictions: accuracy, errors, and the confusion matrix, a batch at a time.

mod confusion;
mod meter;

pub use confusion::ConfusionMatrix;
pub use meter::Meter;

use crate::error::{Error, closest, listed};

/// A figure of merit over a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Metric {
    /// Share of samples whose greatest output is their class; in 0 to 1. For values with class names or `0`/`1`
    /// targets: share of samples whose outputs fall on the target's side of 0.5, for targets -1 and 1 of 0, or whose
    /// greatest output is where the target is greatest.
    Accuracy,
    /// Share of samples whose class is among the five greatest outputs; in 0 to 1.
    Top5,
    /// e to the loss: among how many equally likely classes a model is as unsure as it is. 1 is perfect.
    Perplexity,
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
    &["accuracy", "top_5", "perplexity", "mae", "rmse", "r2"]
}

impl Metric {
    /// The metric of this name.
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "accuracy" => Some(Self::Accuracy),
            "top_5" => Some(Self::Top5),
            "perplexity" => Some(Self::Perplexity),
            "mae" => Some(Self::Mae),
            "rmse" => Some(Self::Rmse),
            "r2" => Some(Self::R2),
            _ => None,
        }
    }

    /// The metric of a figure of this name: `accuracy`, and of one among several outputs `kind.accuracy`.
    pub fn of_figure(name: &str) -> Option<Self> {
        name.rsplit('.').next().and_then(Self::parse)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Accuracy => "accuracy",
            Self::Top5 => "top_5",
            Self::Perplexity => "perplexity",
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

/// The figure of a metric; where several outputs have it, that of the first.
pub fn figure_of(figures: &[(String, f64)], metric: Metric) -> Option<f64> {
    figures.iter().find(|(name, _)| Metric::of_figure(name) == Some(metric)).map(|(_, figure)| *figure)
}
