//! Convolutions, and what their gradients are made of.
//!
//! | | shape | |
//! |---|---|---|
//! | x, d_x | `[G][C * H * W]` rows | group of sixteen samples, place in the image; lanes are samples |
//! | y, d_y | `[G][O * OH * OW]` rows | as x |
//! | weight | `[P][K]` rows | panel of sixteen output channels, `K = C / groups * KH * KW`; lanes are channels |
//! | bias | `[P]` rows | lanes are output channels |
//!
//! Every sum runs over the rows of the kernel, then its columns, then channels. What lies in the padding left or right of
//! the image counts as 0, rows above and below it are left out. A tile holds several channels and several neighbouring
//! places of one row of the image; its last one is moved back so that it ends with the row, and computes some places
//! twice, to the same bits.

// The innermost loops read rows and weights by pointer: their bounds follow from the sizes of the window, which are
// compared with the arrays once, and a check for each of them would cost as much as the product.
#![allow(unsafe_code)]
// Several arrays are indexed with one counter; iterators over them would hide the tile.
#![allow(clippy::needless_range_loop)]

use core::ops::Range;

use crate::element::Element;
use crate::lanes::{LANES, Lanes, Row};

/// Sizes of a convolution. Pairs are rows and columns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Channels, height and width of x.
    pub input: [usize; 3],
    /// Channels, height and width of y.
    pub output: [usize; 3],
    /// Height and width of the kernel.
    pub kernel: [usize; 2],
    /// Steps from one place of y to the next, in places of x.
    pub stride: [usize; 2],
    /// Places before the first row and column of x.
    pub padding: [usize; 2],
    /// Steps from one element of the kernel to the next, in places of x.
    pub dilation: [usize; 2],
    /// Parts that the channels are divided into; each part of y sees its part of x.
    pub groups: usize,
}

impl Window {
    /// Channels of x that an output channel sees.
    #[inline(always)]
    fn channels(&self) -> usize {
        self.input[0] / self.groups
    }

    /// Output channels of a part.
    #[inline(always)]
    fn outputs(&self) -> usize {
        self.output[0] / self.groups
    }

    /// Elements of the kernel for one channel.
    #[inline(always)]
    fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Places of a channel of x.
    #[inline(always)]
    fn places(&self) -> usize {
        self.input[1] * self.input[2]
    }

    /// Places of a channel of y.
    #[inline(always)]
    fn output_places(&self) -> usize {
        self.output[1] * self.output[2]
    }

    /// The part of `0..output` whose places, seen through element `k` of the kernel, are on the image.
    #[inline(always)]
    fn seen(&self, axis: usize, k: usize) -> Range<usize> {
        let (stride, size, shift) = (self.stride[axis], self.input[axis + 1], k * self.dilation[axis]);
        let from = self.padding[axis].saturating_sub(shift).div_ceil(stride);
        let to = (size + self.padding[axis]).saturating_sub(shift).div_ceil(stride);
        from..to.min(self.output[axis + 1]).max(from)
    }

    /// Rows of the kernel that are on the image for row `y` of the output.
    #[inline(always)]
    fn kernel_rows(&self, y: usize) -> Range<usize> {
        let (top, dilation) = (y * self.stride[0], self.dilation[0]);
        let from = self.padding[0].saturating_sub(top).div_ceil(dilation);
        let to = (self.input[1] + self.padding[0]).saturating_sub(top).div_ceil(dilation);
        from..to.min(self.kernel[0]).max(from)
    }

    /// The sizes for an image that has its padding already, and what the kernel needs behind its last row and column.
    #[inline(always)]
    pub fn padded(&self) -> Self {
        let along = |axis: usize| {
            let reach = (self.kernel[axis] - 1) * self.dilation[axis] + 1;
            let needed = (self.output[axis + 1] - 1) * self.stride[axis] + reach;
            needed.max(self.input[axis + 1] + self.padding[axis])
        };
        Self { input: [self.input[0], along(0), along(1)], padding: [0, 0], ..*self }
    }

    /// Whether the sizes belong to arrays of these lengths: what the kernels rely on.
    #[inline(always)]
    fn fits(&self, x: usize, weight: usize, panels: usize) -> bool {
        self.input.iter().product::<usize>() == x
            && self.channels() * self.taps() == weight
            && self.output[0].div_ceil(LANES) == panels
            && self.channels() * self.groups == self.input[0]
            && self.outputs() * self.groups == self.output[0]
    }
}

