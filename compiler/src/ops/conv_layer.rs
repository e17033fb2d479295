//! Arguments and shapes of the convolution layers.

use nnc_grammar::diagnostic::{Code, Diagnostic};

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
    let room = |axis: usize| ([height, width][axis], <[usize; 2]>::from(around[axis]));
    let rows = windows::steps(cx, name, arguments, (names[0], x), room(0), sizes(0))?;
    let columns = windows::steps(cx, name, arguments, (names[1], x), room(1), sizes(1))?;
    let output = [channels, rows, columns];
    let padding = around.map(|(before, _)| before);
    let window = Window { input, output, kernel, stride, padding, dilation, groups };
    let operands = operands(cx, arguments, x, &window, [channels, from], axes)?;
    let shape = if axes == 1 { vec![channels, columns] } else { output.to_vec() };
    Ok(cx.operator(super::conv::Conv(window), operands, shape))
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

    fn fault(body: &str) -> Diagnostic {
        let found = compile("m.nn", &format!("model M {{ {body} }}"), &Options::default()).diagnostics;
        let [fault] = found.as_slice() else { panic!("{body}: {found:?}") };
        fault.clone()
    }

    #[test]
    fn shapes() {
        assert_eq!(output("input [1, 28, 28] conv2d(6, kernel = 5)"), [6, 24, 24]);
        assert_eq!(output("input [3, 32, 31] conv2d(16, 3, stride = 2, padding = 1)"), [16, 16, 16]);
        // `same` keeps the size with a stride of 1, for kernels of even size as well.
        assert_eq!(output("input [2, 7, 8] conv2d(4, [2, 5], padding = same, dilation = [3, 1])"), [4, 7, 8]);
        assert_eq!(output("input [4, 21] conv1d(8, 7, stride = 3, padding = 3, groups = 4)"), [8, 7]);
        assert_eq!(output("input [4, 7, 5] conv_transpose2d(3, 2, stride = 2)"), [3, 14, 10]);
        assert_eq!(
            output("input [4, 7, 5] conv_transpose2d(3, 3, stride = 2, padding = 1, output_padding = 1)"),
            [3, 14, 10]
        );
    }

    #[test]
    fn a_kernel_fits_its_input() {
        let fault = fault("input x: [1, 9, 4] conv2d(2, kernel = 3, dilation = 2, padding = [0, 0])");
        assert_eq!(fault.code, Code::E0301);
        assert_eq!(fault.primary.text, "expected at most 4, found 5 along the width");
        assert_eq!(
            fault.notes,
            [
                "the kernel reaches over (3 - 1) * 2 + 1 = 5 places",
                "the width of the output would be (4 + 2*0 - 5) / 1 + 1"
            ]
        );
        assert_eq!(fault.help, ["pad the input with `padding = 1`, or take a smaller kernel"]);
    }

    #[test]
    fn groups_divide_channels() {
        let wrong = fault("input [6, 8, 8] conv2d(9, kernel = 3, groups = 2)");
        assert_eq!(wrong.code, Code::E0308);
        assert_eq!(wrong.primary.text, "expected a multiple of 2, found 9 output channels");
        assert_eq!(wrong.help, ["`groups` can be 3"]);
        let wrong = fault("input [7, 8] conv1d(6, kernel = 3, groups = 3)");
        assert_eq!(wrong.primary.text, "expected a multiple of 3, found 7 input channels");
        assert_eq!(wrong.help, ["leave `groups` out: the numbers of channels have no common divisor"]);
    }

    #[test]
    fn a_transposed_convolution_leaves_something() {
        let wrong = fault("input [1, 2, 2] conv_transpose2d(1, kernel = 1, padding = 1)");
        assert_eq!(
            (wrong.code, wrong.help.as_slice()),
            (Code::E0205, &["use `padding = 0` or less".to_owned()][..])
        );
        let wrong = fault("input [1, 2, 2] conv_transpose2d(1, kernel = 2, stride = 2, output_padding = 2)");
        assert_eq!(wrong.primary.text, "expected less than 2, found 2");
    }

    #[test]
    fn images_have_three_axes() {
        let wrong = fault("input [28, 28] conv2d(6, kernel = 5)");
        assert_eq!(wrong.code, Code::E0303);
        assert_eq!(wrong.help, ["an image of one channel is `reshape([1, 28, 28])`"]);
    }
}
