//! Programs as text, for `nnc expand --stage program` and for snapshots.

use std::fmt;

use crate::ops::{Arguments, Value};
use crate::program::{
    ActivationBody, Application, Augmentation, Cell, DataSource, DataSpec, Fill, HyperValue, Kind, LossUse,
    OptimizerUse, Precision, Program, Reduction, Storage, TargetKind, TrainSpec, ValueExpr, ValueId,
};
use crate::scalar::{Scalar, Variable, formula};

impl fmt::Display for ValueId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "%{}", self.0)
    }
}

impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "program {}", self.name)?;
        for (n, input) in self.inputs.iter().enumerate() {
            writeln!(f, "  %{n} = input {}: {:?}", input.name, input.shape)?;
        }
        for (n, application) in self.applications.iter().enumerate() {
            write!(f, "  %{} = ", self.inputs.len() + n)?;
            writeln!(f, "{application}")?;
        }
        for output in &self.outputs {
            match output.name.as_str() {
                "output" => writeln!(f, "  output {}", output.value)?,
                name => writeln!(f, "  output {name} = {}", output.value)?,
            }
        }
        for import in &self.imports {
            let weights = import.weights.as_ref().map(|weights| format!(" from {:?}", weights.path));
            writeln!(f, "  import {}*{}", import.prefix, weights.unwrap_or_default())?;
        }
        for loss in &self.losses {
            writeln!(f, "{loss}")?;
        }
        if let Some(optimizer) = &self.optimizer {
            writeln!(f, "{optimizer}")?;
        }
        if !self.metrics.is_empty() {
            let metrics: Vec<&str> = self.metrics.iter().map(|(name, _)| name.as_str()).collect();
            writeln!(f, "  metrics {}", metrics.join(", "))?;
        }
        if let Some(data) = &self.data {
            writeln!(f, "{data}")?;
        }
        writeln!(f, "{}", self.train)
    }
}

impl fmt::Display for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inputs: Vec<String> = self.inputs.iter().map(ToString::to_string).collect();
        write!(f, "{}: ", self.layer)?;
        match &self.kind {
            Kind::Layer(layer, arguments) => write!(f, "{}{arguments}", layer.name())?,
            Kind::Activation { text, .. } => write!(f, "{text}")?,
            Kind::Cell(cell) => write!(f, "{cell}")?,
        }
        write!(f, " of {}", inputs.join(", "))?;
        if !self.trainable {
            write!(f, ", frozen")?;
        }
        if self.recompute.is_some() {
            write!(f, ", computed again")?;
        }
        if let Kind::Activation { body, parameters, .. } = &self.kind {
            let names: Vec<String> = std::iter::once("x".to_owned())
                .chain(parameters.iter().map(|(name, _)| name.clone()))
                .collect();
            match body {
                ActivationBody::Scalar(scalar) => write!(f, " = {}", text(scalar, &names))?,
                ActivationBody::Value(value) => write!(f, " = {}", value_text(value, &names))?,
            }
            for (name, initializer) in parameters {
                write!(f, ", {name} starts as {}", initializer.text)?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.text)?;
        for (is_so, word) in [
            (self.is_last, "last"),
            (self.is_reverse, "reverse"),
            (self.is_bidirectional, "bidirectional"),
            (self.carry.is_some(), "carried"),
            (self.mask.is_some(), "masked"),
        ] {
            if is_so {
                write!(f, ", {word}")?;
            }
        }
        write!(f, " {{")?;
        for state in &self.states {
            write!(
                f,
                "\n      state {}: [{}] = {}, then {}",
                state.name, state.len, state.initial, state.next
            )?;
        }
        for (n, step) in self.steps.iter().enumerate() {
            write!(f, "\n      {} = {step}", ValueId((1 + self.states.len() + n) as u32))?;
        }
        write!(f, "\n      output {}\n    }}", self.output)
    }
}

impl fmt::Display for Arguments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut values: Vec<String> = self
            .values
            .iter()
            .map(|(name, value, _)| match value {
                Value::Number(value) => format!("{name} = {value}"),
                Value::Bool(value) => format!("{name} = {value}"),
                Value::Choice(word) => format!("{name} = {word}"),
                Value::Init(init) => format!("{name} = {}", init.text),
                Value::Counts(counts) => match counts.as_slice() {
                    [all] => format!("{name} = {all}"),
                    each => format!("{name} = {each:?}"),
                },
                Value::Shape(shape) => format!("{name} = {shape:?}"),
                Value::Operand => format!("{name} = given"),
                Value::Nothing => format!("{name} = none"),
            })
            .collect();
        if self.part > 0 {
            values.push(format!("part {}", self.part));
        }
        if values.is_empty() { Ok(()) } else { write!(f, "({})", values.join(", ")) }
    }
}

