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
    rnn: Rnn = "tests/data/models/rnn.nn";
    lstm: Lstm = "tests/data/models/lstm.nn";
    gru: Gru = "tests/data/models/gru.nn";
    own_cells: Own = "tests/data/models/own_cells.nn";
    paired_cells: Paired = "tests/data/models/paired_cells.nn";
    positions: Positions = "tests/data/models/positions.nn";
    sequence: Sequence = "tests/data/models/sequence.nn";
    attention: Attention = "tests/data/models/attention.nn";
    far_attention: FarAttention = "tests/data/models/far_attention.nn";
    carried: Carried = "tests/data/models/carried.nn";
    masks: Masks = "tests/data/models/masks.nn";
    masked_cells: MaskedCells = "tests/data/models/masked_cells.nn";
    handed_on: HandedOn = "tests/data/models/handed_on.nn";
    softmaxes: Softmaxes = "tests/data/models/softmaxes.nn";
    dropped: Dropped = "tests/data/models/dropped.nn";
}

mod tokens {
    nnc::network! {
        pub model Tokens {
            input tokens: [3]
            embedding(5, 4)
            dense(2)
            loss cross_entropy
            optimizer sgd(lr = 0.1)
        }

        train {
            batch 4
        }
    }
}

#[test]
fn a_step_refuses_what_is_no_token() {
    use nnc::{StepError, Train};

    let mut model = tokens::Tokens::new(1);
    let read = |model: &tokens::Tokens| {
        let mut weight = vec![0.0; 20];
        nnc::Model::read_tensor(model, 0, &mut weight);
        weight
    };
    let before = read(&model);
    for token in [5.0, -1.0, 1.5, f32::NAN] {
        let error = model.train_step(&[[0.0, 1.0, 2.0], [3.0, token, 4.0]], &[[0, 1, 0], [1, 1, 0]]);
        let Err(StepError::Token { sample: 1, position: 1, tokens: 5, .. }) = error else {
            panic!("{token}: {error:?}");
        };
    }
    let error = model.train_step(&[[0.0, 1.0, 2.0]], &[[0, 2, 0]]).unwrap_err();
    assert_eq!(error, StepError::Class { sample: 0, class: 2, classes: 2 });
    let error = model.step_rows(&[0.0, 1.0, 2.0], nnc::Target::Classes(&[0, 1])).unwrap_err();
    assert_eq!(error, StepError::Target { expected: 3, found: 2 });
    let error = model.step_rows(&[0.0, 1.0, 2.0], nnc::Target::Values(&[0.0; 3])).unwrap_err();
    assert_eq!(error, StepError::Kind { takes_classes: true });
    assert_eq!(error.to_string(), "expected classes as targets, found values");
    assert_eq!(read(&model), before, "nothing was trained");
    model.train_step(&[[0.0, 1.0, 2.0]], &[[0, 1, 1]]).expect("these are tokens");
    assert_ne!(read(&model), before);
    // A prediction takes the nearest token.
    assert_eq!(model.predict(&[-3.0, 99.0, f32::NAN]), model.predict(&[0.0, 4.0, 0.0]));
}

#[test]
fn data_of_positions_are_checked_and_measured() {
    use nnc::Model;
    use nnc::data::{DataSet, Targets};
    use nnc::metrics::Metric;

    let mut model = tokens::Tokens::new(1);
    let data = |tokens: Vec<f32>, targets| DataSet::from_rows(tokens, 3, targets).expect("whole rows");
    let right = data(vec![0.0, 1.0, 2.0, 3.0, 4.0, 0.0], Targets::Positions(vec![0, 1, 0, 1, 1, 0], 3));
    let evaluation =
        nnc::fit::evaluate(&mut model, &right, &[Metric::Accuracy, Metric::Perplexity]).expect("it fits");
    let figure =
        |name: &str| evaluation.metrics.iter().find(|(known, _)| known == name).map(|(_, figure)| *figure);
    assert!((figure("perplexity").expect("it was asked for") - evaluation.loss.exp()).abs() < 1e-9);
    // Each of six positions counts.
    let sixth = figure("accuracy").expect("it was asked for") * 6.0;
    assert!((sixth - sixth.round()).abs() < 1e-9, "{sixth}");
    let code = |data: &DataSet| data.check(model.info()).unwrap_err().code;
    assert_eq!(code(&data(vec![0.0, 7.0, 2.0], Targets::Positions(vec![0, 1, 0], 3))), "E0416");
    assert_eq!(code(&data(vec![0.0, 1.0, 2.0], Targets::Positions(vec![0, 1], 2))), "E0416");
    assert_eq!(code(&data(vec![0.0, 1.0, 2.0], Targets::Positions(vec![0, 2, 0], 3))), "E0416");
    assert_eq!(code(&data(vec![0.0, 1.0, 2.0], Targets::Classes(vec![0]))), "E0416");
}
