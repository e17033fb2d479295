//! A reference to a model, or a box of one, is a model: what takes `impl Train` takes `Box<dyn Train<Elem = f32>>` too.

use alloc::boxed::Box;
use alloc::vec::Vec;

use super::{LayerInfo, Model, ModelInfo, ShapeError, StepError, Target, TensorError, Train};

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        impl<M: Model + ?Sized> Model for $pointer {
            type Elem = M::Elem;

            fn info(&self) -> &'static ModelInfo {
                (**self).info()
            }

            fn predict_rows(&self, x: &[Self::Elem], out: &mut [Self::Elem]) -> Result<(), ShapeError> {
                (**self).predict_rows(x, out)
            }

            fn read_tensor(&self, tensor: usize, out: &mut [Self::Elem]) {
                (**self).read_tensor(tensor, out);
            }

            fn write_tensor(&mut self, tensor: usize, values: &[Self::Elem]) {
                (**self).write_tensor(tensor, values);
            }

            fn tensor(&self, name: &str) -> Option<Vec<Self::Elem>> {
                (**self).tensor(name)
            }

            fn set_tensor(&mut self, name: &str, values: &[Self::Elem]) -> Result<(), TensorError> {
                (**self).set_tensor(name, values)
            }
        }

        impl<M: Train + ?Sized> Train for $pointer {
            fn step_rows(&mut self, x: &[Self::Elem], target: Target<'_, Self::Elem>) -> Result<f32, StepError> {
                (**self).step_rows(x, target)
            }

            fn loss_rows(&mut self, x: &[Self::Elem], target: Target<'_, Self::Elem>) -> Result<f32, StepError> {
                (**self).loss_rows(x, target)
            }

            fn first_non_finite(&self) -> Option<LayerInfo> {
                (**self).first_non_finite()
            }

            fn steps(&self) -> u64 {
                (**self).steps()
            }

            fn set_steps(&mut self, steps: u64) {
                (**self).set_steps(steps);
            }

            fn learning_rate(&self) -> Option<f64> {
                (**self).learning_rate()
            }

            fn set_learning_rate(&mut self, lr: f64) {
                (**self).set_learning_rate(lr);
            }

            fn set_horizon(&mut self, steps_per_epoch: u64, epochs: u64) {
                (**self).set_horizon(steps_per_epoch, epochs);
            }

            fn end_epoch(&mut self, loss: f64) {
                (**self).end_epoch(loss);
            }

            fn scheduled_rate(&self) -> Option<f64> {
                (**self).scheduled_rate()
            }

            fn schedule(&self) -> &[f64] {
                (**self).schedule()
            }

            fn seed(&self) -> Option<u64> {
                (**self).seed()
            }

            fn set_seed(&mut self, seed: u64) {
                (**self).set_seed(seed);
            }

            fn set_schedule(&mut self, values: &[f64]) {
                (**self).set_schedule(values);
            }

            fn carried(&self) -> usize {
                (**self).carried()
            }

            fn reset_state(&mut self) {
                (**self).reset_state();
            }

            fn read_carried(&self, out: &mut [Self::Elem]) {
                (**self).read_carried(out);
            }

            fn write_carried(&mut self, values: &[Self::Elem]) {
                (**self).write_carried(values);
            }

            fn read_state(&self, state: usize, tensor: usize, out: &mut [Self::Elem]) {
                (**self).read_state(state, tensor, out);
            }

            fn write_state(&mut self, state: usize, tensor: usize, values: &[Self::Elem]) {
                (**self).write_state(state, tensor, values);
            }
        }
    )*};
}

forward!(&mut M, Box<M>);
