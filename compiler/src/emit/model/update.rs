//! The update of all parameters, where gradients are kept until all are there; and what schedules know of the time.

use proc_macro2::TokenStream;
use quote::quote;

use super::Model;
use crate::emit::comments::{comment, names_in_a_line};
use crate::emit::number;
use crate::emit::optimizer::Optimizer;
use crate::emit::parameters::{gradient_type, number_of_kept};
use crate::graph::{Parameter, Role};
use crate::plan::LANES;
use crate::program::Storage;
use crate::scalar::Variable;

impl Model<'_> {
    /// Trained parameters with their numbers.
    fn trained(&self) -> impl Iterator<Item = (usize, &Parameter)> {
        let parameters = self.graph().parameters.iter().enumerate();
        parameters.filter(|(_, parameter)| parameter.role == Role::Trained)
    }

    /// The functions that run over all gradients.
    pub(super) fn update_all(&self) -> TokenStream {
        let Some(optimizer) = self.optimizer.as_ref().filter(|optimizer| optimizer.source.stores_gradients())
        else {
            return TokenStream::new();
        };
        let element = &self.element;
        let has_state = !optimizer.states.is_empty();
        let state = has_state.then(|| quote!(, state: &'a mut State));
        let rates = optimizer.has_rates().then(|| quote!(, rates: &'a Rates));
        let tensors = self.update_tensors(optimizer);
        let ty = gradient_type(self.graph());
        let mutable = (optimizer.source.accumulate > 1).then(|| quote!(mut));
        let update = quote! {
            /// The update of every trained parameter by its gradient.
            #[entry(UpdateAll)]
            fn update_all<'a>(gradients: &'a #mutable #ty, parameters: &'a mut Parameters #state #rates) {
                #(#tensors)*
            }
        };
        if !optimizer.clips_norm() {
            return update;
        }
        let count = number(self.trained().count());
        quote! {
            /// The sum of the squares of all gradients.
            #[entry(GradientSquares)]
            fn gradient_squares<'a>(gradients: &'a #ty) -> #element {
                let mut squares = L::zero();
                for tensor in 0..#count {
                    for row in gradients.rows(tensor) {
                        let z = L::load(row);
                        squares = z.mul_add(z, squares);
                    }
                }
                squares.sum()
            }
            #update
        }
    }

    /// A loop over the rows of a parameter; `body` is given the indices of one.
    fn over_rows(&self, parameter: &Parameter, body: &dyn Fn(&TokenStream) -> TokenStream) -> TokenStream {
        let (rows, inputs) = parameter.rows();
        let rows = number(rows);
        match inputs {
            Some(inputs) => {
                let inputs = number(inputs);
                let body = body(&quote!([p][i]));
                quote!(for p in 0..#rows { for i in 0..#inputs { #body } })
            }
            None => {
                let body = body(&quote!([p]));
                quote!(for p in 0..#rows { #body })
            }
        }
    }

    /// The update of all tensors. Those of one group share a loop, where a pass over each is all that it takes and they
    /// are kept as they are computed with.
    fn update_tensors(&self, optimizer: &Optimizer) -> Vec<TokenStream> {
        let mut groups: Vec<(usize, Vec<(usize, &Parameter)>)> = Vec::new();
        for (n, parameter) in self.trained() {
            let group = optimizer.group(n);
            let is_alike = optimizer.n_phases() == 1 && parameter.storage == Storage::Full;
            let of_group = |(known, members): &&mut (usize, Vec<(usize, &Parameter)>)| {
                *known == group && members.iter().all(|(_, member)| member.storage == Storage::Full)
            };
            match groups.iter_mut().find(of_group).filter(|_| is_alike) {
                Some((_, members)) => members.push((n, parameter)),
                None => groups.push((group, vec![(n, parameter)])),
            }
        }
        let code = groups.iter().map(|(group, members)| match members.as_slice() {
            [(n, parameter)] => self.update_tensor(optimizer, *n, parameter),
            members => {
                let names: Vec<&str> = members.iter().map(|(_, parameter)| parameter.name.as_str()).collect();
                let comment = comment(&names_in_a_line(&names));
                let numbers: Vec<usize> = members.iter().map(|(n, _)| *n).collect();
                let tensors = numbers_in_order(&numbers);
                let kept = number_of_kept(self.graph(), &quote!(tensor));
                let (lets, kept) = match kept.to_string().as_str() {
                    "tensor" => (None, kept),
                    _ => (Some(quote!(let kept = #kept;)), quote!(kept)),
                };
                let update = optimizer.over_tensor(*group, &quote!(tensor), &kept);
                quote!(#comment for tensor in #tensors { #lets #update })
            }
        });
        code.collect()
    }

    fn update_tensor(&self, optimizer: &Optimizer, n: usize, parameter: &Parameter) -> TokenStream {
        let name = self.parameters.place(&parameter.name);
        let call = optimizer.call(n, name.clone());
        let indices: &[TokenStream] =
            if parameter.is_matrix { &[quote!(p), quote!(i)] } else { &[quote!(p)] };
        let gradient = quote!(gradient);
        let last = optimizer.n_phases() - 1;
        let mut n_norms = 0;
        let passes: Vec<TokenStream> = (0..=last)
            .map(|phase| {
                let pass = call.pass(phase, &gradient, indices);
                let made = optimizer.n_norms(n, phase);
                let is_last = phase == last;
                let clears = is_last && optimizer.source.accumulate > 1;
                let load = |place: &TokenStream| {
                    let clear = clears.then(|| quote!(L::zero().store(&mut gradients.#name #place);));
                    quote!(let gradient = L::load(&gradients.#name #place); #clear)
                };
                if made == 0 {
                    return self.over_rows(parameter, &|place| {
                        let load = load(place);
                        quote!(#load #pass;)
                    });
                }
                let count = number(made);
                // Behind the last feature there may be anything, for an optimizer may move what has no gradient.
                let features = if parameter.is_matrix { parameter.as_matrix().0 } else { parameter.len() };
                let inside = (!features.is_multiple_of(LANES)).then(|| {
                    let features = number(features);
                    quote!(let inside = L::first(#features - 16 * p);)
                });
                let sums = (0..made).map(|k| {
                    let k = number(k);
                    match inside {
                        Some(_) => quote! {
                            let part = L::select(inside, z[#k], L::zero());
                            squares[#k] = part.mul_add(part, squares[#k]);
                        },
                        None => quote!(squares[#k] = z[#k].mul_add(z[#k], squares[#k]);),
                    }
                });
                let sums: Vec<TokenStream> = sums.collect();
                let body = self.over_rows(parameter, &|place| {
                    let load = load(place);
                    quote!(#load let z = #pass; #inside #(#sums)*)
                });
                let earlier = (0..n_norms).map(|k| {
                    let k = number(k);
                    quote!(norms[#k])
                });
                let new = (0..made).map(|k| {
                    let k = number(k);
                    quote!(L::splat(squares[#k].sum()).sqrt())
                });
                n_norms += made;
                quote! {
                    let mut squares = [L::zero(); #count];
                    #body
                    let norms = [#(#earlier,)* #(#new),*];
                }
            })
            .collect();
        let comment = comment(&parameter.name);
        if last == 0 { quote!(#comment #(#passes)*) } else { quote!({ #comment #(#passes)* }) }
    }

    /// Statements behind the backward part that update all parameters.
    pub(super) fn run_update(&self) -> TokenStream {
        let Some(optimizer) = self.optimizer.as_ref().filter(|optimizer| optimizer.source.stores_gradients())
        else {
            return TokenStream::new();
        };
        let accumulate = optimizer.source.accumulate;
        let every = number(accumulate);
        let (wait, step) = if accumulate > 1 {
            let wait = quote! {
                if !self.steps.is_multiple_of(#every) {
                    return Ok(loss);
                }
            };
            (wait, quote!(self.steps / #every))
        } else {
            (TokenStream::new(), quote!(self.steps))
        };
        let clip = optimizer.source.clip_norm.map(|largest| {
            let largest = crate::emit::scalar::literal(largest, crate::program::Precision::F64);
            let share = crate::emit::scalar::literal(1.0 / accumulate as f64, crate::program::Precision::F64);
            quote! {
                let squares = simd.run(GradientSquares(gradients));
                let clip_scale = rt::clip_scale(f64::from(squares), #share, #largest);
            }
        });
        let rates = optimizer.rates_of_step(&step);
        let mut values = vec![quote!(gradients), quote!(parameters)];
        if !optimizer.states.is_empty() {
            values.push(quote!(state));
        }
        if optimizer.has_rates() {
            values.push(quote!(&rates));
        }
        quote! {
            #wait
            #clip
            #rates
            simd.run(UpdateAll(#(#values),*));
        }
    }

    /// Methods of `Train` that tell schedules the time, and where random numbers come from.
    pub(super) fn schedule_methods(&self) -> TokenStream {
        let Some(optimizer) = &self.optimizer else { return TokenStream::new() };
        let source = &optimizer.source;
        let mut out = TokenStream::new();
        if self.draws() {
            out.extend(quote! {
                fn seed(&self) -> Option<u64> {
                    Some(self.seed)
                }

                fn set_seed(&mut self, seed: u64) {
                    self.seed = seed;
                }
            });
        }
        if optimizer.has_horizon() {
            let accumulate =
                crate::emit::scalar::literal(source.accumulate as f64, crate::program::Precision::F64);
            let steps = if source.accumulate > 1 {
                quote!(steps_per_epoch as f64 / #accumulate)
            } else {
                quote!(steps_per_epoch as f64)
            };
            out.extend(quote! {
                fn set_horizon(&mut self, steps_per_epoch: u64, epochs: u64) {
                    let (steps_per_epoch, epochs) = (steps_per_epoch.max(1), epochs.max(1));
                    self.horizon = rt::Horizon { steps_per_epoch: #steps, epochs: epochs as f64 };
                }
            });
        }
        if let Some(rate) = &source.scheduled_rate {
            let every = number(source.accumulate);
            let step = if source.accumulate > 1 {
                quote!((self.steps / #every + 1) as f64)
            } else {
                quote!((self.steps + 1) as f64)
            };
            let lets = self.time_lets(std::slice::from_ref(rate), &step);
            let rate = optimizer.number(rate);
            out.extend(quote! {
                fn scheduled_rate(&self) -> Option<f64> {
                    #lets
                    Some(#rate)
                }
            });
        }
        if optimizer.has_schedule_states() {
            let lets = self.time_lets(&source.schedule_updates, &quote!(self.steps as f64));
            let reads_loss =
                source.schedule_updates.iter().any(|value| value.depends_on(Variable::EpochLoss));
            let loss = if reads_loss { quote!(loss) } else { quote!(_loss) };
            let updates = source.schedule_updates.iter().map(|value| optimizer.number(value));
            out.extend(quote! {
                fn end_epoch(&mut self, #loss: f64) {
                    #lets
                    self.schedule = [#(#updates),*];
                }

                fn schedule(&self) -> &[f64] {
                    &self.schedule
                }

                fn set_schedule(&mut self, values: &[f64]) {
                    for (to, from) in self.schedule.iter_mut().zip(values) {
                        *to = *from;
                    }
                }
            });
        }
        out
    }

    /// `let step = …;` and the like, for what formulas name.
    fn time_lets(&self, values: &[crate::scalar::Scalar], step: &TokenStream) -> TokenStream {
        let reads = |variable| values.iter().any(|value| value.depends_on(variable));
        let mut out = TokenStream::new();
        if reads(Variable::Step) {
            out.extend(quote!(let step = #step;));
        }
        if reads(Variable::Hyper(0)) {
            out.extend(quote!(let lr = self.lr;));
        }
        if reads(Variable::StepsPerEpoch) || reads(Variable::Epochs) {
            out.extend(quote!(let horizon = self.horizon;));
        }
        let states = self.optimizer.as_ref().map_or(0, |optimizer| optimizer.source.schedule_states.len());
        if (0..states as u32).any(|n| reads(Variable::ScheduleState(n))) {
            out.extend(quote!(let schedule = self.schedule;));
        }
        out
    }
}

/// `0..4`, or `[0, 2, 3]`.
fn numbers_in_order(numbers: &[usize]) -> TokenStream {
    let is_range = numbers.windows(2).all(|pair| matches!(pair, [a, b] if a + 1 == *b));
    match (numbers.first(), numbers.last()) {
        (Some(first), Some(last)) if is_range => {
            let (first, behind) = (number(*first), number(last + 1));
            quote!(#first..#behind)
        }
        _ => {
            let numbers = numbers.iter().map(|n| number(*n));
            quote!([#(#numbers),*])
        }
    }
}
