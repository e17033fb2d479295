//! Training samples that are a little different each time they come: shifted, mirrored, cropped, with noise.
//!
//! What happens to a sample is a function of seed, epoch and row, and of nothing else: neither the order of the rows
//! nor the size of the batches changes a bit of it, and a run that is resumed goes on with the same samples.

use std::fmt;
use std::mem::discriminant;

use super::{DataSet, Targets};
use crate::error::{Error, count};
use crate::model::{Model, ModelInfo, NormalizeKind};
use crate::random::Rng;

/// Draws come from this stream and those after it, four for each epoch. Parameters are drawn from streams counted from
/// 0, which never come this far.
const STREAM: u64 = 0x0061_7567_0000_0000;

/// Something that is done to a sample before it is trained on.
///
/// Images are `[C, H, W]`, or `[H, W]`; all channels of one are moved alike.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Augmentation {
    /// Moved by -n to n pixels along each axis, each as likely as the others; zeros follow from the border.
    Shift {
        /// The most that it is moved, from 1 and below height and width.
        pixels: usize,
    },
    /// Left and right change places, for one sample in two.
    Flip,
    /// A part as large as the image, out of the image with a border around it; each place is as likely as the others.
    Crop {
        /// Width of the border in pixels, from 1 and below height and width.
        padding: usize,
        /// What is in the border.
        fill: Fill,
    },
    /// Normal noise is added to each value.
    Noise {
        /// Its standard deviation, at least 0: of what `normalize`, `min_max` or `robust` make of the value where the
        /// model has such a layer at its input, and else of the value itself.
        std: f64,
    },
}

/// What is in a border around an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fill {
    /// 0.
    #[default]
    Zero,
    /// The image as a mirror at the outermost pixels would show it, which are not repeated.
    Reflect,
    /// The nearest pixel of the image.
    Edge,
}

impl fmt::Display for Augmentation {
    /// As the language has it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Shift { pixels } => write!(f, "shift({pixels})"),
            Self::Flip => write!(f, "flip"),
            Self::Crop { padding, fill } => {
                let fill = match fill {
                    Fill::Zero => "",
                    Fill::Reflect => ", fill = reflect",
                    Fill::Edge => ", fill = edge",
                };
                write!(f, "crop(padding = {padding}{fill})")
            }
            Self::Noise { std } => write!(f, "noise({std})"),
        }
    }
}

/// Several of them as text: `none`, or `shift(2), flip`.
pub(crate) fn listed(steps: &[Augmentation]) -> String {
    let steps: Vec<String> = steps.iter().map(ToString::to_string).collect();
    if steps.is_empty() { "none".to_owned() } else { steps.join(", ") }
}

/// Does to samples what a list of augmentations says, in its order. Allocates when it is made, and never again.
///
/// ```
/// use nnc_runtime::data::{Augmentation, Augmenter};
///
/// let mut augmenter = Augmenter::new(&[Augmentation::Shift { pixels: 1 }], &[2, 3], 7)?;
/// let mut sample = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
/// augmenter.apply(0, 12, &mut sample);
/// let mut again = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
/// augmenter.apply(0, 12, &mut again);
/// assert_eq!(sample, again);
/// # Ok::<(), nnc_runtime::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Augmenter {
    steps: Vec<Augmentation>,
    height: usize,
    width: usize,
    seed: u64,
    /// What noise of each value is multiplied by; one for all, or one for each.
    units: Vec<f32>,
    /// A sample before it is moved.
    room: Vec<f32>,
}

impl Augmenter {
    /// For samples of a shape.
    ///
    /// # Errors
    /// E0416 when the shape is no image and images are moved, E0205 when a number is out of range.
    pub fn new(steps: &[Augmentation], shape: &[usize], seed: u64) -> Result<Self, Error> {
        let image = match *shape {
            [height, width] | [_, height, width] => Some((height, width)),
            _ => None,
        };
        for (n, step) in steps.iter().enumerate() {
            check(step, image, shape)?;
            // Each kind draws numbers of its own: a second of one kind would draw those of the first.
            if steps.iter().take(n).any(|other| discriminant(other) == discriminant(step)) {
                return Err(Error::new("E0205", format!("`{step}` is the second of its kind")));
            }
        }
        let (height, width) = image.unwrap_or((1, 1));
        let features = shape.iter().product();
        let is_moving = steps.iter().any(is_move);
        let room = vec![0.0; if is_moving { features } else { 0 }];
        Ok(Self { steps: steps.to_vec(), height, width, seed, units: vec![1.0], room })
    }

