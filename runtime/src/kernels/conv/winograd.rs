//! Convolutions with a kernel of 3 x 3 places and a stride of 1, with 16 products for 4 places of y instead of 36: F(2 x 2,
//! 3 x 3) of Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, after Winograd.
//!
//! Four times four places of x, V = Bᵀ x B, and the kernel, U = G w Gᵀ, are multiplied element by element and summed over
//! channels; y = Aᵀ M A are two times two places. U, V and M lie in `room`, in that of the first group:
//! 16 (P C + 2 (C + 1 + O)) rows.
//!
//! The gradient of x is a convolution of d_y with the kernel turned by half a turn. Turning it exchanges the first and the
//! last of the four elements of U along each axis, and nothing else.

// Several arrays are indexed with one counter; iterators over them would hide the tile.
#![allow(clippy::needless_range_loop)]

use super::{Window, product};
use crate::element::Element;
use crate::kernels::tile::{NARROW, WIDE, each};
use crate::lanes::{LANES, Lanes, Row};
use crate::simd::Kernel;

/// Elements of a tile.
const ELEMENTS: usize = 16;
/// Tiles beside each other that are computed together.
const TILES: usize = 2;
/// Columns of x that they see.
const COLUMNS: usize = 2 * TILES + 2;

/// One number of each of the tiles.
type Tiles<E> = [Row<E>; TILES];

/// An image: channels, height and width.
type Image = [usize; 3];

/// y = W * x + b, as [`super::forward`].
#[inline(always)]
pub fn winograd<L: Lanes, const X: usize, const K: usize, const P: usize, const S: usize>(
    window: &Window,
    x: &[[Row<L::Elem>; X]],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    room: &mut [[Row<L::Elem>; S]],
    finish: impl FnMut(usize, usize, L),
) {
    assert!(window.fits(X, K, P) && window.is_for_winograd());
    let Some(room) = room.first_mut() else { return };
    let channels = window.channels();
    assert!(S >= ELEMENTS * (P * channels + TILES * (channels + 1 + window.output[0])));
    let (u, room) = room.split_at_mut(ELEMENTS * P * channels);
    L::apart(TransformWeight { weight: weight.as_flattened(), panels: P, u });
    let images = (window.input, window.output);
    let bias = bias.map(|bias| bias.as_slice());
    convolve::<L, X>(images, window.padding, x, (u, Direction::Forward), room, bias, finish);
}

/// d_x, as [`super::input_gradient`].
#[inline(always)]
pub fn winograd_back<L: Lanes, const Y: usize, const K: usize, const P: usize, const S: usize>(
    window: &Window,
    d_y: &[[Row<L::Elem>; Y]],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>]>,
    room: &mut [[Row<L::Elem>; S]],
    finish: impl FnMut(usize, usize, L),
) {
    assert!(window.fits(window.input.iter().product(), K, P) && window.is_for_winograd());
    assert!(product(&window.output) == Some(Y));
    let Some(room) = room.first_mut() else { return };
    let channels = window.channels();
    assert!(S >= ELEMENTS * (P * channels + TILES * (channels + 1 + window.output[0])));
    let (u, room) = room.split_at_mut(ELEMENTS * P * channels);
    L::apart(TransformWeight { weight: weight.as_flattened(), panels: P, u });
    let images = (window.output, window.input);
    let padding = window.padding.map(|padding| 2 - padding);
    convolve::<L, Y>(images, padding, d_y, (u, Direction::Back), room, bias, finish);
}

impl Window {
    /// Whether it is what the kernels of this file compute.
    #[inline(always)]
    fn is_for_winograd(&self) -> bool {
        self.kernel == [3, 3]
            && self.stride == [1, 1]
            && self.dilation == [1, 1]
            && self.groups == 1
            && self.padding.iter().all(|padding| *padding <= 2)
    }
}

/// G of three numbers of the kernel.
#[inline(always)]
fn of_weight<L: Lanes>(w: [L; 3]) -> [L; 4] {
    let half = L::splat(L::Elem::from_f64(0.5));
    let ends = w[0] + w[2];
    [w[0], (ends + w[1]) * half, (ends - w[1]) * half, w[2]]
}

/// Bᵀ of four numbers of the image.
#[inline(always)]
fn of_image<L: Lanes>(x: [L; 4]) -> [L; 4] {
    [x[0] - x[2], x[1] + x[2], x[2] - x[1], x[1] - x[3]]
}

