//! The module of one model: constants, memory, functions, and the type that users see.

mod blocks;
mod memory;
mod predict;
mod train;
mod update;

use blocks::{BlockFunction, Memory, Statement, reference};
use memory::{Arena, MemoryOfOne};
use nnc_grammar::span::SourceMap;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::bundles::Layout;
use super::comments::docs;
use super::constants::Constants;
use super::function::{Argument, ArgumentKind, Emitted, documentation, function};
use super::info::{ModelInfo, info_item};
use super::optimizer::Optimizer;
use super::parameters::{
    gradient_layout, gradient_type, initialize, initialize_state, layout, trained_layout,
};
use super::shared::{Names, Place};
use super::sizes::turbofish;
use super::tree::mentions;
use super::{Domain, PassCx, names, number};
use crate::graph::{Carried, Direction, Graph, Parameter};
use crate::plan::{Along, Function, LANES, Pass, Plan, thousands};
use crate::program::{Precision, Program};

/// Emits a model: the items of one module.
pub fn emit(program: &Program, plan: &Plan, info: &ModelInfo, sources: &SourceMap) -> TokenStream {
    let constants = Constants::of(plan);
    Model::new(program, plan, info, sources, &constants).module()
}

struct Model<'a> {
    program: &'a Program,
    plan: &'a Plan,
    info: &'a ModelInfo,
    sources: &'a SourceMap,
    optimizer: Option<Optimizer>,
    element: TokenStream,
    /// Constants of the module.
    constants: &'a Constants,
    /// Where parameters lie.
    parameters: Layout,
    /// Where what is kept of each trained parameter lies.
    trained: Layout,
    /// Where gradients lie that are kept.
    gradients: Layout,
    /// Where the values of a step lie.
    arena: Arena,
    /// Where the values of one sample lie.
    of_one: MemoryOfOne,
    /// Functions by name, in order of emission.
    functions: Vec<Emitted>,
    /// Functions of blocks.
    blocks: Vec<BlockFunction>,
}

/// A step of a public method: run the entry of this function.
#[derive(Debug, Clone)]
struct Run {
    /// The function, by its place in the model's.
    function: usize,
    /// The layer.
    layer: String,
    /// The numbers in its code, if other layers may share it.
    numbers: Vec<usize>,
    /// What it is handed.
    arguments: Vec<Argument>,
    /// Whether it returns something.
    returns: bool,
    /// What its work is divided along.
    division: Option<Along>,
    direction: Direction,
}

impl<'a> Model<'a> {
    fn new(
        program: &'a Program,
        plan: &'a Plan,
        info: &'a ModelInfo,
        sources: &'a SourceMap,
        constants: &'a Constants,
    ) -> Self {
        let precision = plan.predict.graph.precision;
        let optimizer = plan
            .train
            .as_ref()
            .and_then(|train| train.graph.optimizer.as_ref())
            .map(|optimizer| Optimizer::new(optimizer, &plan.predict.graph));
        let element = super::element(precision);
        let parameters = layout(&plan.predict.graph);
        let arena = Arena::new(plan);
        let trained = trained_layout(&plan.predict.graph, &parameters);
        let gradients = gradient_layout(&plan.predict.graph, &parameters);
        Self {
            program,
            plan,
            info,
            sources,
            optimizer,
            element,
            constants,
            parameters,
            arena,
            of_one: MemoryOfOne::of(&plan.single, precision.bytes()),
            functions: Vec::new(),
            trained,
            gradients,
            blocks: Vec::new(),
        }
    }

    /// Emits the functions of a pass. A function that is there already is used again; one of the same name that
    /// differs gets `suffix`.
    fn pass(&mut self, pass: &Pass, domain: Domain, suffix: &str) -> Vec<Run> {
        let (sources, constants) = (self.sources, self.constants);
        let parameters = &self.parameters.clone();
        let cx = PassCx {
            pass,
            at_position: None,
            apart: &[],
            domain,
            sources,
            constants,
            names: &Names::default(),
            parameters,
        };
        pass.functions.iter().map(|planned| self.one(cx, planned, suffix)).collect()
    }

