//! `gain` in initializers: by how much weights must grow for an activation to keep the size of its values.
//!
//! For a standard normal z the activation f makes values whose mean square is E[f(z)²]; weights that are larger by
//! `gain = 1 / sqrt(E[f(z)²])` make up for it. For relu that is sqrt(2), which turns 1 / sqrt(fan_in) into the
//! initializer of He and others. The mean is an integral over the normal density, computed here from the formula of
//! whatever activation the program applies next, and rounded, so that no last digit of a machine's `exp` reaches the
//! weights.
//!
//! What comes next is the first application in the program that uses the value of the layer. Layers that move values
//! or bring them to a common size are passed over; a product or the end of the model, before which there is no
//! activation, needs no gain.

use crate::program::{ActivationBody, Application, Initializer, Kind, Program, ValueId};
use crate::scalar::{Scalar, Variable, evaluate};

/// The gain that a layer is initialized with.
#[derive(Debug, Clone, PartialEq)]
pub struct Gain {
    /// The factor.
    pub value: f64,
    /// The activation that it makes up for, as written.
    pub activation: Option<String>,
}

/// Gains are kept within these bounds: an activation that is nearly 0 everywhere should not blow up its inputs.
const BOUNDS: (f64, f64) = (0.2, 5.0);

impl Default for Gain {
    fn default() -> Self {
        Self { value: 1.0, activation: None }
    }
}

impl Gain {
    /// An initializer with the gain put in, if it asks for one; its text says which.
    pub fn put_into(&self, mut initializer: Initializer) -> Initializer {
        if !reads_gain(&initializer) {
            return initializer;
        }
        let value = |variable| (variable == Variable::Gain).then_some(Scalar::Number(self.value));
        initializer.scalar = crate::scalar::simplify(&initializer.scalar.substitute(&mut { value }));
        let rounded = (self.value * 1e3).round() / 1e3;
        initializer.text.push_str(&format!(", gain {rounded}"));
        if let Some(activation) = &self.activation {
            initializer.text.push_str(&format!(" for {activation}"));
        }
        initializer
    }
}

/// Whether an initializer depends on what comes next.
pub fn reads_gain(initializer: &Initializer) -> bool {
    let mut reads = false;
    initializer.scalar.variables(&mut |variable| reads |= variable == Variable::Gain);
    reads
}

/// Gains of a program's applications.
#[derive(Debug)]
pub struct Gains<'a> {
    program: &'a Program,
    /// The first application that uses each value.
    first_use: Vec<Option<usize>>,
    /// Activations whose gain is known: most models have few.
    known: Vec<(&'a Scalar, Vec<f64>, f64)>,
}

impl<'a> Gains<'a> {
    /// Looks through a program.
    pub fn new(program: &'a Program) -> Self {
        let n_values = program.inputs.len() + program.applications.len();
        let mut first_use = vec![None; n_values];
        for (n, application) in program.applications.iter().enumerate() {
            for ValueId(value) in &application.inputs {
                if let Some(first @ None) = first_use.get_mut(*value as usize) {
                    *first = Some(n);
                }
            }
        }
        Self { program, first_use, known: Vec::new() }
    }

    /// The gain for application number `n`: 1 where no function of single values follows.
    pub fn of(&mut self, n: usize) -> Gain {
        let is_asked = match self.program.applications.get(n).map(|application| &application.kind) {
            Some(Kind::Layer(_, arguments)) => arguments.initializers().any(reads_gain),
            _ => false,
        };
        if is_asked { self.fitting(n) } else { Gain::default() }
    }

