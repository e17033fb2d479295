//! Items: pairs of the grammar to the outermost nodes of the tree, with their docs.

use pest::iterators::{Pair, Pairs};

use super::rules::Rule;
use crate::{
    ast::{
        Allow, Ast, Block, Comment, Docs, Function, Ident, Import, Item, Model, Optimizer, Parameter,
        Section, Setting, Use,
    },
    diagnostic::{Code, Diagnostic},
    scan::{Scan, ScannedComment},
    span::{FileId, Span},
};

/// Builds the tree. `None` stands for pairs that the grammar cannot give; the caller leaves the piece out.
pub(super) struct Builder<'a> {
    file: FileId,
    text: &'a str,
    scan: &'a Scan,
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) depth: usize,
    /// Ranges of `scan.comments` that became docs.
    docs_taken: Vec<std::ops::Range<usize>>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(file: FileId, text: &'a str, scan: &'a Scan, diagnostics: Vec<Diagnostic>) -> Self {
        Self { file, text, scan, diagnostics, depth: 0, docs_taken: Vec::new() }
    }

    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics
    }

    pub(super) fn file(&mut self, pairs: Pairs<'_, Rule>) -> Ast {
        let mut ast = Ast::default();
        for pair in pairs.filter(|pair| pair.as_rule() == Rule::item) {
            let span = self.span(&pair);
            match self.item(pair) {
                Some(item) => ast.items.push(item),
                None => self.diagnostics.push(internal_error(span)),
            }
        }
        ast
    }

    /// The place of a pair. Pest counts white space and comments behind a pair to it; the tokens know better.
    pub(super) fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        let n_before = self.scan.tokens.partition_point(|token| token.start < span.end());
        let end =
            n_before.checked_sub(1).and_then(|idx| self.scan.tokens.get(idx)).map_or(span.end(), |t| t.end);
        Span::new(self.file, span.start(), end.clamp(span.start(), span.end()))
    }

    /// The token at the start of a place, as it was written.
    pub(super) fn written(&self, span: Span) -> &str {
        let start = span.start as usize;
        let idx = self.scan.tokens.partition_point(|token| token.start < start);
        self.scan.tokens.get(idx).and_then(|token| self.text.get(token.start..token.end)).unwrap_or("")
    }

    fn item(&mut self, pair: Pair<'_, Rule>) -> Option<Item> {
        let pair = pair.into_inner().next()?;
        Some(match pair.as_rule() {
            Rule::model => Item::Model(self.model(pair)?),
            Rule::block => Item::Block(self.block(pair)?),
            Rule::cell => Item::Cell(self.block(pair)?),
            Rule::activation => Item::Activation(self.function(pair)?),
            Rule::loss => Item::Loss(self.function(pair)?),
            Rule::init => Item::Init(self.function(pair)?),
            Rule::schedule => Item::Schedule(self.function(pair)?),
            Rule::schedule_rule => Item::ScheduleRule(self.optimizer(pair)?),
            Rule::optimizer => Item::Optimizer(self.optimizer(pair)?),
            Rule::import => Item::Import(self.import(pair)?),
            Rule::include => Item::Use(self.include(pair)?),
            Rule::allow => Item::Allow(self.allow(pair)),
            Rule::data => Item::Data(self.section(pair)?),
            Rule::train => Item::Train(self.section(pair)?),
            _ => return None,
        })
    }

    fn model(&mut self, pair: Pair<'_, Rule>) -> Option<Model> {
        let span = self.span(&pair);
        let docs = self.docs(span);
        let (mut visibility, mut name, mut parameters, mut body) = (None, None, Vec::new(), None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::visibility => visibility = Some(self.span(&part)),
                Rule::name => name = Some(self.ident(&part)),
                Rule::parameters => parameters = self.parameters(part)?,
                Rule::body => body = Some(self.body(part)?),
                _ => {}
            }
        }
        Some(Model { docs, visibility, name: name?, parameters, body: body?, span })
    }

    fn block(&mut self, pair: Pair<'_, Rule>) -> Option<Block> {
        let span = self.span(&pair);
        let docs = self.docs(span);
        let (mut name, mut parameters, mut body) = (None, Vec::new(), None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::parameters => parameters = self.parameters(part)?,
                Rule::body => body = Some(self.body(part)?),
                _ => {}
            }
        }
        Some(Block { docs, name: name?, parameters, body: body?, span })
    }

    fn function(&mut self, pair: Pair<'_, Rule>) -> Option<Function> {
        let span = self.span(&pair);
        let docs = self.docs(span);
        let (mut name, mut parameters, mut body) = (None, Vec::new(), None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::parameters => parameters = self.parameters(part)?,
                Rule::expression => body = Some(self.expression(part)?),
                _ => {}
            }
        }
        Some(Function { docs, name: name?, parameters, body: body?, span })
    }

    fn optimizer(&mut self, pair: Pair<'_, Rule>) -> Option<Optimizer> {
        let span = self.span(&pair);
        let docs = self.docs(span);
        let (mut name, mut parameters) = (None, Vec::new());
        let (mut states, mut assignments) = (Vec::new(), Vec::new());
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::parameters => parameters = self.parameters(part)?,
                Rule::optimizer_body => {
                    for update in part.into_inner().filter(|part| part.as_rule() == Rule::update) {
                        let update = update.into_inner().next()?;
                        match update.as_rule() {
                            Rule::state_statement => states.extend(self.states(update)?),
                            _ => assignments.push(self.assignment(update)?),
                        }
                    }
                }
                _ => {}
            }
        }
        Some(Optimizer { docs, name: name?, parameters, states, assignments, span })
    }

    fn import(&mut self, pair: Pair<'_, Rule>) -> Option<Import> {
        let span = self.span(&pair);
        let (mut name, mut path, mut weights) = (None, None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::string => path = Some(self.string(&part)),
                Rule::import_weights => {
                    weights = part
                        .into_inner()
                        .find(|part| part.as_rule() == Rule::string)
                        .map(|s| self.string(&s));
                }
                _ => {}
            }
        }
        Some(Import { name: name?, path: path?, weights, span })
    }

    fn include(&mut self, pair: Pair<'_, Rule>) -> Option<Use> {
        let span = self.span(&pair);
        let path = pair.into_inner().find(|part| part.as_rule() == Rule::string)?;
        Some(Use { path: self.string(&path), span })
    }

    fn allow(&mut self, pair: Pair<'_, Rule>) -> Allow {
        let span = self.span(&pair);
        let codes = pair.into_inner().filter(|part| part.as_rule() == Rule::name);
        Allow { codes: codes.map(|code| self.ident(&code)).collect(), span }
    }

    fn section(&mut self, pair: Pair<'_, Rule>) -> Option<Section> {
        let span = self.span(&pair);
        let docs = self.docs(span);
        let section = pair.into_inner().find(|part| part.as_rule() == Rule::section)?;
        let mut settings = Vec::new();
        for setting in section.into_inner().filter(|part| part.as_rule() == Rule::setting) {
            let span = self.span(&setting);
            let mut parts = setting.into_inner();
            let key = self.ident(&parts.next()?);
            settings.push(Setting { key, value: self.expression(parts.next()?)?, span });
        }
        Some(Section { docs, settings, span })
    }

    pub(super) fn parameters(&mut self, pair: Pair<'_, Rule>) -> Option<Vec<Parameter>> {
        let mut parameters = Vec::new();
        for parameter in pair.into_inner().filter(|part| part.as_rule() == Rule::parameter) {
            let span = self.span(&parameter);
            let (mut name, mut kind, mut default) = (None, None, None);
            for part in parameter.into_inner() {
                match part.as_rule() {
                    Rule::name => name = Some(self.ident(&part)),
                    Rule::kind => {
                        kind = part
                            .into_inner()
                            .find(|part| part.as_rule() == Rule::name)
                            .map(|n| self.ident(&n));
                    }
                    Rule::default => default = Some(self.expression(last(part)?)?),
                    _ => {}
                }
            }
            parameters.push(Parameter { name: name?, kind, default, span });
        }
        Some(parameters)
    }

    pub(super) fn names(&self, pair: Pair<'_, Rule>) -> Vec<Ident> {
        pair.into_inner().filter(|part| part.as_rule() == Rule::name).map(|part| self.ident(&part)).collect()
    }

    pub(super) fn ident(&self, pair: &Pair<'_, Rule>) -> Ident {
        Ident { name: pair.as_str().to_owned(), span: self.span(pair) }
    }

    // ---- Comments ----

    /// The doc lines between the token before `item` and its first token.
    fn docs(&mut self, item: Span) -> Docs {
        let start = item.start as usize;
        let n_before = self.scan.tokens.partition_point(|token| token.start < start);
        let from =
            n_before.checked_sub(1).and_then(|idx| self.scan.tokens.get(idx)).map_or(0, |token| token.end);
        let comments = &self.scan.comments;
        let range =
            comments.partition_point(|c| c.start < from)..comments.partition_point(|c| c.start < start);
        let lines = comments.get(range.clone()).unwrap_or(&[]).iter().filter(|comment| is_doc(comment));
        let docs = lines
            .map(|comment| {
                let line = self.text.get(comment.start + 3..comment.end).unwrap_or("").trim_end();
                line.strip_prefix(' ').unwrap_or(line).to_owned()
            })
            .collect();
        self.docs_taken.push(range);
        docs
    }

    /// All comments that did not become docs.
    pub(super) fn comments(&self) -> Vec<Comment> {
        let mut taken = self.docs_taken.iter().peekable();
        let mut comments = Vec::new();
        for (idx, comment) in self.scan.comments.iter().enumerate() {
            while taken.peek().is_some_and(|range| range.end <= idx) {
                taken.next();
            }
            if is_doc(comment) && taken.peek().is_some_and(|range| range.contains(&idx)) {
                continue;
            }
            let text = self.text.get(comment.start + 2..comment.end).unwrap_or("").trim_end().to_owned();
            let end = comment.start + 2 + text.len();
            comments.push(Comment { text, span: Span::new(self.file, comment.start, end) });
        }
        comments
    }
}

/// Docs begin their line: one behind other text is about that text.
fn is_doc(comment: &ScannedComment) -> bool {
    comment.is_doc && comment.is_own_line
}

/// The last part of a pair.
pub(super) fn last(pair: Pair<'_, Rule>) -> Option<Pair<'_, Rule>> {
    pair.into_inner().last()
}

fn internal_error(span: Span) -> Diagnostic {
    Diagnostic::new(Code::E0503, "grammar and tree disagree", span, "this was read, but not understood")
        .with_note("this is a fault of nnc, please report it with this text")
}
