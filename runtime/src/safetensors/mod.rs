//! Weights in safetensors files: the format, and models saved to it and loaded from it.
//!
//! The format is read and written here rather than by the `safetensors` crate: it is a length, a header of JSON and
//! numbers, and that crate would double the packages that a program with a trained model needs.

mod header;
pub(crate) mod json;
mod partial;
mod weights;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

pub use header::{Dtype, Entry};
pub use partial::{PartialReport, load_partial, read_prefixed};
pub(crate) use weights::{BEST, OPTIMIZER, Part, Tensors, check_hash, describe, find_misfits};
pub use weights::{LoadOptions, load, save};

use header::{Header, MAX_HEADER};

use crate::error::Error;
use crate::file::write_atomic;

/// The text that goes with the tensors of a file.
pub type Metadata = BTreeMap<String, String>;

/// A tensor to write.
#[derive(Debug, Clone)]
pub struct Tensor<'a> {
    /// Its name: `hidden.weight`.
    pub name: String,
    /// Its shape: `[out, in]`.
    pub shape: &'a [usize],
    /// Its values, the last dimension running fastest.
    pub values: &'a [f32],
}

/// A safetensors file in memory, checked: its header describes its data completely.
///
/// ```
/// use std::path::Path;
/// use nnc_runtime::safetensors::SafeTensors;
///
/// let header = br#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#;
/// let bytes = [&(header.len() as u64).to_le_bytes()[..], header, &1.5f32.to_le_bytes()].concat();
/// let file = SafeTensors::from_bytes(Path::new("a.safetensors"), &bytes)?;
/// let values = file.entry("a").map(|entry| file.values(entry)).transpose()?;
/// assert_eq!(values, Some(vec![1.5]));
/// # Ok::<(), nnc_runtime::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct SafeTensors {
    path: PathBuf,
    header: Header,
    data: Vec<u8>,
}

impl SafeTensors {
    /// Reads a file.
    ///
    /// # Errors
    /// E0414 when it cannot be read, E0415 when it is damaged or of another format.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let (mut file, header, data_len) = open(path)?;
        let data = read_exactly(&mut file, data_len).map_err(|error| Error::read(path, &error))?;
        if data.len() != data_len {
            return Err(damaged(path, "the file became shorter while it was read"));
        }
        Ok(Self { path: path.to_path_buf(), header, data })
    }

    /// Takes a file's content, called `path` in messages.
    ///
    /// # Errors
    /// E0415 when it is damaged or of another format.
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let header_len = header_len(path, bytes.get(..8).unwrap_or_default(), bytes.len() as u64)?;
        let text = bytes.get(8..8 + header_len).unwrap_or_default();
        let data = bytes.get(8 + header_len..).unwrap_or_default();
        let header = parse_header(path, text, data.len())?;
        Ok(Self { path: path.to_path_buf(), header, data: data.to_vec() })
    }

    /// The file it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The text that goes with the tensors.
    pub fn metadata(&self) -> &Metadata {
        &self.header.metadata
    }

    /// The tensors, in the order of the header.
    pub fn entries(&self) -> &[Entry] {
        &self.header.entries
    }

    /// The tensor of this name.
    pub fn entry(&self, name: &str) -> Option<&Entry> {
        self.header.entries.iter().find(|entry| entry.name == name)
    }

    /// The values of a tensor as `f32`, whatever floating-point type they are stored in.
    ///
    /// # Errors
    /// E0413 when it is not stored as floating-point numbers.
    pub fn values(&self, entry: &Entry) -> Result<Vec<f32>, Error> {
        let bytes = self.data.get(entry.range.0..entry.range.1).unwrap_or_default();
        match &entry.dtype {
            Dtype::F32 => Ok(numbers(bytes, f32::from_le_bytes)),
            Dtype::F64 => Ok(numbers(bytes, |bytes| f64::from_le_bytes(bytes) as f32)),
            Dtype::F16 => Ok(numbers(bytes, |bytes| f32_from_f16(u16::from_le_bytes(bytes)))),
            Dtype::BF16 => {
                Ok(numbers(bytes, |bytes| f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)))
            }
            Dtype::Other(dtype) => {
                let message =
                    format!("tensor `{}` is stored as {dtype}, expected numbers as F32", entry.name);
                Err(Error::new("E0413", message).at(&self.path))
            }
        }
    }
}

/// The metadata of a file, without reading its tensors.
///
/// # Errors
/// E0414 when it cannot be read, E0415 when it is damaged or of another format.
pub fn read_metadata(path: &Path) -> Result<Metadata, Error> {
    open(path).map(|(_, header, _)| header.metadata)
}

