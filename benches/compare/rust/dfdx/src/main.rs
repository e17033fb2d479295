//! dfdx: dense networks; its convolutions want a nightly compiler, and it has no recurrent cells.

use std::hint::black_box;

use dfdx::nn::modules;
use dfdx::optim::{Adam, AdamConfig, Momentum, Sgd, SgdConfig};
use dfdx::prelude::*;
use dfdx::tensor::Cpu;

#[path = "../../harness.rs"]
mod harness;

use harness::{Figure, Start};

type Xor = ((Linear<2, 8>, Tanh), (Linear<8, 1>, Sigmoid));
type Iris = ((Linear<4, 16>, ReLU), Linear<16, 3>);
type Mlp = ((Linear<784, 128>, ReLU), (Linear<128, 64>, ReLU), Linear<64, 10>);
type Normed<const I: usize> = (UnbiasedLinear<I, 256>, BatchNorm1D<256>, ReLU);
type BnMlp = (Normed<64>, Normed<256>, (DropoutOneIn<5>, Linear<256, 10>));
type Hidden = (Linear<1024, 1024>, ReLU);
type Wide = (Hidden, Hidden, Hidden, Linear<1024, 10>);

/// Takes its weights, which are in the order of its layers.
trait Fill {
    fn fill(&mut self, _start: &mut Start) {}
}

impl Fill for ReLU {}
impl Fill for Tanh {}
impl Fill for Sigmoid {}
impl<const N: usize> Fill for DropoutOneIn<N> {}

impl<const I: usize, const O: usize> Fill for modules::Linear<I, O, f32, Cpu> {
    fn fill(&mut self, start: &mut Start) {
        self.weight.copy_from(&start.take(I * O));
        self.bias.copy_from(&start.take(O));
    }
}

impl<const I: usize, const O: usize> Fill for modules::UnbiasedLinear<I, O, f32, Cpu> {
    fn fill(&mut self, start: &mut Start) {
        self.weight.copy_from(&start.take(I * O));
    }
}

impl<const C: usize> Fill for modules::BatchNorm1D<C, f32, Cpu> {
    fn fill(&mut self, start: &mut Start) {
        self.scale.copy_from(&start.take(C));
        self.bias.copy_from(&start.take(C));
    }
}

macro_rules! fill_tuple {
    ($($name:ident)+) => {
        impl<$($name: Fill),+> Fill for ($($name,)+) {
            #[allow(non_snake_case)]
            fn fill(&mut self, start: &mut Start) {
                let ($($name,)+) = self;
                $($name.fill(start);)+
            }
        }
    };
}

fill_tuple!(A B);
fill_tuple!(A B C);
fill_tuple!(A B C D);

/// A step of `$net` with this batch.
macro_rules! train {
    ($start:ident, $net:ty, $batch:literal, $inputs:literal, $outputs:literal, $optimizer:expr, $loss:ident) => {{
        let device = Cpu::default();
        let mut model = device.build_module::<$net, f32>();
        model.fill(&mut $start);
        let mut optimizer = $optimizer(&model);
        let mut kept = Some(model.alloc_grads());
        let mut x: Tensor<Rank2<$batch, $inputs>, f32, _> = device.zeros();
        x.copy_from(&$start.inputs);
        let mut target: Tensor<Rank2<$batch, $outputs>, f32, _> = device.zeros();
        let one_hot = |at: usize| f32::from($start.targets[at / $outputs] as usize == at % $outputs);
        let values = if $outputs == 1 {
            $start.targets.clone()
        } else {
            (0..$batch * $outputs).map(one_hot).collect()
        };
        target.copy_from(&values);
        Figure::of_steps(model.num_trainable_params(), move || {
            let output = model.forward_mut(x.trace(kept.take().expect("put back by the last step")));
            let loss = $loss(output, target.clone());
            let value = loss.array();
            let mut gradients = loss.backward();
            optimizer.update(&mut model, &gradients).expect("every weight has a gradient");
            model.zero_grads(&mut gradients);
            kept = Some(gradients);
            value
        })
    }};
}

macro_rules! infer {
    ($start:ident, $net:ty, $batch:literal, $inputs:literal) => {{
        let device = Cpu::default();
        let mut model = device.build_module::<$net, f32>();
        model.fill(&mut $start);
        let mut x: Tensor<Rank2<$batch, $inputs>, f32, _> = device.zeros();
        x.copy_from(&$start.inputs);
        let losses = vec![$start.loss_of(&model.forward(x.clone()).as_vec())];
        let call = Box::new(move || {
            black_box(model.forward(black_box(x.clone())));
        });
        Figure { parameters: $start.taken(), losses, call }
    }};
}

fn adam<M>(lr: f64) -> impl Fn(&M) -> Adam<M, f32, Cpu> {
    move |model| Adam::new(model, AdamConfig { lr, ..Default::default() })
}

fn sgd<M>(model: &M) -> Sgd<M, f32, Cpu> {
    Sgd::new(model, SgdConfig { lr: 0.5, momentum: None, weight_decay: None })
}

fn momentum<M>(model: &M) -> Sgd<M, f32, Cpu> {
    Sgd::new(model, SgdConfig { lr: 0.01, momentum: Some(Momentum::Classic(0.9)), weight_decay: None })
}

fn main() {
    dfdx::flush_denormals_to_zero();
    harness::serve("0.13.0", |mut start| {
        let figure = match (start.network.as_str(), start.is_training, start.batch) {
            ("xor", true, 4) => train!(start, Xor, 4, 2, 1, sgd, mse_loss),
            ("xor", false, 1) => infer!(start, Xor, 1, 2),
            ("iris", true, 16) => train!(start, Iris, 16, 4, 3, adam(0.01), cross_entropy_with_logits_loss),
            ("iris", false, 1) => infer!(start, Iris, 1, 4),
            ("iris", false, 256) => infer!(start, Iris, 256, 4),
            ("mlp", true, 32) => train!(start, Mlp, 32, 784, 10, adam(0.001), cross_entropy_with_logits_loss),
            ("mlp", true, 128) => {
                train!(start, Mlp, 128, 784, 10, adam(0.001), cross_entropy_with_logits_loss)
            }
            ("mlp", false, 1) => infer!(start, Mlp, 1, 784),
            ("mlp", false, 256) => infer!(start, Mlp, 256, 784),
            ("bnmlp", true, 64) => train!(start, BnMlp, 64, 64, 10, momentum, cross_entropy_with_logits_loss),
            ("bnmlp", false, 1) => infer!(start, BnMlp, 1, 64),
            ("bnmlp", false, 256) => infer!(start, BnMlp, 256, 64),
            ("wide", true, 256) => {
                train!(start, Wide, 256, 1024, 10, adam(0.001), cross_entropy_with_logits_loss)
            }
            ("wide", false, 1) => infer!(start, Wide, 1, 1024),
            ("wide", false, 256) => infer!(start, Wide, 256, 1024),
            _ => return None,
        };
        Some(figure)
    });
}
