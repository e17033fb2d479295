//! tmp
use nnc_grammar::{parse, span::SourceMap};
const ALL: &str = r#"
/// Classifies irises by four measurements.
model Iris {
    input measurements: [4]

    normalize                       // (x - mean) / std of the training data, kept with the weights
    hidden: dense(16) -> relu       // a label names the layer's parameters: hidden.weight, hidden.bias
    dense(3)

    loss cross_entropy
    optimizer adam(lr = 0.01)
    metrics accuracy
}

data {
    csv "iris.csv"
    target species
    split 0.8
}

train {
    epochs 60
    batch 16
    seed 7
}
activation swish(x, beta = 1) = x * sigmoid(beta * x)

loss mse(output, target) = mean((output - target)^2)

optimizer momentum(lr, beta = 0.9) {
    state velocity = 0
    velocity = beta * velocity - lr * gradient
    weight = weight + velocity
}

init he = normal(std = sqrt(2 / fan_in))

block basic(channels, stride = 1) {
    residual {
        conv2d(channels, kernel = 3, stride = stride, padding = same, bias = false) -> batch_norm -> relu
        conv2d(channels, kernel = 3, padding = same, bias = false) -> batch_norm
    }                               // the shortcut becomes a 1x1 projection when the shapes differ
    relu
}

cell lstm(hidden) {
    state h: [hidden] = 0, c: [hidden] = 0
    let [i, f, g, o] = concat(input, h) -> dense(4 * hidden) -> split(4)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(c)
    output h
}

import Digits from "digits.nn" weights "digits.safetensors"

pub(crate) model Letters {                     // transfer learning
    input [28, 28]
    frozen { Digits(until = head) } // all of Digits up to the layer labelled `head`, weights kept
    branch { dense(2) } { dense(3) -> relu } -> concat
    repeat 3 { dense(5) }
    loss: dense(1) -> loss -> input
    let t = 1 - 2 * 3 ^ -4 ^ 5
    let m = concat(main, skip)
    head: dense(26)
    loss cross_entropy
    optimizer adam(lr = 1e-3)
}
activation f(x) = if x > 0 && true { -x^2 } else if x < -1 { 3. } else { x }
"#;
#[test]
fn all() {
    let mut s = SourceMap::new();
    let f = s.add("a.nn", ALL);
    let p = parse(&s, f);
    println!("{:#?}", p.ast);
    println!("{:#?}", p.diagnostics);
    assert!(p.diagnostics.is_empty());
    assert_eq!(p.ast.items.len(), 12);
}
