//! The table at the end: a row for each setting, the mean over its seeds in each column.

use super::settings::{MODEL, Setting};
use super::trial::{End, Trial};
use crate::output::{Object, Output, figure};
use nnc_runtime::metrics::Metric;

/// Mean and standard deviation of some runs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    /// The mean.
    pub mean: f64,
    /// The standard deviation of the sample; 0 for one run.
    pub std: f64,
}

impl Spread {
    /// Of these figures; `None` of none.
    pub fn of(values: &[f64]) -> Option<Self> {
        let n = values.len() as f64;
        if values.is_empty() {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let std = if values.len() > 1 { (squares / (n - 1.0)).sqrt() } else { 0.0 };
        Some(Self { mean, std })
    }
}

/// A row: what came of one setting.
#[derive(Debug)]
struct Row<'a> {
    label: &'a str,
    /// By column.
    figures: Vec<Option<Spread>>,
    /// Runs, and those of them that came to an end.
    runs: (usize, usize),
    /// Why the first of the others did not.
    fault: Option<&'a str>,
    is_best: bool,
}

/// What came of all settings.
#[derive(Debug)]
pub struct Summary<'a> {
    columns: Vec<Column<'a>>,
    rows: Vec<Row<'a>>,
    /// The column by which the best was found; none where no figure can be compared.
    judge: Option<usize>,
}

/// A figure of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column<'a> {
    Loss,
    ValidationLoss,
    Validation(&'a str),
    TestLoss,
    Test(&'a str),
    Epochs,
    Seconds,
}

impl<'a> Column<'a> {
    fn name(self) -> String {
        match self {
            Self::Loss => "loss".to_owned(),
            Self::ValidationLoss => "validation loss".to_owned(),
            Self::Validation(name) => format!("validation {name}"),
            Self::TestLoss => "test loss".to_owned(),
            Self::Test(name) => format!("test {name}"),
            Self::Epochs => "epochs".to_owned(),
            Self::Seconds => "seconds".to_owned(),
        }
    }

    fn of(self, trial: &Trial, end: &End) -> Option<f64> {
        let named = |metrics: &[(String, f64)], wanted: &str| {
            metrics.iter().find(|(name, _)| name == wanted).map(|(_, value)| *value)
        };
        let last = trial.epochs.last();
        match self {
            Self::Loss => last.map(|epoch| epoch.loss),
            Self::ValidationLoss => last.and_then(|epoch| epoch.validation_loss),
            Self::Validation(name) => last.and_then(|epoch| named(&epoch.metrics, name)),
            Self::TestLoss => end.test.as_ref().map(|test| test.loss),
            Self::Test(name) => end.test.as_ref().and_then(|test| named(&test.metrics, name)),
            Self::Epochs => Some(trial.epochs.len() as f64),
            Self::Seconds => Some(end.seconds),
        }
    }

    fn text(self, spread: Option<Spread>) -> String {
        let Some(Spread { mean, std }) = spread else { return "-".to_owned() };
        match self {
            Self::Epochs if std == 0.0 => format!("{mean:.0}"),
            Self::Epochs => format!("{mean:.1} ± {std:.1}"),
            Self::Seconds if mean < 1.0 => format!("{mean:.3}"),
            Self::Seconds => format!("{mean:.1}"),
            _ => format!("{} ± {}", figure(mean), figure(std)),
        }
    }

    fn is_higher_better(self) -> bool {
        match self {
            Self::Validation(name) | Self::Test(name) => {
                Metric::of_figure(name).is_some_and(Metric::is_higher_better)
            }
            _ => false,
        }
    }
}

impl<'a> Summary<'a> {
    /// Of all trials.
    pub fn new(settings: &'a [Setting], trials: &'a [Trial], has_validation: bool) -> Self {
        let columns = columns(trials, has_validation);
        let mut rows: Vec<Row<'a>> = settings
            .iter()
            .enumerate()
            .map(|(n, setting)| {
                row(&setting.label, &columns, trials.iter().filter(|trial| trial.setting == n))
            })
            .collect();
        let judge = judge(settings, &columns, &rows);
        let is_higher_better =
            judge.and_then(|n| columns.get(n)).is_some_and(|column| column.is_higher_better());
        let value = |row: &Row<'_>| {
            let spread = row.figures.get(judge?).copied().flatten()?;
            // One that comes to an end with some seeds alone is not the best.
            (row.runs.0 == row.runs.1).then_some(if is_higher_better { -spread.mean } else { spread.mean })
        };
        let best = rows.iter().filter_map(value).fold(f64::INFINITY, f64::min);
        if rows.len() > 1 {
            for row in &mut rows {
                row.is_best = value(row).is_some_and(|value| value <= best);
            }
        }
        Self { columns, rows, judge }
    }

    /// The table, for people.
    pub fn text(&self) -> String {
        let mut cells: Vec<Vec<String>> = vec![
            std::iter::once("setting".to_owned())
                .chain(self.columns.iter().map(|column| column.name()))
                .collect(),
        ];
        for row in &self.rows {
            let mark = if row.is_best { "*" } else { " " };
            let figures = self.columns.iter().zip(&row.figures).map(|(column, spread)| column.text(*spread));
            let label = format!("{mark} {}", row.label);
            cells.push(std::iter::once(label).chain(figures).collect());
        }
        if let Some(head) = cells.first_mut().and_then(|head| head.first_mut()) {
            head.insert_str(0, "  ");
        }
        let widths: Vec<usize> = (0..=self.columns.len())
            .map(|n| cells.iter().filter_map(|row| row.get(n)).map(|cell| cell.chars().count()).max())
            .map(Option::unwrap_or_default)
            .collect();
        let mut text = String::new();
        for (n, line) in cells.iter().enumerate() {
            let padded: Vec<String> =
                line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            text.push_str(padded.join("  ").trim_end());
            text.push('\n');
            let row = n.checked_sub(1).and_then(|n| self.rows.get(n));
            if let Some((row, fault)) = row.and_then(|row| Some((row, row.fault?))) {
                let (runs, ended) = row.runs;
                text.push_str(&format!("      {} of {runs} runs failed: {fault}\n", runs - ended));
            }
        }
        if self.rows.iter().any(|row| row.is_best) {
            let judge = self.judge.and_then(|n| self.columns.get(n));
            let most =
                if judge.is_some_and(|column| column.is_higher_better()) { "highest" } else { "lowest" };
            let name = judge.map_or_else(String::new, |column| column.name());
            text.push_str(&format!("* {most} {name}, by the mean over seeds\n"));
        }
        text
    }

    /// An event for each setting, for programs.
    pub fn events(&self, output: &Output) {
        for (n, row) in self.rows.iter().enumerate() {
            let mut event = Object::event("setting")
                .whole("setting", n as u64)
                .text("label", row.label)
                .whole("runs", row.runs.0 as u64)
                .whole("failed", (row.runs.0 - row.runs.1) as u64)
                .whole("best", u64::from(row.is_best));
            for (column, spread) in self.columns.iter().zip(&row.figures) {
                if let Some(spread) = spread {
                    let name = column.name().replace(' ', "_");
                    event = event.number(&name, spread.mean).number(&format!("{name}_std"), spread.std);
                }
            }
            output.event(event);
        }
    }
}