/// Aᵀ of four numbers of the product.
#[inline(always)]
fn of_product<L: Lanes>(m: [L; 4]) -> [L; 2] {
    [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]
}

/// U of all pairs of channels: `u[(k * panels + p) * channels + c]` is element `k` of sixteen output channels.
struct TransformWeight<'a, E> {
    /// A kernel after the other, channel by channel, panel by panel.
    weight: &'a [Row<E>],
    panels: usize,
    u: &'a mut [Row<E>],
}

impl<E: Element> Kernel<E> for TransformWeight<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Elem = E>>(self) {
        let kernels = self.weight.as_chunks::<9>().0;
        let per_element = self.u.len() / ELEMENTS;
        assert!(kernels.len() == per_element && kernels.len().is_multiple_of(self.panels));
        for (at, kernel) in kernels.iter().enumerate() {
            let mut columns = [[L::zero(); 4]; 3];
            for x in 0..3 {
                columns[x] =
                    of_weight([L::load(&kernel[x]), L::load(&kernel[3 + x]), L::load(&kernel[6 + x])]);
            }
            for y in 0..4 {
                let row = of_weight([columns[0][y], columns[1][y], columns[2][y]]);
                for x in 0..4 {
                    row[x].store(&mut self.u[(4 * y + x) * per_element + at]);
                }
            }
        }
    }
}

/// Whether outputs are made of inputs, or the gradients of inputs of those of outputs.
#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Back,
}

/// V of the tiles whose first place is `corner`, and M of them.
struct Strip<'a, E> {
    x: &'a [Row<E>],
    image: Image,
    corner: (isize, isize),
    /// Channels of M.
    outputs: usize,
    u: &'a [Row<E>],
    direction: Direction,
    v: &'a mut [Tiles<E>],
    m: &'a mut [Tiles<E>],
}

impl<E: Element> Kernel<E> for Strip<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Elem = E>>(self) {
        let Self { x, image, corner, outputs, u, direction, v, m } = self;
        transform_image::<L>(x, image, corner, v);
        let (channels, per_element) = (image[0], u.len() / ELEMENTS);
        for k in 0..ELEMENTS {
            let v = &v[k * (channels + 1)..][..channels];
            match direction {
                Direction::Forward => {
                    multiply::<L>(&u[k * per_element..][..per_element], outputs, k, v, m);
                }
                Direction::Back => {
                    let turned = 4 * [3, 1, 2, 0][k / 4] + [3, 1, 2, 0][k % 4];
                    multiply_back::<L>(&u[turned * per_element..][..per_element], outputs, k, v, m);
                }
            }
        }
    }
}

