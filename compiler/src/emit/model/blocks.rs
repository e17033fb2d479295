//! Uses of a block are a function: the calls of its layers, in order, for a direction of a pass.
//!
//! A model that uses a block nine times would list nine times the same calls. The calls of each use stand in a function
//! instead, which is handed what belongs to the use, and the values that come from outside of it. Uses with the same
//! calls share it; what is used once stays a list of calls.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::{format_ident, quote};

use super::{Model, Run, units};
use crate::emit::comments::{docs, names_in_a_line};
use crate::emit::function::{Argument, ArgumentKind, Form};
use crate::emit::parameters::{gradient_type, kind_of, trained_type};
use crate::emit::shared::Place;
use crate::emit::sizes::{Family, Sizes, turbofish};
use crate::emit::skeleton::Skeleton;
use crate::emit::tree::{Tree, mentions};
use crate::emit::{names, number};
use crate::graph::Direction;
use crate::plan::Pass;

/// Where the values of a pass lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Memory {
    /// In the arena, for training.
    Train,
    /// In the arena, for evaluation.
    Evaluate,
    /// In the scratch of a batch of predictions.
    Scratch,
    /// On the stack, for one sample, or in memory of its own.
    One,
}

impl Memory {
    /// What functions of blocks are called behind the block's name.
    fn word(self, direction: Direction) -> &'static str {
        match (self, direction) {
            (Self::Train, Direction::Backward) => "backward",
            (Self::Train, Direction::Recompute) => "recompute",
            (Self::Train, _) => "forward",
            (Self::Evaluate | Self::Scratch, _) => "inference",
            (Self::One, _) => "one",
        }
    }
}

/// Calls of a pass, in order.
#[derive(Debug, Clone)]
pub(super) enum Statement {
    /// A function of a layer.
    Layer(Run),
    /// All functions of a use of a block, by the number of the function that holds their calls.
    Block {
        function: usize,
        /// The numbers in its code.
        numbers: Vec<usize>,
        /// What it is handed.
        values: Vec<TokenStream>,
        /// The calls, for a block that is used once.
        runs: Vec<Run>,
    },
}

impl Statement {
    /// Its part of a step.
    pub(super) fn direction(&self) -> Direction {
        let run = match self {
            Self::Layer(run) => Some(run),
            Self::Block { runs, .. } => runs.first(),
        };
        run.map_or(Direction::Forward, |run| run.direction)
    }
}

/// A function of a block.
#[derive(Debug)]
pub(super) struct BlockFunction {
    name: Ident,
    /// The block: `basic`.
    word: String,
    what: &'static str,
    arguments: Vec<Argument>,
    code: TokenStream,
    family: Family,
    /// The uses.
    uses: Vec<String>,
}

impl BlockFunction {
    fn sizes(&self) -> &Sizes {
        self.family.sizes(|_| false)
    }

    fn has_threads(&self) -> bool {
        mentions(&self.code, &format_ident!("threads"))
    }

    fn is_used_again(&self) -> bool {
        self.uses.len() > 1
    }

