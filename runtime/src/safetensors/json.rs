//! As much JSON as the header of a safetensors file and its metadata need: read by a cursor that never builds a tree,
//! so that a hostile header costs no more memory than the tensors it names.

use alloc::format;
use alloc::string::String;
#[cfg(feature = "std")]
use alloc::vec::Vec;

/// What is not JSON, or not what was expected, and the byte where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub what: String,
    pub at: usize,
}

/// Objects and lists inside each other that are followed before it is taken for an attack on the stack.
const MAX_DEPTH: usize = 32;

/// A place in a text of JSON.
pub(crate) struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    pub fn new(text: &'a str) -> Self {
        Self { bytes: text.as_bytes(), at: 0 }
    }

    pub fn fault<T>(&self, what: impl Into<String>) -> Result<T, Fault> {
        Err(Fault { what: what.into(), at: self.at })
    }

    /// The next byte that is not white space, left in place.
    fn peek(&mut self) -> Option<u8> {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.bytes.get(self.at) {
            self.at += 1;
        }
        self.bytes.get(self.at).copied()
    }

    fn is_next(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8) -> Result<(), Fault> {
        if self.is_next(byte) {
            return Ok(());
        }
        self.fault(format!("expected `{}`", char::from(byte)))
    }

    /// Nothing but white space is left.
    pub fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fault("expected the end"),
        }
    }

    /// An object; `field` reads the value of each key.
    pub fn object(
        &mut self,
        mut field: impl FnMut(&mut Self, String) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        self.expect(b'{')?;
        if self.is_next(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':')?;
            field(self, key)?;
            if self.is_next(b'}') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// A list; `item` reads each of its values.
    pub fn list(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), Fault>) -> Result<(), Fault> {
        self.expect(b'[')?;
        if self.is_next(b']') {
            return Ok(());
        }
        loop {
            item(self)?;
            if self.is_next(b']') {
                return Ok(());
            }
            self.expect(b',')?;
        }
    }

    /// A whole number that is not negative and fits 64 bits.
    pub fn unsigned(&mut self) -> Result<u64, Fault> {
        self.peek();
        let digits = self.run(|byte| byte.is_ascii_digit());
        match digits.parse() {
            Ok(number) if digits == "0" || !digits.starts_with('0') => Ok(number),
            _ => self.fault("expected a whole number"),
        }
    }

    fn run(&mut self, is_part: impl Fn(u8) -> bool) -> &'a str {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let len = rest.iter().position(|&byte| !is_part(byte)).unwrap_or(rest.len());
        self.at += len;
        core::str::from_utf8(rest.get(..len).unwrap_or_default()).unwrap_or_default()
    }

    /// A string, with its escapes resolved.
    pub fn string(&mut self) -> Result<String, Fault> {
        self.expect(b'"')?;
        let mut text = String::new();
        loop {
            text.push_str(self.run(|byte| !matches!(byte, b'"' | b'\\' | 0..0x20)));
            match self.bytes.get(self.at) {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.at += 1;
                    text.push(self.escape()?);
                }
                Some(_) => return self.fault("control character in a string"),
                None => return self.fault("unclosed string"),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Fault> {
        let letter = self.bytes.get(self.at).copied();
        self.at += 1;
        match letter {
            Some(b'n') => Ok('\n'),
            Some(b't') => Ok('\t'),
            Some(b'r') => Ok('\r'),
            Some(b'b') => Ok('\u{8}'),
            Some(b'f') => Ok('\u{c}'),
            Some(letter @ (b'"' | b'\\' | b'/')) => Ok(char::from(letter)),
            Some(b'u') => self.unicode_escape(),
            _ => self.fault("unknown escape"),
        }
    }

    fn unicode_escape(&mut self) -> Result<char, Fault> {
        let first = self.four_hex_digits()?;
        let code = if (0xd800..0xdc00).contains(&first) {
            // A character beyond 16 bits is written as two escapes.
            let is_pair = self.bytes.get(self.at..self.at + 2) == Some(b"\\u");
            self.at += 2 * usize::from(is_pair);
            let second = if is_pair { self.four_hex_digits()? } else { 0 };
            match second.checked_sub(0xdc00) {
                Some(low @ 0..0x400) => 0x10000 + ((first - 0xd800) << 10) + low,
                _ => return self.fault("half of a character"),
            }
        } else {
            first
        };
        match char::from_u32(code) {
            Some(letter) => Ok(letter),
            None => self.fault("half of a character"),
        }
    }

    fn four_hex_digits(&mut self) -> Result<u32, Fault> {
        let digits = self.bytes.get(self.at..self.at + 4).unwrap_or_default();
        let value =
            digits.iter().try_fold(0, |value, &digit| Some(value << 4 | char::from(digit).to_digit(16)?));
        match value {
            Some(value) if digits.len() == 4 => {
                self.at += 4;
                Ok(value)
            }
            _ => self.fault("expected four hexadecimal digits"),
        }
    }

    /// Any value, of no interest.
    pub fn skip(&mut self) -> Result<(), Fault> {
        self.skip_at(MAX_DEPTH)
    }

    fn skip_at(&mut self, depth: usize) -> Result<(), Fault> {
        let Some(depth) = depth.checked_sub(1) else {
            return self.fault("nested too deeply");
        };
        match self.peek() {
            Some(b'{') => self.object(|cursor, _| cursor.skip_at(depth)),
            Some(b'[') => self.list(|cursor| cursor.skip_at(depth)),
            Some(b'"') => self.string().map(|_| ()),
            _ => {
                let is_part = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.');
                let word = self.run(is_part);
                if matches!(word, "true" | "false" | "null") || word.parse::<f64>().is_ok() {
                    return Ok(());
                }
                self.fault("expected a value")
            }
        }
    }
}

/// Writes a string with its quotes.
pub(crate) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0'..' ' => out.push_str(&format!("\\u{:04x}", u32::from(letter))),
            letter => out.push(letter),
        }
    }
    out.push('"');
}

