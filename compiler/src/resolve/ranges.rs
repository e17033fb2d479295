//! Which numbers a constant may be, as its kind says (`beta: fraction = 0.9`), and what helps where it is another.

use nnc_grammar::ast::{Argument, Parameter};

use super::Cx;
use super::arguments::Callee;
use super::formula::Formula;
use super::scalar::Term;

/// A kind of numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Range {
    /// The kind.
    pub(super) name: &'static str,
    /// As messages have it.
    pub(super) text: &'static str,
    /// Whether it may be this number.
    pub(super) holds: fn(f64) -> bool,
    /// The smallest and the largest number that a schedule may come near.
    pub(super) ends: (f64, f64),
    /// One that is often meant.
    example: &'static str,
}

/// All kinds of numbers.
pub(super) const RANGES: &[Range] = &[
    Range {
        name: "positive",
        text: "a number above 0",
        holds: |x| x > 0.0,
        ends: (0.0, f64::INFINITY),
        example: "0.01",
    },
    Range {
        name: "nonnegative",
        text: "a number from 0",
        holds: |x| x >= 0.0,
        ends: (0.0, f64::INFINITY),
        example: "0.01",
    },
    Range {
        name: "fraction",
        text: "a number from 0 and below 1",
        holds: |x| (0.0..1.0).contains(&x),
        ends: (0.0, 1.0),
        example: "0.9",
    },
    Range {
        name: "share",
        text: "a number from 0 to 1",
        holds: |x| (0.0..=1.0).contains(&x),
        ends: (0.0, 1.0),
        example: "0.1",
    },
    Range {
        name: "count",
        text: "a whole number from 1",
        holds: |x| x >= 1.0 && x.fract() == 0.0,
        ends: (1.0, f64::INFINITY),
        example: "1",
    },
    Range {
        name: "whole",
        text: "a whole number from 0",
        holds: |x| x >= 0.0 && x.fract() == 0.0,
        ends: (0.0, f64::INFINITY),
        example: "10",
    },
];

/// The kinds of two constants of which one is below the other: `low: lower = -1, high: upper = 1`.
const PAIR: [&str; 2] = ["lower", "upper"];

/// The range of a kind.
pub(super) fn range_of(kind: &str) -> Option<&'static Range> {
    RANGES.iter().find(|range| range.name == kind)
}

/// Whether a word says which numbers a constant may be.
pub(super) fn is_kind(word: &str) -> bool {
    PAIR.contains(&word) || range_of(word).is_some()
}

impl Range {
    /// What to write instead of `value`, where `default` is there without being written.
    pub(super) fn help(&self, value: f64, default: Option<&str>) -> String {
        help(value, self.holds, default, self.example)
    }
}

/// What to write instead of `value`, which does not hold.
pub(super) fn help(value: f64, holds: impl Fn(f64) -> bool, default: Option<&str>, example: &str) -> String {
    if value < 0.0 && value.is_finite() && holds(-value) {
        return format!("without the sign it is `{}`", -value);
    }
    // A share that was written in percent: 1.5 is as likely a slip of another kind.
    if (5.0..=100.0).contains(&value) && !holds(2.0) && holds(value / 100.0) {
        return format!("{value} % is `{}`", value / 100.0);
    }
    match default {
        Some(default) => format!("left out it is `{default}`"),
        None => format!("for example `{example}`"),
    }
}

impl Cx<'_> {
    /// Whether an argument is what the kind of its parameter says; reported if not.
    pub(super) fn is_in_range(
        &mut self,
        callee: Callee<'_>,
        parameter: &Parameter,
        argument: Option<&Argument>,
        term: &Term,
    ) -> bool {
        let Some(range) = parameter.kind.as_ref().and_then(|kind| range_of(&kind.name)) else { return true };
        let values: &[f64] = match term {
            Term::Number(Formula::Number(value)) => &[*value],
            Term::Number(Formula::List(list)) => &list.values,
            _ => return true,
        };
        let Some(wrong) = values.iter().find(|value| !(range.holds)(**value) || !value.is_finite()) else {
            return true;
        };
        let what = format!("`{}` of `{}`", parameter.name.name, callee.name);
        let span = argument.map_or(callee.span, |argument| argument.value.span);
        let default = parameter.default.as_ref().filter(|_| argument.is_some());
        let default = default.map(|default| self.text(default.span));
        let help = range.help(*wrong, default.as_deref());
        self.out_of_range(span, &what, range.text, &format!("`{wrong}`"), help);
        false
    }

    /// Whether the constant of kind `lower` is below that of kind `upper`; reported if not.
    pub(super) fn is_in_order(
        &mut self,
        callee: Callee<'_>,
        parameters: &[Parameter],
        bound: &[Option<&Argument>],
        terms: &[(String, Term, bool)],
    ) -> bool {
        let [lower, upper] = PAIR.map(|kind| {
            let is_it = |parameter: &Parameter| parameter.kind.as_ref().is_some_and(|of| of.name == kind);
            let at = parameters.iter().position(is_it)?;
            match terms.get(at) {
                Some((name, Term::Number(Formula::Number(value)), _)) => Some((at, name, *value)),
                _ => None,
            }
        });
        let (Some((low_at, low_name, low)), Some((high_at, high_name, high))) = (lower, upper) else {
            return true;
        };
        if low < high {
            return true;
        }
        let given = |at: usize| bound.get(at).copied().flatten();
        let span = given(high_at).or(given(low_at)).map_or(callee.span, |argument| argument.value.span);
        let what = format!("`{high_name}` of `{}`", callee.name);
        let default = |at: usize| {
            let default = parameters.get(at).and_then(|parameter| parameter.default.as_ref());
            default.map(|default| self.text(default.span))
        };
        let help = match (default(low_at), default(high_at)) {
            _ if high < low => format!("the other way round: `{low_name} = {high}, {high_name} = {low}`"),
            (Some(low), Some(high)) => {
                format!("left out they are `{low_name} = {low}, {high_name} = {high}`")
            }
            _ => format!("for example `{high_name} = {}`", low + 1.0),
        };
        let expected = format!("a number above `{low_name} = {low}`");
        self.out_of_range(span, &what, &expected, &format!("`{high}`"), help);
        false
    }
}
