//! Syntax trees and the standard library become a [`Program`] for each model.
//!
//! Names are bound, arguments checked, blocks inlined, repeats expanded, hyper-parameters put in. What comes out holds
//! no name that means nothing and no argument out of its range; shapes are not known yet.
//!
//! Names are looked up in the user's file and the files that it uses, then in the standard library. A definition of a
//! used file sees that file and those which it uses in turn, and one of the library sees the library alone, so that no
//! user can change what `mish` means by defining a `softplus`. Every definition outside the library is checked, used or
//! not. A stage that could not be resolved leaves a value that is *poisoned*: what it flows into is
//! checked for faults of its own and is silent about the value.
//!
//! # Names of layers
//!
//! A layer is called by its label. Without one it is called by its kind and its place among its kind in the same body,
//! labelled ones counted: `dense`, then `dense_2`. A name that is taken, by a label for instance, is passed over.
//! Bodies put the names inside behind a path:
//!
//! | what | name | a `dense` inside |
//! |---|---|---|
//! | block `basic`, its second use | `basic_2` | `basic_2.dense` |
//! | `stem: basic` | `stem` | `stem.dense` |
//! | `repeat 3 { … }`, the first | `repeat` | `repeat.1.dense`, `repeat.2.dense`, … |
//! | `trunk: repeat 3 { … }` | `trunk` | `trunk.1.dense`, … |
//! | `residual { … }`, `branch { … } { … }` | `residual` | `dense`: such a body counts on |
//! | `skip: residual { … }` | `skip` | `skip.dense` |
//! | `fork: branch { … } { … }` | `fork` | `fork.1.dense`, `fork.2.dense` |
//!
//! | `Base`, an imported model | `Base` | `Base.dense` |
//! | `frozen { … }` | none | `dense`: such a body counts on; with a label as in a block |
//!
//! A label that stands twice in one body shares parameters: both layers have one name, and so have the layers behind it.
//!
//! Names stay unique when each `.` is replaced by `_`.

mod arguments;
mod body;
mod cell;
mod constants;
mod data;
mod definitions;
mod expression_call;
mod formula;
mod gradient;
mod import;
mod init;
mod loss;
mod metrics;
mod model;
mod names;
mod optimizer;
mod optimizer_use;
mod print;
mod ranges;
mod scalar;
mod schedule;
mod set;
mod settings;
mod stage;
#[cfg(test)]
mod tests;
mod train;

use nnc_grammar::ast::{Ast, Item, Model, Section};
use nnc_grammar::diagnostic::{self, Code, Diagnostic};
use nnc_grammar::span::{SourceMap, Span};

use crate::compile::Options;
use crate::load::Uses;
use crate::program::{DataSpec, Program, TrainSpec};
use crate::std_library::Library;

use definitions::{DefId, Definition, Origin};
pub use set::set;

/// What became of a file.
#[derive(Debug, Clone, Default)]
pub struct Resolved {
    /// Models without a fault, in source order.
    pub programs: Vec<Program>,
    /// Of models with faults, what is left without the stages at fault and all that follows from them, and without loss
    /// and optimizer. Their shapes can be checked, so that faults of shape are reported together with faults of names;
    /// nothing can be emitted for them.
    pub incomplete: Vec<Program>,
    /// Faults and warnings, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
}

/// Resolves the models of `user`: all, or the one that `options` name. Of the files that it uses, the definitions are
/// taken, as if they were written in `user`.
///
/// # Errors, as diagnostics
/// E02xx; E0301 for the sizes of an input; E0501 for what is not supported yet, E0502 for what is too large; and the
/// warnings W0102 and W0103.
pub fn resolve(
    sources: &SourceMap,
    user: &Ast,
    uses: &Uses,
    library: &Library,
    options: &Options,
) -> Resolved {
    let mut cx = Cx::new(sources, uses);
    for used in &uses.files {
        cx.collect(&used.ast, Origin::Used(used.file));
    }
    cx.collect(user, Origin::User);
    cx.collect(&library.ast, Origin::Library);
    cx.check_user_definitions();
    let sections = Sections::read(&mut cx, user);
    let models = cx.select(user, options);
    let mut resolved = Resolved::default();
    // A model that compares with its own values needs none.
    let needs_target = models.is_empty() || models.iter().any(|model| model::needs_target(model));
    if let Some(data) = sections.data.as_ref().filter(|_| needs_target) {
        data::check_target(&mut cx, data);
    }
    for model in &models {
        let program = model::resolve(&mut cx, model, options, &sections);
        let list = if program.is_complete { &mut resolved.programs } else { &mut resolved.incomplete };
        list.push(program.program);
    }
    // What is set from outside may leave definitions of the file without a use.
    let is_whole = options.model.is_none() && options.set.is_empty() && !models.is_empty();
    if is_whole && !cx.diagnostics.iter().any(Diagnostic::is_error) {
        cx.warn_of_unused();
    }
    diagnostic::sort(&mut cx.diagnostics);
    resolved.diagnostics = cx.diagnostics;
    resolved
}

/// What all of this stage works with.
struct Cx<'a> {
    sources: &'a SourceMap,
    uses: &'a Uses,
    definitions: Vec<Definition<'a>>,
    index: definitions::Index<'a>,
    diagnostics: Vec<Diagnostic>,
    /// Definitions that are being checked or inlined, outermost first, with the call that led to each.
    stack: Vec<(DefId, Option<Span>)>,
    /// How deep expressions and bodies are nested right now, through all definitions.
    depth: usize,
    /// How many formula nodes may still be made for one use.
    budget: usize,
    /// Random draws of the initializer that is being resolved: uniform, and all others.
    draws: (u32, u32),
    /// Names of items that were reported as not supported: their uses stay silent.
    unsupported: Vec<&'a str>,
}

