//! Graphs as text, for `nnc expand --stage graph` and `gradients`, and for snapshots.

use std::fmt;

use super::{Direction, Graph, Node, Op, Role};
use crate::program::Storage;
use crate::scalar::{Variable, formula};

impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "graph {} (batch {})", self.name, self.batch)?;
        for parameter in &self.parameters {
            let role = match parameter.role {
                Role::Trained => "parameter",
                Role::Frozen => "frozen",
                Role::Buffer => "buffer",
            };
            let storage = match parameter.storage {
                Storage::Full => "",
                Storage::Bf16 => " in bf16",
            };
            writeln!(
                f,
                "  {role} @{} {:?}{storage} = {}",
                parameter.name, parameter.shape, parameter.initializer.text
            )?;
        }
        let mut section = None;
        for id in self.ids() {
            let node = self.node(id);
            if section != Some((node.layer, node.direction)) {
                section = Some((node.layer, node.direction));
                let direction = match node.direction {
                    Direction::Forward => "forward",
                    Direction::Loss => "loss",
                    Direction::Recompute => "recompute",
                    Direction::Backward => "backward",
                };
                writeln!(f, "  // {direction}: {}", self.layer(node.layer).text)?;
            }
            let batch = if node.batched { "" } else { " (no batch)" };
            writeln!(f, "  {id} = {} : {:?}{batch}", self.operation(node), node.shape)?;
            if let Op::Operator(op) = &node.op
                && let Some(scan) = op.scan()
            {
                scan.print(f)?;
            }
        }
        writeln!(f, "  output {}", self.output)?;
        if let Some(loss) = &self.loss {
            writeln!(f, "  loss {}", loss.total)?;
        }
        for update in &self.updates {
            writeln!(f, "  update @{} by {}", self.parameter(update.parameter).name, update.gradient)?;
        }
        Ok(())
    }
}

impl Graph {
    /// What a node computes, in words: `dense %1, %2, %3`.
    pub(crate) fn operation(&self, node: &Node) -> String {
        let operands = || node.inputs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        match &node.op {
            Op::Input(n) if self.inputs.len() > 1 => {
                let name = self.inputs.get(*n as usize).map_or("", |input| &input.name);
                format!("input {name}")
            }
            Op::Input(_) => "input".to_owned(),
            Op::Target => "target".to_owned(),
            Op::SampleScale => "sample scale".to_owned(),
            Op::Carried(n) => format!("carried {n}"),
            Op::Parameter(id) => format!("@{}", self.parameter(*id).name),
            Op::Constant(name, values) => format!("{name} {values:?}"),
            Op::Pointwise(scalar) => formula(scalar, &|variable| match variable {
                Variable::Input(n) => {
                    node.inputs.get(n as usize).map_or_else(|| "?".to_owned(), ToString::to_string)
                }
                Variable::Index => "index".to_owned(),
                other => format!("{other:?}"),
            }),
            Op::Reduce(reduction) => format!("{reduction:?} {}", operands()).to_lowercase(),
            Op::Total => format!("total {}", operands()),
            Op::Reshape => format!("reshape {}", operands()),
            Op::Broadcast { inner, .. } => format!("{}, each for {inner} features", operands()),
            Op::Operand(n) => format!("operand {n}"),
            Op::Part(n) => format!("value {n} of {}", operands()),
            Op::Operator(op) => format!("{} {}", op.name(), operands()),
        }
    }
}
