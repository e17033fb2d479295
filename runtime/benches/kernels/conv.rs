//! Convolutions.

use super::*;
use rt::conv::{self, Window};

const LAYER1: Window = square([16, 32, 32], [16, 32, 32], 3, 1, 1);
const LAYER2_FIRST: Window = square([16, 32, 32], [32, 16, 16], 3, 2, 1);
const LAYER2: Window = square([32, 16, 16], [32, 16, 16], 3, 1, 1);
const LAYER3: Window = square([64, 8, 8], [64, 8, 8], 3, 1, 1);
const SHORTCUT: Window = square([32, 16, 16], [64, 8, 8], 1, 2, 0);
/// As LeNet has kernels, of more channels.
const LARGE: Window = square([16, 16, 16], [32, 16, 16], 5, 1, 2);
const CONV2: Window = square([6, 14, 14], [16, 10, 10], 5, 1, 0);

/// As `conv2d` has it with the same numbers for both axes.
const fn square(
    input: [usize; 3],
    output: [usize; 3],
    kernel: usize,
    stride: usize,
    padding: usize,
) -> Window {
    Window {
        input,
        output,
        kernel: [kernel; 2],
        stride: [stride; 2],
        padding: [padding; 2],
        dilation: [1; 2],
        groups: 1,
    }
}

/// Operations of `samples`, without those with padding.
fn operations(window: Window, samples: usize) -> usize {
    let taps = |axis: usize| {
        let pairs = (0..window.output[axis + 1]).flat_map(|y| {
            (0..window.kernel[axis]).map(move |k| y * window.stride[axis] + k * window.dilation[axis])
        });
        pairs
            .filter(|at| (0..window.input[axis + 1]).contains(&at.wrapping_sub(window.padding[axis])))
            .count()
    };
    2 * samples * window.input[0] / window.groups * window.output[0] * taps(0) * taps(1)
}

