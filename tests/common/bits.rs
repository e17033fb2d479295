//! A number by which two runs are told apart.

use nnc::Train;

/// FNV-1a over the bits of all tensors and states.
pub fn bits<M: Train<Elem = f32>>(model: &M) -> u64 {
    let info = model.info();
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut add = |values: &[f32]| {
        for value in values {
            hash = (hash ^ u64::from(value.to_bits())).wrapping_mul(0x0100_0000_01b3);
        }
    };
    for (at, tensor) in info.tensors.iter().enumerate() {
        let mut values = vec![0.0; tensor.len()];
        model.read_tensor(at, &mut values);
        assert!(values.iter().all(|value| value.is_finite()), "{}", tensor.name);
        add(&values);
        for state in 0..info.states.len() {
            model.read_state(state, at, &mut values);
            add(&values);
        }
    }
    add(&model.schedule().iter().map(|value| *value as f32).collect::<Vec<f32>>());
    hash
}
