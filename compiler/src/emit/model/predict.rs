//! Prediction: samples into lanes, `predict`, and the trait `Model`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::blocks::{Memory, Statement};
use super::memory::MemoryOfOne;
use super::{Model, array_type};
use crate::emit::tree::mentions;
use crate::emit::{names, number};
use crate::plan::{Along, LANES, Pass};
use crate::program::TargetKind;

/// Numbers of a batch from which on threads share the work of turning them into lanes, which takes some microseconds:
/// what comes next is divided too, so that they are awake.
const MANY_NUMBERS: usize = 40_000;

impl Model<'_> {
    /// Functions that turn samples into lanes, and lanes back into samples.
    pub(super) fn borders(&self) -> (TokenStream, TokenStream) {
        let element = &self.element;
        let outputs = number(self.info.output.iter().product());
        let load = self.load_samples();
        let store = quote! {
            /// Lanes become predictions, sample after sample.
            #[entry(StoreOutputs)]
            fn store_outputs<'a>(lanes: &'a [[Row; #outputs]], outputs: &'a mut [#element]) {
                rt::pack::unpack::<L, #outputs>(lanes, outputs.len() / #outputs, outputs);
            }
        };
        let targets = match self.info.target().filter(|_| self.plan.evaluate.is_some()) {
            Some((TargetKind::Values, len)) if len > 0 => {
                let len = number(len);
                quote! {
                    /// Target values become lanes.
                    #[entry(LoadTargets)]
                    fn load_targets<'a>(
                        targets: &'a [#element], first_group: rt::First, lanes: &'a mut [[Row; #len]],
                    ) {
                        rt::pack::rows::<L, #len>(targets, targets.len() / #len, first_group.0, lanes);
                    }
                }
            }
            _ => TokenStream::new(),
        };
        (quote!(#load #targets), store)
    }

    /// Whether threads share the work of turning samples into lanes.
    fn divides_samples(&self) -> bool {
        let samples = self.plan.groups.max(self.plan.predict_groups) * LANES;
        let numbers = samples * self.info.input.iter().product::<usize>();
        self.plan.is_divided() && numbers >= MANY_NUMBERS
    }

    /// The function that turns rows of samples into lanes.
    fn load_samples(&self) -> TokenStream {
        let element = &self.element;
        let width = number(self.info.input.iter().product());
        // All parts look at all samples, of which each has its own groups. Where there is one part it is told the first
        // group too: of a number that is known rustc makes slower code for samples of a few values.
        let (each, samples_ty) = match self.divides_samples() {
            true => (quote!(, each), quote!(&'a &'a [#element])),
            false => (quote!(), quote!(&'a [#element])),
        };
        if self.info.inputs.len() == 1 {
            return quote! {
                /// Samples become lanes; padding repeats the first sample.
                #[entry(LoadSamples #each)]
                fn load_samples<'a>(samples: #samples_ty, first_group: rt::First, lanes: &'a mut [[Row; #width]]) {
                    rt::pack::rows::<L, #width>(samples, samples.len() / #width, first_group.0, lanes);
                }
            };
        }
        let inputs: Vec<(Ident, TokenStream)> = self
            .input_values()
            .into_iter()
            .zip(&self.info.inputs)
            .map(|(name, input)| (name, number(input.len())))
            .collect();
        let arguments = inputs.iter().map(|(name, len)| quote!(#name: &'a mut [[Row; #len]]));
        let mut from = 0;
        let parts = inputs.iter().zip(&self.info.inputs).map(|((name, len), input)| {
            let at = number(from);
            from += input.len();
            quote!(rt::pack::part::<L, #width, #len>(samples, #at, samples.len() / #width, first_group.0, #name);)
        });
        quote! {
            /// Samples, rows of all inputs, become the lanes of each; padding repeats the first sample.
            #[entry(LoadSamples #each)]
            fn load_samples<'a>(samples: #samples_ty, first_group: rt::First, #(#arguments),*) {
                #(#parts)*
            }
        }
    }

    /// What the inputs are called in emitted code.
    pub(super) fn input_values(&self) -> Vec<Ident> {
        let pass = &self.plan.predict;
        let value = |input: &crate::graph::Input| {
            names::ident(
                &pass.value(input.node).map_or_else(|| input.name.clone(), |value| value.name.clone()),
            )
        };
        pass.graph.inputs.iter().map(value).collect()
    }

    /// `simd.run(LoadSamples(…))`, from the rows `x` to the places of a pass.
    pub(super) fn run_load(&self, pass: &Pass, memory: Memory) -> TokenStream {
        let places = pass.graph.inputs.iter().map(|input| self.place(pass, input.node, memory));
        if self.divides_samples() {
            let units = super::units(Along::Groups, memory);
            return quote!(threads.run(simd, #units, LoadSamples(&x, rt::First(0), #(&mut #places),*)););
        }
        quote!(simd.run(LoadSamples(x, rt::First(0), #(&mut #places),*));)
    }

    /// `predict`: one sample, no allocation but that of a large sample's memory by the first call.
    pub(super) fn predict_one(&self, single: &[Statement]) -> TokenStream {
        let pass = &self.plan.single;
        let element = &self.element;
        let output_ty = array_type(&self.info.output, element);
        let outputs: usize = self.info.output.iter().product();
        let inputs = self.input_values();
        let (mut arguments, mut flat) = (Vec::new(), Vec::new());
        for (input, name) in self.info.inputs.iter().zip(&inputs) {
            let ty = array_type(&input.shape, element);
            arguments.push(quote!(#name: &#ty));
            flat.push(flatten(&quote!(#name), input.shape.len()));
        }
        let runs: Vec<TokenStream> =
            single.iter().map(|statement| self.statement(pass, statement, Memory::One)).collect();
        let of_model = self.of_model(&runs);
        let output = self.place(pass, pass.graph.output, Memory::One);
        let out_len = number(outputs);
        // The result as it is given, and as the numbers that are written to it.
        let shape = self.info.output.as_slice();
        let zeros = shape.iter().rev().fold(quote!(0.0), |zeros, n| {
            let n = number(*n);
            quote!([#zeros; #n])
        });
        let written = match shape.len() {
            1 => quote!(&mut outputs),
            rank => (1..rank).fold(quote!(outputs), |place, _| quote!(#place.as_flattened_mut())),
        };
        let (docs, result, one) = if self.of_one == MemoryOfOne::Heap {
            let loads = pass.graph.inputs.iter().zip(&inputs).map(|(input, name)| {
                let place = self.place(pass, input.node, Memory::One);
                quote!(rt::pack::write_vector(#name, &mut #place);)
            });
            let one = quote! {
                /// The outputs of one sample.
                fn one(&self, #(#inputs: &[#element],)* outputs: &mut [#element]) {
                    #of_model
                    let sample = &mut *self.sample.lend();
                    #(#loads)*
                    #(#runs)*
                    rt::pack::read_features(&#output, outputs);
                }
            };
            let result = quote! {
                let mut outputs = #zeros;
                self.one(#(#flat,)* #written);
                outputs
            };
            ("Predicts one sample. The first call makes the memory that later ones have again.", result, one)
        } else {
            // What nobody reads, for which there is a warning, need not be turned round.
            let is_read = |name: &Ident| runs.iter().chain([&output]).any(|code| mentions(code, name));
            let read = self.info.inputs.iter().zip(&inputs).filter(|(_, name)| is_read(name));
            let vectors = read.map(|(input, name)| {
                let rows = number(input.len().div_ceil(LANES));
                quote!(let #name = rt::pack::vector::<#element, #rows>(#name);)
            });
            let declared = self.written_by_one().into_iter().map(|(name, len)| {
                let rows = number(len.div_ceil(LANES));
                quote!(let mut #name = [ZERO_ROW; #rows];)
            });
            let given = inputs.iter().map(|name| match is_read(name) {
                true => name.clone(),
                false => names::ident(&format!("_{name}")),
            });
            let out_rows = number(outputs.div_ceil(LANES));
            let one = quote! {
                /// The outputs of one sample, in rows of sixteen.
                fn one(&self, #(#given: &[#element]),*) -> [Row; #out_rows] {
                    #of_model
                    #(#vectors)*
                    #(#declared)*
                    #(#runs)*
                    #output
                }
            };
            let result = match shape.len() {
                1 => quote!(rt::pack::features::<#element, #out_len>(&self.one(#(#flat),*))),
                _ => quote! {
                    let mut outputs = #zeros;
                    rt::pack::read_features(&self.one(#(#flat),*), #written);
                    outputs
                },
            };
            ("Predicts one sample, without allocating.", result, one)
        };
        let docs = super::docs([docs.to_owned()]);
        quote! {
            #docs
            #[must_use]
            pub fn predict(&self, #(#arguments),*) -> #output_ty {
                #result
            }

            #one
        }
    }

    /// `let simd = self.simd;` and the like, for what the code of a prediction needs of the model.
    fn of_model<'c>(&self, code: impl IntoIterator<Item = &'c TokenStream> + Clone) -> TokenStream {
        let needs = |name| code.clone().into_iter().any(|code| mentions(code, &names::ident(name)));
        let simd = needs("simd").then(|| quote!(let simd = self.simd;));
        let parameters = needs("parameters").then(|| quote!(let parameters = &*self.parameters;));
        let threads = self.threads(code);
        quote!(#simd #threads #parameters)
    }

    /// The values of one sample that its functions write, each once, and how long they are.
    fn written_by_one(&self) -> Vec<(Ident, usize)> {
        let pass = &self.plan.single;
        let mut written: Vec<(Ident, usize)> = Vec::new();
        for id in pass.functions.iter().flat_map(|function| &function.writes) {
            let Some(name) = self.value_path(pass, *id, Memory::One).pop() else { continue };
            if !written.iter().any(|(known, _)| *known == name) {
                written.push((name, pass.graph.node(*id).len()));
            }
        }
        written
    }

    /// What `predict_rows` calls for several samples: a function of its own, for its memory may lie on the stack, where
    /// one sample should not have to find room for it.
    pub(super) fn predict_several(&self, predict: &[Statement]) -> TokenStream {
        let pass = &self.plan.predict;
        let element = &self.element;
        let inputs = number(self.info.input.iter().product());
        let outputs = number(self.info.output.iter().product());
        let runs = predict.iter().map(|statement| self.statement(pass, statement, Memory::Scratch));
        let runs: Vec<TokenStream> = runs.collect();
        let load = self.run_load(pass, Memory::Scratch);
        let output = self.place(pass, pass.graph.output, Memory::Scratch);
        let scratch = if self.has_large_scratch() {
            quote!(let scratch = &mut *self.scratch.lend();)
        } else {
            quote!(let mut scratch: Scratch = rt::Zero::ZERO;)
        };
        let of_model = self.of_model(runs.iter().chain([&load]));
        quote! {
            /// The outputs of samples, so many groups at a time.
            #[inline(never)]
            fn several(&self, x: &[#element], out: &mut [#element]) {
                #of_model
                #scratch
                let samples = 16 * PREDICT_GROUPS;
                for (x, out) in x.chunks(#inputs * samples).zip(out.chunks_mut(#outputs * samples)) {
                    #load
                    #(#runs)*
                    simd.run(StoreOutputs(&#output, out));
                }
            }
        }
    }

    pub(super) fn model_impl(&self, name: &Ident) -> TokenStream {
        let element = &self.element;
        let outputs = number(self.info.output.iter().product());
        let mut from = 0;
        let parts = self.info.inputs.iter().map(|input| {
            let start = number(from);
            from += input.len();
            let end = number(from);
            quote!(&x[#start..#end])
        });
        let row = if self.info.inputs.len() == 1 { quote!(x) } else { quote!(#(#parts),*) };
        let one = if self.of_one == MemoryOfOne::Heap {
            quote!(self.one(#row, out))
        } else {
            quote!(out.copy_from_slice(&rt::pack::features::<#element, #outputs>(&self.one(#row))))
        };
        quote! {
            impl rt::Model for #name {
                type Elem = #element;

                fn info(&self) -> &'static rt::ModelInfo {
                    &INFO
                }

                fn predict_rows(&self, x: &[#element], out: &mut [#element]) -> Result<(), rt::ShapeError> {
                    match INFO.check_rows(x.len(), out.len())? {
                        1 => #one,
                        _ => self.several(x, out),
                    }
                    Ok(())
                }

                fn read_tensor(&self, tensor: usize, out: &mut [#element]) {
                    self.parameters.read(INFO.layout(tensor), tensor, out);
                }

                fn write_tensor(&mut self, tensor: usize, values: &[#element]) {
                    self.parameters.write(INFO.layout(tensor), tensor, values);
                }
            }
        }
    }
}

/// `x` for a vector, `x.as_flattened()` for more, made an array reference again.
fn flatten(x: &TokenStream, rank: usize) -> TokenStream {
    (1..rank).fold(x.clone(), |tokens, _| quote!(#tokens.as_flattened()))
}
