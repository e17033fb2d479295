//! # concat
//!
//! `concat(a, b)`: vectors one after the other.
//!
//! Formula: y = [a, b]
//!
//! Shapes: `[A]`, `[B]`, … to `[A + B + …]`.
//!
//! Gradients: each value gets its part of the gradient back.
//!
//! Example: `let left = dense(8)  concat(left, right)`. Source: PyTorch `torch.cat(dim=1)`.

use nnc_grammar::diagnostic::{Code, Diagnostic};
use proc_macro2::TokenStream;
use quote::quote;

use super::slice::Slice;
use super::{Argument, Arguments, Arity, Layer};
use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Graph, Node, NodeId, Operator};
use crate::plan::Strategy;

/// The layer.
#[derive(Debug)]
pub struct ConcatLayer;

impl Layer for ConcatLayer {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn summary(&self) -> &'static str {
        "vectors one after the other"
    }

    fn page(&self) -> &'static str {
        include_str!("concat.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[]
    }

    fn arity(&self) -> Arity {
        Arity::Several
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        _: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let vectors = |shape: &[usize]| matches!(shape, [_]);
        if let Some(other) = inputs.iter().map(|id| cx.shape(*id)).find(|shape| !vectors(shape)) {
            let label = format!("expected [features], found {other:?}");
            let mut error = cx.error(Code::E0303, "`concat` takes vectors", label);
            error.help.push("put `flatten` before it".to_owned());
            return Err(error);
        }
        Ok(concat(cx, inputs.to_vec()))
    }
}

/// Adds vectors one after the other.
pub fn concat(cx: &mut Builder<'_>, vectors: Vec<NodeId>) -> NodeId {
    let len = vectors.iter().map(|id| cx.graph.node(*id).len()).sum();
    cx.operator(Concat, vectors, vec![len])
}

/// The operator.
#[derive(Debug)]
struct Concat;

impl Operator for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        let lens: Vec<usize> =
            (0..cx.graph.node(cx.id).inputs.len()).map(|n| cx.graph.node(cx.operand(n)).len()).collect();
        let mut from = 0;
        let mut gradients = Vec::new();
        for (n, len) in lens.into_iter().enumerate() {
            if cx.needs(n) {
                gradients.push((n, cx.operator(Slice { from, len }, vec![cx.d_y], vec![len], true)));
            }
            from += len;
        }
        gradients
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        0
    }

    fn formula(&self, names: &[String]) -> String {
        format!("[{}]", names.join(", "))
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let groups = cx.groups();
        let mut from = 0;
        let copies = cx.node.inputs.iter().enumerate().map(|(n, id)| {
            let (len, start) = (cx.graph.node(*id).len(), from);
            from += len;
            let (source, len, start) = (cx.operand(n), cx.number(len), cx.number(start));
            let finish = cx.finish(&[quote!(g), quote!(o)]);
            quote! {
                for k in 0..#len {
                    let o = #start + k;
                    let z = L::load(&#source[g][k]);
                    #finish
                }
            }
        });
        quote!(for g in 0..#groups { #(#copies)* })
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let panels = cx.panels(cx.node.len());
        let mut from = 0;
        let copies = cx.node.inputs.iter().enumerate().map(|(n, id)| {
            let (len, start) = (cx.graph.node(*id).len(), from);
            from += len;
            let (source, len, start) = (cx.operand(n), cx.number(len), cx.number(start));
            quote!(rt::pack::copy_features(#source, 0, &mut joined, #start, #len);)
        });
        let finish = cx.finish(&[quote!(p)]);
        quote! {
            let mut joined: [Row; #panels] = [ZERO_ROW; #panels];
            #(#copies)*
            for p in 0..#panels {
                let z = L::load(&joined[p]);
                #finish
            }
        }
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let views: Vec<_> = operands.iter().map(|x| x.view()).collect();
        ndarray::concatenate(ndarray::Axis(1), &views).unwrap_or_else(|_| ndarray::ArrayD::zeros(vec![0]))
    }
}
