//! The whole way from text to tokens.

use nnc_grammar::ast::Ast;
use nnc_grammar::diagnostic::{self, Code, Diagnostic};
use nnc_grammar::span::{FileId, SourceMap};
use proc_macro2::TokenStream;

use crate::allow::Allowed;
use crate::differentiate::differentiate;
use crate::emit::{ModelInfo, emit, is_taken, model_info};
use crate::graph::{Graph, verify};
use crate::infer::infer;
use crate::lints::lints;
use crate::load::{Loader, NoFiles, Uses, load};
use crate::plan::{Graphs, Plan, internal, most_unrolled, plan};
use crate::program::Program;
use crate::resolve::{Resolved, resolve, set};
use crate::simplify::{frozen, inference, recompute, simplify, stable_forms};
use crate::std_library::Library;

/// What the user sets from outside.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// `--set hidden=64`: by name, values as written: parameters of the model, `loss`, `optimizer`, hyper-parameters of
    /// the optimizer, and keys of `train`.
    pub set: Vec<(String, String)>,
    /// Which model of the file, when it holds several; all of them without it.
    pub model: Option<String>,
    /// Samples in a training batch, instead of what the file says.
    pub batch: Option<usize>,
    /// Whether it is for a program that is compiled, and not for the command: what only the command reads can then not be
    /// set.
    pub is_code: bool,
    /// Whether normalisation with running figures is kept apart from the layer before it in prediction.
    pub no_fold: bool,
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
    /// The files that it uses.
    pub uses: Uses,
    /// The models that could be compiled.
    pub models: Vec<CompiledModel>,
    /// Warnings that are not given.
    pub allowed: Allowed,
    /// Errors, warnings and notes, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
}

impl Compilation {
    /// Whether there is an error.
    pub fn has_errors(&self) -> bool {
        self.diagnostics.iter().any(Diagnostic::is_error)
    }
}

/// Compiles a text that uses no other file; `name` is shown in messages and emitted comments.
pub fn compile(name: &str, text: &str, options: &Options) -> Compilation {
    compile_with(name, text, options, &mut NoFiles)
}

/// Compiles a text; `loader` reads the files that it uses. Those are called in messages what their paths mean beside
/// `name`: `models/net.nn` uses `bent.nn`, which is `models/bent.nn`.
pub fn compile_with(name: &str, text: &str, options: &Options, loader: &mut dyn Loader) -> Compilation {
    let mut sources = SourceMap::new();
    let file = sources.add(name, text);
    let parsed = nnc_grammar::parse(&sources, file);
    let mut diagnostics = parsed.diagnostics;
    let library = Library::load(&mut sources);
    let (uses, faults) = load(&mut sources, file, &parsed.ast, loader);
    diagnostics.extend(faults);
    let has_syntax_errors = diagnostics.iter().any(|fault| fault.is_error() && fault.code.is_syntax());
    let (tree, faults) = set(&mut sources, &parsed.ast, &uses, &library, options);
    diagnostics.extend(faults);
    let Resolved { programs, incomplete, diagnostics: faults } =
        resolve(&sources, &tree, &uses, &library, options);
    diagnostics.extend(faults.into_iter().filter(|fault| {
        let is_consequence = has_syntax_errors && may_follow_from_syntax(fault, &sources, &uses)
            || !uses.is_complete && may_follow_from_a_missing_file(fault);
        !is_consequence
    }));
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
    let (allowed, faults) = Allowed::of(file, &parsed.ast, &uses);
    diagnostics.extend(faults);
    // What lints say of an imported model they say where it is a model of its own.
    let is_of_import = |fault: &Diagnostic| !fault.is_error() && uses.is_imported(fault.primary.span.file);
    diagnostics.retain(|diagnostic| !allowed.hides(diagnostic) && !is_of_import(diagnostic));
    diagnostic::sort(&mut diagnostics);
    Compilation { sources, file, ast: parsed.ast, uses, models, allowed, diagnostics }
}

