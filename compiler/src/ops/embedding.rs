//! # embedding
//!
//! `embedding(vocabulary, features)`: each token is a row of a table, `features` numbers that are trained.
//!
//! Formula: y = W[x]
//!
//! Shapes: `[T]`, an input of token indices, to `[T, features]`. Parameters: `weight` `[vocabulary, features]`.
//!
//! Arguments: `vocabulary`, the number of tokens, from 1; `features`, from 1; `init = standard_normal`.
//!
//! A token is a whole number from 0 and below `vocabulary`, written as a real one. What is no such number is an error of the
//! data and of `train_step`; `predict` takes the nearest token for it.
//!
//! Gradient: each row gets the sum of the gradients of the positions that named it, in the order of the batch.
//!
//! Example: `input tokens: [64]`, `embedding(65, 128)`. Source: PyTorch `torch.nn.Embedding`.

use nnc_grammar::diagnostic::{Code, Diagnostic};
use proc_macro2::TokenStream;
use quote::quote;

use super::batch_sum::SampleRows;
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Graph, Node, NodeId, Op, Operator, ValueLayout};
use crate::plan::{Strategy, thousands};
use crate::program::MOST_CLASSES;

/// The layer.
#[derive(Debug)]
pub struct EmbeddingLayer;

impl Layer for EmbeddingLayer {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn summary(&self) -> &'static str {
        "a trained row of numbers for each token"
    }

    fn page(&self) -> &'static str {
        include_str!("embedding.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[
            Argument {
                name: "vocabulary",
                kind: ArgumentKind::Count,
                default: None,
                docs: "number of tokens",
            },
            Argument {
                name: "features",
                kind: ArgumentKind::Count,
                default: None,
                docs: "numbers of each token",
            },
            Argument {
                name: "init",
                kind: ArgumentKind::Init,
                default: Some(Default::Init("standard_normal")),
                docs: "how the weight starts",
            },
        ]
    }

    fn keeps_gain(&self) -> bool {
        false
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
                "`embedding` takes one value",
                format!("found {}", inputs.len()),
            ));
        };
        let (vocabulary, features) = (arguments.count("vocabulary"), arguments.count("features"));
        if vocabulary > MOST_CLASSES {
            let expected =
                format!("expected up to {} tokens, found {}", thousands(MOST_CLASSES), thousands(vocabulary));
            return Err(cx.error(Code::E0502, "`embedding` knows too many tokens", expected));
        }
        let Op::Input(input) = cx.graph.node(*x).op else {
            let mut error = cx.error(
                Code::E0321,
                "`embedding` takes an input of tokens",
                "expected an input, found a value that is computed",
            );
            error.help.push("put it directly behind the input: the indices of tokens are data".to_owned());
            return Err(error);
        };
        let shape = cx.shape(*x).to_vec();
        let [positions] = *shape.as_slice() else {
            let message = "`embedding` takes one token for each position";
            return Err(cx.error(Code::E0303, message, format!("expected [positions], found {shape:?}")));
        };
        if let Some(known) = cx.tokens(input).filter(|known| *known != vocabulary) {
            let message = "two embeddings of one input know different numbers of tokens";
            return Err(cx.error(
                Code::E0321,
                message,
                format!("expected {known} tokens, found {vocabulary}"),
            ));
        }
        cx.set_tokens(input, vocabulary);
        let missing = cx.error(Code::E0203, "`embedding` needs an initializer", "found none");
        let init = arguments.init("init").cloned().ok_or(missing)?;
        let weight = cx.parameter("weight", vec![vocabulary, features], init, (vocabulary, features));
        Ok(cx.operator(Embedding { vocabulary, features }, vec![*x, weight], vec![positions, features]))
    }
}

/// Operands: tokens, weight.
#[derive(Debug, Clone)]
struct Embedding {
    vocabulary: usize,
    features: usize,
}

/// The gradient of the whole table, kept until it is complete. Operands: tokens, d_y with lanes over features.
#[derive(Debug)]
struct TableGradient(Embedding);

/// The complete gradient, row by row. Operand: what [`TableGradient`] made.
#[derive(Debug)]
struct TableRows;

