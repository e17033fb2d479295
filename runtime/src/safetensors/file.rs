//! Files: read and checked whole, written whole or not at all.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use super::header::{Entry, Header, header_len, parse};
use crate::error::Error;
use crate::file::write_atomic;

use super::header::Metadata;

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
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
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
        let (header, data) = parse(bytes).map_err(|reason| damaged(path, reason))?;
        Ok(Self { path: path.to_path_buf(), header, data: data.to_vec() })
    }

    /// The file it was read from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn header(&self) -> &Header {
        &self.header
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
        match entry.dtype.numbers(bytes) {
            Some(numbers) => Ok(numbers.collect()),
            None => {
                let (name, dtype) = (&entry.name, entry.dtype.name());
                let message = format!("tensor `{name}` is stored as {dtype}, expected numbers as F32");
                Err(Error::new("E0413", message).at(&self.path))
            }
        }
    }
}

/// The metadata of a file, without reading its tensors.
///
/// # Errors
/// E0414 when it cannot be read, E0415 when it is damaged or of another format.
pub fn read_metadata(path: impl AsRef<Path>) -> Result<Metadata, Error> {
    let path = path.as_ref();
    open(path).map(|(_, header, _)| header.metadata)
}

/// Writes tensors and metadata to a file, whole or not at all. Equal content makes equal bytes.
///
/// # Errors
/// E0417 when it cannot be written.
pub fn write(path: &Path, metadata: &Metadata, tensors: &[Tensor<'_>]) -> Result<(), Error> {
    let described = tensors.iter().map(|tensor| (tensor.name.clone(), tensor.shape));
    let header = Header::of(metadata.clone(), described);
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
    let header_len = header_len(&len, file_len).map_err(|reason| damaged(path, reason))?;
    let text = read_exactly(&mut file, header_len).map_err(cannot_read)?;
    let Ok(data_len) = usize::try_from(file_len.saturating_sub(8 + header_len as u64)) else {
        return Err(damaged(path, "it is larger than memory can be"));
    };
    let header = Header::read(&text, data_len).map_err(|reason| damaged(path, reason))?;
    Ok((file, header, data_len))
}

/// Reads `len` bytes, or fewer at the end of the file. `len` was checked against the file's size.
fn read_exactly(file: &mut File, len: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| io::Error::from(io::ErrorKind::OutOfMemory))?;
    file.take(len as u64).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn damaged(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::new("E0415", format!("`{}` is not a whole safetensors file: {reason}", path.display())).at(path)
}
