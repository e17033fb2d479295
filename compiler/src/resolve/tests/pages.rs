//! The pages of the codes, and the models of the repository.

use std::fs;
use std::path::{Path, PathBuf};

use nnc_grammar::diagnostic::{Code, Severity, all_codes};
use proc_macro2::{Delimiter, TokenStream, TokenTree};

use crate::compile::{Compilation, Options, compile_with};
use crate::emit::to_rust;
use crate::load::Texts;

/// Codes whose page has no model at fault for the compiler: the fault is in what the command is given, or shows in
/// training.
const OF_COMMANDS: &[Code] =
    &[Code::E0218, Code::E0220, Code::W0109, Code::W0110, Code::W0201, Code::W0202, Code::W0203, Code::W0204];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn models_of(page: &str) -> Vec<&str> {
    page.split("```nn\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}

/// A text as a file with another beside it that it may use.
fn compiled(name: &str, text: &str) -> Compilation {
    let mut files = Texts::new(name);
    files.add(name, text);
    files.add("shapes.nn", "activation bent(x) = if x > 0 { x } else { 0.3 * x }");
    files.add("base.nn", "model Base(hidden = 8) { input [4] hidden: dense(hidden) -> relu head: dense(3) }");
    compile_with(name, text, &Options::default(), &mut files)
}

#[test]
fn the_first_model_of_a_page_gives_its_code_and_the_others_compile() {
    let mut n_pages = 0;
    for code in all_codes() {
        let path = root().join(format!("docs/errors/{code}.md"));
        let Ok(page) = fs::read_to_string(&path) else { continue };
        let title = format!("# {code}: {}", code.title());
        assert!(page.starts_with(&title), "the page of {code} begins with `{title}`");
        let models = models_of(&page);
        let Some(first) = models.first() else { continue };
        n_pages += 1;
        let faults = compiled("page.nn", first).diagnostics;
        let found: Vec<Code> = faults.iter().map(|fault| fault.code).collect();
        if !OF_COMMANDS.contains(code) {
            assert!(!found.is_empty() && found.iter().all(|found| found == code), "{code} gives {found:?}");
        }
        for model in models.iter().skip(1) {
            let compilation = compiled("page.nn", model);
            // W0101 tells of a fusion: it is no fault.
            let faults = compilation.diagnostics.iter().filter(|fault| fault.code != Code::W0101);
            let faults: Vec<_> = faults.map(|fault| (fault.code, &fault.message)).collect();
            assert!(faults.is_empty(), "a mended model of {code} gives {faults:?}");
            assert!(!compilation.models.is_empty());
        }
    }
    assert!(n_pages > 25, "found {n_pages} pages with models");
}

#[test]
fn every_code_of_this_stage_has_a_page() {
    for code in all_codes().iter().filter(|code| code.as_str().starts_with("E02") || **code == Code::E0501) {
        assert!(root().join(format!("docs/errors/{code}.md")).exists(), "{code} has no page");
    }
}

#[test]
fn the_models_of_the_repository_compile() {
    let folders = ["examples", "benches", "tests/data/models", "tests/data/pytorch/models"];
    let mut pending: Vec<PathBuf> = folders.iter().map(|folder| root().join(folder)).collect();
    let mut n_models = 0;
    while let Some(folder) = pending.pop() {
        for entry in fs::read_dir(&folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() {
                pending.push(path);
            } else if path.extension().is_some_and(|extension| extension == "nn") {
                let text = fs::read_to_string(&path).unwrap();
                // Models that others are made of stand in the same folder.
                let mut files = Texts::new("model.nn");
                for beside in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
                    if let (Some(name), Ok(text)) = (beside.file_name(), fs::read_to_string(&beside)) {
                        files.add(&name.to_string_lossy(), &text);
                    }
                }
                let compilation = compile_with("model.nn", &text, &Options::default(), &mut files);
                // Some of the notes show what lints warn of.
                let may_warn = path.components().any(|part| part.as_os_str() == "notes");
                let is_serious = |fault: &&nnc_grammar::diagnostic::Diagnostic| {
                    fault.is_error() || fault.severity != Severity::Note && !may_warn
                };
                let faults: Vec<_> = compilation.diagnostics.iter().filter(is_serious).collect();
                assert!(faults.is_empty(), "{} gives {faults:#?}", path.display());
                assert!(!compilation.models.is_empty(), "{}", path.display());
                for model in &compilation.models {
                    is_text_of_tokens(&path.display().to_string(), &model.tokens);
                }
                n_models += 1;
            }
        }
    }
    assert!(n_models >= 20, "found {n_models} models");
}

/// The text of emitted code says what its tokens say, to the last of them.
fn is_text_of_tokens(path: &str, tokens: &TokenStream) {
    let text = to_rust(tokens);
    let again: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
    let (mut expected, mut found) = (Vec::new(), Vec::new());
    flatten(tokens.clone(), &mut expected);
    flatten(again, &mut found);
    let differs = expected.iter().zip(&found).position(|(a, b)| a != b);
    let at = differs.unwrap_or(expected.len().min(found.len()));
    let near = |tokens: &[String]| tokens[at.saturating_sub(12)..tokens.len().min(at + 12)].join(" ");
    assert!(expected == found, "{path}:\n{}\nbecame\n{}", near(&expected), near(&found));
}

/// The tokens one after the other, without comments and without what layout adds: braces round a single expression, and
/// a comma at the end of a list. A comma that makes a tuple of one expression is none of these.
fn flatten(tokens: TokenStream, out: &mut Vec<String>) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let is = |at: usize, text: &str| tokens.get(at).is_some_and(|token| token.to_string() == text);
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if is(at, "rt") && is(at + 3, "comment") {
            at += if is(at + 6, ";") { 7 } else { 6 };
            continue;
        }
        // A doc comment may be written in two ways.
        if is(at, "#") && tokens.get(at + 1).is_some_and(|group| group.to_string().starts_with("[doc")) {
            at += 2;
            continue;
        }
        match token {
            TokenTree::Group(group) => {
                let before = at.checked_sub(1).and_then(|before| tokens.get(before));
                let is_call = before.is_some_and(|before| match before {
                    TokenTree::Ident(_) | TokenTree::Group(_) => true,
                    _ => [">", "!"].contains(&before.to_string().as_str()),
                });
                if group.delimiter() == Delimiter::Parenthesis {
                    let commas = group.stream().into_iter().filter(|token| token.to_string() == ",").count();
                    let ends = group.stream().into_iter().last().is_some_and(|last| last.to_string() == ",");
                    out.push(if !is_call && ends && commas == 1 { "a tuple of" } else { "(" }.to_owned());
                }
                flatten(group.stream(), out);
                if group.delimiter() == Delimiter::Parenthesis {
                    out.push(")".to_owned());
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == ',' => {}
            token => out.push(token.to_string()),
        }
        at += 1;
    }
}

#[test]
fn the_models_of_the_documents_compile() {
    for document in ["README.md", "docs/language.md", "docs/tutorial.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for model in models_of(&text) {
            let compilation = compiled("document.nn", model);
            let errors: Vec<_> = compilation.diagnostics.iter().filter(|fault| fault.is_error()).collect();
            assert!(errors.is_empty(), "{document}: {errors:#?}\n{model}");
        }
    }
}
