//! burn, on its processor backend: all nine networks.
#![recursion_limit = "256"]

use std::hint::black_box;

use burn::module::Param;
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::{CrossEntropyLossConfig, MseLoss, Reduction};
use burn::nn::pool::{MaxPool2d, MaxPool2dConfig};
use burn::nn::{BatchNorm, BatchNormConfig, Dropout, DropoutConfig, Embedding, EmbeddingConfig, LayerNorm};
use burn::nn::{LayerNormConfig, Linear, Lstm, LstmConfig, PaddingConfig2d};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig;
use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig};
use burn::prelude::*;
use burn::tensor::activation::{gelu, relu, sigmoid};
use burn::tensor::module::attention;
use burn::tensor::ops::AttentionModuleOptions;

#[path = "../../harness.rs"]
mod harness;

use harness::{Figure, Start};

/// Where layers get their weights, in nnc's order.
struct Source<'a> {
    start: &'a mut Start,
    device: &'a Device,
}

impl Source<'_> {
    fn param<const D: usize>(&mut self, shape: [usize; D]) -> Param<Tensor<D>> {
        let values = self.start.take(shape.iter().product());
        Param::from_data(TensorData::new(values, shape), self.device)
    }

    /// burn's order of a weight: inputs first.
    fn turned(&self, values: &[f32], inputs: usize) -> Param<Tensor<2>> {
        let outputs = values.len() / inputs;
        let turned: Vec<f32> =
            (0..values.len()).map(|at| values[at % outputs * inputs + at / outputs]).collect();
        Param::from_data(TensorData::new(turned, [inputs, outputs]), self.device)
    }

    fn dense(&mut self, inputs: usize, outputs: usize) -> Linear {
        let values = self.start.take(inputs * outputs);
        Linear { weight: self.turned(&values, inputs), bias: Some(self.param([outputs])) }
    }

    fn without_bias(&mut self, inputs: usize, outputs: usize) -> Linear {
        let values = self.start.take(inputs * outputs);
        Linear { weight: self.turned(&values, inputs), bias: None }
    }

    fn conv(&mut self, config: Conv2dConfig) -> Conv2d {
        let has_bias = config.bias;
        let ([channels_in, channels], [height, width]) = (config.channels, config.kernel_size);
        let mut conv = config.init(self.device);
        conv.weight = self.param([channels, channels_in, height, width]);
        conv.bias = has_bias.then(|| self.param([channels]));
        conv
    }

    fn batch_norm(&mut self, channels: usize) -> BatchNorm {
        let mut norm = BatchNormConfig::new(channels).init(self.device);
        (norm.gamma, norm.beta) = (self.param([channels]), self.param([channels]));
        norm
    }

    fn layer_norm(&mut self, width: usize) -> LayerNorm {
        let mut norm = LayerNormConfig::new(width).init(self.device);
        (norm.gamma, norm.beta) = (self.param([width]), Some(self.param([width])));
        norm
    }

    fn embedding(&mut self, rows: usize, width: usize) -> Embedding {
        let mut embedding = EmbeddingConfig::new(rows, width).init(self.device);
        embedding.weight = self.param([rows, width]);
        embedding
    }

    /// A gate has layers of its own, which PyTorch has as one behind the other: input, forget, cell, output.
    fn lstm(&mut self, inputs: usize, hidden: usize) -> Lstm {
        let mut lstm = LstmConfig::new(inputs, hidden, true).init(self.device);
        for (is_hidden, inputs) in [(false, inputs), (true, hidden)] {
            let (weight, bias) = (self.start.take(4 * hidden * inputs), self.start.take(4 * hidden));
            let forget = lstm.forget_gate.as_mut().expect("it is not coupled");
            let gates = [&mut lstm.input_gate, forget, &mut lstm.cell_gate, &mut lstm.output_gate];
            let parts = weight.chunks_exact(hidden * inputs).zip(bias.chunks_exact(hidden));
            for (gate, (weight, bias)) in gates.into_iter().zip(parts) {
                let bias = Param::from_data(TensorData::new(bias.to_vec(), [hidden]), self.device);
                let layer = Linear { weight: self.turned(weight, inputs), bias: Some(bias) };
                *(if is_hidden { &mut gate.hidden_transform } else { &mut gate.input_transform }) = layer;
            }
        }
        lstm
    }
}