    /// The gain that fits what follows application number `n`, whether or not its initializers ask for it.
    pub fn fitting(&mut self, n: usize) -> Gain {
        let Some(Kind::Activation { text, body: ActivationBody::Scalar(scalar), parameters, .. }) =
            self.activation_after(n).map(|application| &application.kind)
        else {
            return Gain::default();
        };
        let parameters: Vec<f64> = parameters.iter().map(|(_, initializer)| typical(initializer)).collect();
        let known = self.known.iter().find(|(known, given, _)| *known == scalar && *given == parameters);
        let value = match known {
            Some((.., value)) => *value,
            None => {
                let value = gain(scalar, &parameters);
                self.known.push((scalar, parameters, value));
                value
            }
        };
        Gain { value, activation: Some(text.clone()) }
    }

    /// The activation that takes the value of an application, layers passed over.
    fn activation_after(&self, n: usize) -> Option<&'a Application> {
        let mut n = n;
        // Every application uses values from before it, so that this ends.
        loop {
            let next = self.first_use.get(self.program.inputs.len() + n).copied().flatten()?;
            let application = self.program.applications.get(next)?;
            match &application.kind {
                Kind::Activation { .. } => return Some(application),
                Kind::Layer(layer, _) if layer.keeps_gain() => n = next,
                Kind::Layer(..) | Kind::Cell(_) => return None,
            }
        }
    }
}

/// What a trained parameter of an activation is at the start, on average.
fn typical(initializer: &Initializer) -> f64 {
    evaluate(&initializer.scalar, &mut |variable| match variable {
        Variable::RandomUniform(_) => 0.5,
        Variable::FanIn | Variable::FanOut | Variable::Gain => 1.0,
        _ => 0.0,
    })
}

/// The gain of an activation: a formula over its value, `Input(0)`, and its parameters.
fn gain(activation: &Scalar, parameters: &[f64]) -> f64 {
    let at = |x: f64| {
        evaluate(activation, &mut |variable| match variable {
            Variable::Input(0) => x,
            Variable::Input(n) => parameters.get(n as usize - 1).copied().unwrap_or(f64::NAN),
            _ => 0.0,
        })
    };
    let mean = rounded(mean_over_normal(|z| at(z).powi(2)));
    if mean.is_nan() {
        return 1.0;
    }
    // The inverse first: for relu, whose mean is 0.5, this is sqrt(2) to the last bit.
    (1.0 / mean).sqrt().clamp(BOUNDS.0, BOUNDS.1)
}

/// Nine significant digits.
fn rounded(x: f64) -> f64 {
    format!("{x:.8e}").parse().unwrap_or(x)
}

/// Where the integral ends: the density there is 1e-33 of its height.
const END: f64 = 12.0;

/// Pieces of the axis for each unit. They meet at 0, 1, 3, 6 and all quarters, where activations have their kinks.
const PIECES: usize = 4;

/// Nodes and weights of the Gauss-Legendre rule of ten points on [-1, 1], one half of them (Abramowitz and Stegun,
/// table 25.4).
const RULE: [(f64, f64); 5] = [
    (0.148_874_338_981_631_22, 0.295_524_224_714_752_87),
    (0.433_395_394_129_247_2, 0.269_266_719_309_996_35),
    (0.679_409_568_299_024_4, 0.219_086_362_515_982_04),
    (0.865_063_366_688_984_5, 0.149_451_349_150_580_6),
    (0.973_906_528_517_171_7, 0.066_671_344_308_688_14),
];

/// The mean of `f(z)` for a standard normal z.
fn mean_over_normal(f: impl Fn(f64) -> f64) -> f64 {
    let n_pieces = 2 * END as usize * PIECES;
    let half = 0.5 / PIECES as f64;
    let weighted = |z: f64| f(z) * (-0.5 * z * z).exp();
    let pieces = (0..n_pieces).map(|piece| {
        let middle = -END + half * (2 * piece + 1) as f64;
        let points = RULE
            .iter()
            .map(|(x, weight)| weight * (weighted(middle - half * x) + weighted(middle + half * x)));
        half * points.sum::<f64>()
    });
    pieces.sum::<f64>() / (2.0 * std::f64::consts::PI).sqrt()
}

#[cfg(test)]
mod tests;
