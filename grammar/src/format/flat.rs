//! Pieces of the tree in one line.
//!
//! Only bodies can refuse: one with several statements, with comments, or written over several lines.

use super::{Place, Printer};
use crate::{
    ast::{
        Argument, Assignment, BinaryOp, Body, Call, Chain, Expr, ExprKind, Ident, Input, Let, Parameter,
        Stage, StageKind, State, Statement, UnaryOp,
    },
    escape::quote,
    scan::TokenKind,
    span::Span,
};

impl Printer<'_> {
    pub(super) fn flat_expr(&self, expr: &Expr) -> String {
        let inner = self.flat_kind(expr);
        if self.is_group(expr.span) { format!("({inner})") } else { inner }
    }

    /// An expression without the parentheses around it.
    fn flat_kind(&self, expr: &Expr) -> String {
        match &expr.kind {
            ExprKind::Number { text, .. } => text.clone(),
            ExprKind::Text(value) => quote(value),
            ExprKind::Bool(value) => value.to_string(),
            ExprKind::Name(name) => name.clone(),
            ExprKind::List(values) => format!("[{}]", self.flat_list(values)),
            ExprKind::Call(call) => self.flat_call(call),
            ExprKind::Unary(op, operand) => format!("{}{}", unary_symbol(*op), self.flat_expr(operand)),
            ExprKind::Binary(BinaryOp::Pow, base, exponent) => {
                format!("{}^{}", self.flat_expr(base), self.flat_expr(exponent))
            }
            ExprKind::Binary(op, lhs, rhs) => {
                format!("{} {} {}", self.flat_expr(lhs), op.symbol(), self.flat_expr(rhs))
            }
            ExprKind::If { condition, then, otherwise } => self.flat_if(condition, then, otherwise),
            ExprKind::Error => {
                let place = Place::from(expr.span);
                self.text.get(place.start..place.end).unwrap_or("").to_owned()
            }
        }
    }

    fn flat_if(&self, condition: &Expr, then: &Expr, otherwise: &Expr) -> String {
        let head = format!("if {} {{ {} }} else", self.flat_expr(condition), self.flat_expr(then));
        if self.is_else_if(otherwise) {
            return format!("{head} {}", self.flat_expr(otherwise));
        }
        format!("{head} {{ {} }}", self.flat_expr(otherwise))
    }

    /// Whether an alternative was written without braces of its own.
    pub(super) fn is_else_if(&self, otherwise: &Expr) -> bool {
        let before = self.token_at(otherwise.span.start as usize).checked_sub(1);
        let before = before.and_then(|idx| self.scan.tokens.get(idx));
        let word = before.and_then(|token| self.text.get(token.start..token.end));
        matches!(otherwise.kind, ExprKind::If { .. }) && word == Some("else")
    }

    /// Whether parentheses were written around exactly this.
    pub(super) fn is_group(&self, span: Span) -> bool {
        let place = Place::from(span);
        let Some(token) = self.scan.tokens.get(self.token_at(place.start)) else { return false };
        let is_open = token.start == place.start && token.kind == TokenKind::Open(b'(') && token.is_closed;
        is_open && self.scan.tokens.get(token.partner).is_some_and(|close| close.end == place.end)
    }

    fn flat_list(&self, values: &[Expr]) -> String {
        values.iter().map(|value| self.flat_expr(value)).collect::<Vec<_>>().join(", ")
    }

    pub(super) fn flat_call(&self, call: &Call) -> String {
        if !call.has_parens {
            return call.name.name.clone();
        }
        let arguments: Vec<String> =
            call.arguments.iter().map(|argument| self.flat_argument(argument)).collect();
        format!("{}({})", call.name.name, arguments.join(", "))
    }

    fn flat_argument(&self, argument: &Argument) -> String {
        let value = self.flat_expr(&argument.value);
        let scope = argument.scope.as_ref().map_or_else(String::new, |scope| format!(" for {scope}"));
        match &argument.name {
            Some(name) => format!("{} = {value}{scope}", name.name),
            None => value + &scope,
        }
    }

    pub(super) fn flat_parameter(&self, parameter: &Parameter) -> String {
        let mut text = parameter.name.name.clone();
        if let Some(kind) = &parameter.kind {
            text.push_str(&format!(": {}", kind.name));
        }
        if let Some(default) = &parameter.default {
            text.push_str(&format!(" = {}", self.flat_expr(default)));
        }
        text
    }

    pub(super) fn flat_chain(&self, chain: &Chain) -> Option<String> {
        let stages: Option<Vec<String>> = chain.stages.iter().map(|stage| self.flat_stage(stage)).collect();
        Some(stages?.join(" -> "))
    }

    pub(super) fn flat_stage(&self, stage: &Stage) -> Option<String> {
        let kind = match &stage.kind {
            StageKind::Call(call) => self.flat_call(call),
            StageKind::Repeat(count, body) => {
                format!("repeat {} {}", self.flat_expr(count), self.flat_body(body)?)
            }
            StageKind::Residual(body) => format!("residual {}", self.flat_body(body)?),
            StageKind::Frozen(body) => format!("frozen {}", self.flat_body(body)?),
            StageKind::Recompute(body) => format!("recompute {}", self.flat_body(body)?),
            StageKind::Branch(bodies) => {
                let bodies: Option<Vec<String>> = bodies.iter().map(|body| self.flat_body(body)).collect();
                format!("branch {}", bodies?.join(" "))
            }
        };
        Some(match &stage.label {
            Some(label) => format!("{}: {kind}", label.name),
            None => kind,
        })
    }

    /// A body that was written in one line with at most one statement may stay in one.
    fn flat_body(&self, body: &Body) -> Option<String> {
        let place = Place::from(body.span);
        if self.text.get(place.start..place.end)?.contains('\n') {
            return None;
        }
        match body.statements.as_slice() {
            [] => Some("{}".to_owned()),
            [statement] => Some(format!("{{ {} }}", self.flat_statement(statement)?)),
            _ => None,
        }
    }

    pub(super) fn flat_statement(&self, statement: &Statement) -> Option<String> {
        Some(match statement {
            Statement::Input(input) => self.flat_input(input),
            Statement::Let(binding) => {
                format!("{} = {}", flat_let(binding), self.flat_chain(&binding.chain)?)
            }
            Statement::Chain(chain) => return self.flat_chain(chain),
            Statement::Loss(call) => format!("loss {}", self.flat_call(call)),
            Statement::Optimizer(call) => format!("optimizer {}", self.flat_call(call)),
            Statement::Metrics(metrics) => format!("metrics {}", flat_names(&metrics.names)),
            Statement::Output(output) => format!("output {}", flat_names(&output.names)),
            Statement::State(states) => self.flat_states(states.iter()),
            Statement::Assignment(assignment) => {
                format!("{}{}", flat_target(assignment), self.flat_expr(&assignment.value))
            }
        })
    }

    pub(super) fn flat_input(&self, input: &Input) -> String {
        let shape = self.flat_expr(&input.shape);
        match &input.name {
            Some(name) => format!("input {}: {shape}", name.name),
            None => format!("input {shape}"),
        }
    }

    pub(super) fn flat_states<'s>(&self, states: impl Iterator<Item = &'s State>) -> String {
        let states: Vec<String> = states.map(|state| self.flat_state(state)).collect();
        format!("state {}", states.join(", "))
    }

    fn flat_state(&self, state: &State) -> String {
        let mut text = state.name.name.clone();
        if let Some(shape) = &state.shape {
            text.push_str(&format!(": {}", self.flat_expr(shape)));
        }
        if let Some(initial) = &state.initial {
            text.push_str(&format!(" = {}", self.flat_expr(initial)));
        }
        text
    }
}

/// `let name` or `let [a, b]`
pub(super) fn flat_let(binding: &Let) -> String {
    let names = flat_names(&binding.names);
    if binding.is_list { format!("let [{names}]") } else { format!("let {names}") }
}

/// `let name = ` or `name = `
pub(super) fn flat_target(assignment: &Assignment) -> String {
    let keyword = if assignment.is_let { "let " } else { "" };
    format!("{keyword}{} = ", assignment.name.name)
}

fn flat_names(names: &[Ident]) -> String {
    names.iter().map(|name| name.name.as_str()).collect::<Vec<_>>().join(", ")
}

pub(super) fn unary_symbol(op: UnaryOp) -> &'static str {
    match op {
        UnaryOp::Neg => "-",
        UnaryOp::Not => "!",
    }
}