/// A network over rows of numbers, or images.
trait Net<const D: usize>: Module {
    fn forward(&self, x: Tensor<D>) -> Tensor<2>;
}

/// A network over texts.
trait Reader: Module {
    fn forward(&self, x: Tensor<2, Int>) -> Tensor<2>;
}

#[derive(Module, Debug)]
struct Chain {
    layers: Vec<Linear>,
}

impl Chain {
    fn new(sizes: &[usize], source: &mut Source) -> Self {
        Self { layers: sizes.windows(2).map(|pair| source.dense(pair[0], pair[1])).collect() }
    }
}

impl Net<2> for Chain {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let rest = self.layers[1..].iter();
        rest.fold(self.layers[0].forward(x), |x, layer| layer.forward(relu(x)))
    }
}

#[derive(Module, Debug)]
struct Xor {
    hidden: Linear,
    head: Linear,
}

impl Net<2> for Xor {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        sigmoid(self.head.forward(self.hidden.forward(x).tanh()))
    }
}

#[derive(Module, Debug)]
struct BnMlp {
    first: Linear,
    norm1: BatchNorm,
    second: Linear,
    norm2: BatchNorm,
    dropout: Dropout,
    head: Linear,
}

impl BnMlp {
    fn new(source: &mut Source) -> Self {
        Self {
            first: source.without_bias(64, 256),
            norm1: source.batch_norm(256),
            second: source.without_bias(256, 256),
            norm2: source.batch_norm(256),
            dropout: DropoutConfig::new(0.2).init(),
            head: source.dense(256, 10),
        }
    }
}

impl Net<2> for BnMlp {
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        let x = relu(self.norm1.forward(self.first.forward(x)));
        let x = relu(self.norm2.forward(self.second.forward(x)));
        self.head.forward(self.dropout.forward(x))
    }
}

#[derive(Module, Debug)]
struct LeNet {
    conv1: Conv2d,
    conv2: Conv2d,
    pool: MaxPool2d,
    rest: Chain,
}

impl LeNet {
    fn new(source: &mut Source) -> Self {
        let padding = PaddingConfig2d::Explicit(2, 2, 2, 2);
        Self {
            conv1: source.conv(Conv2dConfig::new([1, 6], [5, 5]).with_padding(padding)),
            conv2: source.conv(Conv2dConfig::new([6, 16], [5, 5])),
            pool: MaxPool2dConfig::new([2, 2]).with_strides([2, 2]).init(),
            rest: Chain::new(&[400, 120, 84, 10], source),
        }
    }
}

impl Net<4> for LeNet {
    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let x = self.pool.forward(relu(self.conv1.forward(x)));
        let x = self.pool.forward(relu(self.conv2.forward(x)));
        self.rest.forward(x.flatten::<2>(1, 3))
    }
}

#[derive(Module, Debug)]
struct ConvNorm {
    conv: Conv2d,
    norm: BatchNorm,
}

impl ConvNorm {
    fn new(channels: [usize; 2], kernel: usize, stride: usize, source: &mut Source) -> Self {
        let half = kernel / 2;
        let config = Conv2dConfig::new(channels, [kernel, kernel]).with_stride([stride, stride]);
        let config = config.with_padding(PaddingConfig2d::Explicit(half, half, half, half)).with_bias(false);
        Self { conv: source.conv(config), norm: source.batch_norm(channels[1]) }
    }

    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        self.norm.forward(self.conv.forward(x))
    }
}

#[derive(Module, Debug)]
struct Basic {
    first: ConvNorm,
    second: ConvNorm,
    shortcut: Option<ConvNorm>,
}

#[derive(Module, Debug)]
struct ResNet20 {
    stem: ConvNorm,
    blocks: Vec<Basic>,
    head: Linear,
}

impl ResNet20 {
    fn new(source: &mut Source) -> Self {
        let stem = ConvNorm::new([3, 16], 3, 1, source);
        let mut block = |pair: &[usize]| {
            let (from, to, stride) = (pair[0], pair[1], if pair[0] == pair[1] { 1 } else { 2 });
            Basic {
                shortcut: (stride == 2).then(|| ConvNorm::new([from, to], 1, 2, source)),
                first: ConvNorm::new([from, to], 3, stride, source),
                second: ConvNorm::new([to, to], 3, 1, source),
            }
        };
        let blocks = [16, 16, 16, 16, 32, 32, 32, 64, 64, 64].windows(2).map(&mut block).collect();
        Self { stem, blocks, head: source.dense(64, 10) }
    }
}

