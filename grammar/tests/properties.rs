//! What holds for every text: nothing panics, and formatting keeps what was written.

mod common;

use common::{EVERYTHING, comments, meaning, read, repository};
use nnc_grammar::{ast::ExprKind, ast::Item, format};
use proptest::{collection::vec, prelude::*, sample::select, string::string_regex};

// ---- Right texts ---------------------------------------------------------------------------------------------------

/// Stands between two tokens; becomes white space and comments.
const GAP: char = '\u{1}';

/// Joins tokens by gaps.
fn join(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(&GAP.to_string())
}

fn list(parts: Vec<String>, comma_at_end: bool) -> String {
    let gap = GAP;
    let mut text = parts.join(&format!("{gap},{gap}"));
    if comma_at_end && !text.is_empty() {
        text.push_str(&format!("{gap},"));
    }
    text
}

fn name() -> impl Strategy<Value = String> {
    select(vec![
        "x", "relu", "dense", "a_1", "input", "loss", "model", "data", "repeat", "state", "hidden", "output",
    ])
    .prop_map(str::to_owned)
}

fn number() -> impl Strategy<Value = String> {
    select(vec!["0", "16", "0.01", "1e-3", "1_000", "3.", "2.5E+10", "1e300"]).prop_map(str::to_owned)
}

fn string() -> impl Strategy<Value = String> {
    string_regex(r#""([a-z äß//{}(),.=]|\\[nrt0"'\\]|\\x[0-7][0-9a-f]|\\u\{[1-9a-f]{1,4}\})*""#)
        .unwrap()
        // The grammar checks the form of an escape; these stand for no character.
        .prop_filter("surrogates", |text| {
            !text.contains("\\u{d") || read(&format!("use {text}")).1.diagnostics.is_empty()
        })
}

fn expr() -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        4 => name(), 3 => number(), 1 => string(), 1 => select(vec!["true", "false"]).prop_map(str::to_owned),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let op = select(vec!["+", "-", "*", "/", "^", "&&", "||"]);
        let compare = select(vec!["<", "<=", ">", ">=", "==", "!="]);
        prop_oneof![
            4 => (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| join(&[&a, op, &b])),
            1 => (inner.clone(), compare, inner.clone())
                .prop_map(|(a, op, b)| join(&["(", "(", &a, ")", op, "(", &b, ")", ")"])),
            1 => (select(vec!["-", "!"]), inner.clone()).prop_map(|(op, a)| join(&[op, &a])),
            1 => inner.clone().prop_map(|a| join(&["(", &a, ")"])),
            1 => (vec(inner.clone(), 0..4), any::<bool>()).prop_map(|(all, end)| join(&["[", &list(all, end), "]"])),
            3 => call_of(inner.clone()),
            1 => (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(c, a, b)| join(&["if", &c, "{", &a, "}", "else", "{", &b, "}"])),
            1 => (inner.clone(), inner.clone(), inner.clone(), inner.clone(), inner).prop_map(|(c, a, d, b, e)| {
                join(&["if", &c, "{", &a, "}", "else", "if", &d, "{", &b, "}", "else", "{", &e, "}"])
            }),
        ]
    })
    .boxed()
}

fn call_of(value: impl Strategy<Value = String> + Clone + 'static) -> BoxedStrategy<String> {
    let argument =
        prop_oneof![value.clone(), (name(), value).prop_map(|(name, value)| join(&[&name, "=", &value]))];
    (name(), vec(argument, 0..5), any::<bool>())
        .prop_map(|(name, arguments, end)| join(&[&name, "(", &list(arguments, end), ")"]))
        .boxed()
}

/// A call that cannot be taken for a statement of another kind.
fn layer() -> BoxedStrategy<String> {
    prop_oneof![call_of(expr()), select(vec!["relu", "x", "h"]).prop_map(str::to_owned)].boxed()
}

