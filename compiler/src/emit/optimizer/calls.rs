//! Calls of the functions that update weights: a row, or all rows of a tensor.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::{Optimizer, reads_norms};
use crate::scalar::Variable;

/// A call of `update` for rows of one parameter.
#[derive(Debug, Clone)]
pub struct UpdateCall<'a> {
    optimizer: &'a Optimizer,
    parameter: TokenStream,
    group: usize,
    /// Whether another use of the parameter has put its gradient there before.
    is_later: bool,
}

impl UpdateCall<'_> {
    /// The same for a gradient that is added to that of an earlier kernel.
    pub fn later(self, is_later: bool) -> Self {
        Self { is_later, ..self }
    }

    /// What is done with the gradient `z` of the row at these indices: the update, or where gradients are stored
    /// their place.
    pub fn at(&self, indices: &[TokenStream]) -> TokenStream {
        if self.optimizer.source.stores_gradients() {
            let parameter = &self.parameter;
            let place = quote!(gradients.#parameter #([#indices])*);
            return if self.optimizer.source.accumulate > 1 || self.is_later {
                quote!((L::load(&#place) + z).store(&mut #place);)
            } else {
                quote!(z.store(&mut #place);)
            };
        }
        let call = self.pass(0, &quote!(z), indices);
        quote!(#call;)
    }

    /// The call of one pass, with `gradient` for the gradient.
    pub fn pass(&self, phase: usize, gradient: &TokenStream, indices: &[TokenStream]) -> TokenStream {
        let parameter = &self.parameter;
        let rows = self.optimizer.rows(self.group, phase);
        let rows = rows.iter().map(|Rows { state, is_mut }| {
            let reference = if *is_mut { quote!(&mut) } else { quote!(&) };
            match state {
                Some(state) => quote!(#reference state.#state.#parameter #([#indices])*),
                None => quote!(#reference parameters.#parameter #([#indices])*),
            }
        });
        self.optimizer.update(self.group, phase, gradient, &rows.collect::<Vec<_>>())
    }
}

/// What an update is handed a row of, besides the gradient: the weights, or a state of them.
pub(super) struct Rows<'a> {
    state: Option<&'a Ident>,
    is_mut: bool,
}

impl Optimizer {
    /// The call that updates one row of parameter number `number`, called `parameter`.
    pub fn call(&self, number: usize, parameter: TokenStream) -> UpdateCall<'_> {
        let group = self.group(number);
        UpdateCall { optimizer: self, parameter, group, is_later: false }
    }

    /// Rows that a pass is handed, in order.
    pub(super) fn rows(&self, group: usize, phase: usize) -> Vec<Rows<'_>> {
        let Some(source) = self.groups.get(group).and_then(|phases| phases.get(phase)) else {
            return Vec::new();
        };
        let writes = |variable| source.assignments.iter().any(|assign| assign.target == variable);
        let weight = Rows { state: None, is_mut: writes(Variable::Weight) };
        let weight = Some(weight).filter(|_| self.uses_weight(group, phase));
        let states = self.used_states(group, phase).into_iter().filter_map(|n| {
            Some(Rows { state: Some(self.states.get(n)?), is_mut: writes(Variable::State(n as u32)) })
        });
        weight.into_iter().chain(states).collect()
    }

    /// The call of a pass over these rows.
    fn update(
        &self,
        group: usize,
        phase: usize,
        gradient: &TokenStream,
        rows: &[TokenStream],
    ) -> TokenStream {
        let Some(phases) = self.groups.get(group).filter(|phases| phase < phases.len()) else {
            return TokenStream::new();
        };
        let rates = self.reads_rates(group, phase).then(|| quote!(, rates));
        let norms = reads_norms(phases, phase).then(|| quote!(, &norms));
        let name = self.update_name(group, phase);
        let of_rows = self.is_of_rows(group, phase).then(|| quote!(, _));
        quote!(#name::<L #of_rows>(#gradient #(, #rows)* #rates #norms))
    }

    /// The update of a whole tensor of a group, number `tensor` of the parameters and number `kept` of what is kept of
    /// the trained ones, for an optimizer of one pass.
    pub fn over_tensor(&self, group: usize, tensor: &TokenStream, kept: &TokenStream) -> TokenStream {
        let clears = self.source.accumulate > 1;
        let gradients = if clears {
            quote!(gradients.rows_mut(#kept).iter_mut())
        } else {
            quote!(gradients.rows(#kept).iter())
        };
        let rows = self.rows(group, 0);
        let zipped = rows.iter().map(|Rows { state, is_mut }| {
            let rows = if *is_mut { quote!(rows_mut) } else { quote!(rows) };
            match state {
                Some(state) => quote!(.zip(state.#state.#rows(#kept))),
                None => quote!(.zip(parameters.#rows(#tensor))),
            }
        });
        let names: Vec<Ident> = rows
            .iter()
            .map(|rows| {
                rows.state.map_or_else(|| format_ident!("weight_row"), |state| format_ident!("{state}_row"))
            })
            .collect();
        let pattern = names.iter().fold(quote!(gradient_row), |all, name| quote!((#all, #name)));
        let names: Vec<TokenStream> = names.iter().map(|name| quote!(#name)).collect();
        let update = self.update(group, 0, &quote!(gradient), &names);
        let clear = clears.then(|| quote!(L::zero().store(gradient_row);));
        quote! {
            for #pattern in #gradients #(#zipped)* {
                let gradient = L::load(gradient_row);
                #clear
                #update;
            }
        }
    }
}
