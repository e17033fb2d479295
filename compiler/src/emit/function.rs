//! One emitted function: a layer and a direction.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::quote;

use super::comments::{comment, docs};
use super::documentation::{function_docs, step_comment};
use super::kernel::KernelCx;
use super::optimizer::Optimizer;
use super::parameters::gradient_type;
use super::rows::rows;
use super::scan::StepFunction;
use super::shared::{Names, Place};
use super::sizes::{Family, Sizes};
use super::skeleton::Skeleton;
use super::tree::{Tree, mentions};
use super::{Domain, PassCx, names};
use crate::graph::{Graph, NodeId, Op, ParameterId, ValueLayout};
use crate::plan::{Access, Along, Function, Step};

/// A function, and the entry that runs it.
#[derive(Debug, Clone)]
pub struct Emitted {
    /// Its name.
    pub name: Ident,
    /// The entry's name.
    pub entry: Ident,
    /// Functions of its own that come before it.
    pub before: TokenStream,
    /// Its doc comment; of one that layers may share only the first has one, [`documentation`].
    pub docs: TokenStream,
    /// Its body.
    pub code: TokenStream,
    /// The type of its numbers.
    pub element: TokenStream,
    /// What it returns.
    pub returns: Option<TokenStream>,
    /// Whether its work can be divided.
    pub is_divided: bool,
    /// Whether it is for `G` groups of samples, two at a time.
    pub is_of_pairs: bool,
    /// Those that are this one but for names and sizes, if other layers may share it.
    pub family: Option<Family>,
    /// The layers that share it.
    pub layers: Vec<String>,
    /// The arguments, in order.
    pub arguments: Vec<Argument>,
}

