//! W0105: an initializer that does not fit the activation that comes next.

use nnc_grammar::diagnostic::{Code, Diagnostic};

use super::Cx;
use crate::gain::{Gain, Gains};
use crate::program::{Application, Initializer, Kind};
use crate::scalar::{Variable, evaluate};

/// Weights so many times larger or smaller than what fits are told.
const FACTOR: f64 = 2.5;

/// Weights whose size makes values grow or shrink from layer to layer.
pub(super) fn initializer(cx: Cx<'_>) -> Vec<Diagnostic> {
    let mut gains = Gains::new(cx.program);
    let applications = cx.program.applications.iter().enumerate();
    applications.filter_map(|(n, application)| of_layer(cx, &mut gains, n, application)).collect()
}

fn of_layer(cx: Cx<'_>, gains: &mut Gains<'_>, n: usize, application: &Application) -> Option<Diagnostic> {
    let Kind::Layer(_, arguments) = &application.kind else { return None };
    // What nobody wrote fits.
    let span = arguments.span("init")?;
    let initializer = arguments.init("init")?;
    let weight = format!("{}.weight", application.layer);
    let parameter =
        cx.graph.parameters.iter().find(|parameter| parameter.name == weight && parameter.is_matrix)?;
    let Gain { value: gain, activation } = gains.fitting(n);
    let (fan_in, fan_out) = (parameter.fan_in as f64, parameter.fan_out as f64);
    let found = deviation(initializer, fan_in, fan_out, gain)?;
    let fitting = gain / fan_in.sqrt();
    let ratio = found / fitting;
    if (1.0 / FACTOR..=FACTOR).contains(&ratio) {
        return None;
    }
    let next = activation.map_or_else(|| "what comes next".to_owned(), |text| format!("`{text}`"));
    let effect = if ratio > 1.0 {
        format!("{ratio:.2} times as large as fits {next}: values grow from layer to layer")
    } else {
        format!("{ratio:.2} times as large as fits {next}: values shrink from layer to layer")
    };
    Some(
        Diagnostic::new(
            Code::W0105,
            format!("the initializer of `{}` does not fit what follows", application.layer),
            span,
            format!("weights with a deviation of {found:.3}, {effect}"),
        )
        .with_note(format!("{fitting:.3} keeps the size of values with {} inputs", parameter.fan_in))
        .with_help("leave `init` out, or write `init = he`: both follow the activation"),
    )
}

/// The standard deviation of an initializer that is a multiple of one draw, plus a number.
fn deviation(initializer: &Initializer, fan_in: f64, fan_out: f64, gain: f64) -> Option<f64> {
    let mut draws = Vec::new();
    initializer.scalar.variables(&mut |variable| {
        let of_one = match variable {
            Variable::RandomUniform(_) => Some(1.0 / 12f64.sqrt()),
            Variable::RandomNormal(_) => Some(1.0),
            // Cut at two deviations.
            Variable::RandomTruncated(_) => Some(0.879_625_661_034_239_8),
            _ => None,
        };
        if let Some(of_one) = of_one {
            draws.push((variable, of_one));
        }
    });
    draws.dedup();
    let [(draw, of_one)] = draws.as_slice() else { return None };
    let at = |value: f64| {
        evaluate(&initializer.scalar, &mut |variable| match variable {
            variable if variable == *draw => value,
            Variable::FanIn => fan_in,
            Variable::FanOut => fan_out,
            Variable::Gain => gain,
            _ => f64::NAN,
        })
    };
    let slope = at(1.0) - at(0.0);
    let is_straight = (at(0.5) - at(0.0) - 0.5 * slope).abs() <= 1e-9 * slope.abs();
    let deviation = slope.abs() * of_one;
    (is_straight && deviation > 0.0 && deviation.is_finite()).then_some(deviation)
}
