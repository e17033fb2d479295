//! Checkpoints: weights, optimizer states and step count in one safetensors file, so that training goes on as if it had
//! never stopped. [`fit`](crate::fit::fit) adds its own place in the epoch.
//!
//! A checkpoint is a weights file too: its extra tensors are called `optimizer/<state>/<tensor>` (`best/<tensor>` for
//! the best epoch's), and [`safetensors::load`](crate::safetensors::load) leaves them aside.
//!
//! The learning rate is not in it, nor how long training is: they are the model's own, so that the one can be lowered and
//! the other made longer when training goes on. Who has called [`Train::set_learning_rate`] or [`Train::set_horizon`]
//! calls it again.

use std::path::Path;

use crate::error::Error;
use crate::model::{ModelInfo, Train};
use crate::safetensors::{
    BEST, Metadata, OPTIMIZER, Part, SafeTensors, Tensor, Tensors, check_hash, describe, find_misfits, write,
};

/// Everything that a model's next step depends on, copied out of it.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    tensors: Tensors,
    states: Vec<Tensors>,
    /// The states of cells that the next step begins with, where steps hand them on.
    carried: Vec<f32>,
    steps: u64,
    /// What schedules remember.
    schedule: Vec<f64>,
    /// Where the random numbers of steps come from.
    seed: Option<u64>,
}

/// What those are called in a checkpoint.
const CARRIED: &str = "optimizer/carried";

impl Snapshot {
    /// Room for a model's values; nothing is copied yet.
    pub fn new(info: &ModelInfo) -> Self {
        let states = info.states.iter().map(|_| Tensors::new(info, Part::Trained)).collect();
        let tensors = Tensors::new(info, Part::All);
        Self { tensors, states, carried: Vec::new(), steps: 0, schedule: Vec::new(), seed: None }
    }

    /// Copies a model; but for the first time without allocating.
    pub fn take<M: Train<Elem = f32> + ?Sized>(&mut self, model: &M) {
        let info = *model.info();
        self.tensors.fill(&info, |idx, values| model.read_tensor(idx, values));
        for (state, tensors) in self.states.iter_mut().enumerate() {
            tensors.fill(&info, |idx, values| model.read_state(state, idx, values));
        }
        self.carried.resize(model.carried(), 0.0);
        model.read_carried(&mut self.carried);
        self.steps = model.steps();
        self.schedule.clear();
        self.schedule.extend_from_slice(model.schedule());
        self.seed = model.seed();
    }

    /// Puts the copy back into the model.
    pub fn give<M: Train<Elem = f32> + ?Sized>(&self, model: &mut M) {
        let info = *model.info();
        for (idx, values) in self.tensors.each(&info) {
            model.write_tensor(idx, values);
        }
        for (state, tensors) in self.states.iter().enumerate() {
            for (idx, values) in tensors.each(&info) {
                model.write_state(state, idx, values);
            }
        }
        model.write_carried(&self.carried);
        model.set_steps(self.steps);
        model.set_schedule(&self.schedule);
        if let Some(seed) = self.seed {
            model.set_seed(seed);
        }
    }

    /// The number of the first tensor that holds a value that is not finite.
    pub fn first_non_finite(&self, info: &ModelInfo) -> Option<usize> {
        self.tensors.first_non_finite(info)
    }

    /// The parameters and buffers.
    pub fn tensors(&self) -> &Tensors {
        &self.tensors
    }

    /// The tensors with the moving averages of the weights in their place, if the optimizer keeps some.
    pub fn averaged(&self, info: &ModelInfo) -> Option<Tensors> {
        let averages = self.states.get(info.average.filter(|_| self.steps > 0)?)?;
        let mut tensors = self.tensors.clone();
        let mut averages = averages.each(info).peekable();
        tensors.fill(info, |idx, values| {
            if let Some((_, average)) = averages.next_if(|(of, _)| *of == idx)
                && average.len() == values.len()
            {
                values.copy_from_slice(average);
            }
        });
        Some(tensors)
    }

    /// Writes it to a file, with the best epoch's tensors if there are some.
    pub fn write(
        &self,
        info: &ModelInfo,
        best: Option<&Tensors>,
        metadata: &Metadata,
        path: &Path,
    ) -> Result<(), Error> {
        let mut metadata = describe(info, metadata);
        metadata.insert("kind".to_owned(), "checkpoint".to_owned());
        metadata.insert("steps".to_owned(), self.steps.to_string());
        if !self.schedule.is_empty() {
            let words: Vec<String> = self.schedule.iter().map(|value| bits(*value)).collect();
            metadata.insert("schedule".to_owned(), words.join(" "));
        }
        if let Some(seed) = self.seed {
            metadata.insert("seed".to_owned(), seed.to_string());
        }
        let mut file = Vec::new();
        self.tensors.push_to(info, "", &mut file);
        for (name, tensors) in info.states.iter().zip(&self.states) {
            tensors.push_to(info, &state_prefix(name), &mut file);
        }
        let shape = [self.carried.len()];
        if !self.carried.is_empty() {
            file.push(Tensor { name: CARRIED.to_owned(), shape: &shape, values: &self.carried });
        }
        if let Some(best) = best {
            best.push_to(info, BEST, &mut file);
        }
        write(path, &metadata, &file)
    }

