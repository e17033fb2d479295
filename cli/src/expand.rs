//! `nnc expand`: what a stage of the compiler makes of a model.

use nnc_compiler::{CompiledModel, to_rust};

use crate::arguments::{Source, Stage};
use crate::highlight::highlight;
use crate::output::{Output, is_colored, print};
use crate::source::{Failure, compiled};

/// Shows a stage, in colour on a terminal.
pub fn run(source: &Source, stage: Stage, output: &Output) -> Result<(), Failure> {
    let compilation = compiled(source, None, output)?;
    let text = match stage {
        Stage::Ast => format!("{:#?}\n", compilation.ast),
        _ => compilation.models.iter().map(|model| model_text(model, stage)).collect::<Vec<_>>().join("\n"),
    };
    let is_painted = is_colored(&std::io::stdout());
    print(&if is_painted { highlight(&text) } else { text });
    Ok(())
}

fn model_text(model: &CompiledModel, stage: Stage) -> String {
    let text = match stage {
        Stage::Ast => String::new(),
        Stage::Program => model.program.to_string(),
        Stage::Graph => model.graph.to_string(),
        // A model that is not trained has no gradients; what there is of it is shown.
        Stage::Gradients => {
            let graphs = &model.graphs;
            graphs.train.as_ref().or(graphs.evaluate.as_ref()).unwrap_or(&graphs.predict).to_string()
        }
        Stage::Plan => model.plan.to_string(),
        Stage::Rust => to_rust(&model.tokens),
    };
    if text.ends_with('\n') { text } else { format!("{text}\n") }
}