impl Net<4> for ResNet20 {
    fn forward(&self, x: Tensor<4>) -> Tensor<2> {
        let mut x = relu(self.stem.forward(x));
        for block in &self.blocks {
            let body = block.second.forward(relu(block.first.forward(x.clone())));
            let past = match &block.shortcut {
                Some(shortcut) => shortcut.forward(x),
                None => x,
            };
            x = relu(body + past);
        }
        self.head.forward(x.mean_dim(3).mean_dim(2).flatten::<2>(1, 3))
    }
}

#[derive(Module, Debug)]
struct CharLstm {
    embedding: Embedding,
    lstm: Lstm,
    head: Linear,
}

impl CharLstm {
    fn new(source: &mut Source) -> Self {
        Self { embedding: source.embedding(65, 64), lstm: source.lstm(64, 128), head: source.dense(128, 65) }
    }
}

impl Reader for CharLstm {
    fn forward(&self, x: Tensor<2, Int>) -> Tensor<2> {
        let (states, _) = self.lstm.forward(self.embedding.forward(x), None);
        self.head.forward(states.flatten::<2>(0, 1))
    }
}

#[derive(Module, Debug)]
struct Block {
    norm1: LayerNorm,
    packed: Linear,
    out: Linear,
    norm2: LayerNorm,
    up: Linear,
    down: Linear,
}

#[derive(Module, Debug)]
struct Gpt {
    token: Embedding,
    position: Param<Tensor<2>>,
    blocks: Vec<Block>,
    norm: LayerNorm,
    head: Linear,
}

impl Gpt {
    fn new(source: &mut Source) -> Self {
        let token = source.embedding(65, 128);
        let position = source.param([64, 128]);
        let mut block = |_| Block {
            norm1: source.layer_norm(128),
            packed: source.dense(128, 384),
            out: source.dense(128, 128),
            norm2: source.layer_norm(128),
            up: source.dense(128, 512),
            down: source.dense(512, 128),
        };
        let blocks = (0..4).map(&mut block).collect();
        Self { token, position, blocks, norm: source.layer_norm(128), head: source.without_bias(128, 65) }
    }
}

impl Reader for Gpt {
    fn forward(&self, x: Tensor<2, Int>) -> Tensor<2> {
        let [batch, positions] = x.dims();
        let mut x = self.token.forward(x) + self.position.val().unsqueeze::<3>();
        for block in &self.blocks {
            let packed = block.packed.forward(block.norm1.forward(x.clone()));
            let part = |n: usize| {
                let part = packed.clone().slice(s![.., .., n * 128..(n + 1) * 128]);
                part.reshape([batch, positions, 4, 32]).swap_dims(1, 2)
            };
            let options = AttentionModuleOptions { is_causal: true, ..Default::default() };
            let mixed = attention(part(0), part(1), part(2), None, None, options);
            x = x + block.out.forward(mixed.swap_dims(1, 2).reshape([batch, positions, 128]));
            let hidden = gelu(block.up.forward(block.norm2.forward(x.clone())));
            x = x + block.down.forward(hidden);
        }
        self.head.forward(self.norm.forward(x).flatten::<2>(0, 1))
    }
}

/// Classes, or tokens.
fn whole(values: &[f32], device: &Device) -> Tensor<1, Int> {
    let values: Vec<i64> = values.iter().map(|&value| value as i64).collect();
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}

/// Steps of an optimizer.
fn train<M: Module + 'static>(
    parameters: usize,
    model: M,
    (mut optimizer, rate): Optimizer,
    loss: impl Fn(&M) -> Tensor<1> + 'static,
) -> Figure {
    let mut kept = Some(model);
    Figure::of_steps(parameters, move || {
        let model = kept.take().expect("put back by the last step");
        let loss = loss(&model);
        let gradients = GradientsParams::from_grads(loss.clone().backward(), &model);
        kept = Some(optimizer.step(rate, model, gradients));
        loss.into_scalar::<f32>()
    })
}

