//! Softmax and its logarithm, over the features of a sample, or of each position of `[positions, features]`: `softmax`
//! and `log_softmax` of the language.
//!
//! y_i = exp(x_i - max x) / sum_j exp(x_j - max x). Subtracting the largest value keeps `exp` from overflowing and
//! changes nothing else. Under a loss that takes `log_softmax`, a trailing `softmax` is fused with it (W0101).

use nnc_grammar::diagnostic::{Code, Diagnostic};

use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Graph, Node, NodeId, Operator, reduced};
use crate::plan::Strategy;
use crate::program::Reduction;
use crate::scalar::{Binary, Scalar, Unary};
use crate::simplify::Lowering;

/// Checks that `x` has a softmax; `name` is the function's.
///
/// # Errors
/// E0301 for one value, E0303 for what is neither a vector nor one for each position.
pub fn check(cx: &Builder<'_>, name: &str, x: NodeId) -> Result<(), Box<Diagnostic>> {
    let shape = cx.shape(x);
    match shape {
        [features] | [_, features] if *features >= 2 => Ok(()),
        [_] | [_, _] => {
            let always = if name == Softmax::NAME { "1" } else { "0" };
            let mut error = cx.error(
                Code::E0301,
                format!("{name} of one value is always {always}"),
                format!("expected at least two features, found {shape:?}"),
            );
            error.help.push("for one output use `sigmoid`".to_owned());
            Err(error)
        }
        _ => {
            let mut error = cx.error(
                Code::E0303,
                format!("`{name}` takes a vector, or one for each position"),
                format!("expected [features] or [positions, features], found {shape:?}"),
            );
            error.help.push("put `flatten` before it".to_owned());
            Err(error)
        }
    }
}

/// The operator.
#[derive(Debug)]
pub struct Softmax;

/// Its logarithm, computed without it: x_i - max x - log(sum_j exp(x_j - max x)).
#[derive(Debug)]
pub struct LogSoftmax;

impl Softmax {
    /// As it is called in dumps.
    pub const NAME: &'static str = "softmax";
}

impl LogSoftmax {
    /// As it is called in dumps.
    pub const NAME: &'static str = "log_softmax";
}

/// x - max(x)
fn shifted(cx: &mut Lowering<'_>) -> NodeId {
    let x = cx.operand(0);
    let largest = cx.reduce(Reduction::Max, x);
    cx.pointwise(Scalar::binary(Binary::Sub, Scalar::input(0), Scalar::input(1)), vec![x, largest])
}

impl Operator for Softmax {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    /// d_x = y * (d_y - sum(d_y * y))
    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        if !cx.needs(0) {
            return Vec::new();
        }
        let shape = cx.graph.node(cx.id).shape.clone();
        let product = Scalar::binary(Binary::Mul, Scalar::input(0), Scalar::input(1));
        let weighted = cx.pointwise(product, vec![cx.d_y, cx.id], shape.clone());
        let sum = cx.node(crate::graph::Op::Reduce(Reduction::Sum), vec![weighted], reduced(&shape), true);
        let centered = Scalar::binary(Binary::Sub, Scalar::input(1), Scalar::input(2));
        let d_x = Scalar::binary(Binary::Mul, Scalar::input(0), centered);
        vec![(0, cx.pointwise(d_x, vec![cx.id, cx.d_y, sum], shape))]
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Option<NodeId> {
        let shifted = shifted(cx);
        let exp = cx.pointwise(Scalar::unary(Unary::Exp, Scalar::input(0)), vec![shifted]);
        let sum = cx.reduce(Reduction::Sum, exp);
        Some(cx.pointwise(Scalar::binary(Binary::Div, Scalar::input(0), Scalar::input(1)), vec![exp, sum]))
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        4 * node.len() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        format!("softmax({})", names.first().map_or("x", String::as_str))
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> proc_macro2::TokenStream {
        cx.lowered()
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> proc_macro2::TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        super::reference::log_softmax(operands).mapv(f64::exp)
    }
}

impl Operator for LogSoftmax {
    fn name(&self) -> &'static str {
        Self::NAME
    }

    /// d_x = d_y - softmax(x) * sum(d_y)
    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        if !cx.needs(0) {
            return Vec::new();
        }
        let shape = cx.graph.node(cx.id).shape.clone();
        let softmax = cx.operator(Softmax, vec![cx.operand(0)], shape.clone(), true);
        let sum = cx.node(crate::graph::Op::Reduce(Reduction::Sum), vec![cx.d_y], reduced(&shape), true);
        let product = Scalar::binary(Binary::Mul, Scalar::input(1), Scalar::input(2));
        let d_x = Scalar::binary(Binary::Sub, Scalar::input(0), product);
        vec![(0, cx.pointwise(d_x, vec![cx.d_y, softmax, sum], shape))]
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Option<NodeId> {
        let shifted = shifted(cx);
        let exp = cx.pointwise(Scalar::unary(Unary::Exp, Scalar::input(0)), vec![shifted]);
        let sum = cx.reduce(Reduction::Sum, exp);
        let log = Scalar::unary(Unary::Log, Scalar::input(1));
        Some(cx.pointwise(Scalar::binary(Binary::Sub, Scalar::input(0), log), vec![shifted, sum]))
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        4 * node.len() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        format!("log_softmax({})", names.first().map_or("x", String::as_str))
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> proc_macro2::TokenStream {
        cx.lowered()
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> proc_macro2::TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        super::reference::log_softmax(operands)
    }
}