cases! {
    forward_layer1: "resnet20: 32 x [16, 32, 32], 3 x 3", operations(LAYER1, 32),
    { x: [[Row; 16384]; 2], w: [[Row; 144]; 1], y: [[Row; 16384]; 2] }
    |L| conv::forward::<L, 16384, 144, 1, 8, 2>(&LAYER1, &x[..], w, None, store!(y));

    forward_layer1_half: "resnet20: 16 x [16, 32, 32], 3 x 3", operations(LAYER1, 16),
    { x: [[Row; 16384]; 1], w: [[Row; 144]; 1], y: [[Row; 16384]; 1] }
    |L| conv::forward::<L, 16384, 144, 1, 8, 2>(&LAYER1, &x[..], w, None, store!(y));

    winograd_layer1: "resnet20: 32 x [16, 32, 32], 3 x 3", operations(LAYER1, 32),
    { x: [[Row; 16384]; 2], w: [[Row; 144]; 1], room: [[Row; 1312]; 2], y: [[Row; 16384]; 2] }
    |L| conv::winograd::<L, 3, 16384, 144, 1, 1312>(&LAYER1, &x[..], w, None, room, store!(y));

    winograd_layer2: "resnet20: 32 x [32, 16, 16], 3 x 3", operations(LAYER2, 32),
    { x: [[Row; 8192]; 2], w: [[Row; 288]; 2], room: [[Row; 3104]; 2], y: [[Row; 8192]; 2] }
    |L| conv::winograd::<L, 3, 8192, 288, 2, 3104>(&LAYER2, &x[..], w, None, room, store!(y));

    winograd_layer3: "resnet20: 32 x [64, 8, 8], 3 x 3", operations(LAYER3, 32),
    { x: [[Row; 4096]; 2], w: [[Row; 576]; 4], room: [[Row; 8224]; 2], y: [[Row; 4096]; 2] }
    |L| conv::winograd::<L, 3, 4096, 576, 4, 8224>(&LAYER3, &x[..], w, None, room, store!(y));

    winograd_back_layer2: "resnet20: 32 x [32, 16, 16], 3 x 3", operations(LAYER2, 32),
    { d_y: [[Row; 8192]; 2], w: [[Row; 288]; 2], room: [[Row; 3104]; 2], d_x: [[Row; 8192]; 2] }
    |L| conv::winograd_back::<L, 3, 8192, 288, 2, 3104>(&LAYER2, &d_y[..], w, None, room, store!(d_x));

    forward_large: "32 x [16, 16, 16], 5 x 5", operations(LARGE, 32),
    { x: [[Row; 4096]; 2], w: [[Row; 400]; 2], y: [[Row; 8192]; 2] }
    |L| conv::forward::<L, 4096, 400, 2, 8, 2>(&LARGE, &x[..], w, None, store!(y));

    winograd_large: "32 x [16, 16, 16], 5 x 5", operations(LARGE, 32),
    { x: [[Row; 4096]; 2], w: [[Row; 400]; 2], room: [[Row; 4680]; 2], y: [[Row; 8192]; 2] }
    |L| conv::winograd::<L, 5, 4096, 400, 2, 4680>(&LARGE, &x[..], w, None, room, store!(y));

    forward_layer2: "resnet20: 32 x [32, 16, 16], 3 x 3", operations(LAYER2, 32),
    { x: [[Row; 8192]; 2], w: [[Row; 288]; 2], y: [[Row; 8192]; 2] }
    |L| conv::forward::<L, 8192, 288, 2, 8, 2>(&LAYER2, &x[..], w, None, store!(y));

    input_gradient_layer2: "resnet20: 32 x [32, 16, 16], 3 x 3", operations(LAYER2, 32),
    { d_y: [[Row; 8192]; 2], w: [[Row; 288]; 2], d_x: [[Row; 8192]; 2] }
    |L| conv::input_gradient::<L, 8192, 288, 2, 8, 2>(&LAYER2, &d_y[..], w, None, store!(d_x));

    forward_layer2_first: "resnet20: 32 x [16, 32, 32], 3 x 3, stride 2", operations(LAYER2_FIRST, 32),
    { x: [[Row; 16384]; 2], w: [[Row; 144]; 2], y: [[Row; 8192]; 2] }
    |L| conv::forward::<L, 16384, 144, 2, 8, 2>(&LAYER2_FIRST, &x[..], w, None, store!(y));

    forward_layer3: "resnet20: 32 x [64, 8, 8], 3 x 3", operations(LAYER3, 32),
    { x: [[Row; 4096]; 2], w: [[Row; 576]; 4], y: [[Row; 4096]; 2] }
    |L| conv::forward::<L, 4096, 576, 4, 8, 2>(&LAYER3, &x[..], w, None, store!(y));

    forward_shortcut: "resnet20: 32 x [32, 16, 16], 1 x 1, stride 2", operations(SHORTCUT, 32),
    { x: [[Row; 8192]; 2], w: [[Row; 32]; 4], y: [[Row; 4096]; 2] }
    |L| conv::forward::<L, 8192, 32, 4, 8, 2>(&SHORTCUT, &x[..], w, None, store!(y));

    forward_lenet: "lenet: 64 x [6, 14, 14], 5 x 5", operations(CONV2, 64),
    { x: [[Row; 1176]; 4], w: [[Row; 150]; 1], b: [Row; 1], y: [[Row; 1600]; 4] }
    |L| conv::forward::<L, 1176, 150, 1, 8, 2>(&CONV2, &x[..], w, Some(b), store!(y));

    forward_halved_lenet: "lenet: 64 x [6, 14, 14], 5 x 5, and the largest of 2 x 2", operations(CONV2, 64),
    { x: [[Row; 1176]; 4], w: [[Row; 150]; 1], b: [Row; 1], y: [[Row; 400]; 4] }
    |L| conv::forward_halved::<L, 1176, 150, 1, 8, 2>(
        &CONV2,
        &x[..],
        w,
        Some(b),
        #[inline(always)]
        |_, _, z| z,
        store!(y),
    );

    input_gradient_layer1: "resnet20: 32 x [16, 32, 32], 3 x 3", operations(LAYER1, 32),
    { d_y: [[Row; 16384]; 2], w: [[Row; 144]; 1], d_x: [[Row; 16384]; 2] }
    |L| conv::input_gradient::<L, 16384, 144, 1, 8, 2>(&LAYER1, &d_y[..], w, None, store!(d_x));

    input_gradient_layer2_first: "resnet20: 32 x [16, 32, 32], 3 x 3, stride 2", operations(LAYER2_FIRST, 32),
    { d_y: [[Row; 8192]; 2], w: [[Row; 144]; 2], d_x: [[Row; 16384]; 2] }
    |L| conv::input_gradient::<L, 8192, 144, 2, 8, 2>(&LAYER2_FIRST, &d_y[..], w, None, store!(d_x));

    input_gradient_layer3: "resnet20: 32 x [64, 8, 8], 3 x 3", operations(LAYER3, 32),
    { d_y: [[Row; 4096]; 2], w: [[Row; 576]; 4], d_x: [[Row; 4096]; 2] }
    |L| conv::input_gradient::<L, 4096, 576, 4, 8, 2>(&LAYER3, &d_y[..], w, None, store!(d_x));

    input_gradient_lenet: "lenet: 64 x [6, 14, 14], 5 x 5", operations(CONV2, 64),
    { d_y: [[Row; 1600]; 4], w: [[Row; 150]; 1], d_x: [[Row; 1176]; 4] }
    |L| conv::input_gradient::<L, 1600, 150, 1, 6, 2>(&CONV2, &d_y[..], w, None, store!(d_x));

    weight_gradient_layer1: "resnet20: 32 x [16, 32, 32], 3 x 3", operations(LAYER1, 32),
    { x: [[Row; 16384]; 2], d_y: [[Row; 16384]; 2], d_w: [[Row; 144]; 1] }
    |L| conv::weight_gradient::<L, 16384, 16384, 4, 2, 3>(&LAYER1, 0..48, &x[..], &d_y[..], store!(d_w));

    weight_gradient_layer2_first: "resnet20: 32 x [16, 32, 32], 3 x 3, stride 2", operations(LAYER2_FIRST, 32),
    { x: [[Row; 16384]; 2], d_y: [[Row; 8192]; 2], d_w: [[Row; 144]; 2] }
    |L| conv::weight_gradient::<L, 16384, 8192, 4, 2, 3>(&LAYER2_FIRST, 0..48, &x[..], &d_y[..], store!(d_w));

    weight_gradient_layer2: "resnet20: 32 x [32, 16, 16], 3 x 3", operations(LAYER2, 32),
    { x: [[Row; 8192]; 2], d_y: [[Row; 8192]; 2], d_w: [[Row; 288]; 2] }
    |L| conv::weight_gradient::<L, 8192, 8192, 4, 2, 3>(&LAYER2, 0..96, &x[..], &d_y[..], store!(d_w));

    weight_gradient_layer3: "resnet20: 32 x [64, 8, 8], 3 x 3", operations(LAYER3, 32),
    { x: [[Row; 4096]; 2], d_y: [[Row; 4096]; 2], d_w: [[Row; 576]; 4] }
    |L| conv::weight_gradient::<L, 4096, 4096, 2, 3, 3>(&LAYER3, 0..192, &x[..], &d_y[..], store!(d_w));

    weight_gradient_shortcut: "resnet20: 32 x [32, 16, 16], 1 x 1, stride 2", operations(SHORTCUT, 32),
    { x: [[Row; 8192]; 2], d_y: [[Row; 4096]; 2], d_w: [[Row; 32]; 4] }
    |L| conv::weight_gradient::<L, 8192, 4096, 4, 4, 1>(&SHORTCUT, 0..32, &x[..], &d_y[..], store!(d_w));

    weight_gradient_lenet: "lenet: 64 x [6, 14, 14], 5 x 5", operations(CONV2, 64),
    { x: [[Row; 1176]; 4], d_y: [[Row; 1600]; 4], d_w: [[Row; 150]; 1] }
    |L| conv::weight_gradient::<L, 1176, 1600, 4, 1, 5>(&CONV2, 0..30, &x[..], &d_y[..], store!(d_w));

    single_layer1: "resnet20: [16, 32, 32], 3 x 3", operations(LAYER1, 1),
    { x: [Row; 1156], w: [[Row; 144]; 1], y: [Row; 1024] }
    |L| conv::single::<L, 144, 1>(&LAYER1.padded(), &x[..], w, None, 0..16, y);

    single_layer3: "resnet20: [64, 8, 8], 3 x 3", operations(LAYER3, 1),
    { x: [Row; 400], w: [[Row; 576]; 4], y: [Row; 256] }
    |L| conv::single::<L, 576, 4>(&LAYER3.padded(), &x[..], w, None, 0..64, y);

    single_lenet: "lenet: [6, 14, 14], 5 x 5", operations(CONV2, 1),
    { x: [Row; 74], w: [[Row; 150]; 1], b: [Row; 1], y: [Row; 100] }
    |L| conv::single::<L, 150, 1>(&CONV2, &x[..], w, Some(b), 0..16, y);

    single_back_layer1: "transposed: [16, 32, 32], 3 x 3", operations(LAYER1, 1),
    { y: [Row; 1024], w: [[Row; 144]; 1], x: [Row; 1024] }
    |L| conv::single_back::<L, 144, 1>(&LAYER1, &y[..], w, None, x);

    pad_layer1: "resnet20: [16, 32, 32], 1 around", 0,
    { x: [Row; 1024], padded: [Row; 1156] }
    |L| {
        let _ = L::IS_WIDE;
        conv::pad(&LAYER1, &x[..], padded)
    };
}
