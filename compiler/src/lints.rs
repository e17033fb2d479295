//! Warnings that teach: models that compile, and that will probably not do what was hoped for. One file a lint.
//!
//! A lint looks at a program, where layers are, and at its graph, where shapes and parameters are. It names the places
//! that belong together and what to do about them.

mod bias_before_norm;
mod deep_saturation;
mod initializer;
mod softmax_twice;
mod storage;
mod values_behind_softmax;

use nnc_grammar::diagnostic::Diagnostic;

use crate::graph::Graph;
use crate::program::{Application, Kind, Program, ValueId};
use crate::scalar::Scalar;

/// What a lint looks at.
#[derive(Debug, Clone, Copy)]
struct Cx<'a> {
    program: &'a Program,
    graph: &'a Graph,
}

/// A lint: what it has to say about a model.
type Lint = fn(Cx<'_>) -> Vec<Diagnostic>;

/// All lints.
const LINTS: &[Lint] = &[
    deep_saturation::deep_saturation,
    initializer::initializer,
    softmax_twice::softmax_twice,
    values_behind_softmax::values_behind_softmax,
    bias_before_norm::bias_before_norm,
    storage::storage,
];

/// What there is to say about a model that compiles.
pub fn lints(program: &Program, graph: &Graph) -> Vec<Diagnostic> {
    let cx = Cx { program, graph };
    LINTS.iter().flat_map(|lint| lint(cx)).collect()
}

impl<'a> Cx<'a> {
    /// The application that makes a value; `None` for an input.
    fn made_by(self, value: ValueId) -> Option<&'a Application> {
        let at = (value.0 as usize).checked_sub(self.program.inputs.len())?;
        self.program.applications.get(at)
    }

    /// Applications with the values that they make.
    fn applications(self) -> impl Iterator<Item = (ValueId, &'a Application)> {
        let first = self.program.inputs.len() as u32;
        self.program.applications.iter().enumerate().map(move |(n, made)| (ValueId(first + n as u32), made))
    }

    /// Applications that use a value.
    fn users(self, value: ValueId) -> impl Iterator<Item = &'a Application> {
        self.program.applications.iter().filter(move |application| application.inputs.contains(&value))
    }
}

/// The name of a layer of the compiler.
fn layer_name(application: &Application) -> Option<&'static str> {
    match &application.kind {
        Kind::Layer(layer, _) => Some(layer.name()),
        Kind::Activation { .. } | Kind::Cell(_) => None,
    }
}

/// The formula of an activation of single values.
fn formula_of(application: &Application) -> Option<&Scalar> {
    match &application.kind {
        Kind::Activation { body: crate::program::ActivationBody::Scalar(scalar), .. } => Some(scalar),
        _ => None,
    }
}

/// Whether an activation is a softmax over all values: nothing but that.
fn is_softmax(application: &Application) -> bool {
    use crate::program::{ActivationBody, ValueExpr};
    matches!(
        &application.kind,
        Kind::Activation { body: ActivationBody::Value(ValueExpr::Softmax(x)), .. } if **x == ValueExpr::Value
    )
}

#[cfg(test)]
mod tests;
