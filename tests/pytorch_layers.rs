//! Layers over images and signals against figures that PyTorch computed (`tests/data/pytorch/layers.json`): outputs and
//! gradients, emitted in f32 and interpreted in f64. (`tests/figures` has layers of shapes that are drawn.)

mod common;

use nnc::Train;
use serde_json::Value;

use common::figures;
use common::layers::Layer;

fn entries() -> Vec<Value> {
    figures("layers.json")["layers"].as_array().expect("entries").clone()
}

/// The reference, for all figures.
#[test]
fn reference() {
    for entry in entries() {
        Layer(&entry).check_reference(&entry["f64"]);
    }
}

/// Emitted f32 code.
fn emitted<M: Train>(body: &str, shape: &[u64], new: impl Fn() -> M) {
    let plain = |text: &str| text.replace([' ', '\n'], "").trim_start_matches("layer:").to_owned();
    let is_this = |entry: &Value| {
        let layer = Layer(entry);
        plain(&layer.body()) == plain(body) && layer.shape() == shape
    };
    let entry = entries().into_iter().find(is_this);
    let entry = entry.unwrap_or_else(|| panic!("no figures for {body} of {shape:?}"));
    Layer(&entry).check_emitted(&entry["f32"], new());
}

macro_rules! layer {
    ($name:ident, $width:literal as [$($size:literal),*], { $($body:tt)* }) => {
        mod $name {
            nnc::network! {
                loss through(output, target) = sum(output * target)

                pub model M {
                    input [$width]
                    same: dense($width, bias = false)
                    reshape([$($size),*])
                    $($body)*
                    loss through(reduction = sum)
                    optimizer sgd(lr = 1024)
                }
            }

            #[test]
            fn emitted() {
                super::emitted(stringify!($($body)*), &[$($size),*], || M::new(0));
            }
        }
    };
}

layer!(max_pool2d, 48 as [2, 4, 6], { max_pool2d(2) });
layer!(max_pool2d_rest, 35 as [1, 5, 7], { max_pool2d(2) });
layer!(max_pool2d_shared, 60 as [2, 6, 5], { max_pool2d(3, stride = 2, padding = 1) });
layer!(max_pool2d_by_axis, 40 as [2, 5, 4], { max_pool2d([2, 3], stride = [3, 1], padding = [1, 0]) });
layer!(avg_pool2d_shared, 60 as [2, 6, 5], { avg_pool2d(3, stride = 2, padding = 1) });
layer!(avg_pool2d_own, 24 as [2, 4, 3], {
    avg_pool2d([3, 2], stride = 1, padding = [1, 1], count_include_pad = false)
});
layer!(max_pool1d, 27 as [3, 9], { max_pool1d(3, stride = 2) });
layer!(global_avg_pool, 24 as [3, 4, 2], { global_avg_pool });
layer!(global_max_pool, 24 as [3, 4, 2], { global_max_pool });
layer!(adaptive_avg_pool2d, 70 as [2, 7, 5], { adaptive_avg_pool2d([3, 2]) });
layer!(adaptive_max_pool2d, 70 as [2, 7, 5], { adaptive_max_pool2d([3, 2]) });
layer!(conv2d, 60 as [2, 5, 6], { layer: conv2d(4, kernel = 3) });
layer!(conv2d_same, 40 as [2, 4, 5], { layer: conv2d(3, kernel = 3, padding = same, bias = false) });
layer!(conv2d_by_axis, 60 as [2, 5, 6], {
    layer: conv2d(17, kernel = [3, 2], stride = [2, 1], padding = [1, 0], dilation = [1, 2])
});
layer!(conv2d_groups, 60 as [3, 5, 4], { layer: conv2d(6, kernel = 3, stride = 2, padding = 1, groups = 3) });
layer!(conv2d_winograd, 320 as [8, 5, 8], { layer: conv2d(9, kernel = 3, padding = same) });
layer!(conv2d_winograd_inside, 480 as [10, 8, 6], { layer: conv2d(17, kernel = 3) });
layer!(conv1d, 27 as [3, 9], { layer: conv1d(5, kernel = 4, stride = 2, padding = 3) });
layer!(conv1d_groups, 32 as [4, 8], { layer: conv1d(4, kernel = 3, dilation = 2, groups = 2) });
layer!(conv_transpose2d, 24 as [2, 3, 4], { layer: conv_transpose2d(3, kernel = 2, stride = 2) });
layer!(conv_transpose2d_winograd, 252 as [9, 4, 7], { layer: conv_transpose2d(8, kernel = 3, padding = 1) });
layer!(conv_transpose2d_groups, 18 as [2, 3, 3], {
    layer: conv_transpose2d(4, kernel = 3, stride = [2, 3], padding = 1, output_padding = [1, 2], groups = 2, bias = false)
});
layer!(conv_transpose2d_dilated, 18 as [3, 3, 2], { layer: conv_transpose2d(2, kernel = 3, dilation = 2) });
layer!(transpose, 24 as [2, 3, 4], { transpose([1, 2, 0]) });
layer!(slice, 24 as [2, 4, 3], { slice(axis = 1, from = 1, to = 3) });
layer!(split, 24 as [2, 3, 4], { let [a, b] = split(2, axis = 2) concat(b, a, axis = 2) });
layer!(concat, 24 as [2, 3, 4], {
    let whole = relu
    let [a, b] = whole -> split(2, axis = 2)
    concat(b, whole, a, axis = 2)
});
layer!(pad, 24 as [2, 3, 4], { pad([0, 2], after = [1, 0], value = -0.5) });
layer!(pad_reflect, 24 as [2, 3, 4], { pad([2, 1], after = [0, 3], mode = reflect) });
layer!(pad_replicate, 12 as [3, 4], { pad(2, after = 5, mode = replicate) });
layer!(upsample, 12 as [2, 3, 2], { upsample([1, 3]) });
layer!(upsample_bilinear, 6 as [1, 3, 2], { upsample([3, 4], mode = bilinear) });
