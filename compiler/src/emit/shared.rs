//! Layers of blocks share their functions.
//!
//! What a function of a layer in a block is called, and what it calls its values, says little of where the block is
//! used: names lose the part `repeat_2_` of a round, values from outside of the block's use are called `input`, and the
//! function is handed the parameters it uses one by one rather than all of the model's. Functions of blocks that are the
//! same but for the names of their arguments are one.

use proc_macro2::{Group, Ident, Literal, TokenStream, TokenTree};
use quote::{format_ident, quote};

use super::function::{Argument, ArgumentKind};
use super::{names, parameters};
use crate::graph::{Graph, Op};

/// The use of a block that a layer belongs to, in a round of a `repeat` or by itself.
#[derive(Debug)]
pub struct Place {
    /// What names lose: `repeat.2.`, or all but the label of the use, `layer2.` of `layer2.first.conv1`; may be empty.
    path: String,
    /// The same in names of code: `repeat_2_`
    prefix: String,
    /// What values of the same use begin with in names of code: `repeat_2_`, `layer2_first_`
    inside: String,
    /// What values beside the layer begin with, in words and in names of code: `repeat.2.transformer_block.`
    block: (String, String),
}

/// Values from elsewhere by their own names, and what the function calls them.
type Renamed = Vec<(String, String)>;

impl Place {
    /// The place of a layer; `None` for a layer of the model itself. The round of `body.2.dense` is the innermost.
    pub fn of(layer: &str) -> Option<Self> {
        let parts: Vec<&str> = layer.split('.').collect();
        let is_number = |part: &&str| part.bytes().all(|byte| byte.is_ascii_digit());
        let block = layer.get(..=layer.rfind('.')?)?.to_owned();
        let round = parts.iter().rposition(is_number);
        let kept = round.map_or(parts.len().saturating_sub(2), |at| at + 1);
        let path: String = parts.iter().take(kept).map(|part| format!("{part}.")).collect();
        let prefix = path.replace('.', "_");
        let block = (block.replace('.', "_"), block);
        let inside = if round.is_some() { prefix.clone() } else { block.0.clone() };
        Some(Self { path, prefix, inside, block })
    }

    /// The name of a value or parameter without the place, and without the block of the layer.
    fn short(&self, name: &str) -> String {
        self.without(&name.replace(&self.block.0, "").replace(&self.block.1, ""))
    }

    /// A name without the place.
    pub fn without(&self, name: &str) -> String {
        match self.path.as_str() {
            "" => name.to_owned(),
            path => name.replace(&self.prefix, "").replace(path, ""),
        }
    }

    /// The function's comments, code and arguments without the place.
    pub fn share(
        &self,
        docs: TokenStream,
        code: TokenStream,
        arguments: Vec<Argument>,
        graph: &Graph,
    ) -> (TokenStream, TokenStream, Vec<Argument>) {
        let renamed = self.foreign(&arguments, graph);
        let mut fields = Vec::new();
        // Once to see which of them the function changes.
        self.rename(code.clone(), &renamed, &mut fields);
        let code = self.rename(code, &renamed, &mut fields);
        let docs = self.rename(docs, &renamed, &mut Vec::new());
        let owners = [ArgumentKind::Parameters, ArgumentKind::State, ArgumentKind::Gradients];
        let (owned, mut values): (Vec<_>, Vec<_>) =
            arguments.into_iter().partition(|argument| owners.contains(&argument.kind));
        for argument in &mut values {
            argument.name = names::ident(&self.renamed(&argument.name.to_string(), &renamed));
        }
        let at = values.iter().position(|argument| argument.is_mut).unwrap_or(values.len());
        let fields = fields.into_iter().filter_map(|field| self.argument(field, graph));
        if !owned.is_empty() {
            values.splice(at..at, fields);
        }
        (docs, code, values)
    }

    /// What values from outside of the use are called in it.
    fn foreign(&self, arguments: &[Argument], graph: &Graph) -> Renamed {
        let mut renamed: Renamed = Vec::new();
        for argument in arguments {
            let ArgumentKind::Value(id) = argument.kind else { continue };
            let name = argument.name.to_string();
            // A scale is that of every layer.
            if name.contains(&self.inside) || matches!(graph.node(id).op, Op::SampleScale) {
                continue;
            }
            let stem = if name.starts_with("d_") { "d_input" } else { "input" };
            let taken = |name: &str| renamed.iter().any(|(_, known)| known == name);
            let mut new = stem.to_owned();
            let mut n = 1;
            while taken(&new) {
                n += 1;
                new = format!("{stem}_{n}");
            }
            renamed.push((name, new));
        }
        renamed
    }

    /// A name as the function has it.
    fn renamed(&self, name: &str, renamed: &Renamed) -> String {
        for (old, new) in renamed {
            let rest = name.strip_prefix(old.as_str()).map(|rest| rest.strip_prefix('_').unwrap_or(rest));
            let is_derived = |rest: &str| rest == "lanes" || rest.bytes().all(|byte| byte.is_ascii_digit());
            match rest {
                Some("") => return new.clone(),
                Some(rest) if is_derived(rest) && name.len() > old.len() + rest.len() => {
                    return format!("{new}_{rest}");
                }
                _ => {}
            }
        }
        self.short(name)
    }