/// All places of all groups of `to`, from `x` with this padding.
#[inline(always)]
fn convolve<L: Lanes, const X: usize>(
    (from, to): (Image, Image),
    padding: [usize; 2],
    x: &[[Row<L::Elem>; X]],
    (u, direction): (&[Row<L::Elem>], Direction),
    room: &mut [Row<L::Elem>],
    bias: Option<&[Row<L::Elem>]>,
    mut finish: impl FnMut(usize, usize, L),
) {
    let ([channels, ..], [outputs, height, width]) = (from, to);
    let (v, m) = room.as_chunks_mut::<TILES>().0.split_at_mut(ELEMENTS * (channels + 1));
    let m = &mut m[..ELEMENTS * outputs];
    for (g, x) in x.iter().enumerate() {
        for row in (0..height).step_by(2) {
            for column in (0..width).step_by(2 * TILES) {
                let top = row as isize - padding[0] as isize;
                let left = column as isize - padding[1] as isize;
                let (image, corner) = (from, (top, left));
                L::apart(Strip { x, image, corner, outputs, u, direction, v, m });
                for (o, m) in m.as_chunks::<ELEMENTS>().0.iter().enumerate() {
                    let start = match bias {
                        Some(bias) => L::splat(bias[o / LANES][o % LANES]),
                        None => L::zero(),
                    };
                    for t in 0..TILES {
                        let y = transform_back::<L>(m, t);
                        for at in 0..4 {
                            let (row, column) = (row + at / 2, column + 2 * t + at % 2);
                            if row < height && column < width {
                                finish(g, (o * height + row) * width + column, start + y[at]);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// V of the tiles whose first place is here: element `k` of channel `c` is `v[k * (channels + 1) + c]`. The place in between
/// keeps the elements of a channel out of each other's way in the cache.
#[inline(always)]
fn transform_image<L: Lanes>(
    x: &[Row<L::Elem>],
    [channels, height, width]: Image,
    (top, left): (isize, isize),
    v: &mut [Tiles<L::Elem>],
) {
    let is_inside = top >= 0 && left >= 0 && top as usize + 4 <= height && left as usize + COLUMNS <= width;
    for c in 0..channels {
        let image = &x[c * height * width..][..height * width];
        let mut columns = [[L::zero(); 4]; COLUMNS];
        if is_inside {
            let image = &image[top as usize * width + left as usize..][..3 * width + COLUMNS];
            for x in 0..COLUMNS {
                for y in 0..4 {
                    columns[x][y] = L::load(&image[y * width + x]);
                }
            }
        } else {
            for x in 0..COLUMNS {
                for y in 0..4 {
                    let (row, column) = (top + y as isize, left + x as isize);
                    if row >= 0 && column >= 0 && (row as usize) < height && (column as usize) < width {
                        columns[x][y] = L::load(&image[row as usize * width + column as usize]);
                    }
                }
            }
        }
        for x in 0..COLUMNS {
            columns[x] = of_image(columns[x]);
        }
        for t in 0..TILES {
            for y in 0..4 {
                let at = 2 * t;
                let row =
                    of_image([columns[at][y], columns[at + 1][y], columns[at + 2][y], columns[at + 3][y]]);
                for x in 0..4 {
                    row[x].store(&mut v[(4 * y + x) * (channels + 1) + c][t]);
                }
            }
        }
    }
}

/// Two times two places of tile `t`.
#[inline(always)]
fn transform_back<L: Lanes>(m: &[Tiles<L::Elem>; ELEMENTS], t: usize) -> [L; 4] {
    let mut columns = [[L::zero(); 2]; 4];
    for x in 0..4 {
        columns[x] = of_product([
            L::load(&m[x][t]),
            L::load(&m[4 + x][t]),
            L::load(&m[8 + x][t]),
            L::load(&m[12 + x][t]),
        ]);
    }
    let above = of_product([columns[0][0], columns[1][0], columns[2][0], columns[3][0]]);
    let below = of_product([columns[0][1], columns[1][1], columns[2][1], columns[3][1]]);
    [above[0], above[1], below[0], below[1]]
}

/// Element `k` of M for all of `outputs` output channels, `m[o * ELEMENTS + k]`, from that of U and V.
#[inline(always)]
fn multiply<L: Lanes>(
    u: &[Row<L::Elem>],
    outputs: usize,
    k: usize,
    v: &[Tiles<L::Elem>],
    m: &mut [Tiles<L::Elem>],
) {
    for (p, u) in u.chunks_exact(v.len()).enumerate() {
        let outputs = LANES.min(outputs - p * LANES);
        cover!(L, outputs, |o, R| {
            // What the loop relies on, said once.
            assert!(o + R <= LANES);
            let mut sums = [[L::zero(); TILES]; R];
            for (u, v) in u.iter().zip(v) {
                let lanes: [L; TILES] = core::array::from_fn(|t| L::load(&v[t]));
                for r in 0..R {
                    for t in 0..TILES {
                        sums[r][t] = sums[r][t].add_mul(u[o + r], lanes[t]);
                    }
                }
            }
            each(&sums, |r, t, sum| {
                if o + r < outputs {
                    sum.store(&mut m[(p * LANES + o + r) * ELEMENTS + k][t]);
                }
            });
        });
    }
}

/// The same for all channels of d_x, summed over output channels.
#[inline(always)]
fn multiply_back<L: Lanes>(
    u: &[Row<L::Elem>],
    channels: usize,
    k: usize,
    v: &[Tiles<L::Elem>],
    m: &mut [Tiles<L::Elem>],
) {
    cover!(L, channels, |c, R| {
        let mut sums = [[L::zero(); TILES]; R];
        for (u, v) in u.chunks_exact(channels).zip(v.chunks(LANES)) {
            // Behind the last channel the last is repeated; nobody asks for those sums.
            let rows: [&Row<L::Elem>; R] = core::array::from_fn(|r| &u[(c + r).min(channels - 1)]);
            for (lane, v) in v.iter().enumerate() {
                let lanes: [L; TILES] = core::array::from_fn(|t| L::load(&v[t]));
                for r in 0..R {
                    for t in 0..TILES {
                        sums[r][t] = sums[r][t].add_mul(rows[r][lane], lanes[t]);
                    }
                }
            }
        }
        each(&sums, |r, t, sum| {
            if c + r < channels {
                sum.store(&mut m[(c + r) * ELEMENTS + k][t]);
            }
        });
    });
}
