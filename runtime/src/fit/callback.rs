//! What a program does while a model is trained: a progress bar, a log, a decision to stop.

use std::ops::ControlFlow;

use super::report::{EpochReport, FitReport, FitStart, StepReport};

/// Called by [`fit`](super::fit) as it goes. Every method has a default that does nothing; `()` is the callback that
/// does nothing at all, and a closure `|report: &EpochReport| …` one that is called after each epoch.
///
/// ```
/// use std::ops::ControlFlow;
/// use nnc_runtime::fit::{Callback, EpochReport};
///
/// struct Print;
///
/// impl Callback for Print {
///     fn on_epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
///         println!("epoch {}: loss {:.4}", report.epoch, report.loss);
///         if report.loss < 0.01 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
///     }
/// }
/// ```
pub trait Callback {
    /// Before the first step.
    fn on_start(&mut self, _start: &FitStart) {}

    /// After each step; `Break` ends the fit.
    fn on_step(&mut self, _report: &StepReport) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// After each epoch, before [`Callback::on_epoch`], with the model's tensors as they are then: `read` does what
    /// [`Model::read_tensor`](crate::model::Model::read_tensor) does.
    fn on_tensors(&mut self, _epoch: usize, _read: &dyn Fn(usize, &mut [f32])) {}

    /// After each epoch; `Break` ends the fit.
    fn on_epoch(&mut self, _report: &EpochReport) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }

    /// After the last step, unless the fit ended with an error.
    fn on_end(&mut self, _report: &FitReport) {}
}

impl Callback for () {}

/// A closure is called after each epoch.
impl<F: FnMut(&EpochReport) -> ControlFlow<()>> Callback for F {
    fn on_epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        self(report)
    }
}
