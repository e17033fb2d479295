//! Windows over images, and images with other sizes.

use super::*;
use rt::pool::{self, Axis, Windows};
use rt::resample::{self, Map, Maps};

/// Windows of 2 x 2 over 6 images of 28 x 28.
const POOL1: Windows = Windows { channels: 6, height: HALF, width: HALF };
const HALF: Axis = Axis::Strided { size: 28, windows: 14, kernel: 2, stride: 2, padding: 0 };
/// Windows of 3 x 3 that share places, over 16 images of 32 x 32.
const SHARED: Windows = Windows { channels: 16, height: THREE, width: THREE };
const THREE: Axis = Axis::Strided { size: 32, windows: 16, kernel: 3, stride: 2, padding: 1 };
/// Whole images of 8 x 8.
const GLOBAL: Windows = Windows { channels: 64, height: WHOLE, width: WHOLE };
const WHOLE: Axis = Axis::Adaptive { size: 8, windows: 1 };

const NEAREST: Maps = twice(Map::Nearest { size: 16, scale: 2 });
const LINEAR: Maps = twice(Map::Linear { size: 16, scale: 2 });

const fn twice(map: Map) -> Maps {
    Maps { channels: 16, height: map, width: map }
}

cases! {
    max: "lenet: 64 x [6, 28, 28], 2 x 2", 3 * 64 * 1176,
    { x: [[Row; 4704]; 4], y: [[Row; 1176]; 4] }
    |L| pool::max::<L, 4704>(&x[..], POOL1, store!(y));

    max_gradient: "lenet: 64 x [6, 28, 28], 2 x 2", 64 * 4704,
    { x: [[Row; 4704]; 4], y: [[Row; 1176]; 4], d_y: [[Row; 1176]; 4], d_x: [[Row; 4704]; 4] }
    |L| pool::max_gradient::<L, 4704, 1176>(&x[..], &y[..], &d_y[..], POOL1, store!(d_x));

    max_place: "32 x [16, 32, 32], 3 x 3, stride 2", 8 * 32 * 4096,
    { x: [[Row; 16384]; 2], place: [[Row; 4096]; 2] }
    |L| pool::max_place::<L, 16384>(&x[..], SHARED, store!(place));

    max_gradient_at: "32 x [16, 32, 32], 3 x 3, stride 2", 9 * 32 * 4096,
    { place: [[Row; 4096]; 2], d_y: [[Row; 4096]; 2], d_x: [[Row; 16384]; 2] }
    |L| pool::max_gradient_at::<L, 4096>(&place[..], &d_y[..], SHARED, store!(d_x));

    mean: "resnet20: 32 x [64, 8, 8], whole images", 32 * 4096,
    { x: [[Row; 4096]; 2], y: [[Row; 64]; 2] }
    |L| pool::mean::<L, 4096>(&x[..], GLOBAL, None, store!(y));

    mean_gradient: "resnet20: 32 x [64, 8, 8], whole images", 32 * 64,
    { d_y: [[Row; 64]; 2], d_x: [[Row; 4096]; 2] }
    |L| pool::mean_gradient::<L, 64>(&d_y[..], GLOBAL, None, store!(d_x));

    mean_gradient_shared: "32 x [16, 32, 32], 3 x 3, stride 2", 2 * 9 * 32 * 4096,
    { d_y: [[Row; 4096]; 2], d_x: [[Row; 16384]; 2] }
    |L| pool::mean_gradient::<L, 4096>(&d_y[..], SHARED, Some(9), store!(d_x));

    nearest: "32 x [16, 16, 16], twice as large", 0,
    { x: [[Row; 4096]; 2], y: [[Row; 16384]; 2] }
    |L| resample::forward::<L, 4096>(&x[..], NEAREST, store!(y));

    nearest_gradient: "32 x [16, 16, 16], twice as large", 2 * 32 * 16384,
    { d_y: [[Row; 16384]; 2], d_x: [[Row; 4096]; 2] }
    |L| resample::gradient::<L, 16384>(&d_y[..], NEAREST, store!(d_x));

    linear: "32 x [16, 16, 16], twice as large", 9 * 32 * 16384,
    { x: [[Row; 4096]; 2], y: [[Row; 16384]; 2] }
    |L| resample::forward::<L, 4096>(&x[..], LINEAR, store!(y));

    linear_gradient: "32 x [16, 16, 16], twice as large", 2 * 4 * 32 * 16384,
    { d_y: [[Row; 16384]; 2], d_x: [[Row; 4096]; 2] }
    |L| resample::gradient::<L, 16384>(&d_y[..], LINEAR, store!(d_x));
}
