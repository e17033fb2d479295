//! The module of one model: constants, memory, functions, and the type that users see.

use std::collections::BTreeMap;

use nnc_grammar::span::SourceMap;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::comments::docs;
use super::function::{Argument, ArgumentKind, Emitted, function};
use super::info::{ModelInfo, info_item};
use super::optimizer::Optimizer;
use super::parameters::{initialize, initialize_state, parameters_item, state_item};
use super::{Domain, PassCx, names, number};
use crate::graph::{Direction, Graph, NodeId, Op, ValueLayout};
use crate::plan::{Function, LANES, Pass, Plan, Slot, thousands};
use crate::program::{Precision, Program, Reduction, TargetKind};

/// Bytes of scratch up to which a batch of predictions keeps it on the stack.
const STACK_BYTES: usize = 64 << 10;

/// Emits a model: the items of one module.
pub fn emit(program: &Program, plan: &Plan, info: &ModelInfo, sources: &SourceMap) -> TokenStream {
    Model::new(program, plan, info, sources).module()
}

struct Model<'a> {
    program: &'a Program,
    plan: &'a Plan,
    info: &'a ModelInfo,
    sources: &'a SourceMap,
    optimizer: Option<Optimizer>,
    element: TokenStream,
    /// Functions by name, in order of emission.
    functions: Vec<Emitted>,
}

/// A step of a public method: run this entry.
struct Run {
    emitted: Emitted,
    direction: Direction,
}

impl<'a> Model<'a> {
    fn new(program: &'a Program, plan: &'a Plan, info: &'a ModelInfo, sources: &'a SourceMap) -> Self {
        let precision = plan.predict.graph.precision;
        let optimizer = plan
            .train
            .as_ref()
            .and_then(|train| train.graph.optimizer.as_ref())
            .map(|optimizer| Optimizer::new(optimizer, precision));
        let element = match precision {
            Precision::F32 => quote!(f32),
            Precision::F64 => quote!(f64),
        };
        Self { program, plan, info, sources, optimizer, element, functions: Vec::new() }
    }

    /// Emits the functions of a pass. A function that is there already is used again; one of the same name that
    /// differs gets `suffix`.
    fn pass(&mut self, pass: &Pass, domain: Domain, suffix: &str) -> Vec<Run> {
        let cx = PassCx { pass, domain, sources: self.sources };
        pass.functions
            .iter()
            .map(|planned| {
                let emitted = self.one(cx, planned, suffix);
                Run { emitted, direction: planned.direction }
            })
            .collect()
    }

    fn one(&mut self, cx: PassCx<'_>, planned: &Function, suffix: &str) -> Emitted {
        let name = match cx.domain {
            Domain::Single => format!("{}_one", planned.name.trim_end_matches("_forward")),
            Domain::Batch => planned.name.clone(),
        };
        let emitted = function(cx, planned, &name, self.optimizer.as_ref());
        match self.functions.iter().find(|known| known.name == emitted.name) {
            Some(known) if known.item.to_string() == emitted.item.to_string() => emitted,
            None => {
                self.functions.push(emitted.clone());
                emitted
            }
            Some(_) => {
                let renamed = function(cx, planned, &format!("{name}_{suffix}"), self.optimizer.as_ref());
                if !self.functions.iter().any(|known| known.name == renamed.name) {
                    self.functions.push(renamed.clone());
                }
                renamed
            }
        }
    }