    fn one(&mut self, cx: PassCx<'_>, planned: &Function, suffix: &str) -> Run {
        let place = Place::of(&cx.graph().layer(planned.layer).name).filter(|_| !planned.repeats());
        let planned_name = place.as_ref().map_or(planned.name.clone(), |place| place.without(&planned.name));
        let name = match cx.domain {
            Domain::Single => names::single(&planned_name),
            Domain::Batch => planned_name,
        };
        let emitted = function(cx, planned, &name, self.optimizer.as_ref());
        let mut run = Run {
            function: 0,
            layer: cx.graph().layer(planned.layer).name.clone(),
            numbers: emitted.family.as_ref().map(|family| family.first().to_vec()).unwrap_or_default(),
            arguments: emitted.arguments.clone(),
            returns: emitted.returns.is_some(),
            division: cx.division(planned),
            direction: planned.direction,
        };
        run.function = match &emitted.family {
            Some(_) => self.shared(cx, planned, emitted),
            None => self.own(cx, planned, emitted, suffix),
        };
        if let Some(known) = self.functions.get_mut(run.function) {
            known.is_divided |= run.division.is_some();
            let renamed = run.arguments.into_iter().zip(&known.arguments);
            let renamed = renamed.map(|(argument, known)| Argument { name: known.name.clone(), ..argument });
            run.arguments = renamed.collect();
        }
        run
    }

    /// The place of a function of a layer of the model itself.
    fn own(&mut self, cx: PassCx<'_>, planned: &Function, emitted: Emitted, suffix: &str) -> usize {
        let stem = format!("{}_{suffix}", emitted.name);
        let names = std::iter::once(stem.clone()).chain((2..).map(|n| format!("{stem}_{n}")));
        let optimizer = self.optimizer.as_ref();
        let renamed = names.map(|name| function(cx, planned, &name, optimizer));
        for emitted in std::iter::once(emitted).chain(renamed) {
            // What runs `layer1_forward` is called `Layer1Forward`, and so is what runs `layer_1_forward`.
            let is_so_called = |known: &Emitted| known.name == emitted.name || known.entry == emitted.entry;
            match self.functions.iter().position(is_so_called) {
                Some(known) if self.functions.get(known).is_some_and(|known| known.is_same(&emitted)) => {
                    return known;
                }
                Some(_) => {}
                None => {
                    self.functions.push(emitted);
                    break;
                }
            }
        }
        self.functions.len().saturating_sub(1)
    }

    /// The place of a function of a layer in a block: one that is there already, of any layer of a block, if they differ
    /// in nothing but names and sizes. Others of one name are counted.
    fn shared(&mut self, cx: PassCx<'_>, planned: &Function, emitted: Emitted) -> usize {
        let fits = |known: &Emitted| match (&known.family, &emitted.family) {
            (Some(known), Some(new)) => known.fits(new),
            _ => false,
        };
        if let Some(at) = self.functions.iter().position(fits)
            && let Some(known) = self.functions.get_mut(at)
        {
            for layer in emitted.layers {
                if !known.layers.contains(&layer) {
                    known.layers.push(layer);
                }
            }
            if let (Some(known), Some(new)) = (&mut known.family, emitted.family) {
                known.join(new);
            }
            return at;
        }
        let stem = emitted.name.to_string();
        let taken = |name: &String| {
            let entry = names::type_ident(name);
            self.functions.iter().any(|known| known.name == name || known.entry == entry)
        };
        let mut emitted = if taken(&stem) {
            let mut names = (2..).map(|n: usize| format!("{stem}_{n}"));
            let name = names.find(|name| !taken(name)).unwrap_or(stem);
            function(cx, planned, &name, self.optimizer.as_ref())
        } else {
            emitted
        };
        emitted.docs = documentation(cx, planned);
        self.functions.push(emitted);
        self.functions.len() - 1
    }

