//! How training comes along: a bar on a terminal, lines elsewhere, events for programs.

use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use nnc_runtime::fit::{Callback, EpochReport, FitStart, StepReport};

use super::{Object, Output, figure};

/// A callback that shows each epoch.
pub struct Progress {
    output: Output,
    bar: Option<ProgressBar>,
    epochs: usize,
    shown: Instant,
}

impl Progress {
    /// Shows nothing yet.
    pub fn new(output: Output) -> Self {
        Self { output, bar: None, epochs: 0, shown: Instant::now() }
    }

    /// Says something above the bar.
    pub fn above(&self, say: impl FnOnce(&Output)) {
        match &self.bar {
            Some(bar) => bar.suspend(|| say(&self.output)),
            None => say(&self.output),
        }
    }
}

impl Callback for Progress {
    fn on_start(&mut self, start: &FitStart) {
        self.epochs = start.epochs;
        let steps = (start.steps_per_epoch * start.epochs) as u64;
        if !self.output.is_json() && std::io::stderr().is_terminal() {
            let bar = ProgressBar::new(steps).with_position(start.steps_done.min(steps));
            let style = ProgressStyle::with_template("{wide_bar} {percent}% {msg} eta {eta}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            self.bar = Some(bar);
        }
        self.output.event(
            Object::event("started")
                .whole("epochs", start.epochs as u64)
                .whole("epochs_done", start.epochs_done as u64)
                .whole("steps_per_epoch", start.steps_per_epoch as u64)
                .whole("batch", start.batch as u64)
                .whole("rows", start.rows as u64)
                .whole("validation_rows", start.validation_rows as u64),
        );
    }

    fn on_step(&mut self, report: &StepReport) -> ControlFlow<()> {
        // A look at the clock for every step would cost small models more than the step.
        if let Some(bar) = &self.bar
            && report.step.is_multiple_of(64)
            && self.shown.elapsed() > Duration::from_millis(50)
        {
            self.shown = Instant::now();
            bar.set_position(report.step);
            bar.set_message(format!(
                "epoch {}/{} loss {}",
                report.epoch,
                self.epochs,
                figure(f64::from(report.loss))
            ));
        }
        ControlFlow::Continue(())
    }

    fn on_epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        let width = self.epochs.to_string().len();
        let mut line =
            format!("epoch {:>width$}/{}  loss {}", report.epoch, self.epochs, figure(report.loss));
        if let Some(loss) = report.validation_loss {
            line.push_str(&format!("  validation loss {}", figure(loss)));
        }
        for (name, value) in &report.metrics {
            line.push_str(&format!("  {name} {}", figure(*value)));
        }
        let is_shown = self.epochs <= 40
            || report.epoch == 1
            || report.epoch == self.epochs
            || report.epoch.is_multiple_of(self.epochs.div_ceil(20));
        if is_shown {
            self.above(|output| output.line(&line));
        }
        let mut event = Object::event("epoch")
            .whole("epoch", report.epoch as u64)
            .number("loss", report.loss)
            .whole("steps", report.steps)
            .number("seconds", report.seconds);
        if let Some(loss) = report.validation_loss {
            event = event.number("validation_loss", loss);
        }
        for (name, value) in &report.metrics {
            event = event.number(&format!("validation_{name}"), *value);
        }
        self.output.event(event);
        ControlFlow::Continue(())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
