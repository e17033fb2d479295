//! What code emitted by nnc is linked with.
//!
//! The core is `no_std`, with an allocator, and has no dependency: lanes of sixteen numbers, kernels over them, functions
//! of numbers, random numbers, and the traits [`model::Model`] and [`model::Train`] that every emitted model has. Features
//! add the rest: `std` (files, the training loop, metrics), `data` (CSV, IDX, NPY, texts), `images` (folders of PNG files) and
//! `jpeg`, `ndarray` (batches as arrays), `threads` (several cores).
//!
//! Emitted code reaches the core through [`__private`], which belongs to the compiler of the same version.

#![cfg_attr(not(feature = "std"), no_std)]

extern crate alloc;
// Threads without the rest of `std`: no package is built so, but the sources may be.
#[cfg(all(feature = "threads", not(feature = "std")))]
extern crate std;

#[doc(hidden)]
pub mod abi;
pub mod bf16;
mod element;
pub mod kernels;
pub mod lanes;
pub mod layout;
mod macros;
pub mod math;
pub mod math64;
mod memory;
pub mod model;
#[doc(hidden)]
pub mod profile;
mod random;
mod simd;
pub mod threads;

#[cfg(feature = "std")]
pub mod checkpoint;
#[cfg(feature = "std")]
pub mod data;
#[cfg(feature = "std")]
mod error;
#[cfg(feature = "std")]
pub mod file;
#[cfg(feature = "std")]
pub mod fit;
mod inherent;
#[cfg(feature = "std")]
pub mod metrics;
#[cfg(feature = "ndarray")]
pub mod ndarray_api;
pub mod outputs;
pub mod safetensors;

pub use element::Element;
#[cfg(feature = "std")]
pub use error::Error;
pub use random::{Rng, orthogonal};
pub use simd::{Kernel, Set, Simd};
pub use threads::Threads;

/// What emitted code uses. Not for people: it changes with the compiler.
#[doc(hidden)]
pub mod __private {
    pub use alloc::vec::Vec;
    #[cfg(feature = "std")]
    pub use std::path::Path;

    pub use crate::bf16::{Bf16, Noise, Stored};
    pub use crate::element::Element;
    pub use crate::kernels::ahead::fetch_after;
    pub use crate::kernels::pack::Finite;
    pub use crate::kernels::random::Draws;
    pub use crate::kernels::{
        attention, conv, dense, embedding, norm, pack, pool, random, resample, sequence,
    };
    pub use crate::lanes::{Aligned, LANES, Lanes, Plain, Row};
    pub use crate::math64;
    pub use crate::memory::{Box, Heap, OfRow, Rows, RowsMut, Spare, Tensors, Zero, zeros};
    pub use crate::model::{
        Horizon, InputInfo, LayerInfo, Layout, Model, ModelInfo, NormalizeInfo, NormalizeKind, OutputInfo,
        OutputScale, Role, ShapeError, StepError, Target, TargetInfo, TargetLimits, TensorInfo, Train,
        clip_scale,
    };
    pub use crate::random::{Rng, orthogonal};
    pub use crate::simd::{Kernel, Simd};
    pub use crate::threads::{Divide, First, Part, Taps, Threads, Units, positions, positions_mut};
    pub use crate::{
        __comment as comment, __debug as debug, __entries as entries, __export_model as export_model,
        __groups as groups, __inherent as inherent, __kernels as kernels, __memory as memory,
        __tensors as tensors,
    };
}
