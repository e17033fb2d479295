//! Convolutions with a stride of 1 and with fewer products than they are sums of: F(2 x 2, 3 x 3) and F(2 x 2, 5 x 5) of Lavin
//! and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, after Winograd. Four places of y take 16 products
//! instead of 36, and 36 instead of 100.
//!
//! A tile of x, V = Bᵀ x B, and the kernel, U = G w Gᵀ, are multiplied element by element and summed over channels;
//! y = Aᵀ M A are two times two places. A tile has one place more than the kernel along each axis, `SIDE`; so U, V and M
//! have SIDE² elements. They lie in `room`, in that of the first group: SIDE² (P C + 2 (C + 1 + O)) rows, for two tiles
//! beside each other are computed together.
//!
//! The gradient of x is a convolution of d_y with the kernel turned by half a turn.

// Several arrays are indexed with one counter; iterators over them would hide the tile.
#![allow(clippy::needless_range_loop)]

use super::{Window, product};
use crate::element::Element;
use crate::kernels::pool::larger;
use crate::kernels::tile::{NARROW, WIDE, each};
use crate::lanes::{LANES, Lanes, Row};
use crate::simd::Kernel;

/// Tiles beside each other that are computed together.
const TILES: usize = 2;
/// Places of the largest tile along an axis.
const MOST_SIDE: usize = 6;
/// Places along an axis that the tiles see which are computed together.
const MOST_COLUMNS: usize = MOST_SIDE + 2 * (TILES - 1);

/// One number of each of the tiles.
type Tiles<E> = [Row<E>; TILES];

/// An image: channels, height and width.
type Image = [usize; 3];

/// Numbers along an axis of a tile; those behind its side are nothing.
type Side<L> = [L; MOST_SIDE];

/// y = W * x + b, as [`super::forward`], for a kernel of `TAPS` times `TAPS` places.
#[inline(always)]
pub fn winograd<
    L: Lanes,
    const TAPS: usize,
    const X: usize,
    const K: usize,
    const P: usize,
    const S: usize,
>(
    window: &Window,
    x: &[[Row<L::Elem>; X]],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    room: &mut [[Row<L::Elem>; S]],
    finish: impl FnMut(usize, usize, L),
) {
    Work::forward(window, [TAPS, X, K, P]).run::<L, TAPS, X>(
        x,
        weight.as_flattened(),
        bias.map(<[_; P]>::as_slice),
        room,
        each_place(window.output, finish),
    );
}

/// [`winograd`], and of each two times two places of y the largest number, as of [`super::forward_halved`].
///
/// # Panics
/// If height or width of y is odd.
#[inline(always)]
pub fn winograd_halved<
    L: Lanes,
    const TAPS: usize,
    const X: usize,
    const K: usize,
    const P: usize,
    const S: usize,
>(
    window: &Window,
    x: &[[Row<L::Elem>; X]],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>; P]>,
    room: &mut [[Row<L::Elem>; S]],
    mut value: impl FnMut(usize, usize, L) -> L,
    mut finish: impl FnMut(usize, usize, L),
) {
    let [_, height, width] = window.output;
    assert!([height, width].iter().all(|n| n.is_multiple_of(2)));
    Work::forward(window, [TAPS, X, K, P]).run::<L, TAPS, X>(
        x,
        weight.as_flattened(),
        bias.map(<[_; P]>::as_slice),
        room,
        #[inline(always)]
        |g, o, (row, column), y| {
            if column < width {
                let place = (o * height + row) * width + column;
                let above = larger(value(g, place + 1, y[1]), value(g, place, y[0]));
                let below = value(g, place + width, y[2]);
                let largest = larger(value(g, place + width + 1, y[3]), larger(below, above));
                finish(g, (o * (height / 2) + row / 2) * (width / 2) + column / 2, largest);
            }
        },
    );
}

/// d_x, as [`super::input_gradient`].
#[inline(always)]
pub fn winograd_back<
    L: Lanes,
    const TAPS: usize,
    const Y: usize,
    const K: usize,
    const P: usize,
    const S: usize,
