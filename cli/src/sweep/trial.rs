//! One run of a sweep: a setting and a seed, from text to figures.

use std::sync::atomic::AtomicBool;

use nnc_runtime::Error;
use nnc_runtime::data::Split;
use nnc_runtime::fit::{Callback, EarlyStopping, EpochReport, Evaluation, FitOptions, evaluate, fit};
use nnc_runtime::model::ModelInfo;

use super::Job;
use super::place::Place;
use crate::arguments::Plot;
use crate::data;
use crate::engine::Unless;
use crate::inspect::{Inspector, StageFigures};
use crate::output::Output;
use crate::partial::Start;
use crate::session::Prepared;
use crate::source::Failure;

/// What became of a run.
#[derive(Debug)]
pub struct Trial {
    /// Its setting, by number.
    pub setting: usize,
    /// Its seed.
    pub seed: u64,
    /// All epochs that came to an end.
    pub epochs: Vec<EpochReport>,
    /// Values and gradients by layer before the first step, if they were asked for.
    pub stages: Vec<StageFigures>,
    /// Where the two parameters of a path were: before training, and after each epoch.
    pub path: Vec<[f64; 2]>,
    /// The measure of the test rows and the time, or why there is none.
    pub end: Result<End, Error>,
}

/// What a run that came to its end has.
#[derive(Debug)]
pub struct End {
    /// Loss and metrics of the test rows.
    pub test: Option<Evaluation>,
    /// Of training, without compilation.
    pub seconds: f64,
}

/// The rows of a sweep: those that the model's file names. Where none are set aside for validation, the test rows are
/// measured after each epoch instead.
///
/// # Errors
/// As [`data::load`].
pub fn rows(prepared: &Prepared, job: &Job<'_>, setting: usize) -> Result<(Split, bool), Error> {
    let mut split = data::load(&prepared.model, prepared.info, &job.run_of(setting, 0))?;
    let has_validation = split.validation.is_some();
    if !has_validation {
        split.validation = split.test.clone();
    }
    Ok((split, has_validation))
}

/// Runs to the end, whatever it is. What the compiler has to say was said before.
pub fn run(job: &Job<'_>, setting: usize, seed: u64, interrupt: &AtomicBool, output: &Output) -> Trial {
    let mut trial = Trial {
        setting,
        seed,
        epochs: Vec::new(),
        stages: Vec::new(),
        path: Vec::new(),
        end: Err(Error::new("E0503", "the run did not begin")),
    };
    trial.end = attempt(job, &mut trial, interrupt, output);
    trial
}

fn attempt(job: &Job<'_>, trial: &mut Trial, interrupt: &AtomicBool, output: &Output) -> Result<End, Error> {
    let run = job.run_of(trial.setting, trial.seed);
    let prepared =
        Prepared::new(&run, None, &output.quiet(), |_| Ok(())).map_err(|failure| match failure {
            Failure::Error(error) => error,
            // It was compiled before, and nothing was said then.
            Failure::Reported => Error::new("E0503", "the model no longer compiles: its file has changed"),
        })?;
    let (split, has_validation) = rows(&prepared, job, trial.setting)?;
    let mut metrics = prepared.metrics()?;
    if let Plot::Metric(metric) = *job.plot
        && !metrics.contains(&metric)
    {
        metrics.push(metric);
    }
    let info = prepared.info;
    let imported = prepared.imported()?;
    let start = Start::of_file(&prepared, &run);
    let mut session = {
        // A setting is compiled once; its other seeds then find it in the cache.
        let _one = job.lock_of(trial.setting);
        prepared.start(&run, Unless::One, output)?
    };
    session.begin(&split.train, &imported)?;
    if let Some(start) = &start {
        start.load(&mut session, &split.train.schema, &output.quiet())?;
    }
    let read = |tensor: usize, out: &mut [f32]| session.network.read_tensor(tensor, out);
    if matches!(job.plot, Plot::Activations | Plot::Gradients) {
        let mut inspector = Inspector::new(&session.model)?;
        inspector.set_tensors(info, &read);
        trial.stages = inspector.look(&split.train).stages;
    }
    let places = match &job.plot {
        Plot::Path(a, b) => Some(Place::both(info, a, b)?),
        _ => None,
    };
    trial.path.extend(places.map(|places| places.map(|place| place.read(info, &read))));
    let train = &session.model.program.train;
    let options = FitOptions {
        epochs: job.epochs.unwrap_or(train.epochs),
        seed: trial.seed,
        shuffle: train.shuffle,
        augment: data::augmentations(&session.model),
        metrics: metrics.clone(),
        early_stopping: train.stop.map(|stop| EarlyStopping {
            patience: stop.patience,
            min_delta: stop.min_delta,
            // The test decides nothing.
            metric: (!has_validation).then(|| "loss".to_owned()),
        }),
        keep_best: has_validation,
        interrupt: Some(interrupt),
        ..FitOptions::default()
    };
    let mut recorder = Recorder { info, places, epochs: &mut trial.epochs, path: &mut trial.path };
    let report = fit(&mut *session.network, &split, &options, &mut recorder)?;
    let test = match &split.test {
        Some(test) => Some(evaluate(&mut *session.network, test, &metrics)?),
        None => None,
    };
    Ok(End { test, seconds: report.seconds })
}

/// Keeps epochs and paths also of a run that goes wrong.
struct Recorder<'a> {
    info: &'static ModelInfo,
    places: Option<[Place; 2]>,
    epochs: &'a mut Vec<EpochReport>,
    path: &'a mut Vec<[f64; 2]>,
}

impl Callback for Recorder<'_> {
    fn on_tensors(&mut self, _epoch: usize, read: &dyn Fn(usize, &mut [f32])) {
        let (info, places) = (self.info, self.places);
        self.path.extend(places.map(|places| places.map(|place| place.read(info, read))));
    }

    fn on_epoch(&mut self, report: &EpochReport) -> std::ops::ControlFlow<()> {
        self.epochs.push(report.clone());
        std::ops::ControlFlow::Continue(())
    }
}
