//! Long lists of arguments, as many on a line as fit.
//!
//! A model is a list of calls with many places in memory, and of functions that are handed them; one a line would hide
//! the calls. The same goes for lists of pairs, and for the sizes that a kernel is handed.

use super::{WIDTH, indent};

/// The text with arguments, lists of pairs, and sizes in filled lines.
pub fn fill(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let mut out = String::with_capacity(text.len());
    let mut rest = lines.as_slice();
    while let Some((line, others)) = rest.split_first() {
        let is_list = opens_arguments(line) || opens_pairs(line, others) || opens_sizes(line, others);
        let n = if is_list { elements(line, others) } else { 0 };
        let (list, others) = others.split_at(n);
        out.push_str(line);
        out.push('\n');
        out.push_str(&filled(list.iter().map(|line| line.trim_start()), indent(line) + 4, indent(line) + 4));
        rest = others;
    }
    out
}

/// Pieces on lines that are as long as may be; the first line and the others are indented by so much.
pub fn filled<'a>(pieces: impl Iterator<Item = &'a str>, first: usize, depth: usize) -> String {
    let (mut out, mut width) = (String::new(), 0);
    for piece in pieces {
        if width > 0 && width + 1 + piece.len() <= WIDTH {
            out.push(' ');
            width += 1;
        } else {
            let margin = if width > 0 { depth } else { first };
            if width > 0 {
                out.push('\n');
            }
            out.push_str(&" ".repeat(margin));
            width = margin;
        }
        out.push_str(piece);
        width += piece.len();
    }
    if width > 0 {
        out.push('\n');
    }
    out
}

/// Whether a line opens a list of arguments, or of the parameters of a function.
fn opens_arguments(line: &str) -> bool {
    let text = line.trim_start();
    let is_function = line.ends_with('<') && text.starts_with("fn ");
    is_function || line.ends_with('(') && !text.starts_with("//") && !text.starts_with("#[")
}

/// Whether a line opens a list of pairs.
fn opens_pairs(line: &str, lines: &[&str]) -> bool {
    line.ends_with("= &[") && lines.first().is_some_and(|first| first.trim_start().starts_with('('))
}

/// Whether a line opens the literal of a struct of nothing but numbers.
fn opens_sizes(line: &str, lines: &[&str]) -> bool {
    let n = elements(line, lines);
    let closes =
        lines.get(n).is_some_and(|end| indent(end) == indent(line) && end.trim_start().starts_with('}'));
    let is_number = |value: &str| {
        value.chars().all(|c| c.is_ascii_digit() || "[](), .".contains(c))
            || matches!(value, "true," | "false,")
    };
    let mut fields = lines.iter().take(n).map(|line| line.split_once(": ").map_or("", |(_, value)| value));
    line.ends_with('{') && closes && n > 0 && fields.all(|value| !value.is_empty() && is_number(value))
}

/// How many of the lines behind it are an element each. What comes behind them, such as a closure, stays as it is.
fn elements(open: &str, lines: &[&str]) -> usize {
    let depth = indent(open) + 4;
    let is_element = |line: &&&str| {
        indent(line) == depth
            && line.ends_with(',')
            && !line.trim_start().starts_with(['/', '#', ')', ']', '}', '|'])
    };
    lines.iter().take_while(is_element).count()
}