impl fmt::Display for LossUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reduction = self.reduction.word();
        let target = match self.target {
            TargetKind::Class => "class",
            TargetKind::Values => "values",
        };
        writeln!(f, "  loss {}, {reduction} over samples, target of {target}", self.text)?;
        write!(f, "    {}", self.body)?;
        match &self.sample_weight {
            Some(weight) => write!(f, "\n    weight {weight}"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for OptimizerUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "  optimizer {}", self.text)?;
        for hyper in &self.hyper {
            write!(f, "\n    hyper {} = {}", hyper.name, hyper.value)?;
            for (pattern, value) in &hyper.overrides {
                write!(f, "\n    hyper {} = {value} for {pattern}", hyper.name)?;
            }
        }
        if let Some(norm) = self.clip_norm {
            write!(f, "\n    gradients of a norm up to {norm}")?;
        }
        if self.accumulate > 1 {
            write!(f, "\n    gradients of {} steps", self.accumulate)?;
        }
        let name = |variable: Variable| match variable {
            Variable::State(n) => self.states.get(n as usize).map(|(name, _)| name.as_str()),
            Variable::Local(n) => self.locals.get(n as usize).map(String::as_str),
            Variable::Hyper(n) => self.hyper.get(n as usize).map(|hyper| hyper.name.as_str()),
            _ => None,
        };
        let name = |variable: Variable| name(variable).map_or_else(|| word(variable), str::to_owned);
        for (state, initial) in &self.states {
            write!(f, "\n    state {state} = {}", formula(initial, &name))?;
        }
        for assign in &self.assignments {
            let is_local = matches!(assign.target, Variable::Local(_));
            let keyword = if is_local { "let " } else { "" };
            let value = formula(&assign.value, &name);
            let value = if assign.is_norm { format!("norm({value})") } else { value };
            write!(f, "\n    {keyword}{} = {value}", name(assign.target))?;
        }
        Ok(())
    }
}

impl fmt::Display for HyperValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schedule {
            None => write!(f, "{}", self.base),
            Some(schedule) => {
                let name = |variable: Variable| match variable {
                    Variable::Hyper(_) => self.base.to_string(),
                    Variable::ScheduleState(n) => {
                        schedule.states.get(n as usize).map_or_else(String::new, |(name, _)| name.clone())
                    }
                    other => word(other),
                };
                write!(f, "{} = {}", schedule.text, formula(&schedule.value, &name))?;
                for ((state, initial), update) in schedule.states.iter().zip(&schedule.updates) {
                    write!(f, "\n      {state} from {initial}, then {}", formula(update, &name))?;
                }
                Ok(())
            }
        }
    }
}

impl fmt::Display for DataSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.source {
            DataSource::Csv { path, test } => {
                write!(f, "  data csv {path:?}")?;
                if let Some(test) = test {
                    write!(f, ", test {test:?}")?;
                }
                if self.delimiter != ',' {
                    write!(f, ", delimiter {:?}", self.delimiter)?;
                }
            }
            DataSource::Images { folder, test } => {
                write!(f, "  data images {folder:?}")?;
                if let Some(test) = test {
                    write!(f, ", test {test:?}")?;
                }
                write!(f, ", scale {}", self.scale)?;
            }
            DataSource::Npy { inputs, labels, test } => {
                write!(f, "  data npy {inputs:?}")?;
                if let Some(labels) = labels {
                    write!(f, ", labels {labels:?}")?;
                }
                if let Some((inputs, labels)) = test {
                    write!(f, ", test {inputs:?}")?;
                    labels.iter().try_for_each(|labels| write!(f, ", {labels:?}"))?;
                }
                write!(f, ", scale {}", self.scale)?;
            }
            DataSource::Npz { path, arrays, test } => {
                write!(f, "  data npz {path:?}, arrays {arrays:?}")?;
                if let Some(test) = test {
                    write!(f, ", test {test:?}")?;
                }
                write!(f, ", scale {}", self.scale)?;
            }
            DataSource::Text { path, test, stride } => {
                write!(f, "  data text {path:?}")?;
                if let Some(test) = test {
                    write!(f, ", test {test:?}")?;
                }
                if let Some(stride) = stride {
                    write!(f, ", stride {stride}")?;
                }
            }
            DataSource::Idx { images, labels, test } => {
                write!(f, "  data idx {images:?}, labels {labels:?}")?;
                if let Some((images, labels)) = test {
                    write!(f, ", test {images:?}, {labels:?}")?;
                }
                write!(f, ", scale {}", self.scale)?;
            }
        }
        for (key, columns) in [
            ("target", &self.target),
            ("features", &self.features),
            ("ignore", &self.ignore),
            ("classes", &self.classes),
        ] {
            if !columns.is_empty() {
                let names: Vec<&str> = columns.iter().map(|(name, _)| name.as_str()).collect();
                write!(f, ", {key} {names:?}")?;
            }
        }
        if let Some(rows) = self.rows {
            write!(f, ", rows {rows}")?;
        }
        if !self.augment.is_empty() {
            let steps: Vec<String> = self.augment.iter().map(|step| step.kind.to_string()).collect();
            write!(f, ", augment [{}]", steps.join(", "))?;
        }
        write!(f, ", split {}, validation {}, stratify {}", self.split, self.validation, self.stratify)
    }
}

