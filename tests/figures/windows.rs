//! Models with windows that move over signals and images, convolutions and pools, whose shapes and arguments are drawn.
//!
//! The draws are seeded, so that every build tests the same models. Shapes are worked out here, apart from the compiler.

use super::{Case, THROUGH};

/// What the first layer of a model is, in turns; the second one is drawn.
const KINDS: [&str; 9] = [
    "conv1d",
    "conv2d",
    "conv_transpose2d",
    "max_pool2d",
    "conv2d",
    "avg_pool1d",
    "conv_transpose2d",
    "avg_pool2d",
    "max_pool1d",
];
const MODELS: usize = 27;
/// The most numbers that a value has: models of this size compile fast.
const LARGEST: usize = 1200;

/// Each model in both precisions.
pub fn cases() -> Vec<Case> {
    let mut draw = Draw(2026);
    let of_model = |n: usize| {
        let (text, what, shape) = model(&mut draw, KINDS[n % KINDS.len()]);
        let of = |precision: &str| {
            let text = format!("{text} train {{ precision {precision} }}");
            let test = format!("super::{precision}({text:?}, &{shape:?}, Net::new(0))");
            Case::new(&format!("{what} {n} {precision}"), text, test)
        };
        [of("f32"), of("f64")]
    };
    (0..MODELS).flat_map(of_model).collect()
}

/// A dense layer, so that there is a gradient by what the windows see, and one or two layers of windows; what these are
/// called, and the shape that comes out.
fn model(draw: &mut Draw, kind: &str) -> (String, String, Vec<usize>) {
    let axes = if kind.ends_with("1d") { 1 } else { 2 };
    let (shape, first, mut made) = loop {
        let mut shape = vec![draw.channels()];
        shape.extend((0..axes).map(|_| 1 + draw.below(if axes == 1 { 24 } else { 9 })));
        if let Some((call, made)) = layer(draw, kind, &shape) {
            break (shape, call, made);
        }
    };
    let mut calls = vec![first];
    let others: Vec<&str> = KINDS.into_iter().filter(|other| other.ends_with("1d") == (axes == 1)).collect();
    // A second layer does not fit behind every first one.
    for _ in 0..8 {
        let other = others[draw.below(others.len())];
        if let Some((call, shape)) = layer(draw, other, &made) {
            calls.push(call);
            made = shape;
            break;
        }
    }
    let what: Vec<&str> = calls.iter().map(|call| call.split('(').next().unwrap_or_default()).collect();
    let width: usize = shape.iter().product();
    let text = format!(
        "{THROUGH} pub model Net {{ input [3] dense({width}) -> reshape({shape:?}) {} \
        loss through optimizer sgd(lr = 1024) }}",
        calls.join(" -> tanh -> "),
    );
    (text, what.join(" "), made)
}

/// A call for a value of this shape, and the shape that it makes, unless what was drawn does not fit.
fn layer(draw: &mut Draw, kind: &str, shape: &[usize]) -> Option<(String, Vec<usize>)> {
    let (channels, sizes) = (shape[0], &shape[1..]);
    let axes: Vec<Axis> = sizes.iter().map(|_| Axis::new(draw)).collect();
    let all = |part: fn(&Axis) -> usize| axes.iter().map(part).collect::<Vec<usize>>();
    let (kernel, stride) = (all(|axis| axis.kernel), all(|axis| axis.stride));
    let (padding, dilation) = (all(|axis| axis.padding), all(|axis| axis.dilation));
    let each = |size: fn(&Axis, usize) -> Option<usize>| -> Option<Vec<usize>> {
        axes.iter().zip(sizes).map(|(axis, from)| size(axis, *from)).collect()
    };
    if kind.contains("pool") {
        let padding: Vec<usize> = padding.iter().zip(&kernel).map(|(p, k)| (*p).min(k / 2)).collect();
        let fits = |at: usize| (sizes[at] + 2 * padding[at]).checked_sub(kernel[at]);
        let sizes: Option<Vec<usize>> = (0..sizes.len()).map(|at| Some(fits(at)? / stride[at] + 1)).collect();
        let own = if kind.starts_with("avg") && draw.is_true() { ", count_include_pad = false" } else { "" };
        let call = format!("{kind}({kernel:?}, stride = {stride:?}, padding = {padding:?}{own})");
        return Some((call, [vec![channels], sizes?].concat()));
    }
    let divisors: Vec<usize> = (1..=channels).filter(|n| channels % n == 0).collect();
    let groups = divisors[draw.below(divisors.len())];
    let made = groups * if groups > 3 { 1 + draw.below(2) } else { draw.channels() };
    let bias = if draw.is_true() { "" } else { ", bias = false" };
    let rest = format!("dilation = {dilation:?}, groups = {groups}{bias}");
    let (call, sizes) = if kind == "conv_transpose2d" {
        let more = all(|axis| axis.more);
        let call = format!(
            "{kind}({made}, kernel = {kernel:?}, stride = {stride:?}, padding = {padding:?}, \
            output_padding = {more:?}, {rest})"
        );
        (call, each(Axis::transposed)?)
    } else if draw.below(4) == 0 {
        let call =
            format!("{kind}({made}, kernel = {kernel:?}, stride = {stride:?}, padding = same, {rest})");
        (call, each(|axis, size| Some((size - 1) / axis.stride + 1))?)
    } else {
        let call = format!(
            "{kind}({made}, kernel = {kernel:?}, stride = {stride:?}, padding = {padding:?}, {rest})"
        );
        (call, each(Axis::convolved)?)
    };
    let made = [vec![made], sizes].concat();
    (made.iter().product::<usize>() <= LARGEST).then_some((call, made))
}

/// A window along an axis.
struct Axis {
    kernel: usize,
    stride: usize,
    padding: usize,
    dilation: usize,
    /// `output_padding` of a transposed convolution.
    more: usize,
}

impl Axis {
    fn new(draw: &mut Draw) -> Self {
        let (kernel, stride) = (1 + draw.below(5), 1 + draw.below(3));
        let dilation = if draw.is_true() { 1 } else { 1 + draw.below(3) };
        let (padding, more) = (draw.below(kernel + 1), draw.below(stride.max(dilation)));
        Self { kernel, stride, padding, dilation, more }
    }

    fn reach(&self) -> usize {
        self.dilation * (self.kernel - 1) + 1
    }

    fn convolved(&self, size: usize) -> Option<usize> {
        Some((size + 2 * self.padding).checked_sub(self.reach())? / self.stride + 1)
    }

    fn transposed(&self, size: usize) -> Option<usize> {
        let whole = (size - 1) * self.stride + self.reach() + self.more;
        whole.checked_sub(2 * self.padding).filter(|size| *size > 0)
    }
}

/// Whole numbers of a generator that is the same everywhere.
struct Draw(u64);

impl Draw {
    /// From 0 and below `n`.
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n
    }

    fn is_true(&mut self) -> bool {
        self.below(2) == 0
    }

    /// Mostly odd, around the sixteen lanes and below.
    fn channels(&mut self) -> usize {
        [1, 2, 3, 4, 5, 6, 7, 9, 15, 16, 17, 21][self.below(12)]
    }
}
