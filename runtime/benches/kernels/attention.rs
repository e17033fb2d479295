//! Attention.

use super::*;
use rt::attention::{self, Packed, Sizes};

const SIZES: Sizes = Sizes {
    queries: 64,
    keys: 64,
    heads: 4,
    head: 32,
    query: (384, 0),
    memory: (384, 128, 256),
    is_causal: true,
    dropped: 0.0,
};

/// Pairs of a query and a key that it sees, of all heads of a sample.
const PAIRS: usize = 4 * 64 * 65 / 2;
/// Operations of a pair for each product with its 32 features, and for its share of the softmax.
const PRODUCT: usize = 2 * 32;
const SOFTMAX: usize = 6;

cases! {
    forward: "gpt: 16 x 64 positions, 4 heads of 32, causal", 16 * PAIRS * (2 * PRODUCT + SOFTMAX),
    { x: [[Row; 24576]; 1], y: [[Row; 8192]; 1] }
    |L| attention::forward::<L, 24576, 24576, 64, 4>(&x[..], &x[..], None, None, SIZES, store!(y));

    backward: "gpt: 16 x 64 positions, 4 heads of 32, causal", 16 * PAIRS * (6 * PRODUCT + 2 * SOFTMAX),
    { x: [[Row; 24576]; 1], d_y: [[Row; 8192]; 1], near: [[Row; 8192]; 1], d_x: [[Row; 24576]; 1] }
    |L| attention::backward::<L, 24576, 24576, 8192, 64, 4, 8192>(
        &x[..],
        &x[..],
        &d_y[..],
        None,
        None,
        SIZES,
        &mut near[..],
        Packed(&mut d_x[..]),
    );

    single: "gpt: 64 positions, 4 heads of 32, causal", PAIRS * (2 * PRODUCT + SOFTMAX),
    { x: [Row; 1536], y: [Row; 512] }
    |L| attention::single::<L, 4>(&x[..], &x[..], None, SIZES, 0..64, &mut y[..]);
}
