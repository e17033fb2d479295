//! Text to syntax tree: the one file that names the rules of `nn.pest`.
//!
//! [`parse`] scans the text, bounds its depth, and gives it whole to the grammar. If the grammar objects, the faulty
//! pieces are found, reported and blanked out (see `recover.rs`), and what is left is read. So a tree comes back for
//! every text, and it holds nothing that was reported as wrong.

use pest::{
    Parser,
    error::{ErrorVariant, InputLocation},
    iterators::{Pair, Pairs},
};

use crate::{
    ast::{
        Argument, Assignment, Ast, BinaryOp, Block, Body, Call, Chain, Comment, Docs, Expr, ExprKind, Function, Ident,
        Import, Input, Item, Let, Metrics, Model, Optimizer, Parameter, Section, Setting, Stage, StageKind, State,
        Statement, Text, UnaryOp, Use,
    },
    diagnostic::{self, Code, Diagnostic},
    expression::{self, Part},
    recover,
    scan::{Scan, ScannedComment, scan},
    span::{FileId, SourceMap, Span},
};

/// The largest text that is read, in bytes.
pub const MAX_SOURCE_BYTES: usize = 4 << 20;

/// The tree of an expression is at most so deep: long sums count as deep, since they nest to the left.
const MAX_EXPRESSION_DEPTH: usize = 256;

/// What a text was read as.
#[derive(Debug, Clone, Default)]
pub struct Parsed {
    /// The tree; what was wrong is left out of it.
    pub ast: Ast,
    /// Faults, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
}

/// Reads one file of `sources`.
///
/// Never fails and never panics: each fault of the text is a diagnostic, and the tree holds what was right.
///
/// # Errors, as diagnostics
///
/// E0101 unexpected text, E0102 empty file, E0103 nested too deeply, E0104 invalid number, E0105 unclosed bracket or
/// string, E0106 source file too large.
///
/// ```
/// use nnc_grammar::{parse, span::SourceMap};
///
/// let mut sources = SourceMap::new();
/// let file = sources.add("xor.nn", "model Xor { input [2]  dense(2) -> tanh  dense(1) }");
/// let parsed = parse(&sources, file);
/// assert!(parsed.diagnostics.is_empty());
/// assert_eq!(parsed.ast.items.len(), 1);
/// ```
pub fn parse(sources: &SourceMap, file: FileId) -> Parsed {
    let Some(source) = sources.get(file) else { return Parsed::default() };
    let text = source.text.as_str();
    if text.len() > MAX_SOURCE_BYTES {
        return Parsed { ast: Ast::default(), diagnostics: vec![too_large(file, text.len())] };
    }
    let mut scan = scan(file, text);
    let mut diagnostics = std::mem::take(&mut scan.diagnostics);
    if scan.tokens.is_empty() && diagnostics.is_empty() {
        diagnostics.push(empty(file, &scan));
    }
    let visible = recover::visible(text, &scan);
    let is_broken = scan.tokens.iter().any(|token| token.broken);
    let first = if is_broken { None } else { read_bytes(Piece::File, &visible).ok() };
    let repaired;
    let pairs = match first {
        Some(pairs) => Some(pairs),
        None => {
            repaired = recover::recover(file, text, &scan, visible.clone(), &mut diagnostics);
            let second = read_bytes(Piece::File, &repaired);
            if let Err(fault) = &second
                && diagnostics.is_empty()
            {
                diagnostics.push(recover::explain(file, text, &scan, fault));
            }
            second.ok()
        }
    };
    let mut builder = Builder { file, text, scan: &scan, diagnostics, depth: 0, docs_taken: Vec::new() };
    let mut ast = pairs.map_or_else(Ast::default, |pairs| builder.file(pairs));
    ast.comments = builder.comments();
    let mut diagnostics = builder.diagnostics;
    diagnostic::sort(&mut diagnostics);
    Parsed { ast, diagnostics }
}

fn too_large(file: FileId, len: usize) -> Diagnostic {
    let label = format!("expected at most {MAX_SOURCE_BYTES} bytes, found {len}");
    Diagnostic::new(Code::E0106, "source file is too large", Span::new(file, 0, 0), label)
        .with_note("a model is a few kilobytes; is this a data file?")
}

