//! All of a model can be called.

use nnc::{Model, Train};

nnc::include_model!("carried");

#[test]
fn a_carried_state_is_read_and_set() -> Result<(), nnc::Error> {
    let mut model = Carried::new(3);
    let x = [[0.0, 1.0, 2.0, 3.0, 4.0, 0.0], [1.0, 2.0, 3.0, 4.0, 0.0, 1.0]];
    let y = [[1, 2, 3, 4, 0, 1], [2, 3, 4, 0, 1, 2]];
    let first = model.train_step(&x, &y)?;
    let mut state = vec![0.0; model.carried()];
    model.read_carried(&mut state);
    assert!(state.iter().any(|value| *value != 0.0));
    let mut other = model.clone();
    other.reset_state();
    other.write_carried(&state);
    let next = (model.train_step(&x, &y)?, other.train_step(&x, &y)?);
    assert!(next.0 < first && next.0 == next.1, "{}, then {:?}", first, next);
    assert_eq!(model.tensor("head.bias"), other.tensor("head.bias"));
    Ok(())
}
