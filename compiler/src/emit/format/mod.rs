//! Tokens as a file that reads well: formatted, with comments, lists in filled lines.

mod fill;
mod join;
mod nested;

use proc_macro2::TokenStream;

/// Columns of a line.
const WIDTH: usize = 100;

/// Emitted tokens as formatted Rust.
///
/// The same tokens give the same bytes. Tokens that are not Rust, which is an error in the compiler, are printed as
/// they are, so that rustc shows what is wrong with them.
pub fn to_rust(tokens: &TokenStream) -> String {
    let nested = nested::take(tokens.clone());
    let parsed = nested.and_then(|(rest, items)| Some((syn::parse2::<syn::File>(rest).ok()?, items)));
    let Some((file, items)) = parsed else { return tokens.to_string() };
    let text = nested::put(&prettyplease::unparse(&file), &items);
    spaced(&comments(&fill::fill(&join::join(&text))))
}

/// `rt::comment!("…");` becomes `// …`.
fn comments(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut previous_is_open = true;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let (indent, trimmed) = line.split_at(indent(line));
        // The formatter gives the text of a long one a line of its own.
        let comment = if trimmed == "rt::comment!(" {
            let text = lines.next().unwrap_or_default();
            lines.next();
            text.trim_start().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'))
        } else {
            trimmed.strip_prefix("rt::comment!(\"").and_then(|rest| rest.strip_suffix("\");"))
        };
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
    out
}

/// A blank line before each item, and each method, that has none.
fn spaced(text: &str) -> String {
    const STARTS: [&str; 16] = [
        "///",
        "#[",
        "impl",
        "fn ",
        "pub fn ",
        "pub struct ",
        "struct ",
        "const ",
        "static ",
        "type ",
        "use ",
        "rt::kernels!",
        "rt::debug!",
        "rt::inherent!",
        "rt::memory!",
        "rt::tensors!",
    ];
    let mut out = String::with_capacity(text.len());
    let mut previous = "";
    for line in text.lines() {
        let (depth, item) = (indent(line), line.trim_start());
        let starts = depth <= 4 && STARTS.iter().any(|start| item.starts_with(start));
        let is_part = previous.trim_start().starts_with("///") || previous.trim_start().starts_with("#[");
        let ends = indent(previous) == depth && matches!(previous.trim_start(), "}" | "};");
        let one_line = |line: &str| {
            ["use ", "static ", "type ", "rt::debug!(", "rt::inherent!("]
                .iter()
                .any(|start| line.starts_with(start))
        };
        // One-line items of a kind stay together; what has a doc comment stands apart.
        let apart = depth == 0
            && !previous.is_empty()
            && (item.starts_with("///")
                || one_line(item) != one_line(previous)
                || previous.starts_with("#!["));
        // What belongs to a type stands before its methods.
        let after_constant = depth == 4
            && previous.ends_with(';')
            && ["type ", "const "].iter().any(|start| previous.trim_start().starts_with(start))
            && ["///", "fn ", "pub fn "].iter().any(|start| item.starts_with(start));
        if starts && !is_part && (ends || apart || after_constant) {
            out.push('\n');
        }
        out.push_str(line);
        out.push('\n');
        previous = line;
    }
    out
}

/// Spaces before the text of a line.
fn indent(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::to_rust;

    fn formatted(text: &str) -> String {
        to_rust(&text.parse().expect("the text is tokens"))
    }

    #[test]
    fn comments_are_comments() {
        let text = formatted("fn f() { g(); rt::comment!(\"a \\\"b\\\"\"); h(); }");
        assert_eq!(text, "fn f() {\n    g();\n\n    // a \"b\"\n    h();\n}\n");
    }

    #[test]
    fn long_comments_are_comments() {
        let long = "one word and another ".repeat(6);
        let text = formatted(&format!("fn f() {{ g(); rt::comment!(\"{long}\"); h(); }}"));
        assert_eq!(text, format!("fn f() {{\n    g();\n\n    // {long}\n    h();\n}}\n"));
    }

    #[test]
    fn short_lists_stand_on_one_line() {
        let text = formatted(
            "fn f() { let long_name_of_a_value = some_function_with_a_name::<Lanes, GROUPS, 3, 1, SAMPLES>(first, second); }",
        );
        assert!(text.contains("some_function_with_a_name::<Lanes, GROUPS, 3, 1, SAMPLES>("), "{text}");
    }

    #[test]
    fn items_stand_apart() {
        let text = formatted(
            "use a::b; use c::d; /// docs\nfn f() {} fn g() {} struct S; impl S { fn a() {} fn b() {} }",
        );
        assert_eq!(
            text,
            "use a::b;\nuse c::d;\n\n/// docs\nfn f() {}\nfn g() {}\nstruct S;\nimpl S {\n    fn a() {}\n    fn b() {}\n}\n"
        );
    }

    #[test]
    fn functions_with_entries_are_formatted() {
        let text = formatted(
            "rt::kernels! { f32; /// docs\n#[entry(Load)] fn load<'a>(x: &'a [f32], lanes: &'a mut [[Row; 4]]) { f::<L, 4>(x, lanes); } #[entry(Loss)] fn loss<'a>(d: &'a [Row; 1]) -> f32 { g(d) } }",
        );
        assert_eq!(
            text,
            "rt::kernels! {\n    f32;\n\n    /// docs\n    #[entry(Load)]\n    fn load<'a>(x: &'a [f32], lanes: &'a mut [[Row; 4]]) {\n        f::<L, 4>(x, lanes);\n    }\n\n    \
             #[entry(Loss)]\n    fn loss<'a>(d: &'a [Row; 1]) -> f32 {\n        g(d)\n    }\n}\n"
        );
    }
}