fn predict(start: &Start, parameters: usize, call: impl Fn() -> Tensor<2> + 'static) -> Figure {
    let output = call().into_data().try_to_vec::<f32>().expect("f32");
    let losses = vec![start.loss_of(&output)];
    let call = Box::new(move || {
        black_box(call().into_data());
    });
    Figure { parameters, losses, call }
}

fn of_numbers<const D: usize, N: Net<D> + 'static>(
    mut start: Start,
    shape: [usize; D],
    optimizer: Optimizer,
    new: impl Fn(&mut Source) -> N,
) -> Figure {
    let device = if start.is_training { Device::flex().autodiff() } else { Device::flex() };
    let model = new(&mut Source { start: &mut start, device: &device });
    let parameters = start.taken();
    let x = Tensor::<D>::from_data(TensorData::new(start.inputs.clone(), shape), &device);
    if !start.is_training {
        let model = model.valid();
        return predict(&start, parameters, move || model.forward(black_box(x.clone())));
    }
    if start.network == "xor" {
        let target =
            Tensor::<2>::from_data(TensorData::new(start.targets.clone(), [start.batch, 1]), &device);
        return train(parameters, model, optimizer, move |model: &N| {
            MseLoss::new().forward(model.forward(x.clone()), target.clone(), Reduction::Mean)
        });
    }
    let target = whole(&start.targets, &device);
    let cross_entropy = CrossEntropyLossConfig::new().init(&device);
    train(parameters, model, optimizer, move |model: &N| {
        cross_entropy.forward(model.forward(x.clone()), target.clone())
    })
}

fn of_texts<N: Reader + 'static>(
    mut start: Start,
    optimizer: Optimizer,
    new: impl Fn(&mut Source) -> N,
) -> Figure {
    let device = if start.is_training { Device::flex().autodiff() } else { Device::flex() };
    let model = new(&mut Source { start: &mut start, device: &device });
    let parameters = start.taken();
    let x = whole(&start.inputs, &device).reshape([start.batch, 64]);
    if !start.is_training {
        let model = model.valid();
        return predict(&start, parameters, move || model.forward(black_box(x.clone())));
    }
    let target = whole(&start.targets, &device);
    let cross_entropy = CrossEntropyLossConfig::new().init(&device);
    train(parameters, model, optimizer, move |model: &N| {
        cross_entropy.forward(model.forward(x.clone()), target.clone())
    })
}

/// With its learning rate.
type Optimizer = (ModuleOptimizer, f64);

fn adam(rate: f64) -> Optimizer {
    (AdamConfig::new().with_epsilon(1e-8).init(), rate)
}

fn momentum(rate: f64, decay: Option<f32>) -> Optimizer {
    let momentum = MomentumConfig { momentum: 0.9, dampening: 0.0, nesterov: false };
    let config = SgdConfig::new().with_momentum(Some(momentum));
    (config.with_weight_decay(decay.map(WeightDecayConfig::new)).init(), rate)
}

fn figure(start: Start) -> Option<Figure> {
    let n = start.batch;
    let chain = |sizes: &'static [usize]| move |source: &mut Source| Chain::new(sizes, source);
    Some(match start.network.as_str() {
        "xor" => of_numbers(start, [n, 2], (SgdConfig::new().init(), 0.5), |source| Xor {
            hidden: source.dense(2, 8),
            head: source.dense(8, 1),
        }),
        "iris" => of_numbers(start, [n, 4], adam(0.01), chain(&[4, 16, 3])),
        "mlp" => of_numbers(start, [n, 784], adam(0.001), chain(&[784, 128, 64, 10])),
        "bnmlp" => of_numbers(start, [n, 64], momentum(0.01, None), BnMlp::new),
        "wide" => of_numbers(start, [n, 1024], adam(0.001), chain(&[1024, 1024, 1024, 1024, 10])),
        "lenet" => of_numbers(start, [n, 1, 28, 28], adam(0.001), LeNet::new),
        "resnet20" => of_numbers(start, [n, 3, 32, 32], momentum(0.1, Some(1e-4)), ResNet20::new),
        "lstm" => of_texts(start, adam(0.001), CharLstm::new),
        "gpt" => {
            let config = AdamWConfig::new().with_epsilon(1e-8).with_weight_decay(0.01);
            of_texts(start, (config.init(), 0.001), Gpt::new)
        }
        _ => return None,
    })
}

fn main() {
    harness::serve("0.22.1", figure);
}
