//! What `nnc train` notices while it trains: units that are dead or saturated, gradients that vanish or explode.
//!
//! After epochs 1, 2, 4, 8, … a few rows of the training data run through the reference interpreter with the weights
//! of that moment. That costs little beside the epochs between two looks. What is found is told once for each layer, at
//! the line of the model.

use std::collections::BTreeSet;
use std::ops::ControlFlow;

use nnc_compiler::allow::Allowed;
use nnc_compiler::graph::{Graph, LayerId, Role};
use nnc_grammar::diagnostic::{Code, Diagnostic};
use nnc_grammar::span::SourceMap;
use nnc_runtime::data::DataSet;
use nnc_runtime::fit::{Callback, EpochReport, FitReport, FitStart, StepReport};
use nnc_runtime::model::ModelInfo;

use crate::inspect::{ActivationFigures, Figures, Inspector, StageFigures};
use crate::output::{Progress, figure};
use crate::session::Session;

/// Parameters of the largest model that is looked into.
const LARGEST: usize = 2_000_000;
/// Share of a layer's units that are dead before it is told: a few are found in every healthy network.
const DEAD: f64 = 0.4;
/// Share of a layer's values that are saturated before it is told.
const SATURATED: f64 = 0.6;
/// A gradient so many times smaller than the largest vanishes.
const VANISHING: f64 = 1e5;
/// A gradient below this vanishes, unless the model has learnt all there is, which it has not after one epoch.
const LEAST: f64 = 1e-8;
/// The largest gradient of a model that has more to learn.
const LEARNING: f64 = 1e-6;
/// Growth of a gradient, from a layer to the one before it, that explodes; and the size from which it does harm.
const EXPLODING: (f64, f64) = (1e3, 1.0);

/// Looks into a model after some of its epochs.
pub struct Diagnosis<'a> {
    inspector: Inspector,
    graph: Graph,
    info: &'static ModelInfo,
    sources: SourceMap,
    allowed: Allowed,
    data: &'a DataSet,
    told: BTreeSet<(Code, LayerId)>,
}

/// Something that was noticed.
struct Finding {
    code: Code,
    layer: LayerId,
    /// How bad it is: the worst of a kind is told at length.
    weight: f64,
    message: String,
    label: String,
}

impl<'a> Diagnosis<'a> {
    /// For a session; `None` for a model that is too large to be looked into by the way.
    pub fn new(session: &Session, data: &'a DataSet) -> Option<Self> {
        let graph = &session.model.graph;
        let trained = graph.parameters.iter().filter(|parameter| parameter.role == Role::Trained);
        let n: usize = trained.map(nnc_compiler::graph::Parameter::len).sum();
        if n > LARGEST {
            return None;
        }
        // A model that cannot be differentiated was refused long before.
        let inspector = Inspector::new(&session.model).ok()?;
        let (info, graph, sources) = (session.info, graph.clone(), session.sources.clone());
        let allowed = session.allowed.clone();
        Some(Self { inspector, graph, info, sources, allowed, data, told: BTreeSet::new() })
    }

    /// What there is to say after an epoch, and was not said before.
    fn look(&mut self, epoch: usize, read: &dyn Fn(usize, &mut [f32])) -> Vec<Diagnostic> {
        if !epoch.is_power_of_two() {
            return Vec::new();
        }
        self.inspector.set_tensors(self.info, read);
        let figures = self.inspector.look(self.data);
        let mut findings = self.findings(&figures, epoch);
        findings.retain(|finding| self.told.insert((finding.code, finding.layer)));
        findings.sort_by(|a, b| {
            (a.code, b.weight).partial_cmp(&(b.code, a.weight)).unwrap_or(a.code.cmp(&b.code))
        });
        findings
            .chunk_by(|a, b| a.code == b.code)
            .filter_map(|same| same.split_first())
            .map(|(worst, others)| self.diagnostic(worst, others))
            .filter(|warning| !self.allowed.hides(warning))
            .collect()
    }

