//! An array as NumPy saves it: a header that says what it is, and its elements.
//!
//! The format is that of `numpy.lib.format`: six bytes of magic, two of a version, the length of the header, a literal
//! of a Python dictionary with `descr`, `fortran_order` and `shape`, and the elements one after the other.

use std::path::Path;

use super::super::unpack::{open, read_all};
use crate::error::Error;

const MAGIC: &[u8] = b"\x93NUMPY";

/// An array in memory.
///
/// ```
/// use std::path::Path;
/// use nnc_runtime::data::npy::Array;
///
/// let header = b"{'descr': '|u1', 'fortran_order': True, 'shape': (2, 2)}";
/// let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
/// bytes.extend((header.len() as u16).to_le_bytes());
/// bytes.extend(header);
/// bytes.extend([1, 2, 3, 4]);
/// let array = Array::from_bytes(Path::new("x.npy"), &bytes)?;
/// assert_eq!(array.values().collect::<Vec<_>>(), [1.0, 3.0, 2.0, 4.0]);
/// # Ok::<(), nnc_runtime::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The axes, the slowest first.
    pub shape: Vec<usize>,
    /// What the elements are, as NumPy calls it: `<f4`.
    pub dtype: String,
    element: Element,
    is_big_endian: bool,
    is_fortran: bool,
    bytes: Vec<u8>,
}

/// What the elements are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Element {
    Bool,
    Unsigned(usize),
    Signed(usize),
    Float(usize),
}

impl Element {
    /// The letter and the bytes of each: `f4`.
    fn parse(text: &str) -> Option<Self> {
        let element = match text {
            "b1" => Self::Bool,
            "u1" | "u2" | "u4" | "u8" => Self::Unsigned(text.get(1..)?.parse().ok()?),
            "i1" | "i2" | "i4" | "i8" => Self::Signed(text.get(1..)?.parse().ok()?),
            "f4" | "f8" => Self::Float(text.get(1..)?.parse().ok()?),
            _ => return None,
        };
        Some(element)
    }

    fn bytes(self) -> usize {
        match self {
            Self::Bool => 1,
            Self::Unsigned(bytes) | Self::Signed(bytes) | Self::Float(bytes) => bytes,
        }
    }
}

impl Array {
    /// Reads a file, plain or gzipped.
    ///
    /// # Errors
    /// E0414 when it cannot be read, E0415 when it is damaged, E0501 for elements that are no numbers.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::from_bytes(path, &read_all(path, open(path)?)?)
    }

    /// Reads what is called `path` in messages.
    ///
    /// # Errors
    /// As [`Array::read`].
    pub fn from_bytes(path: &Path, bytes: &[u8]) -> Result<Self, Error> {
        let Some((version, rest)) = bytes.strip_prefix(MAGIC).and_then(<[u8]>::split_first_chunk::<2>) else {
            let message = format!("`{}` is not an array of NumPy: it does not begin as one", path.display());
            return Err(Error::new("E0415", message).at(path).help("write it with `numpy.save`"));
        };
        let header = match version {
            [1, _] => {
                rest.split_first_chunk().map(|(len, rest)| (usize::from(u16::from_le_bytes(*len)), rest))
            }
            [2 | 3, _] => {
                rest.split_first_chunk().map(|(len, rest)| (u32::from_le_bytes(*len) as usize, rest))
            }
            [major, minor] => {
                let message = format!("`{}` has version {major}.{minor} of the format", path.display());
                return Err(Error::new("E0501", message).at(path).note("versions 1, 2 and 3 are read"));
            }
        };
        let parts = header.and_then(|(len, rest)| rest.split_at_checked(len));
        let Some((header, bytes)) = parts else { return Err(damaged(path, "it ends inside its header")) };
        let header = std::str::from_utf8(header).ok().and_then(Header::parse);
        let Some(Header { descr, is_fortran, shape }) = header else {
            return Err(damaged(path, "its header does not say `descr`, `fortran_order` and `shape`"));
        };
        let (order, element) = descr.split_at_checked(1).unwrap_or(("", descr));
        let Some(element) = Element::parse(element).filter(|_| matches!(order, "<" | ">" | "|" | "=")) else {
            let message = format!("`{}` has elements of type `{descr}`", path.display());
            return Err(Error::new("E0501", message)
                .at(path)
                .note("f4, f8, whole numbers of 8 to 64 bits and booleans are read")
                .help("convert it: `numpy.save(\"x.npy\", x.astype(numpy.float32))`"));
        };
        let len = shape.iter().try_fold(element.bytes(), |product, axis| product.checked_mul(*axis));
        if len != Some(bytes.len()) {
            let needed =
                len.map_or_else(|| "more than memory can hold".to_owned(), |len| format!("{len} bytes"));
            let reason = format!("shape {shape:?} of `{descr}` needs {needed}, found {}", bytes.len());
            return Err(damaged(path, &reason));
        }
        Ok(Self {
            shape,
            dtype: descr.to_owned(),
            element,
            is_big_endian: order == ">",
            is_fortran,
            bytes: bytes.to_vec(),
        })
    }

    /// Whether the elements are whole numbers or booleans.
    pub fn is_whole(&self) -> bool {
        !matches!(self.element, Element::Float(_))
    }

    /// The elements, those along the last axis next to each other whatever the order in the file. Whole numbers above
    /// 2^53 are rounded.
    pub fn values(&self) -> impl Iterator<Item = f64> + '_ {
        let len: usize = self.shape.iter().product();
        (0..len).map(|place| self.at(if self.is_fortran { self.fortran(place) } else { place }))
    }

    /// Where an element lies when the first axis is the fastest.
    fn fortran(&self, mut place: usize) -> usize {
        let len: usize = self.shape.iter().product();
        let (mut found, mut step) = (0, len);
        for axis in self.shape.iter().rev() {
            step /= (*axis).max(1);
            found += place % (*axis).max(1) * step;
            place /= (*axis).max(1);
        }
        found
    }

    fn at(&self, place: usize) -> f64 {
        let size = self.element.bytes();
        let mut bytes = [0; 8];
        let found = self.bytes.get(place * size..(place + 1) * size).unwrap_or_default();
        // The least significant byte first, as far as there are some.
        for (n, byte) in bytes.iter_mut().zip(0..found.len()).map(|(byte, n)| (n, byte)) {
            let from = if self.is_big_endian { found.len() - 1 - n } else { n };
            *byte = found.get(from).copied().unwrap_or_default();
        }
        let bits = u64::from_le_bytes(bytes);
        match self.element {
            Element::Bool => f64::from(u8::from(bits != 0)),
            Element::Unsigned(_) => bits as f64,
            Element::Signed(size) => {
                let unused = 64 - 8 * size as u32;
                ((bits << unused) as i64 >> unused) as f64
            }
            Element::Float(4) => f64::from(f32::from_bits(bits as u32)),
            Element::Float(_) => f64::from_bits(bits),
        }
    }
}