    fn graph(&self) -> &'a Graph {
        &self.plan.predict.graph
    }

    fn module(mut self) -> TokenStream {
        let plan = self.plan;
        let train = plan.train.as_ref().map(|pass| self.pass(pass, Domain::Batch, "train"));
        let evaluate = plan.evaluate.as_ref().map(|pass| self.pass(pass, Domain::Batch, "evaluate"));
        let predict = self.pass(&plan.predict, Domain::Batch, "predict");
        let single = self.pass(&plan.single, Domain::Single, "one");
        let (load, store) = self.borders();
        let memory = self.memory();
        let methods = self.model_type(train.as_deref(), evaluate.as_deref(), &predict, &single);
        let header = self.header();
        let element = &self.element;
        let functions: Vec<&TokenStream> = self.functions.iter().map(|emitted| &emitted.item).collect();
        let lines: Vec<&TokenStream> = self.functions.iter().map(|emitted| &emitted.line).collect();
        let (load_item, load_lines) = load;
        let (store_item, store_lines) = store;
        let update = self.optimizer.as_ref().map(|optimizer| {
            let (rates, update) = (optimizer.rates_item(), optimizer.update_item());
            quote!(#rates #update)
        });
        let info = info_item(self.info);
        let constants = self.constants();
        quote! {
            #header
            use ::nnc::__private as rt;
            use ::nnc::__private::Lanes;

            /// Sixteen numbers.
            type Row = rt::Row<#element>;
            const ZERO_ROW: Row = [0.0; 16];
            #constants
            #info
            #memory
            #methods
            #load_item
            #store_item
            #(#functions)*
            #update
            rt::entries! {
                #element;
                #load_lines
                #store_lines
                #(#lines)*
            }
        }
    }

    /// What the module is, for whoever opens it.
    fn header(&self) -> TokenStream {
        let graph = self.graph();
        let trained: usize = graph.parameters.iter().map(crate::graph::Parameter::len).sum();
        let mut lines = vec![
            format!("`{}`, compiled by nnc from `{}`. Do not edit: edit the model.", self.info.name, self.info.source),
            String::new(),
            format!("{:?} -> {:?}, {} parameters.", self.info.input, self.info.output, thousands(trained)),
        ];
        if let Some(train) = &self.plan.train {
            lines.extend([String::new(), format!("Memory of a training step, batch {}:", self.info.batch), String::new()]);
            lines.extend(["| slot | values a sample | bytes | holds |".to_owned(), "|---|---|---|---|".to_owned()]);
            let size = if self.element.to_string() == "f64" { 8 } else { 4 };
            lines.extend(train.slots.iter().map(|slot| {
                let bytes = thousands(slot.bytes(self.plan.groups, size));
                format!("| `{}` | {} | {bytes} | {} |", slot.name, slot.len, slot.values.join(", "))
            }));
        }
        let lines = lines.iter().map(|line| if line.is_empty() { String::new() } else { format!(" {line}") });
        quote! {
            #(#![doc = #lines])*
            #![allow(clippy::needless_range_loop, clippy::excessive_precision, clippy::too_many_arguments)]
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
        quote! {
            #train
            #samples
            /// Groups of sixteen samples that are predicted at once.
            const PREDICT_GROUPS: usize = #predict;
        }
    }

    /// Functions that turn samples into lanes, and lanes back into samples.
    fn borders(&mut self) -> ((TokenStream, TokenStream), (TokenStream, TokenStream)) {
        let element = &self.element;
        let inputs = number(self.info.input.iter().product());
        let outputs = number(self.info.output.iter().product());
        let load = quote! {
            /// Samples become lanes; padding repeats the first sample.
            #[inline(always)]
            fn load_samples<L: Lanes<Elem = #element>, const G: usize>(samples: &[#element], lanes: &mut [[Row; #inputs]; G]) {
                rt::pack::rows::<L, #inputs, G>(samples, samples.len() / #inputs, lanes);
            }
        };
        let load_line = quote! {
            LoadSamples<'a, G> = load_samples(samples: &'a [#element], lanes: &'a mut [[Row; #inputs]; G]);
        };
        let store = quote! {
            /// Lanes become predictions, sample after sample.
            #[inline(always)]
            fn store_outputs<L: Lanes<Elem = #element>, const G: usize>(lanes: &[[Row; #outputs]; G], outputs: &mut [#element]) {
                rt::pack::unpack::<L, #outputs, G>(lanes, outputs.len() / #outputs, outputs);
            }
        };
        let store_line = quote! {
            StoreOutputs<'a, G> = store_outputs(lanes: &'a [[Row; #outputs]; G], outputs: &'a mut [#element]);
        };
        let targets = match self.plan.evaluate.as_ref().and_then(|pass| pass.graph.loss.as_ref()) {
            Some(loss) if loss.target == TargetKind::Values => {
                let len = number(loss.target_len);
                let item = quote! {
                    /// Target values become lanes.
                    #[inline(always)]
                    fn load_targets<L: Lanes<Elem = #element>, const G: usize>(targets: &[#element], lanes: &mut [[Row; #len]; G]) {
                        rt::pack::rows::<L, #len, G>(targets, targets.len() / #len, lanes);
                    }
                };
                let line = quote! {
                    LoadTargets<'a, G> = load_targets(targets: &'a [#element], lanes: &'a mut [[Row; #len]; G]);
                };
                Some((item, line))
            }
            _ => None,
        };
        let (target_item, target_line) = targets.unwrap_or_default();
        ((quote!(#load #target_item), quote!(#load_line #target_line)), (store, store_line))
    }

    /// `Parameters`, `State`, `Arena`, `Scratch`, and the zeros that they start from.
    fn memory(&self) -> TokenStream {
        let parameters = parameters_item(self.graph());
        let state = self.optimizer.as_ref().map(state_item);
        let arena = self.arena();
        let scratch = self.scratch();
        let arena_fields = self.arena_slots();
        let has_state = self.optimizer.as_ref().is_some_and(|optimizer| !optimizer.states.is_empty());
        let zero_state = has_state.then(|| quote!(static ZERO_STATE: rt::Zeroed<State> = rt::Zeroed::new(State::ZERO);));
        let zero_arena = (!arena_fields.is_empty())
            .then(|| quote!(static ZERO_ARENA: rt::Zeroed<Arena> = rt::Zeroed::new(Arena::ZERO);));
        quote! {
            #parameters
            #state
            #arena
            #scratch
            static ZERO_PARAMETERS: rt::Zeroed<Parameters> = rt::Zeroed::new(Parameters::ZERO);
            #zero_state
            #zero_arena
        }
    }

    /// Fields of the arena: the slots of training and evaluation, which never run at once. Name, type, zero, docs.
    fn arena_slots(&self) -> BTreeMap<usize, (Ident, TokenStream, TokenStream, String)> {
        let mut fields: BTreeMap<usize, (Ident, TokenStream, TokenStream, String)> = BTreeMap::new();
        for pass in self.plan.train.iter().chain(&self.plan.evaluate) {
            for slot in &pass.slots {
                let (ty, zero) = slot_type(slot, &quote!(GROUPS));
                let name = names::ident(&slot.name);
                let known = fields.values().any(|(known, known_ty, ..)| *known == name && known_ty.to_string() == ty.to_string());
                if !known {
                    let mut name = name;
                    while fields.values().any(|(known, ..)| *known == name) {
                        name = format_ident!("{name}_evaluate");
                    }
                    fields.insert(fields.len(), (name, ty, zero, slot.values.join(", then ")));
                }
            }
            for len in pass.functions.iter().filter_map(|function| function.partial) {
                let name = format_ident!("partial_{len}");
                if !fields.values().any(|(known, ..)| *known == name) {
                    let len = number(len);
                    let docs = "partial sums of a blocked layer".to_owned();
                    fields.insert(
                        fields.len(),
                        (name, quote!([[Row; #len]; GROUPS]), quote!([[ZERO_ROW; #len]; GROUPS]), docs),
                    );
                }
            }
        }
        fields
    }

    fn arena(&self) -> TokenStream {
        let fields = self.arena_slots();
        if fields.is_empty() {
            return TokenStream::new();
        }
        let declared = fields.values().map(|(name, ty, _, text)| {
            let docs = docs([format!("{text}.")]);
            quote!(#docs #name: #ty,)
        });
        let zeros = fields.values().map(|(name, _, zero, _)| quote!(#name: #zero,));
        quote! {
            /// The values of a step.
            #[repr(C, align(64))]
            #[derive(Clone, Copy)]
            struct Arena { #(#declared)* }

            impl Arena {
                const ZERO: Self = Self { #(#zeros)* };
            }
        }
    }

    fn scratch_bytes(&self) -> usize {
        let size = if self.element.to_string() == "f64" { 8 } else { 4 };
        self.plan.predict.slots.iter().map(|slot| slot.bytes(self.plan.predict_groups, size)).sum()
    }

    /// The values of a batch of predictions.
    fn scratch(&self) -> TokenStream {
        let pass = &self.plan.predict;
        let mut declared = Vec::new();
        let mut zeros = Vec::new();
        for slot in &pass.slots {
            let (ty, zero) = slot_type(slot, &quote!(PREDICT_GROUPS));
            let name = names::ident(&slot.name);
            let docs = docs([format!("{}.", slot.values.join(", then "))]);
            declared.push(quote!(#docs #name: #ty,));
            zeros.push(quote!(#name: #zero,));
        }
        let mut partial: Vec<usize> = pass.functions.iter().filter_map(|function| function.partial).collect();
        partial.sort_unstable();
        partial.dedup();
        for len in partial {
            let name = format_ident!("partial_{len}");
            let len = number(len);
            declared.push(quote!(#[doc = " partial sums of a blocked layer."] #name: [[Row; #len]; PREDICT_GROUPS],));
            zeros.push(quote!(#name: [[ZERO_ROW; #len]; PREDICT_GROUPS],));
        }
        let zero_static = (self.scratch_bytes() > STACK_BYTES)
            .then(|| quote!(static ZERO_SCRATCH: rt::Zeroed<Scratch> = rt::Zeroed::new(Scratch::ZERO);));
        quote! {
            /// The values of a batch of predictions.
            #[repr(C, align(64))]
            #[derive(Clone, Copy)]
            struct Scratch { #(#declared)* }

            impl Scratch {
                const ZERO: Self = Self { #(#zeros)* };
            }
            #zero_static
        }
    }

    /// The field that holds a value in a pass.
    fn place(&self, pass: &Pass, id: NodeId, in_arena: bool) -> TokenStream {
        let Some(value) = pass.value(id) else { return quote!(()) };
        let Some(slot) = pass.slots.get(value.slot) else { return quote!(()) };
        if !in_arena {
            let name = names::ident(&slot.name);
            return quote!(scratch.#name);
        }
        let (ty, _) = slot_type(slot, &quote!(GROUPS));
        let name = names::ident(&slot.name);
        let fields = self.arena_slots();
        let found = fields.values().find(|(field, field_ty, ..)| {
            field_ty.to_string() == ty.to_string() && (*field == name || field.to_string().starts_with(&format!("{name}_evaluate")))
        });
        let field = found.map_or(name, |(field, ..)| field.clone());
        quote!(arena.#field)
    }

    /// `simd.run(HiddenForward { … })`
    fn run(&self, pass: &Pass, run: &Run, in_arena: bool) -> TokenStream {
        let entry = &run.emitted.entry;
        let fields = run.emitted.arguments.iter().map(|argument| {
            let name = &argument.name;
            let value = self.argument(pass, argument, in_arena);
            quote!(#name: #value)
        });
        quote!(simd.run(#entry { #(#fields),* }))
    }

    fn argument(&self, pass: &Pass, argument: &Argument, in_arena: bool) -> TokenStream {
        let reference = if argument.is_mut { quote!(&mut) } else { quote!(&) };
        match &argument.kind {
            ArgumentKind::Value(id) => {
                let place = self.place(pass, *id, in_arena);
                quote!(#reference #place)
            }
            ArgumentKind::Partial(len) => {
                let name = format_ident!("partial_{len}");
                let memory = if in_arena { quote!(arena) } else { quote!(scratch) };
                quote!(#reference #memory.#name)
            }
            ArgumentKind::Parameters => quote!(parameters),
            ArgumentKind::State => quote!(state),
            ArgumentKind::Rates => quote!(&rates),
        }
    }

    fn model_type(
        &self,
        train: Option<&[Run]>,
        evaluate: Option<&[Run]>,
        predict: &[Run],
        single: &[Run],
    ) -> TokenStream {
        let name = names::ident(&self.info.name);
        let graph = self.graph();
        let optimizer = self.optimizer.as_ref();
        let has_state = optimizer.is_some_and(|optimizer| !optimizer.states.is_empty());
        let has_lr = optimizer.is_some_and(|optimizer| optimizer.lr.is_some());
        let has_arena = evaluate.is_some();
        let element = &self.element;
        let mut fields = vec![quote!(simd: rt::Simd), quote!(parameters: rt::Box<Parameters>)];
        let mut values = vec![quote!(simd: rt::Simd::detect()), quote!(parameters)];
        if has_state {
            fields.push(quote!(state: rt::Box<State>));
            values.push(quote!(state));
        }
        if has_arena {
            fields.push(quote!(arena: rt::Box<Arena>));
            values.push(quote!(arena: ZERO_ARENA.boxed()));
        }
        if train.is_some() {
            fields.push(quote!(steps: u64));
            values.push(quote!(steps: 0));
        }
        if has_lr {
            let lr = super::scalar::literal(optimizer.and_then(|optimizer| optimizer.lr).unwrap_or(0.0), Precision::F64);
            fields.push(quote!(lr: f64));
            values.push(quote!(lr: #lr));
        }
        let init = initialize(graph);
        let init_mut = (!init.is_empty()).then(|| quote!(mut));
        let init_state = optimizer.map(|optimizer| initialize_state(graph, optimizer)).unwrap_or_default();
        let state_mut = (!init_state.is_empty()).then(|| quote!(mut));
        let new_state = has_state.then(|| quote!(let #state_mut state = ZERO_STATE.boxed(); #init_state));
        let seed = if init.to_string().contains("seed") { quote!(seed) } else { quote!(_seed) };
        let predict_one = self.predict_one(single);
        let train_methods = self.train_methods(train.is_some());
        let model_impl = self.model_impl(&name, predict);
        let train_impl = match (train, evaluate) {
            (Some(train), Some(evaluate)) => self.train_impl(&name, train, evaluate),
            _ => TokenStream::new(),
        };
        let mut doc_lines: Vec<String> = self.program.docs.clone();
        if doc_lines.is_empty() {
            doc_lines.push(format!("The model `{}` of `{}`.", self.info.name, self.info.source));
        }
        let docs = docs(doc_lines);
        let _ = element;
        quote! {
            #docs
            #[derive(Clone)]
            pub struct #name { #(#fields,)* }

            impl #name {
                /// A model whose parameters start as the source says, with random numbers from `seed`.
                #[must_use]
                pub fn new(#seed: u64) -> Self {
                    let #init_mut parameters = ZERO_PARAMETERS.boxed();
                    #init
                    #new_state
                    Self { #(#values,)* }
                }

                #predict_one
                #train_methods
            }

            rt::inherent! { #name }
            #model_impl
            #train_impl
        }
    }

    /// `predict`: one sample, no allocation.
    fn predict_one(&self, single: &[Run]) -> TokenStream {
        let pass = &self.plan.single;
        let element = &self.element;
        let (input_ty, output_ty) = (array_type(&self.info.input, element), array_type(&self.info.output, element));
        let inputs: usize = self.info.input.iter().product();
        let outputs: usize = self.info.output.iter().product();
        let input = names::ident(&pass.value(pass.graph.input).map_or_else(String::new, |value| value.name.clone()));
        let flat = flatten(&quote!(#input), self.info.input.len());
        let (in_rows, in_len) = (number(inputs.div_ceil(LANES)), number(inputs));
        let written = pass.functions.iter().flat_map(|function| &function.writes).map(|id| {
            let name = names::ident(&pass.value(*id).map_or_else(String::new, |value| value.name.clone()));
            let rows = number(pass.graph.node(*id).len().div_ceil(LANES));
            quote!(let mut #name: [Row; #rows] = [ZERO_ROW; #rows];)
        });
        let runs = single.iter().map(|run| {
            let entry = &run.emitted.entry;
            let fields = run.emitted.arguments.iter().map(|argument| {
                let name = &argument.name;
                let reference = if argument.is_mut { quote!(&mut) } else { quote!(&) };
                match argument.kind {
                    ArgumentKind::Parameters => quote!(#name: &self.parameters),
                    _ => quote!(#name: #reference #name),
                }
            });
            quote!(self.simd.run(#entry { #(#fields),* });)
        });
        let output = names::ident(&pass.value(pass.graph.output).map_or_else(String::new, |value| value.name.clone()));
        let result = match self.info.output.as_slice() {
            [_] => {
                let len = number(outputs);
                quote!(rt::pack::features::<#element, #len>(&#output))
            }
            _ => {
                let len = number(outputs);
                let shape = unflatten(&quote!(rt::pack::features::<#element, #len>(&#output)), &self.info.output);
                quote!(#shape)
            }
        };
        quote! {
            /// Predicts one sample, without allocating.
            #[must_use]
            pub fn predict(&self, #input: &#input_ty) -> #output_ty {
                let #input = rt::pack::vector::<#element, #in_len, #in_rows>(#flat);
                #(#written)*
                #(#runs)*
                #result
            }
        }
    }

    fn train_methods(&self, trains: bool) -> TokenStream {
        if !trains {
            return TokenStream::new();
        }
        let element = &self.element;
        let input_ty = array_type(&self.info.input, element);
        let input = names::ident(
            &self.plan.predict.value(self.graph().input).map_or_else(String::new, |value| value.name.clone()),
        );
        let flat = (0..self.info.input.len()).fold(quote!(#input), |tokens, _| quote!(#tokens.as_flattened()));
        let (target_ty, target) = match self.info.target {
            Some((TargetKind::Class, _)) => (quote!(u32), quote!(rt::Target::Classes(target))),
            _ => {
                let flat = (0..self.info.output.len()).fold(quote!(target), |tokens, _| quote!(#tokens.as_flattened()));
                (array_type(&self.info.output, element), quote!(rt::Target::Values(#flat)))
            }
        };
        let batch = format!("One step on up to {} samples: forward, loss, backward, update. Returns the loss.", self.info.batch);
        let docs = docs([
            batch.as_str(),
            "",
            "When the loss is not finite the model is left as it was.",
            "",
            "# Errors",
            "When there are no samples or too many, targets of another number, or a class outside the model's.",
        ]);
        quote! {
            #docs
            pub fn train_step(&mut self, #input: &[#input_ty], target: &[#target_ty]) -> Result<f32, rt::StepError> {
                rt::Train::step_rows(self, #flat, #target)
            }
        }
    }

    fn model_impl(&self, name: &Ident, predict: &[Run]) -> TokenStream {
        let pass = &self.plan.predict;
        let element = &self.element;
        let inputs = number(self.info.input.iter().product());
        let outputs = number(self.info.output.iter().product());
        let runs = predict.iter().map(|run| {
            let run = self.run(pass, run, false);
            quote!(#run;)
        });
        let (input, output) = (self.place(pass, pass.graph.input, false), self.place(pass, pass.graph.output, false));
        let scratch = if self.scratch_bytes() > STACK_BYTES {
            quote!(let scratch = &mut *ZERO_SCRATCH.boxed();)
        } else {
            quote!(let scratch = &mut Scratch::ZERO.clone();)
        };
        let needs_parameters = predict.iter().any(|run| {
            run.emitted.arguments.iter().any(|argument| argument.kind == ArgumentKind::Parameters)
        });
        let parameters = needs_parameters.then(|| quote!(let parameters = &*self.parameters;));
        quote! {
            impl rt::Model for #name {
                type Elem = #element;

                fn info(&self) -> &rt::ModelInfo {
                    &INFO
                }

                fn predict_rows(&self, x: &[#element], out: &mut [#element]) -> Result<(), rt::ShapeError> {
                    INFO.check_rows(x.len(), out.len())?;
                    let simd = self.simd;
                    #parameters
                    #scratch
                    let samples = 16 * PREDICT_GROUPS;
                    for (x, out) in x.chunks(#inputs * samples).zip(out.chunks_mut(#outputs * samples)) {
                        simd.run(LoadSamples { samples: x, lanes: &mut #input });
                        #(#runs)*
                        simd.run(StoreOutputs { lanes: &#output, outputs: out });
                    }
                    Ok(())
                }

                fn read_tensor(&self, tensor: usize, out: &mut [#element]) {
                    if let Some(info) = INFO.tensors.get(tensor) {
                        rt::layout::read(info.layout, self.parameters.rows(tensor), out);
                    }
                }

                fn write_tensor(&mut self, tensor: usize, values: &[#element]) {
                    if let Some(info) = INFO.tensors.get(tensor) {
                        rt::layout::write(info.layout, self.parameters.rows_mut(tensor), values);
                    }
                }
            }
        }
    }

    fn train_impl(&self, name: &Ident, train: &[Run], evaluate: &[Run]) -> TokenStream {
        let (Some(train_pass), Some(evaluate_pass)) = (&self.plan.train, &self.plan.evaluate) else {
            return TokenStream::new();
        };
        let optimizer = self.optimizer.as_ref();
        let element = &self.element;
        let has_state = optimizer.is_some_and(|optimizer| !optimizer.states.is_empty());
        let has_lr = optimizer.is_some_and(|optimizer| optimizer.lr.is_some());
        let has_rates = optimizer.is_some_and(Optimizer::has_rates);
        let before = train.iter().filter(|run| run.direction == Direction::Forward).map(|run| {
            let run = self.run(train_pass, run, true);
            quote!(#run;)
        });
        let loss = train.iter().filter(|run| run.direction == Direction::Loss).map(|run| {
            let code = self.run(train_pass, run, true);
            if run.emitted.line.to_string().contains("->") { quote!(let loss = #code;) } else { quote!(#code;) }
        });
        let after = train.iter().filter(|run| run.direction == Direction::Backward).map(|run| {
            let run = self.run(train_pass, run, true);
            quote!(#run;)
        });
        let evaluate_runs = evaluate.iter().map(|run| {
            let code = self.run(evaluate_pass, run, true);
            if run.emitted.line.to_string().contains("->") { quote!(let loss = #code;) } else { quote!(#code;) }
        });
        let load_train = self.load_batch(train_pass);
        let load_evaluate = self.load_batch(evaluate_pass);
        let state = has_state.then(|| quote!(let state = &mut *self.state;));
        let rates = has_rates.then(|| {
            let lr = if has_lr { quote!(self.lr) } else { quote!(0.0) };
            quote!(let rates = Rates::new(self.steps, #lr);)
        });
        let checks = self.finite_checks(train_pass);
        let (lr_get, lr_set) = if has_lr {
            (quote!(Some(self.lr)), quote!(self.lr = lr;))
        } else {
            (quote!(None), quote!(let _ = lr;))
        };
        let (read_state, write_state) = if has_state {
            (
                quote! {
                    if let (Some(info), Some(values)) = (INFO.tensors.get(tensor), self.state.get(state)) {
                        rt::layout::read(info.layout, values.rows(tensor), out);
                    }
                },
                quote! {
                    if let (Some(info), Some(rows)) = (INFO.tensors.get(tensor), self.state.get_mut(state)) {
                        rt::layout::write(info.layout, rows.rows_mut(tensor), values);
                    }
                },
            )
        } else {
            (quote!(let _ = (state, tensor, out);), quote!(let _ = (state, tensor, values);))
        };
        let to_f32 = if element.to_string() == "f64" { quote!(loss as f32) } else { quote!(loss) };
        quote! {
            impl rt::Train for #name {
                fn step_rows(&mut self, x: &[#element], target: rt::Target<'_, #element>) -> Result<f32, rt::StepError> {
                    let samples = INFO.check_batch(x.len(), &target)?;
                    let simd = self.simd;
                    let arena = &mut *self.arena;
                    let parameters = &mut *self.parameters;
                    #state
                    #load_train
                    #(#before)*
                    #(#loss)*
                    if !loss.is_finite() {
                        return Ok(#to_f32);
                    }
                    self.steps += 1;
                    #rates
                    #(#after)*
                    Ok(#to_f32)
                }

                fn loss_rows(&mut self, x: &[#element], target: rt::Target<'_, #element>) -> Result<f32, rt::StepError> {
                    let samples = INFO.check_batch(x.len(), &target)?;
                    let simd = self.simd;
                    let arena = &mut *self.arena;
                    let parameters = &*self.parameters;
                    #load_evaluate
                    #(#evaluate_runs)*
                    Ok(#to_f32)
                }

                fn first_non_finite(&self) -> Option<rt::LayerInfo> {
                    let arena = &*self.arena;
                    #checks
                    None
                }

                fn steps(&self) -> u64 {
                    self.steps
                }

                fn set_steps(&mut self, steps: u64) {
                    self.steps = steps;
                }

                fn learning_rate(&self) -> Option<f64> {
                    #lr_get
                }

                fn set_learning_rate(&mut self, lr: f64) {
                    #lr_set
                }

                fn read_state(&self, state: usize, tensor: usize, out: &mut [#element]) {
                    #read_state
                }

                fn write_state(&mut self, state: usize, tensor: usize, values: &[#element]) {
                    #write_state
                }
            }
        }
    }

    /// Statements that bring a batch into the arena.
    fn load_batch(&self, pass: &Pass) -> TokenStream {
        let graph = &pass.graph;
        let input = self.place(pass, graph.input, true);
        let find = |wanted: fn(&Op) -> bool| graph.ids().find(|id| wanted(&graph.node(*id).op));
        let target = find(|op| matches!(op, Op::Target)).filter(|id| pass.value(*id).is_some()).map(|id| {
            let place = self.place(pass, id, true);
            match self.info.target {
                Some((TargetKind::Class, _)) => quote! {
                    if let rt::Target::Classes(classes) = target {
                        rt::pack::classes(classes, samples, &mut #place);
                    }
                },
                _ => quote! {
                    if let rt::Target::Values(values) = target {
                        simd.run(LoadTargets { targets: values, lanes: &mut #place });
                    }
                },
            }
        });
        let scale = find(|op| matches!(op, Op::SampleScale)).filter(|id| pass.value(*id).is_some()).map(|id| {
            let place = self.place(pass, id, true);
            let element = &self.element;
            let value = match graph.loss.as_ref().map(|loss| loss.reduction) {
                Some(Reduction::Sum) => quote!(1.0),
                _ => quote!(1.0 / samples as #element),
            };
            quote!(rt::pack::scale(samples, #value, #place.as_flattened_mut());)
        });
        quote! {
            simd.run(LoadSamples { samples: x, lanes: &mut #input });
            #target
            #scale
        }
    }

    /// Looks at the values of the forward part in order.
    fn finite_checks(&self, pass: &Pass) -> TokenStream {
        let checks = pass.functions.iter().filter(|function| function.direction == Direction::Forward).flat_map(|function| {
            let layer = number(function.layer.0 as usize);
            function.writes.iter().map(move |id| {
                let place = self.place(pass, *id, true);
                quote! {
                    if !rt::pack::is_finite(&#place) {
                        return Some(INFO.layers[#layer]);
                    }
                }
            })
        });
        quote!(#(#checks)*)
    }
}

/// The type of a slot, and its zero.
fn slot_type(slot: &Slot, groups: &TokenStream) -> (TokenStream, TokenStream) {
    match slot.layout {
        ValueLayout::SampleRows => {
            let rows = number(slot.len.div_ceil(LANES));
            (quote!([[Row; SAMPLES]; #rows]), quote!([[ZERO_ROW; SAMPLES]; #rows]))
        }
        _ => {
            let len = number(slot.len);
            (quote!([[Row; #len]; #groups]), quote!([[ZERO_ROW; #len]; #groups]))
        }
    }
}

/// `[[f32; 28]; 28]` for `[28, 28]`.
fn array_type(shape: &[usize], element: &TokenStream) -> TokenStream {
    shape.iter().rev().fold(element.clone(), |ty, n| {
        let n = number(*n);
        quote!([#ty; #n])
    })
}

/// `x` for a vector, `x.as_flattened()` for more, made an array reference again.
fn flatten(x: &TokenStream, rank: usize) -> TokenStream {
    (1..rank).fold(x.clone(), |tokens, _| quote!(#tokens.as_flattened()))
}

/// A flat array as nested ones.
fn unflatten(x: &TokenStream, shape: &[usize]) -> TokenStream {
    let [first, rest @ ..] = shape else { return x.clone() };
    if rest.is_empty() {
        return x.clone();
    }
    let (count, stride) = (number(*first), number(rest.iter().product()));
    let inner = unflatten(&quote!(part), rest);
    let stride_ = stride.clone();
    quote! {
        {
            let flat = #x;
            let (parts, _) = flat.as_chunks::<#stride>();
            ::core::array::from_fn::<_, #count, _>(|n| {
                let part: [_; #stride_] = parts[n];
                #inner
            })
        }
    }
}
