//! The optimizer: one function that updates sixteen weights, and the numbers that a step needs for it.
//!
//! What does not depend on the weight, its gradient or the states is the same for a whole step. It is computed once,
//! in f64, and handed to the update as `Rates`.

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};

use super::comments::docs;
use super::names;
use super::scalar::{Style, Writer};
use crate::program::{OptimizerUse, Precision};
use crate::scalar::{Binary, Scalar, Variable, formula};

/// An optimizer, taken apart for emission.
#[derive(Debug, Clone)]
pub struct Optimizer {
    /// Names of its states.
    pub states: Vec<Ident>,
    /// Their initial values.
    pub initial: Vec<f64>,
    /// The learning rate, if it has one.
    pub lr: Option<f64>,
    /// Numbers of a step: name and formula over `Step` and `Hyper`.
    rates: Vec<(String, Scalar)>,
    /// What happens to each element, over `Rate` variables written as `Local(LOCALS + n)`.
    assignments: Vec<(Variable, Scalar)>,
    locals: Vec<Ident>,
    text: String,
    formulas: Vec<String>,
    precision: Precision,
}

/// Rates are numbered as locals behind the optimizer's own.
const RATES: u32 = 1 << 16;

impl Optimizer {
    /// Divides an optimizer into what is done once a step and what is done to each element.
    pub fn new(optimizer: &OptimizerUse, precision: Precision) -> Self {
        let name = |variable| variable_name(optimizer, variable);
        let mut out = Self {
            states: optimizer.states.iter().map(|(name, _)| names::ident(name)).collect(),
            initial: optimizer
                .states
                .iter()
                .map(|(_, initial)| crate::scalar::evaluate(initial, &mut |_| 0.0))
                .collect(),
            lr: optimizer.hyper.first().map(|(_, value)| *value),
            rates: Vec::new(),
            assignments: Vec::new(),
            locals: optimizer.locals.iter().map(|name| names::ident(name)).collect(),
            text: optimizer.text.clone(),
            formulas: optimizer
                .assignments
                .iter()
                .map(|assign| format!("{} = {}", name(assign.target), formula(&assign.value, &name)))
                .collect(),
            precision,
        };
        // Locals that are the same for a whole step become rates of their own name.
        let mut uniform: Vec<(Variable, Scalar)> = Vec::new();
        for assign in &optimizer.assignments {
            let value = assign.value.substitute(&mut |variable| {
                uniform.iter().find(|(local, _)| *local == variable).map(|(_, value)| value.clone())
            });
            let value = crate::scalar::simplify(&value);
            if let Variable::Local(n) = assign.target
                && is_uniform(&value)
            {
                let rate = match &value {
                    Scalar::Number(_) => value,
                    _ => out.rate(optimizer.locals.get(n as usize).map_or("rate", String::as_str), value),
                };
                uniform.push((assign.target, rate));
                continue;
            }
            let value = out.hoist(&value);
            out.assignments.push((assign.target, value));
        }
        out
    }

    /// The scalar that stands for a formula computed once a step.
    fn rate(&mut self, name: &str, value: Scalar) -> Scalar {
        // A formula over other rates is written out, so that rates do not depend on each other.
        let rates = self.rates.clone();
        let value = value.substitute(&mut |variable| match variable {
            Variable::Local(n) if n >= RATES => {
                rates.get((n - RATES) as usize).map(|(_, value)| value.clone())
            }
            _ => None,
        });
        let at = self.rates.iter().position(|(_, known)| *known == value).unwrap_or_else(|| {
            let taken = |name: &str| self.rates.iter().any(|(known, _)| known == name);
            let mut unique = name.to_owned();
            let mut n = 1;
            while taken(&unique) {
                n += 1;
                unique = format!("{name}_{n}");
            }
            self.rates.push((unique, value));
            self.rates.len() - 1
        });
        Scalar::Variable(Variable::Local(RATES + at as u32))
    }

    /// Takes the largest parts that are the same for a whole step out of a formula.
    fn hoist(&mut self, scalar: &Scalar) -> Scalar {
        if is_uniform(scalar) && !matches!(scalar, Scalar::Number(_)) {
            let name = match scalar {
                Scalar::Variable(Variable::Hyper(_)) => "lr",
                Scalar::Variable(Variable::Local(n)) if *n >= RATES => return scalar.clone(),
                _ => "rate",
            };
            return self.rate(name, scalar.clone());
        }
        match scalar {
            Scalar::Number(_) | Scalar::Variable(_) => scalar.clone(),
            Scalar::Unary(op, x) => Scalar::unary(*op, self.hoist(x)),
            // A product `lr * m / c` holds its uniform factors apart: they are brought together first.
            Scalar::Binary(Binary::Mul | Binary::Div, ..) => {
                let (uniform, rest) = factors(scalar);
                match uniform {
                    Some(uniform) if uniform.size() > 0 || matches!(uniform, Scalar::Variable(_)) => {
                        let rate = self.hoist(&uniform);
                        let rest = self.hoist_inside(&rest);
                        Scalar::binary(Binary::Mul, rate, rest)
                    }
                    _ => self.hoist_inside(scalar),
                }
            }
            Scalar::Binary(..) | Scalar::Select(..) => self.hoist_inside(scalar),
        }
    }

