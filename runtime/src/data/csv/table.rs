//! A CSV file as text: every row has as many fields as the header.

use std::io::Read;
use std::path::Path;

use csv::{ByteRecord, Position, ReaderBuilder};

use crate::data::unpack;
use crate::error::{Error, count};

/// A CSV file in memory, as text.
///
/// ```
/// use nnc_runtime::data::csv::Table;
///
/// let table = Table::from_reader("fruit.csv", "name,weight\n\"apple, red\",150\n".as_bytes(), b',')?;
/// assert_eq!(table.header(), ["name", "weight"]);
/// assert_eq!(table.get(0, 0), "apple, red");
/// # Ok::<(), nnc_runtime::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Table {
    source: String,
    delimiter: u8,
    header: Vec<String>,
    header_line: u64,
    /// All fields, one after the other.
    text: String,
    rows: Vec<Row>,
    /// For each field of each row, where it ends, counted from the start of its row.
    ends: Vec<u32>,
}

#[derive(Debug, Clone, Copy)]
struct Row {
    start: usize,
    line: u64,
}

/// Counts lines as an editor does. The reader's own count takes no note of blank lines, nor of the second byte of
/// `\r\n` until the next record.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line that a record starts on, which the reader began to look for at `from`; calls come in order.
    fn of_record(&mut self, from: u64) -> u64 {
        let from = usize::try_from(from).unwrap_or(usize::MAX);
        while let Some(&byte) = self.bytes.get(self.at) {
            if self.at >= from && !matches!(byte, b'\r' | b'\n') {
                break;
            }
            self.at += 1;
            let is_half = byte == b'\r' && self.bytes.get(self.at) == Some(&b'\n');
            self.line += u64::from(matches!(byte, b'\r' | b'\n') && !is_half);
        }
        self.line
    }
}

/// Records of any length, the header among them.
fn records<R: Read>(reader: R, delimiter: u8) -> csv::Reader<R> {
    ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(reader)
}

impl Table {
    /// Reads a file, plain or gzipped.
    ///
    /// # Errors
    /// E0414 when it cannot be read, E0415 when it is empty, is not UTF-8, or a row has too few or too many fields, E0410
    /// when it has a header alone.
    pub fn read(path: impl AsRef<Path>, delimiter: u8) -> Result<Self, Error> {
        let path = path.as_ref();
        Self::from_reader(&path.display().to_string(), unpack::open(path)?, delimiter)
    }

    /// Reads what is called `source` in messages.
    ///
    /// # Errors
    /// As [`Table::read`] has them.
    pub fn from_reader(source: &str, reader: impl Read, delimiter: u8) -> Result<Self, Error> {
        let bytes = unpack::read_all(Path::new(source), reader)?;
        // The mark that some programs put first, to say that it is UTF-8.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
        let mut lines = Lines { bytes, at: 0, line: 1 };
        let mut reader = records(bytes, delimiter);
        let mut table = Self {
            source: source.to_owned(),
            delimiter,
            header: Vec::new(),
            header_line: 1,
            text: String::new(),
            rows: Vec::new(),
            ends: Vec::new(),
        };
        let mut record = ByteRecord::new();
        while reader.read_byte_record(&mut record).map_err(|error| table.damaged(error))? {
            let start = record.position().map_or(0, Position::byte);
            let line = lines.of_record(start);
            if reader.position().byte() >= bytes.len() as u64 {
                let last = bytes.get(start as usize..).unwrap_or_default();
                table.check_quotes(last, line)?;
            }
            if table.header.is_empty() {
                table.read_header(&record, line)?;
            } else {
                table.push(&record, line)?;
            }
        }
        if table.header.is_empty() {
            return Err(table.damaged("it is empty, expected a header"));
        }
        if table.rows.is_empty() {
            let message = format!("`{source}` has a header, but no rows");
            return Err(Error::new("E0410", message).at(source));
        }
        Ok(table)
    }

    fn read_header(&mut self, record: &ByteRecord, line: u64) -> Result<(), Error> {
        self.header_line = line;
        for field in record {
            let name = self.utf8(field, line)?.trim().to_owned();
            if !name.is_empty() && self.header.contains(&name) {
                return Err(self.damaged(format!("two columns are called `{name}`")).line(line));
            }
            self.header.push(name);
        }
        Ok(())
    }

