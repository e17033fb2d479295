//! Scalar formulas as Rust: over lanes of samples or features, or over single f64 numbers.

use std::collections::HashMap;

use proc_macro2::{Literal, TokenStream};
use quote::{format_ident, quote};

use crate::program::Precision;
use crate::scalar::{Binary, Condition, Relation, Scalar, Unary, Variable};

/// How tightly an expression binds, so that parentheses stand only where they are needed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Binds {
    Atom,
    Prefix,
    Product,
    Sum,
    /// `if … { … } else { … }`
    Choice,
}

#[derive(Debug, Clone)]
struct Code {
    tokens: TokenStream,
    binds: Binds,
}

impl Code {
    fn atom(tokens: TokenStream) -> Self {
        Self { tokens, binds: Binds::Atom }
    }

    /// The tokens, in parentheses if they bind less tightly than `at_most`.
    fn within(&self, at_most: Binds) -> TokenStream {
        let tokens = &self.tokens;
        if self.binds <= at_most { tokens.clone() } else { quote!((#tokens)) }
    }
}

/// What formulas are written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Sixteen numbers at once: `L`.
    Lanes(Precision),
    /// One f64.
    Number,
}

/// Writes formulas; values that occur more than once get a `let`.
pub struct Writer<'a> {
    style: Style,
    leaf: &'a mut dyn FnMut(Variable) -> TokenStream,
    lets: Vec<TokenStream>,
    named: HashMap<Scalar, TokenStream>,
    counts: HashMap<Scalar, u32>,
    /// What temporary values are called: `t`, `t2`, ….
    stem: &'static str,
    temporaries: usize,
}

impl<'a> Writer<'a> {
    /// A writer that asks `leaf` how each variable is read.
    pub fn new(style: Style, leaf: &'a mut dyn FnMut(Variable) -> TokenStream) -> Self {
        Self {
            style,
            leaf,
            lets: Vec::new(),
            named: HashMap::new(),
            counts: HashMap::new(),
            stem: "t",
            temporaries: 0,
        }
    }

    /// With another name for temporary values, where `t` is that of a position.
    pub fn with_stem(self, stem: &'static str) -> Self {
        Self { stem, ..self }
    }

    /// One formula: the statements before it, and its value.
    pub fn formula(mut self, scalar: &Scalar) -> (Vec<TokenStream>, TokenStream) {
        self.count(scalar);
        let value = self.code(scalar).tokens;
        (self.lets, value)
    }

    /// As [`Writer::formula`], in parentheses where a method call would otherwise take a part of it.
    pub fn operand(mut self, scalar: &Scalar) -> (Vec<TokenStream>, TokenStream) {
        self.count(scalar);
        let value = self.code(scalar).within(Binds::Atom);
        (self.lets, value)
    }

    fn count(&mut self, scalar: &Scalar) {
        let trivial = match scalar {
            Scalar::Number(_) | Scalar::Variable(_) => true,
            Scalar::Unary(Unary::Neg, x) => matches!(**x, Scalar::Number(_)),
            _ => false,
        };
        if trivial {
            if matches!(scalar, Scalar::Variable(_)) {
                *self.counts.entry(scalar.clone()).or_default() += 1;
            }
            return;
        }
        let count = self.counts.entry(scalar.clone()).or_default();
        *count += 1;
        if *count > 1 {
            return;
        }
        match scalar {
            Scalar::Number(_) | Scalar::Variable(_) => {}
            Scalar::Unary(_, x) => self.count(x),
            Scalar::Binary(_, a, b) => {
                self.count(a);
                self.count(b);
            }
            Scalar::Select(condition, a, b) => {
                self.count_condition(condition);
                self.count(a);
                self.count(b);
            }
        }
    }

