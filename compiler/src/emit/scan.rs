//! A step over and over: its own function, and the loop that calls it.
//!
//! The step is a function of one group, so that its code does not depend on how many positions or samples there are. The
//! loop gives it the position's part of each sequence where that lies, without copying it; in the code for one sample,
//! where positions do not begin at a row, they are copied.
//!
//! A step with large products is a function of `G` groups, of two as long as there are two: its weights, which do not
//! stay near the processor from step to step, are read half as often. Then the loop is a function of its own.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{format_ident, quote};

use super::comments::docs;
use super::function::{Argument, ArgumentKind, Emitted, function};
use super::kernel::KernelCx;
use super::tree::Tree;
use super::{Domain, PassCx, names, number};
use crate::graph::{Graph, NodeId, Op};
use crate::ops::scan::Scan;
use crate::plan::{Function, LANES, Pass, Step};

/// The function of a step that is repeated.
#[derive(Debug)]
pub struct StepFunction<'a> {
    pass: &'a Pass,
    /// The values of the scan that something looks at: their numbers, and the nodes that they are.
    values: Vec<(usize, NodeId)>,
    /// `None` where a step only hands on what it is given.
    emitted: Option<Emitted>,
    /// What the loop is called where it is a function of its own.
    loop_name: Ident,
    /// The function.
    pub item: TokenStream,
}

impl<'a> StepFunction<'a> {
    /// For each step of a function the one that it repeats, if it repeats one.
    pub fn all(cx: PassCx<'a>, function: &'a Function, name: &str) -> Vec<Option<Self>> {
        let mut n_repeated = 0;
        let steps = function.steps.iter().map(|step| match step {
            Step::Kernel { node, parts, body: Some(pass), .. } => {
                n_repeated += 1;
                let Op::Operator(op) = &cx.graph().node(*node).op else { return None };
                let values = kept(cx.graph(), function, *node, parts, op.scan()?);
                let step = PassCx { pass, at_position: None, ..cx };
                let apart = if step.is_of_pairs() { apart(pass, op.scan()?, &values) } else { vec![] };
                let name = |word: &str| inner_name(name, word, n_repeated);
                Some(Self::new(PassCx { apart: &apart, ..step }, pass, values, name))
            }
            _ => None,
        });
        steps.collect()
    }

    fn new(
        cx: PassCx<'_>,
        pass: &'a Pass,
        values: Vec<(usize, NodeId)>,
        name: impl Fn(&str) -> String,
    ) -> Self {
        let emitted = pass.functions.first().map(|planned| function(cx, planned, &name("step"), None));
        let item = emitted.as_ref().map(Emitted::item).unwrap_or_default();
        Self { pass, values, emitted, loop_name: names::ident(&name("steps")), item }
    }
}

/// The values of a scan that something looks at: their numbers, and the nodes that they are for the function.
fn kept(
    graph: &Graph,
    function: &Function,
    id: NodeId,
    parts: &[NodeId],
    scan: &Scan,
) -> Vec<(usize, NodeId)> {
    let node = |n: usize| match n {
        0 => Some(id),
        _ => parts.iter().copied().find(|id| graph.node(*id).op == Op::Part(n as u32)),
    };
    let values = (0..scan.values.len()).filter_map(|n| Some((n, node(n)?)));
    values.filter(|(_, id)| function.writes.contains(id)).collect()
}

/// What a step is given of sequences, and what it puts into them.
fn apart(pass: &Pass, scan: &Scan, values: &[(usize, NodeId)]) -> Vec<NodeId> {
    let n_states = scan.states.len();
    let operand = |id: &NodeId| match pass.graph.node(*id).op {
        Op::Operand(n) => Some(n as usize),
        _ => None,
    };
    let given = pass.graph.ids().filter(|id| operand(id).is_some_and(|n| n >= n_states));
    let results = values.iter().filter_map(|(n, _)| scan.result(n_states + n));
    given.chain(results.filter(|id| operand(id).is_none())).collect()
}

/// `lstm_step_forward` for `lstm_forward`, `lstm_step_one` for `lstm_one`.
fn inner_name(name: &str, word: &str, n: usize) -> String {
    let number = if n == 1 { String::new() } else { format!("_{n}") };
    let at = ["_forward", "_backward", "_one"].iter().filter_map(|end| name.rfind(end)).max();
    match at.and_then(|at| name.split_at_checked(at)) {
        Some((layer, rest)) => format!("{layer}_{word}{number}{rest}"),
        None => format!("{name}_{word}{number}"),
    }
}

/// What is done with a result of a step.
struct Result {
    node: NodeId,
    len: usize,
    /// What the state or the value that it becomes is called: a state is an array of its own, a value lies in memory.
    to: TokenStream,
    is_state: bool,
}

