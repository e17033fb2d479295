//! What training, evaluation, prediction and measurement have in common: a compiled model that runs.

use std::path::{Path, PathBuf};

use nnc_compiler::CompiledModel;
use nnc_compiler::allow::Allowed;
use nnc_grammar::span::SourceMap;
use nnc_runtime::Error;
use nnc_runtime::data::{DataSet, fit_normalize};
use nnc_runtime::metrics::{Metric, parse_metrics};
use nnc_runtime::model::{Compared, ModelInfo, TargetInfo};
use nnc_runtime::safetensors::{LoadOptions, Metadata, read_prefixed};

use crate::arguments::Run;
use crate::engine::{self, Loaded, Network, Profiler, Threads, Unless};
use crate::output::Output;
use crate::source::{Failure, compiled, the_model};

/// A model that could be compiled and does not run yet: what else may be wrong is found out before rustc is asked.
pub struct Prepared {
    /// What the compiler made of it.
    pub model: CompiledModel,
    /// All texts that it was made from, for messages.
    pub sources: SourceMap,
    /// Warnings that are not given.
    pub allowed: Allowed,
    /// What it says of itself.
    pub info: &'static ModelInfo,
    /// Where initial weights and the order of samples come from.
    pub seed: u64,
}

/// A model that runs.
pub struct Session {
    /// What the compiler made of it.
    pub model: CompiledModel,
    /// What it says of itself.
    pub info: &'static ModelInfo,
    /// All texts that it was made from, for messages.
    pub sources: SourceMap,
    /// Warnings that are not given.
    pub allowed: Allowed,
    /// What runs.
    pub network: Box<Network>,
    /// How many threads it has.
    pub threads: usize,
    /// Where initial weights and the order of samples come from.
    pub seed: u64,
}

impl Prepared {
    /// Compiles the model, and checks with `check` that the command can use it.
    ///
    /// # Errors
    /// Faults of the source and of `check`.
    pub fn new(
        run: &Run,
        batch: Option<usize>,
        output: &Output,
        check: impl FnOnce(&CompiledModel) -> Result<(), Error>,
    ) -> Result<Self, Failure> {
        let compilation = compiled(&run.source, batch, output)?;
        let model = the_model(&compilation, &run.source)?;
        check(&model)?;
        let seed = run.seed.unwrap_or(model.program.train.seed);
        let info = engine::describe(&model);
        Ok(Self { model, sources: compilation.sources, allowed: compilation.allowed, info, seed })
    }

    /// What is measured: what the field expects for this kind of target, and what the model asks for.
    ///
    /// # Errors
    /// E0214 for an unknown metric.
    pub fn metrics(&self) -> Result<Vec<Metric>, Error> {
        let mut metrics: Vec<Metric> = Vec::new();
        for Compared { output, target, .. } in self.info.compared() {
            let of_output: &[Metric] = match target {
                TargetInfo::Class { .. } | TargetInfo::Positions { .. } => &[Metric::Accuracy],
                TargetInfo::Values { len } if len == output.len() => &[Metric::Rmse, Metric::R2],
                // Outputs that are not what the targets are cannot be compared with them.
                TargetInfo::Values { .. } => &[],
            };
            for metric in of_output {
                if !metrics.contains(metric) {
                    metrics.push(*metric);
                }
            }
        }
        // The confusion matrix is always there for classes; it is no figure.
        let names = self
            .model
            .program
            .metrics
            .iter()
            .map(|(name, _)| name.as_str())
            .filter(|name| *name != "confusion");
        for metric in parse_metrics(names)? {
            if !metrics.contains(&metric) {
                metrics.push(metric);
            }
        }
        Ok(metrics)
    }

    /// Weights of imported models: number and values of each tensor.
    ///
    /// # Errors
    /// As [`read_prefixed`].
    pub fn imported(&self) -> Result<Vec<(usize, Vec<f32>)>, Error> {
        let mut tensors = Vec::new();
        for import in &self.model.program.imports {
            let Some(weights) = &import.weights else { continue };
            // Beside the file that says it, as all paths of a file.
            let path = Path::new(&weights.file).with_file_name(&weights.path);
            let place = self.sources.place(weights.span);
            let read = read_prefixed(self.info, &path, &import.prefix);
            tensors.extend(read.map_err(|error| error.note(format!("they are asked for at {place}")))?);
        }
        Ok(tensors)
    }