    /// For the samples of a model and the data it is trained on.
    ///
    /// # Errors
    /// As [`Augmenter::new`], and E0416 for a model of several inputs or of tokens, and when images are moved that are
    /// compared with a class at each of several positions, which would stay where they are.
    pub fn of_model(
        steps: &[Augmentation],
        info: &ModelInfo,
        data: &DataSet,
        seed: u64,
    ) -> Result<Self, Error> {
        if !steps.is_empty() {
            let steps = listed(steps);
            let refused = |reason: String| Err(Error::new("E0416", format!("`augment {steps}`: {reason}")));
            if info.inputs.len() > 1 {
                let inputs = count(info.inputs.len(), "input");
                return refused(format!("model `{}` has {inputs}, expected one", info.name));
            }
            if info.tokens().is_some() {
                return refused(format!(
                    "model `{}` reads tokens, which are changed by no amount",
                    info.name
                ));
            }
        }
        if let (Some(step), Targets::Positions(..)) = (steps.iter().find(|step| is_move(step)), &data.targets)
        {
            let message = format!(
                "`{step}` moves images of model `{}`, and would leave the classes of their positions behind",
                info.name
            );
            return Err(Error::new("E0416", message).help("`noise` leaves everything in its place"));
        }
        Self::new(steps, info.input, seed)
    }

    /// Noise is in units of what the model's `normalize`, `min_max` or `robust` layer makes of each value, if it has
    /// one, as the layer now is.
    pub fn set_units<M>(&mut self, model: &M)
    where
        M: Model<Elem = f32> + ?Sized,
    {
        let info = model.info();
        let Some(layer) = info.normalize.iter().find(|layer| layer.input == 0) else { return };
        let read = |tensor: usize| {
            let mut values = vec![0.0; info.tensors.get(tensor).map_or(0, |tensor| tensor.len())];
            model.read_tensor(tensor, &mut values);
            values
        };
        let [first, second] = layer.tensors.map(read);
        let units: Vec<f32> = match layer.kind {
            NormalizeKind::Standard | NormalizeKind::Robust => second,
            NormalizeKind::MinMax => second.iter().zip(&first).map(|(most, least)| most - least).collect(),
        };
        if !units.is_empty() {
            self.units = units;
        }
    }

    /// Changes a sample: the one of number `row` of the training part, in an epoch counted from 0. A sample of another
    /// length than that of the shape stays as it is.
    pub fn apply(&mut self, epoch: usize, row: usize, sample: &mut [f32]) {
        let (epoch, row) = (epoch as u64, row as u64);
        for step in &self.steps {
            let rng = |kind: u64| Rng::new(self.seed, STREAM.wrapping_add(epoch.wrapping_mul(4) + kind));
            // Two draws a row: down and to the right, from -n to n.
            let by = |rng: Rng, n: usize| {
                let n = n as u64;
                [0, 1].map(|axis| rng.below(2 * row + axis, 2 * n + 1) as isize - n as isize)
            };
            match *step {
                Augmentation::Shift { pixels } => {
                    let by = by(rng(0), pixels);
                    moved(sample, &mut self.room, self.height, self.width, by, Fill::Zero);
                }
                Augmentation::Flip => {
                    if rng(1).below(row, 2) == 1 {
                        sample.chunks_exact_mut(self.width.max(1)).for_each(<[f32]>::reverse);
                    }
                }
                Augmentation::Crop { padding, fill } => {
                    let by = by(rng(2), padding);
                    moved(sample, &mut self.room, self.height, self.width, by, fill);
                }
                Augmentation::Noise { std } => {
                    let (rng, first) = (rng(3), row.wrapping_mul(sample.len() as u64));
                    for (n, (value, unit)) in sample.iter_mut().zip(self.units.iter().cycle()).enumerate() {
                        let draw = rng.normal(first.wrapping_add(n as u64));
                        *value += (std * f64::from(*unit) * draw) as f32;
                    }
                }
            }
        }
    }
}