impl<'a> Cx<'a> {
    fn new(sources: &'a SourceMap, uses: &'a Uses) -> Self {
        Self {
            sources,
            uses,
            definitions: Vec::new(),
            index: definitions::Index::new(),
            diagnostics: Vec::new(),
            stack: Vec::new(),
            depth: 0,
            budget: scalar::LARGEST_FORMULA,
            draws: (0, 0),
            unsupported: Vec::new(),
        }
    }

    fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The text of a place on one line.
    fn text(&self, span: Span) -> String {
        self.sources.one_line(span)
    }

    /// Whether what `name` means, or may mean, was reported as not supported.
    fn is_unsupported(&self, name: &str) -> bool {
        self.unsupported.contains(&name)
    }

    /// The models to resolve.
    fn select(&mut self, user: &'a Ast, options: &Options) -> Vec<&'a Model> {
        let mut models: Vec<&'a Model> = Vec::new();
        for item in &user.items {
            let Item::Model(model) = item else { continue };
            if let Some(first) = models.iter().find(|first| first.name.name == model.name.name) {
                let diagnostic = defined_twice("model", &model.name.name, first.name.span, model.name.span);
                self.report(diagnostic);
                continue;
            }
            models.push(model);
        }
        let Some(wanted) = &options.model else {
            if models.is_empty()
                && let Some(last) = user.items.last()
            {
                self.report(
                    Diagnostic::new(
                        Code::E0221,
                        "no model in this file",
                        item_span(last),
                        "this is not a model",
                    )
                    .with_help("add one: `model Name { input [4]  dense(3) }`"),
                );
            }
            return models;
        };
        if let Some(model) = models.iter().find(|model| model.name.name == *wanted) {
            return vec![model];
        }
        if let Some(first) =
            models.first().map(|model| model.name.span).or_else(|| user.items.first().map(item_span))
        {
            let names: Vec<&str> = models.iter().map(|model| model.name.name.as_str()).collect();
            let mut diagnostic = Diagnostic::new(
                Code::E0221,
                format!("no model `{wanted}` in this file"),
                first,
                listed("found", &names),
            );
            if let Some(name) = diagnostic::closest(wanted, names.iter().copied()) {
                diagnostic = diagnostic.with_help(format!("did you mean `{name}`?"));
            }
            self.report(diagnostic);
        }
        Vec::new()
    }
}

/// `data` and `train` of a file: they belong to all of its models.
struct Sections {
    data: Option<DataSpec>,
    train: TrainSpec,
    is_valid: bool,
}

impl Sections {
    fn read(cx: &mut Cx<'_>, user: &Ast) -> Self {
        let n_before = cx.diagnostics.len();
        let data = one_section(cx, user, "data", |item| match item {
            Item::Data(section) => Some(section),
            _ => None,
        });
        let train = one_section(cx, user, "train", |item| match item {
            Item::Train(section) => Some(section),
            _ => None,
        });
        let data = data.and_then(|section| data::resolve(cx, section));
        let train = train.map_or_else(TrainSpec::default, |section| train::resolve(cx, section));
        Self { data, train, is_valid: cx.diagnostics.len() == n_before }
    }
}

fn one_section<'a>(
    cx: &mut Cx<'_>,
    user: &'a Ast,
    name: &str,
    section: impl Fn(&'a Item) -> Option<&'a Section>,
) -> Option<&'a Section> {
    let mut sections = user.items.iter().filter_map(section);
    let first = sections.next()?;
    for second in sections {
        cx.report(
            Diagnostic::new(
                Code::E0206,
                format!("more than one `{name}` section"),
                cx_start(second.span, name),
                "the second",
            )
            .with_label(cx_start(first.span, name), "the first")
            .with_help(format!("a file has one `{name}` section, for all of its models")),
        );
    }
    Some(first)
}

/// The keyword at the start of a section.
fn cx_start(span: Span, keyword: &str) -> Span {
    Span { end: span.end.min(span.start + keyword.len() as u32), ..span }
}

fn defined_twice(what: &str, name: &str, first: Span, second: Span) -> Diagnostic {
    Diagnostic::new(Code::E0206, format!("{what} `{name}` is defined twice"), second, "defined again here")
        .with_label(first, "first defined here")
}

/// `expected one of a, b`, in short.
fn listed(what: &str, names: &[&str]) -> String {
    match names {
        [] => format!("{what} none"),
        names => {
            format!("{what} {}", names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "))
        }
    }
}

fn item_span(item: &Item) -> Span {
    match item {
        Item::Model(model) => model.name.span,
        Item::Block(block) | Item::Cell(block) => block.name.span,
        Item::Activation(function)
        | Item::Loss(function)
        | Item::Init(function)
        | Item::Schedule(function) => function.name.span,
        Item::Optimizer(optimizer) | Item::ScheduleRule(optimizer) => optimizer.name.span,
        Item::Import(import) => import.span,
        Item::Use(include) => include.span,
        Item::Allow(allow) => allow.span,
        Item::Data(section) => cx_start(section.span, "data"),
        Item::Train(section) => cx_start(section.span, "train"),
    }
}
