//! What convolutions have in common: their sizes, and the products that they and their gradients are.
//!
//! Three operators close under differentiation: [`Conv`], [`ConvBack`], which is the gradient of its input and the
//! forward part of a transposed convolution, and [`ConvWeightGradient`]. One-dimensional ones have a height of 1.

use proc_macro2::TokenStream;
use quote::quote;

use super::spread;
use crate::differentiate::Gradient;
use crate::emit::{KernelCx, number};
use crate::graph::{Before, Graph, Node, NodeId, Operator, ValueLayout};
use crate::plan::{Along, LANES, Strategy, StrategyKind, thousands};

/// What the constant of the sizes is called behind the layer's name.
pub const WINDOW: &str = "window";

/// Sizes of a convolution; pairs are rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Channels, height and width of x.
    pub input: [usize; 3],
    /// Channels, height and width of y.
    pub output: [usize; 3],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Places of x between places of y.
    pub stride: [usize; 2],
    /// Places before the first row and column of x.
    pub padding: [usize; 2],
    /// Places of x between elements of the kernel.
    pub dilation: [usize; 2],
    /// Parts of the channels.
    pub groups: usize,
}

impl Window {
    fn channels(&self) -> usize {
        self.input[0] / self.groups.max(1)
    }

    fn outputs(&self) -> usize {
        self.output[0] / self.groups.max(1)
    }

    /// Elements of the kernel for one channel of the output.
    fn weights(&self) -> usize {
        self.channels() * self.kernel.iter().product::<usize>()
    }

    /// Multiplications for one sample.
    fn products(&self) -> usize {
        self.output.iter().product::<usize>() * self.weights()
    }

    /// Output channels of one sample that are computed together, and are whole rows of it: eight where lanes are over the
    /// places of long rows, as the runtime has it, and else those of a panel.
    fn channels_of_unit(&self) -> Option<usize> {
        let [outputs, height, width] = self.output;
        let has_long_rows = self.stride[1] == 1
            && width >= LANES
            && width.div_ceil(LANES) * outputs <= outputs.div_ceil(LANES) * width;
        let channels = if has_long_rows || self.groups > 1 { 8 } else { LANES };
        (outputs.is_multiple_of(channels) && (channels * height * width).is_multiple_of(LANES))
            .then_some(channels)
    }

    fn input_len(&self) -> usize {
        self.input.iter().product()
    }

    fn output_len(&self) -> usize {
        self.output.iter().product()
    }

    /// Height and width that the kernel reaches over, from the first row and column of the padding on.
    pub fn reach(&self) -> [usize; 2] {
        let along = |axis: usize| {
            let (out, stride) = (self.output[axis + 1], self.stride[axis]);
            let kernel = (self.kernel[axis].max(1) - 1) * self.dilation[axis] + 1;
            let needed = (out.max(1) - 1) * stride + kernel;
            needed.max(self.input[axis + 1] + self.padding[axis])
        };
        [along(0), along(1)]
    }

    /// Numbers of an image that has its padding already.
    pub fn padded_len(&self) -> usize {
        self.input[0] * self.reach().iter().product::<usize>()
    }

    pub fn is_padded(&self) -> bool {
        self.padded_len() != self.input_len()
    }

