//! `nnc list`: what the language offers by name.

use nnc_compiler::catalogue::{Entry, Kind, catalogue};
use nnc_grammar::diagnostic::{Code, meant};
use nnc_runtime::Error;

use crate::output::{Object, Output, print};
use crate::source::Failure;

/// Lists entries: all, those of one kind, or one with its page.
pub fn run(kind: Option<&str>, name: Option<&str>, output: &Output) -> Result<(), Failure> {
    let entries = catalogue();
    let (kind, name) = match (kind, name) {
        // `nnc list relu` is clear as well.
        (Some(word), None)
            if Kind::parse(word).is_none() && entries.iter().any(|entry| entry.name == word) =>
        {
            (None, Some(word))
        }
        (Some(word), name) => match Kind::parse(word) {
            Some(kind) => (Some(kind), name),
            None => {
                let kinds: Vec<&str> = Kind::ALL.into_iter().map(Kind::plural).collect();
                let names = entries.iter().map(|entry| entry.name.as_str());
                let known = kinds.iter().copied().chain(names);
                let error = unknown("nothing is called", word, known);
                return Err(error.help(format!("kinds are {}", kinds.join(", "))).into());
            }
        },
        (None, name) => (None, name),
    };
    let of_kind = |entry: &&Entry| kind.is_none_or(|kind| entry.kind == kind);
    let Some(name) = name else {
        let chosen: Vec<&Entry> = entries.iter().filter(of_kind).collect();
        if !output.is_json() {
            print(&table(&chosen));
        }
        chosen.into_iter().for_each(|entry| event(entry, output));
        return Ok(());
    };
    let found: Vec<&Entry> = entries.iter().filter(of_kind).filter(|entry| entry.name == name).collect();
    if found.is_empty() {
        let known = entries.iter().filter(of_kind).map(|entry| entry.name.as_str());
        let is_called = format!("no {} is called", kind.map_or("entry", Kind::noun));
        return Err(unknown(&is_called, name, known).into());
    }
    for entry in found {
        if !output.is_json() {
            print(&page(entry));
        }
        event(entry, output);
    }
    Ok(())
}

fn unknown<'a>(is_called: &str, name: &str, known: impl Iterator<Item = &'a str>) -> Error {
    let error = Error::new(Code::E0207.as_str(), format!("{is_called} `{name}`"));
    match meant(name, known) {
        Some(known) => error.help(format!("did you mean `{known}`?")),
        None => error,
    }
}

/// One entry on a line of JSON.
fn event(entry: &Entry, output: &Output) {
    output.event(
        Object::event("entry")
            .text("kind", entry.kind.noun())
            .text("name", &entry.name)
            .text("signature", &entry.signature())
            .texts("formula", &entry.formula)
            .text("summary", &entry.summary()),
    );
}

fn table(entries: &[&Entry]) -> String {
    let mut text = String::new();
    let mut kind = None;
    for entry in entries {
        if kind != Some(entry.kind) {
            if kind.is_some() {
                text.push('\n');
            }
            text.push_str(&format!("{}\n", entry.kind.plural()));
            kind = Some(entry.kind);
        }
        text.push_str(&format!("  {}\n", entry.signature()));
        text.push_str(&format!("      {}\n", entry.summary()));
        match entry.formula.as_slice() {
            [] => {}
            [formula] => text.push_str(&format!("      = {formula}\n")),
            lines => lines.iter().for_each(|line| text.push_str(&format!("      {line}\n"))),
        }
    }
    text
}

fn page(entry: &Entry) -> String {
    let mut text = format!("{} {}\n\n", entry.kind.noun(), entry.signature());
    for line in &entry.formula {
        text.push_str(&format!("    {line}\n"));
    }
    if !entry.formula.is_empty() {
        text.push('\n');
    }
    for line in &entry.docs {
        text.push_str(line);
        text.push('\n');
    }
    for argument in &entry.arguments {
        let default = argument.default.as_ref().map_or_else(String::new, |value| format!(" = {value}"));
        let range = argument.range.as_ref().map_or_else(String::new, |range| format!(": {range}"));
        text.push_str(&format!("\n  {}{range}{default}", argument.name));
    }
    if !entry.arguments.is_empty() {
        text.push('\n');
    }
    text
}
