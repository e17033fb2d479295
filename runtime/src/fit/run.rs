//! One run of training, from its first step to its last.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::Ordering;

use super::FitOptions;
use super::batches::Batches;
use super::callback::Callback;
use super::clock::Moment;
use super::early_stopping::Watched;
use super::evaluate::Evaluator;
use super::progress::{Conditions, Progress, fingerprint};
use super::report::{EpochReport, FitReport, FitStart, StepReport, Stopped};
use crate::checkpoint::{self, Snapshot, not_resumable};
use crate::data::{Augmenter, DataSet, Split, listed_augmentations};
use crate::error::{Error, count};
use crate::file::check_writable;
use crate::metrics::Meter;
use crate::model::{ModelInfo, Role, Train};
use crate::safetensors::{SafeTensors, Tensors, describe, write};

/// A run: what it was asked for, how far it is, and the buffers that it uses again and again.
pub(super) struct Run<'a> {
    info: ModelInfo,
    split: &'a Split,
    options: &'a FitOptions<'a>,
    batch: usize,
    watched: Watched,
    batches: Batches<'a>,
    is_stream: bool,
    evaluator: Evaluator,
    conditions: Conditions,
    progress: Progress,
    /// The model as it last was found good.
    good: Option<Good>,
    /// Room for the next one.
    spare: Option<Snapshot>,
    /// The tensors of the best epoch, where they are wanted.
    best: Option<Tensors>,
    is_best_written: bool,
    saved: Moment,
}

/// A model that can be gone back to.
struct Good {
    model: Snapshot,
    /// How far training was then, without its history.
    progress: Progress,
}

impl<'a> Run<'a> {
    /// Checks options and data, and makes all buffers.
    pub fn new(info: &ModelInfo, split: &'a Split, options: &'a FitOptions<'a>) -> Result<Self, Error> {
        split.check(info)?;
        let train = &split.train;
        let batch = batch_size(info, train, options)?;
        let validation = split.validation.as_ref();
        if validation.is_some_and(|validation| validation.rows == 0) {
            return Err(Error::new("E0410", "there are no rows to validate with")
                .help("leave the validation part out"));
        }
        if let Some(stopping) = &options.early_stopping
            && (stopping.patience == 0 || stopping.min_delta.is_nan() || stopping.min_delta < 0.0)
        {
            let message = "early stopping needs a patience of at least 1 and a `min_delta` of at least 0";
            return Err(Error::new("E0205", message));
        }
        check_warmup(info, options.epochs)?;
        let augmenter = Augmenter::of_model(&options.augment, info, train, options.seed)?;
        let watched = Watched::new(options.early_stopping.as_ref(), &options.metrics, validation.is_some())?;
        let meter = Meter::new(&options.metrics, info)?.without_confusion();
        [&options.best, &options.last].into_iter().flatten().try_for_each(|path| check_writable(path))?;
        let has_files = options.last.is_some() || options.resume.is_some();
        let validation_hash = validation.map_or(0, |data| if has_files { fingerprint(data) } else { 0 });
        let conditions = Conditions {
            seed: options.seed,
            training: info.training,
            batch,
            shuffle: options.shuffle,
            augmentation: listed_augmentations(&options.augment),
            rows: train.rows,
            validation_rows: validation.map_or(0, |data| data.rows),
            data: if has_files { fingerprint(train) ^ validation_hash.rotate_left(1) } else { 0 },
        };
        Ok(Self {
            info: *info,
            split,
            options,
            batch,
            watched,
            batches: Batches::new(train, batch, augmenter),
            is_stream: false,
            evaluator: Evaluator::new(info, meter),
            conditions,
            progress: Progress::default(),
            good: None,
            spare: None,
            best: None,
            is_best_written: true,
            saved: Moment::now(),
        })
    }

    /// Brings model and progress to where a checkpoint was written.
    pub fn resume<M>(&mut self, model: &mut M, path: &Path) -> Result<(), Error>
    where
        M: Train<Elem = f32> + ?Sized,
    {
        let file = SafeTensors::read(path)?;
        let snapshot = checkpoint::read(&self.info, &file)?;
        let mut progress = Progress::from_file(&file)?;
        self.conditions.check(&file)?;
        if progress.row > self.split.train.rows {
            return Err(not_resumable(path, "its place in the epoch is beyond the data"));
        }
        if self.wants_best() && progress.best_epoch.is_some() {
            self.best = checkpoint::read_best(&self.info, &file)?;
            self.is_best_written = false;
            if self.best.is_none() {
                // It was written by a run that did not keep them: the best is that of the epochs to come.
                (progress.best, progress.best_epoch) = (None, None);
            }
        }
        snapshot.give(model);
        self.progress = progress;
        Ok(())
    }

