//! Pieces of the tree over several lines, where one line is too short or comments stand inside.

use super::{
    Place, Printer,
    flat::{flat_let, flat_target, unary_symbol},
    output::INDENT,
};
use crate::{
    ast::{
        Argument, Assignment, BinaryOp, Body, Call, Chain, Expr, ExprKind, Optimizer, Parameter, Stage,
        StageKind, State, Statement,
    },
    scan::TokenKind,
    span::Span,
};

/// A statement of an optimizer.
pub(super) struct Update<'a> {
    pub place: Place,
    kind: UpdateKind<'a>,
}

enum UpdateKind<'a> {
    State(Vec<&'a State>),
    Assignment(&'a Assignment),
}

impl<'a> Printer<'a> {
    // ---- Statements ----

    pub(super) fn body(&mut self, body: &'a Body, indent: usize) {
        let places: Vec<Place> =
            body.statements.iter().map(|statement| self.statement_place(statement)).collect();
        let place = Place::from(body.span);
        self.braces(place.start + 1, place.end, &places, indent, |printer, idx| {
            let Some(statement) = body.statements.get(idx) else { return };
            printer.statement(statement, indent + INDENT);
        });
    }

    fn statement(&mut self, statement: &'a Statement, indent: usize) {
        match statement {
            Statement::Let(binding) => {
                self.out.push(&flat_let(binding));
                self.out.push(" = ");
                self.chain(&binding.chain, indent);
            }
            Statement::Chain(chain) => self.chain(chain, indent),
            Statement::Loss(call) => {
                self.out.push("loss ");
                self.call(call, indent);
            }
            Statement::Optimizer(call) => {
                self.out.push("optimizer ");
                self.call(call, indent);
            }
            Statement::Assignment(assignment) => self.assignment(assignment, indent),
            Statement::Input(input) => {
                self.out.push("input ");
                if let Some(name) = &input.name {
                    self.out.push(&format!("{}: ", name.name));
                }
                self.expr(&input.shape, indent);
            }
            Statement::State(_) | Statement::Metrics(_) | Statement::Output(_) => {
                let flat = self.flat_statement(statement).unwrap_or_default();
                self.out.push(&flat);
            }
        }
    }

    /// The statements of an optimizer in source order, states that were declared together in one.
    pub(super) fn updates(&self, optimizer: &'a Optimizer) -> Vec<Update<'a>> {
        let mut updates: Vec<Update<'a>> = Vec::new();
        for state in &optimizer.states {
            let place = Place::from(state.span);
            let before = self.start_before(place.start);
            let follows_comma = self.text.get(before..).is_some_and(|text| text.starts_with(','));
            match updates.last_mut() {
                Some(Update { place: known, kind: UpdateKind::State(states) }) if follows_comma => {
                    known.end = place.end;
                    states.push(state);
                }
                _ => updates.push(Update {
                    place: Place { start: before, end: place.end },
                    kind: UpdateKind::State(vec![state]),
                }),
            }
        }
        updates.extend(optimizer.assignments.iter().map(|assignment| Update {
            place: assignment.span.into(),
            kind: UpdateKind::Assignment(assignment),
        }));
        updates.sort_by_key(|update| update.place.start);
        updates
    }

    pub(super) fn update(&mut self, update: &Update<'a>) {
        match &update.kind {
            UpdateKind::State(states) => {
                let flat = self.flat_states(states.iter().copied());
                self.out.push(&flat);
            }
            UpdateKind::Assignment(assignment) => self.assignment(assignment, INDENT),
        }
    }

    fn assignment(&mut self, assignment: &'a Assignment, indent: usize) {
        self.out.push(&flat_target(assignment));
        self.expr(&assignment.value, indent);
    }

    // ---- Chains ----

    /// In one line if it fits; else one stage a line. Bodies alone do not part a chain: `} -> relu`.
    fn chain(&mut self, chain: &'a Chain, indent: usize) {
        let flat = self.flat_chain(chain);
        if let Some(flat) = &flat
            && self.fits(flat, self.chain_asks(chain))
        {
            return self.out.push(flat);
        }
        let places: Vec<Place> = chain.stages.iter().map(|stage| stage.span.into()).collect();
        let has_comment = places.windows(2).any(|pair| match pair {
            [before, after] => self.has_comment(Place { start: before.end, end: after.start }),
            _ => false,
        });
        let is_parted =
            has_comment || !chain.stages.iter().any(has_body) || self.calls_width(chain) > self.out.room();
        if chain.stages.len() > 1 && is_parted {
            return self.joined(&places, indent + INDENT, |printer, idx| {
                if idx > 0 {
                    printer.out.push("-> ");
                }
                let Some(stage) = chain.stages.get(idx) else { return };
                printer.stage(stage, if idx > 0 { indent + INDENT } else { indent });
            });
        }
        for (idx, stage) in chain.stages.iter().enumerate() {
            if idx > 0 {
                self.out.push(" -> ");
            }
            self.stage(stage, indent);
        }
    }

    /// The columns of the stages that have no body, which would share the lines of braces.
    fn calls_width(&self, chain: &Chain) -> usize {
        let calls = chain.stages.iter().filter(|stage| !has_body(stage));
        calls.filter_map(|stage| self.flat_stage(stage)).map(|text| text.chars().count() + 4).sum()
    }

    fn stage(&mut self, stage: &'a Stage, indent: usize) {
        if let Some(flat) = self.flat_stage(stage)
            && self.fits(&flat, self.stage_asks(stage))
        {
            return self.out.push(&flat);
        }
        if let Some(label) = &stage.label {
            self.out.push(&format!("{}: ", label.name));
        }
        match &stage.kind {
            StageKind::Call(call) => self.call(call, indent),
            StageKind::Repeat(count, body) => {
                let count = self.flat_expr(count);
                self.out.push(&format!("repeat {count} "));
                self.body(body, indent);
            }
            StageKind::Residual(body) => {
                self.out.push("residual ");
                self.body(body, indent);
            }
            StageKind::Frozen(body) => {
                self.out.push("frozen ");
                self.body(body, indent);
            }
            StageKind::Recompute(body) => {
                self.out.push("recompute ");
                self.body(body, indent);
            }
            StageKind::Branch(bodies) => {
                self.out.push("branch");
                for body in bodies {
                    self.out.push(" ");
                    self.body(body, indent);
                }
            }
        }
    }

    // ---- Expressions ----

    pub(super) fn expr(&mut self, expr: &'a Expr, indent: usize) {
        let flat = self.flat_expr(expr);
        if self.fits(&flat, self.expr_asks(expr)) {
            return self.out.push(&flat);
        }
        let is_group = self.is_group(expr.span);
        if is_group {
            self.out.push("(");
        }
        match &expr.kind {
            ExprKind::Call(call) => self.call(call, indent),
            ExprKind::List(values) => {
                let places: Vec<Place> = values.iter().map(|value| value.span.into()).collect();
                self.listed(["[", "]"], self.inside(expr.span).end, &places, indent, |printer, idx| {
                    let Some(value) = values.get(idx) else { return };
                    printer.expr(value, indent + INDENT);
                });
            }
            ExprKind::If { condition, then, otherwise } => {
                self.conditional(condition, then, otherwise, indent)
            }
            ExprKind::Binary(op, ..) if *op != BinaryOp::Pow => self.operands(expr, indent),
            ExprKind::Unary(op, operand) => {
                self.out.push(unary_symbol(*op));
                self.expr(operand, indent);
            }
            _ => {
                let flat =
                    flat.strip_prefix('(').filter(|_| is_group).and_then(|text| text.strip_suffix(')'));
                let flat = flat.map_or_else(|| self.flat_expr(expr), str::to_owned);
                self.out.push(&flat);
            }
        }
        if is_group {
            self.out.push(")");
        }
    }

    /// A sum or the like, one operand a line: the operators of equal strength part it.
    fn operands(&mut self, expr: &'a Expr, indent: usize) {
        let operands = self.operands_of(expr);
        let places: Vec<Place> = operands.iter().map(|(_, operand)| operand.span.into()).collect();
        self.joined(&places, indent + INDENT, |printer, idx| {
            let Some((op, operand)) = operands.get(idx) else { return };
            if let Some(op) = op {
                printer.out.push(op.symbol());
                printer.out.push(" ");
            }
            printer.expr(operand, indent + INDENT);
        });
    }

    /// The operands of equal strength, each with the operator before it.
    fn operands_of<'e>(&self, expr: &'e Expr) -> Vec<(Option<BinaryOp>, &'e Expr)> {
        let mut operands: Vec<(Option<BinaryOp>, &'e Expr)> = Vec::new();
        let mut rest = expr;
        while let ExprKind::Binary(op, lhs, rhs) = &rest.kind {
            let is_part = std::ptr::eq(rest, expr) || !self.is_group(rest.span);
            if !is_part || !is_alike(*op, &expr.kind) {
                break;
            }
            operands.push((Some(*op), rhs));
            rest = lhs;
        }
        operands.push((None, rest));
        operands.reverse();
        operands
    }

    fn conditional(&mut self, condition: &'a Expr, then: &'a Expr, otherwise: &'a Expr, indent: usize) {
        self.out.push("if ");
        self.expr(condition, indent);
        self.out.push(" ");
        self.alternative(then, indent);
        self.out.push(" else ");
        // All branches are broken together.
        if let ExprKind::If { condition, then, otherwise: last } = &otherwise.kind
            && self.is_else_if(otherwise)
        {
            return self.conditional(condition, then, last, indent);
        }
        self.alternative(otherwise, indent);
    }

    fn alternative(&mut self, value: &'a Expr, indent: usize) {
        let place = Place::from(value.span);
        let close = self.scan.tokens.get(self.token_at(place.end)).map_or(place.end, |token| token.end);
        let open = self.start_before(place.start) + 1;
        self.braces(open, close, &[place], indent, |printer, _| printer.expr(value, indent + INDENT));
    }

    pub(super) fn call(&mut self, call: &'a Call, indent: usize) {
        let flat = self.flat_call(call);
        if self.fits(&flat, self.call_asks(call)) || call.arguments.is_empty() {
            return self.out.push(&flat);
        }
        self.out.push(&call.name.name);
        let places: Vec<Place> = call.arguments.iter().map(|argument| argument.span.into()).collect();
        let end = Place::from(call.span).end;
        self.listed(["(", ")"], end, &places, indent, |printer, idx| {
            let Some(argument) = call.arguments.get(idx) else { return };
            printer.argument(argument, indent + INDENT);
        });
    }

    fn argument(&mut self, argument: &'a Argument, indent: usize) {
        if let Some(name) = &argument.name {
            self.out.push(&format!("{} = ", name.name));
        }
        self.expr(&argument.value, indent);
        if let Some(scope) = &argument.scope {
            self.out.push(&format!(" for {scope}"));
        }
    }

    pub(super) fn parameters(&mut self, parameters: &'a [Parameter]) {
        let flat: Vec<String> = parameters.iter().map(|parameter| self.flat_parameter(parameter)).collect();
        let flat = format!("({})", flat.join(", "));
        let Some(first) = parameters.first() else { return };
        let open = self.token_at(Place::from(first.span).start).checked_sub(1);
        let open = open.and_then(|idx| self.scan.tokens.get(idx));
        let close = open.and_then(|token| self.scan.tokens.get(token.partner));
        let (start, end) = (open.map_or(0, |token| token.start), close.map_or(0, |token| token.end));
        // Behind the list stands ` {` or ` =`.
        if self.fits(&format!("{flat} {{"), self.has_comment(Place { start, end })) {
            return self.out.push(&flat);
        }
        let places: Vec<Place> = parameters.iter().map(|parameter| parameter.span.into()).collect();
        self.listed(["(", ")"], end, &places, 0, |printer, idx| {
            let Some(parameter) = parameters.get(idx) else { return };
            let flat = printer.flat_parameter(parameter);
            printer.out.push(&flat);
        });
    }

    // ---- Where comments can be put ----
    //
    // A comment in a piece asks for lines only where there is a place for it. One in the last name or power of an
    // expression has none: it goes behind the whole, and must not part it, or printing again would join it.

    fn expr_asks(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Call(call) => self.call_asks(call),
            ExprKind::List(values) => !values.is_empty() && self.has_comment(self.inside(expr.span)),
            ExprKind::If { .. } => self.has_comment(self.inside(expr.span)),
            ExprKind::Unary(_, operand) => self.expr_asks(operand),
            ExprKind::Binary(op, ..) if *op != BinaryOp::Pow => {
                let operands = self.operands_of(expr);
                let places: Vec<Place> = operands.iter().map(|(_, operand)| operand.span.into()).collect();
                self.asks_before_last(&places)
                    || operands.last().is_some_and(|(_, last)| self.expr_asks(last))
            }
            _ => false,
        }
    }

    fn call_asks(&self, call: &Call) -> bool {
        !call.arguments.is_empty() && self.has_comment(call.span.into())
    }

    fn stage_asks(&self, stage: &Stage) -> bool {
        match &stage.kind {
            StageKind::Call(call) => self.call_asks(call),
            _ => self.has_comment(stage.span.into()),
        }
    }

    fn chain_asks(&self, chain: &Chain) -> bool {
        let places: Vec<Place> = chain.stages.iter().map(|stage| stage.span.into()).collect();
        self.asks_before_last(&places) || chain.stages.last().is_some_and(|stage| self.stage_asks(stage))
    }

    /// What stands in a piece before the last goes behind that piece.
    fn asks_before_last(&self, places: &[Place]) -> bool {
        let (Some(first), Some(last)) = (places.first(), places.last()) else { return false };
        self.has_comment(Place { start: first.start, end: last.start })
    }

    /// A place without the parentheses around it.
    fn inside(&self, span: Span) -> Place {
        let mut place = Place::from(span);
        let mut first = self.token_at(place.start);
        while let Some(open) = self.scan.tokens.get(first)
            && open.kind == TokenKind::Open(b'(')
            && let Some(close) = self.scan.tokens.get(open.partner)
            && close.end == place.end
            && let Some(last) = open.partner.checked_sub(1).and_then(|idx| self.scan.tokens.get(idx))
            && let Some(next) = self.scan.tokens.get(first + 1)
        {
            place = Place { start: next.start, end: last.end };
            first += 1;
        }
        place
    }

    // ---- Parts ----

    /// Whether a text can stand in the line, with a comma or bracket behind it, and no comment asks for more lines.
    fn fits(&self, flat: &str, asks: bool) -> bool {
        !asks && flat.chars().count() < self.out.room()
    }

    /// Pieces between brackets, one a line, each with a comma unless it stands alone. `end` is the place behind the
    /// closing bracket.
    fn listed(
        &mut self,
        [open, close]: [&str; 2],
        end: usize,
        places: &[Place],
        indent: usize,
        mut print: impl FnMut(&mut Self, usize),
    ) {
        self.out.push(open);
        let end = end.saturating_sub(1);
        let inner = indent + INDENT;
        for (idx, place) in places.iter().enumerate() {
            self.comments_between(place.start, inner);
            self.out.line(inner, false);
            print(self, idx);
            if places.len() > 1 {
                self.out.push(",");
            }
            self.trailing(*place, places.get(idx + 1).map_or(end, |next| next.start));
        }
        self.comments_between(end, inner);
        self.out.line(indent, false);
        self.out.push(close);
    }

    /// Pieces one a line, the first in the line at hand.
    fn joined(&mut self, places: &[Place], indent: usize, mut print: impl FnMut(&mut Self, usize)) {
        for (idx, place) in places.iter().enumerate() {
            if idx > 0 {
                self.comments_between(place.start, indent);
                self.out.line(indent, false);
            }
            print(self, idx);
            if let Some(next) = places.get(idx + 1) {
                self.trailing(*place, next.start);
            }
        }
    }

    fn comments_between(&mut self, limit: usize, indent: usize) {
        while let Some(comment) = self.take(limit) {
            self.out.line(indent, false);
            self.out.comment(&comment.text);
        }
    }
}

fn has_body(stage: &Stage) -> bool {
    !matches!(stage.kind, StageKind::Call(_))
}

/// Whether an operator binds as strongly as that of an expression.
fn is_alike(op: BinaryOp, kind: &ExprKind) -> bool {
    let ExprKind::Binary(other, ..) = kind else { return false };
    let is_sum = |op: BinaryOp| matches!(op, BinaryOp::Add | BinaryOp::Sub);
    let is_product = |op: BinaryOp| matches!(op, BinaryOp::Mul | BinaryOp::Div);
    op == *other || (is_sum(op) && is_sum(*other)) || (is_product(op) && is_product(*other))
}
