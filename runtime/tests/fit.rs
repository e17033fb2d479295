//! Training: what it learns, what it tells, when it stops, and what it refuses.
#![cfg(feature = "std")]

mod common;

use std::ops::ControlFlow;
use std::time::Duration;

use common::{Linear, assert_tells, line};
use nnc_runtime::data::{Split, SplitOptions, fit_normalize, split};
use nnc_runtime::fit::{
    Callback, EarlyStopping, EpochReport, FitOptions, FitReport, FitStart, StepReport, Stopped, evaluate, fit,
};
use nnc_runtime::metrics::Metric;

/// Remembers all it is told, and stops where it is asked to.
#[derive(Default)]
struct Witness {
    start: Option<FitStart>,
    steps: Vec<StepReport>,
    epochs: Vec<EpochReport>,
    end: Option<FitReport>,
    last_step: Option<u64>,
    last_epoch: Option<usize>,
}

impl Callback for Witness {
    fn on_start(&mut self, start: &FitStart) {
        self.start = Some(*start);
    }

    fn on_step(&mut self, report: &StepReport) -> ControlFlow<()> {
        self.steps.push(*report);
        if self.last_step == Some(report.step) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn on_epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        self.epochs.push(report.clone());
        if self.last_epoch == Some(report.epoch) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn on_end(&mut self, report: &FitReport) {
        self.end = Some(report.clone());
    }
}

fn with_validation(rows: usize) -> Split {
    let options = SplitOptions { train: 0.8, validation: 0.25, ..SplitOptions::default() };
    split(&line(rows), &options).unwrap()
}

fn normalized(split: &Split) -> Linear {
    let mut model = Linear::new();
    fit_normalize(&mut model, &split.train).unwrap();
    model
}

#[test]
fn it_learns_a_line() {
    let parts = with_validation(100);
    let mut model = normalized(&parts);
    let options = FitOptions { epochs: 60, metrics: vec![Metric::R2, Metric::Rmse], ..FitOptions::default() };
    let report = fit(&mut model, &parts, &options, &mut ()).unwrap();
    assert_eq!(report.stopped, Stopped::Finished);
    assert_eq!((report.epochs.len(), report.steps), (60, 60 * 8));
    let last = report.epochs.last().unwrap();
    assert!(last.loss < 1e-4, "{}", last.loss);
    assert!(last.validation_loss.unwrap() < 1e-4);
    assert_eq!(last.metrics[0].0, "r2");
    assert!(last.metrics[0].1 > 0.999);
    let test = evaluate(&mut model, parts.test.as_ref().unwrap(), &[Metric::Rmse]).unwrap();
    assert_eq!(test.rows, 20);
    assert_eq!(test.confusion, None);
    assert!((test.metrics[0].1 - test.loss.sqrt()).abs() < 1e-6);
}

#[test]
fn the_same_in_gives_the_same_bits_out_and_the_seed_matters() {
    let parts = with_validation(50);
    let run = |seed, shuffle| {
        let mut model = normalized(&parts);
        let options = FitOptions { epochs: 3, seed, shuffle, ..FitOptions::default() };
        fit(&mut model, &parts, &options, &mut ()).unwrap();
        model.bits()
    };
    assert_eq!(run(1, true), run(1, true));
    assert_ne!(run(1, true), run(2, true));
    assert_ne!(run(1, true), run(1, false));
    assert_eq!(run(1, false), run(2, false));
}

#[test]
fn without_shuffling_batches_come_in_the_order_of_the_data() {
    use nnc_runtime::model::Train;
    let data = line(20);
    let mut by_hand = Linear::new();
    fit_normalize(&mut by_hand, &data).unwrap();
    for (from, to) in [(0, 8), (8, 16), (16, 20)] {
        by_hand.step_rows(data.range(from, to), data.targets.range(from, to)).unwrap();
    }
    let mut model = Linear::new();
    let options = FitOptions { epochs: 1, shuffle: false, ..FitOptions::default() };
    fit(&mut model, &data.into(), &options, &mut ()).unwrap();
    assert_eq!(model.bits(), by_hand.bits());
}

#[test]
fn the_callback_is_told_of_every_step_and_epoch() {
    let parts: Split = line(20).into();
    let mut witness = Witness::default();
    let options = FitOptions { epochs: 2, batch: Some(6), ..FitOptions::default() };
    let report = fit(&mut normalized(&parts), &parts, &options, &mut witness).unwrap();
    let start = witness.start.unwrap();
    assert_eq!((start.epochs, start.steps_per_epoch, start.batch, start.rows), (2, 4, 6, 20));
    assert_eq!((start.epochs_done, start.steps_done, start.validation_rows), (0, 0, 0));
    let places: Vec<_> =
        witness.steps.iter().map(|step| (step.epoch, step.step_in_epoch, step.step, step.rows)).collect();
    let expected = [
        (1, 1, 1, 6),
        (1, 2, 2, 6),
        (1, 3, 3, 6),
        (1, 4, 4, 2),
        (2, 1, 5, 6),
        (2, 2, 6, 6),
        (2, 3, 7, 6),
        (2, 4, 8, 2),
    ];
    assert_eq!(places, expected);
    assert_eq!(witness.epochs, report.epochs);
    assert_eq!(witness.end.as_ref(), Some(&report));
    for (epoch, steps) in witness.epochs.iter().zip(witness.steps.chunks(4)) {
        let weighted: f64 = steps.iter().map(|step| f64::from(step.loss) * step.rows as f64).sum();
        assert!((epoch.loss - weighted / 20.0).abs() < 1e-12);
    }
}

#[test]
fn the_callback_ends_the_fit_after_a_step_or_an_epoch() {
    let parts: Split = line(20).into();
    let mut witness = Witness { last_step: Some(4), ..Witness::default() };
    let report = fit(&mut normalized(&parts), &parts, &FitOptions::default(), &mut witness).unwrap();
    assert_eq!((report.stopped, report.steps, report.epochs.len()), (Stopped::Callback, 4, 1));
    let mut witness = Witness { last_epoch: Some(2), ..Witness::default() };
    let report = fit(&mut normalized(&parts), &parts, &FitOptions::default(), &mut witness).unwrap();
    assert_eq!((report.stopped, report.epochs.len()), (Stopped::Callback, 2));
    assert!(witness.end.is_some());
}

#[test]
fn early_stopping_waits_for_its_patience() {
    let parts = with_validation(50);
    let mut model = normalized(&parts);
    model.lr = 0.0;
    let stopping = EarlyStopping { patience: 3, ..EarlyStopping::default() };
    let options = FitOptions { epochs: 50, early_stopping: Some(stopping), ..FitOptions::default() };
    let report = fit(&mut model, &parts, &options, &mut ()).unwrap();
    // The first epoch is the best, and no other is better.
    assert_eq!((report.stopped, report.epochs.len()), (Stopped::EarlyStopping, 4));
    assert_eq!(report.best_epoch, Some(1));
}

#[test]
fn early_stopping_takes_a_small_change_for_none() {
    let parts = with_validation(50);
    let epochs = |min_delta| {
        let stopping = EarlyStopping { patience: 4, min_delta, ..EarlyStopping::default() };
        let options = FitOptions { epochs: 40, early_stopping: Some(stopping), ..FitOptions::default() };
        let mut model = normalized(&parts);
        // Slow enough that the loss falls from each epoch to the next.
        model.lr = 0.002;
        fit(&mut model, &parts, &options, &mut ()).unwrap().epochs.len()
    };
    assert!(epochs(0.1) < epochs(0.0), "{} {}", epochs(0.1), epochs(0.0));
}

#[test]
fn early_stopping_watches_a_metric_that_grows() {
    let parts = with_validation(50);
    let stopping = EarlyStopping { patience: 40, min_delta: 0.0, metric: Some("r2".into()) };
    let options = FitOptions {
        epochs: 20,
        metrics: vec![Metric::R2],
        early_stopping: Some(stopping),
        ..FitOptions::default()
    };
    let report = fit(&mut normalized(&parts), &parts, &options, &mut ()).unwrap();
    let figures: Vec<f64> = report.epochs.iter().map(|epoch| epoch.metrics[0].1).collect();
    let greatest = figures.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let first = figures.iter().position(|&figure| figure == greatest).unwrap();
    assert_eq!(report.best_epoch, Some(first + 1));
}

#[test]
fn what_early_stopping_cannot_watch_is_an_error() {
    let parts = with_validation(50);
    let of = |parts: &Split, metric: &str| {
        let stopping = EarlyStopping { metric: Some(metric.into()), ..EarlyStopping::default() };
        let options = FitOptions {
            metrics: vec![Metric::Rmse],
            early_stopping: Some(stopping),
            ..FitOptions::default()
        };
        fit(&mut Linear::new(), parts, &options, &mut ()).unwrap_err()
    };
    assert_tells(&of(&parts, "rmsf"), "E0214", &["`rmsf`", "did you mean `rmse`?"]);
    assert_tells(&of(&parts, "mae"), "E0214", &["`metrics mae`"]);
    assert_tells(&of(&line(20).into(), "rmse"), "E0416", &["`rmse`", "no rows to validate on"]);
    let stopping = EarlyStopping { patience: 0, ..EarlyStopping::default() };
    let options = FitOptions { early_stopping: Some(stopping), ..FitOptions::default() };
    assert_tells(&fit(&mut Linear::new(), &parts, &options, &mut ()).unwrap_err(), "E0205", &["patience"]);
}

#[test]
fn the_best_epoch_is_given_back_where_it_is_asked_for() {
    let parts = with_validation(50);
    // A rate that overshoots: the last epoch is not the best.
    let run = |epochs, keep_best| {
        let mut model = normalized(&parts);
        model.lr = 0.45;
        let options = FitOptions { epochs, keep_best, ..FitOptions::default() };
        let report = fit(&mut model, &parts, &options, &mut ()).unwrap();
        (model, report)
    };
    let (kept, report) = run(6, true);
    let best = report.best_epoch.unwrap();
    assert!(best < 6, "the test needs a fit that becomes worse");
    assert_eq!(kept.tensors, run(best, false).0.tensors);
    assert_ne!(kept.tensors, run(6, false).0.tensors);
}

/// Weights of a best epoch that nobody kept cannot be given back.
#[test]
fn the_best_of_a_run_that_did_not_keep_it_is_forgotten() {
    let parts = with_validation(50);
    let folder = tempfile::tempdir().unwrap();
    let last = folder.path().join("last.safetensors");
    let run = |epochs, keep_best, resume| {
        let mut model = normalized(&parts);
        model.lr = 0.45;
        let options =
            FitOptions { epochs, keep_best, resume, last: Some(last.clone()), ..FitOptions::default() };
        let report = fit(&mut model, &parts, &options, &mut ()).unwrap();
        (model, report.best_epoch.unwrap())
    };
    let (_, best) = run(5, false, None);
    assert!(best < 5, "the test needs a fit that becomes worse");
    let (kept, best) = run(7, true, Some(last.clone()));
    assert!(best > 5, "epoch {best} was not kept");
    assert_eq!(kept.tensors, run(best, false, None).0.tensors);
}

#[test]
fn a_loss_that_is_not_finite_is_told_with_step_and_layer() {
    let parts: Split = line(40).into();
    let folder = tempfile::tempdir().unwrap();
    let last = folder.path().join("last.safetensors");
    let mut model = normalized(&parts);
    model.lr = 1e12;
    let options = FitOptions {
        epochs: 50,
        last: Some(last.clone()),
        save_every: Duration::from_secs(3600),
        ..FitOptions::default()
    };
    let mut witness = Witness::default();
    let error = fit(&mut model, &parts, &options, &mut witness).unwrap_err();
    let step = format!("step {}", witness.steps.len() + 1);
    assert_tells(
        &error,
        "E0412",
        &[&step, "layer `line`", "line.nn:4:5", "last.safetensors", "1000000000000"],
    );
    assert_eq!(witness.end, None);
    let mut kept = Linear::new();
    nnc_runtime::checkpoint::load(&mut kept, &last).unwrap();
    assert!(kept.tensors.iter().flatten().all(|value| value.is_finite()));
}

#[test]
fn a_parameter_that_is_not_finite_is_told_after_the_epoch() {
    use nnc_runtime::model::Train;
    let parts: Split = line(8).into();
    let mut model = normalized(&parts);
    // One batch an epoch: its loss is finite, and the step after it overflows.
    model.set_learning_rate(f64::from(f32::MAX));
    let error = fit(&mut model, &parts, &FitOptions::default(), &mut ()).unwrap_err();
    assert_tells(&error, "E0412", &["of layer `line`", "after step 1", "epoch 1"]);
}

#[test]
fn options_that_do_not_fit_the_data_are_errors() {
    let of = |parts: &Split, options: FitOptions<'_>| {
        fit(&mut Linear::new(), parts, &options, &mut ()).unwrap_err()
    };
    let few: Split = line(5).into();
    assert_tells(&of(&few, FitOptions::default()), "E0410", &["8 rows", "only 5", "`batch 5`"]);
    let parts: Split = line(20).into();
    for (batch, told) in [(0, "at least one sample"), (9, "batches of 1 to 8")] {
        let options = FitOptions { batch: Some(batch), ..FitOptions::default() };
        assert_tells(&of(&parts, options), "E0205", &[told]);
    }
    let options = FitOptions { metrics: vec![Metric::Top5], ..FitOptions::default() };
    assert_tells(&of(&parts, options), "E0214", &["top_5"]);
    let mut slow = Linear::with_info(|info| info.warmup = 3.0);
    let options = FitOptions { epochs: 2, ..FitOptions::default() };
    let error = fit(&mut slow, &parts, &options, &mut ()).unwrap_err();
    assert_tells(&error, "E0420", &["warms up for 3 epochs, longer than the 2", "lower `warmup`"]);
    assert_eq!(nnc_runtime::model::Train::steps(&slow), 0);
    let options = FitOptions { epochs: 3, ..FitOptions::default() };
    // Long enough: what it then ends with is another matter.
    assert!(fit(&mut slow, &parts, &options, &mut ()).err().is_none_or(|error| error.code != "E0420"));
    let missing = std::env::temp_dir().join("no such folder").join("last.safetensors");
    let options = FitOptions { last: Some(missing), ..FitOptions::default() };
    assert_tells(&of(&parts, options), "E0417", &["last.safetensors"]);
    let options = FitOptions { best: Some(std::env::temp_dir()), ..FitOptions::default() };
    assert_tells(&of(&parts, options), "E0417", &["it is a folder"]);
}

