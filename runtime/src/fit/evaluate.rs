//! Loss and metrics over a data set, with nothing trained.

use crate::data::DataSet;
use crate::error::Error;
use crate::metrics::{ConfusionMatrix, Meter, Metric};
use crate::model::{ModelInfo, Train};

/// What a model makes of a data set.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// Mean of the batches' losses, weighted by their samples.
    pub loss: f64,
    /// Metrics by name, in the order they were asked for.
    pub metrics: Vec<(String, f64)>,
    /// Which classes were taken for which; `None` for values, and for more than 1000 classes.
    pub confusion: Option<ConfusionMatrix>,
    /// Number of samples.
    pub rows: usize,
}

/// Loss and metrics of a model over a data set.
///
/// # Errors
/// E0401 for a model without a loss, E0411 and E0416 when the data do not fit the model, E0214 for metrics that do not
/// fit it, E0410 for data without rows.
pub fn evaluate<M>(model: &mut M, data: &DataSet, metrics: &[Metric]) -> Result<Evaluation, Error>
where
    M: Train<Elem = f32> + ?Sized,
{
    data.check(model.info())?;
    if data.rows == 0 {
        return Err(Error::new("E0410", "there are no rows to evaluate"));
    }
    let mut evaluator = Evaluator::new(model.info(), Meter::new(metrics, model.info())?);
    let loss = evaluator.run(model, data)?;
    let confusion = evaluator.meter.confusion().cloned();
    Ok(Evaluation { loss, metrics: evaluator.meter.figures(), confusion, rows: data.rows })
}

/// Room to evaluate again and again.
pub(super) struct Evaluator {
    pub meter: Meter,
    batch: usize,
    outputs: Vec<f32>,
}

impl Evaluator {
    pub fn new(info: &ModelInfo, meter: Meter) -> Self {
        let batch = info.batch.max(1);
        let room = if meter.is_idle() { 0 } else { batch * info.output_len() };
        Self { meter, batch, outputs: vec![0.0; room] }
    }

    /// The loss over data that fit the model; the metrics are then in `meter`.
    pub fn run<M>(&mut self, model: &mut M, data: &DataSet) -> Result<f64, Error>
    where
        M: Train<Elem = f32> + ?Sized,
    {
        self.meter.reset();
        let width = model.info().output_len();
        let mut sum = 0.0;
        let mut from = 0;
        while from < data.rows {
            let to = (from + self.batch).min(data.rows);
            let (inputs, target) = (data.range(from, to), data.targets.range(from, to));
            sum += f64::from(model.loss_rows(inputs, target)?) * (to - from) as f64;
            if !self.meter.is_idle() {
                let outputs = self.outputs.get_mut(..(to - from) * width).unwrap_or_default();
                model.predict_rows(inputs, outputs)?;
                self.meter.update(outputs, target);
            }
            from = to;
        }
        let loss = sum / data.rows as f64;
        self.meter.set_loss(loss);
        Ok(loss)
    }
}
