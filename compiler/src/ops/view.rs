//! Views: the numbers of a value in another order of axes, a part of each axis, or more places round them.

use std::ops::Range;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use crate::differentiate::Gradient;
use crate::emit::KernelCx;
use crate::graph::{Builder, Graph, Node, NodeId, Operator};
use crate::plan::{Strategy, StrategyKind};

/// One axis of a view. Its places from `at` on show `len` places of an axis of the operand, from `from` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ViewAxis {
    /// The axis of the operand.
    pub of: usize,
    /// Places.
    pub size: usize,
    /// The first place that shows one of the operand.
    pub at: usize,
    /// The place that it shows.
    pub from: usize,
    /// How many are shown.
    pub len: usize,
}

impl ViewAxis {
    /// All of axis `of`, which has `size` places.
    pub fn whole(of: usize, size: usize) -> Self {
        Self { of, size, at: 0, from: 0, len: size }
    }

    /// Places `from..to` of axis `of`.
    pub fn part(of: usize, from: usize, to: usize) -> Self {
        let len = to.saturating_sub(from);
        Self { of, size: len, at: 0, from, len }
    }

    /// All of axis `of`, which has `size` places, with more before and after it.
    pub fn padded(of: usize, size: usize, before: usize, after: usize) -> Self {
        Self { of, size: before + size + after, at: before, from: 0, len: size }
    }
}

/// A value whose places show those of its operand, and `fill` where they show none. Every axis of the operand is shown
/// by one axis.
#[derive(Debug, Clone)]
pub struct View {
    /// The operand's shape. (The operand may have another by now: memory does not know shapes.)
    pub source: Vec<usize>,
    /// Axes of the value.
    pub axes: Vec<ViewAxis>,
    /// What stands where nothing is shown.
    pub fill: f64,
}

/// Adds a view. A view of everything in its place is the operand itself.
pub fn view(cx: &mut Builder<'_>, x: NodeId, axes: Vec<ViewAxis>, fill: f64) -> NodeId {
    let source = cx.shape(x).to_vec();
    let is_same = |(n, (axis, size)): (usize, (&ViewAxis, &usize))| *axis == ViewAxis::whole(n, *size);
    if axes.iter().zip(&source).enumerate().all(is_same) {
        return x;
    }
    let shape = axes.iter().map(|axis| axis.size).collect();
    cx.operator(View { source, axes, fill }, vec![x], shape)
}

/// The axes of a view that shows all of a value.
pub fn whole(shape: &[usize]) -> Vec<ViewAxis> {
    shape.iter().enumerate().map(|(n, size)| ViewAxis::whole(n, *size)).collect()
}

/// A loop over places of a view: neighbouring axes that lie one behind the other in memory are one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Loop {
    size: usize,
    at: usize,
    len: usize,
    /// Features of the operand from one place to the next.
    step: usize,
}

impl Loop {
    fn is_whole(self) -> bool {
        self.len == self.size
    }
}

impl View {
    /// The gradient's view: what each place of the operand is shown by.
    fn transposed(&self) -> Self {
        let axes = self.source.iter().enumerate().filter_map(|(n, size)| {
            let of = self.axes.iter().position(|axis| axis.of == n)?;
            let axis = self.axes.get(of)?;
            Some(ViewAxis { of, size: *size, at: axis.from, from: axis.at, len: axis.len })
        });
        Self { source: self.axes.iter().map(|axis| axis.size).collect(), axes: axes.collect(), fill: 0.0 }
    }

    /// As [`Operator::places`].
    fn shown(&self) -> Option<(usize, Range<usize>)> {
        let is_whole = |(n, axis): (usize, &ViewAxis)| {
            self.source.get(n).is_some_and(|size| *axis == ViewAxis::whole(n, *size))
        };
        let mut others = self.axes.iter().enumerate().filter(|axis| !is_whole(*axis));
        let (n, axis) = others.next()?;
        let is_part = axis.of == n && axis.from == 0 && self.source.get(n) == Some(&axis.len);
        (is_part && others.next().is_none() && self.fill == 0.0).then_some((n, axis.at..axis.at + axis.len))
    }

