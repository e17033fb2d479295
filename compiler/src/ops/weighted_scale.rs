//! What each sample counts in the loss of a batch, when samples have weights: its scale over the sum of all weights.

use proc_macro2::TokenStream;
use quote::quote;

use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Graph, Node, NodeId, Operator};
use crate::plan::Strategy;

/// Operands: the samples' scale, which is 0 for padding, and their weight, or that of each position. A batch without
/// weight counts 0.
#[derive(Debug)]
pub struct WeightedScale;

impl Operator for WeightedScale {
    fn name(&self) -> &'static str {
        "weighted_scale"
    }

    /// Weights are made of targets, which nothing trains.
    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    /// All weights are summed.
    fn mixes_samples(&self) -> bool {
        true
    }

    fn part(&self) -> Option<&'static str> {
        Some("scale")
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        3
    }

    fn formula(&self, names: &[String]) -> String {
        match names {
            [scale, weight] => format!("{scale} / sum over samples of {scale} * {weight}"),
            _ => "scale / sum over samples of scale * weight".to_owned(),
        }
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (groups, scale, weight) = (cx.groups(), cx.operand(0), cx.operand(1));
        if cx.node.len() > 1 {
            let (positions, finish) = (cx.number(cx.node.len()), cx.finish(&[quote!(g), quote!(o)]));
            return quote! {
                let mut weights = L::zero();
                for g in 0..#groups {
                    for weight in &#weight[g] {
                        weights = L::load(&#scale[g][0]).mul_add(L::load(weight), weights);
                    }
                }
                let weights = L::splat(weights.sum());
                for g in 0..#groups {
                    let share = L::load(&#scale[g][0]) / weights;
                    let z = L::select(weights.gt(L::zero()), share, L::zero());
                    for o in 0..#positions {
                        #finish
                    }
                }
            };
        }
        let finish = cx.finish(&[quote!(g), quote!(0)]);
        quote! {
            let mut weights = L::zero();
            for g in 0..#groups {
                weights = L::load(&#scale[g][0]).mul_add(L::load(&#weight[g][0]), weights);
            }
            let weights = L::splat(weights.sum());
            for g in 0..#groups {
                let share = L::load(&#scale[g][0]) / weights;
                let z = L::select(weights.gt(L::zero()), share, L::zero());
                #finish
            }
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [scale, weight] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let positions = (weight.len() / scale.len().max(1)).max(1);
        let scales = scale.iter().flat_map(|scale| std::iter::repeat_n(*scale, positions));
        let scales: Vec<f64> = scales.collect();
        let sum: f64 = scales.iter().zip(weight.iter()).map(|(scale, weight)| scale * weight).sum();
        scales
            .into_iter()
            .map(|scale| if sum > 0.0 { scale / sum } else { 0.0 })
            .collect::<ndarray::Array1<f64>>()
            .into_dyn()
    }
}
