//! Layers of blocks share their functions.
//!
//! What a function of a layer in a block is called, and what it calls its values, says little of where the block is
//! used: names lose the part `repeat_2_` of a round, values from outside of the block's use are called `input`, and the
//! function is handed the parameters it uses one by one rather than all of the model's. Functions of blocks that are the
//! same but for the names of their arguments are one.

use proc_macro2::Ident;
use quote::{format_ident, quote};

use super::bundles::Layout;
use super::function::{Argument, ArgumentKind, Form};
use super::tree::Tree;
use super::{names, parameters};
use crate::graph::{Graph, NodeId, Op};
use crate::plan::{Function, Pass, unique};

/// The use of a block that a layer belongs to, in a round of a `repeat` or by itself.
#[derive(Debug, Clone)]
pub struct Place {
    /// What the names of the block's functions lose: `repeat.2.`, or `layer2.` of `layer2.first.conv1`; may be empty.
    path: String,
    /// What values of the same use begin with: `repeat.2.`, `layer2.first.`
    inside: String,
    /// What values beside the layer begin with: `repeat.2.transformer_block.`
    block: String,
}

impl Place {
    /// The place of a layer; `None` for a layer of the model itself. The round of `body.2.dense` is the innermost.
    pub fn of(layer: &str) -> Option<Self> {
        let parts: Vec<&str> = layer.split('.').collect();
        let block = layer.get(..=layer.rfind('.')?)?.to_owned();
        let round = parts.iter().rposition(|part| is_number(part));
        let kept = round.map_or(parts.len().saturating_sub(2), |at| at + 1);
        let path: String = parts.iter().take(kept).map(|part| format!("{part}.")).collect();
        let inside = if round.is_some() { path.clone() } else { block.clone() };
        Some(Self { path, inside, block })
    }

    /// What names of the same use begin with: `repeat.2.`, `layer2.first.`
    pub fn key(&self) -> &str {
        &self.inside
    }

    /// The name of the block: `basic`, `first` of `layer2.first`, or `repeat` of `repeat.2`.
    pub fn word(&self) -> &str {
        let block = self.block.trim_end_matches('.');
        block.rsplit('.').find(|part| !is_number(part)).unwrap_or(block)
    }

    /// The name of a function without the place.
    pub fn without(&self, name: &str) -> String {
        strip(name, &self.path).unwrap_or(name).to_owned()
    }

    /// The name of a value, parameter or layer of this use without the place; `None` for one from elsewhere.
    pub fn short(&self, name: &str) -> Option<String> {
        let gradients = name.len() - name.trim_start_matches("d_").len();
        let (gradients, name) = name.split_at_checked(gradients)?;
        let short = strip(name, &self.block).or_else(|| strip(name, &self.inside))?;
        Some(format!("{gradients}{short}"))
    }
}

/// Whether a part of a name is the number of a round.
fn is_number(part: &str) -> bool {
    part.bytes().all(|byte| byte.is_ascii_digit())
}

/// A name without what it begins with, in words or in names of code, if something that can be a name is left.
fn strip<'a>(name: &'a str, start: &str) -> Option<&'a str> {
    let rest = name.strip_prefix(start).or_else(|| name.strip_prefix(start.replace('.', "_").as_str()))?;
    rest.starts_with(|c: char| c.is_ascii_alphabetic()).then_some(rest)
}

/// What a function calls its values.
#[derive(Debug, Clone, Default)]
pub struct Names {
    place: Option<Place>,
    values: Vec<(NodeId, String)>,
}

impl Names {
    /// Names of the values that a function is handed.
    pub fn new(place: Place, pass: &Pass, function: &Function) -> Self {
        let mut names = Self { place: None, values: Vec::new() };
        let mut inside = Vec::new();
        for id in function.reads.iter().chain(&function.writes).chain(&function.locals) {
            let Some(value) = pass.value(*id) else { continue };
            // A scale is that of every layer.
            if matches!(pass.graph.node(*id).op, Op::SampleScale) {
                names.values.push((*id, value.name.clone()));
            } else if let Some(short) = place.short(&value.name) {
                inside.push((*id, short));
            } else {
                let stem = if value.name.starts_with("d_") { "d_input" } else { "input" };
                names.add(*id, stem);
            }
        }
        for (id, short) in inside {
            names.add(id, &short);
        }
        names.place = Some(place);
        names
    }

