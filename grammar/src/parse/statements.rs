//! Statements and chains: pairs of the grammar to what stands in bodies.

use pest::iterators::Pair;

use super::{
    items::{Builder, last},
    rules::Rule,
};
use crate::ast::{
    Argument, Assignment, Body, Call, Chain, Input, Let, Metrics, Output, Pattern, Stage, StageKind, State,
    Statement,
};

impl Builder<'_> {
    pub(super) fn body(&mut self, pair: Pair<'_, Rule>) -> Option<Body> {
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
            Rule::output_statement => {
                let span = self.span(&pair);
                let names = self.names(pair);
                Statement::Output(Output { names, span })
            }
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

    pub(super) fn assignment(&mut self, pair: Pair<'_, Rule>) -> Option<Assignment> {
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

    pub(super) fn states(&mut self, pair: Pair<'_, Rule>) -> Option<Vec<State>> {
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
                Rule::recompute => kind = Some(StageKind::Recompute(self.body(last(part)?)?)),
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

    pub(super) fn call(&mut self, pair: Pair<'_, Rule>) -> Option<Call> {
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
            let (mut name, mut value, mut scope) = (None, None, None);
            for part in argument.into_inner() {
                match part.as_rule() {
                    Rule::argument_scope => scope = self.pattern(part),
                    Rule::argument_name => name = Some(self.ident(&part.into_inner().next()?)),
                    _ => value = Some(self.expression(part)?),
                }
            }
            arguments.push(Argument { name, value: value?, scope, span });
        }
        Some(arguments)
    }

    /// `for *.bias`
    fn pattern(&mut self, pair: Pair<'_, Rule>) -> Option<Pattern> {
        let pattern = pair.into_inner().find(|part| part.as_rule() == Rule::pattern)?;
        let span = self.span(&pattern);
        let segments = pattern.into_inner().filter(|part| part.as_rule() == Rule::segment);
        Some(Pattern { segments: segments.map(|part| part.as_str().to_owned()).collect(), span })
    }
}
