//! Two parameters whose way is drawn, and the loss around it.

use nnc_runtime::Error;
use nnc_runtime::data::DataSet;
use nnc_runtime::fit::evaluate;
use nnc_runtime::model::{Model, ModelInfo, Role};

use super::Job;
use crate::chart::Grid;
use crate::engine::Unless;
use crate::output::Output;
use crate::session::Prepared;
use crate::source::Failure;

/// Points of the grid along each axis: at most, and at least.
const STEPS: (usize, usize) = (161, 31);
/// Samples that the loss of the whole grid may take: below a second.
const MOST_SAMPLES: usize = 4_000_000;

/// One number among the tensors of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    tensor: usize,
    index: usize,
}

impl Place {
    /// The places of two names: `dense.bias`, or `dense.weight[1]` for one number of several. They are all that the
    /// model trains, so that the loss is a surface over them.
    ///
    /// # Errors
    /// E0205 when they are not.
    pub fn both(info: &ModelInfo, a: &str, b: &str) -> Result<[Self; 2], Error> {
        let trained = info.tensors.iter().filter(|tensor| tensor.role == Role::Parameter);
        let names: Vec<String> = trained
            .clone()
            .flat_map(|tensor| match tensor.len() {
                1 => vec![tensor.name.to_owned()],
                n => (0..n.min(8)).map(|index| format!("{}[{index}]", tensor.name)).collect(),
            })
            .collect();
        let n: usize = trained.map(nnc_runtime::model::TensorInfo::len).sum();
        let places = [Self::find(info, a), Self::find(info, b)];
        match places {
            [Some(a), Some(b)] if n == 2 && a != b => Ok([a, b]),
            _ => {
                let message = if n == 2 {
                    format!("`{a}` and `{b}` are not the two parameters of model `{}`", info.name)
                } else {
                    format!(
                        "a path is drawn over two trained parameters, and model `{}` has {n} of them",
                        info.name
                    )
                };
                let error = Error::new("E0205", message);
                Err(if n == 2 {
                    error.help(format!("write `--plot path={}`", names.join(",")))
                } else {
                    error.note("`dense(1)` of one input is such a model")
                })
            }
        }
    }

    fn find(info: &ModelInfo, name: &str) -> Option<Self> {
        let (stem, index) = match name.strip_suffix(']').and_then(|name| name.rsplit_once('[')) {
            Some((stem, index)) => (stem, index.parse::<usize>().ok()?),
            None => (name, 0),
        };
        let is_it = |tensor: &nnc_runtime::model::TensorInfo| {
            tensor.role == Role::Parameter
                && tensor.name == stem
                && index < tensor.len()
                && (tensor.len() == 1 || name.ends_with(']'))
        };
        let tensor = info.tensors.iter().position(is_it)?;
        Some(Self { tensor, index })
    }

    /// Its number now.
    pub fn read(self, info: &ModelInfo, read: &dyn Fn(usize, &mut [f32])) -> f64 {
        let mut values = vec![0.0; info.tensors.get(self.tensor).map_or(0, |tensor| tensor.len())];
        read(self.tensor, &mut values);
        values.get(self.index).map_or(f64::NAN, |value| f64::from(*value))
    }

    fn write(self, model: &mut (impl Model<Elem = f32> + ?Sized), value: f64) {
        let mut values = vec![0.0; model.info().tensors.get(self.tensor).map_or(0, |tensor| tensor.len())];
        model.read_tensor(self.tensor, &mut values);
        if let Some(place) = values.get_mut(self.index) {
            *place = value as f32;
        }
        model.write_tensor(self.tensor, &values);
    }
}

/// The loss of the first setting over the training rows, on a grid over `x` and `y`.
///
/// # Errors
/// As those of a run.
pub fn surface(
    job: &Job<'_>,
    names: (&str, &str),
    x: [f64; 2],
    y: [f64; 2],
    output: &Output,
) -> Result<Grid, Failure> {
    let run = job.run_of(0, 0);
    let prepared = Prepared::new(&run, None, &output.quiet(), |_| Ok(()))?;
    let info = prepared.info;
    let places = Place::both(info, names.0, names.1)?;
    let (split, _) = super::trial::rows(&prepared, job, 0)?;
    let imported = prepared.imported()?;
    let mut session = prepared.start(&run, Unless::One, &output.quiet())?;
    session.begin(&split.train, &imported)?;
    let train: &DataSet = &split.train;
    let (most, least) = STEPS;
    let steps = (MOST_SAMPLES / train.rows.max(1)).isqrt().clamp(least, most);
    let mut values = Vec::with_capacity(steps * steps);
    let at = |[low, high]: [f64; 2], n: usize| low + (high - low) * n as f64 / (steps - 1) as f64;
    for row in 0..steps {
        places[1].write(&mut *session.network, at(y, row));
        for column in 0..steps {
            places[0].write(&mut *session.network, at(x, column));
            values.push(evaluate(&mut *session.network, train, &[])?.loss);
        }
    }
    Ok(Grid { x, y, columns: steps, values })
}
