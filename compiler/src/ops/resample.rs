//! Images with other sizes, each axis by itself: a number of the result is one of the operand's, or lies between two.

use proc_macro2::TokenStream;
use quote::quote;

use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Graph, Node, NodeId, Operator};
use crate::plan::{Strategy, StrategyKind};

/// What the places of one axis are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Map {
    /// Every place `scale` times.
    Nearest { size: usize, scale: usize },
    /// Between the middles of places, `scale` times as many.
    Linear { size: usize, scale: usize },
    /// More places, which go back from the edges without repeating them.
    Reflect { size: usize, before: usize, after: usize },
    /// More places, which repeat the edges.
    Replicate { size: usize, before: usize, after: usize },
}

/// Images with other sizes.
#[derive(Debug, Clone, Copy)]
struct Resample {
    channels: usize,
    height: Map,
    width: Map,
}

/// Its gradient.
#[derive(Debug)]
struct ResampleGradient(Resample);

/// Adds a value whose axes behind the channels, one or two, are made so.
pub fn resample(cx: &mut Builder<'_>, x: NodeId, maps: &[Map]) -> NodeId {
    let channels = cx.shape(x).first().copied().unwrap_or(1);
    if maps.iter().all(|map| map.places() == map.size()) {
        return x;
    }
    let shape = std::iter::once(channels).chain(maps.iter().map(|map| map.places())).collect();
    let one = Map::Nearest { size: 1, scale: 1 };
    let (height, width) = match maps {
        [height, width] => (*height, *width),
        [width] => (one, *width),
        _ => (one, one),
    };
    cx.operator(Resample { channels, height, width }, vec![x], shape)
}

impl Map {
    /// Places of the operand.
    fn size(self) -> usize {
        match self {
            Self::Nearest { size, .. }
            | Self::Linear { size, .. }
            | Self::Reflect { size, .. }
            | Self::Replicate { size, .. } => size,
        }
    }

    /// Places of the result.
    fn places(self) -> usize {
        match self {
            Self::Nearest { size, scale } | Self::Linear { size, scale } => size * scale,
            Self::Reflect { size, before, after } | Self::Replicate { size, before, after } => {
                before + size + after
            }
        }
    }

