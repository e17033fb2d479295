//! The header of a safetensors file: names, types, shapes and places of tensors, and text that goes with them.
//!
//! A header that is accepted describes its data completely: tensors lie one after the other, none overlap, none reach
//! beyond the data, no byte is left over, and each is as long as its shape says.

use std::collections::BTreeMap;

use super::json::{Cursor, Fault, push_string};

/// The longest header that is read, as in the reference implementation.
pub(super) const MAX_HEADER: usize = 100_000_000;

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
    pub metadata: BTreeMap<String, String>,
    pub entries: Vec<Entry>,
}

impl Header {
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

    /// The first bytes of a file: length, header, and padding up to where the data start.
    pub fn to_bytes(&self) -> Vec<u8> {
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