impl Operator for Embedding {
    fn name(&self) -> &'static str {
        "embedding"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        if !cx.needs(1) {
            return Vec::new();
        }
        let (tokens, weight) = (cx.operand(0), cx.operand(1));
        let (shape, table) = (cx.graph.node(cx.id).shape.clone(), cx.graph.node(weight).shape.clone());
        let rows = cx.operator(SampleRows, vec![cx.d_y], shape, true);
        let sums = cx.operator(TableGradient(self.clone()), vec![tokens, rows], table.clone(), false);
        vec![(1, cx.operator(TableRows, vec![sums], table, false))]
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        0
    }

    fn formula(&self, names: &[String]) -> String {
        match names {
            [tokens, weight] => format!("rows {tokens} of {weight}"),
            _ => "rows of the table".to_owned(),
        }
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (tokens, weight) = (cx.operand(0), cx.operand(1));
        let (t, v, d) = (cx.number(cx.operand_len(0)), cx.number(self.vocabulary), cx.number(self.features));
        let (table, finish) = (cx.panels(cx.operand_len(1)), cx.closure(&["g", "o"]));
        quote!(rt::embedding::forward::<L, #t, #v, #d, #table>(#tokens, #weight, #finish);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (tokens, weight, element) = (cx.operand(0), cx.operand(1), cx.element());
        let (t, v, d) = (cx.number(cx.operand_len(0)), cx.number(self.vocabulary), cx.number(self.features));
        cx.room("found")
            .made(cx, |y| quote!(rt::embedding::single::<#element, #t, #v, #d>(#tokens, #weight, #y);))
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [tokens, weight] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let table = super::reference::rows(weight, self.features);
        let last = self.vocabulary.saturating_sub(1);
        let rows = tokens.iter().map(|token| table.row((*token as usize).min(last)).to_vec());
        ndarray::Array1::from(rows.flatten().collect::<Vec<f64>>()).into_dyn()
    }
}

impl Operator for TableGradient {
    fn name(&self) -> &'static str {
        "table_gradient"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn layout(&self) -> ValueLayout {
        ValueLayout::Table
    }

    fn part(&self) -> Option<&'static str> {
        Some("table")
    }

    fn flops(&self, graph: &Graph, node: &Node) -> u64 {
        node.inputs.get(1).map_or(0, |rows| graph.node(*rows).len() as u64)
    }

    fn formula(&self, names: &[String]) -> String {
        match names {
            [tokens, d_y] => {
                format!("row by row the sum of {} where {tokens} names it", d_y.trim_end_matches("_rows"))
            }
            _ => "sums of d_y by token".to_owned(),
        }
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (tokens, rows, out) = (cx.operand(0), cx.operand(1), cx.output());
        let positions = cx.operand_len(0);
        let (t, v, d) = (cx.number(positions), cx.number(self.0.vocabulary), cx.number(self.0.features));
        let (panels, all, batch) = (cx.panels(self.0.features), cx.rows_of(positions), cx.batch());
        let table = cx.panels(cx.node.len());
        quote! {
            rt::embedding::table_gradient::<L, #t, #v, #d, #panels, #all, #batch, #table>(
                #tokens, #rows, #out
            );
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [tokens, d_y] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let mut table = ndarray::Array2::zeros((self.0.vocabulary, self.0.features));
        let last = self.0.vocabulary.saturating_sub(1);
        for (token, d_y) in tokens.iter().zip(super::reference::rows(d_y, self.0.features).rows()) {
            let mut row = table.row_mut((*token as usize).min(last));
            row += &d_y;
        }
        table.into_dyn()
    }
}

impl Operator for TableRows {
    fn name(&self) -> &'static str {
        "table_rows"
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
        names.first().map_or("d_y", String::as_str).to_owned()
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (rows, sums, finish) = (cx.panels(cx.node.len()), cx.operand(0), cx.finish(&[quote!(p)]));
        quote! {
            for p in 0..#rows {
                let z = L::load(&#sums[p]);
                #finish
            }
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        operands.first().map_or_else(|| ndarray::ArrayD::zeros(vec![0]), |sums| (*sums).clone())
    }
}
