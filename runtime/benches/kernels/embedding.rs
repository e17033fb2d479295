//! Rows of a table, and what depends on the position.

use super::*;
use rt::embedding::{self, Turn};

/// Heads of 32 features, all of which are turned.
const TURN: Turn = Turn { row: 128, len: 128, head: 32, is_back: false };
const FREQUENCIES: [f64; 16] = {
    let mut all = [1.0; 16];
    let mut i = 1;
    while i < 16 {
        // 10000 to the power of -1/16.
        all[i] = all[i - 1] * 0.562_341_325_190_349_1;
        i += 1;
    }
    all
};

cases! {
    forward_gpt: "gpt: 16 x 64 positions, 65 tokens of 128", 0,
    { x: [[Row; 64]; 1], table: [Row; 520], y: [[Row; 8192]; 1]; tokens x }
    |L| embedding::forward::<L, 64, 65, 128, 520>(&x[..], table, store!(y));

    forward_lstm: "lstm: 32 x 64 positions, 65 tokens of 64", 0,
    { x: [[Row; 64]; 2], table: [Row; 260], y: [[Row; 4096]; 2]; tokens x }
    |L| embedding::forward::<L, 64, 65, 64, 260>(&x[..], table, store!(y));

    table_gradient_gpt: "gpt: 16 x 64 positions, 65 tokens of 128", 16 * 64 * 128,
    { x: [[Row; 64]; 1], rows: [[Row; 1024]; 8], sums: [Row; 520]; tokens x }
    |L| embedding::table_gradient::<L, 64, 65, 128, 8, 1024, 16, 520>(&x[..], rows, sums);

    rotate: "16 x 64 positions, 4 heads of 32", 16 * 8192 * 3,
    { x: [[Row; 8192]; 1], y: [[Row; 8192]; 1] }
    |L| embedding::rotate::<L, 8192>(&x[..], TURN, &FREQUENCIES, store!(y));
}
