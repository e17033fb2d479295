//! The gradient of the weight.
#![allow(unsafe_code, clippy::needless_range_loop)]

use core::ops::Range;

use super::{Window, moved_back, product};
use crate::element::Element;
use crate::lanes::{Aligned, LANES, Lanes, Row};

/// d_W: for each weight the sum over samples and places of d_y x, samples within a group last. `finish` is given panel,
/// element of the kernel and sixteen output channels, each once.
///
/// A unit is one row of the kernel of one channel of a part: `units` says which of the `channels * kernel rows` are
/// computed, so that elements `units.start * KW..units.end * KW` are finished, each with the bits that it has in the
/// whole.
///
/// `R` output channels, `CT` channels and `KW` columns of the kernel are a tile. With `groups > 1`, `R` must divide both
/// sixteen and the outputs of a part. Lanes of padding must be 0 in d_y.
#[inline(always)]
pub fn weight_gradient<
    L: Lanes,
    const X: usize,
    const Y: usize,
    const R: usize,
    const CT: usize,
    const KW: usize,
>(
    window: &Window,
    units: Range<usize>,
    x: &[[Row<L::Elem>; X]],
    d_y: &[[Row<L::Elem>; Y]],
    finish: impl FnMut(usize, usize, L),
) {
    assert!(x.len() == d_y.len() && units.end <= window.channels() * window.kernel[0]);
    assert!(window.kernel[1] == KW && product(&window.input) == Some(X) && window.is_countable());
    assert!(product(&window.output) == Some(Y) && CT <= window.channels());
    // One for all of them, as a build without optimization keeps what any of them would have on the stack.
    let Aligned(kept) = &mut Aligned([[[L::Elem::ZERO; LANES]; LANES]; KEPT]);
    if L::IS_WIDE {
        weight_tiles::<L, X, Y, R, CT, KW>(window, units, x, d_y, kept, finish);
    } else if R == 1 || KW > 3 {
        weight_tiles::<L, X, Y, 1, 1, KW>(window, units, x, d_y, kept, finish);
    } else {
        weight_tiles::<L, X, Y, 2, 1, KW>(window, units, x, d_y, kept, finish);
    }
}

/// All tiles, in the order that suits the size of the images.
#[inline(always)]
fn weight_tiles<
    L: Lanes,
    const X: usize,
    const Y: usize,
    const R: usize,
    const CT: usize,
    const KW: usize,
>(
    window: &Window,
    units: Range<usize>,
    x: &[[Row<L::Elem>; X]],
    d_y: &[[Row<L::Elem>; Y]],
    kept: &mut Kept<L::Elem>,
    finish: impl FnMut(usize, usize, L),
) {
    let bytes = x.len() * (X + Y) * LANES * size_of::<L::Elem>();
    if bytes > NEAR_BYTES && window.kernel[0] * KW * CT <= KEPT {
        weight_bands::<L, X, Y, R, CT, KW>(window, units, x, d_y, kept, finish);
    } else {
        weight_whole::<L, X, Y, R, CT, KW>(window, units, x, d_y, finish);
    }
}

/// Bytes of images above which passing over all of them for each tile takes longer than its products.
const NEAR_BYTES: usize = 1 << 20;
/// Bytes of images that a tile sees of a band: they stay in the nearest cache while all rows of the kernel go by.
const BAND_BYTES: usize = 32 << 10;
/// Elements of the kernel whose sums are kept between bands, at most.
const KEPT: usize = 144;

/// Sums of the outputs of a panel for each element of the kernel, lanes over samples.
type Kept<E> = [[Row<E>; LANES]; KEPT];

/// A tile after the other, each over all groups and places.
#[inline(always)]
fn weight_whole<
    L: Lanes,
    const X: usize,
    const Y: usize,
    const R: usize,
    const CT: usize,
    const KW: usize,
>(
    window: &Window,
    units: Range<usize>,
    x: &[[Row<L::Elem>; X]],
    d_y: &[[Row<L::Elem>; Y]],
    mut finish: impl FnMut(usize, usize, L),
) {
    let (channels, outputs, height) = (window.channels(), window.output[0], window.kernel[0]);
    for p in 0..outputs.div_ceil(LANES) {
        let of_panel = LANES.min(outputs - p * LANES);
        let mut channel = units.start / height;
        while channel * height < units.end {
            let first = moved_back(channel, CT, channels);
            for ky in 0..height {
                // A tile that was moved back begins with channels that are done.
                let is_asked =
                    |c: usize| first + c >= channel && units.contains(&((first + c) * height + ky));
                if !(0..CT).any(is_asked) {
                    continue;
                }
                // Sums of the panel's outputs, lanes over samples; they are turned over when all are there.
                let mut sums = [[[L::zero(); LANES]; KW]; CT];
                let mut o = 0;
                while o < of_panel {
                    let at = moved_back(o, R, LANES);
                    let mut tile = [[[L::zero(); KW]; CT]; R];
                    for (x, d_y) in x.iter().zip(d_y) {
                        let rows = window.seen(0, ky);
                        weight_tile(window, x, d_y, p * LANES + at, (first, ky), rows, &mut tile);
                    }
                    for r in 0..R {
                        for c in 0..CT {
                            for k in 0..KW {
                                sums[c][k][at + r] = tile[r][c][k];
                            }
                        }
                    }
                    o += R;
                }
                for c in 0..CT {
                    if !is_asked(c) {
                        continue;
                    }
                    for k in 0..KW {
                        finish(p, ((first + c) * height + ky) * KW + k, over_samples(sums[c][k], of_panel));
                    }
                }
            }
            channel += CT;
        }
    }
}

