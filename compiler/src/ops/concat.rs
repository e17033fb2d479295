//! # concat
//!
//! `concat(a, b)`: values one after the other along an axis.
//!
//! Formula: y = [a, b]
//!
//! Shapes: `[…, A, …]`, `[…, B, …]`, … to `[…, A + B + …, …]`; the other axes have the same sizes.
//!
//! Arguments: `axis = 0`, counted from 0 without the batch; of images axis 0 is the channels.
//!
//! Gradients: each value gets its part of the gradient back.
//!
//! Example: `let left = dense(8)  concat(left, right)`, `concat(a, b, axis = 1)`. Source: PyTorch `torch.cat`.

use nnc_grammar::diagnostic::{Code, Diagnostic};
use proc_macro2::TokenStream;
use quote::quote;

use super::slice::{axis_argument, axis_of};
use super::view::{View, ViewAxis, whole};
use super::windows::comes_from;
use super::{Argument, Arguments, Arity, Default, InCells, Layer};
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
        "values one after the other along an axis"
    }

    fn page(&self) -> &'static str {
        include_str!("concat.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        const { &[axis_argument(Some(Default::Number(0.0)))] }
    }

    fn arity(&self) -> Arity {
        Arity::Several
    }

    fn in_cells(&self) -> InCells {
        InCells::Step
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let [first, rest @ ..] = inputs else {
            return Err(cx.error(Code::E0302, "`concat` takes two or more values", "found none"));
        };
        let (axis, _) = axis_of(cx, self.name(), arguments, *first)?;
        if let Some(other) = rest.iter().find(|id| !fits(cx.shape(*first), cx.shape(**id), axis)) {
            return Err(differ(cx, *first, *other, axis));
        }
        Ok(concat(cx, inputs.to_vec(), axis))
    }
}

/// Whether two shapes are the same but for an axis.
fn fits(a: &[usize], b: &[usize], axis: usize) -> bool {
    a.len() == b.len() && a.iter().zip(b).enumerate().all(|(n, (a, b))| n == axis || a == b)
}

/// Two values cannot stand side by side along an axis.
fn differ(cx: &Builder<'_>, first: NodeId, other: NodeId, axis: usize) -> Box<Diagnostic> {
    let (want, have) = (cx.shape(first), cx.shape(other));
    let sizes =
        want.iter().enumerate().map(|(n, size)| if n == axis { "…".to_owned() } else { size.to_string() });
    let expected = format!("[{}]", sizes.collect::<Vec<_>>().join(", "));
    let mut error = cx.error(
        Code::E0304,
        format!("inputs of `concat` differ beside axis {axis}"),
        format!("expected {expected}, found {have:?}"),
    );
    error.secondary.push(comes_from(cx, first));
    error.secondary.push(comes_from(cx, other));
    let fitting = (0..want.len()).find(|axis| fits(want, have, *axis));
    match fitting {
        Some(axis) => error.help.push(format!("along axis {axis} they fit: `axis = {axis}`")),
        None if want.len() != have.len() => {
            error.help.push("bring them to one rank with `reshape` or `flatten`".to_owned())
        }
        None => {}
    }
    error
}

/// Adds values one after the other along an axis.
pub fn concat(cx: &mut Builder<'_>, values: Vec<NodeId>, axis: usize) -> NodeId {
    let mut shape = values.first().map(|id| cx.shape(*id).to_vec()).unwrap_or_default();
    let outer = shape.iter().take(axis).product();
    if let Some(size) = shape.get_mut(axis) {
        *size = values.iter().map(|id| cx.shape(*id).get(axis).copied().unwrap_or(0)).sum();
    }
    cx.operator(Concat { axis, outer }, values, shape)
}

/// The operator: `outer` times a block of each operand.
#[derive(Debug)]
pub struct Concat {
    /// The axis along which they lie.
    pub axis: usize,
    /// Places of the axes before it.
    pub outer: usize,
}

