//! Products with the matrix of a dense layer.
//!
//! | | shape | |
//! |---|---|---|
//! | x, d_x | `[groups][I]` rows | group of sixteen samples, input; lanes are samples |
//! | y, d_y | `[groups][O]` rows | group of sixteen samples, output; lanes are samples |
//! | weight | `[P][I]` rows | panel, input; lanes are the sixteen outputs of the panel; `P = ceil(O / 16)` |
//! | bias | `[P]` rows | lanes are outputs |
//! | d_y rows | `[P][S]` rows | panel, sample; lanes are outputs |
//!
//! Of values with positions, `[groups][T * I]` rows, each position is a group of its own, `[groups * T][I]`: the kernels that end in
//! `positions` see them so, and number what they finish as the value lies.
//!
//! What goes from samples to samples, of [`forward`] and [`input_gradient`], may be given a part of the groups. What sums
//! over samples is given all of them, and may be given a part of the panels.
//!
//! Every kernel keeps a tile of sums in registers and hands each finished sum to `finish`, which applies what follows in
//! the network and stores it, so that a value is written once. A tile is 8 x 2 registers of AVX-512, 16 x 1 where a group
//! is alone, 4 x 1 pairs of AVX2. Each sum is made in one order, from the first product to the last, whatever the tile or
//! the block.

// Several arrays are indexed with one counter; iterators over them would hide the tile.
#![allow(clippy::needless_range_loop)]

mod back;
mod forward;
mod single;
mod weight;

pub use back::{
    input_gradient, input_gradient_blocked, input_gradient_blocked_positions, input_gradient_positions,
};
pub use forward::{forward, forward_blocked, forward_blocked_positions, forward_positions};
pub use single::{single, single_positions};
pub use weight::{
    bias_gradient, far_bias_gradient, far_weight_gradient, transpose_gradient, transpose_gradient_positions,
    weight_gradient,
};