    fn add(&mut self, id: NodeId, name: &str) {
        if self.values.iter().all(|(known, _)| *known != id) {
            let name = unique(name.to_owned(), |name| self.is_taken(name));
            self.values.push((id, name));
        }
    }

    /// Whether the function is handed a value of this name.
    pub fn is_taken(&self, name: &str) -> bool {
        self.values.iter().any(|(_, known)| known == name)
    }

    /// What the function calls a value.
    pub fn value(&self, id: NodeId, name: &str) -> String {
        let known = self.values.iter().find(|(known, _)| *known == id);
        known.map_or_else(|| self.short(name), |(_, known)| known.clone())
    }

    /// A name without the place of the function.
    pub fn short(&self, name: &str) -> String {
        let short = self.place.as_ref().and_then(|place| place.short(name));
        short.unwrap_or_else(|| name.to_owned())
    }

    /// Whether layers of blocks may share the function.
    pub fn is_shared(&self) -> bool {
        self.place.is_some()
    }

    /// The names that are in use, if the function has its own.
    pub fn all(&self) -> Option<impl Iterator<Item = &str>> {
        self.place.as_ref().map(|_| self.values.iter().map(|(_, name)| name.as_str()))
    }

    /// The code and the arguments of a function that is handed the parameters it uses one by one.
    pub fn share(
        &self,
        code: Vec<Tree>,
        arguments: Vec<Argument>,
        graph: &Graph,
        layout: &Layout,
    ) -> (Vec<Tree>, Vec<Argument>) {
        let owners = [ArgumentKind::Parameters, ArgumentKind::State, ArgumentKind::Gradients];
        let (owned, mut values): (Vec<_>, Vec<_>) =
            arguments.into_iter().partition(|argument| owners.contains(&argument.kind));
        let mut fields = Fields { names: self, code: &code, all: Vec::new() };
        fields.find(&code);
        let fields = fields.all;
        let code = replace(code, &fields);
        let at = values.iter().position(|argument| argument.is_mut).unwrap_or(values.len());
        if !owned.is_empty() {
            values.splice(at..at, fields.into_iter().filter_map(|field| field.argument(graph, layout)));
        }
        (code, values)
    }
}

/// The fields of parameters and their kin that a function uses.
struct Fields<'a> {
    names: &'a Names,
    code: &'a [Tree],
    all: Vec<Field>,
}

/// Whether what stands before a field lends it for change.
fn is_lent(before: &[Tree]) -> bool {
    before.last().is_some_and(|word| word.is_word("mut"))
}

/// Code with an argument for each field.
fn replace(code: Vec<Tree>, fields: &[Field]) -> Vec<Tree> {
    let mut out: Vec<Tree> = Vec::with_capacity(code.len());
    let mut rest = code.into_iter();
    loop {
        if let Some((field, behind)) = Field::read(rest.as_slice()) {
            let is_element = matches!(behind.first(), Some(Tree::Group(_)));
            let n = rest.len() - behind.len();
            rest.by_ref().take(n).for_each(drop);
            let is_mut = is_lent(&out);
            // The whole of it is a reference already.
            let references = if is_element { 0 } else { 1 + usize::from(is_mut) };
            out.truncate(out.len().saturating_sub(references));
            let known = fields.iter().find(|known| **known == field);
            if known.is_some_and(|known| known.is_mut) && !is_element {
                // What is changed elsewhere is only lent here.
                out.extend(Tree::all(if is_mut { quote!(&mut *) } else { quote!(&*) }));
            }
            out.push(Tree::Ident(known.map_or(field.argument, |known| known.argument.clone())));
            continue;
        }
        out.push(match rest.next() {
            Some(Tree::Group(mut group)) => {
                group.inside = replace(group.inside, fields);
                Tree::Group(group)
            }
            Some(token) => token,
            None => return out,
        });
    }
}