    /// The constant of the emitted code that holds the sizes.
    pub fn constant(&self) -> (&'static str, TokenStream, TokenStream) {
        let list = |numbers: &[usize]| {
            let numbers = numbers.iter().map(|n| number(*n));
            quote!([#(#numbers),*])
        };
        let (input, output, kernel) = (list(&self.input), list(&self.output), list(&self.kernel));
        let (stride, padding, dilation) = (list(&self.stride), list(&self.padding), list(&self.dilation));
        let groups = number(self.groups);
        let value = quote! {
            rt::conv::Window {
                input: #input,
                output: #output,
                kernel: #kernel,
                stride: #stride,
                padding: #padding,
                dilation: #dilation,
                groups: #groups,
            }
        };
        (WINDOW, quote!(rt::conv::Window), value)
    }

    /// Products, and what they are of.
    fn sum(&self) -> String {
        let [o, h, w] = self.output;
        let products = thousands(self.products());
        format!("{o} x {h} x {w} places x {} weights = {products} products", self.weights())
    }

    fn tiled(&self) -> Strategy {
        Strategy::new(StrategyKind::Tiled, self.sum())
    }

    /// The code for one sample, of an image `x` that has the padding of `window` already.
    pub fn emit_one(&self, cx: &KernelCx<'_>, window: &TokenStream, x: &TokenStream) -> TokenStream {
        let (weight, bias) = (cx.operand(1), cx.optional(2));
        let (weights, panels) = (cx.number(self.weights()), cx.panels(self.output[0]));
        let channels = self.channels_of_unit().unwrap_or(self.output[0]);
        let of = cx.part_of_one(self.output[0] / channels.max(1), channels);
        cx.room("image").made(cx, |image| {
            quote!(rt::conv::single::<L, #weights, #panels>(&#window, #x, #weight, #bias, #of, #image);)
        })
    }

    /// The strategy of what makes an image of this height and width.
    fn strategy(&self, [_, height, width]: [usize; 3]) -> Strategy {
        let Some(elements) = self.winograd_elements() else { return self.tiled() };
        // Tiles of two times two places, two beside each other.
        let tiles = height.div_ceil(2) * width.div_ceil(4) * 2;
        let (channels, outputs) = (self.input[0], self.output[0]);
        let products = elements * tiles * channels * outputs;
        let rows = elements * (outputs.div_ceil(LANES) * channels + 2 * (channels + 1 + outputs));
        if 3 * products > 2 * self.products() || rows > MOST_WINOGRAD_ROWS {
            return self.tiled();
        }
        let reason = format!("{}, {} in tiles of 2 x 2 places", self.sum(), thousands(products));
        Strategy::new(StrategyKind::Winograd(rows), reason)
    }

    /// Products in a tile of Winograd's algorithm for each pair of channels, for convolutions that it is for: of a kernel of
    /// 3 x 3 or 5 x 5 places, a stride of 1, and so many channels that bringing tiles into its form and back takes less than
    /// it saves.
    fn winograd_elements(&self) -> Option<usize> {
        let [taps, _] = self.kernel;
        let (channels, outputs) = (self.input[0], self.output[0]);
        let fits = self.kernel == [taps; 2]
            && self.stride == [1, 1]
            && self.dilation == [1, 1]
            && self.groups == 1
            && self.padding.iter().all(|padding| *padding < taps)
            && channels.min(outputs) >= WINOGRAD_CHANNELS;
        // Larger tiles take more to bring there and back: measured on a Zen 5, 8 channels to 8 are slower, 8 to 16 faster.
        let fits = fits && (taps == 3 || taps == 5 && channels * outputs >= 2 * WINOGRAD_CHANNELS.pow(2));
        fits.then_some((taps + 1) * (taps + 1))
    }
}

/// Rows of memory up to which it is taken, 6 MiB for a group: what kernels of more channels need is larger than the
/// images that they are of.
const MOST_WINOGRAD_ROWS: usize = 6 << 14;

/// Channels from which on Winograd's algorithm is the faster one.
const WINOGRAD_CHANNELS: usize = 8;

/// Channels and places of a tile of registers: 24 sums at most, so that operands fit beside them, and more than ten, which
/// would wait for one another.
///
/// Measured on Zen 4 and Sapphire Rapids: eight channels by two places are the fastest, because places of many channels
/// lie far apart and a tile of them reads few; another tile has to save a tenth of the sums.
fn tile(channels: usize, places: usize, groups: usize) -> (usize, usize) {
    let waste = |len: usize, size: usize| len.div_ceil(size) * size;
    // In a panel of sixteen; with groups a tile must neither leave its panel nor its part.
    let per_panel = |size: usize| {
        let full = channels / LANES * waste(LANES, size);
        full + if channels.is_multiple_of(LANES) { 0 } else { waste(channels % LANES, size) }
    };
    let fits = |size: usize| {
        size <= channels && (groups == 1 || (LANES.is_multiple_of(size) && channels.is_multiple_of(size)))
    };
    let sums = |(rows, columns): (usize, usize)| per_panel(rows) * waste(places, columns);
    let mut best = None;
    for rows in [8, 4, 6, 5, 3, 2, 1].into_iter().filter(|size| fits(*size)) {
        let most = if rows == 8 { 2 } else { (24 / rows).min(8) };
        for columns in [4, 5, 6, 8, 7, 3, 2].into_iter().filter(|size| *size <= most && rows * size > 10) {
            if best.is_none_or(|best| 10 * sums((rows, columns)) < 9 * sums(best)) {
                best = Some((rows, columns));
            }
        }
    }
    best.unwrap_or((1, 8))
}

/// Output channels and channels of a tile of the weight gradient, beside the columns of the kernel.
///
/// Measured as [`tile`]: rows of few places are faster with fewer sums, of which their edges need not put any aside.
fn weight_tile(window: &Window) -> (usize, usize) {
    let columns = window.kernel[1].max(1);
    let is_narrow = window.output[2] < 16 && matches!(columns, 2 | 3);
    let (across, sums) = if is_narrow { (9, 18) } else { (6, 24) };
    let channels = (across / columns).clamp(1, 4).min(window.channels().max(1));
    let most = (sums / (columns * channels)).clamp(1, 4);
    let outputs = if window.groups == 1 { window.output[0] } else { window.outputs() };
    let fits =
        |size: &usize| window.groups == 1 || (LANES.is_multiple_of(*size) && outputs.is_multiple_of(*size));
    let rows = [4, 3, 2, 1].into_iter().filter(fits).filter(|size| *size <= most.min(outputs.max(1)));
    (rows.min_by_key(|size| outputs.div_ceil(*size) * size).unwrap_or(1), channels)
}

/// y = W * x, or W * x + b. Operands: x, weight, and bias if there is one.
#[derive(Debug)]
pub struct Conv(pub Window);

/// What each place of x gets back from the places of y that saw it. Operands: y, weight, and bias of the channels of x if
/// there is one.
#[derive(Debug)]
pub struct ConvBack(pub Window);

/// The sum over samples and places of y x. Operands: x, y.
#[derive(Debug)]
struct ConvWeightGradient(Window);

/// Gradients of a product with a weight and a bias: `of_x` is the operator for the input's, `x_and_y` the operands of the
/// weight's, `channels` are those of the bias.
fn gradients(
    cx: &mut Gradient<'_>,
    window: Window,
    of_x: impl Operator + 'static,
    [x, y]: [NodeId; 2],
    channels: usize,
) -> Vec<(usize, NodeId)> {
    let mut gradients = Vec::new();
    let (input, weight, d_y) = (cx.operand(0), cx.operand(1), cx.d_y);
    // The gradient of the input first: it reads the weight, which the weight's own gradient may update.
    if cx.needs(0) {
        let shape = cx.graph.node(input).shape.clone();
        gradients.push((0, cx.operator(of_x, vec![d_y, weight], shape, true)));
    }
    if cx.needs(1) {
        let shape = cx.graph.node(weight).shape.clone();
        gradients.push((1, cx.operator(ConvWeightGradient(window), vec![x, y], shape, false)));
    }
    if cx.needs(2) {
        let bias = cx.operand(2);
        let places = cx.graph.node(cx.id).len() / channels.max(1);
        let sums = if places == 1 { d_y } else { spread::gather(cx, d_y, places, channels) };
        gradients.push((2, cx.onto(sums, bias)));
    }
    gradients
}

fn product(names: &[String], product: &str) -> String {
    match names {
        [x, weight, bias] => format!("{weight} {product} {x} + {bias}"),
        [x, weight] => format!("{weight} {product} {x}"),
        _ => format!("W {product} x"),
    }
}

impl Conv {
    /// Channels and places of a tile.
    fn tile(&self) -> (usize, usize) {
        let channels = if self.0.groups == 1 { self.0.output[0] } else { self.0.outputs() };
        tile(channels, self.0.output[2], self.0.groups)
    }
}

impl Operator for Conv {
    fn name(&self) -> &'static str {
        "conv"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        let operands = [cx.operand(0), cx.d_y];
        gradients(cx, self.0, ConvBack(self.0), operands, self.0.output[0])
    }

    fn constant(&self) -> Option<(&'static str, TokenStream, TokenStream)> {
        Some(self.0.constant())
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        let bias = if node.inputs.len() > 2 { node.len() } else { 0 };
        (2 * self.0.products() + bias) as u64
    }

    fn formula(&self, names: &[String]) -> String {
        product(names, "*")
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        self.0.strategy(self.0.output)
    }

    fn can_be_halved(&self, graph: &Graph, node: &Node) -> bool {
        match self.strategy(graph, node).kind {
            StrategyKind::Winograd(_) => true,
            _ => self.tile().1.is_multiple_of(2),
        }
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let window = cx.constant(WINDOW);
        let (x, weight, bias) = (cx.operand(0), cx.operand(1), cx.optional(2));
        let panels = cx.panels(self.0.output[0]);
        let (len, weights) = (cx.number(self.0.input_len()), cx.number(self.0.weights()));
        if let StrategyKind::Winograd(_) = cx.strategy.kind {
            let (partial, taps) = (cx.partial(), number(self.0.kernel[0]));
            if let Some([value, finish]) = cx.halved() {
                return quote! {
                    rt::conv::winograd_halved::<L, #taps, #len, #weights, #panels, _>(
                        &#window, #x, #weight, #bias, #partial, #value, #finish
                    );
                };
            }
            let finish = cx.closure(&["g", "o"]);
            return quote! {
                rt::conv::winograd::<L, #taps, #len, #weights, #panels, _>(
                    &#window, #x, #weight, #bias, #partial, #finish
                );
            };
        }
        let (rows, columns) = self.tile();
        let (rows, columns) = (cx.number(rows), cx.number(columns));
        if let Some([value, finish]) = cx.halved() {
            return quote! {
                rt::conv::forward_halved::<L, #len, #weights, #panels, #rows, #columns>(
                    &#window, #x, #weight, #bias, #value, #finish
                );
            };
        }
        let finish = cx.closure(&["g", "o"]);
        quote! {
            rt::conv::forward::<L, #len, #weights, #panels, #rows, #columns>(
                &#window, #x, #weight, #bias, #finish
            );
        }
    }

    fn along_one(&self, _: &Node) -> Option<Along> {
        let [outputs, height, width] = self.0.output;
        let channels = self.0.channels_of_unit()?;
        let rows = channels * height * width / LANES;
        Some(Along::Rows(outputs / channels, rows))
    }

    fn apart(&self) -> Option<Before> {
        super::conv_padded::apart(self.0)
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let (window, x) = (cx.constant(WINDOW), cx.operand(0));
        // Without padding the image is read where it lies.
        if !self.0.is_padded() {
            return self.0.emit_one(cx, &window, &x);
        }
        let rows = cx.panels(self.0.padded_len());
        let code = self.0.emit_one(cx, &quote!(#window.padded()), &quote!(&padded));
        quote! {
            let mut padded: [Row; #rows] = [ZERO_ROW; #rows];
            rt::conv::pad(&#window, #x, &mut padded);
            #code
        }
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        products(&self.0, operands, self.0.output_len(), |x, y| (x, y))
    }
}

impl Operator for ConvBack {
    fn name(&self) -> &'static str {
        "conv_back"
    }

    fn gradient(&self, cx: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        // x and y change places.
        let operands = [cx.d_y, cx.operand(0)];
        gradients(cx, self.0, Conv(self.0), operands, self.0.input[0])
    }

    fn constant(&self) -> Option<(&'static str, TokenStream, TokenStream)> {
        Some(self.0.constant())
    }

    fn flops(&self, _: &Graph, node: &Node) -> u64 {
        let bias = if node.inputs.len() > 2 { node.len() } else { 0 };
        (2 * self.0.products() + bias) as u64
    }

    fn formula(&self, names: &[String]) -> String {
        product(names, "*ᵀ")
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        self.0.strategy(self.0.input)
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let window = cx.constant(WINDOW);
        let (d_y, weight, bias) = (cx.operand(0), cx.operand(1), cx.optional(2));
        let panels = cx.panels(self.0.output[0]);
        let (len, weights) = (cx.number(self.0.output_len()), cx.number(self.0.weights()));
        if let StrategyKind::Winograd(_) = cx.strategy.kind {
            let (partial, finish) = (cx.partial(), cx.closure(&["g", "o"]));
            let taps = number(self.0.kernel[0]);
            return quote! {
                rt::conv::winograd_back::<L, #taps, #len, #weights, #panels, _>(
                    &#window, #d_y, #weight, #bias, #partial, #finish
                );
            };
        }
        let places = self.0.input[2].div_ceil(self.0.stride[1].max(1));
        let (rows, columns) = tile(self.0.channels(), places, 1);
        let (rows, columns) = (cx.number(rows), cx.number(columns));
        let finish = cx.closure(&["g", "o"]);
        quote! {
            rt::conv::input_gradient::<L, #len, #weights, #panels, #rows, #columns>(
                &#window, #d_y, #weight, #bias, #finish
            );
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        let window = cx.constant(WINDOW);
        let (y, weight, bias) = (cx.operand(0), cx.operand(1), cx.optional(2));
        let (weights, panels) = (cx.number(self.0.weights()), cx.panels(self.0.output[0]));
        cx.room("image").made(cx, |image| {
            quote!(rt::conv::single_back::<L, #weights, #panels>(&#window, #y, #weight, #bias, #image);)
        })
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        products(&self.0, operands, self.0.input_len(), |x, y| (y, x))
    }
}

impl Operator for ConvWeightGradient {
    fn name(&self) -> &'static str {
        "conv_weight_gradient"
    }

    fn gradient(&self, _: &mut Gradient<'_>) -> Vec<(usize, NodeId)> {
        Vec::new()
    }

    fn layout(&self) -> ValueLayout {
        ValueLayout::Parameter
    }

    fn along(&self, _: &Graph, _: &Node) -> Option<Along> {
        let [height, width] = self.0.kernel;
        Some(Along::Taps(self.0.channels() * height, width))
    }

    fn constant(&self) -> Option<(&'static str, TokenStream, TokenStream)> {
        Some(self.0.constant())
    }

    fn flops(&self, _: &Graph, _: &Node) -> u64 {
        2 * self.0.products() as u64
    }

    fn formula(&self, names: &[String]) -> String {
        match names {
            [x, d_y] => format!("sum over samples and places of {d_y} {x}"),
            _ => "sum over samples and places of d_y x".to_owned(),
        }
    }

    fn strategy(&self, _: &Graph, _: &Node) -> Strategy {
        self.0.tiled()
    }

    fn emit(&self, cx: &KernelCx<'_>) -> TokenStream {
        let window = cx.constant(WINDOW);
        let (x, d_y) = (cx.operand(0), cx.operand(1));
        // Rows of the kernel of every channel.
        let units = cx.units(self.0.weights() / self.0.kernel[1].max(1));
        let (from, to) = (cx.number(self.0.input_len()), cx.number(self.0.output_len()));
        let (rows, channels) = weight_tile(&self.0);
        let (rows, channels, columns) = (cx.number(rows), cx.number(channels), cx.number(self.0.kernel[1]));
        let finish = cx.closure(&["p", "i"]);
        quote! {
            rt::conv::weight_gradient::<L, #from, #to, #rows, #channels, #columns>(
                &#window, #units, #x, #d_y, #finish
            );
        }
    }

    fn emit_single(&self, cx: &KernelCx<'_>) -> TokenStream {
        cx.lowered()
    }

    #[cfg(feature = "reference")]
    fn reference(&self, operands: &[&ndarray::ArrayD<f64>]) -> ndarray::ArrayD<f64> {
        let [x, y] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
        let (x, y) = (super::reference::matrix(x), super::reference::matrix(y));
        let [height, width] = self.0.kernel;
        let mut weight = vec![0.0; self.0.output[0] * self.0.weights()];
        for (x, y) in x.rows().into_iter().zip(y.rows()) {
            meet(&self.0, |from, to, tap| {
                if let (Some(x), Some(y), Some(weight)) = (x.get(from), y.get(to), weight.get_mut(tap)) {
                    *weight += y * x;
                }
            });
        }
        let shape = vec![self.0.output[0], self.0.channels(), height, width];
        ndarray::ArrayD::from_shape_vec(shape, weight).unwrap_or_else(|_| ndarray::ArrayD::zeros(vec![0]))
    }
}

