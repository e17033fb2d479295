//! Runs that are stopped and go on: every interruption ends with the bits of a run that was never stopped.
#![cfg(feature = "std")]

mod common;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::{Linear, assert_tells, line};
use nnc_runtime::data::{Split, SplitOptions, fit_normalize, split};
use nnc_runtime::fit::{Callback, EarlyStopping, FitOptions, FitReport, StepReport, Stopped, fit};
use nnc_runtime::metrics::Metric;
use nnc_runtime::{Error, checkpoint, safetensors};

/// What Ctrl-C does: sets the flag during some step.
struct Interrupt<'a> {
    flag: &'a AtomicBool,
    at: u64,
}

impl Callback for Interrupt<'_> {
    fn on_step(&mut self, report: &StepReport) -> ControlFlow<()> {
        if report.step == self.at {
            self.flag.store(true, Ordering::Relaxed);
        }
        ControlFlow::Continue(())
    }
}

fn parts() -> Split {
    let options = SplitOptions { train: 1.0, validation: 0.25, ..SplitOptions::default() };
    split(&line(40), &options).unwrap()
}

fn model(parts: &Split) -> Linear {
    let mut model = Linear::new();
    fit_normalize(&mut model, &parts.train).unwrap();
    model
}

/// 5 epochs of 30 rows: steps of 8, 8, 8 and 6.
fn options() -> FitOptions<'static> {
    let stopping = EarlyStopping { patience: 4, min_delta: 1e-3, metric: Some("rmse".into()) };
    FitOptions {
        epochs: 5,
        seed: 9,
        metrics: vec![Metric::Rmse],
        early_stopping: Some(stopping),
        keep_best: true,
        save_every: Duration::ZERO,
        ..FitOptions::default()
    }
}

fn interrupted(parts: &Split, at: u64, last: &Path, options: FitOptions<'_>) -> Error {
    let flag = AtomicBool::new(false);
    let options = FitOptions { last: Some(last.to_owned()), interrupt: Some(&flag), ..options };
    fit(&mut model(parts), parts, &options, &mut Interrupt { flag: &flag, at }).unwrap_err()
}

/// All that is told of a run, but for times.
fn told(report: &FitReport) -> String {
    let mut report = report.clone();
    report.seconds = 0.0;
    report.epochs.iter_mut().for_each(|epoch| epoch.seconds = 0.0);
    format!("{report:?}")
}

fn folder() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let last = folder.path().join("last.safetensors");
    (folder, last)
}

#[test]
fn a_resumed_run_ends_with_the_bits_of_one_that_was_never_stopped() {
    let parts = parts();
    let mut whole = model(&parts);
    let expected = fit(&mut whole, &parts, &options(), &mut ()).unwrap();
    assert_eq!(expected.steps, 20);
    for at in 1..20 {
        let (_folder, last) = folder();
        let error = interrupted(&parts, at, &last, options());
        assert_tells(&error, "E0418", &[&format!("after {at} step"), "last.safetensors"]);
        // Another process: a model that was never trained nor normalised.
        let mut model = Linear::new();
        let options = FitOptions { resume: Some(last), ..options() };
        let report = fit(&mut model, &parts, &options, &mut ()).unwrap();
        assert_eq!(model.bits(), whole.bits(), "interrupted at step {at}");
        assert_eq!(told(&report), told(&expected), "interrupted at step {at}");
    }
}

#[test]
fn a_run_can_be_stopped_again_and_again() {
    let parts = parts();
    let mut whole = model(&parts);
    fit(&mut whole, &parts, &options(), &mut ()).unwrap();
    let (_folder, last) = folder();
    interrupted(&parts, 1, &last, options());
    for at in 2..20 {
        let resumed = FitOptions { resume: Some(last.clone()), ..options() };
        assert_eq!(interrupted(&parts, at, &last, resumed).code, "E0418");
    }
    let mut model = Linear::new();
    fit(&mut model, &parts, &FitOptions { resume: Some(last), ..options() }, &mut ()).unwrap();
    assert_eq!(model.bits(), whole.bits());
}

#[test]
fn a_finished_run_goes_on_with_more_epochs() {
    let parts = parts();
    let plain = |epochs| FitOptions { epochs, ..FitOptions::default() };
    let mut whole = model(&parts);
    fit(&mut whole, &parts, &plain(6), &mut ()).unwrap();
    let (_folder, last) = folder();
    fit(&mut model(&parts), &parts, &FitOptions { last: Some(last.clone()), ..plain(4) }, &mut ()).unwrap();
    let mut resumed = Linear::new();
    let options = FitOptions { resume: Some(last.clone()), ..plain(6) };
    let report = fit(&mut resumed, &parts, &options, &mut ()).unwrap();
    assert_eq!(resumed.bits(), whole.bits());
    assert_eq!(report.epochs.len(), 6);
    // Nothing is left to do: the model is that of the checkpoint.
    let report = fit(&mut Linear::new(), &parts, &FitOptions { resume: Some(last), ..plain(4) }, &mut ());
    let report = report.unwrap();
    assert_eq!((report.stopped, report.steps), (Stopped::Finished, 16));
}

