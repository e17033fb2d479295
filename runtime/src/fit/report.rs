//! What training tells: after each step, after each epoch, and at the end.

/// What a fit is about to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FitStart {
    /// Epochs in all.
    pub epochs: usize,
    /// Epochs done before, when a checkpoint is resumed.
    pub epochs_done: usize,
    /// Steps done before, when a checkpoint is resumed.
    pub steps_done: u64,
    /// Steps in an epoch.
    pub steps_per_epoch: usize,
    /// Samples in a full batch.
    pub batch: usize,
    /// Samples to train on.
    pub rows: usize,
    /// Samples to validate on; 0 without validation.
    pub validation_rows: usize,
}

/// One optimizer step that was done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct StepReport {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// The step in its epoch, counted from 1.
    pub step_in_epoch: usize,
    /// Steps in an epoch.
    pub steps_per_epoch: usize,
    /// The step in the whole fit, counted from 1.
    pub step: u64,
    /// Samples in the batch.
    pub rows: usize,
    /// The batch's loss before the step.
    pub loss: f32,
}

/// One epoch that was done.
#[derive(Debug, Clone, PartialEq)]
pub struct EpochReport {
    /// The epoch, counted from 1.
    pub epoch: usize,
    /// Mean of the batches' losses, weighted by their samples, as they were when each was trained on.
    pub loss: f64,
    /// Loss over the validation part, if there is one.
    pub validation_loss: Option<f64>,
    /// Metrics over the validation part, by name; empty without one.
    pub metrics: Vec<(String, f64)>,
    /// Steps in the whole fit up to here.
    pub steps: u64,
    /// Time from the start of the epoch to its end, with validation, in seconds.
    pub seconds: f64,
    /// Whether it is the best so far, by the quantity that is watched.
    pub is_best: bool,
}

/// A whole fit.
#[derive(Debug, Clone, PartialEq)]
pub struct FitReport {
    /// All epochs, also those before a resumed checkpoint.
    pub epochs: Vec<EpochReport>,
    /// Optimizer steps, also those before a resumed checkpoint.
    pub steps: u64,
    /// Time of this run, in seconds.
    pub seconds: f64,
    /// The best epoch, counted from 1, by the quantity that is watched: the one of early stopping, else the validation
    /// loss, else the loss.
    pub best_epoch: Option<usize>,
    /// Why it ended.
    pub stopped: Stopped,
}

/// Why a fit ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// All epochs were done.
    Finished,
    /// The watched quantity stopped improving.
    EarlyStopping,
    /// A callback asked to stop.
    Callback,
}
