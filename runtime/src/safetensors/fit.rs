//! Whether the tensors of a file are those of a model.

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;

use super::header::{Entry, Header, Metadata};
use crate::model::{ModelInfo, Role, TensorInfo};

/// What the names of the optimizer's states in a checkpoint begin with. No tensor of a model is called so: labels have
/// no slash.
pub(crate) const OPTIMIZER: &str = "optimizer/";

/// What the names of the best epoch's tensors in a checkpoint begin with.
pub(crate) const BEST: &str = "best/";

/// Which tensors of a model are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Part {
    /// All of them.
    #[default]
    All,
    /// Those that are trained: what an optimizer keeps a state of.
    #[cfg_attr(not(feature = "std"), expect(dead_code))]
    Trained,
}

impl Part {
    /// Number and description of each tensor that is meant.
    pub fn of(self, info: &ModelInfo) -> impl Iterator<Item = (usize, &'static TensorInfo)> + use<> {
        let tensors = info.tensors.iter().enumerate();
        tensors.filter(move |(_, tensor)| self == Self::All || tensor.role == Role::Parameter)
    }
}

/// Where a file differs from a model.
#[derive(Debug, Default)]
pub(crate) struct Misfits<'f> {
    /// Names of tensors that the file should have.
    pub missing: Vec<&'static str>,
    /// Tensors of another shape.
    pub misshapen: Vec<(&'static TensorInfo, &'f Entry)>,
    /// Names of tensors that the model does not have.
    pub unexpected: Vec<&'f str>,
}

impl<'f> Misfits<'f> {
    /// Compares tensors of a model with those of a file, whose names stand behind `prefix`. Where there is none, no other
    /// tensor is expected but what a checkpoint has besides.
    pub fn of(info: &ModelInfo, part: Part, prefix: &str, header: &'f Header) -> Self {
        let mut misfits = Self::default();
        for (_, tensor) in part.of(info) {
            let name = |entry: &&Entry| entry.name.strip_prefix(prefix) == Some(tensor.name);
            match header.entries.iter().find(name) {
                None => misfits.missing.push(tensor.name),
                Some(entry) if entry.shape != tensor.shape => misfits.misshapen.push((tensor, entry)),
                Some(_) => {}
            }
        }
        if prefix.is_empty() {
            let is_own = |name: &str| info.tensors.iter().any(|tensor| tensor.name == name) || is_aside(name);
            let names = header.entries.iter().map(|entry| entry.name.as_str());
            misfits.unexpected = names.filter(|name| !is_own(name)).collect();
        }
        misfits
    }
}

/// Whether a tensor of a file means nothing for prediction: a state of training, or what PyTorch saves beside the weights,
/// how many batches a normalization has seen.
pub(crate) fn is_aside(name: &str) -> bool {
    let is_of_pytorch = name.rsplit('.').next() == Some("num_batches_tracked");
    is_of_pytorch || [OPTIMIZER, BEST].iter().any(|prefix| name.starts_with(prefix))
}

/// Of the metadata of a file. It changes when specifications are hashed in another way: files of version 1 hashed what
/// is dropped in training, and how layers are computed.
pub(crate) const VERSION: &str = "2";

/// The specification that a file was saved with, if it is another one than the model's. That of another version of the
/// file says nothing: names and shapes have to do.
pub(crate) fn other_hash<'f>(info: &ModelInfo, header: &'f Header) -> Option<&'f String> {
    let is_comparable = header.metadata.get("version").is_none_or(|version| version == VERSION);
    header.metadata.get("spec_hash").filter(|found| is_comparable && *found != info.spec_hash)
}

/// The metadata of a model's file.
pub(crate) fn describe(info: &ModelInfo, extra: &Metadata) -> Metadata {
    let mut metadata = extra.clone();
    for (key, value) in
        [("format", "nnc"), ("version", VERSION), ("model", info.name), ("spec_hash", info.spec_hash)]
    {
        metadata.insert(key.to_owned(), value.to_owned());
    }
    metadata
}
