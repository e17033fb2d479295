//! The optimizer: functions that update sixteen weights, and the numbers that a step needs for them.
//!
//! What does not depend on the weight, its gradient or the states is the same for a whole step. It is computed once,
//! in f64, and handed to the update as `Rates`. Parameters whose numbers differ have functions of their own.

mod calls;
mod rates;

pub use calls::UpdateCall;
use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::comments::{comment, docs, formulas};
use super::names;
use super::scalar::{Style, Writer};
use crate::costs::trained_bytes;
use crate::graph::{self, Graph, Phase};
use crate::program::Precision;
use crate::scalar::{Scalar, Variable, formula};

/// An optimizer, taken apart for emission.
#[derive(Debug, Clone)]
pub struct Optimizer {
    /// Names of its states.
    pub states: Vec<Ident>,
    /// Their initial values.
    pub initial: Vec<f64>,
    /// What it is made from.
    pub source: graph::Optimizer,
    /// Numbers of a step: name and formula over what is known of the step.
    rates: Vec<(String, Scalar)>,
    /// For each group its passes: what happens to each element, over rates written as `Local(RATES + n)`.
    groups: Vec<Vec<Phase>>,
    locals: Vec<Ident>,
    precision: Precision,
    /// Whether numbers of some parameters are kept in sixteen bits, so that what is stored may have to be rounded.
    rounds: bool,
    /// Whether an update has to wait for rows that are beyond the second cache, unless they are asked for before.
    is_far: bool,
}

/// Bytes of weights and states above which they are far away.
const FAR_BYTES: usize = 1 << 20;

/// Rows of a tile of sums: as many rows on is what the next one updates.
const ROWS_OF_TILE: usize = 8;

/// What rounds numbers in a step, among the rates.
const NOISE: &str = "noise";

/// Rates are numbered as locals behind the optimizer's own.
const RATES: u32 = 1 << 16;

impl Optimizer {
    /// Divides an optimizer into what is done once a step and what is done to each element.
    pub fn new(optimizer: &graph::Optimizer, graph: &Graph) -> Self {
        let mut out = Self {
            states: optimizer.states.iter().map(|(name, _)| own_name(name)).collect(),
            initial: optimizer.states.iter().map(|(_, initial)| *initial).collect(),
            source: optimizer.clone(),
            rates: Vec::new(),
            groups: Vec::new(),
            locals: optimizer.locals.iter().map(|name| own_name(name)).collect(),
            precision: graph.precision,
            rounds: graph.has_trained_halves(),
            // Gradients that are stored are passed over from first to last, as a processor expects.
            is_far: !optimizer.stores_gradients()
                && trained_bytes(graph) * (1 + optimizer.states.len()) > FAR_BYTES,
        };
        for group in &optimizer.groups {
            let phases = out.phases(group);
            out.groups.push(phases);
        }
        out
    }

    /// Whether a step needs numbers of its own.
    pub fn has_rates(&self) -> bool {
        !self.rates.is_empty() || self.rounds
    }

    /// Whether numbers of some parameters are kept in sixteen bits.
    pub fn rounds(&self) -> bool {
        self.rounds
    }

    /// Whether a rate depends on this.
    fn reads(&self, variable: Variable) -> bool {
        self.rates.iter().any(|(_, value)| value.depends_on(variable))
    }

    /// Whether rates depend on how long training is.
    pub fn has_horizon(&self) -> bool {
        let of_updates =
            |variable| self.source.schedule_updates.iter().any(|value| value.depends_on(variable));
        [Variable::StepsPerEpoch, Variable::Epochs].into_iter().any(|v| self.reads(v) || of_updates(v))
    }

    /// Whether gradients are multiplied by a number that is known once all are there.
    pub fn clips_norm(&self) -> bool {
        self.source.clip_norm.is_some()
    }

    /// Whether something is kept from epoch to epoch.
    pub fn has_schedule_states(&self) -> bool {
        !self.source.schedule_states.is_empty()
    }

    fn element(&self) -> TokenStream {
        super::element(self.precision)
    }

