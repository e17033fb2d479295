//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use nnc_runtime::metrics::{Metric, metric_names};

use crate::engine::Engine;
use crate::output::Format;

/// Compiles neural networks to specialised Rust, trains them, and shows what they became.
#[derive(Debug, Parser)]
#[command(
    name = "nnc",
    version,
    about,
    after_help = "`NNC_SIMD=avx512|avx2|neon|plain` caps the instruction set.\n\
    `NNC_THREADS` is the number of threads without `--threads`.\n\
    `NNC_CACHE_DIR` is where compiled models are kept.\nExit codes: 0, 1 for a fault of model or data, 2 for one of usage, 130 after Ctrl-C."
)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Reports all faults of models.
    Check {
        /// The files.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Gives a parameter of the models a value, or `loss`, `optimizer`, `lr` or `epochs` another.
        #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
        set: Vec<(String, String)>,
        /// The form of messages.
        #[arg(long, value_enum, default_value_t)]
        message_format: Format,
    },
    /// Formats files in place.
    Fmt {
        /// The files; `-` reads the standard input and writes to the standard output.
        #[arg(required = true)]
        files: Vec<PathBuf>,
        /// Changes nothing, and fails if a file would change.
        #[arg(long)]
        check: bool,
    },
    /// Shows layers, shapes, parameters, arithmetic and memory.
    Summary {
        /// The model.
        #[command(flatten)]
        source: Source,
        /// The bytes of each layer: its parameters, what the optimizer keeps of them, its values
        #[arg(long)]
        memory: bool,
    },
    /// Shows what a stage of the compiler makes of a model.
    Expand {
        /// The model.
        #[command(flatten)]
        source: Source,
        /// The stage.
        #[arg(long, value_enum, default_value_t)]
        stage: Stage,
    },
    /// Trains a model on the data that its file names.
    Train(TrainArguments),
    /// Trains every combination of settings with several seeds, and compares them: a table and a picture.
    Sweep(SweepArguments),
    /// Measures a trained model on the test rows.
    Eval {
        /// The model and how to run it.
        #[command(flatten)]
        run: Run,
        /// The weights; without it `<model file>.safetensors` in the working folder.
        #[arg(long, value_name = "FILE")]
        weights: Option<PathBuf>,
        /// Takes of `--weights` what fits by name and shape, and reports the rest.
        #[arg(long, requires = "weights")]
        partial: bool,
    },
    /// Predicts rows of a CSV file, images, or the next character of a text: CSV goes to the standard output.
    Predict {
        /// The model and how to run it.
        #[command(flatten)]
        run: Run,
        /// The weights; without it `<model file>.safetensors` in the working folder.
        #[arg(long, value_name = "FILE")]
        weights: Option<PathBuf>,
        /// The rows, with a header, an image or a folder of them, or a text; without it, or with `-`, the standard
        /// input.
        #[arg(long, value_name = "FILE")]
        input: Option<PathBuf>,
        /// The text whose next character is predicted, for a model of characters.
        #[arg(long, value_name = "TEXT", conflicts_with = "input")]
        prompt: Option<String>,
    },
    /// Writes text that a model of characters makes up, character by character.
    Generate {
        /// The model and how to run it; `--seed` is that of the draws.
        #[command(flatten)]
        run: Run,
        /// The weights; without it `<model file>.safetensors` in the working folder.
        #[arg(long, value_name = "FILE")]
        weights: Option<PathBuf>,
        /// The text to go on from; without it the first character of the vocabulary.
        #[arg(long, value_name = "TEXT")]
        prompt: Option<String>,
        /// Characters to write.
        #[arg(long, value_name = "N", default_value_t = 500)]
        length: usize,
        /// What scores are divided by before one is drawn: below 1 likelier ones more often, above 1 more varied; 0 takes the likeliest.
        #[arg(long, value_name = "T", default_value_t = 0.8, value_parser = temperature)]
        temperature: f64,
    },
    /// Measures the time of a training step and of inference.
    Bench {
        /// The model and how to run it.
        #[command(flatten)]
        run: Run,
        /// Samples in a batch, instead of what the file says.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
        batch: Option<u64>,
        /// Shows the time of each layer and direction, its GFLOP/s and its GB/s.
        #[arg(long)]
        by_layer: bool,
    },
    /// Lists what the language offers: layers, activations, losses, optimizers, schedules, initializers.
    List {
        /// One kind of it, or a name.
        kind: Option<String>,
        /// One of the kind, with its page.
        name: Option<String>,
        /// The form of the list.
        #[arg(long, value_enum, default_value_t)]
        message_format: Format,
    },
    /// Explains the code of a message.
    Explain {
        /// The code: `E0203`.
        code: String,
    },
    /// Writes a model to start from.
    New {
        /// Name of the folder and of the model.
        name: String,
    },
}

/// A model in a file.
#[derive(Debug, Args)]
pub struct Source {
    /// The file.
    pub file: PathBuf,
    /// The model, when the file has several.
    #[arg(long, value_name = "NAME")]
    pub model: Option<String>,
    /// Keep normalisation with running figures apart from the layer before it, to compare.
    #[arg(long)]
    pub no_fold: bool,
    /// Gives a parameter of the model a value, or `loss`, `optimizer`, `lr` or `epochs` another.
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub set: Vec<(String, String)>,
}

