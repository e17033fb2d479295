//! Tokens as a file that reads well: formatted, with comments, and the table of entries a line each.

use proc_macro2::TokenStream;

/// Emitted tokens as formatted Rust.
///
/// The same tokens give the same bytes. Tokens that are not Rust, which is an error in the compiler, are printed as
/// they are, so that rustc shows what is wrong with them.
pub fn to_rust(tokens: &TokenStream) -> String {
    let Ok(file) = syn::parse2::<syn::File>(tokens.clone()) else { return tokens.to_string() };
    let text = prettyplease::unparse(&file);
    entries(&comments(&text))
}

/// `rt::comment!("…");` becomes `// …`.
fn comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut previous_is_open = true;
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indent = line.get(..line.len() - trimmed.len()).unwrap_or("");
        let comment = trimmed.strip_prefix("rt::comment!(\"").and_then(|rest| rest.strip_suffix("\");"));
        match comment {
            Some(comment) => {
                if !previous_is_open {
                    out.push('\n');
                }
                out.push_str(indent);
                out.push_str("// ");
                out.push_str(&comment.replace("\\\"", "\"").replace("\\\\", "\\"));
            }
            None => out.push_str(line),
        }
        out.push('\n');
        previous_is_open = trimmed.ends_with('{') || trimmed.is_empty() || comment.is_some();
    }
    spaced(&out)
}

/// A blank line before each item that has none.
fn spaced(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut previous = "";
    for line in text.lines() {
        let starts_item = !line.starts_with(' ')
            && (line.starts_with("///")
                || line.starts_with("impl")
                || line.starts_with("fn ")
                || line.starts_with("use ")
                || line.starts_with("rt::entries")
                || line.starts_with("rt::inherent")
                || line.starts_with("pub struct"));
        let follows = previous == "}" || previous == "};";
        if starts_item && follows || (line.starts_with("use ") && previous.starts_with("#![")) {
            out.push('\n');
        } else if line.starts_with("///") && !previous.starts_with("///") && !previous.is_empty() && !follows && !previous.starts_with(' ') {
            out.push('\n');
        }
        out.push_str(line);
        out.push('\n');
        previous = line;
    }
    out
}

/// The table of entries, whose tokens the formatter leaves as they come: a line an entry.
fn entries(text: &str) -> String {
    let Some(start) = text.find("rt::entries! {") else { return text.to_owned() };
    let (before, table) = text.split_at(start);
    let Some(open) = table.find('{') else { return text.to_owned() };
    let Some(close) = table.rfind('}') else { return text.to_owned() };
    let inner = table.get(open + 1..close).unwrap_or("");
    let joined = inner.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut out = format!("{before}// An entry for each function: `simd.run` compiles it for the machine's vectors.\nrt::entries! {{\n");
    for entry in split_entries(&joined) {
        out.push_str("    ");
        out.push_str(&tidy(&entry));
        out.push_str(";\n");
    }
    out.push('}');
    out.push_str(table.get(close + 1..).unwrap_or(""));
    out
}

/// Cuts at the semicolons that are not inside brackets.
fn split_entries(text: &str) -> Vec<String> {
    let mut entries = Vec::new();
    let mut depth = 0;
    let mut entry = String::new();
    for c in text.chars() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ';' if depth == 0 => {
                entries.push(std::mem::take(&mut entry));
                continue;
            }
            _ => {}
        }
        entry.push(c);
    }
    if !entry.trim().is_empty() {
        entries.push(entry);
    }
    entries
}

/// Tokens as a person would space them.
fn tidy(entry: &str) -> String {
    let mut text = entry.trim().to_owned();
    for (from, to) in [
        (" <", "<"), ("< ", "<"), (" >", ">"), (" :", ":"), (" ,", ","), (" ;", ";"), ("( ", "("), (" )", ")"),
        ("[ ", "["), (" ]", "]"), (" (", "("), ("& ", "&"), ("-> ", "-> "),
    ] {
        text = text.replace(from, to);
    }
    // An arrow and an equals sign keep their spaces.
    text.replace("'a[", "'a [").replace("=", " = ").replace("  ", " ").replace("->", " -> ").replace("  ", " ").replace(" - > ", " -> ")
}