    fn tokens(&self) -> TokenStream {
        let (name, sizes) = (&self.name, self.sizes());
        let types: Vec<TokenStream> = self.arguments.iter().map(|argument| argument.ty.clone()).collect();
        let (types, code) = sizes.put(types, self.code.clone());
        let arguments = self.arguments.iter().zip(types).map(|(argument, ty)| {
            let name = &argument.name;
            if argument.is_mut { quote!(#name: &mut #ty) } else { quote!(#name: &#ty) }
        });
        let generics: Vec<TokenStream> = sizes.names().map(|name| quote!(const #name: usize)).collect();
        let generics = (!generics.is_empty()).then(|| quote!(<#(#generics),*>));
        let threads = self.has_threads().then(|| quote!(threads: rt::Threads,));
        // What is shared by two passes has its uses twice.
        let mut uses: Vec<String> = Vec::new();
        for name in self.uses.iter().map(|name| format!("`{name}`")) {
            if !uses.contains(&name) {
                uses.push(name);
            }
        }
        let block = format!("`{}`", self.word);
        let list =
            if uses == [block.as_str()] { String::new() } else { format!(": {}", names_in_a_line(&uses)) };
        let docs = docs([format!("The layers of {block}, {}{list}.", self.what)]);
        quote! {
            #docs
            fn #name #generics(simd: rt::Simd, #threads #(#arguments),*) {
                #code
            }
        }
    }
}

/// What a call is handed.
#[derive(Debug, Clone)]
struct Handed {
    /// Its place: `arena.layer1_1.relu`.
    path: Vec<Ident>,
    is_mut: bool,
    ty: TokenStream,
    /// What the function of the layer calls it.
    name: Ident,
}

impl Model<'_> {
    /// The calls of a pass, those of blocks together. All passes have to be asked for before one is written out.
    pub(super) fn statements(&mut self, pass: &Pass, runs: Vec<Run>, memory: Memory) -> Vec<Statement> {
        let key = |run: &Run| Place::of(&run.layer).map(|place| (place.key().to_owned(), run.direction));
        let mut out = Vec::new();
        let mut rest = runs.as_slice();
        while let Some(first) = rest.first() {
            let n = match key(first) {
                Some(wanted) => rest.iter().take_while(|run| key(run).as_ref() == Some(&wanted)).count(),
                None => 1,
            };
            let (together, others) = rest.split_at(n.max(1));
            rest = others;
            // A block of its own is not made a function, nor kept among those that are.
            let block = if n > 1 { self.block(pass, together, memory) } else { None };
            match block {
                Some(block) => out.push(block),
                None => out.extend(together.iter().cloned().map(Statement::Layer)),
            }
        }
        out
    }

    /// The functions of blocks.
    pub(super) fn block_functions(&self) -> TokenStream {
        let functions = self.blocks.iter().filter(|block| block.is_used_again());
        functions.map(BlockFunction::tokens).collect()
    }

    /// A statement as code; a block that is used once is a list of calls.
    pub(super) fn statement(&self, pass: &Pass, statement: &Statement, memory: Memory) -> TokenStream {
        let calls = |runs: &[Run]| -> TokenStream {
            let calls = runs.iter().map(|run| self.run(pass, run, memory));
            quote!(#(#calls;)*)
        };
        match statement {
            Statement::Layer(run) => calls(std::slice::from_ref(run)),
            Statement::Block { function, numbers, values, runs } => match self.blocks.get(*function) {
                Some(block) if block.is_used_again() => {
                    let name = &block.name;
                    let sizes = turbofish(&block.sizes().values(numbers));
                    let threads = block.has_threads().then(|| quote!(threads,));
                    quote!(#name #sizes(simd, #threads #(#values),*);)
                }
                _ => calls(runs),
            },
        }
    }

    /// The calls of one use of a block, as a call of a function.
    fn block(&mut self, pass: &Pass, runs: &[Run], memory: Memory) -> Option<Statement> {
        let first = runs.first()?;
        let place = Place::of(&first.layer)?;
        let field = names::ident(place.key().trim_end_matches('.'));
        let mut handed: Vec<Handed> = Vec::new();
        let mut code = Vec::new();
        for run in runs {
            let entry = self.entry(run);
            let mut values = Vec::new();
            for argument in &run.arguments {
                // What is handed all parameters may look at those of the block, too.
                let whole = [ArgumentKind::Parameters, ArgumentKind::State, ArgumentKind::Gradients];
                if whole.contains(&argument.kind) || run.returns {
                    return None;
                }
                if argument.form == Form::Value {
                    values.push(first_unit(&argument.kind));
                    continue;
                }
                let path = self.path(pass, argument, memory);
                let value = self.hand(&mut handed, &field, path, argument)?;
                values.push(argument.handed(value));
            }
            code.push(match run.division {
                Some(along) => {
                    let units = units(along, memory);
                    quote!(threads.run(simd, #units, #entry(#(#values),*));)
                }
                None => quote!(simd.run(#entry(#(#values),*));),
            });
        }
        let code = quote!(#(#code)*);
        let arguments: Vec<Argument> = handed
            .iter()
            .map(|handed| Argument {
                name: handed.name.clone(),
                is_mut: handed.is_mut,
                kind: ArgumentKind::Parameters,
                ty: handed.ty.clone(),
                form: Form::Reference,
            })
            .collect();
        let values = handed.iter().map(|handed| reference(&handed.path, handed.is_mut)).collect();
        let what = memory.word(first.direction);
        let stem = format_ident!("{}_{what}", names::ident(place.word()));
        let family = Family::new(Skeleton::of_function(&stem, &arguments, &[], &Tree::all(code.clone())));
        let numbers = family.first().to_vec();
        let used = place.key().trim_end_matches('.').to_owned();
        let known = self.blocks.iter_mut().enumerate().find(|(_, known)| known.family.fits(&family));
        let function = match known {
            Some((at, known)) => {
                known.family.join(family);
                known.uses.push(used);
                at
            }
            None => {
                let is_taken = |name: &Ident| {
                    self.functions.iter().any(|known| known.name == *name)
                        || self.blocks.iter().any(|known| known.name == *name)
                };
                let names = std::iter::once(stem.clone()).chain((2..).map(|n| format_ident!("{stem}_{n}")));
                let name = names.into_iter().find(|name| !is_taken(name)).unwrap_or(stem);
                let (word, uses) = (place.word().to_owned(), vec![used]);
                self.blocks.push(BlockFunction { name, word, what, arguments, code, family, uses });
                self.blocks.len() - 1
            }
        };
        Some(Statement::Block { function, numbers, values, runs: runs.to_vec() })
    }

    /// What a layer's function is handed, in the function of the block: an argument, or a member of what belongs to the
    /// use.
    fn hand(
        &self,
        handed: &mut Vec<Handed>,
        field: &Ident,
        path: Vec<Ident>,
        argument: &Argument,
    ) -> Option<TokenStream> {
        let own = match path.as_slice() {
            [owner @ .., bundle, member] if bundle == field => {
                let path = &path[..path.len() - 1];
                let known = handed.iter().find(|known| known.path == path).map(|known| known.ty.clone());
                let ty = known.or_else(|| self.bundle_type(owner, &bundle.to_string()));
                ty.map(|ty| (path.to_vec(), owner.last().cloned(), ty, member.clone()))
            }
            _ => None,
        };
        let (path, wanted, ty, member) = match own {
            Some((path, owner, ty, member)) => {
                let name = match owner {
                    Some(owner) if owner == "arena" => format_ident!("values"),
                    Some(owner) => owner,
                    None => argument.name.clone(),
                };
                (path, name, ty, Some(member))
            }
            // A weight of another use, which is seldom, has the type of its own place.
            None if argument.form == Form::Taps => return None,
            None => (path, argument.name.clone(), argument.whole(), None),
        };
        let at = handed.iter().position(|known| known.path == path).unwrap_or_else(|| {
            let names = std::iter::once(wanted.clone()).chain((2..).map(|n| format_ident!("{wanted}_{n}")));
            let is_taken = |name: &Ident| {
                name == "simd" || name == "threads" || handed.iter().any(|known| known.name == *name)
            };
            let name = names.into_iter().find(|name| !is_taken(name)).unwrap_or(wanted);
            handed.push(Handed { path, is_mut: false, ty, name });
            handed.len() - 1
        });
        let known = handed.get_mut(at)?;
        known.is_mut |= argument.is_mut;
        // A function that needs the whole batch is handed an array, which is a slice to the others.
        if member.is_none() && is_array(&argument.whole()) {
            known.ty = argument.whole();
        }
        let name = &known.name;
        Some(match member {
            Some(member) if argument.is_mut => quote!(&mut #name.#member),
            Some(member) => quote!(&#name.#member),
            None => quote!(#name),
        })
    }

    /// The type of what belongs to a use of a block in this struct.
    fn bundle_type(&self, owner: &[Ident], field: &str) -> Option<TokenStream> {
        let (layout, kind) = match owner {
            [owner] if owner == "parameters" => (&self.parameters, "Parameters"),
            [owner] if owner == "arena" => (&self.arena.layout, "Values"),
            [owner, ..] if owner == "state" => (&self.trained, kind_of(&trained_type(self.graph()))),
            [owner, ..] if owner == "gradients" => (&self.gradients, kind_of(&gradient_type(self.graph()))),
            _ => return None,
        };
        layout.bundle_type(kind, &self.types(), field)
    }
}

/// Where a number of units begins.
pub(super) fn first_unit(kind: &ArgumentKind) -> TokenStream {
    match kind {
        ArgumentKind::Units(all) => {
            let all = number(*all);
            quote!(0..#all)
        }
        _ => quote!(rt::First(0)),
    }
}

/// `&mut arena.relu`
pub(super) fn reference(path: &[Ident], is_mut: bool) -> TokenStream {
    let reference = if is_mut { quote!(&mut) } else { quote!(&) };
    quote!(#reference #(#path).*)
}

/// Whether a type is an array, and no slice.
fn is_array(ty: &TokenStream) -> bool {
    ty.clone().into_iter().any(|token| match token {
        TokenTree::Group(group) => group
            .stream()
            .into_iter()
            .any(|token| matches!(token, TokenTree::Punct(punct) if punct.as_char() == ';')),
        _ => false,
    })
}
