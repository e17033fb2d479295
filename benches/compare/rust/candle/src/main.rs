//! candle: all nine networks.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Mutex};

use candle_core::{D, DType, Device, Module, ModuleT, Result, Shape, Tensor, Var};
use candle_nn::var_builder::SimpleBackend;
use candle_nn::{AdamW, Optimizer, ParamsAdamW, RNN, VarBuilder, loss, ops};
use candle_nn::{BatchNorm, Conv2d, Conv2dConfig, Dropout, Embedding, Init, LSTM, Linear};

#[path = "../../harness.rs"]
mod harness;

use harness::{Figure, Start};

/// Gives layers their weights in the order in which they ask, and remembers them.
#[derive(Clone)]
struct Weights(Arc<Mutex<(Start, Vec<Var>)>>);

impl Weights {
    fn take(&self, shape: Shape) -> Result<Tensor> {
        let (start, variables) = &mut *self.0.lock().expect("one thread");
        let tensor = Tensor::from_vec(start.take(shape.elem_count()), shape, &Device::Cpu)?;
        // To predict they are no variables: nothing is recorded for a gradient.
        if !start.is_training {
            return Ok(tensor);
        }
        let variable = Var::from_tensor(&tensor)?;
        variables.push(variable.clone());
        Ok(variable.as_tensor().clone())
    }
}

impl SimpleBackend for Weights {
    fn get(&self, shape: Shape, name: &str, _: Init, _: DType, device: &Device) -> Result<Tensor> {
        match name.rsplit('.').next() {
            Some("running_mean") => Tensor::zeros(shape, DType::F32, device),
            Some("running_var") => Tensor::ones(shape, DType::F32, device),
            _ => self.take(shape),
        }
    }

    fn get_unchecked(&self, name: &str, _: DType, _: &Device) -> Result<Tensor> {
        candle_core::bail!("{name} has no shape")
    }

    fn contains_tensor(&self, _: &str) -> bool {
        true
    }
}

/// Outputs of samples, whether in training or not.
type Net = Box<dyn Fn(&Tensor, bool) -> Result<Tensor>>;

fn dense(vb: &VarBuilder, sizes: &[usize]) -> Result<Net> {
    let layer = |n: usize| candle_nn::linear(sizes[n], sizes[n + 1], vb.pp(format!("dense{n}")));
    let layers = (0..sizes.len() - 1).map(layer).collect::<Result<Vec<Linear>>>()?;
    Ok(Box::new(move |x, _| {
        let mut x = layers[0].forward(x)?;
        for layer in &layers[1..] {
            x = layer.forward(&x.relu()?)?;
        }
        Ok(x)
    }))
}

fn xor(vb: &VarBuilder) -> Result<Net> {
    let (hidden, head) = (candle_nn::linear(2, 8, vb.pp("hidden"))?, candle_nn::linear(8, 1, vb.pp("head"))?);
    Ok(Box::new(move |x, _| ops::sigmoid(&head.forward(&hidden.forward(x)?.tanh()?)?)))
}

fn norm(vb: &VarBuilder, name: &str, channels: usize) -> Result<BatchNorm> {
    candle_nn::batch_norm(channels, 1e-5, vb.pp(name))
}

fn bnmlp(vb: &VarBuilder) -> Result<Net> {
    let (first, norm1) = (candle_nn::linear_no_bias(64, 256, vb.pp("first"))?, norm(vb, "norm1", 256)?);
    let (second, norm2) = (candle_nn::linear_no_bias(256, 256, vb.pp("second"))?, norm(vb, "norm2", 256)?);
    let (dropout, head) = (Dropout::new(0.2), candle_nn::linear(256, 10, vb.pp("head"))?);
    Ok(Box::new(move |x, is_training| {
        let x = norm1.forward_t(&first.forward(x)?, is_training)?.relu()?;
        let x = norm2.forward_t(&second.forward(&x)?, is_training)?.relu()?;
        head.forward(&dropout.forward(&x, is_training)?)
    }))
}