/// One step of a sum for each place of a tile: where its operands lie.
#[derive(Clone, Copy)]
struct Walk<E> {
    /// The row of the first place, and the rows from one place to the next.
    x: *const Row<E>,
    across: usize,
    /// Rows from one term of the sum to the next.
    x_step: usize,
    /// The weight of the first channel, and the numbers from one channel to the next.
    weight: *const E,
    channel: usize,
    /// Numbers from one term of the sum to the next.
    weight_step: usize,
    /// Terms.
    len: usize,
}

impl<E: Element> Walk<E> {
    /// Adds all terms to a tile; places outside `places` have the value 0.
    ///
    /// # Safety
    /// All rows of places within `places`, and all weights, must be there.
    #[inline(always)]
    unsafe fn add<L: Lanes<Elem = E>, const R: usize, const C: usize>(
        self,
        sums: &mut [[L; C]; R],
        places: Range<usize>,
    ) {
        let is_whole = places.start == 0 && places.end == C;
        for k in 0..self.len {
            // SAFETY: the caller says that rows and weights of these places are there.
            let lanes: [L; C] = core::array::from_fn(|c| {
                if is_whole || places.contains(&c) {
                    L::load(unsafe { &*self.x.add(k * self.x_step + c * self.across) })
                } else {
                    L::zero()
                }
            });
            for r in 0..R {
                // SAFETY: as above.
                let factor = unsafe { *self.weight.add(k * self.weight_step + r * self.channel) };
                for c in 0..C {
                    sums[r][c] = sums[r][c].add_mul(factor, lanes[c]);
                }
            }
        }
    }
}

/// The places `c` of `0..C` for which `first + c * step` is in `0..size`.
#[inline(always)]
fn inside(first: isize, step: usize, size: usize, n: usize) -> Range<usize> {
    let from = if first < 0 { first.unsigned_abs().div_ceil(step) } else { 0 };
    let to = if first >= size as isize { 0 } else { ((size as isize - first) as usize).div_ceil(step) };
    from.min(n)..to.min(n)
}

/// The tile that begins at or before `start` and, if it can, ends within `len`.
#[inline(always)]
fn moved_back(start: usize, tile: usize, len: usize) -> usize {
    if start + tile > len { len.saturating_sub(tile) } else { start }
}

/// y = W * x + b, the cross-correlation that networks call convolution. `finish` is given group, place in y and sixteen
/// samples; some places more than once, with the same samples.
///
/// `R` channels and `C` places are a tile. With `groups > 1`, `R` must divide both sixteen and the outputs of a part.
#[inline(always)]
pub fn forward<
    L: Lanes,
    const G: usize,
    const X: usize,
    const K: usize,
    const P: usize,
    const R: usize,
    const C: usize,
>(
    window: &Window,
    x: &[[Row<L::Elem>; X]; G],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    finish: impl FnMut(usize, usize, L),
) {
    assert!(window.fits(X, K, P));
    if L::IS_WIDE {
        forward_tiles::<L, G, X, K, P, R, C>(window, x, weight, bias, finish);
    } else if R == 1 {
        forward_tiles::<L, G, X, K, P, 1, 4>(window, x, weight, bias, finish);
    } else {
        forward_tiles::<L, G, X, K, P, 2, 2>(window, x, weight, bias, finish);
    }
}

#[inline(always)]
fn forward_tiles<
    L: Lanes,
    const G: usize,
    const X: usize,
    const K: usize,
    const P: usize,
    const R: usize,
    const C: usize,
>(
    window: &Window,
    x: &[[Row<L::Elem>; X]; G],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    mut finish: impl FnMut(usize, usize, L),
) {
    let [_, height, width] = window.output;
    for (g, x) in x.iter().enumerate() {
        for p in 0..P {
            let outputs = LANES.min(window.output[0] - p * LANES);
            let mut o = 0;
            while o < outputs {
                let tile_o = moved_back(o, R, LANES);
                let part = (p * LANES + tile_o) / window.outputs();
                let channels = &x[part * window.channels() * window.places()..];
                let start: [[L; C]; R] = core::array::from_fn(|r| match bias {
                    Some(bias) => [L::splat(bias[p][tile_o + r]); C],
                    None => [L::zero(); C],
                });
                for row in 0..height {
                    let mut column = 0;
                    while column < width {
                        let at = moved_back(column, C, width);
                        let sums = forward_tile(window, channels, &weight[p], tile_o, (row, at), start);
                        for r in 0..R {
                            for c in 0..C {
                                if tile_o + r < outputs && at + c < width {
                                    let channel = p * LANES + tile_o + r;
                                    finish(g, (channel * height + row) * width + at + c, sums[r][c]);
                                }
                            }
                        }
                        column += C;
                    }
                }
                o += R;
            }
        }
    }
}