impl KernelCx<'_> {
    /// The loop of a scan.
    pub fn repeated(&self, scan: &Scan) -> TokenStream {
        let Some(step) = self.step else { return self.lowered() };
        let repeat = Repeat { cx: self, scan, step };
        let groups = self.groups();
        let steps = repeat.steps();
        if repeat.is_of_pairs() {
            let (name, arguments) = (&step.loop_name, repeat.loop_arguments(&steps));
            let arguments: Vec<&Ident> = arguments.iter().map(|argument| &argument.name).collect();
            return quote! {
                let paired = #groups / 2 * 2;
                for g in (0..paired).step_by(2) {
                    #name::<L, 2>(g, #(#arguments),*);
                }
                for g in paired..#groups {
                    #name::<L, 1>(g, #(#arguments),*);
                }
            };
        }
        match self.cx.domain {
            Domain::Batch => quote!(for g in 0..#groups { #steps }),
            Domain::Single => steps,
        }
    }

    /// The loop as a function of `G` groups from group `g` on, for a scan that is run for two of them at a time.
    pub fn steps_of_pairs(&self, scan: &Scan) -> Option<TokenStream> {
        let step = self.step?;
        let repeat = Repeat { cx: self, scan, step };
        if !repeat.is_of_pairs() {
            return None;
        }
        let (name, element, steps) = (&step.loop_name, self.element(), repeat.steps());
        let arguments = repeat.loop_arguments(&steps);
        let arguments = arguments.iter().map(|argument| argument.declared(&TokenStream::new()));
        let docs = docs([
            "All steps, one after the other, for `G` groups of samples from group `g` on: each reads its weights once for all"
                .to_owned(),
            "of them.".to_owned(),
        ]);
        Some(quote! {
            #docs
            #[inline(always)]
            fn #name<L: Lanes<Elem = #element>, const G: usize>(g: usize, #(#arguments),*) {
                #steps
            }
        })
    }
}

struct Repeat<'a> {
    cx: &'a KernelCx<'a>,
    scan: &'a Scan,
    step: &'a StepFunction<'a>,
}

