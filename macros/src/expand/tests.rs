use nnc_compiler::compile;

use super::*;

const IRIS: &str = include_str!("../../../examples/iris/iris.nn");
const CUSTOM: &str = include_str!("../../../examples/custom/custom.nn");

fn tokens(text: &str) -> TokenStream {
    text.parse().unwrap_or_else(|_| panic!("not tokens: {text}"))
}

/// Where the repository keeps its examples.
fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

fn file(text: &str) -> TokenStream {
    match input(tokens(text)) {
        Ok(Input::File(file)) => expand_file(&file, &examples()),
        other => panic!("{text}: {other:?}"),
    }
}

#[test]
fn inline_text_gives_the_tokens_of_the_file() {
    for (name, source) in [("iris.nn", IRIS), ("custom.nn", CUSTOM)] {
        let from_file = compile(name, source, &Options::default());
        assert!(!from_file.has_errors(), "{name}: {:?}", from_file.diagnostics);
        let from_tokens = compile(name, &Text::new(tokens(source)).text, &Options::default());
        let all = |compilation| door::modules(compilation, &quote!(pub)).to_string();
        assert_eq!(all(&from_file), all(&from_tokens), "{name}");
    }
}

#[test]
fn a_file_gives_the_tokens_of_its_text_and_is_watched() {
    let expanded = file("\"iris/iris.nn\"").to_string();
    let expected = door::modules(&compile("iris.nn", IRIS, &Options::default()), &quote!(pub)).to_string();
    assert!(expanded.ends_with(&expected), "{expanded}");
    assert!(expanded.contains("include_bytes"), "{expanded}");
}

#[test]
fn a_visibility_is_kept() {
    let model = "model A { input [2] dense(1) }";
    let import = |text: &str| {
        let expanded = expand(tokens(text)).to_string();
        expanded.split("unused_imports)] ").last().map(|import| import.replace(' ', "")).unwrap_or_default()
    };
    assert_eq!(import(model), "usennc_a::A;");
    assert_eq!(import(&format!("pub {model}")), "pubusennc_a::A;");
    assert_eq!(import(&format!("pub(crate) {model}")), "pub(crate)usennc_a::A;");
    assert!(file("\"iris/iris.nn\"").to_string().contains("pub use nnc_iris :: Iris"));
    assert!(
        file("pub(super) \"iris/iris.nn\"")
            .to_string()
            .replace(' ', "")
            .contains("pub(super)usennc_iris::Iris")
    );
}

#[test]
fn parameters_follow_the_path() {
    let faults = file("\"iris/iris.nn\", width = 3").to_string();
    assert!(faults.contains("compile_error") && faults.contains("E0218"), "{faults}");
}

#[test]
fn a_missing_file_is_told_with_the_one_that_is_meant() {
    let error = file("\"iris/irs.nn\"").to_string();
    assert!(error.contains("E0414: cannot read `iris/irs.nn`"), "{error}");
    assert!(error.contains("did you mean `iris/iris.nn`?"), "{error}");
}

#[test]
fn a_text_with_a_fault_gives_errors_alone() {
    let expanded =
        expand(tokens("model A { input [2] danse(3) } model B { input [2] dense(3) }")).to_string();
    assert!(expanded.contains("compile_error"), "{expanded}");
    assert!(!expanded.contains("mod b"), "{expanded}");
}

/// The repository's model that uses other files.
const USING: &str = "../tests/data/use";

#[test]
fn every_used_file_is_watched() {
    let expanded = file(&format!("\"{USING}/net.nn\"")).to_string();
    assert!(!expanded.contains("compile_error"), "{expanded}");
    for name in ["net.nn", "lib/shapes.nn", "lib/bent.nn", "lib/training.nn"] {
        let watched = format!("/{name}\"");
        assert_eq!(expanded.matches(&watched).count(), 1, "{name}: {expanded}");
    }
    let model = "use \"lib/bent.nn\" model A { input [2] dense(1) -> bent }";
    let inline = expand_inline(tokens(model), &examples().join(USING)).to_string();
    assert!(!inline.contains("compile_error"), "{inline}");
    assert_eq!(inline.matches("include_bytes").count(), 1, "{inline}");
}

#[test]
fn a_used_file_that_is_missing_is_told_with_the_one_that_is_meant() {
    let model = "use \"lib/bant.nn\" model A { input [2] dense(1) -> bent }";
    let expanded = expand_inline(tokens(model), &examples().join(USING)).to_string();
    assert!(expanded.contains("E0414: cannot read `lib/bant.nn`"), "{expanded}");
    assert!(expanded.contains("did you mean `lib/bent.nn`?"), "{expanded}");
    assert_eq!(expanded.matches("compile_error").count(), 1, "{expanded}");
}
