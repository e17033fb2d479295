//! The memory of a model: parameters, optimizer states, the arena of a step, the scratch of a prediction.

use std::collections::HashMap;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::Model;
use super::blocks::Memory;
use crate::emit::bundles::{Item, Layout};
use crate::emit::comments::docs;
use crate::emit::parameters::{gradients_item, parameters_item, state_item};
use crate::emit::{names, number};
use crate::graph::{Direction, NodeId, ValueLayout};
use crate::plan::{LANES, Pass, Plan, Slot};

/// The values of one sample, where they are not on the stack, in its functions and in the model.
const SAMPLE: &str = "sample";

/// Bytes of scratch up to which a batch of predictions keeps it on the stack.
const STACK_BYTES: usize = 64 << 10;

/// Bytes of a sample's values up to which they lie on the stack, where each call begins with zeros: more takes longer
/// than to be lent memory, and threads have 2 MiB, of which code that is not optimised needs twice as much.
const STACK_OF_ONE: usize = 16 << 10;

/// Where the values of one sample lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MemoryOfOne {
    /// Each by itself on the stack.
    Stack,
    /// In memory that they share, and that the model keeps.
    Heap,
}

impl MemoryOfOne {
    /// Where those of a pass lie, of numbers of `number` bytes.
    pub(super) fn of(single: &Pass, number: usize) -> Self {
        let rows = |value: &crate::plan::Value| value.len.next_multiple_of(LANES);
        let bytes = single.values.iter().map(rows).sum::<usize>() * number;
        if bytes <= STACK_OF_ONE { Self::Stack } else { Self::Heap }
    }
}

