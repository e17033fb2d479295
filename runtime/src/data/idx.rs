//! IDX files, as MNIST comes in: images in one file, their labels in another, each plain or gzipped.
//!
//! A file is four bytes of magic (`00 00`, the element type, the number of dimensions), each dimension as 32 bits, and
//! the elements, all with the most significant byte first. Sizes are compared with what is really there before room is
//! made for them.

use std::io::Read;
use std::path::Path;

use super::labels::{Labels, chosen};
use super::unpack::{fault, open};
use super::{DataSet, Targets};
use crate::error::{Error, count};
use crate::model::ModelInfo;

/// How to read images and labels.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct IdxOptions {
    /// What each element is multiplied by; `None` is 1/255 for bytes, so that they lie in 0 to 1, and else 1.
    pub scale: Option<f32>,
    /// The labels that are used, which become the classes 0, 1, … in this order; empty is all, each its own class.
    pub classes: Vec<String>,
}

/// An IDX file in memory.
///
/// ```
/// use std::path::Path;
/// use nnc_runtime::data::idx::Idx;
///
/// let labels = Idx::from_reader(Path::new("labels"), &[0, 0, 8, 1, 0, 0, 0, 2, 7, 3][..])?;
/// assert_eq!(labels.dims, [2]);
/// assert_eq!(labels.values().collect::<Vec<_>>(), [7.0, 3.0]);
/// # Ok::<(), nnc_runtime::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Idx {
    /// Dimensions, the slowest first: `[60000, 28, 28]`.
    pub dims: Vec<usize>,
    /// What the elements are.
    pub kind: IdxKind,
    /// The elements, most significant byte first.
    bytes: Vec<u8>,
}

/// What the elements of an IDX file are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdxKind {
    /// Bytes, not negative.
    U8,
    /// Bytes with a sign.
    I8,
    /// 16 bits with a sign.
    I16,
    /// 32 bits with a sign.
    I32,
    /// Floating point of 32 bits.
    F32,
    /// Floating point of 64 bits.
    F64,
}

impl IdxKind {
    fn parse(code: u8) -> Option<Self> {
        match code {
            0x08 => Some(Self::U8),
            0x09 => Some(Self::I8),
            0x0b => Some(Self::I16),
            0x0c => Some(Self::I32),
            0x0d => Some(Self::F32),
            0x0e => Some(Self::F64),
            _ => None,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::I16 => 2,
            Self::I32 | Self::F32 => 4,
            Self::F64 => 8,
        }
    }
}

impl Idx {
    /// Reads a file, plain or gzipped.
    ///
    /// # Errors
    /// E0414 when it cannot be read, E0415 when it is damaged or of another format.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::from_reader(path, open(path)?)
    }

    /// Reads what is called `path` in messages.
    ///
    /// # Errors
    /// E0414 when it cannot be read, E0415 when it is damaged or of another format.
    pub fn from_reader(path: &Path, mut reader: impl Read) -> Result<Self, Error> {
        let magic: [u8; 4] = exactly(path, &mut reader)?;
        let [0, 0, kind, rank] = magic else {
            return Err(not_idx(path, format!("expected the magic bytes `00 00`, found {}", hex(magic))));
        };
        let Some(kind) = IdxKind::parse(kind) else {
            return Err(not_idx(path, format!("`{kind:02x}` is no element type")));
        };
        let mut dims = Vec::with_capacity(usize::from(rank));
        for _ in 0..rank {
            dims.push(u32::from_be_bytes(exactly(path, &mut reader)?) as usize);
        }
        let len = dims.iter().try_fold(kind.bytes(), |product, &dim| product.checked_mul(dim));
        let Some(len) = len.filter(|&len| len < isize::MAX as usize / 8) else {
            return Err(damaged(path, format!("its dimensions {dims:?} are more than memory can hold")));
        };
        // Read as far as it goes: the header of a damaged file may claim any size. One byte more would be too much.
        let mut bytes = Vec::new();
        reader.take(len as u64 + 1).read_to_end(&mut bytes).map_err(|error| fault(path, &error))?;
        if bytes.len() == len {
            return Ok(Self { dims, kind, bytes });
        }
        let found = if bytes.len() > len { "more".to_owned() } else { bytes.len().to_string() };
        Err(damaged(path, format!("dimensions {dims:?} need {len} bytes after the header, found {found}")))
    }

    /// Its elements as numbers.
    pub fn values(&self) -> impl Iterator<Item = f64> + '_ {
        self.bytes.chunks_exact(self.kind.bytes()).map(|chunk| match (self.kind, chunk) {
            (IdxKind::U8, &[byte]) => f64::from(byte),
            (IdxKind::I8, &[byte]) => f64::from(byte as i8),
            (IdxKind::I16, &[a, b]) => f64::from(i16::from_be_bytes([a, b])),
            (IdxKind::I32, &[a, b, c, d]) => f64::from(i32::from_be_bytes([a, b, c, d])),
            (IdxKind::F32, &[a, b, c, d]) => f64::from(f32::from_be_bytes([a, b, c, d])),
            (_, &[a, b, c, d, e, f, g, h]) => f64::from_be_bytes([a, b, c, d, e, f, g, h]),
            // The chunks are as long as their kind says.
            (_, _) => f64::NAN,
        })
    }
}

