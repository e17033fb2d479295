//! What a pool makes of the numbers in its windows: the largest, or the mean; with gradients.

use proc_macro2::TokenStream;
use quote::quote;

use super::windows::{Axis, Windows};
use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Graph, Node, NodeId, Operator};
use crate::plan::{Strategy, StrategyKind};

/// Adds the largest number of every window.
pub fn max(cx: &mut Builder<'_>, x: NodeId, windows: Windows, shape: Vec<usize>) -> NodeId {
    cx.operator(MaxPool { windows }, vec![x], shape)
}

/// Adds the mean of every window. Where padding counts, the sum is divided by the places of the whole window.
pub fn mean(
    cx: &mut Builder<'_>,
    x: NodeId,
    windows: Windows,
    counts_padding: bool,
    shape: Vec<usize>,
) -> NodeId {
    let is_padded = windows.height.is_padded() || windows.width.is_padded();
    let count = windows.len().filter(|_| counts_padding || !is_padded);
    cx.operator(AvgPool { windows, count }, vec![x], shape)
}

// ---- Largest -------------------------------------------------------------------------------------------------------

/// The largest number of every window.
#[derive(Debug)]
struct MaxPool {
    windows: Windows,
}

/// Its gradient, where windows share no place. Operands: x, y, d_y.
#[derive(Debug)]
struct MaxPoolGradient {
    windows: Windows,
}

/// Which place of every window holds its largest number.
#[derive(Debug)]
struct MaxPlace {
    windows: Windows,
}

/// The gradient of [`MaxPool`], whatever windows share. Operands: the places, d_y.
#[derive(Debug)]
struct MaxPoolGradientAt {
    windows: Windows,
}

fn one_pass(windows: Windows) -> Strategy {
    Strategy::new(StrategyKind::Loop, format!("one pass over {}", windows.text()))
}

fn name_of(names: &[String], n: usize) -> &str {
    names.get(n).map_or("x", String::as_str)
}

fn operand_len(graph: &Graph, node: &Node, n: usize) -> u64 {
    node.inputs.get(n).map_or(0, |id| graph.node(*id).len() as u64)
}

/// The first of the largest numbers of a window.
#[cfg(feature = "reference")]
fn first_largest(x: ndarray::ArrayView1<'_, f64>, window: &[usize]) -> Option<(usize, f64)> {
    let mut largest: Option<(usize, f64)> = None;
    for (place, feature) in window.iter().enumerate() {
        let value = x.get(*feature).copied().unwrap_or(f64::NAN);
        if largest.is_none_or(|(_, largest)| value > largest || value.is_nan()) {
            largest = Some((place, value));
        }
    }
    largest
}