impl Emitted {
    /// The function with its comments, in the table of those that have entries.
    pub fn kernel(&self) -> TokenStream {
        let (entry, name, sizes) = (&self.entry, &self.name, self.sizes());
        let (types, code) = (self.types(), self.code.clone());
        let (types, code) = match sizes {
            Some(sizes) => sizes.put(types, code),
            None => (types, code),
        };
        let arguments = self.arguments.iter().zip(types);
        let arguments =
            arguments.map(|(argument, ty)| Argument { ty, ..argument.clone() }.declared(&quote!('a)));
        let docs = self.all_docs();
        let sizes = sizes.iter().flat_map(|sizes| sizes.names()).map(|name| quote!(, const #name: usize));
        let returns = self.returns.as_ref().map(|ty| quote!(-> #ty));
        let each = self.is_divided.then(|| quote!(, each));
        quote! {
            #docs
            #[entry(#entry #each)]
            fn #name<'a #(#sizes)*>(#(#arguments),*) #returns {
                #code
            }
        }
    }

    /// The function by itself, for one that others call.
    pub fn item(&self) -> TokenStream {
        let (name, element, docs, code) = (&self.name, &self.element, &self.docs, &self.code);
        let arguments = self.arguments.iter().map(|argument| argument.declared(&TokenStream::new()));
        let returns = self.returns.as_ref().map(|ty| quote!(-> #ty));
        let groups = self.is_of_pairs.then(|| quote!(, const G: usize));
        quote! {
            #docs
            #[inline(always)]
            fn #name<L: Lanes<Elem = #element> #groups>(#(#arguments),*) #returns {
                #code
            }
        }
    }

    fn all_docs(&self) -> TokenStream {
        let docs = &self.docs;
        let shared = (self.layers.len() > 1).then(|| {
            let layers: Vec<String> = self.layers.iter().map(|layer| format!("`{layer}`")).collect();
            let list = super::comments::names_in_a_line(&layers);
            let has_sizes = self.sizes().is_some_and(|sizes| sizes.names().next().is_some());
            let of_first = if has_sizes { " Sizes above are those of the first." } else { "" };
            super::comments::docs([String::new(), format!("Shared by {list}.{of_first}")])
        });
        quote!(#docs #shared)
    }

    fn types(&self) -> Vec<TokenStream> {
        self.arguments.iter().map(|argument| argument.ty.clone()).collect()
    }

    /// The sizes that are parameters of it.
    pub fn sizes(&self) -> Option<&Sizes> {
        let is_taken = |name: &Ident| mentions(&self.code, name) || name == "L";
        self.family.as_ref().map(|family| family.sizes(is_taken))
    }

    /// Whether two functions are the same to the last token.
    pub fn is_same(&self, other: &Self) -> bool {
        let text = |emitted: &Self| format!("{} {}", emitted.before, emitted.item());
        text(self) == text(other)
    }
}

/// An argument of an emitted function.
#[derive(Debug, Clone)]
pub struct Argument {
    /// Its name.
    pub name: Ident,
    /// Whether the function writes to it.
    pub is_mut: bool,
    /// What it is.
    pub kind: ArgumentKind,
    /// Its type, without the reference.
    pub ty: TokenStream,
    /// How it is handed over.
    pub form: Form,
}

/// How an argument is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// By reference.
    Reference,
    /// By value.
    Value,
    /// A weight, as what can be divided along the rows of a convolution's kernel.
    Taps,
    /// A value, by reference, as positions one after the other; all of them have so many features.
    Positions(usize),
    /// A value of `G` groups, each by reference.
    Apart,
    /// A value of one sample that is so many rows, in parts.
    Part(usize),
}

impl Argument {
    /// The type of what it is made of where the function is called, without the reference.
    pub fn whole(&self) -> TokenStream {
        match self.form {
            Form::Positions(len) => {
                let len = super::number(len);
                quote!([[Row; #len]])
            }
            Form::Part(rows) => {
                let rows = super::number(rows);
                quote!([Row; #rows])
            }
            _ => self.ty.clone(),
        }
    }

    /// What the function is handed of a reference to the whole.
    pub fn handed(&self, whole: TokenStream) -> TokenStream {
        match (self.form, self.is_mut) {
            (Form::Taps, _) => quote!(rt::Taps::new(#whole)),
            (Form::Part(_), _) => quote!(rt::Part::new(#whole)),
            (Form::Positions(_), true) => quote!(rt::positions_mut(#whole)),
            (Form::Positions(_), false) => quote!(rt::positions(#whole)),
            (Form::Reference | Form::Value | Form::Apart, _) => whole,
        }
    }

    /// `x: &'a mut [[Row; 4]]`
    pub fn declared(&self, lifetime: &TokenStream) -> TokenStream {
        let Self { name, ty, .. } = self;
        match (self.form, self.is_mut) {
            (Form::Value, _) => quote!(#name: #ty),
            (Form::Taps, _) => quote!(#name: rt::Taps<#lifetime, #ty>),
            (Form::Part(_), _) => quote!(#name: rt::Part<#lifetime, #ty>),
            (Form::Apart, true) => quote!(#name: [&#lifetime mut #ty; G]),
            (Form::Apart, false) => quote!(#name: [&#lifetime #ty; G]),
            (Form::Reference | Form::Positions(_), true) => quote!(#name: &#lifetime mut #ty),
            (Form::Reference | Form::Positions(_), false) => quote!(#name: &#lifetime #ty),
        }
    }
}

/// What an argument is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgumentKind {
    /// A value.
    Value(NodeId),
    /// What operators keep while they run, so many rows for a group of samples.
    Partial(usize),
    /// The parameters.
    Parameters,
    /// One of the parameters, or of a state or the gradients: `parameters.weight`.
    Field(Vec<Ident>),
    /// The optimizer's states.
    State,
    /// Gradients that are kept until all are there.
    Gradients,
    /// What the random numbers of the step depend on.
    Draws,
    /// The number, in the batch, of the first group that the function is given.
    FirstGroup,
    /// Which panels of the weight, or rows of the kernel, it is given, of so many.
    Units(usize),
    /// Numbers of the step.
    Rates,
}

/// What a function calls its values.
fn names_in(cx: PassCx<'_>, function: &Function) -> Names {
    // A step is handed all parameters, and its own function has the name of its layer.
    let is_whole = cx.graph().is_step() || function.repeats();
    let place = Place::of(&cx.graph().layer(function.layer).name).filter(|_| !is_whole);
    place.map(|place| Names::new(place, cx.pass, function)).unwrap_or_default()
}

/// The doc comment of a function.
pub fn documentation(cx: PassCx<'_>, function: &Function) -> TokenStream {
    let names = names_in(cx, function);
    docs(function_docs(PassCx { names: &names, ..cx }, function))
}

/// Emits a function.
pub fn function(cx: PassCx<'_>, function: &Function, name: &str, optimizer: Option<&Optimizer>) -> Emitted {
    let names = names_in(cx, function);
    let is_shared = names.is_shared();
    let docs = if is_shared { TokenStream::new() } else { documentation(cx, function) };
    let layer = &cx.graph().layer(function.layer).name;
    let cx = PassCx { names: &names, ..cx };
    let has_comments = function.steps.len() > 1;
    let comments = function.steps.iter().map(|step| has_comments.then(|| comment(&step_comment(cx, step))));
    let comments: Vec<Option<TokenStream>> = comments.collect();
    let at_position = if cx.domain == Domain::Batch { cx.pass.at_position(function) } else { None };
    let cx = PassCx { at_position, ..cx };
    let arguments = arguments(cx, function, optimizer);
    let steps = StepFunction::all(cx, function, name);
    let mut before = Vec::new();
    let mut body = Vec::new();
    for ((step, repeated), comment) in function.steps.iter().zip(&steps).zip(&comments) {
        let code = match step {
            Step::Kernel { node, epilogue, update, strategy, .. } => {
                let graph = cx.graph();
                let op_node = graph.node(*node);
                let Op::Operator(op) = &op_node.op else { continue };
                let update = update.and_then(|parameter| {
                    let is_later = adds_to_earlier(graph, parameter, *node);
                    optimizer.map(|optimizer| {
                        optimizer.call(parameter.0 as usize, cx.parameter_name(parameter)).later(is_later)
                    })
                });
                let kernel = KernelCx {
                    graph,
                    node: op_node,
                    strategy,
                    cx,
                    function,
                    id: *node,
                    epilogue,
                    update,
                    step: repeated.as_ref(),
                    arguments: &arguments,
                };
                before.extend(repeated.iter().map(|step| step.item.clone()));
                before.extend(op.scan().and_then(|scan| kernel.steps_of_pairs(scan)));
                match cx.domain {
                    Domain::Batch => op.emit(&kernel),
                    Domain::Single => op.emit_single(&kernel),
                }
            }
            Step::Rows { nodes } => rows(cx, function, nodes),
        };
        body.push(quote!(#comment #code));
    }
    let returns_total = function.steps.iter().any(|step| has_total(cx, step));
    let element = cx.element();
    let (start, end, returns) = if returns_total {
        (quote!(let mut total = L::zero();), quote!(total.sum()), Some(element.clone()))
    } else {
        (TokenStream::new(), TokenStream::new(), None)
    };
    let locals: Vec<Ident> = function.locals.iter().map(|id| cx.value_name(*id)).collect();
    let declared = function.locals.iter().zip(&locals).map(|(id, name)| {
        let zero = cx.zero(*id);
        quote!(let #name = &mut #zero;)
    });
    let code = Tree::all(quote!(#(#declared)* #start #(#body)* #end));
    let division = cx.division(function);
    let has_fields = is_shared || matches!(division, Some(Along::Panels(_) | Along::Taps(..)));
    let (code, arguments) =
        if has_fields { names.share(code, arguments, cx.graph(), cx.parameters) } else { (code, arguments) };
    let arguments = arguments.into_iter().map(|argument| divided(cx, argument, division)).collect::<Vec<_>>();
    let lengths = lengths(cx, function, &arguments, &code);
    let code: Vec<Tree> = Tree::all(lengths.unwrap_or_default()).into_iter().chain(code).collect();
    let entry = names::type_ident(name);
    let name = names::ident(name);
    let before = quote!(#(#before)*);
    let family = is_shared.then(|| Family::new(Skeleton::of_function(&name, &arguments, &locals, &code)));
    Emitted {
        name,
        entry,
        before,
        docs,
        code: Tree::tokens(code),
        element,
        returns,
        is_divided: division.is_some(),
        is_of_pairs: cx.is_of_pairs(),
        family,
        layers: vec![layer.clone()],
        arguments,
    }
}

/// The number of groups that a function is given, and that its slices are equally long: said once, so that no loop over
/// groups checks it.
fn lengths(
    cx: PassCx<'_>,
    function: &Function,
    arguments: &[Argument],
    code: &[Tree],
) -> Option<TokenStream> {
    if cx.domain == Domain::Single || cx.graph().is_step() || !function.is_by_group(cx.graph()) {
        return None;
    }
    let slices = arguments.iter().filter(|argument| match argument.kind {
        ArgumentKind::Value(id) => cx.graph().layout(id) == ValueLayout::BatchLane,
        ArgumentKind::Partial(_) => true,
        _ => false,
    });
    let slices: Vec<&Ident> = slices.map(|argument| &argument.name).collect();
    if Tree::mention(code, &names::ident("groups")) {
        return Some(quote!(let groups = rt::groups!(#(#slices),*);));
    }
    (slices.len() > 1).then(|| quote!(rt::groups!(#(#slices),*);))
}

/// Whether a kernel before this one makes a gradient of the same parameter.
pub(super) fn adds_to_earlier(graph: &Graph, parameter: ParameterId, gradient: NodeId) -> bool {
    let mut earlier = graph.updates.iter().filter(|update| update.gradient < gradient);
    earlier.any(|update| update.parameter == parameter)
}

fn has_total(cx: PassCx<'_>, step: &Step) -> bool {
    step.nodes().iter().any(|id| matches!(cx.graph().node(*id).op, Op::Total))
}

fn arguments(cx: PassCx<'_>, function: &Function, optimizer: Option<&Optimizer>) -> Vec<Argument> {
    let total = |id: &NodeId| matches!(cx.graph().node(*id).op, Op::Total);
    let value = |id: &NodeId, is_mut: bool| Argument {
        name: cx.value_name(*id),
        is_mut,
        kind: ArgumentKind::Value(*id),
        ty: cx.value_type(*id, function),
        form: if cx.apart.contains(id) { Form::Apart } else { Form::Reference },
    };
    let mut arguments: Vec<Argument> = function.reads.iter().map(|id| value(id, false)).collect();
    let fixed = |name: &str, is_mut, kind, ty| {
        let form = Form::Reference;
        Argument { name: names::ident(name), is_mut, kind, ty, form }
    };
    let number = |name: &str, kind, ty| Argument { form: Form::Value, ..fixed(name, false, kind, ty) };
    let stores = optimizer.is_some_and(|optimizer| optimizer.source.stores_gradients());
    if function.parameters != Access::None {
        let is_mut = function.parameters == Access::Update && !stores;
        if !stores || reads_parameters(cx, function) {
            arguments.push(fixed("parameters", is_mut, ArgumentKind::Parameters, quote!(Parameters)));
        }
    }
    if function.parameters == Access::Update && stores {
        let ty = gradient_type(cx.graph());
        arguments.push(fixed("gradients", true, ArgumentKind::Gradients, quote!(#ty)));
    } else if function.parameters == Access::Update
        && let Some(optimizer) = optimizer
    {
        if !optimizer.states.is_empty() {
            arguments.push(fixed("state", true, ArgumentKind::State, quote!(State)));
        }
        if optimizer.has_rates() {
            arguments.push(fixed("rates", false, ArgumentKind::Rates, quote!(Rates)));
        }
    }
    if function.draws {
        arguments.push(fixed("draws", false, ArgumentKind::Draws, quote!(rt::random::Draws)));
        arguments.push(number("first_group", ArgumentKind::FirstGroup, quote!(rt::First)));
    }
    match cx.division(function) {
        Some(Along::Panels(panels)) if turns(cx, function) => {
            arguments.push(number("panels", ArgumentKind::Units(panels), quote!(rt::Units)));
        }
        Some(Along::Taps(units, _) | Along::Rows(units, _)) => {
            arguments.push(number("units", ArgumentKind::Units(units), quote!(rt::Units)));
        }
        _ => {}
    }
    if let Some(len) = function.partial
        && cx.domain == Domain::Batch
    {
        let positions = match function.division(cx.graph()) {
            Some(Along::Positions(positions)) => positions,
            _ => 1,
        };
        let ty = cx.lanes_type(len / positions, function);
        arguments.push(fixed("partial", true, ArgumentKind::Partial(len), ty));
    }
    arguments.extend(function.writes.iter().filter(|id| !total(id)).map(|id| value(id, true)));
    arguments
}

/// Whether a function turns values over, so that lanes are features.
fn turns(cx: PassCx<'_>, function: &Function) -> bool {
    let mut nodes = function.steps.iter().flat_map(Step::nodes);
    nodes.any(|id| cx.graph().turns(id))
}

/// An argument of a function whose work is divided: what has an element for each unit is a slice.
fn divided(cx: PassCx<'_>, argument: Argument, division: Option<Along>) -> Argument {
    let is_turned = |id: &NodeId| cx.graph().layout(*id) == ValueLayout::SampleRows;
    match (division, &argument.kind) {
        (Some(Along::Positions(_)), ArgumentKind::Value(id))
            if cx.graph().layout(*id) == ValueLayout::BatchLane =>
        {
            Argument { form: Form::Positions(cx.pass.graph.node(*id).len()), ..argument }
        }
        (Some(Along::Positions(_)), ArgumentKind::Partial(len)) => {
            Argument { form: Form::Positions(*len), ..argument }
        }
        (Some(Along::Panels(_)), ArgumentKind::Field(_)) => {
            Argument { ty: without_length(argument.ty), ..argument }
        }
        (Some(Along::Panels(_)), ArgumentKind::Value(id)) if is_turned(id) => {
            Argument { ty: without_length(argument.ty), ..argument }
        }
        (Some(Along::Taps(_, unit)), ArgumentKind::Field(_)) if argument.is_mut => {
            let (element, panels, unit) = (cx.element(), length(&argument.ty), super::number(unit));
            Argument { ty: quote!(#element, #panels, #unit), form: Form::Taps, ..argument }
        }
        (Some(Along::Rows(units, unit)), ArgumentKind::Value(_)) if argument.is_mut => {
            let (rows, unit) = (units * unit, super::number(unit));
            Argument { ty: quote!(Row, #unit), form: Form::Part(rows), ..argument }
        }
        _ => argument,
    }
}

/// `[[Row; 25]]` for `[[Row; 25]; 1]`.
fn without_length(ty: TokenStream) -> TokenStream {
    let (element, _) = parts(ty);
    quote!([#element])
}

/// `1` for `[[Row; 25]; 1]`.
fn length(ty: &TokenStream) -> TokenStream {
    parts(ty.clone()).1
}

/// Element and length of the type of an array.
fn parts(ty: TokenStream) -> (TokenStream, TokenStream) {
    let Some(TokenTree::Group(array)) = ty.into_iter().next() else { return Default::default() };
    let tokens: Vec<TokenTree> = array.stream().into_iter().collect();
    let is_end = |token: &TokenTree| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';');
    let at = tokens.iter().rposition(is_end).unwrap_or(tokens.len());
    let (element, length) = tokens.split_at(at);
    (element.iter().cloned().collect(), length.iter().skip(1).cloned().collect())
}

/// Whether a function looks at parameters, apart from updating them.
fn reads_parameters(cx: PassCx<'_>, function: &Function) -> bool {
    let inputs =
        function.steps.iter().flat_map(Step::nodes).flat_map(|id| cx.graph().node(id).inputs.clone());
    inputs.into_iter().any(|input| matches!(cx.graph().node(cx.graph().source(input)).op, Op::Parameter(_)))
}
