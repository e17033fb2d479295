//! Batches: the samples of an epoch in their order, copied into one buffer that every step uses again.
//!
//! Where a step begins with the states that the one before ended with, the data are divided into streams, one for each
//! place in a batch, and a step takes the next sample of each: the sample in a place continues the one that was there.

use crate::data::{Augmenter, DataSet, Targets};
use crate::model::Target;
use crate::random::Rng;

/// Random numbers of this stream and those after it, one for each epoch, order the samples. Parameters are drawn from
/// streams counted from 0, which never come this far.
const STREAM: u64 = 0x7368_7566_0000_0000;

/// The order of samples in an epoch, and room for one batch of them.
pub(super) struct Batches<'a> {
    data: &'a DataSet,
    augmenter: Augmenter,
    epoch: usize,
    order: Vec<u32>,
    /// Where each step of an epoch ends in the order; empty where all but the last are of one size.
    ends: Vec<usize>,
    inputs: Vec<f32>,
    classes: Vec<u32>,
    values: Vec<f32>,
}

impl<'a> Batches<'a> {
    /// Room for batches of up to `batch` samples, which come in the order of the data until they are shuffled.
    pub fn new(data: &'a DataSet, batch: usize, augmenter: Augmenter) -> Self {
        let (classes, values) = match &data.targets {
            Targets::Classes(_) => (1, 0),
            Targets::Positions(_, width) => (*width, 0),
            Targets::Values(_, width) => (0, *width),
        };
        Self {
            data,
            augmenter,
            epoch: 0,
            order: (0..data.rows as u32).collect(),
            ends: Vec::new(),
            inputs: vec![0.0; batch * data.features],
            classes: vec![0; batch * classes],
            values: vec![0.0; batch * values],
        }
    }

    /// What augments the samples.
    pub fn augmenter(&mut self) -> &mut Augmenter {
        &mut self.augmenter
    }

    /// From now on samples are those of this epoch, counted from 0.
    pub fn begin(&mut self, epoch: usize) {
        self.epoch = epoch;
    }

    /// Divides the data into `batch` streams of neighbouring samples. The last of them may be shorter than the others, and
    /// the last steps smaller.
    pub fn stream(&mut self, batch: usize) {
        let rows = self.data.rows;
        let len = rows.div_ceil(batch.max(1)).max(1);
        self.order.clear();
        for step in 0..len {
            self.order.extend((step..rows).step_by(len).map(|row| row as u32));
            self.ends.push(self.order.len());
        }
    }

    /// Samples of the step that begins at `from` in the order, and how many steps of the epoch are before it.
    pub fn step(&self, from: usize, batch: usize) -> (usize, usize) {
        let n_before = self.ends.partition_point(|end| *end <= from);
        match self.ends.get(n_before) {
            Some(end) => (end - from, n_before),
            None => (batch.min(self.data.rows - from), from / batch.max(1)),
        }
    }

    /// The order of an epoch: a function of seed and epoch alone.
    pub fn shuffle(&mut self, seed: u64, epoch: usize) {
        Rng::new(seed, STREAM.wrapping_add(epoch as u64)).permutation(&mut self.order);
    }

    /// Samples `from..from + rows` of the epoch's order; `rows` is at most that of a batch.
    pub fn gather(&mut self, from: usize, rows: usize) -> (&[f32], Target<'_, f32>) {
        let order = self.order.get(from..from + rows).unwrap_or_default();
        let features = self.data.features;
        for (place, &row) in self.inputs.chunks_exact_mut(features.max(1)).zip(order) {
            place.copy_from_slice(self.data.row(row as usize));
            self.augmenter.apply(self.epoch, row as usize, place);
        }
        let inputs = self.inputs.get(..rows * features).unwrap_or_default();
        match &self.data.targets {
            Targets::Classes(classes) => {
                for (place, &row) in self.classes.iter_mut().zip(order) {
                    *place = classes.get(row as usize).copied().unwrap_or_default();
                }
                (inputs, Target::Classes(self.classes.get(..rows).unwrap_or_default()))
            }
            Targets::Positions(classes, width) => {
                for (place, &row) in self.classes.chunks_exact_mut((*width).max(1)).zip(order) {
                    let row = row as usize;
                    place.copy_from_slice(classes.get(row * width..(row + 1) * width).unwrap_or_default());
                }
                (inputs, Target::Classes(self.classes.get(..rows * width).unwrap_or_default()))
            }
            Targets::Values(values, width) => {
                for (place, &row) in self.values.chunks_exact_mut((*width).max(1)).zip(order) {
                    let row = row as usize;
                    place.copy_from_slice(values.get(row * width..(row + 1) * width).unwrap_or_default());
                }
                (inputs, Target::Values(self.values.get(..rows * width).unwrap_or_default()))
            }
        }
    }
}
