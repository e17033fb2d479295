//! `Parameters` and `State`: the memory that is kept between steps.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::bundles::{Item, Layout};
use super::comments::docs;
use super::number;
use super::optimizer::Optimizer;
use super::scalar::{Style, Writer};
use crate::graph::{Graph, Parameter, Role};
use crate::program::{Precision, Storage};
use crate::scalar::{Scalar, Variable};

/// The type of a row.
fn row_type(storage: Storage) -> TokenStream {
    match storage {
        Storage::Full => quote!(Row),
        Storage::Bf16 => quote!(HalfRow),
    }
}

/// The type of a parameter in its struct.
pub(super) fn field_type(parameter: &Parameter) -> TokenStream {
    let (rows, inputs) = parameter.rows();
    let rows = number(rows);
    match inputs {
        Some(inputs) => {
            let inputs = number(inputs);
            let row = row_type(parameter.storage);
            quote!([[#row; #inputs]; #rows])
        }
        None => quote!([Row; #rows]),
    }
}

/// The type of its gradient, where that is kept: sums are not rounded, whatever is kept of the weights.
pub(super) fn gradient_field_type(parameter: &Parameter) -> TokenStream {
    field_type(&Parameter { storage: Storage::Full, ..parameter.clone() })
}

/// Where the parameters lie in their struct.
pub fn layout(graph: &Graph) -> Layout {
    Layout::new(graph.parameters.iter().map(|parameter| item(graph, parameter, true)).collect(), true)
}

/// Where what is kept of each trained parameter lies, `parameters` being where they lie themselves.
pub fn trained_layout(graph: &Graph, parameters: &Layout) -> Layout {
    if trained_type(graph) == "Parameters" {
        return parameters.clone();
    }
    let trained = graph.parameters.iter().filter(|parameter| parameter.role == Role::Trained);
    Layout::like(trained.map(|parameter| item(graph, parameter, false)).collect(), parameters)
}

/// Where the gradient of each trained parameter lies, where gradients are kept, `parameters` being where they lie
/// themselves.
pub fn gradient_layout(graph: &Graph, parameters: &Layout) -> Layout {
    if gradient_type(graph) == trained_type(graph) {
        return trained_layout(graph, parameters);
    }
    let trained = graph.parameters.iter().filter(|parameter| parameter.role == Role::Trained);
    let gradient = |parameter| Item { ty: gradient_field_type(parameter), ..item(graph, parameter, false) };
    Layout::like(trained.map(gradient).collect(), parameters)
}

fn item(graph: &Graph, parameter: &Parameter, has_docs: bool) -> Item {
    Item {
        name: parameter.name.clone(),
        layer: graph.layer(parameter.layer).name.clone(),
        ty: field_type(parameter),
        docs: match has_docs {
            true => format!(
                "`{}`, `{:?}`, starts as `{}`.",
                parameter.name, parameter.shape, parameter.initializer.text
            ),
            false => String::new(),
        },
    }
}

/// `struct Parameters`, its zero, and its tensors as rows.
pub fn parameters_item(layout: &Layout, taken: &[String]) -> TokenStream {
    let about = "Parameters and buffers: a matrix in panels of sixteen outputs, a vector in rows of sixteen.";
    tensors_item(&format_ident!("Parameters"), about, layout, taken)
}

/// The type of what is kept of each trained parameter: `Parameters`, where there is nothing else.
pub fn trained_type(graph: &Graph) -> Ident {
    let is_trained = |parameter: &Parameter| parameter.role == Role::Trained;
    format_ident!(
        "{}",
        if graph.parameters.iter().all(is_trained) { "Parameters" } else { "TrainedParameters" }
    )
}

/// The type of the gradients of all trained parameters, where they are kept.
pub fn gradient_type(graph: &Graph) -> Ident {
    match graph.has_halves() {
        true => format_ident!("Gradients"),
        false => trained_type(graph),
    }
}

/// `struct TrainedParameters`, where what is kept of each trained parameter has a form of its own.
fn trained_item(graph: &Graph, layout: &Layout, taken: &[String]) -> TokenStream {
    let ty = trained_type(graph);
    if ty == "Parameters" {
        return TokenStream::new();
    }
    let about = "One number for each of a trained parameter, in the same form.";
    tensors_item(&ty, about, layout, taken)
}

/// A struct of tensors.
fn tensors_item(ty: &Ident, about: &str, layout: &Layout, taken: &[String]) -> TokenStream {
    let (fields, structs) = layout.structs(kind_of(ty), taken);
    let about = docs([about.to_owned()]);
    quote! {
        rt::tensors! {
            #structs

            #about
            struct #ty {
                #fields
            }
        }
    }
}

/// What the names of the types of its bundles end with.
pub fn kind_of(ty: &Ident) -> &'static str {
    match ty.to_string().as_str() {
        "Parameters" => "Parameters",
        "Gradients" => "Gradients",
        _ => "Trained",
    }
}

/// The number of a tensor among those that the optimizer keeps something of.
pub fn number_of_kept(graph: &Graph, tensor: &TokenStream) -> TokenStream {
    if trained_type(graph) == "Parameters" { tensor.clone() } else { quote!(INFO.trained(#tensor)) }
}

/// `struct Gradients`, where they have a form of their own.
pub fn gradients_item(graph: &Graph, layout: &Layout, taken: &[String]) -> TokenStream {
    let ty = gradient_type(graph);
    if ty == trained_type(graph) {
        return TokenStream::new();
    }
    tensors_item(&ty, "The gradients of all trained parameters.", layout, taken)
}

/// `struct State`: what the optimizer remembers, each of the form of all trained parameters.
pub fn state_item(graph: &Graph, optimizer: &Optimizer, layout: &Layout, taken: &[String]) -> TokenStream {
    let states = &optimizer.states;
    let ty = trained_type(graph);
    let stores_them = optimizer.source.stores_gradients() && gradient_type(graph) == ty;
    let trained = (!states.is_empty() || stores_them).then(|| trained_item(graph, layout, taken));
    if states.is_empty() {
        return trained.unwrap_or_default();
    }
    let numbers: Vec<TokenStream> = (0..states.len()).map(number).collect();
    quote! {
        #trained

        rt::memory! {
            /// What the optimizer remembers of each trained parameter.
            struct State {
                #(#states: #ty,)*
            }
        }

        impl State {
            fn get(&self, state: usize) -> Option<&#ty> {
                match state {
                    #(#numbers => Some(&self.#states),)*
                    _ => None,
                }
            }

            fn get_mut(&mut self, state: usize) -> Option<&mut #ty> {
                match state {
                    #(#numbers => Some(&mut self.#states),)*
                    _ => None,
                }
            }
        }
    }
}

/// Statements that give every parameter its initial value, from `seed`. Tensors of one formula share a loop.
pub fn initialize(graph: &Graph) -> TokenStream {
    let mut groups: Vec<(String, Initial, Vec<usize>)> = Vec::new();
    for (n, parameter) in graph.parameters.iter().enumerate() {
        let Some(initial) = Initial::of(parameter) else { continue };
        let key = initial.fill(&quote!(tensor)).to_string();
        match groups.iter_mut().find(|(known, ..)| *known == key) {
            Some((.., tensors)) => tensors.push(n),
            None => groups.push((key, initial, vec![n])),
        }
    }
    let statements = groups.iter().map(|(_, initial, tensors)| {
        let first = tensors.first().and_then(|n| graph.parameters.get(*n));
        let first = first.map_or("", |parameter| parameter.name.as_str());
        let numbers: Vec<TokenStream> = tensors.iter().map(|n| number(*n)).collect();
        match numbers.as_slice() {
            [only] => {
                let comment = super::comments::comment(&format!("{first}: {}", initial.text));
                let fill = initial.fill(only);
                quote!(#comment #fill)
            }
            numbers => {
                let others = numbers.len() - 1;
                let comment = format!("{first} and {others} like it: {}", initial.text);
                let comment = super::comments::comment(&comment);
                let fill = initial.fill(&quote!(tensor));
                quote!(#comment for tensor in [#(#numbers),*] { #fill })
            }
        }
    });
    quote!(#(#statements)*)
}

/// How a tensor gets its initial value.
struct Initial {
    /// As the source says it.
    text: String,
    /// Matrices whose elements it takes.
    orthogonal: TokenStream,
    /// The value of element `index`.
    value: TokenStream,
    /// Whether it draws random numbers.
    is_random: bool,
}

impl Initial {
    /// `None` where zeros stay zeros.
    fn of(parameter: &Parameter) -> Option<Self> {
        let value =
            crate::scalar::simplify(&parameter.initializer.scalar.substitute(
                &mut |variable| match variable {
                    Variable::FanIn => Some(Scalar::Number(parameter.fan_in as f64)),
                    Variable::FanOut => Some(Scalar::Number(parameter.fan_out as f64)),
                    _ => None,
                },
            ));
        if value.is(0.0) {
            return None;
        }
        let mut draws = 0;
        let mut matrices: Vec<u32> = Vec::new();
        value.variables(&mut |variable| {
            draws = draws.max(variable.draw().map_or(0, |draw| draw + 1));
            if let Variable::RandomOrthogonal(draw) = variable
                && !matrices.contains(&draw)
            {
                matrices.push(draw);
            }
        });
        let count = number(draws as usize);
        let at = |draw: u32| {
            let draw = number(draw as usize);
            if draws > 1 { quote!(index * #count + #draw) } else { quote!(index) }
        };
        let matrix = |draw: u32| format_ident!("orthogonal_{draw}");
        let orthogonal = matrices.iter().map(|draw| {
            let (name, at) = (matrix(*draw), at(*draw));
            let (rows, columns) = parameter.as_matrix();
            let (rows, columns) = (number(rows), number(columns));
            quote!(let #name = rt::orthogonal(#rows, #columns, |index| rng.normal(#at));)
        });
        let orthogonal: TokenStream = orthogonal.collect();
        let mut leaf = |variable| match variable {
            Variable::RandomUniform(draw) => {
                let at = at(draw);
                quote!(rng.uniform(#at))
            }
            Variable::RandomNormal(draw) => {
                let at = at(draw);
                quote!(rng.normal(#at))
            }
            Variable::RandomTruncated(draw) => {
                let at = at(draw);
                quote!(rng.truncated(#at))
            }
            Variable::RandomOrthogonal(draw) => {
                let name = matrix(draw);
                quote!(#name[index as usize])
            }
            _ => quote!(0.0),
        };
        let (lets, value) = Writer::new(Style::Number, &mut leaf).formula(&value);
        let value = if lets.is_empty() { value } else { quote!({ #(#lets)* #value }) };
        Some(Self { text: parameter.initializer.text.clone(), orthogonal, value, is_random: draws > 0 })
    }

    /// The statements that fill tensor number `tensor`.
    fn fill(&self, tensor: &TokenStream) -> TokenStream {
        let Self { orthogonal, value, .. } = self;
        let rng = self.is_random.then(|| quote!(let rng = rt::Rng::of_tensor(seed, #tensor);));
        let index = if self.is_random { quote!(index) } else { quote!(_) };
        quote! {
            #rng
            #orthogonal
            parameters.fill(INFO.layout(#tensor), #tensor, |#index| #value);
        }
    }
}

/// Statements that give every state of the optimizer its initial value, where that is not zero.
pub fn initialize_state(graph: &Graph, optimizer: &Optimizer) -> TokenStream {
    let statements =
        optimizer.states.iter().zip(&optimizer.initial).filter(|(_, initial)| **initial != 0.0).map(
            |(state, initial)| {
                let value = super::scalar::literal(*initial, Precision::F64);
                let count = number(graph.parameters.len());
                let kept = number_of_kept(graph, &quote!(tensor));
                // Tensors that are not trained have no rows there.
                quote! {
                    for tensor in 0..#count {
                        state.#state.fill(INFO.layout(tensor), #kept, |_| #value);
                    }
                }
            },
        );
    quote!(#(#statements)*)
}
