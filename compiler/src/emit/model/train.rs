//! Training: `train_step`, and the trait `Train`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::blocks::{Memory, Statement};
use super::{Model, array_type};
use crate::emit::comments::docs;
use crate::emit::number;
use crate::emit::parameters::number_of_kept;
use crate::graph::{Direction, NodeId, Op};
use crate::plan::{Function, Pass};
use crate::program::{Precision, Reduction, TargetKind};

impl Model<'_> {
    pub(super) fn train_methods(&self, trains: bool) -> TokenStream {
        if !trains {
            return TokenStream::new();
        }
        let element = &self.element;
        let given = self.input_values();
        let (mut arguments, mut flat) = (Vec::new(), Vec::new());
        for (input, name) in self.info.inputs.iter().zip(&given) {
            let ty = array_type(&input.shape, element);
            arguments.push(quote!(#name: &[#ty]));
            flat.push((0..input.shape.len()).fold(quote!(#name), |tokens, _| quote!(#tokens.as_flattened())));
        }
        let compares_within = matches!(self.info.target(), Some((TargetKind::Values, 0)));
        let (target_ty, target) = match self.info.target() {
            Some((TargetKind::Class, _)) => match self.info.positions() {
                1 => (quote!(u32), quote!(rt::Target::Classes(target))),
                positions => {
                    let positions = number(positions);
                    (quote!([u32; #positions]), quote!(rt::Target::Classes(target.as_flattened())))
                }
            },
            Some((TargetKind::Values, len)) if len != self.info.output.iter().product() => {
                (array_type(&[len], element), quote!(rt::Target::Values(target.as_flattened())))
            }
            _ => {
                let flat = (0..self.info.output.len())
                    .fold(quote!(target), |tokens, _| quote!(#tokens.as_flattened()));
                (array_type(&self.info.output, element), quote!(rt::Target::Values(#flat)))
            }
        };
        let batch = format!(
            "One step on up to {} samples: forward, loss, backward, update. Returns the loss.",
            self.info.batch
        );
        let mut lines = vec![batch, String::new()];
        lines.extend(self.row_of_targets());
        lines.extend(
            [
                "When the loss is not finite the model is left as it was.",
                "",
                "# Errors",
                "When there are no samples or too many, targets of another number, or a class outside the model's.",
            ]
            .map(str::to_owned),
        );
        let docs = docs(lines);
        let target = if compares_within { quote!(rt::Target::Values(&[])) } else { target };
        let target_argument = (!compares_within).then(|| quote!(target: &[#target_ty]));
        let step = match flat.as_slice() {
            [only] => quote!(rt::Train::step_rows(self, #only, #target)),
            _ => quote! {
                let mut rows = ::core::mem::take(&mut self.rows);
                let loss = match INFO.join(&[#(#flat),*], &mut rows) {
                    Ok(x) => rt::Train::step_rows(self, x, #target),
                    Err(fault) => Err(fault),
                };
                self.rows = rows;
                loss
            },
        };
        arguments.extend(target_argument);
        let is_carried = self.plan.train.as_ref().is_some_and(|pass| !pass.graph.carried.is_empty());
        let reset = is_carried.then(|| {
            quote! {
                /// Lets the states of cells begin anew with the next step, which else goes on from where the last one
                /// ended, each sample from that in its place.
                pub fn reset_state(&mut self) {
                    rt::Train::reset_state(self);
                }
            }
        });
        quote! {
            #reset

            #docs
            pub fn train_step(&mut self, #(#arguments),*) -> Result<f32, rt::StepError> {
                #step
            }
        }
    }

    /// What stands where in a row of targets, if several outputs have one.
    fn row_of_targets(&self) -> Vec<String> {
        let targets =
            self.info.outputs.iter().filter_map(|output| {
                Some((&output.name, output.target.filter(|target| target.width() > 0)?))
            });
        let mut from = 0;
        let parts: Vec<String> = targets
            .map(|(name, target)| {
                let at = from;
                from += target.width();
                match target.kind {
                    TargetKind::Class if target.positions > 1 => {
                        format!("the classes of `{name}` at {at}..{from}")
                    }
                    TargetKind::Class => format!("the class of `{name}` at {at}"),
                    TargetKind::Values => format!("`{name}` at {at}..{from}"),
                }
            })
            .collect();
        match parts.as_slice() {
            [_, _, ..] => vec![format!("In a row of targets stand {}.", parts.join(", ")), String::new()],
            _ => Vec::new(),
        }
    }

    pub(super) fn train_impl(
        &self,
        name: &Ident,
        train: &[Statement],
        evaluate: &[Statement],
    ) -> TokenStream {
        let (Some(train_pass), Some(evaluate_pass)) = (&self.plan.train, &self.plan.evaluate) else {
            return TokenStream::new();
        };
        let optimizer = self.optimizer.as_ref();
        let element = &self.element;
        let has_state = optimizer.is_some_and(|optimizer| !optimizer.states.is_empty());
        let has_lr = optimizer.is_some_and(|optimizer| optimizer.source.rate.is_some());
        let stores = optimizer.is_some_and(|optimizer| optimizer.source.stores_gradients());
        let of = |direction| train.iter().filter(move |statement| statement.direction() == direction);
        let behind_loss = train.iter().filter(|statement| statement.direction().is_behind_loss());
        let before: Vec<TokenStream> =
            of(Direction::Forward).map(|step| self.statement(train_pass, step, Memory::Train)).collect();
        let loss: Vec<TokenStream> =
            of(Direction::Loss).map(|step| self.with_loss(train_pass, step, Memory::Train)).collect();
        let after: Vec<TokenStream> =
            behind_loss.map(|step| self.statement(train_pass, step, Memory::Train)).collect();
        let evaluate_runs: Vec<TokenStream> =
            evaluate.iter().map(|step| self.with_loss(evaluate_pass, step, Memory::Evaluate)).collect();
        let load_train = self.load_batch(train_pass, Memory::Train);
        let load_evaluate = self.load_batch(evaluate_pass, Memory::Evaluate);
        let threads = self.threads(before.iter().chain(&loss).chain(&after).chain([&load_train]));
        let threads_evaluate = self.threads(evaluate_runs.iter().chain([&load_evaluate]));
        let state = has_state.then(|| quote!(let state = &mut *self.state;));
        let rates = optimizer
            .filter(|_| !stores)
            .map(|optimizer| optimizer.rates_of_step(&quote!(self.steps)))
            .unwrap_or_default();
        let gradients = stores.then(|| quote!(let gradients = &mut *self.gradients;));
        let update = self.run_update();
        let draws = self
            .draws()
            .then(|| quote!(let draws = rt::random::Draws { seed: self.seed, step: self.steps };));
        let tracking = self.tracking(train_pass);
        let carry = self.carry(train_pass);
        let carried_methods = self.carried_methods(train_pass);
        let schedule_methods = self.schedule_methods();
        let checks = self.finite_checks(train_pass);
        let (lr_get, lr_set) = if has_lr {
            let set = quote! {
                if lr.is_finite() && lr >= 0.0 {
                    self.lr = lr;
                }
            };
            (quote!(Some(self.lr)), set)
        } else {
            (quote!(None), quote!(let _ = lr;))
        };
        let accumulates = optimizer.is_some_and(|optimizer| optimizer.source.accumulate > 1);
        let n_states = number(optimizer.map_or(0, |optimizer| optimizer.states.len()));
        let kept = number_of_kept(self.graph(), &quote!(tensor));
        // Gradients of several steps are a state behind the others.
        let of_state = |method: TokenStream, values: TokenStream, get: TokenStream| {
            let of_gradients = quote!(self.gradients.#method(INFO.layout(tensor), #kept, #values););
            let of_states = quote! {
                if let Some(tensors) = self.state.#get(state) {
                    tensors.#method(INFO.layout(tensor), #kept, #values);
                }
            };
            match (has_state, accumulates) {
                (false, false) => quote!(let _ = (state, tensor, #values);),
                (true, false) => of_states,
                (false, true) => quote!(if state == #n_states { #of_gradients }),
                (true, true) => quote!(if state == #n_states { #of_gradients } else #of_states),
            }
        };
        let read_state = of_state(quote!(read), quote!(out), quote!(get));
        let write_state = of_state(quote!(write), quote!(values), quote!(get_mut));
        // A step tells its loss as f32 in every precision, and is none where that is not finite.
        let narrowed = (self.graph().precision == Precision::F64).then(|| quote!(let loss = loss as f32;));
        quote! {
            impl rt::Train for #name {
                fn step_rows(&mut self, x: &[#element], target: rt::Target<'_, #element>) -> Result<f32, rt::StepError> {
                    let samples = INFO.check_batch(x, &target)?;
                    let simd = self.simd;
                    #threads
                    let arena = &mut *self.arena;
                    let parameters = &mut *self.parameters;
                    #state
                    #gradients
                    #draws
                    #load_train
                    #(#before)*
                    #(#loss)*
                    #narrowed
                    if !loss.is_finite() {
                        return Ok(loss);
                    }
                    self.steps += 1;
                    #(#tracking)*
                    #carry
                    #rates
                    #(#after)*
                    #update
                    Ok(loss)
                }

                fn loss_rows(&mut self, x: &[#element], target: rt::Target<'_, #element>) -> Result<f32, rt::StepError> {
                    let samples = INFO.check_batch(x, &target)?;
                    let simd = self.simd;
                    #threads_evaluate
                    let arena = &mut *self.arena;
                    let parameters = &*self.parameters;
                    #load_evaluate
                    #(#evaluate_runs)*
                    #narrowed
                    Ok(loss)
                }

                fn first_non_finite(&self) -> Option<rt::LayerInfo> {
                    let arena = &*self.arena;
                    #checks
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

                #schedule_methods

                #carried_methods

                fn read_state(&self, state: usize, tensor: usize, out: &mut [#element]) {
                    #read_state
                }

                fn write_state(&mut self, state: usize, tensor: usize, values: &[#element]) {
                    #write_state
                }
            }
        }
    }

    /// A statement, of which the total of the losses is called `loss`.
    fn with_loss(&self, pass: &Pass, statement: &Statement, memory: Memory) -> TokenStream {
        let code = self.statement(pass, statement, memory);
        let returns = matches!(statement, Statement::Layer(run) if run.returns);
        if returns { quote!(let loss = #code) } else { code }
    }

    /// Statements that bring a batch into the arena.
    pub(super) fn load_batch(&self, pass: &Pass, memory: Memory) -> TokenStream {
        let graph = &pass.graph;
        let load = self.run_load(pass, memory);
        let find = |wanted: fn(&Op) -> bool| graph.ids().find(|id| wanted(&graph.node(*id).op));
        let target = find(|op| matches!(op, Op::Target)).filter(|id| pass.value(*id).is_some()).map(|id| {
            let place = self.place(pass, id, memory);
            match self.info.target() {
                Some((TargetKind::Class, _)) => quote! {
                    if let rt::Target::Classes(classes) = target {
                        rt::pack::classes(classes, samples, &mut #place);
                    }
                },
                _ => quote! {
                    if let rt::Target::Values(values) = target {
                        simd.run(LoadTargets(values, rt::First(0), &mut #place));
                    }
                },
            }
        });
        let scale =
            find(|op| matches!(op, Op::SampleScale)).filter(|id| pass.value(*id).is_some()).map(|id| {
                let place = self.place(pass, id, memory);
                let element = &self.element;
                let value = match graph.loss.as_ref().map(|loss| loss.reduction) {
                    Some(Reduction::Sum) => quote!(1.0),
                    _ => quote!(1.0 / samples as #element),
                };
                quote!(rt::pack::scale(samples, #value, #place.as_flattened_mut());)
            });
        quote! {
            #load
            #target
            #scale
        }
    }

    /// Statements that bring running figures nearer to those of the batch.
    fn tracking(&self, pass: &Pass) -> Vec<TokenStream> {
        let statement = |tracking: &crate::graph::Tracking| {
            let place = self.place(pass, tracking.value, Memory::Train);
            let name = self.parameters.place(&pass.graph.parameter(tracking.buffer).name);
            let momentum = crate::emit::scalar::literal(tracking.momentum, Precision::F64);
            quote!(rt::norm::track(&#place, #momentum, &mut parameters.#name);)
        };
        pass.graph.tracking.iter().map(statement).collect()
    }

    /// Statements that keep the states of cells for the next step.
    fn carry(&self, pass: &Pass) -> TokenStream {
        let places = self.carried(pass).into_iter().zip(&pass.graph.carried).map(|(to, carried)| {
            let (from, position) = (self.place(pass, carried.value, Memory::Train), number(carried.position));
            quote!(rt::sequence::carry(&#from, #position, samples, &mut #to);)
        });
        places.collect()
    }

    /// Where they are kept.
    fn carried(&self, pass: &Pass) -> Vec<TokenStream> {
        let graph = &pass.graph;
        let leaf = |n: usize| graph.ids().find(|id| graph.node(*id).op == Op::Carried(n as u32));
        let leaves = (0..graph.carried.len()).filter_map(leaf);
        leaves.map(|id| self.place(pass, id, Memory::Train)).collect()
    }

    /// Methods for what is kept of cells' states; nothing where no state is.
    fn carried_methods(&self, pass: &Pass) -> TokenStream {
        let places = self.carried(pass);
        if places.is_empty() {
            return TokenStream::new();
        }
        let element = &self.element;
        let graph = &pass.graph;
        let len = |carried: &crate::graph::Carried| graph.node(carried.value).row();
        let features = number(graph.carried.iter().map(len).sum());
        let initial = graph
            .carried
            .iter()
            .map(|carried| crate::emit::scalar::literal(carried.initial, graph.precision));
        quote! {
            fn carried(&self) -> usize {
                #features * SAMPLES
            }

            fn reset_state(&mut self) {
                let arena = &mut *self.arena;
                #(#places.as_flattened_mut().fill([#initial; 16]);)*
            }

            fn read_carried(&self, out: &mut [#element]) {
                let arena = &*self.arena;
                let values = [#(#places.as_flattened().as_flattened()),*];
                out.iter_mut().zip(values.iter().copied().flatten()).for_each(|(to, from)| *to = *from);
            }

            fn write_carried(&mut self, values: &[#element]) {
                let arena = &mut *self.arena;
                let to = [#(#places.as_flattened_mut().as_flattened_mut()),*];
                let to = IntoIterator::into_iter(to).flatten();
                to.zip(values).for_each(|(to, from)| *to = *from);
            }
        }
    }

    /// The values that functions of the forward part hand on, in order, each with the number of its layer. What is
    /// computed again on the way back may be gone by the end of the loss.
    pub(super) fn finite_checks(&self, pass: &Pass) -> TokenStream {
        let is = |function: &&Function, direction| function.direction == direction;
        let reads: Vec<NodeId> = pass
            .functions
            .iter()
            .filter(|function| !function.direction.is_behind_loss())
            .flat_map(|function| function.reads.iter().copied())
            .collect();
        let loss_at = pass.functions.iter().position(|function| is(&function, Direction::Loss));
        let is_kept = |id: &NodeId| pass.value(*id).is_some_and(|value| Some(value.until) >= loss_at);
        let forward = pass.functions.iter().filter(|function| is(function, Direction::Forward));
        let values = forward.flat_map(|function| {
            let layer = number(function.layer.0 as usize);
            let handed_on = function.writes.iter().filter(|id| reads.contains(id) && is_kept(id));
            handed_on.map(move |id| {
                let place = self.place(pass, *id, Memory::Train);
                quote!((#layer, &#place))
            })
        });
        quote! {
            let values: &[(usize, &dyn rt::Finite)] = &[#(#values),*];
            let (layer, _) = values.iter().find(|(_, value)| !value.is_finite())?;
            INFO.layers.get(*layer).copied()
        }
    }
}
