//! The command `nnc`: checks, trains, evaluates and explains neural networks.

mod arguments;
mod bench;
mod chart;
mod check;
mod data;
mod diagnose;
mod embedded;
mod engine;
mod eval;
mod expand;
mod explain;
mod fmt;
mod generate;
mod highlight;
mod inspect;
mod lints;
mod list;
mod new;
mod next;
mod output;
mod partial;
mod predict;
mod profile;
mod session;
mod source;
mod summary;
mod sweep;
mod train;

use std::process::ExitCode;

use clap::Parser;
use nnc_runtime::{Error, Set};

use arguments::{Arguments, Command};
use output::{Format, Output};
use source::Failure;

/// The model or the data is wrong.
const WRONG: u8 = 1;
/// The command line is wrong.
const USAGE: u8 = 2;
/// Ended by Ctrl-C, as shells have it.
const INTERRUPTED: u8 = 130;

/// Code is made of many small pieces, the tokens: with the allocator of the system it takes a quarter longer to emit.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let output = Output::new(format(&arguments.command));
    if let Some(wrong) = wrong_set().or_else(|| engine::of_environment().err()) {
        output.error(&wrong);
        return ExitCode::from(USAGE);
    }
    let done = run(&arguments.command, &output);
    match done.and_then(|()| output::lost().map_or(Ok(()), |error| Err(error.into()))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Reported) => ExitCode::from(WRONG),
        Err(Failure::Error(error)) => {
            output.error(&error);
            ExitCode::from(if error.code == "E0418" { INTERRUPTED } else { WRONG })
        }
    }
}

fn run(command: &Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Check { files, set, .. } => check::run(files, set, output),
        Command::Fmt { files, check } => fmt::run(files, *check, output),
        Command::Summary { source, memory } => summary::run(source, *memory, output),
        Command::Expand { source, stage } => expand::run(source, *stage, output),
        Command::Train(arguments) => train::run(arguments, output),
        Command::Sweep(arguments) => sweep::run(arguments, output),
        Command::Eval { run, weights, partial } => eval::run(run, weights.as_deref(), *partial, output),
        Command::Predict { run, weights, input, prompt } => {
            predict::run(run, weights.as_deref(), input.as_deref(), prompt.as_deref(), output)
        }
        Command::Generate { run, weights, prompt, length, temperature } => {
            let draw = generate::Draw { length: *length, temperature: *temperature };
            generate::run(run, weights.as_deref(), prompt.as_deref(), draw, output)
        }
        Command::Bench { run, batch, by_layer } => bench::run(run, *batch, *by_layer, output),
        Command::List { kind, name, .. } => list::run(kind.as_deref(), name.as_deref(), output),
        Command::Explain { code } => explain::run(code, output),
        Command::New { name } => new::run(name, output),
    }
}

/// The form of messages that a command was asked for.
fn format(command: &Command) -> Format {
    match command {
        Command::Check { message_format, .. } | Command::List { message_format, .. } => *message_format,
        Command::Train(arguments) => arguments.run.message_format,
        Command::Sweep(arguments) => arguments.message_format,
        Command::Eval { run, .. }
        | Command::Predict { run, .. }
        | Command::Generate { run, .. }
        | Command::Bench { run, .. } => run.message_format,
        _ => Format::Text,
    }
}

/// `NNC_SIMD` names no instruction set.
fn wrong_set() -> Option<Error> {
    let name = std::env::var("NNC_SIMD").ok().filter(|name| Set::parse(name).is_none())?;
    let known: Vec<String> = Set::ALL.iter().map(|set| format!("`{}`", set.name())).collect();
    Some(
        Error::new("E0205", format!("`NNC_SIMD` is `{name}`, which is no instruction set"))
            .help(format!("set it to one of {}, or unset it", known.join(", "))),
    )
}
