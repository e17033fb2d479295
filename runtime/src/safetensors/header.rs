//! The header of a safetensors file: names, types, shapes and places of tensors, and text that goes with them.
//!
//! A header that is accepted describes its data completely: tensors lie one after the other, none overlap, none reach
//! beyond the data, no byte is left over, and each is as long as its shape says.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::json::{Cursor, Fault};

/// The text that goes with the tensors of a file.
pub type Metadata = BTreeMap<String, String>;

/// The longest header that is read, as in the reference implementation.
const MAX_HEADER: usize = 100_000_000;

/// Most dimensions a tensor may have.
const MAX_RANK: usize = 32;

/// The data start at a multiple of this, so that a mapped file has aligned vectors.
const ALIGNMENT: usize = 64;

/// How a tensor's values are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Dtype {
    /// 16 bits, 5 of exponent.
    F16,
    /// 16 bits, 8 of exponent.
    BF16,
    /// 32 bits.
    F32,
    /// 64 bits.
    F64,
    /// Anything else: kept as it is named, never read as numbers.
    Other(String),
}

impl Dtype {
    fn parse(name: String) -> Self {
        match name.as_str() {
            "F16" => Self::F16,
            "BF16" => Self::BF16,
            "F32" => Self::F32,
            "F64" => Self::F64,
            _ => Self::Other(name),
        }
    }

    /// Its name in the file.
    pub fn name(&self) -> &str {
        match self {
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::F32 => "F32",
            Self::F64 => "F64",
            Self::Other(name) => name,
        }
    }

    /// Bytes of a value, where they are known.
    pub(super) fn bytes(&self) -> Option<usize> {
        match self.name() {
            "F64" | "I64" | "U64" => Some(8),
            "F32" | "I32" | "U32" => Some(4),
            "F16" | "BF16" | "I16" | "U16" => Some(2),
            "I8" | "U8" | "BOOL" | "F8_E5M2" | "F8_E4M3" => Some(1),
            _ => None,
        }
    }

    /// Values that are stored so, as `f32`; `None` for what is no floating-point number.
    pub(super) fn numbers<'b>(&self, bytes: &'b [u8]) -> Option<impl Iterator<Item = f32> + use<'b>> {
        let read = match self {
            Self::F32 => |bytes: &[u8]| Some(f32::from_le_bytes(bytes.try_into().ok()?)),
            Self::F64 => |bytes: &[u8]| Some(f64::from_le_bytes(bytes.try_into().ok()?) as f32),
            Self::F16 => |bytes: &[u8]| Some(f32_from_f16(u16::from_le_bytes(bytes.try_into().ok()?))),
            Self::BF16 => |bytes: &[u8]| {
                Some(f32::from_bits(u32::from(u16::from_le_bytes(bytes.try_into().ok()?)) << 16))
            },
            Self::Other(_) => return None,
        };
        Some(bytes.chunks_exact(self.bytes()?).filter_map(read))
    }
}

/// A tensor in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its name: `hidden.weight`.
    pub name: String,
    /// How its values are stored.
    pub dtype: Dtype,
    /// Its shape: `[out, in]`.
    pub shape: Vec<usize>,
    /// Where it begins in the data, and where it ends.
    pub(super) range: (usize, usize),
}

impl Entry {
    /// Number of values. A header whose shapes overflow is never accepted.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether it holds no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Header {
    pub metadata: Metadata,
    pub entries: Vec<Entry>,
}

impl Header {
    /// As [`Self::parse`].
    pub fn read(text: &[u8], data_len: usize) -> Result<Self, String> {
        match core::str::from_utf8(text) {
            Ok(text) => Self::parse(text, data_len),
            Err(_) => Err("its header is not UTF-8".to_owned()),
        }
    }

    /// Reads a header and checks it against the number of bytes that follow it.
    pub fn parse(text: &str, data_len: usize) -> Result<Self, String> {
        let mut header = Self::default();
        let mut cursor = Cursor::new(text);
        let read = cursor.object(|cursor, key| header.field(cursor, key)).and_then(|()| cursor.end());
        read.map_err(|fault| format!("{} at byte {} of the header", fault.what, fault.at))?;
        header.check(data_len)?;
        Ok(header)
    }

    fn field(&mut self, cursor: &mut Cursor<'_>, key: String) -> Result<(), Fault> {
        if key != "__metadata__" {
            let entry = entry(cursor, key)?;
            self.entries.push(entry);
            return Ok(());
        }
        cursor.object(|cursor, key| {
            let value = cursor.string()?;
            self.metadata.insert(key, value);
            Ok(())
        })
    }

    fn check(&self, data_len: usize) -> Result<(), String> {
        let mut names: Vec<&str> = self.entries.iter().map(|entry| entry.name.as_str()).collect();
        names.sort_unstable();
        if let Some(twice) = names.windows(2).find(|pair| pair.first() == pair.last()) {
            return Err(format!("tensor `{}` is there twice", twice.first().unwrap_or(&"")));
        }
        let mut by_place: Vec<&Entry> = self.entries.iter().collect();
        by_place.sort_by_key(|entry| entry.range);
        let mut end = 0;
        for entry in by_place {
            check_len(entry)?;
            if entry.range.0 != end {
                let name = &entry.name;
                return Err(format!("tensor `{name}` begins at byte {}, expected {end}", entry.range.0));
            }
            end = entry.range.1;
        }
        if end != data_len {
            return Err(format!("the tensors need {end} bytes, the file has {data_len}"));
        }
        Ok(())
    }