    /// The loops, outermost first, and the operand's feature where all of them begin to show.
    fn loops(&self) -> (Vec<Loop>, usize) {
        let step = |of: usize| self.source.iter().skip(of + 1).product::<usize>();
        let start = self.axes.iter().map(|axis| axis.from * step(axis.of)).sum();
        let mut loops: Vec<Loop> = Vec::new();
        for axis in &self.axes {
            let inner = Loop { size: axis.size, at: axis.at, len: axis.len, step: step(axis.of) };
            if inner.is_whole() && inner.size == 1 {
                continue;
            }
            match loops.last_mut() {
                Some(outer) if inner.is_whole() && outer.step == inner.step * inner.size => {
                    let [size, at, len] = [outer.size, outer.at, outer.len].map(|n| n * inner.size);
                    *outer = Loop { size, at, len, step: inner.step };
                }
                _ => loops.push(inner),
            }
        }
        if loops.is_empty() {
            loops.push(Loop { size: 1, at: 0, len: 1, step: 1 });
        }
        (loops, start)
    }

    /// `for` loops round `body`, which is given the feature, the operand's feature, and when that is there.
    fn nest(
        &self,
        cx: &KernelCx<'_>,
        body: impl Fn(&TokenStream, &TokenStream, Option<&TokenStream>) -> TokenStream,
    ) -> TokenStream {
        let (loops, start) = self.loops();
        let names: Vec<Ident> = match loops.as_slice() {
            [_] => vec![format_ident!("o")],
            _ => (0..loops.len()).map(|n| format_ident!("i{n}")).collect(),
        };
        let mut feature: Option<TokenStream> = None;
        let (mut terms, mut conditions) = (Vec::new(), Vec::new());
        // Feature of the operand at place 0 of every loop, were it shown.
        let mut offset = start as i64;
        for (axis, name) in loops.iter().zip(&names) {
            let size = cx.number(axis.size);
            feature = Some(match feature {
                None => quote!(#name),
                Some(outer) if loops.len() > 2 && outer.to_string().contains('+') => {
                    quote!((#outer) * #size + #name)
                }
                Some(outer) => quote!(#outer * #size + #name),
            });
            let step = cx.number(axis.step);
            terms.push(if axis.step == 1 { quote!(#name) } else { quote!(#name * #step) });
            offset -= (axis.at * axis.step) as i64;
            if !axis.is_whole() {
                let (at, end) = (cx.number(axis.at), cx.number(axis.at + axis.len));
                conditions.push(match (axis.at, axis.at + axis.len == axis.size) {
                    (0, _) => quote!(#name < #end),
                    (_, true) => quote!(#name >= #at),
                    _ => quote!((#at..#end).contains(&#name)),
                });
            }
        }
        let mut place = quote!(#(#terms)+*);
        if offset != 0 {
            let by = cx.number(offset.unsigned_abs() as usize);
            place = if offset > 0 { quote!(#place + #by) } else { quote!(#place - #by) };
        }
        let condition = (!conditions.is_empty()).then(|| quote!(#(#conditions)&&*));
        let feature = feature.unwrap_or_default();
        let bound = if loops.len() > 1 { quote!(let o = #feature;) } else { TokenStream::new() };
        let body = body(&quote!(o), &place, condition.as_ref());
        loops.iter().zip(&names).rev().fold(quote!(#bound #body), |body, (axis, name)| {
            let size = cx.number(axis.size);
            quote!(for #name in 0..#size { #body })
        })
    }

    /// `x[2..5, ..]`, `x with axes [1, 0]`, `x in [4, 6] of 0`.
    fn text(&self, x: &str) -> String {
        let mut text = x.to_owned();
        let order: Vec<usize> = self.axes.iter().map(|axis| axis.of).collect();
        if !order.is_sorted() {
            text.push_str(&format!(" with axes {order:?}"));
        }
        if self.axes.iter().any(|axis| self.source.get(axis.of) != Some(&axis.len)) {
            let parts = self.axes.iter().map(|axis| {
                if self.source.get(axis.of) == Some(&axis.len) {
                    "..".to_owned()
                } else {
                    format!("{}..{}", axis.from, axis.from + axis.len)
                }
            });
            text.push_str(&format!("[{}]", parts.collect::<Vec<_>>().join(", ")));
        }
        if self.axes.iter().any(|axis| axis.len < axis.size) {
            let places = self.axes.iter().map(|axis| match (axis.len == axis.size, self.axes.len()) {
                (true, _) => "..".to_owned(),
                (_, 1) => format!("from {} of {} on", axis.at, axis.size),
                _ => format!("{}..{} of {}", axis.at, axis.at + axis.len, axis.size),
            });
            let places = places.collect::<Vec<_>>().join(", ");
            let places = if self.axes.len() == 1 { places } else { format!("at [{places}]") };
            text.push_str(&format!(" {places}, {} elsewhere", self.fill));
        }
        text
    }
}

impl Operator for View {
    fn name(&self) -> &'static str {
        "view"
    }

    fn places(&self) -> Option<(usize, Range<usize>)> {
        self.shown()
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        if !cx.needs(0) {
            return Vec::new();
        }
        let shape = self.source.clone();
        vec![(0, cx.operator(self.transposed(), vec![cx.d_y], shape, true))]
    }

    fn part(&self) -> Option<&'static str> {
        // A layer may take several parts, and what shows all of its operand is the layer's own value.
        let is_part = self.axes.iter().any(|axis| self.source.get(axis.of) != Some(&axis.len));
        is_part.then_some("part")
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        0
    }

    fn formula(&self, names: &[String]) -> String {
        self.text(names.first().map_or("x", String::as_str))
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        Strategy::new(StrategyKind::Loop, "one pass over the rows")
    }

    fn takes_groups_apart(&self, _: &Node) -> bool {
        true
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (groups, source) = (cx.groups(), cx.operand(0));
        let nest = self.nest(cx, |feature, place, condition| {
            let finish = cx.finish(&[quote!(g), feature.clone()]);
            let load = quote!(L::load(&#source[g][#place]));
            let fill = if self.fill == 0.0 {
                quote!(L::zero())
            } else {
                let fill = cx.real(self.fill);
                quote!(L::splat(#fill))
            };
            let value = match condition {
                Some(condition) => quote!(if #condition { #load } else { #fill }),
                None => load,
            };
            quote!(let z = #value; #finish)
        });
        quote!(for g in 0..#groups { #nest })
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let source = cx.operand(0);
        let fill = cx.real(self.fill);
        let nest = self.nest(cx, |feature, place, condition| {
            let value = match condition {
                Some(condition) => quote!(if #condition { from[#place] } else { #fill }),
                None => quote!(from[#place]),
            };
            quote!(to[#feature] = #value;)
        });
        cx.room("part").made(cx, |part| {
            quote! {
                let (from, to) = (#source.as_flattened(), #part.as_flattened_mut());
                #nest
            }
        })
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        use ndarray::{ArrayD, Slice};
        let zeros = || ArrayD::zeros(vec![0]);
        let Some(x) = operands.first() else { return zeros() };
        let samples = x.shape().first().copied().unwrap_or(0);
        let with_samples = |sizes: &mut dyn Iterator<Item = usize>| {
            std::iter::once(samples).chain(sizes).collect::<Vec<usize>>()
        };
        let source = with_samples(&mut self.source.iter().copied());
        let Ok(x) = ArrayD::from_shape_vec(source, x.iter().copied().collect()) else { return zeros() };
        let order = std::iter::once(0).chain(self.axes.iter().map(|axis| axis.of + 1)).collect::<Vec<_>>();
        let mut shown = x.view().permuted_axes(order);
        let mut y = ArrayD::from_elem(with_samples(&mut self.axes.iter().map(|axis| axis.size)), self.fill);
        let mut window = y.view_mut();
        for (n, axis) in self.axes.iter().enumerate() {
            let along = ndarray::Axis(n + 1);
            shown.slice_axis_inplace(along, Slice::from(axis.from..axis.from + axis.len));
            window.slice_axis_inplace(along, Slice::from(axis.at..axis.at + axis.len));
        }
        window.assign(&shown);
        y
    }
}

#[cfg(test)]
mod tests {
    use nnc_grammar::diagnostic::{Code, Diagnostic};

    use super::{Loop, View, ViewAxis, whole};
    use crate::compile::{Options, compile};

    fn outputs(body: &str) -> Vec<Vec<usize>> {
        let found = compile("m.nn", &format!("model M {{ {body} }}"), &Options::default());
        assert!(!found.has_errors(), "{body}: {:?}", found.diagnostics);
        let model = found.models.first().expect("a model");
        model.info.outputs.iter().map(|output| output.shape.clone()).collect()
    }

    fn output(body: &str) -> Vec<usize> {
        outputs(body).remove(0)
    }

    /// The one fault, and the text it is under.
    fn fault_of(body: &str) -> (Diagnostic, String) {
        let text = format!("model M {{ {body} }}");
        let found = compile("m.nn", &text, &Options::default()).diagnostics;
        let [fault] = found.as_slice() else { panic!("{body}: {found:?}") };
        let under = text[fault.primary.span.start as usize..fault.primary.span.end as usize].to_owned();
        (fault.clone(), under)
    }

    #[test]
    fn shapes() {
        assert_eq!(output("input [2, 3, 5] transpose"), [5, 3, 2]);
        assert_eq!(output("input [2, 3, 5] transpose([1, 2, 0])"), [3, 5, 2]);
        assert_eq!(output("input [2, 3, 5] slice(2, 1, 4)"), [2, 3, 3]);
        assert_eq!(output("input [7] slice(axis = 0, from = 6, to = 7)"), [1]);
        assert_eq!(output("input [2, 3, 5] pad(1)"), [2, 5, 7]);
        assert_eq!(output("input [2, 3, 5] pad([0, 2], after = 1, mode = replicate)"), [2, 4, 8]);
        assert_eq!(output("input [2, 5] pad(2, after = 0, mode = reflect)"), [2, 7]);
        assert_eq!(output("input [2, 3, 5] upsample(2)"), [2, 6, 10]);
        assert_eq!(output("input [2, 3, 5] upsample([1, 3], mode = bilinear)"), [2, 3, 15]);
        assert_eq!(output("input [2, 5] upsample(3, mode = bilinear)"), [2, 15]);
        assert_eq!(
            output("input [2, 3, 5] let a = relu let b = pad([0, 1]) concat(a, b, axis = 2)"),
            [2, 3, 12]
        );
        assert_eq!(output("input [6] branch { dense(2) } { dense(3) } -> concat(axis = 0)"), [5]);
    }

    #[test]
    fn several_values_have_names() {
        let parts = outputs(
            "input [6, 4] let [a, b] = split(2, axis = 1) let [c, d, e] = a -> split(3) output b, c, d, e",
        );
        assert_eq!(parts, [vec![6, 2], vec![2, 2], vec![2, 2], vec![2, 2]]);
        assert_eq!(
            outputs("input [4] let [a, b] = branch { dense(2) } { dense(3) } output a, b"),
            [[2], [3]]
        );
        assert_eq!(output("input [4] split(2) -> add"), [2]);
        let block = "block half(n) { let [a, b] = split(n) add(a, b) }";
        let found = compile("m.nn", &format!("{block} model M {{ input [4] half(2) }}"), &Options::default());
        assert_eq!(found.models.first().expect("a model").info.output, [2]);
    }

    #[test]
    fn as_many_values_as_names() {
        let (fault, under) = fault_of("input [6] let [a, b] = split(3) add(a, b)");
        assert_eq!((fault.code, under.as_str()), (Code::E0302, "split(3)"));
        assert_eq!(fault.primary.text, "expected 2 values, found 3");
        let (fault, under) = fault_of("input [6] let [a, b] = dense(4) -> relu add(a, b)");
        assert_eq!((fault.code, under.as_str()), (Code::E0302, "dense(4) -> relu"));
        assert_eq!(fault.primary.text, "expected 2 values, found one");
        let (fault, under) = fault_of("input [6] split(3) -> relu");
        assert_eq!((fault.code, under.as_str()), (Code::E0302, "split(3)"));
        assert_eq!(fault.help[1], "or name them: `let [a, b, c] = …`");
    }

    #[test]
    fn parts_are_equal() {
        let text = "model M { input pixels: [3, 8] let [a, b, c] = split(3, axis = 1) add(a, b, c) }";
        let found = compile("m.nn", text, &Options::default()).diagnostics;
        let fault = found.first().expect("a fault");
        assert_eq!(fault.code, Code::E0301);
        assert_eq!(fault.message, "8 places of axis 1 cannot be divided into 3 equal parts");
        assert_eq!(fault.secondary[0].text, "`pixels` is [3, 8]");
        assert_eq!(found.len(), 1, "{found:?}");
    }

    #[test]
    fn axes_are_there() {
        let (fault, under) = fault_of("input [3, 8] slice(axis = 2, from = 0, to = 1)");
        assert_eq!((fault.code, under.as_str()), (Code::E0205, "axis = 2"));
        assert_eq!(fault.primary.text, "expected an axis from 0 to 1 of [3, 8], found 2");
        let (fault, under) = fault_of("input [8] let a = relu let b = tanh concat(a, b, axis = 1)");
        assert_eq!((fault.code, under.as_str()), (Code::E0205, "axis = 1"));
        assert_eq!(fault.primary.text, "expected 0, the only axis of [8], found 1");
        let (fault, under) = fault_of("input [3, 8] transpose([0, 0])");
        assert_eq!((fault.code, under.as_str()), (Code::E0205, "[0, 0]"));
        assert_eq!(fault.primary.text, "expected each of [0, 1] once, found [0, 0]");
        assert_eq!(fault_of("input [3, 8] transpose(1)").0.code, Code::E0205);
        assert_eq!(fault_of("input [3, 8] transpose([0, 1, 2])").0.code, Code::E0205);
    }

    #[test]
    fn slices_hold_something() {
        let (fault, under) = fault_of("input x: [3, 8] slice(axis = 1, from = 2, to = 9)");
        assert_eq!((fault.code, under.as_str()), (Code::E0205, "to = 9"));
        assert_eq!(fault.primary.text, "expected at most 8, the size of axis 1, found 9");
        assert_eq!(fault.secondary[0].text, "`x` is [3, 8]");
        let (fault, under) = fault_of("input x: [3, 8] slice(axis = 1, from = 4, to = 4)");
        assert_eq!((fault.code, under.as_str()), (Code::E0205, "from = 4"));
        assert_eq!(fault.primary.text, "expected less than `to` = 4, found 4");
        assert_eq!(fault_of("input x: [8] slice(0, 0, 1.5)").0.code, Code::E0205);
    }

    #[test]
    fn padding_has_something_to_show() {
        let (fault, under) = fault_of("input x: [2, 3, 8] pad(3, mode = reflect)");
        assert_eq!((fault.code, under.as_str()), (Code::E0205, "3"));
        assert_eq!(fault.primary.text, "expected less than 3, the size of axis 1, found 3");
        assert_eq!(fault.help, ["`mode = replicate` repeats the edge as often as needed"]);
        let (fault, under) = fault_of("input x: [2, 3, 8] pad(1, after = [1, 2, 3])");
        assert_eq!((fault.code, under.as_str()), (Code::E0205, "after = [1, 2, 3]"));
        assert_eq!(fault.primary.text, "expected one number or a list of 2, found a list of 3");
        let (fault, _) = fault_of("input [8] pad(1)");
        assert_eq!((fault.code, fault.message.as_str()), (Code::E0303, "`pad` takes an image or a signal"));
        assert_eq!(fault_of("input [8] upsample(2)").0.code, Code::E0303);
        assert_eq!(fault_of("input [2, 8] upsample([2, 2])").0.code, Code::E0205);
        assert_eq!(fault_of("input [2, 8] upsample(0)").0.code, Code::E0205);
        assert_eq!(fault_of("input [2, 8] upsample(2, mode = cubic)").0.code, Code::E0204);
    }

    #[test]
    fn values_of_a_concat_fit() {
        let (fault, under) = fault_of("input x: [2, 3, 8] let a = pad([0, 1]) concat(x, a)");
        assert_eq!((fault.code, under.as_str()), (Code::E0304, "concat(x, a)"));
        assert_eq!(fault.message, "inputs of `concat` differ beside axis 0");
        assert_eq!(fault.primary.text, "expected […, 3, 8], found [2, 3, 10]");
        assert_eq!(fault.secondary[0].text, "`x` is [2, 3, 8]");
        assert_eq!(fault.secondary[1].text, "`pad` is [2, 3, 10]");
        assert_eq!(fault.help, ["along axis 2 they fit: `axis = 2`"]);
        let (fault, _) = fault_of("input x: [4, 4] let a = flatten concat(x, a)");
        assert_eq!(fault.help, ["bring them to one rank with `reshape` or `flatten`"]);
    }

    /// What lies together in memory is one loop.
    #[test]
    fn loops_are_joined() {
        let loops = |axes: Vec<ViewAxis>| View { source: vec![2, 3, 5], axes, fill: 0.0 }.loops();
        let one = |size, step| Loop { size, at: 0, len: size, step };
        assert_eq!(loops(whole(&[2, 3, 5])), (vec![one(30, 1)], 0));
        let mut axes = whole(&[2, 3, 5]);
        axes[0] = ViewAxis::part(0, 1, 2);
        assert_eq!(loops(axes.clone()), (vec![one(15, 1)], 15));
        axes[1] = ViewAxis::part(1, 1, 3);
        assert_eq!(loops(axes), (vec![one(10, 1)], 20));
        let mut axes = whole(&[2, 3, 5]);
        axes[1] = ViewAxis::padded(1, 3, 1, 2);
        assert_eq!(loops(axes), (vec![one(2, 15), Loop { size: 30, at: 5, len: 15, step: 1 }], 0));
        let axes = vec![ViewAxis::whole(1, 3), ViewAxis::whole(2, 5), ViewAxis::whole(0, 2)];
        assert_eq!(loops(axes), (vec![one(15, 1), one(2, 15)], 0));
    }
}
