//! Layers of blocks share their functions.
//!
//! What a function of a layer in a block is called, and what it calls its values, says little of where the block is
//! used: names lose the part `repeat_2_` of a round, values from outside of the block's use are called `input`, and the
//! function is handed the parameters it uses one by one rather than all of the model's. Functions of blocks that are the
//! same but for the names of their arguments are one.

use std::collections::HashSet;

use proc_macro2::{Group, Ident, TokenStream, TokenTree};
use quote::{format_ident, quote};

use super::bundles::Layout;
use super::function::{Argument, ArgumentKind, Form};
use super::sizes::Skeleton;
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
        code: TokenStream,
        arguments: Vec<Argument>,
        graph: &Graph,
        layout: &Layout,
    ) -> (TokenStream, Vec<Argument>) {
        let mut fields = Fields { names: self, words: HashSet::new(), all: Vec::new() };
        words(code.clone(), &mut fields.words);
        let mut new = fields.replace(code.clone());
        if fields.all.iter().any(|field| field.is_mut) {
            // Again, now that it is known which of them the function changes.
            new = fields.replace(code);
        }
        let owners = [ArgumentKind::Parameters, ArgumentKind::State, ArgumentKind::Gradients];
        let (owned, mut values): (Vec<_>, Vec<_>) =
            arguments.into_iter().partition(|argument| owners.contains(&argument.kind));
        let at = values.iter().position(|argument| argument.is_mut).unwrap_or(values.len());
        if !owned.is_empty() {
            values.splice(at..at, fields.all.into_iter().filter_map(|field| field.argument(graph, layout)));
        }
        (new, values)
    }
}

/// The fields of parameters and their kin that a function uses.
struct Fields<'a> {
    names: &'a Names,
    /// All names in the code.
    words: HashSet<Ident>,
    all: Vec<Field>,
}

/// Collects the names in tokens.
fn words(tokens: TokenStream, all: &mut HashSet<Ident>) {
    for token in tokens {
        match token {
            TokenTree::Ident(ident) => {
                all.insert(ident);
            }
            TokenTree::Group(group) => words(group.stream(), all),
            _ => {}
        }
    }
}

