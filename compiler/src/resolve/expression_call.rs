//! Calls in expressions: functions of the language, and activations, losses and initializers, which are inlined.

use nnc_grammar::ast::{Call, Expr, ExprKind};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;
use super::arguments::{Callee, Slot};
use super::definitions::{DefId, Definition, Sort, Tree};
use super::formula::{Formula, Rank, Truth};
use super::scalar::{Role, Scope, Term};
use crate::program::{Reduction, TargetKind};
use crate::scalar::{Binary, Unary, Variable};

/// A function of the language.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Builtin {
    Unary(Unary),
    Binary(Binary),
    /// Over the values of a sample.
    Reduce(Reduction),
    /// One of several equal parts of a value.
    Part,
    /// A loss, and what the sample counts.
    Weighted,
    /// The length of a tensor, its elements taken as a vector.
    Norm,
    /// Over the numbers of a list.
    SumOfList,
    /// The larger of two numbers, or the largest of a sample.
    Max,
    Softmax,
    LogSoftmax,
    OneHot,
    RandomUniform,
    RandomNormal,
    RandomTruncated,
    RandomOrthogonal,
}

/// Functions over the values of a sample, in losses and activations.
const OF_VALUES: &[(&str, Builtin)] = &[
    ("part", Builtin::Part),
    ("sum", Builtin::Reduce(Reduction::Sum)),
    ("mean", Builtin::Reduce(Reduction::Mean)),
    ("max", Builtin::Max),
    ("softmax", Builtin::Softmax),
    ("log_softmax", Builtin::LogSoftmax),
];

/// What only losses know.
const OF_LOSSES: &[(&str, Builtin)] = &[("one_hot", Builtin::OneHot), ("weighted", Builtin::Weighted)];

/// Random draws, in initializers.
const OF_INITIALIZERS: &[(&str, Builtin)] = &[
    ("random_uniform", Builtin::RandomUniform),
    ("random_normal", Builtin::RandomNormal),
    ("random_truncated", Builtin::RandomTruncated),
    ("random_orthogonal", Builtin::RandomOrthogonal),
];

/// What looks at a whole tensor, in optimizers.
const OF_OPTIMIZERS: &[(&str, Builtin)] = &[("norm", Builtin::Norm)];

/// What adds up a list, in schedules.
const OF_SCHEDULES: &[(&str, Builtin)] = &[("sum", Builtin::SumOfList)];

/// Functions of two numbers, everywhere.
const OF_TWO: &[(&str, Builtin)] =
    &[("min", Builtin::Binary(Binary::Min)), ("max", Builtin::Binary(Binary::Max))];

fn builtins(role: Role) -> impl Iterator<Item = (&'static str, Builtin)> {
    let special: [&[(&str, Builtin)]; 2] = match role {
        Role::Loss => [OF_VALUES, OF_LOSSES],
        Role::Activation => [OF_VALUES, &[]],
        Role::Init => [OF_INITIALIZERS, &[]],
        Role::Optimizer => [OF_OPTIMIZERS, &[]],
        Role::Schedule => [OF_SCHEDULES, &[]],
        Role::Constant => [&[], &[]],
    };
    let unary = Unary::NAMED.iter().map(|(name, op)| (*name, Builtin::Unary(*op)));
    special.into_iter().flatten().copied().chain(unary).chain(OF_TWO.iter().copied())
}

fn builtin(role: Role, name: &str) -> Option<Builtin> {
    builtins(role).find(|(known, _)| *known == name).map(|(_, builtin)| builtin)
}

/// Definitions that can be called from an expression, in the order in which names are looked up.
fn callable(role: Role) -> &'static [Sort] {
    match role {
        Role::Loss => &[Sort::Loss, Sort::Activation],
        Role::Init => &[Sort::Init, Sort::Activation],
        Role::Schedule => &[Sort::Schedule, Sort::Activation],
        Role::Constant | Role::Activation | Role::Optimizer => &[Sort::Activation],
    }
}

enum Function {
    Builtin(Builtin),
    Definition(DefId),
}

