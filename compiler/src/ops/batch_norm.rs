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

use super::spread::Spread;
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Graph, Node, NodeId, Op, Operator, Tracking, ValueLayout};
use crate::plan::Strategy;
use crate::program::Initializer;
use crate::scalar::{Binary, Scalar};
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
        let mut operands = vec![*x, mean, variance, scale];
        if arguments.flag("affine") {
            for (part, text, value) in [("weight", "ones", 1.0), ("bias", "zeros", 0.0)] {
                let initializer = Initializer { text: text.to_owned(), scalar: Scalar::Number(value) };
                operands.push(cx.parameter(part, vec![channels], initializer, (1, 1)));
            }
        }
        Ok(cx.operator(BatchNormalize { eps, inner }, operands, shape))
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
        let (channels, out) = (cx.number(cx.node.len()), cx.output());
        let operand = |n: usize| cx.operand(n);
        match self {
            Self::Mean => {
                let (x, scale) = (operand(0), operand(1));
                let features = cx.number(cx.operand_len(0));
                quote!(rt::norm::batch_mean::<L, #features, #channels>(#x, #scale, #out);)
            }
            Self::Variance => {
                let (x, mean, scale) = (operand(0), operand(1), operand(2));
                let features = cx.number(cx.operand_len(0));
                quote!(rt::norm::batch_variance::<L, #features, #channels>(#x, #mean, #scale, #out);)
            }
            Self::Unbiased { inner } => {
                let (variance, scale, inner) = (operand(0), operand(1), cx.number(*inner));
                quote!(rt::norm::unbiased::<L, #channels>(#variance, #scale, #inner, #out);)
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

/// (x - mean) / sqrt(variance + eps), times weight plus bias. Operands: x, mean and variance of each channel, scale, and
/// weight and bias if there are any.
#[derive(Debug)]
struct BatchNormalize {
    eps: f64,
    inner: usize,
}

/// Of each channel the sum of d_y, then of each the sum of d_y times the normalised value. Operands: x, mean, variance,
/// scale, d_y.
#[derive(Debug)]
struct ChannelSums {
    eps: f64,
}

/// The gradient by x, through mean and variance too. Operands: x, mean, variance, scale, d_y, the sums, and weight if
/// there is one.
#[derive(Debug)]
struct BatchNormalizeGradient {
    eps: f64,
}

/// The gradient of weight or bias: the sums from this one on. Operand: the sums.
#[derive(Debug)]
struct OfSums {
    from: usize,
}

/// What each channel is multiplied by in prediction. Operands: running variance, and weight if there is one.
#[derive(Debug)]
struct FoldedFactor {
    eps: f64,
}

/// What each channel is moved by in prediction. Operands: running mean, factor, and bias if there is one.
#[derive(Debug)]
struct FoldedShift;

#[cfg(feature = "reference")]
fn channel_value(figures: &ndarray::ArrayD<f64>, channel: usize) -> f64 {
    figures.iter().nth(channel).copied().unwrap_or(f64::NAN)
}

impl Operator for BatchNormalize {
    fn name(&self) -> &'static str {
        "batch_normalize"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        let mut gradients = Vec::new();
        let mut operands: Vec<NodeId> = (0..4).map(|n| cx.operand(n)).collect();
        operands.push(cx.d_y);
        let channels = cx.graph.node(cx.operand(1)).len();
        let sums =
            cx.operator(ChannelSums { eps: self.eps }, operands.clone(), vec![2 * channels + 1], false);
        // The gradient of the input first: it reads the weight, which the weight's own gradient may update.
        if cx.needs(0) {
            operands.push(sums);
            if cx.graph.node(cx.id).inputs.len() > 4 {
                operands.push(cx.operand(4));
            }
            let shape = cx.graph.node(cx.id).shape.clone();
            gradients.push((0, cx.operator(BatchNormalizeGradient { eps: self.eps }, operands, shape, true)));
        }
        for (operand, from) in [(4, channels), (5, 0)] {
            if cx.needs(operand) {
                gradients.push((operand, cx.operator(OfSums { from }, vec![sums], vec![channels], false)));
            }
        }
        gradients
    }

    fn inference(&self, cx: &mut Lowering<'_>) -> Option<NodeId> {
        let (x, mean, variance) = (cx.operand(0), cx.operand(1), cx.operand(2));
        let (weight, bias) = (cx.inputs.get(4).copied(), cx.inputs.get(5).copied());
        let channels = vec![cx.len(variance)];
        let factor = FoldedFactor { eps: self.eps };
        let factor = cx.figures(factor, [Some(variance), weight].into_iter().flatten().collect(), &channels);
        let operands = [Some(mean), Some(factor), bias].into_iter().flatten().collect();
        let shift = cx.figures(FoldedShift, operands, &channels);
        let [factor, shift] = [factor, shift].map(|id| {
            let len = cx.len(id);
            if self.inner > 1 { cx.operator(Spread { inner: self.inner, len }, vec![id]) } else { id }
        });
        let product = Scalar::binary(Binary::Mul, Scalar::input(0), Scalar::input(1));
        let scalar = Scalar::binary(Binary::Add, product, Scalar::input(2));
        Some(cx.pointwise(scalar, vec![x, factor, shift]))
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        3 * node.len() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        let name = |n: usize| names.get(n).map_or("x", String::as_str);
        let normalized = format!("({} - {}) / sqrt({} + {:?})", name(0), name(1), name(2), self.eps);
        match names {
            [_, _, _, _, weight, bias] => format!("{normalized} {weight} + {bias}"),
            _ => normalized,
        }
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let features = cx.number(cx.node.len());
        let (x, mean, variance) = (cx.operand(0), cx.operand(1), cx.operand(2));
        let (weight, bias) = (cx.optional(4), cx.optional(5));
        let (channels, eps) = (cx.number(cx.operand_len(1)), cx.real(self.eps));
        let finish = cx.closure(&["g", "o"]);
        quote! {
            rt::norm::normalize::<L, #features, #channels>(
                #x, #mean, #variance, #eps, #weight, #bias, #finish
            );
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [x, mean, variance, _, affine @ ..] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let mut y = super::reference::matrix(x);
        for ((_, feature), y) in y.indexed_iter_mut() {
            let channel = feature / self.inner;
            *y = (*y - channel_value(mean, channel)) / (channel_value(variance, channel) + self.eps).sqrt();
            if let [weight, bias] = affine {
                *y = *y * channel_value(weight, channel) + channel_value(bias, channel);
            }
        }
        y.into_dyn()
    }
}

impl Operator for ChannelSums {
    fn name(&self) -> &'static str {
        "channel_sums"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn layout(&self) -> ValueLayout {
        ValueLayout::Splat
    }

    fn part(&self) -> Option<&'static str> {
        Some("sums")
    }

    fn flops(&self, graph: &Graph, node: &Node) -> u64 {
        5 * node.inputs.first().map_or(0, |id| graph.node(*id).len() as u64)
    }

    fn formula(&self, names: &[String]) -> String {
        let name = |n: usize| names.get(n).map_or("x", String::as_str);
        let d = name(4);
        let y = format!("({} - {}) / sqrt({} + {:?})", name(0), name(1), name(2), self.eps);
        format!("sums of {d} and of {d} {y}, and of how many numbers")
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let features = cx.number(cx.operand_len(0));
        let operands = (0..5).map(|n| cx.operand(n));
        let (channels, sums) = (cx.number(cx.operand_len(1)), cx.number(cx.node.len()));
        let (eps, out) = (cx.real(self.eps), cx.output());
        quote! {
            rt::norm::channel_sums::<L, #features, #channels, #sums>(#(#operands,)* #eps, #out);
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [x, mean, variance, _, d_y] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let (x, d) = (super::reference::matrix(x), super::reference::matrix(d_y));
        let channels = mean.len().max(1);
        let inner = (x.ncols() / channels).max(1);
        let mut sums = vec![0.0; 2 * channels];
        let n = x.len() / channels;
        for (((_, feature), x), d) in x.indexed_iter().zip(&d) {
            let channel = feature / inner;
            let share = 1.0 / (channel_value(variance, channel) + self.eps).sqrt();
            let y = (x - channel_value(mean, channel)) * share;
            for (at, term) in [(channel, *d), (channels + channel, d * y)] {
                if let Some(sum) = sums.get_mut(at) {
                    *sum += term;
                }
            }
        }
        sums.push(n as f64);
        ndarray::arr1(&sums).into_dyn()
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
        6 * node.len() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        let name = |n: usize| names.get(n).map_or("x", String::as_str);
        let (d, share) = (name(4), format!("sqrt({} + {:?})", name(2), self.eps));
        let weight = names.get(6).map_or_else(String::new, |weight| format!("{weight} "));
        format!(
            "{weight}({d} - mean({d}) - y mean({d} y)) / {share}, y = ({} - {}) / {share}",
            name(0),
            name(1)
        )
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let features = cx.number(cx.node.len());
        let operands = (0..6).map(|n| cx.operand(n));
        let (channels, sums) = (cx.number(cx.operand_len(1)), cx.number(cx.operand_len(5)));
        let (eps, weight) = (cx.real(self.eps), cx.optional(6));
        let finish = cx.closure(&["g", "o"]);
        quote! {
            rt::norm::normalize_gradient::<L, #features, #channels, #sums>(
                #(#operands,)* #weight, #eps, #finish
            );
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [x, mean, variance, _, d_y, sums, affine @ ..] = operands else {
            return ndarray::ArrayD::zeros(vec![0]);
        };
        let (x, mut d) = (super::reference::matrix(x), super::reference::matrix(d_y));
        let channels = mean.len().max(1);
        let inner = (x.ncols() / channels).max(1);
        let n = channel_value(sums, 2 * channels);
        for (((_, feature), d), x) in d.indexed_iter_mut().zip(&x) {
            let channel = feature / inner;
            let share = 1.0 / (channel_value(variance, channel) + self.eps).sqrt();
            let y = (x - channel_value(mean, channel)) * share;
            let (sum, product) = (channel_value(sums, channel), channel_value(sums, channels + channel));
            let weight = affine.first().map_or(1.0, |weight| channel_value(weight, channel));
            *d = (*d - sum / n - y * product / n) * share * weight;
        }
        d.into_dyn()
    }
}

impl Operator for OfSums {
    fn name(&self) -> &'static str {
        "of_sums"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn layout(&self) -> ValueLayout {
        ValueLayout::Parameter
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        0
    }

    fn formula(&self, names: &[String]) -> String {
        format!("{} from number {} on", names.first().map_or("sums", String::as_str), self.from)
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (sums, from, len) = (cx.operand(0), cx.number(self.from), cx.number(cx.node.len()));
        let finish = cx.closure(&["p"]);
        quote!(rt::norm::vector_of::<L>(&#sums[0][#from..#from + #len], #finish);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let Some(sums) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        let half = sums.len() / 2;
        ndarray::Array1::from_iter(sums.iter().skip(self.from).take(half).copied()).into_dyn()
    }
}

impl Operator for FoldedFactor {
    fn name(&self) -> &'static str {
        "folded_factor"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn layout(&self) -> ValueLayout {
        ValueLayout::Splat
    }

    fn part(&self) -> Option<&'static str> {
        Some("factor")
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        3 * node.len() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        let weight = names.get(1).map_or("1", String::as_str);
        format!("{weight} / sqrt({} + {:?})", names.first().map_or("variance", String::as_str), self.eps)
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (variance, weight, out) = (cx.operand(0), cx.optional(1), cx.output());
        let (channels, eps) = (cx.number(cx.node.len()), cx.real(self.eps));
        quote!(rt::norm::folded_factor::<L, #channels>(#variance, #weight, #eps, #out);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (variance, weight, out) = (cx.operand(0), cx.optional(1), cx.output());
        let (panels, eps) = (cx.panels(cx.node.len()), cx.real(self.eps));
        quote!(rt::norm::folded_factor_one::<L, #panels>(#variance, #weight, #eps, #out);)
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [variance, weight @ ..] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let share = variance.mapv(|variance| 1.0 / (variance + self.eps).sqrt());
        weight.first().map_or_else(|| share.clone(), |weight| *weight * &share)
    }
}

impl Operator for FoldedShift {
    fn name(&self) -> &'static str {
        "folded_shift"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn layout(&self) -> ValueLayout {
        ValueLayout::Splat
    }

    fn part(&self) -> Option<&'static str> {
        Some("shift")
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        2 * node.len() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        let name = |n: usize| names.get(n).map_or("0", String::as_str);
        format!("{} - {} {}", name(2), name(0), name(1))
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (mean, factor, bias) = (cx.operand(0), cx.operand(1), cx.optional(2));
        let (channels, out) = (cx.number(cx.node.len()), cx.output());
        quote!(rt::norm::folded_shift::<L, #channels>(#mean, #factor, #bias, #out);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (mean, factor, bias) = (cx.operand(0), cx.operand(1), cx.optional(2));
        let (panels, out) = (cx.panels(cx.node.len()), cx.output());
        quote!(rt::norm::folded_shift_one::<L, #panels>(#mean, #factor, #bias, #out);)
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [mean, factor, bias @ ..] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let moved = -(*mean * *factor);
        bias.first().map_or_else(|| moved.clone(), |bias| &moved + *bias)
    }
}
