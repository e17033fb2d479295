//! A model in a loaded library.
#![allow(unsafe_code)]

use std::ffi::c_void;
use std::rc::Rc;

use nnc_runtime::abi::{OK, RawTarget, Table};
use nnc_runtime::model::{LayerInfo, Model, ModelInfo, ShapeError, StepError, Target, Train};

use super::library::Library;
use super::profiler::{Profiler, Watched};

/// The model. Its fields are freed in order: the model first, then the code that it runs.
pub struct Compiled {
    model: Handle,
    info: &'static ModelInfo,
    /// What takes the time of its functions.
    profiler: Option<Profiler>,
    _library: Rc<Library>,
}

struct Handle {
    table: &'static Table,
    model: *mut c_void,
}

nnc_runtime::__private::debug!(Compiled);

impl Drop for Handle {
    fn drop(&mut self) {
        // SAFETY: `new` of the same table made it, and nobody uses it afterwards.
        unsafe { (self.table.free)(self.model) };
    }
}

impl Compiled {
    /// A model of this library, whose parameters are drawn with `seed`.
    pub fn new(library: Rc<Library>, info: &'static ModelInfo, seed: u64) -> Self {
        let table = library.table();
        // SAFETY: the library is loaded, and the function has no requirement.
        let model = unsafe { (table.new)(seed) };
        Self { model: Handle { table, model }, info, profiler: None, _library: library }
    }

    /// The same, with something that takes the time of its functions: the library is made for it.
    pub fn profiled(self, profiler: Profiler) -> Self {
        Self { profiler: Some(profiler), ..self }
    }

    /// Runs a call of the library, and has its time taken where somebody wants that.
    fn timed<T>(&self, call: Watched, samples: usize, run: impl FnOnce() -> T) -> T {
        match &self.profiler {
            Some(profiler) => profiler.time(call, samples, run),
            None => run(),
        }
    }

    fn table(&self) -> &'static Table {
        self.model.table
    }
}

fn raw(target: Target<'_, f32>) -> RawTarget {
    match target {
        Target::Classes(classes) => {
            RawTarget { classes: classes.as_ptr(), values: std::ptr::null(), len: classes.len() }
        }
        Target::Values(values) => {
            RawTarget { classes: std::ptr::null(), values: values.as_ptr(), len: values.len() }
        }
    }
}

// SAFETY, for all calls below: the model was made by the same table and lives as long as `self`; slices are borrowed
// for the call; and `&mut self` is had wherever the model is changed.

impl Model for Compiled {
    type Elem = f32;

    fn info(&self) -> &'static ModelInfo {
        self.info
    }

    fn predict_rows(&self, x: &[f32], out: &mut [f32]) -> Result<(), ShapeError> {
        let samples = self.info.check_rows(x.len(), out.len())?;
        let run = || {
            // SAFETY: see above.
            unsafe {
                (self.table().predict)(self.model.model, x.as_ptr(), x.len(), out.as_mut_ptr(), out.len())
            }
        };
        let code = self.timed(Watched::Predictions, samples, run);
        if code == OK {
            return Ok(());
        }
        // Of other code than the description: nothing was predicted.
        Err(ShapeError { what: "input", expected: self.info.input_len(), is_of_sample: true, found: x.len() })
    }

    fn read_tensor(&self, tensor: usize, out: &mut [f32]) {
        // SAFETY: see above.
        unsafe { (self.table().read_tensor)(self.model.model, tensor, out.as_mut_ptr(), out.len()) }
    }

    fn write_tensor(&mut self, tensor: usize, values: &[f32]) {
        // SAFETY: see above.
        unsafe { (self.table().write_tensor)(self.model.model, tensor, values.as_ptr(), values.len()) }
    }
}

