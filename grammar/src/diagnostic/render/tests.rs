use super::*;
use crate::diagnostic::Code;

fn source(text: &str) -> (SourceMap, FileId) {
    let mut sources = SourceMap::new();
    let file = sources.add("resnet.nn", text);
    (sources, file)
}

fn find(file: FileId, text: &str, what: &str) -> Span {
    let start = text.find(what).unwrap();
    Span::new(file, start, start + what.len())
}

#[test]
fn draws_labels_notes_and_help() {
    let text = "model R {\n    let main = conv2d(64)\n    let skip = main\n\n    let out = add(main, skip)\n}\n";
    let (sources, file) = source(text);
    let add = find(file, text, "add(main, skip)");
    let skip = Span { start: add.start + 10, end: add.end - 1, ..add };
    let diagnostic =
        Diagnostic::new(Code::E0304, "inputs of `add` differ in shape", skip, "expected [64], found [32]")
            .with_label(find(file, text, "conv2d(64)"), "`main` is [64]")
            .with_note("they differ in channels (64, 32)")
            .with_help("bring `skip` to that shape");
    println!("{}", render(&sources, &diagnostic, Color::Never));
    insta::assert_snapshot!(render(&sources, &diagnostic, Color::Never), @"");
}
#[test]
fn long() {
    let text = format!("model R {{ {} oops {} }}", "dense(3) -> ".repeat(100_000), "dense(3) -> ".repeat(100_000));
    let (sources, file) = source(&text);
    let d = Diagnostic::new(Code::E0304, "bad", find(file, &text, "oops"), "found").with_label(Span::new(file, 0, 5), "x").with_label(Span::new(file, 100, 10_000), "y");
    println!("{}", render(&sources, &d, Color::Never));
    let d = Diagnostic::new(Code::E0304, "bad", find(file, &text, "oops"), "found").with_label(Span::new(file, text.len(), text.len()), "x").with_label(Span::new(file, 100, 10_000), "");
    println!("{}", render(&sources, &d, Color::Never));
    let (sources, file) = source("a\r\nb \u{1F980} c\td\n");
    let d = Diagnostic::new(Code::E0304, "bad", find(file, "a\r\nb \u{1F980} c\td\n", "d"), "found").with_label(Span::new(file, 13, 13), "end").with_label(Span::new(file, 2,4), "mult");
    println!("{}", render_all(&sources, &[d], Color::Never));
    let (sources, file) = source("");
    let d = Diagnostic::new(Code::E0102, "bad", Span::new(file, 0,0), "found").with_note("hi");
    println!("{}", render_all(&sources, &[d], Color::Never));
}
