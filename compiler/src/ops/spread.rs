//! One number for several features: what a channel, or a place along the last axis, has in common.

use proc_macro2::TokenStream;
use quote::quote;

use crate::differentiate::Gradient;
use crate::emit::{Feature, KernelCx};
use crate::graph::{Graph, Node, NodeId, Operator};
use crate::plan::Strategy;

/// Feature `k` is number `(k / inner) % len` of the operand, which has `len` numbers.
#[derive(Debug)]
pub struct Spread {
    /// Neighbouring features that share a number.
    pub inner: usize,
    /// Numbers of the operand.
    pub len: usize,
}

/// The sums over what [`Spread`] makes the same.
#[derive(Debug)]
pub struct Gather {
    /// Neighbouring features that share a number.
    pub inner: usize,
    /// Numbers of the result.
    pub len: usize,
}

/// The sums over each `inner` neighbouring features of a gradient: `len` numbers a sample.
pub fn gather(cx: &mut Gradient<'_>, d_y: NodeId, inner: usize, len: usize) -> NodeId {
    cx.operator(Gather { inner, len }, vec![d_y], vec![len], true)
}

impl Operator for Spread {
    fn name(&self) -> &'static str {
        "spread"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        if !cx.needs(0) {
            return Vec::new();
        }
        let operand = cx.operand(0);
        let sums = gather(cx, cx.d_y, self.inner, self.len);
        vec![(0, cx.onto(sums, operand))]
    }

    fn part(&self) -> Option<&'static str> {
        Some("spread")
    }

    fn spreads(&self) -> Option<(usize, usize)> {
        Some((self.inner, self.len))
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        0
    }

    fn formula(&self, names: &[String]) -> String {
        format!("{}, each for {} features", names.first().map_or("x", String::as_str), self.inner)
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (groups, features) = (cx.groups(), cx.number(cx.node.len()));
        let (inner, len) = (cx.number(self.inner), cx.number(self.len));
        let repeats = self.inner * self.len < cx.node.len();
        let at = match (self.inner, repeats) {
            (1, true) => quote!(o % #len),
            (_, true) => quote!(o / #inner % #len),
            (_, false) => quote!(o / #inner),
        };
        let load = cx.load(0, &Feature::Running(at));
        let finish = cx.finish(&[quote!(g), quote!(o)]);
        quote! {
            for g in 0..#groups {
                for o in 0..#features {
                    let z = #load;
                    #finish
                }
            }
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (operand, element) = (cx.operand(0), cx.element());
        let (inner, len, features) = (cx.number(self.inner), cx.number(self.len), cx.number(cx.node.len()));
        cx.room("spread")
            .made(cx, |y| quote!(rt::norm::spread_one::<#element>(#operand, #inner, #len, #features, #y);))
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let Some(x) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        // How often the whole is repeated is known to the node alone, which takes what it needs.
        (*x).clone()
    }

    #[cfg(feature = "reference")]
    fn reference_of(
        &self,
        operands: &[&ndarray::ArrayD<f64>],
        shape: &[usize],
        is_batched: bool,
    ) -> ndarray::ArrayD<f64> {
        let Some(x) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        let x: Vec<f64> = x.iter().copied().collect();
        let samples = shape.first().copied().unwrap_or(0);
        let features = shape.iter().skip(1).product::<usize>();
        let mut y = Vec::with_capacity(samples * features);
        for sample in 0..samples {
            let from = if is_batched { sample * self.len } else { 0 };
            let values = (0..features).map(|k| x.get(from + k / self.inner % self.len).copied());
            y.extend(values.map(|value| value.unwrap_or(f64::NAN)));
        }
        ndarray::ArrayD::from_shape_vec(vec![samples, features], y)
            .unwrap_or_else(|_| ndarray::ArrayD::zeros(vec![0]))
    }
}

impl Operator for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn part(&self) -> Option<&'static str> {
        Some("sums")
    }

    fn flops(&self, graph: &Graph, node: &Node) -> u64 {
        node.inputs.first().map_or(0, |id| graph.node(*id).len() as u64)
    }

    fn formula(&self, names: &[String]) -> String {
        format!("{}, summed over {} features each", names.first().map_or("d_y", String::as_str), self.inner)
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (groups, source) = (cx.groups(), cx.operand(0));
        let whole = cx.node.inputs.first().map_or(0, |id| cx.graph.node(*id).len());
        let (inner, len) = (cx.number(self.inner), cx.number(self.len));
        let repeats = whole / (self.inner * self.len).max(1);
        let (outer, period) = (cx.number(repeats), cx.number(self.inner * self.len));
        let finish = cx.finish(&[quote!(g), quote!(o)]);
        let sum = quote! {
            for k in 0..#inner {
                z = z + L::load(&#source[g][from + k]);
            }
        };
        let sum = if repeats > 1 {
            quote! {
                for repeat in 0..#outer {
                    let from = repeat * #period + o * #inner;
                    #sum
                }
            }
        } else {
            quote! {
                let from = o * #inner;
                #sum
            }
        };
        quote! {
            for g in 0..#groups {
                for o in 0..#len {
                    let mut z = L::zero();
                    #sum
                    #finish
                }
            }
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let Some(x) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        let x = super::reference::matrix(x);
        let mut y = ndarray::Array2::zeros((x.nrows(), self.len));
        for ((sample, k), value) in x.indexed_iter() {
            if let Some(sum) = y.get_mut((sample, k / self.inner % self.len)) {
                *sum += value;
            }
        }
        y.into_dyn()
    }
}
