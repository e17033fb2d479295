//! The sum over samples: the gradient of a value that was the same for all of them.
//!
//! Products and sums over samples want lanes over features. [`SampleRows`] turns a gradient round once, and both the
//! weight's and the bias's gradient use it. Of `[positions, features]` each position of each sample is a row, and the
//! sum is over them all; `simplify::far` gives the gradient of many positions as it lies.

use quote::quote;

use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Graph, Node, NodeId, Operator, ValueLayout};
use crate::plan::{Along, LANES, Strategy, StrategyKind};

/// d_b = sum over samples of d_y.
#[derive(Debug)]
pub struct BatchSum;

impl Operator for BatchSum {
    fn name(&self) -> &'static str {
        "batch_sum"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn layout(&self) -> ValueLayout {
        ValueLayout::Parameter
    }

    fn can_turn(&self) -> bool {
        true
    }

    fn adds_up(&self) -> bool {
        true
    }

    fn along(&self, _: &Graph, node: &Node) -> Option<Along> {
        Some(Along::Panels(node.len().div_ceil(LANES)))
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        node.len() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        format!("sum over samples of {}", names.first().map_or("d_y", String::as_str))
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> proc_macro2::TokenStream {
        let (samples, batch) = (cx.samples(), cx.batch());
        let rows = cx.operand(0);
        let finish = cx.closure(&["p"]);
        if cx.graph.turns_operand(cx.node) {
            let (all, features) = (cx.number(cx.operand_len(0)), cx.number(cx.node.len()));
            let all_panels = cx.node.len().div_ceil(LANES);
            let panels = cx.which_panels(all_panels);
            if cx.strategy.kind == StrategyKind::Beside {
                let (sums, finish) = (cx.sums(), cx.finish(&[quote!(p)]));
                let count = cx.count_of_panels(all_panels);
                return quote! {
                    for p in 0..#count {
                        let z = L::load(&#sums[p]);
                        #finish
                    }
                };
            }
            return quote!(rt::dense::far_bias_gradient::<L, #all, #features>(#rows, #panels, #finish););
        }
        quote!(rt::dense::bias_gradient::<L, #samples, #batch>(#rows, #finish);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> proc_macro2::TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        // The node has the number of features.
        super::reference::batch_sum(operands, 1)
    }

    #[cfg(feature = "reference")]
    fn reference_of(
        &self,
        operands: &[&ndarray::ArrayD<f64>],
        shape: &[usize],
        _: bool,
    ) -> ndarray::ArrayD<f64> {
        super::reference::batch_sum(operands, shape.iter().product())
    }
}

/// The same values with lanes over features: one row a sample.
#[derive(Debug)]
pub struct SampleRows;

impl Operator for SampleRows {
    fn name(&self) -> &'static str {
        "sample_rows"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn layout(&self) -> ValueLayout {
        ValueLayout::SampleRows
    }

    fn along(&self, _: &Graph, node: &Node) -> Option<Along> {
        Some(Along::Panels(node.row().div_ceil(LANES)))
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        0
    }

    fn formula(&self, names: &[String]) -> String {
        format!("{}, lanes over features", names.first().map_or("d_y", String::as_str))
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> proc_macro2::TokenStream {
        let (features, all) = (cx.node.row(), cx.node.len());
        let samples = cx.samples();
        let (d_y, first, rows) = (cx.operand(0), cx.first_panel(), cx.output());
        if all > features {
            let rows_of_all = cx.rows_of(all / features);
            let (features, all) = (cx.number(features), cx.number(all));
            return quote! {
                rt::dense::transpose_gradient_positions::<L, #all, #features, #rows_of_all>(
                    #d_y, #first, #rows
                );
            };
        }
        let features = cx.number(features);
        quote!(rt::dense::transpose_gradient::<L, #features, #samples>(#d_y, #first, #rows);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> proc_macro2::TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        operands.first().map_or_else(|| ndarray::ArrayD::zeros(vec![0]), |x| (*x).clone())
    }
}
