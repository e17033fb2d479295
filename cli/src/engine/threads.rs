//! How many threads a model has: what the command line says, or else the environment, or else what suits the command.

use std::num::NonZero;

use nnc_compiler::CompiledModel;
use nnc_runtime::Error;

use crate::output::Output;

/// The variable that says how many, as it does to programs that emitted code is part of.
const VARIABLE: &str = "NNC_THREADS";

/// How many threads a command wants.
#[derive(Debug, Clone, Copy)]
pub struct Threads {
    /// What `--threads` says.
    pub asked: Option<u32>,
    /// What holds unless somebody says how many.
    pub unless: Unless,
}

/// How many threads there are when nobody says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unless {
    /// As many as the machine runs at once.
    Cores,
    /// One.
    One,
}

impl Threads {
    /// How many of them compiled code has: one where nothing is divided between threads, so that the model is compiled
    /// without them and starts as fast as it can.
    ///
    /// # Errors
    /// As [`of_environment`].
    pub fn of_compiled(self, model: &CompiledModel, output: &Output) -> Result<usize, Error> {
        if !model.plan.is_divided() {
            if let Some(asked) = self.several() {
                output.status(&format!(
                    "`--threads {asked}`: one thread runs `{}`, for none of its functions is long enough to be divided",
                    model.info.name
                ));
            }
            return Ok(1);
        }
        if let Some(asked) = self.asked {
            return Ok(usize::try_from(asked).unwrap_or(usize::MAX));
        }
        Ok(of_environment()?.unwrap_or_else(|| match self.unless {
            Unless::Cores => std::thread::available_parallelism().map_or(1, NonZero::get),
            Unless::One => 1,
        }))
    }

    /// How many are asked for, if they are more than one.
    pub fn several(self) -> Option<u32> {
        self.asked.filter(|asked| *asked > 1)
    }

    /// Nobody asks for more than one.
    ///
    /// # Errors
    /// E0501, for this reason, when somebody does.
    pub fn only_one(self, reason: &str, help: &str) -> Result<(), Error> {
        self.several().map_or(Ok(()), |asked| {
            Err(Error::new("E0501", format!("`--threads {asked}`: {reason}")).help(help))
        })
    }
}

/// What `NNC_THREADS` says, if it is set.
///
/// # Errors
/// E0205 for what is no number from 1 on.
pub fn of_environment() -> Result<Option<usize>, Error> {
    let Some(text) = std::env::var_os(VARIABLE).filter(|text| !text.is_empty()) else { return Ok(None) };
    let text = text.to_string_lossy();
    match text.trim().parse() {
        Ok(count) if count > 0 => Ok(Some(count)),
        _ => Err(Error::new("E0205", format!("`{VARIABLE}` is `{text}`, which is no number from 1 on"))
            .help("set it to the number of threads, or unset it")),
    }
}
