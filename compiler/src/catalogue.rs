//! Everything that the language offers by name, from one source: the standard library's texts and the layers' own
//! descriptions. Lists, documentation and tests are made from it, so that nothing can be in one and not in the other.

mod markdown;

use nnc_grammar::ast::{Block, Function, Item, Optimizer, Parameter as Declared};
use nnc_grammar::span::SourceMap;

pub use markdown::{index, page};

use crate::ops::{self, ArgumentKind, Arity, Default, Layer};
use crate::std_library::Library;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// `dense`, `batch_norm`.
    Layer,
    /// `lstm`.
    Cell,
    /// `relu`.
    Activation,
    /// `mse`.
    Loss,
    /// `adam`.
    Optimizer,
    /// `cosine`.
    Schedule,
    /// `he`.
    Initializer,
}

impl Kind {
    /// All kinds, in the order of the documentation.
    pub const ALL: [Self; 7] = [
        Self::Layer,
        Self::Cell,
        Self::Activation,
        Self::Loss,
        Self::Optimizer,
        Self::Schedule,
        Self::Initializer,
    ];

    /// As lists call it: `losses`.
    pub fn plural(self) -> &'static str {
        match self {
            Self::Layer => "layers",
            Self::Cell => "cells",
            Self::Activation => "activations",
            Self::Loss => "losses",
            Self::Optimizer => "optimizers",
            Self::Schedule => "schedules",
            Self::Initializer => "initializers",
        }
    }

    /// One of them: `loss`.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Layer => "layer",
            Self::Cell => "cell",
            Self::Activation => "activation",
            Self::Loss => "loss",
            Self::Optimizer => "optimizer",
            Self::Schedule => "schedule",
            Self::Initializer => "initializer",
        }
    }

    /// The kind with this name, one or many.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.plural() == word || kind.noun() == word)
    }
}

/// An argument of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    /// Its name.
    pub name: String,
    /// What it may be: `positive`, `true` or `false`, one of some words.
    pub range: Option<String>,
    /// Its value when it is left out, as written.
    pub default: Option<String>,
}

/// Something that can be named in a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// What a use may set.
    pub arguments: Vec<Argument>,
    /// Its definition: one line of a formula, or the statements of an optimizer; of a layer, what its page says.
    pub formula: Vec<String>,
    /// Its page, line by line.
    pub docs: Vec<String>,
}

impl Entry {
    /// The first paragraph of the page on one line.
    pub fn summary(&self) -> String {
        let first: Vec<&str> =
            self.docs.iter().map(|line| line.trim()).take_while(|line| !line.is_empty()).collect();
        first.join(" ")
    }

    /// `leaky_relu(slope = 0.01)`
    pub fn signature(&self) -> String {
        if self.arguments.is_empty() {
            return self.name.clone();
        }
        let arguments = self.arguments.iter().map(|argument| match &argument.default {
            Some(default) => format!("{} = {default}", argument.name),
            None => argument.name.clone(),
        });
        format!("{}({})", self.name, arguments.collect::<Vec<_>>().join(", "))
    }

    /// What the page says behind `Source:` and the like, up to the next such word or the end of the paragraph.
    pub fn section(&self, heading: &str) -> Option<String> {
        let paragraphs = self.docs.split(|line| line.trim().is_empty());
        let paragraphs = paragraphs.map(|lines| {
            let lines: Vec<&str> = lines.iter().map(|line| line.trim()).collect();
            lines.join(" ")
        });
        let mark = format!("{heading}:");
        for paragraph in paragraphs {
            let Some((_, rest)) = paragraph.split_once(&mark) else { continue };
            let next = HEADINGS.iter().filter_map(|word| rest.find(&format!(" {word}"))).min();
            return Some(rest.get(..next.unwrap_or(rest.len())).unwrap_or(rest).trim().to_owned());
        }
        None
    }
}

/// Words that begin a part of a page.
const HEADINGS: &[&str] = &["Formula", "Shapes", "Gradient", "Source", "Output", "Arguments", "Example"];