/// By what the best is found: the loss of rows that are not trained on. Where losses differ they cannot be compared;
/// then it is the first metric that all have.
fn judge(settings: &[Setting], columns: &[Column<'_>], rows: &[Row<'_>]) -> Option<usize> {
    let loss = |setting: &Setting| {
        // Models of a file may differ in it too.
        let of = setting.set.iter().filter(|(name, _)| matches!(name.as_str(), "loss" | MODEL));
        of.map(|(_, value)| value.clone()).collect::<Vec<_>>()
    };
    let has_one_loss = settings.windows(2).all(|pair| match pair {
        [a, b] => loss(a) == loss(b),
        _ => true,
    });
    let is_known = |n: usize| {
        let ended = rows.iter().filter(|row| row.runs.1 > 0);
        ended.map(|row| row.figures.get(n).copied().flatten()).all(|figure| figure.is_some())
    };
    let first = |wanted: fn(Column<'_>) -> bool| {
        (0..columns.len()).find(|n| columns.get(*n).is_some_and(|column| wanted(*column)) && is_known(*n))
    };
    if has_one_loss {
        return first(|column| column == Column::ValidationLoss)
            .or_else(|| first(|column| column == Column::TestLoss))
            .or_else(|| first(|column| column == Column::Loss));
    }
    first(|column| matches!(column, Column::Validation(_)))
        .or_else(|| first(|column| matches!(column, Column::Test(_))))
}

fn row<'a>(label: &'a str, columns: &[Column<'_>], trials: impl Iterator<Item = &'a Trial>) -> Row<'a> {
    let trials: Vec<&Trial> = trials.collect();
    let ended: Vec<(&Trial, &End)> =
        trials.iter().filter_map(|trial| Some((*trial, trial.end.as_ref().ok()?))).collect();
    let figures = columns
        .iter()
        .map(|column| {
            let values: Vec<f64> = ended.iter().filter_map(|(trial, end)| column.of(trial, end)).collect();
            Spread::of(&values)
        })
        .collect();
    let fault = trials.iter().find_map(|trial| trial.end.as_ref().err()).map(|error| error.message.as_str());
    Row { label, figures, runs: (trials.len(), ended.len()), fault, is_best: false }
}

/// The columns that the trials have figures for.
fn columns(trials: &[Trial], has_validation: bool) -> Vec<Column<'_>> {
    let mut columns = vec![Column::Loss];
    if has_validation {
        columns.push(Column::ValidationLoss);
        let metrics = trials.iter().flat_map(|trial| &trial.epochs).flat_map(|epoch| &epoch.metrics);
        for (name, _) in metrics {
            if !columns.contains(&Column::Validation(name)) {
                columns.push(Column::Validation(name));
            }
        }
    }
    let tests = trials.iter().filter_map(|trial| trial.end.as_ref().ok()?.test.as_ref());
    for (n, test) in tests.enumerate() {
        if n == 0 {
            columns.push(Column::TestLoss);
        }
        for (name, _) in &test.metrics {
            if !columns.contains(&Column::Test(name)) {
                columns.push(Column::Test(name));
            }
        }
    }
    columns.extend([Column::Epochs, Column::Seconds]);
    columns
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_spread_is_that_of_a_sample() {
        assert_eq!(Spread::of(&[]), None);
        assert_eq!(Spread::of(&[2.0]), Some(Spread { mean: 2.0, std: 0.0 }));
        assert_eq!(Spread::of(&[1.0, 2.0, 3.0]), Some(Spread { mean: 2.0, std: 1.0 }));
    }
}
