//! Lists that the formatter breaks although they fit on a line.
//!
//! The formatter gives up early on type arguments, struct literals and calls. Its text has one element a line, indented
//! by four, which is all that is relied on here.

use std::borrow::Cow;

use super::{WIDTH, indent};

/// Columns of a line that holds a list of texts.
const WIDTH_OF_TEXT: usize = 120;

/// A line, which seldom changes.
type Line<'t> = Cow<'t, str>;

/// The text with lists on one line where they fit.
pub fn join(text: &str) -> String {
    let mut lines: Vec<Line<'_>> = text.lines().map(Cow::Borrowed).collect();
    replace(&mut lines, type_arguments);
    chains(&mut lines);
    calls(&mut lines);
    // Inner lists first; an outer one can be joined once they are.
    while replace(&mut lines, |lines, at| list(lines, at).map(|(end, line)| (end, vec![line.into()]))) {}
    let mut out = lines.join("\n");
    out.push('\n');
    out
}

/// Puts other lines in the place of those up to one, wherever there are some; whether there were.
fn replace<'t>(
    lines: &mut Vec<Line<'t>>,
    others: impl Fn(&[Line<'t>], usize) -> Option<(usize, Vec<Line<'t>>)>,
) -> bool {
    let mut out = Vec::with_capacity(lines.len());
    let (mut at, mut is_changed) = (0, false);
    while at < lines.len() {
        match others(lines, at) {
            Some((end, others)) => {
                out.extend(others);
                (at, is_changed) = (end + 1, true);
            }
            None => {
                out.push(std::mem::take(&mut lines[at]));
                at += 1;
            }
        }
    }
    *lines = out;
    is_changed
}

/// `f::<` … `>(a, b);` becomes `f::<…>(a, b);`, with an argument a line if that is too long.
fn type_arguments<'t>(lines: &[Line<'t>], at: usize) -> Option<(usize, Vec<Line<'t>>)> {
    if !lines.get(at)?.ends_with("::<") {
        return None;
    }
    let (end, line) = list(lines, at)?;
    let depth = indent(&line);
    let open = line.find(">(").map(|open| open + 2);
    let close = open.and_then(|open| closing(&line, open));
    Some(match (open, close) {
        (Some(open), Some(close)) if line.len() > WIDTH => {
            let mut parts = vec![line[..open].to_owned().into()];
            let arguments = split(&line[open..close], ',').into_iter();
            parts.extend(arguments.map(|argument| format!("{}{argument},", " ".repeat(depth + 4)).into()));
            parts.push(format!("{}{}", " ".repeat(depth), &line[close..]).into());
            (end, parts)
        }
        _ => (end, vec![line.into()]),
    })
}

/// `simd` / `.run(…` becomes `simd.run(…`.
fn chains(lines: &mut Vec<Line<'_>>) {
    let mut at = 0;
    while at + 1 < lines.len() {
        let depth = indent(&lines[at]);
        let next = &lines[at + 1];
        let is_run = next.trim_start().starts_with(".run(") && indent(next) == depth + 4;
        let is_place =
            lines[at].trim_end().chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
        if !is_run || !is_place {
            at += 1;
            continue;
        }
        let next = lines.remove(at + 1);
        lines[at].to_mut().push_str(next.trim_start());
        // What stood behind `.run(` moves to the left with it.
        for line in lines[at + 1..].iter_mut().take_while(|line| indent(line) > depth) {
            line.to_mut().drain(..4);
        }
    }
}

/// `simd.run(` / `Entry(` … `),` / `);` becomes `simd.run(Entry(` … `));`, and likewise `threads.run(simd, 4, Entry(` …
/// `));`.
fn calls(lines: &mut Vec<Line<'_>>) {
    let mut at = 0;
    while at + 1 < lines.len() {
        let depth = indent(&lines[at]);
        if !(lines[at].ends_with("simd.run(") || lines[at].ends_with("threads.run(")) {
            at += 1;
            continue;
        }
        let is_short = |line: &&Line<'_>| line.ends_with(',') && !line.contains(['(', '[', '{']);
        let entry = at + 1 + lines[at + 1..].iter().take_while(is_short).count();
        let opens = lines.get(entry).is_some_and(|line| line.ends_with('('));
        let behind = |from: usize, depth: usize| {
            let n = lines.get(from..)?.iter().position(|line| indent(line) <= depth)?;
            Some(from + n)
        };
        let inner = behind(entry + 1, depth + 4).filter(|end| opens && lines[*end].trim_start() == "),");
        let Some(end) = inner.filter(|end| lines.get(end + 1).is_some_and(|line| line.trim_start() == ");"))
        else {
            at += 1;
            continue;
        };
        lines[end + 1] = format!("{}));", " ".repeat(depth)).into();
        lines.remove(end);
        for line in &mut lines[entry + 1..end] {
            line.to_mut().drain(..4);
        }
        let before: Vec<Line<'_>> = lines.drain(at + 1..=entry).collect();
        let before: Vec<&str> = before.iter().map(|line| line.trim_start()).collect();
        lines[at].to_mut().push_str(&before.join(" "));
        at += 1;
    }
}

/// The list that opens at the end of a line: its last line, and all of it on one line, where that fits.
fn list(lines: &[Line<'_>], at: usize) -> Option<(usize, String)> {
    let open = &lines[at];
    let text = open.trim_start();
    if text.starts_with("//") || text.starts_with("#") {
        return None;
    }
    let close = match open.chars().next_back()? {
        '(' => ')',
        '[' => ']',
        '<' => '>',
        '{' if is_literal(text) => '}',
        _ => return None,
    };
    let depth = indent(open);
    let end = at + 1 + lines[at + 1..].iter().position(|line| indent(line) <= depth)?;
    let last = lines[end].trim_start();
    let elements = &lines[at + 1..end];
    let is_list = elements.iter().all(|line| {
        indent(line) == depth + 4 && line.ends_with(',') && !line.trim_start().starts_with(['/', '#'])
    });
    if !last.starts_with(close) || elements.is_empty() || !is_list {
        return None;
    }
    let elements = elements.iter().map(|line| line.trim_start()).collect::<Vec<_>>().join(" ");
    let elements = elements.trim_end_matches(',');
    let line =
        if close == '}' { format!("{open} {elements} {last}") } else { format!("{open}{elements}{last}") };
    // Type arguments of a call read badly when broken, even in a long line, and so do a name and its place in a table of them.
    let is_text = elements.split(", ").all(|element| element.starts_with('"') && element.ends_with('"'));
    let is_call = close == '>' && !text.starts_with("fn ");
    let fits = line.len() <= WIDTH || is_call || is_text && line.len() <= WIDTH_OF_TEXT;
    fits.then_some((end, line))
}

/// Whether a line that ends in `{` opens a struct literal: `rt::LayerInfo {`, `Self {`.
fn is_literal(text: &str) -> bool {
    let is_item = ["struct ", "pub struct ", "impl ", "match ", "if ", "for ", "fn ", "pub fn "];
    let name = text.trim_end_matches(['{', ' ']);
    let name = name.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or("");
    !is_item.iter().any(|item| text.starts_with(item)) && name.starts_with(|c: char| c.is_ascii_uppercase())
}

/// Where the bracket ends that was opened before `from`.
fn closing(line: &str, from: usize) -> Option<usize> {
    let mut depth = 1;
    let end = line.get(from..)?.find(|c: char| {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
        depth == 0
    })?;
    Some(from + end)
}

/// Cuts at the separators that are not inside brackets.
fn split(text: &str, separator: char) -> Vec<String> {
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
