//! Blocks of each sample brought to mean 0 and variance 1: what `layer_norm`, `rms_norm`, `group_norm` and
//! `instance_norm` have in common.

use std::sync::Arc;

use proc_macro2::TokenStream;
use quote::quote;

use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Graph, Node, NodeId, Operator};
use crate::plan::Strategy;
use crate::program::Initializer;
use crate::scalar::{Binary, Scalar};

use super::spread::Spread;

/// (x - mean) / sqrt(variance + eps) of each of `blocks` equal blocks; without the mean where they are not centred.
#[derive(Debug, Clone)]
pub struct BlockNormalize {
    /// Blocks of a sample.
    pub blocks: usize,
    /// Added to the variance.
    pub eps: f64,
    /// Whether the mean is taken off.
    pub centered: bool,
}

/// Its gradient. Operands: x, d_y.
#[derive(Debug)]
struct BlockNormalizeGradient(BlockNormalize);

/// Which features share a weight.
#[derive(Debug, Clone, Copy)]
pub enum Affine {
    /// Those of a channel: `[channels, …]`.
    Channel,
    /// Those at one place of the last axis.
    Last,
}

/// Adds `weight * x`, and `+ bias` if `has_bias`, with numbers for each channel or each place of the last axis.
pub fn affine(cx: &mut Builder<'_>, x: NodeId, along: Affine, has_bias: bool) -> NodeId {
    let shape = cx.shape(x).to_vec();
    let values: usize = shape.iter().product();
    let (len, inner) = match along {
        Affine::Channel => {
            let channels = shape.first().copied().unwrap_or(1);
            (channels, values / channels.max(1))
        }
        Affine::Last => (shape.last().copied().unwrap_or(1), 1),
    };
    let named = |text: &str, value: f64| Initializer { text: text.to_owned(), scalar: Scalar::Number(value) };
    let mut number = |part: &str, initializer: Initializer| {
        let id = cx.parameter(part, vec![len], initializer, (1, 1));
        // A number for each feature of every position is spread by what uses it.
        let is_row = matches!(along, Affine::Last) && shape.len() == 2;
        if len == values || is_row { id } else { cx.operator(Spread { inner, len }, vec![id], shape.clone()) }
    };
    let weight = number("weight", named("ones", 1.0));
    let mut operands = vec![x, weight];
    let mut scalar = Scalar::binary(Binary::Mul, Scalar::input(0), Scalar::input(1));
    if has_bias {
        operands.push(number("bias", named("zeros", 0.0)));
        scalar = Scalar::binary(Binary::Add, scalar, Scalar::input(2));
    }
    cx.pointwise(scalar, operands, shape)
}

impl BlockNormalize {
    /// That of each of so many parts, if no block is in two of them.
    fn divided(&self, parts: usize) -> Option<Self> {
        self.blocks.is_multiple_of(parts).then(|| Self { blocks: self.blocks / parts, ..self.clone() })
    }

    fn text(&self, x: &str) -> String {
        if self.centered {
            format!("({x} - mean) / sqrt(variance + {:?}) in {} blocks", self.eps, self.blocks)
        } else {
            format!("{x} / sqrt(mean of squares + {:?}) in {} blocks", self.eps, self.blocks)
        }
    }
}

impl Operator for BlockNormalize {
    fn name(&self) -> &'static str {
        "block_normalize"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        if !cx.needs(0) {
            return Vec::new();
        }
        let x = cx.operand(0);
        let shape = cx.graph.node(x).shape.clone();
        vec![(0, cx.operator(BlockNormalizeGradient(self.clone()), vec![x, cx.d_y], shape, true))]
    }

    fn at_position(&self, positions: usize) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(self.divided(positions)?))
    }

    fn part(&self) -> Option<&'static str> {
        Some("normalized")
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        6 * node.len() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        self.text(names.first().map_or("x", String::as_str))
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (x, features) = (cx.operand(0), cx.number(cx.node.len()));
        let (blocks, centered, eps) = (cx.number(self.blocks), self.centered, cx.real(self.eps));
        let finish = cx.closure(&["g", "o"]);
        quote!(rt::norm::block_normalize::<L, #features, #blocks>(#x, #centered, #eps, #finish);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (x, panels, features) = (cx.operand(0), cx.panels(cx.node.len()), cx.number(cx.node.len()));
        let (blocks, centered) = (cx.number(self.blocks), self.centered);
        let eps = cx.real(self.eps);
        cx.room("normalized").made(cx, |y| {
            quote!(rt::norm::block_normalize_one::<L, #panels, #features, #blocks>(#x, #centered, #eps, #y);)
        })
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let Some(x) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        let mut y = super::reference::matrix(x);
        for mut sample in y.rows_mut() {
            let inner = sample.len() / self.blocks.max(1);
            for mut block in sample.axis_chunks_iter_mut(ndarray::Axis(0), inner.max(1)) {
                let n = block.len() as f64;
                let mean = if self.centered { block.sum() / n } else { 0.0 };
                let variance = block.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
                block.mapv_inplace(|x| (x - mean) / (variance + self.eps).sqrt());
            }
        }
        y.into_dyn()
    }
}

impl Operator for BlockNormalizeGradient {
    fn name(&self) -> &'static str {
        "block_normalize_gradient"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn at_position(&self, positions: usize) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(Self(self.0.divided(positions)?)))
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        12 * node.len() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        let name = |n: usize| names.get(n).map_or("d_y", String::as_str);
        let y = self.0.text(name(0));
        if self.0.centered {
            format!(
                "({d} - mean({d}) - y mean({d} y)) / sqrt(variance + {:?}), y = {y}",
                self.0.eps,
                d = name(1)
            )
        } else {
            format!("({d} - y mean({d} y)) / sqrt(mean of squares + {:?}), y = {y}", self.0.eps, d = name(1))
        }
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let features = cx.number(cx.node.len());
        let (x, d_y) = (cx.operand(0), cx.operand(1));
        let (blocks, centered, eps) = (cx.number(self.0.blocks), self.0.centered, cx.real(self.0.eps));
        let finish = cx.closure(&["g", "o"]);
        quote! {
            rt::norm::block_normalize_gradient::<L, #features, #blocks>(
                #x, #d_y, #centered, #eps, #finish
            );
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [x, d_y] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let (x, mut d) = (super::reference::matrix(x), super::reference::matrix(d_y));
        for (x, mut d) in x.rows().into_iter().zip(d.rows_mut()) {
            let inner = (x.len() / self.0.blocks.max(1)).max(1);
            let blocks = x.axis_chunks_iter(ndarray::Axis(0), inner);
            for (x, mut d) in blocks.into_iter().zip(d.axis_chunks_iter_mut(ndarray::Axis(0), inner)) {
                let n = x.len() as f64;
                let mean = if self.0.centered { x.sum() / n } else { 0.0 };
                let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f64>() / n;
                let share = 1.0 / (variance + self.0.eps).sqrt();
                let mean_d = if self.0.centered { d.sum() / n } else { 0.0 };
                let mean_dy = x.iter().zip(&d).map(|(x, d)| d * (x - mean) * share).sum::<f64>() / n;
                for (x, d) in x.iter().zip(&mut d) {
                    *d = (*d - mean_d - (x - mean) * share * mean_dy) * share;
                }
            }
        }
        d.into_dyn()
    }
}