>(
    window: &Window,
    d_y: &[[Row<L::Elem>; Y]],
    weight: &[[Row<L::Elem>; K]; P],
    bias: Option<&[Row<L::Elem>]>,
    room: &mut [[Row<L::Elem>; S]],
    finish: impl FnMut(usize, usize, L),
) {
    assert!(window.fits(window.input.iter().product(), K, P) && window.is_for_winograd(TAPS));
    assert!(product(&window.output) == Some(Y));
    let padding = window.padding.map(|padding| TAPS - 1 - padding);
    let work = Work { from: window.output, to: window.input, padding, is_turned: true };
    work.run::<L, TAPS, Y>(d_y, weight.as_flattened(), bias, room, each_place(work.to, finish));
}

/// Hands those of two times two places on that lie in the image.
#[inline(always)]
fn each_place<L: Lanes>(
    [_, height, width]: Image,
    mut finish: impl FnMut(usize, usize, L),
) -> impl FnMut(usize, usize, (usize, usize), [L; 4]) {
    #[inline(always)]
    move |g, o, (row, column), y: [L; 4]| {
        for at in 0..4 {
            let (row, column) = (row + at / 2, column + at % 2);
            if row < height && column < width {
                finish(g, (o * height + row) * width + column, y[at]);
            }
        }
    }
}

impl Window {
    /// Whether it is what the kernels of this file compute.
    #[inline(always)]
    fn is_for_winograd(&self, taps: usize) -> bool {
        self.kernel == [taps; 2]
            && self.stride == [1, 1]
            && self.dilation == [1, 1]
            && self.groups == 1
            && self.padding.iter().all(|padding| *padding < taps)
    }
}

#[inline(always)]
fn number<L: Lanes>(value: f64) -> L {
    L::splat(L::Elem::from_f64(value))
}

/// G of `TAPS` numbers of the kernel.
///
/// Along an axis the product of two polynomials is found from its values: at 0, 1, -1 and infinity for three numbers, and at
/// 2 and -1/2 besides for five. These two round less than others do: Barabasz et al., "Error Analysis and Improving the
/// Accuracy of Winograd Convolution for Deep Neural Networks", 2020.
#[inline(always)]
fn of_weight<L: Lanes, const TAPS: usize>(w: [L; TAPS]) -> Side<L> {
    let mut out = [L::zero(); MOST_SIDE];
    out[0] = w[0];
    out[TAPS] = w[TAPS - 1];
    if TAPS == 3 {
        let (ends, half) = (w[0] + w[2], number(0.5));
        out[1] = (ends + w[1]) * half;
        out[2] = (ends - w[1]) * half;
    } else {
        let (even, odd, third) = (w[0] + w[2] + w[4], w[1] + w[3], number(1.0 / 3.0));
        out[1] = -(even + odd) * third;
        out[2] = (even - odd) * third;
        // Horner's rule, from the highest power on.
        let at = |x: L| w[4].mul_add(x, w[3]).mul_add(x, w[2]).mul_add(x, w[1]).mul_add(x, w[0]);
        out[3] = at(number(2.0)) * number(1.0 / 15.0);
        out[4] = at(number(-0.5)) * number(-16.0 / 15.0);
    }
    out
}

/// Bᵀ of `TAPS` + 1 numbers of the image.
#[inline(always)]
fn of_image<L: Lanes, const TAPS: usize>(x: Side<L>) -> Side<L> {
    let mut out = [L::zero(); MOST_SIDE];
    if TAPS == 3 {
        [out[0], out[1], out[2], out[3]] = [x[0] - x[2], x[1] + x[2], x[2] - x[1], x[1] - x[3]];
    } else {
        // What (p - 2) (p + 1/2) makes of three neighbours, and the rest of each product from that.
        let factor = number::<L>(-1.5);
        let (odd, even) = (x[3] - x[1], x[4] - x[2]);
        let first = x[1].mul_add(factor, x[2] - x[0]);
        let second = x[2].mul_add(factor, odd);
        let third = x[3].mul_add(factor, even);
        let fourth = x[4].mul_add(factor, x[5] - x[3]);
        out[0] = third - first;
        out[1] = third + second;
        out[2] = third - second;
        out[3] = odd.mul_add(number(0.5), even);
        out[4] = odd.mul_add(number(-2.0), even);
        out[5] = fourth - second;
    }
    out
}