/// As [`weight_whole`], a band of rows of the images after the other for many tiles: what is read again lies near. Sums
/// are kept between bands, so that each has one order.
#[inline(always)]
fn weight_bands<
    L: Lanes,
    const X: usize,
    const Y: usize,
    const R: usize,
    const CT: usize,
    const KW: usize,
>(
    window: &Window,
    units: Range<usize>,
    x: &[[Row<L::Elem>; X]],
    d_y: &[[Row<L::Elem>; Y]],
    kept: &mut Kept<L::Elem>,
    mut finish: impl FnMut(usize, usize, L),
) {
    let (channels, outputs, height) = (window.channels(), window.output[0], window.kernel[0]);
    // Channels whose sums are kept: whole tiles.
    let at_once = (KEPT / (height * KW) / CT * CT).min(channels.next_multiple_of(CT));
    let row_bytes =
        (CT * window.input[2] * window.stride[0] + R * window.output[2]) * LANES * size_of::<L::Elem>();
    let band = (BAND_BYTES / row_bytes).max(1);
    for p in 0..outputs.div_ceil(LANES) {
        let of_panel = LANES.min(outputs - p * LANES);
        let mut block = units.start / height;
        while block * height < units.end {
            kept.fill([[L::Elem::ZERO; LANES]; LANES]);
            let block_end = (block + at_once).min(units.end.div_ceil(height));
            for (x, d_y) in x.iter().zip(d_y) {
                for top in (0..window.output[1]).step_by(band) {
                    let mut channel = block;
                    while channel < block_end {
                        let first = moved_back(channel, CT, channels);
                        let mut o = 0;
                        while o < of_panel {
                            let at = moved_back(o, R, LANES);
                            for ky in 0..height {
                                let seen = window.seen(0, ky);
                                let rows = seen.start.max(top)..seen.end.min(top + band);
                                // A tile that was moved back begins with sums that have these rows already.
                                let is_asked = |c: usize| {
                                    first + c >= channel && units.contains(&((first + c) * height + ky))
                                };
                                if rows.is_empty() || !(0..CT).any(is_asked) {
                                    continue;
                                }
                                let place = |c: usize, k: usize| ((first + c - block) * height + ky) * KW + k;
                                let mut tile = [[[L::zero(); KW]; CT]; R];
                                for c in 0..CT {
                                    if is_asked(c) {
                                        for r in 0..R {
                                            for k in 0..KW {
                                                tile[r][c][k] = L::load(&kept[place(c, k)][at + r]);
                                            }
                                        }
                                    }
                                }
                                let tap = (first, ky);
                                weight_tile(window, x, d_y, p * LANES + at, tap, rows, &mut tile);
                                for c in 0..CT {
                                    if is_asked(c) {
                                        for r in o - at..R {
                                            for k in 0..KW {
                                                tile[r][c][k].store(&mut kept[place(c, k)][at + r]);
                                            }
                                        }
                                    }
                                }
                            }
                            o += R;
                        }
                        channel += CT;
                    }
                }
            }
            for unit in units.start.max(block * height)..units.end.min(block_end * height) {
                for k in 0..KW {
                    let rows = &kept[(unit - block * height) * KW + k];
                    let sums = core::array::from_fn(|o| L::load(&rows[o]));
                    finish(p, unit * KW + k, over_samples(sums, of_panel));
                }
            }
            block += at_once;
        }
    }
}

/// Sums over lanes of the outputs of a panel, an output a lane.
#[inline(always)]
fn over_samples<L: Lanes>(mut sums: [L; LANES], of_panel: usize) -> L {
    for lanes in &mut sums[of_panel..] {
        *lanes = L::zero();
    }
    L::transpose(&mut sums);
    sums.into_iter().fold(L::zero(), |sum, lanes| sum + lanes)
}

/// Adds what some rows of a group hold for `R` outputs, `CT` channels of their part and a row of the kernel.
#[inline(always)]
fn weight_tile<L: Lanes, const X: usize, const Y: usize, const R: usize, const CT: usize, const KW: usize>(
    window: &Window,
    x: &[Row<L::Elem>; X],
    d_y: &[Row<L::Elem>; Y],
    output: usize,
    (channel, ky): (usize, usize),
    rows: Range<usize>,
    sums: &mut [[[L; KW]; CT]; R],
) {
    let width = window.input[2];
    let [_, _, output_width] = window.output;
    let (stride, dilation) = (window.stride[1], window.dilation[1]);
    let part = output / window.outputs();
    let channel = part * window.channels() + channel;
    // Columns of y that see the image through every column of the kernel.
    let (first, last) = (window.seen(1, 0), window.seen(1, KW - 1));
    let inner = first.start..last.end.max(first.start);
    let mut tile = *sums;
    for row in rows {
        let y = row * window.stride[0] + ky * window.dilation[0] - window.padding[0];
        // Outputs behind the last one repeat it; nobody asks for those sums.
        let rows: [&[Row<L::Elem>]; R] = core::array::from_fn(|r| {
            let of = (output + r).min(window.output[0] - 1);
            &d_y[(of * window.output[1] + row) * output_width..][..output_width]
        });
        let images: [&[Row<L::Elem>]; CT] =
            core::array::from_fn(|c| &x[((channel + c) * window.input[1] + y) * width..][..width]);
        for column in 0..inner.start.min(output_width) {
            edge(window, &rows, &images, column, &mut tile);
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
                        tile[r][c][k] = d[r].mul_add(x, tile[r][c][k]);
                    }
                }
            }
        }
        for column in inner.end.max(inner.start).min(output_width)..output_width {
            edge(window, &rows, &images, column, &mut tile);
        }
    }
    *sums = tile;
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