fn is_move(step: &Augmentation) -> bool {
    !matches!(step, Augmentation::Noise { .. })
}

fn check(step: &Augmentation, image: Option<(usize, usize)>, shape: &[usize]) -> Result<(), Error> {
    if let Augmentation::Noise { std } = step {
        if std.is_finite() && *std >= 0.0 {
            return Ok(());
        }
        return Err(Error::new("E0205", format!("expected a finite deviation from 0, found `{step}`")));
    }
    let Some((height, width)) = image else {
        let message = format!(
            "`{step}` moves images: expected samples of `[channels, height, width]` or `[height, width]`, found {shape:?}"
        );
        return Err(Error::new("E0416", message));
    };
    let (Augmentation::Shift { pixels } | Augmentation::Crop { padding: pixels, .. }) = *step else {
        return Ok(());
    };
    if (1..height.min(width)).contains(&pixels) {
        return Ok(());
    }
    let message = format!(
        "`{step}`: expected 1 to {} pixels, for images of {height} by {width}",
        height.min(width) - 1
    );
    Err(Error::new("E0205", message))
}

/// Moves all planes of an image down and to the right, by less than their size.
fn moved(
    sample: &mut [f32],
    room: &mut [f32],
    height: usize,
    width: usize,
    [down, right]: [isize; 2],
    fill: Fill,
) {
    if sample.len() != room.len() || [down, right] == [0, 0] {
        return;
    }
    room.copy_from_slice(sample);
    let area = (height * width).max(1);
    for (plane, from) in sample.chunks_exact_mut(area).zip(room.chunks_exact(area)) {
        for (y, line) in plane.chunks_exact_mut(width.max(1)).enumerate() {
            let row = source(y, down, height, fill).and_then(|y| from.get(y * width..(y + 1) * width));
            for (x, value) in line.iter_mut().enumerate() {
                let found = row.zip(source(x, right, width, fill)).and_then(|(row, x)| row.get(x));
                *value = found.copied().unwrap_or(0.0);
            }
        }
    }
}

/// Where along an axis a place is filled from; `None` for zero.
fn source(place: usize, by: isize, len: usize, fill: Fill) -> Option<usize> {
    let (place, last) = (place as isize - by, len as isize - 1);
    let place = match fill {
        Fill::Zero => return usize::try_from(place).ok().filter(|place| *place < len),
        Fill::Edge => place.clamp(0, last),
        Fill::Reflect if place < 0 => -place,
        Fill::Reflect if place > last => 2 * last - place,
        Fill::Reflect => place,
    };
    usize::try_from(place).ok()
}

#[cfg(test)]
mod tests {
    use super::{Fill, moved};

    /// Two planes of 2 by 3, 1 to 6 and 10 to 60, moved.
    fn planes(by: [isize; 2], fill: Fill) -> Vec<f32> {
        let mut sample = [1., 2., 3., 4., 5., 6., 10., 20., 30., 40., 50., 60.];
        moved(&mut sample, &mut [0.0; 12], 2, 3, by, fill);
        sample.to_vec()
    }

    #[test]
    fn pixels_move_and_the_border_is_filled() {
        let moved = [0., 0., 0., 0., 1., 2., 0., 0., 0., 0., 10., 20.];
        assert_eq!(planes([1, 1], Fill::Zero), moved);
        assert_eq!(planes([0, -2], Fill::Zero), [3., 0., 0., 6., 0., 0., 30., 0., 0., 60., 0., 0.]);
        assert_eq!(planes([1, -1], Fill::Edge), [2., 3., 3., 2., 3., 3., 20., 30., 30., 20., 30., 30.]);
        // The outermost pixel is the mirror: what is before the first is the second.
        assert_eq!(planes([1, 0], Fill::Reflect), [4., 5., 6., 1., 2., 3., 40., 50., 60., 10., 20., 30.]);
        assert_eq!(planes([0, 2], Fill::Reflect), [3., 2., 1., 6., 5., 4., 30., 20., 10., 60., 50., 40.]);
        assert_eq!(planes([0, -1], Fill::Reflect), [2., 3., 2., 5., 6., 5., 20., 30., 20., 50., 60., 50.]);
        assert_eq!(planes([0, 0], Fill::Zero), planes([0, 0], Fill::Edge));
    }
}
