//! A model in a library of its own: the table of functions by which the command `nnc` uses a model that it has compiled.
//!
//! Both sides are built from the same source of this crate, and the table says which. Nothing but numbers and pointers
//! to them crosses the border.
#![allow(unsafe_code)]

use core::ffi::c_void;
use core::slice::{from_raw_parts, from_raw_parts_mut};

use alloc::boxed::Box;

use crate::model::{Model, Target, Train};
use crate::profile::Profile;
use crate::threads::Threads;

/// Version of [`Table`].
pub const VERSION: u32 = 5;

/// The name of the function that returns the table.
pub const SYMBOL: &[u8] = b"nnc_model_table";

/// It worked.
pub const OK: u32 = 0;
/// The rows do not fit the model.
pub const MISFIT: u32 = 1;
/// The model cannot be trained.
pub const UNTRAINABLE: u32 = 2;

/// Targets of a batch, as plain data.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct RawTarget {
    /// Class indices, or null.
    pub classes: *const u32,
    /// Rows of values, where `classes` is null.
    pub values: *const f32,
    /// Number of classes or values.
    pub len: usize,
}

/// What can be done with a model. Every function takes what `new` returned, but for `new` and those that are of all models
/// of the library.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct Table {
    /// [`VERSION`] of the side that made it.
    pub version: u32,
    /// Gives all models that are made from now on so many threads, at least 1, and returns how many they have: one in a
    /// build without the feature `threads`. It takes no model. A library whose models have several must stay loaded, for
    /// its threads run in it until the process ends.
    pub set_threads: extern "C" fn(usize) -> usize,
    /// A model whose parameters are drawn with the seed.
    pub new: unsafe extern "C" fn(u64) -> *mut c_void,
    /// Frees a model.
    pub free: unsafe extern "C" fn(*mut c_void),
    /// [`Model::predict_rows`].
    pub predict: unsafe extern "C" fn(*const c_void, *const f32, usize, *mut f32, usize) -> u32,
    /// [`Train::step_rows`]; the loss is written to the last argument.
    pub step: unsafe extern "C" fn(*mut c_void, *const f32, usize, RawTarget, *mut f32) -> u32,
    /// [`Train::loss_rows`]; the loss is written to the last argument.
    pub loss: unsafe extern "C" fn(*mut c_void, *const f32, usize, RawTarget, *mut f32) -> u32,
    /// [`Train::first_non_finite`], as the number of the layer, or -1.
    pub first_non_finite: unsafe extern "C" fn(*const c_void) -> i64,
    /// [`Train::steps`].
    pub steps: unsafe extern "C" fn(*const c_void) -> u64,
    /// [`Train::set_steps`].
    pub set_steps: unsafe extern "C" fn(*mut c_void, u64),
    /// [`Train::learning_rate`], NaN for none.
    pub learning_rate: unsafe extern "C" fn(*const c_void) -> f64,
    /// [`Train::set_learning_rate`].
    pub set_learning_rate: unsafe extern "C" fn(*mut c_void, f64),
    /// [`Train::set_horizon`].
    pub set_horizon: unsafe extern "C" fn(*mut c_void, u64, u64),
    /// [`Train::end_epoch`].
    pub end_epoch: unsafe extern "C" fn(*mut c_void, f64),
    /// [`Train::scheduled_rate`], NaN for none.
    pub scheduled_rate: unsafe extern "C" fn(*const c_void) -> f64,
    /// [`Train::schedule`]: where it lies and its length.
    pub schedule: unsafe extern "C" fn(*const c_void, *mut usize) -> *const f64,
    /// [`Train::set_schedule`].
    pub set_schedule: unsafe extern "C" fn(*mut c_void, *const f64, usize),
    /// [`Train::carried`].
    pub carried: unsafe extern "C" fn(*const c_void) -> usize,
    /// [`Train::reset_state`].
    pub reset_state: unsafe extern "C" fn(*mut c_void),
    /// [`Train::read_carried`].
    pub read_carried: unsafe extern "C" fn(*const c_void, *mut f32, usize),
    /// [`Train::write_carried`].
    pub write_carried: unsafe extern "C" fn(*mut c_void, *const f32, usize),
    /// [`Model::read_tensor`].
    pub read_tensor: unsafe extern "C" fn(*const c_void, usize, *mut f32, usize),
    /// [`Model::write_tensor`].
    pub write_tensor: unsafe extern "C" fn(*mut c_void, usize, *const f32, usize),
    /// [`Train::read_state`].
    pub read_state: unsafe extern "C" fn(*const c_void, usize, usize, *mut f32, usize),
    /// [`Train::write_state`].
    pub write_state: unsafe extern "C" fn(*mut c_void, usize, usize, *const f32, usize),
    /// The time of functions; it takes no model, for it is of all models of the library.
    pub profile: Profile,
}

