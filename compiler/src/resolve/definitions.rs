//! Definitions: where names of activations, losses, initializers, optimizers and blocks lead, and whether each of them
//! makes sense by itself.

use std::collections::BTreeMap;

use nnc_grammar::ast::{Ast, Block, Function, Ident, Import, Item, Model, Optimizer, Parameter};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::{FileId, Span};

use super::arguments::{self, is_value};
use super::expression_call::is_trained;
use super::formula::{Formula, Rank, Truth};
use super::scalar::{Role, Scope, Term};
use super::{Cx, body, cell, defined_twice, gradient, init, loss, optimizer, schedule, stage};

/// How deep definitions may call each other.
const DEEPEST: usize = 64;

/// A definition, by its place in [`Cx::definitions`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct DefId(usize);

/// Who wrote a definition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    /// The user, in the file that is compiled.
    User,
    /// The user, in a file that is used.
    Used(FileId),
    Library,
}

/// Where a definition is kept. All of the user's files share their names, for the one that is compiled sees them all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Shelf {
    User,
    Library,
}

impl Origin {
    fn shelf(self) -> Shelf {
        match self {
            Self::User | Self::Used(_) => Shelf::User,
            Self::Library => Shelf::Library,
        }
    }
}

/// The kinds of definitions. Each has names of its own, but for blocks and activations, which share theirs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sort {
    Activation,
    Block,
    Loss,
    Init,
    Optimizer,
    Schedule,
    Import,
    Cell,
}

impl Sort {
    /// As messages call it.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Activation => "activation",
            Self::Block => "block",
            Self::Loss => "loss",
            Self::Init => "initializer",
            Self::Optimizer => "optimizer",
            Self::Schedule => "schedule",
            Self::Import => "import",
            Self::Cell => "cell",
        }
    }

    /// Whether an argument may be a list of numbers, one for each element.
    pub(super) fn takes_lists(self) -> bool {
        matches!(self, Self::Loss | Self::Schedule)
    }

    /// Parameters that the compiler fills, before those that a use may set.
    pub(super) fn n_values(self) -> usize {
        match self {
            Self::Activation => 1,
            Self::Loss => 2,
            Self::Block | Self::Cell | Self::Init | Self::Optimizer | Self::Schedule | Self::Import => 0,
        }
    }
}

/// The tree of a definition.
#[derive(Debug, Clone, Copy)]
pub(super) enum Tree<'a> {
    Function(&'a Function),
    Optimizer(&'a Optimizer),
    Block(&'a Block),
    /// What is imported, and the model that it means.
    Import(&'a Import, &'a Model),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Unchecked,
    Checking,
    Valid,
    /// A fault was reported, here or in something that it calls.
    Broken,
}

/// A definition of the user's file or of the library.
#[derive(Debug, Clone, Copy)]
pub(super) struct Definition<'a> {
    pub(super) sort: Sort,
    pub(super) name: &'a Ident,
    pub(super) parameters: &'a [Parameter],
    pub(super) tree: Tree<'a>,
    pub(super) origin: Origin,
    state: State,
    is_used: bool,
}

/// Definitions by who wrote them, sort and name. Files that nobody sees together may use a name for one each.
pub(super) type Index<'a> = BTreeMap<(Shelf, Sort, &'a str), Vec<DefId>>;