impl Operator for Concat {
    fn name(&self) -> &'static str {
        "concat"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        let shapes: Vec<Vec<usize>> = (0..cx.graph.node(cx.id).inputs.len())
            .map(|n| cx.graph.node(cx.operand(n)).shape.clone())
            .collect();
        let source = cx.graph.node(cx.id).shape.clone();
        let mut from = 0;
        let mut gradients = Vec::new();
        for (n, shape) in shapes.into_iter().enumerate() {
            let to = from + shape.get(self.axis).copied().unwrap_or(0);
            if cx.needs(n) {
                let mut axes = whole(&shape);
                if let Some(axis) = axes.get_mut(self.axis) {
                    *axis = ViewAxis::part(self.axis, from, to);
                }
                let view = View { source: source.clone(), axes, fill: 0.0 };
                gradients.push((n, cx.operator(view, vec![cx.d_y], shape, true)));
            }
            from = to;
        }
        gradients
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        0
    }

    fn formula(&self, names: &[String]) -> String {
        let along = if self.axis == 0 { String::new() } else { format!(" along axis {}", self.axis) };
        format!("[{}]{along}", names.join(", "))
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn takes_groups_apart(&self, _: &Node) -> bool {
        true
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let groups = cx.groups();
        let copies = self.blocks(cx).map(|(n, len, start)| {
            let (source, count) = (cx.operand(n), cx.number(len));
            let finish = cx.finish(&[quote!(g), quote!(o)]);
            let (from, to) = self.places(cx, len, start, &quote!(k));
            quote! {
                for k in 0..#count {
                    let o = #to;
                    let z = L::load(&#source[g][#from]);
                    #finish
                }
            }
        });
        let copies = self.repeated(cx, quote!(#(#copies)*));
        quote!(for g in 0..#groups { #copies })
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.room("joined").made(cx, |joined| {
            let copies = self.blocks(cx).map(|(n, len, start)| {
                let (source, count) = (cx.operand(n), cx.number(len));
                let (from, to) = self.places(cx, len, start, &quote!(0));
                quote!(rt::pack::copy_features(#source, #from, #joined, #to, #count);)
            });
            self.repeated(cx, quote!(#(#copies)*))
        })
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let samples = operands.first().and_then(|x| x.shape().first().copied()).unwrap_or(0);
        let blocks: Vec<_> = operands
            .iter()
            .filter_map(|x| {
                let len = x.len() / (samples * self.outer).max(1);
                let values = x.iter().copied().collect();
                ndarray::ArrayD::from_shape_vec(vec![samples, self.outer, len], values).ok()
            })
            .collect();
        let views: Vec<_> = blocks.iter().map(|block| block.view()).collect();
        ndarray::concatenate(ndarray::Axis(2), &views).unwrap_or_else(|_| ndarray::ArrayD::zeros(vec![0]))
    }
}

impl Concat {
    /// Number, length of a block, and its start in a block of the result, of each operand.
    fn blocks(&self, cx: &KernelCx<'_>) -> impl Iterator<Item = (usize, usize, usize)> {
        let mut from = 0;
        (0..cx.node.inputs.len()).map(move |n| {
            let (len, start) = (cx.operand_len(n) / self.outer.max(1), from);
            from += len;
            (n, len, start)
        })
    }

    /// Where place `k` of an operand's block lies, in the operand and in the result.
    fn places(
        &self,
        cx: &KernelCx<'_>,
        len: usize,
        start: usize,
        k: &TokenStream,
    ) -> (TokenStream, TokenStream) {
        let plus =
            |sum: TokenStream, more: TokenStream| match (sum.to_string().as_str(), more.to_string().as_str())
            {
                ("0", _) => more,
                (_, "0") => sum,
                _ => quote!(#sum + #more),
            };
        let (block, step, start) =
            (cx.number(len), cx.number(cx.node.len() / self.outer.max(1)), cx.number(start));
        if self.outer == 1 {
            return (k.clone(), plus(start, k.clone()));
        }
        (plus(quote!(j * #block), k.clone()), plus(plus(quote!(j * #step), start), k.clone()))
    }

    /// The copies of one block, for all blocks.
    fn repeated(&self, cx: &KernelCx<'_>, copies: TokenStream) -> TokenStream {
        if self.outer == 1 {
            return copies;
        }
        let outer = cx.number(self.outer);
        quote!(for j in 0..#outer { #copies })
    }
}