fn empty(file: FileId, scan: &Scan) -> Diagnostic {
    let found = if scan.comments.is_empty() { "nothing" } else { "only comments" };
    let label = format!("expected a model or another definition, found {found}");
    Diagnostic::new(Code::E0102, "file is empty", Span::new(file, 0, 0), label)
        .with_help("the smallest model is `model Name { input [4]  dense(3) }`")
}

// ---- The grammar ---------------------------------------------------------------------------------------------------

#[derive(pest_derive::Parser)]
#[grammar = "nn.pest"]
struct Grammar;

/// A piece of text that the grammar reads on its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// Items to the end.
    File,
    /// One item.
    Item,
    /// One statement of a model, block or cell.
    Statement,
    /// One statement of an optimizer.
    Update,
    /// One `key value` of a section.
    Setting,
    /// A number.
    Number,
    /// A string.
    Text,
}

/// Why a piece was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Offset of the furthest place that was reached.
    pub at: usize,
    /// What could have stood there, in the user's words.
    pub expected: Vec<&'static str>,
}

/// Whether the grammar accepts the piece.
pub(crate) fn check(piece: Piece, text: &str) -> Result<(), Fault> {
    read(piece, text).map(|_| ())
}

fn read_bytes(piece: Piece, bytes: &[u8]) -> Result<Pairs<'_, Rule>, Fault> {
    // Blanking overwrites whole characters, so the bytes stay a text.
    read(piece, std::str::from_utf8(bytes).unwrap_or(""))
}

fn read(piece: Piece, text: &str) -> Result<Pairs<'_, Rule>, Fault> {
    let rule = match piece {
        Piece::File => Rule::file,
        Piece::Item => Rule::whole_item,
        Piece::Statement => Rule::whole_statement,
        Piece::Update => Rule::whole_update,
        Piece::Setting => Rule::whole_setting,
        Piece::Number => Rule::whole_number,
        Piece::Text => Rule::whole_string,
    };
    Grammar::parse(rule, text).map_err(|error| {
        let at = match error.location {
            InputLocation::Pos(at) | InputLocation::Span((at, _)) => at,
        };
        let (mut rules, avoided) = match error.variant {
            ErrorVariant::ParsingError { positives, negatives } => (positives, negatives),
            ErrorVariant::CustomError { .. } => (Vec::new(), Vec::new()),
        };
        // A statement begins where a name was due.
        if avoided.contains(&Rule::opening) {
            rules.push(Rule::name);
        }
        let mut expected: Vec<_> = rules.into_iter().filter_map(describe).collect();
        expected.sort_by_key(|(rank, words)| (*rank, *words));
        expected.dedup();
        Fault { at, expected: expected.into_iter().map(|(_, words)| words).collect() }
    })
}

/// What a rule is called in messages, with its rank in an enumeration.
fn describe(rule: Rule) -> Option<(u8, &'static str)> {
    Some(match rule {
        Rule::item | Rule::visibility | Rule::model => (0, "a definition"),
        Rule::statement | Rule::assignment | Rule::input_statement | Rule::state_statement => (0, "a statement"),
        Rule::update => (0, "`state`, `let` or an assignment"),
        Rule::setting => (0, "a setting"),
        Rule::stage | Rule::label | Rule::chain => (1, "a stage"),
        Rule::call => (1, "a name"),
        Rule::name | Rule::name_list | Rule::declaration => (1, "a name"),
        Rule::parameter => (1, "a parameter"),
        Rule::argument | Rule::argument_name => (1, "an argument"),
        Rule::expression | Rule::operand | Rule::prefix | Rule::boolean | Rule::number => (1, "a value"),
        Rule::conditional | Rule::if_branch | Rule::group | Rule::minus | Rule::not => (1, "a value"),
        Rule::list => (1, "a list in `[…]`"),
        Rule::string => (1, "a string in `\"…\"`"),
        Rule::from_keyword => (2, "`from`"),
        Rule::weights_keyword | Rule::import_weights => (2, "`weights`"),
        Rule::else_keyword => (2, "`else`"),
        Rule::model_keyword => (2, "`model`"),
        Rule::arrow => (3, "`->`"),
        Rule::assign | Rule::default => (3, "`=`"),
        Rule::colon | Rule::kind | Rule::shape => (3, "`:`"),
        Rule::comma => (3, "`,`"),
        Rule::body | Rule::section | Rule::optimizer_body | Rule::alternative | Rule::open_brace => (4, "`{`"),
        Rule::parameters | Rule::arguments | Rule::open_paren => (4, "`(`"),
        Rule::open_bracket => (4, "`[`"),
        Rule::close_paren => (5, "`)`"),
        Rule::close_bracket => (5, "`]`"),
        Rule::close_brace => (5, "`}`"),
        Rule::infix | Rule::plus | Rule::times | Rule::divide | Rule::power => (6, "an operator"),
        Rule::EOI => (9, recover::END),
        _ => return None,
    })
}

