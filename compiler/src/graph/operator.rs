//! What an operator is to every stage: layout in memory, gradient, plan, code and meaning.

use std::sync::Arc;

use super::{Draw, Graph, Node, NodeId};

/// A structural operator: something that is not one scalar function an element.
///
/// Two operators are equal when their `Debug` texts are.
pub trait Operator: std::fmt::Debug + Send + Sync {
    /// Its name in dumps: `dense`.
    fn name(&self) -> &'static str;

    /// What weights that are trained with it mean: all that changes its value, and nothing of how that is computed.
    fn meaning(&self) -> String {
        format!("{self:?}")
    }

    /// The gradients with respect to the operands for which `cx.needs(n)`, as pairs of operand number and node.
    fn gradient(&self, cx: &mut crate::differentiate::Gradient<'_>) -> Vec<(usize, NodeId)>;

    /// The same computation in simpler nodes, if the operator is only a name for that.
    fn lower(&self, _cx: &mut crate::simplify::Lowering<'_>) -> Option<NodeId> {
        None
    }

    /// What it is in prediction and evaluation, in simpler nodes or an operand, where that is something else than while
    /// training.
    fn inference(&self, _cx: &mut crate::simplify::Lowering<'_>) -> Option<NodeId> {
        None
    }

    /// Which random numbers its value is made of, if it is made of nothing else.
    fn draw(&self) -> Option<Draw> {
        None
    }

    /// What its value is called behind the layer's name, if it is not the layer's own: `mean`.
    fn part(&self) -> Option<&str> {
        None
    }

    /// The step that it repeats, if it does nothing else.
    fn scan(&self) -> Option<&crate::ops::scan::Scan> {
        None
    }

    /// A constant that its code reads, [`crate::emit::KernelCx::constant`]: its name behind the layer's, type and value.
    /// Operators of one layer that call a constant the same mean the same.
    fn constant(&self) -> Option<(&'static str, proc_macro2::TokenStream, proc_macro2::TokenStream)> {
        None
    }

    /// Neighbouring features that share a number of the operand, and how many numbers it has, if the value is nothing but
    /// the operand spread out: it can be read where it is used ([`Op::Broadcast`](super::Op::Broadcast)).
    fn spreads(&self) -> Option<(usize, usize)> {
        None
    }

    /// How its value lies in memory.
    fn layout(&self) -> ValueLayout {
        ValueLayout::BatchLane
    }

    /// If its value is its operand in some places of an axis and 0 in all others: the axis, the first of these places and
    /// the one behind the last.
    fn places(&self) -> Option<(usize, std::ops::Range<usize>)> {
        None
    }

    /// Whether it takes its last operand both turned round, as [`ValueLayout::SampleRows`], and as it was computed.
    fn can_turn(&self) -> bool {
        false
    }

    /// Whether its code takes groups of samples that lie apart, as `[&[Row; F]; G]`: positions of several sequences.
    fn takes_groups_apart(&self, _node: &Node) -> bool {
        false
    }

    /// Whether its value is the sum of its operand over samples and their positions, which what looks at all of that
    /// anyway may make as well.
    fn adds_up(&self) -> bool {
        false
    }

    /// Whether its code can make the sum of its last operand as well, where it takes that as it was computed.
    fn can_add_up(&self) -> bool {
        false
    }

    /// Whether its value is the largest of each two times two places of its operand, which may be computed on the way.
    fn halves(&self) -> bool {
        false
    }

    /// Whether it can be computed together with what [halves](Operator::halves) its value.
    fn can_be_halved(&self, _graph: &Graph, _node: &Node) -> bool {
        false
    }

    /// What its work for a batch can be divided along; nothing changes with how many parts there are.
    fn along(&self, _graph: &Graph, node: &Node) -> Option<crate::plan::Along> {
        crate::plan::along_groups(node, self.layout())
    }

    /// What its work for one sample can be divided along, if it can: rows of its value.
    fn along_one(&self, _node: &Node) -> Option<crate::plan::Along> {
        None
    }

    /// What is done to its first operand beforehand, where that takes much memory: for one sample it is a value of its own.
    fn apart(&self) -> Option<Before> {
        None
    }

    /// The operator for one of so many positions, where each position of its value is made of the same one of its operands.
    /// Only asked of operators whose value is `[positions, features]`.
    fn at_position(&self, _positions: usize) -> Option<Arc<dyn Operator>> {
        None
    }

    /// Whether its value, which has a batch, is for one sample made of other samples too.
    fn mixes_samples(&self) -> bool {
        false
    }

    /// Floating-point operations a sample.
    fn flops(&self, graph: &Graph, node: &Node) -> u64;

    /// What it computes, for comments; `names` are those of its operands.
    fn formula(&self, names: &[String]) -> String;

    /// How it should be computed, and why.
    fn strategy(&self, graph: &Graph, node: &Node) -> crate::plan::Strategy;

    /// Products of its code if that may be written out.
    fn products_unrolled(&self, _: &Node) -> Option<usize> {
        None
    }

    /// The code that computes it for a batch.
    fn emit(&self, cx: &crate::emit::KernelCx<'_>) -> proc_macro2::TokenStream;

    /// The code that computes it for one sample, lanes over features.
    fn emit_single(&self, cx: &crate::emit::KernelCx<'_>) -> proc_macro2::TokenStream;

    /// What it means, in f64. Batched operands have the samples as their first axis.
    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64>;

    /// The same for an operator that must know the shape of its value, samples first, or whether its first operand has a
    /// batch.
    #[cfg(feature = "reference")]
    fn reference_of(
        &self,
        operands: &[&ndarray::ArrayD<f64>],
        _shape: &[usize],
        _is_batched: bool,
    ) -> ndarray::ArrayD<f64> {
        self.reference(operands)
    }
}

/// An operator in two, [`Operator::apart`].
#[derive(Debug)]
pub struct Before {
    /// What is done to the first operand.
    pub operand: Arc<dyn Operator>,
    /// The shape of that.
    pub shape: Vec<usize>,
    /// What is done with it, and with the other operands.
    pub rest: Arc<dyn Operator>,
}

/// How a value lies in memory during a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ValueLayout {
    /// `[groups][features]` rows over 16 samples.
    BatchLane,
    /// `[features / 16][samples]` rows over 16 features.
    SampleRows,
    /// As the parameter of the same shape.
    Parameter,
    /// `[features]` rows, the number of each feature in all lanes: the same for all samples.
    Splat,
    /// `[values / 16]` rows of the values one after the other: the same for all samples.
    Table,
}