/// Adds the bias of each channel.
#[cfg(feature = "reference")]
fn add_bias(y: &mut ndarray::Array2<f64>, bias: &ndarray::ArrayD<f64>) {
    let places = (y.ncols() / bias.len().max(1)).max(1);
    for ((_, place), y) in y.indexed_iter_mut() {
        *y += bias.iter().nth(place / places).copied().unwrap_or(f64::NAN);
    }
}

/// The sums of value and weight over all places that meet, with the bias if there is one; `direction` says which of the
/// places of x and y is read and which is added to.
#[cfg(feature = "reference")]
fn products(
    window: &Window,
    operands: &[&ndarray::ArrayD<f64>],
    len: usize,
    direction: fn(usize, usize) -> (usize, usize),
) -> ndarray::ArrayD<f64> {
    let [x, weight, rest @ ..] = operands else { return ndarray::ArrayD::zeros(vec![0]) };
    let x = super::reference::matrix(x);
    let weight: Vec<f64> = weight.iter().copied().collect();
    let mut y = ndarray::Array2::zeros((x.nrows(), len));
    if let [bias] = rest {
        add_bias(&mut y, bias);
    }
    for (x, mut y) in x.rows().into_iter().zip(y.rows_mut()) {
        meet(window, |of_x, of_y, tap| {
            let (from, to) = direction(of_x, of_y);
            if let (Some(x), Some(y), Some(weight)) = (x.get(from), y.get_mut(to), weight.get(tap)) {
                *y += weight * x;
            }
        });
    }
    y.into_dyn()
}

/// Calls `f` for each place of x, place of y and weight that meet.
#[cfg(feature = "reference")]
fn meet(window: &Window, mut f: impl FnMut(usize, usize, usize)) {
    let ([_, height, width], [outputs, rows, columns]) = (window.input, window.output);
    let (channels, per_part) = (window.channels(), window.outputs().max(1));
    let [kernel_height, kernel_width] = window.kernel;
    // A place of x, or none where it is padding.
    let at = |place: usize, element: usize, axis: usize, size: usize| {
        let shifted = place * window.stride[axis] + element * window.dilation[axis];
        shifted.checked_sub(window.padding[axis]).filter(|at| *at < size)
    };
    for output in 0..outputs {
        for (row, column) in (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column))) {
            for channel in 0..channels {
                let image = output / per_part * channels + channel;
                for ky in 0..kernel_height {
                    let Some(y) = at(row, ky, 0, height) else { continue };
                    for kx in 0..kernel_width {
                        let Some(x) = at(column, kx, 1, width) else { continue };
                        f(
                            (image * height + y) * width + x,
                            (output * rows + row) * columns + column,
                            ((output * channels + channel) * kernel_height + ky) * kernel_width + kx,
                        );
                    }
                }
            }
        }
    }
}