// ---- Pairs to tree -------------------------------------------------------------------------------------------------

/// Builds the tree. `None` stands for pairs that the grammar cannot give; the caller leaves the piece out.
struct Builder<'a> {
    file: FileId,
    text: &'a str,
    scan: &'a Scan,
    diagnostics: Vec<Diagnostic>,
    depth: usize,
    /// Ranges of `scan.comments` that became docs.
    docs_taken: Vec<std::ops::Range<usize>>,
}

impl Builder<'_> {
    fn file(&mut self, pairs: Pairs<'_, Rule>) -> Ast {
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
    fn span(&self, pair: &Pair<'_, Rule>) -> Span {
        let span = pair.as_span();
        let n_before = self.scan.tokens.partition_point(|token| token.start < span.end());
        let end = n_before.checked_sub(1).and_then(|idx| self.scan.tokens.get(idx)).map_or(span.end(), |t| t.end);
        Span::new(self.file, span.start(), end.clamp(span.start(), span.end()))
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
            Rule::optimizer => Item::Optimizer(self.optimizer(pair)?),
            Rule::import => Item::Import(self.import(pair)?),
            Rule::include => Item::Use(self.include(pair)?),
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
                    weights = part.into_inner().find(|part| part.as_rule() == Rule::string).map(|s| self.string(&s));
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

    fn parameters(&mut self, pair: Pair<'_, Rule>) -> Option<Vec<Parameter>> {
        let mut parameters = Vec::new();
        for parameter in pair.into_inner().filter(|part| part.as_rule() == Rule::parameter) {
            let span = self.span(&parameter);
            let (mut name, mut kind, mut default) = (None, None, None);
            for part in parameter.into_inner() {
                match part.as_rule() {
                    Rule::name => name = Some(self.ident(&part)),
                    Rule::kind => {
                        kind = part.into_inner().find(|part| part.as_rule() == Rule::name).map(|n| self.ident(&n));
                    }
                    Rule::default => default = Some(self.expression(last(part)?)?),
                    _ => {}
                }
            }
            parameters.push(Parameter { name: name?, kind, default, span });
        }
        Some(parameters)
    }

    fn body(&mut self, pair: Pair<'_, Rule>) -> Option<Body> {
        let span = self.span(&pair);
        let mut statements = Vec::new();
        for statement in pair.into_inner().filter(|part| part.as_rule() == Rule::statement) {
            statements.push(self.statement(statement.into_inner().next()?)?);
        }
        Some(Body { statements, span })
    }

    fn statement(&mut self, pair: Pair<'_, Rule>) -> Option<Statement> {
        Some(match pair.as_rule() {
            Rule::input_statement => Statement::Input(self.input(pair)?),
            Rule::let_chain => Statement::Let(self.let_chain(pair)?),
            Rule::loss_statement => Statement::Loss(self.call(last(pair)?)?),
            Rule::optimizer_statement => Statement::Optimizer(self.call(last(pair)?)?),
            Rule::metrics_statement => {
                let span = self.span(&pair);
                let names = self.names(pair);
                Statement::Metrics(Metrics { names, span })
            }
            Rule::output_statement => Statement::Output(self.ident(&last(pair)?)),
            Rule::state_statement => Statement::State(self.states(pair)?),
            Rule::assignment | Rule::let_value => Statement::Assignment(self.assignment(pair)?),
            Rule::chain => Statement::Chain(self.chain(pair)?),
            _ => return None,
        })
    }

    fn input(&mut self, pair: Pair<'_, Rule>) -> Option<Input> {
        let span = self.span(&pair);
        let (mut name, mut shape) = (None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::list => shape = Some(self.list(part)?),
                _ => {}
            }
        }
        Some(Input { name, shape: shape?, span })
    }

    fn let_chain(&mut self, pair: Pair<'_, Rule>) -> Option<Let> {
        let span = self.span(&pair);
        let (mut names, mut is_list, mut chain) = (Vec::new(), false, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => names.push(self.ident(&part)),
                Rule::name_list => {
                    is_list = true;
                    names = self.names(part);
                }
                Rule::chain => chain = Some(self.chain(part)?),
                _ => {}
            }
        }
        Some(Let { names, is_list, chain: chain?, span })
    }

    fn assignment(&mut self, pair: Pair<'_, Rule>) -> Option<Assignment> {
        let span = self.span(&pair);
        let is_let = pair.as_rule() == Rule::let_value;
        let (mut name, mut value) = (None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::expression => value = Some(self.expression(part)?),
                _ => {}
            }
        }
        Some(Assignment { is_let, name: name?, value: value?, span })
    }

    fn states(&mut self, pair: Pair<'_, Rule>) -> Option<Vec<State>> {
        let mut states = Vec::new();
        for declaration in pair.into_inner().filter(|part| part.as_rule() == Rule::declaration) {
            let span = self.span(&declaration);
            let (mut name, mut shape, mut initial) = (None, None, None);
            for part in declaration.into_inner() {
                match part.as_rule() {
                    Rule::name => name = Some(self.ident(&part)),
                    Rule::shape => shape = Some(self.expression(last(part)?)?),
                    Rule::default => initial = Some(self.expression(last(part)?)?),
                    _ => {}
                }
            }
            states.push(State { name: name?, shape, initial, span });
        }
        Some(states)
    }

    fn chain(&mut self, pair: Pair<'_, Rule>) -> Option<Chain> {
        let span = self.span(&pair);
        let mut stages = Vec::new();
        for stage in pair.into_inner().filter(|part| part.as_rule() == Rule::stage) {
            stages.push(self.stage(stage)?);
        }
        Some(Chain { stages, span })
    }

    fn stage(&mut self, pair: Pair<'_, Rule>) -> Option<Stage> {
        let span = self.span(&pair);
        let (mut label, mut kind) = (None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::label => label = Some(self.ident(&part.into_inner().next()?)),
                Rule::call => kind = Some(StageKind::Call(self.call(part)?)),
                Rule::residual => kind = Some(StageKind::Residual(self.body(last(part)?)?)),
                Rule::frozen => kind = Some(StageKind::Frozen(self.body(last(part)?)?)),
                Rule::repeat => kind = Some(self.repeat(part)?),
                Rule::branch => {
                    let mut bodies = Vec::new();
                    for body in part.into_inner().filter(|part| part.as_rule() == Rule::body) {
                        bodies.push(self.body(body)?);
                    }
                    kind = Some(StageKind::Branch(bodies));
                }
                _ => {}
            }
        }
        Some(Stage { label, kind: kind?, span })
    }

    fn repeat(&mut self, pair: Pair<'_, Rule>) -> Option<StageKind> {
        let (mut count, mut body) = (None, None);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::expression => count = Some(self.expression(part)?),
                Rule::body => body = Some(self.body(part)?),
                _ => {}
            }
        }
        Some(StageKind::Repeat(count?, body?))
    }

    fn call(&mut self, pair: Pair<'_, Rule>) -> Option<Call> {
        let span = self.span(&pair);
        let (mut name, mut arguments, mut has_parens) = (None, Vec::new(), false);
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::name => name = Some(self.ident(&part)),
                Rule::arguments => {
                    has_parens = true;
                    arguments = self.arguments(part)?;
                }
                _ => {}
            }
        }
        Some(Call { name: name?, arguments, has_parens, span })
    }

    fn arguments(&mut self, pair: Pair<'_, Rule>) -> Option<Vec<Argument>> {
        let mut arguments = Vec::new();
        for argument in pair.into_inner().filter(|part| part.as_rule() == Rule::argument) {
            let span = self.span(&argument);
            let (mut name, mut value) = (None, None);
            for part in argument.into_inner() {
                match part.as_rule() {
                    Rule::argument_name => name = Some(self.ident(&part.into_inner().next()?)),
                    _ => value = Some(self.expression(part)?),
                }
            }
            arguments.push(Argument { name, value: value?, span });
        }
        Some(arguments)
    }

    fn names(&self, pair: Pair<'_, Rule>) -> Vec<Ident> {
        pair.into_inner().filter(|part| part.as_rule() == Rule::name).map(|part| self.ident(&part)).collect()
    }

    fn ident(&self, pair: &Pair<'_, Rule>) -> Ident {
        Ident { name: pair.as_str().to_owned(), span: self.span(pair) }
    }

    // ---- Expressions ----

    fn expression(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let span = self.span(&pair);
        let n_parts = pair.clone().into_inner().count();
        if self.depth + n_parts > MAX_EXPRESSION_DEPTH {
            self.diagnostics.push(expression_too_deep(span));
            return Some(Expr { kind: ExprKind::Error, span });
        }
        self.depth += n_parts;
        let mut parts = Vec::with_capacity(n_parts);
        for part in pair.into_inner() {
            parts.push(self.part(part)?);
        }
        self.depth -= n_parts;
        expression::tree(parts, &mut self.diagnostics)
    }

    fn part(&mut self, pair: Pair<'_, Rule>) -> Option<Part> {
        let span = self.span(&pair);
        let rule = pair.as_rule();
        let inner = pair.into_inner().next()?;
        Some(match rule {
            Rule::prefix => Part::Prefix(unary_op(inner.as_rule())?, span),
            Rule::infix => Part::Infix(binary_op(inner.as_rule())?, span),
            _ => Part::Operand(self.operand(inner)?),
        })
    }

    fn operand(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let span = self.span(&pair);
        let kind = match pair.as_rule() {
            Rule::number => self.number(&pair),
            Rule::string => ExprKind::Text(self.string(&pair).value),
            Rule::boolean => ExprKind::Bool(pair.as_str() == "true"),
            Rule::list => return self.list(pair),
            Rule::group => {
                let inner = pair.into_inner().find(|part| part.as_rule() == Rule::expression)?;
                self.expression(inner)?.kind
            }
            Rule::conditional => return self.conditional(pair),
            Rule::call => {
                let call = self.call(pair)?;
                if call.has_parens { ExprKind::Call(call) } else { ExprKind::Name(call.name.name) }
            }
            _ => return None,
        };
        Some(Expr { kind, span })
    }

    fn list(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let span = self.span(&pair);
        let mut values = Vec::new();
        for part in pair.into_inner().filter(|part| part.as_rule() == Rule::expression) {
            values.push(self.expression(part)?);
        }
        Some(Expr { kind: ExprKind::List(values), span })
    }

    /// `if a { x } else if b { y } else { z }` is flat in the grammar and nests to the right in the tree.
    fn conditional(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let span = self.span(&pair);
        let (mut branches, mut otherwise) = (Vec::new(), None);
        let n_branches = pair.clone().into_inner().count();
        if self.depth + n_branches > MAX_EXPRESSION_DEPTH {
            self.diagnostics.push(expression_too_deep(span));
            return Some(Expr { kind: ExprKind::Error, span });
        }
        self.depth += n_branches;
        for part in pair.into_inner() {
            match part.as_rule() {
                Rule::if_branch => {
                    let start = self.span(&part);
                    let (mut condition, mut then) = (None, None);
                    for part in part.into_inner() {
                        match part.as_rule() {
                            Rule::expression => condition = Some(self.expression(part)?),
                            Rule::alternative => then = Some(self.alternative(part)?),
                            _ => {}
                        }
                    }
                    branches.push((start, condition?, then?));
                }
                Rule::alternative => otherwise = Some(self.alternative(part)?),
                _ => {}
            }
        }
        self.depth -= n_branches;
        let mut tree = otherwise?;
        for (start, condition, then) in branches.into_iter().rev() {
            let kind = ExprKind::If {
                condition: Box::new(condition),
                then: Box::new(then),
                otherwise: Box::new(tree),
            };
            tree = Expr { kind, span: Span { end: span.end, ..start } };
        }
        Some(tree)
    }

    fn alternative(&mut self, pair: Pair<'_, Rule>) -> Option<Expr> {
        let inner = pair.into_inner().find(|part| part.as_rule() == Rule::expression)?;
        self.expression(inner)
    }

    fn number(&mut self, pair: &Pair<'_, Rule>) -> ExprKind {
        let text = pair.as_str();
        match text.replace('_', "").parse::<f64>() {
            Ok(value) if value.is_finite() => ExprKind::Number { value, text: text.to_owned() },
            _ => {
                let span = self.span(pair);
                let label = format!("expected a number up to 1.79e308, found `{text}`");
                self.diagnostics.push(Diagnostic::new(Code::E0104, "number is too large", span, label));
                ExprKind::Error
            }
        }
    }

    fn string(&mut self, pair: &Pair<'_, Rule>) -> Text {
        let span = self.span(pair);
        let written = pair.as_str();
        let inner = written.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(written);
        let value = crate::escape::unescape(inner).unwrap_or_else(|escape| {
            let label = format!("expected the number of a character, found `{escape}`");
            self.diagnostics.push(Diagnostic::new(Code::E0101, "escape names no character", span, label));
            inner.to_owned()
        });
        Text { value, span }
    }

    // ---- Comments ----

    /// The doc lines between the token before `item` and its first token.
    fn docs(&mut self, item: Span) -> Docs {
        let start = item.start as usize;
        let n_before = self.scan.tokens.partition_point(|token| token.start < start);
        let from = n_before.checked_sub(1).and_then(|idx| self.scan.tokens.get(idx)).map_or(0, |token| token.end);
        let comments = &self.scan.comments;
        let range = comments.partition_point(|c| c.start < from)..comments.partition_point(|c| c.start < start);
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
    fn comments(&self) -> Vec<Comment> {
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

fn last(pair: Pair<'_, Rule>) -> Option<Pair<'_, Rule>> {
    pair.into_inner().last()
}

fn unary_op(rule: Rule) -> Option<UnaryOp> {
    Some(match rule {
        Rule::minus => UnaryOp::Neg,
        Rule::not => UnaryOp::Not,
        _ => return None,
    })
}

fn binary_op(rule: Rule) -> Option<BinaryOp> {
    Some(match rule {
        Rule::plus => BinaryOp::Add,
        Rule::minus => BinaryOp::Sub,
        Rule::times => BinaryOp::Mul,
        Rule::divide => BinaryOp::Div,
        Rule::power => BinaryOp::Pow,
        Rule::less => BinaryOp::Lt,
        Rule::at_most => BinaryOp::Le,
        Rule::greater => BinaryOp::Gt,
        Rule::at_least => BinaryOp::Ge,
        Rule::equal => BinaryOp::Eq,
        Rule::unequal => BinaryOp::Ne,
        Rule::and => BinaryOp::And,
        Rule::or => BinaryOp::Or,
        _ => return None,
    })
}

fn expression_too_deep(span: Span) -> Diagnostic {
    let label = format!("expected at most {MAX_EXPRESSION_DEPTH} operators and operands, one inside the other");
    Diagnostic::new(Code::E0103, "expression is nested too deeply", span, label)
        .with_help("split it: name its parts with `let`")
}

fn internal_error(span: Span) -> Diagnostic {
    Diagnostic::new(Code::E0503, "grammar and tree disagree", span, "this was read, but not understood")
        .with_note("this is a fault of nnc, please report it with this text")
}
