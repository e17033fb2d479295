//! Parts of values: some features of a value, and the value that has them in their place.

use nnc_grammar::diagnostic::Code;
use proc_macro2::TokenStream;
use quote::quote;

use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Graph, Node, NodeId, Operator};
use crate::plan::Strategy;

/// `len` features from `from` on.
#[derive(Debug)]
pub struct Slice {
    /// The first of them.
    pub from: usize,
    /// How many.
    pub len: usize,
}

/// The same of each position: `len` of `row` features from `from` on.
#[derive(Debug)]
pub struct SliceEach {
    /// The first of them.
    pub from: usize,
    /// How many.
    pub len: usize,
    /// Features of a position.
    pub row: usize,
}

/// The features of each position of its operand from `from` on, and 0 in all other places of `row` features.
#[derive(Debug)]
struct UnsliceEach {
    from: usize,
    len: usize,
    row: usize,
}

/// The features of its operand from `from` on, and 0 in all other places of `whole` features.
#[derive(Debug)]
struct Unslice {
    from: usize,
    whole: usize,
}

/// Adds part `n`, from 0, of `of` equal ones: of a vector, of the channels of `[channels, …]`, or of the features of
/// `[positions, features]`.
///
/// # Errors
/// E0301 when the axis cannot be divided so.
pub fn part(
    cx: &mut Builder<'_>,
    x: NodeId,
    n: usize,
    of: usize,
) -> Result<NodeId, Box<nnc_grammar::diagnostic::Diagnostic>> {
    let mut shape = cx.shape(x).to_vec();
    let len = shape.iter().product::<usize>() / of.max(1);
    let by_position = shape.len() == 2;
    match if by_position { shape.last_mut() } else { shape.first_mut() } {
        Some(axis) if axis.is_multiple_of(of) && of > 0 => *axis /= of,
        axis => {
            let found = axis.map_or(0, |axis| *axis);
            return Err(cx.error(
                Code::E0301,
                format!("{found} features cannot be divided into {of} equal parts"),
                format!("expected a multiple of {of}, found {found}"),
            ));
        }
    }
    if let [_, len] = *shape.as_slice() {
        return Ok(cx.operator(SliceEach { from: n * len, len, row: of * len }, vec![x], shape));
    }
    Ok(cx.operator(Slice { from: n * len, len }, vec![x], shape))
}

impl Operator for Slice {
    fn name(&self) -> &'static str {
        "slice"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        if !cx.needs(0) {
            return Vec::new();
        }
        let x = cx.graph.node(cx.operand(0));
        let (whole, shape) = (x.len(), x.shape.clone());
        vec![(0, cx.operator(Unslice { from: self.from, whole }, vec![cx.d_y], shape, true))]
    }

    fn part(&self) -> Option<&'static str> {
        Some("part")
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        0
    }

    fn formula(&self, names: &[String]) -> String {
        let x = names.first().map_or("x", String::as_str);
        format!("{x}[{}..{}]", self.from, self.from + self.len)
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (groups, source) = (cx.groups(), cx.operand(0));
        let (len, from) = (cx.number(self.len), cx.number(self.from));
        let finish = cx.finish(&[quote!(g), quote!(o)]);
        quote! {
            for g in 0..#groups {
                for o in 0..#len {
                    let z = L::load(&#source[g][#from + o]);
                    #finish
                }
            }
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (panels, source) = (cx.panels(self.len), cx.operand(0));
        let (len, from) = (cx.number(self.len), cx.number(self.from));
        let finish = cx.finish(&[quote!(p)]);
        quote! {
            let mut part: [Row; #panels] = [ZERO_ROW; #panels];
            rt::pack::copy_features(#source, #from, &mut part, 0, #len);
            for p in 0..#panels {
                let z = L::load(&part[p]);
                #finish
            }
        }
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let Some(x) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        let part = ndarray::Slice::from(self.from..self.from + self.len);
        super::reference::matrix(x).slice_axis(ndarray::Axis(1), part).to_owned().into_dyn()
    }
}