    fn findings(&self, figures: &Figures, epoch: usize) -> Vec<Finding> {
        let name = |layer: LayerId| self.graph.layer(layer).name.as_str();
        let mut findings = Vec::new();
        for activation in &figures.activations {
            let ActivationFigures { layer, units, dead, saturated } = *activation;
            let share = dead as f64 / units.max(1) as f64;
            if share >= DEAD {
                let message =
                    format!("{dead} of {units} units of `{}` are dead after epoch {epoch}", name(layer));
                let label = "they gave 0 for every row that was looked at".to_owned();
                findings.push(Finding { code: Code::W0201, layer, weight: share, message, label });
            }
            if saturated >= SATURATED {
                let percent = saturated * 100.0;
                let message = format!(
                    "{percent:.0} % of the values of `{}` are saturated after epoch {epoch}",
                    name(layer)
                );
                let label = "hardly any gradient passes here".to_owned();
                findings.push(Finding { code: Code::W0204, layer, weight: saturated, message, label });
            }
        }
        let stages: Vec<(&StageFigures, f64)> =
            figures.stages.iter().filter_map(|stage| Some((stage, stage.gradient?))).collect();
        // Behind a layer that is dead altogether nothing gets a gradient: that was told.
        let is_cut = figures.activations.iter().any(|activation| activation.dead == activation.units);
        let largest = stages.iter().filter(|(_, gradient)| gradient.is_finite());
        let largest = largest.max_by(|a, b| a.1.total_cmp(&b.1));
        for (n, (stage, gradient)) in stages.iter().enumerate() {
            let (layer, name) = (stage.layer, name(stage.layer));
            if let Some((first, most)) = largest
                && !is_cut
                && (*most > LEARNING || epoch == 1)
                && (*gradient < most / VANISHING || *gradient < LEAST)
            {
                let message = format!("the gradient vanishes on its way to `{name}`, after epoch {epoch}");
                let here = figure(*gradient);
                let label = if first.layer == layer {
                    format!("{here} here, and less everywhere else")
                } else {
                    format!("{here} here, {} in `{}`", figure(*most), first.name)
                };
                let weight = most / gradient.max(f64::MIN_POSITIVE);
                findings.push(Finding { code: Code::W0202, layer, weight, message, label });
            }
            let behind = stages.get(n + 1).map_or(f64::INFINITY, |(_, gradient)| *gradient);
            let (growth, harmful) = EXPLODING;
            if !gradient.is_finite() || (*gradient > growth * behind && *gradient > harmful) {
                let message = format!("the gradient explodes on its way to `{name}`, after epoch {epoch}");
                let label = match stages.get(n + 1) {
                    Some((next, behind)) if gradient.is_finite() => {
                        format!(
                            "{} here, {} in `{}` behind it",
                            figure(*gradient),
                            figure(*behind),
                            next.name
                        )
                    }
                    _ => "it is not finite here".to_owned(),
                };
                let weight = if gradient.is_finite() { gradient / behind } else { f64::INFINITY };
                findings.push(Finding { code: Code::W0203, layer, weight, message, label });
            }
        }
        findings
    }

    /// One warning for all layers that show the same.
    fn diagnostic(&self, worst: &Finding, others: &[Finding]) -> Diagnostic {
        let span = |layer: LayerId| self.graph.layer(layer).span;
        let place = span(worst.layer);
        let mut diagnostic = Diagnostic::new(worst.code, worst.message.clone(), place, worst.label.clone());
        let mut places = vec![place];
        for other in others {
            let place = span(other.layer);
            if !places.contains(&place) {
                places.push(place);
                diagnostic = diagnostic.with_label(place, other.label.clone());
            }
        }
        if !others.is_empty() {
            let names: Vec<String> =
                others.iter().map(|other| format!("`{}`", self.graph.layer(other.layer).name)).collect();
            diagnostic = diagnostic.with_note(format!("the same is so for {}", names.join(", ")));
        }
        let (note, help) = match worst.code {
            Code::W0201 => (
                "no gradient reaches a unit that is always 0, so that it stays so",
                "lower the learning rate, normalize the input, or take an activation such as `leaky_relu`",
            ),
            Code::W0202 => (
                "a layer that gets almost no gradient learns almost nothing",
                "take `relu`, initial weights scaled by `fan_in`, `residual`, or fewer layers",
            ),
            Code::W0203 => (
                "steps that are right for one layer are far too large for another",
                "take initial weights scaled by `fan_in`, normalize the input, or set `clip_norm = 1`",
            ),
            _ => (
                "the output hardly changes when the weights do",
                "take smaller initial weights, a lower learning rate, `normalize`, or `relu`",
            ),
        };
        diagnostic.with_note(note).with_help(help)
    }
}

/// Shows the progress, and what is noticed on the way.
pub struct Watch<'a> {
    /// The bar and the lines.
    pub progress: Progress,
    /// What looks into the model, unless it is not wanted.
    pub diagnosis: Option<Diagnosis<'a>>,
}

impl Callback for Watch<'_> {
    fn on_start(&mut self, start: &FitStart) {
        self.progress.on_start(start);
    }

    fn on_step(&mut self, report: &StepReport) -> ControlFlow<()> {
        self.progress.on_step(report)
    }

    fn on_tensors(&mut self, epoch: usize, read: &dyn Fn(usize, &mut [f32])) {
        let Some(diagnosis) = &mut self.diagnosis else { return };
        let found = diagnosis.look(epoch, read);
        if !found.is_empty() {
            self.progress.above(|output| output.diagnostics(&diagnosis.sources, &found));
        }
    }

    fn on_epoch(&mut self, report: &EpochReport) -> ControlFlow<()> {
        self.progress.on_epoch(report)
    }

    fn on_end(&mut self, report: &FitReport) {
        self.progress.on_end(report);
    }
}