    fn push(&mut self, record: &ByteRecord, line: u64) -> Result<(), Error> {
        if record.len() != self.header.len() {
            let message = format!(
                "line {line} has {}, expected {} as in the header",
                count(record.len(), "field"),
                self.header.len()
            );
            return Err(Error::new("E0415", message).at(&self.source).line(line));
        }
        let start = self.text.len();
        for field in record {
            let field = self.utf8(field, line)?.trim();
            self.text.push_str(field);
            let Ok(end) = u32::try_from(self.text.len() - start) else {
                return Err(self.damaged("a row is longer than 4 GB").line(line));
            };
            self.ends.push(end);
        }
        self.rows.push(Row { start, line });
        Ok(())
    }

    /// A quote that nothing closes takes all that is behind it into one field: what is put behind the last record is
    /// then no record of its own.
    fn check_quotes(&self, last: &[u8], line: u64) -> Result<(), Error> {
        let mut reader = records(last.chain(b"\n.".as_slice()), self.delimiter);
        if reader.byte_records().count() > 1 {
            return Ok(());
        }
        let error = self.damaged(format!("line {line} opens a quote that nothing closes"));
        Err(error.line(line).help("write `\"\"` for a quote within a quoted field"))
    }

    fn utf8<'a>(&self, field: &'a [u8], line: u64) -> Result<&'a str, Error> {
        std::str::from_utf8(field).map_err(|_| {
            let error = self.damaged("it is not UTF-8").line(line);
            if field.starts_with(&[0xff, 0xfe]) || field.starts_with(&[0xfe, 0xff]) {
                return error.help("it looks like UTF-16: save it as UTF-8");
            }
            error.help("save it as UTF-8")
        })
    }

    fn damaged(&self, reason: impl std::fmt::Display) -> Error {
        Error::new("E0415", format!("`{}` cannot be read as CSV: {reason}", self.source)).at(&self.source)
    }

    /// What it is called in messages.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Names of the columns.
    pub fn header(&self) -> &[String] {
        &self.header
    }

    /// The line of the header, counted from 1.
    pub fn header_line(&self) -> u64 {
        self.header_line
    }

    /// Number of rows, the header not counted.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// The line that a row starts on, counted from 1; 0 when there is no such row.
    pub fn line(&self, row: usize) -> u64 {
        self.rows.get(row).map_or(0, |row| row.line)
    }

    /// A field, without white space around it; empty when there is no such field.
    pub fn get(&self, row: usize, column: usize) -> &str {
        let (Some(at), true) = (self.rows.get(row), column < self.header.len()) else {
            return "";
        };
        let field = row * self.header.len() + column;
        let end_of = |field: usize| self.ends.get(field).map_or(0, |&end| end as usize);
        let from = if column == 0 { 0 } else { end_of(field - 1) };
        self.text.get(at.start + from..at.start + end_of(field)).unwrap_or_default()
    }

    /// All fields of a column.
    pub fn column(&self, column: usize) -> impl Iterator<Item = &str> {
        (0..self.rows()).map(move |row| self.get(row, column))
    }

    /// Keeps the rows of some classes alone.
    pub(super) fn keep(&mut self, is_kept: &[bool]) {
        let width = self.header.len();
        let kept = |row: usize| is_kept.get(row).copied().unwrap_or(false);
        self.ends = std::mem::take(&mut self.ends)
            .into_iter()
            .enumerate()
            .filter_map(|(field, end)| kept(field / width.max(1)).then_some(end))
            .collect();
        self.rows = std::mem::take(&mut self.rows)
            .into_iter()
            .enumerate()
            .filter_map(|(row, place)| kept(row).then_some(place))
            .collect();
    }

    /// Another delimiter that would make several columns of the only one.
    pub(super) fn likely_delimiter(&self) -> Option<char> {
        let [only] = self.header.as_slice() else {
            return None;
        };
        let mut others =
            [',', ';', '\t', '|'].into_iter().filter(|&other| other as u32 != u32::from(self.delimiter));
        others.find(|&other| only.contains(other))
    }
}