/// A list of strings.
#[cfg(feature = "std")]
pub(crate) fn string_list<S: AsRef<str>>(strings: &[S]) -> String {
    let mut out = String::from("[");
    for (i, string) in strings.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_string(&mut out, string.as_ref());
    }
    out.push(']');
    out
}

/// Reads a list of strings; `None` when it is anything else.
#[cfg(feature = "std")]
pub(crate) fn parse_string_list(text: &str) -> Option<Vec<String>> {
    let mut cursor = Cursor::new(text);
    let strings = list_of_strings(&mut cursor).ok()?;
    cursor.end().ok()?;
    Some(strings)
}

/// Reads a list of lists of strings; `None` when it is anything else.
#[cfg(feature = "std")]
pub(crate) fn parse_string_lists(text: &str) -> Option<Vec<Vec<String>>> {
    let mut cursor = Cursor::new(text);
    let mut lists = Vec::new();
    let read = cursor.list(|cursor| {
        lists.push(list_of_strings(cursor)?);
        Ok(())
    });
    read.and_then(|()| cursor.end()).ok()?;
    Some(lists)
}

#[cfg(feature = "std")]
fn list_of_strings(cursor: &mut Cursor<'_>) -> Result<Vec<String>, Fault> {
    let mut strings = Vec::new();
    cursor.list(|cursor| {
        strings.push(cursor.string()?);
        Ok(())
    })?;
    Ok(strings)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_resolved() {
        let text = r#""a\"\\\/\n\u00e9\ud83d\ude00é""#;
        assert_eq!(Cursor::new(text).string().as_deref(), Ok("a\"\\/\né😀é"));
    }

    #[test]
    fn half_characters_and_control_characters_are_faults() {
        for text in [r#""\ud83d""#, r#""\ude00""#, r#""\ud83d\u0041""#, r#""\u12g4""#, "\"\u{1}\"", r#""\u1"#]
        {
            assert!(Cursor::new(text).string().is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_is_read_back() {
        let strings = ["", "a,b", "\"quoted\"", "\u{1}\u{7f}", "日本"];
        assert_eq!(parse_string_list(&string_list(&strings)).unwrap(), strings);
    }

    #[test]
    fn deep_nesting_is_a_fault_rather_than_the_end_of_the_stack() {
        let text = "[".repeat(100_000);
        assert_eq!(
            Cursor::new(&text).skip().map_err(|fault| fault.what),
            Err("nested too deeply".to_owned())
        );
    }

    #[test]
    fn numbers_that_do_not_fit_are_faults() {
        for text in ["18446744073709551616", "-1", "1.5e", "01", "", "x"] {
            let mut cursor = Cursor::new(text);
            let read = cursor.unsigned().and_then(|_| cursor.end());
            assert!(read.is_err(), "{text}");
        }
        assert_eq!(Cursor::new("18446744073709551615").unsigned(), Ok(u64::MAX));
    }
}