    /// Puts samples in streams, for a model whose steps go on from where the last one ended.
    pub fn stream(&mut self) {
        self.is_stream = true;
        self.batches.stream(self.batch);
    }

    /// Trains to the end.
    pub fn train<M>(mut self, model: &mut M, callback: &mut dyn Callback) -> Result<FitReport, Error>
    where
        M: Train<Elem = f32> + ?Sized,
    {
        let started = Moment::now();
        self.saved = started;
        let steps = u64::try_from(self.steps_per_epoch()).unwrap_or(u64::MAX);
        model.set_horizon(steps, u64::try_from(self.options.epochs).unwrap_or(u64::MAX));
        self.batches.augmenter().set_units(model);
        callback.on_start(&self.start());
        self.keep(model);
        let stopped = loop {
            if self.is_patience_over() {
                break Stopped::EarlyStopping;
            }
            if self.progress.epochs >= self.options.epochs {
                break Stopped::Finished;
            }
            match self.epoch(model, callback) {
                Ok(ControlFlow::Continue(())) => {}
                Ok(ControlFlow::Break(())) => break Stopped::Callback,
                Err(error) => {
                    if let Some(good) = self.good.as_ref().filter(|_| error.code == "E0412") {
                        good.model.give(model);
                    }
                    return Err(error);
                }
            }
        };
        self.keep(model);
        self.write()?;
        if self.options.keep_best
            && let Some(best) = &self.best
        {
            best.each(&self.info).for_each(|(idx, values)| model.write_tensor(idx, values));
        } else {
            swap_averages(model);
        }
        let report = FitReport {
            epochs: self.progress.history,
            steps: self.progress.steps,
            seconds: started.elapsed().as_secs_f64(),
            best_epoch: self.progress.best_epoch,
            stopped,
        };
        callback.on_end(&report);
        Ok(report)
    }

    fn start(&self) -> FitStart {
        FitStart {
            epochs: self.options.epochs,
            epochs_done: self.progress.epochs,
            steps_done: self.progress.steps,
            steps_per_epoch: self.steps_per_epoch(),
            batch: self.batch,
            rows: self.split.train.rows,
            validation_rows: self.conditions.validation_rows,
        }
    }

    fn steps_per_epoch(&self) -> usize {
        self.split.train.rows.div_ceil(self.batch)
    }

    fn is_patience_over(&self) -> bool {
        self.options.early_stopping.as_ref().is_some_and(|stopping| self.progress.waited >= stopping.patience)
    }

