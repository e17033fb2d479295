//! The texts of the repository: models, the standard library, and the pages of the codes.

mod common;

use std::fs;

use common::{formatted, read, repository, root};
use nnc_grammar::diagnostic::{Code, all_codes};

#[test]
fn every_file_is_right_and_formatted() {
    let files = repository();
    assert!(files.len() >= 20, "found {} files", files.len());
    for (path, text) in files {
        let (_, parsed) = read(&text);
        assert_eq!(parsed.diagnostics, [], "{}", path.display());
        assert_eq!(formatted(&text), text, "`nnc fmt` changes {}", path.display());
    }
}

#[test]
fn the_texts_of_the_documents_are_right() {
    let mut n_texts = 0;
    for document in ["README.md", "docs/language.md", "docs/tutorial.md"] {
        let page = fs::read_to_string(root().join(document)).unwrap();
        for text in texts_of(&page) {
            let (_, parsed) = read(text);
            assert_eq!(parsed.diagnostics, [], "{document}:\n{text}");
            n_texts += 1;
        }
    }
    assert!(n_texts >= 10, "found {n_texts} texts");
}

#[test]
fn every_code_of_the_grammar_has_a_page() {
    for code in codes() {
        let page = fs::read_to_string(root().join(format!("docs/errors/{code}.md"))).unwrap_or_default();
        let title = format!("# {code}: {}\n", code.title());
        assert!(page.starts_with(&title), "the page of {code} does not begin with `{title}`");
        for part in ["## Why", "## Fix"] {
            assert!(page.contains(part), "the page of {code} has no `{part}`");
        }
    }
}

#[test]
fn the_first_text_of_a_page_gives_its_code_and_the_others_none() {
    let mut n_pages = 0;
    for code in codes() {
        let page = fs::read_to_string(root().join(format!("docs/errors/{code}.md"))).unwrap();
        let mut texts = texts_of(&page).into_iter();
        let Some(wrong) = texts.next() else { continue };
        n_pages += 1;
        let (_, parsed) = read(wrong);
        let found: Vec<Code> = parsed.diagnostics.iter().map(|diagnostic| diagnostic.code).collect();
        assert!(!found.is_empty() && found.iter().all(|found| *found == code), "{code} gives {found:?}");
        for right in texts {
            assert_eq!(formatted(right), right, "on the page of {code}");
        }
    }
    // A text that is too large fits on no page.
    assert_eq!(n_pages, 5);
}

/// The codes that the grammar gives.
fn codes() -> Vec<Code> {
    all_codes().iter().copied().filter(|code| code.as_str().starts_with("E01")).collect()
}

/// The texts in fences of a page.
fn texts_of(page: &str) -> Vec<&str> {
    page.split("```nn\n").skip(1).filter_map(|rest| rest.split("```").next()).collect()
}
