//! The canonical printer: tree and comments to text.
//!
//! What fits in 110 columns stands in one line; what does not is broken at its outermost places first. One statement a
//! line, four spaces an indent, at most one empty line between statements and one between items. Numbers and
//! parentheses stay as they were written.
//!
//! Two things always hold: the printed text parses to the same tree, and printing it again changes nothing. And no
//! comment is lost: one that stands where the canonical form has no room moves to the end of its line.

use crate::{
    ast::{
        Ast, Block, Comment, Docs, Function, Ident, Item, Model, Optimizer, Parameter, Section, Statement,
    },
    scan::{Scan, TokenKind, scan},
    span::{FileId, SourceMap, Span},
};

mod flat;
mod layout;
mod output;

use output::{INDENT, Output};

/// Prints a file in the canonical form.
///
/// `ast` must be what [`parse`](crate::parse()) made of this file. Where it reported errors the tree has holes, and
/// what is missing there is missing in the printed text too: format only what parses.
///
/// ```
/// use nnc_grammar::{format, parse, span::SourceMap};
///
/// let mut sources = SourceMap::new();
/// let file = sources.add("xor.nn", "model Xor { input [2] // two bits\n dense( 2 )->tanh  dense(1) }");
/// let parsed = parse(&sources, file);
/// let text = "model Xor {\n    input [2] // two bits\n    dense(2) -> tanh\n    dense(1)\n}\n";
/// assert_eq!(format(&sources, file, &parsed.ast), text);
/// ```
pub fn format(sources: &SourceMap, file: FileId, ast: &Ast) -> String {
    let Some(source) = sources.get(file) else { return String::new() };
    let scan = scan(file, &source.text);
    let mut printer =
        Printer { text: &source.text, scan: &scan, comments: &ast.comments, next: 0, out: Output::default() };
    printer.items(&ast.items);
    printer.out.finish()
}

struct Printer<'a> {
    text: &'a str,
    scan: &'a Scan,
    comments: &'a [Comment],
    /// Index of the first comment that is not printed yet.
    next: usize,
    out: Output,
}

/// Where a piece stands in the source.
#[derive(Clone, Copy)]
struct Place {
    start: usize,
    end: usize,
}

impl From<Span> for Place {
    fn from(span: Span) -> Self {
        Self { start: span.start as usize, end: span.end as usize }
    }
}

impl<'a> Printer<'a> {
    // ---- Items ----

    fn items(&mut self, items: &'a [Item]) {
        let mut before: Option<&Item> = None;
        let mut previous_end = 0;
        for (idx, item) in items.iter().enumerate() {
            let place = Place::from(item_span(item));
            let docs_start = self.docs_start(item, place.start);
            let has_comments = self.peek(place.start).is_some();
            let keeps_together = before.is_some_and(|before| is_reference(before) && is_reference(item));
            while let Some(comment) = self.take(place.start) {
                let is_wide = self.out.is_empty() || self.is_blank(previous_end, start(comment));
                let is_first = before.take().is_some() && !keeps_together;
                self.out.line(0, is_wide || is_first);
                self.own_line_comment(comment, item_docs(item).is_some());
                previous_end = end(comment);
            }
            let is_wide = self.is_blank(previous_end, docs_start) || (!has_comments && !keeps_together);
            self.out.line(0, is_wide);
            for doc in item_docs(item).into_iter().flatten() {
                self.out.push(if doc.is_empty() { "///" } else { "/// " });
                self.out.push(doc);
                self.out.line(0, false);
            }
            self.item(item);
            let limit = items.get(idx + 1).map_or(self.text.len(), |next| Place::from(item_span(next)).start);
            previous_end = self.trailing(place, limit).max(place.end);
            before = Some(item);
        }
        while let Some(comment) = self.take(usize::MAX) {
            let is_wide = before.take().is_some() || self.is_blank(previous_end, start(comment));
            self.out.line(0, is_wide);
            self.own_line_comment(comment, false);
            previous_end = end(comment);
        }
    }

