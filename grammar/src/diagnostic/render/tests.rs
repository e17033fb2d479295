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
    let text =
        "model R {\n    let main = conv2d(64)\n    let skip = main\n\n    let out = add(main, skip)\n}\n";
    let (sources, file) = source(text);
    let add = find(file, text, "add(main, skip)");
    let skip = Span { start: add.start + 10, end: add.end - 1, ..add };
    let diagnostic =
        Diagnostic::new(Code::E0304, "inputs of `add` differ in shape", skip, "expected [64], found [32]")
            .with_label(find(file, text, "conv2d(64)"), "`main` is [64]")
            .with_note("they differ in channels (64, 32)")
            .with_help("bring `skip` to that shape");
    insta::assert_snapshot!(render(&sources, &diagnostic, Color::Never), @r#"
    error[E0304]: inputs of `add` differ in shape
     --> resnet.nn:5:25
      |
    2 |     let main = conv2d(64)
      |                ---------- `main` is [64]
    ...
    5 |     let out = add(main, skip)
      |                         ^^^^ expected [64], found [32]
      |
      = note: they differ in channels (64, 32)
      = help: bring `skip` to that shape
    "#);
}

#[test]
fn colours_are_only_added() {
    let (sources, file) = source("model R { rleu }");
    let diagnostic =
        Diagnostic::new(Code::E0201, "unknown layer `rleu`", Span::new(file, 10, 14), "not known");
    let colored = render(&sources, &diagnostic, Color::Always);
    let mut plain = String::new();
    let mut rest = colored.as_str();
    while let Some((before, escape)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = escape.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_ne!(plain, colored);
    assert_eq!(plain, render(&sources, &diagnostic, Color::Never));
}

#[test]
fn long_lines_are_cut_around_the_places() {
    let relus = "relu -> ".repeat(100_000);
    let text = format!("model R {{ {relus}oops -> {relus}relu }}");
    let (sources, file) = source(&text);
    let oops = find(file, &text, "oops");
    let diagnostic = Diagnostic::new(Code::E0201, "unknown layer `oops`", oops, "not known")
        .with_label(Span::new(file, 0, 5), "in this model");
    insta::assert_snapshot!(render(&sources, &diagnostic, Color::Never), @r#"
    error[E0201]: unknown layer `oops`
     --> resnet.nn:1:800011
      |
    1 | model R { relu -> relu -> relu -> rel … relu -> relu -> relu -> relu -> oops -> relu -> relu -> relu -> relu …
      | ----- in this model                                                     ^^^^ not known
    "#);
}

#[test]
fn labels_may_lie_in_other_files() {
    let (mut sources, file) = source("model R { basic(4) }");
    let other = sources.add("blocks.nn", "// Blocks.\nblock basic(a, b) { dense(a) }\n");
    let diagnostic =
        Diagnostic::new(Code::E0203, "`b` of `basic` is missing", Span::new(file, 10, 18), "expected `b`")
            .with_label(Span::new(other, 26, 27), "declared here");
    insta::assert_snapshot!(render(&sources, &diagnostic, Color::Never), @r#"
    error[E0203]: `b` of `basic` is missing
     --> resnet.nn:1:11
      |
    1 | model R { basic(4) }
      |           ^^^^^^^^ expected `b`
      |
     ::: blocks.nn:2:16
      |
    2 | block basic(a, b) { dense(a) }
      |                - declared here
    "#);
}

#[test]
fn characters_of_any_width_keep_the_marks_in_place() {
    let text = "model R {\r\n\t// \u{1F980} ä\r\n\tü relu\r\n}";
    let (sources, file) = source(text);
    let diagnostic =
        Diagnostic::new(Code::E0101, "unexpected `ü`", find(file, text, "ü"), "expected a statement")
            .with_label(Span::new(file, text.len(), text.len()), "the end");
    insta::assert_snapshot!(render(&sources, &diagnostic, Color::Never), @r#"
    error[E0101]: unexpected `ü`
     --> resnet.nn:3:2
      |
    3 |     ü relu
      |     ^ expected a statement
    4 | }
      |  - the end
    "#);
}

#[test]
fn an_empty_file_has_a_place() {
    let (sources, file) = source("");
    let diagnostic = Diagnostic::new(Code::E0102, "file is empty", Span::new(file, 0, 0), "found nothing");
    insta::assert_snapshot!(render_all(&sources, &[diagnostic], Color::Never), @r#"
    error[E0102]: file is empty
     --> resnet.nn:1:1
      |
    1 |
      | ^ found nothing

    error: 1 error in resnet.nn
    "#);
}

#[test]
fn the_closing_line_counts() {
    let (sources, file) = source("model R { a b }");
    let error = |at: usize| Diagnostic::new(Code::E0201, "unknown layer", Span::new(file, at, at + 1), "");
    let warning = Diagnostic::new(Code::W0102, "unused definition", Span::new(file, 6, 7), "");
    let closing = |diagnostics: &[Diagnostic]| {
        render_all(&sources, diagnostics, Color::Never).lines().last().unwrap_or("").to_owned()
    };
    assert_eq!(closing(&[]), "");
    assert_eq!(closing(&[error(10)]), "error: 1 error in resnet.nn");
    assert_eq!(closing(std::slice::from_ref(&warning)), "warning: 1 warning in resnet.nn");
    assert_eq!(closing(&[warning, error(10), error(12)]), "error: 2 errors, 1 warning in resnet.nn");
}
