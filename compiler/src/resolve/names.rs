//! Names of layers: labels, and kind and count for what has none.
//!
//! The rules stand in the documentation of [`super`].

use std::collections::{BTreeMap, BTreeSet};

use nnc_grammar::ast::{Body, Chain, Ident, StageKind, Statement};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::Cx;

/// The names that are given in one model.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Names that are given, by what they look like in emitted code, with the label if they are one.
    taken: BTreeMap<String, (String, Option<Span>)>,
    /// Labels of bodies that have begun, as they look in emitted code: no other layer takes their names.
    expected: BTreeSet<String>,
    /// Layers of a kind so far, by the path of their body.
    counts: BTreeMap<(String, String), usize>,
    /// Paths of bodies whose label was used again: their layers have the names that they had before.
    shared: Vec<String>,
}

/// A name as it looks in emitted code.
fn flat(name: &str) -> String {
    name.replace('.', "_")
}

impl Names {
    /// Sets the labels of a body aside. Bodies inside count on if they have no path of their own.
    pub(super) fn begin(&mut self, path: &str, body: &Body) {
        for statement in &body.statements {
            match statement {
                Statement::Chain(chain) => self.begin_chain(path, chain),
                Statement::Let(binding) => self.begin_chain(path, &binding.chain),
                _ => {}
            }
        }
    }

    fn begin_chain(&mut self, path: &str, chain: &Chain) {
        for stage in &chain.stages {
            if let Some(label) = &stage.label {
                self.expected.insert(flat(&format!("{path}{}", label.name)));
                continue;
            }
            match &stage.kind {
                StageKind::Residual(body) | StageKind::Frozen(body) | StageKind::Recompute(body) => {
                    self.begin(path, body);
                }
                StageKind::Branch(bodies) => bodies.iter().for_each(|body| self.begin(path, body)),
                StageKind::Call(_) | StageKind::Repeat(..) => {}
            }
        }
    }

    /// Whether a layer of this body has the label `name`.
    pub(super) fn is_label(&self, path: &str, name: &str) -> bool {
        self.expected.contains(&flat(&format!("{path}{name}")))
    }

    /// Whether a body is one whose layers were named before.
    fn is_shared(&self, path: &str) -> bool {
        self.shared.iter().any(|shared| path.starts_with(shared))
    }

    /// Begins a label again: what is behind it is named as it was the first time.
    fn share(&mut self, name: &str) {
        let path = format!("{name}.");
        self.counts.retain(|(of, _), _| !of.starts_with(&path));
        self.shared.push(path);
    }

    /// The name of a layer of this kind without a label.
    pub(super) fn by_kind(&mut self, path: &str, kind: &str) -> String {
        let is_shared = self.is_shared(path);
        let count = self.counts.entry((path.to_owned(), kind.to_owned())).or_default();
        loop {
            *count += 1;
            let name = if *count == 1 { format!("{path}{kind}") } else { format!("{path}{kind}_{count}") };
            let key = flat(&name);
            if is_shared && self.taken.get(&key).is_some_and(|(known, _)| *known == name) {
                return name;
            }
            if !self.taken.contains_key(&key) && !self.expected.contains(&key) {
                self.taken.insert(key, (name.clone(), None));
                return name;
            }
        }
    }
}

impl Cx<'_> {
    /// The name of a layer of this kind: its label, or kind and count.
    pub(super) fn layer_name(
        &mut self,
        names: &mut Names,
        path: &str,
        label: Option<&Ident>,
        kind: &str,
    ) -> String {
        let Some(label) = label else { return names.by_kind(path, kind) };
        *names.counts.entry((path.to_owned(), kind.to_owned())).or_default() += 1;
        let name = format!("{path}{}", label.name);
        match names.taken.get(&flat(&name)) {
            None => {
                names.taken.insert(flat(&name), (name.clone(), Some(label.span)));
            }
            // A label that is used twice shares its parameters.
            Some((first, Some(_))) if *first == name => names.share(&name),
            Some((first, _)) => {
                let diagnostic = Diagnostic::new(
                    Code::E0206,
                    format!("layers `{first}` and `{name}` have the same name in emitted code"),
                    label.span,
                    "expected another label",
                )
                .with_note(format!("both are called `{}` there", flat(&name)));
                self.report(diagnostic);
            }
        }
        name
    }
}
