//! The command line.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::engine::Engine;
use crate::output::Format;

/// Compiles neural networks to specialised Rust, trains them, and shows what they became.
#[derive(Debug, Parser)]
#[command(
    name = "nnc",
    version,
    about,
    after_help = "`NNC_SIMD=avx512|avx2|neon|plain` caps the instruction set.\n\
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
        /// Gives a parameter of the models a value.
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
    /// Measures a trained model on the test rows.
    Eval {
        /// The model and how to run it.
        #[command(flatten)]
        run: Run,
        /// The weights; without it `<model file>.safetensors` in the working folder.
        #[arg(long, value_name = "FILE")]
        weights: Option<PathBuf>,
    },
    /// Predicts rows of a CSV file: the columns of the answer go to the standard output.
    Predict {
        /// The model and how to run it.
        #[command(flatten)]
        run: Run,
        /// The weights; without it `<model file>.safetensors` in the working folder.
        #[arg(long, value_name = "FILE")]
        weights: Option<PathBuf>,
        /// The rows, with a header; without it, or with `-`, the standard input.
        #[arg(long, value_name = "FILE")]
        input: Option<PathBuf>,
    },
    /// Measures the time of a training step and of inference.
    Bench {
        /// The model and how to run it.
        #[command(flatten)]
        run: Run,
        /// Samples in a batch, instead of what the file says.
        #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
        batch: Option<u64>,
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
    /// Gives a parameter of the model a value.
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
    /// Threads; only 1 is supported.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub threads: u32,
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
    /// Goes on from the checkpoint beside the weights.
    #[arg(long)]
    pub resume: bool,
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

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        super::Arguments::command().debug_assert();
    }
}
