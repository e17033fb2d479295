//! Means and variances.

use super::*;
use rt::norm;

const EPS: f32 = 1e-5;

cases! {
    batch_mean_layer1: "resnet20: 32 x [16, 32, 32]", 2 * 32 * 16384,
    { x: [[Row; 16384]; 2], scale: [[Row; 1]; 2], mean: [[Row; 16]; 1] }
    |L| norm::batch_mean::<L, 16384, 16>(&x[..], &scale[..], mean);

    batch_mean_layer3: "resnet20: 32 x [64, 8, 8]", 2 * 32 * 4096,
    { x: [[Row; 4096]; 2], scale: [[Row; 1]; 2], mean: [[Row; 64]; 1] }
    |L| norm::batch_mean::<L, 4096, 64>(&x[..], &scale[..], mean);

    batch_variance_layer1: "resnet20: 32 x [16, 32, 32]", 4 * 32 * 16384,
    { x: [[Row; 16384]; 2], mean: [[Row; 16]; 1], scale: [[Row; 1]; 2], variance: [[Row; 16]; 1] }
    |L| norm::batch_variance::<L, 16384, 16>(&x[..], mean, &scale[..], variance);

    batch_variance_layer3: "resnet20: 32 x [64, 8, 8]", 4 * 32 * 4096,
    { x: [[Row; 4096]; 2], mean: [[Row; 64]; 1], scale: [[Row; 1]; 2], variance: [[Row; 64]; 1] }
    |L| norm::batch_variance::<L, 4096, 64>(&x[..], mean, &scale[..], variance);

    normalize_layer1: "resnet20: 32 x [16, 32, 32]", 3 * 32 * 16384,
    {
        x: [[Row; 16384]; 2], mean: [[Row; 16]; 1], variance: [[Row; 16]; 1],
        weight: [Row; 1], bias: [Row; 1], y: [[Row; 16384]; 2]
    }
    |L| norm::normalize::<L, 16384, 16>(
        &x[..],
        mean,
        variance,
        EPS,
        Some(&weight[..]),
        Some(&bias[..]),
        store!(y),
    );

    normalize_layer3: "resnet20: 32 x [64, 8, 8]", 3 * 32 * 4096,
    {
        x: [[Row; 4096]; 2], mean: [[Row; 64]; 1], variance: [[Row; 64]; 1],
        weight: [Row; 4], bias: [Row; 4], y: [[Row; 4096]; 2]
    }
    |L| norm::normalize::<L, 4096, 64>(
        &x[..],
        mean,
        variance,
        EPS,
        Some(&weight[..]),
        Some(&bias[..]),
        store!(y),
    );

    channel_sums_layer1: "resnet20: 32 x [16, 32, 32]", 5 * 32 * 16384,
    {
        x: [[Row; 16384]; 2], mean: [[Row; 16]; 1], variance: [[Row; 16]; 1], scale: [[Row; 1]; 2],
        d_y: [[Row; 16384]; 2], sums: [[Row; 33]; 1]
    }
    |L| norm::channel_sums::<L, 16384, 16, 33>(&x[..], mean, variance, &scale[..], &d_y[..], EPS, sums);

    normalize_gradient_layer1: "resnet20: 32 x [16, 32, 32]", 5 * 32 * 16384,
    {
        x: [[Row; 16384]; 2], mean: [[Row; 16]; 1], variance: [[Row; 16]; 1], scale: [[Row; 1]; 2],
        d_y: [[Row; 16384]; 2], sums: [[Row; 33]; 1], weight: [Row; 1], d_x: [[Row; 16384]; 2]
    }
    |L| norm::normalize_gradient::<L, 16384, 16, 33>(
        &x[..],
        mean,
        variance,
        &scale[..],
        &d_y[..],
        sums,
        Some(&weight[..]),
        EPS,
        store!(d_x),
    );

    block_normalize: "gpt: 16 x 64 positions of 128", 6 * 16 * 8192,
    { x: [[Row; 8192]; 1], y: [[Row; 8192]; 1] }
    |L| norm::block_normalize::<L, 8192, 64>(&x[..], true, EPS, store!(y));

    block_normalize_gradient: "gpt: 16 x 64 positions of 128", 15 * 16 * 8192,
    { x: [[Row; 8192]; 1], d_y: [[Row; 8192]; 1], d_x: [[Row; 8192]; 1] }
    |L| norm::block_normalize_gradient::<L, 8192, 64>(&x[..], &d_y[..], true, EPS, store!(d_x));

    block_normalize_one: "gpt: 64 positions of 128", 6 * 8192,
    { x: [Row; 512], y: [Row; 512] }
    |L| norm::block_normalize_one::<L, 512, 8192, 64>(x, true, EPS, y);
}
