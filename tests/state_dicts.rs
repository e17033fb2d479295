//! Networks that PyTorch initialized and trained: their `state_dict`s, as `tests/data/pytorch/figures/state_dicts.py` wrote
//! them, load into the same networks here and give its outputs. (`pytorch_zoo.rs` has resnet20.)

mod common;

use std::path::Path;

use common::bits::bits;
use common::{Emitted, assert_close, figures, numbers};
use nnc::safetensors::WeightsError;

/// Of the largest output, in f32.
const CLOSE: f64 = 1e-4;

fn check<M: nnc::Train<Elem = f32>>(
    name: &str,
    load: impl Fn(&Path) -> Result<M, nnc::Error>,
    of_bytes: impl Fn(&[u8]) -> Result<M, WeightsError>,
) {
    let path = format!("{}/tests/data/pytorch/weights/{name}.safetensors", env!("CARGO_MANIFEST_DIR"));
    let model = load(Path::new(&path)).expect("the names and shapes are those of the model");
    let content = std::fs::read(&path).expect("it was loaded");
    let same = of_bytes(&content).expect("what is in the file");
    assert!(bits(&model) == bits(&same), "the content of a file is the file");
    let figures = figures("state_dicts.json");
    let mut entries = figures["models"].as_array().expect("entries").iter();
    let entry = entries.find(|entry| entry["model"] == name).expect("the model's figures");
    let (x, expected) = (numbers(&entry["input"]), numbers(&entry["output"]));
    let (inputs, outputs) = (model.info().input_len(), model.info().output_len());
    let model = Emitted(model);
    assert_close(name, &model.predict(&x), &expected, CLOSE);
    // One sample goes another way.
    for (sample, expected) in x.chunks(inputs).zip(expected.chunks(outputs)) {
        assert_close(name, &model.predict(sample), expected, CLOSE);
    }
}

macro_rules! networks {
    ($($name:ident: $model:ident = $path:literal $(, $key:ident = $value:tt)*;)*) => {
        $(
            mod $name {
                nnc::network!($path $(, $key = $value)*);

                #[test]
                fn state_dict() {
                    super::check(stringify!($name), |path| $model::load(path), $model::from_bytes);
                }
            }
        )*
    };
}

networks! {
    lenet5: LeNet5 = "examples/zoo/lenet5/lenet5.nn";
    char_lstm: CharLstm = "tests/data/pytorch/models/char_lstm.nn";
    char_gpt: CharGpt = "examples/zoo/char_gpt/char_gpt.nn",
        vocabulary = 13, context = 9, width = 16, heads = 2, blocks = 2;
}