fn lenet(vb: &VarBuilder) -> Result<Net> {
    let padded = Conv2dConfig { padding: 2, ..Default::default() };
    let conv1 = candle_nn::conv2d(1, 6, 5, padded, vb.pp("conv1"))?;
    let conv2 = candle_nn::conv2d(6, 16, 5, Default::default(), vb.pp("conv2"))?;
    let rest = dense(vb, &[400, 120, 84, 10])?;
    Ok(Box::new(move |x, is_training| {
        let x = conv1.forward(x)?.relu()?.max_pool2d(2)?;
        let x = conv2.forward(&x)?.relu()?.max_pool2d(2)?;
        rest(&x.flatten_from(1)?, is_training)
    }))
}

/// A convolution and the norm behind it.
struct ConvNorm(Conv2d, BatchNorm);

impl ConvNorm {
    fn new(
        vb: &VarBuilder,
        name: String,
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
    ) -> Result<Self> {
        let config = Conv2dConfig { padding: kernel / 2, stride, ..Default::default() };
        let conv = candle_nn::conv2d_no_bias(
            channels[0],
            channels[1],
            kernel,
            config,
            vb.pp(format!("{name}.conv")),
        )?;
        Ok(Self(conv, norm(vb, &format!("{name}.norm"), channels[1])?))
    }

    fn apply(&self, x: &Tensor, is_training: bool) -> Result<Tensor> {
        self.1.forward_t(&self.0.forward(x)?, is_training)
    }
}

fn resnet20(vb: &VarBuilder) -> Result<Net> {
    let stem = ConvNorm::new(vb, "stem".to_owned(), [3, 16], 3, 1)?;
    let mut blocks = Vec::new();
    for (n, pair) in [16, 16, 16, 16, 32, 32, 32, 64, 64, 64].windows(2).enumerate() {
        let stride = if pair[0] == pair[1] { 1 } else { 2 };
        let layer = |name: &str, from: usize, kernel: usize, stride: usize| {
            ConvNorm::new(vb, format!("block{n}.{name}"), [from, pair[1]], kernel, stride)
        };
        let shortcut = if stride == 2 { Some(layer("shortcut", pair[0], 1, 2)?) } else { None };
        blocks.push((layer("first", pair[0], 3, stride)?, layer("second", pair[1], 3, 1)?, shortcut));
    }
    let head = candle_nn::linear(64, 10, vb.pp("head"))?;
    Ok(Box::new(move |x, is_training| {
        let mut x = stem.apply(x, is_training)?.relu()?;
        for (first, second, shortcut) in &blocks {
            let body = second.apply(&first.apply(&x, is_training)?.relu()?, is_training)?;
            let past = match shortcut {
                Some(shortcut) => shortcut.apply(&x, is_training)?,
                None => x,
            };
            x = (body + past)?.relu()?;
        }
        head.forward(&x.mean((2, 3))?)
    }))
}

fn lstm(vb: &VarBuilder) -> Result<Net> {
    let embedding = candle_nn::embedding(65, 64, vb.pp("embedding"))?;
    // candle asks for both biases last.
    let mut parts = HashMap::new();
    for (part, inputs) in [("ih", 64), ("hh", 128)] {
        parts.insert(format!("weight_{part}_l0"), vb.get((512, inputs), part)?);
        parts.insert(format!("bias_{part}_l0"), vb.get(512, part)?);
    }
    let parts = VarBuilder::from_tensors(parts, DType::F32, &Device::Cpu);
    let lstm: LSTM = candle_nn::lstm(64, 128, Default::default(), parts)?;
    let head = candle_nn::linear(128, 65, vb.pp("head"))?;
    Ok(Box::new(move |x, _| {
        let states = lstm.seq(&embedding.forward(x)?)?;
        head.forward(&lstm.states_to_tensor(&states)?.flatten(0, 1)?)
    }))
}

struct LayerNorm(Tensor, Tensor);

impl LayerNorm {
    fn new(vb: VarBuilder) -> Result<Self> {
        let weight = vb.get_with_hints(128, "weight", Init::Const(1.0))?;
        Ok(Self(weight, vb.get_with_hints(128, "bias", Init::Const(0.0))?))
    }

