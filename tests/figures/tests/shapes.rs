//! Layers of shapes and with arguments that are drawn, against figures that PyTorch computed
//! (`tests/data/pytorch/shapes.json`): outputs and gradients, emitted in f32 and interpreted in f64.

#[path = "../../common/mod.rs"]
mod common;

use nnc::Train;

use common::figures;
use common::layers::Layer;

include!(concat!(env!("OUT_DIR"), "/shapes.rs"));

/// The entry at this place.
fn layer(at: usize, model: impl Train) {
    let entry = &figures("shapes.json")["shapes"][at];
    Layer(entry).check_reference(entry);
    Layer(entry).check_emitted(entry, model);
}
