//! # attention
//!
//! `attention(heads)`: every position looks at every other one and takes the mean of their values, weighted by the softmax
//! of query and key: softmax(q kᵀ / sqrt(D / heads)) v for each head, with projections before and after it.
//!
//! Formula: y = softmax(q kᵀ / sqrt(D / heads)) v for each head, of projections q, k, v of x, and a projection of all
//!
//! Shapes: `[T, D]`, unchanged; `heads` divides D. Parameters, as PyTorch's `MultiheadAttention` has them: `in_proj_weight`
//! `[3 D, D]` and `in_proj_bias` `[3 D]`, the projections of queries, keys and values one after the other, and
//! `out_proj.weight` `[D, D]` and `out_proj.bias` `[D]`.
//!
//! Arguments: `heads`, from 1; `causal = false`, whether a position looks at none behind it; `dropout = 0`, the probability
//! with which a weight is dropped while training; `rotary = false`, whether queries and keys are turned by their
//! position; `bias = true`; `init = xavier`, `bias_init = zeros`; `mask = none`, a value with one number a position, 0
//! where nobody looks at it: PyTorch's `key_padding_mask` the other way round. A position that may look at none gives
//! what `out_proj` makes of 0.
//!
//! With `rotary` the features i and i + n / 2 of each head of n features are turned by the angle t / 10000^(2 i / n) at
//! position t. It needs an even number of features a head.
//!
//! The scores of a few positions are kept at a time, not those of all: the backward pass computes them again.
//!
//! Example: `residual { layer_norm -> attention(4, causal = true) }`. Source: Vaswani et al. 2017, section 3.2; PyTorch
//! `torch.nn.MultiheadAttention` with `batch_first=True`; Su et al. 2021 for `rotary`, in the order of GPT-NeoX and Llama.

use nnc_grammar::diagnostic::{Code, Diagnostic};
use proc_macro2::TokenStream;
use quote::quote;

use super::random::Random;
use super::rotary::Rotary;
use super::{Argument, ArgumentKind, Arguments, Arity, Default, Layer, dense, mask};
use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Draw, Graph, Node, NodeId, Operator};
use crate::plan::{Along, LANES, Strategy, StrategyKind};
use crate::simplify::Lowering;

/// The layer of one sequence.
#[derive(Debug)]
pub struct AttentionLayer;

/// The layer of two.
#[derive(Debug)]
pub struct CrossAttention;

const HEADS: Argument = Argument {
    name: "heads",
    kind: ArgumentKind::Count,
    default: None,
    docs: "parts that attend by themselves",
};
const DROPOUT: Argument = Argument {
    name: "dropout",
    kind: ArgumentKind::Kind("fraction"),
    default: Some(Default::Number(0.0)),
    docs: "probability of a weight to become 0",
};
const BIAS: Argument = Argument {
    name: "bias",
    kind: ArgumentKind::Bool,
    default: Some(Default::Bool(true)),
    docs: "whether the projections have biases",
};
const INIT: Argument = Argument {
    name: "init",
    kind: ArgumentKind::Init,
    default: Some(Default::Init("xavier")),
    docs: "how the projections start",
};
const BIAS_INIT: Argument = Argument {
    name: "bias_init",
    kind: ArgumentKind::Init,
    default: Some(Default::Init("zeros")),
    docs: "how their biases start",
};

impl Layer for AttentionLayer {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn summary(&self) -> &'static str {
        "each position takes what it needs from all positions"
    }

    fn page(&self) -> &'static str {
        include_str!("attention.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[
            HEADS,
            Argument {
                name: "causal",
                kind: ArgumentKind::Bool,
                default: Some(Default::Bool(false)),
                docs: "whether a position looks at none behind it",
            },
            DROPOUT,
            Argument {
                name: "rotary",
                kind: ArgumentKind::Bool,
                default: Some(Default::Bool(false)),
                docs: "whether queries and keys are turned by their position",
            },
            BIAS,
            INIT,
            BIAS_INIT,
            mask::ARGUMENT,
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
        let (inputs, masks) = mask::apart(arguments, inputs);
        let [x] = inputs else {
            return Err(cx.error(
                Code::E0302,
                "`attention` takes one value",
                format!("found {}", inputs.len()),
            ));
        };
        let (positions, width) = sequence(cx, "attention", *x)?;
        mask::check(cx, "attention", arguments.span("mask"), masks, *x, &[positions])?;
        let head = head(cx, arguments, width)?;
        let mut packed =
            dense::dense(cx, arguments, *x, width, 3 * width, ["in_proj_weight", "in_proj_bias"])?;
        if arguments.flag("rotary") {
            if !head.is_multiple_of(2) {
                let label = format!("expected an even number of features a head, found {head}");
                return Err(cx.error(Code::E0322, "`rotary` turns pairs of features", label));
            }
            let op = Rotary { row: 3 * width, len: 2 * width, head, is_back: false };
            packed = cx.operator(op, vec![packed], vec![positions, 3 * width]);
        }
        let attention = Attention {
            queries: positions,
            keys: positions,
            heads: arguments.count("heads"),
            head,
            is_causal: arguments.flag("causal"),
            dropout: arguments.number("dropout"),
            is_packed: true,
            is_masked: !masks.is_empty(),
        };
        finish(cx, arguments, attention, [&[packed], masks].concat())
    }
}

