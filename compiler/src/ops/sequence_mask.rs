//! # sequence_mask
//!
//! `sequence_mask(positions)`: which positions of a sequence lie before its end, for masks of other layers.
//!
//! Formula: y[t] = 1 where t < x, else 0
//!
//! Shapes: `[1]`, how many positions count, from the first on, to `[positions]`.
//!
//! Arguments: `positions`, from 1.
//!
//! Gradients: none flows through it.
//!
//! Example: `input length: [1]  let mask = length -> sequence_mask(20)`. Source: TensorFlow `tf.sequence_mask`.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::windows::comes_from;
use super::{Argument, ArgumentKind, Arguments, Layer};
use crate::graph::{Builder, NodeId};
use crate::scalar::{Relation, Scalar, Variable};

/// The layer.
#[derive(Debug)]
pub struct SequenceMask;

impl Layer for SequenceMask {
    fn name(&self) -> &'static str {
        "sequence_mask"
    }

    fn summary(&self) -> &'static str {
        "1 at the positions before the end of a sequence, else 0"
    }

    fn page(&self) -> &'static str {
        include_str!("sequence_mask.rs")
    }

    fn arguments(&self) -> &'static [Argument] {
        &[Argument {
            name: "positions",
            kind: ArgumentKind::Count,
            default: None,
            docs: "positions of the sequence, those behind its end with them",
        }]
    }

    fn apply(
        &self,
        cx: &mut Builder<'_>,
        arguments: &Arguments,
        inputs: &[NodeId],
    ) -> Result<NodeId, Box<Diagnostic>> {
        let [x] = inputs else {
            let found = format!("found {}", inputs.len());
            return Err(cx.error(Code::E0302, "`sequence_mask` takes one value", found));
        };
        if cx.shape(*x) != [1] {
            let label = format!("expected [1], found {:?}", cx.shape(*x));
            let mut error = cx.error(Code::E0303, "`sequence_mask` takes the length of a sequence", label);
            error.secondary.push(comes_from(cx, *x));
            error.help.push("one number a sample: `input length: [1]`".to_owned());
            return Err(error);
        }
        let (one, zero) = (Scalar::Number(1.0), Scalar::Number(0.0));
        let is_before =
            Scalar::select(Relation::Lt, Scalar::Variable(Variable::Index), Scalar::input(0), one, zero);
        Ok(cx.pointwise(is_before, vec![*x], vec![arguments.count("positions")]))
    }
}
