//! Plans as text, for `nnc expand --stage plan`.

use std::fmt;

use crate::graph::{Graph, NodeId};

use super::strategy::thousands;
use super::{Pass, Plan, Step};

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(train) = &self.train {
            writeln!(f, "train: {} groups of 16 samples", self.groups)?;
            pass(f, train, self.groups)?;
        }
        if let Some(evaluate) = &self.evaluate {
            writeln!(f, "evaluate: {} groups of 16 samples", self.groups)?;
            pass(f, evaluate, self.groups)?;
        }
        writeln!(f, "predict: {} groups of 16 samples", self.predict_groups)?;
        pass(f, &self.predict, self.predict_groups)
    }
}

fn pass(f: &mut fmt::Formatter<'_>, pass: &Pass, groups: usize) -> fmt::Result {
    let name = |id: NodeId| pass.value(id).map_or_else(|| id.to_string(), |value| value.name.clone());
    let names = |ids: &[NodeId]| ids.iter().map(|id| name(*id)).collect::<Vec<_>>().join(", ");
    for function in &pass.functions {
        writeln!(f, "  {}({}) -> {}", function.name, names(&function.reads), names(&function.writes))?;
        for step in &function.steps {
            match step {
                Step::Kernel { node, epilogue, update, strategy, body, .. } => {
                    write!(f, "    {}", kernel_name(&pass.graph, *node))?;
                    if !epilogue.is_empty() {
                        write!(f, " then {}", ids(epilogue))?;
                    }
                    if let Some(parameter) = update {
                        write!(f, ", updates {}", pass.graph.parameter(*parameter).name)?;
                    }
                    writeln!(f, " ({strategy})")?;
                    for step in body.iter().flat_map(|body| &body.functions).flat_map(|step| &step.steps) {
                        match step {
                            Step::Kernel { strategy, .. } => writeln!(f, "      step: {strategy}")?,
                            Step::Rows { nodes } => writeln!(f, "      step: rows {}", ids(nodes))?,
                        }
                    }
                }
                Step::Rows { nodes } => writeln!(f, "    rows {}", ids(nodes))?,
            }
        }
    }
    for (n, slot) in pass.slots.iter().enumerate() {
        let bytes = thousands(slot.bytes(groups, 4));
        writeln!(f, "  ${n} {} values x samples, {bytes} bytes: {}", slot.len, slot.values.join(", "))?;
    }
    Ok(())
}

fn ids(nodes: &[NodeId]) -> String {
    nodes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

fn kernel_name(graph: &Graph, node: NodeId) -> String {
    match &graph.node(node).op {
        crate::graph::Op::Operator(op) => format!("{node} {}", op.name()),
        _ => node.to_string(),
    }
}