fn chain(body: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let stage = prop_oneof![
        4 => layer(),
        1 => (name(), layer()).prop_map(|(label, layer)| join(&[&label, ":", &layer])),
        1 => body.clone().prop_map(|body| join(&["residual", &body])),
        1 => body.clone().prop_map(|body| join(&["frozen", &body])),
        1 => body.clone().prop_map(|body| join(&["recompute", &body])),
        1 => (expr(), body.clone()).prop_map(|(count, body)| join(&["repeat", &count, &body])),
        1 => (body.clone(), body).prop_map(|(a, b)| join(&["branch", &a, &b])),
    ];
    vec(stage, 1..5).prop_map(|stages| stages.join(&format!("{GAP}->{GAP}"))).boxed()
}

fn body() -> BoxedStrategy<String> {
    let empty = Just(join(&["{", "}"])).boxed();
    empty
        .prop_recursive(3, 12, 3, |inner| {
            vec(statement(inner.boxed()), 0..4)
                .prop_map(|statements| join(&["{", &statements.join(&GAP.to_string()), "}"]))
        })
        .boxed()
}

fn statement(body: BoxedStrategy<String>) -> BoxedStrategy<String> {
    let shape = vec(expr(), 0..3).prop_map(|all| join(&["[", &list(all, false), "]"]));
    let state = (name(), expr()).prop_map(|(name, value)| join(&[&name, "=", &value]));
    prop_oneof![
        4 => chain(body.clone()),
        1 => (name(), shape.clone()).prop_map(|(name, shape)| join(&["input", &name, ":", &shape])),
        1 => shape.prop_map(|shape| join(&["input", &shape])),
        2 => (name(), chain(body)).prop_map(|(name, chain)| join(&["let", &name, "=", &chain])),
        1 => (name(), expr()).prop_map(|(name, value)| join(&["let", &name, "=", "1", "+", &value])),
        1 => Just(join(&["let", "[", "a", ",", "b", ",", "]", "=", "split", "(", "2", ")"])),
        1 => call_of(expr()).prop_map(|call| join(&["loss", "mse", &call.replacen(|_| true, "", 0)])),
        1 => Just(join(&["optimizer", "adam", "(", "lr", "=", "0.1", ")"])),
        1 => Just(join(&["metrics", "accuracy", ",", "mae"])),
        1 => Just(join(&["output", "h"])),
        1 => Just(join(&["output", "h", ",", "kind"])),
        1 => vec(state, 1..3).prop_map(|states| join(&["state", &list(states, false)])),
        1 => (name(), expr()).prop_map(|(name, value)| join(&[&name, "=", &value])),
    ]
    .boxed()
}

fn parameters() -> BoxedStrategy<String> {
    let parameter = prop_oneof![
        name(),
        (name(), expr()).prop_map(|(name, value)| join(&[&name, "=", &value])),
        name().prop_map(|name| join(&[&name, ":", "class"])),
    ];
    let some =
        (vec(parameter, 0..4), any::<bool>()).prop_map(|(all, end)| join(&["(", &list(all, end), ")"]));
    prop_oneof![Just(String::new()), some].boxed()
}

fn item() -> BoxedStrategy<String> {
    let head = select(vec!["model", "pub\u{1}model", "pub\u{1}(\u{1}crate\u{1})\u{1}model", "block", "cell"]);
    let keyword = select(vec!["activation", "loss", "init", "schedule"]);
    let update = (any::<bool>(), name(), expr())
        .prop_map(|(is_let, name, value)| join(&[if is_let { "let" } else { "state" }, &name, "=", &value]));
    let setting = (name(), expr()).prop_map(|(name, value)| join(&[&name, "(", &value, ")"]));
    let block = |text: Vec<String>| join(&["{", &text.join(&GAP.to_string()), "}"]);
    prop_oneof![
        4 => (head, name(), parameters(), body()).prop_map(|(head, name, all, body)| join(&[head, &name, &all, &body])),
        2 => (keyword, name(), parameters(), expr())
            .prop_map(|(keyword, name, all, value)| join(&[keyword, &name, &all, "=", &value])),
        1 => (name(), parameters(), vec(update, 0..4))
            .prop_map(move |(name, all, updates)| join(&["optimizer", &name, &all, &block(updates)])),
        1 => vec(setting, 0..4).prop_map(move |settings| join(&["data", &block(settings)])),
        1 => string().prop_map(|path| join(&["use", &path])),
        1 => vec(name(), 1..4).prop_map(|names| join(&["allow", &names.join("\u{1},")])),
        1 => (name(), string()).prop_map(|(name, path)| join(&["import", &name, "from", &path, "weights", "\"w\""])),
    ]
    .boxed()
}