    fn item(&mut self, item: &'a Item) {
        match item {
            Item::Model(model) => self.model(model),
            Item::Block(block) => self.block("block", block),
            Item::Cell(block) => self.block("cell", block),
            Item::Activation(function) => self.function("activation", function),
            Item::Loss(function) => self.function("loss", function),
            Item::Init(function) => self.function("init", function),
            Item::Schedule(function) => self.function("schedule", function),
            Item::ScheduleRule(schedule) => self.optimizer("schedule", schedule),
            Item::Optimizer(optimizer) => self.optimizer("optimizer", optimizer),
            Item::Import(import) => {
                let path = crate::escape::quote(&import.path.value);
                self.out.push(&format!("import {} from {path}", import.name.name));
                if let Some(weights) = &import.weights {
                    self.out.push(&format!(" weights {}", crate::escape::quote(&weights.value)));
                }
            }
            Item::Use(include) => {
                self.out.push(&format!("use {}", crate::escape::quote(&include.path.value)))
            }
            Item::Allow(allow) => {
                let codes: Vec<&str> = allow.codes.iter().map(|code| code.name.as_str()).collect();
                self.out.push(&format!("allow {}", codes.join(", ")));
            }
            Item::Data(section) => self.section("data", section),
            Item::Train(section) => self.section("train", section),
        }
    }

    fn model(&mut self, model: &'a Model) {
        if let Some(visibility) = model.visibility {
            self.visibility(visibility);
        }
        self.head("model", &model.name, &model.parameters);
        self.out.push(" ");
        self.body(&model.body, 0);
    }

    /// `pub(in crate::zoo)` has no spaces but behind `in`.
    fn visibility(&mut self, span: Span) {
        let place = Place::from(span);
        let tokens = self.scan.tokens.iter().skip(self.token_at(place.start));
        for token in tokens.take_while(|token| token.end <= place.end) {
            let word = self.text.get(token.start..token.end).unwrap_or("");
            self.out.push(word);
            if word == "in" {
                self.out.push(" ");
            }
        }
        self.out.push(" ");
    }

    fn block(&mut self, keyword: &str, block: &'a Block) {
        self.head(keyword, &block.name, &block.parameters);
        self.out.push(" ");
        self.body(&block.body, 0);
    }

    fn function(&mut self, keyword: &str, function: &'a Function) {
        self.head(keyword, &function.name, &function.parameters);
        self.out.push(" = ");
        self.expr(&function.body, 0);
    }

    fn head(&mut self, keyword: &str, name: &Ident, parameters: &'a [Parameter]) {
        self.out.push(&format!("{keyword} {}", name.name));
        if !parameters.is_empty() {
            self.parameters(parameters);
        }
    }

    fn optimizer(&mut self, keyword: &str, optimizer: &'a Optimizer) {
        self.head(keyword, &optimizer.name, &optimizer.parameters);
        self.out.push(" ");
        let updates = self.updates(optimizer);
        let places: Vec<Place> = updates.iter().map(|update| update.place).collect();
        let open = self.open_brace(optimizer.span);
        self.braces(open, Place::from(optimizer.span).end, &places, 0, |printer, idx| {
            let Some(update) = updates.get(idx) else { return };
            printer.update(update);
        });
    }

    fn section(&mut self, keyword: &str, section: &'a Section) {
        self.out.push(keyword);
        self.out.push(" ");
        let places: Vec<Place> = section.settings.iter().map(|setting| setting.span.into()).collect();
        let open = self.open_brace(section.span);
        self.braces(open, Place::from(section.span).end, &places, 0, |printer, idx| {
            let Some(setting) = section.settings.get(idx) else { return };
            printer.out.push(&setting.key.name);
            printer.out.push(" ");
            printer.expr(&setting.value, INDENT);
        });
    }

    // ---- Braces and what stands in them ----

