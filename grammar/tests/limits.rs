//! Texts that would break a careless parser: deep, long, large. Test threads have a small stack, which is the point.

mod common;

use std::time::{Duration, Instant};

use common::read;
use nnc_grammar::{MAX_SOURCE_BYTES, diagnostic::Code, format, parse, span::SourceMap};

/// The codes of a text's diagnostics, once each.
fn codes(text: &str) -> Vec<&'static str> {
    let (sources, parsed) = read(text);
    format(&sources, sources.files().next().unwrap().0, &parsed.ast);
    let mut codes: Vec<_> = parsed.diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
    codes.dedup();
    codes
}

#[test]
fn brackets_may_be_nested_64_deep() {
    // The body of the model is the first level.
    let nest = |depth: usize| format!("model M {{ dense({}1{}) }}", "(".repeat(depth), ")".repeat(depth));
    assert_eq!(codes(&nest(62)), [""; 0]);
    assert_eq!(codes(&nest(63)), ["E0103"]);
}

#[test]
fn bodies_and_lists_may_be_nested_64_deep() {
    let bodies =
        |depth: usize| format!("model M {}relu{}", "{ residual ".repeat(depth) + "{", "}".repeat(depth + 1));
    assert_eq!(codes(&bodies(63)), [""; 0]);
    assert_eq!(codes(&bodies(64)), ["E0103"]);
    let lists = |depth: usize| format!("init a = {}1{}", "[".repeat(depth), "]".repeat(depth));
    assert_eq!(codes(&lists(64)), [""; 0]);
    assert_eq!(codes(&lists(65)), ["E0103"]);
}

#[test]
fn ten_thousand_nested_braces_are_one_error() {
    let text = format!("model M {}{}", "{".repeat(10_000), "}".repeat(10_000));
    let (_, parsed) = read(&text);
    assert_eq!(parsed.diagnostics.len(), 1, "{:?}", parsed.diagnostics);
    assert_eq!(parsed.diagnostics[0].code, Code::E0103);
    assert_eq!(parsed.diagnostics[0].primary.span.start, 8 + 64);
    assert!(parsed.diagnostics[0].primary.text.contains("found 10000"));
}

#[test]
fn faults_beside_deep_nesting_are_still_found() {
    let deep = format!("{}1{}", "(".repeat(100), ")".repeat(100));
    let text = format!("model M {{\n dense({deep})\n dense(3 4)\n}}\ndata {{ split = 1 }}");
    let (_, parsed) = read(&text);
    let found: Vec<_> = parsed.diagnostics.iter().map(|diagnostic| diagnostic.code.as_str()).collect();
    assert_eq!(found, ["E0103", "E0101", "E0101"]);
}

#[test]
fn unclosed_brackets_without_number_are_few_errors() {
    assert_eq!(codes(&"{".repeat(100_000)), ["E0103", "E0105"]);
    // No body stands in a list, so each of these is reported, up to a number that can still be read.
    let (_, parsed) = read(&"([{".repeat(50_000));
    assert!(parsed.diagnostics.len() <= 200, "{}", parsed.diagnostics.len());
    assert!(parsed.diagnostics.iter().any(|diagnostic| diagnostic.code == Code::E0103));
    assert_eq!(codes(&")".repeat(100_000)), ["E0105"]);
    let mixed = format!("[{}{}", "(".repeat(50_000), "]".repeat(50_000));
    assert!(codes(&mixed).contains(&"E0105"));
}

#[test]
fn long_operator_chains_are_bounded() {
    let expressions = [
        format!("{}x", "-".repeat(100_000)),
        format!("{}x", "!".repeat(100_000)),
        format!("a{}", "^a".repeat(100_000)),
        format!("a{}", " + a".repeat(100_000)),
        format!("a{}", " * -a".repeat(100_000)),
        format!("if a {{ b }} {} else {{ c }}", "else if a { b } ".repeat(10_000)),
    ];
    for expression in expressions {
        assert_eq!(codes(&format!("activation f(a) = {expression}")), ["E0103"]);
        assert_eq!(codes(&format!("model M {{ dense({expression}) relu }}")), ["E0103"]);
    }
}

#[test]
fn ifs_in_conditions_are_bounded() {
    let nest = |n: usize| format!("init a = {}b{}", "if ".repeat(n), " { c } else { d }".repeat(n));
    assert_eq!(codes(&nest(20)), [""; 0]);
    assert_eq!(codes(&nest(10_000)), ["E0103"]);
    assert!(codes(&format!("init a = {}", "if ".repeat(100_000))).contains(&"E0103"));
}

#[test]
fn sums_inside_sums_count_together() {
    let sum = |inner: &str| format!("f({inner}){}", " + a".repeat(30));
    let mut expression = "a".to_owned();
    for _ in 0..8 {
        expression = sum(&expression);
    }
    assert_eq!(codes(&format!("init a = {expression}")), ["E0103"]);
}

#[test]
fn wide_texts_are_read() {
    let text = format!("init a = [{}]", "1, ".repeat(20_000));
    assert_eq!(codes(&text), [""; 0]);
    let text = format!("model M {{ {} }}", "relu -> ".repeat(20_000) + "relu");
    assert_eq!(codes(&text), [""; 0]);
}

#[test]
fn a_hundred_megabytes_are_refused_at_once() {
    let mut sources = SourceMap::new();
    let file = sources.add("big.nn", " ".repeat(100 << 20));
    let start = Instant::now();
    let parsed = parse(&sources, file);
    assert!(start.elapsed() < Duration::from_secs(1));
    assert_eq!(parsed.diagnostics.len(), 1);
    assert_eq!(parsed.diagnostics[0].code, Code::E0106);
}

#[test]
fn the_largest_file_is_read() {
    let item = "// a comment\n";
    let text = format!("{}init a = 1", item.repeat((MAX_SOURCE_BYTES - 10) / item.len()));
    assert_eq!(codes(&text), [""; 0]);
}

#[test]
fn rubbish_is_read_in_linear_time() {
    for piece in [
        "; ",
        "model ",
        "x { ",
        "} ",
        "( ",
        ") ] } ",
        "a.b ",
        "\"",
        "' ",
        "let x = ",
        "if ",
        "0x ",
        "-> ",
        "data { x = } ",
    ] {
        let text = piece.repeat(200_000 / piece.len());
        for text in [format!("model M {{ {text} }}"), text] {
            let start = Instant::now();
            let (_, parsed) = read(&text);
            // `model` alone is a fine name for a layer.
            assert!(!parsed.diagnostics.is_empty() || piece == "model ", "{piece:?}");
            let elapsed = start.elapsed();
            assert!(elapsed < Duration::from_secs(20), "{piece:?} took {elapsed:?}");
        }
    }
}