/// `Source: …`, `Gradient at 0: …`
fn is_heading(line: &str) -> bool {
    line.split_once(':').is_some_and(|(before, _)| HEADINGS.iter().any(|word| before.starts_with(word)))
}

/// All entries, by kind and in source order.
pub fn catalogue() -> Vec<Entry> {
    let mut entries: Vec<Entry> = ops::layers()
        .iter()
        .filter(|layer| layer.arity() != Arity::Join)
        .map(|layer| of_layer(*layer))
        .collect();
    let mut sources = SourceMap::new();
    let library = Library::load(&mut sources);
    let definitions = library.ast.items.iter().filter_map(|item| match item {
        Item::Activation(function) => Some(of_function(&sources, Kind::Activation, function, 1)),
        Item::Loss(function) => Some(of_function(&sources, Kind::Loss, function, 2)),
        Item::Init(function) => Some(of_function(&sources, Kind::Initializer, function, 0)),
        Item::Schedule(function) => Some(of_function(&sources, Kind::Schedule, function, 0)),
        Item::Optimizer(optimizer) => Some(of_statements(&sources, Kind::Optimizer, optimizer)),
        Item::Cell(cell) => Some(of_cell(&sources, cell)),
        Item::ScheduleRule(rule) => Some(of_statements(&sources, Kind::Schedule, rule)),
        _ => None,
    });
    entries.extend(definitions);
    entries.sort_by_key(|entry| entry.kind);
    entries
}

fn arguments(sources: &SourceMap, declared: &[Declared], n_values: usize) -> Vec<Argument> {
    let of_use = declared.iter().skip(n_values);
    of_use
        .map(|parameter| Argument {
            name: parameter.name.name.clone(),
            range: parameter.kind.as_ref().map(|kind| kind.name.clone()),
            default: parameter.default.as_ref().map(|default| sources.one_line(default.span)),
        })
        .collect()
}

fn of_function(sources: &SourceMap, kind: Kind, function: &Function, n_values: usize) -> Entry {
    Entry {
        kind,
        name: function.name.name.clone(),
        arguments: arguments(sources, &function.parameters, n_values),
        formula: vec![sources.one_line(function.body.span)],
        docs: function.docs.clone(),
    }
}

fn of_statements(sources: &SourceMap, kind: Kind, tree: &Optimizer) -> Entry {
    let states = tree.states.iter().map(|state| {
        let initial =
            state.initial.as_ref().map_or_else(|| "0".to_owned(), |value| sources.one_line(value.span));
        format!("state {} = {initial}", state.name.name)
    });
    let assigned = tree.assignments.iter().map(|assignment| {
        let keyword = if assignment.is_let { "let " } else { "" };
        format!("{keyword}{} = {}", assignment.name.name, sources.one_line(assignment.value.span))
    });
    Entry {
        kind,
        name: tree.name.name.clone(),
        arguments: arguments(sources, &tree.parameters, 0),
        formula: states.chain(assigned).collect(),
        docs: tree.docs.clone(),
    }
}

fn of_cell(sources: &SourceMap, cell: &Block) -> Entry {
    let body = sources.text(cell.body.span).trim_start_matches('{').trim_end_matches('}');
    let lines = body.lines().map(str::trim).filter(|line| !line.is_empty());
    Entry {
        kind: Kind::Cell,
        name: cell.name.name.clone(),
        arguments: arguments(sources, &cell.parameters, 0),
        formula: lines.map(str::to_owned).collect(),
        docs: cell.docs.clone(),
    }
}