    /// `{`, pieces one a line with their comments, `}`. `open` is the place behind the opening brace, `close` the
    /// place behind the closing one.
    fn braces(
        &mut self,
        open: usize,
        close: usize,
        places: &[Place],
        indent: usize,
        mut print: impl FnMut(&mut Self, usize),
    ) {
        let close = close.saturating_sub(1);
        if places.is_empty() && self.peek(close).is_none() {
            return self.out.push("{}");
        }
        self.out.push("{");
        let inner = indent + INDENT;
        let first = places.first().map_or(close, |place| place.start);
        let mut previous_end = self.trailing(Place { start: open, end: open }, first).max(open);
        let mut is_first = true;
        for (idx, place) in places.iter().enumerate() {
            previous_end = self.own_lines(place.start, previous_end, inner, &mut is_first);
            let is_wide = !is_first && self.is_blank(previous_end, place.start);
            self.out.line(inner, is_wide);
            is_first = false;
            print(self, idx);
            let limit = places.get(idx + 1).map_or(close, |next| next.start);
            previous_end = self.trailing(*place, limit).max(place.end);
        }
        self.own_lines(close, previous_end, inner, &mut is_first);
        self.out.line(indent, false);
        self.out.push("}");
    }

    /// Prints the comments before `limit`, each in its own line; returns the end of what was printed last.
    fn own_lines(
        &mut self,
        limit: usize,
        mut previous_end: usize,
        indent: usize,
        is_first: &mut bool,
    ) -> usize {
        while let Some(comment) = self.take(limit) {
            let is_wide = !*is_first && self.is_blank(previous_end, start(comment));
            self.out.line(indent, is_wide);
            self.out.comment(&comment.text);
            *is_first = false;
            previous_end = end(comment);
        }
        previous_end
    }

    /// Prints the comment that belongs behind a piece, if there is one: it follows in the same line, or stands inside
    /// where it found no place. Returns its end. Further ones get lines of their own later.
    fn trailing(&mut self, place: Place, limit: usize) -> usize {
        let Some(comment) = self.peek(limit) else { return 0 };
        let is_inside = start(comment) < place.end;
        let between = self.text.get(place.end..start(comment)).unwrap_or("");
        if (!is_inside && between.contains('\n')) || self.out.ends_with_comment() {
            return 0;
        }
        self.next += 1;
        self.out.trailing_comment(&comment.text);
        end(comment)
    }

    fn own_line_comment(&mut self, comment: &Comment, is_before_docs: bool) {
        // A comment that moved here must not become the docs of what follows.
        let is_doc = comment.text.starts_with('/') && !comment.text.starts_with("//");
        let text =
            if is_doc && is_before_docs { comment.text.trim_start_matches('/') } else { &comment.text };
        self.out.comment(text);
    }

