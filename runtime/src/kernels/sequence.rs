//! Positions of sequences: parts of `[[Row; T * D]; groups]` that a step of a recurrent cell works on, where they lie.

use crate::element::Element;
use crate::lanes::{LANES, Row};

/// The features of position `t` of a group, as a value of one group.
///
/// # Panics
/// When there is no such position.
#[inline(always)]
pub fn at<E: Element, const D: usize, const N: usize>(sequence: &[Row<E>; N], t: usize) -> &[[Row<E>; D]; 1] {
    core::array::from_ref(&sequence.as_chunks::<D>().0[t])
}

/// The same, to be written to.
///
/// # Panics
/// When there is no such position.
#[inline(always)]
pub fn at_mut<E: Element, const D: usize, const N: usize>(
    sequence: &mut [Row<E>; N],
    t: usize,
) -> &mut [[Row<E>; D]; 1] {
    core::array::from_mut(&mut sequence.as_chunks_mut::<D>().0[t])
}

/// The features of position `t` of `G` groups, from group `g` on, where each of them lies.
///
/// # Panics
/// When there are not so many groups, or no such position.
#[inline(always)]
pub fn each_at<E: Element, const D: usize, const N: usize, const G: usize>(
    sequence: &[[Row<E>; N]],
    g: usize,
    t: usize,
) -> [&[Row<E>; D]; G] {
    core::array::from_fn(
        #[inline(always)]
        |n| &sequence[g + n].as_chunks::<D>().0[t],
    )
}

/// The same, to be written to.
///
/// # Panics
/// When there are not so many groups, or no such position.
#[inline(always)]
pub fn each_at_mut<E: Element, const D: usize, const N: usize, const G: usize>(
    sequence: &mut [[Row<E>; N]],
    g: usize,
    t: usize,
) -> [&mut [Row<E>; D]; G] {
    let mut groups = sequence[g..g + G].iter_mut();
    core::array::from_fn(
        #[inline(always)]
        |_| match groups.next() {
            Some(group) => &mut group.as_chunks_mut::<D>().0[t],
            None => unreachable!("the range has as many groups"),
        },
    )
}

/// What lies apart, beside each other.
#[inline(always)]
pub fn gathered<E: Element, const D: usize, const G: usize>(groups: [&[Row<E>; D]; G]) -> [[Row<E>; D]; G] {
    core::array::from_fn(
        #[inline(always)]
        |n| *groups[n],
    )
}

/// Puts groups where each of them belongs.
#[inline(always)]
pub fn put<E: Element, const D: usize, const G: usize>(groups: &[[Row<E>; D]; G], to: [&mut [Row<E>; D]; G]) {
    for (from, to) in groups.iter().zip(to) {
        *to = *from;
    }
}

/// Keeps the features of position `t`, of the first `samples` samples: a state that the next step begins with. Those of
/// other samples stay as they were.
///
/// # Panics
/// When there is no such position.
pub fn carry<E: Element, const D: usize, const N: usize>(
    sequence: &[[Row<E>; N]],
    t: usize,
    samples: usize,
    state: &mut [[Row<E>; D]],
) {
    assert!(sequence.len() == state.len());
    for (g, (from, to)) in sequence.iter().zip(state).enumerate() {
        let lanes = samples.saturating_sub(g * LANES).min(LANES);
        let [from] = at::<E, D, N>(from, t);
        for (from, to) in from.iter().zip(to) {
            to[..lanes].copy_from_slice(&from[..lanes]);
        }
    }
}

/// `len` neighbouring features of one sample from feature `from` on, in rows of their own; 0 behind the last.
///
/// # Panics
/// When there are not so many.
#[inline(always)]
pub fn row<E: Element, const P: usize>(features: &[Row<E>], from: usize, len: usize) -> [Row<E>; P] {
    let mut rows = [[E::ZERO; LANES]; P];
    super::pack::copy_features(features, from, &mut rows, 0, len);
    rows
}