impl<'a> Cx<'a> {
    /// Adds the definitions of a tree.
    pub(super) fn collect(&mut self, ast: &'a Ast, origin: Origin) {
        for item in &ast.items {
            let (sort, tree) = match item {
                Item::Activation(function) => (Sort::Activation, Tree::Function(function)),
                Item::Loss(function) => (Sort::Loss, Tree::Function(function)),
                Item::Init(function) => (Sort::Init, Tree::Function(function)),
                Item::Optimizer(optimizer) => (Sort::Optimizer, Tree::Optimizer(optimizer)),
                Item::Schedule(function) => (Sort::Schedule, Tree::Function(function)),
                Item::ScheduleRule(rule) => (Sort::Schedule, Tree::Optimizer(rule)),
                Item::Block(block) => (Sort::Block, Tree::Block(block)),
                Item::Cell(cell) => (Sort::Cell, Tree::Block(cell)),
                Item::Import(import) => match self.imported_model(import) {
                    Some(model) => (Sort::Import, Tree::Import(import, model)),
                    None => continue,
                },
                _ => continue,
            };
            let (name, parameters) = match tree {
                Tree::Function(function) => (&function.name, function.parameters.as_slice()),
                Tree::Optimizer(optimizer) => (&optimizer.name, optimizer.parameters.as_slice()),
                Tree::Block(block) => (&block.name, block.parameters.as_slice()),
                Tree::Import(import, model) => (&import.name, model.parameters.as_slice()),
            };
            // A stage can be a block, an activation or a model, so they cannot share a name.
            let rivals: &[Sort] = match sort {
                Sort::Activation | Sort::Block | Sort::Cell | Sort::Import => {
                    &[Sort::Activation, Sort::Block, Sort::Cell, Sort::Import]
                }
                Sort::Loss => &[Sort::Loss],
                Sort::Init => &[Sort::Init],
                Sort::Optimizer => &[Sort::Optimizer],
                Sort::Schedule => &[Sort::Schedule],
            };
            let shelf = origin.shelf();
            let known =
                rivals.iter().filter_map(|rival| self.index.get(&(shelf, *rival, name.name.as_str())));
            let mut known = known.flatten().filter_map(|id| self.definitions.get(id.0));
            if let Some(first) = known.find(|first| self.is_seen_with(first.origin, origin)) {
                let mut diagnostic = defined_twice(sort.noun(), &name.name, first.name.span, name.span);
                if first.origin != origin {
                    diagnostic = diagnostic
                        .with_note("a file that is used shares its names with the one that uses it");
                }
                self.report(diagnostic);
                continue;
            }
            self.index.entry((shelf, sort, &name.name)).or_default().push(DefId(self.definitions.len()));
            let (state, is_used) = (State::Unchecked, false);
            self.definitions.push(Definition { sort, name, parameters, tree, origin, state, is_used });
        }
    }

    /// The model that an import means: the one of its name, or the only one of the file. `None` after a report.
    fn imported_model(&mut self, import: &'a Import) -> Option<&'a Model> {
        let uses = self.uses;
        let found = uses.imports.iter().find(|(span, _)| *span == import.span);
        let Some(tree) = found.and_then(|(_, file)| uses.tree(*file)) else {
            // That the file cannot be read was reported.
            self.unsupported.push(&import.name.name);
            return None;
        };
        let models: Vec<&'a Model> = tree
            .items
            .iter()
            .filter_map(|item| match item {
                Item::Model(model) => Some(model),
                _ => None,
            })
            .collect();
        let name = &import.name.name;
        if let Some(model) = models.iter().find(|model| model.name.name == *name) {
            return Some(model);
        }
        if let [model] = models.as_slice() {
            return Some(model);
        }
        let names: Vec<&str> = models.iter().map(|model| model.name.name.as_str()).collect();
        let path = &import.path.value;
        let message = format!("no model `{name}` in `{path}`");
        let label = super::listed("found", &names);
        let diagnostic = Diagnostic::new(Code::E0221, message, import.name.span, label);
        self.report(diagnostic.with_closest(name, names.iter().copied()));
        self.unsupported.push(name);
        None
    }

    /// Whether someone sees the definitions of both.
    fn is_seen_with(&self, one: Origin, other: Origin) -> bool {
        let file = |origin: Origin| match origin {
            Origin::User => Some(self.uses.root()),
            Origin::Used(file) => Some(file),
            Origin::Library => None,
        };
        match (file(one), file(other)) {
            (Some(one), Some(other)) => one == other || self.uses.are_seen_together(one, other),
            _ => true,
        }
    }

    /// A definition.
    pub(super) fn definition(&self, id: DefId) -> Option<Definition<'a>> {
        self.definitions.get(id.0).copied()
    }