/// A tile of y: `R` channels from lane `o` of a panel on, `C` places from column `column` of `row` on.
#[inline(always)]
fn forward_tile<L: Lanes, const R: usize, const C: usize>(
    window: &Window,
    x: &[Row<L::Elem>],
    weight: &[Row<L::Elem>],
    o: usize,
    (row, column): (usize, usize),
    mut sums: [[L; C]; R],
) -> [[L; C]; R] {
    let [_, _, width] = window.input;
    let (stride, taps) = (window.stride[1], window.taps());
    let left = (column * stride) as isize - window.padding[1] as isize;
    let right = left + ((C - 1) * stride + (window.kernel[1] - 1) * window.dilation[1]) as isize;
    let is_inner = left >= 0 && right < width as isize;
    for ky in window.kernel_rows(row) {
        let y = row * window.stride[0] + ky * window.dilation[0] - window.padding[0];
        for kx in 0..window.kernel[1] {
            let first = left + (kx * window.dilation[1]) as isize;
            let walk = Walk {
                x: x.as_ptr().wrapping_offset((y * width) as isize + first),
                across: stride,
                x_step: window.places(),
                weight: weight
                    .as_ptr()
                    .cast::<L::Elem>()
                    .wrapping_add((ky * window.kernel[1] + kx) * LANES + o),
                channel: 1,
                weight_step: taps * LANES,
                len: window.channels(),
            };
            // SAFETY: `fits` holds for window and arrays; y is a row of the image, the places that count are columns
            // of it, and `channels()` channels begin at `x`. Weights: lane `o + r < 16` of a row of the panel.
            unsafe {
                if is_inner {
                    walk.add(&mut sums, 0..C);
                } else {
                    walk.add(&mut sums, inside(first, stride, width, C));
                }
            }
        }
    }
    sums
}

/// d_x: what each place of x gets back from the places of y that saw it. Also the forward part of a transposed
/// convolution, with a bias for each channel of x. `finish` is given group, place in x and sixteen samples; some places
/// more than once, with the same samples.
///
/// `R` channels and `C` places are a tile; `R` is at most the channels of a part.
#[inline(always)]
pub fn input_gradient<
    L: Lanes,
    const G: usize,
    const Y: usize,
    const K: usize,
    const P: usize,
    const R: usize,
    const C: usize,
>(
    window: &Window,
    d_y: &[[Row<L::Elem>; Y]; G],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>]>,
    finish: impl FnMut(usize, usize, L),
) {
    assert!(window.fits(window.input.iter().product(), K, P));
    assert!(window.output.iter().product::<usize>() == Y && R <= window.channels());
    if L::IS_WIDE {
        back_tiles::<L, G, Y, K, P, R, C>(window, d_y, weight, bias, finish);
    } else if R == 1 {
        back_tiles::<L, G, Y, K, P, 1, 4>(window, d_y, weight, bias, finish);
    } else {
        back_tiles::<L, G, Y, K, P, 2, 2>(window, d_y, weight, bias, finish);
    }
}

#[inline(always)]
fn back_tiles<
    L: Lanes,
    const G: usize,
    const Y: usize,
    const K: usize,
    const P: usize,
    const R: usize,
    const C: usize,
