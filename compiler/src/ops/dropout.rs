//! # dropout
//!
//! `dropout(0.5)`: while training, each value is 0 with probability p, and else divided by 1 - p; in prediction nothing is
//! changed.
//!
//! Which values are dropped depends on the seed of the model, the step, the layer, the sample's place in the batch and
//! the feature: not on the machine or the number of threads.
//!
//! Formula: y = x / (1 - p) with probability 1 - p, else 0
//!
//! Shapes: any, unchanged.
//!
//! Arguments: `p = 0.5`, a probability in [0, 1).
//!
//! Example: `dense(128) -> relu -> dropout(0.2)`. Source: Srivastava et al. 2014; PyTorch `torch.nn.Dropout`.

use nnc_grammar::diagnostic::{Code, Diagnostic};
use proc_macro2::TokenStream;

use super::random::Random;
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Draw, Graph, Node, NodeId, Operator};
use crate::plan::Strategy;
use crate::scalar::{Binary, Relation, Scalar};
use crate::simplify::Lowering;

/// The layer.
#[derive(Debug)]
pub struct DropoutLayer;

/// The probability of a value to be dropped.
pub const P: Argument = Argument {
    name: "p",
    kind: ArgumentKind::Kind("fraction"),
    default: Some(Default::Number(0.5)),
    docs: "probability of a value to become 0",
};

impl Layer for DropoutLayer {
    fn name(&self) -> &'static str {
        "dropout"
    }

    fn summary(&self) -> &'static str {
        "while training, values are 0 with probability p, and else x / (1 - p)"
    }

    fn page(&self) -> &'static str {
        include_str!("dropout.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[P]
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let [x] = inputs else {
            let found = format!("found {}", inputs.len());
            return Err(cx.error(Code::E0302, "`dropout` takes one value", found));
        };
        let p = arguments.number("p");
        if p == 0.0 {
            return Ok(*x);
        }
        let shape = cx.shape(*x).to_vec();
        let draw = Draw { is_normal: false, stream: cx.layer.0 };
        let random = cx.operator(Random(draw), Vec::new(), shape.clone());
        Ok(cx.operator(Dropout { p }, vec![*x, random], shape))
    }
}

/// Operands: x, and draws from 0 to 1.
#[derive(Debug)]
pub struct Dropout {
    /// The probability of a value to be dropped.
    pub p: f64,
}

impl Operator for Dropout {
    fn name(&self) -> &'static str {
        "dropout"
    }

    /// d_x is d_y with the same values dropped.
    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        if !cx.needs(0) {
            return Vec::new();
        }
        let shape = cx.graph.node(cx.id).shape.clone();
        let random = cx.operand(1);
        vec![(0, cx.operator(Self { p: self.p }, vec![cx.d_y, random], shape, true))]
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Option<NodeId> {
        let kept = Scalar::binary(Binary::Mul, Scalar::input(0), Scalar::Number(1.0 / (1.0 - self.p)));
        let scalar =
            Scalar::select(Relation::Lt, Scalar::input(1), Scalar::Number(self.p), Scalar::Number(0.0), kept);
        let operands = vec![cx.operand(0), cx.operand(1)];
        Some(cx.pointwise(scalar, operands))
    }

    fn inference(&self, cx: &mut Lowering<'_>) -> Option<NodeId> {
        Some(cx.operand(0))
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        2 * node.len() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        let x = names.first().map_or("x", String::as_str);
        format!("{x} / {} where it is not dropped, else 0", 1.0 - self.p)
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [x, random] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let mut y = super::reference::matrix(x);
        for (y, u) in y.iter_mut().zip(random.iter()) {
            *y = if *u < self.p { 0.0 } else { *y / (1.0 - self.p) };
        }
        y.into_dyn()
    }
}
