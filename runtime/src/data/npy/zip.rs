//! Files in a ZIP archive, as far as `numpy.savez` and `numpy.savez_compressed` write them: stored or deflated, with the
//! sizes of ZIP64 or without.

use std::io::Read;
use std::path::Path;

use flate2::Crc;
use flate2::read::DeflateDecoder;

use crate::error::Error;

/// A file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: `x.npy`.
    pub name: String,
    method: u16,
    sum: u32,
    packed: u64,
    len: u64,
    /// Where its own header is.
    at: u64,
}

/// What stands in a directory for a number that is elsewhere.
const ELSEWHERE: u64 = u32::MAX as u64;

/// The files of an archive, in the order of its directory.
///
/// # Errors
/// E0415 when it is no archive, or damaged.
pub fn entries(path: &Path, bytes: &[u8]) -> Result<Vec<Entry>, Error> {
    if !bytes.starts_with(b"PK") {
        let message = format!("`{}` is not an archive of arrays: it does not begin as one", path.display());
        return Err(Error::new("E0415", message).at(path).help("write it with `numpy.savez`"));
    }
    let (count, at) = directory(bytes).ok_or_else(|| damaged(path, "its directory is not there"))?;
    let mut entries = Vec::new();
    let mut from = at;
    for _ in 0..count {
        let (entry, next) = entry(bytes, from).ok_or_else(|| damaged(path, "its directory is not whole"))?;
        entries.push(entry);
        from = next;
    }
    Ok(entries)
}

/// The bytes of a file of an archive.
///
/// # Errors
/// E0415 when they are damaged, E0501 when they are packed in another way.
pub fn unpack(path: &Path, bytes: &[u8], entry: &Entry) -> Result<Vec<u8>, Error> {
    let broken = |reason: &str| damaged(path, &format!("`{}`: {reason}", entry.name));
    let at = usize::try_from(entry.at).ok();
    let found = at.and_then(|at| {
        bytes.get(at..)?.strip_prefix(b"PK\x03\x04")?;
        let skipped = 30 + number(bytes, at + 26, 2)? as usize + number(bytes, at + 28, 2)? as usize;
        bytes.get(at + skipped..)?.get(..usize::try_from(entry.packed).ok()?)
    });
    let packed = found.ok_or_else(|| broken("it ends early"))?;
    let mut out = Vec::new();
    match entry.method {
        0 => out.extend_from_slice(packed),
        8 => {
            // One byte more would be too much.
            let mut reader = DeflateDecoder::new(packed).take(entry.len.saturating_add(1));
            reader.read_to_end(&mut out).map_err(|error| broken(&error.to_string()))?;
        }
        method => {
            let message = format!("`{}` in `{}` is packed by method {method}", entry.name, path.display());
            return Err(Error::new("E0501", message)
                .at(path)
                .note("files that are stored (0) or deflated (8) are read")
                .help("write it with `numpy.savez` or `numpy.savez_compressed`"));
        }
    }
    let mut sum = Crc::new();
    sum.update(&out);
    if out.len() as u64 != entry.len || sum.sum() != entry.sum {
        return Err(broken("its bytes are not those that were written"));
    }
    Ok(out)
}

/// How many files there are, and where the directory begins.
fn directory(bytes: &[u8]) -> Option<(u64, usize)> {
    // The end of the directory is the last 22 bytes, but for a comment of up to 65535.
    let last = bytes.len().checked_sub(22)?;
    let is_end = |at: usize| bytes.get(at..).is_some_and(|rest| rest.starts_with(b"PK\x05\x06"));
    let end = (last.saturating_sub(65_535)..=last).rev().find(|at| is_end(*at))?;
    let (count, at) = (number(bytes, end + 10, 2)?, number(bytes, end + 16, 4)?);
    if count != 0xffff && at != ELSEWHERE {
        return Some((count, usize::try_from(at).ok()?));
    }
    let locator = end.checked_sub(20)?;
    bytes.get(locator..)?.strip_prefix(b"PK\x06\x07")?;
    let end = usize::try_from(number(bytes, locator + 8, 8)?).ok()?;
    bytes.get(end..)?.strip_prefix(b"PK\x06\x06")?;
    let count = number(bytes, end.checked_add(32)?, 8)?;
    Some((count, usize::try_from(number(bytes, end.checked_add(48)?, 8)?).ok()?))
}

