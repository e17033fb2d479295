//! Weights in safetensors files: the format, and models saved to it and loaded from it.
//!
//! The format is read and written here rather than by the `safetensors` crate: it is a length, a header of JSON and
//! numbers, and that crate would double the packages that a program with a trained model needs. What is read from memory and
//! written to it ([`load_bytes`], [`to_bytes`]) needs no `std`.

mod bytes;
#[cfg(feature = "std")]
mod file;
mod fit;
mod header;
pub(crate) mod json;
#[cfg(feature = "std")]
mod partial;
#[cfg(feature = "std")]
mod weights;

pub use bytes::{WeightsError, load_bytes, to_bytes};
#[cfg(feature = "std")]
pub use file::{SafeTensors, Tensor, read_metadata, write};
#[cfg(feature = "std")]
pub(crate) use fit::{BEST, OPTIMIZER, Part, describe};
pub use header::{Dtype, Entry, Metadata};
#[cfg(feature = "std")]
pub use partial::{PartialReport, load_partial, load_prefixed, read_prefixed};
#[cfg(feature = "std")]
pub use weights::{LoadOptions, load, save};
#[cfg(feature = "std")]
pub(crate) use weights::{Tensors, check_hash, find_misfits};