impl Fields<'_> {
    /// Code with an argument for each field.
    fn replace(&mut self, tokens: TokenStream) -> TokenStream {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut out: Vec<TokenTree> = Vec::with_capacity(tokens.len());
        let mut rest = tokens.as_slice();
        while let Some((token, others)) = rest.split_first() {
            if let Some((field, behind)) = Field::read(rest) {
                let is_element = matches!(behind.first(), Some(TokenTree::Group(_)));
                let is_mut = matches!(out.last(), Some(TokenTree::Ident(word)) if word == "mut");
                // The whole of it is a reference already.
                let references = if is_element { 0 } else { 1 + usize::from(is_mut) };
                out.truncate(out.len().saturating_sub(references));
                let known = self.add(field, is_mut);
                if known.is_mut && !is_element {
                    // What is changed later is only lent here.
                    out.extend(if is_mut { quote!(&mut *) } else { quote!(&*) });
                }
                out.push(TokenTree::Ident(known.argument.clone()));
                rest = behind;
                continue;
            }
            out.push(match token {
                TokenTree::Group(group) => {
                    let mut new = Group::new(group.delimiter(), self.replace(group.stream()));
                    new.set_span(group.span());
                    TokenTree::Group(new)
                }
                _ => token.clone(),
            });
            rest = others;
        }
        out.into_iter().collect()
    }

    /// The field as it is known, with the name of its argument: `linear1_weight`, and of a state `linear1_weight_m`.
    fn add(&mut self, mut field: Field, is_mut: bool) -> &Field {
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
                    || (name != field.name && self.words.contains(&ident))
            };
            field.argument = names::ident(&unique(name, is_taken));
            self.all.push(field);
            self.all.len() - 1
        });
        self.all[at].is_mut |= is_mut;
        &self.all[at]
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
    fn read(tokens: &[TokenTree]) -> Option<(Self, &[TokenTree])> {
        let (TokenTree::Ident(owner), rest) = tokens.split_first()? else { return None };
        let (first, behind) = Self::behind_dot(rest)?;
        let (owner, name, behind) = match owner.to_string().as_str() {
            "parameters" => (Owner::Parameters, first, behind),
            "gradients" => (Owner::Gradients, first, behind),
            "state" => {
                let (name, behind) = Self::behind_dot(behind)?;
                (Owner::State(first.to_string()), name, behind)
            }
            _ => return None,
        };
        Some((Self { owner, name: name.to_string(), argument: name.clone(), is_mut: false }, behind))
    }

    fn behind_dot(tokens: &[TokenTree]) -> Option<(&Ident, &[TokenTree])> {
        match tokens {
            [TokenTree::Punct(dot), TokenTree::Ident(name), behind @ ..] if dot.as_char() == '.' => {
                Some((name, behind))
            }
            _ => None,
        }
    }

    /// The argument.
    fn argument(self, graph: &Graph, layout: &Layout) -> Option<Argument> {
        let mut all = graph.parameters.iter();
        let parameter = all.find(|parameter| names::ident(&parameter.name) == self.name.as_str())?;
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

/// The code of a function without its name, comments, the names of its arguments and locals, and sizes: functions that
/// differ in nothing else are one.
pub fn skeleton(name: &Ident, arguments: &[Argument], locals: &[Ident], code: &TokenStream) -> Skeleton {
    let names = arguments.iter().map(|argument| &argument.name).chain(locals);
    let names: Vec<String> = names.map(Ident::to_string).collect();
    Skeleton::new(arguments, anonymous(code.clone(), &names, &name.to_string()))
}

fn anonymous(tokens: TokenStream, names: &[String], function: &str) -> TokenStream {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut out: Vec<TokenTree> = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let Some((token, others)) = rest.split_first() {
        if let Some(behind) = behind_comment(rest) {
            rest = behind;
            continue;
        }
        out.push(match token {
            TokenTree::Ident(ident) => {
                let text = ident.to_string();
                let at = names.iter().position(|name| *name == text);
                let stem = text.strip_suffix("_lanes");
                let of = stem.and_then(|stem| names.iter().position(|name| *name == stem));
                match (at, of) {
                    _ if is_behind(&out) => token.clone(),
                    (Some(at), _) => TokenTree::Ident(format_ident!("argument_{at}")),
                    (None, Some(of)) => TokenTree::Ident(format_ident!("lanes_{of}")),
                    _ if text == function => TokenTree::Ident(format_ident!("function")),
                    _ => token.clone(),
                }
            }
            TokenTree::Group(group) => {
                let inside = anonymous(group.stream(), names, function);
                TokenTree::Group(Group::new(group.delimiter(), inside))
            }
            _ => token.clone(),
        });
        rest = others;
    }
    out.into_iter().collect()
}

/// Whether what comes next is a part of a path, or a method: `embedding` in `rt::embedding`, whatever values are called.
fn is_behind(tokens: &[TokenTree]) -> bool {
    let is = |token: &TokenTree, wanted: char| matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted);
    match tokens {
        [.., first, last] if is(last, ':') => is(first, ':'),
        [.., first, last] if is(last, '.') => !is(first, '.'),
        [last] => is(last, '.'),
        _ => false,
    }
}

/// What comes behind a doc comment or `rt::comment!(…);`, if there is one.
fn behind_comment(tokens: &[TokenTree]) -> Option<&[TokenTree]> {
    match tokens {
        [TokenTree::Punct(hash), TokenTree::Group(group), rest @ ..] if hash.as_char() == '#' => {
            group.stream().to_string().starts_with("doc").then_some(rest)
        }
        [
            TokenTree::Ident(rt),
            TokenTree::Punct(_),
            TokenTree::Punct(_),
            TokenTree::Ident(comment),
            TokenTree::Punct(_),
            TokenTree::Group(_),
            TokenTree::Punct(_),
            rest @ ..,
        ] if rt == "rt" && comment == "comment" => Some(rest),
        _ => None,
    }
}