/// Reads images and their labels for a model. Classes are called by their number.
/// With `classes` the images of other labels are left aside.
///
/// # Errors
/// E0414 when a file cannot be read, E0415 when one is damaged or they differ in number, E0416 when they do not fit the
/// model, E0411 when an element is not finite, E0409 when no image has one of the `classes`.
pub fn read(images: &Path, labels: &Path, options: &IdxOptions, info: &ModelInfo) -> Result<DataSet, Error> {
    let data = read_inputs(images, options, info)?;
    let label_file = Idx::read(labels)?;
    if !matches!(label_file.dims.as_slice(), [_]) {
        let reason = format!("expected labels in one dimension, found dimensions {:?}", label_file.dims);
        return Err(damaged(labels, reason));
    }
    let found = label_file.dims.first().copied().unwrap_or(0);
    if data.rows != found {
        let message =
            format!("{} in `{}`, but {}", count(data.rows, "image"), images.display(), count(found, "label"));
        return Err(Error::new("E0415", message)
            .at(labels)
            .help("take the labels that belong to the images"));
    }
    let values: Vec<f64> = label_file.values().collect();
    let data =
        chosen(data, &Labels { path: labels, values: &values, noun: "image" }, &options.classes, info)?;
    data.check(info)?;
    Ok(data)
}

/// Reads images alone, to predict from.
///
/// # Errors
/// As [`read`] has them.
pub fn read_inputs(images: &Path, options: &IdxOptions, info: &ModelInfo) -> Result<DataSet, Error> {
    let file = Idx::read(images)?;
    let Some((&rows, shape)) = file.dims.split_first() else {
        return Err(damaged(images, "it has no dimension"));
    };
    // An empty file may claim sizes whose product overflows.
    let features = shape.iter().fold(1_usize, |product, &size| product.saturating_mul(size));
    if features != info.input_len() {
        let message = format!(
            "model `{}` takes {}, found images of {shape:?}: {features}",
            info.name,
            count(info.input_len(), "value"),
        );
        return Err(Error::new("E0416", message).at(images).help(format!("declare `input {shape:?}`")));
    }
    let scale = match (options.scale, file.kind) {
        (Some(scale), _) => f64::from(scale),
        (None, IdxKind::U8) => 1.0 / 255.0,
        (None, _) => 1.0,
    };
    let mut inputs: Vec<f32> = Vec::new();
    if inputs.try_reserve_exact(rows.saturating_mul(features)).is_err() {
        return Err(Error::new("E0414", format!("`{}` does not fit in memory", images.display())).at(images));
    }
    inputs.extend(file.values().map(|value| (value * scale) as f32));
    let source = images.display().to_string();
    let data = DataSet {
        source,
        rows,
        features,
        inputs,
        targets: Targets::Values(Vec::new(), 0),
        ..DataSet::default()
    };
    data.check_inputs(info)?;
    Ok(data)
}

fn exactly<const N: usize>(path: &Path, reader: &mut impl Read) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    match reader.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(damaged(path, "it ends inside its header"))
        }
        Err(error) => Err(fault(path, &error)),
    }
}

fn hex(bytes: [u8; 4]) -> String {
    let digits: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("`{}`", digits.join(" "))
}

fn not_idx(path: &Path, reason: String) -> Error {
    Error::new("E0415", format!("`{}` is not an IDX file: {reason}", path.display())).at(path)
}

fn damaged(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::new("E0415", format!("`{}` is damaged: {reason}", path.display())).at(path)
}