/// Fills the gaps: `choices` say with what.
fn fill(text: &str, choices: &[u8]) -> String {
    let mut choices = choices.iter().cycle();
    let mut count = 0;
    let mut filled = String::new();
    for character in text.chars() {
        if character != GAP {
            filled.push(character);
            continue;
        }
        count += 1;
        match choices.next().map_or(0, |choice| choice % 24) {
            0 => filled.push_str(&format!(" // c{count}\n")),
            1 => filled.push_str(&format!("\n// c{count}\n")),
            2 => filled.push_str(&format!("\n\n  // c{count}\n\n")),
            3 => filled.push_str(&format!("\n/// d{count}\n")),
            4 => filled.push_str(&format!(" //e{count}\n // c{count}\r\n")),
            5 | 6 => filled.push_str("\n\n\n"),
            7 | 8 => filled.push('\n'),
            9 => filled.push_str("\t\r\n "),
            _ => filled.push(' '),
        }
    }
    filled
}

fn right_text() -> impl Strategy<Value = String> {
    // Mostly without comments and breaks, so that long lines are tried as well.
    let choices = prop_oneof![
        vec(any::<u8>(), 1..64),
        Just(vec![10]),
        vec(select(vec![0u8, 5, 10, 10, 10, 10, 10]), 64)
    ];
    (vec(item(), 1..4), choices).prop_map(|(items, choices)| {
        let text = format!("{GAP}{}{GAP}", items.join(&GAP.to_string()));
        fill(&text, &choices)
    })
}

fn assert_format_keeps(text: &str) {
    let (sources, parsed) = read(text);
    assert_eq!(parsed.diagnostics, [], "in:\n{text}");
    let file = sources.files().next().unwrap().0;
    let printed = format(&sources, file, &parsed.ast);
    let (again_sources, again) = read(&printed);
    assert_eq!(again.diagnostics, [], "printed:\n{printed}\nfrom:\n{text}");
    assert_eq!(meaning(&again.ast), meaning(&parsed.ast), "printed:\n{printed}\nfrom:\n{text}");
    assert_eq!(comments(&again.ast), comments(&parsed.ast), "printed:\n{printed}\nfrom:\n{text}");
    let twice = format(&again_sources, file, &again.ast);
    let changed = printed.lines().zip(twice.lines()).enumerate().find(|(_, (once, twice))| once != twice);
    assert_eq!(twice, printed, "printed again, {changed:?} changed, from:\n{text}");
    for line in printed.lines() {
        assert_eq!(line.trim_end(), line, "a line ends with spaces");
    }
}

#[test]
fn formatting_keeps_every_construct() {
    assert_format_keeps(EVERYTHING);
}

// ---- Any texts -----------------------------------------------------------------------------------------------------

/// Words, operators and odd characters in any order.
fn soup() -> impl Strategy<Value = String> {
    let tokens = vec![
        "model",
        "block",
        "cell",
        "loss",
        "optimizer",
        "data",
        "train",
        "input",
        "let",
        "state",
        "output",
        "repeat",
        "residual",
        "branch",
        "if",
        "else",
        "true",
        "use",
        "allow",
        "import",
        "from",
        "pub",
        "x",
        "dense",
        "(",
        ")",
        "[",
        "]",
        "{",
        "}",
        "->",
        "=",
        ":",
        ",",
        "+",
        "-",
        "*",
        "^",
        "<",
        "==",
        "&&",
        "!",
        "16",
        "0.5",
        "1.2.3",
        "0x1",
        "\"a\"",
        "\"open",
        "'",
        ";",
        "#",
        "// c\n",
        "/// d\n",
        "/*",
        "*/",
        "ä",
        "\u{feff}",
        "\\",
        "\n",
        "\n\n",
        "\0",
        "€",
    ];
    (vec(select(tokens), 0..60), any::<bool>())
        .prop_map(|(tokens, apart)| tokens.join(if apart { " " } else { "" }))
}

