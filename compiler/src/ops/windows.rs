//! Windows over images: which places each takes, and the arguments and faults that layers with windows have in common.
//!
//! Values are `[channels, height, width]`; a signal `[channels, length]` is an image of height 1.

use nnc_grammar::diagnostic::{Code, Diagnostic, Label};
use proc_macro2::TokenStream;
use quote::quote;

use super::{Argument, ArgumentKind, Arguments, Default};
use crate::emit::KernelCx;
use crate::graph::{Builder, NodeId};

/// Which places of an axis each window takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Window `o` begins at `o * stride - padding` and is `kernel` long, without what lies outside of the axis.
    Strided { size: usize, windows: usize, kernel: usize, stride: usize, padding: usize },
    /// Window `o` goes from `o * size / windows`, rounded down, to `(o + 1) * size / windows`, rounded up.
    Adaptive { size: usize, windows: usize },
}

/// Windows over images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Images of a sample.
    pub channels: usize,
    /// Rows.
    pub height: Axis,
    /// Columns.
    pub width: Axis,
}

impl Axis {
    /// An axis of one place and one window.
    pub const ONE: Self = Self::Adaptive { size: 1, windows: 1 };

    pub fn size(self) -> usize {
        match self {
            Self::Strided { size, .. } | Self::Adaptive { size, .. } => size,
        }
    }

    /// Windows.
    pub fn windows(self) -> usize {
        match self {
            Self::Strided { windows, .. } | Self::Adaptive { windows, .. } => windows,
        }
    }

    /// Whether no two windows share a place.
    pub fn is_apart(self) -> bool {
        match self {
            Self::Strided { windows, kernel, stride, .. } => windows == 1 || stride >= kernel,
            Self::Adaptive { size, windows } => size.is_multiple_of(windows),
        }
    }

    /// Places of every window with padding, if all have as many.
    pub fn len(self) -> Option<usize> {
        match self {
            Self::Strided { kernel, .. } => Some(kernel),
            Self::Adaptive { size, windows } if size.is_multiple_of(windows) => Some(size / windows),
            Self::Adaptive { .. } => None,
        }
    }

    /// Whether windows are pairs of places, one after the other, and no place is left over.
    pub fn is_halved(self) -> bool {
        matches!(self, Self::Strided { size, kernel: 2, stride: 2, padding: 0, .. } if size.is_multiple_of(2))
    }

    pub fn is_padded(self) -> bool {
        matches!(self, Self::Strided { padding, .. } if padding > 0)
    }