>(
    window: &Window,
    d_y: &[[Row<L::Elem>; Y]; G],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>]>,
    mut finish: impl FnMut(usize, usize, L),
) {
    let [_, height, width] = window.input;
    let (channels, stride) = (window.channels(), window.stride[1]);
    for (g, d_y) in d_y.iter().enumerate() {
        for part in 0..window.groups {
            let mut channel = 0;
            while channel < channels {
                let first = moved_back(channel, R, channels);
                let start: [[L; C]; R] = core::array::from_fn(|r| {
                    let of = part * channels + first + r;
                    [bias.map_or(L::zero(), |bias| L::splat(bias[of / LANES][of % LANES])); C]
                });
                for row in 0..height {
                    // Places of one phase see the same columns of the kernel.
                    for phase in 0..stride.min(width) {
                        let steps = (width - phase).div_ceil(stride);
                        let mut step = 0;
                        while step < steps {
                            let at = moved_back(step, C, steps);
                            let column = phase + at * stride;
                            let place = (row, column, steps - at);
                            let sums = back_tile(window, d_y, weight, (part, first), place, start);
                            for r in 0..R {
                                for c in 0..C {
                                    if at + c < steps {
                                        let of = part * channels + first + r;
                                        let place = (of * height + row) * width + column + c * stride;
                                        finish(g, place, sums[r][c]);
                                    }
                                }
                            }
                            step += C;
                        }
                    }
                }
                channel += R;
            }
        }
    }
}

/// A tile of d_x: `R` channels of a part, `C` places of a row, `stride` columns apart, of which `left` are there.
#[inline(always)]
fn back_tile<L: Lanes, const K: usize, const P: usize, const R: usize, const C: usize>(
    window: &Window,
    d_y: &[Row<L::Elem>],
    weight: &[[Row<L::Elem>; K]; P],
    (part, channel): (usize, usize),
    (row, column, left): (usize, usize, usize),
    mut sums: [[L; C]; R],
) -> [[L; C]; R] {
    let [_, height, width] = window.output;
    let (taps, places) = (window.taps(), window.output_places());
    let outputs = part * window.outputs()..(part + 1) * window.outputs();
    for ky in 0..window.kernel[0] {
        let Some(y) = seen_by(row + window.padding[0], ky * window.dilation[0], window.stride[0]) else {
            continue;
        };
        if y < 0 || y >= height as isize {
            continue;
        }
        for kx in 0..window.kernel[1] {
            let seen = seen_by(column + window.padding[1], kx * window.dilation[1], window.stride[1]);
            let Some(x) = seen else { continue };
            let whole = x >= 0 && x + C as isize <= width as isize && C <= left;
            let range = inside(x, 1, width, C.min(left));
            let tap = ky * window.kernel[1] + kx;
            let mut output = outputs.start;
            while output < outputs.end {
                let (panel, lane) = (output / LANES, output % LANES);
                let len = (LANES - lane).min(outputs.end - output);
                let from = (output * places) as isize + y * width as isize + x;
                let walk = Walk {
                    x: d_y.as_ptr().wrapping_offset(from),
                    across: 1,
                    x_step: places,
                    weight: weight[panel][channel * taps + tap..]
                        .as_ptr()
                        .cast::<L::Elem>()
                        .wrapping_add(lane),
                    channel: taps * LANES,
                    weight_step: 1,
                    len,
                };
                // SAFETY: y is a row of the output and the places that count are columns of it, `len` channels follow
                // `output`; `channel + r` is a channel of the part, and `lane + k < 16`.
                unsafe {
                    if whole {
                        walk.add(&mut sums, 0..C);
                    } else {
                        walk.add(&mut sums, range.clone());
                    }
                }
                output += len;
            }
        }
    }
    sums
}

/// The place of y that sees place `at` (counted with the padding) through an element `shift` places into the kernel, if
/// there is one; it may lie outside of y.
#[inline(always)]
fn seen_by(at: usize, shift: usize, stride: usize) -> Option<isize> {
    let distance = at as isize - shift as isize;
    (distance.rem_euclid(stride as isize) == 0).then(|| distance.div_euclid(stride as isize))
}

/// d_W: for each weight the sum over samples and places of d_y x, samples within a group last. `finish` is given panel,
/// element of the kernel and sixteen output channels, each once.
///
/// `R` output channels, `CT` channels and `KW` columns of the kernel are a tile. With `groups > 1`, `R` must divide both
/// sixteen and the outputs of a part. Lanes of padding must be 0 in d_y.
#[inline(always)]
pub fn weight_gradient<
    L: Lanes,
    const G: usize,
    const X: usize,
    const Y: usize,
    const R: usize,
    const CT: usize,
    const KW: usize,