fn of_layer(layer: &dyn Layer) -> Entry {
    let arguments = layer.arguments().iter().map(|argument| Argument {
        name: argument.name.to_owned(),
        range: match argument.kind {
            ArgumentKind::Count => Some("whole, from 1".to_owned()),
            ArgumentKind::Number { min, max } => Some(range(min, max)),
            ArgumentKind::Kind(kind) => Some(kind.to_owned()),
            ArgumentKind::Bool => Some("true or false".to_owned()),
            ArgumentKind::Choice(words) => Some(words.join(" or ")),
            ArgumentKind::Init => Some("initializer".to_owned()),
            ArgumentKind::Shape => Some("list of sizes".to_owned()),
            ArgumentKind::Value => Some("a value, by name".to_owned()),
            ArgumentKind::Counts { min, words, .. } => {
                let numbers = format!("whole, from {min}, or a list with one an axis");
                Some(
                    std::iter::once(numbers.as_str())
                        .chain(words.iter().copied())
                        .collect::<Vec<_>>()
                        .join(", or "),
                )
            }
        },
        default: argument.default.map(|default| match default {
            Default::Number(value) => value.to_string(),
            Default::Bool(value) => value.to_string(),
            Default::Nothing => "none".to_owned(),
            Default::Choice(word) | Default::Init(word) | Default::Argument(word) => word.to_owned(),
        }),
    });
    // The file's own page, without its heading.
    let lines = layer.page().lines().map_while(|line| line.strip_prefix("//!"));
    let docs = lines.map(|line| line.strip_prefix(' ').unwrap_or(line).to_owned());
    let docs = docs.skip_while(|line| line.starts_with("# ") || line.is_empty()).collect();
    let mut entry = Entry {
        kind: Kind::Layer,
        name: layer.name().to_owned(),
        arguments: arguments.collect(),
        formula: Vec::new(),
        docs,
    };
    let formula = entry.section("Formula");
    entry.formula.extend(formula.map(|formula| formula.trim_start_matches("y = ").to_owned()));
    entry
}

/// Numbers from `min` to `max`, in words where there is no bound to speak of.
fn range(min: f64, max: f64) -> String {
    const BOUNDLESS: f64 = 1e30;
    match (min > -BOUNDLESS, max < BOUNDLESS) {
        (true, true) => format!("{min} to {max}"),
        (true, false) => format!("from {min}"),
        (false, true) => format!("up to {max}"),
        (false, false) => "any number".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: Kind, name: &str) -> Entry {
        let entries = catalogue();
        let found = entries.into_iter().find(|entry| entry.kind == kind && entry.name == name);
        found.unwrap_or_else(|| panic!("no {} {name}", kind.noun()))
    }

    #[test]
    fn entries_say_what_they_are() {
        let leaky = entry(Kind::Activation, "leaky_relu");
        assert_eq!(leaky.signature(), "leaky_relu(slope = 0.01)");
        assert_eq!(leaky.formula, ["if x > 0 { x } else { slope * x }"]);
        assert_eq!(leaky.summary(), "x where x > 0, else slope * x.");
        assert!(leaky.section("Source").is_some_and(|source| source.starts_with("Maas")));
        assert!(leaky.section("Shapes").is_some_and(|shapes| !shapes.contains("Gradient")));
        let momentum = entry(Kind::Optimizer, "momentum");
        assert_eq!(momentum.formula.first().map(String::as_str), Some("state velocity = 0"));
        assert_eq!(momentum.arguments.first().and_then(|lr| lr.range.as_deref()), Some("positive"));
        let dense = entry(Kind::Layer, "dense");
        assert!(dense.signature().starts_with("dense(units, bias = true"));
        assert!(!dense.summary().is_empty() && dense.section("Source").is_some());
        assert_eq!(dense.formula, ["W x + b"]);
        let min_max = entry(Kind::Layer, "min_max");
        assert_eq!(min_max.arguments.first().and_then(|low| low.range.as_deref()), Some("any number"));
    }

    #[test]
    fn names_are_unique_within_a_kind() {
        let entries = catalogue();
        for (n, entry) in entries.iter().enumerate() {
            let same = |other: &Entry| other.kind == entry.kind && other.name == entry.name;
            assert!(!entries.iter().take(n).any(same), "{} {}", entry.kind.noun(), entry.name);
        }
    }
}
