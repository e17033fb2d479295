//! Models of sequences against figures that PyTorch computed (`tests/data/pytorch/sequences.json`): emitted f32 code by
//! outputs and by losses of steps, the f64 reference by gradients too.

mod common;

use common::compiled;
use common::training::Case;

fn case(name: &str) -> Case {
    Case::new("sequences.json", name, "class")
}

macro_rules! models {
    ($($name:ident: $model:ident = $path:literal;)*) => {
        $(
            mod $name {
                nnc::network!($path);

                #[test]
                fn emitted() {
                    super::case(stringify!($name)).check($model::new(0));
                }

                #[test]
                fn reference() {
                    let model = super::compiled(include_str!(concat!("../", $path)));
                    super::case(stringify!($name)).check_reference(&model);
                }
            }
        )*
    };
}

models! {
    gpt: Gpt = "tests/data/pytorch/models/gpt.nn";
    carried: Carried = "tests/data/pytorch/models/carried.nn";
    reader: Reader = "tests/data/pytorch/models/reader.nn";
}