/// The function that returns the table.
pub type TableFunction = unsafe extern "C" fn() -> *const Table;

/// Tables of models, made from their types.
#[derive(Debug)]
pub struct Exported<M>(core::marker::PhantomData<M>);

impl<M: Model<Elem = f32>> Exported<M> {
    /// The table of a model that predicts and is not trained.
    pub const fn table(new: unsafe extern "C" fn(u64) -> *mut c_void) -> Table {
        Table {
            version: VERSION,
            set_threads,
            new,
            free: free::<M>,
            predict: predict::<M>,
            step: cannot_train,
            loss: cannot_train,
            first_non_finite: no_layer,
            steps: no_steps,
            set_steps: ignore_steps,
            learning_rate: no_rate,
            set_learning_rate: ignore_rate,
            set_horizon: ignore_horizon,
            end_epoch: ignore_loss,
            scheduled_rate: no_rate,
            schedule: no_schedule,
            set_schedule: ignore_schedule,
            carried: none_carried,
            reset_state: nothing_to_reset,
            read_carried: read_nothing,
            write_carried: write_nothing,
            read_tensor: read_tensor::<M>,
            write_tensor: write_tensor::<M>,
            read_state: no_state,
            write_state: ignore_state,
            profile: Profile::OF_BUILD,
        }
    }
}

impl<M: Train<Elem = f32>> Exported<M> {
    /// The table of a model that is trained.
    pub const fn training_table(new: unsafe extern "C" fn(u64) -> *mut c_void) -> Table {
        Table {
            step: step::<M>,
            loss: loss::<M>,
            first_non_finite: first_non_finite::<M>,
            steps: steps::<M>,
            set_steps: set_steps::<M>,
            learning_rate: learning_rate::<M>,
            set_learning_rate: set_learning_rate::<M>,
            set_horizon: set_horizon::<M>,
            end_epoch: end_epoch::<M>,
            scheduled_rate: scheduled_rate::<M>,
            schedule: schedule::<M>,
            set_schedule: set_schedule::<M>,
            carried: carried::<M>,
            reset_state: reset_state::<M>,
            read_carried: read_carried::<M>,
            write_carried: write_carried::<M>,
            read_state: read_state::<M>,
            write_state: write_state::<M>,
            ..Self::table(new)
        }
    }
}

extern "C" fn set_threads(count: usize) -> usize {
    Threads::fix(count.max(1))
}

/// Puts a new model on the heap.
pub fn boxed<M>(model: M) -> *mut c_void {
    Box::into_raw(Box::new(model)).cast()
}

/// # Safety
/// `model` is what [`boxed`] returned for this type, not freed, and nobody else uses it.
unsafe fn model_mut<'a, M>(model: *mut c_void) -> &'a mut M {
    // SAFETY: as above.
    unsafe { &mut *model.cast() }
}

/// # Safety
/// `model` is what [`boxed`] returned for this type, not freed, and nobody writes to it.
unsafe fn model_ref<'a, M>(model: *const c_void) -> &'a M {
    // SAFETY: as above.
    unsafe { &*model.cast() }
}

/// # Safety
/// The pointers of `target` are null or lead to `len` numbers.
unsafe fn target_of<'a>(target: RawTarget) -> Target<'a, f32> {
    if target.classes.is_null() {
        // SAFETY: as above.
        Target::Values(unsafe { from_raw_parts(target.values, target.len) })
    } else {
        // SAFETY: as above.
        Target::Classes(unsafe { from_raw_parts(target.classes, target.len) })
    }
}

// SAFETY, for all functions below: the caller, `nnc`, hands over a model of this library and slices it has borrowed.

unsafe extern "C" fn free<M>(model: *mut c_void) {
    // SAFETY: `boxed` made it, and the caller gives it up.
    drop(unsafe { Box::from_raw(model.cast::<M>()) });
}

unsafe extern "C" fn predict<M: Model<Elem = f32>>(
    model: *const c_void,
    x: *const f32,
    x_len: usize,
    out: *mut f32,
    out_len: usize,
) -> u32 {
    // SAFETY: see above.
    let (model, x, out) =
        unsafe { (model_ref::<M>(model), from_raw_parts(x, x_len), from_raw_parts_mut(out, out_len)) };
    if model.predict_rows(x, out).is_ok() { OK } else { MISFIT }
}

