//! All figures of a sweep as CSV: one figure a row, so that any tool can group them.

use super::settings::Setting;
use super::trial::Trial;

/// The table: the names that were set, then `seed`, `epoch`, `layer`, `figure`, `value`. Epoch 0 is before training; a
/// run that failed has a row whose figure is `failed`, with the reason as its value.
pub fn csv(settings: &[Setting], trials: &[Trial], has_validation: bool) -> String {
    let names: Vec<&str> = settings
        .first()
        .map(|first| first.set.iter().map(|(name, _)| name.as_str()).collect())
        .unwrap_or_default();
    let mut text = String::new();
    let head = names.iter().copied().chain(["seed", "epoch", "layer", "figure", "value"]);
    push(&mut text, head);
    for trial in trials {
        let set = settings.get(trial.setting).map(|setting| setting.set.as_slice()).unwrap_or_default();
        let mut row = |epoch: usize, layer: &str, figure: &str, value: &str| {
            let (seed, epoch) = (trial.seed.to_string(), epoch.to_string());
            let values = set.iter().map(|(_, value)| value.as_str());
            push(&mut text, values.chain([seed.as_str(), epoch.as_str(), layer, figure, value]));
        };
        for stage in &trial.stages {
            for (figure, value) in stage.figures() {
                row(0, &stage.name, figure, &value.to_string());
            }
        }
        for (epoch, [a, b]) in trial.path.iter().enumerate() {
            row(epoch, "", "path_x", &a.to_string());
            row(epoch, "", "path_y", &b.to_string());
        }
        // Without rows set aside, those of the test are measured by epoch.
        let held_out = if has_validation { "validation" } else { "test" };
        for epoch in &trial.epochs {
            let mut of_epoch = |figure: &str, value: f64| row(epoch.epoch, "", figure, &value.to_string());
            of_epoch("loss", epoch.loss);
            if let Some(loss) = epoch.validation_loss {
                of_epoch(&format!("{held_out}_loss"), loss);
            }
            for (name, value) in &epoch.metrics {
                of_epoch(&format!("{held_out}_{name}"), *value);
            }
            of_epoch("seconds", epoch.seconds);
        }
        let last = trial.epochs.len();
        match &trial.end {
            Ok(end) => {
                row(last, "", "seconds_in_all", &end.seconds.to_string());
                if let Some(test) = &end.test {
                    row(last, "", "final_test_loss", &test.loss.to_string());
                    for (name, value) in &test.metrics {
                        row(last, "", &format!("final_test_{name}"), &value.to_string());
                    }
                }
            }
            Err(error) => row(last, "", "failed", &error.message),
        }
    }
    text
}

fn push<'a>(text: &mut String, cells: impl Iterator<Item = &'a str>) {
    let cells: Vec<String> = cells.map(quoted).collect();
    text.push_str(&cells.join(","));
    text.push('\n');
}

fn quoted(cell: &str) -> String {
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell.to_owned()
    }
}
