//! The memory of a model: parameters, optimizer states, the arena of a step, the scratch of a prediction.

use std::collections::BTreeMap;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::Model;
use crate::emit::comments::docs;
use crate::emit::parameters::{parameters_item, state_item, trained_type};
use crate::emit::{names, number};
use crate::graph::{NodeId, ValueLayout};
use crate::plan::{LANES, Pass, Slot};

/// Bytes of scratch up to which a batch of predictions keeps it on the stack.
const STACK_BYTES: usize = 64 << 10;

impl Model<'_> {
    /// `Parameters`, `State`, `Arena`, `Scratch`, and the zeros that they start from.
    pub(super) fn memory(&self) -> TokenStream {
        let parameters = parameters_item(self.graph());
        let state = self.optimizer.as_ref().map(|optimizer| state_item(self.graph(), optimizer));
        let arena = self.arena();
        let scratch = self.scratch();
        let arena_fields = self.arena_slots();
        let has_state = self.optimizer.as_ref().is_some_and(|optimizer| !optimizer.states.is_empty());
        let zero_state = has_state.then(|| {
            quote!(
                static ZERO_STATE: rt::Zeroed<State> = rt::Zeroed::new(State::ZERO);
            )
        });
        let stores = self.optimizer.as_ref().is_some_and(|optimizer| optimizer.source.stores_gradients());
        let trained = trained_type(self.graph());
        let zero_gradients = (stores && trained != "Parameters").then(|| {
            quote!(
                static ZERO_GRADIENTS: rt::Zeroed<#trained> = rt::Zeroed::new(#trained::ZERO);
            )
        });
        let zero_arena = (!arena_fields.is_empty()).then(|| {
            quote!(
                static ZERO_ARENA: rt::Zeroed<Arena> = rt::Zeroed::new(Arena::ZERO);
            )
        });
        quote! {
            #parameters
            #state
            #arena
            #scratch
            static ZERO_PARAMETERS: rt::Zeroed<Parameters> = rt::Zeroed::new(Parameters::ZERO);
            #zero_state
            #zero_gradients
            #zero_arena
        }
    }

    /// Fields of the arena: the slots of training and evaluation, which never run at once. Name, type, docs.
    pub(super) fn arena_slots(&self) -> BTreeMap<usize, (Ident, TokenStream, String)> {
        let mut fields: BTreeMap<usize, (Ident, TokenStream, String)> = BTreeMap::new();
        for pass in self.plan.train.iter().chain(&self.plan.evaluate) {
            for slot in &pass.slots {
                let ty = slot_type(slot, &quote!(GROUPS));
                let name = names::ident(&slot.name);
                let known = fields
                    .values()
                    .any(|(known, known_ty, ..)| *known == name && known_ty.to_string() == ty.to_string());
                if !known {
                    let mut name = name;
                    while fields.values().any(|(known, ..)| *known == name) {
                        name = format_ident!("{name}_evaluate");
                    }
                    fields.insert(fields.len(), (name, ty, slot_docs(slot)));
                }
            }
            for len in pass.functions.iter().filter_map(|function| function.partial) {
                let name = format_ident!("partial_{len}");
                if !fields.values().any(|(known, ..)| *known == name) {
                    let len = number(len);
                    let docs = "partial sums of a blocked layer.".to_owned();
                    fields.insert(fields.len(), (name, quote!([[Row; #len]; GROUPS]), docs));
                }
            }
        }
        fields
    }

    pub(super) fn arena(&self) -> TokenStream {
        let fields = self.arena_slots();
        if fields.is_empty() {
            return TokenStream::new();
        }
        let declared = fields.values().map(|(name, ty, text)| {
            let docs = (!text.is_empty()).then(|| docs([text]));
            quote!(#docs #name: #ty,)
        });
        let size = if self.element.to_string() == "f64" { 8 } else { 4 };
        let slots =
            self.plan.train.iter().chain(&self.plan.evaluate).next().map(|pass| pass.slots.as_slice());
        let bytes = slots.unwrap_or_default().iter().map(|slot| slot.bytes(self.plan.groups, size)).sum();
        let about = docs([format!("The values of a step: {} bytes.", crate::plan::thousands(bytes))]);
        quote! {
            rt::memory! {
                #about
                struct Arena { #(#declared)* }
            }
        }
    }

    /// Whether the scratch of a prediction is too large for the stack.
    pub(super) fn has_large_scratch(&self) -> bool {
        let size = if self.element.to_string() == "f64" { 8 } else { 4 };
        self.plan.predict.slots.iter().map(|slot| slot.bytes(self.plan.predict_groups, size)).sum::<usize>()
            > STACK_BYTES
    }

    /// The values of a batch of predictions.
    pub(super) fn scratch(&self) -> TokenStream {
        let pass = &self.plan.predict;
        let mut declared = Vec::new();
        for slot in &pass.slots {
            let ty = slot_type(slot, &quote!(PREDICT_GROUPS));
            let (name, text) = (names::ident(&slot.name), slot_docs(slot));
            let docs = (!text.is_empty()).then(|| docs([text]));
            declared.push(quote!(#docs #name: #ty,));
        }
        let mut partial: Vec<usize> = pass.functions.iter().filter_map(|function| function.partial).collect();
        partial.sort_unstable();
        partial.dedup();
        for len in partial {
            let name = format_ident!("partial_{len}");
            let len = number(len);
            declared.push(
                quote!(#[doc = " partial sums of a blocked layer."] #name: [[Row; #len]; PREDICT_GROUPS],),
            );
        }
        let zero_static = self.has_large_scratch().then(|| {
            quote!(
                static ZERO_SCRATCH: rt::Zeroed<Scratch> = rt::Zeroed::new(Scratch::ZERO);
            )
        });
        quote! {
            rt::memory! {
                /// The values of a batch of predictions.
                struct Scratch { #(#declared)* }
            }
            #zero_static
        }
    }

    /// The field that holds a value in a pass.
    pub(super) fn place(&self, pass: &Pass, id: NodeId, in_arena: bool) -> TokenStream {
        let Some(value) = pass.value(id) else { return quote!(()) };
        let Some(slot) = value.slot.and_then(|slot| pass.slots.get(slot)) else { return quote!(()) };
        if !in_arena {
            let name = names::ident(&slot.name);
            return quote!(scratch.#name);
        }
        let ty = slot_type(slot, &quote!(GROUPS));
        let name = names::ident(&slot.name);
        let fields = self.arena_slots();
        let found = fields.values().find(|(field, field_ty, _)| {
            field_ty.to_string() == ty.to_string()
                && (*field == name || field.to_string().starts_with(&format!("{name}_evaluate")))
        });
        let field = found.map_or(name, |(field, ..)| field.clone());
        quote!(arena.#field)
    }
}

/// What a slot holds besides the value that it is named after.
fn slot_docs(slot: &Slot) -> String {
    match slot.values.as_slice() {
        [only] if *only == slot.name => String::new(),
        values => format!("{}.", values.join(", then ")),
    }
}

/// The type of a slot.
fn slot_type(slot: &Slot, groups: &TokenStream) -> TokenStream {
    match slot.layout {
        ValueLayout::SampleRows => crate::emit::sample_rows(slot.len, slot.row, &quote!(Row)),
        ValueLayout::Table => {
            let rows = number(slot.len.div_ceil(LANES));
            quote!([Row; #rows])
        }
        ValueLayout::Splat => {
            let len = number(slot.len);
            quote!([[Row; #len]; 1])
        }
        _ => {
            let len = number(slot.len);
            quote!([[Row; #len]; #groups])
        }
    }
}