    /// What is known of a step, as code: a leaf of formulas in f64.
    pub fn leaf(&self, variable: Variable) -> TokenStream {
        match variable {
            Variable::Step => quote!(step),
            Variable::StepsPerEpoch => quote!(horizon.steps_per_epoch),
            Variable::Epochs => quote!(horizon.epochs),
            Variable::ClipScale => quote!(clip_scale),
            Variable::EpochLoss => quote!(loss),
            Variable::ScheduleState(n) => {
                let n = super::number(n as usize);
                quote!(schedule[#n])
            }
            _ => quote!(lr),
        }
    }

    /// The same for comments.
    fn word(&self, variable: Variable) -> String {
        match variable {
            Variable::Step => "step".to_owned(),
            Variable::StepsPerEpoch => "steps_per_epoch".to_owned(),
            Variable::Epochs => "epochs".to_owned(),
            Variable::ClipScale => "clip_scale".to_owned(),
            Variable::EpochLoss => "loss".to_owned(),
            Variable::ScheduleState(n) => {
                self.source.schedule_states.get(n as usize).map_or_else(String::new, |(name, _)| name.clone())
            }
            Variable::Hyper(_) => "lr".to_owned(),
            Variable::Weight => "weight".to_owned(),
            Variable::Gradient => "gradient".to_owned(),
            Variable::Local(n) => self.source.locals.get(n as usize).cloned().unwrap_or_default(),
            Variable::State(n) => {
                self.source.states.get(n as usize).map(|(name, _)| name.clone()).unwrap_or_default()
            }
            other => format!("{other:?}"),
        }
    }

    /// A formula in f64 as an expression.
    pub fn number(&self, value: &Scalar) -> TokenStream {
        let mut leaf = |variable| self.leaf(variable);
        let (lets, value) = Writer::new(Style::Number, &mut leaf).formula(value);
        if lets.is_empty() { value } else { quote!({ #(#lets)* #value }) }
    }

    /// `struct Rates`, with the function that computes it.
    pub fn rates_item(&self) -> TokenStream {
        if !self.has_rates() {
            return TokenStream::new();
        }
        let element = self.element();
        let fields: Vec<Ident> = self.rates.iter().map(|(name, _)| names::ident(name)).collect();
        let values = self.rates.iter().map(|(_, value)| {
            let value = self.number(value);
            match self.precision {
                Precision::F32 if value.clone().into_iter().count() == 1 => quote!(#value as f32),
                Precision::F32 => quote!((#value) as f32),
                Precision::F64 => value,
            }
        });
        let lines = self
            .rates
            .iter()
            .map(|(name, value)| format!("- `{name}` = {}", formula(value, &|variable| self.word(variable))));
        let rounds = self.rounds.then(|| {
            "- `noise` says whether numbers that are kept in sixteen bits are rounded up or down".to_owned()
        });
        let docs = docs(
            [
                format!(
                    "Numbers of `{}` that are the same for a whole step, computed in f64:",
                    self.source.text
                ),
                String::new(),
            ]
            .into_iter()
            .chain(lines)
            .chain(rounds),
        );
        let (noise_ty, noise, noise_let) = match self.rounds {
            true => {
                (quote!(noise: rt::Noise,), quote!(noise,), quote!(let noise = rt::Noise::of_step(step);))
            }
            false => Default::default(),
        };
        let step = match self.reads(Variable::Step) {
            true => quote!(let step = step as f64;),
            false if self.rounds => TokenStream::new(),
            false => quote!(let _ = step;),
        };
        let lr = if self.reads(Variable::Hyper(0)) { TokenStream::new() } else { quote!(let _ = lr;) };
        let (more, _) = self.more_of_step();
        quote! {
            #docs
            #[derive(Clone, Copy)]
            struct Rates {
                #(#fields: #element,)*
                #noise_ty
            }

            impl Rates {
                fn new(step: u64, lr: f64 #more) -> Self {
                    #noise_let
                    #step
                    #lr
                    Self { #(#fields: #values,)* #noise }
                }
            }
        }
    }

    /// What `Rates::new` is given besides step and learning rate: declared, and as a model has it.
    fn more_of_step(&self) -> (TokenStream, TokenStream) {
        let mut declared = TokenStream::new();
        let mut given = TokenStream::new();
        if [Variable::StepsPerEpoch, Variable::Epochs].into_iter().any(|variable| self.reads(variable)) {
            declared.extend(quote!(, horizon: rt::Horizon));
            given.extend(quote!(, self.horizon));
        }
        let states = self.source.schedule_states.len() as u32;
        if (0..states).any(|n| self.reads(Variable::ScheduleState(n))) {
            let count = super::number(states as usize);
            declared.extend(quote!(, schedule: &[f64; #count]));
            given.extend(quote!(, &self.schedule));
        }
        if self.reads(Variable::ClipScale) {
            declared.extend(quote!(, clip_scale: f64));
            given.extend(quote!(, clip_scale));
        }
        (declared, given)
    }

    /// `let rates = Rates::new(…);` in a method of the model, `step` being the number of the update.
    pub fn rates_of_step(&self, step: &TokenStream) -> TokenStream {
        if !self.has_rates() {
            return TokenStream::new();
        }
        let lr = if self.source.rate.is_some() { quote!(self.lr) } else { quote!(0.0) };
        let (_, more) = self.more_of_step();
        quote!(let rates = Rates::new(#step, #lr #more);)
    }

    /// The functions that say what happens to sixteen weights.
    pub fn update_items(&self) -> TokenStream {
        let items =
            self.groups.iter().enumerate().flat_map(|(group, phases)| {
                (0..phases.len()).map(move |phase| self.update_item(group, phase))
            });
        quote!(#(#items)*)
    }

    fn update_item(&self, group: usize, phase: usize) -> TokenStream {
        let Some(phases) = self.groups.get(group) else { return TokenStream::new() };
        let Some(Phase { assignments, norms }) = phases.get(phase) else { return TokenStream::new() };
        let element = self.element();
        let flush = match self.precision {
            // Moments of units that went quiet would decay into denormal numbers, which are slow.
            Precision::F32 => quote!(.flush(1e-30)),
            Precision::F64 => TokenStream::new(),
        };
        // What is kept in sixteen bits is widened and rounded.
        let (of_rows, row_ty) = match self.is_of_rows(group, phase) {
            true => (quote!(, R: rt::Stored<#element>), quote!(R)),
            false => (TokenStream::new(), quote!(Row)),
        };
        let load =
            |row: &TokenStream| if self.rounds { quote!(#row.load::<L>()) } else { quote!(L::load(#row)) };
        let store = |value: &Ident, row: &Ident| match self.rounds {
            true => quote!(#row.store(#value, rates.noise);),
            false => quote!(#value.store(#row);),
        };
        let values = || assignments.iter().map(|assign| &assign.value).chain(norms.iter().map(|(_, x)| x));
        let reads = |variable| values().any(|value| value.depends_on(variable));
        let writes = |variable| assignments.iter().any(|assign| assign.target == variable);
        let state = |n: usize| Variable::State(n as u32);
        let row = |n: usize| self.states.get(n).map(|state| format_ident!("{state}_row"));
        let used: Vec<usize> = self.used_states(group, phase);
        let loads = used.iter().filter(|n| reads(state(**n))).filter_map(|n| {
            let (name, row) = (self.states.get(*n)?, row(*n)?);
            let load = load(&quote!(#row));
            Some(quote!(let #name = #load;))
        });
        let load_weight = reads(Variable::Weight).then(|| {
            let load = load(&quote!(weight_row));
            quote!(let weight = #load;)
        });
        let known = norms_of(phases, phase);
        let body = assignments.iter().map(|assign| {
            let mut leaf = |variable| self.read(variable, &known);
            let writer = Writer::new(Style::Lanes(self.precision), &mut leaf);
            let name = self.target(assign.target);
            let is_flushed = matches!(assign.target, Variable::State(_)) && !flush.is_empty();
            let (lets, value) =
                if is_flushed { writer.operand(&assign.value) } else { writer.formula(&assign.value) };
            let flush = is_flushed.then_some(&flush);
            quote!(#(#lets)* let #name = #value #flush;)
        });
        let stores = used.iter().filter(|n| writes(state(**n))).filter_map(|n| {
            let (name, row) = (self.states.get(*n)?, row(*n)?);
            Some(store(name, &row))
        });
        let store_weight =
            writes(Variable::Weight).then(|| store(&format_ident!("weight"), &format_ident!("weight_row")));
        let arguments = used.iter().filter_map(|n| {
            let row = row(*n)?;
            Some(if writes(state(*n)) { quote!(#row: &mut #row_ty) } else { quote!(#row: &#row_ty) })
        });
        let weight = self.uses_weight(group, phase).then(|| {
            if writes(Variable::Weight) {
                quote!(, weight_row: &mut #row_ty)
            } else {
                quote!(, weight_row: &#row_ty)
            }
        });
        let kept = self.uses_weight(group, phase).then(|| format_ident!("weight_row"));
        let kept = kept.into_iter().chain(used.iter().filter_map(|n| row(*n)));
        let fetches = self.is_far.then(|| {
            let (comment, on) =
                (comment("what the next tile updates is on its way"), super::number(ROWS_OF_TILE));
            quote!(#comment #(rt::fetch_after(#kept, #on);)*)
        });
        let (norm_lets, results): (Vec<TokenStream>, Vec<TokenStream>) = norms
            .iter()
            .map(|(_, value)| {
                let mut leaf = |variable| self.read(variable, &known);
                let (lets, value) = Writer::new(Style::Lanes(self.precision), &mut leaf).formula(value);
                (quote!(#(#lets)*), value)
            })
            .unzip();
        let returns = (!norms.is_empty()).then(|| {
            let count = super::number(norms.len());
            quote!(-> [L; #count])
        });
        let result = (!norms.is_empty()).then(|| quote!([#(#results),*]));
        let rates = self.reads_rates(group, phase).then(|| quote!(, rates: &Rates));
        let given = reads_norms(phases, phase).then(|| {
            let count = super::number(known.len());
            quote!(, norms: &[L; #count])
        });
        let docs = self.update_docs(group, phase);
        let name = self.update_name(group, phase);
        let gradient = if reads(Variable::Gradient) { quote!(gradient) } else { quote!(_gradient) };
        quote! {
            #docs
            #[inline(always)]
            fn #name<L: Lanes<Elem = #element> #of_rows>(#gradient: L #weight #(, #arguments)* #rates #given) #returns {
                #fetches
                #load_weight
                #(#loads)*
                #(#body)*
                #(#norm_lets)*
                #(#stores)*
                #store_weight
                #result
            }
        }
    }

    fn update_docs(&self, group: usize, phase: usize) -> TokenStream {
        let source = self.source.groups.get(group).and_then(|group| group.phases.get(phase));
        let name = |variable| self.word(variable);
        let lines = source.into_iter().flat_map(|phase| {
            let plain = |value: &Scalar| match &self.source.scheduled_rate {
                Some(rate) => formula(&with_lr(value, rate), &name),
                None => formula(value, &name),
            };
            let assigned = phase
                .assignments
                .iter()
                .map(|assign| format!("{} = {}", name(assign.target), plain(&assign.value)));
            let norms = phase
                .norms
                .iter()
                .map(|(local, value)| format!("{} = norm({})", name(Variable::Local(*local)), plain(value)));
            assigned.chain(norms).collect::<Vec<String>>()
        });
        let mut first = format!("`{}`, for sixteen weights at once", self.source.text);
        if self.source.groups.len() > 1 {
            first.push_str(&format!(", group {} of parameters", group + 1));
        }
        let is_first = source.is_some_and(|phase| !phase.norms.is_empty());
        first.push_str(if is_first { "; returns what is squared for the norms:" } else { ":" });
        docs([first, String::new()].into_iter().chain(formulas(lines.collect())))
    }

    /// States that a phase reads or writes.
    fn used_states(&self, group: usize, phase: usize) -> Vec<usize> {
        let Some(phase) = self.groups.get(group).and_then(|phases| phases.get(phase)) else {
            return Vec::new();
        };
        let is_used = |n: &usize| {
            let state = Variable::State(*n as u32);
            phase.assignments.iter().any(|assign| assign.target == state || assign.value.depends_on(state))
                || phase.norms.iter().any(|(_, value)| value.depends_on(state))
        };
        (0..self.states.len()).filter(is_used).collect()
    }

    fn uses_weight(&self, group: usize, phase: usize) -> bool {
        let Some(phase) = self.groups.get(group).and_then(|phases| phases.get(phase)) else { return false };
        let weight = Variable::Weight;
        phase.assignments.iter().any(|assign| assign.target == weight || assign.value.depends_on(weight))
            || phase.norms.iter().any(|(_, value)| value.depends_on(weight))
    }

    /// Whether a pass is generic over the rows that it is handed, some of which hold numbers of sixteen bits.
    fn is_of_rows(&self, group: usize, phase: usize) -> bool {
        self.rounds && !self.rows(group, phase).is_empty()
    }

    fn reads_rates(&self, group: usize, phase: usize) -> bool {
        let Some(phase) = self.groups.get(group).and_then(|phases| phases.get(phase)) else { return false };
        let is_kept = |target| matches!(target, Variable::Weight | Variable::State(_));
        let mut reads = self.rounds && phase.assignments.iter().any(|assign| is_kept(assign.target));
        for value in
            phase.assignments.iter().map(|assign| &assign.value).chain(phase.norms.iter().map(|(_, x)| x))
        {
            value.variables(&mut |variable| reads |= matches!(variable, Variable::Local(n) if n >= RATES));
        }
        reads
    }

    fn update_name(&self, group: usize, phase: usize) -> Ident {
        let group = if group == 0 { String::new() } else { format!("_{}", group + 1) };
        let phases = self.groups.first().map_or(1, Vec::len);
        if phase + 1 == phases {
            format_ident!("update{group}")
        } else if phase == 0 {
            format_ident!("update{group}_norms")
        } else {
            format_ident!("update{group}_norms_{}", phase + 1)
        }
    }

    fn read(&self, variable: Variable, norms: &[u32]) -> TokenStream {
        match variable {
            Variable::Weight => quote!(weight),
            Variable::Gradient => quote!(gradient),
            Variable::Local(n) if n >= RATES => {
                let name = self.rates.get((n - RATES) as usize).map_or("rate", |(name, _)| name.as_str());
                let name = names::ident(name);
                quote!(L::splat(rates.#name))
            }
            Variable::Local(n) if norms.contains(&n) => {
                let at = norms.iter().position(|norm| *norm == n).unwrap_or(0);
                let at = super::number(at);
                quote!(norms[#at])
            }
            other => {
                let name = self.target(other);
                quote!(#name)
            }
        }
    }

    fn target(&self, variable: Variable) -> Ident {
        let name = match variable {
            Variable::State(n) => self.states.get(n as usize),
            Variable::Local(n) => self.locals.get(n as usize),
            _ => None,
        };
        name.cloned().unwrap_or_else(|| format_ident!("weight"))
    }

    /// Passes over a parameter.
    pub fn n_phases(&self) -> usize {
        self.groups.first().map_or(1, Vec::len)
    }

    /// How many norms a pass makes.
    pub fn n_norms(&self, parameter: usize, phase: usize) -> usize {
        let phases = self.groups.get(self.group(parameter));
        phases.and_then(|phases| phases.get(phase)).map_or(0, |phase| phase.norms.len())
    }

    /// The group of parameter number `number`.
    pub fn group(&self, number: usize) -> usize {
        self.source.group_of.get(number).copied().unwrap_or(0)
    }
}

/// What a state or a value of an optimizer is called in `update`, whose other names are its arguments and rows.
fn own_name(name: &str) -> Ident {
    let is_taken = ["rates", "norms", "gradient", "weight"].contains(&name)
        || name.ends_with("_row")
        || names::is_item(name);
    if is_taken { format_ident!("{name}_") } else { names::ident(name) }
}

/// A formula in which the rate that a schedule makes is called by its name.
fn with_lr(scalar: &Scalar, rate: &Scalar) -> Scalar {
    let inner = |x: &Scalar| with_lr(x, rate);
    match scalar {
        same if same == rate => Scalar::Variable(Variable::Hyper(0)),
        Scalar::Unary(op, x) => Scalar::unary(*op, inner(x)),
        Scalar::Binary(op, a, b) => Scalar::binary(*op, inner(a), inner(b)),
        Scalar::Select(condition, a, b) => {
            Scalar::Select(condition.clone(), Box::new(inner(a)), Box::new(inner(b)))
        }
        other => other.clone(),
    }
}

/// Whether a phase reads a norm of those before it.
fn reads_norms(phases: &[Phase], phase: usize) -> bool {
    let values = phases.get(phase).into_iter().flat_map(|Phase { assignments, norms }| {
        assignments.iter().map(|assign| &assign.value).chain(norms.iter().map(|(_, norm)| norm))
    });
    let known = norms_of(phases, phase);
    values.into_iter().any(|value| known.iter().any(|norm| value.depends_on(Variable::Local(*norm))))
}

/// Norms of the phases before this one.
fn norms_of(phases: &[Phase], phase: usize) -> Vec<u32> {
    phases.iter().take(phase).flat_map(|phase| &phase.norms).map(|(local, _)| *local).collect()
}
