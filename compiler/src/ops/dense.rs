//! # dense
//!
//! `dense(units)`: y = W x + b, every output from every input. PyTorch calls it `Linear`, Keras `Dense`.
//!
//! Shapes: `[F]` to `[units]`. Parameters: `weight` `[units, F]`, `bias` `[units]`.
//!
//! Arguments: `units`, from 1; `bias = true`; `init = he`, how the weight starts; `bias_init = zeros`;
//! `unroll = auto`: `full` asks for straight-line code up to 2,048 products, `none` for loops.
//!
//! Gradients: d_x = Wᵀ d_y, d_W = d_y xᵀ summed over samples, d_b = d_y summed over samples.
//!
//! Example: `hidden: dense(16) -> relu`. Source: PyTorch `torch.nn.Linear`.

use nnc_grammar::diagnostic::{Code, Diagnostic};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::batch_sum::{BatchSum, SampleRows};
use super::{Argument, ArgumentKind, Arguments, Default, Layer};
use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Graph, Node, NodeId, Operator, ValueLayout};
use crate::plan::{LANES, Strategy, StrategyKind, Unroll, matrix_strategy, thousands};

/// The layer.
#[derive(Debug)]
pub struct DenseLayer;

const ARGUMENTS: &[Argument] = &[
    Argument { name: "units", kind: ArgumentKind::Count, default: None, docs: "number of outputs" },
    Argument {
        name: "bias",
        kind: ArgumentKind::Bool,
        default: Some(Default::Bool(true)),
        docs: "whether a bias is added",
    },
    Argument {
        name: "init",
        kind: ArgumentKind::Init,
        default: Some(Default::Init("he")),
        docs: "how the weight starts",
    },
    Argument {
        name: "bias_init",
        kind: ArgumentKind::Init,
        default: Some(Default::Init("zeros")),
        docs: "how the bias starts",
    },
    Argument {
        name: "unroll",
        kind: ArgumentKind::Choice(&["auto", "full", "none"]),
        default: Some(Default::Choice("auto")),
        docs: "straight-line code or loops",
    },
];

impl Layer for DenseLayer {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn summary(&self) -> &'static str {
        "W x + b: every output from every input"
    }

    fn page(&self) -> &'static str {
        include_str!("dense.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        ARGUMENTS
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
            return Err(cx.error(Code::E0302, "`dense` takes one value", format!("found {}", inputs.len())));
        };
        let shape = cx.shape(*x).to_vec();
        let [features] = shape.as_slice() else {
            let mut error = cx.error(
                Code::E0303,
                "`dense` takes a vector",
                format!("expected [features], found {shape:?}"),
            );
            let sum = shape.iter().map(ToString::to_string).collect::<Vec<_>>().join(" * ");
            error.notes.push(format!("{sum} = {}", shape.iter().product::<usize>()));
            error.help.push("put `flatten` before it".to_owned());
            return Err(error);
        };
        dense(cx, arguments, *x, *features, arguments.count("units"), ["weight", "bias"])
    }
}

/// Adds a dense layer with parameters of these names; also what joins a residual whose shapes differ.
pub fn dense(
    cx: &mut Builder<'_>,
    arguments: &Arguments,
    x: NodeId,
    features: usize,
    units: usize,
    [weight, bias]: [&str; 2],
) -> Result<NodeId, Box<Diagnostic>> {
    let missing = |cx: &Builder<'_>| cx.error(Code::E0203, "`dense` needs an initializer", "found none");
    let init = arguments.init("init").cloned().ok_or_else(|| missing(cx))?;
    let unroll = Unroll::parse(arguments.choice("unroll"));
    let mut operands = vec![x, cx.matrix(weight, vec![units, features], init, (features, units))];
    if arguments.flag("bias") {
        let init = arguments.init("bias_init").cloned().ok_or_else(|| missing(cx))?;
        operands.push(cx.parameter(bias, vec![units], init, (features, units)));
    }
    Ok(cx.operator(Dense { unroll }, operands, vec![units]))
}

/// Operands: x, weight, and bias if there is one.
#[derive(Debug)]
pub struct Dense {
    unroll: Unroll,
}

/// Operands: d_y, weight.
#[derive(Debug)]
struct DenseInputGradient {
    unroll: Unroll,
}

/// Operands: x, d_y with lanes over outputs.
#[derive(Debug)]
struct DenseWeightGradient;

