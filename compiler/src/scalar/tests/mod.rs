//! What the tests of scalars share: formulas are written as texts, x, y and z being inputs 0 to 2.

mod approximate;
mod derivatives;
mod duals;
mod outputs;
mod properties;
mod rules;
mod scale;
mod standard;

use nnc_grammar::ast::{BinaryOp, Call, Expr, ExprKind, Item, UnaryOp};
use nnc_grammar::span::SourceMap;

use super::{Binary, Condition, Relation, Scalar, Unary, Variable, evaluate, formula};

/// The names that formulas are printed with.
pub(super) fn named(variable: Variable) -> String {
    match variable {
        Variable::Input(0) => "x".to_owned(),
        Variable::Input(1) => "y".to_owned(),
        Variable::Input(2) => "z".to_owned(),
        Variable::Output => "out".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}

fn variable(name: &str) -> Option<Scalar> {
    let variable = match name {
        "x" => Variable::Input(0),
        "y" => Variable::Input(1),
        "z" => Variable::Input(2),
        "out" => Variable::Output,
        "step" => Variable::Step,
        _ => return None,
    };
    Some(Scalar::Variable(variable))
}

/// The formula as text.
pub(super) fn show(x: &Scalar) -> String {
    formula(x, &named)
}

/// The formula of a text.
pub(super) fn parse(text: &str) -> Scalar {
    let mut sources = SourceMap::new();
    let file = sources.add("test.nn", format!("activation f(x, y, z) = {text}"));
    let parsed = nnc_grammar::parse(&sources, file);
    assert!(parsed.diagnostics.is_empty(), "{text}: {:?}", parsed.diagnostics);
    match parsed.ast.items.as_slice() {
        [Item::Activation(function)] => lower(&function.body, &mut |name| variable(name), &mut |_| None),
        items => panic!("{text} was read as {items:?}"),
    }
}

/// An expression as a scalar: `names` gives variables, `calls` definitions.
pub(super) fn lower(
    expr: &Expr,
    names: &mut dyn FnMut(&str) -> Option<Scalar>,
    calls: &mut dyn FnMut(&Call) -> Option<Scalar>,
) -> Scalar {
    match &expr.kind {
        ExprKind::Number { value, .. } => Scalar::Number(*value),
        ExprKind::Name(name) => names(name).unwrap_or_else(|| panic!("unknown name {name}")),
        ExprKind::Unary(UnaryOp::Neg, operand) => match lower(operand, names, calls) {
            Scalar::Number(value) => Scalar::Number(-value),
            operand => Scalar::unary(Unary::Neg, operand),
        },
        ExprKind::Binary(op, a, b) => {
            let op = match op {
                BinaryOp::Add => Binary::Add,
                BinaryOp::Sub => Binary::Sub,
                BinaryOp::Mul => Binary::Mul,
                BinaryOp::Div => Binary::Div,
                BinaryOp::Pow => Binary::Pow,
                _ => panic!("a condition where a number is expected"),
            };
            Scalar::binary(op, lower(a, names, calls), lower(b, names, calls))
        }
        ExprKind::If { condition, then, otherwise } => {
            if let ExprKind::Name(name) = &condition.kind {
                // Flags are constants: 0 or 1.
                let chosen = match names(name) {
                    Some(Scalar::Number(flag)) if flag != 0.0 => then,
                    Some(Scalar::Number(_)) => otherwise,
                    other => panic!("{name} is no flag: {other:?}"),
                };
                return lower(chosen, names, calls);
            }
            Scalar::Select(
                Box::new(lower_condition(condition, names, calls)),
                Box::new(lower(then, names, calls)),
                Box::new(lower(otherwise, names, calls)),
            )
        }
        ExprKind::Call(call) => lower_call(call, names, calls),
        ExprKind::Bool(flag) => Scalar::Number(f64::from(u8::from(*flag))),
        other => panic!("no scalar: {other:?}"),
    }
}

fn lower_call(
    call: &Call,
    names: &mut dyn FnMut(&str) -> Option<Scalar>,
    calls: &mut dyn FnMut(&Call) -> Option<Scalar>,
) -> Scalar {
    let name = call.name.name.as_str();
    let mut arguments: Vec<Scalar> = Vec::new();
    let builtin = Unary::NAMED.iter().find(|(known, _)| *known == name).map(|(_, op)| *op);
    let builtin = builtin.or((name == "softplus").then_some(Unary::Softplus));
    if builtin.is_none()
        && let Some(scalar) = calls(call)
    {
        return scalar;
    }
    for argument in &call.arguments {
        arguments.push(lower(&argument.value, names, calls));
    }
    let mut arguments = arguments.into_iter();
    let first = arguments.next().unwrap_or_else(|| panic!("{name} without an argument"));
    match (builtin, name, arguments.next()) {
        (Some(op), _, None) => Scalar::unary(op, first),
        (None, "min", Some(second)) => Scalar::binary(Binary::Min, first, second),
        (None, "max", Some(second)) => Scalar::binary(Binary::Max, first, second),
        _ => panic!("unknown function {name}"),
    }
}

fn lower_condition(
    expr: &Expr,
    names: &mut dyn FnMut(&str) -> Option<Scalar>,
    calls: &mut dyn FnMut(&Call) -> Option<Scalar>,
) -> Condition {
    match &expr.kind {
        ExprKind::Unary(UnaryOp::Not, a) => Condition::Not(Box::new(lower_condition(a, names, calls))),
        ExprKind::Binary(BinaryOp::And, a, b) => Condition::And(
            Box::new(lower_condition(a, names, calls)),
            Box::new(lower_condition(b, names, calls)),
        ),
        ExprKind::Binary(BinaryOp::Or, a, b) => Condition::Or(
            Box::new(lower_condition(a, names, calls)),
            Box::new(lower_condition(b, names, calls)),
        ),
        ExprKind::Binary(op, a, b) => {
            let relation = match op {
                BinaryOp::Lt => Relation::Lt,
                BinaryOp::Le => Relation::Le,
                BinaryOp::Gt => Relation::Gt,
                BinaryOp::Ge => Relation::Ge,
                BinaryOp::Eq => Relation::Eq,
                BinaryOp::Ne => Relation::Ne,
                _ => panic!("no condition"),
            };
            Condition::Compare(relation, lower(a, names, calls), lower(b, names, calls))
        }
        other => panic!("no condition: {other:?}"),
    }
}

/// The value at inputs x, y and z.
fn at(scalar: &Scalar, inputs: [f64; 3]) -> f64 {
    evaluate(scalar, &mut |variable| match variable {
        Variable::Input(n) => inputs[n as usize],
        other => panic!("no value for {other:?}"),
    })
}