/// Aᵀ of `TAPS` + 1 numbers of the product.
#[inline(always)]
fn of_product<L: Lanes, const TAPS: usize>(m: Side<L>) -> [L; 2] {
    if TAPS == 3 {
        [m[0] + m[1] + m[2], m[1] - m[2] - m[3]]
    } else {
        let last = m[4].mul_add(number(-0.5), m[3].mul_add(number(2.0), m[5]));
        [m[0] + (m[1] + m[2]) + (m[3] + m[4]), m[1] - m[2] + last]
    }
}

/// U of all pairs of channels: `u[(k * panels + p) * channels + c]` is element `k` of sixteen output channels.
struct TransformWeight<'a, E, const TAPS: usize> {
    /// A kernel after the other, channel by channel, panel by panel.
    weight: &'a [Row<E>],
    is_turned: bool,
    u: &'a mut [Row<E>],
}

impl<E: Element, const TAPS: usize> Kernel<E> for TransformWeight<'_, E, TAPS> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Elem = E>>(self) {
        let Self { weight, is_turned, u } = self;
        let side = TAPS + 1;
        let per_element = u.len() / (side * side);
        assert!(weight.len() == per_element * TAPS * TAPS);
        for (at, kernel) in weight.chunks_exact(TAPS * TAPS).enumerate() {
            let mut columns = [[L::zero(); MOST_SIDE]; TAPS];
            for x in 0..TAPS {
                let mut column = [L::zero(); TAPS];
                for y in 0..TAPS {
                    let tap = y * TAPS + x;
                    column[y] = L::load(&kernel[if is_turned { TAPS * TAPS - 1 - tap } else { tap }]);
                }
                columns[x] = of_weight(column);
            }
            for y in 0..side {
                let mut row = [L::zero(); TAPS];
                for x in 0..TAPS {
                    row[x] = columns[x][y];
                }
                let row = of_weight(row);
                for x in 0..side {
                    row[x].store(&mut u[(side * y + x) * per_element + at]);
                }
            }
        }
    }
}

/// A convolution: which images it is of, the padding of the first, and whether the kernel is turned and goes from outputs to
/// channels.
#[derive(Clone, Copy)]
struct Work {
    from: Image,
    to: Image,
    padding: [usize; 2],
    is_turned: bool,
}

/// V of the tiles whose first place is `corner`, and M of them.
struct Strip<'a, E, const TAPS: usize> {
    x: &'a [Row<E>],
    work: Work,
    corner: (isize, isize),
    u: &'a [Row<E>],
    v: &'a mut [Tiles<E>],
    m: &'a mut [Tiles<E>],
}

impl<E: Element, const TAPS: usize> Kernel<E> for Strip<'_, E, TAPS> {
    type Output = ();

    #[inline(always)]
    fn run<L: Lanes<Elem = E>>(self) {
        let Self { x, work, corner, u, v, m } = self;
        transform_image::<L, TAPS>(x, work.from, corner, v);
        let elements = (TAPS + 1) * (TAPS + 1);
        let (channels, per_element) = (work.from[0], u.len() / elements);
        for k in 0..elements {
            let v = &v[k * (channels + 1)..][..channels];
            let u = &u[k * per_element..][..per_element];
            if work.is_turned {
                multiply_back::<L>(u, work.to[0], (k, elements), v, m);
            } else {
                multiply::<L>(u, work.to[0], (k, elements), v, m);
            }
        }
    }
}

impl Work {
    /// That of y, for a kernel of so many places along an axis and arrays of these lengths.
    #[inline(always)]
    fn forward(window: &Window, [taps, x, weights, panels]: [usize; 4]) -> Self {
        assert!(window.fits(x, weights, panels) && window.is_for_winograd(taps));
        Self { from: window.input, to: window.output, padding: window.padding, is_turned: false }
    }