    /// The fast form has no gradient.
    fn apply(&self, x: &Tensor, is_training: bool) -> Result<Tensor> {
        let form = if is_training { ops::layer_norm_slow } else { ops::layer_norm };
        form(x, &self.0, &self.1, 1e-5)
    }
}

struct Block {
    norms: [LayerNorm; 2],
    packed: Linear,
    out: Linear,
    up: Linear,
    down: Linear,
}

impl Block {
    fn new(vb: VarBuilder) -> Result<Self> {
        let norm1 = LayerNorm::new(vb.pp("norm1"))?;
        let packed = candle_nn::linear(128, 384, vb.pp("packed"))?;
        let out = candle_nn::linear(128, 128, vb.pp("out"))?;
        let norm2 = LayerNorm::new(vb.pp("norm2"))?;
        let up = candle_nn::linear(128, 512, vb.pp("up"))?;
        let down = candle_nn::linear(512, 128, vb.pp("down"))?;
        Ok(Self { norms: [norm1, norm2], packed, out, up, down })
    }

    fn apply(&self, x: &Tensor, mask: &Tensor, is_training: bool) -> Result<Tensor> {
        let (batch, positions, width) = x.dims3()?;
        let packed = self.packed.forward(&self.norms[0].apply(x, is_training)?)?;
        let packed = packed.reshape((batch, positions, 3, 4, 32))?.permute((2, 0, 3, 1, 4))?;
        let part = |n: usize| packed.get(n)?.contiguous();
        let scores =
            (part(0)?.matmul(&part(1)?.transpose(2, 3)?)? * 32f64.powf(-0.5))?.broadcast_add(mask)?;
        // The fast form has no gradient.
        let weights =
            if is_training { ops::softmax(&scores, D::Minus1)? } else { ops::softmax_last_dim(&scores)? };
        let mixed = weights.matmul(&part(2)?)?.transpose(1, 2)?.reshape((batch, positions, width))?;
        let x = (x + self.out.forward(&mixed)?)?;
        let hidden = self.up.forward(&self.norms[1].apply(&x, is_training)?)?.gelu_erf()?;
        &x + self.down.forward(&hidden)?
    }
}

fn gpt(vb: &VarBuilder) -> Result<Net> {
    let token: Embedding = candle_nn::embedding(65, 128, vb.pp("token"))?;
    let position = vb.get_with_hints((64, 128), "position", Init::Randn { mean: 0.0, stdev: 0.02 })?;
    let blocks = (0..4).map(|n| Block::new(vb.pp(format!("block{n}")))).collect::<Result<Vec<Block>>>()?;
    let (last, head) = (LayerNorm::new(vb.pp("norm"))?, candle_nn::linear_no_bias(128, 65, vb.pp("head"))?);
    let hidden = |at: usize| if at % 64 > at / 64 { f32::NEG_INFINITY } else { 0.0 };
    let mask = Tensor::from_vec((0..64 * 64).map(hidden).collect::<Vec<f32>>(), (64, 64), &Device::Cpu)?;
    Ok(Box::new(move |x, is_training| {
        let mut x = token.forward(x)?.broadcast_add(&position)?;
        for block in &blocks {
            x = block.apply(&x, &mask, is_training)?;
        }
        head.forward(&last.apply(&x, is_training)?.flatten(0, 1)?)
    }))
}

fn build(name: &str, vb: &VarBuilder) -> Result<Net> {
    match name {
        "xor" => xor(vb),
        "iris" => dense(vb, &[4, 16, 3]),
        "mlp" => dense(vb, &[784, 128, 64, 10]),
        "bnmlp" => bnmlp(vb),
        "wide" => dense(vb, &[1024, 1024, 1024, 1024, 10]),
        "lenet" => lenet(vb),
        "resnet20" => resnet20(vb),
        "lstm" => lstm(vb),
        "gpt" => gpt(vb),
        other => candle_core::bail!("no network {other}"),
    }
}