/// The file at a place of the directory, and the place of the next.
fn entry(bytes: &[u8], from: usize) -> Option<(Entry, usize)> {
    bytes.get(from..)?.strip_prefix(b"PK\x01\x02")?;
    let of = |at: usize, len: usize| number(bytes, from.checked_add(at)?, len);
    let [name_len, extra_len, comment_len] = [of(28, 2)? as usize, of(30, 2)? as usize, of(32, 2)? as usize];
    let (name_at, extra_at) = (from + 46, from + 46 + name_len);
    let name = bytes.get(name_at..extra_at)?;
    let mut entry = Entry {
        name: String::from_utf8_lossy(name).into_owned(),
        method: of(10, 2)? as u16,
        sum: of(16, 4)? as u32,
        packed: of(20, 4)?,
        len: of(24, 4)?,
        at: of(42, 4)?,
    };
    // Numbers that did not fit stand in a field of their own, in this order, those that did left out.
    let mut extra = bytes.get(extra_at..extra_at + extra_len)?;
    while let (Some(kind), Some(len)) = (number(extra, 0, 2), number(extra, 2, 2)) {
        let field = extra.get(4..4 + len as usize)?;
        if kind == 1 {
            let mut at = 0;
            for value in [&mut entry.len, &mut entry.packed, &mut entry.at] {
                if *value == ELSEWHERE {
                    *value = number(field, at, 8)?;
                    at += 8;
                }
            }
        }
        extra = extra.get(4 + len as usize..)?;
    }
    Some((entry, extra_at + extra_len + comment_len))
}

/// A number of so many bytes, the least significant first.
fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(len)?)?;
    Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
}

fn damaged(path: &Path, reason: &str) -> Error {
    Error::new("E0415", format!("`{}` is damaged: {reason}", path.display())).at(path)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use flate2::Crc;

    use super::{entries, unpack};

    /// An archive of one file whose sizes and places all stand where ZIP64 has them.
    fn large(content: &[u8]) -> Vec<u8> {
        let mut sum = Crc::new();
        sum.update(content);
        let name = b"x.npy";
        // Of the file's own header only the lengths of name and extra field are looked at.
        let mut bytes = [b"PK\x03\x04".as_slice(), &[0; 22], &[5, 0, 2, 0], name, &[9, 9], content].concat();
        let directory = bytes.len() as u64;
        let len = content.len() as u64;
        bytes
            .extend([b"PK\x01\x02".as_slice(), &[0; 6], &[0, 0], &[0; 4], &sum.sum().to_le_bytes()].concat());
        bytes.extend([&[0xff; 8][..], &[5, 0, 28, 0, 0, 0], &[0; 8], &[0xff; 4], name].concat());
        bytes.extend([&[1, 0, 24, 0][..], &len.to_le_bytes(), &len.to_le_bytes(), &[0; 8]].concat());
        let end = bytes.len() as u64;
        bytes.extend([b"PK\x06\x06".as_slice(), &[0; 28], &1_u64.to_le_bytes(), &[0; 8]].concat());
        bytes.extend(directory.to_le_bytes());
        bytes.extend([b"PK\x06\x07".as_slice(), &[0; 4], &end.to_le_bytes(), &[0; 4]].concat());
        bytes.extend([b"PK\x05\x06".as_slice(), &[0; 4], &[0xff; 12], &[3, 0], b"end"].concat());
        bytes
    }

    #[test]
    fn sizes_of_zip64_are_read() {
        let (path, bytes) = (Path::new("x.npz"), large(b"hello"));
        let found = entries(path, &bytes).expect("it is whole");
        assert_eq!(found.iter().map(|entry| entry.name.as_str()).collect::<Vec<_>>(), ["x.npy"]);
        assert_eq!(unpack(path, &bytes, &found[0]), Ok(b"hello".to_vec()));
        let mut other = bytes.clone();
        other[37] ^= 1;
        assert_eq!(unpack(path, &other, &found[0]).unwrap_err().code, "E0415");
    }
}
