//! Prediction: samples into lanes, `predict`, and the trait `Model`.

use proc_macro2::{Ident, TokenStream};
use quote::quote;

use super::blocks::{Memory, Statement};
use super::{Model, array_type};
use crate::emit::tree::mentions;
use crate::emit::{names, number};
use crate::graph::NodeId;
use crate::plan::{LANES, Pass};
use crate::program::TargetKind;

/// Bytes of a sample's values up to which each has memory of its own.
const STACK_OF_ONE: usize = 64 << 10;

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
                    fn load_targets<'a>(targets: &'a [#element], first_group: usize, lanes: &'a mut [[Row; #len]]) {
                        rt::pack::rows::<L, #len>(targets, targets.len() / #len, first_group, lanes);
                    }
                }
            }
            _ => TokenStream::new(),
        };
        (quote!(#load #targets), store)
    }

    /// The function that turns rows of samples into lanes.
    fn load_samples(&self) -> TokenStream {
        let element = &self.element;
        let width = number(self.info.input.iter().product());
        if self.info.inputs.len() == 1 {
            return quote! {
                /// Samples become lanes; padding repeats the first sample.
                #[entry(LoadSamples)]
                fn load_samples<'a>(samples: &'a [#element], first_group: usize, lanes: &'a mut [[Row; #width]]) {
                    rt::pack::rows::<L, #width>(samples, samples.len() / #width, first_group, lanes);
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
            quote!(rt::pack::part::<L, #width, #len>(samples, #at, samples.len() / #width, first_group, #name);)
        });
        quote! {
            /// Samples, rows of all inputs, become the lanes of each; padding repeats the first sample.
            #[entry(LoadSamples)]
            fn load_samples<'a>(samples: &'a [#element], first_group: usize, #(#arguments),*) {
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
        quote!(simd.run(LoadSamples(x, 0, #(&mut #places),*));)
    }

    /// `predict`: one sample, no allocation.
    pub(super) fn predict_one(&self, single: &[Statement]) -> TokenStream {
        let pass = &self.plan.single;
        let element = &self.element;
        let output_ty = array_type(&self.info.output, element);
        let outputs: usize = self.info.output.iter().product();
        let inputs = self.input_values();
        let given = self.info.inputs.iter().zip(&inputs);
        let (mut arguments, mut flat, mut vectors) = (Vec::new(), Vec::new(), Vec::new());
        for (input, name) in given {
            let (ty, rows) = (array_type(&input.shape, element), number(input.len().div_ceil(LANES)));
            arguments.push(quote!(#name: &#ty));
            flat.push(flatten(&quote!(#name), input.shape.len()));
            vectors.push(quote!(let #name = rt::pack::vector::<#element, #rows>(#name);));
        }
        let place = |id: NodeId| self.value_path(pass, id, Memory::One).pop();
        let mut declared: Vec<(Ident, usize)> = Vec::new();
        for id in pass.functions.iter().flat_map(|function| &function.writes) {
            let Some(name) = place(*id) else { continue };
            if !declared.iter().any(|(known, _)| *known == name) {
                declared.push((name, pass.graph.node(*id).len()));
            }
        }
        let written = declared.into_iter().map(|(name, len)| {
            let rows = number(len.div_ceil(LANES));
            quote!(let mut #name = [ZERO_ROW; #rows];)
        });
        let runs = single.iter().map(|statement| self.statement(pass, statement, Memory::One));
        let output = place(pass.graph.output);
        let (out_rows, out_len) = (number(outputs.div_ceil(LANES)), number(outputs));
        let features = quote!(rt::pack::features::<#element, #out_len>(&self.one(#(#flat),*)));
        let result = match self.info.output.as_slice() {
            [_] => features,
            shape => unflatten(&features, shape),
        };
        quote! {
            /// Predicts one sample, without allocating.
            #[must_use]
            pub fn predict(&self, #(#arguments),*) -> #output_ty {
                #result
            }

            /// The outputs of one sample, in rows of sixteen.
            fn one(&self, #(#inputs: &[#element]),*) -> [Row; #out_rows] {
                #(#vectors)*
                #(#written)*
                #(#runs)*
                #output
            }
        }
    }

    /// Whether the values of one sample share memory: they lie on the stack, which is small.
    pub(super) fn shares_slots_of_one(&self) -> bool {
        let size = if self.element.to_string() == "f64" { 8 } else { 4 };
        let values = self.plan.single.values.iter().map(|value| value.len.next_multiple_of(LANES) * size);
        values.sum::<usize>() > STACK_OF_ONE
    }

    pub(super) fn model_impl(&self, name: &Ident, predict: &[Statement]) -> TokenStream {
        let pass = &self.plan.predict;
        let element = &self.element;
        let inputs = number(self.info.input.iter().product());
        let outputs = number(self.info.output.iter().product());
        let runs = predict.iter().map(|statement| self.statement(pass, statement, Memory::Scratch));
        let runs: Vec<TokenStream> = runs.collect();
        let load = self.run_load(pass, Memory::Scratch);
        let output = self.place(pass, pass.graph.output, Memory::Scratch);
        let mut from = 0;
        let parts = self.info.inputs.iter().map(|input| {
            let start = number(from);
            from += input.len();
            let end = number(from);
            quote!(&x[#start..#end])
        });
        let row = if self.info.inputs.len() == 1 { quote!(x) } else { quote!(#(#parts),*) };
        let scratch = if self.has_large_scratch() {
            quote!(let scratch = &mut *self.scratch.lend(&ZERO_SCRATCH);)
        } else {
            quote!(let mut scratch = Scratch::ZERO;)
        };
        let needs_parameters = runs.iter().any(|run| mentions(run, &names::ident("parameters")));
        let parameters = needs_parameters.then(|| quote!(let parameters = &*self.parameters;));
        let threads = self.threads(&runs);
        quote! {
            impl rt::Model for #name {
                type Elem = #element;

                fn info(&self) -> &rt::ModelInfo {
                    &INFO
                }

                fn predict_rows(&self, x: &[#element], out: &mut [#element]) -> Result<(), rt::ShapeError> {
                    if INFO.check_rows(x.len(), out.len())? == 1 {
                        out.copy_from_slice(&rt::pack::features::<#element, #outputs>(&self.one(#row)));
                        return Ok(());
                    }
                    let simd = self.simd;
                    #threads
                    #parameters
                    #scratch
                    let samples = 16 * PREDICT_GROUPS;
                    for (x, out) in x.chunks(#inputs * samples).zip(out.chunks_mut(#outputs * samples)) {
                        #load
                        #(#runs)*
                        simd.run(StoreOutputs(&#output, out));
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
