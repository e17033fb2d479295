//! Layers over images and signals of random shapes with random arguments: the reference's gradients against central
//! differences of its loss, and the shapes that come out.

mod common;

use common::{Expected, Numbers, Reference, compiled, random_tensors};

/// How many models are drawn.
const MODELS: usize = 300;
/// And how many of one convolution.
const CONVOLUTIONS: usize = 42;

/// Whole numbers of one run.
struct Draw(Numbers);

impl Draw {
    /// From 0 and below `n`.
    fn below(&mut self, n: usize) -> usize {
        ((self.0.next() + 1.0) / 2.0 * n as f64) as usize
    }

    fn of<'w>(&mut self, words: &[&'w str]) -> &'w str {
        words[self.below(words.len())]
    }

    /// Kernel, stride, padding and size of the output along an axis.
    fn window(&mut self, size: usize) -> [usize; 4] {
        loop {
            let (kernel, stride) = (1 + self.below(size + 2), 1 + self.below(4));
            let padding = self.below(kernel / 2 + 1);
            if size + 2 * padding >= kernel {
                return [kernel, stride, padding, (size + 2 * padding - kernel) / stride + 1];
            }
        }
    }

    /// A call for a value of this shape, and the shape that it makes.
    fn call(&mut self, shape: &[usize]) -> (String, Vec<usize>) {
        let (channels, sizes) = (shape[0], &shape[1..]);
        let with = |sizes: Vec<usize>| [vec![channels], sizes].concat();
        match self.below(9) {
            0 | 1 => {
                let windows: Vec<[usize; 4]> = sizes.iter().map(|size| self.window(*size)).collect();
                let all = |n: usize| windows.iter().map(|window| window[n]).collect::<Vec<usize>>();
                let kind = self.of(&["max", "avg"]);
                let own = kind == "avg" && self.below(2) == 0;
                let own = if own { ", count_include_pad = false" } else { "" };
                let (kernel, stride, padding) = (all(0), all(1), all(2));
                let axes = sizes.len();
                let call = format!(
                    "{kind}_pool{axes}d({kernel:?}, stride = {stride:?}, padding = {padding:?}{own})"
                );
                (call, with(all(3)))
            }
            2 if sizes.len() == 2 => {
                let size = [1 + self.below(6), 1 + self.below(6)];
                (format!("adaptive_{}_pool2d({size:?})", self.of(&["max", "avg"])), with(size.to_vec()))
            }
            2 | 3 => (format!("global_{}_pool", self.of(&["max", "avg"])), vec![channels]),
            4 => {
                let mut axes: Vec<usize> = (0..shape.len()).collect();
                for n in (1..axes.len()).rev() {
                    let other = self.below(n + 1);
                    axes.swap(n, other);
                }
                let turned = axes.iter().map(|axis| shape[*axis]).collect();
                (format!("transpose({axes:?})"), turned)
            }
            5 => {
                let axis = self.below(shape.len());
                let from = self.below(shape[axis]);
                let to = from + 1 + self.below(shape[axis] - from);
                let mut part = shape.to_vec();
                part[axis] = to - from;
                (format!("slice(axis = {axis}, from = {from}, to = {to})"), part)
            }
            6 => {
                let mode = self.of(&["constant", "reflect", "replicate"]);
                let mut pads = |size: usize| self.below(if mode == "reflect" { size } else { 4 });
                let before: Vec<usize> = sizes.iter().map(|size| pads(*size)).collect();
                let after: Vec<usize> = sizes.iter().map(|size| pads(*size)).collect();
                let padded = sizes.iter().zip(before.iter().zip(&after)).map(|(size, (a, b))| size + a + b);
                (format!("pad({before:?}, after = {after:?}, mode = {mode})"), with(padded.collect()))
            }
            7 => {
                let scales: Vec<usize> = sizes.iter().map(|_| 1 + self.below(3)).collect();
                let mode = self.of(&["nearest", "bilinear"]);
                let larger = sizes.iter().zip(&scales).map(|(size, scale)| size * scale).collect();
                (format!("upsample({scales:?}, mode = {mode})"), with(larger))
            }
            _ => {
                let axis = self.below(shape.len());
                let mut doubled = shape.to_vec();
                doubled[axis] *= 2;
                let text = format!("let a{axis} = tanh  concat(a{axis}, a{axis}, axis = {axis})");
                (text, doubled)
            }
        }
    }

    /// Dense, grouped, or of each channel apart: groups, and channels that come out.
    fn channels(&mut self, channels: usize) -> (usize, usize) {
        let divisors: Vec<usize> = (1..=channels).filter(|n| channels.is_multiple_of(*n)).collect();
        let groups = divisors[self.below(divisors.len())];
        (groups, groups * (1 + self.below(3)))
    }

    fn convolution(&mut self, channels: usize, sizes: &[usize]) -> (String, Vec<usize>) {
        let axes = sizes.len();
        let (groups, made) = self.channels(channels);
        let dilation: Vec<usize> = sizes.iter().map(|_| 1 + self.below(3)).collect();
        let bias = self.of(&["true", "false"]);
        let rest = format!("dilation = {dilation:?}, groups = {groups}, bias = {bias}");
        if self.below(4) == 0 {
            let kernel: Vec<usize> = sizes.iter().map(|_| 1 + self.below(4)).collect();
            let call = format!("conv{axes}d({made}, kernel = {kernel:?}, padding = same, {rest})");
            return (call, [vec![made], sizes.to_vec()].concat());
        }
        let windows: Vec<[usize; 4]> =
            sizes.iter().zip(&dilation).map(|(size, dilation)| self.dilated(*size, *dilation)).collect();
        let all = |n: usize| windows.iter().map(|window| window[n]).collect::<Vec<usize>>();
        let (kernel, stride, padding) = (all(0), all(1), all(2));
        let call = format!(
            "conv{axes}d({made}, kernel = {kernel:?}, stride = {stride:?}, padding = {padding:?}, {rest})"
        );
        (call, [vec![made], all(3)].concat())
    }

    /// A window whose places lie apart, with any padding.
    fn dilated(&mut self, size: usize, dilation: usize) -> [usize; 4] {
        loop {
            let (kernel, stride, padding) = (1 + self.below(4), 1 + self.below(3), self.below(4));
            let reach = dilation * (kernel - 1) + 1;
            if size + 2 * padding >= reach {
                return [kernel, stride, padding, (size + 2 * padding - reach) / stride + 1];
            }
        }
    }

    fn transposed_convolution(&mut self, channels: usize, sizes: &[usize]) -> (String, Vec<usize>) {
        let (groups, made) = self.channels(channels);
        let axes: Vec<[usize; 6]> = sizes.iter().map(|size| self.spread(*size)).collect();
        let all = |n: usize| axes.iter().map(|axis| axis[n]).collect::<Vec<usize>>();
        let (kernel, stride, padding, dilation, more) = (all(0), all(1), all(2), all(3), all(4));
        let call = format!(
            "conv_transpose2d({made}, kernel = {kernel:?}, stride = {stride:?}, padding = {padding:?}, \
            output_padding = {more:?}, dilation = {dilation:?}, groups = {groups})"
        );
        (call, [vec![made], all(5)].concat())
    }

    /// Kernel, stride, padding, dilation, output padding and size of a transposed convolution along an axis.
    fn spread(&mut self, size: usize) -> [usize; 6] {
        loop {
            let (kernel, stride, dilation) = (1 + self.below(4), 1 + self.below(3), 1 + self.below(2));
            let (padding, more) = (self.below(3), self.below(stride.max(dilation)));
            let whole = (size - 1) * stride + dilation * (kernel - 1) + 1 + more;
            if whole > 2 * padding {
                return [kernel, stride, padding, dilation, more, whole - 2 * padding];
            }
        }
    }
}