    fn tokens(self, cx: &KernelCx<'_>) -> TokenStream {
        let size = cx.number(self.size());
        match self {
            Self::Nearest { scale, .. } => {
                let scale = cx.number(scale);
                quote!(rt::resample::Map::Nearest { size: #size, scale: #scale })
            }
            Self::Linear { scale, .. } => {
                let scale = cx.number(scale);
                quote!(rt::resample::Map::Linear { size: #size, scale: #scale })
            }
            Self::Reflect { before, after, .. } => {
                let (before, after) = (cx.number(before), cx.number(after));
                quote!(rt::resample::Map::Reflect { size: #size, before: #before, after: #after })
            }
            Self::Replicate { before, after, .. } => {
                let (before, after) = (cx.number(before), cx.number(after));
                quote!(rt::resample::Map::Replicate { size: #size, before: #before, after: #after })
            }
        }
    }

    /// `nearest x 2`
    fn text(self) -> String {
        match self {
            Self::Nearest { scale, .. } => format!("nearest of {scale}"),
            Self::Linear { scale, .. } => format!("linear of {scale}"),
            Self::Reflect { before, after, .. } => format!("reflect {before} + {after}"),
            Self::Replicate { before, after, .. } => format!("replicate {before} + {after}"),
        }
    }

    /// The operand's places that place `o` is made of, and their shares.
    #[cfg(feature = "reference")]
    fn taps(self, o: usize) -> Vec<(usize, f64)> {
        match self {
            Self::Nearest { scale, .. } => vec![(o / scale, 1.0)],
            Self::Linear { size, scale } => {
                let last = (size - 1) as f64;
                let at = ((o as f64 + 0.5) / scale as f64 - 0.5).clamp(0.0, last);
                let share = at.fract();
                vec![(at.floor() as usize, 1.0 - share), (at.ceil() as usize, share)]
            }
            Self::Reflect { size, before, .. } => {
                let at = o as i64 - before as i64;
                let last = size as i64 - 1;
                vec![((if at.abs() > last { 2 * last - at } else { at.abs() }) as usize, 1.0)]
            }
            Self::Replicate { size, before, .. } => {
                vec![((o as i64 - before as i64).clamp(0, size as i64 - 1) as usize, 1.0)]
            }
        }
    }
}

impl Resample {
    fn tokens(self, cx: &KernelCx<'_>) -> TokenStream {
        let (channels, height, width) =
            (cx.number(self.channels), self.height.tokens(cx), self.width.tokens(cx));
        quote!(rt::resample::Maps { channels: #channels, height: #height, width: #width })
    }

    fn text(self) -> String {
        match self.height {
            Map::Nearest { size: 1, scale: 1 } => self.width.text(),
            height => format!("{} x {}", height.text(), self.width.text()),
        }
    }

    /// Calls `f` with every feature of the result, a feature that it is made of, and its share.
    #[cfg(feature = "reference")]
    fn taps(self, mut f: impl FnMut(usize, usize, f64)) {
        let (height, width) = (self.height, self.width);
        for channel in 0..self.channels {
            for row in 0..height.places() {
                for column in 0..width.places() {
                    let o = (channel * height.places() + row) * width.places() + column;
                    for (h, a) in height.taps(row) {
                        for (w, b) in width.taps(column) {
                            f(o, (channel * height.size() + h) * width.size() + w, a * b);
                        }
                    }
                }
            }
        }
    }
}

impl Operator for Resample {
    fn name(&self) -> &'static str {
        "resample"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        if !cx.needs(0) {
            return Vec::new();
        }
        let shape = cx.graph.node(cx.operand(0)).shape.clone();
        vec![(0, cx.operator(ResampleGradient(*self), vec![cx.d_y], shape, true))]
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        let taps = |map: Map| if matches!(map, Map::Linear { .. }) { 2 } else { 1 };
        match taps(self.height) * taps(self.width) {
            1 => 0,
            n => 2 * n * node.len() as u64,
        }
    }

    fn formula(&self, names: &[String]) -> String {
        format!("{}: {}", names.first().map_or("x", String::as_str), self.text())
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::new(StrategyKind::Loop, "one pass over the result")
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (x, from) = (cx.operand(0), cx.number(cx.operand_len(0)));
        let (maps, finish) = (self.tokens(cx), cx.closure(&["g", "o"]));
        quote!(rt::resample::forward::<L, #from>(#x, #maps, #finish);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (x, element, maps) = (cx.operand(0), cx.element(), self.tokens(cx));
        cx.room("resampled").made(cx, |y| quote!(rt::resample::one::<#element>(#x, #maps, #y);))
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let Some(x) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        let x = super::reference::matrix(x);
        let mut y =
            ndarray::Array2::zeros((x.nrows(), self.channels * self.height.places() * self.width.places()));
        for (x, mut y) in x.rows().into_iter().zip(y.rows_mut()) {
            self.taps(|o, f, share| {
                if let (Some(y), Some(x)) = (y.get_mut(o), x.get(f)) {
                    *y += share * x;
                }
            });
        }
        y.into_dyn()
    }
}

impl Operator for ResampleGradient {
    fn name(&self) -> &'static str {
        "resample_gradient"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn flops(&self, graph: &Graph, node: &Node) -> u64 {
        node.inputs.first().map_or(0, |id| self.0.flops(graph, graph.node(*id)))
    }

    fn formula(&self, names: &[String]) -> String {
        format!("sum of {} by share: {}", names.first().map_or("d_y", String::as_str), self.0.text())
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::new(StrategyKind::Loop, "one pass over the operand")
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (d_y, to) = (cx.operand(0), cx.number(cx.operand_len(0)));
        let (maps, finish) = (self.0.tokens(cx), cx.closure(&["g", "o"]));
        quote!(rt::resample::gradient::<L, #to>(#d_y, #maps, #finish);)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let Some(d_y) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        let (d_y, maps) = (super::reference::matrix(d_y), self.0);
        let mut d_x =
            ndarray::Array2::zeros((d_y.nrows(), maps.channels * maps.height.size() * maps.width.size()));
        for (d_y, mut d_x) in d_y.rows().into_iter().zip(d_x.rows_mut()) {
            maps.taps(|o, f, share| {
                if let (Some(d_x), Some(d)) = (d_x.get_mut(f), d_y.get(o)) {
                    *d_x += share * d;
                }
            });
        }
        d_x.into_dyn()
    }
}