unsafe extern "C" fn step<M: Train<Elem = f32>>(
    model: *mut c_void,
    x: *const f32,
    len: usize,
    target: RawTarget,
    loss: *mut f32,
) -> u32 {
    // SAFETY: see above.
    let (model, x, target, loss) =
        unsafe { (model_mut::<M>(model), from_raw_parts(x, len), target_of(target), &mut *loss) };
    match model.step_rows(x, target) {
        Ok(value) => {
            *loss = value;
            OK
        }
        Err(_) => MISFIT,
    }
}

unsafe extern "C" fn loss<M: Train<Elem = f32>>(
    model: *mut c_void,
    x: *const f32,
    len: usize,
    target: RawTarget,
    loss: *mut f32,
) -> u32 {
    // SAFETY: see above.
    let (model, x, target, loss) =
        unsafe { (model_mut::<M>(model), from_raw_parts(x, len), target_of(target), &mut *loss) };
    match model.loss_rows(x, target) {
        Ok(value) => {
            *loss = value;
            OK
        }
        Err(_) => MISFIT,
    }
}

unsafe extern "C" fn first_non_finite<M: Train<Elem = f32>>(model: *const c_void) -> i64 {
    // SAFETY: see above.
    let model = unsafe { model_ref::<M>(model) };
    let layer = model.first_non_finite();
    layer
        .and_then(|layer| model.info().layers.iter().position(|known| *known == layer))
        .map_or(-1, |at| at as i64)
}

unsafe extern "C" fn steps<M: Train<Elem = f32>>(model: *const c_void) -> u64 {
    // SAFETY: see above.
    unsafe { model_ref::<M>(model) }.steps()
}

unsafe extern "C" fn set_steps<M: Train<Elem = f32>>(model: *mut c_void, steps: u64) {
    // SAFETY: see above.
    unsafe { model_mut::<M>(model) }.set_steps(steps);
}

unsafe extern "C" fn learning_rate<M: Train<Elem = f32>>(model: *const c_void) -> f64 {
    // SAFETY: see above.
    unsafe { model_ref::<M>(model) }.learning_rate().unwrap_or(f64::NAN)
}

unsafe extern "C" fn set_learning_rate<M: Train<Elem = f32>>(model: *mut c_void, lr: f64) {
    // SAFETY: see above.
    unsafe { model_mut::<M>(model) }.set_learning_rate(lr);
}

unsafe extern "C" fn set_horizon<M: Train<Elem = f32>>(
    model: *mut c_void,
    steps_per_epoch: u64,
    epochs: u64,
) {
    // SAFETY: see above.
    unsafe { model_mut::<M>(model) }.set_horizon(steps_per_epoch, epochs);
}

unsafe extern "C" fn end_epoch<M: Train<Elem = f32>>(model: *mut c_void, loss: f64) {
    // SAFETY: see above.
    unsafe { model_mut::<M>(model) }.end_epoch(loss);
}

unsafe extern "C" fn scheduled_rate<M: Train<Elem = f32>>(model: *const c_void) -> f64 {
    // SAFETY: see above.
    unsafe { model_ref::<M>(model) }.scheduled_rate().unwrap_or(f64::NAN)
}

unsafe extern "C" fn schedule<M: Train<Elem = f32>>(model: *const c_void, len: *mut usize) -> *const f64 {
    // SAFETY: see above.
    let (model, len) = unsafe { (model_ref::<M>(model), &mut *len) };
    let schedule = model.schedule();
    *len = schedule.len();
    schedule.as_ptr()
}

unsafe extern "C" fn set_schedule<M: Train<Elem = f32>>(model: *mut c_void, values: *const f64, len: usize) {
    // SAFETY: see above.
    unsafe { model_mut::<M>(model).set_schedule(from_raw_parts(values, len)) };
}

unsafe extern "C" fn carried<M: Train<Elem = f32>>(model: *const c_void) -> usize {
    // SAFETY: see above.
    unsafe { model_ref::<M>(model) }.carried()
}

unsafe extern "C" fn reset_state<M: Train<Elem = f32>>(model: *mut c_void) {
    // SAFETY: see above.
    unsafe { model_mut::<M>(model) }.reset_state();
}