>(
    window: &Window,
    x: &[[Row<L::Elem>; X]; G],
    d_y: &[[Row<L::Elem>; Y]; G],
    finish: impl FnMut(usize, usize, L),
) {
    assert!(window.kernel[1] == KW && window.input.iter().product::<usize>() == X);
    assert!(window.output.iter().product::<usize>() == Y && CT <= window.channels());
    if L::IS_WIDE {
        weight_tiles::<L, G, X, Y, R, CT, KW>(window, x, d_y, finish);
    } else if R == 1 || KW > 3 {
        weight_tiles::<L, G, X, Y, 1, 1, KW>(window, x, d_y, finish);
    } else {
        weight_tiles::<L, G, X, Y, 2, 1, KW>(window, x, d_y, finish);
    }
}

#[inline(always)]
fn weight_tiles<
    L: Lanes,
    const G: usize,
    const X: usize,
    const Y: usize,
    const R: usize,
    const CT: usize,
    const KW: usize,
>(
    window: &Window,
    x: &[[Row<L::Elem>; X]; G],
    d_y: &[[Row<L::Elem>; Y]; G],
    mut finish: impl FnMut(usize, usize, L),
) {
    let (channels, outputs) = (window.channels(), window.output[0]);
    for p in 0..outputs.div_ceil(LANES) {
        let of_panel = LANES.min(outputs - p * LANES);
        let mut channel = 0;
        while channel < channels {
            let first = moved_back(channel, CT, channels);
            for ky in 0..window.kernel[0] {
                // Sums of the panel's outputs, lanes over samples; they are turned over when all are there.
                let mut sums = [[[L::zero(); LANES]; KW]; CT];
                let mut o = 0;
                while o < of_panel {
                    let at = moved_back(o, R, LANES);
                    let tile =
                        weight_tile::<L, G, X, Y, R, CT, KW>(window, x, d_y, p * LANES + at, (first, ky));
                    for r in 0..R {
                        for c in 0..CT {
                            for k in 0..KW {
                                sums[c][k][at + r] = tile[r][c][k];
                            }
                        }
                    }
                    o += R;
                }
                // A tile that was moved back begins with channels that are done.
                for c in channel - first..CT {
                    for k in 0..KW {
                        let mut square = sums[c][k];
                        for lanes in &mut square[of_panel..] {
                            *lanes = L::zero();
                        }
                        L::transpose(&mut square);
                        let sum = square.into_iter().fold(L::zero(), |sum, lanes| sum + lanes);
                        finish(p, ((first + c) * window.kernel[0] + ky) * KW + k, sum);
                    }
                }
            }
            channel += CT;
        }
    }
}

/// Sums over groups and places for `R` outputs, `CT` channels of their part and a row of the kernel.
#[inline(always)]
fn weight_tile<
    L: Lanes,
    const G: usize,
    const X: usize,
    const Y: usize,
    const R: usize,
    const CT: usize,
    const KW: usize,
>(
    window: &Window,
    x: &[[Row<L::Elem>; X]; G],
    d_y: &[[Row<L::Elem>; Y]; G],
    output: usize,
    (channel, ky): (usize, usize),
) -> [[[L; KW]; CT]; R] {
    let width = window.input[2];
    let [_, _, output_width] = window.output;
    let (stride, dilation) = (window.stride[1], window.dilation[1]);
    let part = output / window.outputs();
    let channel = part * window.channels() + channel;
    // Columns of y that see the image through every column of the kernel.
    let (first, last) = (window.seen(1, 0), window.seen(1, KW - 1));
    let inner = first.start..last.end.max(first.start);
    let mut sums = [[[L::zero(); KW]; CT]; R];
    for (x, d_y) in x.iter().zip(d_y) {
        for row in window.seen(0, ky) {
            let y = row * window.stride[0] + ky * window.dilation[0] - window.padding[0];
            // Outputs behind the last one repeat it; nobody asks for those sums.
            let rows: [&[Row<L::Elem>]; R] = core::array::from_fn(|r| {
                let of = (output + r).min(window.output[0] - 1);
                &d_y[(of * window.output[1] + row) * output_width..][..output_width]
            });
            let images: [&[Row<L::Elem>]; CT] =
                core::array::from_fn(|c| &x[((channel + c) * window.input[1] + y) * width..][..width]);
            for column in 0..inner.start.min(output_width) {
                edge(window, &rows, &images, column, &mut sums);
            }
            for column in inner.clone() {
                let d: [L; R] = core::array::from_fn(|r| {
                    // SAFETY: `inner` ends with the columns of y at the latest.
                    L::load(unsafe { rows[r].get_unchecked(column) })
                });
                let from = column * stride - window.padding[1];
                for c in 0..CT {
                    for k in 0..KW {
                        // SAFETY: columns of `inner` see the image through every column of the kernel.
                        let x = L::load(unsafe { images[c].get_unchecked(from + k * dilation) });
                        for r in 0..R {
                            sums[r][c][k] = d[r].mul_add(x, sums[r][c][k]);
                        }
                    }
                }
            }
            for column in inner.end.max(inner.start).min(output_width)..output_width {
                edge(window, &rows, &images, column, &mut sums);
            }
        }
    }
    sums
}

