//! # dense
//!
//! `dense(units)`: y = W x + b, every output from every input. PyTorch calls it `Linear`, Keras `Dense`.
//!
//! Formula: y = W x + b
//!
//! Shapes: `[F]` to `[units]`; `[T, F]` to `[T, units]`, each position by itself with the same weights. Parameters:
//! `weight` `[units, F]`, `bias` `[units]`.
//!
//! Arguments: `units`, from 1; `bias = true`; `init = he`, how the weight starts; `bias_init = zeros`;
//! `unroll = auto`: `full` asks for straight-line code up to 2,048 products, `none` for loops.
//!
//! Gradients: d_x = Wᵀ d_y, d_W = d_y xᵀ summed over samples and positions, d_b = d_y summed over them.
//!
//! Example: `hidden: dense(16) -> relu`. Source: PyTorch `torch.nn.Linear`.

use std::sync::Arc;

use nnc_grammar::diagnostic::{Code, Diagnostic};
use proc_macro2::TokenStream;
use quote::{format_ident, quote};

use super::batch_sum::{BatchSum, SampleRows};
use super::{Argument, ArgumentKind, Arguments, Default, InCells, Layer};
use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Graph, Node, NodeId, Operator, ValueLayout};
use crate::plan::{Along, LANES, Strategy, StrategyKind, Unroll, matrix_strategy, thousands};
use crate::program::Storage;

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

    fn in_cells(&self) -> InCells {
        InCells::Positions
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
        let ([features] | [_, features]) = shape.as_slice() else {
            let mut error = cx.error(
                Code::E0303,
                "`dense` takes a vector, or one for each position",
                format!("expected [features] or [positions, features], found {shape:?}"),
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
    let (weight, storage) = cx.stored_matrix(weight, vec![units, features], init, (features, units));
    let mut operands = vec![x, weight];
    if arguments.flag("bias") {
        let init = arguments.init("bias_init").cloned().ok_or_else(|| missing(cx))?;
        operands.push(cx.parameter(bias, vec![units], init, (features, units)));
    }
    let mut shape = cx.shape(x).to_vec();
    match shape.as_mut_slice() {
        [_, last] => *last = units,
        _ => shape = vec![units],
    }
    Ok(cx.operator(Dense { unroll, features, units, storage }, operands, shape))
}

/// Operands: x, weight, and bias if there is one.
#[derive(Debug, Clone)]
pub struct Dense {
    unroll: Unroll,
    features: usize,
    units: usize,
    /// Of the weight.
    storage: Storage,
}

/// Operands: d_y, weight.
#[derive(Debug, Clone)]
struct DenseInputGradient {
    unroll: Unroll,
    features: usize,
    units: usize,
    /// Of the weight.
    storage: Storage,
}

/// Operands: x, d_y with lanes over outputs.
#[derive(Debug)]
struct DenseWeightGradient {
    features: usize,
    units: usize,
}

/// The strategy of a product at each position; there is straight-line code for one position alone.
fn strategy(
    graph: &Graph,
    (inputs, outputs): (usize, usize),
    positions: usize,
    unroll: Unroll,
    storage: Storage,
) -> Strategy {
    if positions < 2 {
        return matrix_strategy(inputs, outputs, unroll, graph.most_unrolled, storage);
    }
    let mut strategy = matrix_strategy(inputs, outputs, Unroll::None, graph.most_unrolled, storage);
    let sum = format!("{inputs} x {outputs} = {} products", thousands(inputs * outputs));
    strategy.reason = match strategy.kind {
        StrategyKind::Blocked(_) => format!("{}, at each of {positions} positions", strategy.reason),
        _ => format!("{sum} at each of {positions} positions"),
    };
    strategy
}

impl Operator for Dense {
    fn name(&self) -> &'static str {
        "dense"
    }

    fn meaning(&self) -> String {
        format!("Dense {} {}", self.features, self.units)
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        let mut gradients = Vec::new();
        let (x, weight) = (cx.operand(0), cx.operand(1));
        // The gradient of the input first: it reads the weight, which the weight's own gradient may update.
        if cx.needs(0) {
            let shape = cx.graph.node(x).shape.clone();
            let Self { unroll, features, units, storage } = *self;
            let op = DenseInputGradient { unroll, features, units, storage };
            gradients.push((0, cx.operator(op, vec![cx.d_y, weight], shape, true)));
        }
        if cx.needs(1) || cx.needs(2) {
            let shape = cx.graph.node(cx.id).shape.clone();
            let rows = cx.operator(SampleRows, vec![cx.d_y], shape, true);
            if cx.needs(1) {
                let shape = cx.graph.node(weight).shape.clone();
                let op = DenseWeightGradient { features: self.features, units: self.units };
                gradients.push((1, cx.operator(op, vec![x, rows], shape, false)));
            }
            if cx.needs(2) {
                gradients.push((2, cx.operator(BatchSum, vec![rows], vec![self.units], false)));
            }
        }
        gradients
    }

    fn along_one(&self, node: &Node) -> Option<Along> {
        let panels = self.units.div_ceil(LANES);
        match node.len() / self.units.max(1) {
            1 => Some(Along::Rows(panels, 1)),
            positions => self.units.is_multiple_of(LANES).then_some(Along::Rows(positions, panels)),
        }
    }

    fn at_position(&self, _: usize) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(self.clone()))
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        let bias = if node.inputs.len() > 2 { node.len() } else { 0 };
        (2 * node.len() * self.features + bias) as u64
    }

    fn formula(&self, names: &[String]) -> String {
        match names {
            [x, weight, bias] => format!("{weight} {x} + {bias}"),
            [x, weight] => format!("{weight} {x}"),
            _ => "W x".to_owned(),
        }
    }

    fn strategy(&self, graph: &Graph, node: &Node) -> Strategy {
        let positions = node.len() / self.units.max(1);
        strategy(graph, (self.features, self.units), positions, self.unroll, self.storage)
    }

    fn takes_groups_apart(&self, node: &Node) -> bool {
        node.len() == self.units
    }

    fn products_unrolled(&self, node: &Node) -> Option<usize> {
        (self.unroll == Unroll::Auto && node.len() == self.units).then_some(self.features * self.units)
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (inputs, outputs) = (self.features, self.units);
        let is_sequence = cx.node.len() > outputs;
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
                let bias = cx.optional(2);
                let (all_x, finish) = (cx.all_groups(0), cx.closure(&["g", "o"]));
                let (all_i, all_o) = (cx.number(cx.operand_len(0)), cx.number(cx.node.len()));
                match kind {
                    StrategyKind::Blocked(block) if is_sequence => {
                        let (block, partial) = (cx.number(block), cx.partial());
                        quote! {
                            rt::dense::forward_blocked_positions::<L, #all_i, #all_o, #i, #o, #panels, #block, _>(
                                #x, #weight, #bias, #partial, #finish
                            );
                        }
                    }
                    _ if is_sequence => quote! {
                        rt::dense::forward_positions::<L, #all_i, #i, #o, #panels>(
                            #x, #weight, #bias, #finish
                        );
                    },
                    StrategyKind::Blocked(block) => {
                        let (block, partial) = (cx.number(block), cx.partial());
                        quote! {
                            rt::dense::forward_blocked::<L, #i, #o, #panels, #block, _>(
                                #all_x, #weight, #bias, #partial, #finish
                            );
                        }
                    }
                    _ => {
                        quote!(rt::dense::forward::<L, #i, #o, #panels>(#all_x, #weight, #bias, #finish);)
                    }
                }
            }
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (inputs, outputs) = (self.features, self.units);
        let (x, weight) = (cx.operand(0), cx.operand(1));
        let bias = cx.optional(2);
        let (rows, i, panels) = (cx.panels(cx.operand_len(0)), cx.number(inputs), cx.panels(outputs));
        let finish = cx.closure(&["p"]);
        if cx.node.len() > outputs {
            let (o, all) = (cx.number(outputs), cx.panels(cx.node.len()));
            let positions = cx.part_of_one(cx.node.len() / outputs.max(1), 1);
            return quote! {
                rt::dense::single_positions::<L, #i, #o, #rows, #panels, #all>(
                    #x, #weight, #bias, #positions, #finish
                );
            };
        }
        let of = cx.part_of_one(outputs.div_ceil(LANES), 1);
        quote!(rt::dense::single::<L, #i, #rows, #panels>(#x, #weight, #bias, #of, #finish);)
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [x, weight, rest @ ..] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let weight = super::reference::matrix(weight);
        let mut y = super::reference::rows(x, self.features).dot(&weight.t()).into_dyn();
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

    fn at_position(&self, _: usize) -> Option<Arc<dyn Operator>> {
        Some(Arc::new(self.clone()))
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        (2 * node.len() * self.units) as u64
    }

    fn formula(&self, names: &[String]) -> String {
        match names {
            [d_y, weight] => format!("{weight}ᵀ {d_y}"),
            _ => "Wᵀ d_y".to_owned(),
        }
    }

    fn strategy(&self, graph: &Graph, node: &Node) -> Strategy {
        let positions = node.len() / self.features.max(1);
        strategy(graph, (self.features, self.units), positions, self.unroll, self.storage)
    }

    fn takes_groups_apart(&self, node: &Node) -> bool {
        node.len() == self.features
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (inputs, outputs) = (self.features, self.units);
        let is_sequence = cx.node.len() > inputs;
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
                let (all_d_y, finish) = (cx.all_groups(0), cx.closure(&["g", "o"]));
                let (all_i, all_o) = (cx.number(cx.node.len()), cx.number(cx.operand_len(0)));
                match kind {
                    StrategyKind::Blocked(block) if is_sequence => {
                        let (block, partial) = (cx.number(block / LANES), cx.partial());
                        quote! {
                            rt::dense::input_gradient_blocked_positions::<
                                L, #all_i, #all_o, #i, #o, #panels, #block, _
                            >(#d_y, #weight, #partial, #finish);
                        }
                    }
                    _ if is_sequence => quote! {
                        rt::dense::input_gradient_positions::<L, #all_o, #i, #o, #panels>(
                            #d_y, #weight, #finish
                        );
                    },
                    StrategyKind::Blocked(block) => {
                        let (block, partial) = (cx.number(block / LANES), cx.partial());
                        quote! {
                            rt::dense::input_gradient_blocked::<L, #i, #o, #panels, #block, _>(
                                #all_d_y, #weight, #partial, #finish
                            );
                        }
                    }
                    _ => {
                        quote!(rt::dense::input_gradient::<L, #i, #o, #panels>(#all_d_y, #weight, #finish);)
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
        super::reference::rows(d_y, self.units).dot(&super::reference::matrix(weight)).into_dyn()
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

    fn can_turn(&self) -> bool {
        true
    }

    fn can_add_up(&self) -> bool {
        true
    }

    fn along(&self, _: &Graph, _: &Node) -> Option<Along> {
        Some(Along::Panels(self.units.div_ceil(LANES)))
    }

    fn flops(&self, graph: &Graph, node: &Node) -> u64 {
        let x = node.inputs.first().map_or(0, |x| graph.node(*x).len());
        (2 * self.features * self.units * (x / self.features.max(1))) as u64
    }

    fn formula(&self, names: &[String]) -> String {
        match names {
            [x, d_y] => format!("sum over samples of {} {x}ᵀ", d_y.trim_end_matches("_rows")),
            _ => "sum over samples of d_y xᵀ".to_owned(),
        }
    }

    fn strategy(&self, graph: &Graph, node: &Node) -> Strategy {
        let x = node.inputs.first().map_or(0, |x| graph.node(*x).len());
        let over = match x / self.features.max(1) {
            0 | 1 => "the samples".to_owned(),
            positions => format!("the samples and their {positions} positions"),
        };
        let sums = thousands(node.len());
        Strategy::new(StrategyKind::Tiled, format!("{sums} sums over {over}, 16 outputs a row"))
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let inputs = self.features;
        let (x, rows) = (cx.operand(0), cx.operand(1));
        let (i, samples, batch) = (cx.number(inputs), cx.samples(), cx.batch());
        let finish = cx.closure(&["p", "i"]);
        if cx.graph.turns_operand(cx.node) {
            let (all, of_y) = (cx.number(cx.operand_len(0)), cx.number(cx.operand_len(1)));
            let (o, panels) = (cx.number(self.units), cx.which_panels(self.units.div_ceil(LANES)));
            let (start, sums) = match cx.adds_up() {
                true => {
                    let (sums, of_all) = (cx.sums(), cx.panels(self.units));
                    (quote!(let mut #sums = rt::Aligned([ZERO_ROW; #of_all]);), quote!(&mut #sums[..]))
                }
                false => (TokenStream::new(), quote!(&mut [])),
            };
            return quote! {
                #start
                rt::dense::far_weight_gradient::<L, #all, #i, #of_y, #o, #batch>(
                    #x, #rows, #panels, #sums, #finish
                );
            };
        }
        quote!(rt::dense::weight_gradient::<L, #i, #samples, #batch>(#x, #rows, #finish);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [x, d_y] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let d_y = super::reference::rows(d_y, self.units);
        d_y.t().dot(&super::reference::rows(x, self.features)).into_dyn()
    }
}
