//! Arguments and shapes of the convolution layers.

use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::Span;

use super::conv::Window;
use super::{Arguments, windows};
use crate::graph::{Builder, NodeId};
use crate::program::Initializer;

/// Words for `padding`.
pub const SAME: &[&str] = &["same", "valid"];

/// The arguments of a convolution over `axes` axes.
macro_rules! arguments {
    ($axes:literal, $padding:expr $(, $more:expr)*) => {
        &[
            Argument {
                name: "channels",
                kind: ArgumentKind::Count,
                default: None,
                docs: "number of output channels",
            },
            Argument {
                name: "kernel",
                kind: ArgumentKind::Counts { min: 1, axes: Some($axes), words: &[] },
                default: None,
                docs: "size of the kernel",
            },
            Argument {
                name: "stride",
                kind: ArgumentKind::Counts { min: 1, axes: Some($axes), words: &[] },
                default: Some(Default::Number(1.0)),
                docs: "places from one output to the next",
            },
            $padding,
            $($more,)*
            Argument {
                name: "dilation",
                kind: ArgumentKind::Counts { min: 1, axes: Some($axes), words: &[] },
                default: Some(Default::Number(1.0)),
                docs: "places from one element of the kernel to the next",
            },
            Argument {
                name: "groups",
                kind: ArgumentKind::Count,
                default: Some(Default::Number(1.0)),
                docs: "parts of the channels that do not see one another",
            },
            Argument {
                name: "bias",
                kind: ArgumentKind::Bool,
                default: Some(Default::Bool(true)),
                docs: "whether a bias is added to each channel",
            },
            Argument {
                name: "init",
                kind: ArgumentKind::Init,
                default: Some(Default::Init("he")),
                docs: "how the weight starts",
            },
            Argument {
                name: "bias_init",
                kind: ArgumentKind::Init,
                default: Some(Default::Init("zeros")),
                docs: "how the bias starts",
            },
        ]
    };
}
pub(super) use arguments;

/// The value that goes in, and its channels, height and width; a signal `[channels, length]` has a height of 1.
///
/// # Errors
/// E0302 and E0303.
pub fn image(
    cx: &Builder<'_>,
    name: &str,
    axes: usize,
    inputs: &[NodeId],
) -> Result<(NodeId, [usize; 3]), Box<Diagnostic>> {
    if axes == 1 {
        let (x, channels, [length]) = windows::image(cx, name, inputs)?;
        return Ok((x, [channels, 1, length]));
    }
    let (x, channels, [height, width]) = windows::image(cx, name, inputs)?;
    Ok((x, [channels, height, width]))
}

/// Two numbers, rows first, of an argument of `axes` axes; `other` for the rows that a signal does not have.
pub fn pair(arguments: &Arguments, name: &str, axes: usize, other: usize) -> [usize; 2] {
    match axes {
        1 => {
            let [along] = arguments.counts(name);
            [other, along]
        }
        _ => arguments.counts(name),
    }
}

/// Checks that groups divide channels.
///
/// # Errors
/// E0308.
pub fn check_groups(
    cx: &Builder<'_>,
    name: &str,
    arguments: &Arguments,
    channels: [(usize, &str); 2],
) -> Result<usize, Box<Diagnostic>> {
    let groups = arguments.count("groups").max(1);
    for (count, whose) in channels {
        if count.is_multiple_of(groups) {
            continue;
        }
        let mut error = cx.error(
            Code::E0308,
            format!("the channels of `{name}` cannot be divided into {groups} groups"),
            format!("expected a multiple of {groups}, found {count} {whose} channels"),
        );
        if let Some(span) = arguments.span("groups") {
            error = Box::new(error.with_label(span, "the groups"));
        }
        let divisors: Vec<String> = (2..=count.min(4096))
            .filter(|n| channels.iter().all(|(count, _)| count.is_multiple_of(*n)))
            .map(|n| n.to_string())
            .take(8)
            .collect();
        error.help.push(if divisors.is_empty() {
            "leave `groups` out: the numbers of channels have no common divisor".to_owned()
        } else {
            format!("`groups` can be {}", divisors.join(", "))
        });
        return Err(error);
    }
    Ok(groups)
}

/// Padding before and after each axis.
pub fn padding(
    arguments: &Arguments,
    axes: usize,
    kernel: [usize; 2],
    dilation: [usize; 2],
) -> [(usize, usize); 2] {
    match arguments.choice("padding") {
        "same" => {
            let [rows, columns] = kernel;
            let [down, across] = dilation;
            // As much as keeps the size with a stride of 1; of an odd number more behind, as PyTorch does.
            let around = |kernel: usize, dilation: usize| {
                let all = (kernel.max(1) - 1) * dilation;
                (all / 2, all - all / 2)
            };
            [around(rows, down), around(columns, across)]
        }
        "valid" => [(0, 0); 2],
        _ => pair(arguments, "padding", axes, 0).map(|n| (n, n)),
    }
}

