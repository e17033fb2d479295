//! Draws of a training step: values that come from the random number generator alone.

use proc_macro2::TokenStream;
use quote::quote;

use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Draw, Graph, Node, NodeId, Operator};
use crate::plan::Strategy;

/// A draw for each feature of each sample; it has no operands. What it is drawn for has another form in prediction, so
/// that it is never computed there.
#[derive(Debug)]
pub struct Random(pub Draw);

impl Operator for Random {
    fn name(&self) -> &'static str {
        if self.0.is_normal { "random_normal" } else { "random_uniform" }
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn draw(&self) -> Option<Draw> {
        Some(self.0)
    }

    fn part(&self) -> Option<&'static str> {
        Some("draws")
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        node.len() as u64
    }

    fn formula(&self, _: &[String]) -> String {
        if self.0.is_normal {
            "draws from the standard normal distribution".to_owned()
        } else {
            "draws from 0 to 1".to_owned()
        }
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (groups, features) = (cx.groups(), cx.number(cx.node.len()));
        let (stream, finish) = (cx.number(self.0.stream as usize), cx.closure(&["g", "o"]));
        let function = if self.0.is_normal { quote!(normal) } else { quote!(uniform) };
        quote! {
            rt::random::#function::<L, #features>(*draws, #stream, first_group.0..first_group.0 + #groups, #finish);
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    /// The interpreter has the draws.
    #[cfg(feature = "reference")]
    fn reference(&self, _: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        ndarray::ArrayD::zeros(vec![0])
    }
}
