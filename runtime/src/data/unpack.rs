//! Files as they are or gzipped, told apart by their first bytes.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use flate2::bufread::MultiGzDecoder;

use crate::error::Error;

/// Opens a file; a gzipped one is unpacked as it is read.
pub(super) fn open(path: &Path) -> Result<Box<dyn Read>, Error> {
    let file = File::open(path).map_err(|error| Error::read(path, &error))?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        let error = io::Error::new(io::ErrorKind::IsADirectory, "it is a folder");
        return Err(Error::read(path, &error));
    }
    let mut reader = BufReader::with_capacity(1 << 16, file);
    let first = reader.fill_buf().map_err(|error| Error::read(path, &error))?;
    if first.starts_with(&[0x1f, 0x8b]) {
        return Ok(Box::new(MultiGzDecoder::new(reader)));
    }
    Ok(Box::new(reader))
}

/// Reads to the end what is called `path` in messages.
pub(super) fn read_all(path: &Path, mut reader: impl Read) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).map_err(|error| fault(path, &error))?;
    Ok(bytes)
}

/// E0415 for what comes of a damaged file, else E0414.
pub(super) fn fault(path: &Path, error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput => {
            let message = format!("`{}` is damaged: {error}", path.display());
            Error::new("E0415", message).at(path).help("unpack it with `gzip -t` to see whether it is whole")
        }
        _ => Error::read(path, error),
    }
}
