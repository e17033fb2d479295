//! Expressions: pairs of the grammar to values. Precedence is settled in `expression.rs`.

use pest::iterators::Pair;

use super::{items::Builder, rules::Rule};
use crate::{
    ast::{BinaryOp, Expr, ExprKind, Text, UnaryOp},
    diagnostic::{Code, Diagnostic},
    escape,
    expression::{self, Part},
    recover::number_too_large,
    span::Span,
};

/// The tree of an expression is at most so deep: long sums count as deep, since they nest to the left.
const MAX_EXPRESSION_DEPTH: usize = 256;

impl Builder<'_> {
    pub(super) fn expression(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let span = self.span(&pair);
        let n_parts = pair.clone().into_inner().count();
        if self.depth + n_parts > MAX_EXPRESSION_DEPTH {
            self.diagnostics.push(expression_too_deep(span));
            return Some(Expr { kind: ExprKind::Error, span });
        }
        self.depth += n_parts;
        let mut parts = Vec::with_capacity(n_parts);
        for part in pair.into_inner() {
            parts.push(self.part(part)?);
        }
        self.depth -= n_parts;
        expression::tree(parts, &mut self.diagnostics)
    }

    fn part(&mut self, pair: Pair<'_, Rule>) -> Option<Part> {
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let inner = pair.into_inner().next()?;
        Some(match rule {
            Rule::prefix => Part::Prefix(unary_op(inner.as_rule())?, span),
            Rule::infix => Part::Infix(binary_op(inner.as_rule())?, span),
            _ => Part::Operand(self.operand(inner)?),
        })
    }

    fn operand(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::number => return Some(self.number(&pair)),
            Rule::string => ExprKind::Text(self.string(&pair).value),
            Rule::boolean => ExprKind::Bool(pair.as_str() == "true"),
            Rule::list => return self.list(pair),
            Rule::group => {
                let inner = pair.into_inner().find(|part| part.as_rule() == Rule::expression)?;
                self.expression(inner)?.kind
            }
            Rule::conditional => return self.conditional(pair),
            Rule::call => {
                let call = self.call(pair)?;
                if call.has_parens { ExprKind::Call(call) } else { ExprKind::Name(call.name.name) }
            }
            _ => return None,
        };
        Some(Expr { kind, span })
    }

    pub(super) fn list(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let span = self.span(&pair);
        let mut values = Vec::new();
        for part in pair.into_inner().filter(|part| part.as_rule() == Rule::expression) {
            values.push(self.expression(part)?);
        }
        Some(Expr { kind: ExprKind::List(values), span })
    }

    /// `if a { x } else if b { y } else { z }` is flat in the grammar and nests to the right in the tree.
    fn conditional(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let span = self.span(&pair);
        let (mut branches, mut otherwise) = (Vec::new(), None);
        let n_branches = pair.clone().into_inner().count();
        if self.depth + n_branches > MAX_EXPRESSION_DEPTH {
            self.diagnostics.push(expression_too_deep(span));
            return Some(Expr { kind: ExprKind::Error, span });
        }
        self.depth += n_branches;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::if_branch => {
                    let start = self.span(&part);
                    let (mut condition, mut then) = (None, None);
                    for part in part.into_inner() {
                        match part.as_rule() {
                            Rule::expression => condition = Some(self.expression(part)?),
                            Rule::alternative => then = Some(self.alternative(part)?),
                            _ => {}
                        }
                    }
                    branches.push((start, condition?, then?));
                }
                Rule::alternative => otherwise = Some(self.alternative(part)?),
                _ => {}
            }
        }
        self.depth -= n_branches;
        let mut tree = otherwise?;
        for (start, condition, then) in branches.into_iter().rev() {
            let kind = ExprKind::If {
                condition: Box::new(condition),
                then: Box::new(then),
                otherwise: Box::new(tree),
            };
            tree = Expr { kind, span: Span { end: span.end, ..start } };
        }
        Some(tree)
    }

    fn alternative(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let inner = pair.into_inner().find(|part| part.as_rule() == Rule::expression)?;
        self.expression(inner)
    }

    fn number(&mut self, pair: &Pair<'_, Rule>) -> Expr {
        let text = pair.as_str();
        let span = self.span(pair);
        // What stands for a wrong number was put there when that was reported.
        let written = self.written(span);
        if written != text {
            let end = span.start as usize + written.len();
            return Expr { kind: ExprKind::Error, span: Span::new(span.file, span.start as usize, end) };
        }
        let kind = match text.replace('_', "").parse::<f64>() {
            Ok(value) if value.is_finite() => ExprKind::Number { value, text: text.to_owned() },
            _ => {
                self.diagnostics.push(number_too_large(span, text));
                ExprKind::Error
            }
        };
        Expr { kind, span }
    }

    pub(super) fn string(&mut self, pair: &Pair<'_, Rule>) -> Text {
        let span = self.span(pair);
        let written = pair.as_str();
        let inner = written.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(written);
        let value = escape::unescape(inner).unwrap_or_else(|escape| {
            let label = format!("expected the number of a character, found `{escape}`");
            self.diagnostics.push(Diagnostic::new(Code::E0101, "escape names no character", span, label));
            inner.to_owned()
        });
        Text { value, span }
    }
}

fn unary_op(rule: Rule) -> Option<UnaryOp> {
    Some(match rule {
        Rule::minus => UnaryOp::Neg,
        Rule::not => UnaryOp::Not,
        _ => return None,
    })
}

fn binary_op(rule: Rule) -> Option<BinaryOp> {
    Some(match rule {
        Rule::plus => BinaryOp::Add,
        Rule::minus => BinaryOp::Sub,
        Rule::times => BinaryOp::Mul,
        Rule::divide => BinaryOp::Div,
        Rule::power => BinaryOp::Pow,
        Rule::less => BinaryOp::Lt,
        Rule::at_most => BinaryOp::Le,
        Rule::greater => BinaryOp::Gt,
        Rule::at_least => BinaryOp::Ge,
        Rule::equal => BinaryOp::Eq,
        Rule::unequal => BinaryOp::Ne,
        Rule::and => BinaryOp::And,
        Rule::or => BinaryOp::Or,
        _ => return None,
    })
}

fn expression_too_deep(span: Span) -> Diagnostic {
    let label =
        format!("expected at most {MAX_EXPRESSION_DEPTH} operators and operands, one inside the other");
    Diagnostic::new(Code::E0103, "expression is nested too deeply", span, label)
        .with_help("split it: name its parts with `let`")
}