/// Writes tensors and metadata to a file, whole or not at all. Equal content makes equal bytes.
///
/// # Errors
/// E0417 when it cannot be written.
pub fn write(path: &Path, metadata: &Metadata, tensors: &[Tensor<'_>]) -> Result<(), Error> {
    let mut header = Header { metadata: metadata.clone(), entries: Vec::with_capacity(tensors.len()) };
    let mut end = 0;
    for tensor in tensors {
        let begin = end;
        end += size_of_val(tensor.values);
        header.entries.push(Entry {
            name: tensor.name.clone(),
            dtype: Dtype::F32,
            shape: tensor.shape.to_vec(),
            range: (begin, end),
        });
    }
    write_atomic(path, |out| {
        out.write_all(&header.to_bytes())?;
        tensors.iter().try_for_each(|tensor| write_values(out, tensor.values))
    })
}

fn write_values(out: &mut dyn Write, values: &[f32]) -> io::Result<()> {
    let mut bytes = [0; 4096];
    for values in values.chunks(1024) {
        for (place, value) in bytes.chunks_exact_mut(4).zip(values) {
            place.copy_from_slice(&value.to_le_bytes());
        }
        out.write_all(bytes.get(..4 * values.len()).unwrap_or_default())?;
    }
    Ok(())
}

/// Opens a file, reads its header, and leaves the reader where the data start.
fn open(path: &Path) -> Result<(File, Header, usize), Error> {
    let cannot_read = |error: io::Error| Error::read(path, &error);
    let mut file = File::open(path).map_err(cannot_read)?;
    let metadata = file.metadata().map_err(cannot_read)?;
    if metadata.is_dir() {
        return Err(cannot_read(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder")));
    }
    let file_len = metadata.len();
    let len = read_exactly(&mut file, 8).map_err(cannot_read)?;
    let header_len = header_len(path, &len, file_len)?;
    let text = read_exactly(&mut file, header_len).map_err(cannot_read)?;
    let Ok(data_len) = usize::try_from(file_len.saturating_sub(8 + header_len as u64)) else {
        return Err(damaged(path, "it is larger than memory can be"));
    };
    let header = parse_header(path, &text, data_len)?;
    Ok((file, header, data_len))
}

/// Reads `len` bytes, or fewer at the end of the file. `len` was checked against the file's size.
fn read_exactly(file: &mut File, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    file.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The length of the header, from the first eight bytes, checked against that of the file.
fn header_len(path: &Path, first: &[u8], file_len: u64) -> Result<usize, Error> {
    let ends_early =
        || damaged(path, format!("it ends after {file_len} bytes, before the length of its header"));
    let first = <[u8; 8]>::try_from(first).map_err(|_| ends_early())?;
    // A device gives bytes without end, and has none by its metadata.
    let Some(after) = file_len.checked_sub(8) else {
        return Err(ends_early());
    };
    let len = u64::from_le_bytes(first);
    if len > after || len > MAX_HEADER as u64 {
        let message = format!("its header would have {len} bytes, the file has {file_len}");
        return Err(damaged(path, message));
    }
    Ok(len as usize)
}

fn parse_header(path: &Path, text: &[u8], data_len: usize) -> Result<Header, Error> {
    let Ok(text) = std::str::from_utf8(text) else {
        return Err(damaged(path, "its header is not UTF-8"));
    };
    Header::parse(text, data_len).map_err(|reason| damaged(path, reason))
}

fn damaged(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::new("E0415", format!("`{}` is not a whole safetensors file: {reason}", path.display())).at(path)
}

fn numbers<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes.as_chunks().0.iter().map(|&chunk| read(chunk)).collect()
}

/// IEEE 754 half precision, exactly.
fn f32_from_f16(half: u16) -> f32 {
    let sign = u32::from(half & 0x8000) << 16;
    let exponent = u32::from(half >> 10 & 0x1f);
    let fraction = u32::from(half & 0x3ff);
    match exponent {
        // Subnormal: the fraction counts units of 2^-24, and f32 holds each exactly.
        0 => f32::from_bits((fraction as f32 / 16_777_216.0).to_bits() | sign),
        0x1f => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_become_the_same_number() {
        for (half, number) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
        ] {
            assert_eq!(f32_from_f16(half), number, "{half:#06x}");
        }
        assert!(f32_from_f16(0x7c00).is_infinite());
        assert!(f32_from_f16(0x7e00).is_nan());
        assert!(f32_from_f16(0x8000).is_sign_negative());
    }
}