impl Model<'_> {
    /// `Parameters`, `State`, `Arena`, `Scratch`.
    pub(super) fn memory(&self) -> TokenStream {
        let types = self.types();
        let parameters = parameters_item(&self.parameters, &types);
        let state = self
            .optimizer
            .as_ref()
            .map(|optimizer| state_item(self.graph(), optimizer, &self.trained, &types));
        let arena = self.arena();
        let scratch = self.scratch();
        let stores = self.optimizer.as_ref().is_some_and(|optimizer| optimizer.source.stores_gradients());
        let gradients = stores.then(|| gradients_item(self.graph(), &self.gradients, &types));
        quote! {
            #parameters
            #state
            #gradients
            #arena
            #scratch
        }
    }

    pub(super) fn arena(&self) -> TokenStream {
        let (fields, structs) = self.arena.layout.structs("Values", &self.types());
        if fields.is_empty() {
            return TokenStream::new();
        }
        let size = self.graph().precision.bytes();
        let pass = self.plan.train.iter().chain(&self.plan.evaluate).next();
        let bytes = pass.map_or(0, |pass| pass.bytes(self.plan.groups, size));
        let about = docs([format!("The values of a step: {} bytes.", crate::plan::thousands(bytes))]);
        quote! {
            rt::memory! {
                #structs

                #about
                struct Arena { #fields }
            }
        }
    }

    /// Names of types that the module has already.
    pub(super) fn types(&self) -> Vec<String> {
        let entries = self.functions.iter().map(|emitted| emitted.entry.to_string());
        entries.chain([self.info.name.clone()]).collect()
    }

    /// Whether the scratch of a prediction is too large for the stack.
    pub(super) fn has_large_scratch(&self) -> bool {
        let size = self.graph().precision.bytes();
        self.plan.predict.bytes(self.plan.predict_groups, size) > STACK_BYTES
    }

    /// The values of a batch of predictions, and those of one sample that are not on the stack.
    pub(super) fn scratch(&self) -> TokenStream {
        let pass = &self.plan.predict;
        let mut declared = Vec::new();
        for slot in &pass.slots {
            let ty = slot_type(slot, &quote!(PREDICT_GROUPS));
            let (name, text) = (names::ident(&slot.name), slot_docs(slot));
            let docs = (!text.is_empty()).then(|| docs([text]));
            declared.push(quote!(#docs #name: #ty,));
        }
        for len in pass.partials() {
            let name = format_ident!("partial_{len}");
            let len = number(len);
            declared.push(
                quote!(#[doc = " what a layer keeps while it is computed."] #name: [[Row; #len]; PREDICT_GROUPS],),
            );
        }
        let sample = (self.of_one == MemoryOfOne::Heap).then(|| {
            let slots = self.plan.single.slots.iter().map(|slot| {
                let (name, rows) = (names::ident(&slot.name), number(slot.len.div_ceil(LANES)));
                let text = slot_docs(slot);
                let docs = (!text.is_empty()).then(|| docs([text]));
                quote!(#docs #name: [Row; #rows],)
            });
            quote! {
                /// The values of one sample.
                struct Sample { #(#slots)* }
            }
        });
        quote! {
            rt::memory! {
                /// The values of a batch of predictions.
                struct Scratch { #(#declared)* }

                #sample
            }
        }
    }

    /// The field that holds a value in a pass.
    pub(super) fn place(&self, pass: &Pass, id: NodeId, memory: Memory) -> TokenStream {
        let path = self.value_path(pass, id, memory);
        quote!(#(#path).*)
    }

    /// The same, its parts. In the code for one sample a value has its own name, or in large models a slot that it shares.
    pub(super) fn value_path(&self, pass: &Pass, id: NodeId, memory: Memory) -> Vec<Ident> {
        let Some(value) = pass.value(id) else { return Vec::new() };
        if memory == Memory::One && self.of_one == MemoryOfOne::Stack {
            return vec![names::ident(&value.name)];
        }
        let Some(slot) = value.slot.and_then(|slot| pass.slots.get(slot)) else { return Vec::new() };
        let name = names::ident(&slot.name);
        match memory {
            Memory::Train | Memory::Evaluate => {
                let mut path = vec![format_ident!("arena")];
                path.extend(self.arena.path(slot));
                path
            }
            Memory::Scratch => vec![format_ident!("scratch"), name],
            Memory::One => vec![format_ident!("{SAMPLE}"), name],
        }
    }
}

/// Where the values of a step lie.
#[derive(Debug, Default)]
pub(super) struct Arena {
    pub(super) layout: Layout,
    /// The field for a slot of this name and type.
    names: HashMap<(String, String), String>,
}

impl Arena {
    /// The slots of training and evaluation, which never run at once. What both have is one.
    pub(super) fn new(plan: &Plan) -> Self {
        let mut names: HashMap<(String, String), String> = HashMap::new();
        let mut items: Vec<Item> = Vec::new();
        for pass in plan.train.iter().chain(&plan.evaluate) {
            let slots = pass.slots.iter().enumerate().map(|(n, slot)| Item {
                name: slot.name.clone(),
                layer: layer_of(pass, n),
                ty: slot_type(slot, &quote!(GROUPS)),
                docs: slot_docs(slot),
            });
            let partial = pass.partials().into_iter().map(|len| {
                let features = number(len);
                Item {
                    name: format!("partial_{len}"),
                    layer: String::new(),
                    ty: quote!([[Row; #features]; GROUPS]),
                    docs: "what a layer keeps while it is computed.".to_owned(),
                }
            });
            for mut item in slots.chain(partial) {
                let key = (item.name.clone(), item.ty.to_string());
                if names.contains_key(&key) {
                    continue;
                }
                // An evaluation's value of the same name may have another form.
                while items.iter().any(|known| known.name == item.name) {
                    item.name.push_str("_evaluate");
                }
                names.insert(key, item.name.clone());
                items.push(item);
            }
        }
        Self { layout: Layout::new(items, false), names }
    }

    /// The place of a slot.
    fn path(&self, slot: &Slot) -> Vec<Ident> {
        let key = (slot.name.clone(), slot_type(slot, &quote!(GROUPS)).to_string());
        self.layout.path(self.names.get(&key).unwrap_or(&slot.name))
    }
}

/// The layer of the first value in a slot.
fn layer_of(pass: &Pass, slot: usize) -> String {
    let inside = pass.values.iter().filter(|value| value.slot == Some(slot));
    // A slot that begins on the way back is lent from use to use: it belongs to none. So does one whose values are not kept
    // until then.
    let loss_at = pass.functions.iter().position(|function| function.direction == Direction::Loss);
    let first = inside.min_by_key(|value| value.from);
    let first = first.filter(|value| {
        let node = pass.graph.node(value.node);
        let is_kept = pass.graph.layer(node.layer).recompute.is_none() || Some(value.until) >= loss_at;
        !node.direction.is_behind_loss() && is_kept
    });
    let layer = first.map(|value| pass.graph.layer(pass.graph.node(value.node).layer).name.clone());
    layer.unwrap_or_default()
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
