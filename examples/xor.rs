//! Trains a network on xor: `cargo run --release --example xor`.

#![allow(clippy::print_stdout)]

use nnc::network;

network! {
    /// Tells whether exactly one of two inputs is on.
    model Xor {
        input [2]
        hidden: dense(8) -> tanh
        head: dense(1) -> sigmoid
        loss mse
        optimizer sgd(lr = 0.5)
    }
    train { batch 4 }
}

const X: [[f32; 2]; 4] = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
const Y: [[f32; 1]; 4] = [[0.0], [1.0], [1.0], [0.0]];
const STEPS: usize = 5000;

fn main() -> Result<(), nnc::StepError> {
    let mut xor = Xor::new(7);
    for step in 1..=STEPS {
        let loss = xor.train_step(&X, &Y)?;
        if step == 1 || step % 1000 == 0 {
            println!("step {step:>4}  loss {loss:.6}");
        }
    }
    println!();
    for (x, [y]) in X.iter().zip(Y) {
        let [p] = xor.predict(x);
        println!("{} xor {} = {y}  predicted {p:.3}", x[0], x[1]);
    }
    Ok(())
}
