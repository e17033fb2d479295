//! When to stop: the quantity that is watched has not improved for a number of epochs.

use crate::error::{Error, closest, listed};
use crate::metrics::{Metric, figure_of};

use super::report::EpochReport;

/// Stops a fit when a quantity has not improved for `patience` epochs.
#[derive(Debug, Clone, PartialEq)]
pub struct EarlyStopping {
    /// Epochs without improvement that are waited for; at least 1.
    pub patience: usize,
    /// The least change that counts as an improvement, in the quantity's unit; at least 0.
    pub min_delta: f64,
    /// What is watched: `validation_loss`, `loss`, or a metric of the validation part. `None` is the validation loss
    /// where there is a validation part, else the loss.
    pub metric: Option<String>,
}

impl Default for EarlyStopping {
    fn default() -> Self {
        Self { patience: 5, min_delta: 0.0, metric: None }
    }
}

/// What is watched for the best epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Watched {
    Loss,
    ValidationLoss,
    Metric(Metric),
}

impl Watched {
    /// The quantity named in `early_stopping`, or the default.
    pub(super) fn new(
        early_stopping: Option<&EarlyStopping>,
        metrics: &[Metric],
        has_validation: bool,
    ) -> Result<Self, Error> {
        let Some(name) = early_stopping.and_then(|stopping| stopping.metric.as_deref()) else {
            return Ok(if has_validation { Self::ValidationLoss } else { Self::Loss });
        };
        if name == "loss" {
            return Ok(Self::Loss);
        }
        let metric = metrics.iter().copied().find(|metric| metric.name() == name);
        let watched = match (name, metric) {
            ("validation_loss", _) => Self::ValidationLoss,
            (_, Some(metric)) => Self::Metric(metric),
            (_, None) => return Err(unknown(name, metrics)),
        };
        if has_validation {
            return Ok(watched);
        }
        let message = format!("early stopping watches `{name}`, but there are no rows to validate on");
        Err(Error::new("E0416", message).help("set `validation 0.1`, or watch `loss`"))
    }

    /// Its figure after an epoch.
    pub(super) fn of(self, report: &EpochReport) -> f64 {
        match self {
            Self::Loss => report.loss,
            Self::ValidationLoss => report.validation_loss.unwrap_or(f64::NAN),
            Self::Metric(metric) => figure_of(&report.metrics, metric).unwrap_or(f64::NAN),
        }
    }

    /// Whether `figure` is better than `best` by more than `min_delta`. NaN is never better.
    pub(super) fn is_better(self, figure: f64, best: Option<f64>, min_delta: f64) -> bool {
        let Some(best) = best else {
            return !figure.is_nan();
        };
        match self {
            Self::Metric(metric) if metric.is_higher_better() => figure > best + min_delta,
            _ => figure < best - min_delta,
        }
    }
}

fn unknown(name: &str, metrics: &[Metric]) -> Error {
    let mut known = vec!["validation_loss", "loss"];
    known.extend(metrics.iter().map(|metric| metric.name()));
    let error = Error::new("E0214", format!("early stopping watches `{name}`, which is not measured"));
    if Metric::parse(name).is_some() {
        return error.help(format!("add it to the model: `metrics {name}`"));
    }
    match closest(name, known.iter().copied()) {
        Some(known) => error.help(format!("did you mean `{known}`?")),
        None => error.help(format!("watch one of {}", listed(&known))),
    }
}
