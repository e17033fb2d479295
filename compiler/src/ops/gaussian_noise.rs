//! # gaussian_noise
//!
//! `gaussian_noise(0.1)`: while training, adds draws from a normal distribution of mean 0; in prediction nothing is added.
//!
//! The draws depend on the seed of the model, the step, the layer, the sample's place in the batch and the feature: not
//! on the machine or the number of threads.
//!
//! Formula: y = x + std n, for n from the standard normal distribution
//!
//! Shapes: any, unchanged.
//!
//! Arguments: `std = 0.1`, at least 0, in units of x.
//!
//! Example: `input [4]  normalize -> gaussian_noise(0.05) -> dense(8)`. Source: Bishop 1995; Keras
//! `keras.layers.GaussianNoise`.

use nnc_grammar::diagnostic::{Code, Diagnostic};
use proc_macro2::TokenStream;

use super::random::Random;
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Draw, Graph, Node, NodeId, Operator};
use crate::plan::Strategy;
use crate::scalar::{Binary, Scalar};
use crate::simplify::Lowering;

/// The layer.
#[derive(Debug)]
pub struct GaussianNoise;

impl Layer for GaussianNoise {
    fn name(&self) -> &'static str {
        "gaussian_noise"
    }

    fn summary(&self) -> &'static str {
        "while training, x + std times a draw from the standard normal distribution"
    }

    fn page(&self) -> &'static str {
        include_str!("gaussian_noise.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[Argument {
            name: "std",
            kind: ArgumentKind::Kind("nonnegative"),
            default: Some(Default::Number(0.1)),
            docs: "deviation of what is added",
        }]
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let [x] = inputs else {
            let found = format!("found {}", inputs.len());
            return Err(cx.error(Code::E0302, "`gaussian_noise` takes one value", found));
        };
        let std = arguments.number("std");
        if std == 0.0 {
            return Ok(*x);
        }
        let shape = cx.shape(*x).to_vec();
        let draw = Draw { is_normal: true, stream: cx.layer.0 };
        let random = cx.operator(Random(draw), Vec::new(), shape.clone());
        Ok(cx.operator(Noise { std }, vec![*x, random], shape))
    }
}

/// Operands: x, and draws from the standard normal distribution.
#[derive(Debug)]
struct Noise {
    std: f64,
}

impl Operator for Noise {
    fn name(&self) -> &'static str {
        "noise"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        if cx.needs(0) { vec![(0, cx.d_y)] } else { Vec::new() }
    }

    fn lower(&self, cx: &mut Lowering<'_>) -> Option<NodeId> {
        let noise = Scalar::binary(Binary::Mul, Scalar::Number(self.std), Scalar::input(1));
        let operands = vec![cx.operand(0), cx.operand(1)];
        Some(cx.pointwise(Scalar::binary(Binary::Add, Scalar::input(0), noise), operands))
    }

    fn inference(&self, cx: &mut Lowering<'_>) -> Option<NodeId> {
        Some(cx.operand(0))
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        2 * node.len() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        let name = |n: usize| names.get(n).map_or("x", String::as_str);
        format!("{} + {} {}", name(0), self.std, name(1))
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
        for (y, noise) in y.iter_mut().zip(random.iter()) {
            *y += self.std * noise;
        }
        y.into_dyn()
    }
}