    /// Reads it from a file that was found to be of this model.
    fn from_file(info: &ModelInfo, file: &SafeTensors) -> Result<Self, Error> {
        let mut states = Vec::with_capacity(info.states.len());
        for name in info.states {
            let prefix = state_prefix(name);
            find_misfits(info, Part::Trained, &prefix, file).map_err(|error| {
                let message = format!("it has no whole state `{name}` of the optimizer: {}", error.message);
                not_resumable(file.path(), message)
            })?;
            states.push(Tensors::from_file(info, Part::Trained, &prefix, file)?);
        }
        let carried = file.entry(CARRIED).map(|entry| file.values(entry)).transpose()?.unwrap_or_default();
        let steps = number(file, "steps")?;
        let schedule = file.metadata().get("schedule").map_or("", String::as_str);
        let schedule = schedule.split_whitespace().map(from_bits).collect::<Option<Vec<f64>>>();
        let schedule = schedule.ok_or_else(|| not_resumable(file.path(), "its `schedule` is damaged"))?;
        let seed = file.metadata().get("seed").map(|_| number(file, "seed")).transpose()?;
        let tensors = Tensors::from_file(info, Part::All, "", file)?;
        Ok(Self { tensors, states, carried, steps, schedule, seed })
    }
}

/// Saves a model with all that its next step depends on.
///
/// # Errors
/// E0417; the file is written whole or not at all.
pub fn save<M>(model: &M, path: impl AsRef<Path>, metadata: &Metadata) -> Result<(), Error>
where
    M: Train<Elem = f32> + ?Sized,
{
    let path = path.as_ref();
    let mut snapshot = Snapshot::new(model.info());
    snapshot.take(model);
    snapshot.write(model.info(), None, metadata, path)
}

/// Brings a model back to where it was when it was saved, and returns the metadata that were saved with it.
///
/// # Errors
/// E0413 when the checkpoint is of another model, E0419 when it is no checkpoint or of another optimizer, E0414 and
/// E0415 when the file cannot be read or is damaged. The model is then unchanged.
pub fn load<M>(model: &mut M, path: impl AsRef<Path>) -> Result<Metadata, Error>
where
    M: Train<Elem = f32> + ?Sized,
{
    let path = path.as_ref();
    let file = SafeTensors::read(path)?;
    let snapshot = read(model.info(), &file)?;
    snapshot.give(model);
    Ok(file.metadata().clone())
}

/// A checkpoint out of a file, checked against the model.
pub(crate) fn read(info: &ModelInfo, file: &SafeTensors) -> Result<Snapshot, Error> {
    find_misfits(info, Part::All, "", file)?;
    check_hash(info, file)?;
    if file.metadata().get("kind").map(String::as_str) != Some("checkpoint") {
        let message = "it holds weights alone, without the state of the optimizer";
        return Err(not_resumable(file.path(), message).help("load it as weights, and train from there"));
    }
    Snapshot::from_file(info, file)
}

/// The best epoch's tensors, if the checkpoint has any.
pub(crate) fn read_best(info: &ModelInfo, file: &SafeTensors) -> Result<Option<Tensors>, Error> {
    if !file.entries().iter().any(|entry| entry.name.starts_with(BEST)) {
        return Ok(None);
    }
    find_misfits(info, Part::All, BEST, file)?;
    Tensors::from_file(info, Part::All, BEST, file).map(Some)
}

/// A number as text that brings back every bit.
pub(crate) fn bits(number: f64) -> String {
    format!("{:016x}", number.to_bits())
}

/// The number of [`bits`].
pub(crate) fn from_bits(text: &str) -> Option<f64> {
    u64::from_str_radix(text, 16).ok().map(f64::from_bits)
}

/// A whole number in the metadata.
pub(crate) fn number<T: std::str::FromStr>(file: &SafeTensors, key: &str) -> Result<T, Error> {
    let text = file.metadata().get(key);
    text.and_then(|text| text.parse().ok())
        .ok_or_else(|| not_resumable(file.path(), format!("its `{key}` is missing or damaged")))
}

/// E0419.
pub(crate) fn not_resumable(path: &Path, reason: impl std::fmt::Display) -> Error {
    Error::new("E0419", format!("cannot resume `{}`: {reason}", path.display())).at(path)
}

fn state_prefix(state: &str) -> String {
    format!("{OPTIMIZER}{state}/")
}