impl Operator for Unslice {
    fn name(&self) -> &'static str {
        "unslice"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        0
    }

    fn formula(&self, names: &[String]) -> String {
        let x = names.first().map_or("d_y", String::as_str);
        format!("{x} from feature {} of {} on, 0 elsewhere", self.from, self.whole)
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (groups, source) = (cx.groups(), cx.operand(0));
        let len = cx.node.inputs.first().map_or(0, |id| cx.graph.node(*id).len());
        let (len, from, whole) = (cx.number(len), cx.number(self.from), cx.number(self.whole));
        let finish = cx.finish(&[quote!(g), quote!(o)]);
        let inside =
            if self.from == 0 { quote!(o < #len) } else { quote!((#from..#from + #len).contains(&o)) };
        let at = if self.from == 0 { quote!(o) } else { quote!(o - #from) };
        quote! {
            for g in 0..#groups {
                for o in 0..#whole {
                    let z = if #inside { L::load(&#source[g][#at]) } else { L::zero() };
                    #finish
                }
            }
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let Some(x) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        let x = super::reference::matrix(x);
        let mut y = ndarray::Array2::zeros((x.nrows(), self.whole));
        let part = ndarray::Slice::from(self.from..self.from + x.ncols());
        y.slice_axis_mut(ndarray::Axis(1), part).assign(&x);
        y.into_dyn()
    }
}

impl Operator for SliceEach {
    fn name(&self) -> &'static str {
        "slice_each"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        if !cx.needs(0) {
            return Vec::new();
        }
        let shape = cx.graph.node(cx.operand(0)).shape.clone();
        let op = UnsliceEach { from: self.from, len: self.len, row: self.row };
        vec![(0, cx.operator(op, vec![cx.d_y], shape, true))]
    }

    fn part(&self) -> Option<&'static str> {
        Some("part")
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        0
    }

    fn formula(&self, names: &[String]) -> String {
        let x = names.first().map_or("x", String::as_str);
        format!("{x}[.., {}..{}]", self.from, self.from + self.len)
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (groups, source, features) = (cx.groups(), cx.operand(0), cx.number(cx.node.len()));
        let (from, len, row) = (cx.number(self.from), cx.number(self.len), cx.number(self.row));
        let finish = cx.finish(&[quote!(g), quote!(o)]);
        quote! {
            for g in 0..#groups {
                for o in 0..#features {
                    let z = L::load(&#source[g][o / #len * #row + #from + o % #len]);
                    #finish
                }
            }
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (panels, source) = (cx.panels(cx.node.len()), cx.operand(0));
        let positions = cx.number(cx.node.len() / self.len.max(1));
        let (from, len, row) = (cx.number(self.from), cx.number(self.len), cx.number(self.row));
        let finish = cx.finish(&[quote!(p)]);
        quote! {
            let mut part: [Row; #panels] = [ZERO_ROW; #panels];
            for position in 0..#positions {
                rt::pack::copy_features(#source, position * #row + #from, &mut part, position * #len, #len);
            }
            for p in 0..#panels {
                let z = L::load(&part[p]);
                #finish
            }
        }
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let Some(x) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        let x: Vec<f64> = x.iter().copied().collect();
        let rows = x.chunks(self.row.max(1)).flat_map(|row| row.iter().skip(self.from).take(self.len));
        rows.copied().collect::<ndarray::Array1<f64>>().into_dyn()
    }
}

impl Operator for UnsliceEach {
    fn name(&self) -> &'static str {
        "unslice_each"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        0
    }

    fn formula(&self, names: &[String]) -> String {
        let x = names.first().map_or("d_y", String::as_str);
        format!("{x} from feature {} of {} of each position on, 0 elsewhere", self.from, self.row)
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::rows()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (groups, source, features) = (cx.groups(), cx.operand(0), cx.number(cx.node.len()));
        let (from, len, row) = (cx.number(self.from), cx.number(self.len), cx.number(self.row));
        let finish = cx.finish(&[quote!(g), quote!(o)]);
        let (inside, at) = match self.from {
            0 => (quote!(k < #len), quote!(o / #row * #len + k)),
            _ => (quote!((#from..#from + #len).contains(&k)), quote!(o / #row * #len + k - #from)),
        };
        quote! {
            for g in 0..#groups {
                for o in 0..#features {
                    let k = o % #row;
                    let z = if #inside { L::load(&#source[g][#at]) } else { L::zero() };
                    #finish
                }
            }
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let Some(d_y) = operands.first() else { return ndarray::ArrayD::zeros(vec![0]) };
        let d_y: Vec<f64> = d_y.iter().copied().collect();
        let mut d_x = Vec::with_capacity(d_y.len() / self.len.max(1) * self.row);
        for part in d_y.chunks(self.len.max(1)) {
            d_x.extend(std::iter::repeat_n(0.0, self.from));
            d_x.extend_from_slice(part);
            d_x.extend(std::iter::repeat_n(0.0, self.row.saturating_sub(self.from + self.len)));
        }
        ndarray::Array1::from(d_x).into_dyn()
    }
}
