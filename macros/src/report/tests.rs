use nnc_compiler::load::Texts;
use nnc_compiler::{Options, compile, compile_with};

use super::*;

/// The strings in tokens, unescaped.
fn strings(tokens: TokenStream) -> Vec<String> {
    tokens
        .into_iter()
        .flat_map(|tree| match tree {
            TokenTree::Group(group) => strings(group.stream()),
            TokenTree::Literal(literal) => crate::text::unquote(&literal.to_string()).into_iter().collect(),
            _ => Vec::new(),
        })
        .collect()
}

fn file_messages(text: &str) -> Vec<String> {
    let compilation = compile("a.nn", text, &Options::default());
    let messages = compilation.diagnostics.iter();
    messages
        .flat_map(|diagnostic| strings(in_file(&compilation, diagnostic, "models/a.nn", Span::call_site())))
        .collect()
}

#[test]
fn a_fault_in_a_file_is_shown_with_its_line() {
    let messages = file_messages("model A {\n    input [2]\n    danse(3)\n}\n");
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    let lines: Vec<&str> = message.lines().collect();
    assert!(lines.first().is_some_and(|line| line.starts_with("E0201: ")), "{message}");
    assert_eq!(lines.get(1), Some(&" --> models/a.nn:3:5"), "{message}");
    assert_eq!(lines.get(3), Some(&"3 |     danse(3)"), "{message}");
    assert!(lines.get(4).is_some_and(|line| line.starts_with("  |     ^^^^^")), "{message}");
    assert!(message.contains("\n  = help: did you mean `dense`?"), "{message}");
}

#[test]
fn a_fault_at_the_end_of_a_file_is_shown() {
    let messages = file_messages("model A {\n    input [2]\n    dense(3)\n");
    assert!(messages.iter().any(|message| message.contains("E0105")), "{messages:?}");
}

#[test]
fn a_fault_in_inline_text_has_its_help_without_an_excerpt() {
    let tokens: TokenStream = "model A { input [2] danse(3) }".parse().unwrap_or_default();
    let text = Text::new(tokens);
    let compilation = compile("main.rs", &text.text, &Options::default());
    let messages: Vec<String> = compilation
        .diagnostics
        .iter()
        .flat_map(|diagnostic| strings(inline(&compilation, diagnostic, &text)))
        .collect();
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    assert!(message.starts_with("E0201: "), "{message}");
    assert!(message.ends_with("\nhelp: did you mean `dense`?"), "{message}");
    assert!(!message.contains("-->"), "{message}");
}

#[test]
fn a_warning_is_the_use_of_something_deprecated() {
    let messages = file_messages("activation lonely(x) = 2 * x\nmodel A { input [2] dense(1) }\n");
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    assert!(message.starts_with("activation `lonely` is never used\n --> models/a.nn:1:12"), "{message}");
}

#[test]
fn a_fault_in_a_used_file_is_shown_with_its_line_and_place() {
    let mut files = Texts::new("a.nn");
    files.add("lib/bent.nn", "/// Bent.\nactivation bent(x) = rleu(x)\n");
    let text = "use \"lib/bent.nn\"\nmodel A { input [2] dense(1) -> bent }";
    let compilation = compile_with("a.nn", text, &Options::default(), &mut files);
    let [fault] = compilation.diagnostics.as_slice() else { panic!("{:?}", compilation.diagnostics) };
    let [message] = &strings(in_file(&compilation, fault, "models/a.nn", Span::call_site()))[..] else {
        panic!("{fault:?}")
    };
    assert!(message.contains("\n --> models/lib/bent.nn:2:22\n"), "{message}");
    assert!(message.contains("\n2 | activation bent(x) = rleu(x)\n"), "{message}");

    let text = Text::new(text.parse().unwrap_or_default());
    let [message] = &strings(inline(&compilation, fault, &text))[..] else { panic!("{fault:?}") };
    assert!(message.contains("\n --> lib/bent.nn:2:22\n"), "{message}");
    assert!(message.contains("\n2 | activation bent(x) = rleu(x)\n"), "{message}");
}