    /// That of a file of these tensors, one behind the other, in f32.
    pub fn of<'t>(metadata: Metadata, tensors: impl Iterator<Item = (String, &'t [usize])>) -> Self {
        let mut end = 0;
        let entries = tensors.map(|(name, shape)| {
            let begin = end;
            end += 4 * shape.iter().product::<usize>();
            Entry { name, dtype: Dtype::F32, shape: shape.to_vec(), range: (begin, end) }
        });
        Self { entries: entries.collect(), metadata }
    }

    /// The first bytes of a file: length, header, and padding up to where the data start.
    pub fn to_bytes(&self) -> Vec<u8> {
        use super::json::push_string;

        let mut text = String::from("{");
        if !self.metadata.is_empty() {
            text.push_str("\"__metadata__\":{");
            for (i, (key, value)) in self.metadata.iter().enumerate() {
                text.push_str(if i > 0 { "," } else { "" });
                push_string(&mut text, key);
                text.push(':');
                push_string(&mut text, value);
            }
            text.push('}');
        }
        for entry in &self.entries {
            text.push_str(if text.len() > 1 { "," } else { "" });
            push_string(&mut text, &entry.name);
            text.push_str(&format!(
                ":{{\"dtype\":\"{}\",\"shape\":{},\"data_offsets\":[{},{}]}}",
                entry.dtype.name(),
                format!("{:?}", entry.shape).replace(' ', ""),
                entry.range.0,
                entry.range.1
            ));
        }
        text.push('}');
        while !(text.len() + 8).is_multiple_of(ALIGNMENT) {
            text.push(' ');
        }
        let mut bytes = (text.len() as u64).to_le_bytes().to_vec();
        bytes.extend_from_slice(text.as_bytes());
        bytes
    }
}

/// Header and data of a file's content, or what is wrong with it.
pub(super) fn parse(bytes: &[u8]) -> Result<(Header, &[u8]), String> {
    let header_len = header_len(bytes.get(..8).unwrap_or_default(), bytes.len() as u64)?;
    let text = bytes.get(8..8 + header_len).unwrap_or_default();
    let data = bytes.get(8 + header_len..).unwrap_or_default();
    Ok((Header::read(text, data.len())?, data))
}

/// The length of the header, from the first eight bytes, checked against that of the file.
pub(super) fn header_len(first: &[u8], file_len: u64) -> Result<usize, String> {
    let ends_early = || format!("it ends after {file_len} bytes, before the length of its header");
    let first = <[u8; 8]>::try_from(first).map_err(|_| ends_early())?;
    // A device gives bytes without end, and has none by its metadata.
    let after = file_len.checked_sub(8).ok_or_else(ends_early)?;
    let len = u64::from_le_bytes(first);
    if len > after || len > MAX_HEADER as u64 {
        return Err(format!("its header would have {len} bytes, the file has {file_len}"));
    }
    Ok(len as usize)
}

fn entry(cursor: &mut Cursor<'_>, name: String) -> Result<Entry, Fault> {
    let (mut dtype, mut shape, mut offsets) = (None, None, None);
    cursor.object(|cursor, key| {
        match key.as_str() {
            "dtype" => dtype = Some(Dtype::parse(cursor.string()?)),
            "shape" => shape = Some(sizes(cursor, MAX_RANK)?),
            "data_offsets" => offsets = Some(sizes(cursor, 2)?),
            _ => cursor.skip()?,
        }
        Ok(())
    })?;
    let (Some(dtype), Some(shape), Some(offsets)) = (dtype, shape, offsets) else {
        return cursor.fault(format!("tensor `{name}` needs a dtype, a shape and data_offsets"));
    };
    let [begin, end] = offsets[..] else {
        return cursor.fault(format!("tensor `{name}` needs two offsets"));
    };
    Ok(Entry { name, dtype, shape, range: (begin, end) })
}

fn sizes(cursor: &mut Cursor<'_>, most: usize) -> Result<Vec<usize>, Fault> {
    let mut sizes = Vec::new();
    cursor.list(|cursor| {
        let Ok(size) = usize::try_from(cursor.unsigned()?) else {
            return cursor.fault("size too large");
        };
        if sizes.len() == most {
            return cursor.fault(format!("more than {most} sizes"));
        }
        sizes.push(size);
        Ok(())
    })?;
    Ok(sizes)
}

/// Each tensor is as long as its shape says.
fn check_len(entry: &Entry) -> Result<(), String> {
    let (begin, end) = entry.range;
    let Some(found) = end.checked_sub(begin) else {
        return Err(format!("tensor `{}` ends before it begins", entry.name));
    };
    let values = entry.shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    let Some(values) = values else {
        return Err(format!("tensor `{}` has an impossible shape {:?}", entry.name, entry.shape));
    };
    let Some(bytes) = entry.dtype.bytes() else {
        return Ok(());
    };
    if values.checked_mul(bytes) == Some(found) {
        return Ok(());
    }
    Err(format!(
        "tensor `{}` of {} {:?} needs {values} * {bytes} bytes, found {found}",
        entry.name,
        entry.dtype.name(),
        entry.shape
    ))
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
