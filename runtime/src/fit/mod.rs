//! Training: epochs over shuffled batches, validation, early stopping, checkpoints, and going on where a run stopped.
//!
//! A fit is a function of the model, the data and the options, seed included: the same in, the same bits out. That
//! holds across an interruption too: a resumed run ends with the bits of one that was never stopped, for the order of
//! each epoch's samples depends on the seed and the epoch's number alone, and everything else that a step depends on is
//! in the checkpoint.

mod batches;
mod callback;
mod clock;
mod early_stopping;
mod evaluate;
mod progress;
mod report;
mod run;

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

pub use callback::Callback;
pub use early_stopping::EarlyStopping;
pub use evaluate::{Evaluation, evaluate};
pub use report::{EpochReport, FitReport, FitStart, StepReport, Stopped};
pub use run::swap_averages;

use crate::data::{Augmentation, Split, fit_fresh};
use crate::error::Error;
use crate::metrics::Metric;
use crate::model::Train;
use crate::safetensors::Metadata;

/// How to train.
#[derive(Debug, Clone)]
pub struct FitOptions<'a> {
    /// Passes over the training data.
    pub epochs: usize,
    /// Samples in a batch, at most the model's; `None` is the model's.
    pub batch: Option<usize>,
    /// Where the order of samples comes from.
    pub seed: u64,
    /// Whether samples are put into a new order each epoch.
    pub shuffle: bool,
    /// What is done to each sample of the training part before it is trained on, in this order; drawn from `seed`.
    pub augment: Vec<Augmentation>,
    /// What is measured on the validation part after each epoch.
    pub metrics: Vec<Metric>,
    /// When to stop early, if ever.
    pub early_stopping: Option<EarlyStopping>,
    /// Whether the model ends with the parameters of its best epoch rather than its last.
    pub keep_best: bool,
    /// Where the weights of the best epoch are written.
    pub best: Option<PathBuf>,
    /// Where the checkpoint is written that a later run can resume.
    pub last: Option<PathBuf>,
    /// Files are written after an epoch when this time has passed since they were; and at the end, on an
    /// interruption, and when the loss is no longer finite.
    pub save_every: Duration,
    /// The checkpoint to go on from.
    pub resume: Option<PathBuf>,
    /// What is written with weights and checkpoints, such as the names of
    /// [`Schema::to_metadata`](crate::data::Schema::to_metadata).
    pub metadata: Metadata,
    /// Set from outside, by Ctrl-C for one, to end the fit before its next step with a whole checkpoint.
    pub interrupt: Option<&'a AtomicBool>,
}

impl Default for FitOptions<'_> {
    /// Ten epochs, shuffled, with nothing written.
    fn default() -> Self {
        Self {
            epochs: 10,
            batch: None,
            seed: 0,
            shuffle: true,
            augment: Vec::new(),
            metrics: Vec::new(),
            early_stopping: None,
            keep_best: false,
            best: None,
            last: None,
            save_every: Duration::from_secs(1),
            resume: None,
            metadata: Metadata::new(),
            interrupt: None,
        }
    }
}

/// Trains a model on the training part of `split`, and validates it on the validation part after each epoch.
///
/// The last batch of an epoch may be smaller than the others. A step allocates nothing. Samples are augmented as they
/// are copied into a batch: the validation part stays as it is.
///
/// Where a step begins with the states of cells that the last one ended with ([`Train::carried`]), samples are not
/// shuffled: those of each place in a batch are neighbours in the data, and states begin anew with each epoch.
///
/// The layers that keep figures of the training part, `normalize` and its kin, are fitted first where they hold none yet
/// ([`fit_fresh`]), unless a checkpoint is resumed.
///
/// # Errors
/// - E0401 for a model without a loss, E0205 for options out of range, E0416 for augmentations that do not fit the model, E0420 for a warm-up longer than training, E0214 for metrics that do not fit;
/// - E0410 when there are fewer rows than a batch, E0411 and E0416 when the data do not fit the model;
/// - E0412 when the loss, or a parameter, is no longer finite: the model is then as it was at the start, or after the last
///   epoch that was good, and so is the checkpoint;
/// - E0413 and E0419 when a checkpoint cannot be resumed, E0417 when one cannot be written;
/// - E0418 when the fit was interrupted: the checkpoint is whole.
pub fn fit<M>(
    model: &mut M,
    split: &Split,
    options: &FitOptions<'_>,
    callback: &mut dyn Callback,
) -> Result<FitReport, Error>
where
    M: Train<Elem = f32> + ?Sized,
{
    // What is wrong with options and data is told before anything changes.
    let mut run = run::Run::new(model.info(), split, options)?;
    if model.carried() > 0 {
        run.stream();
    }
    match &options.resume {
        Some(path) => run.resume(model, path)?,
        None if options.epochs > 0 => fit_fresh(model, &split.train)?,
        None => {}
    }
    run.train(model, callback)
}
