//! Products with the matrix of a dense layer.

use super::*;
use rt::dense;

cases! {
    forward_mlp: "mlp: 32 x 784 -> 128", 2 * 32 * 784 * 128,
    { x: [[Row; 784]; 2], w: [[Row; 784]; 8], b: [Row; 8], y: [[Row; 128]; 2] }
    |L| dense::forward::<L, 784, 128, 8>(&x[..], w, Some(b), store!(y));

    forward_head: "mlp: 32 x 64 -> 10", 2 * 32 * 64 * 10,
    { x: [[Row; 64]; 2], w: [[Row; 64]; 1], b: [Row; 1], y: [[Row; 10]; 2] }
    |L| dense::forward::<L, 64, 10, 1>(&x[..], w, Some(b), store!(y));

    forward_lstm_step: "lstm: 16 x 128 -> 512, one position", 2 * 16 * 128 * 512,
    { x: [[Row; 128]; 1], w: [[Row; 128]; 32], b: [Row; 32], y: [[Row; 512]; 1] }
    |L| dense::forward::<L, 128, 512, 32>(&x[..], w, Some(b), store!(y));

    forward_wide: "wide, not blocked: 256 x 1024 -> 1024", 2 * 256 * 1024 * 1024,
    { x: [[Row; 1024]; 16], w: [[Row; 1024]; 64], b: [Row; 64], y: [[Row; 1024]; 16] }
    |L| dense::forward::<L, 1024, 1024, 64>(&x[..], w, Some(b), store!(y));

    forward_blocked_wide: "wide: 256 x 1024 -> 1024, blocks of 256", 2 * 256 * 1024 * 1024,
    {
        x: [[Row; 1024]; 16], w: [[Row; 1024]; 64], b: [Row; 64],
        partial: [[Row; 1024]; 16], y: [[Row; 1024]; 16]
    }
    |L| dense::forward_blocked::<L, 1024, 1024, 64, 256, _>(&x[..], w, Some(b), partial, store!(y));

    forward_blocked_wide_three: "wide: 3 such layers, one after the other", 3 * 2 * 256 * 1024 * 1024,
    {
        x: [[Row; 1024]; 16], w: [[Row; 1024]; 192], b: [Row; 64],
        partial: [[Row; 1024]; 16], y: [[Row; 1024]; 16]
    }
    |L| for w in w.as_chunks::<64>().0 {
        dense::forward_blocked::<L, 1024, 1024, 64, 256, _>(&x[..], w, Some(b), partial, store!(y));
    };
    forward_blocked_half_wide: "wide: 256 x 1024 -> 1024, weights in bf16", 2 * 256 * 1024 * 1024,
    {
        x: [[Row; 1024]; 16], w: [[HalfRow; 1024]; 64], b: [Row; 64],
        partial: [[Row; 1024]; 16], y: [[Row; 1024]; 16]
    }
    |L| dense::forward_blocked::<L, 1024, 1024, 64, 256, _>(&x[..], w, Some(b), partial, store!(y));

    forward_positions_lstm: "lstm: 32 x 64 positions, 64 -> 512", 2 * 32 * 64 * 64 * 512,
    { x: [[Row; 4096]; 2], w: [[Row; 64]; 32], b: [Row; 32], y: [[Row; 32768]; 2] }
    |L| dense::forward_positions::<L, 4096, 64, 512, 32>(&x[..], w, Some(b), store!(y));

    forward_positions_gpt: "gpt: 16 x 64 positions, 128 -> 512", 2 * 16 * 64 * 128 * 512,
    { x: [[Row; 8192]; 1], w: [[Row; 128]; 32], b: [Row; 32], y: [[Row; 32768]; 1] }
    |L| dense::forward_positions::<L, 8192, 128, 512, 32>(&x[..], w, Some(b), store!(y));

    input_gradient_mlp: "mlp: 32 x 128 <- 64", 2 * 32 * 128 * 64,
    { d_y: [[Row; 64]; 2], w: [[Row; 128]; 4], d_x: [[Row; 128]; 2] }
    |L| dense::input_gradient::<L, 128, 64, 4>(&d_y[..], w, store!(d_x));

    input_gradient_lenet: "lenet: 64 x 400 <- 120", 2 * 64 * 400 * 120,
    { d_y: [[Row; 120]; 4], w: [[Row; 400]; 8], d_x: [[Row; 400]; 4] }
    |L| dense::input_gradient::<L, 400, 120, 8>(&d_y[..], w, store!(d_x));

    input_gradient_blocked_wide: "wide: 256 x 1024 <- 1024, blocks of 256", 2 * 256 * 1024 * 1024,
    {
        d_y: [[Row; 1024]; 16], w: [[Row; 1024]; 64],
        partial: [[Row; 1024]; 16], d_x: [[Row; 1024]; 16]
    }
    |L| dense::input_gradient_blocked::<L, 1024, 1024, 64, 16, _>(&d_y[..], w, partial, store!(d_x));

    input_gradient_blocked_half_wide: "wide: 256 x 1024 <- 1024, weights in bf16", 2 * 256 * 1024 * 1024,
    {
        d_y: [[Row; 1024]; 16], w: [[HalfRow; 1024]; 64],
        partial: [[Row; 1024]; 16], d_x: [[Row; 1024]; 16]
    }
    |L| dense::input_gradient_blocked::<L, 1024, 1024, 64, 16, _>(&d_y[..], w, partial, store!(d_x));

    input_gradient_positions_gpt: "gpt: 16 x 64 positions, 128 <- 512", 2 * 16 * 64 * 128 * 512,
    { d_y: [[Row; 32768]; 1], w: [[Row; 128]; 32], d_x: [[Row; 8192]; 1] }
    |L| dense::input_gradient_positions::<L, 32768, 128, 512, 32>(&d_y[..], w, store!(d_x));

    transpose_gradient_mlp: "mlp: 32 x 128", 0,
    { d_y: [[Row; 128]; 2], rows: [[Row; 32]; 8] }
    |L| dense::transpose_gradient::<L, 128, 32>(&d_y[..], 0, rows);

    transpose_gradient_wide: "wide: 256 x 1024", 0,
    { d_y: [[Row; 1024]; 16], rows: [[Row; 256]; 64] }
    |L| dense::transpose_gradient::<L, 1024, 256>(&d_y[..], 0, rows);

    transpose_gradient_positions_gpt: "gpt: 16 x 64 positions, 512", 0,
    { d_y: [[Row; 32768]; 1], rows: [[Row; 1024]; 32] }
    |L| dense::transpose_gradient_positions::<L, 32768, 512, 1024>(&d_y[..], 0, rows);

    weight_gradient_mlp: "mlp: 784 -> 128 of 32", 2 * 32 * 784 * 128,
    { x: [[Row; 784]; 2], rows: [[Row; 32]; 8], d_w: [[Row; 784]; 8] }
    |L| dense::weight_gradient::<L, 784, 32, 32>(&x[..], &rows[..], store!(d_w));

    weight_gradient_wide: "wide: 1024 -> 1024 of 256", 2 * 256 * 1024 * 1024,
    { x: [[Row; 1024]; 16], rows: [[Row; 256]; 64], d_w: [[Row; 1024]; 64] }
    |L| dense::weight_gradient::<L, 1024, 256, 256>(&x[..], &rows[..], store!(d_w));

    weight_gradient_positions_gpt: "gpt: 128 -> 512 of 16 x 64 positions", 2 * 16 * 64 * 128 * 512,
    { x: [[Row; 8192]; 1], d_y: [[Row; 32768]; 1], d_w: [[Row; 128]; 32] }
    |L| dense::far_weight_gradient::<L, 8192, 128, 32768, 512, 16>(&x[..], &d_y[..], 0..32, &mut [], store!(d_w));

    weight_gradient_narrow_gpt: "gpt: 512 -> 128 of 16 x 64 positions", 2 * 16 * 64 * 128 * 512,
    { x: [[Row; 32768]; 1], d_y: [[Row; 8192]; 1], d_w: [[Row; 512]; 8] }
    |L| dense::far_weight_gradient::<L, 32768, 512, 8192, 128, 16>(&x[..], &d_y[..], 0..8, &mut [], store!(d_w));

    weight_gradient_far_wide: "wide: 1024 -> 1024 of 256, from afar", 2 * 256 * 1024 * 1024,
    { x: [[Row; 1024]; 16], d_y: [[Row; 1024]; 16], d_w: [[Row; 1024]; 64] }
    |L| dense::far_weight_gradient::<L, 1024, 1024, 1024, 1024, 256>(&x[..], &d_y[..], 0..64, &mut [], store!(d_w));

    bias_gradient_gpt: "gpt: 512 of 16 x 64 positions", 16 * 64 * 512,
    { d_y: [[Row; 32768]; 1], d_b: [Row; 32] }
    |L| dense::far_bias_gradient::<L, 32768, 512>(
        &d_y[..],
        0..32,
        #[inline(always)]
        |p, z: L| z.store(&mut d_b[p]),
    );

    bias_gradient_wide: "wide: 1024 of 256", 256 * 1024,
    { rows: [[Row; 256]; 64], d_b: [Row; 64] }
    |L| dense::bias_gradient::<L, 256, 256>(
        &rows[..],
        #[inline(always)]
        |p, z| z.store(&mut d_b[p]),
    );

    single_mlp: "mlp: 784 -> 128", 2 * 784 * 128,
    { x: [Row; 49], w: [[Row; 784]; 8], b: [Row; 8], y: [Row; 8] }
    |L| dense::single::<L, 784, 49, 8>(
        x,
        w,
        Some(b),
        0..8,
        #[inline(always)]
        |p, z| z.store(&mut y[p]),
    );

    single_lstm_step: "lstm: 128 -> 512", 2 * 128 * 512,
    { x: [Row; 8], w: [[Row; 128]; 32], b: [Row; 32], y: [Row; 32] }
    |L| dense::single::<L, 128, 8, 32>(
        x,
        w,
        Some(b),
        0..32,
        #[inline(always)]
        |p, z| z.store(&mut y[p]),
    );
    single_wide: "wide: 1024 -> 1024", 2 * 1024 * 1024,
    { x: [Row; 64], w: [[Row; 1024]; 64], b: [Row; 64], y: [Row; 64] }
    |L| dense::single::<L, 1024, 64, 64>(
        x,
        w,
        Some(b),
        0..64,
        #[inline(always)]
        |p, z| z.store(&mut y[p]),
    );

    single_half_wide: "wide: 1024 -> 1024, weights in bf16", 2 * 1024 * 1024,
    { x: [Row; 64], w: [[HalfRow; 1024]; 64], b: [Row; 64], y: [Row; 64] }
    |L| dense::single::<L, 1024, 64, 64>(
        x,
        w,
        Some(b),
        0..64,
        #[inline(always)]
        |p, z| z.store(&mut y[p]),
    );

    single_positions_gpt: "gpt: 64 positions, 128 -> 512", 2 * 64 * 128 * 512,
    { x: [Row; 512], w: [[Row; 128]; 32], b: [Row; 32], y: [Row; 2048] }
    |L| dense::single_positions::<L, 128, 512, 512, 32, 2048>(
        x,
        w,
        Some(b),
        0..64,
        #[inline(always)]
        |p, z| z.store(&mut y[p]),
    );
}