    /// What `name` means to someone who sees what `origin` sees.
    pub(super) fn lookup(&self, origin: Origin, sort: Sort, name: &str) -> Option<DefId> {
        let of_library = || self.index.get(&(Shelf::Library, sort, name))?.first().copied();
        self.lookup_user(origin, sort, name).or_else(of_library)
    }

    /// What `name` means in the user's own definitions, as far as `origin` sees them.
    pub(super) fn lookup_user(&self, origin: Origin, sort: Sort, name: &str) -> Option<DefId> {
        let mut ids = self.index.get(&(Shelf::User, sort, name))?.iter().copied();
        ids.find(|id| self.is_visible(origin, *id))
    }

    /// Whether what `origin` writes can use a definition.
    fn is_visible(&self, origin: Origin, id: DefId) -> bool {
        let Some(definition) = self.definitions.get(id.0) else { return false };
        match (origin, definition.origin) {
            (_, Origin::Library) | (Origin::User, Origin::User) => true,
            (Origin::User, Origin::Used(other)) => self.uses.root_sees(other),
            (Origin::Used(file), Origin::Used(other)) => self.uses.sees(file, other),
            (Origin::Used(_) | Origin::Library, _) => false,
        }
    }

    /// All names of a sort, the user's first.
    pub(super) fn names_of(&self, origin: Origin, sort: Sort) -> Vec<&'a str> {
        let visible = self
            .index
            .iter()
            .filter(|((_, of, _), ids)| *of == sort && ids.iter().any(|id| self.is_visible(origin, *id)));
        visible.map(|((_, _, name), _)| *name).collect()
    }

    /// Notes that a model uses a definition.
    pub(super) fn mark_used(&mut self, id: DefId) {
        if let Some(definition) = self.definitions.get_mut(id.0) {
            definition.is_used = true;
        }
    }

    /// Which definitions are used so far, to be restored after something was tried.
    pub(super) fn used_marks(&self) -> Vec<bool> {
        self.definitions.iter().map(|definition| definition.is_used).collect()
    }

    /// Restores what [`Cx::used_marks`] had.
    pub(super) fn set_used_marks(&mut self, marks: &[bool]) {
        for (definition, mark) in self.definitions.iter_mut().zip(marks) {
            definition.is_used = *mark;
        }
    }

    /// Checks what the user defined, used or not.
    pub(super) fn check_user_definitions(&mut self) {
        for idx in 0..self.definitions.len() {
            if self.definition(DefId(idx)).is_some_and(|definition| definition.origin != Origin::Library) {
                self.check(DefId(idx), None);
            }
        }
    }

    /// Whether a definition makes sense by itself; reports it once if not. `call` is what leads to it.
    pub(super) fn check(&mut self, id: DefId, call: Option<Span>) -> bool {
        let Some(definition) = self.definition(id) else { return false };
        match definition.state {
            State::Valid => return true,
            State::Broken => return false,
            State::Checking => {
                self.report_cycle(id, call);
                return false;
            }
            State::Unchecked => {}
        }
        if self.stack.len() >= DEEPEST {
            let span = call.unwrap_or(definition.name.span);
            self.report(
                Diagnostic::new(
                    Code::E0502,
                    "definitions are nested too deeply",
                    span,
                    "this call is too deep",
                )
                .with_note(format!("definitions may call each other {DEEPEST} levels deep")),
            );
            return false;
        }
        self.set_state(id, State::Checking);
        self.stack.push((id, call));
        let n_before = self.diagnostics.len();
        let kept = (self.budget, self.draws);
        self.begin_formula();
        let is_valid = self.check_parameters(&definition) && self.check_body(id, &definition);
        (self.budget, self.draws) = kept;
        self.stack.pop();
        let is_valid = is_valid && !self.errors_since(n_before);
        self.set_state(id, if is_valid { State::Valid } else { State::Broken });
        is_valid
    }

    /// Whether an error was reported since there were `n_before` diagnostics.
    pub(super) fn errors_since(&self, n_before: usize) -> bool {
        self.diagnostics.iter().skip(n_before).any(Diagnostic::is_error)
    }

    fn set_state(&mut self, id: DefId, state: State) {
        if let Some(definition) = self.definitions.get_mut(id.0) {
            definition.state = state;
        }
    }

    fn check_body(&mut self, id: DefId, definition: &Definition<'a>) -> bool {
        if definition.sort == Sort::Schedule {
            return schedule::check(self, id, definition);
        }
        match definition.tree {
            Tree::Function(function) => match definition.sort {
                Sort::Loss => {
                    loss::check(self, id, function) && gradient::check(self, id, definition, function)
                }
                Sort::Init => init::check(self, id, function),
                _ => {
                    let scope = self.opaque_scope(id, definition, Role::Activation);
                    let body = self.number(&scope, &function.body);
                    body.is_some_and(|body| stage::check_activation(self, function, &body))
                        && gradient::check(self, id, definition, function)
                }
            },
            Tree::Optimizer(tree) => optimizer::check(self, id, tree),
            Tree::Block(cell) if definition.sort == Sort::Cell => cell::check(self, id, cell),
            Tree::Block(block) => body::check_block(self, id, block),
            // A model is checked where it is used, with the numbers that it has there.
            Tree::Import(..) => true,
        }
    }

    /// A scope in which the parameters are known by kind alone.
    pub(super) fn opaque_scope(&mut self, id: DefId, definition: &Definition<'a>, role: Role) -> Scope {
        let mut scope = Scope::new(definition.origin, role);
        scope.owner = Some(id);
        scope.inline = false;
        for (n, parameter) in definition.parameters.iter().enumerate() {
            if is_value(parameter) {
                // A name of the walk, not of the scope.
                continue;
            }
            let is_value = n < definition.sort.n_values();
            let rank = if is_value || is_trained(parameter) { Rank::Elements } else { Rank::Constant };
            let term = match &parameter.default {
                _ if is_trained(parameter) => Term::Number(Formula::Opaque(rank)),
                Some(default) if !is_value => match self.quietly(|cx| cx.term(&scope, default)) {
                    Term::Truth(_) => Term::Truth(Truth::Opaque),
                    _ => Term::Number(Formula::Opaque(rank)),
                },
                _ => Term::Number(Formula::Opaque(rank)),
            };
            scope.define(&parameter.name.name, term);
        }
        scope
    }

    /// Does something without a word of it.
    pub(super) fn quietly<T>(&mut self, action: impl FnOnce(&mut Self) -> T) -> T {
        let n_before = self.diagnostics.len();
        let result = action(self);
        self.diagnostics.truncate(n_before);
        result
    }

    /// Parameters of a definition: names, kinds and defaults.
    fn check_parameters(&mut self, definition: &Definition<'a>) -> bool {
        let n_before = self.diagnostics.len();
        let values: &[&str] = match definition.sort {
            Sort::Activation => &["x"],
            Sort::Loss => &["output", "target"],
            Sort::Block | Sort::Cell | Sort::Init | Sort::Optimizer | Sort::Schedule | Sort::Import => &[],
        };
        self.check_value_parameters(definition, values);
        let mut scope = Scope::new(definition.origin, Role::Constant);
        scope.inline = false;
        for (n, parameter) in definition.parameters.iter().enumerate() {
            let name = &parameter.name;
            let first = definition.parameters.iter().take(n).find(|first| first.name.name == name.name);
            if let Some(first) = first {
                let diagnostic = defined_twice("parameter", &name.name, first.name.span, name.span);
                self.report(diagnostic);
            }
            if reserved(definition.sort).contains(&name.name.as_str()) {
                self.report(
                    Diagnostic::new(
                        Code::E0206,
                        format!("`{}` has a meaning in every {}", name.name, definition.sort.noun()),
                        name.span,
                        "expected another name",
                    )
                    .with_note(super::listed("given are", reserved(definition.sort))),
                );
            }
            self.check_kind(definition, n, parameter);
            let mut term = Term::Number(Formula::Opaque(Rank::Constant));
            if is_value(parameter) {
                self.check_no_value(parameter);
                continue;
            }
            if is_trained(parameter) {
                if let Some(default) = &parameter.default {
                    self.check_initial(&scope, parameter, default);
                }
                scope.define(&name.name, Term::Failed);
                continue;
            }
            if let Some(default) = &parameter.default
                && let Term::Truth(_) = self.term(&scope, default)
            {
                term = Term::Truth(Truth::Opaque);
            }
            if n >= values.len() {
                scope.define(&name.name, term);
            }
        }
        !self.errors_since(n_before)
    }

    /// The parameters that the compiler fills must be there, and have no default.
    fn check_value_parameters(&mut self, definition: &Definition<'a>, values: &[&str]) {
        let (name, noun) = (definition.name, definition.sort.noun());
        for (n, value) in values.iter().enumerate() {
            let fault = match definition.parameters.get(n) {
                None => Some((name.span, format!("expected a parameter `{value}`"))),
                Some(parameter) if definition.sort == Sort::Loss && parameter.name.name != *value => Some((
                    parameter.name.span,
                    format!("expected `{value}`, found `{}`", parameter.name.name),
                )),
                Some(parameter) => parameter.default.as_ref().map(|default| {
                    (default.span, format!("`{}` is a value, without a default", parameter.name.name))
                }),
            };
            if let Some((span, label)) = fault {
                let example = format!("{noun} {}({}, …) = …", name.name, values.join(", "));
                let message = match definition.sort {
                    Sort::Loss => "a loss begins with the parameters `output` and `target`",
                    _ => "an activation begins with a parameter for the value",
                };
                let diagnostic = Diagnostic::new(Code::E0217, message, span, label)
                    .with_help(format!("write `{example}`"));
                return self.report(diagnostic);
            }
        }
    }

    fn check_kind(&mut self, definition: &Definition<'a>, n: usize, parameter: &Parameter) {
        let Some(kind) = &parameter.kind else { return };
        let is_target = definition.sort == Sort::Loss && n == 1;
        let is_class = definition.sort == Sort::Loss
            && (n >= 1 && kind.name == "class"
                || is_target && loss::range_of(&kind.name).is_some()
                || n == 0 && loss::scale_of(&kind.name).is_some());
        let is_parameter = definition.sort == Sort::Activation && n >= 1 && is_trained(parameter);
        let is_constant = n >= definition.sort.n_values();
        let is_value = definition.sort == Sort::Block && is_value(parameter);
        let is_range = is_constant && super::ranges::is_kind(&kind.name);
        if is_class || is_parameter || is_value || is_range {
            return;
        }
        let label = match definition.sort {
            Sort::Loss if n == 0 => "expected `logit` or `log`",
            Sort::Loss if n == 1 => "expected `class`, `probability`, `sign` or `nonnegative`",
            Sort::Loss if n > 1 => "expected `class`, or which numbers it may be",
            Sort::Activation if n >= 1 => "expected `parameter`, or which numbers it may be",
            Sort::Block => "expected `value`, or which numbers it may be",
            _ if is_constant => "expected which numbers it may be",
            _ => "expected no kind",
        };
        let diagnostic = Diagnostic::new(
            Code::E0217,
            format!("parameter `{}` cannot be of kind `{}`", parameter.name.name, kind.name),
            kind.span,
            format!("{label}, found `{}`", kind.name),
        );
        let diagnostic = if is_target {
            diagnostic.with_help("`target: class` is a class; without a kind, the target is like the output")
        } else {
            diagnostic.with_help(match definition.sort {
                Sort::Activation => "`slope: parameter = 0.25` is trained, one for each feature",
                _ => {
                    "classes of a loss have a kind, `target: class`, and trained parameters of an activation"
                }
            })
        };
        self.report(diagnostic);
    }

    /// A parameter that stands for a value has no other default than none.
    fn check_no_value(&mut self, parameter: &Parameter) {
        let Some(default) = &parameter.default else { return };
        let is_none =
            matches!(&default.kind, nnc_grammar::ast::ExprKind::Name(name) if name == arguments::NOTHING);
        if !is_none {
            let what = format!("the default of `{}`", parameter.name.name);
            self.wrong_argument(default.span, &what, "`none`");
        }
    }

    /// What a trained parameter starts as, when no use says so.
    fn check_initial(&mut self, scope: &Scope, parameter: &Parameter, default: &nnc_grammar::ast::Expr) {
        let named = match &default.kind {
            nnc_grammar::ast::ExprKind::Name(name) => Some(name),
            nnc_grammar::ast::ExprKind::Call(call) => Some(&call.name.name),
            _ => None,
        };
        if named.is_some_and(|name| self.lookup(scope.origin, Sort::Init, name).is_some()) {
            self.initializer(scope, default);
        } else {
            self.constant(scope, default, &format!("`{}`", parameter.name.name));
        }
    }

    fn report_cycle(&mut self, id: DefId, call: Option<Span>) {
        let Some(definition) = self.definition(id) else { return };
        let name = &definition.name.name;
        let from = self.stack.iter().position(|(on_stack, _)| *on_stack == id).unwrap_or(0);
        let cycle: Vec<(DefId, Option<Span>)> = self.stack.iter().skip(from).copied().collect();
        let span = call.unwrap_or(definition.name.span);
        let mut diagnostic = if cycle.len() < 2 {
            Diagnostic::new(Code::E0208, format!("`{name}` calls itself"), span, "this call never ends")
        } else {
            let path: Vec<String> = cycle
                .iter()
                .filter_map(|(id, _)| self.definition(*id))
                .map(|definition| format!("`{}`", definition.name.name))
                .collect();
            let note = format!("{} calls `{name}`", path.join(" calls "));
            Diagnostic::new(
                Code::E0208,
                format!("`{name}` calls itself"),
                span,
                format!("calls `{name}` again"),
            )
            .with_note(note)
        };
        for (id, call) in cycle.iter().skip(1) {
            if let (Some(definition), Some(call)) = (self.definition(*id), call) {
                diagnostic = diagnostic.with_label(*call, format!("calls `{}`", definition.name.name));
            }
        }
        if definition.origin != Origin::Library
            && self.lookup(Origin::Library, definition.sort, name).is_some()
        {
            diagnostic =
                diagnostic.with_note(format!("this definition hides the `{name}` of the standard library"));
        }
        self.report(diagnostic);
    }

    /// Warns of definitions of the file that no model uses, and of files from which no model uses any. What else stands
    /// in a used file is there for others.
    pub(super) fn warn_of_unused(&mut self) {
        for idx in 0..self.definitions.len() {
            let Some(definition) = self.definition(DefId(idx)) else { continue };
            if definition.origin == Origin::User && !definition.is_used {
                let noun = definition.sort.noun();
                self.report(Diagnostic::new(
                    Code::W0102,
                    format!("{noun} `{}` is never used", definition.name.name),
                    definition.name.span,
                    "no model uses it",
                ));
            }
        }
        for (span, file) in &self.uses.direct {
            let is_used = self.definitions.iter().any(|definition| {
                let Origin::Used(of) = definition.origin else { return false };
                definition.is_used && self.uses.sees(*file, of)
            });
            if !is_used {
                let name = self.sources.get(*file).map_or("", |file| file.name.as_str());
                self.diagnostics.push(Diagnostic::new(
                    Code::W0102,
                    format!("nothing of `{name}` is used"),
                    *span,
                    "no model uses a definition of it",
                ));
            }
        }
    }
}

/// Names that every definition of a sort is given.
pub(super) fn reserved(sort: Sort) -> &'static [&'static str] {
    match sort {
        Sort::Init => &["fan_in", "fan_out"],
        Sort::Optimizer => &["weight", "gradient", "step"],
        Sort::Schedule => schedule::GIVEN,
        Sort::Block => &["input"],
        Sort::Cell => &["input", "output", "reverse", "bidirectional", "carry", "mask"],
        Sort::Loss => &["reduction", "classes", "is_class"],
        Sort::Activation | Sort::Import => &[],
    }
}