impl fmt::Display for Augmentation {
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

impl fmt::Display for TrainSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let precision = match self.precision {
            Precision::F32 => "f32",
            Precision::F64 => "f64",
        };
        write!(
            f,
            "  train epochs {}, batch {}, seed {}, shuffle {}, precision {precision}",
            self.epochs, self.batch, self.seed, self.shuffle
        )?;
        if self.storage == Storage::Bf16 {
            write!(f, ", storage bf16")?;
        }
        if let Some(stop) = &self.stop {
            write!(f, ", stop after {} epochs without {} better", stop.patience, stop.min_delta)?;
        }
        if let Some(weights) = &self.weights {
            write!(f, ", weights {:?}", weights.path)?;
            if weights.is_partial {
                write!(f, " in part")?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for ValueExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&value_text(self, &["output".to_owned()]))
    }
}

/// An expression over values; `names` are those of the value and the parameters.
fn value_text(expr: &ValueExpr, names: &[String]) -> String {
    // Whole values stand for variables, so that scalars and values print alike.
    let mut calls = Vec::new();
    let scalar = as_scalar(expr, names, &mut calls);
    text(&scalar, &calls)
}

/// The loss as a scalar; what is none becomes `Input(n)`, with `calls[n]` for its text.
fn as_scalar(expr: &ValueExpr, names: &[String], calls: &mut Vec<String>) -> Scalar {
    let name = |n: usize| names.get(n).cloned().unwrap_or_default();
    let inner = |x: &ValueExpr| value_text(x, names);
    let call = |text: String, calls: &mut Vec<String>| {
        calls.push(text);
        Scalar::input(calls.len() as u32 - 1)
    };
    match expr {
        ValueExpr::Value => call(name(0), calls),
        ValueExpr::Parameter(n) => call(name(*n as usize + 1), calls),
        ValueExpr::List(list) => call(format!("{:?}", list.values), calls),
        ValueExpr::Count => call("classes".to_owned(), calls),
        ValueExpr::Part(n, of, x) => call(format!("part({}, {}, {of})", inner(x), n + 1), calls),
        ValueExpr::Target => call("target".to_owned(), calls),
        ValueExpr::Number(value) => Scalar::Number(*value),
        ValueExpr::Unary(op, x) => Scalar::unary(*op, as_scalar(x, names, calls)),
        ValueExpr::Binary(op, a, b) => {
            let a = as_scalar(a, names, calls);
            Scalar::binary(*op, a, as_scalar(b, names, calls))
        }
        ValueExpr::Select(relation, a, b, then, otherwise) => {
            let (a, b) = (as_scalar(a, names, calls), as_scalar(b, names, calls));
            let then = as_scalar(then, names, calls);
            Scalar::select(*relation, a, b, then, as_scalar(otherwise, names, calls))
        }
        ValueExpr::Reduce(Reduction::Sum, x) => call(format!("sum({})", inner(x)), calls),
        ValueExpr::Reduce(Reduction::Mean, x) => call(format!("mean({})", inner(x)), calls),
        ValueExpr::Reduce(Reduction::Max, x) => call(format!("max({})", inner(x)), calls),
        ValueExpr::Softmax(x) => call(format!("softmax({})", inner(x)), calls),
        ValueExpr::LogSoftmax(x) => call(format!("log_softmax({})", inner(x)), calls),
        ValueExpr::OneHot(x) => call(format!("one_hot({})", inner(x)), calls),
    }
}

fn text(scalar: &Scalar, calls: &[String]) -> String {
    formula(scalar, &|variable| match variable {
        Variable::Input(n) => calls.get(n as usize).cloned().unwrap_or_else(|| "x".to_owned()),
        other => word(other),
    })
}

fn word(variable: Variable) -> String {
    match variable {
        Variable::Weight => "weight".to_owned(),
        Variable::Gradient => "gradient".to_owned(),
        Variable::Step => "step".to_owned(),
        Variable::StepsPerEpoch => "steps_per_epoch".to_owned(),
        Variable::EpochLoss => "loss".to_owned(),
        Variable::ClipScale => "clip_scale".to_owned(),
        Variable::FanIn => "fan_in".to_owned(),
        Variable::FanOut => "fan_out".to_owned(),
        Variable::Gain => "gain".to_owned(),
        Variable::RandomTruncated(_) => "random_truncated()".to_owned(),
        Variable::RandomOrthogonal(_) => "random_orthogonal()".to_owned(),
        Variable::RandomUniform(_) => "random_uniform()".to_owned(),
        Variable::RandomNormal(_) => "random_normal()".to_owned(),
        other => format!("{other:?}").to_lowercase(),
    }
}