impl Cx<'_> {
    /// Names that can be called.
    pub(super) fn function_names(&self, scope: &Scope) -> Vec<String> {
        let mut names: Vec<String> = builtins(scope.role).map(|(name, _)| name.to_owned()).collect();
        for sort in callable(scope.role) {
            names.extend(self.names_of(scope.origin, *sort).into_iter().map(str::to_owned));
        }
        names
    }

    fn function(&self, scope: &Scope, name: &str) -> Option<Function> {
        let builtin = builtin(scope.role, name);
        let sorts = callable(scope.role);
        if scope.origin != super::Origin::Library {
            let user = sorts.iter().find_map(|sort| self.lookup_user(scope.origin, *sort, name));
            // `activation sigmoid(x) = sigmoid(2 * x)` calls the function, not itself.
            let is_own_name = user.is_some() && user == scope.owner && builtin.is_some();
            if let Some(id) = user.filter(|_| !is_own_name) {
                return Some(Function::Definition(id));
            }
        }
        if let Some(builtin) = builtin {
            return Some(Function::Builtin(builtin));
        }
        sorts.iter().find_map(|sort| self.lookup(scope.origin, *sort, name)).map(Function::Definition)
    }

    /// `init he = normal` may leave out the parentheses.
    pub(super) fn call_without_arguments(&mut self, scope: &Scope, name: &str, span: Span) -> Term {
        let name = nnc_grammar::ast::Ident { name: name.to_owned(), span };
        self.expression_call(scope, &Call { name, arguments: Vec::new(), has_parens: false, span })
    }

    /// What a call is worth.
    pub(super) fn expression_call(&mut self, scope: &Scope, call: &Call) -> Term {
        let name = &call.name;
        if scope.get(&name.name).is_some() && self.function(scope, &name.name).is_none() {
            let message = format!("`{}` is not a function", name.name);
            self.report(Diagnostic::new(Code::E0207, message, name.span, "this is a value"));
            return Term::Failed;
        }
        match self.function(scope, &name.name) {
            Some(Function::Builtin(builtin)) => self.builtin_call(scope, builtin, call),
            Some(Function::Definition(id)) => self.definition_call(scope, id, call),
            None => {
                self.report_unknown_function(scope, call);
                Term::Failed
            }
        }
    }

    fn report_unknown_function(&mut self, scope: &Scope, call: &Call) {
        let name = &call.name;
        let functions = self.function_names(scope);
        let mut diagnostic = Diagnostic::new(
            Code::E0207,
            format!("unknown function `{}`", name.name),
            name.span,
            "not known here",
        )
        .with_closest(&name.name, functions.iter().map(String::as_str));
        if builtin(Role::Activation, &name.name).is_some() {
            diagnostic = diagnostic.with_note(format!(
                "`{}` runs over a sample, and can be used in losses and activations",
                name.name
            ));
        } else if builtin(Role::Loss, &name.name).is_some() {
            diagnostic = diagnostic.with_note(format!("`{}` can be used in losses", name.name));
        } else if builtin(Role::Init, &name.name).is_some() {
            diagnostic = diagnostic.with_note(format!("`{}` can be used in initializers", name.name));
        }
        self.report(diagnostic);
    }

    fn builtin_call(&mut self, scope: &Scope, builtin: Builtin, call: &Call) -> Term {
        let slots: &[Slot<'_>] = match builtin {
            Builtin::RandomUniform
            | Builtin::RandomNormal
            | Builtin::RandomTruncated
            | Builtin::RandomOrthogonal => &[],
            Builtin::Binary(_) => &[REQUIRED_A, REQUIRED_B],
            Builtin::Weighted => &[REQUIRED_X, Slot { name: "weight", is_required: true }],
            Builtin::Part => {
                &[REQUIRED_X, Slot { name: "n", is_required: true }, Slot { name: "of", is_required: true }]
            }
            Builtin::Max => &[REQUIRED_A, Slot { is_required: false, ..REQUIRED_B }],
            _ => &[REQUIRED_X],
        };
        let callee = Callee { name: &call.name.name, span: call.span, defined: None, general: &[] };
        let Some(bound) = self.bind(callee, slots, &call.arguments) else { return Term::Failed };
        let mut terms = Vec::with_capacity(bound.len());
        for argument in bound.into_iter().flatten() {
            terms.push(self.number(scope, &argument.value));
        }
        if builtin == Builtin::Part {
            return self.part(call, &terms);
        }
        let mut terms = terms.into_iter();
        let formula = match (builtin, terms.next(), terms.next()) {
            (Builtin::RandomUniform, ..) => {
                self.draws.0 += 1;
                Formula::Variable(Variable::RandomUniform(self.draws.0 - 1))
            }
            (random @ (Builtin::RandomNormal | Builtin::RandomTruncated | Builtin::RandomOrthogonal), ..) => {
                // They count together: a draw of one kind has nothing in common with one of another.
                let n = self.draws.1;
                self.draws.1 += 1;
                Formula::Variable(match random {
                    Builtin::RandomTruncated => Variable::RandomTruncated(n),
                    Builtin::RandomOrthogonal => Variable::RandomOrthogonal(n),
                    _ => Variable::RandomNormal(n),
                })
            }
            (Builtin::Binary(op), Some(Some(a)), Some(Some(b))) => {
                return self.finite(scope, Formula::binary(op, a, b), call.span);
            }
            (Builtin::Max, Some(Some(a)), Some(Some(b))) => {
                return self.finite(scope, Formula::binary(Binary::Max, a, b), call.span);
            }
            (Builtin::Unary(op), Some(Some(x)), _) => {
                return self.finite(scope, Formula::unary(op, x), call.span);
            }
            (Builtin::Max, Some(Some(x)), None) => Formula::Reduce(Reduction::Max, Box::new(x)),
            // A distribution adds up to 1.
            (Builtin::Reduce(Reduction::Sum), Some(Some(Formula::OneHot(_))), _) => {
                return Term::Number(Formula::Number(1.0));
            }
            (Builtin::Norm, Some(Some(x)), _) => return Term::Number(Formula::Norm(Box::new(x))),
            (Builtin::SumOfList, Some(Some(x)), _) => return self.sum_of_list(scope, x, call.span),
            (Builtin::Weighted, Some(Some(x)), Some(Some(weight))) => return self.weighted(call, x, weight),
            (Builtin::Reduce(reduction), Some(Some(x)), _) => Formula::Reduce(reduction, Box::new(x)),
            (Builtin::Softmax, Some(Some(x)), _) => Formula::Softmax(Box::new(x)),
            (Builtin::LogSoftmax, Some(Some(x)), _) => Formula::LogSoftmax(Box::new(x)),
            (Builtin::OneHot, Some(Some(x)), _) => return self.one_hot(x, call),
            _ => return Term::Failed,
        };
        match (&formula, builtin) {
            (Formula::Reduce(_, x) | Formula::Softmax(x) | Formula::LogSoftmax(x), _)
                if x.rank() != Rank::Elements && !matches!(**x, Formula::Opaque(_)) =>
            {
                let name = &call.name.name;
                self.report(
                    Diagnostic::new(
                        Code::E0217,
                        format!("`{name}` takes all values of a sample"),
                        call.span,
                        "expected a value for each element, found one number",
                    )
                    .with_help(match scope.role {
                        Role::Loss => format!("the output has a value for each element: `{name}(output)`"),
                        _ => format!("the value of an activation has one for each element: `{name}(x)`"),
                    }),
                );
                Term::Failed
            }
            _ => Term::Number(formula),
        }
    }

    /// The sum of a formula over the numbers of the lists in it.
    fn sum_of_list(&mut self, scope: &Scope, x: Formula, span: Span) -> Term {
        let mut lens: Vec<usize> = Vec::new();
        x.list_lens(&mut lens);
        let len = lens.first().copied().unwrap_or(1);
        if lens.iter().any(|other| *other != len) {
            let message = "lists of different lengths are added up";
            self.report(Diagnostic::new(Code::E0217, message, span, "expected lists of one length"));
            return Term::Failed;
        }
        if !self.charge(len.saturating_mul(x.size()), scope, span) {
            return Term::Failed;
        }
        let sum = (0..len).map(|n| x.of_list(n)).reduce(|sum, next| Formula::binary(Binary::Add, sum, next));
        Term::Number(sum.unwrap_or(Formula::Number(0.0)))
    }

    /// `part(x, 1, 2)`: the first half.
    fn part(&mut self, call: &Call, terms: &[Option<Formula>]) -> Term {
        let [Some(x), Some(n), Some(of)] = terms else { return Term::Failed };
        let (n, of) = match (n.value(), of.value()) {
            (Some(n), Some(of)) => (n, of),
            _ if matches!(
                (n, of),
                (Formula::Opaque(Rank::Constant), _) | (_, Formula::Opaque(Rank::Constant))
            ) =>
            {
                return Term::Number(Formula::Opaque(Rank::Elements));
            }
            _ => {
                self.report(Diagnostic::new(
                    Code::E0217,
                    "the number of a part is a constant",
                    call.span,
                    "expected two whole numbers behind the value",
                ));
                return Term::Failed;
            }
        };
        let is_count = |value: f64| value.fract() == 0.0 && (1.0..=1e6).contains(&value);
        if !is_count(n) || !is_count(of) || n > of {
            self.report(
                Diagnostic::new(
                    Code::E0205,
                    format!("there is no part {n} of {of}"),
                    call.span,
                    "expected whole numbers, the first from 1 to the second",
                )
                .with_help("`part(x, 1, 2)` is the first half, `part(x, 2, 2)` the second"),
            );
            return Term::Failed;
        }
        if x.rank() != Rank::Elements {
            self.report(Diagnostic::new(
                Code::E0217,
                "`part` takes all values of a sample",
                call.span,
                "expected a value for each element, found one number",
            ));
            return Term::Failed;
        }
        Term::Number(Formula::Part(n as usize - 1, of as usize, Box::new(x.clone())))
    }

    /// `weighted(x, weight)`: the mean over the batch is the sum of `x` over the sum of `weight`.
    fn weighted(&mut self, call: &Call, x: Formula, weight: Formula) -> Term {
        if weight.value() == Some(1.0) {
            return Term::Number(x);
        }
        if weight.reads_value(false) {
            self.report(
                Diagnostic::new(
                    Code::E0217,
                    "the weight of a sample depends on the output",
                    call.span,
                    "expected a weight of target and constants",
                )
                .with_note("a weight is not differentiated"),
            );
            return Term::Failed;
        }
        if weight.rank() == Rank::Elements || x.rank() == Rank::Elements {
            self.report(Diagnostic::new(
                Code::E0217,
                "`weighted` takes two numbers of a sample",
                call.span,
                "expected one number each, found one for each element",
            ));
            return Term::Failed;
        }
        Term::Number(Formula::Weighted(Box::new(x), Box::new(weight)))
    }

    fn one_hot(&mut self, x: Formula, call: &Call) -> Term {
        if matches!(x, Formula::Target(TargetKind::Class) | Formula::Distribution | Formula::Opaque(_)) {
            return Term::Number(Formula::OneHot(Box::new(x)));
        }
        self.report(
            Diagnostic::new(
                Code::E0217,
                "`one_hot` takes a class",
                call.span,
                "expected a target of kind `class`",
            )
            .with_help("declare it in the parameters of the loss: `target: class`"),
        );
        Term::Failed
    }

    fn definition_call(&mut self, scope: &Scope, id: DefId, call: &Call) -> Term {
        let Some(definition) = self.definition(id) else { return Term::Failed };
        if !self.check(id, Some(call.span)) {
            return Term::Failed;
        }
        if scope.inline {
            self.mark_used(id);
        }
        let defined = (definition.origin != super::Origin::Library).then_some(definition.name.span);
        let callee = Callee { name: &call.name.name, span: call.span, defined, general: &[] };
        let Some(terms) = self.definition_arguments(scope, &definition, callee, &call.arguments, 0) else {
            return Term::Failed;
        };
        if definition.parameters.iter().any(is_trained) {
            self.report(
                Diagnostic::new(
                    Code::E0217,
                    format!("`{}` has trained parameters", call.name.name),
                    call.span,
                    "expected a function without parameters of its own",
                )
                .with_help("use it as a layer, where its parameters get a name"),
            );
            return Term::Failed;
        }
        if definition.sort == Sort::Loss && !self.check_target(&definition, &terms, call) {
            return Term::Failed;
        }
        if !scope.inline && definition.sort != Sort::Schedule {
            return Term::Number(Formula::Opaque(self.rank_of_call(&definition, &terms)));
        }
        if definition.sort == Sort::Schedule {
            return self.schedule_call(scope, id, &definition, terms, call);
        }
        let role = match definition.sort {
            Sort::Loss => Role::Loss,
            Sort::Init => Role::Init,
            _ => Role::Activation,
        };
        let mut inside = Scope::new(definition.origin, role);
        inside.owner = Some(id);
        inside.site = Some(scope.site.unwrap_or(call.span));
        if role == Role::Init {
            super::init::define_fans(&mut inside);
        }
        for (name, term, _) in terms {
            inside.define(&name, term);
        }
        let Tree::Function(function) = definition.tree else { return Term::Failed };
        self.body_term(&inside, &function.body)
    }

    /// The body of a definition.
    fn body_term(&mut self, inside: &Scope, body: &Expr) -> Term {
        if matches!(body.kind, ExprKind::Error) {
            return Term::Failed;
        }
        self.number(inside, body).map_or(Term::Failed, Term::Number)
    }

    /// A loss for classes cannot be given a target of values.
    fn check_target(
        &mut self,
        definition: &Definition<'_>,
        terms: &[(String, Term, bool)],
        call: &Call,
    ) -> bool {
        let wants_class = super::loss::is_class(definition);
        let Some((_, Term::Number(target), _)) = terms.get(1) else { return true };
        // Rows of probabilities stand for a class.
        let is_class = matches!(target, Formula::Target(TargetKind::Class) | Formula::Distribution);
        if is_class == wants_class || matches!(target, Formula::Opaque(_)) {
            return true;
        }
        let (expected, found) =
            if wants_class { ("a class", "values") } else { ("values like the output", "a class") };
        let name = &call.name.name;
        self.report(
            Diagnostic::new(
                Code::E0204,
                format!("the target of `{name}` is {expected}"),
                call.span,
                format!("expected {expected}, found {found}"),
            )
            .with_help("`target: class` in the parameters of a loss says that its target is a class"),
        );
        false
    }

    fn rank_of_call(&self, definition: &Definition<'_>, terms: &[(String, Term, bool)]) -> Rank {
        if definition.sort == Sort::Loss {
            return Rank::Sample;
        }
        let ranks = terms.iter().map(|(_, term, _)| match term {
            Term::Number(formula) => formula.rank(),
            Term::Truth(truth) => truth.rank(),
            Term::Trained(_) | Term::Value(..) | Term::Nothing | Term::Failed => Rank::Constant,
        });
        ranks.max().unwrap_or(Rank::Constant)
    }

    /// A term that is known, as it would be written.
    pub(super) fn term_text(&self, term: &Term) -> Option<String> {
        match term {
            Term::Number(Formula::Number(value)) => Some(value.to_string()),
            Term::Truth(Truth::Known(value)) => Some(value.to_string()),
            Term::Number(Formula::List(list)) => Some(format!("{:?}", list.values)),
            Term::Trained(initializer) => Some(initializer.text.clone()),
            Term::Value(name, _) => Some(name.clone()),
            _ => None,
        }
    }
}

/// Whether a parameter is trained: `weight: parameter = 0.25`.
pub(super) fn is_trained(parameter: &nnc_grammar::ast::Parameter) -> bool {
    parameter.kind.as_ref().is_some_and(|kind| kind.name == "parameter")
}

const REQUIRED_X: Slot<'static> = Slot { name: "x", is_required: true };
const REQUIRED_A: Slot<'static> = Slot { name: "a", is_required: true };
const REQUIRED_B: Slot<'static> = Slot { name: "b", is_required: true };