impl Train for Compiled {
    fn step_rows(&mut self, x: &[f32], target: Target<'_, f32>) -> Result<f32, StepError> {
        let samples = self.info.check_batch(x, &target)?;
        let mut loss = f32::NAN;
        let run = || {
            // SAFETY: see above.
            unsafe { (self.table().step)(self.model.model, x.as_ptr(), x.len(), raw(target), &mut loss) }
        };
        let code = self.timed(Watched::Steps, samples, run);
        if code == OK { Ok(loss) } else { Err(StepError::Target { expected: 0, found: target.len() }) }
    }

    fn loss_rows(&mut self, x: &[f32], target: Target<'_, f32>) -> Result<f32, StepError> {
        self.info.check_batch(x, &target)?;
        let mut loss = f32::NAN;
        // SAFETY: see above.
        let code =
            unsafe { (self.table().loss)(self.model.model, x.as_ptr(), x.len(), raw(target), &mut loss) };
        if code == OK { Ok(loss) } else { Err(StepError::Target { expected: 0, found: target.len() }) }
    }

    fn first_non_finite(&self) -> Option<LayerInfo> {
        // SAFETY: see above.
        let layer = unsafe { (self.table().first_non_finite)(self.model.model) };
        usize::try_from(layer).ok().and_then(|layer| self.info.layers.get(layer)).copied()
    }

    fn steps(&self) -> u64 {
        // SAFETY: see above.
        unsafe { (self.table().steps)(self.model.model) }
    }

    fn set_steps(&mut self, steps: u64) {
        // SAFETY: see above.
        unsafe { (self.table().set_steps)(self.model.model, steps) }
    }

    fn learning_rate(&self) -> Option<f64> {
        // SAFETY: see above.
        let lr = unsafe { (self.table().learning_rate)(self.model.model) };
        (!lr.is_nan()).then_some(lr)
    }

    fn set_learning_rate(&mut self, lr: f64) {
        // SAFETY: see above.
        unsafe { (self.table().set_learning_rate)(self.model.model, lr) }
    }

    fn set_horizon(&mut self, steps_per_epoch: u64, epochs: u64) {
        // SAFETY: see above.
        unsafe { (self.table().set_horizon)(self.model.model, steps_per_epoch, epochs) }
    }

    fn end_epoch(&mut self, loss: f64) {
        // SAFETY: see above.
        unsafe { (self.table().end_epoch)(self.model.model, loss) }
    }

    fn scheduled_rate(&self) -> Option<f64> {
        // SAFETY: see above.
        let rate = unsafe { (self.table().scheduled_rate)(self.model.model) };
        (!rate.is_nan()).then_some(rate)
    }

    fn schedule(&self) -> &[f64] {
        let mut len = 0;
        // SAFETY: see above; what is returned is borrowed from the model.
        unsafe {
            let values = (self.table().schedule)(self.model.model, &raw mut len);
            std::slice::from_raw_parts(values, len)
        }
    }

    fn set_schedule(&mut self, values: &[f64]) {
        // SAFETY: see above.
        unsafe { (self.table().set_schedule)(self.model.model, values.as_ptr(), values.len()) }
    }

    fn carried(&self) -> usize {
        // SAFETY: see above.
        unsafe { (self.table().carried)(self.model.model) }
    }

    fn reset_state(&mut self) {
        // SAFETY: see above.
        unsafe { (self.table().reset_state)(self.model.model) }
    }

    fn read_carried(&self, out: &mut [f32]) {
        // SAFETY: see above.
        unsafe { (self.table().read_carried)(self.model.model, out.as_mut_ptr(), out.len()) }
    }

    fn write_carried(&mut self, values: &[f32]) {
        // SAFETY: see above.
        unsafe { (self.table().write_carried)(self.model.model, values.as_ptr(), values.len()) }
    }

    fn read_state(&self, state: usize, tensor: usize, out: &mut [f32]) {
        // SAFETY: see above.
        unsafe { (self.table().read_state)(self.model.model, state, tensor, out.as_mut_ptr(), out.len()) }
    }

    fn write_state(&mut self, state: usize, tensor: usize, values: &[f32]) {
        // SAFETY: see above.
        unsafe { (self.table().write_state)(self.model.model, state, tensor, values.as_ptr(), values.len()) }
    }
}