#[test]
fn an_interruption_without_a_checkpoint_is_told_too() {
    let flag = AtomicBool::new(true);
    let options = FitOptions { interrupt: Some(&flag), ..options() };
    let mut untouched = Linear::new();
    let error = fit(&mut untouched, &parts(), &options, &mut ()).unwrap_err();
    assert_tells(&error, "E0418", &["after 0 steps"]);
    assert_eq!(error.help, Vec::<String>::new());
    let mut fitted = Linear::new();
    fit_normalize(&mut fitted, &parts().train).unwrap();
    assert_eq!(untouched, fitted);
}

#[test]
fn a_run_under_other_conditions_is_refused() {
    let parts = parts();
    let (_folder, last) = folder();
    interrupted(&parts, 5, &last, options());
    let of = |parts: &Split, options: FitOptions<'_>| {
        let mut model = Linear::new();
        let options = FitOptions { resume: Some(last.clone()), ..options };
        let error = fit(&mut model, parts, &options, &mut ()).unwrap_err();
        assert_eq!(model, Linear::new(), "a refused checkpoint leaves the model alone");
        error
    };
    let other_seed = of(&parts, FitOptions { seed: 10, ..options() });
    assert_tells(&other_seed, "E0419", &["seed 9", "this run has seed 10"]);
    let other_batch = of(&parts, FitOptions { batch: Some(4), ..options() });
    assert_tells(&other_batch, "E0419", &["batch 8", "this run has batch 4"]);
    let other_order = of(&parts, FitOptions { shuffle: false, ..options() });
    assert_tells(&other_order, "E0419", &["shuffle true"]);
    let mut other = parts.clone();
    other.train.inputs[0] += 1.0;
    assert_tells(&of(&other, options()), "E0419", &["the data are not those it was trained on"]);
    let mut other = parts.clone();
    other.validation.as_mut().unwrap().inputs[0] += 1.0;
    assert_tells(&of(&other, options()), "E0419", &["the data are not those it was trained on"]);
    let mut model = Linear::with_info(|info| info.training = "mse, adam(lr = 0.1)");
    let error = fit(&mut model, &parts, &FitOptions { resume: Some(last.clone()), ..options() }, &mut ())
        .unwrap_err();
    assert_tells(
        &error,
        "E0419",
        &["loss and optimizer mse, sgd(lr = 0.1)", "this run has loss and optimizer mse, adam"],
    );
    let few = Split { train: parts.train.select(&(0..20).collect::<Vec<_>>()), ..parts };
    assert_tells(&of(&few, options()), "E0419", &["rows 30", "rows 20"]);
}

#[test]
fn weights_alone_or_a_checkpoint_of_no_fit_are_refused() {
    let parts = parts();
    let (_folder, path) = folder();
    let of = || {
        let options = FitOptions { resume: Some(path.clone()), ..options() };
        fit(&mut Linear::new(), &parts, &options, &mut ()).unwrap_err()
    };
    assert_tells(&of(), "E0414", &["last.safetensors"]);
    safetensors::save(&Linear::new(), &path, &safetensors::Metadata::new()).unwrap();
    assert_tells(&of(), "E0419", &["weights alone"]);
    checkpoint::save(&Linear::new(), &path, &safetensors::Metadata::new()).unwrap();
    assert_tells(&of(), "E0419", &["not written by a fit"]);
}

#[test]
fn damaged_progress_is_refused() {
    let parts = parts();
    let (_folder, last) = folder();
    interrupted(&parts, 6, &last, options());
    let metadata = safetensors::read_metadata(&last).unwrap();
    for key in ["epochs", "row", "loss_sum", "steps", "waited", "history", "best", "best_epoch", "reference"]
    {
        let mut damaged = metadata.clone();
        assert!(damaged.insert(format!("fit.{key}"), "-1 z".to_owned()).is_some(), "{key}");
        checkpoint::save(&model(&parts), &last, &damaged).unwrap();
        let options = FitOptions { resume: Some(last.clone()), ..options() };
        let error = fit(&mut Linear::new(), &parts, &options, &mut ()).unwrap_err();
        assert_tells(&error, "E0419", &[&format!("fit.{key}")]);
    }
    let mut beyond = metadata;
    beyond.insert("fit.row".to_owned(), "31".to_owned());
    checkpoint::save(&model(&parts), &last, &beyond).unwrap();
    let options = FitOptions { resume: Some(last), ..options() };
    let error = fit(&mut Linear::new(), &parts, &options, &mut ()).unwrap_err();
    assert_tells(&error, "E0419", &["beyond the data"]);
}

#[test]
fn the_best_weights_are_written_with_their_epoch() {
    let parts = parts();
    let folder = tempfile::tempdir().unwrap();
    let best = folder.path().join("best.safetensors");
    let mut metadata = safetensors::Metadata::new();
    metadata.insert("author".to_owned(), "a test".to_owned());
    let options = FitOptions { best: Some(best.clone()), metadata, ..options() };
    let mut model = model(&parts);
    let report = fit(&mut model, &parts, &options, &mut ()).unwrap();
    let mut loaded = Linear::new();
    let metadata = safetensors::load(&mut loaded, &best, &safetensors::LoadOptions::default()).unwrap();
    assert_eq!(loaded.tensors, model.tensors);
    assert_eq!(metadata["epoch"], report.best_epoch.unwrap().to_string());
    assert_eq!(metadata["author"], "a test");
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files, [best], "nothing unfinished is left beside it");
}
