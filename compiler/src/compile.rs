//! The whole way from text to tokens.

use nnc_grammar::ast::Ast;
use nnc_grammar::diagnostic::{self, Code, Diagnostic};
use nnc_grammar::span::{FileId, SourceMap};
use proc_macro2::TokenStream;

use crate::differentiate::differentiate;
use crate::emit::{ModelInfo, emit, model_info};
use crate::graph::{Graph, verify};
use crate::infer::infer;
use crate::plan::{Graphs, Plan, internal, plan};
use crate::program::Program;
use crate::resolve::{Resolved, resolve};
use crate::simplify::{simplify, stable_forms};
use crate::std_library::Library;

/// What the user sets from outside.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--set hidden=64`: model parameters by name, values as written.
    pub set: Vec<(String, String)>,
    /// Which model of the file, when it holds several; all of them without it.
    pub model: Option<String>,
    /// Samples in a training batch, instead of what the file says.
    pub batch: Option<usize>,
}

/// One model, through all stages.
#[derive(Debug, Clone)]
pub struct CompiledModel {
    /// Resolved.
    pub program: Program,
    /// Inferred: forward and loss, as written.
    pub graph: Graph,
    /// The graphs that the plan is made from: simplified, and for training differentiated.
    pub graphs: Graphs,
    /// Functions and memory.
    pub plan: Plan,
    /// What the model says about itself.
    pub info: ModelInfo,
    /// Emitted: one module's worth of items.
    pub tokens: TokenStream,
}

/// What a text was compiled to.
#[derive(Debug, Clone, Default)]
pub struct Compilation {
    /// All texts that were read, the user's first.
    pub sources: SourceMap,
    /// The user's file.
    pub file: FileId,
    /// Its syntax tree.
    pub ast: Ast,
    /// The models that could be compiled.
    pub models: Vec<CompiledModel>,
    /// Errors, warnings and notes, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
}

impl Compilation {
    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Compiles a text; `name` is shown in messages and emitted comments.
pub fn compile(name: &str, text: &str, options: &Options) -> Compilation {
    let mut sources = SourceMap::new();
    let file = sources.add(name, text);
    let parsed = nnc_grammar::parse(&sources, file);
    let mut diagnostics = parsed.diagnostics;
    let library = Library::load(&mut sources);
    let has_syntax_errors = diagnostics.iter().any(Diagnostic::is_error);
    let Resolved { programs, incomplete, diagnostics: faults } = resolve(&sources, &parsed.ast, &library, options);
    diagnostics.extend(faults.into_iter().filter(|fault| !has_syntax_errors || !may_follow_from_syntax(fault, &sources)));
    for program in incomplete {
        let batch = options.batch.unwrap_or(program.train.batch);
        if let Err(faults) = infer(&program, &sources, batch) {
            diagnostics.extend(faults);
        }
    }
    let mut models = Vec::new();
    for program in programs {
        match stages(program, &sources, name, options, &mut diagnostics) {
            Ok(model) => models.push(model),
            Err(faults) => diagnostics.extend(faults),
        }
    }
    diagnostic::sort(&mut diagnostics);
    Compilation { sources, file, ast: parsed.ast, models, diagnostics }
}

/// Whether something may only be missing because its text could not be read, which was reported there.
fn may_follow_from_syntax(fault: &Diagnostic, sources: &SourceMap) -> bool {
    match fault.code {
        Code::E0210 | Code::E0219 | Code::E0221 | Code::E0401 | Code::E0402 | Code::W0102 => true,
        // A key of the section `data`; an argument stands or falls with its call.
        Code::E0203 => sources.text(fault.primary.span) == "data",
        // A model without a chain, an optimizer without an assignment.
        Code::E0217 => fault.primary.text.ends_with("found none"),
        _ => false,
    }
}

/// The stages after `resolve`.
fn stages(
    program: Program,
    sources: &SourceMap,
    file: &str,
    options: &Options,
    notes: &mut Vec<Diagnostic>,
) -> Result<CompiledModel, Vec<Diagnostic>> {
    let batch = options.batch.unwrap_or(program.train.batch);
    let graph = checked(infer(&program, sources, batch)?)?;
    let graphs = graphs(&graph, notes)?;
    let input = program.inputs.first().map_or("input", |input| input.name.as_str());
    let plan = plan(&graphs, input).map_err(|fault| vec![fault])?;
    let info = model_info(&graph, sources, file);
    let tokens = emit(&program, &plan, &info, sources);
    Ok(CompiledModel { program, graph, graphs, plan, info, tokens })
}

/// The graphs of prediction, evaluation and training.
fn graphs(graph: &Graph, notes: &mut Vec<Diagnostic>) -> Result<Graphs, Vec<Diagnostic>> {
    let forward = checked(simplify(crate::simplify::without_loss(graph)))?;
    if graph.loss.is_none() {
        return Ok(Graphs { predict: forward, evaluate: None, train: None });
    }
    let (stable, fused) = stable_forms(graph.clone());
    notes.extend(fused);
    let stable = checked(stable)?;
    let evaluate = checked(simplify(stable.clone()))?;
    let train = if graph.optimizer.is_some() {
        let differentiated = checked(differentiate(stable)?)?;
        Some(checked(simplify(differentiated))?)
    } else {
        None
    };
    Ok(Graphs { predict: forward, evaluate: Some(evaluate), train })
}

/// A graph that holds its invariants.
fn checked(graph: Graph) -> Result<Graph, Vec<Diagnostic>> {
    match verify(&graph) {
        Ok(()) => Ok(graph),
        Err(fault) => Err(vec![internal(&graph, &fault)]),
    }
}