/// Whether something may only be missing because its text could not be read, which was reported there.
fn may_follow_from_syntax(fault: &Diagnostic, sources: &SourceMap, uses: &Uses) -> bool {
    match fault.code {
        Code::E0210 | Code::E0219 | Code::E0221 | Code::E0401 | Code::E0402 | Code::W0102 => true,
        // Resolving stays silent about what the tree holds as wrong, and then wonders what it lacks.
        Code::E0503 => true,
        // A key of the section `data`; an argument stands or falls with its call.
        Code::E0203 => sources.text(fault.primary.span) == "data",
        // A model without a chain, an optimizer without an assignment.
        Code::E0217 => fault.primary.text.ends_with("found none"),
        // A name whose definition is at fault.
        _ if is_about_a_name(fault.code) => {
            let place = fault.primary.span;
            let name = sources.text(place);
            let visible = sources.files().filter(|(file, _)| uses.sees(place.file, *file));
            visible.into_iter().any(|(file, source)| {
                let is_itself = |at: usize| file == place.file && at == place.start as usize;
                is_introduced(&source.text, name, is_itself)
            })
        }
        _ => false,
    }
}

/// Whether something may only be missing because a file that is used could not be read, which was reported there.
fn may_follow_from_a_missing_file(fault: &Diagnostic) -> bool {
    is_about_a_name(fault.code) || matches!(fault.code, Code::W0102 | Code::E0503)
}

/// Whether a fault says that a name has no definition.
fn is_about_a_name(code: Code) -> bool {
    matches!(code, Code::E0201 | Code::E0207 | Code::E0211 | Code::E0212 | Code::E0213)
}

/// Whether a text that could not be read gives a meaning to a name, as far as its words tell. `is_itself` says whether
/// the name that has no meaning stands at a place of the text.
fn is_introduced(text: &str, name: &str, is_itself: impl Fn(usize) -> bool) -> bool {
    const BEFORE_NAMES: &[&str] = &[
        "activation",
        "block",
        "cell",
        "import",
        "init",
        "input",
        "let",
        "loss",
        "optimizer",
        "schedule",
        "state",
    ];
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    if name.is_empty() {
        return false;
    }
    text.match_indices(name).filter(|(at, _)| !is_itself(*at)).any(|(at, _)| {
        let (before, after) =
            (text.get(..at).unwrap_or_default(), text.get(at + name.len()..).unwrap_or_default());
        let is_whole = !before.ends_with(is_part) && !after.starts_with(is_part);
        let word = before.trim_end().rsplit(|c: char| !is_part(c)).next().unwrap_or_default();
        is_whole && BEFORE_NAMES.contains(&word)
    })
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
    let mut graph = checked(infer(&program, sources, batch)?)?;
    graph.no_fold = options.no_fold;
    graph.most_unrolled = most_unrolled(&graph);
    let graphs = graphs(&graph, notes)?;
    notes.extend(lints(&program, &graph));
    let plan = plan(&graphs).map_err(|fault| vec![*fault])?;
    if is_taken(&program.name, &plan) {
        let message = format!("a model cannot be called `{}`", program.name);
        let text = "a word of Rust, or an item of the emitted code, is called so";
        let fault =
            Diagnostic::new(Code::E0206, message, program.name_span, text).with_help("give it another name");
        return Err(vec![fault]);
    }
    let info = model_info(&program, &graph, sources, file);
    let tokens = emit(&program, &plan, &info, sources);
    Ok(CompiledModel { program, graph, graphs, plan, info, tokens })
}