    fn hoist_inside(&mut self, scalar: &Scalar) -> Scalar {
        match scalar {
            Scalar::Binary(op, a, b) => {
                let a = self.hoist(a);
                Scalar::binary(*op, a, self.hoist(b))
            }
            Scalar::Unary(op, x) => Scalar::unary(*op, self.hoist(x)),
            Scalar::Select(condition, a, b) => {
                let condition = condition.substitute(&mut |variable| match variable {
                    Variable::Hyper(_) => Some(self.rate("lr", Scalar::Variable(variable))),
                    Variable::Step => Some(self.rate("step", Scalar::Variable(variable))),
                    _ => None,
                });
                let a = self.hoist(a);
                Scalar::Select(Box::new(condition), Box::new(a), Box::new(self.hoist(b)))
            }
            _ => scalar.clone(),
        }
    }

    /// Whether a step needs numbers of its own.
    pub fn has_rates(&self) -> bool {
        !self.rates.is_empty()
    }

    fn element(&self) -> TokenStream {
        match self.precision {
            Precision::F32 => quote!(f32),
            Precision::F64 => quote!(f64),
        }
    }

    /// `struct Rates`, with the function that computes it.
    pub fn rates_item(&self) -> TokenStream {
        if self.rates.is_empty() {
            return TokenStream::new();
        }
        let element = self.element();
        let fields: Vec<Ident> = self.rates.iter().map(|(name, _)| names::ident(name)).collect();
        let values = self.rates.iter().map(|(_, value)| {
            let mut leaf = |variable| match variable {
                Variable::Step => quote!(step),
                _ => quote!(lr),
            };
            let (lets, value) = Writer::new(Style::Number, &mut leaf).formula(value);
            let value = if lets.is_empty() { value } else { quote!({ #(#lets)* #value }) };
            match self.precision {
                Precision::F32 if value.clone().into_iter().count() == 1 => quote!(#value as f32),
                Precision::F32 => quote!((#value) as f32),
                Precision::F64 => value,
            }
        });
        let lines = self.rates.iter().map(|(name, value)| {
            format!(
                "- `{name}` = {}",
                formula(value, &|variable| match variable {
                    Variable::Step => "step".to_owned(),
                    _ => "lr".to_owned(),
                })
            )
        });
        let docs = docs(
            [
                format!("Numbers of `{}` that are the same for a whole step, computed in f64:", self.text),
                String::new(),
            ]
            .into_iter()
            .chain(lines),
        );
        let uses = |variable| self.rates.iter().any(|(_, value)| value.depends_on(variable));
        let step = if uses(Variable::Step) { quote!(let step = step as f64;) } else { quote!(let _ = step;) };
        let lr = if uses(Variable::Hyper(0)) { TokenStream::new() } else { quote!(let _ = lr;) };
        quote! {
            #docs
            #[derive(Clone, Copy)]
            struct Rates {
                #(#fields: #element,)*
            }

            impl Rates {
                fn new(step: u64, lr: f64) -> Self {
                    #step
                    #lr
                    Self { #(#fields: #values,)* }
                }
            }
        }
    }

    /// `fn update`: what happens to sixteen weights.
    pub fn update_item(&self) -> TokenStream {
        let element = self.element();
        let states = &self.states;
        let flush = match self.precision {
            // Moments of units that went quiet would decay into denormal numbers, which are slow.
            Precision::F32 => quote!(.flush(1e-30)),
            Precision::F64 => TokenStream::new(),
        };
        let weight_read = self.assignments.iter().any(|(_, value)| value.depends_on(Variable::Weight));
        let loads = states.iter().enumerate().map(|(n, state)| {
            let (row, used) = (
                format_ident!("{state}_row"),
                self.assignments.iter().any(|(_, value)| value.depends_on(Variable::State(n as u32))),
            );
            if used { quote!(let #state = L::load(#row);) } else { TokenStream::new() }
        });
        let load_weight = weight_read.then(|| quote!(let weight = L::load(weight_row);));
        let body = self.assignments.iter().map(|(target, value)| {
            let mut leaf = |variable| self.read(variable);
            let writer = Writer::new(Style::Lanes(self.precision), &mut leaf);
            let name = self.target(*target);
            let is_flushed = matches!(target, Variable::State(_)) && !flush.is_empty();
            let (lets, value) = if is_flushed { writer.operand(value) } else { writer.formula(value) };
            let flush = is_flushed.then_some(&flush);
            quote!(#(#lets)* let #name = #value #flush;)
        });
        let stores = states.iter().map(|state| {
            let row = format_ident!("{state}_row");
            quote!(#state.store(#row);)
        });
        let arguments = states.iter().map(|state| {
            let row = format_ident!("{state}_row");
            quote!(#row: &mut Row)
        });
        let rates = self.has_rates().then(|| quote!(, rates: &Rates));
        let lines = self.formulas.iter().map(|line| format!("    {line}"));
        let docs = docs(
            [format!("`{}`, for sixteen weights at once:", self.text), String::new()]
                .into_iter()
                .chain(lines),
        );
        quote! {
            #docs
            #[inline(always)]
            fn update<L: Lanes<Elem = #element>>(gradient: L, weight_row: &mut Row #(, #arguments)* #rates) {
                #load_weight
                #(#loads)*
                #(#body)*
                #(#stores)*
                weight.store(weight_row);
            }
        }
    }

    fn read(&self, variable: Variable) -> TokenStream {
        match variable {
            Variable::Weight => quote!(weight),
            Variable::Gradient => quote!(gradient),
            Variable::Local(n) if n >= RATES => {
                let name = self.rates.get((n - RATES) as usize).map_or("rate", |(name, _)| name.as_str());
                let name = names::ident(name);
                quote!(L::splat(rates.#name))
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

    /// The call that updates one row of a parameter.
    pub fn call(&self, parameter: Ident) -> UpdateCall<'_> {
        UpdateCall { optimizer: self, parameter }
    }
}

/// A call of `update` for rows of one parameter.
#[derive(Debug, Clone)]
pub struct UpdateCall<'a> {
    optimizer: &'a Optimizer,
    parameter: Ident,
}

impl UpdateCall<'_> {
    /// The call for the row at these indices, whose gradient is `z`.
    pub fn at(&self, indices: &[TokenStream]) -> TokenStream {
        let parameter = &self.parameter;
        let place = quote!(#([#indices])*);
        let states = self.optimizer.states.iter().map(|state| quote!(&mut state.#state.#parameter #place));
        let rates = self.optimizer.has_rates().then(|| quote!(, rates));
        quote!(update::<L>(z, &mut parameters.#parameter #place #(, #states)* #rates);)
    }
}

/// Whether a formula is the same for all weights of a step.
fn is_uniform(scalar: &Scalar) -> bool {
    let mut uniform = true;
    scalar.variables(&mut |variable| {
        uniform &= match variable {
            Variable::Step | Variable::Hyper(_) => true,
            Variable::Local(n) => n >= RATES,
            _ => false,
        };
    });
    uniform
}

/// A product as its uniform factors, and the rest.
fn factors(scalar: &Scalar) -> (Option<Scalar>, Scalar) {
    let one = || Scalar::Number(1.0);
    let times = |a: Option<Scalar>, b: Option<Scalar>| match (a, b) {
        (Some(a), Some(b)) => Some(Scalar::binary(Binary::Mul, a, b)),
        (a, b) => a.or(b),
    };
    if is_uniform(scalar) {
        return (Some(scalar.clone()), one());
    }
    match scalar {
        Scalar::Binary(Binary::Mul, a, b) => {
            let ((ua, ra), (ub, rb)) = (factors(a), factors(b));
            let rest = if ra.is(1.0) {
                rb
            } else if rb.is(1.0) {
                ra
            } else {
                Scalar::binary(Binary::Mul, ra, rb)
            };
            (times(ua, ub), rest)
        }
        Scalar::Binary(Binary::Div, a, b) => {
            let (ua, ra) = factors(a);
            if is_uniform(b) {
                let uniform = Scalar::binary(Binary::Div, ua.unwrap_or_else(one), (**b).clone());
                (Some(uniform), ra)
            } else {
                (ua, Scalar::binary(Binary::Div, ra, (**b).clone()))
            }
        }
        _ => (None, scalar.clone()),
    }
}

/// A variable of an optimizer, as the language calls it.
fn variable_name(optimizer: &OptimizerUse, variable: Variable) -> String {
    let of = |list: &[String], n: u32| list.get(n as usize).cloned();
    match variable {
        Variable::Weight => "weight".to_owned(),
        Variable::Gradient => "gradient".to_owned(),
        Variable::Step => "step".to_owned(),
        Variable::Local(n) => of(&optimizer.locals, n).unwrap_or_default(),
        Variable::State(n) => {
            optimizer.states.get(n as usize).map(|(name, _)| name.clone()).unwrap_or_default()
        }
        Variable::Hyper(n) => {
            optimizer.hyper.get(n as usize).map(|(name, _)| name.clone()).unwrap_or_default()
        }
        other => format!("{other:?}"),
    }
}
