//! Arguments of layers: what may be given, and what was.

use nnc_grammar::span::Span;

use crate::program::Initializer;

/// A declared argument.
#[derive(Debug, Clone, Copy)]
pub struct Argument {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: ArgumentKind,
    /// Its value when it is not given; without one it must be given.
    pub default: Option<Default>,
    /// What it means, in a few words.
    pub docs: &'static str,
}

/// What an argument may be.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ArgumentKind {
    /// A whole number from 1.
    Count,
    /// A number in `min..=max`.
    Number {
        /// The smallest.
        min: f64,
        /// The largest.
        max: f64,
    },
    /// A number of this kind, as in the language: `fraction`, `positive`.
    Kind(&'static str),
    /// `true` or `false`.
    Bool,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// An initializer: `he`, `normal(std = 0.1)`.
    Init,
    /// A list of whole numbers from 1: `[28, 28]`.
    Shape,
    /// Whole numbers, one for all axes or a list with one for each: `3`, `[3, 5]`.
    Counts {
        /// The smallest.
        min: usize,
        /// How many axes there are, where the layer alone decides it.
        axes: Option<usize>,
        /// What may stand in place of numbers: `same`.
        words: &'static [&'static str],
    },
    /// The name of a value, which the layer takes behind those in its chain or parentheses: `mask = lengths`.
    Value,
}

/// The value of an argument that is not given.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Default {
    /// A number.
    Number(f64),
    /// A truth value.
    Bool(bool),
    /// A word.
    Choice(&'static str),
    /// An initializer of the standard library, as it would be written: `fan_in`.
    Init(&'static str),
    /// What this argument is, which is declared before it.
    Argument(&'static str),
    /// No value: `none`.
    Nothing,
}

/// The value of an argument.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// A number; whole and in range where that was asked for.
    Number(f64),
    /// A truth value.
    Bool(bool),
    /// A word.
    Choice(&'static str),
    /// An initializer.
    Init(Initializer),
    /// A shape.
    Shape(Vec<usize>),
    /// One number for all axes, or one for each.
    Counts(Vec<usize>),
    /// One of the values that the layer takes: behind the others, in the order of the arguments.
    Operand,
    /// No value.
    Nothing,
}

/// The arguments of one application: every declared argument has a value.
#[derive(Debug, Clone, PartialEq, std::default::Default)]
pub struct Arguments {
    /// Name, value, and where it was written (`None` for a default).
    pub values: Vec<(&'static str, Value, Option<Span>)>,
    /// Which of its values is meant, from 0, of a layer that makes several.
    pub part: usize,
}

impl Arguments {
    /// The value called `name`.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(key, ..)| *key == name).map(|(_, value, _)| value)
    }

    /// Where the argument was written.
    pub fn span(&self, name: &str) -> Option<Span> {
        self.values.iter().find(|(key, ..)| *key == name).and_then(|(.., span)| *span)
    }

    /// A whole number, 0 when there is none of that name.
    pub fn count(&self, name: &str) -> usize {
        self.number(name) as usize
    }

    /// A number, 0 when there is none of that name.
    pub fn number(&self, name: &str) -> f64 {
        match self.get(name) {
            Some(Value::Number(value)) => *value,
            _ => 0.0,
        }
    }

    /// Whole numbers for `N` axes, of which one may serve for all; 0 when there are none of that name.
    pub fn counts<const N: usize>(&self, name: &str) -> [usize; N] {
        match self.listed(name) {
            [all] => [*all; N],
            counts => counts.try_into().unwrap_or([0; N]),
        }
    }

    /// Numbers or sizes as they are listed, empty when there are none of that name.
    pub fn listed(&self, name: &str) -> &[usize] {
        match self.get(name) {
            Some(Value::Counts(counts) | Value::Shape(counts)) => counts,
            _ => &[],
        }
    }

    /// A truth value, false when there is none of that name.
    pub fn flag(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Bool(true)))
    }

    /// Whether there is a value of that name among those that the layer takes.
    pub fn is_operand(&self, name: &str) -> bool {
        matches!(self.get(name), Some(Value::Operand))
    }

    /// A word, empty when there is none of that name.
    pub fn choice(&self, name: &str) -> &'static str {
        match self.get(name) {
            Some(Value::Choice(word)) => word,
            _ => "",
        }
    }

    /// All initializers.
    pub fn initializers(&self) -> impl Iterator<Item = &Initializer> {
        self.values.iter().filter_map(|(_, value, _)| match value {
            Value::Init(init) => Some(init),
            _ => None,
        })
    }

    /// An initializer.
    pub fn init(&self, name: &str) -> Option<&Initializer> {
        match self.get(name) {
            Some(Value::Init(init)) => Some(init),
            _ => None,
        }
    }
}