    /// `let threads = self.threads;`, where code needs it.
    fn threads<'c>(&self, code: impl IntoIterator<Item = &'c TokenStream>) -> TokenStream {
        let threads = format_ident!("threads");
        let is_needed = code.into_iter().any(|code| mentions(code, &threads));
        if is_needed { quote!(let threads = self.threads;) } else { TokenStream::new() }
    }

    /// Whether a training step draws random numbers.
    fn draws(&self) -> bool {
        self.plan.train.as_ref().is_some_and(|pass| pass.functions.iter().any(|function| function.draws))
    }

    fn graph(&self) -> &'a Graph {
        &self.plan.predict.graph
    }

    fn module(mut self) -> TokenStream {
        let (plan, graph) = (self.plan, self.graph());
        let train = plan.train.as_ref().map(|pass| self.pass(pass, Domain::Batch, "train"));
        let evaluate = plan.evaluate.as_ref().map(|pass| self.pass(pass, Domain::Batch, "inference"));
        let predict = self.pass(&plan.predict, Domain::Batch, "inference");
        let single = self.pass(&plan.single, Domain::Single, "one");
        let train = plan.train.as_ref().zip(train);
        let train = train.map(|(pass, runs)| self.statements(pass, runs, Memory::Train));
        let evaluate = plan.evaluate.as_ref().zip(evaluate);
        let evaluate = evaluate.map(|(pass, runs)| self.statements(pass, runs, Memory::Evaluate));
        let predict = self.statements(&plan.predict, predict, Memory::Scratch);
        let single = self.statements(&plan.single, single, Memory::One);
        let (load, store) = self.borders();
        let memory = self.memory();
        let methods = self.model_type(train.as_deref(), evaluate.as_deref(), &predict, &single);
        let header = self.header();
        let element = &self.element;
        let before: TokenStream = self.functions.iter().map(|emitted| emitted.before.clone()).collect();
        let functions: Vec<TokenStream> = self.functions.iter().map(Emitted::kernel).collect();
        let update_all = self.update_all();
        let update = self.optimizer.as_ref().map(|optimizer| {
            let (rates, update) = (optimizer.rates_item(), optimizer.update_items());
            quote!(#rates #update)
        });
        let info = info_item(self.info);
        let constants = self.constants();
        let blocks = self.block_functions();
        let stored = self.optimizer.as_ref().is_some_and(Optimizer::rounds).then(|| {
            quote!(
                use ::nnc::__private::Stored as _;
            )
        });
        let half_row = graph.has_halves().then(|| {
            quote! {
                /// Sixteen numbers of sixteen bits, as large matrices and what the optimizer remembers of them are kept.
                type HalfRow = rt::Row<rt::Bf16>;
            }
        });
        quote! {
            #header
            use ::nnc::__private as rt;
            use ::nnc::__private::Lanes;
            #stored

            /// Sixteen numbers.
            type Row = rt::Row<#element>;
            #half_row
            const ZERO_ROW: Row = [0.0; 16];
            #constants
            #info
            #memory
            #methods
            #before
            rt::kernels! {
                #element;
                #load
                #store
                #(#functions)*
                #update_all
            }
            #blocks
            #update
        }
    }

    /// What the module is, for whoever opens it.
    fn header(&self) -> TokenStream {
        let graph = self.graph();
        let trained: usize = graph.parameters.iter().map(Parameter::len).sum();
        let lines = [
            format!(
                "`{}`, compiled by nnc from `{}`. Do not edit: edit the model.",
                self.info.name, self.info.source
            ),
            String::new(),
            format!(
                "`{} -> {:?}`, {} parameters.",
                self.shape_of_inputs(),
                self.info.output,
                thousands(trained)
            ),
        ];
        let lines = lines.iter().map(|line| if line.is_empty() { String::new() } else { format!(" {line}") });
        quote! {
            #(#![doc = #lines])*
            #![allow(
                clippy::approx_constant,
                clippy::excessive_precision,
                clippy::needless_range_loop,
                clippy::too_many_arguments,
                non_snake_case,
                unused_imports
            )]
        }
    }

    fn constants(&self) -> TokenStream {
        let (groups, batch) = (number(self.plan.groups), number(self.info.batch));
        let samples = number(self.plan.groups * LANES);
        let predict = number(self.plan.predict_groups);
        let train = self.plan.train.is_some() || self.plan.evaluate.is_some();
        let train = train.then(|| {
            quote! {
                /// Samples in a full training batch.
                const BATCH: usize = #batch;
                /// Groups of sixteen samples that hold it.
                const GROUPS: usize = #groups;
            }
        });
        let samples = self.plan.train.is_some().then(|| {
            quote! {
                /// Samples in those groups, padding included.
                const SAMPLES: usize = #samples;
            }
        });
        let numbers = self.constants.items();
        quote! {
            #train
            #samples
            /// Groups of sixteen samples that are predicted at once.
            const PREDICT_GROUPS: usize = #predict;
            #numbers
        }
    }

    /// `simd.run(HiddenForward(…))`
    fn run(&self, pass: &Pass, run: &Run, memory: Memory) -> TokenStream {
        let entry = self.entry(run);
        let values = run.arguments.iter().map(|argument| self.argument(pass, argument, memory));
        match run.division {
            Some(along) => {
                let units = units(along, memory);
                quote!(threads.run(simd, #units, #entry(#(#values),*)))
            }
            None => quote!(simd.run(#entry(#(#values),*))),
        }
    }

    /// The entry of a function, with the sizes that are parameters of it.
    fn entry(&self, run: &Run) -> TokenStream {
        let Some(emitted) = self.functions.get(run.function) else { return TokenStream::new() };
        let sizes = emitted.sizes().map(|sizes| sizes.values(&run.numbers)).unwrap_or_default();
        let (entry, sizes) = (&emitted.entry, turbofish(&sizes));
        quote!(#entry #sizes)
    }

    /// What a function is handed.
    fn argument(&self, pass: &Pass, argument: &Argument, memory: Memory) -> TokenStream {
        match &argument.kind {
            // They are references.
            ArgumentKind::Parameters => quote!(parameters),
            ArgumentKind::State => quote!(state),
            ArgumentKind::Gradients => quote!(gradients),
            ArgumentKind::FirstGroup | ArgumentKind::Units(_) => blocks::first_unit(&argument.kind),
            _ => {
                let place = reference(&self.path(pass, argument, memory), argument.is_mut);
                argument.handed(place)
            }
        }
    }

    /// The place of what a function is handed.
    fn path(&self, pass: &Pass, argument: &Argument, memory: Memory) -> Vec<Ident> {
        match &argument.kind {
            ArgumentKind::Value(id) => self.value_path(pass, *id, memory),
            ArgumentKind::Partial(len) => {
                let owner = if memory == Memory::Scratch { "scratch" } else { "arena" };
                vec![format_ident!("{owner}"), format_ident!("partial_{len}")]
            }
            ArgumentKind::Field(path) => path.clone(),
            ArgumentKind::Parameters => vec![format_ident!("parameters")],
            ArgumentKind::State => vec![format_ident!("state")],
            ArgumentKind::Gradients => vec![format_ident!("gradients")],
            ArgumentKind::Draws => vec![format_ident!("draws")],
            ArgumentKind::FirstGroup | ArgumentKind::Units(_) => Vec::new(),
            ArgumentKind::Rates => vec![format_ident!("rates")],
        }
    }

    fn model_type(
        &self,
        train: Option<&[Statement]>,
        evaluate: Option<&[Statement]>,
        predict: &[Statement],
        single: &[Statement],
    ) -> TokenStream {
        let name = names::ident(&self.info.name);
        let graph = self.graph();
        let optimizer = self.optimizer.as_ref();
        let has_state = optimizer.is_some_and(|optimizer| !optimizer.states.is_empty());
        let init_state = optimizer.map(|optimizer| initialize_state(graph, optimizer)).unwrap_or_default();
        let has_lr = optimizer.is_some_and(|optimizer| optimizer.source.rate.is_some());
        let has_arena = evaluate.is_some();
        let mut fields = vec![quote!(simd: rt::Simd), quote!(parameters: rt::Heap<Parameters>)];
        let mut values = vec![quote!(simd: rt::Simd::detect()), quote!(parameters: rt::Heap::zeroed())];
        if self.plan.is_divided() {
            fields.push(quote!(threads: rt::Threads));
            values.push(quote!(threads: rt::Threads::detect()));
        }
        if self.has_large_scratch() {
            fields.push(quote!(scratch: rt::Spare<Scratch>));
            values.push(quote!(scratch: rt::Spare::default()));
        }
        if self.of_one == MemoryOfOne::Heap {
            fields.push(quote!(sample: rt::Spare<Sample>));
            values.push(quote!(sample: rt::Spare::default()));
        }
        if has_state {
            fields.push(quote!(state: rt::Heap<State>));
            values.push(if init_state.is_empty() {
                quote!(state: rt::Heap::zeroed())
            } else {
                quote!(state)
            });
        }
        if has_arena {
            fields.push(quote!(arena: rt::Heap<Arena>));
            values.push(quote!(arena: rt::Heap::zeroed()));
        }
        if train.is_some() {
            if self.info.inputs.len() > 1 {
                // `train_step` puts the inputs of each sample side by side here.
                let len = number(self.info.batch * self.info.input.iter().product::<usize>());
                let element = &self.element;
                fields.push(quote!(rows: rt::Box<[#element]>));
                values.push(quote!(rows: rt::zeros(#len)));
            }
            fields.push(quote!(steps: u64));
            values.push(quote!(steps: 0));
        }
        if has_lr {
            let lr = super::scalar::literal(
                optimizer.and_then(|optimizer| optimizer.source.rate).unwrap_or(0.0),
                Precision::F64,
            );
            fields.push(quote!(lr: f64));
            values.push(quote!(lr: #lr));
        }
        let source = optimizer.map(|optimizer| &optimizer.source);
        if self.draws() {
            fields.push(quote!(seed: u64));
            values.push(quote!(seed: 0));
        }
        // Gradients of several steps are a state of the optimizer, for a checkpoint may be made between them.
        if source.is_some_and(|source| source.stores_gradients()) {
            let ty = gradient_type(graph);
            fields.push(quote!(gradients: rt::Heap<#ty>));
            values.push(quote!(gradients: rt::Heap::zeroed()));
        }
        if optimizer.is_some_and(Optimizer::has_horizon) {
            let epochs = super::scalar::literal(self.program.train.epochs as f64, Precision::F64);
            fields.push(quote!(horizon: rt::Horizon));
            values.push(quote!(horizon: rt::Horizon { steps_per_epoch: 1.0, epochs: #epochs }));
        }
        if let Some(source) = source.filter(|source| !source.schedule_states.is_empty()) {
            let count = number(source.schedule_states.len());
            let initial = source
                .schedule_states
                .iter()
                .map(|(_, value)| super::scalar::literal(*value, Precision::F64));
            fields.push(quote!(schedule: [f64; #count]));
            values.push(quote!(schedule: [#(#initial),*]));
        }
        let init = initialize(graph);
        let new_state = (!init_state.is_empty())
            .then(|| quote!(let mut state = rt::Heap::<State>::zeroed(); #init_state));
        let uses_seed = self.draws() || mentions(&init, &format_ident!("seed"));
        let seed = if uses_seed { quote!(seed) } else { quote!(_seed) };
        let set_seed = self.draws().then(|| quote!(model.seed = seed;));
        let init = (!init.is_empty()).then(|| quote!(let parameters = &mut *model.parameters; #init));
        let model = match set_seed.is_some() || init.is_some() {
            true => quote!(let mut model = Self::zeroed(); #set_seed #init model),
            false => quote!(Self::zeroed()),
        };
        let predict_one = self.predict_one(single);
        let carried = plan_carried(self.plan);
        let made = match carried.iter().any(|carried| carried.initial != 0.0) {
            true => quote! {
                let mut model = Self { #(#values,)* };
                rt::Train::reset_state(&mut model);
                model
            },
            false => quote!(Self { #(#values,)* }),
        };
        let train_methods = self.train_methods(train.is_some());
        let several = self.predict_several(predict);
        let model_impl = self.model_impl(&name);
        let train_impl = match (train, evaluate) {
            (Some(train), Some(evaluate)) => self.train_impl(&name, train, evaluate),
            _ => TokenStream::new(),
        };
        // What follows is for f32: f64 models are for checks.
        let inherent = match (graph.precision, &self.plan.train) {
            (Precision::F64, _) => quote!(rt::debug!(#name);),
            (_, Some(_)) => quote!(rt::inherent!(#name, train);),
            (_, None) => quote!(rt::inherent!(#name);),
        };
        let mut doc_lines: Vec<String> = self.program.docs.clone();
        if doc_lines.is_empty() {
            doc_lines.push(format!("The model `{}` of `{}`.", self.info.name, self.info.source));
        }
        let docs = docs(doc_lines);
        let ranges = self.ranges();
        quote! {
            #docs
            #[derive(Clone)]
            pub struct #name { #(#fields,)* }

            impl #name {
                #ranges
                /// What the model is: its shapes, its batch, its tensors.
                #[must_use]
                pub const fn description() -> &'static rt::ModelInfo {
                    &INFO
                }

                /// A model whose parameters start as the source says, with random numbers from `seed`.
                #[must_use]
                pub fn new(#seed: u64) -> Self {
                    #model
                }

                /// A model whose parameters are 0, for those that are loaded.
                fn zeroed() -> Self {
                    #new_state
                    #made
                }

                #predict_one
                #several
                #train_methods
            }

            #inherent
            #model_impl
            #train_impl
        }
    }
}

/// Units of work for the groups of a pass.
fn units(along: Along, memory: Memory) -> TokenStream {
    match (along, memory) {
        (Along::Groups, Memory::Scratch) => quote!(PREDICT_GROUPS),
        (Along::Groups, _) => quote!(GROUPS),
        (Along::Positions(positions), _) => {
            let (groups, positions) = (units(Along::Groups, memory), number(positions));
            quote!(#groups * #positions)
        }
        (along, _) => number(along.units(0)),
    }
}

/// The states of cells that go from step to step.
fn plan_carried(plan: &Plan) -> &[Carried] {
    plan.train.as_ref().map_or(&[], |pass| &pass.graph.carried)
}

impl Model<'_> {
    /// `[4]`, or `a [3], b [4]` for several.
    fn shape_of_inputs(&self) -> String {
        match self.info.inputs.as_slice() {
            [only] => format!("{:?}", only.shape),
            inputs => inputs
                .iter()
                .map(|input| format!("{} {:?}", input.name, input.shape))
                .collect::<Vec<_>>()
                .join(", "),
        }
    }

    /// Where each of several outputs stands in a row: `Detector::PLACE`.
    fn ranges(&self) -> TokenStream {
        let outputs = &self.info.outputs;
        if outputs.len() < 2 {
            return TokenStream::new();
        }
        let mut from = 0;
        let ranges = outputs.iter().map(|output| {
            let (name, start) = (names::ident(&output.name.to_uppercase()), number(from));
            from += output.len();
            let end = number(from);
            let doc = docs([format!("`{}`, `{:?}`, in a row of outputs.", output.name, output.shape)]);
            quote! {
                #doc
                pub const #name: ::core::ops::Range<usize> = #start..#end;
            }
        });
        quote!(#(#ranges)*)
    }
}

/// `[[f32; 28]; 28]` for `[28, 28]`.
fn array_type(shape: &[usize], element: &TokenStream) -> TokenStream {
    shape.iter().rev().fold(element.clone(), |ty, n| {
        let n = number(*n);
        quote!([#ty; #n])
    })
}
