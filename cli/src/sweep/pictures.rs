//! What a sweep found, as a picture.

use nnc_runtime::fit::EpochReport;
use nnc_runtime::metrics::figure_of;

use super::Job;
use super::place::surface;
use super::summary::Spread;
use super::trial::Trial;
use crate::arguments::Plot;
use crate::chart::{Axis, Curves, Line, Paths, Point, Way};
use crate::inspect::StageFigures;
use crate::output::Output;
use crate::source::Failure;

/// The picture, as SVG.
///
/// # Errors
/// As those of a run, for the loss around a path.
pub fn draw(
    job: &Job<'_>,
    trials: &[Trial],
    has_validation: bool,
    output: &Output,
) -> Result<String, Failure> {
    let held_out = if has_validation { "validation" } else { "test" };
    let curves = |title: &str, unit: &str, of: &dyn Fn(&EpochReport) -> Option<f64>| {
        by_epoch(job, trials, title, unit, of).svg()
    };
    Ok(match job.plot {
        Plot::Loss => curves("Training loss", "loss", &|epoch| Some(epoch.loss)),
        Plot::Validation => {
            let title = if has_validation { "Validation loss" } else { "Test loss" };
            curves(title, "loss", &|epoch| epoch.validation_loss)
        }
        Plot::Metric(metric) => {
            let name = metric.name();
            let title = format!("{} of the {held_out} rows", capital(name));
            curves(&title, name, &|epoch| figure_of(&epoch.metrics, *metric))
        }
        Plot::Activations => by_layer(
            job,
            trials,
            "Spread of the values by layer, before training",
            "standard deviation",
            &|stage| Some(stage.std),
        )
        .svg(),
        Plot::Gradients => by_layer(
            job,
            trials,
            "Size of the gradient by layer, before training",
            "root mean square of the gradient of the weights",
            &|stage| stage.gradient,
        )
        .svg(),
        Plot::Path(a, b) => path(job, trials, a, b, output)?,
    })
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

fn seeds(job: &Job<'_>) -> String {
    match job.arguments.seeds.len() {
        1 => String::new(),
        n => format!("mean of {n} seeds, band: one standard deviation"),
    }
}

/// A line for each setting: the mean over its seeds at each place, and how far they spread.
fn lines<'a>(
    job: &Job<'_>,
    trials: &'a [Trial],
    figures: impl Fn(&'a Trial) -> Vec<(f64, f64)>,
) -> Vec<Line> {
    let line = |(n, setting): (usize, &super::Setting)| {
        let runs: Vec<Vec<(f64, f64)>> =
            trials.iter().filter(|trial| trial.setting == n).map(&figures).collect();
        let longest = runs.iter().map(Vec::len).max().unwrap_or(0);
        let points = (0..longest).filter_map(|k| {
            let at: Vec<(f64, f64)> =
                runs.iter().filter_map(|run| run.get(k).copied()).filter(|(_, y)| y.is_finite()).collect();
            let values: Vec<f64> = at.iter().map(|(_, y)| *y).collect();
            let spread = Spread::of(&values)?;
            let (low, high) = (spread.mean - spread.std, spread.mean + spread.std);
            Some(Point { x: at.first()?.0, y: spread.mean, low, high })
        });
        Line { label: setting.label.clone(), points: points.collect() }
    };
    job.settings.iter().enumerate().map(line).collect()
}

fn by_epoch(
    job: &Job<'_>,
    trials: &[Trial],
    title: &str,
    unit: &str,
    of: &dyn Fn(&EpochReport) -> Option<f64>,
) -> Curves {
    let figures = |trial: &Trial| {
        trial.epochs.iter().filter_map(|epoch| Some((epoch.epoch as f64, of(epoch)?))).collect()
    };
    Curves {
        title: title.to_owned(),
        subtitle: seeds(job),
        x: Axis::Number("epoch".to_owned()),
        y: unit.to_owned(),
        lines: lines(job, trials, figures),
    }
}

fn by_layer(
    job: &Job<'_>,
    trials: &[Trial],
    title: &str,
    unit: &str,
    of: &dyn Fn(&StageFigures) -> Option<f64>,
) -> Curves {
    let figures = |trial: &Trial| {
        trial
            .stages
            .iter()
            .enumerate()
            .filter_map(|(n, stage)| Some((n as f64 + 1.0, of(stage)?)))
            .collect::<Vec<_>>()
    };
    let longest = trials.iter().map(|trial| trial.stages.as_slice()).max_by_key(|stages| stages.len());
    let names = longest.unwrap_or_default().iter().map(|stage| stage.name.clone()).collect();
    Curves {
        title: title.to_owned(),
        subtitle: seeds(job),
        x: Axis::Names("layer, from input to output".to_owned(), names),
        y: unit.to_owned(),
        lines: lines(job, trials, figures),
    }
}

/// The ways of the first seed over the loss of the first setting.
fn path(job: &Job<'_>, trials: &[Trial], a: &str, b: &str, output: &Output) -> Result<String, Failure> {
    let seed = job.arguments.seeds.first().copied();
    let ways: Vec<Way> = trials
        .iter()
        .filter(|trial| Some(trial.seed) == seed)
        .filter_map(|trial| {
            let label = job.settings.get(trial.setting)?.label.clone();
            let label = if trial.end.is_ok() { label } else { format!("{label} (failed)") };
            let points = trial.path.iter().copied().filter(|point| point.iter().all(|x| x.is_finite()));
            Some(Way { label, points: points.collect(), is_whole: trial.end.is_ok() })
        })
        .collect();
    let (x, y) = Paths::extent(&ways);
    let grid = surface(job, (a, b), x, y, output)?;
    let subtitle = match seed {
        Some(seed) if job.arguments.seeds.len() > 1 => format!("seed {seed}; lines of equal training loss"),
        _ => "lines of equal training loss".to_owned(),
    };
    Ok(Paths {
        title: "Paths of the parameters over the loss".to_owned(),
        subtitle,
        x: a.to_owned(),
        y: b.to_owned(),
        grid,
        ways,
    }
    .svg())
}
