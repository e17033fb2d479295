//! Positions as angles: what attention turns queries and keys by.

use proc_macro2::TokenStream;
use quote::quote;

#[cfg(feature = "reference")]
use super::positional::frequencies;
use super::positional::frequency_tokens;
use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Graph, Node, NodeId, Operator};
use crate::plan::Strategy;

/// Turns pairs of features by an angle that grows with the position. Operand: x; or d_y, turned back.
#[derive(Debug)]
pub(super) struct Rotary {
    pub(super) row: usize,
    pub(super) len: usize,
    pub(super) head: usize,
    pub(super) is_back: bool,
}

impl Rotary {
    fn turn(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (row, len, head) = (cx.number(self.row), cx.number(self.len), cx.number(self.head));
        let is_back = self.is_back;
        quote!(rt::embedding::Turn { row: #row, len: #len, head: #head, is_back: #is_back })
    }
}

impl Operator for Rotary {
    fn name(&self) -> &'static str {
        "rotary"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        if !cx.needs(0) {
            return Vec::new();
        }
        let shape = cx.graph.node(cx.id).shape.clone();
        vec![(0, cx.operator(Self { is_back: !self.is_back, ..*self }, vec![cx.d_y], shape, true))]
    }

    fn part(&self) -> Option<&'static str> {
        Some("turned")
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        (3 * node.len() / self.row.max(1) * self.len) as u64
    }

    fn formula(&self, names: &[String]) -> String {
        let back = if self.is_back { "back " } else { "" };
        format!(
            "{} turned {back}by t / 10000^(2 i / {})",
            names.first().map_or("x", String::as_str),
            self.head
        )
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (x, features) = (cx.operand(0), cx.number(cx.node.len()));
        let (turn, finish) = (self.turn(cx), cx.closure(&["g", "o"]));
        let frequencies = frequency_tokens(self.head);
        quote!(rt::embedding::rotate::<L, #features>(#x, #turn, #frequencies, #finish);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (x, len, panels) = (cx.operand(0), cx.number(cx.node.len()), cx.panels(cx.node.len()));
        let (turn, frequencies) = (self.turn(cx), frequency_tokens(self.head));
        cx.room("turned")
            .made(cx, |y| quote!(rt::embedding::rotate_one::<L, #panels>(#x, #len, #turn, #frequencies, #y);))
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        // Positions are known to the node alone, which takes what it needs.
        operands.first().map_or_else(|| ndarray::ArrayD::zeros(vec![0]), |x| (*x).clone())
    }

    #[cfg(feature = "reference")]
    fn reference_of(
        &self,
        operands: &[&ndarray::ArrayD<f64>],
        shape: &[usize],
        _: bool,
    ) -> ndarray::ArrayD<f64> {
        let Some(x) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        let positions = shape.get(1).copied().unwrap_or(1).max(1);
        let mut y = super::reference::rows(x, self.row);
        let half = self.head / 2;
        for (n, mut row) in y.rows_mut().into_iter().enumerate() {
            let before = row.to_vec();
            let at = |f: usize| before.get(f).copied().unwrap_or(f64::NAN);
            for (f, value) in row.iter_mut().enumerate().take(self.len) {
                let (i, is_low) = (f % self.head % half, f % self.head < half);
                let frequency = frequencies(self.head).nth(i).unwrap_or(f64::NAN);
                let angle = (n % positions) as f64 * frequency * if self.is_back { -1.0 } else { 1.0 };
                let other = if is_low { -at(f + half) } else { at(f.saturating_sub(half)) };
                *value = at(f) * angle.cos() + other * angle.sin();
            }
        }
        y.into_dyn()
    }
}