impl Fields<'_> {
    /// Takes in the fields in tokens.
    fn find(&mut self, trees: &[Tree]) {
        for at in 0..trees.len() {
            let (before, rest) = trees.split_at(at);
            if let Some((field, _)) = Field::read(rest) {
                self.add(field, is_lent(before));
            } else if let Some(Tree::Group(group)) = rest.first() {
                self.find(&group.inside);
            }
        }
    }

    /// The field as it is known, with the name of its argument: `linear1_weight`, and of a state `linear1_weight_m`.
    fn add(&mut self, mut field: Field, is_mut: bool) {
        let at = self.all.iter().position(|known| *known == field).unwrap_or_else(|| {
            let name = self.names.short(&field.name);
            let name = match &field.owner {
                Owner::Parameters => name,
                Owner::Gradients => format!("d_{name}"),
                Owner::State(state) => format!("{name}_{state}"),
            };
            // The code has names of its own, of values and of what kernels need.
            let is_taken = |name: &str| {
                let ident = names::ident(name);
                self.all.iter().any(|known| known.argument == ident)
                    || (name != field.name && Tree::mention(self.code, &ident))
            };
            field.argument = names::ident(&unique(name, is_taken));
            self.all.push(field);
            self.all.len() - 1
        });
        self.all[at].is_mut |= is_mut;
    }
}

/// A field of the parameters, of a state, or of the gradients.
#[derive(Debug, Clone)]
struct Field {
    owner: Owner,
    name: String,
    /// What the function calls it.
    argument: Ident,
    is_mut: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Owner {
    Parameters,
    Gradients,
    State(String),
}

impl PartialEq for Field {
    fn eq(&self, other: &Self) -> bool {
        (&self.owner, &self.name) == (&other.owner, &other.name)
    }
}

impl Field {
    /// Reads `parameters.weight`, `gradients.weight` or `state.m.weight`, and gives what comes behind it.
    fn read(trees: &[Tree]) -> Option<(Self, &[Tree])> {
        let (owner, rest) = trees.split_first()?;
        let (first, behind) = Self::behind_dot(rest)?;
        let (owner, name, behind) = if owner.is_word("parameters") {
            (Owner::Parameters, first, behind)
        } else if owner.is_word("gradients") {
            (Owner::Gradients, first, behind)
        } else if owner.is_word("state") {
            let (name, behind) = Self::behind_dot(behind)?;
            (Owner::State(first.to_string()), name, behind)
        } else {
            return None;
        };
        Some((Self { owner, name: name.to_string(), argument: name.clone(), is_mut: false }, behind))
    }

    fn behind_dot(trees: &[Tree]) -> Option<(&Ident, &[Tree])> {
        match trees {
            [dot, Tree::Ident(name), behind @ ..] if dot.is_punct('.') => Some((name, behind)),
            _ => None,
        }
    }

    /// The argument.
    fn argument(self, graph: &Graph, layout: &Layout) -> Option<Argument> {
        let parameter = graph.parameters.get(layout.number_of(&self.name)?)?;
        let path = self.path(layout.path(&parameter.name));
        let ty = match self.owner {
            Owner::Gradients => parameters::gradient_field_type(parameter),
            Owner::Parameters | Owner::State(_) => parameters::field_type(parameter),
        };
        let kind = ArgumentKind::Field(path);
        Some(Argument { name: self.argument, is_mut: self.is_mut, kind, ty, form: Form::Reference })
    }

    /// The field as an expression.
    fn path(&self, place: Vec<Ident>) -> Vec<Ident> {
        let mut path = match &self.owner {
            Owner::Parameters => vec![format_ident!("parameters")],
            Owner::Gradients => vec![format_ident!("gradients")],
            Owner::State(state) => vec![format_ident!("state"), names::ident(state)],
        };
        path.extend(place);
        path
    }
}
