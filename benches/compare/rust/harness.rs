//! How a framework of Rust is asked for figures: a line on the standard input, a JSON object as the answer, as
//! `worker.py` has it; and `version` as an argument prints the version of the framework.

use std::io::{BufRead, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// What a network and a batch start from: files of f32 that `start.py` writes.
pub struct Start {
    pub network: String,
    pub is_training: bool,
    pub batch: usize,
    /// Samples, flat; tokens are whole numbers.
    pub inputs: Vec<f32>,
    /// A number, a class, or a class for each position.
    pub targets: Vec<f32>,
    weights: Vec<f32>,
    at: usize,
}

/// A network that runs.
pub struct Figure {
    pub parameters: usize,
    /// Of two training steps, or of what is predicted.
    pub losses: Vec<f64>,
    pub call: Box<dyn FnMut()>,
}

impl Figure {
    /// Training; a step returns its loss.
    pub fn of_steps(parameters: usize, mut step: impl FnMut() -> f32 + 'static) -> Self {
        let losses = vec![f64::from(step()), f64::from(step())];
        let call = Box::new(move || {
            std::hint::black_box(step());
        });
        Self { parameters, losses, call }
    }
}

impl Start {
    /// The first `batch` samples; the files lie in the folder that `COMPARE_FOLDER` names.
    fn new(network: &str, is_training: bool, batch: usize) -> Self {
        let folder = std::env::var("COMPARE_FOLDER").expect("COMPARE_FOLDER names the folder of the numbers");
        let read = |kind: &str| -> Vec<f32> {
            let bytes = std::fs::read(format!("{folder}/{network}.{kind}")).expect("start.py wrote it");
            bytes.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        };
        let positions = if matches!(network, "lstm" | "gpt") { 64 } else { 1 };
        let width = match network {
            "xor" => 2,
            "iris" => 4,
            "mlp" => 784,
            "wide" => 1024,
            "lenet" => 28 * 28,
            "resnet20" => 3 * 32 * 32,
            _ => 64,
        };
        let (mut inputs, mut targets) = (read("inputs"), read("targets"));
        inputs.truncate(batch * width);
        targets.truncate(batch * positions);
        let network = network.to_owned();
        Self { network, is_training, batch, inputs, targets, weights: read("weights"), at: 0 }
    }

    /// The next tensor, in nnc's order and PyTorch's layout.
    pub fn take(&mut self, n: usize) -> Vec<f32> {
        let found =
            self.weights.get(self.at..self.at + n).expect("the network has more parameters than nnc's");
        self.at += n;
        found.to_vec()
    }

    /// How many numbers were taken: the parameters of the network.
    pub fn taken(&self) -> usize {
        self.at
    }

    /// The mean loss of an output, in f64.
    pub fn loss_of(&self, output: &[f32]) -> f64 {
        let n = self.targets.len();
        let rows = output.chunks_exact(output.len() / n).zip(&self.targets);
        let losses = rows.map(|(row, &target)| {
            if self.network == "xor" {
                return f64::from(row[0] - target).powi(2);
            }
            let top = f64::from(row.iter().copied().fold(f32::MIN, f32::max));
            let sum: f64 = row.iter().map(|&x| (f64::from(x) - top).exp()).sum();
            top + sum.ln() - f64::from(row[target as usize])
        });
        losses.sum::<f64>() / n as f64
    }
}

/// Median and least time of a call in microseconds. One look at the clock covers at least 20 us.
fn times_of(call: &mut dyn FnMut(), seconds: f64, least_calls: usize) -> (f64, f64) {
    let mut timed = |calls: u32| {
        let before = Instant::now();
        for _ in 0..calls {
            call();
        }
        before.elapsed()
    };
    let mut calls = 1;
    while timed(calls) < Duration::from_micros(20) {
        calls *= 2;
    }
    let (mut times, started) = (Vec::new(), Instant::now());
    while times.len() < least_calls || started.elapsed() < Duration::from_secs_f64(seconds) {
        times.push(timed(calls).as_secs_f64() * 1e6 / f64::from(calls));
    }
    times.sort_unstable_by(f64::total_cmp);
    (times[times.len() / 2], times[0])
}

fn text_of(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
    text.lines().next().unwrap_or_default().replace(['"', '\\'], "'")
}

/// Answers until the input ends. `figure` makes a network of the framework, or says that it has none.
pub fn serve(version: &str, figure: impl Fn(Start) -> Option<Figure>) {
    if std::env::args().nth(1).as_deref() == Some("version") {
        println!("{version}");
        return;
    }
    let mut kept: Vec<Box<dyn FnMut()>> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("text");
        let answer = match line.split_whitespace().collect::<Vec<&str>>()[..] {
            ["try", network, what, batch, seconds] => {
                let (batch, seconds) =
                    (batch.parse().expect("a whole number"), seconds.parse::<f64>().expect("a number"));
                let attempt = AssertUnwindSafe(|| {
                    let mut made = figure(Start::new(network, what == "train", batch))?;
                    times_of(&mut made.call, seconds / 4.0, 3);
                    let times = times_of(&mut made.call, seconds, 3);
                    Some((made, times))
                });
                match catch_unwind(attempt) {
                    Ok(None) => "[]".to_owned(),
                    Ok(Some((made, (median, least)))) => {
                        kept.push(made.call);
                        format!(
                            "[{{\"variant\": \"\", \"parameters\": {}, \"losses\": {:?}, \"index\": {}, \
                             \"median_us\": {median}, \"least_us\": {least}}}]",
                            made.parameters,
                            made.losses,
                            kept.len() - 1,
                        )
                    }
                    Err(panic) => format!("[{{\"variant\": \"\", \"failed\": \"{}\"}}]", text_of(&*panic)),
                }
            }
            ["run", index, seconds] => {
                let call = &mut kept[index.parse::<usize>().expect("a whole number")];
                let seconds: f64 = seconds.parse().expect("a number");
                times_of(call, seconds / 8.0, 1);
                let (median, least) = times_of(call, seconds, 3);
                format!("{{\"median_us\": {median}, \"least_us\": {least}}}")
            }
            ["forget"] => {
                kept.clear();
                "{}".to_owned()
            }
            _ => format!("{{\"failed\": \"cannot read {line:?}\"}}"),
        };
        println!("{answer}");
        std::io::stdout().flush().expect("somebody reads");
    }
}