impl Repeat<'_> {
    fn domain(&self) -> Domain {
        self.cx.cx.domain
    }

    fn is_of_pairs(&self) -> bool {
        self.step.pass.is_of_pairs && self.domain() == Domain::Batch
    }

    /// States as they begin, and the loop.
    fn steps(&self) -> TokenStream {
        let positions = number(self.scan.positions);
        let range = if self.scan.is_reverse { quote!((0..#positions).rev()) } else { quote!(0..#positions) };
        let (start, body) = (self.start(), self.body());
        quote!(#start for t in #range { #body })
    }

    /// What the loop needs of what the function is handed.
    fn loop_arguments(&self, steps: &TokenStream) -> Vec<&Argument> {
        let steps = Tree::all(steps.clone());
        self.cx.arguments.iter().filter(|argument| Tree::mention(&steps, &argument.name)).collect()
    }

    /// Groups of samples that a step is for.
    fn groups(&self) -> TokenStream {
        if self.is_of_pairs() { quote!(G) } else { quote!(1) }
    }

    /// Position `t` of a value of the model.
    fn at(&self, value: &TokenStream) -> TokenStream {
        if self.is_of_pairs() {
            quote!(rt::sequence::each_at(#value, g, t))
        } else {
            quote!(rt::sequence::at(&#value[g], t))
        }
    }

    /// The same, to be written to.
    fn at_mut(&self, value: &TokenStream) -> TokenStream {
        if self.is_of_pairs() {
            quote!(rt::sequence::each_at_mut(#value, g, t))
        } else {
            quote!(rt::sequence::at_mut(&mut #value[g], t))
        }
    }

    /// What `from`, a reference or several of them, refers to.
    fn value_of(&self, from: &TokenStream) -> TokenStream {
        if self.is_of_pairs() && !is_local(from) {
            quote!(rt::sequence::gathered(#from))
        } else {
            value_of(from)
        }
    }

    /// `[[Row; 4]; 1]` with `row` in each place.
    fn array(&self, len: usize, row: &TokenStream) -> TokenStream {
        let len = match self.domain() {
            Domain::Batch => len,
            Domain::Single => len.div_ceil(LANES),
        };
        let len = number(len);
        match self.domain() {
            Domain::Batch => {
                let groups = self.groups();
                quote!([[#row; #len]; #groups])
            }
            Domain::Single => quote!([#row; #len]),
        }
    }

    fn len(&self, id: NodeId) -> usize {
        self.scan.body.node(id).len()
    }

    /// The node that stands for state `n`, or behind all of them a sequence.
    fn operand(&self, n: usize) -> Option<NodeId> {
        let body = &self.step.pass.graph;
        body.ids().find(|id| body.node(*id).op == Op::Operand(n as u32))
    }

    /// What a state is called.
    fn state(&self, n: usize) -> Ident {
        match self.operand(n).and_then(|id| self.step.pass.value(id)) {
            Some(value) => self.local(&value.name),
            None => self.local(&format!("state_{n}")),
        }
    }

    /// A name of the step for an array of the loop, where the model's values have names too.
    fn local(&self, name: &str) -> Ident {
        let mut name = name.to_owned();
        while self.cx.cx.pass.values.iter().any(|value| value.name == name) {
            name.push_str("_now");
        }
        names::ident(&name)
    }

    /// The model's value that value `n` of the scan is, if anything looks at it.
    fn value(&self, n: usize) -> Option<NodeId> {
        self.step.values.iter().find(|(value, _)| *value == n).map(|(_, id)| *id)
    }

    /// Everything that a step gives and something looks at.
    fn results(&self) -> Vec<Result> {
        let n_states = self.scan.states.len();
        let results = self.step.pass.graph.results.iter().enumerate();
        let results = results.filter_map(|(n, node)| {
            let (to, is_state) = match n.checked_sub(n_states) {
                None => {
                    let name = self.state(n);
                    (quote!(#name), true)
                }
                Some(n) => {
                    let name = self.cx.cx.value_name(self.value(n)?);
                    (quote!(#name), false)
                }
            };
            Some(Result { node: *node, len: self.len(*node), to, is_state })
        });
        results.collect()
    }

    /// Where a node that the step computes is put: straight into the first value that it is, or beside.
    fn place(&self, id: NodeId) -> Option<Result> {
        if self.domain() == Domain::Single {
            return None;
        }
        self.results().into_iter().find(|result| result.node == id && !result.is_state)
    }

    fn arguments(&self) -> &[Argument] {
        self.step.emitted.as_ref().map_or(&[], |emitted| &emitted.arguments)
    }

    /// Arrays of the states and of what lies beside.
    fn start(&self) -> TokenStream {
        let states = self.scan.states.iter().enumerate().map(|(n, state)| {
            let (name, initial) = (self.state(n), self.cx.real(state.initial));
            if let Some(at) = self.scan.given().nth(n) {
                let before = self.cx.operand(at);
                if self.is_of_pairs() {
                    return quote! {
                        let mut #name = rt::Aligned(rt::sequence::gathered(
                            rt::sequence::each_at(#before, g, 0)
                        ));
                    };
                }
                return quote!(let mut #name = rt::Aligned([#before[g]]););
            }
            let row = if state.initial == 0.0 { quote!(ZERO_ROW) } else { quote!([#initial; 16]) };
            let len = self.step.pass.graph.results.get(n).map_or(0, |next| self.len_of(*next));
            let array = self.array(len, &row);
            quote!(let mut #name = rt::Aligned(#array);)
        });
        let beside = self.arguments().iter().filter_map(|argument| {
            let len = match argument.kind {
                ArgumentKind::Partial(len) => len,
                ArgumentKind::Value(id) if argument.is_mut && self.place(id).is_none() => self.len_of(id),
                _ => return None,
            };
            let name = self.local(&argument.name.to_string());
            let array = self.array(len, &quote!(ZERO_ROW));
            Some(quote!(let mut #name = rt::Aligned(#array);))
        });
        quote!(#(#states)* #(#beside)*)
    }

    fn len_of(&self, id: NodeId) -> usize {
        self.step.pass.graph.node(id).len()
    }

    /// One position: what is kept of the states, the step, and what becomes of what it gives.
    fn body(&self) -> TokenStream {
        let results = self.results();
        let body = &self.step.pass.graph;
        let is_given = |result: &Result| matches!(body.node(result.node).op, Op::Operand(_));
        let before = results.iter().filter(|result| is_given(result) && !result.is_state);
        let before = before.map(|result| self.copy(result, &self.given(result.node)));
        let call = self.call();
        // All of them are read before one of them changes.
        let handed_on: Vec<(&Result, TokenStream)> = results
            .iter()
            .filter(|result| is_given(result) && result.is_state)
            .map(|result| (result, self.given(result.node)))
            .filter(|(result, from)| {
                quote!(&).to_string() + &result.to.to_string() != from.to_string().replace(' ', "")
            })
            .collect();
        let targets = handed_on.iter().map(|(result, _)| &result.to);
        let sources = handed_on.iter().map(|(_, from)| self.value_of(from));
        let handed_on = match handed_on.len() {
            0 => TokenStream::new(),
            1 => quote!(#(*#targets)* = #(#sources)*;),
            _ => quote!((#(*#targets),*) = (#(#sources),*);),
        };
        let placed = |result: &Result| {
            self.place(result.node)
                .is_some_and(|place| !result.is_state && place.to.to_string() == result.to.to_string())
        };
        let after = results.iter().filter(|result| !is_given(result) && !placed(result)).map(|result| {
            let from = match self.place(result.node) {
                Some(place) => self.at(&place.to),
                None => {
                    let name = self.step_name(result.node);
                    quote!(&#name)
                }
            };
            self.copy(result, &from)
        });
        quote!(#(#before)* #call #handed_on #(#after)*)
    }

    /// What a value of the step is called there.
    fn step_name(&self, id: NodeId) -> Ident {
        self.step.pass.value(id).map_or_else(
            || format_ident!("v{}", id.0),
            |value| self.local(names::ident(&value.name).to_string().as_str()),
        )
    }

    /// A reference to what the step is given for an operand of its own.
    fn given(&self, id: NodeId) -> TokenStream {
        let Op::Operand(n) = self.step.pass.graph.node(id).op else { return quote!(()) };
        match (n as usize).checked_sub(self.scan.states.len()) {
            None => {
                let name = self.state(n as usize);
                quote!(&#name)
            }
            Some(n) => {
                let source = self.cx.operand(n);
                match self.domain() {
                    Domain::Batch => self.at(&source),
                    Domain::Single => {
                        let (len, panels) =
                            (number(self.len_of(id)), number(self.len_of(id).div_ceil(LANES)));
                        quote!(&rt::sequence::row::<_, #panels>(#source, t * #len, #len))
                    }
                }
            }
        }
    }

    /// `from`, a reference, is put where a result belongs.
    fn copy(&self, result: &Result, from: &TokenStream) -> TokenStream {
        let to = &result.to;
        match (result.is_state, self.domain()) {
            (true, _) => {
                let value = self.value_of(from);
                quote!(*#to = #value;)
            }
            (false, Domain::Batch) if self.is_of_pairs() => {
                let to = self.at_mut(to);
                if is_local(from) {
                    return quote!(rt::sequence::put(#from, #to););
                }
                // From one sequence to another: nothing else says how long they are.
                let len = number(result.len);
                quote!(rt::sequence::put::<_, #len, G>(&rt::sequence::gathered(#from), #to);)
            }
            (false, Domain::Batch) if !is_local(from) => {
                let (value, len) = (value_of(from), number(result.len));
                quote!(*rt::sequence::at_mut::<_, #len, _>(&mut #to[g], t) = #value;)
            }
            (false, Domain::Batch) => {
                let (value, to) = (value_of(from), self.at_mut(to));
                quote!(*#to = #value;)
            }
            (false, Domain::Single) => {
                let len = number(result.len);
                let value = value_of(from);
                quote!(rt::pack::copy_features(&#value, 0, #to, t * #len, #len);)
            }
        }
    }

    /// The call of the step.
    fn call(&self) -> TokenStream {
        let Some(emitted) = &self.step.emitted else { return TokenStream::new() };
        let arguments = emitted.arguments.iter().map(|argument| {
            let name = self.local(&argument.name.to_string());
            match argument.kind {
                ArgumentKind::Value(id) if argument.is_mut => match self.place(id) {
                    Some(place) => self.at_mut(&place.to),
                    None => quote!(&mut #name),
                },
                ArgumentKind::Value(id) => self.given(id),
                ArgumentKind::Partial(_) => quote!(&mut #name),
                _ => {
                    let name = &argument.name;
                    quote!(#name)
                }
            }
        });
        let name = &emitted.name;
        let groups = self.is_of_pairs().then(|| quote!(, G));
        quote!(#name::<L #groups>(#(#arguments),*);)
    }
}

/// Whether a reference is `&h`.
fn is_local(reference: &TokenStream) -> bool {
    reference.clone().into_iter().count() == 2
}

/// What a reference refers to: `*h` for `&h`, which is aligned.
fn value_of(reference: &TokenStream) -> TokenStream {
    let mut tokens = reference.clone().into_iter();
    match (tokens.next(), tokens.next(), tokens.next()) {
        (Some(TokenTree::Punct(first)), Some(TokenTree::Ident(name)), None) if first.as_char() == '&' => {
            quote!(*#name)
        }
        (Some(TokenTree::Punct(first)), ..) if first.as_char() == '&' => {
            reference.clone().into_iter().skip(1).collect()
        }
        _ => quote!(*#reference),
    }
}
