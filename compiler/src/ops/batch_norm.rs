//! # batch_norm
//!
//! `batch_norm`: (x - mean) / sqrt(variance + eps), times a weight and plus a bias, for each feature of a vector or each
//! channel of `[channels, …]`.
//!
//! While training, mean and variance are those of the batch, the variance divided by n; `running_mean` and `running_var`
//! come nearer to them by the share `momentum` with each step, the variance there divided by n - 1. Prediction and
//! evaluation use the running ones, in the tile of the layer before: `--no-fold` keeps them apart. In a batch of one
//! value, which PyTorch refuses, the variance is 0 and x becomes the bias.
//!
//! Formula: y = weight (x - mean) / sqrt(variance + eps) + bias
//!
//! Shapes: any, unchanged; weight, bias, `running_mean` and `running_var` are `[features]` or `[channels]`.
//!
//! Arguments: `eps = 1e-5`, above 0, in units of x squared; `momentum = 0.1`, the share of the new figure, in [0, 1], as in
//! PyTorch (Keras says 0.9 for it); `affine = true`: whether there are weight and bias.
//!
//! Example: `dense(64, bias = false) -> batch_norm -> relu`. Source: Ioffe, Szegedy 2015, algorithms 1 and 2; PyTorch
//! `torch.nn.BatchNorm1d`, `torch.nn.BatchNorm2d`.

use nnc_grammar::diagnostic::{Code, Diagnostic};
use proc_macro2::TokenStream;
use quote::quote;

use super::block_norm::{Affine, affine};
use super::spread::Spread;
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Graph, Node, NodeId, Op, Operator, Tracking, ValueLayout};
use crate::plan::Strategy;
use crate::scalar::{Binary, Scalar, Unary};
use crate::simplify::Lowering;

/// The layer.
#[derive(Debug)]
pub struct BatchNorm;

/// What is added to a variance.
pub const EPS: Argument = Argument {
    name: "eps",
    kind: ArgumentKind::Kind("positive"),
    default: Some(Default::Number(1e-5)),
    docs: "added to the variance, in units of x squared",
};

impl Layer for BatchNorm {
    fn name(&self) -> &'static str {
        "batch_norm"
    }

    fn summary(&self) -> &'static str {
        "(x - mean) / sqrt(variance + eps) of the batch, in prediction with running figures"
    }

    fn page(&self) -> &'static str {
        include_str!("batch_norm.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[
            EPS,
            Argument {
                name: "momentum",
                kind: ArgumentKind::Kind("share"),
                default: Some(Default::Number(0.1)),
                docs: "share of a batch's figures in the running ones",
            },
            Argument {
                name: "affine",
                kind: ArgumentKind::Bool,
                default: Some(Default::Bool(true)),
                docs: "whether there are weight and bias",
            },
        ]
    }

    fn has_parameters(&self) -> bool {
        true
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let [x] = inputs else {
            let found = format!("found {}", inputs.len());
            return Err(cx.error(Code::E0302, "`batch_norm` takes one value", found));
        };
        let (eps, momentum) = (arguments.number("eps"), arguments.number("momentum"));
        let shape = cx.shape(*x).to_vec();
        let channels = shape.first().copied().unwrap_or(1);
        let inner = shape.iter().product::<usize>() / channels.max(1);
        let scale = cx.node(Op::SampleScale, Vec::new(), Vec::new(), true);
        // Running figures first: their order is that in which they are saved.
        let (running_mean, running_mean_node) = cx.buffer("running_mean", vec![channels], 0.0);
        let (running_var, running_var_node) = cx.buffer("running_var", vec![channels], 1.0);
        let figures = |cx: &mut Builder<'_>, op: Figure, operands: Vec<NodeId>| {
            cx.node(Op::Operator(std::sync::Arc::new(op)), operands, vec![channels], false)
        };
        let mean = figures(cx, Figure::Mean, vec![*x, scale, running_mean_node]);
        let variance = figures(cx, Figure::Variance, vec![*x, mean, scale, running_var_node]);
        let unbiased = figures(cx, Figure::Unbiased { inner }, vec![variance, scale]);
        cx.track(Tracking { buffer: running_mean, value: mean, momentum });
        cx.track(Tracking { buffer: running_var, value: unbiased, momentum });
        let y = cx.operator(BatchNormalize { eps, inner }, vec![*x, mean, variance, scale], shape);
        Ok(if arguments.flag("affine") { affine(cx, y, Affine::Channel, true) } else { y })
    }
}