/// What a column at the edge adds: some columns of the kernel lie outside of the image.
#[inline(always)]
fn edge<L: Lanes, const R: usize, const CT: usize, const KW: usize>(
    window: &Window,
    rows: &[&[Row<L::Elem>]; R],
    images: &[&[Row<L::Elem>]; CT],
    column: usize,
    sums: &mut [[[L; KW]; CT]; R],
) {
    for k in 0..KW {
        let at = (column * window.stride[1] + k * window.dilation[1]).wrapping_sub(window.padding[1]);
        if at >= window.input[2] {
            continue;
        }
        for c in 0..CT {
            let x = L::load(&images[c][at]);
            for r in 0..R {
                sums[r][c][k] = L::load(&rows[r][column]).mul_add(x, sums[r][c][k]);
            }
        }
    }
}

/// One sample with zeros around it, as [`Window::padded`] has it: what [`single`] reads when there is padding. `padded`
/// holds zeros before.
#[inline(always)]
pub fn pad<E: Element>(window: &Window, x: &[Row<E>], padded: &mut [Row<E>]) {
    let [channels, height, width] = window.input;
    let [_, padded_height, padded_width] = window.padded().input;
    let (x, padded) = (x.as_flattened(), padded.as_flattened_mut());
    for channel in 0..channels {
        for row in 0..height {
            let from = (channel * height + row) * width;
            let to = (channel * padded_height + row + window.padding[0]) * padded_width + window.padding[1];
            padded[to..to + width].copy_from_slice(&x[from..from + width]);
        }
    }
}

/// y = W * x + b for one sample that has its padding already: `[C, H, W]` numbers, one after the other. Every number of
/// y is written to `y`.
#[inline(always)]
pub fn single<L: Lanes, const K: usize, const P: usize>(
    window: &Window,
    x: &[Row<L::Elem>],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    y: &mut [Row<L::Elem>],
) {
    assert!(window.padding == [0, 0] && window.fits(window.input.iter().product(), K, P));
    let reach = |axis: usize| {
        (window.output[axis + 1] - 1) * window.stride[axis]
            + (window.kernel[axis] - 1) * window.dilation[axis]
            < window.input[axis + 1]
    };
    let (x, y) = (x.as_flattened(), y.as_flattened_mut());
    assert!(reach(0) && reach(1) && window.input.iter().product::<usize>() <= x.len());
    if window.groups == 1 {
        single_outputs::<L, K, P>(window, x, weight, bias, y);
    } else {
        single_places::<L, K, P>(window, x, weight, bias, y);
    }
}

/// Lanes over output channels, sixteen places at a time.
#[inline(always)]
fn single_outputs<L: Lanes, const K: usize, const P: usize>(
    window: &Window,
    x: &[L::Elem],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    y: &mut [L::Elem],
) {
    let places = window.output_places();
    let [_, _, width] = window.input;
    for p in 0..P {
        let outputs = LANES.min(window.output[0] - p * LANES);
        let start = bias.map_or(L::zero(), |bias| L::load(&bias[p]));
        let mut place = 0;
        while place < places {
            // Behind the last place the last is repeated.
            let corner: [usize; LANES] = core::array::from_fn(|c| {
                let at = (place + c).min(places - 1);
                let (row, column) = (at / window.output[2], at % window.output[2]);
                row * window.stride[0] * width + column * window.stride[1]
            });
            let mut sums = [start; LANES];
            for ky in 0..window.kernel[0] {
                for kx in 0..window.kernel[1] {
                    let shift = ky * window.dilation[0] * width + kx * window.dilation[1];
                    for channel in 0..window.input[0] {
                        let row = &weight[p][channel * window.taps() + ky * window.kernel[1] + kx];
                        let lanes = L::load(row);
                        let from = channel * window.places() + shift;
                        for c in 0..LANES {
                            // SAFETY: `single` asserts that every place reaches no further than the image.
                            let value = unsafe { *x.get_unchecked(from + corner[c]) };
                            sums[c] = sums[c].add_mul(value, lanes);
                        }
                    }
                }
            }
            L::transpose(&mut sums);
            let len = LANES.min(places - place);
            for o in 0..outputs {
                let mut row = [L::Elem::ZERO; LANES];
                sums[o].store(&mut row);
                y[(p * LANES + o) * places + place..][..len].copy_from_slice(&row[..len]);
            }
            place += LANES;
        }
    }
}