    /// The rest of the current epoch.
    fn epoch<M>(&mut self, model: &mut M, callback: &mut dyn Callback) -> Result<ControlFlow<()>, Error>
    where
        M: Train<Elem = f32> + ?Sized,
    {
        let started = Moment::now();
        self.batches.begin(self.progress.epochs);
        if self.progress.row == 0 {
            model.reset_state();
        }
        if self.options.shuffle && !self.is_stream {
            self.batches.shuffle(self.options.seed, self.progress.epochs);
        }
        while self.progress.row < self.split.train.rows {
            if self.options.interrupt.is_some_and(|interrupt| interrupt.load(Ordering::Relaxed)) {
                return Err(self.interrupted(model));
            }
            let step = self.step(model)?;
            if callback.on_step(&step).is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        let report = self.end_epoch(model, started)?;
        callback.on_tensors(report.epoch, &|tensor, out| model.read_tensor(tensor, out));
        Ok(callback.on_epoch(&report))
    }

    fn step<M>(&mut self, model: &mut M) -> Result<StepReport, Error>
    where
        M: Train<Elem = f32> + ?Sized,
    {
        let from = self.progress.row;
        let (rows, n_before) = self.batches.step(from, self.batch);
        let (inputs, target) = self.batches.gather(from, rows);
        let loss = model.step_rows(inputs, target)?;
        if !loss.is_finite() {
            return Err(self.diverged(model, loss));
        }
        self.progress.row += rows;
        self.progress.steps += 1;
        self.progress.loss_sum += f64::from(loss) * rows as f64;
        Ok(StepReport {
            epoch: self.progress.epochs + 1,
            step_in_epoch: n_before + 1,
            steps_per_epoch: self.steps_per_epoch(),
            step: self.progress.steps,
            rows,
            loss,
        })
    }

    /// Validates, compares with the best, and keeps what came out.
    fn end_epoch<M>(&mut self, model: &mut M, started: Moment) -> Result<EpochReport, Error>
    where
        M: Train<Elem = f32> + ?Sized,
    {
        let mut report = EpochReport {
            epoch: self.progress.epochs + 1,
            loss: self.progress.loss_sum / self.split.train.rows as f64,
            validation_loss: None,
            metrics: Vec::new(),
            steps: self.progress.steps,
            seconds: 0.0,
            is_best: false,
        };
        if let Some(validation) = &self.split.validation {
            swap_averages(model);
            let loss = self.evaluator.run(model, validation);
            swap_averages(model);
            report.validation_loss = Some(loss?);
            report.metrics = self.evaluator.meter.figures();
        }
        self.compare(&mut report);
        report.seconds = started.elapsed().as_secs_f64();
        self.progress.epochs += 1;
        self.progress.row = 0;
        self.progress.loss_sum = 0.0;
        model.end_epoch(report.validation_loss.unwrap_or(report.loss));
        self.progress.history.push(report.clone());
        if let Some(tensor) = self.keep(model) {
            return Err(self.not_finite(tensor, report.epoch));
        }
        if report.is_best {
            self.keep_best();
        }
        if self.saved.elapsed() >= self.options.save_every {
            self.write()?;
        }
        Ok(report)
    }

    /// Whether an epoch is the best so far, and for how long early stopping has waited.
    fn compare(&mut self, report: &mut EpochReport) {
        let figure = self.watched.of(report);
        let progress = &mut self.progress;
        if self.watched.is_better(figure, progress.best, 0.0) {
            report.is_best = true;
            progress.best = Some(figure);
            progress.best_epoch = Some(report.epoch);
        }
        let min_delta = self.options.early_stopping.as_ref().map_or(0.0, |stopping| stopping.min_delta);
        if self.watched.is_better(figure, progress.reference, min_delta) {
            progress.reference = Some(figure);
            progress.waited = 0;
        } else {
            progress.waited += 1;
        }
    }

    /// Keeps the model as the last good one, if it is: else returns the number of the tensor that is not finite.
    fn keep<M>(&mut self, model: &M) -> Option<usize>
    where
        M: Train<Elem = f32> + ?Sized,
    {
        let mut snapshot = self.spare.take().unwrap_or_else(|| Snapshot::new(&self.info));
        snapshot.take(model);
        let bad = snapshot.first_non_finite(&self.info);
        self.spare = if bad.is_some() {
            Some(snapshot)
        } else {
            let now = Good { model: snapshot, progress: self.progress.without_history() };
            self.good.replace(now).map(|before| before.model)
        };
        bad
    }

    fn wants_best(&self) -> bool {
        self.options.keep_best || self.options.best.is_some()
    }

    fn keep_best(&mut self) {
        if let Some(good) = self.good.as_ref().filter(|_| self.wants_best()) {
            let tensors = good.model.averaged(&self.info);
            let tensors = tensors.as_ref().unwrap_or_else(|| good.model.tensors());
            self.best.get_or_insert_default().clone_from(tensors);
            self.is_best_written = false;
        }
    }

    /// Writes the best weights, if they are new, and the last good checkpoint: in this order, so that a checkpoint
    /// never tells of a best epoch that is not there.
    fn write(&mut self) -> Result<(), Error> {
        self.saved = Moment::now();
        if let (Some(path), Some(best), false) = (&self.options.best, &self.best, self.is_best_written) {
            let mut metadata = describe(&self.info, &self.options.metadata);
            if let Some(epoch) = self.progress.best_epoch {
                metadata.insert("epoch".to_owned(), epoch.to_string());
            }
            let mut tensors = Vec::with_capacity(self.info.tensors.len());
            best.push_to(&self.info, "", &mut tensors);
            write(path, &metadata, &tensors)?;
            self.is_best_written = true;
        }
        if let (Some(path), Some(good)) = (&self.options.last, &self.good) {
            let mut metadata = self.options.metadata.clone();
            // The history only grows: that of then is the beginning of that of now.
            let history = self.progress.history.get(..good.progress.epochs).unwrap_or_default();
            good.progress.to_metadata(history, &mut metadata);
            self.conditions.to_metadata(&mut metadata);
            good.model.write(&self.info, self.best.as_ref(), &metadata, path)?;
        }
        Ok(())
    }

    /// E0418, with a whole checkpoint.
    fn interrupted<M>(&mut self, model: &M) -> Error
    where
        M: Train<Elem = f32> + ?Sized,
    {
        self.keep(model);
        if let Err(error) = self.write() {
            return error;
        }
        let steps = usize::try_from(self.progress.steps).unwrap_or(usize::MAX);
        let epoch = self.progress.epochs + 1;
        let message = format!("interrupted in epoch {epoch}, after {}", count(steps, "step"));
        match &self.options.last {
            Some(path) => {
                Error::new("E0418", message).help(format!("resume from `{}` to go on", path.display()))
            }
            None => Error::new("E0418", message),
        }
    }

    /// E0412 for a loss, after the last good state was written.
    fn diverged<M>(&mut self, model: &M, loss: f32) -> Error
    where
        M: Train<Elem = f32> + ?Sized,
    {
        // Not kept: these weights, finite or not, are what made the loss what it is.
        let mut snapshot = Snapshot::new(&self.info);
        snapshot.take(model);
        let bad = snapshot.first_non_finite(&self.info);
        let (step, epoch) = (self.progress.steps + 1, self.progress.epochs + 1);
        let mut message = format!("the loss is {loss} at step {step}, in epoch {epoch}");
        let tensor = bad.and_then(|idx| self.info.tensors.get(idx));
        let layer = model.first_non_finite();
        match (layer, tensor) {
            (Some(layer), _) => {
                message.push_str(&format!(", first in layer `{}` at {}", layer.name, layer.place));
            }
            (None, Some(tensor)) => message.push_str(&format!(", first in layer `{}`", tensor.layer)),
            (None, None) => message.push_str(", though all layers are finite"),
        }
        let mut error = Error::new("E0412", message);
        if let Some(tensor) = tensor {
            error = error.note(format!("`{}` holds a value that is not finite", tensor.name));
        }
        self.with_last_good(error, model.learning_rate())
    }

    /// E0412 for a parameter, found after an epoch.
    fn not_finite(&mut self, tensor: usize, epoch: usize) -> Error {
        let name = self.info.tensors.get(tensor).map_or(("?", "?"), |tensor| (tensor.name, tensor.layer));
        let message = format!(
            "`{}` of layer `{}` holds a value that is not finite after step {}, in epoch {epoch}",
            name.0, name.1, self.progress.steps
        );
        self.with_last_good(Error::new("E0412", message), None)
    }

    fn with_last_good(&mut self, mut error: Error, learning_rate: Option<f64>) -> Error {
        match (self.write(), &self.options.last) {
            (Ok(()), Some(path)) => {
                error = error.note(format!("the last good state is in `{}`", path.display()));
            }
            (Ok(()), None) => {}
            (Err(failure), _) => error = error.note(failure.message),
        }
        error.help(match learning_rate {
            Some(lr) => format!("lower the learning rate: it is {lr}"),
            None => "lower the learning rate".to_owned(),
        })
    }
}

/// E0420: a schedule that would still warm up when training ends.
fn check_warmup(info: &ModelInfo, epochs: usize) -> Result<(), Error> {
    // Without any epoch nothing is asked of a schedule.
    if epochs == 0 || info.warmup <= epochs as f64 {
        return Ok(());
    }
    let message = format!(
        "model `{}` warms up for {} epochs, longer than the {epochs} of the training",
        info.name, info.warmup
    );
    let help = "train for more epochs, or lower `warmup` in the schedule";
    Err(Error::new("E0420", message).help(help))
}

fn batch_size(info: &ModelInfo, train: &DataSet, options: &FitOptions<'_>) -> Result<usize, Error> {
    let batch = options.batch.unwrap_or(info.batch);
    if batch == 0 {
        return Err(Error::new("E0205", "a batch has at least one sample, not 0"));
    }
    if batch > info.batch {
        let message = format!(
            "a batch of {batch} samples was asked for, model `{}` was compiled for batches of 1 to {}",
            info.name, info.batch
        );
        return Err(Error::new("E0205", message).help(format!("compile the model with `batch {batch}`")));
    }
    if u32::try_from(train.rows).is_err() {
        return Err(Error::new("E0502", format!("{} rows are more than can be shuffled", train.rows)));
    }
    if train.rows >= batch {
        return Ok(batch);
    }
    let message = format!("a batch is {batch} rows, but there are only {} to train on", train.rows);
    let mut error = Error::new("E0410", message);
    if !train.source.is_empty() {
        error = error.at(&train.source);
    }
    Err(if train.rows == 0 {
        error
    } else {
        error.help(format!("take a batch of {} at most: `batch {0}`", train.rows))
    })
}

/// Exchanges the weights of a model with their moving average, if its optimizer keeps one (`ema = 0.999`).
///
/// [`fit`](super::fit) does so before it validates and undoes it behind, and leaves the averages in the model at its
/// end. Who writes a loop of one's own calls it before and after evaluation. Before the first step it does nothing.
pub fn swap_averages<M>(model: &mut M)
where
    M: Train<Elem = f32> + ?Sized,
{
    let info = *model.info();
    let Some(state) = info.average.filter(|_| model.steps() > 0) else { return };
    for (idx, tensor) in info.tensors.iter().enumerate() {
        if tensor.role != Role::Parameter {
            continue;
        }
        let (mut weights, mut average) = (vec![0.0; tensor.len()], vec![0.0; tensor.len()]);
        model.read_tensor(idx, &mut weights);
        model.read_state(state, idx, &mut average);
        model.write_tensor(idx, &average);
        model.write_state(state, idx, &weights);
    }
}