/// The number of places of an output axis: (size + before + after - reach) / stride + 1.
///
/// # Errors
/// E0301 when the kernel reaches over more than there is.
pub fn places(
    cx: &Builder<'_>,
    name: &str,
    (axis, x): (&str, NodeId),
    size: usize,
    [kernel, stride, dilation]: [usize; 3],
    (before, after): (usize, usize),
    span: Option<Span>,
) -> Result<usize, Box<Diagnostic>> {
    let reach = (kernel.max(1) - 1) * dilation + 1;
    let room = size + before + after;
    if reach <= room {
        return Ok((room - reach) / stride.max(1) + 1);
    }
    let label = format!("expected at most {room}, found {reach} along the {axis}");
    let mut error = cx.error(Code::E0301, format!("the kernel of `{name}` is larger than its input"), label);
    error.primary.span = span.unwrap_or(cx.span);
    error.secondary.push(windows::comes_from(cx, x));
    if dilation > 1 {
        let sum = format!("the kernel reaches over ({kernel} - 1) * {dilation} + 1 = {reach} places");
        error.notes.push(sum);
    }
    let sum = format!("({size} + {before} + {after} - {reach}) / {stride} + 1");
    error.notes.push(format!("the {axis} of the output would be {sum}"));
    let padding = (reach - size.min(reach)).div_ceil(2);
    error.help.push(format!("pad the input with `padding = {padding}`, or take a smaller kernel"));
    Err(error)
}

/// Adds weight and bias of a convolution and gives the operands of its operator.
///
/// # Errors
/// E0203 when there is no initializer.
pub fn operands(
    cx: &mut Builder<'_>,
    arguments: &Arguments,
    x: NodeId,
    window: &Window,
    [channels, of_x]: [usize; 2],
    axes: usize,
) -> Result<Vec<NodeId>, Box<Diagnostic>> {
    let missing =
        |cx: &Builder<'_>| cx.error(Code::E0203, "a convolution needs an initializer", "found none");
    let init: Initializer = arguments.init("init").cloned().ok_or_else(|| missing(cx))?;
    let [outputs, ..] = window.output;
    let [inputs, ..] = window.input;
    let [height, width] = window.kernel;
    let mut shape = vec![outputs, inputs / window.groups.max(1)];
    shape.extend(if axes == 1 { vec![width] } else { vec![height, width] });
    // What reaches one number of the output, and what one number of the input reaches.
    let fan =
        (of_x / window.groups.max(1) * height * width, channels / window.groups.max(1) * height * width);
    let mut operands = vec![x, cx.matrix("weight", shape, init, fan)];
    if arguments.flag("bias") {
        let init = arguments.init("bias_init").cloned().ok_or_else(|| missing(cx))?;
        operands.push(cx.parameter("bias", vec![channels], init, fan));
    }
    Ok(operands)
}

/// Adds a convolution over one or two axes.
///
/// # Errors
/// E0301, E0302, E0303, E0308.
pub fn conv(
    cx: &mut Builder<'_>,
    name: &str,
    axes: usize,
    arguments: &Arguments,
    inputs: &[NodeId],
) -> Result<NodeId, Box<Diagnostic>> {
    let (x, input) = image(cx, name, axes, inputs)?;
    let [from, height, width] = input;
    let channels = arguments.count("channels");
    let groups = check_groups(cx, name, arguments, [(from, "input"), (channels, "output")])?;
    let kernel = pair(arguments, "kernel", axes, 1);
    let [stride, dilation] = ["stride", "dilation"].map(|name| pair(arguments, name, axes, 1));
    let around = padding(arguments, axes, kernel, dilation);
    let sizes = |axis: usize| [kernel[axis], stride[axis], dilation[axis]];
    let names = if axes == 1 { ["height", "length"] } else { ["height", "width"] };
    let span = arguments.span("kernel");
    let rows = places(cx, name, (names[0], x), height, sizes(0), around[0], span)?;
    let columns = places(cx, name, (names[1], x), width, sizes(1), around[1], span)?;
    let output = [channels, rows, columns];
    let padding = around.map(|(before, _)| before);
    let window = Window { input, output, kernel, stride, padding, dilation, groups };
    let operands = operands(cx, arguments, x, &window, [channels, from], axes)?;
    let shape = if axes == 1 { vec![channels, columns] } else { output.to_vec() };
    Ok(cx.operator(super::conv::Conv(window), operands, shape))
}
