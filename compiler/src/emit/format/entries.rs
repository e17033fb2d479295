//! The table of entries, whose tokens the formatter leaves as they come.

use super::WIDTH;
use super::fill::filled;

/// The text with one entry a line, or on several if it is long.
pub fn entries(text: &str) -> String {
    let Some(start) = text.find("rt::entries! {") else { return text.to_owned() };
    let (before, table) = text.split_at(start);
    let (Some(open), Some(close)) = (table.find('{'), table.rfind('}')) else { return text.to_owned() };
    let inner = table.get(open + 1..close).unwrap_or("");
    let inner = tidy(&inner.split_whitespace().collect::<Vec<_>>().join(" "));
    let mut out = format!(
        "{before}// An entry for each function: `simd.run` compiles it for the machine's vectors.\nrt::entries! {{\n"
    );
    for entry in split(&inner, ';') {
        let line = format!("    {entry};\n");
        if line.len() <= WIDTH + 1 {
            out.push_str(&line);
        } else {
            out.push_str(&broken(&entry));
        }
    }
    out.push('}');
    out.push_str(table.get(close + 1..).unwrap_or(""));
    out
}

/// An entry on several lines.
fn broken(entry: &str) -> String {
    let (Some(open), Some(close)) = (entry.find('('), entry.rfind(')')) else {
        return format!("    {entry};\n");
    };
    let mut pieces = split(&entry[open + 1..close], ',');
    // The name of the entry stands before its first argument, and what it gives behind its last.
    let name = &entry[..=open];
    let (entry_name, function) = name.split_at(name.find(" = ").map_or(0, |at| at + 2));
    if let Some(first) = pieces.first_mut() {
        first.insert_str(0, if name.len() > WIDTH / 2 { function.trim_start() } else { name });
    }
    if let Some(last) = pieces.last_mut() {
        last.push_str(&entry[close..]);
    }
    let last = pieces.len().saturating_sub(1);
    for (n, piece) in pieces.iter_mut().enumerate() {
        piece.push(if n == last { ';' } else { ',' });
    }
    if name.len() > WIDTH / 2 {
        pieces.insert(0, entry_name.to_owned());
    }
    filled(pieces.iter().map(String::as_str), 4, 8)
}

/// Cuts at the separators that are not inside brackets.
pub fn split(text: &str, separator: char) -> Vec<String> {
    let mut parts = Vec::new();
    let mut depth = 0;
    let mut part = String::new();
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        if c == separator && depth == 0 {
            parts.push(std::mem::take(&mut part).trim().to_owned());
        } else {
            part.push(c);
        }
    }
    let rest = part.trim();
    if !rest.is_empty() {
        parts.push(rest.to_owned());
    }
    parts
}

/// Tokens as a person would space them: names and lifetimes apart from what follows, punctuation close.
fn tidy(tokens: &str) -> String {
    let mut out = String::with_capacity(tokens.len());
    let mut rest = tokens.chars().peekable();
    while let Some(c) = rest.next() {
        let before = out.chars().next_back();
        match c {
            ' ' => {
                let closes = rest
                    .peek()
                    .is_some_and(|next| matches!(next, ' ' | ',' | ';' | ':' | '(' | ')' | ']' | '<' | '>'));
                let opened = before.is_some_and(|last| matches!(last, ' ' | '(' | '[' | '<' | '&'));
                // `-> f32` keeps its spaces, and so does a bracket behind a lifetime or `mut`.
                if !closes && !opened {
                    out.push(' ');
                }
            }
            '=' => {
                let start = out.trim_end().len();
                out.truncate(start);
                out.push_str(" = ");
            }
            '-' if rest.peek() == Some(&'>') => {
                rest.next();
                let start = out.trim_end().len();
                out.truncate(start);
                out.push_str(" -> ");
            }
            '[' if is_lifetime(&out) => out.push_str(" ["),
            _ => out.push(c),
        }
    }
    out
}

/// Whether a text ends in a lifetime.
fn is_lifetime(text: &str) -> bool {
    text.trim_end_matches(|c: char| c.is_alphanumeric()).ends_with('\'') && !text.ends_with('\'')
}
