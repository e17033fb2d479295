//! Formulas in the language's own syntax.

use super::{Binary, Condition, Scalar, Unary, Variable};

/// What is left to write.
enum Task<'a> {
    Text(&'static str),
    /// A formula, in parentheses if it binds less than this.
    Scalar(&'a Scalar, u8),
    /// A formula to the left of an operator.
    Left(&'a Scalar, u8),
    Condition(&'a Condition, u8),
}

// How tightly operators bind, as in the grammar.
const ANY: u8 = 0;
const OR: u8 = 1;
const AND: u8 = 2;
const COMPARISON: u8 = 3;
const SUM: u8 = 4;
const PRODUCT: u8 = 5;
const PREFIX: u8 = 6;
const POWER: u8 = 7;
const OPERAND: u8 = 8;

/// The formula in the language's syntax, with as few parentheses as it takes to be read back as the same tree, and
/// numbers as short as they can be to be read back as the same; digits that rounding left over, as in
/// `1 - 0.9`, are not shown.
///
/// `name` says how variables are called. Infinities and NaN, which have no literals, are written as quotients.
pub fn formula(x: &Scalar, name: &dyn Fn(Variable) -> String) -> String {
    let mut text = String::new();
    let mut tasks = vec![Task::Scalar(x, ANY)];
    while let Some(task) = tasks.pop() {
        match task {
            Task::Text(piece) => text.push_str(piece),
            Task::Scalar(scalar, at_least) => {
                if let Some(leaf) = leaf(scalar, name) {
                    let bracketed = leaf_strength(scalar) < at_least;
                    text.push_str(&if bracketed { format!("({leaf})") } else { leaf });
                } else {
                    bracket(strength(scalar) < at_least, parts(scalar), &mut tasks);
                }
            }
            // Read from the left, an `if` before an operator looks finished too early.
            Task::Left(scalar @ Scalar::Select(..), _) => bracket(true, parts(scalar), &mut tasks),
            Task::Left(scalar, at_least) => tasks.push(Task::Scalar(scalar, at_least)),
            Task::Condition(condition, at_least) => {
                bracket(condition_strength(condition) < at_least, condition_parts(condition), &mut tasks);
            }
        }
    }
    text
}

fn bracket<'a>(bracketed: bool, parts: Vec<Task<'a>>, tasks: &mut Vec<Task<'a>>) {
    if bracketed {
        tasks.push(Task::Text(")"));
    }
    tasks.extend(parts.into_iter().rev());
    if bracketed {
        tasks.push(Task::Text("("));
    }
}

fn leaf(scalar: &Scalar, name: &dyn Fn(Variable) -> String) -> Option<String> {
    match scalar {
        Scalar::Number(value) => Some(number(*value)),
        Scalar::Variable(variable) => Some(name(*variable)),
        _ => None,
    }
}

fn number(value: f64) -> String {
    if value.is_nan() {
        return "0 / 0".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "1 / 0" } else { "-1 / 0" }.to_owned();
    }
    // Debug changes to exponents where digits would run on.
    let text = shortest(value);
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// The digits that read back as the value; without the last two where they are what a subtraction left over, as in
/// `1 - 0.9` = 0.09999999999999998.
fn shortest(value: f64) -> String {
    const SAVED: usize = 8;
    let exact = format!("{value:?}");
    let rounded =
        format!("{value:.14e}").parse().map_or(exact.clone(), |rounded: f64| format!("{rounded:?}"));
    if rounded.len() + SAVED <= exact.len() { rounded } else { exact }
}

fn leaf_strength(scalar: &Scalar) -> u8 {
    match scalar {
        Scalar::Number(value) if !value.is_finite() => PRODUCT,
        Scalar::Number(value) if value.is_sign_negative() => PREFIX,
        _ => OPERAND,
    }
}

fn strength(scalar: &Scalar) -> u8 {
    match scalar {
        Scalar::Unary(Unary::Neg, _) => PREFIX,
        Scalar::Binary(Binary::Add | Binary::Sub, ..) => SUM,
        Scalar::Binary(Binary::Mul | Binary::Div, ..) => PRODUCT,
        Scalar::Binary(Binary::Pow, ..) => POWER,
        _ => OPERAND,
    }
}

fn parts(scalar: &Scalar) -> Vec<Task<'_>> {
    use Task::{Left, Text};
    match scalar {
        // Leaves are written by the caller.
        Scalar::Number(_) | Scalar::Variable(_) => Vec::new(),
        Scalar::Unary(Unary::Neg, x) => vec![Text("-"), Task::Scalar(x, PREFIX)],
        Scalar::Unary(op, x) => vec![Text(function_name(*op)), Text("("), Task::Scalar(x, ANY), Text(")")],
        Scalar::Binary(op, a, b) => match op {
            Binary::Add => vec![Left(a, SUM), Text(" + "), Task::Scalar(b, PRODUCT)],
            Binary::Sub => vec![Left(a, SUM), Text(" - "), Task::Scalar(b, PRODUCT)],
            Binary::Mul => vec![Left(a, PRODUCT), Text(" * "), Task::Scalar(b, PREFIX)],
            Binary::Div => vec![Left(a, PRODUCT), Text(" / "), Task::Scalar(b, PREFIX)],
            Binary::Pow => vec![Left(a, OPERAND), Text("^"), Task::Scalar(b, PREFIX)],
            Binary::Min => call("min(", a, b),
            Binary::Max => call("max(", a, b),
        },
        Scalar::Select(condition, a, b) => {
            let mut parts = vec![
                Text("if "),
                Task::Condition(condition, ANY),
                Text(" { "),
                Task::Scalar(a, ANY),
                Text(" } else "),
            ];
            if matches!(**b, Scalar::Select(..)) {
                parts.push(Task::Scalar(b, ANY));
            } else {
                parts.extend([Text("{ "), Task::Scalar(b, ANY), Text(" }")]);
            }
            parts
        }
    }
}

fn call<'a>(open: &'static str, a: &'a Scalar, b: &'a Scalar) -> Vec<Task<'a>> {
    vec![Task::Text(open), Task::Scalar(a, ANY), Task::Text(", "), Task::Scalar(b, ANY), Task::Text(")")]
}