/// Figures of a batch, one for each channel, kept as rows whose lanes are equal.
#[derive(Debug)]
enum Figure {
    /// Operands: x, scale, and the running mean, which takes its place in prediction.
    Mean,
    /// Operands: x, mean, scale, and the running variance, which takes its place in prediction.
    Variance,
    /// Operands: variance, scale.
    Unbiased {
        /// Features of a channel.
        inner: usize,
    },
}

impl Operator for Figure {
    fn name(&self) -> &'static str {
        match self {
            Self::Mean => "batch_mean",
            Self::Variance => "batch_variance",
            Self::Unbiased { .. } => "unbiased_variance",
        }
    }

    /// What x does through mean and variance is in the gradient of [`BatchNormalize`].
    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn inference(&self, cx: &mut Lowering<'_>) -> Option<NodeId> {
        match self {
            Self::Mean => Some(cx.operand(2)),
            Self::Variance => Some(cx.operand(3)),
            Self::Unbiased { .. } => None,
        }
    }

    fn layout(&self) -> ValueLayout {
        ValueLayout::Splat
    }

    fn part(&self) -> Option<&'static str> {
        Some(match self {
            Self::Mean => "mean",
            Self::Variance => "variance",
            Self::Unbiased { .. } => "unbiased_variance",
        })
    }

    fn flops(&self, graph: &Graph, node: &Node) -> u64 {
        let x = node.inputs.first().map_or(0, |id| graph.node(*id).len() as u64);
        match self {
            Self::Mean => x,
            Self::Variance => 3 * x,
            Self::Unbiased { .. } => 0,
        }
    }

    fn formula(&self, names: &[String]) -> String {
        let name = |n: usize| names.get(n).map_or("x", String::as_str);
        match self {
            Self::Mean => format!("mean over samples of {}", name(0)),
            Self::Variance => format!("mean over samples of ({} - {})^2", name(0), name(1)),
            Self::Unbiased { .. } => format!("{} n / (n - 1)", name(0)),
        }
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (groups, channels, out) = (cx.groups(), cx.number(cx.node.len()), cx.output());
        let operand = |n: usize| cx.operand(n);
        match self {
            Self::Mean => {
                let (x, scale) = (operand(0), operand(1));
                let features = cx.number(cx.operand_len(0));
                quote!(rt::norm::batch_mean::<L, #groups, #features, #channels>(#x, #scale, #out);)
            }
            Self::Variance => {
                let (x, mean, scale) = (operand(0), operand(1), operand(2));
                let features = cx.number(cx.operand_len(0));
                quote!(rt::norm::batch_variance::<L, #groups, #features, #channels>(#x, #mean, #scale, #out);)
            }
            Self::Unbiased { inner } => {
                let (variance, scale, inner) = (operand(0), operand(1), cx.number(*inner));
                quote!(rt::norm::unbiased::<L, #groups, #channels>(#variance, #scale, #inner, #out);)
            }
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let zeros = || ndarray::ArrayD::zeros(vec![0]);
        let Some(first) = operands.first() else { return zeros() };
        if let (Self::Unbiased { inner }, [variance, scale]) = (self, operands) {
            let n = (scale.len() * inner) as f64;
            let factor = if n > 1.0 { n / (n - 1.0) } else { 1.0 };
            return variance.mapv(|variance| variance * factor);
        }
        // The running figure has the number of channels.
        let channels = operands.last().map_or(1, |running| running.len()).max(1);
        let x = super::reference::matrix(first);
        let inner = (x.ncols() / channels).max(1);
        let n = (x.nrows() * inner) as f64;
        let mut sums = ndarray::ArrayD::zeros(vec![channels]);
        for ((_, feature), x) in x.indexed_iter() {
            let channel = feature / inner;
            let mean = match (self, operands.get(1)) {
                (Self::Variance, Some(mean)) => mean.iter().nth(channel).copied().unwrap_or(f64::NAN),
                _ => 0.0,
            };
            let value = if matches!(self, Self::Variance) { (x - mean) * (x - mean) } else { *x };
            if let Some(sum) = sums.get_mut([channel].as_slice()) {
                *sum += value / n;
            }
        }
        sums
    }
}

/// (x - mean) / sqrt(variance + eps). Operands: x, mean and variance of each channel, scale.
#[derive(Debug)]
struct BatchNormalize {
    eps: f64,
    inner: usize,
}

/// Its gradient by x, through mean and variance too. Operands: x, mean, variance, scale, d_y.
#[derive(Debug)]
struct BatchNormalizeGradient {
    eps: f64,
}

impl Operator for BatchNormalize {
    fn name(&self) -> &'static str {
        "batch_normalize"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        if !cx.needs(0) {
            return Vec::new();
        }
        let mut operands: Vec<NodeId> = (0..4).map(|n| cx.operand(n)).collect();
        operands.push(cx.d_y);
        let shape = cx.graph.node(cx.id).shape.clone();
        vec![(0, cx.operator(BatchNormalizeGradient { eps: self.eps }, operands, shape, true))]
    }

    fn inference(&self, cx: &mut Lowering<'_>) -> Option<NodeId> {
        let mut figures = [cx.operand(1), cx.operand(2)];
        if self.inner > 1 {
            figures = figures.map(|id| {
                let len = cx.len(id);
                cx.operator(Spread { inner: self.inner, len }, vec![id])
            });
        }
        let centered = Scalar::binary(Binary::Sub, Scalar::input(0), Scalar::input(1));
        let raised = Scalar::binary(Binary::Add, Scalar::input(2), Scalar::Number(self.eps));
        let scalar = Scalar::binary(Binary::Div, centered, Scalar::unary(Unary::Sqrt, raised));
        let [mean, variance] = figures;
        let x = cx.operand(0);
        Some(cx.pointwise(scalar, vec![x, mean, variance]))
    }

    fn part(&self) -> Option<&'static str> {
        Some("normalized")
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        2 * node.len() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        let name = |n: usize| names.get(n).map_or("x", String::as_str);
        format!("({} - {}) / sqrt({} + {:?})", name(0), name(1), name(2), self.eps)
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (groups, features) = (cx.groups(), cx.number(cx.node.len()));
        let (x, mean, variance) = (cx.operand(0), cx.operand(1), cx.operand(2));
        let (channels, eps) = (cx.number(cx.operand_len(1)), cx.real(self.eps));
        let finish = cx.closure(&["g", "o"]);
        quote! {
            rt::norm::normalize::<L, #groups, #features, #channels>(#x, #mean, #variance, #eps, #finish);
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [x, mean, variance, ..] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let mut y = super::reference::matrix(x);
        for ((_, feature), y) in y.indexed_iter_mut() {
            let at = |figures: &ndarray::ArrayD<f64>| {
                figures.iter().nth(feature / self.inner).copied().unwrap_or(f64::NAN)
            };
            *y = (*y - at(mean)) / (at(variance) + self.eps).sqrt();
        }
        y.into_dyn()
    }
}

impl Operator for BatchNormalizeGradient {
    fn name(&self) -> &'static str {
        "batch_normalize_gradient"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        8 * node.len() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        let name = |n: usize| names.get(n).map_or("x", String::as_str);
        let d = name(4);
        let share = format!("sqrt({} + {:?})", name(2), self.eps);
        format!("({d} - mean({d}) - y mean({d} y)) / {share}, y = ({} - {}) / {share}", name(0), name(1))
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (groups, features) = (cx.groups(), cx.number(cx.node.len()));
        let operands = (0..5).map(|n| cx.operand(n));
        let (channels, eps) = (cx.number(cx.operand_len(1)), cx.real(self.eps));
        let finish = cx.closure(&["g", "o"]);
        quote! {
            rt::norm::normalize_gradient::<L, #groups, #features, #channels>(
                #(#operands,)* #eps, #finish
            );
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [x, mean, variance, _, d_y] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let (x, mut d) = (super::reference::matrix(x), super::reference::matrix(d_y));
        let channels = mean.len().max(1);
        let inner = (x.ncols() / channels).max(1);
        let n = (x.nrows() * inner) as f64;
        for (channel, (mean, variance)) in mean.iter().zip(variance.iter()).enumerate() {
            let share = 1.0 / (variance + self.eps).sqrt();
            let place = ndarray::Slice::from(channel * inner..(channel + 1) * inner);
            let y = x.slice_axis(ndarray::Axis(1), place).mapv(|x| (x - mean) * share);
            let mut d = d.slice_axis_mut(ndarray::Axis(1), place);
            let mean_d = d.sum() / n;
            let mean_dy = d.iter().zip(&y).map(|(d, y)| d * y).sum::<f64>() / n;
            for (d, y) in d.iter_mut().zip(&y) {
                *d = (*d - mean_d - y * mean_dy) * share;
            }
        }
        d.into_dyn()
    }
}