unsafe extern "C" fn read_carried<M: Train<Elem = f32>>(model: *const c_void, out: *mut f32, len: usize) {
    // SAFETY: see above.
    unsafe { model_ref::<M>(model).read_carried(from_raw_parts_mut(out, len)) };
}

unsafe extern "C" fn write_carried<M: Train<Elem = f32>>(model: *mut c_void, x: *const f32, len: usize) {
    // SAFETY: see above.
    unsafe { model_mut::<M>(model).write_carried(from_raw_parts(x, len)) };
}

unsafe extern "C" fn read_tensor<M: Model<Elem = f32>>(
    model: *const c_void,
    tensor: usize,
    out: *mut f32,
    len: usize,
) {
    // SAFETY: see above.
    unsafe { model_ref::<M>(model).read_tensor(tensor, from_raw_parts_mut(out, len)) };
}

unsafe extern "C" fn write_tensor<M: Model<Elem = f32>>(
    model: *mut c_void,
    tensor: usize,
    x: *const f32,
    len: usize,
) {
    // SAFETY: see above.
    unsafe { model_mut::<M>(model).write_tensor(tensor, from_raw_parts(x, len)) };
}

unsafe extern "C" fn read_state<M: Train<Elem = f32>>(
    model: *const c_void,
    state: usize,
    tensor: usize,
    out: *mut f32,
    len: usize,
) {
    // SAFETY: see above.
    unsafe { model_ref::<M>(model).read_state(state, tensor, from_raw_parts_mut(out, len)) };
}

unsafe extern "C" fn write_state<M: Train<Elem = f32>>(
    model: *mut c_void,
    state: usize,
    tensor: usize,
    x: *const f32,
    len: usize,
) {
    // SAFETY: see above.
    unsafe { model_mut::<M>(model).write_state(state, tensor, from_raw_parts(x, len)) };
}

// What a model that is not trained does instead.

unsafe extern "C" fn cannot_train(_: *mut c_void, _: *const f32, _: usize, _: RawTarget, _: *mut f32) -> u32 {
    UNTRAINABLE
}

unsafe extern "C" fn no_layer(_: *const c_void) -> i64 {
    -1
}

unsafe extern "C" fn no_steps(_: *const c_void) -> u64 {
    0
}

unsafe extern "C" fn ignore_steps(_: *mut c_void, _: u64) {}

unsafe extern "C" fn no_rate(_: *const c_void) -> f64 {
    f64::NAN
}

unsafe extern "C" fn ignore_rate(_: *mut c_void, _: f64) {}

unsafe extern "C" fn ignore_horizon(_: *mut c_void, _: u64, _: u64) {}

unsafe extern "C" fn ignore_loss(_: *mut c_void, _: f64) {}

unsafe extern "C" fn no_schedule(_: *const c_void, len: *mut usize) -> *const f64 {
    // SAFETY: see above.
    unsafe { *len = 0 };
    core::ptr::NonNull::dangling().as_ptr()
}

unsafe extern "C" fn ignore_schedule(_: *mut c_void, _: *const f64, _: usize) {}

unsafe extern "C" fn none_carried(_: *const c_void) -> usize {
    0
}

unsafe extern "C" fn nothing_to_reset(_: *mut c_void) {}

unsafe extern "C" fn read_nothing(_: *const c_void, _: *mut f32, _: usize) {}

unsafe extern "C" fn write_nothing(_: *mut c_void, _: *const f32, _: usize) {}

unsafe extern "C" fn no_state(_: *const c_void, _: usize, _: usize, _: *mut f32, _: usize) {}

unsafe extern "C" fn ignore_state(_: *mut c_void, _: usize, _: usize, _: *const f32, _: usize) {}

/// Exports a model from a library: `export_model! { Iris, train }`, or without `train` one that only predicts.
#[doc(hidden)]
#[macro_export]
macro_rules! __export_model {
    ($model:ident) => {
        $crate::__export_model!(@table $model, table);
    };
    ($model:ident, train) => {
        $crate::__export_model!(@table $model, training_table);
    };
    (@table $model:ident, $table:ident) => {
        /// The functions of the model.
        #[unsafe(no_mangle)]
        pub extern "C" fn nnc_model_table() -> *const $crate::abi::Table {
            unsafe extern "C" fn new(seed: u64) -> *mut ::core::ffi::c_void {
                $crate::abi::boxed($model::new(seed))
            }
            static TABLE: $crate::abi::Table = $crate::abi::Exported::<$model>::$table(new);
            &TABLE
        }
    };
}