/// A model and how to run it.
#[derive(Debug, Args)]
pub struct Run {
    /// The model.
    #[command(flatten)]
    pub source: Source,
    /// Where the data files lie, instead of beside the model.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Where initial weights and the order of samples come from, instead of the file's `seed`.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// What runs the model: compiled code, unless there is no rustc.
    #[arg(long, value_enum)]
    pub engine: Option<Engine>,
    /// Threads; without it as many as the machine runs at once, one for a model none of whose functions is long enough to
    /// be divided, and one in `bench` and to take the time by layer.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: Option<u32>,
    /// The form of messages.
    #[arg(long, value_enum, default_value_t)]
    pub message_format: Format,
}

/// How to train.
#[derive(Debug, Args)]
pub struct TrainArguments {
    /// The model and how to run it.
    #[command(flatten)]
    pub run: Run,
    /// Passes over the training rows, instead of what the file says.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub epochs: Option<u64>,
    /// Where the weights are written; without it `<model file>.safetensors` in the working folder.
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Weights to start from.
    #[arg(long, value_name = "FILE", conflicts_with = "resume")]
    pub weights: Option<PathBuf>,
    /// Takes of `--weights` what fits by name and shape, and reports the rest.
    #[arg(long, requires = "weights")]
    pub partial: bool,
    /// Goes on from the checkpoint beside the weights.
    #[arg(long)]
    pub resume: bool,
    /// Does not look for dead units, gradients that vanish or explode, and saturation while it trains.
    #[arg(long)]
    pub no_diagnose: bool,
    /// Shows at the end where the time of a step went: by layer and direction, with GFLOP/s and GB/s.
    #[arg(long)]
    pub profile: bool,
}

/// What to compare, and how.
#[derive(Debug, Args)]
#[command(
    after_help = "Every combination of all values is trained with every seed. Values are separated by commas:\n    \
    nnc sweep wine.nn --set lr=0.1,0.01 --set \"optimizer=sgd(lr = 0.1),adam\" --plot accuracy\n\
    Commas inside parentheses, brackets and quotes belong to the value. `--model` may list models of the file.\n\n\
    A figure is the mean over the seeds that came to an end, with their standard deviation.\n\
    Without rows for validation, the test rows are measured after each epoch; nothing is chosen by them."
)]
pub struct SweepArguments {
    /// The model; `--model` may list several of them, and each `--set` several values.
    #[command(flatten)]
    pub source: Source,
    /// Where initial weights and the order of samples come from: a run for each.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_values_t = [1, 2, 3, 4, 5])]
    pub seeds: Vec<u64>,
    /// Runs at the same time; without it as many as there are cores.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub jobs: Option<u32>,
    /// Passes over the training rows, instead of what the file says.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000))]
    pub epochs: Option<u64>,
    /// What the picture shows: `loss`, `validation`, a metric such as `accuracy`, `activations` or `gradients` by layer
    /// before training, or `path=A,B` over two parameters.
    #[arg(long, value_name = "WHAT", default_value = "loss", value_parser = Plot::parse)]
    pub plot: Plot,
    /// Where the picture is written, and the figures beside it as `.csv`: a file, or a folder; without it
    /// `<model file>-sweep.svg` in the working folder.
    #[arg(long, value_name = "FOLDER|FILE.svg")]
    pub out: Option<PathBuf>,
    /// Where the data files lie, instead of beside the model.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// What runs the models: compiled code, unless there is no rustc.
    #[arg(long, value_enum)]
    pub engine: Option<Engine>,
    /// The form of messages.
    #[arg(long, value_enum, default_value_t)]
    pub message_format: Format,
}

/// What the picture of a sweep shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plot {
    /// The training loss by epoch.
    Loss,
    /// The loss of rows that are not trained on, by epoch.
    Validation,
    /// A metric of rows that are not trained on, by epoch.
    Metric(Metric),
    /// Standard deviation of the values by layer, before training.
    Activations,
    /// Size of the weights' gradients by layer, before training.
    Gradients,
    /// The way of two parameters over the loss.
    Path(String, String),
}

impl Plot {
    fn parse(text: &str) -> Result<Self, String> {
        if let Some(names) = text.strip_prefix("path=") {
            return match names.split_once(',') {
                Some((a, b)) if !a.trim().is_empty() && !b.trim().is_empty() => {
                    Ok(Self::Path(a.trim().to_owned(), b.trim().to_owned()))
                }
                _ => Err("expected two parameters, `path=dense.weight,dense.bias`".to_owned()),
            };
        }
        match text {
            "loss" => Ok(Self::Loss),
            "validation" => Ok(Self::Validation),
            "activations" => Ok(Self::Activations),
            "gradients" => Ok(Self::Gradients),
            name => Metric::parse(name).map(Self::Metric).ok_or_else(|| {
                format!(
                    "expected loss, validation, activations, gradients, path=A,B, or one of the metrics {}",
                    metric_names().join(", ")
                )
            }),
        }
    }
}

/// A stage of the compiler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Stage {
    /// The syntax tree.
    Ast,
    /// Names bound, blocks inlined, repeats expanded.
    Program,
    /// Operators with shapes.
    Graph,
    /// With gradients, simplified.
    Gradients,
    /// Functions and memory.
    Plan,
    /// The emitted code.
    #[default]
    Rust,
}

fn setting(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() && !value.trim().is_empty() => {
            Ok((name.trim().to_owned(), value.trim().to_owned()))
        }
        _ => Err(format!("expected `name=value`, found `{text}`")),
    }
}

/// A number from 0.
fn temperature(text: &str) -> Result<f64, String> {
    let number: f64 = text.parse().map_err(|_| format!("expected a number from 0, found `{text}`"))?;
    if number >= 0.0 && number.is_finite() {
        return Ok(number);
    }
    Err(format!("expected a number from 0, found `{text}`"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