impl Layer for CrossAttention {
    fn name(&self) -> &'static str {
        "cross_attention"
    }

    fn summary(&self) -> &'static str {
        "each position takes what it needs from another sequence"
    }

    fn page(&self) -> &'static str {
        "//! # cross_attention\n//!\n\
         //! `cross_attention(x, memory, heads = 4)`: as `attention`, where each position of `x` looks at the positions of\n\
         //! `memory`, of any number, instead of its own.\n//!\n\
         //! Shapes: `[T, D]` and `[S, M]` to `[T, D]`; `heads` divides D. Parameters: `q_proj.weight` `[D, D]`,\n\
         //! `kv_proj.weight` `[2 D, M]`, keys before values, `out_proj.weight` `[D, D]`, each with a `bias`.\n//!\n\
         //! Arguments: `heads`, from 1; `dropout = 0`, the probability with which a weight is dropped while training;\n\
         //! `bias = true`; `init = xavier`; `bias_init = zeros`; `mask = none`, a value with one number for each position\n\
         //! of `memory`, 0 where nobody looks at it.\n//!\n\
         //! Example: `cross_attention(decoded, encoded, heads = 4)`. Source: Vaswani et al. 2017, section 3.2.3; PyTorch\n\
         //! `torch.nn.functional.scaled_dot_product_attention`.\n"
    }

    fn arguments(&self) -> &'static [Argument] {
        &[HEADS, DROPOUT, BIAS, INIT, BIAS_INIT, mask::ARGUMENT]
    }

    fn arity(&self) -> Arity {
        Arity::Several
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
        let (inputs, masks) = mask::apart(arguments, inputs);
        let [x, memory] = inputs else {
            let label = format!("expected a sequence and the one it looks at, found {} values", inputs.len());
            return Err(cx.error(Code::E0302, "`cross_attention` takes two values", label));
        };
        let (queries, width) = sequence(cx, "cross_attention", *x)?;
        let (keys, features) = sequence(cx, "cross_attention", *memory)?;
        mask::check(cx, "cross_attention", arguments.span("mask"), masks, *memory, &[keys])?;
        let head = head(cx, arguments, width)?;
        let query = dense::dense(cx, arguments, *x, width, width, ["q_proj.weight", "q_proj.bias"])?;
        let names = ["kv_proj.weight", "kv_proj.bias"];
        let memory = dense::dense(cx, arguments, *memory, features, 2 * width, names)?;
        let attention = Attention {
            queries,
            keys,
            heads: arguments.count("heads"),
            head,
            is_causal: false,
            dropout: arguments.number("dropout"),
            is_packed: false,
            is_masked: !masks.is_empty(),
        };
        finish(cx, arguments, attention, [&[query, memory], masks].concat())
    }
}

/// Positions and features of a sequence.
fn sequence(cx: &Builder<'_>, name: &str, x: NodeId) -> Result<(usize, usize), Box<Diagnostic>> {
    match *cx.shape(x) {
        [positions, features] => Ok((positions, features)),
        ref shape => {
            let message = format!("`{name}` takes a vector for each position");
            let mut error =
                cx.error(Code::E0303, message, format!("expected [positions, features], found {shape:?}"));
            if shape.len() == 1 {
                error.help.push("tokens become vectors by `embedding(vocabulary, features)`".to_owned());
            }
            Err(error)
        }
    }
}