    fn count_condition(&mut self, condition: &Condition) {
        match condition {
            Condition::Compare(_, a, b) => {
                self.count(a);
                self.count(b);
            }
            Condition::And(a, b) | Condition::Or(a, b) => {
                self.count_condition(a);
                self.count_condition(b);
            }
            Condition::Not(a) => self.count_condition(a),
        }
    }

    fn code(&mut self, scalar: &Scalar) -> Code {
        if let Some(name) = self.named.get(scalar) {
            return Code::atom(name.clone());
        }
        let code = self.operation(scalar);
        let is_name = !matches!(scalar, Scalar::Number(_)) && code.tokens.clone().into_iter().count() > 1;
        if is_name && self.counts.get(scalar).copied().unwrap_or(0) > 1 {
            self.temporaries += 1;
            let name = match self.temporaries {
                1 => format_ident!("{}", self.stem),
                n => format_ident!("{}{}", self.stem, n),
            };
            let tokens = &code.tokens;
            self.lets.push(quote!(let #name = #tokens;));
            let name = quote!(#name);
            self.named.insert(scalar.clone(), name.clone());
            return Code::atom(name);
        }
        code
    }

    fn operation(&mut self, scalar: &Scalar) -> Code {
        match scalar {
            Scalar::Number(value) => self.number(*value),
            Scalar::Variable(variable) => Code::atom((self.leaf)(*variable)),
            Scalar::Unary(Unary::Neg, x) => {
                let x = self.code(x).within(Binds::Prefix);
                Code { tokens: quote!(-#x), binds: Binds::Prefix }
            }
            Scalar::Unary(op, x) => self.unary(*op, x),
            Scalar::Binary(op, a, b) => self.binary(*op, a, b),
            Scalar::Select(condition, a, b) => {
                let condition = self.condition(condition);
                let a = self.code(a).tokens;
                let b = self.code(b).tokens;
                match self.style {
                    Style::Lanes(_) => Code::atom(quote!(L::select(#condition, #a, #b))),
                    Style::Number => {
                        Code { tokens: quote!(if #condition { #a } else { #b }), binds: Binds::Choice }
                    }
                }
            }
        }
    }

    fn number(&self, value: f64) -> Code {
        match self.style {
            Style::Lanes(precision) => {
                let literal = literal(value, precision);
                Code::atom(quote!(L::splat(#literal)))
            }
            Style::Number => {
                let binds = if value < 0.0 { Binds::Prefix } else { Binds::Atom };
                Code { tokens: literal(value, Precision::F64), binds }
            }
        }
    }

    fn unary(&mut self, op: Unary, x: &Scalar) -> Code {
        let name = match op {
            Unary::Neg => "neg",
            Unary::Exp => "exp",
            Unary::Expm1 => "expm1",
            Unary::Log => "log",
            Unary::Log1p => "log1p",
            Unary::Sqrt => "sqrt",
            Unary::Tanh => "tanh",
            Unary::Sigmoid => "sigmoid",
            Unary::Softplus => "softplus",
            Unary::Erf => "erf",
            Unary::Sin => "sin",
            Unary::Cos => "cos",
            Unary::Abs => "abs",
            Unary::Sign => "sign",
            Unary::Floor => "floor",
        };
        let name = format_ident!("{name}");
        let x = self.code(x);
        Code::atom(match self.style {
            Style::Lanes(_) => {
                let x = x.within(Binds::Atom);
                quote!(#x.#name())
            }
            Style::Number => {
                let x = x.tokens;
                quote!(rt::math64::#name(#x))
            }
        })
    }

    fn binary(&mut self, op: Binary, a: &Scalar, b: &Scalar) -> Code {
        let lanes = matches!(self.style, Style::Lanes(_));
        match (op, a, b) {
            // Products are added without rounding between: faster, and the same everywhere.
            (Binary::Add, Scalar::Binary(Binary::Mul, x, y), z)
            | (Binary::Add, z, Scalar::Binary(Binary::Mul, x, y))
                if lanes && self.is_unnamed(if std::ptr::eq(z, b) { a } else { b }) =>
            {
                let (x, y) = (self.code(x).within(Binds::Atom), self.code(y).tokens);
                let z = self.code(z).tokens;
                Code::atom(quote!(#x.mul_add(#y, #z)))
            }
            (Binary::Sub, Scalar::Binary(Binary::Mul, x, y), z) if lanes && self.is_unnamed(a) => {
                let (x, y) = (self.code(x).within(Binds::Atom), self.code(y).tokens);
                let z = self.code(z).within(Binds::Prefix);
                Code::atom(quote!(#x.mul_add(#y, -#z)))
            }
            (Binary::Sub, z, Scalar::Binary(Binary::Mul, x, y)) if lanes && self.is_unnamed(b) => {
                let (x, y) = (self.code(x).within(Binds::Prefix), self.code(y).tokens);
                let z = self.code(z).tokens;
                Code::atom(quote!((-#x).mul_add(#y, #z)))
            }
            (Binary::Add, ..) => self.infix(a, b, Binds::Sum, Binds::Sum, Binds::Product, quote!(+)),
            (Binary::Sub, ..) => self.infix(a, b, Binds::Sum, Binds::Sum, Binds::Product, quote!(-)),
            (Binary::Mul, ..) => self.infix(a, b, Binds::Product, Binds::Product, Binds::Prefix, quote!(*)),
            (Binary::Div, ..) => self.infix(a, b, Binds::Product, Binds::Product, Binds::Prefix, quote!(/)),
            // What is not a number stays so. Of `min` and `max` in lanes it is the second operand that does.
            (Binary::Min, a, b @ Scalar::Number(_)) if lanes => self.function("min", b, a),
            (Binary::Max, a, b @ Scalar::Number(_)) if lanes => self.function("max", b, a),
            (Binary::Min, ..) => self.function(if lanes { "minimum" } else { "min" }, a, b),
            (Binary::Max, ..) => self.function(if lanes { "maximum" } else { "max" }, a, b),
            (Binary::Pow, x, Scalar::Number(n)) => self.power(x, *n, b),
            (Binary::Pow, ..) => self.function("pow", a, b),
        }
    }

    /// Whether the expression stands where it is used only, so that it can be a part of a larger one.
    fn is_unnamed(&self, scalar: &Scalar) -> bool {
        self.counts.get(scalar).copied().unwrap_or(0) <= 1 && !self.named.contains_key(scalar)
    }

    fn infix(
        &mut self,
        a: &Scalar,
        b: &Scalar,
        binds: Binds,
        left: Binds,
        right: Binds,
        op: TokenStream,
    ) -> Code {
        let a = self.code(a).within(left);
        let b = self.code(b).within(right);
        Code { tokens: quote!(#a #op #b), binds }
    }

    fn function(&mut self, name: &str, a: &Scalar, b: &Scalar) -> Code {
        let name = format_ident!("{name}");
        let (a, b) = (self.code(a), self.code(b));
        Code::atom(match self.style {
            Style::Lanes(_) => {
                let (a, b) = (a.within(Binds::Atom), b.tokens);
                quote!(#a.#name(#b))
            }
            Style::Number => {
                let (a, b) = (a.tokens, b.tokens);
                quote!(rt::math64::#name(#a, #b))
            }
        })
    }

    /// Whole powers are products, in an order that does not depend on the instruction set.
    fn power(&mut self, x: &Scalar, n: f64, exponent: &Scalar) -> Code {
        let whole = n.fract() == 0.0 && n.abs() <= 64.0;
        if n == 2.0 {
            let code = self.code(x);
            // The square of anything but a name needs one first.
            let value = if code.tokens.clone().into_iter().count() == 1 {
                code.tokens
            } else {
                self.temporaries += 1;
                let name = format_ident!("{}{}", self.stem, self.temporaries);
                let tokens = code.tokens;
                self.lets.push(quote!(let #name = #tokens;));
                self.named.insert(x.clone(), quote!(#name));
                quote!(#name)
            };
            return Code { tokens: quote!(#value * #value), binds: Binds::Product };
        }
        if whole && matches!(self.style, Style::Lanes(_)) {
            let n = Literal::i32_unsuffixed(n.abs() as i32);
            let negative = exponent_is_negative(exponent);
            let x = self.code(x).within(Binds::Atom);
            return if negative {
                let one = self.number(1.0).tokens;
                Code { tokens: quote!(#one / #x.powi(#n)), binds: Binds::Product }
            } else {
                Code::atom(quote!(#x.powi(#n)))
            };
        }
        if n == 0.5 {
            return self.unary(Unary::Sqrt, x);
        }
        self.function("pow", x, exponent)
    }

    fn condition(&mut self, condition: &Condition) -> TokenStream {
        match condition {
            Condition::Compare(relation, a, b) => {
                let (a, b) = (self.code(a), self.code(b));
                match self.style {
                    Style::Lanes(_) => {
                        let name = match relation {
                            Relation::Lt => quote!(lt),
                            Relation::Le => quote!(le),
                            Relation::Gt => quote!(gt),
                            Relation::Ge => quote!(ge),
                            Relation::Eq => quote!(eq),
                            Relation::Ne => quote!(ne),
                        };
                        let (a, b) = (a.within(Binds::Atom), b.tokens);
                        quote!(#a.#name(#b))
                    }
                    Style::Number => {
                        let op = match relation {
                            Relation::Lt => quote!(<),
                            Relation::Le => quote!(<=),
                            Relation::Gt => quote!(>),
                            Relation::Ge => quote!(>=),
                            Relation::Eq => quote!(==),
                            Relation::Ne => quote!(!=),
                        };
                        let (a, b) = (a.within(Binds::Sum), b.within(Binds::Sum));
                        quote!(#a #op #b)
                    }
                }
            }
            Condition::And(a, b) => {
                let [a, b] = [a, b].map(|part| {
                    let code = self.condition(part);
                    if matches!(**part, Condition::Or(..)) { quote!((#code)) } else { code }
                });
                if self.style == Style::Number { quote!(#a && #b) } else { quote!(#a & #b) }
            }
            Condition::Or(a, b) => {
                let (a, b) = (self.condition(a), self.condition(b));
                if self.style == Style::Number { quote!(#a || #b) } else { quote!(#a | #b) }
            }
            Condition::Not(a) => {
                let code = self.condition(a);
                let is_call = matches!(**a, Condition::Compare(..)) && self.style != Style::Number;
                if is_call { quote!(!#code) } else { quote!(!(#code)) }
            }
        }
    }
}

fn exponent_is_negative(exponent: &Scalar) -> bool {
    matches!(exponent, Scalar::Number(n) if *n < 0.0)
}

/// A number as the shortest literal that reads back as the same.
pub fn literal(value: f64, precision: Precision) -> TokenStream {
    if value.is_nan() {
        return match precision {
            Precision::F32 => quote!(f32::NAN),
            Precision::F64 => quote!(f64::NAN),
        };
    }
    let magnitude = value.abs();
    let magnitude = match precision {
        Precision::F32 if (magnitude as f32).is_infinite() => quote!(f32::INFINITY),
        Precision::F64 if magnitude.is_infinite() => quote!(f64::INFINITY),
        Precision::F32 => {
            // A text with an exponent where that is shorter: `1e-8`, not `0.00000001`.
            float_text(&format!("{:?}", magnitude as f32))
        }
        Precision::F64 => float_text(&format!("{magnitude:?}")),
    };
    if value.is_sign_negative() && value != 0.0 { quote!(-#magnitude) } else { magnitude }
}

fn float_text(text: &str) -> TokenStream {
    text.parse().unwrap_or_else(|_| quote!(0.0))
}