/// Lanes over sixteen places of a row: for parts with few channels each.
#[inline(always)]
fn single_places<L: Lanes, const K: usize, const P: usize>(
    window: &Window,
    x: &[L::Elem],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    y: &mut [L::Elem],
) {
    let [outputs, height, width] = window.output;
    for output in 0..outputs {
        let (p, lane) = (output / LANES, output % LANES);
        let first = output / window.outputs() * window.channels();
        for row in 0..height {
            let mut column = 0;
            while column < width {
                let len = LANES.min(width - column);
                let mut sum = bias.map_or(L::zero(), |bias| L::splat(bias[p][lane]));
                for ky in 0..window.kernel[0] {
                    for kx in 0..window.kernel[1] {
                        for channel in 0..window.channels() {
                            let tap = channel * window.taps() + ky * window.kernel[1] + kx;
                            let from = (first + channel) * window.places()
                                + (row * window.stride[0] + ky * window.dilation[0]) * window.input[2]
                                + kx * window.dilation[1];
                            let values = core::array::from_fn(|c| {
                                let at = (column + c).min(width - 1);
                                x[from + at * window.stride[1]]
                            });
                            sum = sum.add_mul(weight[p][tap][lane], L::load(&values));
                        }
                    }
                }
                let mut values = [L::Elem::ZERO; LANES];
                sum.store(&mut values);
                y[(output * height + row) * width + column..][..len].copy_from_slice(&values[..len]);
                column += LANES;
            }
        }
    }
}

/// A transposed convolution of one sample: every number of x is written to `x`.
#[inline(always)]
pub fn single_back<L: Lanes, const K: usize, const P: usize>(
    window: &Window,
    y: &[Row<L::Elem>],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>]>,
    x: &mut [Row<L::Elem>],
) {
    let (y, x) = (y.as_flattened(), x.as_flattened_mut());
    let [_, height, width] = window.input;
    let outputs = window.outputs();
    for of in 0..window.input[0] {
        let (part, channel) = (of / window.channels(), of % window.channels());
        let start = bias.map_or(L::Elem::ZERO, |bias| bias[of / LANES][of % LANES]);
        for row in 0..height {
            for column in 0..width {
                // Lanes over the channels of y, summed at the end.
                let mut sum = L::zero();
                for ky in 0..window.kernel[0] {
                    let at = row + window.padding[0];
                    let Some(from_row) = seen_by(at, ky * window.dilation[0], window.stride[0]) else {
                        continue;
                    };
                    if from_row < 0 || from_row >= window.output[1] as isize {
                        continue;
                    }
                    for kx in 0..window.kernel[1] {
                        let at = column + window.padding[1];
                        let seen = seen_by(at, kx * window.dilation[1], window.stride[1]);
                        let Some(from_column) = seen else { continue };
                        if from_column < 0 || from_column >= window.output[2] as isize {
                            continue;
                        }
                        let place = from_row as usize * window.output[2] + from_column as usize;
                        let tap = channel * window.taps() + ky * window.kernel[1] + kx;
                        let range = part * outputs..(part + 1) * outputs;
                        for p in range.start / LANES..range.end.div_ceil(LANES) {
                            let values = core::array::from_fn(|lane| {
                                let output = p * LANES + lane;
                                if range.contains(&output) {
                                    y[output * window.output_places() + place]
                                } else {
                                    L::Elem::ZERO
                                }
                            });
                            sum = L::load(&values).mul_add(L::load(&weight[p][tap]), sum);
                        }
                    }
                }
                let mut whole = [L::Elem::ZERO; LANES];
                (L::splat(start) + L::splat(sum.sum())).store(&mut whole);
                x[(of * height + row) * width + column] = whole[0];
            }
        }
    }
}
