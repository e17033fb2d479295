//! Norms, tables and turned positions treat each group by itself: a part of the groups gets the bits of the whole. Other
//! kernels are divided in the files of their own.

use nnc_runtime::__private::embedding::{self, Turn};
use nnc_runtime::__private::{entries, norm};
use nnc_runtime::lanes::{Lanes, Row};
use nnc_runtime::{Set, Simd};

type R = Row<f32>;

const G: usize = 3;
const F: usize = 12;
const C: usize = 4;
/// Tokens of a vocabulary, `F` features each.
const V: usize = 5;
const W: usize = (V * F).div_ceil(16);
const TURN: Turn = Turn { row: 6, len: 4, head: 4, is_back: false };

/// What the kernels of this file make of a value and of a gradient.
#[derive(Debug, Clone, PartialEq)]
struct Results {
    normalized: [[R; F]; G],
    blocks: [[R; F]; G],
    d_blocks: [[R; F]; G],
    turned: [[R; F]; G],
    found: [[R; F]; G],
}

const NONE: Results = {
    let rows = [[[9.0; 16]; F]; G];
    Results { normalized: rows, blocks: rows, d_blocks: rows, turned: rows, found: rows }
};

#[inline(always)]
fn all<L: Lanes<Elem = f32>>(x: &[[R; F]], d_y: &[[R; F]], table: &[R; W], first: usize, to: &mut Results) {
    let mean = [core::array::from_fn(|c| [0.1 * c as f32; 16])];
    let variance = [core::array::from_fn(|c| [0.5 + c as f32; 16])];
    norm::normalize::<L, F, C>(
        x,
        &mean,
        &variance,
        1e-5,
        None,
        None,
        #[inline(always)]
        |g, f, z: L| z.store(&mut to.normalized[first + g][f]),
    );
    norm::block_normalize::<L, F, 2>(
        x,
        true,
        1e-5,
        #[inline(always)]
        |g, f, z: L| z.store(&mut to.blocks[first + g][f]),
    );
    norm::block_normalize_gradient::<L, F, 2>(
        x,
        d_y,
        true,
        1e-5,
        #[inline(always)]
        |g, f, z: L| z.store(&mut to.d_blocks[first + g][f]),
    );
    embedding::rotate::<L, F>(
        x,
        TURN,
        &[1.0, 0.25],
        #[inline(always)]
        |g, f, z: L| z.store(&mut to.turned[first + g][f]),
    );
    // One token a sample: the first feature of x, from -1 to 1.
    let tokens: Vec<[R; 1]> = x.iter().map(|x| [x[0].map(|x| ((x + 1.0) * 2.5).floor())]).collect();
    embedding::forward::<L, 1, V, F, W>(
        &tokens,
        table,
        #[inline(always)]
        |g, f, z: L| z.store(&mut to.found[first + g][f]),
    );
}

entries! {
    f32;
    All<'a> = all(x: &'a [[R; F]], d_y: &'a [[R; F]], table: &'a [R; W], first: usize, to: &'a mut Results);
}

#[test]
fn a_part_of_the_groups_gets_the_bits_of_the_whole() {
    let mut state = 3u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / 8_388_608.0 - 1.0
    };
    let (mut x, mut d_y, mut table) = ([[[0.0; 16]; F]; G], [[[0.0; 16]; F]; G], [[0.0; 16]; W]);
    for rows in [x.as_flattened_mut(), d_y.as_flattened_mut(), &mut table] {
        rows.as_flattened_mut().fill_with(&mut next);
    }
    for simd in Set::ALL.map(Simd::up_to) {
        let mut whole = NONE;
        simd.run(All(&x, &d_y, &table, 0, &mut whole));
        for at in 0..=G {
            let mut parts = NONE;
            simd.run(All(&x[..at], &d_y[..at], &table, 0, &mut parts));
            simd.run(All(&x[at..], &d_y[at..], &table, at, &mut parts));
            assert_eq!(parts, whole, "{simd:?}: divided at {at}");
        }
        // The centre of a block is 0, and what is not turned stays as it was.
        let block: f32 = whole.blocks[1][..F / 2].iter().map(|row| row[3]).sum();
        assert!(block.abs() < 1e-5, "{simd:?}: {block}");
        assert_eq!((whole.turned[2][4], whole.turned[2][10]), (x[2][4], x[2][10]), "{simd:?}");
        assert_eq!(whole.found[0][1][7], table.as_flattened()[((x[0][0][7] + 1.0) * 2.5) as usize * F + 1]);
    }
}

/// Features of a sample, a row and a half for each of two blocks.
const LONG: usize = 48;

#[inline(always)]
fn blocks<L: Lanes<Elem = f32>>(
    x: &[[R; LONG]],
    one: &[R; 3],
    centered: bool,
    y: &mut [R; LONG],
    y_one: &mut [R; 3],
) {
    norm::block_normalize::<L, LONG, 2>(
        x,
        centered,
        1e-5,
        #[inline(always)]
        |_, f, z: L| z.store(&mut y[f]),
    );
    norm::block_normalize_one::<L, 3, LONG, 2>(one, centered, 1e-5, y_one);
}

entries! {
    f32;
    Blocks<'a> = blocks(x: &'a [[R; LONG]], one: &'a [R; 3], centered: bool, y: &'a mut [R; LONG], y_one: &'a mut [R; 3]);
}

#[test]
fn blocks_of_one_sample_are_those_of_a_group() {
    let number = |f: usize, lane: usize| ((f * 7 + lane * 3) % 23) as f32 / 4.0 - 2.0;
    let x: [R; LONG] = core::array::from_fn(|f| core::array::from_fn(|lane| number(f, lane)));
    let mut first = None;
    for simd in Set::ALL.map(Simd::up_to) {
        for (lane, centered) in [(0, true), (5, false), (15, true)] {
            let mut one = [[0.0; 16]; 3];
            one.as_flattened_mut().iter_mut().zip(&x).for_each(|(to, row)| *to = row[lane]);
            let (mut y, mut y_one) = ([[0.0; 16]; LONG], [[0.0; 16]; 3]);
            simd.run(Blocks(&[x], &one, centered, &mut y, &mut y_one));
            for (row, found) in y.iter().zip(y_one.as_flattened()) {
                assert!((found - row[lane]).abs() < 2e-6, "{simd:?} {lane}: {found}, expected {}", row[lane]);
            }
            if lane == 0 {
                assert_eq!(*first.get_or_insert(y_one), y_one, "{simd:?} gives other bits");
            }
        }
    }
}
