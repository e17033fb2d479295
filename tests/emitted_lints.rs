//! Emitted code is clean: nothing that rustc or, under clippy, clippy warns about, whatever a crate denies.

#![deny(warnings, missing_docs, unreachable_pub, unused_qualifications, unsafe_code, rust_2018_idioms)]
#![deny(single_use_lifetimes, trivial_casts, trivial_numeric_casts, unused_lifetimes, non_ascii_idents)]
#![deny(clippy::all)]

mod iris {
    nnc::network!("examples/iris/iris.nn");
}

mod dag {
    nnc::network!("tests/data/pytorch/models/dag.nn");
}

mod custom {
    nnc::network!("examples/custom/custom.nn");
}

mod cells {
    nnc::network!("tests/data/models/own_cells.nn");
}

mod both_ways {
    nnc::network!("tests/data/models/lstm.nn");
}

/// Layers of blocks, with numbers in their names.
mod blocks {
    nnc::network!("tests/data/models/block_names.nn");
    pub(super) mod resnet20 {
        nnc::network!("examples/zoo/resnet20/resnet20.nn", size = 8, width = 2, blocks = 2);
    }
}

/// Formulas with ln 2 and 2 pi in them, which clippy takes for something to be named.
mod constants {
    nnc::network! {
        pub model Counts {
            input [4]
            dense(3) -> gelu
            loss poisson(full = true)
            optimizer sgd(lr = cosine(0.1, to = 0.01))
        }
    }
    pub(super) mod smooth {
        nnc::network! {
            pub model Smooth { input [4] min_max dense(3) loss log_cosh optimizer lamb }
        }
    }
}

/// Matrices in sixteen bits, beside what is as it is computed with, and passes that touch none of them.
mod halves {
    nnc::network! {
        optimizer scaled(lr: positive = 0.01) {
            let noise = lr / step
            let direction = gradient / (norm(gradient) + 1e-6) + noise * weight
            weight = weight - lr * direction / norm(direction)
        }
        pub model Steep {
            input [64]
            hidden: dense(64) -> tanh
            head: dense(3)
            loss mse
            optimizer scaled
        }
        train { batch 4 storage bf16 }
    }
    pub(super) mod summed {
        nnc::network! {
            block wide(units) { dense(units) -> tanh }
            pub model Summed {
                input [3, 64]
                wide(64) -> wide(72)
                flatten
                dense(3)
                loss mse
                optimizer sgd(lr = 0.1, clip_norm = 1, accumulate = 2)
            }
            train { batch 4 storage bf16 }
        }
    }
    pub(super) mod bare {
        nnc::network! {
            pub model Bare { input [64] dense(64) -> tanh dense(3) }
            train { storage bf16 }
        }
    }
}

/// Models of which nothing is used, and one whose layer is called like the argument of `new`.
mod unused {
    mod seeds {
        nnc::network! { pub model Seeds { input [4] seed: dense(3, init = constant(0.5)) } }
    }

    nnc::network! {
        model Bare {
            input image: [4, 4]
            flatten
            dense(3) -> tanh
        }

        pub model Regression {
            input [40]
            hidden: dense(100) -> gelu
            residual { dense(100) -> silu }
            normal: dense(2, bias = false)
            loss huber
            optimizer momentum(lr = 0.01)
        }

        train { batch 20  precision f64 }
    }
}

#[test]
fn models_run() {
    let iris = iris::Iris::new(1).predict(&[5.1, 3.5, 1.4, 0.2]);
    let steps = cells::Own::new(1).predict(&[[0.5; 7]; 6]);
    assert!(steps.as_flattened().iter().all(|value| value.is_finite()));
    let steps = both_ways::Lstm::new(1).predict(&[[0.5; 7]; 5]);
    assert!(steps.as_flattened().iter().all(|value| value.is_finite()));
    let dag = dag::Dag::new(1).predict(&[1.0; 6]);
    assert!(iris.iter().chain(&dag).all(|value| value.is_finite()));
    assert!(size_of::<custom::Wave>() > 0);
    assert!(size_of::<constants::Counts>() > 0 && size_of::<constants::smooth::Smooth>() > 0);
}
