//! One operator in a function: what it is given to emit its loops, and what is done with its values.

use std::collections::HashMap;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::function::Argument;
use super::optimizer::UpdateCall;
use super::scalar::{Style, Writer, literal};
use super::tree::Tree;
use super::{Domain, Feature, PassCx, number};
use crate::graph::{Graph, Node, NodeId, Op, Spread};
use crate::plan::{Along, Function, LANES, Strategy};
use crate::scalar::{Scalar, Variable};

/// What an operator is given to emit its code.
#[derive(Debug)]
pub struct KernelCx<'a> {
    /// The graph.
    pub graph: &'a Graph,
    /// The operator's node.
    pub node: &'a Node,
    /// How it is to be computed.
    pub strategy: &'a Strategy,
    pub(super) cx: PassCx<'a>,
    pub(super) function: &'a Function,
    pub(super) id: NodeId,
    pub(super) epilogue: &'a [NodeId],
    pub(super) update: Option<UpdateCall<'a>>,
    /// The step that it repeats, emitted.
    pub(super) step: Option<&'a super::scan::StepFunction<'a>>,
    /// What the function is handed.
    pub(super) arguments: &'a [Argument],
}

impl KernelCx<'_> {
    /// Operand `n`, as an array: a value is a reference of that name, a parameter a field.
    pub fn operand(&self, n: usize) -> TokenStream {
        let Some(id) = self.node.inputs.get(n) else { return quote!(()) };
        match self.graph.node(*id).op {
            Op::Parameter(parameter) => {
                let name = self.cx.parameter_name(parameter);
                quote!(&parameters.#name)
            }
            _ => {
                let name = self.cx.value_name(*id);
                quote!(#name)
            }
        }
    }

    /// Operand `n` as a slice of groups, or of references to them where they lie apart.
    pub fn all_groups(&self, n: usize) -> TokenStream {
        let operand = self.operand(n);
        match self.node.inputs.get(n) {
            Some(id) if self.cx.apart.contains(id) => quote!(&#operand),
            _ => operand,
        }
    }

    /// Operand `n` as `Some(…)`, or `None` where there are fewer.
    pub fn optional(&self, n: usize) -> TokenStream {
        if n < self.node.inputs.len() {
            let operand = self.operand(n);
            quote!(Some(#operand))
        } else {
            quote!(None)
        }
    }

    /// Lanes of operand `n`, for a loop over groups `g`.
    pub fn load(&self, n: usize, feature: &Feature) -> TokenStream {
        self.node.inputs.get(n).map_or_else(|| quote!(L::zero()), |id| self.cx.load(*id, feature))
    }

    /// Values of operand `n`.
    pub fn operand_len(&self, n: usize) -> usize {
        self.node.inputs.get(n).map_or(0, |id| self.graph.node(*id).len())
    }

    /// The type of numbers.
    pub fn element(&self) -> TokenStream {
        self.cx.element()
    }

    /// A real number as a literal of the model's numbers.
    pub fn real(&self, value: f64) -> TokenStream {
        literal(value, self.cx.precision())
    }

    /// A real number as a literal of f64.
    pub fn number_f64(&self, value: f64) -> TokenStream {
        literal(value, crate::program::Precision::F64)
    }

    /// The operator's own value, for one that stores it by itself.
    pub fn output(&self) -> TokenStream {
        let name = self.cx.value_name(self.id);
        quote!(#name)
    }

    /// Groups of samples: the length of the function's slices, or a constant.
    pub fn groups(&self) -> TokenStream {
        self.cx.groups(self.function)
    }

    /// The number of the first panel that the function is given.
    pub fn first_panel(&self) -> TokenStream {
        match self.cx.division(self.function) {
            Some(Along::Panels(_)) => quote!(panels.start),
            _ => quote!(0),
        }
    }

    /// Which of so many panels the function is given.
    pub fn which_panels(&self, all: usize) -> TokenStream {
        let all = number(all);
        match self.cx.division(self.function) {
            Some(Along::Panels(_)) => quote!(panels.clone()),
            _ => quote!(0..#all),
        }
    }

    /// How many of so many panels the function is given.
    pub fn count_of_panels(&self, all: usize) -> TokenStream {
        match self.cx.division(self.function) {
            Some(Along::Panels(_)) => quote!(panels.len()),
            _ => number(all),
        }
    }

    /// Which of so many rows of a kernel the function is given.
    pub fn units(&self, all: usize) -> TokenStream {
        let all = number(all);
        match self.cx.division(self.function) {
            Some(Along::Taps(..)) => quote!(units),
            _ => quote!(0..#all),
        }
    }

    /// Rows of 16 that hold `features` features.
    pub fn panels(&self, features: usize) -> TokenStream {
        number(features.div_ceil(LANES))
    }

    /// Which of so many parts of the value of one sample the function is given, each of `len` numbers of something.
    pub fn part_of_one(&self, all: usize, len: usize) -> TokenStream {
        let (whole, each) = (number(all * len), number(len));
        match self.cx.division(self.function) {
            Some(Along::Rows(..)) if len == 1 => quote!(units.clone()),
            Some(Along::Rows(..)) => quote!(units.start * #each..units.end * #each),
            _ => quote!(0..#whole),
        }
    }

    /// Samples that the groups hold.
    pub fn samples(&self) -> TokenStream {
        quote!(SAMPLES)
    }

    /// Rows of values that have one for each of so many positions of a sample.
    pub fn rows_of(&self, positions: usize) -> TokenStream {
        let positions = number(positions);
        quote!({ SAMPLES * #positions })
    }

    /// Samples in a full batch.
    pub fn batch(&self) -> TokenStream {
        quote!(BATCH)
    }

    /// The constant of the module that the operator calls `name`.
    pub fn constant(&self, name: &str) -> TokenStream {
        let name = self.cx.constants.name(self.graph, self.node, name);
        quote!(#name)
    }

    /// A number as a literal.
    pub fn number(&self, n: usize) -> TokenStream {
        number(n)
    }

    /// Where an operator keeps what it needs while it runs: [`crate::plan::StrategyKind::partial`].
    pub fn partial(&self) -> TokenStream {
        quote!(partial)
    }

    /// Whether a sum of its last operand is asked for, which stands behind it in the function.
    pub fn adds_up(&self) -> bool {
        self.function.is_followed_by_sum(self.id)
    }

    /// What such sums are called.
    pub fn sums(&self) -> TokenStream {
        quote!(sums)
    }

    /// For an operator that is always written out before it is emitted: an error in the emitted code, were it not.
    pub fn lowered(&self) -> TokenStream {
        let message = format!("`{:?}` has no code of its own", self.node.op);
        quote!(::core::compile_error!(#message);)
    }

    /// `|g, o, z| { … }`: what is done with the value `z` at these indices.
    pub fn closure(&self, indices: &[&str]) -> TokenStream {
        let names: Vec<_> = indices.iter().map(|index| format_ident!("{index}")).collect();
        let tokens: Vec<TokenStream> = names.iter().map(|name| quote!(#name)).collect();
        let body = self.finish(&tokens);
        let names = named(&names, &body);
        // A closure that is not inlined would lose the instruction set.
        quote!(#[inline(always)] |#(#names,)* z| { #body })
    }

    /// For an operator whose value is halved on the way: `|g, o, z| …`, what a value becomes before, and what is done with
    /// the largest of a window.
    pub fn halved(&self) -> Option<[TokenStream; 2]> {
        let (pool, epilogue) = self.epilogue.split_last()?;
        if !matches!(self.graph.node(*pool).op, Op::Operator(_)) {
            return None;
        }
        let (g, o) = (format_ident!("g"), format_ident!("o"));
        let (statements, value) = self.in_tile(epilogue, &Feature::Running(quote!(#o)), false);
        let body = if statements.is_empty() { value } else { quote!({ #statements #value }) };
        let names = named(&[g, o.clone()], &body);
        let store = self.cx.store(*pool, &Feature::Running(quote!(#o)), &quote!(z));
        Some([
            quote!(#[inline(always)] |#(#names,)* z| #body),
            quote!(#[inline(always)] |g, o, z| { #store }),
        ])
    }

    /// Where a value of one sample is made, with as many rows as the operator's: in the value that the function gives, or,
    /// where it gives none, in rows of its own by this name.
    pub fn room(&self, name: &str) -> Room {
        let mut values = std::iter::once(&self.id).chain(self.epilogue);
        if let Some(id) = values.find(|id| self.function.writes.contains(id)) {
            let name = self.cx.value_name(*id);
            let rows = match self.cx.division(self.function) {
                Some(Along::Rows(..)) => quote!(#name.rows()),
                _ => quote!(#name),
            };
            let is_done = self.epilogue.is_empty();
            return Room { declared: TokenStream::new(), name, rows, is_done };
        }
        let (name, rows) = (format_ident!("{name}"), self.panels(self.node.len()));
        let declared = quote!(let #name: &mut [Row; #rows] = &mut [ZERO_ROW; #rows];);
        Room { declared, rows: quote!(#name), name, is_done: false }
    }

    /// What is done with the value `z` at these indices: the epilogue, and the stores or the update.
    pub fn finish(&self, indices: &[TokenStream]) -> TokenStream {
        if let Some(update) = &self.update {
            return update.at(indices);
        }
        let feature = match (self.cx.domain, indices) {
            (Domain::Batch, [_, feature]) | (Domain::Single, [feature]) => Feature::Running(feature.clone()),
            _ => Feature::Constant(0),
        };
        let feature = match &feature {
            Feature::Running(tokens) => tokens.to_string().parse().map_or(feature.clone(), Feature::Constant),
            Feature::Constant(_) => feature,
        };
        let (statements, _) = self.in_tile(self.epilogue, &feature, true);
        statements
    }

    /// What is done in the tile with the value `z`, and what comes of it in the end; that need not have a name where it is
    /// used once.
    fn in_tile(&self, epilogue: &[NodeId], feature: &Feature, has_name: bool) -> (TokenStream, TokenStream) {
        let mut last = quote!(z);
        let mut lanes: HashMap<NodeId, TokenStream> = HashMap::from([(self.id, last.clone())]);
        let mut statements: Vec<TokenStream> = Vec::new();
        if self.function.stores(self.id) {
            statements.push(self.cx.store(self.id, feature, &last));
        }
        for (n, id) in epilogue.iter().enumerate() {
            let Op::Pointwise(scalar) = &self.graph.node(*id).op else { continue };
            let (lets, value) = self.pointwise(*id, scalar, feature, &lanes);
            statements.extend(lets);
            if !has_name && n + 1 == epilogue.len() && !self.function.stores(*id) {
                last = value;
                continue;
            }
            let name = if n == 0 { format_ident!("y") } else { format_ident!("y{}", n + 1) };
            statements.push(quote!(let #name = #value;));
            last = quote!(#name);
            if self.function.stores(*id) {
                statements.push(self.cx.store(*id, feature, &last));
            }
            lanes.insert(*id, last.clone());
        }
        (quote!(#(#statements)*), last)
    }

    /// Lanes of an operand of a scalar function in the tile; a list for the features of every position repeats itself.
    fn load_in_tile(&self, id: NodeId, input: NodeId, feature: &Feature) -> TokenStream {
        let node = self.graph.node(id);
        if self.graph.spread(node, input) != Some(Spread::Features) {
            return self.cx.load_for(input, feature, node.len());
        }
        let (row, at) = (node.row(), feature.operand());
        let period = number(row);
        match (self.cx.domain, &self.graph.node(input).op) {
            (Domain::Batch, _) => self.cx.load(input, &Feature::Running(quote!(#at % #period))),
            (Domain::Single, _) if row == LANES => self.cx.load(input, &Feature::Running(number(0))),
            (Domain::Single, _) if row.is_multiple_of(LANES) => {
                let rows = number(row / LANES);
                self.cx.load(input, &Feature::Running(quote!(#at % #rows)))
            }
            (Domain::Single, Op::Parameter(parameter)) => {
                let name = self.cx.parameter_name(*parameter);
                quote!(rt::pack::load_repeated::<L>(&parameters.#name, 16 * #at, #period))
            }
            (Domain::Single, _) => self.cx.load(input, feature),
        }
    }

    fn pointwise(
        &self,
        id: NodeId,
        scalar: &Scalar,
        feature: &Feature,
        lanes: &HashMap<NodeId, TokenStream>,
    ) -> (Vec<TokenStream>, TokenStream) {
        let inputs = &self.graph.node(id).inputs;
        let mut leaf = |variable| match variable {
            Variable::Input(n) => match inputs.get(n as usize) {
                Some(input) => {
                    lanes.get(input).cloned().unwrap_or_else(|| self.load_in_tile(id, *input, feature))
                }
                None => quote!(()),
            },
            Variable::Index => self.cx.index(feature),
            _ => quote!(()),
        };
        Writer::new(Style::Lanes(self.cx.precision()), &mut leaf).formula(scalar)
    }
}

/// Where a kernel makes the value of one sample.
pub struct Room {
    /// What declares it.
    declared: TokenStream,
    name: Ident,
    /// A reference to the rows that the function makes.
    rows: TokenStream,
    /// Whether what the kernel makes is all that is to be there.
    is_done: bool,
}

impl Room {
    /// The code of the kernel, which is given a reference to its rows, and what is done with each of them.
    pub fn made(self, cx: &KernelCx<'_>, kernel: impl FnOnce(&TokenStream) -> TokenStream) -> TokenStream {
        let Self { declared, name, rows, is_done } = self;
        let code = kernel(&rows);
        if is_done {
            return code;
        }
        let finish = cx.finish(&[quote!(p)]);
        let range = match cx.cx.division(cx.function) {
            Some(Along::Rows(units, rows)) => cx.part_of_one(units, rows),
            _ => cx.part_of_one(1, cx.node.len().div_ceil(LANES)),
        };
        quote! {
            #declared
            #code
            for p in #range {
                let z = L::load(&#name[p]);
                #finish
            }
        }
    }
}

/// Names as the parameters of a closure with this body, which need none for what it does not mention.
fn named(names: &[Ident], body: &TokenStream) -> Vec<TokenStream> {
    let body = Tree::all(body.clone());
    let name = |name: &Ident| if Tree::mention(&body, name) { quote!(#name) } else { quote!(_) };
    names.iter().map(name).collect()
}