    /// All places of all groups of `to`, from `x`: `finish` is given group, channel, row and column of the first of two times
    /// two places, and the four of them; some may lie behind the image.
    #[inline(always)]
    fn run<L: Lanes, const TAPS: usize, const X: usize>(
        self,
        x: &[[Row<L::Elem>; X]],
        weight: &[Row<L::Elem>],
        bias: Option<&[Row<L::Elem>]>,
        room: &mut [impl AsMut<[Row<L::Elem>]>],
        mut finish: impl FnMut(usize, usize, (usize, usize), [L; 4]),
    ) {
        const { assert!(TAPS == 3 || TAPS == 5) };
        let Some(room) = room.first_mut() else { return };
        let ([channels, ..], [outputs, height, width]) = (self.from, self.to);
        let elements = (TAPS + 1) * (TAPS + 1);
        let (u, room) = room.as_mut().split_at_mut(elements * (weight.len() / (TAPS * TAPS)));
        L::apart(TransformWeight::<_, TAPS> { weight, is_turned: self.is_turned, u });
        let (v, m) = room.as_chunks_mut::<TILES>().0.split_at_mut(elements * (channels + 1));
        let m = &mut m[..elements * outputs];
        for (g, x) in x.iter().enumerate() {
            for row in (0..height).step_by(2) {
                for column in (0..width).step_by(2 * TILES) {
                    let top = row as isize - self.padding[0] as isize;
                    let left = column as isize - self.padding[1] as isize;
                    L::apart(Strip::<_, TAPS> { x, work: self, corner: (top, left), u, v, m });
                    for (o, m) in m.chunks_exact(elements).enumerate() {
                        let start = match bias {
                            Some(bias) => L::splat(bias[o / LANES][o % LANES]),
                            None => L::zero(),
                        };
                        for t in 0..TILES {
                            let y = transform_back::<L, TAPS>(m, t);
                            let y = [start + y[0], start + y[1], start + y[2], start + y[3]];
                            finish(g, o, (row, column + 2 * t), y);
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
fn transform_image<L: Lanes, const TAPS: usize>(
    x: &[Row<L::Elem>],
    [channels, height, width]: Image,
    (top, left): (isize, isize),
    v: &mut [Tiles<L::Elem>],
) {
    let side = TAPS + 1;
    let n_columns = side + 2 * (TILES - 1);
    let is_inside =
        top >= 0 && left >= 0 && top as usize + side <= height && left as usize + n_columns <= width;
    for c in 0..channels {
        let image = &x[c * height * width..][..height * width];
        let mut columns = [[L::zero(); MOST_SIDE]; MOST_COLUMNS];
        if is_inside {
            let image = &image[top as usize * width + left as usize..][..TAPS * width + n_columns];
            for x in 0..n_columns {
                for y in 0..side {
                    columns[x][y] = L::load(&image[y * width + x]);
                }
            }
        } else {
            for x in 0..n_columns {
                for y in 0..side {
                    let (row, column) = (top + y as isize, left + x as isize);
                    if row >= 0 && column >= 0 && (row as usize) < height && (column as usize) < width {
                        columns[x][y] = L::load(&image[row as usize * width + column as usize]);
                    }
                }
            }
        }
        for x in 0..n_columns {
            columns[x] = of_image::<L, TAPS>(columns[x]);
        }
        for t in 0..TILES {
            for y in 0..side {
                let mut row = [L::zero(); MOST_SIDE];
                for x in 0..side {
                    row[x] = columns[2 * t + x][y];
                }
                let row = of_image::<L, TAPS>(row);
                for x in 0..side {
                    row[x].store(&mut v[(side * y + x) * (channels + 1) + c][t]);
                }
            }
        }
    }
}

/// Two times two places of tile `t`.
#[inline(always)]
fn transform_back<L: Lanes, const TAPS: usize>(m: &[Tiles<L::Elem>], t: usize) -> [L; 4] {
    let side = TAPS + 1;
    // What the loop relies on, said once.
    assert!(m.len() == side * side);
    let (mut above, mut below) = ([L::zero(); MOST_SIDE], [L::zero(); MOST_SIDE]);
    for x in 0..side {
        let mut column = [L::zero(); MOST_SIDE];
        for y in 0..side {
            column[y] = L::load(&m[side * y + x][t]);
        }
        [above[x], below[x]] = of_product::<L, TAPS>(column);
    }
    let (above, below) = (of_product::<L, TAPS>(above), of_product::<L, TAPS>(below));
    [above[0], above[1], below[0], below[1]]
}

/// Element `k` of `elements` of M for all of `outputs` output channels, `m[o * elements + k]`, from that of U and V.
#[inline(always)]
fn multiply<L: Lanes>(
    u: &[Row<L::Elem>],
    outputs: usize,
    (k, elements): (usize, usize),
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
                    sum.store(&mut m[(p * LANES + o + r) * elements + k][t]);
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
    (k, elements): (usize, usize),
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
                sum.store(&mut m[(c + r) * elements + k][t]);
            }
        });
    });
}