    /// The next comment, if it begins before `limit`.
    fn peek(&self, limit: usize) -> Option<&'a Comment> {
        self.comments.get(self.next).filter(|comment| start(comment) < limit)
    }

    fn take(&mut self, limit: usize) -> Option<&'a Comment> {
        let comment = self.peek(limit)?;
        self.next += 1;
        Some(comment)
    }

    /// Whether a comment that is not printed yet stands in the range.
    fn has_comment(&self, place: Place) -> bool {
        let from = self.comments.partition_point(|comment| start(comment) < place.start).max(self.next);
        self.comments.get(from).is_some_and(|comment| start(comment) < place.end)
    }

    // ---- The source ----

    /// Whether an empty line stands between two places.
    fn is_blank(&self, from: usize, to: usize) -> bool {
        let between = self.text.get(from..to).unwrap_or("");
        let mut lines = between.split('\n').skip(1).peekable();
        while let Some(line) = lines.next() {
            if lines.peek().is_some() && line.trim().is_empty() {
                return true;
            }
        }
        false
    }

    /// Index of the token that begins at or behind a place.
    fn token_at(&self, at: usize) -> usize {
        self.scan.tokens.partition_point(|token| token.start < at)
    }

    /// The start of the token before a place: the keyword of a statement whose tree begins behind it.
    fn start_before(&self, at: usize) -> usize {
        self.token_at(at)
            .checked_sub(1)
            .and_then(|idx| self.scan.tokens.get(idx))
            .map_or(at, |token| token.start)
    }

    /// The place behind the brace that opens the body of an item: the one that closes at the item's end.
    fn open_brace(&self, item: Span) -> usize {
        let place = Place::from(item);
        let close = self.token_at(place.end.saturating_sub(1));
        let open = self.scan.tokens.iter().enumerate().skip(self.token_at(place.start)).find(|(_, token)| {
            token.kind == TokenKind::Open(b'{') && token.is_closed && token.partner == close
        });
        open.map_or(place.start, |(_, token)| token.end)
    }

    /// Where the docs of an item begin, or the item if it has none.
    fn docs_start(&self, item: &Item, at: usize) -> usize {
        if item_docs(item).is_none_or(|docs| docs.is_empty()) {
            return at;
        }
        let from = self.token_at(at).checked_sub(1).and_then(|idx| self.scan.tokens.get(idx));
        let from = from.map_or(0, |token| token.end);
        let behind = self.scan.comments.partition_point(|comment| comment.start < from);
        let docs =
            self.scan.comments.iter().skip(behind).find(|comment| comment.is_doc && comment.is_own_line);
        docs.map_or(at, |doc| doc.start.min(at))
    }

    /// Where a statement stands, with its keyword.
    fn statement_place(&self, statement: &Statement) -> Place {
        match statement {
            Statement::Input(input) => input.span.into(),
            Statement::Let(binding) => binding.span.into(),
            Statement::Chain(chain) => chain.span.into(),
            Statement::Metrics(metrics) => metrics.span.into(),
            Statement::Assignment(assignment) => assignment.span.into(),
            Statement::Loss(call) | Statement::Optimizer(call) => self.with_keyword(call.span.into()),
            Statement::Output(output) => output.span.into(),
            Statement::State(states) => match (states.first(), states.last()) {
                (Some(first), Some(last)) => self.with_keyword(first.span.to(last.span).into()),
                _ => Place { start: 0, end: 0 },
            },
        }
    }

    fn with_keyword(&self, place: Place) -> Place {
        Place { start: self.start_before(place.start), end: place.end }
    }
}

fn start(comment: &Comment) -> usize {
    comment.span.start as usize
}

fn end(comment: &Comment) -> usize {
    comment.span.end as usize
}

fn is_reference(item: &Item) -> bool {
    matches!(item, Item::Use(_) | Item::Import(_) | Item::Allow(_))
}

/// The docs of an item that can have some.
fn item_docs(item: &Item) -> Option<&Docs> {
    match item {
        Item::Model(model) => Some(&model.docs),
        Item::Block(block) | Item::Cell(block) => Some(&block.docs),
        Item::Activation(function)
        | Item::Loss(function)
        | Item::Init(function)
        | Item::Schedule(function) => Some(&function.docs),
        Item::Optimizer(optimizer) | Item::ScheduleRule(optimizer) => Some(&optimizer.docs),
        Item::Data(section) | Item::Train(section) => Some(&section.docs),
        Item::Import(_) | Item::Use(_) | Item::Allow(_) => None,
    }
}

fn item_span(item: &Item) -> Span {
    match item {
        Item::Model(model) => model.span,
        Item::Block(block) | Item::Cell(block) => block.span,
        Item::Activation(function)
        | Item::Loss(function)
        | Item::Init(function)
        | Item::Schedule(function) => function.span,
        Item::Optimizer(optimizer) | Item::ScheduleRule(optimizer) => optimizer.span,
        Item::Import(import) => import.span,
        Item::Use(include) => include.span,
        Item::Allow(allow) => allow.span,
        Item::Data(section) | Item::Train(section) => section.span,
    }
}
