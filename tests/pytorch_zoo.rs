//! The networks of `examples/zoo`, small, against figures that PyTorch computed (`tests/data/pytorch/zoo.json`), in the
//! f64 reference and as emitted f32 code; and weights that PyTorch wrote.

mod common;

use std::path::Path;

use common::training::Case;
use common::{Emitted, assert_close};
use nnc_compiler::{CompiledModel, Options, compile};

fn case(name: &str) -> Case {
    // Without labels, as for the autoencoder, there are no values.
    let kind = if matches!(name, "unet" | "autoencoder") { "values" } else { "class" };
    Case::new("zoo.json", name, kind)
}

/// The model, with parameters and settings as they stand in `network!`.
fn compiled(text: &str, set: &[(&str, &str)]) -> CompiledModel {
    let set = set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let compilation = compile("test.nn", text, &Options { set, ..Options::default() });
    assert!(!compilation.has_errors(), "{:#?}", compilation.diagnostics);
    compilation.models.into_iter().next().expect("a model")
}

macro_rules! networks {
    ($($name:ident: $model:ident = $path:literal, $($key:ident = $value:tt),*;)*) => {
        $(
            mod $name {
                nnc::network!($path, $($key = $value),*);

                #[test]
                fn emitted() {
                    super::case(stringify!($name)).check($model::new(0));
                }

                #[test]
                fn reference() {
                    let set = [$((stringify!($key), stringify!($value))),*];
                    let model = super::compiled(include_str!(concat!("../", $path)), &set);
                    super::case(stringify!($name)).check_reference(&model);
                }
            }
        )*
    };
}

networks! {
    lenet5: LeNet5 = "examples/zoo/lenet5/lenet5.nn",
        size = 12, maps1 = 2, maps2 = 3, units1 = 7, units2 = 6, classes = 4;
    resnet20: ResNet20 = "examples/zoo/resnet20/resnet20.nn", size = 8, width = 2, classes = 4, lr = 0.01;
    vgg: Vgg = "examples/zoo/vgg/vgg.nn", size = 8, width = 2, units = 6, dropout = 0, classes = 4;
    mobilenet: MobileNet = "examples/zoo/mobilenet/mobilenet.nn", size = 8, width = 2, classes = 4, lr = 0.01;
    unet: UNet = "examples/zoo/unet/unet.nn", size = 8, width = 2;
    signal_fcn: SignalFcn = "examples/zoo/signal_fcn/signal_fcn.nn", length = 15, channels = 2, width = 3, classes = 4;
    autoencoder: Autoencoder = "examples/zoo/autoencoder/autoencoder.nn",
        size = 12, units1 = 9, units2 = 7, units3 = 5, code = 3;
    mlp: Mlp = "examples/zoo/mlp/mlp.nn", inputs = 10, units1 = 8, units2 = 6, classes = 4;
    char_rnn: CharRnn = "examples/zoo/char_rnn/char_rnn.nn", vocabulary = 13, context = 7, width = 5, hidden = 6;
    char_lstm: CharLstm = "examples/zoo/char_lstm/char_lstm.nn", vocabulary = 13, context = 7, width = 5, hidden = 6;
    char_gru: CharGru = "examples/zoo/char_gru/char_gru.nn", vocabulary = 13, context = 7, width = 5, hidden = 6;
    char_gpt: CharGpt = "examples/zoo/char_gpt/char_gpt.nn",
        vocabulary = 13, context = 7, width = 16, heads = 2, blocks = 2;
    transformer_classifier: TransformerClassifier = "examples/zoo/transformer_classifier/transformer_classifier.nn",
        vocabulary = 13, context = 7, width = 8, heads = 2, dropout = 0, classes = 4;
}

/// A `state_dict` with running figures and `num_batches_tracked`, as `safetensors.torch.save_file` writes it.
#[test]
fn weights_that_pytorch_wrote_load() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/pytorch/weights/resnet20.safetensors");
    let model =
        Emitted(resnet20::ResNet20::load(&path).expect("the names and shapes are those of the model"));
    let case = case("resnet20");
    assert_close("output", &model.predict(&case.input), &case.numbers("f32", "output"), 1e-4);
}