    pub fn tokens(self, cx: &KernelCx<'_>) -> TokenStream {
        match self {
            Self::Strided { size, windows, kernel, stride, padding } => {
                let [size, windows, kernel, stride, padding] =
                    [size, windows, kernel, stride, padding].map(|n| cx.number(n));
                quote! {
                    rt::pool::Axis::Strided {
                        size: #size, windows: #windows, kernel: #kernel, stride: #stride, padding: #padding
                    }
                }
            }
            Self::Adaptive { size, windows } => {
                let [size, windows] = [size, windows].map(|n| cx.number(n));
                quote!(rt::pool::Axis::Adaptive { size: #size, windows: #windows })
            }
        }
    }

    /// The places of window `o`, each by its definition.
    #[cfg(feature = "reference")]
    fn places(self, o: usize) -> Vec<usize> {
        let holds = |place: &usize| match self {
            Self::Strided { kernel, stride, padding, .. } => {
                let start = o * stride;
                (start..start + kernel).contains(&(place + padding))
            }
            // The window reaches over some part of the place.
            Self::Adaptive { size, windows } => {
                o * size < (place + 1) * windows && place * windows < (o + 1) * size
            }
        };
        (0..self.size()).filter(holds).collect()
    }
}

impl Windows {
    /// The shape of what has one number a window; `axes` are those of the image.
    pub fn shape(self, axes: usize) -> Vec<usize> {
        let sizes = [self.channels, self.height.windows(), self.width.windows()];
        let skipped = if axes == 1 { Some(1) } else { None };
        sizes.into_iter().enumerate().filter(|(n, _)| Some(*n) != skipped).map(|(_, size)| size).collect()
    }

    pub fn is_apart(self) -> bool {
        self.height.is_apart() && self.width.is_apart()
    }

    /// Numbers of every window with padding, if all have as many.
    pub fn len(self) -> Option<usize> {
        Some(self.height.len()? * self.width.len()?)
    }

    pub fn tokens(self, cx: &KernelCx<'_>) -> TokenStream {
        let (channels, height, width) =
            (cx.number(self.channels), self.height.tokens(cx), self.width.tokens(cx));
        quote!(rt::pool::Windows { channels: #channels, height: #height, width: #width })
    }

    /// `windows of 2 x 2, stride 2 x 2`
    pub fn text(self) -> String {
        match (self.height, self.width) {
            (
                Axis::Strided { kernel: k, stride: s, padding: p, .. },
                Axis::Strided { kernel, stride, padding, .. },
            ) => {
                let padding =
                    if p + padding > 0 { format!(", padding {p} x {padding}") } else { String::new() };
                format!("windows of {k} x {kernel}, stride {s} x {stride}{padding}")
            }
            (_, Axis::Strided { kernel, stride, padding, .. }) => {
                let padding = if padding > 0 { format!(", padding {padding}") } else { String::new() };
                format!("windows of {kernel}, stride {stride}{padding}")
            }
            (height, width) if height.windows() * width.windows() == 1 => {
                format!("each channel's {} numbers", height.size() * width.size())
            }
            (height, width) => format!("{} x {} windows", height.windows(), width.windows()),
        }
    }

    /// The features of every window, in order.
    #[cfg(feature = "reference")]
    pub fn features(self) -> Vec<Vec<usize>> {
        let mut all = Vec::new();
        for channel in 0..self.channels {
            for row in 0..self.height.windows() {
                for column in 0..self.width.windows() {
                    let mut window = Vec::new();
                    for h in self.height.places(row) {
                        let start = (channel * self.height.size() + h) * self.width.size();
                        window.extend(self.width.places(column).into_iter().map(|w| start + w));
                    }
                    all.push(window);
                }
            }
        }
        all
    }
}

// ---- Layers --------------------------------------------------------------------------------------------------------

const fn counts(min: usize, axes: usize) -> ArgumentKind {
    ArgumentKind::Counts { min, axes: Some(axes), words: &[] }
}

/// Places of a window along each of `axes`.
pub const fn kernel(axes: usize) -> Argument {
    let docs = "places of a window along each axis";
    Argument { name: "kernel", kind: counts(1, axes), default: None, docs }
}

/// Places from one window to the next.
pub const fn stride(axes: usize) -> Argument {
    let default = Some(Default::Argument("kernel"));
    Argument { name: "stride", kind: counts(1, axes), default, docs: "places from one window to the next" }
}

/// Places that windows reach over each edge.
pub const fn padding(axes: usize) -> Argument {
    let default = Some(Default::Number(0.0));
    Argument {
        name: "padding",
        kind: counts(0, axes),
        default,
        docs: "places that windows reach over each edge",
    }
}

/// Whether padding counts in a mean.
pub const COUNT_INCLUDE_PAD: Argument = Argument {
    name: "count_include_pad",
    kind: ArgumentKind::Bool,
    default: Some(Default::Bool(true)),
    docs: "whether padding counts in a mean",
};

/// Places of the output along each axis.
pub const SIZE: Argument = Argument {
    name: "size",
    kind: counts(1, 2),
    default: None,
    docs: "places of the output along each axis",
};

/// The one value that a layer takes, its channels, and the numbers of each.
///
/// # Errors
/// E0302 for another number of values, E0303 for a value without places.
pub fn channels(
    cx: &Builder<'_>,
    name: &str,
    inputs: &[NodeId],
) -> Result<(NodeId, usize, usize), Box<Diagnostic>> {
    let [x] = inputs else {
        let found = format!("found {}", inputs.len());
        return Err(cx.error(Code::E0302, format!("`{name}` takes one value"), found));
    };
    if let [channels, sizes @ ..] = cx.shape(*x)
        && !sizes.is_empty()
    {
        return Ok((*x, *channels, sizes.iter().product()));
    }
    let label = format!("expected [channels, height, width] or the like, found {:?}", cx.shape(*x));
    let mut error = cx.error(Code::E0303, format!("`{name}` takes channels of several numbers"), label);
    error.secondary.push(comes_from(cx, *x));
    Err(error)
}

/// The one value that a layer takes, which has `axes` axes behind that of the channels.
///
/// # Errors
/// E0302 for another number of values, E0303 for a value of another rank.
pub fn image<const N: usize>(
    cx: &Builder<'_>,
    name: &str,
    inputs: &[NodeId],
) -> Result<(NodeId, usize, [usize; N]), Box<Diagnostic>> {
    let [x] = inputs else {
        let found = format!("found {}", inputs.len());
        return Err(cx.error(Code::E0302, format!("`{name}` takes one value"), found));
    };
    let shape = cx.shape(*x);
    if let Some((channels, sizes)) = shape.split_first()
        && let Ok(sizes) = sizes.try_into()
    {
        return Ok((*x, *channels, sizes));
    }
    let (what, axes) = match N {
        1 => ("a signal", "[channels, length]"),
        _ => ("an image", "[channels, height, width]"),
    };
    let label = format!("expected {axes}, found {shape:?}");
    let mut error = cx.error(Code::E0303, format!("`{name}` takes {what}"), label);
    error.secondary.push(comes_from(cx, *x));
    if shape.len() == N {
        let one: Vec<String> = shape.iter().map(ToString::to_string).collect();
        error.help.push(format!("{what} of one channel is `reshape([1, {}])`", one.join(", ")));
    } else if shape.len() == 3 - N + 1 {
        let other = name.replace(if N == 1 { "1d" } else { "2d" }, if N == 1 { "2d" } else { "1d" });
        error.help.push(format!("`{other}` takes {} axes", shape.len()));
    } else {
        error.help.push(format!("`reshape` gives a value the axes {axes}"));
    }
    Err(error)
}

/// The one value that a layer takes, and its shape: `[channels, length]` or `[channels, height, width]`.
///
/// # Errors
/// E0302 for another number of values, E0303 for a value of another rank.
pub fn places(
    cx: &Builder<'_>,
    name: &str,
    inputs: &[NodeId],
) -> Result<(NodeId, Vec<usize>), Box<Diagnostic>> {
    let [x] = inputs else {
        let found = format!("found {}", inputs.len());
        return Err(cx.error(Code::E0302, format!("`{name}` takes one value"), found));
    };
    let shape = cx.shape(*x);
    if matches!(shape.len(), 2 | 3) {
        return Ok((*x, shape.to_vec()));
    }
    let label = format!("expected [channels, length] or [channels, height, width], found {shape:?}");
    let mut error = cx.error(Code::E0303, format!("`{name}` takes an image or a signal"), label);
    error.secondary.push(comes_from(cx, *x));
    error.help.push("`reshape` gives a value these axes".to_owned());
    Err(error)
}

/// Points at the layer that a value comes from, and says its shape.
pub fn comes_from(cx: &Builder<'_>, id: NodeId) -> Label {
    let layer = cx.graph.layer(cx.graph.node(id).layer);
    Label { span: layer.span, text: format!("`{}` is {:?}", layer.name, cx.shape(id)) }
}

/// The windows of a layer with `kernel`, `stride` and `padding`, over `N` axes.
///
/// # Errors
/// E0205 for a padding of more than half the kernel, E0301 for a kernel that is larger than the padded input.
pub fn strided<const N: usize>(
    cx: &Builder<'_>,
    name: &str,
    arguments: &Arguments,
    x: NodeId,
    sizes: [usize; N],
) -> Result<[Axis; N], Box<Diagnostic>> {
    let [kernels, strides, paddings] =
        ["kernel", "stride", "padding"].map(|argument| arguments.counts::<N>(argument));
    let mut axes = [Axis::ONE; N];
    let names: &[&str] = if N == 1 { &["length"] } else { &["height", "width"] };
    let numbers = sizes.into_iter().zip(kernels).zip(strides).zip(paddings);
    for ((slot, axis), (((size, kernel), stride), padding)) in axes.iter_mut().zip(names).zip(numbers) {
        if padding > kernel / 2 {
            let label = format!("expected at most {} along the {axis}, found {padding}", kernel / 2);
            let mut error =
                cx.error(Code::E0205, format!("the padding of `{name}` is more than half its kernel"), label);
            error.primary.span = arguments.span("padding").unwrap_or(cx.span);
            error.notes.push(format!("the kernel is {kernel}: a window could lie in the padding alone"));
            return Err(error);
        }
        let room = (size, [padding, padding]);
        let windows = steps(cx, name, arguments, (axis, x), room, [kernel, stride, 1])?;
        *slot = Axis::Strided { size, windows, kernel, stride, padding };
    }
    Ok(axes)
}

/// Steps of a kernel along an axis of `size` and its padding before and behind:
/// (size + padding - reach) / stride + 1, with the reach of a kernel whose elements are `dilation` apart.
///
/// # Errors
/// E0301 when the kernel reaches over more than there is.
pub fn steps(
    cx: &Builder<'_>,
    name: &str,
    arguments: &Arguments,
    (axis, x): (&str, NodeId),
    (size, [before, behind]): (usize, [usize; 2]),
    [kernel, stride, dilation]: [usize; 3],
) -> Result<usize, Box<Diagnostic>> {
    let reach = (kernel.max(1) - 1) * dilation + 1;
    let room = size + before + behind;
    if reach <= room {
        return Ok((room - reach) / stride.max(1) + 1);
    }
    let label = format!("expected at most {room}, found {reach} along the {axis}");
    let mut error = cx.error(Code::E0301, format!("the kernel of `{name}` is larger than its input"), label);
    error.primary.span = arguments.span("kernel").unwrap_or(cx.span);
    error.secondary.push(comes_from(cx, x));
    if dilation > 1 {
        error.notes.push(format!("the kernel reaches over ({kernel} - 1) * {dilation} + 1 = {reach} places"));
    }
    let padding = if before == behind { format!("2*{before}") } else { format!("{before} + {behind}") };
    error
        .notes
        .push(format!("the {axis} of the output would be ({size} + {padding} - {reach}) / {stride} + 1"));
    // Where more padding than half a kernel is refused, it is no help.
    let needed = (reach - size.min(reach)).div_ceil(2);
    if needed <= reach / 2 {
        error.help.push(format!("pad the input with `padding = {needed}`, or take a smaller kernel"));
    } else {
        error.help.push("take a smaller kernel".to_owned());
    }
    Err(error)
}

#[cfg(test)]
mod tests {
    use nnc_grammar::diagnostic::{Code, Diagnostic};

    use crate::compile::{Options, compile};

    fn output(body: &str) -> Vec<usize> {
        let found = compile("m.nn", &format!("model M {{ {body} }}"), &Options::default());
        assert!(found.diagnostics.is_empty(), "{body}: {:?}", found.diagnostics);
        found.models.first().expect("a model").info.output.clone()
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
        assert_eq!(output("input [3, 28, 27] max_pool2d(2)"), [3, 14, 13]);
        assert_eq!(output("input [3, 28, 27] avg_pool2d(5, stride = 1, padding = 2)"), [3, 28, 27]);
        assert_eq!(
            output("input [3, 28, 27] max_pool2d([1, 3], padding = [0, 1], stride = [2, 3])"),
            [3, 14, 9]
        );
        assert_eq!(output("input [3, 28] max_pool1d(28) avg_pool1d(1)"), [3, 1]);
        assert_eq!(output("input [3, 28] avg_pool1d([4])"), [3, 7]);
        assert_eq!(output("input [3, 4, 5] global_avg_pool"), [3]);
        assert_eq!(output("input [3, 4] global_max_pool"), [3]);
        assert_eq!(output("input [3, 4, 5, 6] global_max_pool"), [3]);
        assert_eq!(output("input [3, 4, 5] adaptive_avg_pool2d(7)"), [3, 7, 7]);
        assert_eq!(output("input [3, 4, 5] adaptive_max_pool2d([2, 1])"), [3, 2, 1]);
        assert_eq!(output("input [12] reshape([3, 2, 2]) reshape([4, 3])"), [4, 3]);
    }

    #[test]
    fn a_kernel_fits_its_input() {
        let (fault, under) = fault_of("input x: [1, 3, 9] max_pool2d(5, stride = 2)");
        assert_eq!((fault.code, under.as_str()), (Code::E0301, "5"));
        assert_eq!(fault.message, "the kernel of `max_pool2d` is larger than its input");
        assert_eq!(fault.primary.text, "expected at most 3, found 5 along the height");
        assert_eq!(fault.secondary[0].text, "`x` is [1, 3, 9]");
        assert_eq!(fault.notes, ["the height of the output would be (3 + 2*0 - 5) / 2 + 1"]);
        assert_eq!(fault.help, ["pad the input with `padding = 1`, or take a smaller kernel"]);
        let (fault, under) = fault_of("input [1, 3] avg_pool1d(kernel = 9, padding = 2)");
        assert_eq!((fault.code, under.as_str()), (Code::E0301, "kernel = 9"));
        assert_eq!(fault.primary.text, "expected at most 7, found 9 along the length");
        assert_eq!(fault.help, ["pad the input with `padding = 3`, or take a smaller kernel"]);
    }

    #[test]
    fn padding_is_at_most_half_a_kernel() {
        let (fault, under) = fault_of("input [1, 8, 8] max_pool2d(3, padding = [1, 2])");
        assert_eq!((fault.code, under.as_str()), (Code::E0205, "padding = [1, 2]"));
        assert_eq!(fault.primary.text, "expected at most 1 along the width, found 2");
    }

    #[test]
    fn numbers_of_windows() {
        let (wrong, under) = fault_of("input [1, 8, 8] max_pool2d(2, stride = 0)");
        assert_eq!((wrong.code, under.as_str()), (Code::E0205, "0"));
        assert_eq!(wrong.message, "`stride` of `max_pool2d` is a whole number from 1");
        let (wrong, under) = fault_of("input [1, 8, 8] max_pool2d([2, 2, 2])");
        assert_eq!((wrong.code, under.as_str()), (Code::E0205, "[2, 2, 2]"));
        assert_eq!(wrong.primary.text, "expected one number or a list of 2, found a list of 3");
        assert_eq!(fault_of("input [1, 8, 8] max_pool2d([2, 0])").1, "0");
        assert_eq!(fault_of("input [1, 8, 8] max_pool2d(2, padding = 0.5)").0.code, Code::E0205);
        assert_eq!(fault_of("input [1, 8, 8] max_pool2d(same)").0.code, Code::E0207);
        assert_eq!(fault_of("input [1, 8, 8] avg_pool2d").0.code, Code::E0203);
        assert_eq!(fault_of("input [1, 8] avg_pool1d([2, 2])").0.code, Code::E0205);
        assert_eq!(fault_of("input [1, 8, 8] adaptive_avg_pool2d(0)").0.code, Code::E0205);
    }

    #[test]
    fn images_have_three_axes() {
        let (wrong, under) = fault_of("input pixels: [28, 28] max_pool2d(2)");
        assert_eq!((wrong.code, under.as_str()), (Code::E0303, "max_pool2d(2)"));
        assert_eq!(wrong.message, "`max_pool2d` takes an image");
        assert_eq!(wrong.primary.text, "expected [channels, height, width], found [28, 28]");
        assert_eq!(wrong.secondary[0].text, "`pixels` is [28, 28]");
        assert_eq!(wrong.help, ["an image of one channel is `reshape([1, 28, 28])`"]);
        let (wrong, _) = fault_of("input [3, 8, 8] max_pool1d(2)");
        assert_eq!(wrong.help, ["`max_pool2d` takes 3 axes"]);
        let (wrong, _) = fault_of("input [784] adaptive_max_pool2d(2)");
        assert_eq!(wrong.help, ["`reshape` gives a value the axes [channels, height, width]"]);
        let (wrong, _) = fault_of("input [7] global_avg_pool");
        assert_eq!(wrong.primary.text, "expected [channels, height, width] or the like, found [7]");
    }

    #[test]
    fn reshape_keeps_the_number_of_values() {
        let (wrong, under) = fault_of("input [784] reshape([1, 28, 27])");
        assert_eq!((wrong.code, under.as_str()), (Code::E0301, "[1, 28, 27]"));
        assert_eq!(wrong.primary.text, "expected a shape of 784 values, found 1 * 28 * 27 = 756");
        assert_eq!(wrong.secondary[0].text, "`input` is [784]");
    }
}
