//! How far a fit has come: what a checkpoint must hold besides the model, as text that brings back every bit.

use std::fmt::Write;

use super::report::EpochReport;
use crate::checkpoint::{bits, from_bits, not_resumable, number};
use crate::data::{DataSet, Targets};
use crate::error::Error;
use crate::metrics::Metric;
use crate::safetensors::{Metadata, SafeTensors};

/// How far a fit has come.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Progress {
    /// Epochs done.
    pub epochs: usize,
    /// Samples of the current epoch that were trained on.
    pub row: usize,
    /// Sum over them of their batch's loss.
    pub loss_sum: f64,
    /// Steps done.
    pub steps: u64,
    /// The best figure of the watched quantity.
    pub best: Option<f64>,
    /// The epoch of the best figure, counted from 1.
    pub best_epoch: Option<usize>,
    /// The figure that early stopping compares with: the last one that was better by `min_delta`.
    pub reference: Option<f64>,
    /// Epochs since then.
    pub waited: usize,
    /// All epochs done.
    pub history: Vec<EpochReport>,
}

/// What must be the same for a run to go on: the order and the content of batches depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conditions {
    pub seed: u64,
    pub training: &'static str,
    pub batch: usize,
    pub shuffle: bool,
    pub augmentation: String,
    pub rows: usize,
    pub validation_rows: usize,
    pub data: u64,
}

impl Progress {
    /// The same but for the epochs that are done.
    pub fn without_history(&self) -> Self {
        let Self { epochs, row, loss_sum, steps, best, best_epoch, reference, waited, history: _ } = *self;
        Self { epochs, row, loss_sum, steps, best, best_epoch, reference, waited, history: Vec::new() }
    }

    /// As text, with the epochs of `history`.
    pub fn to_metadata(&self, history: &[EpochReport], metadata: &mut Metadata) {
        let mut put = |key: &str, value: String| metadata.insert(format!("fit.{key}"), value);
        put("epochs", self.epochs.to_string());
        put("row", self.row.to_string());
        put("loss_sum", bits(self.loss_sum));
        put("steps", self.steps.to_string());
        put("waited", self.waited.to_string());
        put("history", history.iter().map(epoch_to_line).collect());
        for (key, value) in [
            ("best", self.best.map(bits)),
            ("best_epoch", self.best_epoch.map(|epoch| epoch.to_string())),
            ("reference", self.reference.map(bits)),
        ] {
            if let Some(value) = value {
                put(key, value);
            }
        }
    }

    pub fn from_file(file: &SafeTensors) -> Result<Self, Error> {
        let damaged =
            |key: &str| not_resumable(file.path(), format!("its `fit.{key}` is missing or damaged"));
        let text = |key: &str| file.metadata().get(&format!("fit.{key}")).map(String::as_str);
        let float = |key: &str| match text(key) {
            None => Ok(None),
            Some(text) => from_bits(text).map(Some).ok_or_else(|| damaged(key)),
        };
        if text("epochs").is_none() {
            return Err(not_resumable(file.path(), "it was not written by a fit"));
        }
        let history = text("history").unwrap_or_default();
        let history: Option<Vec<EpochReport>> = history.lines().map(epoch_from_line).collect();
        Ok(Self {
            epochs: number(file, "fit.epochs")?,
            row: number(file, "fit.row")?,
            loss_sum: float("loss_sum")?.ok_or_else(|| damaged("loss_sum"))?,
            steps: number(file, "fit.steps")?,
            best: float("best")?,
            best_epoch: text("best_epoch").map(|_| number(file, "fit.best_epoch")).transpose()?,
            reference: float("reference")?,
            waited: number(file, "fit.waited")?,
            history: history.ok_or_else(|| damaged("history"))?,
        })
    }
}

impl Conditions {
    pub fn to_metadata(&self, metadata: &mut Metadata) {
        for (key, value) in self.facts() {
            metadata.insert(format!("fit.{}", key.replace(' ', "_")), value);
        }
    }

