//! # positional
//!
//! `positional`: adds to each position of a sequence numbers of its own, so that what follows can tell where it is.
//!
//! `kind = learned`: a trained table, `weight` `[T, D]`. `kind = sinusoidal`: sines and cosines, which nothing trains:
//! feature 2 i of position t gets sin(t / 10000^(2 i / D)), the feature behind it the cosine of the same.
//!
//! Formula: y = x + W, or for sinusoidal x[t, 2 i] + sin(t / 10000^(2 i / D)) and x[t, 2 i + 1] + cos of the same
//!
//! Shapes: `[T, D]`, unchanged. Parameters: `weight` `[T, D]`, for `learned` alone.
//!
//! Arguments: `kind = learned`; `init = normal`, how the table starts: a deviation of 0.05.
//!
//! Example: `embedding(65, 128) -> positional`. Source: Vaswani et al. 2017, section 3.5; a PyTorch `nn.Embedding(T, D)` of
//! the positions is the learned table.

use nnc_grammar::diagnostic::{Code, Diagnostic};
use proc_macro2::{Literal, TokenStream};
use quote::quote;

use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Graph, Node, NodeId, Op, Operator, ValueLayout};
use crate::plan::Strategy;
use crate::scalar::{Binary, Scalar};

/// The layer.
#[derive(Debug)]
pub struct Positional;

impl Layer for Positional {
    fn name(&self) -> &'static str {
        "positional"
    }

    fn summary(&self) -> &'static str {
        "numbers of its own added to each position: a trained table, or sines and cosines"
    }

    fn page(&self) -> &'static str {
        include_str!("positional.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[
            Argument {
                name: "kind",
                kind: ArgumentKind::Choice(&["learned", "sinusoidal"]),
                default: Some(Default::Choice("learned")),
                docs: "a trained table, or sines and cosines",
            },
            Argument {
                name: "init",
                kind: ArgumentKind::Init,
                default: Some(Default::Init("normal")),
                docs: "how the table starts",
            },
        ]
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let [x] = inputs else {
            return Err(cx.error(
                Code::E0302,
                "`positional` takes one value",
                format!("found {}", inputs.len()),
            ));
        };
        let shape = cx.shape(*x).to_vec();
        let [positions, features] = *shape.as_slice() else {
            let message = "`positional` takes a vector for each position";
            let label = format!("expected [positions, features], found {shape:?}");
            return Err(cx.error(Code::E0303, message, label));
        };
        let numbers = if arguments.choice("kind") == "sinusoidal" {
            let op = Op::Operator(std::sync::Arc::new(Sinusoidal { positions, features }));
            cx.node(op, Vec::new(), shape.clone(), false)
        } else {
            let missing = cx.error(Code::E0203, "`positional` needs an initializer", "found none");
            let init = arguments.init("init").cloned().ok_or(missing)?;
            cx.parameter("weight", shape.clone(), init, (positions, features))
        };
        let sum = Scalar::binary(Binary::Add, Scalar::input(0), Scalar::input(1));
        Ok(cx.pointwise(sum, vec![*x, numbers], shape))
    }
}

/// Angles a position, for pairs of features: 1 / 10000^(2 i / D).
pub(super) fn frequencies(features: usize) -> impl Iterator<Item = f64> {
    (0..features.div_ceil(2)).map(move |i| 10000f64.powf(-2.0 * i as f64 / features as f64))
}

/// The same as numbers in code.
pub(super) fn frequency_tokens(features: usize) -> TokenStream {
    let numbers = frequencies(features).map(Literal::f64_unsuffixed);
    quote!(&[#(#numbers),*])
}

/// Sines and cosines; no operands.
#[derive(Debug)]
struct Sinusoidal {
    positions: usize,
    features: usize,
}

impl Operator for Sinusoidal {
    fn name(&self) -> &'static str {
        "sinusoidal"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn layout(&self) -> ValueLayout {
        ValueLayout::Splat
    }

    fn part(&self) -> Option<&'static str> {
        Some("waves")
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        0
    }

    fn formula(&self, _: &[String]) -> String {
        format!("sin and cos of t / 10000^(2 i / {})", self.features)
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (t, d, out) = (cx.number(self.positions), cx.number(self.features), cx.output());
        let frequencies = frequency_tokens(self.features);
        quote! {
            rt::embedding::sinusoidal::<L, #t, #d>(
                #frequencies, #[inline(always)] |o, z| z.store(&mut #out[0][o])
            );
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (t, d, out) = (cx.number(self.positions), cx.number(self.features), cx.output());
        let (frequencies, rows) = (frequency_tokens(self.features), cx.panels(cx.node.len()));
        quote!(rt::embedding::sinusoidal_one::<L, #t, #d, #rows>(#frequencies, #out);)
    }

    #[cfg(feature = "reference")]
    fn reference(&self, _: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let frequencies: Vec<f64> = frequencies(self.features).collect();
        let wave = |(t, d): (usize, usize)| {
            let angle = t as f64 * frequencies.get(d / 2).copied().unwrap_or(f64::NAN);
            if d.is_multiple_of(2) { angle.sin() } else { angle.cos() }
        };
        ndarray::Array2::from_shape_fn((self.positions, self.features), wave).into_dyn()
    }
}