/// Features of a head.
fn head(cx: &Builder<'_>, arguments: &Arguments, width: usize) -> Result<usize, Box<Diagnostic>> {
    let heads = arguments.count("heads").max(1);
    if width.is_multiple_of(heads) {
        return Ok(width / heads);
    }
    let label = format!("expected a number that divides {width}, found {heads}");
    let mut error = cx.error(Code::E0322, format!("{heads} heads cannot share {width} features"), label);
    let divides = |n: &usize| width.is_multiple_of(*n);
    let below = (1..heads.min(width)).rev().find(divides);
    let above = (heads + 1..=width).find(divides);
    let near: Vec<String> = below.into_iter().chain(above).map(|n| format!("`heads = {n}`")).collect();
    error.help.push(format!("{} would do, or a width that is a multiple of {heads}", near.join(" or ")));
    Err(error)
}

/// Adds the attention, with draws if weights are dropped, and the projection behind it.
fn finish(
    cx: &mut Builder<'_>,
    arguments: &Arguments,
    attention: Attention,
    mut operands: Vec<NodeId>,
) -> Result<NodeId, Box<Diagnostic>> {
    let (queries, width) = (attention.queries, attention.width());
    if attention.dropout > 0.0 {
        let draw = Draw { is_normal: false, stream: cx.layer.0 };
        let shape = vec![attention.heads * queries, attention.keys];
        operands.push(cx.operator(Random(draw), Vec::new(), shape));
    }
    let mixed = cx.operator(attention, operands, vec![queries, width]);
    dense::dense(cx, arguments, mixed, width, width, ["out_proj.weight", "out_proj.bias"])
}

/// softmax(q kᵀ / sqrt(head)) v. Operands: queries, keys and values side by side, or queries, and keys and values side by
/// side; a number for each key, if there is a mask; and draws from 0 to 1, if weights are dropped.
#[derive(Debug, Clone)]
struct Attention {
    queries: usize,
    keys: usize,
    heads: usize,
    head: usize,
    is_causal: bool,
    dropout: f64,
    is_packed: bool,
    is_masked: bool,
}

/// Whose gradient is computed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Of {
    Packed,
    Query,
    Memory,
}

/// Rows of a head's keys up to which they and the values are in the nearest cache, wherever they lie.
const ROWS_APART: usize = 256;

/// Queries of one sample that share what is loaded of keys and values.
const QUERIES_OF_ONE: usize = 8;

/// Operands: those of the attention, and d_y.
#[derive(Debug)]
struct AttentionGradient(Attention, Of);

impl Attention {
    fn width(&self) -> usize {
        self.heads * self.head
    }

    fn sources(&self) -> usize {
        if self.is_packed { 1 } else { 2 }
    }

    /// The first operand behind the sources and the mask.
    fn draws_at(&self) -> usize {
        self.sources() + usize::from(self.is_masked)
    }

