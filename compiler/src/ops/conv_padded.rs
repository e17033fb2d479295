//! A convolution of one sample, in two: the image with its padding, and what is made of that.
//!
//! Small images are padded by the function of the convolution itself, on its stack. A large one has memory of its own.

use std::sync::Arc;

use proc_macro2::TokenStream;
use quote::quote;

use super::conv::{Conv, WINDOW, Window};
#[cfg(feature = "reference")]
use super::view::{View, ViewAxis};
use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Before, Graph, Node, NodeId, Operator};
use crate::plan::{Along, Strategy, StrategyKind};

/// Numbers of an image with its padding, from which on it has memory of its own.
const LARGE: usize = 32 << 10;

/// The image of a convolution with its padding.
#[derive(Debug, Clone)]
struct PaddedImage(Window);

/// What a convolution makes of that.
#[derive(Debug, Clone)]
struct ConvOfPadded(Window);

/// The two, where the image is large.
pub fn apart(window: Window) -> Option<Before> {
    let [height, width] = window.reach();
    (window.is_padded() && window.padded_len() >= LARGE).then(|| Before {
        operand: Arc::new(PaddedImage(window)),
        shape: vec![window.input[0], height, width],
        rest: Arc::new(ConvOfPadded(window)),
    })
}

impl Operator for PaddedImage {
    fn name(&self) -> &'static str {
        "conv_padded_image"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn part(&self) -> Option<&str> {
        Some("padded")
    }

    fn constant(&self) -> Option<(&'static str, TokenStream, TokenStream)> {
        Some(self.0.constant())
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        0
    }

    fn formula(&self, names: &[String]) -> String {
        format!("{} with its padding", names.first().map_or("x", String::as_str))
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::new(StrategyKind::Loop, "row by row")
    }

    /// It is of one sample only.
    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (window, x) = (cx.constant(WINDOW), cx.operand(0));
        cx.room("padded").made(cx, |padded| {
            quote! {
                #padded.fill(ZERO_ROW);
                rt::conv::pad(&#window, #x, #padded);
            }
        })
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [channels, height, width] = self.0.input;
        let axis = |n: usize, size: usize| {
            let before = self.0.padding[n];
            ViewAxis::padded(n + 1, size, before, self.0.reach()[n].saturating_sub(before + size))
        };
        let axes = vec![ViewAxis::whole(0, channels), axis(0, height), axis(1, width)];
        View { source: self.0.input.to_vec(), axes, fill: 0.0 }.reference(operands)
    }
}

impl Operator for ConvOfPadded {
    fn name(&self) -> &'static str {
        "conv_of_padded"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn constant(&self) -> Option<(&'static str, TokenStream, TokenStream)> {
        Some(self.0.constant())
    }

    fn along_one(&self, node: &Node) -> Option<Along> {
        Conv(self.0).along_one(node)
    }

    fn flops(&self, graph: &Graph, node: &Node) -> u64 {
        Conv(self.0).flops(graph, node)
    }

    fn formula(&self, names: &[String]) -> String {
        Conv(self.0).formula(names)
    }

    fn strategy(&self, graph: &Graph, node: &Node) -> Strategy {
        Conv(self.0).strategy(graph, node)
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (window, x) = (cx.constant(WINDOW), cx.operand(0));
        self.0.emit_one(cx, &quote!(#window.padded()), &x)
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [height, width] = self.0.reach();
        Conv(Window { input: [self.0.input[0], height, width], padding: [0, 0], ..self.0 })
            .reference(operands)
    }
}
