//! A number by which two runs are told apart, and the rows of such runs.

use nnc::model::TargetInfo;
use nnc::{ModelInfo, Rng, Target, Train};

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

/// Random rows, one batch after the other: the same in every run.
pub struct Rows {
    rng: Rng,
    index: u64,
}

/// What the rows of a batch are compared with.
pub enum Aims {
    Classes(Vec<u32>),
    Values(Vec<f32>),
}

impl Aims {
    pub fn target(&self) -> Target<'_, f32> {
        match self {
            Self::Classes(classes) => Target::Classes(classes),
            Self::Values(values) => Target::Values(values),
        }
    }
}

impl Rows {
    pub fn new() -> Self {
        Self { rng: Rng::new(5, 1 << 40), index: 0 }
    }

    /// The next batch of a model that is trained.
    pub fn batch(&mut self, info: &ModelInfo, samples: usize) -> (Vec<f32>, Aims) {
        let Self { rng, index } = self;
        let mut next = || {
            *index += 1;
            *index
        };
        let x = (0..samples * info.input_len()).map(|at| match info.tokens_at(at % info.input_len()) {
            Some(tokens) => rng.below(next(), tokens as u64) as f32,
            None => rng.normal(next()) as f32,
        });
        let x: Vec<f32> = x.collect();
        let target = info.target().expect("it is trained");
        let aims = match target {
            TargetInfo::Class { classes } | TargetInfo::Positions { classes, .. } => {
                let places = samples * target.width();
                Aims::Classes((0..places).map(|_| rng.below(next(), classes as u64) as u32).collect())
            }
            TargetInfo::Values { len } => {
                Aims::Values((0..samples * len).map(|_| rng.uniform(next()) as f32).collect())
            }
        };
        (x, aims)
    }
}
