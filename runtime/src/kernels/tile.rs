//! Tiles: how a kernel passes over what it computes.

// Several arrays are indexed with one counter; iterators over them would hide the tile.
#![allow(clippy::needless_range_loop)]

use crate::lanes::Lanes;

/// Rows of a tile, for a set with wide registers.
pub(super) const WIDE: usize = 8;
/// Rows of a tile, for the others.
pub(super) const NARROW: usize = 4;

/// Calls `$tile::<…, R, …>($start)` for tiles that cover `0..$len`; the last is as small as the rest allows.
///
/// Where `$len` is a constant the compiler keeps the arms that are taken.
macro_rules! cover {
    ($L:ident, $len:expr, |$start:ident, $R:ident| $tile:expr) => {{
        let len: usize = $len;
        let mut $start = 0;
        if $L::IS_WIDE {
            const $R: usize = WIDE;
            while $start + WIDE <= len {
                $tile;
                $start += WIDE;
            }
        } else {
            const $R: usize = NARROW;
            while $start + NARROW <= len {
                $tile;
                $start += NARROW;
            }
        }
        let rest = len - $start;
        if rest > 4 {
            const $R: usize = WIDE;
            $tile;
        } else if rest > 2 {
            const $R: usize = 4;
            $tile;
        } else if rest == 2 {
            const $R: usize = 2;
            $tile;
        } else if rest == 1 {
            const $R: usize = 1;
            $tile;
        }
    }};
}

/// Each sum of a tile.
#[inline(always)]
pub(super) fn each<L: Lanes, const R: usize, const C: usize>(
    sums: &[[L; C]; R],
    mut f: impl FnMut(usize, usize, L),
) {
    for r in 0..R {
        for c in 0..C {
            f(r, c, sums[r][c]);
        }
    }
}