    /// The mask: in a batch rows of samples, of one sample rows of keys.
    fn mask(&self, cx: &KernelCx<'_>, is_single: bool) -> TokenStream {
        let mask = cx.operand(self.sources());
        match (self.is_masked, is_single) {
            (true, true) => quote!(Some(&#mask[..])),
            (true, false) => quote!(Some(#mask)),
            (false, _) => quote!(None),
        }
    }

    /// `rt::attention::Sizes { … }`
    fn sizes(&self, cx: &KernelCx<'_>) -> TokenStream {
        let number = |n: usize| cx.number(n);
        let (queries, keys, heads) = (number(self.queries), number(self.keys), number(self.heads));
        let (head, width, causal) = (number(self.head), self.width(), self.is_causal);
        let dropped = cx.number_f64(self.dropout);
        let (row, twice, thrice) = (number(width), number(2 * width), number(3 * width));
        let (query, memory) = match self.is_packed {
            true => (quote!((#thrice, 0)), quote!((#thrice, #row, #twice))),
            false => (quote!((#row, 0)), quote!((#twice, 0, #row))),
        };
        quote! {
            rt::attention::Sizes {
                queries: #queries,
                keys: #keys,
                heads: #heads,
                head: #head,
                query: #query,
                memory: #memory,
                is_causal: #causal,
                dropped: #dropped,
            }
        }
    }

    /// Queries, keys and values, as arrays.
    fn operands(&self, cx: &KernelCx<'_>) -> (TokenStream, TokenStream, TokenStream) {
        let draws = match self.dropout > 0.0 {
            true => {
                let draws = cx.operand(self.draws_at());
                quote!(Some(#draws.as_flattened()))
            }
            false => quote!(None),
        };
        (cx.operand(0), cx.operand(self.sources() - 1), draws)
    }

    /// Queries at once: scores of so many lie on the stack.
    fn at_once(&self) -> usize {
        if self.keys <= 512 { 4 } else { 1 }
    }

    fn flops_of(&self, products: usize) -> u64 {
        // Of a causal attention half of the pairs, and the diagonal.
        let pairs = match self.is_causal {
            true => self.queries * (self.queries + 1) / 2,
            false => self.queries * self.keys,
        };
        (2 * products * pairs * self.width() + 5 * pairs * self.heads) as u64
    }

    fn tiling(&self) -> String {
        format!("{} queries at once against 4 keys, scores not kept", self.at_once())
    }
}

impl Operator for Attention {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        let count = cx.graph.node(cx.id).inputs.len();
        let mut operands: Vec<NodeId> = (0..count).map(|n| cx.operand(n)).collect();
        operands.push(cx.d_y);
        let all: &[(usize, Of)] = match self.is_packed {
            true => &[(0, Of::Packed)],
            false => &[(0, Of::Query), (1, Of::Memory)],
        };
        let mut gradients = Vec::new();
        for (n, of) in all {
            if cx.needs(*n) {
                let shape = cx.graph.node(cx.operand(*n)).shape.clone();
                let op = AttentionGradient(self.clone(), *of);
                gradients.push((*n, cx.operator(op, operands.clone(), shape, true)));
            }
        }
        gradients
    }

    /// Nothing is dropped.
    fn inference(&self, cx: &mut Lowering<'_>) -> Option<NodeId> {
        if self.dropout == 0.0 {
            return None;
        }
        let operands = (0..self.draws_at()).map(|n| cx.operand(n)).collect();
        Some(cx.operator(Self { dropout: 0.0, ..self.clone() }, operands))
    }

    fn part(&self) -> Option<&'static str> {
        Some("heads")
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        self.flops_of(2)
    }

    fn formula(&self, names: &[String]) -> String {
        let causal = if self.is_causal { " of the positions up to it" } else { "" };
        let mask = match names.get(self.sources()).filter(|_| self.is_masked) {
            Some(mask) => format!("{causal} where {mask} is not 0"),
            None => causal.to_owned(),
        };
        let source = names.get(..self.sources()).unwrap_or_default().join(", ");
        format!("softmax(q kᵀ / sqrt({})) v{mask}, {} heads, from {source}", self.head, self.heads)
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::new(StrategyKind::Tiled, self.tiling())
    }

    fn along_one(&self, _: &Node) -> Option<Along> {
        let (units, numbers) = (self.queries / QUERIES_OF_ONE, QUERIES_OF_ONE * self.width());
        let are_whole = self.queries.is_multiple_of(QUERIES_OF_ONE) && numbers.is_multiple_of(LANES);
        are_whole.then_some(Along::Rows(units, numbers / LANES))
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (sizes, finish) = (self.sizes(cx), cx.closure(&["g", "o"]));
        let (query, memory, draws) = self.operands(cx);
        let mask = self.mask(cx, false);
        let (q, m) = (cx.number(cx.operand_len(0)), cx.number(cx.operand_len(self.sources() - 1)));
        let (keys, at_once) = (cx.number(self.keys), cx.number(self.at_once()));
        quote! {
            rt::attention::forward::<L, #q, #m, #keys, #at_once>(
                #query, #memory, #mask, #draws, #sizes, #finish
            );
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (sizes, room) = (self.sizes(cx), cx.room("mixed"));
        let (query, memory, _) = self.operands(cx);
        let mask = self.mask(cx, true);
        let keys = cx.panels(self.keys);
        let of = match self.queries.is_multiple_of(QUERIES_OF_ONE) {
            true => cx.part_of_one(self.queries / QUERIES_OF_ONE, QUERIES_OF_ONE),
            false => cx.part_of_one(1, self.queries),
        };
        room.made(cx, |y| quote!(rt::attention::single::<L, #keys>(#query, #memory, #mask, #sizes, #of, #y);))
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let meaning = Meaning::new(self, operands);
        let mut y = Vec::with_capacity(meaning.samples * self.queries * self.width());
        for sample in 0..meaning.samples {
            let mut out = ndarray::Array2::<f64>::zeros((self.queries, self.width()));
            for h in 0..self.heads {
                let [_, _, v] = meaning.parts(sample, h);
                let (_, dropped) = meaning.weights(sample, h);
                out.slice_mut(ndarray::s![.., h * self.head..(h + 1) * self.head]).assign(&dropped.dot(&v));
            }
            y.extend(out);
        }
        ndarray::Array1::from(y).into_dyn()
    }
}

impl Operator for AttentionGradient {
    fn name(&self) -> &'static str {
        "attention_gradient"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        self.0.flops_of(match self.1 {
            Of::Packed => 5,
            Of::Query => 3,
            Of::Memory => 4,
        })
    }

    fn formula(&self, names: &[String]) -> String {
        let d_y = names.last().map_or("d_y", String::as_str);
        let scores = format!("p ({d_y} vᵀ - sum(p {d_y} vᵀ)) / sqrt({})", self.0.head);
        match self.1 {
            Of::Packed => {
                format!("d_s k, d_sᵀ q, pᵀ {d_y}; d_s = {scores}, p = softmax(q kᵀ / sqrt({}))", self.0.head)
            }
            Of::Query => format!("d_s k; d_s = {scores}"),
            Of::Memory => format!("d_sᵀ q, pᵀ {d_y}; d_s = {scores}"),
        }
    }

    /// Keys, values and their gradients of a head lie together where the nearest cache would not hold them: a position is
    /// as far from the next as the features of all heads.
    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        let (reason, rows) = (self.0.tiling(), self.0.keys * self.0.head);
        if rows <= ROWS_APART {
            return Strategy::new(StrategyKind::Tiled, reason);
        }
        let copies = if self.1 == Of::Query { 2 } else { 4 };
        Strategy::new(StrategyKind::Gathered(copies * rows), format!("{reason}, those of a head together"))
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (sizes, out) = (self.0.sizes(cx), cx.output());
        let (query, memory, draws) = self.0.operands(cx);
        let mask = self.0.mask(cx, false);
        let at = cx.node.inputs.len().saturating_sub(1);
        let (d_y, o) = (cx.operand(at), cx.number(cx.operand_len(at)));
        let (q, m) = (cx.number(cx.operand_len(0)), cx.number(cx.operand_len(self.0.sources() - 1)));
        let (keys, at_once) = (cx.number(self.0.keys), cx.number(self.0.at_once()));
        let gradients = match self.1 {
            Of::Packed => quote!(Packed),
            Of::Query => quote!(OfQuery),
            Of::Memory => quote!(OfMemory),
        };
        let (near, n) = match cx.strategy.kind {
            // As many as any step of the function needs.
            StrategyKind::Gathered(_) => (cx.partial(), quote!(_)),
            _ => (quote!(&mut []), cx.number(0)),
        };
        quote! {
            rt::attention::backward::<L, #q, #m, #o, #keys, #at_once, #n>(
                #query, #memory, #d_y, #mask, #draws, #sizes, #near, rt::attention::#gradients(#out)
            );
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let Some((d_y, operands)) = operands.split_last() else { return ndarray::ArrayD::zeros(vec![0]) };
        let (attention, width, head) = (&self.0, self.0.width(), self.0.head);
        let meaning = Meaning::new(attention, operands);
        let d_y = super::reference::rows(d_y, width);
        let scale = 1.0 / (head as f64).sqrt();
        let mut out = Vec::new();
        for sample in 0..meaning.samples {
            let mut d_q = ndarray::Array2::<f64>::zeros((attention.queries, width));
            let mut d_k = ndarray::Array2::<f64>::zeros((attention.keys, width));
            let mut d_v = d_k.clone();
            for h in 0..attention.heads {
                let columns = ndarray::s![.., h * head..(h + 1) * head];
                let rows = sample * attention.queries..(sample + 1) * attention.queries;
                let d = d_y.slice(ndarray::s![rows, h * head..(h + 1) * head]).to_owned();
                let [q, k, v] = meaning.parts(sample, h);
                let (weights, dropped) = meaning.weights(sample, h);
                // A weight that is 0 was dropped or hidden: its gradient is 0 in either case.
                let kept = ndarray::Zip::from(&dropped)
                    .and(&weights)
                    .map_collect(|dropped, weight| if *weight == 0.0 { 0.0 } else { dropped / weight });
                let d_weights = d.dot(&v.t()) * &kept;
                let sums = (&weights * &d_weights).sum_axis(ndarray::Axis(1)).insert_axis(ndarray::Axis(1));
                let d_scores = (&d_weights - &sums) * &weights * scale;
                d_q.slice_mut(columns).assign(&d_scores.dot(&k));
                d_k.slice_mut(columns).assign(&d_scores.t().dot(&q));
                d_v.slice_mut(columns).assign(&dropped.t().dot(&d));
            }
            let parts: Vec<&ndarray::Array2<f64>> = match self.1 {
                Of::Packed => vec![&d_q, &d_k, &d_v],
                Of::Query => vec![&d_q],
                Of::Memory => vec![&d_k, &d_v],
            };
            let views: Vec<_> = parts.into_iter().map(|part| part.view()).collect();
            let joined = ndarray::concatenate(ndarray::Axis(1), &views);
            out.extend(joined.unwrap_or_else(|_| ndarray::Array2::zeros((0, 0))));
        }
        ndarray::Array1::from(out).into_dyn()
    }
}

/// What an attention means, a sample and a head at a time.
#[cfg(feature = "reference")]
struct Meaning<'a> {
    attention: &'a Attention,
    query: ndarray::Array2<f64>,
    memory: ndarray::Array2<f64>,
    mask: Option<ndarray::Array2<f64>>,
    draws: Option<ndarray::Array2<f64>>,
    samples: usize,
}

#[cfg(feature = "reference")]
impl<'a> Meaning<'a> {
    fn new(attention: &'a Attention, operands: &[&ndarray::ArrayD<f64>]) -> Self {
        let rows = |n: usize, features: usize| {
            operands.get(n).map(|x| super::reference::rows(x, features)).unwrap_or_default()
        };
        let (width, sources) = (attention.width(), attention.sources());
        let query = rows(0, if attention.is_packed { 3 * width } else { width });
        let memory = if attention.is_packed { query.clone() } else { rows(1, 2 * width) };
        let mask = attention.is_masked.then(|| rows(sources, attention.keys));
        let draws = (attention.dropout > 0.0).then(|| rows(attention.draws_at(), attention.keys));
        let samples = query.nrows() / attention.queries.max(1);
        Self { attention, query, memory, mask, draws, samples }
    }

    /// Queries, keys and values.
    fn parts(&self, sample: usize, h: usize) -> [ndarray::Array2<f64>; 3] {
        let (width, head) = (self.attention.width(), self.attention.head);
        let part = |x: &ndarray::Array2<f64>, positions: usize, from: usize| {
            let rows = sample * positions..(sample + 1) * positions;
            x.slice(ndarray::s![rows, from + h * head..from + (h + 1) * head]).to_owned()
        };
        let keys = if self.attention.is_packed { width } else { 0 };
        [
            part(&self.query, self.attention.queries, 0),
            part(&self.memory, self.attention.keys, keys),
            part(&self.memory, self.attention.keys, keys + width),
        ]
    }

    /// The weights, as they are and with what is dropped.
    fn weights(&self, sample: usize, h: usize) -> (ndarray::Array2<f64>, ndarray::Array2<f64>) {
        let attention = self.attention;
        let [q, k, _] = self.parts(sample, h);
        let mut weights = q.dot(&k.t()) / (attention.head as f64).sqrt();
        for (i, mut row) in weights.rows_mut().into_iter().enumerate() {
            for (j, score) in row.iter_mut().enumerate() {
                let is_masked = self.mask.as_ref().is_some_and(|mask| mask.get((sample, j)) == Some(&0.0));
                if attention.is_causal && j > i || is_masked {
                    *score = f64::NEG_INFINITY;
                }
            }
            let largest = row.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if largest == f64::NEG_INFINITY {
                // Nothing is looked at.
                row.fill(0.0);
                continue;
            }
            row.mapv_inplace(|score| (score - largest).exp());
            let sum = row.sum();
            row.mapv_inplace(|weight| weight / sum);
        }
        let mut dropped = weights.clone();
        if let Some(draws) = &self.draws {
            let from = (sample * attention.heads + h) * attention.queries;
            for ((i, j), weight) in dropped.indexed_iter_mut() {
                let draw = draws.get((from + i, j)).copied().unwrap_or(f64::NAN);
                *weight = if draw < attention.dropout { 0.0 } else { *weight / (1.0 - attention.dropout) };
            }
        }
        (weights, dropped)
    }
}