    fn facts(&self) -> [(&'static str, String); 8] {
        [
            ("seed", self.seed.to_string()),
            ("loss and optimizer", self.training.to_owned()),
            ("batch", self.batch.to_string()),
            ("shuffle", self.shuffle.to_string()),
            ("augmentation", self.augmentation.clone()),
            ("rows", self.rows.to_string()),
            ("validation rows", self.validation_rows.to_string()),
            ("data", format!("{:016x}", self.data)),
        ]
    }

    /// E0419 when a checkpoint was made under other conditions.
    pub fn check(&self, file: &SafeTensors) -> Result<(), Error> {
        for (key, expected) in self.facts() {
            let found = file.metadata().get(&format!("fit.{}", key.replace(' ', "_")));
            // Checkpoints of before it was kept say nothing of it.
            let missing = match key {
                "augmentation" => "none",
                "loss and optimizer" => &expected,
                _ => "nothing",
            };
            let found = found.map_or(missing, String::as_str);
            if found == expected {
                continue;
            }
            if key == "data" {
                return Err(not_resumable(file.path(), "the data are not those it was trained on"));
            }
            let reason = format!("it was made with {key} {found}, this run has {key} {expected}");
            return Err(not_resumable(file.path(), reason).help(format!("resume with {key} {found}")));
        }
        Ok(())
    }
}

/// A number that two data sets share only if they hold the same bits, short of an accident.
pub(super) fn fingerprint(data: &DataSet) -> u64 {
    let inputs = data.inputs.iter().map(|value| value.to_bits());
    match &data.targets {
        Targets::Classes(classes) | Targets::Positions(classes, _) => {
            hash(inputs.chain(classes.iter().copied()))
        }
        Targets::Values(values, _) => hash(inputs.chain(values.iter().map(|value| value.to_bits()))),
    }
}

/// FNV-1a over words of 32 bits.
fn hash(words: impl Iterator<Item = u32>) -> u64 {
    words.fold(0xcbf2_9ce4_8422_2325, |hash, word| (hash ^ u64::from(word)).wrapping_mul(0x0100_0000_01b3))
}

/// `epoch loss validation steps seconds best name=figure …`, numbers as bits.
fn epoch_to_line(report: &EpochReport) -> String {
    let validation = report.validation_loss.map_or_else(|| "-".to_owned(), bits);
    let mut line = format!(
        "{} {} {validation} {} {} {}",
        report.epoch,
        bits(report.loss),
        report.steps,
        bits(report.seconds),
        u8::from(report.is_best)
    );
    for (name, figure) in &report.metrics {
        // Writing to a string cannot fail.
        let _ = write!(line, " {name}={}", bits(*figure));
    }
    line.push('\n');
    line
}

fn epoch_from_line(line: &str) -> Option<EpochReport> {
    let mut words = line.split(' ');
    let mut next = || words.next();
    let epoch = next()?.parse().ok()?;
    let loss = from_bits(next()?)?;
    let validation_loss = match next()? {
        "-" => None,
        text => Some(from_bits(text)?),
    };
    let steps = next()?.parse().ok()?;
    let seconds = from_bits(next()?)?;
    let is_best = next()? == "1";
    let metrics = words.map(|word| {
        let (name, figure) = word.split_once('=')?;
        Metric::of_figure(name)?;
        Some((name.to_owned(), from_bits(figure)?))
    });
    let metrics = metrics.collect::<Option<_>>()?;
    Some(EpochReport { epoch, loss, validation_loss, metrics, steps, seconds, is_best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epoch_is_brought_back_bit_for_bit() {
        let report = EpochReport {
            epoch: 3,
            loss: 0.1 + 0.2,
            validation_loss: Some(f64::NAN),
            metrics: vec![("accuracy".to_owned(), 1.0 / 3.0), ("kind.top_5".to_owned(), 1.0)],
            steps: u64::MAX,
            seconds: 1e-9,
            is_best: true,
        };
        let line = epoch_to_line(&report);
        let back = epoch_from_line(line.trim_end()).unwrap();
        assert_eq!(epoch_to_line(&back), line);
        assert_eq!(back.metrics, report.metrics);
    }

    #[test]
    fn damaged_lines_are_refused() {
        for line in ["", "1", "1 zz - 0 0 1", "1 0 - 0 0 1 speed=0", "1 0 - 0 0 1 accuracy"] {
            assert_eq!(epoch_from_line(line), None, "{line:?}");
        }
    }
}
