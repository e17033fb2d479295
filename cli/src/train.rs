//! `nnc train`.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use nnc_compiler::costs::calls;
use nnc_runtime::Error;
use nnc_runtime::data::Split;
use nnc_runtime::fit::{EarlyStopping, Evaluation, FitOptions, FitReport, Stopped, evaluate, fit};
use nnc_runtime::safetensors::{Metadata, save};

use crate::arguments::TrainArguments;
use crate::data;
use crate::diagnose::{Diagnosis, Watch};
use crate::engine::{Unless, Watched};
use crate::lints;
use crate::output::{Object, Output, Progress, figure};
use crate::partial::Start;
use crate::profile::{ByLayer, What};
use crate::session::{Prepared, can_be_measured, can_be_trained, can_warm_up, default_weights};
use crate::source::Failure;

/// Set by Ctrl-C.
pub static INTERRUPT: AtomicBool = AtomicBool::new(false);

/// Trains a model, tests it, and writes its weights.
pub fn run(arguments: &TrainArguments, output: &Output) -> Result<(), Failure> {
    let run = &arguments.run;
    run.source.not_set("epochs", "--epochs", arguments.epochs.is_some())?;
    let prepared = Prepared::new(run, None, output, |model| {
        can_be_measured(model, run)?;
        can_be_trained(model, run)?;
        can_warm_up(model, run, arguments.epochs.map(|epochs| epochs as usize))
    })?;
    let split = data::load(&prepared.model, prepared.info, run)?;
    let mut warnings = lints::lints(&prepared.model, &split.train);
    warnings.retain(|warning| !prepared.allowed.hides(warning));
    output.diagnostics(&prepared.sources, &warnings);
    let metrics = prepared.metrics()?;
    let out = arguments.out.clone().unwrap_or_else(|| default_weights(run));
    let checkpoint = out.with_extension("checkpoint.safetensors");
    check_room(&out)?;
    let start = if arguments.resume { None } else { start(arguments, &prepared) };
    let is_fresh = !arguments.resume && start.as_ref().is_none_or(|start| start.is_partial);
    let imported = if is_fresh { prepared.imported()? } else { Vec::new() };
    let (mut session, profiler) = if arguments.profile {
        let (session, profiler) = prepared.start_profiled(run, output)?;
        (session, Some(profiler))
    } else {
        (prepared.start(run, Unless::Cores, output)?, None)
    };
    let train = session.model.program.train.clone();
    let mut metadata = Metadata::new();
    split.train.schema.to_metadata(&mut metadata);
    if is_fresh {
        session.begin(&split.train, &imported)?;
    }
    if let Some(start) = &start {
        start.load(&mut session, &split.train.schema, output)?;
    }
    listen();
    let options = FitOptions {
        epochs: arguments.epochs.map_or(train.epochs, |epochs| epochs as usize),
        batch: None,
        seed: session.seed,
        shuffle: train.shuffle,
        augment: data::augmentations(&session.model),
        metrics: metrics.clone(),
        early_stopping: train.stop.map(|stop| EarlyStopping {
            patience: stop.patience,
            min_delta: stop.min_delta,
            metric: None,
        }),
        keep_best: split.validation.is_some(),
        last: Some(checkpoint.clone()),
        resume: arguments.resume.then(|| checkpoint.clone()),
        metadata: metadata.clone(),
        interrupt: Some(&INTERRUPT),
        ..FitOptions::default()
    };
    let diagnosis = if arguments.no_diagnose { None } else { Diagnosis::new(&session, &split.train) };
    let mut watch = Watch { progress: Progress::new(*output), diagnosis };
    // Of the steps alone: `can_be_trained` has seen that there are some.
    let calls = calls::training(&session.model).unwrap_or_default();
    if let Some(profiler) = &profiler {
        profiler.watch(Watched::Steps, calls.len())?;
    }
    let report = fit(&mut *session.network, &split, &options, &mut watch);
    drop(watch);
    let report = report.map_err(|error| how_to_go_on(error, &checkpoint))?;
    let test = match &split.test {
        Some(test) => Some(evaluate(&mut *session.network, test, &metrics)?),
        None => None,
    };
    save(&*session.network, &out, &metadata)?;
    say(&report, test.as_ref(), &split, &out, output);
    if let Some(profiler) = profiler {
        let times = profiler.take();
        // A run that is resumed at its end makes none.
        if times.passes > 0 {
            output.line("");
            let by_layer = ByLayer::new(&session.model, &calls, &times, &profiler)?;
            by_layer.say(What::step(session.info.batch), output);
            output.line(&format!(
                "{} steps took {:.2} s of {:.2} s; the rest is data, evaluation, checkpoints and looking for faults",
                times.passes,
                by_layer.seconds(),
                report.seconds
            ));
        }
    }
    Ok(())
}

/// The weights to start from: those of the command line, or else of the file.
fn start(arguments: &TrainArguments, prepared: &Prepared) -> Option<Start> {
    match &arguments.weights {
        Some(path) => Some(Start { path: path.clone(), is_partial: arguments.partial, place: None }),
        None => Start::of_file(prepared, &arguments.run),
    }
}

/// The folder of the weights is there: better to know it before than after.
fn check_room(out: &Path) -> Result<(), Error> {
    let folder = out.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if folder.is_dir() && !out.is_dir() {
        return Ok(());
    }
    let reason = if out.is_dir() { "it is a folder" } else { "its folder is not there" };
    Err(Error::new("E0417", format!("cannot write `{}`: {reason}", out.display())).at(out))
}

/// The first Ctrl-C ends training with a whole checkpoint; a second one ends the program.
pub fn listen() {
    // Without a handler Ctrl-C ends the program at once; files are whole even then.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPT.swap(true, Ordering::Relaxed) {
            std::process::exit(130);
        }
    });
}

/// After Ctrl-C: the way on, as the command has it.
fn how_to_go_on(mut error: Error, checkpoint: &Path) -> Error {
    if error.code == "E0418" {
        error.notes.push(format!("all that was learnt is in `{}`", checkpoint.display()));
        error.help = vec!["go on with the same command and `--resume`".to_owned()];
    }
    error
}

fn say(report: &FitReport, test: Option<&Evaluation>, split: &Split, out: &Path, output: &Output) {
    let loss = report.epochs.last().map_or(f64::NAN, |epoch| epoch.loss);
    if report.stopped == Stopped::EarlyStopping {
        output.line(&format!(
            "stopped after epoch {}: epoch {} was the best",
            report.epochs.len(),
            report.best_epoch.unwrap_or(report.epochs.len())
        ));
    }
    output.line(&format!("{} steps in {:.2} s", report.steps, report.seconds));
    let mut event = Object::event("finished").number("loss", loss);
    if let Some(test) = test {
        let mut line = format!("test loss {}", figure(test.loss));
        event = event.number("test_loss", test.loss);
        for (name, value) in &test.metrics {
            line.push_str(&format!("  {name} {}", figure(*value)));
            event = event.number(&format!("test_{name}"), *value);
        }
        output.line(&format!("{line}  ({} rows)", test.rows));
        if let Some(confusion) = test.confusion.as_ref().filter(|confusion| confusion.classes() <= 12) {
            output.line(&format!("\n{}", confusion.table(split.train.class_names()).trim_end()));
        }
    }
    output.line(&format!("wrote {}", out.display()));
    output.event(
        event
            .whole("steps", report.steps)
            .number("seconds", report.seconds)
            .whole("epochs", report.epochs.len() as u64)
            .text("weights", &out.display().to_string()),
    );
}