/// The graphs of prediction, evaluation and training.
fn graphs(graph: &Graph, notes: &mut Vec<Diagnostic>) -> Result<Graphs, Vec<Diagnostic>> {
    let forward = checked(simplify(inference(crate::simplify::without_loss(graph))))?;
    if graph.loss.is_none() {
        return Ok(Graphs { predict: forward, evaluate: None, train: None });
    }
    let (stable, fused) = stable_forms(graph.clone());
    notes.extend(fused);
    let stable = checked(stable)?;
    let evaluate = checked(simplify(inference(stable.clone())))?;
    let train = if graph.optimizer.is_some() {
        let differentiated = checked(differentiate(frozen(stable))?)?;
        Some(checked(recompute(checked(simplify(differentiated))?))?)
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

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(text: &str) -> Vec<Code> {
        compile("test.nn", text, &Options::default()).diagnostics.iter().map(|fault| fault.code).collect()
    }

    #[test]
    fn what_is_missing_by_a_fault_of_syntax_is_not_told_again() {
        assert_eq!(codes("model M {\n    inptu [4]\n    dense(3)\n}"), [Code::E0101]);
        assert_eq!(codes("activation bent(x) = x +\n\nmodel M {\n    input [4]\n    bent\n}"), [Code::E0101]);
        assert_eq!(
            codes("data {\n    csv = \"a.csv\"\n}\n\nmodel M {\n    input [4]\n    relu\n}"),
            [Code::E0101]
        );
    }

    #[test]
    fn other_faults_are_told_beside_those_of_syntax() {
        let text = "model M {\n    input [4]\n    dense(3 -> relu\n    rleu\n    loss crossentropy\n}";
        assert_eq!(codes(text), [Code::E0105, Code::E0201, Code::E0211]);
    }

    #[test]
    fn classes_and_tokens_can_be_told_apart() {
        let loss = "loss cross_entropy optimizer sgd";
        assert_eq!(codes(&format!("model M {{ input [2] dense(20000000) {loss} }}")), [Code::E0502]);
        assert_eq!(codes("model M { input [2] embedding(20000000, 2) }"), [Code::E0502]);
        assert_eq!(codes("model M { input [2] embedding(16777216, 2) }"), []);
    }

    /// Weights keep their meaning while what they are trained with changes, and how they are computed with.
    #[test]
    fn the_hash_is_of_what_a_prediction_makes_of_the_weights() {
        let hash = |layers: &str, rest: &str| {
            let text = format!("model M {{ input [6, 8] {layers} flatten head: dense(3) {rest} }}");
            let compilation = compile("m.nn", &text, &Options::default());
            assert!(!compilation.has_errors(), "{text}: {:#?}", compilation.diagnostics);
            compilation.models[0].info.spec_hash.clone()
        };
        let loss = "loss cross_entropy optimizer sgd(lr = 0.1)";
        for (layers, same, others) in [
            (
                "dense(8) -> relu",
                &[
                    "dense(8, unroll = none) -> relu",
                    "dense(8, init = normal) -> relu",
                    "dense(8) -> relu -> dropout(0.2)",
                    "gaussian_noise(0.1) -> dense(8) -> spatial_dropout(0.5) -> relu",
                ][..],
                &["dense(8) -> tanh", "dense(8)", "dense(8) -> relu -> layer_norm(affine = false)"][..],
            ),
            (
                "attention(2)",
                &["attention(2, dropout = 0.1)"],
                &["attention(4)", "attention(2, causal = true)"],
            ),
            ("batch_norm", &["batch_norm(momentum = 0.5)"], &["batch_norm(eps = 0.1)"]),
            ("gru(4)", &[], &["gru(4, reverse = true)"]),
            (
                "residual { dense(8) -> tanh }",
                &["residual { dense(8) -> tanh -> dropout(0.5) }"],
                &["dense(8) -> tanh"],
            ),
        ] {
            let expected = hash(layers, "");
            assert_eq!(hash(layers, loss), expected, "{layers}");
            for same in same {
                assert_eq!(
                    (hash(same, ""), hash(same, loss)),
                    (expected.clone(), expected.clone()),
                    "{same}"
                );
            }
            for other in others {
                assert_ne!(hash(other, loss), expected, "{other}");
            }
        }
    }
}
