//! `--set NAME=VALUE`: what a model says, said otherwise from outside.
//!
//! A name is that of a parameter of the model first. Else it is `loss` or `optimizer`, whose value is the call that
//! takes the place of the model's; a hyper-parameter of the model's optimizer, such as `lr`; or a key of the section
//! `train`. Values of parameters are read where the model's scope is made; everything else is put into the syntax tree
//! before it is resolved, so that nothing later knows of it. Each value is a text of its own among the sources, and
//! messages point into it.

use nnc_grammar::ast::{Argument, Ast, Call, Expr, Item, Model, Optimizer, Section, Setting, Statement};
use nnc_grammar::diagnostic::{self, Code, Diagnostic};
use nnc_grammar::span::{SourceMap, Span};

use super::optimizer_use::GENERAL;
use super::train;
use crate::compile::Options;
use crate::load::Uses;
use crate::std_library::Library;

/// Puts what `options` set into a tree, and reports names that mean nothing and values that cannot be read.
pub fn set(
    sources: &mut SourceMap,
    user: &Ast,
    uses: &Uses,
    library: &Library,
    options: &Options,
) -> (Ast, Vec<Diagnostic>) {
    let known = Known { uses, library };
    let mut tree = user.clone();
    let mut diagnostics = Vec::new();
    for (n, (name, text)) in options.set.iter().enumerate() {
        if options.set.iter().take(n).any(|(other, _)| other == name) {
            let file = sources.add(format!("setting {name}"), format!("{name} {text}"));
            let span = Span::new(file, 0, name.len());
            diagnostics.push(Diagnostic::new(
                Code::E0205,
                format!("`{name}` is set twice"),
                span,
                "set a second time",
            ));
        }
    }
    // An optimizer that is given as a whole comes before its hyper-parameters.
    let is_whole = |setting: &&(String, String)| matches!(setting.0.as_str(), LOSS | OPTIMIZER);
    let wholes = options.set.iter().filter(is_whole);
    for (name, text) in wholes.chain(options.set.iter().filter(|setting| !is_whole(setting))) {
        if let Err(fault) = put(sources, &mut tree, known, options, name, text) {
            diagnostics.extend(fault);
        }
    }
    (tree, diagnostics)
}

const LOSS: &str = "loss";
const OPTIMIZER: &str = "optimizer";

/// Keys of `train` that only the command reads, and what a program has in their place.
const OF_COMMAND: [(&str, &str); 5] = [
    ("seed", "the argument of `new`, and `FitOptions::seed`"),
    ("shuffle", "`FitOptions::shuffle`"),
    ("stop", "`FitOptions::early_stopping`"),
    ("weights", "`load`, or `safetensors::load_partial`"),
    ("partial", "`safetensors::load_partial`"),
];

/// What a name means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// A parameter of a model: read with the model.
    Parameter,
    Loss,
    Optimizer,
    /// A hyper-parameter of the optimizer, and its place among them if the definition is known.
    Hyper(Option<usize>),
    /// A key of `train`.
    Train,
}

