//! `nnc sweep`: every combination of settings, trained with several seeds, side by side.

mod pictures;
mod place;
mod record;
mod settings;
mod summary;
mod trial;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};

use indicatif::{ProgressBar, ProgressStyle};
use nnc_runtime::Error;
use nnc_runtime::file::{check_writable, write_atomic};

use crate::arguments::{Plot, Run, Source, SweepArguments};
use crate::output::{Object, Output, figure};
use crate::session::{Prepared, can_be_measured, can_be_trained, can_warm_up};
use crate::source::Failure;
use crate::train::{INTERRUPT, listen};
use settings::{MODEL, Setting, settings};
use trial::Trial;

/// What all runs of a sweep share.
pub struct Job<'a> {
    arguments: &'a SweepArguments,
    settings: &'a [Setting],
    /// For each setting: held while it is compiled.
    locks: Vec<Mutex<()>>,
    plot: &'a Plot,
    epochs: Option<usize>,
}

impl Job<'_> {
    /// A run as the other subcommands have it.
    fn run_of(&self, setting: usize, seed: u64) -> Run {
        let arguments = self.arguments;
        let all = self.settings.get(setting).map(|setting| setting.set.clone()).unwrap_or_default();
        let (model, set): (Vec<_>, Vec<_>) = all.into_iter().partition(|(name, _)| name == MODEL);
        let model = model.into_iter().next().map(|(_, model)| model);
        Run {
            source: Source { file: arguments.source.file.clone(), model, no_fold: false, set },
            data: arguments.data.clone(),
            seed: Some(seed),
            engine: arguments.engine,
            threads: Some(1),
            message_format: arguments.message_format,
        }
    }

    fn lock_of(&self, setting: usize) -> Option<MutexGuard<'_, ()>> {
        // What it guards is the order of work alone.
        self.locks.get(setting).map(|lock| lock.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Runs the sweep, and shows and writes what came out.
pub fn run(arguments: &SweepArguments, output: &Output) -> Result<(), Failure> {
    arguments.source.not_set("epochs", "--epochs", arguments.epochs.is_some())?;
    let seeds = seeds(arguments)?;
    let settings = settings(arguments.source.model.as_deref(), &arguments.source.set, seeds.len())?;
    let epochs = arguments.epochs.and_then(|epochs| usize::try_from(epochs).ok());
    let job = Job {
        arguments,
        settings: &settings,
        locks: settings.iter().map(|_| Mutex::new(())).collect(),
        plot: &arguments.plot,
        epochs,
    };
    let picture = picture_path(arguments);
    let table = picture.with_extension("csv");
    check_writable(&picture)?;
    check_writable(&table)?;
    let has_validation = check(&job, output)?;
    let trials = train(&job, &seeds, output)?;
    let summary = summary::Summary::new(&settings, &trials, has_validation);
    output.line(&summary.text());
    summary.events(output);
    let chart = pictures::draw(&job, &trials, has_validation, output)?;
    let figures = record::csv(&settings, &trials, has_validation);
    write_atomic(&picture, |file| file.write_all(chart.as_bytes()))?;
    write_atomic(&table, |file| file.write_all(figures.as_bytes()))?;
    output.line(&format!("wrote {} and {}", picture.display(), table.display()));
    output.event(
        Object::event("finished")
            .whole("runs", trials.len() as u64)
            .text("picture", &picture.display().to_string())
            .text("figures", &table.display().to_string()),
    );
    // When no run came to an end there is nothing to compare.
    let mut trials = trials;
    match trials.iter().position(|trial| trial.end.is_ok()) {
        Some(_) => Ok(()),
        None => match trials.swap_remove(0).end {
            Err(error) => Err(error.note("no run of the sweep came to an end").into()),
            Ok(_) => Ok(()),
        },
    }
}

/// The seeds, each once.
fn seeds(arguments: &SweepArguments) -> Result<Vec<u64>, Error> {
    let mut seeds: Vec<u64> = Vec::with_capacity(arguments.seeds.len());
    for seed in &arguments.seeds {
        if seeds.contains(seed) {
            return Err(Error::new("E0205", format!("`--seeds` lists {seed} twice"))
                .note("the same seed gives the same run"));
        }
        seeds.push(*seed);
    }
    Ok(seeds)
}

/// Where the picture goes.
fn picture_path(arguments: &SweepArguments) -> PathBuf {
    let stem = arguments.source.file.file_stem().unwrap_or_default().to_string_lossy();
    let name = format!("{stem}-sweep.svg");
    match &arguments.out {
        None => PathBuf::from(name),
        Some(out) if out.extension().is_some_and(|extension| extension == "svg") => out.clone(),
        Some(folder) => Path::new(folder).join(name),
    }
}

/// Everything that can be wrong with a setting, before the first run: it is a fault of the command, not of a run.
/// Returns whether rows are set aside for validation.
fn check(job: &Job<'_>, output: &Output) -> Result<bool, Failure> {
    let mut has_validation = true;
    for setting in 0..job.settings.len() {
        let output = if setting == 0 { *output } else { output.quiet() };
        let run = job.run_of(setting, 0);
        let prepared = Prepared::new(&run, None, &output, |model| {
            can_be_measured(model, &run)?;
            can_be_trained(model, &run)?;
            can_warm_up(model, &run, job.epochs)
        })?;
        prepared.metrics()?;
        if let Plot::Path(a, b) = job.plot {
            place::Place::both(prepared.info, a, b)?;
        }
        if setting > 0 {
            continue;
        }
        let (split, is_set_aside) = trial::rows(&prepared, job, setting)?;
        has_validation = is_set_aside;
        if split.validation.is_none() && matches!(job.plot, Plot::Validation | Plot::Metric(_)) {
            return Err(Error::new("E0416", "there are no rows to measure that are not trained on")
                .at(&run.source.file)
                .help("set `validation 0.2` or `split 0.8` in the section `data`, or plot `loss`")
                .into());
        }
    }
    Ok(has_validation)
}

/// All runs, some at the same time; the result does not depend on how many.
fn train(job: &Job<'_>, seeds: &[u64], output: &Output) -> Result<Vec<Trial>, Failure> {
    listen();
    // All settings with the first seed come first, so that compilation is spread over the threads.
    let runs: Vec<(usize, u64)> =
        seeds.iter().flat_map(|seed| (0..job.settings.len()).map(move |setting| (setting, *seed))).collect();
    let available = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = job.arguments.jobs.map_or(available, |jobs| jobs as usize).clamp(1, runs.len().max(1));
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let bar = progress(runs.len(), output);
    let mut trials: Vec<Trial> = Vec::with_capacity(runs.len());
    std::thread::scope(|scope| {
        for _ in 0..jobs {
            let (sender, next, runs) = (sender.clone(), &next, &runs);
            scope.spawn(move || {
                while let Some((setting, seed)) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let is_first = *setting == 0 && Some(seed) == seeds.first();
                    let output = if is_first { *output } else { output.quiet() };
                    let trial = trial::run(job, *setting, *seed, &INTERRUPT, &output);
                    if sender.send(trial).is_err() || INTERRUPT.load(Ordering::Relaxed) {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for trial in receiver {
            tell(&trial, job, trials.len() + 1, runs.len(), bar.as_ref(), output);
            trials.push(trial);
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    if INTERRUPT.load(Ordering::Relaxed) {
        let message = format!("interrupted after {} of {} runs", trials.len(), runs.len());
        return Err(Error::new("E0418", message).note("nothing was written").into());
    }
    let place = |trial: &Trial| seeds.iter().position(|seed| *seed == trial.seed);
    trials.sort_by_key(|trial| (trial.setting, place(trial)));
    Ok(trials)
}

/// A bar on a terminal.
fn progress(runs: usize, output: &Output) -> Option<ProgressBar> {
    use std::io::IsTerminal;
    if output.is_json() || !std::io::stderr().is_terminal() {
        return None;
    }
    let bar = ProgressBar::new(runs as u64);
    let style = ProgressStyle::with_template("{wide_bar} {pos}/{len} runs, {msg} eta {eta}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.tick();
    Some(bar)
}

/// A run that is done.
fn tell(trial: &Trial, job: &Job<'_>, n: usize, of: usize, bar: Option<&ProgressBar>, output: &Output) {
    let label = job.settings.get(trial.setting).map_or("", |setting| setting.label.as_str());
    let loss = trial.epochs.last().map_or(f64::NAN, |epoch| epoch.loss);
    match bar {
        Some(bar) => {
            bar.set_message(label.to_owned());
            bar.inc(1);
        }
        None => {
            let end = match &trial.end {
                Ok(_) => format!("loss {}", figure(loss)),
                Err(error) => error.message.clone(),
            };
            output.status(&format!("run {n} of {of}: {label}, seed {}: {end}", trial.seed));
        }
    }
    let mut event = Object::event("run")
        .whole("setting", trial.setting as u64)
        .text("label", label)
        .whole("seed", trial.seed)
        .whole("epochs", trial.epochs.len() as u64);
    match &trial.end {
        Ok(end) => {
            event = event.number("loss", loss);
            if let Some(loss) = trial.epochs.last().and_then(|epoch| epoch.validation_loss) {
                event = event.number("validation_loss", loss);
            }
            if let Some(test) = &end.test {
                event = event.number("test_loss", test.loss);
                for (name, value) in &test.metrics {
                    event = event.number(&format!("test_{name}"), *value);
                }
            }
            event = event.number("seconds", end.seconds);
        }
        Err(error) => event = event.text("code", error.code).text("message", &error.message),
    }
    output.event(event);
}