    /// A text of a comment, word by word.
    fn text(&self, text: &str, renamed: &Renamed) -> String {
        let mut out = String::with_capacity(text.len());
        let mut word = String::new();
        // What the source says and where it stands is as it is there.
        let place = text.find("` at `").map_or(0, |at| at + 6);
        let end = text.get(place..).and_then(|rest| rest.find('`')).filter(|_| place > 0);
        let (source, text) = text.split_at_checked(end.map_or(0, |end| place + end)).unwrap_or(("", text));
        out.push_str(source);
        for c in self.short(text).chars().chain([' ']) {
            if c.is_ascii_alphanumeric() || c == '_' {
                word.push(c);
                continue;
            }
            out.push_str(&self.renamed(&word, renamed));
            word.clear();
            out.push(c);
        }
        out.pop();
        out
    }

    /// Tokens with other names; fields of parameters and their kin become arguments, which are added to `fields`.
    fn rename(&self, tokens: TokenStream, renamed: &Renamed, fields: &mut Vec<Field>) -> TokenStream {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let mut out: Vec<TokenTree> = Vec::with_capacity(tokens.len());
        let mut rest = tokens.as_slice();
        while let Some((token, others)) = rest.split_first() {
            if let Some((field, behind)) = Field::read(rest) {
                let name = self.argument_name(&field);
                let is_element = matches!(behind.first(), Some(TokenTree::Group(_)));
                let is_mut = matches!(out.last(), Some(TokenTree::Ident(word)) if word == "mut");
                // The whole of it is a reference already.
                let references = if is_element { 0 } else { 1 + usize::from(is_mut) };
                out.truncate(out.len().saturating_sub(references));
                let mut is_changed = is_mut;
                match fields.iter_mut().find(|known| **known == field) {
                    Some(known) => {
                        known.is_mut |= is_mut;
                        is_changed = known.is_mut;
                    }
                    None => fields.push(Field { is_mut, ..field }),
                }
                if is_changed && !is_element {
                    // What is changed later is only lent here.
                    out.extend(if is_mut { quote!(&mut *) } else { quote!(&*) });
                }
                out.push(TokenTree::Ident(name));
                rest = behind;
                continue;
            }
            out.push(if is_behind(&out) { token.clone() } else { self.token(token, renamed, fields) });
            rest = others;
        }
        out.into_iter().collect()
    }

    fn token(&self, token: &TokenTree, renamed: &Renamed, fields: &mut Vec<Field>) -> TokenTree {
        match token {
            TokenTree::Ident(ident) => {
                let name = self.renamed(&ident.to_string(), renamed);
                TokenTree::Ident(Ident::new(&name, ident.span()))
            }
            TokenTree::Group(group) => {
                let inside = self.rename(group.stream(), renamed, fields);
                let mut new = Group::new(group.delimiter(), inside);
                new.set_span(group.span());
                TokenTree::Group(new)
            }
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let new = text.starts_with('"').then(|| self.text(&text, renamed).parse::<Literal>().ok());
                TokenTree::Literal(new.flatten().unwrap_or_else(|| literal.clone()))
            }
            TokenTree::Punct(_) => token.clone(),
        }
    }

    /// What a field is called as an argument: `linear1_weight`, and of a state `linear1_weight_m`.
    fn argument_name(&self, field: &Field) -> Ident {
        let name = self.short(&field.name);
        match &field.owner {
            Owner::Parameters => names::ident(&name),
            Owner::Gradients => format_ident!("d_{name}"),
            Owner::State(state) => format_ident!("{name}_{state}"),
        }
    }

    fn argument(&self, field: Field, graph: &Graph) -> Option<Argument> {
        let name = self.argument_name(&field);
        let mut all = graph.parameters.iter();
        let parameter = all.find(|parameter| parameters::field(parameter) == field.name.as_str())?;
        let ty = parameters::field_type(parameter);
        let is_mut = field.is_mut;
        Some(Argument { name, is_mut, kind: ArgumentKind::Field(field.path()), ty })
    }
}

/// A field of the parameters, of a state, or of the gradients.
#[derive(Debug, Clone)]
struct Field {
    owner: Owner,
    name: String,
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
        let field = |rest: &[TokenTree]| match rest {
            [TokenTree::Punct(dot), TokenTree::Ident(name), ..] if dot.as_char() == '.' => {
                Some(name.to_string())
            }
            _ => None,
        };
        let first = field(rest)?;
        let behind = rest.get(2..)?;
        if owner == "parameters" {
            return Some((Self { owner: Owner::Parameters, name: first, is_mut: false }, behind));
        }
        if owner == "gradients" {
            return Some((Self { owner: Owner::Gradients, name: first, is_mut: false }, behind));
        }
        if owner != "state" {
            return None;
        }
        let name = field(behind)?;
        Some((Self { owner: Owner::State(first), name, is_mut: false }, behind.get(2..)?))
    }

    /// The field as an expression.
    fn path(&self) -> Vec<Ident> {
        let name = names::ident(&self.name);
        match &self.owner {
            Owner::Parameters => vec![format_ident!("parameters"), name],
            Owner::Gradients => vec![format_ident!("gradients"), name],
            Owner::State(state) => vec![format_ident!("state"), names::ident(state), name],
        }
    }
}

/// The code of a function without its name, comments, and the names of its arguments: functions that differ in nothing
/// else are one.
pub fn skeleton(name: &Ident, arguments: &[Argument], code: &TokenStream) -> String {
    let names: Vec<String> = arguments.iter().map(|argument| argument.name.to_string()).collect();
    anonymous(code.clone(), &names, &name.to_string()).to_string()
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