/// Reads a text; whatever it is, the spans are inside of it and faults are sorted.
fn assert_reads(text: &str) {
    let (sources, parsed) = read(text);
    let places: Vec<_> = parsed.diagnostics.iter().map(|diagnostic| diagnostic.primary.span).collect();
    assert!(places.is_sorted(), "{places:?}");
    for diagnostic in &parsed.diagnostics {
        let labels = diagnostic.secondary.iter().chain([&diagnostic.primary]);
        for label in labels {
            let (start, end) = (label.span.start as usize, label.span.end as usize);
            assert!(text.get(start..end).is_some(), "{diagnostic:?}");
        }
        assert!(diagnostic.to_json(&sources).starts_with('{'));
        #[cfg(feature = "render")]
        nnc_grammar::diagnostic::render(&sources, diagnostic, nnc_grammar::diagnostic::Color::Never);
    }
    let holds_errors = format!("{:?}", parsed.ast).contains("kind: Error");
    assert!(!(holds_errors && parsed.diagnostics.is_empty()));
    // A tree with holes must print too.
    format(&sources, sources.files().next().unwrap().0, &parsed.ast);
}

/// A text in words, gaps and single signs.
fn words(text: &str) -> Vec<String> {
    let kind = |c: char| if c.is_alphanumeric() || c == '_' { 0 } else { 1 + u32::from(!c.is_whitespace()) };
    let mut words: Vec<String> = Vec::new();
    for character in text.chars() {
        match words.last_mut() {
            Some(word) if kind(character) < 2 && word.chars().all(|last| kind(last) == kind(character)) => {
                word.push(character);
            }
            _ => words.push(character.to_string()),
        }
    }
    words
}

#[test]
fn every_beginning_of_a_file_is_read() {
    for (end, _) in EVERYTHING.char_indices() {
        assert_reads(&EVERYTHING[..end]);
    }
}

#[test]
fn every_file_without_one_character_is_read() {
    for (at, character) in EVERYTHING.char_indices() {
        let text = format!("{}{}", &EVERYTHING[..at], &EVERYTHING[at + character.len_utf8()..]);
        assert_reads(&text);
    }
}

#[test]
fn numbers_keep_their_text() {
    let (_, parsed) = read("init a = 1_000.50e-1");
    let Some(Item::Init(function)) = parsed.ast.items.first() else { panic!("{:?}", parsed.ast) };
    let ExprKind::Number { value, text } = &function.body.kind else { panic!("{function:?}") };
    assert_eq!((*value, text.as_str()), (100.05, "1_000.50e-1"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn formatting_keeps_what_was_written(text in right_text()) {
        assert_format_keeps(&text);
    }

    #[test]
    fn any_tokens_are_read(text in soup()) {
        assert_reads(&text);
    }

    #[test]
    fn any_characters_are_read(text in any::<String>()) {
        assert_reads(&text);
    }

    #[test]
    fn any_bytes_are_read(bytes in vec(any::<u8>(), 0..200)) {
        assert_reads(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_file_with_words_dropped_doubled_and_swapped_is_read(
        file in any::<prop::sample::Index>(),
        edits in vec((any::<prop::sample::Index>(), 0..4u8), 1..4),
    ) {
        let files = repository();
        let mut words = words(&file.get(&files).1);
        for (at, edit) in edits {
            let at = at.index(words.len());
            match edit {
                0 => words[at].clear(),
                1 => words[at] = words[at].repeat(2),
                2 => words[at].push(' '),
                _ => words.swap(at, at / 2),
            }
        }
        assert_reads(&words.concat());
    }

    #[test]
    fn a_text_with_a_piece_replaced_is_read(at in 0..EVERYTHING.len(), len in 0..40usize, piece in soup()) {
        let (start, end) = (at, (at + len).min(EVERYTHING.len()));
        if EVERYTHING.is_char_boundary(start) && EVERYTHING.is_char_boundary(end) {
            assert_reads(&format!("{}{piece}{}", &EVERYTHING[..start], &EVERYTHING[end..]));
        }
    }
}
