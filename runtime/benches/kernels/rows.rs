//! Functions of rows, random draws, and the borders between samples and lanes.

use super::*;
use rt::{Draws, pack, random};

const DRAWS: Draws = Draws { seed: 7, step: 3 };

/// y = f(x), row by row.
macro_rules! map {
    ($L:ident, $x:ident, $y:ident, $function:ident) => {
        for (x, y) in $x.iter().zip($y) {
            $L::load(x).$function().store(y);
        }
    };
}

cases! {
    exp: "16 x 1024", 16 * 1024,
    { x: [Row; 1024], y: [Row; 1024] }
    |L| map!(L, x, y, exp);

    log: "16 x 1024", 16 * 1024,
    { x: [Row; 1024], y: [Row; 1024] }
    |L| map!(L, x, y, log);

    tanh: "16 x 1024", 16 * 1024,
    { x: [Row; 1024], y: [Row; 1024] }
    |L| map!(L, x, y, tanh);

    sigmoid: "16 x 1024", 16 * 1024,
    { x: [Row; 1024], y: [Row; 1024] }
    |L| map!(L, x, y, sigmoid);

    erf: "16 x 1024", 16 * 1024,
    { x: [Row; 1024], y: [Row; 1024] }
    |L| map!(L, x, y, erf);

    uniform: "64 x 256", 64 * 256,
    { y: [[Row; 256]; 4] }
    |L| random::uniform::<L, 256>(DRAWS, 1, 0..4, store!(y));

    normal: "64 x 256", 64 * 256,
    { y: [[Row; 256]; 4] }
    |L| random::normal::<L, 256>(DRAWS, 1, 0..4, store!(y));

    pack_mlp: "mlp: 32 x 784", 0,
    { samples: [[Row; 49]; 32], lanes: [[Row; 784]; 2] }
    |L| pack::rows::<L, 784>(samples.as_flattened().as_flattened(), 32, 0, lanes);

    pack_resnet20: "resnet20: 32 x [3, 32, 32]", 0,
    { samples: [[Row; 192]; 32], lanes: [[Row; 3072]; 2] }
    |L| pack::rows::<L, 3072>(samples.as_flattened().as_flattened(), 32, 0, lanes);

    unpack_lstm: "lstm: 32 x 64 positions of 65", 0,
    { lanes: [[Row; 4160]; 2], samples: [[Row; 260]; 32] }
    |L| pack::unpack::<L, 4160>(&lanes[..], 32, samples.as_flattened_mut().as_flattened_mut());
}