impl Operator for MaxPool {
    fn name(&self) -> &'static str {
        "max_pool"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        if !cx.needs(0) {
            return Vec::new();
        }
        let (x, windows) = (cx.operand(0), self.windows);
        let shape = cx.graph.node(x).shape.clone();
        let d_x = if windows.is_apart() {
            cx.operator(MaxPoolGradient { windows }, vec![x, cx.id, cx.d_y], shape, true)
        } else {
            let of_windows = cx.graph.node(cx.id).shape.clone();
            let place = cx.operator(MaxPlace { windows }, vec![x], of_windows, true);
            cx.operator(MaxPoolGradientAt { windows }, vec![place, cx.d_y], shape, true)
        };
        vec![(0, d_x)]
    }

    fn flops(&self, graph: &Graph, node: &Node) -> u64 {
        match self.windows.len() {
            Some(len) => (len * node.len()) as u64,
            None => operand_len(graph, node, 0),
        }
    }

    fn formula(&self, names: &[String]) -> String {
        format!("max of {}: {}", name_of(names, 0), self.windows.text())
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        one_pass(self.windows)
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (x, from) = (cx.operand(0), cx.number(cx.operand_len(0)));
        let (windows, finish) = (self.windows.tokens(cx), cx.closure(&["g", "o"]));
        quote!(rt::pool::max::<L, #from>(#x, #windows, #finish);)
    }

    fn halves(&self) -> bool {
        [self.windows.height, self.windows.width].into_iter().all(Axis::is_halved)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (x, element, windows) = (cx.operand(0), cx.element(), self.windows.tokens(cx));
        cx.room("pooled").made(cx, |y| quote!(rt::pool::max_one::<#element>(#x, #windows, #y);))
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let Some(x) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        let (x, windows) = (super::reference::matrix(x), self.windows.features());
        let mut y = ndarray::Array2::zeros((x.nrows(), windows.len()));
        for (x, mut y) in x.rows().into_iter().zip(y.rows_mut()) {
            for (y, window) in y.iter_mut().zip(&windows) {
                *y = first_largest(x, window).map_or(f64::NAN, |(_, value)| value);
            }
        }
        y.into_dyn()
    }
}

impl Operator for MaxPoolGradient {
    fn name(&self) -> &'static str {
        "max_pool_gradient"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        2 * node.len() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        format!(
            "{} where {} is the first that equals {}, 0 elsewhere: {}",
            name_of(names, 2),
            name_of(names, 0),
            name_of(names, 1),
            self.windows.text()
        )
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        one_pass(self.windows)
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (x, y, d_y) = (cx.operand(0), cx.operand(1), cx.operand(2));
        let (from, to) = (cx.number(cx.node.len()), cx.number(cx.operand_len(1)));
        let (windows, finish) = (self.windows.tokens(cx), cx.closure(&["g", "o"]));
        quote! {
            rt::pool::max_gradient::<L, #from, #to>(#x, #y, #d_y, #windows, #finish);
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [x, _, d_y] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let (x, d_y, windows) =
            (super::reference::matrix(x), super::reference::matrix(d_y), self.windows.features());
        let mut d_x = ndarray::Array2::zeros(x.raw_dim());
        for ((x, d_y), mut d_x) in x.rows().into_iter().zip(d_y.rows()).zip(d_x.rows_mut()) {
            for (window, d) in windows.iter().zip(d_y) {
                let winner = first_largest(x, window).and_then(|(place, _)| window.get(place));
                if let Some(d_x) = winner.and_then(|feature| d_x.get_mut(*feature)) {
                    *d_x += d;
                }
            }
        }
        d_x.into_dyn()
    }
}

impl Operator for MaxPlace {
    fn name(&self) -> &'static str {
        "max_place"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn part(&self) -> Option<&'static str> {
        Some("place")
    }

    fn flops(&self, graph: &Graph, node: &Node) -> u64 {
        match self.windows.len() {
            Some(len) => (len * node.len()) as u64,
            None => operand_len(graph, node, 0),
        }
    }

    fn formula(&self, names: &[String]) -> String {
        format!("place of the first largest {}: {}", name_of(names, 0), self.windows.text())
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        one_pass(self.windows)
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (x, from) = (cx.operand(0), cx.number(cx.operand_len(0)));
        let (windows, finish) = (self.windows.tokens(cx), cx.closure(&["g", "o"]));
        quote!(rt::pool::max_place::<L, #from>(#x, #windows, #finish);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let Some(x) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        let (x, windows) = (super::reference::matrix(x), self.windows.features());
        let mut places = ndarray::Array2::zeros((x.nrows(), windows.len()));
        for (x, mut places) in x.rows().into_iter().zip(places.rows_mut()) {
            for (to, window) in places.iter_mut().zip(&windows) {
                *to = first_largest(x, window).map_or(f64::NAN, |(place, _)| place as f64);
            }
        }
        places.into_dyn()
    }
}

impl Operator for MaxPoolGradientAt {
    fn name(&self) -> &'static str {
        "max_pool_gradient_at"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn flops(&self, graph: &Graph, node: &Node) -> u64 {
        2 * self.windows.len().map_or(node.len() as u64, |len| len as u64 * operand_len(graph, node, 1))
    }

    fn formula(&self, names: &[String]) -> String {
        let (place, d_y) = (name_of(names, 0), name_of(names, 1));
        format!("sum of {d_y} of windows whose {place} is here: {}", self.windows.text())
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        one_pass(self.windows)
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let to = cx.number(cx.operand_len(1));
        let (place, d_y) = (cx.operand(0), cx.operand(1));
        let (windows, finish) = (self.windows.tokens(cx), cx.closure(&["g", "o"]));
        quote!(rt::pool::max_gradient_at::<L, #to>(#place, #d_y, #windows, #finish);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [place, d_y] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let (place, d_y) = (super::reference::matrix(place), super::reference::matrix(d_y));
        let (windows, features) = (self.windows.features(), self.windows.channels);
        let features = features * self.windows.height.size() * self.windows.width.size();
        let mut d_x = ndarray::Array2::zeros((d_y.nrows(), features));
        for ((sample, o), d) in d_y.indexed_iter() {
            let place = place.get((sample, o)).map_or(0, |place| *place as usize);
            let feature = windows.get(o).and_then(|window| window.get(place)).copied().unwrap_or(0);
            if let Some(d_x) = d_x.get_mut((sample, feature)) {
                *d_x += d;
            }
        }
        d_x.into_dyn()
    }
}

// ---- Mean ----------------------------------------------------------------------------------------------------------

/// The sum of every window over `count`, or over how many numbers it has.
#[derive(Debug)]
struct AvgPool {
    windows: Windows,
    count: Option<usize>,
}

/// Its gradient.
#[derive(Debug)]
struct AvgPoolGradient {
    windows: Windows,
    count: Option<usize>,
}

/// `Some(4)`
fn optional(cx: &KernelCx<'_>, n: Option<usize>) -> TokenStream {
    match n.map(|n| cx.number(n)) {
        Some(n) => quote!(Some(#n)),
        None => quote!(None),
    }
}

impl Operator for AvgPool {
    fn name(&self) -> &'static str {
        "avg_pool"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        if !cx.needs(0) {
            return Vec::new();
        }
        let shape = cx.graph.node(cx.operand(0)).shape.clone();
        let op = AvgPoolGradient { windows: self.windows, count: self.count };
        vec![(0, cx.operator(op, vec![cx.d_y], shape, true))]
    }

    fn flops(&self, graph: &Graph, node: &Node) -> u64 {
        match self.windows.len() {
            Some(len) => (len * node.len()) as u64,
            None => operand_len(graph, node, 0),
        }
    }

    fn formula(&self, names: &[String]) -> String {
        format!("mean of {}: {}", name_of(names, 0), self.windows.text())
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        one_pass(self.windows)
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (x, from) = (cx.operand(0), cx.number(cx.operand_len(0)));
        let (windows, count) = (self.windows.tokens(cx), optional(cx, self.count));
        let finish = cx.closure(&["g", "o"]);
        quote!(rt::pool::mean::<L, #from>(#x, #windows, #count, #finish);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (x, element, windows) = (cx.operand(0), cx.element(), self.windows.tokens(cx));
        let count = optional(cx, self.count);
        cx.room("pooled").made(cx, |y| quote!(rt::pool::mean_one::<#element>(#x, #windows, #count, #y);))
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let Some(x) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        let (x, windows) = (super::reference::matrix(x), self.windows.features());
        let mut y = ndarray::Array2::zeros((x.nrows(), windows.len()));
        for (x, mut y) in x.rows().into_iter().zip(y.rows_mut()) {
            for (y, window) in y.iter_mut().zip(&windows) {
                let sum: f64 = window.iter().filter_map(|feature| x.get(*feature)).sum();
                *y = sum / self.count.unwrap_or(window.len()) as f64;
            }
        }
        y.into_dyn()
    }
}

impl Operator for AvgPoolGradient {
    fn name(&self) -> &'static str {
        "avg_pool_gradient"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn flops(&self, graph: &Graph, node: &Node) -> u64 {
        2 * self.windows.len().map_or(node.len() as u64, |len| len as u64 * operand_len(graph, node, 0))
    }

    fn formula(&self, names: &[String]) -> String {
        format!("each {} shared by its window: {}", name_of(names, 0), self.windows.text())
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        one_pass(self.windows)
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (d_y, to) = (cx.operand(0), cx.number(cx.operand_len(0)));
        let (windows, count) = (self.windows.tokens(cx), optional(cx, self.count));
        let finish = cx.closure(&["g", "o"]);
        quote!(rt::pool::mean_gradient::<L, #to>(#d_y, #windows, #count, #finish);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let Some(d_y) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        let (d_y, windows) = (super::reference::matrix(d_y), self.windows.features());
        let features = self.windows.channels * self.windows.height.size() * self.windows.width.size();
        let mut d_x = ndarray::Array2::zeros((d_y.nrows(), features));
        for (d_y, mut d_x) in d_y.rows().into_iter().zip(d_x.rows_mut()) {
            for (window, d) in windows.iter().zip(d_y) {
                for feature in window {
                    if let Some(d_x) = d_x.get_mut(*feature) {
                        *d_x += d / self.count.unwrap_or(window.len()) as f64;
                    }
                }
            }
        }
        d_x.into_dyn()
    }
}