/// Slopes of the loss along some of the weights.
fn check(text: &str, shape: &[usize], numbers: &mut Numbers) {
    let model = compiled(text);
    assert_eq!(model.info.output, shape, "{text}");
    let tensors = random_tensors(&model, numbers);
    let x = numbers.take(3 * model.info.input.iter().product::<usize>());
    let target = Expected::Values(numbers.take(3 * shape.iter().product::<usize>()));
    let mut reference = Reference::new(&model.graph);
    reference.set(&tensors);
    let (_, gradients) = reference.gradients(&x, &target);
    for (tensor, gradient) in &gradients {
        let largest = gradient.iter().fold(1e-3f64, |largest, value| largest.max(value.abs()));
        for at in (0..gradient.len()).step_by((gradient.len() / 6).max(1)) {
            let mut loss_at = |by: f64| {
                let mut moved = tensors.clone();
                moved.get_mut(tensor).expect("it is there")[at] += by;
                reference.set(&moved);
                reference.gradients(&x, &target).0
            };
            let slope = (loss_at(1e-6) - loss_at(-1e-6)) / 2e-6;
            let error = (gradient[at] - slope).abs();
            assert!(error <= 1e-5 * largest, "{text}: d_{tensor}[{at}] = {}, not {slope}", gradient[at]);
        }
    }
}

#[test]
fn random_layers_have_slopes_and_shapes() {
    let mut draw = Draw(Numbers(11));
    let mut n_checked = 0;
    while n_checked < MODELS {
        let axes = 2 + draw.below(2);
        let mut shape: Vec<usize> =
            (0..axes).map(|axis| 1 + draw.below(if axis == 0 { 3 } else { 7 })).collect();
        let width: usize = shape.iter().product();
        let mut text = format!(
            "loss through(output, target) = sum(output * target)\nmodel M {{\n    input [3]\n    dense({width})\n    reshape({shape:?})\n"
        );
        for _ in 0..1 + draw.below(3) {
            if !matches!(shape.len(), 2 | 3) {
                break;
            }
            let (call, made) = draw.call(&shape);
            if made.iter().product::<usize>() > 800 || text.contains(&call) {
                break;
            }
            text.push_str(&format!("    {call}\n"));
            shape = made;
        }
        text.push_str("    loss through\n    optimizer sgd(lr = 0.1)\n}");
        // A value may have a name once.
        if (0..3).any(|axis| text.matches(&format!("let a{axis} ")).count() > 1) {
            continue;
        }
        check(&text, &shape, &mut draw.0);
        n_checked += 1;
    }
}

#[test]
fn random_convolutions_have_slopes_and_shapes() {
    let mut draw = Draw(Numbers(12));
    for n in 0..CONVOLUTIONS {
        let axes = 1 + usize::from(n % 3 > 0);
        let mut shape = vec![1 + draw.below(4)];
        shape.extend((0..axes).map(|_| 1 + draw.below(if axes == 1 { 12 } else { 5 })));
        let (call, made) = if n % 3 == 2 {
            draw.transposed_convolution(shape[0], &shape[1..])
        } else {
            draw.convolution(shape[0], &shape[1..])
        };
        let width: usize = shape.iter().product();
        let text = format!(
            "loss through(output, target) = sum(output * target)\nmodel M {{\n    input [3]\n    dense({width})\n    reshape({shape:?})\n    {call}\n    loss through\n    optimizer sgd(lr = 0.1)\n}}"
        );
        check(&text, &made, &mut draw.0);
    }
}