/// Descent with momentum and weight decay, which candle has not.
struct Momentum {
    weights: Vec<(Var, Option<Tensor>)>,
    rate: f64,
    beta: f64,
    decay: f64,
}

impl Momentum {
    fn step(&mut self, loss: &Tensor) -> Result<()> {
        let gradients = loss.backward()?;
        for (weight, velocity) in &mut self.weights {
            let Some(gradient) = gradients.get(weight) else { continue };
            let mut change = gradient.clone();
            if self.decay > 0.0 {
                change = (change + (weight.as_tensor() * self.decay)?)?;
            }
            if let Some(velocity) = velocity.take() {
                change = ((velocity * self.beta)? + change)?;
            }
            let change = change.detach();
            weight.set(&weight.sub(&(&change * self.rate)?)?)?;
            *velocity = (self.beta > 0.0).then_some(change);
        }
        Ok(())
    }
}

/// Samples, and targets as the loss takes them.
fn data(start: &Start) -> Result<(Tensor, Tensor)> {
    let n = start.batch;
    let shape: &[usize] = match start.network.as_str() {
        "lenet" => &[n, 1, 28, 28],
        "resnet20" => &[n, 3, 32, 32],
        _ => &[n, start.inputs.len() / n],
    };
    let tensor = |values: &[f32]| Tensor::from_slice(values, values.len(), &Device::Cpu);
    let x = tensor(&start.inputs)?.reshape(shape)?;
    let targets = tensor(&start.targets)?;
    Ok(match start.network.as_str() {
        "xor" => (x, targets.unsqueeze(1)?),
        "lstm" | "gpt" => (x.to_dtype(DType::U32)?, targets.to_dtype(DType::U32)?),
        _ => (x, targets.to_dtype(DType::U32)?),
    })
}

fn figure(start: Start) -> Result<Figure> {
    let name = start.network.clone();
    let (x, targets) = data(&start)?;
    let weights = Weights(Arc::new(Mutex::new((start, Vec::new()))));
    let net = build(&name, &VarBuilder::from_backend(Box::new(weights.clone()), DType::F32, Device::Cpu))?;
    let (start, variables) = &*weights.0.lock().expect("one thread");
    let parameters = start.taken();
    if !start.is_training {
        let output = net(&x, false)?.flatten_all()?.to_vec1::<f32>()?;
        let losses = vec![start.loss_of(&output)];
        let call = Box::new(move || {
            black_box(net(black_box(&x), false).expect("it has run"));
        });
        return Ok(Figure { parameters, losses, call });
    }
    let is_xor = name == "xor";
    let objective = move || -> Result<Tensor> {
        let output = net(&x, true)?;
        if is_xor { loss::mse(&output, &targets) } else { loss::cross_entropy(&output, &targets) }
    };
    let value = |loss: &Tensor| loss.to_scalar::<f32>().expect("one number");
    if matches!(name.as_str(), "xor" | "bnmlp" | "resnet20") {
        let weights = variables.iter().map(|weight| (weight.clone(), None)).collect();
        let (rate, beta, decay) = match name.as_str() {
            "xor" => (0.5, 0.0, 0.0),
            "bnmlp" => (0.01, 0.9, 0.0),
            _ => (0.1, 0.9, 1e-4),
        };
        let mut optimizer = Momentum { weights, rate, beta, decay };
        return Ok(Figure::of_steps(parameters, move || {
            let loss = objective().expect("the shapes fit");
            optimizer.step(&loss).expect("the shapes fit");
            value(&loss)
        }));
    }
    let lr = if name == "iris" { 0.01 } else { 0.001 };
    let weight_decay = if name == "gpt" { 0.01 } else { 0.0 };
    let mut optimizer =
        AdamW::new(variables.clone(), ParamsAdamW { lr, weight_decay, ..Default::default() })?;
    Ok(Figure::of_steps(parameters, move || {
        let loss = objective().expect("the shapes fit");
        optimizer.backward_step(&loss).expect("the shapes fit");
        value(&loss)
    }))
}

fn main() {
    harness::serve("0.11.1", |start| Some(figure(start).unwrap_or_else(|error| panic!("{error}"))));
}