/// Inputs of a product: values of its first operand.
fn operand_len(graph: &Graph, node: &Node, n: usize) -> usize {
    node.inputs.get(n).map_or(0, |id| graph.node(*id).len())
}

impl Operator for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        let mut gradients = Vec::new();
        let (x, weight) = (cx.operand(0), cx.operand(1));
        // The gradient of the input first: it reads the weight, which the weight's own gradient may update.
        if cx.needs(0) {
            let shape = cx.graph.node(x).shape.clone();
            let op = DenseInputGradient { unroll: self.unroll };
            gradients.push((0, cx.operator(op, vec![cx.d_y, weight], shape, true)));
        }
        if cx.needs(1) || cx.needs(2) {
            let units = cx.graph.node(cx.id).shape.clone();
            let rows = cx.operator(SampleRows, vec![cx.d_y], units.clone(), true);
            if cx.needs(1) {
                let shape = cx.graph.node(weight).shape.clone();
                gradients.push((1, cx.operator(DenseWeightGradient, vec![x, rows], shape, false)));
            }
            if cx.needs(2) {
                gradients.push((2, cx.operator(BatchSum, vec![rows], units, false)));
            }
        }
        gradients
    }

    fn flops(&self, graph: &Graph, node: &Node) -> u64 {
        let bias = if node.inputs.len() > 2 { node.len() } else { 0 };
        (2 * node.len() * operand_len(graph, node, 0) + bias) as u64
    }

    fn formula(&self, names: &[String]) -> String {
        match names {
            [x, weight, bias] => format!("{weight} {x} + {bias}"),
            [x, weight] => format!("{weight} {x}"),
            _ => "W x".to_owned(),
        }
    }

    fn strategy(&self, graph: &Graph, node: &Node) -> Strategy {
        matrix_strategy(operand_len(graph, node, 0), node.len(), self.unroll)
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (inputs, outputs) = (operand_len(cx.graph, cx.node, 0), cx.node.len());
        let (x, weight) = (cx.operand(0), cx.operand(1));
        let bias = (cx.node.inputs.len() > 2).then(|| cx.operand(2));
        let groups = cx.groups();
        match cx.strategy.kind {
            StrategyKind::Unrolled => {
                let loads = (0..inputs).map(|i| {
                    let (name, i) = (format_ident!("x_{i}"), cx.number(i));
                    quote!(let #name = L::load(&x[#i]);)
                });
                let sums = (0..outputs).map(|o| {
                    let (panel, lane) = (cx.number(o / LANES), cx.number(o % LANES));
                    let start = match &bias {
                        Some(_) => quote!(L::splat(bias[#panel][#lane])),
                        None => quote!(L::zero()),
                    };
                    let products = (0..inputs).map(|i| {
                        let (name, i) = (format_ident!("x_{i}"), cx.number(i));
                        quote!(.add_mul(weight[#panel][#i][#lane], #name))
                    });
                    let index = cx.number(o);
                    let finish = cx.finish(&[quote!(g), quote!(#index)]);
                    quote! {
                        let z = #start #(#products)*;
                        #finish
                    }
                });
                let bias = bias.as_ref().map(|bias| quote!(let bias = #bias;));
                quote! {
                    let weight = #weight;
                    #bias
                    for g in 0..#groups {
                        let x = &#x[g];
                        #(#loads)*
                        #(#sums)*
                    }
                }
            }
            kind => {
                let (i, o, panels) = (cx.number(inputs), cx.number(outputs), cx.panels(outputs));
                let bias = match bias {
                    Some(bias) => quote!(Some(#bias)),
                    None => quote!(None),
                };
                let finish = cx.closure(&["g", "o"]);
                match kind {
                    StrategyKind::Blocked(block) => {
                        let (block, partial) = (cx.number(block), cx.partial());
                        quote! {
                            rt::dense::forward_blocked::<L, #groups, #i, #o, #panels, #block>(
                                #x, #weight, #bias, #partial, #finish
                            );
                        }
                    }
                    _ => {
                        quote!(rt::dense::forward::<L, #groups, #i, #o, #panels>(#x, #weight, #bias, #finish);)
                    }
                }
            }
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let inputs = operand_len(cx.graph, cx.node, 0);
        let (x, weight) = (cx.operand(0), cx.operand(1));
        let bias = if cx.node.inputs.len() > 2 {
            let bias = cx.operand(2);
            quote!(Some(#bias))
        } else {
            quote!(None)
        };
        let (rows, i, panels) = (cx.panels(inputs), cx.number(inputs), cx.panels(cx.node.len()));
        let finish = cx.closure(&["p"]);
        quote!(rt::dense::single::<L, #i, #rows, #panels>(#x, #weight, #bias, #finish);)
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [x, weight, rest @ ..] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let weight = super::reference::matrix(weight);
        let mut y = super::reference::matrix(x).dot(&weight.t()).into_dyn();
        if let [bias] = rest {
            y += *bias;
        }
        y
    }
}

impl Operator for DenseInputGradient {
    fn name(&self) -> &'static str {
        "dense_input_gradient"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn flops(&self, graph: &Graph, node: &Node) -> u64 {
        (2 * node.len() * operand_len(graph, node, 0)) as u64
    }

    fn formula(&self, names: &[String]) -> String {
        match names {
            [d_y, weight] => format!("{weight}ᵀ {d_y}"),
            _ => "Wᵀ d_y".to_owned(),
        }
    }

    fn strategy(&self, graph: &Graph, node: &Node) -> Strategy {
        matrix_strategy(node.len(), operand_len(graph, node, 0), self.unroll)
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (inputs, outputs) = (cx.node.len(), operand_len(cx.graph, cx.node, 0));
        let (d_y, weight, groups) = (cx.operand(0), cx.operand(1), cx.groups());
        match cx.strategy.kind {
            StrategyKind::Unrolled => {
                let loads = (0..outputs).map(|o| {
                    let (name, o) = (format_ident!("d_{o}"), cx.number(o));
                    quote!(let #name = L::load(&d_y[#o]);)
                });
                let sums = (0..inputs).map(|i| {
                    let row = cx.number(i);
                    let products = (0..outputs).map(|o| {
                        let name = format_ident!("d_{o}");
                        let (panel, lane) = (cx.number(o / LANES), cx.number(o % LANES));
                        quote!(.add_mul(weight[#panel][#row][#lane], #name))
                    });
                    let finish = cx.finish(&[quote!(g), quote!(#row)]);
                    quote! {
                        let z = L::zero() #(#products)*;
                        #finish
                    }
                });
                quote! {
                    let weight = #weight;
                    for g in 0..#groups {
                        let d_y = &#d_y[g];
                        #(#loads)*
                        #(#sums)*
                    }
                }
            }
            kind => {
                let (i, o, panels) = (cx.number(inputs), cx.number(outputs), cx.panels(outputs));
                let finish = cx.closure(&["g", "o"]);
                match kind {
                    StrategyKind::Blocked(block) => {
                        let (block, partial) = (cx.number(block / LANES), cx.partial());
                        quote! {
                            rt::dense::input_gradient_blocked::<L, #groups, #i, #o, #panels, #block>(
                                #d_y, #weight, #partial, #finish
                            );
                        }
                    }
                    _ => {
                        quote!(rt::dense::input_gradient::<L, #groups, #i, #o, #panels>(#d_y, #weight, #finish);)
                    }
                }
            }
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [d_y, weight] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        super::reference::matrix(d_y).dot(&super::reference::matrix(weight)).into_dyn()
    }
}

impl Operator for DenseWeightGradient {
    fn name(&self) -> &'static str {
        "dense_weight_gradient"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn layout(&self) -> ValueLayout {
        ValueLayout::Parameter
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        2 * node.len() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        match names {
            [x, d_y] => format!("sum over samples of {} {x}ᵀ", d_y.trim_end_matches("_rows")),
            _ => "sum over samples of d_y xᵀ".to_owned(),
        }
    }

    fn strategy(&self, _: &Graph, node: &Node) -> Strategy {
        Strategy::new(
            StrategyKind::Tiled,
            format!("{} sums over the samples, 16 outputs a row", thousands(node.len())),
        )
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let inputs = operand_len(cx.graph, cx.node, 0);
        let outputs = operand_len(cx.graph, cx.node, 1);
        let (x, rows, groups) = (cx.operand(0), cx.operand(1), cx.groups());
        let (i, panels, samples, batch) = (cx.number(inputs), cx.panels(outputs), cx.samples(), cx.batch());
        let finish = cx.closure(&["p", "i"]);
        quote!(rt::dense::weight_gradient::<L, #groups, #i, #panels, #samples, #batch>(#x, #rows, #finish);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [x, d_y] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        super::reference::matrix(d_y).t().dot(&super::reference::matrix(x)).into_dyn()
    }
}