#[test]
fn data_that_contradict_themselves_are_errors() {
    let mut short = line(20);
    short.inputs.truncate(30);
    let mut few_targets = line(20);
    few_targets.rows = 10;
    few_targets.inputs.truncate(20);
    let mut nan = line(20);
    nan.inputs[7] = f32::NAN;
    let mut infinite = line(20);
    infinite.targets = nnc_runtime::data::Targets::Values(vec![f32::INFINITY; 20], 1);
    for (data, code, words) in [
        (short, "E0416", "expected 20 rows of 2 values, found 30"),
        (few_targets, "E0416", "10 rows, found 20"),
        (nan, "E0411", "input value 2 of row 4 is NaN"),
        (infinite, "E0411", "target value 1 of row 1 is inf"),
    ] {
        let error = fit(&mut Linear::new(), &data.clone().into(), &FitOptions::default(), &mut ());
        assert_tells(&error.unwrap_err(), code, &[words]);
        assert_eq!(evaluate(&mut Linear::new(), &data, &[]).unwrap_err().code, code);
    }
}

#[test]
fn a_model_without_loss_cannot_be_trained() {
    let mut model = Linear::with_info(|info| info.outputs = &[]);
    let error = fit(&mut model, &line(20).into(), &FitOptions::default(), &mut ()).unwrap_err();
    assert_tells(&error, "E0401", &["`Line`", "loss mse"]);
}

#[test]
fn no_epochs_leave_the_model_as_it_was() {
    let mut model = Linear::new();
    let report =
        fit(&mut model, &line(20).into(), &FitOptions { epochs: 0, ..FitOptions::default() }, &mut ());
    let report = report.unwrap();
    assert_eq!((report.stopped, report.steps, report.best_epoch), (Stopped::Finished, 0, None));
    assert_eq!(model, Linear::new());
}
