//! nnc compiles the description of a neural network into Rust for exactly that network: forward pass, backward pass
//! and optimizer step, with every size a constant.
//!
//! ```
//! use nnc::network;
//!
//! network! {
//!     /// Tells whether exactly one of two inputs is on.
//!     pub model Xor {
//!         input [2]
//!         hidden: dense(8) -> tanh
//!         head: dense(1) -> sigmoid
//!         loss mse
//!         optimizer sgd(lr = 0.5)
//!     }
//!     train { batch 4 }
//! }
//!
//! fn main() -> Result<(), nnc::StepError> {
//!     let x = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
//!     let y = [[0.0], [1.0], [1.0], [0.0]];
//!
//!     let mut xor = Xor::new(7);
//!     for _ in 0..5000 {
//!         xor.train_step(&x, &y)?;
//!     }
//!     assert!(xor.predict(&[1.0, 0.0])[0] > 0.9);
//!     assert!(xor.predict(&[1.0, 1.0])[0] < 0.1);
//!     Ok(())
//! }
//! ```
//!
//! A model comes in by one of three doors, and is the same code behind each:
//!
//! - [`network!`] with the model inside,
//! - [`network!`] with the name of a file: `network!("models/iris.nn")`,
//! - a build script with `nnc_build::compile("models/iris.nn")`, and [`include_model!`] in the source.
//!
//! # Features
//!
//! - `std`: files, the training loop, the variable `NNC_SIMD`.
//! - `ndarray`: batches as views of arrays.
//! - `data`: data sets from CSV, IDX and NPY files, and from texts.
//! - `images`: data sets from folders of PNG files, `jpeg` from JPEG files too.
//! - `threads`: the work of large functions on several cores, as many as `NNC_THREADS` or [`Threads::cap`] says. The
//!   results are the same to the bit.
//!
//! The first three are on by default. Without them the crate is `no_std`, with an allocator, and models still train.

#![no_std]

pub use nnc_macros::network;
#[doc(inline)]
pub use nnc_runtime::model::{
    self, InputInfo, LayerInfo, Model, ModelInfo, OutputInfo, OutputScale, ShapeError, StepError, Target,
    TargetInfo, TargetLimits, TensorError, TensorInfo, Train,
};
/// Of the version that `predict_batch` takes.
#[cfg(feature = "ndarray")]
#[doc(no_inline)]
pub use nnc_runtime::ndarray_api::ndarray;
#[doc(inline)]
pub use nnc_runtime::{Element, Rng, Set, Simd, Threads, outputs, safetensors};
#[cfg(feature = "std")]
#[doc(inline)]
pub use nnc_runtime::{Error, checkpoint, data, fit, metrics};

#[doc(hidden)]
pub use nnc_runtime::__private;

/// The snippets of the guide are tests.
#[cfg(all(doctest, feature = "data", feature = "ndarray"))]
#[doc = include_str!("../docs/rust.md")]
struct Guide;

/// Includes the models that `nnc_build::compile` has compiled from a file, by the file's name without its ending.
///
/// That the file "couldn't be read" means that no build script has compiled one of this name, and that there is no
/// `OUT_DIR` that the crate has no build script at all.
///
/// ```ignore
/// // build.rs: nnc_build::compile("models/iris.nn")
/// nnc::include_model!("iris");
///
/// let iris = Iris::new(7);
/// ```
#[macro_export]
macro_rules! include_model {
    ($name:literal) => {
        ::core::include!(::core::concat!(::core::env!("OUT_DIR"), "/", $name, ".rs"));
    };
}