    /// Makes it run, on so many threads unless somebody says how many.
    ///
    /// # Errors
    /// As [`engine::load`].
    pub fn start(self, run: &Run, unless: Unless, output: &Output) -> Result<Session, Error> {
        let threads = Threads { asked: run.threads, unless };
        let loaded = engine::load(&self.model, self.info, run.engine, threads, self.seed, output)?;
        Ok(self.running(loaded))
    }

    /// Makes it run and have the time of its functions taken.
    ///
    /// # Errors
    /// As [`engine::load_profiled`].
    pub fn start_profiled(self, run: &Run, output: &Output) -> Result<(Session, Profiler), Error> {
        let threads = Threads { asked: run.threads, unless: Unless::One };
        let (loaded, profiler) =
            engine::load_profiled(&self.model, self.info, run.engine, threads, self.seed, output)?;
        Ok((self.running(loaded), profiler))
    }

    fn running(self, loaded: Loaded) -> Session {
        let Self { model, sources, allowed, info, seed } = self;
        let Loaded { network, threads } = loaded;
        Session { model, info, sources, allowed, network, threads, seed }
    }
}

impl Session {
    /// What training begins with, beside what is drawn: the figures of `normalize` and the like, and what imported models
    /// bring, their own figures among it.
    ///
    /// # Errors
    /// As [`fit_normalize`].
    pub fn begin(&mut self, train: &DataSet, imported: &[(usize, Vec<f32>)]) -> Result<(), Error> {
        fit_normalize(&mut *self.network, train)?;
        for (tensor, values) in imported {
            self.network.write_tensor(*tensor, values);
        }
        Ok(())
    }

    /// Loads weights into the model, and returns what was saved with them.
    ///
    /// # Errors
    /// As [`nnc_runtime::safetensors::load`].
    pub fn load_weights(&mut self, path: &Path) -> Result<Metadata, Error> {
        nnc_runtime::safetensors::load(&mut *self.network, path, &LoadOptions::default()).map_err(
            |mut error| {
                // That option is one of the library; the command has none for it.
                for help in error.help.iter_mut().filter(|help| help.contains("`ignore_hash`")) {
                    *help = "train again, or take the model that they were trained with".to_owned();
                }
                error
            },
        )
    }
}

/// Where weights lie when nobody says: the model's file name with `.safetensors`, in the working folder.
pub fn default_weights(run: &Run) -> PathBuf {
    let stem = run.source.file.file_stem().unwrap_or_default();
    Path::new(stem).with_extension("safetensors")
}

/// The model has something to be compared with, and rows to compare.
///
/// # Errors
/// E0401 and E0403.
pub fn can_be_measured(model: &CompiledModel, run: &Run) -> Result<(), Error> {
    let (name, file) = (&model.info.name, &run.source.file);
    if model.program.losses.is_empty() {
        return Err(Error::new("E0401", format!("model `{name}` has no loss"))
            .at(file)
            .help("add `loss cross_entropy` for classes, or `loss mse` for values"));
    }
    if model.program.data.is_none() {
        return Err(Error::new("E0403", format!("`{}` does not say where the data is", file.display()))
            .at(file)
            .help("add a section `data { csv \"rows.csv\"  target column }`"));
    }
    Ok(())
}

/// The model has something that makes its loss small.
///
/// # Errors
/// E0402.
pub fn can_be_trained(model: &CompiledModel, run: &Run) -> Result<(), Error> {
    if model.program.optimizer.is_none() {
        return Err(Error::new("E0402", format!("model `{}` has no optimizer", model.info.name))
            .at(&run.source.file)
            .help("add `optimizer adam`"));
    }
    Ok(())
}

/// The warm-up of a schedule comes to its end in so many epochs, or without them in those of the file.
///
/// # Errors
/// E0420.
pub fn can_warm_up(model: &CompiledModel, run: &Run, epochs: Option<usize>) -> Result<(), Error> {
    let (name, warmup) = (&model.info.name, model.info.warmup);
    let (epochs, said) = match epochs {
        Some(epochs) => (epochs, "`--epochs` says"),
        None => (model.program.train.epochs, "there are without `epochs` in `train`"),
    };
    if warmup <= epochs as f64 {
        return Ok(());
    }
    let message =
        format!("model `{name}` warms up for {warmup} epochs, longer than the {epochs} that {said}");
    Err(Error::new("E0420", message)
        .at(&run.source.file)
        .help("train for more epochs, or lower `warmup` in the schedule"))
}
