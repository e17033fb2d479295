//! Precedence: a flat run of operands and operators becomes a tree.
//!
//! From loose to tight: `||`, `&&`, comparisons (which do not chain), `+ -`, `* /`, prefix `- !`, `^`. So `-x^2` is
//! `-(x^2)`, and `2^-x` is `2^(-x)`.

use crate::{
    ast::{BinaryOp, Expr, ExprKind, UnaryOp},
    diagnostic::{Code, Diagnostic},
    span::Span,
};

/// One part of a flat expression.
pub(crate) enum Part {
    /// An operator before an operand.
    Prefix(UnaryOp, Span),
    /// An operand.
    Operand(Expr),
    /// An operator between operands.
    Infix(BinaryOp, Span),
}

/// How tightly an operator between operands binds.
fn strength(op: BinaryOp) -> u8 {
    match op {
        BinaryOp::Or => 1,
        BinaryOp::And => 2,
        BinaryOp::Lt | BinaryOp::Le | BinaryOp::Gt | BinaryOp::Ge | BinaryOp::Eq | BinaryOp::Ne => COMPARISON,
        BinaryOp::Add | BinaryOp::Sub => 4,
        BinaryOp::Mul | BinaryOp::Div => 5,
        BinaryOp::Pow => POWER,
    }
}

const COMPARISON: u8 = 3;
const POWER: u8 = 7;

/// Builds the tree. The caller bounds the number of parts, and with it the depth of the tree and of the recursion.
pub(crate) fn tree(parts: Vec<Part>, diagnostics: &mut Vec<Diagnostic>) -> Option<Expr> {
    let mut climber = Climber { parts: parts.into_iter().peekable(), diagnostics };
    climber.binary(1)
}

struct Climber<'a> {
    parts: std::iter::Peekable<std::vec::IntoIter<Part>>,
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl Climber<'_> {
    /// Operands joined by operators of at least this strength.
    fn binary(&mut self, at_least: u8) -> Option<Expr> {
        let mut lhs = self.unary()?;
        let mut compared = None;
        while let Some((op, span)) = self.infix(at_least) {
            let strength = strength(op);
            if strength == COMPARISON
                && let Some(first) = compared.replace(span)
            {
                self.diagnostics.push(chained_comparison(span, first, op));
            }
            let rhs = self.binary(strength + 1)?;
            lhs = join(op, lhs, rhs);
        }
        Some(lhs)
    }

    fn infix(&mut self, at_least: u8) -> Option<(BinaryOp, Span)> {
        match self.parts.peek() {
            Some(Part::Infix(op, span)) if strength(*op) >= at_least && *op != BinaryOp::Pow => {
                let found = (*op, *span);
                self.parts.next();
                Some(found)
            }
            _ => None,
        }
    }

    fn unary(&mut self) -> Option<Expr> {
        match self.parts.next()? {
            Part::Prefix(op, span) => {
                let operand = self.unary()?;
                let span = span.to(operand.span);
                Some(Expr { kind: ExprKind::Unary(op, Box::new(operand)), span })
            }
            Part::Operand(operand) => self.power(operand),
            Part::Infix(..) => None,
        }
    }

    fn power(&mut self, base: Expr) -> Option<Expr> {
        if !matches!(self.parts.peek(), Some(Part::Infix(BinaryOp::Pow, _))) {
            return Some(base);
        }
        self.parts.next();
        let exponent = self.unary()?;
        Some(join(BinaryOp::Pow, base, exponent))
    }
}

fn join(op: BinaryOp, lhs: Expr, rhs: Expr) -> Expr {
    let span = lhs.span.to(rhs.span);
    Expr { kind: ExprKind::Binary(op, Box::new(lhs), Box::new(rhs)), span }
}

fn chained_comparison(second: Span, first: Span, op: BinaryOp) -> Diagnostic {
    let symbol = op.symbol();
    Diagnostic::new(
        Code::E0101,
        "comparisons do not chain",
        second,
        format!("expected `&&` or the end of the comparison, found `{symbol}`"),
    )
    .with_label(first, "first comparison")
    .with_help("compare twice: `a < b && b < c`")
}