/// What the header says.
struct Header<'a> {
    descr: &'a str,
    is_fortran: bool,
    shape: Vec<usize>,
}

impl<'a> Header<'a> {
    /// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`, its keys in any order.
    fn parse(text: &'a str) -> Option<Self> {
        let mut rest = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
        let (mut descr, mut is_fortran, mut shape) = (None, None, None);
        while !rest.is_empty() {
            let (key, after) = quoted(rest)?;
            rest = after.trim_start().strip_prefix(':')?.trim_start();
            match key {
                "descr" => {
                    // A list is a record, whose type is no number.
                    let (found, after) = if rest.starts_with('[') { bracketed(rest)? } else { quoted(rest)? };
                    (descr, rest) = (Some(found), after);
                }
                "fortran_order" => {
                    let end = rest.find(|letter: char| !letter.is_ascii_alphabetic()).unwrap_or(rest.len());
                    let (word, after) = rest.split_at_checked(end)?;
                    is_fortran = match word {
                        "True" => Some(true),
                        "False" => Some(false),
                        _ => return None,
                    };
                    rest = after;
                }
                "shape" => {
                    let (axes, after) = rest.strip_prefix('(')?.split_once(')')?;
                    let axes = axes.split(',').map(str::trim).filter(|axis| !axis.is_empty());
                    shape = Some(
                        axes.map(|axis| axis.trim_end_matches('L').parse().ok()).collect::<Option<_>>()?,
                    );
                    rest = after;
                }
                _ => return None,
            }
            rest = rest.trim_start();
            rest = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        Some(Self { descr: descr?, is_fortran: is_fortran?, shape: shape? })
    }
}

/// A text in quotes, and what is behind it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let mark = text.chars().next().filter(|mark| matches!(mark, '\'' | '"'))?;
    text.get(1..)?.split_once(mark)
}

/// A list with its brackets, and what is behind it.
fn bracketed(text: &str) -> Option<(&str, &str)> {
    let mut depth = 0_usize;
    for (at, letter) in text.char_indices() {
        match letter {
            '[' => depth += 1,
            ']' => depth = depth.checked_sub(1)?,
            _ => {}
        }
        if depth == 0 {
            return text.split_at_checked(at + 1);
        }
    }
    None
}

fn damaged(path: &Path, reason: &str) -> Error {
    Error::new("E0415", format!("`{}` is damaged: {reason}", path.display())).at(path)
}