/// Puts one value into the tree.
fn put(
    sources: &mut SourceMap,
    tree: &mut Ast,
    known: Known<'_>,
    options: &Options,
    name: &str,
    text: &str,
) -> Result<(), Vec<Diagnostic>> {
    let models: Vec<&Model> = selected(tree, options).collect();
    // Without a model there is a fault that says so.
    if models.is_empty() {
        return Ok(());
    }
    let meanings: Vec<Option<Meaning>> =
        models.iter().map(|model| meaning(tree, known, model, name)).collect();
    if meanings.iter().all(Option::is_none) {
        return Err(vec![unknown(tree, known, &models, name)]);
    }
    if meanings.contains(&Some(Meaning::Train)) {
        let setting = setting(sources, name, text)?;
        if let Some((_, instead)) = OF_COMMAND.iter().find(|(key, _)| options.is_code && *key == name) {
            let message = format!("`{name}` has no effect on code");
            let label = "only the command reads it".to_owned();
            let diagnostic = Diagnostic::new(Code::E0218, message, setting.span, label);
            return Err(vec![diagnostic.with_help(format!("in a program it is {instead}"))]);
        }
        replace_setting(tree, setting);
        return Ok(());
    }
    let call = match meanings.iter().flatten().find(|meaning| **meaning != Meaning::Parameter) {
        Some(Meaning::Loss | Meaning::Optimizer) => Some(call(sources, name, text)?),
        _ => None,
    };
    let value = if meanings.iter().flatten().any(|meaning| matches!(meaning, Meaning::Hyper(_))) {
        Some(argument(sources, name, text)?)
    } else {
        None
    };
    if let (LOSS, Some(call)) = (name, &call)
        && let Some(model) = selected(tree, options).find(|model| n_losses(model) > 1)
    {
        let message = format!("model `{}` has several losses", model.name.name);
        let label = "expected a model with one loss, or none".to_owned();
        return Err(vec![
            Diagnostic::new(Code::E0218, message, call.span, label).with_label(model.name.span, ""),
        ]);
    }
    let models = tree.items.iter_mut().filter_map(|item| match item {
        Item::Model(model) if is_selected(model, options) => Some(model),
        _ => None,
    });
    for (model, meaning) in models.zip(meanings) {
        match (meaning, &call, &value) {
            (Some(Meaning::Loss), Some(call), _) => {
                replace_statement(model, Statement::Loss(call.clone()));
            }
            (Some(Meaning::Optimizer), Some(call), _) => {
                replace_statement(model, Statement::Optimizer(call.clone()));
            }
            (Some(Meaning::Hyper(place)), _, Some(argument)) => {
                if let Some(call) = optimizer_mut(model) {
                    replace_argument(call, place, argument);
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn is_selected(model: &Model, options: &Options) -> bool {
    options.model.as_ref().is_none_or(|wanted| model.name.name == *wanted)
}

fn selected<'a>(tree: &'a Ast, options: &'a Options) -> impl Iterator<Item = &'a Model> {
    tree.items.iter().filter_map(|item| match item {
        Item::Model(model) => Some(model).filter(|model| is_selected(model, options)),
        _ => None,
    })
}

fn meaning(tree: &Ast, known: Known<'_>, model: &Model, name: &str) -> Option<Meaning> {
    if model.parameters.iter().any(|parameter| parameter.name.name == name) {
        return Some(Meaning::Parameter);
    }
    match name {
        LOSS => return Some(Meaning::Loss),
        OPTIMIZER => return Some(Meaning::Optimizer),
        _ => {}
    }
    if let Some(call) = optimizer(model) {
        let place = match definition(tree, known, &call.name.name) {
            Some(definition) => {
                definition.parameters.iter().position(|parameter| parameter.name.name == name).map(Some)
            }
            // Reported where it is resolved; what it would be given is not at fault.
            None => (!train::KEYS.contains(&name)).then_some(None),
        };
        match place {
            Some(place) => return Some(Meaning::Hyper(place)),
            None if GENERAL.contains(&name) => return Some(Meaning::Hyper(None)),
            None => {}
        }
    }
    train::KEYS.contains(&name).then_some(Meaning::Train)
}

/// E0218, with what would have been known.
fn unknown(tree: &Ast, known: Known<'_>, models: &[&Model], name: &str) -> Diagnostic {
    let parameters: Vec<&str> = models
        .iter()
        .flat_map(|model| model.parameters.iter().map(|parameter| parameter.name.name.as_str()))
        .collect();
    let hyper: Vec<&str> = models
        .iter()
        .filter_map(|model| definition(tree, known, &optimizer(model)?.name.name))
        .flat_map(|definition| definition.parameters.iter().map(|parameter| parameter.name.name.as_str()))
        .collect();
    let owner = match models {
        [model] => format!("`{}` has", model.name.name),
        _ => "the models have".to_owned(),
    };
    let first = models.first().map(|model| (model.name.span, model.name.name.as_str()));
    let (span, model) = first.unwrap_or_default();
    let mut diagnostic = Diagnostic::new(
        Code::E0218,
        format!("{owner} no parameter `{name}`"),
        span,
        super::listed("parameters:", &parameters),
    );
    let mut others = vec![LOSS, OPTIMIZER];
    others.extend(hyper);
    if models.iter().any(|model| optimizer(model).is_some()) {
        others.extend(GENERAL);
    }
    others.extend(train::KEYS);
    match diagnostic::meant(name, parameters.iter().chain(&others).copied()) {
        Some(close) => diagnostic = diagnostic.with_help(format!("did you mean `{close}`?")),
        None if parameters.is_empty() => {
            diagnostic = diagnostic.with_help(format!("declare it: `model {model}({name} = 16) {{ … }}`"));
        }
        None => {}
    }
    diagnostic.with_note(super::listed("besides parameters there are", &others))
}

fn optimizer(model: &Model) -> Option<&Call> {
    model.body.statements.iter().find_map(|statement| match statement {
        Statement::Optimizer(call) => Some(call),
        _ => None,
    })
}

fn optimizer_mut(model: &mut Model) -> Option<&mut Call> {
    model.body.statements.iter_mut().find_map(|statement| match statement {
        Statement::Optimizer(call) => Some(call),
        _ => None,
    })
}

/// Definitions beside those of the file.
#[derive(Clone, Copy)]
struct Known<'a> {
    uses: &'a Uses,
    library: &'a Library,
}

/// What an optimizer's name stands for: a definition of the user before one of the library.
fn definition<'a>(tree: &'a Ast, known: Known<'a>, name: &str) -> Option<&'a Optimizer> {
    let used = known.uses.files.iter().flat_map(|used| &used.ast.items);
    tree.items.iter().chain(used).chain(&known.library.ast.items).find_map(|item| match item {
        Item::Optimizer(optimizer) if optimizer.name.name == name => Some(optimizer),
        _ => None,
    })
}

/// Whether it is the argument of the name for all parameters, rather than for those of a pattern.
fn is_named(argument: &Argument, name: &str) -> bool {
    argument.scope.is_none() && argument.name.as_ref().is_some_and(|given| given.name == name)
}

/// In the place of the model's own statement of the kind, or after all others.
fn n_losses(model: &Model) -> usize {
    model.body.statements.iter().filter(|statement| matches!(statement, Statement::Loss(_))).count()
}

fn replace_statement(model: &mut Model, new: Statement) {
    let kind = std::mem::discriminant(&new);
    match model.body.statements.iter_mut().find(|old| std::mem::discriminant(*old) == kind) {
        Some(old) => *old = new,
        None => model.body.statements.push(new),
    }
}

/// In the place of the argument of the name, by name or by place, or after all others.
fn replace_argument(call: &mut Call, place: Option<usize>, new: &Argument) {
    let name = new.name.as_ref().map(|name| name.name.as_str()).unwrap_or_default();
    if let Some(old) = call.arguments.iter_mut().find(|argument| is_named(argument, name)) {
        *old = new.clone();
        return;
    }
    let n_by_place = call.arguments.iter().take_while(|argument| argument.name.is_none()).count();
    match place.filter(|place| *place < n_by_place).and_then(|place| call.arguments.get_mut(place)) {
        // It stays one by place: others may follow it.
        Some(old) => *old = Argument { name: None, ..new.clone() },
        None => call.arguments.push(new.clone()),
    }
}

fn replace_setting(tree: &mut Ast, new: Section) {
    let section = tree.items.iter_mut().find_map(|item| match item {
        Item::Train(section) => Some(section),
        _ => None,
    });
    let Some(section) = section else {
        tree.items.push(Item::Train(new));
        return;
    };
    for setting in new.settings {
        let is_same = |old: &&mut Setting| old.key.name == setting.key.name;
        match section.settings.iter_mut().find(is_same) {
            Some(old) => *old = setting,
            None => section.settings.push(setting),
        }
    }
}

/// `train { name text }`
fn setting(sources: &mut SourceMap, name: &str, text: &str) -> Result<Section, Vec<Diagnostic>> {
    let (items, whole) = read(sources, name, text, "train {\n", "\n}")?;
    match items.as_slice() {
        [Item::Train(section)] if section.settings.len() == 1 => Ok(section.clone()),
        _ => Err(vec![not_one(name, text, "one value", whole)]),
    }
}

/// `loss text` or `optimizer text`
fn call(sources: &mut SourceMap, name: &str, text: &str) -> Result<Call, Vec<Diagnostic>> {
    let (items, whole) = read(sources, name, text, "model Set {\n", "\n}")?;
    if let [Item::Model(model)] = items.as_slice()
        && let [Statement::Loss(call) | Statement::Optimizer(call)] = model.body.statements.as_slice()
    {
        return Ok(call.clone());
    }
    Err(vec![not_one(name, text, &format!("one {name}, such as `{}`", example(name)), whole)])
}

fn example(name: &str) -> &'static str {
    if name == LOSS { "mse" } else { "sgd(lr = 0.1)" }
}

/// A hyper-parameter by its name, `name = text`.
fn argument(sources: &mut SourceMap, name: &str, text: &str) -> Result<Argument, Vec<Diagnostic>> {
    let section = setting(sources, name, text)?;
    match section.settings.into_iter().next() {
        Some(Setting { key, value, span }) => Ok(Argument { name: Some(key), value, scope: None, span }),
        None => Err(vec![not_one(name, text, "one value", section.span)]),
    }
}

/// Reads a value as the line of a file of its own, so that messages show the line as the file would have it.
fn read(
    sources: &mut SourceMap,
    name: &str,
    text: &str,
    before: &str,
    after: &str,
) -> Result<(Vec<Item>, Span), Vec<Diagnostic>> {
    let written = format!("{before}{name} {text}{after}");
    let (start, end) = (before.len(), written.len() - after.len());
    let file = sources.add(format!("setting {name}"), written);
    let parsed = nnc_grammar::parse(sources, file);
    if parsed.diagnostics.is_empty() {
        Ok((parsed.ast.items, Span::new(file, start, end)))
    } else {
        Err(parsed.diagnostics)
    }
}

fn not_one(name: &str, text: &str, expected: &str, span: Span) -> Diagnostic {
    Diagnostic::new(Code::E0204, format!("`{name}={text}` is not {expected}"), span, "more than that")
}

/// An expression that stands alone, read as the value of a parameter.
pub(super) fn value_of(text: &str) -> Option<Expr> {
    let section = setting(&mut SourceMap::new(), "value", text).ok()?;
    section.settings.into_iter().next().map(|setting| setting.value)
}