fn function_name(op: Unary) -> &'static str {
    let named = Unary::NAMED.iter().find(|(_, unary)| *unary == op);
    // Negation is written with its sign, and softplus is the one function of scalars that the language defines
    // rather than the compiler.
    named.map_or("softplus", |(name, _)| name)
}

fn condition_strength(condition: &Condition) -> u8 {
    match condition {
        Condition::Compare(..) => COMPARISON,
        Condition::And(..) => AND,
        Condition::Or(..) => OR,
        Condition::Not(_) => PREFIX,
    }
}

fn condition_parts(condition: &Condition) -> Vec<Task<'_>> {
    match condition {
        Condition::Compare(relation, a, b) => {
            vec![Task::Left(a, SUM), Task::Text(relation.symbol()), Task::Left(b, SUM)]
        }
        Condition::And(a, b) => {
            vec![Task::Condition(a, AND), Task::Text(" && "), Task::Condition(b, COMPARISON)]
        }
        Condition::Or(a, b) => vec![Task::Condition(a, OR), Task::Text(" || "), Task::Condition(b, AND)],
        Condition::Not(a) => vec![Task::Text("!"), Task::Condition(a, PREFIX)],
    }
}

impl super::Relation {
    fn symbol(self) -> &'static str {
        match self {
            Self::Lt => " < ",
            Self::Le => " <= ",
            Self::Gt => " > ",
            Self::Ge => " >= ",
            Self::Eq => " == ",
            Self::Ne => " != ",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{named, parse, show};
    use super::*;

    /// Written, read back, and written again.
    fn same(text: &str) {
        let scalar = parse(text);
        assert_eq!(formula(&scalar, &named), text);
        assert_eq!(parse(&formula(&scalar, &named)), scalar);
    }

    #[test]
    fn parentheses_are_as_few_as_can_be() {
        same("x + y + z");
        same("x + (y + z)");
        same("x - (y - z)");
        same("x - y * z");
        same("(x - y) * z");
        same("x / (y * z)");
        same("-x^2");
        same("(-x)^2");
        same("x^y^z");
        same("(x^y)^z");
        same("x^-y");
        same("-x * y");
        same("-(x * y)");
        same("x * -y");
        same("--x");
        same("max(x + 1, min(y, 2))");
        assert_eq!(show(&parse("((x) * (y)) + (z)")), "x * y + z");
    }

    #[test]
    fn conditions_are_written_as_they_bind() {
        same("if x > 0 { x } else { 0 }");
        same("if x > 0 { x } else if y < 1 { y } else { z }");
        same("if x > 0 && (y > 0 || z > 0) { x } else { 0 }");
        same("if !(x > 0) { x } else { 0 }");
        same("2 * if x > 0 { 1 } else { 0 }");
        same("(if x > 0 { 1 } else { 0 }) * 2");
        same("if x + 1 > 2 * y { x } else { 0 }");
    }

    #[test]
    fn numbers_are_short_and_exact() {
        for text in ["0", "1", "0.1", "1e-10", "1e21", "0.3333333333333333", "-2", "16777216"] {
            same(text);
        }
        same("(-2)^x");
        same("x^-2");
        same("x - -2");
        assert_eq!(show(&Scalar::Number(f64::INFINITY)), "1 / 0");
        assert_eq!(
            show(&Scalar::binary(Binary::Mul, Scalar::input(0), Scalar::Number(f64::NAN))),
            "x * (0 / 0)"
        );
    }
}
