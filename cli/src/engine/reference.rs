//! The reference interpreter as a model: f64 inside, f32 at the border.

use std::cell::RefCell;

use nnc_compiler::graph::Graph;
use nnc_compiler::reference::{Draw, Draws, Interpreter, Targets};
use nnc_runtime::kernels::random;
use nnc_runtime::model::{LayerInfo, Model, ModelInfo, ShapeError, StepError, Target, Train};
use nnc_runtime::{Error, Rng};

/// Initial values as emitted code draws them.
struct Seeded(u64);

impl Draws for Seeded {
    fn draw(&self, tensor: usize, index: u64, draw: Draw) -> f64 {
        let rng = Rng::of_tensor(self.0, tensor);
        match draw {
            Draw::Uniform => rng.uniform(index),
            Draw::Normal => rng.normal(index),
            Draw::Truncated => rng.truncated(index),
        }
    }

    fn orthogonal(&self, (rows, columns): (usize, usize), normal: &dyn Fn(u64) -> f64) -> Vec<f64> {
        nnc_runtime::orthogonal(rows, columns, normal).into_vec()
    }
}

/// An interpreted model.
pub struct Interpreted {
    interpreter: Interpreter,
    info: &'static ModelInfo,
    /// The inputs of the last step, which the search for a number that is not finite runs through again.
    last: RefCell<Vec<f64>>,
}

nnc_runtime::__private::debug!(Interpreted);

impl Interpreted {
    /// A model whose parameters are drawn as the emitted code draws them.
    ///
    /// # Errors
    /// E0503 when the graph cannot be differentiated, which was checked before.
    pub fn new(graph: &Graph, info: &'static ModelInfo, seed: u64) -> Result<Self, Error> {
        let mut interpreter = Interpreter::new(graph)
            .map_err(|_| Error::new("E0503", "the graph has no gradient, though it was checked"))?;
        interpreter.initialize(&Seeded(seed));
        set_draws(&mut interpreter, seed);
        Ok(Self { interpreter, info, last: RefCell::default() })
    }
}

/// Random numbers of layers as emitted code draws them.
pub fn set_draws(interpreter: &mut Interpreter, seed: u64) {
    interpreter.set_draws(move |step, draw, sample, feature| {
        random::draw(random::Draws { seed, step }, draw.stream, draw.is_normal, sample, feature)
    });
}

impl Interpreted {
    /// Parameters and states as they are saved, in f32: a run that is resumed goes on with the same numbers.
    fn round(&mut self) {
        let round = |values: Option<&mut ndarray::ArrayD<f64>>| {
            values.into_iter().flatten().for_each(|value| *value = f64::from(*value as f32));
        };
        self.interpreter.carried_mut().iter_mut().for_each(|rows| round(Some(rows)));
        for tensor in 0..self.info.tensors.len() {
            round(self.interpreter.parameter_mut(tensor));
            for state in 0..self.info.states.len() {
                round(self.interpreter.state_mut(state, tensor));
            }
        }
    }
}

fn wide(values: &[f32]) -> Vec<f64> {
    values.iter().copied().map(f64::from).collect()
}

/// Runs `f` with the targets in f64.
fn with_targets<T>(target: Target<'_, f32>, f: impl FnOnce(Targets<'_>) -> T) -> T {
    match target {
        Target::Classes(classes) => f(Targets::Classes(classes)),
        Target::Values(values) => f(Targets::Values(&wide(values))),
    }
}

fn copy_out<'a>(values: Option<impl Iterator<Item = &'a f64>>, out: &mut [f32]) {
    for (to, from) in out.iter_mut().zip(values.into_iter().flatten()) {
        *to = *from as f32;
    }
}

fn copy_in<'a>(to: Option<impl Iterator<Item = &'a mut f64>>, values: &[f32]) {
    for (to, from) in to.into_iter().flatten().zip(values) {
        *to = f64::from(*from);
    }
}

impl Model for Interpreted {
    type Elem = f32;

    fn info(&self) -> &'static ModelInfo {
        self.info
    }

    fn predict_rows(&self, x: &[f32], out: &mut [f32]) -> Result<(), ShapeError> {
        self.info.check_rows(x.len(), out.len())?;
        if x.is_empty() {
            return Ok(());
        }
        let y = self.interpreter.predict(&wide(x));
        copy_out(Some(y.iter()), out);
        Ok(())
    }

    fn read_tensor(&self, tensor: usize, out: &mut [f32]) {
        copy_out(self.interpreter.parameter(tensor).map(|values| values.iter()), out);
    }

    fn write_tensor(&mut self, tensor: usize, values: &[f32]) {
        copy_in(self.interpreter.parameter_mut(tensor).map(|values| values.iter_mut()), values);
    }
}

impl Train for Interpreted {
    fn step_rows(&mut self, x: &[f32], target: Target<'_, f32>) -> Result<f32, StepError> {
        self.info.check_batch(x, &target)?;
        let x = wide(x);
        let loss = with_targets(target, |target| self.interpreter.step(&x, target));
        self.round();
        self.last.replace(x);
        Ok(loss as f32)
    }

    fn loss_rows(&mut self, x: &[f32], target: Target<'_, f32>) -> Result<f32, StepError> {
        self.info.check_batch(x, &target)?;
        Ok(with_targets(target, |target| self.interpreter.loss(&wide(x), target)) as f32)
    }

    fn first_non_finite(&self) -> Option<LayerInfo> {
        let layer = self.interpreter.first_non_finite(&self.last.borrow())?;
        self.info.layers.get(layer).copied()
    }

    fn steps(&self) -> u64 {
        self.interpreter.steps()
    }

    fn set_steps(&mut self, steps: u64) {
        self.interpreter.set_steps(steps);
    }

    fn learning_rate(&self) -> Option<f64> {
        self.interpreter.learning_rate()
    }

    fn set_learning_rate(&mut self, lr: f64) {
        self.interpreter.set_learning_rate(lr);
    }

    fn set_horizon(&mut self, steps_per_epoch: u64, epochs: u64) {
        self.interpreter.set_horizon(steps_per_epoch, epochs);
    }

    fn end_epoch(&mut self, loss: f64) {
        self.interpreter.end_epoch(loss);
    }

    fn scheduled_rate(&self) -> Option<f64> {
        self.interpreter.scheduled_rate()
    }

    fn schedule(&self) -> &[f64] {
        self.interpreter.schedule()
    }

    fn set_schedule(&mut self, values: &[f64]) {
        self.interpreter.set_schedule(values);
    }

    fn carried(&self) -> usize {
        self.interpreter.carried().iter().map(ndarray::ArrayD::len).sum()
    }

    fn reset_state(&mut self) {
        self.interpreter.reset_state();
    }

    fn read_carried(&self, out: &mut [f32]) {
        copy_out(Some(self.interpreter.carried().iter().flatten()), out);
    }

    fn write_carried(&mut self, values: &[f32]) {
        copy_in(Some(self.interpreter.carried_mut().iter_mut().flatten()), values);
    }

    fn read_state(&self, state: usize, tensor: usize, out: &mut [f32]) {
        copy_out(self.interpreter.state(state, tensor).map(|values| values.iter()), out);
    }

    fn write_state(&mut self, state: usize, tensor: usize, values: &[f32]) {
        copy_in(self.interpreter.state_mut(state, tensor).map(|values| values.iter_mut()), values);
    }
}
