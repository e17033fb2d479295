//! Escapes in strings, as Rust writes them.

/// Resolves the escapes of a string's inside; the grammar has checked their form.
///
/// # Errors
///
/// The escape that names no character, such as `\u{110000}`.
pub(crate) fn unescape(text: &str) -> Result<String, &str> {
    let mut value = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        value.push_str(rest.get(..at).unwrap_or(""));
        let escape = rest.get(at..).unwrap_or("");
        let (character, len) = character(escape).ok_or(escape)?;
        value.push(character);
        rest = escape.get(len..).unwrap_or("");
    }
    value.push_str(rest);
    Ok(value)
}

/// The character that a text beginning with an escape names, and the length of the escape.
fn character(escape: &str) -> Option<(char, usize)> {
    Some(match escape.as_bytes().get(1)? {
        b'n' => ('\n', 2),
        b'r' => ('\r', 2),
        b't' => ('\t', 2),
        b'0' => ('\0', 2),
        b'\\' => ('\\', 2),
        b'"' => ('"', 2),
        b'\'' => ('\'', 2),
        b'x' => (char::from(u8::from_str_radix(escape.get(2..4)?, 16).ok()?), 4),
        b'u' => {
            let end = escape.find('}')?;
            (char::from_u32(u32::from_str_radix(escape.get(3..end)?, 16).ok()?)?, end + 1)
        }
        _ => return None,
    })
}

/// Writes a string the way the language reads it, with quotes.
pub fn quote(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for character in text.chars() {
        match character {
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\0' => quoted.push_str("\\0"),
            '\\' => quoted.push_str("\\\\"),
            '"' => quoted.push_str("\\\""),
            character if character.is_control() => {
                quoted.push_str(&format!("\\u{{{:x}}}", u32::from(character)))
            }
            character => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}
