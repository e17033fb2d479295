//! Models of sequences: emitted f64 code against the reference interpreter, and both against central differences.

mod common;

use common::differential::{check, check_slopes};

macro_rules! models {
    ($($name:ident: $model:ident = $path:literal;)*) => {
        $(
            mod $name {
                nnc::network!($path);

                #[test]
                fn emitted_code_is_the_reference() {
                    super::check($path, || $model::new(0));
                }

                #[test]
                fn gradients_are_slopes() {
                    super::check_slopes($path);
                }
            }
        )*
    };
}

models! {
    positions: Positions = "tests/data/models/positions.nn";
    sequence: Sequence = "tests/data/models/sequence.nn";
    attention: Attention = "tests/data/models/attention.nn";
    dropped: Dropped = "tests/data/models/dropped.nn";
}
